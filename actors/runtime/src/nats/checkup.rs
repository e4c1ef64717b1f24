//! What a broker says of itself to whoever asks whether it is fit for us.
//!
//! None of this is needed to work with a broker, so it stands on the connection and not on the port.

use std::time::Duration;

use async_nats::Request;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Nats, append::ApiError};
use crate::port::{Port, ReadError};

/// What time it is at the broker, as far as can be told from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// Our clock less the broker's, in milliseconds; the broker is taken to have looked half-way.
    pub ahead_ms: i64,
    /// How long question and answer took, in milliseconds: the reading is that exact.
    pub round_trip_ms: u64,
}

/// How much JetStream keeps for our account, and how much it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreUse {
    /// Bytes on disk.
    pub used_bytes: u64,
    /// What the account may take; `None` where it has no limit of its own.
    pub limit_bytes: Option<u64>,
}

/// How far a stream is behind another that it takes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Lag {
    /// The other stream.
    pub name: String,
    /// Records of it that are yet to come.
    #[serde(rename = "lag")]
    pub records: u64,
    /// Nanoseconds since it was heard of; -1 for never.
    #[serde(rename = "active")]
    pub heard_ns_ago: i64,
}

#[derive(Deserialize)]
struct About {
    server: Server,
}

#[derive(Deserialize)]
struct Server {
    /// As RFC 3339 has it.
    time: String,
}

impl Nats {
    /// Asks what time it is; `None` where the broker does not say, as before 2.10 and where an account may not ask.
    pub async fn clock(&self) -> Option<ClockReading> {
        let request = Request::new().timeout(None);
        let asked_unix_ms = self.now_unix_ms();
        let asking = self.client.send_request(schemas::subject::broker_about_us(), request);
        let answer = tokio::time::timeout(Duration::from_millis(self.timeout_ms), asking).await.ok()?.ok()?;
        let answered_unix_ms = self.now_unix_ms();
        let about: About = serde_json::from_slice(&answer.payload).ok()?;
        let broker: jiff::Timestamp = about.server.time.parse().ok()?;
        let took_ms = answered_unix_ms.saturating_sub(asked_unix_ms).max(0);
        Some(ClockReading {
            ahead_ms: asked_unix_ms.saturating_add(took_ms / 2).saturating_sub(broker.as_millisecond()),
            round_trip_ms: u64::try_from(took_ms).unwrap_or(u64::MAX),
        })
    }

    /// How far a stream is behind each stream that it takes from, in records.
    ///
    /// # Errors
    /// When the broker does not say.
    pub async fn lags(&self, stream: &str) -> Result<Vec<Lag>, ReadError> {
        let mut info = self.info(stream).await?;
        let sources = info.get_mut("sources").map(Value::take).unwrap_or_default();
        let lags: Option<Vec<Lag>> =
            if sources.is_null() { Some(Vec::new()) } else { serde_json::from_value(sources).ok() };
        lags.ok_or_else(|| ReadError::Malformed("a stream's sources".to_owned()))
    }

    /// What a stream's metadata say under a key.
    ///
    /// # Errors
    /// When the broker does not say.
    pub async fn metadata(&self, stream: &str, key: &str) -> Result<Option<String>, ReadError> {
        let info = self.info(stream).await?;
        let said = info.pointer("/config/metadata").and_then(|metadata| metadata.get(key)).and_then(Value::as_str);
        Ok(said.map(str::to_owned))
    }

    /// How many copies of a stream are kept.
    ///
    /// # Errors
    /// When the broker does not say.
    pub async fn replicas(&self, stream: &str) -> Result<u8, ReadError> {
        let info = self.info(stream).await?;
        let replicas = info.pointer("/config/num_replicas").and_then(Value::as_u64).and_then(|it| it.try_into().ok());
        replicas.ok_or_else(|| ReadError::Malformed("a stream's replicas".to_owned()))
    }

    /// Asks how much JetStream keeps for us.
    ///
    /// # Errors
    /// What keeps JetStream from serving us, in the broker's words.
    pub async fn store_use(&self) -> Result<StoreUse, String> {
        let ask = json!({});
        let asking = self.jetstream.request::<_, _, Value>("INFO", &ask);
        let info = match tokio::time::timeout(Duration::from_millis(self.timeout_ms), asking).await {
            Err(_) => return Err(format!("no answer within {} ms", self.timeout_ms)),
            Ok(Err(error)) => return Err(error.to_string()),
            Ok(Ok(info)) => info,
        };
        if let Some(error) = info.get("error") {
            let said = ApiError::deserialize(error).map(|error| error.description);
            return Err(said.unwrap_or_else(|_| error.to_string()));
        }
        let limit = info.pointer("/limits/max_storage").and_then(Value::as_i64);
        Ok(StoreUse {
            used_bytes: info.get("storage").and_then(Value::as_u64).unwrap_or(0),
            // -1 is no limit.
            limit_bytes: limit.and_then(|limit| u64::try_from(limit).ok()),
        })
    }
}
