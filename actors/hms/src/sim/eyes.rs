//! Sees everything that happens in a run: has it checked, counts it, and tells its story.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use runtime::{
    dice::{Dice, number_of},
    memory::weather::{FaultId, Notice, Observer, Weather},
    port::{Message, RequestError, Stored},
};
use schemas::{
    Hash,
    body::{self, Message as _, decode},
    event::DealEvent,
    header,
    limit::MAX_CLEARING_BODY_BYTES,
    subject,
};

use super::{
    Report,
    checker::{Checker, STREAM},
    speaker,
};

/// The process whose questions are agents'.
const AGENTS: &str = "agents";

/// The weather's observer.
pub struct Eyes(Arc<Mutex<Sight>>);

/// What was seen so far. Clones see the same.
#[derive(Clone)]
pub struct Seen(Arc<Mutex<Sight>>);

struct Sight {
    checker: Checker,
    epoch_unix_ms: i64,
    digest: u64,
    struck: BTreeSet<FaultId>,
    /// Nothing, where nobody wants to hear it.
    story: Option<Vec<String>>,
    last_unix_ms: i64,
}

impl Eyes {
    /// Opens a pair; the other end says what they saw.
    pub fn open(epoch_unix_ms: i64, tells: bool) -> (Self, Seen) {
        let sight = Sight {
            checker: Checker::default(),
            epoch_unix_ms,
            digest: 0,
            struck: BTreeSet::new(),
            story: tells.then(Vec::new),
            last_unix_ms: epoch_unix_ms,
        };
        let sight = Arc::new(Mutex::new(sight));
        (Self(sight.clone()), Seen(sight))
    }
}

fn look(sight: &Mutex<Sight>) -> MutexGuard<'_, Sight> {
    sight.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    /// Whether a promise was broken.
    pub fn is_broken(&self) -> bool {
        look(&self.0).checker.broken().is_some()
    }

    /// Asks the checker.
    pub fn checker<T>(&self, ask: impl FnOnce(&mut Checker) -> T) -> T {
        ask(&mut look(&self.0).checker)
    }

    /// A line of the story that is nobody's doing.
    pub fn tell(&self, what: &str) {
        let mut sight = look(&self.0);
        let at_unix_ms = sight.last_unix_ms;
        sight.tell(at_unix_ms, "", || what.to_owned());
    }

    /// All of it.
    pub fn report(&self, seed: u64, weather: &Weather) -> Report {
        let mut sight = look(&self.0);
        Report {
            seed,
            broken: sight.checker.broken().cloned(),
            steps: weather.steps(),
            moves: sight.checker.moves(),
            ends: sight.checker.ends(),
            faults: weather.struck(),
            struck: std::mem::take(&mut sight.struck),
            digest: sight.digest,
            story: sight.story.take().unwrap_or_default(),
        }
    }
}

impl Sight {
    /// Tells something, unless the story is over.
    fn tell(&mut self, at_unix_ms: i64, who: &str, what: impl FnOnce() -> String) {
        if self.checker.broken().is_some() {
            return;
        }
        if let Some(story) = &mut self.story {
            let at_ms = at_unix_ms.saturating_sub(self.epoch_unix_ms);
            let number = story.len() + 1;
            story.push(format!("{number:>4}  {:>3}.{:03} s  {who:<9} {}", at_ms / 1_000, at_ms % 1_000, what()));
        }
    }

    fn digest(&mut self, parts: &[u64]) {
        let all: Vec<u64> = std::iter::once(self.digest).chain(parts.iter().copied()).collect();
        self.digest = Dice::of(&all).roll();
    }

    fn stored(&mut self, at_unix_ms: i64, process: &str, stream: &str, record: &Stored) {
        let body = Hash::of(&record.body);
        let [first, ..] = *body.as_bytes();
        self.digest(&[number_of(stream), record.sequence, number_of(&record.subject), u64::from(first)]);
        if stream == STREAM {
            self.tell(at_unix_ms, process, || format!("stores {}: {}", record.sequence, what_is(record)));
            self.checker.stored(record);
        }
    }
}

impl Observer for Eyes {
    fn notice(&mut self, at_unix_ms: i64, process: &str, notice: Notice<'_>) {
        let mut sight = look(&self.0);
        sight.last_unix_ms = at_unix_ms;
        let at = u64::try_from(at_unix_ms).unwrap_or(0);
        match notice {
            Notice::Struck { id, fault, on } => {
                sight.digest(&[at, id.0]);
                sight.struck.insert(id);
                sight.tell(at_unix_ms, process, || format!("! {}: {}", fault.name().replace('_', " "), short(on)));
            }
            Notice::Asked { number, question } => {
                sight.digest(&[at, number, number_of(&question.subject)]);
                if process == AGENTS {
                    sight.tell(at_unix_ms, speaker(question).as_deref().unwrap_or_default(), || {
                        format!("asks #{number} {}", what_asks(question))
                    });
                    sight.checker.asked(number, question);
                }
            }
            Notice::Answered { number, question, doubled, outcome } => {
                sight.digest(&[at, number, u64::from(outcome.is_ok())]);
                if process == AGENTS {
                    sight.tell(at_unix_ms, speaker(question).as_deref().unwrap_or_default(), || {
                        format!("is told #{number} {}", what_answers(outcome))
                    });
                    sight.checker.answered(number, question, doubled, outcome);
                }
            }
            Notice::Stored { stream, record } => sight.stored(at_unix_ms, process, stream, record),
            Notice::Gone { stream, sequence } => {
                sight.digest(&[at, sequence]);
                sight.tell(at_unix_ms, "", || format!("! {stream} has lost everything from {sequence} on"));
                if stream == STREAM {
                    sight.checker.gone(sequence);
                }
            }
        }
    }
}

/// A subject without what all of them begin with.
fn short(subject: &str) -> &str {
    subject.strip_prefix(subject::ROOT).map_or(subject, |rest| rest.trim_start_matches('.'))
}

fn what_asks(question: &Message) -> String {
    let value = body::to_json(&question.body, MAX_CLEARING_BODY_BYTES).ok();
    let id = value.and_then(|value| value.get("move_id").and_then(|id| id.as_str().map(str::to_owned)));
    format!("{} {}", short(&question.subject), id.unwrap_or_default())
}

fn what_answers(outcome: &Result<Message, RequestError>) -> String {
    match outcome {
        Ok(answer) => body::type_of(&answer.body, MAX_CLEARING_BODY_BYTES).unwrap_or("something").to_owned(),
        Err(error) => error.to_string(),
    }
}

fn what_is(record: &Stored) -> String {
    match decode::<DealEvent>(&record.body, MAX_CLEARING_BODY_BYTES) {
        Ok(event) => format!("{} of {} as entry {}", event.what.name(), event.deal, event.turn),
        Err(_) => {
            format!("{} ({})", short(&record.subject), record.headers.get(header::TYPE).unwrap_or(DealEvent::TYPE))
        }
    }
}
