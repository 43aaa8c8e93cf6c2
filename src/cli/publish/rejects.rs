//! What `publish` says on the way, on standard error: warnings, and the rows that could not be sent.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::json;

use super::super::terminal::visible;

/// How many bad rows are named before the rest is only counted.
const NAMED: usize = 20;

/// Writes lines for people, or for programs under `--json`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notices {
    pub json: bool,
}

impl Notices {
    /// One line, such as `warning: ...`. With standard error gone there is still the summary.
    pub fn tell(self, kind: &str, text: &str) {
        let line = match self.json {
            true => visible(&json!({ kind: text }).to_string()).into_owned(),
            false => format!("{kind}: {}", visible(text)),
        };
        let _ = writeln!(io::stderr(), "{line}");
    }
}

/// Rows that could not be sent, named in the order in which they were read: what the server says of a row comes
/// later than what was seen here of the rows after it.
pub(super) struct Rejects {
    notices: Notices,
    /// How many there are.
    pub count: u64,
    named: usize,
    /// Those to be named, by their number among the rows.
    waiting: BTreeMap<u64, String>,
}

impl Rejects {
    pub fn new(notices: Notices) -> Self {
        Self { notices, count: 0, named: 0, waiting: BTreeMap::new() }
    }

    /// A row is rejected.
    pub fn add(&mut self, row: u64, line: String) {
        self.count += 1;
        self.waiting.insert(row, line);
        // Of the rest it is known already that it is only counted.
        if self.waiting.len() + self.named > NAMED {
            self.waiting.pop_last();
        }
    }

    /// Names those up to a row: nothing more will come of them.
    pub fn settled(&mut self, row: u64) {
        while let Some(first) = self.waiting.first_entry().filter(|first| *first.key() <= row) {
            self.notices.tell("rejected", &first.remove());
            self.named += 1;
        }
    }

    /// Names all that are left.
    pub fn finish(&mut self) {
        self.settled(u64::MAX);
        let rest = self.count - self.named as u64;
        if rest > 0 {
            self.notices.tell("rejected", &format!("and {rest} more, which are only counted"));
        }
    }
}
