//! The rows of files, on their way to a sink.

use std::path::Path;

use super::super::error::CliError;
use super::super::progress::Bar;
use super::interrupt::Interrupt;
use super::ledger::Ledger;
use super::rejects::Notices;
use super::sink::Sink;
use super::times::{Span, Unit};
use crate::codec::{DecodeError, Encoding, decode_event, decode_item};
use crate::engine::events::event::{EventDraft, EventTypes, Timestamp};
use crate::engine::events::item::Item;
use crate::files::{EventContent, EventFile, FileError, ItemContent, ItemFile, Reading};

/// How rows are read, and how many were.
pub(super) struct Rows {
    pub reading: Reading,
    pub unit: Unit,
    /// What is added to the time of each event, in ms.
    pub shift: i64,
    pub interrupt: Interrupt,
    pub notices: Notices,
    /// How many were read, of all files.
    pub count: u64,
    /// Items that have no category.
    pub bare_items: u64,
    /// From the oldest event to the newest.
    pub span: Span,
}

impl Rows {
    /// The span of what files hold. What can't be read is named when the rest is sent.
    pub fn look(&self, paths: &[impl AsRef<Path>]) -> Result<Span, CliError> {
        let mut span = Span::default();
        for path in paths {
            for row in EventFile::open(path.as_ref(), self.reading.clone())? {
                if self.interrupt.came() {
                    return Err(CliError::Interrupted("ended by ctrl-c: nothing was sent".to_owned()));
                }
                match row {
                    Ok(mut row) => {
                        let draft = self.draft(&mut row.content, self.shift);
                        draft.into_iter().filter_map(|draft| draft.ts).for_each(|ts| span.add(Timestamp(ts)));
                    }
                    Err(error) if error.is_final() => return Err(error.into()),
                    Err(_) => {}
                }
            }
        }
        Ok(span)
    }

    /// Sends the items of a file.
    pub async fn items(&mut self, path: &Path, sink: &mut Sink) -> Result<(), CliError> {
        let file = ItemFile::open(path, self.reading.clone())?;
        self.warn(file.warnings());
        let bar = Bar::new(file.progress(), path);
        for row in file {
            if self.interrupt.came() {
                break;
            }
            bar.update();
            self.count += 1;
            let item = match row {
                Ok(row) => item(path, row.line, row.content)?,
                Err(error) => Err(unread(error)?),
            };
            match item {
                Ok(item) => {
                    self.bare_items += u64::from(item.categories.is_empty());
                    sink.item(&item, self.count).await?;
                }
                Err(reason) => sink.reject(self.count, reason),
            }
        }
        Ok(())
    }

    /// Sends the events of a file, those aside that were sent before: so many rows, and as many as its ledger says, if
    /// one is kept.
    pub async fn events(
        &mut self,
        path: &Path,
        skipped: u64,
        sink: &mut Sink,
        mut ledger: Option<&mut Ledger>,
    ) -> Result<(), CliError> {
        let file = EventFile::open(path, self.reading.clone())?;
        self.warn(file.warnings());
        let skipped = ledger.as_ref().map_or(skipped, |ledger| skipped.max(ledger.rows_sent()));
        let shift = ledger.as_ref().map_or(self.shift, |ledger| ledger.shift());
        let sent = self.send_events((path, file), (skipped, shift), sink, &mut ledger).await;
        let flushed = match sent {
            Ok(()) => sink.flush().await,
            Err(error) => Err(error),
        };
        // All that was read is settled, or what was acknowledged before it failed.
        let settled = if flushed.is_ok() { self.count } else { sink.acknowledged().row };
        if let Some(ledger) = ledger {
            ledger.acknowledged(settled)?;
        }
        flushed
    }

    async fn send_events(
        &mut self,
        (path, file): (&Path, EventFile),
        (skipped, shift): (u64, i64),
        sink: &mut Sink,
        ledger: &mut Option<&mut Ledger>,
    ) -> Result<(), CliError> {
        let bar = Bar::new(file.progress(), path);
        for (index, row) in (0..).zip(file) {
            if self.interrupt.came() {
                break;
            }
            bar.update();
            self.count += 1;
            if let Some(ledger) = ledger {
                ledger.row(self.count, row.as_ref().map(|row| &row.content));
                ledger.acknowledged(sink.acknowledged().row)?;
            }
            if index < skipped {
                continue;
            }
            let mut row = match row {
                Ok(row) => row,
                Err(error) => {
                    sink.reject(self.count, unread(error)?);
                    continue;
                }
            };
            match self.draft(&mut row.content, shift) {
                Ok(mut draft) => {
                    draft.ts.into_iter().for_each(|ts| self.span.add(Timestamp(ts)));
                    ledger.iter().for_each(|ledger| ledger.name(&mut draft));
                    sink.event(&draft, self.count, || location(path, row.line)).await?;
                }
                Err(reason) => sink.reject(self.count, format!("{}: {reason}", location(path, row.line))),
            }
        }
        Ok(())
    }

    fn warn(&self, warnings: &[String]) {
        warnings.iter().for_each(|warning| self.notices.tell("warning", warning));
    }

    /// An event as it is to be sent, its time moved by so many ms, or why it can't be.
    fn draft<'a>(&self, content: &'a mut EventContent, shift: i64) -> Result<EventDraft<'a>, String> {
        let mut draft = match content {
            EventContent::Event(draft) => std::mem::take(draft),
            EventContent::Json(line) => {
                decode_event(line, Encoding::Json).map_err(|error| error.to_string())?
            }
        };
        draft.ts = draft.ts.map(|ts| self.unit.millis(ts).saturating_add(shift));
        // Which types there are is the server's to say: here any will do.
        let types = EventTypes::new(draft.kind.as_deref());
        draft.check(&types).map_err(|error| error.to_string())?;
        Ok(draft)
    }
}

/// The item of a row, or why it is none. Events end the file: nothing in it is meant to be an item.
fn item(path: &Path, line: u64, content: ItemContent) -> Result<Result<Item, String>, FileError> {
    let decoded = match content {
        ItemContent::Item(item) => item.check().map_err(DecodeError::from),
        ItemContent::Json(json) => decode_item(&json, Encoding::Json),
    };
    match decoded {
        Ok(item) => Ok(Ok(item)),
        Err(DecodeError::EventAmongItems(field)) => {
            Err(FileError::EventsAsItems { file: path.display().to_string(), line, field })
        }
        Err(error) => Ok(Err(format!("{}: {error}", location(path, line)))),
    }
}

/// Why a row could not be read. A file that can't be read on is an error.
fn unread(error: FileError) -> Result<String, FileError> {
    if error.is_final() { Err(error) } else { Ok(error.to_string()) }
}

fn location(path: &Path, line: u64) -> String {
    format!("{}:{line}", path.display())
}
