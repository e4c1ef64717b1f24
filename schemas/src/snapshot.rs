//! Snapshots of a core's state, so that a restart reads only what was written since.
//!
//! The chunks are written first and the pointer last: a snapshot without its pointer is none. The pointer names every
//! chunk by one hash and is signed by the core, and it names the log's entry that the state was folded through, so that
//! a snapshot of another log, or of a log that was lost, is noticed. Two slots are written by turns: the one that the
//! pointer names is whole while the other is written over.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::Refused;
use crate::hash::{self, Hash};
use crate::id::AgentId;
use crate::limit::MAX_SNAPSHOT_CHUNKS;

/// Which chunks a snapshot consists of, and what it is a snapshot of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "snapshot.pointer")]
pub struct SnapshotPointer {
    /// Whose state.
    pub core: AgentId,
    /// The stream sequence of the last entry that the state takes into account.
    pub sequence: u64,
    /// SHA-256 of that entry's exact body.
    pub entry: Hash,
    /// The slot that the chunks are in: 0 or 1.
    #[schemars(range(max = 1))]
    pub slot: u32,
    /// How many chunks there are.
    pub chunks: u32,
    /// SHA-256 over the SHA-256 of each chunk's content, in order.
    pub hash: Hash,
    /// When it was taken, in Unix milliseconds.
    pub at_unix_ms: i64,
}
crate::message!(SnapshotPointer, "snapshot.pointer", |pointer| {
    if pointer.slot > 1 {
        return Err(Refused::new("slot", "is 0 or 1"));
    }
    if pointer.chunks > MAX_SNAPSHOT_CHUNKS {
        return Err(Refused::new("chunks", format!("at most {MAX_SNAPSHOT_CHUNKS} chunks")));
    }
    Ok(())
});

/// A piece of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "snapshot.chunk")]
pub struct SnapshotChunk {
    /// The sequence of the snapshot that it belongs to.
    pub sequence: u64,
    /// Its number, from 0.
    pub number: u32,
    /// What the core wrote.
    #[serde(with = "hash::bytes")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub content: Vec<u8>,
}
crate::message!(SnapshotChunk, "snapshot.chunk");

/// The hash that a pointer states of its chunks' contents.
#[must_use]
pub fn hash_of(contents: &[Vec<u8>]) -> Hash {
    let hashes: Vec<Hash> = contents.iter().map(|content| Hash::of(content)).collect();
    Hash::of_parts(&hashes.iter().map(|hash| hash.as_bytes().as_slice()).collect::<Vec<_>>())
}
