//! A report as text.

use std::io::{self, Write};

use super::super::print::{counted, write_table};
use super::protocols::STREAM;
use crate::evaluation::interval::Estimate;
use crate::evaluation::report::{Cohort, Contender, Report};

/// A table with more groups than this is wider than most terminals: JSON and HTML have it.
const MOST_GROUPS: usize = 8;

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "protocol {}:", report.protocol.name)?;
    report.protocol.rules.iter().try_for_each(|rule| writeln!(out, "  {rule}"))?;
    let data = &report.data;
    let (events, users) = (counted(data.events, "event"), counted(data.users, "user"));
    writeln!(out, "{events} by {users}, {} to {}; {}", data.first, data.last, counted(data.items, "item"))?;
    if report.protocol.name != STREAM {
        let (asked, users) = (counted(data.asked, "question"), counted(data.askers, "user"));
        writeln!(out, "{asked} asked, by {users}")?;
    } else {
        writeln!(
            out,
            "{} of {} asked, by {}; no question where the user has no earlier event ({}), has had the item ({}), nobody \
         has had it ({}), it may not be listed ({})",
            data.asked,
            counted(data.eligible, "possible question"),
            counted(data.askers, "user"),
            data.left_out.first_of_user,
            data.left_out.seen,
            data.left_out.first_of_item,
            data.left_out.not_live
        )?;
    }
    writeln!(out)?;
    write_table(&worth(report), out)?;
    if let Some(best) = &report.best_window {
        writeln!(out, "the best window of popularity is {best}")?;
    }
    writeln!(out)?;
    write_table(&listed(report), out)?;
    let recalls = recalls(report);
    if recalls.len() > 1 {
        writeln!(out)?;
        write_table(&recalls, out)?;
    }
    for cohort in &report.cohorts {
        if cohort.groups.len() <= MOST_GROUPS {
            writeln!(out)?;
            write_table(&by_cohort(report, cohort), out)?;
        }
    }
    Ok(())
}

/// What lists are worth.
fn worth(report: &Report) -> Vec<Vec<String>> {
    let Report { n, base, .. } = report;
    let head = ["".to_owned(), format!("MRR@{n}"), format!("HR@{n}"), format!("NDCG@{n}")];
    let against = [format!("MRR / {base}"), "less it".to_owned(), format!("HR / {base}")];
    let row = |contender: &Contender| {
        let figures = &contender.figures;
        let mut row = vec![contender.name.clone()];
        row.extend([&figures.mrr, &figures.hr, &figures.ndcg].map(|figure| wide(figure.as_ref(), 4)));
        match &contender.against_base {
            Some(against) => row.extend([
                wide(against.mrr.ratio.as_ref(), 3),
                wide(against.mrr.difference.as_ref(), 4),
                wide(against.hr.ratio.as_ref(), 3),
            ]),
            None => row.extend(["1", "0", "1"].map(str::to_owned)),
        }
        row
    };
    table(head.into_iter().chain(against), report.contenders.iter().map(row))
}

/// What is in the lists.
fn listed(report: &Report) -> Vec<Vec<String>> {
    let head = [
        "",
        "items listed",
        "of all",
        "first places",
        "commonest first",
        "overlap",
        "popularity",
        "novelty (bits)",
    ];
    let row = |contender: &Contender| {
        let figures = &contender.figures;
        vec![
            contender.name.clone(),
            figures.listed.to_string(),
            percent(figures.coverage),
            figures.first_places.to_string(),
            percent(figures.commonest_first),
            wide(figures.overlap.as_ref(), 3),
            wide(figures.popularity.as_ref(), 4),
            wide(figures.novelty.as_ref(), 2),
        ]
    };
    table(head.map(str::to_owned).into_iter(), report.contenders.iter().map(row))
}

/// What is among the candidates of those that can tell.
fn recalls(report: &Report) -> Vec<Vec<String>> {
    let able =
        || report.contenders.iter().filter_map(|contender| Some((contender, contender.recall.as_ref()?)));
    let mut head = vec!["candidates with what was clicked".to_owned(), "any source".to_owned()];
    if let Some((_, recall)) = able().next() {
        head.extend(recall.by_source.iter().map(|(source, _)| source.clone()));
    }
    let row = |(contender, recall): (&Contender, &crate::evaluation::report::Recall)| {
        let mut row = vec![contender.name.clone(), wide(recall.any.as_ref(), 3)];
        row.extend(recall.by_source.iter().map(|(_, share)| value(share.as_ref(), 3)));
        row
    };
    table(head.into_iter(), able().map(row))
}

/// The MRR of each group, and what it is of that of the base.
fn by_cohort(report: &Report, cohort: &Cohort) -> Vec<Vec<String>> {
    let head = std::iter::once(format!("MRR@{} by {}", report.n, cohort.by));
    let head = head.chain(cohort.groups.iter().map(|group| group.name.clone()));
    let asked = std::iter::once("questions".to_owned());
    let asked = asked.chain(cohort.groups.iter().map(|group| group.asked.to_string())).collect();
    let row = |(index, contender): (usize, &Contender)| {
        let mut row = vec![contender.name.clone()];
        row.extend(cohort.groups.iter().map(|group| {
            let own = &group.contenders[index];
            let ratio = own.mrr_ratio.as_ref().filter(|_| contender.name != report.base);
            let ratio = ratio.map(|ratio| format!(" x {:.2}", ratio.value)).unwrap_or_default();
            format!("{}{ratio}", value(own.mrr.as_ref(), 3))
        }));
        row
    };
    let mut rows = table(head, (0..).zip(&report.contenders).map(row));
    rows.insert(1, asked);
    rows
}

fn table(head: impl Iterator<Item = String>, rows: impl Iterator<Item = Vec<String>>) -> Vec<Vec<String>> {
    std::iter::once(head.collect()).chain(rows).collect()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn value(estimate: Option<&Estimate>, digits: usize) -> String {
    estimate.map_or_else(|| "-".to_owned(), |estimate| format!("{:.digits$}", estimate.value))
}

/// A figure with its interval: from and to where that is lopsided.
fn wide(estimate: Option<&Estimate>, digits: usize) -> String {
    match estimate {
        Some(Estimate { value, low, high }) if low.is_finite() && high.is_finite() => {
            format!("{value:.digits$} ({low:.digits$} {high:.digits$})")
        }
        estimate => value(estimate, digits),
    }
}
