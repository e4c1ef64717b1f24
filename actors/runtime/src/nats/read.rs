//! Reading what is stored, without a consumer: direct get (ADR-31), many records to a request.
//!
//! Where a stream has replicas, any of them may answer, and one that lags answers with less. Whoever decides on
//! what it read writes under compare-and-set, so a stale answer costs a conflict and never a wrong write. Who writes
//! nothing, since it says no, asks the stream's leader whether that was all.

use std::time::Duration;

use async_nats::{Request, StatusCode, jetstream::Context};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Nats, append::ApiError, convert};
use crate::port::{ReadError, Stored, StreamState, wire};

/// JetStream's error code for a subject on which nothing is stored.
pub(super) const NO_MESSAGE: u64 = 10037;
/// Records asked for in one request.
const BATCH: usize = 512;

impl Nats {
    /// The records of a stream on a subject behind a sequence, and before another if one is named.
    pub(super) async fn read_after(
        &self,
        stream: &str,
        subject: &str,
        after_seq: u64,
        before_seq: Option<u64>,
    ) -> Result<Vec<Stored>, ReadError> {
        let mut records: Vec<Stored> = Vec::new();
        let mut next = after_seq.saturating_add(1);
        loop {
            let ask = json!({"seq": next, "batch": BATCH, "next_by_subj": subject});
            let got = self.direct_get(stream, &ask).await?;
            let Some(last) = got.records.last() else { return Ok(records) };
            next = last.sequence.saturating_add(1);
            let is_over = got.pending == 0 || before_seq.is_some_and(|before| next >= before);
            records.extend(got.records.into_iter().filter(|it| before_seq.is_none_or(|before| it.sequence < before)));
            if is_over {
                return Ok(records);
            }
        }
    }

    pub(super) async fn read_last(&self, stream: &str, subject: &str) -> Result<Option<Stored>, ReadError> {
        let got = self.direct_get(stream, &json!({"last_by_subj": subject})).await?;
        Ok(got.records.into_iter().next())
    }

    pub(super) async fn read_at(&self, stream: &str, sequence: u64) -> Result<Option<Stored>, ReadError> {
        if sequence == 0 {
            return Ok(None);
        }
        let got = self.direct_get(stream, &json!({"seq": sequence})).await?;
        Ok(got.records.into_iter().next())
    }

    /// The leader's own answer, which no replica gives in its place.
    pub(super) async fn ask_newest(&self, stream: &str, subject: &str) -> Result<u64, ReadError> {
        let mut got = self.ask_api("STREAM.MSG.GET", stream, &json!({"last_by_subj": subject})).await?;
        match got.get_mut("error").map(Value::take) {
            Some(error) if error.get("err_code").and_then(Value::as_u64) == Some(NO_MESSAGE) => Ok(0),
            Some(error) => Err(refused(stream, &error)),
            None => got
                .pointer("/message/seq")
                .and_then(Value::as_u64)
                .ok_or_else(|| ReadError::Malformed("a message without its sequence".to_owned())),
        }
    }

    async fn ask_api(&self, what: &str, stream: &str, ask: &Value) -> Result<Value, ReadError> {
        ask_api(&self.jetstream, self.timeout(), what, stream, ask).await
    }

    pub(super) async fn info(&self, stream: &str) -> Result<Value, ReadError> {
        let mut info = self.ask_api("STREAM.INFO", stream, &json!({})).await?;
        match info.get_mut("error").map(Value::take) {
            Some(error) => Err(refused(stream, &error)),
            None => Ok(info),
        }
    }

    pub(super) async fn state(&self, stream: &str) -> Result<StreamState, ReadError> {
        let mut info = self.info(stream).await?;
        let state = info.get_mut("state").map(Value::take).unwrap_or_default();
        serde_json::from_value(state).map_err(|error| ReadError::Malformed(error.to_string()))
    }

    async fn direct_get(&self, stream: &str, ask: &Value) -> Result<Got, ReadError> {
        let many = ask.get("batch").is_some();
        let deadline = Instant::now() + Duration::from_millis(self.timeout_ms);
        let timed_out = || ReadError::TimedOut(self.timeout_ms);
        let inbox = self.client.new_inbox();
        let sending = async {
            let answers = self.client.subscribe(inbox.clone()).await.ok()?;
            let request = Request::new().payload(Bytes::from(ask.to_string())).inbox(inbox);
            self.jetstream.send_request(format!("DIRECT.GET.{stream}"), request).await.ok()?;
            Some(answers)
        };
        let mut answers = tokio::time::timeout_at(deadline, sending).await.ok().flatten().ok_or_else(timed_out)?;
        let mut got = Got::default();
        while let Some(answer) = tokio::time::timeout_at(deadline, answers.next()).await.map_err(|_| timed_out())? {
            match answer.status.map_or(200, |status| status.as_u16()) {
                200 => {
                    let stored = convert::stored_in(answer)
                        .ok_or_else(|| ReadError::Malformed("a record without its place".to_owned()))?;
                    got.records.push(stored);
                    if !many {
                        return Ok(got);
                    }
                }
                // The end of a batch, with what is left for the next.
                204 => {
                    let pending = answer.headers.as_ref().and_then(|headers| headers.get(wire::NUM_PENDING));
                    got.pending = pending.and_then(|pending| pending.as_str().parse().ok()).unwrap_or(0);
                    return Ok(got);
                }
                404 => return Ok(got),
                code if code == StatusCode::NO_RESPONDERS.as_u16() => {
                    return Err(ReadError::Unavailable(stream.to_owned()));
                }
                code => {
                    let text = answer.description.unwrap_or_default();
                    return Err(ReadError::Refused { code: u64::from(code), text });
                }
            }
        }
        Err(ReadError::Unavailable(stream.to_owned()))
    }
}

/// What JetStream's API answers about a stream, errors of its own included.
pub(super) async fn ask_api(
    context: &Context,
    timeout: Duration,
    what: &str,
    stream: &str,
    ask: &Value,
) -> Result<Value, ReadError> {
    let asked = context.request::<_, _, Value>(format!("{what}.{stream}"), ask);
    match tokio::time::timeout(timeout, asked).await {
        Err(_) => Err(ReadError::TimedOut(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX))),
        Ok(Err(_)) => Err(ReadError::Unavailable(stream.to_owned())),
        Ok(Ok(answer)) => Ok(answer),
    }
}

/// An error object of JetStream's API.
pub(super) fn refused(stream: &str, error: &Value) -> ReadError {
    match serde_json::from_value::<ApiError>(error.clone()) {
        Ok(error) if matches!(error.err_code, 10059 | 10008 | 10039 | 10076) => {
            ReadError::Unavailable(stream.to_owned())
        }
        Ok(error) => ReadError::Refused { code: error.err_code.max(error.code), text: error.description },
        Err(_) => ReadError::Malformed(error.to_string()),
    }
}

#[derive(Default)]
struct Got {
    records: Vec<Stored>,
    pending: u64,
}
