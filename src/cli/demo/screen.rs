//! Where the demo shows itself: a picture that is redrawn in place on a terminal, plain lines
//! anywhere else.

use std::io::{self, IsTerminal, Write};

use console::{Term, measure_text_width};

use super::frame::{Room, View, frame, plain_head, plain_hints, plain_step};

/// The smallest terminal that a picture is drawn on.
const SMALLEST: (usize, usize) = (20, 72);

/// The terminal's second screen, and no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Shows what happens.
pub(super) struct Screen<'o> {
    out: &'o mut dyn Write,
    /// None where there is no terminal.
    terminal: Option<Term>,
    entered: bool,
    size: (u16, u16),
    last: Option<View>,
    /// Whether the first lines were written, where there is no terminal.
    headed: bool,
}

impl<'o> Screen<'o> {
    pub fn new(out: &'o mut dyn Write) -> Self {
        let term = Term::stdout();
        let (rows, columns) = term.size();
        let dumb = std::env::var_os("TERM").is_none_or(|name| name == "dumb");
        let drawn = io::stdout().is_terminal()
            && !dumb
            && usize::from(rows) >= SMALLEST.0
            && usize::from(columns) >= SMALLEST.1;
        Self { out, terminal: drawn.then_some(term), entered: false, size: (0, 0), last: None, headed: false }
    }

    /// Something happened.
    pub fn step(&mut self, view: &View) -> io::Result<()> {
        if self.terminal.is_some() {
            return self.draw(view);
        }
        if !std::mem::replace(&mut self.headed, true) {
            self.write(&plain_head(view))?;
        }
        match &view.loading {
            Some(loading) => self.write(std::slice::from_ref(loading)),
            None => self.write(&plain_step(view)),
        }
    }

    /// Time has passed, and the numbers with it.
    pub fn tick(&mut self, view: &View) -> io::Result<()> {
        if self.terminal.is_some() { self.draw(view) } else { Ok(()) }
    }

    /// The story is over.
    pub fn hints(&mut self, view: &View) -> io::Result<()> {
        if self.terminal.is_some() {
            return self.draw(view);
        }
        self.write(&[String::new(), view.outcome.clone(), String::new()])?;
        self.write(&plain_hints(view))
    }

    /// Back to the screen of the shell, where the last picture stays to be read.
    pub fn leave(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.entered, false) {
            return Ok(());
        }
        self.out.write_all(LEAVE.as_bytes())?;
        let Some(view) = self.last.take() else { return self.out.flush() };
        let room = Room { rows: usize::MAX, columns: self.size.1.into(), colours: colours() };
        self.write(&frame(&view, room))
    }

    /// Line by line over what is there, so that nothing flickers.
    fn draw(&mut self, view: &View) -> io::Result<()> {
        let Some(terminal) = &self.terminal else { return Ok(()) };
        let size = terminal.size();
        let mut text = String::new();
        if !std::mem::replace(&mut self.entered, true) {
            text.push_str(ENTER);
        } else if size != self.size {
            text.push_str("\x1b[2J");
        }
        self.size = size;
        let room = Room { rows: size.0.into(), columns: size.1.into(), colours: colours() };
        text.push_str("\x1b[H");
        for line in frame(view, room) {
            text.push_str(&line);
            text.push_str("\x1b[K\r\n");
        }
        text.push_str("\x1b[J");
        self.last = Some(view.clone());
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn write(&mut self, lines: &[String]) -> io::Result<()> {
        let columns = match io::stdout().is_terminal() && self.terminal.is_none() {
            true => usize::from(Term::stdout().size().1),
            false => usize::MAX,
        };
        for line in lines.iter().flat_map(|line| wrapped(line, columns)) {
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // Whatever went wrong, the terminal is left as it was; it may be what is gone.
        let _ = self.leave();
    }
}

/// A line in lines of at most so many columns that end between words, if words are that short. Those that go on are
/// indented a little more than the first.
fn wrapped(line: &str, columns: usize) -> Vec<String> {
    let words = line.trim_start();
    let indent = line.len() - words.len();
    let mut lines = vec![" ".repeat(indent)];
    let mut empty = true;
    for word in words.split_inclusive(' ') {
        if let Some(last) = lines.last_mut() {
            if empty || measure_text_width(last) + measure_text_width(word.trim_end()) <= columns {
                last.push_str(word);
            } else {
                last.truncate(last.trim_end().len());
                lines.push(format!("{}{word}", " ".repeat(indent + 4)));
            }
        }
        empty = false;
    }
    lines
}

/// See https://no-color.org.
fn colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_terminal_is_narrow_lines_end_between_words() {
        assert_eq!(wrapped("  1   new   Slow trains", 80), ["  1   new   Slow trains"]);
        assert_eq!(wrapped("", 10), [""]);
        let lines = wrapped("  in the next answer 0.4 ms after it", 20);
        assert_eq!(lines, ["  in the next answer", "      0.4 ms after", "      it"]);
        assert_eq!(wrapped("unbreakable words", 4), ["unbreakable", "    words"]);
    }
}
