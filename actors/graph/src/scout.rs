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

use crate::fixed::{Between, guide, plus};
use crate::instance::Instance;
use crate::master::Ray;
use crate::rings::Prices;
use crate::round::hops;
use crate::table::{GiveId, GoodId, LaneId, PartyId, SeatId, Table, TakeId};

/// A ray is worth more than this share of what its first give costs, or it is noise.
const NOISE: f64 = 1e-7;

/// What worths are written in.
trait Worth: Copy + PartialOrd {
    type Rate: Copy;
    /// No way to the start.
    const NONE: Self;
    fn of(fixed: i128) -> Self;
    fn rate(rate: Between) -> Self::Rate;
    /// `gain + rate · (ahead − loss)`.
    fn through(gain: Self, rate: Self::Rate, ahead: Self, loss: Self) -> Self;
}

/// A guide.
impl Worth for f64 {
    type Rate = f64;
    const NONE: Self = f64::NEG_INFINITY;

    fn of(fixed: i128) -> Self {
        guide(fixed)
    }

    fn rate(rate: Between) -> f64 {
        Self::of(rate.lo)
    }

    fn through(gain: f64, rate: f64, ahead: f64, loss: f64) -> f64 {
        gain + rate * (ahead - loss)
    }
}

/// An upper bound, in fixed point.
impl Worth for i128 {
    type Rate = Between;
    const NONE: Self = i128::MIN;

    fn of(fixed: i128) -> Self {
        fixed
    }

    fn rate(rate: Between) -> Between {
        rate
    }

    fn through(gain: i128, rate: Between, ahead: i128, loss: i128) -> i128 {
        plus(gain, rate.at_most_times(plus(ahead, -loss)))
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
    /// By number of seats, then by good.
    by_seats: Vec<Table<GoodId, Outlook<W>>>,
}

impl<'a, W: Worth> Tables<'a, W> {
    fn new(instance: &'a Instance) -> Self {
        let mut spots = Table::new();
        for (_, seat) in instance.seats.iter() {
            spots.push(Spot { party: seat.party, rate: W::rate(seat.rate), gain: W::NONE, loss: W::NONE });
        }
        let levels = instance.max_ring.saturating_sub(1).max(instance.max_chain).max(1);
        let nothing = Table::like(&instance.goods, Outlook { worth: W::NONE, first: None });
        Self { instance, spots, by_seats: vec![nothing; levels] }
    }

    fn price(&mut self, prices: &Prices) {
        let instance = self.instance;
        for (id, seat) in instance.seats.iter() {
            let (take, give) = (&instance.takes[seat.take], &instance.gives[seat.give]);
            let spot = &mut self.spots[id];
            spot.gain = W::of(plus(take.gain.hi, -instance.share_price(seat.take, prices.want[take.want])));
            spot.loss = W::of(plus(give.loss.lo, prices.give[seat.give]));
        }
    }

    /// What a give loses, its limit's price included; nothing where nobody sits there.
    fn loss(&self, give: GiveId) -> Option<W> {
        self.instance.seats_of[give].first().map(|seat| self.spots[*seat].loss)
    }

    /// Calls `found` with every seat that may follow a start and what it makes of a unit, for each of the start's own
    /// seats; the outlook is the one beyond that seat.
    fn after(&mut self, start: GiveId, mut found: impl FnMut(&Self, SeatId, SeatId, W, Outlook<W>)) {
        let instance = self.instance;
        let (own, good) = (instance.gives[start].party, instance.gives[start].good);
        let further = instance.seats_beside(start).saturating_sub(1);
        for closing in &instance.seats_of[start] {
            self.fill(own, *closing, further);
            let Some(ahead) = self.by_seats.get(further) else { continue };
            for lane in &instance.out_of[good] {
                let lane = &instance.lanes[*lane];
                let outlook = ahead[lane.given];
                if outlook.worth == W::NONE {
                    continue;
                }
                for seat in lane.seats() {
                    let spot = &self.spots[seat];
                    if spot.party != own {
                        found(self, *closing, seat, spot.through(outlook.worth), outlook);
                    }
                }
            }
        }
    }

    /// The tables for up to so many seats on the way to a start that closes the ring by this seat.
    fn fill(&mut self, own: PartyId, closing: SeatId, seats: usize) {
        let instance = self.instance;
        let received = instance.takes_good(closing);
        if let Some(none) = self.by_seats.first_mut() {
            none.fill(Outlook { worth: W::NONE, first: None });
            none[received] = Outlook { worth: self.spots[closing].gain, first: None };
        }
        for level in 1..=seats {
            let Some(mut table) = self.by_seats.get(level - 1).cloned() else { return };
            if level == 1 {
                instance.into[received].iter().for_each(|lane| self.better(&mut table, own, *lane, level));
            } else {
                instance.lanes.ids().for_each(|lane| self.better(&mut table, own, lane, level));
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
    let mut tables: Tables<'_, i128> = Tables::new(instance);
    tables.price(prices);
    let mut raised = prices.clone();
    for start in instance.gives.ids() {
        if !goes_on() {
            return None;
        }
        let Some(cost) = tables.loss(start) else { continue };
        let mut best = cost;
        tables.after(start, |_, _, _, worth, _| best = best.max(worth));
        raised.give[start] = plus(prices.give[start], plus(best, -cost));
    }
    Some(raised)
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

    /// The best rays whose slack seat gives by `start`, that one first, no more than so many, the best first.
    pub(crate) fn look(&mut self, start: GiveId, most: usize) -> Vec<Vec<SeatId>> {
        let mut found: Vec<(f64, Vec<SeatId>)> = Vec::with_capacity(most + 1);
        let Some(cost) = self.tables.loss(start) else { return Vec::new() };
        let mut floor = cost + NOISE * cost.abs();
        self.tables.after(start, |tables, closing, next, worth, outlook| {
            if worth > floor
                && let Some(seats) = ring(tables, closing, next, outlook)
            {
                let place = found.partition_point(|(better, _)| *better >= worth);
                found.insert(place, (worth, seats));
                if found.len() > most {
                    found.pop();
                    floor = found.last().map_or(floor, |(worst, _)| *worst);
                }
            }
        });
        found.into_iter().map(|(_, seats)| seats).collect()
    }
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
