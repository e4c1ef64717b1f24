//! Subjects that a host hears for all its peers: one subscription for each pattern, and a table of who hears what below it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use actix::{Addr, prelude::SendError};
use tracing::warn;

use super::actor::{Heard, PeerActor};
use crate::port::{Message, wire};

/// Everything that a host hears for its peers.
#[derive(Default)]
pub(super) struct Shared {
    patterns: RwLock<Vec<Arc<Pattern>>>,
}

/// What is heard on one subscription.
pub(super) struct Pattern {
    pattern: String,
    listeners: Mutex<Listeners>,
}

/// By subject, the peers that hear it, each with its number.
type Listeners = HashMap<Arc<str>, Vec<(usize, Addr<PeerActor>)>>;

impl Shared {
    /// Has peers that subscribe from now on to what this pattern covers hear it here.
    pub(super) fn add(&self, pattern: &str) -> Arc<Pattern> {
        let pattern = Arc::new(Pattern { pattern: pattern.to_owned(), listeners: Mutex::default() });
        self.patterns.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&pattern));
        pattern
    }

    /// Has a peer hear a subject, if a pattern covers it. Patterns among subjects are the broker's to match.
    pub(super) fn listen(&self, subject: &str, number: usize, peer: &Addr<PeerActor>) -> Option<Listening> {
        if !wire::is_subject(subject, false) {
            return None;
        }
        let patterns = self.patterns.read().unwrap_or_else(PoisonError::into_inner);
        let pattern = patterns.iter().find(|shared| wire::matches(&shared.pattern, subject))?;
        let subject: Arc<str> = subject.into();
        // Most subjects are one peer's: their lists have a place for one.
        let mut listeners = pattern.listeners();
        let peers = listeners.entry(Arc::clone(&subject)).or_insert_with(|| Vec::with_capacity(1));
        peers.push((number, peer.clone()));
        drop(listeners);
        Some(Listening { pattern: Arc::clone(pattern), subject, number })
    }
}

impl Pattern {
    /// Hands a message to everyone who hears its subject, unless too much waits for them already.
    pub(super) fn deliver(&self, message: &Message) {
        let listeners = self.listeners();
        for (_, peer) in listeners.get(message.subject.as_str()).into_iter().flatten() {
            if let Err(SendError::Full(_)) = peer.try_send(Heard(message.clone())) {
                warn!(subject = message.subject, "a peer is too slow and lost a message");
            }
        }
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That a peer hears a subject; no longer when it is dropped.
pub(super) struct Listening {
    pattern: Arc<Pattern>,
    subject: Arc<str>,
    number: usize,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut listeners = self.pattern.listeners();
        let Some(peers) = listeners.get_mut(&self.subject) else { return };
        peers.retain(|(number, _)| *number != self.number);
        if peers.is_empty() {
            listeners.remove(&self.subject);
        }
    }
}
