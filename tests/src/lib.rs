//! What the whole-system tests stand on. They run real programs only: this crate knows the house from
//! the outside, so it depends on none of its crates.

use std::path::{Path, PathBuf};

/// The project's root folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}
