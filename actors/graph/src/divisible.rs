//! The linear relaxation: how much each ring should move, were quantities endlessly divisible.
//!
//! # Design
//!
//! One row for each limit (a give's, a want's), one column for each extreme ray of each ring (see
//! [`rings`](crate::rings)): few rows and very many columns, so columns are made when the duals ask for them
//! (Gilmore and Gomory, 1961). The solver is HiGHS, warm from one round to the next, one thread, one seed.
//!
//! Its duals are floats and only guide. They are rounded to prices in fixed point, which are as good as any
//! for a bound: with prices y ≥ 0 on the limits, no set of rings can reach more than Σ y·limit when no ring
//! is worth more than it uses up. Where the search finds that some still are, by at most Δ for each unit
//! of a give with the slack seat there, adding Δ to that give's price makes it true, since every ray has exactly
//! one such unit. So every finished search proves a bound, first coarse, at the end within millionths.

use std::collections::BTreeSet;
use std::time::Duration;

use highs::{ColProblem, HighsModelStatus, Model, Row, Sense};

use crate::fixed::{ENDLESS, FRACTION_BITS, plus, shifted_up, times_up};
use crate::instance::Instance;
use crate::rings::{Prices, Search};
use crate::stopwatch::Watch;
use crate::table::{GiveId, Id, SeatId, Table, TakeId, WantId};

/// Columns may be made until so much of the time is spent, in percent.
const UNTIL_PERCENT: u32 = 70;
/// Seats that the first search may look at from one give; later ones look further.
const FIRST_EFFORT: u64 = 4_000;
const EFFORT_GROWTH: u64 = 16;
/// Rays kept from one give in one search: its best and those on the way there.
const RAYS_KEPT: usize = 4;
/// A bound this near the relaxation's value ends the making of columns.
const CLOSE_ENOUGH: f64 = 1e-6;
/// A ray must be worth more than 2^−22 of what its slack seat's give costs: less is noise of the duals.
const NOISE_BITS: u32 = 22;
/// The objective is scaled so that what fills the largest limit counts about this much.
const LARGEST_OBJECTIVE: f64 = 1e4;

/// An extreme ray of a ring's cone, as a column.
#[derive(Debug, Clone)]
pub(crate) struct Ray {
    /// The seats, the slack one first.
    pub(crate) seats: Vec<SeatId>,
    /// What each seat gives when the column is one, in minor units.
    pub(crate) given: Vec<f64>,
}

/// What the relaxation came to.
pub(crate) struct Relaxed {
    /// Every ray that was made a column.
    pub(crate) rays: Vec<Ray>,
    /// How much of each the relaxation's optimum takes.
    pub(crate) amounts: Vec<f64>,
    /// Prices of the limits that prove the bound once each give's `lift` is added.
    pub(crate) prices: Prices,
    /// An upper bound on the objective of any set of rings, in fixed point.
    pub(crate) bound: i128,
    /// Whether it is proven that no other ring would help.
    pub(crate) complete: bool,
}

/// Solves the relaxation as far as time allows.
pub(crate) fn relax(instance: &Instance, watch: &Watch) -> Relaxed {
    let mut best = Relaxed {
        rays: Vec::new(),
        amounts: Vec::new(),
        prices: Prices::zero(instance),
        bound: bound_by_goods(instance),
        complete: false,
    };
    let Some(mut master) = Master::new(instance) else { return best };
    let mut search = Search::new(instance, watch, UNTIL_PERCENT);
    let mut prices = Prices::zero(instance);
    let mut effort = FIRST_EFFORT;
    let mut value = 0.0;
    loop {
        let round = make_columns(instance, &mut search, &prices, effort, &mut master);
        if instance.all_seated && round.bound < best.bound {
            (best.bound, best.prices) = (round.bound, prices.clone());
        }
        if std::env::var("GRAPH_DEBUG").is_ok() { eprintln!("round: made {} complete {} bound {:.6e} best {:.6e} value {value:.6e} effort {effort} {:?}", round.made, round.complete, fixed_guide(round.bound), fixed_guide(best.bound), watch.elapsed()); }
        let close = master.is_solved && fixed_guide(best.bound) - value <= CLOSE_ENOUGH * value;
        if search.is_out_of_time() && round.made == 0 {
            break;
        }
        if close || round.made == 0 {
            if close || round.complete {
                best.complete = instance.all_seated;
                break;
            }
            effort = effort.saturating_mul(EFFORT_GROWTH);
            continue;
        }
        match master.solve(watch.left_until(UNTIL_PERCENT + 10)) {
            Some(solved) => {
                value = solved.value;
                prices = master.prices(&solved.duals);
                best.amounts = solved.amounts;
            }
            None => break,
        }
        if search.is_out_of_time() {
            break;
        }
    }
    best.rays = master.rays;
    best.amounts.resize(best.rays.len(), 0.0);
    best
}

struct Round {
    made: usize,
    bound: i128,
    complete: bool,
}

fn make_columns(instance: &Instance, search: &mut Search<'_>, prices: &Prices, effort: u64, master: &mut Master<'_>) -> Round {
    search.price(prices);
    let mut bound = prices.total(instance);
    let (mut made, mut complete) = (0, true);
    for start in instance.gives.ids() {
        if instance.seats_of[start].is_empty() {
            continue;
        }
        let noise = ((instance.gives[start].loss.lo + prices.give[start]) >> NOISE_BITS).max(1);
        let mut kept: Vec<Vec<SeatId>> = Vec::new();
        let explored = search.explore(start, noise, effort, &mut |seats, worth| {
            if kept.len() == std::env::var("KEEP").map_or(RAYS_KEPT, |k| k.parse().unwrap()) {
                kept.remove(0);
            }
            kept.push(seats.to_vec());
            worth
        });
        complete &= explored.complete;
        bound = plus(bound, for_limit(instance, start, explored.ceiling));
        for seats in kept {
            made += usize::from(master.add(seats));
        }
    }
    Round { made, bound, complete }
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
}

/// A bound that needs no search: each good's own surplus where its supply meets its demand, as if nobody
/// had to give anything for it.
fn bound_by_goods(instance: &Instance) -> i128 {
    let mut total = 0;
    let mut of_want: Table<WantId, i128> = Table::like(&instance.wants, 0);
    for (_, good) in instance.goods.iter() {
        // The price at which supply meets demand; any other would bound too, less well.
        let mut losses: Vec<(i128, i128)> = good.givers.iter().map(|g| (instance.gives[*g].loss.lo, i128::from(instance.gives[*g].limit))).collect();
        let mut gains: Vec<(i128, i128)> = good.takers.iter().map(|t| (instance.takes[*t].gain.hi, i128::from(instance.takes[*t].limit))).collect();
        losses.sort_unstable();
        gains.sort_unstable_by_key(|(gain, limit)| (std::cmp::Reverse(*gain), *limit));
        let mut supplied = losses.iter();
        let (mut supply, mut demand, mut price) = (0_i128, 0_i128, losses.first().map_or(0, |(loss, _)| *loss));
        'gains: for (gain, limit) in &gains {
            demand += limit;
            while supply < demand {
                match supplied.next() {
                    Some((loss, limit)) if loss <= gain => (supply, price) = (supply + limit, *loss),
                    _ => {
                        price = price.max(if supply < demand { (*gain).min(supplied.next().map_or(*gain, |(loss, _)| *loss)) } else { price });
                        break 'gains;
                    }
                }
            }
        }
        for give in &good.givers {
            total = plus(total, for_limit(instance, *give, (price - instance.gives[*give].loss.lo).max(0)));
        }
        for take in &good.takers {
            let row = &instance.takes[*take];
            let surplus = plus(row.gain.hi, -price).max(0);
            let whole = if surplus == ENDLESS { ENDLESS } else { surplus.checked_mul(i128::from(row.limit)).map_or(ENDLESS, |w| shifted_up(w, -good.scale)) };
            of_want[row.want] = of_want[row.want].max(whole);
        }
    }
    of_want.iter().fold(total, |sum, (_, most)| plus(sum, *most))
}

/// A fixed-point number as a float, as a guide.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn fixed_guide(number: i128) -> f64 {
    number as f64 / f64::powi(2.0, FRACTION_BITS)
}

struct Solved {
    value: f64,
    amounts: Vec<f64>,
    /// By row.
    duals: Vec<f64>,
}

/// The linear programme and its columns so far.
struct Master<'a> {
    instance: &'a Instance,
    model: Option<Model>,
    gives: Table<GiveId, Option<(Row, usize)>>,
    wants: Table<WantId, Option<(Row, usize)>>,
    rays: Vec<Ray>,
    known: BTreeSet<Vec<SeatId>>,
    /// What one unit of the solver's objective is.
    money: f64,
    spent: Duration,
    is_solved: bool,
}

impl<'a> Master<'a> {
    fn new(instance: &'a Instance) -> Option<Self> {
        let mut problem = ColProblem::new();
        let mut rows = 0;
        let mut row = |problem: &mut ColProblem| {
            rows += 1;
            (problem.add_row(..=1.0), rows - 1)
        };
        let mut gives = Table::like(&instance.gives, None);
        let mut wants = Table::like(&instance.wants, None);
        let mut largest = 0.0_f64;
        for (_, seat) in instance.seats.iter() {
            let take = &instance.takes[seat.take];
            if gives[seat.give].is_none() {
                gives[seat.give] = Some(row(&mut problem));
            }
            if wants[take.want].is_none() {
                wants[take.want] = Some(row(&mut problem));
            }
            #[allow(clippy::cast_precision_loss)]
            let most = take.gain_guide * take.limit as f64;
            largest = largest.max(most);
        }
        if largest <= 0.0 {
            return None;
        }
        let model = quiet(problem)?;
        Some(Self {
            instance,
            model: Some(model),
            gives,
            wants,
            rays: Vec::new(),
            known: BTreeSet::new(),
            money: largest / LARGEST_OBJECTIVE,
            spent: Duration::ZERO,
            is_solved: false,
        })
    }

    /// Makes a ray a column, unless it is one.
    #[allow(clippy::cast_precision_loss)]
    fn add(&mut self, seats: Vec<SeatId>) -> bool {
        let Some(model) = &mut self.model else { return false };
        if self.known.contains(&seats) {
            return false;
        }
        let instance = self.instance;
        let mut given: Vec<f64> = Vec::with_capacity(seats.len());
        let mut quantity = 1.0;
        let (mut usage, mut objective) = (Vec::with_capacity(2 * seats.len()), 0.0);
        for (index, (giver, receiver)) in seats.iter().zip(seats.iter().cycle().skip(1)).enumerate() {
            let (giver, receiver) = (&instance.seats[*giver], &instance.seats[*receiver]);
            if index > 0 {
                quantity *= giver.rate_guide;
            }
            given.push(quantity);
            let (give, take) = (&instance.gives[giver.give], &instance.takes[receiver.take]);
            objective += quantity * (take.gain_guide - give.loss_guide);
            if let (Some((give_row, _)), Some((want_row, _))) = (self.gives[giver.give], self.wants[take.want]) {
                usage.push((give_row, quantity / give.limit as f64));
                usage.push((want_row, quantity / take.full as f64));
            }
        }
        let most = usage.iter().map(|(_, share)| *share).fold(0.0, f64::max);
        if !(most > 0.0 && most.is_finite() && objective.is_finite()) {
            return false;
        }
        for quantity in &mut given {
            *quantity /= most;
        }
        let column = model.try_add_column(objective / most / self.money, 0.0.., usage.into_iter().map(|(row, share)| (row, share / most)));
        if column.is_err() {
            return false;
        }
        self.known.insert(seats.clone());
        self.rays.push(Ray { seats, given });
        true
    }

    /// Solves it within `limit`; `None` when there was no time, or the solver failed.
    fn solve(&mut self, limit: Duration) -> Option<Solved> {
        let mut model = self.model.take()?;
        if limit.is_zero() {
            return None;
        }
        // HiGHS counts the time of all its runs together.
        if let Ok(x) = std::env::var("STRAT") { let _ = model.try_set_option("simplex_strategy", x.parse::<i32>().unwrap()); }
        if let Ok(x) = std::env::var("SOLVER") { let _ = model.try_set_option("solver", x.as_str()); let _ = model.try_set_option("run_crossover", std::env::var("CROSS").unwrap_or("off".into()).as_str()); }
        if let Ok(x) = std::env::var("EDGE") { let _ = model.try_set_option("simplex_dual_edge_weight_strategy", x.parse::<i32>().unwrap()); let _ = model.try_set_option("simplex_primal_edge_weight_strategy", x.parse::<i32>().unwrap()); }
        if let Ok(x) = std::env::var("PRESOLVE") { let _ = model.try_set_option("presolve", x.as_str()); }
        let _ = model.try_set_option("time_limit", (self.spent + limit).as_secs_f64());
        let solved = model.try_solve().ok()?;
        self.spent += Duration::ZERO;
        if solved.status() != HighsModelStatus::Optimal {
            return None;
        }
        let solution = solved.get_solution();
        let value = solved.objective_value() * self.money;
        self.model = Some(solved.into());
        self.is_solved = true;
        Some(Solved { value, amounts: solution.columns().to_vec(), duals: solution.dual_rows().to_vec() })
    }

    /// The duals as prices in fixed point.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    fn prices(&self, duals: &[f64]) -> Prices {
        let instance = self.instance;
        let mut prices = Prices::zero(instance);
        let one = f64::powi(2.0, FRACTION_BITS);
        let price = |row: usize| duals.get(row).map_or(0.0, |dual| dual.abs() * self.money * one);
        for give in instance.gives.ids() {
            if let Some((_, row)) = self.gives[give] {
                let whole = f64::powi(2.0, instance.goods[instance.gives[give].good].scale);
                prices.give[give] = (price(row) / instance.gives[give].limit as f64 * whole).round() as i128;
            }
        }
        for want in instance.wants.ids() {
            if let Some((_, row)) = self.wants[want] {
                prices.want[want] = price(row).round() as i128;
            }
        }
        prices
    }
}

/// A model that says nothing, on one thread with one seed.
pub(crate) fn quiet(problem: ColProblem) -> Option<Model> {
    let mut model = problem.try_optimise(Sense::Maximise).ok()?;
    for (option, value) in [("output_flag", false), ("log_to_console", false)] {
        model.try_set_option(option, value).ok()?;
    }
    model.try_set_option("threads", 1).ok()?;
    model.try_set_option("parallel", "off").ok()?;
    model.try_set_option("random_seed", 1).ok()?;
    Some(model)
}
