//! The contract net: a call, sealed bids, an award by a stated rule.
//!
//! The manager hears every answer; a contractor hears the call and the award, and knows its own answer. The award names
//! all answers by their hashes, so a contractor sees whether its own was counted and not what others bid, and whoever
//! is shown the bids afterwards can see that the rule was kept.

use std::collections::BTreeMap;

use schemas::hash::Hash;
use schemas::id::{AgentId, DealId};
use schemas::negotiation::{self, ReadRules, Rules, Transcript};
use schemas::talk::{Talk, TalkAward, TalkBid, TalkCall, TalkDecline};

use crate::alternating::malformed;
use crate::refusal::{Refusal, Rule, refuse};

/// Whose state it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// The manager's, or that of somebody who has all words: every answer is heard before the award.
    Whole,
    /// A contractor's, who hears no answer but its own.
    Contractor(AgentId),
}

/// What a contractor answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bidding {
    /// Who.
    pub by: AgentId,
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
    /// SHA-256 of the award's exact bytes.
    hash: Hash,
    /// How many answers it names.
    heard: u32,
}

/// A contract net by the rules of `cnp/1`: the fold of what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractNet {
    deal: DealId,
    rules: negotiation::ContractNet,
    rules_hash: Hash,
    contractors: Vec<AgentId>,
    view: View,
    call: Option<Hash>,
    answers: Vec<Bidding>,
    award: Option<Award>,
}

impl ContractNet {
    /// A contract net in which nothing is said yet; `None` where these rules are another protocol's. `parties` are all
    /// that the deal was opened with.
    #[must_use]
    pub fn new(deal: DealId, rules: ReadRules, parties: &[AgentId], view: View) -> Option<Self> {
        let Rules::ContractNet(read) = rules.rules else { return None };
        let contractors = parties.iter().filter(|party| **party != read.manager).cloned().collect();
        let (call, answers, award) = (None, Vec::new(), None);
        Some(Self { deal, rules: read, rules_hash: rules.hash, contractors, view, call, answers, award })
    }

    /// Its rules.
    #[must_use]
    pub fn rules(&self) -> &negotiation::ContractNet {
        &self.rules
    }

    /// Whom it was awarded to, once it was.
    #[must_use]
    pub fn award(&self) -> Option<&Award> {
        self.award.as_ref()
    }

    /// The answers that were heard, in the order in which they came.
    #[must_use]
    pub fn answers(&self) -> &[Bidding] {
        &self.answers
    }

    /// Whether every contractor has answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.answers.len() == self.contractors.len()
    }

    /// What was said, in short; nothing before the award.
    #[must_use]
    pub fn transcript(&self) -> Option<Transcript> {
        let award = self.award.as_ref()?;
        Some(Transcript { head: award.hash, length: award.heard.saturating_add(2) })
    }

    /// The manager's call.
    #[must_use]
    pub fn call(&self, text: &str) -> Talk {
        let by = self.rules.manager.clone();
        Talk::Call(TalkCall { deal: self.deal.clone(), by, prev: self.rules_hash, text: text.to_owned() })
    }

    /// A contractor's bid; nothing before the call.
    #[must_use]
    pub fn bid(&self, by: &AgentId, outcome: Vec<u32>) -> Option<Talk> {
        Some(Talk::Bid(TalkBid { deal: self.deal.clone(), by: by.clone(), prev: self.call?, outcome }))
    }

    /// A contractor's refusal to bid; nothing before the call.
    #[must_use]
    pub fn decline(&self, by: &AgentId, reason: &str) -> Option<Talk> {
        let reason = reason.to_owned();
        Some(Talk::Decline(TalkDecline { deal: self.deal.clone(), by: by.clone(), prev: self.call?, reason }))
    }

    /// The award that the rule demands of the answers heard so far; nothing before the call.
    #[must_use]
    pub fn decision(&self) -> Option<Talk> {
        Some(Talk::Award(TalkAward {
            deal: self.deal.clone(),
            by: self.rules.manager.clone(),
            prev: self.call?,
            heard: self.answers.iter().map(|answer| answer.hash).collect(),
            bid: self.best().map(|bidding| bidding.hash),
        }))
    }

    /// The bid that the rule awards to: the highest score, between equals the bidder whose id comes first.
    fn best(&self) -> Option<&Bidding> {
        let scored = self.answers.iter().filter_map(|answer| Some((self.score(answer.outcome.as_deref()?)?, answer)));
        scored.max_by(|(a, first), (b, second)| a.cmp(b).then_with(|| second.by.cmp(&first.by))).map(|(_, best)| best)
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
        let hash = Hash::of(bytes);
        if *word.deal() != self.deal {
            return refuse(Rule::Foreign, "it is of another deal");
        }
        if self.is_there(hash) {
            return refuse(Rule::Duplicate, "it is there already");
        }
        if self.award.is_some() {
            return refuse(Rule::Over, "it is awarded");
        }
        match &word {
            Talk::Call(call) => self.called(call, hash)?,
            Talk::Bid(bid) => {
                self.check_answer(&bid.by, bid.prev, now_unix_ms)?;
                if !self.rules.domain.has(&bid.outcome) {
                    return refuse(Rule::OutsideDomain, format!("{:?} is no outcome of this domain", bid.outcome));
                }
                self.answers.push(Bidding { by: bid.by.clone(), hash, outcome: Some(bid.outcome.clone()) });
            }
            Talk::Decline(decline) => {
                self.check_answer(&decline.by, decline.prev, now_unix_ms)?;
                self.answers.push(Bidding { by: decline.by.clone(), hash, outcome: None });
            }
            Talk::Award(award) => self.awarded(award, hash)?,
            _ => return refuse(Rule::Foreign, format!("{} is not said in cnp/1", word.kind())),
        }
        Ok(word)
    }

    fn is_there(&self, hash: Hash) -> bool {
        self.call == Some(hash)
            || self.answers.iter().any(|answer| answer.hash == hash)
            || self.award.as_ref().is_some_and(|award| award.hash == hash)
    }

    fn called(&mut self, call: &TalkCall, hash: Hash) -> Result<(), Refusal> {
        if call.by != self.rules.manager {
            return refuse(Rule::Foreign, format!("{} is not the manager", call.by));
        }
        if self.call.is_some() {
            return refuse(Rule::OutOfTurn, "there is a call already");
        }
        if call.prev != self.rules_hash {
            return refuse(Rule::BrokenChain, "it names other rules");
        }
        self.call = Some(hash);
        Ok(())
    }

    fn check_answer(&self, by: &AgentId, prev: Hash, now_unix_ms: i64) -> Result<(), Refusal> {
        if !self.contractors.contains(by) {
            return refuse(Rule::Foreign, format!("{by} is no contractor"));
        }
        if matches!(&self.view, View::Contractor(me) if me != by) {
            return refuse(Rule::Foreign, "bids are for the manager alone");
        }
        if self.answers.iter().any(|answer| answer.by == *by) {
            return refuse(Rule::OutOfTurn, format!("{by} has answered"));
        }
        if self.call != Some(prev) {
            return refuse(Rule::BrokenChain, "it answers another call");
        }
        if now_unix_ms > self.rules.bids_until_unix_ms {
            return refuse(Rule::Late, "the time to bid has passed");
        }
        Ok(())
    }

    fn awarded(&mut self, award: &TalkAward, hash: Hash) -> Result<(), Refusal> {
        if award.by != self.rules.manager {
            return refuse(Rule::Foreign, format!("{} is not the manager", award.by));
        }
        if self.call != Some(award.prev) {
            return refuse(Rule::BrokenChain, "it ends another call");
        }
        match &self.view {
            View::Whole => {
                if !self.answers.iter().map(|answer| answer.hash).eq(award.heard.iter().copied()) {
                    return refuse(Rule::BrokenChain, "it names other answers than were heard");
                }
                if self.best().map(|best| best.hash) != award.bid {
                    return refuse(Rule::WrongAward, "the rule awards to another bid");
                }
            }
            View::Contractor(_) => {
                let mut counted: BTreeMap<&Hash, usize> = BTreeMap::new();
                award.heard.iter().for_each(|heard| *counted.entry(heard).or_default() += 1);
                if counted.values().any(|times| *times > 1) || award.heard.len() > self.contractors.len() {
                    return refuse(Rule::BrokenChain, "it names an answer twice, or more than there can be");
                }
            }
        }
        let bidding = award.bid.and_then(|bid| self.answers.iter().find(|answer| answer.hash == bid)).cloned();
        let heard = u32::try_from(award.heard.len()).unwrap_or(u32::MAX);
        self.award = Some(Award { bid: award.bid, bidding, hash, heard });
        Ok(())
    }
}
