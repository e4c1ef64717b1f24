//! Deals whose terms come of a negotiation: what they are opened with, and what may be proposed for them.
//!
//! The desk hears nothing of the talk. It holds the rules, which everybody was told by its note, and it hears the end:
//! an outcome, the terms that this outcome makes, and the transcript's head, which whoever proposes signs, and each
//! acceptance again. A party that heard something else, or not all, signs another head, and that is refused.

use schemas::body::encode;
use schemas::deal::{Accept, Open, Propose, ReadTerms};
use schemas::error::{Code, ErrorReply};
use schemas::hash::Hash;
use schemas::id::AgentId;
use schemas::negotiation::{Alternating, ReadRules, Rules, SingleText, Transcript};
use terms::{NoTerms, terms_of};

use crate::state::{Deal, OnTable};

/// The rules that a deal is negotiated by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruled {
    /// Their exact bytes.
    pub bytes: Vec<u8>,
    /// What they say.
    pub rules: Rules,
    /// Their name.
    pub hash: Hash,
}

impl Ruled {
    /// Reads the rules that a deal is opened with; nothing where it has none, or none that are sound.
    pub(crate) fn of(open: &Open) -> Option<Self> {
        let bytes = open.rules.clone()?;
        let ReadRules { rules, hash } = ReadRules::read(open.profile, &bytes).ok()?;
        Some(Self { bytes, rules, hash })
    }

    /// Who sits on which seat in terms between these parties.
    fn seats(&self, parties: &[AgentId]) -> Vec<AgentId> {
        match (&self.rules, self.rules.manager()) {
            (Rules::Alternating(Alternating { order, .. }) | Rules::SingleText(SingleText { order, .. }), _) => {
                order.clone()
            }
            (_, manager) => {
                let contractors = parties.iter().filter(|party| Some(*party) != manager);
                manager.into_iter().chain(contractors).cloned().collect()
            }
        }
    }
}

/// Whether a deal is opened with the rules that its profile wants.
pub(crate) fn check_opening(open: &Open, by: &AgentId, now_unix_ms: i64) -> Result<(), ErrorReply> {
    let bad = |field: &str, reason: &str| ErrorReply::new(Code::BadMessage, reason).at_field(field);
    let bytes = match (&open.rules, open.profile.is_negotiated()) {
        (None, false) => return Ok(()),
        (Some(_), false) => {
            let reason = format!("{} is not negotiated by rules of its own", open.profile);
            return Err(ErrorReply::refused("profile", reason).at_field("rules"));
        }
        (None, true) => {
            let reason = format!("{} must be opened with its rules", open.profile);
            return Err(ErrorReply::refused("profile", reason).at_field("rules"));
        }
        (Some(bytes), true) => bytes,
    };
    let ReadRules { rules, .. } =
        ReadRules::read(open.profile, bytes).map_err(|refused| bad(&refused.field, &refused.reason))?;
    if let Rules::Alternating(Alternating { order, .. }) | Rules::SingleText(SingleText { order, .. }) = &rules {
        let mut seated = order.clone();
        seated.sort();
        if seated != open.parties {
            return Err(bad("rules.order", "are not the deal's parties"));
        }
    }
    if rules.manager().is_some_and(|manager| manager != by) {
        return Err(bad("rules.manager", "is not who opens the deal"));
    }
    if matches!(&rules, Rules::SingleText(rules) if rules.mediator != *by) {
        return Err(bad("rules.mediator", "is not who opens the deal"));
    }
    if rules.until_unix_ms() <= now_unix_ms {
        return Err(ErrorReply::new(Code::Late, "the time to talk has passed").at_field("rules"));
    }
    if rules.until_unix_ms() > open.expires_unix_ms {
        return Err(bad("rules", "there is time to talk when the deal has lapsed"));
    }
    match rules.domain().transfers.iter().position(|pattern| pattern.due_unix_ms < open.expires_unix_ms) {
        Some(index) => Err(bad(&format!("rules.domain.transfers[{index}].due_unix_ms"), "due before the deal lapses")),
        None => Ok(()),
    }
}

/// Between whom the terms that are proposed are to be: all parties; in a contract net the manager and whom it has
/// awarded to.
pub(crate) fn proposed_parties<'a>(deal: &'a Deal, read: &'a ReadTerms) -> &'a [AgentId] {
    let parties = &read.terms.parties;
    let is_award = parties.len() == 2 && parties.contains(&deal.opener) && parties.iter().all(|p| deal.is_party(p));
    let is_net = deal.rules.as_deref().is_some_and(|ruled| ruled.rules.manager().is_some());
    if is_net && is_award { parties } else { &deal.parties }
}

/// Whether what is proposed is what an outcome of the negotiation makes, with a transcript of it.
pub(crate) fn check_proposal(deal: &Deal, propose: &Propose, read: &ReadTerms) -> Result<(), ErrorReply> {
    let (ruled, agreement) = match (deal.rules.as_deref(), &propose.agreement) {
        (None, None) => return Ok(()),
        (None, Some(_)) => {
            let reason = format!("nothing is negotiated in {}", deal.profile);
            return Err(ErrorReply::refused("profile", reason).at_field("agreement"));
        }
        (Some(_), None) => {
            let reason = "what was negotiated is proposed with its outcome and transcript";
            return Err(ErrorReply::refused("no_transcript", reason).at_field("agreement").in_state(deal.state));
        }
        (Some(ruled), Some(agreement)) => (ruled, agreement),
    };
    let seats = ruled.seats(&read.terms.parties);
    let made = terms_of(ruled.rules.domain(), &seats, &deal.book, deal.expires_unix_ms, &agreement.outcome).map_err(
        |error| {
            let rule = if error == NoTerms::Outside { "outside_domain" } else { "unsound_outcome" };
            ErrorReply::refused(rule, error.to_string()).at_field("agreement.outcome").in_state(deal.state)
        },
    )?;
    if encode(&made) != propose.terms {
        let reason = "these are not the terms that the outcome makes";
        return Err(ErrorReply::refused("not_the_outcome", reason).at_field("terms").in_state(deal.state));
    }
    let least = match &ruled.rules {
        Rules::Alternating(rules) => rules.order.len(),
        // A call, a bid and an award.
        Rules::ContractNet(_) | Rules::Iterated(_) => 3,
        Rules::SingleText(rules) => rules.words() as usize,
    };
    if (agreement.transcript.length as usize) < least {
        let reason = format!("an agreement takes {least} words at least");
        let reply = ErrorReply::refused("short_transcript", reason).at_field("agreement.transcript.length");
        return Err(reply.in_state(deal.state));
    }
    Ok(())
}

/// Whether an acceptance signs the transcript that the terms were proposed with.
pub(crate) fn check_acceptance(deal: &Deal, table: &OnTable, accept: &Accept) -> Result<(), ErrorReply> {
    let refuse = |rule: &str, reason: &str| {
        Err(ErrorReply::refused(rule, reason.to_owned()).at_field("transcript").in_state(deal.state))
    };
    match (&table.transcript, &accept.transcript) {
        (None, None) => Ok(()),
        (None, Some(_)) => refuse("profile", "nothing was negotiated"),
        (Some(_), None) => refuse("no_transcript", "what was negotiated is accepted with its transcript"),
        (Some(proposed), Some(heard)) if proposed == heard => Ok(()),
        (Some(Transcript { head, length }), Some(_)) => {
            refuse("other_transcript", &format!("it was proposed with {length} words, the last of them {head}"))
        }
    }
}
