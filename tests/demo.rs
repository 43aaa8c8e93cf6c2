//! `headwater demo` as a person runs it: the real binary, its output, its exit code, what it leaves.

mod sandbox;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sandbox::kafka::Broker;

const PATIENCE: Duration = Duration::from_secs(120);

/// A demo in a folder of its own, on free ports.
fn demo(folder: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    command.arg("demo").args([
        "--set",
        "server.grpc_addr=127.0.0.1:0",
        "--set",
        "server.http_addr=127.0.0.1:0",
    ]);
    command.args(options).current_dir(folder).env("TMPDIR", folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finished(output: Output) -> String {
    let (out, err) = (String::from_utf8(output.stdout), String::from_utf8_lossy(&output.stderr));
    let out = out.expect("UTF-8");
    assert!(output.status.success(), "{}:\n{out}\n{err}", output.status);
    assert_eq!(err, "", "{out}");
    out
}

/// The list under each line that tells what she did: the first is of before.
fn lists(out: &str) -> Vec<Vec<&str>> {
    let parts = out.split("\n\n").filter(|part| part.lines().any(|line| line.starts_with("  1   ")));
    parts.map(|part| part.lines().filter(|line| line.starts_with("  ")).skip(1).collect()).collect()
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).expect("the folder").next().is_none()
}

#[test]
fn without_a_terminal_it_prints_plain_lines_and_the_list_follows_each_click() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = demo(folder.path(), &["--exit", "--pace=50", "--clicks=4"]).output().expect("it runs");
    let out = finished(out);
    assert!(!out.contains('\x1b') && !out.contains('\r'), "{out}");
    let lists = lists(&out);
    assert_eq!(lists.len(), 5, "{out}");
    assert!(lists.iter().all(|list| list.len() == 10), "{out}");
    for row in lists.iter().flatten() {
        // An item of two categories is shown with the one that is the reason.
        if let Some((item, category)) = row.split_once("  interest in ") {
            assert!(item.contains(&format!(" {category} ")), "{row}");
        }
    }
    assert!(!lists[0].concat().contains("interest in"), "{out}");
    // What speaks for an item most hangs on what is popular at the hour.
    let hers = ["interest in travel", "often next after", "often together with"];
    let of_hers = hers.iter().any(|why| lists[1].concat().contains(why));
    assert!(of_hers && lists[1].concat().contains(" new "), "{out}");
    assert!(lists[1..].iter().zip(&lists).all(|(after, before)| after != before), "{out}");
    for step in 1..=4 {
        assert!(out.contains(&format!("\n{step}/4 ")), "{out}");
    }
    assert_eq!(out.matches("in the next answer ").count(), 5, "{out}");
    for tried in
        [" recommend ada --explain", "grpcurl -plaintext -d '{\"user_id\": \"ada\", \"n\": 3}' 127.0.0.1:"]
    {
        assert!(out.contains(tried), "{tried}: {out}");
    }
    assert!(
        out.contains("\nIts data was in ") && out.ends_with(" and is removed: --data DIR keeps it.\n"),
        "{out}"
    );
    assert!(is_empty(folder.path()), "the demo leaves nothing behind");
}

#[test]
fn it_serves_on_until_ctrl_c_and_then_ends_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = demo(folder.path(), &["--pace=50", "--clicks=1"]).spawn().expect("it runs");
    let lines = lines_of(&mut child);
    let mut server = None;
    loop {
        let line = lines.recv_timeout(PATIENCE).expect("it goes on to its end");
        if let Some((_, address)) = line.split_once(" --server ") {
            server = Some(address.to_owned());
        }
        if line.contains("ctrl-c stops") {
            break;
        }
    }
    // It still answers, and to anybody.
    let mut ask = Command::new(env!("CARGO_BIN_EXE_headwater"));
    ask.args(["recommend", "ada", "-n", "3", "--server", &server.expect("the line to try names it")]);
    let answer = finished(ask.output().expect("it runs"));
    // Whatever is popular at this hour, it knows who asks.
    assert!(answer.contains("newest event of this user: 2"), "{answer}");
    interrupt(&child);
    let mut err = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut err).expect("UTF-8");
    assert_eq!((child.wait().expect("it ends").code(), err.as_str()), (Some(0), ""));
    assert!(is_empty(folder.path()), "the demo leaves nothing behind");
}

#[test]
fn a_port_that_is_taken_is_named_with_the_option_that_helps() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    for key in ["server.grpc_addr", "server.http_addr"] {
        let option = format!("{key}={address}");
        let output = demo(folder.path(), &["--exit", "--set", &option]).output().expect("it runs");
        let err = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.starts_with(&format!("error: can't listen on {address} (")), "{err}");
        assert!(err.ends_with(&format!("choose another address with --set {key}=127.0.0.1:PORT\n")), "{err}");
        assert!(is_empty(folder.path()), "the demo leaves nothing behind");
    }
}

#[test]
fn data_that_is_to_be_kept_is_kept_and_next_time_she_is_somebody_new() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ["--exit", "--pace=20", "--clicks=1", "--data=kept"];
    let first = finished(demo(folder.path(), &options).output().expect("it runs"));
    assert!(folder.path().join("kept/journal").is_dir());
    assert!(first.ends_with("\nIts data is in kept, where another demo goes on from.\n"), "{first}");
    let second = finished(demo(folder.path(), &options).output().expect("it runs"));
    assert!(first.contains(" recommend ada --explain") && second.contains(" recommend ada-2 --explain"));
}

#[test]
fn through_kafka_it_is_the_same_story() {
    let broker = Broker::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let options = ["--exit", "--pace=50", "--clicks=3", "--kafka", &broker.address];
    let out = finished(demo(folder.path(), &options).output().expect("it runs"));
    let head = format!("headwater demo: Kafka {}, topic headwater-demo-clicks", broker.address);
    assert!(out.starts_with(&head), "{out}");
    let lists = lists(&out);
    assert_eq!(lists.len(), 4, "{out}");
    let hers = ["interest in travel", "often next after", "often together with"];
    assert!(hers.iter().any(|why| lists[3].concat().contains(why)), "{out}");
    let described = broker.describe_topic("headwater-demo-clicks");
    assert!(described.contains("PartitionCount: 8"), "{described}");
    assert!(is_empty(folder.path()), "the demo leaves nothing behind");
}

fn lines_of(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let out = BufReader::new(child.stdout.take().expect("piped"));
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    receiver
}

/// What ctrl-c sends.
fn interrupt(child: &Child) {
    let started = Instant::now();
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success() && started.elapsed() < PATIENCE);
}
