//! What came of a job, read off its log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use runtime::port::Port;
use schemas::body::decode;
use schemas::deal::ReadTerms;
use schemas::event::{DealEvent, Happening};
use schemas::job::{Reputation, TaskEvent, TaskWord};
use schemas::limit::MAX_CLEARING_BODY_BYTES;
use schemas::profile::State;
use schemas::subject::parse_task_move;
use schemas::task::TaskMove;
use schemas::{AgentId, JobId, TaskId, stream, subject};
use serde::Serialize;

use super::{Kind, RunError, Together, sum, value};

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The job.
    pub job: String,
    /// The seed of everything that was drawn.
    pub seed: u64,
    /// Whether it was finished.
    pub finished: bool,
    /// How many tasks it has.
    pub tasks: usize,
    /// How many are done.
    pub done: usize,
    /// From its submission to its end, in milliseconds, by the log's times.
    pub took_ms: i64,
    /// Entries of its log.
    pub events: usize,
    /// Bids.
    pub bids: usize,
    /// Awards.
    pub awards: usize,
    /// Leases that ran out.
    pub lapsed: usize,
    /// Tasks that were given back.
    pub declined: usize,
    /// Results that were handed in.
    pub results: usize,
    /// Of those, wrong ones, as computed here.
    pub wrong: usize,
    /// Wrong ones that were found wrong.
    pub caught: usize,
    /// Wrong ones that counted.
    pub passed: usize,
    /// Right ones that were found wrong.
    pub slandered: usize,
    /// Panels that were asked for more verdicts.
    pub widened: usize,
    /// Times that something waited at the gate.
    pub gated: usize,
    /// The shortest time that the gate held, in milliseconds.
    pub gate_held_ms: Option<i64>,
    /// Announcements before all was done that a task needs.
    pub too_early: usize,
    /// Awards of a task that somebody held.
    pub held_twice: usize,
    /// Verdicts on own work.
    pub own_work: usize,
    /// Questions that came to nothing.
    pub trouble: usize,
    /// The mean reputation of each kind of agent, in parts per billion.
    pub reputation_ppb: BTreeMap<&'static str, i64>,
    /// What came of the deals that pay for awards; nothing where the job does not pay.
    pub payments: Option<Payments>,
}

/// What came of the deals that the awards determine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Payments {
    /// Deals.
    pub deals: usize,
    /// Of them, settled ones.
    pub settled: usize,
    /// Those that failed, and are taken back.
    pub compensated: usize,
    /// Those that were never committed, or never opened.
    pub none: usize,
    /// Those that have not ended.
    pub open: usize,
    /// What was paid, in minor units of the good.
    pub paid_minor: i64,
    /// Tasks that are done and whose deal is not settled.
    pub owed: usize,
    /// Settled deals whose task is not done by that award.
    pub for_nothing: usize,
}

impl Payments {
    /// Whether nothing can follow.
    #[must_use]
    pub fn are_over(&self) -> bool {
        self.open == 0
    }
}

/// Reads what came of the deals that a job's log names.
pub(super) async fn payments(port: &dyn Port, job: &JobId) -> Result<Payments, RunError> {
    let (mut awarded, mut done) = (BTreeSet::new(), BTreeSet::new());
    for stored in port.read(stream::TASKS, &subject::task_log(job), 0).await? {
        let Ok(event) = decode::<TaskEvent>(&stored.body, MAX_CLEARING_BODY_BYTES) else { continue };
        let Some(deal) = event.deal else { continue };
        if event.what == TaskWord::Done {
            done.insert(deal.clone());
        }
        awarded.insert(deal);
    }
    let mut payments = Payments { deals: awarded.len(), ..Payments::default() };
    for deal in awarded {
        let (mut state, mut price_minor) = (None, 0);
        for stored in port.read(stream::DEALS, &subject::deal_log(&deal), 0).await? {
            let Ok(event) = decode::<DealEvent>(&stored.body, MAX_CLEARING_BODY_BYTES) else { continue };
            state = Some(event.what.state());
            if let Happening::Committed { terms, .. } = &event.what
                && let Ok(read) = ReadTerms::read(terms)
                && let Some(price) = read.terms.transfers.first()
            {
                price_minor = price.quantity.get();
            }
        }
        let is_done = done.contains(&deal);
        match state {
            Some(State::Settled) => {
                payments.settled += 1;
                payments.paid_minor = payments.paid_minor.saturating_add(price_minor);
                payments.for_nothing += usize::from(!is_done);
            }
            Some(State::Compensated) => payments.compensated += 1,
            Some(state) if !state.is_end() => payments.open += 1,
            _ => payments.none += 1,
        }
        payments.owed += usize::from(is_done && state != Some(State::Settled));
    }
    Ok(payments)
}

impl Report {
    pub(super) async fn of(
        port: &dyn Port,
        scenario: &Together,
        seed: u64,
        job: &JobId,
        everybody: &BTreeMap<AgentId, Kind>,
        trouble: usize,
    ) -> Result<Self, RunError> {
        let mut report = Self { job: job.to_string(), seed, trouble, ..Self::default() };
        let mut reader = Reader::of(scenario, seed);
        for stored in port.read(stream::TASKS, &subject::task_log(job), 0).await? {
            if let Ok(event) = decode::<TaskEvent>(&stored.body, MAX_CLEARING_BODY_BYTES) {
                reader.read(&event, &mut report);
            }
        }
        report.tasks = reader.needs.len();
        report.done = reader.done.len();
        let mut sums: BTreeMap<&'static str, (i64, i64)> = BTreeMap::new();
        for entry in port.kv_list(stream::REPUTATION).await? {
            let Ok(shown) = serde_json::from_slice::<Reputation>(&entry.value) else { continue };
            if let Some(kind) = everybody.get(&shown.agent) {
                let (sum, count) = sums.entry(name(*kind)).or_default();
                (*sum, *count) = (*sum + i64::from(shown.reputation_ppb), *count + 1);
            }
        }
        if scenario.pay.is_some() {
            report.payments = Some(payments(port, job).await?);
        }
        report.reputation_ppb = sums.into_iter().map(|(kind, (sum, count))| (kind, sum / count.max(1))).collect();
        Ok(report)
    }

    /// Whether the job was finished, and every promise of collaboration kept.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.finished
            && self.done == self.tasks
            && self.wrong == self.caught
            && self.passed + self.too_early + self.held_twice + self.own_work == 0
            && self.payments.as_ref().is_none_or(|paid| paid.owed + paid.for_nothing + paid.open == 0)
    }
}

/// Follows a log, and knows what each task should come to.
struct Reader {
    needs: BTreeMap<TaskId, Vec<TaskId>>,
    truth: BTreeMap<TaskId, u64>,
    done: BTreeSet<TaskId>,
    holders: BTreeMap<TaskId, AgentId>,
    /// Whether the result that is being judged is right.
    right: BTreeMap<TaskId, bool>,
    gated_unix_ms: BTreeMap<TaskId, i64>,
    began_unix_ms: Option<i64>,
}

impl Reader {
    fn of(scenario: &Together, seed: u64) -> Self {
        let (mut needs, mut truth) = (BTreeMap::new(), BTreeMap::new());
        for task in scenario.tasks(seed) {
            let inputs = task.needs.iter().map(|need| truth.get(need).copied());
            if let Some(sum) = sum(&task.brief, inputs) {
                truth.insert(task.task.clone(), sum);
            }
            needs.insert(task.task, task.needs);
        }
        let (done, holders, right, gated_unix_ms) = Default::default();
        Self { needs, truth, done, holders, right, gated_unix_ms, began_unix_ms: None }
    }

    fn read(&mut self, event: &TaskEvent, report: &mut Report) {
        report.events += 1;
        let began_unix_ms = *self.began_unix_ms.get_or_insert(event.at_unix_ms);
        report.took_ms = event.at_unix_ms - began_unix_ms;
        report.finished |= event.what == TaskWord::Finished;
        for task in &event.tasks {
            self.read_of(task, event, report);
        }
    }

    fn read_of(&mut self, task: &TaskId, event: &TaskEvent, report: &mut Report) {
        match event.what {
            TaskWord::Announced => {
                let early = self.needs.get(task).is_none_or(|needs| needs.iter().any(|need| !self.done.contains(need)));
                report.too_early += usize::from(early);
            }
            TaskWord::Bid => report.bids += 1,
            TaskWord::Awarded => {
                report.awards += 1;
                let other = event.agent.clone().and_then(|agent| self.holders.insert(task.clone(), agent));
                report.held_twice += usize::from(other.is_some());
            }
            TaskWord::Delivered => {
                let is_right = delivered(event).is_some_and(|said| self.truth.get(task) == Some(&said));
                report.results += 1;
                report.wrong += usize::from(!is_right);
                self.right.insert(task.clone(), is_right);
            }
            TaskWord::Judged => report.own_work += usize::from(self.holders.get(task) == event.agent.as_ref()),
            TaskWord::Widened => report.widened += 1,
            TaskWord::Gated => {
                report.gated += 1;
                self.gated_unix_ms.insert(task.clone(), event.at_unix_ms);
            }
            TaskWord::Answered => {
                let held_ms = self.gated_unix_ms.remove(task).map(|since| event.at_unix_ms - since);
                report.gate_held_ms = report.gate_held_ms.into_iter().chain(held_ms).min();
            }
            TaskWord::Lapsed => report.lapsed += 1,
            TaskWord::Declined => report.declined += 1,
            TaskWord::Refuted => match self.right.get(task) {
                Some(true) => report.slandered += 1,
                _ => report.caught += 1,
            },
            TaskWord::Done => {
                report.passed += usize::from(self.right.get(task) != Some(&true));
                self.done.insert(task.clone());
            }
            _ => {}
        }
        if matches!(event.what, TaskWord::Lapsed | TaskWord::Declined | TaskWord::Refuted | TaskWord::Done) {
            self.holders.remove(task);
        }
    }
}

/// What the move behind an event handed in.
fn delivered(event: &TaskEvent) -> Option<u64> {
    let cause = event.cause.as_ref()?;
    let (verb, _, _) = parse_task_move(&cause.subject).ok()?;
    match TaskMove::decode(verb, &cause.body).ok()? {
        TaskMove::Deliver(deliver) => value(&deliver.result),
        _ => None,
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Honest => "honest",
        Kind::Liar => "liar",
        Kind::Quitter => "quitter",
        Kind::Mortal => "mortal",
        Kind::Verifier => "verifier",
        Kind::Mistaken => "mistaken",
        Kind::Human => "human",
        Kind::Supervisor => "supervisor",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.finished { "finished" } else { "NOT FINISHED" };
        writeln!(f, "job {}: {state}, {} of {} tasks in {} ms", self.job, self.done, self.tasks, self.took_ms)?;
        writeln!(
            f,
            "{} events, {} bids, {} awards; {} leases ran out, {} tasks were given back",
            self.events, self.bids, self.awards, self.lapsed, self.declined
        )?;
        writeln!(
            f,
            "{} results, {} of them wrong: {} caught, {} passed; {} right ones found wrong; {} panels widened",
            self.results, self.wrong, self.caught, self.passed, self.slandered, self.widened
        )?;
        let held = self.gate_held_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
        writeln!(f, "{} waited at the gate, which held {held} at least", self.gated)?;
        writeln!(
            f,
            "{} announced too early, {} held twice, {} judged by their doers",
            self.too_early, self.held_twice, self.own_work
        )?;
        let shown = self
            .reputation_ppb
            .iter()
            .map(|(kind, ppb)| format!("{kind} {}.{:03}", ppb / 1_000_000_000, ppb / 1_000_000 % 1_000));
        write!(f, "reputation: {}", shown.collect::<Vec<_>>().join(", "))?;
        let Some(Payments { deals, settled, compensated, none, open, paid_minor, owed, for_nothing }) = &self.payments
        else {
            return Ok(());
        };
        write!(
            f,
            "\n{deals} deals: {settled} settled, {paid_minor} minor units paid; {compensated} compensated, {none} never \
             committed, {open} open; {owed} done and not paid, {for_nothing} paid and not done"
        )
    }
}
