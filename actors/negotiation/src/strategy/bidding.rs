//! What to bid. The rule of the award is known to all, so a bidder who knows what it wants for itself bids the outcome that
//! scores highest of those that leave it that much.

use super::Pace;
use crate::space::Ranking;
use crate::utility::WHOLE_PPM;

/// What a contractor sees when it is called.
pub struct Call<'a> {
    /// All outcomes, ranked by what they are worth to it.
    pub ranking: &'a Ranking,
    /// What no agreement is worth to it, in parts of a million.
    pub reserved_ppm: i64,
    /// The round, counted from 0.
    pub round: u32,
    /// How many rounds there are at most.
    pub rounds: u32,
    /// What an outcome scores.
    pub score: &'a dyn Fn(&[u32]) -> Option<i128>,
    /// The best bid so far, whosever it is.
    pub best: Option<&'a [u32]>,
    /// Whether that is one's own.
    pub leads: bool,
    /// By how much the best score must grow for there to be another round.
    pub least_gain: i128,
}

impl Call<'_> {
    /// Of the outcomes worth at least so much, in parts of a million, and at least the reservation, the one that scores
    /// highest; between equals the one worth most to oneself.
    #[must_use]
    pub fn highest(&self, asked_ppm: i64) -> Option<Vec<u32>> {
        let mut best: Option<(i128, Vec<u32>)> = None;
        for place in 0..self.ranking.count_from(asked_ppm.max(self.reserved_ppm)) {
            let (_, outcome) = self.ranking.at(place)?;
            let score = (self.score)(&outcome)?;
            if best.as_ref().is_none_or(|(most, _)| score > *most) {
                best = Some((score, outcome));
            }
        }
        best.map(|(_, outcome)| outcome)
    }

    /// The best outcome for oneself that scores at least so much, and is worth at least the reservation.
    #[must_use]
    pub fn dearest(&self, least_score: i128) -> Option<Vec<u32>> {
        let acceptable = 0..self.ranking.count_from(self.reserved_ppm);
        let mut outcomes = acceptable.filter_map(|place| self.ranking.at(place).map(|(_, outcome)| outcome));
        outcomes.find(|outcome| (self.score)(outcome).is_some_and(|score| score >= least_score))
    }

    /// A worth so far between the reservation (0) and the best outcome (1,000,000), in parts of a million.
    #[must_use]
    pub fn level(&self, share_ppm: i64) -> i64 {
        self.ranking.level(self.reserved_ppm, share_ppm)
    }
}

/// A way of bidding.
pub trait Bidder: Send {
    /// Says what to bid; nothing: it declines.
    fn bid(&mut self, now: &Call) -> Option<Vec<u32>>;
}

/// Asks for the same share of what there is to gain in every round: what one does in sealed bidding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// The share, in parts of a million.
    pub share_ppm: i64,
}

impl Bidder for Sealed {
    fn bid(&mut self, now: &Call) -> Option<Vec<u32>> {
        now.highest(now.level(self.share_ppm))
    }
}

/// Asks for less from round to round, whatever the others bid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asking(pub Pace);

impl Bidder for Asking {
    fn bid(&mut self, now: &Call) -> Option<Vec<u32>> {
        let (round, rounds) = (i64::from(now.round), i64::from(now.rounds));
        let time_ppm = (round + 1) * WHOLE_PPM / (rounds + 1);
        now.highest(now.level(self.0.asked_ppm(time_ppm)))
    }
}

/// Begins with what is best for itself, and then beats the best bid by no more than it must; declines when it would have to
/// give more than it can. While its own bid is the best, it bids that again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undercut {
    own: Option<Vec<u32>>,
}

impl Bidder for Undercut {
    fn bid(&mut self, now: &Call) -> Option<Vec<u32>> {
        if !now.leads {
            let least = match now.best {
                Some(best) => (now.score)(best)?.checked_add(now.least_gain)?,
                None => i128::MIN,
            };
            self.own = now.dearest(least);
        }
        self.own.clone()
    }
}
