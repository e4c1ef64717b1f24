//! Fairness between sets of rings that reach the same objective.
//!
//! # Design
//!
//! Many sets of rings reach the same objective, above all in kidney exchange, where all that counts is often how many.
//! Between them two things decide, one after the other: that as many agents as possible take part, and that the least
//! of their shares is as large as possible, a share being what an agent gains over the most that one exchange could bring
//! it by its own offer: all that one alternative receives, for one lot given. (McElfresh and Dickerson 2018 discuss such
//! rules for kidney exchange.) Both are integer programmes over the rings that can be part of an optimum, with the
//! objective reached as a condition.
//!
//! The solver only proposes. What it proposes counts if, in whole lots and exactly, it reaches the objective and no
//! fewer agents take part; the rest is for its floats to judge, and for its time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use highs::{ColProblem, HighsModelStatus, Row};
use schemas::ErrorReply;
use schemas::value::Bounds;

use crate::instance::Instance;
use crate::listing::Listing;
use crate::master::quiet;
use crate::round::{Book, hops};
use crate::table::{GiveId, PartyId, SeatId, TakeId};

/// The agents that a choice of rings serves: whoever starts a chain is not served by it.
fn served<'a>(instance: &Instance, rings: impl Iterator<Item = &'a [SeatId]>) -> BTreeSet<PartyId> {
    let seats = rings.flatten().map(|seat| instance.seats[*seat].party);
    seats.filter(|party| instance.parties[*party].starts.is_none()).collect()
}

/// What so much received by a take is worth at central values, as a guide.
#[allow(clippy::cast_precision_loss)]
fn worth(instance: &Instance, take: TakeId, quantity: i64) -> f64 {
    let take = &instance.takes[take];
    quantity as f64 * central(take.value) * instance.parties[take.party].factors.receipt_ppb as f64
}

/// What giving so much costs at central values, as a guide.
#[allow(clippy::cast_precision_loss)]
fn cost(instance: &Instance, give: GiveId, quantity: i64) -> f64 {
    let give = &instance.gives[give];
    quantity as f64 * central(give.cost) * instance.parties[give.party].factors.giving_ppb as f64
}

fn central(bounds: Bounds) -> f64 {
    f64::midpoint(bounds.lo.to_f64(), bounds.hi.to_f64())
}

/// What each party gains by a choice.
fn gains(instance: &Instance, seats: &[SeatId], given: &[i64]) -> BTreeMap<PartyId, f64> {
    let mut gains: BTreeMap<PartyId, f64> = BTreeMap::new();
    for ((give, take), quantity) in hops(instance, seats).zip(given).filter(|((give, _), _)| !instance.is_end(*give)) {
        *gains.entry(instance.gives[give].party).or_default() -= cost(instance, give, *quantity);
        *gains.entry(instance.takes[take].party).or_default() += worth(instance, take, *quantity);
    }
    gains.retain(|party, _| instance.parties[*party].starts.is_none());
    gains
}

/// The most that one exchange could bring a party by its own offer.
fn best(instance: &Instance, party: PartyId) -> f64 {
    let row = &instance.parties[party];
    let least_cost = |take: TakeId| {
        let good = instance.takes[take].good;
        let gives = row.gives().chain(row.ends).filter(move |give| instance.gives[*give].good != good);
        gives.map(|give| cost(instance, give, instance.lot(instance.gives[give].good))).reduce(f64::min)
    };
    let by = |take| Some(worth(instance, take, instance.takes[take].limit) - least_cost(take)?);
    row.takes().filter_map(by).fold(0.0, f64::max)
}

/// A fairer set of rings than `book` that reaches as much, if there is one on the list and time finds it.
///
/// # Errors
/// A refusal (422) where an objective does not fit 64 bits.
pub(crate) fn fairer<'a>(
    instance: &'a Instance,
    listing: &Listing,
    book: &Book<'a>,
    left: &dyn Fn() -> Duration,
) -> Result<Option<Book<'a>>, ErrorReply> {
    let reached = book.objective()?;
    let mut best: Option<Book<'a>> = None;
    let mut most = served(instance, book.rings().map(|(seats, _)| seats)).len();
    let asked = Asked::of(instance, listing, reached);
    // First how many, then how evenly.
    for at_least in [None, Some(())] {
        let at_least = at_least.map(|()| most);
        let Some(taken) = asked.solve(listing, at_least, left()) else { break };
        let fair = listing.placed(instance, &taken)?;
        let count = served(instance, fair.rings().map(|(seats, _)| seats)).len();
        if fair.objective()? >= reached && count >= most {
            (most, best) = (count, Some(fair));
        }
    }
    Ok(best)
}

/// The programme's data.
struct Asked {
    /// By column, who takes part, and the share that each gets.
    shares: Vec<BTreeMap<PartyId, f64>>,
    parties: BTreeMap<PartyId, usize>,
    reached: f64,
}

impl Asked {
    #[allow(clippy::cast_precision_loss)]
    fn of(instance: &Instance, listing: &Listing, reached: i64) -> Self {
        let mut shares: Vec<BTreeMap<PartyId, f64>> =
            listing.choices.iter().map(|(seats, given)| gains(instance, seats, given)).collect();
        let parties: BTreeSet<PartyId> = shares.iter().flat_map(BTreeMap::keys).copied().collect();
        let best: BTreeMap<PartyId, f64> = parties.iter().map(|party| (*party, best(instance, *party))).collect();
        for (party, share) in shares.iter_mut().flatten() {
            let most = best.get(party).copied().unwrap_or(0.0);
            *share = if most > 0.0 { *share / most } else { 1.0 };
        }
        let parties = parties.into_iter().enumerate().map(|(row, party)| (party, row)).collect();
        Self { shares, parties, reached: reached as f64 }
    }

    /// The columns taken: with `at_least`, so many agents take part and the least share is largest; without, as many
    /// agents as possible.
    #[allow(clippy::cast_precision_loss)]
    fn solve(&self, listing: &Listing, at_least: Option<usize>, limit: Duration) -> Option<Vec<usize>> {
        if limit.is_zero() || self.shares.is_empty() {
            return None;
        }
        let programme = &listing.programme;
        let scale = self.reached.max(1.0);
        let mut problem = ColProblem::new();
        let rows: Vec<Row> = programme.capacities.iter().map(|_| problem.add_row(..=1.0)).collect();
        let value = problem.add_row((self.reached - 0.5) / scale..);
        let counted: Vec<Row> = self.parties.iter().map(|_| problem.add_row(0.0..)).collect();
        let even: Vec<Row> = self.parties.iter().map(|_| problem.add_row(..=1.0)).collect();
        let total = problem.add_row(at_least.unwrap_or(0) as f64 - 0.5..);
        for (column, shares) in programme.columns.iter().zip(&self.shares) {
            let mut uses: Vec<(Row, f64)> = Vec::new();
            for (row, used) in &column.uses {
                uses.push((*rows.get(*row)?, *used as f64 / (*programme.capacities.get(*row)?).max(1) as f64));
            }
            uses.push((value, column.value as f64 / scale));
            for (party, share) in shares {
                let at = *self.parties.get(party)?;
                uses.push((*counted.get(at)?, 1.0));
                uses.push((*even.get(at)?, -share));
            }
            problem.add_integer_column(0.0, 0.0..=1.0, uses);
        }
        let counts = if at_least.is_some() { 0.0 } else { 1.0 };
        for at in 0..self.parties.len() {
            let uses = [(*counted.get(at)?, -1.0), (*even.get(at)?, 1.0), (total, 1.0)];
            problem.add_integer_column(counts, 0.0..=1.0, uses);
        }
        let least: Vec<(Row, f64)> = even.iter().map(|row| (*row, 1.0)).collect();
        // The least share: where it is not asked for, it stays at nought.
        problem.add_column(1.0 - counts, 0.0..=if at_least.is_some() { 1.0 } else { 0.0 }, least);
        let mut model = quiet(problem)?;
        model.try_set_option("time_limit", limit.as_secs_f64()).ok()?;
        let solved = model.try_solve().ok()?;
        if !matches!(solved.status(), HighsModelStatus::Optimal | HighsModelStatus::ReachedTimeLimit)
            || !solved.objective_value().is_finite()
        {
            return None;
        }
        let solution = solved.get_solution();
        let amounts = solution.columns().iter().take(programme.columns.len()).enumerate();
        Some(amounts.filter(|(_, amount)| **amount > 0.5).map(|(at, _)| at).collect())
    }
}
