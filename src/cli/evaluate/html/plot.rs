//! Plots as SVG: bars and columns, each with its interval.

use std::fmt::Write;

use super::escape::escape;
use crate::evaluation::interval::Estimate;

/// Measures in pixels of a bar chart.
const WIDTH: f64 = 430.0;
const NAMES: f64 = 105.0;
const VALUES: f64 = 46.0;
const ROW: f64 = 22.0;
/// The height of columns.
const HEIGHT: f64 = 120.0;

/// One bar.
pub(super) struct Bar {
    pub name: String,
    pub estimate: Option<Estimate>,
    /// Whether it stands out.
    pub strong: bool,
}

/// From 0 to the greatest that is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale(f64);

impl Scale {
    /// One that has room for all of these.
    pub fn of<'a>(bars: impl IntoIterator<Item = &'a Bar>) -> Self {
        let ends = bars.into_iter().filter_map(|bar| bar.estimate).map(|estimate| greatest(&estimate));
        Self(ends.fold(0.0, f64::max))
    }

    /// Where a number lies on `length` pixels.
    fn place(self, number: f64, length: f64) -> f64 {
        if self.0 > 0.0 { (number / self.0).clamp(0.0, 1.0) * length } else { 0.0 }
    }
}

/// The upper end, where there is one.
fn greatest(estimate: &Estimate) -> f64 {
    if estimate.high.is_finite() { estimate.high } else { estimate.value }
}

/// Bars from left to right, one below the other. A line stands where `line` is.
pub(super) fn bars(title: &str, under: &str, bars: &[Bar], scale: Scale, line: Option<f64>) -> String {
    let (height, long) = (ROW * bars.len() as f64 + 4.0, WIDTH - NAMES - VALUES);
    let mut svg = String::new();
    open(&mut svg, title, under, height);
    let x = |number: f64| NAMES + scale.place(number, long);
    for (row, bar) in bars.iter().enumerate() {
        let (top, middle) = (ROW * row as f64 + 4.0, ROW * (row as f64 + 0.5) + 2.0);
        let name = shortened(&bar.name);
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
            NAMES - 6.0,
            middle + 4.0
        );
        let Some(estimate) = bar.estimate else { continue };
        let class = if bar.strong { "strong" } else { "plain" };
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{NAMES}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"/>",
            x(estimate.value) - NAMES,
            ROW - 6.0
        );
        if estimate.high.is_finite() && estimate.low.is_finite() {
            let _ = write!(
                svg,
                "<line class=\"range\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>",
                x(estimate.low),
                x(estimate.high)
            );
        }
        let _ = write!(
            svg,
            "<text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\">{:.3}</text>",
            x(greatest(&estimate)) + 5.0,
            middle + 4.0,
            estimate.value
        );
    }
    for (class, at) in [("axis", Some(0.0)), ("mark", line)] {
        if let Some(at) = at {
            let _ = write!(
                svg,
                "<line class=\"{class}\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"0\" y2=\"{height:.1}\"/>",
                x(at)
            );
        }
    }
    svg.push_str("</svg></figure>\n");
    svg
}

/// Columns from left to right, each with the name of its group.
pub(super) fn columns(
    title: &str,
    groups: &[&str],
    values: &[Option<Estimate>],
    scale: Scale,
    strong: bool,
) -> String {
    let (wide, long) = (WIDTH / groups.len().max(1) as f64, HEIGHT - 18.0);
    let mut svg = String::new();
    open(&mut svg, title, "", HEIGHT);
    let y = |number: f64| long - scale.place(number, long);
    let class = if strong { "strong" } else { "plain" };
    for (index, (group, value)) in groups.iter().zip(values).enumerate() {
        let left = wide * index as f64;
        let middle = left + wide / 2.0;
        if index % 3 == 0 {
            let _ = write!(
                svg,
                "<text class=\"soft\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                HEIGHT - 4.0,
                escape(group)
            );
        }
        let Some(estimate) = value else { continue };
        let top = y(estimate.value);
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            left + 2.0,
            wide - 4.0,
            long - top
        );
        if estimate.high.is_finite() && estimate.low.is_finite() {
            let _ = write!(
                svg,
                "<line class=\"range\" x1=\"{middle:.1}\" x2=\"{middle:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>",
                y(estimate.low),
                y(estimate.high)
            );
        }
    }
    let _ = write!(svg, "<line class=\"axis\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{long:.1}\" y2=\"{long:.1}\"/>");
    svg.push_str("</svg></figure>\n");
    svg
}

fn open(svg: &mut String, title: &str, under: &str, height: f64) {
    let (title, under) = (escape(title), escape(under));
    let _ = write!(
        svg,
        "<figure><figcaption>{title} <span>{under}</span></figcaption><svg viewBox=\"0 0 {WIDTH} {height:.0}\" \
         role=\"img\" aria-label=\"{title}\">"
    );
}

/// A name that has room beside its bar.
fn shortened(name: &str) -> String {
    const MOST: usize = 16;
    let mut start: String = name.chars().take(MOST).collect();
    if start.len() < name.len() {
        start.pop();
        start.push('…');
    }
    escape(&start)
}
