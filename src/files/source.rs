//! Where the bytes of a file come from: a path or standard input, decompressed on the way.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::FileError;

const BUFFER_BYTES: usize = 1 << 16;

/// How far a file has been read, in bytes of the file as it is stored. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Progress {
    read: Arc<AtomicU64>,
    total: Option<u64>,
}

impl Progress {
    /// How many bytes have been read.
    pub fn position(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// How many there are; unknown for standard input and pipes.
    pub fn total(&self) -> Option<u64> {
        self.total
    }
}

/// The decompressed bytes of a file.
pub(super) struct Source {
    /// For messages: the path, or `standard input`.
    pub(super) name: String,
    pub(super) bytes: Box<dyn BufRead + Send>,
    pub(super) progress: Progress,
}

impl Source {
    /// Opens a path; `-` is standard input.
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        if path.as_os_str() == "-" {
            return Self::new("standard input".to_owned(), io::stdin(), None);
        }
        let name = path.display().to_string();
        let opened = File::open(path).and_then(|file| {
            let metadata = file.metadata()?;
            match metadata.is_dir() {
                true => Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory")),
                false => Ok((file, metadata.is_file().then_some(metadata.len()))),
            }
        });
        match opened {
            Ok((file, total)) => Self::new(name, file, total),
            Err(source) => Err(FileError::Open { file: name, source }),
        }
    }

    /// Takes bytes from anywhere. What they are compressed with is told by how they begin.
    pub(super) fn new(
        name: String,
        bytes: impl Read + Send + 'static,
        total: Option<u64>,
    ) -> Result<Self, FileError> {
        let progress = Progress { read: Arc::default(), total };
        let counted = Counted { bytes, read: Arc::clone(&progress.read) };
        match decompressed(counted) {
            Ok(bytes) => Ok(Self { name, bytes, progress }),
            Err(source) => Err(FileError::Open { file: name, source }),
        }
    }
}

fn decompressed(mut bytes: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut start = Vec::with_capacity(4);
    bytes.by_ref().take(4).read_to_end(&mut start)?;
    let is_gzip = start.starts_with(&[0x1f, 0x8b]);
    let is_zstd = start == [0x28, 0xb5, 0x2f, 0xfd];
    let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(start).chain(bytes));
    Ok(if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, flate2::bufread::MultiGzDecoder::new(whole)))
    } else if is_zstd {
        let decoder = zstd::stream::read::Decoder::with_buffer(whole)?;
        Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
    } else {
        Box::new(whole)
    })
}

/// Counts the bytes that pass.
struct Counted<R> {
    bytes: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
