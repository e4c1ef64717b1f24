//! What is awarded to a worker, and what is put before whoever judges.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use schemas::job::{CalledTask, TaskInput, TaskNote};
use schemas::limit::PPM;
use schemas::subject::TaskVerb;
use schemas::task::{KeptResult, ReportProgress};
use schemas::{AgentId, DealId, Hash, JobId, Skill, TaskId};

use super::super::Agent;
use crate::voice::AskError;

/// How often in the time of a lease a worker gives a sign of life.
const SIGNS_A_LEASE: u64 = 3;

/// For what a worker offers to do tasks, and how many.
pub struct Bids {
    pub(super) price: Box<dyn Fn(&CalledTask) -> Option<i64> + Send + Sync>,
    pub(super) skills: Vec<Skill>,
    pub(super) at_once: usize,
}

impl Bids {
    /// For this much each, in minor units of what the job pays in, or of account; one task at a time.
    #[must_use]
    pub fn at(price_minor: i64) -> Self {
        Self::by(move |_| Some(price_minor))
    }

    /// For what is named for each task; nothing does not bid.
    #[must_use]
    pub fn by(price: impl Fn(&CalledTask) -> Option<i64> + Send + Sync + 'static) -> Self {
        Self { price: Box::new(price), skills: Vec::new(), at_once: 1 }
    }

    /// So many at once.
    #[must_use]
    pub fn at_once(self, at_once: usize) -> Self {
        Self { at_once, ..self }
    }

    /// What it says it can do, beside the skill that tasks are called under.
    #[must_use]
    pub fn able_to(mut self, skills: impl IntoIterator<Item = Skill>) -> Self {
        self.skills.extend(skills);
        self
    }
}

/// A task that was awarded to an agent.
#[derive(Clone)]
pub struct Work {
    agent: Agent,
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// Which announcement of it.
    pub round: u32,
    /// Who submitted the job.
    pub supervisor: AgentId,
    /// What is to be done.
    pub brief: String,
    /// What the tasks brought that it needs, by their names.
    pub inputs: BTreeMap<TaskId, Vec<u8>>,
    /// The deal that pays for it, where the job pays.
    pub deal: Option<DealId>,
    done_ppm: Arc<AtomicU32>,
    lease_ms: u64,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.task, self.job)
    }
}

impl Work {
    pub(super) fn of(agent: &Agent, note: &TaskNote) -> Option<Self> {
        let lease_ms = note.until_unix_ms?.saturating_sub(note.at_unix_ms).max(1).unsigned_abs();
        Some(Self {
            agent: agent.clone(),
            job: note.job.clone(),
            task: note.task.clone()?,
            round: note.round?,
            supervisor: note.supervisor.clone(),
            brief: note.brief.clone().unwrap_or_default(),
            inputs: by_task(&note.inputs),
            deal: note.award.as_ref().map(|award| award.deal.clone()),
            done_ppm: Arc::default(),
            lease_ms,
        })
    }

    /// The agent that does it.
    #[must_use]
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Says how far it is, in parts per million. Signs of life are given anyway.
    ///
    /// # Errors
    /// [`AskError`]: `Refused` with 409 or 410 where the task is another's by now.
    pub async fn progress(&self, done_ppm: u32) -> Result<(), AskError> {
        let most = u32::try_from(PPM).unwrap_or(u32::MAX);
        self.done_ppm.store(done_ppm.min(most), Relaxed);
        self.sign_of_life().await
    }

    async fn sign_of_life(&self) -> Result<(), AskError> {
        let deadline_unix_ms = self.agent.now_unix_ms().saturating_add_unsigned(self.lease_ms);
        let report = ReportProgress {
            move_id: self.agent.move_id()?,
            deadline_unix_ms,
            job: self.job.clone(),
            task: self.task.clone(),
            round: self.round,
            done_ppm: self.done_ppm.load(Relaxed),
        };
        self.agent.task_move(TaskVerb::Progress, &self.job, &report, deadline_unix_ms).await
    }

    /// Gives signs of life for as long as the task is this agent's.
    pub(super) async fn stay_alive(&self) {
        loop {
            self.agent.core.port.sleep_ms((self.lease_ms / SIGNS_A_LEASE).max(1)).await;
            match self.sign_of_life().await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(agent = %self.agent.id(), task = %self.task, %error, "no sign of life");
                    if !error.is_passing() {
                        return;
                    }
                }
            }
        }
    }
}

/// A result that is to be judged, or let through the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// Who submitted the job.
    pub supervisor: AgentId,
    /// Who brought the result.
    pub doer: AgentId,
    /// What was to be done.
    pub brief: String,
    /// What the tasks brought that it needed, by their names.
    pub inputs: BTreeMap<TaskId, Vec<u8>>,
    /// The result.
    pub result: Vec<u8>,
    /// Where it is kept, if it is large.
    pub kept: Option<KeptResult>,
    /// Why it waits at the gate: `asked` or `split_panel`; nothing of one that is to be judged.
    pub rule: Option<String>,
    pub(super) hash: Hash,
    pub(super) until_unix_ms: i64,
}

impl Submitted {
    pub(super) fn of(note: &TaskNote) -> Option<Self> {
        let result = note.result.clone()?;
        Some(Self {
            job: note.job.clone(),
            task: note.task.clone()?,
            supervisor: note.supervisor.clone(),
            doer: note.agent.clone()?,
            brief: note.brief.clone().unwrap_or_default(),
            inputs: by_task(&note.inputs),
            result: result.result,
            kept: result.kept,
            rule: note.rule.clone(),
            hash: note.result_hash?,
            until_unix_ms: note.until_unix_ms?,
        })
    }
}

/// What is said of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is right, or may count.
    Yes,
    /// It is wrong, or may not, for this reason.
    No(String),
    /// Nothing is said of it.
    Silence,
}

fn by_task(inputs: &[TaskInput]) -> BTreeMap<TaskId, Vec<u8>> {
    inputs.iter().map(|input| (input.task.clone(), input.result.clone())).collect()
}
