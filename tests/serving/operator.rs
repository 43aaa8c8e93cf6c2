//! What the person sees and does who runs it: what it says of itself, what it keeps, and what it does when told to.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use headwater::proto;
use serde_json::Value;

use super::sandbox::messages::{answer, event, item};
use super::sandbox::service::{Clients, Home, Process, headwater, run_to_end, until};

const TS: i64 = 1_700_000_000_000;
const SHIPPED: &str = include_str!("../../models/default.toml");

/// The fields of the lines with a message that the log has.
fn said(process: &Process, message: &str) -> Vec<Value> {
    let log = process.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let fields = lines.map(|line| line["fields"].clone());
    fields.filter(|fields| fields["message"].as_str().is_some_and(|said| said.contains(message))).collect()
}

async fn models(service: &Clients) -> proto::ListModelsResponse {
    answer(service.models().list_models(proto::ListModelsRequest {}).await).expect("models")
}

async fn version(service: &Clients) -> String {
    models(service).await.models[0].version.clone()
}

async fn not_served(service: &Clients) -> u64 {
    service.metrics().await.sum("headwater_model_files_not_served")
}

fn status(service: &Clients, more: &[&str]) -> String {
    let server = service.grpc.to_string();
    let output = headwater(&["status", "--server", &server]).args(more).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_line_says_what_runs_and_a_running_service_says_the_same() {
    let home = Home::on_journal();
    let service = home.spawn().await;
    let first: Value = serde_json::from_str(service.log().lines().next().expect("a line")).expect("JSON");
    let first = &first["fields"];
    assert_eq!(first["message"], "starting");
    assert_eq!(first["version"], env!("CARGO_PKG_VERSION"));
    let commit = first["commit"].as_str().expect("a commit");
    assert!(commit == "unknown" || commit.len() >= 12, "{commit}");
    let data = home.path("data").display().to_string();
    assert_eq!(first["log"], format!("journal in {data}/journal"));
    assert!(first["configuration"].as_str().is_some_and(|from| from.starts_with("--set (")), "{first}");

    let items = vec![item("i", &["c"])];
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
    service.until_items(1).await;
    let events = vec![event("ann", "i", "click", TS)];
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
    service.until_events(1).await;
    let told: Value = serde_json::from_str(&status(&service, &["--json"])).expect("JSON");
    for name in ["version", "commit", "configuration", "configuration_hash", "data_dir", "models_dir", "log"]
    {
        assert_eq!(told[name], first[name], "{name}");
    }
    assert_eq!((&told["state"], &told["reasons"]), (&"ready".into(), &Value::Array(Vec::new())));
    assert_eq!(told["catalog_items"], 1);
    let partitions = told["partitions"].as_array().expect("a list");
    assert_eq!(partitions.len(), home.config().journal.partitions as usize);
    let sum = |name: &str| {
        let number = |partition: &Value| partition[name].as_u64();
        partitions.iter().filter_map(number).sum::<u64>()
    };
    assert_eq!((sum("users"), sum("next_offset"), sum("lag")), (1, 1, 0));
    let page = status(&service, &[]);
    let hash = first["configuration_hash"].as_str().expect("a hash");
    for part in ["ready since 2", commit, hash, &data, "default ", "(default)", "1 items"] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    let metrics = service.metrics().await;
    let built = metrics.of("headwater_build_info");
    let labels = format!("version=\"{}\",commit=\"{commit}\"", env!("CARGO_PKG_VERSION"));
    assert_eq!(built, [(labels, 1.0)]);
    for name in ["process_cpu_seconds_total", "process_start_time_seconds", "process_open_fds"] {
        // The system counts a processor's time in ticks, of which a start may not take one.
        until(name, async || {
            service.metrics().await.of(name).iter().any(|(_, value)| *value > 0.0).then_some(())
        })
        .await;
    }
    assert!(service.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_model_does_not_stop_the_next_start_and_that_it_is_not_what_serves_is_said() {
    let home = Home::on_journal();
    let service = home.spawn().await;
    let shipped = version(&service).await;
    home.write_model("default", &SHIPPED.replace("recency = 0.1", "recency = 0.25"));
    until("the change", async || (version(&service).await != shipped).then_some(())).await;
    let good = version(&service).await;
    home.write_model("default", "weights.luck = 1");
    until("the refusal", async || (not_served(&service).await == 1).then_some(())).await;
    let refused = models(&service).await.files_not_served;
    assert_eq!(refused[0].name, "default");
    let why = format!("{}:1: `weights.luck` is not an option", home.path("models/default.toml").display());
    assert_eq!(refused[0].reason, why);
    assert!(service.terminate().await.success());

    // The file is the bad one, then there is no folder, then a bad file among others.
    let resumed = "the models that served last go on";
    let service = home.spawn().await;
    assert_eq!((version(&service).await, not_served(&service).await), (good.clone(), 1));
    assert_eq!(models(&service).await.files_not_served[0].reason, why);
    assert_eq!(said(&service, resumed).len(), 1, "{}", service.log());
    let page = status(&service, &[]);
    assert!(
        page.contains("not served since 2") && page.contains("`weights.luck` is not an option"),
        "{page}"
    );
    assert!(service.terminate().await.success());
    std::fs::rename(home.path("models"), home.path("elsewhere")).expect("the folder goes");
    let service = home.spawn().await;
    assert_eq!((version(&service).await, not_served(&service).await), (good.clone(), 1));
    let refused = models(&service).await.files_not_served;
    assert!(refused[0].name.is_empty() && refused[0].reason.contains("No such file"), "{refused:?}");
    // Mended while it runs, nothing is left of it.
    std::fs::rename(home.path("elsewhere"), home.path("models")).expect("the folder comes");
    home.write_model("default", SHIPPED);
    until("the shipped model", async || (version(&service).await == shipped).then_some(())).await;
    assert_eq!(not_served(&service).await, 0);
    assert!(service.terminate().await.success());
    let service = home.spawn().await;
    assert_eq!((version(&service).await, not_served(&service).await), (shipped.clone(), 0));
    assert!(said(&service, resumed).is_empty(), "{}", service.log());
    assert!(service.terminate().await.success());

    // What was kept is of that folder, and no other's mistakes hide behind it.
    let other = home.path("other");
    std::fs::create_dir(&other).expect("a folder");
    std::fs::write(other.join("default.toml"), "weights.luck = 1").expect("a model");
    let home = home.set("models.dir", other.display().to_string());
    let (code, message) = run_to_end(&mut home.serve());
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("`weights.luck` is not an option"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_models_that_is_not_there_is_told_while_the_built_in_model_serves() {
    let home = Home::on_journal();
    let nowhere = home.path("nosuch");
    let home = home.set("models.dir", nowhere.display().to_string());
    let service = home.spawn().await;
    let told = said(&service, "the built-in model serves until it is there");
    assert_eq!(told.len(), 1, "{}", service.log());
    assert_eq!(told[0]["path"], nowhere.display().to_string());
    assert_eq!((models(&service).await.models.len(), not_served(&service).await), (1, 1));
    std::fs::create_dir(&nowhere).expect("a folder");
    std::fs::write(nowhere.join("default.toml"), "weights.interest = 2").expect("a model");
    until("the model of the folder", async || (not_served(&service).await == 0).then_some(())).await;
    assert!(service.terminate().await.success());
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fifo_among_the_models_holds_up_neither_edits_nor_a_start_nor_a_stop() {
    let home = Home::on_journal();
    let fifo = home.path("models/zz.toml");
    let service = home.spawn().await;
    let first = version(&service).await;
    make_fifo(&fifo);
    std::os::unix::fs::symlink("/dev/zero", home.path("models/zero.toml")).expect("a link");
    until("both refusals", async || (not_served(&service).await == 2).then_some(())).await;
    home.write_model("default", &SHIPPED.replace("recency = 0.1", "recency = 0.25"));
    until("the edit", async || (version(&service).await != first).then_some(())).await;
    let reasons: Vec<String> =
        models(&service).await.files_not_served.into_iter().map(|file| file.reason).collect();
    let is = |name: &str, what| format!("{}: is {what}, expected a file", home.path(name).display());
    assert_eq!(reasons, [is("models/zero.toml", "a device"), is("models/zz.toml", "a FIFO")]);
    assert!(service.terminate().await.success());
    let service = home.spawn().await;
    assert_eq!(not_served(&service).await, 2);
    assert!(service.terminate().await.success());

    // A first start has nothing else to go on with.
    std::fs::remove_dir_all(home.path("data")).expect("the data goes");
    let (code, message) = run_to_end(&mut home.serve());
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains(&is("models/zz.toml", "a FIFO")), "{message}");
    let folder = home.path("models").display().to_string();
    let (code, message) = run_to_end(&mut headwater(&["models", "check", &folder]));
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains(&is("models/zz.toml", "a FIFO")), "{message}");
}

#[test]
fn whatever_a_start_reads_is_refused_if_its_bytes_may_never_end() {
    let home = Home::on_journal();
    let fifo = home.path("fifo");
    make_fifo(&fifo);
    let fifo = fifo.to_str().expect("UTF-8");
    let (code, message) = run_to_end(home.serve().args(["--config", fifo]));
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains(&format!("{fifo}: is a FIFO, expected a file")), "{message}");
    let (code, message) = run_to_end(home.serve().args(["--config", "/dev/zero"]));
    assert_eq!(code, Some(1), "{message}");
    let set = ["kafka.brokers=127.0.0.1:1", "kafka.properties.security.protocol=ssl"];
    let certificate = format!("kafka.properties.ssl.ca.location={fifo}");
    let mut serve = home.serve();
    for option in set.into_iter().chain([certificate.as_str()]) {
        serve.args(["--set", option]);
    }
    let (code, message) = run_to_end(&mut serve);
    assert_eq!(code, Some(1), "{message}");
    let wrong = format!("`kafka.properties.ssl.ca.location` is \"{fifo}\", a FIFO, expected a file");
    assert!(message.contains(&wrong), "{message}");
    let (code, message) = run_to_end(home.serve().env("SSL_CERT_FILE", fifo));
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("`SSL_CERT_FILE` is"), "{message}");
    // The lock of the data folder, and what says how far items were read.
    std::fs::create_dir_all(home.path("data/snapshots/clicks")).expect("a folder");
    make_fifo(&home.path("data/lock"));
    let (code, message) = run_to_end(&mut home.serve());
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("error: data folder "), "{message}");
    std::fs::remove_file(home.path("data/lock")).expect("it goes");
    let items = home.path("data/snapshots/items");
    std::fs::create_dir_all(&items).expect("a folder");
    make_fifo(&items.join("read.json"));
    let (code, message) = run_to_end(&mut home.serve());
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("read.json is a FIFO, expected a file"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_has_models_and_configuration_looked_at_and_never_ends_it() {
    let home = Home::on_journal().set("models.poll_interval", "1h");
    let file = home.path("headwater.toml");
    std::fs::write(&file, "ingest.slow_batch = '7s'\n").expect("a file");
    let service = home.spawn_by(|mut serve| {
        serve.arg("--config").arg(&file);
        serve
    });
    let service = service.await;
    let first = version(&service).await;
    home.write_model("default", &SHIPPED.replace("recency = 0.1", "recency = 0.25"));
    service.signal("HUP");
    until("the edit", async || (version(&service).await != first).then_some(())).await;
    assert_eq!(said(&service, "reload: model files are looked at").len(), 1, "{}", service.log());

    std::fs::write(&file, "ingest.slow_batch = '8s'\ntelemetry.log = 'info,headwater=debug'\n")
        .expect("a file");
    service.signal("HUP");
    let told =
        until("the reload", async || said(&service, "reload: not all takes effect without a restart").pop())
            .await;
    assert_eq!(
        (&told["changed"], &told["needs_restart"]),
        (&"telemetry.log".into(), &"ingest.slow_batch".into())
    );
    models(&service).await;
    until("a line at debug", async || service.log().contains("\"level\":\"DEBUG\"").then_some(())).await;

    std::fs::write(&file, "ingest.slow_batch = 'soon'\n").expect("a file");
    service.signal("HUP");
    let told =
        until("the refusal", async || said(&service, "reload: the configuration goes on as it was").pop())
            .await;
    assert!(told["error"].as_str().is_some_and(|error| error.contains("`ingest.slow_batch`")), "{told}");
    assert!(service.is_ready().await);
    assert!(service.terminate().await.success());
}

/// All files and folders below one, itself included.
fn all_in(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("a folder");
        entries.for_each(|entry| found.extend(all_in(&entry.expect("an entry").path())));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_writes_is_for_its_own_user_alone_and_a_folder_that_is_not_is_told() {
    let home = Home::on_journal().set("snapshot.interval", "100ms");
    let service = home.spawn().await;
    let items = vec![item("i", &["c"])];
    answer(service.catalog().put_items(proto::PutItemsRequest { items }).await).expect("put");
    let events = vec![event("ann", "i", "click", TS)];
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
    until("a snapshot", async || {
        let metrics = service.metrics().await;
        (metrics.with("headwater_snapshots_total", "outcome=\"written\"") > 0).then_some(())
    })
    .await;
    assert!(said(&service, "may look into the data folder").is_empty(), "{}", service.log());
    assert!(service.terminate().await.success());
    let all = all_in(&home.path("data"));
    for name in ["data/lock", "data/models.json", "data/snapshots/items/read.json"] {
        assert!(all.contains(&home.path(name)), "{name} is not among {all:?}");
    }
    for path in all {
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has {mode:o}", path.display());
    }
    std::fs::set_permissions(home.path("data"), PermissionsExt::from_mode(0o755)).expect("its mode");
    let service = home.spawn().await;
    let told = said(&service, "may look into the data folder");
    assert_eq!((told.len(), &told[0]["mode"]), (1, &"755".into()));
    assert!(service.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_who_are_forgotten_to_make_room_are_told() {
    let home = Home::on_journal().set("limits.users", "5").set("journal.partitions", "1");
    let service = home.spawn().await;
    let events: Vec<_> = (0..50).map(|n| event(&format!("u{n}"), "i", "click", TS + n)).collect();
    answer(service.events().publish(proto::PublishRequest { events }).await).expect("published");
    let told = until("the line", async || said(&service, "users were forgotten to make room").pop()).await;
    assert_eq!(told["limit"], 5);
    assert!(told["users"].as_u64().is_some_and(|users| (1..=45).contains(&users)), "{told}");
    assert!(service.terminate().await.success());
}

#[test]
fn where_lines_are_json_so_is_the_error_of_a_start_that_fails() {
    let home = Home::on_journal().set("telemetry.log_format", "json");
    home.write_model("default", "weights.luck = 1");
    let told = |message: &str| -> Vec<Value> {
        message
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{message}")))
            .collect()
    };
    let (code, message) = run_to_end(&mut home.serve());
    assert_eq!(code, Some(1), "{message}");
    let lines = told(&message);
    let last = &lines.last().expect("a line")["fields"];
    assert!(last["error"].as_str().is_some_and(|error| error.contains("`weights.luck`")), "{message}");
    let (code, message) = run_to_end(&mut home.set("limits.user", "5").serve());
    assert_eq!(code, Some(1), "{message}");
    let lines = told(&message);
    assert_eq!(lines.len(), 1, "{message}");
    let error = lines[0]["fields"]["error"].as_str().expect("an error");
    assert!(error.contains("did you mean `limits.users`?"), "{error}");
}
