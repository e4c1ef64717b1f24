//! Who may move when: one table for Rust, Python and the documentation.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a deal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Opened, without terms.
    Open,
    /// Terms are on the table.
    Negotiating,
    /// Every party has accepted the same terms.
    Agreed,
    /// Every required claim is proved; the ledger decides next.
    Certified,
    /// On the ledger.
    Committed,
    /// Delivered. An end.
    Settled,
    /// A party said no. An end.
    Rejected,
    /// The opener took it back. An end.
    Withdrawn,
    /// Its time ran out before all had accepted. An end.
    Expired,
    /// The ledger or a rule said no. An end.
    Refused,
    /// A due date passed without delivery.
    Failed,
    /// What had failed was taken back on the books. An end.
    Compensated,
}

impl State {
    /// Every state, in the order of a deal's life.
    pub const ALL: [Self; 12] = [
        Self::Open,
        Self::Negotiating,
        Self::Agreed,
        Self::Certified,
        Self::Committed,
        Self::Settled,
        Self::Rejected,
        Self::Withdrawn,
        Self::Expired,
        Self::Refused,
        Self::Failed,
        Self::Compensated,
    ];

    /// Whether nothing can follow.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(
            self,
            Self::Settled | Self::Rejected | Self::Withdrawn | Self::Expired | Self::Refused | Self::Compensated
        )
    }

    /// The state as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Negotiating => "negotiating",
            Self::Agreed => "agreed",
            Self::Certified => "certified",
            Self::Committed => "committed",
            Self::Settled => "settled",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Compensated => "compensated",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A profile: the rules of who may move when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Profile {
    /// One set of terms, proposed by a party, taken or left.
    #[serde(rename = "fixed/1")]
    Fixed,
    /// An exchange ring, proposed by anyone: each party gives to the next.
    #[serde(rename = "ring/1")]
    Ring,
    /// An exchange of any shape, proposed by anyone: each party gives something and receives something.
    #[serde(rename = "exchange/1")]
    Exchange,
    /// Stacked alternating offers, party to party: what all have accepted, any of them proposes.
    #[serde(rename = "sao/1")]
    Sao,
    /// A contract net: the manager, who opens, calls for bids and proposes what it has awarded.
    #[serde(rename = "cnp/1")]
    Cnp,
    /// An iterated contract net: as `cnp/1`, in several rounds of bids.
    #[serde(rename = "icnp/1")]
    Icnp,
    /// Mediated single text: a neutral, who opens, keeps one text, changes it by a seed, and proposes what all voted for.
    #[serde(rename = "stx/1")]
    Stx,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed => "fixed/1",
            Self::Ring => "ring/1",
            Self::Exchange => "exchange/1",
            Self::Sao => "sao/1",
            Self::Cnp => "cnp/1",
            Self::Icnp => "icnp/1",
            Self::Stx => "stx/1",
        })
    }
}

/// Who makes a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mover {
    /// Whoever opened the deal.
    Opener,
    /// Any party.
    Party,
    /// A party that receives something in the terms.
    Receiver,
    /// The desk itself, when a time has come or nothing is left to wait for.
    Desk,
    /// The ledger.
    Ledger,
}

/// What can move a deal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Opens without terms.
    Open,
    /// Opens with terms.
    OpenWithTerms,
    /// Puts terms on the table.
    Propose,
    /// Puts other terms on the table.
    Counter,
    /// Accepts, others still missing.
    Accept,
    /// Accepts as the last.
    AcceptLast,
    /// Says no.
    Reject,
    /// Takes the deal back.
    Withdraw,
    /// Confirms delivery, others still missing.
    Confirm,
    /// Confirms as the last.
    ConfirmLast,
    /// Finds every required claim proved.
    Certify,
    /// Posts.
    Commit,
    /// Posts what is delivered at once.
    CommitImmediate,
    /// Refuses.
    Refuse,
    /// Ends what ran out of time.
    Expire,
    /// Notes a missed due date.
    Fail,
    /// Takes back on the books what had failed.
    Compensate,
}

/// One row: in state `from` (`None`: before the deal), `mover` may make `verb`, which leads to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The state before.
    pub from: Option<State>,
    /// Who.
    pub mover: Mover,
    /// What.
    pub verb: Verb,
    /// The state after.
    pub to: State,
}

const fn row(from: Option<State>, mover: Mover, verb: Verb, to: State) -> Row {
    Row { from, mover, verb, to }
}

/// What every profile shares once terms are on the table.
macro_rules! life {
    ($($opening:expr),* $(,)?) => {
        &[
            $($opening,)*
            row(Some(State::Negotiating), Mover::Party, Verb::Accept, State::Negotiating),
            row(Some(State::Negotiating), Mover::Party, Verb::AcceptLast, State::Agreed),
            row(Some(State::Negotiating), Mover::Party, Verb::Reject, State::Rejected),
            row(Some(State::Negotiating), Mover::Opener, Verb::Withdraw, State::Withdrawn),
            row(Some(State::Negotiating), Mover::Desk, Verb::Expire, State::Expired),
            row(Some(State::Agreed), Mover::Desk, Verb::Certify, State::Certified),
            row(Some(State::Agreed), Mover::Desk, Verb::Refuse, State::Refused),
            row(Some(State::Certified), Mover::Ledger, Verb::Commit, State::Committed),
            row(Some(State::Certified), Mover::Ledger, Verb::CommitImmediate, State::Settled),
            row(Some(State::Certified), Mover::Ledger, Verb::Refuse, State::Refused),
            row(Some(State::Committed), Mover::Receiver, Verb::Confirm, State::Committed),
            row(Some(State::Committed), Mover::Receiver, Verb::ConfirmLast, State::Settled),
            row(Some(State::Committed), Mover::Desk, Verb::Fail, State::Failed),
            row(Some(State::Failed), Mover::Ledger, Verb::Compensate, State::Compensated),
        ]
    };
}

const FIXED: &[Row] = life![
    row(None, Mover::Opener, Verb::Open, State::Open),
    row(None, Mover::Opener, Verb::OpenWithTerms, State::Negotiating),
    row(Some(State::Open), Mover::Opener, Verb::Propose, State::Negotiating),
    row(Some(State::Open), Mover::Party, Verb::Reject, State::Rejected),
    row(Some(State::Open), Mover::Opener, Verb::Withdraw, State::Withdrawn),
    row(Some(State::Open), Mover::Desk, Verb::Expire, State::Expired),
];

/// What anyone may open, being no party: ring and exchange differ in the terms that they take.
const PROPOSED: &[Row] = life![row(None, Mover::Opener, Verb::OpenWithTerms, State::Negotiating)];

/// Opened with rules; agreed among the parties; then any of them proposes what they have agreed on.
const ALTERNATING: &[Row] = life![
    row(None, Mover::Opener, Verb::Open, State::Open),
    row(Some(State::Open), Mover::Party, Verb::Propose, State::Negotiating),
    row(Some(State::Open), Mover::Party, Verb::Reject, State::Rejected),
    row(Some(State::Open), Mover::Opener, Verb::Withdraw, State::Withdrawn),
    row(Some(State::Open), Mover::Desk, Verb::Expire, State::Expired),
];

/// Opened with rules; a contractor who declines says so to the manager, and the deal goes on without it.
const CONTRACT_NET: &[Row] = life![
    row(None, Mover::Opener, Verb::Open, State::Open),
    row(Some(State::Open), Mover::Opener, Verb::Propose, State::Negotiating),
    row(Some(State::Open), Mover::Opener, Verb::Withdraw, State::Withdrawn),
    row(Some(State::Open), Mover::Desk, Verb::Expire, State::Expired),
];

/// Opened with rules by a mediator who is no party; a party may leave while the text is voted on.
const SINGLE_TEXT: &[Row] = life![
    row(None, Mover::Opener, Verb::Open, State::Open),
    row(Some(State::Open), Mover::Opener, Verb::Propose, State::Negotiating),
    row(Some(State::Open), Mover::Party, Verb::Reject, State::Rejected),
    row(Some(State::Open), Mover::Opener, Verb::Withdraw, State::Withdrawn),
    row(Some(State::Open), Mover::Desk, Verb::Expire, State::Expired),
];

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 7] = [Self::Fixed, Self::Ring, Self::Exchange, Self::Sao, Self::Cnp, Self::Icnp, Self::Stx];

    /// The profile's table.
    #[must_use]
    pub fn table(self) -> &'static [Row] {
        match self {
            Self::Fixed => FIXED,
            Self::Ring | Self::Exchange => PROPOSED,
            Self::Sao => ALTERNATING,
            Self::Cnp | Self::Icnp => CONTRACT_NET,
            Self::Stx => SINGLE_TEXT,
        }
    }

    /// The row for a verb in a state, if the profile has one.
    #[must_use]
    pub fn row(self, from: Option<State>, verb: Verb) -> Option<&'static Row> {
        self.table().iter().find(|row| row.from == from && row.verb == verb)
    }

    /// Whether whoever opens must be a party.
    #[must_use]
    pub fn opener_is_party(self) -> bool {
        matches!(self, Self::Fixed | Self::Sao | Self::Cnp | Self::Icnp)
    }

    /// Whether terms come of a negotiation between the parties, whose rules the deal is opened with.
    #[must_use]
    pub fn is_negotiated(self) -> bool {
        matches!(self, Self::Sao | Self::Cnp | Self::Icnp | Self::Stx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_profile_is_a_function_and_every_end_is_an_end() {
        for profile in Profile::ALL {
            let table = profile.table();
            for row in table {
                assert_eq!(table.iter().filter(|r| (r.from, r.verb) == (row.from, row.verb)).count(), 1, "{row:?}");
                assert!(!row.from.is_some_and(State::is_end), "{row:?} leaves an end");
            }
            for state in State::ALL.into_iter().filter(|s| !s.is_end()) {
                let entered = table.iter().any(|r| r.to == state);
                assert!(!entered || table.iter().any(|r| r.from == Some(state)), "{profile}: {state} is a dead end");
            }
        }
    }
}
