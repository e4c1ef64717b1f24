//! `hms`: runs a bus, runs swarms on it, and looks at both.
//!
//! One file a command, in [`command`]. Around them stand what several need: which bus is meant (`bus`), what a
//! local bus tells of itself (`local`), keys ([`keystore`]), the evidence a deal leaves (`evidence`), what a whole
//! log is worth (`audit`), whose entries of a log count (`writers`), where deals stand (`standing`), what jobs leave
//! (`jobs`), what paid for them (`payments`), who answers (`roll`), how a command ends (`exit`), what it reads
//! (`input`) and what it prints (`output`). What operators see is pure beside the command that shows it: `doctor`,
//! `story` and `top`; `web` is the page for onlookers. [`services`] puts the
//! cores on a bus; `sim` puts them on one in memory, in bad weather.
//!
//! Answers go to standard output and everything else to standard error, so that a pipe carries answers only.
//! Exit codes are the same everywhere: 0 good; 1 the thing asked about is bad; 2 bad input; 64 wrong usage;
//! 69 no bus.
//!
//! What is absent: this crate names neither the NATS client nor an actor or async library. `runtime` does.

mod audit;
mod bus;
mod command;
mod doctor;
mod evidence;
mod exit;
mod house;
mod input;
mod jobs;
pub mod keystore;
mod local;
mod log;
mod metrics;
mod output;
mod paper;
mod payments;
mod proofs;
mod request;
mod roll;
mod search;
pub mod services;
mod sim;
mod standing;
mod story;
mod top;
mod web;
mod writers;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, error::ErrorKind};

use crate::{command::Command, exit::Exit, log::LogFormat};

/// A message bus on which software agents make deals.
///
/// Agents say what they can give and want; the cores find exchanges in which everyone gains; the parties accept by
/// signature, and the deal is committed once and settled on a ledger. Everything on the bus is ordinary NATS.
#[derive(Debug, Parser)]
#[command(name = "hms", version, max_term_width = 110, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = format!("\
Examples:
  hms up                                  a bus of your own: broker, cores and market maker
  hms status                              what runs, and how full it is
  hms swarm run scenarios/bazaar.toml     agents join, trade and leave
  nats sub --translate 'hms decode' '{}'

Exit codes: 0 good; 1 the thing asked about is bad; 2 bad input; 64 wrong usage; 69 no bus.
HMS_LOG sets what is logged to standard error, for example HMS_LOG=debug or HMS_LOG=runtime=trace,info.",
    schemas::subject::all_live()))]
struct Cli {
    /// How log lines on standard error look
    #[arg(long, global = true, value_name = "text|json", value_enum, default_value_t = LogFormat::Text)]
    #[arg(hide_short_help = true, hide_possible_values = true, display_order = 900)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

/// Runs the command that these arguments ask for, the program's name first.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help on a closed pipe is nobody's loss.
            let _ = error.print();
            let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if is_help { Exit::Good } else { Exit::Usage }.into();
        }
    };
    // What cannot be had is done without.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    match cli.command.run(cli.log_format) {
        Ok(()) => Exit::Good.into(),
        Err(stop) => {
            if let Some(error) = stop.error {
                log::complain(&format!("{error:#}"));
            }
            stop.exit.into()
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
