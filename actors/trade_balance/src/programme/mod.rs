//! Linear programmes, decided exactly.
//!
//! # Design
//!
//! A vertex of a linear programme is named by its basis, and whether a basis is optimal is a question of signs. So
//! floats look for the basis (a bounded revised simplex method in `f64`, scaled), and ratios of any size then take it
//! up: the same method, in exact arithmetic, from that basis on. Mostly it finds nothing left to do, and its answer is
//! exact whatever the floats were worth: an optimum with its multipliers, or a proof by Farkas' lemma that nothing
//! satisfies every row.
//!
//! One method serves both kinds of number ([`Number`]). It factors the basis anew at each step, which costs what a
//! few dozen rows cost, keeps no sums that drift, and lets a step in ratios begin from any basis whatever: a basic
//! column outside its bounds is what phase one mends.
//!
//! # What it refuses
//!
//! Columns without a lower end; no question of this crate has one. Programmes without end: [`Verdict::Stopped`] after
//! [`MOST_STEPS`] steps for each row and column, and whenever patience ends.

mod factor;
mod number;
mod simplex;
#[cfg(test)]
mod tests;

use terms::Exact;

use self::number::Number;
use self::simplex::{Basis, End, Simplex};
use crate::patience::Patience;

/// Steps of the simplex method for each row and column before it gives up; a dozen are many.
const MOST_STEPS: usize = 200;

/// A column: a variable with its bounds, what it adds to the objective, and to each row.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// The least that it may be.
    pub(crate) least: Exact,
    /// The most, if there is one.
    pub(crate) most: Option<Exact>,
    /// What a unit of it adds to the objective.
    pub(crate) gain: Exact,
    /// What a unit of it adds to rows, by the row's index, each once.
    pub(crate) entries: Vec<(usize, Exact)>,
}

/// How a row's sum relates to its right side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    /// At least.
    AtLeast,
    /// Equal.
    Equal,
}

/// A linear programme: the columns' gain is to be as large as can be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Programme {
    columns: Vec<Column>,
    rows: Vec<(Relation, Exact)>,
}

/// Where a search begins: at the vertex where the last one ended, if there was one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start(Option<Basis>);

/// What is known of a programme, exactly.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// The best there is.
    Optimal(Optimum),
    /// Nothing satisfies every row: with these multipliers, at least 0 for [`Relation::AtLeast`], the sum of (row −
    /// right side) is less than 0 wherever the columns are within their bounds.
    Infeasible(Vec<Exact>),
    /// There is no best: the gain grows without end.
    Unbounded,
    /// The search was given up, or patience ended.
    Stopped,
}

/// The best there is.
#[derive(Debug, Clone)]
pub(crate) struct Optimum {
    /// What it gains.
    pub(crate) value: Exact,
    /// By column.
    pub(crate) amounts: Vec<Exact>,
    /// By row: what one more on the right side would cost; at least 0 for [`Relation::AtLeast`]. Where it is more, the
    /// row is tight at every optimum.
    pub(crate) prices: Vec<Exact>,
}

impl Programme {
    /// Adds a row, and says its index.
    pub(crate) fn row(&mut self, relation: Relation, right: Exact) -> usize {
        self.rows.push((relation, right));
        self.rows.len() - 1
    }

    /// Adds a column, and says its index.
    pub(crate) fn column(&mut self, column: Column) -> usize {
        self.columns.push(column);
        self.columns.len() - 1
    }

    /// Sets what a unit of a column adds to the objective.
    pub(crate) fn set_gain(&mut self, column: usize, gain: Exact) {
        if let Some(column) = self.columns.get_mut(column) {
            column.gain = gain;
        }
    }

    /// Solves it.
    pub(crate) fn solve(&self, patience: &Patience) -> Verdict {
        self.solve_from(&mut Start::default(), patience)
    }

    /// Solves it from where a programme with as many rows, and these columns or the first of them, ended, and notes where
    /// this one did.
    pub(crate) fn solve_from(&self, start: &mut Start, patience: &Patience) -> Verdict {
        let slacks = || Basis::of_slacks(self.columns.len(), self.rows.len());
        let from = start.0.take().and_then(|basis| basis.widened(self.columns.len(), self.rows.len()));
        let (scaled, columns) = self.scaled();
        let mut simplex = Simplex::new(scaled, columns, from.unwrap_or_else(slacks), patience);
        let guided = match simplex.run(self.most_steps()) {
            End::Singular | End::Stopped => None,
            _ => Some(simplex.into_basis()),
        };
        let decided = guided.and_then(|basis| self.decide(basis, patience)).or_else(|| self.decide(slacks(), patience));
        let Some((verdict, basis)) = decided else { return Verdict::Stopped };
        start.0 = Some(basis);
        verdict
    }

    fn most_steps(&self) -> usize {
        MOST_STEPS * (self.columns.len() + self.rows.len() + 1)
    }

    /// Takes a basis up in exact arithmetic; `None` when it is none.
    fn decide(&self, basis: Basis, patience: &Patience) -> Option<(Verdict, Basis)> {
        let right = self.rows.iter().map(|(_, right)| right.clone()).collect();
        let mut simplex = Simplex::new(right, self.exact_columns(), basis, patience);
        let verdict = match simplex.run(self.most_steps()) {
            End::Singular => return None,
            End::Stopped => Verdict::Stopped,
            End::Unbounded => Verdict::Unbounded,
            End::Infeasible(prices) => Verdict::Infeasible(prices.iter().map(|price| -price).collect()),
            End::Optimal(prices) => {
                let amounts: Vec<Exact> = simplex.amounts().into_iter().take(self.columns.len()).collect();
                let mut value = Exact::zero();
                for (column, amount) in self.columns.iter().zip(&amounts) {
                    value += &column.gain.product(amount);
                }
                Verdict::Optimal(Optimum { value, amounts, prices: prices.iter().map(|price| -price).collect() })
            }
        };
        Some((verdict, simplex.into_basis()))
    }

    /// The columns and after them a slack for each row: what its sum has over the right side.
    fn exact_columns(&self) -> Vec<simplex::Column<Exact>> {
        let own = self.columns.iter().map(|column| simplex::Column {
            least: column.least.clone(),
            most: column.most.clone(),
            gain: column.gain.clone(),
            entries: column.entries.clone(),
        });
        let slacks = self.rows.iter().enumerate().map(|(row, (relation, _))| simplex::Column {
            least: Exact::zero(),
            most: (*relation == Relation::Equal).then(Exact::zero),
            gain: Exact::zero(),
            entries: vec![(row, Exact::from(-1))],
        });
        own.chain(slacks).collect()
    }

    /// The same in floats, each row and each column scaled by powers of two so that entries are about 1. A basis is the
    /// same for both.
    fn scaled(&self) -> (Vec<f64>, Vec<simplex::Column<f64>>) {
        let mut columns: Vec<simplex::Column<f64>> = self
            .exact_columns()
            .into_iter()
            .map(|column| simplex::Column {
                least: column.least.to_f64(),
                most: column.most.map(|most| most.to_f64()),
                gain: column.gain.to_f64(),
                entries: column.entries.iter().map(|(row, entry)| (*row, entry.to_f64())).collect(),
            })
            .collect();
        let mut right: Vec<f64> = self.rows.iter().map(|(_, right)| right.to_f64()).collect();
        let own = self.columns.len();
        for _ in 0..3 {
            let mut largest = vec![0.0_f64; right.len()];
            for (row, entry) in columns.iter().take(own).flat_map(|column| &column.entries) {
                if let Some(most) = largest.get_mut(*row) {
                    *most = most.max(entry.abs());
                }
            }
            let by: Vec<f64> = largest.into_iter().map(near_one).collect();
            for column in columns.iter_mut().take(own) {
                for (row, entry) in &mut column.entries {
                    *entry *= by.get(*row).copied().unwrap_or(1.0);
                }
            }
            for (value, by) in right.iter_mut().zip(&by) {
                *value *= by;
            }
            for column in columns.iter_mut().take(own) {
                let by = near_one(column.entries.iter().map(|(_, entry)| entry.abs()).fold(0.0, f64::max));
                column.entries.iter_mut().for_each(|(_, entry)| *entry *= by);
                column.gain *= by;
                column.least /= by;
                column.most = column.most.map(|most| most / by);
            }
        }
        // Right sides and bounds share one scale, gains another: neither moves a basis.
        let sizes = right.iter().copied().chain(columns.iter().flat_map(|c| [c.least, c.most.unwrap_or(0.0)]));
        let amount = near_one(sizes.map(f64::abs).filter(|size| size.is_finite()).fold(0.0, f64::max));
        let gain = near_one(columns.iter().map(|column| column.gain.abs()).fold(0.0, f64::max));
        right.iter_mut().for_each(|value| *value *= amount);
        for column in &mut columns {
            column.gain *= gain;
            column.least *= amount;
            column.most = column.most.map(|most| most * amount);
        }
        (right, columns)
    }
}

/// The power of two that brings a size near to 1; 1 for nothing at all.
fn near_one(size: f64) -> f64 {
    if size > 0.0 && size.is_finite() { (-size.log2().round()).exp2() } else { 1.0 }
}

impl Number for Exact {
    fn nought() -> Self {
        Self::zero()
    }
    fn one() -> Self {
        Self::from(1)
    }
    fn less(&self, other: &Self) -> Self {
        self - other
    }
    fn times(&self, other: &Self) -> Self {
        self.product(other)
    }
    fn over(&self, other: &Self) -> Option<Self> {
        other.inverse().map(|inverse| self.product(&inverse))
    }
    fn sign(&self) -> std::cmp::Ordering {
        self.cmp(&Self::zero())
    }
    fn is_nought(&self) -> bool {
        *self == Self::zero()
    }
    fn pivot_size(&self) -> f64 {
        // All are exact, so any that is not 0 will do: those of few digits keep the rest short.
        if self.is_nought() { 0.0 } else { 1.0 }
    }
}
