//! Every subject of the contract: built, parsed and validated here and nowhere else.
//!
//! Parts of a subject are valid by construction ([`AgentId`], [`DealId`], …), so a wildcard cannot
//! get into one. Patterns for subscriptions are functions of their own, named `all_…`.

use std::fmt;
use std::str::FromStr;

use crate::id::{AgentId, DealId, JobId, MarketId, Skill};

/// The prefix of every subject, with the contract's major version.
pub const ROOT: &str = "hms.v1";

/// Words that no core, agent-facing service or endpoint may be named.
pub const RESERVED: [&str; 9] = ["log", "inbox", "note", "live", "market", "topic", "timer", "dlq", "snapshot"];

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

/// What an agent may say in a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskVerb {
    /// Submits a job.
    Submit,
    /// Adds tasks to it.
    Add,
    /// Offers to do a task.
    Bid,
    /// Gives a task back.
    Decline,
    /// Is at work.
    Progress,
    /// Hands in a result.
    Deliver,
    /// Judges a result.
    Judge,
    /// Answers at the gate.
    Answer,
    /// Ends a job.
    Cancel,
    /// Looks.
    Show,
}

impl TaskVerb {
    /// Every verb.
    pub const ALL: [Self; 10] = [
        Self::Submit,
        Self::Add,
        Self::Bid,
        Self::Decline,
        Self::Progress,
        Self::Deliver,
        Self::Judge,
        Self::Answer,
        Self::Cancel,
        Self::Show,
    ];

    /// The verb as a token.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Add => "add",
            Self::Bid => "bid",
            Self::Decline => "decline",
            Self::Progress => "progress",
            Self::Deliver => "deliver",
            Self::Judge => "judge",
            Self::Answer => "answer",
            Self::Cancel => "cancel",
            Self::Show => "show",
        }
    }
}

impl fmt::Display for TaskVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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

/// `hms.v1.task.<verb>.<agent>.<job>`: a move in a job. The agent is the claimed mover.
#[must_use]
pub fn task_move(verb: TaskVerb, agent: &AgentId, job: &JobId) -> String {
    format!("{ROOT}.task.{verb}.{agent}.{job}")
}

/// Everybody's moves of one verb: `hms.v1.task.<verb>.*.*`.
#[must_use]
pub fn all_task_moves(verb: TaskVerb) -> String {
    format!("{ROOT}.task.{verb}.*.*")
}

/// A move's verb, claimed mover and job, read from its subject.
///
/// # Errors
/// When it is no such subject.
pub fn parse_task_move(subject: &str) -> Result<(TaskVerb, AgentId, JobId), BadSubject> {
    let [verb, agent, job] = tokens(subject, &format!("{ROOT}.task."))?;
    let verb = TaskVerb::ALL
        .into_iter()
        .find(|v| v.as_str() == verb)
        .ok_or_else(|| BadSubject::new(subject, "unknown verb"))?;
    Ok((verb, part(subject, agent)?, part(subject, job)?))
}

/// `hms.v1.log.task.<job>`: what happened to a job and its tasks.
#[must_use]
pub fn task_log(job: &JobId) -> String {
    format!("{ROOT}.log.task.{job}")
}

/// Every job's log.
#[must_use]
pub fn all_task_logs() -> String {
    format!("{ROOT}.log.task.*")
}

/// The live copies of every job's log.
#[must_use]
pub fn all_live_task_logs() -> String {
    format!("{ROOT}.live.log.task.*")
}

/// The job of a job's log, or of its live copy.
///
/// # Errors
/// When it is no such subject.
pub fn parse_task_log(subject: &str) -> Result<JobId, BadSubject> {
    let stored = subject.replacen(".live.", ".", 1);
    let [job] = tokens(&stored, &format!("{ROOT}.log.task."))?;
    part(subject, job)
}

/// `hms.v1.log.call.<skill>`: tasks that are open to bids of whoever has a skill.
#[must_use]
pub fn task_call(skill: &Skill) -> String {
    format!("{ROOT}.log.call.{skill}")
}

/// `hms.v1.live.log.call.<skill>`: tasks as they are opened to bids.
#[must_use]
pub fn live_task_call(skill: &Skill) -> String {
    format!("{ROOT}.live.log.call.{skill}")
}

/// `hms.v1.note.task.<agent>`: what an agent must hear of a job.
#[must_use]
pub fn task_note(agent: &AgentId) -> String {
    format!("{ROOT}.note.task.{agent}")
}

/// `hms.v1.timer.task.<job>`: where a job's timer is armed.
#[must_use]
pub fn task_timer(job: &JobId) -> String {
    format!("{ROOT}.timer.task.{job}")
}

/// `hms.v1.timer.due.task.<job>`: where it fires to.
#[must_use]
pub fn task_timer_due(job: &JobId) -> String {
    format!("{ROOT}.timer.due.task.{job}")
}

/// Every job's timer that fires.
#[must_use]
pub fn all_task_timers_due() -> String {
    format!("{ROOT}.timer.due.task.*")
}

/// The job of a timer that fired.
///
/// # Errors
/// When it is no such subject.
pub fn parse_task_timer_due(subject: &str) -> Result<JobId, BadSubject> {
    let [job] = tokens(subject, &format!("{ROOT}.timer.due.task."))?;
    part(subject, job)
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

/// The live copies of every deal's log.
#[must_use]
pub fn all_live_deal_logs() -> String {
    format!("{ROOT}.live.log.deal.*")
}

/// The live copies of declared limits, in one book or in every one.
#[must_use]
pub fn all_live_limit_logs(book: Option<&MarketId>) -> String {
    format!("{ROOT}.live.log.limit.{}.*", book.map_or("*", MarketId::as_str))
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

/// `hms.v1.topic.<topic>`: whatever agents want to say to each other. Tokens of printable ASCII,
/// joined by dots.
///
/// # Errors
/// When the topic has an empty token, a wildcard, or a character that no subject has.
pub fn topic(topic: &str) -> Result<String, BadSubject> {
    let ok =
        |token: &str| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'*' | b'>'));
    if topic.split('.').all(ok) {
        Ok(format!("{ROOT}.topic.{topic}"))
    } else {
        Err(BadSubject::new(topic, "a topic is tokens joined by dots, without wildcards"))
    }
}

/// A pattern over topics, for subscribing: `*` for one token, `>` last for the rest.
///
/// # Errors
/// When it is no pattern.
pub fn all_topics(pattern: &str) -> Result<String, BadSubject> {
    let last = pattern.split('.').count().saturating_sub(1);
    let ok = pattern.split('.').enumerate().all(|(at, token)| {
        token == "*"
            || (token == ">" && at == last)
            || (!token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'*' | b'>')))
    });
    if ok {
        Ok(format!("{ROOT}.topic.{pattern}"))
    } else {
        Err(BadSubject::new(pattern, "not a pattern of tokens, * and >"))
    }
}

/// `hms.v1.topic.clearing.<market>`: the market maker tells of each clearing.
#[must_use]
pub fn clearing_topic(market: &MarketId) -> String {
    format!("{ROOT}.topic.clearing.{market}")
}

/// The market of a clearing.
///
/// # Errors
/// When it is no such subject.
pub fn parse_clearing_topic(subject: &str) -> Result<MarketId, BadSubject> {
    let [market] = tokens(subject, &format!("{ROOT}.topic.clearing."))?;
    part(subject, market)
}

/// The clearings of every market.
#[must_use]
pub fn all_clearing_topics() -> String {
    format!("{ROOT}.topic.clearing.*")
}

/// `hms.v1.topic.job.<job>.progress`: how far a job is.
#[must_use]
pub fn job_progress(job: &JobId) -> String {
    format!("{ROOT}.topic.job.{job}.progress")
}

/// `hms.v1.topic.job.<job>.cancel`: whatever is said here asks the job to stop and answer with what it has.
#[must_use]
pub fn job_cancel(job: &JobId) -> String {
    format!("{ROOT}.topic.job.{job}.cancel")
}

/// Every job's cancellation.
#[must_use]
pub fn all_job_cancels() -> String {
    format!("{ROOT}.topic.job.*.cancel")
}

/// The job of a cancellation.
///
/// # Errors
/// When it is no such subject.
pub fn parse_job_cancel(subject: &str) -> Result<JobId, BadSubject> {
    let [job, verb] = tokens(subject, &format!("{ROOT}.topic.job."))?;
    if verb == "cancel" { part(subject, job) } else { Err(BadSubject::new(subject, "does not end with cancel")) }
}

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

/// What the Synadia Agent Protocol for NATS 0.3 has an agent do: its subjects are no part of [`ROOT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerVerb {
    /// Answers people and other agents, in JSON.
    Prompt,
    /// Says how it is.
    Status,
    /// Says so unasked, every half a minute.
    Heartbeat,
}

impl PeerVerb {
    /// The verb as a token.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Status => "status",
            Self::Heartbeat => "hb",
        }
    }
}

/// `agents.<verb>.<harness>.<owner>.<agent>`: where an agent is prompted, asked and heard by whoever speaks the Synadia
/// Agent Protocol. The harness is what the agent runs in, the owner whoever runs it; the agent's id is its session.
///
/// # Errors
/// When harness or owner is no token of that protocol: `a-z`, `0-9`, `-`, in an owner also `_`.
pub fn peer(verb: PeerVerb, harness: &str, owner: &str, agent: &AgentId) -> Result<String, BadSubject> {
    let whole = format!("agents.{}.{harness}.{owner}.{agent}", verb.as_str());
    AgentId::parse(harness).map_err(|error| BadSubject::new(&whole, error))?;
    AgentId::parse(owner).map_err(|error| BadSubject::new(&whole, error))?;
    if harness.contains('_') {
        return Err(BadSubject::new(&whole, "a harness has no underscore"));
    }
    Ok(whole)
}

/// Every agent of the Synadia Agent Protocol that says how it is.
#[must_use]
pub fn all_heartbeats() -> String {
    format!("agents.{}.*.*.*", PeerVerb::Heartbeat.as_str())
}

/// `$KV.<bucket>.<key>`: where a bucket keeps a key.
#[must_use]
pub fn bucket_key(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// `$O.<bucket>.M.<name in base64>`: where an object store describes an object (ADR-20).
#[must_use]
pub fn object(bucket: &str, name: &str) -> String {
    format!("$O.{bucket}.M.{}", data_encoding::BASE64URL.encode(name.as_bytes()))
}

/// `$O.<bucket>.C.<id>`: where it keeps the object's pieces (ADR-20).
#[must_use]
pub fn object_pieces(bucket: &str, id: &str) -> String {
    format!("$O.{bucket}.C.{id}")
}

/// `$SRV.<verb>[.<name>[.<id>]]`: service discovery (ADR-32).
#[must_use]
pub fn discovery(verb: &str, name: Option<&str>, id: Option<&str>) -> String {
    let mut subject = format!("$SRV.{verb}");
    for token in [name, id].into_iter().flatten() {
        subject.push('.');
        subject.push_str(token);
    }
    subject
}

/// `$SYS.REQ.USER.INFO`: whom the broker takes us for, and what time it is there. Any user may ask.
#[must_use]
pub fn broker_about_us() -> &'static str {
    "$SYS.REQ.USER.INFO"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_prompted_where_the_protocol_has_it() {
        let kenya = AgentId::parse("kenya").unwrap();
        let place = |verb| peer(verb, "hms-a2a", "hms", &kenya).unwrap();
        assert_eq!(place(PeerVerb::Prompt), "agents.prompt.hms-a2a.hms.kenya");
        assert_eq!(place(PeerVerb::Status), "agents.status.hms-a2a.hms.kenya");
        assert_eq!(place(PeerVerb::Heartbeat), "agents.hb.hms-a2a.hms.kenya");
        for (harness, owner) in
            [("a_b", "hms"), ("*", "hms"), ("hms-a2a", ">"), ("", "hms"), ("hms-a2a", "a.b"), ("A", "b")]
        {
            assert!(peer(PeerVerb::Prompt, harness, owner, &kenya).is_err(), "{harness}.{owner}");
        }
    }
}
