//! Writes everything that other languages and tools need from this crate, so that nothing of the
//! contract is written down twice: JSON Schemas, test vectors, the Python types and subjects, the
//! tables of subjects and profiles, stream configurations, the AsyncAPI document.
//!
//! `generate` writes the files into the repository; `generate --check` compares them with what stands
//! there, lists what has drifted, and fails. The output depends on the sources alone.

mod asyncapi;
mod profiles;
mod python;
mod python_names;
mod schema;
mod source;
mod streams;
mod subjects;
mod vectors;
mod yaml;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A result of this program.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Folders whose every file is generated: anything else in them has drifted.
const OWNED: [&str; 3] = ["schemas/json", "schemas/vectors", "nats/streams"];

/// What is generated: contents by path from the root of the repository.
#[derive(Default)]
pub struct Files(BTreeMap<String, String>);

impl Files {
    /// Adds a file.
    pub fn add(&mut self, path: &str, content: String) -> Outcome<()> {
        if self.0.insert(path.to_owned(), content).is_some() {
            return Err(format!("{path} is generated twice").into());
        }
        Ok(())
    }

    /// Adds a file of indented JSON.
    pub fn add_json(&mut self, path: &str, content: &serde_json::Value) -> Outcome<()> {
        self.add(path, format!("{}\n", serde_json::to_string_pretty(content)?))
    }
}

fn generate() -> Outcome<Files> {
    let definitions = schema::Definitions::derive()?;
    let mut files = Files::default();
    definitions.documents(&mut files)?;
    files.add("py_agents/hms_a2a/_wire.py", python::module(&definitions)?)?;
    python_names::modules(&definitions, &mut files)?;
    files.add("nats/subjects.md", subjects::page(&definitions)?)?;
    files.add("docs/profiles.md", profiles::page(&definitions)?)?;
    files.add("schemas/asyncapi.yaml", asyncapi::document(&definitions)?)?;
    streams::files(&mut files)?;
    vectors::files(&definitions, &mut files)?;
    Ok(files)
}

/// Paths in the owned folders that are not generated.
fn strangers(root: &Path, files: &Files) -> Vec<String> {
    let mut found = Vec::new();
    for folder in OWNED {
        for entry in std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if !files.0.contains_key(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn check(root: &Path, files: &Files, out: &mut impl Write) -> Outcome<bool> {
    let mut current = true;
    for (path, content) in &files.0 {
        let there = std::fs::read_to_string(root.join(path)).ok();
        if there.as_ref() != Some(content) {
            current = false;
            writeln!(out, "{path}: {}", if there.is_some() { "differs" } else { "is missing" })?;
        }
    }
    for path in strangers(root, files) {
        current = false;
        writeln!(out, "{path}: is not generated")?;
    }
    if !current {
        writeln!(out, "generated files have drifted: run make generate")?;
    }
    Ok(current)
}

fn write(root: &Path, files: &Files, out: &mut impl Write) -> Outcome<bool> {
    for path in strangers(root, files) {
        std::fs::remove_file(root.join(&path))?;
        writeln!(out, "removed {path}")?;
    }
    for (path, content) in &files.0 {
        let target = root.join(path);
        if std::fs::read_to_string(&target).ok().as_ref() != Some(content) {
            std::fs::create_dir_all(target.parent().ok_or("a file stands in a folder")?)?;
            std::fs::write(&target, content)?;
            writeln!(out, "wrote {path}")?;
        }
    }
    Ok(true)
}

fn run(out: &mut impl Write) -> Outcome<bool> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = generate()?;
    match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => write(&root, &files, out),
        [flag] if flag == "--check" => check(&root, &files, out),
        _ => Err("usage: generate [--check]".into()),
    }
}

fn main() -> ExitCode {
    match run(&mut std::io::stdout()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "generate: {error}");
            ExitCode::from(2)
        }
    }
}
