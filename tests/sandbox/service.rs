//! The real service: in this process where a test only asks, or as the real binary where the
//! process itself matters. Free ports, a temporary folder, stopped when it is dropped.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater::app::App;
use headwater::config::Config;
use headwater::log::Log;
use headwater::log::journal::JournalLog;
use headwater::log::kafka::KafkaLog;
use headwater::proto::catalog_service_client::CatalogServiceClient;
use headwater::proto::event_service_client::EventServiceClient;
use headwater::proto::model_service_client::ModelServiceClient;
use headwater::proto::profile_service_client::ProfileServiceClient;
use headwater::proto::recommender_service_client::RecommenderServiceClient;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use super::http;
use super::kafka::{Broker, unique};

/// How long anything may take before it counts as not happening.
pub const DEADLINE: Duration = Duration::from_secs(120);
/// How long to wait between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// A folder and options, from which a service can be started again and again.
pub struct Home {
    dir: TempDir,
    options: BTreeMap<String, String>,
    /// Of the environment.
    variables: BTreeMap<String, String>,
}

/// The topics that a [`Home`] on Kafka uses.
pub struct Topics {
    pub clicks: String,
    pub items: String,
    pub dead_letters: String,
}

impl Home {
    /// One on the embedded journal.
    pub fn on_journal() -> Self {
        let dir = tempfile::Builder::new().prefix("headwater-test-").tempdir().expect("a folder");
        fs::create_dir(dir.path().join("models")).expect("a folder");
        let path = |name: &str| dir.path().join(name).to_str().expect("a UTF-8 path").to_owned();
        let options = [
            ("data.dir", path("data")),
            ("models.dir", path("models")),
            ("models.poll_interval", "50ms".to_owned()),
            // Answers are degraded while the log is ahead of state, which would come and go with the
            // speed of the machine: tests wait for what they have sent by themselves.
            ("ingest.max_lag", "1000000000".to_owned()),
            ("server.grpc_addr", "127.0.0.1:0".to_owned()),
            ("server.http_addr", "127.0.0.1:0".to_owned()),
            // Nobody spreads requests over the services of tests.
            ("server.shutdown_delay", "0s".to_owned()),
        ];
        let home = Self {
            options: options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            variables: BTreeMap::new(),
            dir,
        };
        home.write_model("default", include_str!("../../models/default.toml"));
        home
    }

    /// One on topics of its own.
    pub fn on_kafka(broker: &Broker) -> Self {
        let topic = unique("clicks");
        Self::on_journal()
            .set("kafka.brokers", &broker.address)
            .set("kafka.items_topic", topic.replace("clicks", "items"))
            .set("kafka.clicks_topic", topic)
    }

    /// Sets a variable of the environment.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Takes a variable of the environment away.
    pub fn without_variable(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// Sets an option.
    pub fn set(mut self, key: &str, value: impl Into<String>) -> Self {
        self.options.insert(key.to_owned(), value.into());
        self
    }

    pub fn topics(&self) -> Topics {
        let clicks = self.options["kafka.clicks_topic"].clone();
        Topics {
            dead_letters: format!("{clicks}.dlq"),
            items: self.options["kafka.items_topic"].clone(),
            clicks,
        }
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a model as an editor does: whole, then renamed into its place.
    pub fn write_model(&self, name: &str, toml: &str) {
        let partial = self.path("model.partial");
        fs::write(&partial, toml).expect("a model file");
        fs::rename(partial, self.path(&format!("models/{name}.toml"))).expect("a model file");
    }

    pub fn config(&self) -> Config {
        Config::load(None, &self.variables, &self.set_options()).expect("a valid configuration")
    }

    /// Starts a service in this process and waits until it is ready.
    pub async fn start(&self) -> Service {
        let service = self.start_unready().await;
        until("the service to be ready", async || service.app().is_ready().then_some(())).await;
        service
    }

    /// Starts a service in this process.
    pub async fn start_unready(&self) -> Service {
        let app = App::start(&self.config()).await.expect("the service starts");
        let clients = Clients::new(app.grpc_addr(), app.http_addr());
        Service { app: Some(app), clients }
    }

    /// The real binary with this configuration, not started yet.
    pub fn serve(&self) -> Command {
        let mut command = headwater(&["serve"]);
        for option in self.set_options() {
            command.arg("--set").arg(option);
        }
        command.current_dir(self.dir.path()).envs(&self.variables);
        command
    }

    /// Starts the real binary and waits until it is ready.
    pub async fn spawn(&self) -> Process {
        self.spawn_by(|serve| serve).await
    }

    /// The same, by a command that is made from that which serves.
    pub async fn spawn_by(&self, wrap: impl FnOnce(Command) -> Command) -> Process {
        let process = self.spawn_unready_by(wrap).await;
        let clients = process.clients.clone();
        until("the process to be ready", async || clients.is_ready().await.then_some(())).await;
        process
    }

    /// Starts the real binary and waits until it serves.
    pub async fn spawn_unready(&self) -> Process {
        self.spawn_unready_by(|serve| serve).await
    }

    async fn spawn_unready_by(&self, wrap: impl FnOnce(Command) -> Command) -> Process {
        let log = self.path("log");
        let file = fs::File::create(&log).expect("a log file");
        let mut command = self.serve();
        command.args(["--set", "telemetry.log_format=json"]);
        let mut command = wrap(command);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().expect("it runs");
        let mut process = Process { child, log, clients: Clients::new(NOWHERE, NOWHERE) };
        let (grpc, http) = until("the addresses in the log", async || process.addresses()).await;
        process.clients = Clients::new(grpc, http);
        process
    }

    /// The log itself, as the service opens it. The journal is one process's at a time.
    pub fn log(&self) -> Arc<dyn Log> {
        let config = self.config();
        match config.kafka() {
            Some(kafka) => Arc::new(KafkaLog::open(kafka.clone()).expect("the broker answers")),
            None => {
                let clock = Arc::new(headwater::clock::wall_clock);
                Arc::new(JournalLog::open(config.journal.clone(), clock).expect("nobody else has it"))
            }
        }
    }

    /// Every option as `--set` takes it.
    pub fn set_options(&self) -> Vec<String> {
        self.options.iter().map(|(key, value)| format!("{key}={value}")).collect()
    }
}

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

/// The binary with arguments, and nothing in its environment that configures it.
pub fn headwater(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HEADWATER_")) {
        command.env_remove(name);
    }
    command.args(args);
    command
}

/// Runs a command that ends by itself: its exit code and what it said on standard error. One that
/// does not end within the deadline is killed and fails the test.
pub fn run_to_end(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = output_of(command.stdout(Stdio::null()));
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

/// What a command has done that ends by itself and says little, within the deadline or the test fails. It reads nothing.
pub fn output_of(command: &mut Command) -> Output {
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
    let deadline = Instant::now() + DEADLINE;
    while child.try_wait().expect("its status").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("it can be killed");
            panic!("{command:?} did not end: {:?}", child.wait_with_output());
        }
        std::thread::sleep(LOOK);
    }
    child.wait_with_output().expect("its output")
}

/// A service in this process.
pub struct Service {
    app: Option<App>,
    pub clients: Clients,
}

impl Service {
    fn app(&self) -> &App {
        self.app.as_ref().expect("it was not stopped")
    }

    /// Stops it as SIGTERM does.
    pub async fn stop(mut self) {
        self.app.take().expect("it was not stopped").stop().await.expect("a clean stop");
    }
}

impl std::ops::Deref for Service {
    type Target = Clients;

    fn deref(&self) -> &Clients {
        &self.clients
    }
}

/// The real binary, running.
pub struct Process {
    child: Child,
    log: PathBuf,
    pub clients: Clients,
}

impl Process {
    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM and waits for the end.
    pub async fn terminate(self) -> ExitStatus {
        self.signal("TERM");
        self.wait().await
    }

    /// Waits for the end.
    pub async fn wait(mut self) -> ExitStatus {
        until("the process to end", async || self.child.try_wait().expect("its status")).await
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    fn addresses(&mut self) -> Option<(SocketAddr, SocketAddr)> {
        let ended = self.child.try_wait().expect("its status");
        assert!(ended.is_none(), "it ended with {ended:?}:\n{}", self.log());
        let log = self.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let serving = lines.rev().find(|line| line["fields"]["message"] == "serving")?;
        let address = |name: &str| serving["fields"][name].as_str()?.parse().ok();
        Some((address("grpc")?, address("http")?))
    }
}

impl std::ops::Deref for Process {
    type Target = Clients;

    fn deref(&self) -> &Clients {
        &self.clients
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Clients of every port of a service.
#[derive(Clone)]
pub struct Clients {
    pub channel: Channel,
    /// Where gRPC is served.
    pub grpc: SocketAddr,
    pub http: SocketAddr,
}

/// The largest answer that a test reads.
const MAX_ANSWER: usize = 64 << 20;

impl Clients {
    fn new(grpc: SocketAddr, http: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{grpc}")).expect("an address");
        Self { channel: endpoint.tcp_nodelay(true).connect_lazy(), grpc, http }
    }

    pub fn recommender(&self) -> RecommenderServiceClient<Channel> {
        RecommenderServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER)
    }

    pub fn events(&self) -> EventServiceClient<Channel> {
        EventServiceClient::new(self.channel.clone())
    }

    pub fn catalog(&self) -> CatalogServiceClient<Channel> {
        CatalogServiceClient::new(self.channel.clone())
    }

    pub fn profiles(&self) -> ProfileServiceClient<Channel> {
        ProfileServiceClient::new(self.channel.clone())
    }

    pub fn models(&self) -> ModelServiceClient<Channel> {
        ModelServiceClient::new(self.channel.clone())
    }

    /// A page of the HTTP port: its status and its body.
    pub async fn page(&self, path: &str) -> Option<(u16, String)> {
        http::get(self.http, path).await
    }

    pub async fn is_ready(&self) -> bool {
        self.page("/readyz").await.is_some_and(|(status, _)| status == 200)
    }

    /// The metrics as they are now.
    pub async fn metrics(&self) -> Samples {
        let (status, text) = self.page("/metrics").await.expect("the HTTP port answers");
        assert_eq!(status, 200);
        Samples(text)
    }

    /// Waits until so many events were taken from the log, whatever became of them.
    pub async fn until_events(&self, count: u64) {
        until(&format!("{count} events"), async || {
            let metrics = self.metrics().await;
            let taken = metrics.sum("headwater_events_total");
            assert!(taken <= count, "{taken} events were taken, expected {count}");
            (taken == count).then_some(())
        })
        .await;
    }

    /// Waits until so many item changes were taken from the log, whatever became of them.
    pub async fn until_items(&self, count: u64) {
        until(&format!("{count} item changes"), async || {
            let taken = self.metrics().await.sum("headwater_item_changes_total");
            assert!(taken <= count, "{taken} item changes were taken, expected {count}");
            (taken == count).then_some(())
        })
        .await;
    }

    /// Waits until so many records were sent to the dead letter topic.
    pub async fn until_dead_letters(&self, count: u64) {
        until(&format!("{count} dead letters"), async || {
            let sent = self.metrics().await.sum("headwater_dead_letters_total");
            assert!(sent <= count, "{sent} dead letters, expected {count}");
            (sent == count).then_some(())
        })
        .await;
    }
}

/// Metrics in the Prometheus text format.
pub struct Samples(pub String);

impl Samples {
    /// The lines of a metric: labels as they are written, and the value.
    pub fn of(&self, name: &str) -> Vec<(String, f64)> {
        let lines = self.0.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.trim_end_matches('}').to_owned();
            (found == name).then(|| (labels, value.parse().expect("a number")))
        };
        lines.filter_map(sample).collect()
    }

    /// All series of a metric added up.
    pub fn sum(&self, name: &str) -> u64 {
        self.of(name).iter().map(|(_, value)| value).sum::<f64>() as u64
    }

    /// The series with a label; 0 if it is not there.
    pub fn with(&self, name: &str, label: &str) -> u64 {
        let series = self.of(name);
        series.iter().filter(|(labels, _)| labels.contains(label)).map(|(_, value)| value).sum::<f64>() as u64
    }
}

/// Looks again and again until there is an answer; fails the test after the deadline.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {DEADLINE:?} for {what}");
        tokio::time::sleep(LOOK).await;
    }
}
