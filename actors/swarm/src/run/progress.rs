//! How far a run is, on standard error: a line that changes on a terminal, a line every few seconds elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines where standard error is no terminal, in milliseconds.
const LINE_EVERY_MS: i64 = 5_000;

/// What to show.
pub struct Progress {
    bar: ProgressBar,
    told_unix_ms: Option<i64>,
}

impl Progress {
    /// Begins to show.
    #[must_use]
    pub fn start() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4}  {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, told_unix_ms: None }
    }

    /// Shows how far it is.
    pub fn show(&mut self, now_unix_ms: i64, line: impl FnOnce() -> String) {
        if !self.bar.is_hidden() {
            return self.bar.set_message(line());
        }
        if self.told_unix_ms.is_none_or(|told| now_unix_ms >= told.saturating_add(LINE_EVERY_MS)) {
            self.told_unix_ms = Some(now_unix_ms);
            tell(&line());
        }
    }

    /// Shows that something begins, at once.
    pub fn begin(&mut self, line: &str) {
        if self.bar.is_hidden() { tell(line) } else { self.bar.set_message(line.to_owned()) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A line that nobody reads is nobody's loss.
fn tell(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}
