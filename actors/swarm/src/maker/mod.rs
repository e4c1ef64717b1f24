//! The market maker as a state machine without I/O.

/// What an agent published, and whether the market takes it.
pub mod admission;
/// The intents that stand, and what a clearing may use of them.
pub mod book;
/// From rings to deals.
pub mod proposal;
/// What is left of an intent.
pub mod remaining;
/// The deals that the maker opened, folded from their logs.
pub mod trades;
