//! Two things at a time: a large clearing has two threads. What comes out does not depend on which is done first.

use std::panic::resume_unwind;
use std::thread::scope;

/// Does one thing here and another one on a thread of its own.
pub(crate) fn both<A, B: Send>(here: impl FnOnce() -> A, there: impl FnOnce() -> B + Send) -> (A, B) {
    scope(|threads| {
        let there = threads.spawn(there);
        let here = here();
        (here, there.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}
