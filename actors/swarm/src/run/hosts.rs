//! Agents in Python: host processes of the package `hms_a2a`, many agents in each.
//!
//! A host reads its configuration from the first line of its standard input, reports on its standard output, a JSON
//! object a line, and drains when its standard input ends. So it ends in order even when the runner is killed.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use futures::channel::mpsc::UnboundedSender;
use runtime::process::{AsyncBufReadExt, AsyncWriteExt, BufReader, Child, ChildStdin, Command};
use runtime::task::{self, JoinHandle};
use runtime::time::{Duration, timeout};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::RunError;
use crate::plan::AgentPlan;

/// Names the Python that carries the agents.
pub const PYTHON_VARIABLE: &str = "HMS_PYTHON";

/// The module that a host runs.
const MODULE: &str = "hms_a2a.host";

/// How long a host may take to find its bus, in milliseconds.
const CONNECT_WITHIN_MS: u64 = 20_000;

/// One process.
pub struct PythonHost {
    child: Child,
    /// Closing it ends the host.
    stdin: Option<ChildStdin>,
    reports: JoinHandle<()>,
    complaints: JoinHandle<String>,
}

impl PythonHost {
    /// Starts a host with this configuration; it reports into `news`.
    ///
    /// # Errors
    /// [`RunError::Python`] when the process cannot be started.
    pub async fn start<T>(configuration: &Value, news: UnboundedSender<T>) -> Result<Self, RunError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let python = interpreter();
        let failed = |error: std::io::Error| RunError::Python {
            python: python.display().to_string(),
            reason: error.to_string(),
        };
        let mut child = Command::new(&python)
            .args(["-m", MODULE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let mut stdin = child.stdin.take();
        let mut line = configuration.to_string();
        line.push('\n');
        if let Some(stdin) = &mut stdin {
            stdin.write_all(line.as_bytes()).await.map_err(failed)?;
            stdin.flush().await.map_err(failed)?;
        }
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let reports = task::spawn(async move {
            let Some(stdout) = stdout else { return };
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                match serde_json::from_str(&line) {
                    // Nobody listens any more when the run is over.
                    Ok(report) => drop(news.unbounded_send(report)),
                    Err(error) => tracing::warn!(%error, line, "a report that cannot be read"),
                }
            }
        });
        let complaints = task::spawn(async move {
            let mut last = String::new();
            let Some(stderr) = stderr else { return last };
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                tracing::debug!(line, "a Python host says");
                last = line;
            }
            last
        });
        Ok(Self { child, stdin, reports, complaints })
    }

    /// Whether it has ended by itself, and if so, why.
    pub async fn fell(&mut self) -> Option<RunError> {
        let status = self.child.try_wait().ok().flatten()?;
        let said = timeout(Duration::from_secs(1), &mut self.complaints).await;
        let said = said.ok().and_then(Result::ok).filter(|said| !said.is_empty());
        let reason = said.map_or_else(|| format!("its host ended: {status}"), |said| format!("{said} ({status})"));
        Some(RunError::Python { python: interpreter().display().to_string(), reason })
    }

    /// Lets it finish what is under way, and ends it; whether it did so in time.
    pub async fn drain(mut self, timeout_ms: u64) -> bool {
        drop(self.stdin.take());
        let in_time = timeout(Duration::from_millis(timeout_ms), self.child.wait()).await;
        let ended = matches!(in_time, Ok(Ok(status)) if status.success());
        if ended {
            // Its last report is how much it did.
            let last = timeout(Duration::from_secs(1), self.reports).await;
            drop(last);
        }
        ended
    }
}

/// What a host is told: its name, where its bus is, and `carries`, whom and to what end.
pub(crate) fn configuration(name: &str, servers: &[String], context: Option<&str>, carries: (&str, Value)) -> Value {
    let nats = match context {
        Some(context) => json!({ "context": context }),
        None => json!({ "servers": servers }),
    };
    let (key, carried) = carries;
    json!({ "name": name, "nats": nats, "connect_within_ms": CONNECT_WITHIN_MS, key: carried })
}

/// What a host is told of those that trade.
pub(super) fn traders(agents: &[&AgentPlan]) -> (&'static str, Value) {
    ("agents", agents.iter().map(|plan| agent(plan)).collect())
}

fn agent(plan: &AgentPlan) -> Value {
    let mut outlook = serde_json::Map::new();
    let rates =
        [("rate", plan.outlook.rate), ("risk_aversion", plan.outlook.risk_aversion), ("arrival", plan.outlook.arrival)];
    for (name, value) in rates {
        if let Some(value) = value {
            outlook.insert(name.to_owned(), json!(value));
        }
    }
    json!({
        "id": plan.id, "seed": plan.seed, "kind": plan.outlook.kind, "outlook": outlook, "market": plan.market,
        "gives": plan.gives, "wants": plan.wants, "margin_ppm": plan.margin_ppm, "reserve_ppm": plan.reserve_ppm,
        "policy": plan.policy, "schedule": plan.schedule,
    })
}

/// The Python that has the package: the one that the environment names, one in a virtual environment beside or above
/// the working folder or the executable, or whatever `python3` is.
#[must_use]
pub fn interpreter() -> PathBuf {
    if let Some(named) = std::env::var_os(PYTHON_VARIABLE).filter(|name| !name.is_empty()) {
        return PathBuf::from(named);
    }
    let active = std::env::var_os("VIRTUAL_ENV").map(|folder| Path::new(&folder).join("bin/python"));
    let starts = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    let beside =
        starts.iter().flatten().flat_map(|start| start.ancestors()).map(|folder| folder.join(".venv/bin/python"));
    beside.chain(active).find(|path| path.is_file()).unwrap_or_else(|| PathBuf::from("python3"))
}
