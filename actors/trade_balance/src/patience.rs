//! How long an answer may take. Clocks are passed in: a test's stands still or jumps, the real one runs.

use std::time::Duration;

use schemas::core::{Call, Job};
use schemas::{Code, ErrorReply};

/// How much of the time until the deadline is computed for, in percent: the answer has to arrive before it, too.
const COMPUTED_PERCENT: u32 = 90;

/// The patience of whoever asked: it ends shortly before the call's deadline, or when its job is cancelled. Whatever
/// may compute for long looks at it every few milliseconds.
pub(crate) struct Patience {
    elapsed: Box<dyn Fn() -> Duration>,
    limit: Option<Duration>,
    job: Option<Job>,
}

impl Patience {
    /// The patience behind a call, from now on.
    pub(crate) fn of_call(elapsed: Box<dyn Fn() -> Duration>, call: &Call) -> Self {
        let limit = call.deadline_unix_ms.map(|deadline| {
            let left_ms = deadline.saturating_sub(call.now_unix_ms).max(0);
            Duration::from_millis(left_ms.unsigned_abs()) / 100 * COMPUTED_PERCENT
        });
        Self { elapsed, limit, job: call.job.clone() }
    }

    /// Patience that never ends.
    #[cfg(test)]
    pub(crate) fn endless() -> Self {
        Self::of_call(Box::new(|| Duration::ZERO), &Call::default())
    }

    /// Patience that has ended.
    #[cfg(test)]
    pub(crate) fn ended_already() -> Self {
        Self { limit: Some(Duration::ZERO), ..Self::endless() }
    }

    fn is_cancelled(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.watcher.is_stopped())
    }

    /// Whether to end with what there is. Once it is over, it stays so.
    pub(crate) fn is_over(&self) -> bool {
        self.is_cancelled() || self.limit.is_some_and(|limit| (self.elapsed)() >= limit)
    }

    /// What is answered where it ended, or a programme was given up for another reason, before there was an answer.
    pub(crate) fn ended(&self) -> ErrorReply {
        if self.limit.is_some_and(|limit| (self.elapsed)() >= limit) {
            let reason = "no answer was found by the deadline; ask with more time, or about less";
            ErrorReply::new(Code::Late, reason)
        } else if self.is_cancelled() {
            ErrorReply::refused("cancelled", "the job was cancelled before there was an answer")
        } else {
            // It has never been seen.
            ErrorReply::refused("stopped", "the linear programme was given up; ask with less room")
        }
    }

    /// Goes on, unless it is over.
    ///
    /// # Errors
    /// [`Patience::ended`].
    pub(crate) fn check(&self) -> Result<(), ErrorReply> {
        if self.is_over() { Err(self.ended()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn it_ends_before_the_deadline_and_says_why() {
        let now = Rc::new(Cell::new(0));
        let clock = Rc::clone(&now);
        let call = Call { now_unix_ms: 5_000, deadline_unix_ms: Some(6_000), ..Call::default() };
        let patience = Patience::of_call(Box::new(move || Duration::from_millis(clock.get())), &call);
        now.set(899);
        assert!(patience.check().is_ok());
        now.set(900);
        assert_eq!(patience.check().unwrap_err().kind(), Code::Late);
        // A deadline in the past leaves no time at all.
        let late = Call { now_unix_ms: 5_000, deadline_unix_ms: Some(4_000), ..Call::default() };
        assert!(Patience::of_call(Box::new(|| Duration::ZERO), &late).is_over());
        assert!(!Patience::endless().is_over());
    }
}
