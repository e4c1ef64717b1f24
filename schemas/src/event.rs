//! What happened to a deal, as the log keeps it, and what its parties hear of it; and what all such logs have in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::{DecodeError, Message, decode, encode};
use crate::hash::{self, Hash};
use crate::id::{AgentId, DealId, MarketId};
use crate::keyring::RecordFault;
use crate::limit::MAX_CLEARING_BODY_BYTES;
use crate::profile::{Profile, State};
use crate::signature::{BadSignature, Sender};

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

impl Signed {
    /// Who says to have signed it, with a signature that is of these bytes. Whose key it is, the key history says:
    /// [`Keyring::signer_of`](crate::keyring::Keyring::signer_of).
    ///
    /// # Errors
    /// When it is no signature, or of other bytes.
    pub fn signer(&self) -> Result<Sender, BadSignature> {
        let sender = Sender::parse(&self.sender)?;
        sender.verify(&self.subject, &self.body)?;
        Ok(sender)
    }
}

/// One entry of a log, with the exact bytes that the chain is made of. The hash is of the bytes as they stand in the log,
/// so that an event written by a newer version, with fields that we do not know, still chains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<E> {
    /// What the bytes say.
    pub event: E,
    /// The exact bytes.
    pub bytes: Vec<u8>,
    /// Their SHA-256, which the next entry names.
    pub hash: Hash,
}

impl<E: Message> Entry<E> {
    /// Reads an entry from its log.
    ///
    /// # Errors
    /// When the bytes are no such event.
    pub fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let event = decode(bytes, MAX_CLEARING_BODY_BYTES)?;
        Ok(Self { event, bytes: bytes.to_vec(), hash: Hash::of(bytes) })
    }

    /// Writes an event.
    #[must_use]
    pub fn write(event: E) -> Self {
        let bytes = encode(&event);
        let hash = Hash::of(&bytes);
        Self { event, bytes, hash }
    }
}

/// Where an event stands in its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The entry's number; the first is 0.
    pub turn: u32,
    /// The hash of the entry before; zeros for the first.
    pub prev: Hash,
    /// When it is written, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// The W3C trace context of what caused it.
    pub trace: Option<String>,
}

/// Entries that follow one another, each naming the one before: what one decision writes.
#[derive(Debug)]
pub struct Chain<E> {
    next: Place,
    entries: Vec<Entry<E>>,
}

impl<E: Message> Chain<E> {
    /// A chain whose first entry stands there.
    #[must_use]
    pub fn at(place: Place) -> Self {
        Self { next: place, entries: Vec::new() }
    }

    /// Where the next entry will stand.
    #[must_use]
    pub fn next(&self) -> &Place {
        &self.next
    }

    /// The next entry, made for its place.
    pub fn push(&mut self, make: impl FnOnce(Place) -> E) {
        let entry = Entry::write(make(self.next.clone()));
        self.next.turn = self.next.turn.saturating_add(1);
        self.next.prev = entry.hash;
        self.entries.push(entry);
    }

    /// The entries.
    #[must_use]
    pub fn entries(self) -> Vec<Entry<E>> {
        self.entries
    }
}

/// What is wrong with a log, and with which entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {turn} (sequence {sequence}): {fault}")]
pub struct Broken {
    /// The entry's place in the log, counted from 0.
    pub turn: u32,
    /// Its stream sequence.
    pub sequence: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The entry, or its signature, is not what it claims to be.
    #[error(transparent)]
    Record(#[from] RecordFault),
    /// Its number, or the hash that it names, does not follow the entry before.
    #[error("the chain breaks here: {0}")]
    Chain(&'static str),
    /// It stands on the subject of another log, or tells of another.
    #[error("it is of another log")]
    Foreign,
    /// The signed move behind it does not hold.
    #[error("the move behind it: {0}")]
    Cause(String),
    /// The rules give something else.
    #[error("the rules say otherwise: {0}")]
    Rules(String),
    /// The log ends in the middle of what was written together.
    #[error("the log ends before {0}, which is written together with it")]
    Torn(&'static str),
    /// What stands there as evidence for a claim is none.
    #[error("{claim}: {reason}")]
    Evidence {
        /// Which claim.
        claim: String,
        /// Why it shows nothing of it.
        reason: String,
    },
    /// There is no entry at all.
    #[error("the log is empty")]
    Empty,
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
        /// The party that would have given more than it may, where that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        party: Option<AgentId>,
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
    /// When the deal lapses without agreement, in Unix milliseconds, when the event is the opening of a negotiation: what
    /// an outcome's terms expire at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_unix_ms: Option<i64>,
}
crate::message!(DealNote, "note.deal");
