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
mod signals;
mod snapshot;

use std::io::{self, Write};

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

/// Runs the command that the arguments name, and ends the process.
pub fn run() -> ! {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help is an answer; anything else is a wrong call. Nobody is left to tell if this fails.
            let _ = error.print();
            end(if error.use_stderr() { WRONG_CALL } else { 0 });
        }
    };
    let mut out = io::stdout();
    let result = dispatch(cli.command, &mut out).and_then(|()| Ok(out.flush()?));
    match result {
        Ok(()) => end(0),
        Err(error) if is_closed_pipe(&error) => end(0),
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            end(FAILED)
        }
    }
}

/// What a process exits with that has failed, and one that was called wrongly.
const FAILED: i32 = 1;
const WRONG_CALL: i32 = 2;

/// Ends the process, now: what had to be saved has been, and no destructor or exit handler of any
/// library decides how long it takes. (That of OpenSSL, for one, takes away what the threads of
/// librdkafka still use.)
#[expect(unsafe_code, reason = "the standard library's own end runs the exit handlers")]
fn end(code: i32) -> ! {
    // Standard error is not buffered; nobody is left to tell if this fails.
    let _ = io::stdout().flush();
    // SAFETY: it has no preconditions, and nothing runs after it.
    unsafe { libc::_exit(code) }
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

fn block_on(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A question that a broker does not answer must not hold up the end.
    runtime.shutdown_background();
    result
}

/// Whoever read our output has read enough, as `head` does.
fn is_closed_pipe(error: &CliError) -> bool {
    matches!(error, CliError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
}
