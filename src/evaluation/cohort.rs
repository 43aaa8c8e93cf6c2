//! Kinds of questions, by which figures are told apart.

use super::contender::VISIT_GAP;
use super::tally::Asked;
use crate::engine::time::{DAY, HOUR};

/// A way to tell questions apart.
#[derive(Clone, Copy, Debug)]
pub struct Cohorts {
    /// By what.
    pub by: &'static str,
    /// The groups, in order.
    pub groups: &'static [&'static str],
    /// In which of them a question is.
    pub of: fn(&Asked) -> usize,
}

/// Every way, in the order of reports.
pub static COHORTS: [Cohorts; 5] = [
    Cohorts { by: "earlier events of the user", groups: &["1", "2 to 5", "6 to 20", "more"], of: earlier },
    Cohorts {
        by: "last event of the user",
        groups: &["within 30 min", "longer ago: a new visit"],
        of: visit,
    },
    Cohorts { by: "first event on the item", groups: &["within 1 h", "within 24 h", "longer ago"], of: age },
    Cohorts {
        by: "position in the visit",
        groups: &["1", "2", "3", "4", "5 to 9", "10 and on"],
        of: position,
    },
    Cohorts { by: "hour of the day (UTC)", groups: &HOURS, of: hour },
];

const HOURS: [&str; 24] = [
    "00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16",
    "17", "18", "19", "20", "21", "22", "23",
];

fn earlier(asked: &Asked) -> usize {
    match asked.earlier {
        0 | 1 => 0,
        2..=5 => 1,
        6..=20 => 2,
        _ => 3,
    }
}

fn visit(asked: &Asked) -> usize {
    usize::from(asked.gap > VISIT_GAP)
}

fn age(asked: &Asked) -> usize {
    match asked.age {
        ..HOUR => 0,
        HOUR..DAY => 1,
        _ => 2,
    }
}

fn position(asked: &Asked) -> usize {
    match asked.position {
        0 | 1 => 0,
        position @ 2..=4 => position as usize - 1,
        5..=9 => 4,
        _ => 5,
    }
}

fn hour(asked: &Asked) -> usize {
    (asked.ts.rem_euclid(DAY) / HOUR) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_begins_where_its_name_says() {
        let asked = Asked { place: 0, user: 0, ts: 0, earlier: 1, gap: 0, age: 0, position: 1 };
        let groups =
            |asked: Asked| COHORTS.map(|cohorts| *cohorts.groups.get((cohorts.of)(&asked)).expect("a group"));
        assert_eq!(groups(asked), ["1", "within 30 min", "within 1 h", "1", "00"]);
        let (earlier, gap, age, position) = (5, VISIT_GAP, HOUR - 1, 4);
        assert_eq!(
            groups(Asked { earlier, gap, age, position, ts: HOUR, ..asked }),
            ["2 to 5", "within 30 min", "within 1 h", "4", "01"]
        );
        let (earlier, gap, age, position) = (6, VISIT_GAP + 1, HOUR, 5);
        assert_eq!(
            groups(Asked { earlier, gap, age, position, ts: DAY - 1, ..asked }),
            ["6 to 20", "longer ago: a new visit", "within 24 h", "5 to 9", "23"]
        );
        let (earlier, age, position) = (21, DAY, 10);
        let last = groups(Asked { earlier, age, position, ts: -1, ..asked });
        assert_eq!(last, ["more", "within 30 min", "longer ago", "10 and on", "23"]);
    }
}
