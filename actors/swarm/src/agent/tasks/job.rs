//! A job, for whoever submits it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use runtime::sync::watch;
use schemas::job::{JobShown, JobState, ShowJob, TaskMoved, TaskNote, TaskWord};
use schemas::subject::{self, TaskVerb};
use schemas::task::{AddTasks, CancelJob, JobRules, Pay, SubmitJob, Task};
use schemas::{AgentId, DealId, JobId, TaskId};

use super::super::Agent;
use crate::voice::AskError;

/// How long a job has, unless it says otherwise, in milliseconds.
const EXPIRES_MS: i64 = 60 * 60 * 1000;

/// A job of tasks, before it is submitted.
#[derive(Clone, Debug)]
pub struct JobSpec {
    tasks: Vec<Task>,
    verifiers: BTreeSet<AgentId>,
    gatekeepers: BTreeSet<AgentId>,
    rules: JobRules,
    expires_ms: i64,
    more: bool,
    pay: Option<Pay>,
}

impl JobSpec {
    /// A job of these tasks, to be finished within an hour.
    #[must_use]
    pub fn of(tasks: impl IntoIterator<Item = Task>) -> Self {
        Self {
            tasks: tasks.into_iter().collect(),
            verifiers: BTreeSet::new(),
            gatekeepers: BTreeSet::new(),
            rules: JobRules::default(),
            expires_ms: EXPIRES_MS,
            more: false,
            pay: None,
        }
    }

    /// Who may be asked to judge results.
    #[must_use]
    pub fn judged_by(mut self, verifiers: impl IntoIterator<Item = AgentId>) -> Self {
        self.verifiers.extend(verifiers);
        self
    }

    /// Who answers at the gate.
    #[must_use]
    pub fn gated_by(mut self, gatekeepers: impl IntoIterator<Item = AgentId>) -> Self {
        self.gatekeepers.extend(gatekeepers);
        self
    }

    /// How long things may take, and what counts in an award.
    #[must_use]
    pub fn with_rules(self, rules: JobRules) -> Self {
        Self { rules, ..self }
    }

    /// How long it has, in milliseconds.
    #[must_use]
    pub fn within_ms(self, expires_ms: i64) -> Self {
        Self { expires_ms, ..self }
    }

    /// Tasks may still be added ([`Job::add`]), and it doesn't end before it is said that these are all.
    #[must_use]
    pub fn with_more_to_come(self) -> Self {
        Self { more: true, ..self }
    }

    /// Each award is a deal, in which whoever submits the job gives this; it must have declared that it may
    /// ([`Agent::declare`]).
    #[must_use]
    pub fn paid_in(self, pay: Pay) -> Self {
        Self { pay: Some(pay), ..self }
    }
}

/// What is known of a job.
#[derive(Clone, Debug)]
struct Known {
    state: JobState,
    rule: Option<String>,
    results: BTreeMap<TaskId, Vec<u8>>,
    /// Deals that pay for what is done, and are not confirmed.
    unpaid: BTreeSet<DealId>,
}

impl Known {
    fn is_over(&self) -> bool {
        self.state != JobState::Running && self.unpaid.is_empty()
    }
}

/// The jobs that an agent supervises, until they are over.
#[derive(Default)]
pub(super) struct Jobs(Mutex<HashMap<JobId, watch::Sender<Known>>>);

impl Jobs {
    fn open(&self) -> MutexGuard<'_, HashMap<JobId, watch::Sender<Known>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hear(&self, note: &TaskNote) {
        let mut open = self.open();
        let Some(job) = open.get(&note.job) else { return };
        job.send_modify(|known| {
            if note.event == TaskWord::Done
                && let Some((task, result)) = note.task.clone().zip(note.result.as_ref())
            {
                known.results.insert(task, result.result.clone());
                known.unpaid.extend(note.award.as_ref().map(|award| award.deal.clone()));
            }
            if note.event.is_end() && note.task.is_none() {
                known.state = match note.event {
                    TaskWord::Finished => JobState::Finished,
                    TaskWord::Cancelled => JobState::Cancelled,
                    _ => JobState::Failed,
                };
                known.rule.clone_from(&note.rule);
            }
        });
        open.retain(|_, job| !job.borrow().is_over());
    }

    /// A deal is paid, or will never be.
    pub(super) fn settled(&self, deal: &DealId) {
        let mut open = self.open();
        for job in open.values() {
            job.send_if_modified(|known| known.unpaid.remove(deal));
        }
        open.retain(|_, job| !job.borrow().is_over());
    }

    pub(super) fn close(&self) {
        self.open().clear();
    }
}

/// Why a job has no results.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("job {job} is {state}{}", rule.as_ref().map_or_else(String::new, |rule| format!(": {rule}")))]
pub struct JobFailed {
    /// The job.
    pub job: JobId,
    /// How it stands: failed or cancelled, or running where the agent has stopped.
    pub state: JobState,
    /// The rule by which it failed.
    pub rule: Option<String>,
}

/// A job that an agent supervises.
pub struct Job {
    agent: Agent,
    id: JobId,
    known: watch::Receiver<Known>,
}

impl Job {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// The results so far, by task.
    #[must_use]
    pub fn results(&self) -> BTreeMap<TaskId, Vec<u8>> {
        self.known.borrow().results.clone()
    }

    /// Adds tasks, as parts of one that was not announced yet, if one is named. Without `more` these are all.
    ///
    /// # Errors
    /// [`AskError`]: `Refused` where they don't fit.
    pub async fn add(&self, tasks: Vec<Task>, part_of: Option<TaskId>, more: bool) -> Result<(), AskError> {
        let (move_id, deadline_unix_ms) = (self.agent.move_id()?, self.agent.soon());
        let add = AddTasks { move_id, deadline_unix_ms, job: self.id.clone(), tasks, part_of, more };
        self.agent.task_move(TaskVerb::Add, &self.id, &add, deadline_unix_ms).await
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn cancel(&self, reason: &str) -> Result<(), AskError> {
        let (move_id, deadline_unix_ms) = (self.agent.move_id()?, self.agent.soon());
        let cancel = CancelJob { move_id, deadline_unix_ms, job: self.id.clone(), reason: reason.to_owned() };
        self.agent.task_move(TaskVerb::Cancel, &self.id, &cancel, deadline_unix_ms).await
    }

    /// Where it and its tasks stand.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn show(&self) -> Result<JobShown, AskError> {
        let subject = subject::task_move(TaskVerb::Show, self.agent.id(), &self.id);
        self.agent.insist(subject, &ShowJob { job: self.id.clone() }, self.agent.soon()).await
    }

    /// Waits for its end, and until what is done is paid for; the results, by task.
    ///
    /// # Errors
    /// [`JobFailed`].
    pub async fn ended(&self) -> Result<BTreeMap<TaskId, Vec<u8>>, JobFailed> {
        let mut known = self.known.clone();
        // Nobody tells of it any more: it stands as it does.
        drop(known.wait_for(Known::is_over).await.ok());
        let Known { state, rule, results, .. } = self.known.borrow().clone();
        if state == JobState::Finished { Ok(results) } else { Err(JobFailed { job: self.id.clone(), state, rule }) }
    }
}

impl Agent {
    /// Submits a job; it is under way when this returns.
    ///
    /// # Errors
    /// [`AskError`]: `Refused` where it could not run.
    pub async fn submit(&self, spec: JobSpec) -> Result<Job, AskError> {
        let (move_id, now_unix_ms) = (self.move_id()?, self.now_unix_ms());
        let id = JobId::of(self.id(), &move_id);
        let nothing = Known { state: JobState::Running, rule: None, results: BTreeMap::new(), unpaid: BTreeSet::new() };
        let known =
            self.core.tasks.jobs.open().entry(id.clone()).or_insert_with(|| watch::Sender::new(nothing)).subscribe();
        let submit = SubmitJob {
            move_id,
            deadline_unix_ms: self.soon(),
            tasks: spec.tasks,
            verifiers: spec.verifiers.into_iter().collect(),
            gatekeepers: spec.gatekeepers.into_iter().collect(),
            rules: spec.rules,
            expires_unix_ms: now_unix_ms.saturating_add(spec.expires_ms),
            more: spec.more,
            pay: spec.pay,
        };
        if let Err(refused) = self.task_move(TaskVerb::Submit, &id, &submit, submit.deadline_unix_ms).await {
            self.core.tasks.jobs.open().remove(&id);
            return Err(refused);
        }
        Ok(Job { agent: self.clone(), id, known })
    }

    /// Makes a move in a job: with the same bytes until there is an answer, or its deadline has come.
    pub(super) async fn task_move(
        &self,
        verb: TaskVerb,
        job: &JobId,
        said: &impl schemas::Message,
        until_unix_ms: i64,
    ) -> Result<(), AskError> {
        let subject = subject::task_move(verb, self.id(), job);
        self.insist::<_, TaskMoved>(subject, said, until_unix_ms).await.map(drop)
    }
}
