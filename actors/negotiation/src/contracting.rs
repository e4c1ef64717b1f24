//! Manager and contractor of a contract net, iterated or not.

use std::sync::Arc;

use schemas::id::AgentId;

use crate::contract::ContractNet;
use crate::party::{Part, Said, Words};
use crate::refusal::Refusal;
use crate::space::Ranking;
use crate::strategy::{Bidder, Call};
use crate::transcript::Told;

/// Whoever calls: what it says follows from the rules.
pub struct Manager {
    net: ContractNet,
    text: String,
    words: Words,
    has_called: bool,
}

impl Manager {
    /// The manager of a net in which nothing is said yet; `text` says what is called for, for people.
    #[must_use]
    pub fn new(net: ContractNet, text: &str) -> Self {
        Self { net, text: text.to_owned(), words: Words::default(), has_called: false }
    }
}

impl Part for Manager {
    fn speak(&mut self, now_unix_ms: i64) -> Option<Said> {
        let said = if !self.has_called {
            self.net.call(&self.text)
        } else if self.net.award().is_none() && (self.net.is_answered() || now_unix_ms > self.net.until_unix_ms()) {
            self.net.decision()?
        } else {
            return None;
        };
        self.has_called = true;
        self.words.say(&said, None, |hash| self.net.take(&said, hash, now_unix_ms))
    }

    fn hear(&mut self, word: &[u8], now_unix_ms: i64) -> Result<(), Refusal> {
        self.net.hear(word, now_unix_ms)?;
        self.words.keep(word);
        Ok(())
    }

    fn told(&self) -> Option<Told> {
        self.net.told()
    }

    fn closes(&self) -> bool {
        true
    }

    fn waits_until_unix_ms(&self) -> Option<i64> {
        self.net.award().is_none().then(|| self.net.until_unix_ms())
    }

    fn words(&self) -> &[Vec<u8>] {
        self.words.all()
    }
}

/// Whoever is called.
pub struct Contractor {
    me: AgentId,
    net: ContractNet,
    reserved_ppm: i64,
    ranking: Arc<Ranking>,
    bidder: Box<dyn Bidder>,
    words: Words,
}

impl Contractor {
    /// A contractor in a net in which nothing is said yet. `ranking` is of its own utility, and `reserved_ppm` what no
    /// agreement is worth to it, in parts of a million.
    #[must_use]
    pub fn new(
        me: AgentId,
        net: ContractNet,
        reserved_ppm: i64,
        ranking: Arc<Ranking>,
        bidder: Box<dyn Bidder>,
    ) -> Self {
        Self { me, net, reserved_ppm, ranking, bidder, words: Words::default() }
    }
}

impl Part for Contractor {
    fn speak(&mut self, now_unix_ms: i64) -> Option<Said> {
        if !self.net.awaits(&self.me) || now_unix_ms > self.net.until_unix_ms() {
            return None;
        }
        let rules = self.net.rules();
        let bid = self.bidder.bid(&Call {
            ranking: &self.ranking,
            reserved_ppm: self.reserved_ppm,
            round: self.net.round(),
            rounds: rules.rounds,
            score: &|outcome| self.net.score(outcome),
            best: self.net.best(),
            leads: self.net.leads(&self.me),
            least_gain: rules.least_gain.get().into(),
        });
        let manager = rules.manager.clone();
        let said = match bid {
            Some(outcome) => self.net.bid(&self.me, outcome)?,
            None => self.net.decline(&self.me, "nothing better to bid")?,
        };
        self.words.say(&said, Some(manager), |hash| self.net.take(&said, hash, now_unix_ms))
    }

    fn hear(&mut self, word: &[u8], now_unix_ms: i64) -> Result<(), Refusal> {
        self.net.hear(word, now_unix_ms)?;
        self.words.keep(word);
        Ok(())
    }

    fn told(&self) -> Option<Told> {
        self.net.told()
    }

    fn closes(&self) -> bool {
        false
    }

    fn words(&self) -> &[Vec<u8>] {
        self.words.all()
    }
}
