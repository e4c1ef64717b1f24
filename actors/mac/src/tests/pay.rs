//! An award of a job that pays is a deal.

use std::collections::BTreeSet;

use schemas::deal::{Award, Delivery, ReadTerms};
use schemas::event::{DealEvent, Happening};
use schemas::id::DealId;
use schemas::task::Pay;

use super::*;
use crate::pay::{Backing, Looked};

/// A world in which `boss` pays for one task.
pub(super) fn paid_job() -> World {
    let mut world = World::new();
    let mut submit = world.submission(vec![task("a", &[])]);
    if let TaskMove::Submit(submit) = &mut submit {
        submit.pay = Some(Pay { book: "bazaar".parse().unwrap(), good: "usd".parse().unwrap() });
    }
    world.send("boss", submit).unwrap();
    world
}

impl World {
    pub(super) fn decline_unpaid(
        &mut self,
        by: &str,
        task: &str,
        backing: Option<Backing>,
    ) -> Result<Vec<TaskWord>, ErrorReply> {
        let (move_id, job, round) = (self.next_id(), self.id.clone(), self.round(task));
        let deal = self.job().task(&id(task)).and_then(|slot| slot.deal_id().cloned());
        let deadline_unix_ms = self.now + 5_000;
        let reason = "no deal".to_owned();
        let decline = DeclineTask { move_id, deadline_unix_ms, job, task: id(task), round, reason, deal };
        let (mut ask, call) = self.asked(by, &TaskMove::Decline(decline));
        if let Ask::Move { looked, .. } = &mut ask {
            *looked = backing.map(|backing| Looked { backing, turns: 3 });
        }
        self.decide(&ask, &call)
    }
}

/// The deal that the last award determines, from the note to whoever must hear of it.
fn promised(world: &World, to: &str) -> schemas::job::AwardDeal {
    let told = world.told();
    told.into_iter().find(|(who, note)| who == to && note.award.is_some()).and_then(|(_, note)| note.award).unwrap()
}

#[test]
fn an_award_says_which_deal_pays_for_it_to_both_who_make_it() {
    let mut world = paid_job();
    world.take("w1", "a");
    let deal = promised(&world, "boss");
    assert_eq!(promised(&world, "w1"), deal);
    assert_eq!(world.events(TaskWord::Awarded)[0].deal.as_ref(), Some(&deal.deal));
    assert_eq!(DealId::of(&agent("boss"), &deal.move_id), deal.deal);
    let ReadTerms { terms, .. } = ReadTerms::read(&deal.terms).unwrap();
    assert_eq!(terms.award, Some(Award { job: world.id.clone(), task: id("a"), round: 1 }));
    assert_eq!(terms.delivery, Delivery::Confirmed);
    let arrows: Vec<_> =
        terms.transfers.iter().map(|t| (t.from.as_str(), t.to.as_str(), t.good.as_str(), t.quantity.get())).collect();
    assert_eq!(arrows, [("boss", "w1", "usd", 50), ("w1", "boss", "add", 1)]);
    // The lease, then the work, four verdicts one after another, the gate, and the time to confirm.
    assert_eq!(terms.expires_unix_ms, world.now + 1_000);
    assert_eq!(terms.transfers[0].due_unix_ms, world.now + 5_000 + 4 * 1_000 + 10_000 + 10_000);

    world.deliver("w1", "a", b"1").unwrap();
    for verifier in world.awaited("a").into_iter().take(2) {
        world.judge(&verifier, "a", true).unwrap();
    }
    assert_eq!(promised(&world, "boss"), deal, "with the news that the task is done");
    assert_eq!(world.replayed().as_ref(), Some(world.job()));
}

#[test]
fn another_round_is_another_deal_and_nothing_asked_is_none() {
    let mut world = paid_job();
    world.take("w1", "a");
    let first = promised(&world, "boss");
    world.decline("w1", "a").unwrap();
    world.take("w2", "a");
    assert_ne!(promised(&world, "boss").deal, first.deal);
    world.decline("w2", "a").unwrap();
    let refused = world.bid("boss", "a", 10).unwrap_err();
    assert_eq!(refused.rule.as_deref(), Some("own_job"));
    world.bid("w3", "a", 0).unwrap();
    world.later(100);
    assert_eq!(world.events(TaskWord::Awarded)[2].deal, None);
}

/// A deal that one has accepted, and that somebody has ended.
fn open(terms_hash: Option<Hash>, accepted: &str, ended_by: Option<&str>) -> Backing {
    Backing::Open { terms_hash, accepted: BTreeSet::from([agent(accepted)]), ended_by: ended_by.map(agent) }
}

#[test]
fn who_is_not_paid_gives_back_without_harm_and_the_supervisor_bears_it() {
    let right = |world: &World| Some(Hash::of(&promised(world, "boss").terms));
    type Case = (&'static str, fn(Option<Hash>) -> Backing, bool);
    let cases: [Case; 10] = [
        ("no deal", |_| Backing::Missing, true),
        ("other terms", |_| open(None, "boss", None), true),
        ("other terms, and w1 said no", |_| open(None, "boss", Some("w1")), true),
        ("not accepted by boss", |terms_hash| open(terms_hash, "w1", None), true),
        ("not accepted by w1", |terms_hash| open(terms_hash, "boss", None), false),
        ("boss took it back", |terms_hash| open(terms_hash, "boss", Some("boss")), true),
        ("w1 said no before boss had accepted", |terms_hash| open(terms_hash, "w1", Some("w1")), false),
        ("boss has nothing", |_| Backing::Refused { party: Some(agent("boss")) }, true),
        ("w1 has nothing", |_| Backing::Refused { party: Some(agent("w1")) }, false),
        ("agreed", |_| Backing::Stands, false),
    ];
    for (case, backing, unpaid) in cases {
        let mut world = paid_job();
        world.take("w1", "a");
        let backing = backing(right(&world));
        world.decline_unpaid("w1", "a", Some(backing)).unwrap();
        let (boss, worker) = (world.standings.of(&agent("boss")), world.standings.of(&agent("w1")));
        assert_eq!((boss.broken, worker.broken), if unpaid { (1, 0) } else { (0, 1) }, "{case}");
    }
}

#[test]
fn a_job_that_cannot_pay_fails_clearly() {
    let mut world = World::new();
    let mut submit = world.submission(vec![task("a", &[])]);
    if let TaskMove::Submit(submit) = &mut submit {
        submit.pay = Some(Pay { book: "bazaar".parse().unwrap(), good: "usd".parse().unwrap() });
        submit.rules.attempts = 2;
    }
    world.send("boss", submit).unwrap();
    for _ in 0..2 {
        world.take("w1", "a");
        world.decline_unpaid("w1", "a", Some(Backing::Refused { party: Some(agent("boss")) })).unwrap();
    }
    assert_eq!((world.state(), world.job().rule.as_deref()), (JobState::Failed, Some("unpaid")));
}

/// A deal's log, as far as reputations need it.
fn happens(world: &mut World, deal: &DealId, what: Happening, sequence: u64) {
    let event =
        DealEvent { deal: deal.clone(), turn: 0, prev: Hash::ZERO, at_unix_ms: NOW, what, cause: None, trace: None };
    let (heeds, before) = (world.standings.heeds(&event), world.standings.clone());
    world.standings.count_deal(&event, sequence);
    assert!(heeds || world.standings == before, "{} changes what is not heeded", event.what.name());
}

fn committed(terms: &[u8]) -> Happening {
    let book = "bazaar".parse().unwrap();
    Happening::Committed { book, terms: terms.to_vec(), acceptances: vec![], certificates: vec![] }
}

#[test]
fn a_deal_that_pays_counts_for_who_works_and_for_who_confirms() {
    // (whether the task is done, which transfers were not confirmed) → (boss, w1), each kept and broken in the deal.
    let cases: [(bool, Option<&[u32]>, [(u64, u64); 2]); 5] = [
        (true, None, [(1, 0), (1, 0)]),
        (true, Some(&[1]), [(0, 1), (1, 0)]),
        (false, Some(&[1]), [(0, 0), (0, 1)]),
        (false, Some(&[0, 1]), [(0, 0), (0, 1)]),
        (true, Some(&[0]), [(1, 0), (1, 0)]),
    ];
    for (done, undelivered, expected) in cases {
        let mut world = paid_job();
        world.take("w1", "a");
        let deal = promised(&world, "boss");
        if done {
            world.deliver("w1", "a", b"1").unwrap();
            for verifier in world.awaited("a").into_iter().take(2) {
                world.judge(&verifier, "a", true).unwrap();
            }
        }
        let before = ["boss", "w1"].map(|name| world.standings.of(&agent(name)));
        happens(&mut world, &deal.deal, committed(&deal.terms), 20);
        let end = undelivered.map_or(Happening::Settled, |at| Happening::Failed { undelivered: at.to_vec() });
        happens(&mut world, &deal.deal, end.clone(), 21);
        happens(&mut world, &deal.deal, end, 22);
        let after = ["boss", "w1"].map(|name| world.standings.of(&agent(name)));
        let counted = [0, 1].map(|at: usize| (after[at].kept - before[at].kept, after[at].broken - before[at].broken));
        assert_eq!(counted, expected, "{done} {undelivered:?}");
    }
}

#[test]
fn a_broken_promise_in_any_deal_shows_and_the_order_of_streams_does_not() {
    let mut world = World::new();
    let swap = |award| {
        let transfer = |from: &str, to: &str| schemas::deal::Transfer {
            from: agent(from),
            to: agent(to),
            good: "tea".parse().unwrap(),
            quantity: schemas::Quantity::new(1).unwrap(),
            due_unix_ms: NOW,
            intent: None,
        };
        schemas::deal::Terms {
            book: "bazaar".parse().unwrap(),
            parties: vec![agent("chad"), agent("kenya")],
            transfers: vec![transfer("chad", "kenya"), transfer("kenya", "chad")],
            delivery: Delivery::Confirmed,
            expires_unix_ms: NOW,
            award,
        }
    };
    // Whoever names an award that nobody made is held to all that it promised.
    let feigned = Award { job: world.id.clone(), task: id("a"), round: 1 };
    let deal = DealId::of(&agent("chad"), &"m".parse().unwrap());
    happens(&mut world, &deal, committed(&schemas::encode(&swap(Some(feigned)))), 1);
    happens(&mut world, &deal, Happening::Failed { undelivered: vec![1] }, 2);
    let (chad, kenya) = (world.standings.of(&agent("chad")), world.standings.of(&agent("kenya")));
    assert_eq!((chad.kept, chad.broken, kenya.kept, kenya.broken), (1, 0, 0, 1));
    assert!(kenya.reputation_ppb < crate::standing::NEW_PPB && crate::standing::NEW_PPB < chad.reputation_ppb);
    assert_eq!((kenya.sequence, kenya.deal_sequence), (0, 2));

    let mut immediate = swap(None);
    immediate.delivery = Delivery::Immediate;
    let before = world.standings.clone();
    happens(&mut world, &deal, committed(&schemas::encode(&immediate)), 3);
    happens(&mut world, &deal, Happening::Settled, 4);
    assert_eq!(world.standings, before, "what changes hands at once was never a promise");
}
