//! The linear programme over the columns made so far, for HiGHS.
//!
//! One row for each limit, every limit scaled to one; one column for each ray, scaled so that one of it fills
//! the first of its limits. Few columns are ever worth keeping: those that the duals find far too dear are
//! dropped, and made again should they be asked for. What comes back are floats: they guide, and every use of
//! them is checked elsewhere.

use std::collections::BTreeSet;
use std::time::Duration;

use highs::{Col, ColProblem, HighsModelStatus, Model, Row, Sense};

use crate::bound::for_limit;
use crate::fixed::{FRACTION_BITS, guide};
use crate::gradient::{Point, within};
use crate::instance::Instance;
use crate::rings::Prices;
use crate::round::hops;
use crate::stopwatch::Watch;
use crate::table::{GiveId, GoodId, SeatId, Table, WantId};

/// The objective is scaled so that what fills the largest limit counts about this much.
const LARGEST_OBJECTIVE: f64 = 1e4;
/// With no more columns than this the simplex method, from the last vertex on, is faster than interior points.
const FEW_COLUMNS: usize = 500;
/// Columns for each row, above [`FEW_COLUMNS`], before the dearest half is dropped.
const COLUMNS_A_ROW: usize = 8;
/// With less time than this for each row and column, the solver is not asked.
const LEAST_TIME_A_ROW: Duration = Duration::from_nanos(2_500);

/// What is asked of a solution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    /// An optimal vertex: as few columns as there are rows.
    Vertex,
    /// The same, from the vertex before on: some columns were fixed since.
    Next,
}

/// An extreme ray of a ring's cone, as a column.
#[derive(Debug, Clone)]
pub(crate) struct Ray {
    /// The seats, the slack one first.
    pub(crate) seats: Vec<SeatId>,
    /// What each seat gives when the column is one, in minor units.
    pub(crate) given: Vec<f64>,
    /// What the column brings when it is one, in the objective's unit.
    pub(crate) brings: f64,
    /// The rows that it uses, and how much of each.
    usage: Vec<(usize, f64)>,
}

/// An optimum of the programme.
pub(crate) struct Solved {
    /// In the objective's unit.
    pub(crate) value: f64,
    /// Amounts by column, and duals by row in the objective's unit.
    pub(crate) at: Point,
}

/// The columns made so far.
pub(crate) struct Master<'a> {
    instance: &'a Instance,
    gives: Table<GiveId, Option<usize>>,
    wants: Table<WantId, Option<usize>>,
    /// What each row's limit is worth, about.
    sizes: Vec<f64>,
    rays: Vec<Ray>,
    known: BTreeSet<Vec<SeatId>>,
    /// What one unit of the solver's objective is.
    money: f64,
    /// The programme as the solver has it, with the basis that it ended on.
    model: Option<Loaded>,
}

/// A programme in the solver.
struct Loaded {
    model: Model,
    rows: Vec<Row>,
    /// The columns that it has.
    columns: Vec<Col>,
    /// How long it was solved in all.
    solving: Duration,
}

impl Ray {
    /// The rows that it uses, and how much of each.
    pub(crate) fn usage(&self) -> &[(usize, f64)] {
        &self.usage
    }
}

impl<'a> Master<'a> {
    pub(crate) fn new(instance: &'a Instance) -> Self {
        let mut sizes: Vec<f64> = Vec::new();
        let mut number = |limit: i64, good: GoodId| {
            // Scales are such that this is of the order of what the limit is worth.
            #[allow(clippy::cast_precision_loss)]
            sizes.push(limit as f64 * f64::powi(2.0, -instance.goods[good].scale));
            sizes.len() - 1
        };
        let mut gives = Table::like(&instance.gives, None);
        let mut wants = Table::like(&instance.wants, None);
        let mut largest = 0.0_f64;
        for (_, seat) in instance.seats.iter() {
            let take = &instance.takes[seat.take];
            if !instance.is_end(seat.give) {
                let give = &instance.gives[seat.give];
                gives[seat.give].get_or_insert_with(|| number(give.limit, give.good));
            }
            if instance.parties[seat.party].starts.is_none() {
                wants[take.want].get_or_insert_with(|| number(take.full, take.good));
            }
            #[allow(clippy::cast_precision_loss)]
            let most = take.gain_guide * take.limit as f64;
            largest = largest.max(most);
        }
        let money = if largest > 0.0 { largest / LARGEST_OBJECTIVE } else { 1.0 };
        Self { instance, gives, wants, sizes, rays: Vec::new(), known: BTreeSet::new(), money, model: None }
    }

    /// The columns.
    pub(crate) fn rays(&self) -> &[Ray] {
        &self.rays
    }

    /// How many limits there are.
    pub(crate) fn rows(&self) -> usize {
        self.sizes.len()
    }

    /// What each limit is worth, about.
    pub(crate) fn sizes(&self) -> &[f64] {
        &self.sizes
    }

    /// The columns, and nothing else.
    pub(crate) fn into_rays(self) -> Vec<Ray> {
        self.rays
    }

    /// Makes a ray a column, unless it is one.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn add(&mut self, seats: Vec<SeatId>) -> bool {
        if self.known.contains(&seats) {
            return false;
        }
        let instance = self.instance;
        let mut given: Vec<f64> = Vec::with_capacity(seats.len());
        let (mut usage, mut brings, mut quantity) = (Vec::with_capacity(2 * seats.len()), 0.0, 1.0);
        for (index, ((give, take), seat)) in hops(instance, &seats).zip(&seats).enumerate() {
            if index > 0 {
                quantity *= instance.seats[*seat].rate_guide;
            }
            given.push(quantity);
            let (giving, taking) = (&instance.gives[give], &instance.takes[take]);
            brings += quantity * (taking.gain_guide - giving.loss_guide);
            if let (Some(give_row), Some(want_row)) = (self.gives[give], self.wants[taking.want]) {
                usage.push((give_row, quantity / giving.limit as f64));
                usage.push((want_row, quantity / taking.full as f64));
            }
        }
        let most = usage.iter().map(|(_, share)| *share).fold(0.0, f64::max);
        if !(most > 0.0 && most.is_finite() && brings.is_finite()) {
            return false;
        }
        given.iter_mut().for_each(|quantity| *quantity /= most);
        usage.iter_mut().for_each(|(_, share)| *share /= most);
        self.known.insert(seats.clone());
        self.rays.push(Ray { seats, given, brings: brings / most, usage });
        true
    }

    /// Solves it until so much of the time is spent; `None` when there was no time, or the solver failed.
    pub(crate) fn solve(&mut self, precision: Precision, watch: &Watch, until_percent: u32) -> Option<Solved> {
        let limit = watch.left_until(until_percent);
        if limit.is_zero() {
            return None;
        }
        // The solver reads and prepares in its own time, whatever its limit.
        let most = LEAST_TIME_A_ROW * u32::try_from(self.rows() + self.rays.len()).unwrap_or(u32::MAX);
        if limit < most {
            return None;
        }
        if self.rays.is_empty() {
            return Some(Solved { value: 0.0, at: Point { amounts: Vec::new(), duals: vec![0.0; self.rows()] } });
        }
        let Loaded { mut model, rows, mut columns, solving } = match self.model.take() {
            Some(loaded) => loaded,
            None => self.load()?,
        };
        for ray in self.rays.iter().skip(columns.len()) {
            let usage = ray.usage.iter().filter_map(|(row, share)| Some((*rows.get(*row)?, *share)));
            columns.push(model.try_add_column(ray.brings / self.money, 0.0.., usage).ok()?);
        }
        if precision == Precision::Next {
            model.try_set_option("solver", "simplex").ok()?;
            model.try_set_option("simplex_strategy", 1).ok()?;
        } else if self.rays.len() <= FEW_COLUMNS {
            model.try_set_option("solver", "simplex").ok()?;
            // Primal: new columns leave a vertex feasible, not optimal.
            model.try_set_option("simplex_strategy", 4).ok()?;
        } else {
            model.try_set_option("solver", "ipm").ok()?;
            model.try_set_option("run_crossover", "on").ok()?;
            model.try_set_option("ipm_optimality_tolerance", 1e-8).ok()?;
        }
        // The solver counts the time of all its runs.
        model.try_set_option("time_limit", (solving + limit).as_secs_f64()).ok()?;
        let before = watch.elapsed();
        let solved = model.try_solve().ok()?;
        let solving = solving + watch.elapsed().saturating_sub(before);
        if solved.status() != HighsModelStatus::Optimal {
            return None;
        }
        let solution = solved.get_solution();
        let answer = Solved {
            value: solved.objective_value() * self.money,
            at: Point {
                amounts: solution.columns().to_vec(),
                duals: solution.dual_rows().iter().map(|dual| dual.abs() * self.money).collect(),
            },
        };
        self.model = Some(Loaded { model: solved.into(), rows, columns, solving });
        Some(answer)
    }

    /// The programme's rows in the solver, without columns.
    fn load(&self) -> Option<Loaded> {
        let mut problem = ColProblem::new();
        let rows = (0..self.rows()).map(|_| problem.add_row(..=1.0)).collect();
        Some(Loaded { model: quiet(problem)?, rows, columns: Vec::new(), solving: Duration::ZERO })
    }

    /// Has every further optimum take so much of a column, which the last one knew.
    pub(crate) fn fix(&mut self, ray: usize, amount: f64) {
        if let Some(Loaded { model, columns, .. }) = &mut self.model
            && let Some(column) = columns.get(ray)
        {
            model.change_column_bounds(*column, amount..=amount);
        }
    }

    /// Drops the columns that the duals find dearest, once there are many for the rows.
    pub(crate) fn prune(&mut self, at: &mut Point) {
        let most = (COLUMNS_A_ROW * self.rows()).max(FEW_COLUMNS);
        if self.rays.len() <= most {
            return;
        }
        let cost = |ray: &Ray| {
            ray.usage.iter().map(|(row, share)| share * at.duals.get(*row).copied().unwrap_or(0.0)).sum::<f64>()
        };
        let reduced: Vec<f64> = self.rays.iter().map(|ray| ray.brings - cost(ray)).collect();
        let mut order: Vec<f64> = reduced.clone();
        order.sort_by(|a, b| b.total_cmp(a));
        let least = order.get(most / 2).copied().unwrap_or(f64::NEG_INFINITY);
        let mut amounts = Vec::new();
        let mut rays = Vec::new();
        for ((ray, amount), reduced) in std::mem::take(&mut self.rays).into_iter().zip(&at.amounts).zip(reduced) {
            if reduced >= least {
                rays.push(ray);
                amounts.push(*amount);
            } else {
                self.known.remove(&ray.seats);
            }
        }
        (self.rays, self.model, at.amounts) = (rays, None, amounts);
    }

    /// A point's duals from prices in fixed point.
    pub(crate) fn duals(&self, prices: &Prices) -> Vec<f64> {
        let instance = self.instance;
        let mut duals = vec![0.0; self.rows()];
        let mut set = |row: Option<usize>, price: i128| {
            if let Some(dual) = row.and_then(|row| duals.get_mut(row)) {
                *dual = guide(price);
            }
        };
        for (give, price) in prices.give.iter() {
            set(self.gives[give], for_limit(instance, give, *price));
        }
        for (want, price) in prices.want.iter() {
            set(self.wants[want], *price);
        }
        duals
    }

    /// Brings a point nearer to the optimum over the columns made so far; what its amounts bring once no limit is
    /// overdrawn, in the objective's unit.
    pub(crate) fn approach(&self, at: &mut Point, goes_on: &dyn Fn() -> bool) -> f64 {
        at.approach(&self.rays, &self.sizes, goes_on);
        let amounts = within(&self.rays, &at.amounts, self.rows());
        self.rays.iter().zip(amounts).map(|(ray, amount)| ray.brings * amount).sum()
    }

    /// The duals as prices in fixed point.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    pub(crate) fn prices(&self, at: &Point) -> Prices {
        let instance = self.instance;
        let mut prices = Prices::zero(instance);
        let one = f64::powi(2.0, FRACTION_BITS);
        let price = |row: usize| at.duals.get(row).map_or(0.0, |dual| dual * one);
        for give in instance.gives.ids() {
            if let Some(row) = self.gives[give] {
                let whole = f64::powi(2.0, instance.goods[instance.gives[give].good].scale);
                prices.give[give] = (price(row) / instance.gives[give].limit as f64 * whole).round() as i128;
            }
        }
        for want in instance.wants.ids() {
            if let Some(row) = self.wants[want] {
                prices.want[want] = price(row).round() as i128;
            }
        }
        prices
    }
}

/// A model that says nothing, on one thread with one seed.
pub(crate) fn quiet(problem: ColProblem) -> Option<Model> {
    let mut model = problem.try_optimise(Sense::Maximise).ok()?;
    for option in ["output_flag", "log_to_console"] {
        model.try_set_option(option, false).ok()?;
    }
    for (option, value) in [("threads", 1), ("random_seed", 1)] {
        model.try_set_option(option, value).ok()?;
    }
    model.try_set_option("parallel", "off").ok()?;
    Some(model)
}
