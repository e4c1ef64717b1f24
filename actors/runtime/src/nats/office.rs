//! Elections by a pinned consumer (ADR-42).
//!
//! All candidates pull from one durable consumer over one record, the token. The server pins the first to pull and hands
//! the token to it alone; the holder gives it back with a short delay, gets it again, and so knows that it is still
//! pinned. When it pulls no more, the pin moves to another after the consumer's time-out. A holder that hears nothing
//! for most of that time counts itself out before another is counted in; but clocks stop, and a process may be stopped
//! between two instructions: a pin elects, it doesn't fence. Whoever holds an office writes under compare-and-set.

use std::time::Duration;

use async_nats::jetstream::{
    AckKind, Context,
    consumer::{AckPolicy, DeliverPolicy, PriorityPolicy, pull},
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};
use tracing::debug;

use super::{Nats, follow::create};
use crate::port::{Candidacy, OfficeSpec, ReadError, Standing};

/// The holder is shown that it holds the office so many times within its time-out.
const SIGNS: u32 = 6;

struct Candidate {
    context: Context,
    office: OfficeSpec,
    timeout: Duration,
    reconnects: watch::Receiver<u64>,
    messages: Option<pull::Stream>,
    /// When the last sign came; none while the office is another's.
    held_since: Option<Instant>,
    said: Option<Standing>,
}

impl Nats {
    pub(super) async fn begin_standing(&self, office: &OfficeSpec) -> Result<Candidacy, ReadError> {
        let mut candidate = Candidate {
            context: self.jetstream.clone(),
            office: office.clone(),
            timeout: Duration::from_millis(self.timeout_ms),
            reconnects: self.counters.watch(),
            messages: None,
            held_since: None,
            said: None,
        };
        candidate.begin().await?;
        Ok(stream::unfold(candidate, |mut candidate| async move { Some((candidate.next().await, candidate)) }).boxed())
    }

    /// Lets another candidate have the office at once. It is best effort: without it the time-out does the same.
    pub(super) async fn leave_office(&self, office: &OfficeSpec) {
        let ask = json!({ "group": office.name });
        let subject = format!("CONSUMER.UNPIN.{}.{}", office.stream, office.name);
        let asked = self.jetstream.request::<_, _, Value>(subject, &ask);
        let left = tokio::time::timeout(Duration::from_millis(self.timeout_ms), asked).await;
        debug!(office = office.name, ?left, "left");
    }
}

impl Candidate {
    fn patience(&self) -> Duration {
        Duration::from_millis(self.office.timeout_ms)
    }

    async fn begin(&mut self) -> Result<(), ReadError> {
        self.reconnects.mark_unchanged();
        let patience = self.patience();
        let config = pull::Config {
            durable_name: Some(self.office.name.clone()),
            deliver_policy: DeliverPolicy::Last,
            ack_policy: AckPolicy::Explicit,
            // A holder that dies has the token: it comes again before its pin ends.
            ack_wait: patience / 2,
            max_deliver: -1,
            max_ack_pending: 1,
            filter_subject: self.office.token.clone(),
            priority_policy: PriorityPolicy::PinnedClient,
            priority_groups: vec![self.office.name.clone()],
            priority_timeout: patience,
            ..pull::Config::default()
        };
        let consumer = create(&self.context, &self.office.stream, config, self.timeout).await?;
        let asking = consumer
            .stream()
            .group(self.office.name.as_str())
            .max_messages_per_batch(1)
            .expires(patience / 2)
            .messages();
        let unavailable = || ReadError::Unavailable(self.office.stream.clone());
        let messages = tokio::time::timeout(self.timeout, asking).await;
        self.messages = Some(messages.map_err(|_| unavailable())?.map_err(|_| unavailable())?);
        Ok(())
    }

    /// The standing, once it changes.
    async fn next(&mut self) -> Standing {
        loop {
            let standing = self.hear().await;
            if self.said.replace(standing) != Some(standing) {
                return standing;
            }
        }
    }

    /// Waits for the next sign, or for its absence.
    async fn hear(&mut self) -> Standing {
        let patience = self.patience();
        // Out before another is in.
        let out_at = self.held_since.map_or_else(|| Instant::now() + patience, |since| since + patience * 3 / 4);
        let Some(messages) = self.messages.as_mut() else {
            if let Err(error) = self.begin().await {
                debug!(office = self.office.name, %error, "cannot stand for it at the moment; trying on");
                tokio::time::sleep(patience / 8).await;
            }
            return self.standing();
        };
        tokio::select! {
            _ = self.reconnects.changed(), if self.reconnects.has_changed().is_ok() => self.messages = None,
            message = messages.next() => match message {
                Some(Ok(message)) => {
                    self.held_since = Some(Instant::now());
                    let again = AckKind::Nak(Some(patience / SIGNS));
                    if !matches!(tokio::time::timeout(self.timeout, message.ack_with(again)).await, Ok(Ok(()))) {
                        self.messages = None;
                    }
                }
                other => {
                    debug!(office = self.office.name, error = ?other.and_then(Result::err), "standing again");
                    self.messages = None;
                    tokio::time::sleep(patience / 20).await;
                }
            },
            () = tokio::time::sleep_until(out_at) => {}
        }
        self.standing()
    }

    fn standing(&mut self) -> Standing {
        let limit = self.patience() * 3 / 4;
        if self.held_since.is_some_and(|since| since.elapsed() >= limit) {
            self.held_since = None;
        }
        if self.held_since.is_some() { Standing::Holds } else { Standing::Waits }
    }
}
