//! What can go wrong on the bus: one enum for each kind of operation, to branch on.
//!
//! The distinction that matters most is between *it did not happen* and *nobody knows*. An append that
//! timed out may have been stored; a request that timed out may have been carried out. Those variants
//! say so, and the answer to them is always the same: ask again with the same `move_id`.

use std::{io, path::PathBuf};

use super::Message;

/// Why a message was not handed to the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The subject is empty, has an empty token, white space or a wildcard.
    #[error("subject {0:?} cannot be published to")]
    BadSubject(String),
    /// A header that the protocol cannot carry.
    #[error("header {0:?} cannot be carried")]
    BadHeader(String),
    /// Larger than the server takes.
    #[error("message of {size_bytes} bytes is over the server's limit of {limit_bytes}")]
    TooLarge {
        /// What body and headers come to.
        size_bytes: usize,
        /// What the server takes.
        limit_bytes: usize,
    },
    /// The connection did not take it in time: the server is away and the queue to it is full.
    #[error("not connected to the server")]
    Disconnected,
}

/// Why a request has no good answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Nobody listens on that subject. The request was not carried out.
    #[error("nobody answers on {0}")]
    NoResponders(String),
    /// No answer in time. Whether the request was carried out is **unknown**.
    #[error("no answer within {0} ms")]
    TimedOut(u64),
    /// No answer in time, and the connection was down at the end. **Unknown**, as above.
    #[error("not connected to the server")]
    Disconnected,
    /// The request itself could not be sent.
    #[error("the request could not be sent")]
    NotSent(#[source] PublishError),
    /// The service answered with an error: `Nats-Service-Error-Code` was set on the reply.
    #[error("refused with {code}: {text}")]
    Refused {
        /// The code, as HTTP has them (400, 404, 409…); 0 where the header held no number.
        code: u16,
        /// The header `Nats-Service-Error`.
        text: String,
        /// The whole reply; its body carries the details.
        reply: Box<Message>,
    },
}

/// Why records were not stored, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A compare-and-set failed: the subject has moved on. Nothing was stored. In a batch the server does
    /// not say which record it was.
    #[error("the subject has moved on")]
    Conflict,
    /// The stream is at a limit and discards what is new. Nothing was stored.
    #[error("the stream is full")]
    Full,
    /// A record is larger than server or stream take, or the batch has over 1,000 records.
    #[error("a record or the batch is too large")]
    TooLarge,
    /// Too many batches are open on the stream. Nothing was stored; try again.
    #[error("the stream is busy")]
    Busy,
    /// No acknowledgement in time. Whether it was stored is **unknown**: read the subjects again.
    #[error("no acknowledgement within {0} ms")]
    TimedOut(u64),
    /// No such stream, or JetStream is not there at the moment. Nothing was stored.
    #[error("no stream {0} takes this")]
    Unavailable(String),
    /// The server refused for another reason, which it names. Nothing was stored.
    #[error("refused by the server with {code}: {text}")]
    Refused {
        /// JetStream's error code.
        code: u64,
        /// Its description.
        text: String,
    },
    /// A record could not be sent at all.
    #[error("a record could not be sent")]
    NotSent(#[source] PublishError),
}

impl AppendError {
    /// Whether the records may have been stored all the same.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::TimedOut(_))
    }
}

/// Why something stored could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No such stream, or it does not allow direct reads, or JetStream is away.
    #[error("stream {0} cannot be read")]
    Unavailable(String),
    /// No answer in time.
    #[error("no answer within {0} ms")]
    TimedOut(u64),
    /// The server refused, for the reason it names.
    #[error("refused by the server with {code}: {text}")]
    Refused {
        /// The status or JetStream error code.
        code: u64,
        /// Its description.
        text: String,
    },
    /// The answer was not what the protocol says.
    #[error("unreadable answer: {0}")]
    Malformed(String),
}

/// Why a stream could not be brought to its specification.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvisionError {
    /// The specification itself is no good; the text says why.
    #[error("bad stream specification: {0}")]
    BadSpec(String),
    /// The server refused it.
    #[error("stream {stream}: refused by the server with {code}: {text}")]
    Refused {
        /// The stream.
        stream: String,
        /// JetStream's error code.
        code: u64,
        /// Its description.
        text: String,
    },
    /// JetStream did not answer in time, or is not enabled.
    #[error("JetStream does not answer")]
    Unavailable,
}

/// Why a stream was not backed up or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder cannot be used.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// There is a backup already.
    #[error("{} holds a backup already", .0.display())]
    Taken(PathBuf),
    /// The folder, or an answer of the server, is not what a backup consists of.
    #[error("not a backup: {0}")]
    Malformed(String),
    /// The server refused, for the reason it names.
    #[error("refused by the server: {0}")]
    Refused(String),
    /// The server did not answer in time.
    #[error("JetStream does not answer")]
    Unavailable,
    /// This bus has no store.
    #[error("this bus keeps no files")]
    NoStore,
}
