//! What is wrong with a set-up, and how to mend it: the findings of `hms doctor`.
//!
//! [`look`] asks the bus and hands what it saw to [`judge`], which is pure: so each verdict is tested without a bus, and
//! each question on a real one. A check that rests on another which failed is not made, since it would only repeat it.
//!
//! What it refuses: to mend anything. It names the command, and whoever knows the set-up decides.

pub mod judge;
pub mod look;

use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and something is missing or about to go wrong.
    Warning,
    /// It does not work, or not as it should.
    Bad,
}

impl Level {
    /// The level as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// What one check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check, a stable word.
    pub check: &'static str,
    /// How it came out.
    pub level: Level,
    /// What was seen.
    pub seen: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, seen: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, seen: seen.into(), mend: None }
    }

    /// It works, but.
    pub fn warning(check: &'static str, seen: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, level: Level::Warning, seen: seen.into(), mend: Some(mend.into()) }
    }

    /// It does not.
    pub fn bad(check: &'static str, seen: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, level: Level::Bad, seen: seen.into(), mend: Some(mend.into()) }
    }
}
