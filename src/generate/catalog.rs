//! The catalog: items with titles, times and their popularity.

use super::random::{Random, Share, Stream};
use super::settings::GenerateSettings;
use super::titles::title;
use super::vocabulary::{CATEGORIES, FORMATS, LANGUAGES, category_index};
use super::zipf::Zipf;
use crate::engine::config::{DAY, HOUR};
use crate::engine::events::event::Timestamp;
use crate::engine::events::item::Item;

const OLDEST_AGE: i64 = 730 * DAY;
const EXPIRING_PERCENT: u64 = 5;
const UNAVAILABLE_PERCENT: u64 = 2;
/// Items that follow naturally from an item, as the next chapter does.
const RELATED: u64 = 3;
/// From how many items a planted cause draws, and how long those are hot that everybody looks at.
const HANDFUL: usize = 8;
const HOT: i64 = 2 * HOUR;

/// The generated catalog.
#[derive(Debug)]
pub(super) struct Catalog {
    seed: u64,
    pub(super) items: Vec<Item>,
    facts: Vec<Facts>,
    /// All items by popularity.
    pub(super) overall: Zipf,
    /// Those of each category by popularity, in the order of [`CATEGORIES`].
    by_category: Vec<Zipf>,
    /// By main category: those that are there from the beginning.
    shelves: Vec<Vec<u32>>,
    /// When each came, the oldest first.
    by_age: Vec<(i64, u32)>,
}

/// What choosing an item asks, without touching its strings.
#[derive(Clone, Copy, Debug)]
struct Facts {
    from: i64,
    until: i64,
    main_category: u8,
    price: u32,
}

impl Catalog {
    pub(super) fn new(settings: &GenerateSettings) -> Self {
        let ranks = ranked(settings);
        // People must always find something: the most popular item is always there.
        let evergreen = ranks.first().copied();
        let mut titles = [0_usize; CATEGORIES.len()];
        let mut items = Vec::with_capacity(ranks.len());
        let mut facts = Vec::with_capacity(ranks.len());
        for number in 0..settings.items {
            let (item, fact) = make(settings, number, evergreen == Some(number), &mut titles);
            items.push(item);
            facts.push(fact);
        }
        let mut overall = Zipf::default();
        let mut by_category: Vec<Zipf> = CATEGORIES.iter().map(|_| Zipf::default()).collect();
        for (rank, &number) in (0..).zip(&ranks) {
            overall.push(number, rank);
            let categories = items.get(number as usize).map_or(&[][..], |item: &Item| &item.categories);
            for category in categories.iter().filter_map(|name| category_index(name)) {
                if let Some(zipf) = by_category.get_mut(category) {
                    zipf.push(number, rank);
                }
            }
        }
        let mut by_age: Vec<(i64, u32)> = facts.iter().map(|facts: &Facts| facts.from).zip(0..).collect();
        by_age.sort_unstable();
        let mut shelves: Vec<Vec<u32>> = vec![Vec::new(); CATEGORIES.len()];
        for (facts, number) in facts.iter().zip(0..) {
            let shelf = shelves.get_mut(usize::from(facts.main_category));
            shelf.filter(|_| facts.from < settings.start.0).into_iter().for_each(|shelf| shelf.push(number));
        }
        Self { seed: settings.seed, items, facts, overall, by_category, shelves, by_age }
    }

    /// Whether people can come across the item then.
    pub(super) fn is_live(&self, item: u32, at: i64) -> bool {
        self.facts.get(item as usize).is_some_and(|facts| (facts.from..facts.until).contains(&at))
    }

    /// Whether the item is live from one instant to another.
    pub(super) fn is_live_during(&self, item: u32, from: i64, to: i64) -> bool {
        self.is_live(item, from) && self.is_live(item, to)
    }

    /// The index of the item's main category in [`CATEGORIES`].
    pub(super) fn main_category(&self, item: u32) -> usize {
        self.facts.get(item as usize).map_or(0, |facts| usize::from(facts.main_category))
    }

    /// What the item costs.
    pub(super) fn price(&self, item: u32) -> u32 {
        self.facts.get(item as usize).map_or(0, |facts| facts.price)
    }

    /// Draws an item of a category that is live then, by popularity.
    pub(super) fn draw_of(&self, category: usize, at: i64, random: &mut Random) -> Option<u32> {
        self.draw_from(self.by_category.get(category)?, at, random)
    }

    /// Draws an item that is live then, by popularity.
    pub(super) fn draw(&self, at: i64, random: &mut Random) -> u32 {
        self.draw_from(&self.overall, at, random).unwrap_or(0)
    }

    /// Draws one of the few items that follow naturally from this one.
    pub(super) fn draw_related(&self, item: u32, at: i64, random: &mut Random) -> Option<u32> {
        let which = u64::from(item) * RELATED + random.below(RELATED);
        let peers = self.by_category.get(self.main_category(item))?.items();
        let index = Random::new(self.seed, Stream::Related, which).index(peers.len());
        peers.get(index).copied().filter(|&related| self.is_live(related, at))
    }

    /// Draws an item of a main category that was there from the beginning, each as often as another.
    pub(super) fn draw_from_shelf(&self, category: usize, at: i64, random: &mut Random) -> Option<u32> {
        let shelf = self.shelves.get(category)?;
        shelf.get(random.index(shelf.len())).copied().filter(|&item| self.is_live(item, at))
    }

    /// Draws one of the items that everybody looks at for a while, none of which need be so at any other time.
    pub(super) fn draw_hot(&self, at: i64, random: &mut Random) -> Option<u32> {
        let which = at.div_euclid(HOT).unsigned_abs() * HANDFUL as u64 + random.below(HANDFUL as u64);
        let item = Random::new(self.seed, Stream::Hot, which).index(self.items.len()) as u32;
        Some(item).filter(|&item| self.is_live(item, at))
    }

    /// Draws one of the newest items of then.
    pub(super) fn draw_newest(&self, at: i64, random: &mut Random) -> Option<u32> {
        let there = self.by_age.partition_point(|(from, _)| *from <= at);
        let newest = self.by_age.get(there.saturating_sub(HANDFUL)..there)?;
        let (_, item) = newest.get(random.index(newest.len()))?;
        Some(*item).filter(|&item| self.is_live(item, at))
    }

    fn draw_from(&self, zipf: &Zipf, at: i64, random: &mut Random) -> Option<u32> {
        let live = |&item: &u32| self.is_live(item, at);
        let drawn = (0..8).find_map(|_| zipf.draw(random).filter(live));
        drawn.or_else(|| zipf.items().iter().copied().find(live))
    }
}

/// The numbers of all items, the most popular first: a shuffle.
fn ranked(settings: &GenerateSettings) -> Vec<u32> {
    let mut ranks: Vec<u32> = (0..settings.items).collect();
    let mut random = Random::new(settings.seed, Stream::Ranks, 0);
    for last in (1..ranks.len()).rev() {
        ranks.swap(last, random.index(last + 1));
    }
    ranks
}

fn make(
    settings: &GenerateSettings,
    number: u32,
    evergreen: bool,
    titles: &mut [usize; CATEGORIES.len()],
) -> (Item, Facts) {
    let mut random = Random::new(settings.seed, Stream::Item, u64::from(number));
    let main = random.index(CATEGORIES.len());
    let categories = categories(main, &mut random);
    let (start, end) = (settings.start.0, settings.end().0);
    let is_new = random.chance(Share::new(settings.new_item_share)) && !evergreen;
    // The lesser of two ages: a catalog has more young items than old ones.
    let age = random.between(1, OLDEST_AGE).min(random.between(1, OLDEST_AGE));
    let created_at = if is_new { random.between(start, end - 1) } else { start - age };
    let expires = random.percent(EXPIRING_PERCENT) && !evergreen;
    let shown_from = created_at.max(start);
    let expires_at = random.between(shown_from + HOUR, (end + settings.span_ms / 2).max(shown_from + DAY));
    let available = !random.percent(UNAVAILABLE_PERCENT) || evergreen;
    let lang = weighted(&LANGUAGES, &mut random);
    let format = weighted(&FORMATS, &mut random);
    let price = u32::try_from(random.between(2, 40)).unwrap_or(2);

    let nth = titles.get_mut(main).map_or(0, |next| std::mem::replace(next, *next + 1));
    let name = categories.first().copied().unwrap_or_default();
    let mut item = Item::new(format!("{name}-{number}"), categories);
    item.title = Some(title(main, nth));
    item.created_at = Some(Timestamp(created_at));
    item.expires_at = expires.then_some(Timestamp(expires_at));
    item.available = available;
    item.attributes =
        [("lang", lang.to_owned()), ("format", format.to_owned()), ("price", price.to_string())]
            .map(|(key, value)| (key.to_owned(), value))
            .into();
    let until = match (available, expires) {
        (false, _) => i64::MIN,
        (true, true) => expires_at,
        (true, false) => i64::MAX,
    };
    let main_category = u8::try_from(main).unwrap_or(0);
    (item, Facts { from: created_at, until, main_category, price })
}

/// One to three categories, the main one first.
fn categories(main: usize, random: &mut Random) -> Vec<&'static str> {
    let Some(category) = CATEGORIES.get(main) else { return Vec::new() };
    let first = random.index(category.kin.len());
    let extra = match random.below(100) {
        0..40 => 0,
        40..80 => 1,
        _ => 2,
    };
    let kin = category.kin.iter().cycle().skip(first).take(extra);
    std::iter::once(category.name).chain(kin.copied()).collect()
}

/// One of the names, by its percentage.
pub(super) fn weighted(shares: &[(&'static str, u64)], random: &mut Random) -> &'static str {
    let mut rest = random.below(shares.iter().map(|share| share.1).sum());
    for &(name, share) in shares {
        if rest < share {
            return name;
        }
        rest -= share;
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> (GenerateSettings, Catalog) {
        let settings = GenerateSettings { items: 5_000, ..GenerateSettings::default() };
        let catalog = Catalog::new(&settings);
        (settings, catalog)
    }

    #[test]
    fn every_item_is_valid_and_has_its_own_id() {
        let (_, catalog) = catalog();
        let mut ids = std::collections::BTreeSet::new();
        for item in &catalog.items {
            let checked = item.clone().check().unwrap();
            assert_eq!(&checked, item);
            assert!((1..=3).contains(&item.categories.len()));
            assert!(item.item_id.starts_with(&item.categories[0]));
            assert!(ids.insert(&item.item_id));
        }
    }

    #[test]
    fn some_items_are_new_some_expire_and_a_few_are_unavailable() {
        let (settings, catalog) = catalog();
        let count = |test: &dyn Fn(&Item) -> bool| catalog.items.iter().filter(|item| test(item)).count();
        let new = count(&|item| item.created_at.unwrap() >= settings.start);
        assert!((600..900).contains(&new), "{new}");
        assert!(count(&|item| item.created_at.unwrap() >= settings.end()) == 0);
        assert!((180..320).contains(&count(&|item| item.expires_at.is_some())));
        assert!((60..140).contains(&count(&|item| !item.available)));
        assert!(count(&|item| item.expires_at.is_some_and(|at| at <= item.created_at.unwrap())) == 0);
    }

    #[test]
    fn only_live_items_are_drawn() {
        let (settings, catalog) = catalog();
        let mut random = Random::new(1, Stream::Session, 0);
        for step in 0..5_000 {
            let at = settings.start.0 + step * settings.span_ms / 5_000;
            let drawn = catalog.draw(at, &mut random);
            let of_category = catalog.draw_of(3, at, &mut random).unwrap();
            let related = catalog.draw_related(drawn, at, &mut random).unwrap_or(drawn);
            for number in [drawn, of_category, related] {
                let item = &catalog.items[number as usize];
                assert!(item.available && item.created_at.unwrap().0 <= at);
                assert!(item.expires_at.is_none_or(|until| until.0 > at));
            }
        }
    }
}
