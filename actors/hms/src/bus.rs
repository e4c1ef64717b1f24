//! Which bus a command talks to, and getting onto it.
//!
//! In this order: what the command line says; `NATS_URL` and `NATS_CONTEXT`; the bus that `hms up` runs from
//! the folder at hand; the context that `nats context select` chose; the local server. So whoever has just
//! started a bus here means that one, whatever their NATS command line is pointed at.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use runtime::{
    nats::{ConnectError, ConnectSpec, Nats},
    port::Port,
};

use crate::{
    exit::Outcome,
    keystore::{DEFAULT_DIR, DIR_VARIABLE, KeyStore},
    local::LocalBus,
    services::provers::Whereabouts,
};

/// How long a command waits for a bus that does not answer, in milliseconds.
const CLIENT_CONNECT_MS: u64 = 2_000;

/// How long a service waits for its broker, in milliseconds: the two tend to start together.
const SERVICE_CONNECT_MS: u64 = 20_000;

/// Where the bus is.
#[derive(Args, Clone, Debug)]
pub struct BusArgs {
    /// The broker's URL, or several with commas between [default: NATS_URL, NATS_CONTEXT, the bus that runs from
    /// DIR, the NATS context selected, nats://127.0.0.1:4222]
    #[arg(long, value_name = "URL")]
    pub nats: Option<String>,
    /// A context of the `nats` command line, which may carry credentials
    #[arg(long, value_name = "NAME", conflicts_with = "nats")]
    pub context: Option<String>,
    #[command(flatten)]
    pub dir: DirArgs,
}

/// Where keys and a local bus's state are.
#[derive(Args, Clone, Debug)]
pub struct DirArgs {
    /// The folder of keys and of a local bus's state
    #[arg(long, value_name = "DIR", env = DIR_VARIABLE, default_value = DEFAULT_DIR)]
    pub dir: PathBuf,
}

impl DirArgs {
    /// The command that ends the bus that runs from it.
    #[must_use]
    pub fn down(&self) -> String {
        if self.dir == Path::new(DEFAULT_DIR) {
            return "hms down".to_owned();
        }
        format!("hms down --dir {}", self.dir.display())
    }

    /// The keys there.
    #[must_use]
    pub fn keys(&self) -> KeyStore {
        KeyStore::new(&self.dir)
    }
}

impl BusArgs {
    /// Whether command line or environment name a bus; what `nats context select` chose does not count.
    #[must_use]
    pub fn is_named(&self) -> bool {
        let is_set = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
        self.nats.is_some() || self.context.is_some() || is_set("NATS_URL") || is_set("NATS_CONTEXT")
    }

    /// Whether there is a bus that a command means without asking: one is named, or runs from the folder at hand.
    #[must_use]
    pub fn is_meant(&self) -> bool {
        self.is_named() || LocalBus::running(&self.dir.dir).is_some()
    }

    /// Where a process of ours finds the same bus.
    #[must_use]
    pub fn whereabouts(&self) -> Whereabouts {
        let local = if self.is_named() { None } else { LocalBus::running(&self.dir.dir) };
        Whereabouts { url: self.nats.clone().or_else(|| local.map(|bus| bus.url)), context: self.context.clone() }
    }

    fn spec(&self, name: &str) -> Result<ConnectSpec, ConnectError> {
        let local = if self.is_named() { None } else { LocalBus::running(&self.dir.dir) };
        let url = self.nats.clone().or_else(|| local.map(|bus| bus.url));
        ConnectSpec::discover(url.as_deref(), self.context.as_deref(), name)
    }

    /// Which bus is meant, and who says so.
    #[must_use]
    pub fn meant(&self) -> String {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if self.nats.is_some() {
            "as --nats says".to_owned()
        } else if let Some(context) = &self.context {
            format!("as the context {context} says")
        } else if variable("NATS_URL").is_some() {
            "as NATS_URL says".to_owned()
        } else if let Some(context) = variable("NATS_CONTEXT") {
            format!("as NATS_CONTEXT says: the context {context}")
        } else if LocalBus::running(&self.dir.dir).is_some() {
            format!("the bus that runs from {}", self.dir.dir.display())
        } else {
            "as the selected context says, or by default".to_owned()
        }
    }

    /// The monitoring page of the bus that runs from the folder, where that is the one that is meant.
    #[must_use]
    pub fn monitor_url(&self) -> Option<String> {
        let local = LocalBus::running(&self.dir.dir)?;
        let is_meant = !self.is_named() || self.spec("hms").is_ok_and(|spec| spec.url == local.url);
        local.monitor_url.filter(|_| is_meant)
    }

    /// Connects to whatever answers, fit for us or not.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect_to_any(&self, name: &str) -> Result<Nats, ConnectError> {
        let spec = self.spec(name)?;
        ConnectSpec {
            first_connect_ms: CLIENT_CONNECT_MS,
            timeout_ms: CLIENT_CONNECT_MS,
            require_streams: false,
            ..spec
        }
        .connect()
        .await
    }

    /// Connects as a command that wants an answer now.
    ///
    /// # Errors
    /// No bus.
    pub async fn connect(&self) -> Outcome<Arc<dyn Port>> {
        self.connect_as("hms").await
    }

    /// The same, under a name that the broker shows.
    ///
    /// # Errors
    /// No bus.
    pub async fn connect_as(&self, name: &str) -> Outcome<Arc<dyn Port>> {
        Ok(Arc::new(self.dial(name, CLIENT_CONNECT_MS).await?))
    }

    /// Connects as a service that has time.
    ///
    /// # Errors
    /// No bus.
    pub async fn connect_service(&self, name: &str) -> Outcome<Arc<dyn Port>> {
        Ok(Arc::new(self.dial(name, SERVICE_CONNECT_MS).await?))
    }

    /// Connects as a command that does more to the broker than a port can.
    ///
    /// # Errors
    /// No bus.
    pub async fn connect_to_manage(&self) -> Outcome<Nats> {
        Ok(self.dial("hms", CLIENT_CONNECT_MS).await?)
    }

    async fn dial(&self, name: &str, first_connect_ms: u64) -> Result<Nats, ConnectError> {
        ConnectSpec { first_connect_ms, ..self.spec(name)? }.connect().await
    }
}

/// Connects to a broker of our own, which knows of no credentials.
///
/// # Errors
/// No bus.
pub async fn connect_own(url: &str, name: &str) -> Outcome<Arc<dyn Port>> {
    Ok(Arc::new(ConnectSpec::new(url, name).connect().await?))
}
