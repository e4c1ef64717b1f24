//! Rings and their choices of quantities, as the columns of a programme in whole numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemas::ErrorReply;
use schemas::clearing::Objective;

use crate::divisible::Relaxed;
use crate::draw::Draw;
use crate::fixed::{FRACTION_BITS, shifted_down, shifted_up};
use crate::instance::{Instance, whole_lots};
use crate::programme::{Column, Flow, Programme};
use crate::rings::Search;
use crate::round::{Book, hops, objective_of, place_near, repair, use_what_is_left};
use crate::stopwatch::Watch;
use crate::table::{GiveId, Id, SeatId, Table, TakeId, WantId};

/// A ring is coarse where a hop has room for no more lots than this.
const FEW_LOTS: i64 = 32;
/// Most choices of quantities listed for one ring; with more, its least and its largest stand for all.
const MOST_CHOICES: usize = 64;
/// Most rings kept.
pub(crate) const MOST_RINGS: usize = 20_000;
/// Most rings looked at for a sample.
const MOST_SEEN: u64 = 1_000_000;
/// Rings may be listed until so much of the time is spent, in percent.
const LIST_UNTIL_PERCENT: u32 = 80;

/// Whether few lots are given at most.
pub(crate) fn is_coarse(instance: &Instance, give: GiveId) -> bool {
    let give = &instance.gives[give];
    give.limit / instance.lot(give.good) <= FEW_LOTS
}

/// Some of the rings that could be part of anything better.
pub(crate) struct Rings {
    /// Each once, its lowest seat first.
    pub(crate) rings: BTreeSet<Vec<SeatId>>,
    /// Whether no other ring can be part of anything better.
    pub(crate) complete: bool,
}

impl Rings {
    /// The relaxation's rings, and where every ring is coarse, all that could be part of anything better than `reached`,
    /// as far as they are no more than [`MOST_RINGS`].
    pub(crate) fn listed(instance: &Instance, relaxed: &Relaxed, reached: i64, watch: &Watch) -> Self {
        let mut rings = own_rings(relaxed);
        let complete = each_ring(instance, relaxed, reached, watch, &mut |ring| {
            rings.insert(ring);
            rings.len() < MOST_RINGS
        });
        Self { rings, complete }
    }

    /// The same, but where they are more, an even sample of them (Gibbons, 2001).
    pub(crate) fn sampled(instance: &Instance, relaxed: &Relaxed, reached: i64, watch: &Watch) -> Self {
        let (mut rings, mut one_in, mut seen) = (BTreeSet::new(), 1, 0);
        let complete = each_ring(instance, relaxed, reached, watch, &mut |ring| {
            seen += 1;
            if number_of(&ring).is_multiple_of(one_in) {
                rings.insert(ring);
            }
            while rings.len() > MOST_RINGS {
                one_in *= 2;
                rings.retain(|ring| number_of(ring).is_multiple_of(one_in));
            }
            seen < MOST_SEEN
        });
        rings.extend(own_rings(relaxed));
        Self { rings, complete: complete && one_in == 1 }
    }
}

/// The rings that the relaxation is made of.
pub(crate) fn own_rings(relaxed: &Relaxed) -> BTreeSet<Vec<SeatId>> {
    relaxed.rays.iter().map(|ray| turned(&ray.seats)).collect()
}

/// A number for a ring, as likely any as another.
fn number_of(ring: &[SeatId]) -> u64 {
    ring.iter().fold(0, |number, seat| Draw::new(number, seat.row() as u64).next())
}

/// Where every ring is coarse, calls `found` with every one that could be part of anything better than `reached`, once for
/// each of its seats, until it says no; says whether all were found.
fn each_ring(
    instance: &Instance,
    relaxed: &Relaxed,
    reached: i64,
    watch: &Watch,
    found: &mut dyn FnMut(Vec<SeatId>) -> bool,
) -> bool {
    if !instance.seats.iter().all(|(_, seat)| is_coarse(instance, seat.give)) || !relaxed.complete {
        return false;
    }
    // What loses more than this at the relaxation's prices leaves less than the next better objective.
    let slack = relaxed.bound - ((i128::from(reached) + 1) << FRACTION_BITS);
    let mut search = Search::new(instance, watch, LIST_UNTIL_PERCENT);
    search.price(&relaxed.prices);
    instance.gives.ids().all(|start| {
        let good = instance.gives[start].good;
        // A lot is lot / 2^scale of what prices are for.
        let loss = shifted_up(slack.max(0), instance.goods[good].scale) / i128::from(instance.lot(good)) + 1;
        search.enumerate(start, loss, &mut |seats| found(turned(seats))).complete
    })
}

/// A ring from its lowest seat on.
pub(crate) fn turned(seats: &[SeatId]) -> Vec<SeatId> {
    let mut seats = seats.to_vec();
    let first = lowest(&seats);
    seats.rotate_left(first);
    seats
}

fn lowest(seats: &[SeatId]) -> usize {
    seats.iter().enumerate().min_by_key(|(_, seat)| **seat).map_or(0, |(place, _)| place)
}

/// The hops on which something moves, and how much.
fn moving_hops<'s, T>(
    instance: &'s Instance,
    seats: &'s [SeatId],
    given: &'s [T],
) -> impl Iterator<Item = ((GiveId, TakeId), &'s T)> + 's {
    hops(instance, seats).zip(given).filter(|((give, _), _)| !instance.is_end(*give))
}

/// Rings and their choices of quantities as columns.
pub(crate) struct Listing {
    pub(crate) programme: Programme,
    /// By column: the ring, and what each seat gives.
    pub(crate) choices: Vec<(Vec<SeatId>, Vec<i64>)>,
    /// By flow: the ring, and what each seat gives for a whole one.
    flows: Vec<(Vec<SeatId>, Vec<f64>)>,
    /// Whether the columns are all choices of all rings that matter.
    pub(crate) complete: bool,
}

/// Numbers the limits that columns use.
struct Rows {
    gives: Table<GiveId, Option<usize>>,
    wants: Table<WantId, Option<usize>>,
    capacities: Vec<i64>,
}

impl Rows {
    fn of_give(&mut self, instance: &Instance, give: GiveId) -> usize {
        let capacities = &mut self.capacities;
        *self.gives[give].get_or_insert_with(|| {
            capacities.push(instance.gives[give].limit);
            capacities.len() - 1
        })
    }

    fn of_want(&mut self, instance: &Instance, want: WantId) -> usize {
        let capacities = &mut self.capacities;
        *self.wants[want].get_or_insert_with(|| {
            capacities.push(instance.wants[want].shares);
            capacities.len() - 1
        })
    }

    /// A ring of which one choice can be taken.
    fn of_ring(&mut self) -> usize {
        self.capacities.push(1);
        self.capacities.len() - 1
    }
}

impl Listing {
    /// The choices that the objective tells apart: served counts a ring once however much it moves, so there its least
    /// quantities are all that matters.
    pub(crate) fn of(
        instance: &Instance,
        relaxed: &Relaxed,
        rings: &BTreeSet<Vec<SeatId>>,
        reached: i64,
    ) -> Result<Self, ErrorReply> {
        Self::with(instance, relaxed, rings, reached, |instance, seats, largest| {
            let is_served = instance.objective == Objective::Served;
            let least = is_served.then(|| least(instance, seats, largest)).flatten();
            least.map_or_else(|| choices_of(instance, seats, largest), |least| (vec![least], true))
        })
    }

    pub(crate) fn with(
        instance: &Instance,
        relaxed: &Relaxed,
        rings: &BTreeSet<Vec<SeatId>>,
        reached: i64,
        choices_of: impl Fn(&Instance, &[SeatId], &[i64]) -> (Vec<Vec<i64>>, bool),
    ) -> Result<Self, ErrorReply> {
        let mut rows = Rows {
            gives: Table::like(&instance.gives, None),
            wants: Table::like(&instance.wants, None),
            capacities: Vec::new(),
        };
        let mut listing =
            Self { programme: Programme::default(), choices: Vec::new(), flows: Vec::new(), complete: true };
        let slack = relaxed.bound - ((i128::from(reached) + 1) << FRACTION_BITS);
        let empty = Book::new(instance);
        let mut fine: BTreeSet<&Vec<SeatId>> = BTreeSet::new();
        for seats in rings {
            let Some(largest) = repair(instance, seats, empty.room(seats)) else { continue };
            let is_coarse = seats
                .iter()
                .zip(&largest)
                .filter(|(seat, _)| !instance.is_end(instance.seats[**seat].give))
                .any(|(seat, given)| given / instance.lot(instance.gives_good(*seat)) <= FEW_LOTS);
            if !is_coarse {
                fine.insert(seats);
                continue;
            }
            let (choices, all) = choices_of(instance, seats, &largest);
            listing.complete &= all;
            // However much it moves, a ring is served once.
            let once = (instance.objective == Objective::Served && choices.len() > 1).then(|| rows.of_ring());
            for given in choices {
                let value = objective_of(instance, seats, &given)?;
                if value <= 0 || worth_beyond(instance, relaxed, seats, &given, value) < -slack {
                    continue;
                }
                let mut uses = Vec::with_capacity(2 * seats.len() + 1);
                uses.extend(once.map(|row| (row, 1)));
                for ((give, take), quantity) in moving_hops(instance, seats, &given) {
                    uses.push((rows.of_give(instance, give), *quantity));
                    uses.push((rows.of_want(instance, instance.takes[take].want), instance.shares(take, *quantity)));
                }
                listing.programme.columns.push(Column { value, uses });
                listing.choices.push((seats.clone(), given));
            }
        }
        #[allow(clippy::cast_precision_loss)]
        for ray in relaxed.rays.iter().filter(|ray| fine.contains(&turned(&ray.seats))) {
            let mut uses = Vec::with_capacity(2 * ray.seats.len());
            for ((give, take), quantity) in moving_hops(instance, &ray.seats, &ray.given) {
                let take = &instance.takes[take];
                uses.push((rows.of_give(instance, give), quantity / instance.gives[give].limit as f64));
                uses.push((rows.of_want(instance, take.want), quantity / take.full as f64));
            }
            listing.programme.flows.push(Flow { value: ray.brings, uses });
            listing.flows.push((ray.seats.clone(), ray.given.clone()));
        }
        listing.complete &= fine.is_empty();
        listing.programme.capacities = rows.capacities;
        Ok(listing)
    }

    /// What the solver finds, in whole lots.
    pub(crate) fn searched<'a>(
        &self,
        instance: &'a Instance,
        relaxed: &Relaxed,
        within: Duration,
        watch: &Watch,
    ) -> Result<Book<'a>, ErrorReply> {
        let Some(found) = self.programme.search(within) else {
            return Ok(Book::new(instance));
        };
        let mut book = self.placed(instance, &found.taken)?;
        for ((seats, given), amount) in self.flows.iter().zip(&found.amounts).filter(|(_, amount)| **amount > 1e-9) {
            let quantities: Vec<f64> = given.iter().map(|given| given * amount).collect();
            place_near(instance, &mut book, seats, &quantities)?;
        }
        use_what_is_left(instance, &mut book, relaxed, watch)?;
        Ok(book)
    }

    /// Which choices a book holds, as far as they are listed.
    pub(crate) fn taken_by(&self, book: &Book) -> Vec<usize> {
        let listed = self.choices.iter().enumerate();
        let places: BTreeMap<(&[SeatId], &[i64]), usize> =
            listed.map(|(at, (seats, given))| ((&seats[..], &given[..]), at)).collect();
        let place = |(seats, given): (&[SeatId], &[i64])| {
            let (mut given, first) = (given.to_vec(), lowest(seats));
            given.rotate_left(first);
            places.get(&(&turned(seats)[..], &given[..])).copied()
        };
        book.rings().filter_map(place).collect()
    }

    /// The choices taken, as far as they fit.
    ///
    /// # Errors
    /// A refusal (422) where what one brings does not fit 64 bits.
    pub(crate) fn placed<'a>(&self, instance: &'a Instance, taken: &[usize]) -> Result<Book<'a>, ErrorReply> {
        let mut book = Book::new(instance);
        for (seats, given) in taken.iter().filter_map(|at| self.choices.get(*at)) {
            book.place(seats, given, 1)?;
        }
        Ok(book)
    }
}

/// What a choice is worth beyond what it uses at the relaxation's prices, in fixed point, never underestimated.
fn worth_beyond(instance: &Instance, relaxed: &Relaxed, seats: &[SeatId], given: &[i64], value: i64) -> i128 {
    // The value was rounded down.
    let mut beyond = (i128::from(value) + 1) << FRACTION_BITS;
    for ((give, take), quantity) in hops(instance, seats).zip(given) {
        let row = &instance.gives[give];
        let price = relaxed.prices.give[give].checked_mul(i128::from(*quantity)).unwrap_or(0);
        let taking = &instance.takes[take];
        let share =
            relaxed.prices.want[taking.want].checked_mul(i128::from(*quantity)).unwrap_or(0) / i128::from(taking.full);
        beyond -= shifted_down(price, -instance.goods[row.good].scale) + share;
    }
    beyond
}

/// The choices of quantities of a ring, from the least to the largest, and whether they are all.
pub(crate) fn choices_of(instance: &Instance, seats: &[SeatId], largest: &[i64]) -> (Vec<Vec<i64>>, bool) {
    let Some(least) = least(instance, seats, largest) else { return (vec![largest.to_vec()], false) };
    let mut choices = Vec::new();
    let mut given = Vec::with_capacity(seats.len());
    if list(instance, seats, &least, largest, &mut given, &mut choices) {
        (choices, true)
    } else {
        (vec![least, largest.to_vec()], false)
    }
}

/// Lists the quantities that content every seat, from the given ones on; false where there are too many.
fn list(
    instance: &Instance,
    seats: &[SeatId],
    least: &[i64],
    largest: &[i64],
    given: &mut Vec<i64>,
    choices: &mut Vec<Vec<i64>>,
) -> bool {
    let at = given.len();
    let (Some(seat), Some(from), Some(to)) = (seats.get(at), least.get(at), largest.get(at)) else {
        // The first seat has yet to be content with what the last one gives.
        let contents = |(seat, (received, given)): (&SeatId, (&i64, &i64))| {
            instance.exchange(*seat).is_some_and(|e| e.is_satisfied(*received, *given))
        };
        if seats.first().zip(given.last().zip(given.first())).is_some_and(contents) {
            choices.push(given.clone());
        }
        return choices.len() <= MOST_CHOICES;
    };
    let lot = instance.lot(instance.gives_good(*seat));
    let affordable = match (given.last(), instance.exchange(*seat)) {
        (Some(received), Some(exchange)) => whole_lots(exchange.most_given(*received), lot),
        _ => *to,
    };
    let mut quantity = *from;
    let mut tries = 0;
    while quantity <= (*to).min(affordable) {
        given.push(quantity);
        let goes_on = list(instance, seats, least, largest, given, choices);
        given.pop();
        tries += 1;
        if !goes_on || tries > 4 * MOST_CHOICES {
            return false;
        }
        quantity += lot;
    }
    true
}

/// The least whole lots that content every seat, none above `largest`.
fn least(instance: &Instance, seats: &[SeatId], largest: &[i64]) -> Option<Vec<i64>> {
    let lots: Vec<i64> = seats.iter().map(|seat| instance.lot(instance.gives_good(*seat))).collect();
    let mut given = lots.clone();
    // Each round raises some hop by a lot at least, and none beyond the largest.
    loop {
        let mut is_stable = true;
        for at in (0..seats.len()).rev() {
            let before = (at + seats.len() - 1) % seats.len();
            let exchange = instance.exchange(*seats.get(at)?)?;
            let needed = exchange.least_received(*given.get(at)?)?;
            let lot = *lots.get(before)?;
            let needed = whole_lots(needed.checked_add(lot - 1)?, lot);
            let received = given.get_mut(before)?;
            if needed > *received {
                (*received, is_stable) = (needed, false);
                if needed > *largest.get(before)? {
                    return None;
                }
            }
        }
        if is_stable {
            return Some(given);
        }
    }
}
