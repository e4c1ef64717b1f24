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
//! What a dive into the relaxation finds is bettered piece by piece ([`neighbourhood`](crate::neighbourhood)). Where rings
//! are worth much the same this reaches the bound, and nothing is left to prove; elsewhere it leaves less.
//!
//! Rings that cannot be part of anything better than what is at hand are left out: their loss at the relaxation's
//! prices exceeds the gap. Where all that remain are coarse and all their quantities are listed, a branch and
//! bound proves the optimum; elsewhere the relaxation's bound stands, and the gap is reported. It starts with a narrow
//! *window*: rings that lose less than a small part of the bound. The best set of these is soon found, and any set with
//! another ring reaches less than the bound by the window; so either that settles it, or the gap that the best at hand
//! leaves says how wide the window has to be.

use schemas::ErrorReply;

use crate::divisible::Relaxed;
use crate::fair::fairer;
use crate::fixed::FRACTION_BITS;
use crate::instance::Instance;
use crate::listing::{Listing, MOST_RINGS, Rings, choices_of, is_coarse, own_rings, turned};
use crate::reduce::Reduced;
use crate::round::{Book, use_what_is_left};
use crate::stopwatch::Watch;

/// Without declared lots, a gap up to this is left to rounding, in parts per million.
const ROUNDING_GAP_PPM: i128 = 20_000;
/// Pieces may be bettered until so much of the time is spent, in percent.
const PIECES_UNTIL_PERCENT: u32 = 50;
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
    better_in_pieces(instance, relaxed, &mut settled, watch)?;
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
    let listing = Listing::of(instance, relaxed, &own_rings(relaxed), settled.book.objective()?)?;
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

/// Betters what is at hand piece by piece, with rings that could be part of anything better, or where these are many, with
/// an even sample of them.
fn better_in_pieces<'a>(
    instance: &'a Instance,
    relaxed: &Relaxed,
    settled: &mut Settled<'a>,
    watch: &Watch,
) -> Result<(), ErrorReply> {
    let reached = settled.book.objective()?;
    let mut rings = Rings::sampled(instance, relaxed, reached, watch).rings;
    rings.extend(settled.book.rings().map(|(seats, _)| turned(seats)));
    let listing = Listing::of(instance, relaxed, &rings, reached)?;
    let reduced = Reduced::of(&listing.programme);
    let taken = reduced.of_whole(&listing.taken_by(&settled.book));
    let better = reduced.programme.bettered(&taken, settled.bound, &|| watch.left_until(PIECES_UNTIL_PERCENT));
    let mut book = listing.placed(instance, &reduced.in_whole(&better))?;
    use_what_is_left(instance, &mut book, relaxed, watch)?;
    settled.take_better(book)
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
        let listed = Rings::listed(instance, relaxed, others, watch);
        if !listed.complete {
            if listed.rings.len() < MOST_RINGS {
                break;
            }
            window /= 2;
            continue;
        }
        let listing = Listing::of(instance, relaxed, &listed.rings, others)?;
        let bound = settled.proved(&listing, instance, relaxed, watch)?;
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

    /// Takes over a better set of rings that a branch and bound finds among the choices; what it returns no set of
    /// them exceeds, and no less than what is at hand.
    fn proved(
        &mut self,
        listing: &Listing,
        instance: &'a Instance,
        relaxed: &Relaxed,
        watch: &Watch,
    ) -> Result<i64, ErrorReply> {
        let reduced = Reduced::of(&listing.programme);
        let proof = reduced.programme.prove(self.book.objective()?, &|| watch.left_until(PROVE_UNTIL_PERCENT));
        if let Some(taken) = &proof.taken {
            let mut book = listing.placed(instance, &reduced.in_whole(taken))?;
            use_what_is_left(instance, &mut book, relaxed, watch)?;
            self.take_better(book)?;
        }
        Ok(proof.bound)
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
    let mut rings = Rings::listed(instance, relaxed, to_better, watch).rings;
    rings.extend(settled.book.rings().map(|(seats, _)| turned(seats)));
    let listing = Listing::with(instance, relaxed, &rings, to_better, choices_of)?;
    let left = || watch.left_for_search_until(FAIR_UNTIL_PERCENT);
    if let Some(fair) = fairer(instance, &listing, &settled.book, &left)? {
        settled.book = fair;
    }
    Ok(())
}
