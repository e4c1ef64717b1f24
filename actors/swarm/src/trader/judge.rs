//! Is a deal good for me? A party's own arithmetic, exact, at the worst corner of its bounds.
//!
//! Win-win for one party, as the contract writes it: Σ_in q·φ⁺·v ≥ (1 + μ)·Σ_out q·φ⁻·c, with the lowest value of
//! what it receives and the highest cost of what it gives. D = 1/(1 + rate·days/365), φ⁺ = ⌊10⁹·D·p·(1 − ρ·(1 − p))⌋,
//! φ⁻ = ⌈10⁹·D⌉. An agent computes this for itself rather than asking a service: what it would ask about contains the
//! reservation that it keeps to itself.

use num_bigint::BigInt;
use num_rational::BigRational;
use schemas::Rational;
use schemas::deal::{Holding, Terms};
use schemas::limit::PPM;
use schemas::market::Give;
use schemas::value::{Outlook, PartyKind, Valuation};

use crate::news::Ground;
use crate::plan::AgentPlan;
use crate::remaining::{self, Use};
use crate::stated;

#[cfg(test)]
mod tests;

const DAY_MS: i128 = 24 * 60 * 60 * 1000;
const YEAR_DAYS: i64 = 365;
const PPB: i64 = 1_000_000_000;

/// Whether `plan`'s agent accepts these terms, when so much of what it stated is used already.
///
/// # Errors
/// The ground on which it says no.
pub fn judge(plan: &AgentPlan, used: &Use, terms: &Terms) -> Result<(), Ground> {
    let covered = remaining::covers(&plan.gives, &plan.wants, used, &Use::of(&plan.id, terms));
    if terms.book != plan.market || !covered {
        return Err(Ground::Limits);
    }
    let Some((received, given)) = worst(plan, terms) else { return Err(Ground::Values) };
    let satisfied = |margin_ppm: i64| &received * whole(PPM) >= &given * whole(PPM.saturating_add(margin_ppm));
    if !satisfied(plan.margin_ppm) {
        return Err(Ground::Values);
    }
    if satisfied(plan.accepts_at_ppm()) { Ok(()) } else { Err(Ground::Reservation) }
}

/// What an acceptance of these terms states: the goods that they move, and no more.
#[must_use]
pub fn valuation(plan: &AgentPlan, terms: &Terms) -> Valuation {
    stated::valuation(&plan.gives, &plan.wants, plan.margin_ppm, &plan.outlook, &Use::of(&plan.id, terms))
}

/// What an acceptance of these terms says that the agent holds of the goods that it would give: what is left of all that
/// it stated, when so much is used already.
#[must_use]
pub fn holdings(plan: &AgentPlan, used: &Use, terms: &Terms) -> Vec<Holding> {
    let moved = Use::of(&plan.id, terms);
    let given = plan.gives.iter().filter(|give| moved.given.contains_key(&give.good));
    let left = |give: &Give| give.limit.get().saturating_sub(used.given(&give.good)).max(0);
    given.map(|give| Holding { good: give.good.clone(), quantity: left(give) }).collect()
}

/// Worth of what it receives and cost of what it gives, at the worst corner, in units of 10⁻⁹ of the unit of account.
/// `None` for a good that it states neither value nor cost of.
fn worst(plan: &AgentPlan, terms: &Terms) -> Option<(BigRational, BigRational)> {
    let mut received = whole(0);
    let mut given = whole(0);
    for transfer in terms.transfers.iter().filter(|t| t.from == plan.id || t.to == plan.id) {
        let days = (i128::from(transfer.due_unix_ms) - i128::from(terms.expires_unix_ms)) / DAY_MS;
        let (receipt, giving) = factors(&plan.outlook, i64::try_from(days.max(0)).ok()?);
        let quantity = whole(transfer.quantity.get());
        if transfer.to == plan.id {
            let mut alternatives = plan.wants.iter().flat_map(|want| &want.any_of);
            let value = alternatives.find(|alternative| alternative.good == transfer.good)?.value;
            received += &quantity * ratio(value.lo) * &receipt;
        }
        if transfer.from == plan.id {
            let cost = plan.gives.iter().find(|give| give.good == transfer.good)?.cost;
            given += &quantity * ratio(cost.hi) * &giving;
        }
    }
    Some((received, given))
}

/// φ⁺ and φ⁻ in units of 10⁻⁹.
fn factors(outlook: &Outlook, days: i64) -> (BigRational, BigRational) {
    let (usual_rate, usual_aversion) = usual(outlook.kind);
    let one = whole(1);
    let rate = outlook.rate.map_or(usual_rate, ratio);
    let arrival = outlook.arrival.map_or_else(|| whole(1), ratio);
    let aversion = outlook.risk_aversion.map_or(usual_aversion, ratio);
    let discount = &one / (&one + rate * whole(days) / whole(YEAR_DAYS));
    let certainty = &arrival * (&one - aversion * (&one - &arrival));
    let receipt = (whole(PPB) * &discount * certainty).floor();
    let giving = (whole(PPB) * discount).ceil();
    (receipt, giving)
}

/// The discount rate a year and the risk aversion that a kind of party has where it states none: those of the crate
/// `terms`, which agents do without; a test holds the two together.
fn usual(kind: PartyKind) -> (BigRational, BigRational) {
    let of = |top: i64, bottom: i64| BigRational::new(top.into(), bottom.into());
    match kind {
        PartyKind::Government => (of(7, 200), of(0, 1)),
        PartyKind::Corporate => (of(2, 25), of(1, 10)),
        PartyKind::Ngo => (of(1, 25), of(1, 5)),
        PartyKind::Civilian => (of(1, 10), of(1, 2)),
    }
}

fn whole(number: i64) -> BigRational {
    BigRational::from_integer(BigInt::from(number))
}

fn ratio(value: Rational) -> BigRational {
    BigRational::new(value.numerator().into(), value.denominator().into())
}
