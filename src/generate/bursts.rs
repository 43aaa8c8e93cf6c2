//! Bursts: an item that is suddenly hot for a while.

use super::catalog::Catalog;
use super::random::{Random, Stream};
use super::settings::GenerateSettings;
use crate::engine::config::{HOUR, SECOND};
use crate::engine::events::event::Timestamp;

/// An item is hot in `[from, until)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Burst {
    pub(super) item: u32,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

/// The bursts of the span, in order; no two at once.
#[derive(Debug)]
pub(super) struct Bursts(Vec<Burst>);

impl Bursts {
    pub(super) fn new(settings: &GenerateSettings, catalog: &Catalog) -> Self {
        Self((0..settings.bursts).filter_map(|number| make(settings, catalog, number)).collect())
    }

    /// All of them, in order.
    pub(super) fn all(&self) -> &[Burst] {
        &self.0
    }

    /// The item that is hot then.
    pub(super) fn hot_item(&self, ts: Timestamp) -> Option<u32> {
        let next = self.0.partition_point(|burst| burst.from <= ts);
        let burst = self.0.get(next.checked_sub(1)?)?;
        (ts < burst.until).then_some(burst.item)
    }
}

/// Each burst has its own part of the span and takes up to half of it, three hours at most.
fn make(settings: &GenerateSettings, catalog: &Catalog, number: u32) -> Option<Burst> {
    let mut random = Random::new(settings.seed, Stream::Burst, u64::from(number));
    let part = settings.span_ms / i64::from(settings.bursts.max(1));
    let longest = (part / 2).min(3 * HOUR);
    let length = random.between((longest / 2).max(SECOND.min(part)), longest);
    if length == 0 {
        return None;
    }
    let begin = settings.start.plus(part * i64::from(number));
    let from = begin.plus(random.between(0, part - length));
    let until = from.plus(length);
    // Of the less popular ones: an item that is on top anyway shows no burst.
    let ranked = catalog.overall.items();
    let first = ranked.len() / 10;
    let item = (0..64).find_map(|_| {
        let item = *ranked.get(first + random.index(ranked.len() - first))?;
        catalog.is_live_during(item, from.0, until.0).then_some(item)
    })?;
    Some(Burst { item, from, until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_follow_each_other_within_the_span_on_items_that_are_live() {
        let settings = GenerateSettings { bursts: 40, ..GenerateSettings::default() };
        let catalog = Catalog::new(&settings);
        let bursts = Bursts::new(&settings, &catalog);
        assert!(bursts.all().len() > 35);
        for pair in bursts.all().windows(2) {
            assert!(pair[0].until <= pair[1].from);
        }
        for burst in bursts.all() {
            assert!(
                settings.start <= burst.from && burst.from < burst.until && burst.until <= settings.end()
            );
            assert!(catalog.is_live_during(burst.item, burst.from.0, burst.until.0));
            assert_eq!(bursts.hot_item(burst.from), Some(burst.item));
            assert_eq!(bursts.hot_item(burst.until.minus(1)), Some(burst.item));
            assert_ne!(bursts.hot_item(burst.from.minus(1)), Some(burst.item));
        }
    }

    #[test]
    fn many_bursts_in_a_short_span_are_no_trouble() {
        let settings =
            GenerateSettings { bursts: 10_000, span_ms: 1000, items: 1, ..GenerateSettings::default() };
        let bursts = Bursts::new(&settings, &Catalog::new(&settings));
        assert!(bursts.all().len() <= 10_000);
    }
}
