//! What ranking costs on top of gRPC: `Recommend` with a thousand candidates or more scored live for
//! every request, against a bare tonic service that answers with as many bytes.
//!
//! Each server is a process of its own on one core; the client is alone on the other one. Rounds
//! alternate, and the ratio is the median over pairs of rounds.

#[path = "serving/client.rs"]
mod client;
mod common;
#[path = "serving/echo.rs"]
mod echo;
#[path = "serving/service.rs"]
mod service;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{ChildStdout, Command};
use std::time::Duration;

use bytes::Bytes;
use headwater::proto;
use prost::Message;
use tokio::net::TcpListener;

use client::{Load, frame};
use common::{Data, Part, bar, median};

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(1500);
const USERS: usize = 4000;
const N: u32 = 20;
const SERVER_CORE: usize = 0;
const CLIENT_CORE: usize = 1;
const SERVICE: &str = "service";
const ECHO: &str = "echo-";

fn main() {
    match common::part() {
        None => compare(),
        Some(part) if part == SERVICE => one_thread().block_on(service::run()),
        Some(part) => {
            let bytes = part.strip_prefix(ECHO).and_then(|bytes| bytes.parse().ok());
            one_thread().block_on(echo::run(bytes.expect("echo-BYTES")));
        }
    }
}

fn compare() {
    let data = Data::news();
    let mut service = Server::start(SERVICE);
    // Threads that are started from here on stay on the client's core.
    let pinned = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", &CLIENT_CORE.to_string()])
        .arg(std::process::id().to_string())
        .output();
    assert!(pinned.is_ok_and(|output| output.status.success()), "taskset (util-linux) sets our core");

    let runtime = one_thread();
    let ask = |user: &str| {
        frame(
            &proto::RecommendRequest { user_id: user.to_owned(), n: N, ..Default::default() }.encode_to_vec(),
        )
    };
    let requests: Vec<Bytes> = data.users(USERS).into_iter().map(ask).collect();
    let recommend = runtime.block_on(Load::connect(
        service.address,
        "/headwater.v1.RecommenderService/Recommend",
        requests.clone(),
    ));
    let answers = runtime.block_on(recommend.one_of_each());
    for answer in &answers {
        let answer = proto::RecommendResponse::decode(&answer[5..]).expect("an answer");
        assert_eq!(answer.items.len(), N as usize);
        assert!(!answer.degraded, "{}", answer.degraded_reason);
    }
    let bytes = median(answers.iter().map(|answer| answer.len() as f64 - 5.0).collect());
    let mut echo = Server::start(&format!("{ECHO}{bytes}"));
    let echoed = runtime.block_on(Load::connect(echo.address, echo::PATH, requests));
    let echoes = runtime.block_on(echoed.one_of_each());
    assert!(echoes.iter().all(|echo| echo.len() == bytes as usize + 5), "an echo of another size");
    println!("serving: {} users, answers of {bytes} bytes (median)", answers.len());

    let mut ratios = Vec::new();
    let mut rates = [Vec::new(), Vec::new()];
    let mut costs = [Vec::new(), Vec::new()];
    let mut busy = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (place, (load, server)) in [(&recommend, &service), (&echoed, &echo)].into_iter().enumerate() {
            let before = server.cpu_seconds();
            let (done, seconds) = runtime.block_on(load.run(ROUND));
            let cpu = server.cpu_seconds() - before;
            rates[place].push(done as f64 / seconds);
            costs[place].push(cpu * 1e6 / done as f64);
            busy[place].push(cpu / seconds);
        }
        ratios.push(rates[0][rates[0].len() - 1] / rates[1][rates[1].len() - 1]);
    }
    // Their connections would keep the servers from ending.
    drop((recommend, echoed, runtime));
    let told = service.finish();
    echo.finish();
    println!("         {}", told.trim());
    for (place, name) in ["Recommend", "echo"].into_iter().enumerate() {
        println!(
            "         {name}: {:.0} requests/s, {:.1} us of server CPU a request, core {:.0} % busy (medians)",
            median(rates[place].clone()),
            median(costs[place].clone()),
            median(busy[place].clone()) * 100.0
        );
    }
    let [recommend, echo] = costs.map(median);
    println!("         by server CPU a request the ratio is {:.3}", echo / recommend);
    bar("serving.vs_echo", median(ratios), "ratio");
}

/// A server in a process of its own.
struct Server {
    part: Part,
    out: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    fn start(part: &str) -> Self {
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

    /// What it has used of its core, all threads together.
    fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.part.child.id())).expect("Linux");
        let (_, fields) = stat.rsplit_once(')').expect("the name of the program");
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // utime and stime, in the 100 ticks a second of Linux's user space.
        let ticks = |place: usize| fields[place].parse::<f64>().expect("a number");
        (ticks(11) + ticks(12)) / 100.0
    }

    /// Stops it, and gives what it said at the end.
    fn finish(&mut self) -> String {
        self.part.stop();
        let mut told = String::new();
        self.out.read_to_string(&mut told).expect("it prints");
        told
    }
}

fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A free port on loopback, told to the process that started us.
async fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("listening on {}", listener.local_addr().expect("an address"));
    listener
}

/// Resolves when the process that started us closes our input.
async fn closed() {
    let waiting = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let _ = waiting.await;
}
