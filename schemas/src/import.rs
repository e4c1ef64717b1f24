//! Import certificates of a book: who exports is issued them, who imports spends them, and they can be traded.
//!
//! One certificate is one minor unit of account. Every transfer of a counted good is an export of its giver and an import
//! of its receiver, both worth ⌊quantity × price⌋. A *lot* is all certificates that run out at the same time; its name is
//! that time. Of each lot, at the time of the book's log: issued = outstanding + spent + expired + revoked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::Refused;
use crate::event::Signed;
use crate::hash::Hash;
use crate::id::{AgentId, DealId, Good, MarketId, MoveId};
use crate::limit::{MAX_DUE_MS, MAX_GOODS, MAX_LOTS, MAX_TEXT_BYTES};
use crate::quantity::Quantity;
use crate::rational::Rational;
use crate::value::unique;

/// A good whose transfers count as exports and imports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CountedGood {
    /// The good.
    pub good: Good,
    /// Certificates for one minor unit of it, which are minor units of account.
    pub price: Rational,
}

/// How a book keeps import certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportRules {
    /// The good that certificates are, in deals.
    pub good: Good,
    /// Who signs these rules, and may revoke certificates.
    pub authority: AgentId,
    /// What counts, and at which prices.
    pub goods: Vec<CountedGood>,
    /// How long a certificate is good at least, in milliseconds from the entry of the log that issues it.
    pub life_ms: i64,
    /// Lots end at multiples of this time, in milliseconds: the end of a certificate is the first that leaves it its life.
    pub lot_ms: i64,
    /// From this time on, in Unix milliseconds, imports need certificates. Exports earn them before.
    pub required_from_unix_ms: i64,
}

impl ImportRules {
    /// Whether they can be kept.
    ///
    /// # Errors
    /// The field at fault, behind `place`.
    pub fn check(&self, place: &str) -> Result<(), Refused> {
        unique(self.goods.iter().map(|counted| &counted.good), &format!("{place}.goods"))?;
        if !(1..=MAX_GOODS).contains(&self.goods.len()) {
            return Err(Refused::new(format!("{place}.goods"), format!("1 to {MAX_GOODS} goods")));
        }
        for (index, counted) in self.goods.iter().enumerate() {
            if counted.good == self.good {
                return Err(Refused::new(
                    format!("{place}.goods[{index}].good"),
                    "certificates don't count themselves",
                ));
            }
            if counted.price <= Rational::ZERO {
                return Err(Refused::new(format!("{place}.goods[{index}].price"), "must be positive"));
            }
        }
        if !(1..=MAX_DUE_MS).contains(&self.life_ms) {
            return Err(Refused::new(format!("{place}.life_ms"), format!("1 to {MAX_DUE_MS}")));
        }
        if !(1..=MAX_DUE_MS).contains(&self.lot_ms) || self.life_ms / self.lot_ms >= MAX_LOTS {
            let reason = format!("1 to {MAX_DUE_MS}, and fewer than {MAX_LOTS} lots in a certificate's life");
            return Err(Refused::new(format!("{place}.lot_ms"), reason));
        }
        Ok(())
    }

    /// The price of a good that counts.
    #[must_use]
    pub fn price(&self, good: &Good) -> Option<Rational> {
        self.goods.iter().find(|counted| counted.good == *good).map(|counted| counted.price)
    }
}

/// Turns a book's import certificates on, or changes their rules: a signed move of the authority to `ledger.enact`. The
/// market's declaration must state the same rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "ledger.enact")]
pub struct Enact {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The book.
    pub book: MarketId,
    /// The rules.
    pub rules: ImportRules,
}
crate::message!(Enact, "ledger.enact", |enact| enact.rules.check("rules"));

/// Revokes certificates that somebody holds: a signed move of the authority to `ledger.revoke`. What is spent, expired or
/// on its way in a deal can't be revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "ledger.revoke")]
pub struct Revoke {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The book.
    pub book: MarketId,
    /// Whose certificates.
    pub party: AgentId,
    /// How many.
    pub quantity: Quantity,
    /// Only of the lot that ends at this time, in Unix milliseconds; left out, those that end first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot_unix_ms: Option<i64>,
    /// Why, for people.
    pub reason: String,
}
crate::message!(Revoke, "ledger.revoke", |revoke| {
    if revoke.reason.len() > MAX_TEXT_BYTES {
        return Err(Refused::new("reason", format!("at most {MAX_TEXT_BYTES} bytes")));
    }
    Ok(())
});

/// The answer to [`Enact`] and [`Revoke`]: the move is in the book's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "ledger.recorded")]
pub struct Recorded {
    /// The book.
    pub book: MarketId,
    /// The move.
    pub move_id: MoveId,
}
crate::message!(Recorded, "ledger.recorded");

/// An entry of a book's log of certificates: a move of the authority, or a deal that was delivered. Commits and
/// compensations stand in the deals' logs, and change certificates too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "ledger.certificate")]
pub struct CertificateEvent {
    /// The book.
    pub book: MarketId,
    /// The entry's number; the first is 0.
    pub turn: u32,
    /// SHA-256 of the exact body of the entry before; zeros for the first.
    pub prev: Hash,
    /// When, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// The signed move, when a move is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Signed>,
    /// The deal whose delivery was confirmed, when that is why: its exports are verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deal: Option<DealId>,
}
crate::message!(CertificateEvent, "ledger.certificate", |event| {
    if event.cause.is_some() == event.deal.is_some() {
        return Err(Refused::new("cause", "either a move or a deal is why"));
    }
    Ok(())
});

/// Asks `ledger.certificates`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "ledger.certificates")]
pub struct CertificatesRequest {
    /// The book.
    pub book: MarketId,
    /// What one party holds only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<AgentId>,
}
crate::message!(CertificatesRequest, "ledger.certificates");

/// One lot: issued = outstanding + spent + expired + revoked, each at least 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LotLine {
    /// When it ends, in Unix milliseconds.
    pub expires_unix_ms: i64,
    /// For verified exports.
    pub issued: i64,
    /// Held, or on its way in a deal.
    pub outstanding: i64,
    /// On imports.
    pub spent: i64,
    /// Neither spent nor revoked when it ended.
    pub expired: i64,
    /// By the authority.
    pub revoked: i64,
}

/// What a party holds of a lot and may spend, in minor units of account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldingLine {
    /// The party.
    pub party: AgentId,
    /// The lot.
    pub expires_unix_ms: i64,
    /// How much.
    pub quantity: i64,
}

/// The answer of `ledger.certificates`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "ledger.lots")]
pub struct Lots {
    /// The book.
    pub book: MarketId,
    /// Its rules; left out where it keeps no certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<ImportRules>,
    /// The time of the book's log, in Unix milliseconds: what has ended is decided by it.
    pub at_unix_ms: i64,
    /// Every lot, by its end.
    pub lots: Vec<LotLine>,
    /// Who holds what, by party and lot.
    pub holdings: Vec<HoldingLine>,
}
crate::message!(Lots, "ledger.lots");
