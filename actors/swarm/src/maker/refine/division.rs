//! Dividing the gains of terms: what is asked, and what counts as an answer.

use schemas::clearing::Evenness;
use schemas::deal::Terms;
use schemas::division::{Bargain, Divide, Divided, Room, Share, Span};
use schemas::limit::PPM;

use super::Brief;
use super::left::Left;
use crate::remaining::Use;

/// Asks how to divide the gains of terms whose quantities may fall, and rise as far as their parties have anything left,
/// which is then taken. `None` for goods that come in lots, and for parties that offered nothing.
pub(super) fn question(brief: &Brief, terms: Terms, left: &mut Left<'_>) -> Option<Divide> {
    let in_lots = |good| brief.market.good(good).is_some_and(|spec| spec.lot.is_some());
    if terms.transfers.iter().any(|transfer| in_lots(&transfer.good)) {
        return None;
    }
    let valuations = terms
        .parties
        .iter()
        .map(|party| Some(brief.states(left.offer(party)?, &Use::of(party, &terms))))
        .collect::<Option<_>>()?;
    let spans = terms.transfers.iter().zip(0..).map(|(transfer, index)| {
        let most = transfer.quantity.get().saturating_add(left.take_rest(transfer));
        Span { transfer: index, least: 1, most }
    });
    let room = Room { spans: spans.collect(), payment: None };
    Some(Divide {
        rule: brief.rule,
        pot: None,
        bargain: Some(Bargain { terms, valuations, room, weights: Vec::new() }),
        game: None,
        seed: 0,
        samples: None,
        confidence_ppm: None,
    })
}

/// The divided terms, if they are those that were asked about, with other quantities, and satisfy everyone.
pub(super) fn read<'a>(question: &Divide, answer: &'a Divided) -> Option<&'a Terms> {
    let (asked, terms) = (&question.bargain.as_ref()?.terms, answer.terms.as_ref()?);
    let same = asked.transfers.len() == terms.transfers.len()
        && asked
            .transfers
            .iter()
            .zip(&terms.transfers)
            .all(|(asked, given)| (&asked.from, &asked.to, &asked.good) == (&given.from, &given.to, &given.good));
    (same && answer.shares.iter().all(|share| share.satisfied == Some(true))).then_some(terms)
}

/// What the terms bring as they were asked about.
pub(super) fn before(answer: &Divided) -> Evenness {
    evenness(answer, answer.given_gini_ppm, |share| share.given_minor.unwrap_or(0))
}

/// What they bring divided.
pub(super) fn after(answer: &Divided) -> Evenness {
    evenness(answer, Some(answer.gini_ppm), |share| share.gain_minor)
}

fn evenness(answer: &Divided, gini_ppm: Option<i64>, gain: impl Fn(&Share) -> i64) -> Evenness {
    let part = |share: &Share| {
        let best = share.best_minor.filter(|best| *best > 0)?;
        i64::try_from(i128::from(gain(share)) * i128::from(PPM) / i128::from(best)).ok()
    };
    Evenness {
        deals: 1,
        welfare_minor: answer.shares.iter().map(&gain).fold(0, i64::saturating_add),
        gini_ppm: gini_ppm.unwrap_or(0),
        least_ppm: answer.shares.iter().filter_map(part).min().unwrap_or(PPM),
    }
}
