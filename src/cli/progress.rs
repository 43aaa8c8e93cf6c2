//! How much of a file is done, on a terminal.

use std::io::IsTerminal;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::terminal::visible;
use crate::files::Progress;

/// A bar on a terminal, and nothing anywhere else. Dropped, it goes.
pub(super) struct Bar {
    bar: ProgressBar,
    progress: Progress,
}

impl Bar {
    /// That of a file.
    pub fn new(progress: Progress, path: &Path) -> Self {
        let bar = match (std::io::stderr().is_terminal(), progress.total()) {
            (false, _) => ProgressBar::hidden(),
            (true, Some(total)) => ProgressBar::new(total),
            (true, None) => ProgressBar::new_spinner(),
        };
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}") {
            bar.set_style(style);
        }
        bar.set_message(visible(&path.display().to_string()).into_owned());
        Self { bar, progress }
    }

    /// More was read.
    pub fn update(&self) {
        self.bar.set_position(self.progress.position());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
