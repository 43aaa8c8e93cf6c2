//! What a refused caller is told: why, and when it may try again.

use std::sync::LazyLock;
use std::time::Duration;

use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Response};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::telemetry::Shed;

/// When a refused request may be sent again.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// How clients that retry by themselves are told, in ms.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has waited too long for its turn, in a queue that stands.
    QueueDelay,
    /// As many as may be are in flight.
    InFlight,
    /// Large messages fill what is set aside for them.
    UploadBytes,
    /// Its deadline has passed.
    Deadline,
    /// Its body did not come in time, or had to make room for others'.
    SlowBody,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::QueueDelay, Self::InFlight, Self::UploadBytes, Self::Deadline, Self::SlowBody];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueDelay => "queue_delay",
            Self::InFlight => "in_flight",
            Self::UploadBytes => "upload_bytes",
            Self::Deadline => "deadline",
            Self::SlowBody => "slow_body",
        }
    }

    pub(super) fn label(self) -> Shed {
        Shed { reason: self.name() }
    }

    /// What the caller is told.
    pub fn status(self) -> Status {
        let message = match self {
            Self::QueueDelay => {
                "requests wait too long for their turn (`server.queue_target`): try again in 100 ms"
            }
            Self::InFlight => {
                "as many requests as `server.max_concurrent_requests` allows are in flight: try again in 100 ms"
            }
            Self::UploadBytes => {
                "large messages fill `server.max_upload_bytes`: try again in 100 ms, or send smaller ones"
            }
            Self::SlowBody => {
                "the body of the request did not come in time (`server.body_timeout`, `server.min_body_rate`), or \
                 had to make room for those of others (`server.max_incoming_bodies`): send it at once, and try \
                 again in 100 ms"
            }
            Self::Deadline => {
                return Status::deadline_exceeded(
                    "the deadline of the request, or `server.request_timeout`, has passed",
                );
            }
        };
        exhausted(message)
    }

    /// The whole answer. It is made once: under load most answers are one of these.
    pub(super) fn response(self) -> Response<Body> {
        static HEADERS: LazyLock<[HeaderMap; Refusal::ALL.len()]> = LazyLock::new(|| {
            Refusal::ALL.map(|refusal| refusal.status().into_http::<Body>().into_parts().0.headers)
        });
        let [queue_delay, in_flight, upload_bytes, deadline, slow_body] = &*HEADERS;
        let headers = match self {
            Self::QueueDelay => queue_delay,
            Self::InFlight => in_flight,
            Self::UploadBytes => upload_bytes,
            Self::Deadline => deadline,
            Self::SlowBody => slow_body,
        };
        let mut response = Response::new(Body::empty());
        *response.headers_mut() = headers.clone();
        response
    }
}

/// `RESOURCE_EXHAUSTED`, with when to try again.
pub fn exhausted(message: &str) -> Status {
    let details = ErrorDetails::with_retry_info(Some(RETRY_AFTER));
    let mut metadata = MetadataMap::new();
    metadata.insert(PUSHBACK, (RETRY_AFTER.as_millis() as u64).into());
    Status::with_error_details_and_metadata(Code::ResourceExhausted, message, details, metadata)
}
