//! What a deal may require: that everyone gains, and that nobody gives what it does not hold.

use num_bigint::BigInt;
use schemas::claim::{Claim, Relation};
use schemas::deal::{Accept, ClaimKind, Holding, Terms};
use schemas::limit::PPM;
use schemas::polynomial::Polynomial;
use schemas::value::{Valuation, unique};
use schemas::{AgentId, Good, Hash, body};

use super::ClaimError;
use super::builder::{Builder, constant, whole};
use crate::error::TermsError;
use crate::exact::Interval;
use crate::worth::worth;

/// A claim that a deal raises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// What it is about.
    pub kind: ClaimKind,
    /// Whom it is about, where it is about one party.
    pub party: Option<AgentId>,
    /// The exact bytes of the claim.
    pub claim: Vec<u8>,
    /// Their SHA-256.
    pub hash: Hash,
}

impl Raised {
    fn of(kind: ClaimKind, party: &AgentId, claim: &Claim) -> Self {
        let claim = body::encode(claim);
        Self { kind, party: Some(party.clone()), hash: Hash::of(&claim), claim }
    }
}

/// The claims that a deal raises which requires these kinds: kind by kind in the order of [`ClaimKind::ALL`], however
/// often it is required; of each kind, party by party in the order of the terms. The acceptances stand in the order of
/// the parties.
///
/// # Errors
/// Why one of them cannot be stated.
pub fn raised(terms: &Terms, requires: &[ClaimKind], acceptances: &[Accept]) -> Result<Vec<Raised>, ClaimError> {
    if acceptances.len() != terms.parties.len() {
        let (parties, acceptances) = (terms.parties.len(), acceptances.len());
        return Err(ClaimError::Acceptances { parties, acceptances });
    }
    let mut raised = Vec::new();
    for kind in ClaimKind::ALL.into_iter().filter(|kind| requires.contains(kind)) {
        for (party, accept) in terms.parties.iter().zip(acceptances) {
            raised.extend(about(terms, kind, party, accept)?);
        }
    }
    Ok(raised)
}

/// Those of the claims above that are about one party: they follow from the terms and its own acceptance, whatever the
/// others state, and so from the moment at which it accepts.
///
/// # Errors
/// Why one of them cannot be stated.
pub fn raised_by(
    terms: &Terms,
    requires: &[ClaimKind],
    party: &AgentId,
    accept: &Accept,
) -> Result<Vec<Raised>, ClaimError> {
    let mut raised = Vec::new();
    for kind in ClaimKind::ALL.into_iter().filter(|kind| requires.contains(kind)) {
        raised.extend(about(terms, kind, party, accept)?);
    }
    Ok(raised)
}

fn about(terms: &Terms, kind: ClaimKind, party: &AgentId, accept: &Accept) -> Result<Vec<Raised>, ClaimError> {
    let claims = match kind {
        ClaimKind::WinWin => vec![win_win(terms, party, &accept.valuation)?],
        ClaimKind::Holdings => holdings(terms, party, &accept.holdings)?,
    };
    Ok(claims.iter().map(|claim| Raised::of(kind, party, claim)).collect())
}

/// A party gains at all values and costs within its bounds: for each v and c between them,
/// Σ_in q·φ⁺·v ≥ (1 + μ)·Σ_out q·φ⁻·c. True if and only if [`Worth::is_satisfied`](crate::Worth::is_satisfied).
///
/// A good has one variable for what it is worth and one for what it costs. What the party receives and does not value
/// is worth nothing to it and has none.
///
/// # Errors
/// Those of [`worth`](crate::worth::worth()), and what a claim cannot hold.
pub fn win_win(terms: &Terms, party: &AgentId, valuation: &Valuation) -> Result<Claim, ClaimError> {
    let worth = worth(terms, party, valuation)?;
    let margin = BigInt::from(PPM) + worth.margin_ppm;
    let mut builder = Builder::default();
    let mut seen: Vec<(Good, bool, Polynomial)> = Vec::new();
    let mut goal = Polynomial::zero();
    for part in &worth.parts {
        let Some(transfer) = terms.transfers.get(part.transfer) else { continue };
        let is_valued = !part.is_receipt || valuation.values.iter().any(|value| value.good == part.good);
        if !is_valued {
            continue;
        }
        let known = seen.iter().find(|(good, is_receipt, _)| *good == part.good && *is_receipt == part.is_receipt);
        let variable = match known {
            Some((_, _, variable)) => variable.clone(),
            None => {
                let unit = unit(part.is_receipt, &part.good, valuation)?;
                let letter = if part.is_receipt { 'v' } else { 'c' };
                let variable = bounded(&mut builder, letter, part.good.as_str(), &unit)?;
                seen.push((part.good.clone(), part.is_receipt, variable.clone()));
                variable
            }
        };
        let weight = BigInt::from(transfer.quantity.get()) * part.factor_ppb;
        let weight = if part.is_receipt { weight * PPM } else { -(weight * &margin) };
        goal = goal.plus(variable.scaled(&whole(weight)));
    }
    builder.claim(Relation::AtLeast, goal)
}

/// The bounds of a good's unit value, or of its unit cost, which [`worth`] has found stated.
fn unit(is_receipt: bool, good: &Good, valuation: &Valuation) -> Result<Interval, TermsError> {
    if is_receipt {
        let weights = valuation.outlook.weights.unwrap_or(crate::kind::defaults(valuation.outlook.kind).weights);
        let stated = valuation.values.iter().find(|value| value.good == *good);
        stated.map_or_else(|| Ok(Interval::zero()), |stated| crate::worth::unit_value(stated, &weights))
    } else {
        let stated = valuation.costs.iter().find(|cost| cost.good == *good);
        Ok(stated.map_or_else(Interval::zero, |stated| stated.cost.into()))
    }
}

/// A variable between two bounds; the lower one is the witness.
fn bounded(builder: &mut Builder, letter: char, name: &str, within: &Interval) -> Result<Polynomial, ClaimError> {
    let (lo, hi) = (within.lo.to_rational(), within.hi.to_rational());
    let variable = builder.variable(letter, name, lo.clone())?;
    builder.given(Relation::AtLeast, variable.clone().minus(constant(&lo)))?;
    builder.given(Relation::AtLeast, constant(&hi).minus(variable.clone()))?;
    Ok(variable)
}

/// A party holds what it gives, one claim a good: whatever it holds, if it is at least what it states, it is at least
/// what it gives of it all told.
///
/// # Errors
/// [`ClaimError::NoHolding`] for a good that it gives and says nothing of; a statement that the contract refuses.
pub fn holdings(terms: &Terms, party: &AgentId, stated: &[Holding]) -> Result<Vec<Claim>, ClaimError> {
    unique(stated.iter().map(|holding| &holding.good), "holdings")?;
    let mut goods: Vec<&Good> = Vec::new();
    for transfer in terms.transfers.iter().filter(|transfer| transfer.from == *party) {
        if !goods.contains(&&transfer.good) {
            goods.push(&transfer.good);
        }
    }
    let one = |good: &Good| {
        let held = stated.iter().find(|holding| holding.good == *good);
        let held = held.ok_or_else(|| ClaimError::NoHolding { party: party.clone(), good: good.clone() })?;
        let given = terms.transfers.iter().filter(|transfer| transfer.from == *party && transfer.good == *good);
        let given: BigInt = given.map(|transfer| BigInt::from(transfer.quantity.get())).sum();
        let mut builder = Builder::default();
        let holds = builder.variable('h', good.as_str(), whole(held.quantity))?;
        builder.given(Relation::AtLeast, holds.clone().minus(constant(&whole(held.quantity))))?;
        builder.claim(Relation::AtLeast, holds.minus(constant(&whole(given))))
    };
    goods.into_iter().map(one).collect()
}
