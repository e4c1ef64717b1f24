//! A run's inputs and results as lines of JSON, so that anyone can compute every figure again.
//!
//! `intents.jsonl`: each intent and withdrawal that the stream stored, in order. `deals.jsonl`: each deal of the book
//! with its log. `clearings.jsonl`: each clearing as the maker told of it, and last the one that the report measures
//! welfare against. Bodies stand as `hms decode` shows them.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use runtime::port::{Port, Stored};
use schemas::body::to_json;
use schemas::clearing::{Clear, Cleared};
use schemas::limit::MAX_CLEARING_BODY_BYTES;
use schemas::profile::State;
use schemas::{DealId, stream as streams, subject};
use serde_json::{Value, json};

use super::RunError;

/// The files of one export.
pub struct Export {
    intents: Lines,
    clearings: Lines,
    deals: Lines,
}

impl Export {
    /// Makes the folder and its files; what stood in them is gone.
    ///
    /// # Errors
    /// [`RunError::Export`].
    pub fn into(folder: &Path) -> Result<Self, RunError> {
        fs::create_dir_all(folder).map_err(|source| RunError::Export { path: folder.display().to_string(), source })?;
        let lines = |name: &str| Lines::create(folder, name);
        Ok(Self {
            intents: lines("intents.jsonl")?,
            clearings: lines("clearings.jsonl")?,
            deals: lines("deals.jsonl")?,
        })
    }

    /// An intent, or a withdrawal, was stored.
    ///
    /// # Errors
    /// [`RunError::Export`].
    pub fn intent(&mut self, stored: &Stored) -> Result<(), RunError> {
        self.intents.write(&json!({
            "sequence": stored.sequence, "at_unix_ms": stored.time_unix_ms, "body": shown(&stored.body),
        }))
    }

    /// The maker told of a clearing, in these bytes.
    ///
    /// # Errors
    /// [`RunError::Export`].
    pub fn clearing(&mut self, body: &[u8]) -> Result<(), RunError> {
        self.clearings.write(&shown(body))
    }

    /// The clearing that the report measures against, last of all.
    ///
    /// # Errors
    /// [`RunError::Export`].
    pub fn optimum(&mut self, request: &Clear, result: &Cleared) -> Result<(), RunError> {
        self.clearings.write(&json!({ "type": "optimum", "request": request, "result": result }))
    }

    /// Writes the logs of these deals, and ends the export.
    ///
    /// # Errors
    /// [`RunError::Export`], or a log that cannot be read.
    pub async fn finish(
        mut self,
        port: &dyn Port,
        deals: impl Iterator<Item = (&DealId, State)>,
    ) -> Result<(), RunError> {
        for (deal, state) in deals {
            let log = port.read(streams::DEALS, &subject::deal_log(deal), 0).await?;
            let events: Vec<Value> =
                log.iter().map(|stored| json!({ "sequence": stored.sequence, "body": shown(&stored.body) })).collect();
            self.deals.write(&json!({ "deal": deal, "state": state, "events": events }))?;
        }
        for lines in [self.intents, self.clearings, self.deals] {
            lines.finish()?;
        }
        Ok(())
    }
}

fn shown(body: &[u8]) -> Value {
    to_json(body, MAX_CLEARING_BODY_BYTES).unwrap_or_else(|error| json!({ "unreadable": error.to_string() }))
}

struct Lines {
    path: String,
    file: BufWriter<File>,
}

impl Lines {
    fn create(folder: &Path, name: &str) -> Result<Self, RunError> {
        let path = folder.join(name);
        let file = File::create(&path);
        let path = path.display().to_string();
        match file {
            Ok(file) => Ok(Self { path, file: BufWriter::new(file) }),
            Err(source) => Err(RunError::Export { path, source }),
        }
    }

    fn write(&mut self, line: &Value) -> Result<(), RunError> {
        let written = writeln!(self.file, "{line}");
        self.check(written)
    }

    fn finish(mut self) -> Result<(), RunError> {
        let flushed = self.file.flush();
        self.check(flushed)
    }

    fn check(&self, outcome: io::Result<()>) -> Result<(), RunError> {
        outcome.map_err(|source| RunError::Export { path: self.path.clone(), source })
    }
}
