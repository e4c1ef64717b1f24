//! What goes to standard output. A reader that leaves early (`| head`) ends the command in peace.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use serde_json::Value;

use crate::exit::{Outcome, of_output};

/// One line.
///
/// # Errors
/// Standard output is closed.
pub fn line(text: impl std::fmt::Display) -> Outcome {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(of_output)
}

/// JSON on one line, for programs.
///
/// # Errors
/// Standard output is closed.
pub fn json(value: &Value) -> Outcome {
    line(value)
}

/// JSON on one line of standard error: what is told meanwhile and is no answer.
///
/// # Errors
/// Standard error is closed.
pub fn note(value: &Value) -> Outcome {
    writeln!(io::stderr().lock(), "{value}").map_err(of_output)
}

/// JSON for people.
///
/// # Errors
/// Standard output is closed.
pub fn pretty(value: &Value) -> Outcome {
    line(format_args!("{value:#}"))
}

/// Rows under a heading, in columns. Without rows, `nothing` is said instead.
///
/// # Errors
/// Standard output is closed.
pub fn table<const N: usize>(heading: [&str; N], rows: Vec<[String; N]>, nothing: &str) -> Outcome {
    if rows.is_empty() {
        return line(nothing);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(heading).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.to_string();
    let trimmed: Vec<&str> = text.lines().map(str::trim_end).collect();
    line(trimmed.join("\n"))
}

/// A time as RFC 3339 in UTC, to the millisecond.
#[must_use]
pub fn time(unix_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(unix_ms) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => format!("{unix_ms} ms"),
    }
}
