//! The least change of terms that satisfies every party, or the proof that there is none.
//!
//! # Design
//!
//! Each unit changed or paid counts what it is worth, so the least change is a linear programme over what the room
//! leaves to move. Its exact optimum bounds every change; whole minor units are then sought next to it, and what is
//! found is valued again as terms. Where rounding leaves somebody short, the programme is solved once more with what
//! rounding can cost set aside. Where nothing satisfies everyone, Farkas' lemma gives each party a weight such that
//! their weighted slacks sum to less than 0 at every point of the room, which anyone can add up.

use schemas::division::{Change, Mend, Mended, Multiplier, Room, Span};
use schemas::value::PartyValuation;
use schemas::{ErrorReply, deal::Terms};
use terms::{Exact, TermsError, is_win_win};

use crate::moves::{Kind, Moves};
use crate::patience::Patience;
use crate::programme::{Column, Optimum, Programme, Relation, Verdict};
use crate::whole::{candidates, is_sound};

/// How far quantities may grow where nobody said how far, in times what they are.
const WIDEST: i64 = 100;

/// The room where none is stated: each quantity from one unit to [`WIDEST`] times what it is.
fn usual_room(terms: &Terms) -> Room {
    let spans = terms.transfers.iter().zip(0..).map(|(transfer, index)| Span {
        transfer: index,
        least: 1,
        most: transfer.quantity.get().saturating_mul(WIDEST),
    });
    Room { spans: spans.collect(), payment: None }
}

/// Mends terms that do not satisfy everyone, as far as patience goes.
pub(crate) fn mend(
    terms: &Terms,
    valuations: &[PartyValuation],
    room: Option<&Room>,
    patience: &Patience,
) -> Result<Mend, ErrorReply> {
    let usual;
    let room = match room {
        Some(room) => room,
        None => {
            usual = usual_room(terms);
            &usual
        }
    };
    let moves = Moves::of(terms, valuations, room)?;
    let optimum = match changes(&moves, None).solve(patience) {
        Verdict::Optimal(optimum) => optimum,
        Verdict::Infeasible(multipliers) => return infeasible(&moves, &multipliers, patience),
        Verdict::Stopped if patience.is_over() => return Ok(nothing(Mended::Stopped)),
        Verdict::Unbounded | Verdict::Stopped => return Err(patience.ended()),
    };
    // The programme's gain is what the change counts, negative.
    let bound = -&optimum.value;
    let mut found = best_whole(&moves, &optimum, patience)?;
    if found.is_none()
        && let Verdict::Optimal(roomy) = changes(&moves, Some(&rounding_loss(&moves))).solve(patience)
    {
        found = best_whole(&moves, &roomy, patience)?;
    }
    let bound_minor = Some(bound.ceil("the least change")?);
    let Some((counts, whole)) = found else {
        let outcome = if patience.is_over() { Mended::Stopped } else { Mended::Fractional };
        return Ok(Mend { bound_minor, ..nothing(outcome) });
    };
    let (changed, payments) = moves.applied(&whole);
    // Who is no longer a party gains nothing and gives nothing.
    let still: Vec<_> = valuations.iter().filter(|v| changed.parties.contains(&v.party)).cloned().collect();
    if !is_win_win(&changed, &still)? {
        return Ok(Mend { bound_minor, ..nothing(Mended::Fractional) });
    }
    let changes = moves.moves.iter().zip(&whole).filter_map(|(moved, after)| match moved.kind {
        Kind::Quantity(index) if moved.before != *after => {
            Some(Change { transfer: u32::try_from(index).ok()?, before: moved.before, after: *after })
        }
        _ => None,
    });
    Ok(Mend {
        changes: changes.collect(),
        payments,
        terms: Some(changed),
        change_minor: Some(counts.ceil("the change")?),
        bound_minor,
        ..nothing(Mended::Changed)
    })
}

fn nothing(outcome: Mended) -> Mend {
    Mend {
        outcome,
        terms: None,
        changes: Vec::new(),
        payments: Vec::new(),
        change_minor: None,
        bound_minor: None,
        multipliers: Vec::new(),
        balance: None,
        most: None,
    }
}

/// The programme of the least change, each move being what it was, more what it grows, less what it shrinks; where
/// `aside` is given, every party is to have that much beyond being satisfied.
fn changes(moves: &Moves, aside: Option<&[Exact]>) -> Programme {
    let mut programme = Programme::default();
    for (index, party) in moves.parties.iter().enumerate() {
        let mut now = party.slack.base.clone();
        for (column, unit) in &party.slack.by_move {
            if let Some(moved) = moves.moves.get(*column) {
                now += &unit.times(moved.before);
            }
        }
        let aside = aside.and_then(|aside| aside.get(index)).cloned().unwrap_or_else(Exact::zero);
        programme.row(Relation::AtLeast, &aside - &now);
    }
    let balance = moves.has_payments().then(|| programme.row(Relation::Equal, Exact::zero()));
    for (index, moved) in moves.moves.iter().enumerate() {
        let entries = moves.entries(index, balance);
        let between = |least: i64, most: i64| (Exact::from(least.max(0)), Some(Exact::from(most.max(0))));
        let up = between(moved.least.saturating_sub(moved.before), moved.most.saturating_sub(moved.before));
        let down = between(moved.before.saturating_sub(moved.most), moved.before.saturating_sub(moved.least));
        for ((least, most), signed) in [(up, 1), (down, -1)] {
            programme.column(Column {
                least,
                most,
                gain: -&moved.weight,
                entries: entries.iter().map(|(row, unit)| (*row, unit.times(signed))).collect(),
            });
        }
    }
    programme
}

/// The most that rounding every move down or up can take from each party.
pub(crate) fn rounding_loss(moves: &Moves) -> Vec<Exact> {
    let loss = |party: &crate::moves::Party| {
        let mut sum = Exact::zero();
        for (_, unit) in &party.slack.by_move {
            sum += &if unit.is_negative() { -unit } else { unit.clone() };
        }
        sum
    };
    moves.parties.iter().map(loss).collect()
}

/// Of the whole amounts next to an optimum that satisfy everyone, those that change least, and what that counts.
fn best_whole(moves: &Moves, optimum: &Optimum, patience: &Patience) -> Result<Option<(Exact, Vec<i64>)>, TermsError> {
    let pairs = optimum.amounts.chunks_exact(2);
    let amounts: Vec<Exact> = moves
        .moves
        .iter()
        .zip(pairs)
        .map(|(moved, pair)| match pair {
            [up, down] => &(&Exact::from(moved.before) + up) - down,
            _ => Exact::from(moved.before),
        })
        .collect();
    let mut best: Option<(Exact, Vec<i64>)> = None;
    for whole in candidates(moves, &amounts, patience)? {
        if !is_sound(moves, &whole) {
            continue;
        }
        let mut counts = Exact::zero();
        for (moved, amount) in moves.moves.iter().zip(&whole) {
            let by = &Exact::from(*amount) - &Exact::from(moved.before);
            counts += &moved.weight.product(&if by.is_negative() { -&by } else { by });
        }
        if best.as_ref().is_none_or(|(least, _)| counts < *least) {
            best = Some((counts, whole));
        }
    }
    Ok(best)
}

/// The certificate: multipliers that sum to 1, and the most that the weighted slacks reach within the room.
fn infeasible(moves: &Moves, multipliers: &[Exact], patience: &Patience) -> Result<Mend, ErrorReply> {
    let of_parties = multipliers.iter().take(moves.parties.len());
    let mut sum = Exact::zero();
    of_parties.clone().for_each(|multiplier| sum += multiplier);
    let scale = sum.inverse().ok_or_else(|| patience.ended())?;
    let balance = multipliers.get(moves.parties.len()).cloned();
    let mut most = Exact::zero();
    let mut weights = Vec::new();
    for (party, multiplier) in moves.parties.iter().zip(of_parties) {
        most += &multiplier.product(&party.slack.base);
        if *multiplier != Exact::zero() {
            let weight = multiplier.product(&scale).to_ratio().ok_or(TermsError::Overflow("a multiplier"))?;
            weights.push(Multiplier { party: party.id.clone(), weight });
        }
    }
    for (index, moved) in moves.moves.iter().enumerate() {
        let mut unit = Exact::zero();
        for (row, entry) in moves.entries(index, balance.is_some().then_some(moves.parties.len())) {
            if let Some(multiplier) = multipliers.get(row) {
                unit += &entry.product(multiplier);
            }
        }
        most += &unit.times(if unit.is_negative() { moved.least } else { moved.most });
    }
    let most = most.product(&scale);
    if !most.is_negative() {
        return Err(patience.ended());
    }
    let most = Some(most.to_ratio().ok_or(TermsError::Overflow("what the slacks reach"))?);
    let balance =
        balance.map(|by| by.product(&scale).to_ratio().ok_or(TermsError::Overflow("a multiplier"))).transpose()?;
    Ok(Mend { multipliers: weights, balance, most, ..nothing(Mended::Infeasible) })
}

#[cfg(test)]
mod tests;
