//! A NATS server of our own, in a folder of our own.
//!
//! `hms up` and `hms swarm run` start one, and so do tests: it is the ordinary `nats-server`, configured for the
//! loopback, with JetStream in the given folder. It dies with its [`Broker`]; what it stored stays in the folder
//! until somebody removes it, so a broker started again on the same folder and port goes on where it was.
//!
//! It is looked for in `HMS_NATS_SERVER`, then on the `PATH`, then in a `.venv/bin` beside the working folder or
//! above the executable, where this project's set-up puts it. One that is too old is passed over with a word.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tracing::{debug, info, warn};

use crate::nats::{OLDEST_SERVER, is_new_enough};

/// Names the executable to use, ahead of every other place.
pub const SERVER_VARIABLE: &str = "HMS_NATS_SERVER";

/// The largest message the broker takes, in bytes: a clearing of a large market fits.
pub const MAX_PAYLOAD_BYTES: usize = schemas::limit::MAX_CLEARING_BODY_BYTES;

/// What to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerSpec {
    /// Where configuration, log and streams go; made if it is not there.
    pub folder: PathBuf,
    /// The client port; 0 for any that is free.
    pub port: u16,
    /// The monitoring port; 0 for any that is free.
    pub monitor_port: Option<u16>,
    /// When the server flushes to disk: `always`, or a duration such as `2m`. Unset leaves the server's default,
    /// two minutes, which a power cut can lose.
    pub sync_interval: Option<String>,
    /// The server's name, as monitoring shows it.
    pub name: String,
    /// How long it may take to answer.
    pub start_ms: u64,
    /// The door for browsers, if there is to be one.
    pub window: Option<Window>,
}

/// A door for browsers, through which one may listen to some subjects and do nothing else: websockets, in the clear.
///
/// Whoever comes over TCP without credentials may do everything, as without a window. Over websockets only the onlooker's
/// key opens anything, and it may publish nothing at all: a request that it were allowed to make could name a stream's
/// subject as the place for its answer, and so write there. The two other users have keys that nobody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Where it is.
    pub host: IpAddr,
    /// Its port; 0 for any that is free.
    pub port: u16,
    /// The origins whose pages may come, as browsers name them; with none every page may, if it has the key.
    pub origins: Vec<String>,
    /// What may be subscribed to.
    pub subjects: Vec<String>,
    /// The public keys of the users.
    pub users: WindowUsers,
}

/// Who is who for the broker: public user keys (NKeys).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowUsers {
    /// Whoever comes over TCP and says nothing of itself.
    pub anyone: String,
    /// Whoever comes through the window and says nothing of itself.
    pub nobody: String,
    /// Who looks on.
    pub onlooker: String,
}

impl BrokerSpec {
    /// A broker in `folder`, on any free port.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            port: 0,
            monitor_port: None,
            sync_interval: None,
            name: "hms".to_owned(),
            start_ms: 10_000,
            window: None,
        }
    }
}

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// No executable.
    #[error("nats-server was not found (looked in {looked}); install it, or name it in {SERVER_VARIABLE}")]
    NotFound {
        /// Where it was looked for.
        looked: String,
    },
    /// Only executables that are too old.
    #[error("{} is version {version}; at least {}.{} is needed", path.display(), OLDEST_SERVER.0, OLDEST_SERVER.1)]
    TooOld {
        /// The last one found.
        path: PathBuf,
        /// Its version.
        version: String,
    },
    /// Somebody is on the port.
    #[error("port {port} is taken: another server runs there; stop it, or take another port (0 is any that is free)")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The folder cannot be used.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// It ended, or did not answer in time; its last words are its log's.
    #[error("nats-server did not start: {reason}")]
    NotStarted {
        /// The last lines of its log.
        reason: String,
    },
}

/// A running broker. It is killed when this is dropped.
#[derive(Debug)]
pub struct Broker {
    spec: BrokerSpec,
    binary: PathBuf,
    child: Option<Child>,
}

impl Broker {
    /// Starts a broker and waits until it answers.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub fn start(spec: BrokerSpec) -> Result<Self, BrokerError> {
        let binary = find_server()?;
        fs::create_dir_all(&spec.folder).map_err(|source| BrokerError::Folder { path: spec.folder.clone(), source })?;
        let mut broker = Self { spec, binary, child: None };
        broker.launch()?;
        Ok(broker)
    }

    /// The URL that clients connect to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.spec.port)
    }

    /// The client port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.spec.port
    }

    /// The URL of the monitoring pages, if there are any.
    #[must_use]
    pub fn monitor_url(&self) -> Option<String> {
        self.spec.monitor_port.map(|port| format!("http://127.0.0.1:{port}"))
    }

    /// The port of its window, if it has one.
    #[must_use]
    pub fn window_port(&self) -> Option<u16> {
        self.spec.window.as_ref().map(|window| window.port)
    }

    /// Where everything of it stands.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.spec.folder
    }

    /// Its process id while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether the process is still there.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.as_mut().map(Child::try_wait), Some(Ok(None)))
    }

    /// Kills it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; waiting takes its entry from the process table either way.
            let killed = child.kill();
            let ended = child.wait();
            debug!(?killed, ?ended, "broker killed");
        }
    }

    /// Starts it again on the same port and folder, killing it first if it runs.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub fn restart(&mut self) -> Result<(), BrokerError> {
        self.kill();
        self.launch()
    }

    fn launch(&mut self) -> Result<(), BrokerError> {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        self.spec.port = settle_port(here, self.spec.port)?;
        if let Some(monitor) = self.spec.monitor_port {
            self.spec.monitor_port = Some(settle_port(here, monitor)?);
        }
        if let Some(window) = &mut self.spec.window {
            window.port = settle_port(window.host, window.port)?;
        }
        let config = self.spec.folder.join("nats-server.conf");
        let log = self.spec.folder.join("nats-server.log");
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| BrokerError::Folder { path, source }
        };
        fs::write(&config, configuration(&self.spec)).map_err(at(&config))?;
        let output = fs::OpenOptions::new().create(true).append(true).open(&log).map_err(at(&log))?;
        let begin = output.metadata().map_or(0, |metadata| metadata.len());
        let errors = output.try_clone().map_err(at(&log))?;
        let mut server = Command::new(&self.binary);
        server.arg("--config").arg(&config).stdin(Stdio::null()).stdout(output).stderr(errors);
        // A terminal's Ctrl-C goes to the whole group: the server must outlive whoever still drains.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut server, 0);
        self.child = Some(server.spawn().map_err(at(&self.binary))?);
        self.wait_until_it_answers(&log, begin)
    }

    fn wait_until_it_answers(&mut self, log: &Path, begin: u64) -> Result<(), BrokerError> {
        let deadline = Instant::now() + Duration::from_millis(self.spec.start_ms);
        loop {
            if !self.is_running() {
                self.kill();
                return Err(BrokerError::NotStarted { reason: last_words(log, begin) });
            }
            if answers(self.spec.port) {
                info!(url = self.url(), folder = %self.spec.folder.display(), binary = %self.binary.display(), "broker started");
                return Ok(());
            }
            if Instant::now() >= deadline {
                self.kill();
                let reason = format!("no answer within {} ms; {}", self.spec.start_ms, last_words(log, begin));
                return Err(BrokerError::NotStarted { reason });
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The executable that [`Broker::start`] would use.
///
/// # Errors
/// [`BrokerError::NotFound`], [`BrokerError::TooOld`].
pub fn find_server() -> Result<PathBuf, BrokerError> {
    let named = std::env::var_os(SERVER_VARIABLE).filter(|name| !name.is_empty());
    let candidates = match &named {
        Some(name) => vec![PathBuf::from(name)],
        None => places(),
    };
    let mut refused = None;
    for path in candidates.into_iter().filter(|path| path.is_file()) {
        match version_of(&path) {
            Some(version) if is_new_enough(&version) => return Ok(path),
            version => {
                let version = version.unwrap_or_else(|| "unknown".to_owned());
                warn!(path = %path.display(), version, "this nats-server is too old for us");
                refused = Some((path, version));
            }
        }
    }
    match (refused, named) {
        (Some((path, version)), _) => Err(BrokerError::TooOld { path, version }),
        (None, Some(name)) => Err(BrokerError::NotFound { looked: Path::new(&name).display().to_string() }),
        (None, None) => Err(BrokerError::NotFound { looked: "PATH and .venv/bin".to_owned() }),
    }
}

/// On the path, then in a virtual environment beside the working folder, above it, or above the executable.
fn places() -> Vec<PathBuf> {
    let file = format!("nats-server{}", std::env::consts::EXE_SUFFIX);
    let on_path = std::env::var_os("PATH");
    let mut places: Vec<PathBuf> = on_path
        .as_deref()
        .map(|path: &OsStr| std::env::split_paths(path).map(|folder| folder.join(&file)).collect())
        .unwrap_or_default();
    let starts = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    for start in starts.into_iter().flatten() {
        places.extend(start.ancestors().map(|folder| folder.join(".venv/bin").join(&file)));
    }
    places
}

fn version_of(binary: &Path) -> Option<String> {
    let output = Command::new(binary).arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find(|word| word.contains('.')).map(|version| version.trim_start_matches('v').to_owned())
}

/// The port itself if it is free, or a free one for 0.
fn settle_port(host: IpAddr, port: u16) -> Result<u16, BrokerError> {
    // A server that was killed a moment ago may still be leaving.
    let patience = Instant::now() + Duration::from_millis(500);
    loop {
        match TcpListener::bind((host, port)).and_then(|listener| listener.local_addr()) {
            Ok(address) => return Ok(address.port()),
            Err(_) if Instant::now() < patience && port != 0 && !answers(port) => {
                thread::sleep(Duration::from_millis(20))
            }
            Err(_) => return Err(BrokerError::PortTaken { port }),
        }
    }
}

/// Whether a NATS server introduces itself on the port.
fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(250)) else { return false };
    let mut greeting = [0_u8; 5];
    let heard = stream
        .set_read_timeout(Some(Duration::from_millis(500)))
        .and_then(|()| stream.read_exact(&mut greeting))
        .and_then(|()| stream.flush());
    heard.is_ok() && &greeting == b"INFO "
}

/// The configuration file, in the server's own format.
fn configuration(spec: &BrokerSpec) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let store = spec.folder.join("jetstream");
    let store = std::path::absolute(&store).unwrap_or(store);
    let mut lines = vec![
        "# Written anew at each start.".to_owned(),
        format!("server_name: {}", quoted(&spec.name)),
        "host: \"127.0.0.1\"".to_owned(),
        format!("port: {}", spec.port),
        format!("max_payload: {MAX_PAYLOAD_BYTES}"),
        // The server warns, and may stall, when this is not above the largest message.
        format!("max_pending: {}", MAX_PAYLOAD_BYTES.saturating_mul(16)),
    ];
    if let Some(port) = spec.monitor_port {
        lines.push(format!("http: \"127.0.0.1:{port}\""));
    }
    lines.push("jetstream {".to_owned());
    lines.push(format!("  store_dir: {}", quoted(&store.to_string_lossy())));
    if let Some(interval) = &spec.sync_interval {
        lines.push(format!("  sync_interval: {}", quoted(interval)));
    }
    lines.push("}".to_owned());
    lines.extend(spec.window.iter().flat_map(window_lines));
    lines.push(String::new());
    lines.join("\n")
}

/// The window's part of it. A publish or subscribe that is refused is told to whoever tried, and logged.
fn window_lines(window: &Window) -> Vec<String> {
    let quoted = |text: &String| serde_json::Value::from(text.as_str()).to_string();
    let list = |texts: &[String]| texts.iter().map(quoted).collect::<Vec<_>>().join(", ");
    let WindowUsers { anyone, nobody, onlooker } = &window.users;
    let mut lines = vec![
        "websocket {".to_owned(),
        format!("  host: \"{}\"", window.host),
        format!("  port: {}", window.port),
        "  no_tls: true".to_owned(),
        format!("  no_auth_user: {nobody}"),
    ];
    if !window.origins.is_empty() {
        lines.push(format!("  allowed_origins: [{}]", list(&window.origins)));
    }
    lines.extend([
        "}".to_owned(),
        "authorization {".to_owned(),
        "  users: [".to_owned(),
        format!("    {{ nkey: {anyone} }}"),
        format!(
            "    {{ nkey: {onlooker}, permissions: {{ publish: {{ deny: \">\" }}, subscribe: {{ allow: [{}] }} }} }}",
            list(&window.subjects)
        ),
        format!(
            "    {{ nkey: {nobody}, permissions: {{ publish: {{ deny: \">\" }}, subscribe: {{ deny: \">\" }} }} }}"
        ),
        "  ]".to_owned(),
        "}".to_owned(),
        format!("no_auth_user: {anyone}"),
    ]);
    lines
}

/// What the server wrote to its log since `begin`, at most a few lines, errors first.
fn last_words(log: &Path, begin: u64) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(text.get(usize::try_from(begin).unwrap_or(usize::MAX)..).unwrap_or_default())
        .into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let fatal: Vec<&str> =
        lines.iter().copied().filter(|line| line.contains("[FTL]") || line.contains("[ERR]")).collect();
    let chosen = if fatal.is_empty() { lines } else { fatal };
    let from = chosen.len().saturating_sub(3);
    let words = chosen.get(from..).unwrap_or_default().join("; ");
    if words.is_empty() { format!("see {}", log.display()) } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_dies_and_starts_again_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let mut broker = Broker::start(BrokerSpec { monitor_port: Some(0), ..BrokerSpec::new(folder.path()) }).unwrap();
        let (url, port) = (broker.url(), broker.port());
        assert!(broker.is_running() && answers(port));
        assert!(broker.monitor_url().is_some_and(|url| !url.ends_with(":0")));
        broker.kill();
        assert!(!broker.is_running() && !answers(port));
        broker.restart().unwrap();
        assert_eq!(broker.url(), url);
        let (second, process) =
            (Broker::start(BrokerSpec { port, ..BrokerSpec::new(folder.path().join("b")) }), broker.process_id());
        assert!(matches!(second, Err(BrokerError::PortTaken { port: taken }) if taken == port));
        assert!(process.is_some());
        drop(broker);
        assert!(!answers(port));
    }

    #[test]
    fn what_keeps_it_from_starting_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let spec = BrokerSpec { sync_interval: Some("never ever".to_owned()), ..BrokerSpec::new(folder.path()) };
        match Broker::start(spec) {
            Err(BrokerError::NotStarted { reason }) => assert!(reason.contains("sync"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}
