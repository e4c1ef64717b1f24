//! Where deals are spoken of: moves, logs, timers.

use std::fmt;

use super::{BadSubject, ROOT, part, tokens};
use crate::id::{AgentId, DealId};

/// The endpoints of the desk that a party addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DealVerb {
    /// Opens a deal.
    Open,
    /// Puts terms on the table.
    Propose,
    /// Puts other terms on the table.
    Counter,
    /// Accepts.
    Accept,
    /// Says no.
    Reject,
    /// Takes it back.
    Withdraw,
    /// Confirms delivery.
    Confirm,
    /// Looks.
    Show,
}

impl DealVerb {
    /// Every verb.
    pub const ALL: [Self; 8] = [
        Self::Open,
        Self::Propose,
        Self::Counter,
        Self::Accept,
        Self::Reject,
        Self::Withdraw,
        Self::Confirm,
        Self::Show,
    ];

    /// The verb as a token.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Propose => "propose",
            Self::Counter => "counter",
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Withdraw => "withdraw",
            Self::Confirm => "confirm",
            Self::Show => "show",
        }
    }
}

impl fmt::Display for DealVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `hms.v1.deal.<verb>.<party>.<deal>`: a party's move. The party is the claimed mover.
#[must_use]
pub fn deal_move(verb: DealVerb, party: &AgentId, deal: &DealId) -> String {
    format!("{ROOT}.deal.{verb}.{party}.{deal}")
}

/// Every party's moves of one verb: `hms.v1.deal.<verb>.*.*`.
#[must_use]
pub fn all_deal_moves(verb: DealVerb) -> String {
    format!("{ROOT}.deal.{verb}.*.*")
}

/// A move's verb, claimed mover and deal, read from its subject.
///
/// # Errors
/// When it is no such subject.
pub fn parse_deal_move(subject: &str) -> Result<(DealVerb, AgentId, DealId), BadSubject> {
    let [verb, party, deal] = tokens(subject, &format!("{ROOT}.deal."))?;
    let verb = DealVerb::ALL
        .into_iter()
        .find(|v| v.as_str() == verb)
        .ok_or_else(|| BadSubject::new(subject, "unknown verb"))?;
    Ok((verb, part(subject, party)?, part(subject, deal)?))
}

/// `hms.v1.log.deal.<deal>`: what happened to a deal.
#[must_use]
pub fn deal_log(deal: &DealId) -> String {
    format!("{ROOT}.log.deal.{deal}")
}

/// Every deal's log.
#[must_use]
pub fn all_deal_logs() -> String {
    format!("{ROOT}.log.deal.*")
}

/// The deal of a deal's log, or of its live copy.
///
/// # Errors
/// When it is no such subject.
pub fn parse_deal_log(subject: &str) -> Result<DealId, BadSubject> {
    let stored = subject.replacen(".live.", ".", 1);
    let [deal] = tokens(&stored, &format!("{ROOT}.log.deal."))?;
    part(subject, deal)
}

/// The live copies of every deal's log.
#[must_use]
pub fn all_live_deal_logs() -> String {
    format!("{ROOT}.live.log.deal.*")
}

/// `hms.v1.timer.<deal>`: where a deal's timer is armed.
#[must_use]
pub fn timer(deal: &DealId) -> String {
    format!("{ROOT}.timer.{deal}")
}

/// `hms.v1.timer.due.<deal>`: where it fires to.
#[must_use]
pub fn timer_due(deal: &DealId) -> String {
    format!("{ROOT}.timer.due.{deal}")
}

/// Every timer that fires.
#[must_use]
pub fn all_timers_due() -> String {
    format!("{ROOT}.timer.due.*")
}

/// The deal of a timer that fired.
///
/// # Errors
/// When it is no such subject.
pub fn parse_timer_due(subject: &str) -> Result<DealId, BadSubject> {
    let [deal] = tokens(subject, &format!("{ROOT}.timer.due."))?;
    part(subject, deal)
}
