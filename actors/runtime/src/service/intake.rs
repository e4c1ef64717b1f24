//! Admission: no request is taken without a permit.
//!
//! The intake empties its subscription at once, always, so that the client never drops anything behind our backs.
//! A request that finds no permit is told so, with a guess when to come back. Where it is known who asks, nobody gets so
//! many that nothing is left for the others: see [`fair`](super::fair).

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use futures::{
    FutureExt, StreamExt,
    stream::{self, BoxStream, Fuse},
};
use schemas::{Code, ErrorReply};
use tracing::warn;

use super::{
    fair::{Places, Requests, Who},
    reply,
    stats::Endpoint,
    worker::{Admitted, Bench, Load},
};
use crate::port::{Message, Subscription};

/// Most requests that an actor takes in between two answers.
const TAKEN_IN: usize = 64;

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
        let patience = || patience_ms(&endpoint, &crew.places, crew.workers.len());
        let Some((who, mut admitted)) = admit(message, &endpoint, &crew.places, &bench, patience).await else {
            continue;
        };
        let sent = match crew.idlest() {
            None => Err(admitted),
            Some(worker) => {
                admitted.load = Some(Load::on(&worker.load));
                worker.requests.send(who, admitted)
            }
        };
        if let Err(lost) = sent {
            let gone = ErrorReply::new(Code::Internal, "the service is stopping");
            refuse(&bench, &endpoint, lost.message, &gone).await;
        }
    }
}

/// Requests that one actor takes in itself between two answers: nothing has to be handed from thread to thread. For
/// what is soon answered; who must come back hears of it no sooner than the answer under way is done.
pub(super) fn inlet(
    requests: Subscription,
    endpoint: Arc<Endpoint>,
    places: Arc<Places>,
    bench: Bench,
) -> BoxStream<'static, Admitted> {
    let inlet = Inlet { requests: requests.fuse(), endpoint, places, bench, admitted: VecDeque::new() };
    stream::unfold(inlet, |mut inlet| async move { inlet.next().await.map(|admitted| (admitted, inlet)) }).boxed()
}

struct Inlet {
    requests: Fuse<Subscription>,
    endpoint: Arc<Endpoint>,
    places: Arc<Places>,
    bench: Bench,
    admitted: VecDeque<Admitted>,
}

impl Inlet {
    async fn next(&mut self) -> Option<Admitted> {
        for _ in 0..TAKEN_IN {
            let Some(Some(message)) = self.requests.next().now_or_never() else { break };
            self.take_in(message).await;
        }
        while self.admitted.is_empty() {
            let message = self.requests.next().await?;
            self.take_in(message).await;
        }
        self.admitted.pop_front()
    }

    async fn take_in(&mut self, message: Message) {
        let patience = || patience_ms(&self.endpoint, &self.places, 1);
        let admitted = admit(message, &self.endpoint, &self.places, &self.bench, patience).await;
        self.admitted.extend(admitted.map(|(_, admitted)| admitted));
    }
}

/// A request with its permit; one that gets none is told why.
async fn admit(
    message: Message,
    endpoint: &Arc<Endpoint>,
    places: &Arc<Places>,
    bench: &Bench,
    patience_ms: impl FnOnce() -> u32,
) -> Option<(Who, Admitted)> {
    endpoint.count_request();
    if message.reply.as_deref().is_some_and(|reply| !reply::may_reply_to(reply)) {
        let reason = format!("the reply subject {:?} is not an inbox", message.reply);
        let forbidden = ErrorReply::new(Code::Forbidden, reason);
        refuse(bench, endpoint, Message { reply: None, ..message }, &forbidden).await;
        return None;
    }
    let who = endpoint.claimant.and_then(|claimant| claimant.of(&message));
    let Some(place) = places.take(&who) else {
        let waiting = match &who {
            Some(who) => format!("{who} has as many requests waiting as there are places left"),
            None => format!("{} requests are waiting already", places.limit()),
        };
        let mut busy = ErrorReply::new(Code::Busy, waiting);
        busy.retry_after_ms = Some(patience_ms());
        refuse(bench, endpoint, message, &busy).await;
        return None;
    };
    match bench.jobs.of(&message.headers, || bench.port.now_unix_ms()) {
        Ok(job) => Some((who, Admitted { message, endpoint: Arc::clone(endpoint), place, load: None, job })),
        Err(bad) => {
            refuse(bench, endpoint, message, &bad).await;
            None
        }
    }
}

async fn refuse(bench: &Bench, endpoint: &Endpoint, message: Message, error: &ErrorReply) {
    endpoint.count_error(error);
    let refusal = match &message.reply {
        Some(to) => reply::failure(to.clone(), error),
        None => reply::dead_letter(&bench.service, &message, &error.to_string()),
    };
    if let Err(error) = bench.port.publish(refusal).await {
        warn!(%error, endpoint = endpoint.name, "a refusal was not sent");
    }
}

/// About how long until those that wait are done, in milliseconds.
fn patience_ms(endpoint: &Endpoint, places: &Places, workers: usize) -> u32 {
    let each_ns = endpoint.stats().average_processing_time.max(100_000);
    let waiting = u64::try_from(places.limit()).unwrap_or(u64::MAX);
    let workers = u64::try_from(workers).unwrap_or(1).max(1);
    let all_ms = each_ns.saturating_mul(waiting) / workers / 1_000_000;
    u32::try_from(all_ms.clamp(10, 5_000)).unwrap_or(5_000)
}
