//! Fairness between those who ask: one who floods a service waits for himself, and the rest hardly for him.
//!
//! Three rules, for endpoints that can tell who asks. *Admission*: nobody holds more places than are free, so whoever
//! floods fills half of a service, two a third each, and something is always left for one who comes now and then.
//! *Order*: what was admitted waits in a queue for each asker, and the queues take turns; so few are worked on at once
//! that a turn comes soon. *Pace*: each asker has a purse. While anybody else asks, here or at a service beside this one, a
//! question costs one, and eight where it is refused; so many come back a second, and one for each two questions of others;
//! and who has spent all waits. Turns alone would give a flood all of the processor that the others leave, and there are
//! things on the machine that take no turns: the broker, and the agents themselves. Whoever does much because others do,
//! as a market maker does that opens the deals which the parties accept, is not held up; nor is one who is alone.
//!
//! Who asks is what the subject or the signature's header claims. Where a broker lets an agent claim only what is its
//! own, that is who it is; elsewhere the rule holds between those who do not lie.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use schemas::{header, signature::Sender};
use tokio::{
    sync::Notify,
    time::{Duration, Instant, timeout},
};

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
    limit: usize,
    taken: AtomicUsize,
    held: Mutex<HashMap<Arc<str>, usize>>,
}

/// A place, given back when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    holder: Who,
}

impl Places {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), taken: AtomicUsize::new(0), held: Mutex::default() }
    }

    /// How many there are.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// How many are taken now.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, unless none is free or `who` holds as many as are free.
    pub(super) fn take(self: &Arc<Self>, who: &Who) -> Option<Place> {
        let mut held = who.as_ref().map(|who| (self.held(), who));
        let own = held.as_ref().and_then(|(held, who)| held.get(*who).copied()).unwrap_or_default();
        let one_more = |taken| if own < self.limit.saturating_sub(taken) { Some(taken + 1) } else { None };
        self.taken.fetch_update(Relaxed, Relaxed, one_more).ok()?;
        if let Some((held, who)) = &mut held {
            held.insert(Arc::clone(who), own + 1);
        }
        Some(Place { places: Arc::clone(self), holder: who.clone() })
    }
}

impl Place {
    /// Who holds it, where that can be told.
    pub(super) fn holder(&self) -> Who {
        self.holder.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(who) = &self.holder {
            let mut held = self.places.held();
            match held.get_mut(who) {
                Some(own) if *own > 1 => *own -= 1,
                _ => {
                    held.remove(who);
                }
            }
        }
        self.places.taken.fetch_sub(1, Relaxed);
    }
}

/// Who asked lately, at all services that use the same processors. A clone tells of the same.
#[derive(Clone, Debug)]
pub struct Neighbours(Arc<Lately>);

/// The last asker, when it asked, and when anybody else did; times in milliseconds, 0 for never. Whoever reads while
/// others write may take one for another, and that is a question more or less for free.
#[derive(Debug)]
struct Lately {
    begun: Instant,
    last: AtomicU64,
    last_ms: AtomicU64,
    other_ms: AtomicU64,
}

/// How long whoever asked counts as one who asks, in milliseconds.
const ASKS_MS: u64 = 1_000;

impl Default for Neighbours {
    fn default() -> Self {
        let never = AtomicU64::default;
        Self(Arc::new(Lately { begun: Instant::now(), last: never(), last_ms: never(), other_ms: never() }))
    }
}

impl Neighbours {
    fn ms(&self, now: Instant) -> u64 {
        let ms = now.saturating_duration_since(self.0.begun).as_millis();
        u64::try_from(ms).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// `who` asks.
    fn note(&self, who: &str, now: Instant) {
        let who = number_of(who);
        if self.0.last.swap(who, Relaxed) != who {
            self.0.other_ms.store(self.0.last_ms.load(Relaxed), Relaxed);
        }
        self.0.last_ms.store(self.ms(now), Relaxed);
    }

    /// Whether anybody but `who` asked lately.
    fn has_others(&self, who: &str, now: Instant) -> bool {
        let is_last = self.0.last.load(Relaxed) == number_of(who);
        let asked_ms = if is_last { &self.0.other_ms } else { &self.0.last_ms }.load(Relaxed);
        asked_ms > 0 && self.ms(now).saturating_sub(asked_ms) <= ASKS_MS
    }
}

fn number_of(who: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    who.hash(&mut hasher);
    hasher.finish()
}

/// What a full purse holds, in questions: as many may come at once.
const PURSE: i64 = 1_000;
/// What one question costs: purses are counted in thousandths of one, so that each millisecond brings something back.
const QUESTION: i64 = 1_000;
/// What one that is refused costs besides.
const FINE: i64 = 7 * QUESTION;
/// What a question of somebody else's brings back.
const FOR_ANOTHERS: i64 = QUESTION / 2;
/// So many purses are kept before full ones are thrown away: whoever has none has a full one.
const PURSES: usize = 4_096;

/// What an asker may still ask.
struct Purse {
    /// In thousandths of a question; less than nothing where fines are owed, at most a full purse of them.
    left: i64,
    at: Instant,
    /// How many questions of others had been taken by then.
    others: u64,
    /// How many of its own were taken.
    own: u64,
}

impl Purse {
    fn full(now: Instant, taken: u64) -> Self {
        Self { left: PURSE * QUESTION, at: now, others: taken, own: 0 }
    }

    /// Puts in what has come back until now, `taken` being all questions that were ever taken.
    fn fill(&mut self, now: Instant, taken: u64, pace_per_s: u64) {
        let ms = u64::try_from(now.saturating_duration_since(self.at).as_millis()).unwrap_or(u64::MAX);
        let others = taken.saturating_sub(self.own);
        let for_others = number(others.saturating_sub(self.others)).saturating_mul(FOR_ANOTHERS);
        let back = number(ms).saturating_mul(a_millisecond(pace_per_s)).saturating_add(for_others);
        self.left = self.left.saturating_add(back).min(PURSE * QUESTION);
        self.at += Duration::from_millis(ms);
        self.others = others;
    }

    /// Whether it holds the price of a question, which is taken out then. What costs nothing is paid by whoever owes, too.
    fn pay(&mut self, price: i64) -> bool {
        if price > self.left.max(0) {
            return false;
        }
        self.left -= price;
        self.own += 1;
        true
    }

    /// Takes a fine out of it.
    fn fine(&mut self, price: i64) {
        self.left = self.left.saturating_sub(price).max(-PURSE * QUESTION);
    }

    /// How long until it holds the price of one, in milliseconds.
    fn wait_ms(&self, pace_per_s: u64) -> u64 {
        let missing = QUESTION.saturating_sub(self.left).max(0).unsigned_abs();
        missing.div_ceil(a_millisecond(pace_per_s).unsigned_abs()).max(1)
    }
}

/// A count, to be counted in money.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What a millisecond brings back, in thousandths of a question.
fn a_millisecond(pace_per_s: u64) -> i64 {
    number(pace_per_s).saturating_mul(QUESTION / 1_000).max(1)
}

/// The purses of those who ask at a service.
pub(super) struct Purses(Mutex<Spent>);

struct Spent {
    purses: HashMap<Arc<str>, Purse>,
    neighbours: Neighbours,
    /// What comes back into a purse, in questions a second.
    pace_per_s: u64,
    /// How many questions were taken.
    taken: u64,
}

impl Purses {
    fn new(pace_per_s: u64, neighbours: Neighbours) -> Self {
        Self(Mutex::new(Spent { purses: HashMap::new(), neighbours, pace_per_s, taken: 0 }))
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A question of this asker's was refused.
    pub(super) fn fine(&self, who: &str) {
        let mut spent = self.spent();
        let price = spent.price(FINE, who, Instant::now());
        if let Some(purse) = spent.purses.get_mut(who) {
            purse.fine(price);
        }
    }
}

impl Spent {
    /// What something costs that costs so much beside others.
    fn price(&self, price: i64, who: &str, now: Instant) -> i64 {
        if self.neighbours.has_others(who, now) { price } else { 0 }
    }

    /// Has an asker pay for a question; how long it must wait, in milliseconds, where it cannot.
    fn pay(&mut self, who: &Arc<str>, now: Instant) -> Option<u64> {
        let (taken, pace_per_s) = (self.taken, self.pace_per_s);
        if self.purses.len() >= PURSES && !self.purses.contains_key(who) {
            self.purses.retain(|_, purse| {
                purse.fill(now, taken, pace_per_s);
                purse.left < PURSE * QUESTION
            });
        }
        let price = self.price(QUESTION, who, now);
        let purse = self.purses.entry(Arc::clone(who)).or_insert_with(|| Purse::full(now, taken));
        purse.fill(now, taken, pace_per_s);
        (!purse.pay(price)).then(|| purse.wait_ms(pace_per_s))
    }

    /// A question was taken, of this asker's where it is known.
    fn took(&mut self, payer: Option<(&Arc<str>, Instant)>) {
        self.taken += 1;
        if let Some((who, now)) = payer {
            self.neighbours.note(who, now);
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

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
enum Next<T> {
    Item(T),
    /// All who wait have spent all; for so many milliseconds.
    Wait(u64),
    Empty,
}

struct Shared<T> {
    turns: Mutex<Turns<T>>,
    purses: Arc<Purses>,
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

/// A queue with as many lines as there are askers; what an asker spends beside others comes back at this pace.
pub(super) fn queue<T>(pace_per_s: u64, neighbours: Neighbours) -> (Requests<T>, Receiver<T>) {
    let turns = Turns { queues: HashMap::new(), order: VecDeque::new(), closed: false };
    let purses = Arc::new(Purses::new(pace_per_s, neighbours));
    let shared = Arc::new(Shared { turns: Mutex::new(turns), purses, came: Notify::new() });
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
    fn next(&mut self, spent: &mut Spent, now: impl Fn() -> Instant) -> Next<T> {
        let mut wait_ms = None;
        for _ in 0..self.order.len() {
            let Some(who) = self.order.pop_front() else { break };
            // Who cannot be told apart pays nothing.
            let payer = who.as_ref().map(|who| (who, now()));
            // What is left when nobody puts any in is not to be waited for.
            if let Some(ms) = payer.and_then(|(who, now)| spent.pay(who, now)).filter(|_| !self.closed) {
                wait_ms = Some(wait_ms.map_or(ms, |least: u64| least.min(ms)));
                self.order.push_back(who);
                continue;
            }
            let Some(queue) = self.queues.get_mut(&who) else { continue };
            let item = queue.pop_front();
            if item.is_some() {
                spent.took(payer);
            }
            if !queue.is_empty() {
                self.order.push_back(who);
            } else if who.is_some() {
                self.queues.remove(&who);
            }
            if let Some(item) = item {
                return Next::Item(item);
            }
        }
        wait_ms.map_or(Next::Empty, Next::Wait)
    }
}

impl<T> Receiver<T> {
    /// What those who ask may still ask.
    pub(super) fn purses(&self) -> Arc<Purses> {
        Arc::clone(&self.0.purses)
    }

    /// The next one; none once nobody puts any in and all are out.
    pub(super) async fn next(&mut self) -> Option<T> {
        loop {
            let wait_ms = {
                let mut turns = self.0.turns();
                match turns.next(&mut self.0.purses.spent(), Instant::now) {
                    Next::Item(item) => return Some(item),
                    Next::Empty if turns.closed => return None,
                    Next::Empty => None,
                    Next::Wait(ms) => Some(ms),
                }
            };
            let came = self.0.came.notified();
            match wait_ms {
                None => came.await,
                // Whichever is first, it is looked again.
                Some(ms) => {
                    let _ = timeout(Duration::from_millis(ms), came).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str) -> Who {
        Some(Arc::from(name))
    }

    /// What can be had at this time.
    fn take<T>(receiver: &Receiver<T>, now: Instant) -> Next<T> {
        receiver.0.turns().next(&mut receiver.0.purses.spent(), || now)
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
        let (sender, mut receiver) = queue(200, Neighbours::default());
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
        let (sender, receiver) = queue(200, Neighbours::default());
        drop(receiver);
        assert_eq!(sender.send(None, 1), Err(1), "nobody takes any more");
    }

    /// How many of a flood are taken in so many milliseconds, while so many others ask once a millisecond.
    fn taken_of_a_flood(ms: u64, others_per_ms: u64) -> usize {
        let (sender, receiver) = queue(200, Neighbours::default());
        let begun = Instant::now();
        let mut taken = 0;
        for now in 0..ms {
            for n in 0..100 {
                sender.send(who("flood"), true).unwrap();
                if n < others_per_ms {
                    sender.send(who(&format!("calm {n}")), false).unwrap();
                }
            }
            while let Next::Item(is_flood) = take(&receiver, begun + Duration::from_millis(now)) {
                taken += usize::from(is_flood);
            }
        }
        taken
    }

    #[test]
    fn a_flood_is_taken_at_its_pace_beside_others_and_what_they_do_brings_more() {
        assert_eq!(taken_of_a_flood(1_001, 0), 100_100, "who is alone is in nobody's way");
        assert_eq!(taken_of_a_flood(5, 1), 500, "a burst is nobody's harm");
        let beside = taken_of_a_flood(1_001, 3);
        assert!((2_650..=2_750).contains(&beside), "1,000, 200 and one for two of the others': {beside}");
    }

    #[test]
    fn who_is_refused_pays_more_unless_he_is_alone() {
        let neighbours = Neighbours::default();
        let (sender, receiver) = queue(200, neighbours.clone());
        let now = Instant::now();
        let taken = || {
            let mut taken = 0_i64;
            for n in 0..2_000 {
                sender.send(who("flood"), n).unwrap();
            }
            while let Next::Item(_) = take(&receiver, now) {
                taken += 1;
                receiver.purses().fine("flood");
            }
            taken
        };
        assert_eq!(taken(), 2_000, "alone");
        neighbours.note("calm", now);
        assert_eq!(taken(), PURSE / 8);
        receiver.purses().fine("nobody");
    }

    #[test]
    fn whoever_asks_beside_is_a_neighbour_for_a_second() {
        let (neighbours, begun) = (Neighbours::default(), Instant::now());
        let at = |ms| begun + Duration::from_millis(ms);
        assert!(!neighbours.has_others("ann", at(0)));
        for ms in 0..10 {
            neighbours.note("ann", at(ms));
        }
        assert!(!neighbours.has_others("ann", at(10)));
        assert!(neighbours.has_others("bob", at(10)));
        neighbours.clone().note("bob", at(10));
        neighbours.note("ann", at(500));
        assert!(neighbours.has_others("ann", at(1_000)), "bob asked a second ago");
        assert!(!neighbours.has_others("ann", at(1_020)));
        assert!(neighbours.has_others("bob", at(1_020)), "ann asked half a second ago");
    }

    #[test]
    fn purses_that_are_full_again_are_not_kept_and_what_is_left_at_the_end_is_taken_at_once() {
        let neighbours = Neighbours::default();
        let (sender, receiver) = queue(200, neighbours.clone());
        let begun = Instant::now();
        for n in 0..2 * PURSES {
            sender.send(who(&format!("a{n}")), n).unwrap();
            assert_eq!(take(&receiver, begun + Duration::from_millis(n as u64 * 10)), Next::Item(n));
        }
        assert!(receiver.purses().spent().purses.len() <= PURSES);
        for n in 0..2_000 {
            sender.send(who("flood"), n).unwrap();
        }
        let late = begun + Duration::from_secs(3_600);
        neighbours.note("calm", late);
        let taken = std::iter::from_fn(|| matches!(take(&receiver, late), Next::Item(_)).then_some(())).count();
        assert_eq!(taken, 1_000);
        assert!(matches!(take(&receiver, late), Next::Wait(5)), "a question's price comes back in 5 ms");
        drop(sender);
        let rest = std::iter::from_fn(|| matches!(take(&receiver, late), Next::Item(_)).then_some(())).count();
        assert_eq!(rest, 1_000);
    }
}
