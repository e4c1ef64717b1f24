//! One binary for all whole-system tests.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // this is all test code

mod house;
mod proved;
