//! Every book that the log knows of, and which deal belongs to which.

use std::collections::BTreeMap;

use schemas::event::{DealEvent, Happening};
use schemas::ledger::LimitEvent;
use schemas::market::{Because, Market};
use schemas::{AgentId, DealId, MarketId};

use super::book::Book;

/// All books.
#[derive(Debug, Clone)]
pub struct Books {
    maker: AgentId,
    books: BTreeMap<MarketId, Book>,
    deals: BTreeMap<DealId, MarketId>,
}

impl Books {
    /// None yet.
    #[must_use]
    pub fn new(maker: AgentId) -> Self {
        Self { maker, books: BTreeMap::new(), deals: BTreeMap::new() }
    }

    /// A book, which begins when it is first heard of: limits may be declared before the market is.
    pub fn book(&mut self, id: &MarketId) -> &mut Book {
        self.books.entry(id.clone()).or_insert_with(|| Book::new(id.clone(), self.maker.clone()))
    }

    /// A book, if anything is known of it.
    #[must_use]
    pub fn find(&self, id: &MarketId) -> Option<&Book> {
        self.books.get(id)
    }

    /// The markets that are declared.
    pub fn markets(&self) -> impl Iterator<Item = &Market> {
        self.books.values().filter_map(Book::market)
    }

    /// A market was declared.
    pub fn declare(&mut self, market: Market) -> Vec<Because> {
        self.book(&market.market.clone()).declare(market)
    }

    /// Something happened to a deal.
    pub fn happened(&mut self, event: &DealEvent) {
        if let Happening::Opened { book, .. } | Happening::Committed { book, .. } = &event.what {
            self.deals.insert(event.deal.clone(), book.clone());
        }
        let Some(book) = self.deals.get(&event.deal).cloned() else { return };
        if is_end(&event.what) {
            self.deals.remove(&event.deal);
        }
        self.book(&book).trades_mut().happened(event);
    }

    /// Limits were declared.
    pub fn declared(&mut self, event: &LimitEvent) {
        self.book(&event.book).trades_mut().declared(&event.agent, &event.cause);
    }
}

fn is_end(what: &Happening) -> bool {
    matches!(
        what,
        Happening::Settled
            | Happening::Rejected { .. }
            | Happening::Withdrawn { .. }
            | Happening::Expired
            | Happening::Refused { .. }
            | Happening::Compensated { .. }
    )
}
