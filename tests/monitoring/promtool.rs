//! Prometheus' own tool.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::file;

/// Runs it with what it reads from its standard input: what it says if it finds nothing wrong.
pub fn run(args: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(find())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    // It may not read all of what it finds wrong.
    let _ = child.stdin.take().expect("its input").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("its output");
    let told =
        [output.stdout, output.stderr].map(|told| String::from_utf8_lossy(&told).into_owned()).concat();
    if output.status.success() { Ok(told) } else { Err(told) }
}

fn find() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [file("target/ci-tools/promtool")].into_iter().chain(std::env::split_paths(&path));
    let found = folders.map(|folder| folder.join("promtool")).find(|path| path.is_file());
    found.expect(
        "promtool is missing: `tests/run` puts it into target/ci-tools, or install Prometheus 2.42 or newer",
    )
}
