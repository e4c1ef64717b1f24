//! A whole core without a bus: signed moves in, a log out.

mod awards;
mod laws;
mod life;
mod panels;
mod pay;
mod refusals;
mod verify;

use std::collections::BTreeMap;

use nkeys::KeyPair;
use schemas::body::{Message, decode};
use schemas::core::{Call, Decider, Decision, Effect};
use schemas::error::ErrorReply;
use schemas::event::Signed;
use schemas::hash::Hash;
use schemas::id::{AgentId, JobId, MoveId, Skill, TaskId};
use schemas::job::{JobState, TaskEvent, TaskNote, TaskState, TaskWord};
use schemas::limit::MAX_CLEARING_BODY_BYTES;
use schemas::signature::{PublicKey, Sender, Signer};
use schemas::subject;
use schemas::task::{
    AddTasks, AnswerGate, BidTask, CancelJob, DeclineTask, DeliverTask, JobRules, JudgeTask, Panel, ReportProgress,
    SubmitJob, Task, TaskMove,
};

use crate::standing::Standings;
use crate::{Ask, Entry, Job, Mac};

pub(super) const NOW: i64 = 1_790_000_000_000;

pub(super) fn agent(name: &str) -> AgentId {
    name.parse().unwrap()
}

pub(super) fn id(name: &str) -> TaskId {
    name.parse().unwrap()
}

/// A task that needs others, judged by three with a lead of two.
pub(super) fn task(name: &str, needs: &[&str]) -> Task {
    Task {
        task: id(name),
        needs: needs.iter().map(|need| id(need)).collect(),
        skill: Skill::parse("add").unwrap(),
        wanted: vec![],
        brief: format!("do {name}"),
        budget_minor: 100,
        panel: Some(Panel { asked: 3, lead: 2 }),
        gate: false,
    }
}

pub(super) fn rules() -> JobRules {
    JobRules {
        bid_ms: 100,
        enough_bids: 2,
        lease_ms: 1_000,
        work_ms: 5_000,
        judge_ms: 1_000,
        gate_ms: 10_000,
        ..JobRules::default()
    }
}

pub(super) struct World {
    signers: BTreeMap<String, Signer>,
    account: PublicKey,
    pub(super) log: Vec<Entry>,
    pub(super) job: Option<Job>,
    pub(super) id: JobId,
    pub(super) now: i64,
    pub(super) effects: Vec<Effect>,
    pub(super) standings: Standings,
    moves: u32,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            signers: BTreeMap::new(),
            account: KeyPair::new_account().public_key().parse().unwrap(),
            log: Vec::new(),
            job: None,
            id: JobId::of(&agent("boss"), &"m0".parse().unwrap()),
            now: NOW,
            effects: Vec::new(),
            standings: Standings::default(),
            moves: 0,
        }
    }

    /// A world in which `boss` has submitted these tasks, with four verifiers and a gatekeeper.
    pub(super) fn with(tasks: Vec<Task>) -> Self {
        let mut world = Self::new();
        let submit = world.submission(tasks);
        world.send("boss", submit).unwrap();
        world
    }

    pub(super) fn submission(&mut self, tasks: Vec<Task>) -> TaskMove {
        TaskMove::Submit(SubmitJob {
            move_id: self.next_id(),
            deadline_unix_ms: self.now + 5_000,
            tasks,
            verifiers: ["v1", "v2", "v3", "v4"].map(agent).to_vec(),
            gatekeepers: vec![agent("human")],
            rules: rules(),
            expires_unix_ms: self.now + 600_000,
            more: false,
            pay: None,
        })
    }

    pub(super) fn next_id(&mut self) -> MoveId {
        self.moves += 1;
        format!("m{}", self.moves - 1).parse().unwrap()
    }

    fn signed(&mut self, by: &str, subject: &str, body: Vec<u8>) -> Signed {
        let account = &self.account;
        let signer = self
            .signers
            .entry(by.to_owned())
            .or_insert_with(|| Signer::from_seed(&KeyPair::new_user().seed().unwrap(), account.clone(), by).unwrap());
        let sender = signer.sign(subject, &body, self.now, "n").unwrap();
        Signed { subject: subject.to_owned(), sender, body }
    }

    /// What the decider is asked when `by` sends a move.
    pub(super) fn asked(&mut self, by: &str, ask: &TaskMove) -> (Ask, Call) {
        let subject = subject::task_move(ask.verb(), &agent(by), &self.id);
        let signed = self.signed(by, &subject, ask.encode().1);
        let sender = Sender::parse(&signed.sender).unwrap();
        let call = Call { now_unix_ms: self.now, sender: Some(sender), ..Call::default() };
        let reputation_ppb = self.standings.of(&agent(by)).reputation_ppb;
        let (by, job, ask) = (agent(by), self.id.clone(), Box::new(ask.clone()));
        (Ask::Move { by, job, ask, signed, reputation_ppb, looked: None }, call)
    }

    pub(super) fn send(&mut self, by: &str, ask: TaskMove) -> Result<Vec<TaskWord>, ErrorReply> {
        let (ask, call) = self.asked(by, &ask);
        self.decide(&ask, &call)
    }

    /// It is later now, and the timer fires.
    pub(super) fn later(&mut self, ms: i64) -> Vec<TaskWord> {
        self.now += ms;
        let call = Call { now_unix_ms: self.now, ..Call::default() };
        self.decide(&Ask::Due { job: self.id.clone(), due_unix_ms: self.now }, &call).unwrap()
    }

    fn decide(&mut self, ask: &Ask, call: &Call) -> Result<Vec<TaskWord>, ErrorReply> {
        let Decision { events, effects } = Mac.decide(&self.job, ask, call)?;
        let words = events.iter().map(|entry| entry.event.what).collect();
        for entry in events {
            self.job = Mac::apply(self.job.take(), &entry);
            self.standings.count(&entry.event, self.log.len() as u64);
            self.log.push(entry);
        }
        self.effects = effects;
        Ok(words)
    }

    pub(super) fn job(&self) -> &Job {
        self.job.as_ref().unwrap()
    }

    pub(super) fn state_of(&self, task: &str) -> TaskState {
        self.job().task(&id(task)).unwrap().state()
    }

    pub(super) fn state(&self) -> JobState {
        self.job().state
    }

    pub(super) fn round(&self, task: &str) -> u32 {
        self.job().task(&id(task)).unwrap().round
    }

    /// Whom the last decision told what.
    pub(super) fn told(&self) -> Vec<(String, TaskNote)> {
        let notes = self.effects.iter().filter_map(|effect| match effect {
            Effect::Beside { subject, kind, body } if *kind == TaskNote::TYPE => {
                let note = decode(body, MAX_CLEARING_BODY_BYTES).unwrap();
                Some((subject.rsplit('.').next().unwrap().to_owned(), note))
            }
            _ => None,
        });
        notes.collect()
    }

    /// Events of a word.
    pub(super) fn events(&self, what: TaskWord) -> Vec<&TaskEvent> {
        self.log.iter().map(|entry| &entry.event).filter(|event| event.what == what).collect()
    }

    pub(super) fn bid(&mut self, by: &str, task: &str, price_minor: i64) -> Result<Vec<TaskWord>, ErrorReply> {
        let bid = self.bidding(task, price_minor);
        self.send(by, bid)
    }

    pub(super) fn bidding(&mut self, task: &str, price_minor: i64) -> TaskMove {
        TaskMove::Bid(BidTask {
            move_id: self.next_id(),
            deadline_unix_ms: self.now + 5_000,
            job: self.id.clone(),
            task: id(task),
            round: self.round(task),
            price_minor,
            skills: vec![],
        })
    }

    /// Bids alone, and waits until the task is awarded.
    pub(super) fn take(&mut self, by: &str, task: &str) {
        self.bid(by, task, 50).unwrap();
        let Some(crate::Phase::Announced { until_unix_ms, .. }) =
            self.job().task(&id(task)).map(|slot| slot.phase.clone())
        else {
            return;
        };
        self.later((until_unix_ms - self.now).max(0));
        assert_eq!(self.state_of(task), TaskState::Awarded);
    }

    pub(super) fn decline(&mut self, by: &str, task: &str) -> Result<Vec<TaskWord>, ErrorReply> {
        let (move_id, job, round) = (self.next_id(), self.id.clone(), self.round(task));
        let deadline_unix_ms = self.now + 5_000;
        let reason = "busy".to_owned();
        let decline = DeclineTask { move_id, deadline_unix_ms, job, task: id(task), round, reason, deal: None };
        self.send(by, TaskMove::Decline(decline))
    }

    pub(super) fn progress(&mut self, by: &str, task: &str) -> Result<Vec<TaskWord>, ErrorReply> {
        let (move_id, job, round) = (self.next_id(), self.id.clone(), self.round(task));
        let deadline_unix_ms = self.now + 5_000;
        let progress = ReportProgress { move_id, deadline_unix_ms, job, task: id(task), round, done_ppm: 500_000 };
        self.send(by, TaskMove::Progress(progress))
    }

    pub(super) fn deliver(&mut self, by: &str, task: &str, result: &[u8]) -> Result<Vec<TaskWord>, ErrorReply> {
        let (move_id, job, round) = (self.next_id(), self.id.clone(), self.round(task));
        let deadline_unix_ms = self.now + 5_000;
        let result = result.to_vec();
        let deliver = DeliverTask { move_id, deadline_unix_ms, job, task: id(task), round, result, kept: None };
        self.send(by, TaskMove::Deliver(deliver))
    }

    pub(super) fn result_hash(&self, task: &str) -> Hash {
        self.job().task(&id(task)).and_then(|slot| slot.result.as_ref()).map_or(Hash::ZERO, |result| result.hash)
    }

    pub(super) fn judge(&mut self, by: &str, task: &str, right: bool) -> Result<Vec<TaskWord>, ErrorReply> {
        let (move_id, job, result_hash) = (self.next_id(), self.id.clone(), self.result_hash(task));
        let deadline_unix_ms = self.now + 5_000;
        let reason = "seen".to_owned();
        self.send(
            by,
            TaskMove::Judge(JudgeTask { move_id, deadline_unix_ms, job, task: id(task), result_hash, right, reason }),
        )
    }

    pub(super) fn answer(&mut self, by: &str, task: &str, approve: bool) -> Result<Vec<TaskWord>, ErrorReply> {
        let (move_id, job, result_hash) = (self.next_id(), self.id.clone(), self.result_hash(task));
        let deadline_unix_ms = self.now + 5_000;
        let reason = "seen".to_owned();
        let answer = AnswerGate { move_id, deadline_unix_ms, job, task: id(task), result_hash, approve, reason };
        self.send(by, TaskMove::Answer(answer))
    }

    pub(super) fn add(
        &mut self,
        tasks: Vec<Task>,
        part_of: Option<&str>,
        more: bool,
    ) -> Result<Vec<TaskWord>, ErrorReply> {
        let (move_id, job) = (self.next_id(), self.id.clone());
        let (deadline_unix_ms, part_of) = (self.now + 5_000, part_of.map(id));
        self.send("boss", TaskMove::Add(AddTasks { move_id, deadline_unix_ms, job, tasks, part_of, more }))
    }

    pub(super) fn cancel(&mut self, by: &str) -> Result<Vec<TaskWord>, ErrorReply> {
        let (move_id, job) = (self.next_id(), self.id.clone());
        let deadline_unix_ms = self.now + 5_000;
        self.send(by, TaskMove::Cancel(CancelJob { move_id, deadline_unix_ms, job, reason: "enough".into() }))
    }

    /// Those who are asked to judge a task and have not.
    pub(super) fn awaited(&self, task: &str) -> Vec<String> {
        let panel = &self.job().task(&id(task)).unwrap().panel;
        panel
            .iter()
            .filter(|(_, v)| **v == crate::panel::Verdict::Awaited)
            .map(|(agent, _)| agent.to_string())
            .collect()
    }

    /// The state that the log alone gives.
    pub(super) fn replayed(&self) -> Option<Job> {
        self.log.iter().fold(None, |job, entry| Job::apply(job, &Entry::read(&entry.bytes).unwrap()))
    }
}
