//! A real S3-compatible object store on loopback: S3Proxy, one process that keeps its objects as
//! files, checks signatures, takes uploads in parts and lists by `ListObjectsV2`.
//!
//! It can be stopped and started again on the same port and with the same objects.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::certificate::{Certificate, PASSWORD};
use super::jars;
use super::service::Home;

const READY: Duration = Duration::from_secs(60);
/// What it takes to be let in.
pub const KEY_ID: &str = "headwater";
pub const SECRET: &str = "the-secret-of-the-tests";
/// The bucket that there is.
pub const BUCKET: &str = "snapshots";

/// An object store. Dropped, or when this process ends in any way, it is killed.
pub struct S3 {
    port: u16,
    /// Whether it is reached by TLS.
    tls: bool,
    dir: TempDir,
    /// The shell that watches over it: it kills it when our end of the pipe closes.
    watchdog: Option<Child>,
}

impl S3 {
    /// Starts one with an empty [`BUCKET`].
    pub fn start() -> Self {
        Self::launch(None)
    }

    /// Starts one that is reached by TLS and nothing else.
    pub fn start_with_tls(certificate: &Certificate) -> Self {
        Self::launch(Some(certificate))
    }

    fn launch(certificate: Option<&Certificate>) -> Self {
        let dir = tempfile::Builder::new().prefix("headwater-s3-").tempdir().expect("a folder");
        fs::create_dir_all(dir.path().join("data").join(BUCKET)).expect("a folder");
        let port =
            TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("a port").port();
        let listener = match certificate {
            None => format!("s3proxy.endpoint=http://127.0.0.1:{port}\n"),
            Some(certificate) => format!(
                "s3proxy.secure-endpoint=https://127.0.0.1:{port}\ns3proxy.keystore-path={}\n\
                 s3proxy.keystore-password={PASSWORD}\n",
                certificate.key_store().display()
            ),
        };
        let properties = format!(
            "{listener}s3proxy.authorization=aws-v4\ns3proxy.identity={KEY_ID}\n\
             s3proxy.credential={SECRET}\njclouds.provider=filesystem-nio2\njclouds.identity=none\n\
             jclouds.credential=none\njclouds.filesystem.basedir={}\n",
            dir.path().join("data").display()
        );
        fs::write(dir.path().join("s3proxy.conf"), properties).expect("its configuration");
        let quiet = r#"<configuration><root level="WARN"/></configuration>"#;
        fs::write(dir.path().join("logback.xml"), quiet).expect("its configuration");
        let mut s3 = Self { port, tls: certificate.is_some(), dir, watchdog: None };
        s3.resume();
        s3
    }

    /// The URL of the service.
    pub fn endpoint(&self) -> String {
        // A host that is an address has no server name in TLS, without which the server takes no request.
        if self.tls {
            format!("https://localhost:{}", self.port)
        } else {
            format!("http://127.0.0.1:{}", self.port)
        }
    }

    /// A home that keeps its snapshots here. Where nothing answers, each try takes `snapshot.s3_timeout`.
    pub fn keeps(&self, home: Home, prefix: &str) -> Home {
        home.set("snapshot.url", format!("s3://{BUCKET}/{prefix}"))
            .set("snapshot.s3_endpoint", self.endpoint())
            .set("snapshot.s3_allow_http", (!self.tls).to_string())
            .variable("AWS_ACCESS_KEY_ID", KEY_ID)
            .variable("AWS_SECRET_ACCESS_KEY", SECRET)
    }

    /// Starts it again where it was.
    pub fn resume(&mut self) {
        assert!(self.watchdog.is_none(), "it runs already");
        let script = r#""$@" </dev/null >>"$LOG" 2>&1 &
            server=$!
            cat >/dev/null
            kill -9 $server; wait $server 2>/dev/null"#;
        let logback = self.dir.path().join("logback.xml");
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", "java"]).env("LOG", self.dir.path().join("log"));
        command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]).arg(classpath());
        command.arg(format!("-Dlogback.configurationFile={}", logback.display()));
        command.args(["org.gaul.s3proxy.Main", "--properties"]).arg(self.dir.path().join("s3proxy.conf"));
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.watchdog = Some(spawned.expect("sh runs"));
        let deadline = Instant::now() + READY;
        while self.answer().is_err() {
            let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "the object store did not start:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for its answer to a first request, for which it loads much of its code: on a busy machine that takes
    /// seconds. With TLS for a connection only.
    fn answer(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        if !self.tls {
            stream.set_read_timeout(Some(READY))?;
            stream.write_all(b"GET /snapshots HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            stream.read_exact(&mut [0])?;
        }
        Ok(())
    }

    /// Kills it. Its objects stay.
    pub fn stop(&mut self) {
        if let Some(mut watchdog) = self.watchdog.take() {
            drop(watchdog.stdin.take());
            let _ = watchdog.wait();
            self.tidy_up();
        }
    }

    /// Removes what uploads have left that were under way: this store writes an object to a file beside it that
    /// is named after it and a UUID, and can't list a folder any more in which it finds such a file.
    fn tidy_up(&self) {
        for file in self.objects("", "") {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let suffix = name.get(name.len().saturating_sub(37)..).unwrap_or_default();
            let dashes: Vec<usize> = suffix.match_indices('-').map(|(at, _)| at).collect();
            if suffix.len() == 37 && dashes == [0, 9, 14, 19, 24] {
                fs::remove_file(file).expect("it can be removed");
            }
        }
    }

    /// The files of the objects with an ending, in the order of their names.
    pub fn objects(&self, prefix: &str, ending: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(&self.dir.path().join("data").join(BUCKET).join(prefix), ending, &mut found);
        found.sort();
        found
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
    }
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
}

fn classpath() -> &'static str {
    static CLASSPATH: OnceLock<String> = OnceLock::new();
    CLASSPATH.get_or_init(|| jars::classpath("s3"))
}
