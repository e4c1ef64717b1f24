//! The kernel's tests: the vectors that every checker runs, the claims of deals, and bytes that mean harm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // this is all test code

mod deals;
mod hostile;
mod places;
mod vectors;
