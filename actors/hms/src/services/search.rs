//! Having claims searched for by the provers of the bus: ahead of time, in company, and no claim twice at once.
//!
//! Deals come in bursts, and their claims are small: asked for one by one, the asking costs more than the proving. So
//! linear claims, which a prover decides in a millisecond, share requests: whoever asks while an answer is awaited waits
//! for it, or for [`GATHER_MS`], and travels with the others. Any other claim may take as long as its budget, and goes
//! with those of its own deal alone, so that a hard one holds up nobody else's.
//!
//! A claim that a deal will need if all accept is searched for while the others are asked ([`Provers::prepare`]), and
//! whoever needs it finds it under way or done. What is found is bytes, and is believed by nobody here.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use deal::gate::Rule;
use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, Shared},
    stream::FuturesUnordered,
};
use runtime::{
    port::{Message, Port, RequestError},
    sync::{mpsc, oneshot},
    trace,
};
use schemas::{
    Hash,
    body::{Message as _, decode, encode},
    claim::{Claim, PolyTerm},
    header::{self, Headers},
    limit::{MAX_BODY_BYTES, MAX_CLEARING_BODY_BYTES},
    proving::{Prove, ProveReply, SearchResult},
    subject,
};

/// The provers' service.
pub const PROVERS: &str = "gtp";
/// How long a prover may search for the proofs of one request, in milliseconds.
const BUDGET_MS: i64 = 3_000;
/// How long its answer may be on its way beyond that, in milliseconds.
const ON_ITS_WAY_MS: i64 = 500;
/// How long linear claims wait for others to travel with while an answer is awaited, in milliseconds.
const GATHER_MS: u64 = 10;
/// So many linear claims travel together at most.
const TOGETHER: usize = 64;
/// Claims that are searched for ahead, or found; beyond that the oldest are forgotten.
const AHEAD: usize = 1_024;
/// Evidence that is larger is not kept for those who will need it, in bytes.
const AHEAD_BYTES: usize = 64 * 1024;

/// What a search for one claim came to.
pub type Found = Result<SearchResult, NoAnswer>;
/// A search under way, or what came of it.
pub type Searching = Shared<BoxFuture<'static, Found>>;

/// Why no answer came.
#[derive(Debug, Clone)]
pub struct NoAnswer {
    /// Whether somebody said something; silence alone is a matter of time.
    pub counts: bool,
    /// The rule by which it falls short.
    pub rule: Rule,
    /// Why, for people.
    pub reason: String,
}

impl NoAnswer {
    fn unsound(reason: impl Into<String>) -> Self {
        Self { counts: true, rule: Rule::Unsound, reason: reason.into() }
    }

    fn silence(reason: impl Into<String>) -> Self {
        Self { counts: false, rule: Rule::Unanswered, reason: reason.into() }
    }
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
        Self { counts, ..Self::silence(reason) }
    }
}

/// The provers of a bus.
#[derive(Clone)]
pub struct Provers {
    port: Arc<dyn Port>,
    line: mpsc::UnboundedSender<Waiting>,
    ahead: Arc<Mutex<Ahead>>,
}

/// A linear claim that waits for its request.
struct Waiting {
    claim: Vec<u8>,
    until_unix_ms: i64,
    /// What made somebody ask.
    cause: Option<String>,
    found: oneshot::Sender<Found>,
}

/// What is searched for ahead, by claim, and in which order it was begun.
#[derive(Default)]
struct Ahead {
    searching: HashMap<Hash, Searching>,
    order: VecDeque<Hash>,
}

impl Provers {
    /// Those of this bus, asked until the last clone of this is gone.
    #[must_use]
    pub fn of(port: Arc<dyn Port>) -> Self {
        let (line, waiting) = mpsc::unbounded_channel();
        runtime::spawn(travel_together(port.clone(), waiting));
        Self { port, line, ahead: Arc::default() }
    }

    /// Has claims searched for that will be needed; what is under way already is not begun again. `cause` is the W3C trace
    /// context of what made them so.
    pub fn prepare(&self, claims: Vec<Vec<u8>>, until_unix_ms: i64, cause: Option<&str>) {
        let news: Vec<(Hash, Vec<u8>)> = {
            let ahead = self.ahead();
            let named = claims.into_iter().map(|claim| (Hash::of(&claim), claim));
            named.filter(|(hash, _)| !ahead.searching.contains_key(hash)).collect()
        };
        for (hash, searching) in self.search(news, until_unix_ms, cause) {
            // It goes on whether or not anyone waits for it.
            runtime::spawn(searching.clone().map(drop));
            self.ahead().remember(hash, searching);
        }
    }

    /// Takes what was begun ahead for these claims. It may still be under way.
    pub fn prepared(&self, claims: impl Iterator<Item = Hash>) -> Vec<(Hash, Searching)> {
        let mut ahead = self.ahead();
        claims.filter_map(|claim| Some((claim, ahead.take(&claim)?))).collect()
    }

    /// Begins to search for claims, each by its hash; `cause` is the W3C trace context of whoever asks.
    pub fn search(
        &self,
        claims: Vec<(Hash, Vec<u8>)>,
        until_unix_ms: i64,
        cause: Option<&str>,
    ) -> Vec<(Hash, Searching)> {
        let cause = cause.map(str::to_owned);
        let (easy, hard): (Vec<_>, Vec<_>) = claims.into_iter().partition(|(_, claim)| is_linear(claim));
        let easy = easy.into_iter().map(|(hash, claim)| {
            let (found, to_find) = oneshot::channel();
            // Where the line is gone, so is the sender, and that is an answer too.
            let _ = self.line.send(Waiting { claim, until_unix_ms, cause: cause.clone(), found });
            let searching = to_find.map(|found| found.unwrap_or_else(|_| Err(NoAnswer::silence("nobody asked"))));
            (hash, searching.boxed().shared())
        });
        let mut begun: Vec<(Hash, Searching)> = easy.collect();
        if !hard.is_empty() {
            let (hashes, claims): (Vec<Hash>, Vec<Vec<u8>>) = hard.into_iter().unzip();
            let asking =
                request(self.port.clone(), claims, until_unix_ms, Vec::from_iter(cause.clone())).boxed().shared();
            begun.extend(hashes.into_iter().map(|hash| {
                let one = asking.clone().map(move |reply| of_claim(&reply, hash));
                (hash, one.boxed().shared())
            }));
        }
        begun
    }

    fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ahead {
    fn remember(&mut self, claim: Hash, searching: Searching) {
        let kept = searching.map(|found| match found {
            Ok(SearchResult { evidence: Some(evidence), .. }) if evidence.len() > AHEAD_BYTES => {
                Err(NoAnswer::silence("too large to be kept"))
            }
            found => found,
        });
        self.searching.insert(claim, kept.boxed().shared());
        self.order.push_back(claim);
        while self.order.len() > AHEAD {
            let oldest = self.order.pop_front();
            oldest.and_then(|oldest| self.searching.remove(&oldest));
        }
    }

    fn take(&mut self, claim: &Hash) -> Option<Searching> {
        let searching = self.searching.remove(claim)?;
        self.order.retain(|known| known != claim);
        Some(searching)
    }
}

/// Whether a claim is linear throughout.
fn is_linear(claim: &[u8]) -> bool {
    let Ok(claim) = decode::<Claim>(claim, MAX_BODY_BYTES) else { return false };
    let flat = |terms: &[PolyTerm]| terms.iter().all(|term| term.degree() <= 1);
    flat(claim.goal.poly.terms()) && claim.hypotheses.iter().all(|hypothesis| flat(hypothesis.poly.terms()))
}

/// Sends linear claims off together, until nobody is left who could want any.
async fn travel_together(port: Arc<dyn Port>, mut waiting: mpsc::UnboundedReceiver<Waiting>) {
    let mut asking = FuturesUnordered::new();
    let mut gathered: Vec<Waiting> = Vec::new();
    let mut leave_unix_ms = i64::MAX;
    loop {
        let patience_ms = leave_unix_ms.saturating_sub(port.now_unix_ms()).max(0).unsigned_abs();
        runtime::select! {
            biased;
            Some(()) = asking.next() => {}
            next = waiting.recv() => match next {
                Some(next) => gathered.push(next),
                None if asking.is_empty() => return,
                None => drop(asking.next().await),
            },
            () = port.sleep_ms(patience_ms), if !gathered.is_empty() => {}
        }
        while gathered.len() < TOGETHER
            && let Ok(next) = waiting.try_recv()
        {
            gathered.push(next);
        }
        let now_unix_ms = port.now_unix_ms();
        leave_unix_ms = leave_unix_ms.min(now_unix_ms.saturating_add_unsigned(GATHER_MS));
        let leaves = asking.is_empty() || gathered.len() >= TOGETHER || leave_unix_ms <= now_unix_ms;
        if !gathered.is_empty() && leaves {
            asking.push(ask_for(port.clone(), std::mem::take(&mut gathered)));
        }
        if gathered.is_empty() {
            leave_unix_ms = i64::MAX;
        }
    }
}

async fn ask_for(port: Arc<dyn Port>, waiting: Vec<Waiting>) {
    let until_unix_ms = waiting.iter().map(|one| one.until_unix_ms).max().unwrap_or(i64::MIN);
    let claims = waiting.iter().map(|one| one.claim.clone()).collect();
    let causes: BTreeSet<String> = waiting.iter().filter_map(|one| one.cause.clone()).collect();
    let reply = request(port, claims, until_unix_ms, causes.into_iter().collect()).await;
    for Waiting { claim, found, .. } in waiting {
        // Whoever wanted it may have given up waiting.
        let _ = found.send(of_claim(&reply, Hash::of(&claim)));
    }
}

type Reply = Result<Arc<ProveReply>, NoAnswer>;

/// Asks the provers once.
async fn request(port: Arc<dyn Port>, claims: Vec<Vec<u8>>, until_unix_ms: i64, causes: Vec<String>) -> Reply {
    let left_ms = until_unix_ms.saturating_sub(port.now_unix_ms());
    let budget_ms = left_ms.saturating_sub(ON_ITS_WAY_MS).clamp(1, BUDGET_MS);
    let wait_ms = budget_ms.saturating_add(ON_ITS_WAY_MS).min(left_ms.max(1));
    let ask = Prove { claims, budget_ms: u32::try_from(budget_ms).unwrap_or(1), seed: 0 };
    let deadline_unix_ms = port.now_unix_ms().saturating_add(wait_ms);
    let headers = Headers::of_type(Prove::TYPE).with(header::DEADLINE, deadline_unix_ms.to_string());
    let message = Message::new(subject::endpoint(PROVERS, "prove"), encode(&ask)).with_headers(headers);
    let causes = causes.iter().map(String::as_str);
    let reply = trace::ask(port.as_ref(), message, wait_ms.unsigned_abs(), causes).await?;
    let reply = decode(&reply.body, MAX_CLEARING_BODY_BYTES);
    reply.map(Arc::new).map_err(|error| NoAnswer::unsound(format!("what a prover answers can't be read: {error}")))
}

/// What a reply says of one claim.
fn of_claim(reply: &Reply, claim: Hash) -> Found {
    let results = &reply.as_ref().map_err(Clone::clone)?.results;
    let result = results.iter().find(|result| result.claim_hash == claim);
    result.cloned().ok_or_else(|| {
        let reason = if results.is_empty() {
            "a prover says nothing of the claim"
        } else {
            "a prover says nothing of the claim, and something of others, of which nobody asked"
        };
        NoAnswer::unsound(reason)
    })
}

#[cfg(test)]
mod tests;
