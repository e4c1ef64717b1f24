//! The cores behind their subjects: what `hms up` and `hms node` run.
//!
//! Here the pure cores meet the runtime. Each file binds one core; nothing is decided here.

mod desk;
mod gate;
mod genetic;
mod islands;
mod ledger;
mod mac;
pub mod provers;
mod registry;
pub mod search;
mod timers;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ::registry::Greeter;
use anyhow::{Context, Result, bail};
use runtime::{
    journal::{FencedHandle, Keys, Seat, sign},
    port::{AppendError, Port, Record},
    service::{Answer, Claimant, EndpointSpec, Limits, Meters, Neighbours, Running, Service},
};
use schemas::{
    AgentId,
    error::{Code, ErrorReply},
    header::Headers,
    keyring::{Keyring, LogRecord},
    limit::{MAX_BODY_BYTES, MAX_CLEARING_BODY_BYTES},
    signature::Signer,
    stream,
    subject::{self, BadSubject, DealVerb, TaskVerb},
};

use self::{
    desk::{Decides, DeskService},
    genetic::GeneticService,
    ledger::LedgerService,
    mac::MacService,
    provers::{Prover, Provers},
    registry::RegistryService,
};
use crate::keystore::Keyholder;
use trade_balance::{LEDGER, Ledger};

/// The version that services show, which is the product's.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Requests that the desk and the ledger work on at once.
const ADMISSION: usize = 4_096;
/// Of those, how many at the same time; a turn of somebody else's is never further away than that.
const AT_ONCE: usize = 512;
/// How much of one agent a core takes a second in the long run while others ask, beside half as much as they ask.
const PACE_PER_S: u64 = 200;
/// The token of a move's subject that names its mover: `hms.v1.deal.<verb>.<party>.<deal>`, and a job's likewise.
const MOVER: usize = 4;
/// Clearings that may wait; they are long.
const CLEARINGS: usize = 8;
/// Searches under way at once.
const SEARCHES: usize = 16;
/// Divisions that may wait.
const DIVISIONS: usize = 64;
/// How long answers may take when a service ends, in milliseconds.
const DRAIN_MS: u64 = 5_000;

/// A core that a node can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Core {
    /// Who is here.
    Registry,
    /// The conversation of deals.
    Deal,
    /// The books.
    Ledger,
    /// Working together.
    Mac,
    /// What terms are worth.
    TradeBalance,
    /// Who could trade with whom.
    Graph,
    /// Which terms are good for everybody.
    Genetic,
    /// The kernel that checks proofs.
    Proof,
    /// The provers, in Python, that search for them.
    Gtp,
}

impl Core {
    /// Every core.
    pub const ALL: [Self; 9] = [
        Self::Registry,
        Self::Deal,
        Self::Ledger,
        Self::Mac,
        Self::TradeBalance,
        Self::Graph,
        Self::Genetic,
        Self::Proof,
        Self::Gtp,
    ];

    /// The service's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Deal => "deal",
            Self::Ledger => "ledger",
            Self::Mac => "mac",
            Self::TradeBalance => "trade_balance",
            Self::Graph => "graph",
            Self::Genetic => "genetic",
            Self::Proof => "proof",
            Self::Gtp => search::PROVERS,
        }
    }

    /// Whether it writes logs, and so has a key in the key log.
    #[must_use]
    pub fn signs(self) -> bool {
        matches!(self, Self::Registry | Self::Deal | Self::Ledger | Self::Mac)
    }
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Core {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|core| core.name() == text)
            .ok_or_else(|| format!("no core is named {text:?}; there are {}", known()))
    }
}

/// Cores at work.
pub struct Cores {
    services: Vec<Running>,
    provers: Vec<Prover>,
    /// The ledger, at work or standing by.
    seat: Option<Seat>,
}

impl Cores {
    /// Stops taking requests, answers what was admitted, and ends. Says whether all was answered in time.
    pub async fn drain(self) -> bool {
        let services = futures::future::join_all(self.services.into_iter().map(|service| service.drain(DRAIN_MS)));
        let seat = async {
            match self.seat {
                Some(seat) => seat.drain(DRAIN_MS).await,
                None => true,
            }
        };
        let (services, seat) = futures::future::join(services, seat).await;
        // After whoever may still be asking them.
        let ended = futures::future::join_all(self.provers.into_iter().map(|prover| prover.drain(DRAIN_MS))).await;
        seat && services.into_iter().chain(ended).all(|in_time| in_time)
    }

    /// Waits until the provers serve; whether they did in time. Nothing depends on it.
    pub async fn prove(&mut self, within_ms: u64) -> bool {
        let serve = futures::future::join_all(self.provers.iter_mut().map(|prover| prover.serves(within_ms))).await;
        serve.into_iter().all(|in_time| in_time)
    }
}

/// Starts cores. The streams are there already; keys are made on first use. Where [`Core::Gtp`] is among them, so many
/// `provers` are started on the same bus. How all of them but those fare is shown by `meters`.
///
/// # Errors
/// When a key or the log cannot be used, or a service cannot listen.
pub async fn start(
    port: Arc<dyn Port>,
    store: &dyn Keyholder,
    cores: &[Core],
    provers: &Provers,
    meters: &Meters,
) -> Result<Cores> {
    // The registry's key before any entry that it signs.
    for core in cores.iter().filter(|core| core.signs()) {
        publish_key(port.as_ref(), &signer(store, *core)?).await?;
    }
    let (mut services, mut seat) = (Vec::new(), None);
    let mut proving = Vec::new();
    let neighbours = Neighbours::default();
    for core in cores {
        let service = Service::new(core.name(), VERSION).measured(meters).beside(&neighbours);
        let service = match core {
            Core::Registry => {
                let account = store.account()?;
                let keys = Keys::follow(port.clone()).await?;
                let registry = RegistryService::new(port.clone(), keys, signer(store, *core)?);
                service
                    .described("Who is here: keys, leases, inboxes")
                    .core(Limits::default(), move || Greeter { account: account.clone() })
                    .handler(endpoints(*core, &registry::VERBS), waiting(), move || registry.clone())
            }
            Core::Deal => {
                let keys = Keys::follow(port.clone()).await?;
                desk_of(deal::Desk, port.clone(), keys, signer(store, *core)?)?.measured(meters).beside(&neighbours)
            }
            Core::Ledger => {
                let keys = Keys::follow(port.clone()).await?;
                let hire = ledger::hiring(port.clone(), signer(store, *core)?);
                let (bus, meters, neighbours) = (port.clone(), meters.clone(), neighbours.clone());
                let service = move |writer: &FencedHandle<Ledger>| {
                    let ledger = LedgerService::new(bus.clone(), keys.clone(), writer.clone());
                    let handler = move || ledger.clone();
                    let service = Service::new(LEDGER, VERSION).measured(&meters).beside(&neighbours);
                    service.described("The books: limits, commits, balances").handler(
                        endpoints(Core::Ledger, &ledger::VERBS),
                        waiting(),
                        handler,
                    )
                };
                seat = Some(Seat::take(port.clone(), ledger::office(port.as_ref()).await?, hire, service).await?);
                continue;
            }
            Core::Mac => {
                let keys = Keys::follow(port.clone()).await?;
                let mac = MacService::start(port.clone(), keys, signer(store, *core)?).await?;
                let timers = mac.clone();
                runtime::spawn(async move { timers.heed_timers().await });
                let moves = TaskVerb::ALL.map(|verb| {
                    EndpointSpec::new(verb.as_str(), subject::all_task_moves(verb)).fair_by(Claimant::Token(MOVER))
                });
                service.described("Working together: jobs, contract net, verification, the gate").handler(
                    moves,
                    waiting(),
                    move || mac.clone(),
                )
            }
            Core::TradeBalance => service
                .described("What terms are worth, how gains are divided, and what transfers sum to")
                .core(Limits::default(), || trade_balance::Value)
                .core(Limits { max_body_bytes: MAX_BODY_BYTES, ..dividing() }, <trade_balance::Analyze>::default)
                .core(Limits::default(), || trade_balance::Balance)
                .core(Limits::default(), || trade_balance::Path)
                .core(Limits::default(), || trade_balance::CertificatePrices)
                .core(Limits::default(), || trade_balance::AgreementReturn)
                .core(dividing(), <trade_balance::Divide>::default),
            Core::Graph => {
                let limits = Limits {
                    admission: CLEARINGS,
                    max_body_bytes: MAX_CLEARING_BODY_BYTES,
                    actors: 1,
                    own_threads: true,
                    ..Limits::default()
                };
                service
                    .described("Who could trade with whom: clearing, netting, roadmaps, the shape of networks")
                    .core(limits.clone(), <graph::Clear>::default)
                    .core(limits.clone(), <graph::Net>::default)
                    .core(limits.clone(), <graph::Plan>::default)
                    .core(limits, <graph::Analyze>::default)
            }
            Core::Genetic => {
                // An epoch is taken only by whoever can begin it at once: others may be idle elsewhere.
                let processors = std::thread::available_parallelism().map_or(1, usize::from);
                let epochs = Limits {
                    admission: processors,
                    max_body_bytes: MAX_CLEARING_BODY_BYTES,
                    actors: processors,
                    own_threads: true,
                    ..Limits::default()
                };
                let searches =
                    Limits { admission: SEARCHES, max_body_bytes: MAX_CLEARING_BODY_BYTES, ..Limits::default() };
                let genetic = GeneticService::new(port.clone());
                service
                    .described("Which terms are good for everybody: evolution over islands")
                    .core(epochs, || ::genetic::Epoch)
                    .handler(endpoints(*core, &genetic::VERBS), searches, move || genetic.clone())
            }
            Core::Proof => service
                .described("The kernel: does this evidence decide this claim?")
                .core(Limits::default(), || proof::Checker),
            Core::Gtp => {
                proving.extend((0..provers.count).map(|_| Prover::start(provers.bus.clone())));
                continue;
            }
        };
        services.push(service.start(port.clone()).await.with_context(|| format!("the core {core}"))?);
    }
    Ok(Cores { services, provers: proving, seat })
}

/// Starts a desk alone, with this decider in its place.
///
/// # Errors
/// As [`start`].
pub async fn start_desk<D: Decides>(desk: D, port: Arc<dyn Port>, store: &dyn Keyholder) -> Result<Cores> {
    publish_key(port.as_ref(), &signer(store, Core::Deal)?).await?;
    let keys = Keys::follow(port.clone()).await?;
    let service = desk_of(desk, port.clone(), keys, signer(store, Core::Deal)?)?;
    Ok(Cores { services: vec![service.start(port).await?], provers: Vec::new(), seat: None })
}

/// The desk's service, with this desk in it; it heeds timers from now on.
fn desk_of<D: Decides>(desk: D, port: Arc<dyn Port>, keys: Keys, signer: Signer) -> Result<Service> {
    let desk = DeskService::start(desk, port, keys, signer, Arc::new(proof::Checker))?;
    let timers = desk.clone();
    runtime::spawn(async move { timers.heed_timers().await });
    let moves = DealVerb::ALL
        .map(|verb| EndpointSpec::new(verb.as_str(), subject::all_deal_moves(verb)).fair_by(Claimant::Token(MOVER)));
    let service = Service::new(Core::Deal.name(), VERSION).described("The desk: the conversation of deals");
    Ok(service.handler(moves, waiting(), move || desk.clone()))
}

fn signer(store: &dyn Keyholder, core: Core) -> Result<Signer> {
    Ok(store.signer(&AgentId::parse(core.name())?)?)
}

/// Begins a core's key history, or finds it begun with the same key.
async fn publish_key(port: &dyn Port, signer: &Signer) -> Result<()> {
    let core = AgentId::parse(signer.name())?;
    let log = subject::key_log(&core);
    // Twice at most: another node may be writing the same key just now.
    for _ in 0..2 {
        let (mut ring, mut last) = (Keyring::default(), 0);
        for stored in port.read(stream::DEALS, &log, 0).await? {
            last = stored.sequence;
            // On an open bus anyone can write here.
            if let Err(fault) = ring.add(&LogRecord::from(stored)) {
                tracing::warn!(log, sequence = last, %fault, "an entry of the key log was skipped");
            }
        }
        match ring.current(core.as_str()) {
            Some(key) if key == signer.key() => return Ok(()),
            Some(key) => bail!(
                "this bus knows {core} by the key {key}, and our key folder holds {}: start with the folder that the bus was made with",
                signer.key()
            ),
            None => {}
        }
        let now_unix_ms = port.now_unix_ms();
        let (kind, body) = ::registry::core_key(&core, signer.key(), now_unix_ms);
        let headers: Headers = sign(signer, &log, kind, &body, now_unix_ms);
        let entry = Record::new(log.clone(), body).with_headers(headers).expecting(last);
        match port.append(stream::DEALS, vec![entry]).await {
            Ok(_) => return Ok(()),
            Err(AppendError::Conflict) => {}
            Err(error) => return Err(error).with_context(|| format!("writing the key of {core} to the log")),
        }
    }
    bail!("others are writing to the key log of {core}")
}

fn endpoints(core: Core, verbs: &[&'static str]) -> Vec<EndpointSpec> {
    let endpoint = |verb: &&'static str| EndpointSpec::new(*verb, subject::endpoint(core.name(), verb));
    verbs.iter().map(|verb| endpoint(verb).fair_by(Claimant::Signer)).collect()
}

/// A division may list what tens of thousands of coalitions are worth; dividing and mending may take a while.
fn dividing() -> Limits {
    Limits {
        admission: DIVISIONS,
        max_body_bytes: MAX_CLEARING_BODY_BYTES,
        actors: 1,
        own_threads: true,
        ..Limits::default()
    }
}

/// What those cores take on that mostly read and write logs.
fn waiting() -> Limits {
    Limits { admission: ADMISSION, at_once: AT_ONCE, pace_per_s: PACE_PER_S, ..Limits::default() }
}

fn answer(answer: schemas::core::Answer) -> Result<Answer, ErrorReply> {
    answer.map(|(_, body)| Answer::new(Headers::new(), body))
}

fn bad_subject(error: BadSubject) -> ErrorReply {
    ErrorReply::new(Code::BadMessage, error.to_string()).at_field("subject")
}

fn unknown_verb(verb: &str) -> ErrorReply {
    ErrorReply::new(Code::BadMessage, format!("no endpoint is named {verb:?}")).at_field("subject")
}
