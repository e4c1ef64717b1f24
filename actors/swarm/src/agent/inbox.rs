//! An agent's inbox: news of its deals, and letters. Everything once and in order: live, and from the registry where the
//! live copy has a gap.

use futures::StreamExt;
use runtime::port::{Message, Subscription};
use runtime::select;
use runtime::sync::mpsc;
use schemas::body::{self, DecodeError};
use schemas::event::DealNote;
use schemas::job::TaskNote;
use schemas::limit::{MAX_BODY_BYTES, MAX_CLEARING_BODY_BYTES, MAX_INBOX_PAGE};
use schemas::registry::{DirectMessage, InboxPage, ReadInbox, Send as SendLetter};
use schemas::{AgentId, Message as Body, decode, header, subject};

use super::Agent;
use super::deal::Moves;

/// Pause before an inbox is read again that could not be read, in milliseconds.
const PAUSE_MS: u64 = 1_000;

/// What an agent was sent by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// From whom: the registry has looked at the signature.
    pub from: AgentId,
    /// When it was sent, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// The bytes, as they were sent.
    pub body: Vec<u8>,
}

impl Letter {
    fn read(body: &[u8]) -> Result<Self, DecodeError> {
        let DirectMessage { from, at_unix_ms, cause } = decode(body, MAX_BODY_BYTES)?;
        let sent: SendLetter = decode(&cause.body, MAX_BODY_BYTES)?;
        Ok(Self { from, at_unix_ms, body: sent.body })
    }

    /// The word for what it is, `type`.
    ///
    /// # Errors
    /// When it is no body of the contract.
    pub fn kind(&self) -> Result<&str, DecodeError> {
        body::type_of(&self.body, MAX_BODY_BYTES)
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is of another type, or malformed.
    pub fn read_as<T: Body>(&self) -> Result<T, DecodeError> {
        decode(&self.body, MAX_BODY_BYTES)
    }
}

/// The reader of an inbox.
pub(super) struct Inbox {
    pub(super) agent: Agent,
    pub(super) live: Subscription,
    /// The last sequence that the registry knew when the lease was renewed.
    pub(super) known: mpsc::UnboundedReceiver<u64>,
    /// The last sequence that was heard.
    pub(super) heard: u64,
}

impl Inbox {
    /// Reads, until the connection has ended.
    pub(super) async fn read(mut self) {
        loop {
            select! {
                live = self.live.next() => match live {
                    Some(message) => self.take(&message).await,
                    None => return,
                },
                // The last of the inbox may be lost on its way, with nothing after it to show the gap.
                Some(last) = self.known.recv() => if last > self.heard {
                    self.catch_up().await;
                },
            }
        }
    }

    /// A live message: the next, one that was heard, or one after a gap.
    async fn take(&mut self, message: &Message) {
        let number = |name: &str| message.headers.get(name).and_then(|text| text.parse::<u64>().ok());
        match (number(header::SEQUENCE), number(header::LAST_SEQUENCE)) {
            (Some(sequence), _) if sequence <= self.heard => {}
            (Some(sequence), Some(last)) if last <= self.heard => {
                self.heard = sequence;
                self.hear(&message.body);
            }
            _ => self.catch_up().await,
        }
    }

    async fn catch_up(&mut self) {
        loop {
            let agent = self.agent.id().clone();
            let read = ReadInbox { agent, after_sequence: self.heard, limit: MAX_INBOX_PAGE };
            match self.agent.insist::<_, InboxPage>(subject::endpoint("registry", "inbox"), &read, i64::MAX).await {
                Ok(page) => {
                    let more = page.more && !page.entries.is_empty();
                    for entry in page.entries {
                        if entry.sequence > self.heard {
                            self.heard = entry.sequence;
                            self.hear(&entry.body);
                        }
                    }
                    if !more {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(agent = %self.agent.id(), %error, "the inbox cannot be read");
                    self.agent.core.port.sleep_ms(PAUSE_MS).await;
                }
            }
        }
    }

    fn hear(&self, body: &[u8]) {
        let heeded = match body::type_of(body, MAX_CLEARING_BODY_BYTES) {
            Ok(DealNote::TYPE) => decode(body, MAX_BODY_BYTES).map(|note| self.note(note)),
            Ok(DirectMessage::TYPE) => Letter::read(body).map(|letter| {
                if let Some(hear) = &self.agent.core.hears.letters {
                    runtime::spawn(hear(letter));
                }
            }),
            Ok(TaskNote::TYPE) => decode(body, MAX_CLEARING_BODY_BYTES).map(|note| self.agent.hear_of_task(note)),
            // What it doesn't know it doesn't need.
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = heeded {
            tracing::warn!(agent = %self.agent.id(), %error, "an entry of the inbox cannot be read");
        }
    }

    fn note(&self, note: DealNote) {
        let deal = self.agent.deal(&note.deal);
        self.agent.core.deals.hear(&note);
        self.agent.hear_of_payment(&note);
        self.agent.be_invited(&note);
        let agent = self.agent.id().clone();
        match Moves::asked_for(&note, &agent) {
            Some(Moves::Judge) => runtime::spawn(async move { deal.be_judged().await }),
            Some(Moves::Receive) => runtime::spawn(async move { deal.be_received().await }),
            None => {}
        }
    }
}
