//! How commands write answers, and how they read and write instants.

use std::io::{self, Write};

use console::{Alignment, measure_text_width, pad_str};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};

use super::client::ClientError;
use super::error::CliError;
use crate::codec::convert::{from_time, millis};
use crate::engine::time::{NoInstant, Timestamp};
use crate::proto;

/// Writes an answer as JSON, as the protocol's own mapping has it, every field included.
pub(super) fn write_json(name: &str, message: &impl Message, out: &mut dyn Write) -> Result<(), CliError> {
    let unreadable = |error: &dyn std::fmt::Display| ClientError::Unreadable(error.to_string());
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).map_err(|error| unreadable(&error))?;
    let descriptor = pool.get_message_by_name(&format!("headwater.v1.{name}"));
    let descriptor = descriptor.ok_or_else(|| unreadable(&format!("no message {name}")))?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice());
    let dynamic = dynamic.map_err(|error| unreadable(&error))?;
    let mut json = serde_json::Serializer::pretty(Vec::new());
    let options = SerializeOptions::new().skip_default_fields(false).use_proto_field_name(true);
    dynamic.serialize_with_options(&mut json, &options).map_err(|error| unreadable(&error))?;
    let mut bytes = json.into_inner();
    bytes.push(b'\n');
    Ok(out.write_all(&bytes)?)
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

/// Writes rows with each column as wide as its widest cell.
pub(super) fn write_table(rows: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| Some(measure_text_width(row.get(column)?))).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let line: String =
            cells.map(|(cell, width)| pad_str(cell, width + 2, Alignment::Left, None)).collect();
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
