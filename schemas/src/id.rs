//! Names: agents, goods, markets, deals, moves. One token each, so that each can stand in a subject.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hash::Hash;
use crate::limit::{MAX_MOVE_ID_CHARS, MAX_TOKEN_CHARS};

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {rule}, not {got:?}")]
pub struct BadName {
    what: &'static str,
    rule: &'static str,
    got: String,
}

impl BadName {
    fn new(what: &'static str, rule: &'static str, got: &str) -> Self {
        let mut got: String = got.chars().take(MAX_TOKEN_CHARS + 1).collect();
        got.shrink_to_fit();
        Self { what, rule, got }
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $pattern:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The rule for such a name, as a regular expression.
            pub const PATTERN: &'static str = $pattern;

            /// Reads a name.
            ///
            /// # Errors
            /// When the text does not follow the rule.
            pub fn parse(text: &str) -> Result<Self, BadName> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(BadName::new($what, $rule, text))
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::parse(text)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(from)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $rule })
            }
        }
    };
}

fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN_CHARS).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// An id for one occasion, chosen by whoever asks.
fn is_occasion(text: &str) -> bool {
    (1..=MAX_MOVE_ID_CHARS).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

name!(
    /// An agent, a peer on the bus: one token.
    AgentId, "an agent's id", "^[a-z0-9_-]{1,63}$", "1 to 63 of a-z, 0-9, _ and -", is_token
);
name!(
    /// What changes hands: one token, such as `wheat`, `usd` or `gpu-hours`.
    Good, "a good", "^[a-z0-9_-]{1,63}$", "1 to 63 of a-z, 0-9, _ and -", is_token
);
name!(
    /// A market, and the ledger's book of the same name: one token.
    MarketId, "a market", "^[a-z0-9_-]{1,63}$", "1 to 63 of a-z, 0-9, _ and -", is_token
);
name!(
    /// A deal: lowercase base32 of the first 130 bits of SHA-256(opener ‖ 0x00 ‖ `move_id`).
    DealId, "a deal's id", "^[a-z2-7]{26}$", "26 of a-z and 2-7",
    |text| text.len() == 26 && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
);
name!(
    /// A step of a roadmap, or a resource that steps share: one token.
    StepId, "a step's id", "^[a-z0-9_-]{1,63}$", "1 to 63 of a-z, 0-9, _ and -", is_token
);
name!(
    /// What is negotiated, such as `price`: one token.
    IssueId, "an issue's name", "^[a-z0-9_-]{1,63}$", "1 to 63 of a-z, 0-9, _ and -", is_token
);
name!(
    /// A move, unique for its mover: what makes asking again safe.
    MoveId, "a move_id", "^[A-Za-z0-9_-]{1,64}$", "1 to 64 of A-Z, a-z, 0-9, _ and -",
    is_occasion
);
name!(
    /// A job: a request that takes long, under a name that its requester chose, to watch and to stop it by; or tasks
    /// that agents do together, named as a deal is.
    JobId, "a job's id", "^[A-Za-z0-9_-]{1,64}$", "1 to 64 of A-Z, a-z, 0-9, _ and -", is_occasion
);
name!(
    /// A task of a job: one token, unique in its job.
    TaskId, "a task's name", "^[a-z0-9_-]{1,63}$", "1 to 63 of a-z, 0-9, _ and -", is_token
);
name!(
    /// What an agent can do: one token, such as `translate` or `check-sums`.
    Skill, "a skill", "^[a-z0-9_-]{1,63}$", "1 to 63 of a-z, 0-9, _ and -", is_token
);
name!(
    /// A variable of a claim: what can stand in a formula.
    Variable, "a variable", "^[A-Za-z][A-Za-z0-9_]{0,62}$", "a letter, then at most 62 of A-Z, a-z, 0-9 and _",
    |text| (1..=MAX_TOKEN_CHARS).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
);

impl DealId {
    /// The id of the deal that `opener` opens with its move `move_id`.
    #[must_use]
    pub fn of(opener: &AgentId, move_id: &MoveId) -> Self {
        Self(made_by(opener, move_id).into())
    }
}

impl JobId {
    /// The id of the job of tasks that `supervisor` submits with its move `move_id`: made as a deal's is.
    #[must_use]
    pub fn of(supervisor: &AgentId, move_id: &MoveId) -> Self {
        Self(made_by(supervisor, move_id).into())
    }
}

/// Lowercase base32 of the first 130 bits of SHA-256(agent ‖ 0x00 ‖ `move_id`).
fn made_by(agent: &AgentId, move_id: &MoveId) -> String {
    let digest = Hash::of_parts(&[agent.as_str().as_bytes(), &[0], move_id.as_str().as_bytes()]);
    let text = data_encoding::BASE32_NOPAD.encode(digest.as_bytes());
    text.chars().take(26).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_cannot_hold_wildcards_or_dots() {
        for bad in ["", "*", ">", "a.b", "A", "ä", " a", &"a".repeat(64)] {
            assert!(AgentId::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "gpu-hours", "_x9", &"a".repeat(63)] {
            assert!(AgentId::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_deals_id_is_the_first_130_bits_of_the_hash() {
        let opener = AgentId::parse("kenya").unwrap();
        let id = DealId::of(&opener, &MoveId::parse("m1").unwrap());
        let digest = Hash::of(b"kenya\0m1");
        let all = data_encoding::BASE32_NOPAD.encode(digest.as_bytes()).to_lowercase();
        assert_eq!(id.as_str(), &all[..26]);
        assert!(DealId::parse(id.as_str()).is_ok());
    }
}
