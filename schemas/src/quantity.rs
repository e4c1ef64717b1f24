//! How much of a good: whole minor units, never a float.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// A positive number of a good's minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Quantity(i64);

/// Why a quantity was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quantity must be a positive whole number of minor units, not {0}")]
pub struct NotPositive(pub i64);

impl Quantity {
    /// One minor unit.
    pub const ONE: Self = Self(1);

    /// A quantity of `units` minor units.
    ///
    /// # Errors
    /// When `units` is zero or negative.
    pub fn new(units: i64) -> Result<Self, NotPositive> {
        if units > 0 { Ok(Self(units)) } else { Err(NotPositive(units)) }
    }

    /// The number of minor units, at least 1.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(i64::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}
impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": i64::MAX,
            "description": "a positive whole number of the good's minor units" })
    }
}
