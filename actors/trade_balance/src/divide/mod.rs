//! `trade_balance.divide`: who gets what, by a stated rule.
//!
//! # Design
//!
//! Three things can be divided. A **pot** is an amount that is worth the same to everyone: its rules have closed forms,
//! in exact ratios. A **bargain** is terms of which some may move: parties value goods differently, so what one loses
//! another need not gain, and its rules are linear programmes decided exactly ([`crate::programme`]); Nash's product is
//! maximised in floats (`clarabel`), and then only *says in which proportion* parties gain: that the gains are within
//! reach, and by how much at most the product could be larger, is decided by linear programmes again. A **game** says
//! what each set of parties is worth.
//!
//! What comes out in fractions is rounded by largest remainder, ties by id: sums are kept exactly, and every other law
//! holds to one minor unit. In a bargain nobody is rounded out of being satisfied where that can be helped.
//!
//! # The rules, and where they come from
//!
//! | rule | of | what | source |
//! |---|---|---|---|
//! | `leximin` | pot, bargain | gains relative to each party's best, the least as large as can be, then the next; who can gain nothing is left out of the comparison | Kalai and Smorodinsky, 1975; for more than two parties Imai, 1983 |
//! | `nash` | pot, bargain | the product of gains (to the power of the weights, in a pot) as large as can be | Nash, 1950; Kalai, 1977 |
//! | `proportional` | pot, bargain | gains in proportion to weights; who can take no more is left behind | Kalai, 1977 |
//! | `shapley` | game | mean contribution over all orders; sampled beyond 16 players | Shapley, 1953; Castro, Gómez and Tejada, 2009 |
//! | `core` | game | whether any coalition could do better alone; beyond 16 players by the game's structure ([`separation`]) | Gillies, 1959; Bondareva, 1963; Shapley, 1967 |
//!
//! What may take long obeys the call's deadline and cancellation ([`crate::patience`]).

mod bargain;
mod figures;
mod game;
mod nash;
mod pot;
mod separation;
mod shapley;
mod stability;
mod structure;
#[cfg(test)]
mod tests;

use schemas::core::{Call, Core, Monotonic, Stopwatch};
use schemas::division::{Divide as Request, Divided, Rule};
use schemas::{Code, ErrorReply};

use crate::SERVICE;
use crate::patience::Patience;

/// Divides a pot, the gains of a bargain, or the worth of a game.
#[derive(Debug, Clone, Copy, Default)]
pub struct Divide<S = Monotonic> {
    stopwatch: S,
}

impl<S: Stopwatch> Divide<S> {
    /// A core that tells the time by `stopwatch`.
    pub fn with(stopwatch: S) -> Self {
        Self { stopwatch }
    }
}

impl<S: Stopwatch> Core for Divide<S> {
    const SERVICE: &'static str = SERVICE;
    const VERB: &'static str = "divide";
    type Request = Request;
    type Reply = Divided;

    fn handle(&self, request: Request, call: &Call) -> Result<Divided, ErrorReply> {
        let patience = Patience::of_call(self.stopwatch.start(), call);
        match (&request.pot, &request.bargain, &request.game, request.rule) {
            (Some(pot), None, None, Rule::Leximin | Rule::Nash | Rule::Proportional) => {
                pot::divide(request.rule, pot, &patience)
            }
            (None, Some(bargain), None, Rule::Leximin | Rule::Nash | Rule::Proportional) => {
                bargain::divide(request.rule, bargain, &patience)
            }
            (None, None, Some(game), Rule::Shapley) => game::shapley(game, &request, &patience),
            (None, None, Some(game), Rule::Core) => game::core(game, &patience),
            (Some(_), None, None, _) | (None, Some(_), None, _) | (None, None, Some(_), _) => {
                let reason =
                    "shapley and core are rules for a game; leximin, nash and proportional for a pot or a bargain";
                Err(ErrorReply::new(Code::BadMessage, reason).at_field("rule"))
            }
            _ => Err(ErrorReply::new(Code::BadMessage, "give one of pot, bargain and game to divide").at_field("rule")),
        }
    }
}
