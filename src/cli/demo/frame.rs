//! What the demo shows, as lines of text: pure, so that it can be looked at in tests.

use std::borrow::Cow;
use std::fmt::Write;

use console::{Alignment, Style, measure_text_width, pad_str, truncate_str};
use indicatif::HumanCount;

/// Everything that is to be seen.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// Where the log is.
    pub log: String,
    /// Where gRPC is served.
    pub grpc: String,
    /// Where metrics are served.
    pub http: String,
    /// The model that ranks.
    pub model: String,
    /// Items in the catalog.
    pub items: usize,
    /// Events that were acknowledged.
    pub events: u64,
    /// How many people they are of.
    pub people: u32,
    /// What is being waited for, before there is a list.
    pub loading: Option<String>,
    /// How far the story is.
    pub step: String,
    /// What she does.
    pub deed: Deed,
    /// What came of it.
    pub outcome: String,
    /// Her list.
    pub rows: Vec<Row>,
    /// Her interests of the last hour.
    pub interests: Vec<(String, f64)>,
    /// What is trending: titles, and how many turned to them in the last hour.
    pub trending: Vec<(String, u64)>,
    /// What she did before, newest first.
    pub earlier: Vec<String>,
    /// What to try next. It takes the place of what she did before.
    pub hints: Vec<Hint>,
}

/// Something that she does.
#[derive(Clone, Debug, Default)]
pub(super) struct Deed {
    /// Such as `Ada clicks`.
    pub what: String,
    /// The item.
    pub title: String,
    /// Its main category.
    pub category: String,
}

/// Something to try.
#[derive(Clone, Debug)]
pub(super) enum Hint {
    Text(String),
    /// The parts of a command: where it is too long for a line, it goes on with a part on the next.
    Command(Vec<String>),
}

impl Hint {
    /// As lines of at most so many columns, if its parts are short enough.
    fn lines(&self, columns: usize) -> Vec<String> {
        let parts = match self {
            Self::Text(text) => return vec![text.clone()],
            Self::Command(parts) => parts,
        };
        let mut lines: Vec<String> = Vec::new();
        for part in parts {
            match lines.last_mut() {
                // Room for the backslash too.
                Some(line) if line.chars().count() + part.chars().count() + 3 <= columns => {
                    line.push(' ');
                    line.push_str(part);
                }
                Some(line) => {
                    line.push_str(" \\");
                    lines.push(format!("    {part}"));
                }
                None => lines.push(format!("  {part}")),
            }
        }
        lines
    }
}

/// A line of her list.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub rank: u32,
    pub movement: Movement,
    pub title: String,
    pub category: String,
    pub score: f64,
    pub reason: String,
}

/// How a line came to be where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Movement {
    New,
    Up(usize),
    Down(usize),
    Stayed,
}

impl Movement {
    /// From the places in the list before and after, from 0.
    pub fn between(before: Option<usize>, after: usize) -> Self {
        match before {
            None => Self::New,
            Some(before) if before > after => Self::Up(before - after),
            Some(before) if before < after => Self::Down(after - before),
            Some(_) => Self::Stayed,
        }
    }

    fn words(self) -> String {
        match self {
            Self::New => "new".to_owned(),
            Self::Up(places) => format!("up {places}"),
            Self::Down(places) => format!("down {places}"),
            Self::Stayed => String::new(),
        }
    }

    fn arrow(self) -> String {
        match self {
            Self::New => "new".to_owned(),
            Self::Up(places) => format!("▲ {places}"),
            Self::Down(places) => format!("▼ {places}"),
            Self::Stayed => String::new(),
        }
    }

    fn style(self) -> Style {
        match self {
            Self::New => GREEN,
            Self::Up(_) => CYAN,
            Self::Down(_) | Self::Stayed => DIM,
        }
    }
}

const PLAIN: Style = Style::new();
const BOLD: Style = PLAIN.bold();
const DIM: Style = PLAIN.dim();
const GREEN: Style = PLAIN.green();
const CYAN: Style = PLAIN.cyan();
const YELLOW: Style = PLAIN.yellow();

/// The room that there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub rows: usize,
    pub columns: usize,
    pub colours: bool,
}

/// Columns of a frame, whatever the terminal's width.
const WIDEST: usize = 100;
const CATEGORY: usize = 13;
const REASON: usize = 24;
/// With fewer columns reasons are told in fewer words.
const WIDE: usize = 96;
const SHORT_REASON: usize = 18;
/// Lines of a frame that are not the list and not the tail.
const FIXED: usize = 12;

/// A line that is being put together: cut at the width, coloured where that is wanted.
struct Line {
    text: String,
    left: usize,
    colours: bool,
}

impl Line {
    fn new(room: Room) -> Self {
        Self { text: " ".to_owned(), left: room.columns.min(WIDEST).saturating_sub(2), colours: room.colours }
    }

    fn add(mut self, style: Style, text: &str) -> Self {
        let cut = fit(text, self.left);
        self.left -= measure_text_width(&cut);
        if !cut.is_empty() {
            // Writing to a string can't fail.
            let _ = write!(self.text, "{}", style.force_styling(self.colours).apply_to(cut));
        }
        self
    }

    fn end(self) -> String {
        self.text.trim_end().to_owned()
    }
}

/// A text in at most so many columns.
fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    if columns == 0 { Cow::Borrowed("") } else { truncate_str(text, columns, "…") }
}

/// A text in exactly so many columns.
fn cell(text: &str, columns: usize) -> Cow<'_, str> {
    pad_str(text, columns, Alignment::Left, Some("…"))
}

/// The picture for a terminal.
pub(super) fn frame(view: &View, room: Room) -> Vec<String> {
    let line = || Line::new(room);
    let mut lines = vec![
        line().add(BOLD, "headwater demo").add(DIM, &format!("   {}", addresses(view))).end(),
        line().add(DIM, &counts(view)).end(),
        String::new(),
    ];
    if let Some(loading) = &view.loading {
        lines.push(line().add(PLAIN, &format!("{loading} …")).end());
        return lines;
    }
    let Deed { what, title, category } = &view.deed;
    let category = if category.is_empty() { String::new() } else { format!("  {category}") };
    lines.push(
        line()
            .add(DIM, &cell(&view.step, 7))
            .add(PLAIN, &format!("{what} "))
            .add(BOLD, title)
            .add(DIM, &category)
            .end(),
    );
    lines.push(line().add(PLAIN, &cell("", 7)).add(YELLOW, &view.outcome).end());
    lines.push(String::new());

    let columns = line().left;
    let (tail, style) = match view.hints.is_empty() {
        true => (view.earlier.clone(), DIM),
        false => (view.hints.iter().flat_map(|hint| hint.lines(columns)).collect(), PLAIN),
    };
    let (rows, tail_lines) = share(room.rows, view.rows.len(), tail.len());
    lines.extend(list(view, room, rows));
    lines.push(String::new());
    lines.push(interests(view, line()));
    lines.push(trending(view, line()));
    lines.push(String::new());
    lines.extend(tail.iter().take(tail_lines).map(|text| line().add(style.clone(), text).end()));
    lines
}

/// How many lines the list and the tail get of what there is: the list has its ten before the tail
/// has more than five.
fn share(rows: usize, list: usize, tail: usize) -> (usize, usize) {
    let left = rows.saturating_sub(FIXED);
    let list_lines = list.min(left.saturating_sub(tail.min(5))).max(list.min(3));
    (list_lines, tail.min(left.saturating_sub(list_lines)))
}

fn addresses(view: &View) -> String {
    format!("{} · gRPC {} · HTTP {}", view.log, view.grpc, view.http)
}

fn counts(view: &View) -> String {
    let parts = [
        (view.items > 0).then(|| format!("{} items", HumanCount(view.items as u64))),
        (view.people > 0).then(|| format!("{} people", HumanCount(view.people.into()))),
        (view.events > 0).then(|| format!("{} events", HumanCount(view.events))),
        (!view.model.is_empty()).then(|| format!("model {}", view.model)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn list(view: &View, room: Room, rows: usize) -> Vec<String> {
    let width = room.columns.min(WIDEST).saturating_sub(2);
    let short = width + 2 < WIDE;
    let why = if short { SHORT_REASON } else { REASON };
    let title = width.saturating_sub(3 + 5 + CATEGORY + 7 + why).max(16);
    let heads = [("#", 3), ("", 5), ("her list", title), ("category", CATEGORY), ("score", 7), ("why", why)];
    let add = |line: Line, (text, width): &(&str, usize)| line.add(DIM, &cell(text, *width));
    let head = heads.iter().fold(Line::new(room), add);
    let row = |row: &Row| {
        let style = if row.movement == Movement::New { GREEN } else { PLAIN };
        let reason = if short { row.reason.replace("interest in", "likes") } else { row.reason.clone() };
        Line::new(room)
            .add(DIM, &cell(&row.rank.to_string(), 3))
            .add(row.movement.style(), &cell(&row.movement.arrow(), 5))
            .add(style, &cell(&row.title, title - 1))
            .add(PLAIN, " ")
            .add(DIM, &cell(&row.category, CATEGORY))
            .add(PLAIN, &cell(&format!("{:.3}", row.score), 7))
            .add(PLAIN, &fit(&reason, why))
            .end()
    };
    std::iter::once(head.end()).chain(view.rows.iter().take(rows).map(row)).collect()
}

fn interests(view: &View, line: Line) -> String {
    let line = line.add(DIM, &cell("her interests", 16));
    if view.interests.is_empty() {
        return line.add(DIM, "none yet").end();
    }
    let each = |line: Line, (category, interest): &(String, f64)| {
        let bars = (interest.abs() * 10.0).round() as usize;
        let style = if *interest < 0.0 { YELLOW } else { CYAN };
        line.add(PLAIN, &format!("{category} "))
            .add(style, &"▇".repeat(bars))
            .add(DIM, &format!(" {interest:.2}   "))
    };
    view.interests.iter().fold(line, each).end()
}

fn trending(view: &View, line: Line) -> String {
    let line = line.add(DIM, &cell("trending now", 16));
    let each = |line: Line, (title, recent): &(String, u64)| {
        line.add(PLAIN, &fit(title, 30)).add(DIM, &format!(" {recent}   "))
    };
    view.trending.iter().fold(line, each).end()
}

/// The first lines where there is no terminal.
pub(super) fn plain_head(view: &View) -> Vec<String> {
    vec![format!("headwater demo: {}", addresses(view))]
}

/// What she did and what her list is now, where there is no terminal.
pub(super) fn plain_step(view: &View) -> Vec<String> {
    let Deed { what, title, category } = &view.deed;
    let category = if category.is_empty() { String::new() } else { format!(" ({category})") };
    let step = if view.step.is_empty() { String::new() } else { format!("{} ", view.step) };
    let mut lines = vec![String::new(), format!("{step}{what} {title}{category}").trim_end().to_owned()];
    if !view.outcome.is_empty() {
        lines.push(format!("  {}", view.outcome));
    }
    lines.extend(view.rows.iter().map(|row| {
        let Row { rank, movement, title, category, score, reason } = row;
        let title = cell(title, 44);
        format!("  {rank:<3} {:<8} {title} {category:<13} {score:.3}  {reason}", movement.words())
    }));
    lines
}

/// What to try next, where there is no terminal: commands in one line.
pub(super) fn plain_hints(view: &View) -> Vec<String> {
    view.hints.iter().flat_map(|hint| hint.lines(usize::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        let row = |rank: u32| Row {
            rank,
            movement: Movement::between(Some(5), rank as usize - 1),
            title: "A beginner's guide to second-hand paperbacks, part 12".to_owned(),
            category: "photography".to_owned(),
            score: 0.4321,
            reason: "interest in photography".to_owned(),
        };
        View {
            grpc: "127.0.0.1:7400".into(),
            rows: (1..=10).map(row).collect(),
            interests: vec![("travel".into(), 0.75), ("jazz".into(), -0.3)],
            trending: vec![("Slow trains through Norway".into(), 40)],
            hints: (0..9).map(|line| Hint::Text(format!("hint {line}"))).collect(),
            deed: Deed { what: "Ada clicks".into(), title: "Slow trains".into(), category: "travel".into() },
            ..View::default()
        }
    }

    #[test]
    fn a_frame_fits_into_the_terminal() {
        for (rows, columns) in [(24, 80), (30, 100), (50, 200), (24, 40), (20, 72)] {
            let lines = frame(&view(), Room { rows, columns, colours: false });
            assert!(lines.len() < rows, "{} lines in {rows}", lines.len());
            let widest = lines.iter().map(|line| measure_text_width(line)).max().unwrap();
            assert!(widest < columns.min(WIDEST), "{widest} columns in {columns}");
        }
    }

    #[test]
    fn a_character_that_is_two_columns_wide_counts_as_such() {
        let view = View { outcome: "漢".repeat(100), ..view() };
        for line in frame(&view, Room { rows: 30, columns: 80, colours: false }) {
            assert!(measure_text_width(&line) < 80, "{line}");
        }
        assert_eq!(cell("漢字", 3), "漢…");
    }

    #[test]
    fn a_list_tells_what_moved_and_why() {
        let lines = frame(&view(), Room { rows: 30, columns: 80, colours: false });
        let row = |starts: &str| lines.iter().find(|line| line.starts_with(starts)).unwrap().clone();
        assert!(row(" 1 ").contains("▲ 5") && row(" 1 ").ends_with("0.432  likes photography"));
        assert!(row(" 7 ").contains("▼ 1"));
        assert_eq!(row(" her interests"), " her interests   travel ▇▇▇▇▇▇▇▇ 0.75   jazz ▇▇▇ -0.30");
        let plain = plain_step(&view());
        assert_eq!(plain[1], "Ada clicks Slow trains (travel)");
        assert!(plain[2].starts_with("  1   up 5     A beginner's guide to"), "{}", plain[2]);
    }

    #[test]
    fn without_colours_there_is_no_escape() {
        let room = Room { rows: 24, columns: 80, colours: true };
        assert!(frame(&view(), room).concat().contains("\x1b["));
        assert!(!frame(&view(), Room { colours: false, ..room }).concat().contains('\x1b'));
        assert!(!plain_step(&view()).concat().contains('\x1b'));
    }

    #[test]
    fn a_long_command_goes_on_in_the_next_line() {
        let command = Hint::Command(["one two", "three four", "five"].map(String::from).to_vec());
        assert_eq!(command.lines(80), ["  one two three four five"]);
        assert_eq!(command.lines(21), ["  one two \\", "    three four five"]);
    }
}
