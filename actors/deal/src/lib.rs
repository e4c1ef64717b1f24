//! The desk: the core that owns the conversation of a deal.
//!
//! A deal's state is the fold of its log ([`Deal`]). A move is decided by looking at that state and
//! the table of the deal's profile ([`Desk`], a [`schemas::core::Decider`]): it gives events to write,
//! notes to send and timers to arm, as data. Nothing here does I/O, takes a clock or knows a broker;
//! and nothing here posts: the ledger commits.
//!
//! A deal whose terms come of a negotiation is opened with the rules of it; what the parties say to each other is not
//! the desk's to hear. It checks that what is proposed is an outcome, and that all sign the same transcript.
//!
//! A deal that requires claims waits at the [`gate`] until each of them is proved.
//!
//! [`verify`] reads a deal's log and the key history and decides every move again: a log that lost,
//! changed or reordered anything says so, and names the entry.

mod decide;
mod entry;
pub mod gate;
mod negotiated;
mod note;
mod state;
pub mod verify;

pub use decide::{Ask, Desk};
pub use entry::Entry;
pub use negotiated::Ruled;
pub use state::{Deal, OnTable, Recorded};

#[cfg(test)]
mod tests;
