//! Jobs of tasks: what an agent does in them.
//!
//! A worker bids when tasks are called for which it has the skill, for as many as it can do at once, so that it is never
//! awarded more; does what it is awarded, giving signs of life; and hands in the result. Where the job pays, each award is a
//! deal, which supervisor and worker make by themselves.

mod job;
mod work;

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use runtime::port::{PublishError, Subscription};
use runtime::select;
use runtime::task::{self, AbortHandle};
use schemas::deal::{Moved, ReadTerms};
use schemas::event::DealNote;
use schemas::job::{CalledTask, TaskCall, TaskNote, TaskWord};
use schemas::limit::MAX_CLEARING_BODY_BYTES;
use schemas::subject::{self, DealVerb, TaskVerb};
use schemas::task::{AnswerGate, BidTask, DeclineTask, DeliverTask, JudgeTask};
use schemas::{DealId, Good, Hash, JobId, MarketId, Message as Body, MoveId, Skill, TaskId, decode};

use self::job::Jobs;
pub use self::job::{Job, JobFailed, JobSpec};
pub use self::work::{Bids, Submitted, Verdict, Work};
use super::Agent;
use crate::paying::{MOST_TASKS, Paying, Step, opening};
use crate::voice::AskError;

/// How long after the time for bids an award may be heard of, in milliseconds.
const HEARD_WITHIN_MS: i64 = 5_000;
/// How long a worker has to hand something in or back, in milliseconds.
const MOVE_MS: i64 = 60_000;
/// How long before its lease ends a task is given back that no deal pays for, in milliseconds.
const GIVEN_BACK_MS: i64 = 200;
/// As much of a reason for giving a task back as is said, in characters.
const REASON_CHARS: usize = 256;

pub(super) type Do = dyn Fn(Work) -> BoxFuture<'static, Result<Vec<u8>, String>> + Send + Sync;
pub(super) type Judge = dyn Fn(Submitted) -> BoxFuture<'static, Verdict> + Send + Sync;

/// What an agent does under one skill.
pub(super) struct Worker {
    pub(super) skill: Skill,
    pub(super) bids: Bids,
    pub(super) work: Box<Do>,
}

/// A task in one of its announcements.
type Place = (JobId, TaskId, u32);

/// What an agent has to do with jobs.
#[derive(Default)]
pub(super) struct Tasks {
    pub(super) workers: Vec<Arc<Worker>>,
    pub(super) verifier: Option<Box<Judge>>,
    pub(super) gatekeeper: Option<Box<Judge>>,
    jobs: Jobs,
    hand: Mutex<Hand>,
}

/// What it is at.
#[derive(Default)]
struct Hand {
    /// Bids that are out: under which skill, and until when an award may be heard of.
    bids: HashMap<Place, (Skill, i64)>,
    at_work: HashMap<(JobId, TaskId), (Skill, AbortHandle)>,
    paying: Paying,
    /// Deals that pay for work in jobs of its own.
    own: HashSet<DealId>,
    /// Tasks that wait to be paid for, under which skill.
    unpaid: HashMap<(JobId, TaskId), Skill>,
    /// What it told the ledger that it may give.
    declared: HashSet<(MarketId, Skill)>,
}

impl Hand {
    /// Whether it could do one more, if all its bids were taken.
    fn has_room(&mut self, worker: &Worker, now_unix_ms: i64) -> bool {
        self.bids.retain(|_, (_, until_unix_ms)| *until_unix_ms > now_unix_ms);
        let is_its = |skill: &Skill| *skill == worker.skill;
        let taken = self.bids.values().filter(|(skill, _)| is_its(skill)).count()
            + self.at_work.values().filter(|(skill, _)| is_its(skill)).count()
            + self.unpaid.values().filter(|skill| is_its(skill)).count();
        taken < worker.bids.at_once
    }
}

impl Tasks {
    fn hand(&self) -> MutexGuard<'_, Hand> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more is done, and whoever waits for a job waits no longer.
    pub(super) fn close(&self) {
        for (_, (_, at_work)) in self.hand().at_work.drain() {
            at_work.abort();
        }
        self.jobs.close();
    }
}

impl Agent {
    /// Listens for calls.
    pub(super) async fn listen_for_tasks(&self) -> Result<Vec<AbortHandle>, PublishError> {
        let mut listening = Vec::new();
        for worker in &self.core.tasks.workers {
            let calls = self.core.port.subscribe(&subject::live_task_call(&worker.skill), None).await?;
            listening.push(task::spawn(self.clone().bid_when_called(Arc::clone(worker), calls)).abort_handle());
        }
        Ok(listening)
    }

    async fn bid_when_called(self, worker: Arc<Worker>, mut calls: Subscription) {
        while let Some(message) = calls.next().await {
            match decode::<TaskCall>(&message.body, MAX_CLEARING_BODY_BYTES) {
                Ok(call) => self.called(&worker, call).await,
                Err(error) => tracing::warn!(agent = %self.id(), %error, "a call that cannot be read"),
            }
        }
    }

    async fn called(&self, worker: &Worker, call: TaskCall) {
        if let Some(pay) = &call.pay
            && !self.core.tasks.hand().declared.contains(&(pay.book.clone(), worker.skill.clone()))
        {
            // In the book, what a worker gives for its pay is a unit of its skill.
            let Ok(good) = Good::parse(worker.skill.as_str()) else { return };
            if let Err(error) = self.declare(&pay.book, [(good, MOST_TASKS)]).await {
                return tracing::warn!(agent = %self.id(), book = %pay.book, %error, "cannot declare its work");
            }
            self.core.tasks.hand().declared.insert((pay.book.clone(), worker.skill.clone()));
        }
        for task in &call.tasks {
            let now_unix_ms = self.now_unix_ms();
            if now_unix_ms >= call.until_unix_ms || !self.core.tasks.hand().has_room(worker, now_unix_ms) {
                return;
            }
            let Some(price_minor) = (worker.bids.price)(task).filter(|price| *price <= task.budget_minor) else {
                continue;
            };
            let place = (call.job.clone(), task.task.clone(), task.round);
            let hopes = (worker.skill.clone(), call.until_unix_ms.saturating_add(HEARD_WITHIN_MS));
            self.core.tasks.hand().bids.insert(place.clone(), hopes);
            if let Err(error) = self.bid(worker, &call, task, price_minor).await {
                // Others were sooner, mostly.
                self.core.tasks.hand().bids.remove(&place);
                tracing::debug!(agent = %self.id(), task = %task.task, %error, "no bid");
            }
        }
    }

    async fn bid(&self, worker: &Worker, call: &TaskCall, task: &CalledTask, price_minor: i64) -> Result<(), AskError> {
        let bid = BidTask {
            move_id: self.move_id()?,
            deadline_unix_ms: call.until_unix_ms,
            job: call.job.clone(),
            task: task.task.clone(),
            round: task.round,
            price_minor,
            skills: worker.bids.skills.clone(),
        };
        self.task_move(TaskVerb::Bid, &call.job, &bid, call.until_unix_ms).await
    }

    /// News of a job.
    pub(super) fn hear_of_task(&self, note: TaskNote) {
        let tasks = &self.core.tasks;
        tasks.jobs.hear(&note);
        match note.event {
            TaskWord::Awarded if note.supervisor == *self.id() && note.award.is_some() => {
                let Some(award) = &note.award else { return };
                tasks.hand().own.insert(award.deal.clone());
                self.step(opening(award));
            }
            TaskWord::Done if note.supervisor == *self.id() => {
                let steps = note.award.map(|award| tasks.hand().paying.done(award));
                self.step(steps.into_iter().flatten());
            }
            TaskWord::Awarded => self.awarded(note),
            TaskWord::Delivered => self.judge(note, TaskVerb::Judge),
            TaskWord::Gated => self.judge(note, TaskVerb::Answer),
            TaskWord::Lapsed | TaskWord::Finished | TaskWord::Failed | TaskWord::Cancelled => {
                let mut hand = tasks.hand();
                hand.paying.lost(&note);
                let Some(task) = note.task else { return };
                let place = (note.job, task);
                hand.unpaid.remove(&place);
                if let Some((_, at_work)) = hand.at_work.remove(&place) {
                    at_work.abort();
                }
            }
            _ => {}
        }
    }

    /// News of a deal, which may be one that pays for work.
    pub(super) fn hear_of_payment(&self, note: &DealNote) {
        let pays = |bytes: &[u8]| ReadTerms::read(bytes).is_ok_and(|table| table.terms.award.is_some());
        let mut hand = self.core.tasks.hand();
        let is_own = hand.own.contains(&note.deal);
        // News without terms is of a deal that pays where those with them were.
        if !note.terms.as_deref().map_or(is_own || hand.paying.awaits(&note.deal), pays) {
            return;
        }
        let steps = hand.paying.heard(note, is_own);
        if note.state.is_end() {
            hand.own.remove(&note.deal);
        }
        drop(hand);
        if is_own && note.state.is_end() {
            self.core.tasks.jobs.settled(&note.deal);
        }
        self.step(steps);
    }

    fn awarded(&self, note: TaskNote) {
        let Some((task, round)) = note.task.clone().zip(note.round) else { return };
        let mut hand = self.core.tasks.hand();
        let place = (note.job.clone(), task.clone());
        let bid = hand.bids.remove(&(note.job.clone(), task, round));
        // What another instance of this agent bid for is not this one's to do.
        let Some((skill, _)) = bid.filter(|_| note.agent.as_ref() == Some(self.id())) else { return };
        let Some(award) = note.award.clone() else {
            drop(hand);
            return self.take_up(note, skill);
        };
        hand.unpaid.insert(place, skill);
        let lapses_unix_ms = note.until_unix_ms.unwrap_or_else(|| self.now_unix_ms());
        let steps = hand.paying.awarded(note, &award);
        drop(hand);
        self.step(steps);
        let agent = self.clone();
        task::spawn(async move {
            agent.core.port.sleep_until(lapses_unix_ms.saturating_sub(GIVEN_BACK_MS)).await;
            let overdue = agent.core.tasks.hand().paying.overdue(&award.deal);
            agent.step(overdue);
        });
    }

    /// Does what news of a deal that pays asks for.
    fn step(&self, steps: impl IntoIterator<Item = Step>) {
        for step in steps {
            let agent = self.clone();
            match step {
                Step::Work(note) => {
                    if let Some(skill) = self.no_longer_unpaid(&note) {
                        self.take_up(*note, skill);
                    }
                }
                Step::GiveBack(note) => {
                    self.no_longer_unpaid(&note);
                    if let Some(work) = Work::of(self, &note) {
                        runtime::spawn(async move { agent.give_back(&work, "nothing pays for it").await });
                    }
                }
                Step::Open(open, accept) => runtime::spawn(async move {
                    let until_unix_ms = open.expires_unix_ms;
                    let opened = agent.pay(DealVerb::Open, &accept.deal, open.as_ref(), until_unix_ms).await;
                    if opened {
                        agent.pay(DealVerb::Accept, &accept.deal, &accept, until_unix_ms).await;
                    }
                }),
                Step::Accept(accept) => runtime::spawn(async move {
                    agent.pay(DealVerb::Accept, &accept.deal, &accept, accept.deadline_unix_ms).await;
                }),
                Step::Confirm(confirm) => runtime::spawn(async move {
                    agent.pay(DealVerb::Confirm, &confirm.deal, &confirm, confirm.deadline_unix_ms).await;
                    agent.core.tasks.jobs.settled(&confirm.deal);
                }),
            }
        }
    }

    /// Under which skill a task waited to be paid for, if it still did.
    fn no_longer_unpaid(&self, note: &TaskNote) -> Option<Skill> {
        self.core.tasks.hand().unpaid.remove(&(note.job.clone(), note.task.clone()?))
    }

    /// Makes a move in a deal that pays; whether it was made.
    async fn pay(&self, verb: DealVerb, deal: &DealId, said: &impl Body, until_unix_ms: i64) -> bool {
        let subject = subject::deal_move(verb, self.id(), deal);
        let moved = self.insist::<_, Moved>(subject, said, until_unix_ms).await;
        if let Err(error) = &moved {
            tracing::warn!(agent = %self.id(), %deal, %verb, %error, "a deal that pays for work came to nothing");
        }
        moved.is_ok()
    }

    /// Does a task.
    fn take_up(&self, note: TaskNote, skill: Skill) {
        let worker = self.core.tasks.workers.iter().find(|worker| worker.skill == skill);
        let Some((worker, work)) = worker.cloned().zip(Work::of(self, &note)) else { return };
        let place = (work.job.clone(), work.task.clone());
        // Entered before it can end.
        let mut hand = self.core.tasks.hand();
        let agent = self.clone();
        let doing = task::spawn(async move {
            let mut done = std::pin::pin!(AssertUnwindSafe((worker.work)(work.clone())).catch_unwind());
            let result = select! {
                result = &mut done => result,
                // It is another's by now: whoever hears of that ends this.
                () = work.stay_alive() => done.await,
            };
            match result {
                Ok(Ok(result)) => agent.deliver(&work, result).await,
                Ok(Err(reason)) => agent.give_back(&work, &reason).await,
                // What it was stands in the log.
                Err(_) => agent.give_back(&work, "it panicked").await,
            }
            agent.core.tasks.hand().at_work.remove(&(work.job, work.task));
        });
        hand.at_work.insert(place, (skill, doing.abort_handle()));
    }

    async fn deliver(&self, work: &Work, result: Vec<u8>) {
        let deadline_unix_ms = self.now_unix_ms().saturating_add(MOVE_MS);
        let said = self.move_id().map(|move_id| DeliverTask {
            move_id,
            deadline_unix_ms,
            job: work.job.clone(),
            task: work.task.clone(),
            round: work.round,
            result,
            kept: None,
        });
        self.say_of(TaskVerb::Deliver, &work.job, &work.task, said, deadline_unix_ms).await;
    }

    async fn give_back(&self, work: &Work, reason: &str) {
        let deadline_unix_ms = self.now_unix_ms().saturating_add(MOVE_MS);
        let said = self.move_id().map(|move_id| DeclineTask {
            move_id,
            deadline_unix_ms,
            job: work.job.clone(),
            task: work.task.clone(),
            round: work.round,
            reason: reason.chars().take(REASON_CHARS).collect(),
            deal: work.deal.clone(),
        });
        self.say_of(TaskVerb::Decline, &work.job, &work.task, said, deadline_unix_ms).await;
    }

    /// Has a result judged, or an answer given at the gate.
    fn judge(&self, note: TaskNote, verb: TaskVerb) {
        let Some(result) = Submitted::of(&note).filter(|result| result.until_unix_ms > self.now_unix_ms()) else {
            return;
        };
        let agent = self.clone();
        runtime::spawn(async move {
            let tasks = &agent.core.tasks;
            let judge = if verb == TaskVerb::Judge { &tasks.verifier } else { &tasks.gatekeeper };
            let Some(judge) = judge else { return };
            let (yes, reason) = match judge(result.clone()).await {
                Verdict::Yes => (true, String::new()),
                Verdict::No(reason) => (false, reason),
                Verdict::Silence => return,
            };
            agent.say_verdict(verb, result, yes, reason).await;
        });
    }

    async fn say_verdict(&self, verb: TaskVerb, result: Submitted, yes: bool, reason: String) {
        let Submitted { job, task, hash: result_hash, until_unix_ms: deadline_unix_ms, .. } = result;
        let move_id = once(verb, &job, &task, &result_hash);
        let (place, until_unix_ms) = ((job.clone(), task.clone()), deadline_unix_ms);
        if verb == TaskVerb::Judge {
            let said = move_id.map(|move_id| JudgeTask {
                move_id,
                deadline_unix_ms,
                job,
                task,
                result_hash,
                right: yes,
                reason,
            });
            self.say_of(verb, &place.0, &place.1, said, until_unix_ms).await;
        } else {
            let said = move_id.map(|move_id| AnswerGate {
                move_id,
                deadline_unix_ms,
                job,
                task,
                result_hash,
                approve: yes,
                reason,
            });
            self.say_of(verb, &place.0, &place.1, said, until_unix_ms).await;
        }
    }

    /// Makes a move. That the task has gone elsewhere meanwhile is no failure of the agent's.
    async fn say_of(
        &self,
        verb: TaskVerb,
        job: &JobId,
        task: &TaskId,
        said: Result<impl Body, AskError>,
        until_unix_ms: i64,
    ) {
        let made = match said {
            Ok(said) => self.task_move(verb, job, &said, until_unix_ms).await,
            Err(error) => Err(error),
        };
        match made {
            Ok(()) => {}
            Err(AskError::Refused(reply)) if reply.code == 409 => {
                tracing::debug!(agent = %self.id(), %task, %verb, %reply, "others were sooner");
            }
            Err(error) => tracing::warn!(agent = %self.id(), %task, %verb, %error, "a move in a job was not made"),
        }
    }
}

/// A move's id that is the same after a restart.
fn once(verb: TaskVerb, job: &JobId, task: &TaskId, result: &Hash) -> Result<MoveId, AskError> {
    let parts =
        [verb.as_str().as_bytes(), &[0], job.as_str().as_bytes(), &[0], task.as_str().as_bytes(), result.as_bytes()];
    let id: String = Hash::of_parts(&parts).to_string().chars().take(32).collect();
    MoveId::parse(&id).map_err(|bad| AskError::Unreadable(bad.to_string()))
}
