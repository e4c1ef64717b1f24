//! The contract net: a call, sealed bids, an award by a stated rule; and the iterated one, where the manager tells the
//! best bid and calls again, by a rule that is stated as well. A contract net is an iterated one of one round.
//!
//! The manager hears every answer; a contractor hears calls and award, and knows its own answers. Each call after the
//! first, and the award, names all answers to the call before by their hashes, so a contractor sees whether its own was
//! counted and not what others bid, and whoever is shown the bids afterwards can see that the rules were kept.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use schemas::hash::Hash;
use schemas::id::{AgentId, DealId};
use schemas::negotiation::{IteratedContractNet, ReadRules, Rules, Transcript};
use schemas::talk::{Talk, TalkAward, TalkBid, TalkCall, TalkDecline, TalkRevise};

use crate::alternating::malformed;
use crate::refusal::{Refusal, Rule, refuse};
use crate::transcript::{Told, View};

/// What a contractor answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bidding {
    /// Who.
    pub by: AgentId,
    /// In which round, counted from 0.
    pub round: u32,
    /// SHA-256 of the answer's exact bytes.
    pub hash: Hash,
    /// What it bids: one choice for each issue; nothing where it declines.
    pub outcome: Option<Vec<u32>>,
}

/// Whom the manager awarded to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Award {
    /// The bid.
    pub bid: Option<Hash>,
    /// The bid, where it was heard.
    pub bidding: Option<Bidding>,
    transcript: Transcript,
}

/// A contract net by the rules of `cnp/1` or `icnp/1`: the fold of what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractNet {
    deal: DealId,
    rules: IteratedContractNet,
    rules_hash: Hash,
    contractors: Vec<AgentId>,
    view: View,
    /// The calls so far, by their hashes.
    calls: Vec<Hash>,
    /// Who may answer the last of them.
    called: Vec<AgentId>,
    /// The best bid that it tells: its hash, and what it bids.
    best: Option<(Hash, Vec<u32>)>,
    /// The answers that further calls and the award name.
    named: Vec<Hash>,
    /// The answers that were heard, to all calls.
    answers: Vec<Bidding>,
    award: Option<Award>,
}

impl ContractNet {
    /// A contract net in which nothing is said yet; `None` where these rules are another protocol's. `parties` are all
    /// that the deal was opened with.
    #[must_use]
    pub fn new(deal: DealId, rules: ReadRules, parties: &[AgentId], view: View) -> Option<Self> {
        let ReadRules { rules, hash: rules_hash } = rules;
        let rules = match rules {
            Rules::ContractNet(rules) => rules.into(),
            Rules::Iterated(rules) => rules,
            Rules::Alternating(_) | Rules::SingleText(_) => return None,
        };
        let contractors: Vec<AgentId> = parties.iter().filter(|party| **party != rules.manager).cloned().collect();
        let called = contractors.clone();
        let (calls, best, named, answers, award) = (Vec::new(), None, Vec::new(), Vec::new(), None);
        Some(Self { deal, rules, rules_hash, contractors, view, calls, called, best, named, answers, award })
    }

    /// Its rules; a contract net's as those of an iterated one of one round.
    #[must_use]
    pub fn rules(&self) -> &IteratedContractNet {
        &self.rules
    }

    /// The round, counted from 0.
    #[must_use]
    pub fn round(&self) -> u32 {
        u32::try_from(self.calls.len()).unwrap_or(u32::MAX).saturating_sub(1)
    }

    /// Until when answers to the last call are heard, in Unix milliseconds.
    #[must_use]
    pub fn until_unix_ms(&self) -> i64 {
        self.rules.until_unix_ms(self.round())
    }

    /// Whether there is a call that this contractor may still answer.
    #[must_use]
    pub fn awaits(&self, contractor: &AgentId) -> bool {
        let has_answered = self.round_answers().any(|answer| answer.by == *contractor);
        self.award.is_none() && !self.calls.is_empty() && self.called.contains(contractor) && !has_answered
    }

    /// The best bid that the last call tells: none, of the first call.
    #[must_use]
    pub fn best(&self) -> Option<&[u32]> {
        self.best.as_ref().map(|(_, outcome)| outcome.as_slice())
    }

    /// Whether the best bid that the last call tells is this contractor's.
    #[must_use]
    pub fn leads(&self, contractor: &AgentId) -> bool {
        let best = self.best.as_ref().map(|(hash, _)| hash);
        self.answers.iter().any(|answer| answer.by == *contractor && Some(&answer.hash) == best)
    }

    /// Whom it was awarded to, once it was.
    #[must_use]
    pub fn award(&self) -> Option<&Award> {
        self.award.as_ref()
    }

    /// The answers that were heard, to all calls, in the order in which they came.
    #[must_use]
    pub fn answers(&self) -> &[Bidding] {
        &self.answers
    }

    /// Whether every answer that was heard is named by a further call or by the award, so that their hashes tell of it. One
    /// that came too late to the manager is not.
    #[must_use]
    pub fn is_all_named(&self) -> bool {
        self.answers.iter().all(|answer| self.named.contains(&answer.hash))
    }

    /// Those to the last call.
    fn round_answers(&self) -> impl Iterator<Item = &Bidding> {
        let round = self.round();
        self.answers.iter().filter(move |answer| answer.round == round)
    }

    /// Whether all who are called have answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.round_answers().count() == self.called.len()
    }

    /// What was said, in short; nothing before the award.
    #[must_use]
    pub fn transcript(&self) -> Option<Transcript> {
        self.award.as_ref().map(|award| award.transcript)
    }

    /// What came of it; nothing before the award. A contractor knows no outcome but its own.
    #[must_use]
    pub fn told(&self) -> Option<Told> {
        let award = self.award.as_ref()?;
        let awarded = award.bidding.as_ref();
        let between = std::iter::once(&self.rules.manager).chain(awarded.map(|bidding| &bidding.by)).cloned().collect();
        let outcome = awarded.and_then(|bidding| bidding.outcome.clone());
        Some(Told { transcript: award.transcript, outcome, between })
    }

    /// The manager's first call.
    #[must_use]
    pub fn call(&self, text: &str) -> Talk {
        let by = self.rules.manager.clone();
        Talk::Call(TalkCall { deal: self.deal.clone(), by, prev: self.rules_hash, text: text.to_owned() })
    }

    /// A contractor's bid; nothing before the call.
    #[must_use]
    pub fn bid(&self, by: &AgentId, outcome: Vec<u32>) -> Option<Talk> {
        let prev = *self.calls.last()?;
        Some(Talk::Bid(TalkBid { deal: self.deal.clone(), by: by.clone(), prev, outcome }))
    }

    /// A contractor's refusal to bid, or to bid anew; nothing before the call.
    #[must_use]
    pub fn decline(&self, by: &AgentId, reason: &str) -> Option<Talk> {
        let (prev, reason) = (*self.calls.last()?, reason.to_owned());
        Some(Talk::Decline(TalkDecline { deal: self.deal.clone(), by: by.clone(), prev, reason }))
    }

    /// What the rules have the manager say to the answers heard so far, a further call or the award; nothing before the
    /// first call.
    #[must_use]
    pub fn decision(&self) -> Option<Talk> {
        let (deal, by, prev) = (self.deal.clone(), self.rules.manager.clone(), *self.calls.last()?);
        let heard = self.round_answers().map(|answer| answer.hash).collect();
        Some(match self.again() {
            Some((called, bid, best)) => Talk::Revise(TalkRevise { deal, by, prev, heard, called, bid, best }),
            None => {
                let bid = self.ranked().next().map(|bidding| bidding.hash);
                Talk::Award(TalkAward { deal, by, prev, heard, bid })
            }
        })
    }

    /// All bids that were heard, the best first: the highest score, between equals the earlier round, then the bidder whose
    /// id comes first.
    fn ranked(&self) -> impl Iterator<Item = &Bidding> {
        let scored = self.answers.iter().filter_map(|answer| Some((self.score(answer.outcome.as_deref()?)?, answer)));
        let mut ranked: Vec<(i128, &Bidding)> = scored.collect();
        ranked.sort_by_key(|(score, bidding)| (Reverse(*score), bidding.round, &bidding.by));
        ranked.into_iter().map(|(_, bidding)| bidding)
    }

    /// Who is called again, sorted, and the best bid so far, where the rules say that there is another round.
    fn again(&self) -> Option<(Vec<AgentId>, Hash, Vec<u32>)> {
        let round = self.round();
        if round.saturating_add(1) >= self.rules.rounds {
            return None;
        }
        let mut bids = self.ranked().filter(|bidding| bidding.round == round).peekable();
        let score = self.score(bids.peek()?.outcome.as_deref()?)?;
        if let Some(before) = self.best().and_then(|best| self.score(best))
            && score < before.saturating_add(self.rules.least_gain.get().into())
        {
            return None;
        }
        let mut called: Vec<AgentId> = bids.take(self.rules.keep as usize).map(|bidding| bidding.by.clone()).collect();
        called.sort();
        let best = self.ranked().next()?;
        Some((called, best.hash, best.outcome.clone()?))
    }

    /// What a bid scores: weights of 64 bits times numbers of 64 bits, of 32 issues at most, which fits 128 bits with
    /// one to spare for the sign, or there is no score.
    #[must_use]
    pub fn score(&self, outcome: &[u32]) -> Option<i128> {
        self.rules.score.iter().try_fold(0_i128, |sum, part| {
            let (at, issue) = self.rules.domain.issue(&part.issue)?;
            let number = issue.number(*outcome.get(at)?)?;
            sum.checked_add(i128::from(part.weight).checked_mul(number.into())?)
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
        if *word.deal() != self.deal {
            return refuse(Rule::Foreign, "it is of another deal");
        }
        if self.is_there(hash) {
            return refuse(Rule::Duplicate, "it is there already");
        }
        if self.award.is_some() {
            return refuse(Rule::Over, "it is awarded");
        }
        match word {
            Talk::Call(call) => self.called(call, hash)?,
            Talk::Bid(bid) => {
                self.check_answer(&bid.by, bid.prev, now_unix_ms)?;
                self.check_outcome(&bid.outcome)?;
                self.answered(&bid.by, hash, Some(bid.outcome.clone()));
            }
            Talk::Decline(decline) => {
                self.check_answer(&decline.by, decline.prev, now_unix_ms)?;
                self.answered(&decline.by, hash, None);
            }
            Talk::Revise(revise) => self.revised(revise, hash)?,
            Talk::Award(award) => self.awarded(award, hash)?,
            _ => return refuse(Rule::Foreign, format!("{} is not said in a contract net", word.kind())),
        }
        Ok(())
    }

    fn is_there(&self, hash: Hash) -> bool {
        self.calls.contains(&hash)
            || self.answers.iter().any(|answer| answer.hash == hash)
            || self.award.as_ref().is_some_and(|award| award.transcript.head == hash)
    }

    fn check_outcome(&self, outcome: &[u32]) -> Result<(), Refusal> {
        if self.rules.domain.has(outcome) {
            return Ok(());
        }
        refuse(Rule::OutsideDomain, format!("{outcome:?} is no outcome of this domain"))
    }

    fn check_manager(&self, by: &AgentId) -> Result<(), Refusal> {
        if *by == self.rules.manager {
            return Ok(());
        }
        refuse(Rule::Foreign, format!("{by} is not the manager"))
    }

    fn called(&mut self, call: &TalkCall, hash: Hash) -> Result<(), Refusal> {
        self.check_manager(&call.by)?;
        if !self.calls.is_empty() {
            return refuse(Rule::OutOfTurn, "there is a call already");
        }
        if call.prev != self.rules_hash {
            return refuse(Rule::BrokenChain, "it names other rules");
        }
        self.calls.push(hash);
        Ok(())
    }

    fn check_answer(&self, by: &AgentId, prev: Hash, now_unix_ms: i64) -> Result<(), Refusal> {
        if !self.contractors.contains(by) {
            return refuse(Rule::Foreign, format!("{by} is no contractor"));
        }
        if matches!(&self.view, View::Party(me) if me != by) {
            return refuse(Rule::Foreign, "bids are for the manager alone");
        }
        let Some((last, earlier)) = self.calls.split_last() else {
            return refuse(Rule::BrokenChain, "it answers another call");
        };
        if earlier.contains(&prev) {
            return refuse(Rule::Late, "that round is over");
        }
        if !self.called.contains(by) {
            return refuse(Rule::OutOfTurn, format!("{by} is not called again"));
        }
        if self.round_answers().any(|answer| answer.by == *by) {
            return refuse(Rule::OutOfTurn, format!("{by} has answered"));
        }
        if *last != prev {
            return refuse(Rule::BrokenChain, "it answers another call");
        }
        if now_unix_ms > self.until_unix_ms() {
            return refuse(Rule::Late, "the time to bid has passed");
        }
        Ok(())
    }

    fn answered(&mut self, by: &AgentId, hash: Hash, outcome: Option<Vec<u32>>) {
        self.answers.push(Bidding { by: by.clone(), round: self.round(), hash, outcome });
    }

    /// Whether a word follows the last call and names the answers to it.
    fn check_heard(&self, prev: Hash, heard: &[Hash]) -> Result<(), Refusal> {
        if self.calls.last() != Some(&prev) {
            return refuse(Rule::BrokenChain, "it follows another call");
        }
        match &self.view {
            View::Whole => {
                if !self.round_answers().map(|answer| answer.hash).eq(heard.iter().copied()) {
                    return refuse(Rule::BrokenChain, "it names other answers than were heard");
                }
            }
            View::Party(_) => {
                let different: BTreeSet<&Hash> = heard.iter().collect();
                if different.len() < heard.len() || heard.len() > self.called.len() {
                    return refuse(Rule::BrokenChain, "it names an answer twice, or more than there can be");
                }
            }
        }
        Ok(())
    }

    fn revised(&mut self, revise: &TalkRevise, hash: Hash) -> Result<(), Refusal> {
        if self.rules.rounds == 1 {
            return refuse(Rule::Foreign, "there is one call only");
        }
        self.check_manager(&revise.by)?;
        self.check_heard(revise.prev, &revise.heard)?;
        self.check_outcome(&revise.best)?;
        match &self.view {
            View::Whole => {
                let right = self.again();
                if right.is_none_or(|right| right != (revise.called.clone(), revise.bid, revise.best.clone())) {
                    return refuse(Rule::WrongCall, "the rules call others, tell another bid, or award");
                }
            }
            View::Party(_) => self.check_call(revise)?,
        }
        self.calls.push(hash);
        self.named.extend(&revise.heard);
        self.called.clone_from(&revise.called);
        self.best = Some((revise.bid, revise.best.clone()));
        Ok(())
    }

    /// What a contractor can see of a further call's rightness.
    fn check_call(&self, revise: &TalkRevise) -> Result<(), Refusal> {
        let wrong = |reason: &str| refuse(Rule::WrongCall, reason);
        if self.round().saturating_add(1) >= self.rules.rounds {
            return wrong("there is no round left");
        }
        let most = revise.heard.len().min(self.rules.keep as usize);
        if revise.called.len() > most || revise.called.iter().any(|who| !self.called.contains(who)) {
            return wrong("it calls more than it may, or somebody who was not called before");
        }
        let told = self.score(&revise.best);
        let gained = |before: i128| before.saturating_add(self.rules.least_gain.get().into());
        if self.best().and_then(|best| self.score(best)).map(gained) > told {
            return wrong("too little was gained for another round");
        }
        let counted = |answer: &&Bidding| self.named.contains(&answer.hash) || revise.heard.contains(&answer.hash);
        let own = self.answers.iter().filter(counted).filter_map(|answer| self.score(answer.outcome.as_deref()?)).max();
        if own > told {
            return wrong("a better bid was made than the one that it tells");
        }
        if !self.named.contains(&revise.bid) && !revise.heard.contains(&revise.bid) {
            return wrong("it tells a bid that was not heard");
        }
        let is_own = self.answers.iter().find(|answer| answer.hash == revise.bid);
        if is_own.is_some_and(|own| own.outcome.as_ref() != Some(&revise.best)) {
            return wrong("that was not bid");
        }
        Ok(())
    }

    fn awarded(&mut self, award: &TalkAward, hash: Hash) -> Result<(), Refusal> {
        self.check_manager(&award.by)?;
        self.check_heard(award.prev, &award.heard)?;
        if award.bid.is_some_and(|bid| !award.heard.contains(&bid) && !self.named.contains(&bid)) {
            return refuse(Rule::UnknownOffer, "it awards to what was not heard");
        }
        if self.view == View::Whole {
            if self.again().is_some() {
                return refuse(Rule::WrongAward, "the rules call again");
            }
            if self.ranked().next().map(|best| best.hash) != award.bid {
                return refuse(Rule::WrongAward, "the rules award to another bid");
            }
        }
        let bidding = award.bid.and_then(|bid| self.answers.iter().find(|answer| answer.hash == bid)).cloned();
        self.named.extend(&award.heard);
        let length = self.calls.len().saturating_add(self.named.len());
        let length = u32::try_from(length).unwrap_or(u32::MAX).saturating_add(1);
        self.award = Some(Award { bid: award.bid, bidding, transcript: Transcript { head: hash, length } });
        Ok(())
    }
}
