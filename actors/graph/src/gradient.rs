//! Near the optimum of the linear programme over the columns made so far, by first-order steps.
//!
//! # Design
//!
//! While columns are many and far from the best, a vertex is more than is asked for, and its basis is what costs: the
//! columns tie every limit to every other. The primal-dual hybrid gradient method (Chambolle and Pock, 2011) only ever
//! multiplies by the columns, so its steps cost what the columns have entries, and the averages of a hundred of them
//! are near enough to say which columns are worth making next; each approach goes on from where the one before
//! ended. Steps are scaled by the sums of rows and of columns (Pock and Chambolle, 2011). Prices are of the same order
//! whatever their limits, and amounts are of the order of theirs: so rows are scaled by the root of what a limit is
//! worth, and columns by the root of what they move.
//!
//! Floats that guide: amounts may overdraw a limit until [`within`] scales them down, and prices bound nothing until a
//! search has proven that they do.

use std::borrow::Borrow;

use crate::master::Ray;

/// Steps of one approach, whose averages are what it comes to.
const STEPS: f64 = 100.0;
/// How many columns are kept in thinning, in percent of the rows.
const THINNED_TO: [usize; 4] = [175, 145, 120, 100];
/// How often the columns kept approach the optimum before the next are left out.
const APPROACHES: u32 = 3;
/// A column that costs more than so many times what it brings takes no part.
const TOO_DEAR: f64 = 1.2;
/// Prices step so much shorter, and amounts so much further: amounts have the longer way to go.
const PRICE_WEIGHT: f64 = 0.04;

/// Amounts of columns and duals of rows, neither negative.
#[derive(Debug, Clone, Default)]
pub(crate) struct Point {
    /// By column.
    pub(crate) amounts: Vec<f64>,
    /// By row.
    pub(crate) duals: Vec<f64>,
}

/// A column that takes part.
struct Column {
    /// Its place among all columns.
    place: usize,
    /// The root of what it moves.
    width: f64,
    /// What one of it brings, scaled.
    brings: f64,
    /// Its rows and how much it uses of each, scaled.
    entries: Vec<(usize, f64)>,
    /// How far its amount goes for each unit that it brings more than it costs.
    step: f64,
    amount: f64,
    sum: f64,
}

impl Point {
    /// Steps towards the amounts that bring most with no limit, of one each, overdrawn. `sizes` says what each row's
    /// limit is worth, about. Columns that it does not know yet start at nought.
    pub(crate) fn approach<R: Borrow<Ray>>(&mut self, rays: &[R], sizes: &[f64], goes_on: &dyn Fn() -> bool) {
        self.amounts.resize(rays.len(), 0.0);
        self.duals.resize(sizes.len(), 0.0);
        let roots: Vec<f64> = sizes.iter().map(|size| size.sqrt()).collect();
        let mut columns: Vec<Column> = Vec::new();
        let mut row_sums = vec![0.0; sizes.len()];
        for (place, (ray, amount)) in rays.iter().map(Borrow::borrow).zip(&self.amounts).enumerate() {
            let cost: f64 = ray.usage().iter().map(|(row, share)| share * at(&self.duals, *row)).sum();
            if *amount > 0.0 || cost < TOO_DEAR * ray.brings {
                let column = Column::of(place, ray, *amount, &roots);
                add(&mut row_sums, &column.entries, 1.0);
                columns.push(column);
            }
        }
        let mut duals: Vec<f64> = self.duals.iter().zip(&roots).map(|(dual, root)| dual / root).collect();
        let mut used = vec![0.0; sizes.len()];
        columns.iter().for_each(|column| add(&mut used, &column.entries, column.amount));
        let mut used_next = vec![0.0; sizes.len()];
        let mut sums = vec![0.0; sizes.len()];
        let mut steps = 0.0;
        while steps < STEPS && goes_on() {
            steps += 1.0;
            used_next.fill(0.0);
            for column in &mut columns {
                let costs: f64 = column.entries.iter().map(|(row, entry)| entry * at(&duals, *row)).sum();
                column.amount = (column.amount + column.step * (column.brings - costs)).max(0.0);
                if column.amount > 0.0 {
                    column.sum += column.amount;
                    add(&mut used_next, &column.entries, column.amount);
                }
            }
            let rows = used_next.iter().zip(&used).zip(roots.iter().zip(&row_sums));
            for ((dual, sum), ((next, now), (limit, row_sum))) in duals.iter_mut().zip(&mut sums).zip(rows) {
                let over = 2.0 * next - now - limit;
                *dual = if *row_sum > 0.0 { (*dual + PRICE_WEIGHT / row_sum * over).max(0.0) } else { 0.0 };
                *sum += *dual;
            }
            std::mem::swap(&mut used, &mut used_next);
        }
        if steps == 0.0 {
            return;
        }
        self.amounts.fill(0.0);
        for column in columns {
            if let Some(amount) = self.amounts.get_mut(column.place) {
                *amount = column.sum / steps / column.width;
            }
        }
        self.duals = sums.iter().zip(&roots).map(|(sum, root)| sum / steps * root).collect();
    }
}

impl Column {
    fn of(place: usize, ray: &Ray, amount: f64, roots: &[f64]) -> Self {
        let moved = ray.usage().iter().map(|(row, share)| share * at(roots, *row).powi(2)).fold(0.0, f64::max);
        let width = if moved > 0.0 { moved.sqrt() } else { 1.0 };
        let entries: Vec<(usize, f64)> =
            ray.usage().iter().map(|(row, share)| (*row, share * at(roots, *row) / width)).collect();
        let sum: f64 = entries.iter().map(|(_, entry)| entry).sum();
        let step = if sum > 0.0 { 1.0 / (PRICE_WEIGHT * sum) } else { 0.0 };
        Self { place, width, brings: ray.brings / width, entries, step, amount: amount * width, sum: 0.0 }
    }
}

/// By row, and nothing where there is none.
fn at(rows: &[f64], row: usize) -> f64 {
    rows.get(row).copied().unwrap_or(0.0)
}

fn add(used: &mut [f64], entries: &[(usize, f64)], amount: f64) {
    for (row, entry) in entries {
        if let Some(used) = used.get_mut(*row) {
            *used += entry * amount;
        }
    }
}

/// Amounts that bring about as much by fewer columns, about as many as a vertex would take: those that bring least are
/// left out, some at a time, and the others approach the optimum without them.
pub(crate) fn thinned(rays: &[Ray], mut at: Point, sizes: &[f64], goes_on: &dyn Fn() -> bool) -> Vec<f64> {
    let mut places: Vec<usize> = (0..rays.len()).collect();
    for share in THINNED_TO {
        if !goes_on() {
            break;
        }
        let most = sizes.len() * share / 100;
        let mut brought: Vec<(f64, usize, f64)> = places
            .iter()
            .zip(&at.amounts)
            .filter_map(|(place, amount)| Some((rays.get(*place)?.brings * amount, *place, *amount)))
            .filter(|(brings, ..)| *brings > 0.0)
            .collect();
        brought.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        brought.truncate(most);
        brought.sort_unstable_by_key(|(_, place, _)| *place);
        places = brought.iter().map(|(_, place, _)| *place).collect();
        at.amounts = brought.iter().map(|(.., amount)| *amount).collect();
        let kept: Vec<&Ray> = places.iter().filter_map(|place| rays.get(*place)).collect();
        for _ in 0..APPROACHES {
            at.approach(&kept, sizes, goes_on);
        }
    }
    let mut amounts = vec![0.0; rays.len()];
    for (place, amount) in places.into_iter().zip(at.amounts) {
        if let Some(kept) = amounts.get_mut(place) {
            *kept = amount;
        }
    }
    within(rays, &amounts, sizes.len())
}

/// Amounts scaled down until no limit is overdrawn.
pub(crate) fn within<R: Borrow<Ray>>(rays: &[R], amounts: &[f64], rows: usize) -> Vec<f64> {
    let mut used = vec![0.0; rows];
    for (ray, amount) in rays.iter().map(Borrow::borrow).zip(amounts) {
        add(&mut used, ray.usage(), *amount);
    }
    let scaled = rays.iter().map(Borrow::borrow).zip(amounts).map(|(ray, amount)| {
        let most = ray.usage().iter().filter_map(|(row, _)| used.get(*row)).fold(1.0_f64, |most, used| most.max(*used));
        amount / most
    });
    scaled.collect()
}
