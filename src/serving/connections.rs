//! Connections of gRPC: accepted, served over HTTP/2, and let go when the service stops.
//!
//! Each is a task that reads requests and writes answers. Requests themselves wait and are worked on
//! elsewhere: see [`RequestQueue`].

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};
use tracing::{debug, warn};

use super::admission::{Admission, AdmissionService, RequestQueue, Workers};
use super::http1;
use super::web::Line;

/// What a caller may send of a body before it is read, and over one connection in all. A connection
/// holds no more than this of what waits for its turn.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// How long to wait when the system has nothing left for another connection.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// One of those who take requests from their queue has ended.
#[derive(Debug, thiserror::Error)]
#[error("a worker of requests has ended unexpectedly, as the log says above")]
pub struct WorkerEnded;

/// Serves on a bound listener, and whoever comes by a door to the line, until `shutdown` resolves; then closes both
/// and lets what is being worked on finish.
pub(super) async fn serve<S>(
    listener: TcpListener,
    services: S,
    admission: Arc<Admission>,
    line: Line,
    http_port: u16,
    shutdown: impl Future<Output = ()>,
) -> Result<(), WorkerEnded>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Unpin + 'static,
    S::Future: Send + Unpin + 'static,
{
    let mut workers = Workers::start(&line.queue);
    let mut http = Builder::new(line.queue.clone());
    http.max_concurrent_streams(admission.settings().max_concurrent_streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let service = AdmissionService::new(services, admission);

    // Dropped, it tells the connections.
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (http, service) = (http.clone(), service.clone());
                    connections.spawn(connection(http, stream, service, http_port, stopped.clone()));
                }
                Err(error) => not_accepted(&error).await,
            },
            Some(_) = connections.join_next() => {}
            () = workers.ended() => return Err(WorkerEnded),
        }
    }
    drop((listener, stop));
    let finished = async {
        while connections.join_next().await.is_some() {}
        line.close().await;
    };
    tokio::select! {
        () = finished => Ok(()),
        () = workers.ended() => Err(WorkerEnded),
    }
}

/// Serves one connection until it ends, or until all that has come over it is answered once the other
/// end of `stopped` is dropped.
async fn connection<S>(
    http: Builder<RequestQueue>,
    stream: TcpStream,
    service: AdmissionService<S>,
    http_port: u16,
    mut stopped: watch::Receiver<()>,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Unpin + 'static,
    S::Future: Send + Unpin + 'static,
{
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection was lost before it was served");
        return;
    }
    let is_http1 = tokio::select! {
        is_http1 = http1::is_spoken(&stream) => is_http1,
        _ = stopped.changed() => return,
    };
    if is_http1 {
        http1::refuse(stream, http_port).await;
        return;
    }
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended before its time");
    }
}

/// No connection could be accepted. It may be the fault of one caller; or of the whole machine, which
/// is short of files or of memory, and trying again at once would only add to that.
async fn not_accepted(error: &std::io::Error) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        warn!(%error, "no connection can be accepted");
        tokio::time::sleep(ACCEPT_AGAIN).await;
    }
}

#[cfg(test)]
mod tests;
