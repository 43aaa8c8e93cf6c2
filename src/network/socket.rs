//! A socket that notices when its other end reads nothing.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// The socket of a connection. What a server has taken of answers and can't write is seen nowhere else: flow control is
/// the caller's, who may promise to read all and read nothing.
pub struct Socket<F> {
    stream: TcpStream,
    /// Told of each write whether it has to wait. An error gives the other end up.
    noted: F,
}

/// What gives an other end up that reads nothing for so long.
pub fn patient(patience: Duration) -> impl FnMut(bool, &mut Context<'_>) -> io::Result<()> + Unpin {
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    move |waits, context| {
        if !waits {
            timer = None;
            return Ok(());
        }
        let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        match timer.as_mut().poll(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl<F: FnMut(bool, &mut Context<'_>) -> io::Result<()>> Socket<F> {
    /// One that tells `noted`.
    pub fn new(stream: TcpStream, noted: F) -> Self {
        Self { stream, noted }
    }

    fn note<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        match (self.noted)(written.is_pending(), context) {
            Ok(()) => written,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<F: Unpin> AsyncRead for Socket<F> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<F: FnMut(bool, &mut Context<'_>) -> io::Result<()> + Unpin> AsyncWrite for Socket<F> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.note(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_nobody_reads_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (_silent, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let stream = accepted.expect("a connection").0;
        let mut stalled = Socket::new(stream, patient(Duration::from_millis(20)));
        let part = [0; 1 << 16];
        // More than any socket takes.
        let mut written = Ok(());
        for _ in 0..10_000 {
            written = stalled.write_all(&part).await;
            if written.is_err() {
                break;
            }
        }
        assert_eq!(written.expect_err("nobody reads").kind(), io::ErrorKind::TimedOut);
    }
}
