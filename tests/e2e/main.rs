//! One binary for all whole-system tests.

mod house;
