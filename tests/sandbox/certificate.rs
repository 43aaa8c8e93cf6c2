//! A key and its certificate, which nobody but the test knows and trusts, made by the JDK's keytool.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::jars::run;

/// What opens the key store.
pub const PASSWORD: &str = "the-password-of-the-tests";

/// A certificate for `localhost` and 127.0.0.1 that has signed itself, and its key.
pub struct Certificate {
    dir: TempDir,
}

impl Certificate {
    /// Makes a new one.
    pub fn make() -> Self {
        let dir = tempfile::Builder::new().prefix("headwater-tls-").tempdir().expect("a folder");
        let made = Self { dir };
        let mut pair = made.keytool("-genkeypair");
        pair.args(["-keyalg", "EC", "-dname", "CN=localhost", "-ext", "san=dns:localhost,ip:127.0.0.1"]);
        run(&mut pair);
        run(made.keytool("-exportcert").arg("-rfc").arg("-file").arg(made.pem()));
        made
    }

    /// The PKCS #12 file with both, as servers in Java want it.
    pub fn key_store(&self) -> PathBuf {
        self.dir.path().join("keys.p12")
    }

    /// The certificate alone, as those who are to trust it want it.
    pub fn pem(&self) -> PathBuf {
        self.dir.path().join("certificate.pem")
    }

    fn keytool(&self, command: &str) -> Command {
        let mut keytool = Command::new("keytool");
        keytool.args([command, "-alias", "server", "-storetype", "PKCS12", "-storepass", PASSWORD]);
        keytool.arg("-keystore").arg(self.key_store());
        keytool
    }
}
