//! Whole clearings: known cases, laws on random markets, and what a clock that runs out does.

mod brute;
mod cases;
mod laws;
mod market;
mod nets;
mod networks;
