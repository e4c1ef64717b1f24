//! Multi-agent collaboration: the core that owns jobs.
//!
//! A job is tasks that depend on each other. Its state is the fold of its log ([`Job`]), and what a move does is decided
//! by looking at that state alone ([`Mac`], a [`schemas::core::Decider`]). The life of a task is a contract net with a
//! check at its end:
//!
//! `waiting → announced → awarded → judged → gated → done`
//!
//! It is announced when all that it needs is done, and goes to the best bid ([`award`]); whoever holds it must give
//! signs of life, or it is announced again. Others than the doer judge what is delivered ([`panel`]): one side must lead
//! by so many verdicts, so dissent asks for more verifiers, and where there are none left, for a human. What waits at
//! the gate waits for a yes; silence, a time-out and an error are a no.
//!
//! # One log a job
//!
//! The log is the job's and not the task's, because what matters most is a rule over several tasks: nothing is announced
//! before what it needs is done. In one log a compare-and-set keeps that rule; over several it would be a protocol. What
//! it costs is that a job's moves are written one after another, so a decision looks at what it changes and never at
//! all tasks: what depends on a task, how much a task still waits for and which deadline comes next are kept in the
//! state. Only the end of a job, and adding to it, look at everything.
//!
//! # Payment
//!
//! Where a job pays, an award determines a deal ([`pay`]) which its supervisor opens. Nothing here posts.
//!
//! # Reputation
//!
//! What became of promises is a fold over the logs of jobs and of deals ([`standing`]), so anyone with the logs comes to
//! the same figures. It enters a job with a bid, in whose event it is written down: an award is a function of its job's
//! log. [`verify`] decides all of such a log again.
//!
//! # What is absent
//!
//! I/O, clocks, random numbers, floats; and the desk: what a deal's log says is told by the host.

pub mod award;
mod decide;
mod draft;
mod entry;
mod moves;
mod note;
pub mod panel;
pub mod pay;
pub mod standing;
mod state;
mod tasks;
pub mod verify;

pub use decide::{Ask, Mac};
pub use entry::Entry;
pub use state::{Bid, Delivered, Job, Phase, Recorded, Slot};

#[cfg(test)]
mod tests;
