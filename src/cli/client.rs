//! Talks to a running server.

use std::error::Error;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use super::address::{NoServer, ServerAddress};

const CONNECT: Duration = Duration::from_secs(5);
/// How often a bulk request is sent to a server that is overloaded: for some ten seconds.
const ATTEMPTS: usize = 100;
/// The variable that names a server where `--server` does not.
const VARIABLE: &str = "HEADWATER_SERVER";

/// The server that a command talks to.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct ServerArgs {
    /// The server to ask: HOST:PORT, HOST, :PORT or http://HOST:PORT [env: HEADWATER_SERVER] [default: 127.0.0.1:7400]
    #[arg(long, value_name = "HOST:PORT")]
    pub server: Option<ServerAddress>,
}

/// Why a server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("{VARIABLE} is `{value}`: {source}")]
    Variable { value: String, source: NoServer },
    #[error("there is no such host as `{host}` ({source}): is its name right?")]
    NoSuchHost { host: String, source: io::Error },
    #[error(
        "no server answers at {server} ({reason}): start one with `headwater serve`, or name another with --server"
    )]
    Connect { server: ServerAddress, reason: String, source: tonic::transport::Error },
    #[error(
        "that is the HTTP port, or another server's: it answers, but speaks no gRPC ({message}). gRPC is at the port \
         of `server.grpc_addr`, 7400 unless it was told otherwise: name it with --server"
    )]
    NotGrpc { message: String },
    #[error("{:?}: {}", .0.code(), .0.message())]
    Refused(Box<Status>),
    #[error("the answer can't be shown: {0}")]
    Unreadable(String),
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        // What tonic says of an answer of HTTP that is none of gRPC.
        match status.message().starts_with("grpc-status header missing") {
            true => Self::NotGrpc { message: status.message().to_owned() },
            false => Self::Refused(Box::new(status)),
        }
    }
}

/// What a client of HTTP/2 says first: that it is one, and that it has no settings.
const BEGINNING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const FRAME_HEAD: usize = 9;
const SETTINGS: u8 = 4;

impl ServerArgs {
    /// Connects.
    pub async fn connect(&self) -> Result<Channel, ClientError> {
        let server = self.address()?;
        lookup_host((server.host.as_str(), server.port))
            .await
            .map(drop)
            .map_err(|source| ClientError::NoSuchHost { host: server.host.clone(), source })?;
        let channel =
            endpoint(&server)?.connect().await.map_err(|source| unreachable_server(&server, source))?;
        match speaks_http2(&server).await {
            Some(false) => Err(ClientError::NotGrpc { message: "it does not answer in HTTP/2".to_owned() }),
            // It does, or what is asked will show.
            Some(true) | None => Ok(channel),
        }
    }

    /// Where that is.
    pub fn address(&self) -> Result<ServerAddress, ClientError> {
        let variable = || std::env::var(VARIABLE).ok().filter(|value| !value.is_empty());
        match (&self.server, variable()) {
            (Some(server), _) => Ok(server.clone()),
            (None, Some(value)) => value.parse().map_err(|source| ClientError::Variable { value, source }),
            (None, None) => Ok(ServerAddress::default()),
        }
    }
}

/// How a server is reached: without waiting to fill packets, and not for long.
pub(super) fn endpoint(server: &ServerAddress) -> Result<Endpoint, ClientError> {
    match Endpoint::from_shared(format!("http://{server}")) {
        Ok(endpoint) => Ok(endpoint.connect_timeout(CONNECT).tcp_nodelay(true)),
        Err(source) => Err(unreachable_server(server, source)),
    }
}

/// Whether a server begins as one of HTTP/2 does (RFC 9113, 3.4), if it says anything in time. What becomes of a call
/// to one of HTTP/1.1 depends on what is noticed first.
async fn speaks_http2(server: &ServerAddress) -> Option<bool> {
    let begun = async {
        let mut stream = TcpStream::connect((server.host.as_str(), server.port)).await.ok()?;
        stream.write_all(BEGINNING).await.ok()?;
        let mut head = [0; FRAME_HEAD];
        Some(stream.read_exact(&mut head).await.is_ok() && head[3] == SETTINGS)
    };
    tokio::time::timeout(CONNECT, begun).await.ok()?
}

fn unreachable_server(server: &ServerAddress, source: tonic::transport::Error) -> ClientError {
    // At the bottom are the system's own words; those on the way say that it is about transport.
    let mut deepest: &dyn Error = &source;
    while let Some(below) = deepest.source() {
        deepest = below;
    }
    ClientError::Connect { server: server.clone(), reason: deepest.to_string(), source }
}

/// The name of a code, as gRPC's JSON has it.
pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "canceled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
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
