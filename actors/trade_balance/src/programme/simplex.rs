//! The revised simplex method with bounds, over floats or ratios.

use std::cmp::Ordering;

use super::factor::Factors;
use super::number::Number;
use crate::patience::Patience;

/// A column: a variable with its bounds, what it adds to the objective, and to each row.
pub(super) struct Column<N> {
    pub(super) least: N,
    pub(super) most: Option<N>,
    pub(super) gain: N,
    pub(super) entries: Vec<(usize, N)>,
}

/// Which columns are basic, and at which end the others stand.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    /// One for each row.
    basic: Vec<usize>,
    /// By column: whether it stands at its upper end, where it is not basic.
    is_high: Vec<bool>,
}

impl Basis {
    /// The slacks, which stand after the columns themselves.
    pub(super) fn of_slacks(columns: usize, rows: usize) -> Self {
        Self { basic: (columns..columns + rows).collect(), is_high: vec![false; columns + rows] }
    }

    /// The same vertex of a programme with so many columns and rows, the columns that are new standing at their least;
    /// `None` where it is none of such a programme.
    pub(super) fn widened(mut self, columns: usize, rows: usize) -> Option<Self> {
        let had = self.is_high.len().checked_sub(rows)?;
        if self.basic.len() != rows || had > columns {
            return None;
        }
        let more = columns - had;
        for index in self.basic.iter_mut().filter(|index| **index >= had) {
            *index += more;
        }
        self.is_high.splice(had..had, std::iter::repeat_n(false, more));
        Some(self)
    }
}

/// How a run ended; prices by row.
pub(super) enum End<N> {
    Optimal(Vec<N>),
    Infeasible(Vec<N>),
    Unbounded,
    /// The basis is none, or patience ended while it was factored.
    Singular,
    Stopped,
}

/// A run of the method.
pub(super) struct Simplex<'a, N> {
    /// When to stop.
    patience: &'a Patience,
    right: Vec<N>,
    columns: Vec<Column<N>>,
    basis: Basis,
    /// What the basic columns are, row by row, as of the last step.
    values: Vec<N>,
}

/// Where a column enters, or why none does.
enum Step<N> {
    Done(End<N>),
    Moved { stood_still: bool },
}

/// Steps without progress before the first column that may enter does (Bland), so that none comes round again.
const PATIENCE: usize = 20;

impl<'a, N: Number> Simplex<'a, N> {
    pub(super) fn new(right: Vec<N>, columns: Vec<Column<N>>, basis: Basis, patience: &'a Patience) -> Self {
        Self { patience, right, columns, basis, values: Vec::new() }
    }

    pub(super) fn into_basis(self) -> Basis {
        self.basis
    }

    /// What each column is.
    pub(super) fn amounts(&self) -> Vec<N> {
        let mut amounts: Vec<N> = (0..self.columns.len()).filter_map(|column| self.resting(column)).collect();
        for (column, value) in self.basis.basic.iter().zip(&self.values) {
            if let Some(amount) = amounts.get_mut(*column) {
                *amount = value.clone();
            }
        }
        amounts
    }

    /// Steps until nothing is left to do.
    pub(super) fn run(&mut self, most_steps: usize) -> End<N> {
        let mut still = 0;
        for _ in 0..most_steps {
            if self.patience.is_over() {
                return End::Stopped;
            }
            match self.step(still >= PATIENCE) {
                None => return End::Singular,
                Some(Step::Done(end)) => return end,
                Some(Step::Moved { stood_still: true }) => still += 1,
                Some(Step::Moved { stood_still: false }) => still = 0,
            }
        }
        End::Stopped
    }

    /// Where a column stands that is not basic.
    fn resting(&self, index: usize) -> Option<N> {
        let column = self.columns.get(index)?;
        let is_high = self.basis.is_high.get(index).copied().unwrap_or(false);
        Some(match &column.most {
            Some(most) if is_high => most.clone(),
            _ => column.least.clone(),
        })
    }

    fn step(&mut self, careful: bool) -> Option<Step<N>> {
        let rows = self.right.len();
        let mut is_basic = vec![false; self.columns.len()];
        let mut entries: Vec<&[(usize, N)]> = Vec::with_capacity(rows);
        for index in &self.basis.basic {
            *is_basic.get_mut(*index)? = true;
            entries.push(&self.columns.get(*index)?.entries);
        }
        let factors = Factors::of(rows, &entries, self.patience)?;
        let mut rest = self.right.clone();
        for (index, column) in self.columns.iter().enumerate() {
            let resting = self.resting(index)?;
            if is_basic.get(index).copied()? || resting.is_nought() {
                continue;
            }
            for (row, entry) in &column.entries {
                let value = rest.get_mut(*row)?;
                *value = value.less(&entry.times(&resting));
            }
        }
        self.values = factors.solve(&rest)?;

        // Phase one, as long as a basic column is outside its bounds: how far, is what counts.
        let mut outside = Vec::with_capacity(rows);
        for (index, value) in self.basis.basic.iter().zip(&self.values) {
            let column = self.columns.get(*index)?;
            let low = value.less(&column.least).sign() == Ordering::Less;
            let high = column.most.as_ref().is_some_and(|most| value.less(most).sign() == Ordering::Greater);
            outside.push(if low {
                Ordering::Less
            } else if high {
                Ordering::Greater
            } else {
                Ordering::Equal
            });
        }
        let mending = outside.iter().any(|side| *side != Ordering::Equal);
        let gains: Vec<N> = if mending {
            let minus = N::nought().less(&N::one());
            let gain = |side: &Ordering| match side {
                Ordering::Less => N::one(),
                Ordering::Equal => N::nought(),
                Ordering::Greater => minus.clone(),
            };
            outside.iter().map(gain).collect()
        } else {
            self.basis
                .basic
                .iter()
                .map(|index| self.columns.get(*index).map(|column| column.gain.clone()))
                .collect::<Option<_>>()?
        };
        let prices = factors.solve_left(&gains)?;
        let Some((entering, rising)) = self.entering(&prices, &is_basic, mending, careful)? else {
            return Some(Step::Done(if mending { End::Infeasible(prices) } else { End::Optimal(prices) }));
        };

        let mut column = vec![N::nought(); rows];
        for (row, entry) in &self.columns.get(entering)?.entries {
            *column.get_mut(*row)? = entry.clone();
        }
        let direction = factors.solve(&column)?;
        self.pivot(entering, rising, &direction, &outside, careful)
    }

    /// The column to enter, and whether it rises.
    #[allow(clippy::type_complexity)]
    fn entering(&self, prices: &[N], is_basic: &[bool], mending: bool, careful: bool) -> Option<Option<(usize, bool)>> {
        let mut best: Option<(N, usize, bool)> = None;
        for (index, column) in self.columns.iter().enumerate() {
            let fixed = column.most.as_ref().is_some_and(|most| most.less(&column.least).sign() == Ordering::Equal);
            if fixed || is_basic.get(index).copied()? {
                continue;
            }
            let mut reduced = if mending { N::nought() } else { column.gain.clone() };
            for (row, entry) in &column.entries {
                let price = prices.get(*row)?;
                if !price.is_nought() {
                    reduced = reduced.less(&price.times(entry));
                }
            }
            let is_high = self.basis.is_high.get(index).copied()? && column.most.is_some();
            let (improves, size) = match (reduced.sign(), is_high) {
                (Ordering::Greater, false) => (true, reduced),
                (Ordering::Less, true) => (true, N::nought().less(&reduced)),
                _ => (false, reduced),
            };
            if !improves {
                continue;
            }
            if careful {
                return Some(Some((index, !is_high)));
            }
            if best.as_ref().is_none_or(|(most, _, _)| size.less(most).sign() == Ordering::Greater) {
                best = Some((size, index, !is_high));
            }
        }
        Some(best.map(|(_, index, rising)| (index, rising)))
    }

    /// Moves the entering column until it, or a basic one, meets a bound.
    fn pivot(
        &mut self,
        entering: usize,
        rising: bool,
        direction: &[N],
        outside: &[Ordering],
        careful: bool,
    ) -> Option<Step<N>> {
        let column = self.columns.get(entering)?;
        // How far, which row leaves (none: the column goes to its own other end), and whether it leaves at its upper end.
        let mut nearest: Option<(N, Option<(usize, bool)>)> =
            column.most.as_ref().map(|most| (most.less(&column.least), None));
        let mut nearest_size = f64::INFINITY;
        for (row, (along, side)) in direction.iter().zip(outside).enumerate() {
            let along_sign = along.sign();
            if along_sign == Ordering::Equal {
                continue;
            }
            let basic = self.columns.get(*self.basis.basic.get(row)?)?;
            let value = self.values.get(row)?;
            let falls = (along_sign == Ordering::Greater) == rising;
            let bound = match (falls, side) {
                (true, Ordering::Greater) => basic.most.clone().map(|most| (most, true)),
                (true, Ordering::Equal) => Some((basic.least.clone(), false)),
                (false, Ordering::Less) => Some((basic.least.clone(), false)),
                (false, Ordering::Equal) => basic.most.clone().map(|most| (most, true)),
                // Already outside, and going further: phase one has weighed that.
                _ => None,
            };
            let Some((bound, leaves_high)) = bound else { continue };
            let gap = if falls { value.less(&bound) } else { bound.less(value) };
            let speed = if along_sign == Ordering::Greater { along.clone() } else { N::nought().less(along) };
            let mut far = gap.over(&speed)?;
            if far.sign() != Ordering::Greater {
                far = N::nought();
            }
            let closer = match &nearest {
                None => true,
                Some((most, leaving)) => match far.less(most).sign() {
                    Ordering::Less => true,
                    Ordering::Greater => false,
                    // Of rows at the same distance, the column of the smallest index when careful, else the best to
                    // divide by.
                    Ordering::Equal => match leaving {
                        None => false,
                        Some((other, _)) if careful => self.basis.basic.get(row) < self.basis.basic.get(*other),
                        Some(_) => along.pivot_size() > nearest_size,
                    },
                },
            };
            if closer {
                nearest = Some((far, Some((row, leaves_high))));
                nearest_size = along.pivot_size();
            }
        }
        let Some((far, leaving)) = nearest else { return Some(Step::Done(End::Unbounded)) };
        match leaving {
            None => *self.basis.is_high.get_mut(entering)? = rising,
            Some((row, leaves_high)) => {
                let place = self.basis.basic.get_mut(row)?;
                let left = std::mem::replace(place, entering);
                *self.basis.is_high.get_mut(left)? = leaves_high;
            }
        }
        Some(Step::Moved { stood_still: far.sign() == Ordering::Equal })
    }
}
