//! Where snapshots can be: a folder of this machine, or a bucket of an S3-compatible object store.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::bugs::{Bug, planted};
use crate::snapshot::SnapshotError;

/// Where snapshots are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder, absolute. What is written is synced to disk.
    Folder(PathBuf),
    /// A bucket.
    Bucket {
        /// Its name.
        name: String,
        /// What all names in it begin with; empty for none.
        prefix: String,
    },
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(dir) => write!(f, "{}", dir.display()),
            Self::Bucket { name, prefix } if prefix.is_empty() => write!(f, "s3://{name}"),
            Self::Bucket { name, prefix } => write!(f, "s3://{name}/{prefix}"),
        }
    }
}

/// How a bucket is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Settings {
    /// The URL of the service; empty for that of AWS.
    pub endpoint: String,
    /// The region; empty for what the environment says, or `us-east-1`.
    pub region: String,
    /// Whether the bucket is named in the path, rather than in the host name.
    pub path_style: bool,
    /// Whether a connection without TLS will do.
    pub allow_http: bool,
    /// How long a request may take, and for how long it is tried again.
    pub timeout: Duration,
    /// Credentials and whatever else the usual variables say.
    pub environment: AwsEnvironment,
}

impl Default for S3Settings {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            region: String::new(),
            path_style: true,
            allow_http: false,
            timeout: Duration::from_secs(10),
            environment: AwsEnvironment::default(),
        }
    }
}

/// The `AWS_...` variables of the environment. They hold secrets, so they are never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AwsEnvironment(BTreeMap<String, String>);

impl AwsEnvironment {
    /// Those of an environment.
    pub fn of(environment: &BTreeMap<String, String>) -> Self {
        let ours = environment.iter().filter(|(name, _)| name.starts_with("AWS_"));
        Self(ours.map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

impl fmt::Debug for AwsEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Opens a location. A folder is made if it is not there; a bucket is not asked yet.
pub(super) fn open(location: &Location, s3: &S3Settings) -> Result<Arc<dyn ObjectStore>, SnapshotError> {
    let failed = |source| failure(location, source);
    match location {
        Location::Folder(dir) => {
            let folder = |source| SnapshotError::Folder { path: dir.display().to_string(), source };
            std::fs::create_dir_all(dir).map_err(folder)?;
            Ok(Arc::new(LocalFileSystem::new_with_prefix(dir).map_err(failed)?.with_fsync(synced())))
        }
        Location::Bucket { name, prefix } => {
            let bucket = builder(name, s3).build().map_err(failed)?;
            Ok(Arc::new(PrefixStore::new(bucket, prefix.as_str())))
        }
    }
}

/// Whether what was written is to be on disk before it counts.
pub(crate) fn synced() -> bool {
    !planted(Bug::ForgetSync)
}

fn builder(bucket: &str, s3: &S3Settings) -> AmazonS3Builder {
    // The choice is made once for the process: a second call finds it made already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = AmazonS3Builder::new();
    for (name, value) in &s3.environment.0 {
        if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    if !s3.endpoint.is_empty() {
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, &s3.endpoint);
    }
    if !s3.region.is_empty() {
        builder = builder.with_region(&s3.region);
    }
    let client = ClientOptions::new()
        .with_timeout(s3.timeout)
        .with_connect_timeout(s3.timeout.min(Duration::from_secs(5)))
        .with_allow_http(s3.allow_http);
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(2),
        ..BackoffConfig::default()
    };
    // More than the time has room for, as the time alone is to bound them.
    let max_retries = s3.timeout.div_duration_f64(backoff.init_backoff).ceil() as usize;
    builder
        .with_bucket_name(bucket)
        .with_virtual_hosted_style_request(!s3.path_style)
        .with_client_options(client)
        // One at a time is all that we need, and not every store can do many at once.
        .with_disable_bulk_delete(true)
        .with_retry(RetryConfig { backoff, max_retries, retry_timeout: s3.timeout })
}

/// An error with what can be done about it.
pub(super) fn failure(location: &Location, source: object_store::Error) -> SnapshotError {
    let hint = match location {
        Location::Folder(_) => "check the disk, its free space and the owner of the folder",
        Location::Bucket { .. } => bucket_hint(&source),
    };
    SnapshotError::Store { location: location.to_string(), hint, source: Box::new(source) }
}

fn bucket_hint(source: &object_store::Error) -> &'static str {
    use object_store::Error::{PermissionDenied, Unauthenticated};
    let message = source.to_string();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["NoSuchBucket"]) {
        "there is no such bucket: make it, or correct `snapshot.url`"
    } else if says(&[
        "/latest/meta-data",
        "/latest/api/token",
        "Missing AccessKeyId",
        "Missing SecretAccessKey",
    ]) {
        "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
    } else if matches!(source, PermissionDenied { .. } | Unauthenticated { .. })
        || says(&["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"])
    {
        "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, and what they may do in the bucket of \
         `snapshot.url`"
    } else if says(&["without LOCATION", "PermanentRedirect", "AuthorizationHeaderMalformed"]) {
        "the bucket is in another region: correct `snapshot.s3_region`"
    } else {
        "check that `snapshot.s3_endpoint` can be reached from here and that its certificate is one to trust (that of \
         its authority is installed, or named in SSL_CERT_FILE), and `snapshot.s3_region`"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_that_of_the_configuration_or_else_of_the_environment() {
        let region = |given: &str, environment: &[(&str, &str)]| {
            let environment =
                environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let environment = AwsEnvironment::of(&environment.collect());
            let s3 = S3Settings { region: given.to_owned(), environment, ..S3Settings::default() };
            builder("bucket", &s3).get_config_value(&AmazonS3ConfigKey::Region)
        };
        let environment = [("AWS_REGION", "eu-central-1"), ("REGION", "us-west-2")];
        assert_eq!(region("", &environment).as_deref(), Some("eu-central-1"));
        assert_eq!(region("eu-west-3", &environment).as_deref(), Some("eu-west-3"));
        assert_eq!(region("", &[("REGION", "us-west-2")]), None, "then it is that of the library");
    }

    #[test]
    fn a_hint_is_not_read_out_of_the_digits_of_a_message() {
        let unreachable = |text: &str| object_store::Error::Generic { store: "S3", source: text.into() };
        for text in
            ["GET http://127.0.0.1:40301/ in 615.124036ms", "GET http://127.0.0.1:30100/ in 40.1403ms"]
        {
            assert!(bucket_hint(&unreachable(text)).contains("can be reached from here"), "{text}");
        }
        let source = || "status code: 403".into();
        let denied = object_store::Error::PermissionDenied { path: "p".to_owned(), source: source() };
        assert!(bucket_hint(&denied).contains("AWS_ACCESS_KEY_ID"));
        let unknown = object_store::Error::Unauthenticated { path: "p".to_owned(), source: source() };
        assert!(bucket_hint(&unknown).contains("AWS_ACCESS_KEY_ID"));
    }
}
