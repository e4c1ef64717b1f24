//! How long a clearing has computed. Clocks are passed in: a test's stands still or jumps, the real one runs.

use std::time::{Duration, Instant};

use schemas::core::{Call, Job};

/// A cancellation is heeded within this, as far as what runs can be cut.
const HEEDED_WITHIN: Duration = Duration::from_millis(800);

/// Starts watches.
pub trait Stopwatch: Send + 'static {
    /// A watch that starts now: it says how much time has passed since.
    fn start(&self) -> Box<dyn Fn() -> Duration>;
}

/// The machine's monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Monotonic;

impl Stopwatch for Monotonic {
    fn start(&self) -> Box<dyn Fn() -> Duration> {
        let started = Instant::now();
        Box::new(move || started.elapsed())
    }
}

/// A watch with a time limit.
pub(crate) struct Watch {
    elapsed: Box<dyn Fn() -> Duration>,
    limit: Duration,
    /// Whoever asked may stop it before.
    job: Option<Job>,
}

impl Watch {
    pub(crate) fn new(elapsed: Box<dyn Fn() -> Duration>, limit: Duration) -> Self {
        Self { elapsed, limit, job: None }
    }

    /// A watch for a call: its time limit, or the caller's patience where that is less, and no longer than until its job
    /// is cancelled.
    pub(crate) fn of_call(elapsed: Box<dyn Fn() -> Duration>, time_limit_ms: u32, call: &Call) -> Self {
        let patience_ms = call.deadline_unix_ms.map_or(i64::MAX, |deadline| deadline.saturating_sub(call.now_unix_ms));
        let limit_ms = i64::from(time_limit_ms).min(patience_ms).max(1);
        Self { job: call.job.clone(), ..Self::new(elapsed, Duration::from_millis(limit_ms.unsigned_abs())) }
    }

    fn is_stopped(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.watcher.is_stopped())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        (self.elapsed)()
    }

    /// How much of the time limit is spent, in percent; once it is stopped, all of it.
    pub(crate) fn spent_percent(&self) -> u32 {
        if self.is_stopped() {
            return u32::MAX;
        }
        let percent = self.elapsed().as_nanos().saturating_mul(100) / self.limit.as_nanos().max(1);
        u32::try_from(percent).unwrap_or(u32::MAX)
    }

    /// What is left until so many percent of the time limit are spent.
    pub(crate) fn left_until(&self, percent: u32) -> Duration {
        if self.is_stopped() {
            return Duration::ZERO;
        }
        (self.limit * percent / 100).saturating_sub(self.elapsed())
    }

    /// The same for a search that cannot be stopped once it runs: where a job may be cancelled, not so long that it would
    /// be noticed late.
    pub(crate) fn left_for_search_until(&self, percent: u32) -> Duration {
        let left = self.left_until(percent);
        if self.job.is_some() { left.min(HEEDED_WITHIN) } else { left }
    }
}
