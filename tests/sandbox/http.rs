//! As much HTTP/1.1 as it takes to read a page of the HTTP port, and to call its RPCs.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// The status and the body of a page; none if nobody answers.
pub async fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let request = Exchange::begin(address, "GET", path, &[]).await?;
    let answer = request.answer().await?;
    Some((answer.status, answer.text()))
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        let wrong = |error| panic!("{error} in {self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(wrong)
    }
}

/// A request whose head was sent, over a connection of its own.
pub struct Exchange(TcpStream);

impl Exchange {
    /// Sends a head; the body is up to the caller. None if nobody is there.
    pub async fn begin(
        address: SocketAddr,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Option<Self> {
        Self::begin_from(Ipv4Addr::LOCALHOST, address, method, path, headers).await
    }

    /// The same as another address of loopback.
    pub async fn begin_from(
        own: Ipv4Addr,
        address: SocketAddr,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Option<Self> {
        let socket = TcpSocket::new_v4().ok()?;
        socket.bind((own, 0).into()).ok()?;
        let mut stream = socket.connect(address).await.ok()?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
        head.extend(headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
        stream.write_all(format!("{head}\r\n").as_bytes()).await.ok()?;
        Some(Self(stream))
    }

    /// Sends a part of the body, unless the service has answered already and closed the connection.
    pub async fn send(&mut self, part: &[u8]) {
        let _ = self.0.write_all(part).await;
    }

    /// Waits for the whole answer; none if there is none.
    pub async fn answer(mut self) -> Option<Answer> {
        let mut bytes = Vec::new();
        // A connection that was closed on a request that is not wanted may end hard, after the answer.
        let _ = self.0.read_to_end(&mut bytes).await;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let body = bytes.split_off(end + 4);
        let head = String::from_utf8(bytes).ok()?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let mut answer = Answer { status, headers, body };
        if answer.header("transfer-encoding") == "chunked" {
            answer.body = joined(&answer.body)?;
        }
        Some(answer)
    }
}

/// A body that came in chunks.
fn joined(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = chunks.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).ok()?, 16).ok()?;
        let (chunk, rest) = chunks.get(end + 2..)?.split_at_checked(length)?;
        if length == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(chunk);
        chunks = rest.get(2..)?;
    }
}
