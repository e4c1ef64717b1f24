//! The linear relaxation of a packing programme, solved again and again as columns are taken and barred.
//!
//! # Design
//!
//! A branch and bound asks thousands of small programmes, each a few bounds away from the one before; what a solver
//! for large ones does before it starts costs more than these do. So this is the dual simplex method for boxed
//! variables with an explicit inverse: every column lies between two finite bounds, so any basis becomes dual feasible
//! by placing each column at the bound that its reduced worth asks for, and whatever bounds changed, the method goes
//! on from the basis that it has. The ratio test passes columns that can go from bound to bound (Maros 2003, the
//! bound-flipping ratio test). Ties go to the lowest number, so that the same programme takes the same way.
//!
//! All of it is floats, and guides: the prices that come out bound whatever they are, and
//! [`programme`](crate::programme) sees to that in whole numbers. So where rounding leads astray, no more is lost than
//! time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::table::{ColumnId, Id, LineId, Table};

/// What is infeasible by no more counts as feasible.
const TOLERANCE: f64 = 1e-9;
/// A pivot must be larger than this.
const LEAST_PIVOT: f64 = 1e-7;
/// The inverse is made anew after so many pivots.
const REFRESH_AFTER: usize = 100;
/// Pivots, for each row, before a programme is given up.
const MOST_PIVOTS_A_ROW: usize = 50;
/// Pivots between two looks at the time.
const LOOK_EVERY: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Low,
    High,
    Basic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Variable {
    Column(ColumnId),
    /// What is left of a row.
    Rest(LineId),
}

/// A programme: columns between bounds, every row's uses at most one, as much worth as possible.
pub(crate) struct Simplex {
    columns: Table<ColumnId, Vec<(LineId, f64)>>,
    worth: Table<ColumnId, f64>,
    bounds: Table<ColumnId, (f64, f64)>,
    stands: Table<ColumnId, Standing>,
    rests: Table<LineId, Standing>,
    /// By place in the basis.
    basis: Table<LineId, Variable>,
    inverse: Table<LineId, Vec<f64>>,
    amounts: Table<LineId, f64>,
    /// By row.
    prices: Vec<f64>,
    pivots_since_refresh: usize,
}

/// Who may enter the basis, at which ratio.
struct Candidate {
    ratio: f64,
    pivot: f64,
    range: f64,
    variable: Variable,
}

/// The one that enters first is the greatest: that of the least ratio, of equals that of the largest pivot.
impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_pivot = || self.pivot.abs().total_cmp(&other.pivot.abs());
        other.ratio.total_cmp(&self.ratio).then_with(by_pivot).then(other.variable.cmp(&self.variable))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

impl Simplex {
    /// No column yet.
    pub(crate) fn new(rows: usize) -> Self {
        let lines: Table<LineId, ()> = Table::of(rows, ());
        let mut simplex = Self {
            columns: Table::new(),
            worth: Table::new(),
            bounds: Table::new(),
            stands: Table::new(),
            rests: Table::like(&lines, Standing::Basic),
            basis: Table::new(),
            inverse: Table::new(),
            amounts: Table::like(&lines, 1.0),
            prices: vec![0.0; rows],
            pivots_since_refresh: 0,
        };
        for (at, line) in lines.ids().enumerate() {
            simplex.basis.push(Variable::Rest(line));
            simplex.inverse.push((0..rows).map(|row| if row == at { 1.0 } else { 0.0 }).collect());
        }
        simplex
    }

    /// Adds a column between nought and one.
    pub(crate) fn add(&mut self, worth: f64, uses: Vec<(LineId, f64)>) -> ColumnId {
        self.columns.push(uses);
        self.worth.push(worth);
        self.stands.push(Standing::Low);
        self.bounds.push((0.0, 1.0))
    }

    pub(crate) fn bound(&mut self, column: ColumnId, least: f64, most: f64) {
        self.bounds[column] = (least, most);
    }

    /// Says what a column is worth.
    pub(crate) fn reward(&mut self, column: ColumnId, worth: f64) {
        self.worth[column] = worth;
    }

    /// By row: what a whole row is worth at the margin.
    pub(crate) fn prices(&self) -> &[f64] {
        &self.prices
    }

    /// How much of each column is taken.
    pub(crate) fn taken(&self) -> Table<ColumnId, f64> {
        let mut taken = Table::like(&self.columns, 0.0);
        for column in self.columns.ids() {
            taken[column] = self.value(Variable::Column(column));
        }
        for (place, variable) in self.basis.iter() {
            if let Variable::Column(column) = variable {
                taken[*column] = self.amounts[place];
            }
        }
        taken
    }

    /// Goes on to an optimum; where it doesn't come to one, prices and amounts are those that it got to.
    pub(crate) fn solve(&mut self, stop: &dyn Fn() -> bool) {
        self.weigh_prices();
        self.stand_by_worth();
        self.weigh_amounts();
        for pivots in 0..MOST_PIVOTS_A_ROW * self.prices.len().max(1) {
            if pivots % LOOK_EVERY == LOOK_EVERY - 1 && stop() {
                return;
            }
            let Some((place, excess)) = self.leaving() else { return };
            if !self.pivot(place, excess) {
                if self.pivots_since_refresh == 0 || !self.refresh() {
                    return;
                }
                self.stand_by_worth();
                self.weigh_amounts();
            }
        }
    }

    fn value(&self, variable: Variable) -> f64 {
        match variable {
            Variable::Column(column) => match self.stands[column] {
                Standing::High => self.bounds[column].1,
                Standing::Low | Standing::Basic => self.bounds[column].0,
            },
            Variable::Rest(_) => 0.0,
        }
    }

    fn reduced(&self, column: ColumnId) -> f64 {
        self.columns[column].iter().fold(self.worth[column], |worth, (line, used)| worth - used * self.price(*line))
    }

    fn price(&self, line: LineId) -> f64 {
        self.prices.get(line.row()).copied().unwrap_or(0.0)
    }

    /// Places what is not basic at the bound that it would rather be at.
    fn stand_by_worth(&mut self) {
        for column in self.columns.ids() {
            if self.stands[column] != Standing::Basic {
                self.stands[column] = if self.reduced(column) > 0.0 { Standing::High } else { Standing::Low };
            }
        }
    }

    /// What makes every basic column worth what it uses.
    fn weigh_prices(&mut self) {
        self.prices.fill(0.0);
        for (place, variable) in self.basis.iter() {
            if let Variable::Column(column) = variable {
                for (price, entry) in self.prices.iter_mut().zip(&self.inverse[place]) {
                    *price += self.worth[*column] * entry;
                }
            }
        }
    }

    /// What is basic, from what is not.
    fn weigh_amounts(&mut self) {
        let mut left: Table<LineId, f64> = Table::like(&self.rests, 1.0);
        for (column, uses) in self.columns.iter() {
            let value = if self.stands[column] == Standing::Basic { 0.0 } else { self.value(Variable::Column(column)) };
            if value != 0.0 {
                for (line, used) in uses {
                    left[*line] -= used * value;
                }
            }
        }
        for place in self.basis.ids() {
            self.amounts[place] = self.inverse[place].iter().zip(left.iter()).map(|(of, (_, left))| of * left).sum();
        }
    }

    /// The place that is furthest beyond a bound, and by how much: below nought beyond the lower one.
    fn leaving(&self) -> Option<(LineId, f64)> {
        let mut worst: Option<(LineId, f64)> = None;
        for (place, variable) in self.basis.iter() {
            let (least, most) = match variable {
                Variable::Column(column) => self.bounds[*column],
                Variable::Rest(_) => (0.0, f64::INFINITY),
            };
            let amount = self.amounts[place];
            let excess = if amount < least { amount - least } else { (amount - most).max(0.0) };
            if excess.abs() > worst.map_or(TOLERANCE, |(_, worst)| worst.abs()) {
                worst = Some((place, excess));
            }
        }
        worst
    }

    /// Brings what is at a place back to its bound; whether that went.
    fn pivot(&mut self, place: LineId, excess: f64) -> bool {
        let along = self.inverse[place].clone();
        // Of many, few are passed by.
        let mut candidates = BinaryHeap::from(self.candidates(&along, excess));
        let mut slope = excess.abs();
        let mut flips = Vec::new();
        let mut entering = None;
        while let Some(candidate) = candidates.pop() {
            slope -= candidate.pivot.abs() * candidate.range;
            if slope < 0.0 {
                entering = Some(candidate);
                break;
            }
            flips.push(candidate.variable);
        }
        let Some(entering) = entering else { return false };
        let column = self.through(entering.variable);
        let pivot = column[place];
        if pivot.abs() < LEAST_PIVOT {
            return false;
        }
        self.flip(&flips);
        let leaving = self.basis[place];
        let (least, most) = match leaving {
            Variable::Column(column) => self.bounds[column],
            Variable::Rest(_) => (0.0, 0.0),
        };
        let step = (self.amounts[place] - if excess < 0.0 { least } else { most }) / pivot;
        let worth = match entering.variable {
            Variable::Column(column) => self.reduced(column),
            Variable::Rest(line) => -self.price(line),
        };
        for (price, along) in self.prices.iter_mut().zip(&along) {
            *price += worth / pivot * along;
        }
        let entered = self.value(entering.variable) + step;
        let row: Vec<f64> = along.iter().map(|entry| entry / pivot).collect();
        for other in self.basis.ids() {
            let by = column[other];
            if other != place && by != 0.0 {
                self.amounts[other] -= step * by;
                for (entry, row) in self.inverse[other].iter_mut().zip(&row) {
                    *entry -= by * row;
                }
            }
        }
        self.inverse[place] = row;
        self.amounts[place] = entered;
        self.stand(leaving, if excess < 0.0 { Standing::Low } else { Standing::High });
        self.stand(entering.variable, Standing::Basic);
        self.basis[place] = entering.variable;
        self.pivots_since_refresh += 1;
        if self.pivots_since_refresh >= REFRESH_AFTER && self.refresh() {
            self.stand_by_worth();
            self.weigh_amounts();
        }
        true
    }

    fn candidates(&self, along: &[f64], excess: f64) -> Vec<Candidate> {
        let sign = if excess < 0.0 { -1.0 } else { 1.0 };
        let entry = |line: LineId| along.get(line.row()).copied().unwrap_or(0.0);
        let mut candidates = Vec::new();
        for (column, uses) in self.columns.iter() {
            let (least, most) = self.bounds[column];
            let wanted = match self.stands[column] {
                Standing::Low => sign,
                Standing::High => -sign,
                Standing::Basic => continue,
            };
            if least < most {
                let pivot: f64 = uses.iter().map(|(line, used)| used * entry(*line)).sum();
                if pivot * wanted > TOLERANCE {
                    let ratio = self.reduced(column).abs() / pivot.abs();
                    candidates.push(Candidate {
                        ratio,
                        pivot,
                        range: most - least,
                        variable: Variable::Column(column),
                    });
                }
            }
        }
        for (line, standing) in self.rests.iter() {
            let pivot = entry(line);
            if *standing != Standing::Basic && pivot * sign > TOLERANCE {
                let ratio = self.price(line).max(0.0) / pivot.abs();
                candidates.push(Candidate { ratio, pivot, range: f64::INFINITY, variable: Variable::Rest(line) });
            }
        }
        candidates
    }

    /// A variable's column as the basis sees it.
    fn through(&self, variable: Variable) -> Table<LineId, f64> {
        let mut column = Table::like(&self.amounts, 0.0);
        for (place, row) in self.inverse.iter() {
            let entry = |line: LineId| row.get(line.row()).copied().unwrap_or(0.0);
            column[place] = match variable {
                Variable::Column(of) => self.columns[of].iter().map(|(line, used)| used * entry(*line)).sum(),
                Variable::Rest(line) => entry(line),
            };
        }
        column
    }

    /// Takes columns from one bound to the other.
    fn flip(&mut self, variables: &[Variable]) {
        let mut moved: Table<LineId, f64> = Table::like(&self.amounts, 0.0);
        for variable in variables {
            let Variable::Column(column) = variable else { continue };
            let before = self.value(*variable);
            self.stands[*column] = match self.stands[*column] {
                Standing::Low => Standing::High,
                Standing::High | Standing::Basic => Standing::Low,
            };
            let by = self.value(*variable) - before;
            for (line, used) in &self.columns[*column] {
                moved[*line] += used * by;
            }
        }
        if !variables.is_empty() {
            for (place, row) in self.inverse.iter() {
                self.amounts[place] -= row.iter().zip(moved.iter()).map(|(of, (_, moved))| of * moved).sum::<f64>();
            }
        }
    }

    fn stand(&mut self, variable: Variable, standing: Standing) {
        match variable {
            Variable::Column(column) => self.stands[column] = standing,
            Variable::Rest(line) => self.rests[line] = standing,
        }
    }

    /// Makes the inverse and the prices anew from the basis; whether that went.
    fn refresh(&mut self) -> bool {
        self.pivots_since_refresh = 0;
        let rows = self.prices.len();
        // By row of the programme: the basis beside the unit matrix.
        let mut wide: Table<LineId, Vec<f64>> = Table::of(rows, vec![0.0; 2 * rows]);
        for (place, variable) in self.basis.iter() {
            let uses = match variable {
                Variable::Column(column) => self.columns[*column].clone(),
                Variable::Rest(line) => vec![(*line, 1.0)],
            };
            for (line, used) in uses {
                if let Some(entry) = wide[line].get_mut(place.row()) {
                    *entry = used;
                }
            }
        }
        for line in self.basis.ids() {
            if let Some(entry) = wide[line].get_mut(rows + line.row()) {
                *entry = 1.0;
            }
        }
        for place in self.basis.ids() {
            let entry = |row: &[f64]| row.get(place.row()).copied().unwrap_or(0.0);
            let open = wide.ids().skip(place.row());
            let Some(best) =
                open.max_by(|a, b| entry(&wide[*a]).abs().total_cmp(&entry(&wide[*b]).abs()).then(b.cmp(a)))
            else {
                return false;
            };
            let pivot = entry(&wide[best]);
            if pivot.abs() < LEAST_PIVOT {
                return false;
            }
            let row: Vec<f64> = wide[best].iter().map(|entry| entry / pivot).collect();
            wide[best] = std::mem::take(&mut wide[place]);
            for other in wide.ids().filter(|other| *other != place) {
                let by = wide[other].get(place.row()).copied().unwrap_or(0.0);
                if by != 0.0 {
                    for (entry, row) in wide[other].iter_mut().zip(&row) {
                        *entry -= by * row;
                    }
                }
            }
            wide[place] = row;
        }
        for place in self.basis.ids() {
            self.inverse[place] = wide[place].iter().skip(rows).copied().collect();
        }
        self.weigh_prices();
        true
    }
}
