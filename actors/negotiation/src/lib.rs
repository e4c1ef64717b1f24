//! Negotiating: the protocols as folds over what was said, and strategies that say it.
//!
//! # Protocols
//!
//! [`Alternating`] is stacked alternating offers between two parties or more (Aydoğan et al. 2017), with the options
//! that make it equal to NegMAS step by step: an offer is its proposer's acceptance, each party moves once a round,
//! whoever has nothing to say ends the talk. [`ContractNet`] is the contract net (Smith 1980) with sealed bids and an
//! award by a stated rule, in one round or iterated (FIPA SC00030). [`SingleText`] is mediated single text (Klein et al.
//! 2003). Each is a state that hears words, in bytes, and takes them or refuses them by a named
//! [`Rule`]; what was taken is one chain of hashes, so its [`head`](schemas::negotiation::Transcript) says all of it,
//! and whoever kept the words can [`replay`] them against a head that others have signed.
//!
//! # Strategies
//!
//! A party is a [`Part`], whichever the protocol. A [`Strategy`] is asked when it is its turn, and says what it does; the protocol is not its affair, so one of one's
//! own takes a dozen lines. Those here are in [`strategy`]. What outcomes are worth is a [`Utility`], and all of them
//! ranked are a [`Ranking`]. [`figure`](mod@figure) tells how good an outcome is: how far from the Pareto front, and
//! from the Nash point.
//!
//! # What it refuses
//!
//! I/O, clocks and dice: the time is said by whoever calls, and a strategy that wants chance is given a seed. Utilities
//! are whole parts of a million, and powers are exact, so that two strategies on two machines, or in two languages, never
//! differ in a last bit. The package `hms_a2a` has the same strategies in Python, and says the same words by the vectors in
//! `vectors/`.

mod alternating;
mod contract;
mod contracting;
mod dice;
pub mod figure;
mod mediating;
mod party;
mod refusal;
mod space;
pub mod strategy;
mod text;
mod transcript;
mod utility;

pub use alternating::{Alternating, End};
pub use contract::{Award, Bidding, ContractNet};
pub use contracting::{Contractor, Manager};
pub use figure::{Figure, figure};
pub use mediating::{Mediator, Member};
pub use party::{Negotiator, Part, Said, hold, negotiate};
pub use refusal::{Refusal, Rule};
pub use space::{Ranking, Space};
pub use strategy::{Choice, Situation, Strategy};
pub use text::SingleText;
pub use transcript::{Broken, Told, View, replay};
pub use utility::{Preferences, Rectangle, Utility};

#[cfg(test)]
mod tests;
