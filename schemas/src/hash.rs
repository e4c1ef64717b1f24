//! SHA-256, the only hash of the contract.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A SHA-256: 32 bytes of `bin` on the wire, 64 lowercase hexadecimal digits where people read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first entry of a log names as the hash of the one before.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The hash of these parts, one after the other.
    #[must_use]
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part);
        }
        Self(digest.finalize().into())
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A hash from its 32 bytes; `None` for any other length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// A hash from 64 hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
        Self::from_slice(&bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(&self.0, to)
    }
}
impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = bytes::deserialize(from)?;
        Self::from_slice(&raw)
            .ok_or_else(|| serde::de::Error::custom(format!("a SHA-256 has 32 bytes, not {}", raw.len())))
    }
}
impl JsonSchema for Hash {
    fn schema_name() -> Cow<'static, str> {
        "Hash".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": "^[0-9a-f]{64}$", "contentEncoding": "base16",
            "description": "SHA-256: 32 bytes of bin in MessagePack, lowercase hexadecimal in JSON"
        })
    }
}

/// Byte strings: `bin` in MessagePack, lowercase hexadecimal in JSON. For `#[serde(with = "…")]`.
pub mod bytes {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    /// Writes a byte string.
    ///
    /// # Errors
    /// Whatever the format's writer says.
    pub fn serialize<S: Serializer, B: AsRef<[u8]> + ?Sized>(raw: &B, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.serialize_str(&data_encoding::HEXLOWER.encode(raw.as_ref()))
        } else {
            to.serialize_bytes(raw.as_ref())
        }
    }

    /// Reads a byte string. Text is refused in MessagePack, arrays of numbers everywhere.
    ///
    /// # Errors
    /// When the value is no byte string.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a byte string")
            }
            fn visit_bytes<E: Error>(self, raw: &[u8]) -> Result<Vec<u8>, E> {
                Ok(raw.to_vec())
            }
            fn visit_byte_buf<E: Error>(self, raw: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(raw)
            }
        }
        struct Hex;
        impl Visitor<'_> for Hex {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes as lowercase hexadecimal")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
                data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(E::custom)
            }
        }
        if from.is_human_readable() { from.deserialize_str(Hex) } else { from.deserialize_bytes(Bytes) }
    }

    /// The JSON Schema of a byte string.
    #[must_use]
    pub fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": "^([0-9a-f]{2})*$", "contentEncoding": "base16",
            "description": "a byte string: bin in MessagePack, lowercase hexadecimal in JSON"
        })
    }
}

/// Byte strings that may be absent. For `#[serde(default, with = "…", skip_serializing_if = …)]`.
pub mod optional_bytes {
    use serde::{Deserializer, Serializer};

    /// Writes a byte string that is there; an absent one is skipped by the field's attribute.
    ///
    /// # Errors
    /// Whatever the format's writer says.
    #[allow(clippy::ref_option)] // the signature that serde calls
    pub fn serialize<S: Serializer>(raw: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        match raw {
            Some(raw) => super::bytes::serialize(raw, to),
            None => to.serialize_none(),
        }
    }

    /// Reads a byte string that is there.
    ///
    /// # Errors
    /// When the value is no byte string.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        super::bytes::deserialize(from).map(Some)
    }
}

/// Lists of byte strings. For `#[serde(with = "…")]`.
pub mod many_bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// One of a list.
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct One(#[serde(with = "super::bytes")] Vec<u8>);

    /// Writes a list of byte strings.
    ///
    /// # Errors
    /// Whatever the format's writer says.
    pub fn serialize<S: Serializer>(all: &[Vec<u8>], to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(transparent)]
        struct Borrowed<'a>(#[serde(with = "super::bytes")] &'a Vec<u8>);
        to.collect_seq(all.iter().map(Borrowed))
    }

    /// Reads a list of byte strings.
    ///
    /// # Errors
    /// When one of the values is no byte string.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<u8>>, D::Error> {
        Ok(Vec::<One>::deserialize(from)?.into_iter().map(|one| one.0).collect())
    }

    /// The JSON Schema of a list of byte strings.
    #[must_use]
    pub fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "array", "items": super::bytes::schema(generator) })
    }
}
