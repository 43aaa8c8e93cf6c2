//! As much HTTP/2 as it takes to send far more than a server can answer: frames that are made
//! beforehand, one thread, no runtime. An answer is told from a refusal by its frames: a refusal is
//! headers that end the stream.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::common::percentile;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const NO_ERROR: [u8; 4] = [0; 4];
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
/// How long answers may take to come when all has been sent, in seconds.
const PATIENCE: f64 = 10.0;
/// More than all answers of a round: nobody has to wait for room.
const WINDOW: u32 = (1 << 31) - 1;
/// The fields of every request beside its path: spelled out once, then by their places in the table.
const PATH: u8 = 0x44;
const FIELDS: [(u8, &str, &str); 3] =
    [(0x41, "", "bench"), (0x5f, "", "application/grpc"), (0x40, "te", "trailers")];
const POST_HTTP: [u8; 2] = [0x83, 0x86];
const KNOWN: [u8; 6] = [0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe];

/// A message as gRPC sends it: not compressed, its length, its bytes.
pub fn request(message: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    framed
}

/// What became of a load.
#[derive(Default)]
pub struct Outcome {
    pub offered: usize,
    pub sent: usize,
    pub accepted: usize,
    pub refused: usize,
    /// Of those that were accepted and count, in us from when the request was due.
    latencies: Vec<f64>,
}

impl Outcome {
    pub fn percentile(&mut self, share: f64) -> f64 {
        percentile(&mut self.latencies, share)
    }
}

/// What becomes of a request that is due when no connection may have more in flight.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// It is not sent at all.
    Dropped,
    /// It is sent when one may, and its time runs.
    Waits,
}

/// What to ask, and where.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub address: SocketAddr,
    pub path: &'a str,
    pub requests: &'a [Vec<u8>],
}

/// Connections to a server.
pub struct Client<'a> {
    target: Target<'a>,
    connections: Vec<Connection>,
    /// Where the search for a connection that may send begins.
    place: usize,
    next: usize,
    /// Latencies count from then on.
    from: Instant,
    outcome: Outcome,
}

impl<'a> Client<'a> {
    pub fn connect(target: Target<'a>, connections: usize) -> Self {
        let connections = (0..connections).map(|_| Connection::open(target.address)).collect();
        Self { target, connections, place: 0, next: 0, from: Instant::now(), outcome: Outcome::default() }
    }

    /// Leaves the latencies of requests out that are due before then.
    pub fn skip(mut self, duration: Duration) -> Self {
        self.from = Instant::now() + duration;
        self
    }

    /// Always so many in flight.
    pub fn closed_loop(mut self, in_flight: usize, duration: Duration) -> Outcome {
        let each = in_flight / self.connections.len();
        let started = Instant::now();
        while started.elapsed() < duration {
            for place in 0..self.connections.len() {
                while self.connections[place].in_flight < each {
                    self.send(place, Instant::now());
                }
            }
            self.exchange();
        }
        self.outcome
    }

    /// So many a second, at instants that chance chooses.
    pub fn open_loop(mut self, rate: f64, duration: Duration, excess: Excess) -> Outcome {
        let mut chance = SmallRng::seed_from_u64(1);
        self.make_room((rate * duration.as_secs_f64() * 1.1) as usize);
        let started = Instant::now();
        let mut due = 0.0;
        let end = duration.as_secs_f64();
        let mut waiting = VecDeque::new();
        while due < end || !waiting.is_empty() {
            let now = started.elapsed().as_secs_f64();
            while due <= now.min(end) {
                waiting.push_back(started + Duration::from_secs_f64(due));
                due -= (1.0 - chance.random::<f64>()).ln() / rate;
                self.outcome.offered += 1;
            }
            while let Some(due) = waiting.front() {
                let Some(place) = self.free() else { break };
                self.send(place, *due);
                waiting.pop_front();
            }
            if excess == Excess::Dropped {
                waiting.clear();
            }
            assert!(now < end + PATIENCE, "{} requests could not even be sent", waiting.len());
            self.exchange();
        }
        let deadline = Instant::now() + Duration::from_secs_f64(PATIENCE);
        while self.connections.iter().any(|connection| connection.in_flight > 0) {
            assert!(Instant::now() < deadline, "requests without an answer");
            self.exchange();
        }
        self.outcome
    }

    /// Memory for so many requests, there before the first is due: to move what is known of tens of
    /// thousands to a larger place takes milliseconds, which would count as those of the server.
    fn make_room(&mut self, requests: usize) {
        let sent = Sent { due: self.from, counts: false, answered: true };
        let each = requests / self.connections.len().max(1);
        for connection in &mut self.connections {
            touch(&mut connection.sent, each, sent);
        }
        touch(&mut self.outcome.latencies, requests, 1.0);
    }

    /// A connection that may have more in flight, each in its turn.
    fn free(&mut self) -> Option<usize> {
        let count = self.connections.len();
        let found = (0..count)
            .map(|step| (self.place + step) % count)
            .find(|place| self.connections[*place].has_room())?;
        self.place = found + 1;
        Some(found)
    }

    fn send(&mut self, place: usize, due: Instant) {
        let request = &self.target.requests[self.next];
        self.connections[place].send(
            self.target.path,
            request,
            Sent { due, counts: due >= self.from, answered: false },
        );
        self.next = (self.next + 1) % self.target.requests.len();
        self.outcome.sent += 1;
    }

    fn exchange(&mut self) {
        for connection in &mut self.connections {
            connection.write();
            connection.read(&mut self.outcome);
        }
    }
}

/// Has the system give a vector's memory now and not when it is written.
fn touch<T: Clone>(empty: &mut Vec<T>, room: usize, value: T) {
    empty.resize(room, value);
    empty.clear();
}

/// A request that is on its way.
#[derive(Clone, Copy)]
struct Sent {
    due: Instant,
    /// Whether its latency counts.
    counts: bool,
    answered: bool,
}

struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    input: Vec<u8>,
    /// What one read fills.
    part: Box<[u8]>,
    /// By their streams, which count up by two from 1.
    sent: Vec<Sent>,
    in_flight: usize,
    most: usize,
}

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let mut connection = Self {
            stream,
            out: PREFACE.to_vec(),
            input: Vec::new(),
            part: vec![0; 1 << 16].into(),
            sent: Vec::new(),
            in_flight: 0,
            most: 0,
        };
        let mut settings = INITIAL_WINDOW_SIZE.to_be_bytes().to_vec();
        settings.extend_from_slice(&WINDOW.to_be_bytes());
        connection.frame(SETTINGS, 0, 0, &settings);
        connection.frame(WINDOW_UPDATE, 0, 0, &(WINDOW - 65_535).to_be_bytes());
        connection.write();
        connection.stream.set_nonblocking(true).expect("no waiting");
        let deadline = Instant::now() + Duration::from_secs(10);
        while connection.most == 0 {
            assert!(Instant::now() < deadline, "no limit of streams was told");
            connection.read(&mut Outcome::default());
        }
        connection
    }

    fn has_room(&self) -> bool {
        self.in_flight < self.most
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
        self.out.extend_from_slice(&length);
        self.out.extend_from_slice(&[kind, flags]);
        self.out.extend_from_slice(&stream.to_be_bytes());
        self.out.extend_from_slice(payload);
    }

    fn send(&mut self, path: &str, message: &[u8], sent: Sent) {
        let stream = self.sent.len() as u32 * 2 + 1;
        if stream == 1 {
            let mut fields = POST_HTTP.to_vec();
            for text in [(PATH, "", path)]
                .iter()
                .chain(&FIELDS)
                .flat_map(|(kind, name, value)| [(Some(kind), name), (None, value)])
            {
                match text {
                    (Some(kind), &"") => fields.push(*kind),
                    (kind, text) => {
                        fields.extend(kind);
                        fields.push(text.len() as u8);
                        fields.extend_from_slice(text.as_bytes());
                    }
                }
            }
            self.frame(HEADERS, END_HEADERS, stream, &fields);
        } else {
            self.frame(HEADERS, END_HEADERS, stream, &KNOWN);
        }
        self.frame(DATA, END_STREAM, stream, message);
        self.sent.push(sent);
        self.in_flight += 1;
    }

    fn write(&mut self) {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the connection broke: {error}"),
            }
        }
    }

    fn read(&mut self, outcome: &mut Outcome) {
        match self.stream.read(&mut self.part) {
            Ok(0) => panic!("the server closed the connection"),
            Ok(bytes) => self.input.extend_from_slice(&self.part[..bytes]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("the connection broke: {error}"),
        }
        let mut input = std::mem::take(&mut self.input);
        let mut rest = input.as_slice();
        while let Some((frame, behind)) = split(rest) {
            self.take(frame, outcome);
            rest = behind;
        }
        let left = rest.len();
        input.drain(..input.len() - left);
        self.input = input;
    }

    fn take(&mut self, Frame { kind, flags, stream, payload }: Frame<'_>, outcome: &mut Outcome) {
        match kind {
            HEADERS => {
                let sent = &mut self.sent[stream as usize / 2];
                if flags & END_STREAM == 0 {
                    sent.answered = true;
                    return;
                }
                self.in_flight -= 1;
                if !sent.answered {
                    outcome.refused += 1;
                    return;
                }
                outcome.accepted += 1;
                if sent.counts {
                    outcome.latencies.push(sent.due.elapsed().as_secs_f64() * 1e6);
                }
            }
            SETTINGS if flags & ACK == 0 => {
                for setting in payload.chunks_exact(6) {
                    if setting[..2] == MAX_CONCURRENT_STREAMS.to_be_bytes() {
                        self.most = u32::from_be_bytes(setting[2..].try_into().expect("four")) as usize;
                    }
                }
                // A server that sets no limit has none (RFC 9113, 6.5.2).
                if self.most == 0 {
                    self.most = usize::MAX;
                }
                self.frame(SETTINGS, ACK, 0, &[]);
            }
            PING if flags & ACK == 0 => self.frame(PING, ACK, 0, payload),
            // One that is refused may be told so before all of it was read (RFC 9113, 8.1).
            RST_STREAM if payload == NO_ERROR => {}
            RST_STREAM => panic!("stream {stream} was reset: {payload:?}"),
            GOAWAY => panic!("the server sends us away: {payload:?}"),
            _ => {}
        }
    }
}

struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

/// The first frame, and what is behind it.
fn split(input: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (head, rest) = input.split_at_checked(9)?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let (payload, behind) = rest.split_at_checked(length)?;
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Some((Frame { kind: head[3], flags: head[4], stream, payload }, behind))
}
