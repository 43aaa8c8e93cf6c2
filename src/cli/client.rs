//! Talks to a running server.

use std::io::{self, Write};
use std::time::Duration;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};
use tonic_types::StatusExt;

use crate::proto;

const CONNECT: Duration = Duration::from_secs(5);
/// How often a bulk request is sent to a server that is overloaded: for some ten seconds.
const ATTEMPTS: usize = 100;

/// The server that a command talks to.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct ServerArgs {
    /// The server to ask
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7400")]
    pub server: String,
}

/// Why a server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("--server is `{0}`, expected HOST:PORT")]
    Address(String),
    #[error(
        "no server answers at {server} ({source}): start one with `headwater serve`, or name another with --server"
    )]
    Connect { server: String, source: tonic::transport::Error },
    #[error("{code:?}: {message}")]
    Refused { code: tonic::Code, message: String },
    #[error("the answer can't be shown: {0}")]
    Unreadable(String),
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        Self::Refused { code: status.code(), message: status.message().to_owned() }
    }
}

impl ServerArgs {
    /// Connects.
    pub async fn connect(&self) -> Result<Channel, ClientError> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.server))
            .map_err(|_| ClientError::Address(self.server.clone()))?;
        let endpoint = endpoint.connect_timeout(CONNECT).tcp_nodelay(true);
        endpoint
            .connect()
            .await
            .map_err(|source| ClientError::Connect { server: self.server.clone(), source })
    }
}

/// Asks, and asks again while the server refuses for now and says when to: it has done nothing then.
///
/// # Errors
/// It refuses for another reason, or still does after [`ATTEMPTS`].
pub(super) async fn patiently<T, Answer>(mut ask: impl FnMut() -> Answer) -> Result<T, ClientError>
where
    Answer: Future<Output = Result<Response<T>, Status>>,
{
    for _ in 1..ATTEMPTS {
        match ask().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) => match status.get_details_retry_info().and_then(|info| info.retry_delay) {
                Some(delay) => tokio::time::sleep(delay.min(CONNECT)).await,
                None => return Err(status.into()),
            },
        }
    }
    Ok(ask().await?.into_inner())
}

/// Writes an answer as JSON, as the protocol's own mapping has it, every field included.
pub(super) fn write_json(
    name: &str,
    message: &impl Message,
    out: &mut dyn Write,
) -> Result<(), super::CliError> {
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
pub(super) fn parse_instant(text: &str) -> Result<prost_types::Timestamp, String> {
    let ms = match text.parse::<i64>() {
        Ok(ms) => ms,
        Err(_) => {
            chrono::DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis()).map_err(|_| {
                "expected ms since the epoch or RFC 3339, such as 2026-01-31T12:00:00Z".to_owned()
            })?
        }
    };
    Ok(crate::codec::convert::from_time(crate::engine::events::event::Timestamp(ms)))
}

/// An instant as people read it.
pub(super) fn show_instant(time: Option<&prost_types::Timestamp>) -> String {
    let ms = time.and_then(|time| crate::codec::convert::millis("time", time).ok());
    ms.map_or_else(|| "never".to_owned(), |ms| crate::engine::events::event::Timestamp(ms).to_string())
}

/// Writes rows with each column as wide as its widest cell.
pub(super) fn write_table(rows: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
