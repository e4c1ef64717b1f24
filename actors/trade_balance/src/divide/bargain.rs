//! The gains of terms of which some may move.
//!
//! Every rule here is one thing: gains in some proportion, the least of them as large as can be, then the next
//! (leximin). What differs is the proportion: each party's best, its gain where Nash's product is largest, its weight.

use std::cmp::Ordering;

use schemas::division::{Bargain, Divided, Rule, Share};
use schemas::limit::PPM;
use schemas::{AgentId, ErrorReply};
use terms::{Exact, TermsError};

use super::figures::{gini_ppm, least_satisfied, nash_mean, nash_product};
use super::nash;
use crate::mend::rounding_loss;
use crate::moves::{Kind, Moves};
use crate::patience::Patience;
use crate::programme::{Column, Optimum, Programme, Start, Verdict};
use crate::whole::{candidates, is_sound, round_payments};

/// Divides what terms bring.
pub(super) fn divide(rule: Rule, bargain: &Bargain, patience: &Patience) -> Result<Divided, ErrorReply> {
    let moves = Moves::of(&bargain.terms, &bargain.valuations, &bargain.room)?;
    let best = bests(&moves, patience)?;
    let proportion: Vec<Exact> = match rule {
        Rule::Nash => nash::proportion(&moves, &best, patience)?,
        Rule::Proportional => weights(bargain, &moves)?,
        _ => best.clone(),
    };
    // Who can gain nothing has nothing to compare.
    let proportion: Vec<Option<Exact>> =
        proportion.into_iter().zip(&best).map(|(part, best)| (*best > Exact::zero()).then_some(part)).collect();
    let whole = whole(&moves, &proportion, patience)?;
    report(rule, &moves, &best, &whole, patience)
}

/// Stated weights; 1 for a party without one.
fn weights(bargain: &Bargain, moves: &Moves) -> Result<Vec<Exact>, ErrorReply> {
    let is_party = |party: &AgentId| moves.parties.iter().any(|known| known.id == *party);
    if let Some(index) = bargain.weights.iter().position(|weight| !is_party(&weight.party)) {
        let stranger = bargain.weights.get(index).map(|weight| weight.party.to_string()).unwrap_or_default();
        let place = format!("bargain.weights[{index}].party");
        return Err(ErrorReply::refused("not_a_party", format!("{stranger} is not a party")).at_field(&place));
    }
    let weight = |id: &AgentId| bargain.weights.iter().find(|weight| weight.party == *id);
    Ok(moves.parties.iter().map(|party| weight(&party.id).map_or(Exact::from(1), |w| w.weight.into())).collect())
}

/// What each party could gain if nobody else gained more than it asks for.
fn bests(moves: &Moves, patience: &Patience) -> Result<Vec<Exact>, ErrorReply> {
    let mut start = Start::default();
    let mut bests = Vec::with_capacity(moves.parties.len());
    for party in &moves.parties {
        let mut programme = moves.programme(None, None);
        for (column, unit) in &party.gain.by_move {
            programme.set_gain(*column, unit.clone());
        }
        bests.push(&optimum(&programme, &mut start, patience)?.value + &party.gain.base);
    }
    Ok(bests)
}

/// Solves a programme that has an optimum wherever the room satisfies everyone.
fn optimum(programme: &Programme, start: &mut Start, patience: &Patience) -> Result<Optimum, ErrorReply> {
    match programme.solve_from(start, patience) {
        Verdict::Optimal(optimum) => Ok(optimum),
        Verdict::Infeasible(_) => {
            let reason = "nothing within the room satisfies every party; trade_balance.analyze proves it";
            Err(ErrorReply::refused("infeasible", reason).at_field("bargain.room"))
        }
        Verdict::Unbounded | Verdict::Stopped => Err(patience.ended()),
    }
}

/// The point of the room where gains are leximin in the given proportion; a party without one is only to be satisfied.
///
/// A round raises the least as far as it goes. Whose row has a price then cannot rise at any such point, so its level
/// is fixed, and there is always one. Payments are as small as these gains allow.
fn leximin(
    moves: &Moves,
    proportion: &[Option<Exact>],
    aside: Option<&[Exact]>,
    patience: &Patience,
) -> Result<Vec<Exact>, ErrorReply> {
    let first = moves.first_gain_row();
    let none = moves.parties.iter().map(|party| lowest(party, moves)).collect::<Vec<_>>();
    let mut levels = none;
    let mut raised: Vec<bool> = proportion.iter().map(Option::is_some).collect();
    let mut start = Start::default();
    while raised.contains(&true) {
        let wanted: Vec<Exact> = levels
            .iter()
            .zip(&raised)
            .map(|(level, raised)| if *raised { Exact::zero() } else { level.clone() })
            .collect();
        let mut programme = moves.programme(aside, Some(&wanted));
        let parts = proportion.iter().enumerate().filter(|(index, _)| raised.get(*index).copied().unwrap_or(false));
        let entries = parts.filter_map(|(index, part)| Some((first + index, -part.as_ref()?))).collect();
        let level = programme.column(Column { least: Exact::zero(), most: None, gain: Exact::from(1), entries });
        let found = optimum(&programme, &mut start, patience)?;
        let risen = found.amounts.get(level).cloned().unwrap_or_else(Exact::zero);
        let mut fixed = false;
        for (index, part) in proportion.iter().enumerate() {
            let price = found.prices.get(first + index).cloned().unwrap_or_else(Exact::zero);
            let (Some(part), Some(raised)) = (part, raised.get_mut(index)) else { continue };
            if *raised && price > Exact::zero() {
                *raised = false;
                fixed = true;
                if let Some(level) = levels.get_mut(index) {
                    *level = part.product(&risen);
                }
            }
        }
        if !fixed {
            return Err(patience.ended());
        }
    }
    let mut programme = moves.programme(aside, Some(&levels));
    for (index, moved) in moves.moves.iter().enumerate() {
        if matches!(moved.kind, Kind::Paid(_)) {
            programme.set_gain(index, -&moved.weight);
        }
    }
    Ok(optimum(&programme, &mut Start::default(), patience)?.amounts)
}

/// Less than a party can gain, so that a row of its gain asks for nothing.
fn lowest(party: &crate::moves::Party, moves: &Moves) -> Exact {
    let mut least = party.gain.base.clone();
    for (index, unit) in &party.gain.by_move {
        if let Some(moved) = moves.moves.get(*index) {
            least += &unit.times(if unit.is_negative() { moved.most } else { moved.least });
        }
    }
    least
}

/// Whole amounts next to the leximin point: of those that satisfy everyone, the leximin among them; where none does,
/// those around a point that leaves room for rounding, and failing that, of those that leave somebody short.
fn whole(moves: &Moves, proportion: &[Option<Exact>], patience: &Patience) -> Result<Vec<i64>, ErrorReply> {
    let amounts = leximin(moves, proportion, None, patience)?;
    let mut found = settled(moves, proportion, &amounts, patience)?;
    if !found.iter().any(|whole| is_sound(moves, whole)) {
        match leximin(moves, proportion, Some(&rounding_loss(moves)), patience) {
            Ok(roomy) => found.extend(settled(moves, proportion, &roomy, patience)?),
            // There is no such room.
            Err(refused) if refused.rule.as_deref() == Some("infeasible") => {}
            Err(refused) => return Err(refused),
        }
    }
    let key = |whole: &Vec<i64>| {
        let mut parts: Vec<Exact> = moves
            .parties
            .iter()
            .zip(proportion)
            .filter_map(|(party, part)| Some(party.gain.at_whole(whole).product(&part.as_ref()?.inverse()?)))
            .collect();
        parts.sort();
        (is_sound(moves, whole), parts)
    };
    let best = found.into_iter().map(|whole| (key(&whole), whole)).reduce(|best, next| {
        // The first of equals: the nearest.
        if next.0.cmp(&best.0) == Ordering::Greater { next } else { best }
    });
    best.map(|(_, whole)| whole).ok_or_else(|| patience.ended())
}

/// Whole quantities next to these, each with payments that are leximin once the quantities stand.
fn settled(
    moves: &Moves,
    proportion: &[Option<Exact>],
    amounts: &[Exact],
    patience: &Patience,
) -> Result<Vec<Vec<i64>>, ErrorReply> {
    let mut found = candidates(moves, amounts, patience)?;
    patience.check()?;
    let has_quantities = moves.moves.iter().any(|moved| matches!(moved.kind, Kind::Quantity(_)));
    if !moves.has_payments() || !has_quantities {
        return Ok(found);
    }
    for whole in &mut found {
        let fixed = moves.with_quantities(whole);
        match leximin(&fixed, proportion, None, patience) {
            Ok(paid) => round_payments(&fixed, &paid, whole)?,
            // These quantities satisfy nobody's payments.
            Err(refused) if refused.rule.as_deref() == Some("infeasible") => {}
            Err(refused) => return Err(refused),
        }
    }
    Ok(found)
}

fn report(
    rule: Rule,
    moves: &Moves,
    best: &[Exact],
    whole: &[i64],
    patience: &Patience,
) -> Result<Divided, ErrorReply> {
    let exact: Vec<Exact> = moves.parties.iter().map(|party| party.gain.at_whole(whole)).collect();
    let nets = moves.net_payments(whole);
    let given: Vec<i64> = moves.moves.iter().map(|moved| moved.before).collect();
    let mut shares = Vec::with_capacity(exact.len());
    for (((party, gain), best), net) in moves.parties.iter().zip(&exact).zip(best).zip(nets) {
        shares.push(Share {
            party: party.id.clone(),
            amount_minor: net,
            gain_minor: gain.floor("what a party gains")?,
            given_minor: Some(party.gain.at_whole(&given).floor("what a party would gain")?),
            best_minor: Some(best.floor("what a party could gain")?),
            within_minor: None,
            satisfied: Some(!party.slack.at_whole(whole).is_negative()),
        });
    }
    let gains: Vec<i64> = shares.iter().map(|share| share.gain_minor).collect();
    let given_gains: Vec<i64> = shares.iter().filter_map(|share| share.given_minor).collect();
    let least = least_satisfied(shares.iter().map(|share| (&share.party, share.gain_minor, share.best_minor)));
    let least = least.or_else(|| shares.first().map(|share| &share.party)).cloned().ok_or_else(|| patience.ended())?;
    let (terms, _) = moves.applied(whole);
    Ok(Divided {
        rule,
        total_minor: 0,
        gini_ppm: gini_ppm(&gains),
        given_gini_ppm: Some(gini_ppm(&given_gains)),
        nash_product: nash_product(&gains),
        nash_mean_minor: nash_mean(&gains),
        least_satisfied: least,
        shares,
        terms: Some(terms),
        epsilon_ppm: if rule == Rule::Nash { epsilon_ppm(moves, best, &exact, patience)? } else { None },
        samples: None,
        core: None,
    })
}

/// By how much the geometric mean of the gains could be larger at most, in parts per million, rounded up: for gains x
/// and every y within reach, ∏ (y/x) ≤ (Σ (y/x) / n)ⁿ, and the sum's largest value is a linear programme. `None` where
/// somebody who could gain does not.
fn epsilon_ppm(moves: &Moves, best: &[Exact], gains: &[Exact], patience: &Patience) -> Result<Option<i64>, ErrorReply> {
    let mut programme = moves.programme(None, None);
    let mut units = vec![Exact::zero(); moves.moves.len()];
    let (mut base, mut parties) = (Exact::zero(), 0_i64);
    for ((party, best), gain) in moves.parties.iter().zip(best).zip(gains) {
        if *best <= Exact::zero() {
            continue;
        }
        let Some(inverse) = gain.inverse().filter(|inverse| !inverse.is_negative()) else { return Ok(None) };
        parties += 1;
        base += &party.gain.base.product(&inverse);
        for (index, unit) in &party.gain.by_move {
            if let Some(sum) = units.get_mut(*index) {
                *sum += &unit.product(&inverse);
            }
        }
    }
    for (index, unit) in units.into_iter().enumerate() {
        programme.set_gain(index, unit);
    }
    let Some(share) = Exact::ratio(1, parties) else { return Ok(None) };
    let sum = &optimum(&programme, &mut Start::default(), patience)?.value + &base;
    let more = &sum.product(&share) - &Exact::from(1);
    // Whole units may lie a little outside what the programme takes for within reach, where somebody is left short.
    let ppm = more.times(PPM).ceil("epsilon").map_err(|_| TermsError::Overflow("epsilon"))?;
    Ok(Some(ppm.max(0)))
}
