//! Import certificates of a book: lots, who holds them, and what is on its way.
//!
//! # Design
//!
//! All of it is changed by entries that the ledger writes, and by nothing else: a commit, a compensation, a move of the
//! authority, and a deal that was delivered. What the desk writes may stand in the log before or behind what a ledger
//! decides at the same moment, so nothing that it writes is let change whose certificates are spent. Hence the *time of
//! the book* is the latest time in those entries, whatever anyone's clock says, and a lot has ended once that time has
//! come.
//!
//! A certificate is a unit of a lot, and a lot is a time: when it ends. Who exports when the deal is delivered is issued
//! certificates of the lot that its life leads to. Who imports spends its own at the commit, those that end first. Where
//! delivery is immediate, a commit is both, and what the deal brings a party, exports included, covers what it takes, as
//! with any good. Where delivery awaits confirmation, nothing that the deal brings covers anything; what it moves is on
//! its way, and what it spends can come back, until it is delivered or taken back.
//!
//! What came back after its lot has ended is expired, since it is nothing else any more.
//!
//! # What it refuses
//!
//! A commit for which a party lacks certificates, a revocation of more than is held, and what would let the sum of all
//! that was ever issued or promised pass 64 bits.

mod sheet;

use std::collections::BTreeMap;

use schemas::deal::Transfer;
use schemas::import::{HoldingLine, ImportRules, LotLine};
use schemas::{AgentId, DealId, Good};
use serde::{Deserialize, Serialize};

use super::Head;
pub(super) use sheet::{Sheet, Step};

/// Certificates of one party, by lot.
type Purse = BTreeMap<i64, i64>;

/// What became of a lot. What is outstanding is what is held and what is on its way; the rest is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lot {
    /// For verified exports.
    pub issued: i64,
    /// On imports.
    pub spent: i64,
    /// Held when it ended, or come back since.
    pub expired: i64,
    /// By the authority.
    pub revoked: i64,
}

/// Certificates of one lot that a deal moves or spends and may give back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// The transfer that it goes with, by index in the terms.
    pub transfer: u32,
    /// Whose it was.
    pub from: AgentId,
    /// Whom it is for; nobody, if it is spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<AgentId>,
    /// The lot.
    pub lot: i64,
    /// How much.
    pub quantity: i64,
}

/// What a deal that may still fail does to certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pending {
    /// What each delivered transfer will earn its giver, by index in the terms.
    pub earned: Vec<(u32, AgentId, i64)>,
    /// What is on its way, and what is spent.
    pub parcels: Vec<Parcel>,
}

/// Why certificates can't change so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportFault {
    /// A party lacks certificates for what it would import and give on.
    #[error(
        "{party} needs {needed} {good} for its imports and would give {given}; it has {held} that count, so {} are missing",
        .needed + .given - .held
    )]
    Uncertified {
        /// Who.
        party: AgentId,
        /// The good that certificates are.
        good: Good,
        /// For what it would import.
        needed: i128,
        /// What it would give on.
        given: i128,
        /// What it holds, and what the deal brings it where that counts.
        held: i128,
    },
    /// More would be revoked than is held.
    #[error("{party} holds {held} of what would be revoked, which is less than {wanted}")]
    NotOutstanding {
        /// Who.
        party: AgentId,
        /// What would be revoked.
        wanted: i64,
        /// What is held.
        held: i128,
    },
    /// The book keeps none.
    #[error("the book keeps no import certificates")]
    None,
    /// No deal of this book waits for delivery under this name.
    #[error("{0} is not on its way")]
    NotPending(DealId),
    /// Sums would not fit 64 bits.
    #[error("all that was ever issued or promised would not fit 64 bits")]
    Overflow,
}

/// A book's import certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imports {
    pub(super) standing: Standing,
    pub(super) lots: BTreeMap<i64, Lot>,
    pub(super) holdings: BTreeMap<AgentId, Purse>,
    pub(super) pending: BTreeMap<DealId, Pending>,
}

/// What is one of a kind in a book's certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The rules in force.
    pub(super) rules: ImportRules,
    /// Where the book's log of certificates stands.
    pub(super) head: Head,
    /// The time of the book.
    pub(super) time_unix_ms: i64,
    /// Everything ever issued, and promised by deals that may still fail.
    pub(super) granted: i64,
}

impl Standing {
    /// About so many bytes where it is written down.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.rules.goods.len() * 100
    }
}

impl Imports {
    pub(super) fn of(standing: Standing) -> Self {
        Self { standing, lots: BTreeMap::new(), holdings: BTreeMap::new(), pending: BTreeMap::new() }
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> &ImportRules {
        &self.standing.rules
    }

    /// The time of the book's log, in Unix milliseconds.
    #[must_use]
    pub fn time_unix_ms(&self) -> i64 {
        self.standing.time_unix_ms
    }

    /// Takes in what was drafted, and lets what has ended by then end.
    pub(super) fn absorb(&mut self, sheet: Sheet) {
        let before_unix_ms = self.standing.time_unix_ms;
        self.standing = sheet.standing;
        self.lots.extend(sheet.lots);
        for (party, purse) in sheet.holdings {
            if purse.is_empty() {
                self.holdings.remove(&party);
            } else {
                self.holdings.insert(party, purse);
            }
        }
        for (deal, pending) in sheet.pending {
            match pending {
                Some(pending) => self.pending.insert(deal, pending),
                None => self.pending.remove(&deal),
            };
        }
        if self.standing.time_unix_ms > before_unix_ms {
            self.end(before_unix_ms);
        }
    }

    /// Everything held of the lots that ended after this time is expired.
    fn end(&mut self, after_unix_ms: i64) {
        let now_unix_ms = self.standing.time_unix_ms;
        let ended = (std::ops::Bound::Excluded(after_unix_ms), std::ops::Bound::Included(now_unix_ms));
        if self.lots.range(ended).next().is_none() {
            return;
        }
        self.holdings.retain(|_, purse| {
            let alive = purse.split_off(&now_unix_ms.saturating_add(1));
            for (lot, held) in std::mem::replace(purse, alive) {
                // At most all that was issued of it.
                self.lots.entry(lot).or_default().expired += held;
            }
            !purse.is_empty()
        });
    }

    /// What is on its way of each lot.
    fn on_its_way(&self) -> BTreeMap<i64, i64> {
        let mut sums = BTreeMap::new();
        let parcels = self.pending.values().flat_map(|pending| &pending.parcels);
        for parcel in parcels.filter(|parcel| parcel.to.is_some()) {
            *sums.entry(parcel.lot).or_default() += parcel.quantity;
        }
        sums
    }

    /// Every lot, at the time of the book.
    #[must_use]
    pub fn lots(&self) -> Vec<LotLine> {
        let mut outstanding = self.on_its_way();
        for (lot, held) in self.holdings.values().flatten() {
            *outstanding.entry(*lot).or_default() += held;
        }
        let line = |(end, lot): (&i64, &Lot)| {
            let rest = outstanding.get(end).copied().unwrap_or_default();
            // What is on its way when its lot ends comes to nobody as anything else than expired.
            let (outstanding, ended) = if *end > self.standing.time_unix_ms { (rest, 0) } else { (0, rest) };
            LotLine {
                expires_unix_ms: *end,
                issued: lot.issued,
                outstanding,
                spent: lot.spent,
                expired: lot.expired + ended,
                revoked: lot.revoked,
            }
        };
        self.lots.iter().map(line).collect()
    }

    /// Who holds what, of one party or of all.
    #[must_use]
    pub fn holdings(&self, party: Option<&AgentId>) -> Vec<HoldingLine> {
        let shown = self.holdings.iter().filter(|(who, _)| party.is_none_or(|party| party == *who));
        let lines = shown.flat_map(|(party, purse)| {
            purse.iter().map(|(lot, held)| HoldingLine { party: party.clone(), expires_unix_ms: *lot, quantity: *held })
        });
        lines.collect()
    }

    /// A lot of which issued = outstanding + spent + expired + revoked does not hold, or of which something is less than
    /// nothing: a fault of this code or of whoever wrote a snapshot, and of nobody's moves.
    #[must_use]
    pub fn unbalanced(&self) -> Option<LotLine> {
        let sound = |lot: &LotLine| {
            let parts = [lot.outstanding, lot.spent, lot.expired, lot.revoked];
            parts.iter().all(|part| *part >= 0)
                && parts.iter().map(|part| i128::from(*part)).sum::<i128>() == i128::from(lot.issued)
        };
        self.lots().into_iter().find(|lot| !sound(lot))
    }
}

/// What a transfer is worth in certificates; nothing, where its good doesn't count.
///
/// # Errors
/// Where it does not fit 64 bits.
fn worth(rules: &ImportRules, transfer: &Transfer) -> Result<i64, ImportFault> {
    let Some(price) = rules.price(&transfer.good) else { return Ok(0) };
    // Two factors of 63 bits; the denominator is at least 1.
    let worth = i128::from(transfer.quantity.get()) * i128::from(price.numerator()) / i128::from(price.denominator());
    i64::try_from(worth).map_err(|_| ImportFault::Overflow)
}
