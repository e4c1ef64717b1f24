//! What a service tells about itself (ADR-32): who it is, where its endpoints are, how they fare.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use serde::Serialize;

use super::fair::Claimant;

/// An endpoint, with its counts.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) name: String,
    pub(super) subject: String,
    pub(super) queue_group: String,
    pub(super) metadata: BTreeMap<String, String>,
    /// How to tell who asks.
    pub(super) claimant: Option<Claimant>,
    requests: AtomicU64,
    errors: AtomicU64,
    processing_ns: AtomicU64,
    last_error: Mutex<String>,
}

impl Endpoint {
    pub(super) fn new(
        name: String,
        subject: String,
        queue_group: String,
        metadata: BTreeMap<String, String>,
        claimant: Option<Claimant>,
    ) -> Self {
        Self {
            name,
            subject,
            queue_group,
            metadata,
            claimant,
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            processing_ns: AtomicU64::new(0),
            last_error: Mutex::default(),
        }
    }

    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn count_time(&self, spent: Duration) {
        self.processing_ns.fetch_add(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(super) fn count_error(&self, error: &schemas::ErrorReply) {
        self.errors.fetch_add(1, Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) =
            format!("{}:{}", error.code, super::reply::said(error));
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
        }
    }
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
}
