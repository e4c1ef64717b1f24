//! The vectors that every checker runs: good evidence, and ten thousand mutants of it.

use std::path::Path;
use std::sync::LazyLock;

use proof::check;
use schemas::proving::Verdict;
use serde_json::Value;

pub(crate) fn read(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/vectors").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn raw(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap().as_bytes();
    text.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Claim and evidence of each good vector.
pub(crate) fn corpus() -> &'static [(Vec<u8>, Vec<u8>)] {
    static CORPUS: LazyLock<Vec<(Vec<u8>, Vec<u8>)>> = LazyLock::new(|| {
        read("certificates.json").iter().map(|vector| (raw(&vector["claim"]), raw(&vector["evidence"]))).collect()
    });
    &CORPUS
}

/// The claim that a row of mutants is about, and the mutant.
pub(crate) fn mutant(row: &Value, corpus: &[(Vec<u8>, Vec<u8>)]) -> (Vec<u8>, Vec<u8>) {
    let number = |at: usize| usize::try_from(row[at].as_u64().unwrap()).unwrap();
    let mut bytes = corpus[number(1)].1.clone();
    bytes.splice(number(2)..number(2) + number(3), raw(&row[4]));
    (corpus[number(0)].0.clone(), bytes)
}

#[test]
fn good_evidence_decides() {
    let vectors = read("certificates.json");
    assert!(vectors.len() > 35, "{}", vectors.len());
    for vector in vectors {
        let checked = check(&raw(&vector["claim"]), &raw(&vector["evidence"]))
            .unwrap_or_else(|refused| panic!("{}: {refused}", vector["name"]));
        let expected = if vector["verdict"] == "proved" { Verdict::Proved } else { Verdict::Refuted };
        assert_eq!((checked.verdict, checked.vacuous), (expected, vector["vacuous"] == true), "{}", vector["name"]);
    }
}

/// What is still a proof by accident was found out by another method, and has to be accepted.
#[test]
fn ten_thousand_mutants_are_refused_but_for_those_that_are_proofs() {
    let (corpus, rows) = (corpus(), read("mutants.json"));
    let mut proofs = 0;
    for row in &rows {
        let (claim, evidence) = mutant(row, corpus);
        assert!(row[0] != row[1] || evidence != corpus[usize::try_from(row[1].as_u64().unwrap()).unwrap()].1, "{row}");
        let outcome = check(&claim, &evidence);
        assert_eq!(outcome.is_ok(), row[5] == "good", "{row}: {outcome:?}");
        proofs += usize::from(outcome.is_ok());
    }
    assert_eq!(rows.len() - proofs, 10_000);
    assert!(proofs < rows.len() / 50, "{proofs} mutants are proofs: they change too little");
}
