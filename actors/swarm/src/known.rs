//! Whose key it is: what the registry says of agents, remembered for a minute.

use std::sync::Arc;

use quick_cache::sync::Cache;
use runtime::port::{Message, Port};
use schemas::registry::{Find, Found};
use schemas::signature::{PublicKey, Sender};
use schemas::{AgentId, header, subject};

use crate::voice;

/// How long the registry may take to say whose key it is, in milliseconds.
const REGISTRY_MS: u64 = 3_000;
/// How long what it says of a key holds: of one that is the agent's, and of one that is not, in milliseconds. The agent may
/// be about to register it.
const HOLDS_MS: i64 = 60_000;
const HOLDS_NOT_MS: i64 = 1_000;
/// Agents whose keys are remembered; beyond that those asked for least are forgotten.
const MOST: usize = 10_000;

/// The keys of agents, as far as they were asked for.
pub(crate) struct Keys {
    port: Arc<dyn Port>,
    /// Agents with their keys, if the registry knows one, and when that was said.
    said: Cache<AgentId, (Option<PublicKey>, i64)>,
}

impl Keys {
    pub(crate) fn new(port: Arc<dyn Port>) -> Self {
        Self { port, said: Cache::new(MOST) }
    }

    /// The agent that sent a message, if it is signed by one of this bus, with its key, and not long before it came.
    pub(crate) async fn sender_of(&self, message: &Message, came_unix_ms: i64) -> Option<AgentId> {
        let sender = Sender::parse(message.headers.get(header::SENDER)?).ok()?;
        sender.check_fresh(came_unix_ms).ok()?;
        sender.verify(&message.subject, &message.body).ok()?;
        let agent = AgentId::parse(sender.name.as_deref()?).ok()?;
        self.holds(&agent, &sender.user).await.then_some(agent)
    }

    /// Whether this is the agent's key, as the registry says. One that does not answer says that it is not.
    pub(crate) async fn holds(&self, agent: &AgentId, key: &PublicKey) -> bool {
        let now_unix_ms = self.port.now_unix_ms();
        if let Some((known, said_unix_ms)) = self.said.get(agent) {
            let holds = known.as_ref() == Some(key);
            if now_unix_ms.saturating_sub(said_unix_ms) <= if holds { HOLDS_MS } else { HOLDS_NOT_MS } {
                return holds;
            }
        }
        let find = Find { agent: Some(agent.clone()), capability: None };
        let ask = voice::plain(subject::endpoint("registry", "find"), &find);
        match voice::ask::<Found>(self.port.as_ref(), ask, REGISTRY_MS).await {
            Ok(found) => {
                let known = found.agents.into_iter().find(|record| record.agent == *agent).map(|record| record.key);
                let holds = known.as_ref() == Some(key);
                self.said.insert(agent.clone(), (known, now_unix_ms));
                holds
            }
            Err(error) => {
                tracing::warn!(%agent, %error, "cannot ask for the key of an agent");
                false
            }
        }
    }
}
