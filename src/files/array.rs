//! A file that is one JSON array: its elements are handed out one at a time, as the lines of JSON Lines are.

use std::io::{self, BufRead};

use super::error::FileError;
use super::lines::MAX_LINE_BYTES;
use super::source::Source;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads up to what a file begins with: how many lines were passed, and whether it is an array.
pub(super) fn begins(source: &mut Source) -> io::Result<(u64, bool)> {
    let mut passed = 0;
    let bytes = &mut source.bytes;
    // It is in the first look, as that is of four bytes at least where there are as many.
    if bytes.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        bytes.consume(BYTE_ORDER_MARK.len());
    }
    loop {
        let chunk = bytes.fill_buf()?;
        let blank = chunk.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        passed += chunk[..blank].iter().filter(|byte| **byte == b'\n').count() as u64;
        let (first, ended) = (chunk.get(blank).copied(), chunk.is_empty());
        bytes.consume(blank);
        match first {
            Some(b'[') => {
                bytes.consume(1);
                return Ok((passed, true));
            }
            Some(_) => return Ok((passed, false)),
            None if ended => return Ok((passed, false)),
            None => {}
        }
    }
}

/// The elements of an array whose bracket was read.
pub(super) struct Elements {
    source: Source,
    element: Element,
    /// Line feeds so far.
    passed: u64,
    /// Whether its last bracket was read.
    closed: bool,
    ended: bool,
}

/// What was read of an element.
#[derive(Default)]
struct Element {
    bytes: Vec<u8>,
    /// On which it begins.
    line: u64,
    started: bool,
    /// Brackets that are open.
    depth: usize,
    in_text: bool,
    escaped: bool,
    too_long: bool,
}

/// How an element ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Comma,
    Bracket,
}

impl Elements {
    pub(super) fn new(source: Source, passed: u64) -> Self {
        Self { source, element: Element::default(), passed, closed: false, ended: false }
    }

    /// The next element, with the line on which it begins.
    pub(super) fn next(&mut self) -> Option<Result<(u64, Vec<u8>), FileError>> {
        if self.ended {
            return None;
        }
        if self.closed {
            self.ended = true;
            return self.nothing_follows().err().map(|source| Err(self.broken(source)));
        }
        match self.read() {
            Ok(end) => {
                let Element { bytes, line, started, too_long, .. } = std::mem::take(&mut self.element);
                if end == End::Bracket {
                    self.closed = true;
                    // After the last comma, or in an array of nothing.
                    if !started {
                        return self.next();
                    }
                }
                let file = self.source.name.clone();
                Some(match too_long {
                    true => Err(FileError::LineTooLong { file, line, max: MAX_LINE_BYTES }),
                    false => Ok((line, bytes)),
                })
            }
            Err(source) => {
                self.ended = true;
                Some(Err(self.broken(source)))
            }
        }
    }

    fn read(&mut self) -> io::Result<End> {
        loop {
            let chunk = self.source.bytes.fill_buf()?;
            if chunk.is_empty() {
                let why = "the array that it begins with does not end";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
            }
            let (mut used, mut end) = (0, None);
            for byte in chunk {
                used += 1;
                end = self.element.take(*byte, self.passed + 1);
                self.passed += u64::from(*byte == b'\n');
                if end.is_some() {
                    break;
                }
            }
            self.source.bytes.consume(used);
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// Whether the array is all that there is.
    fn nothing_follows(&mut self) -> io::Result<()> {
        loop {
            let chunk = self.source.bytes.fill_buf()?;
            let count = chunk.len();
            let blank = chunk.iter().take_while(|byte| byte.is_ascii_whitespace());
            let (blank, lines) =
                blank.fold((0, 0), |(blank, lines), byte| (blank + 1, lines + u64::from(*byte == b'\n')));
            self.passed += lines;
            if blank < count {
                let why = "something follows the array that it begins with";
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            if count == 0 {
                return Ok(());
            }
            self.source.bytes.consume(count);
        }
    }

    fn broken(&self, source: io::Error) -> FileError {
        FileError::Read { file: self.source.name.clone(), line: self.passed + 1, source }
    }
}

impl Element {
    /// Takes a byte that is on a line; how the element ends, if it does.
    fn take(&mut self, byte: u8, line: u64) -> Option<End> {
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            self.keep(byte);
            return None;
        }
        match byte {
            b',' if self.depth == 0 => {
                // Between two commas there is an element that is none: whoever decodes it says so.
                self.start(line);
                return Some(End::Comma);
            }
            b']' if self.depth == 0 => return Some(End::Bracket),
            _ if byte.is_ascii_whitespace() && self.depth == 0 => return None,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b'"' => self.in_text = true,
            _ => {}
        }
        self.start(line);
        self.keep(byte);
        None
    }

    fn start(&mut self, line: u64) {
        if !std::mem::replace(&mut self.started, true) {
            self.line = line;
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.too_long {
            return;
        }
        if self.bytes.len() == MAX_LINE_BYTES {
            self.too_long = true;
            self.bytes = Vec::new();
        } else {
            self.bytes.push(byte);
        }
    }
}
