//! The simulator: the cores, their agents, and everything that can happen to them, on a bus in memory and a clock that
//! jumps.
//!
//! A run is one seed. What runs is what `hms up` runs: the registry, two desks and two ledgers as `services` starts them,
//! with traders of `swarm` and scripted agents beside them, each a process of its own in bad weather
//! ([`runtime::memory::weather`]). After each thing that is stored or answered a checker that shares no code with them
//! decides whether every promise is kept. When the faults are over, everything must come to an end.
//!
//! A run is a function of its seed: one thread, one order, no clock but the bus's, no randomness but the seed's. So a seed
//! that fails fails again, and with fewer faults and deals, as long as it still fails ([`shrink`]).
//!
//! [`sabotage`] takes single protections out, to see that the checker notices.
//!
//! # What is absent
//!
//! The market maker and its clearings, Python, real sockets and disks: `tests/faults` breaks those.

pub mod campaign;
mod chaos;
mod checker;
mod crowd;
mod eyes;
mod hands;
mod house;
mod keys;
mod panics;
mod prover;
pub mod sabotage;
mod script;
pub mod shrink;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use anyhow::Result;
use futures::StreamExt;
use runtime::{
    memory::{
        Memory,
        weather::{Climate, Fault, FaultId, Weather},
    },
    port::{Message, Port, Stored},
    task,
};
use schemas::{
    MarketId,
    body::Message as Body,
    header,
    import::{CertificatesRequest, Lots},
    ledger::{BalanceRequest, Balances},
    stream, subject,
};
use serde::Deserialize;
use swarm::voice;
use trade_balance::LEDGER;

pub use self::checker::Broken;
use self::{
    checker::{Checker, promise},
    crowd::Crowd,
    eyes::Eyes,
    hands::Hand,
    house::House,
    sabotage::Sabotage,
    script::Script,
};

/// When a simulated bus begins: 22 November 2026, 8:00 UTC.
const EPOCH_UNIX_MS: i64 = 1_795_334_400_000;
/// Deals in a run.
pub const DEALS: u64 = 7;
/// Operations at the ports until the faults are over, unless told otherwise.
pub const STEPS: u64 = 1_200;
/// How long faults last at most, in milliseconds on the bus's clock.
const FAULTS_MS: i64 = 40_000;
/// How long everything may take to come to an end after that, in milliseconds.
const REST_MS: i64 = 240_000;
/// In one of so many runs `deal::verify` looks at every log too: it checks each signature again, which takes as long as
/// all the rest.
const VERIFY_EVERY: u64 = 8;
/// Longer than anybody lags behind, in milliseconds: a ledger that was cut off tells of the books as it last saw them.
const LAG_MS: u64 = 15_000;
/// How often it is looked whether something is over, in milliseconds.
const LOOK_MS: u64 = 200;

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Everything is drawn from this.
    pub seed: u64,
    /// Operations at the ports until the faults are over.
    pub steps: u64,
    /// Which protection is taken out.
    pub sabotage: Option<Sabotage>,
    /// The faults and deals that are left in; all of them, where nothing is said.
    pub only: Option<Only>,
}

/// Some faults and some deals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// The faults.
    pub faults: BTreeSet<FaultId>,
    /// The deals, by number.
    pub deals: BTreeSet<u64>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The promise that was broken.
    pub broken: Option<Broken>,
    /// Operations at the ports.
    pub steps: u64,
    /// Moves in the log.
    pub moves: u64,
    /// How many deals ended where.
    pub ends: BTreeMap<String, u64>,
    /// How often each fault struck.
    pub faults: BTreeMap<Fault, u64>,
    /// Which faults struck.
    pub struck: BTreeSet<FaultId>,
    /// A number for everything that happened, in order.
    pub digest: u64,
    /// What happened, line by line, if it was to be told.
    pub story: Vec<String>,
}

/// Runs one seed. `tells` keeps its story.
///
/// # Errors
/// When there is no runtime, or the simulator itself is at fault.
pub fn run(plan: &Plan, tells: bool) -> Result<Report> {
    panics::listen();
    let mut report = runtime::simulate(live(plan.clone(), tells))??;
    if let Some(said) = panics::heard() {
        let how = format!("something panicked: {said}");
        report.broken.get_or_insert(Broken { promise: promise::SOUND, how });
    }
    Ok(report)
}

async fn live(plan: Plan, tells: bool) -> Result<Report> {
    let bus = Memory::new(EPOCH_UNIX_MS);
    for spec in stream::streams(1).iter().chain(&stream::buckets(1)) {
        bus.ensure_stream(spec).await?;
    }
    let (eyes, seen) = Eyes::open(EPOCH_UNIX_MS, tells);
    let climate: Climate = chaos::climate(&plan);
    let weather = Weather::over(bus.clone(), climate, Box::new(eyes));
    let house = House::start(&weather, &plan);
    let agents = Arc::new(weather.expose(weather.process("agents", false)));
    prover::start(&weather, plan.seed).await?;
    let hands = script::HANDS.iter().map(|name| Hand::new(name, agents.clone())).collect::<Result<_>>()?;
    let script = Rc::new(Script::new(plan.seed, hands, agents.clone())?);
    let crowd = Crowd::gather(plan.seed, agents.clone())?;
    script.arrive().await?;
    bus.sleep_ms(500).await;

    weather.be(false);
    let chaos = task::spawn_local(chaos::run(weather.clone(), house.processes(), plan.clone()));
    let kept = |deal: &u64| plan.only.as_ref().is_none_or(|only| only.deals.contains(deal));
    let mut deals: task::JoinSet<Result<()>> = task::JoinSet::new();
    for number in (0..DEALS).filter(kept) {
        let script = Rc::clone(&script);
        deals.spawn_local(async move { script.deal(number).await });
    }
    let begun_unix_ms = bus.now_unix_ms();
    while weather.steps() < plan.steps && bus.now_unix_ms() - begun_unix_ms < FAULTS_MS && !seen.is_broken() {
        bus.sleep_ms(LOOK_MS).await;
        if deals.is_empty() && seen.checker(|checker| checker.all_ended()) {
            break;
        }
        reap(&mut deals)?;
    }
    chaos.abort();
    weather.be(true);
    let calm_unix_ms = bus.now_unix_ms();
    seen.tell("the faults are over");
    // What was written last is on its way, to the inboxes, to the other ledger, and a write that was held up to the log: it
    // is over when a while later it still is.
    let mut was_over = false;
    while !seen.is_broken() && bus.now_unix_ms() - calm_unix_ms < REST_MS {
        reap(&mut deals)?;
        let is_over = deals.is_empty() && seen.checker(|checker| checker.all_ended());
        if is_over && was_over {
            break;
        }
        was_over = is_over;
        bus.sleep_ms(if is_over { LAG_MS } else { LOOK_MS }).await;
    }
    if !seen.is_broken() {
        finish(&bus, agents.as_ref(), &seen, deals.is_empty()).await?;
        if plan.seed.is_multiple_of(VERIFY_EVERY) {
            seen.checker(Checker::verify);
        }
    }
    drop((crowd, house, deals));
    Ok(seen.report(plan.seed, &weather))
}

/// Who says a message, as its signature's header has it; whether the signature holds is the cores' to check.
fn speaker(message: &Message) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    serde_json::from_str::<Named>(message.headers.get(header::SENDER)?).ok().map(|named| named.name)
}

/// Looks after deals that are done; a script that fails is the simulator's fault.
fn reap(deals: &mut task::JoinSet<Result<()>>) -> Result<()> {
    while let Some(done) = deals.try_join_next() {
        // One that panicked is heard of elsewhere.
        if let Ok(done) = done {
            done?;
        }
    }
    Ok(())
}

/// What can only be said when all is over.
async fn finish(bus: &Memory, port: &dyn Port, seen: &eyes::Seen, are_done: bool) -> Result<()> {
    let mut inboxes: Vec<Stored> = Vec::new();
    for name in script::HANDS.iter().chain(&script::TRADERS) {
        inboxes.extend(bus.read(stream::INBOX, &subject::inbox(&name.parse()?), 0).await?);
    }
    let mut told = Vec::new();
    for book in script::BOOKS {
        told.push(balances(port, book.parse()?).await);
    }
    let book: MarketId = script::CERTIFIED.parse()?;
    let certificates: Option<Lots> = insist(port, "certificates", &CertificatesRequest { book, party: None }).await;
    seen.checker(|checker| {
        if !are_done {
            checker.break_promise(promise::ENDS, "an agent still waits for an answer");
        }
        checker.at_rest(&inboxes);
        match certificates {
            Some(told) => checker.certificates(&told),
            None => checker.break_promise(promise::ENDS, "no ledger answers"),
        }
        for told in told {
            match told {
                Some(told) => checker.balances(&told),
                None => checker.break_promise(promise::ENDS, "no ledger answers"),
            }
        }
    });
    Ok(())
}

async fn balances(port: &dyn Port, book: MarketId) -> Option<Balances> {
    insist(port, "balance", &BalanceRequest { book, party: None }).await
}

/// Asks the ledger until it answers, or the patience has gone.
async fn insist<Q: Body, A: Body>(port: &dyn Port, verb: &str, ask: &Q) -> Option<A> {
    let attempts = futures::stream::iter(0..40).then(|_| async {
        let asked = voice::plain(subject::endpoint(LEDGER, verb), ask);
        match voice::ask::<A>(port, asked, 2_000).await {
            Ok(told) => Some(told),
            Err(_) => {
                port.sleep_ms(500).await;
                None
            }
        }
    });
    Box::pin(attempts.filter_map(std::future::ready)).next().await
}
