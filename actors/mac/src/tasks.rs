//! Whether tasks may come into a job: what they need is there, and nothing waits for itself.

use std::collections::{BTreeMap, BTreeSet};

use schemas::error::{Code, ErrorReply};
use schemas::id::{AgentId, TaskId};
use schemas::limit::{MAX_NEEDS, MAX_TASKS};
use schemas::task::{AddTasks, SubmitJob, Task};

use crate::state::{Job, Phase};

/// Refuses a job that could not run.
///
/// # Errors
/// The rule and the field.
pub(crate) fn check_job(submit: &SubmitJob) -> Result<(), ErrorReply> {
    check_crew(&submit.tasks, &submit.verifiers, &submit.gatekeepers)?;
    check_needs(&submit.tasks, |_| false)
}

/// Refuses tasks that do not fit into a job.
///
/// # Errors
/// The rule and the field.
pub(crate) fn check_added(job: &Job, add: &AddTasks) -> Result<(), ErrorReply> {
    let tasks = &add.tasks;
    if job.tasks.len() + tasks.len() > MAX_TASKS {
        let most = format!("a job has at most {MAX_TASKS} tasks");
        return Err(ErrorReply::refused("too_many_tasks", most).at_field("tasks"));
    }
    if let Some(index) = tasks.iter().position(|task| job.places.contains_key(&task.task)) {
        let field = format!("tasks[{index}].task");
        return Err(ErrorReply::new(Code::Conflict, "the job has a task of this name")
            .by_rule("task_exists")
            .at_field(&field));
    }
    check_crew(tasks, &job.verifiers, &job.gatekeepers)?;
    check_needs(tasks, |need| job.places.contains_key(need))?;
    add.part_of.as_ref().map_or(Ok(()), |parent| check_parent(job, tasks, parent))
}

/// The task that others become part of must still wait, and they must not wait for it.
fn check_parent(job: &Job, tasks: &[Task], parent: &TaskId) -> Result<(), ErrorReply> {
    let refused = |rule: &str, why: &str| ErrorReply::refused(rule, why).at_field("part_of");
    let slot = job.task(parent).ok_or_else(|| refused("unknown_need", "the job has no such task"))?;
    if slot.phase != Phase::Waiting {
        return Err(ErrorReply::new(Code::Conflict, "it was announced already")
            .by_rule("parent_began")
            .at_field("part_of"));
    }
    if slot.spec.needs.len() + tasks.len() > MAX_NEEDS {
        return Err(refused("too_many_needs", &format!("it would need more than {MAX_NEEDS} tasks")));
    }
    let mut to_see: Vec<&TaskId> = tasks.iter().flat_map(|task| &task.needs).collect();
    let mut seen = BTreeSet::new();
    while let Some(need) = to_see.pop() {
        if need == parent {
            return Err(refused("cycle", "a part would wait for the whole"));
        }
        if seen.insert(need) {
            to_see.extend(job.task(need).into_iter().flat_map(|slot| &slot.spec.needs));
        }
    }
    Ok(())
}

/// What asks for verdicts has verifiers, and what asks for a human has one.
fn check_crew(tasks: &[Task], verifiers: &[AgentId], gatekeepers: &[AgentId]) -> Result<(), ErrorReply> {
    for (index, task) in tasks.iter().enumerate() {
        if task.gate && gatekeepers.is_empty() {
            let field = format!("tasks[{index}].gate");
            return Err(ErrorReply::refused("no_gatekeeper", "nobody could answer").at_field(&field));
        }
        let lead = task.panel.map_or(0, |panel| usize::try_from(panel.lead).unwrap_or(usize::MAX));
        if verifiers.len() < lead {
            let why = format!("{lead} verdicts are asked for, and there are {} verifiers", verifiers.len());
            return Err(ErrorReply::refused("too_few_verifiers", why).at_field(&format!("tasks[{index}].panel.lead")));
        }
    }
    Ok(())
}

/// Needs are there before, or come along, and can be done one after another.
fn check_needs(tasks: &[Task], is_there: impl Fn(&TaskId) -> bool) -> Result<(), ErrorReply> {
    let places: BTreeMap<&TaskId, usize> = tasks.iter().enumerate().map(|(place, task)| (&task.task, place)).collect();
    let mut waits_for = vec![0_usize; tasks.len()];
    let mut dependents = vec![Vec::new(); tasks.len()];
    for (place, task) in tasks.iter().enumerate() {
        for (index, need) in task.needs.iter().enumerate() {
            match places.get(need) {
                Some(needed) => {
                    dependents.get_mut(*needed).into_iter().for_each(|waiting| waiting.push(place));
                    waits_for.get_mut(place).into_iter().for_each(|count| *count += 1);
                }
                None if is_there(need) => {}
                None => {
                    let field = format!("tasks[{place}].needs[{index}]");
                    return Err(
                        ErrorReply::refused("unknown_need", format!("there is no task {need}")).at_field(&field)
                    );
                }
            }
        }
    }
    let mut ready: Vec<usize> = (0..tasks.len()).filter(|place| waits_for.get(*place) == Some(&0)).collect();
    let mut reached = 0;
    while let Some(place) = ready.pop() {
        reached += 1;
        for dependent in dependents.get(place).into_iter().flatten() {
            if let Some(count) = waits_for.get_mut(*dependent) {
                *count -= 1;
                if *count == 0 {
                    ready.push(*dependent);
                }
            }
        }
    }
    if reached == tasks.len() {
        return Ok(());
    }
    let stuck = waits_for.iter().position(|count| *count > 0).unwrap_or_default();
    Err(ErrorReply::refused("cycle", "waits for itself, by way of others").at_field(&format!("tasks[{stuck}].needs")))
}
