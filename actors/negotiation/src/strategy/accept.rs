//! Taking what is good enough.

use super::{Choice, Situation, Strategy};

/// Accepts whatever is worth at least so much, and asks for the best until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptIfGood {
    /// From where on it accepts: a share of the room between reservation and best, in parts of a million.
    pub share_ppm: i64,
}

impl Strategy for AcceptIfGood {
    fn choose(&mut self, now: &Situation) -> Choice {
        match now.best() {
            Choice::Offer(best) => now.accept_from(now.level(self.share_ppm), best),
            other => other,
        }
    }
}
