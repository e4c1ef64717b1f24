//! Every agent's key, folded from the permanent key log as it grows.

use std::sync::{Arc, RwLock};

use futures::StreamExt;
use schemas::{
    error::{Code, ErrorReply},
    event::Signed,
    header,
    id::AgentId,
    keyring::{History, Keyring, LogRecord},
    signature::Sender,
    stream, subject,
};

use crate::port::{Followed, Message, Port, ReadError, Start, Stored};

/// How often a key log is read that whoever answers doesn't know to its end, and the pause between, in milliseconds.
const ATTEMPTS: u32 = 4;
const PAUSE_MS: u64 = 50;

/// The keys of everybody on the bus.
#[derive(Clone)]
pub struct Keys {
    port: Arc<dyn Port>,
    ring: Arc<RwLock<Keyring>>,
}

impl Keys {
    /// Reads the key log to its end and keeps following it.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn follow(port: Arc<dyn Port>) -> Result<Self, ReadError> {
        let keys = Self { port: port.clone(), ring: Arc::default() };
        let mut log = port.follow(stream::DEALS, &[subject::all_key_logs()], Start::All).await?;
        while let Some(Followed::Entry(stored)) = log.next().await {
            keys.add(stored);
        }
        let growing = keys.clone();
        tokio::spawn(async move {
            while let Some(item) = log.next().await {
                if let Followed::Entry(stored) = item {
                    growing.add(stored);
                }
            }
        });
        Ok(keys)
    }

    fn add(&self, stored: Stored) {
        let record = LogRecord::from(stored);
        // A poisoned lock holds a ring that is still whole: entries are added in one step.
        let mut ring = self.ring.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Err(fault) = ring.add(&record) {
            tracing::warn!(sequence = record.sequence, subject = record.subject, %fault, "an entry of the key log was skipped");
        }
    }

    /// Looks at the keys known so far.
    pub fn look<T>(&self, at: impl FnOnce(&Keyring) -> T) -> T {
        at(&self.ring.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Reads what an agent's key log holds now, without waiting for the follower.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn refresh(&self, agent: &AgentId) -> Result<Option<(History, u64)>, ReadError> {
        let stored = self.port.read(stream::DEALS, &subject::key_log(agent), 0).await?;
        let last = stored.last().map_or(0, |stored| stored.sequence);
        for entry in stored {
            self.add(entry);
        }
        Ok(self.look(|ring| ring.history(agent.as_str()).cloned()).map(|history| (history, last)))
    }

    /// Checks that a message is signed over its exact bytes and subject, by anybody.
    ///
    /// # Errors
    /// 401.
    pub fn signature(message: &Message) -> Result<(Sender, Signed), ErrorReply> {
        let unsigned = |reason: String| ErrorReply::new(Code::Unsigned, reason).at_field(header::SENDER);
        let text =
            message.headers.get(header::SENDER).ok_or_else(|| unsigned("the header Agent-Sender is missing".into()))?;
        let sender = Sender::parse(text).map_err(|bad| unsigned(bad.to_string()))?;
        sender.verify(&message.subject, &message.body).map_err(|bad| unsigned(bad.to_string()))?;
        let signed = Signed { subject: message.subject.clone(), sender: text.to_owned(), body: message.body.to_vec() };
        Ok((sender, signed))
    }

    /// Checks that a message is signed by the agent that its signature names, with that agent's key.
    ///
    /// # Errors
    /// 401; 500 when the key log cannot be read.
    pub async fn check(&self, message: &Message) -> Result<(Sender, Signed), ErrorReply> {
        let (sender, signed) = Self::signature(message)?;
        let unsigned = |reason: String| ErrorReply::new(Code::Unsigned, reason).at_field(header::SENDER);
        let name: AgentId =
            sender.name.as_deref().unwrap_or_default().parse().map_err(|bad| unsigned(format!("name: {bad}")))?;
        let is_current = |ring: &Keyring| ring.current(name.as_str()) == Some(&sender.user);
        if self.look(is_current) {
            return Ok((sender, signed));
        }
        // The follower may be behind: an agent moves right after it registered. And so may be whoever answers in its
        // place, so it is no before that was all.
        let unreadable = |error: ReadError| ErrorReply::new(Code::Internal, error.to_string());
        let mut lags = true;
        for _ in 0..ATTEMPTS {
            let read = self.refresh(&name).await.map_err(unreadable)?.map_or(0, |(_, last)| last);
            if self.look(is_current) {
                return Ok((sender, signed));
            }
            lags = self.port.newest(stream::DEALS, &subject::key_log(&name)).await.map_err(unreadable)? > read;
            if !lags {
                break;
            }
            self.port.sleep_ms(PAUSE_MS).await;
        }
        if lags {
            return Err(ErrorReply::new(Code::Internal, format!("{name}: its key log cannot be read to its end")));
        }
        let known = self.look(|ring| ring.current(name.as_str()).is_some());
        let reason = if known { "signed with another key than the agent's" } else { "the agent is not registered" };
        Err(unsigned(format!("{name}: {reason}")))
    }
}

impl From<Stored> for LogRecord {
    fn from(stored: Stored) -> Self {
        Self { sequence: stored.sequence, subject: stored.subject, headers: stored.headers, body: stored.body.to_vec() }
    }
}
