//! Proofs that were found before: the bucket `HMS_PROOFS`, by the hash of the claim.
//!
//! A value is JSON, `{"verdict":"proved","evidence":"<hex>","found_unix_ms":…}`, so that `nats kv get` reads it. It only
//! says where evidence may be found: anyone may have written there, and whoever reads checks it again.

use runtime::port::Port;
use schemas::{Hash, kernel::Finding, limit::MAX_BODY_BYTES, stream};
use serde::{Deserialize, Serialize};

/// What is kept of a claim.
#[derive(Serialize, Deserialize)]
struct Kept {
    verdict: String,
    evidence: String,
    #[serde(default)]
    found_unix_ms: i64,
}

/// What the bucket holds as evidence about a claim: the bytes, for the kernel to look at. Nothing where there is
/// nothing, and where there is no bucket.
pub async fn recall(port: &dyn Port, claim: Hash) -> Option<Vec<u8>> {
    let kept = match port.kv_get(stream::PROOFS, &claim.to_string()).await {
        Ok(kept) => kept?,
        Err(error) => {
            tracing::debug!(%claim, %error, "kept proofs can't be read");
            return None;
        }
    };
    // Two digits a byte, and the words around them.
    if kept.value.len() > 2 * MAX_BODY_BYTES + 1024 {
        return None;
    }
    let Kept { evidence, .. } = serde_json::from_slice(&kept.value).ok()?;
    data_encoding::HEXLOWER.decode(evidence.as_bytes()).ok()
}

/// Keeps evidence that the kernel has accepted, for others to check.
pub async fn keep(port: &dyn Port, claim: Hash, finding: Finding, evidence: &[u8]) {
    let verdict = match finding {
        Finding::Proved { .. } => "proved",
        Finding::Refuted => "refuted",
    };
    let kept = Kept {
        verdict: verdict.to_owned(),
        evidence: data_encoding::HEXLOWER.encode(evidence),
        found_unix_ms: port.now_unix_ms(),
    };
    let Ok(value) = serde_json::to_vec(&kept) else { return };
    if let Err(error) = port.kv_put(stream::PROOFS, &claim.to_string(), value.into(), None).await {
        tracing::debug!(%claim, %error, "a proof is not kept");
    }
}
