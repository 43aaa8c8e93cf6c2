//! Ranges of offsets, as operators write them.

use toml::Value;

use super::rules::Rule;
use crate::ingest::skips::{SkippedRange, Skips};

/// Ranges of offsets of partitions, which may be none.
pub(super) struct Ranges;

impl Rule for Ranges {
    type Out = Skips;

    fn expected(&self) -> String {
        "ranges of offsets as PARTITION:FIRST-LAST, such as [\"3:12000-12345\", \"5:77\"], or []".to_owned()
    }

    fn read(&self, value: &Value) -> Option<Skips> {
        let range = |value: &Value| value.as_str()?.parse::<SkippedRange>().ok();
        value.as_array()?.iter().map(range).collect()
    }

    fn show(&self, out: &Skips) -> Value {
        out.iter().map(|range| Value::from(range.to_string())).collect::<Vec<_>>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_a_list_of_texts() {
        let list = |texts: &[&str]| Value::from(texts.to_vec());
        let given = list(&["3:5-7", "0:1"]);
        assert_eq!(Ranges.read(&given).map(|skips| Ranges.show(&skips)), Some(given));
        assert_eq!(Ranges.read(&list(&[])), Some(Skips::default()));
        assert_eq!(Ranges.read(&list(&["3:5-7", "x"])), None);
        assert_eq!(Ranges.read(&Value::from("3:5")), None);
    }
}
