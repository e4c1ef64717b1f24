//! What `hms top` shows: how the services fare, where the deals stand, and who keeps up.
//!
//! A [`Board`] is pure: it is told of samples and of entries of the log, and [`frame`] draws it. Rates are differences of
//! two samples, instance by instance, so a service that was started again counts from nothing and never backwards.
//!
//! # What it costs the bus
//!
//! At each refresh one `$SRV.STATS`, which each instance answers once, and three questions about streams. Deals and jobs
//! are followed by a consumer each, which begins with the last entry of each log; the log of a job that runs already is
//! read once, since its last entry doesn't say what waits in it. Signatures are not checked: this counts what
//! stands in the log, and `hms deal verify --all` says whether it may stand there.

pub mod frame;

#[cfg(test)]
mod tests;

use std::{cmp::Reverse, collections::BTreeMap};

use schemas::profile::State;
use serde::Serialize;

use crate::{
    roll::Instance,
    standing::{AtGate, Deals, Gates, Wait},
};

/// What was asked of the bus at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// Every instance that answered.
    pub instances: Vec<Instance>,
    /// The last sequence of the log of deals.
    pub log_sequence: u64,
    /// The last sequence of the stream of intents.
    pub intent_sequence: u64,
    /// How many keys the bucket of agents holds; for up to a minute an expired one is counted.
    pub agents: u64,
}

/// How one endpoint of a service fares, over all its instances.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fares {
    /// The service.
    pub service: String,
    /// The endpoint.
    pub endpoint: String,
    /// How many instances share it.
    pub instances: usize,
    /// Requests a second since the sample before.
    pub requests_per_s: f64,
    /// Errors a second.
    pub errors_per_s: f64,
    /// Time on each of these requests, in milliseconds; since the start where there was none.
    pub mean_ms: f64,
    /// Requests since the start.
    pub requests: u64,
    /// Errors since the start.
    pub errors: u64,
    /// The last error, `code:text`; empty if there was none.
    pub last_error: String,
}

/// By what the services are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The slowest first.
    #[default]
    Slowest,
    /// The most requests a second first.
    Rate,
    /// The most errors first.
    Errors,
    /// By name.
    Name,
}

impl Order {
    /// The orders, as the key `s` goes through them.
    pub const ALL: [Self; 4] = [Self::Slowest, Self::Rate, Self::Errors, Self::Name];

    /// The order as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slowest => "slowest",
            Self::Rate => "rate",
            Self::Errors => "errors",
            Self::Name => "name",
        }
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        let orders = Self::ALL.into_iter().cycle();
        orders.skip_while(|order| *order != self).nth(1).unwrap_or_default()
    }
}

/// All that is shown.
#[derive(Clone, Debug, Default)]
pub struct Board {
    /// The bus: where, and of which version.
    pub bus: String,
    /// Where the deals stand.
    pub deals: Deals,
    /// What waits for a human.
    pub gates: Gates,
    /// By what services are sorted.
    pub order: Order,
    /// Whether new samples are passed over.
    pub is_paused: bool,
    /// Why the last sample is not there.
    pub trouble: Option<String>,
    before: Sample,
    now: Sample,
    samples: u64,
}

/// The same for programs.
#[derive(Debug, Serialize)]
pub struct Told {
    at_unix_ms: i64,
    bus: String,
    agents: u64,
    log_entries_per_s: f64,
    intents_per_s: f64,
    deals: BTreeMap<&'static str, u64>,
    waiting_for_ledger: Wait,
    waiting_for_proof: Wait,
    waiting_at_gates: AtGate,
    services: Vec<Fares>,
}

impl Board {
    /// The board of a bus.
    #[must_use]
    pub fn of(bus: String, order: Order) -> Self {
        Self { bus, order, ..Self::default() }
    }

    /// Takes the next sample, unless it is paused.
    pub fn sampled(&mut self, sample: Sample) {
        if self.is_paused {
            return;
        }
        self.trouble = None;
        self.before = std::mem::replace(&mut self.now, sample);
        self.samples += 1;
    }

    /// Whether rates can be told: they take two samples.
    #[must_use]
    pub const fn has_rates(&self) -> bool {
        self.samples > 1
    }

    fn seconds(&self) -> f64 {
        let ms = self.now.at_unix_ms.saturating_sub(self.before.at_unix_ms);
        if self.has_rates() && ms > 0 { ms as f64 / 1_000.0 } else { f64::INFINITY }
    }

    fn log_rate(&self) -> f64 {
        self.now.log_sequence.saturating_sub(self.before.log_sequence) as f64 / self.seconds()
    }

    fn intent_rate(&self) -> f64 {
        self.now.intent_sequence.saturating_sub(self.before.intent_sequence) as f64 / self.seconds()
    }

    /// How each endpoint fares, in order.
    #[must_use]
    pub fn services(&self) -> Vec<Fares> {
        let mut fares: BTreeMap<(&str, &str), (Fares, u64, u64)> = BTreeMap::new();
        for instance in &self.now.instances {
            let earlier = self.before.instances.iter().find(|known| known.id == instance.id);
            for endpoint in &instance.endpoints {
                let was = earlier.and_then(|known| known.endpoints.iter().find(|known| known.name == endpoint.name));
                let was = was.cloned().unwrap_or_default();
                let (of, requests, time_ns) = fares
                    .entry((&instance.name, &endpoint.name))
                    .or_insert_with(|| (none(instance, &endpoint.name), 0, 0));
                of.instances += 1;
                of.requests += endpoint.num_requests;
                of.errors += endpoint.num_errors;
                if !endpoint.last_error.is_empty() {
                    of.last_error.clone_from(&endpoint.last_error);
                }
                // What the time since the start comes to, until there is a sample before.
                of.mean_ms += endpoint.processing_time as f64;
                *requests += endpoint.num_requests.saturating_sub(was.num_requests);
                *time_ns += endpoint.processing_time.saturating_sub(was.processing_time);
                of.errors_per_s += endpoint.num_errors.saturating_sub(was.num_errors) as f64 / self.seconds();
            }
        }
        let finished = |(mut of, requests, time_ns): (Fares, u64, u64)| {
            of.requests_per_s = requests as f64 / self.seconds();
            let (time_ns, requests) = if requests > 0 { (time_ns as f64, requests) } else { (of.mean_ms, of.requests) };
            of.mean_ms = if requests > 0 { time_ns / requests as f64 / 1e6 } else { 0.0 };
            of
        };
        let mut fares: Vec<Fares> = fares.into_values().map(finished).collect();
        // The names' order stays between equals.
        let micros = |value: f64| Reverse((value * 1e6) as u64);
        match self.order {
            Order::Slowest => fares.sort_by_key(|of| micros(of.mean_ms)),
            Order::Rate => fares.sort_by_key(|of| micros(of.requests_per_s)),
            Order::Errors => fares.sort_by_key(|of| (micros(of.errors_per_s), Reverse(of.errors))),
            Order::Name => {}
        }
        fares
    }

    /// All of it, for programs.
    #[must_use]
    pub fn told(&self) -> Told {
        Told {
            at_unix_ms: self.now.at_unix_ms,
            bus: self.bus.clone(),
            agents: self.now.agents,
            log_entries_per_s: self.log_rate(),
            intents_per_s: self.intent_rate(),
            deals: self.deals.by_state().into_iter().map(|(state, count)| (state.as_str(), count)).collect(),
            waiting_for_ledger: self.deals.waiting(State::Certified, self.now.at_unix_ms),
            waiting_for_proof: self.deals.waiting(State::Agreed, self.now.at_unix_ms),
            waiting_at_gates: self.gates.waiting(self.now.at_unix_ms),
            services: self.services(),
        }
    }
}

fn none(instance: &Instance, endpoint: &str) -> Fares {
    Fares {
        service: instance.name.clone(),
        endpoint: endpoint.to_owned(),
        instances: 0,
        requests_per_s: 0.0,
        errors_per_s: 0.0,
        mean_ms: 0.0,
        requests: 0,
        errors: 0,
        last_error: String::new(),
    }
}
