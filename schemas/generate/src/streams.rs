//! The streams and buckets as files that `nats stream add --config` takes.

use schemas::stream;
use serde_json::Value;

use crate::{Files, Outcome};

/// Adds one file for each stream, and for the stream behind each bucket.
pub fn files(files: &mut Files) -> Outcome<()> {
    for stream in stream::streams(1).into_iter().chain(stream::buckets(1)) {
        let name = stream.get("name").and_then(Value::as_str).ok_or("a stream without a name")?.to_owned();
        files.add_json(&format!("nats/streams/{name}.json"), &stream)?;
    }
    Ok(())
}
