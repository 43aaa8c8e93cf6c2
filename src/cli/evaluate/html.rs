//! A report as one HTML page that needs nothing else: no script, no font, no address.

mod escape;
mod plot;

use std::fmt::Write;

use escape::escape;
use plot::{Bar, Scale, bars, columns};

use super::protocols::STREAM;
use crate::evaluation::interval::Estimate;
use crate::evaluation::report::{Cohort, Contender, InGroup, Report};

const STYLE: &str = include_str!("html/style.css");
/// Cohorts of more groups than this are a row of columns for each contender, not a panel for each group.
const MOST_PANELS: usize = 8;

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut page = String::new();
    let title = format!("What the lists were worth: protocol {}", escape(&report.protocol.name));
    page.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    put(
        &mut page,
        format_args!("<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"),
    );
    put(&mut page, format_args!("<h1>{title}</h1>\n"));
    summary(&mut page, report);
    worth(&mut page, report);
    report.cohorts.iter().for_each(|cohort| by_cohort(&mut page, report, cohort));
    figures(&mut page, report);
    recalls(&mut page, report);
    report.cohorts.iter().for_each(|cohort| cohort_table(&mut page, cohort));
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn put(page: &mut String, what: std::fmt::Arguments<'_>) {
    // A text takes whatever is written to it.
    let _ = page.write_fmt(what);
}

fn summary(page: &mut String, report: &Report) {
    let data = &report.data;
    put(
        page,
        format_args!(
            "<p class=\"lead\">{} events by {} users on {} items, {} to {}.</p>\n",
            data.events,
            data.users,
            data.items,
            escape(&data.first),
            escape(&data.last)
        ),
    );
    if report.protocol.name == STREAM {
        let left_out = &data.left_out;
        put(
            page,
            format_args!(
                "<p>{} of {} possible questions were asked, by {} users. There is none where the user has no earlier \
                 event ({}), has had the item ({}), nobody has had it ({}), or it may not be listed ({}).</p>\n",
                data.asked,
                data.eligible,
                data.askers,
                left_out.first_of_user,
                left_out.seen,
                left_out.first_of_item,
                left_out.not_live
            ),
        );
    } else {
        put(page, format_args!("<p>{} questions were asked, by {} users.</p>\n", data.asked, data.askers));
    }
    page.push_str("<h2>The protocol</h2>\n<ul>\n");
    for rule in &report.protocol.rules {
        put(page, format_args!("<li>{}</li>\n", escape(rule)));
    }
    page.push_str("</ul>\n");
}

/// Bars of what lists are worth.
fn worth(page: &mut String, report: &Report) {
    let n = report.n;
    let best = report.best_window.as_ref();
    let best =
        best.map(|best| format!(" The best window of popularity is {}.", escape(best))).unwrap_or_default();
    put(
        page,
        format_args!(
            "<h2>What lists are worth</h2>\n<p>With intervals of 95 %. Models are in colour.{best}</p>\n<div class=\"panels wide\">\n"
        ),
    );
    type Of = fn(&Contender) -> Option<Estimate>;
    let charts: [(String, Of, Option<f64>); 4] = [
        (format!("MRR@{n}"), |contender| contender.figures.mrr, None),
        (format!("HR@{n}"), |contender| contender.figures.hr, None),
        (format!("NDCG@{n}"), |contender| contender.figures.ndcg, None),
        (
            format!("MRR@{n} over that of {}", report.base),
            |contender| contender.against_base.as_ref().map_or(Some(ONE), |against| against.mrr.ratio),
            Some(1.0),
        ),
    ];
    for (title, of, line) in charts {
        let bar = |contender: &Contender| Bar {
            name: contender.name.clone(),
            estimate: of(contender),
            strong: contender.model_version.is_some(),
        };
        let all: Vec<Bar> = report.contenders.iter().map(bar).collect();
        page.push_str(&bars(&title, "", &all, Scale::of(&all), line));
    }
    page.push_str("</div>\n");
}

/// What the base is of itself.
const ONE: Estimate = Estimate { value: 1.0, low: 1.0, high: 1.0 };

fn by_cohort(page: &mut String, report: &Report, cohort: &Cohort) {
    let by = escape(&cohort.by);
    put(page, format_args!("<h2>MRR@{} by {by}</h2>\n<div class=\"panels\">\n", report.n));
    let strong = |index: usize| report.contenders[index].model_version.is_some();
    let bar = |(index, own): (usize, &InGroup)| Bar {
        name: own.name.clone(),
        estimate: own.mrr,
        strong: strong(index),
    };
    let panels: Vec<Vec<Bar>> =
        cohort.groups.iter().map(|group| (0..).zip(&group.contenders).map(bar).collect()).collect();
    let scale = Scale::of(panels.iter().flatten());
    if cohort.groups.len() <= MOST_PANELS {
        for (group, panel) in cohort.groups.iter().zip(&panels) {
            let under = format!("{} questions", group.asked);
            page.push_str(&bars(&group.name, &under, panel, scale, None));
        }
    } else {
        let names: Vec<&str> = cohort.groups.iter().map(|group| group.name.as_str()).collect();
        for (index, contender) in report.contenders.iter().enumerate() {
            let own: Vec<Option<Estimate>> = panels.iter().map(|panel| panel[index].estimate).collect();
            page.push_str(&columns(&contender.name, &names, &own, scale, strong(index)));
        }
    }
    page.push_str("</div>\n");
}

fn figures(page: &mut String, report: &Report) {
    page.push_str("<h2>All figures</h2>\n");
    let (n, base) = (report.n, &report.base);
    let head = [
        String::new(),
        format!("MRR@{n}"),
        format!("HR@{n}"),
        format!("NDCG@{n}"),
        format!("MRR / {base}"),
        "less it".to_owned(),
        format!("HR / {base}"),
        "less it".to_owned(),
        format!("NDCG / {base}"),
        "less it".to_owned(),
        "items listed".to_owned(),
        "of all".to_owned(),
        "first places".to_owned(),
        "commonest first".to_owned(),
        "overlap".to_owned(),
        "popularity".to_owned(),
        "novelty (bits)".to_owned(),
    ];
    let row = |contender: &Contender| {
        let own = &contender.figures;
        let version =
            contender.model_version.as_ref().map(|version| format!(" ({version})")).unwrap_or_default();
        let mut row = vec![format!("{}{version}", contender.name)];
        row.extend([own.mrr, own.hr, own.ndcg].map(|figure| wide(figure, 4)));
        let against = contender.against_base.as_ref();
        for compared in against.iter().flat_map(|against| [&against.mrr, &against.hr, &against.ndcg]) {
            row.extend([wide(compared.ratio, 3), wide(compared.difference, 4)]);
        }
        row.resize(10, "-".to_owned());
        row.extend([
            own.listed.to_string(),
            percent(own.coverage),
            own.first_places.to_string(),
            percent(own.commonest_first),
            wide(own.overlap, 3),
            wide(own.popularity, 4),
            wide(own.novelty, 2),
        ]);
        row
    };
    table(page, &head, report.contenders.iter().map(row));
}

fn recalls(page: &mut String, report: &Report) {
    let able =
        || report.contenders.iter().filter_map(|contender| Some((contender, contender.recall.as_ref()?)));
    let Some((_, first)) = able().next() else { return };
    page.push_str("<h2>Candidates that had what was clicked</h2>\n");
    let sources = first.by_source.iter().map(|(source, _)| source.clone());
    let head: Vec<String> =
        [String::new(), "questions".to_owned(), "any source".to_owned()].into_iter().chain(sources).collect();
    let rows = able().map(|(contender, recall)| {
        let mut row = vec![contender.name.clone(), recall.asked.to_string(), wide(recall.any, 3)];
        row.extend(recall.by_source.iter().map(|(_, share)| wide(*share, 3)));
        row
    });
    table(page, &head, rows);
}

fn cohort_table(page: &mut String, cohort: &Cohort) {
    put(page, format_args!("<h2>By {}</h2>\n", escape(&cohort.by)));
    let head = ["", "questions", "contender", "MRR", "HR", "NDCG", "MRR / base"].map(str::to_owned);
    let rows = cohort.groups.iter().flat_map(|group| {
        group.contenders.iter().map(|own| {
            vec![
                group.name.clone(),
                group.asked.to_string(),
                own.name.clone(),
                wide(own.mrr, 4),
                wide(own.hr, 4),
                wide(own.ndcg, 4),
                wide(own.mrr_ratio, 3),
            ]
        })
    });
    page.push_str("<details><summary>The figures</summary>\n");
    table(page, &head, rows);
    page.push_str("</details>\n");
}

fn table(page: &mut String, head: &[String], rows: impl Iterator<Item = Vec<String>>) {
    page.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
    head.iter().for_each(|cell| put(page, format_args!("<th scope=\"col\">{}</th>", escape(cell))));
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        page.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            match column {
                0 => put(page, format_args!("<th scope=\"row\">{cell}</th>")),
                _ => put(page, format_args!("<td>{cell}</td>")),
            }
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn wide(estimate: Option<Estimate>, digits: usize) -> String {
    match estimate {
        None => "-".to_owned(),
        Some(Estimate { value, low, high }) if low.is_finite() && high.is_finite() => {
            format!("{value:.digits$} ({low:.digits$} to {high:.digits$})")
        }
        Some(Estimate { value, .. }) => format!("{value:.digits$}"),
    }
}
