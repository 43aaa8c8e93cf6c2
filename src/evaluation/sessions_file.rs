//! Files of sessions as the literature exchanges them: `SessionId ItemId Time`, separated by tabs or other white space,
//! times in seconds since the epoch; plain, gzip or zstd.
//!
//! `headwater publish` can't take them, as they have no type and their times are in seconds, with a fraction.

use std::path::Path;

use hashbrown::HashMap;

use super::contender::Observed;
use crate::engine::events::event::EventType;
use crate::engine::text::shorten;
use crate::files::{FileError, TextFile};

const COLUMNS: [&str; 3] = ["SessionId", "ItemId", "Time"];
/// The latest second that milliseconds since the epoch are counted of, 9999-12-31.
const LATEST: f64 = 253_402_300_799.0;

/// The numbers that ids are given as they are met, the same ones for several files.
#[derive(Debug, Default)]
pub struct Numbers {
    sessions: HashMap<String, u32>,
    items: HashMap<String, u32>,
}

impl Numbers {
    /// How many different items there are.
    pub fn items(&self) -> usize {
        self.items.len()
    }

    fn of(numbers: &mut HashMap<String, u32>, id: &str) -> u32 {
        let next = numbers.len() as u32;
        *numbers.entry_ref(id).or_insert(next)
    }
}

/// Whether a file begins as one of sessions does. One that can't be read does not, and whoever reads it on is told why.
pub fn is_of_sessions(path: &Path) -> bool {
    let header = TextFile::open(path).ok().and_then(|mut lines| lines.next()?.ok());
    header.is_some_and(|header| header.split_whitespace().eq(COLUMNS))
}

/// Hands over each line of a file: the session, the item, and when, in ms since the epoch.
///
/// # Errors
/// The file can't be read, its first line does not name the columns, or a line is none of a session.
pub fn each_line(path: &Path, mut take: impl FnMut(&str, &str, i64)) -> Result<(), FileError> {
    let file = path.display().to_string();
    let mut lines = TextFile::open(path)?;
    let header = lines.next().transpose()?.unwrap_or_default();
    if header.split_whitespace().ne(COLUMNS) {
        return Err(FileError::MissingColumns {
            file,
            missing: COLUMNS.map(|column| format!("`{column}`")).join(", "),
            found: format!("`{}`", shorten(&header)),
            hint: "; they are expected in this order, separated by tabs".to_owned(),
        });
    }
    while let Some(text) = lines.next() {
        let (text, line) = (text?, lines.line());
        let cells: Vec<&str> = text.split_whitespace().collect();
        let [session, item, time] = cells[..] else {
            return Err(FileError::CellCount { file, line, found: cells.len(), expected: COLUMNS.len() });
        };
        let seconds = time.parse().ok().filter(|seconds: &f64| (0.0..=LATEST).contains(seconds));
        let Some(seconds) = seconds else {
            let found = shorten(time).into_owned();
            return Err(FileError::Cell {
                file,
                line,
                column: "Time",
                found,
                expected: "seconds since 1970",
            });
        };
        take(session, item, (seconds * 1000.0).round() as i64);
    }
    Ok(())
}

/// The events of a file, in the order of their times, those of one instant in the order of the file. A session is the
/// user and the visit.
///
/// # Errors
/// As [`each_line`].
pub fn read_sessions(path: &Path, numbers: &mut Numbers) -> Result<Vec<Observed>, FileError> {
    let mut events = Vec::new();
    each_line(path, |session, item, ts| {
        let session = Numbers::of(&mut numbers.sessions, session);
        let item = Numbers::of(&mut numbers.items, item);
        let kind = EventType(0);
        events.push(Observed { user: session, visit: session, item, kind, positive: true, ts });
    })?;
    events.sort_by_key(|event| event.ts);
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(u32, u32, i64)>, String> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("test.txt");
        std::fs::write(&path, text).expect("a file");
        let folder = format!("{}/", dir.path().display());
        match read_sessions(&path, &mut Numbers::default()) {
            Ok(events) => Ok(events.iter().map(|event| (event.visit, event.item, event.ts)).collect()),
            Err(error) => Err(error.to_string().replace(&folder, "")),
        }
    }

    #[test]
    fn events_come_by_time_and_ids_get_numbers() {
        let text = "SessionId\tItemId\tTime\r\n9\tb\t2.0\n9\ta\t1.0\n\n7\tb\t1.5\n8\ta\t1.5\n";
        assert_eq!(read(text), Ok(vec![(0, 1, 1000), (1, 0, 1500), (2, 1, 1500), (0, 0, 2000)]));
    }

    #[test]
    fn what_is_no_session_is_refused_with_its_line() {
        let head = "SessionId\tItemId\tTime\n";
        assert_eq!(
            read("a,b\n"),
            Err("test.txt:1 has no column `SessionId`, `ItemId`, `Time`; its columns are `a,b`; they are expected \
                 in this order, separated by tabs"
                .to_owned())
        );
        assert_eq!(
            read(&format!("{head}1\t2\t3\n\n1\t2\n")),
            Err("test.txt:4 has 2 cells, expected 3 as in the header row".to_owned())
        );
        assert_eq!(
            read(&format!("{head}1\t2\tnoon\n")),
            Err("test.txt:2 `Time` is `noon`, expected seconds since 1970".to_owned())
        );
    }
}
