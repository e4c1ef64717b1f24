//! Agents in Rust, the market maker, and the scenario runner.
pub mod maker;
