//! From a ring to a deal: terms, opening and id, all derived from what was cleared, so that the same
//! clearing opened twice (after a time-out, or a restart) is the same deal.

use std::collections::BTreeMap;

use schemas::body::{Check, encode};
use schemas::clearing::Ring;
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
        let expires_unix_ms = now_unix_ms.checked_add(market.accept_within_ms.into())?;
        let due_unix_ms = expires_unix_ms.checked_add(market.deliver_within_ms)?;
        let mut parties: Vec<AgentId> = ring.hops.iter().map(|hop| hop.from.clone()).collect();
        parties.sort();
        let next = ring.hops.iter().cycle().skip(1);
        if ring.hops.iter().zip(next).any(|(hop, next)| hop.to != next.from) {
            return None;
        }
        let transfers: Option<Vec<Transfer>> = ring
            .hops
            .iter()
            .map(|hop| {
                let sequence = *sequences.get(&hop.from)?;
                Some(Transfer {
                    from: hop.from.clone(),
                    to: hop.to.clone(),
                    good: hop.good.clone(),
                    quantity: hop.quantity,
                    due_unix_ms,
                    intent: Some(IntentRef { agent: hop.from.clone(), sequence }),
                })
            })
            .collect();
        let terms = Terms {
            book: market.market.clone(),
            parties: parties.clone(),
            transfers: transfers?,
            delivery: market.delivery,
            expires_unix_ms,
        };
        terms.check().ok()?;
        let bytes = encode(&terms);
        let move_id = move_id(clearing, Hash::of(&bytes))?;
        let deal = DealId::of(maker, &move_id);
        let open = Open {
            move_id,
            deadline_unix_ms: expires_unix_ms,
            book: market.market.clone(),
            profile: Profile::Ring,
            parties,
            expires_unix_ms,
            terms: Some(bytes),
            requires: market.requires.clone(),
        };
        let subject = subject::deal_move(DealVerb::Open, maker, &deal);
        Some(Self { deal, terms, subject, body: encode(&open) })
    }
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
