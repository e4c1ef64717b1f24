//! The house keeps its arrows, and every subject is built in one room.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::root;
use serde_json::Value;

const CORES: [&str; 8] = ["registry", "deal", "trade_balance", "mac", "graph", "genetic", "proof", "negotiation"];

/// What a crate of ours may depend on among ours.
fn allowed(name: &str) -> &'static [&'static str] {
    match name {
        "schemas" | "e2e" => &[],
        "terms" | "runtime" | "generate" => &["schemas"],
        "swarm" => &["runtime", "schemas", "terms", "negotiation"],
        "hms" => &[
            "schemas",
            "terms",
            "runtime",
            "swarm",
            "registry",
            "deal",
            "trade_balance",
            "mac",
            "graph",
            "genetic",
            "proof",
            "negotiation",
        ],
        // The cores inside Python.
        "native" => &["schemas", "terms", "trade_balance", "mac", "graph", "genetic", "proof"],
        core if CORES.contains(&core) => &["terms", "schemas"],
        other => panic!("{other} has no place in the house: say which arrows it may have"),
    }
}

/// Each crate with what it needs to be built and to run.
fn crates() -> BTreeMap<String, BTreeSet<String>> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&out.stdout).expect("cargo metadata prints JSON");
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let needs = package["dependencies"].as_array().expect("dependencies");
            let needs = needs.iter().filter(|need| need["kind"].is_null()).map(|need| text(&need["name"])).collect();
            (text(&package["name"]), needs)
        })
        .collect()
}

#[test]
fn arrows_point_one_way() {
    let crates = crates();
    assert!(crates.len() >= 9, "cargo metadata shows only {:?}", crates.keys());
    for (name, needs) in &crates {
        for need in needs.iter().filter(|need| crates.contains_key(*need)) {
            assert!(allowed(name).contains(&need.as_str()), "{name} must not depend on {need}");
        }
    }
}

#[test]
fn only_runtime_knows_actors_and_the_client() {
    for (name, needs) in crates().iter().filter(|(name, _)| *name != "runtime") {
        for library in ["actix", "async-nats", "tokio"] {
            assert!(!needs.contains(library), "{name} must not name {library}");
        }
    }
}

/// Every source file below a folder.
fn sources(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, ending, found);
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
}

#[test]
fn a_subject_is_written_in_schemas_and_nowhere_else() {
    let mut files = Vec::new();
    sources(&root().join("actors"), "rs", &mut files);
    sources(&root().join("py_agents/hms_a2a"), "py", &mut files);
    assert!(files.len() > 30, "only {} files found", files.len());
    for file in files {
        // Generated from schemas.
        if file.file_name().is_some_and(|name| name == "_subjects.py") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source file is text");
        for (number, line) in text.lines().enumerate() {
            let said = line.trim_start();
            let comment = said.starts_with("//") || said.starts_with('#');
            for root in ["\"hms.v1", "'hms.v1", "\"$SRV", "\"$KV.", "\"$JS."] {
                assert!(
                    comment || !line.contains(root),
                    "{}:{}: a subject literal: {said}",
                    file.display(),
                    number + 1
                );
            }
        }
    }
}
