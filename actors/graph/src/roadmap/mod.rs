//! Roadmaps: which deals to make within a budget, when to start each, and how that may turn out.
//!
//! # Design
//!
//! Three questions, one after the other, each in its own module: [`choice`] finds the steps whose expected gain is
//! largest among those that the budget and each other allow; [`schedule`] orders them within what they share, and says
//! which are critical; [`simulate`] draws lengths, gains and failures as often as asked.
//!
//! What a step is expected to bring counts its likeliest gain times the probability that it and all steps before it
//! succeed, less its cost times the probability that those before it do, since otherwise it is never begun. The
//! budget counts all costs in full: it has to hold when everything goes well.
//!
//! # What it refuses
//!
//! Steps and resources that are named and not there, dependencies that go round in a circle, uses above capacity,
//! required steps beyond the budget.

mod choice;
mod schedule;
mod simulate;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemas::core::{Call, Core, Monotonic, Stopwatch};
use schemas::limit::PPM;
use schemas::roadmap::{Placed, PlanRoadmap as Request, Roadmap, Spread};
use schemas::{ErrorReply, id::StepId};

use crate::stopwatch::Watch;
use crate::table::{Id, ResourceRow, StepRow, Table};

/// Bits after the point of an expected gain.
const FRACTION_BITS: u32 = 16;

/// Answers `graph.roadmap`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan<S = Monotonic> {
    stopwatch: S,
}

impl<S: Stopwatch> Plan<S> {
    /// A core that tells the time by `stopwatch`.
    pub fn with(stopwatch: S) -> Self {
        Self { stopwatch }
    }
}

impl<S: Stopwatch> Core for Plan<S> {
    const SERVICE: &'static str = "graph";
    const VERB: &'static str = "roadmap";
    type Request = Request;
    type Reply = Roadmap;

    fn handle(&self, request: Request, call: &Call) -> Result<Roadmap, ErrorReply> {
        let watch = Watch::of_call(self.stopwatch.start(), request.time_limit_ms, call);
        let project = Project::read(&request)?;
        let choice = choice::choose(&project, &watch)?;
        let plan = schedule::plan(&project, &choice.chosen, &watch);
        let simulated = simulate::simulate(&project, &plan, &request, &watch);
        let mut placed: Vec<Placed> = plan
            .order
            .iter()
            .map(|step| Placed {
                step: project.steps[*step].name.clone(),
                start_day: plan.start[*step],
                end_day: plan.start[*step] + project.steps[*step].days.likely,
                slack_days: plan.slack[*step],
                is_critical: plan.critical_path.contains(step),
                criticality_ppm: simulated.as_ref().map(|s| s.criticality_ppm[*step]),
                failure_minor: simulated.as_ref().map(|s| s.failure_minor[*step]),
            })
            .collect();
        placed.sort_by(|a, b| (a.start_day, &a.step).cmp(&(b.start_day, &b.step)));
        let names = |steps: &mut dyn Iterator<Item = StepRow>| -> Vec<StepId> {
            steps.map(|step| project.steps[step].name.clone()).collect()
        };
        Ok(Roadmap {
            placed,
            passed_over: names(&mut project.steps.ids().filter(|step| !choice.chosen[*step])),
            expected_minor: whole(choice.worth),
            expected_bound_minor: whole(choice.bound),
            cost_minor: choice.cost,
            end_day: plan.end_day,
            end_day_bound: plan.end_day_bound,
            critical_path: names(&mut plan.critical_path.iter().copied()),
            simulated: simulated.map(|s| s.outcome),
            took_ms: u32::try_from(watch.elapsed().as_millis()).unwrap_or(u32::MAX),
        })
    }
}

/// An expected gain in whole minor units, rounded down.
fn whole(worth: i128) -> i64 {
    i64::try_from(worth >> FRACTION_BITS).unwrap_or(i64::MAX)
}

/// A step, checked.
struct StepRowData {
    name: StepId,
    /// The steps before it, directly.
    after: Vec<StepRow>,
    days: Spread,
    cost: i64,
    gain: Spread,
    chance_ppm: i64,
    uses: Vec<(ResourceRow, i64)>,
    is_required: bool,
    /// What it is expected to bring if it is chosen, in minor units with [`FRACTION_BITS`].
    worth: i128,
}

/// The steps by name, each after those that it depends on in `order`.
struct Project {
    steps: Table<StepRow, StepRowData>,
    capacities: Table<ResourceRow, i64>,
    budget: Option<i64>,
    /// Every step after the steps that it depends on.
    order: Vec<StepRow>,
    /// The steps that depend on each, directly.
    before: Table<StepRow, Vec<StepRow>>,
    /// Everything that each depends on, and what depends on each, however far.
    needs: Table<StepRow, Vec<StepRow>>,
    feeds: Table<StepRow, Vec<StepRow>>,
}

impl Project {
    fn read(request: &Request) -> Result<Self, ErrorReply> {
        let mut places: Vec<usize> = (0..request.steps.len()).collect();
        let steps_of = |place: &usize| request.steps.get(*place);
        places.sort_by_key(|place| steps_of(place).map(|step| &step.step));
        let rows: BTreeMap<&StepId, StepRow> =
            places.iter().filter_map(steps_of).enumerate().map(|(row, step)| (&step.step, StepRow::of(row))).collect();
        let mut capacities = Table::new();
        let mut resources: BTreeMap<&StepId, ResourceRow> = BTreeMap::new();
        for resource in &request.resources {
            resources.insert(&resource.resource, capacities.push(resource.capacity));
        }
        let mut steps = Table::new();
        for place in &places {
            let Some(step) = steps_of(place) else { continue };
            let at = |field: String| format!("steps[{place}].{field}");
            let mut after = Vec::with_capacity(step.after.len());
            for (index, name) in step.after.iter().enumerate() {
                after.push(*rows.get(name).ok_or_else(|| {
                    ErrorReply::refused("unknown_step", format!("there is no step {name}"))
                        .at_field(&at(format!("after[{index}]")))
                })?);
            }
            let mut uses = Vec::with_capacity(step.uses.len());
            for (index, used) in step.uses.iter().enumerate() {
                let row = *resources.get(&used.resource).ok_or_else(|| {
                    ErrorReply::refused("unknown_resource", format!("there is no resource {}", used.resource))
                        .at_field(&at(format!("uses[{index}].resource")))
                })?;
                if used.amount > capacities[row] {
                    return Err(ErrorReply::refused(
                        "capacity",
                        format!("{} of {} are needed, and there are {}", used.amount, used.resource, capacities[row]),
                    )
                    .at_field(&at(format!("uses[{index}].amount"))));
                }
                uses.push((row, used.amount));
            }
            steps.push(StepRowData {
                name: step.step.clone(),
                after,
                days: step.days,
                cost: step.cost_minor,
                gain: step.gain_minor,
                chance_ppm: step.chance_ppm.unwrap_or(PPM),
                uses,
                is_required: step.is_required,
                worth: 0,
            });
        }
        let mut before = Table::like(&steps, Vec::new());
        for (row, step) in steps.iter() {
            for earlier in &step.after {
                before[*earlier].push(row);
            }
        }
        let order = in_order(&steps, &before).map_err(|stuck| {
            let place = places.get(stuck.row()).copied().unwrap_or(0);
            ErrorReply::refused("circle", format!("{} depends on itself, by way of others", steps[stuck].name))
                .at_field(&format!("steps[{place}].after"))
        })?;
        let needs = closure(&steps, order.iter(), |row| &steps[row].after);
        let feeds = closure(&steps, order.iter().rev(), |row| &before[row]);
        let mut project = Self { steps, capacities, budget: request.budget_minor, order, before, needs, feeds };
        project.weigh();
        Ok(project)
    }

    /// What each step is expected to bring, rounded down.
    fn weigh(&mut self) {
        const CERTAIN: i128 = 1 << 60;
        let through = |chances: &mut dyn Iterator<Item = i64>| {
            chances.fold(CERTAIN, |chance, ppm| chance * i128::from(ppm) / i128::from(PPM))
        };
        for row in self.steps.ids() {
            let begun = through(&mut self.needs[row].iter().map(|need| self.steps[*need].chance_ppm));
            let step = &self.steps[row];
            let done = begun * i128::from(step.chance_ppm) / i128::from(PPM);
            // Below 2^52 · 2^60: it fits.
            let worth = i128::from(step.gain.likely) * done - i128::from(step.cost) * begun;
            self.steps[row].worth = worth >> (60 - FRACTION_BITS);
        }
    }
}

/// Every step after those before it, the first by name first; a step on a circle where there is one.
fn in_order(
    steps: &Table<StepRow, StepRowData>,
    before: &Table<StepRow, Vec<StepRow>>,
) -> Result<Vec<StepRow>, StepRow> {
    let mut waiting: Table<StepRow, usize> = Table::like(steps, 0);
    for (row, step) in steps.iter() {
        waiting[row] = step.after.len();
    }
    let mut ready: std::collections::BTreeSet<StepRow> = steps.ids().filter(|row| waiting[*row] == 0).collect();
    let mut order = Vec::with_capacity(steps.len());
    while let Some(row) = ready.pop_first() {
        order.push(row);
        for next in &before[row] {
            waiting[*next] -= 1;
            if waiting[*next] == 0 {
                ready.insert(*next);
            }
        }
    }
    // Of those that wait, one that is waited for by another that waits stands on or after a circle; going back often
    // enough ends on it.
    let Some(mut stuck) = steps.ids().find(|row| waiting[*row] > 0) else { return Ok(order) };
    for _ in 0..steps.len() {
        stuck = steps[stuck].after.iter().copied().find(|earlier| waiting[*earlier] > 0).unwrap_or(stuck);
    }
    Err(stuck)
}

/// Everything that each step leads to by `onward`; in `order`, what a step leads to comes first.
fn closure<'a>(
    steps: &Table<StepRow, StepRowData>,
    order: impl Iterator<Item = &'a StepRow>,
    onward: impl Fn(StepRow) -> &'a Vec<StepRow>,
) -> Table<StepRow, Vec<StepRow>> {
    let mut all: Table<StepRow, Vec<StepRow>> = Table::like(steps, Vec::new());
    for row in order {
        let mut reached: std::collections::BTreeSet<StepRow> = std::collections::BTreeSet::new();
        for next in onward(*row) {
            reached.insert(*next);
            reached.extend(&all[*next]);
        }
        all[*row] = reached.into_iter().collect();
    }
    all
}
