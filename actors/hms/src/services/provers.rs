//! Provers on the bus: Python processes that search for proofs, started here and started again when they fall.
//!
//! Nothing waits for one. While none is there, deals that require proof fail closed in time, and the log says why; so
//! a prover that does not start is a warning and no reason to stop.

use std::process::Stdio;

use runtime::{
    process::{AsyncBufReadExt, BufReader, Child, ChildStdin, Command},
    sync::{oneshot, watch},
    task::{self, JoinHandle},
    time::{Duration, Instant, sleep, timeout},
};
use swarm::run::interpreter;

/// The module that a prover runs.
pub const MODULE: &str = "hms_a2a.gtp";
/// The pause before the first new attempt, in milliseconds; doubled each time.
const FIRST_PAUSE_MS: u64 = 500;
/// The longest pause between two attempts, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 30_000;
/// Who served so long and falls is started again as if for the first time, in milliseconds.
const SOUND_AFTER_MS: u64 = 60_000;

/// Where a prover finds its bus, as the environment of its process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whereabouts {
    /// The broker's URL, or several with commas between.
    pub url: Option<String>,
    /// A context of the `nats` command line.
    pub context: Option<String>,
}

impl Whereabouts {
    /// At this URL.
    #[must_use]
    pub fn at(url: String) -> Self {
        Self { url: Some(url), context: None }
    }
}

/// Which provers to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provers {
    /// How many; they share what is asked among them.
    pub count: usize,
    /// On which bus.
    pub bus: Whereabouts,
}

/// How a prover fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It was started and has not said yet that it serves.
    Starting,
    /// It serves.
    Serving,
    /// It fell, or did not start, and comes again.
    Fallen,
}

/// A prover that is kept alive.
pub struct Prover {
    /// Dropping it ends the prover.
    stop: oneshot::Sender<()>,
    standing: watch::Receiver<Standing>,
    kept: JoinHandle<()>,
}

impl Prover {
    /// Keeps one prover on this bus.
    #[must_use]
    pub fn start(bus: Whereabouts) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, standing) = watch::channel(Standing::Starting);
        let kept = task::spawn(keep(bus, tell, stopped));
        Self { stop, standing, kept }
    }

    /// Waits until it serves, or has fallen for the first time; whether it serves, and in time.
    pub async fn serves(&mut self, within_ms: u64) -> bool {
        let settled = self.standing.wait_for(|standing| *standing != Standing::Starting);
        match timeout(Duration::from_millis(within_ms), settled).await {
            Ok(Ok(standing)) => *standing == Standing::Serving,
            _ => false,
        }
    }

    /// Lets it answer what it works on, and ends it; whether it did so in time.
    pub async fn drain(self, within_ms: u64) -> bool {
        drop(self.stop);
        let mut kept = self.kept;
        if timeout(Duration::from_millis(within_ms), &mut kept).await.is_ok() {
            return true;
        }
        // The process goes with its handle.
        kept.abort();
        false
    }
}

async fn keep(bus: Whereabouts, tell: watch::Sender<Standing>, mut stopped: oneshot::Receiver<()>) {
    let mut pause_ms = FIRST_PAUSE_MS;
    loop {
        let began = Instant::now();
        let why = match Running::start(&bus, tell.clone()) {
            Ok(mut prover) => runtime::select! {
                _ = &mut stopped => return prover.end().await,
                fell = prover.fell() => fell,
            },
            Err(error) => format!("{} -m {MODULE}: {error}", interpreter().display()),
        };
        tell.send_replace(Standing::Fallen);
        if began.elapsed() >= Duration::from_millis(SOUND_AFTER_MS) {
            pause_ms = FIRST_PAUSE_MS;
        }
        tracing::warn!(
            why,
            pause_ms,
            "the prover is gone, and comes again; until then deals that require proof are refused"
        );
        runtime::select! {
            _ = &mut stopped => return,
            () = sleep(Duration::from_millis(pause_ms)) => {}
        }
        pause_ms = (pause_ms * 2).min(LONGEST_PAUSE_MS);
    }
}

/// One process.
struct Running {
    child: Child,
    /// Closing it ends the prover, also when we are killed.
    stdin: Option<ChildStdin>,
    complaints: JoinHandle<String>,
}

impl Running {
    fn start(bus: &Whereabouts, tell: watch::Sender<Standing>) -> std::io::Result<Self> {
        let mut command = Command::new(interpreter());
        command
            .args(["-m", MODULE, "--until-stdin-ends"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // By the environment, since a URL may carry a password, and anyone may read a command line.
        if let Some(url) = &bus.url {
            command.env("NATS_URL", url).env_remove("NATS_CONTEXT");
        } else if let Some(context) = &bus.context {
            command.env("NATS_CONTEXT", context).env_remove("NATS_URL");
        }
        let mut child = command.spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        task::spawn(async move {
            let Some(stdout) = stdout else { return };
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                if said.get("event").and_then(serde_json::Value::as_str) == Some("ready") {
                    tracing::debug!("a prover serves");
                    tell.send_replace(Standing::Serving);
                }
            }
        });
        let complaints = task::spawn(async move {
            let mut last = String::new();
            let Some(stderr) = stderr else { return last };
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                tracing::debug!(line, "a prover says");
                last = line;
            }
            last
        });
        Ok(Self { child, stdin, complaints })
    }

    /// Waits until it has ended by itself; says why.
    async fn fell(&mut self) -> String {
        let status = self.child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
        let said = timeout(Duration::from_secs(1), &mut self.complaints).await.ok().and_then(Result::ok);
        match said.filter(|said| !said.is_empty()) {
            Some(said) => format!("{said} ({status})"),
            None => status,
        }
    }

    async fn end(mut self) {
        drop(self.stdin.take());
        // Whoever drains it limits how long this may take.
        let _ = self.child.wait().await;
    }
}
