//! Every subject of the contract: built, parsed and validated here and nowhere else.
//!
//! Parts of a subject are valid by construction ([`AgentId`], [`MarketId`], …), so a wildcard cannot
//! get into one. Patterns for subscriptions are functions of their own, named `all_…`.

use std::fmt;
use std::str::FromStr;

use crate::id::{AgentId, JobId, MarketId};

mod deal;
mod foreign;
mod talk;
mod task;
mod topic;

pub use deal::*;
pub use foreign::*;
pub use talk::*;
pub use task::*;
pub use topic::*;

/// The prefix of every subject, with the contract's major version.
pub const ROOT: &str = "hms.v1";

/// Words that no core, agent-facing service or endpoint may be named.
pub const RESERVED: [&str; 10] =
    ["log", "inbox", "note", "live", "market", "topic", "timer", "dlq", "snapshot", "office"];

/// Not a subject of the contract, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{subject:?} is no subject of this contract: {reason}")]
pub struct BadSubject {
    subject: String,
    reason: String,
}

impl BadSubject {
    fn new(subject: &str, reason: impl fmt::Display) -> Self {
        Self { subject: subject.chars().take(256).collect(), reason: reason.to_string() }
    }
}

/// `hms.v1.<core>.<verb>`: a core's endpoint.
#[must_use]
pub fn endpoint(service: &str, verb: &str) -> String {
    format!("{ROOT}.{service}.{verb}")
}

/// The service and the verb of a core's endpoint.
///
/// # Errors
/// When it is no such subject.
pub fn parse_endpoint(subject: &str) -> Result<(&str, &str), BadSubject> {
    let [service, verb] = tokens(subject, &format!("{ROOT}."))?;
    Ok((service, verb))
}

/// `hms.v1.log.ledger.<book>`: the ledger's fence and cursor.
#[must_use]
pub fn ledger_log(book: &MarketId) -> String {
    format!("{ROOT}.log.ledger.{book}")
}

/// Every book's cursor.
#[must_use]
pub fn all_ledger_logs() -> String {
    format!("{ROOT}.log.ledger.*")
}

/// The book of a cursor's log.
///
/// # Errors
/// When it is no such subject.
pub fn parse_ledger_log(subject: &str) -> Result<MarketId, BadSubject> {
    let [book] = tokens(subject, &format!("{ROOT}.log.ledger."))?;
    part(subject, book)
}

/// `hms.v1.log.limit.<book>.<agent>`: what an agent may give in a book.
#[must_use]
pub fn limit_log(book: &MarketId, agent: &AgentId) -> String {
    format!("{ROOT}.log.limit.{book}.{agent}")
}

/// Every agent's limits in every book.
#[must_use]
pub fn all_limit_logs() -> String {
    format!("{ROOT}.log.limit.*.*")
}

/// Every log of limits in one book.
#[must_use]
pub fn all_limit_logs_of(book: &MarketId) -> String {
    format!("{ROOT}.log.limit.{book}.*")
}

/// The book and agent of a limits log.
///
/// # Errors
/// When it is no such subject.
pub fn parse_limit_log(subject: &str) -> Result<(MarketId, AgentId), BadSubject> {
    let [book, agent] = tokens(subject, &format!("{ROOT}.log.limit."))?;
    Ok((part(subject, book)?, part(subject, agent)?))
}

/// `hms.v1.log.certificate.<book>`: what became of a book's import certificates besides commits.
#[must_use]
pub fn certificate_log(book: &MarketId) -> String {
    format!("{ROOT}.log.certificate.{book}")
}

/// Every book's log of certificates.
#[must_use]
pub fn all_certificate_logs() -> String {
    format!("{ROOT}.log.certificate.*")
}

/// The book of a log of certificates.
///
/// # Errors
/// When it is no such subject.
pub fn parse_certificate_log(subject: &str) -> Result<MarketId, BadSubject> {
    let [book] = tokens(subject, &format!("{ROOT}.log.certificate."))?;
    part(subject, book)
}

/// `hms.v1.office.<core>`: the token of a core's office.
#[must_use]
pub fn office(core: &AgentId) -> String {
    format!("{ROOT}.office.{core}")
}

/// `hms.v1.log.island.<job>.<island>`: an island's checkpoints.
#[must_use]
pub fn island_log(job: &JobId, island: u32) -> String {
    format!("{ROOT}.log.island.{job}.{island}")
}

/// `hms.v1.log.key.<agent>`: an agent's key history.
#[must_use]
pub fn key_log(agent: &AgentId) -> String {
    format!("{ROOT}.log.key.{agent}")
}

/// Every agent's key history.
#[must_use]
pub fn all_key_logs() -> String {
    format!("{ROOT}.log.key.*")
}

/// The agent of a key history.
///
/// # Errors
/// When it is no such subject.
pub fn parse_key_log(subject: &str) -> Result<AgentId, BadSubject> {
    let [agent] = tokens(subject, &format!("{ROOT}.log.key."))?;
    part(subject, agent)
}

/// `hms.v1.note.<agent>`: what an agent must hear.
#[must_use]
pub fn note(agent: &AgentId) -> String {
    format!("{ROOT}.note.{agent}")
}

/// The agent of a note's subject.
///
/// # Errors
/// When it is no such subject.
pub fn parse_note(subject: &str) -> Result<AgentId, BadSubject> {
    let [agent] = tokens(subject, &format!("{ROOT}.note."))?;
    part(subject, agent)
}

/// `hms.v1.inbox.<agent>`: an agent's durable inbox.
#[must_use]
pub fn inbox(agent: &AgentId) -> String {
    format!("{ROOT}.inbox.{agent}")
}

/// `hms.v1.live.inbox.<agent>`: the inbox as it fills.
#[must_use]
pub fn live_inbox(agent: &AgentId) -> String {
    format!("{ROOT}.live.inbox.{agent}")
}

/// The agent of an inbox, or of its live copy.
///
/// # Errors
/// When it is no such subject.
pub fn parse_inbox(subject: &str) -> Result<AgentId, BadSubject> {
    let stored = subject.replacen(".live.", ".", 1);
    let [agent] = tokens(&stored, &format!("{ROOT}.inbox."))?;
    part(subject, agent)
}

/// Everything that watchers see: `hms.v1.live.>`.
#[must_use]
pub fn all_live() -> String {
    format!("{ROOT}.live.>")
}

/// All that an onlooker may subscribe to: what is republished of logs and intents, but nobody's inbox, and the digests.
#[must_use]
pub fn for_onlookers() -> [String; 3] {
    [format!("{ROOT}.live.log.>"), format!("{ROOT}.live.market.>"), digest_topic()]
}

/// The live copies of declared limits, in one book or in every one.
#[must_use]
pub fn all_live_limit_logs(book: Option<&MarketId>) -> String {
    format!("{ROOT}.live.log.limit.{}.*", book.map_or("*", MarketId::as_str))
}

/// The live copies of what becomes of import certificates, in one book or in every one.
#[must_use]
pub fn all_live_certificate_logs(book: Option<&MarketId>) -> String {
    format!("{ROOT}.live.log.certificate.{}", book.map_or("*", MarketId::as_str))
}

/// The live copies of every key log.
#[must_use]
pub fn all_live_key_logs() -> String {
    format!("{ROOT}.live.log.key.*")
}

/// The live copies of intents, in one market or in every one.
#[must_use]
pub fn all_live_intents(market: Option<&MarketId>) -> String {
    format!("{ROOT}.live.market.{}.*", market.map_or("*", MarketId::as_str))
}

/// Where what was republished stands in its stream: what signatures cover is that subject. Others stay as they are.
#[must_use]
pub fn stored_of_live(subject: &str) -> String {
    match subject.strip_prefix(&format!("{ROOT}.live.")) {
        Some(rest) => format!("{ROOT}.{rest}"),
        None => subject.to_owned(),
    }
}

/// `hms.v1.market.<market>.<agent>`: an agent's intent.
#[must_use]
pub fn intent(market: &MarketId, agent: &AgentId) -> String {
    format!("{ROOT}.market.{market}.{agent}")
}

/// Every intent in a market.
#[must_use]
pub fn all_intents(market: &MarketId) -> String {
    format!("{ROOT}.market.{market}.*")
}

/// Every intent in every market.
#[must_use]
pub fn all_intents_anywhere() -> String {
    format!("{ROOT}.market.*.*")
}

/// The market and agent of an intent.
///
/// # Errors
/// When it is no such subject.
pub fn parse_intent(subject: &str) -> Result<(MarketId, AgentId), BadSubject> {
    let stored = subject.replacen(".live.", ".", 1);
    let [market, agent] = tokens(&stored, &format!("{ROOT}.market."))?;
    Ok((part(subject, market)?, part(subject, agent)?))
}

/// `hms.v1.dlq.<core>`: what a consumer gave up on.
#[must_use]
pub fn dead_letter(service: &str) -> String {
    format!("{ROOT}.dlq.{service}")
}

/// Every dead letter.
#[must_use]
pub fn all_dead_letters() -> String {
    format!("{ROOT}.dlq.*")
}

/// `hms.v1.snapshot.<core>`: which chunks a core's snapshot consists of.
#[must_use]
pub fn snapshot(core: &AgentId) -> String {
    format!("{ROOT}.snapshot.{core}")
}

/// `hms.v1.snapshot.<core>.<slot>.<number>`: a piece of a snapshot.
#[must_use]
pub fn snapshot_chunk(core: &AgentId, slot: u32, number: u32) -> String {
    format!("{ROOT}.snapshot.{core}.{slot}.{number}")
}

/// Every piece in a slot.
#[must_use]
pub fn all_snapshot_chunks(core: &AgentId, slot: u32) -> String {
    format!("{ROOT}.snapshot.{core}.{slot}.*")
}

fn tokens<'a, const N: usize>(subject: &'a str, prefix: &str) -> Result<[&'a str; N], BadSubject> {
    let rest = subject
        .strip_prefix(prefix)
        .ok_or_else(|| BadSubject::new(subject, format!("does not begin with {prefix}")))?;
    let parts: Vec<&str> = rest.split('.').collect();
    parts.try_into().map_err(|_| BadSubject::new(subject, format!("wants {N} tokens after {prefix}")))
}

fn part<T: FromStr<Err: fmt::Display>>(subject: &str, token: &str) -> Result<T, BadSubject> {
    token.parse().map_err(|error| BadSubject::new(subject, error))
}
