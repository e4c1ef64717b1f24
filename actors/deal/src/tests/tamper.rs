//! Nothing in a log can be changed unnoticed.

use super::*;
use schemas::event::Fault;

fn settled() -> World {
    let mut world = World::new();
    let terms = ring();
    world.agree(&terms);
    world.commit();
    for party in ["egypt", "ghana", "kenya"] {
        let confirm = world.confirmation(&terms);
        world.send(party, DealVerb::Confirm, &confirm).unwrap();
    }
    world
}

#[test]
fn every_flipped_bit_of_a_body_is_named_with_its_entry() {
    let world = settled();
    for turn in 0..world.log.len() {
        let size = world.log[turn].body.len();
        for byte in 0..size {
            let mut log = world.log.clone();
            log[turn].body[byte] ^= 1 << (byte % 8);
            let broken = verify(&world.id, &log, &world.keys, &super::gate::Believer).unwrap_err();
            assert_eq!(broken.turn as usize, turn, "byte {byte}: {broken}");
        }
    }
}

#[test]
fn every_flipped_bit_of_a_header_or_subject_is_named_with_its_entry() {
    let world = settled();
    for turn in 0..world.log.len() {
        let pairs: Vec<(String, String)> = world.log[turn].headers.iter().map(|(n, v)| (n.into(), v.into())).collect();
        for at in 0..pairs.len() {
            for byte in 0..pairs[at].1.len() {
                let mut other = pairs.clone();
                let mut value = other[at].1.clone().into_bytes();
                value[byte] ^= 1;
                let Ok(value) = String::from_utf8(value) else { continue };
                other[at].1 = value;
                let mut log = world.log.clone();
                log[turn].headers = other.into_iter().collect();
                let broken = verify(&world.id, &log, &world.keys, &super::gate::Believer).expect_err(&pairs[at].0);
                assert_eq!(broken.turn as usize, turn, "{} byte {byte}: {broken}", pairs[at].0);
            }
        }
        let mut log = world.log.clone();
        log[turn].subject = subject::deal_log(&DealId::of(&agent("kenya"), &"x".parse().unwrap()));
        assert_eq!(verify(&world.id, &log, &world.keys, &super::gate::Believer).unwrap_err().turn as usize, turn);
    }
}

#[test]
fn lost_repeated_and_reordered_entries_are_named() {
    let world = settled();
    for turn in 0..world.log.len() {
        let mut lost = world.log.clone();
        lost.remove(turn);
        if turn + 1 < world.log.len() {
            assert_eq!(verify(&world.id, &lost, &world.keys, &super::gate::Believer).unwrap_err().turn as usize, turn);
            let mut swapped = world.log.clone();
            swapped.swap(turn, turn + 1);
            assert_eq!(
                verify(&world.id, &swapped, &world.keys, &super::gate::Believer).unwrap_err().turn as usize,
                turn
            );
        }
        let mut twice = world.log.clone();
        twice.insert(turn, world.log[turn].clone());
        assert_eq!(verify(&world.id, &twice, &world.keys, &super::gate::Believer).unwrap_err().turn as usize, turn + 1);
    }
    let torn = &world.log[..world.log.len() - 1];
    assert!(matches!(
        verify(&world.id, torn, &world.keys, &super::gate::Believer).unwrap_err().fault,
        Fault::Torn("settled")
    ));
}

#[test]
fn a_commit_without_every_acceptance_is_refused() {
    let mut world = World::new();
    let terms = ring();
    world.agree(&terms);
    let last = Entry::read(&world.log.last().unwrap().body).unwrap();
    let Happening::Certified { book, terms, mut acceptances, certificates, .. } = last.event.what else { panic!() };
    acceptances.pop();
    world.ledger(Happening::Committed { book, terms, acceptances, certificates });
    let broken = world.verify().unwrap_err();
    assert!(matches!(broken.fault, Fault::Rules(_)), "{broken}");
    assert_eq!(broken.turn, 5);
}

#[test]
fn a_writer_that_may_not_write_it_is_named() {
    let mut world = World::new();
    world.agree(&ring());
    let (turn, prev) = world.deal.as_ref().map(|deal| (deal.turns, deal.head)).unwrap();
    let what = Happening::Refused { rule: "x".into(), reason: "y".into(), evidence: None, party: None };
    let entry =
        Entry::write(DealEvent { deal: world.id.clone(), turn, prev, at_unix_ms: NOW, what, cause: None, trace: None });
    world.write(DESK, entry);
    let broken = world.verify().unwrap_err();
    assert!(matches!(broken.fault, Fault::Record(schemas::keyring::RecordFault::Writer { .. })), "{broken}");
}
