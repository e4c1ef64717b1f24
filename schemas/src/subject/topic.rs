//! What anybody may say to everybody: `hms.v1.topic.…`, and what cores and agents of ours say there.

use super::{BadSubject, ROOT, part, tokens};
use crate::id::{JobId, MarketId};

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

/// `hms.v1.topic.digest`: onlookers are told in short what happens.
#[must_use]
pub fn digest_topic() -> String {
    format!("{ROOT}.topic.digest")
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
