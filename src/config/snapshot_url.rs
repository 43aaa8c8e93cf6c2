//! The rule of `snapshot.url`: a bucket, a `file://` URL or a path.

use std::path::Path;

use toml::Value;
use url::Url;

use super::rules::Rule;
use crate::snapshot::Location;

/// Where snapshots go: an `s3://` or `file://` URL, or a path.
pub(crate) struct SnapshotUrl;

impl Rule for SnapshotUrl {
    type Out = Location;
    fn expected(&self) -> String {
        "s3://BUCKET/PREFIX, a file:// URL or a path".into()
    }
    fn read(&self, value: &Value) -> Option<Location> {
        let text = value.as_str().filter(|text| !text.is_empty() && !text.contains('\0'))?;
        if let Some(rest) = text.strip_prefix("s3://") {
            let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let prefix = prefix.trim_matches('/').to_owned();
            let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
            let valid = (3..=63).contains(&name.len()) && name.chars().all(legal) && !prefix.contains("//");
            return valid.then(|| Location::Bucket { name: name.to_owned(), prefix });
        }
        let folder = match text.contains("://") {
            true => Url::parse(text).ok().filter(|url| url.scheme() == "file")?.to_file_path().ok(),
            false => std::path::absolute(text).ok(),
        };
        folder.map(Location::Folder)
    }
    fn show(&self, out: &Location) -> Value {
        match out {
            Location::Folder(dir) => file_url(dir).into(),
            bucket @ Location::Bucket { .. } => bucket.to_string().into(),
        }
    }
}

/// The `file://` URL of a path; the path itself where it is not absolute.
pub(crate) fn file_url(path: &Path) -> String {
    Url::from_file_path(path).map_or_else(|()| path.display().to_string(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::rules::tests::{refused, through};

    #[test]
    fn snapshots_go_to_a_bucket_a_file_url_or_a_path() {
        assert_eq!(through(&SnapshotUrl, "'file:///var/a%20b'").as_deref(), Some("\"file:///var/a%20b\""));
        assert_eq!(SnapshotUrl.read(&"file:///var/a%20b".into()), Some(Location::Folder("/var/a b".into())));
        assert_eq!(through(&SnapshotUrl, "'s3://bucket/a/b/'").as_deref(), Some("\"s3://bucket/a/b\""));
        assert_eq!(through(&SnapshotUrl, "'s3://bucket'").as_deref(), Some("\"s3://bucket\""));
        assert_eq!(through(&SnapshotUrl, "'/var/a b'").as_deref(), Some("\"file:///var/a%20b\""));
        let Some(Location::Folder(relative)) = SnapshotUrl.read(&"here".into()) else {
            panic!("not a folder")
        };
        assert!(relative.is_absolute() && relative.ends_with("here"));
        refused(
            &SnapshotUrl,
            &[
                "'s3://'",
                "'s3://Bucket/x'",
                "'s3://bucket/a//b'",
                "'gs://bucket/x'",
                "''",
                "3",
                "'file://host/x'",
            ],
        );
    }
}
