//! What the deals of one book have done to its intents, folded from the log alone.
//!
//! A deal that the maker opened *withholds* what it would move until it ends; a commit *fills* the
//! intents that its transfers cite, for good: whoever wants to offer again what a failed delivery
//! brought back says so with a new intent. What a party may still give is kept here as the ledger keeps
//! it (declared limits and balances), so that no ring is proposed that the ledger would refuse.
//!
//! Whoever stands in the way sits out until it states its intent anew: who rejected a ring at its own
//! stated values, who let one lapse without an answer, and whose deals were refused time and again.
//! Without that rule the same ring would be proposed for ever.

use std::collections::{BTreeMap, BTreeSet};

use schemas::deal::{Open, ReadTerms, Terms};
use schemas::event::{DealEvent, Happening, Signed};
use schemas::ledger::Declare;
use schemas::limit::MAX_BODY_BYTES;
use schemas::{AgentId, DealId, Good, decode};

use crate::remaining::{Use, add};

#[cfg(test)]
mod tests;

/// After so many refused deals an intent sits out: something is wrong that no clearing can mend.
pub const REFUSALS_BEFORE_SITTING_OUT: u32 = 3;

/// An intent, as transfers cite it: the agent and the sequence in the stream of intents.
pub type IntentKey = (AgentId, u64);

/// Why an agent sits out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SittingOut {
    /// The intent that it sits out with; a later one lifts it.
    pub sequence: u64,
    /// For people.
    pub detail: String,
}

/// A deal that has not ended.
#[derive(Debug, Clone, Default)]
struct Live {
    /// What it would move, when we opened it; what it moved, once committed.
    terms: Option<Terms>,
    ours: bool,
    accepted: BTreeSet<AgentId>,
    committed: bool,
    /// When it lapses; for deals that we asked for and that never came to be.
    lapses_unix_ms: Option<i64>,
}

/// The trades of one book.
#[derive(Debug, Clone)]
pub struct Trades {
    maker: AgentId,
    limits: BTreeMap<(AgentId, Good), i64>,
    balances: BTreeMap<(AgentId, Good), i64>,
    live: BTreeMap<DealId, Live>,
    filled: BTreeMap<IntentKey, Use>,
    refusals: BTreeMap<IntentKey, u32>,
    sitting_out: BTreeMap<AgentId, SittingOut>,
    last_clearing: u32,
    changed: bool,
}

impl Trades {
    /// No trades yet, in a book whose rings `maker` opens.
    #[must_use]
    pub fn new(maker: AgentId) -> Self {
        Self {
            maker,
            limits: BTreeMap::new(),
            balances: BTreeMap::new(),
            live: BTreeMap::new(),
            filled: BTreeMap::new(),
            refusals: BTreeMap::new(),
            sitting_out: BTreeMap::new(),
            last_clearing: 0,
            changed: false,
        }
    }

    /// Whether something happened that a clearing could use; asking forgets it.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The number of the last clearing that opened a deal; 0 for none.
    #[must_use]
    pub fn last_clearing(&self) -> u32 {
        self.last_clearing
    }

    /// How many of our deals are open: proposed, and neither committed nor ended.
    #[must_use]
    pub fn open_deals(&self) -> usize {
        self.live.values().filter(|deal| deal.ours && !deal.committed).count()
    }

    /// Takes note of a deal that is being opened, so that it withholds at once.
    pub fn opening(&mut self, deal: DealId, terms: Terms) {
        let lapses_unix_ms = Some(terms.expires_unix_ms);
        let live = Live { terms: Some(terms), ours: true, lapses_unix_ms, ..Live::default() };
        self.live.entry(deal).or_insert(live);
    }

    /// A deal that we asked for was not opened.
    pub fn not_opened(&mut self, deal: &DealId) {
        if self.live.get(deal).is_some_and(|live| live.lapses_unix_ms.is_some()) {
            self.refused(deal);
        }
    }

    /// Forgets deals that we asked for and that never came to be, once nobody could accept them.
    pub fn forget_lapsed(&mut self, now_unix_ms: i64) {
        let before = self.live.len();
        self.live.retain(|_, live| live.lapses_unix_ms.is_none_or(|at| now_unix_ms < at));
        self.changed |= self.live.len() != before;
    }

    /// A declaration of limits was recorded.
    pub fn declared(&mut self, agent: &AgentId, cause: &Signed) {
        let Ok(declare) = decode::<Declare>(&cause.body, MAX_BODY_BYTES) else { return };
        for limit in declare.limits {
            self.limits.insert((agent.clone(), limit.good), limit.quantity);
        }
        self.changed = true;
    }

    /// The limit that an agent declared for a good; `None` where it declared none.
    #[must_use]
    pub fn limit(&self, agent: &AgentId, good: &Good) -> Option<i64> {
        self.limits.get(&(agent.clone(), good.clone())).copied()
    }

    /// What the ledger would still let an agent give, in minor units, our open deals apart.
    #[must_use]
    pub fn may_give(&self, agent: &AgentId, good: &Good) -> i64 {
        let key = (agent.clone(), good.clone());
        let declared = self.limits.get(&key).copied().unwrap_or(0);
        let balance = self.balances.get(&key).copied().unwrap_or(0);
        declared.saturating_add(balance)
    }

    /// What a commit took out of an intent.
    #[must_use]
    pub fn filled(&self, key: &IntentKey) -> Use {
        self.filled.get(key).cloned().unwrap_or_default()
    }

    /// What our open deals withhold, by intent.
    #[must_use]
    pub fn withheld(&self) -> BTreeMap<IntentKey, Use> {
        let mut withheld = BTreeMap::new();
        for terms in
            self.live.values().filter(|live| live.ours && !live.committed).filter_map(|live| live.terms.as_ref())
        {
            add_uses(&mut withheld, terms);
        }
        withheld
    }

    /// Why an agent sits out with this intent, if it does.
    #[must_use]
    pub fn sits_out(&self, agent: &AgentId, sequence: u64) -> Option<&SittingOut> {
        self.sitting_out.get(agent).filter(|sitting| sitting.sequence >= sequence)
    }

    /// Forgets what concerns an agent's intents before `sequence`: nothing cites them any more once
    /// their deals have ended.
    pub fn forget_before(&mut self, agent: &AgentId, sequence: u64) {
        let old: Vec<IntentKey> =
            self.filled.range((agent.clone(), 0)..(agent.clone(), sequence)).map(|(key, _)| key.clone()).collect();
        for key in old {
            self.filled.remove(&key);
        }
        self.refusals.retain(|(who, at), _| who != agent || *at >= sequence);
        if self.sitting_out.get(agent).is_some_and(|sitting| sitting.sequence < sequence) {
            self.sitting_out.remove(agent);
        }
    }

    /// Something happened to a deal of this book.
    pub fn happened(&mut self, event: &DealEvent) {
        match &event.what {
            Happening::Opened { opener, .. } => self.opened(event, opener),
            Happening::Accepted { by, .. } => {
                if let Some(live) = self.live.get_mut(&event.deal) {
                    live.accepted.insert(by.clone());
                }
            }
            Happening::Committed { terms, .. } => self.committed(&event.deal, terms),
            Happening::Settled => {
                self.live.remove(&event.deal);
            }
            Happening::Rejected { by, reason } => {
                let Some(live) = self.ended(&event.deal) else { return };
                self.sit_out(&live, by, &format!("it rejected deal {}: {reason}", event.deal));
            }
            Happening::Withdrawn { .. } => {
                self.ended(&event.deal);
            }
            Happening::Expired => {
                let Some(live) = self.ended(&event.deal) else { return };
                for party in live.terms.iter().flat_map(|terms| &terms.parties) {
                    if !live.accepted.contains(party) {
                        self.sit_out(&live, party, &format!("it let deal {} lapse without an answer", event.deal));
                    }
                }
            }
            Happening::Refused { .. } => self.refused(&event.deal),
            Happening::Compensated { reversed } => self.compensated(&event.deal, reversed),
            Happening::Proposed { .. }
            | Happening::Certified { .. }
            | Happening::Confirmed { .. }
            | Happening::Failed { .. } => {}
        }
    }

    fn opened(&mut self, event: &DealEvent, opener: &AgentId) {
        let ours = *opener == self.maker;
        let opening =
            event.cause.as_ref().filter(|_| ours).and_then(|cause| decode::<Open>(&cause.body, MAX_BODY_BYTES).ok());
        if let Some(open) = &opening {
            self.last_clearing =
                self.last_clearing.max(crate::maker::proposal::clearing_of(&open.move_id).unwrap_or(0));
        }
        let terms =
            opening.and_then(|open| open.terms).and_then(|bytes| ReadTerms::read(&bytes).ok()).map(|read| read.terms);
        self.live.insert(event.deal.clone(), Live { terms, ours, ..Live::default() });
    }

    fn committed(&mut self, deal: &DealId, bytes: &[u8]) {
        let Ok(ReadTerms { terms, .. }) = ReadTerms::read(bytes) else { return };
        add_uses(&mut self.filled, &terms);
        for transfer in &terms.transfers {
            let quantity = transfer.quantity.get();
            add(&mut self.balances, &(transfer.from.clone(), transfer.good.clone()), -quantity);
            let received = (transfer.to.clone(), transfer.good.clone());
            // Who also gives this good can now give more of it.
            self.changed |= self.limits.contains_key(&received);
            add(&mut self.balances, &received, quantity);
        }
        let live = self.live.entry(deal.clone()).or_default();
        // Our own deals withheld all this before; another's takes it away now.
        self.changed |= !live.ours;
        live.committed = true;
        live.terms = Some(terms);
    }

    fn compensated(&mut self, deal: &DealId, reversed: &[u32]) {
        let Some(terms) = self.live.remove(deal).and_then(|live| live.terms) else { return };
        for transfer in reversed.iter().filter_map(|index| terms.transfers.get(usize::try_from(*index).ok()?)) {
            let quantity = transfer.quantity.get();
            add(&mut self.balances, &(transfer.from.clone(), transfer.good.clone()), quantity);
            add(&mut self.balances, &(transfer.to.clone(), transfer.good.clone()), -quantity);
        }
        self.changed = true;
    }

    /// A deal ended without a commit: what it withheld is free again.
    fn ended(&mut self, deal: &DealId) -> Option<Live> {
        let live = self.live.remove(deal).filter(|live| live.ours)?;
        self.changed = true;
        Some(live)
    }

    fn refused(&mut self, deal: &DealId) {
        let Some(live) = self.ended(deal) else { return };
        for (agent, sequence) in live.terms.iter().flat_map(cited) {
            let times = self.refusals.entry((agent.clone(), sequence)).or_insert(0);
            *times = times.saturating_add(1);
            if *times >= REFUSALS_BEFORE_SITTING_OUT {
                let times = *times;
                self.sit_out(
                    &live,
                    &agent,
                    &format!("{times} deals that it was placed in were refused, the last {deal}"),
                );
            }
        }
    }

    fn sit_out(&mut self, live: &Live, agent: &AgentId, detail: &str) {
        let Some((_, sequence)) = live.terms.iter().flat_map(cited).find(|(who, _)| who == agent) else { return };
        let sitting = SittingOut { sequence, detail: detail.to_owned() };
        self.sitting_out
            .entry(agent.clone())
            .and_modify(|known| {
                if known.sequence < sequence {
                    *known = sitting.clone();
                }
            })
            .or_insert(sitting);
    }
}

/// The intents that terms cite, each of a giver that cites its own.
fn cited(terms: &Terms) -> impl Iterator<Item = IntentKey> + '_ {
    terms.transfers.iter().filter_map(|transfer| {
        let intent = transfer.intent.as_ref().filter(|intent| intent.agent == transfer.from)?;
        Some((intent.agent.clone(), intent.sequence))
    })
}

/// Adds what terms take out of each intent that they cite: what its owner gives, and what it receives.
fn add_uses(uses: &mut BTreeMap<IntentKey, Use>, terms: &Terms) {
    let sequences: BTreeMap<AgentId, u64> = cited(terms).collect();
    for transfer in &terms.transfers {
        let quantity = transfer.quantity.get();
        if let Some(sequence) = sequences.get(&transfer.from) {
            add(&mut uses.entry((transfer.from.clone(), *sequence)).or_default().given, &transfer.good, quantity);
        }
        if let Some(sequence) = sequences.get(&transfer.to) {
            add(&mut uses.entry((transfer.to.clone(), *sequence)).or_default().received, &transfer.good, quantity);
        }
    }
}
