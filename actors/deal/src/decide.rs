//! What a move does: rules first, then the profile's table, then events and effects as data.

use schemas::body::{DecodeError, Message, Refused, encode};
use schemas::core::{Call, Decider, Decision, Effect, Logged};
use schemas::deal::{Accept, Confirm, Move, Moved, Open, ReadTerms, Terms};
use schemas::error::{Code, ErrorReply};
use schemas::event::{DealEvent, Evidence, Happening, Place, Signed};
use schemas::hash::Hash;
use schemas::id::{AgentId, DealId};
use schemas::limit::{MAX_DUE_MS, MAX_EXPIRY_MS};
use schemas::profile::{Mover, Profile, Row, State, Verb};
use schemas::registry::Done;
use schemas::{admission, stream, subject};
use terms::claims::{Raised, raised_by};

use crate::entry::{Chain, Entry};
use crate::gate::{self, ASK_AGAIN_MS, Judged, Rule, Unproved};
use crate::negotiated::{check_acceptance, check_opening, check_proposal, proposed_parties};
use crate::note::notes;
use crate::state::{Deal, OnTable};

/// How soon a timer comes again at the earliest, in milliseconds.
const SOON_MS: i64 = 250;
/// How long a timer waits at most until it looks again whether the ledger has decided, in milliseconds.
const UNDECIDED_MS: i64 = 5_000;
/// How long a timer waits for a deal that is not there, in milliseconds: no write is on its way for a day.
const LONGEST_ON_ITS_WAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The desk's decisions. It has no state of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Desk;

/// What is asked of the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A party's move, its signature already checked against the party's key.
    Move {
        /// The claimed mover: the party in the subject.
        by: AgentId,
        /// The deal in the subject.
        deal: DealId,
        /// What the body says.
        ask: Box<Move>,
        /// The signed bytes.
        signed: Signed,
    },
    /// A timer fired.
    Due {
        /// The deal.
        deal: DealId,
        /// When it fired first, in Unix milliseconds.
        due_unix_ms: i64,
    },
    /// Its claims were looked into.
    Judged {
        /// The deal.
        deal: DealId,
        /// What was found out.
        judged: Judged,
    },
}

impl Decider for Desk {
    type Move = Ask;
    type Event = Entry;
    type State = Option<Deal>;

    fn decide(&self, state: &Option<Deal>, ask: &Ask, call: &Call) -> Result<Decision<Entry>, ErrorReply> {
        match ask {
            Ask::Due { deal, due_unix_ms } => Ok(due(state.as_ref(), deal, *due_unix_ms, call)),
            Ask::Judged { deal, judged } => Ok(judge(state.as_ref(), deal, judged, call)),
            Ask::Move { by, deal, ask, signed } => decide_move(state.as_ref(), by, deal, ask, signed, call),
        }
    }

    fn apply(state: Option<Deal>, entry: &Entry) -> Option<Deal> {
        Deal::apply(state, entry)
    }
}

impl Logged for Desk {
    const STREAM: &'static str = stream::DEALS;
    const KIND: &'static str = DealEvent::TYPE;

    fn read(bytes: &[u8]) -> Result<Entry, DecodeError> {
        Entry::read(bytes)
    }

    fn bytes(entry: &Entry) -> &[u8] {
        &entry.bytes
    }

    fn is_live(state: &Option<Deal>) -> bool {
        state.as_ref().is_some_and(|deal| !deal.state.is_end())
    }

    fn answer(state: &Option<Deal>, ask: &Ask) -> Result<(&'static str, Vec<u8>), ErrorReply> {
        let unknown = || ErrorReply::new(Code::Unknown, "there is no such deal").at_field("deal");
        let Ask::Move { by, deal: id, ask, .. } = ask else {
            return Ok((Done::TYPE, encode(&Done {})));
        };
        let deal = state.as_ref().ok_or_else(unknown)?;
        let recorded = deal.moves.get(&(by.clone(), ask.move_id().clone())).ok_or_else(unknown)?;
        let moved = Moved {
            deal: id.clone(),
            move_id: ask.move_id().clone(),
            state: recorded.state,
            turn: recorded.turn,
            terms_hash: deal.table.as_ref().map(|table| table.hash),
        };
        Ok((Moved::TYPE, encode(&moved)))
    }

    fn timer(log: &str) -> Option<(String, String)> {
        let deal = subject::parse_deal_log(log).ok()?;
        Some((subject::timer(&deal), subject::timer_due(&deal)))
    }
}

/// What a timer does that has fired: it ends what has run out of time, comes again for what has time left, and comes
/// again, too, where something may still be on its way into the log. Only where nothing can run out any more is it
/// over: a timer is never lost, whatever it finds.
fn due(deal: Option<&Deal>, id: &DealId, due_unix_ms: i64, call: &Call) -> Decision<Entry> {
    let now_unix_ms = call.now_unix_ms;
    let Some(deal) = deal else { return awaited(due_unix_ms, now_unix_ms) };
    let (at_unix_ms, what) = match (deal.state, deal.last_due_unix_ms()) {
        (State::Open | State::Negotiating, _) => (deal.expires_unix_ms, Happening::Expired),
        (State::Agreed, _) if deal.is_at_gate() => {
            let until_unix_ms = deal.prove_by_unix_ms();
            if now_unix_ms < until_unix_ms {
                // Whoever asked the provers may have died, and its question with it.
                let claims = deal.claims().unwrap_or_default();
                let effects = prove(claims, deal.head, now_unix_ms, until_unix_ms);
                return Decision { events: Vec::new(), effects: effects.into() };
            }
            (until_unix_ms, Unproved::new(Rule::Unanswered, None, "nobody answered in time").happening(&[]))
        }
        (State::Committed, Some(at)) => (at, Happening::Failed { undelivered: undelivered(deal) }),
        // It is the ledger's turn: what it commits may be due at once.
        (State::Agreed | State::Certified, Some(at)) => {
            let late_ms = now_unix_ms.saturating_sub(at);
            return wake(at.max(now_unix_ms.saturating_add((late_ms / 4).clamp(SOON_MS, UNDECIDED_MS))));
        }
        _ => return Decision::nothing(),
    };
    if now_unix_ms < at_unix_ms {
        return wake(at_unix_ms);
    }
    let mut chain = next(Some(deal), id, now_unix_ms, None);
    chain.push(what, None);
    with_notes(Some(deal), chain.entries(), Vec::new())
}

fn wake(at_unix_ms: i64) -> Decision<Entry> {
    Decision { events: Vec::new(), effects: vec![Effect::Timer { at_unix_ms }] }
}

/// The timer of a deal that is not there, armed before it was opened: it comes again after as long as it has waited
/// already, so that a deal opened late expires at most that much later.
fn awaited(due_unix_ms: i64, now_unix_ms: i64) -> Decision<Entry> {
    let waited_ms = now_unix_ms.saturating_sub(due_unix_ms).max(SOON_MS);
    if waited_ms > LONGEST_ON_ITS_WAY_MS {
        return Decision::nothing();
    }
    let at_unix_ms = now_unix_ms.saturating_add(waited_ms);
    Decision { events: Vec::new(), effects: vec![Effect::Again { due_unix_ms, at_unix_ms }] }
}

/// Asks for proof of the claims of a log that ends with `head`, and has somebody look whether it came.
fn prove(claims: Vec<Raised>, head: Hash, now_unix_ms: i64, until_unix_ms: i64) -> [Effect; 2] {
    let claims = claims.into_iter().map(|raised| raised.claim).collect();
    let again_unix_ms = now_unix_ms.saturating_add(ASK_AGAIN_MS).min(until_unix_ms);
    [Effect::Timer { at_unix_ms: again_unix_ms }, Effect::Prove { claims, head, until_unix_ms }]
}

/// What was found out counts where the log still stands as it did when it was asked.
fn judge(deal: Option<&Deal>, id: &DealId, judged: &Judged, call: &Call) -> Decision<Entry> {
    let Some(deal) = deal.filter(|deal| deal.is_at_gate() && deal.head == judged.head) else {
        return Decision::nothing();
    };
    let what = match &judged.outcome {
        Ok(_) if call.now_unix_ms >= deal.prove_by_unix_ms() => {
            Unproved::new(Rule::Unanswered, None, "it is proved, and too late").happening(&[])
        }
        Ok(certificates) => {
            let Some(what) = certified(deal, deal.acceptances(), certificates.clone()) else {
                return Decision::nothing();
            };
            what
        }
        Err(unproved) => unproved.clone().happening(&deal.claims().unwrap_or_default()),
    };
    let mut chain = next(Some(deal), id, call.now_unix_ms, call.traceparent.clone());
    chain.push(what, None);
    with_notes(Some(deal), chain.entries(), Vec::new())
}

/// The transfers that their receivers have not confirmed, by index in the terms.
pub(crate) fn undelivered(deal: &Deal) -> Vec<u32> {
    let transfers = deal.table.iter().flat_map(|table| &table.terms.transfers);
    (0..).zip(transfers).filter(|(_, t)| !deal.confirmed.contains(&t.to)).map(|(index, _)| index).collect()
}

fn decide_move(
    deal: Option<&Deal>,
    by: &AgentId,
    id: &DealId,
    ask: &Move,
    signed: &Signed,
    call: &Call,
) -> Result<Decision<Entry>, ErrorReply> {
    if ask.deal().is_some_and(|named| named != id) {
        return Err(bad("deal", "names another deal than the subject"));
    }
    let recorded = deal.and_then(|deal| deal.moves.get(&(by.clone(), ask.move_id().clone())));
    if admission::is_recorded(recorded, signed, deal.map_or(State::Open, |deal| deal.state))? {
        return Ok(Decision::nothing());
    }
    admission::check(by, "party", ask.deadline_unix_ms(), call)?;

    let mut effects = Vec::new();
    let mut chain = next(deal, id, call.now_unix_ms, call.traceparent.clone());
    match (ask, deal) {
        (Move::Open(open), None) => {
            let (what, timer) = decide_open(open, by, id, call.now_unix_ms)?;
            effects.push(timer);
            chain.push(what, Some(signed.clone()));
        }
        (Move::Open(_), Some(deal)) => return Err(not_now(deal, "the deal is already open")),
        (_, None) => return Err(ErrorReply::new(Code::Unknown, format!("there is no deal {id}")).at_field("deal")),
        (_, Some(deal)) => moved(deal, by, ask, signed, call, &mut chain, &mut effects)?,
    }
    Ok(with_notes(deal, chain.entries(), effects))
}

/// What is written next into a deal's log.
fn next(deal: Option<&Deal>, id: &DealId, at_unix_ms: i64, trace: Option<String>) -> Chain {
    let (turn, prev) = deal.map_or((0, Hash::ZERO), |deal| (deal.turns, deal.head));
    Chain::at(id.clone(), Place { turn, prev, at_unix_ms, trace })
}

fn with_notes(before: Option<&Deal>, entries: Vec<Entry>, mut effects: Vec<Effect>) -> Decision<Entry> {
    let mut deal = before.cloned();
    for entry in &entries {
        deal = Deal::apply(deal, entry);
        effects.extend(deal.iter().flat_map(|deal| notes(deal, entry)));
    }
    Decision { events: entries, effects }
}

fn decide_open(open: &Open, by: &AgentId, id: &DealId, now_unix_ms: i64) -> Result<(Happening, Effect), ErrorReply> {
    if DealId::of(by, &open.move_id) != *id {
        return Err(bad("move_id", "the deal in the subject is not the one that this opener and move_id make"));
    }
    if open.profile.opener_is_party() && open.parties.binary_search(by).is_err() {
        return Err(forbidden("the opener must be a party").at_field("parties").by_rule("opener_is_party"));
    }
    let verb = if open.terms.is_some() { Verb::OpenWithTerms } else { Verb::Open };
    if open.profile.row(None, verb).is_none() {
        let how = if open.terms.is_some() { "without" } else { "with" };
        let reason = format!("{} must be opened {how} terms", open.profile);
        return Err(ErrorReply::refused("profile", reason).at_field("terms"));
    }
    check_expiry(open.expires_unix_ms, "expires_unix_ms", now_unix_ms)?;
    check_opening(open, by, now_unix_ms)?;
    let mut terms_hash = None;
    if let Some(bytes) = &open.terms {
        let read = ReadTerms::read(bytes).map_err(field)?;
        check_terms(open.profile, &read.terms, &open.parties, now_unix_ms)?;
        if read.terms.book != open.book {
            return Err(bad("terms.book", "is another book than the deal's"));
        }
        if read.terms.expires_unix_ms != open.expires_unix_ms {
            return Err(bad("expires_unix_ms", "differs from the terms' own expiry"));
        }
        terms_hash = Some(read.hash);
    }
    let what = Happening::Opened { opener: by.clone(), book: open.book.clone(), profile: open.profile, terms_hash };
    Ok((what, Effect::Timer { at_unix_ms: open.expires_unix_ms }))
}

fn moved(
    deal: &Deal,
    by: &AgentId,
    ask: &Move,
    signed: &Signed,
    call: &Call,
    chain: &mut Chain,
    effects: &mut Vec<Effect>,
) -> Result<(), ErrorReply> {
    let now = call.now_unix_ms;
    let is_opener = *by == deal.opener;
    if !is_opener && !deal.is_party(by) {
        return Err(forbidden("only the deal's parties and its opener may move"));
    }
    if deal.state.is_end() {
        return Err(not_now(deal, &format!("the deal has ended: {}", deal.state)));
    }
    let what = match ask {
        Move::Open(_) => return Err(not_now(deal, "the deal is already open")),
        Move::Counter(_) => {
            return Err(ErrorReply::refused(
                "profile",
                format!("{} knows no counter-offers: reject, and open another deal", deal.profile),
            )
            .in_state(deal.state));
        }
        Move::Propose(propose) => {
            let row = may(deal, Verb::Propose)?;
            if row.mover == Mover::Opener && !is_opener {
                return Err(forbidden("only the opener proposes").by_rule("opener_proposes"));
            }
            in_time(deal, now)?;
            let read = ReadTerms::read(&propose.terms).map_err(field)?;
            check_terms(deal.profile, &read.terms, proposed_parties(deal, &read), now)?;
            if read.terms.book != deal.book {
                return Err(bad("terms.book", "is another book than the deal's"));
            }
            check_proposal(deal, propose, &read)?;
            effects.push(Effect::Timer { at_unix_ms: read.terms.expires_unix_ms });
            Happening::Proposed { by: by.clone(), terms_hash: read.hash }
        }
        Move::Accept(accept) => {
            may(deal, Verb::Accept)?;
            return accepted(deal, by, accept, signed, now, chain, effects);
        }
        Move::Reject(reject) => {
            may(deal, Verb::Reject)?;
            must_be_party(deal, by)?;
            if let Some(hash) = reject.terms_hash {
                on_the_table(deal, hash)?;
            }
            Happening::Rejected { by: by.clone(), reason: reject.reason.clone() }
        }
        Move::Withdraw(withdraw) => {
            may(deal, Verb::Withdraw)?;
            if !is_opener {
                return Err(forbidden("only the opener withdraws; a party rejects").by_rule("opener_withdraws"));
            }
            Happening::Withdrawn { by: by.clone(), reason: withdraw.reason.clone() }
        }
        Move::Confirm(confirm) => {
            may(deal, Verb::Confirm)?;
            return confirmed(deal, by, confirm, signed, chain);
        }
    };
    chain.push(what, Some(signed.clone()));
    Ok(())
}

fn accepted(
    deal: &Deal,
    by: &AgentId,
    accept: &Accept,
    signed: &Signed,
    now: i64,
    chain: &mut Chain,
    effects: &mut Vec<Effect>,
) -> Result<(), ErrorReply> {
    must_be_party(deal, by)?;
    in_time(deal, now)?;
    let table = on_the_table(deal, accept.terms_hash)?;
    check_acceptance(deal, table, accept)?;
    if deal.accepted.contains_key(by) {
        return Err(not_now(deal, "this party has already accepted").by_rule("accepted_before"));
    }
    let last = deal.accepted.len() + 1 == deal.parties.len();
    chain.push(Happening::Accepted { by: by.clone(), terms_hash: table.hash, last }, Some(signed.clone()));
    if !last {
        // What cannot be stated is told with all the others, when all have accepted.
        let claims = raised_by(&table.terms, &deal.requires, by, accept).unwrap_or_default();
        if !claims.is_empty() {
            let claims = claims.into_iter().map(|raised| raised.claim).collect();
            effects.push(Effect::Prepare { claims, until_unix_ms: deal.expires_unix_ms });
        }
        return Ok(());
    }
    let acceptances: Vec<Signed> = deal
        .parties
        .iter()
        .filter_map(|party| if party == by { Some(signed) } else { deal.accepted.get(party) })
        .cloned()
        .collect();
    match gate::raised(&table.terms, &deal.requires, &acceptances) {
        Ok(claims) if claims.is_empty() => {
            if let Some(what) = certified(deal, acceptances, Vec::new()) {
                chain.push(what, None);
            }
        }
        Ok(claims) => {
            let until_unix_ms = gate::prove_by_unix_ms(now, deal.expires_unix_ms);
            effects.extend(prove(claims, chain.head(), now, until_unix_ms));
        }
        Err(unproved) => chain.push(unproved.happening(&[]), None),
    }
    Ok(())
}

/// What the ledger needs to commit a deal.
fn certified(deal: &Deal, acceptances: Vec<Signed>, certificates: Vec<Evidence>) -> Option<Happening> {
    let terms = deal.table.as_ref()?.bytes.clone();
    Some(Happening::Certified {
        opener: deal.opener.clone(),
        book: deal.book.clone(),
        terms,
        acceptances,
        certificates,
    })
}

fn confirmed(
    deal: &Deal,
    by: &AgentId,
    confirm: &Confirm,
    signed: &Signed,
    chain: &mut Chain,
) -> Result<(), ErrorReply> {
    on_the_table(deal, confirm.terms_hash)?;
    let receivers = deal.receivers();
    if !receivers.contains(by) {
        return Err(forbidden("only who receives something confirms").by_rule("receiver_confirms"));
    }
    if deal.confirmed.contains(by) {
        return Err(not_now(deal, "this party has already confirmed").by_rule("confirmed_before"));
    }
    chain.push(Happening::Confirmed { by: by.clone() }, Some(signed.clone()));
    if deal.confirmed.len() + 1 == receivers.len() {
        chain.push(Happening::Settled, None);
    }
    Ok(())
}

/// Whether the profile's table lets a verb be made in the deal's state.
fn may(deal: &Deal, verb: Verb) -> Result<&'static Row, ErrorReply> {
    let row = deal.profile.row(Some(deal.state), verb);
    row.ok_or_else(|| not_now(deal, &format!("{} has no such move in state {}", deal.profile, deal.state)))
}

fn must_be_party(deal: &Deal, by: &AgentId) -> Result<(), ErrorReply> {
    if deal.is_party(by) { Ok(()) } else { Err(forbidden("the opener is not a party of this deal")) }
}

fn in_time(deal: &Deal, now_unix_ms: i64) -> Result<(), ErrorReply> {
    if now_unix_ms >= deal.expires_unix_ms {
        return Err(late("expires_unix_ms", "the deal's time to agree has passed").in_state(deal.state));
    }
    Ok(())
}

fn on_the_table(deal: &Deal, hash: Hash) -> Result<&OnTable, ErrorReply> {
    let table = deal.table.as_ref().ok_or_else(|| not_now(deal, "no terms are on the table"))?;
    if table.hash != hash {
        let mut reply = not_now(deal, "other terms are on the table").at_field("terms_hash").by_rule("other_terms");
        reply.terms_hash = Some(table.hash);
        return Err(reply);
    }
    Ok(table)
}

fn check_expiry(expires_unix_ms: i64, name: &str, now_unix_ms: i64) -> Result<(), ErrorReply> {
    if expires_unix_ms <= now_unix_ms {
        return Err(late(name, "has passed"));
    }
    if expires_unix_ms.saturating_sub(now_unix_ms) > MAX_EXPIRY_MS {
        return Err(bad(name, &format!("at most {MAX_EXPIRY_MS} ms ahead")));
    }
    Ok(())
}

fn check_terms(profile: Profile, terms: &Terms, parties: &[AgentId], now_unix_ms: i64) -> Result<(), ErrorReply> {
    if terms.parties != parties {
        return Err(bad("terms.parties", "are not the deal's"));
    }
    check_expiry(terms.expires_unix_ms, "terms.expires_unix_ms", now_unix_ms)?;
    if let Some(index) = terms.transfers.iter().position(|t| t.due_unix_ms.saturating_sub(now_unix_ms) > MAX_DUE_MS) {
        return Err(bad(&format!("terms.transfers[{index}].due_unix_ms"), &format!("at most {MAX_DUE_MS} ms ahead")));
    }
    if profile == Profile::Ring && !is_ring(terms) {
        return Err(ErrorReply::refused(
            "one_ring",
            "in ring/1 the transfers form one ring, in order: each party gives to the next, once",
        )
        .at_field("terms.transfers"));
    }
    if profile == Profile::Exchange
        && let Some(idle) = parties.iter().find(|party| !exchanges(party, terms))
    {
        let reason = format!("in exchange/1 each party gives something and receives something; {idle} does not");
        return Err(ErrorReply::refused("exchange", reason).at_field("terms.transfers"));
    }
    Ok(())
}

/// Whether a party both gives and receives.
fn exchanges(party: &AgentId, terms: &Terms) -> bool {
    terms.transfers.iter().any(|transfer| transfer.from == *party)
        && terms.transfers.iter().any(|transfer| transfer.to == *party)
}

/// Whether each party gives once and receives once, each transfer to the next one's giver.
fn is_ring(terms: &Terms) -> bool {
    let transfers = &terms.transfers;
    let next = transfers.iter().cycle().skip(1);
    let mut givers: Vec<&AgentId> = transfers.iter().map(|t| &t.from).collect();
    givers.sort();
    givers.dedup();
    transfers.len() == terms.parties.len()
        && givers.len() == transfers.len()
        && transfers.iter().zip(next).all(|(t, next)| t.to == next.from)
}

fn bad(name: &str, reason: &str) -> ErrorReply {
    ErrorReply::new(Code::BadMessage, reason).at_field(name)
}

fn late(name: &str, reason: &str) -> ErrorReply {
    ErrorReply::new(Code::Late, reason).at_field(name)
}

/// Not for the party that the subject names to do.
fn forbidden(reason: &str) -> ErrorReply {
    ErrorReply::new(Code::Forbidden, reason).at_field("party")
}

fn not_now(deal: &Deal, reason: &str) -> ErrorReply {
    ErrorReply::new(Code::Conflict, reason).in_state(deal.state)
}

fn field(refused: Refused) -> ErrorReply {
    DecodeError::Field(refused).into()
}
