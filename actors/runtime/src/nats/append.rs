//! Storing: one record is a publish that the stream acknowledges, several are an atomic batch (ADR-50).
//!
//! A batch is its messages under one id, numbered from 1; the last carries a commit mark and is the only one
//! that is answered. The records of a batch get consecutive sequences, so the last one gives them all.
//!
//! The server takes 50 open batches a stream and drops the next. We keep far fewer open at once and let the
//! others wait here, where waiting is cheap.

use std::{sync::Arc, time::Duration};

use async_nats::{HeaderMap, Request};
use schemas::{header::EXPECTED_LAST_SUBJECT_SEQUENCE, limit::MAX_BATCH_MESSAGES};
use serde::Deserialize;
use tokio::{sync::Semaphore, time::Instant};

use super::{Nats, convert};
use crate::port::{AppendError, Message, Port, PublishError, Record, wire};

/// Batches that one connection keeps open on one stream.
const OPEN_BATCHES: usize = 16;

/// A stream's answer to a publish.
#[derive(Debug, Deserialize)]
struct Ack {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    count: u64,
    error: Option<ApiError>,
}

/// JetStream's errors.
#[derive(Debug, Deserialize)]
pub(super) struct ApiError {
    #[serde(default)]
    pub(super) code: u64,
    #[serde(default)]
    pub(super) err_code: u64,
    #[serde(default)]
    pub(super) description: String,
}

impl Nats {
    pub(super) async fn store(&self, stream: &str, records: Vec<Record>) -> Result<Vec<u64>, AppendError> {
        check_batch(&records)?;
        let deadline = Instant::now() + Duration::from_millis(self.timeout_ms);
        let count = records.len();
        let mut batch = None;
        if count > 1 {
            let gate = self.batch_gate(stream);
            let permit = tokio::time::timeout_at(deadline, gate.acquire_owned()).await;
            let permit = permit.ok().and_then(Result::ok).ok_or(AppendError::Busy)?;
            batch = Some((self.unique_token(), permit));
        }
        for (index, record) in records.into_iter().enumerate() {
            let number = index.saturating_add(1);
            let headers =
                self.record_headers(stream, &record, batch.as_ref().map(|(id, _)| id.as_str()), number, count)?;
            if number == count {
                let sent = self.commit(stream, record, headers, deadline).await?;
                return sequences(&sent, count);
            }
            let sent = self.client.publish_with_headers(record.subject, headers, record.body);
            match tokio::time::timeout_at(deadline, sent).await {
                Ok(Ok(())) => {}
                // Without its commit nothing of a batch is stored.
                _ => return Err(AppendError::NotSent(PublishError::Disconnected)),
            }
        }
        Ok(Vec::new())
    }

    fn batch_gate(&self, stream: &str) -> Arc<Semaphore> {
        let mut gates = self.batch_gates.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(gates.entry(stream.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(OPEN_BATCHES))))
    }

    fn record_headers(
        &self,
        stream: &str,
        record: &Record,
        batch: Option<&str>,
        number: usize,
        count: usize,
    ) -> Result<HeaderMap, AppendError> {
        let mut headers = record.headers.clone().with(wire::EXPECTED_STREAM, stream.to_owned());
        if let Some(last) = record.expect_last_subject_seq {
            headers = headers.with(EXPECTED_LAST_SUBJECT_SEQUENCE, last.to_string());
        }
        if let Some(batch) = batch {
            headers = headers.with(wire::BATCH_ID, batch.to_owned()).with(wire::BATCH_SEQ, number.to_string());
            if number == count {
                headers = headers.with(wire::BATCH_COMMIT, "1");
            }
        }
        let message = Message { subject: record.subject.clone(), reply: None, headers, body: record.body.clone() };
        wire::check(&message, self.client.max_payload()).map_err(|error| match error {
            PublishError::TooLarge { .. } => AppendError::TooLarge,
            error => AppendError::NotSent(error),
        })?;
        let headers = convert::headers_out(&message.headers).map_err(AppendError::NotSent)?;
        Ok(headers.unwrap_or_default())
    }

    async fn commit(
        &self,
        stream: &str,
        record: Record,
        headers: HeaderMap,
        deadline: Instant,
    ) -> Result<Ack, AppendError> {
        let unknown = || AppendError::TimedOut(self.timeout_ms);
        let request = Request::new().payload(record.body).headers(headers).timeout(None);
        let reply = tokio::time::timeout_at(deadline, self.client.send_request(record.subject, request)).await;
        let reply = match reply {
            Err(_) => return Err(unknown()),
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => {
                use async_nats::RequestErrorKind as Kind;
                return Err(match error.kind() {
                    Kind::NoResponders => AppendError::Unavailable(stream.to_owned()),
                    Kind::MaxPayloadExceeded => AppendError::TooLarge,
                    Kind::InvalidSubject => AppendError::NotSent(PublishError::BadSubject(String::new())),
                    Kind::TimedOut | Kind::Other => unknown(),
                });
            }
        };
        let ack: Ack = serde_json::from_slice(&reply.payload)
            .map_err(|error| AppendError::Refused { code: 0, text: format!("unreadable acknowledgement: {error}") })?;
        match ack.error {
            Some(error) => Err(refusal(stream, error)),
            None => Ok(ack),
        }
    }
}

fn sequences(ack: &Ack, count: usize) -> Result<Vec<u64>, AppendError> {
    let stored = u64::try_from(count).unwrap_or(u64::MAX);
    let bad = || AppendError::Refused { code: 0, text: format!("acknowledged {} of {stored} records", ack.count) };
    if count > 1 && ack.count != stored {
        return Err(bad());
    }
    let before = ack.seq.checked_sub(stored).ok_or_else(bad)?;
    Ok((before + 1..=ack.seq).collect())
}

/// JetStream's error codes, by what they mean for the caller.
fn refusal(stream: &str, error: ApiError) -> AppendError {
    match error.err_code {
        // Wrong last sequence. The second form also says that another write on the subject is under way.
        10071 | 10164 => AppendError::Conflict,
        // A record over the stream's size; a batch over its number.
        10054 | 10199 => AppendError::TooLarge,
        // Too many open batches. 10176: the batch is incomplete, which is how the server tells the last message
        // of a batch whose first it dropped for that reason.
        10176 | 10210 | 10211 => AppendError::Busy,
        // Resources of server, account or stream.
        10023 | 10028 | 10047 => AppendError::Full,
        10077 if error.description.contains("exceeded") => AppendError::Full,
        // JetStream away, or no such stream.
        10008 | 10039 | 10059 | 10060 | 10076 => AppendError::Unavailable(stream.to_owned()),
        code => AppendError::Refused { code: if code == 0 { error.code } else { code }, text: error.description },
    }
}

/// What the server would refuse in a batch, checked before sending: where it does not answer each message, it
/// could not say what was wrong.
pub(crate) fn check_batch(records: &[Record]) -> Result<(), AppendError> {
    if records.len() > MAX_BATCH_MESSAGES {
        return Err(AppendError::TooLarge);
    }
    if records.len() < 2 {
        return Ok(());
    }
    let mut seen = std::collections::HashSet::new();
    for record in records {
        let first = seen.insert(record.subject.as_str());
        if !first && record.expect_last_subject_seq.is_some() {
            let text = format!("an expectation on {:?} that is not on the batch's first record there", record.subject);
            return Err(AppendError::Refused { code: 10164, text });
        }
    }
    Ok(())
}
