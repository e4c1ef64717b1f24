//! Import certificates, folded from the log as the documentation says and by nobody's code but this: note by note, each
//! so many units of one lot in one place.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{
    AgentId, DealId,
    deal::{Delivery, Terms, Transfer},
    import::{HoldingLine, ImportRules, LotLine, Lots},
};

/// Where certificates are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Held(AgentId),
    /// On its way with a transfer of a deal, from one to another.
    Moving(DealId, u32, AgentId, AgentId),
    /// On an import; one that may still come to nothing is named.
    Spent(Option<(DealId, u32, AgentId)>),
    Revoked,
}

#[derive(Clone, Debug)]
struct Note {
    lot: i64,
    units: i128,
    place: Place,
}

/// The certificates of one book.
#[derive(Debug)]
pub struct Imports {
    pub rules: ImportRules,
    pub turn: u32,
    pub head: schemas::Hash,
    now_unix_ms: i64,
    notes: Vec<Note>,
    issued: BTreeMap<i64, i128>,
    /// Terms of deals that may still fail.
    open: BTreeMap<DealId, Vec<Transfer>>,
}

impl Imports {
    /// None were issued yet.
    pub fn new(rules: ImportRules) -> Self {
        Self {
            rules,
            turn: 0,
            head: schemas::Hash::ZERO,
            now_unix_ms: i64::MIN,
            notes: Vec::new(),
            issued: BTreeMap::new(),
            open: BTreeMap::new(),
        }
    }

    /// Time passes on the book; it never goes back.
    pub fn at(&mut self, unix_ms: i64) {
        self.now_unix_ms = self.now_unix_ms.max(unix_ms);
    }

    fn worth(&self, transfer: &Transfer) -> i128 {
        self.rules.price(&transfer.good).map_or(0, |price| {
            i128::from(transfer.quantity.get()) * i128::from(price.numerator()) / i128::from(price.denominator())
        })
    }

    fn issue(&mut self, to: &AgentId, units: i128) {
        if units > 0 {
            let end = self.now_unix_ms + self.rules.life_ms;
            let lot = (end + self.rules.lot_ms - 1).div_euclid(self.rules.lot_ms) * self.rules.lot_ms;
            *self.issued.entry(lot).or_default() += units;
            self.notes.push(Note { lot, units, place: Place::Held(to.clone()) });
        }
    }

    /// Moves so many of what someone holds, those that end first; how many were lacking.
    fn take(&mut self, of: &AgentId, units: i128, only: Option<i64>, place: &Place) -> i128 {
        let mut left = units;
        self.notes.sort_by_key(|note| note.lot);
        let mut rest = Vec::new();
        for note in &mut self.notes {
            let is_good = note.lot > self.now_unix_ms && only.is_none_or(|only| only == note.lot);
            if left > 0 && is_good && note.place == Place::Held(of.clone()) {
                let part = left.min(note.units);
                left -= part;
                note.units -= part;
                rest.push(Note { lot: note.lot, units: part, place: place.clone() });
            }
        }
        self.notes.append(&mut rest);
        self.notes.retain(|note| note.units > 0);
        left
    }

    /// A deal is committed; who overspends, and by how much.
    pub fn commit(&mut self, deal: &DealId, terms: &Terms) -> Option<(AgentId, i128)> {
        let needs = self.now_unix_ms >= self.rules.required_from_unix_ms;
        if terms.delivery == Delivery::Confirmed {
            self.open.insert(deal.clone(), terms.transfers.clone());
            let mut over = None;
            for (index, transfer) in (0..).zip(&terms.transfers) {
                let (of, units, place) = if transfer.good == self.rules.good {
                    let moving = Place::Moving(deal.clone(), index, transfer.from.clone(), transfer.to.clone());
                    (&transfer.from, i128::from(transfer.quantity.get()), moving)
                } else {
                    let units = if needs { self.worth(transfer) } else { 0 };
                    (&transfer.to, units, Place::Spent(Some((deal.clone(), index, transfer.to.clone()))))
                };
                let lacking = self.take(of, units, None, &place);
                over = over.or((lacking > 0).then(|| (of.clone(), lacking)));
            }
            return over;
        }
        let parties: BTreeSet<&AgentId> = terms.transfers.iter().flat_map(|t| [&t.from, &t.to]).collect();
        let given = |party: &AgentId| -> i128 {
            let of = terms.transfers.iter().filter(|transfer| transfer.good == self.rules.good);
            of.map(|t| {
                let units = i128::from(t.quantity.get());
                if t.from == *party && t.to == *party {
                    0
                } else if t.from == *party {
                    units
                } else if t.to == *party {
                    -units
                } else {
                    0
                }
            })
            .sum()
        };
        let net: BTreeMap<&AgentId, i128> = parties.iter().map(|party| (*party, given(party))).collect();
        for party in &parties {
            let earned = terms.transfers.iter().filter(|t| t.from == **party).map(|t| self.worth(t)).sum();
            self.issue(party, earned);
        }
        // Who gives more than it receives gives to those who receive more, in the order of their names.
        let mut over = None;
        let pool: AgentId = self.rules.good.as_str().parse().ok()?;
        let pool_place = Place::Moving(deal.clone(), u32::MAX, pool.clone(), pool);
        for (party, units) in net.iter().filter(|(_, units)| **units > 0) {
            let lacking = self.take(party, *units, None, &pool_place);
            over = over.or((lacking > 0).then(|| ((*party).clone(), lacking)));
        }
        for (party, units) in net.iter().filter(|(_, units)| **units < 0) {
            let mut due = -units;
            self.notes.sort_by_key(|note| note.lot);
            let mut arrived = Vec::new();
            for note in self.notes.iter_mut().filter(|note| note.place == pool_place) {
                let part = due.min(note.units);
                due -= part;
                note.units -= part;
                arrived.push(Note { lot: note.lot, units: part, place: Place::Held((*party).clone()) });
            }
            self.notes.append(&mut arrived);
            self.notes.retain(|note| note.units > 0);
        }
        for party in parties.iter().filter(|_| needs) {
            let units = terms.transfers.iter().filter(|t| t.to == **party).map(|t| self.worth(t)).sum();
            let lacking = self.take(party, units, None, &Place::Spent(None));
            over = over.or((lacking > 0).then(|| ((*party).clone(), lacking)));
        }
        over
    }

    /// A deal is delivered, but for the transfers that are taken back; whether it was on its way.
    pub fn release(&mut self, deal: &DealId, reversed: &[u32]) -> bool {
        let Some(transfers) = self.open.remove(deal) else { return false };
        for note in &mut self.notes {
            note.place = match note.place.clone() {
                Place::Moving(of, index, from, to) if of == *deal => {
                    Place::Held(if reversed.contains(&index) { from } else { to })
                }
                Place::Spent(Some((of, index, by))) if of == *deal => {
                    if reversed.contains(&index) {
                        Place::Held(by)
                    } else {
                        Place::Spent(None)
                    }
                }
                other => other,
            };
        }
        for (index, transfer) in (0..).zip(&transfers) {
            if !reversed.contains(&index) {
                self.issue(&transfer.from, self.worth(transfer));
            }
        }
        true
    }

    /// The authority revokes; how many were not there.
    pub fn revoke(&mut self, party: &AgentId, units: i64, lot: Option<i64>) -> i128 {
        self.take(party, units.into(), lot, &Place::Revoked)
    }

    /// What is wrong with what the ledger tells of them.
    pub fn differs(&self, told: &Lots) -> Option<String> {
        for LotLine { expires_unix_ms, issued, outstanding, spent, expired, revoked } in told.lots.iter().copied() {
            let parts = [outstanding, spent, expired, revoked];
            if parts.iter().any(|part| *part < 0) || parts.iter().sum::<i64>() != issued {
                return Some(format!("of lot {expires_unix_ms}, {issued} issued are not the sum of {parts:?}"));
            }
            let sum = |of: fn(&Place) -> bool| -> i128 {
                let notes = self.notes.iter().filter(|note| note.lot == expires_unix_ms && of(&note.place));
                notes.map(|note| note.units).sum()
            };
            let there = sum(|place| matches!(place, Place::Held(_) | Place::Moving(..)));
            let ended = expires_unix_ms <= self.now_unix_ms;
            let folded = [
                self.issued.get(&expires_unix_ms).copied().unwrap_or(0),
                if ended { 0 } else { there },
                sum(|place| matches!(place, Place::Spent(_))),
                if ended { there } else { 0 },
                sum(|place| *place == Place::Revoked),
            ];
            if folded != [issued, outstanding, spent, expired, revoked].map(i128::from) {
                return Some(format!("lot {expires_unix_ms} is told other than the log gives: {folded:?}"));
            }
        }
        if !self.issued.keys().eq(told.lots.iter().map(|lot| &lot.expires_unix_ms)) {
            return Some("the ledger tells other lots than the log gives".to_owned());
        }
        let mut held: BTreeMap<(&AgentId, i64), i128> = BTreeMap::new();
        for note in self.notes.iter().filter(|note| note.lot > self.now_unix_ms) {
            if let Place::Held(by) = &note.place {
                *held.entry((by, note.lot)).or_default() += note.units;
            }
        }
        let told_held = told.holdings.iter();
        let told_held: BTreeMap<(&AgentId, i64), i128> = told_held
            .map(|HoldingLine { party, expires_unix_ms, quantity }| ((party, *expires_unix_ms), (*quantity).into()))
            .collect();
        (held != told_held).then(|| format!("the ledger tells of other holders than the log gives: {held:?}"))
    }
}
