//! Which log lines are written.

use std::str::FromStr;

use tracing_subscriber::filter::{LevelFilter, Targets};

/// Reads levels: one for everything, and others for parts of the program by the path of their module, such as
/// `info,headwater::ingest=debug`. None: it can't be read.
///
/// Stricter than `Targets` itself, which takes what is empty for `error`, so that `info,` would hide all else.
pub fn log_filter(text: &str) -> Option<Targets> {
    let mut filter = Targets::new();
    for part in text.split(',') {
        filter = match part.split_once('=') {
            None => filter.with_default(level(part)?),
            Some((target, at)) => {
                filter.with_target(Some(target).filter(|target| is_path(target))?, level(at)?)
            }
        };
    }
    Some(filter)
}

fn level(text: &str) -> Option<LevelFilter> {
    Some(text).filter(|text| !text.is_empty()).and_then(|text| LevelFilter::from_str(text).ok())
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    #[test]
    fn the_most_particular_part_decides() {
        let filter = log_filter("warn,headwater::ingest=DEBUG,fjall=off").expect("a filter");
        let level = |target| {
            let levels = [LevelFilter::TRACE, LevelFilter::DEBUG, LevelFilter::INFO, LevelFilter::WARN];
            let enabled =
                |level: &LevelFilter| filter.would_enable(target, &level.into_level().expect("one"));
            levels.into_iter().find(enabled).unwrap_or(LevelFilter::OFF)
        };
        assert_eq!(level("headwater::ingest::worker"), LevelFilter::DEBUG);
        assert_eq!(level("headwater::serving"), LevelFilter::WARN);
        assert_eq!(level("fjall"), LevelFilter::OFF);
    }

    #[test]
    fn what_would_hide_lines_by_mistake_is_no_filter() {
        for bad in
            ["", "info,", ",info", "inof", "info, headwater=debug", "headwater=", "=debug", "a[rpc]=debug"]
        {
            assert!(log_filter(bad).is_none(), "{bad}");
        }
    }
}
