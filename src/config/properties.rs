//! `kafka.properties`: any property of librdkafka, by its own name.

use std::collections::BTreeMap;

use toml::Value;

use super::mistake::without_credentials;
use crate::log::kafka::KafkaSettings;

/// The section that holds them.
pub(super) const SECTION: &str = "kafka.properties";

/// What is expected of a property.
pub(super) const EXPECTED: &str = "a text, a number, true or false";

/// The name of the property that a key stands for. In a file, `fetch.min.bytes = 1` without quotes
/// is a table in a table to TOML; its dotted key is the name all the same.
pub(super) fn name(key: &str) -> Option<&str> {
    key.strip_prefix(SECTION)?.strip_prefix('.').filter(|name| !name.is_empty())
}

/// The text that librdkafka gets.
pub(super) fn read(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => Some(value.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

/// The text that librdkafka gets for a text from outside a file: itself, without quotes.
pub(super) fn read_text(text: &str) -> String {
    match super::document::value(text) {
        Some(Value::String(inner)) => inner,
        _ => text.to_owned(),
    }
}

/// The option that must be used in place of a property. With brokers only here, the service would
/// start on the embedded journal and nobody would notice.
pub(super) fn replaced_by(name: &str) -> Option<&'static str> {
    matches!(name, "bootstrap.servers" | "metadata.broker.list").then_some("kafka.brokers")
}

/// A property's value as it may be shown.
pub(super) fn shown(name: &str, value: &str) -> String {
    if is_secret(name) { HIDDEN.to_owned() } else { without_credentials(value) }
}

/// Stands for a secret wherever settings are shown.
const HIDDEN: &str = "(hidden)";

/// The properties for people to see: secrets are hidden.
pub(super) fn shown_all(settings: &KafkaSettings) -> BTreeMap<&str, String> {
    settings.properties.iter().map(|(name, value)| (name.as_str(), shown(name, value))).collect()
}

/// Whether the librdkafka property of this name says where a file is.
pub(super) fn names_a_file(name: &str) -> bool {
    name.ends_with(".location") || name.ends_with(".keytab")
}

/// Whether the librdkafka property of this name may hold a secret.
fn is_secret(name: &str) -> bool {
    ["passw", "passphrase", "pwd", "secret", "pem", "sasl.oauthbearer.config", "ssl.key"]
        .iter()
        .any(|part| name.contains(part))
        && !name.ends_with(".location")
}
