//! Who could trade with whom.
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
use crate::round::{Book, hops, objective_of, welfare_of};
use crate::stopwatch::Watch;
pub use crate::stopwatch::{Monotonic, Stopwatch};

/// The core.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clear<S = Monotonic> {
    stopwatch: S,
}

impl<S: Stopwatch> Core for Clear<S> {
    const SERVICE: &'static str = "graph";
    const VERB: &'static str = "clear";
    type Request = Request;
    type Reply = Cleared;

    fn handle(&self, request: Request, call: &Call) -> Result<Cleared, ErrorReply> {
        let _ = call;
        let watch = Watch::new(self.stopwatch.start(), Duration::from_millis(request.time_limit_ms.into()));
        let dbg = |what: &str| {
            if std::env::var("GRAPH_DEBUG").is_ok() {
                eprintln!("{what} {:?}", watch.elapsed())
            }
        };
        let instance = Instance::read(&request, &watch)?;
        dbg(&format!("read: {} seats", instance.seats.len()));
        let relaxed = divisible::relax(&instance, &watch);
        dbg(&format!("relaxed: {} rays", relaxed.rays.len()));
        let book = round::round(&instance, &relaxed, &watch)?;
        dbg("rounded");
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
        let _ = objective_of(instance, seats, given)?;
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
