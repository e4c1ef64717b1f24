//! Many seeds, a world each, on every processor.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use anyhow::Result;
use runtime::memory::weather::Fault;

use super::{Plan, Report, run};

/// What all the seeds together came to.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Seeds that were run.
    pub seeds: u64,
    /// Operations at the ports.
    pub steps: u64,
    /// Moves in the logs.
    pub moves: u64,
    /// How many deals ended where.
    pub ends: BTreeMap<String, u64>,
    /// How often each fault struck.
    pub faults: BTreeMap<Fault, u64>,
    /// A number for everything that happened in all of them.
    pub digest: u64,
    /// The first seed that failed.
    pub failed: Option<Report>,
}

impl Totals {
    fn add(&mut self, report: Report) {
        self.seeds += 1;
        self.steps += report.steps;
        self.moves += report.moves;
        // In whatever order they end.
        self.digest = self.digest.wrapping_add(report.digest);
        for (end, count) in &report.ends {
            *self.ends.entry(end.clone()).or_default() += count;
        }
        for (fault, count) in &report.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
        let is_first = self.failed.as_ref().is_none_or(|failed| report.seed < failed.seed);
        if report.broken.is_some() && is_first {
            self.failed = Some(report);
        }
    }

    /// How many faults struck.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.faults.values().sum()
    }
}

/// Runs `seeds` seeds like `plan`, from its own on, until one fails. `tell` hears after each how many there were.
///
/// Of those that fail the first by number is kept: every seed before it was run.
///
/// # Errors
/// When the simulator itself is at fault.
pub fn run_all(plan: &Plan, seeds: u64, tell: impl Fn(u64) + Sync) -> Result<Totals> {
    let (next, over, done) = (AtomicU64::new(0), AtomicBool::new(false), AtomicU64::new(0));
    let totals = Mutex::new(Totals::default());
    let work = || -> Result<()> {
        while !over.load(Relaxed) {
            let number = next.fetch_add(1, Relaxed);
            if number >= seeds {
                break;
            }
            let report = run(&Plan { seed: plan.seed.wrapping_add(number), ..plan.clone() }, false);
            if report.as_ref().map_or(true, |report| report.broken.is_some()) {
                over.store(true, Relaxed);
            }
            totals.lock().unwrap_or_else(PoisonError::into_inner).add(report?);
            tell(done.fetch_add(1, Relaxed) + 1);
        }
        Ok(())
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the simulator panicked outside of a run")))
        })
    })?;
    Ok(totals.into_inner().unwrap_or_else(PoisonError::into_inner))
}
