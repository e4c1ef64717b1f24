//! Where parties talk to each other under negotiation.

use super::{BadSubject, ROOT, part, tokens};
use crate::id::{AgentId, DealId};

/// `hms.v1.talk.<party>.<deal>`: what a party is told under negotiation. The party is the addressee.
#[must_use]
pub fn talk(party: &AgentId, deal: &DealId) -> String {
    format!("{ROOT}.talk.{party}.{deal}")
}

/// Whatever a party is told: `hms.v1.talk.<party>.*`.
#[must_use]
pub fn all_talk_to(party: &AgentId) -> String {
    format!("{ROOT}.talk.{party}.*")
}

/// The addressee and the deal of a word under negotiation.
///
/// # Errors
/// When it is no such subject.
pub fn parse_talk(subject: &str) -> Result<(AgentId, DealId), BadSubject> {
    let [party, deal] = tokens(subject, &format!("{ROOT}.talk."))?;
    Ok((part(subject, party)?, part(subject, deal)?))
}
