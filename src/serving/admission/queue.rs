//! The one queue in which requests wait.
//!
//! A connection reads requests and hands each to its executor (`hyper::rt::Executor`). Were that the
//! runtime, requests would wait in queues of its own beside connections that have not been read yet,
//! some first in, some last in first out, and nobody could tell for how long. So a connection hands
//! them to this queue, first in, first out, and a few workers take them from it: as many as the runtime
//! has threads. Whatever is sent to us comes here soon, since the workers let connections have their
//! turn every now and then, and what is longest is what has waited here.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// For how long a worker works before connections have their turn. Short enough that what they read
/// has hardly waited unseen; long enough that they write many answers at a time.
const SLICE: Duration = Duration::from_micros(500);

/// A request, from its first look at it to the last byte of its answer.
type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Requests that wait for their turn.
#[derive(Clone, Default)]
pub struct RequestQueue(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    jobs: Mutex<VecDeque<Job>>,
    one_more: Notify,
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for RequestQueue {
    fn execute(&self, job: F) {
        self.0.jobs.lock().push_back(Box::pin(job));
        self.0.one_more.notify_one();
    }
}

impl RequestQueue {
    /// Takes requests from the queue, one after the other, and begins them.
    async fn work(self) {
        let mut since = Instant::now();
        loop {
            let Some(job) = self.take() else {
                self.0.one_more.notified().await;
                since = Instant::now();
                continue;
            };
            begin(job).await;
            if since.elapsed() >= SLICE {
                // Which polls for I/O first.
                tokio::task::yield_now().await;
                since = Instant::now();
            }
        }
    }

    fn take(&self) -> Option<Job> {
        let mut jobs = self.0.jobs.lock();
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            // A worker that went to sleep may have been told of several at once.
            self.0.one_more.notify_one();
        }
        job
    }
}

/// Most requests are done when they are begun. One that has to wait for something goes on by itself.
async fn begin(mut job: Job) {
    let begun = std::future::poll_fn(|context| {
        // As with a task of its own, one that panics takes nothing else with it.
        Poll::Ready(catch_unwind(AssertUnwindSafe(|| job.as_mut().poll(context))))
    });
    if let Ok(Poll::Pending) = begun.await {
        tokio::spawn(job);
    } else {
        // What it leaves behind may panic, too.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(job)));
    }
}

/// Those who take requests from a queue, until they are dropped.
pub struct Workers {
    queue: RequestQueue,
    tasks: JoinSet<()>,
}

impl Workers {
    /// As many as the runtime has threads.
    pub fn start(queue: &RequestQueue) -> Self {
        let mut tasks = JoinSet::new();
        for _ in 0..Handle::current().metrics().num_workers() {
            tasks.spawn(queue.clone().work());
        }
        Self { queue: queue.clone(), tasks }
    }

    /// Until one ends, which none does by itself.
    pub async fn ended(&mut self) {
        self.tasks.join_next().await;
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Each holds the queue that holds it.
        self.queue.0.jobs.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;

    /// A request that is done at once, and panics when it is dropped.
    struct Fragile;

    impl Future for Fragile {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }

    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("as a test may");
        }
    }

    #[tokio::test]
    async fn the_end_of_a_worker_is_noticed_and_a_request_that_panics_is_not_one() {
        let queue = RequestQueue::default();
        let mut workers = Workers::start(&queue);
        hyper::rt::Executor::execute(&queue, async { panic!("as a test may") });
        hyper::rt::Executor::execute(&queue, Fragile);
        let done = Arc::new(Notify::new());
        let after = Arc::clone(&done);
        hyper::rt::Executor::execute(&queue, async move { after.notify_one() });
        tokio::select! {
            biased;
            () = workers.ended() => panic!("it has ended"),
            () = done.notified() => {}
        }
        workers.tasks.abort_all();
        workers.ended().await;
    }
}
