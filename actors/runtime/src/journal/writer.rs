//! Group commit: the writes of many logs in few atomic batches, one at a time.
//!
//! The broker stages each batch in files of its own, which costs it milliseconds whatever the batch's size: what comes
//! meanwhile makes one large batch rather than several small ones.

use std::sync::Arc;

use schemas::limit::MAX_BATCH_MESSAGES;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Duration, Instant, sleep},
};

use crate::port::{AppendError, Port, Record};

/// After a batch of so many submissions the next one waits for `RESTS` times as long as that took, so that there are few
/// large batches, and the broker has time for more than staging them. Where fewer write at a time, nobody waits for another:
/// one agent that writes much would slow down the rest.
const MANY: usize = 16;
const RESTS: u32 = 2;
/// And no longer than this.
const REST_AT_MOST: Duration = Duration::from_millis(8);

/// What comes of a write.
type Outcome = Result<Vec<u64>, AppendError>;

struct Submission {
    records: Vec<Record>,
    outcome: oneshot::Sender<Outcome>,
}

/// Appends to one stream. Each submission is all or nothing, and several that come at the same time go in
/// one batch. A batch in which one submission lost its compare-and-set is taken apart, since the broker
/// does not say which it was: nobody fails for another's sake.
#[derive(Clone)]
pub struct GroupCommit {
    submit: mpsc::UnboundedSender<Submission>,
}

impl GroupCommit {
    /// Begins to write to `stream`.
    #[must_use]
    pub fn start(port: Arc<dyn Port>, stream: &'static str) -> Self {
        let (submit, queue) = mpsc::unbounded_channel();
        tokio::spawn(run(port, stream, queue));
        Self { submit }
    }

    /// Writes records, all or none, and gives their sequences.
    ///
    /// # Errors
    /// [`AppendError`]; when it is unknown whether they were written, read the subjects again.
    pub async fn write(&self, records: Vec<Record>) -> Outcome {
        let (outcome, written) = oneshot::channel();
        // Both fail only when the writing task is gone with its runtime: nobody knows what became of it.
        if self.submit.send(Submission { records, outcome }).is_err() {
            return Err(AppendError::TimedOut(0));
        }
        written.await.unwrap_or(Err(AppendError::TimedOut(0)))
    }
}

async fn run(port: Arc<dyn Port>, stream: &'static str, mut queue: mpsc::UnboundedReceiver<Submission>) {
    let mut held_over = None;
    loop {
        let first = match held_over.take() {
            Some(submission) => submission,
            None => match queue.recv().await {
                Some(submission) => submission,
                None => return,
            },
        };
        let mut count = first.records.len();
        let mut batch = vec![first];
        while let Ok(next) = queue.try_recv() {
            if count + next.records.len() > MAX_BATCH_MESSAGES {
                held_over = Some(next);
                break;
            }
            count += next.records.len();
            batch.push(next);
        }
        let (begun, are_many) = (Instant::now(), batch.len() >= MANY);
        commit(port.as_ref(), stream, batch).await;
        if are_many {
            sleep((begun.elapsed() * RESTS).min(REST_AT_MOST)).await;
        }
    }
}

async fn commit(port: &dyn Port, stream: &'static str, batch: Vec<Submission>) {
    let records = batch.iter().flat_map(|submission| &submission.records).cloned().collect();
    match port.append(stream, records).await {
        Ok(sequences) => {
            let mut rest = sequences.into_iter();
            for Submission { records, outcome } in batch {
                let own = rest.by_ref().take(records.len()).collect();
                // Whoever asked may have gone; what is written stays written.
                let _ = outcome.send(Ok(own));
            }
        }
        Err(AppendError::Conflict) if batch.len() > 1 => {
            for Submission { records, outcome } in batch {
                let _ = outcome.send(port.append(stream, records).await);
            }
        }
        Err(error) => {
            for Submission { outcome, .. } in batch {
                let _ = outcome.send(Err(error.clone()));
            }
        }
    }
}
