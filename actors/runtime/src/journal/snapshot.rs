//! Snapshots of what a fenced writer folded: chunks first, the pointer last.
//!
//! Whatever is wrong with a snapshot (torn, forged, of another log, of a log that has lost its end), it is passed over
//! with a word, and the log is read from its beginning: a snapshot saves time and decides nothing.

use std::sync::Arc;

use schemas::{
    AgentId, Hash,
    body::{Message, decode, encode},
    header::Headers,
    keyring::LogRecord,
    limit::MAX_CLEARING_BODY_BYTES,
    signature::Signer,
    snapshot::{SnapshotChunk, SnapshotPointer, hash_of},
    stream, subject,
};

use super::sign::sign;
use crate::port::{Port, ReadError, Record};

/// A snapshot as it was read.
pub(super) struct Read {
    /// The last entry that it takes into account.
    pub(super) sequence: u64,
    /// What it consists of.
    pub(super) pieces: Vec<Vec<u8>>,
}

/// Reads the snapshot of the core that `signer` signs for, of its fold of the stream `log`.
///
/// # Errors
/// Why there is none to be used, in words.
pub(super) async fn read(port: &dyn Port, signer: &Signer, log: &str) -> Result<Option<Read>, String> {
    let core = AgentId::parse(signer.name()).map_err(|error| error.to_string())?;
    let said = |error: ReadError| error.to_string();
    let Some(stored) = port.last(stream::SNAPSHOTS, &subject::snapshot(&core)).await.map_err(said)? else {
        return Ok(None);
    };
    let record = LogRecord::from(stored);
    let sender = record.sender(SnapshotPointer::TYPE).map_err(|fault| fault.to_string())?;
    if sender.user != *signer.key() {
        return Err("its pointer is signed with another key".into());
    }
    let pointer: SnapshotPointer = decode(&record.body, MAX_CLEARING_BODY_BYTES).map_err(|e| e.to_string())?;
    let entry = port.get(log, pointer.sequence).await.map_err(said)?;
    if entry.is_none_or(|entry| Hash::of(&entry.body) != pointer.entry) {
        return Err(format!("the log has another entry at sequence {}, or none", pointer.sequence));
    }
    let pattern = subject::all_snapshot_chunks(&core, pointer.slot);
    let mut pieces: Vec<Option<Vec<u8>>> = Vec::new();
    pieces.resize(usize::try_from(pointer.chunks).unwrap_or_default(), None);
    for stored in port.read(stream::SNAPSHOTS, &pattern, 0).await.map_err(said)? {
        let chunk: SnapshotChunk = decode(&stored.body, MAX_CLEARING_BODY_BYTES).map_err(|e| e.to_string())?;
        let place = usize::try_from(chunk.number).ok().and_then(|number| pieces.get_mut(number));
        // What a longer snapshot left in this slot is none of this one's.
        if let Some(place) = place.filter(|_| chunk.sequence == pointer.sequence) {
            *place = Some(chunk.content);
        }
    }
    let pieces: Option<Vec<Vec<u8>>> = pieces.into_iter().collect();
    let pieces = pieces.ok_or("a chunk is missing")?;
    if hash_of(&pieces) != pointer.hash {
        return Err("its chunks hash to something else".into());
    }
    Ok(Some(Read { sequence: pointer.sequence, pieces }))
}

/// Writes a snapshot into the slot that the last one is not in.
///
/// # Errors
/// Why it is not written, in words; the one before stays in force.
pub(super) async fn write(
    port: Arc<dyn Port>,
    signer: Arc<Signer>,
    log: &'static str,
    sequence: u64,
    pieces: Vec<Vec<u8>>,
) -> Result<(), String> {
    let core = AgentId::parse(signer.name()).map_err(|error| error.to_string())?;
    let at = subject::snapshot(&core);
    let entry = port.get(log, sequence).await.map_err(|error| error.to_string())?;
    let entry = Hash::of(&entry.ok_or_else(|| format!("the log has no sequence {sequence} any more"))?.body);
    let last = port.last(stream::SNAPSHOTS, &at).await.map_err(|error| error.to_string())?;
    let last = last.and_then(|stored| decode::<SnapshotPointer>(&stored.body, MAX_CLEARING_BODY_BYTES).ok());
    let slot = last.map_or(0, |last| 1 - last.slot.min(1));
    let hash = hash_of(&pieces);
    let mut chunks = 0;
    for content in pieces {
        let body = encode(&SnapshotChunk { sequence, number: chunks, content });
        let chunk = Record::new(subject::snapshot_chunk(&core, slot, chunks), body);
        let chunk = chunk.with_headers(Headers::of_type(SnapshotChunk::TYPE));
        port.append(stream::SNAPSHOTS, vec![chunk]).await.map_err(|error| error.to_string())?;
        chunks += 1;
    }
    let at_unix_ms = port.now_unix_ms();
    let body = encode(&SnapshotPointer { core, sequence, entry, slot, chunks, hash, at_unix_ms });
    let headers = sign(&signer, &at, SnapshotPointer::TYPE, &body, at_unix_ms);
    let pointer = Record::new(at, body).with_headers(headers);
    port.append(stream::SNAPSHOTS, vec![pointer]).await.map_err(|error| error.to_string())?;
    Ok(())
}
