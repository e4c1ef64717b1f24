//! Agents in Rust: for now the market maker's state machine.

/// The market maker: what it may clear, what it proposes, what it tells.
pub mod maker;
