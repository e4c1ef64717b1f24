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
use futures::future::join_all;
use runtime::{
    journal::{DeciderHandle, Errand},
    port::{Message, Port, RequestError},
    sync::{Semaphore, mpsc::UnboundedReceiver},
    task,
};
use schemas::{
    DealId, Hash,
    body::{Message as _, decode, encode},
    core::{Call, Effect},
    header::{self, Headers},
    kernel::{Finding, Kernel},
    limit::MAX_CLEARING_BODY_BYTES,
    proving::{Prove, ProveReply, SearchResult, SearchVerdict as Found},
    subject,
};

use crate::proofs;

/// The provers' service.
pub const PROVERS: &str = "gtp";
/// Deals whose claims are looked into at once; others wait their turn.
const AT_ONCE: usize = 256;
/// How long a prover may search for the proofs of one deal, in milliseconds.
const BUDGET_MS: i64 = 3_000;
/// How long its answer may be on its way beyond that, in milliseconds.
const ON_ITS_WAY_MS: i64 = 500;
/// So many answers that leave something unproved are enough.
const ANSWERS: u32 = 3;
/// What was found sooner than this is found again as soon as it is looked up, in milliseconds.
const WORTH_KEEPING_MS: u32 = 20;
/// So long before the time for proofs is over the desk is told why there is none: a timer would only know that there
/// isn't. In milliseconds.
const LAST_WORD_MS: i64 = 250;
/// Pause before asking again, in milliseconds: nobody may be there yet.
const PAUSE_MS: i64 = 200;

/// Runs the desk's errands.
#[derive(Clone)]
pub struct Gate {
    port: Arc<dyn Port>,
    kernel: Arc<dyn Kernel>,
    desk: DeciderHandle<Desk>,
    /// What is being looked into, by the head of the deal's log: a timer that asks again needn't ask us.
    under_way: Arc<Mutex<HashSet<Hash>>>,
}

/// Evidence that the kernel has accepted.
type Accepted = (Hash, Finding, Vec<u8>);

impl Gate {
    /// A gate of this desk.
    #[must_use]
    pub fn new(port: Arc<dyn Port>, kernel: Arc<dyn Kernel>, desk: DeciderHandle<Desk>) -> Self {
        Self { port, kernel, desk, under_way: Arc::default() }
    }

    /// Runs errands until the desk is gone.
    pub async fn run(self, mut errands: UnboundedReceiver<Errand>) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        while let Some(Errand { log, effect }) = errands.recv().await {
            let Effect::Prove { claims, head, until_unix_ms } = effect else { continue };
            let Ok(deal) = subject::parse_deal_log(&log) else { continue };
            let is_new = self.under_way().insert(head);
            if !is_new {
                continue;
            }
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let gate = self.clone();
            runtime::spawn(async move {
                gate.look_into(deal, Proving::of(head, claims), until_unix_ms).await;
                gate.under_way().remove(&head);
                drop(place);
            });
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashSet<Hash>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks into one deal's claims, tells the desk what came of it, and keeps what was found.
    async fn look_into(&self, deal: DealId, proving: Proving, until_unix_ms: i64) {
        let mut proving = proving;
        let mut found = Vec::new();
        let mut answers = 0;
        let mut has_looked = false;
        while !proving.is_over() && answers < ANSWERS {
            let left_ms = until_unix_ms.saturating_sub(self.port.now_unix_ms()).saturating_sub(LAST_WORD_MS);
            if left_ms <= 0 {
                break;
            }
            match self.ask(&proving, left_ms).await {
                Ok(reply) => {
                    answers += 1;
                    let (weighed, accepted) = self.weighed(proving, reply.results).await;
                    proving = weighed;
                    found.extend(accepted);
                }
                Err(NoAnswer { counts, rule, reason }) => {
                    answers += u32::from(counts);
                    proving.fell_short(rule, None, &reason);
                }
            }
            // Most claims are proved sooner than looked up: only what is not is worth the question.
            if !proving.is_over() && !std::mem::replace(&mut has_looked, true) {
                proving = self.remembered(proving).await;
            }
            if !proving.is_over() && answers < ANSWERS {
                self.port.sleep_ms(PAUSE_MS.min(left_ms).unsigned_abs()).await;
            }
        }
        let judged = proving.judged();
        if let Some(why) = judged.unproved() {
            tracing::warn!(%deal, rule = why.rule.as_str(), reason = why.reason, "claims of a deal are not proved");
        }
        let call = Call { now_unix_ms: self.port.now_unix_ms(), ..Call::default() };
        let asked = self.desk.ask(subject::deal_log(&deal), Ask::Judged { deal: deal.clone(), judged }, call).await;
        if let Err(error) = asked {
            // A timer asks again.
            tracing::warn!(%deal, %error, "what was found out about the claims of a deal is not recorded");
        }
        join_all(
            found.iter().map(|(claim, finding, evidence)| proofs::keep(self.port.as_ref(), *claim, *finding, evidence)),
        )
        .await;
    }

    /// Takes what is kept of the claims, as far as it holds.
    async fn remembered(&self, proving: Proving) -> Proving {
        let claims: Vec<Hash> = proving.open().map(|(hash, _)| hash).collect();
        let kept = join_all(claims.iter().map(|claim| proofs::recall(self.port.as_ref(), *claim))).await;
        let results = claims.into_iter().zip(kept).filter_map(|(claim_hash, evidence)| {
            let evidence = Some(evidence?);
            Some(SearchResult { claim_hash, verdict: Found::Proved, evidence, took_ms: 0, reason: None })
        });
        self.weighed(proving, results.collect()).await.0
    }

    /// Asks the provers once, for whatever is open.
    async fn ask(&self, proving: &Proving, left_ms: i64) -> Result<ProveReply, NoAnswer> {
        let budget_ms = left_ms.saturating_sub(ON_ITS_WAY_MS).clamp(1, BUDGET_MS);
        let wait_ms = budget_ms.saturating_add(ON_ITS_WAY_MS).min(left_ms);
        let ask = Prove {
            claims: proving.open().map(|(_, claim)| claim.to_vec()).collect(),
            budget_ms: u32::try_from(budget_ms).unwrap_or(1),
            seed: 0,
        };
        let deadline_unix_ms = self.port.now_unix_ms().saturating_add(wait_ms);
        let headers = Headers::of_type(Prove::TYPE).with(header::DEADLINE, deadline_unix_ms.to_string());
        let message = Message::new(subject::endpoint(PROVERS, "prove"), encode(&ask)).with_headers(headers);
        let reply = self.port.request(message, wait_ms.unsigned_abs()).await?;
        decode(&reply.body, MAX_CLEARING_BODY_BYTES).map_err(|error| NoAnswer {
            counts: true,
            rule: Rule::Unsound,
            reason: format!("what a prover answers can't be read: {error}"),
        })
    }

    /// Has the kernel look at what a prover found, away from whoever must not wait.
    async fn weighed(&self, proving: Proving, results: Vec<SearchResult>) -> (Proving, Vec<Accepted>) {
        if results.is_empty() {
            return (proving, Vec::new());
        }
        let (kernel, before) = (self.kernel.clone(), proving.clone());
        let weighed = task::spawn_blocking(move || weigh(kernel.as_ref(), proving, results)).await;
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
            (None, Found::Unknown) => {
                let reason = reason.unwrap_or_else(|| "nobody found out".to_owned());
                proving.fell_short(Rule::Unknown, Some(claim_hash), &reason);
            }
            (None, Found::Proved | Found::Refuted) => {
                proving.fell_short(Rule::Unsound, Some(claim_hash), "a verdict came without evidence");
            }
        }
    }
    (proving, accepted)
}

/// Why no answer came.
struct NoAnswer {
    /// Whether somebody said something; silence alone is a matter of time.
    counts: bool,
    rule: Rule,
    reason: String,
}

impl From<RequestError> for NoAnswer {
    fn from(error: RequestError) -> Self {
        let reason = match &error {
            RequestError::NoResponders(_) => "there is no prover".to_owned(),
            RequestError::TimedOut(ms) => format!("no prover answered within {ms} ms"),
            RequestError::Refused { code, text, .. } => format!("a prover refuses to answer: {code} {text}"),
            other => other.to_string(),
        };
        let busy = schemas::Code::Busy.number();
        let counts = matches!(error, RequestError::Refused { code, .. } if code != busy);
        Self { counts, rule: Rule::Unanswered, reason }
    }
}
