//! Objects: what is too large for a message. An object store is a stream of pieces and of descriptions (ADR-20), so
//! everything here is written on the port's own appends and reads, both adapters share it, and `nats object get` finds
//! what is put here.
//!
//! The description is stored last, when all pieces are: whoever finds it finds the whole. An object that is put again
//! is described anew; the pieces of the one before go with the bucket's age.

use bytes::{Bytes, BytesMut};
use schemas::{
    Hash,
    header::{self, Headers},
    subject,
};
use serde::{Deserialize, Serialize};

use super::{AppendError, Port, ReadError, Record, wire};

/// The size of a piece, in bytes: what the clients of NATS cut, too.
const PIECE_BYTES: usize = 128 * 1024;

/// The prefix of a digest.
const SHA_256: &str = "SHA-256=";

/// What the store says of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectInfo {
    /// Its name.
    pub name: String,
    /// The bucket.
    pub bucket: String,
    /// Under what its pieces are stored.
    pub nuid: String,
    /// Its size, in bytes.
    pub size: u64,
    /// When it was put there, RFC 3339; the server's own time counts.
    pub mtime: String,
    /// How many pieces it has.
    pub chunks: u32,
    /// Its SHA-256, as the store writes it.
    #[serde(default)]
    pub digest: String,
    /// Whether it was deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    #[serde(default)]
    options: Options,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Options {
    #[serde(default)]
    max_chunk_size: usize,
}

/// The stream behind an object store.
fn stream(bucket: &str) -> String {
    format!("OBJ_{bucket}")
}

pub(super) async fn put<P: Port + ?Sized>(
    port: &P,
    bucket: &str,
    name: &str,
    object: Bytes,
) -> Result<ObjectInfo, AppendError> {
    let nuid = port.unique_token();
    let pieces = subject::object_pieces(bucket, &nuid);
    let mut chunks = 0_u32;
    let mut rest = object.clone();
    while !rest.is_empty() {
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        port.append(&stream(bucket), vec![Record::new(pieces.clone(), piece)]).await?;
        chunks = chunks.saturating_add(1);
    }
    let info = ObjectInfo {
        name: name.to_owned(),
        bucket: bucket.to_owned(),
        nuid,
        size: u64::try_from(object.len()).unwrap_or(u64::MAX),
        mtime: jiff::Timestamp::from_millisecond(port.now_unix_ms()).unwrap_or_default().to_string(),
        chunks,
        digest: format!("{SHA_256}{}", data_encoding::BASE64URL.encode(Hash::of(&object).as_bytes())),
        deleted: false,
        options: Options { max_chunk_size: PIECE_BYTES },
    };
    let described = serde_json::to_vec(&info)
        .map_err(|error| AppendError::Refused { code: 0, text: format!("the description of {name:?}: {error}") })?;
    // Of descriptions only the last is kept.
    let headers = Headers::new().with(header::ROLLUP, "sub");
    let record = Record::new(subject::object(bucket, name), described).with_headers(headers);
    port.append(&stream(bucket), vec![record]).await?;
    Ok(info)
}

pub(super) async fn get<P: Port + ?Sized>(port: &P, bucket: &str, name: &str) -> Result<Option<Bytes>, ReadError> {
    let described = port.last(&stream(bucket), &subject::object(bucket, name)).await?;
    let Some(described) = described.filter(|stored| stored.headers.get(wire::MARKER_REASON).is_none()) else {
        return Ok(None);
    };
    let broken = |what: &str| ReadError::Malformed(format!("the object {name:?}: {what}"));
    let info: ObjectInfo = serde_json::from_slice(&described.body).map_err(|error| broken(&error.to_string()))?;
    if info.deleted {
        return Ok(None);
    }
    let mut object = BytesMut::new();
    if info.chunks > 0 {
        for piece in port.read(&stream(bucket), &subject::object_pieces(bucket, &info.nuid), 0).await? {
            object.extend_from_slice(&piece.body);
        }
    }
    let object = object.freeze();
    let written = info.digest.strip_prefix(SHA_256).unwrap_or_default();
    // Clients differ in whether they pad.
    let digest = data_encoding::BASE64URL.encode(Hash::of(&object).as_bytes());
    if digest.trim_end_matches('=') != written.trim_end_matches('=') {
        return Err(broken("its pieces are not what its description says"));
    }
    Ok(Some(object))
}
