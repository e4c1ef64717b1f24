//! How long a clearing has computed. Clocks are passed in: a test's stands still or jumps, the real one runs.

use std::time::{Duration, Instant};

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
}

impl Watch {
    pub(crate) fn new(elapsed: Box<dyn Fn() -> Duration>, limit: Duration) -> Self {
        Self { elapsed, limit }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        (self.elapsed)()
    }

    /// How much of the time limit is spent, in percent.
    pub(crate) fn spent_percent(&self) -> u32 {
        let percent = self.elapsed().as_nanos().saturating_mul(100) / self.limit.as_nanos().max(1);
        u32::try_from(percent).unwrap_or(u32::MAX)
    }

    /// What is left until so many percent of the time limit are spent.
    pub(crate) fn left_until(&self, percent: u32) -> Duration {
        (self.limit * percent / 100).saturating_sub(self.elapsed())
    }
}
