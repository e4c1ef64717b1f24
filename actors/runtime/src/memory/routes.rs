//! Who hears what: subscriptions by subject, queue groups taking turns.

use std::collections::{BTreeMap, HashMap};

use tokio::sync::mpsc;

use super::log::is_pattern;
use crate::port::{Message, wire};

/// All subscriptions. Those without wildcards, which are nearly all, are found by their subject.
#[derive(Debug, Default)]
pub(super) struct Routes {
    exact: HashMap<String, BTreeMap<u64, Listener>>,
    patterns: BTreeMap<u64, (String, Listener)>,
    /// Whose turn it is, by subject pattern and queue.
    turns: HashMap<(String, String), u64>,
    next_id: u64,
}

#[derive(Clone, Debug)]
struct Listener {
    queue: Option<String>,
    to: mpsc::UnboundedSender<Message>,
}

impl Routes {
    pub(super) fn add(&mut self, subject: &str, queue: Option<&str>) -> (u64, mpsc::UnboundedReceiver<Message>) {
        self.next_id = self.next_id.saturating_add(1);
        let (to, from) = mpsc::unbounded_channel();
        let listener = Listener { queue: queue.map(str::to_owned), to };
        if is_pattern(subject) {
            self.patterns.insert(self.next_id, (subject.to_owned(), listener));
        } else {
            self.exact.entry(subject.to_owned()).or_default().insert(self.next_id, listener);
        }
        (self.next_id, from)
    }

    pub(super) fn remove(&mut self, subject: &str, id: u64) {
        self.patterns.remove(&id);
        if let Some(listeners) = self.exact.get_mut(subject) {
            listeners.remove(&id);
            if listeners.is_empty() {
                self.exact.remove(subject);
            }
        }
    }

    /// Hands a message to everyone who listens, and to one of each queue; how many that were.
    pub(super) fn deliver(&mut self, message: &Message) -> usize {
        let exact = self.exact.get(&message.subject).into_iter().flatten();
        let exact = exact.map(|(id, listener)| (*id, message.subject.as_str(), listener));
        let patterns = self.patterns.iter().filter(|(_, (pattern, _))| wire::matches(pattern, &message.subject));
        let patterns = patterns.map(|(id, (pattern, listener))| (*id, pattern.as_str(), listener));
        let mut heard = 0_usize;
        let mut queues: BTreeMap<(&str, &str), BTreeMap<u64, &Listener>> = BTreeMap::new();
        for (id, pattern, listener) in exact.chain(patterns) {
            match &listener.queue {
                Some(queue) => {
                    queues.entry((pattern, queue)).or_default().insert(id, listener);
                }
                None => heard = heard.saturating_add(usize::from(listener.to.send(message.clone()).is_ok())),
            }
        }
        for ((pattern, queue), members) in queues {
            let turn = self.turns.entry((pattern.to_owned(), queue.to_owned())).or_default();
            let next = members.range(turn.saturating_add(1)..).next().or_else(|| members.iter().next());
            if let Some((id, listener)) = next {
                *turn = *id;
                heard = heard.saturating_add(usize::from(listener.to.send(message.clone()).is_ok()));
            }
        }
        heard
    }
}
