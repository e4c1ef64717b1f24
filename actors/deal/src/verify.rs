//! Is this log what it claims to be? Decided offline, from the deal's log and the key history alone.
//!
//! Every entry's signature and place in the chain is checked, and every move is decided again: what
//! the desk wrote must be what its rules say. A flipped bit, a lost, added or reordered entry, a
//! foreign signature, a commit without every acceptance: each is named with its entry.

use schemas::body::Message;
use schemas::core::{Call, Decider};
use schemas::deal::{Delivery, Move};
use schemas::event::{Broken, DealEvent, Evidence, Fault, Happening, Signed};
use schemas::hash::Hash;
use schemas::id::DealId;
use schemas::kernel::Kernel;
use schemas::keyring::{Keyring, LogRecord, RecordFault};
use schemas::profile::{Mover, State, Verb};
use schemas::subject::{deal_log, parse_deal_move};

use crate::decide::{Ask, Desk, undelivered};
use crate::entry::Entry;
use crate::gate::{Judged, Proving, Rule, name_of};
use crate::state::Deal;

/// The core whose entries are the desk's.
pub const DESK: &str = "deal";
/// The core whose entries are the ledger's.
pub const LEDGER: &str = "ledger";

/// A log that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The deal that it tells of.
    pub deal: Deal,
    /// How many signatures were checked.
    pub signatures: u32,
    /// How many claims were proved again, or refuted again.
    pub claims: u32,
}

/// Verifies one deal's log; `kernel` decides on the evidence in it.
///
/// # Errors
/// The first entry at fault.
pub fn verify(id: &DealId, records: &[LogRecord], keys: &Keyring, kernel: &dyn Kernel) -> Result<Verified, Broken> {
    let mut reader =
        Reader { id, keys, kernel, deal: None, signatures: 0, claims: 0, expected: Vec::new(), last_sequence: 0 };
    for (turn, record) in (0u32..).zip(records) {
        reader.entry(turn, record).map_err(|fault| Broken { turn, sequence: record.sequence, fault })?;
    }
    let turn = u32::try_from(records.len()).unwrap_or(u32::MAX).saturating_sub(1);
    let sequence = records.last().map_or(0, |record| record.sequence);
    if let Some(missing) = reader.expected.first() {
        let fault = Fault::Torn(missing.event.what.name());
        return Err(Broken { turn, sequence, fault });
    }
    match reader.deal {
        Some(deal) => Ok(Verified { deal, signatures: reader.signatures, claims: reader.claims }),
        None => Err(Broken { turn: 0, sequence: 0, fault: Fault::Empty }),
    }
}

struct Reader<'a> {
    id: &'a DealId,
    keys: &'a Keyring,
    kernel: &'a dyn Kernel,
    deal: Option<Deal>,
    signatures: u32,
    claims: u32,
    /// What the last move must have written besides the entry that names it.
    expected: Vec<Entry>,
    last_sequence: u64,
}

impl Reader<'_> {
    fn entry(&mut self, turn: u32, record: &LogRecord) -> Result<(), Fault> {
        if record.subject != deal_log(self.id) {
            return Err(Fault::Foreign);
        }
        if record.sequence <= self.last_sequence && turn > 0 {
            return Err(Fault::Chain("sequences do not rise"));
        }
        self.last_sequence = record.sequence;
        let sender = record.sender(DealEvent::TYPE)?;
        self.keys.check(&sender)?;
        self.signatures += 1;
        let entry = Entry::read(&record.body).map_err(RecordFault::from)?;
        let head = self.deal.as_ref().map_or(Hash::ZERO, |deal| deal.head);
        if entry.event.deal != *self.id {
            return Err(Fault::Foreign);
        }
        if entry.event.turn != turn {
            return Err(Fault::Chain("its number is not the next"));
        }
        if entry.event.prev != head {
            return Err(Fault::Chain("it names another hash than that of the entry before"));
        }
        let writer = sender.name.unwrap_or_default();
        if writer != writer_of(&entry.event.what, self.deal.as_ref()) {
            return Err(RecordFault::Writer { signer: writer }.into());
        }
        self.follows(&entry, &writer)?;
        self.deal = Deal::apply(self.deal.take(), &entry);
        Ok(())
    }

    /// Checks that the rules give this entry here.
    fn follows(&mut self, entry: &Entry, writer: &str) -> Result<(), Fault> {
        if !self.expected.is_empty() {
            let expected = self.expected.remove(0);
            return same(&expected, entry);
        }
        if writer == LEDGER {
            return self.ledger(entry);
        }
        let (ask, call) = match &entry.event.cause {
            Some(cause) => self.caused(cause, &entry.event)?,
            None => {
                let traceparent = entry.event.trace.clone();
                let call = Call { now_unix_ms: entry.event.at_unix_ms, traceparent, ..Call::default() };
                (self.uncaused(&entry.event.what)?, call)
            }
        };
        let decision = Desk.decide(&self.deal, &ask, &call).map_err(|error| Fault::Rules(error.to_string()))?;
        let mut events = decision.events.into_iter();
        let first = events.next().ok_or_else(|| Fault::Rules("nothing was to be written".into()))?;
        self.expected = events.collect();
        same(&first, entry)
    }

    /// What the desk was asked when no move asked it: what came of the proofs, or what time it is.
    fn uncaused(&mut self, what: &Happening) -> Result<Ask, Fault> {
        let id = self.id.clone();
        // When a timer fired first matters only to a deal that isn't there.
        let due = Ask::Due { deal: id.clone(), due_unix_ms: 0 };
        let Some(deal) = self.deal.as_ref().filter(|deal| deal.is_at_gate()) else { return Ok(due) };
        let judged = match what {
            Happening::Certified { certificates, .. } => {
                let judged = again(deal, certificates, self.kernel)?;
                if let Some(missing) = judged.missing() {
                    let claim = deal.claims().ok().and_then(|claims| claims.get(missing).map(name_of));
                    let reason = "there is no certificate for it".to_owned();
                    return Err(Fault::Evidence { claim: claim.unwrap_or_default(), reason });
                }
                self.claims = self.claims.saturating_add(u32::try_from(certificates.len()).unwrap_or(u32::MAX));
                judged
            }
            Happening::Refused { evidence: Some(evidence), .. } => {
                let judged = again(deal, std::slice::from_ref(evidence), self.kernel)?;
                self.claims = self.claims.saturating_add(1);
                judged
            }
            // Why nobody proved it is the desk's word: that it isn't proved is all that anyone needs to know.
            Happening::Refused { rule, reason, evidence: None, party: None } => {
                let rule = Rule::parse(rule).filter(|rule| *rule != Rule::Refuted);
                Judged::as_told(
                    deal.head,
                    rule.ok_or_else(|| Fault::Rules("it names no rule of the gate".into()))?,
                    reason,
                )
            }
            _ => return Ok(due),
        };
        Ok(Ask::Judged { deal: id, judged })
    }

    fn caused(&mut self, cause: &Signed, event: &DealEvent) -> Result<(Ask, Call), Fault> {
        let wrong = |error: &dyn std::fmt::Display| Fault::Cause(error.to_string());
        let sender = self.keys.signer_of(cause).map_err(|e| wrong(&e))?;
        self.signatures += 1;
        let (verb, by, deal) = parse_deal_move(&cause.subject).map_err(|e| wrong(&e))?;
        if deal != *self.id {
            return Err(Fault::Cause("its subject is another deal's".into()));
        }
        let ask = Box::new(Move::decode(verb, &cause.body).map_err(|e| wrong(&e))?);
        let call = Call {
            now_unix_ms: event.at_unix_ms,
            deadline_unix_ms: None,
            sender: Some(sender),
            traceparent: event.trace.clone(),
            job: None,
        };
        Ok((Ask::Move { by, deal, ask, signed: cause.clone() }, call))
    }

    fn ledger(&mut self, entry: &Entry) -> Result<(), Fault> {
        let rules = |reason: &str| Fault::Rules(reason.to_owned());
        let Some(deal) = self.deal.as_ref() else { return Err(rules("the ledger opens no deals")) };
        let table = deal.table.as_ref().ok_or_else(|| rules("there are no terms"))?;
        let verb = match &entry.event.what {
            Happening::Committed { .. } if table.terms.delivery == Delivery::Immediate => Verb::CommitImmediate,
            Happening::Committed { .. } => Verb::Commit,
            Happening::Refused { .. } => Verb::Refuse,
            Happening::Compensated { .. } => Verb::Compensate,
            other => return Err(Fault::Rules(format!("the ledger does not write {:?} by itself", other.name()))),
        };
        let row = deal.profile.row(Some(deal.state), verb).filter(|row| row.mover == Mover::Ledger);
        row.ok_or_else(|| Fault::Rules(format!("not in state {}", deal.state)))?;
        if entry.event.cause.is_some() {
            return Err(rules("no move causes what the ledger writes"));
        }
        match &entry.event.what {
            Happening::Committed { book, terms, acceptances, certificates } => {
                if *book != deal.book || *terms != table.bytes {
                    return Err(rules("it commits other terms than were agreed"));
                }
                if *certificates != deal.certificates {
                    return Err(rules("its certificates are not those that certified it"));
                }
                if !acceptances.iter().eq(deal.parties.iter().filter_map(|party| deal.accepted.get(party)))
                    || acceptances.len() != deal.parties.len()
                {
                    return Err(rules("its acceptances are not those of every party"));
                }
                if verb == Verb::CommitImmediate {
                    let settled = DealEvent {
                        turn: entry.event.turn + 1,
                        prev: entry.hash,
                        what: Happening::Settled,
                        ..entry.event.clone()
                    };
                    self.expected = vec![Entry::write(settled)];
                }
            }
            Happening::Compensated { reversed }
                if *reversed != terms::taken_back(&table.terms.transfers, &undelivered(deal)) =>
            {
                return Err(rules("it takes back other transfers than were to be"));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Who writes such an entry in such a state.
fn writer_of(what: &Happening, deal: Option<&Deal>) -> &'static str {
    let certified = deal.is_some_and(|deal| deal.state == State::Certified);
    match what {
        Happening::Committed { .. } | Happening::Compensated { .. } => LEDGER,
        Happening::Refused { .. } if certified => LEDGER,
        // Settled at once: written together with the commit.
        Happening::Settled
            if deal.is_some_and(|d| d.table.as_ref().is_some_and(|t| t.terms.delivery == Delivery::Immediate)) =>
        {
            LEDGER
        }
        _ => DESK,
    }
}

/// Looks again at evidence for the claims that a deal raises.
fn again(deal: &Deal, evidence: &[Evidence], kernel: &dyn Kernel) -> Result<Judged, Fault> {
    let raised = deal.claims().map_err(|unproved| Fault::Rules(unproved.reason))?;
    let fault = |claim: String, reason: &str| Fault::Evidence { claim, reason: reason.to_owned() };
    let mut proving = Proving::of(deal.head, raised.iter().map(|raised| raised.claim.clone()).collect());
    for Evidence { claim_hash, certificate } in evidence {
        let Some(claim) = raised.iter().find(|raised| raised.hash == *claim_hash) else {
            return Err(fault(format!("claim {claim_hash}"), "this deal raises no such claim"));
        };
        if !proving.is_open(claim.hash) {
            continue;
        }
        proving.take(kernel, claim.hash, certificate).map_err(|unsound| fault(name_of(claim), &unsound.0))?;
    }
    Ok(proving.judged())
}

fn same(expected: &Entry, entry: &Entry) -> Result<(), Fault> {
    if expected.event == entry.event {
        return Ok(());
    }
    let (want, got) = (expected.event.what.name(), entry.event.what.name());
    let detail = if want == got {
        format!("this {got} differs from what its cause makes")
    } else {
        format!("{want} must stand here, not {got}")
    };
    Err(Fault::Rules(detail))
}
