//! Connections of HTTP/1.1: accepted, served, and let go when the service stops.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

/// The most bytes of a request's head, and of what is read of its body at a time.
const BUFFER: usize = 64 << 10;
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
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(http.clone(), stream, router.clone(), stopped.clone()));
                }
                Err(error) => not_accepted(&error).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop((listener, stop));
    while connections.join_next().await.is_some() {}
}

async fn connection(http: Builder, stream: TcpStream, router: Router, mut stopped: watch::Receiver<()>) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection was lost before it was served");
        return;
    }
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
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
