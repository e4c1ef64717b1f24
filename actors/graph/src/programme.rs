//! A packing programme in whole numbers: choose columns, each at most once, within every row's capacity.
//!
//! # Design
//!
//! HiGHS looks for a good choice; a branch and bound of our own proves how good it is. A node takes some
//! columns and bars others; its linear relaxation's duals, rounded to whole 2⁻³² and never negative, bound
//! every choice below it: Σ price of a row's capacity + Σ over columns of what they are worth beyond what
//! they use, where that is positive. That holds for whatever prices, so no float has to be believed: at
//! worst a node is branched on in vain. What a choice uses and is worth are whole numbers throughout.
//! From node to node only the bounds of columns change, so [`simplex`](crate::simplex) goes on from the basis that it
//! has.

use std::time::Duration;

use highs::{ColProblem, HighsModelStatus, Row};

use crate::fixed::FRACTION_BITS;
use crate::master::quiet;
use crate::simplex::Simplex;
use crate::table::{ColumnId, Id, LineId};

/// The relaxation's objective is scaled so that the dearest column counts this much.
const LARGEST_OBJECTIVE: f64 = 1e3;

/// What is added to the worth of columns in a relaxation makes no more of the bound: where many columns are worth the
/// same, a basis has many neighbours that are no better, and a little more for each shows the way.
const MOST_ADDED: f64 = 0.25;
/// In dives, this share of the bound.
const MOST_ADDED_IN_DIVES: f64 = 0.02;
/// Dives before branching.
const DIVES: u64 = 12;

/// A column: taken once or not at all.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// What it is worth, at least 1.
    pub(crate) value: i64,
    /// The rows that it uses, each once, and how much of each, at least 1.
    pub(crate) uses: Vec<(usize, i64)>,
}

/// A column that may be taken in part: only [`Programme::search`] knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) value: f64,
    /// The rows that it uses, and the share of each row's capacity.
    pub(crate) uses: Vec<(usize, f64)>,
}

/// A packing programme.
#[derive(Debug, Clone, Default)]
pub(crate) struct Programme {
    /// By row, at least 1.
    pub(crate) capacities: Vec<i64>,
    pub(crate) columns: Vec<Column>,
    pub(crate) flows: Vec<Flow>,
}

/// What a search found: columns taken, and how much of each flow. Floats had a part in it: check it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) taken: Vec<usize>,
    pub(crate) amounts: Vec<f64>,
}

/// What a proof came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    /// A choice better than the one to beat, if there is one: within every capacity.
    pub(crate) taken: Option<Vec<usize>>,
    /// No choice is worth more.
    pub(crate) bound: i64,
}

struct Node {
    taken: Vec<usize>,
    barred: Vec<bool>,
    /// No choice below this node is worth more.
    bound: i64,
}

/// A node's relaxation, or as near to it as the simplex got.
struct Relaxation {
    /// The columns that still fit and are not barred, and how much of each the optimum takes.
    free: Vec<(usize, f64)>,
    /// By row, for all that is left of it, never negative, as a float.
    duals: Vec<f64>,
}

impl Programme {
    /// Looks for a good choice within a time limit.
    pub(crate) fn search(&self, limit: Duration) -> Option<Found> {
        if limit.is_zero() {
            return None;
        }
        let mut problem = ColProblem::new();
        let rows: Vec<Row> = self.capacities.iter().map(|_| problem.add_row(..=1.0)).collect();
        let money = self.money();
        for column in &self.columns {
            let uses = column
                .uses
                .iter()
                .filter_map(|(row, used)| Some((*rows.get(*row)?, share(*used, *self.capacities.get(*row)?))));
            problem.add_integer_column(guide(column.value) / money, 0.0..=1.0, uses);
        }
        for flow in &self.flows {
            let uses = flow.uses.iter().filter_map(|(row, share)| Some((*rows.get(*row)?, *share)));
            problem.add_column(flow.value / money, 0.0..=1.0, uses);
        }
        let mut model = quiet(problem)?;
        model.try_set_option("time_limit", limit.as_secs_f64()).ok()?;
        model.try_set_option("mip_rel_gap", 0.0).ok()?;
        let solved = model.try_solve().ok()?;
        if !matches!(solved.status(), HighsModelStatus::Optimal | HighsModelStatus::ReachedTimeLimit)
            || !solved.objective_value().is_finite()
        {
            return None;
        }
        let amounts = solved.get_solution().columns().to_vec();
        let taken =
            amounts.iter().take(self.columns.len()).enumerate().filter(|(_, amount)| **amount > 0.5).map(|(at, _)| at);
        Some(Found { taken: taken.collect(), amounts: amounts.iter().skip(self.columns.len()).copied().collect() })
    }

    /// Proves how much any choice of columns (flows left aside) can be worth, and finds one worth more than
    /// `to_beat` if there is one. `left` says how much time there is.
    pub(crate) fn prove(&self, to_beat: i64, left: &dyn Fn() -> Duration) -> Proof {
        let total = self.columns.iter().fold(0_i64, |sum, column| sum.saturating_add(column.value));
        let mut proof = Proof { taken: None, bound: to_beat };
        let mut best = to_beat;
        let mut unsettled = i64::MIN;
        let mut nodes = Nodes::load(self);
        let mut root = i64::MAX;
        for dive in 0..DIVES {
            if left().is_zero() || root <= best {
                break;
            }
            root = root.min(nodes.dive(dive, &mut best, &mut proof, left));
        }
        nodes.scatter(DIVES, MOST_ADDED);
        let mut open =
            vec![Node { taken: Vec::new(), barred: vec![false; self.columns.len()], bound: total.min(root) }];
        while let Some(node) = open.pop() {
            if node.bound <= best {
                continue;
            }
            if left().is_zero() {
                unsettled = open.iter().fold(unsettled.max(node.bound), |most, other| most.max(other.bound));
                break;
            }
            let rest = self.rest_after(&node.taken);
            let relaxation = nodes.relax(&node, &rest, left);
            let (own, reduced) = self.bound(&node.taken, &relaxation);
            let bound = own.min(node.bound);
            let choice = self.round(&node.taken, rest, &relaxation);
            let reached = self.worth(&choice);
            if reached > best {
                best = reached;
                proof.taken = Some(choice);
            }
            if bound <= best {
                continue;
            }
            let Some(branch) = most_divided(&relaxation.free) else { continue };
            let mut barred = node.barred;
            // A column so dear that even alone it brings these prices' bound to the best choice or below cannot help.
            let slack = (i128::from(own) - i128::from(best)) << FRACTION_BITS;
            for (column, worth) in &reduced {
                if *column != branch
                    && *worth < -slack
                    && let Some(bar) = barred.get_mut(*column)
                {
                    *bar = true;
                }
            }
            let mut without = barred.clone();
            if let Some(bar) = without.get_mut(branch) {
                *bar = true;
            }
            let mut with = node.taken.clone();
            with.push(branch);
            open.push(Node { taken: node.taken, barred: without, bound });
            open.push(Node { taken: with, barred, bound });
        }
        proof.bound = best.max(unsettled);
        proof
    }

    /// What a choice is worth.
    pub(crate) fn worth(&self, taken: &[usize]) -> i64 {
        taken.iter().filter_map(|at| self.columns.get(*at)).fold(0, |sum, column| sum.saturating_add(column.value))
    }

    /// Whether a choice takes no column twice and stays within every capacity.
    #[cfg(test)]
    pub(crate) fn is_within(&self, taken: &[usize]) -> bool {
        self.fits(taken) && taken.iter().collect::<std::collections::BTreeSet<_>>().len() == taken.len()
    }

    /// Whether columns together stay within every capacity.
    fn fits(&self, taken: &[usize]) -> bool {
        self.rest_after(taken).iter().all(|rest| *rest >= 0)
    }

    /// What is left of every row beside some columns.
    pub(crate) fn rest_after(&self, taken: &[usize]) -> Vec<i64> {
        let mut rest = self.capacities.clone();
        for column in taken.iter().filter_map(|at| self.columns.get(*at)) {
            spend(&mut rest, column);
        }
        rest
    }

    /// What no choice below a node exceeds, and what each free column is worth beyond what it uses, in fixed point.
    #[allow(clippy::cast_possible_truncation)]
    fn bound(&self, taken: &[usize], relaxation: &Relaxation) -> (i64, Vec<(usize, i128)>) {
        let one = f64::powi(2.0, FRACTION_BITS);
        let prices: Vec<i128> =
            relaxation.duals.iter().map(|dual| (dual * one).round().clamp(0.0, 1e36) as i128).collect();
        // What a column is worth beyond what it uses: the prices rounded down, so that it is never underestimated.
        let beyond = |column: &Column| {
            let used = column.uses.iter().map(|(row, used)| {
                let capacity = self.capacities.get(*row).copied().unwrap_or(1).max(1);
                part(prices.get(*row).copied().unwrap_or(0), *used, capacity)
            });
            used.fold(i128::from(column.value) << FRACTION_BITS, |sum, used| sum - used)
        };
        let mut bound = prices.iter().fold(0_i128, |sum, price| sum.saturating_add(*price));
        for column in taken.iter().filter_map(|at| self.columns.get(*at)) {
            bound = bound.saturating_add(beyond(column));
        }
        let mut reduced = Vec::with_capacity(relaxation.free.len());
        for (at, _) in &relaxation.free {
            let Some(column) = self.columns.get(*at) else { continue };
            let beyond = beyond(column);
            bound = bound.saturating_add(beyond.max(0));
            reduced.push((*at, beyond));
        }
        (i64::try_from(bound >> FRACTION_BITS).unwrap_or(i64::MAX), reduced)
    }

    /// A choice near the relaxation's: its columns in the order of how much of them it takes, as far as they fit.
    fn round(&self, taken: &[usize], mut rest: Vec<i64>, relaxation: &Relaxation) -> Vec<usize> {
        // Most are not taken at all: those stay in the order that they have.
        let (mut order, others): (Vec<_>, Vec<_>) =
            relaxation.free.iter().copied().partition(|(_, amount)| *amount > 0.0);
        order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        order.extend(others);
        let mut choice = taken.to_vec();
        for (at, _) in order {
            if let Some(column) = self.columns.get(at)
                && fits(&rest, column)
            {
                spend(&mut rest, column);
                choice.push(at);
            }
        }
        choice
    }

    fn money(&self) -> f64 {
        let dearest = self
            .columns
            .iter()
            .map(|column| guide(column.value))
            .chain(self.flows.iter().map(|flow| flow.value))
            .fold(0.0, f64::max);
        if dearest > 0.0 { dearest / LARGEST_OBJECTIVE } else { 1.0 }
    }
}

/// The relaxations of nodes, one after the other, each from the basis of the one before.
struct Nodes<'a> {
    programme: &'a Programme,
    simplex: Simplex,
    columns: Vec<ColumnId>,
    /// What the simplex counts worth in.
    money: f64,
}

impl<'a> Nodes<'a> {
    fn load(programme: &'a Programme) -> Self {
        let mut simplex = Simplex::new(programme.capacities.len());
        let money = programme.money();
        let uses = |column: &Column| {
            let share = |(row, used): &(usize, i64)| {
                (LineId::of(*row), share(*used, programme.capacities.get(*row).copied().unwrap_or(1)))
            };
            column.uses.iter().map(share).collect()
        };
        let columns =
            programme.columns.iter().map(|column| simplex.add(guide(column.value) / money, uses(column))).collect();
        Self { programme, simplex, columns, money }
    }

    /// Adds a little to the worth of every column, another for each and for each `seed`: together no more than so much of
    /// the bound.
    fn scatter(&mut self, seed: u64, most: f64) {
        let little = most / guide(i64::try_from(self.programme.capacities.len()).unwrap_or(i64::MAX).max(1));
        let first = seed.wrapping_mul(self.columns.len() as u64);
        for ((at, id), column) in (first..).zip(&self.columns).zip(&self.programme.columns) {
            self.simplex.reward(*id, (guide(column.value) + little * scattered(at)) / self.money);
        }
    }

    /// Takes what the relaxation takes most of, again and again, and keeps the choice that this ends with if it is the
    /// best. Where columns are worth the same, each `seed` ends elsewhere. Says what no choice exceeds.
    fn dive(&mut self, seed: u64, best: &mut i64, proof: &mut Proof, left: &dyn Fn() -> Duration) -> i64 {
        let programme = self.programme;
        self.scatter(seed, if seed == 0 { MOST_ADDED } else { guide(*best) * MOST_ADDED_IN_DIVES });
        let mut node = Node { taken: Vec::new(), barred: vec![false; self.columns.len()], bound: i64::MAX };
        let mut root = i64::MAX;
        loop {
            let rest = programme.rest_after(&node.taken);
            let relaxation = self.relax(&node, &rest, left);
            let (bound, _) = programme.bound(&node.taken, &relaxation);
            if node.taken.is_empty() {
                root = bound;
            }
            let choice = programme.round(&node.taken, rest, &relaxation);
            let reached = programme.worth(&choice);
            if reached > *best {
                (*best, proof.taken) = (reached, Some(choice));
            }
            let whole = relaxation.free.iter().filter(|(_, amount)| *amount > 1.0 - 1e-6).map(|(at, _)| *at);
            let before = node.taken.len();
            node.taken.extend(whole);
            if node.taken.len() == before {
                let most = relaxation.free.iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
                node.taken.extend(most.filter(|(_, amount)| *amount > 1e-6).map(|(at, _)| *at));
            }
            if node.taken.len() == before || bound <= *best || left().is_zero() || !programme.fits(&node.taken) {
                return root;
            }
        }
    }

    fn relax(&mut self, node: &Node, rest: &[i64], left: &dyn Fn() -> Duration) -> Relaxation {
        let mut is_taken = vec![false; self.columns.len()];
        for at in &node.taken {
            if let Some(taken) = is_taken.get_mut(*at) {
                *taken = true;
            }
        }
        let mut free = Vec::new();
        let columns = self.programme.columns.iter().zip(&self.columns).zip(node.barred.iter().zip(is_taken));
        for (at, ((column, id), (barred, is_taken))) in columns.enumerate() {
            let is_free = !is_taken && !*barred && fits(rest, column);
            let (least, most) = match (is_taken, is_free) {
                (true, _) => (1.0, 1.0),
                (false, true) => (0.0, 1.0),
                (false, false) => (0.0, 0.0),
            };
            self.simplex.bound(*id, least, most);
            if is_free {
                free.push((at, *id));
            }
        }
        self.simplex.solve(&|| left().is_zero());
        let taken = self.simplex.taken();
        let free = free.into_iter().map(|(at, id)| (at, taken[id].clamp(0.0, 1.0))).collect();
        Relaxation { free, duals: self.simplex.prices().iter().map(|price| price * self.money).collect() }
    }
}

/// A number between nought and one for each number, far from those of its neighbours.
#[allow(clippy::cast_precision_loss)]
fn scattered(number: u64) -> f64 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Whether a column fits into what is left of every row.
pub(crate) fn fits(rest: &[i64], column: &Column) -> bool {
    column.uses.iter().all(|(row, used)| rest.get(*row).is_some_and(|rest| used <= rest))
}

fn spend(rest: &mut [i64], column: &Column) {
    for (row, used) in &column.uses {
        if let Some(rest) = rest.get_mut(*row) {
            *rest -= used;
        }
    }
}

/// The column that the relaxation divides the most evenly; where it divides none, the one that it takes most of.
fn most_divided(free: &[(usize, f64)]) -> Option<usize> {
    let evenness = |amount: f64| amount.min(1.0 - amount);
    let divided = free.iter().filter(|(_, amount)| evenness(*amount) > 1e-6);
    let by = |value: fn(f64) -> f64| {
        move |a: &&(usize, f64), b: &&(usize, f64)| value(a.1).total_cmp(&value(b.1)).then(b.0.cmp(&a.0))
    };
    divided
        .max_by(by(|amount| amount.min(1.0 - amount)))
        .or_else(|| free.iter().max_by(by(|amount| amount)))
        .map(|(at, _)| *at)
}

/// `price · used / capacity`, rounded down, for a price that is not negative.
fn part(price: i128, used: i64, capacity: i64) -> i128 {
    let (used, capacity) = (i128::from(used), i128::from(capacity));
    price.checked_mul(used).map_or_else(|| price / capacity * used, |whole| whole / capacity)
}

#[allow(clippy::cast_precision_loss)]
fn guide(number: i64) -> f64 {
    number as f64
}

fn share(used: i64, capacity: i64) -> f64 {
    guide(used) / guide(capacity.max(1))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn programmes() -> impl Strategy<Value = Programme> {
        let rows = 2usize..6;
        rows.prop_flat_map(|rows| {
            let column = (1i64..50, proptest::collection::btree_map(0..rows, 1i64..4, 1..=rows));
            (proptest::collection::vec(1i64..6, rows), proptest::collection::vec(column, 0..12))
        })
        .prop_map(|(capacities, columns)| Programme {
            capacities,
            columns: columns
                .into_iter()
                .map(|(value, uses)| Column { value, uses: uses.into_iter().collect() })
                .collect(),
            flows: Vec::new(),
        })
    }

    fn best_of_all(programme: &Programme) -> i64 {
        let count = programme.columns.len();
        let choice = |bits: u32| (0..count).filter(|at| bits >> at & 1 == 1).collect::<Vec<_>>();
        (0..1u32 << count)
            .map(choice)
            .filter(|taken| programme.is_within(taken))
            .map(|taken| programme.worth(&taken))
            .max()
            .unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_finished_proof_is_the_optimum(programme in programmes()) {
            let best = best_of_all(&programme);
            let proof = programme.prove(0, &|| LONG);
            prop_assert_eq!(proof.bound, best);
            let taken = proof.taken.unwrap_or_default();
            prop_assert!(programme.is_within(&taken));
            prop_assert_eq!(programme.worth(&taken), best);
        }

        #[test]
        fn nothing_better_than_the_best_is_found(programme in programmes()) {
            let best = best_of_all(&programme);
            prop_assert_eq!(programme.prove(best, &|| LONG), Proof { taken: None, bound: best });
        }

        #[test]
        fn an_unfinished_proof_still_bounds(programme in programmes(), looks in 0u32..4) {
            let looked = std::cell::Cell::new(0);
            let proof = programme.prove(0, &|| {
                looked.set(looked.get() + 1);
                if looked.get() > looks { Duration::ZERO } else { LONG }
            });
            prop_assert!(proof.bound >= best_of_all(&programme));
        }

        #[test]
        fn a_search_finds_the_optimum_of_small_programmes(programme in programmes()) {
            prop_assume!(!programme.columns.is_empty());
            let found = programme.search(LONG).unwrap();
            prop_assert!(programme.is_within(&found.taken));
            prop_assert_eq!(programme.worth(&found.taken), best_of_all(&programme));
        }
    }

    #[test]
    fn an_odd_cycle_that_the_relaxation_halves_is_branched_on() {
        // Three columns, any two of which collide: the relaxation takes half of each and reaches 15.
        let column = |a, b| Column { value: 10, uses: vec![(a, 1), (b, 1)] };
        let programme = Programme {
            capacities: vec![1, 1, 1],
            columns: vec![column(0, 1), column(1, 2), column(0, 2)],
            flows: Vec::new(),
        };
        let proof = programme.prove(0, &|| LONG);
        assert_eq!((proof.bound, proof.taken.map(|taken| taken.len())), (10, Some(1)));
    }
}
