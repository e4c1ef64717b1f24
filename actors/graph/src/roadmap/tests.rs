//! Small roadmaps whose answers are known, and laws of all.

use proptest::prelude::*;
use schemas::core::{Call, Core};
use schemas::id::StepId;
use schemas::roadmap::{PlanRoadmap, Resource, ResourceUse, Roadmap, RoadmapStep, Spread};
use schemas::{Code, ErrorReply};

use super::Plan;

fn name(text: &str) -> StepId {
    StepId::parse(text).unwrap()
}

fn exactly(at: i64) -> Spread {
    Spread { least: at, likely: at, most: at }
}

fn step(text: &str, after: &[&str], days: i64, cost: i64, gain: i64) -> RoadmapStep {
    RoadmapStep {
        step: name(text),
        after: after.iter().map(|before| name(before)).collect(),
        days: exactly(days),
        cost_minor: cost,
        gain_minor: exactly(gain),
        chance_ppm: None,
        uses: Vec::new(),
        is_required: false,
    }
}

fn request(steps: Vec<RoadmapStep>) -> PlanRoadmap {
    PlanRoadmap {
        steps,
        resources: Vec::new(),
        budget_minor: None,
        runs: 0,
        seed: 1,
        risk_ppm: 50_000,
        time_limit_ms: 10_000,
    }
}

fn try_plan(request: &PlanRoadmap) -> Result<Roadmap, ErrorReply> {
    <Plan>::default().handle(request.clone(), &Call::default())
}

fn plan(request: &PlanRoadmap) -> Roadmap {
    let planned = try_plan(request).unwrap();
    check(request, &planned);
    planned
}

/// Whatever was planned keeps every promise.
fn check(request: &PlanRoadmap, planned: &Roadmap) {
    let of = |step: &StepId| request.steps.iter().find(|other| other.step == *step).unwrap();
    let placed = |step: &StepId| planned.placed.iter().find(|other| other.step == *step);
    assert_eq!(planned.placed.len() + planned.passed_over.len(), request.steps.len());
    let mut cost = 0;
    for at in &planned.placed {
        let step = of(&at.step);
        cost += step.cost_minor;
        assert_eq!(at.end_day - at.start_day, step.days.likely);
        for before in &step.after {
            assert!(placed(before).unwrap().end_day <= at.start_day, "{} starts before {before} ends", at.step);
        }
        for used in &step.uses {
            let capacity = request.resources.iter().find(|r| r.resource == used.resource).unwrap().capacity;
            let overlapping = planned.placed.iter().filter(|o| o.start_day <= at.start_day && at.start_day < o.end_day);
            let total: i64 = overlapping
                .flat_map(|o| &of(&o.step).uses)
                .filter(|u| u.resource == used.resource)
                .map(|u| u.amount)
                .sum();
            assert!(total <= capacity || at.start_day == at.end_day, "{} is overdrawn", used.resource);
        }
    }
    assert_eq!(cost, planned.cost_minor);
    assert!(request.budget_minor.is_none_or(|budget| cost <= budget));
    assert!(request.steps.iter().filter(|step| step.is_required).all(|step| placed(&step.step).is_some()));
    assert!(planned.expected_minor <= planned.expected_bound_minor);
    assert!(planned.end_day_bound <= planned.end_day);
    assert_eq!(planned.end_day, planned.placed.iter().map(|at| at.end_day).max().unwrap_or(0));
}

fn names(steps: &[StepId]) -> Vec<&str> {
    steps.iter().map(StepId::as_str).collect()
}

#[test]
fn the_longest_chain_is_critical() {
    let planned = plan(&request(vec![
        step("survey", &[], 5, 1, 2),
        step("road", &["survey"], 20, 1, 2),
        step("rail", &["survey"], 30, 1, 2),
        step("port", &["road", "rail"], 10, 1, 2),
    ]));
    assert_eq!(names(&planned.critical_path), ["survey", "rail", "port"]);
    assert_eq!((planned.end_day, planned.end_day_bound), (45, 45));
    let road = planned.placed.iter().find(|at| at.step.as_str() == "road").unwrap();
    assert_eq!((road.slack_days, road.is_critical), (10, false));
}

#[test]
fn what_enables_more_than_it_loses_is_chosen() {
    // The mine loses by itself and opens the mill; the park loses and opens nothing.
    let mut asked = request(vec![
        step("mine", &[], 10, 500, 100),
        step("mill", &["mine"], 10, 100, 700),
        step("park", &[], 10, 50, 0),
    ]);
    let planned = plan(&asked);
    assert_eq!(names(&planned.passed_over), ["park"]);
    assert_eq!((planned.expected_minor, planned.expected_bound_minor), (200, 200));
    // With a chance of seven tenths, the mill's 600 are worth 420, and the mine loses 430.
    asked.steps[0].chance_ppm = Some(700_000);
    assert_eq!(plan(&asked).placed.len(), 0);
}

#[test]
fn a_budget_is_kept_and_used_well() {
    let mut asked = request(vec![
        step("a", &[], 1, 60, 160),
        step("b", &[], 1, 50, 130),
        step("c", &[], 1, 50, 130),
        step("d", &["b"], 1, 1, 2),
    ]);
    asked.budget_minor = Some(100);
    // The best for its cost first would leave 40 unused; b and c bring 160 and not 100.
    let planned = plan(&asked);
    assert_eq!(names(&planned.passed_over), ["a", "d"]);
    assert_eq!((planned.expected_minor, planned.expected_bound_minor), (160, 160));
    asked.steps[0].is_required = true;
    assert_eq!(plan(&asked).expected_minor, 100);
}

#[test]
fn shared_resources_put_steps_one_after_the_other() {
    let mut asked = request(vec![step("a", &[], 4, 0, 1), step("b", &[], 3, 0, 1), step("c", &[], 2, 0, 1)]);
    asked.resources = vec![Resource { resource: name("crew"), capacity: 3 }];
    for (step, amount) in asked.steps.iter_mut().zip([2, 2, 1]) {
        step.uses = vec![ResourceUse { resource: name("crew"), amount }];
    }
    let planned = plan(&asked);
    // a and b do not go together; c goes beside either.
    assert_eq!((planned.end_day, planned.end_day_bound), (7, 6));
}

#[test]
fn simulated_figures_are_those_of_the_odds() {
    let mut asked = request(vec![step("a", &[], 10, 100, 1_000), step("b", &["a"], 10, 50, 500)]);
    asked.steps[0].chance_ppm = Some(500_000);
    asked.runs = 20_000;
    asked.steps[1].days = Spread { least: 5, likely: 10, most: 15 };
    let planned = plan(&asked);
    let simulated = planned.simulated.clone().unwrap();
    // Half of the runs: −100; the others 900 + 450.
    assert_eq!((simulated.gain_minor.least, simulated.gain_minor.most), (-100, 1_350));
    assert!((simulated.gain_minor.mean - 625).abs() < 20, "{simulated:?}");
    assert!((simulated.loss_ppm - 500_000).abs() < 15_000, "{simulated:?}");
    assert_eq!((simulated.value_at_risk_minor, simulated.expected_shortfall_minor), (-100, -100));
    assert!((5..=15).contains(&(simulated.end_day.p95 - 10)));
    let a = &planned.placed[0];
    // Without a, 1000 in half of the runs and b's 450 in the same are lost.
    assert!((a.failure_minor.unwrap() - 725).abs() < 25, "{a:?}");
    assert_eq!(a.criticality_ppm, Some(1_000_000));
    assert_eq!(try_plan(&asked).unwrap().simulated, planned.simulated);
    asked.seed = 2;
    assert_ne!(try_plan(&asked).unwrap().simulated, planned.simulated);
}

#[test]
fn nonsense_is_refused_by_field() {
    let refused = |request: &PlanRoadmap, rule: &str, field: &str| {
        let error = try_plan(request).unwrap_err();
        assert_eq!(
            (error.kind(), error.rule.as_deref(), error.field.as_deref()),
            (Code::Refused, Some(rule), Some(field))
        );
    };
    refused(&request(vec![step("a", &["b"], 1, 1, 1)]), "unknown_step", "steps[0].after[0]");
    let circle = vec![step("z", &[], 1, 1, 1), step("b", &["a"], 1, 1, 1), step("a", &["b"], 1, 1, 1)];
    refused(&request(circle), "circle", "steps[1].after");
    refused(&request(vec![step("a", &["a"], 1, 1, 1)]), "circle", "steps[0].after");
    let mut asked = request(vec![step("a", &[], 1, 7, 1)]);
    asked.steps[0].is_required = true;
    asked.budget_minor = Some(6);
    refused(&asked, "over_budget", "budget_minor");
    asked.budget_minor = None;
    asked.steps[0].uses = vec![ResourceUse { resource: name("crew"), amount: 2 }];
    refused(&asked, "unknown_resource", "steps[0].uses[0].resource");
    asked.resources = vec![Resource { resource: name("crew"), capacity: 1 }];
    refused(&asked, "capacity", "steps[0].uses[0].amount");
}

#[test]
fn nothing_asked_nothing_planned() {
    let planned = plan(&request(Vec::new()));
    assert_eq!((planned.placed.len(), planned.end_day, planned.expected_bound_minor), (0, 0, 0));
}

/// Roadmaps of up to eight steps, each after some of those before it.
fn roadmaps() -> impl Strategy<Value = PlanRoadmap> {
    let one =
        (0i64..5, 0i64..20, -5i64..40, any::<u8>(), 0i64..3, prop::sample::select(vec![1_000_000, 1_000_000, 500_000]));
    (prop::collection::vec(one, 1..8), prop::option::of(0i64..60)).prop_map(|(drawn, budget_minor)| {
        let steps = drawn.iter().enumerate().map(|(at, (days, cost, gain, after, amount, chance))| {
            let after: Vec<String> =
                (0..at).filter(|before| after >> before & 3 == 3).map(|before| format!("s{before}")).collect();
            let after: Vec<&str> = after.iter().map(String::as_str).collect();
            let uses =
                if *amount == 0 { Vec::new() } else { vec![ResourceUse { resource: name("crew"), amount: *amount }] };
            RoadmapStep { uses, chance_ppm: Some(*chance), ..step(&format!("s{at}"), &after, *days, *cost, *gain) }
        });
        let mut asked = request(steps.collect());
        asked.budget_minor = budget_minor;
        asked.resources = vec![Resource { resource: name("crew"), capacity: 3 }];
        asked
    })
}

/// The best choice by trying all, in millionths where steps may fail: doubles hold it exactly here.
fn best_of_all(request: &PlanRoadmap) -> f64 {
    let count = request.steps.len();
    let at = |step: &StepId| request.steps.iter().position(|other| other.step == *step).unwrap();
    let mut needs: Vec<std::collections::BTreeSet<usize>> = Vec::new();
    for step in &request.steps {
        let mut all = std::collections::BTreeSet::new();
        for before in &step.after {
            all.insert(at(before));
            all.extend(needs[at(before)].clone());
        }
        needs.push(all);
    }
    let chance = |at: usize| request.steps[at].chance_ppm.unwrap() as f64 / 1e6;
    let mut best = f64::NEG_INFINITY;
    for set in 0..1_u32 << count {
        let is_in = |at: usize| set >> at & 1 == 1;
        let chosen: Vec<usize> = (0..count).filter(|at| is_in(*at)).collect();
        if chosen.iter().any(|at| needs[*at].iter().any(|need| !is_in(*need)))
            || request
                .budget_minor
                .is_some_and(|b| chosen.iter().map(|at| request.steps[*at].cost_minor).sum::<i64>() > b)
        {
            continue;
        }
        let worth = |at: &usize| {
            let begun: f64 = needs[*at].iter().map(|need| chance(*need)).product();
            let step = &request.steps[*at];
            step.gain_minor.likely as f64 * begun * chance(*at) - step.cost_minor as f64 * begun
        };
        best = best.max(chosen.iter().map(worth).sum());
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_choice_is_the_best_of_all(request in roadmaps()) {
        let planned = plan(&request);
        let best = best_of_all(&request);
        // Fixed point loses less than a unit.
        prop_assert!((planned.expected_minor as f64 - best).abs() < 1.001, "{} is not {best}", planned.expected_minor);
        prop_assert!(planned.expected_bound_minor as f64 >= best - 1.001);
        prop_assert!(planned.expected_bound_minor - planned.expected_minor <= 1);
    }
}
