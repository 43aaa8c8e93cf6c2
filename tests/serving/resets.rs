//! Callers who give up what they have asked before it was looked at: frames of HTTP/2 as they are, all in one piece, so
//! that the service meets each call together with its end.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::sandbox::service::{Clients, Home};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// A frame: its kind, flags, stream and what is in it.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).expect("a length").to_be_bytes();
    let mut frame = vec![a, b, c, kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The head of a call.
fn head(stream: u32) -> Vec<u8> {
    let literal = |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    let path = "/headwater.v1.ModelService/ListModels";
    let fields = [
        // `:method: POST`, `:scheme: http` and the names of the others are known to all.
        vec![0x83, 0x86],
        [vec![0x04], literal(path)].concat(),
        [vec![0x01], literal("headwater")].concat(),
        [vec![0x0f, 0x10], literal("application/grpc")].concat(),
        [vec![0x00], literal("te"), literal("trailers")].concat(),
    ];
    frame(HEADERS, END_HEADERS, stream, &fields.concat())
}

/// Calls and gives up so many times, calls once more and waits: whether that is answered, or the connection is ended.
async fn is_answered_after(service: &Clients, given_up: u32) -> bool {
    let mut stream = TcpStream::connect(service.grpc).await.expect("a connection");
    let mut all = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    for number in 0..given_up {
        let id = 2 * number + 1;
        all.extend(head(id));
        all.extend(frame(RST_STREAM, 0, id, &CANCEL));
    }
    let last = 2 * given_up + 1;
    all.extend(head(last));
    all.extend(frame(DATA, END_STREAM, last, &[0; 5]));
    all.extend(frame(SETTINGS, ACK, 0, &[]));
    // It may have been ended before all is written.
    let _ = stream.write_all(&all).await;
    loop {
        match next(&mut stream).await {
            Ok((HEADERS, id)) if id == last => return true,
            Ok((GOAWAY, _)) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}

/// The kind and the stream of the next frame.
async fn next(stream: &mut TcpStream) -> io::Result<(u8, u32)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let [a, b, c, kind, _, id @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    stream.read_exact(&mut payload).await?;
    Ok((kind, u32::from_be_bytes(id)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_give_up_what_a_connection_may_ask_are_served_on_and_a_flood_of_it_ends_the_connection() {
    let service = Home::on_journal().start().await;
    for given_up in [0, 32, 200] {
        assert!(is_answered_after(&service, given_up).await, "{given_up} calls were given up");
    }
    assert!(!is_answered_after(&service, 5000).await, "such a flood costs the service more than its caller");
    assert!(is_answered_after(&service, 32).await);
    service.stop().await;
}
