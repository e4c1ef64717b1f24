//! A search spread over the bus: who computes which epoch, and what happens when somebody dies.
//!
//! Each epoch of each island is a request to `genetic.epoch`, which any node answers. It says all that the epoch depends
//! on, so where no answer comes it is asked again, of whoever is there, and repeats exactly. An answer is a checkpoint: it
//! is written to the island's log under compare-and-set before anybody builds on it. So whoever is asked for the same job
//! and search again goes on from there, and two who are asked at once write the same.
//!
//! Islands do not wait for each other but for their neighbour's last epoch. One that nobody can be found for is dropped:
//! that is written to its log, too, and is an input like any other from then on.
//!
//! A worker that computes tells of its progress, at least once in [`SILENCE_MS`]; one that has gone silent is given up.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use genetic::island::{Island, Plan};
use runtime::{
    port::{AppendError, Message, Port, Record, RequestError, Subscription},
    select,
    sync::watch,
    task::JoinSet,
    trace,
};
use schemas::{
    Hash, JobId,
    body::decode,
    core::Call,
    encode,
    error::{Code, ErrorReply},
    evolution::{Checkpoint, Cut, Dropped, Epoch, EpochDone, EvolutionProgress, Evolve, Genome},
    header::{self, Headers},
    limit::MAX_CLEARING_BODY_BYTES,
    stream, subject,
};

/// How long a worker may be silent, in milliseconds.
const SILENCE_MS: i64 = 5_000;
/// How often an epoch may fail before its island is dropped.
const ATTEMPTS: u32 = 5;
/// How long nobody at all may be there, in milliseconds.
const PATIENCE_MS: i64 = 60_000;
/// How long to wait before asking again, in milliseconds.
const PAUSE_MS: u64 = 25;
/// How often it is looked whether to stop, in milliseconds.
const LOOK_MS: u64 = 20;
/// How long workers that are told to stop may take, in milliseconds.
const LAST_WORDS_MS: i64 = 300;
/// How long an answer may take at all, in milliseconds: what ends a wait is silence.
const ANSWER_MS: u64 = 24 * 60 * 60 * 1000;

/// What an island has told the next one.
#[derive(Debug, Default)]
struct Told {
    /// Migrants, by the epoch after which they were sent.
    migrants: BTreeMap<u32, Vec<Genome>>,
    /// No more will come, from this epoch on.
    silent_from: Option<u32>,
}

/// Where the islands ended.
#[derive(Debug)]
pub struct Ended {
    /// Island by island.
    pub islands: Vec<Island>,
    /// Those that were dropped.
    pub dropped: Vec<Dropped>,
    /// Why they ended early.
    pub cut: Option<Cut>,
}

/// A search on its way.
pub struct Islands {
    port: Arc<dyn Port>,
    plan: Arc<Plan>,
    evolve: Evolve,
    search: Hash,
    job: JobId,
    call: Call,
    started_unix_ms: i64,
    told: Vec<watch::Sender<Told>>,
}

/// What became of asking for an epoch.
enum Asked {
    Done(EpochDone),
    /// Nobody could be found.
    Failed(String),
    /// We were told to stop; what was told last.
    Stopped(Option<EpochDone>),
}

impl Islands {
    /// Prepares a search.
    pub fn start(port: Arc<dyn Port>, plan: Arc<Plan>, evolve: Evolve, job: JobId, call: Call) -> Arc<Self> {
        let told = (0..evolve.islands).map(|_| watch::Sender::new(Told::default())).collect();
        let search = Hash::of(&encode(&evolve));
        let started_unix_ms = port.now_unix_ms();
        Arc::new(Self { port, plan, evolve, search, job, call, started_unix_ms, told })
    }

    /// Runs it to its end, or until it is to stop.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub async fn run(self: Arc<Self>) -> Result<Ended, ErrorReply> {
        let mut running = JoinSet::new();
        for number in 0..self.evolve.islands {
            let search = self.clone();
            running.spawn(async move { (number, search.island(number).await) });
        }
        let mut islands: BTreeMap<u32, Island> = BTreeMap::new();
        let mut dropped = self.evolve.dropped.clone();
        while let Some(ended) = running.join_next().await {
            let (number, ended) = ended.map_err(|error| ErrorReply::new(Code::Internal, error.to_string()))?;
            let (island, gone) = ended?;
            islands.insert(number, island);
            dropped.extend(gone.map(|epoch| Dropped { island: number, epoch }));
        }
        dropped.sort_by_key(|dropped| dropped.island);
        if dropped.len() >= islands.len() {
            return Err(ErrorReply::new(Code::Internal, "every island had to be dropped: nobody computes"));
        }
        Ok(Ended { islands: islands.into_values().collect(), dropped, cut: self.stopped() })
    }

    /// Why to stop now, if so.
    fn stopped(&self) -> Option<Cut> {
        let spent_ms = self.port.now_unix_ms().saturating_sub(self.started_unix_ms);
        let limit_ms = self.evolve.time_limit_ms.map(i64::from);
        if self.call.stop() {
            Some(Cut::Stopped)
        } else {
            limit_ms.is_some_and(|limit| spent_ms >= limit).then_some(Cut::TimeLimit)
        }
    }

    /// One island from its checkpoints to its end; and the epoch that it was dropped in, if it was.
    async fn island(&self, number: u32) -> Result<(Island, Option<u32>), ErrorReply> {
        let mut island = Island::default();
        let outcome = self.epochs(number, &mut island).await;
        // Whatever happened, nobody waits for more.
        let epochs = match &outcome {
            Ok(Some(epoch)) => *epoch,
            _ => island.epochs,
        };
        self.tell(number, |told| told.silent_from = Some(epochs));
        Ok((island, outcome?))
    }

    async fn epochs(&self, number: u32, island: &mut Island) -> Result<Option<u32>, ErrorReply> {
        let log = subject::island_log(&self.job, number);
        let (mut known, mut last) = self.checkpoints(&log).await?;
        for epoch in 0..self.evolve.epochs() {
            if !self.plan.is_there(number, epoch) {
                return Ok(None);
            }
            let done = match known.remove(&epoch) {
                Some(Some(done)) => done,
                Some(None) => return Ok(Some(epoch)),
                None => {
                    let Some(migrants) = self.migrants(number, epoch).await else { return Ok(None) };
                    let ask = Epoch {
                        evolve: self.evolve.clone(),
                        island: number,
                        epoch,
                        population: island.population.clone(),
                        migrants,
                    };
                    let done = match self.ask(&ask).await {
                        Asked::Done(done) => Some(done),
                        Asked::Failed(reason) => {
                            tracing::warn!(job = %self.job, island = number, epoch, reason, "an island is dropped");
                            None
                        }
                        Asked::Stopped(partial) => {
                            if let Some(partial) = partial {
                                island.take(partial);
                            }
                            return Ok(None);
                        }
                    };
                    match self.write(&log, epoch, done, last).await? {
                        Some((sequence, Some(done))) => {
                            last = sequence;
                            done
                        }
                        Some((_, None)) => return Ok(Some(epoch)),
                        // Somebody else who was asked for this job is ahead: what is written counts.
                        None => {
                            (known, last) = self.checkpoints(&log).await?;
                            match known.remove(&epoch) {
                                Some(Some(done)) => done,
                                Some(None) => return Ok(Some(epoch)),
                                None => {
                                    let reason = "another search goes on under this job's name";
                                    return Err(ErrorReply::new(Code::Conflict, reason).at_field(header::JOB));
                                }
                            }
                        }
                    }
                }
            };
            island.take(done);
            let migrants = island.migrants.clone();
            self.tell(number, |told| {
                told.migrants.insert(epoch, migrants);
            });
        }
        Ok(None)
    }

    /// What the log has of this search, by epoch, and its last sequence. A checkpoint of another search ends what was.
    async fn checkpoints(&self, log: &str) -> Result<(BTreeMap<u32, Option<EpochDone>>, u64), ErrorReply> {
        let stored = self.port.read(stream::ISLANDS, log, 0).await;
        let stored = stored.map_err(|error| ErrorReply::new(Code::Internal, error.to_string()))?;
        let (mut known, mut last) = (BTreeMap::new(), 0);
        for entry in stored {
            last = entry.sequence;
            match decode::<Checkpoint>(&entry.body, MAX_CLEARING_BODY_BYTES) {
                Ok(checkpoint) if checkpoint.search == self.search => {
                    known.insert(checkpoint.epoch, checkpoint.done);
                }
                Ok(_) => known.clear(),
                Err(error) => tracing::warn!(log, sequence = last, %error, "no checkpoint; skipped"),
            }
        }
        Ok((known, last))
    }

    /// Writes a checkpoint; gives it back with its sequence, or nothing where somebody else wrote first.
    async fn write(
        &self,
        log: &str,
        epoch: u32,
        done: Option<EpochDone>,
        last: u64,
    ) -> Result<Option<(u64, Option<EpochDone>)>, ErrorReply> {
        let checkpoint = Checkpoint { search: self.search, epoch, done };
        let headers = Headers::of_type(<Checkpoint as schemas::Message>::TYPE);
        let record = Record::new(log, encode(&checkpoint)).with_headers(headers).expecting(last);
        match self.port.append(stream::ISLANDS, vec![record]).await {
            Ok(sequences) => Ok(sequences.first().map(|sequence| (*sequence, checkpoint.done))),
            // Whether it was stored is read from the log.
            Err(AppendError::Conflict | AppendError::TimedOut(_)) => Ok(None),
            Err(AppendError::TooLarge) => {
                let reason = "a population of this size does not fit a message of this bus";
                Err(ErrorReply::refused("too_large", reason).at_field("population"))
            }
            Err(error) => Err(ErrorReply::new(Code::Internal, error.to_string())),
        }
    }

    fn tell(&self, number: u32, what: impl FnOnce(&mut Told)) {
        if let Some(told) = self.told.get(number as usize) {
            told.send_modify(what);
        }
    }

    /// What the island before sent after the epoch before; `None` when we are to stop.
    async fn migrants(&self, number: u32, epoch: u32) -> Option<Vec<Genome>> {
        let sender = self.plan.sender(number).and_then(|sender| self.told.get(sender as usize));
        let (Some(sender), Some(before)) = (sender, epoch.checked_sub(1)) else { return Some(Vec::new()) };
        let mut listening = sender.subscribe();
        loop {
            if self.stopped().is_some() {
                return None;
            }
            let ready = |told: &Told| {
                told.migrants.contains_key(&before) || told.silent_from.is_some_and(|from| before >= from)
            };
            select! {
                told = listening.wait_for(ready) => {
                    return told.ok().map(|told| told.migrants.get(&before).cloned().unwrap_or_default());
                }
                () = self.port.sleep_ms(LOOK_MS) => {}
            }
        }
    }

    /// Asks for an epoch until somebody has done it.
    async fn ask(&self, ask: &Epoch) -> Asked {
        let body = bytes::Bytes::from(encode(ask));
        let mut seen_unix_ms = self.port.now_unix_ms();
        let mut failures = 0;
        loop {
            if self.stopped().is_some() {
                return Asked::Stopped(None);
            }
            let now_unix_ms = self.port.now_unix_ms();
            let reason = match self.attempt(body.clone()).await {
                Ok(asked) => return asked,
                // However long that is: who is busy is there.
                Err(Failure::NoRoom) => {
                    seen_unix_ms = now_unix_ms;
                    self.port.sleep_ms(PAUSE_MS).await;
                    continue;
                }
                Err(Failure::Nobody) => {
                    if now_unix_ms.saturating_sub(seen_unix_ms) < PATIENCE_MS {
                        self.port.sleep_ms(PAUSE_MS).await;
                        continue;
                    }
                    return Asked::Failed(format!("nobody answers for {PATIENCE_MS} ms"));
                }
                Err(Failure::Lost(reason)) => reason,
            };
            failures += 1;
            tracing::info!(job = %self.job, island = ask.island, epoch = ask.epoch, reason, "an epoch is repeated");
            if failures >= ATTEMPTS {
                return Asked::Failed(reason);
            }
        }
    }

    /// Asks once, and listens until there is an answer, silence, or nothing more to wait for.
    async fn attempt(&self, body: bytes::Bytes) -> Result<Asked, Failure> {
        let lost = |error: &dyn std::fmt::Display| Failure::Lost(error.to_string());
        let token = Hash::of_parts(&[self.job.as_str().as_bytes(), self.port.unique_token().as_bytes()]).to_string();
        let token = JobId::parse(&token).map_err(|error| lost(&error))?;
        let heard = self.port.subscribe(&subject::job_progress(&token), None).await;
        let mut heard: Subscription = heard.map_err(|error| lost(&error))?;
        let headers = Headers::of_type(<Epoch as schemas::Message>::TYPE).with(header::JOB, token.as_str().to_owned());
        let message = Message::new(subject::endpoint("genetic", "epoch"), body).with_headers(headers);
        let cause = self.call.traceparent.as_deref();
        let mut answer = std::pin::pin!(trace::ask(self.port.as_ref(), message, ANSWER_MS, cause));
        let mut alive_unix_ms = self.port.now_unix_ms();
        let mut told_unix_ms: Option<i64> = None;
        loop {
            select! {
                answer = &mut answer => return answered(answer, told_unix_ms.is_some()),
                Some(progress) = heard.next() => {
                    alive_unix_ms = self.port.now_unix_ms();
                    if let Ok(progress) = decode::<EvolutionProgress>(&progress.body, MAX_CLEARING_BODY_BYTES) {
                        self.call.report(|| progress);
                    }
                }
                () = self.port.sleep_ms(LOOK_MS) => {
                    let now_unix_ms = self.port.now_unix_ms();
                    match told_unix_ms {
                        Some(told) if now_unix_ms.saturating_sub(told) > LAST_WORDS_MS => return Ok(Asked::Stopped(None)),
                        None if self.stopped().is_some() => {
                            self.cancel(&token).await;
                            told_unix_ms = Some(now_unix_ms);
                        }
                        _ => {}
                    }
                    if now_unix_ms.saturating_sub(alive_unix_ms) > SILENCE_MS {
                        // Should it live after all, it need not go on.
                        self.cancel(&token).await;
                        return Err(Failure::Lost(format!("silent for {SILENCE_MS} ms")));
                    }
                }
            }
        }
    }

    async fn cancel(&self, token: &JobId) {
        let _ = self.port.publish(Message::new(subject::job_cancel(token), "")).await;
    }
}

/// Why an attempt came to nothing.
enum Failure {
    /// Whoever is there is busy at the moment, or about to end.
    NoRoom,
    /// Nobody is there.
    Nobody,
    /// Whoever had it has failed.
    Lost(String),
}

fn answered(answer: Result<Message, RequestError>, told_to_stop: bool) -> Result<Asked, Failure> {
    match answer {
        Ok(answer) => match decode::<EpochDone>(&answer.body, MAX_CLEARING_BODY_BYTES) {
            Ok(done) if told_to_stop && done.cut => Ok(Asked::Stopped(Some(done))),
            Ok(done) if done.cut => Err(Failure::NoRoom),
            Ok(done) => Ok(Asked::Done(done)),
            Err(error) => Err(Failure::Lost(error.to_string())),
        },
        Err(RequestError::Refused { code: 429, .. }) => Err(Failure::NoRoom),
        Err(RequestError::NoResponders(_)) => Err(Failure::Nobody),
        Err(error) => Err(Failure::Lost(error.to_string())),
    }
}
