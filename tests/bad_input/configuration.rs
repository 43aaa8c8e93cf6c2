//! Mistakes in configuration and models, as the real program tells them.

use std::fs;

use super::sandbox::service::{Home, headwater, run_to_end};

const BROKEN: &str = "\
[server]
grpc_adr = '127.0.0.1:0'
[limits]
users = 0
[stream]
interest_windows = '1h,soon'
[kafka.properties]
'enable.auto.commit' = 'true'
";

#[test]
fn config_check_names_every_mistake_and_exits_with_1() {
    let home = Home::on_journal();
    let file = home.path("c.toml");
    fs::write(&file, BROKEN).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let mut check = headwater(&["config", "check", "--config", file, "--set", "telemetry.log_format=loud"]);
    check.env("HEADWATER_LIMITS__ITEMS", "many").env("HEADWATER_SERVER__NO_SUCH", "1");
    let (code, message) = run_to_end(&mut check);
    assert_eq!(code, Some(1), "{message}");
    let mistakes = [
        format!("{file}:2: `server.grpc_adr` is not an option; did you mean `server.grpc_addr`?"),
        format!("{file}:4: `limits.users` is 0, expected a whole number from 1 to 1000000000"),
        format!("{file}:6: `stream.interest_windows` is"),
        format!(
            "{file}:8: `kafka.properties.enable.auto.commit` is \"true\", expected \"false\", as positions belong to \
             snapshots"
        ),
        "HEADWATER_LIMITS__ITEMS: `limits.items` is \"many\", expected a whole number from 1 to 100000000"
            .to_owned(),
        "HEADWATER_SERVER__NO_SUCH: `server.no_such` is not an option".to_owned(),
        "`telemetry.log_format` is \"loud\", expected".to_owned(),
    ];
    for mistake in &mistakes {
        assert!(message.contains(mistake), "{mistake} is not in\n{message}");
    }
    assert!(message.starts_with("error: the configuration can't be used: 7 mistakes\n"), "{message}");
    // Nothing is started with it either.
    let (code, message) = run_to_end(home.serve().args(["--config", file]));
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains(&mistakes[0]) && message.contains(&mistakes[1]), "{message}");
    assert!(!home.path("data").exists(), "it made a folder before it looked at its configuration");
}

#[test]
fn a_file_that_is_not_there_or_not_toml_is_named() {
    let home = Home::on_journal();
    let (code, message) = run_to_end(&mut headwater(&["config", "check", "--config", "/no/such/file.toml"]));
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("/no/such/file.toml"), "{message}");
    let file = home.path("c.toml");
    fs::write(&file, "[server\n").expect("a file");
    let file = file.to_str().expect("UTF-8");
    let (code, message) = run_to_end(&mut headwater(&["config", "check", "--config", file]));
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains(&format!("{file}:1")), "{message}");
}

#[test]
fn a_model_with_mistakes_keeps_the_service_from_starting_and_every_one_is_named() {
    let home = Home::on_journal();
    home.write_model("default", "[weights]\ninterest = 20\nluck = 1\n[interest]\nwindows = { '2h' = 1 }\n");
    home.write_model("bold", "weights = 1");
    let (code, message) = run_to_end(&mut home.serve());
    assert_eq!(code, Some(1), "{message}");
    let default = home.path("models/default.toml");
    let default = default.display();
    for mistake in [
        format!("{default}:2: `weights.interest` is 20, expected a number from -10 to 10"),
        format!("{default}:3: `weights.luck` is not an option"),
        format!("{default}:5: `interest.windows.2h` is 1, expected its window to be one of 1h, 24h, 7d, 30d"),
        format!("{}:1: `weights` is 1, expected", home.path("models/bold.toml").display()),
    ] {
        assert!(message.contains(&mistake), "{mistake} is not in\n{message}");
    }
    assert!(message.contains("\nerror: the models can't be used: 4 mistakes\n"), "{message}");
}

#[test]
fn a_default_model_that_is_not_there_is_named_with_those_that_are() {
    let home = Home::on_journal().set("models.default", "brave");
    let (code, message) = run_to_end(&mut home.serve());
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("brave") && message.contains("default"), "{message}");
}

#[test]
fn a_wrong_call_exits_with_2_and_help_with_0() {
    for call in [&["serve", "--no-such-flag"][..], &["nonsense"], &["config"], &["recommend", "--n"]] {
        let (code, message) = run_to_end(&mut headwater(call));
        assert_eq!(code, Some(2), "{call:?}: {message}");
        assert!(message.contains("Usage:"), "{call:?}: {message}");
    }
    assert_eq!(run_to_end(&mut headwater(&["serve", "--help"])).0, Some(0));
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let home = Home::on_journal().set("kafka.brokers", "127.0.0.1:1");
    let (code, message) = run_to_end(&mut home.serve());
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("waiting for Kafka at 127.0.0.1:1, giving up in 9 s"), "{message}");
    assert!(message.lines().last().is_some_and(|line| line.contains("127.0.0.1:1")), "{message}");
    // What librdkafka has to say in these ten seconds is said once.
    assert!(message.lines().count() <= 6, "{message}");
}
