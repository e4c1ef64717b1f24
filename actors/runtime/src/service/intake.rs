//! Admission: no request is taken without a permit.
//!
//! The intake empties its subscription at once, always, so that the client never drops anything behind our backs.
//! A request that finds no permit is told so, with a guess when to come back. Where it is known who asks, nobody gets so
//! many that nothing is left for the others: see [`fair`](super::fair).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use futures::StreamExt;
use schemas::{Code, ErrorReply};
use tracing::warn;

use super::{
    fair::{Places, Requests},
    reply,
    stats::Endpoint,
    worker::{Admitted, Bench, Load},
};
use crate::port::{Message, Subscription};

/// The actors behind one or several endpoints, and the permits for them.
pub(super) struct Crew {
    pub(super) places: Arc<Places>,
    pub(super) workers: Vec<Worker>,
}

/// One of them.
pub(super) struct Worker {
    pub(super) requests: Requests<Admitted>,
    pub(super) load: Arc<AtomicUsize>,
}

impl Crew {
    /// The one with the least to do.
    fn idlest(&self) -> Option<&Worker> {
        self.workers.iter().min_by_key(|worker| worker.load.load(Relaxed))
    }
}

/// Takes requests until the subscription ends.
pub(super) async fn take(mut requests: Subscription, endpoint: Arc<Endpoint>, crew: Arc<Crew>, bench: Bench) {
    while let Some(message) = requests.next().await {
        endpoint.count_request();
        if message.reply.as_deref().is_some_and(|reply| !reply::may_reply_to(reply)) {
            let reason = format!("the reply subject {:?} is not an inbox", message.reply);
            refuse(&bench, &endpoint, Message { reply: None, ..message }, &ErrorReply::new(Code::Forbidden, reason))
                .await;
            continue;
        }
        let who = endpoint.claimant.and_then(|claimant| claimant.of(&message));
        let (Some(place), Some(worker)) = (crew.places.take(&who), crew.idlest()) else {
            let waiting = match &who {
                Some(who) => format!("{who} has as many requests waiting as there are places left"),
                None => format!("{} requests are waiting already", crew.places.limit()),
            };
            let mut busy = ErrorReply::new(Code::Busy, waiting);
            busy.retry_after_ms = Some(patience_ms(&endpoint, &crew));
            refuse(&bench, &endpoint, message, &busy).await;
            continue;
        };
        let job = match bench.jobs.of(&message.headers, || bench.port.now_unix_ms()) {
            Ok(job) => job,
            Err(bad) => {
                refuse(&bench, &endpoint, message, &bad).await;
                continue;
            }
        };
        let admitted = Admitted { message, endpoint: Arc::clone(&endpoint), place, load: Load::on(&worker.load), job };
        if let Err(lost) = worker.requests.send(who, admitted) {
            let gone = ErrorReply::new(Code::Internal, "the service is stopping");
            refuse(&bench, &endpoint, lost.message, &gone).await;
        }
    }
}

async fn refuse(bench: &Bench, endpoint: &Endpoint, message: Message, error: &ErrorReply) {
    endpoint.count_error(error);
    let refusal = match &message.reply {
        Some(to) if endpoint.streams => reply::broken_off(to.clone(), error).to_vec(),
        Some(to) => vec![reply::failure(to.clone(), error)],
        None => vec![reply::dead_letter(&bench.service, &message, &error.to_string())],
    };
    for message in refusal {
        if let Err(error) = bench.port.publish(message).await {
            warn!(%error, endpoint = endpoint.name, "a refusal was not sent");
        }
    }
}

/// About how long until those that wait are done, in milliseconds.
fn patience_ms(endpoint: &Endpoint, crew: &Crew) -> u32 {
    let each_ns = endpoint.stats().average_processing_time.max(100_000);
    let waiting = u64::try_from(crew.places.limit()).unwrap_or(u64::MAX);
    let workers = u64::try_from(crew.workers.len()).unwrap_or(1).max(1);
    let all_ms = each_ns.saturating_mul(waiting) / workers / 1_000_000;
    u32::try_from(all_ms.clamp(10, 5_000)).unwrap_or(5_000)
}
