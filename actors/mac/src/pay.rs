//! The deal that pays for an award.
//!
//! Where a job pays, an award determines a deal of `fixed/1` between its supervisor and whoever the task is awarded to:
//! the price of the bid against one unit of the task's skill. `mac` holds no party's key and opens nothing. It says which
//! deal it must be, down to the id: whoever reads both logs can hold one against the other, and a deal that says anything
//! else is another deal. The supervisor opens it and confirms once the result stands; the worker accepts, and works once
//! the ledger has committed.
//!
//! What is due is due when the result must stand at the latest: after the time to work, a verdict of every verifier one
//! after another, and the gate. So a supervisor has always heard by then, and where nothing was handed in that stands, the
//! deal fails and the books take the payment back.

use std::collections::BTreeSet;

use schemas::body::encode;
use schemas::deal::{Award, Delivery, Terms, Transfer};
use schemas::hash::Hash;
use schemas::id::{AgentId, DealId, Good, JobId, MoveId, TaskId};
use schemas::job::AwardDeal;
use schemas::quantity::Quantity;

use crate::state::{Job, Slot};

/// The rule by which a task is given back whose award was not paid for.
pub const UNPAID: &str = "unpaid";
/// How long a supervisor has to confirm after the last moment at which a result can stand, in milliseconds.
const CONFIRM_MS: i64 = 10_000;

/// What the log of the deal that was to pay for an award says by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backing {
    /// There is no such deal.
    Missing,
    /// It is there, and not agreed; or it ended so.
    Open {
        /// The terms on its table.
        terms_hash: Option<Hash>,
        /// Who has accepted them.
        accepted: BTreeSet<AgentId>,
        /// Who said no, or took it back, where that ended it.
        ended_by: Option<AgentId>,
    },
    /// A rule or the ledger refused it.
    Refused {
        /// Who would have given more than it may, where that is why.
        party: Option<AgentId>,
    },
    /// All have agreed.
    Stands,
}

/// What was read of that log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// What it says.
    pub backing: Backing,
    /// How many entries it had.
    pub turns: u32,
}

impl Backing {
    /// Whether nothing pays for the award, and the worker had no part in that.
    #[must_use]
    pub fn is_unpaid(&self, promised: &AwardDeal, supervisor: &AgentId, worker: &AgentId) -> bool {
        match self {
            Self::Missing => true,
            Self::Open { terms_hash, .. } if *terms_hash != Some(Hash::of(&promised.terms)) => true,
            Self::Open { ended_by: Some(by), .. } => by != worker,
            Self::Open { accepted, ended_by: None, .. } => !accepted.contains(supervisor),
            Self::Refused { party } => party.as_ref() != Some(worker),
            Self::Stands => false,
        }
    }
}

/// The deal that an award of a task determines; none where the job does not pay, or nothing was asked.
pub(crate) fn deal_of(
    job: &Job,
    slot: &Slot,
    worker: &AgentId,
    price_minor: i64,
    awarded_unix_ms: i64,
) -> Option<AwardDeal> {
    let pay = job.pay.as_ref()?;
    let (supervisor, round) = (&job.supervisor, slot.round);
    let price = Quantity::new(price_minor).ok()?;
    let expires_unix_ms = awarded_unix_ms.saturating_add(job.rules.lease_ms.min(job.rules.work_ms).into());
    let due_unix_ms = due_unix_ms(job, slot, awarded_unix_ms).max(expires_unix_ms);
    let transfer = |from: &AgentId, to: &AgentId, good: Good, quantity| Transfer {
        from: from.clone(),
        to: to.clone(),
        good,
        quantity,
        due_unix_ms,
        intent: None,
    };
    let mut parties = vec![supervisor.clone(), worker.clone()];
    parties.sort();
    let task = slot.spec.task.clone();
    let move_id = move_id(&job.id, &task, round)?;
    let terms = Terms {
        book: pay.book.clone(),
        parties,
        transfers: vec![
            transfer(supervisor, worker, pay.good.clone(), price),
            transfer(worker, supervisor, Good::parse(slot.spec.skill.as_str()).ok()?, Quantity::new(1).ok()?),
        ],
        delivery: Delivery::Confirmed,
        expires_unix_ms,
        award: Some(Award { job: job.id.clone(), task, round }),
    };
    Some(AwardDeal { deal: DealId::of(supervisor, &move_id), move_id, terms: encode(&terms) })
}

/// When a result must stand, and its supervisor have said so.
fn due_unix_ms(job: &Job, slot: &Slot, awarded_unix_ms: i64) -> i64 {
    let is_judged = slot.spec.panel.is_some();
    let judges = i64::try_from(job.verifiers.len()).unwrap_or(i64::MAX);
    let judging_ms = if is_judged { judges.saturating_mul(job.rules.judge_ms.into()) } else { 0 };
    let is_gated = slot.spec.gate || is_judged && !job.gatekeepers.is_empty();
    let gate_ms = if is_gated { job.rules.gate_ms } else { 0 };
    awarded_unix_ms
        .saturating_add(job.rules.work_ms.into())
        .saturating_add(judging_ms)
        .saturating_add(gate_ms.into())
        .min(job.expires_unix_ms)
        .saturating_add(CONFIRM_MS)
}

/// The id of the move that opens it: an award has one deal, whoever asks again.
fn move_id(job: &JobId, task: &TaskId, round: u32) -> Option<MoveId> {
    let parts: [&[u8]; 5] = [job.as_str().as_bytes(), &[0], task.as_str().as_bytes(), &[0], &round.to_be_bytes()];
    MoveId::parse(&format!("award-{}", Hash::of_parts(&parts).to_string().get(..32)?)).ok()
}
