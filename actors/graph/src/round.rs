//! Whole lots: rounding what the relaxation asks for down, repairing it, and using what is left.
//!
//! # Design
//!
//! Rounding breaks rings: each party's receipts shrink by up to a lot, and its gifts may then be too much.
//! The quantities that content every seat of a ring are closed under taking the larger, hop by hop (each
//! bounds the next from above by a rising function), so below any start there is one largest contented
//! choice, and letting each seat in turn give no more than it can afford reaches it. A ring that comes to
//! nought is dropped.
//!
//! All here is exact: whole numbers, and `terms` for what contents a party. A [`Book`] keeps what is used of
//! each limit and takes no ring that overdraws one, whatever the floats before it believed.

use std::collections::BTreeMap;

use schemas::ErrorReply;
use schemas::clearing::Objective;
use terms::{Exact, TermsError, hops_welfare_minor};

use crate::divisible::Relaxed;
use crate::fixed::FRACTION_BITS;
use crate::instance::{Instance, whole_lots};
use crate::master::Ray;
use crate::stopwatch::Watch;
use crate::table::{GiveId, SeatId, Table, TakeId, WantId};

/// Rounds of repair before a ring is given up: its parties' gains are then smaller than its grains.
const REPAIR_ROUNDS: usize = 256;
/// A ring that the relaxation did not ask for must bring this share of the bound.
const WORTH_A_RING: i128 = 100_000;
/// What is left may be used until so much of the time is spent, in percent.
pub(crate) const UNTIL_PERCENT: u32 = 92;

/// Rings in whole lots, and what they leave of every limit.
#[derive(Debug, Clone)]
pub(crate) struct Book<'a> {
    instance: &'a Instance,
    /// By ring, which starts with its lowest seat.
    rings: BTreeMap<Vec<SeatId>, Placed>,
    given: Table<GiveId, i64>,
    taken: Table<TakeId, i64>,
    shares: Table<WantId, i64>,
}

/// A ring in the book.
#[derive(Debug, Clone)]
struct Placed {
    /// What each seat gives, in minor units.
    given: Vec<i64>,
    /// What it brings, in the objective's unit.
    objective: i64,
}

impl<'a> Book<'a> {
    pub(crate) fn new(instance: &'a Instance) -> Self {
        Self {
            instance,
            rings: BTreeMap::new(),
            given: Table::like(&instance.gives, 0),
            taken: Table::like(&instance.takes, 0),
            shares: Table::like(&instance.wants, 0),
        }
    }

    /// The rings and what their seats give, in minor units.
    pub(crate) fn rings(&self) -> impl Iterator<Item = (&[SeatId], &[i64])> {
        self.rings.iter().map(|(seats, placed)| (seats.as_slice(), placed.given.as_slice()))
    }

    /// How much each seat of a ring could give on top of what is used already, hop by hop.
    pub(crate) fn room(&self, seats: &[SeatId]) -> Vec<i64> {
        hops(self.instance, seats).map(|(give, take)| self.room_of(give, take)).collect()
    }

    fn room_of(&self, give: GiveId, take: TakeId) -> i64 {
        let instance = self.instance;
        if instance.is_end(give) {
            return 1;
        }
        let giving = instance.gives[give].limit - self.given[give];
        let row = &instance.takes[take];
        let others = self.shares[row.want] - instance.shares(take, self.taken[take]);
        let taking = instance.quantity_for(take, instance.wants[row.want].shares - others) - self.taken[take];
        whole_lots(giving.min(taking).max(0), instance.lot(row.good))
    }

    /// Adds a ring, or to a ring, when every limit allows it, every seat is content with the whole, and what is added
    /// brings at least `least`, which is positive. Whether it did.
    ///
    /// # Errors
    /// A refusal (422) where what the ring brings does not fit 64 bits.
    pub(crate) fn place(&mut self, seats: &[SeatId], given: &[i64], least: i64) -> Result<bool, ErrorReply> {
        let (seats, mut given) = turned(seats, given);
        let ends: Vec<bool> = seats.iter().map(|seat| self.instance.is_end(self.instance.seats[*seat].give)).collect();
        for (quantity, is_end) in given.iter_mut().zip(&ends) {
            *quantity = if *is_end { 1 } else { *quantity };
        }
        let fits = self.room(&seats).iter().zip(&given).all(|(room, quantity)| *quantity > 0 && quantity <= room);
        let mut whole = given.clone();
        let before = self.rings.get(&seats);
        if let Some(before) = before {
            for ((quantity, before), is_end) in whole.iter_mut().zip(&before.given).zip(ends) {
                *quantity += if is_end { 0 } else { *before };
            }
        }
        if !fits || !is_content(self.instance, &seats, &whole) {
            return Ok(false);
        }
        let added = objective_of(self.instance, &seats, &given)?;
        if added < least {
            return Ok(false);
        }
        let objective = if before.is_some() { objective_of(self.instance, &seats, &whole)? } else { added };
        self.count(&seats, &given, 1);
        self.rings.insert(seats, Placed { given: whole, objective });
        Ok(true)
    }

    /// Has a ring give other quantities, which content every seat, where limits allow it. The ring starts with its lowest
    /// seat.
    fn change(&mut self, seats: &[SeatId], placed: Placed) {
        let Some(before) = self.rings.remove(seats) else { return };
        self.count(seats, &before.given, -1);
        let fits = self.room(seats).iter().zip(&placed.given).all(|(room, quantity)| quantity <= room);
        let after = if fits { placed } else { before };
        self.count(seats, &after.given, 1);
        self.rings.insert(seats.to_vec(), after);
    }

    fn count(&mut self, seats: &[SeatId], given: &[i64], sign: i64) {
        let instance = self.instance;
        for ((give, take), quantity) in
            hops(instance, seats).zip(given).filter(|((give, _), _)| !instance.is_end(*give))
        {
            self.given[give] += sign * quantity;
            let want = instance.takes[take].want;
            let before = instance.shares(take, self.taken[take]);
            self.taken[take] += sign * quantity;
            self.shares[want] += instance.shares(take, self.taken[take]) - before;
        }
    }

    /// Σ of the rings' objectives.
    ///
    /// # Errors
    /// A refusal (422) where the sum does not fit 64 bits.
    pub(crate) fn objective(&self) -> Result<i64, ErrorReply> {
        let sum = self.rings.values().try_fold(0_i64, |sum, placed| sum.checked_add(placed.objective));
        sum.ok_or_else(overflow)
    }
}

/// The hops of a ring: each seat's give, and the next seat's take.
pub(crate) fn hops<'s>(
    instance: &'s Instance,
    seats: &'s [SeatId],
) -> impl Iterator<Item = (GiveId, TakeId)> + Clone + 's {
    let next = seats.iter().cycle().skip(1);
    seats.iter().zip(next).map(|(giver, receiver)| (instance.seats[*giver].give, instance.seats[*receiver].take))
}

/// A ring and what its seats give, turned so that the lowest seat stands first.
fn turned(seats: &[SeatId], given: &[i64]) -> (Vec<SeatId>, Vec<i64>) {
    let first = seats.iter().enumerate().min_by_key(|(_, seat)| **seat).map_or(0, |(place, _)| place);
    let (mut seats, mut given) = (seats.to_vec(), given.to_vec());
    seats.rotate_left(first);
    given.rotate_left(first);
    (seats, given)
}

/// Whether every seat is satisfied at the worst corner of its bounds, with its margin.
pub(crate) fn is_content(instance: &Instance, seats: &[SeatId], given: &[i64]) -> bool {
    let received = given.iter().cycle().skip(given.len().saturating_sub(1));
    seats.iter().zip(given).zip(received).all(|((seat, given), received)| {
        *given > 0 && instance.exchange(*seat).is_some_and(|exchange| exchange.is_satisfied(*received, *given))
    })
}

/// The largest quantities, none above `given`, that content every seat, in whole lots; `None` when they
/// come to nought.
pub(crate) fn repair(instance: &Instance, seats: &[SeatId], mut given: Vec<i64>) -> Option<Vec<i64>> {
    let mut rows = Vec::with_capacity(seats.len());
    for seat in seats {
        rows.push((instance.exchange(*seat)?, instance.lot(instance.gives_good(*seat))));
    }
    for (quantity, (_, lot)) in given.iter_mut().zip(&rows) {
        *quantity = whole_lots(*quantity, *lot);
    }
    for _ in 0..REPAIR_ROUNDS {
        let mut received = *given.last()?;
        let mut is_stable = true;
        for (quantity, (exchange, lot)) in given.iter_mut().zip(&rows) {
            let most = whole_lots(exchange.most_given(received), *lot);
            if *quantity > most {
                (*quantity, is_stable) = (most, false);
            }
            if *quantity <= 0 {
                return None;
            }
            received = *quantity;
        }
        if is_stable {
            return Some(given);
        }
    }
    None
}

/// What a ring brings, in the objective's unit, rounded down.
///
/// # Errors
/// A refusal (422) where it does not fit 64 bits.
pub(crate) fn objective_of(instance: &Instance, seats: &[SeatId], given: &[i64]) -> Result<i64, ErrorReply> {
    match instance.objective {
        Objective::Welfare => welfare_of(instance, seats, given),
        Objective::Volume => {
            let mut sum = Exact::zero();
            for ((give, _), quantity) in hops(instance, seats).zip(given) {
                let price = instance.goods[instance.gives[give].good].reference_price;
                sum += &price.map_or_else(Exact::zero, Exact::from).times(*quantity);
            }
            sum.floor("a ring's volume").map_err(|error| too_large(instance, seats, given, error))
        }
        // Whoever starts a chain is not served by it.
        Objective::Served => i64::try_from(seats.len() - usize::from(instance.is_chain(seats))).map_err(|_| overflow()),
    }
}

/// A ring's welfare at central values, in minor units of account, rounded down.
///
/// # Errors
/// A refusal (422) where it does not fit 64 bits.
pub(crate) fn welfare_of(instance: &Instance, seats: &[SeatId], given: &[i64]) -> Result<i64, ErrorReply> {
    let moved = hops(instance, seats).zip(given).map(|((give, take), quantity)| {
        let (give, take) = (&instance.gives[give], &instance.takes[take]);
        let (giver, receiver) = (instance.parties[give.party].factors, instance.parties[take.party].factors);
        terms::Hop { quantity: *quantity, value: take.value, receiver, cost: give.cost, giver }
    });
    hops_welfare_minor(moved).map_err(|error| too_large(instance, seats, given, error))
}

/// What a ring brings does not fit 64 bits: the fault of the largest quantity that could move.
fn too_large(instance: &Instance, seats: &[SeatId], given: &[i64], error: TermsError) -> ErrorReply {
    let largest = hops(instance, seats).zip(given).max_by_key(|(_, quantity)| **quantity);
    let field = largest.map_or_else(|| "offers".into(), |((give, _), _)| instance.limit_field(give));
    ErrorReply::from(error).at_field(&field)
}

fn overflow() -> ErrorReply {
    ErrorReply::refused("overflow", "the objective does not fit 64 bits").at_field("offers")
}

/// Rounds the relaxation's optimum to whole lots, repairs it, and uses what is left.
///
/// # Errors
/// A refusal (422) where an objective does not fit 64 bits.
pub(crate) fn round<'a>(instance: &'a Instance, relaxed: &Relaxed, watch: &Watch) -> Result<Book<'a>, ErrorReply> {
    let mut book = Book::new(instance);
    let mut wanted: BTreeMap<Vec<SeatId>, (f64, Vec<f64>)> = BTreeMap::new();
    for (ray, amount) in relaxed.rays.iter().zip(&relaxed.amounts) {
        if *amount > 1e-12 {
            let first = ray.seats.iter().enumerate().min_by_key(|(_, seat)| **seat).map_or(0, |(place, _)| place);
            let (mut seats, mut given) = (ray.seats.clone(), ray.given.clone());
            seats.rotate_left(first);
            given.rotate_left(first);
            let (brings, sum) = wanted.entry(seats).or_insert_with(|| (0.0, vec![0.0; given.len()]));
            *brings += amount * ray.brings;
            for (sum, given) in sum.iter_mut().zip(given) {
                *sum += amount * given;
            }
        }
    }
    // What brings most comes first: should there be no time for the rest, little is lost.
    let mut wanted: Vec<(Vec<SeatId>, (f64, Vec<f64>))> = wanted.into_iter().collect();
    wanted.sort_by(|(_, (a, _)), (_, (b, _))| b.total_cmp(a));
    for (seats, (_, quantities)) in &wanted {
        if watch.spent_percent() >= UNTIL_PERCENT {
            return Ok(book);
        }
        place_near(instance, &mut book, seats, quantities)?;
    }
    use_what_is_left(instance, &mut book, relaxed, watch)?;
    Ok(book)
}

/// Places a ring with quantities just below what was asked for, or just above where below fails.
pub(crate) fn place_near(
    instance: &Instance,
    book: &mut Book<'_>,
    seats: &[SeatId],
    quantities: &[f64],
) -> Result<bool, ErrorReply> {
    let room = book.room(seats);
    for round in [f64::round, f64::floor, f64::ceil] {
        let start = seats.iter().zip(quantities).zip(&room).map(|((seat, quantity), room)| {
            if instance.is_end(instance.seats[*seat].give) {
                return 1;
            }
            let lot = instance.lot(instance.gives_good(*seat));
            nearest_lots(*quantity, lot, round).min(*room)
        });
        if let Some(given) = repair(instance, seats, start.collect())
            && book.place(seats, &given, 1)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A quantity of the solver's in whole lots: a hair below a whole number counts as that number.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn nearest_lots(quantity: f64, lot: i64, round: fn(f64) -> f64) -> i64 {
    let lots = quantity / lot as f64;
    let lots = if (lots - lots.round()).abs() < 1e-6 { lots.round() } else { round(lots) };
    (lots.max(0.0) as i64).saturating_mul(lot)
}

/// Lets the rings grow into what rounding left, the best first, and adds rings where what is left is worth it.
pub(crate) fn use_what_is_left(
    instance: &Instance,
    book: &mut Book<'_>,
    relaxed: &Relaxed,
    watch: &Watch,
) -> Result<(), ErrorReply> {
    let mut placed: Vec<(Vec<SeatId>, Placed)> =
        book.rings.iter().map(|(seats, placed)| (seats.clone(), placed.clone())).collect();
    placed.sort_by(|a, b| b.1.objective.cmp(&a.1.objective).then_with(|| a.0.cmp(&b.0)));
    for (seats, stands) in placed {
        if watch.spent_percent() >= UNTIL_PERCENT {
            return Ok(());
        }
        let room = book.room(&seats);
        let is_end = seats.iter().map(|seat| instance.is_end(instance.seats[*seat].give));
        let start = room.iter().zip(&stands.given).zip(is_end);
        let start = start.map(|((room, now), is_end)| if is_end { *now } else { room + now }).collect();
        let Some(given) = repair(instance, &seats, start) else { continue };
        if given == stands.given {
            continue;
        }
        let grown = Placed { objective: objective_of(instance, &seats, &given)?, given };
        // Where the objective does not care how much a ring moves, its welfare does.
        let is_better = if grown.objective == stands.objective {
            welfare_of(instance, &seats, &grown.given)? > welfare_of(instance, &seats, &stands.given)?
        } else {
            grown.objective > stands.objective
        };
        if is_better {
            book.change(&seats, grown);
        }
    }
    let worth_a_ring = i64::try_from((relaxed.bound >> FRACTION_BITS) / WORTH_A_RING).unwrap_or(i64::MAX).max(1);
    #[allow(clippy::cast_precision_loss)]
    let least = worth_a_ring as f64;
    let mut ways: Vec<(f64, &Ray)> =
        relaxed.rays.iter().map(|ray| (guide(instance, book, ray), ray)).filter(|(gain, _)| *gain >= least).collect();
    ways.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.seats.cmp(&b.1.seats)));
    for (_, ray) in ways {
        if watch.spent_percent() >= UNTIL_PERCENT {
            return Ok(());
        }
        if guide(instance, book, ray) < least {
            continue;
        }
        let room = book.room(&ray.seats);
        if let Some(given) = repair(instance, &ray.seats, room) {
            book.place(&ray.seats, &given, worth_a_ring)?;
        }
    }
    Ok(())
}

/// About what a ray would bring in the room that is left.
#[allow(clippy::cast_precision_loss)]
fn guide(instance: &Instance, book: &Book<'_>, ray: &Ray) -> f64 {
    let room = book.room(&ray.seats);
    let moving = ray.seats.iter().map(|seat| !instance.is_end(instance.seats[*seat].give));
    let shares = ray.given.iter().zip(&room).zip(moving).filter(|(_, moves)| *moves);
    let times = shares.map(|((given, room), _)| *room as f64 / given).fold(f64::INFINITY, f64::min);
    if instance.objective == Objective::Served {
        return if room.contains(&0) { 0.0 } else { ray.seats.len() as f64 };
    }
    let brings: f64 = hops(instance, &ray.seats)
        .zip(&ray.given)
        .map(|((give, take), quantity)| quantity * (instance.takes[take].gain_guide - instance.gives[give].loss_guide))
        .sum();
    times * brings
}
