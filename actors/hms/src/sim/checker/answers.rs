//! What agents are told, against the log.

use runtime::port::{Message, RequestError};
use schemas::{ErrorReply, Hash, body::decode, deal::Moved, header, limit::MAX_BODY_BYTES};

use super::{super::speaker, Checker, MoveKey, key_of, promise};

/// A move as it was asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    attempts: u32,
    /// Attempts of which nobody knows what they did.
    unknown: u32,
    /// The refusal of an attempt, with the body that it refused.
    refused: Option<(Hash, String)>,
}

impl Checker {
    /// An agent asks; nothing has happened to its question yet.
    pub fn asked(&mut self, number: u64, question: &Message) {
        let Some(sender) = question.headers.get(header::SENDER) else { return };
        self.said.insert((question.subject.clone(), sender.to_owned(), Hash::of(&question.body)));
        self.began.insert(number, self.log.last().map_or(0, |last| last.sequence));
        if let Some(key) = key_of_signed(question) {
            self.asked.entry(key).or_default().attempts += 1;
        }
    }

    /// It has its answer, or none.
    pub fn answered(
        &mut self,
        number: u64,
        question: &Message,
        doubled: bool,
        outcome: &Result<Message, RequestError>,
    ) {
        let began = self.began.remove(&number).unwrap_or(0);
        let Some(key) = key_of_signed(question) else { return };
        let body = Hash::of(&question.body);
        let asked = self.asked.entry(key.clone()).or_default();
        asked.unknown += u32::from(doubled);
        match outcome {
            Ok(answer) => self.acknowledged(key, body, answer),
            Err(RequestError::Refused { code, text, reply }) if is_final(*code) => {
                let rule = decode::<ErrorReply>(&reply.body, MAX_BODY_BYTES).map(|error| error.to_string());
                let why = rule.unwrap_or_else(|_| text.clone());
                asked.refused = Some((body, why.clone()));
                self.refused(&key, body, began, &why);
            }
            // Nobody took it, or it was too much: it was not carried out.
            Err(RequestError::NoResponders(_) | RequestError::Refused { code: 429, .. }) => {}
            Err(_) => asked.unknown += 1,
        }
    }

    fn acknowledged(&mut self, key: MoveKey, body: Hash, answer: &Message) {
        let (by, scope, id) = &key;
        let Some(recorded) = self.moves.get(&key).filter(|recorded| recorded.body == body) else {
            let how = format!("the move {id} of {by} in {scope} is acknowledged, and not in the log");
            return self.break_promise(promise::KEPT, how);
        };
        let sequence = recorded.sequence;
        if let Ok(moved) = decode::<Moved>(&answer.body, MAX_BODY_BYTES)
            && let Some((state, turn)) = recorded.outcome
            && (moved.state, moved.turn) != (state, turn)
        {
            let how = format!(
                "{by} is told {} at entry {} of its move {id}; the log says {state} at {turn}",
                moved.state, moved.turn
            );
            return self.break_promise(promise::KEPT, how);
        }
        self.acknowledged.insert(key, sequence);
    }

    fn refused(&mut self, key: &MoveKey, body: Hash, began: u64, why: &str) {
        let (by, scope, id) = key;
        let held = self.moves.get(key).filter(|recorded| recorded.body == body && recorded.sequence <= began);
        if let Some(recorded) = held {
            let how = format!(
                "the move {id} of {by} in {scope} stood at sequence {} when it was asked for again, and is refused: {why}",
                recorded.sequence
            );
            self.break_promise(promise::REMEMBERED, how);
        }
    }

    /// What was refused at the only attempt is not in the log.
    pub(super) fn refused_and_recorded(&mut self) {
        let found = self.asked.iter().find_map(|(key, asked)| {
            let (body, why) = asked.refused.as_ref().filter(|_| asked.attempts == 1 && asked.unknown == 0)?;
            let recorded = self.moves.get(key).filter(|recorded| recorded.body == *body)?;
            let (by, scope, id) = key;
            Some(format!(
                "the move {id} of {by} in {scope} was refused ({why}), and stands at sequence {}",
                recorded.sequence
            ))
        });
        if let Some(how) = found {
            self.break_promise(promise::KEPT, how);
        }
    }
}

/// Whether a refusal says that this very move was decided on.
fn is_final(code: u16) -> bool {
    (400..500).contains(&code) && code != 429
}

fn key_of_signed(question: &Message) -> Option<MoveKey> {
    key_of(question, &speaker(question)?)
}
