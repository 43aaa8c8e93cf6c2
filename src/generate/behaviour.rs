//! Behaviour: what a person does next in a visit.
//!
//! They look at something that their persona likes, that is popular, that follows from the last
//! item, or that is hot right now; then some of them go deeper: click, like, buy, hide.

use super::bursts::Bursts;
use super::catalog::{Catalog, weighted};
use super::causes::{Cause, Causes};
use super::random::{Random, Share};
use super::settings::GenerateSettings;
use super::tastes::Tastes;
use super::vocabulary::{ITEM_SURFACE, PERSONAS, SURFACES, category_index};
use crate::engine::events::event::Timestamp;

/// What a user does with an item: the default event types of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    View,
    Click,
    AddToCart,
    Purchase,
    Like,
    Dislike,
    Hide,
    Impression,
}

impl Kind {
    /// The name in events.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Click => "click",
            Self::AddToCart => "add_to_cart",
            Self::Purchase => "purchase",
            Self::Like => "like",
            Self::Dislike => "dislike",
            Self::Hide => "hide",
            Self::Impression => "impression",
        }
    }
}

/// A visit of a user, as far as it has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    pub(super) persona: usize,
    persona_until: Timestamp,
    surface: &'static str,
    /// The category that this visit is mostly about.
    focus: usize,
    last: Option<Act>,
}

/// One thing that a user does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Act {
    pub(super) item: u32,
    pub(super) kind: Kind,
    /// Whether they came to the item because it was hot.
    pub(super) burst: bool,
    pub(super) surface: &'static str,
}

/// Decides what people do.
#[derive(Debug)]
pub(super) struct Behaviour<'g> {
    settings: &'g GenerateSettings,
    catalog: &'g Catalog,
    bursts: &'g Bursts,
    burst_share: Share,
    /// For each persona the indices of its categories, and their weights.
    tastes: Vec<[(usize, u64); 3]>,
}

impl<'g> Behaviour<'g> {
    pub(super) fn new(settings: &'g GenerateSettings, catalog: &'g Catalog, bursts: &'g Bursts) -> Self {
        let taste = |(name, weight)| (category_index(name).unwrap_or(0), weight);
        let tastes = PERSONAS.iter().map(|persona| persona.tastes.map(taste)).collect();
        Self { settings, catalog, bursts, burst_share: Share::new(settings.burst_share), tastes }
    }

    /// A user arrives.
    pub(super) fn begin(&self, user: u32, ts: Timestamp, random: &mut Random) -> Visit {
        let (persona, persona_until) = Tastes::of(self.settings, user).at(ts);
        let focus = self.category(persona, random);
        Visit { persona, persona_until, surface: weighted(&SURFACES, random), focus, last: None }
    }

    /// What the user does then.
    pub(super) fn act(&self, visit: &mut Visit, user: u32, ts: Timestamp, random: &mut Random) -> Act {
        if ts >= visit.persona_until {
            (visit.persona, visit.persona_until) = Tastes::of(self.settings, user).at(ts);
            visit.focus = self.category(visit.persona, random);
        }
        let act = self.go_deeper(visit, ts, random).unwrap_or_else(|| self.look(visit, ts, random));
        visit.last = Some(act);
        act
    }

    fn go_deeper(&self, visit: &Visit, ts: Timestamp, random: &mut Random) -> Option<Act> {
        let last = visit.last.filter(|last| self.catalog.is_live(last.item, ts.0))?;
        let fond = self.is_fond(visit.persona, last.item);
        let kind = match (last.kind, random.below(100)) {
            (Kind::Impression, 0..45) | (Kind::View, 0..30) => Kind::Click,
            (Kind::Impression, 45..48) if !fond => Kind::Hide,
            (Kind::Click, 0..12) | (Kind::Purchase, 0..20) if fond => Kind::Like,
            (Kind::Click, 0..8) => Kind::Dislike,
            (Kind::Click, 12..22) => Kind::AddToCart,
            (Kind::AddToCart, 0..45) => Kind::Purchase,
            _ => return None,
        };
        Some(Act { kind, surface: ITEM_SURFACE, ..last })
    }

    fn look(&self, visit: &Visit, ts: Timestamp, random: &mut Random) -> Act {
        let kind = match random.below(100) {
            0..15 => Kind::Impression,
            15..60 => Kind::View,
            _ => Kind::Click,
        };
        let is_another = |item: &u32| visit.last.is_none_or(|last| last.item != *item);
        if let Some(causes) = self.settings.causes {
            let item = (0..8).find_map(|_| self.planted(causes, visit, ts, random).filter(is_another));
            let item = item.unwrap_or_else(|| self.catalog.draw(ts.0, random));
            return Act { item, kind, burst: false, surface: visit.surface };
        }
        let hot = self.bursts.hot_item(ts).filter(is_another);
        if let Some(item) = hot.filter(|_| random.chance(self.burst_share)) {
            return Act { item, kind, burst: true, surface: visit.surface };
        }
        let chosen = match random.below(100) {
            0..20 => visit.last.and_then(|last| self.catalog.draw_related(last.item, ts.0, random)),
            20..80 => {
                let stays = random.percent(50);
                let category = if stays { visit.focus } else { self.category(visit.persona, random) };
                self.catalog.draw_of(category, ts.0, random)
            }
            _ => None,
        };
        let item = chosen.filter(is_another).unwrap_or_else(|| self.catalog.draw(ts.0, random));
        Act { item, kind, burst: false, surface: visit.surface }
    }

    /// An item for one of the planted causes; none where that has none just then.
    fn planted(&self, causes: Causes, visit: &Visit, ts: Timestamp, random: &mut Random) -> Option<u32> {
        match causes.draw(random) {
            Cause::Interest => {
                let most = self.tastes.get(visit.persona)?.iter().max_by_key(|taste| taste.1)?;
                self.catalog.draw_from_shelf(most.0, ts.0, random)
            }
            Cause::Related => self.catalog.draw_related(visit.last?.item, ts.0, random),
            Cause::Popular => self.catalog.draw_hot(ts.0, random),
            Cause::New => self.catalog.draw_newest(ts.0, random),
        }
    }

    /// A category that the persona likes, by its weights.
    fn category(&self, persona: usize, random: &mut Random) -> usize {
        let Some(tastes) = self.tastes.get(persona) else { return 0 };
        let mut rest = random.below(tastes.iter().map(|taste| taste.1).sum());
        for &(category, weight) in tastes {
            if rest < weight {
                return category;
            }
            rest -= weight;
        }
        0
    }

    fn is_fond(&self, persona: usize, item: u32) -> bool {
        let main = self.catalog.main_category(item);
        self.tastes.get(persona).is_some_and(|tastes| tastes.iter().any(|taste| taste.0 == main))
    }
}
