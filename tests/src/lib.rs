//! What the whole-system tests stand on. They run real programs only: this crate knows the house from
//! the outside, so it depends on none of its crates.

use std::path::{Path, PathBuf};

/// The project's root folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// Keeps a bench's figures in `target/bench/<name>.json`.
///
/// # Panics
/// When the file cannot be written: a bench that leaves nothing has failed.
#[allow(clippy::expect_used)]
pub fn keep(name: &str, figures: &serde_json::Value) {
    let folder = root().join("target/bench");
    std::fs::create_dir_all(&folder).expect("a folder for figures");
    std::fs::write(folder.join(format!("{name}.json")), format!("{figures:#}\n")).expect("a file of figures");
}
