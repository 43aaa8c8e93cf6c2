//! The command line: one file a command.
//!
//! A command writes its answer to standard output and what it says on the way to standard error.
//! The exit code is 0, 1 if it failed, or 2 if it was called wrongly.

mod ask;
mod client;
pub mod config;
mod demo;
mod dlq;
mod error;
pub mod generate;
pub mod models;
mod print;
mod publish;
mod runtime;
mod serve;
mod signals;
mod snapshot;
mod status;

use std::io::{self, Write};

use clap::{Parser, Subcommand};

use error::CliError;
use runtime::{FAILED, WRONG_CALL, block_on, end};

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
    Status(status::StatusArgs),
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
        Err(CliError::Told) => end(FAILED),
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            end(FAILED)
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
        Command::Status(args) => block_on(args.run(out)),
        Command::Snapshot(command) => block_on(command.run(&environment, out)),
    }
}

/// Whoever read our output has read enough, as `head` does.
fn is_closed_pipe(error: &CliError) -> bool {
    matches!(error, CliError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
}
