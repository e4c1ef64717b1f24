//! What holds of every clearing.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use proptest::prelude::*;
use schemas::clearing::{Clear as Request, Objective, Offer, Outcome, TieBreak};
use schemas::core::{Call, Core, Job, Stopwatch, Watcher};
use schemas::market::{Alternative, Give, GoodSpec, Want};
use schemas::value::{Bounds, Outlook};
use schemas::{JobId, Rational};

use super::brute;
use super::market::{check, clear, give, good, in_lots, market, offer, quantity, timeless, want};
use crate::Clear;

/// How markets are drawn.
#[derive(Debug, Clone, Copy)]
struct Draw {
    parties: usize,
    goods: usize,
    /// Limits, in lots.
    limits: (i64, i64),
    /// Every how manieth good comes in lots of two; 0 for none.
    lots_every: usize,
    /// Values are whole multiples of costs' unit, so that sums are whole.
    whole_values: bool,
    max_ring: u32,
    /// The longest chain, where one or two of the parties give for nothing.
    max_chain: Option<u32>,
}

const DIVISIBLE: Draw = Draw {
    parties: 7,
    goods: 4,
    limits: (1_000, 100_000),
    lots_every: 0,
    whole_values: false,
    max_ring: 3,
    max_chain: None,
};
const LOTS: Draw =
    Draw { parties: 4, goods: 3, limits: (1, 2), lots_every: 1, whole_values: true, max_ring: 3, max_chain: None };
const MIXED: Draw =
    Draw { parties: 8, goods: 5, limits: (1, 40), lots_every: 2, whole_values: false, max_ring: 4, max_chain: None };
const DIVISIBLE_CHAINS: Draw = Draw { max_chain: Some(3), ..DIVISIBLE };
const LOTS_IN_CHAINS: Draw = Draw { max_chain: Some(3), ..LOTS };
const MIXED_IN_CHAINS: Draw = Draw { max_chain: Some(4), ..MIXED };

fn markets(draw: Draw) -> impl Strategy<Value = Request> {
    let bounds = move |around: i64| {
        (1i64..=40, 0i64..3).prop_map(move |(step, spread)| {
            let centre = if draw.whole_values { around * step } else { around * 100 + step };
            let by = if draw.whole_values { 0 } else { spread };
            let of = |units: i64| Rational::new(units.into(), if draw.whole_values { 1 } else { 13 }).unwrap();
            Bounds { lo: of(centre - by), hi: of(centre + by) }
        })
    };
    let limit = draw.limits.0..=draw.limits.1;
    let give = (0..draw.goods, limit.clone(), bounds(1));
    let way = (0..draw.goods, limit, bounds(1));
    let wants = prop::collection::vec(prop::collection::vec(way, 1..3), 1..3);
    let one = (prop::collection::vec(give, 1..3), wants, 0i64..20_000);
    let for_nothing = if draw.max_chain.is_some() { 1usize..3 } else { 0..1 };
    (prop::collection::vec(one, 2..=draw.parties), for_nothing).prop_map(move |(drawn, for_nothing)| {
        let specs: Vec<GoodSpec> = (0..draw.goods)
            .map(|at| {
                if draw.lots_every > 0 && at % draw.lots_every == 0 {
                    in_lots(&format!("g{at}"), 2)
                } else {
                    good(&format!("g{at}"))
                }
            })
            .collect();
        let lot = |at: usize| specs[at].lot.map_or(1, schemas::Quantity::get);
        let offers = drawn.into_iter().enumerate().map(|(agent, (gives, wants, margin_ppm))| {
            let mut offered: Vec<Give> = Vec::new();
            for (at, limit, cost) in gives {
                if offered.iter().all(|give| give.good != specs[at].good) {
                    offered.push(Give { good: specs[at].good.clone(), limit: quantity(limit * lot(at)), cost });
                }
            }
            let mut wanted: Vec<Want> = Vec::new();
            for ways in wants {
                let mut any_of: Vec<Alternative> = Vec::new();
                for (at, limit, value) in ways {
                    if any_of.iter().all(|a| a.good != specs[at].good)
                        && offered.iter().all(|give| give.good != specs[at].good)
                    {
                        any_of.push(Alternative {
                            good: specs[at].good.clone(),
                            limit: quantity(limit * lot(at)),
                            value,
                        });
                    }
                }
                if !any_of.is_empty() {
                    wanted.push(Want { any_of });
                }
            }
            if agent < for_nothing {
                offered.iter_mut().for_each(|give| give.cost = Bounds::exactly(Rational::ZERO));
                wanted.clear();
            }
            let margin_ppm = if draw.whole_values { 0 } else { margin_ppm };
            Offer { margin_ppm, outlook: Outlook::default(), ..offer(&format!("a{agent}"), offered, wanted) }
        });
        let offers = offers.collect();
        Request { max_ring: draw.max_ring, max_chain: draw.max_chain, ..market(specs.clone(), offers) }
    })
}

fn objectives() -> impl Strategy<Value = Objective> {
    prop_oneof![Just(Objective::Welfare), Just(Objective::Volume), Just(Objective::Served)]
}

/// With a reference price for every good, which volume counts by.
fn priced(mut request: Request) -> Request {
    for (at, spec) in (1..).zip(&mut request.goods) {
        spec.reference_price = Some(Rational::new(3 * at, 1).unwrap());
    }
    request
}

/// A clock that jumps by as much at every look.
#[derive(Debug, Clone, Copy)]
struct Jumping(u64);

impl Stopwatch for Jumping {
    fn start(&self) -> Box<dyn Fn() -> Duration> {
        let (looks, by) = (Cell::new(0_u64), self.0);
        Box::new(move || {
            looks.set(looks.get() + 1);
            Duration::from_millis(looks.get().saturating_mul(by))
        })
    }
}

/// Cancels when it has been asked so often.
struct Impatient {
    asked: AtomicU32,
    patience: u32,
}

impl Watcher for Impatient {
    fn is_stopped(&self) -> bool {
        self.asked.fetch_add(1, Relaxed) >= self.patience
    }

    fn is_due(&self) -> bool {
        false
    }

    fn report(&self, _: &'static str, _: Vec<u8>) {}
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_cancelled_clearing_answers_with_what_it_has(request in markets(LOTS), patience in 0u32..60) {
        let watcher = Arc::new(Impatient { asked: AtomicU32::new(0), patience });
        let job = Some(Job { id: JobId::parse("cancelled").unwrap(), watcher });
        let cleared = <Clear>::default().handle(request.clone(), &Call { job, ..Call::default() }).unwrap();
        check(&request, &cleared);
        prop_assert!(cleared.bound >= brute::optimum(&request));
    }

    #[test]
    fn the_bound_is_the_relaxations_optimum(
        request in prop_oneof![markets(DIVISIBLE), markets(DIVISIBLE_CHAINS)],
        by_volume in any::<bool>(),
    ) {
        let objective = if by_volume { Objective::Volume } else { Objective::Welfare };
        let request = priced(Request { objective, ..request });
        let cleared = clear(&request);
        let relaxation = brute::relaxation(&request);
        let bound = cleared.bound as f64;
        prop_assert!(bound + 1.0 >= relaxation * (1.0 - 1e-7), "bound {bound} below the relaxation {relaxation}");
        prop_assert!(bound <= relaxation * (1.0 + 1e-4) + 1.0, "bound {bound} far above the relaxation {relaxation}");
    }

    #[test]
    fn rounding_costs_little_where_limits_are_large(
        request in prop_oneof![markets(DIVISIBLE), markets(DIVISIBLE_CHAINS)],
    ) {
        let cleared = clear(&request);
        prop_assert_eq!(cleared.outcome, Outcome::Optimal);
        // A ring of three loses a few units of each hop's thousands, and only so many rings are there.
        prop_assert!(cleared.gap_ppm <= 20_000, "{cleared:?}");
    }

    #[test]
    fn few_lots_are_cleared_to_the_proven_optimum(
        request in prop_oneof![markets(LOTS), markets(LOTS_IN_CHAINS)],
        objective in objectives(),
    ) {
        let request = priced(Request { objective, ..request });
        let cleared = clear(&request);
        prop_assert_eq!(cleared.objective, brute::optimum(&request));
        prop_assert_eq!(cleared.bound, cleared.objective);
        prop_assert_eq!(cleared.outcome, Outcome::Optimal);
    }

    #[test]
    fn of_sets_that_reach_the_optimum_the_fairest_is_taken(
        request in prop_oneof![markets(LOTS), markets(LOTS_IN_CHAINS)],
        objective in objectives(),
    ) {
        let request = priced(Request { objective, then: Some(TieBreak::Fairness), ..request });
        let cleared = clear(&request);
        let (optimum, (served, least_share)) = brute::fairest(&request);
        prop_assert_eq!(cleared.objective, optimum);
        let (found, share) = brute::evenness(&request, &cleared);
        prop_assert_eq!(found, served);
        prop_assert!((share - least_share).abs() < 1e-6, "{} of {}", share, least_share);
    }

    #[test]
    fn mixed_markets_are_sound(request in prop_oneof![markets(MIXED), markets(MIXED_IN_CHAINS)]) {
        clear(&request);
    }

    #[test]
    fn the_order_of_offers_does_not_matter(request in markets(MIXED), seed in any::<u64>()) {
        let mut shuffled = request.clone();
        let count = shuffled.offers.len() as u64;
        shuffled.offers.rotate_left((seed % count) as usize);
        let (one, other) = (timeless(clear(&request)), timeless(clear(&shuffled)));
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(timeless(clear(&request)), one);
    }

    /// Whenever time runs out, what is there is sound, and the bound bounds what a patient clearing reaches.
    #[test]
    fn an_answer_is_sound_whenever_time_runs_out(request in markets(MIXED), step_ms in prop::sample::select(vec![1u64, 5, 20, 100, 1_000])) {
        let hasty = Clear::with(Jumping(step_ms)).handle(Request { time_limit_ms: 200, ..request.clone() }, &Call::default()).unwrap();
        check(&request, &hasty);
        let patient = clear(&request);
        prop_assert!(hasty.bound >= patient.objective);
        prop_assert!(patient.bound >= hasty.objective);
    }
}

/// Fifty-one countries and eight goods: each gives or wants five of them, at 1 % either way of values that lie 10 to
/// 30 % above the market's price and costs 5 to 10 % below it.
fn continent() -> Request {
    let goods: Vec<GoodSpec> = (0..8).map(|at| good(&format!("g{at}"))).collect();
    let mut state = 1_u64;
    let mut draw = move |below: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(state >> 33).unwrap() % below
    };
    let prices: Vec<i64> = goods.iter().map(|_| 2_000 + draw(200_000)).collect();
    let offers = (0..51).map(|agent| {
        let (mut gives, mut wants) = (Vec::new(), Vec::new());
        let (cost_percent, value_percent) = (90 + draw(6), 110 + draw(21));
        let first = draw(8);
        for step in 0..5 {
            let at = usize::try_from((first + step) % 8).unwrap();
            let limit = quantity(1 + draw(3_000) * draw(3_000));
            let around = |percent: i64| {
                let of = |ppm: i64| Rational::new((prices[at] * percent * ppm).into(), 100_000_000).unwrap();
                Bounds { lo: of(990_000), hi: of(1_010_000) }
            };
            let name = goods[at].good.clone();
            if draw(3) == 0 {
                gives.push(Give { good: name, limit, cost: around(cost_percent) });
            } else {
                wants.push(Want { any_of: vec![Alternative { good: name, limit, value: around(value_percent) }] });
            }
        }
        Offer { margin_ppm: 10_000, ..offer(&format!("a{agent:02}"), gives, wants) }
    });
    let offers = offers.collect();
    market(goods, offers)
}

#[test]
fn a_continent_is_cleared_to_within_a_thousandth() {
    let cleared = clear(&continent());
    assert_eq!(cleared.outcome, Outcome::Optimal);
    assert!(cleared.gap_ppm <= 1_000, "{} of {}", cleared.objective, cleared.bound);
    assert!(cleared.rings.len() >= 40 && cleared.rings.iter().any(|ring| ring.hops.len() == 3));
    let mut reversed = continent();
    reversed.offers.reverse();
    assert_eq!(timeless(clear(&reversed)), timeless(cleared));
}

#[test]
fn a_millisecond_brings_an_answer() {
    let request = Request { time_limit_ms: 1, ..continent() };
    let hasty = Clear::with(Jumping(1)).handle(request.clone(), &Call::default()).unwrap();
    check(&request, &hasty);
    assert_eq!(hasty.outcome, Outcome::TimeLimit);
    let patient = clear(&continent());
    assert!(hasty.bound >= patient.objective && patient.bound >= hasty.objective);
    check(&request, &<Clear>::default().handle(request.clone(), &Call::default()).unwrap());
}

/// So many offers, each of two goods for two others of twelve, drawn by a congruential generator.
fn fair(offers: usize) -> Request {
    let mut state = 7_u64;
    let mut draw = |least: u64, most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        least + (state >> 33) % (most - least + 1)
    };
    let name = |at: u64| format!("g{}", at % 12);
    let offers = (0..offers).map(|at| {
        let (first, step) = (draw(0, 11), draw(1, 2));
        let limit = |draw: &mut dyn FnMut(u64, u64) -> u64| draw(1_000, 50_000) as i64;
        let gives = [0, 1].map(|k| give(&name(first + k * step), limit(&mut draw), &draw(80, 98).to_string()));
        let wants = [2, 3].map(|k| want(&name(first + k * step), limit(&mut draw), &draw(102, 130).to_string()));
        offer(&format!("a{at}"), gives.to_vec(), wants.to_vec())
    });
    let offers = offers.collect();
    market((0..12).map(|at| good(&name(at))).collect(), offers)
}

#[test]
fn a_large_market_is_cleared_near_the_optimum_in_whatever_order_it_stands() {
    let request = Request { time_limit_ms: 60_000, ..fair(400) };
    let cleared = clear(&request);
    assert!(cleared.gap_ppm <= 5_000, "{} of {}: {} ppm", cleared.objective, cleared.bound, cleared.gap_ppm);
    let turned = Request { offers: request.offers.iter().rev().cloned().collect(), ..request.clone() };
    assert_eq!(clear(&turned).rings, cleared.rings);
}

#[test]
fn a_large_market_may_be_cut_short_anywhere() {
    let request = fair(400);
    for jump_ms in [1, 3, 10, 30, 100, 300] {
        let cleared = Clear::with(Jumping(jump_ms)).handle(request.clone(), &Call::default()).unwrap();
        check(&request, &cleared);
        assert!(cleared.bound >= cleared.objective);
    }
}
