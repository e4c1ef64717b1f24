//! When to start each chosen step: after those before it, and within what steps share.
//!
//! # Design
//!
//! Without shared resources every step starts when those before it are done, and the longest chain sets the end
//! (Kelley and Walker 1959). With them it is hard, so rules decide who goes first wherever a resource falls free: the
//! rules of the trade one by one, then random ones near the best, and the shortest plan counts. Chain and resources'
//! work are bounds that say how far that may be from the best.

use std::collections::{BTreeMap, BTreeSet};

use super::Project;
use crate::draw::Draw;
use crate::stopwatch::Watch;
use crate::table::{StepRow, Table};

/// Better orders are looked for until so much of the time is spent, in percent.
const UNTIL_PERCENT: u32 = 60;
/// Orders drawn at random, at most.
const ORDERS: u64 = 400;
/// How far a drawn order moves a step, in steps.
const SHAKE: u64 = 6;

/// A plan at likeliest lengths.
pub(super) struct Plan {
    /// The chosen steps in the order of who goes first: a step stands after those that it depends on.
    pub(super) order: Vec<StepRow>,
    pub(super) start: Table<StepRow, i64>,
    pub(super) slack: Table<StepRow, i64>,
    pub(super) critical_path: Vec<StepRow>,
    pub(super) end_day: i64,
    pub(super) end_day_bound: i64,
}

/// Plans the chosen steps.
pub(super) fn plan(project: &Project, chosen: &Table<StepRow, bool>, watch: &Watch) -> Plan {
    let days = |row: StepRow| project.steps[row].days.likely;
    let order: Vec<StepRow> = project.order.iter().copied().filter(|row| chosen[*row]).collect();
    let mut early = Table::like(&project.steps, 0_i64);
    for row in &order {
        early[*row] = project.steps[*row].after.iter().map(|before| early[*before] + days(*before)).max().unwrap_or(0);
    }
    let longest = order.iter().map(|row| early[*row] + days(*row)).max().unwrap_or(0);
    let mut late = Table::like(&project.steps, 0_i64);
    for row in order.iter().rev() {
        let next = project.before[*row].iter().filter(|next| chosen[**next]).map(|next| late[*next]).min();
        late[*row] = next.unwrap_or(longest) - days(*row);
    }
    let mut slack = Table::like(&project.steps, 0_i64);
    for row in &order {
        slack[*row] = late[*row] - early[*row];
    }
    let critical_path = critical(project, &order, &early, &slack);
    let end_day_bound = longest.max(work_bound(project, &order));
    // Who must start sooner, who has more after it, who works longer goes first.
    let rules: [Vec<StepRow>; 4] = [
        sorted(&order, |row| (late[row], -days(row))),
        sorted(&order, |row| (late[row] + days(row), 0)),
        sorted(&order, |row| (-i64::try_from(project.feeds[row].len()).unwrap_or(0), late[row])),
        sorted(&order, |row| (-work(project, row), late[row])),
    ];
    let mut best: Option<(i64, Vec<StepRow>, Started)> = None;
    let mut consider = |order: Vec<StepRow>| {
        let started = run(project, &order, &mut |row| Some(days(row)));
        if best.as_ref().is_none_or(|(end, ..)| started.end < *end) {
            best = Some((started.end, order, started));
        }
        best.as_ref().map_or(0, |(end, ..)| *end)
    };
    let mut end = i64::MAX;
    for rule in &rules {
        end = consider(rule.clone());
    }
    for stream in 0..ORDERS {
        if end <= end_day_bound || watch.spent_percent() >= UNTIL_PERCENT {
            break;
        }
        let mut draw = Draw::new(0, stream);
        let shaken: Vec<(u64, StepRow)> = rules
            .first()
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(at, row)| (at as u64 + draw.below(SHAKE), *row))
            .collect();
        let mut shaken = shaken;
        shaken.sort_by_key(|(at, _)| *at);
        end = consider(shaken.into_iter().map(|(_, row)| row).collect());
    }
    let (end_day, order, started) = best.unwrap_or_else(|| (0, Vec::new(), Started::none(project)));
    Plan { order, start: started.start, slack, critical_path, end_day, end_day_bound }
}

/// A longest chain, from its first step on.
fn critical(
    project: &Project,
    order: &[StepRow],
    early: &Table<StepRow, i64>,
    slack: &Table<StepRow, i64>,
) -> Vec<StepRow> {
    let end = |row: StepRow| early[row] + project.steps[row].days.likely;
    let Some(last) = order.iter().copied().filter(|row| slack[*row] == 0).max_by_key(|row| (end(*row), *row)) else {
        return Vec::new();
    };
    let mut path = vec![last];
    let mut at = last;
    while let Some(before) =
        project.steps[at].after.iter().copied().find(|before| slack[*before] == 0 && end(*before) == early[at])
    {
        path.push(before);
        at = before;
    }
    path.reverse();
    path
}

fn work(project: &Project, row: StepRow) -> i64 {
    let step = &project.steps[row];
    step.uses.iter().map(|(_, amount)| amount.saturating_mul(step.days.likely)).max().unwrap_or(0)
}

/// How long the busiest resource takes for all its work.
fn work_bound(project: &Project, order: &[StepRow]) -> i64 {
    let mut work = Table::like(&project.capacities, 0_i128);
    for row in order {
        let step = &project.steps[*row];
        for (resource, amount) in &step.uses {
            work[*resource] += i128::from(*amount) * i128::from(step.days.likely);
        }
    }
    let days = project.capacities.iter().map(|(resource, capacity)| {
        let capacity = i128::from(*capacity);
        (work[resource] + capacity - 1) / capacity
    });
    i64::try_from(days.max().unwrap_or(0)).unwrap_or(i64::MAX)
}

fn sorted<K: Ord>(order: &[StepRow], key: impl Fn(StepRow) -> K) -> Vec<StepRow> {
    let mut order = order.to_vec();
    order.sort_by_key(|row| key(*row));
    order
}

/// When steps started, and why not before.
pub(super) struct Started {
    pub(super) start: Table<StepRow, i64>,
    /// The step whose end each one's start had to wait for.
    pub(super) waited_for: Table<StepRow, Option<StepRow>>,
    /// The step that ended last.
    pub(super) last: Option<StepRow>,
    pub(super) end: i64,
}

impl Started {
    fn none(project: &Project) -> Self {
        Self {
            start: Table::like(&project.steps, 0),
            waited_for: Table::like(&project.steps, None),
            last: None,
            end: 0,
        }
    }
}

/// Runs the steps, those earlier in `order` first wherever they compete. `days` says how long a step takes, and `None`
/// where it is never begun; then no step after it may be.
pub(super) fn run(project: &Project, order: &[StepRow], days: &mut dyn FnMut(StepRow) -> Option<i64>) -> Started {
    let mut started = Started::none(project);
    let mut rank: Table<StepRow, usize> = Table::like(&project.steps, usize::MAX);
    let mut waiting: Table<StepRow, usize> = Table::like(&project.steps, 0);
    let mut lasts: Table<StepRow, Option<i64>> = Table::like(&project.steps, None);
    let mut ready: BTreeSet<(usize, StepRow)> = BTreeSet::new();
    for (at, row) in order.iter().enumerate() {
        lasts[*row] = days(*row);
        if lasts[*row].is_some() {
            rank[*row] = at;
            waiting[*row] = project.steps[*row].after.len();
            if waiting[*row] == 0 {
                ready.insert((at, *row));
            }
        }
    }
    let mut free = project.capacities.clone();
    let mut running: BTreeMap<(i64, StepRow), ()> = BTreeMap::new();
    let (mut now, mut just_done) = (0_i64, None);
    loop {
        let mut begun = Vec::new();
        for (at, row) in &ready {
            let step = &project.steps[*row];
            if step.uses.iter().all(|(resource, amount)| free[*resource] >= *amount) {
                for (resource, amount) in &step.uses {
                    free[*resource] -= amount;
                }
                (started.start[*row], started.waited_for[*row]) = (now, just_done);
                running.insert((now + lasts[*row].unwrap_or(0), *row), ());
                begun.push((*at, *row));
            }
        }
        for entry in &begun {
            ready.remove(entry);
        }
        let Some(((end, row), ())) = running.pop_first() else { return started };
        (now, just_done) = (end, Some(row));
        (started.end, started.last) = (end, Some(row));
        for (resource, amount) in &project.steps[row].uses {
            free[*resource] += amount;
        }
        for next in &project.before[row] {
            if rank[*next] != usize::MAX {
                waiting[*next] -= 1;
                if waiting[*next] == 0 {
                    ready.insert((rank[*next], *next));
                }
            }
        }
    }
}
