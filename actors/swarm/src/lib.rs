//! Agents in Rust, the market maker, and the scenario runner.

pub mod bargain;
#[cfg(test)]
mod fixtures;
pub mod maker;
pub mod news;
pub mod plan;
pub mod remaining;
pub mod run;
pub mod scenario;
pub mod stated;
pub mod together;
pub mod trader;
pub mod voice;
pub mod witness;
