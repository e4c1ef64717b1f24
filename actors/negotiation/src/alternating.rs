//! Stacked alternating offers, for two parties or more.
//!
//! The parties move in turn. Whoever has the floor accepts the offer on the table, or puts another there, which takes
//! the old one away, or ends the talk. An offer counts as its proposer's acceptance; what all have accepted is agreed.
//! In each round everybody moves once, and after the last round the talk is over.

use schemas::body::DecodeError;
use schemas::hash::Hash;
use schemas::id::{AgentId, DealId};
use schemas::negotiation::{self, ReadRules, Rules, Transcript};
use schemas::talk::{Talk, TalkAccept, TalkEnd, TalkOffer};

use crate::refusal::{Refusal, Rule, refuse};
use crate::transcript::Told;

/// How a talk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// All have accepted this outcome.
    Agreed(Vec<u32>),
    /// A party ended it.
    Broken {
        /// Who.
        by: AgentId,
        /// Why, in its words.
        reason: String,
    },
    /// There is no round left.
    OutOfRounds,
}

/// What is on the table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Offered {
    hash: Hash,
    outcome: Vec<u32>,
    /// How many have accepted it, its proposer included.
    accepted: usize,
}

/// A talk by the rules of `sao/1`: the fold of what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternating {
    deal: DealId,
    rules: negotiation::Alternating,
    rules_hash: Hash,
    /// The hash of each word.
    words: Vec<Hash>,
    table: Option<Offered>,
    end: Option<End>,
}

impl Alternating {
    /// A talk of which nothing is said yet; `None` where these rules are another protocol's.
    #[must_use]
    pub fn new(deal: DealId, rules: ReadRules) -> Option<Self> {
        let Rules::Alternating(read) = rules.rules else { return None };
        Some(Self { deal, rules: read, rules_hash: rules.hash, words: Vec::new(), table: None, end: None })
    }

    /// Its rules.
    #[must_use]
    pub fn rules(&self) -> &negotiation::Alternating {
        &self.rules
    }

    /// The deal that it is about.
    #[must_use]
    pub fn deal(&self) -> &DealId {
        &self.deal
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// What is on the table.
    #[must_use]
    pub fn table(&self) -> Option<&[u32]> {
        self.table.as_ref().map(|offered| offered.outcome.as_slice())
    }

    /// The seat that has the floor.
    #[must_use]
    pub fn seat(&self) -> usize {
        self.words.len().checked_rem(self.rules.order.len()).unwrap_or(0)
    }

    /// Who has the floor; nobody once it is over.
    #[must_use]
    pub fn mover(&self) -> Option<&AgentId> {
        if self.end.is_some() { None } else { self.rules.order.get(self.seat()) }
    }

    /// The round, counted from 0.
    #[must_use]
    pub fn round(&self) -> u32 {
        let round = self.words.len().checked_div(self.rules.order.len()).unwrap_or(0);
        u32::try_from(round).unwrap_or(u32::MAX)
    }

    /// What was said so far, in short.
    #[must_use]
    pub fn transcript(&self) -> Transcript {
        Transcript { head: self.head(), length: self.turn() }
    }

    /// The outcome that all have accepted, if there is one.
    #[must_use]
    pub fn agreed(&self) -> Option<&[u32]> {
        match &self.end {
            Some(End::Agreed(outcome)) => Some(outcome),
            _ => None,
        }
    }

    /// What it has come to so far.
    #[must_use]
    pub fn told(&self) -> Told {
        let (outcome, between) = (self.agreed().map(<[u32]>::to_vec), self.rules.order.clone());
        Told { transcript: self.transcript(), outcome, between }
    }

    fn head(&self) -> Hash {
        self.words.last().copied().unwrap_or(self.rules_hash)
    }

    fn turn(&self) -> u32 {
        u32::try_from(self.words.len()).unwrap_or(u32::MAX)
    }

    /// The word with which `by` offers an outcome now.
    #[must_use]
    pub fn offer(&self, by: &AgentId, outcome: Vec<u32>) -> Talk {
        Talk::Offer(TalkOffer {
            deal: self.deal.clone(),
            by: by.clone(),
            turn: self.turn(),
            prev: self.head(),
            outcome,
        })
    }

    /// The word with which `by` accepts what is on the table now; nothing where nothing is.
    #[must_use]
    pub fn accept(&self, by: &AgentId) -> Option<Talk> {
        let offer = self.table.as_ref()?.hash;
        let (deal, turn, prev) = (self.deal.clone(), self.turn(), self.head());
        Some(Talk::Accept(TalkAccept { deal, by: by.clone(), turn, prev, offer }))
    }

    /// The word with which `by` ends the talk now.
    #[must_use]
    pub fn finish(&self, by: &AgentId, reason: &str) -> Talk {
        Talk::End(TalkEnd {
            deal: self.deal.clone(),
            by: by.clone(),
            turn: self.turn(),
            prev: self.head(),
            reason: reason.to_owned(),
        })
    }

    /// Takes a word, in its exact bytes.
    ///
    /// # Errors
    /// The rule that refuses it; nothing has changed then.
    pub fn hear(&mut self, bytes: &[u8], now_unix_ms: i64) -> Result<Talk, Refusal> {
        let word = Talk::decode(bytes).map_err(malformed)?;
        self.take(&word, Hash::of(bytes), now_unix_ms)?;
        Ok(word)
    }

    /// Takes a word that was read; `hash` is that of its exact bytes.
    pub(crate) fn take(&mut self, word: &Talk, hash: Hash, now_unix_ms: i64) -> Result<(), Refusal> {
        self.check_place(word, hash, now_unix_ms)?;
        match word {
            Talk::Offer(offer) => {
                if !self.rules.domain.has(&offer.outcome) {
                    return refuse(Rule::OutsideDomain, format!("{:?} is no outcome of this domain", offer.outcome));
                }
                self.table = Some(Offered { hash, outcome: offer.outcome.clone(), accepted: 1 });
            }
            Talk::Accept(accept) => {
                let Some(offered) = self.table.as_mut().filter(|offered| offered.hash == accept.offer) else {
                    return refuse(Rule::UnknownOffer, "another offer is on the table, or none");
                };
                offered.accepted += 1;
                if offered.accepted == self.rules.order.len() {
                    self.end = Some(End::Agreed(offered.outcome.clone()));
                }
            }
            Talk::End(end) => self.end = Some(End::Broken { by: end.by.clone(), reason: end.reason.clone() }),
            _ => return refuse(Rule::Foreign, format!("{} is not said in sao/1", word.kind())),
        }
        self.words.push(hash);
        if self.end.is_none() && self.round() >= self.rules.rounds {
            self.end = Some(End::OutOfRounds);
        }
        Ok(())
    }

    /// Whether a word is refused only because it comes before the one that it follows, so that it can wait for that.
    #[must_use]
    pub fn is_ahead(&self, bytes: &[u8]) -> bool {
        let Ok(word) = Talk::decode(bytes) else { return false };
        let turn = match &word {
            Talk::Offer(TalkOffer { turn, .. })
            | Talk::Accept(TalkAccept { turn, .. })
            | Talk::End(TalkEnd { turn, .. }) => *turn,
            _ => return false,
        };
        self.end.is_none() && turn > self.turn() && *word.deal() == self.deal && self.rules.order.contains(word.by())
    }

    /// Whether a word may be said here and now, whatever it says.
    fn check_place(&self, word: &Talk, hash: Hash, now_unix_ms: i64) -> Result<(), Refusal> {
        if *word.deal() != self.deal {
            return refuse(Rule::Foreign, "it is of another deal");
        }
        if !self.rules.order.contains(word.by()) {
            return refuse(Rule::Foreign, format!("{} takes no part", word.by()));
        }
        let turn = match word {
            Talk::Offer(TalkOffer { turn, .. })
            | Talk::Accept(TalkAccept { turn, .. })
            | Talk::End(TalkEnd { turn, .. }) => *turn as usize,
            _ => return refuse(Rule::Foreign, format!("{} is not said in sao/1", word.kind())),
        };
        match self.words.get(turn) {
            Some(there) if *there == hash => return refuse(Rule::Duplicate, format!("word {turn} is there already")),
            Some(_) => return refuse(Rule::OutOfTurn, format!("another word {turn} is there already")),
            None => {}
        }
        if self.end.is_some() {
            return refuse(Rule::Over, "the talk has ended");
        }
        if now_unix_ms > self.rules.talk_until_unix_ms {
            return refuse(Rule::Late, "the time to talk has passed");
        }
        if turn > self.words.len() {
            return refuse(Rule::BrokenChain, format!("word {} comes before word {turn}", self.words.len()));
        }
        if self.mover() != Some(word.by()) {
            return refuse(Rule::OutOfTurn, format!("{} has not the floor", word.by()));
        }
        if word.prev() != self.head() {
            return refuse(Rule::BrokenChain, "it names another word than the last");
        }
        Ok(())
    }
}

/// A body that is no word.
pub(crate) fn malformed(error: DecodeError) -> Refusal {
    Refusal { rule: Rule::Malformed, reason: error.to_string() }
}
