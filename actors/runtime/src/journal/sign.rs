//! Entries of logs carry their writer's signature.

use schemas::{
    hash::Hash,
    header::{self, Headers},
    signature::Signer,
};

/// The headers of an entry: its type, and the writer's signature over subject and body. The nonce comes
/// from the body, so that nothing here needs random numbers: each entry names its place in a chain, and
/// no two have the same body.
pub fn sign(signer: &Signer, subject: &str, kind: &str, body: &[u8], now_unix_ms: i64) -> Headers {
    let nonce = Hash::of(body).to_string();
    let headers = Headers::of_type(kind.to_owned());
    match signer.sign(subject, body, now_unix_ms, nonce.get(..32).unwrap_or_default()) {
        Ok(sender) => headers.with(header::SENDER, sender),
        // Only a clock before the year -9999 or after 9999 does this. The entry then fails verification.
        Err(bad) => {
            tracing::error!(subject, %bad, "an entry could not be signed");
            headers
        }
    }
}
