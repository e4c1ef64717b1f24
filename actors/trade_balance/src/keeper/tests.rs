//! The ledger on a log in memory: what it writes, what it may lose, and its snapshots.

use std::collections::BTreeMap;

use nkeys::KeyPair;
use schemas::deal::{Accept, Delivery, Terms};
use schemas::error::Code;
use schemas::header::{self, Headers};
use schemas::import::{CountedGood, Enact, ImportRules};
use schemas::ledger::Limit;
use schemas::registry::KeyEvent;
use schemas::signature::{PublicKey, Signer};
use schemas::subject::DealVerb;
use schemas::value::Valuation;
use schemas::{Good, MoveId};

use super::*;
use crate::fixture::{agent, terms, transfer};

const NOW: i64 = 1_700_000_000_000;
const PARTIES: [&str; 4] = ["angola", "chad", "ghana", "kenya"];
const GOODS: [&str; 2] = ["oil", "tea"];

/// A log and who writes in it.
struct World {
    signers: BTreeMap<&'static str, Signer>,
    log: Vec<LogRecord>,
    ledger: Ledger,
    deals: u32,
    asks: u64,
}

impl World {
    fn new() -> Self {
        let account: PublicKey = KeyPair::new_account().public_key().parse().unwrap();
        let signer = |name| Signer::from_seed(&KeyPair::new_user().seed().unwrap(), account.clone(), name).unwrap();
        let signers = [DESK, LEDGER].map(|name| (name, signer(name))).into();
        let mut world = Self { signers, log: Vec::new(), ledger: Ledger::new(), deals: 0, asks: 0 };
        for core in [DESK, LEDGER] {
            let key = world.signers[core].key().clone();
            let event = KeyEvent { agent: agent(core), turn: 0, prev: Hash::ZERO, at_unix_ms: NOW, key, cause: None };
            world.write(core, subject::key_log(&agent(core)), KeyEvent::TYPE, encode(&event));
        }
        world
    }

    /// Stores an entry, and shows it to the ledger.
    fn write(&mut self, by: &str, subject: String, kind: &str, body: Vec<u8>) -> u64 {
        let record = self.record(by, subject, kind, body);
        self.ledger.observe(&record);
        self.log.push(record);
        self.log.len() as u64
    }

    fn record(&self, by: &str, subject: String, kind: &str, body: Vec<u8>) -> LogRecord {
        let sender = self.signers[by].sign(&subject, &body, NOW, "n").unwrap();
        let headers = Headers::of_type(kind.to_owned()).with(header::SENDER, sender);
        LogRecord { sequence: self.log.len() as u64 + 1, subject, headers, body }
    }

    /// Stores a plan, and shows it to the ledger. Notes are no entries of its log; here they take no place.
    fn carry_out(&mut self, plan: Vec<Planned>) {
        let mut sequences = Vec::new();
        let mut records = Vec::new();
        for Planned { subject, kind, body, expect, signed, .. } in plan {
            if signed {
                let last = self.log.iter().rev().find(|record| record.subject == subject).map_or(0, |r| r.sequence);
                assert!(expect.is_none_or(|expect| expect == last), "{subject}: {expect:?}, and it is at {last}");
                let record = self.record(LEDGER, subject, kind, body);
                self.log.push(record.clone());
                records.push(record);
            }
            sequences.push(self.log.len() as u64);
        }
        self.ledger.written(&sequences);
        assert!(self.ledger.snapshot().is_none() || records.is_empty(), "its own entries are not observed");
        for record in records {
            self.ledger.observe(&record);
        }
    }

    /// Lets the ledger write until there is nothing to do.
    fn settle(&mut self) {
        loop {
            let plan = self.ledger.plan(NOW);
            if plan.is_empty() {
                break;
            }
            self.carry_out(plan);
        }
        assert_eq!(self.ledger.complaints(), Vec::<String>::new());
    }

    fn declare(&mut self, who: &str, move_id: &str, deadline_unix_ms: i64, limits: &[(&str, i64)]) -> u64 {
        let limits = limits.iter().map(|(good, n)| Limit { good: Good::parse(good).unwrap(), quantity: *n }).collect();
        let book = MarketId::parse("africa").unwrap();
        let declare = Declare { move_id: MoveId::parse(move_id).unwrap(), deadline_unix_ms, book, limits };
        let signed =
            Signed { subject: subject::endpoint(LEDGER, "declare"), sender: "{}".into(), body: encode(&declare) };
        self.asks += 1;
        let call = Call { now_unix_ms: NOW, ..Call::default() };
        self.ledger.ask(self.asks, LedgerAsk::Declare { agent: agent(who), signed }, &call);
        self.asks
    }

    /// The union turns certificates on.
    fn enact(&mut self) {
        self.enact_as("union", "africa");
    }

    /// Somebody wants the union's certificates to be on: tea counts, at two units, and nobody needs any yet.
    fn enact_as(&mut self, who: &str, book: &str) -> u64 {
        let counted = CountedGood { good: Good::parse("tea").unwrap(), price: "2".parse().unwrap() };
        let rules = ImportRules {
            good: Good::parse("permit").unwrap(),
            authority: agent("union"),
            goods: vec![counted],
            life_ms: 1_000,
            lot_ms: 1_000,
            required_from_unix_ms: i64::MAX,
        };
        let book = MarketId::parse(book).unwrap();
        let move_id = MoveId::parse("on").unwrap();
        let enact = Enact { move_id, deadline_unix_ms: NOW, book: book.clone(), rules: rules.clone() };
        let signed = Signed { subject: subject::endpoint(LEDGER, "enact"), sender: "{}".into(), body: encode(&enact) };
        self.asks += 1;
        let ask = LedgerAsk::Authority { agent: agent(who), signed, book, declared: Some(Box::new(rules)) };
        self.ledger.ask(self.asks, ask, &Call { now_unix_ms: NOW, ..Call::default() });
        self.asks
    }

    /// Desk's entries of a deal that all have accepted.
    fn certify(&mut self, terms: &Terms) -> DealId {
        self.deals += 1;
        let deal = DealId::of(&agent("opener"), &MoveId::parse(&format!("m{}", self.deals)).unwrap());
        let bytes = encode(terms);
        let accepted = |party: &AgentId| {
            let accept = Accept {
                move_id: MoveId::parse("yes").unwrap(),
                deadline_unix_ms: NOW,
                deal: deal.clone(),
                terms_hash: Hash::of(&bytes),
                valuation: Valuation::default(),
                holdings: Vec::new(),
                transcript: None,
            };
            let subject = subject::deal_move(DealVerb::Accept, party, &deal);
            Signed { subject, sender: "{}".into(), body: encode(&accept) }
        };
        let what = Happening::Certified {
            book: terms.book.clone(),
            opener: agent("opener"),
            acceptances: terms.parties.iter().map(accepted).collect(),
            terms: bytes,
            certificates: vec![],
        };
        self.desk(&deal, what);
        deal
    }

    fn desk(&mut self, deal: &DealId, what: Happening) {
        let subject = subject::deal_log(deal);
        let before: Vec<_> = self.log.iter().filter(|record| record.subject == subject).collect();
        let event = DealEvent {
            deal: deal.clone(),
            turn: u32::try_from(before.len()).unwrap(),
            prev: before.last().map_or(Hash::ZERO, |record| Hash::of(&record.body)),
            at_unix_ms: NOW,
            what,
            cause: None,
            trace: None,
        };
        self.write(DESK, subject, DealEvent::TYPE, encode(&event));
    }

    fn state(&self) -> Vec<Vec<u8>> {
        self.ledger.snapshot().expect("nothing is on its way")
    }
}

/// A ledger that observes a log from a place on.
fn folded(mut ledger: Ledger, log: &[LogRecord]) -> Ledger {
    for record in log {
        ledger.observe(record);
    }
    assert_eq!(ledger.complaints(), Vec::<String>::new());
    ledger
}

/// Numbers that look drawn: the same each time.
struct Draws(u64);

impl Draws {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Some hundred entries, with deals at every stage when it ends.
fn busy(seed: u64, mut look: impl FnMut(&World)) -> World {
    let (mut world, mut draws) = (World::new(), Draws(seed));
    let mut open: Vec<DealId> = Vec::new();
    for round in 0..120 {
        let who = usize::try_from(draws.below(4)).unwrap();
        let whom = (who + 1 + usize::try_from(draws.below(3)).unwrap()) % 4;
        match draws.below(6) {
            0 => {
                let limit = i64::try_from(draws.below(1_000)).unwrap();
                let good = GOODS[usize::try_from(draws.below(2)).unwrap()];
                world.declare(PARTIES[who], &format!("d{round}"), NOW + 1, &[(good, limit)]);
            }
            1..=3 => {
                let quantity = i64::try_from(1 + draws.below(40)).unwrap();
                let mut terms = terms(vec![
                    transfer(PARTIES[who], PARTIES[whom], "tea", quantity),
                    transfer(PARTIES[whom], PARTIES[who], "oil", quantity),
                ]);
                if draws.below(2) == 0 {
                    terms.delivery = Delivery::Confirmed;
                }
                let deal = world.certify(&terms);
                open.push(deal);
            }
            _ => {
                world.settle();
                open.retain(|deal| world.ledger.shelves.values().any(|shelf| shelf.book.open(deal).is_some()));
                if let Some(deal) = open.pop() {
                    let failed = Happening::Failed { undelivered: vec![0] };
                    world.desk(&deal, if draws.below(2) == 0 { Happening::Settled } else { failed });
                }
            }
        }
        look(&world);
    }
    world
}

#[test]
fn a_snapshot_and_the_rest_of_the_log_give_the_bytes_that_the_whole_log_gives() {
    for seed in 0..6 {
        let mut snapshots = Vec::new();
        let world = busy(seed, |world| {
            if let Some(pieces) = world.ledger.snapshot() {
                snapshots.push((world.log.len(), pieces));
            }
        });
        let state = world.state();
        assert_eq!(folded(Ledger::new(), &world.log).snapshot().unwrap(), state, "seed {seed}");
        assert!(snapshots.len() > 20, "seed {seed}");
        for (at, pieces) in snapshots {
            let ledger = Ledger::restore(&pieces).unwrap();
            assert_eq!(ledger.snapshot().unwrap(), pieces, "seed {seed}, {at}");
            assert_eq!(folded(ledger, &world.log[at..]).snapshot().unwrap(), state, "seed {seed}, {at}");
        }
    }
}

#[test]
fn a_book_of_many_pieces_is_the_same_book() {
    let mut world = World::new();
    let names: Vec<String> = (0..4_000).map(|number| format!("agent-{number}")).collect();
    for (at, name) in names.iter().enumerate() {
        let limits = ["oil", "rice", "tea"].map(|good| (good, i64::try_from(at).unwrap()));
        world.declare(name, "d", NOW + 1, &limits);
    }
    world.settle();
    let pieces = world.state();
    assert!(pieces.len() > 3, "{}", pieces.len());
    let ledger = Ledger::restore(&pieces).unwrap();
    assert_eq!(ledger.snapshot().unwrap(), pieces);
    let book = |ledger: &Ledger| ledger.book(&"africa".parse().unwrap()).unwrap().balances(None);
    assert_eq!(
        (book(&ledger), book(&ledger).lines.len()),
        (book(&world.ledger), 11_997),
        "all but the limits of nothing"
    );
    let missing = [&pieces[..1], &pieces[2..]].concat();
    assert_ne!(Ledger::restore(&missing).unwrap().snapshot().unwrap(), pieces, "which the pointer's hash shows");
    assert!(Ledger::restore(&pieces[1..]).is_err(), "a book goes on before it begins");
}

#[test]
fn a_delivery_earns_certificates_in_an_entry_of_the_ledgers_own_once_whoever_starts_anew() {
    let mut world = World::new();
    world.declare("kenya", "k", NOW + 1, &[("tea", 10)]);
    world.enact();
    world.settle();
    let export = terms(vec![transfer("kenya", "angola", "tea", 10)]);
    let deal = world.certify(&Terms { delivery: Delivery::Confirmed, ..export.clone() });
    world.settle();
    let issued = |ledger: &Ledger| -> i64 {
        let lots = ledger.book(&export.book).unwrap().certificates(None).lots;
        lots.iter().map(|lot| lot.issued).sum()
    };
    assert_eq!(issued(&world.ledger), 0);
    world.desk(&deal, Happening::Settled);
    // It waits in a snapshot, too.
    world.ledger = Ledger::restore(&world.state()).unwrap();
    world.settle();
    assert_eq!(issued(&world.ledger), 20);
    let entries = world.log.iter().filter(|record| subject::parse_certificate_log(&record.subject).is_ok());
    assert_eq!(entries.count(), 2, "the rules, and the delivery");
    let mut again = folded(Ledger::new(), &world.log);
    assert_eq!(again.snapshot().unwrap(), world.state());
    assert!(again.plan(NOW).is_empty() && again.complaints().is_empty());
}

#[test]
fn what_waited_when_a_snapshot_was_taken_is_decided_by_whoever_starts_from_it() {
    let mut world = World::new();
    world.declare("kenya", "k", NOW + 1, &[("tea", 10)]);
    world.declare("angola", "a", NOW + 1, &[("oil", 10)]);
    world.settle();
    let barter = terms(vec![transfer("kenya", "angola", "tea", 10), transfer("angola", "kenya", "oil", 10)]);
    world.certify(&barter);
    let second = world.certify(&barter);
    world.ledger = Ledger::restore(&world.state()).unwrap();
    world.settle();
    let entries = |deal: &DealId| world.log.iter().filter(|r| r.subject == subject::deal_log(deal)).count();
    assert_eq!(entries(&second), 2, "refused: the first had it all");
    let kenya = world.ledger.book(&barter.book).unwrap().line(&agent("kenya"), &Good::parse("tea").unwrap());
    assert_eq!(kenya.balance, -10);
}

#[test]
fn pieces_that_are_no_state_are_refused() {
    let world = busy(7, |_| {});
    let state = world.state();
    let last = state.last().unwrap();
    for (what, pieces) in [
        ("cut", vec![last[..last.len() - 1].to_vec()]),
        (
            "of another type",
            vec![encode(&Cursor { book: "a".parse().unwrap(), turn: 0, applied_through: 0, state_hash: Hash::ZERO })],
        ),
        ("empty", vec![Vec::new()]),
    ] {
        assert!(Ledger::restore(&pieces).is_err(), "{what}");
    }
    assert_eq!(Ledger::restore(&[]).unwrap().snapshot().unwrap(), Vec::<Vec<u8>>::new(), "nothing is nothing");
}

#[test]
fn too_late_is_said_only_once_nothing_that_was_on_its_way_can_arrive() {
    let mut world = World::new();
    // A batch with the declaration is sent, and nobody hears of it again.
    world.declare("kenya", "k", NOW, &[("tea", 10)]);
    let on_its_way = world.ledger.plan(NOW);
    let cursor = on_its_way.iter().find(|planned| planned.kind == Cursor::TYPE).unwrap();
    assert_eq!(cursor.expect, Some(0));
    world.ledger.lost();
    // The deadline passes, and it is decided again.
    let plan = world.ledger.plan(NOW + 1);
    assert!(world.ledger.answers().is_empty(), "not said yet");
    let kinds: Vec<_> = plan.iter().map(|planned| (planned.kind, planned.expect)).collect();
    assert_eq!(kinds, [(Cursor::TYPE, Some(0))], "where the batch would have put its own");
    world.carry_out(plan);
    let answers = world.ledger.answers();
    let [(1, Err(refusal))] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(refusal.kind(), Code::Late);
    assert!(world.ledger.plan(NOW + 1).is_empty());
}

#[test]
fn what_is_decided_on_what_a_plan_writes_is_answered_once_it_is_written() {
    let mut world = World::new();
    // The same declaration again, another of its id, and one that can't be after it: all before anything is written.
    let first = world.declare("kenya", "k", NOW + 1, &[("tea", 10)]);
    let again = world.declare("kenya", "k", NOW + 1, &[("tea", 10)]);
    let other = world.declare("kenya", "k", NOW + 1, &[("tea", 11)]);
    for _ in 0..2 {
        assert!(!world.ledger.plan(NOW).is_empty());
        assert!(world.ledger.answers().is_empty(), "nothing is recorded yet");
        // Another ledger wrote first: it is decided again.
        world.ledger.lost();
    }
    world.settle();
    let answers: BTreeMap<u64, Answer> = world.ledger.answers().into_iter().collect();
    assert!(answers[&first].is_ok() && answers[&first] == answers[&again], "{answers:?}");
    assert_eq!(answers[&other].as_ref().unwrap_err().kind(), Code::Conflict);
    let late = world.declare("kenya", "k", NOW + 1, &[("tea", 10)]);
    assert!(world.ledger.plan(NOW).is_empty());
    assert!(matches!(world.ledger.answers().as_slice(), [(number, Ok(_))] if *number == late), "it is recorded by now");
}

#[test]
fn what_is_refused_of_a_book_that_is_not_there_leaves_no_book_and_no_cursor() {
    let mut world = World::new();
    world.declare("kenya", "k", NOW + 1, &[("tea", 10)]);
    let refused = world.enact_as("chad", "nowhere");
    let plan = world.ledger.plan(NOW);
    let kinds: Vec<_> = plan.iter().map(|planned| planned.kind).collect();
    assert_eq!(kinds, [LimitEvent::TYPE, Cursor::TYPE]);
    let answers = world.ledger.answers();
    assert!(matches!(answers.as_slice(), [(number, Err(_))] if *number == refused), "{answers:?}");
    world.carry_out(plan);
    assert_eq!(world.ledger.books().map(|book| book.id().as_str()).collect::<Vec<_>>(), ["africa"]);
}
