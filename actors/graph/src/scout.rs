//! Rings worth having, by tables alone: quickly, and so a bound that costs as little.
//!
//! # Design
//!
//! Per unit of a good, the best that up to so many seats make of it on the way to the start is a table by good and number
//! of seats, filled backwards from the start as in Bellman's equation; the walk that it stands for is read off the
//! choices. Tables do not see that a party sits twice, nor that a start is not content.
//!
//! A [`Scout`] keeps them in floats, and passes over rings that are none: while columns are many and far from the best,
//! what counts is how many good ones are found in how little time, and the [`Search`](crate::rings::Search), which is
//! exact, finds what is missing. In fixed point, every step rounded up, the same tables bound what any ring is worth
//! ([`raised`]): walks that are no rings only make the bound larger.

use crate::fixed::{Between, ENDLESS, guide, plus};
use crate::instance::Instance;
use crate::master::Ray;
use crate::rings::Prices;
use crate::round::hops;
use crate::table::{GiveId, GoodId, LaneId, PartyId, SeatId, Table, TakeId};
use crate::two::both;

/// A ray is worth more than this share of what its first give costs, or it is noise.
const NOISE: f64 = 1e-7;
/// So many gives are looked at before what was found makes anything dearer, and before another look at the time.
pub(crate) const BLOCK: usize = 128;

/// What worths are written in.
trait Worth: Copy + PartialOrd {
    type Rate: Copy;
    /// Between two rates.
    type Rates: Copy;
    /// No way to the start.
    const NONE: Self;
    fn of(fixed: i128) -> Self;
    fn rate(rate: Between) -> Self::Rate;
    fn rates(between: Between) -> Self::Rates;
    /// `gain + rate · (ahead − loss)`.
    fn through(gain: Self, rate: Self::Rate, ahead: Self, loss: Self) -> Self;
    /// The same at most, whichever of the rates it is.
    fn at_most(gain: Self, rates: Self::Rates, ahead: Self, loss: Self) -> Self;
}

/// A guide.
impl Worth for f64 {
    type Rate = f64;
    type Rates = (f64, f64);
    const NONE: Self = f64::NEG_INFINITY;

    fn of(fixed: i128) -> Self {
        guide(fixed)
    }

    fn rate(rate: Between) -> f64 {
        Self::of(rate.lo)
    }

    fn rates(between: Between) -> (f64, f64) {
        (Self::of(between.lo), Self::of(between.hi))
    }

    fn through(gain: f64, rate: f64, ahead: f64, loss: f64) -> f64 {
        gain + rate * (ahead - loss)
    }

    fn at_most(gain: f64, (least, most): (f64, f64), ahead: f64, loss: f64) -> f64 {
        Self::through(gain, if ahead > loss { most } else { least }, ahead, loss)
    }
}

/// An upper bound, in fixed point.
impl Worth for i128 {
    type Rate = Between;
    type Rates = Between;
    const NONE: Self = i128::MIN;

    fn of(fixed: i128) -> Self {
        fixed
    }

    fn rate(rate: Between) -> Between {
        rate
    }

    fn rates(between: Between) -> Between {
        between
    }

    fn through(gain: i128, rate: Between, ahead: i128, loss: i128) -> i128 {
        plus(gain, rate.at_most_times(plus(ahead, -loss)))
    }

    fn at_most(gain: i128, rates: Between, ahead: i128, loss: i128) -> i128 {
        Self::through(gain, rates, ahead, loss)
    }
}

/// A seat, as tables see it.
struct Spot<W: Worth> {
    party: PartyId,
    rate: W::Rate,
    /// What its take gains, less its want's price.
    gain: W,
    /// What its give loses, its limit's price included.
    loss: W,
}

impl<W: Worth> Spot<W> {
    /// What it makes of a unit, when a unit of what it gives is worth so much.
    fn through(&self, ahead: W) -> W {
        W::through(self.gain, self.rate, ahead, self.loss)
    }
}

/// What no seat of a lane exceeds: `at_pivot` where a unit of what they give is worth `pivot`, and their rates times what
/// it is worth beyond that. The nearer the pivot, the tighter.
#[derive(Clone, Copy)]
struct Ceiling<W: Worth> {
    pivot: W,
    at_pivot: W,
    rates: W::Rates,
}

impl<W: Worth> Ceiling<W> {
    fn over(&self, ahead: W) -> W {
        W::at_most(self.at_pivot, self.rates, ahead, self.pivot)
    }
}

/// What up to so many seats make of a unit of a good at best, and which of them is first.
#[derive(Clone, Copy)]
struct Outlook<W> {
    worth: W,
    /// The first seat, and how many may follow it; none where the start itself receives the good.
    first: Option<(SeatId, usize)>,
}

/// The tables, at prices of the limits.
struct Tables<'a, W: Worth> {
    instance: &'a Instance,
    spots: Table<SeatId, Spot<W>>,
    lanes: Table<LaneId, Ceiling<W>>,
    /// By number of seats, then by good.
    by_seats: Vec<Table<GoodId, Outlook<W>>>,
    /// The same, never less, and sooner had: by lanes instead of seats.
    ceilings: Vec<Table<GoodId, W>>,
    /// Whether what most seats make of a good is asked for.
    is_asked_for: Table<GoodId, bool>,
}

impl<'a, W: Worth> Tables<'a, W> {
    fn new(instance: &'a Instance) -> Self {
        let mut spots = Table::new();
        for (_, seat) in instance.seats.iter() {
            spots.push(Spot { party: seat.party, rate: W::rate(seat.rate), gain: W::NONE, loss: W::NONE });
        }
        let levels = instance.max_ring.saturating_sub(1).max(instance.max_chain).max(1);
        let mut lanes = Table::new();
        for (_, lane) in instance.lanes.iter() {
            let mut rates = Between { lo: ENDLESS, hi: 0 };
            for rate in lane.seats().map(|seat| instance.seats[seat].rate) {
                rates = Between { lo: rates.lo.min(rate.lo), hi: rates.hi.max(rate.hi) };
            }
            lanes.push(Ceiling { pivot: W::NONE, at_pivot: W::NONE, rates: W::rates(rates) });
        }
        let nothing = Table::like(&instance.goods, Outlook { worth: W::NONE, first: None });
        let ceilings = vec![Table::like(&instance.goods, W::NONE); levels];
        Self {
            instance,
            spots,
            lanes,
            by_seats: vec![nothing; levels],
            ceilings,
            is_asked_for: Table::like(&instance.goods, false),
        }
    }

    fn price(&mut self, prices: &Prices) {
        let instance = self.instance;
        for (id, seat) in instance.seats.iter() {
            let (take, give) = (&instance.takes[seat.take], &instance.gives[seat.give]);
            let spot = &mut self.spots[id];
            spot.gain = W::of(plus(take.gain.hi, -instance.share_price(seat.take, prices.want[take.want])));
            spot.loss = W::of(plus(give.loss.lo, prices.give[seat.give]));
        }
        let mut dearest = Table::like(&instance.goods, W::of(0));
        for (id, spot) in self.spots.iter() {
            let good = instance.takes_good(id);
            dearest[good] = larger(dearest[good], spot.gain);
        }
        for (id, lane) in instance.lanes.iter() {
            let ceiling = &mut self.lanes[id];
            ceiling.pivot = dearest[lane.given];
            ceiling.at_pivot = W::NONE;
            for seat in lane.seats() {
                ceiling.at_pivot = larger(ceiling.at_pivot, self.spots[seat].through(ceiling.pivot));
            }
        }
    }

    /// What a give loses, its limit's price included; nothing where nobody sits there.
    fn loss(&self, give: GiveId) -> Option<W> {
        self.instance.seats_of[give].first().map(|seat| self.spots[*seat].loss)
    }

    /// Calls `found` with every seat that may follow a start and make more of a unit than a floor, for each of the start's
    /// own seats; the outlook is the one beyond that seat. What it returns is the floor from then on.
    fn after(&mut self, start: GiveId, mut floor: W, mut found: impl FnMut(&Self, SeatId, SeatId, W, Outlook<W>) -> W) {
        let instance = self.instance;
        let (own, good) = (instance.gives[start].party, instance.gives[start].good);
        let further = instance.seats_beside(start).saturating_sub(1);
        for closing in &instance.seats_of[start] {
            self.fill_ceilings(*closing, further);
            let Some(ceilings) = self.ceilings.get(further) else { continue };
            let may_exceed = |lane: &&LaneId| {
                let ahead = ceilings[instance.lanes[**lane].given];
                ahead != W::NONE && self.lanes[**lane].over(ahead) > floor
            };
            let lanes: Vec<LaneId> = instance.out_of[good].iter().filter(may_exceed).copied().collect();
            if lanes.is_empty() {
                continue;
            }
            self.is_asked_for.fill(false);
            lanes.iter().for_each(|lane| self.is_asked_for[instance.lanes[*lane].given] = true);
            self.fill(own, *closing, further);
            let Some(ahead) = self.by_seats.get(further) else { continue };
            for id in lanes {
                let lane = &instance.lanes[id];
                let outlook = ahead[lane.given];
                if outlook.worth == W::NONE || self.lanes[id].over(outlook.worth) <= floor {
                    continue;
                }
                for seat in lane.seats() {
                    let spot = &self.spots[seat];
                    let worth = spot.through(outlook.worth);
                    if worth > floor && spot.party != own {
                        floor = found(self, *closing, seat, worth, outlook);
                    }
                }
            }
        }
    }

    /// What no walk of up to so many seats exceeds on the way to a start that closes the ring by this seat.
    fn fill_ceilings(&mut self, closing: SeatId, seats: usize) {
        let instance = self.instance;
        let received = instance.takes_good(closing);
        if let Some(none) = self.ceilings.first_mut() {
            none.fill(W::NONE);
            none[received] = self.spots[closing].gain;
        }
        for level in 1..=seats {
            let Some((before, after)) = self.ceilings.split_at_mut_checked(level) else { return };
            let (Some(before), Some(after)) = (before.last(), after.first_mut()) else { return };
            after.clone_from(before);
            let mut raise = |id: LaneId| {
                let lane = &instance.lanes[id];
                let ahead = before[lane.given];
                if ahead != W::NONE {
                    after[lane.received] = larger(after[lane.received], self.lanes[id].over(ahead));
                }
            };
            if level == 1 {
                instance.into[received].iter().copied().for_each(&mut raise);
            } else {
                instance.lanes.ids().for_each(&mut raise);
            }
        }
    }

    /// The tables for up to so many seats on the way to a start that closes the ring by this seat; for so many, only
    /// what is asked for.
    fn fill(&mut self, own: PartyId, closing: SeatId, seats: usize) {
        let instance = self.instance;
        let received = instance.takes_good(closing);
        if let Some(none) = self.by_seats.first_mut() {
            none.fill(Outlook { worth: W::NONE, first: None });
            none[received] = Outlook { worth: self.spots[closing].gain, first: None };
        }
        for level in 1..=seats {
            let Some(mut table) = self.by_seats.get(level - 1).cloned() else { return };
            let is_asked_for = |lane: &LaneId| level < seats || self.is_asked_for[instance.lanes[*lane].received];
            if level == 1 {
                let lanes = instance.into[received].iter().copied().filter(is_asked_for);
                lanes.for_each(|lane| self.better(&mut table, own, lane, level));
            } else {
                instance.lanes.ids().filter(is_asked_for).for_each(|lane| self.better(&mut table, own, lane, level));
            }
            if let Some(place) = self.by_seats.get_mut(level) {
                *place = table;
            }
        }
    }

    /// Betters a table where a seat of this lane does.
    fn better(&self, table: &mut Table<GoodId, Outlook<W>>, own: PartyId, lane: LaneId, level: usize) {
        let lane = &self.instance.lanes[lane];
        let Some(before) = self.by_seats.get(level - 1) else { return };
        let ahead = before[lane.given].worth;
        if ahead == W::NONE {
            return;
        }
        let mut best = table[lane.received];
        for seat in lane.seats() {
            let spot = &self.spots[seat];
            let worth = spot.through(ahead);
            if worth > best.worth && spot.party != own {
                best = Outlook { worth, first: Some((seat, level - 1)) };
            }
        }
        table[lane.received] = best;
    }
}

/// Prices raised so that no ring is worth more than it uses up: each give's by what the tables say that the best ring
/// with its slack seat there is worth. `None` where `goes_on` says no.
pub(crate) fn raised(instance: &Instance, prices: &Prices, goes_on: &dyn Fn() -> bool) -> Option<Prices> {
    let tables = || {
        let mut tables: Tables<'_, i128> = Tables::new(instance);
        tables.price(prices);
        tables
    };
    let (mut here, mut there) = both(tables, tables);
    let mut raised = prices.clone();
    let starts: Vec<GiveId> = instance.gives.ids().collect();
    for block in starts.chunks(BLOCK) {
        if !goes_on() {
            return None;
        }
        let (first, second) = block.split_at(block.len() / 2);
        let raises = |tables: &mut Tables<'_, i128>, of: &[GiveId]| -> Vec<i128> {
            of.iter().map(|start| tables.raise(*start)).collect()
        };
        let (of_first, of_second) = both(|| raises(&mut here, first), || raises(&mut there, second));
        for (start, raise) in block.iter().zip(of_first.into_iter().chain(of_second)) {
            raised.give[*start] = plus(prices.give[*start], raise);
        }
    }
    Some(raised)
}

impl Tables<'_, i128> {
    /// By how much a give's price is too low.
    fn raise(&mut self, start: GiveId) -> i128 {
        let Some(cost) = self.loss(start) else { return 0 };
        let mut best = cost;
        self.after(start, cost, |_, _, _, worth, _| {
            best = worth;
            best
        });
        plus(best, -cost)
    }
}

/// Looks for rings at prices of the limits.
pub(crate) struct Scout<'a> {
    tables: Tables<'a, f64>,
    seats_of: Table<TakeId, Vec<SeatId>>,
}

impl<'a> Scout<'a> {
    pub(crate) fn new(instance: &'a Instance) -> Self {
        let mut seats_of = Table::like(&instance.takes, Vec::new());
        for (id, seat) in instance.seats.iter() {
            seats_of[seat.take].push(id);
        }
        Self { tables: Tables::new(instance), seats_of }
    }

    /// Sets the prices of the limits.
    pub(crate) fn price(&mut self, prices: &Prices) {
        self.tables.price(prices);
    }

    /// Makes the limits of a ray dearer, by so much of what it moves where it fills them.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn make_dearer(&mut self, ray: &Ray, by: f64) {
        let Tables { instance, spots, .. } = &mut self.tables;
        for ((give, take), given) in hops(instance, &ray.seats).zip(&ray.given) {
            if instance.is_end(give) {
                continue;
            }
            let of_give = given / instance.gives[give].limit as f64;
            instance.seats_of[give].iter().for_each(|seat| spots[*seat].loss += by * of_give);
            // Of the want, in which one take may stand for another.
            let of_want = given / instance.takes[take].full as f64;
            for take in instance.wants[instance.takes[take].want].takes() {
                self.seats_of[take].iter().for_each(|seat| spots[*seat].gain -= by * of_want);
            }
        }
    }

    /// The best rays of each of these, see [`look`](Self::look).
    pub(crate) fn look_all(&mut self, starts: &[GiveId], most: usize) -> Vec<Vec<SeatId>> {
        starts.iter().flat_map(|start| self.look(*start, most)).collect()
    }

    /// The best rays whose slack seat gives by `start`, that one first, no more than so many, the best first.
    fn look(&mut self, start: GiveId, most: usize) -> Vec<Vec<SeatId>> {
        let mut found: Vec<(f64, Vec<SeatId>)> = Vec::with_capacity(most + 1);
        let Some(cost) = self.tables.loss(start) else { return Vec::new() };
        let mut floor = cost + NOISE * cost.abs();
        self.tables.after(start, floor, |tables, closing, next, worth, outlook| {
            if let Some(seats) = ring(tables, closing, next, outlook) {
                let place = found.partition_point(|(better, _)| *better >= worth);
                found.insert(place, (worth, seats));
                if found.len() > most {
                    found.pop();
                    floor = found.last().map_or(floor, |(worst, _)| *worst);
                }
            }
            floor
        });
        found.into_iter().map(|(_, seats)| seats).collect()
    }
}

fn larger<W: PartialOrd>(a: W, b: W) -> W {
    if b > a { b } else { a }
}

/// The seats of a ring: the slack one, one more, and the walk that an outlook stands for; `None` where a party would
/// sit twice or the slack seat not be content.
fn ring(tables: &Tables<'_, f64>, closing: SeatId, next: SeatId, outlook: Outlook<f64>) -> Option<Vec<SeatId>> {
    let mut seats = vec![closing, next];
    let mut rates = tables.spots[closing].rate * tables.spots[next].rate;
    let mut ahead = outlook.first;
    while let Some((seat, further)) = ahead {
        let spot = &tables.spots[seat];
        if seats.iter().any(|other| tables.spots[*other].party == spot.party) {
            return None;
        }
        seats.push(seat);
        rates *= spot.rate;
        ahead = tables.by_seats.get(further)?[tables.instance.gives_good(seat)].first;
    }
    (rates >= 1.0).then_some(seats)
}
