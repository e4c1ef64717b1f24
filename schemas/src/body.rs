//! The codec: MessagePack maps with string keys, written one way, read strictly.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Code, ErrorReply};
use crate::reader::Reader;
use crate::scan::{Fault, ScanError, Strictness, scan};

/// A body of the contract: its `type` stands first in the map. [`message!`](crate::message) makes one, and has reading and
/// writing compiled beside the type, once, and not in every crate that reads or writes one.
pub trait Message: Serialize + DeserializeOwned + Check {
    /// The value of the key `type`, and of the header `Hms-Type`.
    const TYPE: &'static str;

    /// Its bytes: see [`encode`].
    fn to_bytes(&self) -> Vec<u8>;

    /// Reads what [`scan`](crate::scan) has passed: see [`decode`].
    ///
    /// # Errors
    /// The field at fault.
    fn of_scanned(body: &[u8]) -> Result<Self, DecodeError>;
}

/// Rules over several fields, checked after reading and before acting.
pub trait Check {
    /// Checks them.
    ///
    /// # Errors
    /// The field at fault and the reason.
    fn check(&self) -> Result<(), Refused> {
        Ok(())
    }
}

/// A field that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Refused {
    /// The field, as a dotted path.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Refused {
    /// A refusal of `field`.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than the reader takes.
    #[error("the body has {size_bytes} bytes; at most {limit_bytes} are read")]
    TooLarge {
        /// The body's size.
        size_bytes: usize,
        /// The reader's limit.
        limit_bytes: usize,
    },
    /// Not one well-formed value within bounds.
    #[error(transparent)]
    Malformed(#[from] ScanError),
    /// Of another type than the reader expects.
    #[error("not understood: expected type {expected:?}, got {got:?}")]
    NotUnderstood {
        /// The types that would be read.
        expected: String,
        /// The body's own, empty when it has none.
        got: String,
    },
    /// A field has the wrong shape or breaks its rule.
    #[error(transparent)]
    Field(#[from] Refused),
}

impl DecodeError {
    /// The field at fault as a dotted path; empty for the body as a whole.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Self::TooLarge { .. } => "",
            Self::Malformed(error) => &error.field,
            Self::NotUnderstood { .. } => "type",
            Self::Field(refused) => &refused.field,
        }
    }
}

impl From<DecodeError> for ErrorReply {
    fn from(error: DecodeError) -> Self {
        let reply = match &error {
            DecodeError::Field(refused) => Self::new(Code::BadMessage, refused.reason.clone()),
            DecodeError::NotUnderstood { .. } => {
                Self::new(Code::BadMessage, error.to_string()).by_rule("not_understood")
            }
            _ => Self::new(Code::BadMessage, error.to_string()),
        };
        reply.at_field(error.field())
    }
}

/// Writes a body.
#[must_use]
pub fn encode<T: Message>(message: &T) -> Vec<u8> {
    message.to_bytes()
}

/// Writes what a message is made of.
///
/// # Panics
/// Never for the types of the contract, which all encode.
#[doc(hidden)]
#[must_use]
#[allow(clippy::expect_used)]
pub fn write<T: Serialize>(message: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(message).expect("types of the contract encode: maps with string keys, no unsized parts")
}

/// Reads a body of type `T`, strictly: bounded size and depth, the whole buffer, no duplicate keys,
/// its own `type`, every field valid.
///
/// # Errors
/// The first fault, with the field.
pub fn decode<T: Message>(body: &[u8], limit_bytes: usize) -> Result<T, DecodeError> {
    check_size(body, limit_bytes)?;
    let got = scan(body, Strictness::Contract)?.kind.unwrap_or_default();
    if got != T::TYPE {
        return Err(DecodeError::NotUnderstood { expected: T::TYPE.into(), got: got.into() });
    }
    T::of_scanned(body)
}

/// The `type` of a body, after the strict scan; empty when it has none.
///
/// # Errors
/// When the body is too large or malformed.
pub fn type_of(body: &[u8], limit_bytes: usize) -> Result<&str, DecodeError> {
    check_size(body, limit_bytes)?;
    Ok(scan(body, Strictness::Contract)?.kind.unwrap_or_default())
}

fn check_size(body: &[u8], limit_bytes: usize) -> Result<(), DecodeError> {
    if body.len() > limit_bytes {
        return Err(DecodeError::TooLarge { size_bytes: body.len(), limit_bytes });
    }
    Ok(())
}

/// Reads a body that the scan has passed.
///
/// # Errors
/// The field at fault.
#[doc(hidden)]
pub fn read<T: DeserializeOwned + Check>(body: &[u8]) -> Result<T, DecodeError> {
    let message = T::deserialize(&mut Reader::new(body)).map_err(|error| refused_at(&error.path(), &error))?;
    message.check()?;
    Ok(message)
}

fn refused_at(path: &str, reason: &dyn fmt::Display) -> Refused {
    let reason = reason.to_string();
    Refused::new(missing_field(path, &reason), reason)
}

/// Reads a message from the JSON that its JSON Schema describes, as buckets hold it; the tag is the caller's to compare.
///
/// # Errors
/// [`DecodeError::Field`], with the field and the reason.
pub fn from_json<T: DeserializeOwned + Check>(value: &serde_json::Value) -> Result<T, DecodeError> {
    let message: T = serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        refused_at(if path == "." { "" } else { &path }, error.inner())
    })?;
    message.check()?;
    Ok(message)
}

/// The path of a fault; for a field that is absent, the field's own name and not its parent's.
fn missing_field(parent: &str, reason: &str) -> String {
    match reason.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        Some(field) if parent.is_empty() => field.to_owned(),
        Some(field) => format!("{parent}.{field}"),
        None => parent.to_owned(),
    }
}

/// Reads any bounded MessagePack with string keys as JSON, for people: bytes that are themselves a
/// body are shown as one, other bytes in hexadecimal. An empty body is `null`.
///
/// # Errors
/// When the body is too large or malformed.
pub fn to_json(body: &[u8], limit_bytes: usize) -> Result<serde_json::Value, DecodeError> {
    if body.is_empty() {
        return Ok(serde_json::Value::Null);
    }
    check_size(body, limit_bytes)?;
    scan(body, Strictness::Anything)?;
    json::value(&mut Reader::new(body))
        .map_err(|error| DecodeError::Malformed(ScanError { field: error.to_string(), reason: Fault::Extension }))
}

mod json {
    use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
    use serde_json::{Map, Number, Value};

    pub(super) fn value<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        from.deserialize_any(View)
    }

    struct Shown(Value);
    impl<'de> Deserialize<'de> for Shown {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            value(from).map(Shown)
        }
    }

    struct View;
    impl<'de> Visitor<'de> for View {
        type Value = Value;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("MessagePack with string keys")
        }
        fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
            Ok(Value::Bool(v))
        }
        fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
            Ok(v.into())
        }
        fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
            Ok(v.into())
        }
        fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
            Ok(Number::from_f64(v).map_or_else(|| Value::String(v.to_string()), Value::Number))
        }
        fn visit_str<E>(self, v: &str) -> Result<Value, E> {
            Ok(v.into())
        }
        fn visit_unit<E>(self) -> Result<Value, E> {
            Ok(Value::Null)
        }
        fn visit_none<E>(self) -> Result<Value, E> {
            Ok(Value::Null)
        }
        fn visit_bytes<E: serde::de::Error>(self, v: &[u8]) -> Result<Value, E> {
            let nested = (!v.is_empty() && super::scan(v, super::Strictness::Contract).is_ok())
                .then(|| super::to_json(v, v.len()).ok())
                .flatten();
            Ok(nested.unwrap_or_else(|| data_encoding::HEXLOWER.encode(v).into()))
        }
        fn visit_byte_buf<E: serde::de::Error>(self, v: Vec<u8>) -> Result<Value, E> {
            self.visit_bytes(&v)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
            let mut items = Vec::new();
            while let Some(Shown(item)) = seq.next_element()? {
                items.push(item);
            }
            Ok(Value::Array(items))
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
            let mut entries = Map::new();
            while let Some((key, Shown(value))) = map.next_entry::<String, Shown>()? {
                entries.insert(key, value);
            }
            Ok(Value::Object(entries))
        }
    }
}

/// Makes a type a [`Message`](crate::body::Message), with the check that it names.
#[macro_export]
macro_rules! message {
    ($name:ty, $kind:literal) => {
        $crate::message!($name, $kind, |_| Ok(()));
    };
    ($name:ty, $kind:literal, $check:expr) => {
        impl $crate::body::Check for $name {
            fn check(&self) -> Result<(), $crate::body::Refused> {
                let check: fn(&Self) -> Result<(), $crate::body::Refused> = $check;
                check(self)
            }
        }
        impl $crate::body::Message for $name {
            const TYPE: &'static str = $kind;

            fn to_bytes(&self) -> Vec<u8> {
                $crate::body::write(self)
            }

            fn of_scanned(body: &[u8]) -> Result<Self, $crate::body::DecodeError> {
                $crate::body::read(body)
            }
        }
    };
}
