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
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::codegen::{Service, StdError};

use super::body::MeteredBody;
use super::permit::{Permit, Weight};
use super::{Admission, Refusal};

/// Health and reflection are of other packages: they are never refused.
const OURS: &str = "/headwater.v1.";
/// What may be worth more than one request.
const WEIGHED: &str = "/headwater.v1.RecommenderService/BatchRecommend";
const TIMEOUT: &str = "grpc-timeout";

/// All services behind admission, for connections to call.
#[derive(Clone)]
pub struct AdmissionService<S> {
    services: S,
    admission: Arc<Admission>,
}

impl<S> AdmissionService<S> {
    pub fn new(services: S, admission: Arc<Admission>) -> Self {
        Self { services, admission }
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
#[expect(clippy::large_enum_variant, reason = "a request is first the one and then the other, in one place")]
pub enum AdmissionFuture<S: Service<Request<Body>>, B> {
    Waiting { arrived: Instant, service: AdmissionService<S>, request: Option<Request<B>> },
    Through(S::Future),
    Admitted(Admitted<S::Future>),
}

/// A request that is being received, worked on or waits for something.
pub struct Admitted<F> {
    work: F,
    permit: Arc<Permit>,
    deadline: Instant,
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
        if !request.uri().path().starts_with(OURS) {
            return Ok(Self::Through(service.services.call(request.map(Body::new))));
        }
        let most = service.admission.settings().request_timeout;
        let timeout = timeout(request.headers()).map_or(most, |timeout| timeout.min(most));
        let permit = Arc::new(Permit::new(&service.admission, arrived, timeout)?);
        let mut metered = request.map(|body| Body::new(MeteredBody::new(body, Arc::clone(&permit))));
        if metered.uri().path() == WEIGHED {
            metered.extensions_mut().insert(Weight::of(&permit));
        }
        let work = service.services.call(metered);
        Ok(Self::Admitted(Admitted { work, permit, deadline: arrived + timeout, timer: None }))
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
            match Self::begin(service, *arrived, request) {
                Ok(begun) => *this = begun,
                Err(refusal) => return Poll::Ready(Ok(refusal.response())),
            }
        }
        match this {
            // It was refused, and nobody asks again.
            Self::Waiting { .. } => Poll::Pending,
            Self::Through(work) => Pin::new(work).poll(context),
            Self::Admitted(admitted) => admitted.poll(context),
        }
    }
}

impl<F: Future<Output = Result<Response<Body>, Infallible>> + Unpin> Admitted<F> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        if let Poll::Ready(answer) = Pin::new(&mut self.work).poll(context) {
            return Poll::Ready(answer);
        }
        let deadline = self.deadline;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        let permit = &self.permit;
        timer.as_mut().poll(context).map(|()| Ok(permit.refuse(Refusal::Deadline).response()))
    }
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
