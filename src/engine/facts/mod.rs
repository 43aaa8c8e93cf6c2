//! What is kept of the events: the [`state`] of a partition with a [`profile`] for each of its
//! [`users`], the [`popularity`] of [`items`], [`dedup`]; names as numbers by [`intern`] and
//! [`categories`]. Each family of facts writes itself down as [`Facts`], in the words of [`codec`].

pub mod categories;
pub mod codec;
pub mod dedup;
pub mod intern;
pub mod items;
pub mod popularity;
pub mod profile;
pub mod state;
pub mod summary;
pub mod users;

use std::sync::Arc;

use crate::engine::config::StreamConfig;
use crate::engine::facts::categories::Categories;
use crate::engine::facts::codec::{Corrupt, Input};
use crate::engine::facts::dedup::Dedup;
use crate::engine::facts::items::Items;
use crate::engine::facts::popularity::Popularity;
use crate::engine::facts::state::PartitionState;
use crate::engine::facts::summary::Summary;
use crate::engine::facts::users::Users;

/// All families, in the order in which they are read: one comes after those whose numbers it names.
/// A new one is a line here, behind those that are there.
pub static FAMILIES: [Family; 6] = [
    Family::of::<Summary>(),
    Family::of::<Categories>(),
    Family::of::<Items>(),
    Family::of::<Users>(),
    Family::of::<Popularity>(),
    Family::of::<Dedup>(),
];

/// A family of facts, as it goes into a snapshot and comes out of one. It is given the whole state,
/// as families name each other's facts by number.
pub trait Facts {
    /// Names its section in a snapshot, for ever: 1 to 32 of a-z and _.
    const TAG: &'static str;
    /// What its bytes mean. Bytes of another version are not read.
    const VERSION: u16;
    /// Whether a snapshot without it is none. One that came later than the format is not required:
    /// it begins empty.
    const REQUIRED: bool = true;

    /// Appends its section.
    fn write(state: &PartitionState, out: &mut Vec<u8>);

    /// Takes its section over into a state that has none of its facts yet.
    ///
    /// # Errors
    /// The bytes are not such a section; the state is then good for nothing.
    fn read(state: &mut PartitionState, input: &mut Input<'_>) -> Result<(), Corrupt>;

    /// Cuts the state, read whole, down to what the limits allow by now, and counts what goes.
    fn enforce_limits(_state: &mut PartitionState) {}
}

/// [`Facts`] of some type, to go through all of them.
#[derive(Debug)]
pub struct Family {
    /// See [`Facts::TAG`].
    pub tag: &'static str,
    /// See [`Facts::VERSION`].
    pub version: u16,
    /// See [`Facts::REQUIRED`].
    pub required: bool,
    write: fn(&PartitionState, &mut Vec<u8>),
    read: fn(&mut PartitionState, &mut Input<'_>) -> Result<(), Corrupt>,
    enforce_limits: fn(&mut PartitionState),
}

impl Family {
    const fn of<F: Facts>() -> Self {
        Self {
            tag: F::TAG,
            version: F::VERSION,
            required: F::REQUIRED,
            write: F::write,
            read: F::read,
            enforce_limits: F::enforce_limits,
        }
    }

    /// Its section.
    pub fn write(&self, state: &PartitionState) -> Vec<u8> {
        let mut out = Vec::new();
        (self.write)(state, &mut out);
        out
    }

    /// Takes its section over; the families before it were read.
    ///
    /// # Errors
    /// The bytes are not such a section; the state is then good for nothing.
    pub fn read(&self, state: &mut PartitionState, bytes: &[u8]) -> Result<(), Corrupt> {
        let mut input = Input::new(bytes);
        (self.read)(state, &mut input)?;
        match input.left() {
            0 => Ok(()),
            left => Err(Corrupt::Long(left)),
        }
    }
}

impl PartitionState {
    /// The sections of all [`FAMILIES`].
    pub fn to_sections(&self) -> Vec<Vec<u8>> {
        FAMILIES.iter().map(|family| family.write(self)).collect()
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
