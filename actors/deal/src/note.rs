//! What the parties, and whoever opened, hear of a deal.

use schemas::body::{Message, encode};
use schemas::core::Effect;
use schemas::event::{DealNote, Happening};
use schemas::id::AgentId;

use crate::entry::Entry;
use crate::state::Deal;

/// The notes that an entry raises, in the deal's state after it.
pub(crate) fn notes(deal: &Deal, entry: &Entry) -> Vec<Effect> {
    let what = &entry.event.what;
    let (by, rule, reason) = match what {
        Happening::Proposed { by, .. } => (Some(by), None, None),
        Happening::Opened { opener, .. } => (Some(opener), None, None),
        Happening::Rejected { by, reason } | Happening::Withdrawn { by, reason } => (Some(by), None, Some(reason)),
        Happening::Refused { rule, reason, .. } => (None, Some(rule), Some(reason)),
        Happening::Expired | Happening::Settled | Happening::Failed { .. } => (None, None, None),
        // Between acceptance and commit there is nothing for a party to do.
        Happening::Accepted { .. } | Happening::Certified { .. } | Happening::Confirmed { .. } => return Vec::new(),
        // The ledger writes these, and their notes.
        Happening::Committed { .. } | Happening::Compensated { .. } => return Vec::new(),
    };
    let rules = deal.rules.as_ref().filter(|_| matches!(what, Happening::Opened { .. }));
    let about_terms = matches!(what, Happening::Opened { .. } | Happening::Proposed { .. });
    let note = DealNote {
        deal: deal.id.clone(),
        event: what.name().to_owned(),
        state: deal.state,
        turn: entry.event.turn,
        at_unix_ms: entry.event.at_unix_ms,
        book: deal.book.clone(),
        opener: Some(deal.opener.clone()),
        profile: Some(deal.profile),
        terms: about_terms.then(|| deal.table.as_ref().map(|table| table.bytes.clone())).flatten(),
        by: by.cloned(),
        rule: rule.cloned(),
        reason: reason
            .cloned()
            .or_else(|| deal.state.is_end().then(|| deal.ended.as_ref().map(|(_, why)| why.clone())).flatten()),
        rules: rules.map(|ruled| ruled.bytes.clone()),
        expires_unix_ms: rules.map(|_| deal.expires_unix_ms),
    };
    let mut to: Vec<&AgentId> = deal.parties.iter().collect();
    if !deal.is_party(&deal.opener) {
        to.push(&deal.opener);
    }
    to.retain(|agent| Some(*agent) != by);
    each(to, &note)
}

fn each(to: Vec<&AgentId>, note: &DealNote) -> Vec<Effect> {
    let body = encode(note);
    to.into_iter().map(|agent| Effect::Note { to: agent.clone(), kind: DealNote::TYPE, body: body.clone() }).collect()
}
