//! Timers that have fired, for the cores whose logs have deadlines.

use std::{future::Future, sync::Arc};

use futures::StreamExt;
use runtime::port::{Job, Port, ReadError, WorkSpec};
use schemas::{header, stream};

/// How long a fired timer may be worked on before another gets it, in milliseconds.
const ACK_WAIT_MS: u64 = 30_000;
/// Fired timers that are worked on at once, over all who heed them.
const AT_ONCE: u64 = 256;
/// How far our clock may be behind the broker's, in milliseconds.
const CLOCKS_DIFFER_MS: i64 = 5_000;
/// When a timer that could not be heeded comes again, in milliseconds.
const AGAIN_MS: u64 = 1_000;

/// What became of a timer.
pub enum Heeded {
    /// What was due is done.
    Done,
    /// It could not be done now.
    Again,
    /// It is nobody's.
    Stray,
}

/// Heeds timers as they fire, until the port is gone. Each is acknowledged after its effect. `heed` is given the subject
/// and when it fired first, in Unix milliseconds.
pub async fn heed<H, F>(port: Arc<dyn Port>, durable: &str, filter: String, heed: H)
where
    H: Fn(String, i64) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Heeded> + Send,
{
    let spec = WorkSpec {
        stream: stream::TIMERS.into(),
        durable: durable.into(),
        filter,
        ack_wait_ms: ACK_WAIT_MS,
        max_ack_pending: AT_ONCE,
    };
    // Who gave up would leave things open for ever, and serve on as if nothing were.
    while let Err(error) = try_to_heed(&port, &spec, &heed).await {
        tracing::error!(%error, durable, "timers are not heeded; trying again");
        port.sleep_ms(AGAIN_MS).await;
    }
}

async fn try_to_heed<H, F>(port: &Arc<dyn Port>, spec: &WorkSpec, heed: &H) -> Result<(), ReadError>
where
    H: Fn(String, i64) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Heeded> + Send,
{
    let mut fired = port.work(spec).await?;
    while let Some(job) = fired.next().await {
        let (port, heed) = (port.clone(), heed.clone());
        runtime::spawn(async move {
            // By a clock behind the broker's it fired too early, and would be armed again for a time that has passed.
            let fired_unix_ms = job.stored.time_unix_ms.min(port.now_unix_ms() + CLOCKS_DIFFER_MS);
            port.sleep_until(fired_unix_ms).await;
            let due_unix_ms = due_unix_ms(&job);
            match heed(job.stored.subject.clone(), due_unix_ms).await {
                Heeded::Done => job.ack().await,
                Heeded::Again => job.nak(AGAIN_MS).await,
                Heeded::Stray => job.term().await,
            }
        });
    }
    Ok(())
}

/// When it fired first, in Unix milliseconds.
fn due_unix_ms(job: &Job) -> i64 {
    let first_due = job.stored.headers.get(header::DEADLINE).and_then(|at| at.parse().ok());
    first_due.unwrap_or(job.stored.time_unix_ms)
}
