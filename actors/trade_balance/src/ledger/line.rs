//! One line of the book: a party and a good.

use serde::{Deserialize, Serialize};

/// What a party has of a good, and what it may still give, in the good's minor units.
///
/// Two things hold of every line of a book, whatever becomes of what is on its way:
/// balance − incoming + limit ≥ 0, and balance + outgoing fits 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Line {
    /// Received − given.
    pub balance: i64,
    /// How much more than it received it may give, at least 0.
    pub limit: i64,
    /// Of what it received, what may still be taken back.
    pub incoming: i64,
    /// Of what it gave, what may still come back to it.
    pub outgoing: i64,
}

/// Why a line cannot change as it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// It would give more than is left.
    #[error("{wanted} wanted, {left} left")]
    OverLimit {
        /// What would be given.
        wanted: i128,
        /// What is left to give.
        left: i128,
    },
    /// A sum would not fit 64 bits.
    #[error("a sum would not fit 64 bits")]
    Overflow,
}

/// What a deal brings to a line and takes from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Posting {
    /// What it brings, at least 0.
    pub received: i128,
    /// What it takes, at least 0.
    pub given: i128,
}

impl Line {
    /// What the party may still give: balance − incoming + limit.
    #[must_use]
    pub fn left(&self) -> i128 {
        i128::from(self.balance) - i128::from(self.incoming) + i128::from(self.limit)
    }

    /// The line after a deal. Where delivery awaits confirmation, what the deal brings is on its way.
    pub(super) fn post(self, posting: Posting, awaits_confirmation: bool) -> Result<Self, LineFault> {
        let Posting { received, given } = posting;
        let wanted = if awaits_confirmation { given } else { given - received };
        let left = self.left();
        if wanted > left {
            return Err(LineFault::OverLimit { wanted, left });
        }
        let (incoming, outgoing) = if awaits_confirmation { (received, given) } else { (0, 0) };
        self.changed(received - given, incoming, outgoing)
    }

    /// The line once what was on its way is either there for good or taken back.
    pub(super) fn release(self, arrived: Posting, taken_back: Posting) -> Result<Self, LineFault> {
        self.changed(
            taken_back.given - taken_back.received,
            -(arrived.received + taken_back.received),
            -(arrived.given + taken_back.given),
        )
    }

    /// The line with another limit; what may no longer be given must not be given already.
    pub(super) fn limited(self, limit: i64) -> Result<Self, LineFault> {
        let next = Self { limit, ..self };
        if next.left() < 0 {
            return Err(LineFault::OverLimit { wanted: i128::from(self.limit) - self.left(), left: limit.into() });
        }
        Ok(next)
    }

    fn changed(self, balance: i128, incoming: i128, outgoing: i128) -> Result<Self, LineFault> {
        let sum = |before: i64, by: i128| -> Result<i64, LineFault> {
            let after = i128::from(before).checked_add(by).ok_or(LineFault::Overflow)?;
            i64::try_from(after).map_err(|_| LineFault::Overflow)
        };
        let next = Self {
            balance: sum(self.balance, balance)?,
            incoming: sum(self.incoming, incoming)?,
            outgoing: sum(self.outgoing, outgoing)?,
            limit: self.limit,
        };
        // All that is on its way may come back.
        sum(next.balance, next.outgoing.into())?;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Line = Line { balance: 0, limit: 10, incoming: 0, outgoing: 0 };

    fn posting(received: i128, given: i128) -> Posting {
        Posting { received, given }
    }

    #[test]
    fn at_once_what_a_deal_brings_covers_what_it_takes() {
        let line = LINE.post(posting(5, 15), false).unwrap();
        assert_eq!(line, Line { balance: -10, ..LINE });
        assert_eq!(LINE.post(posting(5, 16), false), Err(LineFault::OverLimit { wanted: 11, left: 10 }));
        assert_eq!(line.post(posting(0, 1), false), Err(LineFault::OverLimit { wanted: 1, left: 0 }));
    }

    #[test]
    fn what_is_on_its_way_covers_nothing() {
        assert_eq!(LINE.post(posting(5, 15), true), Err(LineFault::OverLimit { wanted: 15, left: 10 }));
        let line = LINE.post(posting(5, 8), true).unwrap();
        assert_eq!(line, Line { balance: -3, limit: 10, incoming: 5, outgoing: 8 });
        assert_eq!(line.left(), 2);
        // Settled, it covers; taken back, what was given is there again.
        assert_eq!(line.release(posting(5, 8), posting(0, 0)).unwrap(), Line { balance: -3, ..LINE });
        assert_eq!(line.release(posting(0, 0), posting(5, 8)).unwrap(), LINE);
        assert_eq!(line.release(posting(0, 8), posting(5, 0)).unwrap(), Line { balance: -8, ..LINE });
    }

    #[test]
    fn a_limit_cannot_fall_below_what_is_given() {
        let line = LINE.post(posting(0, 7), false).unwrap();
        assert_eq!(line.limited(7).unwrap().left(), 0);
        assert_eq!(line.limited(6), Err(LineFault::OverLimit { wanted: 7, left: 6 }));
    }

    #[test]
    fn what_could_come_back_must_fit_too() {
        let rich = Line { balance: i64::MAX, limit: 0, incoming: 0, outgoing: 0 };
        assert_eq!(rich.post(posting(1, 0), false), Err(LineFault::Overflow));
        let lent = rich.post(posting(0, 5), true).unwrap();
        assert_eq!(lent.post(posting(1, 0), false), Err(LineFault::Overflow), "the five may come back");
        assert_eq!(lent.release(posting(0, 0), posting(0, 5)).unwrap(), rich);
        assert_eq!(LINE.post(posting(i128::MAX, 0), false), Err(LineFault::Overflow));
    }
}
