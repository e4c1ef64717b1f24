//! Vectors of evidence: claims with what decides them, and ten thousand mutants of the proofs.
//!
//! A mutant is written as a patch of its proof's bytes, so that ten thousand of them are small. Nearly all are bad; the
//! few that are proofs all the same are found out by [`oracle`] and say so.

mod corpus;
mod mutate;
mod oracle;

use std::collections::BTreeSet;

use schemas::{Hash, body, infix};
use serde_json::{Value, json};

use super::rng::Rng;
use super::tree::hex;
use crate::Outcome;
use corpus::{Case, Evidence, corpus};

/// How many bad ones.
const MUTANTS: usize = 10_000;

/// The good: each claim, evidence for it, and what a checker says of them.
pub fn good() -> Outcome<Vec<Value>> {
    let shown = |case: &Case| {
        let verdict = if matches!(case.evidence, Evidence::Certificate(_)) { "proved" } else { "refuted" };
        json!({ "name": case.name, "text": infix::print(&case.claim), "claim": hex(&body::encode(&case.claim)),
            "evidence": hex(&case.evidence.encode()), "verdict": verdict, "vacuous": case.vacuous })
    };
    Ok(corpus()?.iter().map(shown).collect())
}

/// The mutants, each as `[claim, evidence, at, drop, insert, verdict, what]`: of the evidence of that index in the good
/// ones, at byte `at`, `drop` bytes give way to `insert`; checked against the claim of the first index.
pub fn mutants() -> Outcome<Vec<Value>> {
    let corpus = corpus()?;
    let proofs: Vec<_> = corpus
        .iter()
        .enumerate()
        .filter_map(|(index, case)| match &case.evidence {
            Evidence::Certificate(certificate) => Some((index, case, certificate)),
            Evidence::Counterexample(_) => None,
        })
        .collect();
    let bytes: Vec<Vec<u8>> = corpus.iter().map(|case| case.evidence.encode()).collect();
    let mut rng = Rng::new(20_261_126);
    let mut seen = BTreeSet::new();
    let mut rows = Vec::with_capacity(MUTANTS);
    let mut bad = 0;
    while bad < MUTANTS {
        let (index, case, certificate) = proofs.get(rng.place(proofs.len())).ok_or("no proofs")?;
        let is_foreign = rng.place(12) == 0;
        let (claim_index, claim) = if is_foreign {
            let (other, case, _) = proofs.get(rng.place(proofs.len())).ok_or("no proofs")?;
            (*other, &case.claim)
        } else {
            (*index, &case.claim)
        };
        let claim_hash = Hash::of(&body::encode(claim));
        let mut mutant = (*certificate).clone();
        let what = if is_foreign {
            // Half of them say that they are for this claim.
            if rng.place(2) == 0 {
                mutant.claim_hash = claim_hash;
            }
            "another claim's certificate"
        } else {
            match mutate::mutate(&mut mutant, case.claim.variables.len(), case.claim.hypotheses.len(), &mut rng) {
                Some(what) => what,
                None => continue,
            }
        };
        let changed = body::encode(&mutant);
        let original = bytes.get(*index).ok_or("no bytes")?;
        let is_same = claim_index == *index && changed == *original;
        if is_same || !seen.insert((claim_index, changed.clone())) {
            continue;
        }
        let is_proof = oracle::proves(claim, claim_hash, &changed, &mut rng);
        bad += usize::from(!is_proof);
        let verdict = if is_proof { "good" } else { "bad" };
        let (at, drop, insert) = patch(original, &changed);
        rows.push(json!([claim_index, index, at, drop, hex(insert), verdict, what]));
    }
    Ok(rows)
}

/// The shortest single patch from one string of bytes to another.
fn patch<'a>(from: &[u8], to: &'a [u8]) -> (usize, usize, &'a [u8]) {
    let start = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    let rest = from.len().min(to.len()) - start;
    let end = from.iter().rev().zip(to.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    (start, from.len() - start - end, to.get(start..to.len() - end).unwrap_or_default())
}
