//! Fairness between those who ask: one who floods a service waits for himself, and the rest hardly for him.
//!
//! Two rules, for endpoints that can tell who asks. *Admission*: nobody holds more places than are free, so whoever
//! floods fills half of a service, two a third each, and something is always left for one who comes now and then.
//! *Order*: what was admitted waits in a queue for each asker, and the queues take turns; so few are worked on at once
//! that a turn comes soon.
//!
//! Who asks is what the subject or the signature's header claims. Where a broker lets an agent claim only what is its
//! own, that is who it is; elsewhere the rule holds between those who do not lie.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use schemas::{header, signature::Sender};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::port::Message;

/// How to tell who asks at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimant {
    /// By this token of the subject, counted from 0.
    Token(usize),
    /// By the name in the signature's header.
    Signer,
}

/// Who asks; nobody in particular where it cannot be told.
pub(super) type Who = Option<Arc<str>>;

impl Claimant {
    pub(super) fn of(self, message: &Message) -> Who {
        match self {
            Self::Token(token) => message.subject.split('.').nth(token).map(Arc::from),
            Self::Signer => {
                let sender = Sender::parse(message.headers.get(header::SENDER)?).ok()?;
                sender.name.map(Arc::from)
            }
        }
    }
}

/// The places of a service, and who holds how many.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    limit: usize,
    held: Mutex<HashMap<Arc<str>, usize>>,
}

/// A place, given back when it is dropped.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    held: Option<(Arc<Places>, Arc<str>)>,
}

impl Places {
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(limit)), limit, held: Mutex::default() }
    }

    /// How many there are.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// How many are taken now.
    pub(super) fn taken(&self) -> usize {
        self.limit.saturating_sub(self.free.available_permits())
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, unless none is free or `who` holds as many as are free.
    pub(super) fn take(self: &Arc<Self>, who: &Who) -> Option<Place> {
        let Some(who) = who else {
            let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
            return Some(Place { _permit: permit, held: None });
        };
        let mut held = self.held();
        let own = held.get(who).copied().unwrap_or_default();
        if own >= self.free.available_permits() {
            return None;
        }
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        held.insert(Arc::clone(who), own + 1);
        Some(Place { _permit: permit, held: Some((Arc::clone(self), Arc::clone(who))) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((places, who)) = self.held.take() else { return };
        let mut held = places.held();
        match held.get_mut(&who) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                held.remove(&who);
            }
        }
    }
}

/// Queues that take turns.
struct Turns<T> {
    queues: HashMap<Who, VecDeque<T>>,
    /// Whose queue has something in it, in the order of their turns.
    order: VecDeque<Who>,
    closed: bool,
}

struct Shared<T> {
    turns: Mutex<Turns<T>>,
    came: Notify,
}

impl<T> Shared<T> {
    fn turns(&self) -> MutexGuard<'_, Turns<T>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where requests are put; the queue ends when the last one is dropped.
pub(super) struct Requests<T>(Arc<Ending<T>>);

struct Ending<T>(Arc<Shared<T>>);

/// Where they come out, each asker's in its order, the askers by turns.
pub(super) struct Receiver<T>(Arc<Shared<T>>);

/// A queue with as many lines as there are askers.
pub(super) fn queue<T>() -> (Requests<T>, Receiver<T>) {
    let turns = Turns { queues: HashMap::new(), order: VecDeque::new(), closed: false };
    let shared = Arc::new(Shared { turns: Mutex::new(turns), came: Notify::new() });
    (Requests(Arc::new(Ending(Arc::clone(&shared)))), Receiver(shared))
}

impl<T> Requests<T> {
    /// Puts one in; gives it back when nobody takes any more.
    pub(super) fn send(&self, who: Who, item: T) -> Result<(), T> {
        let shared = &self.0.0;
        // The receiver and this one are all there are.
        if Arc::strong_count(shared) < 2 {
            return Err(item);
        }
        let mut turns = shared.turns();
        let queue = turns.queues.entry(who.clone()).or_default();
        queue.push_back(item);
        if queue.len() == 1 {
            turns.order.push_back(who);
        }
        drop(turns);
        shared.came.notify_one();
        Ok(())
    }
}

impl<T> Drop for Ending<T> {
    fn drop(&mut self) {
        self.0.turns().closed = true;
        self.0.came.notify_one();
    }
}

impl<T> Turns<T> {
    fn next(&mut self) -> Option<T> {
        let who = self.order.pop_front()?;
        let queue = self.queues.get_mut(&who)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&who);
        } else {
            self.order.push_back(who);
        }
        item
    }
}

impl<T> Receiver<T> {
    /// The next one; none once nobody puts any in and all are out.
    pub(super) async fn next(&mut self) -> Option<T> {
        loop {
            {
                let mut turns = self.0.turns();
                if let Some(item) = turns.next() {
                    return Some(item);
                }
                if turns.closed {
                    return None;
                }
            }
            self.0.came.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str) -> Who {
        Some(Arc::from(name))
    }

    #[test]
    fn nobody_holds_more_places_than_are_free() {
        let places = Arc::new(Places::new(100));
        let fill = |name: &str| {
            let mut held = Vec::new();
            while let Some(place) = places.take(&who(name)) {
                held.push(place);
            }
            held
        };
        let first = fill("first");
        assert_eq!(first.len(), 50);
        let second = fill("second");
        assert_eq!(second.len(), 25);
        assert!(places.take(&who("third")).is_some());
        drop(first);
        assert_eq!(fill("second").len(), 25, "50 in all, where 50 are free");
        assert!(places.held().get("first").is_none(), "nobody is remembered who holds nothing");
        let nobody: Vec<_> = std::iter::from_fn(|| places.take(&None)).collect();
        assert_eq!(nobody.len(), 75, "who cannot be told apart takes what there is");
    }

    #[tokio::test]
    async fn queues_take_turns_and_keep_their_order() {
        let (sender, mut receiver) = queue();
        for n in 0..5 {
            sender.send(who("flood"), format!("flood {n}")).unwrap();
        }
        sender.send(who("calm"), "calm 0".to_owned()).unwrap();
        sender.send(None, "nobody 0".to_owned()).unwrap();
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(receiver.next().await.unwrap());
        }
        assert_eq!(seen, ["flood 0", "calm 0", "nobody 0", "flood 1"]);
        sender.send(who("calm"), "calm 1".to_owned()).unwrap();
        drop(sender);
        let mut rest = Vec::new();
        while let Some(item) = receiver.next().await {
            rest.push(item);
        }
        assert_eq!(rest, ["flood 2", "calm 1", "flood 3", "flood 4"]);
        let (sender, receiver) = queue();
        drop(receiver);
        assert_eq!(sender.send(None, 1), Err(1), "nobody takes any more");
    }
}
