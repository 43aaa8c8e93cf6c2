//! Where a tuned model comes from, written at the head of its file.

use xxhash_rust::xxh3::Xxh3Default;

use super::outcome::Outcome;
use crate::evaluation::stream::Stream;

/// What the file says of itself, in lines that are comments of TOML.
pub struct Provenance<'a> {
    /// The version of this program.
    pub version: &'a str,
    /// How it was called, in one line.
    pub command: &'a str,
    /// The model that it was tuned from, in one line.
    pub base: &'a str,
    /// The version of that.
    pub base_version: &'a str,
    /// The hash of the data, see [`data_hash`].
    pub data: &'a str,
    /// How much that is.
    pub events: usize,
    /// What was to become greater.
    pub metric: &'a str,
}

impl Provenance<'_> {
    /// The lines, each with its end.
    pub fn lines(&self, outcome: &Outcome) -> String {
        let Self { version, command, base, base_version, data, events, metric } = self;
        let mut lines = vec![
            format!(
                "Tuned by headwater {version} from {base} (version {base_version}), seed {}:",
                outcome.seed
            ),
            format!("  {command}"),
            format!("Data: {events} events, hash {data}"),
        ];
        for span in &outcome.spans {
            let until =
                span.until.as_deref().map_or("to the end".to_owned(), |until| format!("until {until}"));
            lines.push(format!("{}: from {} {until}, {} questions", span.name, span.from, span.asked));
        }
        let figures = [("train", outcome.train), ("choose", outcome.choose)];
        for (span, figure) in figures {
            lines
                .push(format!("{metric} on {span}: {:.4} before, {:.4} after", figure.current, figure.tuned));
        }
        if let Some(report) = &outcome.report {
            let (current, tuned, gain) = (report.current, report.tuned, report.difference);
            lines.push(format!(
                "{metric} on report, with intervals of 95 %: {:.4} ({:.4} {:.4}) before, {:.4} ({:.4} {:.4}) after; gain \
                 {:.4} ({:.4} {:.4})",
                current.value,
                current.low,
                current.high,
                tuned.value,
                tuned.low,
                tuned.high,
                gain.value,
                gain.low,
                gain.high
            ));
        }
        lines.iter().map(|line| format!("# {line}\n")).collect()
    }
}

/// What names the data: the same for the same events and items, in whichever files and order they came.
pub fn data_hash(stream: &Stream) -> String {
    let types = &stream.config().event_types;
    let events = stream.events().iter().map(|event| {
        let ts = event.ts.to_string();
        row(&[stream.user_id(event.user), stream.item_id(event.item), types.name(event.kind), &ts])
    });
    let items = stream.catalog().map(|item| {
        let rest = format!("{:?} {:?} {}", item.created_at, item.expires_at, item.available);
        let categories = item.categories.iter().map(AsRef::as_ref);
        row(&[item.item_id.as_str(), &rest].into_iter().chain(categories).collect::<Vec<_>>())
    });
    // A sum knows of no order.
    format!("{:032x}", events.chain(items).fold(0, u128::wrapping_add))
}

fn row(texts: &[&str]) -> u128 {
    let mut hash = Xxh3Default::new();
    for text in texts {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.digest128()
}
