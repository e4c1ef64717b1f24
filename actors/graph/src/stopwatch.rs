//! How long a clearing has computed. Clocks are passed in: a test's stands still or jumps, the real one runs.

use std::cell::Cell;
use std::time::Duration;

use schemas::core::{Call, Job};

/// A search that cannot be stopped runs no longer than this where a job may be cancelled.
const HEEDED_WITHIN: Duration = Duration::from_millis(500);
/// How long it takes from a cancellation to the answer: what was found has yet to be rounded.
const ENDING: Duration = Duration::from_millis(400);
/// So much of the time counts as spent when a job is cancelled, in percent: searches are over, and rounding is not.
const SPENT_PERCENT: u32 = 85;

/// A watch with a time limit.
pub(crate) struct Watch {
    elapsed: Box<dyn Fn() -> Duration>,
    limit: Duration,
    /// Whoever asked may stop it before.
    job: Option<Job>,
    /// When that was noticed.
    stopped: Cell<Option<Duration>>,
}

impl Watch {
    pub(crate) fn new(elapsed: Box<dyn Fn() -> Duration>, limit: Duration) -> Self {
        Self { elapsed, limit, job: None, stopped: Cell::new(None) }
    }

    /// A watch for a call: its time limit, or the caller's patience where that is less, and no longer than until its job
    /// is cancelled.
    pub(crate) fn of_call(elapsed: Box<dyn Fn() -> Duration>, time_limit_ms: u32, call: &Call) -> Self {
        let patience_ms = call.deadline_unix_ms.map_or(i64::MAX, |deadline| deadline.saturating_sub(call.now_unix_ms));
        let limit_ms = i64::from(time_limit_ms).min(patience_ms).max(1);
        Self { job: call.job.clone(), ..Self::new(elapsed, Duration::from_millis(limit_ms.unsigned_abs())) }
    }

    /// How long ago it was stopped, if it was.
    fn since_stopped(&self) -> Option<Duration> {
        if self.stopped.get().is_none() && self.job.as_ref().is_some_and(|job| job.watcher.is_stopped()) {
            self.stopped.set(Some(self.elapsed()));
        }
        Some(self.elapsed().saturating_sub(self.stopped.get()?))
    }

    pub(crate) fn elapsed(&self) -> Duration {
        (self.elapsed)()
    }

    /// How much of the time limit is spent, in percent. Once it is stopped, at least as much as leaves time for no more
    /// than an answer.
    pub(crate) fn spent_percent(&self) -> u32 {
        let spent = percent(self.elapsed(), self.limit);
        let ending =
            self.since_stopped().map(|since| SPENT_PERCENT + percent(since, ENDING) * (100 - SPENT_PERCENT) / 100);
        ending.map_or(spent, |ending| ending.max(spent))
    }

    /// What is left until so many percent of the time limit are spent.
    pub(crate) fn left_until(&self, percent: u32) -> Duration {
        let left = (self.limit * percent / 100).saturating_sub(self.elapsed());
        let Some(since) = self.since_stopped() else { return left };
        let ending = ENDING * percent.saturating_sub(SPENT_PERCENT) / (100 - SPENT_PERCENT);
        left.min(ending.saturating_sub(since))
    }

    /// The same for a search that cannot be stopped once it runs: where a job may be cancelled, not so long that it would
    /// be noticed late.
    pub(crate) fn left_for_search_until(&self, percent: u32) -> Duration {
        let left = self.left_until(percent);
        if self.job.is_some() { left.min(HEEDED_WITHIN) } else { left }
    }
}

fn percent(spent: Duration, of: Duration) -> u32 {
    let percent = spent.as_nanos().saturating_mul(100) / of.as_nanos().max(1);
    u32::try_from(percent).unwrap_or(u32::MAX).min(1_000)
}
