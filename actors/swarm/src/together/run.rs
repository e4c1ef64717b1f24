//! Runs a scenario of collaboration: brings the crew to the bus, has the job submitted, and watches until it ends.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use runtime::NoSystem;
use runtime::peer::Host;
use runtime::port::{Port, ReadError};
use schemas::body::decode;
use schemas::job::{TaskEvent, TaskWord};
use schemas::limit::MAX_CLEARING_BODY_BYTES;
use schemas::signature::{BadKey, Signer};
use schemas::task::SubmitJob;
use schemas::{AgentId, JobId, MoveId, stream, subject};

use super::hand::{Counts, Hand, SUBMIT};
use super::report::{Report, payments};
use super::{Kind, PaySection, Together};
use crate::scenario::key_seed;
use crate::voice::{self, AskError};

/// How often the runner looks, in milliseconds.
const LOOK_MS: u64 = 200;
/// How long the crew may take to register, in milliseconds.
const GATHER_WITHIN_MS: i64 = 30_000;
/// How long the crew may take to finish what is under way, in milliseconds.
const DRAIN_WITHIN_MS: u64 = 5_000;
/// How long the end may take to reach the bucket of reputations, in milliseconds.
const SETTLES_MS: u64 = 500;
/// Threads that carry the crew.
const THREADS: usize = 2;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not everybody registered.
    #[error("only {ready} of {all} agents were ready within {GATHER_WITHIN_MS} ms")]
    NotReady {
        /// How many were.
        ready: usize,
        /// How many there are.
        all: usize,
    },
    /// The registry said no, or nothing.
    #[error("registry.hello: {0}")]
    Hello(#[from] AskError),
    /// A log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A key of the crew is none.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// A name of the crew is none.
    #[error("{0} cannot be an agent")]
    Name(String),
    /// The runner was not started where actors can live.
    #[error(transparent)]
    NoSystem(#[from] NoSystem),
}

/// Runs it. `port` is the onlooker's own connection, `hands` carries the crew. Ends when the job does, or its time is
/// over, or when `interrupted` is ready.
///
/// # Errors
/// [`RunError`].
pub async fn run(
    port: Arc<dyn Port>,
    hands: Arc<dyn Port>,
    scenario: &Together,
    seed: u64,
    interrupted: impl Future<Output = ()>,
) -> Result<Report, RunError> {
    let account = voice::account(port.as_ref()).await?;
    let everybody = scenario.everybody();
    let (counts, host) = (Arc::new(Counts::default()), Host::new(hands, THREADS)?);
    let supervisor = AgentId::parse("supervisor-0").map_err(|error| RunError::Name(error.to_string()))?;
    let submit = submission(scenario, seed, port.now_unix_ms())?;
    let job = JobId::of(&supervisor, &submit.move_id);
    let mut boss = None;
    for (agent, kind) in &everybody {
        let key = key_seed(seed, agent).ok_or_else(|| RunError::Name(agent.to_string()))?;
        let signer = Signer::from_seed(&key, account.clone(), agent.as_str())?;
        let takes_ms = if *kind == Kind::Human { scenario.collaboration.gate_ms } else { scenario.crew.work_ms };
        let hand = Hand::new(*kind, signer, agent.clone(), takes_ms, counts.clone());
        let hand = match (scenario.pay(), &scenario.pay) {
            (Some(pay), Some(PaySection { funds_minor, .. })) => hand.paid(pay, *funds_minor),
            _ => hand,
        };
        let hand = if *agent == supervisor { hand.supervising(submit.clone()) } else { hand };
        let handle = host.spawn(agent.as_str(), hand);
        if *agent == supervisor {
            boss = Some(handle);
        }
    }
    gather(port.as_ref(), &counts, everybody.len()).await?;
    let began_unix_ms = port.now_unix_ms();
    boss.iter().for_each(|boss| boss.wake(SUBMIT));
    let over_unix_ms = began_unix_ms.saturating_add(i64::from(scenario.seconds) * 1000);
    let mut interrupted = std::pin::pin!(interrupted);
    loop {
        runtime::select! {
            () = &mut interrupted => break,
            () = port.sleep_ms(LOOK_MS) => {}
        }
        let is_over = port.now_unix_ms() >= over_unix_ms;
        if is_over || has_ended(port.as_ref(), &job).await? && payments(port.as_ref(), &job).await?.are_over() {
            break;
        }
    }
    host.stop(DRAIN_WITHIN_MS).await;
    port.sleep_ms(SETTLES_MS).await;
    let trouble = counts.trouble.load(Relaxed);
    Report::of(port.as_ref(), scenario, seed, &job, &everybody, trouble).await
}

fn submission(scenario: &Together, seed: u64, now_unix_ms: i64) -> Result<SubmitJob, RunError> {
    let everybody = scenario.everybody();
    let those = |wanted: &[Kind]| -> Vec<AgentId> {
        everybody.iter().filter(|(_, kind)| wanted.contains(kind)).map(|(agent, _)| agent.clone()).collect()
    };
    let run_ms = i64::from(scenario.seconds) * 1000;
    Ok(SubmitJob {
        // Another run on the same bus is another job.
        move_id: MoveId::parse(&format!("job-{seed}-{now_unix_ms}"))
            .map_err(|error| RunError::Name(error.to_string()))?,
        deadline_unix_ms: now_unix_ms.saturating_add(GATHER_WITHIN_MS).saturating_add(run_ms),
        tasks: scenario.tasks(seed),
        verifiers: those(&[Kind::Verifier, Kind::Mistaken]),
        gatekeepers: those(&[Kind::Human]),
        rules: scenario.rules.clone(),
        expires_unix_ms: now_unix_ms.saturating_add(GATHER_WITHIN_MS).saturating_add(run_ms),
        more: false,
        pay: scenario.pay(),
    })
}

async fn gather(port: &dyn Port, counts: &Counts, all: usize) -> Result<(), RunError> {
    let late_unix_ms = port.now_unix_ms().saturating_add(GATHER_WITHIN_MS);
    loop {
        let ready = counts.ready.load(Relaxed);
        if ready >= all {
            return Ok(());
        }
        if port.now_unix_ms() >= late_unix_ms {
            return Err(RunError::NotReady { ready, all });
        }
        port.sleep_ms(LOOK_MS).await;
    }
}

async fn has_ended(port: &dyn Port, job: &JobId) -> Result<bool, ReadError> {
    let last = port.last(stream::TASKS, &subject::task_log(job)).await?;
    let event = last.and_then(|stored| decode::<TaskEvent>(&stored.body, MAX_CLEARING_BODY_BYTES).ok());
    Ok(event.is_some_and(|event| matches!(event.what, TaskWord::Finished | TaskWord::Failed | TaskWord::Cancelled)))
}
