//! Sharing a stream's records out among workers: a durable pull consumer with explicit acknowledgements.
//!
//! The consumer lives on the server, so workers may come and go. What a lost connection swallowed is handed
//! out again after the acknowledgement wait; all that has to be mended here is our own asking.

use std::time::Duration;

use async_nats::jetstream::{
    AckKind, Context,
    consumer::{AckPolicy, DeliverPolicy, pull},
    message::Acker as NatsAcker,
};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::sync::watch;
use tracing::{debug, warn};

use super::{
    Nats, convert,
    follow::{EXPIRES, HEARTBEAT, create},
};
use crate::port::{Acker, Job, ReadError, Verdict, Work, WorkSpec};

struct Worker {
    context: Context,
    spec: WorkSpec,
    timeout: Duration,
    reconnects: watch::Receiver<u64>,
    messages: Option<pull::Stream>,
}

impl Nats {
    pub(super) async fn begin_working(&self, spec: &WorkSpec) -> Result<Work, ReadError> {
        let mut worker = Worker {
            context: self.jetstream.clone(),
            spec: spec.clone(),
            timeout: Duration::from_millis(self.timeout_ms),
            reconnects: self.counters.watch(),
            messages: None,
        };
        worker.begin().await?;
        Ok(stream::unfold(worker, |mut worker| async move { Some((worker.next().await, worker)) }).boxed())
    }
}

impl Worker {
    async fn begin(&mut self) -> Result<(), ReadError> {
        self.reconnects.mark_unchanged();
        let pending = usize::try_from(self.spec.max_ack_pending).unwrap_or(usize::MAX).max(1);
        let config = pull::Config {
            durable_name: Some(self.spec.durable.clone()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_millis(self.spec.ack_wait_ms),
            max_ack_pending: i64::try_from(pending).unwrap_or(i64::MAX),
            filter_subject: self.spec.filter.clone(),
            ..pull::Config::default()
        };
        let consumer = create(&self.context, &self.spec.stream, config, self.timeout).await?;
        let asking =
            consumer.stream().max_messages_per_batch(pending.min(256)).expires(EXPIRES).heartbeat(HEARTBEAT).messages();
        let messages = tokio::time::timeout(self.timeout, asking).await;
        let unavailable = || ReadError::Unavailable(self.spec.stream.clone());
        self.messages = Some(messages.map_err(|_| unavailable())?.map_err(|_| unavailable())?);
        Ok(())
    }

    async fn next(&mut self) -> Job {
        let mut failures = 0_u32;
        loop {
            let Some(messages) = self.messages.as_mut() else {
                if let Err(error) = self.begin().await {
                    failures = failures.saturating_add(1);
                    if failures == 5 {
                        warn!(durable = self.spec.durable, %error, "cannot take work at the moment; trying on");
                    }
                    tokio::time::sleep(Duration::from_millis(u64::from(failures.min(10)).saturating_mul(100))).await;
                }
                continue;
            };
            let message = tokio::select! {
                _ = self.reconnects.changed(), if self.reconnects.has_changed().is_ok() => None,
                message = messages.next() => message,
            };
            match message {
                Some(Ok(message)) => {
                    if let Some(delivered) = convert::delivered_in(&message) {
                        let (_, acker) = message.split();
                        return Job::new(delivered.stored, delivered.attempts, Box::new(Acknowledger(acker)));
                    }
                }
                other => {
                    debug!(durable = self.spec.durable, error = ?other.and_then(Result::err), "asking for work again");
                    self.messages = None;
                }
            }
        }
    }
}

struct Acknowledger(NatsAcker);

#[async_trait]
impl Acker for Acknowledger {
    async fn settle(&self, verdict: Verdict) {
        let kind = match verdict {
            Verdict::Done => AckKind::Ack,
            Verdict::Retry { delay_ms } => AckKind::Nak(Some(Duration::from_millis(delay_ms))),
            Verdict::Poison => AckKind::Term,
            Verdict::Working => AckKind::Progress,
        };
        if let Ok(Err(error)) = tokio::time::timeout(HEARTBEAT, self.0.ack_with(kind)).await {
            debug!(%error, "a verdict was not passed on; the record will come again");
        }
    }
}
