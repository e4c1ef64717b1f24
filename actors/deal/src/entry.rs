//! What one decision of the desk writes.

use schemas::event::{Chain as Links, DealEvent, Happening, Place, Signed};
use schemas::hash::Hash;
use schemas::id::DealId;

/// One entry of a deal's log.
pub type Entry = schemas::event::Entry<DealEvent>;

/// Entries of one deal's log.
pub(crate) struct Chain {
    deal: DealId,
    links: Links<DealEvent>,
}

impl Chain {
    pub(crate) fn at(deal: DealId, place: Place) -> Self {
        Self { deal, links: Links::at(place) }
    }

    /// The hash of the last entry.
    pub(crate) fn head(&self) -> Hash {
        self.links.next().prev
    }

    pub(crate) fn push(&mut self, what: Happening, cause: Option<Signed>) {
        let deal = self.deal.clone();
        self.links.push(|Place { turn, prev, at_unix_ms, trace }| DealEvent {
            deal,
            turn,
            prev,
            at_unix_ms,
            what,
            cause,
            trace,
        });
    }

    pub(crate) fn entries(self) -> Vec<Entry> {
        self.links.entries()
    }
}
