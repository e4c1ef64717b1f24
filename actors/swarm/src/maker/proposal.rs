//! From a ring, or from evolved terms, to a deal: terms, opening and id, all derived from what was cleared, so that the same
//! clearing opened twice (after a time-out, or a restart) is the same deal.

use std::collections::BTreeMap;

use schemas::body::{Check, encode};
use schemas::clearing::{Hop, Ring};
use schemas::deal::{IntentRef, Open, Terms, Transfer};
use schemas::market::Market;
use schemas::profile::Profile;
use schemas::subject::{self, DealVerb};
use schemas::{AgentId, DealId, Hash, MoveId};

/// A ring, ready to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The deal's id.
    pub deal: DealId,
    /// What it would move.
    pub terms: Terms,
    /// Where the opening goes.
    pub subject: String,
    /// The exact bytes of the opening, to be signed.
    pub body: Vec<u8>,
}

impl Proposal {
    /// The deal of a ring that a clearing found. `sequences` are those of the parties' intents. `None`
    /// when the ring is none: a hop that does not lead to the next, a party twice, no intent.
    #[must_use]
    pub fn of(
        maker: &AgentId,
        market: &Market,
        clearing: u32,
        ring: &Ring,
        sequences: &BTreeMap<AgentId, u64>,
        now_unix_ms: i64,
    ) -> Option<Self> {
        let terms = terms(market, ring, sequences, now_unix_ms)?;
        Self::opening(maker, market, clearing, Profile::Ring, terms)
    }

    /// The deal of terms that were evolved. They run from now on, whenever they were sought.
    #[must_use]
    pub fn of_terms(
        maker: &AgentId,
        market: &Market,
        clearing: u32,
        mut terms: Terms,
        now_unix_ms: i64,
    ) -> Option<Self> {
        let times = Times::of(market, now_unix_ms)?;
        terms.expires_unix_ms = times.expires_unix_ms;
        for transfer in &mut terms.transfers {
            transfer.due_unix_ms = times.due_unix_ms;
        }
        Self::opening(maker, market, clearing, Profile::Exchange, terms)
    }

    fn opening(maker: &AgentId, market: &Market, clearing: u32, profile: Profile, terms: Terms) -> Option<Self> {
        terms.check().ok()?;
        let bytes = encode(&terms);
        let move_id = move_id(clearing, Hash::of(&bytes))?;
        let deal = DealId::of(maker, &move_id);
        let open = Open {
            move_id,
            deadline_unix_ms: terms.expires_unix_ms,
            book: market.market.clone(),
            profile,
            parties: terms.parties.clone(),
            expires_unix_ms: terms.expires_unix_ms,
            terms: Some(bytes),
            requires: market.requires.clone(),
            rules: None,
        };
        let subject = subject::deal_move(DealVerb::Open, maker, &deal);
        Some(Self { deal, terms, subject, body: encode(&open) })
    }
}

/// When a proposal runs out, and when its transfers are due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) expires_unix_ms: i64,
    pub(super) due_unix_ms: i64,
}

impl Times {
    /// Those of what is proposed now; `None` at the end of time.
    pub(super) fn of(market: &Market, now_unix_ms: i64) -> Option<Self> {
        let expires_unix_ms = now_unix_ms.checked_add(market.accept_within_ms.into())?;
        Some(Self { expires_unix_ms, due_unix_ms: expires_unix_ms.checked_add(market.deliver_within_ms)? })
    }
}

/// The terms of a ring; `None` when it is none.
pub(super) fn terms(
    market: &Market,
    ring: &Ring,
    sequences: &BTreeMap<AgentId, u64>,
    now_unix_ms: i64,
) -> Option<Terms> {
    let Times { expires_unix_ms, due_unix_ms } = Times::of(market, now_unix_ms)?;
    let mut parties: Vec<AgentId> = ring.hops.iter().map(|hop| hop.from.clone()).collect();
    parties.sort();
    let next = ring.hops.iter().cycle().skip(1);
    if ring.hops.iter().zip(next).any(|(hop, next)| hop.to != next.from) {
        return None;
    }
    let transfer = |hop: &Hop| {
        Some(Transfer {
            from: hop.from.clone(),
            to: hop.to.clone(),
            good: hop.good.clone(),
            quantity: hop.quantity,
            due_unix_ms,
            intent: Some(IntentRef { agent: hop.from.clone(), sequence: *sequences.get(&hop.from)? }),
        })
    };
    Some(Terms {
        book: market.market.clone(),
        parties,
        transfers: ring.hops.iter().map(transfer).collect::<Option<_>>()?,
        delivery: market.delivery,
        expires_unix_ms,
        award: None,
    })
}

/// `c<clearing>-<the terms' hash, 40 digits>`: it says which clearing it was, so that a maker that starts
/// again counts on from there.
fn move_id(clearing: u32, terms: Hash) -> Option<MoveId> {
    let hash = terms.to_string();
    MoveId::parse(&format!("c{clearing}-{}", hash.get(..40)?)).ok()
}

/// The clearing that one of our openings came from.
#[must_use]
pub fn clearing_of(move_id: &MoveId) -> Option<u32> {
    move_id.as_str().strip_prefix('c')?.split_once('-')?.0.parse().ok()
}
