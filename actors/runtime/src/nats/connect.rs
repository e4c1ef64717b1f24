//! Where the server is, who we are to it, and getting connected.
//!
//! People keep their servers and credentials in contexts of the `nats` CLI, and containers in the environment;
//! both are read, in the CLI's own order: what was asked for by name, `NATS_URL`, `NATS_CONTEXT`, the context
//! that `nats context select` chose, and at last the local server. A first connection is tried again for a
//! bounded time, since servers and their clients tend to start together; later ones without end. A refusal to
//! log in is final at once.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_nats::{Client, ConnectOptions, Event, ServerAddr, jetstream};
use serde::Deserialize;
use tracing::{debug, info, warn};

use super::{Nats, link::Counters};
use crate::port::DEFAULT_TIMEOUT_MS;

/// The server that is tried when nothing else is said.
pub const DEFAULT_URL: &str = "nats://127.0.0.1:4222";

/// The oldest server that has what we use: atomic batches and message schedules.
pub const OLDEST_SERVER: (u64, u64) = (2, 12);

/// How to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectSpec {
    /// One or more servers, comma-separated.
    pub url: String,
    /// The connection's name, as monitoring shows it.
    pub name: String,
    /// Who we are.
    pub login: Login,
    /// TLS settings.
    pub tls: Tls,
    /// A JetStream domain, where the server is a leaf node.
    pub domain: Option<String>,
    /// A prefix for reply subjects, where the account prescribes one.
    pub inbox_prefix: Option<String>,
    /// How long the first connection may take, tries included.
    pub first_connect_ms: u64,
    /// How long a single call may take.
    pub timeout_ms: u64,
    /// Whether to insist on JetStream and on a server that is new enough. Agents that only talk do not need it.
    pub require_streams: bool,
}

/// Who we are to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Login {
    /// Nobody in particular.
    #[default]
    None,
    /// A credentials file.
    Creds(PathBuf),
    /// A file that holds an NKey seed.
    NKey(PathBuf),
    /// A user with a password.
    User(String, String),
    /// A token.
    Token(String),
}

/// TLS settings; all empty means that the server decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The certificates of the authorities to trust.
    pub ca: Option<PathBuf>,
    /// Our certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Whether TLS comes before anything the server says.
    pub first: bool,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The context does not exist or cannot be read.
    #[error("NATS context {name:?}: {reason}")]
    Context {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that holds credentials or certificates cannot be used.
    #[error("credentials cannot be used: {0}")]
    Credentials(String),
    /// The server refused the login.
    #[error("{url} refused the login")]
    Refused {
        /// The server.
        url: String,
    },
    /// No server answered in time.
    #[error("no NATS server answers at {url}: {reason}; `hms up` starts one")]
    Unreachable {
        /// The server.
        url: String,
        /// The last failure.
        reason: String,
    },
    /// The server is too old.
    #[error("the server at {url} is version {version}; at least {}.{} is needed for atomic batches and message schedules", OLDEST_SERVER.0, OLDEST_SERVER.1)]
    TooOld {
        /// The server.
        url: String,
        /// Its version.
        version: String,
    },
    /// The server, or the account, has no JetStream.
    #[error("the server at {url} has no JetStream for this account: {reason}")]
    NoJetStream {
        /// The server.
        url: String,
        /// What it said.
        reason: String,
    },
}

impl ConnectSpec {
    /// Connects to `url` as nobody in particular.
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            name: name.into(),
            login: Login::None,
            tls: Tls::default(),
            domain: None,
            inbox_prefix: None,
            first_connect_ms: 10_000,
            timeout_ms: DEFAULT_TIMEOUT_MS,
            require_streams: true,
        }
    }

    /// What the environment and the CLI's contexts say. `url` and `context` are what the user asked for on the
    /// command line, if anything.
    ///
    /// # Errors
    /// [`ConnectError::Context`].
    pub fn discover(url: Option<&str>, context: Option<&str>, name: &str) -> Result<Self, ConnectError> {
        Self::discover_in(url, context, name, &|variable| std::env::var(variable).ok())
    }

    fn discover_in(
        url: Option<&str>,
        context: Option<&str>,
        name: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConnectError> {
        let env = |variable: &str| env(variable).filter(|value| !value.is_empty());
        let folder = config_folder(&env);
        let asked = url.map(str::to_owned).or_else(|| if context.is_some() { None } else { env("NATS_URL") });
        let chosen = match (&asked, context) {
            (_, Some(context)) => Some(context.to_owned()),
            (Some(_), None) => None,
            (None, None) => env("NATS_CONTEXT").or_else(|| selected_context(folder.as_deref())),
        };
        let mut spec = match chosen {
            Some(context) => Context::load(folder.as_deref(), &context)?.spec(name),
            None => Self::new(DEFAULT_URL, name),
        };
        if let Some(url) = asked {
            spec.url = url;
        }
        spec.login = match (env("NATS_CREDS"), env("NATS_NKEY"), env("NATS_USER"), env("NATS_PASSWORD")) {
            (Some(creds), ..) => Login::Creds(creds.into()),
            (_, Some(nkey), ..) => Login::NKey(nkey.into()),
            (_, _, Some(user), Some(password)) => Login::User(user, password),
            (_, _, Some(token), None) => Login::Token(token),
            _ => spec.login,
        };
        spec.tls.ca = env("NATS_CA").map(PathBuf::from).or(spec.tls.ca);
        spec.tls.cert = env("NATS_CERT").map(PathBuf::from).or(spec.tls.cert);
        spec.tls.key = env("NATS_KEY").map(PathBuf::from).or(spec.tls.key);
        Ok(spec)
    }

    /// Connects.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(&self) -> Result<Nats, ConnectError> {
        let counters = Arc::new(Counters::default());
        let client = self.reach(&counters).await?;
        let mut jetstream = match &self.domain {
            Some(domain) => jetstream::with_domain(client.clone(), domain),
            None => jetstream::new(client.clone()),
        };
        jetstream.set_timeout(Duration::from_millis(self.timeout_ms));
        if self.require_streams {
            self.check(&client, &jetstream).await?;
        }
        info!(url = %shown(&self.url), version = client.server_info().version, "connected");
        Ok(Nats::new(client, jetstream, counters, shown(&self.url), self.timeout_ms))
    }

    async fn reach(&self, counters: &Arc<Counters>) -> Result<Client, ConnectError> {
        let deadline = tokio::time::Instant::now() + Duration::from_millis(self.first_connect_ms);
        let servers: Vec<&str> = self.url.split(',').map(str::trim).filter(|url| !url.is_empty()).collect();
        let mut last = "timed out".to_owned();
        loop {
            let options = self.options(counters).await?;
            let failure = match tokio::time::timeout_at(deadline, options.connect(servers.as_slice())).await {
                Ok(Ok(client)) => return Ok(client),
                Ok(Err(error)) => error,
                Err(_) => return Err(self.unreachable(&last)),
            };
            use async_nats::ConnectErrorKind as Kind;
            match failure.kind() {
                Kind::Authentication | Kind::AuthorizationViolation => {
                    return Err(ConnectError::Refused { url: shown(&self.url) });
                }
                Kind::ServerParse => return Err(self.unreachable(&failure.to_string())),
                _ => {}
            }
            let pause = Duration::from_millis(100);
            if tokio::time::Instant::now() + pause >= deadline {
                return Err(self.unreachable(&failure.to_string()));
            }
            debug!(url = %shown(&self.url), %failure, "not connected yet");
            last = failure.to_string();
            tokio::time::sleep(pause).await;
        }
    }

    fn unreachable(&self, reason: &str) -> ConnectError {
        ConnectError::Unreachable { url: shown(&self.url), reason: reason.to_owned() }
    }

    async fn options(&self, counters: &Arc<Counters>) -> Result<ConnectOptions, ConnectError> {
        let bad =
            |what: &Path, error: std::io::Error| ConnectError::Credentials(format!("{}: {error}", what.display()));
        let mut options = ConnectOptions::new()
            .name(&self.name)
            .max_reconnects(None)
            .request_timeout(Some(Duration::from_millis(self.timeout_ms)))
            .reconnect_delay_callback(|attempts| Duration::from_millis((attempts as u64).saturating_mul(50).min(2_000)))
            .event_callback({
                let counters = Arc::clone(counters);
                move |event| {
                    note(&counters, &event);
                    std::future::ready(())
                }
            });
        options = match &self.login {
            Login::None => match login_in(&self.url) {
                Some((user, password)) => options.user_and_password(user, password),
                None => options,
            },
            Login::Creds(file) => options.credentials_file(file).await.map_err(|error| bad(file, error))?,
            Login::NKey(file) => {
                let seed = std::fs::read_to_string(file).map_err(|error| bad(file, error))?;
                options.nkey(seed.trim().to_owned())
            }
            Login::User(user, password) => options.user_and_password(user.clone(), password.clone()),
            Login::Token(token) => options.token(token.clone()),
        };
        if let Some(ca) = &self.tls.ca {
            options = options.add_root_certificates(ca.clone());
        }
        if let (Some(cert), Some(key)) = (&self.tls.cert, &self.tls.key) {
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
        if self.tls.first {
            options = options.tls_first();
        }
        if let Some(prefix) = &self.inbox_prefix {
            options = options.custom_inbox_prefix(prefix);
        }
        Ok(options)
    }

    async fn check(&self, client: &Client, jetstream: &jetstream::Context) -> Result<(), ConnectError> {
        let server = client.server_info();
        let url = shown(&self.url);
        if !is_new_enough(&server.version) {
            return Err(ConnectError::TooOld { url, version: server.version });
        }
        let deadline = Duration::from_millis(self.timeout_ms);
        let reason = match tokio::time::timeout(deadline, jetstream.query_account()).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        Err(ConnectError::NoJetStream { url, reason })
    }
}

/// Whether a version such as `2.15.1` or `2.14.0-RC.1` is at least [`OLDEST_SERVER`].
#[must_use]
pub fn is_new_enough(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split(['.', '-']).map(|part| part.parse::<u64>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= OLDEST_SERVER
}

/// The user and the password that stand in the first URL, where they do.
fn login_in(url: &str) -> Option<(String, String)> {
    let server: ServerAddr = url.split(',').next()?.trim().parse().ok()?;
    Some((server.username()?.to_owned(), server.password()?.to_owned()))
}

/// A URL without the credentials that may stand in it.
fn shown(url: &str) -> String {
    url.split(',')
        .map(|one| match (one.find("://"), one.rfind('@')) {
            (Some(scheme), Some(at)) if at > scheme => {
                format!("{}{}", one.get(..scheme + 3).unwrap_or_default(), one.get(at + 1..).unwrap_or_default())
            }
            (None, Some(at)) => one.get(at + 1..).unwrap_or_default().to_owned(),
            _ => one.to_owned(),
        })
        .collect::<Vec<_>>()
        .join(",")
}

fn note(counters: &Counters, event: &Event) {
    match event {
        Event::Connected => {
            if counters.connected() > 1 {
                info!("connected again");
            }
        }
        Event::Disconnected => {
            counters.disconnected();
            warn!("disconnected; trying again without end");
        }
        Event::SlowConsumer(subscription) => {
            counters.slow_consumer();
            warn!(subscription, "a subscriber is too slow and lost messages");
        }
        Event::LameDuckMode => warn!("the server is about to stop"),
        Event::Draining => debug!("draining"),
        Event::Closed => info!("connection closed"),
        Event::ServerError(error) => warn!(%error, "server error"),
        Event::ClientError(error) => debug!(%error, "client error"),
    }
}

fn config_folder(env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    env("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| env("HOME").map(|home| Path::new(&home).join(".config")))
        .map(|config| config.join("nats"))
}

fn selected_context(folder: Option<&Path>) -> Option<String> {
    let name = std::fs::read_to_string(folder?.join("context.txt")).ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// A context file of the `nats` CLI; fields that concern only the CLI are left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Context {
    url: String,
    token: String,
    user: String,
    password: String,
    creds: String,
    nkey: String,
    cert: String,
    key: String,
    ca: String,
    tls_first: bool,
    jetstream_domain: String,
    inbox_prefix: String,
}

impl Context {
    fn load(folder: Option<&Path>, name: &str) -> Result<Self, ConnectError> {
        let bad = |reason: String| ConnectError::Context { name: name.to_owned(), reason };
        if name.contains(['/', '\\']) || name.contains("..") {
            return Err(bad("not a name".to_owned()));
        }
        let folder = folder.ok_or_else(|| bad("no configuration folder: HOME is not set".to_owned()))?;
        let file = folder.join("context").join(format!("{name}.json"));
        let text = std::fs::read_to_string(&file).map_err(|error| bad(format!("{}: {error}", file.display())))?;
        serde_json::from_str(&text).map_err(|error| bad(format!("{}: {error}", file.display())))
    }

    fn spec(self, name: &str) -> ConnectSpec {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let login = match (some(self.creds), some(self.nkey), some(self.user), some(self.token)) {
            (Some(creds), ..) => Login::Creds(expand(&creds)),
            (_, Some(nkey), ..) => Login::NKey(expand(&nkey)),
            (_, _, Some(user), _) => Login::User(user, self.password),
            (.., Some(token)) => Login::Token(token),
            _ => Login::None,
        };
        ConnectSpec {
            login,
            tls: Tls {
                ca: some(self.ca).map(|path| expand(&path)),
                cert: some(self.cert).map(|path| expand(&path)),
                key: some(self.key).map(|path| expand(&path)),
                first: self.tls_first,
            },
            domain: some(self.jetstream_domain),
            inbox_prefix: some(self.inbox_prefix),
            ..ConnectSpec::new(some(self.url).unwrap_or_else(|| DEFAULT_URL.to_owned()), name)
        }
    }
}

/// A path as the CLI reads it: `~` is the home folder.
fn expand(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (version, good) in [
            ("2.15.1", true),
            ("2.12.0", true),
            ("2.12.0-RC.1", true),
            ("3.0.0", true),
            ("2.11.9", false),
            ("1.99", false),
            ("", false),
        ] {
            assert_eq!(is_new_enough(version), good, "{version:?}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        assert_eq!(shown("nats://u:p@host:4222,tls://host"), "nats://host:4222,tls://host");
        assert_eq!(shown("token@host:4222"), "host:4222");
    }

    #[test]
    fn contexts_and_environment_are_read_in_the_order_of_the_cli() {
        let home = tempfile::tempdir().unwrap();
        let contexts = home.path().join("nats/context");
        std::fs::create_dir_all(&contexts).unwrap();
        std::fs::write(
            contexts.join("prod.json"),
            r#"{"description":"x","url":"nats://prod:4222","creds":"/c.creds","jetstream_domain":"hub","color_scheme":"","user":""}"#,
        )
        .unwrap();
        std::fs::write(contexts.join("test.json"), r#"{"url":"nats://test:4222","user":"ann","password":"pw"}"#)
            .unwrap();
        std::fs::write(home.path().join("nats/context.txt"), "test\n").unwrap();
        let config = home.path().to_str().unwrap().to_owned();
        let find = |url: Option<&str>, context: Option<&str>, vars: &[(&str, &str)]| {
            let lookup = |name: &str| {
                if name == "XDG_CONFIG_HOME" {
                    return Some(config.clone());
                }
                vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
            };
            ConnectSpec::discover_in(url, context, "us", &lookup)
        };

        let selected = find(None, None, &[]).unwrap();
        assert_eq!(
            (selected.url.as_str(), selected.login),
            ("nats://test:4222", Login::User("ann".into(), "pw".into()))
        );
        let named = find(None, Some("prod"), &[("NATS_URL", "nats://env:1")]).unwrap();
        assert_eq!((named.url.as_str(), named.login), ("nats://prod:4222", Login::Creds("/c.creds".into())));
        assert_eq!(named.domain.as_deref(), Some("hub"));
        let by_env = find(None, None, &[("NATS_CONTEXT", "prod")]).unwrap();
        assert_eq!(by_env.url, "nats://prod:4222");
        let env_url = find(None, None, &[("NATS_URL", "nats://env:1"), ("NATS_CREDS", "/e.creds")]).unwrap();
        assert_eq!((env_url.url.as_str(), env_url.login), ("nats://env:1", Login::Creds("/e.creds".into())));
        let asked = find(Some("nats://asked:1"), None, &[("NATS_URL", "nats://env:1")]).unwrap();
        assert_eq!((asked.url.as_str(), asked.login), ("nats://asked:1", Login::None));

        assert!(matches!(find(None, Some("none"), &[]), Err(ConnectError::Context { .. })));
        assert!(matches!(find(None, Some("../x"), &[]), Err(ConnectError::Context { .. })));
    }
}
