//! Is the whole log what it claims to be? Decided from the stream alone, entry by entry, in the stream's order.
//!
//! Four things are looked at. The stream: no sequence is missing. Each deal: its chain, signatures and rules, as
//! `hms deal verify` decides. The books: every posting and every cursor fits, nobody has less than nothing, and what is
//! given is received. And what others were told: a note, in the log or in an inbox, of an entry that the log doesn't hold
//! shows that the log has lost its end, which its chain alone cannot show.

use std::collections::{BTreeMap, BTreeSet};

use deal::verify::{Verified, verify};
use futures::{
    StreamExt,
    future::{Either, select},
};
use runtime::port::{Followed, Port, ReadError, Start, Stored};
use schemas::{
    DealId, MarketId,
    body::decode,
    core::Fenced,
    event::{Broken, DealEvent, DealNote},
    import::{CertificateEvent, Enact},
    keyring::{Keyring, LogRecord},
    limit::{MAX_BODY_BYTES, MAX_CLEARING_BODY_BYTES},
    stream, subject,
};
use trade_balance::Ledger;

pub mod jobs;

/// What was found out about a log.
#[derive(Default)]
pub struct Audit {
    records: BTreeMap<DealId, Vec<LogRecord>>,
    keys: Keyring,
    ledger: Ledger,
    entries: u64,
    last_sequence: u64,
    faults: Vec<Fault>,
    /// What was told of deals: the entry's number, the event, and where it was told.
    told: BTreeMap<DealId, Vec<Told>>,
}

struct Told {
    turn: u32,
    event: String,
    sequence: u64,
    place: &'static str,
}

/// What is wrong with the log as a whole, with its books, or with an entry that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The stream sequence at which it shows.
    pub sequence: u64,
    /// The deal that it concerns, if it is one.
    pub deal: Option<DealId>,
    /// A stable word: `gap`, `key`, `book`, `authority`, `certificates`, `sums`, `cut`, `other_time`.
    pub kind: &'static str,
    /// What is wrong.
    pub what: String,
}

impl Fault {
    /// Sequences are missing, the first and the last of them included.
    fn gap(from: u64, to: u64) -> Self {
        let what = if from == to {
            format!("sequence {from} is missing")
        } else {
            format!("sequences {from} to {to} are missing")
        };
        Self { sequence: from, deal: None, kind: "gap", what }
    }
}

/// The outcome.
pub struct Findings {
    /// Every deal, and whether it holds.
    pub deals: Vec<(DealId, Result<Verified, Broken>)>,
    /// What else is wrong, by sequence.
    pub faults: Vec<Fault>,
    /// How many entries were read.
    pub entries: u64,
    /// How many books there are.
    pub books: usize,
}

impl Findings {
    /// The first sequence at which something is wrong.
    #[must_use]
    pub fn first_bad(&self) -> Option<u64> {
        let broken = self.deals.iter().filter_map(|(_, verdict)| verdict.as_ref().err().map(|broken| broken.sequence));
        broken.chain(self.faults.iter().map(|fault| fault.sequence)).min()
    }
}

/// How long a copy of a stream that lacks the stream's end has to get some more of it, in milliseconds.
const PATIENCE_MS: u64 = 5_000;

/// Hands over what a stream holds, up to the end that it has when this begins, as its leader knows it; that end. What is
/// written meanwhile is left alone, so that a log which grows is looked at as it was at one moment.
///
/// # Errors
/// When it cannot be read.
async fn read_whole(port: &dyn Port, stream: &str, mut take: impl FnMut(Stored)) -> Result<u64, ReadError> {
    let end = port.stream_state(stream).await?.last_seq;
    let mut followed = port.follow(stream, &[], Start::All).await?;
    let (mut last, mut is_at_end) = (0, false);
    while last < end {
        let next = if is_at_end {
            match select(followed.next(), port.sleep_ms(PATIENCE_MS)).await {
                Either::Left((next, _)) => next,
                Either::Right(_) => break,
            }
        } else {
            followed.next().await
        };
        match next {
            Some(Followed::Entry(stored)) => {
                last = stored.sequence;
                if last <= end {
                    take(stored);
                }
            }
            Some(Followed::CaughtUp) => is_at_end = true,
            None => break,
        }
    }
    Ok(end)
}

/// The same of the inboxes. A bus that keeps none tells nothing more.
async fn read_inboxes(port: &dyn Port, take: impl FnMut(Stored)) -> Result<(), ReadError> {
    match read_whole(port, stream::INBOX, take).await {
        Ok(_) | Err(ReadError::Unavailable(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

impl Audit {
    /// Reads the inboxes of a bus, and then its log, which has all that they tell of.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn of_bus(port: &dyn Port) -> Result<Self, ReadError> {
        let mut audit = Self::default();
        read_inboxes(port, |stored| audit.hear(&stored.body, stored.sequence, stream::INBOX)).await?;
        let end = read_whole(port, stream::DEALS, |stored| audit.read(stored)).await?;
        if end > audit.last_sequence {
            audit.missing(audit.last_sequence + 1, end);
        }
        audit.last_sequence = audit.last_sequence.max(end);
        Ok(audit)
    }

    fn missing(&mut self, from: u64, to: u64) {
        self.faults.push(Fault::gap(from, to));
    }

    /// Reads the next message of the stream.
    pub fn read(&mut self, stored: Stored) {
        let next = self.last_sequence + 1;
        if stored.sequence > next {
            self.missing(next, stored.sequence - 1);
        } else if stored.sequence < next {
            let what = format!("sequence {} stands behind sequence {}", stored.sequence, self.last_sequence);
            self.faults.push(Fault { sequence: stored.sequence, deal: None, kind: "order", what });
        }
        self.last_sequence = self.last_sequence.max(stored.sequence);
        self.entries += 1;
        let record = LogRecord::from(stored);
        if subject::parse_note(&record.subject).is_ok() {
            self.hear(&record.body, record.sequence, stream::DEALS);
            return;
        }
        if subject::parse_key_log(&record.subject).is_ok()
            && let Err(fault) = self.keys.add(&record)
        {
            self.faults.push(Fault {
                sequence: record.sequence,
                deal: None,
                kind: "key",
                what: format!("{}: {fault}", record.subject),
            });
        }
        if let Ok(book) = subject::parse_certificate_log(&record.subject)
            && let Err(what) = self.authority(&book, &record)
        {
            self.faults.push(Fault { sequence: record.sequence, deal: None, kind: "authority", what });
        }
        let deal = subject::parse_deal_log(&record.subject).ok();
        self.ledger.observe(&record);
        for what in self.ledger.complaints() {
            // A deal's own fault is told by its verdict; a key's was told above.
            if subject::parse_key_log(&record.subject).is_err() {
                self.faults.push(Fault { sequence: record.sequence, deal: deal.clone(), kind: "book", what });
            }
        }
        if let Some(deal) = deal {
            self.records.entry(deal).or_default().push(record);
        }
    }

    /// Whether the authority over a book's certificates signed the move behind an entry on them.
    fn authority(&self, book: &MarketId, record: &LogRecord) -> Result<(), String> {
        let event: CertificateEvent = decode(&record.body, MAX_BODY_BYTES).map_err(|error| error.to_string())?;
        let Some(cause) = event.cause else { return Ok(()) };
        let sender = self.keys.signer_of(&cause).map_err(|fault| fault.to_string())?;
        let in_force = self.ledger.book(book).and_then(|book| book.imports()).map(|imports| &imports.rules().authority);
        let enacted = decode::<Enact>(&cause.body, MAX_BODY_BYTES).ok().map(|enact| enact.rules.authority);
        let signer = sender.name.unwrap_or_default();
        match enacted.as_ref().or(in_force) {
            Some(authority) if authority.as_str() == signer => Ok(()),
            _ => Err(format!("{signer} signed a move of the authority over the certificates of book {book}")),
        }
    }

    fn hear(&mut self, body: &[u8], sequence: u64, place: &'static str) {
        // Other notes than those of deals tell of no entry.
        if let Ok(note) = decode::<DealNote>(body, MAX_BODY_BYTES) {
            let told = Told { turn: note.turn, event: note.event, sequence, place };
            self.told.entry(note.deal).or_default().push(told);
        }
    }

    /// Decides.
    #[must_use]
    pub fn decide(mut self) -> Findings {
        let mut cut = Vec::new();
        for (deal, told) in &self.told {
            let entries = self.records.get(deal).map(Vec::as_slice).unwrap_or_default();
            let held: BTreeSet<(u32, &'static str)> = entries
                .iter()
                .filter_map(|record| decode::<DealEvent>(&record.body, MAX_CLEARING_BODY_BYTES).ok())
                .map(|event| (event.turn, event.what.name()))
                .collect();
            let lacks = told
                .iter()
                .find(|told| !held.iter().any(|(turn, name)| (*turn, *name) == (told.turn, told.event.as_str())));
            if let Some(Told { turn, event, sequence, place }) = lacks {
                let what =
                    format!("sequence {sequence} of {place} tells of entry {turn}, {event}, which the log lacks");
                let sequence = if *place == stream::DEALS { *sequence } else { self.last_sequence + 1 };
                cut.push(Fault { sequence, deal: Some(deal.clone()), kind: "cut", what });
            }
        }
        self.faults.append(&mut cut);
        let mut books = 0;
        for book in self.ledger.books() {
            books += 1;
            let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
            for (party, good, line) in book.lines() {
                *sums.entry(good.as_str()).or_default() += i128::from(line.balance);
                if line.left() < 0 {
                    let what = format!("book {}: {party} has {} of {good} less than nothing", book.id(), -line.left());
                    self.faults.push(Fault { sequence: self.last_sequence, deal: None, kind: "sums", what });
                }
            }
            if let Some(lot) = book.imports().and_then(|imports| imports.unbalanced()) {
                let what = format!("book {}: a lot of import certificates doesn't add up: {lot:?}", book.id());
                self.faults.push(Fault { sequence: self.last_sequence, deal: None, kind: "certificates", what });
            }
            for (good, sum) in sums.into_iter().filter(|(_, sum)| *sum != 0) {
                let what = format!("book {}: what was given and received of {good} differs by {sum}", book.id());
                self.faults.push(Fault { sequence: self.last_sequence, deal: None, kind: "sums", what });
            }
        }
        self.faults.sort_by_key(|fault| fault.sequence);
        let keys = &self.keys;
        let deals = self
            .records
            .iter()
            .map(|(deal, records)| (deal.clone(), verify(deal, records, keys, &proof::Checker)))
            .collect();
        Findings { deals, faults: self.faults, entries: self.entries, books }
    }
}
