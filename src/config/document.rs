//! Reads a TOML text into a flat list of keys and values that remember their lines.
//!
//! Serde would stop at the first mistake; a flat list lets the readers of settings and of models
//! look at every key and name everything that is wrong.

use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The tables that it is in and its own name. A table in an array is `name[0]`, `name[1]`, ...
    pub path: Vec<String>,
    /// Never a table, unless it is an empty one.
    pub value: Value,
    /// From 1.
    pub line: usize,
}

impl Entry {
    /// The path, dotted.
    pub fn key(&self) -> String {
        self.path.join(".")
    }
}

/// Why a text is not TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

/// Every entry, in the order of the text.
///
/// # Errors
/// Every place where the text is not TOML.
pub(crate) fn entries(text: &str) -> Result<Vec<Entry>, Vec<SyntaxError>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let line_of = |error: &toml::de::Error| line_at(text, &error.span().unwrap_or(0..0));
        let describe = |error: &toml::de::Error| error.message().trim().replace('\n', ", ");
        let mut errors: Vec<_> = errors
            .iter()
            .map(|error| SyntaxError { line: line_of(error), message: describe(error) })
            .collect();
        errors.sort_by_key(|error| error.line);
        return Err(errors);
    }
    let mut found = Vec::new();
    let mut path = Vec::new();
    flatten(text, table.get_ref(), &mut path, &mut found);
    found.sort_by_key(|(start, _)| *start);
    Ok(found.into_iter().map(|(_, entry)| entry).collect())
}

fn flatten(text: &str, table: &DeTable<'_>, path: &mut Vec<String>, found: &mut Vec<(usize, Entry)>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => flatten(text, inner, path, found),
            DeValue::Array(items)
                if !items.is_empty() && items.iter().all(|item| item.get_ref().is_table()) =>
            {
                let name = path.pop().unwrap_or_default();
                for (index, item) in items.iter().enumerate() {
                    path.push(format!("{name}[{index}]"));
                    match item.get_ref() {
                        DeValue::Table(inner) if !inner.is_empty() => flatten(text, inner, path, found),
                        _ => found.push(entry(text, path, item.span(), item)),
                    }
                    path.pop();
                }
                path.push(name);
            }
            _ => found.push(entry(text, path, key.span(), value)),
        }
        path.pop();
    }
}

fn entry(text: &str, path: &[String], span: Range<usize>, value: &Spanned<DeValue<'_>>) -> (usize, Entry) {
    let line = line_at(text, &span);
    (span.start, Entry { path: path.to_vec(), value: owned(value.get_ref()), line })
}

fn line_at(text: &str, span: &Range<usize>) -> usize {
    1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count()
}

/// A number that does not fit is kept as its text: every rule for numbers refuses that, and the
/// message shows what was written.
fn owned(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::String(number.as_str().to_owned()),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Value::Float(number),
            Err(_) => Value::String(number.as_str().to_owned()),
        },
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(time) => Value::Datetime(*time),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| owned(item.get_ref())).collect()),
        DeValue::Table(table) => {
            let pairs = table.iter().map(|(key, value)| (key.get_ref().to_string(), owned(value.get_ref())));
            Value::Table(pairs.collect())
        }
    }
}

/// The value that a text from outside a file stands for, if it is TOML.
pub(crate) fn value(text: &str) -> Option<Value> {
    DeValue::parse(text).ok().map(|value| owned(value.get_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_flat_in_order_and_know_their_lines() {
        let text = "b.c = 1\n[z]\nx = 'y'\n[[list]]\nk = 0x10\n[[list]]\n[a]\n\"p.q\" = [1.5, 2]\n";
        let entries = entries(text).unwrap();
        let seen: Vec<_> = entries.iter().map(|e| (e.key(), e.value.to_string(), e.line)).collect();
        let expected = [
            ("b.c", "1", 1),
            ("z.x", "\"y\"", 3),
            ("list[0].k", "16", 5),
            ("list[1]", "{}", 6),
            ("a.p.q", "[1.5, 2]", 8),
        ];
        assert_eq!(seen, expected.map(|(key, value, line)| (key.to_owned(), value.to_owned(), line)));
    }

    #[test]
    fn every_syntax_error_is_named_with_its_line() {
        let errors = entries("a = \nb = 1\nc = [1,,2]\n").unwrap_err();
        assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [1, 3]);
        assert!(errors.iter().all(|error| !error.message.is_empty()), "{errors:?}");
    }
}
