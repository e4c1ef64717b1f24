//! Asking the provers: what the desk wants proved is looked up, asked for and checked, one deal beside the other.
//!
//! A prover is not trusted, and neither is the bucket in which proofs are kept: both say where a proof may be, and
//! only the kernel says whether it is one. Whatever they do, the desk hears one thing of each errand: that all is
//! proved, or why not. Time ends every errand, and a timer finds those that died with their desk.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use deal::{
    Ask, Desk,
    gate::{Proving, Rule},
};
use futures::future::{join, join_all};
use runtime::{
    journal::{DeciderHandle, Errand},
    port::Port,
    sync::{Semaphore, mpsc::UnboundedReceiver, oneshot},
    task,
    trace::{Kind, Span},
};
use schemas::{
    DealId, Hash,
    core::{Call, Effect},
    kernel::{Finding, Kernel},
    proving::{SearchResult, SearchVerdict},
    subject,
};

use super::{
    desk::Decides,
    search::{Found, Provers, Searching},
};
use crate::proofs;

/// Deals whose claims are looked into at once; others wait their turn.
const AT_ONCE: usize = 256;
/// So many answers that leave something unproved are enough.
const ANSWERS: u32 = 3;
/// What was found sooner than this is found again as soon as it is looked up, in milliseconds.
const WORTH_KEEPING_MS: u32 = 20;
/// So long before the time for proofs is over the desk is told why there is none: a timer would only know that there
/// isn't. In milliseconds.
const LAST_WORD_MS: i64 = 250;
/// How long what was begun ahead is waited for before it is asked for again, in milliseconds.
const FORESEEN_MS: u64 = 500;
/// Pause before asking again, in milliseconds: nobody may be there yet.
const PAUSE_MS: i64 = 200;

/// Runs the desk's errands.
pub struct Gate<D: Decides = Desk> {
    port: Arc<dyn Port>,
    kernel: Arc<dyn Kernel>,
    desk: DeciderHandle<D>,
    provers: Provers,
    /// What is being looked into, by the head of the deal's log: a timer that asks again needn't ask us.
    under_way: Arc<Mutex<HashSet<Hash>>>,
}

/// Evidence that the kernel has accepted.
type Accepted = (Hash, Finding, Vec<u8>);

impl<D: Decides> Clone for Gate<D> {
    fn clone(&self) -> Self {
        Self {
            port: self.port.clone(),
            kernel: self.kernel.clone(),
            desk: self.desk.clone(),
            provers: self.provers.clone(),
            under_way: self.under_way.clone(),
        }
    }
}

impl<D: Decides> Gate<D> {
    /// A gate of this desk.
    #[must_use]
    pub fn new(port: Arc<dyn Port>, kernel: Arc<dyn Kernel>, desk: DeciderHandle<D>) -> Self {
        Self { provers: Provers::of(port.clone()), port, kernel, desk, under_way: Arc::default() }
    }

    /// Runs errands until the desk is gone.
    pub async fn run(self, mut errands: UnboundedReceiver<Errand<Ask>>) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        while let Some(Errand { log, effect, trace, back }) = errands.recv().await {
            let (claims, head, until_unix_ms) = match effect {
                Effect::Prove { claims, head, until_unix_ms } => (claims, head, until_unix_ms),
                Effect::Prepare { claims, until_unix_ms } => {
                    self.provers.prepare(claims, until_unix_ms, trace.as_deref());
                    continue;
                }
                _ => continue,
            };
            let Ok(deal) = subject::parse_deal_log(&log) else { continue };
            let is_new = self.under_way().insert(head);
            if !is_new {
                continue;
            }
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let gate = self.clone();
            runtime::spawn(async move {
                let span = Span::begin(Kind::Internal, || "deal gate".to_owned(), &log, trace.as_deref());
                gate.look_into(deal, Proving::of(head, claims), until_unix_ms, span, back).await;
                gate.under_way().remove(&head);
                drop(place);
            });
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashSet<Hash>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks into one deal's claims, tells the desk what came of it, and keeps what was found.
    async fn look_into(
        &self,
        deal: DealId,
        proving: Proving,
        until_unix_ms: i64,
        mut span: Span,
        back: oneshot::Sender<Ask>,
    ) {
        let traceparent = span.traceparent();
        let last_word_unix_ms = until_unix_ms.saturating_sub(LAST_WORD_MS);
        let mut proving = proving;
        let mut found = Vec::new();
        let mut answers = 0;
        let mut has_looked = false;
        while !proving.is_over() && answers < ANSWERS && self.port.now_unix_ms() < last_word_unix_ms {
            let (heard, accepted, counts) = self.ask(proving, last_word_unix_ms, traceparent.as_deref()).await;
            proving = heard;
            found.extend(accepted);
            answers += u32::from(counts);
            // Most claims are proved sooner than looked up: only what is not is worth the question.
            if !proving.is_over() && !std::mem::replace(&mut has_looked, true) {
                proving = self.remembered(proving).await;
            }
            if !proving.is_over() && answers < ANSWERS {
                let left_ms = last_word_unix_ms.saturating_sub(self.port.now_unix_ms());
                self.port.sleep_ms(left_ms.clamp(0, PAUSE_MS).unsigned_abs()).await;
            }
        }
        let judged = proving.judged();
        if let Some(why) = judged.unproved() {
            tracing::warn!(%deal, rule = why.rule.as_str(), reason = why.reason, "claims of a deal are not proved");
            span.fail(&why.reason);
        }
        drop(span);
        // The acceptance may still wait for it, and is then stored with it.
        if let Err(judged) = back.send(Ask::Judged { deal: deal.clone(), judged }) {
            let call = Call { now_unix_ms: self.port.now_unix_ms(), traceparent, ..Call::default() };
            if let Err(error) = self.desk.ask(subject::deal_log(&deal), judged, call).await {
                // A timer asks again.
                tracing::warn!(%deal, %error, "what was found out about the claims of a deal is not recorded");
            }
        }
        join_all(
            found.iter().map(|(claim, finding, evidence)| proofs::keep(self.port.as_ref(), *claim, *finding, evidence)),
        )
        .await;
    }

    /// Has the provers asked once, for whatever is open; says whether that was an answer, even if it is none to all. What
    /// was begun ahead is taken instead where it is not long in coming, and where it is no evidence, counts for nothing.
    async fn ask(
        &self,
        mut proving: Proving,
        until_unix_ms: i64,
        cause: Option<&str>,
    ) -> (Proving, Vec<Accepted>, bool) {
        let left_ms = until_unix_ms.saturating_sub(self.port.now_unix_ms()).max(0).unsigned_abs();
        let begun = self.provers.prepared(proving.open().map(|(hash, _)| hash));
        let rest = proving.open().filter(|(hash, _)| begun.iter().all(|(known, _)| known != hash));
        let rest = rest.map(|(hash, claim)| (hash, claim.to_vec())).collect();
        let asked = self.provers.search(rest, until_unix_ms, cause);
        let begun = begun.into_iter().map(|(_, searching)| self.within(FORESEEN_MS.min(left_ms), searching));
        let asked = asked.into_iter().map(|(_, searching)| self.within(left_ms, searching));
        let (begun, asked) = join(join_all(begun), join_all(asked)).await;
        let begun = begun.into_iter().flatten().filter_map(Result::ok);
        let mut results: Vec<SearchResult> = begun.filter(|result| result.evidence.is_some()).collect();
        let mut counts = false;
        for found in asked.into_iter().flatten() {
            match found {
                Ok(result) => {
                    counts = true;
                    results.push(result);
                }
                Err(no_answer) => {
                    counts |= no_answer.counts;
                    proving.fell_short(no_answer.rule, None, &no_answer.reason);
                }
            }
        }
        let (proving, accepted) = self.weighed(proving, results).await;
        (proving, accepted, counts)
    }

    /// Waits so long for a search, and no longer.
    async fn within(&self, ms: u64, searching: Searching) -> Option<Found> {
        runtime::select! {
            biased;
            found = searching => Some(found),
            () = self.port.sleep_ms(ms) => None,
        }
    }

    /// Takes what is kept of the claims, as far as it holds.
    async fn remembered(&self, proving: Proving) -> Proving {
        let claims: Vec<Hash> = proving.open().map(|(hash, _)| hash).collect();
        let kept = join_all(claims.iter().map(|claim| proofs::recall(self.port.as_ref(), *claim))).await;
        let results = claims.into_iter().zip(kept).filter_map(|(claim_hash, evidence)| {
            let evidence = Some(evidence?);
            Some(SearchResult { claim_hash, verdict: SearchVerdict::Proved, evidence, took_ms: 0, reason: None })
        });
        self.weighed(proving, results.collect()).await.0
    }

    /// Has the kernel look at what a prover found, away from whoever must not wait.
    async fn weighed(&self, proving: Proving, results: Vec<SearchResult>) -> (Proving, Vec<Accepted>) {
        if results.is_empty() {
            return (proving, Vec::new());
        }
        let (kernel, before) = (self.kernel.clone(), proving.clone());
        let weighed = task::aside(move || weigh(kernel.as_ref(), proving, results)).await;
        weighed.unwrap_or_else(|error| {
            let mut proving = before;
            tracing::error!(%error, "the kernel fell over an answer");
            proving.fell_short(Rule::Unsound, None, "the kernel fell over it");
            (proving, Vec::new())
        })
    }
}

/// Takes results one by one; gives what the kernel accepted and is worth keeping.
fn weigh(kernel: &dyn Kernel, mut proving: Proving, results: Vec<SearchResult>) -> (Proving, Vec<Accepted>) {
    let mut accepted = Vec::new();
    for SearchResult { claim_hash, verdict, evidence, reason, took_ms } in results {
        match (evidence, verdict) {
            (Some(evidence), _) => {
                let taken = proving.take(kernel, claim_hash, &evidence);
                if let Ok(finding) = taken
                    && took_ms >= WORTH_KEEPING_MS
                {
                    accepted.push((claim_hash, finding, evidence));
                }
            }
            (None, SearchVerdict::Unknown) => {
                let reason = reason.unwrap_or_else(|| "nobody found out".to_owned());
                proving.fell_short(Rule::Unknown, Some(claim_hash), &reason);
            }
            (None, SearchVerdict::Proved | SearchVerdict::Refuted) => {
                proving.fell_short(Rule::Unsound, Some(claim_hash), "a verdict came without evidence");
            }
        }
    }
    (proving, accepted)
}

#[cfg(test)]
mod tests;
