//! The gate between *agreed* and *certified*: no deal commits on a claim that nobody has proved.
//!
//! A deal that requires claims waits here from the last acceptance until each of them is proved or the time for that
//! is over. The claims are built from terms and acceptances alone ([`raised`]), so nobody can prove something else
//! instead; whoever searches for proofs is not trusted with anything: [`Proving`] takes whatever comes, and only what
//! the kernel accepts counts. All else fails closed, with a rule that says how ([`Rule`]).
//!
//! # What is absent
//!
//! Asking. The desk says what is to be proved, as data; whoever carries that out feeds what comes back into a
//! [`Proving`] and gives the desk its [`Judged`], which nothing else can make. It is good for the one state of the
//! log that it was asked from, so an answer that comes late, twice or from another desk changes nothing.

use std::collections::BTreeMap;

use schemas::deal::{Accept, ClaimKind, Terms};
use schemas::event::{Evidence, Happening, Signed};
use schemas::hash::Hash;
use schemas::kernel::{Finding, Kernel, Unsound};
use schemas::limit::{MAX_BODY_BYTES, MAX_DEAL_EVIDENCE_BYTES, MAX_TEXT_BYTES};
use schemas::profile::State;
use terms::claims::Raised;

use crate::state::Deal;

/// How long a deal may wait for its claims to be proved once all have accepted, in milliseconds; never past its expiry.
pub const PROVE_WITHIN_MS: i64 = 10_000;
/// After so long whichever desk hears the timer asks again: the one that asked first may have died. In milliseconds.
pub const ASK_AGAIN_MS: i64 = 4_000;

/// Why a deal does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A claim can't even be stated: an acceptance lacks what it is about.
    Unraisable,
    /// A claim is false, and here is the point.
    Refuted,
    /// Nobody found out.
    Unknown,
    /// What came as a proof proves nothing of the sort.
    Unsound,
    /// Nobody answered in time.
    Unanswered,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 5] = [Self::Unraisable, Self::Refuted, Self::Unknown, Self::Unsound, Self::Unanswered];

    /// The stable word for it, as the log has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unraisable => "claim_unraisable",
            Self::Refuted => "claim_refuted",
            Self::Unknown => "claim_unknown",
            Self::Unsound => "proof_unsound",
            Self::Unanswered => "proof_unanswered",
        }
    }

    /// The rule of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == word)
    }
}

/// What was found out about a deal's claims, all of them; only a [`Proving`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub(crate) head: Hash,
    pub(crate) outcome: Result<Vec<Evidence>, Unproved>,
}

impl Judged {
    /// Whether every claim is proved.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        self.outcome.is_ok()
    }

    /// Why not, where not.
    #[must_use]
    pub fn unproved(&self) -> Option<&Unproved> {
        self.outcome.as_ref().err()
    }

    /// The first claim, by its place, that nobody gave evidence for.
    pub(crate) fn missing(&self) -> Option<usize> {
        match &self.outcome {
            Err(Unproved { rule: Rule::Unanswered, claim, .. }) => *claim,
            _ => None,
        }
    }

    /// What the log said before: a refusal that no one can check again, for want of anything to check.
    pub(crate) fn as_told(head: Hash, rule: Rule, reason: &str) -> Self {
        Self { head, outcome: Err(Unproved::new(rule, None, reason)) }
    }
}

/// Why a deal's claims are not proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproved {
    /// How it fell short.
    pub rule: Rule,
    /// Which claim did, by its place, where one did.
    pub claim: Option<usize>,
    /// Why, for people.
    pub reason: String,
    /// The counterexample.
    pub evidence: Option<Evidence>,
}

impl Unproved {
    pub(crate) fn new(rule: Rule, claim: Option<usize>, reason: impl Into<String>) -> Self {
        Self { rule, claim, reason: reason.into(), evidence: None }
    }

    /// What the log says of it, in a deal that raises these claims.
    pub(crate) fn happening(self, claims: &[Raised]) -> Happening {
        let Self { rule, claim, reason, evidence } = self;
        let reason = match claim.and_then(|place| claims.get(place)) {
            Some(raised) => format!("{}: {reason}", name_of(raised)),
            None => reason,
        };
        Happening::Refused { rule: rule.as_str().to_owned(), reason: bounded(reason), evidence, party: None }
    }
}

/// The claims of one state of a deal, on their way to being proved.
#[derive(Debug, Clone)]
pub struct Proving {
    head: Hash,
    /// In the deal's order; two parties in the same position raise the same claim.
    order: Vec<Hash>,
    sought: BTreeMap<Hash, Sought>,
    evidence_bytes: usize,
    refuted: Option<Unproved>,
    trouble: Option<Unproved>,
}

#[derive(Debug, Clone)]
struct Sought {
    claim: Vec<u8>,
    times: usize,
    found: Option<Vec<u8>>,
}

impl Proving {
    /// These claims, as the desk asks for them, of the log that ends with `head`.
    #[must_use]
    pub fn of(head: Hash, claims: Vec<Vec<u8>>) -> Self {
        let mut proving =
            Self { head, order: Vec::new(), sought: BTreeMap::new(), evidence_bytes: 0, refuted: None, trouble: None };
        for claim in claims {
            let hash = Hash::of(&claim);
            proving.order.push(hash);
            proving.sought.entry(hash).or_insert(Sought { claim, times: 0, found: None }).times += 1;
        }
        proving
    }

    /// The claims that are not proved yet, each once.
    pub fn open(&self) -> impl Iterator<Item = (Hash, &[u8])> {
        let open = self.sought.iter().filter(|(_, sought)| sought.found.is_none());
        open.map(|(hash, sought)| (*hash, sought.claim.as_slice()))
    }

    /// Whether a claim is sought and not proved yet.
    #[must_use]
    pub fn is_open(&self, claim: Hash) -> bool {
        self.sought.get(&claim).is_some_and(|sought| sought.found.is_none())
    }

    /// Whether nothing that could come would change the outcome: all is proved, or something is refuted.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.refuted.is_some() || self.open().next().is_none()
    }

    /// Takes what somebody says is evidence for or against a claim. What it is, the kernel decides.
    ///
    /// # Errors
    /// [`Unsound`]: it shows nothing of an open claim by this hash. It is remembered.
    pub fn take(&mut self, kernel: &dyn Kernel, claim: Hash, evidence: &[u8]) -> Result<Finding, Unsound> {
        let checked = self.checked(kernel, claim, evidence);
        match &checked {
            Ok(Finding::Proved { .. }) => {}
            Ok(Finding::Refuted) => {
                let evidence = Evidence { claim_hash: claim, certificate: evidence.to_vec() };
                let reason = "it is false, and the counterexample is here";
                let refuted = Unproved::new(Rule::Refuted, self.place(claim), reason);
                self.refuted = Some(Unproved { evidence: Some(evidence), ..refuted });
            }
            Err(unsound) => self.fell_short(Rule::Unsound, Some(claim), &unsound.0),
        }
        checked
    }

    fn checked(&mut self, kernel: &dyn Kernel, claim: Hash, evidence: &[u8]) -> Result<Finding, Unsound> {
        let sought = self.sought.get_mut(&claim).filter(|sought| sought.found.is_none());
        let sought = sought.ok_or_else(|| Unsound("nobody asked about this claim".into()))?;
        let bytes = evidence.len().saturating_mul(sought.times).saturating_add(self.evidence_bytes);
        if bytes > MAX_DEAL_EVIDENCE_BYTES {
            let most = MAX_DEAL_EVIDENCE_BYTES;
            return Err(Unsound(format!("{} bytes, and all evidence of a deal has at most {most}", evidence.len())));
        }
        let finding = kernel.check(&sought.claim, evidence)?;
        match finding {
            // What follows from what can't be is no reason to trade.
            Finding::Proved { vacuous: true } => return Err(Unsound("it holds for no values at all".into())),
            Finding::Proved { vacuous: false } => {
                sought.found = Some(evidence.to_vec());
                self.evidence_bytes = bytes;
            }
            Finding::Refuted => {}
        }
        Ok(finding)
    }

    fn place(&self, claim: Hash) -> Option<usize> {
        self.order.iter().position(|hash| *hash == claim)
    }

    /// Remembers that nothing was found, of which claim if of one, and why: the latest such reason is given in the end.
    pub fn fell_short(&mut self, rule: Rule, claim: Option<Hash>, reason: &str) {
        let place = claim.and_then(|claim| self.place(claim));
        self.trouble = Some(Unproved::new(rule, place, reason));
    }

    /// What came of it.
    #[must_use]
    pub fn judged(self) -> Judged {
        let Self { head, order, sought, refuted, trouble, .. } = self;
        if let Some(refuted) = refuted {
            return Judged { head, outcome: Err(refuted) };
        }
        let found = |hash: &Hash| {
            let certificate = sought.get(hash)?.found.clone()?;
            Some(Evidence { claim_hash: *hash, certificate })
        };
        let all: Option<Vec<Evidence>> = order.iter().map(found).collect();
        let outcome = all.ok_or_else(|| {
            let missing = order.iter().position(|hash| found(hash).is_none());
            trouble.unwrap_or_else(|| Unproved::new(Rule::Unanswered, missing, "nobody answered in time"))
        });
        Judged { head, outcome }
    }
}

/// The claims that a deal raises, built from its terms and acceptances (in the order of the parties) alone.
///
/// # Errors
/// Why one of them can't be stated.
pub fn raised(terms: &Terms, requires: &[ClaimKind], acceptances: &[Signed]) -> Result<Vec<Raised>, Unproved> {
    let unraisable = |reason: String| Unproved::new(Rule::Unraisable, None, reason);
    let accepts: Result<Vec<Accept>, _> =
        acceptances.iter().map(|signed| schemas::decode(&signed.body, MAX_BODY_BYTES)).collect();
    let accepts = accepts.map_err(|error| unraisable(error.to_string()))?;
    terms::claims::raised(terms, requires, &accepts).map_err(|error| unraisable(error.to_string()))
}

impl Deal {
    /// The claims that it raises: none where it requires none, and none before all have accepted.
    ///
    /// # Errors
    /// Why one of them can't be stated.
    pub fn claims(&self) -> Result<Vec<Raised>, Unproved> {
        match &self.table {
            Some(table) if self.agreed_unix_ms.is_some() => raised(&table.terms, &self.requires, &self.acceptances()),
            _ => Ok(Vec::new()),
        }
    }

    /// When the time for proofs is over, in Unix milliseconds.
    pub(crate) fn prove_by_unix_ms(&self) -> i64 {
        let agreed = self.agreed_unix_ms.unwrap_or(self.expires_unix_ms);
        prove_by_unix_ms(agreed, self.expires_unix_ms)
    }

    /// Whether it waits at the gate.
    pub(crate) fn is_at_gate(&self) -> bool {
        self.state == State::Agreed && !self.requires.is_empty()
    }
}

/// When the time for proofs is over, in Unix milliseconds.
pub(crate) fn prove_by_unix_ms(agreed_unix_ms: i64, expires_unix_ms: i64) -> i64 {
    agreed_unix_ms.saturating_add(PROVE_WITHIN_MS).min(expires_unix_ms)
}

/// What a claim is about, for people: `win_win of kenya`.
#[must_use]
pub fn name_of(raised: &Raised) -> String {
    match &raised.party {
        Some(party) => format!("{} of {party}", raised.kind),
        None => raised.kind.to_string(),
    }
}

/// Reasons quote what others wrote: they stay within what the wire takes.
fn bounded(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(MAX_TEXT_BYTES));
    reason
}
