//! One market as the maker sees it: who stands in it, what is left of that, when to clear, what came of it.
//!
//! A state machine without I/O and without a clock: the loop in [`super`] feeds it what streams, desk and
//! solver say, and carries out what it answers. All that must survive a restart is in the streams; what is
//! lost with the process is what was told to whom, and the rings of the last clearing, from which the next search starts.

use std::collections::{BTreeMap, BTreeSet};

use schemas::body::Refused;
use schemas::clearing::{Clear, Cleared, Clearing, Objective, Offer, Ring};
use schemas::deal::Terms;
use schemas::market::{Because, Intent, LeftOut, Market};
use schemas::signature::Sender;
use schemas::{AgentId, DealId, Good, MarketId};

use super::admission::{self, Replays};
use super::proposal::Proposal;
use super::refine::{Brief, Refinement};
use super::trades::{IntentKey, Trades};
use crate::remaining::{self, Use};

#[cfg(test)]
mod tests;

/// An intent that stands.
#[derive(Debug, Clone)]
struct Standing {
    intent: Intent,
    sequence: u64,
    expires_unix_ms: Option<i64>,
}

/// What came on an agent's subject.
#[derive(Debug, Clone)]
pub struct Heard<'a> {
    /// Whose subject.
    pub agent: AgentId,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Who signed it, once the key history has confirmed that it was the agent; or what is wrong.
    pub sender: Result<Sender, Refused>,
    /// The exact body.
    pub body: &'a [u8],
    /// When the stream stored it, in Unix milliseconds.
    pub stored_unix_ms: i64,
    /// When it goes away by itself, in Unix milliseconds.
    pub expires_unix_ms: Option<i64>,
}

/// What a clearing asks, and whom to tell something even before it is answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prepared {
    /// The question for the solver; none when nobody is left to clear.
    pub request: Option<Clear>,
    /// What agents should hear.
    pub tell: Vec<Because>,
}

/// What came of a clearing.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// For everyone who watches.
    pub record: Clearing,
    /// The deals to open.
    pub proposals: Vec<Proposal>,
    /// What agents should hear.
    pub tell: Vec<Because>,
    /// Rings that are no rings; the solver is at fault.
    pub malformed: usize,
}

/// A clearing that is being computed.
#[derive(Debug, Clone)]
struct Asked {
    request: Clear,
    sequences: BTreeMap<AgentId, u64>,
}

/// One market.
#[derive(Debug, Clone)]
pub struct Book {
    id: MarketId,
    maker: AgentId,
    market: Option<Market>,
    standing: BTreeMap<AgentId, Standing>,
    replays: Replays,
    trades: Trades,
    changed: bool,
    clearing: u32,
    asked: Option<Asked>,
    /// The rings of the last clearing, for the next one to start from.
    earlier: Vec<Ring>,
    because: BTreeMap<AgentId, Because>,
    told: BTreeMap<AgentId, LeftOut>,
}

impl Book {
    /// A market of which nothing is known yet.
    #[must_use]
    pub fn new(id: MarketId, maker: AgentId) -> Self {
        Self {
            id,
            market: None,
            standing: BTreeMap::new(),
            replays: Replays::default(),
            trades: Trades::new(maker.clone()),
            maker,
            changed: false,
            clearing: 0,
            asked: None,
            earlier: Vec::new(),
            because: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// Its declaration.
    #[must_use]
    pub fn market(&self) -> Option<&Market> {
        self.market.as_ref()
    }

    /// Its trades.
    #[must_use]
    pub fn trades(&self) -> &Trades {
        &self.trades
    }

    /// Its trades, to take note of what happened.
    pub fn trades_mut(&mut self) -> &mut Trades {
        &mut self.trades
    }

    /// The market was declared, or declared anew: whoever stands in it is looked at again.
    pub fn declare(&mut self, market: Market) -> Vec<Because> {
        let mut tell = Vec::new();
        for (agent, standing) in std::mem::take(&mut self.standing) {
            match admission::check(&market, &standing.intent) {
                Ok(()) => {
                    self.standing.insert(agent, standing);
                }
                Err(refused) => tell.push(self.refuse(&agent, &refused)),
            }
        }
        self.market = Some(market);
        self.changed = true;
        tell
    }

    /// Somebody said something on an agent's subject. `Err` when it is refused: what to tell the agent,
    /// and the reason for the dead letter. A message that is not the agent's own changes nothing; a
    /// faulty one of its own replaces what it said before, as any would.
    ///
    /// # Errors
    /// The field at fault, and why.
    pub fn heard(&mut self, heard: Heard<'_>) -> Result<(), (Because, Refused)> {
        let agent = heard.agent;
        let signed = heard.sender.and_then(|sender| self.replays.admit(&agent, &sender, heard.stored_unix_ms));
        if let Err(refused) = signed {
            return Err((self.because(&agent, LeftOut::Refused, refused.to_string()), refused));
        }
        let known = self.standing.remove(&agent).is_some();
        self.changed |= known;
        self.because.remove(&agent);
        self.told.remove(&agent);
        let read = admission::read(&self.id, &agent, heard.body).and_then(|said| {
            if let (Some(intent), Some(market)) = (&said, &self.market) {
                admission::check(market, intent)?;
            }
            Ok(said)
        });
        match read {
            Ok(None) => Ok(()),
            Ok(Some(intent)) => {
                self.trades.forget_before(&agent, heard.sequence);
                let standing = Standing { intent, sequence: heard.sequence, expires_unix_ms: heard.expires_unix_ms };
                self.standing.insert(agent, standing);
                self.changed = true;
                Ok(())
            }
            Err(refused) => Err((self.refuse(&agent, &refused), refused)),
        }
    }

    fn refuse(&mut self, agent: &AgentId, refused: &Refused) -> Because {
        let because = self.because(agent, LeftOut::Refused, refused.to_string());
        self.because.insert(agent.clone(), because.clone());
        because
    }

    /// Asks for a clearing, if anything changed since the last that could matter and none is under way.
    pub fn prepare(&mut self, now_unix_ms: i64) -> Option<Prepared> {
        let market = self.market.clone().filter(|_| self.asked.is_none())?;
        self.trades.forget_lapsed(now_unix_ms);
        self.forget_expired(now_unix_ms);
        let changed = self.trades.take_changed() | self.changed;
        if !changed {
            return None;
        }
        self.changed = false;
        let withheld = self.trades.withheld();
        let mut offers = Vec::new();
        let mut sequences = BTreeMap::new();
        let mut tell = Vec::new();
        for (agent, standing) in self.standing.clone() {
            match self.offer(&agent, &standing, &withheld) {
                Ok(offer) => {
                    sequences.insert(agent, standing.sequence);
                    offers.push(offer);
                }
                Err((reason, detail)) => tell.extend(self.left_out(&agent, reason, detail)),
            }
        }
        if offers.is_empty() {
            return Some(Prepared { request: None, tell });
        }
        let request = Clear {
            goods: market.goods.clone(),
            offers,
            band: Some(market.band),
            margin_ppm: market.margin_ppm,
            max_ring: market.max_ring,
            objective: Objective::Welfare,
            days: market.days_to_delivery(),
            time_limit_ms: market.time_limit_ms,
            max_chain: None,
            then: None,
            earlier: self.earlier.clone(),
            with_limits: false,
        };
        self.asked = Some(Asked { request: request.clone(), sequences });
        Some(Prepared { request: Some(request), tell })
    }

    /// Forgets intents whose time has come, and what was said of them.
    fn forget_expired(&mut self, now_unix_ms: i64) {
        let is_gone = |standing: &Standing| standing.expires_unix_ms.is_some_and(|at| at <= now_unix_ms);
        for (agent, _) in self.standing.extract_if(.., |_, standing| is_gone(standing)) {
            self.because.remove(&agent);
            self.told.remove(&agent);
            self.changed = true;
        }
    }

    /// What is left of an intent, or why nothing is.
    fn offer(
        &self,
        agent: &AgentId,
        standing: &Standing,
        withheld: &BTreeMap<IntentKey, Use>,
    ) -> Result<Offer, (LeftOut, String)> {
        let intent = &standing.intent;
        if let Some(sitting) = self.trades.sits_out(agent, standing.sequence) {
            return Err((
                LeftOut::SittingOut,
                format!("{}; it sits out until it publishes an intent anew", sitting.detail),
            ));
        }
        let key = (agent.clone(), standing.sequence);
        let in_deals = withheld.get(&key).cloned().unwrap_or_default();
        let mut used = self.trades.filled(&key);
        used.add(&in_deals);
        let withheld_of = |good: &Good| {
            let all = withheld.iter().filter(|((who, _), _)| who == agent).map(|(_, uses)| uses.given(good));
            all.fold(0i64, i64::saturating_add)
        };
        let may_give = |good: &Good| self.trades.may_give(agent, good).saturating_sub(withheld_of(good));
        let gives = remaining::gives(&intent.gives, &used, may_give);
        let wants = remaining::wants(&intent.wants, &used);
        let open = |what: &str| (LeftOut::InOpenDeals, format!("all that it {what} is in open deals"));
        let filled = |what: &str| (LeftOut::Filled, format!("all that it {what} has been traded"));
        if gives.is_empty() && !intent.gives.is_empty() {
            let undeclared = intent.gives.iter().find(|give| used.given(&give.good) < give.limit.get());
            let is_in_deals = intent.gives.iter().any(|give| withheld_of(&give.good) > 0);
            return Err(match undeclared {
                _ if is_in_deals => open("gives"),
                Some(give) => (LeftOut::Refused, self.not_covered(agent, give.good.clone())),
                None => filled("gives"),
            });
        }
        if wants.is_empty() && !intent.wants.is_empty() {
            return Err(if in_deals.received.is_empty() { filled("wants") } else { open("wants") });
        }
        Ok(Offer {
            agent: agent.clone(),
            sequence: Some(standing.sequence),
            gives,
            wants,
            margin_ppm: intent.margin_ppm,
            outlook: intent.outlook.clone(),
        })
    }

    fn not_covered(&self, agent: &AgentId, good: Good) -> String {
        match self.trades.limit(agent, &good) {
            None => {
                format!("gives: {good} is offered, but the ledger knows no limit for it; declare one (ledger.declare)")
            }
            Some(limit) => {
                format!("gives: {good} is offered, but of the {limit} declared at the ledger nothing is left to give")
            }
        }
    }

    /// What there is to refine in the answer of the clearing that is being computed; `None` where the market states no
    /// rule of division.
    #[must_use]
    pub fn to_refine(&self) -> Option<Brief> {
        let (asked, market) = (self.asked.as_ref()?, self.market.clone()?);
        Some(Brief {
            rule: market.division?,
            market,
            request: asked.request.clone(),
            sequences: asked.sequences.clone(),
            clearing: self.next_clearing(),
        })
    }

    fn next_clearing(&self) -> u32 {
        self.clearing.max(self.trades.last_clearing()).saturating_add(1)
    }

    /// The solver answered, and perhaps its answer was refined: opens the rings, and says why the others got nothing.
    pub fn cleared(&mut self, result: Cleared, refined: Option<Refinement>, now_unix_ms: i64) -> Option<Outcome> {
        let clearing = self.next_clearing();
        let (Asked { request, sequences }, market) = (self.asked.take()?, self.market.clone()?);
        self.clearing = clearing;
        let rings = refined.as_ref().map_or(&result.rings, |refined| &refined.rings);
        let evolved = refined.as_ref().map_or(&[][..], |refined| &refined.evolved);
        let rings = rings.iter().map(|ring| {
            let parties: Vec<&AgentId> = ring.hops.iter().map(|hop| &hop.from).collect();
            (parties, Proposal::of(&self.maker, &market, clearing, ring, &sequences, now_unix_ms))
        });
        let evolved = evolved.iter().map(|terms| {
            let proposal = Proposal::of_terms(&self.maker, &market, clearing, terms.clone(), now_unix_ms);
            (terms.parties.iter().collect(), proposal)
        });
        let found: Vec<(Vec<&AgentId>, Option<Proposal>)> = rings.chain(evolved).collect();
        let mut proposals: Vec<Proposal> = Vec::new();
        let mut taken: BTreeMap<AgentId, Use> = BTreeMap::new();
        let mut malformed = 0;
        for (parties, proposal) in found {
            let stands = |agent: &AgentId| sequences.get(agent).is_some_and(|at| self.stands(agent, *at));
            if !parties.into_iter().all(stands) {
                // Somebody changed its mind while the solver computed: the others are cleared again.
                self.changed = true;
                continue;
            }
            match proposal.filter(|proposal| take(&request, &mut taken, &proposal.terms)) {
                Some(proposal) => proposals.push(proposal),
                None => malformed += 1,
            }
        }
        for proposal in &proposals {
            self.trades.opening(proposal.deal.clone(), proposal.terms.clone());
        }
        self.earlier.clone_from(&result.rings);
        let tell = self.explain(&result, &proposals, &sequences);
        let record = Clearing {
            market: self.id.clone(),
            clearing: self.clearing,
            at_unix_ms: now_unix_ms,
            request: Some(request),
            result,
            deals: proposals.iter().map(|proposal| proposal.deal.clone()).collect(),
            refined: refined.map(|refined| refined.figures),
        };
        Some(Outcome { record, proposals, tell, malformed })
    }

    /// Whether an agent's intent is still the one with this sequence.
    fn stands(&self, agent: &AgentId, sequence: u64) -> bool {
        self.standing.get(agent).is_some_and(|standing| standing.sequence == sequence)
    }

    /// The solver did not answer: ask again next time.
    pub fn not_cleared(&mut self) {
        self.asked = None;
        self.changed = true;
    }

    fn explain(
        &mut self,
        result: &Cleared,
        proposals: &[Proposal],
        sequences: &BTreeMap<AgentId, u64>,
    ) -> Vec<Because> {
        let mut tell = Vec::new();
        // Whoever has said something else meanwhile is none of this clearing's business any more.
        let mut silent: BTreeSet<&AgentId> =
            sequences.iter().filter(|(agent, at)| self.stands(agent, **at)).map(|(agent, _)| agent).collect();
        let mut placed: BTreeMap<&AgentId, Vec<DealId>> = BTreeMap::new();
        for proposal in proposals {
            for party in &proposal.terms.parties {
                placed.entry(party).or_default().push(proposal.deal.clone());
            }
        }
        for out in &result.left_out {
            // An exchange may have been found since for whom the solver left out.
            if !placed.contains_key(&out.agent) && silent.remove(&out.agent) {
                tell.extend(self.left_out(&out.agent, out.reason, out.detail.clone()));
            }
        }
        for agent in silent {
            let deals = placed.remove(agent).unwrap_or_default();
            let detail = match deals.len() {
                0 => "its ring was dropped: a party changed its intent meanwhile".to_owned(),
                1 => "placed in 1 deal".to_owned(),
                several => format!("placed in {several} deals"),
            };
            let (market, clearing) = (self.id.clone(), self.clearing);
            let because = Because { market, agent: agent.clone(), clearing, deals, left_out: None, detail };
            self.because.insert(agent.clone(), because);
            self.told.remove(agent);
        }
        tell
    }

    /// Notes why an agent got nothing; something to tell only when the reason is another than before. Whose goods are in
    /// open deals was not left out, and hears of those deals.
    fn left_out(&mut self, agent: &AgentId, reason: LeftOut, detail: String) -> Option<Because> {
        let because = self.because(agent, reason, detail);
        self.because.insert(agent.clone(), because.clone());
        if reason == LeftOut::InOpenDeals {
            return None;
        }
        (self.told.insert(agent.clone(), reason) != Some(reason)).then_some(because)
    }

    fn because(&self, agent: &AgentId, reason: LeftOut, detail: String) -> Because {
        let (market, clearing) = (self.id.clone(), self.clearing);
        Because { market, agent: agent.clone(), clearing, deals: Vec::new(), left_out: Some(reason), detail }
    }

    /// Why an agent got nothing in the last clearing, or what it got.
    #[must_use]
    pub fn why(&self, agent: &AgentId) -> Because {
        if let Some(because) = self.because.get(agent) {
            return because.clone();
        }
        if self.standing.contains_key(agent) {
            let detail = "its intent has not been in a clearing yet".to_owned();
            let (market, clearing) = (self.id.clone(), self.clearing);
            return Because { market, agent: agent.clone(), clearing, deals: Vec::new(), left_out: None, detail };
        }
        self.because(agent, LeftOut::NoIntent, "it has no intent in this market".to_owned())
    }
}

/// Takes what terms move out of the offers that were cleared, if these cover it beside what other rings took. The
/// solver is only asked: what it answers may not promise anybody's goods twice.
fn take(request: &Clear, taken: &mut BTreeMap<AgentId, Use>, terms: &Terms) -> bool {
    let moves: Vec<Use> = terms.parties.iter().map(|party| Use::of(party, terms)).collect();
    let covered = terms.parties.iter().zip(&moves).all(|(party, moved)| {
        let before = taken.get(party).cloned().unwrap_or_default();
        // Offers stand in the order of their agents' ids.
        let found = request.offers.binary_search_by(|offer| offer.agent.cmp(party)).ok();
        let offer = found.and_then(|at| request.offers.get(at));
        offer.is_some_and(|offer| remaining::covers(&offer.gives, &offer.wants, &before, moved))
    });
    if covered {
        for (party, moved) in terms.parties.iter().zip(&moves) {
            taken.entry(party.clone()).or_default().add(moved);
        }
    }
    covered
}
