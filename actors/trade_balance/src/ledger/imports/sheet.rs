//! What entries change in a book's certificates, before it is taken in.

use std::collections::BTreeMap;

use schemas::deal::{Delivery, Terms};
use schemas::import::{ImportRules, Revoke};
use schemas::{AgentId, DealId};

use super::{ImportFault, Imports, Lot, Parcel, Pending, Purse, Standing, worth};

/// What was changed: whole values, to be put in place of the old ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    pub(in crate::ledger) standing: Standing,
    pub(super) lots: BTreeMap<i64, Lot>,
    pub(super) holdings: BTreeMap<AgentId, Purse>,
    /// `None`: no longer on its way.
    pub(super) pending: BTreeMap<DealId, Option<Pending>>,
}

impl Sheet {
    /// Nothing changed yet.
    pub(in crate::ledger) fn of(standing: Standing) -> Self {
        Self { standing, lots: BTreeMap::new(), holdings: BTreeMap::new(), pending: BTreeMap::new() }
    }

    /// Whether the deal is on its way, if that was changed.
    pub(in crate::ledger) fn on_its_way(&self, deal: &DealId) -> Option<bool> {
        self.pending.get(deal).map(Option::is_some)
    }

    /// Puts a later sheet over this one.
    pub(in crate::ledger) fn take(&mut self, later: Self) {
        self.standing = later.standing;
        self.lots.extend(later.lots);
        self.holdings.extend(later.holdings);
        self.pending.extend(later.pending);
    }
}

/// What a deal does to a party's certificates.
#[derive(Default)]
struct Account {
    /// For exports.
    earned: i128,
    /// For imports.
    needed: i128,
    /// Of certificates.
    received: i128,
    /// Of certificates.
    given: i128,
}

/// One entry's changes, over a draft's, over the book.
pub struct Step<'a> {
    book: Option<&'a Imports>,
    draft: Option<&'a Sheet>,
    sheet: Sheet,
}

impl<'a> Step<'a> {
    /// Begins an entry of this time.
    pub(in crate::ledger) fn new(
        book: Option<&'a Imports>,
        draft: Option<&'a Sheet>,
        standing: Standing,
        at_unix_ms: i64,
    ) -> Self {
        let mut sheet = Sheet::of(standing);
        sheet.standing.time_unix_ms = sheet.standing.time_unix_ms.max(at_unix_ms);
        Self { book, draft, sheet }
    }

    /// What the entry changes.
    pub(in crate::ledger) fn finish(self) -> Sheet {
        self.sheet
    }

    fn rules(&self) -> &ImportRules {
        &self.sheet.standing.rules
    }

    fn now_unix_ms(&self) -> i64 {
        self.sheet.standing.time_unix_ms
    }

    fn lot(&mut self, end: i64) -> &mut Lot {
        let drafted = self.draft.and_then(|draft| draft.lots.get(&end));
        let below = drafted.or_else(|| self.book?.lots.get(&end)).copied().unwrap_or_default();
        self.sheet.lots.entry(end).or_insert(below)
    }

    fn purse(&mut self, party: &AgentId) -> &mut Purse {
        let (draft, book) = (self.draft, self.book);
        self.sheet.holdings.entry(party.clone()).or_insert_with(|| {
            let drafted = draft.and_then(|draft| draft.holdings.get(party));
            drafted.or_else(|| book?.holdings.get(party)).cloned().unwrap_or_default()
        })
    }

    fn pending(&self, deal: &DealId) -> Option<Pending> {
        match self.draft.and_then(|draft| draft.pending.get(deal)) {
            Some(drafted) => drafted.clone(),
            None => self.book?.pending.get(deal).cloned(),
        }
    }

    /// What a party has of lots that have not ended.
    fn held(&mut self, party: &AgentId) -> i128 {
        let after = self.now_unix_ms().saturating_add(1);
        self.purse(party).range(after..).map(|(_, held)| i128::from(*held)).sum()
    }

    /// Takes so much of a party's certificates, those that end first; it has them.
    fn take(&mut self, party: &AgentId, quantity: i128) -> Purse {
        let after = self.now_unix_ms().saturating_add(1);
        let purse = self.purse(party);
        let mut left = quantity;
        let mut taken = Purse::new();
        for (lot, held) in purse.range_mut(after..) {
            let part = i64::try_from(left.min((*held).into())).unwrap_or_default();
            if part == 0 {
                break;
            }
            *held -= part;
            left -= i128::from(part);
            taken.insert(*lot, part);
        }
        purse.retain(|_, held| *held > 0);
        taken
    }

    /// Gives a party certificates of a lot; where it has ended, they are expired.
    fn give(&mut self, party: &AgentId, lot: i64, quantity: i64) {
        if quantity == 0 {
            return;
        }
        // Neither passes all that was issued of the lot.
        if lot > self.now_unix_ms() {
            *self.purse(party).entry(lot).or_default() += quantity;
        } else {
            self.lot(lot).expired += quantity;
        }
    }

    /// Issues certificates that were granted before.
    fn issue(&mut self, party: &AgentId, quantity: i64) {
        if quantity > 0 {
            let (now, ImportRules { life_ms, lot_ms, .. }) = (self.now_unix_ms(), self.rules());
            let end = i128::from(now) + i128::from(*life_ms);
            let lot_ms = i128::from(*lot_ms).max(1);
            let end = end.div_euclid(lot_ms) * lot_ms + if end.rem_euclid(lot_ms) == 0 { 0 } else { lot_ms };
            let lot = i64::try_from(end).unwrap_or(i64::MAX);
            self.lot(lot).issued += quantity;
            self.give(party, lot, quantity);
        }
    }

    fn spend(&mut self, party: &AgentId, quantity: i128) -> Purse {
        let spent = self.take(party, quantity);
        for (lot, part) in &spent {
            self.lot(*lot).spent += part;
        }
        spent
    }

    fn grant(&mut self, quantity: i128) -> Result<(), ImportFault> {
        let granted = i128::from(self.sheet.standing.granted) + quantity;
        self.sheet.standing.granted = i64::try_from(granted).map_err(|_| ImportFault::Overflow)?;
        Ok(())
    }

    /// A commit.
    ///
    /// # Errors
    /// The first party, by id, that lacks certificates; sums that pass 64 bits.
    pub(in crate::ledger) fn commit(&mut self, deal: &DealId, terms: &Terms) -> Result<(), ImportFault> {
        let required = self.now_unix_ms() >= self.rules().required_from_unix_ms;
        let mut accounts: BTreeMap<&AgentId, Account> = BTreeMap::new();
        let mut pending = Pending::default();
        let mut granted = 0;
        for (index, transfer) in (0u32..).zip(&terms.transfers) {
            let quantity = i128::from(transfer.quantity.get());
            if transfer.good == self.rules().good {
                accounts.entry(&transfer.from).or_default().given += quantity;
                accounts.entry(&transfer.to).or_default().received += quantity;
                continue;
            }
            let worth = worth(self.rules(), transfer)?;
            if worth > 0 {
                accounts.entry(&transfer.from).or_default().earned += i128::from(worth);
                accounts.entry(&transfer.to).or_default().needed += if required { worth.into() } else { 0 };
                pending.earned.push((index, transfer.from.clone(), worth));
                granted += i128::from(worth);
            }
        }
        if accounts.is_empty() {
            return Ok(());
        }
        self.grant(granted)?;
        let confirmed = terms.delivery == Delivery::Confirmed;
        for (party, account) in &accounts {
            let brought = if confirmed { 0 } else { account.earned + account.received };
            let held = self.held(party) + brought;
            if account.needed + account.given > held {
                return Err(ImportFault::Uncertified {
                    party: (*party).clone(),
                    good: self.rules().good.clone(),
                    needed: account.needed,
                    given: account.given,
                    held,
                });
            }
        }
        if confirmed {
            pending.parcels = self.part(terms, required);
            self.sheet.pending.insert(deal.clone(), Some(pending));
        } else {
            self.settle(&accounts);
        }
        Ok(())
    }

    /// All of a deal at once: exports earn, certificates go from who gives more than it receives to who receives more,
    /// and imports spend.
    fn settle(&mut self, accounts: &BTreeMap<&AgentId, Account>) {
        let mut pool = Purse::new();
        for (party, account) in accounts {
            self.issue(party, i64::try_from(account.earned).unwrap_or_default());
            for (lot, part) in self.take(party, (account.given - account.received).max(0)) {
                *pool.entry(lot).or_default() += part;
            }
        }
        for (party, account) in accounts {
            let mut due = (account.received - account.given).max(0);
            for (lot, rest) in &mut pool {
                let part = i64::try_from(due.min((*rest).into())).unwrap_or_default();
                *rest -= part;
                due -= i128::from(part);
                self.give(party, *lot, part);
            }
        }
        for (party, account) in accounts {
            self.spend(party, account.needed);
        }
    }

    /// What a deal that may fail takes of what its parties hold, transfer by transfer.
    fn part(&mut self, terms: &Terms, required: bool) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        for (index, transfer) in (0u32..).zip(&terms.transfers) {
            let (from, to, taken) = if transfer.good == self.rules().good {
                let taken = self.take(&transfer.from, transfer.quantity.get().into());
                (&transfer.from, Some(transfer.to.clone()), taken)
            } else {
                // It fits: it was asked for before.
                let needed = if required { worth(self.rules(), transfer).unwrap_or_default() } else { 0 };
                (&transfer.to, None, self.spend(&transfer.to, needed.into()))
            };
            let parcel =
                |(lot, quantity)| Parcel { transfer: index, from: from.clone(), to: to.clone(), lot, quantity };
            parcels.extend(taken.into_iter().map(parcel));
        }
        parcels
    }

    /// A deal is over: what was not reversed is delivered, what was goes back.
    ///
    /// # Errors
    /// Where no such deal is on its way.
    pub(in crate::ledger) fn release(&mut self, deal: &DealId, reversed: &[u32]) -> Result<(), ImportFault> {
        let pending = self.pending(deal).ok_or_else(|| ImportFault::NotPending(deal.clone()))?;
        self.sheet.pending.insert(deal.clone(), None);
        for Parcel { transfer, from, to, lot, quantity } in pending.parcels {
            match (to, reversed.contains(&transfer)) {
                (Some(to), false) => self.give(&to, lot, quantity),
                (Some(_), true) => self.give(&from, lot, quantity),
                (None, false) => {}
                (None, true) => {
                    self.lot(lot).spent -= quantity;
                    self.give(&from, lot, quantity);
                }
            }
        }
        for (transfer, party, worth) in pending.earned {
            if reversed.contains(&transfer) {
                self.grant(-i128::from(worth))?;
            } else {
                self.issue(&party, worth);
            }
        }
        Ok(())
    }

    /// The authority revokes.
    ///
    /// # Errors
    /// Where less is held.
    pub(in crate::ledger) fn revoke(&mut self, revoke: &Revoke) -> Result<(), ImportFault> {
        let (party, wanted) = (&revoke.party, revoke.quantity.get());
        let taken = match revoke.lot_unix_ms {
            None if self.held(party) >= wanted.into() => self.take(party, wanted.into()),
            Some(lot)
                if lot > self.now_unix_ms() && self.purse(party).get(&lot).is_some_and(|held| *held >= wanted) =>
            {
                let purse = self.purse(party);
                if let Some(held) = purse.get_mut(&lot) {
                    *held -= wanted;
                }
                purse.retain(|_, held| *held > 0);
                Purse::from([(lot, wanted)])
            }
            None => {
                let held = self.held(party);
                return Err(ImportFault::NotOutstanding { party: party.clone(), wanted, held });
            }
            Some(lot) => {
                let alive = lot > self.now_unix_ms();
                let held = self.purse(party).get(&lot).copied().filter(|_| alive).unwrap_or_default().into();
                return Err(ImportFault::NotOutstanding { party: party.clone(), wanted, held });
            }
        };
        for (lot, part) in taken {
            self.lot(lot).revoked += part;
        }
        Ok(())
    }

    /// The authority sets rules.
    pub(in crate::ledger) fn enact(&mut self, rules: ImportRules) {
        self.sheet.standing.rules = rules;
    }
}
