//! Which events of a log are scored.

use std::time::Duration;

use super::error::CliError;
use super::inputs::instant;
use crate::engine::config::StreamConfig;
use crate::engine::events::event::{EventTypeSet, Timestamp};
use crate::evaluation::stream::Stream;

/// Which part of the events is scored unless a span is named, in percent: the last.
const LAST_EVENTS: usize = 20;

#[derive(clap::Args, Clone, Debug)]
pub(super) struct Span {
    /// Score events of this instant or later (RFC 3339 or ms) [default: of the last fifth of all events]
    #[arg(long, value_name = "TIME", conflicts_with = "last", value_parser = instant)]
    pub(super) from: Option<Timestamp>,
    /// Score events before this instant [default: to the end]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(super) until: Option<Timestamp>,
    /// Score events of so long before the end, such as 2d
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(super) last: Option<Duration>,
    /// Score events of these types [default: those that weigh something positive in the first model]
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
}

impl Span {
    pub(super) fn types(
        &self,
        config: &StreamConfig,
        positive: EventTypeSet,
    ) -> Result<EventTypeSet, CliError> {
        if self.types.is_empty() {
            return Ok(positive);
        }
        let kind = |name: &String| {
            config.event_types.get(name).ok_or_else(|| {
                let known = config.event_types.names().join(", ");
                CliError::Failed(format!("--types: there is no type `{name}`, expected some of {known}"))
            })
        };
        self.types.iter().map(kind).collect()
    }

    /// From when on and before when, in ms since the epoch.
    pub(super) fn of(&self, stream: &Stream) -> Result<(i64, i64), CliError> {
        let events = stream.events();
        let end = events.last().map_or(0, |event| event.ts);
        let from = match (self.from, self.last) {
            (Some(from), _) => from.0,
            (None, Some(last)) => end.saturating_sub(i64::try_from(last.as_millis()).unwrap_or(i64::MAX)),
            (None, None) => events[events.len() * (100 - LAST_EVENTS) / 100].ts,
        };
        let until = self.until.map_or(i64::MAX, |until| until.0);
        if from >= until {
            return Err(CliError::Failed(format!(
                "the span is empty: it is from {} until {}",
                Timestamp(from),
                Timestamp(until)
            )));
        }
        Ok((from, until))
    }
}
