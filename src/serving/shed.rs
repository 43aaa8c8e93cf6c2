//! The door: what every gRPC request passes before anything is done for it.
//!
//! A request is admitted or refused when its head has arrived, before its body is read. One whose
//! deadline is over is not begun, and one whose deadline comes while it waits for a log is ended.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tower_layer::Layer;

use super::admission::{Admission, Refused};
use super::code_name;
use crate::telemetry::{Metrics, Reason, Request};

/// When to try again what was refused.
const RETRY: Duration = Duration::from_millis(100);
/// What the paths of our services begin with. Others, such as health, are always let in.
const OURS: &str = "/headwater.v1.";
/// Our methods, as metrics name them.
const METHODS: [&str; 10] = [
    "Recommend",
    "Trending",
    "Explain",
    "Publish",
    "PutItems",
    "DeleteItems",
    "GetItem",
    "GetProfile",
    "ListModels",
    "GetModel",
];

/// Puts the door before a service.
#[derive(Clone)]
pub struct Door {
    admission: Arc<Admission>,
    metrics: Arc<Metrics>,
}

impl Door {
    /// A door that counts with `admission`.
    pub fn new(admission: Admission, metrics: Arc<Metrics>) -> Self {
        Self { admission: Arc::new(admission), metrics }
    }
}

impl<S> Layer<S> for Door {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, door: self.clone() }
    }
}

/// A service behind a door.
#[derive(Clone)]
pub struct Guarded<S> {
    inner: S,
    door: Door,
}

type Answer = http::Response<Body>;

impl<S> Service<http::Request<Body>> for Guarded<S>
where
    S: Service<http::Request<Body>, Response = Answer, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    /// Called when the head has arrived; the future is polled when a thread turns to it.
    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Some(method) = method(request.uri().path()) else { return Box::pin(self.inner.call(request)) };
        let arrived = Instant::now();
        let door = self.door.clone();
        if let Err(refused) = door.admission.arrive(arrived) {
            return Box::pin(async move { Ok(door.refuse(method, refused)) });
        }
        let visit = Arc::new(Visit::new(Arc::clone(&door.admission)));
        let limit = door.admission.limits().time;
        let deadline = arrived + timeout(request.headers()).map_or(limit, |timeout| timeout.min(limit));
        let counted = Arc::clone(&visit);
        let metrics = Arc::clone(&door.metrics);
        let received = move |inner| Body::new(Received { inner, visit: Arc::clone(&counted), metrics });
        let work = self.inner.call(request.map(received));
        Box::pin(async move {
            let now = Instant::now();
            visit.begin(now.saturating_duration_since(arrived));
            if now >= deadline {
                return Ok(door.overdue(method));
            }
            tokio::select! {
                biased;
                answer = work => answer,
                () = tokio::time::sleep_until(deadline.into()) => Ok(door.overdue(method)),
            }
        })
    }
}

impl Door {
    fn refuse(&self, method: &'static str, refused: Refused) -> Answer {
        self.metrics.shed.get_or_create(&Reason { reason: refused.name() }).inc();
        self.count(method, Code::ResourceExhausted);
        refused.status().into_http()
    }

    fn overdue(&self, method: &'static str) -> Answer {
        self.count(method, Code::DeadlineExceeded);
        let time = self.admission.limits().time;
        Status::deadline_exceeded(format!(
            "the time of the request is over: its own (`grpc-timeout`), or `server.request_timeout` ({time:?})"
        ))
        .into_http()
    }

    fn count(&self, method: &'static str, code: Code) {
        self.metrics.requests.get_or_create(&Request { method, code: code_name(code) }).inc();
    }
}

impl Refused {
    fn name(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Queue => "queue",
            Self::Bytes => "bytes",
        }
    }

    /// What the client is told, and when to try again, in both of the ways that clients know.
    fn status(self) -> Status {
        let why = match self {
            Self::InFlight => "as many requests as `server.max_concurrent_requests` allows are in flight",
            Self::Queue => "more requests come than can be answered in time",
            Self::Bytes => "the requests in flight take as many bytes as `server.max_request_bytes` allows",
        };
        let message = format!("{why}: try again in {} ms", RETRY.as_millis());
        let details = ErrorDetails::with_retry_info(Some(RETRY));
        let mut metadata = MetadataMap::new();
        if let Ok(pushback) = RETRY.as_millis().to_string().parse() {
            metadata.insert("grpc-retry-pushback-ms", pushback);
        }
        Status::with_error_details_and_metadata(Code::ResourceExhausted, message, details, metadata)
    }
}

/// A request from its admission to its end.
struct Visit {
    admission: Arc<Admission>,
    bytes: AtomicU64,
    begun: AtomicBool,
}

impl Visit {
    fn new(admission: Arc<Admission>) -> Self {
        Self { admission, bytes: AtomicU64::new(0), begun: false.into() }
    }

    fn begin(&self, waited: Duration) {
        self.begun.store(true, Relaxed);
        self.admission.begin(waited);
    }

    fn receive(&self, bytes: u64) -> Result<(), Refused> {
        self.admission.receive(bytes)?;
        self.bytes.fetch_add(bytes, Relaxed);
        Ok(())
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if !*self.begun.get_mut() {
            self.admission.abandon();
        }
        self.admission.finish(*self.bytes.get_mut());
    }
}

/// A body whose bytes are counted as they come, for as long as the request lasts.
struct Received {
    inner: Body,
    visit: Arc<Visit>,
    metrics: Arc<Metrics>,
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(refused) = self.visit.receive(data.remaining() as u64)
        {
            self.metrics.shed.get_or_create(&Reason { reason: refused.name() }).inc();
            return Poll::Ready(Some(Err(refused.status())));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Our method that a path names; none for what is not ours.
fn method(path: &str) -> Option<&'static str> {
    let (_, name) = path.strip_prefix(OURS)?.split_once('/')?;
    METHODS.into_iter().find(|method| *method == name)
}

/// The time that a client gives: up to 8 digits and a unit, as gRPC over HTTP/2 defines it. One that
/// can't be read is as none.
fn timeout(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let digits = Some(digits).filter(|digits| (1..=8).contains(&digits.len()))?;
    let amount: u64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let read = |text: &'static str| {
            let mut headers = http::HeaderMap::new();
            headers.insert("grpc-timeout", http::HeaderValue::from_static(text));
            timeout(&headers)
        };
        assert_eq!(read("100m"), Some(Duration::from_millis(100)));
        assert_eq!(read("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!([read("1S"), read("0u")], [Some(Duration::from_secs(1)), Some(Duration::ZERO)]);
        for text in ["", "m", "100", "1x", "-1S", "+1S", "123456789S", "1 S"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(timeout(&http::HeaderMap::new()), None);
    }

    #[test]
    fn our_methods_pass_the_door_and_nothing_else_does() {
        assert_eq!(method("/headwater.v1.RecommenderService/Recommend"), Some("Recommend"));
        for path in ["/grpc.health.v1.Health/Check", "/headwater.v1.RecommenderService/Other", "/", ""] {
            assert_eq!(method(path), None, "{path}");
        }
    }
}
