//! The command line: one file a command.
//!
//! A command writes its answer to standard output and what it says on the way to standard error.
//! The exit code is 0, 1 if it failed, or 2 if it was called wrongly.

mod ask;
mod client;
pub mod config;
mod demo;
mod dlq;
pub mod generate;
pub mod models;
mod publish;
mod serve;
mod snapshot;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  headwater demo                                    see it work, with nothing set up
  headwater serve                                   on the embedded journal
  headwater serve --set kafka.brokers=HOST:9092     on Kafka
  headwater publish events.jsonl --items items.jsonl
  headwater recommend USER --explain";

/// Real-time recommendations: a click comes in, the next answer is better.
#[derive(Parser)]
#[command(name = "headwater", version, about, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Serve(serve::ServeArgs),
    Publish(publish::PublishArgs),
    Recommend(ask::RecommendArgs),
    Trending(ask::TrendingArgs),
    Profile(ask::ProfileArgs),
    Explain(ask::ExplainArgs),
    Generate(generate::GenerateArgs),
    Models(models::ModelsCommand),
    Config(config::ConfigCommand),
    Snapshot(snapshot::SnapshotCommand),
    Dlq(dlq::DlqCommand),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Output(#[from] io::Error),
    #[error(transparent)]
    Check(#[from] config::CheckError),
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error(transparent)]
    App(#[from] crate::app::AppError),
    #[error(transparent)]
    Generate(#[from] generate::GenerateError),
    #[error(transparent)]
    Client(#[from] client::ClientError),
    #[error(transparent)]
    File(#[from] crate::files::FileError),
    #[error(transparent)]
    Snapshot(#[from] crate::snapshot::SnapshotError),
    #[error("log: {0}")]
    Log(#[from] crate::log::LogError),
    #[error("{0}")]
    Failed(String),
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help is an answer; anything else is a wrong call. Nobody is left to tell if this fails.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let mut out = io::stdout();
    match dispatch(cli.command, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command, out: &mut dyn Write) -> Result<(), CliError> {
    let environment = config::environment();
    match command {
        Command::Demo(args) => block_on(demo::run(&args, &environment, out)),
        Command::Serve(args) => block_on(serve::run(&args, &environment)),
        Command::Publish(args) => block_on(publish::run(&args, out)),
        Command::Recommend(args) => block_on(args.run(out)),
        Command::Trending(args) => block_on(args.run(out)),
        Command::Profile(args) => block_on(args.run(out)),
        Command::Explain(args) => block_on(args.run(out)),
        Command::Generate(args) => Ok(generate::run(&args, out)?),
        Command::Models(command) => command.run(&environment, out),
        Command::Config(command) => Ok(command.run(&environment, out)?),
        Command::Dlq(command) => command.run(&environment, out),
        Command::Snapshot(command) => block_on(command.run(&environment, out)),
    }
}

/// How long what still runs at the end may take to end by itself.
const LAST: std::time::Duration = std::time::Duration::from_secs(1);

fn block_on(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A question that a broker does not answer must not hold up the end.
    runtime.shutdown_timeout(LAST);
    result
}

/// Whoever read our output has read enough, as `head` does.
fn is_closed_pipe(error: &CliError) -> bool {
    matches!(error, CliError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
}
