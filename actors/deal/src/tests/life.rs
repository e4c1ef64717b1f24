//! The life of a deal, move by move.

use schemas::core::Effect;
use schemas::deal::{Delivery, Move, Propose};
use schemas::error::Code;
use schemas::event::{DealNote, Happening};
use schemas::id::DealId;

use super::*;

#[test]
fn three_agree_the_ledger_commits_all_confirm_and_it_verifies() {
    let mut world = World::new();
    let terms = ring();
    world.agree(&terms);
    assert_eq!(world.deal.as_ref().unwrap().state, State::Certified);
    world.commit();
    for (party, state) in [("egypt", State::Committed), ("ghana", State::Committed), ("kenya", State::Settled)] {
        let confirm = world.confirmation(&terms);
        assert_eq!(world.send(party, DealVerb::Confirm, &confirm).unwrap(), state);
    }
    let verified = world.verify().unwrap();
    assert_eq!(verified.deal, world.deal.unwrap());
    // One by its writer for each entry, and one by its mover for each move.
    assert_eq!(verified.signatures, 10 + 7);
}

#[test]
fn where_delivery_is_immediate_commit_settles() {
    let mut world = World::new();
    let terms = Terms { delivery: Delivery::Immediate, ..ring() };
    world.agree(&terms);
    world.commit();
    world.ledger(Happening::Settled);
    assert_eq!(world.verify().unwrap().deal.state, State::Settled);
}

#[test]
fn a_party_that_says_no_ends_it_and_everyone_hears_why() {
    let mut world = World::new();
    let terms = ring();
    let open = world.opening(Profile::Ring, &terms);
    world.send("maker", DealVerb::Open, &open).unwrap();
    world.effects.clear();
    let reject = world.rejection();
    assert_eq!(world.send("ghana", DealVerb::Reject, &reject).unwrap(), State::Rejected);
    let mut told = Vec::new();
    for effect in &world.effects {
        let Effect::Note { to, body, .. } = effect else { continue };
        let note: DealNote = schemas::decode(body, 10_000).unwrap();
        assert_eq!(
            (note.event.as_str(), note.reason.as_deref(), note.by),
            ("rejected", Some("too dear"), Some(agent("ghana")))
        );
        told.push(to.to_string());
    }
    assert_eq!(told, ["egypt", "kenya", "maker"]);
    let accept = world.acceptance(&terms);
    let late = world.send("kenya", DealVerb::Accept, &accept).unwrap_err();
    assert_eq!((late.kind(), late.state.as_deref()), (Code::Conflict, Some("rejected")));
    world.verify().unwrap();
}

#[test]
fn time_ends_what_nobody_agreed_to_and_fails_what_nobody_delivered() {
    let mut world = World::new();
    let terms = ring();
    let open = world.opening(Profile::Ring, &terms);
    world.send("maker", DealVerb::Open, &open).unwrap();
    assert_eq!(world.time_is(EXPIRES - 1), State::Negotiating, "a timer that fires early changes nothing");
    world.now = EXPIRES;
    let accept = world.acceptance(&terms);
    assert_eq!(world.send("kenya", DealVerb::Accept, &accept).unwrap_err().kind(), Code::Late);
    assert_eq!(world.time_is(EXPIRES), State::Expired);
    assert_eq!(world.time_is(EXPIRES + 1), State::Expired, "a stale timer is ignored");
    world.verify().unwrap();
    let why = |world: &World| world.deal.as_ref().unwrap().ended.clone().unwrap().1;
    assert_eq!(why(&world), "its time ran out before egypt, ghana, kenya had accepted");

    let mut world = World::new();
    world.send("maker", DealVerb::Open, &open).unwrap();
    world.send("ghana", DealVerb::Accept, &accept).unwrap();
    assert_eq!(world.time_is(EXPIRES), State::Expired);
    assert_eq!(why(&world), "its time ran out before egypt, kenya had accepted");

    let mut world = World::new();
    world.agree(&terms);
    world.commit();
    let confirm = world.confirmation(&terms);
    world.send("kenya", DealVerb::Confirm, &confirm).unwrap();
    assert_eq!(world.time_is(DUE), State::Failed);
    let Happening::Failed { undelivered } = Entry::read(&world.log.last().unwrap().body).unwrap().event.what else {
        panic!()
    };
    assert_eq!(undelivered, [0, 1], "what kenya confirmed is delivered");
    world.ledger(Happening::Compensated { reversed: vec![0, 1, 2] });
    assert_eq!(world.verify().unwrap().deal.state, State::Compensated);
}

#[test]
fn a_timer_comes_again_until_nothing_can_run_out() {
    let mut world = World::new();
    let terms = ring();
    let fires = |world: &World, due_unix_ms, now_unix_ms| {
        let call = Call { now_unix_ms, ..Call::default() };
        let due = Ask::Due { deal: world.id.clone(), due_unix_ms };
        let Decision { events, effects } = Desk.decide(&world.deal, &due, &call).unwrap();
        assert!(events.is_empty() && effects.len() < 2);
        effects.into_iter().next()
    };
    let timer = |at_unix_ms| Some(Effect::Timer { at_unix_ms });

    // Before the deal is stored: after as long as it has waited already, for a day.
    let again = |at_unix_ms| Some(Effect::Again { due_unix_ms: EXPIRES, at_unix_ms });
    assert_eq!(fires(&world, EXPIRES, EXPIRES), again(EXPIRES + 250));
    assert_eq!(fires(&world, EXPIRES, EXPIRES + 250), again(EXPIRES + 500));
    assert_eq!(fires(&world, EXPIRES, EXPIRES + 60_000), again(EXPIRES + 120_000));
    assert_eq!(fires(&world, EXPIRES, EXPIRES + 86_400_001), None);

    // Before the deal's time: at its time. The one timer is the deal's for its whole life.
    world.agree(&terms);
    let timers = world.effects.iter().filter(|effect| matches!(effect, Effect::Timer { .. }));
    assert_eq!(timers.collect::<Vec<_>>(), [&Effect::Timer { at_unix_ms: EXPIRES }]);
    assert_eq!(world.deal.as_ref().unwrap().state, State::Certified);
    assert_eq!(fires(&world, EXPIRES, EXPIRES), timer(DUE));
    // While the ledger is away: soon, and less and less often.
    assert_eq!(fires(&world, DUE, DUE), timer(DUE + 250));
    assert_eq!(fires(&world, DUE, DUE + 4_000), timer(DUE + 5_000));
    assert_eq!(fires(&world, DUE, DUE + 3_600_000), timer(DUE + 3_605_000));
    world.commit();
    assert_eq!(fires(&world, EXPIRES, EXPIRES + 1), timer(DUE));
    assert_eq!(world.time_is(DUE + 3_605_000), State::Failed, "committed after its due date, and taken back");
    assert_eq!(fires(&world, DUE, DUE + 3_606_000), None);
    world.verify().unwrap();
}

#[test]
fn the_same_move_again_is_answered_from_the_record_and_another_under_its_id_is_refused() {
    let mut world = World::new();
    let terms = ring();
    let open = world.opening(Profile::Ring, &terms);
    world.send("maker", DealVerb::Open, &open).unwrap();
    let entries = world.log.len();
    world.now += 3_600_000;
    assert_eq!(world.send("maker", DealVerb::Open, &open).unwrap(), State::Negotiating, "whenever it is asked");
    assert_eq!(world.log.len(), entries);
    let Move::Open(mut other) = open else { panic!() };
    other.deadline_unix_ms += 1;
    let refused = world.send("maker", DealVerb::Open, &Move::Open(other)).unwrap_err();
    assert_eq!((refused.kind(), refused.rule.as_deref()), (Code::Conflict, Some("move_id_reused")));
}

#[test]
fn moves_that_are_not_ones_own_late_stale_or_out_of_place_are_refused_with_a_reason() {
    let terms = ring();
    let opened = || {
        let mut world = World::new();
        let open = world.opening(Profile::Ring, &ring());
        world.send("maker", DealVerb::Open, &open).unwrap();
        world
    };
    let check = |world: &mut World, by: &str, claimed: &str, verb, ask: &Move, kind: Code, field: Option<&str>| {
        let before = world.log.len();
        let error = world.send_as(by, claimed, verb, ask).unwrap_err();
        assert_eq!((error.kind(), error.field.as_deref()), (kind, field), "{error}");
        assert_eq!(world.log.len(), before);
    };

    let mut world = opened();
    let accept = world.acceptance(&terms);
    check(&mut world, "ghana", "kenya", DealVerb::Accept, &accept, Code::Forbidden, Some("party"));
    check(&mut world, "maker", "maker", DealVerb::Accept, &accept, Code::Forbidden, Some("party"));
    let reject = world.rejection();
    check(&mut world, "maker", "maker", DealVerb::Reject, &reject, Code::Forbidden, Some("party"));
    let withdraw = world.withdrawal();
    check(&mut world, "kenya", "kenya", DealVerb::Withdraw, &withdraw, Code::Forbidden, Some("party"));
    let confirm = world.confirmation(&terms);
    check(&mut world, "kenya", "kenya", DealVerb::Confirm, &confirm, Code::Conflict, None);
    let other = Terms { expires_unix_ms: EXPIRES - 1, ..ring() };
    let accept = world.acceptance(&other);
    check(&mut world, "kenya", "kenya", DealVerb::Accept, &accept, Code::Conflict, Some("terms_hash"));
    let accept = world.acceptance(&terms);
    world.now += 6_000;
    check(&mut world, "kenya", "kenya", DealVerb::Accept, &accept, Code::Late, Some("deadline_unix_ms"));
    let accept = world.acceptance(&terms);
    world.send("kenya", DealVerb::Accept, &accept).unwrap();
    let again = world.acceptance(&terms);
    check(&mut world, "kenya", "kenya", DealVerb::Accept, &again, Code::Conflict, None);
}

#[test]
fn openings_that_break_a_rule_are_refused() {
    let cases: [(&str, Profile, fn(&mut Terms), Code, &str); 6] = [
        ("maker", Profile::Fixed, |_| (), Code::Forbidden, "parties"),
        ("maker", Profile::Ring, |t| t.transfers.swap(0, 1), Code::Refused, "terms.transfers"),
        ("maker", Profile::Exchange, |t| t.transfers.truncate(2), Code::Refused, "terms.transfers"),
        ("maker", Profile::Ring, |t| t.expires_unix_ms = NOW - 1, Code::Late, "expires_unix_ms"),
        ("maker", Profile::Ring, |t| t.transfers[0].to = agent("maker"), Code::BadMessage, "terms.transfers[0].to"),
        ("maker", Profile::Ring, |t| t.expires_unix_ms = DUE + 1, Code::BadMessage, "terms.transfers[0].due_unix_ms"),
    ];
    for (by, profile, change, kind, field) in cases {
        let mut world = World::new();
        let mut terms = ring();
        change(&mut terms);
        let open = world.opening(profile, &terms);
        let error = world.send(by, DealVerb::Open, &open).unwrap_err();
        assert_eq!((error.kind(), error.field.as_deref()), (kind, Some(field)), "{error}");
    }
}

#[test]
fn an_exchange_has_any_shape() {
    let mut world = World::new();
    let mut terms = ring();
    let mut second = terms.transfers[0].clone();
    second.to = agent("egypt");
    terms.transfers.insert(0, second);
    let open = world.opening(Profile::Exchange, &terms);
    assert_eq!(world.send("maker", DealVerb::Open, &open).unwrap(), State::Negotiating);
}

#[test]
fn in_fixed_1_terms_may_come_later_and_only_from_the_opener() {
    let mut world = World::new();
    let terms = ring();
    world.id = DealId::of(&agent("kenya"), &"m0".parse().unwrap());
    let Move::Open(open) = world.opening(Profile::Fixed, &terms) else { panic!() };
    let open = Move::Open(Open { terms: None, ..open });
    assert_eq!(world.send("kenya", DealVerb::Open, &open).unwrap(), State::Open);
    let accept = world.acceptance(&terms);
    assert_eq!(world.send("ghana", DealVerb::Accept, &accept).unwrap_err().kind(), Code::Conflict);
    let propose = Move::Propose(Propose {
        move_id: world.next_id(),
        deadline_unix_ms: world.now + 1,
        deal: world.id.clone(),
        terms: encode(&terms),
        agreement: None,
    });
    assert_eq!(world.send("ghana", DealVerb::Propose, &propose).unwrap_err().rule.as_deref(), Some("opener_proposes"));
    assert_eq!(world.send("kenya", DealVerb::Propose, &propose).unwrap(), State::Negotiating);
    world.verify().unwrap();
}
