//! Every book that the log knows of, and which deal belongs to which.
//!
//! An entry counts once. Whoever reaches an open broker can store a signed entry again, whole, so one that tells of a
//! turn that was heard before is passed over.

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
    deals: BTreeMap<DealId, Heard>,
    /// The last turn heard of each agent's limits in each book.
    limits: BTreeMap<(MarketId, AgentId), u32>,
}

/// What was heard of a deal.
#[derive(Debug, Clone)]
struct Heard {
    book: MarketId,
    turn: u32,
}

impl Books {
    /// None yet.
    #[must_use]
    pub fn new(maker: AgentId) -> Self {
        Self { maker, books: BTreeMap::new(), deals: BTreeMap::new(), limits: BTreeMap::new() }
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
        let known = self.deals.get(&event.deal);
        if known.is_some_and(|heard| event.turn <= heard.turn) {
            return;
        }
        let book = match (&event.what, known) {
            (Happening::Opened { book, .. } | Happening::Committed { book, .. }, _) => book.clone(),
            (_, Some(heard)) => heard.book.clone(),
            (_, None) => return,
        };
        self.deals.insert(event.deal.clone(), Heard { book: book.clone(), turn: event.turn });
        self.book(&book).trades_mut().happened(event);
    }

    /// Limits were declared.
    pub fn declared(&mut self, event: &LimitEvent) {
        let key = (event.book.clone(), event.agent.clone());
        if self.limits.get(&key).is_some_and(|turn| event.turn <= *turn) {
            return;
        }
        self.limits.insert(key, event.turn);
        self.book(&event.book).trades_mut().declared(&event.agent, &event.cause);
    }
}

#[cfg(test)]
mod tests {
    use schemas::clearing::Ring;

    use super::*;
    use crate::fixtures::{NOW, Story, agent, bazaar, good, limits, market, ring};
    use crate::maker::proposal::Proposal;

    fn proposal(ring: &Ring) -> Proposal {
        let sequences = [(agent("kenya"), 11), (agent("ghana"), 12)].into();
        Proposal::of(&agent("maker"), &market(), 1, ring, &sequences, NOW).unwrap()
    }

    #[test]
    fn an_entry_that_is_stored_again_counts_once() {
        let mut books = Books::new(agent("maker"));
        let proposal = proposal(&ring(&[("kenya", "ghana", "wheat", 5), ("ghana", "kenya", "tea", 3)]));
        let mut story = Story::of(proposal.deal.clone());
        let life =
            [story.opened(&proposal, "maker"), story.committed(&proposal.terms), story.next(Happening::Settled, None)];
        for event in life.iter().chain(&life) {
            books.happened(event);
        }
        let trades = books.book(&bazaar()).trades();
        assert_eq!(trades.filled(&(agent("kenya"), 11)).given(&good("wheat")), 5);
        assert_eq!((trades.may_give(&agent("ghana"), &good("wheat")), trades.open_deals()), (5, 0));
        let (old, new) = (limits("kenya", 0, &[("wheat", 90)]), limits("kenya", 1, &[("wheat", 20)]));
        for event in [&old, &new, &old] {
            books.declared(event);
        }
        assert_eq!(books.book(&bazaar()).trades().limit(&agent("kenya"), &good("wheat")), Some(20));
    }

    #[test]
    fn a_deal_belongs_to_the_book_of_its_terms() {
        let mut books = Books::new(agent("maker"));
        let proposal = proposal(&ring(&[("kenya", "ghana", "wheat", 5), ("ghana", "kenya", "tea", 3)]));
        books.happened(&Story::of(proposal.deal.clone()).rejected("kenya"));
        assert!(books.find(&bazaar()).is_none(), "of a deal that was never opened");
        books.happened(&Story::of(proposal.deal.clone()).opened(&proposal, "maker"));
        assert_eq!(books.find(&bazaar()).unwrap().trades().open_deals(), 1);
        assert!(books.find(&"souk".parse().unwrap()).is_none());
        assert_eq!(books.markets().count(), 0, "and it is not declared by that");
    }
}
