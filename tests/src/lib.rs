//! What the whole-system tests stand on. They run real programs only: this crate knows the house from
//! the outside, so it depends on none of its crates.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

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
    /// What it tells: `url`, `pid` and others; `broker_pid` of a broker of its own.
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
        command.current_dir(folder.path()).args(["up", "--json", "--no-maker"]);
        if !options.contains(&"--nats") {
            command.args(["--port", "0", "--monitor-port", "0"]);
        }
        let mut up =
            command.args(options).env("HMS_LOG", "error").stdout(Stdio::piped()).spawn().expect("hms is built");
        let mut line = String::new();
        BufReader::new(up.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        // The folder tells more, of a broker of its own.
        let told = std::fs::read_to_string(folder.path().join(".hms/up.json")).unwrap_or(line);
        Self { up, told: serde_json::from_str(&told).expect("it serves"), _folder: folder }
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

/// Three brokers on this machine that are one cluster; each syncs every two minutes, as `nats/cluster.conf` has it.
pub struct Cluster {
    brokers: Vec<Child>,
    urls: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Cluster {
    /// Starts them, and waits until they serve.
    ///
    /// # Panics
    /// When they don't.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let free =
            || TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
        let ports: Vec<[u16; 3]> = (0..3).map(|_| [free(), free(), free()]).collect();
        let routes: Vec<String> = ports.iter().map(|[_, route, _]| format!("nats-route://127.0.0.1:{route}")).collect();
        let broker = |(number, [port, route, monitor]): (usize, &[u16; 3])| {
            let mut command = Command::new("nats-server");
            command.args([
                "--jetstream",
                "--cluster_name",
                "hms",
                "--addr",
                "127.0.0.1",
                "--routes",
                &routes.join(","),
            ]);
            command.args(["--name", &format!("broker-{number}"), "--port", &port.to_string()]);
            command.args(["--cluster", &format!("nats://127.0.0.1:{route}"), "--http_port", &monitor.to_string()]);
            command.arg("--store_dir").arg(folder.path().join(number.to_string()));
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("nats-server is there")
        };
        let brokers = ports.iter().enumerate().map(broker).collect();
        let urls = ports.iter().map(|[port, ..]| format!("nats://127.0.0.1:{port}")).collect();
        let cluster = Self { brokers, urls, _folder: folder };
        let begun = Instant::now();
        while !ports.iter().all(|[_, _, monitor]| is_healthy(*monitor)) {
            assert!(begun.elapsed() < Duration::from_secs(30), "three brokers have no leader");
            std::thread::sleep(Duration::from_millis(100));
        }
        cluster
    }

    /// Where they are, with commas between.
    #[must_use]
    pub fn urls(&self) -> String {
        self.urls.join(",")
    }
}

/// Whether a broker says that it is well.
fn is_healthy(monitor: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", monitor)) else { return false };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").and_then(|()| stream.read_to_string(&mut answer));
    asked.is_ok() && answer.contains("\"ok\"")
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for broker in &mut self.brokers {
            // What is measured is measured.
            let _ = broker.kill();
            let _ = broker.wait();
        }
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
