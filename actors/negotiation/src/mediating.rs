//! Mediator and voting party of a single text.

use schemas::id::AgentId;

use crate::party::{Part, Said, Words};
use crate::refusal::Refusal;
use crate::strategy::{Ballot, Voter};
use crate::text::SingleText;
use crate::transcript::Told;
use crate::utility::Preferences;

/// Whoever keeps the text: what it says follows from the rules and the votes.
pub struct Mediator {
    talk: SingleText,
    words: Words,
}

impl Mediator {
    /// The mediator of a talk in which nothing is said yet.
    #[must_use]
    pub fn new(talk: SingleText) -> Self {
        Self { talk, words: Words::default() }
    }
}

impl Part for Mediator {
    fn speak(&mut self, now_unix_ms: i64) -> Option<Said> {
        let said = self.talk.decision()?;
        self.words.say(&said, None, |hash| self.talk.take(&said, hash, now_unix_ms))
    }

    fn hear(&mut self, word: &[u8], now_unix_ms: i64) -> Result<(), Refusal> {
        self.talk.hear(word, now_unix_ms)?;
        self.words.keep(word);
        Ok(())
    }

    fn told(&self) -> Option<Told> {
        self.talk.told()
    }

    fn closes(&self) -> bool {
        true
    }

    fn words(&self) -> &[Vec<u8>] {
        self.words.all()
    }
}

/// A party that votes.
pub struct Member {
    me: AgentId,
    talk: SingleText,
    preferences: Preferences,
    voter: Box<dyn Voter>,
    words: Words,
}

impl Member {
    /// A party to a talk in which nothing is said yet; `None` where it has no seat.
    #[must_use]
    pub fn new(me: AgentId, talk: SingleText, preferences: Preferences, voter: Box<dyn Voter>) -> Option<Self> {
        let is_seated = talk.rules().order.contains(&me);
        is_seated.then_some(Self { me, talk, preferences, voter, words: Words::default() })
    }
}

impl Part for Member {
    fn speak(&mut self, now_unix_ms: i64) -> Option<Said> {
        if !self.talk.awaits(&self.me) {
            return None;
        }
        let accepts = self.voter.accepts(&Ballot {
            utility: &self.preferences.utility,
            reserved_ppm: self.preferences.reserved_ppm,
            round: self.talk.round(),
            rounds: self.talk.rules().rounds,
            text: self.talk.text(),
            proposed: self.talk.proposed()?,
        });
        let said = self.talk.vote(&self.me, accepts)?;
        let mediator = self.talk.rules().mediator.clone();
        self.words.say(&said, Some(mediator), |hash| self.talk.take(&said, hash, now_unix_ms))
    }

    fn hear(&mut self, word: &[u8], now_unix_ms: i64) -> Result<(), Refusal> {
        self.talk.hear(word, now_unix_ms)?;
        self.words.keep(word);
        Ok(())
    }

    fn told(&self) -> Option<Told> {
        self.talk.told()
    }

    fn closes(&self) -> bool {
        false
    }

    /// What was voted for step by step may have led below what no agreement is worth.
    fn wants(&self) -> bool {
        self.preferences.utility.of(self.talk.text()) >= self.preferences.reserved_ppm
    }

    fn words(&self) -> &[Vec<u8>] {
        self.words.all()
    }
}
