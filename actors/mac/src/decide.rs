//! What a move does, and what time does.

use schemas::body::{DecodeError, Message, encode};
use schemas::core::{Answer, Call, Decider, Decision, Effect, Logged};
use schemas::error::{Code, ErrorReply};
use schemas::event::Signed;
use schemas::id::{AgentId, JobId};
use schemas::job::{JobState, TaskEvent, TaskMoved, TaskWord};
use schemas::registry::Done;
use schemas::task::TaskMove;
use schemas::{admission, stream, subject};

use crate::draft::{ATTEMPTS_SPENT, Draft};
use crate::entry::{About, Entry};
use crate::moves::{self, Told};
use crate::note::Heard;
use crate::panel::Verdict;
use crate::pay::Looked;
use crate::state::{Job, Phase, Slot};

/// Most tasks whose time has run out that one decision looks after; the timer comes again for the others.
const DUE_AT_ONCE: usize = 16;
/// How soon a timer comes again at the earliest, in milliseconds.
const SOON_MS: i64 = 250;
/// How long a timer waits for a job that is not there, in milliseconds: no write is on its way for a day.
const LONGEST_ON_ITS_WAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The decisions of collaboration. They have no state of their own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mac;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// An agent's move, its signature already checked against the agent's key.
    Move {
        /// The claimed mover: the agent in the subject.
        by: AgentId,
        /// The job in the subject.
        job: JobId,
        /// What the body says.
        ask: Box<TaskMove>,
        /// The signed bytes.
        signed: Signed,
        /// The mover's reputation, in parts per billion: what the fold over all logs says by now.
        reputation_ppb: u32,
        /// What the log of the deal says that the move names, if it names one.
        looked: Option<Looked>,
    },
    /// A timer fired.
    Due {
        /// The job.
        job: JobId,
        /// When it fired first, in Unix milliseconds.
        due_unix_ms: i64,
    },
}

impl Decider for Mac {
    type Move = Ask;
    type Event = Entry;
    type State = Option<Job>;

    fn decide(&self, state: &Option<Job>, ask: &Ask, call: &Call) -> Result<Decision<Entry>, ErrorReply> {
        match ask {
            Ask::Due { due_unix_ms, .. } => Ok(due(state.as_ref(), *due_unix_ms, call)),
            Ask::Move { by, job, ask, signed, reputation_ppb, looked } => {
                let recorded = state.as_ref().and_then(|job| job.moves.get(&(by.clone(), ask.move_id().clone())));
                let stands = recorded.map_or(JobState::Running, |recorded| recorded.state);
                if admission::is_recorded(recorded, signed, stands)? {
                    return Ok(Decision::nothing());
                }
                if ask.job().is_some_and(|named| named != job) {
                    let other = ErrorReply::new(Code::BadMessage, "names another job than the subject");
                    return Err(other.at_field("job"));
                }
                admission::check(by, "agent", ask.deadline_unix_ms(), call)?;
                let told = Told { reputation_ppb: *reputation_ppb, looked: looked.as_ref() };
                moves::decide(state.as_ref(), by, job, ask, signed, &told, call)
            }
        }
    }

    fn apply(state: Option<Job>, entry: &Entry) -> Option<Job> {
        Job::apply(state, entry)
    }
}

impl Logged for Mac {
    const STREAM: &'static str = stream::TASKS;
    const KIND: &'static str = TaskEvent::TYPE;

    fn read(bytes: &[u8]) -> Result<Entry, DecodeError> {
        Entry::read(bytes)
    }

    fn bytes(entry: &Entry) -> &[u8] {
        &entry.bytes
    }

    fn is_live(state: &Option<Job>) -> bool {
        state.as_ref().is_some_and(|job| job.state == JobState::Running)
    }

    fn answer(state: &Option<Job>, ask: &Ask) -> Answer {
        let unknown = || ErrorReply::new(Code::Unknown, "there is no such job").at_field("job").by_rule("no_job");
        let Ask::Move { by, job: id, ask, .. } = ask else {
            return Ok((Done::TYPE, encode(&Done {})));
        };
        let job = state.as_ref().ok_or_else(unknown)?;
        let recorded = job.moves.get(&(by.clone(), ask.move_id().clone())).ok_or_else(unknown)?;
        let moved =
            TaskMoved { job: id.clone(), move_id: ask.move_id().clone(), state: recorded.state, turn: recorded.turn };
        Ok((TaskMoved::TYPE, encode(&moved)))
    }

    fn timer(log: &str) -> Option<(String, String)> {
        let job = subject::parse_task_log(log).ok()?;
        Some((subject::task_timer(&job), subject::task_timer_due(&job)))
    }
}

/// What a timer does that has fired: it ends what has run out of time, and comes again for what has time left.
fn due(job: Option<&Job>, due_unix_ms: i64, call: &Call) -> Decision<Entry> {
    let now_unix_ms = call.now_unix_ms;
    let Some(job) = job else { return awaited(due_unix_ms, now_unix_ms) };
    if job.state != JobState::Running {
        return Decision::nothing();
    }
    let mut draft = Draft::new(job, now_unix_ms, None);
    if now_unix_ms >= job.expires_unix_ms {
        draft.fail(None, "expired");
        return Decision { events: draft.chain.entries(), effects: draft.effects };
    }
    for (_, place) in job.deadlines.iter().take_while(|(at, _)| *at <= now_unix_ms).take(DUE_AT_ONCE) {
        if let Some(slot) = job.tasks.get(*place) {
            ran_out(&mut draft, slot);
        }
        if draft.ended {
            return Decision { events: draft.chain.entries(), effects: draft.effects };
        }
    }
    let next_unix_ms =
        after(job, now_unix_ms).into_iter().chain(draft.soonest_unix_ms).fold(job.expires_unix_ms, i64::min);
    draft.effects.push(Effect::Timer { at_unix_ms: next_unix_ms });
    Decision { events: draft.chain.entries(), effects: draft.effects }
}

/// The first deadline that the timer did not look after.
fn after(job: &Job, now_unix_ms: i64) -> Option<i64> {
    let looked_after = job.deadlines.iter().take_while(|(at, _)| *at <= now_unix_ms).take(DUE_AT_ONCE).count();
    job.deadlines.iter().nth(looked_after).map(|(at, _)| *at)
}

/// A task's time has run out.
fn ran_out(draft: &mut Draft<'_>, slot: &Slot) {
    match (&slot.phase, &slot.result) {
        (Phase::Announced { bids, .. }, _) => draft.award(slot, bids),
        (Phase::Awarded { to, .. }, _) => {
            draft.push(TaskWord::Lapsed, About::task(&slot.spec.task).by(to).paid_by(slot.deal_id()), None);
            draft.tell(to, Heard::of(TaskWord::Lapsed, slot).by(to));
            draft.again(slot, ATTEMPTS_SPENT);
        }
        (Phase::Judged { .. }, Some(result)) => {
            let mut panel = slot.panel.clone();
            let silent = panel.iter_mut().filter(|(_, verdict)| **verdict == Verdict::Awaited);
            let verifiers = silent
                .map(|(agent, verdict)| {
                    *verdict = Verdict::Silent;
                    agent.clone()
                })
                .collect();
            draft.push(TaskWord::Silent, About { verifiers, ..About::task(&slot.spec.task) }, None);
            draft.judge(slot, result, &panel);
        }
        (Phase::Gated { split: true, .. }, Some(result)) => draft.found_wrong(slot, result, &slot.panel, "gate_silent"),
        (Phase::Gated { .. }, _) => draft.fail(Some(slot), "gate_silent"),
        (Phase::Judged { .. } | Phase::Waiting | Phase::Done, _) => {}
    }
}

/// The timer of a job that is not there, armed before it was submitted: it comes again after as long as it has waited
/// already.
fn awaited(due_unix_ms: i64, now_unix_ms: i64) -> Decision<Entry> {
    let waited_ms = now_unix_ms.saturating_sub(due_unix_ms).max(SOON_MS);
    if waited_ms > LONGEST_ON_ITS_WAY_MS {
        return Decision::nothing();
    }
    let at_unix_ms = now_unix_ms.saturating_add(waited_ms);
    Decision { events: Vec::new(), effects: vec![Effect::Again { due_unix_ms, at_unix_ms }] }
}
