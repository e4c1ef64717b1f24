//! What happened on a bus, told in short for onlookers.
//!
//! An event of a deal's log carries everything that it takes to check it: signed moves, terms, certificates, some
//! kilobytes together. Who only looks on needs who moved which deal to which state, and what changes hands. Whoever
//! serves onlookers reads the log once and tells it in short, however many of them there are, on
//! [`digest_topic`](crate::subject::digest_topic) as it happens, and in answers about what was before: the same body,
//! so that both are folded the same way.
//!
//! A digest says which part of the log it tells of, all of it, so one that comes twice, or from two tellers, is known by
//! its numbers, and so is a gap. It is not signed: it tells what stands in the log, and the log is where it is checked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::Refused;
use crate::id::{AgentId, DealId, Good, MarketId};
use crate::limit::MAX_DIGEST_ITEMS;
use crate::profile::State;
use crate::quantity::Quantity;

/// A part of the log of deals, in short.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "digest")]
pub struct Digest {
    /// It tells of what stands in the log behind this sequence.
    pub after: u64,
    /// It tells of everything to this sequence, which it includes.
    pub through: u64,
    /// Where the log ended when this was told.
    pub head: u64,
    /// What happened to deals, in the order of the log.
    pub events: Vec<Glimpse>,
    /// Offers that stand now, or were taken back; only the last of each agent in each market is told of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Offered>,
}
crate::message!(Digest, "digest", |digest| {
    if digest.through < digest.after {
        return Err(Refused::new("through", "is not before after"));
    }
    if digest.events.len() > MAX_DIGEST_ITEMS {
        return Err(Refused::new("events", format!("at most {MAX_DIGEST_ITEMS} events")));
    }
    if digest.offers.len() > MAX_DIGEST_ITEMS {
        return Err(Refused::new("offers", format!("at most {MAX_DIGEST_ITEMS} offers")));
    }
    Ok(())
});

/// An event of a deal's log, in short. What earlier events of the deal say is not said again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Glimpse {
    /// Its sequence in the log.
    pub sequence: u64,
    /// When it was written, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// The deal.
    pub deal: DealId,
    /// Its number in the deal's log; the first is 0.
    pub turn: u32,
    /// What happened, as the log's event names it: `opened`, `committed`, …
    pub event: String,
    /// Where the deal stands after it.
    pub state: State,
    /// The party that moved, when one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<AgentId>,
    /// The deal's book, where the event says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<MarketId>,
    /// All parties, of an event that opens a deal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parties: Vec<AgentId>,
    /// What would change hands, of an event that puts terms on the table; or what does, of one that commits them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Handed>,
    /// Why, of a bad end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One arrow of an exchange, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Handed {
    /// Who gives.
    pub from: AgentId,
    /// Who receives.
    pub to: AgentId,
    /// What.
    pub good: Good,
    /// How many minor units of it.
    pub quantity: Quantity,
}

/// An agent's offer in a market, in short; one that gives and wants nothing was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Offered {
    /// Since when it stands, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// The market.
    pub market: MarketId,
    /// Whose it is.
    pub agent: AgentId,
    /// What it gives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gives: Vec<Good>,
    /// What it wants; alternatives side by side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wants: Vec<Good>,
}
