//! What comes from data and may end up on a terminal. A title, an id or a server's message may hold characters that a
//! terminal takes for orders: to clear the screen, to name its window, to write from right to left. They are shown as
//! `\u001b`, as JSON writes them, so that what is printed with `--json` stays JSON that says the same.

use std::borrow::Cow;
use std::io::{self, Write};

use console::truncate_str;

/// Whether a terminal may do something else than show a character: controls (C0, DEL and C1), what turns the
/// direction of writing around, and what ends a line without being a line feed.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text in one line in which nothing steers a terminal.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    text.chars().for_each(|character| show(character, &mut shown));
    Cow::Owned(shown)
}

/// The beginning of a text in at most so many columns of one line, with `...` where more of it was. Nothing in it
/// steers a terminal.
pub(super) fn clipped(text: &str, columns: usize) -> String {
    // No character takes less than nothing, so these are more than enough; the rest is not looked at.
    let end = text.char_indices().nth(columns * 4).map_or(text.len(), |(end, _)| end);
    let start = visible(&text[..end]);
    match end == text.len() {
        true => truncate_str(&start, columns, "...").into_owned(),
        false => format!("{}...", truncate_str(&start, columns.saturating_sub(3), "")),
    }
}

fn show(character: char, to: &mut String) {
    match character {
        '\n' => to.push_str("\\n"),
        '\r' => to.push_str("\\r"),
        '\t' => to.push_str("\\t"),
        steering if steers(steering) => to.push_str(&format!("\\u{:04x}", u32::from(steering))),
        plain => to.push(plain),
    }
}

/// Writes what steers no terminal, line feeds and tabs aside, and all other text as it is. Expects to be given whole
/// characters, as texts are.
pub(super) struct Visible<W>(pub W);

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_layout = |character| matches!(character, '\n' | '\t');
        let text = String::from_utf8_lossy(bytes);
        if !text.contains(|character| steers(character) && !is_layout(character)) {
            self.0.write_all(bytes)?;
            return Ok(bytes.len());
        }
        let mut shown = String::with_capacity(text.len() + 16);
        for character in text.chars() {
            if is_layout(character) { shown.push(character) } else { show(character, &mut shown) }
        }
        self.0.write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_short_line_that_steers_no_terminal() {
        assert_eq!(visible("Ünder 漢 👩‍👧"), "Ünder 漢 👩‍👧");
        assert_eq!(
            visible("a\u{1b}]0;x\u{7}\u{9b}2J\u{7f}\u{202e}b\u{2066}\n\t\r"),
            r"a\u001b]0;x\u0007\u009b2J\u007f\u202eb\u2066\n\t\r"
        );
        assert_eq!(clipped(&"é".repeat(10), 10), "é".repeat(10));
        assert_eq!(clipped(&"é".repeat(11), 10), format!("{}...", "é".repeat(7)));
        assert_eq!(clipped(&"é".repeat(1000), 10), format!("{}...", "é".repeat(7)));
        assert_eq!(clipped("漢字漢字漢字", 7), "漢字...");
        assert_eq!(clipped("\u{1b}\u{1b}\u{1b}", 12), r"\u001b\u0...");
    }

    #[test]
    fn what_is_json_stays_json_that_says_the_same() {
        let said = "a\u{9b}2J\u{202e}\u{7f}\"\\\u{1b}\nb";
        let mut out = Vec::new();
        let mut visible = Visible(&mut out);
        writeln!(visible, "{:#}", serde_json::json!({ "title": said })).expect("it is written");
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(text.chars().all(|character| character == '\n' || !steers(character)), "{text:?}");
        let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read["title"], said);
    }
}
