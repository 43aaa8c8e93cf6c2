//! Whoever is asked for lists, and what such a one is told.
//!
//! Users, items and visits are numbers of the [`Question`]'s stream: a replay has all of them before it begins.

use crate::engine::events::event::EventType;
pub use crate::engine::facts::visits::VISIT_GAP;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Who.
    pub user: u32,
    /// The visit it is part of: told by the event, or else up to a gap of [`VISIT_GAP`] in the user's events.
    pub visit: u32,
    /// What.
    pub item: u32,
    /// How.
    pub kind: EventType,
    /// Whether it says that the user likes the item: a type of positive weight.
    pub positive: bool,
    /// When, in ms since the epoch.
    pub ts: i64,
}

/// Who asks in a question that names no user: all that is known are the items of this visit.
pub const NOBODY: u32 = u32::MAX;

/// How many of the items of a user's visits before a question tells of.
pub const BEFORE: usize = 100;

/// Which items may be listed.
pub trait Listable {
    /// Whether an item may be in the list: it is there at the instant, and the user has not had it.
    fn may_list(&self, item: u32) -> bool;
}

/// What is asked right before something happens that a list could have had.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Who, or [`NOBODY`].
    pub user: u32,
    /// The visit that is going on, or that begins.
    pub visit: u32,
    /// The items of this visit so far, oldest first, repeats included; empty where it begins.
    pub so_far: &'a [u32],
    /// Those of the user's visits before, oldest first, at most the last [`BEFORE`].
    pub before: &'a [u32],
    /// When, in ms since the epoch.
    pub ts: i64,
    /// How many items are wanted.
    pub n: usize,
    /// Which they may be.
    pub listable: &'a dyn Listable,
}

/// Whoever can be asked for a list.
pub trait Contender {
    /// What it is called in a report.
    fn name(&self) -> &str;

    /// Learns of something that has happened. Events come in the order of their times.
    fn observe(&mut self, event: &Observed);

    /// Fills in the list, best first: at most `question.n` items, all of which may be listed, none twice.
    fn list(&mut self, question: &Question<'_>, list: &mut Vec<u32>);

    /// The sources of its candidates, if it can tell them apart; at most 16.
    fn sources(&self) -> &[&'static str] {
        &[]
    }

    /// Which of its sources give an item as a candidate, a bit for each.
    fn gave(&mut self, _question: &Question<'_>, _item: u32) -> u16 {
        0
    }
}
