//! Jobs: requests that their requesters watch and can stop, since they take long.
//!
//! A request that carries `Hms-Job: <token>` is a job. While it is worked on, what its core reports goes to
//! `hms.v1.topic.job.<token>.progress`, and whatever is said on `hms.v1.topic.job.<token>.cancel` has it stop; so does
//! its deadline, and so does the end of the service, which would otherwise be waited for in vain. A job that is
//! stopped still answers, with what it has.
//!
//! A service listens to every job's cancellation on one subscription that is there before any request is, so no
//! cancellation is missed that was sent after its request: one that is heard before the request has got as far as
//! here is remembered for a while. A job that waits for another to end hears of it when its turn comes. A request that
//! carries no such header pays for none of this.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
    },
};

use futures::StreamExt;
use schemas::{
    Code, ErrorReply, JobId,
    core::{Job, Watcher},
    header::{self, Headers},
    limit::PROGRESS_EVERY_MS,
    subject,
};
use tokio::sync::mpsc;

use super::reply::Outgoing;
use crate::port::{Message, Port, Subscription};

/// How long a cancellation waits for its job, in milliseconds.
const REMEMBERED_MS: i64 = 5_000;

/// How many cancellations wait for theirs at once; beyond that the oldest is forgotten.
const REMEMBERED: usize = 1_024;

/// The jobs of a service.
#[derive(Default)]
pub(super) struct Jobs(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Whoever names two requests alike stops both.
    under_way: HashMap<JobId, Vec<Arc<AtomicBool>>>,
    early: VecDeque<(JobId, i64)>,
    ending: bool,
}

impl Jobs {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops a job, or remembers to.
    fn cancel(&self, job: JobId, now_unix_ms: i64) {
        let mut known = self.known();
        if let Some(flags) = known.under_way.get(&job) {
            flags.iter().for_each(|flag| flag.store(true, Relaxed));
            return;
        }
        if known.early.len() >= REMEMBERED {
            known.early.pop_front();
        }
        known.early.push_back((job, now_unix_ms));
    }

    /// Stops them all, and those to come.
    pub(super) fn end(&self) {
        let mut known = self.known();
        known.ending = true;
        known.under_way.values().flatten().for_each(|flag| flag.store(true, Relaxed));
    }

    fn admit(&self, job: &JobId, now_unix_ms: i64) -> Arc<AtomicBool> {
        let mut known = self.known();
        known.early.retain(|(_, heard)| now_unix_ms.saturating_sub(*heard) <= REMEMBERED_MS);
        let stopped = known.ending || known.early.iter().any(|(early, _)| early == job);
        known.early.retain(|(early, _)| early != job);
        let flag = Arc::new(AtomicBool::new(stopped));
        known.under_way.entry(job.clone()).or_default().push(Arc::clone(&flag));
        flag
    }

    fn forget(&self, job: &JobId, flag: &Arc<AtomicBool>) {
        let mut known = self.known();
        if let Some(flags) = known.under_way.get_mut(job) {
            flags.retain(|other| !Arc::ptr_eq(other, flag));
            if flags.is_empty() {
                known.under_way.remove(job);
            }
        }
    }

    /// The job that a request is; `None` for one that carries no `Hms-Job`.
    pub(super) fn of(
        self: &Arc<Self>,
        headers: &Headers,
        now_unix_ms: impl FnOnce() -> i64,
    ) -> Result<Option<Watched>, ErrorReply> {
        let Some(text) = headers.get(header::JOB) else { return Ok(None) };
        let bad = |reason: String| ErrorReply::new(Code::BadMessage, reason).at_field(header::JOB);
        let id = JobId::parse(text).map_err(|error| bad(error.to_string()))?;
        let stopped = self.admit(&id, now_unix_ms());
        Ok(Some(Watched { id, stopped, jobs: Arc::clone(self) }))
    }
}

/// Hears cancellations until the subscription ends.
pub(super) async fn heed(mut cancellations: Subscription, jobs: Arc<Jobs>, port: Arc<dyn Port>) {
    while let Some(message) = cancellations.next().await {
        if let Ok(job) = subject::parse_job_cancel(&message.subject) {
            jobs.cancel(job, port.now_unix_ms());
        }
    }
}

/// A job from its admission to its answer.
pub(super) struct Watched {
    id: JobId,
    stopped: Arc<AtomicBool>,
    jobs: Arc<Jobs>,
}

impl Watched {
    /// What whoever works on it is told.
    pub(super) fn job(
        &self,
        deadline_unix_ms: Option<i64>,
        port: &Arc<dyn Port>,
        replies: &mpsc::UnboundedSender<Outgoing>,
    ) -> Job {
        let watcher = OnTheBus {
            stopped: Arc::clone(&self.stopped),
            deadline_unix_ms: deadline_unix_ms.unwrap_or(i64::MAX),
            reported_unix_ms: AtomicI64::new(i64::MIN),
            progress: subject::job_progress(&self.id),
            port: Arc::clone(port),
            replies: replies.clone(),
        };
        Job { id: self.id.clone(), watcher: Arc::new(watcher) }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.jobs.forget(&self.id, &self.stopped);
    }
}

struct OnTheBus {
    stopped: Arc<AtomicBool>,
    deadline_unix_ms: i64,
    reported_unix_ms: AtomicI64,
    progress: String,
    port: Arc<dyn Port>,
    replies: mpsc::UnboundedSender<Outgoing>,
}

impl Watcher for OnTheBus {
    fn is_stopped(&self) -> bool {
        if self.port.now_unix_ms() > self.deadline_unix_ms {
            self.stopped.store(true, Relaxed);
        }
        self.stopped.load(Relaxed)
    }

    fn is_due(&self) -> bool {
        let (now, last) = (self.port.now_unix_ms(), self.reported_unix_ms.load(Relaxed));
        now.saturating_sub(last) >= PROGRESS_EVERY_MS
            && self.reported_unix_ms.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }

    fn report(&self, kind: &'static str, body: Vec<u8>) {
        let message = Message::new(self.progress.clone(), body).with_headers(Headers::of_type(kind));
        // The writer ends last of all.
        let _ = self.replies.send(Outgoing { message, place: None });
    }
}
