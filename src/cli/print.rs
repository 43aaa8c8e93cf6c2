//! How commands write answers, and how they read and write instants.

use std::fmt::Display;
use std::io::{self, Write};

use console::{Alignment, measure_text_width, pad_str};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde::{Serialize, Serializer};

use super::client::ClientError;
use super::error::CliError;
use super::terminal::clipped;
use crate::codec::convert::{from_time, millis};
use crate::engine::time::{NoInstant, Timestamp};
use crate::proto;

/// Columns of an id or a title in a table, so that a row fits into a line of most terminals.
pub(super) const NAME: usize = 60;
/// Columns of any other cell.
const CELL: usize = 256;

/// Writes an answer as JSON.
pub(super) fn write_json(name: &str, message: &impl Message, out: &mut dyn Write) -> Result<(), CliError> {
    write_value(&JsonForm::of(name)?.show(message)?, out)
}

/// Writes a value as JSON, over several lines.
pub(super) fn write_value(value: &impl Serialize, out: &mut dyn Write) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| unreadable(&error))?;
    Ok(writeln!(out, "{text}")?)
}

/// How messages of one kind are written as JSON: by the protocol's own mapping with the names of the protocol's
/// fields, every field included, numbers of 64 bits as numbers.
pub(super) struct JsonForm(MessageDescriptor);

/// A message that can be written as JSON.
pub(super) struct Shown(DynamicMessage);

impl JsonForm {
    /// That of a message of `headwater.v1`.
    pub fn of(name: &str) -> Result<Self, CliError> {
        let pool = DescriptorPool::decode(proto::DESCRIPTORS).map_err(|error| unreadable(&error))?;
        let descriptor = pool.get_message_by_name(&format!("headwater.v1.{name}"));
        Ok(Self(descriptor.ok_or_else(|| unreadable(&format!("no message {name}")))?))
    }

    /// A message of that kind.
    pub fn show(&self, message: &impl Message) -> Result<Shown, CliError> {
        let dynamic = DynamicMessage::decode(self.0.clone(), message.encode_to_vec().as_slice());
        Ok(Shown(dynamic.map_err(|error| unreadable(&error))?))
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let options = SerializeOptions::new()
            .skip_default_fields(false)
            .use_proto_field_name(true)
            .stringify_64_bit_integers(false);
        self.0.serialize_with_options(serializer, &options)
    }
}

fn unreadable(error: &dyn Display) -> CliError {
    ClientError::Unreadable(error.to_string()).into()
}

/// So many of something, in words: `1 event`, `2 events`.
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// An instant as a request writes it.
pub(super) fn parse_instant(text: &str) -> Result<prost_types::Timestamp, NoInstant> {
    text.parse().map(from_time)
}

/// An instant as people read it.
pub(super) fn show_instant(time: Option<&prost_types::Timestamp>) -> String {
    let ms = time.and_then(|time| millis("time", time).ok());
    ms.map_or_else(|| "never".to_owned(), |ms| Timestamp(ms).to_string())
}

/// Writes rows with each column as wide as its widest cell. Long texts are clipped, and none steers the terminal.
pub(super) fn write_table(rows: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| clipped(cell, CELL)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| Some(measure_text_width(row.get(column)?))).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let line: String =
            cells.map(|(cell, width)| pad_str(cell, width + 2, Alignment::Left, None)).collect();
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
