//! An office: of all who stand for it, one holds it.

use futures::stream::BoxStream;

/// An office to stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficeSpec {
    /// The office's name; everyone who stands for it uses the same.
    pub name: String,
    /// A stream, and a subject in it under which something is stored: what the holder is handed again and again as a
    /// sign that it still holds the office.
    pub stream: String,
    /// The subject.
    pub token: String,
    /// How long the office stays with a holder that is not heard of any more, in milliseconds.
    pub timeout_ms: u64,
}

/// How one stands in an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Elected: it holds the office.
    Holds,
    /// Another holds it, or nobody knows who.
    Waits,
}

/// A candidacy: its standing whenever that changes, from the first election on. It has no end; dropping it withdraws the
/// candidacy.
pub type Candidacy = BoxStream<'static, Standing>;
