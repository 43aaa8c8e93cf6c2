//! A state as sections of bytes, one a family of facts, and back.

mod acted_items;
mod by_user;
mod categories;
mod compactions;
mod dedup;
mod dedup_scope;
mod family;
mod histories;
mod items;
mod pauses;
mod popularity;
mod postings;
mod sessions;
mod shown;
mod summary;
mod users;

use std::sync::Arc;

use crate::engine::config::StreamConfig;
use crate::engine::facts::acted_items::ActedItems;
use crate::engine::facts::categories::Categories;
use crate::engine::facts::codec::Corrupt;
use crate::engine::facts::dedup::Dedup;
use crate::engine::facts::items::Items;
use crate::engine::facts::numbers::Compactions;
use crate::engine::facts::popularity::Popularity;
use crate::engine::facts::postings::Postings;
use crate::engine::facts::state::PartitionState;
use crate::engine::facts::users::Users;
use dedup_scope::DedupScope;
pub use family::{Facts, Family};
pub use pauses::Pauses;
use sessions::Sessions;
use shown::Shown;
use summary::Summary;

/// All families, in the order in which they are read: one comes after those whose numbers it names.
/// A new one is a line here, behind those that are there.
pub static FAMILIES: [Family; 12] = [
    Family::of::<Summary>(),
    Family::of::<Categories>(),
    Family::of::<Items>(),
    Family::of::<Users>(),
    Family::of::<Popularity>(),
    Family::of::<Dedup>(),
    Family::of::<Shown>(),
    Family::of::<ActedItems>(),
    Family::of::<DedupScope>(),
    Family::of::<Compactions>(),
    Family::of::<Sessions>(),
    Family::of::<Postings>(),
];

impl PartitionState {
    /// The sections of all [`FAMILIES`].
    pub fn to_sections(&self) -> Vec<Vec<u8>> {
        let mut sections = Vec::new();
        self.write_sections(&mut sections, || {});
        sections
    }

    /// Puts the sections of all [`FAMILIES`] in the place of others, whose memory they take over:
    /// to ask the system for as much again takes several times as long as to write it. `pause` is called
    /// all along, so that whoever writes much can let others run.
    pub fn write_sections(&self, sections: &mut Vec<Vec<u8>>, mut pause: impl FnMut()) {
        sections.resize_with(FAMILIES.len(), Vec::new);
        for (family, section) in FAMILIES.iter().zip(sections) {
            section.clear();
            family.write(self, section, &mut pause);
        }
    }

    /// A state from the sections of all [`FAMILIES`], within the limits of this config.
    ///
    /// # Errors
    /// A section is not what it should be.
    pub fn from_sections<'a>(
        config: Arc<StreamConfig>,
        sections: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, Corrupt> {
        let mut state = Self::new(config);
        let mut sections = sections.into_iter();
        for family in &FAMILIES {
            family.read(&mut state, sections.next().unwrap_or_default())?;
        }
        state.enforce_limits();
        Ok(state)
    }

    /// Cuts a state that was read down to what the limits allow by now, and counts what goes.
    pub fn enforce_limits(&mut self) {
        FAMILIES.iter().for_each(|family| (family.enforce_limits)(self));
    }
}
