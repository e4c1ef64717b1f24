//! Everything that talks to the bus, and nothing that knows what is said on it.
//!
//! A core is plain Rust without I/O. This crate gives it a mailbox, subjects, an admission limit, deadlines,
//! tracing and a new life after a panic; it gives agents a connection, clocks a door, and tests a bus without a
//! server.
//!
//! # Where to start
//!
//! - [`port`]: the one door for all I/O and time. [`nats`] and [`memory`] are its two adapters.
//! - [`service`]: cores and handlers behind subjects.
//! - [`journal`]: deciders and fenced writers on their logs.
//! - [`peer`]: agents in Rust, an actor each, thousands on a connection.
//! - [`dice`]: numbers that depend on nothing but their seed.
//! - [`broker`]: a `nats-server` of our own.
//! - [`http`]: pages for and from operators' tools.
//! - [`trace`]: what caused what, across processes, for those who collect it.
//! - [`run`] and [`simulate`]: starting all of it, on threads or on a clock that jumps.
//!
//! # What is absent
//!
//! This crate knows no deals, no goods and no markets. It is the only one that names actix, async-nats and tokio;
//! [`task`], [`sync`] and [`time`] are what others need of the latter.

pub mod broker;
pub mod dice;
pub mod http;
pub mod journal;
pub mod memory;
pub mod nats;
pub mod peer;
pub mod port;
pub mod service;
mod stage;
mod system;
pub mod trace;

pub use stage::NoSystem;
pub use system::{interrupted, run, simulate, spawn, spawn_if_running};
pub use tokio::{join, select, sync};

/// Tasks beside actors.
pub mod task {
    pub use tokio::{
        spawn,
        task::{AbortHandle, JoinError, JoinHandle, JoinSet, spawn_blocking, spawn_local, yield_now},
        task_local,
    };

    /// Computes beside everything else; on the single thread of [`simulate`](crate::simulate) here and now, so that the
    /// order of things is the same each time.
    ///
    /// # Errors
    /// When it panics on a thread of its own.
    pub async fn aside<T: Send + 'static>(compute: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
        if crate::stage::is_alone() { Ok(compute()) } else { spawn_blocking(compute).await }
    }
}

/// Limits and rhythms, on the clock that [`simulate`](crate::simulate) lets jump.
pub mod time {
    pub use tokio::time::{Duration, Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until, timeout};
}

/// Processes that are started and watched without blocking.
pub mod process {
    pub use tokio::{
        io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
        process::{Child, ChildStdin, ChildStdout, Command},
    };
}
