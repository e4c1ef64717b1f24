//! What a piece of work is a part of: how long whoever asked for it waits, and in which trace. Questions that are asked
//! in it wait no longer, and are a part of the same.

use std::future::Future;

/// The work that is under way here.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    pub(super) until_unix_ms: Option<i64>,
    pub(super) traceparent: Option<String>,
}

runtime::task::task_local! {
    static WORK: Work;
}

/// What is under way here; nothing outside of handlers.
pub(super) fn now() -> Work {
    WORK.try_with(Clone::clone).unwrap_or_default()
}

/// Does something as part of this work.
pub(super) fn within<F: Future>(work: Work, what: F) -> impl Future<Output = F::Output> {
    WORK.scope(work, what)
}
