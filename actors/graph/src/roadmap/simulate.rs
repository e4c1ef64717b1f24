//! How a roadmap may turn out: lengths, gains and failures drawn as often as asked.
//!
//! # Design
//!
//! Each run draws from a stream of its own, step by step in the order of names, so that it is the same run whatever
//! was planned around it. A step that fails has cost its money and its time; those that depend on it are never begun.
//! Resources bind as in the plan, and its order decides where steps compete.
//!
//! A step's *criticality* is the share of runs in which it stood on the chain that set the end: from the step that
//! ended last back to what each had to wait for, be it a dependency or a resource that fell free. What the mean gain
//! would lose by a step's failure follows from the runs themselves, since a step is only begun where all before it
//! succeeded: its own gain, and whatever those that depend on it brought net.

use schemas::limit::PPM;
use schemas::roadmap::{Distribution, PlanRoadmap as Request, Simulated, Spread};

use super::schedule::{Plan, run};
use super::{Project, StepRowData};
use crate::draw::Draw;
use crate::stopwatch::Watch;
use crate::table::{StepRow, Table};

/// Runs end when so much of the time is spent, in percent.
const UNTIL_PERCENT: u32 = 90;

/// What the runs came to.
pub(super) struct Simulation {
    pub(super) outcome: Simulated,
    pub(super) criticality_ppm: Table<StepRow, i64>,
    pub(super) failure_minor: Table<StepRow, i64>,
}

/// What happens to a step in a run.
#[derive(Debug, Clone, Copy, Default)]
struct Fate {
    days: i64,
    gain: i64,
    succeeds: bool,
    is_begun: bool,
}

/// Simulates a plan; `None` where no run was asked for, or none finished.
pub(super) fn simulate(project: &Project, plan: &Plan, request: &Request, watch: &Watch) -> Option<Simulation> {
    let mut gains: Vec<i64> = Vec::new();
    let mut ends: Vec<i64> = Vec::new();
    let mut critical = Table::like(&project.steps, 0_i64);
    let mut gained = Table::like(&project.steps, 0_i128);
    let mut spent = Table::like(&project.steps, 0_i128);
    let mut is_chosen = Table::like(&project.steps, false);
    for row in &plan.order {
        is_chosen[*row] = true;
    }
    for stream in 0..request.runs {
        if watch.spent_percent() >= UNTIL_PERCENT {
            break;
        }
        let mut draw = Draw::new(request.seed, stream.into());
        let mut fates = Table::like(&project.steps, Fate::default());
        for (row, step) in project.steps.iter() {
            fates[row] = fate(step, &mut draw);
        }
        let mut gain = 0_i64;
        // In this order every step stands after those that it depends on.
        for row in project.order.iter().filter(|row| is_chosen[**row]) {
            let begins =
                project.steps[*row].after.iter().all(|before| fates[*before].is_begun && fates[*before].succeeds);
            fates[*row].is_begun = begins;
            if begins {
                let brought = if fates[*row].succeeds { fates[*row].gain } else { 0 };
                gained[*row] += i128::from(brought);
                spent[*row] += i128::from(project.steps[*row].cost);
                gain += brought - project.steps[*row].cost;
            }
        }
        let started = run(project, &plan.order, &mut |row| fates[row].is_begun.then_some(fates[row].days));
        let mut on_chain = started.last;
        while let Some(row) = on_chain {
            critical[row] += 1;
            on_chain = started.waited_for[row];
        }
        gains.push(gain);
        ends.push(started.end);
    }
    let runs = i64::try_from(gains.len()).ok().filter(|runs| *runs > 0)?;
    let mut simulation = Simulation {
        outcome: outcome(gains, ends, request.risk_ppm, runs),
        criticality_ppm: Table::like(&project.steps, 0),
        failure_minor: Table::like(&project.steps, 0),
    };
    for row in project.steps.ids() {
        simulation.criticality_ppm[row] = critical[row] * PPM / runs;
        let fed = project.feeds[row].iter().map(|fed| gained[*fed] - spent[*fed]).sum::<i128>();
        let lost = (gained[row] + fed).div_euclid(runs.into());
        simulation.failure_minor[row] = i64::try_from(lost).unwrap_or(i64::MAX);
    }
    Some(simulation)
}

fn fate(step: &StepRowData, draw: &mut Draw) -> Fate {
    let days = within(step.days, draw.share());
    let gain = within(step.gain, draw.share());
    let succeeds = i64::try_from(draw.below(PPM.unsigned_abs())).is_ok_and(|at| at < step.chance_ppm);
    Fate { days, gain, succeeds, is_begun: false }
}

/// The value that a share of a triangular distribution lies below, to the nearest whole number. No number here needs
/// more than 53 bits.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn within(spread: Spread, share: f64) -> i64 {
    let (least, likely, most) = (spread.least as f64, spread.likely as f64, spread.most as f64);
    let width = most - least;
    if width <= 0.0 {
        return spread.likely;
    }
    let turn = (likely - least) / width;
    let at = if share < turn {
        least + (share * width * (likely - least)).sqrt()
    } else {
        most - ((1.0 - share) * width * (most - likely)).sqrt()
    };
    (at.round() as i64).clamp(spread.least, spread.most)
}

fn outcome(mut gains: Vec<i64>, mut ends: Vec<i64>, risk_ppm: i64, runs: i64) -> Simulated {
    gains.sort_unstable();
    ends.sort_unstable();
    let at_risk = rank(risk_ppm, gains.len());
    let tail: Vec<i64> = gains.iter().take(at_risk + 1).copied().collect();
    let lost = i64::try_from(gains.iter().filter(|gain| **gain < 0).count()).unwrap_or(runs);
    Simulated {
        runs: u32::try_from(runs).unwrap_or(u32::MAX),
        value_at_risk_minor: tail.last().copied().unwrap_or(0),
        expected_shortfall_minor: mean(&tail),
        loss_ppm: lost * PPM / runs,
        gain_minor: distribution(&gains),
        end_day: distribution(&ends),
    }
}

/// The place of the least entry that so great a share of them does not exceed.
fn rank(share_ppm: i64, count: usize) -> usize {
    let place = (share_ppm.unsigned_abs() as u128 * count as u128).div_ceil(PPM.unsigned_abs().into());
    usize::try_from(place).unwrap_or(count).clamp(1, count.max(1)) - 1
}

fn mean(entries: &[i64]) -> i64 {
    let sum: i128 = entries.iter().copied().map(i128::from).sum();
    i64::try_from(sum.div_euclid(i128::try_from(entries.len()).unwrap_or(1).max(1))).unwrap_or(i64::MAX)
}

fn distribution(sorted: &[i64]) -> Distribution {
    let at = |share_ppm: i64| sorted.get(rank(share_ppm, sorted.len())).copied().unwrap_or(0);
    Distribution {
        mean: mean(sorted),
        least: sorted.first().copied().unwrap_or(0),
        p5: at(50_000),
        p25: at(250_000),
        p50: at(500_000),
        p75: at(750_000),
        p95: at(950_000),
        most: sorted.last().copied().unwrap_or(0),
    }
}
