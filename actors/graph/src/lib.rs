//! Who could trade with whom: from what agents give and want to exchange rings in which everyone gains.
//!
//! # Design
//!
//! A clearing runs down one road, each step in its own module:
//!
//! 1. [`instance`] reads and checks the offers and numbers what can sit in a ring: its *seats*. Those on no closed walk
//!    of goods are left out ([`closed`]).
//! 2. [`pooled`] prices every limit as if rings could be of any length; from there [`divisible`] solves the linear
//!    relaxation over all rings, making the columns as the duals ask for them ([`scout`] finds them quickly and [`rings`]
//!    exactly, [`master`] holds the programme, [`gradient`] comes near its optimum), and proves a bound on what any set of
//!    rings can reach.
//! 3. [`round`] rounds its optimum to whole lots, repairs every ring exactly, and uses what is left.
//! 4. [`lots`] betters that where few lots move, by an integer programme ([`programme`], made smaller by [`reduce`],
//!    its nodes solved by [`simplex`]), and proves the optimum where it can.
//! 5. [`why`] says for every offer without a ring why it has none.
//!
//! HiGHS and its floats only guide. That a ring contents everyone is decided by `terms`, exactly; that limits hold,
//! in whole numbers; the bound is a sum of prices in fixed point, every step rounded to the safe side
//! ([`fixed`]). So whatever the solver does wrong, the rings are sound and the bound bounds.
//!
//! The same offers give the same rings, in whatever order they stand, unless time cuts the search short.
//!
//! # What it refuses
//!
//! Goods unknown to the market, values outside its band, objectives that the goods do not bear, sums beyond 64 bits.
//! It knows nothing of deals, ledgers or messages, keeps no state, and does no I/O; time reaches it through a
//! [`Stopwatch`], and only to stop in time.

mod bound;
mod closed;
mod divisible;
mod draw;
mod earlier;
mod fair;
mod fixed;
mod flow;
mod gradient;
mod instance;
mod listing;
mod lots;
mod master;
mod neighbourhood;
mod netting;
mod network;
mod pace;
mod pooled;
mod prices;
mod programme;
mod reduce;
mod rings;
mod roadmap;
mod round;
mod rows;
mod scout;
mod shares;
mod simplex;
mod stopwatch;
mod strong;
mod table;
#[cfg(test)]
mod tests;
mod two;
mod why;

use schemas::clearing::{Chain, Clear as Request, Cleared, Hop, Outcome, Ring, TieBreak};
use schemas::core::{Call, Core, Monotonic, Stopwatch};
use schemas::limit::PPM;
use schemas::{Code, ErrorReply, Quantity};

pub use crate::netting::Net;
pub use crate::network::Analyze;
pub use crate::roadmap::Plan;

use crate::instance::Instance;
use crate::lots::Settled;
use crate::round::{hops, welfare_of};
use crate::stopwatch::Watch;

/// Rounding to whole lots leaves a gap that is no fault of the search: up to this it counts as none, in parts per
/// million, where goods are not in lots.
const ROUNDING_GAP_PPM: i64 = 20_000;

/// The last search stops when this share of the time is spent, in percent: what ends before has ended by itself.
const TIME_LIMIT_PERCENT: u32 = 84;

/// Answers `graph.clear`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clear<S = Monotonic> {
    stopwatch: S,
}

impl<S: Stopwatch> Clear<S> {
    /// A core that tells the time by `stopwatch`.
    pub fn with(stopwatch: S) -> Self {
        Self { stopwatch }
    }
}

impl<S: Stopwatch> Core for Clear<S> {
    const SERVICE: &'static str = "graph";
    const VERB: &'static str = "clear";
    type Request = Request;
    type Reply = Cleared;

    /// Clears within the request's time limit and before the caller stops waiting, whichever is sooner.
    fn handle(&self, request: Request, call: &Call) -> Result<Cleared, ErrorReply> {
        let watch = Watch::of_call(self.stopwatch.start(), request.time_limit_ms, call);
        let instance = Instance::read(&request, &watch)?;
        let earlier = earlier::seats(&instance, &request.earlier);
        let relaxed = divisible::relax(&instance, &earlier, &watch)?;
        let book = round::round(&instance, &relaxed, &watch)?;
        let mut settled = lots::settle(&instance, &relaxed, book, &watch)?;
        if request.then == Some(TieBreak::Fairness) {
            lots::settle_fairly(&instance, &relaxed, &mut settled, &watch)?;
        }
        let mut cleared = answer(&instance, &settled)?;
        if settled.proven || relaxed.complete && !instance.is_in_lots() && cleared.gap_ppm <= ROUNDING_GAP_PPM {
            cleared.outcome = Outcome::Optimal;
        } else if watch.spent_percent() < TIME_LIMIT_PERCENT && relaxed.complete {
            cleared.outcome = Outcome::Feasible;
        }
        cleared.left_out = why::left_out(&instance, &relaxed, &settled.book, &watch);
        cleared.prices = prices::of_goods(&instance, &relaxed);
        if request.with_limits {
            cleared.limits = prices::of_limits(&instance, &relaxed);
        }
        cleared.took_ms = u32::try_from(watch.elapsed().as_millis()).unwrap_or(u32::MAX);
        Ok(cleared)
    }
}

fn answer(instance: &Instance, settled: &Settled<'_>) -> Result<Cleared, ErrorReply> {
    let (mut rings, mut chains) = (Vec::new(), Vec::new());
    for (seats, given) in settled.book.rings() {
        let Ring { mut hops, welfare_minor } = ring(instance, seats, given)?;
        match seats.iter().position(|seat| instance.is_end(instance.seats[*seat].give)) {
            None => rings.push(Ring { hops, welfare_minor }),
            Some(end) => {
                // The hop on which nothing moves is last, and no hop.
                hops.rotate_left((end + 1) % seats.len());
                hops.pop();
                chains.push(Chain { hops, welfare_minor });
            }
        }
    }
    let (objective, bound) = (settled.book.objective()?, settled.bound);
    assert!(bound >= objective, "a bound of {bound} below what was reached, {objective}");
    let gap_ppm =
        if bound > 0 { (i128::from(bound) - i128::from(objective)) * i128::from(PPM) / i128::from(bound) } else { 0 };
    Ok(Cleared {
        rings,
        objective,
        bound,
        gap_ppm: i64::try_from(gap_ppm).unwrap_or(PPM),
        outcome: Outcome::TimeLimit,
        took_ms: 0,
        left_out: Vec::new(),
        chains,
        prices: Vec::new(),
        limits: Vec::new(),
    })
}

fn ring(instance: &Instance, seats: &[table::SeatId], given: &[i64]) -> Result<Ring, ErrorReply> {
    let mut ring = Ring { hops: Vec::with_capacity(seats.len()), welfare_minor: welfare_of(instance, seats, given)? };
    for ((give, take), quantity) in hops(instance, seats).zip(given) {
        let (give, take) = (&instance.gives[give], &instance.takes[take]);
        ring.hops.push(Hop {
            from: instance.parties[give.party].agent.clone(),
            to: instance.parties[take.party].agent.clone(),
            good: instance.goods[give.good].name.clone(),
            quantity: Quantity::new(*quantity).map_err(|error| ErrorReply::new(Code::Internal, error.to_string()))?,
            want: instance.wants[take.want].index,
        });
    }
    Ok(ring)
}
