//! The linear relaxation: how much each ring should move, were quantities endlessly divisible.
//!
//! # Design
//!
//! One row for each limit (a give's, a want's), one column for each extreme ray of each ring (see
//! [`rings`](crate::rings)): few rows and very many columns, so columns are made when the duals ask for them
//! (Gilmore and Gomory, 1961). Duals of a few columns swing wildly; the search is asked at prices halfway
//! between them and the prices that bound best so far, which start at each good's own market price
//! (smoothing after Wentges, 1997).
//!
//! The solver's duals are floats and only guide. They are rounded to prices in fixed point, which are as good
//! as any for a bound: with prices y ≥ 0 on the limits, no set of rings can reach more than Σ y·limit, provided
//! that no ring is worth more than it uses up. Where a search finds that some still are, by at most Δ for each
//! unit of a give with the slack seat there, adding Δ to that give's price makes it true, since every ray has
//! exactly one such unit. So every search proves a bound; the last one raises the price of whatever limit
//! mends a ring the most cheaply, and comes within millionths of the optimum.

use crate::fixed::{ENDLESS, FRACTION_BITS, ONE, plus, shifted_up, times_down};
use crate::instance::Instance;
use crate::master::{Master, Ray};
use crate::rings::{Prices, Search};
use crate::round::hops;
use crate::stopwatch::Watch;
use crate::table::{GiveId, SeatId, Table, WantId};

/// Columns may be made until so much of the time is spent, in percent.
const UNTIL_PERCENT: u32 = 60;
/// The bound may be proven until so much of the time is spent, in percent.
const PROVE_UNTIL_PERCENT: u32 = 75;
/// Seats that the first search may look at from one give; later ones look further.
const FIRST_EFFORT: u64 = 4_000;
const EFFORT_GROWTH: u64 = 16;
/// Rays kept from one give in one search: its best and those on the way there.
const RAYS_KEPT: usize = 3;
/// A bound within so much of the relaxation's value, for each limit, ends the making of columns: rounding to whole
/// lots will cost more than that.
const CLOSE_ENOUGH: f64 = 1e-7;
/// A ray must be worth more than 2^−22 of what its slack seat's give costs: less is noise of the duals.
const NOISE_BITS: u32 = 22;
/// Smoothing: the weight, in 256ths, of the prices that bound best.
const SMOOTHING: i128 = 128;
/// Rings tried from one give to fill it before the first linear programme.
const SEEDS: usize = 8;
/// A limit of which no more than this share is left is spent.
const SPENT: f64 = 1e-6;
/// A price that nobody pays.
const FORBIDDING: i128 = 1 << 90;
/// Rings mended one by one from one give before its own price takes up the rest.
const MENDS: usize = 64;
/// A raise of a give's price that costs less than 2^−30 of the bound is not worth looking for a cheaper one.
const TRIFLE_BITS: u32 = 30;

/// What the relaxation came to.
pub(crate) struct Relaxed {
    /// The columns at the end.
    pub(crate) rays: Vec<Ray>,
    /// How much of each the relaxation's optimum takes.
    pub(crate) amounts: Vec<f64>,
    /// Prices of the limits at which no ring is worth more than it uses up.
    pub(crate) prices: Prices,
    /// An upper bound on the objective of any set of rings, in fixed point: the limits at these prices.
    pub(crate) bound: i128,
    /// Whether no other ring would help.
    pub(crate) complete: bool,
}

/// Solves the relaxation as far as time allows.
pub(crate) fn relax(instance: &Instance, watch: &Watch) -> Relaxed {
    let market = prices_by_goods(instance);
    let mut best = Relaxed {
        rays: Vec::new(),
        amounts: Vec::new(),
        bound: market.total(instance),
        prices: market,
        complete: false,
    };
    let mut master = Master::new(instance);
    let mut search = Search::new(instance, watch, UNTIL_PERCENT);
    best.amounts = seed(instance, &mut search, &best.prices, &mut master);
    let (mut duals, mut value, mut effort, mut is_smoothed) = (Prices::zero(instance), 0.0, FIRST_EFFORT, true);
    if let Some(solved) = master.solve(watch.left_until(UNTIL_PERCENT)) {
        (duals, value) = (master.prices(&solved), solved.value);
        best.amounts = solved.amounts;
    }
    #[allow(clippy::cast_precision_loss)]
    let close_enough = CLOSE_ENOUGH * master.rows() as f64;
    loop {
        let prices = if is_smoothed { duals.towards(&best.prices, SMOOTHING) } else { duals.clone() };
        let round = make_columns(instance, &mut search, &prices, effort, &mut master);
        best.keep(instance, round.prices);
        let close = fixed_guide(best.bound) - value <= close_enough * value;
        if close || search.is_out_of_time() && round.made == 0 {
            best.complete = close;
            break;
        }
        if round.made == 0 {
            if is_smoothed {
                is_smoothed = false;
                continue;
            }
            if round.complete {
                best.complete = true;
                break;
            }
            effort = effort.saturating_mul(EFFORT_GROWTH);
            continue;
        }
        is_smoothed = true;
        let Some(mut solved) = master.solve(watch.left_until(UNTIL_PERCENT)) else { break };
        master.prune(&mut solved);
        (duals, value) = (master.prices(&solved), solved.value);
        best.amounts = solved.amounts;
        if search.is_out_of_time() {
            break;
        }
    }
    if value > 0.0 && fixed_guide(best.bound) - value > 1e-7 * value {
        let mut proof = Search::new(instance, watch, PROVE_UNTIL_PERCENT);
        let proven = prove(instance, &mut proof, duals, effort, best.bound);
        best.keep(instance, proven);
    }
    best.complete &= instance.all_seated;
    best.rays = master.into_rays();
    best.amounts.resize(best.rays.len(), 0.0);
    best
}

impl Relaxed {
    /// Keeps prices that bound better.
    fn keep(&mut self, instance: &Instance, prices: Prices) {
        let bound = prices.total(instance);
        if instance.all_seated && bound < self.bound {
            (self.bound, self.prices) = (bound, prices);
        }
    }
}

/// Fills the limits ring by ring, each give's best first, halfway between free limits and market prices. Far
/// from the best, but soon done, and a good set of first columns.
fn seed(instance: &Instance, search: &mut Search<'_>, market: &Prices, master: &mut Master<'_>) -> Vec<f64> {
    search.price(&market.towards(&Prices::zero(instance), SMOOTHING));
    let mut left = (Table::like(&instance.gives, 1.0_f64), Table::like(&instance.wants, 1.0_f64));
    let mut amounts = Vec::new();
    for start in instance.gives.ids() {
        for _ in 0..SEEDS {
            if left.0[start] <= SPENT || instance.seats_of[start].is_empty() || search.is_out_of_time() {
                break;
            }
            let mut best: Option<Vec<SeatId>> = None;
            search.explore(start, 0, FIRST_EFFORT, &mut |seats, worth| {
                best = Some(seats.to_vec());
                worth
            });
            let Some(seats) = best else { break };
            if !master.add(seats) {
                break;
            }
            let Some(ray) = master.rays().last() else { break };
            #[allow(clippy::cast_precision_loss)]
            let shares = || {
                hops(instance, &ray.seats).zip(&ray.given).map(|((give, take), given)| {
                    let (giving, taking) = (&instance.gives[give], &instance.takes[take]);
                    (give, given / giving.limit as f64, taking.want, given / taking.full as f64)
                })
            };
            let amount = shares().fold(1.0_f64, |most, (give, of_give, want, of_want)| {
                most.min(left.0[give] / of_give).min(left.1[want] / of_want)
            });
            amounts.push(amount);
            for (give, of_give, want, of_want) in shares() {
                left.0[give] -= amount * of_give;
                left.1[want] -= amount * of_want;
                if left.0[give] <= SPENT {
                    search.price_give(give, FORBIDDING);
                }
                if left.1[want] <= SPENT {
                    search.price_want(want, FORBIDDING);
                }
            }
        }
    }
    amounts
}

struct Round {
    made: usize,
    /// The prices, raised so that no ring is worth more than it uses up.
    prices: Prices,
    complete: bool,
}

fn make_columns(
    instance: &Instance,
    search: &mut Search<'_>,
    prices: &Prices,
    effort: u64,
    master: &mut Master<'_>,
) -> Round {
    search.price(prices);
    let mut round = Round { made: 0, prices: prices.clone(), complete: true };
    for start in instance.gives.ids() {
        if instance.seats_of[start].is_empty() {
            continue;
        }
        let noise = ((instance.gives[start].loss.lo + prices.give[start]) >> NOISE_BITS).max(1);
        let mut kept: Vec<Vec<SeatId>> = Vec::new();
        let explored = search.explore(start, noise, effort, &mut |seats, worth| {
            if kept.len() == RAYS_KEPT {
                kept.remove(0);
            }
            kept.push(seats.to_vec());
            worth
        });
        round.complete &= explored.complete;
        round.prices.give[start] = plus(prices.give[start], explored.ceiling);
        for seats in kept {
            round.made += usize::from(master.add(seats));
        }
    }
    round
}

/// Raises prices until no ring is worth more than it uses up, as cheaply as it can.
fn prove(instance: &Instance, search: &mut Search<'_>, mut prices: Prices, effort: u64, bound: i128) -> Prices {
    search.price(&prices);
    let trifle = bound >> TRIFLE_BITS;
    for start in instance.gives.ids() {
        if instance.seats_of[start].is_empty() {
            continue;
        }
        for mends in 0..=MENDS {
            let mut dearest: Option<(Vec<SeatId>, i128)> = None;
            let explored = search.explore(start, 0, effort, &mut |seats, worth| {
                dearest = Some((seats.to_vec(), worth));
                worth
            });
            if explored.ceiling == 0 {
                break;
            }
            let mend = match &dearest {
                Some((seats, worth)) if mends < MENDS && for_limit(instance, start, explored.ceiling) > trifle => {
                    cheapest_mend(instance, seats, *worth)
                }
                _ => None,
            };
            match mend {
                Some(Mend::Give(give, by)) => {
                    prices.give[give] = plus(prices.give[give], by);
                    search.price_give(give, prices.give[give]);
                }
                Some(Mend::Want(want, by)) => {
                    prices.want[want] = plus(prices.want[want], by);
                    search.price_want(want, prices.want[want]);
                }
                None => {
                    prices.give[start] = plus(prices.give[start], explored.ceiling);
                    search.price_give(start, prices.give[start]);
                    break;
                }
            }
        }
    }
    prices
}

/// A raise of one price.
enum Mend {
    Give(GiveId, i128),
    Want(WantId, i128),
}

/// The raise that makes a ray worth nothing at the least cost: of the limit that it would fill first.
#[allow(clippy::cast_precision_loss)]
fn cheapest_mend(instance: &Instance, seats: &[SeatId], worth: i128) -> Option<Mend> {
    let mut quantity = ONE;
    let mut cheapest: Option<(f64, Mend)> = None;
    for (index, ((give, take), seat)) in hops(instance, seats).zip(seats).enumerate() {
        if index > 0 {
            quantity = times_down(quantity, instance.seats[*seat].rate.lo);
        }
        let (giving, taking) = (&instance.gives[give], &instance.takes[take]);
        let charge =
            worth.checked_mul(ONE).and_then(|worth| worth.checked_div(quantity)).and_then(|price| price.checked_add(1));
        if let Some(by) = charge {
            let cost = by as f64 * giving.limit as f64 * f64::powi(2.0, -instance.goods[giving.good].scale);
            if cheapest.as_ref().is_none_or(|(least, _)| cost < *least) {
                cheapest = Some((cost, Mend::Give(give, by)));
            }
        }
        if let Some(by) = instance.want_price_for(take, quantity, worth) {
            let cost = by as f64;
            if cheapest.as_ref().is_none_or(|(least, _)| cost < *least) {
                cheapest = Some((cost, Mend::Want(taking.want, by)));
            }
        }
    }
    cheapest.map(|(_, mend)| mend)
}

/// What a price for 2^scale minor units makes for the whole limit of a give, rounded up.
fn for_limit(instance: &Instance, give: GiveId, price: i128) -> i128 {
    let row = &instance.gives[give];
    if price == ENDLESS {
        return ENDLESS;
    }
    let whole = price.checked_mul(i128::from(row.limit)).unwrap_or(ENDLESS);
    shifted_up(whole, -instance.goods[row.good].scale)
}

impl Prices {
    /// Σ price · limit, rounded up.
    pub(crate) fn total(&self, instance: &Instance) -> i128 {
        let wants = self.want.iter().fold(0, |sum, (_, price)| plus(sum, *price));
        self.give.iter().fold(wants, |sum, (give, price)| plus(sum, for_limit(instance, give, *price)))
    }

    /// The prices so many 256ths of the way to others.
    fn towards(&self, others: &Self, weight: i128) -> Self {
        let mix = |a: i128, b: i128| if b == ENDLESS { a } else { a + (b - a) / 256 * weight };
        let mut mixed = self.clone();
        for give in self.give.ids() {
            mixed.give[give] = mix(self.give[give], others.give[give]);
        }
        for want in self.want.ids() {
            mixed.want[want] = mix(self.want[want], others.want[want]);
        }
        mixed
    }
}

/// Prices that bound without a search: each good at the price where its supply meets its demand, as if
/// nobody had to give anything for it. No hop, so no ring, is worth more than it uses up.
fn prices_by_goods(instance: &Instance) -> Prices {
    let mut prices = Prices::zero(instance);
    for (_, good) in instance.goods.iter() {
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
        let (mut supply, mut price) = (0, 0);
        for (at, supplied, demanded) in steps {
            (supply, demand, price) = (supply + supplied, demand - demanded, at);
            if supply >= demand {
                break;
            }
        }
        for give in &good.givers {
            prices.give[*give] = (price - instance.gives[*give].loss.lo).max(0);
        }
        for take in &good.takers {
            let row = &instance.takes[*take];
            let surplus = plus(row.gain.hi, -price).max(0);
            let whole = if surplus == ENDLESS { None } else { surplus.checked_mul(i128::from(row.full)) };
            let whole = whole.map_or(ENDLESS, |whole| shifted_up(whole, -good.scale));
            prices.want[row.want] = prices.want[row.want].max(whole);
        }
    }
    prices
}

/// A fixed-point number as a float, as a guide.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn fixed_guide(number: i128) -> f64 {
    number as f64 / f64::powi(2.0, FRACTION_BITS)
}
