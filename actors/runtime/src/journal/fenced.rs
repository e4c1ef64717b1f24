//! One actor that hosts a fenced writer: it follows a stream, and while it holds its office it writes, one batch at a
//! time.
//!
//! Several hosts of one writer stand by: each folds the stream as it grows, so whoever is elected can write at once. A
//! holder that has lost its office without knowing it is stopped by its cursor, not by the election.
//!
//! The holder takes snapshots of what it folded, and whoever starts begins with the last one and reads what came after.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use schemas::{
    core::{Answer, Call, Fenced, Planned},
    error::{Code, ErrorReply},
    header::Headers,
    keyring::LogRecord,
    signature::Signer,
};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use super::{sign::sign, snapshot};
use crate::port::{AppendError, Followed, Port, ReadError, Record, Start};
use crate::stage::{NoSystem, Stage};
use crate::trace::{self, Kind, Span};

/// Waiting after a write that failed for another reason than a lost place, in milliseconds.
const PAUSE_MS: u64 = 100;
/// A snapshot is taken after so many entries unless the host is told otherwise: few enough to be read again in a second.
pub const SNAPSHOT_EVERY: u64 = 5_000;
/// Writing takes a rest of so many times as long as taking the last snapshot held it up.
const REST: u32 = 20;

/// Why a writer was not hosted.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Not within an actor system.
    #[error(transparent)]
    NoSystem(#[from] NoSystem),
    /// Its stream cannot be followed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A fenced writer that can live in an actor.
pub trait Keeper: Fenced<Ask: Send + Unpin> + Send + Unpin + 'static {}
impl<F: Fenced<Ask: Send + Unpin> + Send + Unpin + 'static> Keeper for F {}

/// Hosts a fenced writer as an actor.
pub struct FencedHost<F: Keeper> {
    keeper: F,
    port: Arc<dyn Port>,
    signer: Arc<Signer>,
    /// The last sequence observed.
    seen: u64,
    caught_up: bool,
    /// Whether it holds its office, and so may write.
    holds: bool,
    pace: Pace,
    phase: Phase,
    next_number: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    /// What was asked before the log was read to its end: it is answered from then on.
    early: Vec<Ask<F>>,
    /// Goes with the host: whoever waits for it knows that it is gone.
    _alive: watch::Sender<()>,
}

/// When snapshots are taken.
struct Pace {
    /// After so many entries.
    every: u64,
    /// Entries since the last one.
    entries: u64,
    /// Not before this time.
    rest_until: Instant,
    /// One is on its way to its stream.
    saving: bool,
}

impl Pace {
    fn is_due(&self) -> bool {
        self.entries >= self.every && !self.saving && Instant::now() >= self.rest_until
    }
}

/// What the writer is at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing is on its way.
    Idle,
    /// A batch is on its way.
    Writing,
    /// A batch failed: nothing is planned before everything up to this sequence was observed.
    Behind(u64),
}

struct Ask<F: Keeper> {
    ask: F::Ask,
    call: Call,
    answer: oneshot::Sender<Answer>,
}

impl<F: Keeper> actix::Message for Ask<F> {
    type Result = ();
}

/// Whether the host holds its office from now on.
struct Office(bool);

impl actix::Message for Office {
    type Result = ();
}

/// Where to ask a hosted writer.
pub struct FencedHandle<F: Keeper> {
    host: Addr<FencedHost<F>>,
    /// The thread that the host lives on.
    stage: Arc<Stage>,
    alive: watch::Receiver<()>,
}

impl<F: Keeper> Clone for FencedHandle<F> {
    fn clone(&self) -> Self {
        Self { host: self.host.clone(), stage: Arc::clone(&self.stage), alive: self.alive.clone() }
    }
}

impl<F: Keeper> FencedHandle<F> {
    /// Asks, and waits for the answer; where it writes, until it is written.
    ///
    /// # Errors
    /// The writer's refusal.
    pub async fn ask(&self, ask: F::Ask, call: Call) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.host.do_send(Ask { ask, call, answer });
        answered.await.unwrap_or_else(|_| {
            Err(ErrorReply::new(Code::Internal, "the writer went away; ask again with the same move_id"))
        })
    }

    /// Waits until the host is gone: it panicked, and its state can't be trusted any more. Another one begins anew.
    pub async fn gone(&self) {
        let mut alive = self.alive.clone();
        while alive.changed().await.is_ok() {}
    }

    /// Lets the host write, once it has read all that there was when it began; or stops it. Who waits for something to
    /// be written is told that nobody knows.
    pub async fn hold(&self, holds: bool) {
        // It fails only when the host is gone with its thread, and then nothing writes.
        let _ = self.host.send(Office(holds)).await;
    }
}

impl<F: Keeper> FencedHost<F> {
    /// Starts a host on a thread of its own, from the last snapshot, or else from the beginning of the stream. It follows
    /// and doesn't write before it is told to by [`FencedHandle::hold`], and then takes a snapshot after every
    /// `snapshot_every` entries.
    ///
    /// # Errors
    /// Outside of an actor system, and when the stream cannot be followed.
    pub async fn start(
        keeper: F,
        port: Arc<dyn Port>,
        signer: Arc<Signer>,
        snapshot_every: u64,
    ) -> Result<FencedHandle<F>, HostError> {
        let (keeper, seen) = match restored(port.as_ref(), &signer).await {
            Ok(Some((keeper, sequence))) => (keeper, sequence),
            Ok(None) => (keeper, 0),
            Err(reason) => {
                tracing::warn!(stream = F::STREAM, reason, "the snapshot is passed over: reading from the beginning");
                (keeper, 0)
            }
        };
        let start = if seen == 0 { Start::All } else { Start::After(seen) };
        let entries = port.follow(F::STREAM, &F::filters(), start).await?;
        let stage = Stage::new(1)?;
        let thread = stage.of(0).ok_or(NoSystem)?;
        let (sender, alive) = watch::channel(());
        let host = Self::start_in_arbiter(thread, move |ctx| {
            ctx.add_stream(entries);
            Self {
                keeper,
                port,
                signer,
                seen,
                caught_up: false,
                holds: false,
                pace: Pace { every: snapshot_every.max(1), entries: 0, rest_until: Instant::now(), saving: false },
                phase: Phase::Idle,
                next_number: 0,
                waiting: HashMap::new(),
                early: Vec::new(),
                _alive: sender,
            }
        });
        Ok(FencedHandle { host, stage: Arc::new(stage), alive })
    }

    fn take(&mut self, Ask { ask, call, answer }: Ask<F>) {
        let number = self.next_number;
        self.next_number += 1;
        self.waiting.insert(number, answer);
        self.keeper.ask(number, ask, &call);
    }

    /// Writes what there is to write, if nothing is on its way.
    fn advance(&mut self, ctx: &mut Context<Self>) {
        if let Phase::Behind(until) = self.phase
            && self.seen >= until
        {
            self.keeper.lost();
            self.phase = Phase::Idle;
        }
        if self.phase == Phase::Idle && self.caught_up && self.holds && self.remember(ctx) {
            let now_unix_ms = self.port.now_unix_ms();
            let plan = self.keeper.plan(now_unix_ms);
            if !plan.is_empty() {
                self.phase = Phase::Writing;
                let work = write(self.port.clone(), self.signer.clone(), F::STREAM, F::filters(), plan, now_unix_ms);
                ctx.spawn(work.into_actor(self).map(|outcome, host, ctx| host.wrote(outcome, ctx)));
            }
        }
        for complaint in self.keeper.complaints() {
            tracing::error!(stream = F::STREAM, complaint, "an entry was skipped");
        }
        for (number, answer) in self.keeper.answers() {
            if let Some(waiting) = self.waiting.remove(&number) {
                // Whoever asked may have given up waiting.
                let _ = waiting.send(answer);
            }
        }
    }

    /// Takes a snapshot if one is due; whether something may be written now, or the snapshot must come first.
    fn remember(&mut self, ctx: &mut Context<Self>) -> bool {
        if !self.pace.is_due() {
            return true;
        }
        let begun = Instant::now();
        // What was written and not yet observed comes in a moment.
        let Some(pieces) = self.keeper.snapshot() else { return false };
        self.pace.rest_until = Instant::now() + begun.elapsed().max(Duration::from_millis(1)) * REST;
        self.pace.entries = 0;
        self.pace.saving = true;
        let (sequence, count) = (self.seen, pieces.len());
        let work = snapshot::write(self.port.clone(), self.signer.clone(), F::STREAM, sequence, pieces);
        ctx.spawn(work.into_actor(self).map(move |outcome, host, _| {
            host.pace.saving = false;
            match outcome {
                Ok(()) => tracing::info!(stream = F::STREAM, sequence, chunks = count, "a snapshot is taken"),
                Err(reason) => tracing::warn!(stream = F::STREAM, sequence, reason, "no snapshot was taken"),
            }
        }));
        true
    }

    fn wrote(&mut self, outcome: Result<Vec<u64>, u64>, ctx: &mut Context<Self>) {
        self.phase = match outcome {
            Ok(sequences) => {
                self.keeper.written(&sequences);
                Phase::Idle
            }
            Err(until) => Phase::Behind(until),
        };
        self.advance(ctx);
    }
}

/// The writer as its last snapshot has it, and the last entry that it then knows.
async fn restored<F: Keeper>(port: &dyn Port, signer: &Signer) -> Result<Option<(F, u64)>, String> {
    let Some(read) = snapshot::read(port, signer, F::STREAM).await? else { return Ok(None) };
    Ok(Some((F::restore(&read.pieces)?, read.sequence)))
}

/// Writes a plan. What failed gives the sequence up to which the stream must be observed before the next.
async fn write(
    port: Arc<dyn Port>,
    signer: Arc<Signer>,
    stream: &str,
    filters: Vec<String>,
    plan: Vec<Planned>,
    now_unix_ms: i64,
) -> Result<Vec<u64>, u64> {
    let mut spans = Spans::of(&plan, signer.name());
    let records = plan.into_iter().map(|planned| record(&signer, planned, &spans, now_unix_ms)).collect();
    let appended = port.append(stream, records).await;
    spans.end(appended.as_ref().err());
    let trouble = match appended {
        Ok(sequences) => return Ok(sequences),
        Err(AppendError::Conflict) => {
            tracing::info!(stream, "lost its place: reading on");
            None
        }
        Err(error) => Some(error),
    };
    if let Some(error) = trouble {
        tracing::warn!(stream, %error, "a batch was not written, or nobody knows");
        port.sleep_ms(PAUSE_MS).await;
    }
    loop {
        match end_of(port.as_ref(), stream, &filters).await {
            Ok(until) => return Err(until),
            Err(error) => {
                tracing::warn!(stream, %error, "the stream cannot be read");
                port.sleep_ms(PAUSE_MS).await;
            }
        }
    }
}

async fn end_of(port: &dyn Port, stream: &str, filters: &[String]) -> Result<u64, ReadError> {
    let mut end = 0;
    for filter in filters {
        end = end.max(port.last(stream, filter).await?.map_or(0, |stored| stored.sequence));
    }
    Ok(end)
}

fn record(signer: &Signer, planned: Planned, spans: &Spans, now_unix_ms: i64) -> Record {
    let Planned { subject, kind, body, expect, signed, trace } = planned;
    let headers = if signed { sign(signer, &subject, kind, &body, now_unix_ms) } else { Headers::of_type(kind) };
    let headers = trace::caused(headers, trace.and_then(|trace| spans.traceparent(&trace)));
    let mut record = Record::new(subject, body).with_headers(headers);
    record.expect_last_subject_seq = expect;
    record
}

/// The pieces of work that a plan consists of: one for each trace context that it answers, where somebody records.
struct Spans(HashMap<String, Span>);

impl Spans {
    fn of(plan: &[Planned], writer: &str) -> Self {
        let mut spans = HashMap::new();
        let answers = plan.iter().filter_map(|planned| Some((planned, planned.trace.as_ref()?)));
        for (planned, trace) in answers.filter(|_| trace::is_recorded()) {
            spans.entry(trace.clone()).or_insert_with(|| {
                let name = || format!("{writer} {}", planned.kind);
                Span::begin(Kind::Consumer, name, &planned.subject, [trace.as_str()])
            });
        }
        Self(spans)
    }

    fn traceparent(&self, trace: &str) -> Option<String> {
        self.0.get(trace).and_then(Span::traceparent)
    }

    fn end(&mut self, error: Option<&AppendError>) {
        for (_, mut span) in self.0.drain() {
            if let Some(error) = error {
                span.fail(error);
            }
        }
    }
}

impl<F: Keeper> Actor for FencedHost<F> {
    type Context = Context<Self>;
}

impl<F: Keeper> StreamHandler<Followed> for FencedHost<F> {
    fn handle(&mut self, item: Followed, ctx: &mut Self::Context) {
        match item {
            Followed::CaughtUp => {
                self.caught_up = true;
                for ask in std::mem::take(&mut self.early) {
                    self.take(ask);
                }
            }
            Followed::Entry(stored) => {
                self.seen = stored.sequence;
                self.pace.entries += 1;
                self.keeper.observe(&LogRecord::from(stored));
            }
        }
        if self.caught_up {
            self.advance(ctx);
        }
    }
}

impl<F: Keeper> Handler<Office> for FencedHost<F> {
    type Result = ();

    fn handle(&mut self, Office(holds): Office, ctx: &mut Self::Context) {
        self.holds = holds;
        if !holds {
            // Those who asked will ask whoever holds the office next; what is on its way may still be written.
            self.waiting.clear();
            self.early.clear();
        }
        self.advance(ctx);
    }
}

impl<F: Keeper> Handler<Ask<F>> for FencedHost<F> {
    type Result = ();

    fn handle(&mut self, ask: Ask<F>, ctx: &mut Self::Context) {
        if self.caught_up {
            self.take(ask);
            self.advance(ctx);
        } else {
            self.early.push(ask);
        }
    }
}
