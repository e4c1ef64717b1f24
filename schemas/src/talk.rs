//! What parties say to each other under negotiation: plain messages on `hms.v1.talk.<addressee>.<deal>`, not signed one
//! by one, each naming the bytes before it.
//!
//! A word is sent to each party that it concerns. In `sao/1` that is every other party, and `prev` is the hash of the
//! word before, the first word's that of the rules. In `cnp/1` a bid is for the manager alone: a call names the rules,
//! every bid names the call, and the award, which names all answers that the manager heard, is the head. In `icnp/1` a
//! revised call stands between, which names the call before it and its answers. In `stx/1` a vote is for the mediator
//! alone, and the next text, or the result, names all votes. So whoever knows the head, which `deal.propose` and
//! `deal.accept` sign, knows that no word was changed, added or left out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::{self, DecodeError, Message, Refused};
use crate::deal::check_text;
use crate::hash::Hash;
use crate::id::{AgentId, DealId};
use crate::limit::{MAX_ISSUES, MAX_PARTIES, MAX_TALK_BYTES};

/// Puts an outcome on the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "talk.offer")]
pub struct TalkOffer {
    /// The deal.
    pub deal: DealId,
    /// Who says it.
    pub by: AgentId,
    /// Which word of the talk it is, counted from 0.
    pub turn: u32,
    /// SHA-256 of the exact bytes of the word before; of the rules, for the first.
    pub prev: Hash,
    /// One choice for each issue, counted from 0.
    pub outcome: Vec<u32>,
}

/// Accepts the outcome on the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "talk.accept")]
pub struct TalkAccept {
    /// The deal.
    pub deal: DealId,
    /// Who says it.
    pub by: AgentId,
    /// Which word of the talk it is, counted from 0.
    pub turn: u32,
    /// SHA-256 of the exact bytes of the word before.
    pub prev: Hash,
    /// SHA-256 of the exact bytes of the offer.
    pub offer: Hash,
}

/// Ends the talk without agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "talk.end")]
pub struct TalkEnd {
    /// The deal.
    pub deal: DealId,
    /// Who says it.
    pub by: AgentId,
    /// Which word of the talk it is, counted from 0.
    pub turn: u32,
    /// SHA-256 of the exact bytes of the word before; of the rules, for the first.
    pub prev: Hash,
    /// Why, for the other parties.
    pub reason: String,
}

/// Calls for bids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "talk.call")]
pub struct TalkCall {
    /// The deal.
    pub deal: DealId,
    /// The manager.
    pub by: AgentId,
    /// SHA-256 of the exact bytes of the rules.
    pub prev: Hash,
    /// What is called for, for people.
    pub text: String,
}

/// Bids, in answer to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "talk.bid")]
pub struct TalkBid {
    /// The deal.
    pub deal: DealId,
    /// Who says it.
    pub by: AgentId,
    /// SHA-256 of the exact bytes of the call.
    pub prev: Hash,
    /// One choice for each issue, counted from 0.
    pub outcome: Vec<u32>,
}

/// Declines to bid, in answer to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "talk.decline")]
pub struct TalkDecline {
    /// The deal.
    pub deal: DealId,
    /// Who says it.
    pub by: AgentId,
    /// SHA-256 of the exact bytes of the call.
    pub prev: Hash,
    /// Why, for the manager.
    pub reason: String,
}

/// Awards to a bid, by the rule that the call was made under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "talk.award")]
pub struct TalkAward {
    /// The deal.
    pub deal: DealId,
    /// The manager.
    pub by: AgentId,
    /// SHA-256 of the exact bytes of the call.
    pub prev: Hash,
    /// SHA-256 of the exact bytes of every answer that was heard, in the order in which they came.
    pub heard: Vec<Hash>,
    /// Which bid is awarded, of these or of those that a revised call named; none where nobody bid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bid: Option<Hash>,
}

/// Calls again for bids, better than the best so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "talk.revise")]
pub struct TalkRevise {
    /// The deal.
    pub deal: DealId,
    /// The manager.
    pub by: AgentId,
    /// SHA-256 of the exact bytes of the call before.
    pub prev: Hash,
    /// SHA-256 of the exact bytes of every answer to it that was heard, in the order in which they came.
    pub heard: Vec<Hash>,
    /// Who may bid again, sorted; everybody else is out, though bids stand.
    pub called: Vec<AgentId>,
    /// Which bid is best so far: its bidder knows it by the SHA-256 of its exact bytes.
    pub bid: Hash,
    /// What it bids: one choice for each issue, counted from 0.
    pub best: Vec<u32>,
}

/// Puts a changed text to the vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "talk.text")]
pub struct TalkText {
    /// The deal.
    pub deal: DealId,
    /// The mediator.
    pub by: AgentId,
    /// The round, counted from 0.
    pub round: u32,
    /// SHA-256 of the exact bytes of the text before; of the rules, for the first.
    pub prev: Hash,
    /// The votes on the text before, in the order of the seats.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<CountedVote>,
    /// What is voted on: one choice for each issue, counted from 0.
    pub outcome: Vec<u32>,
}

/// A vote, as the mediator counted it: whose it is sees that it was not turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CountedVote {
    /// SHA-256 of the vote's exact bytes.
    pub hash: Hash,
    /// Whether it accepts.
    pub accepts: bool,
}

/// Votes on a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "talk.vote")]
pub struct TalkVote {
    /// The deal.
    pub deal: DealId,
    /// Who says it.
    pub by: AgentId,
    /// SHA-256 of the exact bytes of the text.
    pub prev: Hash,
    /// Whether the text may stand.
    pub accepts: bool,
}

/// Says what the text is after the last vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "talk.result")]
pub struct TalkResult {
    /// The deal.
    pub deal: DealId,
    /// The mediator.
    pub by: AgentId,
    /// SHA-256 of the exact bytes of the last text that was voted on.
    pub prev: Hash,
    /// The votes on it, in the order of the seats.
    pub votes: Vec<CountedVote>,
    /// The text: one choice for each issue, counted from 0.
    pub outcome: Vec<u32>,
}

crate::message!(TalkOffer, "talk.offer", |offer| check_outcome(&offer.outcome));
crate::message!(TalkAccept, "talk.accept");
crate::message!(TalkEnd, "talk.end", |end| check_text(&end.reason, "reason"));
crate::message!(TalkCall, "talk.call", |call| check_text(&call.text, "text"));
crate::message!(TalkBid, "talk.bid", |bid| check_outcome(&bid.outcome));
crate::message!(TalkDecline, "talk.decline", |decline| check_text(&decline.reason, "reason"));
crate::message!(TalkAward, "talk.award", |award| check_heard(&award.heard));
crate::message!(TalkRevise, "talk.revise", |revise| {
    check_heard(&revise.heard)?;
    if !(1..=MAX_PARTIES).contains(&revise.called.len()) || !revise.called.is_sorted_by(|a, b| a < b) {
        return Err(Refused::new("called", format!("1 to {MAX_PARTIES} bidders, sorted, each once")));
    }
    check_choices(&revise.best, "best")
});
crate::message!(TalkText, "talk.text", |text| {
    check_votes(&text.votes)?;
    check_outcome(&text.outcome)
});
crate::message!(TalkVote, "talk.vote");
crate::message!(TalkResult, "talk.result", |result| {
    check_votes(&result.votes)?;
    check_outcome(&result.outcome)
});

fn check_heard(heard: &[Hash]) -> Result<(), Refused> {
    if heard.len() > MAX_PARTIES {
        return Err(Refused::new("heard", format!("at most {MAX_PARTIES} answers")));
    }
    Ok(())
}

fn check_votes(votes: &[CountedVote]) -> Result<(), Refused> {
    if votes.len() > MAX_PARTIES {
        return Err(Refused::new("votes", format!("at most {MAX_PARTIES} votes")));
    }
    Ok(())
}

fn check_outcome(outcome: &[u32]) -> Result<(), Refused> {
    check_choices(outcome, "outcome")
}

fn check_choices(outcome: &[u32], field: &str) -> Result<(), Refused> {
    if !(1..=MAX_ISSUES).contains(&outcome.len()) {
        return Err(Refused::new(field, format!("1 to {MAX_ISSUES} choices")));
    }
    Ok(())
}

/// Any word of a talk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Talk {
    /// See [`TalkOffer`].
    Offer(TalkOffer),
    /// See [`TalkAccept`].
    Accept(TalkAccept),
    /// See [`TalkEnd`].
    End(TalkEnd),
    /// See [`TalkCall`].
    Call(TalkCall),
    /// See [`TalkBid`].
    Bid(TalkBid),
    /// See [`TalkDecline`].
    Decline(TalkDecline),
    /// See [`TalkAward`].
    Award(TalkAward),
    /// See [`TalkRevise`].
    Revise(TalkRevise),
    /// See [`TalkText`].
    Text(TalkText),
    /// See [`TalkVote`].
    Vote(TalkVote),
    /// See [`TalkResult`].
    Result(TalkResult),
}

macro_rules! each_word {
    ($self:expr, $m:ident => $what:expr) => {
        match $self {
            Talk::Offer($m) => $what,
            Talk::Accept($m) => $what,
            Talk::End($m) => $what,
            Talk::Call($m) => $what,
            Talk::Bid($m) => $what,
            Talk::Decline($m) => $what,
            Talk::Award($m) => $what,
            Talk::Revise($m) => $what,
            Talk::Text($m) => $what,
            Talk::Vote($m) => $what,
            Talk::Result($m) => $what,
        }
    };
}

impl Talk {
    /// Reads a word, whichever it is.
    ///
    /// # Errors
    /// See [`body::decode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        fn read<T: Message>(scanned: &[u8], wrap: fn(T) -> Talk) -> Result<Talk, DecodeError> {
            T::of_scanned(scanned).map(wrap)
        }
        match body::type_of(bytes, MAX_TALK_BYTES)? {
            TalkOffer::TYPE => read(bytes, Self::Offer),
            TalkAccept::TYPE => read(bytes, Self::Accept),
            TalkEnd::TYPE => read(bytes, Self::End),
            TalkCall::TYPE => read(bytes, Self::Call),
            TalkBid::TYPE => read(bytes, Self::Bid),
            TalkDecline::TYPE => read(bytes, Self::Decline),
            TalkAward::TYPE => read(bytes, Self::Award),
            TalkRevise::TYPE => read(bytes, Self::Revise),
            TalkText::TYPE => read(bytes, Self::Text),
            TalkVote::TYPE => read(bytes, Self::Vote),
            TalkResult::TYPE => read(bytes, Self::Result),
            other => Err(DecodeError::NotUnderstood { expected: "a word of a talk".into(), got: other.into() }),
        }
    }

    /// The word's exact bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        each_word!(self, m => body::encode(m))
    }

    /// The body's type.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        fn of<T: Message>(_: &T) -> &'static str {
            T::TYPE
        }
        each_word!(self, m => of(m))
    }

    /// The deal.
    #[must_use]
    pub fn deal(&self) -> &DealId {
        each_word!(self, m => &m.deal)
    }

    /// Who says it.
    #[must_use]
    pub fn by(&self) -> &AgentId {
        each_word!(self, m => &m.by)
    }

    /// The hash of what it follows.
    #[must_use]
    pub fn prev(&self) -> Hash {
        each_word!(self, m => m.prev)
    }
}
