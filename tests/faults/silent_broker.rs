//! A broker that takes connections and never says a word.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use headwater::app::App;

use super::sandbox::service::{Home, until};

/// Where it listens, and a message for each connection.
fn silent_broker() -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let (sender, connections) = mpsc::channel();
    thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((connection, _)) = listener.accept() {
            open.push(connection);
            // The test may be over.
            let _ = sender.send(());
        }
    });
    (address, connections)
}

// One thread, so that whatever blocks it stops the clock.
#[tokio::test]
async fn a_start_that_waits_for_it_holds_up_nothing_else() {
    let (address, connections) = silent_broker();
    let home = Home::on_journal().set("kafka.brokers", address);
    let config = home.config();
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let others = async {
        // Until it is asked, and for a while of that.
        while connections.try_recv().is_err() {
            ticks.tick().await;
        }
        for _ in 0..50 {
            ticks.tick().await;
        }
    };
    tokio::select! {
        biased;
        started = App::start(&config) => panic!("it was waited for on this thread: {:?}", started.err()),
        () = others => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_waits_for_it_can_be_stopped() {
    let (address, connections) = silent_broker();
    let home = Home::on_journal().set("kafka.brokers", address);
    let mut child =
        Running(home.serve().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs"));
    until("the broker to be asked", async || connections.try_recv().ok()).await;
    let sent = Command::new("kill").args(["-s", "TERM", &child.0.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    let status = until("the end", async || child.0.try_wait().expect("its status")).await;
    assert_eq!(status.code(), Some(0));
}

/// Does not outlive the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
