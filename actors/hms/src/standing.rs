//! Where the deals of a bus stand, and what waits at the gates of its jobs, counted as their logs grow.
//!
//! What stands in the logs is counted as it stands there; whether it may stand there, `hms deal verify --all` says.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{
    DealId, JobId, TaskId,
    event::DealEvent,
    job::{TaskEvent, TaskWord},
    profile::State,
};
use serde::Serialize;

/// Where the deals stand. Of those that have ended only the number is kept.
#[derive(Clone, Debug, Default)]
pub struct Deals {
    alive: BTreeMap<DealId, (State, i64)>,
    ended: BTreeMap<State, u64>,
}

/// Who waits for whom: how many deals, and the oldest's wait in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// How many.
    pub deals: u64,
    /// The oldest.
    pub oldest_ms: i64,
}

impl Deals {
    /// An entry of a deal's log, each once and in order.
    pub fn heard(&mut self, event: &DealEvent) {
        let state = event.what.state();
        if state.is_end() {
            self.alive.remove(&event.deal);
            *self.ended.entry(state).or_default() += 1;
        } else {
            self.alive.insert(event.deal.clone(), (state, event.at_unix_ms));
        }
    }

    /// How many deals stand where.
    #[must_use]
    pub fn by_state(&self) -> BTreeMap<State, u64> {
        let mut counts: BTreeMap<State, u64> = State::ALL.map(|state| (state, 0)).into();
        counts.extend(&self.ended);
        for (state, _) in self.alive.values() {
            *counts.entry(*state).or_default() += 1;
        }
        counts
    }

    /// How long deals have stood in a state.
    #[must_use]
    pub fn waiting(&self, state: State, now_unix_ms: i64) -> Wait {
        let mut wait = Wait::default();
        for (_, at_unix_ms) in self.alive.values().filter(|(stands, _)| *stands == state) {
            wait.deals += 1;
            wait.oldest_ms = wait.oldest_ms.max(now_unix_ms.saturating_sub(*at_unix_ms));
        }
        wait
    }
}

/// Results that wait for a human's answer, as the logs of jobs tell of them.
#[derive(Clone, Debug, Default)]
pub struct Gates {
    waiting: BTreeMap<(JobId, TaskId), Gated>,
    /// Jobs that run and were told of from their beginning.
    followed: BTreeSet<JobId>,
}

/// Since when a result waits, and until when, in Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gated {
    since_unix_ms: i64,
    until_unix_ms: i64,
}

/// The gate at a glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AtGate {
    /// How many results wait.
    pub results: u64,
    /// How long the oldest has waited, in milliseconds.
    pub oldest_ms: i64,
    /// How soon silence is a no for one of them, in milliseconds.
    pub soonest_no_ms: Option<i64>,
}

impl Gates {
    /// Whether this is of a job whose beginning was not told: what waits in it is then asked of its log.
    #[must_use]
    pub fn is_news(&self, event: &TaskEvent) -> bool {
        event.turn > 0 && !event.what.is_end() && !self.followed.contains(&event.job)
    }

    /// An entry of a job's log, each once and in order.
    pub fn heard(&mut self, event: &TaskEvent) {
        if event.what.is_end() {
            self.followed.remove(&event.job);
            self.waiting.retain(|(job, _), _| *job != event.job);
            return;
        }
        self.followed.insert(event.job.clone());
        for task in &event.tasks {
            let place = (event.job.clone(), task.clone());
            if event.what == TaskWord::Gated {
                let until_unix_ms = event.until_unix_ms.unwrap_or(event.at_unix_ms);
                self.waiting.insert(place, Gated { since_unix_ms: event.at_unix_ms, until_unix_ms });
            } else {
                self.waiting.remove(&place);
            }
        }
    }

    /// What waits now.
    #[must_use]
    pub fn waiting(&self, now_unix_ms: i64) -> AtGate {
        let since = self.waiting.values().map(|gated| gated.since_unix_ms).min();
        let until = self.waiting.values().map(|gated| gated.until_unix_ms).min();
        AtGate {
            results: self.waiting.len() as u64,
            oldest_ms: since.map_or(0, |since| now_unix_ms.saturating_sub(since)),
            soonest_no_ms: until.map(|until| until.saturating_sub(now_unix_ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(job: char, turn: u32, at_unix_ms: i64, what: TaskWord, tasks: &[&str]) -> TaskEvent {
        let body = serde_json::json!({ "type": "task.event", "job": job.to_string().repeat(26), "turn": turn, "prev": schemas::Hash::ZERO,
            "at_unix_ms": at_unix_ms, "what": what, "tasks": tasks, "until_unix_ms": at_unix_ms + 500 });
        schemas::body::from_json(&body).unwrap()
    }

    #[test]
    fn a_result_waits_from_the_gate_to_its_answer_or_its_jobs_end() {
        let mut gates = Gates::default();
        let (one, two) = ('a', 'b');
        for event in [
            event(one, 0, 10, TaskWord::Submitted, &[]),
            event(one, 1, 100, TaskWord::Gated, &["a"]),
            event(one, 2, 300, TaskWord::Gated, &["b"]),
            event(two, 0, 310, TaskWord::Submitted, &[]),
            event(two, 1, 320, TaskWord::Gated, &["a"]),
        ] {
            assert!(!gates.is_news(&event));
            gates.heard(&event);
        }
        assert_eq!(gates.waiting(400), AtGate { results: 3, oldest_ms: 300, soonest_no_ms: Some(200) });
        gates.heard(&event(one, 3, 410, TaskWord::Answered, &["a"]));
        assert_eq!(gates.waiting(420), AtGate { results: 2, oldest_ms: 120, soonest_no_ms: Some(380) });
        gates.heard(&event(one, 4, 430, TaskWord::Failed, &["b"]));
        assert_eq!(gates.waiting(430), AtGate { results: 1, oldest_ms: 110, soonest_no_ms: Some(390) });
        gates.heard(&event(two, 2, 440, TaskWord::Cancelled, &[]));
        assert_eq!(gates.waiting(450), AtGate::default());
    }

    #[test]
    fn a_job_that_began_before_is_news_until_it_is_told() {
        let mut gates = Gates::default();
        let late = event('a', 7, 10, TaskWord::Bid, &["a"]);
        assert!(gates.is_news(&late));
        gates.heard(&late);
        assert!(!gates.is_news(&late));
        assert!(!gates.is_news(&event('b', 7, 10, TaskWord::Finished, &[])));
    }
}
