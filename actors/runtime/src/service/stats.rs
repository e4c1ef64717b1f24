//! What a service tells about itself (ADR-32): who it is, where its endpoints are, how they fare.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use serde::Serialize;

use super::{
    EndpointSpec,
    fair::{Claimant, Places},
};

/// Upper ends of the buckets that durations are counted in, in microseconds; what takes longer has one of its own.
pub(super) const BUCKETS_US: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000, 30_000_000,
];

/// An endpoint, with its counts.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) name: String,
    pub(super) subject: String,
    pub(super) queue_group: String,
    pub(super) metadata: BTreeMap<String, String>,
    /// How to tell who asks.
    pub(super) claimant: Option<Claimant>,
    /// Whether its answers are streams.
    pub(super) streams: bool,
    requests: AtomicU64,
    errors: AtomicU64,
    processing_ns: AtomicU64,
    last_error: Mutex<String>,
    errors_by_code: Mutex<BTreeMap<u16, u64>>,
    panics: AtomicU64,
    durations: [AtomicU64; BUCKETS_US.len() + 1],
    /// The permits that it shares with its crew.
    places: Arc<Places>,
}

impl Endpoint {
    /// An endpoint in a queue group: its own, if it names one.
    pub(super) fn new(spec: EndpointSpec, service: &str, places: Arc<Places>) -> Self {
        let EndpointSpec { name, subject, queue_group, metadata, claimant, streams } = spec;
        Self {
            name,
            subject,
            queue_group: queue_group.unwrap_or_else(|| service.to_owned()),
            metadata,
            claimant,
            streams,
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            processing_ns: AtomicU64::new(0),
            last_error: Mutex::default(),
            errors_by_code: Mutex::default(),
            panics: AtomicU64::new(0),
            durations: Default::default(),
            places,
        }
    }

    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn count_time(&self, spent: Duration) {
        self.processing_ns.fetch_add(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        let spent_us = u64::try_from(spent.as_micros()).unwrap_or(u64::MAX);
        // Nothing is counted twice or not at all: the last bucket takes what is over all others.
        if let Some(count) = self.durations.get(BUCKETS_US.partition_point(|end_us| *end_us < spent_us)) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn count_panic(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    pub(super) fn count_error(&self, error: &schemas::ErrorReply) {
        self.errors.fetch_add(1, Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) =
            format!("{}:{}", error.code, super::reply::said(error));
        *self.errors_by_code.lock().unwrap_or_else(PoisonError::into_inner).entry(error.code).or_default() += 1;
    }

    pub(super) fn stats(&self) -> EndpointStats {
        let (requests, processing_ns) = (self.requests.load(Relaxed), self.processing_ns.load(Relaxed));
        EndpointStats {
            name: self.name.clone(),
            subject: self.subject.clone(),
            queue_group: self.queue_group.clone(),
            num_requests: requests,
            num_errors: self.errors.load(Relaxed),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            processing_time: processing_ns,
            average_processing_time: processing_ns.checked_div(requests).unwrap_or(0),
            data: self.data(),
        }
    }

    fn data(&self) -> EndpointData {
        let durations: Vec<u64> = self.durations.iter().map(|count| count.load(Relaxed)).collect();
        EndpointData {
            errors_by_code: self.errors_by_code.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            panics: self.panics.load(Relaxed),
            admission_limit: self.places.limit(),
            admitted: self.places.taken(),
            p50_us: quantile(&durations, 500),
            p99_us: quantile(&durations, 990),
            durations,
        }
    }
}

/// The end of the bucket in which so many of a thousand durations have ended, in microseconds; `None` where there are
/// none, and where that is over all ends.
fn quantile(durations: &[u64], permille: u64) -> Option<u64> {
    let all: u64 = durations.iter().sum();
    let wanted = all.saturating_mul(permille).div_ceil(1_000);
    let mut seen = 0_u64;
    let ends = durations.iter().zip(BUCKETS_US);
    ends.map(|(count, end_us)| {
        seen = seen.saturating_add(*count);
        (seen, end_us)
    })
    .find(|(seen, _)| all > 0 && *seen >= wanted)
    .map(|(_, end_us)| end_us)
}

/// How an endpoint fares; the fields are ADR-32's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndpointStats {
    /// The endpoint's name.
    pub name: String,
    /// The subject it listens on.
    pub subject: String,
    /// The queue group that shares it.
    pub queue_group: String,
    /// Requests received, refused ones included.
    pub num_requests: u64,
    /// Requests that were answered with an error.
    pub num_errors: u64,
    /// The last of those errors, `code:text`; empty if there was none.
    pub last_error: String,
    /// Time spent on answering, in nanoseconds.
    pub processing_time: u64,
    /// That time for each request, in nanoseconds.
    pub average_processing_time: u64,
    /// What ADR-32 leaves to the service: the numbers that [`Meters`](super::Meters) give.
    pub data: EndpointData,
}

/// The rest of how an endpoint fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndpointData {
    /// Errors, by their code.
    pub errors_by_code: BTreeMap<u16, u64>,
    /// How often what answers panicked, and was built anew.
    pub panics: u64,
    /// How many requests it takes on at once, together with the endpoints that it shares its actors with.
    pub admission_limit: usize,
    /// How many of those it has taken on now.
    pub admitted: usize,
    /// Half of the requests took no longer, to the end of a bucket, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<u64>,
    /// 99 of 100 took no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<u64>,
    /// How many took so long, bucket by bucket, the last being what is over all ends.
    #[serde(skip)]
    pub durations: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use schemas::{Code, ErrorReply};

    use super::*;

    fn endpoint() -> Endpoint {
        let places = Arc::new(Places::new(4));
        Endpoint::new(EndpointSpec::new("a", "a.a"), "a", places)
    }

    #[test]
    fn a_duration_is_counted_once_in_the_bucket_that_it_ends_in() {
        let endpoint = endpoint();
        for us in [0, 250, 251, 1_000, 30_000_000, 30_000_001] {
            endpoint.count_time(Duration::from_micros(us));
        }
        let durations = endpoint.data().durations;
        assert_eq!(durations.iter().sum::<u64>(), 6);
        assert_eq!((durations[0], durations[1], durations[2], durations[13], durations[14]), (2, 1, 1, 1, 1));
    }

    #[test]
    fn quantiles_are_the_ends_of_buckets() {
        let endpoint = endpoint();
        assert_eq!((endpoint.data().p50_us, endpoint.data().p99_us), (None, None));
        for _ in 0..98 {
            endpoint.count_time(Duration::from_micros(700));
        }
        endpoint.count_time(Duration::from_millis(80));
        assert_eq!((endpoint.data().p50_us, endpoint.data().p99_us), (Some(1_000), Some(100_000)));
        for _ in 0..9 {
            endpoint.count_time(Duration::from_secs(60));
        }
        assert_eq!(endpoint.data().p99_us, None, "over all ends");
    }

    #[test]
    fn errors_are_counted_by_code_and_places_as_they_are_taken() {
        let endpoint = endpoint();
        for code in [Code::Busy, Code::Late, Code::Busy] {
            endpoint.count_error(&ErrorReply::new(code, "no"));
        }
        endpoint.count_panic();
        let place = endpoint.places.take(&None);
        let data = endpoint.data();
        assert_eq!(data.errors_by_code, BTreeMap::from([(410, 1), (429, 2)]));
        assert_eq!((data.panics, data.admission_limit, data.admitted), (1, 4, 1));
        drop(place);
        assert_eq!(endpoint.data().admitted, 0);
    }
}
