//! What offers have left once rings have taken their part.

use std::collections::BTreeMap;

use schemas::clearing::{Clear, Offer, Ring};
use schemas::deal::Transfer;
use schemas::{AgentId, Good};

use crate::remaining::{self, Use, add};

/// The offers of a clearing, and what was taken out of them.
pub(super) struct Left<'a> {
    offers: BTreeMap<&'a AgentId, (&'a Offer, Use)>,
}

impl<'a> Left<'a> {
    /// After these rings.
    pub(super) fn of(request: &'a Clear, rings: &[Ring]) -> Self {
        let offers = request.offers.iter().map(|offer| (&offer.agent, (offer, Use::default()))).collect();
        let mut left = Self { offers };
        for hop in rings.iter().flat_map(|ring| &ring.hops) {
            left.note(&hop.from, &hop.to, &hop.good, hop.quantity.get());
        }
        left
    }

    /// A transfer takes its part.
    pub(super) fn take(&mut self, transfer: &Transfer) {
        self.note(&transfer.from, &transfer.to, &transfer.good, transfer.quantity.get());
    }

    /// Takes as much more along a transfer as both its parties have left, and says how much that is, in minor units.
    pub(super) fn take_rest(&mut self, transfer: &Transfer) -> i64 {
        let Transfer { from, to, good, .. } = transfer;
        let rest = self.gives(from, good).min(self.takes(to, good));
        self.note(from, to, good, rest);
        rest
    }

    /// An agent's offer as it was cleared.
    pub(super) fn offer(&self, agent: &AgentId) -> Option<&'a Offer> {
        self.offers.get(agent).map(|(offer, _)| *offer)
    }

    /// Of each offer what is left, those left out of which nothing can come any more.
    pub(super) fn offers(&self) -> Vec<Offer> {
        let rest = |(offer, used): &(&Offer, Use)| Offer {
            gives: remaining::gives(&offer.gives, used, |_| i64::MAX),
            wants: remaining::wants(&offer.wants, used),
            ..(*offer).clone()
        };
        self.offers.values().map(rest).filter(|offer| !offer.gives.is_empty() && !offer.wants.is_empty()).collect()
    }

    fn note(&mut self, from: &AgentId, to: &AgentId, good: &Good, quantity: i64) {
        if let Some((_, used)) = self.offers.get_mut(from) {
            add(&mut used.given, good, quantity);
        }
        if let Some((_, used)) = self.offers.get_mut(to) {
            add(&mut used.received, good, quantity);
        }
    }

    fn gives(&self, agent: &AgentId, good: &Good) -> i64 {
        let Some((offer, used)) = self.offers.get(agent) else { return 0 };
        let gives = remaining::gives(&offer.gives, used, |_| i64::MAX);
        gives.iter().find(|give| give.good == *good).map_or(0, |give| give.limit.get())
    }

    fn takes(&self, agent: &AgentId, good: &Good) -> i64 {
        let Some((offer, used)) = self.offers.get(agent) else { return 0 };
        let wants = remaining::wants(&offer.wants, used);
        let wanted = wants.iter().flat_map(|want| &want.any_of).find(|wanted| wanted.good == *good);
        wanted.map_or(0, |wanted| wanted.limit.get())
    }
}
