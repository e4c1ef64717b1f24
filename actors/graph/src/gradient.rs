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
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::channel;

use crate::master::Ray;
use crate::two::both;

/// Steps of one approach, whose averages are what it comes to.
const STEPS: u32 = 50;
/// All columns are looked at every so many steps; in between, only those that move something or are not too dear.
const LOOK_AT_ALL_EVERY: u32 = 8;
/// Too dear is what costs more than so many times what it brings.
const DEAR: f64 = 1.02;
/// How many columns are kept in the stages of thinning, in percent of the rows.
pub(crate) const STAGES: [usize; 4] = [175, 145, 120, 100];
/// How often the columns kept approach the optimum before the next are left out.
pub(crate) const APPROACHES: u32 = 3;
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
    /// How far its amount goes for each unit that it brings more than it costs.
    step: f64,
    amount: f64,
    sum: f64,
    /// Where its entries are.
    entries: Range<usize>,
}

/// Half of the columns that take part. Their entries stand one after the other, since steps do little but read them.
#[derive(Default)]
struct Half {
    columns: Vec<Column>,
    /// Rows, and how much of each is used, scaled.
    entries: Vec<(u32, f32)>,
    /// The columns that are looked at, by their place here.
    looked_at: Vec<usize>,
}

impl Point {
    /// Steps towards the amounts that bring most with no limit, of one each, overdrawn. `sizes` says what each row's
    /// limit is worth, about. Columns that it does not know yet start at nought.
    pub(crate) fn approach<R: Borrow<Ray>>(&mut self, rays: &[R], sizes: &[f64], goes_on: &dyn Fn() -> bool) {
        self.amounts.resize(rays.len(), 0.0);
        self.duals.resize(sizes.len(), 0.0);
        let roots: Vec<f64> = sizes.iter().map(|size| size.sqrt()).collect();
        let (mut here, mut there) = (Half::default(), Half::default());
        for (place, (ray, amount)) in rays.iter().map(Borrow::borrow).zip(&self.amounts).enumerate() {
            let cost: f64 = ray.usage().iter().map(|(row, share)| share * at(&self.duals, *row)).sum();
            if *amount > 0.0 || cost < TOO_DEAR * ray.brings {
                here.add(place, ray, *amount, &roots);
                std::mem::swap(&mut here, &mut there);
            }
        }
        let none = || vec![0.0; sizes.len()];
        let (mut row_sums, mut used) = (none(), none());
        for half in [&here, &there] {
            for column in &half.columns {
                add(&mut row_sums, half.entries_of(column), 1.0);
                add(&mut used, half.entries_of(column), column.amount);
            }
        }
        let duals: Vec<f64> = self.duals.iter().zip(&roots).map(|(dual, root)| dual / root).collect();
        let mut sums = none();
        let mut steps = 0_u32;
        let (ask, asked) = channel::<(Arc<Vec<f64>>, bool, Vec<f64>)>();
        let (answer, answered) = channel::<Vec<f64>>();
        let (mut used_here, mut used_there) = (none(), none());
        let other = move || {
            while let Ok((duals, looks_at_all, mut used)) = asked.recv() {
                there.step(&duals, looks_at_all, &mut used);
                // Before the answer: whoever hears it changes them in place.
                drop(duals);
                if answer.send(used).is_err() {
                    break;
                }
            }
            there
        };
        let own = || {
            let mut shared = Arc::new(duals);
            while steps < STEPS && goes_on() {
                let looks_at_all = steps.is_multiple_of(LOOK_AT_ALL_EVERY);
                // What the other half writes to goes there and comes back, and is never copied.
                let lent = std::mem::take(&mut used_there);
                if ask.send((Arc::clone(&shared), looks_at_all, lent)).is_err() {
                    break;
                }
                here.step(&shared, looks_at_all, &mut used_here);
                let Ok(returned) = answered.recv() else { break };
                used_there = returned;
                steps += 1;
                let rows = used_here.iter().zip(&used_there).zip(&mut used).zip(roots.iter().zip(&row_sums));
                let duals = Arc::make_mut(&mut shared);
                for ((dual, sum), (((here, there), used), (limit, row_sum))) in
                    duals.iter_mut().zip(&mut sums).zip(rows)
                {
                    let next = here + there;
                    let over = 2.0 * next - *used - limit;
                    *dual = if *row_sum > 0.0 { (*dual + PRICE_WEIGHT / row_sum * over).max(0.0) } else { 0.0 };
                    *sum += *dual;
                    *used = next;
                }
            }
            drop(ask);
        };
        let ((), there) = both(own, other);
        if steps == 0 {
            return;
        }
        self.amounts.fill(0.0);
        for column in here.columns.into_iter().chain(there.columns) {
            if let Some(amount) = self.amounts.get_mut(column.place) {
                *amount = column.sum / f64::from(steps) / column.width;
            }
        }
        self.duals = sums.iter().zip(&roots).map(|(sum, root)| sum / f64::from(steps) * root).collect();
    }
}

impl Half {
    #[allow(clippy::cast_possible_truncation)]
    fn add(&mut self, place: usize, ray: &Ray, amount: f64, roots: &[f64]) {
        let moved = ray.usage().iter().map(|(row, share)| share * at(roots, *row).powi(2)).fold(0.0, f64::max);
        let width = if moved > 0.0 { moved.sqrt() } else { 1.0 };
        let (first, mut sum) = (self.entries.len(), 0.0);
        for (row, share) in ray.usage() {
            let entry = share * at(roots, *row) / width;
            self.entries.push((*row as u32, entry as f32));
            sum += entry;
        }
        let step = if sum > 0.0 { 1.0 / (PRICE_WEIGHT * sum) } else { 0.0 };
        let (brings, amount, entries) = (ray.brings / width, amount * width, first..self.entries.len());
        self.columns.push(Column { place, width, brings, step, amount, sum: 0.0, entries });
    }

    fn entries_of(&self, column: &Column) -> &[(u32, f32)] {
        self.entries.get(column.entries.clone()).unwrap_or_default()
    }

    /// Has amounts follow the duals, and says how much of each row they use.
    fn step(&mut self, duals: &[f64], looks_at_all: bool, used: &mut [f64]) {
        let Self { columns, entries, looked_at } = self;
        if looks_at_all {
            looked_at.clear();
            looked_at.extend(0..columns.len());
        }
        used.fill(0.0);
        looked_at.retain(|place| {
            let Some(column) = columns.get_mut(*place) else { return false };
            let entries = entries.get(column.entries.clone()).unwrap_or_default();
            let costs: f64 = entries.iter().map(|(row, entry)| f64::from(*entry) * at(duals, *row as usize)).sum();
            column.amount = (column.amount + column.step * (column.brings - costs)).max(0.0);
            if column.amount > 0.0 {
                column.sum += column.amount;
                add(used, entries, column.amount);
            }
            !looks_at_all || column.amount > 0.0 || costs < DEAR * column.brings
        });
    }
}

/// By row, and nothing where there is none.
fn at(rows: &[f64], row: usize) -> f64 {
    rows.get(row).copied().unwrap_or(0.0)
}

fn add(used: &mut [f64], entries: &[(u32, f32)], amount: f64) {
    for (row, entry) in entries {
        if let Some(used) = used.get_mut(*row as usize) {
            *used += f64::from(*entry) * amount;
        }
    }
}

/// Amounts that bring about as much by fewer columns, about as many as a vertex would take: those that bring least are
/// left out, some at a time, and the others approach the optimum without them. No stage begins that may not.
pub(crate) fn thinned(
    rays: &[Ray],
    mut at: Point,
    sizes: &[f64],
    begins: &dyn Fn() -> bool,
    goes_on: &dyn Fn() -> bool,
) -> Vec<f64> {
    let mut places: Vec<usize> = (0..rays.len()).collect();
    for share in STAGES {
        if !begins() {
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
        for (row, share) in ray.usage() {
            if let Some(used) = used.get_mut(*row) {
                *used += share * amount;
            }
        }
    }
    let scaled = rays.iter().map(Borrow::borrow).zip(amounts).map(|(ray, amount)| {
        let most = ray.usage().iter().filter_map(|(row, _)| used.get(*row)).fold(1.0_f64, |most, used| most.max(*used));
        amount / most
    });
    scaled.collect()
}
