//! What terms are worth to a party, and whether everyone gains.
//!
//! Receiving q of a good is worth q·φ⁺·v, giving it costs q·φ⁻·c, and a deal is *win-win* iff for every
//! party Σ_in q·φ⁺·v ≥ (1 + μ)·Σ_out q·φ⁻·c at the worst corner of its bounds: its lowest values and highest
//! costs. The inequality is linear in v and c, so where it holds at that corner it holds everywhere between.

use schemas::deal::{Terms, Transfer};
use schemas::value::{PartyValuation, PartyWorth, UnitValue, Valuation, Weights};
use schemas::{AgentId, Good};

use crate::error::TermsError;
use crate::exact::{Exact, Interval};
use crate::factor::{Factors, PPB, days_between};
use crate::kind::defaults;

/// One transfer's part in what terms are worth to a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The transfer's index in the terms.
    pub transfer: usize,
    /// The good.
    pub good: Good,
    /// Whether the party receives it; else it gives it.
    pub is_receipt: bool,
    /// φ⁺ or φ⁻, in units of 10⁻⁹.
    pub factor_ppb: i64,
    /// What the receipt is worth or the gift costs, at least 0, in minor units of account.
    pub amount: Interval,
}

impl Part {
    /// What it adds to the party's gain at central values: negative for a gift.
    #[must_use]
    pub fn gain(&self) -> Exact {
        let central = self.amount.central();
        if self.is_receipt { central } else { -&central }
    }
}

/// What terms are worth to one party, exactly, in minor units of account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worth {
    /// The party.
    pub party: AgentId,
    /// What it receives: Σ_in q·φ⁺·v.
    pub received: Interval,
    /// What it gives: Σ_out q·φ⁻·c.
    pub given: Interval,
    /// The margin μ that it asks for, in parts per million.
    pub margin_ppm: i64,
    /// Transfer by transfer, in the order of the terms.
    pub parts: Vec<Part>,
}

impl Worth {
    /// Received − given at central values.
    #[must_use]
    pub fn gain(&self) -> Exact {
        &self.received.central() - &self.given.central()
    }

    /// Received − given at the worst corner: lowest values, highest costs.
    #[must_use]
    pub fn worst_gain(&self) -> Exact {
        &self.received.lo - &self.given.hi
    }

    /// Whether the party is satisfied at the worst corner with its margin.
    #[must_use]
    pub fn is_satisfied(&self) -> bool {
        !self.slack().is_negative()
    }

    /// What the party has beyond its margin at the worst corner; negative, what it lacks.
    #[must_use]
    pub fn slack(&self) -> Exact {
        &self.received.lo - &self.given.hi.with_margin(self.margin_ppm)
    }

    /// The same as the wire carries it: receipts and gains rounded down, gifts up.
    ///
    /// # Errors
    /// [`TermsError::Overflow`] when an amount does not fit 64 bits.
    pub fn to_wire(&self) -> Result<PartyWorth, TermsError> {
        Ok(PartyWorth {
            party: self.party.clone(),
            received_minor: self.received.central().floor("what a party receives")?,
            given_minor: self.given.central().ceil("what a party gives")?,
            gain_minor: self.gain().floor("what a party gains")?,
            worst_gain_minor: self.worst_gain().floor("what a party gains at worst")?,
            satisfied: self.is_satisfied(),
        })
    }
}

/// What a unit of a good is worth: as given, or Σ_d w_d·v_d over the dimensions.
///
/// # Errors
/// [`TermsError::Stated`] when the value is given both ways or neither.
pub fn unit_value(stated: &UnitValue, weights: &Weights) -> Result<Interval, TermsError> {
    match (&stated.value, &stated.dimensions) {
        (Some(value), None) => Ok((*value).into()),
        (None, Some(by)) => {
            let mut sum = Interval::zero();
            for (bounds, weight_ppm) in [
                (by.economic, weights.economic_ppm),
                (by.social, weights.social_ppm),
                (by.environmental, weights.environmental_ppm),
                (by.security, weights.security_ppm),
            ] {
                let Interval { lo, hi } = bounds.into();
                sum += &Interval { lo: lo.millionths(weight_ppm), hi: hi.millionths(weight_ppm) };
            }
            Ok(sum)
        }
        _ => {
            Err(schemas::body::Refused::new("values", "give either value or dimensions, not both and not neither")
                .into())
        }
    }
}

/// What terms are worth to `party`, who states `valuation`. A good that it receives and does not value is
/// worth 0 to it.
///
/// # Errors
/// [`TermsError::NotAParty`]; [`TermsError::NoCost`] for a good that it gives without a stated cost;
/// [`TermsError::Stated`] for a valuation that the contract refuses.
pub fn worth(terms: &Terms, party: &AgentId, valuation: &Valuation) -> Result<Worth, TermsError> {
    if !terms.parties.contains(party) {
        return Err(TermsError::NotAParty(party.clone()));
    }
    valuation.check("valuation")?;
    let weights = valuation.outlook.weights.unwrap_or(defaults(valuation.outlook.kind).weights);
    let mut worth = Worth {
        party: party.clone(),
        received: Interval::zero(),
        given: Interval::zero(),
        margin_ppm: valuation.margin_ppm,
        parts: Vec::new(),
    };
    // Most terms have one due date, so the factors of the last are mostly those of the next.
    let mut last: Option<(u64, Factors)> = None;
    for (index, transfer) in terms.transfers.iter().enumerate() {
        let is_receipt = transfer.to == *party;
        if !is_receipt && transfer.from != *party {
            continue;
        }
        let days = days_between(terms.expires_unix_ms, transfer.due_unix_ms);
        let factors = match last {
            Some((then, factors)) if then == days => factors,
            _ => Factors::of(&valuation.outlook, days)?,
        };
        last = Some((days, factors));
        let (unit, factor_ppb) = if is_receipt {
            (value_of(valuation, &transfer.good, &weights)?, factors.receipt_ppb)
        } else {
            (cost_of(valuation, party, transfer)?, factors.giving_ppb)
        };
        let amount = unit.scaled(factor_ppb, PPB).times(transfer.quantity.get());
        if is_receipt {
            worth.received += &amount;
        } else {
            worth.given += &amount;
        }
        worth.parts.push(Part { transfer: index, good: transfer.good.clone(), is_receipt, factor_ppb, amount });
    }
    Ok(worth)
}

/// What a unit of a good counts to a party, time and risk included, in minor units of account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitWorth {
    /// φ⁺·v: what it is worth to receive; 0 where the party states no value.
    pub receipt: Interval,
    /// φ⁻·c: what it costs to give; `None` where the party states no cost.
    pub giving: Option<Interval>,
}

/// What a unit of `good`, due in so many whole days, counts to a party that states `valuation`: a transfer counts its
/// quantity times as much.
///
/// # Errors
/// [`TermsError::Stated`] for a valuation that the contract refuses.
pub fn unit_worth(valuation: &Valuation, good: &Good, days: u64) -> Result<UnitWorth, TermsError> {
    let weights = valuation.outlook.weights.unwrap_or(defaults(valuation.outlook.kind).weights);
    let factors = Factors::of(&valuation.outlook, days)?;
    let giving = valuation.costs.iter().find(|stated| stated.good == *good);
    Ok(UnitWorth {
        receipt: value_of(valuation, good, &weights)?.scaled(factors.receipt_ppb, PPB),
        giving: giving.map(|stated| Interval::from(stated.cost).scaled(factors.giving_ppb, PPB)),
    })
}

fn value_of(valuation: &Valuation, good: &Good, weights: &Weights) -> Result<Interval, TermsError> {
    valuation
        .values
        .iter()
        .find(|v| v.good == *good)
        .map_or_else(|| Ok(Interval::zero()), |stated| unit_value(stated, weights))
}

fn cost_of(valuation: &Valuation, party: &AgentId, transfer: &Transfer) -> Result<Interval, TermsError> {
    match valuation.costs.iter().find(|c| c.good == transfer.good) {
        Some(stated) => Ok(stated.cost.into()),
        None => Err(TermsError::NoCost { party: party.clone(), good: transfer.good.clone() }),
    }
}

/// What terms are worth to each of their parties, in the order of the terms.
///
/// # Errors
/// [`TermsError::NoValuation`] for a party without one, [`TermsError::NotAParty`] for a valuation of
/// somebody else, and those of [`worth`].
pub fn appraise(terms: &Terms, valuations: &[PartyValuation]) -> Result<Vec<Worth>, TermsError> {
    if let Some(stranger) = valuations.iter().find(|v| !terms.parties.contains(&v.party)) {
        return Err(TermsError::NotAParty(stranger.party.clone()));
    }
    let of = |party: &AgentId| {
        let stated =
            valuations.iter().find(|v| v.party == *party).ok_or_else(|| TermsError::NoValuation(party.clone()))?;
        worth(terms, party, &stated.valuation)
    };
    terms.parties.iter().map(of).collect()
}

/// Whether every party is satisfied at the worst corner of its bounds with its margin.
///
/// # Errors
/// Those of [`appraise`].
pub fn is_win_win(terms: &Terms, valuations: &[PartyValuation]) -> Result<bool, TermsError> {
    Ok(appraise(terms, valuations)?.iter().all(Worth::is_satisfied))
}

/// Σ of the central gains, rounded down party by party, in minor units of account.
///
/// # Errors
/// [`TermsError::Overflow`] when a gain or the sum does not fit 64 bits.
pub fn welfare_minor(parties: &[PartyWorth]) -> Result<i64, TermsError> {
    let sum: i128 = parties.iter().map(|party| i128::from(party.gain_minor)).sum();
    i64::try_from(sum).map_err(|_| TermsError::Overflow("welfare"))
}

#[cfg(test)]
mod tests;
