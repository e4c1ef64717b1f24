//! Bad weather for the bus in memory: what networks, disks and machines do to whoever uses them.
//!
//! A process reaches the bus through a port of its own, [`Exposed`]. Whatever it does there takes a moment, and may go
//! wrong: see [`Fault`]. A process that dies is one whose port never answers again: its tasks stand still wherever they
//! were, so that nothing that it does after that reaches anybody, and nothing reaches it. It comes back as another
//! [`Exposed`] of the same process, with what is in the streams and nothing else.
//!
//! # What is kept
//!
//! Weather is no worse than the port's promises: what is acknowledged is stored, a batch is stored whole or not at all,
//! a compare-and-set compares, a follower hears everything in order. [`Flaws`] take single promises away, so that those
//! who rely on them can be seen to.
//!
//! # The same each time
//!
//! Everything is drawn from the seed, and for each thing by itself: a fault is named by the process, the operation, what
//! it is about and how often that was before ([`FaultId`]). So a run in which some faults are left out ([`Climate::only`])
//! has the others, as long as things go the same way.

mod exposed;
mod fault;
mod hearing;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

pub use self::{
    exposed::Exposed,
    fault::{Fault, FaultId, Odds, Operation},
};
use super::{Memory, Operation as Entering};
use crate::{
    dice::{Dice, number_of},
    port::{AppendError, Message, Record, RequestError, Stored, wire},
};

/// How long an append or a read waits for its answer, in milliseconds.
const TIMEOUT_MS: u64 = crate::port::DEFAULT_TIMEOUT_MS;

/// After so many operations each takes a millisecond at least.
const MANY_STEPS: u64 = 50_000;

/// What the weather is like.
#[derive(Clone, Debug)]
pub struct Climate {
    /// Everything is drawn from this.
    pub seed: u64,
    /// How often what goes wrong.
    pub odds: Odds,
    /// How long an operation is under way at most, one way and without a fault, in milliseconds.
    pub latency_ms: u64,
    /// How far clocks differ at most, in milliseconds.
    pub skew_ms: i64,
    /// Leaves out every fault but these, where it is said.
    pub only: Option<BTreeSet<FaultId>>,
    /// The promises that are not kept.
    pub flaws: Flaws,
}

/// Promises of the port that are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flaws {
    /// Compare-and-set on subjects of these patterns compares nothing.
    pub unchecked: Vec<String>,
    /// An append is acknowledged before it is carried out.
    pub acknowledges_first: bool,
    /// What is stored is synced so often, in milliseconds, and acknowledged before that; never, where it is 0: then all
    /// is synced at once.
    pub syncs_every_ms: u64,
}

/// A process that uses the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(usize);

/// What there is to see.
#[derive(Debug)]
pub enum Notice<'a> {
    /// Something went wrong.
    Struck {
        /// Which fault.
        id: FaultId,
        /// Of which kind.
        fault: Fault,
        /// What it struck.
        on: &'a str,
    },
    /// A process asks; before anything can happen to the question.
    Asked {
        /// Which question of all.
        number: u64,
        /// What it asks.
        question: &'a Message,
    },
    /// It has an answer, or none.
    Answered {
        /// Which question of all.
        number: u64,
        /// What it had asked.
        question: &'a Message,
        /// Whether the question arrived twice.
        doubled: bool,
        /// The answer.
        outcome: &'a Result<Message, RequestError>,
    },
    /// A record is stored.
    Stored {
        /// In which stream.
        stream: &'a str,
        /// The record.
        record: &'a Stored,
    },
    /// Records that were stored are gone, from this sequence on.
    Gone {
        /// Of which stream.
        stream: &'a str,
        /// The first that is gone.
        sequence: u64,
    },
}

/// Sees everything that happens, as it happens.
pub trait Observer: Send {
    /// Takes note. `process` is whose doing it is, or whom it befalls; nobody's is the weather's own.
    fn notice(&mut self, at_unix_ms: i64, process: &str, notice: Notice<'_>);
}

/// The weather over a bus. Clones are the same.
#[derive(Clone)]
pub struct Weather(Arc<Sky>);

struct Sky {
    bus: Memory,
    climate: Climate,
    state: Mutex<State>,
    observer: Mutex<Box<dyn Observer>>,
    steps: AtomicU64,
    questions: AtomicU64,
    calm: AtomicBool,
    /// Counts power cuts: what was under way before one arrives no more.
    power: AtomicU64,
}

#[derive(Default)]
struct State {
    processes: Vec<Process>,
    /// How often each thing was done.
    counts: HashMap<(usize, Operation, u64), u64>,
    struck: BTreeMap<Fault, u64>,
}

struct Process {
    name: Arc<str>,
    /// Whether it can die.
    is_mortal: bool,
    life: Arc<Life>,
    cut_off_until: Option<Instant>,
    skew_ms: i64,
    offices: Vec<Held>,
}

/// From a start of a process to its end.
#[derive(Default)]
struct Life {
    is_over: AtomicBool,
    ends: Notify,
}

/// An office that a process stands for, and whether it was told that it holds it.
struct Held {
    depose: mpsc::UnboundedSender<Deposed>,
    holds: Arc<AtomicBool>,
}

/// An office is lost: after so long, and the holder hears of it so much later.
struct Deposed {
    after_ms: u64,
    unaware_ms: Option<u64>,
}

impl Life {
    fn end(&self) {
        self.is_over.store(true, Relaxed);
        self.ends.notify_waiters();
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }

    /// Waits until it is over.
    async fn over(&self) {
        loop {
            let ends = self.ends.notified();
            futures::pin_mut!(ends);
            ends.as_mut().enable();
            if self.is_over() {
                return;
            }
            ends.await;
        }
    }
}

impl Weather {
    /// Weather over a bus. It is calm until it is told otherwise.
    #[must_use]
    pub fn over(bus: Memory, climate: Climate, observer: Box<dyn Observer>) -> Self {
        let every_ms = climate.flaws.syncs_every_ms;
        let sky = Sky {
            bus,
            climate,
            state: Mutex::default(),
            observer: Mutex::new(observer),
            steps: AtomicU64::new(0),
            questions: AtomicU64::new(0),
            calm: AtomicBool::new(true),
            power: AtomicU64::new(0),
        };
        if every_ms > 0 {
            sky.bus.0.enter(Entering::Provision).world.sync(true);
        }
        Self(Arc::new(sky))
    }

    /// A process, which lives from its first [`Weather::expose`] on. Whoever can't die is never struck by what kills.
    pub fn process(&self, name: &str, is_mortal: bool) -> ProcessId {
        let mut state = self.0.state();
        let id = ProcessId(state.processes.len());
        let mut dice = Dice::of(&[self.0.climate.seed, number_of(name), number_of("clock")]);
        let width = self.0.climate.skew_ms.unsigned_abs().saturating_mul(2);
        let skew_ms = self.0.climate.skew_ms.saturating_neg().saturating_add_unsigned(dice.between(0, width));
        let life = Arc::new(Life::default());
        life.end();
        let (name, offices) = (name.into(), Vec::new());
        state.processes.push(Process { name, is_mortal, life, cut_off_until: None, skew_ms, offices });
        id
    }

    /// The process's port from now on: it is started, or started again.
    #[must_use]
    pub fn expose(&self, process: ProcessId) -> Exposed {
        let life = Arc::new(Life::default());
        let mut state = self.0.state();
        let (mut name, mut skew_ms) = ("".into(), 0);
        if let Some(process) = state.processes.get_mut(process.0) {
            process.life.end();
            process.life = Arc::clone(&life);
            process.cut_off_until = None;
            process.offices.clear();
            (name, skew_ms) = (Arc::clone(&process.name), process.skew_ms);
        }
        Exposed { sky: Arc::clone(&self.0), process, name, skew_ms, life }
    }

    /// Lets faults happen, or no more.
    pub fn be(&self, calm: bool) {
        self.0.calm.store(calm, Relaxed);
        if calm {
            for process in &mut self.0.state().processes {
                process.cut_off_until = None;
            }
        }
    }

    /// How many operations there were.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.0.steps.load(Relaxed)
    }

    /// How often each fault struck.
    #[must_use]
    pub fn struck(&self) -> BTreeMap<Fault, u64> {
        self.0.state().struck.clone()
    }

    /// The process's name.
    #[must_use]
    pub fn name(&self, process: ProcessId) -> Arc<str> {
        self.0.state().processes.get(process.0).map_or_else(|| "".into(), |process| Arc::clone(&process.name))
    }

    /// Whether the process lives.
    #[must_use]
    pub fn lives(&self, process: ProcessId) -> bool {
        self.0.state().processes.get(process.0).is_some_and(|process| !process.life.is_over())
    }

    /// A fault of somebody's own plan: whether it may strike. `about` and `number` name it.
    #[must_use]
    pub fn strikes(&self, fault: Fault, about: &str, number: u64) -> bool {
        let parts = [self.0.climate.seed, number_of(fault.name()), number_of(about), number];
        let id = FaultId(Dice::of(&parts).roll());
        !self.0.calm.load(Relaxed) && self.0.strike(id, fault, "", about)
    }

    /// Ends a process, here and now.
    pub fn kill(&self, process: ProcessId) {
        self.0.kill(process);
    }

    /// Cuts a process off from the bus for a while.
    pub fn cut_off(&self, process: ProcessId, for_ms: u64) {
        if let Some(process) = self.0.state().processes.get_mut(process.0) {
            process.cut_off_until = Instant::now().checked_add(Duration::from_millis(for_ms));
        }
    }

    /// Passes on what office the process holds, if it holds one; it doesn't hear of that for a while.
    pub fn depose(&self, process: ProcessId, unaware_ms: u64) {
        if let Some(process) = self.0.state().processes.get_mut(process.0) {
            for office in process.offices.iter().filter(|office| office.holds.load(Relaxed)) {
                // It may have died just now.
                let _ = office.depose.send(Deposed { after_ms: 0, unaware_ms: Some(unaware_ms) });
            }
        }
    }

    /// Power fails: what is under way is gone, and what is stored and not synced. Every mortal process is dead.
    pub fn cut_power(&self) {
        self.0.power.fetch_add(1, Relaxed);
        let mortals = (0..)
            .map(ProcessId)
            .zip(self.0.state().processes.iter().map(|process| process.is_mortal))
            .collect::<Vec<_>>();
        for (process, _) in mortals.into_iter().filter(|(_, is_mortal)| *is_mortal) {
            self.0.kill(process);
        }
        let mut entered = self.0.bus.0.enter(Entering::Provision);
        let now_unix_ms = entered.now_unix_ms;
        let gone = entered.world.lose_unsynced(now_unix_ms);
        drop(entered);
        for (stream, sequence) in gone {
            self.0.notice("", Notice::Gone { stream: &stream, sequence });
        }
    }

    /// Has the disk keep what is stored by now. Called as often as [`Flaws::syncs_every_ms`] says.
    pub fn sync(&self) {
        self.0.bus.0.enter(Entering::Provision).world.sync(self.0.climate.flaws.syncs_every_ms > 0);
    }
}

impl Sky {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notice(&self, process: &str, notice: Notice<'_>) {
        let mut observer = self.observer.lock().unwrap_or_else(PoisonError::into_inner);
        observer.notice(self.bus.0.now_unix_ms(), process, notice);
    }

    /// Whether a fault that was drawn strikes, and that it does.
    fn strike(&self, id: FaultId, fault: Fault, process: &str, on: &str) -> bool {
        if self.climate.only.as_ref().is_some_and(|only| !only.contains(&id)) {
            return false;
        }
        let mut state = self.state();
        let count = state.struck.entry(fault).or_default();
        *count = count.saturating_add(1);
        drop(state);
        self.notice(process, Notice::Struck { id, fault, on });
        true
    }

    /// What happens to an operation: its dice, and its fault if it has one.
    fn draw(&self, process: ProcessId, name: &str, operation: Operation, on: &str) -> (Dice, Option<Fault>) {
        self.steps.fetch_add(1, Relaxed);
        let topic = number_of(on);
        let mut state = self.state();
        let count = state.counts.entry((process.0, operation, topic)).or_default();
        *count = count.saturating_add(1);
        let parts = [self.climate.seed, number_of(name), number_of(operation.name()), topic, *count];
        let is_mortal = state.processes.get(process.0).is_some_and(|process| process.is_mortal);
        drop(state);
        let mut dice = Dice::of(&parts);
        let id = FaultId(dice.roll());
        let drawn = self.climate.odds.draw(operation, &mut dice);
        let drawn = drawn.filter(|fault| is_mortal || !matches!(fault, Fault::DiesBefore | Fault::DiesAfter));
        let fault = drawn.filter(|fault| !self.calm.load(Relaxed) && self.strike(id, *fault, name, on));
        (dice, fault)
    }

    fn latency(&self, dice: &mut Dice) -> Duration {
        // Who goes round in circles without waiting would stop the clock.
        let least_ms = u64::from(self.steps.load(Relaxed) > MANY_STEPS);
        Duration::from_millis(dice.between(0, self.climate.latency_ms).max(least_ms))
    }

    fn kill(&self, process: ProcessId) {
        let mut state = self.state();
        let Some(dying) = state.processes.get_mut(process.0).filter(|dying| !dying.life.is_over()) else { return };
        dying.life.end();
        dying.cut_off_until = None;
        // Its office is passed on once it has not been heard of for long enough.
        for office in dying.offices.drain(..) {
            let _ = office.depose.send(Deposed { after_ms: hearing::OFFICE_MS, unaware_ms: None });
        }
    }

    fn cut_off_until(&self, process: ProcessId) -> Option<Instant> {
        let until = self.state().processes.get(process.0)?.cut_off_until?;
        (until > Instant::now()).then_some(until)
    }

    /// Stores records as the climate's flaws have it, and shows them.
    fn store(&self, process: &str, stream: &str, mut records: Vec<Record>) -> Result<Vec<u64>, AppendError> {
        for record in &mut records {
            if self.climate.flaws.unchecked.iter().any(|pattern| wire::matches(pattern, &record.subject)) {
                record.expect_last_subject_seq = None;
            }
        }
        let mut entered = self.bus.0.enter(Entering::Append);
        let now_unix_ms = entered.now_unix_ms;
        let sequences = entered.world.append(stream, records, now_unix_ms)?;
        let log = entered.world.streams.get(stream);
        let stored: Vec<Stored> = sequences.iter().filter_map(|sequence| log?.get(*sequence).cloned()).collect();
        drop(entered);
        for record in &stored {
            self.notice(process, Notice::Stored { stream, record });
        }
        Ok(sequences)
    }

    /// The sequences that records get if nothing else is stored before them.
    fn foreseen(&self, stream: &str, count: usize) -> Vec<u64> {
        let entered = self.bus.0.enter(Entering::Read);
        let last = entered.world.streams.get(stream).map_or(0, |log| log.last_seq);
        (last.saturating_add(1)..).take(count).collect()
    }
}
