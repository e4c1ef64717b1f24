//! Deciders on the bus: state that is the fold of a log, many writers, nothing lost and nothing twice.
//!
//! A [`DeciderHost`] takes asks one after another for each log, decides them on the state folded so far,
//! and writes what happened under compare-and-set: whoever else wrote meanwhile makes the write fail, the
//! host reads what it had missed, and decides again. So any number of hosts may serve the same logs. A
//! refusal is only ever given from a state that was just read. [`GroupCommit`] gathers the writes of many
//! logs into few atomic batches, since a batch costs the broker about as much as one message. [`Keys`]
//! knows every agent's key and checks signatures before anything is decided. Where there must be one writer
//! for many logs, a [`FencedHost`] follows the whole stream and writes under compare-and-set on its own
//! cursor; of several, the one that a [`Seat`] has elected.

mod decider;
mod fenced;
mod keys;
mod seat;
mod sign;
mod snapshot;
mod timer;
mod writer;

pub use self::{
    decider::{DeciderHandle, DeciderHost, Errand, Hosted},
    fenced::{FencedHandle, FencedHost, HostError, Keeper, SNAPSHOT_EVERY},
    keys::Keys,
    seat::{Hiring, Seat, SeatError},
    sign::sign,
    writer::GroupCommit,
};
