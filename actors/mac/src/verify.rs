//! Is this job's log what it claims to be? Decided offline, from the log and the key history alone.
//!
//! Every entry's signature and place in the chain is checked, and every move is decided again: what `mac` wrote must be
//! what its rules say. Two things in a log come of other logs, and here they are taken as they stand: a bidder's
//! reputation, and that no deal paid for a task which was given back. Whoever has the deals' logs looks at the second
//! again: [`Verified::payments`] says which deals they must be.

use schemas::body::Message;
use schemas::core::{Call, Decider};
use schemas::event::{Broken, Fault, Signed};
use schemas::hash::Hash;
use schemas::id::{AgentId, JobId, TaskId};
use schemas::job::{AwardDeal, TaskEvent, TaskWord};
use schemas::keyring::{Keyring, LogRecord, RecordFault};
use schemas::subject::{parse_task_move, task_log};
use schemas::task::TaskMove;

use crate::decide::{Ask, Mac};
use crate::entry::Entry;
use crate::pay::{Backing, Looked, UNPAID};
use crate::state::Job;

/// The core whose entries these are.
pub const MAC: &str = "mac";

/// A log that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The job that it tells of.
    pub job: Job,
    /// How many signatures were checked.
    pub signatures: u32,
    /// The deals that were to pay, in the order of their awards.
    pub payments: Vec<Payment>,
}

/// A deal that was to pay for an award, and what came of the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The deal that it must be.
    pub promised: AwardDeal,
    /// The task.
    pub task: TaskId,
    /// Which announcement of it.
    pub round: u32,
    /// Who does the work.
    pub worker: AgentId,
    /// The stream sequence of the award.
    pub sequence: u64,
    /// How the award ended; nothing while it has not.
    pub ended: Option<Ended>,
}

/// The end of an award.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub how: AwardEnd,
    /// At which stream sequence.
    pub sequence: u64,
    /// How many entries the deal's log had, if it was looked at.
    pub deal_turns: Option<u32>,
}

/// How an award ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwardEnd {
    /// The task is done.
    Done,
    /// It was given back, because no deal paid for it.
    Unpaid,
    /// It came to nothing.
    Nothing,
}

/// Verifies one job's log.
///
/// # Errors
/// The first entry at fault.
pub fn verify(id: &JobId, records: &[LogRecord], keys: &Keyring) -> Result<Verified, Broken> {
    let mut reader =
        Reader { id, keys, job: None, signatures: 0, expected: Vec::new(), last_sequence: 0, payments: Vec::new() };
    for (turn, record) in (0_u32..).zip(records) {
        reader.entry(turn, record).map_err(|fault| Broken { turn, sequence: record.sequence, fault })?;
    }
    let turn = u32::try_from(records.len()).unwrap_or(u32::MAX).saturating_sub(1);
    let sequence = records.last().map_or(0, |record| record.sequence);
    if let Some(missing) = reader.expected.last() {
        return Err(Broken { turn, sequence, fault: Fault::Torn(missing.event.what.as_str()) });
    }
    match reader.job {
        Some(job) => Ok(Verified { job, signatures: reader.signatures, payments: reader.payments }),
        None => Err(Broken { turn: 0, sequence: 0, fault: Fault::Empty }),
    }
}

struct Reader<'a> {
    id: &'a JobId,
    keys: &'a Keyring,
    job: Option<Job>,
    signatures: u32,
    /// What the last decision must have written besides the entry that was read, the next one last.
    expected: Vec<Entry>,
    last_sequence: u64,
    payments: Vec<Payment>,
}

impl Reader<'_> {
    fn entry(&mut self, turn: u32, record: &LogRecord) -> Result<(), Fault> {
        if record.subject != task_log(self.id) {
            return Err(Fault::Foreign);
        }
        if record.sequence <= self.last_sequence && turn > 0 {
            return Err(Fault::Chain("sequences do not rise"));
        }
        self.last_sequence = record.sequence;
        let sender = record.sender(TaskEvent::TYPE)?;
        let signer = sender.name.clone().unwrap_or_default();
        if signer != MAC {
            return Err(RecordFault::Writer { signer }.into());
        }
        self.keys.check(&sender)?;
        self.signatures += 1;
        let entry = Entry::read(&record.body).map_err(RecordFault::from)?;
        if entry.event.job != *self.id {
            return Err(Fault::Foreign);
        }
        if entry.event.turn != turn {
            return Err(Fault::Chain("its number is not the next"));
        }
        if entry.event.prev != self.job.as_ref().map_or(Hash::ZERO, |job| job.head) {
            return Err(Fault::Chain("it names another hash than that of the entry before"));
        }
        self.follows(&entry)?;
        self.end_award(&entry.event, record.sequence);
        self.job = Job::apply(self.job.take(), &entry);
        self.begin_award(&entry.event, record.sequence);
        Ok(())
    }

    /// Checks that the rules give this entry here.
    fn follows(&mut self, entry: &Entry) -> Result<(), Fault> {
        if let Some(expected) = self.expected.pop() {
            return same(&expected, entry);
        }
        let (ask, call) = match &entry.event.cause {
            Some(cause) => self.caused(cause, &entry.event)?,
            // When a timer fired first matters only to a job that isn't there.
            None => {
                let call = Call { now_unix_ms: entry.event.at_unix_ms, ..Call::default() };
                (Ask::Due { job: self.id.clone(), due_unix_ms: 0 }, call)
            }
        };
        let decision = Mac.decide(&self.job, &ask, &call).map_err(|error| Fault::Rules(error.to_string()))?;
        let mut events = decision.events.into_iter();
        let first = events.next().ok_or_else(|| Fault::Rules("nothing was to be written".into()))?;
        self.expected = events.rev().collect();
        same(&first, entry)
    }

    fn caused(&mut self, cause: &Signed, event: &TaskEvent) -> Result<(Ask, Call), Fault> {
        let wrong = |error: &dyn std::fmt::Display| Fault::Cause(error.to_string());
        let sender = self.keys.signer_of(cause).map_err(|e| wrong(&e))?;
        self.signatures += 1;
        let (verb, by, job) = parse_task_move(&cause.subject).map_err(|e| wrong(&e))?;
        if job != *self.id {
            return Err(Fault::Cause("its subject is another job's".into()));
        }
        let ask = Box::new(TaskMove::decode(verb, &cause.body).map_err(|e| wrong(&e))?);
        let backing = if event.rule.as_deref() == Some(UNPAID) { Backing::Missing } else { Backing::Stands };
        let call = Call {
            now_unix_ms: event.at_unix_ms,
            sender: Some(sender),
            traceparent: event.trace.clone(),
            ..Call::default()
        };
        let ask = Ask::Move {
            by,
            job,
            ask,
            signed: cause.clone(),
            reputation_ppb: event.measure_ppb.unwrap_or_default(),
            looked: event.deal_turns.map(|turns| Looked { backing, turns }),
        };
        Ok((ask, call))
    }

    fn begin_award(&mut self, event: &TaskEvent, sequence: u64) {
        let (TaskWord::Awarded, Some(task), Some(worker)) = (event.what, event.tasks.first(), &event.agent) else {
            return;
        };
        let Some(slot) = self.job.as_ref().and_then(|job| job.task(task)) else { return };
        if let Some(promised) = slot.deal.clone() {
            let (task, round, worker) = (task.clone(), slot.round, worker.clone());
            self.payments.push(Payment { promised, task, round, worker, sequence, ended: None });
        }
    }

    fn end_award(&mut self, event: &TaskEvent, sequence: u64) {
        let end = match event.what {
            TaskWord::Done => AwardEnd::Done,
            TaskWord::Declined if event.rule.as_deref() == Some(UNPAID) => AwardEnd::Unpaid,
            TaskWord::Declined | TaskWord::Lapsed | TaskWord::Refuted => AwardEnd::Nothing,
            _ => return,
        };
        let Some(deal) = &event.deal else { return };
        if let Some(payment) = self.payments.iter_mut().rev().find(|payment| payment.promised.deal == *deal) {
            payment.ended = Some(Ended { how: end, sequence, deal_turns: event.deal_turns });
        }
    }
}

fn same(expected: &Entry, entry: &Entry) -> Result<(), Fault> {
    if expected.event == entry.event {
        return Ok(());
    }
    let (want, got) = (expected.event.what, entry.event.what);
    let detail = if want == got {
        format!("this {got} differs from what its cause makes")
    } else {
        format!("{want} must stand here, not {got}")
    };
    Err(Fault::Rules(detail))
}
