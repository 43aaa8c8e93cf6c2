//! The way in for requests that do not come over a connection of gRPC's: through the one queue, past the same
//! admission, to the same services.

use std::convert::Infallible;
use std::future::Future;

use hyper::rt::Executor;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};

use crate::serving::admission::{AdmissionService, RequestQueue};

/// The queue in which all wait, and who is in it by way of a [`Door`].
#[derive(Clone, Default)]
pub struct Line {
    pub queue: RequestQueue,
    others: TaskTracker,
}

impl Line {
    /// Nobody else comes in.
    pub fn shut(&self) {
        self.others.close();
    }

    /// Until those who came by a door are answered; nobody else comes in.
    pub async fn close(&self) {
        self.others.close();
        self.others.wait().await;
    }
}

/// Services behind a queue and admission.
#[derive(Clone)]
pub struct Door<S> {
    line: Line,
    services: AdmissionService<S>,
}

impl<S> Door<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Unpin + 'static,
    S::Future: Send + Unpin + 'static,
{
    pub fn new(line: Line, services: AdmissionService<S>) -> Self {
        Self { line, services }
    }

    /// Waits for a request's turn and for its answer. A caller that goes away takes its request along.
    pub fn enter(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send + use<S> {
        let here = self.line.others.token();
        let open = !self.line.others.is_closed();
        let (mut answer, answered) = oneshot::channel();
        if open {
            let work = hyper::service::Service::call(&self.services, request);
            self.line.queue.execute(async move {
                let response = tokio::select! {
                    Ok(response) = work => response,
                    () = answer.closed() => return,
                };
                // What it held is given back by now: a caller who has the answer may have the next request on its way.
                let _ = answer.send(response);
                drop(here);
            });
        }
        async move {
            match answered.await {
                Ok(response) => response,
                Err(_) if open => Status::internal("the request ended without an answer").into_http(),
                Err(_) => Status::unavailable("the service stops: ask another one").into_http(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use tonic::codegen::BoxFuture;

    use super::*;
    use crate::serving::admission::{Admission, AdmissionSettings, Workers};
    use crate::telemetry::ShedRequests;

    /// Works on each request for ever.
    #[derive(Clone)]
    struct Endless;

    impl Service<Request<Body>> for Endless {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<Response<Body>, Infallible>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            Box::pin(pending())
        }
    }

    fn request() -> Request<Body> {
        let request = Request::post("/headwater.v1.Test/Call").header("content-type", "application/grpc");
        request.body(Body::empty()).expect("a request")
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_takes_its_request_along_and_after_the_end_nobody_comes_in() {
        let line = Line::default();
        let _workers = Workers::start(&line.queue);
        let admission = Arc::new(Admission::new(AdmissionSettings::default(), &ShedRequests::default()));
        let door = Door::new(
            line.clone(),
            AdmissionService::new(Endless, Arc::clone(&admission), admission.others()),
        );
        let caller = tokio::spawn(door.enter(request()));
        while admission.in_flight() == 0 {
            tokio::task::yield_now().await;
        }
        caller.abort();
        let closed = tokio::time::timeout(Duration::from_secs(20), line.close());
        closed.await.expect("nobody is left");
        assert_eq!(admission.in_flight(), 0);
        let status = Status::from_header_map(door.enter(request()).await.headers()).expect("a refusal");
        assert_eq!(status.code(), tonic::Code::Unavailable);
    }
}
