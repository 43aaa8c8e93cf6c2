//! A real Apache Kafka on loopback: one process, broker and controller in KRaft mode.
//!
//! The jars come from Maven once and stay in `target/kafka`. A missing JDK or Maven is a failure
//! with the line that installs it, never a skip.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::certificate::{Certificate, PASSWORD};
use super::jars::{self, run};

const READY: Duration = Duration::from_secs(60);

/// A running Kafka. Dropped, or when this process ends in any way, it is killed and its folder
/// removed.
pub struct Broker {
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// The same for TLS, if it was started with a certificate.
    pub tls_address: Option<String>,
    /// The same for those who have the password, if it was started with one.
    pub password_address: Option<String>,
    /// The port of the controller.
    controller: u16,
    /// The id of the cluster.
    cluster: String,
    /// The shell that watches over the broker. It kills it when our end of the pipe closes.
    watchdog: Option<Child>,
    dir: PathBuf,
}

impl Broker {
    /// Starts a Kafka and waits until it answers.
    pub fn start() -> Self {
        Self::start_by(Self::launch)
    }

    /// The same for one that has a port for TLS too.
    pub fn start_with_tls(certificate: &Certificate) -> Self {
        Self::start_by(|| Self::launch_with_tls(certificate))
    }

    /// The same for one that has a port for those who know the password of `headwater` (SASL, PLAIN).
    pub fn start_with_password(password: &str) -> Self {
        Self::start_by(|| Self::launch_with_password(password))
    }

    /// Changes the password, for its next start.
    pub fn change_password(&self, from: &str, to: &str) {
        let properties = self.dir.join("server.properties");
        let text = fs::read_to_string(&properties).expect("server.properties");
        let of = |password: &str| format!("user_headwater=\"{password}\"");
        fs::write(&properties, text.replace(&of(from), &of(to))).expect("server.properties");
    }

    fn start_by(launch: impl Fn() -> Self) -> Self {
        for attempt in 1.. {
            let broker = launch();
            match broker.ready() {
                Ok(()) => return broker,
                // Another process may have taken the port between our look and Kafka's.
                Err(why) if attempt < 3 => eprintln!("kafka did not start, trying again: {why}"),
                Err(why) => panic!("kafka did not start: {why}"),
            }
        }
        unreachable!("the loop ends by return or panic")
    }

    /// The one that the tests of this binary share.
    pub fn shared() -> &'static Broker {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(Broker::start)
    }

    /// One whose only follower has died, which the tests of this binary share. Nothing that is
    /// written to a topic of [`Broker::create_unacknowledged`] is acknowledged.
    ///
    /// A topic of a single replica would not do: Kafka takes no more replicas to be required than a
    /// topic has.
    pub fn bereft() -> &'static Broker {
        static BEREFT: OnceLock<Broker> = OnceLock::new();
        BEREFT.get_or_init(|| {
            let broker = Self::start();
            let follower = Self::launch_as(
                FOLLOWER_PROPERTIES.replace("{controller}", &broker.controller.to_string()),
                broker.controller,
                &broker.cluster,
            );
            broker.until_brokers(2).and_then(|()| follower.until_brokers(2)).expect("the follower starts");
            drop(follower);
            // As long as it counts as alive, replicas of new topics would be placed there.
            broker.until_brokers(1).expect("the follower is missed");
            broker
        })
    }

    fn launch() -> Self {
        let [controller] = free_ports();
        Self::launch_as(
            SERVER_PROPERTIES.replace("{controller}", &controller.to_string()),
            controller,
            &new_cluster(),
        )
    }

    fn launch_with_tls(certificate: &Certificate) -> Self {
        let [controller, tls] = free_ports();
        let properties = TLS_PROPERTIES
            .replace("{controller}", &controller.to_string())
            .replace("{tls}", &tls.to_string())
            .replace("{keys}", certificate.key_store().to_str().expect("a UTF-8 path"))
            .replace("{password}", PASSWORD);
        let mut broker = Self::launch_as(properties, controller, &new_cluster());
        broker.tls_address = Some(format!("127.0.0.1:{tls}"));
        broker
    }

    fn launch_with_password(password: &str) -> Self {
        let [controller, sasl] = free_ports();
        let properties = PASSWORD_PROPERTIES
            .replace("{controller}", &controller.to_string())
            .replace("{sasl}", &sasl.to_string())
            .replace("{password}", password);
        let mut broker = Self::launch_as(properties, controller, &new_cluster());
        broker.password_address = Some(format!("127.0.0.1:{sasl}"));
        broker
    }

    fn launch_as(properties: String, controller: u16, cluster: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("headwater-kafka-").tempdir().expect("a folder").keep();
        let [port] = free_ports();
        let data = dir.join("data");
        // Where a property stands twice, the later one counts.
        let text = format!("{COMMON_PROPERTIES}{properties}")
            .replace("{port}", &port.to_string())
            .replace("{data}", data.to_str().expect("a UTF-8 path"));
        let properties = dir.join("server.properties");
        fs::write(&properties, text).expect("server.properties");
        run(java("kafka.tools.StorageTool").args(["format", "-t", cluster, "-c"]).arg(&properties));

        let address = format!("127.0.0.1:{port}");
        let mut broker = Self {
            address,
            tls_address: None,
            password_address: None,
            controller,
            cluster: cluster.to_owned(),
            watchdog: None,
            dir,
        };
        broker.run();
        broker
    }

    /// Starts the process, on the port and the data that it has.
    fn run(&mut self) {
        // The broker must not outlive us, however we end: the shell waits for the end of its input,
        // which comes when this process closes the pipe or is gone.
        let script = r#"dir=$1; shift
            "$@" </dev/null >>"$dir/log" 2>&1 &
            broker=$!
            read -r order
            if [ "$order" = term ]; then kill $broker; read -r order; fi
            kill -9 $broker; wait $broker 2>/dev/null
            [ "$order" = keep ] || rm -rf "$dir""#;
        let watchdog = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&self.dir)
            .arg("java")
            .args(["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
            .arg("-cp")
            .arg(classpath())
            .arg("kafka.Kafka")
            .arg(self.dir.join("server.properties"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        self.watchdog = Some(watchdog);
    }

    /// Tells it to end with SIGTERM, as when its machine goes down, and does not wait for it: it gives
    /// up its partitions first, and takes its time.
    pub fn terminate(&mut self) {
        let watchdog = self.watchdog.as_mut().expect("it runs");
        watchdog.stdin.as_mut().expect("piped").write_all(b"term\n").expect("the shell reads");
    }

    /// Kills it with `kill -9`. Its data stays.
    pub fn stop(&mut self) {
        if let Some(mut watchdog) = self.watchdog.take() {
            let mut orders = watchdog.stdin.take().expect("piped");
            orders.write_all(b"keep\n").expect("the shell reads");
            watchdog.wait().expect("the shell ends");
        }
    }

    /// Starts it again where it was, and waits until it answers.
    pub fn resume(&mut self) {
        assert!(self.watchdog.is_none(), "it runs already");
        self.run();
        self.ready().expect("kafka starts again");
    }

    fn ready(&self) -> Result<(), String> {
        self.until_brokers(1)
    }

    /// Waits until this broker knows of so many, itself included.
    fn until_brokers(&self, count: usize) -> Result<(), String> {
        let probe: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.address)
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "100")
            .set("log_level", "0")
            .create()
            .expect("a consumer");
        let deadline = Instant::now() + READY;
        loop {
            match probe.fetch_metadata(None, Duration::from_millis(500)) {
                Ok(metadata) if metadata.brokers().len() == count => return Ok(()),
                _ if Instant::now() < deadline && !self.log().contains("Exiting Kafka") => {}
                _ => return Err(self.log()),
            }
        }
    }

    /// What Kafka has printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Creates a topic with Kafka's own tool.
    pub fn create_topic(&self, topic: &str, partitions: u32, config: &[&str]) {
        let mut tool = java("org.apache.kafka.tools.TopicCommand");
        tool.args(["--bootstrap-server", &self.address, "--create", "--topic", topic]);
        tool.args(["--partitions", &partitions.to_string(), "--replication-factor", "1"]);
        for config in config {
            tool.args(["--config", config]);
        }
        run(&mut tool);
    }

    /// Creates a topic of one partition in a [`Broker::bereft`], which acknowledges no write until
    /// [`Broker::acknowledge`].
    pub fn create_unacknowledged(&self, topic: &str) {
        let mut tool = java("org.apache.kafka.tools.TopicCommand");
        tool.args(["--bootstrap-server", &self.address, "--create", "--topic", topic]);
        run(tool.args(["--replica-assignment", "1:2", "--config", "min.insync.replicas=2"]));
    }

    /// Has the writes to a topic acknowledged by the one replica that is left.
    pub fn acknowledge(&self, topic: &str) {
        let topic = ["--entity-type", "topics", "--entity-name", topic];
        self.configure(["--alter"].iter().chain(&topic).chain(&["--add-config", "min.insync.replicas=1"]));
    }

    /// Runs Kafka's own tool for configurations.
    pub fn configure<'a>(&self, args: impl IntoIterator<Item = &'a &'a str>) {
        let mut tool = java("kafka.admin.ConfigCommand");
        run(tool.args(["--bootstrap-server", &self.address]).args(args));
    }

    /// Deletes a topic with Kafka's own tool.
    pub fn delete_topic(&self, topic: &str) {
        let mut tool = java("org.apache.kafka.tools.TopicCommand");
        run(tool.args(["--bootstrap-server", &self.address, "--delete", "--topic", topic]));
    }

    /// Adds partitions to a topic with Kafka's own tool.
    pub fn grow_topic(&self, topic: &str, partitions: u32) {
        let mut tool = java("org.apache.kafka.tools.TopicCommand");
        tool.args(["--bootstrap-server", &self.address, "--alter", "--topic", topic]);
        run(tool.args(["--partitions", &partitions.to_string()]));
    }

    /// What Kafka's own tool says about a topic.
    pub fn describe_topic(&self, topic: &str) -> String {
        let mut tool = java("org.apache.kafka.tools.TopicCommand");
        run(tool.args(["--bootstrap-server", &self.address, "--describe", "--topic", topic]))
    }

    /// Ends a transaction that its producer has left open, with Kafka's own tool: as `docs/operations.md` says.
    pub fn abort_transaction(&self, topic: &str, partition: u32, begins: u64) {
        let mut tool = java("org.apache.kafka.tools.TransactionsCommand");
        tool.args(["--bootstrap-server", &self.address, "abort", "--topic", topic]);
        run(tool.args(["--partition", &partition.to_string(), "--start-offset", &begins.to_string()]));
    }

    /// Deletes the records before an offset with Kafka's own tool.
    pub fn delete_records(&self, topic: &str, partition: u32, before: u64) {
        let request = self.dir.join(format!("delete-{topic}-{partition}.json"));
        let text = format!(
            r#"{{"partitions": [{{"topic": "{topic}", "partition": {partition}, "offset": {before}}}], "version": 1}}"#
        );
        fs::write(&request, text).expect("the request");
        let mut tool = java("org.apache.kafka.tools.DeleteRecordsCommand");
        run(tool.args(["--bootstrap-server", &self.address, "--offset-json-file"]).arg(&request));
    }

    /// Sends `key|value` lines with the console producer: the Java client.
    pub fn console_produce<'a>(&self, topic: &str, records: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let mut producer = java("org.apache.kafka.tools.ConsoleProducer")
            .args(["--bootstrap-server", &self.address, "--topic", topic])
            .args(["--reader-property", "parse.key=true", "--reader-property", "key.separator=|"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("java runs");
        let mut lines = String::new();
        for (key, value) in records {
            lines.push_str(&format!("{key}|{value}\n"));
        }
        let mut stdin = producer.stdin.take().expect("piped");
        stdin.write_all(lines.as_bytes()).expect("the producer reads");
        drop(stdin);
        assert!(producer.wait().expect("it ends").success(), "the console producer failed");
    }

    /// Reads so many lines from the beginning with the console consumer: `partition, headers, key,
    /// value` as it prints them, separated by tabs.
    pub fn console_consume(&self, topic: &str, lines: usize) -> Vec<String> {
        let mut consumer = java("org.apache.kafka.tools.consumer.ConsoleConsumer");
        consumer.args(["--bootstrap-server", &self.address, "--topic", topic, "--from-beginning"]).args([
            "--max-messages",
            &lines.to_string(),
            "--timeout-ms",
            "30000",
        ]);
        for show in ["print.partition", "print.headers", "print.key"] {
            consumer.args(["--formatter-property", &format!("{show}=true")]);
        }
        run(&mut consumer).lines().map(str::to_owned).collect()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut watchdog) = self.watchdog.take() {
            drop(watchdog.stdin.take());
            let _ = watchdog.wait();
        }
        // The shell has removed it, unless the broker was stopped.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A topic name that no other test has.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The id of a new cluster.
fn new_cluster() -> String {
    run(java("kafka.tools.StorageTool").arg("random-uuid")).trim().to_owned()
}

fn java(class: &str) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn").arg("-cp").arg(classpath()).arg(class);
    command
}

/// Ports that are free now.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

/// Kafka's jars, fetched if they are not there yet.
pub fn classpath() -> &'static str {
    static CLASSPATH: OnceLock<String> = OnceLock::new();
    CLASSPATH.get_or_init(|| jars::classpath("kafka"))
}

const SERVER_PROPERTIES: &str = "\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.quorum.voters=1@127.0.0.1:{controller}
";

const TLS_PROPERTIES: &str = "\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},SSL://127.0.0.1:{tls},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SSL://127.0.0.1:{tls}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL
controller.quorum.voters=1@127.0.0.1:{controller}
ssl.keystore.type=PKCS12
ssl.keystore.location={keys}
ssl.keystore.password={password}
";

const PASSWORD_PROPERTIES: &str = "\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{sasl}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
controller.quorum.voters=1@127.0.0.1:{controller}
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_headwater=\"{password}\";
";

const FOLLOWER_PROPERTIES: &str = "\
process.roles=broker
node.id=2
listeners=PLAINTEXT://127.0.0.1:{port}
controller.quorum.voters=1@127.0.0.1:{controller}
";

const COMMON_PROPERTIES: &str = "\
controller.listener.names=CONTROLLER
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.partitions=4
log.cleaner.backoff.ms=200
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=200
broker.session.timeout.ms=1000
";
