//! Where the deals of a bus stand, counted as their logs grow.
//!
//! What stands in the logs is counted as it stands there; whether it may stand there, `hms deal verify --all` says.

use std::collections::BTreeMap;

use schemas::{DealId, event::DealEvent, profile::State};
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
