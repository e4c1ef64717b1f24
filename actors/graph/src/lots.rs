//! Goods in lots: where a few lots are all that moves, rounding a relaxation is not good enough.
//!
//! # Design
//!
//! What matters is not whether a good is declared in lots but how many of them fit: a ring is *coarse* where some hop
//! has room for a few only. Its possible quantities are then listed, and each becomes a column that is taken once or
//! not at all: the cycle formulation of barter exchange (Abraham, Blum and Sandholm, 2007), of which kidney exchange
//! is the case where a ring has one choice of quantities. Other rings stay continuous beside them and are
//! rounded as ever, so markets may mix houses with money.
//!
//! Rings that cannot be part of anything better than what is at hand are left out: their loss at the relaxation's
//! prices exceeds the gap. Where all that remain are coarse and all their quantities are listed, a branch and
//! bound proves the optimum; elsewhere the relaxation's bound stands, and the gap is reported. It starts with a narrow
//! *window*: rings that lose less than a small part of the bound. The best set of these is soon found, and any set with
//! another ring reaches less than the bound by the window; so either that settles it, or the gap that the best at hand
//! leaves says how wide the window has to be.

use std::collections::BTreeSet;
use std::time::Duration;

use schemas::ErrorReply;
use schemas::clearing::Objective;

use crate::divisible::Relaxed;
use crate::fair::fairer;
use crate::fixed::{FRACTION_BITS, shifted_down, shifted_up};
use crate::instance::{Instance, whole_lots};
use crate::programme::{Column, Flow, Programme};
use crate::reduce::Reduced;
use crate::rings::Search;
use crate::round::{Book, hops, objective_of, place_near, repair, use_what_is_left};
use crate::stopwatch::Watch;
use crate::table::{GiveId, SeatId, Table, TakeId, WantId};

/// A ring is coarse where a hop has room for no more lots than this.
const FEW_LOTS: i64 = 32;
/// Most choices of quantities listed for one ring; with more, its least and its largest stand for all.
const MOST_CHOICES: usize = 64;
/// Most rings looked at.
const MOST_RINGS: usize = 20_000;
/// Without declared lots, a gap up to this is left to rounding, in parts per million.
const ROUNDING_GAP_PPM: i128 = 20_000;
/// Rings may be listed until so much of the time is spent, in percent.
const LIST_UNTIL_PERCENT: u32 = 80;
/// With more limits than this the solver searches first, until so much of the time is spent, in percent.
const MANY_LIMITS: usize = 200;
const OWN_UNTIL_PERCENT: u32 = 65;
/// The proof starts with rings that lose no more than this part of the bound.
const FIRST_WINDOW: i64 = 256;
/// The proof may run, and then the solver search, until so much of the time is spent, in percent.
const PROVE_UNTIL_PERCENT: u32 = 80;
const SEARCH_UNTIL_PERCENT: u32 = 90;
/// What is fairer may be looked for until so much of the time is spent, in percent.
const FAIR_UNTIL_PERCENT: u32 = 96;

/// Rings in whole lots, and what is known of anything better.
pub(crate) struct Settled<'a> {
    pub(crate) book: Book<'a>,
    /// No set of rings reaches more.
    pub(crate) bound: i64,
    /// Whether that was proven over whole lots, not only for the relaxation.
    pub(crate) proven: bool,
}

/// Betters a rounded relaxation where lots are few.
///
/// # Errors
/// A refusal (422) where an objective does not fit 64 bits.
pub(crate) fn settle<'a>(
    instance: &'a Instance,
    relaxed: &Relaxed,
    book: Book<'a>,
    watch: &Watch,
) -> Result<Settled<'a>, ErrorReply> {
    let bound = i64::try_from(relaxed.bound >> FRACTION_BITS).unwrap_or(i64::MAX);
    let mut settled = Settled { book, bound, proven: false };
    // Where every limit holds many lots, rounding costs next to nothing, and there is nothing to choose.
    if settled.is_good_enough(instance)? || !instance.seats.iter().any(|(_, seat)| is_coarse(instance, seat.give)) {
        return Ok(settled);
    }
    let mut dived = Book::new(instance);
    for (seats, given) in &relaxed.dived {
        dived.place(seats, given, 1)?;
    }
    use_what_is_left(instance, &mut dived, relaxed, watch)?;
    settled.take_better(dived)?;
    if settled.is_good_enough(instance)? {
        return Ok(settled);
    }
    // Where limits are many, the solver has a good set of rings sooner than a branch and bound.
    let is_large = instance.gives.len() + instance.wants.len() > MANY_LIMITS;
    if is_large {
        search_own(instance, relaxed, &mut settled, OWN_UNTIL_PERCENT, watch)?;
        if settled.is_good_enough(instance)? {
            return Ok(settled);
        }
    }
    prove(instance, relaxed, &mut settled, watch)?;
    if settled.proven {
        return Ok(settled);
    }
    search_own(instance, relaxed, &mut settled, SEARCH_UNTIL_PERCENT, watch)?;
    settled.is_proven()?;
    Ok(settled)
}

/// Has the solver choose among the relaxation's own rings, which are few, and often enough.
fn search_own<'a>(
    instance: &'a Instance,
    relaxed: &Relaxed,
    settled: &mut Settled<'a>,
    until_percent: u32,
    watch: &Watch,
) -> Result<(), ErrorReply> {
    let own: BTreeSet<Vec<SeatId>> = relaxed.rays.iter().map(|ray| turned(&ray.seats)).collect();
    let listing = Listing::of(instance, relaxed, &own, settled.book.objective()?)?;
    if !listing.programme.columns.is_empty() {
        settled.take_better(listing.searched(
            instance,
            relaxed,
            watch.left_for_search_until(until_percent),
            watch,
        )?)?;
    }
    Ok(())
}

/// Proves how good a set of rings is, or finds a better one: over all rings that could be part of one, or where they
/// are too many, over those that lose least at the relaxation's prices. Any set with another ring stays below.
fn prove<'a>(
    instance: &'a Instance,
    relaxed: &Relaxed,
    settled: &mut Settled<'a>,
    watch: &Watch,
) -> Result<(), ErrorReply> {
    let mut window = (settled.bound / FIRST_WINDOW).max(1).min(settled.bound.saturating_sub(settled.book.objective()?));
    while window > 0 && watch.spent_percent() < PROVE_UNTIL_PERCENT {
        let others = settled.bound.saturating_sub(window).max(settled.book.objective()?);
        let listed = list_rings(instance, relaxed, others, watch);
        if !listed.complete {
            if listed.rings.len() < MOST_RINGS {
                break;
            }
            window /= 2;
            continue;
        }
        let listing = Listing::of(instance, relaxed, &listed.rings, others)?;
        let bound = listing.better(instance, relaxed, settled, watch)?;
        if !(listing.complete && instance.all_seated && relaxed.complete) {
            break;
        }
        settled.bound = settled.bound.min(bound.max(others));
        if settled.is_proven()? || bound > others {
            break;
        }
        // What is left is between the best at hand and what rings beyond the window could reach.
        window = window.saturating_mul(2);
    }
    Ok(())
}

impl<'a> Settled<'a> {
    /// Whether nothing is left to look for: the bound is reached, or only rounding is missing where no lots are declared.
    fn is_good_enough(&mut self, instance: &Instance) -> Result<bool, ErrorReply> {
        let gap = i128::from(self.bound) - i128::from(self.book.objective()?);
        Ok(self.is_proven()? || !instance.is_in_lots() && gap * 1_000_000 <= i128::from(self.bound) * ROUNDING_GAP_PPM)
    }

    /// Whether nothing exceeds what is at hand; notes it.
    fn is_proven(&mut self) -> Result<bool, ErrorReply> {
        self.proven = self.book.objective()? >= self.bound;
        Ok(self.proven)
    }

    fn take_better(&mut self, book: Book<'a>) -> Result<(), ErrorReply> {
        if book.objective()? > self.book.objective()? {
            self.book = book;
        }
        Ok(())
    }
}

/// Among sets of rings that reach as much, a fairer one.
///
/// # Errors
/// A refusal (422) where an objective does not fit 64 bits.
pub(crate) fn settle_fairly<'a>(
    instance: &'a Instance,
    relaxed: &Relaxed,
    settled: &mut Settled<'a>,
    watch: &Watch,
) -> Result<(), ErrorReply> {
    // What could be part of a set that brings as much: the objective less one is to be bettered.
    let to_better = settled.book.objective()?.saturating_sub(1);
    let mut rings = list_rings(instance, relaxed, to_better, watch).rings;
    rings.extend(settled.book.rings().map(|(seats, _)| turned(seats)));
    let listing = Listing::with(instance, relaxed, &rings, to_better, choices_of)?;
    let left = || watch.left_for_search_until(FAIR_UNTIL_PERCENT);
    if let Some(fair) = fairer(instance, &listing, &settled.book, &left)? {
        settled.book = fair;
    }
    Ok(())
}

/// Whether few lots are given at most.
fn is_coarse(instance: &Instance, give: GiveId) -> bool {
    let give = &instance.gives[give];
    give.limit / instance.lot(give.good) <= FEW_LOTS
}

struct Rings {
    /// Each once, its lowest seat first.
    rings: BTreeSet<Vec<SeatId>>,
    /// Whether no other ring can be part of anything better.
    complete: bool,
}

/// The relaxation's rings, and where every ring is coarse, all that could be part of anything better than `reached`.
fn list_rings(instance: &Instance, relaxed: &Relaxed, reached: i64, watch: &Watch) -> Rings {
    let mut rings: BTreeSet<Vec<SeatId>> = relaxed.rays.iter().map(|ray| turned(&ray.seats)).collect();
    let all_coarse = instance.seats.iter().all(|(_, seat)| is_coarse(instance, seat.give));
    if !all_coarse || !relaxed.complete {
        return Rings { rings, complete: false };
    }
    // What loses more than this at the relaxation's prices leaves less than the next better objective.
    let slack = relaxed.bound - ((i128::from(reached) + 1) << FRACTION_BITS);
    let mut search = Search::new(instance, watch, LIST_UNTIL_PERCENT);
    search.price(&relaxed.prices);
    let mut complete = true;
    for start in instance.gives.ids() {
        let good = instance.gives[start].good;
        // A lot is lot / 2^scale of what prices are for.
        let loss = shifted_up(slack.max(0), instance.goods[good].scale) / i128::from(instance.lot(good)) + 1;
        let listed = search.enumerate(start, loss, &mut |seats| {
            rings.insert(turned(seats));
            rings.len() < MOST_RINGS
        });
        complete &= listed.complete;
        if !complete {
            break;
        }
    }
    Rings { rings, complete }
}

fn turned(seats: &[SeatId]) -> Vec<SeatId> {
    let first = seats.iter().enumerate().min_by_key(|(_, seat)| **seat).map_or(0, |(place, _)| place);
    let mut seats = seats.to_vec();
    seats.rotate_left(first);
    seats
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
    complete: bool,
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
    fn of(
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

    fn with(
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

    /// Takes over a better set of rings that a branch and bound finds among the choices; what it returns no set of
    /// them exceeds, and no less than what is at hand.
    fn better<'a>(
        &self,
        instance: &'a Instance,
        relaxed: &Relaxed,
        settled: &mut Settled<'a>,
        watch: &Watch,
    ) -> Result<i64, ErrorReply> {
        let reduced = Reduced::of(&self.programme);
        let reached = settled.book.objective()?;
        let proof = reduced.programme.prove(reached, &|| watch.left_until(PROVE_UNTIL_PERCENT));
        if let Some(taken) = &proof.taken {
            let mut book = self.placed(instance, &reduced.in_whole(taken))?;
            use_what_is_left(instance, &mut book, relaxed, watch)?;
            settled.take_better(book)?;
        }
        Ok(proof.bound)
    }

    /// What the solver finds, in whole lots.
    fn searched<'a>(
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
fn choices_of(instance: &Instance, seats: &[SeatId], largest: &[i64]) -> (Vec<Vec<i64>>, bool) {
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
