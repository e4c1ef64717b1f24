//! The arithmetic of terms: what they are worth to a party, whether everyone gains, what they sum to.
//!
//! # Design
//!
//! Clearing, the desk, the analysis of deals and their reports must never disagree about whether a party
//! gains, so there is one definition of it, here, and it is exact. [`factor`] turns time and risk into two
//! whole numbers of parts per billion, [`worth`](mod@worth) applies them to a party's stated bounds, [`exchange`] is the
//! same for one hop of a ring, [`conservation`] adds up what changes hands, and [`claims`] states what has to be
//! proved of a deal before it commits. [`outcome`] says which terms the outcome of a negotiation makes, [`undoing`] what of a failed deal goes back.
//!
//! Ratios of 64-bit parts multiplied by 64-bit quantities and by factors leave 128 bits behind at once (a
//! reference price such as Σ dollars / Σ barrels has a denominator of ten digits, and comparing two of them
//! multiplies everything out), so [`Exact`] is a ratio of big integers: a decision never overflows, and
//! nothing is refused for being awkward. What can overflow is an answer that must fit the wire's `i64`, and
//! that is an error, never a wrap. The terms' own limits (256 transfers, 64-bit parts) bound the work.
//!
//! # What it refuses
//!
//! Floats, but as a guide ([`Exact::to_f64`]): no verdict comes from one. A cost that a giver did not state:
//! nobody guesses what parting with a thing costs somebody. A good that a receiver did not value is worth
//! nothing to it; value is never made up to make a deal look good.
//!
//! No I/O, no clock, no state, and no search: which terms to propose is for others.

pub mod claims;
pub mod conservation;
mod error;
mod exact;
pub mod exchange;
pub mod factor;
pub mod kind;
pub mod outcome;
pub mod undoing;
pub mod worth;

pub use conservation::{Nets, givers, is_conserved, nets, receivers};
pub use error::TermsError;
pub use exact::{Exact, Interval};
pub use exchange::{Exchange, Hop, hops_welfare_minor};
pub use factor::{Factors, PPB, days_between};
pub use kind::{Defaults, defaults};
pub use outcome::{NoTerms, terms_of};
pub use undoing::taken_back;
pub use worth::{Part, UnitWorth, Worth, appraise, is_win_win, unit_value, unit_worth, welfare_minor, worth};
