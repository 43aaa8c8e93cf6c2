//! Connections of HTTP/1.1: accepted, served, and let go when the service stops.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tracing::{debug, warn};

use crate::network::socket::{Socket, patient};
use crate::network::{Caller, claimant};

/// The most bytes of a request's head, and of what is read of its body at a time.
const BUFFER: usize = 64 << 10;
/// How long an other end may read nothing of what it is sent.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// The most connections.
const MOST: usize = 1000;
/// How long to wait when the system has nothing left for another connection.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// Serves until `shutdown` resolves, then closes the listener and lets what is being worked on finish. A connection may
/// take so long to say what it wants, and may say nothing for as long between two requests.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    head_timeout: Duration,
    shutdown: impl Future<Output = ()>,
) {
    let mut http = Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_timeout).max_buf_size(BUFFER);
    // Dropped, it tells the connections.
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut number = 0;
    let mut open = Open::of_at_most(most());
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    number += 1;
                    let caller = Caller { address: claimant(address.ip()), connection: number };
                    let served = connection(http.clone(), stream, router.clone(), caller, stopped.clone());
                    open.add(caller.address, connections.spawn(served));
                }
                Err(error) => not_accepted(&error).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop((listener, stop));
    while connections.join_next().await.is_some() {}
}

/// How many connections there may be: as many as some hundred callers need, and no more than an eighth of the files that
/// the process may open, of which gRPC's connections may take three quarters.
fn most() -> usize {
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    usize::try_from(files / 8).unwrap_or(usize::MAX).clamp(1, MOST)
}

/// The connections that are open, oldest first.
struct Open {
    connections: Vec<(IpAddr, AbortHandle)>,
    most: usize,
}

impl Open {
    fn of_at_most(most: usize) -> Self {
        Self { connections: Vec::new(), most }
    }

    /// One more. If they are too many, the oldest of the address that has most of them ends: so nobody keeps out those
    /// who ask for health.
    fn add(&mut self, address: IpAddr, connection: AbortHandle) {
        if self.connections.len() >= self.most {
            self.connections.retain(|(_, connection)| !connection.is_finished());
        }
        if self.connections.len() >= self.most {
            let mut counts: HashMap<IpAddr, usize> = HashMap::new();
            for (address, _) in &self.connections {
                *counts.entry(*address).or_default() += 1;
            }
            let most = counts.values().copied().max().unwrap_or_default();
            let oldest = self.connections.iter().position(|(address, _)| counts[address] == most);
            if let Some(oldest) = oldest {
                self.connections.remove(oldest).1.abort();
            }
        }
        self.connections.push((address, connection));
    }
}

async fn connection(
    http: Builder,
    stream: TcpStream,
    router: Router,
    caller: Caller,
    mut stopped: watch::Receiver<()>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection was lost before it was served");
        return;
    }
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(caller);
        router.call(request)
    });
    let mut connection =
        pin!(http.serve_connection(TokioIo::new(Socket::new(stream, patient(SEND_TIMEOUT))), service,));
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

/// The fault of one caller is passed over. Where the whole machine is short of something, trying again at once would
/// only add to that.
async fn not_accepted(error: &std::io::Error) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        warn!(%error, "no connection can be accepted");
        tokio::time::sleep(ACCEPT_AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn the_oldest_of_whoever_has_most_makes_room() {
        let mut open = Open::of_at_most(3);
        let mut add = |host| {
            let task = tokio::spawn(pending::<()>());
            open.add(IpAddr::from([10, 0, 0, host]), task.abort_handle());
            task
        };
        let [other, first, second, third] = [1, 2, 2, 2].map(&mut add);
        let newest = add(1);
        for ended in [first, second] {
            assert!(ended.await.is_err_and(|error| error.is_cancelled()));
        }
        for task in [other, third, newest] {
            assert!(!task.is_finished());
            task.abort();
        }
    }

    #[tokio::test]
    async fn a_connection_that_says_nothing_or_not_all_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(serve(listener, Router::new(), Duration::from_millis(20), pending()));
        for said in ["", "GET / HTTP/1.1\r\nhost: "] {
            let mut stream = TcpStream::connect(address).await.expect("a connection");
            stream.write_all(said.as_bytes()).await.expect("it is sent");
            let mut rest = Vec::new();
            let closed = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut rest));
            closed.await.expect("it is closed").expect("it is closed");
        }
    }
}
