//! Between our messages and the client's.

use std::str::FromStr;

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use schemas::header::Headers;

use crate::port::{Message, PublishError, Stored, wire};

/// Our headers as the client's; `None` where there are none, which saves the header block.
pub(super) fn headers_out(headers: &Headers) -> Result<Option<HeaderMap>, PublishError> {
    if headers.is_empty() {
        return Ok(None);
    }
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter() {
        add(&mut map, name, value)?;
    }
    Ok(Some(map))
}

/// Adds one line; the client's own conversions panic where this gives an error.
pub(super) fn add(map: &mut HeaderMap, name: &str, value: &str) -> Result<(), PublishError> {
    let bad = || PublishError::BadHeader(name.to_owned());
    let name = HeaderName::from_str(name).map_err(|_| bad())?;
    let value = HeaderValue::from_str(value).map_err(|_| bad())?;
    map.append(name, value);
    Ok(())
}

/// The client's headers as ours.
pub(super) fn headers_in(map: Option<&HeaderMap>) -> Headers {
    map.into_iter()
        .flat_map(HeaderMap::iter)
        .flat_map(|(name, values)| values.iter().map(|value| (name.to_string(), value.as_str().to_owned())))
        .collect()
}

/// A received message as ours. What the server itself says on a subject of ours has a status, which is a header then.
pub(super) fn message_in(message: async_nats::Message) -> Message {
    let headers = headers_in(message.headers.as_ref());
    Message {
        subject: message.subject.into_string(),
        reply: message.reply.map(async_nats::Subject::into_string),
        headers: match message.status {
            Some(status) => headers.with(wire::STATUS, status.as_u16().to_string()),
            None => headers,
        },
        body: message.payload,
    }
}

/// What a direct get answered with, as a stored record. The record's own place is in the headers.
pub(super) fn stored_in(message: async_nats::Message) -> Option<Stored> {
    let headers = headers_in(message.headers.as_ref());
    let time: jiff::Timestamp = headers.get(wire::TIME_STAMP)?.parse().ok()?;
    Some(Stored {
        sequence: headers.get(schemas::header::SEQUENCE)?.parse().ok()?,
        subject: headers.get(wire::SUBJECT)?.to_owned(),
        time_unix_ms: time.as_millisecond(),
        headers: wire::strip_transport(&headers),
        body: message.payload,
    })
}

/// What a consumer handed out, as a stored record, with the number of attempts and what is still pending.
pub(super) fn delivered_in(message: &async_nats::jetstream::Message) -> Option<Delivered> {
    let info = message.info().ok()?;
    Some(Delivered {
        consumer_seq: info.consumer_sequence,
        attempts: u64::try_from(info.delivered).unwrap_or(1),
        pending: info.pending,
        stored: Stored {
            sequence: info.stream_sequence,
            subject: message.subject.to_string(),
            headers: wire::strip_transport(&headers_in(message.headers.as_ref())),
            body: message.payload.clone(),
            time_unix_ms: i64::try_from(info.published.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX),
        },
    })
}

/// A record from a consumer, with what the consumer says about it.
pub(super) struct Delivered {
    pub(super) stored: Stored,
    pub(super) consumer_seq: u64,
    pub(super) attempts: u64,
    pub(super) pending: u64,
}
