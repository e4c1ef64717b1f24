//! How long things take on this machine as it is now, other work on it included.
//!
//! What comes last, rounding above all, makes an answer of what was found: where it finds no time, all that was found
//! before is lost. So it is measured what it will take, and the search ends in time for it.

use std::time::Duration;

use schemas::ErrorReply;

use crate::gradient::{APPROACHES, STAGES};
use crate::instance::Instance;
use crate::master::Ray;
use crate::round::{Book, place_near};
use crate::stopwatch::Watch;

/// Rings rounded to see how long that takes.
const SAMPLE: usize = 128;
/// So much of what each could move.
const SHARE: f64 = 1.0 / 16.0;
/// A ring is placed, grows into what is left, and is written down; each takes about as long.
const TIMES_A_RING: u32 = 3;
/// A bound takes so many times as long as looking for columns, which does about the same in floats.
const TIMES_A_SEARCH: u32 = 4;

/// How long things took when they were done last.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    /// Placing a ring.
    ring: Duration,
    /// A row's or a column's part in an approach to the optimum.
    line: Duration,
    /// A search for columns from every give.
    search: Duration,
}

impl Pace {
    /// Measures rounding by a few of these, unless that is known.
    ///
    /// # Errors
    /// A refusal (422) where what a ring brings does not fit 64 bits.
    pub(crate) fn see_rounding(&mut self, instance: &Instance, rays: &[Ray], watch: &Watch) -> Result<(), ErrorReply> {
        if rays.is_empty() || !self.ring.is_zero() {
            return Ok(());
        }
        let mut book = Book::new(instance);
        let began = watch.elapsed();
        let mut rounded = 0;
        for ray in rays.iter().step_by(rays.len().div_ceil(SAMPLE)) {
            let quantities: Vec<f64> = ray.given.iter().map(|given| given * SHARE).collect();
            place_near(instance, &mut book, &ray.seats, &quantities)?;
            rounded += 1;
        }
        self.ring = watch.elapsed().saturating_sub(began) / rounded.max(1);
        Ok(())
    }

    /// An approach over so many rows and columns took so long.
    pub(crate) fn approached(&mut self, lines: usize, took: Duration) {
        self.line = took / count(lines.max(1));
    }

    /// A search for columns took so long.
    pub(crate) fn searched(&mut self, took: Duration) {
        self.search = took;
    }

    /// What rounding takes, with as many rings as rows.
    pub(crate) fn rounding(&self, rows: usize) -> Duration {
        self.ring * TIMES_A_RING * count(rows)
    }

    /// What all takes that comes after the search for columns: a bound, thinning, rounding.
    pub(crate) fn ending(&self, rows: usize) -> Duration {
        let lines: usize = STAGES.iter().rev().step_by(2).map(|percent| rows + rows * percent / 100).sum();
        self.search * TIMES_A_SEARCH + self.line * APPROACHES * count(lines) + self.rounding(rows)
    }
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}
