//! A whole desk without a bus: signed moves in, a signed log out.

mod gate;
mod life;
mod negotiated;
mod tamper;

use std::collections::BTreeMap;

use nkeys::KeyPair;
use schemas::body::{Message, encode};
use schemas::core::{Call, Decider, Decision, Effect};
use schemas::deal::{Accept, Confirm, Delivery, Move, Open, Reject, Terms, Transfer, Withdraw};
use schemas::error::ErrorReply;
use schemas::event::{Broken, DealEvent, Happening, Signed};
use schemas::hash::Hash;
use schemas::header::{self, Headers};
use schemas::id::{AgentId, DealId, MoveId};
use schemas::keyring::{Keyring, LogRecord};
use schemas::profile::{Profile, State};
use schemas::quantity::Quantity;
use schemas::registry::{KeyEvent, Register};
use schemas::signature::{Sender, Signer};
use schemas::subject::{self, DealVerb};
use schemas::value::{PartyKind, Valuation};

use crate::verify::{DESK, LEDGER, Verified, verify};
use crate::{Ask, Deal, Desk, Entry};

pub(super) const NOW: i64 = 1_790_000_000_000;
pub(super) const EXPIRES: i64 = NOW + 60_000;
pub(super) const DUE: i64 = EXPIRES + 86_400_000;

pub(super) struct World {
    signers: BTreeMap<String, Signer>,
    pub(super) keys: Keyring,
    pub(super) log: Vec<LogRecord>,
    pub(super) deal: Option<Deal>,
    pub(super) id: DealId,
    pub(super) now: i64,
    pub(super) effects: Vec<Effect>,
    moves: u32,
}

pub(super) fn agent(name: &str) -> AgentId {
    name.parse().unwrap()
}

impl World {
    pub(super) fn new() -> Self {
        let account: schemas::signature::PublicKey = KeyPair::new_account().public_key().parse().unwrap();
        let signers: BTreeMap<_, _> = ["registry", DESK, LEDGER, "kenya", "ghana", "egypt", "maker"]
            .into_iter()
            .map(|name| {
                (
                    name.to_owned(),
                    Signer::from_seed(&KeyPair::new_user().seed().unwrap(), account.clone(), name).unwrap(),
                )
            })
            .collect();
        let mut world = Self {
            signers,
            keys: Keyring::default(),
            log: Vec::new(),
            deal: None,
            id: DealId::of(&agent("maker"), &"m0".parse().unwrap()),
            now: NOW,
            effects: Vec::new(),
            moves: 0,
        };
        for core in ["registry", DESK, LEDGER] {
            world.register(core, None);
        }
        for name in ["kenya", "ghana", "egypt", "maker"] {
            let register = Register {
                agent: agent(name),
                key: world.signers[name].key().clone(),
                kind: PartyKind::Corporate,
                capabilities: vec![],
                subjects: vec![],
                lease_ms: 1000,
            };
            let cause = world.signed(name, &subject::endpoint("registry", "register"), encode(&register));
            world.register(name, Some(cause));
        }
        world
    }

    fn register(&mut self, name: &str, cause: Option<Signed>) {
        let writer = if cause.is_some() { "registry" } else { name };
        let event = KeyEvent {
            agent: agent(name),
            turn: 0,
            prev: Hash::ZERO,
            at_unix_ms: NOW,
            key: self.signers[name].key().clone(),
            cause,
        };
        let record = self.record(writer, subject::key_log(&agent(name)), KeyEvent::TYPE, encode(&event), 1);
        self.keys.add(&record).unwrap();
    }

    pub(super) fn signed(&self, by: &str, subject: &str, body: Vec<u8>) -> Signed {
        let sender = self.signers[by].sign(subject, &body, self.now, "n").unwrap();
        Signed { subject: subject.to_owned(), sender, body }
    }

    fn record(&self, writer: &str, subject: String, kind: &str, body: Vec<u8>, sequence: u64) -> LogRecord {
        let sender = self.signers[writer].sign(&subject, &body, self.now, "n").unwrap();
        LogRecord { sequence, subject, headers: Headers::of_type(kind.to_owned()).with(header::SENDER, sender), body }
    }

    fn write(&mut self, writer: &str, entry: Entry) {
        let sequence = 10 + self.log.len() as u64;
        let record = self.record(writer, subject::deal_log(&self.id), DealEvent::TYPE, entry.bytes.clone(), sequence);
        self.deal = Deal::apply(self.deal.take(), &entry);
        self.log.push(record);
    }

    pub(super) fn next_id(&mut self) -> MoveId {
        self.moves += 1;
        format!("m{}", self.moves - 1).parse().unwrap()
    }

    /// Sends a move as `by`, claiming to be `claimed`.
    pub(super) fn send_as(&mut self, by: &str, claimed: &str, verb: DealVerb, ask: &Move) -> Result<State, ErrorReply> {
        let subject = subject::deal_move(verb, &agent(claimed), &self.id);
        let signed = self.signed(by, &subject, ask.encode());
        let sender = Sender::parse(&signed.sender).unwrap();
        let call = Call { now_unix_ms: self.now, sender: Some(sender), ..Call::default() };
        let ask = Ask::Move { by: agent(claimed), deal: self.id.clone(), ask: Box::new(ask.clone()), signed };
        self.decide(&ask, &call)
    }

    pub(super) fn send(&mut self, by: &str, verb: DealVerb, ask: &Move) -> Result<State, ErrorReply> {
        self.send_as(by, by, verb, ask)
    }

    pub(super) fn time_is(&mut self, now: i64) -> State {
        self.now = now;
        let call = Call { now_unix_ms: now, ..Call::default() };
        self.decide(&Ask::Due { deal: self.id.clone(), due_unix_ms: call.now_unix_ms }, &call).unwrap()
    }

    fn decide(&mut self, ask: &Ask, call: &Call) -> Result<State, ErrorReply> {
        let Decision { events, effects } = Desk.decide(&self.deal, ask, call)?;
        for entry in events {
            self.write(DESK, entry);
        }
        self.effects.extend(effects);
        Ok(self.deal.as_ref().unwrap().state)
    }

    /// What the ledger writes, for tests of the whole chain.
    pub(super) fn ledger(&mut self, what: Happening) {
        let (turn, prev) = self.deal.as_ref().map(|deal| (deal.turns, deal.head)).unwrap();
        self.write(
            LEDGER,
            Entry::write(DealEvent {
                deal: self.id.clone(),
                turn,
                prev,
                at_unix_ms: self.now,
                what,
                cause: None,
                trace: None,
            }),
        );
    }

    /// What a desk writes that does not ask its rules.
    pub(super) fn desk(&mut self, what: Happening, cause: Signed) {
        let (turn, prev) = self.deal.as_ref().map(|deal| (deal.turns, deal.head)).unwrap();
        let deal = self.id.clone();
        let event = DealEvent { deal, turn, prev, at_unix_ms: self.now, what, cause: Some(cause), trace: None };
        self.write(DESK, Entry::write(event));
    }

    pub(super) fn commit(&mut self) {
        let last = Entry::read(&self.log.last().unwrap().body).unwrap();
        let Happening::Certified { book, terms, acceptances, certificates, .. } = last.event.what else {
            panic!("not certified")
        };
        self.ledger(Happening::Committed { book, terms, acceptances, certificates });
    }

    pub(super) fn verify(&self) -> Result<Verified, Broken> {
        verify(&self.id, &self.log, &self.keys, &gate::Believer)
    }

    pub(super) fn opening(&mut self, profile: Profile, terms: &Terms) -> Move {
        Move::Open(Open {
            move_id: self.next_id(),
            deadline_unix_ms: self.now + 5_000,
            book: terms.book.clone(),
            profile,
            parties: terms.parties.clone(),
            expires_unix_ms: terms.expires_unix_ms,
            terms: Some(encode(terms)),
            requires: vec![],
            rules: None,
        })
    }

    pub(super) fn acceptance(&mut self, terms: &Terms) -> Move {
        Move::Accept(Accept {
            move_id: self.next_id(),
            deadline_unix_ms: self.now + 5_000,
            deal: self.id.clone(),
            terms_hash: Hash::of(&encode(terms)),
            valuation: Valuation::default(),
            holdings: Vec::new(),
            transcript: None,
        })
    }

    pub(super) fn confirmation(&mut self, terms: &Terms) -> Move {
        Move::Confirm(Confirm {
            move_id: self.next_id(),
            deadline_unix_ms: self.now + 5_000,
            deal: self.id.clone(),
            terms_hash: Hash::of(&encode(terms)),
        })
    }

    pub(super) fn rejection(&mut self) -> Move {
        Move::Reject(Reject {
            move_id: self.next_id(),
            deadline_unix_ms: self.now + 5_000,
            deal: self.id.clone(),
            terms_hash: None,
            reason: "too dear".into(),
            transcript: None,
        })
    }

    pub(super) fn withdrawal(&mut self) -> Move {
        Move::Withdraw(Withdraw {
            move_id: self.next_id(),
            deadline_unix_ms: self.now + 5_000,
            deal: self.id.clone(),
            reason: "no more".into(),
            transcript: None,
        })
    }

    /// Opens `terms` as the market maker, and lets every party accept.
    pub(super) fn agree(&mut self, terms: &Terms) {
        let open = self.opening(Profile::Ring, terms);
        self.send("maker", DealVerb::Open, &open).unwrap();
        for party in &terms.parties {
            let accept = self.acceptance(terms);
            self.send(party.as_str(), DealVerb::Accept, &accept).unwrap();
        }
    }
}

/// kenya → ghana → egypt → kenya.
pub(super) fn ring() -> Terms {
    let hop = |from: &str, to: &str, good: &str, quantity| Transfer {
        from: agent(from),
        to: agent(to),
        good: good.parse().unwrap(),
        quantity: Quantity::new(quantity).unwrap(),
        due_unix_ms: DUE,
        intent: None,
    };
    Terms {
        book: "africa".parse().unwrap(),
        parties: vec![agent("egypt"), agent("ghana"), agent("kenya")],
        transfers: vec![
            hop("kenya", "ghana", "tea", 5),
            hop("ghana", "egypt", "cocoa", 3),
            hop("egypt", "kenya", "cotton", 7),
        ],
        delivery: Delivery::Confirmed,
        expires_unix_ms: EXPIRES,
        award: None,
    }
}
