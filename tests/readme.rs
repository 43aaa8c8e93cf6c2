//! The README's tour, run as it is printed.
//!
//! Every line of a ```console block that begins with `$ ` is run by bash, in order, in a temporary
//! folder that has the repository's `models/`; the lines under it are what it must print.
//!
//! * A command that is a `headwater serve` runs in the background until the next one, or the end; it
//!   is stopped as by ctrl-c, and must end well.
//! * Only ports differ from what is printed, as the default ones may be taken: those in commands are
//!   replaced, and the `headwater` on the path adds `--server` or `--set` where the default is meant.
//! * Numbers, times, hashes, item ids and titles may be others; so may the width of columns. `...`
//!   stands for any lines.
//! * `UPDATE_DOCS=1 cargo test --test readme` writes into the README what is printed.
//! * A question is asked again until its answer is as printed, as what was sent before may not count
//!   yet. Anything else is run once.

mod sandbox;

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use headwater::generate::{GenerateSettings, Generator};
use sandbox::kafka::{Broker, classpath};

/// The newest version that Go 1.19, Debian 12's, can build is good enough.
const GRPCURL: &str = "1.8.9";
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn every_example_prints_what_the_readme_says() {
    let text = fs::read_to_string(root().join("README.md")).expect("README.md");
    let examples = examples(&text);
    assert!(examples.len() > 20, "only {} examples were found", examples.len());
    let mut tour = Tour::new();
    let printed: Vec<String> = examples.iter().map(|example| tour.run(example)).collect();
    tour.stop();
    if updates() {
        let lines: Vec<&str> = text.lines().collect();
        let mut updated = String::new();
        let mut next = 0;
        for (example, printed) in examples.iter().zip(printed) {
            let before = lines[next..example.line].iter().map(|line| format!("{line}\n"));
            updated.extend(before.chain([printed]));
            next = example.line + example.output.len();
        }
        updated.extend(lines[next..].iter().map(|line| format!("{line}\n")));
        fs::write(root().join("README.md"), updated).expect("README.md");
    }
}

/// Whether to write what is printed into the README rather than compare the two.
fn updates() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

#[test]
fn every_file_that_the_docs_link_to_is_there() {
    let mut missing = Vec::new();
    let docs = fs::read_dir(root().join("docs")).expect("docs/").map(|file| file.expect("a file").path());
    for file in docs.chain([root().join("README.md")]).filter(|file| file.extension() == Some("md".as_ref()))
    {
        let text = fs::read_to_string(&file).expect("a text");
        // What is between fences is code.
        let prose: String = text.split("```").step_by(2).collect();
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let local = targets.filter(|target| !target.is_empty() && !target.contains("://"));
        let folder = file.parent().expect("a folder");
        let gone = local.filter(|target| !folder.join(target).exists());
        missing.extend(gone.map(|target| format!("{}: {target}", file.display())));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn what_may_differ_is_told_from_what_may_not() {
    let names = Names { ids: ["travel-60".into()].into(), titles: vec!["Slow trains".into()] };
    let same = |expected: &str, found: &str| {
        let lines = |text: &str| text.lines().map(|line| names.mask(line)).collect::<Vec<_>>();
        matches(&lines(expected), &lines(found))
    };
    assert!(same("1  travel-60  0.5", "12 travel-60    -1.25"));
    assert!(same("as of 2026-11-21T02:01:28.280Z", "as of 2027-01-01T00:00:00Z"));
    assert!(same(r#"{"itemId":"travel-60","score":0.5}"#, r#"{"itemId":"travel-60","score":1}"#));
    assert!(same("a\n...\nb", "a\nx\ny\nb") && same("a\n...\nb", "a\nb"));
    assert!(!same("1  popular now", "1  interest in travel"));
    let row = |rank: u32, why: &str| format!("{rank}  travel-60  0.5  {why}  Slow trains");
    assert!(same(&row(2, "popular now"), &row(2, "interest in travel")));
    assert!(!same(&row(1, "popular now"), &row(1, "interest in travel")));
    assert!(!same(&row(2, "popular now"), "2  travel-60  0.5"));
    assert!(!same("a\nb", "a") && !same("a", "a\nb") && !same("a\n...\nb", "a\nx"));
    assert!(!same("1h  2", "24h  2"));
}

/// A command and what it prints.
struct Example {
    line: usize,
    command: String,
    output: Vec<String>,
}

fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    for (line, content) in (1..).zip(text.lines()) {
        match (inside, content) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, content) => match (content.strip_prefix("$ "), examples.last_mut()) {
                (Some(command), _) => {
                    examples.push(Example { line, command: command.to_owned(), output: Vec::new() });
                }
                (None, Some(example)) => example.output.push(content.to_owned()),
                (None, None) => panic!("line {line}: a console block begins with a command"),
            },
            (false, _) => {}
        }
    }
    examples
}

/// Where the examples are run.
struct Tour {
    folder: tempfile::TempDir,
    path: String,
    grpc: u16,
    http: u16,
    names: Names,
    server: Option<Child>,
}

impl Tour {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("headwater-readme-").tempdir().expect("a folder");
        let models = folder.path().join("models");
        fs::create_dir(&models).expect("models/");
        for model in fs::read_dir(root().join("models")).expect("models/") {
            let model = model.expect("a model");
            fs::copy(model.path(), models.join(model.file_name())).expect("the model");
        }
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).expect("bin/");
        let [grpc, http] = free_ports();
        program(&bin, "headwater", &headwater(grpc, http));
        let java = format!(
            "exec java -Xmx256m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp '{}' \
             org.apache.kafka.tools.ConsoleProducer \"$@\"",
            classpath()
        );
        program(&bin, "kafka-console-producer.sh", &java);
        program(&bin, "grpcurl", &format!("exec '{}' \"$@\"", grpcurl().display()));
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a PATH"));
        Self { folder, path, grpc, http, names: Names::of_default_catalog(), server: None }
    }

    /// Runs it and gives what it printed.
    fn run(&mut self, example: &Example) -> String {
        let Example { line, command, output } = example;
        let ours = self.with_our_ports(command);
        if command.starts_with("headwater serve") {
            self.stop();
            self.server = Some(self.bash(&format!("exec {ours}")).spawn().expect("bash runs"));
            self.await_ready();
            return String::new();
        }
        if updates() {
            // What was sent before will count by then.
            std::thread::sleep(Duration::from_secs(2));
        }
        let expected: Vec<String> = output.iter().map(|line| self.names.mask(line)).collect();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Output { status, stdout, stderr } = self.bash(&ours).output().expect("bash runs");
            let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
            let found: Vec<String> = out.lines().map(|line| self.names.mask(line)).collect();
            if status.success() && (updates() || matches(&expected, &found)) {
                return out.into_owned();
            }
            assert!(
                is_question(command) && Instant::now() < deadline,
                "README.md:{line}: `{command}` ({status})\n--- is to print:\n{}\n--- and printed:\n{out}{err}",
                output.join("\n"),
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn bash(&self, command: &str) -> Command {
        let mut bash = Command::new("bash");
        bash.args(["-o", "pipefail", "-c", command]).current_dir(self.folder.path()).env("PATH", &self.path);
        bash.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if command.contains("headwater serve") {
            let log = fs::File::create(self.folder.path().join("serve.log")).expect("a file");
            bash.stdout(Stdio::null()).stderr(log);
        }
        bash
    }

    fn with_our_ports(&self, command: &str) -> String {
        let command = command.replace("127.0.0.1:7400", &format!("127.0.0.1:{}", self.grpc));
        let command = command.replace("127.0.0.1:7401", &format!("127.0.0.1:{}", self.http));
        match command.contains("127.0.0.1:9092") {
            true => command.replace("127.0.0.1:9092", &Broker::shared().address),
            false => command,
        }
    }

    fn await_ready(&mut self) {
        let question = format!("curl -sf http://127.0.0.1:{}/readyz", self.http);
        let deadline = Instant::now() + PATIENCE;
        while !self.bash(&question).output().expect("bash runs").status.success() {
            let ended = self.server.as_mut().and_then(|server| server.try_wait().expect("a status"));
            let log = || fs::read_to_string(self.folder.path().join("serve.log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < deadline, "the service is not ready:\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// ctrl-c.
    fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let id = server.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill runs").success());
        let status = server.wait().expect("it ends");
        let log = fs::read_to_string(self.folder.path().join("serve.log")).unwrap_or_default();
        assert!(status.success(), "{status}:\n{log}");
    }
}

impl Drop for Tour {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// Whether asking twice does no harm.
fn is_question(command: &str) -> bool {
    let asks = ["recommend", "trending", "profile", "explain", "models list"];
    let ours = command.strip_prefix("headwater ");
    ours.is_some_and(|command| asks.iter().any(|ask| command.starts_with(ask)))
        || (["curl", "grpcurl"].iter().any(|caller| command.starts_with(caller))
            && !command.contains("Publish"))
}

/// Names that depend on when the data was generated.
struct Names {
    ids: BTreeSet<String>,
    titles: Vec<String>,
}

impl Names {
    fn of_default_catalog() -> Self {
        let generator = Generator::new(GenerateSettings::default()).expect("the default settings");
        let ids = generator.items().iter().map(|item| item.item_id.clone()).collect();
        let mut titles: Vec<String> =
            generator.items().iter().filter_map(|item| item.title.clone()).collect();
        // A title may be the start of another one.
        titles.sort_unstable_by_key(|title| std::cmp::Reverse(title.len()));
        Self { ids, titles }
    }

    /// The line without what may differ.
    fn mask(&self, line: &str) -> String {
        let found = self.titles.iter().find(|title| line.contains(*title));
        let line = found.map_or_else(|| line.to_owned(), |title| line.replace(title, "TITLE"));
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_.:+-".contains(c);
        let mut masked = String::new();
        let mut rest = line.as_str();
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c| is_word(c) != is_word(first)).unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            if is_word(first) {
                let word = part.trim_matches(':').trim_end_matches(['.', ':']);
                let (before, after) = part.split_once(word).unwrap_or((part, ""));
                masked.extend([before, self.kind(word), after]);
            } else {
                masked.push_str(part);
            }
            rest = after;
        }
        let masked = masked.split_whitespace().collect::<Vec<_>>().join(" ");
        // What is popular hangs on the hour, so that why the second item of a list is there does, too.
        let below_the_first =
            line.split_whitespace().next().is_some_and(|rank| rank.parse().is_ok_and(|rank: u32| rank > 1));
        match masked.strip_prefix("NUMBER ITEM NUMBER ").and_then(|rest| rest.strip_suffix(" TITLE")) {
            Some(_) if below_the_first => "NUMBER ITEM NUMBER WHY TITLE".to_owned(),
            _ => masked,
        }
    }

    fn kind<'a>(&self, word: &'a str) -> &'a str {
        let is_time = || word.contains('T') && word.contains(':') && word.ends_with('Z');
        match word {
            _ if self.ids.contains(word) => "ITEM",
            _ if word.parse::<f64>().is_ok() => "NUMBER",
            _ if word.len() >= 16 && word.chars().all(|c| c.is_ascii_hexdigit()) => "HASH",
            _ if word.starts_with(|c: char| c.is_ascii_digit()) && is_time() => "TIME",
            _ => word,
        }
    }
}

/// Whether the lines are those; `...` is any.
fn matches(expected: &[String], found: &[String]) -> bool {
    match (expected.split_first(), found.split_first()) {
        (None, None) => true,
        (Some((line, rest)), _) if line == "..." => {
            matches(rest, found) || found.split_first().is_some_and(|(_, found)| matches(expected, found))
        }
        (Some((line, rest)), Some((other, others))) => line == other && matches(rest, others),
        _ => false,
    }
}

/// Adds our ports where a command means the default ones.
fn headwater(grpc: u16, http: u16) -> String {
    format!(
        r#"server="--server 127.0.0.1:{grpc}"
case "$1 $*" in
  serve*) set -- "$@" --set server.grpc_addr=127.0.0.1:{grpc} --set server.http_addr=127.0.0.1:{http} ;;
  publish*--kafka*) ;;
  publish* | recommend* | trending* | profile* | explain* | "models models list"*) set -- "$@" $server ;;
esac
exec '{}' "$@""#,
        env!("CARGO_BIN_EXE_headwater")
    )
}

fn program(bin: &Path, name: &str, script: &str) {
    let path = bin.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it may be run");
}

/// The grpcurl on the path, or one that is built once from its source.
fn grpcurl() -> PathBuf {
    let on_path = std::env::var_os("PATH").into_iter().flat_map(|path| {
        std::env::split_paths(&path).map(|folder| folder.join("grpcurl")).collect::<Vec<_>>()
    });
    let folder = root().join(format!("target/ci-tools/grpcurl-{GRPCURL}"));
    let ours = folder.join("grpcurl");
    if let Some(found) = on_path.chain([ours.clone()]).find(|path| path.is_file()) {
        return found;
    }
    let package = format!("github.com/fullstorydev/grpcurl/cmd/grpcurl@v{GRPCURL}");
    let built = Command::new("go").args(["install", &package]).env("GOBIN", &folder).output();
    let help = format!(
        "grpcurl is missing and can't be built. Run:\n  sudo apt-get install -y golang-go && GOBIN={} go install {package}",
        folder.display()
    );
    let built = built.unwrap_or_else(|error| panic!("go: {error}. {help}"));
    assert!(built.status.success(), "{}\n{help}", String::from_utf8_lossy(&built.stderr));
    ours
}

fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
