//! The registry on the bus: keys and leases, and the way into and out of inboxes.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use registry::{Registration, is_own};
use runtime::{
    journal::{Keys, sign},
    port::{AppendError, Message, Port, ReadError, Record},
    service::{Answer, Handler},
};
use schemas::{
    body::{Message as _, decode, encode},
    core::Call,
    error::{Code, ErrorReply},
    header::{self, Headers},
    limit::MAX_BODY_BYTES,
    registry::{
        AgentRecord, DirectMessage, Done, Find, Found, InboxEntry, InboxPage, KeyEvent, Leave, ReadInbox, Register,
        Registered, Send,
    },
    signature::Signer,
    stream, subject,
};

use super::{answer, bad_subject, unknown_verb};

/// The registry's endpoints, beside `hello`.
pub const VERBS: [&str; 5] = ["register", "leave", "find", "send", "inbox"];
/// Room that an answer leaves for what stands around its entries, in bytes.
const ENVELOPE_BYTES: usize = 64 * 1024;

/// Answers the registry's endpoints that need the bus.
#[derive(Clone)]
pub struct RegistryService {
    port: Arc<dyn Port>,
    keys: Keys,
    signer: Arc<Signer>,
}

impl RegistryService {
    /// A registry that signs key events as `registry`.
    pub fn new(port: Arc<dyn Port>, keys: Keys, signer: Signer) -> Self {
        Self { port, keys, signer: Arc::new(signer) }
    }

    /// `registry.register`: takes an id, renews a lease, or changes a key.
    async fn register(&self, message: Message, call: Call) -> schemas::core::Answer {
        let ask: Register = decode(&message.body, MAX_BODY_BYTES)?;
        let (sender, signed) = Keys::signature(&message)?;
        let mut history = self.keys.look(|ring| ring.history(ask.agent.as_str()).cloned());
        let mut expect = None;
        // Twice at most: a second registrar may have written the key just now.
        for _ in 0..2 {
            let Registration { key_event, record } =
                registry::register(&ask, &sender, &signed, history.as_ref(), &call)?;
            let Some((log, body)) = key_event else { return self.lease(record, ask.lease_ms).await };
            let Some(last) = expect else {
                // What is known of the agent may be old: a new key is only written on what was just read.
                let read = self.keys.refresh(&ask.agent).await.map_err(unreadable)?;
                expect = Some(read.as_ref().map_or(0, |(_, last)| *last));
                history = read.map(|(history, _)| history);
                continue;
            };
            let headers = sign(&self.signer, &log, KeyEvent::TYPE, &body, call.now_unix_ms);
            let entry = Record::new(log, body).with_headers(headers).expecting(last);
            self.port.append(stream::DEALS, vec![entry]).await.map_err(|error| match error {
                AppendError::Conflict => ErrorReply::new(Code::Busy, "somebody else is registering this id; ask again"),
                other => unwritten(other),
            })?;
            return self.lease(record, ask.lease_ms).await;
        }
        Err(ErrorReply::new(Code::Busy, "somebody else is registering this id; ask again"))
    }

    async fn lease(&self, record: AgentRecord, lease_ms: i64) -> schemas::core::Answer {
        let value = serde_json::to_vec(&record).map_err(|error| ErrorReply::new(Code::Internal, error.to_string()))?;
        let ttl_ms = u64::try_from(lease_ms).ok();
        let inbox = subject::inbox(&record.agent);
        let (put, last) = futures::join!(
            self.port.kv_put(stream::AGENTS, record.agent.as_str(), Bytes::from(value), ttl_ms),
            self.port.last(stream::INBOX, &inbox),
        );
        put.map_err(unwritten)?;
        let registered = Registered {
            agent: record.agent,
            lease_until_unix_ms: record.lease_until_unix_ms,
            inbox_sequence: last.map_err(unreadable)?.map_or(0, |stored| stored.sequence),
        };
        Ok((Registered::TYPE, encode(&registered)))
    }

    /// `registry.leave`: ends a lease.
    async fn leave(&self, message: Message, call: Call) -> schemas::core::Answer {
        let ask: Leave = decode(&message.body, MAX_BODY_BYTES)?;
        let (sender, _) = self.keys.check(&message).await?;
        is_own(&ask.agent, &sender, &call)?;
        self.port.kv_delete(stream::AGENTS, ask.agent.as_str()).await.map_err(unwritten)?;
        Ok((Done::TYPE, encode(&Done {})))
    }

    /// `registry.find`: who is here?
    async fn find(&self, message: Message, _: Call) -> schemas::core::Answer {
        let ask: Find = decode(&message.body, MAX_BODY_BYTES)?;
        let entries = match &ask.agent {
            Some(agent) => {
                self.port.kv_get(stream::AGENTS, agent.as_str()).await.map(|entry| entry.into_iter().collect())
            }
            None => self.port.kv_list(stream::AGENTS).await,
        };
        let entries: Vec<_> = entries.map_err(unreadable)?;
        let mut agents: Vec<AgentRecord> =
            entries.iter().filter_map(|entry| serde_json::from_slice(&entry.value).ok()).collect();
        agents.retain(|agent| ask.capability.as_ref().is_none_or(|wanted| agent.capabilities.contains(wanted)));
        agents.sort_by(|a, b| a.agent.cmp(&b.agent));
        let total = u32::try_from(agents.len()).unwrap_or(u32::MAX);
        let mut room = MAX_BODY_BYTES - ENVELOPE_BYTES;
        let fitting = agents.iter().take_while(|agent| take(&mut room, encode(*agent).len())).count();
        agents.truncate(fitting);
        Ok((Found::TYPE, encode(&Found { agents, total })))
    }

    /// `registry.send`: puts a message into an agent's inbox.
    async fn send(&self, message: Message, call: Call) -> schemas::core::Answer {
        let ask: Send = decode(&message.body, MAX_BODY_BYTES)?;
        let (sender, signed) = self.keys.check(&message).await?;
        let from: schemas::AgentId = sender
            .name
            .as_deref()
            .unwrap_or_default()
            .parse()
            .map_err(|bad: schemas::id::BadName| ErrorReply::new(Code::Unsigned, bad.to_string()))?;
        is_own(&from, &sender, &call)?;
        if self.keys.look(|ring| ring.current(ask.to.as_str()).is_none())
            && self.keys.refresh(&ask.to).await.map_err(unreadable)?.is_none()
        {
            return Err(ErrorReply::new(Code::Unknown, format!("nobody has registered as {}", ask.to)).at_field("to"));
        }
        let once = format!("{from}/{}", ask.move_id);
        let body = encode(&DirectMessage { from, at_unix_ms: call.now_unix_ms, cause: signed });
        let headers = Headers::of_type(DirectMessage::TYPE).with(header::MESSAGE_ID, once);
        self.port
            .append(stream::INBOX, vec![Record::new(subject::inbox(&ask.to), body).with_headers(headers)])
            .await
            .map_err(unwritten)?;
        Ok((Done::TYPE, encode(&Done {})))
    }

    /// `registry.inbox`: a page of an agent's own inbox.
    async fn inbox(&self, message: Message, call: Call) -> schemas::core::Answer {
        let ask: ReadInbox = decode(&message.body, MAX_BODY_BYTES)?;
        let (sender, _) = self.keys.check(&message).await?;
        is_own(&ask.agent, &sender, &call)?;
        let stored =
            self.port.read(stream::INBOX, &subject::inbox(&ask.agent), ask.after_sequence).await.map_err(unreadable)?;
        let all = stored.len();
        let mut room = MAX_BODY_BYTES - ENVELOPE_BYTES;
        let entries: Vec<InboxEntry> = stored
            .into_iter()
            .take(usize::try_from(ask.limit).unwrap_or(usize::MAX))
            .take_while(|stored| take(&mut room, stored.body.len()))
            .map(|stored| InboxEntry { sequence: stored.sequence, body: stored.body.to_vec() })
            .collect();
        let more = entries.len() < all;
        Ok((InboxPage::TYPE, encode(&InboxPage { entries, more })))
    }
}

#[async_trait]
impl Handler for RegistryService {
    async fn answer(&self, message: Message, call: Call) -> Result<Answer, ErrorReply> {
        let verb = subject::parse_endpoint(&message.subject).map_err(bad_subject)?.1.to_owned();
        answer(match verb.as_str() {
            "register" => self.register(message, call).await,
            "leave" => self.leave(message, call).await,
            "find" => self.find(message, call).await,
            "send" => self.send(message, call).await,
            "inbox" => self.inbox(message, call).await,
            other => return Err(unknown_verb(other)),
        })
    }
}

/// Takes `bytes` out of the room that is left, if it fits.
fn take(room: &mut usize, bytes: usize) -> bool {
    match room.checked_sub(bytes) {
        Some(left) => {
            *room = left;
            true
        }
        None => false,
    }
}

fn unreadable(error: ReadError) -> ErrorReply {
    ErrorReply::new(Code::Internal, error.to_string())
}

fn unwritten(error: AppendError) -> ErrorReply {
    ErrorReply::new(Code::Internal, error.to_string())
}
