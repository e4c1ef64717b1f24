//! What happened to a deal, as the log keeps it, and what its parties hear of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hash::{self, Hash};
use crate::id::{AgentId, DealId, MarketId};
use crate::profile::{Profile, State};

/// A signed message as it came: enough to verify it again, offline, with the key history alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signed {
    /// The subject that it was sent to.
    pub subject: String,
    /// The `Agent-Sender` header as it was sent.
    pub sender: String,
    /// The exact body.
    #[serde(with = "hash::bytes")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub body: Vec<u8>,
}

/// One entry of a deal's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "deal.event")]
pub struct DealEvent {
    /// The deal.
    pub deal: DealId,
    /// The entry's number; the first is 0.
    pub turn: u32,
    /// SHA-256 of the exact body of the entry before; zeros for the first.
    pub prev: Hash,
    /// When it was written, in Unix milliseconds, by the writer's clock.
    pub at_unix_ms: i64,
    /// What happened.
    pub what: Happening,
    /// The signed move that caused it, when a move did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Signed>,
    /// The W3C trace context of the move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}
crate::message!(DealEvent, "deal.event");

/// What happened. What a move said stands in the event's cause, and not here again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Happening {
    /// A deal was opened.
    Opened {
        /// By whom.
        opener: AgentId,
        /// The ledger's book.
        book: MarketId,
        /// The rules.
        profile: Profile,
        /// The terms, if it came with any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        terms_hash: Option<Hash>,
    },
    /// Terms came onto the table.
    Proposed {
        /// From whom.
        by: AgentId,
        /// The terms.
        terms_hash: Hash,
    },
    /// A party accepted.
    Accepted {
        /// Who.
        by: AgentId,
        /// The terms.
        terms_hash: Hash,
        /// Whether it was the last: the deal is agreed.
        last: bool,
    },
    /// Every required claim is proved. All that the ledger needs stands here.
    Certified {
        /// Who opened the deal, to be told of its end.
        opener: AgentId,
        /// The ledger's book.
        book: MarketId,
        /// The exact bytes of the terms.
        #[serde(with = "hash::bytes")]
        #[schemars(schema_with = "hash::bytes::schema")]
        terms: Vec<u8>,
        /// Every party's signed acceptance, in the order of the parties.
        acceptances: Vec<Signed>,
        /// The certificates of the claims that it required.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        certificates: Vec<Evidence>,
    },
    /// The ledger posted every transfer.
    Committed {
        /// The ledger's book.
        book: MarketId,
        /// The exact bytes of the terms.
        #[serde(with = "hash::bytes")]
        #[schemars(schema_with = "hash::bytes::schema")]
        terms: Vec<u8>,
        /// Every party's signed acceptance, in the order of the parties.
        acceptances: Vec<Signed>,
        /// The certificates of the claims that it required.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        certificates: Vec<Evidence>,
    },
    /// A receiver confirmed that what it was due has arrived.
    Confirmed {
        /// Who.
        by: AgentId,
    },
    /// Everything is delivered.
    Settled,
    /// A party said no.
    Rejected {
        /// Who.
        by: AgentId,
        /// Why.
        reason: String,
    },
    /// The opener took it back.
    Withdrawn {
        /// Who.
        by: AgentId,
        /// Why.
        reason: String,
    },
    /// Its time ran out.
    Expired,
    /// A rule, or the ledger, said no.
    Refused {
        /// The rule, a stable word.
        rule: String,
        /// Why, for people.
        reason: String,
        /// The counterexample to a claim that the deal required, where that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<Evidence>,
    },
    /// A due date passed without delivery.
    Failed {
        /// The transfers that their receivers never confirmed, by index in the terms.
        undelivered: Vec<u32>,
    },
    /// What had failed was taken back on the books.
    Compensated {
        /// The transfers that were reversed, by index in the terms.
        reversed: Vec<u32>,
    },
}

impl Happening {
    /// What happened, as a word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Proposed { .. } => "proposed",
            Self::Accepted { .. } => "accepted",
            Self::Certified { .. } => "certified",
            Self::Committed { .. } => "committed",
            Self::Confirmed { .. } => "confirmed",
            Self::Settled => "settled",
            Self::Rejected { .. } => "rejected",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Expired => "expired",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
            Self::Compensated { .. } => "compensated",
        }
    }

    /// Where the deal stands after it.
    #[must_use]
    pub fn state(&self) -> State {
        match self {
            Self::Opened { terms_hash: None, .. } => State::Open,
            Self::Opened { .. } | Self::Proposed { .. } | Self::Accepted { last: false, .. } => State::Negotiating,
            Self::Accepted { last: true, .. } => State::Agreed,
            Self::Certified { .. } => State::Certified,
            Self::Committed { .. } | Self::Confirmed { .. } => State::Committed,
            Self::Settled => State::Settled,
            Self::Rejected { .. } => State::Rejected,
            Self::Withdrawn { .. } => State::Withdrawn,
            Self::Expired => State::Expired,
            Self::Refused { .. } => State::Refused,
            Self::Failed { .. } => State::Failed,
            Self::Compensated { .. } => State::Compensated,
        }
    }
}

/// Evidence for or against a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// SHA-256 of the claim's bytes.
    pub claim_hash: Hash,
    /// The bytes of the certificate, or of the counterexample.
    #[serde(with = "hash::bytes")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub certificate: Vec<u8>,
}

/// What a party, or whoever opened, hears of a deal: written in the same atomic batch as the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "note.deal")]
pub struct DealNote {
    /// The deal.
    pub deal: DealId,
    /// What happened, as the log's event names it: `opened`, `committed`, …
    pub event: String,
    /// The deal's state now.
    pub state: State,
    /// The number of the event.
    pub turn: u32,
    /// When, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// The ledger's book.
    pub book: MarketId,
    /// Who opened the deal; left out in the ledger's notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opener: Option<AgentId>,
    /// The rules; left out in the ledger's notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// The exact bytes of the terms, when the event is about terms.
    #[serde(default, with = "hash::optional_bytes", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub terms: Option<Vec<u8>>,
    /// Who did it, when a party did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<AgentId>,
    /// The rule that refused it, a stable word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why, when it ended badly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The exact bytes of the rules of a negotiation, when the event is their opening.
    #[serde(default, with = "hash::optional_bytes", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub rules: Option<Vec<u8>>,
}
crate::message!(DealNote, "note.deal");
