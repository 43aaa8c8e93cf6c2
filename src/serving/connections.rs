//! Connections of gRPC: accepted, served over HTTP/2, and let go when the service stops.
//!
//! Each is a task that reads requests and writes answers. Requests themselves wait and are worked on
//! elsewhere: see [`RequestQueue`].

mod descriptors;

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};
use tracing::{debug, warn};

use super::admission::{
    Admission, AdmissionService, AdmissionSettings, Connection, KEPT, RequestQueue, Workers,
};
use super::http1;
use super::web::Line;
use crate::network::claimant;
use crate::network::socket::Socket;

/// What a caller may send of a body before it is read, and over one connection in all. A connection
/// holds no more than this of what waits for its turn.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// How often connections are looked at: those that are idle or read nothing end up to so much late.
const LOOK: Duration = Duration::from_secs(1);
/// A caller that is silent for so long is asked whether it is there, and has so long to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(20);
/// How long a connection may take to end once it was told that it should.
const FAREWELL: Duration = Duration::from_secs(5);
/// Requests that callers have given up before they were looked at, above which the connection ends
/// ("rapid reset", CVE-2023-44487). More than may be open at once: patient callers of a service that is
/// slow for a moment give up all of them.
const RESETS: usize = 256;

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
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(KEPT)
        .max_pending_accept_reset_streams(RESETS)
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_ANSWER);
    let AdmissionSettings { max_connections, connection_idle, send_timeout, .. } = *admission.settings();
    let most = descriptors::leave_enough(max_connections);
    let (idle, stuck) = (looks(connection_idle), looks(send_timeout));
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);

    // Dropped, it tells the connections.
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => match admission.connections().open(claimant(address.ip()), most) {
                    Some(opened) => {
                        let service = AdmissionService::new(services.clone(), Arc::clone(&admission), Arc::clone(&opened));
                        let served = connection(http.clone(), stream, service, opened, http_port, stopped.clone());
                        connections.spawn(served);
                    }
                    // The caller sees that it was closed.
                    None => debug!("`server.max_connections` are open, and none of them is idle"),
                },
                Err(error) => not_accepted(&error).await,
            },
            Some(_) = connections.join_next() => {}
            _ = look.tick() => admission.connections().look(idle, stuck),
            () = workers.ended() => {
                line.shut();
                return Err(WorkerEnded);
            }
        }
    }
    drop((listener, stop));
    let finished = async {
        while connections.join_next().await.is_some() {}
        line.close().await;
    };
    let looking = async {
        loop {
            look.tick().await;
            admission.connections().look(idle, stuck);
        }
    };
    tokio::select! {
        () = finished => Ok(()),
        () = workers.ended() => Err(WorkerEnded),
        // Those who read nothing hold up no stop.
        never = looking => never,
    }
}

/// So many looks are at least this long.
fn looks(time: Duration) -> u64 {
    time.as_millis().div_ceil(LOOK.as_millis()) as u64
}

/// Serves one connection until it ends or is ended, or until all that has come over it is answered once the
/// other end of `stopped` is dropped.
async fn connection<S>(
    http: Builder<RequestQueue>,
    stream: TcpStream,
    service: AdmissionService<S>,
    opened: Arc<Connection>,
    http_port: u16,
    mut stopped: watch::Receiver<()>,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Unpin + 'static,
    S::Future: Send + Unpin + 'static,
{
    let _open = StillOpen(&opened);
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection was lost before it was served");
        return;
    }
    let is_http1 = tokio::select! {
        is_http1 = http1::is_spoken(&stream) => is_http1,
        () = opened.cut.cancelled() => return,
        () = opened.end.cancelled() => return,
        _ = stopped.changed() => return,
    };
    if is_http1 {
        http1::refuse(stream, http_port).await;
        return;
    }
    let blocked = |waits: bool, _: &mut Context<'_>| {
        opened.writes(waits);
        Ok(())
    };
    let stream = Socket::new(stream, blocked);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = opened.cut.cancelled() => None,
        () = opened.end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(FAREWELL, connection).await.ok()
        }
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = &mut connection => Some(ended),
                () = opened.cut.cancelled() => None,
            }
        }
    };
    match ended {
        Some(Err(error)) => debug!(%error, "a connection ended before its time"),
        None => debug!("a connection was cut: it has not read its answers, or not ended when it should"),
        Some(Ok(())) => {}
    }
}

/// A connection that is counted as open.
struct StillOpen<'a>(&'a Connection);

impl Drop for StillOpen<'_> {
    fn drop(&mut self) {
        self.0.close();
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
