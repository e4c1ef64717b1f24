//! What a division of gains, and a keeper of certificates, may have to prove.

use num_rational::BigRational;
use num_traits::{Signed, Zero};
use schemas::AgentId;
use schemas::body::Refused;
use schemas::claim::{Claim, Relation};
use schemas::polynomial::Polynomial;

use super::ClaimError;
use super::builder::{Builder, constant, one, whole};
use crate::exact::Exact;

/// A half-space: Σ weights·y ≤ bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halfspace {
    /// A weight for each party, in the order of the parties.
    pub weights: Vec<Exact>,
    /// The bound.
    pub bound: Exact,
}

/// Parties that could go their own way, and what they would have between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coalition {
    /// The parties, by their place among all, each once.
    pub members: Vec<usize>,
    /// What they could share out, in minor units of account.
    pub worth: Exact,
}

/// A lot of certificates, in units of account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lot {
    /// Issued on verified exports.
    pub issued: i64,
    /// Spent on imports.
    pub spent: i64,
    /// Past their expiry.
    pub expired: i64,
    /// Taken back.
    pub revoked: i64,
}

/// What is shared out sums to what there is: for shares x as stated, Σ x = total. With nets of a deal the total is 0.
///
/// # Errors
/// What a claim cannot hold.
pub fn budget_balance(shares: &[(AgentId, i64)], total: i64) -> Result<Claim, ClaimError> {
    let mut builder = Builder::default();
    let mut sum = Polynomial::zero();
    for (party, share) in shares {
        let variable = builder.variable('x', party.as_str(), whole(*share))?;
        builder.given(Relation::Equal, variable.clone().minus(constant(&whole(*share))))?;
        sum = sum.plus(variable);
    }
    builder.claim(Relation::Equal, sum.minus(constant(&whole(total))))
}

/// A lot stays solvent whatever is spent of it up to a limit: for issued, spent, expired and revoked as stated and
/// 0 ≤ s ≤ limit, issued − spent − expired − revoked − s ≥ 0.
///
/// # Errors
/// A negative limit, which leaves no s; what a claim cannot hold.
pub fn certificate_solvent(lot: &Lot, limit: i64) -> Result<Claim, ClaimError> {
    if limit < 0 {
        return Err(Refused::new("limit", "must not be negative").into());
    }
    let mut builder = Builder::default();
    let mut stated = |name: &str, value: i64| -> Result<Polynomial, ClaimError> {
        let variable = builder.variable('n', name, whole(value))?;
        builder.given(Relation::Equal, variable.clone().minus(constant(&whole(value))))?;
        Ok(variable)
    };
    let issued = stated("issued", lot.issued)?;
    let gone = stated("spent", lot.spent)?.plus(stated("expired", lot.expired)?).plus(stated("revoked", lot.revoked)?);
    let spending = builder.variable('s', "spending", whole(0))?;
    builder.given(Relation::AtLeast, spending.clone())?;
    builder.given(Relation::AtLeast, constant(&whole(limit)).minus(spending.clone()))?;
    builder.claim(Relation::AtLeast, issued.minus(gone).minus(spending))
}

/// A coalition cannot block a division: it has not enough for each of its members to gain `epsilon` on its share.
///
/// Said as a contradiction, {u_i ≥ x_i + ε for all, Σ u ≤ worth} would have no witness, being empty where it is true.
/// The same without emptiness: whatever the coalition shares out, and however much all members but the last gain by ε,
/// the last one does not.
///
/// # Errors
/// A coalition of nobody, or of somebody who has no share; an ε that is not positive; what a claim cannot hold.
pub fn no_blocking_coalition(
    parties: &[AgentId],
    shares: &[Exact],
    coalition: &Coalition,
    epsilon: &Exact,
) -> Result<Claim, ClaimError> {
    let epsilon = epsilon.to_rational();
    if !epsilon.is_positive() {
        return Err(Refused::new("epsilon", "must be positive").into());
    }
    let mut members = Vec::with_capacity(coalition.members.len());
    for (at, place) in coalition.members.iter().enumerate() {
        let twice = coalition.members.iter().take(at).any(|other| other == place);
        match (parties.get(*place), shares.get(*place)) {
            (Some(party), Some(share)) if !twice => members.push((party, share.to_rational() + &epsilon)),
            _ => return Err(Refused::new(format!("members[{at}]"), "no such party, or twice").into()),
        }
    }
    let Some(((last, last_least), others)) = members.split_last() else {
        return Err(Refused::new("members", "a coalition of nobody").into());
    };
    let worth = coalition.worth.to_rational();
    let mut builder = Builder::default();
    let mut sum = Polynomial::zero();
    let mut left = worth.clone();
    for (party, least) in others {
        let gain = builder.variable('u', party.as_str(), least.clone())?;
        builder.given(Relation::AtLeast, gain.clone().minus(constant(least)))?;
        sum = sum.plus(gain);
        left -= least;
    }
    let gain = builder.variable('u', last.as_str(), left)?;
    builder.given(Relation::AtLeast, constant(&worth).minus(sum.plus(gain.clone())))?;
    builder.claim(Relation::Above, constant(last_least).minus(gain))
}

/// A division is ε-optimal for Nash: for all y that are feasible, Σ (y_i − d_i)/(x_i − d_i) ≤ n·(1 + ε). By the
/// inequality of the means, no feasible y then has a product Π (y_i − d_i) above (1 + ε)ⁿ·Π (x_i − d_i).
///
/// # Errors
/// A division that is not feasible, or leaves a party no better than its disagreement; a negative ε; half-spaces,
/// shares and disagreements of other lengths than the parties; what a claim cannot hold.
pub fn nash_division(
    parties: &[AgentId],
    feasible: &[Halfspace],
    division: &[Exact],
    disagreement: &[Exact],
    epsilon: &Exact,
) -> Result<Claim, ClaimError> {
    let count = parties.len();
    if count == 0 || division.len() != count || disagreement.len() != count {
        return Err(Refused::new("division", "one share and one disagreement for each party").into());
    }
    if epsilon.is_negative() {
        return Err(Refused::new("epsilon", "must not be negative").into());
    }
    let mut builder = Builder::default();
    let mut variables = Vec::with_capacity(count);
    let (mut sum, mut constant_part) = (Polynomial::zero(), BigRational::zero());
    for (at, ((party, share), floor)) in parties.iter().zip(division).zip(disagreement).enumerate() {
        let (share, floor) = (share.to_rational(), floor.to_rational());
        let gain = &share - &floor;
        if !gain.is_positive() {
            return Err(Refused::new(format!("division[{at}]"), format!("leaves {party} no better off")).into());
        }
        let variable = builder.variable('y', party.as_str(), share)?;
        sum = sum.plus(variable.clone().scaled(&gain.recip()));
        constant_part += floor / gain;
        variables.push(variable);
    }
    for (at, half) in feasible.iter().enumerate() {
        let field = || format!("feasible[{at}]");
        if half.weights.len() != count {
            return Err(Refused::new(field(), "a weight for each party").into());
        }
        let spent: BigRational =
            half.weights.iter().zip(division).map(|(weight, share)| weight.to_rational() * share.to_rational()).sum();
        if spent > half.bound.to_rational() {
            return Err(Refused::new(field(), "the division is not feasible").into());
        }
        let each = variables.iter().zip(&half.weights);
        let used = each.fold(Polynomial::zero(), |sum, (variable, weight)| {
            sum.plus(variable.clone().scaled(&weight.to_rational()))
        });
        builder.given(Relation::AtLeast, constant(&half.bound.to_rational()).minus(used))?;
    }
    // Σ (y − d)/(x − d) = Σ y/(x − d) − Σ d/(x − d)
    let most = whole(count) * (one() + epsilon.to_rational()) + constant_part;
    builder.claim(Relation::AtLeast, constant(&most).minus(sum))
}
