//! What a process hears, in the weather: messages, the records of a stream, work, and how an election went.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{Stream, StreamExt, stream};
use tokio::{
    sync::{Mutex, mpsc},
    time::{Instant, sleep, sleep_until},
};

use super::{
    Deposed, Fault, Held, Operation,
    exposed::{Exposed, HELD_UP_MS},
};
use crate::port::{
    Acker, Candidacy, Follow, Followed, Job, Message, OfficeSpec, Port as _, ReadError, Standing, Subscription,
    Verdict, Work,
};

/// How long an office stays with a process that died, in milliseconds.
pub(super) const OFFICE_MS: u64 = 3_000;
/// How long a slow consumer loses what comes, or lags behind, in milliseconds.
const SLOW_MS: (u64, u64) = (50, 4_000);

/// A message that is under way: when it arrives, in which order it was sent, and what it is.
struct Arriving {
    at: Instant,
    number: u64,
    message: Message,
}

impl PartialEq for Arriving {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}
impl Eq for Arriving {}
impl PartialOrd for Arriving {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Arriving {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// A subscription in the weather.
pub(super) struct Listening {
    own: Exposed,
    /// Gone once it ended.
    inner: Option<Subscription>,
    under_way: BinaryHeap<Reverse<Arriving>>,
    sent: u64,
    /// What is sent now arrives no sooner than what was sent before.
    in_order: Instant,
    deaf_until: Instant,
}

impl Listening {
    pub(super) fn to(own: Exposed, inner: Subscription) -> Self {
        let now = Instant::now();
        Self { own, inner: Some(inner), under_way: BinaryHeap::new(), sent: 0, in_order: now, deaf_until: now }
    }

    pub(super) fn messages(self) -> impl Stream<Item = Message> + Send {
        stream::unfold(self, |mut listening| async move { listening.next().await.map(|message| (message, listening)) })
    }

    async fn next(&mut self) -> Option<Message> {
        loop {
            let first = self.under_way.peek().map(|Reverse(arriving)| arriving.at);
            if self.inner.is_none() && first.is_none() {
                return None;
            }
            tokio::select! {
                biased;
                () = self.own.life.over() => {
                    // The server notices that a connection is gone.
                    self.inner = None;
                    std::future::pending::<()>().await;
                }
                () = until(first) => {
                    if let Some(Reverse(arriving)) = self.under_way.pop() {
                        return Some(arriving.message);
                    }
                }
                message = next_of(&mut self.inner) => match message {
                    Some(message) => self.send(message),
                    None => self.inner = None,
                },
            }
        }
    }

    /// Sends a message on its way, or loses it.
    fn send(&mut self, message: Message) {
        let now = Instant::now();
        if now < self.deaf_until || self.own.sky.cut_off_until(self.own.process).is_some() {
            return;
        }
        let (mut dice, fault) = self.own.sky.draw(self.own.process, &self.own.name, Operation::Hear, &message.subject);
        match fault {
            Some(Fault::Lost) => return,
            Some(Fault::Slow) => {
                self.deaf_until = now + Duration::from_millis(dice.between(SLOW_MS.0, SLOW_MS.1));
                return;
            }
            _ => {}
        }
        let mut at = now + self.own.sky.latency(&mut dice);
        if fault == Some(Fault::Overtaken) {
            at += Duration::from_millis(dice.between(HELD_UP_MS.0, HELD_UP_MS.1));
        } else {
            at = at.max(self.in_order);
            self.in_order = at;
        }
        if fault == Some(Fault::Doubled) {
            self.arrive(at + self.own.sky.latency(&mut dice), message.clone());
        }
        self.arrive(at, message);
    }

    fn arrive(&mut self, at: Instant, message: Message) {
        self.sent = self.sent.saturating_add(1);
        self.under_way.push(Reverse(Arriving { at, number: self.sent, message }));
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn next_of(inner: &mut Option<Subscription>) -> Option<Message> {
    match inner {
        Some(inner) => inner.next().await,
        None => std::future::pending().await,
    }
}

/// The next of what a process is handed, and where it came from. No more is handed to whoever is gone.
async fn handed<S: Stream + Unpin>(own: &Exposed, mut inner: S) -> (S::Item, S) {
    let item = tokio::select! {
        biased;
        () = own.life.over() => None,
        item = inner.next() => item,
    };
    match item {
        Some(item) => (item, inner),
        None => {
            drop(inner);
            std::future::pending().await
        }
    }
}

/// The records of a stream: in order, none missing, some of them later.
pub(super) fn following(own: Exposed, topic: String, inner: Follow) -> impl Stream<Item = Followed> + Send {
    stream::unfold((own, topic, inner), |(own, topic, inner)| async move {
        let (item, inner) = handed(&own, inner).await;
        let (mut dice, fault) = own.sky.draw(own.process, &own.name, Operation::Follow, &topic);
        let lag_ms = if fault == Some(Fault::Slow) { dice.between(SLOW_MS.0, SLOW_MS.1) } else { 0 };
        let mut at = Instant::now() + own.sky.latency(&mut dice) + Duration::from_millis(lag_ms);
        // A record that was stored while the process was cut off comes when it is not any more.
        while let Some(until) = own.sky.cut_off_until(own.process) {
            at = at.max(until);
            sleep_until(until).await;
        }
        sleep_until(at).await;
        own.live().await;
        Some((item, (own, topic, inner)))
    })
}

/// Records to be worked on.
pub(super) fn working(own: Exposed, topic: String, inner: Work) -> impl Stream<Item = Job> + Send {
    stream::unfold((own, topic, inner), |(own, topic, inner)| async move {
        let (job, inner) = handed(&own, inner).await;
        let (stored, attempts) = (job.stored.clone(), job.attempts);
        let acker = Settling { own: own.clone(), topic: topic.clone(), job: Mutex::new(Some(job)) };
        Some((Job::new(stored, attempts, Box::new(acker)), (own, topic, inner)))
    })
}

/// Passes verdicts on, or not.
struct Settling {
    own: Exposed,
    topic: String,
    job: Mutex<Option<Job>>,
}

#[async_trait]
impl Acker for Settling {
    async fn settle(&self, verdict: Verdict) {
        let (mut dice, fault) = self.own.begin(Operation::Settle, &self.topic).await;
        self.own.pass(&mut dice).await;
        if fault == Some(Fault::Lost) || self.own.is_cut_off() {
            return;
        }
        let mut job = self.job.lock().await;
        match (verdict, job.take()) {
            (Verdict::Done, Some(job)) => job.ack().await,
            (Verdict::Retry { delay_ms }, Some(job)) => job.nak(delay_ms).await,
            (Verdict::Poison, Some(job)) => job.term().await,
            (Verdict::Working, Some(working)) => {
                working.progress().await;
                *job = Some(working);
            }
            (_, None) => {}
        }
    }
}

/// A candidacy that the process may lose without hearing of it.
pub(super) async fn standing(own: &Exposed, office: &OfficeSpec) -> Result<Candidacy, ReadError> {
    let (to, told) = mpsc::unbounded_channel();
    let (depose, mut deposed) = mpsc::unbounded_channel();
    let holds = Arc::new(AtomicBool::new(false));
    let mut inner = own.sky.bus.stand(office).await?;
    if let Some(process) = own.sky.state().processes.get_mut(own.process.0) {
        process.offices.push(Held { depose, holds: Arc::clone(&holds) });
    }
    let (bus, office) = (own.sky.bus.clone(), office.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                lost = deposed.recv() => {
                    let Some(Deposed { after_ms, unaware_ms }) = lost else { return };
                    sleep(Duration::from_millis(after_ms)).await;
                    drop(inner);
                    let Some(unaware_ms) = unaware_ms else { return };
                    sleep(Duration::from_millis(unaware_ms)).await;
                    let again = bus.stand(&office).await;
                    let (Ok(again), Ok(())) = (again, to.send(Standing::Waits)) else { return };
                    holds.store(false, Relaxed);
                    inner = again;
                }
                // Whoever stood no longer looks.
                () = to.closed() => return,
                standing = inner.next() => match standing {
                    Some(standing) if to.send(standing).is_ok() => holds.store(standing == Standing::Holds, Relaxed),
                    _ => return,
                },
            }
        }
    });
    Ok(stream::unfold((own.clone(), told), |(own, mut told)| async move {
        let standing = told.recv().await?;
        own.live().await;
        Some((standing, (own, told)))
    })
    .boxed())
}
