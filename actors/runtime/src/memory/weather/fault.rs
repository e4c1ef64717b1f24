//! What can go wrong with one operation, how often it does, and how a fault is named so that it can be had again.

use std::{collections::BTreeMap, fmt};

use crate::dice::Dice;

/// What a process does at its port: each is an await at which something may happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// It says something.
    Publish,
    /// It asks.
    Request,
    /// It hears a message.
    Hear,
    /// It stores records.
    Append,
    /// It reads what is stored.
    Read,
    /// It is handed the next record of a stream that it follows.
    Follow,
    /// It says what became of a record that it works on.
    Settle,
}

impl Operation {
    /// The operation as a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Request => "request",
            Self::Hear => "hear",
            Self::Append => "append",
            Self::Read => "read",
            Self::Follow => "follow",
            Self::Settle => "settle",
        }
    }
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A message doesn't arrive.
    Lost,
    /// A message arrives twice; a request reaches two of those who answer, or one twice.
    Doubled,
    /// A message is overtaken by those that were sent after it.
    Overtaken,
    /// A consumer is too slow for a while and loses what comes, or lags behind.
    Slow,
    /// What was asked was done, and the answer is lost.
    AnswerLost,
    /// A batch is refused by a busy server.
    Refused,
    /// A batch breaks off: plain subscribers heard its beginning, and nothing of it is stored.
    Torn,
    /// A batch is stored after whoever wrote it gave up waiting.
    Late,
    /// A read is answered by a replica that lags behind.
    Stale,
    /// A read is not answered.
    Unanswered,
    /// The process dies before it has done it.
    DiesBefore,
    /// The process dies after it has done it, and before it hears of it.
    DiesAfter,
    /// A process is cut off for a while.
    CutOff,
    /// A process dies between two operations.
    Dies,
    /// An office goes to another, and the one who held it doesn't hear of that for a while.
    Deposed,
    /// Everything loses power: what was not synced is gone, and every core dies.
    PowerCut,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::Lost,
        Self::Doubled,
        Self::Overtaken,
        Self::Slow,
        Self::AnswerLost,
        Self::Refused,
        Self::Torn,
        Self::Late,
        Self::Stale,
        Self::Unanswered,
        Self::DiesBefore,
        Self::DiesAfter,
        Self::CutOff,
        Self::Dies,
        Self::Deposed,
        Self::PowerCut,
    ];

    /// The fault as a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Overtaken => "overtaken",
            Self::Slow => "slow",
            Self::AnswerLost => "answer_lost",
            Self::Refused => "refused",
            Self::Torn => "torn",
            Self::Late => "late",
            Self::Stale => "stale",
            Self::Unanswered => "unanswered",
            Self::DiesBefore => "dies_before",
            Self::DiesAfter => "dies_after",
            Self::CutOff => "cut_off",
            Self::Dies => "dies",
            Self::Deposed => "deposed",
            Self::PowerCut => "power_cut",
        }
    }
}

/// Which fault: what is done to what, by whom, and the how manieth time. It is the same one in a run in which other
/// faults are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(pub u64);

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// How often each operation goes wrong in each way, in parts per million.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Odds(BTreeMap<Operation, Vec<(Fault, u64)>>);

impl Odds {
    /// Bad weather: some of everything.
    #[must_use]
    pub fn bad() -> Self {
        use Fault::{
            AnswerLost, DiesAfter, DiesBefore, Doubled, Late, Lost, Overtaken, Refused, Slow, Stale, Torn, Unanswered,
        };
        use Operation::{Append, Follow, Hear, Publish, Read, Request, Settle};
        Self(BTreeMap::from([
            (Publish, vec![(Lost, 15_000), (Doubled, 10_000), (DiesBefore, 4_000)]),
            (Request, vec![(Lost, 25_000), (AnswerLost, 40_000), (Doubled, 40_000)]),
            (Hear, vec![(Lost, 8_000), (Doubled, 10_000), (Overtaken, 25_000), (Slow, 2_000)]),
            (
                Append,
                vec![
                    (Lost, 12_000),
                    (AnswerLost, 20_000),
                    (Refused, 15_000),
                    (Torn, 10_000),
                    (Late, 15_000),
                    (DiesBefore, 10_000),
                    (DiesAfter, 12_000),
                ],
            ),
            (Read, vec![(Stale, 40_000), (Unanswered, 8_000), (DiesBefore, 3_000)]),
            (Follow, vec![(Slow, 6_000)]),
            (Settle, vec![(Lost, 40_000), (DiesBefore, 4_000)]),
        ]))
    }

    /// The same weather, so many thousandths as bad, and only with faults of these kinds.
    #[must_use]
    pub fn scaled(self, thousandths: u64, kinds: impl Fn(Fault) -> bool) -> Self {
        let scale =
            |(fault, ppm): (Fault, u64)| kinds(fault).then_some((fault, ppm.saturating_mul(thousandths) / 1_000));
        let of = |(operation, faults): (Operation, Vec<(Fault, u64)>)| {
            (operation, faults.into_iter().filter_map(scale).collect())
        };
        Self(self.0.into_iter().map(of).collect())
    }

    /// What goes wrong this time, if anything.
    pub(super) fn draw(&self, operation: Operation, dice: &mut Dice) -> Option<Fault> {
        let drawn = dice.below(1_000_000);
        let mut sum = 0_u64;
        self.0.get(&operation)?.iter().find_map(|(fault, ppm)| {
            sum = sum.saturating_add(*ppm);
            (drawn < sum).then_some(*fault)
        })
    }
}
