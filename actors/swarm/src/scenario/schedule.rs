//! When everyone comes and goes.

use super::ScenarioError;
use super::draws::Draws;
use super::file::Coming;
use crate::plan::{Action, AgentPlan, Step};
use schemas::limit::PPM;

/// Whoever leaves has been there for so long at least, in milliseconds.
const STAY_MS: u64 = 1_500;

pub(super) fn schedule(coming: &Coming, seed: u64, agents: &mut [AgentPlan]) -> Result<(), ScenarioError> {
    for named in &coming.last {
        if !agents.iter().any(|plan| plan.id == *named) {
            return Err(ScenarioError::field("coming.last", format!("there is no agent {named}")));
        }
    }
    let mut draws = Draws::of(seed, "coming");
    let total = agents.len();
    let (mut last, mut others): (Vec<&mut AgentPlan>, Vec<&mut AgentPlan>) =
        agents.iter_mut().partition(|plan| coming.last.contains(&plan.id));
    draws.shuffle(&mut others);
    let at_start = share(total, coming.at_start_ppm).min(others.len());
    let later = u64::try_from(others.len().saturating_sub(at_start)).unwrap_or(u64::MAX);
    for (index, plan) in (0u64..).zip(others.iter_mut()) {
        let turn = index.saturating_add(1).saturating_sub(u64::try_from(at_start).unwrap_or(u64::MAX));
        let at_ms = coming.over_ms.saturating_mul(turn).checked_div(later).unwrap_or(0);
        plan.schedule = vec![Step { at_ms, action: Action::Join }];
    }
    for plan in &mut last {
        plan.schedule = vec![Step { at_ms: coming.over_ms, action: Action::Join }];
    }
    for plan in draws.pick(coming.away, others) {
        let joined_ms = plan.schedule.first().map_or(0, |step| step.at_ms);
        let drawn_ms = |draws: &mut Draws, [lo, hi]: [i64; 2]| u64::try_from(draws.between(lo, hi)).unwrap_or(0);
        let leave_ms = drawn_ms(&mut draws, coming.leave_ms).max(joined_ms.saturating_add(STAY_MS));
        let back_ms = leave_ms.saturating_add(drawn_ms(&mut draws, coming.away_ms));
        plan.schedule.push(Step { at_ms: leave_ms, action: Action::Leave });
        plan.schedule.push(Step { at_ms: back_ms, action: Action::Join });
    }
    Ok(())
}

/// So many of `total`, in parts per million, rounded up.
fn share(total: usize, ppm: i64) -> usize {
    let total = i128::try_from(total).unwrap_or(i128::MAX);
    let whole = i128::from(PPM);
    let part = total.saturating_mul(ppm.into()).saturating_add(whole - 1) / whole;
    usize::try_from(part.max(0)).unwrap_or(usize::MAX)
}
