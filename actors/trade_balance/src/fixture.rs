//! Parties, transfers and terms for the tests of this crate.

use schemas::deal::{Delivery, Terms, Transfer};
use schemas::value::{Bounds, Outlook, PartyValuation, UnitCost, UnitValue, Valuation};
use schemas::{AgentId, Good, MarketId, Quantity};

pub fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

pub fn good(name: &str) -> Good {
    Good::parse(name).unwrap()
}

pub fn transfer(from: &str, to: &str, name: &str, quantity: i64) -> Transfer {
    Transfer {
        from: agent(from),
        to: agent(to),
        good: good(name),
        quantity: Quantity::new(quantity).unwrap(),
        due_unix_ms: 1000,
        intent: None,
    }
}

/// Terms of these transfers in the book `africa`, delivered at once.
pub fn terms(transfers: Vec<Transfer>) -> Terms {
    let mut parties: Vec<_> = transfers.iter().flat_map(|t| [t.from.clone(), t.to.clone()]).collect();
    parties.sort();
    parties.dedup();
    Terms {
        book: MarketId::parse("africa").unwrap(),
        parties,
        transfers,
        delivery: Delivery::Immediate,
        expires_unix_ms: 1000,
        award: None,
    }
}

/// kenya's tea for angola's oil.
pub fn barter(tea: i64, oil: i64) -> Terms {
    terms(vec![transfer("kenya", "angola", "tea", tea), transfer("angola", "kenya", "oil", oil)])
}

/// What a party states: its margin, and bounds on unit values and costs by good.
pub fn states(
    party: &str,
    margin_ppm: i64,
    values: &[(&str, &str, &str)],
    costs: &[(&str, &str, &str)],
) -> PartyValuation {
    let bounds = |lo: &str, hi: &str| Bounds { lo: lo.parse().unwrap(), hi: hi.parse().unwrap() };
    let valuation = Valuation {
        outlook: Outlook::default(),
        margin_ppm,
        values: values
            .iter()
            .map(|(name, lo, hi)| UnitValue { good: good(name), value: Some(bounds(lo, hi)), dimensions: None })
            .collect(),
        costs: costs.iter().map(|(name, lo, hi)| UnitCost { good: good(name), cost: bounds(lo, hi) }).collect(),
    };
    PartyValuation { party: agent(party), valuation }
}
