//! The keys of agents and cores, folded from the permanent key log.
//!
//! The first to register an id holds it; every later key is signed for by the one before. A core's
//! own first key has no request behind it: the entry is signed by the key itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::body::{DecodeError, decode};
use crate::event::Signed;
use crate::hash::Hash;
use crate::header::{self, Headers};
use crate::id::AgentId;
use crate::limit::MAX_BODY_BYTES;
use crate::registry::{KeyEvent, Register};
use crate::signature::{BadSignature, PublicKey, Sender};
use crate::subject;

/// The core that writes the key log.
pub const REGISTRY: &str = "registry";

/// One message of a log as it is stored: what verifying needs, and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its stream sequence.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// Its headers.
    pub headers: Headers,
    /// Its exact body.
    pub body: Vec<u8>,
}

/// Why an entry of a log is not what it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// The body is no entry of this log.
    #[error("the body cannot be read: {0}")]
    Body(#[from] DecodeError),
    /// A header differs from what the writer writes.
    #[error("the header {0} is not the writer's")]
    Header(&'static str),
    /// The signature does not hold.
    #[error("{0}")]
    Signature(#[from] BadSignature),
    /// The signer's key is not in the key history.
    #[error("{signer} signed with a key that is not in its key history")]
    UnknownKey {
        /// The claimed signer.
        signer: String,
    },
    /// The signer is not who may write this.
    #[error("written by {signer:?}, which may not write it")]
    Writer {
        /// The claimed signer.
        signer: String,
    },
    /// The entry does not follow the one before.
    #[error("{0}")]
    Chain(&'static str),
}

impl LogRecord {
    /// Checks that the headers are the writer's own, and reads the signature's header.
    ///
    /// # Errors
    /// The header at fault.
    pub fn sender(&self, kind: &str) -> Result<Sender, RecordFault> {
        for (name, want) in
            [(header::CONTENT_TYPE, header::MSGPACK), (header::TYPE, kind), (header::SCHEMA, crate::SCHEMA_VERSION)]
        {
            if self.headers.get(name) != Some(want) {
                return Err(RecordFault::Header(name));
            }
        }
        let text = self.headers.get(header::SENDER).ok_or(BadSignature::Missing)?;
        let sender = Sender::parse(text)?;
        sender.verify(&self.subject, &self.body)?;
        Ok(sender)
    }
}

/// Each agent's keys, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keyring {
    agents: BTreeMap<AgentId, History>,
}

/// One agent's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The keys, oldest first.
    pub keys: Vec<PublicKey>,
    /// How many entries its log has.
    pub turns: u32,
    /// The hash of the last.
    pub head: Hash,
}

impl FromIterator<(AgentId, History)> for Keyring {
    fn from_iter<T: IntoIterator<Item = (AgentId, History)>>(histories: T) -> Self {
        Self { agents: histories.into_iter().collect() }
    }
}

impl Keyring {
    /// The key that an agent signs with now.
    #[must_use]
    pub fn current(&self, agent: &str) -> Option<&PublicKey> {
        self.agents.get(agent)?.keys.last()
    }

    /// One agent's history.
    #[must_use]
    pub fn history(&self, agent: &str) -> Option<&History> {
        self.agents.get(agent)
    }

    /// Every agent's history, by agent.
    pub fn histories(&self) -> impl Iterator<Item = (&AgentId, &History)> {
        self.agents.iter()
    }

    /// How many agents there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// Whether a key is, or was, an agent's.
    #[must_use]
    pub fn ever(&self, agent: &str, key: &PublicKey) -> bool {
        self.agents.get(agent).is_some_and(|history| history.keys.contains(key))
    }

    /// Checks that a signature's key is, or was, that of the agent it names.
    ///
    /// # Errors
    /// [`RecordFault::UnknownKey`].
    pub fn check(&self, sender: &Sender) -> Result<(), RecordFault> {
        let signer = sender.name.clone().unwrap_or_default();
        if self.ever(&signer, &sender.user) { Ok(()) } else { Err(RecordFault::UnknownKey { signer }) }
    }

    /// Who signed a message, checked against its bytes and the key history.
    ///
    /// # Errors
    /// What keeps it from being believed.
    pub fn signer_of(&self, signed: &Signed) -> Result<Sender, RecordFault> {
        let sender = signed.signer()?;
        self.check(&sender)?;
        Ok(sender)
    }

    /// Adds the next entry of the key log. An entry that was added before changes nothing.
    ///
    /// # Errors
    /// When the entry is not what it claims to be; the ring is then as before.
    pub fn add(&mut self, record: &LogRecord) -> Result<(), RecordFault> {
        let sender = record.sender(<KeyEvent as crate::body::Message>::TYPE)?;
        let event: KeyEvent = decode(&record.body, MAX_BODY_BYTES)?;
        let hash = Hash::of(&record.body);
        let history = self.agents.get(&event.agent);
        if subject::parse_key_log(&record.subject).ok().as_ref() != Some(&event.agent) {
            return Err(RecordFault::Chain("the subject is another agent's"));
        }
        if history.is_some_and(|h| event.turn < h.turns && h.head == hash) {
            return Ok(());
        }
        let (turns, head) = history.map_or((0, Hash::ZERO), |h| (h.turns, h.head));
        if (event.turn, event.prev) != (turns, head) {
            return Err(RecordFault::Chain("it does not follow the entry before"));
        }
        match &event.cause {
            // A core's own key: signed by the key itself, or by the one before.
            None => {
                let by_itself = sender.name.as_deref() == Some(event.agent.as_str())
                    && history.is_none()
                    && sender.user == event.key;
                let by_former = history.is_some_and(|h| h.keys.last() == Some(&sender.user));
                if !by_itself && !by_former {
                    return Err(RecordFault::Writer { signer: sender.name.unwrap_or_default() });
                }
            }
            Some(cause) => {
                if sender.name.as_deref() != Some(REGISTRY) || !self.ever(REGISTRY, &sender.user) {
                    return Err(RecordFault::Writer { signer: sender.name.unwrap_or_default() });
                }
                let asked = cause.signer()?;
                let register: Register = decode(&cause.body, MAX_BODY_BYTES)?;
                let signer = history.and_then(|h| h.keys.last()).unwrap_or(&register.key);
                if register.agent != event.agent
                    || register.key != event.key
                    || asked.user != *signer
                    || asked.name.as_deref() != Some(event.agent.as_str())
                {
                    return Err(RecordFault::Chain("the signed request asks for something else"));
                }
            }
        }
        let history =
            self.agents.entry(event.agent).or_insert(History { keys: Vec::new(), turns: 0, head: Hash::ZERO });
        history.keys.push(event.key);
        history.turns += 1;
        history.head = hash;
        Ok(())
    }
}
