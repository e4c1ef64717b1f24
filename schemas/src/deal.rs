//! Deals: the terms that parties accept, and the moves that parties make.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::{self, DecodeError, Message, Refused};
use crate::hash::{self, Hash};
use crate::id::{AgentId, DealId, Good, JobId, MarketId, MoveId, TaskId};
use crate::limit::{MAX_BODY_BYTES, MAX_CLAIMS, MAX_PARTIES, MAX_TEXT_BYTES, MAX_TRANSFERS};
use crate::negotiation::{Agreement, Transcript};
use crate::profile::{Profile, State};
use crate::quantity::Quantity;
use crate::subject::DealVerb;
use crate::value::{Valuation, unique};

/// The intent that a transfer fills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IntentRef {
    /// Whose intent.
    pub agent: AgentId,
    /// Its sequence in the stream `HMS_MARKET`.
    pub sequence: u64,
}

/// One arrow: what goes from whom to whom, by when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transfer {
    /// The giver.
    pub from: AgentId,
    /// The receiver.
    pub to: AgentId,
    /// The good.
    pub good: Good,
    /// How much, in the good's minor units.
    pub quantity: Quantity,
    /// When it must be there, in Unix milliseconds.
    pub due_unix_ms: i64,
    /// The giver's intent that it fills, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<IntentRef>,
}

/// When a committed deal counts as settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// At commit: what changes hands is on the book itself.
    Immediate,
    /// When every receiver has confirmed.
    Confirmed,
}

/// What the parties accept. Named by the SHA-256 of its exact bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "terms")]
pub struct Terms {
    /// The ledger's book, which is the market's id.
    pub book: MarketId,
    /// Who takes part, sorted, each once.
    pub parties: Vec<AgentId>,
    /// The transfers.
    pub transfers: Vec<Transfer>,
    /// When it counts as settled.
    pub delivery: Delivery,
    /// Until when it can be accepted, in Unix milliseconds.
    pub expires_unix_ms: i64,
    /// The award that they pay for, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub award: Option<Award>,
}

/// What was awarded to somebody: a task of a job, in one of its rounds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Award {
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// Which announcement of it; the first is 1.
    pub round: u32,
}

crate::message!(Terms, "terms", |terms| {
    check_parties(&terms.parties)?;
    if terms.transfers.is_empty() || terms.transfers.len() > MAX_TRANSFERS {
        return Err(Refused::new("transfers", format!("1 to {MAX_TRANSFERS} transfers")));
    }
    for (index, transfer) in terms.transfers.iter().enumerate() {
        let place = |field: &str| format!("transfers[{index}].{field}");
        for (field, who) in [("from", &transfer.from), ("to", &transfer.to)] {
            if terms.parties.binary_search(who).is_err() {
                return Err(Refused::new(place(field), format!("{who} is not a party")));
            }
        }
        if transfer.from == transfer.to {
            return Err(Refused::new(place("to"), "gives to itself"));
        }
        if transfer.due_unix_ms < terms.expires_unix_ms {
            return Err(Refused::new(place("due_unix_ms"), "due before the terms expire"));
        }
    }
    if let Some(idle) = terms.parties.iter().find(|p| !terms.transfers.iter().any(|t| t.from == **p || t.to == **p)) {
        return Err(Refused::new("parties", format!("{idle} neither gives nor receives")));
    }
    Ok(())
});

fn check_parties(parties: &[AgentId]) -> Result<(), Refused> {
    if !(2..=MAX_PARTIES).contains(&parties.len()) {
        return Err(Refused::new("parties", format!("2 to {MAX_PARTIES} parties")));
    }
    if !parties.is_sorted_by(|a, b| a < b) {
        return Err(Refused::new("parties", "must be sorted, each once"));
    }
    Ok(())
}

/// The exact bytes of [`Terms`], read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadTerms {
    /// What the bytes say.
    pub terms: Terms,
    /// Their SHA-256: the terms' name.
    pub hash: Hash,
}

impl ReadTerms {
    /// Reads terms from their bytes.
    ///
    /// # Errors
    /// When they are no valid terms; the field is under `terms`.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let terms = body::decode::<Terms>(bytes, MAX_BODY_BYTES).map_err(|error| {
            let field = if error.field().is_empty() { "terms".to_owned() } else { format!("terms.{}", error.field()) };
            let reason =
                if let DecodeError::Field(refused) = &error { refused.reason.clone() } else { error.to_string() };
            Refused::new(field, reason)
        })?;
        Ok(Self { terms, hash: Hash::of(bytes) })
    }
}

/// A statement about a deal that must be proved before it commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimKind {
    /// Every party gains, over all its accepted bounds.
    WinWin,
    /// Nobody gives more than it holds.
    Holdings,
}

impl ClaimKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::WinWin, Self::Holdings];
}

impl fmt::Display for ClaimKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WinWin => "win_win",
            Self::Holdings => "holdings",
        })
    }
}

/// Opens a deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "deal.open")]
pub struct Open {
    /// Makes asking again safe; with the opener it makes the deal's id.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The ledger's book.
    pub book: MarketId,
    /// The rules.
    pub profile: Profile,
    /// Who takes part, sorted, each once.
    pub parties: Vec<AgentId>,
    /// When the deal lapses without agreement, in Unix milliseconds; with terms, their own expiry.
    pub expires_unix_ms: i64,
    /// The exact bytes of the terms, when they are known from the start.
    #[serde(default, with = "hash::optional_bytes", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub terms: Option<Vec<u8>>,
    /// The claims that must be proved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<ClaimKind>,
    /// The exact bytes of the rules of a negotiation, which a profile that is negotiated is opened with.
    #[serde(default, with = "hash::optional_bytes", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub rules: Option<Vec<u8>>,
}

/// Puts terms on the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "deal.propose")]
pub struct Propose {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The deal.
    pub deal: DealId,
    /// The exact bytes of the terms.
    #[serde(with = "hash::bytes")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub terms: Vec<u8>,
    /// What the parties have agreed on, where the terms come of a negotiation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
}

/// Puts other terms on the table in answer to some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "deal.counter")]
pub struct Counter {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The deal.
    pub deal: DealId,
    /// The terms that it answers.
    pub terms_hash: Hash,
    /// The exact bytes of the other terms.
    #[serde(with = "hash::bytes")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub terms: Vec<u8>,
}

/// Accepts terms, and states what they are worth to the acceptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "deal.accept")]
pub struct Accept {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The deal.
    pub deal: DealId,
    /// The terms.
    pub terms_hash: Hash,
    /// The acceptor's bounds on its own values and costs, its margin and outlook.
    #[serde(default)]
    pub valuation: Valuation,
    /// What the acceptor holds of the goods that it gives, where the deal requires the claim `holdings`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holdings: Vec<Holding>,
    /// What was said, as the acceptor heard it, where the terms come of a negotiation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<Transcript>,
}

/// How much of a good a party says it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Holding {
    /// The good.
    pub good: Good,
    /// How much, in the good's minor units.
    #[schemars(range(min = 0))]
    pub quantity: i64,
}

/// Says no; the deal ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "deal.reject")]
pub struct Reject {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The deal.
    pub deal: DealId,
    /// The terms, when it is about terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms_hash: Option<Hash>,
    /// Why, for the other parties.
    pub reason: String,
    /// What was said, where a negotiation has come to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<Transcript>,
}

/// Takes an own deal back; it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "deal.withdraw")]
pub struct Withdraw {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The deal.
    pub deal: DealId,
    /// Why, for the parties.
    pub reason: String,
    /// What was said, where a negotiation has come to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<Transcript>,
}

/// Confirms that what a receiver was due has arrived, all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "deal.confirm")]
pub struct Confirm {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The deal.
    pub deal: DealId,
    /// The terms.
    pub terms_hash: Hash,
}

crate::message!(Open, "deal.open", |open| {
    if open.requires.len() > MAX_CLAIMS {
        return Err(Refused::new("requires", format!("at most {MAX_CLAIMS} claims")));
    }
    check_parties(&open.parties)
});
crate::message!(Propose, "deal.propose");
crate::message!(Counter, "deal.counter");
crate::message!(Accept, "deal.accept", |accept| {
    accept.valuation.check("valuation")?;
    unique(accept.holdings.iter().map(|holding| &holding.good), "holdings")?;
    match accept.holdings.iter().position(|holding| holding.quantity < 0) {
        Some(index) => Err(Refused::new(format!("holdings[{index}].quantity"), "must not be negative")),
        None => Ok(()),
    }
});
crate::message!(Reject, "deal.reject", |reject| check_text(&reject.reason, "reason"));
crate::message!(Withdraw, "deal.withdraw", |withdraw| check_text(&withdraw.reason, "reason"));
crate::message!(Confirm, "deal.confirm");

/// Refuses texts of more than [`MAX_TEXT_BYTES`].
///
/// # Errors
/// Naming `field`.
pub fn check_text(text: &str, field: &str) -> Result<(), Refused> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Refused::new(field, format!("at most {MAX_TEXT_BYTES} bytes")));
    }
    Ok(())
}

/// Any move of a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// See [`Open`].
    Open(Open),
    /// See [`Propose`].
    Propose(Propose),
    /// See [`Counter`].
    Counter(Counter),
    /// See [`Accept`].
    Accept(Accept),
    /// See [`Reject`].
    Reject(Reject),
    /// See [`Withdraw`].
    Withdraw(Withdraw),
    /// See [`Confirm`].
    Confirm(Confirm),
}

macro_rules! each_move {
    ($self:expr, $m:ident => $what:expr) => {
        match $self {
            Move::Open($m) => $what,
            Move::Propose($m) => $what,
            Move::Counter($m) => $what,
            Move::Accept($m) => $what,
            Move::Reject($m) => $what,
            Move::Withdraw($m) => $what,
            Move::Confirm($m) => $what,
        }
    };
}

impl Move {
    /// Reads the move that `verb` announces.
    ///
    /// # Errors
    /// See [`body::decode`].
    pub fn decode(verb: DealVerb, bytes: &[u8]) -> Result<Self, DecodeError> {
        fn read<T: Message>(bytes: &[u8], wrap: fn(T) -> Move) -> Result<Move, DecodeError> {
            body::decode(bytes, MAX_BODY_BYTES).map(wrap)
        }
        match verb {
            DealVerb::Open => read(bytes, Self::Open),
            DealVerb::Propose => read(bytes, Self::Propose),
            DealVerb::Counter => read(bytes, Self::Counter),
            DealVerb::Accept => read(bytes, Self::Accept),
            DealVerb::Reject => read(bytes, Self::Reject),
            DealVerb::Withdraw => read(bytes, Self::Withdraw),
            DealVerb::Confirm => read(bytes, Self::Confirm),
            DealVerb::Show => Err(DecodeError::NotUnderstood { expected: "a move".into(), got: Show::TYPE.into() }),
        }
    }

    /// The verb that announces it.
    #[must_use]
    pub fn verb(&self) -> DealVerb {
        match self {
            Self::Open(_) => DealVerb::Open,
            Self::Propose(_) => DealVerb::Propose,
            Self::Counter(_) => DealVerb::Counter,
            Self::Accept(_) => DealVerb::Accept,
            Self::Reject(_) => DealVerb::Reject,
            Self::Withdraw(_) => DealVerb::Withdraw,
            Self::Confirm(_) => DealVerb::Confirm,
        }
    }

    /// The body's type.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        fn of<T: Message>(_: &T) -> &'static str {
            T::TYPE
        }
        each_move!(self, m => of(m))
    }

    /// The move's id.
    #[must_use]
    pub fn move_id(&self) -> &MoveId {
        each_move!(self, m => &m.move_id)
    }

    /// Not to be decided after this time, in Unix milliseconds.
    #[must_use]
    pub fn deadline_unix_ms(&self) -> i64 {
        each_move!(self, m => m.deadline_unix_ms)
    }

    /// The body's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        each_move!(self, m => body::encode(m))
    }

    /// The deal that the body names; an opening names none.
    #[must_use]
    pub fn deal(&self) -> Option<&DealId> {
        match self {
            Self::Open(_) => None,
            Self::Propose(m) => Some(&m.deal),
            Self::Counter(m) => Some(&m.deal),
            Self::Accept(m) => Some(&m.deal),
            Self::Reject(m) => Some(&m.deal),
            Self::Withdraw(m) => Some(&m.deal),
            Self::Confirm(m) => Some(&m.deal),
        }
    }
}

/// The answer to a move: what the log holds of it. The same id with the same body gets the same
/// answer, whenever it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "deal.moved")]
pub struct Moved {
    /// The deal.
    pub deal: DealId,
    /// The move.
    pub move_id: MoveId,
    /// The deal's state after the move.
    pub state: State,
    /// The number of the event that records the move; the first is 0.
    pub turn: u32,
    /// The terms on the table, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms_hash: Option<Hash>,
}
crate::message!(Moved, "deal.moved");

/// Asks `deal.show` for a deal that the asker is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "deal.show")]
pub struct Show {
    /// The deal.
    pub deal: DealId,
}
crate::message!(Show, "deal.show");

/// A deal as its parties see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "deal.shown")]
pub struct Shown {
    /// The deal.
    pub deal: DealId,
    /// Where it stands.
    pub state: State,
    /// The rules.
    pub profile: Profile,
    /// Who opened it.
    pub opener: AgentId,
    /// Who takes part.
    pub parties: Vec<AgentId>,
    /// The terms on the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
    /// Their hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms_hash: Option<Hash>,
    /// Who has accepted them.
    pub accepted: Vec<AgentId>,
    /// Who has confirmed delivery.
    pub confirmed: Vec<AgentId>,
    /// Why it ended, when it ended badly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many events it has.
    pub turns: u32,
    /// The exact bytes of the rules of a negotiation, if it is negotiated.
    #[serde(default, with = "hash::optional_bytes", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub rules: Option<Vec<u8>>,
}
crate::message!(Shown, "deal.shown", |shown| {
    let place = |refused: Refused| Refused::new(format!("terms.{}", refused.field), refused.reason);
    shown.terms.as_ref().map_or(Ok(()), |terms| terms.check().map_err(place))
});
