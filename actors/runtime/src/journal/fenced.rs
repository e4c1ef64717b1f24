//! One actor that hosts a fenced writer: it follows a stream from its beginning, and writes one batch at
//! a time.

use std::collections::HashMap;
use std::sync::Arc;

use actix::prelude::*;
use schemas::{
    core::{Answer, Call, Fenced, Planned},
    error::{Code, ErrorReply},
    header::Headers,
    keyring::LogRecord,
    signature::Signer,
};
use tokio::sync::oneshot;

use super::sign::sign;
use crate::port::{AppendError, Followed, Port, ReadError, Record, Start};
use crate::stage::{NoSystem, Stage};

/// Waiting after a write that failed for another reason than a lost place, in milliseconds.
const PAUSE_MS: u64 = 100;

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
pub trait Keeper: Fenced<Ask: Send> + Send + Unpin + 'static {}
impl<F: Fenced<Ask: Send> + Send + Unpin + 'static> Keeper for F {}

/// Hosts a fenced writer as an actor.
pub struct FencedHost<F: Keeper> {
    keeper: F,
    port: Arc<dyn Port>,
    signer: Arc<Signer>,
    /// The last sequence observed.
    seen: u64,
    caught_up: bool,
    phase: Phase,
    next_number: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
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

/// Where to ask a hosted writer.
pub struct FencedHandle<F: Keeper> {
    host: Addr<FencedHost<F>>,
    /// The thread that the host lives on.
    stage: Arc<Stage>,
}

impl<F: Keeper> Clone for FencedHandle<F> {
    fn clone(&self) -> Self {
        Self { host: self.host.clone(), stage: Arc::clone(&self.stage) }
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
}

impl<F: Keeper> FencedHost<F> {
    /// Starts a host on a thread of its own, from the beginning of the stream.
    ///
    /// # Errors
    /// Outside of an actor system, and when the stream cannot be followed.
    pub async fn start(keeper: F, port: Arc<dyn Port>, signer: Signer) -> Result<FencedHandle<F>, HostError> {
        let entries = port.follow(F::STREAM, &F::filters(), Start::All).await?;
        let stage = Stage::new(1)?;
        let thread = stage.of(0).ok_or(NoSystem)?;
        let host = Self::start_in_arbiter(thread, move |ctx| {
            ctx.add_stream(entries);
            Self {
                keeper,
                port,
                signer: Arc::new(signer),
                seen: 0,
                caught_up: false,
                phase: Phase::Idle,
                next_number: 0,
                waiting: HashMap::new(),
            }
        });
        Ok(FencedHandle { host, stage: Arc::new(stage) })
    }

    /// Writes what there is to write, if nothing is on its way.
    fn advance(&mut self, ctx: &mut Context<Self>) {
        if let Phase::Behind(until) = self.phase
            && self.seen >= until
        {
            self.keeper.lost();
            self.phase = Phase::Idle;
        }
        if self.phase == Phase::Idle && self.caught_up {
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

/// Writes a plan. What failed gives the sequence up to which the stream must be observed before the next.
async fn write(
    port: Arc<dyn Port>,
    signer: Arc<Signer>,
    stream: &str,
    filters: Vec<String>,
    plan: Vec<Planned>,
    now_unix_ms: i64,
) -> Result<Vec<u64>, u64> {
    let records = plan.into_iter().map(|planned| record(&signer, planned, now_unix_ms)).collect();
    let trouble = match port.append(stream, records).await {
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

fn record(signer: &Signer, planned: Planned, now_unix_ms: i64) -> Record {
    let Planned { subject, kind, body, expect, signed } = planned;
    let headers = if signed { sign(signer, &subject, kind, &body, now_unix_ms) } else { Headers::of_type(kind) };
    let mut record = Record::new(subject, body).with_headers(headers);
    record.expect_last_subject_seq = expect;
    record
}

impl<F: Keeper> Actor for FencedHost<F> {
    type Context = Context<Self>;
}

impl<F: Keeper> StreamHandler<Followed> for FencedHost<F> {
    fn handle(&mut self, item: Followed, ctx: &mut Self::Context) {
        match item {
            Followed::CaughtUp => self.caught_up = true,
            Followed::Entry(stored) => {
                self.seen = stored.sequence;
                self.keeper.observe(&LogRecord::from(stored));
            }
        }
        if self.caught_up {
            self.advance(ctx);
        }
    }
}

impl<F: Keeper> Handler<Ask<F>> for FencedHost<F> {
    type Result = ();

    fn handle(&mut self, Ask { ask, call, answer }: Ask<F>, ctx: &mut Self::Context) {
        let number = self.next_number;
        self.next_number += 1;
        self.waiting.insert(number, answer);
        self.keeper.ask(number, ask, &call);
        self.advance(ctx);
    }
}
