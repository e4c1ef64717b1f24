//! One plan: as many decisions as fit a batch, each seeing the ones before.

use std::collections::{BTreeMap, BTreeSet};

use schemas::body::{Message, encode};
use schemas::core::{Answer, Planned};
use schemas::deal::{ReadTerms, Transfer};
use schemas::error::{Code, ErrorReply};
use schemas::event::{DealEvent, DealNote, Happening};
use schemas::import::{CertificateEvent, Recorded};
use schemas::ledger::{Cursor, Declared, LimitEvent};
use schemas::limit::{MAX_BATCH_MESSAGES, MAX_PARTIES};
use schemas::profile::State;
use schemas::{AgentId, Hash, MarketId, subject};

use super::{About, Asked, Flight, Flown, Shelf, Waiting};
use crate::ledger::{Authorised, Declaration, Draft, Entry, Inconsistent, Verdict};

/// Messages that one decision takes at most: the event, its settlement, and a note for each party and the
/// opener.
const MOST_FOR_ONE: usize = MAX_PARTIES + 3;

/// Makes one plan.
pub(super) struct Planner<'a> {
    shelves: &'a BTreeMap<MarketId, Shelf>,
    drafts: BTreeMap<&'a MarketId, Drafted<'a>>,
    now_unix_ms: i64,
    planned: Vec<Planned>,
    notes: Vec<Planned>,
    flown: Vec<Flown>,
    decided: Vec<u64>,
    declared: Vec<(Asked, Answer)>,
}

struct Drafted<'a> {
    draft: Draft<'a>,
    shelf: &'a Shelf,
    through: u64,
    /// Whether anything is written in this book, or answered once the plan is: only then it has a cursor.
    is_used: bool,
    /// Limits written in this very plan: only an agent's first is under compare-and-set.
    limited: BTreeSet<AgentId>,
    /// Whether an entry on certificates is written in this plan: the same goes for them.
    certified: bool,
}

/// What is to be written for a signed move, and its answer once that is written.
enum Written {
    Recorded(Answer),
    Limits(LimitEvent, Declared),
    Certificates(CertificateEvent, Recorded),
}

impl Drafted<'_> {
    /// Decides a signed move.
    fn decide(&self, asked: &Asked, now_unix_ms: i64) -> Result<Written, ErrorReply> {
        let signed = asked.signed.clone();
        Ok(match &asked.about {
            About::Limits => match self.draft.decide_declare(&asked.agent, signed, now_unix_ms)? {
                Declaration::Recorded(declared) => Written::Recorded(Ok((Declared::TYPE, encode(&declared)))),
                Declaration::Write { event, declared } => Written::Limits(event, declared),
            },
            About::Certificates(declared) => {
                match self.draft.decide_authority(&asked.agent, signed, declared.as_deref(), now_unix_ms)? {
                    Authorised::Recorded(recorded) => Written::Recorded(Ok((Recorded::TYPE, encode(&recorded)))),
                    Authorised::Write { event, recorded } => Written::Certificates(event, recorded),
                }
            }
        })
    }

    /// Drafts an entry on certificates.
    fn certificate(&mut self, book: &MarketId, event: &CertificateEvent) -> Result<Planned, Inconsistent> {
        let body = encode(event);
        self.draft.apply(Entry::Certificate { event, body: &body })?;
        let first = !std::mem::replace(&mut self.certified, true);
        Ok(Planned {
            subject: subject::certificate_log(book),
            kind: CertificateEvent::TYPE,
            body,
            expect: first.then_some(self.shelf.certificates),
            signed: true,
            trace: None,
        })
    }
}

impl<'a> Planner<'a> {
    pub(super) fn new(shelves: &'a BTreeMap<MarketId, Shelf>, now_unix_ms: i64) -> Self {
        Self {
            shelves,
            drafts: BTreeMap::new(),
            now_unix_ms,
            planned: Vec::new(),
            notes: Vec::new(),
            flown: Vec::new(),
            decided: Vec::new(),
            declared: Vec::new(),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        let used = self.planned.len() + self.notes.len() + self.drafts.len();
        used + MOST_FOR_ONE < MAX_BATCH_MESSAGES
    }

    fn draft(&mut self, book: &MarketId) -> Option<&mut Drafted<'a>> {
        let (book, shelf) = self.shelves.get_key_value(book)?;
        Some(self.drafts.entry(book).or_insert_with(|| Drafted {
            draft: shelf.book.draft(),
            shelf,
            through: shelf.book.applied_through(),
            is_used: false,
            limited: BTreeSet::new(),
            certified: false,
        }))
    }

    /// Decides a declaration; gives its answer when that doesn't depend on anything being written.
    pub(super) fn declare(&mut self, asked: Asked) -> Option<(u64, Answer)> {
        let now_unix_ms = self.now_unix_ms;
        let drafted = self.draft(&asked.book)?;
        // What this plan writes is not recorded yet, so what is decided on it is answered once it is.
        let is_drafted = drafted.is_used;
        let written = match drafted.decide(&asked, now_unix_ms) {
            Ok(Written::Recorded(answer)) if is_drafted => {
                self.declared.push((asked, answer));
                return None;
            }
            Ok(Written::Recorded(answer)) => return Some((asked.number, answer)),
            Ok(written) => written,
            // Too late is for good: a batch with this declaration that may still be on its way fails at the cursor that
            // is written first.
            Err(refusal) if is_drafted || refusal.kind() == Code::Late => {
                drafted.is_used = true;
                self.declared.push((asked, Err(refusal)));
                return None;
            }
            Err(refusal) => return Some((asked.number, Err(refusal))),
        };
        let stale = asked.call.sender.as_ref().and_then(|sender| sender.check_fresh(asked.call.now_unix_ms).err());
        if let Some(stale) = stale {
            return Some((asked.number, Err(ErrorReply::new(Code::Unsigned, stale.to_string()).at_field("ts"))));
        }
        let inconsistent = |fault: Inconsistent| ErrorReply::refused("inconsistent", fault.to_string());
        let (planned, flown, answer) = match written {
            Written::Recorded(answer) => return Some((asked.number, answer)),
            Written::Limits(event, declared) => {
                let body = encode(&event);
                if let Err(fault) = drafted.draft.apply(Entry::Limit { event: &event, body: &body }) {
                    return Some((asked.number, Err(inconsistent(fault))));
                }
                let first = drafted.limited.insert(asked.agent.clone());
                let planned = Planned {
                    subject: subject::limit_log(&asked.book, &asked.agent),
                    kind: LimitEvent::TYPE,
                    body,
                    expect: first.then(|| drafted.shelf.limits.get(&asked.agent).copied().unwrap_or(0)),
                    signed: true,
                    trace: asked.call.traceparent.clone(),
                };
                let flown = Flown::Limit(asked.book.clone(), asked.agent.clone());
                (planned, flown, (Declared::TYPE, encode(&declared)))
            }
            Written::Certificates(event, recorded) => match drafted.certificate(&asked.book, &event) {
                Ok(planned) => (planned, Flown::Certificate(asked.book.clone()), (Recorded::TYPE, encode(&recorded))),
                Err(fault) => return Some((asked.number, Err(inconsistent(fault)))),
            },
        };
        drafted.is_used = true;
        self.planned.push(planned);
        self.flown.push(flown);
        self.declared.push((asked, Ok(answer)));
        None
    }

    /// Decides a certified, a failed or a delivered deal.
    pub(super) fn decide(&mut self, sequence: u64, waiting: &Waiting) -> Result<(), String> {
        let now_unix_ms = self.now_unix_ms;
        let drafted = self.draft(&waiting.book).ok_or("there is no such book")?;
        let event = &waiting.event;
        if let Happening::Settled = event.what {
            let delivered = drafted.draft.decide_delivered(&event.deal, now_unix_ms);
            let delivered = delivered.ok_or("nothing of it is on its way, or it was delivered before")?;
            let planned = drafted.certificate(&waiting.book, &delivered).map_err(|fault| fault.to_string())?;
            drafted.through = drafted.through.max(sequence);
            drafted.is_used = true;
            self.planned.push(planned);
            self.flown.push(Flown::Certificate(waiting.book.clone()));
            self.decided.push(sequence);
            return Ok(());
        }
        let moved = drafted.shelf.book.open(&event.deal).unwrap_or_default();
        let verdict = drafted.draft.decide_certified(event, now_unix_ms);
        let happening = match &verdict {
            Some(verdict) => verdict.happening(&event.what),
            None => drafted.draft.decide_failed(event),
        };
        let happening = happening.ok_or("it is not for the ledger to decide, or was decided before")?;
        let settles = matches!(verdict, Some(Verdict::Commit { immediate: true, .. }));
        drafted.through = drafted.through.max(sequence);
        let mut prev = waiting.hash;
        let mut expect = Some(sequence);
        let (mut planned, mut told) = (Vec::new(), Vec::new());
        for (turn, what) in
            (event.turn + 1..).zip([Some(happening), settles.then_some(Happening::Settled)].into_iter().flatten())
        {
            let written = DealEvent {
                deal: event.deal.clone(),
                turn,
                prev,
                at_unix_ms: now_unix_ms,
                what,
                cause: None,
                trace: event.trace.clone(),
            };
            let body = encode(&written);
            prev = Hash::of(&body);
            drafted.draft.apply(Entry::Deal { event: &written, body: &body }).map_err(|fault| fault.to_string())?;
            told.extend(notes(event, &written, moved, &waiting.book));
            planned.push(Planned {
                subject: subject::deal_log(&event.deal),
                kind: DealEvent::TYPE,
                body,
                expect: expect.take(),
                signed: true,
                trace: event.trace.clone(),
            });
        }
        drafted.is_used = true;
        self.flown.extend(planned.iter().map(|_| Flown::Deal));
        self.planned.append(&mut planned);
        self.notes.append(&mut told);
        self.decided.push(sequence);
        Ok(())
    }

    pub(super) fn finish(mut self) -> (Vec<Planned>, Flight) {
        let mut changes = Vec::new();
        for (book, mut drafted) in self.drafts.into_iter().filter(|(_, drafted)| drafted.is_used) {
            let cursor = drafted.draft.cursor(drafted.through);
            // The draft made this cursor itself, so it fits.
            let _ = drafted.draft.apply(Entry::Cursor(&cursor));
            self.planned.push(Planned {
                subject: subject::ledger_log(book),
                kind: Cursor::TYPE,
                body: encode(&cursor),
                expect: Some(drafted.shelf.cursor),
                signed: true,
                trace: None,
            });
            self.flown.push(Flown::Cursor(book.clone()));
            changes.push((book.clone(), drafted.draft.finish()));
        }
        self.flown.extend(self.notes.iter().map(|_| Flown::Note));
        self.planned.append(&mut self.notes);
        (self.planned, Flight { changes, records: self.flown, declared: self.declared, decided: self.decided })
    }
}

/// What is heard of an event that the ledger writes: by the parties and the opener of a certified deal; by the parties
/// of one that is taken back, whose opener was told that it failed. `moved` is what a deal on the books moves.
fn notes(answered: &DealEvent, written: &DealEvent, moved: &[Transfer], book: &MarketId) -> Vec<Planned> {
    let (opener, terms) = match &answered.what {
        Happening::Certified { opener, terms, .. } => (Some(opener), Some(terms)),
        _ => (None, None),
    };
    let (state, rule, reason) = match &written.what {
        Happening::Committed { .. } => (State::Committed, None, None),
        Happening::Settled => (State::Settled, None, None),
        Happening::Refused { rule, reason, .. } => (State::Refused, Some(rule.clone()), Some(reason.clone())),
        Happening::Compensated { reversed } => {
            let reason = format!("not delivered in time: {} of {} transfers taken back", reversed.len(), moved.len());
            (State::Compensated, None, Some(reason))
        }
        _ => return Vec::new(),
    };
    let note = DealNote {
        deal: written.deal.clone(),
        event: written.what.name().to_owned(),
        state,
        turn: written.turn,
        at_unix_ms: written.at_unix_ms,
        book: book.clone(),
        opener: opener.cloned(),
        profile: None,
        terms: terms.filter(|_| matches!(written.what, Happening::Committed { .. })).cloned(),
        by: None,
        rule,
        reason,
        rules: None,
        expires_unix_ms: None,
    };
    let body = encode(&note);
    let stated = terms.and_then(|bytes| ReadTerms::read(bytes).ok()).map(|read| read.terms.parties);
    let parties = stated.into_iter().flatten().chain(moved.iter().flat_map(|t| [t.from.clone(), t.to.clone()]));
    let told: BTreeSet<AgentId> = parties.chain(opener.cloned()).collect();
    let note_to = |agent: AgentId| Planned {
        subject: subject::note(&agent),
        kind: DealNote::TYPE,
        body: body.clone(),
        expect: None,
        signed: false,
        trace: written.trace.clone(),
    };
    told.into_iter().map(note_to).collect()
}
