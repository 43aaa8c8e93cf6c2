//! Java programs that Maven fetches once, each by a pom of its own.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

const INSTALL: &str = "sudo apt-get install --yes default-jdk-headless maven";

/// The class path of the jars that `tests/NAME/pom.xml` names, fetched to `target/NAME` if they are
/// not there yet.
pub fn classpath(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pom = root.join("tests").join(name).join("pom.xml");
    let jars = root.join("target").join(name);
    fs::create_dir_all(root.join("target")).expect("target/");
    let lock = File::create(root.join(format!("target/{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock");
    // The folder keeps the pom that filled it, so that a new version is fetched anew.
    let stamp = jars.join("pom.xml");
    if fs::read(&stamp).ok() != fs::read(&pom).ok() {
        let partial = root.join(format!("target/{name}.partial"));
        for old in [&partial, &jars] {
            if old.exists() {
                fs::remove_dir_all(old).expect("the old jars go");
            }
        }
        let mut mvn = Command::new("mvn");
        mvn.args(["-q", "-B", "-f"]).arg(&pom).arg("dependency:copy-dependencies");
        run(mvn.arg(format!("-DoutputDirectory={}", partial.display())));
        fs::copy(&pom, partial.join("pom.xml")).expect("the stamp");
        fs::rename(&partial, &jars).expect("the jars move");
    }
    format!("{}/*", jars.display())
}

/// Runs a command to its end and gives what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}; install it with `{INSTALL}`"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed:\n{out}\n{err}");
    out.into_owned()
}
