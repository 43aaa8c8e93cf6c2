//! `headwater evaluate`, as whoever has a log uses it.

mod sandbox;

use std::fs;
use std::path::{Path, PathBuf};

use headwater::generate::{GenerateSettings, Generator, ITEM_CSV_HEADER, write_item_csv};
use headwater::log::{NewRecord, Topic};
use sandbox::kafka::Broker;
use sandbox::service::{Home, headwater, output_of};
use serde_json::Value;

/// Runs it and gives the exit code, what it printed and what it said of errors.
fn evaluate(args: &[&str]) -> (Option<i32>, String, String) {
    let output = headwater(&["evaluate"]).args(args).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn json(args: &[&str]) -> Value {
    let (code, out, error) = evaluate(&[args, &["--json"]].concat());
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    serde_json::from_str(&out).expect("JSON")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

/// Clicks of which the ranks of what is most clicked are told by hand.
const PLANTED: &str = "user_id,item_id,type,ts
ada,a,click,2026-01-05T10:00:00Z
ada,b,click,2026-01-05T10:01:00Z
bob,a,click,2026-01-05T10:02:00Z
cyd,c,click,2026-01-05T10:03:00Z
cyd,b,click,2026-01-05T10:10:00Z
bob,c,click,2026-01-05T10:11:00Z
ada,c,click,2026-01-05T10:12:00Z
bob,b,click,2026-01-05T10:13:00Z
";

#[test]
fn on_a_planted_stream_the_figures_are_those_that_are_told_by_hand() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("clicks.csv");
    fs::write(&file, PLANTED).expect("a file");
    let told = json(&[text(&file), "--last", "3m", "--baseline", "popular-1h,popular-all,recent"]);
    // c for whom: b is second after a, which cyd has not had; c is second for bob after b; then each is the only one
    // that is left.
    let popular = &told["contenders"][1];
    assert_eq!(popular["name"], "popular-1h");
    let figure = |name: &str| popular["figures"][name]["value"].as_f64().expect("a number");
    assert!((figure("mrr") - (0.5 + 0.5 + 1.0 + 1.0) / 4.0).abs() < 1e-6, "{told:#}");
    assert!((figure("ndcg") - (2.0 / 3.0_f64.log2() + 2.0) / 4.0).abs() < 1e-6, "{told:#}");
    assert_eq!(figure("hr"), 1.0);
    assert_eq!(told["contenders"][2]["figures"]["mrr"], popular["figures"]["mrr"], "an hour is all there is");
    assert_eq!(told["contenders"][2]["against_base"]["mrr"]["ratio"]["value"], 1.0);
    assert_eq!((&told["base"], &told["data"]["asked"]), (&"popular-1h".into(), &4.into()));
    assert_eq!(told["protocol"]["name"], "stream");
    // Of visits of one hour, and of users with so many earlier clicks.
    let groups = |cohort: usize| {
        let groups = told["cohorts"][cohort]["groups"].as_array().expect("groups");
        groups.iter().map(|group| group["asked"].as_u64().expect("a number")).collect::<Vec<_>>()
    };
    assert_eq!(groups(0), [2, 2, 0, 0]);
    assert_eq!(groups(1), [4, 0]);
    assert_eq!(groups(2), [4, 0, 0]);
    assert_eq!(groups(3), [0, 2, 2, 0, 0, 0]);
    assert_eq!(groups(4)[10], 4);
}

/// Some days of a small site.
fn generated(folder: &Path) -> (PathBuf, PathBuf) {
    let settings = GenerateSettings { users: 60, items: 150, events: 6_000, ..GenerateSettings::default() };
    let generator = Generator::new(settings).expect("settings in their ranges");
    let (events, items) = (folder.join("events.jsonl"), folder.join("items.csv"));
    let lines = generator.events().map(|event| serde_json::to_string(&event.draft()).expect("JSON") + "\n");
    fs::write(&events, lines.collect::<String>()).expect("a file");
    let mut table = format!("{ITEM_CSV_HEADER}\n").into_bytes();
    generator.items().iter().for_each(|item| write_item_csv(item, &mut table).expect("a row"));
    fs::write(&items, table).expect("a file");
    (events, items)
}

#[test]
fn the_same_run_prints_the_same_bytes_however_many_threads_ask_and_a_model_stands_beside_its_rivals() {
    let folder = tempfile::tempdir().expect("a folder");
    let (events, items) = generated(folder.path());
    let page = |name: &str| folder.path().join(name);
    let run = |threads: &str, report: &Path| {
        let files = [text(&events), "--items", text(&items), "--threads", threads, "--json"];
        let models = ["--model", "models/default.toml", "--model", "tight=models/news.toml"];
        let (code, out, error) = evaluate(&[&files[..], &models, &["--report", text(report)]].concat());
        assert_eq!((code, error.as_str()), (Some(0), ""));
        out
    };
    let one = run("1", &page("1.html"));
    assert_eq!(one, run("1", &page("2.html")));
    assert_eq!(one, run("2", &page("3.html")));
    let read = |name: &str| fs::read_to_string(page(name)).expect("a report");
    assert_eq!(read("1.html"), read("3.html"));

    let told: Value = serde_json::from_str(&one).expect("JSON");
    let names: Vec<_> = told["contenders"].as_array().expect("all").iter().map(|one| &one["name"]).collect();
    assert_eq!(names[..3], ["default", "tight", "popular-5m"]);
    let model = &told["contenders"][0];
    assert!(model["model_version"].is_string() && told["contenders"][2]["model_version"].is_null());
    let share = |name: &str| model["recall"][name]["value"].as_f64().expect("a share");
    assert!(share("any") > 0.5, "{model:#}");
    assert_eq!(model["recall"]["by_source"].as_array().expect("sources").len(), 5);
    let mrr = &model["figures"]["mrr"];
    assert!(mrr["low"].as_f64() < mrr["value"].as_f64() && mrr["value"].as_f64() < mrr["high"].as_f64());
    let random = told["contenders"].as_array().expect("all").iter().find(|one| one["name"] == "random");
    assert!(random.expect("it")["figures"]["mrr"]["value"].as_f64() < mrr["value"].as_f64(), "{told:#}");
}

#[test]
fn the_report_is_one_page_that_fetches_nothing_and_shows_what_it_is_told_as_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, page) = (folder.path().join("clicks.csv"), folder.path().join("report.html"));
    fs::write(&file, PLANTED).expect("a file");
    let model = format!("<b>bold</b>={}", "models/default.toml");
    let (code, out, error) =
        evaluate(&[text(&file), "--last", "3m", "--model", &model, "--report", text(&page)]);
    assert_eq!(code, Some(0), "{error}");
    assert!(out.starts_with("protocol stream:\n  everything learns as it goes"), "{out}");
    assert!(out.contains("MRR@20 by earlier events of the user") && out.contains("overlap"), "{out}");
    let html = fs::read_to_string(&page).expect("a report");
    for absent in ["<script", "http:", "https:", "url(", "@import", "<link", "<b>"] {
        assert!(!html.contains(absent), "{absent}");
    }
    for there in ["<svg", "prefers-color-scheme: dark", "&lt;b&gt;bold", "popular-1h", "MRR@20 by hour"] {
        assert!(html.contains(there), "{there}");
    }
    assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
}

#[test]
fn files_in_any_form_are_one_stream_and_rows_that_are_none_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("all.csv"), PLANTED).expect("a file");
    let rows: Vec<&str> = PLANTED.lines().skip(1).collect();
    let object = |row: &&str| {
        let [user, item, kind, ts] = row.split(',').collect::<Vec<_>>()[..] else { panic!("{row}") };
        format!("{{\"who\":\"{user}\",\"item_id\":\"{item}\",\"type\":\"{kind}\",\"ts\":\"{ts}\"}}\n")
    };
    // The later half comes first, and one row of it is none.
    let late: String = rows[4..].iter().map(object).collect();
    fs::write(path("late.jsonl"), late + "{\"who\":\"x\"}\n").expect("a file");
    fs::write(path("early.jsonl"), rows[..4].iter().map(object).collect::<String>()).expect("a file");
    let rivals = ["--last", "3m", "--baseline", "popular-1h,popular-all,recent,random"];
    let whole = json(&[&[text(&path("all.csv"))], &rivals[..]].concat());
    let (late, early) = (path("late.jsonl"), path("early.jsonl"));
    let parts = [&[text(&late), text(&early), "--map", "who=user_id"], &rivals[..]].concat();
    let told = json(&parts);
    assert_eq!((&told["contenders"], &told["cohorts"]), (&whole["contenders"], &whole["cohorts"]));
    assert_eq!(told["data"]["rejected"], 1);
    let (_, _, error) = evaluate(&parts);
    assert!(error.contains("late.jsonl:5: `type` is required"), "{error}");
}

#[test]
fn what_cannot_be_evaluated_says_what_to_do_instead() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("clicks.csv");
    fs::write(&file, PLANTED).expect("a file");
    let model = folder.path().join("odd.toml");
    fs::write(&model, "weights.interst = 1.0\n").expect("a file");
    for (args, said) in [
        (&["--baseline", "best"][..], "no baseline is called `best`, expected `random`"),
        (&["--base", "nobody"], "--base: nobody is called `nobody`, expected one of `default`, `popular-5m`"),
        (&["--types", "buy"], "--types: there is no type `buy`, expected some of view, click"),
        (&["--from", "2030-01-01T00:00:00Z"], "nothing is scored: no event is of the span from 2030-01-01"),
        (
            &["--until", "2020-01-01T00:00:00Z"],
            "the span is empty: it is from 2026-01-05T10:12:00.000Z until",
        ),
        (&["--model", text(&model)], "odd.toml:1: `weights.interst`"),
        (&["--model", "models/none.toml"], "--model: models/none.toml: "),
        (&["--model", "models/news.toml", "--model", "models/news.toml"], "two are called `news`"),
    ] {
        let (code, out, error) = evaluate(&[&[text(&file)], args].concat());
        assert_eq!((code, out.as_str()), (Some(1), ""), "{args:?}");
        assert!(error.contains(said), "{args:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_gives_what_the_files_give_that_were_published_into_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (events, items) = generated(folder.path());
    let span = ["--last", "2d", "--every", "3", "--baseline", "popular-1h,recent,random"];
    let of_files = json(&[&[text(&events), "--items", text(&items)], &span[..]].concat());
    assert!(of_files["data"]["asked"].as_u64() > Some(100), "{}", of_files["data"]);
    let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
    let kafka = Home::on_kafka(broker).set("kafka.partitions", "3");
    for (log, home) in [("journal", Home::on_journal().set("journal.partitions", "3")), ("kafka", kafka)] {
        // What no consumer can apply, and an item that is deleted again.
        let record = |key: &str, value: Option<&str>| NewRecord {
            key: key.into(),
            value: value.map(Into::into),
            headers: Vec::new(),
        };
        let opened = tokio::task::block_in_place(|| home.log());
        opened.append(Topic::Clicks, vec![record("u", Some("{bad"))]).await.expect("appended");
        let gone = vec![record("gone", Some(r#"{"item_id":"gone"}"#)), record("gone", None)];
        opened.append(Topic::Items, gone).await.expect("appended");
        tokio::task::block_in_place(|| drop(opened));
        let service = home.spawn().await;
        let server = service.clients.grpc.to_string();
        let mut publish = headwater(&["publish", "--server", &server, "--any-time", "--again"]);
        publish.args([text(&events), "--items", text(&items)]);
        let published = tokio::task::block_in_place(|| output_of(&mut publish));
        assert!(published.status.success(), "{published:?}");
        let options: Vec<String> =
            home.set_options().into_iter().flat_map(|option| ["--set".to_owned(), option]).collect();
        let of_log = |more: &[&str]| {
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            tokio::task::block_in_place(|| evaluate(&[&options, more, &span[..], &["--json"]].concat()))
        };
        let data = home.path("data");
        let named = if log == "kafka" { vec!["--log"] } else { vec!["--data", text(&data)] };
        if log == "journal" {
            let (code, _, error) = of_log(&named);
            assert_eq!(code, Some(1), "{error}");
            assert!(
                error.contains("in use by another process") && error.contains("stop the service"),
                "{error}"
            );
            assert!(service.terminate().await.success());
        }
        let (code, out, error) = of_log(&named);
        assert_eq!((code, error.as_str()), (Some(0), ""), "{log}: {out}");
        let of_log_told: Value = serde_json::from_str(&out).expect("JSON");
        for part in ["contenders", "cohorts"] {
            assert_eq!(of_log_told[part], of_files[part], "{log}");
        }
        assert_eq!((&of_log_told["data"]["rejected"], &of_files["data"]["rejected"]), (&1.into(), &0.into()));
        for part in ["events", "users", "items", "asked", "eligible", "left_out"] {
            assert_eq!(of_log_told["data"][part], of_files["data"][part], "{log}: {part}");
        }
        // Nothing was written so late.
        let (code, _, error) = of_log(&[&named[..], &["--since", "2200-01-01T00:00:00Z"]].concat());
        assert_eq!(code, Some(1));
        assert!(error.contains("there is no event"), "{log}: {error}");
    }
}

const TRAIN: &str = "SessionId\tItemId\tTime
1\ta\t1000.0
1\tb\t1010.0
2\ta\t1020.0
2\tc\t1030.0
3\ta\t1040.0
3\tb\t1050.0
";
const TEST: &str = "SessionId\tItemId\tTime
9\ta\t2000.0
9\tb\t2010.0
9\tc\t2020.0
9\td\t2030.0
";

#[test]
fn the_session_split_asks_for_the_very_next_item_and_names_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("train.txt"), TRAIN).expect("a file");
    fs::write(path("test.txt"), TEST).expect("a file");
    let (train, test, page) = (path("train.txt"), path("test.txt"), path("report.html"));
    let split =
        ["--protocol", "sessions", "--test", text(&test), "--baseline", "popular-all,transitions:gap=none"];
    let run = [&[text(&train)], &split[..]].concat();
    let told = json(&run);
    assert_eq!((&told["protocol"]["name"], &told["data"]["asked"]), (&"sessions".into(), &3.into()));
    let mrr = |place: usize| told["contenders"][place]["figures"]["mrr"]["value"].as_f64().expect("a number");
    // b is the first but a, c the second but b, and nobody knows d.
    assert!((mrr(1) - (1.0 + 0.5) / 3.0).abs() < 1e-6, "{told:#}");
    assert_eq!(told["contenders"][0]["name"], "default");
    assert!(mrr(0) > 0.0, "a model is asked by the items of the session: {told:#}");
    let (code, out, error) = evaluate(&[&run[..], &["--report", text(&page)]].concat());
    assert_eq!(code, Some(0), "{error}");
    assert!(out.starts_with("protocol sessions:\n  learnt, in the order of times: 6 events"), "{out}");
    assert!(out.contains("context_item_ids"), "{out}");
    assert!(fs::read_to_string(&page).expect("a report").contains("protocol sessions"));
    for (args, said) in [
        (&["--protocol", "sessions"][..], "--protocol sessions needs the sessions to be asked about"),
        (&["--test", text(&test)], "--test is of --protocol sessions"),
        (&[&split[..], &["--last", "1d"]].concat(), "--last is of --protocol stream"),
        (
            &["--protocol", "sessions", "--test", text(&train), "--types", "hide"],
            "nothing is scored: no session",
        ),
    ] {
        let (code, out, error) = evaluate(&[&[text(&train)], args].concat());
        assert_eq!((code, out.as_str()), (Some(1), ""), "{args:?}");
        assert!(error.contains(said), "{args:?}: {error}");
    }
}

#[test]
fn among_few_others_everybody_looks_good_and_the_output_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let (events, items) = generated(folder.path());
    let files = [text(&events), "--items", text(&items)];
    let of = |protocol: &str| {
        let rivals = ["--baseline", "popular-24h,random", "-n", "10", "--protocol", protocol];
        json(&[&files[..], &rivals, if protocol == "stream" { &["--every", "5"] } else { &[] }].concat())
    };
    let (few, all) = (of("chameleon"), of("stream"));
    assert_eq!(few["protocol"]["name"], "chameleon");
    assert!(few["protocol"]["rules"][0].as_str().expect("a rule").contains("with published tables only"));
    let hr = |told: &Value, place: usize| told["contenders"][place]["figures"]["hr"]["value"].as_f64();
    // Ten of 51, and ten of 150.
    assert!(hr(&few, 2) > Some(0.15) && hr(&all, 2) < Some(0.12), "{:?} {:?}", hr(&few, 2), hr(&all, 2));
    assert!(hr(&few, 0) > hr(&all, 0), "{:?} {:?}", hr(&few, 0), hr(&all, 0));
    assert_eq!(few, of("chameleon"), "the same run is the same");
}
