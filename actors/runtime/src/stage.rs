//! The threads that actors run on.
//!
//! On the multi-threaded runtime of [`run`](crate::run) actors get threads of their own, so that one that
//! computes for a second stalls nothing but itself. On the single-threaded clock of
//! [`simulate`](crate::simulate) they all run where everything else does, so that the order of things is the same
//! each time.

use actix::{Arbiter, ArbiterHandle, System};
use tokio::runtime::{Handle, RuntimeFlavor};

/// Whether everything runs on this one thread.
pub(crate) fn is_alone() -> bool {
    Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread)
}

/// There is no actor system on this thread: call this from within [`run`](crate::run) or
/// [`simulate`](crate::simulate).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no actor system runs on this thread")]
pub struct NoSystem;

/// Threads for actors; they end with it.
pub(crate) struct Stage {
    owned: Vec<Arbiter>,
    handles: Vec<ArbiterHandle>,
}

impl Stage {
    /// As many threads as asked for, or the system's own.
    pub(crate) fn new(threads: usize) -> Result<Self, NoSystem> {
        let system = System::try_current().ok_or(NoSystem)?;
        if is_alone() {
            return Ok(Self { owned: Vec::new(), handles: vec![system.arbiter().clone()] });
        }
        let owned: Vec<Arbiter> = (0..threads.max(1)).map(|_| Arbiter::new()).collect();
        let handles = owned.iter().map(Arbiter::handle).collect();
        Ok(Self { owned, handles })
    }

    /// The thread for the `n`th actor.
    pub(crate) fn of(&self, n: usize) -> Option<&ArbiterHandle> {
        self.handles.get(n.checked_rem(self.handles.len())?)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for arbiter in &self.owned {
            arbiter.stop();
        }
    }
}
