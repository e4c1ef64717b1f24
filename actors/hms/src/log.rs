//! What goes to standard error: log lines, and the word on which a command ends.

use std::io::{self, Write};

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt};

/// The variable that says what is logged.
const VARIABLE: &str = "HMS_LOG";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Begins to log what `HMS_LOG` says; without it, from `default` on.
pub fn start(format: LogFormat, default: LevelFilter) {
    let filter = EnvFilter::builder().with_default_directive(default.into()).with_env_var(VARIABLE).from_env_lossy();
    let lines = fmt().with_env_filter(filter).with_writer(io::stderr);
    // A second logger in the same process, as in tests, changes nothing.
    let _ = match format {
        LogFormat::Text => lines.with_target(false).compact().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}

/// Says why the command ends.
pub fn complain(line: &str) {
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(io::stderr().lock(), "hms: {line}");
}
