//! An amount that is worth the same to everyone.

use schemas::division::{Claimant, Divided, Pot, Rule, Share};
use schemas::{AgentId, Code, ErrorReply};
use terms::{Exact, TermsError};

use super::figures::{gini_ppm, least_satisfied, nash_mean, nash_product};
use crate::patience::Patience;
use crate::whole::largest_remainder;

/// Divides a pot: everyone's least first, then what is left by the rule.
pub(super) fn divide(rule: Rule, pot: &Pot, patience: &Patience) -> Result<Divided, ErrorReply> {
    let sum = |numbers: &mut dyn Iterator<Item = i64>| numbers.map(i128::from).sum::<i128>();
    let least = sum(&mut pot.claimants.iter().map(|claimant| claimant.least_minor));
    let left = i128::from(pot.amount_minor) - least;
    if left < 0 {
        let reason = format!("the claimants' least amounts sum to {least}, which is more than {}", pot.amount_minor);
        return Err(ErrorReply::refused("infeasible", reason).at_field("pot.amount_minor"));
    }
    let left = i64::try_from(left).map_err(|_| TermsError::Overflow("what is left above the least amounts"))?;
    // What each could gain if nobody else gained.
    let best: Vec<i64> =
        pot.claimants.iter().map(|claimant| span(claimant).map_or(left, |most| most.min(left))).collect();
    if sum(&mut best.iter().copied()) < i128::from(left) {
        let reason = format!("the claimants can take less than {}", pot.amount_minor);
        return Err(ErrorReply::refused("infeasible", reason).at_field("pot.amount_minor"));
    }
    let gains = match rule {
        Rule::Leximin => {
            let total = sum(&mut best.iter().copied());
            best.iter().map(|best| part(*best, left, total)).collect()
        }
        _ => in_proportion(&weights(rule, pot), &best, left, patience)?,
    };
    let ids: Vec<&AgentId> = pot.claimants.iter().map(|claimant| &claimant.party).collect();
    let gains = largest_remainder(&gains, left, &[], &ids)?;
    let mut shares = Vec::with_capacity(gains.len());
    for ((claimant, gain), best) in pot.claimants.iter().zip(&gains).zip(&best) {
        shares.push(Share {
            party: claimant.party.clone(),
            amount_minor: claimant.least_minor.checked_add(*gain).ok_or(TermsError::Overflow("a share"))?,
            gain_minor: *gain,
            given_minor: None,
            best_minor: Some(*best),
            within_minor: None,
            satisfied: None,
        });
    }
    let least = least_satisfied(shares.iter().map(|share| (&share.party, share.gain_minor, share.best_minor)));
    let Some(least) = least.or_else(|| ids.iter().min().copied()).cloned() else {
        return Err(ErrorReply::new(Code::BadMessage, "there is no claimant").at_field("pot.claimants"));
    };
    Ok(Divided {
        rule,
        total_minor: pot.amount_minor,
        gini_ppm: gini_ppm(&gains),
        given_gini_ppm: None,
        nash_product: nash_product(&gains),
        nash_mean_minor: nash_mean(&gains),
        least_satisfied: least,
        shares,
        terms: None,
        epsilon_ppm: None,
        samples: None,
        core: None,
    })
}

/// The most that a claimant can gain, if it says so.
fn span(claimant: &Claimant) -> Option<i64> {
    claimant.most_minor.map(|most| most.saturating_sub(claimant.least_minor))
}

/// `of`'s part of `left`, where all parts sum to `total`.
fn part(of: i64, left: i64, total: i128) -> Exact {
    Exact::wide(total).inverse().map_or_else(Exact::zero, |inverse| inverse.times(of).times(left))
}

/// A claimant's weight: as stated; for `proportional` otherwise its claim, where every claimant has one; else 1.
fn weights(rule: Rule, pot: &Pot) -> Vec<Exact> {
    let claims: Option<Vec<i64>> = pot.claimants.iter().map(span).collect();
    let claims = claims.filter(|_| rule == Rule::Proportional);
    let weight = |(index, claimant): (usize, &Claimant)| match (claimant.weight, &claims) {
        (Some(weight), _) => Exact::from(weight),
        (None, Some(claims)) => Exact::from(claims.get(index).copied().unwrap_or_default()),
        (None, None) => Exact::from(1),
    };
    pot.claimants.iter().enumerate().map(weight).collect()
}

/// Gains in proportion to weights that sum to `left`; who has its best gets no more, and the others go on. Weights of
/// ten thousand unlike denominators sum to ratios of a hundred thousand digits, so that this too may take long.
fn in_proportion(weights: &[Exact], best: &[i64], left: i64, patience: &Patience) -> Result<Vec<Exact>, ErrorReply> {
    // Those are full first whose best is least for their weight.
    let mut order: Vec<(Exact, usize)> = Vec::with_capacity(weights.len());
    let mut gains = vec![Exact::zero(); weights.len()];
    let mut weighing = Exact::zero();
    for (index, (weight, best)) in weights.iter().zip(best).enumerate() {
        patience.check()?;
        if let Some(inverse) = weight.inverse() {
            order.push((inverse.times(*best), index));
            weighing += weight;
        }
    }
    order.sort();
    let mut rest = Exact::from(left);
    for (level, index) in order {
        patience.check()?;
        let (Some(weight), Some(inverse)) = (weights.get(index), weighing.inverse()) else { continue };
        let even = rest.product(&inverse);
        let gain = weight.product(&even.min(level));
        rest = &rest - &gain;
        weighing = &weighing - weight;
        if let Some(place) = gains.get_mut(index) {
            *place = gain;
        }
    }
    Ok(gains)
}
