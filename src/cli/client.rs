//! Talks to a running server.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};
use tonic_types::StatusExt;

const CONNECT: Duration = Duration::from_secs(5);
/// How often a bulk request is sent to a server that is overloaded: for some ten seconds.
const ATTEMPTS: usize = 100;

/// The server that a command talks to.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct ServerArgs {
    /// The server to ask
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7400")]
    pub server: String,
}

/// Why a server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("--server is `{0}`, expected HOST:PORT")]
    Address(String),
    #[error(
        "no server answers at {server} ({source}): start one with `headwater serve`, or name another with --server"
    )]
    Connect { server: String, source: tonic::transport::Error },
    #[error("{code:?}: {message}")]
    Refused { code: tonic::Code, message: String },
    #[error("the answer can't be shown: {0}")]
    Unreadable(String),
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        Self::Refused { code: status.code(), message: status.message().to_owned() }
    }
}

impl ServerArgs {
    /// Connects.
    pub async fn connect(&self) -> Result<Channel, ClientError> {
        endpoint(&self.server)?
            .connect()
            .await
            .map_err(|source| ClientError::Connect { server: self.server.clone(), source })
    }
}

/// How a server is reached: without waiting to fill packets, and not for long.
pub(super) fn endpoint(server: &str) -> Result<Endpoint, ClientError> {
    let endpoint = Endpoint::from_shared(format!("http://{server}"))
        .map_err(|_| ClientError::Address(server.to_owned()))?;
    Ok(endpoint.connect_timeout(CONNECT).tcp_nodelay(true))
}

/// Asks, and asks again while the server refuses for now and says when to: it has done nothing then.
///
/// # Errors
/// It refuses for another reason, or still does after [`ATTEMPTS`].
pub(super) async fn patiently<T, Answer>(mut ask: impl FnMut() -> Answer) -> Result<T, ClientError>
where
    Answer: Future<Output = Result<Response<T>, Status>>,
{
    for _ in 1..ATTEMPTS {
        match ask().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) => match status.get_details_retry_info().and_then(|info| info.retry_delay) {
                Some(delay) => tokio::time::sleep(delay.min(CONNECT)).await,
                None => return Err(status.into()),
            },
        }
    }
    Ok(ask().await?.into_inner())
}
