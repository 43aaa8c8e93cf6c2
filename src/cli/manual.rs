//! `headwater completions` and `headwater man`: made of the same definitions that read the command line.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use super::error::CliError;

/// Print completions for a shell
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headwater completions bash > ~/.local/share/bash-completion/completions/headwater
  headwater completions zsh > ~/.zfunc/_headwater             a folder of $fpath, before compinit
  headwater completions fish > ~/.config/fish/completions/headwater.fish")]
pub(super) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page, or write one for each command
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headwater man | man -l -
  headwater man --out ~/.local/share/man/man1                 then `man headwater-publish`")]
pub(super) struct ManArgs {
    /// Write headwater.1 and a page for each command into this folder; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl CompletionsArgs {
    pub fn run(&self, mut command: Command, out: &mut dyn Write) -> Result<(), CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "headwater", &mut script);
        Ok(out.write_all(&script)?)
    }
}

impl ManArgs {
    pub fn run(&self, command: Command, out: &mut dyn Write) -> Result<(), CliError> {
        match &self.out {
            None => Ok(write_page(command, out)?),
            Some(folder) => fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(command, folder))
                .map_err(|error| CliError::Failed(format!("can't write into {}: {error}", folder.display()))),
        }
    }
}

fn write_page(command: Command, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    out.write_all(&page)
}
