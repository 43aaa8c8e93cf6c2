//! What becomes of calls: each is counted and timed, and told of if it was slow or failed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::histogram::Histogram;
use tonic::{Code, Response, Status};
use tracing::Instrument;

use crate::telemetry::{Call, CallLog, Counter, Method, Metrics, Request, Rpc};

/// Counts calls.
pub struct Calls {
    log: CallLog,
    metrics: Arc<Metrics>,
    // Looked up once: every request counts here.
    succeeded: [Counter; Rpc::ALL.len()],
    seconds: [Histogram; Rpc::ALL.len()],
}

impl Calls {
    /// Counts in `metrics`, and tells of calls that took `slow` or longer.
    pub fn new(metrics: Arc<Metrics>, slow: Duration) -> Self {
        let ok = |rpc: Rpc| Request { method: rpc.name(), code: code_name(Code::Ok) };
        let succeeded = Rpc::ALL.map(|rpc| metrics.requests.get_or_create_owned(&ok(rpc)));
        let seconds =
            Rpc::ALL.map(|rpc| metrics.request_seconds.get_or_create_owned(&Method { method: rpc.name() }));
        Self { log: CallLog::new(slow), metrics, succeeded, seconds }
    }

    /// Does a call's work in a span of its own, and counts how it ended.
    pub async fn run<T>(
        &self,
        call: &Call<'_>,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<Response<T>, Status> {
        let (span, started) = (call.span(), Instant::now());
        let result = work.instrument(span.clone()).await;
        let took = started.elapsed();
        let code = result.as_ref().err().map_or(Code::Ok, Status::code);
        self.log.end(call, &span, code_name(code), result.as_ref().err().map(Status::message), took);
        if code == Code::Ok {
            self.succeeded[call.rpc as usize].inc();
        } else {
            let labels = Request { method: call.rpc.name(), code: code_name(code) };
            self.metrics.requests.get_or_create(&labels).inc();
        }
        self.seconds[call.rpc as usize].observe(took.as_secs_f64());
        result.map(Response::new)
    }
}

/// The name of a code, for those that we answer with.
pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::NotFound => "NOT_FOUND",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unavailable => "UNAVAILABLE",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::Internal => "INTERNAL",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost_reflect::DescriptorPool;

    use super::*;
    use crate::proto;
    use crate::telemetry::Exposition;

    #[test]
    fn each_rpc_of_the_protocol_is_counted_by_its_name_at_its_own_index() {
        let pool = DescriptorPool::decode(proto::DESCRIPTORS).expect("valid descriptors");
        let methods: BTreeSet<String> = pool
            .services()
            .flat_map(|service| service.methods().map(|method| method.name().to_owned()).collect::<Vec<_>>())
            .collect();
        let names: BTreeSet<String> = Rpc::ALL.iter().map(|rpc| rpc.name().to_owned()).collect();
        assert_eq!(names, methods);
        assert!((0..).zip(Rpc::ALL).all(|(index, rpc)| rpc as usize == index));
    }

    #[tokio::test]
    async fn calls_are_counted_by_how_they_ended() {
        let metrics = Arc::new(Metrics::new());
        let calls = Calls::new(Arc::clone(&metrics), Duration::MAX);
        let call = Call::of(Rpc::GetItem);
        calls.run(&call, async { Ok(()) }).await.expect("it succeeds");
        for _ in 0..2 {
            calls.run::<()>(&call, async { Err(Status::not_found("no")) }).await.expect_err("it fails");
        }
        let text = metrics.encode(Exposition::Text);
        for line in [
            "headwater_requests_total{method=\"GetItem\",code=\"OK\"} 1",
            "headwater_requests_total{method=\"GetItem\",code=\"NOT_FOUND\"} 2",
            "headwater_request_seconds_count{method=\"GetItem\"} 3",
            "headwater_requests_total{method=\"Explain\",code=\"OK\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
