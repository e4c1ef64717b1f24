//! What agents hear of a job, and the calls for bids: written in the same atomic batch as the events.
//!
//! Notes stand in the jobs' own stream, not in the deals', since an atomic batch is of one stream; the inboxes gather both.

use schemas::body::{Message, encode};
use schemas::core::Effect;
use schemas::id::{AgentId, Skill};
use schemas::job::{AwardDeal, CalledTask, TaskCall, TaskInput, TaskNote, TaskWord};
use schemas::subject;

use crate::state::{Delivered, Job, Slot};

/// Most tasks that one call lists, so that it stays well below the largest body.
const TASKS_A_CALL: usize = 32;

/// What a note says.
#[derive(Debug, Clone)]
pub(crate) struct Heard<'a> {
    pub(crate) event: TaskWord,
    pub(crate) slot: Option<&'a Slot>,
    pub(crate) agent: Option<AgentId>,
    pub(crate) with_brief: bool,
    pub(crate) inputs: Vec<TaskInput>,
    pub(crate) result: Option<(TaskInput, schemas::Hash)>,
    pub(crate) until_unix_ms: Option<i64>,
    pub(crate) rule: Option<&'static str>,
    pub(crate) award: Option<AwardDeal>,
}

impl<'a> Heard<'a> {
    /// Something happened to a task.
    pub(crate) fn of(event: TaskWord, slot: &'a Slot) -> Self {
        Self { slot: Some(slot), ..Self::of_job(event) }
    }

    /// Something happened to the job.
    pub(crate) fn of_job(event: TaskWord) -> Self {
        Self {
            event,
            slot: None,
            agent: None,
            with_brief: false,
            inputs: Vec::new(),
            result: None,
            until_unix_ms: None,
            rule: None,
            award: None,
        }
    }

    /// About an agent.
    pub(crate) fn by(self, agent: &AgentId) -> Self {
        Self { agent: Some(agent.clone()), ..self }
    }

    /// With a result, and what it is a result of.
    pub(crate) fn with_result(self, slot: &Slot, result: &Delivered) -> Self {
        let Delivered { by, result, kept, hash } = result.clone();
        let input = TaskInput { task: slot.spec.task.clone(), result, kept };
        Self { result: Some((input, hash)), with_brief: true, ..self.by(&by) }
    }
}

/// A note to an agent.
pub(crate) fn note(job: &Job, to: &AgentId, turn: u32, at_unix_ms: i64, heard: Heard<'_>) -> Effect {
    let Heard { event, slot, agent, with_brief, inputs, result, until_unix_ms, rule, award } = heard;
    let (result, result_hash) = result.unzip();
    // A round counts from its announcement on.
    let note = TaskNote {
        job: job.id.clone(),
        event,
        turn,
        at_unix_ms,
        supervisor: job.supervisor.clone(),
        task: slot.map(|slot| slot.spec.task.clone()),
        round: slot.map(|slot| slot.round),
        agent,
        brief: slot.filter(|_| with_brief).map(|slot| slot.spec.brief.clone()),
        inputs,
        result,
        result_hash,
        until_unix_ms,
        rule: rule.map(str::to_owned),
        award,
    };
    Effect::Beside { subject: subject::task_note(to), kind: TaskNote::TYPE, body: encode(&note) }
}

/// Calls for bids on tasks of one skill.
pub(crate) fn calls(job: &Job, skill: &Skill, slots: &[&Slot], until_unix_ms: i64) -> Vec<Effect> {
    let called = |slot: &&Slot| CalledTask {
        task: slot.spec.task.clone(),
        round: slot.round.saturating_add(1),
        wanted: slot.spec.wanted.clone(),
        brief: slot.spec.brief.clone(),
        budget_minor: slot.spec.budget_minor,
    };
    let call = |slots: &[&Slot]| TaskCall {
        job: job.id.clone(),
        supervisor: job.supervisor.clone(),
        skill: skill.clone(),
        until_unix_ms,
        tasks: slots.iter().map(called).collect(),
        pay: job.pay.clone(),
    };
    let beside = |call: TaskCall| Effect::Beside {
        subject: subject::task_call(skill),
        kind: TaskCall::TYPE,
        body: encode(&call),
    };
    slots.chunks(TASKS_A_CALL).map(call).map(beside).collect()
}
