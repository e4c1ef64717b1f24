//! What the whole-system tests stand on. They run real programs only: this crate knows the house from
//! the outside, so it depends on none of its crates.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// The project's root folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// Keeps a bench's figures in `target/bench/<name>.json`.
///
/// # Panics
/// When the file cannot be written: a bench that leaves nothing has failed.
#[allow(clippy::expect_used)]
pub fn keep(name: &str, figures: &Value) {
    let folder = root().join("target/bench");
    std::fs::create_dir_all(&folder).expect("a folder for figures");
    std::fs::write(folder.join(format!("{name}.json")), format!("{figures:#}\n")).expect("a file of figures");
}

/// `hms up` in a folder of its own, without a market maker.
pub struct Bus {
    up: Child,
    /// What it tells in its folder: `url`, `pid`, `broker_pid` and others.
    pub told: Value,
    _folder: tempfile::TempDir,
}

impl Bus {
    /// Starts it, with these options beside its own, and waits until it serves.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(root().join("target/release/hms"));
        command.current_dir(folder.path()).args(["up", "--port", "0", "--monitor-port", "0", "--json", "--no-maker"]);
        let mut up =
            command.args(options).env("HMS_LOG", "error").stdout(Stdio::piped()).spawn().expect("hms is built");
        let mut line = String::new();
        BufReader::new(up.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let told = std::fs::read(folder.path().join(".hms/up.json")).expect("it serves");
        Self { up, told: serde_json::from_slice(&told).expect("what it tells"), _folder: folder }
    }

    /// Where its broker is.
    ///
    /// # Panics
    /// When it does not tell.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn url(&self) -> &str {
        self.told.get("url").and_then(Value::as_str).expect("a url")
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.up.id().to_string()).status();
        let _ = self.up.wait();
    }
}

/// The prover, as a process that answers line by line.
pub struct Prover {
    process: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What the prover found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// `proved`, `refuted` or `unknown`.
    pub verdict: String,
    /// A certificate or a counterexample, as bytes of the wire, where there is one.
    pub evidence: Option<Vec<u8>>,
    /// How it was found, or why it was not.
    pub how: String,
}

impl Prover {
    /// Starts it, with the project's own Python.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn start() -> Self {
        let mut process = Command::new(root().join(".venv/bin/python"))
            .args(["-m", "hms_a2a.gtp", "--once", "--jobs", "2"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`make setup` has made .venv");
        let asks = process.stdin.take().expect("its input");
        let answers = BufReader::new(process.stdout.take().expect("its output"));
        Self { process, asks, answers }
    }

    /// Has it search for evidence about a claim's bytes, for so many milliseconds.
    ///
    /// # Panics
    /// When it ends, or says something else than it should.
    #[allow(clippy::expect_used)]
    pub fn find(&mut self, claim: &[u8], budget_ms: u32) -> Found {
        let hex: String = claim.iter().map(|byte| format!("{byte:02x}")).collect();
        let ask = json!({ "claim": hex, "budget_ms": budget_ms });
        writeln!(self.asks, "{ask}").and_then(|()| self.asks.flush()).expect("it listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        let said: Value = serde_json::from_str(&line).expect("a line of JSON");
        let word = |field: &str| said.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let pairs = |text: &str| -> Option<Vec<u8>> {
            let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
            (0..text.len()).step_by(2).map(byte).collect()
        };
        let evidence = said.get("evidence").and_then(Value::as_str).and_then(pairs);
        Found { verdict: word("verdict"), evidence, how: format!("{} {} {line}", word("method"), word("reason")) }
    }
}

impl Drop for Prover {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
