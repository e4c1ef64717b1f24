//! What is said under the Synadia Agent Protocol for NATS 0.3: prompts, the chunks of an answer, heartbeats; all JSON.
//!
//! A prompt is text, or an object with `prompt` and perhaps `attachments` where its first character is a brace. An
//! answer is a stream of objects with `type` and `data`, ended by an empty body without headers. What is not known is
//! skipped, since the protocol grows that way; what is known and malformed is refused.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use schemas::limit::MAX_CLEARING_BODY_BYTES;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of every service of the protocol.
pub const SERVICE: &str = "agents";
/// The version of the protocol.
pub const VERSION: &str = "0.3";
/// The queue group of every endpoint, fixed by the protocol: otherwise two instances of an agent would both answer.
pub const GROUP: &str = "agents";

/// A file that goes with a prompt or an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name, without a folder.
    pub filename: String,
    /// What is in it; base64 on the wire.
    #[serde(with = "base64")]
    pub content: Vec<u8>,
}

mod base64 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::BASE64;

    pub(super) fn serialize<S: Serializer>(content: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64.encode(content))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        BASE64.decode(text.as_bytes()).map_err(D::Error::custom)
    }
}

/// A prompt, or the answer to a question back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// What is asked, in plain words.
    pub prompt: String,
    /// Files that go with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// What is none of the protocol's messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct BadEnvelope {
    /// Why, naming the field.
    pub reason: String,
}

impl BadEnvelope {
    fn new(reason: impl ToString) -> Self {
        Self { reason: reason.to_string() }
    }
}

impl Envelope {
    /// A prompt as it came.
    ///
    /// # Errors
    /// When it is too large, empty, or neither text in UTF-8 nor such an object.
    pub fn read(raw: &[u8]) -> Result<Self, BadEnvelope> {
        let size_bytes = raw.len();
        if size_bytes > MAX_CLEARING_BODY_BYTES {
            let most = MAX_CLEARING_BODY_BYTES;
            return Err(BadEnvelope::new(format!("the prompt has {size_bytes} bytes; at most {most} are read")));
        }
        let envelope = if raw.trim_ascii_start().starts_with(b"{") {
            parse(raw)?
        } else {
            let text = str::from_utf8(raw).map_err(|_| BadEnvelope::new("neither UTF-8 text nor a JSON object"))?;
            Self { prompt: text.to_owned(), attachments: Vec::new() }
        };
        if envelope.prompt.trim().is_empty() {
            return Err(BadEnvelope::new("prompt: must not be empty"));
        }
        Ok(envelope)
    }

    /// A prompt as it goes.
    ///
    /// # Errors
    /// When there is nothing in it.
    pub fn write(&self) -> Result<Vec<u8>, BadEnvelope> {
        if self.prompt.trim().is_empty() {
            return Err(BadEnvelope::new("prompt: must not be empty"));
        }
        serde_json::to_vec(self).map_err(BadEnvelope::new)
    }
}

/// A question back, while an answer is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Its id.
    pub id: String,
    /// Where the answer goes.
    pub reply_subject: String,
    /// What is asked.
    pub prompt: String,
    /// Files that go with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// How the answer fares: `ack` at first, and while it takes long.
    Status(String),
    /// Something that is said.
    Response {
        /// The words.
        text: String,
        /// Files that go with them.
        attachments: Vec<Attachment>,
    },
    /// A question back.
    Query(Query),
}

#[derive(Serialize, Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

#[derive(Serialize, Deserialize)]
struct Response {
    text: String,
    #[serde(default)]
    attachments: Vec<Attachment>,
}

impl Chunk {
    /// A chunk as it came; `None` for one of a type that is not known.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(raw: &[u8]) -> Result<Option<Self>, BadEnvelope> {
        let Typed { kind, data } = parse(raw)?;
        Ok(Some(match (kind.as_str(), data) {
            ("status", Value::String(word)) => Self::Status(word),
            ("response", Value::String(text)) => Self::Response { text, attachments: Vec::new() },
            ("response", data) => {
                let Response { text, attachments } = serde_json::from_value(data).map_err(BadEnvelope::new)?;
                Self::Response { text, attachments }
            }
            ("query", data) => Self::Query(serde_json::from_value(data).map_err(BadEnvelope::new)?),
            _ => return Ok(None),
        }))
    }

    /// The chunk as it goes.
    ///
    /// # Errors
    /// When its data cannot be written; what this crate makes always can.
    pub fn write(self) -> Result<Vec<u8>, BadEnvelope> {
        let (kind, data) = match self {
            Self::Status(word) => ("status", Value::String(word)),
            Self::Response { text, attachments } if attachments.is_empty() => ("response", Value::String(text)),
            Self::Response { text, attachments } => {
                ("response", serde_json::to_value(Response { text, attachments }).map_err(BadEnvelope::new)?)
            }
            Self::Query(query) => ("query", serde_json::to_value(query).map_err(BadEnvelope::new)?),
        };
        serde_json::to_vec(&Typed { kind: kind.to_owned(), data }).map_err(BadEnvelope::new)
    }
}

/// How an agent is: said every half a minute, and when it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// What the agent runs in.
    pub agent: String,
    /// Who runs it.
    pub owner: String,
    /// What tells agents of one harness and owner apart.
    pub session: String,
    /// The id of the service's instance.
    pub instance_id: String,
    /// When it was said: RFC 3339 in UTC with whole seconds.
    pub ts: String,
    /// How often it is said, in seconds.
    pub interval_s: u32,
    /// The version of the protocol.
    pub protocol_version: String,
    /// Where it is prompted.
    pub endpoints: BTreeMap<String, DeclaredEndpoint>,
}

/// An endpoint, as a heartbeat tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredEndpoint {
    /// Where it listens.
    pub subject: String,
    /// What discovery tells of it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// A size as metadata has it: `8MB`.
#[must_use]
pub fn size_in_words(size_bytes: usize) -> String {
    let units = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    let whole = units.into_iter().find(|(_, one)| size_bytes >= *one && size_bytes.is_multiple_of(*one));
    match whole {
        Some((unit, one)) => format!("{}{unit}", size_bytes / one),
        None => format!("{size_bytes}B"),
    }
}

/// What such words say, in bytes; `None` for what is no size.
#[must_use]
pub fn read_size(words: &str) -> Option<usize> {
    let words = words.to_ascii_uppercase();
    let units = [("GB", 1_usize << 30), ("MB", 1 << 20), ("KB", 1 << 10), ("B", 1)];
    let (number, one) = units.into_iter().find_map(|(unit, one)| Some((words.strip_suffix(unit)?, one)))?;
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    number.parse::<usize>().ok().filter(|_| is_number)?.checked_mul(one)
}

fn parse<T: serde::de::DeserializeOwned>(raw: &[u8]) -> Result<T, BadEnvelope> {
    let mut reader = serde_json::Deserializer::from_slice(raw);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(BadEnvelope::new)?;
    reader.end().map_err(BadEnvelope::new)?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_prompt_is_text_or_an_object() {
        for (raw, expected) in [
            (&b"hello"[..], Some("hello")),
            (b"[1]", Some("[1]")),
            (b" \n{\"prompt\": \"hello\", \"unknown\": {\"a\": [1]}}", Some("hello")),
            (b"", None),
            (b"  ", None),
            (b"\xff", None),
            (b"{\"prompt\": 5}", None),
            (b"{\"prompt\": \"hi\"", None),
            (b"{\"prompt\": \"hi\"} more", None),
            (b"{\"prompt\": \" \"}", None),
            (b"{\"prompt\": \"a\", \"attachments\": [{\"filename\": \"a\", \"content\": \"?\"}]}", None),
        ] {
            let read = Envelope::read(raw).ok().map(|envelope| envelope.prompt);
            assert_eq!(read.as_deref(), expected, "{}", String::from_utf8_lossy(raw));
        }
        let deep = [&b"{\"prompt\": "[..], &b"[".repeat(100_000)].concat();
        assert!(Envelope::read(&deep).is_err(), "deep nesting is refused, and no stack is lost");
    }

    #[test]
    fn chunks_are_written_as_the_protocol_has_them() {
        let say = |text: &str| Chunk::Response { text: text.to_owned(), attachments: Vec::new() };
        assert_eq!(Chunk::Status("ack".to_owned()).write().unwrap(), br#"{"type":"status","data":"ack"}"#);
        assert_eq!(say("hi").write().unwrap(), br#"{"type":"response","data":"hi"}"#);
        assert_eq!(Chunk::read(br#"{"type":"response","data":{"text":"hi"}}"#), Ok(Some(say("hi"))));
        assert_eq!(Chunk::read(br#"{"type":"later","data":[1]}"#), Ok(None));
        for bad in ["", "[]", r#"{"data":1}"#, r#"{"type":"response","data":1}"#, r#"{"type":"query","data":{}}"#] {
            assert!(Chunk::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes() {
        for (size_bytes, words) in [(8 << 20, "8MB"), (1 << 30, "1GB"), (1_500, "1500B"), (3 << 10, "3KB"), (0, "0B")] {
            assert_eq!(size_in_words(size_bytes), words);
            assert_eq!(read_size(words), Some(size_bytes));
        }
        for words in ["", "MB", "-1B", "1.5MB", "1 MB", "99999999999999999999GB"] {
            assert_eq!(read_size(words), None, "{words}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in "\\PC*[a-z]", filename in "[a-z]{1,8}", content: Vec<u8>) {
            let attachments = vec![Attachment { filename, content }];
            let envelope = Envelope { prompt: text.clone(), attachments: attachments.clone() };
            prop_assert_eq!(Envelope::read(&envelope.write().unwrap()), Ok(envelope));
            let chunk = Chunk::Response { text: text.clone(), attachments: attachments.clone() };
            prop_assert_eq!(Chunk::read(&chunk.clone().write().unwrap()), Ok(Some(chunk)));
            let (id, reply_subject) = ("1".to_owned(), "a".to_owned());
            let query = Chunk::Query(Query { id, reply_subject, prompt: text, attachments });
            prop_assert_eq!(Chunk::read(&query.clone().write().unwrap()), Ok(Some(query)));
        }

        #[test]
        fn whatever_comes_is_read_or_refused(raw: Vec<u8>) {
            let _ = Envelope::read(&raw);
            let _ = Chunk::read(&raw);
        }
    }
}
