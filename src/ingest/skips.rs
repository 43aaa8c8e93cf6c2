//! Records of events that an operator has told to leave out, by where they stand.
//!
//! State is a function of its log, and of this: whoever reads the log again has to leave out the same records. So
//! they are a setting, and not a command that moves a position once: a rebuild, another replica and the next owner
//! of a partition go by it too.

use std::fmt;
use std::str::FromStr;

use crate::log::{Offset, Partition};

/// Records of one partition, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkippedRange {
    partition: Partition,
    first: Offset,
    last: Offset,
}

/// Records that are not applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skips(Vec<SkippedRange>);

impl Skips {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a record is one of them.
    pub fn contains(&self, partition: Partition, offset: Offset) -> bool {
        self.0
            .iter()
            .any(|range| range.partition == partition && (range.first..=range.last).contains(&offset))
    }

    /// The ranges, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &SkippedRange> {
        self.0.iter()
    }
}

impl FromIterator<SkippedRange> for Skips {
    fn from_iter<T: IntoIterator<Item = SkippedRange>>(ranges: T) -> Self {
        Self(ranges.into_iter().collect())
    }
}

/// It is written in another way.
#[derive(Debug, PartialEq, Eq)]
pub struct NotARange;

impl FromStr for SkippedRange {
    type Err = NotARange;

    /// Reads `PARTITION:FIRST-LAST`, or `PARTITION:OFFSET` for one record.
    fn from_str(text: &str) -> Result<Self, NotARange> {
        let number = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
            true => digits.parse::<u64>().map_err(|_| NotARange),
            false => Err(NotARange),
        };
        let (partition, offsets) = text.split_once(':').ok_or(NotARange)?;
        let partition = u32::try_from(number(partition)?).map_err(|_| NotARange)?;
        let (first, last) = offsets.split_once('-').unwrap_or((offsets, offsets));
        let (first, last) = (number(first)?, number(last)?);
        // A position behind the last one has to be an offset, too.
        let fits = first <= last && i64::try_from(last).is_ok();
        let range = Self { partition: Partition(partition), first: Offset(first), last: Offset(last) };
        fits.then_some(range).ok_or(NotARange)
    }
}

impl fmt::Display for SkippedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, first, last } = self;
        match first == last {
            true => write!(f, "{partition}:{first}"),
            false => write!(f, "{partition}:{first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_they_are_written() {
        for text in ["0:0", "3:12000-12345", "7:5-6"] {
            assert_eq!(text.parse::<SkippedRange>().map(|range| range.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("1:5-5".parse::<SkippedRange>().map(|range| range.to_string()), Ok("1:5".to_owned()));
        for text in
            ["", "3", "3:", ":5", "3:5-", "3:-5", "3:6-5", "3:+5", " 3:5", "3:5-6-7", "-1:5", "4294967296:1"]
        {
            assert_eq!(text.parse::<SkippedRange>(), Err(NotARange), "{text}");
        }
        assert_eq!("0:9223372036854775808".parse::<SkippedRange>(), Err(NotARange));
    }

    #[test]
    fn both_ends_of_a_range_are_left_out_and_nothing_else() {
        let ranges = ["3:5-7", "4:1"].map(|text| text.parse::<SkippedRange>().expect("a range"));
        let skips: Skips = ranges.into_iter().collect();
        let left_out: Vec<u64> =
            (0..10).filter(|offset| skips.contains(Partition(3), Offset(*offset))).collect();
        assert_eq!(left_out, [5, 6, 7]);
        assert!(skips.contains(Partition(4), Offset(1)) && !skips.contains(Partition(0), Offset(5)));
        assert!(Skips::default().is_empty() && !skips.is_empty());
    }
}
