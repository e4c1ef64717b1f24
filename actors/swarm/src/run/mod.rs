//! Runs a scenario: declares its market, brings its agents to the bus, watches until all is quiet, and reports.
//!
//! The runner is an onlooker. Agents trade among themselves through desk, ledger and market maker; what the report says
//! is read off the signed logs, the stream of intents and the maker's public record, and what a deal is worth to whom
//! is asked of the core that everyone asks.

mod crowd;
mod detail;
mod export;
pub(crate) mod hosts;
mod page;
mod progress;
mod report;
mod rounds;
mod tally;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;

use futures::channel::mpsc;
use runtime::NoSystem;
use runtime::port::{AppendError, Port, PublishError, ReadError};
use runtime::time::{Duration, Instant, MissedTickBehavior, interval};
use schemas::body::Message as Body;
use schemas::clearing::{Clear, Cleared, Objective, Offer};
use schemas::ledger::{BalanceRequest, Balances};
use schemas::signature::BadKey;
use schemas::{stream as streams, subject};

use self::crowd::Crowd;
use self::detail::Detail;
use self::export::Export;
use self::page::Page;
use self::progress::Progress;
use self::report::{Frame, Languages};
use self::rounds::Answer;
use self::watch::Watch;
use crate::plan::Policy;
use crate::scenario::{Language, Population};
use crate::voice::{self, AskError};

pub use self::hosts::{PYTHON_VARIABLE, interpreter};
pub use self::report::Report;

/// How long an answer may take, in milliseconds.
const ANSWER_MS: u64 = 10_000;
/// How often the runner looks at the clock, in milliseconds.
pub(crate) const LOOK_MS: u64 = 100;
/// How long the clearing may compute that the report measures against, in milliseconds.
const OPTIMUM_WITHIN_MS: u32 = 30_000;
/// Beyond the market's own period: how long nothing may happen before all is over, in milliseconds.
const QUIET_MS: i64 = 1_000;

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct Spec {
    /// What the scenario is, in a line.
    pub about: String,
    /// The seed that the population was drawn with.
    pub seed: u64,
    /// The most seconds that agents trade.
    pub seconds: u32,
    /// How many Python processes carry the agents that are written in Python.
    pub hosts: usize,
    /// Where those processes find the bus.
    pub servers: Vec<String>,
    /// Or by which context of the `nats` command line.
    pub context: Option<String>,
    /// Where to export to.
    pub export: Option<PathBuf>,
    /// Where to write the report as a page.
    pub page: Option<PathBuf>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bus has another market by this name.
    #[error("market {0} exists on this bus, and otherwise")]
    OtherMarket(String),
    /// A Python host did not start, or fell.
    #[error("{python} -m hms_a2a.host: {reason}")]
    Python {
        /// The interpreter.
        python: String,
        /// What went wrong.
        reason: String,
    },
    /// Not all agents registered.
    #[error("only {ready} of {all} agents were ready within {} ms", crowd::GATHER_WITHIN_MS)]
    NotReady {
        /// How many were.
        ready: usize,
        /// How many there are.
        all: usize,
    },
    /// A core said no, or nothing.
    #[error("{what}: {source}")]
    Ask {
        /// The service and the verb.
        what: String,
        /// Why.
        source: AskError,
    },
    /// A stream cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record cannot be stored.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// A subscription cannot be made.
    #[error(transparent)]
    Subscribe(#[from] PublishError),
    /// A key of a scenario is none.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// The runner was not started where actors can live.
    #[error(transparent)]
    NoSystem(#[from] NoSystem),
    /// A file of the export, or the page, cannot be written.
    #[error("{path}: {source}")]
    Export {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Runs `population` on the bus. `port` is the onlooker's own connection, `traders` carries all agents in Rust. Ends
/// when all have come and gone and the market is quiet, or after [`Spec::seconds`], or when `interrupted` is ready.
///
/// # Errors
/// [`RunError`].
pub async fn run(
    port: Arc<dyn Port>,
    traders: Arc<dyn Port>,
    population: &Population,
    spec: &Spec,
    interrupted: impl Future<Output = ()>,
) -> Result<Report, RunError> {
    let began = Instant::now();
    let (news, reports) = mpsc::unbounded();
    let mut progress = Progress::start();
    progress.begin("declaring the market");
    declare(port.as_ref(), population).await?;
    let before = balances(port.as_ref(), population).await?;
    let export = spec.export.as_deref().map(Export::into).transpose()?;
    let page = spec.page.as_deref().map(Page::into).transpose()?;
    let mut watch = Watch::begin(port.clone(), &population.market.market, reports, export).await?;
    let mut crowd = Crowd::gather(&mut watch, traders, population, spec, news, &mut progress).await?;
    until_quiet(&mut watch, &mut crowd, population, spec, &mut progress, interrupted).await?;
    progress.begin("everybody finishes what is under way");
    let messages = crowd.drain(&mut watch).await?;
    progress.begin("comparing with the best single clearing");
    let question = best_clearing(population);
    let optimum: Cleared =
        ask(port.as_ref(), ("graph", "clear"), &question, u64::from(OPTIMUM_WITHIN_MS) + ANSWER_MS).await?;
    let after = balances(port.as_ref(), population).await?;
    let Watch { export, tally, began_unix_ms, .. } = watch;
    if let Some(mut export) = export {
        export.optimum(&question, &optimum)?;
        export.finish(port.as_ref(), tally.deals.iter().map(|(deal, facts)| (deal, facts.state))).await?;
    }
    let frame = Frame {
        market: &population.market,
        seed: spec.seed,
        agents: languages(population),
        everyone: population.agents.iter().map(|(_, plan)| plan.id.clone()).collect(),
        optimum: optimum.bound,
        before,
        after,
        messages: messages.saturating_add(tally.host_messages),
        seconds: began.elapsed().as_secs_f64(),
    };
    let report = Report::of(&tally, frame);
    if let Some(page) = page {
        let detail = Detail::of(&spec.about, began_unix_ms, population, &tally, Answer::from(&optimum));
        page.finish(&report, &detail)?;
    }
    Ok(report)
}

/// Lets the agents trade until all have come and gone and the market is quiet, or the time is over, or somebody says
/// that it is enough.
async fn until_quiet(
    watch: &mut Watch,
    crowd: &mut Crowd,
    population: &Population,
    spec: &Spec,
    progress: &mut Progress,
    interrupted: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let mut interrupted = std::pin::pin!(interrupted);
    let mut looks = interval(Duration::from_millis(LOOK_MS));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let start_unix_ms = crowd.start_unix_ms();
    let over_unix_ms = start_unix_ms.saturating_add(i64::from(spec.seconds) * 1000);
    let all_came_unix_ms = start_unix_ms.saturating_add_unsigned(population.last_step_ms());
    // Whatever changed last, a clearing took note of it and found nothing more to do.
    let market = &population.market;
    let quiet_ms = i64::from(market.clear_every_ms) + i64::from(market.time_limit_ms) + QUIET_MS;
    loop {
        runtime::select! {
            heard = watch.next() => watch.count(heard).await?,
            () = &mut interrupted => return Ok(()),
            _ = looks.tick() => {
                crowd.check().await?;
                let now_unix_ms = watch.now_unix_ms();
                progress.show(now_unix_ms, || watch.tally.line());
                let is_quiet = watch.tally.open() == 0 && now_unix_ms >= watch.heard_unix_ms.saturating_add(quiet_ms);
                if now_unix_ms >= over_unix_ms || (is_quiet && now_unix_ms >= all_came_unix_ms) {
                    return Ok(());
                }
            }
        }
    }
}

/// Puts the market's declaration where the maker finds it.
async fn declare(port: &dyn Port, population: &Population) -> Result<(), RunError> {
    let key = population.market.market.as_str();
    let declaration = serde_json::to_vec(&population.market).unwrap_or_default();
    match port.kv_get(streams::MARKETS, key).await? {
        Some(stored) if stored.value == declaration => Ok(()),
        Some(_) => Err(RunError::OtherMarket(key.to_owned())),
        None => {
            port.kv_update(streams::MARKETS, key, declaration.into(), None, 0).await.map(drop).map_err(RunError::from)
        }
    }
}

/// One clearing over everyone's whole intents, each at the margin that its agent really accepts at: what no sequence of
/// clearings can do better than. Agents whose policy is to accept nothing, or to deliver nothing, are no part of it.
fn best_clearing(population: &Population) -> Clear {
    let market = &population.market;
    let honest = population.agents.iter().map(|(_, plan)| plan).filter(|plan| plan.policy == Policy::Honest);
    let offers = honest.map(|plan| Offer {
        agent: plan.id.clone(),
        sequence: None,
        gives: plan.gives.clone(),
        wants: plan.wants.clone(),
        margin_ppm: plan.accepts_at_ppm(),
        outlook: plan.outlook.clone(),
    });
    Clear {
        goods: market.goods.clone(),
        offers: offers.collect(),
        band: Some(market.band),
        margin_ppm: market.margin_ppm,
        max_ring: market.max_ring,
        objective: Objective::Welfare,
        days: market.days_to_delivery(),
        time_limit_ms: OPTIMUM_WITHIN_MS,
        max_chain: None,
        then: None,
        earlier: Vec::new(),
        with_limits: false,
    }
}

async fn balances(port: &dyn Port, population: &Population) -> Result<Balances, RunError> {
    let question = BalanceRequest { book: population.market.market.clone(), party: None };
    ask(port, ("ledger", "balance"), &question, ANSWER_MS).await
}

async fn ask<Q: Body, R: Body>(
    port: &dyn Port,
    (service, verb): (&str, &str),
    question: &Q,
    timeout_ms: u64,
) -> Result<R, RunError> {
    let message = voice::plain(subject::endpoint(service, verb), question);
    let answer = voice::ask(port, message, timeout_ms).await;
    answer.map_err(|source| RunError::Ask { what: format!("{service}.{verb}"), source })
}

fn languages(population: &Population) -> Languages {
    let python = population.agents.iter().filter(|(language, _)| *language == Language::Python).count();
    Languages { python, rust: population.agents.len() - python }
}
