//! What goes to standard error: log lines, and the word on which a command ends.

use std::{
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};

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

/// Whose lines are shown when nothing else is asked for: ours. Libraries tell of the same things in their words.
const OURS: [&str; 3] = ["hms", "runtime", "swarm"];

/// Whether log lines are dropped.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Begins to log what `HMS_LOG` says; without it, our own lines from `level` on and everybody's warnings.
pub fn start(format: LogFormat, level: LevelFilter) {
    let filter = match std::env::var(VARIABLE) {
        Ok(directives) if !directives.is_empty() => EnvFilter::builder().parse_lossy(directives),
        _ => {
            let ours: String = OURS.map(|name| format!(",{name}={level}")).concat();
            // The solver warns of every programme that ends at a limit, and limits are what it is given.
            EnvFilter::builder().parse_lossy(format!("warn,highs=error{ours}"))
        }
    };
    let lines = fmt().with_env_filter(filter).with_ansi(io::stderr().is_terminal()).with_writer(writer);
    // A second logger in the same process, as in tests, changes nothing.
    let _ = match format {
        LogFormat::Text => lines.with_target(false).compact().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}

/// Ends logging: what still happens while a process takes itself apart is no news.
pub fn end() {
    QUIET.store(true, Ordering::Relaxed);
}

fn writer() -> Box<dyn Write> {
    if QUIET.load(Ordering::Relaxed) { Box::new(io::sink()) } else { Box::new(io::stderr()) }
}

/// Says why the command ends.
pub fn complain(line: &str) {
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(io::stderr().lock(), "hms: {line}");
}
