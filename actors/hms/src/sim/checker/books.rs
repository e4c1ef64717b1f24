//! The books, folded from the log as the documentation says and by nobody's code but this.
//!
//! A line is a party and a good. What a deal with confirmed delivery brings is incoming until it is settled or taken
//! back, and nobody may give it on: balance − incoming + limit ≥ 0, always.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{
    AgentId, DealId, Good, Hash,
    deal::{Delivery, Terms, Transfer},
    ledger::{Balances, Limit},
};

use super::imports::Imports;

/// A party and a good.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line {
    balance: i128,
    incoming: i128,
    limit: i128,
}

impl Line {
    /// What the party may still give.
    fn left(self) -> i128 {
        self.balance - self.incoming + self.limit
    }
}

/// One book.
#[derive(Debug)]
pub struct Book {
    lines: BTreeMap<(AgentId, Good), Line>,
    /// Transfers of deals whose delivery is not confirmed yet.
    open: BTreeMap<DealId, Vec<Transfer>>,
    posted: BTreeSet<DealId>,
    /// Its import certificates, if it keeps any; they are no line.
    pub imports: Option<Imports>,
    /// The hash of everything posted.
    pub state_hash: Hash,
    /// The number of the next cursor.
    pub next_turn: u32,
    /// What the last cursor says.
    pub applied_through: u64,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            lines: BTreeMap::new(),
            open: BTreeMap::new(),
            posted: BTreeSet::new(),
            imports: None,
            state_hash: Hash::ZERO,
            next_turn: 0,
            applied_through: 0,
        }
    }
}

/// Somebody who gave what it hasn't.
pub type Short = (AgentId, Good, i128);

impl Book {
    /// Adds an entry to the chain over everything posted.
    pub fn chain(&mut self, subject: &str, body: &[u8]) {
        let entry = Hash::of(body);
        self.state_hash = Hash::of_parts(&[self.state_hash.as_bytes(), subject.as_bytes(), &[0], entry.as_bytes()]);
    }

    fn line(&mut self, party: &AgentId, good: &Good) -> &mut Line {
        self.lines.entry((party.clone(), good.clone())).or_default()
    }

    /// Sets limits; who is short then.
    pub fn declare(&mut self, agent: &AgentId, limits: &[Limit]) -> Option<Short> {
        for limit in limits {
            self.line(agent, &limit.good).limit = limit.quantity.into();
        }
        self.short(limits.iter().map(|limit| (agent, &limit.good)))
    }

    /// Whether the deal was ever posted here.
    #[must_use]
    pub fn has(&self, deal: &DealId) -> bool {
        self.posted.contains(deal)
    }

    /// Posts a deal; who is short then, or has given what may be taken back.
    pub fn commit(&mut self, deal: &DealId, terms: &Terms) -> Option<Short> {
        self.posted.insert(deal.clone());
        let confirmed = terms.delivery == Delivery::Confirmed;
        let transfers = self.of_lines(&terms.transfers);
        let mut over = None;
        if confirmed {
            self.open.insert(deal.clone(), terms.transfers.clone());
            let mut given: BTreeMap<(&AgentId, &Good), i128> = BTreeMap::new();
            for transfer in transfers.iter().map(|(_, transfer)| transfer) {
                *given.entry((&transfer.from, &transfer.good)).or_default() += i128::from(transfer.quantity.get());
            }
            over = given.into_iter().find_map(|((party, good), given)| {
                let left = self.line(party, good).left();
                (given > left).then(|| (party.clone(), good.clone(), given - left))
            });
        }
        for (_, transfer) in &transfers {
            let quantity = i128::from(transfer.quantity.get());
            self.line(&transfer.from, &transfer.good).balance -= quantity;
            let receipt = self.line(&transfer.to, &transfer.good);
            receipt.balance += quantity;
            receipt.incoming += if confirmed { quantity } else { 0 };
        }
        over.or_else(|| self.short(touched(&terms.transfers)))
    }

    /// A deal is delivered, but for the transfers that are taken back; who is short then.
    pub fn release(&mut self, deal: &DealId, reversed: &[u32]) -> Option<Short> {
        let transfers = self.open.remove(deal).unwrap_or_default();
        for (index, transfer) in &self.of_lines(&transfers) {
            let quantity = i128::from(transfer.quantity.get());
            self.line(&transfer.to, &transfer.good).incoming -= quantity;
            if reversed.contains(index) {
                self.line(&transfer.to, &transfer.good).balance -= quantity;
                self.line(&transfer.from, &transfer.good).balance += quantity;
            }
        }
        self.short(touched(&transfers))
    }

    /// Transfers of other goods than certificates, by index.
    fn of_lines(&self, transfers: &[Transfer]) -> Vec<(u32, Transfer)> {
        let certificates = self.imports.as_ref().map(|imports| &imports.rules.good);
        let lines = (0..).zip(transfers).filter(|(_, transfer)| Some(&transfer.good) != certificates);
        lines.map(|(index, transfer)| (index, transfer.clone())).collect()
    }

    fn short<'a>(&self, mut lines: impl Iterator<Item = (&'a AgentId, &'a Good)>) -> Option<Short> {
        lines.find_map(|(party, good)| {
            let left = self.lines.get(&(party.clone(), good.clone()))?.left();
            (left < 0).then(|| (party.clone(), good.clone(), -left))
        })
    }

    /// What is wrong with what the ledger tells of this book.
    #[must_use]
    pub fn differs(&self, told: &Balances) -> Option<String> {
        let told_lines: BTreeMap<_, _> = told
            .lines
            .iter()
            .map(|line| ((line.party.clone(), line.good.clone()), (i128::from(line.balance), i128::from(line.limit))))
            .filter(|(_, line)| *line != (0, 0))
            .collect();
        let folded: BTreeMap<_, _> = self
            .lines
            .iter()
            .map(|(key, line)| (key.clone(), (line.balance, line.limit)))
            .filter(|(_, line)| *line != (0, 0))
            .collect();
        let mut sums: BTreeMap<&Good, i128> = BTreeMap::new();
        for ((_, good), (balance, _)) in &told_lines {
            *sums.entry(good).or_default() += balance;
        }
        if let Some((good, sum)) = sums.into_iter().find(|(_, sum)| *sum != 0) {
            return Some(format!("{good} isn't conserved: what the ledger tells sums to {sum}"));
        }
        if told_lines != folded {
            let other = folded.iter().find(|(key, line)| told_lines.get(key) != Some(line));
            return Some(format!("the ledger tells other lines than the log gives, such as {other:?}"));
        }
        (told.state_hash != self.state_hash).then(|| "the ledger tells another hash than the log gives".to_owned())
    }
}

fn touched(transfers: &[Transfer]) -> impl Iterator<Item = (&AgentId, &Good)> {
    transfers.iter().flat_map(|t| [(&t.from, &t.good), (&t.to, &t.good)])
}
