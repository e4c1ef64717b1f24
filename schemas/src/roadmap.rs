//! Roadmaps: which deals to make, and in what order. What `graph.roadmap` reads and answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::Refused;
use crate::id::StepId;
use crate::limit::{MAX_RUNS, MAX_STEPS, PPM};
use crate::value::unique;

/// Least, likeliest and most: a triangular distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Least.
    pub least: i64,
    /// Likeliest; what is planned with.
    pub likely: i64,
    /// Most.
    pub most: i64,
}

impl Spread {
    fn check(&self, field: &str, from: i64, to: i64) -> Result<(), Refused> {
        if !(from <= self.least && self.least <= self.likely && self.likely <= self.most && self.most <= to) {
            return Err(Refused::new(field, format!("{from} ≤ least ≤ likely ≤ most ≤ {to} must hold")));
        }
        Ok(())
    }
}

/// So much of a resource, as long as a step takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceUse {
    /// The resource.
    pub resource: StepId,
    /// How much of it.
    #[schemars(range(min = 1))]
    pub amount: i64,
}

/// What steps share while they last: a team, a port's berths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resource {
    /// Its name.
    pub resource: StepId,
    /// How much of it there is at any time.
    #[schemars(range(min = 1))]
    pub capacity: i64,
}

/// A deal that could be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoadmapStep {
    /// Its name.
    pub step: StepId,
    /// The steps that must be done before.
    #[serde(default)]
    pub after: Vec<StepId>,
    /// How long it takes, in days.
    pub days: Spread,
    /// What it costs, in minor units of account, whether it succeeds or not.
    #[schemars(range(min = 0))]
    pub cost_minor: i64,
    /// What it brings when it succeeds, before its cost, in minor units of account.
    pub gain_minor: Spread,
    /// How likely it succeeds once those before it have, in parts per million; left out, it always does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance_ppm: Option<i64>,
    /// What it needs while it lasts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<ResourceUse>,
    /// Whether it must be chosen.
    #[serde(default)]
    pub is_required: bool,
}

/// Asks `graph.roadmap` which steps to choose within the budget, when to start each, and how that may turn out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "graph.roadmap")]
pub struct PlanRoadmap {
    /// The steps.
    pub steps: Vec<RoadmapStep>,
    /// What they share.
    #[serde(default)]
    pub resources: Vec<Resource>,
    /// What all chosen steps may cost together, in minor units of account; left out, there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_minor: Option<i64>,
    /// How often to simulate; 0 for not at all.
    pub runs: u32,
    /// Draws what happens in the runs: the same seed, the same answer.
    pub seed: u64,
    /// Value at risk is what the gain falls short of with this probability, in parts per million.
    pub risk_ppm: i64,
    /// When to stop and answer the best so far, in milliseconds of computing.
    pub time_limit_ms: u32,
}

/// Longest and dearest step: a thousand years, and what sums over all steps in 64 bits.
const MOST_DAYS: i64 = 366_000;
const MOST_MINOR: i64 = i64::MAX / 4 / MAX_STEPS as i64;

crate::message!(PlanRoadmap, "graph.roadmap", |plan| {
    if plan.steps.len() > MAX_STEPS {
        return Err(Refused::new("steps", format!("at most {MAX_STEPS} steps")));
    }
    unique(plan.steps.iter().map(|step| &step.step), "steps")?;
    unique(plan.resources.iter().map(|resource| &resource.resource), "resources")?;
    for (index, resource) in plan.resources.iter().enumerate() {
        if resource.capacity <= 0 {
            return Err(Refused::new(format!("resources[{index}].capacity"), "must be positive"));
        }
    }
    for (index, step) in plan.steps.iter().enumerate() {
        let at = |field: &str| format!("steps[{index}].{field}");
        unique(step.after.iter(), &at("after"))?;
        unique(step.uses.iter().map(|used| &used.resource), &at("uses"))?;
        step.days.check(&at("days"), 0, MOST_DAYS)?;
        step.gain_minor.check(&at("gain_minor"), -MOST_MINOR, MOST_MINOR)?;
        if !(0..=MOST_MINOR).contains(&step.cost_minor) {
            return Err(Refused::new(at("cost_minor"), format!("0 to {MOST_MINOR}")));
        }
        if step.chance_ppm.is_some_and(|chance| !(0..=PPM).contains(&chance)) {
            return Err(Refused::new(at("chance_ppm"), format!("0 to {PPM} ppm")));
        }
        if let Some(used) = step.uses.iter().position(|used| used.amount <= 0) {
            return Err(Refused::new(at(&format!("uses[{used}].amount")), "must be positive"));
        }
    }
    if plan.budget_minor.is_some_and(|budget| budget < 0) {
        return Err(Refused::new("budget_minor", "must not be negative"));
    }
    if plan.runs > MAX_RUNS {
        return Err(Refused::new("runs", format!("at most {MAX_RUNS} runs")));
    }
    if !(1..PPM).contains(&plan.risk_ppm) {
        return Err(Refused::new("risk_ppm", format!("1 to {} ppm", PPM - 1)));
    }
    if plan.time_limit_ms == 0 {
        return Err(Refused::new("time_limit_ms", "must be positive"));
    }
    Ok(())
});

/// A chosen step in its place. Days count from the start of the roadmap, 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Placed {
    /// The step.
    pub step: StepId,
    /// The day on which it starts.
    pub start_day: i64,
    /// The day on which it is done, at its likeliest length.
    pub end_day: i64,
    /// By how many days it can be late before the roadmap is, were resources no matter.
    pub slack_days: i64,
    /// Whether it is on the critical path: the longest chain of dependencies.
    pub is_critical: bool,
    /// In how many runs of a million it was on the chain that set the end; left out without runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub criticality_ppm: Option<i64>,
    /// What the mean gain would lose if this step failed for certain, and all that depends on it: estimated over the
    /// runs, in minor units of account; left out without runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_minor: Option<i64>,
}

/// A distribution over the runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// The mean, rounded down.
    pub mean: i64,
    /// The least.
    pub least: i64,
    /// What 5 % of the runs do not exceed.
    pub p5: i64,
    /// What 25 % of the runs do not exceed.
    pub p25: i64,
    /// The median.
    pub p50: i64,
    /// What 75 % of the runs do not exceed.
    pub p75: i64,
    /// What 95 % of the runs do not exceed.
    pub p95: i64,
    /// The most.
    pub most: i64,
}

/// How a roadmap turned out, over the runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Simulated {
    /// How many runs there were: those asked for, unless time ran out.
    pub runs: u32,
    /// The net gain, in minor units of account.
    pub gain_minor: Distribution,
    /// The day on which all was done or given up.
    pub end_day: Distribution,
    /// The net gain that a run falls short of with the probability asked about.
    pub value_at_risk_minor: i64,
    /// The mean net gain of the runs up to that, rounded down.
    pub expected_shortfall_minor: i64,
    /// The share of runs that lost money, in parts per million.
    pub loss_ppm: i64,
}

/// The answer of `graph.roadmap`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "graph.planned")]
pub struct Roadmap {
    /// The chosen steps in the order of their start.
    pub placed: Vec<Placed>,
    /// The steps that were not chosen.
    pub passed_over: Vec<StepId>,
    /// What the choice brings in expectation at likeliest gains, costs off, in minor units of account, rounded down.
    pub expected_minor: i64,
    /// No choice within the budget brings more.
    pub expected_bound_minor: i64,
    /// What the choice costs, in minor units of account.
    pub cost_minor: i64,
    /// The day on which all is done, at likeliest lengths.
    pub end_day: i64,
    /// No order of the chosen steps ends sooner.
    pub end_day_bound: i64,
    /// The steps of a longest chain of dependencies, in order.
    pub critical_path: Vec<StepId>,
    /// How it may turn out; left out without runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Simulated>,
    /// Time spent, in milliseconds.
    pub took_ms: u32,
}
crate::message!(Roadmap, "graph.planned");
