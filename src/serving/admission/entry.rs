//! The door: every request passes here before its body is read.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::service::Routes;

use super::super::Shared;
use super::Refusal;
use super::body::Weighed;
use crate::telemetry::Shed;

/// Health and reflection are of other packages: they are never refused.
const OURS: &str = "/headwater.v1.";
const TIMEOUT: &str = "grpc-timeout";

/// All services behind admission.
pub struct Entry {
    routes: Routes,
    shared: Arc<Shared>,
    arrived: Instant,
}

impl Entry {
    pub fn new(routes: Routes, shared: Arc<Shared>) -> Self {
        Self { routes, shared, arrived: Instant::now() }
    }
}

/// hyper clones the service when a request arrives and calls the clone when the request's task gets
/// its turn: what is between the two is the wait in the queue. Nothing else tells of it.
impl Clone for Entry {
    fn clone(&self) -> Self {
        Self::new(self.routes.clone(), Arc::clone(&self.shared))
    }
}

impl Service<Request<Body>> for Entry {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Passing;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.routes, context)
    }

    fn call(&mut self, request: Request<Body>) -> Passing {
        if !request.uri().path().starts_with(OURS) {
            return Passing::Through(self.routes.call(request));
        }
        let admission = &self.shared.admission;
        let most = admission.settings().request_timeout;
        let timeout = timeout(request.headers()).map_or(most, |timeout| timeout.min(most));
        if let Err(refusal) = admission.enter(self.arrived, timeout) {
            return Passing::Refused(Some(self.shared.refuse(refusal).response()));
        }
        let ticket = Arc::new(Ticket { shared: Arc::clone(&self.shared), upload_bytes: AtomicU64::new(0) });
        let weighed = request.map(|body| Body::new(Weighed::new(body, Arc::clone(&ticket))));
        let work = self.routes.call(weighed);
        Passing::Admitted { work, ticket, deadline: self.arrived + timeout, timer: None }
    }
}

/// The place of a request among those in flight, given back when it is dropped.
pub struct Ticket {
    shared: Arc<Shared>,
    upload_bytes: AtomicU64,
}

impl Ticket {
    pub fn reserve(&self, bytes: u64) -> Result<(), Status> {
        self.shared.admission.reserve(bytes).map_err(|refusal| self.shared.refuse(refusal).status())?;
        self.upload_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shared.admission.leave(*self.upload_bytes.get_mut());
    }
}

impl Shared {
    fn refuse(&self, refusal: Refusal) -> Refusal {
        self.metrics.shed.get_or_create(&Shed { reason: refusal.name() }).inc();
        refusal
    }
}

/// A request on its way to its answer.
pub enum Passing {
    Refused(Option<Response<Body>>),
    Through(<Routes as Service<Request<Body>>>::Future),
    Admitted {
        work: <Routes as Service<Request<Body>>>::Future,
        ticket: Arc<Ticket>,
        deadline: Instant,
        /// Made when the work has to wait for something: most never does.
        timer: Option<Pin<Box<Sleep>>>,
    },
}

impl Future for Passing {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Refused(response) => {
                response.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer)))
            }
            Self::Through(work) => Pin::new(work).poll(context),
            Self::Admitted { work, ticket, deadline, timer } => {
                if let Poll::Ready(answer) = Pin::new(work).poll(context) {
                    return Poll::Ready(answer);
                }
                let sleep = || Box::pin(tokio::time::sleep_until((*deadline).into()));
                let timer = timer.get_or_insert_with(sleep);
                let refuse = |()| Ok(ticket.shared.refuse(Refusal::Deadline).response());
                timer.as_mut().poll(context).map(refuse)
            }
        }
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
