//! Nothing in a job's log can be changed unnoticed.

use schemas::body::encode;
use schemas::event::{Broken, Fault, Place};
use schemas::header::{self, Headers};
use schemas::keyring::{Keyring, LogRecord, RecordFault};
use schemas::registry::{KeyEvent, Register};
use schemas::value::PartyKind;

use super::pay::paid_job;
use super::*;
use crate::pay::UNPAID;
use crate::verify::{AwardEnd, MAC, Verified, verify};

/// What a stream holds of a world: each entry signed by `mac`, and everybody's keys.
struct Stored {
    id: JobId,
    records: Vec<LogRecord>,
    keys: Keyring,
}

impl Stored {
    fn of(world: &mut World) -> Self {
        for core in ["registry", MAC] {
            world.signed(core, "a", Vec::new());
        }
        let mut stored = Self { id: world.id.clone(), records: Vec::new(), keys: Keyring::default() };
        let everybody: Vec<String> = world.signers.keys().cloned().collect();
        let cores = everybody.iter().filter(|name| ["registry", MAC].contains(&name.as_str()));
        for name in cores.clone() {
            stored.register(world, name, None);
        }
        for name in everybody.iter().filter(|name| !["registry", MAC].contains(&name.as_str())) {
            let register = Register {
                agent: agent(name),
                key: world.signers[name].key().clone(),
                kind: PartyKind::Corporate,
                capabilities: vec![],
                subjects: vec![],
                lease_ms: 1000,
            };
            let cause = world.signed(name, &subject::endpoint("registry", "register"), encode(&register));
            stored.register(world, name, Some(cause));
        }
        for entry in world.log.clone() {
            stored.write(world, MAC, &entry);
        }
        stored
    }

    fn register(&mut self, world: &mut World, name: &str, cause: Option<Signed>) {
        let writer = if cause.is_some() { "registry" } else { name };
        let key = world.signers[name].key().clone();
        let event = KeyEvent { agent: agent(name), turn: 0, prev: Hash::ZERO, at_unix_ms: NOW, key, cause };
        let log = subject::key_log(&agent(name));
        self.keys.add(&record(world, writer, log, KeyEvent::TYPE, encode(&event), 1)).unwrap();
    }

    fn write(&mut self, world: &mut World, writer: &str, entry: &Entry) {
        let sequence = 10 + self.records.len() as u64;
        let log = subject::task_log(&self.id);
        self.records.push(record(world, writer, log, TaskEvent::TYPE, entry.bytes.clone(), sequence));
    }

    fn verify(&self) -> Result<Verified, Broken> {
        verify(&self.id, &self.records, &self.keys)
    }

    /// The turn at fault in these records.
    fn fault(&self, records: &[LogRecord]) -> Broken {
        verify(&self.id, records, &self.keys).unwrap_err()
    }
}

fn record(world: &mut World, writer: &str, subject: String, kind: &str, body: Vec<u8>, sequence: u64) -> LogRecord {
    let sender = world.signed(writer, &subject, body.clone()).sender;
    LogRecord { sequence, subject, headers: Headers::of_type(kind.to_owned()).with(header::SENDER, sender), body }
}

/// Two tasks: the first is given back, found wrong, waits at the gate and is done; nobody bids for the second at first.
fn story() -> World {
    let gated = Task { gate: true, ..task("a", &[]) };
    let mut world = World::with(vec![gated, task("b", &["a"])]);
    world.take("w1", "a");
    world.progress("w1", "a").unwrap();
    world.decline("w1", "a").unwrap();
    world.take("w2", "a");
    world.deliver("w2", "a", b"2").unwrap();
    for verifier in world.awaited("a").into_iter().take(2) {
        world.judge(&verifier, "a", false).unwrap();
    }
    world.take("w3", "a");
    world.deliver("w3", "a", b"1").unwrap();
    for verifier in world.awaited("a").into_iter().take(2) {
        world.judge(&verifier, "a", true).unwrap();
    }
    world.answer("human", "a", true).unwrap();
    world.later(100);
    world.take("w3", "b");
    world.later(1_000);
    world.take("w1", "b");
    world.deliver("w1", "b", b"3").unwrap();
    world.later(1_000);
    world
}

#[test]
fn a_log_that_was_lived_holds_at_every_length_at_which_something_was_written() {
    let mut world = story();
    let stored = Stored::of(&mut world);
    let verified = stored.verify().unwrap();
    assert_eq!(&verified.job, world.job());
    assert!(verified.signatures as usize > world.log.len());
    let whole =
        (1..=stored.records.len()).filter(|turns| match verify(&stored.id, &stored.records[..*turns], &stored.keys) {
            Ok(verified) => verified.job.turns as usize == *turns,
            Err(broken) => {
                assert!(matches!(broken.fault, Fault::Torn(_)), "{broken}");
                false
            }
        });
    assert!(whole.count() >= 20);
    assert_eq!(stored.fault(&[]).fault, Fault::Empty);
}

#[test]
fn every_flipped_bit_is_named_with_its_entry() {
    let mut world = story();
    let stored = Stored::of(&mut world);
    for turn in 0..stored.records.len() {
        for byte in 0..stored.records[turn].body.len() {
            let mut records = stored.records[..=turn].to_vec();
            records[turn].body[byte] ^= 1 << (byte % 8);
            assert_eq!(stored.fault(&records).turn as usize, turn, "byte {byte}");
        }
    }
}

#[test]
fn lost_repeated_reordered_and_foreign_entries_are_named() {
    let mut world = story();
    let stored = Stored::of(&mut world);
    for turn in 0..stored.records.len() - 1 {
        let mut lost = stored.records.clone();
        lost.remove(turn);
        assert_eq!(stored.fault(&lost).turn as usize, turn);
        assert_eq!(stored.fault(&lost).sequence, stored.records[turn + 1].sequence);
        let mut swapped = stored.records.clone();
        swapped.swap(turn, turn + 1);
        assert_eq!(stored.fault(&swapped).turn as usize, turn);
        let mut twice = stored.records.clone();
        twice.insert(turn, stored.records[turn].clone());
        assert_eq!(stored.fault(&twice).turn as usize, turn + 1);
        let mut elsewhere = stored.records.clone();
        elsewhere[turn].subject = subject::task_log(&"another".parse().unwrap());
        assert_eq!(stored.fault(&elsewhere).fault, Fault::Foreign);
    }
}

/// An entry of `mac`'s own making at the end of a story.
fn forged(make: impl FnOnce(&Job, Place) -> TaskEvent) -> Broken {
    let mut world = story();
    let mut stored = Stored::of(&mut world);
    let job = world.job();
    let place = Place { turn: job.turns, prev: job.head, at_unix_ms: world.now, trace: None };
    let entry = Entry::write(make(job, place));
    stored.write(&mut world, MAC, &entry);
    let broken = stored.verify().unwrap_err();
    assert_eq!(broken.turn as usize, world.log.len());
    broken
}

fn event(job: &Job, place: Place, what: TaskWord) -> TaskEvent {
    let Place { turn, prev, at_unix_ms, trace } = place;
    TaskEvent {
        job: job.id.clone(),
        turn,
        prev,
        at_unix_ms,
        what,
        tasks: vec![id("b")],
        agent: Some(agent("w1")),
        verifiers: vec![],
        mistaken: vec![],
        until_unix_ms: None,
        measure_ppb: None,
        rule: None,
        deal: None,
        deal_turns: None,
        cause: None,
        trace,
    }
}

#[test]
fn what_the_rules_do_not_give_does_not_hold_whoever_signs_it() {
    for what in [TaskWord::Done, TaskWord::Awarded, TaskWord::Finished, TaskWord::Bid, TaskWord::Refuted] {
        let broken = forged(|job, place| event(job, place, what));
        assert!(matches!(broken.fault, Fault::Rules(_)), "{what}: {broken}");
    }
    let mut world = story();
    let mut stored = Stored::of(&mut world);
    let place = Place { turn: world.job().turns, prev: world.job().head, at_unix_ms: world.now, trace: None };
    let entry = Entry::write(event(world.job(), place, TaskWord::Done));
    stored.write(&mut world, "w1", &entry);
    let fault = stored.verify().unwrap_err().fault;
    assert_eq!(fault, Fault::Record(RecordFault::Writer { signer: "w1".to_owned() }));
}

#[test]
fn a_move_that_its_mover_never_signed_does_not_hold() {
    let mut world = story();
    let place = Place { turn: world.job().turns, prev: world.job().head, at_unix_ms: world.now, trace: None };
    let cancel = TaskMove::Cancel(CancelJob {
        move_id: "m99".parse().unwrap(),
        deadline_unix_ms: world.now + 1_000,
        job: world.id.clone(),
        reason: String::new(),
    });
    let to = subject::task_move(cancel.verb(), &agent("boss"), &world.id);
    let mut cause = world.signed("boss", &to, cancel.encode().1);
    cause.sender = world.signed("w1", &to, cause.body.clone()).sender;
    let cancelled =
        TaskEvent { cause: Some(cause), tasks: vec![], agent: None, ..event(world.job(), place, TaskWord::Cancelled) };
    let mut stored = Stored::of(&mut world);
    stored.write(&mut world, MAC, &Entry::write(cancelled));
    assert!(matches!(stored.verify().unwrap_err().fault, Fault::Rules(_)), "w1 signed, and boss is named");
}

#[test]
fn the_deals_that_were_to_pay_are_named_with_what_came_of_the_work() {
    let mut world = paid_job();
    world.take("w1", "a");
    world.decline_unpaid("w1", "a", Some(crate::pay::Backing::Missing)).unwrap();
    world.take("w2", "a");
    world.later(1_000);
    world.take("w3", "a");
    world.deliver("w3", "a", b"1").unwrap();
    for verifier in world.awaited("a").into_iter().take(2) {
        world.judge(&verifier, "a", true).unwrap();
    }
    assert_eq!(world.state(), JobState::Finished);
    let payments = Stored::of(&mut world).verify().unwrap().payments;
    let ends: Vec<_> = payments.iter().map(|p| (p.worker.as_str(), p.round, p.ended.map(|end| end.how))).collect();
    assert_eq!(
        ends,
        [("w1", 1, Some(AwardEnd::Unpaid)), ("w2", 2, Some(AwardEnd::Nothing)), ("w3", 3, Some(AwardEnd::Done))]
    );
    let declined = world.events(TaskWord::Declined);
    assert_eq!(declined[0].rule.as_deref(), Some(UNPAID));
    assert_eq!(declined[0].deal.as_ref(), Some(&payments[0].promised.deal));
}
