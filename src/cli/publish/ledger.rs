//! What was sent of a file of events, kept beside it, so that the same file counts once: `events.jsonl.sent`.
//!
//! It says for each server, or topic, how many rows were acknowledged, with a hash of them, and is written with each
//! batch. So the same content is known under its name though the file has grown, and other content is none that was
//! sent. What was under way when a load broke off may have been taken all the same: an event without an id gets one of
//! what the file holds up to it, by which a server knows it when it comes again.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::super::error::CliError;
use super::super::print::counted;
use crate::clock::wall_clock;
use crate::codec::encode_event;
use crate::engine::events::event::{EventDraft, Timestamp};
use crate::files::small::read_text;
use crate::files::{EventContent, EventFile, FileError, Reading};

/// The most bytes of an account: a line for each server that a file was ever sent to.
const MAX_ACCOUNT: u64 = 1 << 20;

/// What is done with rows that were sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing is sent.
    Refuse,
    /// They are left out.
    LeaveOut,
    /// They are sent anew.
    SendAnew,
}

/// What was sent of a file to one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sent {
    /// How many rows were acknowledged or rejected, from the first on.
    rows: u64,
    /// [`Content`] after them, in hexadecimal digits.
    xxh3: String,
    /// When that was, in ms since the epoch.
    at: i64,
    /// What was added to the times of its events, in ms.
    #[serde(default, skip_serializing_if = "is_zero")]
    shift: i64,
    /// When it was to be sent anew, in ms since the epoch: the ids of its events are others then.
    #[serde(default, skip_serializing_if = "is_zero")]
    anew: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like that")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// What was sent of a file, by server.
type Account = BTreeMap<String, Sent>;

/// The rows of a file, as far as it was read, in one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Content(u64);

impl Content {
    /// Goes on by a row. One that can't be read is like any other of these.
    fn add(&mut self, row: &Result<&EventContent, &FileError>) {
        let bytes = match row {
            Ok(EventContent::Json(line)) => Cow::from(line),
            Ok(EventContent::Event(draft)) => Cow::from(encode_event(draft)),
            Err(_) => Cow::from(&b""[..]),
        };
        self.0 = xxh3_64_with_seed(&bytes, self.0);
    }

    fn digits(self) -> String {
        format!("{:016x}", self.0)
    }
}

/// Keeps account of a file that is being sent.
pub(super) struct Ledger {
    path: PathBuf,
    target: String,
    account: Account,
    /// Of the file, as far as it was read.
    content: Content,
    read: u64,
    /// By their numbers among all rows: those that are not known to be acknowledged, with what was read up to each.
    waiting: VecDeque<(u64, u64, Content)>,
    /// Whether it can be written.
    kept: bool,
}

impl Ledger {
    /// Looks up what was sent of a file to a target. Rows are read as far as they were sent, to see whether they are
    /// the same.
    ///
    /// # Errors
    /// They were, and are not to be sent anew; or the file, or what is kept of it, can't be read.
    pub fn open(
        file: &Path,
        target: &str,
        (reading, shift): (&Reading, i64),
        before: Before,
    ) -> Result<Self, CliError> {
        let path = beside(file);
        let mut account = read(&path)?;
        let known = account.get(target).cloned().unwrap_or_default();
        let sent = match before {
            Before::SendAnew => Sent { anew: wall_clock(), shift, ..Sent::default() },
            _ if known.rows == 0 => Sent { shift, anew: known.anew, ..Sent::default() },
            _ => match (compare(file, reading, &known)?, before) {
                (None, Before::Refuse) => Sent { shift, ..Sent::default() },
                (None, _) => return Err(others(file, target, &known)),
                (Some(more), Before::Refuse) => return Err(sent_before(file, target, &known, more)),
                (Some(_), _) => known,
            },
        };
        account.insert(target.to_owned(), sent);
        let (content, waiting) = (Content::default(), VecDeque::new());
        let target = target.to_owned();
        Ok(Self { path, target, account, content, read: 0, waiting, kept: true })
    }

    fn sent(&self) -> &Sent {
        &self.account[&self.target]
    }

    /// How many rows are left out, as they were sent before.
    pub fn rows_sent(&self) -> u64 {
        self.sent().rows
    }

    /// What is added to the times of its events, in ms: what was, if some were sent before.
    pub fn shift(&self) -> i64 {
        self.sent().shift
    }

    /// Whether it goes on where a load has broken off: it could be written.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Takes note of the next row of the file, which has that number among all rows.
    pub fn row(&mut self, row: u64, content: Result<&EventContent, &FileError>) {
        self.content.add(&content);
        self.read += 1;
        if self.read > self.rows_sent() {
            self.waiting.push_back((row, self.read, self.content));
        }
    }

    /// Gives the event of that row an id, if it has none.
    pub fn name(&self, draft: &mut EventDraft<'_>) {
        if draft.event_id.is_none() {
            let (content, anew) = (self.content.digits(), self.sent().anew);
            let again = if anew == 0 { String::new() } else { format!("-{anew:x}") };
            draft.event_id = Some(format!("file-{content}{again}").into());
        }
    }

    /// Takes note that all rows up to a number were acknowledged, or rejected.
    ///
    /// # Errors
    /// It can't be written: what was sent from now on is sent again by the next call.
    pub fn acknowledged(&mut self, row: u64) -> io::Result<()> {
        let mut last = None;
        while let Some((_, rows, content)) =
            self.waiting.front().copied().filter(|(number, ..)| *number <= row)
        {
            self.waiting.pop_front();
            last = Some((rows, content));
        }
        let Some((rows, content)) = last else { return Ok(()) };
        if let Some(sent) = self.account.get_mut(&self.target) {
            (sent.rows, sent.xxh3, sent.at) = (rows, content.digits(), wall_clock());
        }
        if self.kept { self.write() } else { Ok(()) }
    }

    /// Writes it for the first time.
    ///
    /// # Errors
    /// It can't be written, and is not tried again.
    pub fn begin(&mut self) -> io::Result<()> {
        let written = self.write();
        self.kept = written.is_ok();
        written
    }

    /// Whole or not at all, wherever it breaks off.
    fn write(&self) -> io::Result<()> {
        let mut partial = self.path.clone().into_os_string();
        partial.push(".partial");
        let mut file = File::create(&partial)?;
        file.write_all(&serde_json::to_vec_pretty(&self.account)?)?;
        file.write_all(b"\n")?;
        fs::rename(&partial, &self.path)
    }
}

/// Where account of a file is kept.
fn beside(file: &Path) -> PathBuf {
    let mut path = OsString::from(file);
    path.push(".sent");
    path.into()
}

fn read(path: &Path) -> Result<Account, CliError> {
    let unusable = |why: String| {
        let path = path.display();
        CliError::Failed(format!(
            "nothing was sent: {path}, which says what was sent before, {why}. Remove it to send the whole file"
        ))
    };
    match read_text(path, "what was sent", MAX_ACCOUNT) {
        Ok(text) => {
            serde_json::from_str(&text).map_err(|error| unusable(format!("can't be understood: {error}")))
        }
        Err(error) if error.is_not_found() => Ok(Account::new()),
        Err(error) => Err(unusable(error.to_string())),
    }
}

/// Whether a file begins with what was sent, and if so whether more follows.
fn compare(file: &Path, reading: &Reading, known: &Sent) -> Result<Option<bool>, CliError> {
    let (mut content, mut rows) = (Content::default(), EventFile::open(file, reading.clone())?);
    for _ in 0..known.rows {
        match rows.next() {
            None => return Ok(None),
            Some(Err(error)) if error.is_final() => return Err(error.into()),
            Some(row) => content.add(&row.as_ref().map(|row| &row.content)),
        }
    }
    Ok((content.digits() == known.xxh3).then(|| rows.next().is_some()))
}

fn sent_before(file: &Path, target: &str, known: &Sent, more: bool) -> CliError {
    let (file, rows, at) = (file.display(), counted(known.rows, "row"), Timestamp(known.at));
    CliError::Failed(if more {
        format!(
            "nothing was sent: the first {rows} of {file} were sent to {target} before, by {at}. To send what follows, \
             call it again with `--resume`; to send all anew, so that it counts again, with `--again`"
        )
    } else {
        format!(
            "nothing was sent: {file} was sent already to {target}, {rows} by {at}. To send it anew, so that it counts \
             again, call it again with `--again`"
        )
    })
}

fn others(file: &Path, target: &str, known: &Sent) -> CliError {
    let (file, rows, at) = (file.display(), counted(known.rows, "row"), Timestamp(known.at));
    CliError::Failed(format!(
        "nothing was sent: {file} does not begin with the {rows} that were sent to {target} by {at}. If it is another \
         file by now, call it again without `--resume`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "events.jsonl";

    fn open(dir: &Path, text: &str, before: Before) -> Result<Ledger, String> {
        let file = dir.join(FILE);
        fs::write(&file, text).expect("a file");
        let reading = (&Reading::default(), 0);
        Ledger::open(&file, "here", reading, before).map_err(|error| error.to_string())
    }

    /// Sends all rows, of which so many are acknowledged, and gives the ids of the events that were sent.
    fn send(dir: &Path, text: &str, before: Before, acknowledged: u64) -> Result<Vec<String>, String> {
        let mut ledger = open(dir, text, before)?;
        ledger.begin().expect("it is written");
        let mut ids = Vec::new();
        for (number, row) in (1..).zip(EventFile::open(&dir.join(FILE), Reading::default()).expect("a file"))
        {
            ledger.row(number, row.as_ref().map(|row| &row.content));
            if number > ledger.rows_sent() {
                let mut draft = EventDraft::default();
                ledger.name(&mut draft);
                ids.extend(draft.event_id.map(Cow::into_owned));
            }
        }
        ledger.acknowledged(acknowledged).expect("it is written");
        Ok(ids)
    }

    #[test]
    fn what_was_sent_is_known_though_the_file_has_grown_and_other_content_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let dir = dir.path();
        let ids = send(dir, "{}\n{}\n", Before::Refuse, 2).expect("it is new");
        assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
        let refused = send(dir, "{}\n{}\n", Before::Refuse, 2).expect_err("it was sent");
        assert!(
            refused.contains("was sent already to here, 2 rows by 20") && refused.contains("`--again`"),
            "{refused}"
        );
        assert_eq!(send(dir, "{}\n{}\n", Before::LeaveOut, 2).expect("it goes on"), [""; 0]);
        let refused = send(dir, "{}\n{}\n{}\n", Before::Refuse, 3).expect_err("two rows were sent");
        assert!(refused.contains("the first 2 rows") && refused.contains("`--resume`"), "{refused}");
        let more = send(dir, "{}\n{}\n{}\n", Before::LeaveOut, 3).expect("it goes on");
        assert_eq!(more.len(), 1);
        let refused = send(dir, "{}\n[]\n{}\n", Before::LeaveOut, 3).expect_err("they are others");
        assert!(refused.contains("does not begin with the 3 rows"), "{refused}");
        assert_eq!(send(dir, "{}\n[]\n{}\n", Before::Refuse, 3).expect("it is new").len(), 3);
    }

    #[test]
    fn what_may_have_been_under_way_comes_again_by_the_same_ids_unless_it_is_to_count_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let dir = dir.path();
        let ids = send(dir, "{}\n{}\n{}\n", Before::Refuse, 1).expect("it is new");
        assert_eq!(send(dir, "{}\n{}\n{}\n", Before::LeaveOut, 1).expect("it goes on"), ids[1..]);
        let anew = send(dir, "{}\n{}\n{}\n", Before::SendAnew, 1).expect("it goes on");
        assert!(anew.len() == 3 && !anew.iter().any(|id| ids.contains(id)), "{anew:?}");
        assert_eq!(send(dir, "{}\n{}\n{}\n", Before::LeaveOut, 3).expect("it goes on"), anew[1..]);
        let broken = dir.join("events.jsonl.sent");
        fs::write(&broken, "{").expect("a file");
        let refused = send(dir, "{}\n", Before::Refuse, 0).expect_err("who knows what was sent");
        assert!(refused.contains("events.jsonl.sent") && refused.contains("Remove it"), "{refused}");
    }
}
