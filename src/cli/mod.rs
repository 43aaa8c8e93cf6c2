//! The command line: one file a command.
//!
//! A command writes its answer to standard output and what it says on the way to standard error, and
//! neither holds anything that steers a terminal. The exit code is 0, 1 if it failed, 2 if it was called
//! wrongly, or 130 if it was ended by ctrl-c.

mod address;
mod ask;
mod client;
pub mod config;
mod demo;
mod dlq;
mod error;
mod evaluate;
mod features;
pub mod generate;
mod inputs;
mod manual;
pub mod models;
mod print;
mod progress;
mod publish;
mod runtime;
mod serve;
mod signals;
mod snapshot;
mod span;
mod status;
mod terminal;
mod tune;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{CommandFactory, Parser, Subcommand};

use error::{CliError, error_json};
use runtime::{FAILED, INTERRUPTED, WRONG_CALL, block_on, end};
use terminal::Visible;

const EXAMPLES: &str = "\
Examples:
  headwater demo                                    see it work, with nothing set up
  headwater serve                                   on the embedded journal
  headwater serve --set kafka.brokers=HOST:9092     on Kafka
  headwater publish events.jsonl --items items.jsonl
  headwater recommend USER --explain

With --json a command prints JSON, and if it fails {\"error\": {\"code\", \"message\", \"details\"}} on standard error.
HEADWATER_SERVER=HOST:PORT names the server where --server does not.";

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
    Evaluate(evaluate::EvaluateArgs),
    Tune(tune::TuneArgs),
    Features(features::FeaturesArgs),
    Generate(generate::GenerateArgs),
    Models(models::ModelsCommand),
    Config(config::ConfigCommand),
    Snapshot(snapshot::SnapshotCommand),
    Dlq(dlq::DlqCommand),
    Status(status::StatusArgs),
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
}

/// Runs the command that the arguments name, and ends the process.
pub fn run() -> ! {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Asked of the words themselves, as a wrong call never becomes a command that could say so.
    let as_json = arguments.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) if as_json && error.use_stderr() => {
            let said = error.render().to_string();
            let said = said.strip_prefix("error: ").unwrap_or(&said).trim_end();
            complain(&error_json("usage", said, &[]).to_string());
            end(WRONG_CALL);
        }
        Err(error) => {
            // Help is an answer; anything else is a wrong call. Nobody is left to tell if this fails.
            let _ = error.print();
            end(if error.use_stderr() { WRONG_CALL } else { 0 });
        }
    };
    let result = dispatch(cli.command, &arguments).and_then(|()| Ok(io::stdout().flush()?));
    match result {
        Ok(()) => end(0),
        Err(error) if is_closed_pipe(&error) => end(0),
        Err(CliError::Told) => end(FAILED),
        Err(error) => {
            complain(&if as_json { error.to_json().to_string() } else { format!("error: {error}") });
            end(if matches!(error, CliError::Interrupted(_)) { INTERRUPTED } else { FAILED })
        }
    }
}

fn dispatch(command: Command, arguments: &[OsString]) -> Result<(), CliError> {
    let environment = config::environment();
    let out: &mut dyn Write = &mut Visible(io::stdout());
    match command {
        // It draws: what of it comes from data is made visible where it comes in.
        Command::Demo(args) => block_on(demo::run(&args, &environment, &mut io::stdout())),
        Command::Serve(args) => block_on(serve::run(&args, &environment)),
        Command::Publish(args) => block_on(publish::run(&args, out)),
        Command::Recommend(args) => block_on(args.run(out)),
        Command::Trending(args) => block_on(args.run(out)),
        Command::Profile(args) => block_on(args.run(out)),
        Command::Explain(args) => block_on(args.run(out)),
        Command::Evaluate(args) => evaluate::run(&args, &environment, out),
        Command::Tune(args) => tune::run(&args, &tune::command_line(arguments), &environment, out),
        Command::Features(args) => features::run(&args, &environment, out),
        Command::Generate(args) => Ok(generate::run(&args, out)?),
        Command::Models(command) => command.run(&environment, out),
        Command::Config(command) => Ok(command.run(&environment, out)?),
        Command::Dlq(command) => command.run(&environment, out),
        Command::Status(args) => block_on(args.run(out)),
        Command::Snapshot(command) => block_on(command.run(&environment, out)),
        Command::Completions(args) => args.run(Cli::command(), out),
        Command::Man(args) => args.run(Cli::command(), out),
    }
}

/// A line on standard error. With that gone there is still the exit code.
fn complain(line: &str) {
    let _ = writeln!(Visible(io::stderr()), "{line}");
}

/// Whoever read our output has read enough, as `head` does.
fn is_closed_pipe(error: &CliError) -> bool {
    matches!(error, CliError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
}
