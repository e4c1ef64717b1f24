//! `hms up`: a bus of your own.

use std::{
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use runtime::{
    broker::{Broker, BrokerSpec, Window},
    port::Port,
};
use schemas::subject;
use serde_json::json;
use swarm::maker;

use crate::{
    bus::{self, BusArgs},
    exit::{Exit, OrExit, Outcome, Stop},
    house::{House, Plan},
    local::LocalBus,
    output,
    services::{
        Core,
        provers::{Provers, Whereabouts},
    },
    web,
};

/// Where NATS clients look by default.
const DEFAULT_PORT: u16 = 4222;
/// Where `nats-top` looks by default.
const DEFAULT_MONITOR_PORT: u16 = 8222;

/// Run a bus: broker, streams, every core and the market maker
///
/// The broker is started here, on the loopback and with its state in DIR, unless --nats, --context, NATS_URL or
/// NATS_CONTEXT say where one is (a context that is merely selected doesn't). Streams and buckets are made where they
/// are missing, and so are keys. Runs until SIGINT or SIGTERM, then drains: what was admitted is answered, nothing more
/// is taken.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms up
  hms up --web                            the page for onlookers at http://127.0.0.1:8280
  hms up --port 4333 --dir /tmp/bus
  hms up --nats nats://broker:4222 --dir /var/lib/hms")]
pub struct Up {
    #[command(flatten)]
    bus: BusArgs,
    /// The port of the broker that is started; 0 is any free one [default: 4222]
    #[arg(long, value_name = "PORT", conflicts_with_all = ["nats", "context"])]
    port: Option<u16>,
    /// The broker's monitoring port, for nats-top and /jsz [default: 8222, or a free one where it is taken]
    #[arg(long, value_name = "PORT", conflicts_with_all = ["nats", "context"])]
    monitor_port: Option<u16>,
    /// Have the broker force every write to the disk before it is acknowledged: slower, and a power cut loses nothing
    #[arg(long, conflicts_with_all = ["nats", "context"])]
    sync_always: bool,
    /// Copies of each stream, on a broker that is a cluster
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    replicas: u8,
    /// Leave the market maker out: on one bus it may run once, and two would propose the same goods twice
    #[arg(long)]
    no_maker: bool,
    /// How many provers to run: Python processes that search for the proofs that deals require
    #[arg(long, value_name = "N", default_value_t = 1)]
    provers: usize,
    /// Serve metrics for Prometheus at this address, on the page /metrics, and /healthz and /readyz
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<String>,
    /// Serve a page that shows markets and deals live [default where no address is given: 127.0.0.1:8280]
    ///
    /// Whoever reaches the address sees all that happens on the bus, and can do nothing. On a broker that runs elsewhere
    /// --websocket says how the page reaches it.
    #[arg(long, value_name = "IP:PORT", num_args = 0..=1, require_equals = true, default_missing_value = web::DEFAULT_ADDRESS)]
    web: Option<SocketAddr>,
    /// Where browsers reach the broker, if it is not started here: wss://host:port, ws://user:password@host:port
    #[arg(long, value_name = "URL", requires = "web")]
    websocket: Option<String>,
    /// The credentials file that the page is given; it must open nothing but looking on
    #[arg(long, value_name = "FILE", requires = "websocket")]
    onlooker: Option<PathBuf>,
    /// Print JSON on one line once everything serves
    #[arg(long)]
    json: bool,
}

impl Up {
    pub async fn run(self) -> Outcome {
        let dir = self.bus.dir.dir.clone();
        let is_own = self.port.is_some() || self.monitor_port.is_some() || self.sync_always || !self.bus.is_named();
        let running = LocalBus::running(&dir);
        let onlooker = web::Keys::make()?;
        let web = self.web.map(|address| free("--web", address)).transpose()?;
        if let Some(address) = &self.metrics {
            free("--metrics", address)?;
        }
        let broker = match (&running, is_own) {
            (_, false) => None,
            (None, true) => Some(self.start_broker(&dir, web.map(|address| onlooker.window(address)))?),
            (Some(bus), true) => {
                let LocalBus { pid, url, .. } = bus;
                return Err(Stop::say(
                    Exit::Bad,
                    format_args!("a bus runs from {} already: {url}, process {pid}", dir.display()),
                ));
            }
        };
        let port = match &broker {
            Some(broker) => bus::connect_own(&broker.url(), "hms-up").await?,

            None => self.bus.connect_service("hms-up").await?,
        };
        let web = web.map(|address| self.page(address, &onlooker, broker.as_ref())).transpose()?;
        let mut told = LocalBus {
            pid: std::process::id(),
            url: port.server().url,
            port: broker.as_ref().map(Broker::port),
            broker_pid: broker.as_ref().and_then(Broker::process_id),
            monitor_url: broker.as_ref().and_then(Broker::monitor_url),
            web_url: None,
        };
        let bus = match &broker {
            Some(broker) => Whereabouts::at(broker.url()),
            None => self.bus.whereabouts(),
        };
        let provers = Provers { count: self.provers, bus };
        let metrics = self.metrics.clone();
        let plan = Plan { replicas: self.replicas, has_maker: !self.no_maker, provers, metrics, web };
        let mut house = House::start(port.clone(), broker, &self.bus.dir.keys(), plan).await?;
        told.web_url = house.web_url();
        let announced = match running {
            None => Some(told.announce(&dir).or_exit(Exit::Input)?),
            Some(bus) => {
                tracing::warn!(
                    url = bus.url,
                    pid = bus.pid,
                    "another bus runs from this folder; `{}` means that one",
                    self.bus.dir.down()
                );
                None
            }
        };
        house.prove().await;
        self.tell(&told, &dir, &port)?;
        let ended = house.until_interrupted().await;
        house.drain().await;
        drop(announced);
        ended
    }

    /// What the page is served with.
    fn page(&self, address: SocketAddr, onlooker: &web::Keys, broker: Option<&Broker>) -> Outcome<web::Spec> {
        let door = match (broker.and_then(Broker::window_port), &self.websocket) {
            (Some(_), Some(_)) => {
                return Err(Stop::say(
                    Exit::Usage,
                    "--websocket is for a broker that runs elsewhere: this one has its own",
                ));
            }
            (Some(window_port), None) => onlooker.door(window_port),
            (None, Some(url)) => web::Door::elsewhere(url, self.onlooker.as_deref())?,
            (None, None) => {
                return Err(Stop::say(
                    Exit::Usage,
                    "--web on a broker that runs elsewhere wants --websocket: where browsers reach it",
                ));
            }
        };
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "the page for onlookers is served in the clear to whoever reaches this address");
        }
        Ok(web::Spec { address, door })
    }

    fn start_broker(&self, dir: &Path, window: Option<Window>) -> Outcome<Broker> {
        if let Some(orphan) = LocalBus::read(dir).and_then(|bus| bus.orphan()) {
            return Err(Stop::say(
                Exit::Bad,
                format_args!(
                    "a bus that was killed left its broker (process {orphan}) in {}: `{}` ends it",
                    dir.display(),
                    self.bus.dir.down()
                ),
            ));
        }
        let monitor_port =
            self.monitor_port.unwrap_or_else(|| if is_free(DEFAULT_MONITOR_PORT) { DEFAULT_MONITOR_PORT } else { 0 });
        let spec = BrokerSpec {
            port: self.port.unwrap_or(DEFAULT_PORT),
            monitor_port: Some(monitor_port),
            sync_interval: self.sync_always.then(|| "always".to_owned()),
            window,
            ..BrokerSpec::new(dir)
        };
        Broker::start(spec).or_exit(Exit::NoBus)
    }

    fn tell(&self, bus: &LocalBus, dir: &Path, port: &Arc<dyn Port>) -> Outcome {
        let LocalBus { url, monitor_url, web_url, pid, .. } = bus;
        let maker = (!self.no_maker).then_some(maker::SERVICE);
        let cores = Core::ALL.into_iter().filter(|core| *core != Core::Gtp || self.provers > 0).map(Core::name);
        let serving: Vec<&str> = cores.chain(maker).collect();
        if self.json {
            return output::json(
                &json!({ "url": url, "pid": pid, "dir": dir.display().to_string(), "monitor_url": monitor_url, "web_url": web_url, "serving": serving }),
            );
        }
        let whose = if bus.port.is_some() {
            format!("state in {}", dir.display())
        } else {
            format!("keys in {}", dir.display())
        };
        output::line(format_args!("bus      {url} (nats-server {}, {whose})", port.server().version))?;
        if let Some(monitor) = monitor_url {
            output::line(format_args!("monitor  {monitor}"))?;
        }
        if let Some(web) = web_url {
            output::line(format_args!("page     {web}"))?;
        }
        output::line(format_args!("serving  {}", serving.join(", ")))?;
        output::line(format_args!(
            "watch    nats --server {url} sub --translate '{} decode' '{}'",
            own_name(),
            subject::all_live()
        ))?;
        output::line(format_args!("         nats --server {url} service list"))?;
        output::line(format_args!("stop     Ctrl-C, or `{}`", self.bus.dir.down()))
    }
}

/// The address, with a port that is free now where any will do: it is better said before a broker runs than afterwards.
fn free(option: &str, address: impl ToSocketAddrs + std::fmt::Display) -> Outcome<SocketAddr> {
    let bound = TcpListener::bind(&address).and_then(|listener| listener.local_addr());
    bound.map_err(|error| Stop::say(Exit::Bad, format_args!("{option} {address}: {error}")))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// How this program is called from elsewhere: by name if the path finds it, else by its file.
fn own_name() -> String {
    let is_on_path = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("hms").is_file()));
    match std::env::current_exe() {
        Ok(file) if !is_on_path => file.display().to_string(),
        _ => "hms".to_owned(),
    }
}
