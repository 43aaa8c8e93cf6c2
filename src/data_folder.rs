//! The folder in which a process keeps what is its own: one process has it at a time.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::background::aside;

/// Why the data folder can't be had.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// Another process uses it.
    #[error(
        "{path} is in use by another process: stop it, or give this one a folder of its own with --set data.dir=DIR"
    )]
    InUse {
        /// The folder.
        path: String,
    },
    /// It can't be used.
    #[error("data folder {path}: {source}")]
    Unusable {
        /// The folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Keeps other processes out of a data folder, which is made if it is not there, for as long as the file is held.
///
/// # Errors
/// Another process has it, or it can't be used.
pub async fn lock(dir: &Path) -> Result<File, DataFolderError> {
    let failed = |source| DataFolderError::Unusable { path: dir.display().to_string(), source };
    let own = dir.to_owned();
    let locked = aside(move || open(&own)).await.and_then(|opened| opened).map_err(failed)?;
    locked.ok_or_else(|| DataFolderError::InUse { path: dir.display().to_string() })
}

/// The lock; none if another process has it.
fn open(dir: &Path) -> io::Result<Option<File>> {
    std::fs::create_dir_all(dir)?;
    let mode = std::fs::metadata(dir)?.permissions().mode();
    if mode & 0o007 != 0 {
        let (dir, mode) = (dir.display(), format!("{:o}", mode & 0o777));
        tracing::warn!(mode, "every user of this machine may look into the data folder: chmod -R go= {dir}");
    }
    // A FIFO would have us wait for somebody who reads it.
    let mut options = File::options();
    let options = options.create(true).truncate(false).write(true).custom_flags(libc::O_NONBLOCK);
    let file = options.open(dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
