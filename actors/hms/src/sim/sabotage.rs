//! Protections that are taken out, to see that the checker notices. Each is a port that breaks a promise, or a decider in
//! the desk's place; the code of the cores stays as it is.

use std::{fmt, str::FromStr};

use deal::{Ask, Deal, Desk, Entry};
use runtime::memory::weather::Flaws;
use schemas::{
    ErrorReply,
    body::DecodeError,
    core::{Answer, Call, Decider, Decision, Logged},
    subject,
};

/// How often a lazy disk is synced, in milliseconds.
const LAZY_MS: u64 = 4_000;

/// A protection that is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sabotage {
    /// No compare-and-set: the broker compares nothing.
    CompareAndSet,
    /// The desk doesn't look whether the log holds a `move_id`.
    MoveId,
    /// The broker acknowledges what it has not stored yet.
    AcknowledgeFirst,
    /// The broker's disk is synced now and then, and power fails.
    LazySync,
    /// The ledger's cursor is written without comparing it.
    Fence,
}

impl Sabotage {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::CompareAndSet, Self::MoveId, Self::AcknowledgeFirst, Self::LazySync, Self::Fence];

    /// As a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CompareAndSet => "compare-and-set",
            Self::MoveId => "move-id",
            Self::AcknowledgeFirst => "acknowledge-first",
            Self::LazySync => "lazy-sync",
            Self::Fence => "fence",
        }
    }

    /// The promises of the port that it breaks.
    #[must_use]
    pub fn flaws(self) -> Flaws {
        match self {
            Self::CompareAndSet => Flaws { unchecked: vec![">".to_owned()], ..Flaws::default() },
            Self::Fence => Flaws { unchecked: vec![subject::all_ledger_logs()], ..Flaws::default() },
            Self::AcknowledgeFirst => Flaws { acknowledges_first: true, ..Flaws::default() },
            Self::LazySync => Flaws { syncs_every_ms: LAZY_MS, ..Flaws::default() },
            Self::MoveId => Flaws::default(),
        }
    }
}

impl fmt::Display for Sabotage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Sabotage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|sabotage| sabotage.name() == text)
            .ok_or_else(|| format!("nothing is known as {text:?}; there are {}", known()))
    }
}

/// A desk that doesn't look whether it has recorded a move already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forgetful;

impl Decider for Forgetful {
    type Move = Ask;
    type Event = Entry;
    type State = Option<Deal>;

    fn decide(&self, state: &Option<Deal>, ask: &Ask, call: &Call) -> Result<Decision<Entry>, ErrorReply> {
        let forgotten = state.clone().map(|deal| Deal { moves: std::collections::BTreeMap::new(), ..deal });
        Desk.decide(&forgotten, ask, call)
    }

    fn apply(state: Option<Deal>, entry: &Entry) -> Option<Deal> {
        Desk::apply(state, entry)
    }
}

impl Logged for Forgetful {
    const STREAM: &'static str = Desk::STREAM;
    const KIND: &'static str = Desk::KIND;

    fn read(bytes: &[u8]) -> Result<Entry, DecodeError> {
        Desk::read(bytes)
    }

    fn bytes(entry: &Entry) -> &[u8] {
        Desk::bytes(entry)
    }

    fn is_live(state: &Option<Deal>) -> bool {
        Desk::is_live(state)
    }

    fn answer(state: &Option<Deal>, ask: &Ask) -> Answer {
        Desk::answer(state, ask)
    }

    fn timer(log: &str) -> Option<(String, String)> {
        Desk::timer(log)
    }
}
