//! A job's state: the fold of its log.

use std::collections::{BTreeMap, BTreeSet};

use schemas::admission;
use schemas::event::Signed;
use schemas::hash::Hash;
use schemas::id::{AgentId, DealId, JobId, MoveId, Skill, TaskId};
use schemas::job::{AwardDeal, JobShown, JobState, TaskEvent, TaskInput, TaskLine, TaskState, TaskWord};
use schemas::subject::parse_task_move;
use schemas::task::{DeliverTask, JobRules, KeptResult, Pay, SubmitJob, Task, TaskMove};

use crate::entry::Entry;
use crate::panel::{Panel, Verdict};
use crate::pay;

/// A bid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bid {
    /// For how much, in minor units of account.
    pub price_minor: i64,
    /// What the bidder says it can do.
    pub skills: Vec<Skill>,
    /// Its reputation when it bid, in parts per billion.
    pub reputation_ppb: u32,
}

/// A result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Who handed it in.
    pub by: AgentId,
    /// The result.
    pub result: Vec<u8>,
    /// Where it is kept, if it is large.
    pub kept: Option<KeptResult>,
    /// SHA-256 of the body of the move: what verdicts name.
    pub hash: Hash,
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// What it needs is not done.
    Waiting,
    /// Bids are taken.
    Announced {
        /// Until when, in Unix milliseconds.
        until_unix_ms: i64,
        /// Those that came.
        bids: BTreeMap<AgentId, Bid>,
    },
    /// Somebody is at work.
    Awarded {
        /// Who.
        to: AgentId,
        /// Since when, in Unix milliseconds.
        since_unix_ms: i64,
        /// Until when its silence is borne, in Unix milliseconds.
        until_unix_ms: i64,
        /// How far it says to be, in parts per million.
        done_ppm: u32,
    },
    /// The result is being judged.
    Judged {
        /// Until when, in Unix milliseconds.
        until_unix_ms: i64,
    },
    /// It waits at the gate.
    Gated {
        /// Until when, in Unix milliseconds.
        until_unix_ms: i64,
        /// Because verifiers could not agree, and not because the task asks for it.
        split: bool,
    },
    /// Done.
    Done,
}

impl Phase {
    /// When something must happen without a move, in Unix milliseconds.
    fn deadline_unix_ms(&self) -> Option<i64> {
        match self {
            Self::Waiting | Self::Done => None,
            Self::Announced { until_unix_ms, .. }
            | Self::Awarded { until_unix_ms, .. }
            | Self::Judged { until_unix_ms }
            | Self::Gated { until_unix_ms, .. } => Some(*until_unix_ms),
        }
    }
}

/// A task and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// What is to be done.
    pub spec: Task,
    /// How many of its needs are not done yet.
    pub waits_for: usize,
    /// The tasks that need it, by place.
    pub dependents: Vec<usize>,
    /// Where it stands.
    pub phase: Phase,
    /// How often it was announced.
    pub round: u32,
    /// How many announcements in a row brought no bid.
    pub unheard: u32,
    /// How often it came to nothing.
    pub spent: u32,
    /// Whose results were found wrong: they may not bid again.
    pub barred: BTreeSet<AgentId>,
    /// The last result.
    pub result: Option<Delivered>,
    /// Who judges it.
    pub panel: Panel,
    /// The deal that pays whoever does it, or did.
    pub deal: Option<AwardDeal>,
}

impl Slot {
    pub(crate) fn new(spec: Task) -> Self {
        Self {
            spec,
            waits_for: 0,
            dependents: Vec::new(),
            phase: Phase::Waiting,
            round: 0,
            unheard: 0,
            spent: 0,
            barred: BTreeSet::new(),
            result: None,
            panel: Panel::new(),
            deal: None,
        }
    }

    /// Where it stands, as a word.
    #[must_use]
    pub fn state(&self) -> TaskState {
        match self.phase {
            Phase::Waiting => TaskState::Waiting,
            Phase::Announced { .. } => TaskState::Announced,
            Phase::Awarded { .. } => TaskState::Awarded,
            Phase::Judged { .. } => TaskState::Judged,
            Phase::Gated { .. } => TaskState::Gated,
            Phase::Done => TaskState::Done,
        }
    }

    /// Who does it, or did.
    #[must_use]
    pub fn doer(&self) -> Option<&AgentId> {
        match &self.phase {
            Phase::Awarded { to, .. } => Some(to),
            Phase::Judged { .. } | Phase::Gated { .. } | Phase::Done => self.result.as_ref().map(|result| &result.by),
            Phase::Waiting | Phase::Announced { .. } => None,
        }
    }

    /// The deal that pays whoever does it, or did.
    #[must_use]
    pub fn deal_id(&self) -> Option<&DealId> {
        self.deal.as_ref().map(|deal| &deal.deal)
    }

    /// The result, as others hear of it.
    #[must_use]
    pub fn output(&self) -> Option<TaskInput> {
        let Delivered { result, kept, .. } = self.result.as_ref()?;
        Some(TaskInput { task: self.spec.task.clone(), result: result.clone(), kept: kept.clone() })
    }

    fn line(&self) -> TaskLine {
        let done_ppm = if let Phase::Awarded { done_ppm, .. } = self.phase { Some(done_ppm) } else { None };
        TaskLine {
            task: self.spec.task.clone(),
            state: self.state(),
            round: self.round,
            agent: self.doer().cloned(),
            done_ppm,
            deal: self.deal_id().cloned(),
        }
    }
}

/// A move that the log holds.
pub type Recorded = admission::Recorded<JobState>;

/// A job, as its log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Who submitted it.
    pub supervisor: AgentId,
    /// Who may be asked to judge.
    pub verifiers: Vec<AgentId>,
    /// Who answers at the gate.
    pub gatekeepers: Vec<AgentId>,
    /// How long things may take, and what counts.
    pub rules: JobRules,
    /// When it fails that is not finished, in Unix milliseconds.
    pub expires_unix_ms: i64,
    /// Whether tasks may still be added.
    pub more: bool,
    /// In what it pays, if it does.
    pub pay: Option<Pay>,
    /// Where it stands.
    pub state: JobState,
    /// The rule by which it failed.
    pub rule: Option<String>,
    /// Its tasks, in the order in which they came.
    pub tasks: Vec<Slot>,
    /// Their places.
    pub places: BTreeMap<TaskId, usize>,
    /// How many are not done.
    pub undone: usize,
    /// What must happen without a move, by time and place.
    pub deadlines: BTreeSet<(i64, usize)>,
    /// Who has had a task or a verdict to give: they may look.
    pub crew: BTreeSet<AgentId>,
    /// Every move that the log holds, by mover and move id.
    pub moves: BTreeMap<(AgentId, MoveId), Recorded>,
    /// How many events there are.
    pub turns: u32,
    /// The hash of the last.
    pub head: Hash,
}

impl Job {
    /// The state after an entry; `None` while there is no job. An entry that does not fit (which only a damaged log has)
    /// changes nothing but the chain.
    #[must_use]
    pub fn apply(before: Option<Self>, entry: &Entry) -> Option<Self> {
        let event = &entry.event;
        let cause = event.cause.as_ref().and_then(Caused::read);
        let mut job = match before {
            Some(job) => job,
            None => Self::submitted(event, cause.as_ref())?,
        };
        job.turns = event.turn.saturating_add(1);
        job.head = entry.hash;
        job.happen(event, cause.as_ref());
        if let Some(Caused { by, ask, body_hash }) = cause {
            let record = Recorded { body_hash, turn: event.turn, state: job.state };
            job.moves.insert((by, ask.move_id().clone()), record);
        }
        Some(job)
    }

    fn submitted(event: &TaskEvent, cause: Option<&Caused>) -> Option<Self> {
        let (TaskWord::Submitted, TaskMove::Submit(submit)) = (event.what, &cause?.ask) else { return None };
        let SubmitJob { verifiers, gatekeepers, rules, expires_unix_ms, pay, .. } = submit.clone();
        Some(Self {
            id: event.job.clone(),
            supervisor: cause?.by.clone(),
            verifiers,
            gatekeepers,
            rules,
            expires_unix_ms,
            more: true,
            pay,
            state: JobState::Running,
            rule: None,
            tasks: Vec::new(),
            places: BTreeMap::new(),
            undone: 0,
            deadlines: BTreeSet::new(),
            crew: BTreeSet::new(),
            moves: BTreeMap::new(),
            turns: 0,
            head: Hash::ZERO,
        })
    }

    fn happen(&mut self, event: &TaskEvent, cause: Option<&Caused>) {
        let ask = cause.map(|cause| &cause.ask);
        match (event.what, ask) {
            (TaskWord::Submitted, Some(TaskMove::Submit(submit))) => {
                self.add(&submit.tasks, None);
                self.more = submit.more;
            }
            (TaskWord::Added, Some(TaskMove::Add(add))) => {
                self.add(&add.tasks, add.part_of.as_ref());
                self.more = add.more;
            }
            (TaskWord::Finished, _) => self.end(JobState::Finished, None),
            (TaskWord::Failed, _) => self.end(JobState::Failed, event.rule.clone()),
            (TaskWord::Cancelled, _) => self.end(JobState::Cancelled, None),
            _ => {
                self.crew.extend(event.agent.iter().chain(&event.verifiers).cloned());
                for task in &event.tasks {
                    if let Some(place) = self.places.get(task).copied() {
                        self.happen_to(place, event, cause);
                    }
                }
            }
        }
    }

    fn end(&mut self, state: JobState, rule: Option<String>) {
        (self.state, self.rule) = (state, rule);
        self.deadlines.clear();
    }

    /// Adds tasks that were looked at before: their needs are here or among them.
    fn add(&mut self, tasks: &[Task], part_of: Option<&TaskId>) {
        for task in tasks {
            self.places.insert(task.task.clone(), self.tasks.len());
            self.tasks.push(Slot::new(task.clone()));
            self.undone += 1;
        }
        let parent = part_of.and_then(|task| self.places.get(task).copied());
        for task in tasks {
            let Some(place) = self.places.get(&task.task).copied() else { continue };
            for need in &task.needs {
                self.depend(place, need);
            }
            if let Some(parent) = parent {
                self.depend(parent, &task.task);
                if let Some(slot) = self.tasks.get_mut(parent) {
                    slot.spec.needs.push(task.task.clone());
                }
            }
        }
    }

    /// The task at a place waits for another, unless that is done.
    fn depend(&mut self, place: usize, need: &TaskId) {
        let Some(needed) = self.places.get(need).copied().and_then(|at| self.tasks.get_mut(at)) else { return };
        if needed.phase == Phase::Done {
            return;
        }
        needed.dependents.push(place);
        if let Some(slot) = self.tasks.get_mut(place) {
            slot.waits_for += 1;
        }
    }

    fn happen_to(&mut self, place: usize, event: &TaskEvent, cause: Option<&Caused>) {
        let deal = if event.what == TaskWord::Awarded { self.deal_of(place, event) } else { None };
        let Some(slot) = self.tasks.get_mut(place) else { return };
        slot.deal = deal.or(slot.deal.take());
        if let Some(at) = slot.phase.deadline_unix_ms() {
            self.deadlines.remove(&(at, place));
        }
        let was_done = slot.phase == Phase::Done;
        slot.happen(event, cause);
        if let Some(at) = slot.phase.deadline_unix_ms() {
            self.deadlines.insert((at, place));
        }
        if !was_done && slot.phase == Phase::Done {
            self.undone = self.undone.saturating_sub(1);
            for dependent in slot.dependents.clone() {
                if let Some(slot) = self.tasks.get_mut(dependent) {
                    slot.waits_for = slot.waits_for.saturating_sub(1);
                }
            }
        }
    }

    /// The deal that an award determines.
    fn deal_of(&self, place: usize, event: &TaskEvent) -> Option<AwardDeal> {
        let (slot, worker) = (self.tasks.get(place)?, event.agent.as_ref()?);
        let Phase::Announced { bids, .. } = &slot.phase else { return None };
        pay::deal_of(self, slot, worker, bids.get(worker)?.price_minor, event.at_unix_ms)
    }

    /// The task of a name.
    #[must_use]
    pub fn task(&self, task: &TaskId) -> Option<&Slot> {
        self.tasks.get(*self.places.get(task)?)
    }

    /// When something must happen without a move, in Unix milliseconds.
    #[must_use]
    pub fn next_deadline_unix_ms(&self) -> i64 {
        self.deadlines.first().map_or(self.expires_unix_ms, |(at, _)| self.expires_unix_ms.min(*at))
    }

    /// What the needs of a task brought.
    #[must_use]
    pub fn inputs(&self, slot: &Slot) -> Vec<TaskInput> {
        slot.spec.needs.iter().filter_map(|need| self.task(need)?.output()).collect()
    }

    /// Whether an agent has to do with it, and so may look.
    #[must_use]
    pub fn concerns(&self, agent: &AgentId) -> bool {
        self.supervisor == *agent
            || self.verifiers.binary_search(agent).is_ok()
            || self.gatekeepers.binary_search(agent).is_ok()
            || self.crew.contains(agent)
    }

    /// The job as those see it who have to do with it.
    #[must_use]
    pub fn show(&self) -> JobShown {
        JobShown {
            job: self.id.clone(),
            state: self.state,
            supervisor: self.supervisor.clone(),
            expires_unix_ms: self.expires_unix_ms,
            tasks: self.tasks.iter().map(Slot::line).collect(),
            rule: self.rule.clone(),
            turns: self.turns,
        }
    }
}

impl Slot {
    fn happen(&mut self, event: &TaskEvent, cause: Option<&Caused>) {
        let until_unix_ms = event.until_unix_ms.unwrap_or(event.at_unix_ms);
        match (event.what, cause.map(|cause| (&cause.by, &cause.ask))) {
            (TaskWord::Announced, _) => {
                let in_vain = matches!(&self.phase, Phase::Announced { bids, .. } if bids.is_empty());
                self.unheard = if in_vain { self.unheard.saturating_add(1) } else { 0 };
                self.round = self.round.saturating_add(1);
                self.phase = Phase::Announced { until_unix_ms, bids: BTreeMap::new() };
            }
            (TaskWord::Bid, Some((by, TaskMove::Bid(bid)))) => {
                if let Phase::Announced { bids, .. } = &mut self.phase {
                    let reputation_ppb = event.measure_ppb.unwrap_or_default();
                    let bid = Bid { price_minor: bid.price_minor, skills: bid.skills.clone(), reputation_ppb };
                    bids.insert(by.clone(), bid);
                }
            }
            (TaskWord::Awarded, _) => {
                if let Some(to) = event.agent.clone() {
                    self.phase = Phase::Awarded { to, since_unix_ms: event.at_unix_ms, until_unix_ms, done_ppm: 0 };
                }
            }
            (TaskWord::Progressed, Some((_, TaskMove::Progress(progress)))) => {
                if let Phase::Awarded { until_unix_ms: until, done_ppm, .. } = &mut self.phase {
                    (*until, *done_ppm) = (until_unix_ms, progress.done_ppm);
                }
            }
            (TaskWord::Delivered, Some((by, TaskMove::Deliver(deliver)))) => {
                let hash = cause.map_or(Hash::ZERO, |cause| cause.body_hash);
                let DeliverTask { result, kept, .. } = deliver.clone();
                self.result = Some(Delivered { by: by.clone(), result, kept, hash });
                self.panel = event.verifiers.iter().map(|agent| (agent.clone(), Verdict::Awaited)).collect();
                self.phase = Phase::Judged { until_unix_ms };
            }
            (TaskWord::Judged, Some((by, TaskMove::Judge(judge)))) => {
                self.panel.insert(by.clone(), if judge.right { Verdict::Right } else { Verdict::Wrong });
            }
            (TaskWord::Silent, _) => {
                self.panel.extend(event.verifiers.iter().map(|agent| (agent.clone(), Verdict::Silent)));
            }
            (TaskWord::Widened, _) => {
                self.panel.extend(event.verifiers.iter().map(|agent| (agent.clone(), Verdict::Awaited)));
                self.phase = Phase::Judged { until_unix_ms };
            }
            (TaskWord::Gated, _) => {
                let split = event.rule.as_deref() != Some(crate::moves::ASKED);
                self.phase = Phase::Gated { until_unix_ms, split };
            }
            (TaskWord::Declined | TaskWord::Lapsed, _) => self.came_to_nothing(),
            (TaskWord::Refuted, _) => {
                self.barred.extend(event.agent.clone());
                self.came_to_nothing();
            }
            (TaskWord::Done, _) => self.phase = Phase::Done,
            _ => {}
        }
    }

    fn came_to_nothing(&mut self) {
        self.spent = self.spent.saturating_add(1);
        self.result = None;
        self.deal = None;
        self.panel.clear();
        self.phase = Phase::Waiting;
    }
}

/// The move behind an event.
struct Caused {
    by: AgentId,
    ask: TaskMove,
    body_hash: Hash,
}

impl Caused {
    fn read(signed: &Signed) -> Option<Self> {
        let (verb, by, _) = parse_task_move(&signed.subject).ok()?;
        let ask = TaskMove::decode(verb, &signed.body).ok()?;
        Some(Self { by, ask, body_hash: Hash::of(&signed.body) })
    }
}
