//! How the connection fares, counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::watch;

/// Events of the connection. The number of times it was made is watched by everyone whose state on the
/// server died with the old connection.
#[derive(Debug)]
pub(super) struct Counters {
    connects: watch::Sender<u64>,
    disconnects: AtomicU64,
    slow_consumers: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        Self { connects: watch::Sender::new(0), disconnects: AtomicU64::new(0), slow_consumers: AtomicU64::new(0) }
    }
}

impl Counters {
    /// Counts a connection and gives how many there have been.
    pub(super) fn connected(&self) -> u64 {
        self.connects.send_modify(|n| *n += 1);
        self.connects()
    }

    pub(super) fn disconnected(&self) {
        self.disconnects.fetch_add(1, Relaxed);
    }

    pub(super) fn slow_consumer(&self) {
        self.slow_consumers.fetch_add(1, Relaxed);
    }

    pub(super) fn connects(&self) -> u64 {
        *self.connects.borrow()
    }

    pub(super) fn disconnects(&self) -> u64 {
        self.disconnects.load(Relaxed)
    }

    pub(super) fn slow_consumers(&self) -> u64 {
        self.slow_consumers.load(Relaxed)
    }

    /// Changes whenever a connection was made again.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.connects.subscribe()
    }
}
