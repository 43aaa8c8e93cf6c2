//! How much an answer may hold: clients take 4 MiB unless told otherwise, and what is made for one is memory until
//! it is sent.

use prost::Message;

/// The most bytes of an answer.
const MOST: usize = 4 << 20;
/// What a message within another takes besides its own bytes, and that one's length with it: some keys and lengths.
const AROUND: usize = 16;

/// The bytes that an answer may still hold.
#[derive(Debug)]
pub struct AnswerRoom(usize);

/// There is no room for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {} MiB, which is what an answer may hold", MOST >> 20)]
pub struct NoRoom;

impl AnswerRoom {
    /// That of an answer without anything in it.
    pub fn empty() -> Self {
        Self(MOST)
    }

    /// What an answer leaves.
    ///
    /// # Errors
    /// It holds more than that already.
    pub fn of(answer: &impl Message) -> Result<Self, NoRoom> {
        let mut room = Self::empty();
        room.take(answer)?;
        Ok(room)
    }

    /// Sets bytes aside.
    pub fn reserve(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }

    /// Takes the room of a message.
    ///
    /// # Errors
    /// There is not as much left.
    pub fn take(&mut self, message: &impl Message) -> Result<(), NoRoom> {
        self.0 = self.0.checked_sub(message.encoded_len() + AROUND).ok_or(NoRoom)?;
        Ok(())
    }
}
