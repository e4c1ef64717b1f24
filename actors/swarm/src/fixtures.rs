//! What the tests of this crate stand on: a small market, agents with keys, and what happens to deals.

use nkeys::{KeyPair, KeyPairType};
use schemas::body::encode;
use schemas::clearing::{Cleared, Hop, Outcome, Ring};
use schemas::deal::{Delivery, Terms};
use schemas::event::{DealEvent, Happening, Signed};
use schemas::ledger::{Declare, Limit, LimitEvent};
use schemas::market::{Alternative, Give, GoodSpec, Intent, Market, Want};
use schemas::profile::Profile;
use schemas::signature::{PublicKey, Signer};
use schemas::value::{Bounds, Outlook};
use schemas::{AgentId, DealId, Good, Hash, MarketId, Quantity, Rational};

use crate::maker::proposal::Proposal;
use crate::plan::AgentPlan;

/// The time at which the tests begin, in Unix milliseconds: a whole second.
pub(crate) const NOW: i64 = 1_790_000_000_000;

pub(crate) fn agent(id: &str) -> AgentId {
    id.parse().unwrap()
}

pub(crate) fn good(name: &str) -> Good {
    name.parse().unwrap()
}

pub(crate) fn bazaar() -> MarketId {
    "bazaar".parse().unwrap()
}

pub(crate) fn units(quantity: i64) -> Quantity {
    Quantity::new(quantity).unwrap()
}

pub(crate) fn exactly(price: i64) -> Bounds {
    Bounds::exactly(Rational::whole(price))
}

pub(crate) fn give(name: &str, limit: i64, cost: i64) -> Give {
    Give { good: good(name), limit: units(limit), cost: exactly(cost) }
}

pub(crate) fn either(name: &str, limit: i64, value: i64) -> Alternative {
    Alternative { good: good(name), limit: units(limit), value: exactly(value) }
}

pub(crate) fn want(name: &str, limit: i64, value: i64) -> Want {
    Want { any_of: vec![either(name, limit, value)] }
}

pub(crate) fn intent(id: &str, gives: Vec<Give>, wants: Vec<Want>) -> Intent {
    Intent { market: bazaar(), agent: agent(id), gives, wants, margin_ppm: 0, outlook: Outlook::default() }
}

/// Wheat, coffee, tea and rye at 100 each, half to twice of which may be stated.
pub(crate) fn market() -> Market {
    let priced = |name: &str| GoodSpec {
        good: good(name),
        unit: "tonne".to_owned(),
        lot: None,
        reference_price: Some(Rational::whole(100)),
    };
    Market {
        market: bazaar(),
        unit_of_account: "US cent".to_owned(),
        goods: ["wheat", "coffee", "tea", "rye"].map(priced).to_vec(),
        band: Bounds { lo: "1/2".parse().unwrap(), hi: Rational::whole(2) },
        margin_ppm: 0,
        max_ring: 3,
        clear_every_ms: 1_000,
        time_limit_ms: 1_000,
        accept_within_ms: 5_000,
        delivery: Delivery::Confirmed,
        deliver_within_ms: 60_000,
        requires: Vec::new(),
        division: None,
        evolve: None,
        import_certificates: None,
    }
}

/// A ring of hops: from, to, good, quantity.
pub(crate) fn ring(hops: &[(&str, &str, &str, i64)]) -> Ring {
    let hop = |(from, to, what, quantity): &(&str, &str, &str, i64)| Hop {
        from: agent(from),
        to: agent(to),
        good: good(what),
        quantity: units(*quantity),
        want: 0,
    };
    Ring { hops: hops.iter().map(hop).collect(), welfare_minor: 1 }
}

pub(crate) fn cleared(rings: Vec<Ring>) -> Cleared {
    Cleared {
        rings,
        objective: 1,
        bound: 1,
        gap_ppm: 0,
        outcome: Outcome::Optimal,
        took_ms: 1,
        left_out: Vec::new(),
        chains: Vec::new(),
        prices: Vec::new(),
        limits: Vec::new(),
    }
}

pub(crate) fn account() -> PublicKey {
    KeyPair::new_from_raw(KeyPairType::Account, [7; 32]).unwrap().public_key().parse().unwrap()
}

/// An agent's seed: the same each time.
pub(crate) fn seed(id: &str) -> String {
    KeyPair::new_from_raw(KeyPairType::User, *Hash::of(id.as_bytes()).as_bytes()).unwrap().seed().unwrap()
}

pub(crate) fn signer(id: &str) -> Signer {
    Signer::from_seed(&seed(id), account(), id).unwrap()
}

/// An honest agent's plan.
pub(crate) fn plan(id: &str, gives: Vec<Give>, wants: Vec<Want>) -> AgentPlan {
    AgentPlan::new(agent(id), seed(id), bazaar(), gives, wants)
}

/// What happens to one deal, turn by turn.
pub(crate) struct Story {
    pub(crate) deal: DealId,
    turn: u32,
}

impl Story {
    pub(crate) fn of(deal: DealId) -> Self {
        Self { deal, turn: 0 }
    }

    pub(crate) fn next(&mut self, what: Happening, cause: Option<Signed>) -> DealEvent {
        self.turn += 1;
        DealEvent {
            deal: self.deal.clone(),
            turn: self.turn - 1,
            prev: Hash::ZERO,
            at_unix_ms: NOW,
            what,
            cause,
            trace: None,
        }
    }

    pub(crate) fn opened(&mut self, proposal: &Proposal, opener: &str) -> DealEvent {
        let what = Happening::Opened {
            opener: agent(opener),
            book: proposal.terms.book.clone(),
            profile: Profile::Ring,
            terms_hash: None,
        };
        let cause = Signed { subject: proposal.subject.clone(), sender: String::new(), body: proposal.body.clone() };
        self.next(what, Some(cause))
    }

    pub(crate) fn accepted(&mut self, by: &str, last: bool) -> DealEvent {
        self.next(Happening::Accepted { by: agent(by), terms_hash: Hash::ZERO, last }, None)
    }

    pub(crate) fn committed(&mut self, terms: &Terms) -> DealEvent {
        let what = Happening::Committed {
            book: terms.book.clone(),
            terms: encode(terms),
            acceptances: Vec::new(),
            certificates: Vec::new(),
        };
        self.next(what, None)
    }

    pub(crate) fn rejected(&mut self, by: &str) -> DealEvent {
        self.next(Happening::Rejected { by: agent(by), reason: "no".to_owned() }, None)
    }

    pub(crate) fn refused(&mut self) -> DealEvent {
        self.next(
            Happening::Refused {
                rule: "over_limit".to_owned(),
                reason: "too much".to_owned(),
                evidence: None,
                party: None,
            },
            None,
        )
    }
}

/// A declaration of limits, as the ledger logs it.
pub(crate) fn limits(id: &str, turn: u32, declared: &[(&str, i64)]) -> LimitEvent {
    let declare = Declare {
        move_id: format!("m{turn}").parse().unwrap(),
        deadline_unix_ms: NOW,
        book: bazaar(),
        limits: declared.iter().map(|(name, quantity)| Limit { good: good(name), quantity: *quantity }).collect(),
    };
    let cause = Signed { subject: String::new(), sender: String::new(), body: encode(&declare) };
    LimitEvent { book: bazaar(), agent: agent(id), turn, prev: Hash::ZERO, at_unix_ms: NOW, cause }
}
