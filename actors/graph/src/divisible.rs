//! The linear relaxation: how much each ring should move, were quantities endlessly divisible.
//!
//! # Design
//!
//! One row for each limit (a give's, a want's), one column for each extreme ray of each ring (see
//! [`rings`](crate::rings)): few rows and very many columns, so columns are made when the duals ask for them
//! (Gilmore and Gomory, 1961). The search is asked at prices halfway between the duals and the prices that bound best
//! so far (smoothing after Wentges, 1997), which at first are those of rings of any length ([`pooled`](crate::pooled)).
//! As long as columns are many and far from the best, a point near the optimum ([`gradient`](crate::gradient)) guides
//! better than a vertex and costs far less (so do interior points: Gondzio, González-Brevis and Munari, 2013); at the
//! end a vertex uses few rings.
//!
//! The solver's duals are floats and only guide. They are rounded to prices in fixed point, which are as good
//! as any for a bound: with prices y ≥ 0 on the limits, no set of rings can reach more than Σ y·limit, provided
//! that no ring is worth more than it uses up. Where a search finds that some still are, by at most Δ for each
//! unit of a give with the slack seat there, adding Δ to that give's price makes it true, since every ray has
//! exactly one such unit. So every search proves a bound; the last one raises the price of whatever limit
//! mends a ring the most cheaply, and comes within millionths of the optimum.

use std::collections::BTreeSet;
use std::ops::Range;

use schemas::ErrorReply;

use crate::bound::prove;
use crate::fixed::{guide, plus};
use crate::gradient::{Point, thinned};
use crate::instance::Instance;
use crate::master::{Master, Precision, Ray};
use crate::pace::Pace;
use crate::pooled;
use crate::rings::{Prices, Search};
use crate::round::{self, Book, hops, place_near};
use crate::scout::{BLOCK, Scout, raised};
use crate::stopwatch::Watch;
use crate::table::{GiveId, GoodId, SeatId, Table, WantId};
use crate::two::both;

/// The first rings may be filled until so much of the time is spent, in percent.
const SEED_UNTIL_PERCENT: u32 = 10;
/// Columns are made near the optimum until so much of the time is spent, in percent: at least, and where what comes
/// after leaves so much time, at most.
const GUIDE_UNTIL_PERCENT: Range<u32> = 40..72;
/// Columns may be made until so much of the time is spent, in percent.
const UNTIL_PERCENT: u32 = 72;
/// The bound may be proven until so much of the time is spent, in percent.
const PROVE_UNTIL_PERCENT: u32 = 79;
/// Columns may be left out with care until so much of the time is spent, in percent.
const THIN_UNTIL_PERCENT: u32 = 88;
/// What is in lots may be fixed until so much of the time is spent, in percent.
const DIVE_UNTIL_PERCENT: u32 = 80;
/// Searches for columns after one ring was fixed.
const DIVE_TRIES: u32 = 3;
/// Seats that a search for first rings may look at from one give.
const SEED_EFFORT: u64 = 4_000;
/// Seats that the first search for columns may look at from one give; later ones look further.
const FIRST_EFFORT: u64 = 100_000;
const EFFORT_GROWTH: u64 = 16;
/// Rays of a give that a scout finds in one round.
const RAYS_SCOUTED: usize = 2;
/// Rays kept from one give in one search: its best and those on the way there.
const RAYS_KEPT: usize = 3;
/// With no more limits than this a vertex costs too little for any other guide.
const MANY_ROWS: usize = 1_000;
/// Points near the optimum guide until the bound is within this share of what they reach.
const GUIDED_ENOUGH: f64 = 1e-3;
/// They guide no longer after so many rounds in which the bound comes no nearer.
const IDLE: u32 = 6;
/// Nearer is this share of the gap before, or less.
const NEARER: f64 = 0.97;
/// They guide for no more rounds than this.
const MOST_ROUNDS: u32 = 1_000;
/// By so much of what it moves a ray that fills a limit makes that limit dearer for the next ones, at first.
const CAUTION: f64 = 1.0 / 64.0;
/// What is left of that in the next round.
const CALMER: f64 = 0.8;
/// Less caution than this is none.
const LEAST_CAUTION: f64 = 1.0 / 1_024.0;
/// Fewer new columns than one of so many are few: it is time to bound.
const FEW_OF: usize = 50;
/// A bound within so much of the relaxation's value, for each limit, ends the making of columns: rounding to whole
/// lots will cost more than that.
const CLOSE_ENOUGH: f64 = 1e-7;
/// A ray must be worth more than 2^−22 of what its slack seat's give costs: less is noise of the duals.
const NOISE_BITS: u32 = 22;
/// Smoothing: the weight, in 256ths, of the prices that bound best.
const SMOOTHING: i128 = 128;
/// First rings are filled at prices that much below those that bound, in 256ths, one after the other: what is nearly
/// as good as rings of any length comes first.
const DISCOUNTS: [i128; SEED_STEPS as usize] = [8, 16, 24, 32, 48, 64, 96, 128, 256];
const SEED_STEPS: u32 = 9;
/// Rings tried from one give at each of these.
const SEEDS: usize = 8;
/// A limit of which no more than this share is left is spent.
const SPENT: f64 = 1e-6;
/// A price that nobody pays.
const FORBIDDING: i128 = 1 << 90;

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
    /// Rings in whole lots, and what each seat gives, where goods are in lots: what the relaxation comes to when more
    /// and more of it is fixed.
    pub(crate) dived: Vec<(Vec<SeatId>, Vec<i64>)>,
    /// What 2^scale minor units of each good are worth where rings may have any length.
    pub(crate) goods: Table<GoodId, i128>,
}

impl Relaxed {
    /// Keeps prices that bound better.
    fn keep(&mut self, instance: &Instance, prices: Prices) {
        let bound = prices.total(instance);
        if instance.all_seated && bound < self.bound {
            (self.bound, self.prices) = (bound, prices);
        }
    }

    /// Bounds by duals, where `goes_on` gives it the time.
    fn bound_by(&mut self, instance: &Instance, duals: &Prices, goes_on: &dyn Fn() -> bool) {
        if let Some(prices) = raised(instance, duals, goes_on) {
            self.keep(instance, prices);
        }
    }
}

/// Solves the relaxation as far as time allows.
///
/// # Errors
/// A refusal (422) where what a ring brings does not fit 64 bits.
pub(crate) fn relax(instance: &Instance, earlier: &[Vec<SeatId>], watch: &Watch) -> Result<Relaxed, ErrorReply> {
    let (first, goods) = pooled::prices(instance, watch);
    let best = Relaxed {
        rays: Vec::new(),
        amounts: Vec::new(),
        bound: first.total(instance),
        prices: first,
        complete: false,
        dived: Vec::new(),
        goods,
    };
    let mut making = Making {
        instance,
        watch,
        master: Master::new(instance),
        search: Search::new(instance, watch, SEED_UNTIL_PERCENT),
        best,
        duals: None,
        value: 0.0,
        is_sparse: true,
        effort: FIRST_EFFORT,
        pace: Pace::default(),
    };
    making.seed(earlier);
    if making.master.rows() > MANY_ROWS {
        making.guide()?;
    }
    // A vertex needs time as well.
    if making.may_guide()() {
        making.make();
    }
    making.finish()
}

/// Columns in the making.
struct Making<'a> {
    instance: &'a Instance,
    watch: &'a Watch,
    master: Master<'a>,
    search: Search<'a>,
    best: Relaxed,
    /// Of the programme solved last.
    duals: Option<Prices>,
    /// What it reached, in the objective's unit.
    value: f64,
    /// Whether the amounts are those of a vertex, or of first rings.
    is_sparse: bool,
    /// Seats that a search may look at from one give.
    effort: u64,
    /// How long things take.
    pace: Pace,
}

impl<'a> Making<'a> {
    /// Fills the limits ring by ring: those known from before, then each give's best first, at ever lower prices. Short
    /// of the best, but soon done, and a good set of first columns.
    fn seed(&mut self, earlier: &[Vec<SeatId>]) {
        let instance = self.instance;
        let mut left = (Table::like(&instance.gives, 1.0_f64), Table::like(&instance.wants, 1.0_f64));
        for ring in earlier {
            // Each seat may be the slack one; of a chain, the one that it starts from.
            for slack in 0..ring.len() {
                let mut seats = ring.clone();
                seats.rotate_left(slack);
                let is_ray = seats
                    .first()
                    .is_some_and(|seat| !instance.is_chain(&seats) || instance.is_start(instance.seats[*seat].give));
                if is_ray && self.master.add(seats) {
                    self.fill_last(&mut left);
                }
            }
        }
        let mut steps = (1_u32..).zip(DISCOUNTS).peekable();
        while let Some((step, discount)) = steps.next() {
            if self.watch.spent_percent() >= SEED_UNTIL_PERCENT {
                return;
            }
            let mut prices = self.best.prices.towards(&Prices::zero(instance), discount);
            for give in instance.gives.ids().filter(|give| left.0[*give] <= SPENT) {
                prices.give[give] = FORBIDDING;
            }
            for want in instance.wants.ids().filter(|want| left.1[*want] <= SPENT) {
                prices.want[want] = FORBIDDING;
            }
            self.search.price(&prices);
            // Each price gets its share of the time; where that is too little, fewer prices get more.
            self.search.may_run_until(SEED_UNTIL_PERCENT * step / SEED_STEPS);
            for start in instance.gives.ids() {
                self.fill(start, &mut left);
            }
            if self.search.is_out_of_time() {
                steps.next_if(|(step, _)| *step < SEED_STEPS);
            }
        }
    }

    /// Fills rings through a give.
    fn fill(&mut self, start: GiveId, left: &mut (Table<GiveId, f64>, Table<WantId, f64>)) {
        let instance = self.instance;
        for _ in 0..SEEDS {
            if left.0[start] <= SPENT || instance.seats_of[start].is_empty() || self.search.is_out_of_time() {
                return;
            }
            let mut best: Option<Vec<SeatId>> = None;
            self.search.explore(start, 0, SEED_EFFORT, &mut |seats, worth| {
                best = Some(seats.to_vec());
                worth
            });
            let Some(seats) = best else { return };
            if !self.master.add(seats) {
                return;
            }
            self.fill_last(left);
        }
    }

    /// Lets the ray made last move as much as is left.
    #[allow(clippy::cast_precision_loss)]
    fn fill_last(&mut self, left: &mut (Table<GiveId, f64>, Table<WantId, f64>)) {
        let instance = self.instance;
        let Some(ray) = self.master.rays().last() else { return };
        let shares = || {
            let moving = |hop: &((GiveId, _), _)| !instance.is_end(hop.0.0);
            hops(instance, &ray.seats).zip(&ray.given).filter(moving).map(|((give, take), given)| {
                let (giving, taking) = (&instance.gives[give], &instance.takes[take]);
                (give, given / giving.limit as f64, taking.want, given / taking.full as f64)
            })
        };
        let amount = shares().fold(1.0_f64, |most, (give, of_give, want, of_want)| {
            most.min(left.0[give] / of_give).min(left.1[want] / of_want)
        });
        let amount = amount.max(0.0);
        self.best.amounts.push(amount);
        for (give, of_give, want, of_want) in shares() {
            left.0[give] -= amount * of_give;
            left.1[want] -= amount * of_want;
            if left.0[give] <= SPENT {
                self.search.price_give(give, FORBIDDING);
            }
            if left.1[want] <= SPENT {
                self.search.price_want(want, FORBIDDING);
            }
        }
    }

    /// Makes columns at the duals of points near the optimum.
    ///
    /// What is made at once is wanted together, so each ray makes its limits dearer for those after it, less and less so:
    /// else all would sit on the same few limits.
    fn guide(&mut self) -> Result<(), ErrorReply> {
        let mut at =
            Point { amounts: std::mem::take(&mut self.best.amounts), duals: self.master.duals(&self.best.prices) };
        let watch = self.watch;
        let mut scouts = [Scout::new(self.instance), Scout::new(self.instance)];
        let (mut caution, mut idle, mut nearest) = (CAUTION, 0, f64::INFINITY);
        for _ in 0..MOST_ROUNDS {
            self.pace.see_rounding(self.instance, self.master.rays(), watch)?;
            let goes_on = self.may_guide();
            if idle == IDLE || !goes_on() {
                break;
            }
            let began = watch.elapsed();
            let value = self.master.approach(&mut at, &goes_on);
            self.pace.approached(self.master.rows() + self.master.rays().len(), watch.elapsed().saturating_sub(began));
            let duals = self.take(value, &mut at);
            scouts.iter_mut().for_each(|scout| scout.price(&duals));
            let began = watch.elapsed();
            let made = self.scout(&mut scouts, caution);
            self.pace.searched(watch.elapsed().saturating_sub(began));
            caution = if caution < LEAST_CAUTION { 0.0 } else { caution * CALMER };
            if made * FEW_OF <= self.master.rays().len() {
                self.best.bound_by(self.instance, &duals, &goes_on);
                if self.is_within(GUIDED_ENOUGH) {
                    break;
                }
                let gap = guide(self.best.bound) - self.value;
                idle = if gap < NEARER * nearest { 0 } else { idle + 1 };
                nearest = nearest.min(gap);
            }
        }
        self.is_sparse = false;
        self.best.amounts = at.amounts;
        Ok(())
    }

    /// Whether there is time to look further, and to make an answer of what was found.
    fn may_guide(&self) -> impl Fn() -> bool + use<'a> {
        let (watch, ending) = (self.watch, self.pace.ending(self.master.rows()));
        move || {
            let spent_percent = watch.spent_percent();
            spent_percent < GUIDE_UNTIL_PERCENT.start
                || spent_percent < GUIDE_UNTIL_PERCENT.end && watch.left_until(round::UNTIL_PERCENT) > ending
        }
    }

    /// Whether the bound is within this share of what is reached.
    fn is_within(&self, share: f64) -> bool {
        guide(self.best.bound) - self.value <= share * self.value
    }

    /// Makes columns at the duals of vertices until none is worth having, the bound is close, or so much of the time is
    /// spent.
    #[allow(clippy::cast_precision_loss)]
    fn make(&mut self) {
        self.search.may_run_until(UNTIL_PERCENT);
        let close_enough = CLOSE_ENOUGH * self.master.rows() as f64;
        while let Some(mut solved) = self.master.solve(Precision::Vertex, self.watch, UNTIL_PERCENT) {
            let duals = self.take(solved.value, &mut solved.at);
            (self.best.amounts, self.is_sparse) = (solved.at.amounts, true);
            let mut is_smoothed = true;
            loop {
                let prices = if is_smoothed { duals.towards(&self.best.prices, SMOOTHING) } else { duals.clone() };
                let round = self.price(&prices);
                self.best.keep(self.instance, round.prices);
                if self.is_within(close_enough) {
                    self.best.complete = true;
                    return;
                }
                if round.made > 0 {
                    break;
                }
                if self.search.is_out_of_time() {
                    return;
                }
                if is_smoothed {
                    is_smoothed = false;
                } else if round.complete {
                    self.best.complete = true;
                    return;
                } else {
                    self.effort = self.effort.saturating_mul(EFFORT_GROWTH);
                }
            }
        }
    }

    /// Takes over a point's duals, and drops columns where they are many.
    fn take(&mut self, value: f64, at: &mut Point) -> Prices {
        self.master.prune(at);
        let duals = self.master.prices(at);
        self.value = value;
        self.duals = Some(duals.clone());
        duals
    }

    /// Has scouts make columns at the prices that they were told; how many.
    fn scout(&mut self, [here, there]: &mut [Scout<'_>; 2], caution: f64) -> usize {
        let (mut made, goes_on) = (0, self.may_guide());
        let starts: Vec<GiveId> = self.instance.gives.ids().collect();
        for block in starts.chunks(BLOCK) {
            if !goes_on() {
                break;
            }
            let (first, second) = block.split_at(block.len() / 2);
            let (of_first, of_second) =
                both(|| here.look_all(first, RAYS_SCOUTED), || there.look_all(second, RAYS_SCOUTED));
            for seats in of_first.into_iter().chain(of_second) {
                if self.master.add(seats) {
                    made += 1;
                    if let Some(ray) = self.master.rays().last() {
                        here.make_dearer(ray, caution);
                        there.make_dearer(ray, caution);
                    }
                }
            }
        }
        made
    }

    /// Looks for columns at these prices.
    fn price(&mut self, prices: &Prices) -> Round {
        let instance = self.instance;
        self.search.price(prices);
        let mut round = Round { made: 0, prices: prices.clone(), complete: true };
        for start in instance.gives.ids() {
            if instance.seats_of[start].is_empty() {
                continue;
            }
            let noise = ((instance.gives[start].loss.lo + prices.give[start]) >> NOISE_BITS).max(1);
            let mut kept: Vec<Vec<SeatId>> = Vec::new();
            let explored = self.search.explore(start, noise, self.effort, &mut |seats, worth| {
                if kept.len() == RAYS_KEPT {
                    kept.remove(0);
                }
                kept.push(seats.to_vec());
                worth
            });
            round.complete &= explored.complete;
            round.prices.give[start] = plus(prices.give[start], explored.ceiling);
            for seats in kept {
                round.made += usize::from(self.master.add(seats));
            }
        }
        round
    }

    /// Fixes rings in whole lots one after the other, those first that the optimum takes most of, and solves anew after
    /// each; where that costs a whole unit of the bound, further columns are looked for. A vertex in which nothing is
    /// left to fix is a set of rings, and more often than not as good as any.
    fn dive(&mut self) -> Result<Vec<(Vec<SeatId>, Vec<i64>)>, ErrorReply> {
        let instance = self.instance;
        let mut book = Book::new(instance);
        let mut is_fixed: BTreeSet<usize> = BTreeSet::new();
        let mut tries = 0;
        self.search.may_run_until(DIVE_UNTIL_PERCENT);
        while let Some(solved) = self.master.solve(Precision::Next, self.watch, DIVE_UNTIL_PERCENT) {
            if solved.value + 1e-6 < guide(self.best.bound).floor() && tries < DIVE_TRIES {
                tries += 1;
                let duals = self.master.prices(&solved.at);
                if self.price(&duals).made > 0 {
                    continue;
                }
            }
            tries = 0;
            let amounts = solved.at.amounts.iter().copied().enumerate();
            let mut open: Vec<(f64, usize)> = amounts
                .filter(|(ray, amount)| *amount > 1e-6 && !is_fixed.contains(ray))
                .map(|(ray, amount)| (amount, ray))
                .collect();
            open.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            if open.is_empty() {
                break;
            }
            let whole = open.iter().take_while(|(amount, _)| *amount > 1.0 - 1e-6).count().max(1);
            for (amount, at) in open.into_iter().take(whole) {
                let Some(ray) = self.master.rays().get(at) else { continue };
                let (seats, given) = (ray.seats.clone(), ray.given.clone());
                let before = book.room(&seats);
                let wanted: Vec<f64> = given.iter().map(|given| given * amount).collect();
                let placed = place_near(instance, &mut book, &seats, &wanted)?;
                #[allow(clippy::cast_precision_loss)]
                let moved = before.iter().zip(book.room(&seats)).zip(&given).map(|((before, after), given)| {
                    if placed && *given > 0.0 { (before - after) as f64 / given } else { 0.0 }
                });
                let moving = moved.zip(&seats).filter(|(_, seat)| !instance.is_end(instance.seats[**seat].give));
                let least = moving.map(|(share, _)| share).fold(f64::INFINITY, f64::min);
                self.master.fix(at, if least.is_finite() { least.clamp(0.0, 1.0) } else { 0.0 });
                is_fixed.insert(at);
            }
        }
        Ok(book.rings().map(|(seats, given)| (seats.to_vec(), given.to_vec())).collect())
    }

    fn finish(mut self) -> Result<Relaxed, ErrorReply> {
        let gap = guide(self.best.bound) - self.value;
        if self.instance.is_in_lots() && self.best.complete && gap < 1.0 + 1e-3 * self.value {
            self.best.dived = self.dive()?;
        }
        let Self { instance, watch, master, mut best, duals, value, is_sparse, effort, pace, .. } = self;
        best.amounts.resize(master.rays().len(), 0.0);
        match duals {
            // Raising prices one by one takes a search for each: for vertices, whose prices are near enough.
            Some(duals) if is_sparse && guide(best.bound) - value > 1e-7 * value => {
                let mut search = Search::new(instance, watch, PROVE_UNTIL_PERCENT);
                let proven = prove(instance, &mut search, duals, effort, best.bound);
                best.keep(instance, proven);
            }
            Some(duals) if !is_sparse => {
                let rounding = pace.rounding(master.rows());
                let leaves_enough = || watch.left_until(round::UNTIL_PERCENT) > rounding;
                best.bound_by(instance, &duals, &leaves_enough);
                let at = Point { amounts: best.amounts, duals: master.duals(&duals) };
                let goes_on = || watch.spent_percent() < THIN_UNTIL_PERCENT;
                best.amounts = thinned(master.rays(), at, master.sizes(), &leaves_enough, &goes_on);
            }
            _ => {}
        }
        best.complete &= instance.all_seated;
        best.rays = master.into_rays();
        Ok(best)
    }
}

/// What a search for columns came to.
struct Round {
    /// New columns.
    made: usize,
    /// The prices, raised so that no ring is worth more than it uses up.
    prices: Prices,
    /// Whether every ring worth having was seen.
    complete: bool,
}
