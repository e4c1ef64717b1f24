//! One actor that hosts a decider: a queue for each log, one decision at a time in each.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix::prelude::*;
use futures::{FutureExt, future::join_all};
use schemas::{
    core::{Answer, Call, Decision, Effect, Logged},
    error::{Code, ErrorReply},
    header::Headers,
    signature::Signer,
    subject,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    GroupCommit,
    sign::sign,
    timer::{Timer, arm},
};
use crate::port::{AppendError, Port, ReadError, Record};
use crate::stage::{NoSystem, Stage};
use crate::trace::{self, Cause};

/// How often a decision is taken again after a lost compare-and-set or an unknown outcome.
const ATTEMPTS: u32 = 7;
/// Most asks of one log that are decided together.
const TOGETHER: usize = 64;
/// Waiting after an unknown outcome, in milliseconds; doubled each time.
const PAUSE_MS: u64 = 50;
/// How long events wait for what comes of an errand, in milliseconds: one write more takes longer than most errands.
const HOLD_MS: u64 = 200;
/// Logs whose state is kept at hand; when there are more, idle ones are read again when they are needed.
const KEPT: usize = 100_000;

/// A decider that can live in an actor.
pub trait Hosted: Logged<Move: Send + Unpin, State: Send + Unpin, Event: Send> + Send + Sync + Unpin + 'static {}
impl<D: Logged<Move: Send + Unpin, State: Send + Unpin, Event: Send> + Send + Sync + Unpin + 'static> Hosted for D {}

/// What a decider wants done outside of its log. The host hands it on before the events are stored, and waits
/// [`HOLD_MS`] at most for what comes of it: what comes back by then is decided on those events, and stored with them in
/// one write. What comes later is asked of the decider anew, in its turn. Where the events were not stored, it counts
/// for nothing either way.
#[derive(Debug)]
pub struct Errand<M> {
    /// The log whose decider wants it.
    pub log: String,
    /// What it wants.
    pub effect: Effect,
    /// The W3C trace context of what made it want that.
    pub trace: Option<String>,
    /// Takes what came of it, while the events wait.
    pub back: oneshot::Sender<M>,
}

/// Hosts a decider as an actor.
pub struct DeciderHost<D: Hosted> {
    shared: Arc<Shared<D>>,
    logs: HashMap<String, Slot<D>>,
}

struct Shared<D: Hosted> {
    decider: D,
    port: Arc<dyn Port>,
    writer: GroupCommit,
    signer: Signer,
    errands: mpsc::UnboundedSender<Errand<D::Move>>,
}

struct Slot<D: Hosted> {
    queue: VecDeque<Ask<D>>,
    /// Whether asks are being decided; the state is away then.
    busy: bool,
    folded: Option<Folded<D::State>>,
}

struct Folded<S> {
    state: S,
    /// The sequence of the last entry; 0 for none.
    sequence: u64,
}

struct Ask<D: Hosted> {
    log: String,
    ask: D::Move,
    call: Call,
    answer: oneshot::Sender<Answer>,
}

impl<D: Hosted> actix::Message for Ask<D> {
    type Result = ();
}

/// Where to ask a hosted decider.
pub struct DeciderHandle<D: Hosted> {
    host: Addr<DeciderHost<D>>,
    /// The thread that the host lives on.
    stage: Arc<Stage>,
}

impl<D: Hosted> Clone for DeciderHandle<D> {
    fn clone(&self) -> Self {
        Self { host: self.host.clone(), stage: Arc::clone(&self.stage) }
    }
}

impl<D: Hosted> DeciderHandle<D> {
    /// Asks, and waits for what the log then holds. How many may ask at once is the caller's to limit.
    ///
    /// # Errors
    /// The decider's refusal, or 500 when the outcome is unknown.
    pub async fn ask(&self, log: String, ask: D::Move, call: Call) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.host.do_send(Ask { log, ask, call, answer });
        answered.await.unwrap_or_else(|_| Err(unknown("the desk went away")))
    }
}

impl<D: Hosted> DeciderHost<D> {
    /// Starts a host on a thread of its own. `signer` signs what it writes; `errands` is told what else is to be done.
    ///
    /// # Errors
    /// Outside of an actor system.
    pub fn start(
        decider: D,
        port: Arc<dyn Port>,
        writer: GroupCommit,
        signer: Signer,
        errands: mpsc::UnboundedSender<Errand<D::Move>>,
    ) -> Result<DeciderHandle<D>, NoSystem> {
        let shared = Arc::new(Shared { decider, port, writer, signer, errands });
        let stage = Stage::new(1)?;
        let thread = stage.of(0).ok_or(NoSystem)?;
        let host = Self::start_in_arbiter(thread, move |_| Self { shared, logs: HashMap::new() });
        Ok(DeciderHandle { host, stage: Arc::new(stage) })
    }

    fn next(&mut self, log: String, ctx: &mut Context<Self>) {
        let Some(slot) = self.logs.get_mut(&log) else { return };
        if slot.queue.is_empty() {
            self.rest(&log);
            return;
        }
        let asks: Vec<_> = slot.queue.drain(..slot.queue.len().min(TOGETHER)).collect();
        let folded = slot.folded.take();
        slot.busy = true;
        let shared = self.shared.clone();
        let work = async move {
            // Who asked hears that nobody knows, and the state is read again: neither can be trusted any more.
            let served = AssertUnwindSafe(shared.serve(&log, folded, asks)).catch_unwind().await;
            let folded = served.unwrap_or_else(|_| {
                tracing::error!(log, "the decider panicked; its state is read anew");
                None
            });
            (log, folded)
        };
        ctx.spawn(work.into_actor(self).map(|(log, folded), host, ctx| {
            if let Some(slot) = host.logs.get_mut(&log) {
                slot.folded = folded;
                slot.busy = false;
            }
            host.next(log, ctx);
        }));
    }

    /// Keeps what is likely to be asked about again, within bounds.
    fn rest(&mut self, log: &str) {
        let live =
            self.logs.get(log).and_then(|slot| slot.folded.as_ref()).is_some_and(|folded| D::is_live(&folded.state));
        if !live {
            self.logs.remove(log);
        } else if self.logs.len() > KEPT {
            self.logs.retain(|_, slot| slot.busy || !slot.queue.is_empty());
        }
    }
}

impl<D: Hosted> Actor for DeciderHost<D> {
    type Context = Context<Self>;
}

impl<D: Hosted> Handler<Ask<D>> for DeciderHost<D> {
    type Result = ();

    fn handle(&mut self, ask: Ask<D>, ctx: &mut Self::Context) {
        let log = ask.log.clone();
        let slot =
            self.logs.entry(log.clone()).or_insert_with(|| Slot { queue: VecDeque::new(), busy: false, folded: None });
        slot.queue.push_back(ask);
        if !slot.busy {
            self.next(log, ctx);
        }
    }
}

/// Why a round of deciding has to be done again.
enum Again<S> {
    /// Someone else wrote: read first.
    Stale,
    /// A refusal was due on a state that was not fresh, and nothing was decided on it: read what came since.
    Behind(Folded<S>),
    /// What was read was not all: whoever answered lags behind.
    Lags,
    /// Nobody knows whether it was written.
    Unknown,
    /// It cannot be written or read now.
    Broken(String),
}

impl<D: Hosted> Shared<D> {
    /// Decides asks of one log, writes what happened, and answers. Gives back the state, unless it is
    /// not known any more.
    async fn serve(
        &self,
        log: &str,
        mut folded: Option<Folded<D::State>>,
        mut asks: Vec<Ask<D>>,
    ) -> Option<Folded<D::State>> {
        let mut fresh = false;
        let mut pause_ms = PAUSE_MS;
        let mut trouble = String::new();
        // Whether something was written of which nobody knows whether it is stored.
        let mut unsure = false;
        for _ in 0..ATTEMPTS {
            let round = match self.ready(log, folded.take(), &mut fresh).await {
                Ok(ready) => self.round(log, ready, fresh, &asks).await,
                Err(error) => Err(Again::Broken(error.to_string())),
            };
            fresh = false;
            match round {
                Ok((after, answers)) => {
                    for (ask, answer) in asks.drain(..answers.len()).zip(answers) {
                        let late = answer.as_ref().is_err_and(|refusal| refusal.kind() == Code::Late);
                        // Too late to be decided again is not yet too late to be stored.
                        let answer = if late && unsure { Err(unknown(&trouble)) } else { answer };
                        // Whoever asked may have given up waiting; the log holds the outcome.
                        let _ = ask.answer.send(answer);
                    }
                    if asks.is_empty() {
                        return Some(after);
                    }
                    (folded, fresh) = (Some(after), true);
                }
                Err(Again::Stale) => {}
                Err(Again::Behind(before)) => (folded, fresh) = (Some(before), true),
                Err(Again::Lags) => "a replica lags behind".clone_into(&mut trouble),
                Err(Again::Unknown) => {
                    unsure = true;
                    "the outcome of a write is unknown".clone_into(&mut trouble);
                }
                Err(Again::Broken(reason)) => trouble = reason,
            }
            if !trouble.is_empty() {
                self.port.sleep_ms(pause_ms).await;
                pause_ms *= 2;
            }
        }
        tracing::error!(log, trouble, "asks were given up");
        for ask in asks {
            let _ = ask.answer.send(Err(unknown(&trouble)));
        }
        None
    }

    /// The state at hand, unless it is to be fresh; else read from the log, on from what is at hand.
    async fn ready(
        &self,
        log: &str,
        at_hand: Option<Folded<D::State>>,
        fresh: &mut bool,
    ) -> Result<Folded<D::State>, ReadError> {
        let mut folded = match at_hand {
            Some(folded) if !*fresh => return Ok(folded),
            Some(folded) => folded,
            None => Folded { state: D::State::default(), sequence: 0 },
        };
        *fresh = true;
        for stored in self.port.read(D::STREAM, log, folded.sequence).await? {
            folded.sequence = stored.sequence;
            match D::read(&stored.body) {
                Ok(event) => folded.state = D::apply(folded.state, &event),
                // Skipped and reported: what is no entry of ours changes no state.
                Err(error) => tracing::error!(log, sequence = stored.sequence, %error, "an entry was skipped"),
            }
        }
        Ok(folded)
    }

    /// One round: decide all, write once; or of the asks so many as can be decided before something must be read. Gives
    /// the answers that are due.
    async fn round(
        &self,
        log: &str,
        folded: Folded<D::State>,
        fresh: bool,
        asks: &[Ask<D>],
    ) -> Result<(Folded<D::State>, Vec<Answer>), Again<D::State>> {
        let Folded { mut state, sequence } = folded;
        // The time of deciding, not of asking: what is decided again after its deadline is late.
        let now_unix_ms = self.port.now_unix_ms();
        let mut answers = Vec::with_capacity(asks.len());
        let mut records = Vec::new();
        let mut also = Also::default();
        for Ask { ask, call, .. } in asks {
            let call = &Call { now_unix_ms, ..call.clone() };
            let decided = self.decider.decide(&state, ask, call);
            // That there is nothing to do is a refusal too: a timer that is heeded on an old state is lost.
            let says_no = match &decided {
                Ok(decision) => decision.events.is_empty(),
                Err(refusal) => depends_on_state(refusal),
            };
            if says_no && !fresh {
                if records.is_empty() {
                    return Err(Again::Behind(Folded { state, sequence }));
                }
                // What was decided before it is written, and the rest is decided on what is read then.
                break;
            }
            let answer = match decided {
                Ok(Decision { events, effects }) => {
                    state = self.record(log, state, &events, call.now_unix_ms, &mut records);
                    also.stores |= !events.is_empty();
                    self.sort(log, effects, call.traceparent.as_deref(), &mut also);
                    D::answer(&state, ask)
                }
                Err(refusal) => Err(refusal),
            };
            if answer.as_ref().is_err_and(depends_on_state) && !fresh {
                return Err(Again::Stale);
            }
            answers.push(answer);
        }
        let Also { mut notes, timers, beside, errands, .. } = also;
        let back = self.run(log, errands);
        // Armed before the events are written: a timer that fires too early comes again, one that is missing would
        // leave a deal open for ever.
        for armed in join_all(timers).await {
            armed.map_err(Again::Broken)?;
        }
        if !records.is_empty() {
            let came = self.come_back(back).await;
            if came.is_empty() {
                look_again(log, beside);
            }
            for (came, trace) in came {
                state = self.hear(log, state, &came, trace, &mut records, &mut notes).await?;
            }
        }
        let Some(first) = records.first_mut() else {
            // No compare-and-set will show whether this was all of the log, and what was read may be a replica's that
            // lags: a refusal of what the log holds would be for good.
            return match self.port.newest(D::STREAM, log).await {
                Ok(newest) if newest <= sequence => Ok((Folded { state, sequence }, answers)),
                Ok(_) => Err(Again::Lags),
                Err(error) => Err(Again::Broken(error.to_string())),
            };
        };
        first.expect_last_subject_seq = Some(sequence);
        let events = records.len();
        records.extend(notes);
        match self.writer.write(records).await {
            Ok(sequences) => {
                let sequence = sequences.get(events - 1).copied().unwrap_or(sequence);
                Ok((Folded { state, sequence }, answers))
            }
            Err(AppendError::Conflict) => Err(Again::Stale),
            Err(error) if error.is_unknown() => Err(Again::Unknown),
            Err(error) => Err(Again::Broken(error.to_string())),
        }
    }

    /// Decides what came of an errand on the events that wait, and has what follows stored with them.
    async fn hear(
        &self,
        log: &str,
        state: D::State,
        came: &D::Move,
        traceparent: Option<String>,
        records: &mut Vec<Record>,
        notes: &mut Vec<Record>,
    ) -> Result<D::State, Again<D::State>> {
        let call = &Call { now_unix_ms: self.port.now_unix_ms(), traceparent, ..Call::default() };
        let Decision { events, effects } = match self.decider.decide(&state, came, call) {
            Ok(decision) => decision,
            Err(refusal) => {
                tracing::error!(log, %refusal, "what came of an errand was refused");
                return Ok(state);
            }
        };
        let state = self.record(log, state, &events, call.now_unix_ms, records);
        let mut also = Also::default();
        self.sort(log, effects, call.traceparent.as_deref(), &mut also);
        notes.extend(also.notes);
        for armed in join_all(also.timers).await {
            armed.map_err(Again::Broken)?;
        }
        Ok(state)
    }

    fn sort(&self, log: &str, effects: Vec<Effect>, trace: Option<&str>, also: &mut Also) {
        // Who has something proved wants to look again soon. That is not worth waiting for before the events are stored,
        // as long as a timer is armed at all: the one that was armed when the log began.
        let stores_and_proves = also.stores && effects.iter().any(|effect| matches!(effect, Effect::Prove { .. }));
        for effect in effects {
            match effect {
                Effect::Note { to, kind, body } => {
                    also.notes.push(Record::new(subject::note(&to), body).with_headers(told(kind, trace)));
                }
                Effect::Beside { subject, kind, body } => {
                    also.notes.push(Record::new(subject, body).with_headers(told(kind, trace)));
                }
                Effect::Timer { at_unix_ms } => {
                    let timers = if stores_and_proves { &mut also.beside } else { &mut also.timers };
                    timers.extend(self.arming(log, at_unix_ms, at_unix_ms));
                }
                Effect::Again { due_unix_ms, at_unix_ms } => {
                    also.timers.extend(self.arming(log, due_unix_ms, at_unix_ms));
                }
                effect @ (Effect::Prove { .. } | Effect::Prepare { .. }) => {
                    also.errands.push((effect, trace.map(str::to_owned)));
                }
            }
        }
    }

    fn arming(&self, log: &str, due_unix_ms: i64, at_unix_ms: i64) -> Option<Arming> {
        let (from, target) = D::timer(log)?;
        let timer = Timer { from, target, due_unix_ms, at_unix_ms };
        Some(Box::pin(arm(self.port.clone(), timer)))
    }

    /// Signs events for the log; gives the state after them.
    fn record(
        &self,
        log: &str,
        mut state: D::State,
        events: &[D::Event],
        now_unix_ms: i64,
        records: &mut Vec<Record>,
    ) -> D::State {
        for event in events {
            let bytes = D::bytes(event);
            let headers = sign(&self.signer, log, D::KIND, bytes, now_unix_ms);
            records.push(Record::new(log, bytes.to_vec()).with_headers(headers));
            state = D::apply(state, event);
        }
        state
    }

    /// Hands errands on; gives where those that something comes of say what.
    fn run(&self, log: &str, errands: Vec<(Effect, Cause)>) -> Vec<(oneshot::Receiver<D::Move>, Cause)> {
        let mut awaited = Vec::new();
        for (effect, trace) in errands {
            let (back, came) = oneshot::channel();
            if matches!(effect, Effect::Prove { .. }) {
                awaited.push((came, trace.clone()));
            }
            // Nobody runs errands any more when the host's owner is gone; a timer finds what was left undone.
            let _ = self.errands.send(Errand { log: log.to_owned(), effect, trace, back });
        }
        awaited
    }

    /// What comes of errands while the events wait.
    async fn come_back(&self, awaited: Vec<(oneshot::Receiver<D::Move>, Cause)>) -> Vec<(D::Move, Cause)> {
        let until_unix_ms = self.port.now_unix_ms().saturating_add_unsigned(HOLD_MS);
        let mut came = Vec::new();
        for (mut back, trace) in awaited {
            let left_ms = until_unix_ms.saturating_sub(self.port.now_unix_ms()).max(0).unsigned_abs();
            tokio::select! {
                biased;
                what = &mut back => came.extend(what.map(|what| (what, trace))),
                () = self.port.sleep_ms(left_ms) => {
                    // Whoever comes from now on asks anew; who was just in time is heard.
                    back.close();
                    came.extend(back.try_recv().map(|what| (what, trace)));
                }
            }
        }
        came
    }
}

/// What goes with the events of a round.
#[derive(Default)]
struct Also {
    notes: Vec<Record>,
    timers: Vec<Arming>,
    /// Timers that nothing waits for.
    beside: Vec<Arming>,
    /// Whether there are events to store.
    stores: bool,
    errands: Vec<(Effect, Cause)>,
}

/// The headers of what somebody is told. Where nobody records the trace, it is not stored with it.
fn told(kind: &'static str, trace: Option<&str>) -> Headers {
    trace::caused(Headers::of_type(kind), trace.filter(|_| trace::is_recorded()).map(str::to_owned))
}

/// Arms timers that look at a log ahead of time: the timer that it had before still ends what these don't come for.
fn look_again(log: &str, timers: Vec<Arming>) {
    for arming in timers {
        let log = log.to_owned();
        tokio::spawn(async move {
            if let Err(error) = arming.await {
                tracing::warn!(log, error, "nobody will look sooner than the log's timer, which stands as it was");
            }
        });
    }
}

/// Whether a refusal might be another on a newer state.
fn depends_on_state(refusal: &ErrorReply) -> bool {
    !matches!(refusal.kind(), Code::BadMessage | Code::Unsigned)
}

fn unknown(why: &str) -> ErrorReply {
    ErrorReply::new(
        Code::Internal,
        format!("{why}: whether the move was recorded is unknown; ask again with the same move_id"),
    )
}

type Arming = futures::future::BoxFuture<'static, Result<(), String>>;
