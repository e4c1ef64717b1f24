//! The moves, one function each. Every refusal names its rule.

use schemas::body::DecodeError;
use schemas::core::{Call, Decision, Effect};
use schemas::error::{Code, ErrorReply};
use schemas::event::{Place, Signed};
use schemas::hash::Hash;
use schemas::id::{AgentId, JobId, TaskId};
use schemas::job::{JobState, TaskWord};
use schemas::limit::{MAX_BIDS, MAX_EXPIRY_MS};
use schemas::task::{
    AddTasks, AnswerGate, BidTask, CancelJob, DeclineTask, DeliverTask, JudgeTask, ReportProgress, SubmitJob, TaskMove,
    check_pay,
};

use crate::draft::{ATTEMPTS_SPENT, Draft};
use crate::entry::{About, Chain, Entry};
use crate::panel::Verdict;
use crate::pay::{Looked, UNPAID};
use crate::state::{Bid, Delivered, Job, Phase, Slot};
use crate::tasks;

/// A result waits at the gate because its task asks for it.
pub(crate) const ASKED: &str = "asked";
/// A result waits at the gate because its verifiers could not agree.
pub(crate) const SPLIT: &str = "split_panel";

/// What other logs say, as the host tells it; what comes of it is written down in the event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    /// The mover's reputation, in parts per billion.
    pub(crate) reputation_ppb: u32,
    /// What stands in the log of the deal that the move names.
    pub(crate) looked: Option<&'a Looked>,
}

/// Decides a move whose signature, deadline and subject are checked.
///
/// # Errors
/// The rule that refuses it.
pub(crate) fn decide(
    job: Option<&Job>,
    by: &AgentId,
    id: &JobId,
    ask: &TaskMove,
    signed: &Signed,
    told: &Told<'_>,
    call: &Call,
) -> Result<Decision<Entry>, ErrorReply> {
    let now_unix_ms = call.now_unix_ms;
    let Some(job) = job else {
        return match ask {
            TaskMove::Submit(submit) => submitted(by, id, submit, signed, call),
            _ => Err(ErrorReply::new(Code::Unknown, format!("there is no job {id}")).at_field("job").by_rule("no_job")),
        };
    };
    if job.state != JobState::Running {
        return Err(conflict(job, "job_ended", "the job has ended"));
    }
    if now_unix_ms >= job.expires_unix_ms {
        return Err(late("job_expired", "the job's time has run out"));
    }
    let mut draft = Draft::new(job, now_unix_ms, call.traceparent.clone());
    match ask {
        TaskMove::Submit(_) => Err(conflict(job, "submitted_before", "the job is there already")),
        TaskMove::Add(add) => added(&mut draft, by, add, signed),
        TaskMove::Bid(bid) => bid_for(&mut draft, by, bid, signed, told.reputation_ppb),
        TaskMove::Decline(decline) => declined(&mut draft, by, decline, signed, told.looked),
        TaskMove::Progress(progress) => progressed(&mut draft, by, progress, signed),
        TaskMove::Deliver(deliver) => delivered(&mut draft, by, deliver, signed),
        TaskMove::Judge(judge) => judged(&mut draft, by, judge, signed),
        TaskMove::Answer(answer) => answered(&mut draft, by, answer, signed),
        TaskMove::Cancel(cancel) => cancelled(&mut draft, by, cancel, signed),
    }?;
    // The timer that is armed comes no later than the next deadline of the state before.
    if let Some(soonest) = draft.soonest_unix_ms.filter(|at| *at < job.next_deadline_unix_ms() && !draft.ended) {
        draft.effects.push(Effect::Timer { at_unix_ms: soonest });
    }
    Ok(Decision { events: draft.chain.entries(), effects: draft.effects })
}

fn submitted(
    by: &AgentId,
    id: &JobId,
    submit: &SubmitJob,
    signed: &Signed,
    call: &Call,
) -> Result<Decision<Entry>, ErrorReply> {
    if JobId::of(by, &submit.move_id) != *id {
        let why = "the job in the subject is not the one that this supervisor and move_id make";
        return Err(ErrorReply::new(Code::BadMessage, why).at_field("move_id").by_rule("job_id"));
    }
    if submit.expires_unix_ms <= call.now_unix_ms {
        return Err(late("expiry", "has passed").at_field("expires_unix_ms"));
    }
    if submit.expires_unix_ms.saturating_sub(call.now_unix_ms) > MAX_EXPIRY_MS {
        let why = format!("at most {MAX_EXPIRY_MS} ms ahead");
        return Err(ErrorReply::refused("expiry", why).at_field("expires_unix_ms"));
    }
    tasks::check_job(submit)?;
    // The job as its first event makes it: what is announced next is read off that.
    let (at_unix_ms, trace) = (call.now_unix_ms, call.traceparent.clone());
    let mut first = Chain::at(id.clone(), Place { turn: 0, prev: Hash::ZERO, at_unix_ms, trace });
    first.push(TaskWord::Submitted, About::default(), Some(signed.clone()));
    let first = first.entries();
    let job = first.iter().fold(None, Job::apply);
    let job = job.ok_or_else(|| ErrorReply::new(Code::BadMessage, "is no submission").by_rule("job_id"))?;
    let mut draft = Draft::new(&job, call.now_unix_ms, call.traceparent.clone());
    let ready: Vec<&Slot> = job.tasks.iter().filter(|slot| slot.waits_for == 0).collect();
    draft.announce(&ready);
    let at_unix_ms = draft.soonest_unix_ms.map_or(job.expires_unix_ms, |at| at.min(job.expires_unix_ms));
    draft.effects.push(Effect::Timer { at_unix_ms });
    let events = first.into_iter().chain(draft.chain.entries()).collect();
    Ok(Decision { events, effects: draft.effects })
}

fn added(draft: &mut Draft<'_>, by: &AgentId, add: &AddTasks, signed: &Signed) -> Result<(), ErrorReply> {
    let job = draft.job;
    must_supervise(job, by)?;
    if !job.more {
        return Err(conflict(job, "no_more", "it was said that there are no more tasks"));
    }
    tasks::check_added(job, add)?;
    check_pay(job.pay.as_ref(), &add.tasks).map_err(DecodeError::Field)?;
    draft.push(TaskWord::Added, About::default(), Some(signed));
    if add.tasks.is_empty() && job.undone == 0 {
        draft.finish();
    }
    // What is ready is read off the job as it will be, of which nothing but the new tasks is looked at.
    let done = |need: &TaskId| job.task(need).is_some_and(|slot| slot.phase == Phase::Done);
    let ready: Vec<Slot> =
        add.tasks.iter().filter(|task| task.needs.iter().all(done)).map(|task| Slot::new(task.clone())).collect();
    draft.announce(&ready.iter().collect::<Vec<_>>());
    Ok(())
}

fn bid_for(
    draft: &mut Draft<'_>,
    by: &AgentId,
    bid: &BidTask,
    signed: &Signed,
    reputation_ppb: u32,
) -> Result<(), ErrorReply> {
    let (job, now_unix_ms) = (draft.job, draft.now_unix_ms);
    let slot = task_of(job, &bid.task)?;
    let Phase::Announced { until_unix_ms, bids } = &slot.phase else {
        return Err(conflict(job, "not_announced", "no bids are taken").in_state(slot.state()));
    };
    must_be_round(job, slot, bid.round)?;
    if now_unix_ms >= *until_unix_ms {
        return Err(late("bidding_over", "the time for bids is over"));
    }
    if bids.contains_key(by) {
        return Err(conflict(job, "bid_before", "this agent has bid already"));
    }
    if bids.len() >= MAX_BIDS {
        return Err(conflict(job, "enough_bids", "there are enough bids"));
    }
    if job.pay.is_some() && *by == job.supervisor {
        return Err(forbidden("own_job", "nobody pays itself"));
    }
    if slot.barred.contains(by) {
        return Err(ErrorReply::refused("was_wrong", "this agent's result for it was found wrong").at_field("task"));
    }
    let least_ppb = job.rules.least_reputation_ppb;
    if reputation_ppb < least_ppb {
        let why = format!("its reputation is {reputation_ppb} parts per billion, and {least_ppb} are asked for");
        return Err(ErrorReply::refused("low_reputation", why).at_field("task"));
    }
    if bid.price_minor > slot.spec.budget_minor {
        let why = format!("the budget is {}", slot.spec.budget_minor);
        return Err(ErrorReply::refused("over_budget", why).at_field("price_minor"));
    }
    let about = About { measure_ppb: Some(reputation_ppb), ..About::task(&bid.task).by(by) };
    draft.push(TaskWord::Bid, about, Some(signed));
    if bids.len() + 1 >= usize::try_from(job.rules.enough_bids).unwrap_or(usize::MAX).min(MAX_BIDS) {
        let mut bids = bids.clone();
        let (price_minor, skills) = (bid.price_minor, bid.skills.clone());
        bids.insert(by.clone(), Bid { price_minor, skills, reputation_ppb });
        draft.award(slot, &bids);
    }
    Ok(())
}

fn declined(
    draft: &mut Draft<'_>,
    by: &AgentId,
    decline: &DeclineTask,
    signed: &Signed,
    looked: Option<&Looked>,
) -> Result<(), ErrorReply> {
    let slot = task_of(draft.job, &decline.task)?;
    must_hold(draft, slot, by, decline.round)?;
    let about = About::task(&decline.task).by(by).paid_by(slot.deal_id());
    let promised = slot.deal.as_ref().filter(|promised| decline.deal.as_ref() == Some(&promised.deal));
    let looked = promised.zip(looked);
    let unpaid = looked.is_some_and(|(promised, looked)| looked.backing.is_unpaid(promised, &draft.job.supervisor, by));
    let about = About { deal_turns: looked.map(|(_, looked)| looked.turns), ..about };
    let (about, rule) = if unpaid { (about.rule(UNPAID), UNPAID) } else { (about, ATTEMPTS_SPENT) };
    draft.push(TaskWord::Declined, about, Some(signed));
    draft.again(slot, rule);
    Ok(())
}

fn progressed(
    draft: &mut Draft<'_>,
    by: &AgentId,
    progress: &ReportProgress,
    signed: &Signed,
) -> Result<(), ErrorReply> {
    let slot = task_of(draft.job, &progress.task)?;
    let since_unix_ms = must_hold(draft, slot, by, progress.round)?;
    let last_unix_ms = since_unix_ms.saturating_add(draft.job.rules.work_ms.into());
    let until_unix_ms = draft.within(draft.job.rules.lease_ms).min(last_unix_ms);
    draft.push(TaskWord::Progressed, About::task(&progress.task).by(by).until(until_unix_ms), Some(signed));
    Ok(())
}

fn delivered(draft: &mut Draft<'_>, by: &AgentId, deliver: &DeliverTask, signed: &Signed) -> Result<(), ErrorReply> {
    let slot = task_of(draft.job, &deliver.task)?;
    must_hold(draft, slot, by, deliver.round)?;
    let DeliverTask { result, kept, .. } = deliver.clone();
    let result = Delivered { by: by.clone(), result, kept, hash: Hash::of(&signed.body) };
    draft.delivered(slot, &result, signed);
    Ok(())
}

fn judged(draft: &mut Draft<'_>, by: &AgentId, judge: &JudgeTask, signed: &Signed) -> Result<(), ErrorReply> {
    let (job, now_unix_ms) = (draft.job, draft.now_unix_ms);
    let slot = task_of(job, &judge.task)?;
    let (Phase::Judged { until_unix_ms }, Some(result)) = (&slot.phase, &slot.result) else {
        return Err(conflict(job, "not_judged", "no result of it is being judged").in_state(slot.state()));
    };
    must_be_result(job, result, judge.result_hash)?;
    if *by == result.by {
        return Err(forbidden("own_work", "nobody judges its own work"));
    }
    match slot.panel.get(by) {
        None => return Err(forbidden("not_asked", "this agent was not asked to judge it")),
        Some(Verdict::Awaited) => {}
        Some(_) => return Err(conflict(job, "judged_before", "this agent's verdict is in, or its time is over")),
    }
    if now_unix_ms >= *until_unix_ms {
        return Err(late("judging_over", "the time to judge is over"));
    }
    draft.push(TaskWord::Judged, About::task(&judge.task).by(by), Some(signed));
    let mut panel = slot.panel.clone();
    panel.insert(by.clone(), if judge.right { Verdict::Right } else { Verdict::Wrong });
    draft.judge(slot, result, &panel);
    Ok(())
}

fn answered(draft: &mut Draft<'_>, by: &AgentId, answer: &AnswerGate, signed: &Signed) -> Result<(), ErrorReply> {
    let (job, now_unix_ms) = (draft.job, draft.now_unix_ms);
    let slot = task_of(job, &answer.task)?;
    let (Phase::Gated { until_unix_ms, split }, Some(result)) = (&slot.phase, &slot.result) else {
        return Err(conflict(job, "not_gated", "it does not wait at the gate").in_state(slot.state()));
    };
    must_be_result(job, result, answer.result_hash)?;
    if job.gatekeepers.binary_search(by).is_err() {
        return Err(forbidden("not_gatekeeper", "this agent does not answer at the gate"));
    }
    if *by == result.by {
        return Err(forbidden("own_work", "nobody lets its own work through"));
    }
    if now_unix_ms >= *until_unix_ms {
        return Err(late("gate_silent", "the time to answer is over, and silence is no"));
    }
    draft.push(TaskWord::Answered, About::task(&answer.task).by(by), Some(signed));
    match (answer.approve, split) {
        (true, _) => draft.done(slot, result, &slot.panel, "gate_approved"),
        (false, true) => draft.found_wrong(slot, result, &slot.panel, "gate_rejected"),
        (false, false) => draft.fail(Some(slot), "gate_rejected"),
    }
    Ok(())
}

fn cancelled(draft: &mut Draft<'_>, by: &AgentId, _: &CancelJob, signed: &Signed) -> Result<(), ErrorReply> {
    must_supervise(draft.job, by)?;
    draft.push(TaskWord::Cancelled, About::default(), Some(signed));
    draft.end(JobState::Cancelled, None);
    Ok(())
}

fn task_of<'a>(job: &'a Job, task: &TaskId) -> Result<&'a Slot, ErrorReply> {
    let unknown =
        || ErrorReply::new(Code::Unknown, format!("there is no task {task}")).at_field("task").by_rule("no_task");
    job.task(task).ok_or_else(unknown)
}

fn must_supervise(job: &Job, by: &AgentId) -> Result<(), ErrorReply> {
    if job.supervisor == *by { Ok(()) } else { Err(forbidden("supervisor", "only the supervisor does that")) }
}

fn must_be_round(job: &Job, slot: &Slot, round: u32) -> Result<(), ErrorReply> {
    if slot.round == round {
        return Ok(());
    }
    let why = format!("it is announced for the {}. time by now", slot.round);
    Err(conflict(job, "other_round", &why).at_field("round").in_state(slot.state()))
}

fn must_be_result(job: &Job, result: &Delivered, hash: Hash) -> Result<(), ErrorReply> {
    if result.hash == hash {
        return Ok(());
    }
    Err(conflict(job, "other_result", "it is about another result").at_field("result_hash"))
}

/// Whoever moves holds the task, and its lease has not run out; gives since when it does, in Unix milliseconds.
fn must_hold(draft: &Draft<'_>, slot: &Slot, by: &AgentId, round: u32) -> Result<i64, ErrorReply> {
    let Phase::Awarded { to, since_unix_ms, until_unix_ms, .. } = &slot.phase else {
        return Err(conflict(draft.job, "not_awarded", "nobody is at work on it").in_state(slot.state()));
    };
    if to != by {
        return Err(forbidden("not_the_doer", "it was awarded to another agent"));
    }
    must_be_round(draft.job, slot, round)?;
    if draft.now_unix_ms >= *until_unix_ms {
        return Err(late("lease_over", "the lease has run out"));
    }
    Ok(*since_unix_ms)
}

fn conflict(job: &Job, rule: &str, why: &str) -> ErrorReply {
    ErrorReply::new(Code::Conflict, why).by_rule(rule).in_state(job.state)
}

fn late(rule: &str, why: &str) -> ErrorReply {
    ErrorReply::new(Code::Late, why).by_rule(rule)
}

/// Not for the agent that the subject names to do.
pub(crate) fn forbidden(rule: &str, why: &str) -> ErrorReply {
    ErrorReply::new(Code::Forbidden, why).at_field("agent").by_rule(rule)
}
