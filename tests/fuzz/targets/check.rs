//! Any claim with any evidence: the kernel neither panics nor dawdles, and never finds one claim both true and false.
//!
//! An input is two bytes of length, a claim of that length, and evidence. Evidence names its claim by a hash that no
//! mutation hits, so the hash is put right before the kernel sees it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use proof::check;
use schemas::certificate::{Counterexample, VERSION};
use schemas::claim::Claim;
use schemas::limit::MAX_BODY_BYTES;
use schemas::proving::Verdict;
use schemas::{Hash, Ratio, body};

/// What stands before the hash in evidence: its key, and the head of 32 bytes.
const BEFORE_HASH: &[u8] = b"claim_hash\xc4\x20";

fuzz_target!(|input: &[u8]| {
    let Some((head, rest)) = input.split_at_checked(2) else { return };
    let length = usize::from(u16::from_be_bytes([head[0], head[1]])).min(rest.len());
    let (claim, evidence) = rest.split_at(length);
    let mut evidence = evidence.to_vec();
    let hash = Hash::of(claim);
    if let Some(at) = evidence.windows(BEFORE_HASH.len()).position(|window| window == BEFORE_HASH) {
        let at = at + BEFORE_HASH.len();
        if let Some(named) = evidence.get_mut(at..at + 32) {
            named.copy_from_slice(hash.as_bytes());
        }
    }
    let Ok(checked) = check(claim, &evidence) else { return };
    if checked.verdict != Verdict::Proved {
        return;
    }
    let read: Claim = body::decode(claim, MAX_BODY_BYTES).expect("what is proved can be read");
    let values = [(0, 1), (1, 1), (-1, 1), (1, 2), (3, 1), (100, 1)]
        .map(|(top, bottom): (i32, i32)| Ratio::new(top.into(), bottom.into()).expect("in lowest terms"));
    let mut points: Vec<Vec<Ratio>> = values.iter().map(|value| vec![value.clone(); read.variables.len()]).collect();
    points.extend(read.witness.clone());
    for point in points {
        let point = body::encode(&Counterexample { version: VERSION, claim_hash: hash, point });
        assert!(check(claim, &point).is_err(), "proved, and refuted at a point");
    }
});
