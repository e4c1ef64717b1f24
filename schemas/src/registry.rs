//! Who is here: keys and their history, leases, capabilities, and messages to an agent's inbox.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::Refused;
use crate::deal::check_text;
use crate::event::Signed;
use crate::hash::{self, Hash};
use crate::id::{AgentId, MoveId};
use crate::limit::{MAX_GOODS, MAX_INBOX_PAGE, MAX_LEASE_MS};
use crate::signature::PublicKey;
use crate::value::PartyKind;

/// Asks `registry.hello`, unsigned: what does a newcomer need to know?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "registry.hello")]
pub struct Hello {}
crate::message!(Hello, "registry.hello");

/// The answer to [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "registry.welcome")]
pub struct Welcome {
    /// The account that `Agent-Sender` headers name.
    pub account: PublicKey,
    /// The version of the wire contract.
    pub schema: String,
    /// The registry's clock, in Unix milliseconds.
    pub now_unix_ms: i64,
    /// Largest body that endpoints read, in bytes.
    pub max_body_bytes: u32,
}
crate::message!(Welcome, "registry.welcome");

/// Registers an agent, or renews its lease: a signed request to `registry.register`. The first to
/// come holds the id; a new key must be signed for by the old one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "registry.register")]
pub struct Register {
    /// The agent.
    pub agent: AgentId,
    /// Its key from now on.
    pub key: PublicKey,
    /// What kind of party it is.
    #[serde(default)]
    pub kind: PartyKind,
    /// What it can do, for others to find.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Subjects that it answers on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// How long it counts as here without renewing, in milliseconds.
    pub lease_ms: i64,
}
crate::message!(Register, "registry.register", |register| {
    if !(1..=MAX_LEASE_MS).contains(&register.lease_ms) {
        return Err(Refused::new("lease_ms", format!("1 to {MAX_LEASE_MS} ms")));
    }
    for (field, list) in [("capabilities", &register.capabilities), ("subjects", &register.subjects)] {
        if list.len() > MAX_GOODS {
            return Err(Refused::new(field, format!("at most {MAX_GOODS} entries")));
        }
        list.iter().enumerate().try_for_each(|(index, text)| check_text(text, &format!("{field}[{index}]")))?;
    }
    Ok(())
});

/// The answer to [`Register`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "registry.registered")]
pub struct Registered {
    /// The agent.
    pub agent: AgentId,
    /// When its lease ends, in Unix milliseconds.
    pub lease_until_unix_ms: i64,
    /// The last sequence of its inbox: what comes after is new.
    pub inbox_sequence: u64,
}
crate::message!(Registered, "registry.registered");

/// Leaves: a signed request to `registry.leave`. The key history stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "registry.leave")]
pub struct Leave {
    /// The agent.
    pub agent: AgentId,
}
crate::message!(Leave, "registry.leave");

/// Nothing more to say than that it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "done")]
pub struct Done {}
crate::message!(Done, "done");

/// An agent as the bucket `HMS_AGENTS` shows it, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "agent")]
pub struct AgentRecord {
    /// The agent.
    pub agent: AgentId,
    /// Its key.
    pub key: PublicKey,
    /// What kind of party it is.
    #[serde(default)]
    pub kind: PartyKind,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Subjects that it answers on.
    #[serde(default)]
    pub subjects: Vec<String>,
    /// When its lease ends, in Unix milliseconds.
    pub lease_until_unix_ms: i64,
}
crate::message!(AgentRecord, "agent");

/// Asks `registry.find`: who is here?
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "registry.find")]
pub struct Find {
    /// This agent only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Those with this capability only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
}
crate::message!(Find, "registry.find");

/// The answer to [`Find`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "registry.found")]
pub struct Found {
    /// The agents, by id; no more than fit a body.
    pub agents: Vec<AgentRecord>,
    /// How many there are in all.
    pub total: u32,
}
crate::message!(Found, "registry.found");

/// One entry of an agent's permanent key history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "key.event")]
pub struct KeyEvent {
    /// The agent, or the core.
    pub agent: AgentId,
    /// The entry's number; the first is 0.
    pub turn: u32,
    /// SHA-256 of the exact body of the entry before; zeros for the first.
    pub prev: Hash,
    /// When, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// The key from now on.
    pub key: PublicKey,
    /// The signed request: by the key itself for the first, by the one before for the others. Left
    /// out for a core's own key, where the entry is signed by the key itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Signed>,
}
crate::message!(KeyEvent, "key.event");

/// Sends a message to an agent's durable inbox: a signed request to `registry.send`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "registry.send")]
pub struct Send {
    /// Makes asking again safe: the inbox takes it once within two minutes.
    pub move_id: MoveId,
    /// To whom.
    pub to: AgentId,
    /// The body, of whatever type the two understand.
    #[serde(with = "hash::bytes")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub body: Vec<u8>,
}
crate::message!(Send, "registry.send");

/// A message from an agent, as the inbox keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "note.message")]
pub struct DirectMessage {
    /// From whom.
    pub from: AgentId,
    /// When, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// The signed request that sent it.
    pub cause: Signed,
}
crate::message!(DirectMessage, "note.message");

/// Reads an own inbox: a signed request to `registry.inbox`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "registry.inbox")]
pub struct ReadInbox {
    /// Whose.
    pub agent: AgentId,
    /// Only what came after this sequence.
    pub after_sequence: u64,
    /// At most this many.
    #[schemars(range(min = 1, max = 256))]
    pub limit: u32,
}
crate::message!(ReadInbox, "registry.inbox", |read| {
    if (1..=MAX_INBOX_PAGE).contains(&read.limit) {
        Ok(())
    } else {
        Err(Refused::new("limit", format!("1 to {MAX_INBOX_PAGE}")))
    }
});

/// One entry of an inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InboxEntry {
    /// Its sequence in `HMS_INBOX`.
    pub sequence: u64,
    /// The exact body.
    #[serde(with = "hash::bytes")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub body: Vec<u8>,
}

/// The answer to [`ReadInbox`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "registry.page")]
pub struct InboxPage {
    /// The entries, oldest first.
    pub entries: Vec<InboxEntry>,
    /// Whether there are more.
    pub more: bool,
}
crate::message!(InboxPage, "registry.page");
