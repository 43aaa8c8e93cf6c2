//! The door: every request passes here before its body is read.
//!
//! How long a request has waited is counted from when its connection calls this service, which is
//! when all of its head has been read, to when the future that the connection got for it is polled for
//! the first time, which is when a worker has taken it from the queue. Both are what `hyper::service` and
//! `hyper::rt::Executor` are there for; neither is a detail of theirs.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::codegen::http::header::CONTENT_TYPE;
use tonic::codegen::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use tonic::codegen::{Service, StdError};

use super::answer::counted;
use super::body::MeteredBody;
use super::connection::{Connection, UnderWay};
use super::permit::{Held, Permit, Weight};
use super::{Admission, Refusal};

/// Health and reflection are of other packages: they are never refused.
const OURS: &str = "/headwater.v1.";
/// What may be worth more than one request.
const WEIGHED: &str = "/headwater.v1.RecommenderService/BatchRecommend";
const TIMEOUT: &str = "grpc-timeout";
/// How long the body of one of those may be on its way.
const THROUGH: Duration = Duration::from_secs(5);
/// What gRPC's messages come in.
const GRPC: &[u8] = b"application/grpc";
const NOT_GRPC: &str = "`content-type` must be application/grpc: other ways to call are served on the port of \
     `server.http_addr`\n";

/// All services behind admission, for connections to call.
#[derive(Clone)]
pub struct AdmissionService<S> {
    services: S,
    admission: Arc<Admission>,
    connection: Arc<Connection>,
}

impl<S> AdmissionService<S> {
    /// What one connection calls.
    pub fn new(services: S, admission: Arc<Admission>, connection: Arc<Connection>) -> Self {
        Self { services, admission, connection }
    }
}

impl<S, B> hyper::service::Service<Request<B>> for AdmissionService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Unpin> + Clone + Unpin,
    B: http_body::Body<Data = Bytes, Error: Into<StdError>> + Send + Unpin + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = AdmissionFuture<S, B>;

    fn call(&self, request: Request<B>) -> Self::Future {
        AdmissionFuture::Waiting { arrived: Instant::now(), service: self.clone(), request: Some(request) }
    }
}

/// A request on its way to its answer.
pub enum AdmissionFuture<S: Service<Request<Body>>, B> {
    Waiting { arrived: Instant, service: AdmissionService<S>, request: Option<Request<B>> },
    Through(Through<S::Future>),
    Admitted(Admitted<S::Future>),
}

/// A request that is never refused for what others do: of health or of reflection.
pub struct Through<F> {
    work: F,
    under_way: Option<UnderWay>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// A request that is being received, worked on or waits for something.
pub struct Admitted<F> {
    work: F,
    permit: Arc<Permit>,
    under_way: Option<UnderWay>,
    deadline: Instant,
    /// Since when the body has been waited for.
    awaited: Option<Instant>,
    /// Made when the work has to wait for something: most never does.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S, B> AdmissionFuture<S, B>
where
    S: Service<Request<Body>>,
    B: http_body::Body<Data = Bytes, Error: Into<StdError>> + Send + Unpin + 'static,
{
    /// A request's turn has come.
    fn begin(
        service: &mut AdmissionService<S>,
        arrived: Instant,
        request: Request<B>,
    ) -> Result<Self, Refusal> {
        let is_ours = request.uri().path().starts_with(OURS);
        let under_way = Some(UnderWay::new(&service.connection, is_ours));
        if !is_ours {
            let work = service.services.call(request.map(Body::new));
            return Ok(Self::Through(Through { work, under_way, timer: None }));
        }
        if service.connection.is_full() {
            return Err(service.admission.refuse(Refusal::InFlight));
        }
        let most = service.admission.settings().request_timeout;
        let timeout = timeout(request.headers()).map_or(most, |timeout| timeout.min(most));
        let peer = service.connection.peer_of(request.extensions().get());
        let permit = Arc::new(Permit::new(&service.admission, peer, arrived, timeout)?);
        let mut metered = request.map(|body| Body::new(MeteredBody::new(body, Arc::clone(&permit))));
        metered.extensions_mut().insert(Held::of(&permit));
        if metered.uri().path() == WEIGHED {
            metered.extensions_mut().insert(Weight::of(&permit));
        }
        let work = service.services.call(metered);
        Ok(Self::Admitted(Admitted {
            work,
            permit,
            under_way,
            deadline: arrived + timeout,
            awaited: None,
            timer: None,
        }))
    }
}

impl<S, B> Future for AdmissionFuture<S, B>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Unpin> + Unpin,
    B: http_body::Body<Data = Bytes, Error: Into<StdError>> + Send + Unpin + 'static,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Self::Waiting { arrived, service, request } = this
            && let Some(request) = request.take()
        {
            if !is_grpc(request.headers()) {
                return Poll::Ready(Ok(not_grpc()));
            }
            match Self::begin(service, *arrived, request) {
                Ok(begun) => *this = begun,
                Err(refusal) => return Poll::Ready(Ok(refusal.response())),
            }
        }
        match this {
            // It was refused, and nobody asks again.
            Self::Waiting { .. } => Poll::Pending,
            Self::Through(through) => through.poll(context),
            Self::Admitted(admitted) => admitted.poll(context),
        }
    }
}

impl<F: Future<Output = Result<Response<Body>, Infallible>> + Unpin> Through<F> {
    /// These have nothing to wait for but their body.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        if let Poll::Ready(answer) = Pin::new(&mut self.work).poll(context) {
            return Poll::Ready(answer.map(|answer| sent(answer, &mut self.under_way, context)));
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(THROUGH)));
        timer.as_mut().poll(context).map(|()| Ok(Refusal::SlowBody.response()))
    }
}

impl<F: Future<Output = Result<Response<Body>, Infallible>> + Unpin> Admitted<F> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        if !self.permit.has_time(context.waker()) {
            return Poll::Ready(Ok(self.permit.refuse(Refusal::SlowBody).response()));
        }
        if let Poll::Ready(answer) = Pin::new(&mut self.work).poll(context) {
            return Poll::Ready(answer.map(|answer| sent(answer, &mut self.under_way, context)));
        }
        loop {
            let (until, refusal) = self.limit();
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until.into())));
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if until <= Instant::now() {
                return Poll::Ready(Ok(self.permit.refuse(refusal).response()));
            }
            // More of the body has come since it was set, or all.
            timer.as_mut().reset(until.into());
        }
    }

    /// Until when it may take, and what it is refused for then. While its body comes this grows, so that a
    /// timer is never set too late.
    fn limit(&mut self) -> (Instant, Refusal) {
        if !self.permit.awaits_body() {
            return (self.deadline, Refusal::Deadline);
        }
        let body = *self.awaited.get_or_insert_with(Instant::now) + self.permit.body_time();
        if body < self.deadline { (body, Refusal::SlowBody) } else { (self.deadline, Refusal::Deadline) }
    }
}

/// An answer that is counted until it has been sent.
fn sent(
    answer: Response<Body>,
    under_way: &mut Option<UnderWay>,
    context: &mut Context<'_>,
) -> Response<Body> {
    match under_way.take() {
        Some(under_way) => counted(answer, under_way, context),
        None => answer,
    }
}

/// Whether the body is one of gRPC. Of another, the first bytes would be read as a length.
fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(rest) = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().strip_prefix(GRPC)) else {
        return false;
    };
    matches!(rest.strip_prefix(b"+proto").unwrap_or(rest), [] | [b';', ..])
}

/// As gRPC's protocol has it: with a status of HTTP, since who sends this knows of no other, and none that is tried
/// again.
fn not_grpc() -> Response<Body> {
    let mut response = Response::new(Body::new(http_body_util::Full::from(NOT_GRPC)));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// How long the caller waits: at most eight digits and a unit. One that is neither is no deadline.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_known_by_its_content_type() {
        let known = |text: &'static str| {
            is_grpc(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(text))]))
        };
        for text in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;v=1",
            "application/grpc+proto;v=1",
        ] {
            assert!(known(text), "{text}");
        }
        for text in
            ["", "application/json", "application/grpc-web", "application/grpc+json", "application/grpcx"]
        {
            assert!(!known(text), "{text}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn deadlines_are_read_as_grpc_writes_them() {
        let read = |text: &'static str| {
            timeout(&HeaderMap::from_iter([(TIMEOUT.parse().unwrap(), text.parse().unwrap())]))
        };
        assert_eq!(read("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(read("3M"), Some(Duration::from_secs(180)));
        assert_eq!(read("1S"), Some(Duration::from_secs(1)));
        assert_eq!(read("99999999m"), Some(Duration::from_millis(99_999_999)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("0n"), Some(Duration::ZERO));
        for nonsense in ["", "S", "1", "1s", "-1S", "+1S", "1.5S", "123456789S"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
        assert_eq!(timeout(&HeaderMap::new()), None);
    }
}
