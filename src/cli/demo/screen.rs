//! Where the demo shows itself: a picture that is redrawn in place on a terminal, plain lines
//! anywhere else.

use std::io::{self, IsTerminal, Write};

use console::Term;

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
        for line in lines {
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

/// See https://no-color.org.
fn colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
