//! One of a crew: a worker, a verifier, the human or the supervisor.
//!
//! It hears live copies only and reads nothing again. What it misses is as if it had been away for a moment, and that is
//! what leases are for: its task is announced again, its verdict is asked of another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use runtime::peer::{Outbox, Peer, PeerEvent};
use runtime::port::{Message, RequestError};
use schemas::body::{self, Message as Body, decode};
use schemas::event::DealNote;
use schemas::job::{TaskCall, TaskInput, TaskNote, TaskWord};
use schemas::ledger::Declare;
use schemas::limit::MAX_CLEARING_BODY_BYTES;
use schemas::registry::Register;
use schemas::signature::Signer;
use schemas::subject::{self, DealVerb, TaskVerb};
use schemas::task::{AnswerGate, BidTask, DeclineTask, DeliverTask, JudgeTask, Pay, SubmitJob};
use schemas::value::PartyKind;
use schemas::{AgentId, DealId, Hash, JobId, MoveId, Skill, TaskId};

use super::{Kind, SKILL, sum, value};
use crate::paying::{Paying, Step, declaration, opening};
use crate::voice::{AskError, Voice};

/// How long an answer may take, in milliseconds.
const ANSWER_MS: u64 = 5_000;
/// How long a move may be decided, in milliseconds.
const MOVE_MS: i64 = 20_000;
/// When a question without an answer is asked again, in milliseconds.
const AGAIN_MS: i64 = 300;
/// How long after the time for bids an award may be heard of, in milliseconds.
const HEARD_WITHIN_MS: i64 = 2_000;
/// How long before its lease ends a task is given back that no deal pays for, in milliseconds.
const GIVEN_BACK_MS: i64 = 200;
/// How long everybody is here without renewing, in milliseconds.
const LEASE_MS: i64 = 60 * 60 * 1000;
/// What an honest worker asks for a task, in minor units of account; others ask less.
const PRICE_MINOR: i64 = 500;
/// The task at which a mortal dies.
const DIES_AT: u32 = 2;

/// What several hands count together.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Hands that are registered.
    pub(super) ready: AtomicUsize,
    /// Questions that got no answer, or a refusal that is no part of life.
    pub(super) trouble: AtomicUsize,
}

/// One of a crew.
pub(super) struct Hand {
    kind: Kind,
    voice: Voice,
    counts: Arc<Counts>,
    /// The job that a supervisor submits.
    job: Option<SubmitJob>,
    /// In what the job pays, and how much of it its supervisor has, in minor units.
    pay: Option<(Pay, i64)>,
    paying: Paying,
    /// Awards that wait for their deal, and when that is too late.
    unpaid: BTreeMap<u64, DealId>,
    /// How long a task takes, or an answer at the gate, in milliseconds.
    takes_ms: u32,
    /// Until when it hopes for what it bid for, in Unix milliseconds.
    hopes_until_unix_ms: i64,
    /// What it is at.
    at: BTreeMap<u64, TaskNote>,
    awarded: u32,
    asked: BTreeMap<u64, Question>,
    next_tag: u64,
}

/// A question, to be asked again with the same bytes.
struct Question {
    subject: String,
    kind: &'static str,
    body: Vec<u8>,
    until_unix_ms: i64,
    /// What is asked once it is answered.
    then: Option<Box<Question>>,
    /// Whether the hand is ready once it is answered.
    is_last_of_joining: bool,
}

impl Question {
    fn of<T: Body>(subject: String, said: &T, until_unix_ms: i64) -> Self {
        let body = body::encode(said);
        Self { subject, kind: T::TYPE, body, until_unix_ms, then: None, is_last_of_joining: false }
    }
}

impl Hand {
    pub(super) fn new(kind: Kind, signer: Signer, agent: AgentId, takes_ms: u32, counts: Arc<Counts>) -> Self {
        let voice = Voice::new(agent, signer);
        Self {
            kind,
            voice,
            counts,
            job: None,
            pay: None,
            paying: Paying::default(),
            unpaid: BTreeMap::new(),
            takes_ms,
            hopes_until_unix_ms: 0,
            at: BTreeMap::new(),
            awarded: 0,
            asked: BTreeMap::new(),
            next_tag: 0,
        }
    }

    /// In a job that pays so, and whose supervisor has so much to give, in minor units.
    pub(super) fn paid(self, pay: Pay, funds_minor: i64) -> Self {
        Self { pay: Some((pay, funds_minor)), ..self }
    }

    /// The supervisor, and its job.
    pub(super) fn supervising(self, job: SubmitJob) -> Self {
        Self { job: Some(job), ..self }
    }

    fn is_worker(&self) -> bool {
        matches!(self.kind, Kind::Honest | Kind::Liar | Kind::Quitter | Kind::Mortal)
    }

    fn tag(&mut self) -> u64 {
        self.next_tag += 1;
        self.next_tag
    }

    fn ask<T: Body>(&mut self, subject: String, said: &T, until_unix_ms: i64, now_unix_ms: i64, out: &mut Outbox) {
        self.put(Question::of(subject, said, until_unix_ms), now_unix_ms, out);
    }

    fn put(&mut self, question: Question, now_unix_ms: i64, out: &mut Outbox) {
        let tag = self.tag();
        self.asked.insert(tag, question);
        self.say(tag, now_unix_ms, out);
    }

    fn say(&mut self, tag: u64, now_unix_ms: i64, out: &mut Outbox) {
        let Some(Question { subject, kind, body, .. }) = self.asked.get(&tag) else { return };
        match self.voice.say_bytes(subject.clone(), kind, body.clone(), now_unix_ms) {
            Ok(message) => out.request(tag, message, ANSWER_MS),
            Err(_) => {
                self.counts.trouble.fetch_add(1, Relaxed);
            }
        }
    }

    fn register(&mut self, now_unix_ms: i64, out: &mut Outbox) {
        let register = Register {
            agent: self.voice.agent().clone(),
            key: self.voice.signer().key().clone(),
            kind: PartyKind::Corporate,
            capabilities: if self.is_worker() { vec![SKILL.to_owned()] } else { Vec::new() },
            subjects: Vec::new(),
            lease_ms: LEASE_MS,
        };
        let mut joining = Question::of(subject::endpoint("registry", "register"), &register, i64::MAX);
        match self.declared(now_unix_ms) {
            Some(declare) => {
                let declaring = Question::of(subject::endpoint("ledger", "declare"), &declare, i64::MAX);
                joining.then = Some(Box::new(Question { is_last_of_joining: true, ..declaring }));
            }
            None => joining.is_last_of_joining = true,
        }
        self.put(joining, now_unix_ms, out);
    }

    /// What it may give in the book of a job that pays.
    fn declared(&self, now_unix_ms: i64) -> Option<Declare> {
        let (pay, funds_minor) = self.pay.as_ref()?;
        let funds_minor = (self.kind == Kind::Supervisor).then_some(*funds_minor);
        let gives = funds_minor.is_some() || self.is_worker();
        gives.then(|| declaration(pay, funds_minor, SKILL, now_unix_ms))?
    }

    fn answered(&mut self, tag: u64, result: Result<Message, RequestError>, now_unix_ms: i64, out: &mut Outbox) {
        let Some(question) = self.asked.get(&tag) else { return };
        let until_unix_ms = question.until_unix_ms;
        match result.map_err(AskError::from) {
            Ok(_) => {
                let Some(Question { then, is_last_of_joining, .. }) = self.asked.remove(&tag) else { return };
                self.counts.ready.fetch_add(usize::from(is_last_of_joining), Relaxed);
                if let Some(next) = then {
                    self.put(*next, now_unix_ms, out);
                }
                return;
            }
            Err(error) if error.is_passing() && now_unix_ms < until_unix_ms => {
                return out.timer(tag, now_unix_ms.saturating_add(AGAIN_MS));
            }
            // That others were sooner, or that it is too late, is life.
            Err(AskError::Refused(reply)) if matches!(reply.code, 409 | 410 | 422) => self.hopes_until_unix_ms = 0,
            Err(error) => {
                tracing::warn!(agent = %self.voice.agent(), %error, "a question came to nothing");
                self.counts.trouble.fetch_add(1, Relaxed);
            }
        }
        self.asked.remove(&tag);
    }

    /// Tasks are open to bids: it bids for one, unless it has work or hopes for some.
    fn called(&mut self, call: TaskCall, now_unix_ms: i64, out: &mut Outbox) {
        if !self.at.is_empty()
            || !self.paying.is_idle()
            || now_unix_ms < self.hopes_until_unix_ms
            || now_unix_ms >= call.until_unix_ms
        {
            return;
        }
        // Not all for the same one.
        let lot = Hash::of_parts(&[self.voice.agent().as_str().as_bytes(), &now_unix_ms.to_be_bytes()]);
        let first = usize::from(lot.as_bytes().first().copied().unwrap_or_default());
        let Some(task) = call.tasks.get(first.checked_rem(call.tasks.len()).unwrap_or_default()) else { return };
        let Some(move_id) = move_id("bid", &call.job, &task.task, task.round) else { return };
        self.hopes_until_unix_ms = call.until_unix_ms.saturating_add(HEARD_WITHIN_MS);
        let bid = BidTask {
            move_id,
            deadline_unix_ms: call.until_unix_ms,
            job: call.job,
            task: task.task.clone(),
            round: task.round,
            price_minor: if self.kind == Kind::Honest { PRICE_MINOR } else { PRICE_MINOR / 2 },
            skills: Skill::parse(SKILL).into_iter().collect(),
        };
        let to = subject::task_move(TaskVerb::Bid, self.voice.agent(), &bid.job);
        self.ask(to, &bid, call.until_unix_ms, now_unix_ms, out);
    }

    fn heard(&mut self, note: TaskNote, now_unix_ms: i64, out: &mut Outbox) {
        let is_mine = note.agent.as_ref() == Some(self.voice.agent());
        match (note.event, self.kind) {
            (TaskWord::Awarded, Kind::Supervisor) => {
                let opening = note.award.as_ref().and_then(opening);
                self.step(opening, now_unix_ms, out);
            }
            (TaskWord::Awarded, _) if !is_mine => self.hopes_until_unix_ms = 0,
            (TaskWord::Awarded, _) => {
                self.hopes_until_unix_ms = 0;
                let Some(award) = note.award.clone() else { return self.work(note, now_unix_ms, out) };
                let tag = self.tag();
                out.timer(tag, note.until_unix_ms.unwrap_or(now_unix_ms).saturating_sub(GIVEN_BACK_MS));
                self.unpaid.insert(tag, award.deal.clone());
                let steps = self.paying.awarded(note, &award);
                self.step(steps, now_unix_ms, out);
            }
            (TaskWord::Done, Kind::Supervisor) => {
                let steps = note.award.map(|award| self.paying.done(award)).unwrap_or_default();
                self.step(steps, now_unix_ms, out);
            }
            (TaskWord::Delivered, Kind::Verifier | Kind::Mistaken) => self.judge(&note, now_unix_ms, out),
            (TaskWord::Gated, Kind::Human) => self.begin(note, now_unix_ms, out),
            (TaskWord::Lapsed | TaskWord::Finished | TaskWord::Failed | TaskWord::Cancelled, _) => {
                self.at.retain(|_, at| at.task != note.task);
                self.paying.lost(&note);
            }
            _ => {}
        }
    }

    /// What news of a deal asks for.
    fn step(&mut self, steps: impl IntoIterator<Item = Step>, now_unix_ms: i64, out: &mut Outbox) {
        let agent = self.voice.agent().clone();
        for step in steps {
            match step {
                Step::Open(open, accept) => {
                    let to = |verb| subject::deal_move(verb, &agent, &accept.deal);
                    let until_unix_ms = open.expires_unix_ms;
                    let accepting = Question::of(to(DealVerb::Accept), &accept, until_unix_ms);
                    let opening = Question::of(to(DealVerb::Open), open.as_ref(), until_unix_ms);
                    self.put(Question { then: Some(Box::new(accepting)), ..opening }, now_unix_ms, out);
                }
                Step::Accept(accept) => {
                    let to = subject::deal_move(DealVerb::Accept, &agent, &accept.deal);
                    self.ask(to, &accept, accept.deadline_unix_ms, now_unix_ms, out);
                }
                Step::Confirm(confirm) => {
                    let to = subject::deal_move(DealVerb::Confirm, &agent, &confirm.deal);
                    self.ask(to, &confirm, confirm.deadline_unix_ms, now_unix_ms, out);
                }
                Step::Work(note) => self.work(*note, now_unix_ms, out),
                Step::GiveBack(note) => self.give_back(&note, "nothing pays for it", now_unix_ms, out),
            }
        }
    }

    /// A task is this hand's to do; a mortal dies of its second.
    fn work(&mut self, note: TaskNote, now_unix_ms: i64, out: &mut Outbox) {
        self.awarded += 1;
        if self.kind == Kind::Mortal && self.awarded >= DIES_AT {
            return out.stop();
        }
        self.begin(note, now_unix_ms, out);
    }

    fn give_back(&mut self, note: &TaskNote, reason: &str, now_unix_ms: i64, out: &mut Outbox) {
        let Some((task, round)) = note.task.clone().zip(note.round) else { return };
        let Some(move_id) = move_id("decline", &note.job, &task, round) else { return };
        let (job, deadline_unix_ms) = (note.job.clone(), now_unix_ms.saturating_add(MOVE_MS));
        let to = subject::task_move(TaskVerb::Decline, self.voice.agent(), &job);
        let deal = note.award.as_ref().map(|award| award.deal.clone());
        let decline = DeclineTask { move_id, deadline_unix_ms, job, task, round, reason: reason.to_owned(), deal };
        self.ask(to, &decline, deadline_unix_ms, now_unix_ms, out);
    }

    fn begin(&mut self, note: TaskNote, now_unix_ms: i64, out: &mut Outbox) {
        let tag = self.tag();
        self.at.insert(tag, note);
        out.timer(tag, now_unix_ms.saturating_add(self.takes_ms.into()));
    }

    /// What it was at is over.
    fn finished(&mut self, note: TaskNote, now_unix_ms: i64, out: &mut Outbox) {
        let Some((task, round)) = note.task.clone().zip(note.round) else { return };
        let (job, deadline_unix_ms) = (note.job.clone(), now_unix_ms.saturating_add(MOVE_MS));
        if self.kind == Kind::Human {
            return self.answer(&note, task, now_unix_ms, out);
        }
        let agent = self.voice.agent().clone();
        if self.kind == Kind::Quitter {
            return self.give_back(&note, "too hard", now_unix_ms, out);
        }
        let right = sum(note.brief.as_deref().unwrap_or_default(), inputs(&note.inputs));
        let said = right.map(|right| if self.kind == Kind::Liar { right + 1 } else { right });
        let (Some(said), Some(move_id)) = (said, move_id("deliver", &job, &task, round)) else { return };
        let to = subject::task_move(TaskVerb::Deliver, &agent, &job);
        let result = said.to_string().into_bytes();
        let deliver = DeliverTask { move_id, deadline_unix_ms, job, task, round, result, kept: None };
        self.ask(to, &deliver, deadline_unix_ms, now_unix_ms, out);
    }

    fn judge(&mut self, note: &TaskNote, now_unix_ms: i64, out: &mut Outbox) {
        let Some((task, round, result_hash)) = asked_about(note) else { return };
        let expected = sum(note.brief.as_deref().unwrap_or_default(), inputs(&note.inputs));
        let result = note.result.as_ref().and_then(|result| value(&result.result));
        let is_right = expected.is_some() && expected == result;
        let right = is_right == (self.kind == Kind::Verifier);
        let Some(move_id) = move_id("judge", &note.job, &task, round) else { return };
        let deadline_unix_ms = note.until_unix_ms.unwrap_or(now_unix_ms);
        let (job, reason) = (note.job.clone(), String::new());
        let to = subject::task_move(TaskVerb::Judge, self.voice.agent(), &job);
        let judge = JudgeTask { move_id, deadline_unix_ms, job, task, result_hash, right, reason };
        self.ask(to, &judge, deadline_unix_ms, now_unix_ms, out);
    }

    /// The human lets through what is right, whatever the verifiers said.
    fn answer(&mut self, note: &TaskNote, task: TaskId, now_unix_ms: i64, out: &mut Outbox) {
        let Some((_, round, result_hash)) = asked_about(note) else { return };
        let Some(move_id) = move_id("answer", &note.job, &task, round) else { return };
        let approve = note.rule.as_deref() == Some("asked");
        let deadline_unix_ms = note.until_unix_ms.unwrap_or(now_unix_ms);
        let (job, reason) = (note.job.clone(), String::new());
        let to = subject::task_move(TaskVerb::Answer, self.voice.agent(), &job);
        let answer = AnswerGate { move_id, deadline_unix_ms, job, task, result_hash, approve, reason };
        self.ask(to, &answer, deadline_unix_ms, now_unix_ms, out);
    }

    fn hear(&mut self, message: &Message, now_unix_ms: i64, out: &mut Outbox) {
        match body::type_of(&message.body, MAX_CLEARING_BODY_BYTES) {
            Ok(TaskNote::TYPE) => {
                if let Ok(note) = decode(&message.body, MAX_CLEARING_BODY_BYTES) {
                    self.heard(note, now_unix_ms, out);
                }
            }
            Ok(DealNote::TYPE) => {
                if let Ok(note) = decode(&message.body, MAX_CLEARING_BODY_BYTES) {
                    let steps = self.paying.heard(&note, self.kind == Kind::Supervisor);
                    self.step(steps, now_unix_ms, out);
                }
            }
            Ok(TaskCall::TYPE) => {
                if let Ok(call) = decode(&message.body, MAX_CLEARING_BODY_BYTES) {
                    self.called(call, now_unix_ms, out);
                }
            }
            _ => {}
        }
    }
}

impl Peer for Hand {
    fn on(&mut self, event: PeerEvent, now_unix_ms: i64, out: &mut Outbox) {
        match event {
            PeerEvent::Started => {
                out.subscribe(subject::live_inbox(self.voice.agent()));
                if let (true, Ok(skill)) = (self.is_worker(), Skill::parse(SKILL)) {
                    out.subscribe(subject::live_task_call(&skill));
                }
                self.register(now_unix_ms, out);
            }
            PeerEvent::Message(message) => self.hear(&message, now_unix_ms, out),
            PeerEvent::Reply { tag, result } => self.answered(tag, result, now_unix_ms, out),
            PeerEvent::Timer { tag: SUBMIT } => {
                if let Some(job) = self.job.take() {
                    let id = JobId::of(self.voice.agent(), &job.move_id);
                    let to = subject::task_move(TaskVerb::Submit, self.voice.agent(), &id);
                    self.ask(to, &job, job.deadline_unix_ms, now_unix_ms, out);
                }
            }
            PeerEvent::Timer { tag } => {
                if let Some(note) = self.at.remove(&tag) {
                    self.finished(note, now_unix_ms, out);
                } else if let Some(deal) = self.unpaid.remove(&tag) {
                    let step = self.paying.overdue(&deal);
                    self.step(step, now_unix_ms, out);
                } else {
                    self.say(tag, now_unix_ms, out);
                }
            }
            PeerEvent::Appended { .. } | PeerEvent::Stopping => {}
            PeerEvent::Failed { subject, error } => {
                tracing::warn!(agent = %self.voice.agent(), subject, %error, "could not be sent");
                self.counts.trouble.fetch_add(1, Relaxed);
            }
        }
    }
}

/// Waking the supervisor with this has it submit its job. Tags of its own begin at 1.
pub(super) const SUBMIT: u64 = 0;

fn inputs(inputs: &[TaskInput]) -> impl Iterator<Item = Option<u64>> {
    inputs.iter().map(|input| value(&input.result))
}

/// What a verdict or an answer must name.
fn asked_about(note: &TaskNote) -> Option<(TaskId, u32, Hash)> {
    Some((note.task.clone()?, note.round?, note.result_hash?))
}

/// A move's id: each agent makes each kind of move once in a round of a task.
fn move_id(what: &str, job: &JobId, task: &TaskId, round: u32) -> Option<MoveId> {
    let hash = Hash::of_parts(&[
        what.as_bytes(),
        &[0],
        job.as_str().as_bytes(),
        &[0],
        task.as_str().as_bytes(),
        &[0],
        &round.to_be_bytes(),
    ]);
    MoveId::parse(hash.to_string().get(..32)?).ok()
}
