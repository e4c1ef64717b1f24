//! Which steps to choose: all that a chosen step depends on is chosen, the budget holds, and the expected gain is
//! largest.
//!
//! # Design
//!
//! Without a budget that is a closure of largest weight, and a least cut finds it (Picard 1976). With one it is hard
//! (it contains the knapsack), so the budget gets a price: at any price ≥ 0 for a unit of money, the best closure at
//! gains less priced costs, plus the price of the whole budget, is a bound. The best price is found by halving, since
//! what the closure costs falls as the price rises; the closures on the way are choices too. Where bound and choice
//! do not meet, one step is tried both in and out, the most promising branch first. Everything is whole numbers.

use schemas::ErrorReply;

use super::{FRACTION_BITS, Project};
use crate::flow::Network;
use crate::stopwatch::Watch;
use crate::table::{Id, NodeId, StepRow, Table};

/// Bits after the point of a price.
const PRICE_BITS: u32 = 20;
/// Highest price that is tried, 2^16 for a unit: at that, all weights of a thousand steps sum to less than 2^124.
const MOST_PRICE: i128 = 1 << (16 + PRICE_BITS);
/// Halvings of the price in a branch.
const HALVINGS: usize = 48;
/// The search ends when so much of the time is spent, in percent.
const UNTIL_PERCENT: u32 = 50;

/// A choice, and what is known of better ones.
pub(super) struct Choice {
    pub(super) chosen: Table<StepRow, bool>,
    /// What it is expected to bring, in fixed point.
    pub(super) worth: i128,
    /// No choice brings more, in fixed point.
    pub(super) bound: i128,
    /// What it costs.
    pub(super) cost: i64,
}

/// Chooses.
///
/// # Errors
/// A refusal (422) where what is required exceeds the budget.
pub(super) fn choose(project: &Project, watch: &Watch) -> Result<Choice, ErrorReply> {
    let mut fixed: Fixed = Table::like(&project.steps, None);
    for (row, step) in project.steps.iter() {
        if step.is_required {
            take(project, &mut fixed, row);
        }
    }
    let required: Vec<StepRow> = project.steps.ids().filter(|row| fixed[*row] == Some(true)).collect();
    let cost = required.iter().map(|row| project.steps[*row].cost).sum::<i64>();
    if let Some(budget) = project.budget
        && cost > budget
    {
        return Err(ErrorReply::refused(
            "over_budget",
            format!("what is required costs {cost}, and the budget is {budget}"),
        )
        .at_field("budget_minor"));
    }
    let mut best = Choice { chosen: Table::like(&project.steps, false), worth: 0, bound: i128::MAX, cost };
    for row in required {
        best.chosen[row] = true;
        best.worth += project.steps[row].worth;
    }
    let searched = search(project, fixed, &mut best, watch);
    best.bound = searched.max(best.worth);
    Ok(best)
}

/// Steps that must, or must not, be chosen.
type Fixed = Table<StepRow, Option<bool>>;

fn take(project: &Project, fixed: &mut Fixed, step: StepRow) {
    fixed[step] = Some(true);
    for need in &project.needs[step] {
        fixed[*need] = Some(true);
    }
}

fn pass_over(project: &Project, fixed: &mut Fixed, step: StepRow) {
    fixed[step] = Some(false);
    for fed in &project.feeds[step] {
        fixed[*fed] = Some(false);
    }
}

/// Betters a choice as far as time allows, and says what no choice exceeds.
fn search(project: &Project, fixed: Fixed, best: &mut Choice, watch: &Watch) -> i128 {
    let mut open = vec![(i128::MAX, fixed)];
    let mut bound_of_rest = i128::MIN;
    while let Some((bound, fixed)) = open.pop() {
        if bound <= best.worth {
            continue;
        }
        if watch.spent_percent() >= UNTIL_PERCENT {
            bound_of_rest = open.iter().fold(bound, |most, (bound, _)| most.max(*bound));
            if bound_of_rest == i128::MAX {
                bound_of_rest = project.steps.iter().map(|(_, step)| step.worth.max(0)).sum();
            }
            break;
        }
        let relaxed = Relaxed::of(project, &fixed, best, watch);
        if relaxed.bound <= best.worth {
            continue;
        }
        let Some(branch) = relaxed.branch else { continue };
        let (mut with, mut without) = (fixed.clone(), fixed);
        take(project, &mut with, branch);
        pass_over(project, &mut without, branch);
        open.push((relaxed.bound, without));
        let fits = project.budget.is_none_or(|budget| {
            with.iter().filter(|(_, is_in)| **is_in == Some(true)).map(|(row, _)| project.steps[row].cost).sum::<i64>()
                <= budget
        });
        if fits {
            open.push((relaxed.bound, with));
        }
    }
    bound_of_rest
}

/// A branch with a price on the budget.
struct Relaxed {
    bound: i128,
    /// A step that the choices on either side of the best price disagree about.
    branch: Option<StepRow>,
}

impl Relaxed {
    fn of(project: &Project, fixed: &Fixed, best: &mut Choice, watch: &Watch) -> Self {
        let free = closure_at(project, fixed, 0);
        best.offer(project, &free);
        let Some(budget) = project.budget else { return Self { bound: worth(project, &free), branch: None } };
        if cost(project, &free) <= budget {
            return Self { bound: worth(project, &free), branch: None };
        }
        let bound_at = |price: i128, chosen: &Table<StepRow, bool>| {
            let over = i128::from(cost(project, chosen) - budget);
            // Rounded up.
            worth(project, chosen) - ((price * over) >> (PRICE_BITS - FRACTION_BITS)) + 1
        };
        let (mut low, mut high) = (0_i128, MOST_PRICE);
        let (mut dear, mut cheap) = (free, closure_at(project, fixed, MOST_PRICE));
        let mut bound = bound_at(0, &dear).min(bound_at(MOST_PRICE, &cheap));
        best.offer(project, &cheap);
        for _ in 0..HALVINGS {
            if high - low <= 1 || watch.spent_percent() >= UNTIL_PERCENT {
                break;
            }
            let price = i128::midpoint(low, high);
            let chosen = closure_at(project, fixed, price);
            bound = bound.min(bound_at(price, &chosen));
            best.offer(project, &chosen);
            if cost(project, &chosen) > budget {
                (low, dear) = (price, chosen);
            } else {
                (high, cheap) = (price, chosen);
            }
        }
        best.fill(project, fixed, cheap.clone());
        let differs = |row: &StepRow| fixed[*row].is_none() && dear[*row] != cheap[*row];
        // The dearest difference: whichever way it goes, it changes the most.
        let branch = project.steps.ids().filter(differs).max_by_key(|row| (project.steps[*row].cost, *row));
        let branch = branch.or_else(|| project.steps.ids().find(|row| fixed[*row].is_none() && dear[*row]));
        Self { bound, branch }
    }
}

impl Choice {
    /// Takes over a choice that keeps the budget and is better.
    fn offer(&mut self, project: &Project, chosen: &Table<StepRow, bool>) {
        let (worth, cost) = (worth(project, chosen), cost(project, chosen));
        if worth > self.worth && project.budget.is_none_or(|budget| cost <= budget) {
            (self.chosen, self.worth, self.cost) = (chosen.clone(), worth, cost);
        }
    }

    /// Fills up a choice with what the budget leaves: the step, with all that it needs, that brings most for its cost,
    /// one after the other.
    #[allow(clippy::cast_precision_loss)]
    fn fill(&mut self, project: &Project, fixed: &Fixed, mut chosen: Table<StepRow, bool>) {
        let Some(budget) = project.budget else { return };
        loop {
            let left = budget - cost(project, &chosen);
            let mut best: Option<(f64, StepRow)> = None;
            for row in project.steps.ids().filter(|row| !chosen[*row] && fixed[*row] != Some(false)) {
                let added = || project.needs[row].iter().chain([&row]).filter(|need| !chosen[**need]);
                let costs: i64 = added().map(|need| project.steps[*need].cost).sum();
                let brings: i128 = added().map(|need| project.steps[*need].worth).sum();
                let rate = brings as f64 / (costs.max(1)) as f64;
                if costs <= left && brings > 0 && best.is_none_or(|(most, _)| rate > most) {
                    best = Some((rate, row));
                }
            }
            let Some((_, row)) = best else { break };
            for need in project.needs[row].iter().chain([&row]) {
                chosen[*need] = true;
            }
        }
        self.offer(project, &chosen);
    }
}

fn worth(project: &Project, chosen: &Table<StepRow, bool>) -> i128 {
    project.steps.iter().filter(|(row, _)| chosen[*row]).map(|(_, step)| step.worth).sum()
}

fn cost(project: &Project, chosen: &Table<StepRow, bool>) -> i64 {
    project.steps.iter().filter(|(row, _)| chosen[*row]).map(|(_, step)| step.cost).sum()
}

/// The closure of largest weight where a unit of cost has a price, in 2^−20 of a unit of gain.
fn closure_at(project: &Project, fixed: &Fixed, price: i128) -> Table<StepRow, bool> {
    let count = project.steps.len();
    let (source, sink) = (NodeId::of(count), NodeId::of(count + 1));
    let node = |row: StepRow| NodeId::of(row.row());
    let mut network = Network::new(count + 2);
    let weight = |row: StepRow| {
        let step = &project.steps[row];
        (step.worth << PRICE_BITS) - ((price * i128::from(step.cost)) << FRACTION_BITS)
    };
    let endless: i128 = project.steps.ids().map(|row| weight(row).abs()).sum::<i128>() + 1;
    for row in project.steps.ids() {
        match fixed[row] {
            Some(true) => network.connect(source, node(row), endless, 0),
            Some(false) => network.connect(node(row), sink, endless, 0),
            None if weight(row) >= 0 => network.connect(source, node(row), weight(row), 0),
            None => network.connect(node(row), sink, -weight(row), 0),
        };
        for need in &project.steps[row].after {
            network.connect(node(row), node(*need), endless, 0);
        }
    }
    network.send(source, sink, &|| false);
    let reached = network.reached(source);
    let mut chosen = Table::like(&project.steps, false);
    for row in project.steps.ids() {
        chosen[row] = reached[node(row)];
    }
    chosen
}
