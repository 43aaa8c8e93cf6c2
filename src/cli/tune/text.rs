//! What came of it, as text.

use std::io::{self, Write};

use super::super::print::{counted, write_table};
use super::told::Told;
use crate::evaluation::interval::Estimate;

pub(super) fn write(told: &Told<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (outcome, metric) = (told.outcome, told.metric.to_uppercase());
    let data = &told.data;
    let (events, users) = (counted(data.events as u64, "event"), counted(data.users as u64, "user"));
    writeln!(out, "{events} by {users}, {}; hash {}", counted(data.items as u64, "item"), data.hash)?;
    let last = outcome.generations.last().map_or(0, |last| last.number);
    writeln!(
        out,
        "{}, seed {}; the {} best were asked on the choose span\n",
        counted(last as u64, "generation"),
        outcome.seed,
        outcome.finalists
    )?;

    let mut rows = vec![["key", "current", "tuned"].map(str::to_owned).to_vec()];
    rows.extend(outcome.keys.iter().map(|key| vec![key.key.clone(), key.before.clone(), key.after.clone()]));
    write_table(&rows, out)?;
    writeln!(out)?;

    let head = ["span", "from", "questions", "current", "tuned", "gain", "tuned / current"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows[0][3] = format!("{metric} current");
    let compared = [Some(outcome.train), Some(outcome.choose), None];
    for (span, compared) in outcome.spans.iter().zip(compared) {
        let mut row = vec![span.name.clone(), span.from.clone(), span.asked.to_string()];
        match (compared, &outcome.report) {
            (Some(figures), _) => row.extend([
                format!("{:.4}", figures.current),
                format!("{:.4}", figures.tuned),
                format!("{:.4}", figures.tuned - figures.current),
                format!("{:.3}", figures.tuned / figures.current),
            ]),
            (None, Some(report)) => row.extend([
                wide(&report.current, 4),
                wide(&report.tuned, 4),
                wide(&report.difference, 4),
                report.ratio.as_ref().map_or_else(|| "-".to_owned(), |ratio| wide(ratio, 3)),
            ]),
            (None, None) => row.push("not asked".to_owned()),
        }
        rows.push(row);
    }
    write_table(&rows, out)?;
    if let Some(report) = &outcome.report {
        let mut rows =
            vec![vec!["part of the tuned model".to_owned(), format!("what {metric} loses without it")]];
        rows.extend(report.parts.iter().map(|part| vec![part.part.clone(), wide(&part.worth, 4)]));
        writeln!(out)?;
        write_table(&rows, out)?;
    }
    match &told.written {
        Some(path) => writeln!(out, "\nwrote {path}"),
        None => Ok(()),
    }
}

/// A figure with its interval of 95 %.
fn wide(estimate: &Estimate, digits: usize) -> String {
    let Estimate { value, low, high } = estimate;
    format!("{value:.digits$} ({low:.digits$} {high:.digits$})")
}
