//! Mediated single text (Klein, Faratin, Sayama & Bar-Yam 2003): a mediator keeps one text, changes it, and has the
//! parties vote on each change; what all accept stands.
//!
//! # The mediator has no choice
//!
//! What it says follows from the rules and the votes alone, so whoever hears it knows whether it keeps to them. A draw is
//! made of three numbers, `draw(round, nth, below)`: the first 8 bytes of SHA-256(seed ‖ round ‖ nth), read as a number,
//! modulo `below`; the seed is written in 8 bytes, round and nth in 4, all numbers big-endian. The first text has for issue
//! i the choice draw(0, i, number of choices). In round r, counted from 0, the issue that changes is the
//! draw(r + 1, 0, …)th of those with more than one choice, in their order; its choice becomes draw(r + 1, 1, number of
//! choices − 1), plus 1 where that is not less than the choice before, so it does change.
//!
//! # Votes
//!
//! A vote is for the mediator alone. The next text, or the result, tells all of them, each with its hash; a party that sees
//! its own turned or made up refuses the word, and follows no further. All parties are told the same words or sign
//! different heads. There is no next text before all have voted: a party that is silent lets the talk lapse.

use std::collections::BTreeSet;

use schemas::hash::Hash;
use schemas::id::{AgentId, DealId};
use schemas::negotiation::{self, ReadRules, Rules, Transcript};
use schemas::talk::{CountedVote, Talk, TalkResult, TalkText, TalkVote};

use crate::alternating::malformed;
use crate::refusal::{Refusal, Rule, refuse};
use crate::transcript::{Told, View};

/// What is voted on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Proposed {
    hash: Hash,
    outcome: Vec<u32>,
    /// The votes that were heard, by seat.
    votes: Vec<Option<CountedVote>>,
}

/// A talk by the rules of `stx/1`: the fold of what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleText {
    deal: DealId,
    rules: negotiation::SingleText,
    rules_hash: Hash,
    view: View,
    /// What stands.
    text: Vec<u32>,
    /// How many changes were put to the vote.
    rounds: u32,
    proposed: Option<Proposed>,
    result: Option<Hash>,
    /// Every word that was taken.
    taken: BTreeSet<Hash>,
}

impl SingleText {
    /// A talk of which nothing is said yet; `None` where these rules are another protocol's.
    #[must_use]
    pub fn new(deal: DealId, rules: ReadRules, view: View) -> Option<Self> {
        let ReadRules { rules: Rules::SingleText(read), hash: rules_hash } = rules else { return None };
        let text = first(&read);
        let (rounds, proposed, result, taken) = (0, None, None, BTreeSet::new());
        Some(Self { deal, rules: read, rules_hash, view, text, rounds, proposed, result, taken })
    }

    /// Its rules.
    #[must_use]
    pub fn rules(&self) -> &negotiation::SingleText {
        &self.rules
    }

    /// The text that stands.
    #[must_use]
    pub fn text(&self) -> &[u32] {
        &self.text
    }

    /// What is voted on.
    #[must_use]
    pub fn proposed(&self) -> Option<&[u32]> {
        self.proposed.as_ref().map(|proposed| proposed.outcome.as_slice())
    }

    /// The round of what is voted on, counted from 0.
    #[must_use]
    pub fn round(&self) -> u32 {
        self.rounds.saturating_sub(1)
    }

    /// Whether there is something that this party has not voted on.
    #[must_use]
    pub fn awaits(&self, party: &AgentId) -> bool {
        let (None, Some(proposed), Some(seat)) = (self.result, &self.proposed, self.seat(party)) else { return false };
        matches!(proposed.votes.get(seat), Some(None))
    }

    /// What was said, in short; nothing before the result.
    #[must_use]
    pub fn transcript(&self) -> Option<Transcript> {
        self.result.map(|head| Transcript { head, length: self.rules.words() })
    }

    /// What came of it; nothing before the result.
    #[must_use]
    pub fn told(&self) -> Option<Told> {
        let (outcome, between) = (Some(self.text.clone()), self.rules.order.clone());
        Some(Told { transcript: self.transcript()?, outcome, between })
    }

    fn seat(&self, party: &AgentId) -> Option<usize> {
        self.rules.order.iter().position(|seated| seated == party)
    }

    /// The vote of `by` on what is voted on; nothing where nothing is.
    #[must_use]
    pub fn vote(&self, by: &AgentId, accepts: bool) -> Option<Talk> {
        let prev = self.proposed.as_ref()?.hash;
        Some(Talk::Vote(TalkVote { deal: self.deal.clone(), by: by.clone(), prev, accepts }))
    }

    /// What the mediator says next: the first text, or, when all have voted, the next or the result.
    #[must_use]
    pub fn decision(&self) -> Option<Talk> {
        if self.result.is_some() {
            return None;
        }
        let (deal, by, prev) = (self.deal.clone(), self.rules.mediator.clone(), self.last());
        let votes = match &self.proposed {
            Some(proposed) => proposed.votes.iter().copied().collect::<Option<Vec<CountedVote>>>()?,
            None => Vec::new(),
        };
        let text = self.after(&votes);
        Some(if self.rounds < self.rules.rounds {
            let outcome = changed(&self.rules, self.rounds, text);
            Talk::Text(TalkText { deal, by, round: self.rounds, prev, votes, outcome })
        } else {
            Talk::Result(TalkResult { deal, by, prev, votes, outcome: text.to_vec() })
        })
    }

    fn last(&self) -> Hash {
        self.proposed.as_ref().map_or(self.rules_hash, |proposed| proposed.hash)
    }

    /// The text that stands once these votes are counted.
    fn after(&self, votes: &[CountedVote]) -> &[u32] {
        match &self.proposed {
            Some(proposed) if votes.iter().all(|vote| vote.accepts) => &proposed.outcome,
            _ => &self.text,
        }
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
        if *word.deal() != self.deal {
            return refuse(Rule::Foreign, "it is of another deal");
        }
        if self.taken.contains(&hash) {
            return refuse(Rule::Duplicate, "it is there already");
        }
        if self.result.is_some() {
            return refuse(Rule::Over, "there is a result");
        }
        if now_unix_ms > self.rules.talk_until_unix_ms {
            return refuse(Rule::Late, "the time to talk has passed");
        }
        match word {
            Talk::Text(text) => self.changed(text, hash)?,
            Talk::Vote(vote) => self.voted(vote, hash)?,
            Talk::Result(result) => self.ended(result, hash)?,
            _ => return refuse(Rule::Foreign, format!("{} is not said in stx/1", word.kind())),
        }
        self.taken.insert(hash);
        Ok(())
    }

    fn check_mediator(&self, by: &AgentId) -> Result<(), Refusal> {
        if *by == self.rules.mediator {
            return Ok(());
        }
        refuse(Rule::Foreign, format!("{by} is not the mediator"))
    }

    fn changed(&mut self, said: &TalkText, hash: Hash) -> Result<(), Refusal> {
        self.check_mediator(&said.by)?;
        if said.round < self.rounds {
            return refuse(Rule::OutOfTurn, format!("round {} has begun already", said.round));
        }
        if said.round > self.rounds || said.prev != self.last() {
            return refuse(Rule::BrokenChain, "it does not follow the text before");
        }
        self.check_votes(&said.votes)?;
        if self.rounds >= self.rules.rounds {
            return refuse(Rule::WrongText, "there is no round left");
        }
        let text = self.after(&said.votes).to_vec();
        let drawn = changed(&self.rules, self.rounds, &text);
        if said.outcome != drawn {
            return refuse(Rule::WrongText, format!("seed and votes make {drawn:?}"));
        }
        let votes = vec![None; self.rules.order.len()];
        self.text = text;
        self.rounds = self.rounds.saturating_add(1);
        self.proposed = Some(Proposed { hash, outcome: drawn, votes });
        Ok(())
    }

    fn voted(&mut self, vote: &TalkVote, hash: Hash) -> Result<(), Refusal> {
        let Some(seat) = self.seat(&vote.by) else {
            return refuse(Rule::Foreign, format!("{} has no vote", vote.by));
        };
        if matches!(&self.view, View::Party(me) if *me != vote.by) {
            return refuse(Rule::Foreign, "votes are for the mediator alone");
        }
        let Some(proposed) = self.proposed.as_mut().filter(|proposed| proposed.hash == vote.prev) else {
            return refuse(Rule::BrokenChain, "it is on another text");
        };
        match proposed.votes.get_mut(seat) {
            Some(cast @ None) => *cast = Some(CountedVote { hash, accepts: vote.accepts }),
            _ => return refuse(Rule::OutOfTurn, format!("{} has voted", vote.by)),
        }
        Ok(())
    }

    fn ended(&mut self, said: &TalkResult, hash: Hash) -> Result<(), Refusal> {
        self.check_mediator(&said.by)?;
        if said.prev != self.last() {
            return refuse(Rule::BrokenChain, "it does not follow the text before");
        }
        if self.rounds < self.rules.rounds {
            return refuse(Rule::WrongText, "there are rounds left");
        }
        self.check_votes(&said.votes)?;
        let text = self.after(&said.votes).to_vec();
        if said.outcome != text {
            return refuse(Rule::WrongText, format!("the votes make {text:?}"));
        }
        self.text = text;
        self.result = Some(hash);
        Ok(())
    }

    /// Whether votes are counted as they were cast, as far as whoever listens has heard them.
    fn check_votes(&self, counted: &[CountedVote]) -> Result<(), Refusal> {
        let cast = self.proposed.as_ref().map_or(&[][..], |proposed| proposed.votes.as_slice());
        let different: BTreeSet<&Hash> = counted.iter().map(|vote| &vote.hash).collect();
        if counted.len() != cast.len() || different.len() < counted.len() {
            return refuse(Rule::WrongCount, format!("there are {} votes to count, each once", cast.len()));
        }
        let hears = |seat: usize| match &self.view {
            View::Whole => true,
            View::Party(me) => self.rules.order.get(seat) == Some(me),
        };
        let turned =
            cast.iter().zip(counted).enumerate().find(|(at, (cast, told))| hears(*at) && **cast != Some(**told));
        match turned.and_then(|(at, _)| self.rules.order.get(at)) {
            Some(who) => refuse(Rule::WrongCount, format!("{who} has not voted so")),
            None => Ok(()),
        }
    }
}

/// A number below `below`; 0 where there is none.
fn draw(rules: &negotiation::SingleText, round: u32, nth: u32, below: u32) -> u32 {
    let drawn = Hash::of_parts(&[&rules.seed.to_be_bytes(), &round.to_be_bytes(), &nth.to_be_bytes()]);
    let number = drawn.as_bytes().iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    number.checked_rem(below.into()).and_then(|rest| u32::try_from(rest).ok()).unwrap_or(0)
}

/// The text before anything was voted on.
fn first(rules: &negotiation::SingleText) -> Vec<u32> {
    (0..).zip(&rules.domain.issues).map(|(at, issue)| draw(rules, 0, at, issue.count)).collect()
}

/// The text with one issue changed, as the seed says for this round; as it is where nothing can change.
fn changed(rules: &negotiation::SingleText, round: u32, text: &[u32]) -> Vec<u32> {
    let mut outcome = text.to_vec();
    let mut open =
        outcome.iter_mut().zip(&rules.domain.issues).filter(|(_, issue)| issue.count > 1).collect::<Vec<_>>();
    let (from, count) = (round.saturating_add(1), u32::try_from(open.len()).unwrap_or(u32::MAX));
    if let Some((choice, issue)) = open.get_mut(draw(rules, from, 0, count) as usize) {
        let drawn = draw(rules, from, 1, issue.count.saturating_sub(1));
        **choice = if drawn < **choice { drawn } else { drawn.saturating_add(1) };
    }
    outcome
}
