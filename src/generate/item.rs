//! Generated items as the lines of a file.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::engine::events::item::Item;

/// The columns that [`write_item_csv`] writes.
pub const ITEM_CSV_HEADER: &str = "item_id,categories,created_at,expires_at,available,attributes,title\n";

#[derive(Serialize)]
struct ItemJson<'a> {
    item_id: &'a str,
    categories: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    available: bool,
    attributes: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
}

/// Writes an item as JSON, without a line feed.
///
/// # Errors
/// Those of `out`.
pub fn write_item_json(item: &Item, out: &mut impl Write) -> io::Result<()> {
    let json = ItemJson {
        item_id: &item.item_id,
        categories: &item.categories,
        created_at: item.created_at.map(|at| at.0),
        expires_at: item.expires_at.map(|at| at.0),
        available: item.available,
        attributes: &item.attributes,
        title: item.title.as_deref(),
    };
    serde_json::to_writer(out, &json).map_err(io::Error::from)
}

/// Writes an item as a CSV row under [`ITEM_CSV_HEADER`], with its line feed: categories as `a|b`,
/// attributes as `key=value|key=value`.
///
/// # Errors
/// Those of `out`.
pub fn write_item_csv(item: &Item, out: &mut impl Write) -> io::Result<()> {
    let time = |at: Option<crate::engine::events::event::Timestamp>| {
        at.map(|at| at.0.to_string()).unwrap_or_default()
    };
    let attributes: Vec<String> =
        item.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut row = csv::Writer::from_writer(out);
    row.write_record([
        item.item_id.as_str(),
        &item.categories.join("|"),
        &time(item.created_at),
        &time(item.expires_at),
        if item.available { "true" } else { "false" },
        &attributes.join("|"),
        item.title.as_deref().unwrap_or_default(),
    ])?;
    row.flush()
}
