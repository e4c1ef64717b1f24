//! What the services `proof` and `gtp` read and answer: the one checks evidence, the other searches for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::Refused;
use crate::deal::check_text;
use crate::hash::{self, Hash};
use crate::limit::MAX_DEAL_CLAIMS;

/// Asks `proof.check`: does this evidence decide this claim?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "proof.check")]
pub struct CheckProof {
    /// The exact bytes of the claim.
    #[serde(with = "hash::bytes")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub claim: Vec<u8>,
    /// The exact bytes of a certificate or a counterexample.
    #[serde(with = "hash::bytes")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub certificate: Vec<u8>,
}
crate::message!(CheckProof, "proof.check");

/// What evidence decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The goal holds wherever the hypotheses do.
    Proved,
    /// There is a point at which the hypotheses hold and the goal does not.
    Refuted,
}

/// The answer of `proof.check`: the evidence holds. What does not is refused, with its node, leaf or term.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "proof.checked")]
pub struct ProofChecked {
    /// SHA-256 of the claim's bytes.
    pub claim_hash: Hash,
    /// What is decided.
    pub verdict: Verdict,
    /// Whether the proof shows that the hypotheses alone contradict each other, so that the claim says nothing.
    pub vacuous: bool,
}
crate::message!(ProofChecked, "proof.checked");

/// Asks `gtp.prove` for proofs or counterexamples. All claims of a deal come in one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "gtp.prove")]
pub struct Prove {
    /// The exact bytes of each claim.
    #[serde(with = "hash::many_bytes")]
    #[schemars(schema_with = "hash::many_bytes::schema")]
    pub claims: Vec<Vec<u8>>,
    /// How long to search, all claims together, in milliseconds.
    pub budget_ms: u32,
    /// What randomness is derived from: the same seed and the same budget of work give the same answer.
    pub seed: u64,
}
crate::message!(Prove, "gtp.prove", |prove| check_claims(prove.claims.len()));

/// Asks `gtp.refute` for counterexamples alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "gtp.refute")]
pub struct Refute {
    /// The exact bytes of each claim.
    #[serde(with = "hash::many_bytes")]
    #[schemars(schema_with = "hash::many_bytes::schema")]
    pub claims: Vec<Vec<u8>>,
    /// How long to search, all claims together, in milliseconds.
    pub budget_ms: u32,
    /// What randomness is derived from: the same seed and the same budget of work give the same answer.
    pub seed: u64,
}
crate::message!(Refute, "gtp.refute", |refute| check_claims(refute.claims.len()));

fn check_claims(count: usize) -> Result<(), Refused> {
    if !(1..=MAX_DEAL_CLAIMS).contains(&count) {
        return Err(Refused::new("claims", format!("1 to {MAX_DEAL_CLAIMS} claims")));
    }
    Ok(())
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SearchVerdict {
    /// With a certificate.
    Proved,
    /// With a counterexample.
    Refuted,
    /// With neither.
    Unknown,
}

/// What a search found for one claim. Nobody need believe it: the evidence is to be checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchResult {
    /// SHA-256 of the claim's bytes.
    pub claim_hash: Hash,
    /// How it ended.
    pub verdict: SearchVerdict,
    /// The exact bytes of a certificate or a counterexample; left out where nothing is known.
    #[serde(default, with = "hash::optional_bytes", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub evidence: Option<Vec<u8>>,
    /// Time spent on it, in milliseconds.
    pub took_ms: u32,
    /// Why nothing is known, or what came closest, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answer of `gtp.prove` and `gtp.refute`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "gtp.proved")]
pub struct ProveReply {
    /// A result for each claim, in the order of the request.
    pub results: Vec<SearchResult>,
}
crate::message!(ProveReply, "gtp.proved");

/// How far a search is: what a request with `Hms-Job` tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "gtp.progress")]
pub struct SearchProgress {
    /// SHA-256 of the bytes of the claim that it is about.
    pub claim_hash: Hash,
    /// Linear and semidefinite programmes that were solved so far.
    pub leaf_programmes: u64,
    /// Generations of evolution so far.
    pub generations: u64,
    /// Time spent so far, in milliseconds.
    pub took_ms: u64,
    /// What came closest, for people.
    pub nearest: String,
}
crate::message!(SearchProgress, "gtp.progress", |progress| check_text(&progress.nearest, "nearest"));

/// Asks `gtp.status` what a prover is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "gtp.status")]
pub struct ProverStatus {}
crate::message!(ProverStatus, "gtp.status");

/// The answer of `gtp.status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "gtp.standing")]
pub struct ProverStanding {
    /// Searches that run now.
    pub running: u32,
    /// Claims decided since it started.
    pub decided: u64,
    /// Claims left unknown since it started.
    pub unknown: u64,
    /// Claims answered from the cache since it started, checked again.
    pub from_cache: u64,
    /// Lemmas in its archive.
    pub lemmas: u32,
}
crate::message!(ProverStanding, "gtp.standing");
