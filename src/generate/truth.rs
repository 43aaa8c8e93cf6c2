//! The ground truth: what was put into the stream, for whoever checks what comes out.

use serde::Serialize;

use super::event::user_id;
use super::generator::Generator;
use super::tastes::Tastes;
use super::vocabulary::PERSONAS;
use crate::engine::events::event::Timestamp;

/// The ground truth of a data set. See [`Generator::truth`].
#[derive(Clone, Copy, Debug)]
pub struct Truth<'g>(&'g Generator);

impl Generator {
    /// What is true of this data set.
    pub fn truth(&self) -> Truth<'_> {
        Truth(self)
    }
}

/// A kind of person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PersonaTruth {
    /// What it is called.
    pub persona: &'static str,
    /// What such people come for, and how much: categories and weights.
    pub tastes: [(&'static str, u64); 3],
}

/// An item was suddenly hot in `[from, until)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BurstTruth<'g> {
    /// Which.
    pub item_id: &'g str,
    /// Since when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// How popular an item is by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ItemTruth<'g> {
    /// Which.
    pub item_id: &'g str,
    /// From 1; rank r is chosen 1/r as often as rank 1, bursts and tastes aside.
    pub rank: u64,
}

/// A user's tastes over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserTruth {
    /// Who.
    pub user_id: String,
    /// One persona, and a further one at each drift.
    pub tastes: Vec<TasteTruth>,
}

/// What a user is like from some instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TasteTruth {
    /// Since when.
    pub from: Timestamp,
    /// Like whom.
    pub persona: &'static str,
}

impl<'g> Truth<'g> {
    /// All personas.
    pub fn personas(self) -> impl Iterator<Item = PersonaTruth> {
        PERSONAS.iter().map(|persona| PersonaTruth { persona: persona.name, tastes: persona.tastes })
    }

    /// All bursts, in order; no two at once.
    pub fn bursts(self) -> impl Iterator<Item = BurstTruth<'g>> {
        self.0.bursts.all().iter().filter_map(move |burst| {
            let item = self.0.items().get(burst.item as usize)?;
            Some(BurstTruth { item_id: &item.item_id, from: burst.from, until: burst.until })
        })
    }

    /// All items, the most popular first.
    pub fn items(self) -> impl Iterator<Item = ItemTruth<'g>> {
        (1..).zip(self.0.catalog.overall.items()).filter_map(move |(rank, &number)| {
            let item = self.0.items().get(number as usize)?;
            Some(ItemTruth { item_id: &item.item_id, rank })
        })
    }

    /// All users, by number. Each is worked out when it is asked for.
    pub fn users(self) -> impl Iterator<Item = UserTruth> + 'g {
        (0..self.0.settings().users).map(move |user| {
            let tastes = Tastes::of(self.0.settings(), user);
            let name = |persona: usize| PERSONAS.get(persona).map_or("", |persona| persona.name);
            let steps = tastes.steps().iter();
            let tastes = steps.map(|step| TasteTruth { from: step.from, persona: name(step.persona) });
            UserTruth { user_id: user_id(user), tastes: tastes.collect() }
        })
    }
}
