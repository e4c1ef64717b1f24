//! The first prices: what the limits would be worth were rings of any length allowed.
//!
//! # Design
//!
//! A party is content in rings of any length whenever all that it receives pays for all that it gives, since what
//! pays can be shared out among what is paid for. So without a longest ring the relaxation needs no rings: one
//! variable for each give and take, one row for each good (as much is taken as is given) and for each party (its
//! receipts pay for its gifts). That is small, and its duals, a price for each good and one for each party's
//! purse, are near the ones that rings of at most so many parties come to: the making of columns starts from them.
//!
//! They also bound without a search. Take any good's price p and any purse's λ ≥ 0. Round a ring prices cancel, and
//! every party's λ · (worth of its receipts − cost of its gifts with its margin) is not negative, so a ring brings no
//! more than Σ q·(gain − p + λ·worth) over its receipts plus Σ q·(p − loss − λ·cost) over its gifts. Where a limit's
//! price is at least the bracket, and at least nought, no ring is worth more than it uses up. Floats only choose p and
//! λ; the brackets are rounded up in fixed point.

use std::time::Duration;

use highs::{ColProblem, HighsModelStatus, Row};
use schemas::Rational;
use schemas::limit::PPM;
use terms::Exact;

use crate::fixed::{Between, ENDLESS, FRACTION_BITS, guide, plus, shifted_up};
use crate::instance::Instance;
use crate::master::quiet;
use crate::rings::Prices;
use crate::stopwatch::Watch;
use crate::table::{GoodId, Id, PartyId, Table};

/// The solver may look for prices until so much of the time is spent, in percent.
const UNTIL_PERCENT: u32 = 30;
/// The solver takes at least so many times as long as writing down what it is asked.
const SOLVER_PATIENCE: u32 = 8;
/// The objective is scaled so that what fills the largest limit counts about this much.
const LARGEST_OBJECTIVE: f64 = 1e4;

/// What pays and what is paid for: a party's receipts and gifts at the worst corner of its bounds, its margin on top,
/// for 2^scale minor units of each, in a unit of the party's own.
struct Purse {
    worths: Vec<Between>,
    costs: Vec<Between>,
}

impl Purse {
    fn of(instance: &Instance, party: PartyId) -> Self {
        let row = &instance.parties[party];
        let worth = |take| {
            let take = &instance.takes[take];
            Amount {
                of: take.value.lo,
                by: row.factors.receipt_ppb,
                margin_ppm: 0,
                scale: instance.goods[take.good].scale,
            }
        };
        let cost = |give| {
            let give = &instance.gives[give];
            let (of, by, margin_ppm) = (give.cost.hi, row.factors.giving_ppb, row.margin_ppm);
            Amount { of, by, margin_ppm, scale: instance.goods[give.good].scale }
        };
        let worths: Vec<Amount> = row.takes().map(worth).collect();
        let costs: Vec<Amount> = row.gives().map(cost).collect();
        let logs = worths.iter().chain(&costs).map(|amount| amount.guide().log2() + f64::from(amount.scale));
        let most = logs.filter(|log| log.is_finite()).fold(f64::NEG_INFINITY, f64::max);
        #[allow(clippy::cast_possible_truncation)]
        let unit = if most.is_finite() { most.round() as i32 } else { 0 };
        let in_units = |amounts: Vec<Amount>| amounts.iter().map(|amount| amount.between(unit)).collect();
        Self { worths: in_units(worths), costs: in_units(costs) }
    }
}

/// A stated value or cost, times a factor, its margin on top.
struct Amount {
    of: Rational,
    by: i64,
    margin_ppm: i64,
    /// It is for 2^scale minor units.
    scale: i32,
}

impl Amount {
    #[allow(clippy::cast_precision_loss)]
    fn guide(&self) -> f64 {
        self.of.to_f64() * self.by as f64 * (1.0 + self.margin_ppm as f64 / PPM as f64)
    }

    /// In units of 2^unit.
    fn between(&self, unit: i32) -> Between {
        let (top, bottom) = (i128::from(self.of.numerator()), i128::from(self.of.denominator()));
        let with_margin = i128::from(PPM) + i128::from(self.margin_ppm);
        let top = top.checked_mul(self.by.into()).and_then(|top| top.checked_mul(with_margin));
        Between::quick(top, bottom.checked_mul(PPM.into()), self.scale - unit).unwrap_or_else(|| {
            Between::of(&Exact::from(self.of).times(self.by).with_margin(self.margin_ppm), self.scale - unit)
        })
    }
}

/// Prices that bound what rings of any length can reach: the lowest where the solver finds them in time, else each
/// good's market price. With them, the prices of 2^scale minor units of each good that they follow from.
pub(crate) fn prices(instance: &Instance, watch: &Watch) -> (Prices, Table<GoodId, i128>) {
    let began = watch.elapsed();
    let mut purses: Table<PartyId, Purse> = Table::new();
    for party in instance.parties.ids() {
        purses.push(Purse::of(instance, party));
    }
    let duals = Duals { goods: market_prices(instance), purses: Table::like(&instance.parties, 0) };
    let market = duals.prices(instance, &purses);
    // The solver reads in its own time. Where it takes longer than there is, that shows here already.
    let left = watch.left_until(UNTIL_PERCENT);
    if watch.elapsed().saturating_sub(began) * SOLVER_PATIENCE > left {
        return (market, duals.goods);
    }
    match solve(instance, &purses, left) {
        Some(solved) => {
            let pooled = solved.prices(instance, &purses);
            if pooled.total(instance) < market.total(instance) { (pooled, solved.goods) } else { (market, duals.goods) }
        }
        None => (market, duals.goods),
    }
}

/// Prices of 2^scale minor units of each good, and weights of each party's purse, none negative, in fixed point.
struct Duals {
    goods: Table<GoodId, i128>,
    purses: Table<PartyId, i128>,
}

/// The programme's duals, within a time limit.
#[allow(clippy::cast_precision_loss)]
fn solve(instance: &Instance, purses: &Table<PartyId, Purse>, limit: Duration) -> Option<Duals> {
    if limit.is_zero() {
        return None;
    }
    let units = |limit: i64, good: GoodId| limit as f64 * f64::powi(2.0, -instance.goods[good].scale);
    let largest =
        instance.takes.iter().map(|(_, take)| guide(take.gain.lo) * units(take.limit, take.good)).fold(0.0, f64::max);
    let money = if largest > 0.0 { largest / LARGEST_OBJECTIVE } else { 1.0 };
    let mut problem = ColProblem::new();
    let good_rows: Vec<Row> = instance.goods.ids().map(|_| problem.add_row(..=0.0)).collect();
    let party_rows: Vec<Row> = instance.parties.ids().map(|_| problem.add_row(..=0.0)).collect();
    let want_rows: Vec<Row> = instance.wants.ids().map(|_| problem.add_row(..=1.0)).collect();
    for (party, purse) in purses.iter() {
        let purse_row = *party_rows.get(party.row())?;
        for (give, cost) in instance.parties[party].gives().zip(&purse.costs) {
            let give = &instance.gives[give];
            let most = units(give.limit, give.good);
            let good_row = *good_rows.get(give.good.row())?;
            problem.add_column(
                -guide(give.loss.lo) * most / money,
                0.0..=1.0,
                [(good_row, -most / money), (purse_row, guide(cost.lo) * most / money)],
            );
        }
        for (take, worth) in instance.parties[party].takes().zip(&purse.worths) {
            let take = &instance.takes[take];
            let most = units(take.full, take.good);
            let good_row = *good_rows.get(take.good.row())?;
            let want_row = *want_rows.get(take.want.row())?;
            problem.add_column(
                guide(take.gain.hi) * most / money,
                0.0..=take.limit as f64 / take.full as f64,
                [(good_row, most / money), (purse_row, -guide(worth.hi) * most / money), (want_row, 1.0)],
            );
        }
    }
    let mut model = quiet(problem)?;
    model.try_set_option("time_limit", limit.as_secs_f64()).ok()?;
    let solved = model.try_solve().ok()?;
    if solved.status() != HighsModelStatus::Optimal {
        return None;
    }
    let solution = solved.get_solution();
    let mut rows = solution.dual_rows().iter();
    let mut duals = Duals { goods: Table::like(&instance.goods, 0), purses: Table::like(&instance.parties, 0) };
    for (good, dual) in instance.goods.ids().zip(rows.by_ref()) {
        duals.goods[good] = fixed(*dual);
    }
    for (party, dual) in instance.parties.ids().zip(rows) {
        duals.purses[party] = fixed(*dual);
    }
    Some(duals)
}

/// The size of a dual: which sign it has is the solver's convention.
#[allow(clippy::cast_possible_truncation)]
fn fixed(dual: f64) -> i128 {
    (dual.abs() * f64::powi(2.0, FRACTION_BITS)).round().min(1e30) as i128
}

impl Duals {
    /// The lowest prices of limits at which these prove that no ring is worth more than it uses up.
    fn prices(&self, instance: &Instance, purses: &Table<PartyId, Purse>) -> Prices {
        let mut prices = Prices::zero(instance);
        for (party, purse) in purses.iter() {
            let row = &instance.parties[party];
            let weight = Between::exactly(self.purses[party]);
            for (id, cost) in row.gives().zip(&purse.costs) {
                let give = &instance.gives[id];
                let costs = plus(give.loss.lo, weight.times(*cost).lo);
                prices.give[id] = plus(self.goods[give.good], -costs).max(0);
            }
            for (id, worth) in row.takes().zip(&purse.worths) {
                let take = &instance.takes[id];
                let brings = plus(take.gain.hi, weight.times(*worth).hi);
                let surplus = plus(brings, -self.goods[take.good]).max(0);
                let whole = if surplus == ENDLESS { None } else { surplus.checked_mul(i128::from(take.full)) };
                let whole = whole.map_or(ENDLESS, |whole| shifted_up(whole, -instance.goods[take.good].scale));
                prices.want[take.want] = prices.want[take.want].max(whole);
            }
        }
        prices
    }
}

/// The price of 2^scale minor units of each good at which its supply meets its demand, as if nobody had to give
/// anything for it.
fn market_prices(instance: &Instance) -> Table<GoodId, i128> {
    let mut prices = Table::like(&instance.goods, 0);
    for (id, good) in instance.goods.iter() {
        // Every unit supplied or demanded, from the cheapest: where as much is supplied as is demanded for more.
        let mut steps: Vec<(i128, i128, i128)> = Vec::new();
        for give in &good.givers {
            let row = &instance.gives[*give];
            steps.push((row.loss.lo, i128::from(row.limit), 0));
        }
        let mut demand = 0;
        for take in &good.takers {
            let row = &instance.takes[*take];
            steps.push((row.gain.hi, 0, i128::from(row.limit)));
            demand += i128::from(row.limit);
        }
        steps.sort_unstable();
        let mut supply = 0;
        for (at, supplied, demanded) in steps {
            (supply, demand, prices[id]) = (supply + supplied, demand - demanded, at);
            if supply >= demand {
                break;
            }
        }
    }
    prices
}
