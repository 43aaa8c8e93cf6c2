//! A server in a process of its own on one core, and the client on the other one.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{ChildStdout, Command};

use tokio::net::TcpListener;

use super::common::{self, Part};

const SERVER_CORE: usize = 0;
const CLIENT_CORE: usize = 1;

/// Threads that are started from here on stay on the client's core.
pub fn pin_to_client_core() {
    let pinned = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", &CLIENT_CORE.to_string()])
        .arg(std::process::id().to_string())
        .output();
    assert!(pinned.is_ok_and(|output| output.status.success()), "taskset (util-linux) sets our core");
}

/// A server in a process of its own.
pub struct Server {
    part: Part,
    out: BufReader<ChildStdout>,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(part: &str) -> Self {
        let mut part = Part::start(part, Some(SERVER_CORE));
        let mut out = BufReader::new(part.child.stdout.take().expect("piped"));
        let address = loop {
            let mut line = String::new();
            assert!(out.read_line(&mut line).expect("it prints") > 0, "the server did not start");
            if let Some(address) = line.strip_prefix("listening on ") {
                break address.trim().parse().expect("an address");
            }
        };
        Self { part, out, address }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.part.child.id()
    }

    /// What it has used of its core, all threads together.
    pub fn cpu_seconds(&self) -> f64 {
        common::cpu_seconds(self.part.child.id())
    }

    /// The memory that it has.
    pub fn resident_bytes(&self) -> f64 {
        common::resident_bytes(self.part.child.id())
    }

    /// Stops it, and gives what it said at the end.
    pub fn finish(&mut self) -> String {
        self.part.stop();
        let mut told = String::new();
        self.out.read_to_string(&mut told).expect("it prints");
        told
    }
}

pub fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A free port on loopback, told to the process that started us.
pub async fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("listening on {}", listener.local_addr().expect("an address"));
    listener
}

/// Resolves when the process that started us closes our input.
pub async fn closed() {
    let waiting = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let _ = waiting.await;
}
