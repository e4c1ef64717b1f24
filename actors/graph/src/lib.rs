//! Who could trade with whom: clearing.
//!
//! From offers to exchange rings: `instance` reads and checks them exactly, `divisible` and `master` solve the linear
//! programme over rings by column generation (HiGHS) and make its bound safe with rounded duals, `rings` prices rings
//! out, and `round` rounds down and repairs in exact integers. Floats guide; what is answered holds exactly. It knows
//! neither markets nor deals, and does no I/O.

mod divisible;
mod fixed;
mod instance;
mod master;
mod rings;
mod round;
mod stopwatch;
mod table;

use std::time::Duration;

use schemas::clearing::{Clear as Request, Cleared, Hop, Outcome, Ring};
use schemas::core::{Call, Core};
use schemas::{ErrorReply, Quantity};

use crate::fixed::FRACTION_BITS;
use crate::instance::Instance;
use crate::round::{Book, hops, welfare_of};
use crate::stopwatch::Watch;
pub use crate::stopwatch::{Monotonic, Stopwatch};

/// Answers `graph.clear`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clear<S = Monotonic> {
    stopwatch: S,
}

impl<S: Stopwatch> Core for Clear<S> {
    const SERVICE: &'static str = "graph";
    const VERB: &'static str = "clear";
    type Request = Request;
    type Reply = Cleared;

    fn handle(&self, request: Request, _: &Call) -> Result<Cleared, ErrorReply> {
        let watch = Watch::new(self.stopwatch.start(), Duration::from_millis(request.time_limit_ms.into()));
        let instance = Instance::read(&request, &watch)?;
        let relaxed = divisible::relax(&instance, &watch);
        let book = round::round(&instance, &relaxed, &watch)?;
        answer(&instance, &book, relaxed.bound, &watch)
    }
}

fn answer(instance: &Instance, book: &Book<'_>, bound: i128, watch: &Watch) -> Result<Cleared, ErrorReply> {
    let mut rings = Vec::new();
    for (seats, given) in book.rings() {
        let mut ring = Ring { hops: Vec::new(), welfare_minor: welfare_of(instance, seats, given)? };
        for ((give, take), quantity) in hops(instance, seats).zip(given) {
            let (give, take) = (&instance.gives[give], &instance.takes[take]);
            ring.hops.push(Hop {
                from: instance.parties[give.party].agent.clone(),
                to: instance.parties[take.party].agent.clone(),
                good: instance.goods[give.good].name.clone(),
                quantity: Quantity::new(*quantity)
                    .map_err(|e| ErrorReply::new(schemas::Code::Internal, e.to_string()))?,
                want: instance.wants[take.want].index,
            });
        }
        rings.push(ring);
    }
    let objective = book.objective()?;
    let bound = i64::try_from(bound >> FRACTION_BITS).unwrap_or(i64::MAX);
    let gap_ppm = if bound > 0 { i128::from(bound - objective) * 1_000_000 / i128::from(bound) } else { 0 };
    Ok(Cleared {
        rings,
        objective,
        bound,
        gap_ppm: i64::try_from(gap_ppm).unwrap_or(i64::MAX),
        outcome: Outcome::Optimal,
        took_ms: u32::try_from(watch.elapsed().as_millis()).unwrap_or(u32::MAX),
        left_out: Vec::new(),
    })
}
