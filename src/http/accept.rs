//! Which format of metrics a scraper wants: what its `Accept` has with the highest weight, of the two that there are.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

use crate::telemetry::Exposition;

/// The format to answer in; Prometheus' text for whoever names none that we have.
pub(super) fn exposition(headers: &HeaderMap) -> Exposition {
    let wanted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges = wanted.flat_map(|value| value.split(',')).filter_map(range);
    // Of two that weigh the same the first one.
    let best = ranges.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map_or_else(Exposition::default, |(exposition, _)| exposition)
}

/// The format that a media range stands for and how much it is wanted, if we have it and it is.
fn range(text: &str) -> Option<(Exposition, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next()?.to_ascii_lowercase();
    let (mut version, mut weight) = (None, 1.0);
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name.trim().to_ascii_lowercase().as_str() {
            "version" => version = Some(value.trim().trim_matches('"')),
            "q" => weight = value.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?,
            _ => {}
        }
    }
    let exposition = match (media.as_str(), version) {
        ("application/openmetrics-text", None | Some("1.0.0")) => Exposition::OpenMetrics,
        ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", _) => Exposition::Text,
        _ => return None,
    };
    (weight > 0.0).then_some((exposition, weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(values: &[&'static str]) -> Exposition {
        exposition(&values.iter().map(|value| (ACCEPT, value.parse().expect("a header"))).collect())
    }

    #[test]
    fn what_is_wanted_most_is_taken() {
        use Exposition::{OpenMetrics, Text};
        // As Prometheus 2.42 and 3.5 send it.
        let old = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                   text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let new = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                   application/openmetrics-text;version=0.0.1;q=0.4,\
                   text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        let text_first = "text/plain;version=0.0.4;q=0.5, application/openmetrics-text;version=1.0.0;q=0.25";
        for (values, expected) in [
            (&[][..], Text),
            (&[old], OpenMetrics),
            (&[new], OpenMetrics),
            (&[text_first], Text),
            (&["text/plain"], Text),
            (&["*/*"], Text),
            (&["text/html, text/*;q=0.5"], Text),
            (&["application/json"], Text),
            (&["application/openmetrics-text"], OpenMetrics),
            (&["Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=0.1"], OpenMetrics),
            (&["application/openmetrics-text;version=0.0.1"], Text),
            (&["application/openmetrics-text;version=2.0.0"], Text),
            (&["application/openmetrics-text;q=0"], Text),
            (&["application/openmetrics-text;q=0, */*"], Text),
            (&["application/openmetrics-text;q=NaN"], Text),
            (&["application/openmetrics-text;q=7"], Text),
            (&["application/openmetrics-text;q=many, ;;=,"], Text),
            (&["text/plain;q=0.4", "application/openmetrics-text;q=0.6"], OpenMetrics),
            (&["application/openmetrics-text, text/plain"], OpenMetrics),
            (&["text/plain, application/openmetrics-text"], Text),
        ] {
            assert_eq!(wanted(values), expected, "{values:?}");
        }
    }
}
