//! Timers as message schedules of the broker (ADR-51): they fire whoever has died meanwhile.
//!
//! A log has one timer. Arming it moves it to an earlier time or not at all, under compare-and-set on its subject: of
//! two writers who arm it, the earlier time stays, whichever of them then gets to write. A timer that fires too early
//! costs a look at the log, one that fires too late or never would leave something open.

use std::sync::Arc;

use schemas::{
    header::{self, Headers},
    stream,
};

use crate::port::{AppendError, Port, Record, Stored};

/// How long a fired timer waits for somebody to heed it.
const FIRED_STAYS: &str = "168h";
/// How often it is looked again when others arm the same timer.
const ATTEMPTS: u32 = 8;

/// A timer to be armed.
pub(super) struct Timer {
    /// The subject that it is armed on.
    pub(super) from: String,
    /// The subject that it fires to.
    pub(super) target: String,
    /// When it was to fire first, in Unix milliseconds; what fires carries it as `Hms-Deadline`.
    pub(super) due_unix_ms: i64,
    /// When it is to fire, in Unix milliseconds.
    pub(super) at_unix_ms: i64,
}

impl Timer {
    fn record(&self, last: u64) -> Record {
        let headers = Headers::new()
            .with(header::SCHEDULE, schedule(self.at_unix_ms))
            .with(header::SCHEDULE_TARGET, self.target.as_str().to_owned())
            .with(header::SCHEDULE_TTL, FIRED_STAYS)
            .with(header::DEADLINE, self.due_unix_ms.to_string());
        Record::new(self.from.as_str(), Vec::new()).with_headers(headers).expecting(last)
    }

    /// Whether what is armed already fires early enough.
    fn is_served_by(&self, armed: &Stored) -> bool {
        armed_for(armed).is_some_and(|at| at <= self.at_unix_ms)
    }
}

/// Arms a timer, unless it is armed for as early a time.
///
/// # Errors
/// Why it may not be armed, in words.
pub(super) async fn arm(port: Arc<dyn Port>, timer: Timer) -> Result<(), String> {
    let mut last = 0;
    for _ in 0..ATTEMPTS {
        match port.append(stream::TIMERS, vec![timer.record(last)]).await {
            Ok(_) => return Ok(()),
            Err(AppendError::Conflict) => {}
            Err(error) => return Err(error.to_string()),
        }
        match port.last(stream::TIMERS, &timer.from).await {
            Ok(Some(armed)) if timer.is_served_by(&armed) => return Ok(()),
            // None: it fired meanwhile.
            Ok(armed) => last = armed.map_or(0, |armed| armed.sequence),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(format!("others keep arming {}", timer.from))
}

fn schedule(at_unix_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at_unix_ms).unwrap_or(jiff::Timestamp::MAX);
    format!("@at {at:.3}")
}

fn armed_for(armed: &Stored) -> Option<i64> {
    let at = armed.headers.get(header::SCHEDULE)?.strip_prefix("@at ")?;
    at.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use schemas::subject;

    use super::*;
    use crate::{memory::Memory, simulate};

    const NOW: i64 = 1_700_000_000_000;

    #[test]
    fn it_is_armed_earlier_but_never_later_and_again_once_it_has_fired() {
        simulate(async {
            let port: Arc<dyn Port> = Arc::new(Memory::new(NOW));
            for spec in stream::streams(1) {
                port.ensure_stream(&spec).await.unwrap();
            }
            let deal = "a".repeat(26).parse().unwrap();
            let (from, target) = (subject::timer(&deal), subject::timer_due(&deal));
            let armed = async |after_ms: i64| {
                let (from, target) = (from.clone(), target.clone());
                let timer = Timer { from, target, due_unix_ms: NOW, at_unix_ms: NOW + after_ms };
                arm(Arc::clone(&port), timer).await.unwrap();
                let armed = port.last(stream::TIMERS, &subject::timer(&deal)).await.unwrap();
                armed.as_ref().and_then(armed_for).map(|at| at - NOW)
            };
            assert_eq!(armed(2_000).await, Some(2_000));
            assert_eq!(armed(3_000).await, Some(2_000), "not later");
            assert_eq!(armed(1_000).await, Some(1_000), "earlier");
            port.sleep_until(NOW + 1_500).await;
            assert_eq!(port.last(stream::TIMERS, &from).await.unwrap(), None, "it has fired");
            let fired = port.last(stream::TIMERS, &target).await.unwrap().unwrap();
            assert_eq!(fired.headers.get(header::DEADLINE), Some(NOW.to_string().as_str()));
            assert_eq!(armed(3_000).await, Some(3_000));
        })
        .unwrap();
    }
}
