//! The files that `headwater generate` writes, compressed or not.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::error::GenerateError;

const BUFFER_BYTES: usize = 1 << 18;

/// What files are compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// Small and fast.
    Zstd,
    /// Understood everywhere.
    Gzip,
}

impl Compression {
    /// What it adds to a file's name.
    pub(super) fn suffix(compression: Option<Self>) -> &'static str {
        match compression {
            None => "",
            Some(Self::Zstd) => ".zst",
            Some(Self::Gzip) => ".gz",
        }
    }
}

/// A line of the truth file.
#[derive(Serialize)]
struct TruthLine<T> {
    truth: &'static str,
    #[serde(flatten)]
    about: T,
}

/// A file that is being written.
pub(super) struct Output {
    path: PathBuf,
    buffer: Vec<u8>,
    sink: Sink,
}

enum Sink {
    Plain(File),
    Gzip(GzEncoder<File>),
    Zstd(zstd::Encoder<'static, File>),
}

impl Output {
    /// Creates a file. Without `force` there must be none yet.
    pub(super) fn create(
        path: &Path,
        compress: Option<Compression>,
        force: bool,
    ) -> Result<Self, GenerateError> {
        let failed = |source| GenerateError::Write { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.write(true).create(force).truncate(force).create_new(!force);
        let file = options.open(path).map_err(failed)?;
        let sink = match compress {
            None => Sink::Plain(file),
            Some(Compression::Gzip) => Sink::Gzip(GzEncoder::new(file, flate2::Compression::default())),
            Some(Compression::Zstd) => Sink::Zstd(zstd::Encoder::new(file, 3).map_err(failed)?),
        };
        Ok(Self { path: path.to_owned(), buffer: Vec::with_capacity(BUFFER_BYTES + 4096), sink })
    }

    /// Adds what `row` writes.
    pub(super) fn write(
        &mut self,
        row: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    ) -> Result<(), GenerateError> {
        row(&mut self.buffer).and_then(|()| self.drain(BUFFER_BYTES)).map_err(|source| self.failed(source))
    }

    /// Adds a line of truth.
    pub(super) fn write_truth(
        &mut self,
        truth: &'static str,
        about: impl Serialize,
    ) -> Result<(), GenerateError> {
        self.write(|line| {
            serde_json::to_writer(&mut *line, &TruthLine { truth, about })?;
            line.write_all(b"\n")
        })
    }

    fn drain(&mut self, at_least: usize) -> io::Result<()> {
        if self.buffer.len() < at_least {
            return Ok(());
        }
        match &mut self.sink {
            Sink::Plain(file) => file.write_all(&self.buffer)?,
            Sink::Gzip(encoder) => encoder.write_all(&self.buffer)?,
            Sink::Zstd(encoder) => encoder.write_all(&self.buffer)?,
        }
        self.buffer.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), GenerateError> {
        let drained = self.drain(0);
        let Self { path, sink, .. } = self;
        let finished = drained.and_then(|()| match sink {
            Sink::Plain(_) => Ok(()),
            Sink::Gzip(encoder) => encoder.finish().map(|_| ()),
            Sink::Zstd(encoder) => encoder.finish().map(|_| ()),
        });
        finished.map_err(|source| GenerateError::Write { path, source })
    }

    fn failed(&self, source: io::Error) -> GenerateError {
        GenerateError::Write { path: self.path.clone(), source }
    }
}
