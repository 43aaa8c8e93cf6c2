//! Whether the disk has room. A write that fails for want of it leaves the store unusable until it
//! is opened anew, so appends are refused before that, and taken again once there is room.

use std::cell::Cell;
use std::path::Path;

/// Looks at the disk of a folder. One thread owns it.
pub struct Room {
    /// Bytes that are left free.
    keep: u64,
    refusing: Cell<bool>,
}

impl Room {
    pub fn new(keep: u64) -> Self {
        Self { keep, refusing: Cell::new(false) }
    }

    /// Whether so many bytes can be written, and still be left what is left free.
    pub fn fits(&self, bytes: u64, free: Option<u64>) -> bool {
        // As below.
        free.is_none_or(|free| free >= self.keep.saturating_add(bytes))
    }

    /// Why nothing can be appended now, if so. A change is logged.
    pub fn refusal(&self, dir: &Path, free: Option<u64>) -> Option<String> {
        // A disk that does not say how full it is counts as having room: the write will tell.
        let free = free?;
        let refusal = (free < self.keep).then(|| {
            format!(
                "the disk of the journal in {} is almost full ({free} bytes are free, `journal.keep_free` is {}): free \
                 some space and publish again",
                dir.display(),
                self.keep
            )
        });
        match (&refusal, self.refusing.replace(refusal.is_some())) {
            (Some(why), false) => tracing::error!("appends are refused: {why}"),
            (None, true) => tracing::info!("the disk of the journal has room again, appends are taken"),
            _ => {}
        }
        refusal
    }
}
