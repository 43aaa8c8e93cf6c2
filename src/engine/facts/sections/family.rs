//! What a family of facts has to say for itself to go into a snapshot and come out of one.

use super::pauses::Pauses;
use crate::engine::facts::codec::{Corrupt, Input};
use crate::engine::facts::state::PartitionState;

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

    /// Appends its section. One that may be large pauses after each of its facts, as far as it comes to them one
    /// by one.
    fn write(state: &PartitionState, out: &mut Vec<u8>, pauses: &mut Pauses<'_>);

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
    write: fn(&PartitionState, &mut Vec<u8>, &mut Pauses<'_>),
    read: fn(&mut PartitionState, &mut Input<'_>) -> Result<(), Corrupt>,
    /// See [`Facts::enforce_limits`].
    pub enforce_limits: fn(&mut PartitionState),
}

impl Family {
    /// That of a type.
    pub const fn of<F: Facts>() -> Self {
        Self {
            tag: F::TAG,
            version: F::VERSION,
            required: F::REQUIRED,
            write: F::write,
            read: F::read,
            enforce_limits: F::enforce_limits,
        }
    }

    /// Appends its section.
    pub fn write(&self, state: &PartitionState, out: &mut Vec<u8>, pause: &mut dyn FnMut()) {
        (self.write)(state, out, &mut Pauses::of(pause));
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
