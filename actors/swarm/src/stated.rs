//! What an agent states of the goods that terms move: the same whether it accepts them itself, or the maker asks about
//! them on the strength of its intent.

use schemas::market::{Give, Want};
use schemas::value::{Outlook, UnitCost, UnitValue, Valuation};

use crate::remaining::Use;

/// The valuation of whoever gives and wants this, of the goods that it would give and receive, and no more.
#[must_use]
pub fn valuation(gives: &[Give], wants: &[Want], margin_ppm: i64, outlook: &Outlook, moved: &Use) -> Valuation {
    let wanted = wants.iter().flat_map(|want| &want.any_of);
    Valuation {
        outlook: outlook.clone(),
        margin_ppm,
        values: wanted
            .filter(|alternative| moved.received.contains_key(&alternative.good))
            .map(|alternative| UnitValue {
                good: alternative.good.clone(),
                value: Some(alternative.value),
                dimensions: None,
            })
            .collect(),
        costs: gives
            .iter()
            .filter(|give| moved.given.contains_key(&give.good))
            .map(|give| UnitCost { good: give.good.clone(), cost: give.cost })
            .collect(),
    }
}
