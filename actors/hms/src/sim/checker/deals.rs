//! Deals, as their logs tell them: who may write what, when, and what it does to the books.

use std::collections::BTreeSet;

use runtime::port::Stored;
use schemas::{
    AgentId, DealId, Hash, MarketId,
    deal::{Accept, Delivery, Move, ReadTerms, Terms},
    event::{DealEvent, Evidence, Happening, Signed},
    profile::State,
    subject::{self, DealVerb},
};

use super::{Checker, Fault, fault, promise, read, within_limits};

/// A deal.
#[derive(Debug)]
pub struct Deal {
    id: DealId,
    state: Option<State>,
    turns: u32,
    head: Hash,
    opener: Option<AgentId>,
    parties: Vec<AgentId>,
    terms: Option<(Terms, Hash, Vec<u8>)>,
    certificates: Vec<Evidence>,
    accepted: BTreeSet<AgentId>,
    is_committed: bool,
    ended_by: Option<AgentId>,
}

impl Deal {
    fn new(id: DealId) -> Self {
        Self {
            id,
            state: None,
            turns: 0,
            head: Hash::ZERO,
            opener: None,
            parties: Vec::new(),
            terms: None,
            certificates: Vec::new(),
            accepted: BTreeSet::new(),
            is_committed: false,
            ended_by: None,
        }
    }

    /// Its id.
    pub fn id(&self) -> &DealId {
        &self.id
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state.unwrap_or(State::Open)
    }

    /// Whether nothing may follow. What failed is taken back first.
    pub fn is_over(&self) -> bool {
        self.state().is_end() && self.state() != State::Failed
    }

    /// Who must have been told of its end, and of which entry.
    pub fn must_be_told(&self) -> impl Iterator<Item = (AgentId, u32)> {
        let turn = self.turns.saturating_sub(1);
        // Whoever opened a deal that is taken back was told that it failed.
        let opener = self.opener.iter().filter(|_| self.state() != State::Compensated);
        let all: BTreeSet<&AgentId> = self.parties.iter().chain(opener).collect();
        let told = all.into_iter().filter(|agent| self.is_over() && Some(*agent) != self.ended_by.as_ref());
        told.map(move |agent| (agent.clone(), turn))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let read = ReadTerms::read(bytes).or_else(|bad| fault(promise::SIGNED, bad.to_string()))?;
        self.terms = Some((read.terms, read.hash, bytes.to_vec()));
        Ok(())
    }
}

impl Checker {
    pub(super) fn deal_entry(&mut self, stored: &Stored) -> Result<(), Fault> {
        let event: DealEvent = read(&stored.body)?;
        if subject::deal_log(&event.deal) != stored.subject {
            return fault(promise::CHAINED, "it is of another deal");
        }
        let mut deal = self.deals.remove(&event.deal).unwrap_or_else(|| Deal::new(event.deal.clone()));
        let done = self.happens(&mut deal, &event, stored);
        deal.turns = event.turn + 1;
        deal.head = Hash::of(&stored.body);
        self.events.insert((event.deal.clone(), event.turn), event.what.name());
        self.deals.insert(event.deal, deal);
        done
    }

    fn happens(&mut self, deal: &mut Deal, event: &DealEvent, stored: &Stored) -> Result<(), Fault> {
        let what = &event.what;
        if (event.turn, event.prev) != (deal.turns, deal.head) {
            let how = format!(
                "{}: entry {} ({}) doesn't follow entry {}",
                deal.id,
                event.turn,
                what.name(),
                i64::from(deal.turns) - 1
            );
            return fault(promise::CHAINED, how);
        }
        if deal.is_over() || (deal.state == Some(State::Failed) && !matches!(what, Happening::Compensated { .. })) {
            return fault(promise::ONE_END, format!("{}: {} after {}", deal.id, what.name(), deal.state()));
        }
        if deal.is_committed && matches!(what, Happening::Committed { .. }) {
            return fault(promise::ONCE, format!("{} is committed twice", deal.id));
        }
        let by = match &event.cause {
            Some(cause) => Some(self.mover(deal, what, cause)?),
            None => None,
        };
        let ask = match (&event.cause, by.as_ref()) {
            (Some(cause), Some((verb, _))) => {
                Some(Move::decode(*verb, &cause.body).or_else(|bad| fault(promise::SIGNED, bad.to_string()))?)
            }
            _ => None,
        };
        let before = deal.state;
        deal.state = Some(what.state());
        match (what, &ask) {
            (Happening::Opened { opener, .. }, Some(Move::Open(open))) => {
                if before.is_some() {
                    return fault(promise::ONCE, format!("{} is opened twice", deal.id));
                }
                (deal.opener, deal.parties) = (Some(opener.clone()), open.parties.clone());
                if let Some(terms) = &open.terms {
                    deal.put(terms)?;
                }
            }
            (Happening::Proposed { .. }, Some(Move::Propose(propose))) => deal.put(&propose.terms)?,
            (Happening::Accepted { by, last, .. }, Some(Move::Accept(accept))) => {
                deal.state = Some(if *last { State::Agreed } else { State::Negotiating });
                let hash = deal.terms.as_ref().map(|(_, hash, _)| *hash);
                if hash != Some(accept.terms_hash) || !deal.accepted.insert(by.clone()) {
                    return fault(promise::SIGNED, format!("{by} accepts other terms of {}, or once more", deal.id));
                }
                if *last != (deal.accepted.len() == deal.parties.len()) {
                    return fault(promise::SIGNED, format!("{by} is taken for the last to accept {}", deal.id));
                }
            }
            (Happening::Certified { terms, acceptances, certificates, .. }, None) => {
                self.all_accept(deal, terms, acceptances)?;
                deal.certificates.clone_from(certificates);
            }
            (Happening::Committed { book, terms, acceptances, certificates }, None) => {
                if before != Some(State::Certified) || *certificates != deal.certificates {
                    return fault(promise::SIGNED, format!("{} is committed, and was not certified so", deal.id));
                }
                self.all_accept(deal, terms, acceptances)?;
                deal.is_committed = true;
                return self.commit(deal, book, event.at_unix_ms, stored);
            }
            (Happening::Settled, None) => return self.release(deal, &[], None),
            (Happening::Compensated { reversed }, None) => {
                if before != Some(State::Failed) {
                    return fault(promise::ONE_END, format!("{} is taken back, and had not failed", deal.id));
                }
                return self.release(deal, reversed, Some((stored, event.at_unix_ms)));
            }
            (Happening::Confirmed { .. }, Some(Move::Confirm(_)))
            | (Happening::Rejected { .. }, Some(Move::Reject(_)))
            | (Happening::Withdrawn { .. }, Some(Move::Withdraw(_)))
            | (Happening::Expired | Happening::Refused { .. } | Happening::Failed { .. }, None) => {}
            (what, _) => return fault(promise::SIGNED, format!("{} of {} has no such cause", what.name(), deal.id)),
        }
        if let (Some(ask), Some((_, by)), Some(cause)) = (ask, by, &event.cause) {
            if deal.is_over() {
                deal.ended_by = Some(by.clone());
            }
            let key = (by, deal.id.to_string(), ask.move_id().clone());
            let state = deal.state();
            self.record(key, stored, cause, Some((state, event.turn)))?;
        }
        Ok(())
    }

    /// Who made the move behind an entry.
    fn mover(&self, deal: &Deal, what: &Happening, cause: &Signed) -> Result<(DealVerb, AgentId), Fault> {
        self.really_said(cause)?;
        let (verb, by, of) =
            subject::parse_deal_move(&cause.subject).or_else(|bad| fault(promise::SIGNED, bad.to_string()))?;
        let opens = verb == DealVerb::Open;
        let is_in_it = opens || deal.parties.contains(&by) || deal.opener.as_ref() == Some(&by);
        if of != deal.id || !is_in_it {
            return fault(promise::SIGNED, format!("{} of {} comes of {}", what.name(), deal.id, cause.subject));
        }
        Ok((verb, by))
    }

    /// Whether every party said that it accepts these very terms, in order.
    fn all_accept(&self, deal: &Deal, terms: &[u8], acceptances: &[Signed]) -> Result<(), Fault> {
        let on_table = deal.terms.as_ref().filter(|(_, _, bytes)| bytes == terms);
        let Some((_, hash, _)) = on_table else {
            return fault(promise::SIGNED, format!("other terms of {} than were on the table", deal.id));
        };
        if acceptances.len() != deal.parties.len() {
            return fault(
                promise::SIGNED,
                format!("{}: {} of {} parties signed", deal.id, acceptances.len(), deal.parties.len()),
            );
        }
        for (party, signed) in deal.parties.iter().zip(acceptances) {
            self.really_said(signed)?;
            let accept: Accept = read(&signed.body)?;
            let wanted = subject::deal_move(DealVerb::Accept, party, &deal.id);
            if signed.subject != wanted || accept.terms_hash != *hash || accept.deal != deal.id {
                return fault(promise::SIGNED, format!("{}: {party} signed something else", deal.id));
            }
        }
        Ok(())
    }

    fn commit(&mut self, deal: &Deal, book: &MarketId, at_unix_ms: i64, stored: &Stored) -> Result<(), Fault> {
        let Some((terms, _, _)) = &deal.terms else { return Ok(()) };
        let book = self.books.entry(book.clone()).or_default();
        let short = book.commit(&deal.id, terms);
        book.chain(&stored.subject, &stored.body);
        let over = book.imports.as_mut().and_then(|imports| {
            imports.at(at_unix_ms);
            imports.commit(&deal.id, terms)
        });
        if let Some((party, by)) = over {
            return fault(promise::SOLVENT, format!("{party} lacks {by} import certificates for {}", deal.id));
        }
        within_limits(short)
    }

    fn release(&mut self, deal: &Deal, reversed: &[u32], chained: Option<(&Stored, i64)>) -> Result<(), Fault> {
        let confirmed = deal.terms.as_ref().is_some_and(|(terms, _, _)| terms.delivery == Delivery::Confirmed);
        if !deal.is_committed {
            return fault(promise::ONE_END, format!("{} was never committed", deal.id));
        }
        let Some(book) = self.books.values_mut().find(|book| book.has(&deal.id)) else { return Ok(()) };
        let short = if confirmed { book.release(&deal.id, reversed) } else { None };
        // What is delivered counts for certificates once the ledger says so.
        if let Some((stored, at_unix_ms)) = chained {
            book.chain(&stored.subject, &stored.body);
            if let Some(imports) = &mut book.imports {
                imports.at(at_unix_ms);
                imports.release(&deal.id, reversed);
            }
        }
        within_limits(short)
    }
}
