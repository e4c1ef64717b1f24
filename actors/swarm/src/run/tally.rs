//! What happened in a market, counted from what its logs say and its agents report.
//!
//! No I/O and no clock: the runner feeds it, and the report is read off it. Counts of deals are cumulative: a settled
//! deal is also counted as committed.

use std::collections::{BTreeMap, BTreeSet};

use schemas::deal::{Accept, Open, ReadTerms, Terms, Transfer};
use schemas::event::{DealEvent, Happening, Signed};
use schemas::limit::MAX_BODY_BYTES;
use schemas::market::LeftOut;
use schemas::profile::State;
use schemas::subject;
use schemas::value::{PartyValuation, ValueReply, ValueRequest};
use schemas::{AgentId, DealId, Good, MarketId, decode};
use serde::Serialize;

use super::rounds::Rounds;
use crate::news::News;

/// How many deals came to each stage, and to each end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stages {
    /// Opened.
    pub opened: u64,
    /// Accepted by every party.
    pub agreed: u64,
    /// Every required claim proved.
    pub certified: u64,
    /// Posted by the ledger.
    pub committed: u64,
    /// Delivered: the good end.
    pub settled: u64,
    /// Ended by a party's no.
    pub rejected: u64,
    /// Taken back by the opener.
    pub withdrawn: u64,
    /// Ended by time.
    pub expired: u64,
    /// Ended by a rule or the ledger.
    pub refused: u64,
    /// Not delivered in time.
    pub failed: u64,
    /// Not delivered in time, and taken back on the books.
    pub compensated: u64,
}

/// What became of the claims that deals required.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// Proved, the proofs standing in the log.
    pub proved: u64,
    /// Deals that were refused for want of a proof, by rule.
    pub refused: BTreeMap<String, u64>,
    /// Deals that passed the gate with something to prove, and were committed.
    pub deals: u64,
    /// How long proving and checking took in those deals, all together, by the log's times, in milliseconds.
    pub proving_ms: i64,
    /// How long they took from open to commit, all together, in milliseconds.
    pub to_commit_ms: i64,
}

/// What is remembered of a deal.
#[derive(Debug)]
pub struct Facts {
    opened_unix_ms: i64,
    /// When the last party accepted, in Unix milliseconds.
    agreed_unix_ms: Option<i64>,
    /// From agreed to certified, by the log's times, in milliseconds, where something was proved.
    proving_ms: Option<i64>,
    /// Where it stands.
    pub state: State,
    /// When it came to which state, in Unix milliseconds, as far as the log was seen.
    pub steps: Vec<(i64, State)>,
    /// From opened to settled, by the log's times, in milliseconds.
    pub settled_after_ms: Option<i64>,
    /// What it moved, once it is committed.
    pub moved: Vec<Transfer>,
    /// Who takes part.
    pub parties: Vec<AgentId>,
    /// How many proofs stand in its log.
    pub proofs: usize,
    /// Why it ended, where somebody said so.
    pub why: Option<String>,
    /// What it is worth to each, once the core has said so.
    pub worth: Option<ValueReply>,
}

/// The count.
#[derive(Debug)]
pub struct Tally {
    market: MarketId,
    /// Deals of the market's book.
    pub deals: BTreeMap<DealId, Facts>,
    /// How many came how far.
    pub stages: Stages,
    /// What became of claims.
    pub claims: Claims,
    /// What each party has received less what it has given, by good, as far as the log was seen.
    pub balances: BTreeMap<(AgentId, Good), i64>,
    /// Intents stored, withdrawals not counted.
    pub intents: u64,
    /// The clearings.
    pub rounds: Rounds,
    /// Whom the maker told that it got nothing, by reason.
    pub told: BTreeMap<String, BTreeSet<AgentId>>,
    /// On what ground agents said no.
    pub grounds: BTreeMap<&'static str, u64>,
    /// Agents that stand in the market now.
    pub here: BTreeSet<AgentId>,
    /// Agents that are registered and ready to follow their schedules.
    pub ready: usize,
    /// What agents reported as gone wrong.
    pub errors: Vec<String>,
    /// Messages that Python hosts received and sent.
    pub host_messages: u64,
}

/// No more errors than this are remembered word for word.
const ERRORS_KEPT: usize = 20;

impl Tally {
    /// Nothing has happened in this market yet.
    #[must_use]
    pub fn new(market: MarketId) -> Self {
        Self {
            market,
            deals: BTreeMap::new(),
            stages: Stages::default(),
            claims: Claims::default(),
            balances: BTreeMap::new(),
            intents: 0,
            rounds: Rounds::default(),
            told: BTreeMap::new(),
            grounds: BTreeMap::new(),
            here: BTreeSet::new(),
            ready: 0,
            errors: Vec::new(),
            host_messages: 0,
        }
    }

    /// How many deals have not ended.
    #[must_use]
    pub fn open(&self) -> usize {
        self.deals.values().filter(|facts| !facts.state.is_end()).count()
    }

    /// Something happened to a deal. A commit gives the question what it is worth to whom.
    pub fn happened(&mut self, event: &DealEvent) -> Option<ValueRequest> {
        // A deal that was opened before we began to look is met at its commit.
        if let Happening::Opened { book, .. } | Happening::Committed { book, .. } = &event.what
            && *book == self.market
        {
            self.deals.entry(event.deal.clone()).or_insert_with(|| Facts::of(event));
        }
        let facts = self.deals.get_mut(&event.deal)?;
        let before = facts.came_to(event.what.state(), event.at_unix_ms);
        facts.why = why(&event.what).or_else(|| facts.why.take());
        let (stages, claims) = (&mut self.stages, &mut self.claims);
        match &event.what {
            Happening::Opened { .. } => stages.opened += 1,
            Happening::Accepted { last, .. } => {
                stages.agreed += u64::from(*last);
                facts.agreed_unix_ms = last.then_some(event.at_unix_ms);
            }
            Happening::Certified { certificates, .. } => {
                stages.certified += 1;
                claims.proved += certificates.len() as u64;
                facts.proofs = certificates.len();
                let agreed = facts.agreed_unix_ms.filter(|_| !certificates.is_empty());
                facts.proving_ms = agreed.map(|agreed| event.at_unix_ms.saturating_sub(agreed));
            }
            Happening::Committed { terms, acceptances, .. } => {
                stages.committed += 1;
                if let Some(proving_ms) = facts.proving_ms {
                    claims.deals += 1;
                    claims.proving_ms = claims.proving_ms.saturating_add(proving_ms);
                    let to_commit_ms = event.at_unix_ms.saturating_sub(facts.opened_unix_ms);
                    claims.to_commit_ms = claims.to_commit_ms.saturating_add(to_commit_ms);
                }
                let ReadTerms { terms, .. } = ReadTerms::read(terms).ok()?;
                facts.moved.clone_from(&terms.transfers);
                facts.parties.clone_from(&terms.parties);
                post(&mut self.balances, &facts.moved, 1);
                return valued(terms, acceptances);
            }
            Happening::Settled => {
                stages.settled += 1;
                facts.settled_after_ms = Some(event.at_unix_ms.saturating_sub(facts.opened_unix_ms));
            }
            Happening::Rejected { .. } => stages.rejected += 1,
            Happening::Withdrawn { .. } => stages.withdrawn += 1,
            Happening::Expired => stages.expired += 1,
            Happening::Refused { rule, .. } => {
                stages.refused += 1;
                if before == State::Agreed {
                    *claims.refused.entry(rule.clone()).or_insert(0) += 1;
                }
            }
            Happening::Failed { .. } => stages.failed += 1,
            Happening::Compensated { reversed } => {
                stages.compensated += 1;
                let index = |index: &u32| facts.moved.get(usize::try_from(*index).ok()?).cloned();
                let back: Vec<Transfer> = reversed.iter().filter_map(index).collect();
                post(&mut self.balances, &back, -1);
            }
            Happening::Proposed { .. } | Happening::Confirmed { .. } => {}
        }
        None
    }

    /// How far it is, in a line.
    #[must_use]
    pub fn line(&self) -> String {
        let Stages { opened, settled, .. } = self.stages;
        let here = self.here.len();
        let clearings = self.rounds.cleared.len();
        format!(
            "{here} agents here, {clearings} clearings, {opened} deals opened, {} under way, {settled} settled",
            self.open()
        )
    }

    /// The core has said what a deal is worth to its parties.
    pub fn valued(&mut self, deal: &DealId, worth: ValueReply) {
        if let Some(facts) = self.deals.get_mut(deal) {
            facts.worth = Some(worth);
        }
    }

    /// An agent, or a host, reports.
    pub fn reported(&mut self, news: News) {
        match news {
            News::Ready { agents } => self.ready += agents,
            News::Joined { agent, .. } => {
                self.here.insert(agent);
            }
            News::Left { agent } => {
                self.here.remove(&agent);
            }
            News::Told { agent, left_out: Some(reason) } => {
                self.told.entry(word(reason)).or_default().insert(agent);
            }
            News::Rejected { by, .. } => *self.grounds.entry(by.name()).or_insert(0) += 1,
            News::Drained { messages_in, messages_out } => {
                self.host_messages = self.host_messages.saturating_add(messages_in).saturating_add(messages_out);
            }
            News::Error { agent, what, message } if self.errors.len() < ERRORS_KEPT => {
                let who = agent.map_or_else(|| "a host".to_owned(), |agent| agent.to_string());
                self.errors.push(format!("{who}: {what}: {message}"));
            }
            _ => {}
        }
    }
}

impl Facts {
    fn of(first: &DealEvent) -> Self {
        Self {
            opened_unix_ms: first.at_unix_ms,
            agreed_unix_ms: None,
            proving_ms: None,
            state: first.what.state(),
            steps: vec![(first.at_unix_ms, first.what.state())],
            settled_after_ms: None,
            moved: Vec::new(),
            parties: named(first).unwrap_or_default(),
            proofs: 0,
            why: None,
            worth: None,
        }
    }

    /// It stands there from now on; gives where it stood before.
    fn came_to(&mut self, state: State, at_unix_ms: i64) -> State {
        if self.state != state {
            self.steps.push((at_unix_ms, state));
        }
        std::mem::replace(&mut self.state, state)
    }
}

/// Whom the move that opened a deal names.
fn named(opened: &DealEvent) -> Option<Vec<AgentId>> {
    let open: Open = decode(&opened.cause.as_ref()?.body, MAX_BODY_BYTES).ok()?;
    Some(open.parties)
}

/// Why a deal ends, for people, where the log says so.
fn why(what: &Happening) -> Option<String> {
    match what {
        Happening::Rejected { by, reason } => Some(format!("{by}: {reason}")),
        Happening::Withdrawn { by, reason } => Some(format!("{by}: {reason}")),
        Happening::Refused { rule, reason, .. } => Some(format!("{rule}: {reason}")),
        _ => None,
    }
}

fn post(balances: &mut BTreeMap<(AgentId, Good), i64>, transfers: &[Transfer], sign: i64) {
    for transfer in transfers {
        let quantity = sign * transfer.quantity.get();
        for (party, change) in [(&transfer.from, -quantity), (&transfer.to, quantity)] {
            let balance = balances.entry((party.clone(), transfer.good.clone())).or_insert(0);
            *balance = balance.saturating_add(change);
        }
    }
}

/// Asks what terms are worth to each party by what it stated when it accepted.
fn valued(terms: Terms, acceptances: &[Signed]) -> Option<ValueRequest> {
    let stated = |signed: &Signed| {
        let (_, party, _) = subject::parse_deal_move(&signed.subject).ok()?;
        let accept: Accept = decode(&signed.body, MAX_BODY_BYTES).ok()?;
        Some(PartyValuation { party, valuation: accept.valuation })
    };
    let valuations: Option<Vec<PartyValuation>> = acceptances.iter().map(stated).collect();
    Some(ValueRequest { terms, valuations: valuations? })
}

/// A reason as the wire writes it.
pub(super) fn word(reason: LeftOut) -> String {
    serde_json::to_value(reason).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use schemas::deal::Delivery;
    use schemas::profile::Profile;
    use schemas::{Hash, MoveId, Quantity, encode};

    use super::*;

    fn deal(number: u32) -> DealId {
        DealId::of(&"maker".parse().unwrap(), &MoveId::parse(&format!("m{number}")).unwrap())
    }

    fn event(number: u32, at_unix_ms: i64, what: Happening) -> DealEvent {
        DealEvent { deal: deal(number), turn: 0, prev: Hash::default(), at_unix_ms, what, cause: None, trace: None }
    }

    fn opened(book: &str) -> Happening {
        Happening::Opened {
            opener: "maker".parse().unwrap(),
            book: book.parse().unwrap(),
            profile: Profile::Ring,
            terms_hash: None,
        }
    }

    /// Three units of tea go from a to b, and two of oil back.
    fn committed() -> Happening {
        let transfer = |from: &str, to: &str, good: &str, quantity| Transfer {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            good: good.parse().unwrap(),
            quantity: Quantity::new(quantity).unwrap(),
            due_unix_ms: 100,
            intent: None,
        };
        let terms = Terms {
            book: "here".parse().unwrap(),
            parties: vec!["a".parse().unwrap(), "b".parse().unwrap()],
            transfers: vec![transfer("a", "b", "tea", 3), transfer("b", "a", "oil", 2)],
            delivery: Delivery::Confirmed,
            expires_unix_ms: 50,
            award: None,
        };
        let (book, terms) = (terms.book.clone(), encode(&terms));
        Happening::Committed { book, terms, acceptances: Vec::new(), certificates: Vec::new() }
    }

    fn balance(tally: &Tally, party: &str, good: &str) -> i64 {
        let key = (party.parse().unwrap(), good.parse().unwrap());
        tally.balances.get(&key).copied().unwrap_or(0)
    }

    #[test]
    fn counts_are_cumulative_and_of_one_book() {
        let mut tally = Tally::new("here".parse().unwrap());
        for (number, book) in [(1, "here"), (2, "here"), (3, "elsewhere")] {
            tally.happened(&event(number, 10, opened(book)));
        }
        tally.happened(&event(2, 12, Happening::Expired));
        tally.happened(&event(3, 12, Happening::Expired));
        let question = tally.happened(&event(1, 15, committed())).unwrap();
        assert_eq!(question.terms.transfers.len(), 2);
        assert_eq!(tally.open(), 1);
        tally.happened(&event(1, 40, Happening::Settled));
        let expected = Stages { opened: 2, committed: 1, settled: 1, expired: 1, ..Stages::default() };
        assert_eq!((&tally.stages, tally.open()), (&expected, 0));
        assert_eq!(tally.deals[&deal(1)].settled_after_ms, Some(30));
        let steps = [(10, State::Open), (15, State::Committed), (40, State::Settled)];
        assert_eq!(tally.deals[&deal(1)].steps, steps);
        assert_eq!((balance(&tally, "b", "tea"), balance(&tally, "a", "tea")), (3, -3));
    }

    #[test]
    fn who_says_no_and_why_is_remembered() {
        let mut tally = Tally::new("here".parse().unwrap());
        tally.happened(&event(1, 10, opened("here")));
        tally.happened(&event(1, 11, Happening::Rejected { by: "b".parse().unwrap(), reason: "too little".into() }));
        assert_eq!(tally.deals[&deal(1)].why.as_deref(), Some("b: too little"));
    }

    #[test]
    fn what_is_taken_back_is_on_the_books_no_more() {
        let mut tally = Tally::new("here".parse().unwrap());
        // It was open before the watch began.
        tally.happened(&event(1, 15, committed()));
        tally.happened(&event(1, 100, Happening::Failed { undelivered: vec![1] }));
        tally.happened(&event(1, 101, Happening::Compensated { reversed: vec![1] }));
        assert_eq!((balance(&tally, "b", "tea"), balance(&tally, "a", "oil")), (3, 0));
        let expected = Stages { committed: 1, failed: 1, compensated: 1, ..Stages::default() };
        assert_eq!((&tally.stages, tally.open()), (&expected, 0));
    }
}
