//! Named tasks that nobody may leave unnoticed: one that ends before it is told to, in whatever way,
//! is an error that names it.
//!
//! Tasks that are stopped together are one [`Tasks`]: a set with a token that tells them to end. Its
//! owner waits for [`Tasks::failure`] while all is well, and says [`Tasks::stop`] and awaits
//! [`Tasks::finish`] at the end. So a failure goes up from owner to owner until it ends the process,
//! and a stop goes down in the order that each owner chooses. Nothing of `app` and `ingest` runs
//! outside of such a set: a test below reads their sources.

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, pending};
use std::pin::Pin;

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// What went wrong with a task, whatever it is.
type BoxError = Box<dyn Error + Send + Sync>;

/// What a task does.
type Work = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// What a task is called, for people.
pub type Name = Cow<'static, str>;

/// How a task went wrong.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// It came to its end, and nobody had told it to.
    #[error("{0} stopped unexpectedly")]
    Returned(Name),
    /// It panicked.
    #[error("{name} panicked: {message}")]
    Panicked {
        /// Its name.
        name: Name,
        /// What it panicked with.
        message: String,
    },
    /// It could not go on.
    #[error("{name}: {source}")]
    Failed {
        /// Its name.
        name: Name,
        /// Why.
        source: BoxError,
    },
}

/// What a task may come to: nothing, or an error.
pub trait Outcome {
    /// The error, if it is one.
    fn result(self) -> Result<(), BoxError>;
}

impl Outcome for () {
    fn result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> Outcome for Result<(), E> {
    fn result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

impl Outcome for Infallible {
    fn result(self) -> Result<(), BoxError> {
        match self {}
    }
}

/// One that ends by an error only.
impl<E: Into<BoxError>> Outcome for Result<Infallible, E> {
    fn result(self) -> Result<(), BoxError> {
        self.map(|never| match never {}).map_err(Into::into)
    }
}

/// What a set knows of a task.
struct Task {
    name: Name,
    stop: CancellationToken,
}

/// Tasks that are stopped together. Dropped, it aborts them.
pub struct Tasks {
    stop: CancellationToken,
    running: JoinSet<Result<(), BoxError>>,
    known: HashMap<Id, Task>,
}

impl Tasks {
    /// None yet. They are told to end by this token, or one of its parents.
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, running: JoinSet::new(), known: HashMap::new() }
    }

    /// The token that tells them to end.
    pub fn token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Starts a task that ends by itself once the token tells it to.
    pub fn spawn<O: Outcome>(
        &mut self,
        name: impl Into<Name>,
        work: impl Future<Output = O> + Send + 'static,
    ) -> Id {
        let stop = self.stop.clone();
        self.spawn_until(name, stop, work)
    }

    /// Starts a task that has a token of its own, so that it can be told alone.
    pub fn spawn_until<O: Outcome>(
        &mut self,
        name: impl Into<Name>,
        stop: CancellationToken,
        work: impl Future<Output = O> + Send + 'static,
    ) -> Id {
        // One type for all: tokio's machinery is compiled anew for each.
        let work: Work = Box::pin(async move { work.await.result() });
        let id = self.running.spawn(work).id();
        self.known.insert(id, Task { name: name.into(), stop });
        id
    }

    /// Starts a task that goes on for ever, and is dropped where it stands once the token says so.
    pub fn spawn_endless<O: Outcome>(
        &mut self,
        name: impl Into<Name>,
        work: impl Future<Output = O> + Send + 'static,
    ) -> Id {
        let stop = self.stop.clone();
        self.spawn(
            name,
            async move { stop.run_until_cancelled_owned(work).await.map_or(Ok(()), Outcome::result) },
        )
    }

    /// The next task that has ended, and how; none if there is none left.
    pub async fn next(&mut self) -> Option<(Id, Result<(), TaskError>)> {
        let (id, ended) = match self.running.join_next_with_id().await? {
            Ok((id, result)) => (id, Ok(result)),
            Err(error) => (error.id(), Err(error)),
        };
        let unknown = || Task { name: "a task".into(), stop: CancellationToken::new() };
        let Task { name, stop } = self.known.remove(&id).unwrap_or_else(unknown);
        let result = match ended {
            Ok(Ok(())) if stop.is_cancelled() => Ok(()),
            Ok(Ok(())) => Err(TaskError::Returned(name)),
            Ok(Err(source)) => Err(TaskError::Failed { name, source }),
            // Only we abort, and only what was told to end.
            Err(error) if error.is_cancelled() => Ok(()),
            Err(error) => Err(TaskError::Panicked { name, message: message(error) }),
        };
        Some((id, result))
    }

    /// What goes wrong first. Waits for ever while nothing does.
    pub async fn failure(&mut self) -> TaskError {
        while let Some((_, result)) = self.next().await {
            if let Err(error) = result {
                return error;
            }
        }
        pending().await
    }

    /// Whether all have ended.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Tells all of them to end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until all have ended.
    ///
    /// # Errors
    /// The first thing that went wrong with one of them.
    pub async fn finish(&mut self) -> Result<(), TaskError> {
        let mut first = Ok(());
        while let Some((_, result)) = self.next().await {
            first = first.and(result);
        }
        first
    }

    /// Ends all of them where they stand.
    pub async fn abort(&mut self) {
        self.stop();
        self.running.shutdown().await;
        self.known.clear();
    }
}

/// What a task panicked with.
fn message(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "for an unknown reason".to_owned() };
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or("for an unknown reason").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn tasks() -> Tasks {
        let mut tasks = Tasks::new(CancellationToken::new());
        tasks.spawn_endless("the patient one", pending::<()>());
        tasks
    }

    #[tokio::test]
    async fn one_that_returns_before_it_is_told_to_is_named() {
        let mut tasks = tasks();
        tasks.spawn("the hasty one", async {});
        assert_eq!(tasks.failure().await.to_string(), "the hasty one stopped unexpectedly");
        tasks.spawn_endless("the lazy one", async {});
        assert_eq!(tasks.failure().await.to_string(), "the lazy one stopped unexpectedly");
    }

    #[tokio::test]
    async fn one_that_panics_is_named_with_its_message() {
        let mut tasks = tasks();
        let number = 7;
        tasks.spawn("the nervous one", async move { assert!(number < 7, "{number} is too many") });
        assert_eq!(tasks.failure().await.to_string(), "the nervous one panicked: 7 is too many");
        tasks.spawn_endless("the other one", async { panic!("no") as () });
        assert_eq!(tasks.failure().await.to_string(), "the other one panicked: no");
    }

    #[tokio::test]
    async fn one_that_fails_is_named_with_the_reason_before_and_after_it_is_told_to_end() {
        let mut tasks = tasks();
        tasks.spawn("the weak one", async { Err::<(), _>("no strength left") });
        assert_eq!(tasks.failure().await.to_string(), "the weak one: no strength left");
        let told = tasks.token().clone();
        tasks.spawn("the last one", async move {
            told.cancelled().await;
            Err::<(), _>("no room left")
        });
        tasks.stop();
        let error = tasks.finish().await.expect_err("it fails");
        assert_eq!(error.to_string(), "the last one: no room left");
    }

    #[tokio::test]
    async fn those_that_end_when_they_are_told_to_are_no_failure() {
        let parent = CancellationToken::new();
        let mut tasks = Tasks::new(parent.child_token());
        let told = tasks.token().clone();
        tasks.spawn("a server", async move { told.cancelled().await });
        tasks.spawn_endless("a watcher", pending::<()>());
        let own = tasks.token().child_token();
        let told = own.clone();
        let alone = tasks.spawn_until("a worker", own.clone(), async move { told.cancelled().await });
        own.cancel();
        let (id, result) = tasks.next().await.expect("one ends");
        assert_eq!(id, alone);
        result.expect("it was told to");
        parent.cancel();
        tasks.finish().await.expect("all were told to");
    }

    #[tokio::test]
    async fn those_that_are_aborted_are_gone() {
        let mut tasks = tasks();
        tasks.spawn("a stubborn one", pending::<()>());
        tasks.abort().await;
        assert!(tasks.next().await.is_none());
    }

    #[test]
    fn nothing_else_starts_a_task_in_app_and_ingest() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut folders = vec![source.join("app"), source.join("ingest")];
        let mut read = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = fs::read_to_string(&path).expect("a source file");
                let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                for other in [
                    "tokio::spawn",
                    "task::spawn(",
                    "spawn_local",
                    "JoinSet",
                    "Handle::spawn",
                    "runtime.spawn(",
                ] {
                    assert!(!text.contains(other), "{} uses {other}: use Tasks::spawn", path.display());
                }
                read += 1;
            }
        }
        assert!(read > 10, "only {read} files were read");
    }
}
