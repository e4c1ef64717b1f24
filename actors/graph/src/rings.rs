//! Finding the rings that are worth more than they use up, at given prices of the limits.
//!
//! # Design
//!
//! For one ring the quantities that content everyone form a cone, {q ≥ 0 : `q_t` ≤ `r_t`·`q_{t−1}`}, with
//! one rate a seat. Each extreme ray has every seat but one *taut*: all keep to their rates and one seat,
//! the *slack* one, keeps what is over. So a ring of k parties is k columns of the linear programme, and a
//! search for columns starts at a slack seat's give with quantity one and only ever multiplies by rates.
//!
//! What follows a taut seat depends on what came before through the quantity alone, and linearly. So the
//! best continuation per unit, over walks of at most so many seats back to the start, comes from a table by
//! good and number of seats, which ignores that a party may sit only once: an upper bound that prunes the
//! search, and that stands in for it when there is no time to finish (as in label setting for vehicle
//! routing, or the pricing of kidney cycles in Glorie, van de Klundert and Wagelmans, 2014). A second table
//! holds the best product of rates back to the start: where even that is below one, no quantities close the
//! ring.
//!
//! All in [`fixed`](crate::fixed) point, rounded so that no ring is worth more than it seems.

use std::collections::BTreeSet;

use crate::fixed::{Between, ENDLESS, ONE, plus, times_down, times_up};
use crate::instance::Instance;
use crate::stopwatch::Watch;
use crate::table::{GiveId, GoodId, LaneId, PartyId, SeatId, Table, TakeId, WantId};

/// No way back to the start.
const NONE: i128 = i128::MIN;
/// Seats looked at between two looks at the watch.
const LOOK_EVERY: u64 = 1 << 12;

/// Prices of the limits, none negative: any such prices give a bound, the best ones are the duals.
#[derive(Debug, Clone)]
pub(crate) struct Prices {
    /// Of 2^scale minor units of a give's limit.
    pub(crate) give: Table<GiveId, i128>,
    /// Of a whole want.
    pub(crate) want: Table<WantId, i128>,
}

impl Prices {
    pub(crate) fn zero(instance: &Instance) -> Self {
        Self { give: Table::like(&instance.gives, 0), want: Table::like(&instance.wants, 0) }
    }
}

/// What a search from one give came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Explored {
    /// No ring whose slack seat gives by this give is worth more for 2^scale minor units given.
    pub(crate) ceiling: i128,
    /// Whether every ring worth more than the floor was seen.
    pub(crate) complete: bool,
}

/// A search for rings at given prices.
pub(crate) struct Search<'a> {
    instance: &'a Instance,
    watch: &'a Watch,
    /// The search stops when so many percent of the time are spent.
    until_percent: u32,
    /// What each give loses, its limit's price included: never overestimated.
    loss: Table<GiveId, i128>,
    /// What each take gains, less its want's price: never underestimated.
    gain: Table<TakeId, i128>,
    /// What each lane's best seat makes of a unit that it receives, an upper bound.
    best: Table<LaneId, Best>,
    /// By good: the best that the start itself makes of a unit.
    close: Table<GoodId, i128>,
    /// By good: the best rate at which the start gives for it.
    close_rate: Table<GoodId, i128>,
    /// By number of further seats, then by good: the best that they make of a unit, back to the start.
    worth: Vec<Table<GoodId, i128>>,
    /// The same for the product of rates.
    reach: Vec<Table<GoodId, i128>>,
    seated: Table<PartyId, bool>,
    path: Vec<SeatId>,
    floor: i128,
    /// Whether rings below the floor are wanted too, the further the larger their product of rates.
    spreads: bool,
    work: u64,
    work_limit: u64,
    stopped: bool,
    out_of_time: bool,
}

/// What the seats of a lane make of a unit that they receive, at best: `at_pivot` when a unit that they give is worth
/// `pivot`, and their rate times what it is worth beyond that. The nearer the pivot, the tighter the bound.
#[derive(Debug, Clone, Copy)]
struct Best {
    pivot: i128,
    at_pivot: i128,
    rate: Between,
}

impl Best {
    fn worth(self, ahead: i128) -> i128 {
        plus(self.at_pivot, self.rate.at_most_times(plus(ahead, -self.pivot)))
    }
}

/// Where a search stands: so much of a good is on the table.
#[derive(Clone, Copy)]
struct Standing {
    good: GoodId,
    quantity: Between,
    /// The worth of the walk so far, an upper bound.
    worth: i128,
    /// Parties that may still be added, the start not counted.
    seats_left: usize,
}

impl<'a> Search<'a> {
    pub(crate) fn new(instance: &'a Instance, watch: &'a Watch, until_percent: u32) -> Self {
        let levels = instance.max_ring.saturating_sub(2).max(instance.max_chain.saturating_sub(1));
        Self {
            instance,
            watch,
            until_percent,
            loss: Table::like(&instance.gives, 0),
            gain: Table::like(&instance.takes, 0),
            best: Table::like(&instance.lanes, Best { pivot: 0, at_pivot: NONE, rate: Between::NOTHING }),
            close: Table::like(&instance.goods, NONE),
            close_rate: Table::like(&instance.goods, NONE),
            worth: vec![Table::like(&instance.goods, NONE); levels],
            reach: vec![Table::like(&instance.goods, NONE); levels],
            seated: Table::like(&instance.parties, false),
            path: Vec::new(),
            floor: 0,
            spreads: false,
            work: 0,
            work_limit: 0,
            stopped: false,
            out_of_time: false,
        }
    }

    /// Sets the prices of the limits.
    pub(crate) fn price(&mut self, prices: &Prices) {
        for id in self.instance.gives.ids() {
            self.price_give(id, prices.give[id]);
        }
        for id in self.instance.takes.ids() {
            self.price_take(id, prices.want[self.instance.takes[id].want]);
        }
        self.weigh_lanes();
    }

    fn weigh_lanes(&mut self) {
        let instance = self.instance;
        for (id, lane) in instance.lanes.iter() {
            let takers = instance.goods[lane.given].takers.iter().map(|take| self.gain[*take]);
            let pivot = takers.filter(|gain| *gain != ENDLESS).max().unwrap_or(0);
            let mut best = Best { pivot, at_pivot: NONE, rate: Between { lo: ENDLESS, hi: 0 } };
            for seat in lane.seats() {
                let seat = &instance.seats[seat];
                let onward = seat.rate.at_most_times(plus(pivot, -self.loss[seat.give]));
                best.at_pivot = best.at_pivot.max(plus(self.gain[seat.take], onward));
                best.rate = Between { lo: best.rate.lo.min(seat.rate.lo), hi: best.rate.hi.max(seat.rate.hi) };
            }
            self.best[id] = best;
        }
    }

    /// Raises the price of one give's limit.
    pub(crate) fn price_give(&mut self, give: GiveId, price: i128) {
        self.loss[give] = plus(self.instance.gives[give].loss.lo, price);
    }

    /// Raises the price of one want.
    pub(crate) fn price_want(&mut self, want: WantId, price: i128) {
        for take in self.instance.wants[want].takes() {
            self.price_take(take, price);
        }
    }

    fn price_take(&mut self, take: TakeId, want_price: i128) {
        self.gain[take] = plus(self.instance.takes[take].gain.hi, -self.instance.share_price(take, want_price));
    }

    /// Makes every ring worth nothing: what is left to look for is whether rings close.
    pub(crate) fn ignore_worth(&mut self) {
        self.loss.fill(0);
        self.gain.fill(0);
        self.weigh_lanes();
    }

    /// The best product of rates of a walk from a give back to it, an upper bound on that of a ring: below one, no
    /// ring on it contents everyone. 0 where nothing closes.
    pub(crate) fn best_product(&mut self, start: GiveId) -> i128 {
        let give = &self.instance.gives[start];
        self.tabulate(start);
        let (_, reach) = self.outlook(give.good, self.instance.seats_beside(start));
        self.clear(start);
        reach.max(0)
    }

    /// Lets it search until so much of the time is spent, in percent.
    pub(crate) fn may_run_until(&mut self, until_percent: u32) {
        (self.until_percent, self.out_of_time) = (until_percent, false);
    }

    /// Whether the time for searching is over.
    pub(crate) fn is_out_of_time(&self) -> bool {
        self.out_of_time
    }

    /// Looks at no more than about `work_limit` seats for rings whose slack seat gives by `start` and that
    /// are worth more than `floor` for 2^scale minor units given. `found` is called with the seats, the slack one
    /// first, and the worth; what it returns is the floor from then on.
    pub(crate) fn explore(
        &mut self,
        start: GiveId,
        floor: i128,
        work_limit: u64,
        found: &mut dyn FnMut(&[SeatId], i128) -> i128,
    ) -> Explored {
        let instance = self.instance;
        (self.floor, self.work, self.work_limit, self.stopped) = (floor, 0, work_limit, false);
        let good = instance.gives[start].good;
        if self.out_of_time || self.watch.spent_percent() >= self.until_percent {
            self.out_of_time = true;
            return Explored { ceiling: ENDLESS, complete: false };
        }
        let own = instance.gives[start].party;
        self.tabulate(start);
        let from = Standing {
            good,
            quantity: Between::ONE,
            worth: plus(0, -self.loss[start]),
            seats_left: instance.seats_beside(start),
        };
        let (worth, reach) = self.outlook(from.good, from.seats_left);
        let ceiling =
            if worth == NONE || reach < ONE { 0 } else { plus(from.worth, from.quantity.at_most_times(worth)).max(0) };
        if ceiling > self.floor {
            self.seated[own] = true;
            self.extend(start, from, found);
            self.seated[own] = false;
        }
        self.clear(start);
        if self.stopped {
            Explored { ceiling, complete: false }
        } else {
            Explored { ceiling: ceiling.min(self.floor.max(0)), complete: true }
        }
    }

    /// Calls `found` with every ring that has a ray whose slack seat gives by `start` and that loses at most `loss` for
    /// 2^scale minor units given, times the ring's product of rates. `found` says whether to go on.
    ///
    /// A ring of whole lots is a sum of its rays. With quantities in lots, walk round the ring once: at the seat where
    /// the product of the rates so far is least, no ray with one lot at its own slack seat gives more lots than the
    /// product of all rates. So the amounts of the rays sum to at least one over that product, and a ring each of
    /// whose rays loses more than loss · product for a lot loses more than `loss`.
    pub(crate) fn enumerate(
        &mut self,
        start: GiveId,
        loss: i128,
        found: &mut dyn FnMut(&[SeatId]) -> bool,
    ) -> Explored {
        self.spreads = true;
        let floor = -loss - 1;
        let mut goes_on = true;
        let explored = self.explore(start, floor, u64::MAX, &mut |seats, _| {
            goes_on = goes_on && found(seats);
            // No ring is worth as much as this: it ends the search.
            if goes_on { floor } else { ENDLESS }
        });
        self.spreads = false;
        Explored { complete: explored.complete && goes_on, ..explored }
    }

    /// What a ring must be worth more than, when its product of rates is at most so much.
    fn floor_for(&self, product: i128) -> i128 {
        if self.spreads && self.floor < 0 {
            times_up(-self.floor, product.max(ONE)).saturating_neg()
        } else {
            self.floor
        }
    }

    fn tabulate(&mut self, start: GiveId) {
        let instance = self.instance;
        for seat in &instance.seats_of[start] {
            let good = instance.takes_good(*seat);
            let row = &instance.seats[*seat];
            self.close[good] = self.close[good].max(self.gain[row.take]);
            self.close_rate[good] = self.close_rate[good].max(row.rate.hi);
        }
        let levels = self.worth.len().min(instance.seats_beside(start).saturating_sub(1));
        for level in 0..levels {
            let (mut worth, mut reach) = match level.checked_sub(1) {
                None => (Table::like(&instance.goods, NONE), Table::like(&instance.goods, NONE)),
                Some(before) => (self.level(before).0.clone(), self.level(before).1.clone()),
            };
            // With one seat left only the goods that the start takes are of use; with more, any that leads on.
            if level == 0 {
                let targets: BTreeSet<GoodId> =
                    instance.seats_of[start].iter().map(|seat| instance.takes_good(*seat)).collect();
                for id in targets.iter().flat_map(|target| &instance.into[*target]) {
                    let (lane, best) = (&instance.lanes[*id], self.best[*id]);
                    let (received, given) = (lane.received, lane.given);
                    worth[received] = worth[received].max(best.worth(self.close[given]));
                    reach[received] = reach[received].max(times_up(best.rate.hi, self.close_rate[given]));
                }
            } else {
                for good in instance.goods.ids() {
                    let (w, r) = self.outlook(good, level + 1);
                    worth[good] = worth[good].max(w);
                    reach[good] = reach[good].max(r);
                }
            }
            if let (Some(to_worth), Some(to_reach)) = (self.worth.get_mut(level), self.reach.get_mut(level)) {
                *to_worth = worth;
                *to_reach = reach;
            }
        }
    }

    /// The tables for so many further seats, less one.
    fn level(&self, level: usize) -> (&Table<GoodId, i128>, &Table<GoodId, i128>) {
        match (self.worth.get(level), self.reach.get(level)) {
            (Some(worth), Some(reach)) => (worth, reach),
            _ => (&self.close, &self.close_rate),
        }
    }

    /// The best that `seats_left` seats or fewer, at least one, make of a unit of a good, and the best
    /// product of rates: the tables for one seat less are filled.
    fn outlook(&self, good: GoodId, seats_left: usize) -> (i128, i128) {
        let (mut worth, mut reach) = (NONE, NONE);
        for id in &self.instance.out_of[good] {
            let (w, r) = self.ahead(self.instance.lanes[*id].given, seats_left - 1);
            if w != NONE {
                let best = self.best[*id];
                worth = worth.max(best.worth(w));
                reach = reach.max(times_up(best.rate.hi, r));
            }
        }
        (worth, reach)
    }

    /// The best that the start, or up to `seats_left` seats and then the start, make of a unit of a good.
    fn ahead(&self, good: GoodId, seats_left: usize) -> (i128, i128) {
        let (worth, reach) = (self.close[good], self.close_rate[good]);
        match seats_left.checked_sub(1) {
            None => (worth, reach),
            Some(level) => {
                let (w, r) = self.level(level);
                (worth.max(w[good]), reach.max(r[good]))
            }
        }
    }

    fn extend(&mut self, start: GiveId, from: Standing, found: &mut dyn FnMut(&[SeatId], i128) -> i128) {
        let instance = self.instance;
        for id in &instance.out_of[from.good] {
            let lane = &instance.lanes[*id];
            let good = lane.given;
            let closes = self.close[good] != NONE;
            let (beyond, beyond_rate) = match from.seats_left.checked_sub(2) {
                None => (NONE, NONE),
                Some(level) => {
                    let (worth, reach) = self.level(level);
                    (worth[good], reach[good])
                }
            };
            let ahead = self.close[good].max(beyond);
            if ahead == NONE {
                continue;
            }
            let best = self.best[*id];
            let product = times_up(from.quantity.hi, times_up(best.rate.hi, self.close_rate[good].max(beyond_rate)));
            if product < ONE
                || plus(from.worth, from.quantity.at_most_times(best.worth(ahead))) <= self.floor_for(product)
            {
                continue;
            }
            for id in lane.seats() {
                let seat = &instance.seats[id];
                if self.seated[seat.party] {
                    continue;
                }
                self.work += 1;
                if self.work.is_multiple_of(LOOK_EVERY) && self.watch.spent_percent() >= self.until_percent {
                    (self.stopped, self.out_of_time) = (true, true);
                }
                self.stopped |= self.work > self.work_limit;
                if self.stopped {
                    return;
                }
                let quantity = from.quantity.times(seat.rate);
                let received = plus(from.worth, from.quantity.at_most_times(self.gain[seat.take]));
                let worth = plus(received, -times_down(quantity.lo, self.loss[seat.give]));
                if closes {
                    self.try_to_close(start, id, Standing { good, quantity, worth, seats_left: 0 }, found);
                }
                if beyond != NONE
                    && times_up(quantity.hi, beyond_rate) >= ONE
                    && plus(worth, quantity.at_most_times(beyond)) > self.floor_for(times_up(quantity.hi, beyond_rate))
                {
                    self.seated[seat.party] = true;
                    self.path.push(id);
                    self.extend(start, Standing { good, quantity, worth, seats_left: from.seats_left - 1 }, found);
                    self.path.pop();
                    self.seated[seat.party] = false;
                    if self.stopped {
                        return;
                    }
                }
            }
        }
    }

    /// Closes the ring at the start, with `last` before it.
    fn try_to_close(
        &mut self,
        start: GiveId,
        last: SeatId,
        at: Standing,
        found: &mut dyn FnMut(&[SeatId], i128) -> i128,
    ) {
        let product = times_up(at.quantity.hi, self.close_rate[at.good]);
        if plus(at.worth, at.quantity.at_most_times(self.close[at.good])) <= self.floor_for(product) {
            return;
        }
        let instance = self.instance;
        for closing in &instance.seats_of[start] {
            let seat = &instance.seats[*closing];
            if instance.takes[seat.take].good != at.good || times_up(at.quantity.hi, seat.rate.hi) < ONE {
                continue;
            }
            let worth = plus(at.worth, at.quantity.at_most_times(self.gain[seat.take]));
            if worth > self.floor_for(times_up(at.quantity.hi, seat.rate.hi)) {
                let mut ring = Vec::with_capacity(self.path.len() + 2);
                ring.push(*closing);
                ring.extend(&self.path);
                ring.push(last);
                self.floor = found(&ring, worth);
            }
        }
    }

    fn clear(&mut self, start: GiveId) {
        for seat in &self.instance.seats_of[start] {
            let good = self.instance.takes_good(*seat);
            self.close[good] = NONE;
            self.close_rate[good] = NONE;
        }
    }
}
