//! `headwater demo`: starts the service, fills it, and shows how one person's list follows her
//! clicks. Everything goes through the real ports: what is shown is what any client would get.

mod args;
mod crowd;
mod frame;
mod screen;
mod script;
mod service;
mod story;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};

use super::error::CliError;
use super::runtime::keep_files_private;
use super::signals::stop_signal;
use crate::app::App;
use crate::clock::wall_clock;
use crate::telemetry;
pub(super) use args::DemoArgs;
use screen::Screen;
use story::Story;

/// Only what goes wrong: anything else would disturb the picture. What librdkafka says of its work
/// with a broker that is busy is not for here: if a log stays away, we say so ourselves.
const LOG: &str = "warn,rdkafka=off,librdkafka=off";

pub(super) async fn run(
    args: &DemoArgs,
    environment: &BTreeMap<String, String>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let folder = Folder::new(args.data.as_deref());
    let config = args.config(&folder.path, environment)?;
    telemetry::init(telemetry::LogFormat::Text, LOG).map_err(CliError::Failed)?;
    keep_files_private();
    let stop = stop_signal()?;
    // A terminal that is closed must not leave data behind.
    let mut hangup = signal(SignalKind::hangup())?;
    let mut screen = Screen::new(&mut *out);
    let app = App::start(&config).await?;
    let mut story = Story::new(args, &config, &app);
    let mut shown = Ok(());
    let ran = app
        .run_until(async {
            tokio::select! {
                () = stop => {}
                _ = hangup.recv() => {}
                result = story.tell(&mut screen) => shown = result,
            }
            // Back to the shell's own screen at once: the service may take a moment to drain.
            shown = std::mem::replace(&mut shown, Ok(())).and(screen.leave().map_err(CliError::from));
        })
        .await;
    drop(screen);
    let place = folder.words();
    drop(folder);
    ran?;
    shown?;
    Ok(writeln!(out, "{place}")?)
}

/// Where the data is. Dropped, a temporary one is removed.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn new(asked: Option<&Path>) -> Self {
        let own =
            || std::env::temp_dir().join(format!("headwater-demo-{}-{}", std::process::id(), wall_clock()));
        Self { path: asked.map_or_else(own, Path::to_owned), temporary: asked.is_none() }
    }

    /// What becomes of the data, for the last line.
    fn words(&self) -> String {
        let path = self.path.display();
        match self.temporary {
            true => format!("\nIts data was in {path} and is removed: --data DIR keeps it."),
            false => format!("\nIts data is in {path}, where another demo goes on from."),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            // It may not have been made yet; what can't be removed is the system's to clean.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
