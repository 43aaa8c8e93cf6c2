//! HTTP/1.1 on the port of gRPC, which is HTTP/2: it is told where to go.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::debug;

/// What a connection of HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// As much of a request as is read before it is answered: one that lies unread would have the answer thrown away with
/// the connection.
const READ: usize = 64 << 10;

/// Waits for the first bytes of a connection and tells whether they are a request of HTTP/1.1.
pub(super) async fn is_spoken(stream: &TcpStream) -> bool {
    let mut first = [0; PREFACE.len()];
    match stream.peek(&mut first).await {
        Ok(known) => first[0].is_ascii_uppercase() && !PREFACE.starts_with(&first[..known]),
        // Serving it will tell.
        Err(_) => false,
    }
}

/// Says which port is the right one.
pub(super) async fn refuse(mut stream: TcpStream, http_port: u16) {
    let text = format!(
        "This port speaks gRPC, which is HTTP/2. JSON over HTTP/1.1 is served on port {http_port} \
         (`server.http_addr`): POST /headwater.v1.RecommenderService/Recommend\n"
    );
    let answer = format!(
        "HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    let answered = async {
        stream.read_buf(&mut BytesMut::with_capacity(READ)).await?;
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    if let Err(error) = answered.await {
        debug!(%error, "a connection of HTTP/1.1 was lost before it was answered");
    }
}
