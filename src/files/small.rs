//! A small file that the service reads by itself, such as its configuration: whatever has been put there, reading it
//! ends.

use std::fs::{File, FileType};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Why a file can't be used. It reads on after the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum SmallFileError {
    /// It can't be opened or read.
    #[error("can't be read: {0}")]
    Read(#[from] io::Error),
    /// It is no file: its bytes may never come, or never end.
    #[error("is {0}, expected a file")]
    NoFile(&'static str),
    /// It holds more than it may.
    #[error("is larger than {what} can be ({max} bytes)")]
    TooLarge {
        /// What it is to hold.
        what: &'static str,
        /// The most bytes of it.
        max: u64,
    },
    /// It is no text.
    #[error("not UTF-8: {0}")]
    NoText(#[from] std::string::FromUtf8Error),
}

impl SmallFileError {
    /// Whether there is nothing by that name.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Read(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// The text of a file of at most `max` bytes; `what` it is to hold is for the message.
///
/// # Errors
/// It is not there, no file, too large or no text.
pub fn read_text(path: &Path, what: &'static str, max: u64) -> Result<String, SmallFileError> {
    // The usual name for an empty file is no file.
    if path == Path::new("/dev/null") {
        return Ok(String::new());
    }
    // Opening a FIFO waits for somebody who writes to it, and a terminal must not become ours.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    // The opened one is looked at, as the name may stand for another by now.
    if let Some(what) = no_file(file.metadata()?.file_type()) {
        return Err(SmallFileError::NoFile(what));
    }
    let mut bytes = Vec::new();
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(SmallFileError::TooLarge { what, max });
    }
    Ok(String::from_utf8(bytes)?)
}

/// For what a library will read: what is there, if it is neither a file nor a folder. That there is nothing libraries
/// say best themselves.
pub fn neither_file_nor_folder(path: &Path) -> Option<&'static str> {
    let found = std::fs::metadata(path).ok()?;
    if found.is_dir() { None } else { no_file(found.file_type()) }
}

fn no_file(found: FileType) -> Option<&'static str> {
    match found {
        found if found.is_file() => None,
        found if found.is_dir() => Some("a folder"),
        found if found.is_fifo() => Some("a FIFO"),
        found if found.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn what_is_no_small_file_of_text_is_refused_for_what_it_is() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("text"), "text").expect("a file");
        std::fs::write(path("binary"), [0xff]).expect("a file");
        symlink("text", path("link")).expect("a link");
        mknodat(CWD, path("fifo"), FileType::Fifo, Mode::RWXU, 0).expect("a FIFO");
        symlink("/dev/zero", path("endless")).expect("a link");
        let _listener = UnixListener::bind(path("socket")).expect("a socket");
        let read = |name: &str| read_text(&path(name), "a note", 4).map_err(|error| error.to_string());
        assert_eq!(read("text"), Ok("text".to_owned()));
        assert_eq!(read("link"), Ok("text".to_owned()));
        assert_eq!(read("fifo"), Err("is a FIFO, expected a file".to_owned()));
        assert_eq!(read("endless"), Err("is a device, expected a file".to_owned()));
        assert_eq!(read("."), Err("is a folder, expected a file".to_owned()));
        assert!(read("socket").is_err_and(|error| error.starts_with("can't be read: ")));
        assert!(read("binary").is_err_and(|error| error.starts_with("not UTF-8: ")));
        assert!(read_text(&path("none"), "a note", 4).is_err_and(|error| error.is_not_found()));
        std::fs::write(path("text"), "texts").expect("a file");
        assert_eq!(read("text"), Err("is larger than a note can be (4 bytes)".to_owned()));

        for name in ["text", "link", ".", "none"] {
            assert_eq!(neither_file_nor_folder(&path(name)), None, "{name}");
        }
        for (name, what) in [("fifo", "a FIFO"), ("socket", "a socket"), ("endless", "a device")] {
            assert_eq!(neither_file_nor_folder(&path(name)), Some(what), "{name}");
        }
    }
}
