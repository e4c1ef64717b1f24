//! Netting: what parties owe each other, settled with less moving. What `graph.net` reads and answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::Refused;
use crate::id::{AgentId, Good};
use crate::limit::MAX_OBLIGATIONS;
use crate::quantity::Quantity;

/// One party owes another a quantity of a good.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Obligation {
    /// Who owes.
    pub from: AgentId,
    /// Whom.
    pub to: AgentId,
    /// What.
    pub good: Good,
    /// How much, in minor units.
    pub quantity: Quantity,
}

/// Between whom a netting may move goods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Counterparties {
    /// Between any two parties: a party may come to owe someone whom it owed nothing.
    #[default]
    Any,
    /// Only along what is owed already, and no more than that: nobody gets a new creditor.
    Known,
}

/// Asks `graph.net` to settle obligations with less moving: everyone's net position in every good stays, the sum of
/// all transfers is least, and where that leaves a choice, there are few of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "graph.net")]
pub struct Net {
    /// What is owed.
    pub obligations: Vec<Obligation>,
    /// Between whom transfers may go.
    #[serde(default)]
    pub counterparties: Counterparties,
    /// When to stop and answer the best so far, in milliseconds of computing.
    pub time_limit_ms: u32,
}

crate::message!(Net, "graph.net", |net| {
    if net.obligations.len() > MAX_OBLIGATIONS {
        return Err(Refused::new("obligations", format!("at most {MAX_OBLIGATIONS} obligations")));
    }
    for (index, owed) in net.obligations.iter().enumerate() {
        if owed.from == owed.to {
            return Err(Refused::new(format!("obligations[{index}].to"), format!("{} owes itself", owed.from)));
        }
    }
    if net.time_limit_ms == 0 {
        return Err(Refused::new("time_limit_ms", "must be positive"));
    }
    Ok(())
});

/// What a netting did to one good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NettedGood {
    /// The good.
    pub good: Good,
    /// What was owed in all, in minor units.
    pub gross_before: i64,
    /// What moves now. No set of transfers between the allowed counterparties keeps all positions and moves less,
    /// unless time ran out.
    pub gross_after: i64,
    /// No set of transfers that keeps all positions moves less.
    pub gross_bound: i64,
    /// How many obligations there were.
    pub transfers_before: u32,
    /// How many transfers there are.
    pub transfers_after: u32,
    /// No fewer transfers than this move so little.
    pub transfers_bound: u32,
}

/// A party's net position in a good: what it is owed less what it owes, the same before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetPosition {
    /// The party.
    pub party: AgentId,
    /// The good.
    pub good: Good,
    /// In minor units, not 0.
    pub net: i64,
}

/// The answer of `graph.net`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "graph.netted")]
pub struct Netted {
    /// What moves instead of all that was owed, by good, giver and receiver.
    pub transfers: Vec<Obligation>,
    /// Everyone's net positions that are not 0, by good and party.
    pub positions: Vec<NetPosition>,
    /// Good by good, what came of it.
    pub goods: Vec<NettedGood>,
    /// Whether the gross flow is the least there is, and the number of transfers reaches its bound, in every good.
    pub is_optimal: bool,
    /// Time spent, in milliseconds.
    pub took_ms: u32,
}
crate::message!(Netted, "graph.netted");
