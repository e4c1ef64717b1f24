//! A deal's state: the fold of its log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::admission;
use schemas::deal::{ClaimKind, Delivery, Move, ReadTerms, Shown, Terms};
use schemas::event::{DealEvent, Evidence, Happening, Signed};
use schemas::hash::Hash;
use schemas::id::{AgentId, DealId, MarketId, MoveId};
use schemas::negotiation::Transcript;
use schemas::profile::{Profile, State};
use schemas::subject::parse_deal_move;

use crate::entry::Entry;
use crate::negotiated::Ruled;

/// So many of those who were awaited are named.
const NAMED: usize = 5;

/// The terms on the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnTable {
    /// Their exact bytes.
    pub bytes: Vec<u8>,
    /// What they say.
    pub terms: Terms,
    /// Their name.
    pub hash: Hash,
    /// What was said before they were proposed, where they come of a negotiation.
    pub transcript: Option<Transcript>,
}

/// A move that the log holds.
pub type Recorded = admission::Recorded<State>;

/// A deal, as its log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deal {
    /// Its id.
    pub id: DealId,
    /// Who opened it.
    pub opener: AgentId,
    /// The ledger's book.
    pub book: MarketId,
    /// The rules.
    pub profile: Profile,
    /// Who takes part.
    pub parties: Vec<AgentId>,
    /// The rules that its terms are negotiated by, if they are.
    pub rules: Option<Arc<Ruled>>,
    /// The claims that must be proved.
    pub requires: Vec<ClaimKind>,
    /// When it lapses without agreement, in Unix milliseconds.
    pub expires_unix_ms: i64,
    /// Where it stands.
    pub state: State,
    /// The terms on the table.
    pub table: Option<OnTable>,
    /// Who has accepted them, with the signed acceptance.
    pub accepted: BTreeMap<AgentId, Signed>,
    /// When the last party accepted, in Unix milliseconds.
    pub agreed_unix_ms: Option<i64>,
    /// The evidence for the claims that it requires, once it is certified.
    pub certificates: Vec<Evidence>,
    /// Who has confirmed delivery.
    pub confirmed: BTreeSet<AgentId>,
    /// Every move that the log holds, by mover and move id.
    pub moves: BTreeMap<(AgentId, MoveId), Recorded>,
    /// Why it ended, when it ended badly: the rule, if one did, and the reason.
    pub ended: Option<(Option<String>, String)>,
    /// How many events there are.
    pub turns: u32,
    /// The hash of the last.
    pub head: Hash,
}

impl Deal {
    /// The state after an entry; `None` while there is no deal. An entry that does not fit (which
    /// only a damaged log has) changes nothing but the chain: `verify` says what is wrong with it.
    #[must_use]
    pub fn apply(before: Option<Self>, entry: &Entry) -> Option<Self> {
        let event = &entry.event;
        let cause = event.cause.as_ref().and_then(Caused::read);
        let mut deal = match before {
            Some(deal) => deal,
            None => Self::opened(entry, cause.as_ref())?,
        };
        deal.turns = event.turn.saturating_add(1);
        deal.head = entry.hash;
        deal.happen(event, cause.as_ref());
        if let Some(Caused { by, ask, signed }) = cause {
            let record = Recorded { body_hash: Hash::of(&signed.body), turn: event.turn, state: deal.state };
            deal.moves.insert((by, ask.move_id().clone()), record);
        }
        Some(deal)
    }

    fn opened(entry: &Entry, cause: Option<&Caused>) -> Option<Self> {
        let Happening::Opened { opener, book, profile, .. } = &entry.event.what else { return None };
        let Move::Open(open) = &cause?.ask else { return None };
        Some(Self {
            id: entry.event.deal.clone(),
            opener: opener.clone(),
            book: book.clone(),
            profile: *profile,
            parties: open.parties.clone(),
            rules: Ruled::of(open).map(Arc::new),
            requires: open.requires.clone(),
            expires_unix_ms: open.expires_unix_ms,
            state: State::Open,
            table: None,
            accepted: BTreeMap::new(),
            agreed_unix_ms: None,
            certificates: Vec::new(),
            confirmed: BTreeSet::new(),
            moves: BTreeMap::new(),
            ended: None,
            turns: 0,
            head: Hash::ZERO,
        })
    }

    fn happen(&mut self, event: &DealEvent, cause: Option<&Caused>) {
        match &event.what {
            Happening::Opened { .. } | Happening::Proposed { .. } => {
                if let Some((bytes, transcript)) = cause.and_then(|c| c.terms()) {
                    self.put_on_table(bytes, transcript);
                }
            }
            Happening::Accepted { by, last, .. } => {
                if let Some(cause) = cause {
                    self.accepted.insert(by.clone(), cause.signed.clone());
                }
                if *last {
                    self.state = State::Agreed;
                    self.agreed_unix_ms = Some(event.at_unix_ms);
                }
            }
            Happening::Certified { certificates, .. } => {
                self.state = State::Certified;
                self.certificates.clone_from(certificates);
            }
            Happening::Committed { .. } => self.state = State::Committed,
            Happening::Confirmed { by } => {
                self.confirmed.insert(by.clone());
            }
            Happening::Settled => self.state = State::Settled,
            Happening::Rejected { reason, .. } => self.end(State::Rejected, None, reason),
            Happening::Withdrawn { reason, .. } => self.end(State::Withdrawn, None, reason),
            Happening::Expired => self.end(State::Expired, None, &self.expiry()),
            Happening::Refused { rule, reason, .. } => self.end(State::Refused, Some(rule), reason),
            Happening::Failed { undelivered } => {
                self.end(
                    State::Failed,
                    None,
                    &format!("{} transfers were not confirmed when they were due", undelivered.len()),
                );
            }
            Happening::Compensated { .. } => self.state = State::Compensated,
        }
    }

    /// Who was awaited when its time ran out.
    fn expiry(&self) -> String {
        let awaited = self.parties.iter().filter(|party| !self.accepted.contains_key(*party)).map(AgentId::as_str);
        let (some, more): (Vec<_>, Vec<_>) = awaited.enumerate().partition(|(at, _)| *at < NAMED);
        let some = some.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(", ");
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        format!("its time ran out before {some}{more} had accepted")
    }

    fn end(&mut self, state: State, rule: Option<&String>, reason: &str) {
        self.state = state;
        self.ended = Some((rule.cloned(), reason.to_owned()));
    }

    fn put_on_table(&mut self, bytes: &[u8], transcript: Option<Transcript>) {
        if let Ok(ReadTerms { terms, hash }) = ReadTerms::read(bytes) {
            self.expires_unix_ms = terms.expires_unix_ms;
            // From the award on, a contract net is a deal between two.
            if self.rules.as_deref().is_some_and(|ruled| ruled.rules.manager().is_some()) {
                self.parties.clone_from(&terms.parties);
            }
            self.table = Some(OnTable { bytes: bytes.to_vec(), terms, hash, transcript });
            self.state = State::Negotiating;
        }
    }

    /// The signed acceptances, in the order of the parties.
    #[must_use]
    pub fn acceptances(&self) -> Vec<Signed> {
        self.parties.iter().filter_map(|party| self.accepted.get(party)).cloned().collect()
    }

    /// Whether an agent takes part.
    #[must_use]
    pub fn is_party(&self, agent: &AgentId) -> bool {
        self.parties.binary_search(agent).is_ok()
    }

    /// Who receives something in the terms on the table, sorted.
    #[must_use]
    pub fn receivers(&self) -> BTreeSet<&AgentId> {
        self.table.iter().flat_map(|table| &table.terms.transfers).map(|transfer| &transfer.to).collect()
    }

    /// When the last transfer is due, for terms that receivers must confirm.
    #[must_use]
    pub fn last_due_unix_ms(&self) -> Option<i64> {
        let terms = &self.table.as_ref()?.terms;
        (terms.delivery == Delivery::Confirmed).then(|| terms.transfers.iter().map(|t| t.due_unix_ms).max())?
    }

    /// The deal as its parties see it.
    #[must_use]
    pub fn show(&self) -> Shown {
        Shown {
            deal: self.id.clone(),
            state: self.state,
            profile: self.profile,
            opener: self.opener.clone(),
            parties: self.parties.clone(),
            terms: self.table.as_ref().map(|table| table.terms.clone()),
            terms_hash: self.table.as_ref().map(|table| table.hash),
            accepted: self.accepted.keys().cloned().collect(),
            confirmed: self.confirmed.iter().cloned().collect(),
            reason: self.ended.as_ref().map(|(_, reason)| reason.clone()),
            turns: self.turns,
            rules: self.rules.as_ref().map(|ruled| ruled.bytes.clone()),
        }
    }
}

/// The move behind an event.
pub(crate) struct Caused {
    pub(crate) by: AgentId,
    pub(crate) ask: Move,
    pub(crate) signed: Signed,
}

impl Caused {
    fn read(signed: &Signed) -> Option<Self> {
        let (verb, by, _) = parse_deal_move(&signed.subject).ok()?;
        let ask = Move::decode(verb, &signed.body).ok()?;
        Some(Self { by, ask, signed: signed.clone() })
    }

    /// The terms that it puts on the table, and what was said before.
    fn terms(&self) -> Option<(&[u8], Option<Transcript>)> {
        match &self.ask {
            Move::Open(open) => Some((open.terms.as_deref()?, None)),
            Move::Propose(propose) => {
                Some((&propose.terms, propose.agreement.as_ref().map(|agreement| agreement.transcript)))
            }
            Move::Counter(counter) => Some((&counter.terms, None)),
            _ => None,
        }
    }
}
