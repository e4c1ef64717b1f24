//! What was written and said on the bus, once it is known who did.
//!
//! Whoever reaches an open broker can write into its logs. An entry counts when desk or ledger signed it, with a key
//! that the key history knows; an intent or a notice counts when the agent itself did.

use runtime::journal::Keys;
use runtime::port::{Message, Stored};
use schemas::body::{Message as _, Refused};
use schemas::event::{DealEvent, Happening};
use schemas::header;
use schemas::keyring::{LogRecord, RecordFault};
use schemas::ledger::LimitEvent;
use schemas::limit::MAX_BODY_BYTES;
use schemas::signature::Sender;
use schemas::{DealId, decode, subject};

/// Who writes the logs that are believed.
const WRITERS: [&str; 2] = ["deal", "ledger"];

/// An entry of a log.
pub enum Entry {
    /// Something happened to a deal.
    Deal(Box<DealEvent>),
    /// Limits were declared.
    Limit(Box<LimitEvent>),
}

/// Reads an entry of a deal's log, or of a log of limits.
///
/// # Errors
/// What keeps it from being believed.
pub async fn entry(keys: &Keys, stored: &Stored) -> Result<Entry, RecordFault> {
    let entry = match subject::parse_deal_log(&stored.subject) {
        Ok(deal) => Entry::Deal(Box::new(of_deal(&deal, stored)?)),
        Err(_) => Entry::Limit(Box::new(decode(&stored.body, MAX_BODY_BYTES)?)),
    };
    let kind = if matches!(entry, Entry::Deal(_)) { DealEvent::TYPE } else { LimitEvent::TYPE };
    written(keys, stored, kind).await?;
    Ok(entry)
}

/// Reads an entry of a deal's log, if what happened is wanted: of what is not, nobody asks who wrote it.
///
/// # Errors
/// What keeps it from being believed.
pub async fn deal(
    keys: &Keys,
    stored: &Stored,
    is_wanted: impl Fn(&Happening) -> bool,
) -> Result<Option<DealEvent>, RecordFault> {
    let Ok(deal) = subject::parse_deal_log(&stored.subject) else { return Ok(None) };
    let event = of_deal(&deal, stored)?;
    if !is_wanted(&event.what) {
        return Ok(None);
    }
    written(keys, stored, DealEvent::TYPE).await?;
    Ok(Some(event))
}

fn of_deal(deal: &DealId, stored: &Stored) -> Result<DealEvent, RecordFault> {
    let event: DealEvent = decode(&stored.body, MAX_BODY_BYTES)?;
    if event.deal != *deal {
        return Err(RecordFault::Chain("the subject is another deal's"));
    }
    Ok(event)
}

/// Checks that desk or ledger wrote an entry.
async fn written(keys: &Keys, stored: &Stored, kind: &str) -> Result<(), RecordFault> {
    let sender = LogRecord::from(stored.clone()).sender(kind)?;
    let signer = sender.name.clone().unwrap_or_default();
    if !WRITERS.contains(&signer.as_str()) {
        return Err(RecordFault::Writer { signer });
    }
    known(keys, &sender).await
}

/// Checks that `agent` said this, and gives its signature.
///
/// # Errors
/// The header at fault, and why.
pub async fn said_by(keys: &Keys, agent: &str, message: &Message) -> Result<Sender, Refused> {
    let refused = |reason: String| Refused::new(header::SENDER, reason);
    let (sender, _) = Keys::signature(message).map_err(|error| refused(error.message))?;
    if sender.name.as_deref() != Some(agent) {
        return Err(refused(format!("is not {agent}'s")));
    }
    known(keys, &sender).await.map_err(|fault| refused(fault.to_string()))?;
    Ok(sender)
}

/// Checks that a signature's key is, or was, that of the agent it names.
async fn known(keys: &Keys, sender: &Sender) -> Result<(), RecordFault> {
    let check = || keys.look(|ring| ring.check(sender));
    if check().is_ok() {
        return Ok(());
    }
    // The follower may be behind: an agent speaks right after it registered.
    if let Some(agent) = sender.name.as_deref().and_then(|name| name.parse().ok())
        && let Err(error) = keys.refresh(&agent).await
    {
        tracing::warn!(%agent, %error, "a key log cannot be read");
    }
    check()
}
