//! The ledger: what parties may give, what they have, and how far a book has been written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::Refused;
use crate::deal::Transfer;
use crate::event::Signed;
use crate::hash::Hash;
use crate::id::{AgentId, Good, MarketId, MoveId};
use crate::limit::MAX_TRANSFERS;
use crate::value::unique;

/// How much of a good a party may give in a book, all told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limit {
    /// The good.
    pub good: Good,
    /// What it may give more than it has received, in minor units; 0 takes the limit back.
    #[schemars(range(min = 0))]
    pub quantity: i64,
}

/// Declares limits: a signed move to `ledger.declare`. It replaces the limits of the goods that it
/// names and leaves the others. Undeclared goods have limit 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "ledger.declare")]
pub struct Declare {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The book.
    pub book: MarketId,
    /// The limits.
    pub limits: Vec<Limit>,
}
crate::message!(Declare, "ledger.declare", |declare| {
    unique(declare.limits.iter().map(|l| &l.good), "limits")?;
    match declare.limits.iter().position(|limit| limit.quantity < 0) {
        Some(index) => Err(Refused::new(format!("limits[{index}].quantity"), "must not be negative")),
        None => Ok(()),
    }
});

/// The answer to [`Declare`]: the limits that now hold for the goods named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "ledger.declared")]
pub struct Declared {
    /// The book.
    pub book: MarketId,
    /// The move.
    pub move_id: MoveId,
    /// The limits.
    pub limits: Vec<Limit>,
}
crate::message!(Declared, "ledger.declared");

/// A declaration as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "ledger.limit")]
pub struct LimitEvent {
    /// The book.
    pub book: MarketId,
    /// Whose limits.
    pub agent: AgentId,
    /// The entry's number in the agent's limits log; the first is 0.
    pub turn: u32,
    /// SHA-256 of the exact body of the entry before; zeros for the first.
    pub prev: Hash,
    /// When, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// The signed declaration.
    pub cause: Signed,
}
crate::message!(LimitEvent, "ledger.limit");

/// How far a book has been written. Every batch of the ledger carries it under compare-and-set: that
/// is the fence, and a writer that lost its place fails there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "ledger.cursor")]
pub struct Cursor {
    /// The book.
    pub book: MarketId,
    /// The entry's number; the first is 0.
    pub turn: u32,
    /// Every entry of the log up to this stream sequence is taken into account.
    pub applied_through: u64,
    /// The hash chain over everything posted: `H(before ‖ subject ‖ 0x00 ‖ SHA-256(entry))`.
    pub state_hash: Hash,
}
crate::message!(Cursor, "ledger.cursor");

/// Asks `ledger.balance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "ledger.balance")]
pub struct BalanceRequest {
    /// The book.
    pub book: MarketId,
    /// One party only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<AgentId>,
}
crate::message!(BalanceRequest, "ledger.balance");

/// One line of the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BalanceLine {
    /// The party.
    pub party: AgentId,
    /// The good.
    pub good: Good,
    /// Received − given, in minor units.
    pub balance: i64,
    /// The declared limit, in minor units.
    pub limit: i64,
}

/// The answer of `ledger.balance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "ledger.balances")]
pub struct Balances {
    /// The book.
    pub book: MarketId,
    /// How far the log is applied.
    pub applied_through: u64,
    /// See [`Cursor`].
    pub state_hash: Hash,
    /// The lines, by party and good.
    pub lines: Vec<BalanceLine>,
}
crate::message!(Balances, "ledger.balances");

/// Asks `trade_balance.balance`: what do these transfers sum to?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "trade_balance.balance")]
pub struct TradeBalanceRequest {
    /// The transfers.
    pub transfers: Vec<Transfer>,
}
crate::message!(TradeBalanceRequest, "trade_balance.balance", |request| {
    let most = MAX_TRANSFERS * 1000;
    if request.transfers.len() > most {
        return Err(Refused::new("transfers", format!("at most {most} transfers")));
    }
    Ok(())
});

/// What one party gave another, net, of one good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bilateral {
    /// The party with the smaller id.
    pub a: AgentId,
    /// The other.
    pub b: AgentId,
    /// The good.
    pub good: Good,
    /// What a gave b less what b gave a, in minor units.
    pub net: i64,
}

/// What one party received less what it gave, of one good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Multilateral {
    /// The party.
    pub party: AgentId,
    /// The good.
    pub good: Good,
    /// Received, in minor units.
    pub received: i64,
    /// Given, in minor units.
    pub given: i64,
    /// Received − given.
    pub balance: i64,
}

/// The answer of `trade_balance.balance`. For each good the multilateral balances sum to 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "trade_balance.balanced")]
pub struct TradeBalanceReply {
    /// Pair by pair and good by good, where it is not 0.
    pub bilateral: Vec<Bilateral>,
    /// Party by party and good by good.
    pub multilateral: Vec<Multilateral>,
}
crate::message!(TradeBalanceReply, "trade_balance.balanced");
