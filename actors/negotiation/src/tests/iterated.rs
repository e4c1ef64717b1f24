//! The iterated contract net, as manager, contractor and auditor see it.

use proptest::prelude::*;
use schemas::body::encode;
use schemas::hash::Hash;
use schemas::id::AgentId;
use schemas::negotiation::{IteratedContractNet, ReadRules, Rules, ScoreWeight};
use schemas::quantity::Quantity;
use schemas::talk::Talk;

use super::{NOW, additive, agent, deal, domain, ranked};
use crate::strategy::{Asking, Bidder, Pace, Sealed, Undercut};
use crate::{ContractNet, Contractor, Manager, Part, Refusal, Rule, View, hold, replay};

const COUNTS: [u32; 2] = [10, 10];
const BIDDERS: [&str; 3] = ["egypt", "ghana", "mali"];
const ROUND_MS: i64 = 1_000;

/// Much of issue 0 is good for the manager, and issue 1 does not matter to it.
fn rules(rounds: u32, least_gain: i64, keep: u32) -> ReadRules {
    let read = IteratedContractNet {
        domain: domain(&COUNTS, 2),
        manager: agent("kenya"),
        bids_until_unix_ms: NOW,
        round_ms: ROUND_MS,
        rounds,
        least_gain: Quantity::new(least_gain).unwrap(),
        keep,
        score: vec![ScoreWeight { issue: "i0".parse().unwrap(), weight: 1 }],
    };
    let hash = Hash::of(&encode(&read));
    ReadRules { rules: Rules::Iterated(read), hash }
}

fn parties() -> Vec<AgentId> {
    ["egypt", "ghana", "kenya", "mali"].map(agent).to_vec()
}

fn net(rules: &ReadRules, view: View) -> ContractNet {
    ContractNet::new(deal(), rules.clone(), &parties(), view).unwrap()
}

fn say(net: &mut ContractNet, word: &Talk) -> Vec<u8> {
    let bytes = word.encode();
    net.hear(&bytes, NOW).unwrap();
    bytes
}

fn bid(net: &mut ContractNet, who: &str, choice: u32) -> Vec<u8> {
    let bid = net.bid(&agent(who), vec![choice, 0]).unwrap();
    say(net, &bid)
}

fn decide(net: &mut ContractNet) -> Talk {
    let word = net.decision().unwrap();
    say(net, &word);
    word
}

fn refused(net: &ContractNet, word: &Talk, now: i64) -> Rule {
    let mut copy = net.clone();
    let Refusal { rule, .. } = copy.hear(&word.encode(), now).unwrap_err();
    assert_eq!(copy, *net);
    rule
}

#[test]
fn it_is_called_again_while_bids_get_better_and_the_best_of_all_is_awarded() {
    let rules = rules(5, 2, 2);
    let mut manager = net(&rules, View::Whole);
    let call = manager.call("a road");
    let mut words = vec![say(&mut manager, &call)];
    words.extend([("mali", 1), ("ghana", 4), ("egypt", 4)].map(|(who, choice)| bid(&mut manager, who, choice)));
    let again = decide(&mut manager);
    words.push(again.encode());
    // Two are called again, and told the best bid; between equals the first id is best, and here both are.
    let Talk::Revise(revise) = &again else { panic!("{again:?}") };
    assert_eq!((&revise.called[..], &revise.best[..]), (&["egypt", "ghana"].map(agent)[..], &[4, 0][..]));
    assert_eq!((manager.round(), manager.until_unix_ms()), (1, NOW + ROUND_MS));
    words.push(bid(&mut manager, "ghana", 7));
    let no = manager.decline(&agent("egypt"), "").unwrap();
    words.push(say(&mut manager, &no));
    let again = decide(&mut manager);
    words.push(again.encode());
    let Talk::Revise(revise) = &again else { panic!("{again:?}") };
    assert_eq!((&revise.called[..], &revise.best[..]), (&[agent("ghana")][..], &[7, 0][..]), "who declines is out");
    // One better is less than the rules ask for, so it is over; and the bid that is awarded is the best one.
    words.push(bid(&mut manager, "ghana", 8));
    words.push(decide(&mut manager).encode());
    let told = manager.told().unwrap();
    assert_eq!((told.outcome, told.between), (Some(vec![8, 0]), ["kenya", "ghana"].map(agent).to_vec()));
    assert_eq!(told.transcript.length as usize, words.len());
    assert_eq!(replay(&deal(), rules.clone(), &parties(), &words, View::Whole).unwrap().transcript, told.transcript);
    for left_out in 0..words.len() {
        let mut fewer = words.clone();
        fewer.remove(left_out);
        assert!(replay(&deal(), rules.clone(), &parties(), &fewer, View::Whole).is_err(), "without word {left_out}");
    }
}

#[test]
fn a_bid_stands_though_its_bidder_bids_less_later() {
    let mut manager = net(&rules(3, 1, 3), View::Whole);
    let call = manager.call("");
    say(&mut manager, &call);
    bid(&mut manager, "ghana", 6);
    decide(&mut manager);
    bid(&mut manager, "ghana", 2);
    let Talk::Award(award) = decide(&mut manager) else { panic!() };
    let awarded = manager.award().unwrap().bidding.clone().unwrap();
    assert_eq!((awarded.outcome, awarded.round), (Some(vec![6, 0]), 0));
    assert!(!award.heard.contains(&awarded.hash), "it was named by the call before");
}

#[test]
fn each_refusal_names_its_rule() {
    let rules = rules(3, 1, 2);
    let mut manager = net(&rules, View::Whole);
    let mut ghana = net(&rules, View::Party(agent("ghana")));
    let call = manager.call("");
    for net in [&mut manager, &mut ghana] {
        say(net, &call);
    }
    let early = manager.bid(&agent("mali"), vec![9, 9]).unwrap();
    bid(&mut manager, "egypt", 5);
    let own = ghana.bid(&agent("ghana"), vec![6, 0]).unwrap();
    say(&mut manager, &own);
    say(&mut ghana, &own);
    let Talk::Revise(right) = manager.decision().unwrap() else { panic!() };
    let award = |bid| {
        let (deal, by, prev, heard) = (right.deal.clone(), right.by.clone(), right.prev, right.heard.clone());
        Talk::Award(schemas::talk::TalkAward { deal, by, prev, heard, bid })
    };
    assert_eq!(refused(&manager, &award(Some(Hash::of(&own.encode()))), NOW), Rule::WrongAward, "too soon");
    assert_eq!(refused(&manager, &award(Some(Hash::ZERO)), NOW), Rule::UnknownOffer);
    let changed = |change: fn(&mut schemas::talk::TalkRevise)| {
        let mut word = right.clone();
        change(&mut word);
        Talk::Revise(word)
    };
    let others = changed(|word| word.called = vec![agent("egypt")]);
    assert_eq!(refused(&manager, &others, NOW), Rule::WrongCall);
    let less = changed(|word| word.best = vec![5, 0]);
    assert_eq!(refused(&manager, &less, NOW), Rule::WrongCall);
    assert_eq!(refused(&ghana, &less, NOW), Rule::WrongCall, "its own bid is better");
    let more = changed(|word| word.called = ["egypt", "ghana", "mali"].map(agent).to_vec());
    assert_eq!(refused(&ghana, &more, NOW), Rule::WrongCall, "two are kept");
    let unheard = changed(|word| word.bid = Hash::ZERO);
    assert_eq!(refused(&manager, &unheard, NOW), Rule::WrongCall);
    assert_eq!(refused(&ghana, &unheard, NOW), Rule::WrongCall);
    let own_as_another = changed(|word| word.best = vec![7, 0]);
    assert_eq!(refused(&ghana, &own_as_another, NOW), Rule::WrongCall, "it has not bid that");
    let outside = changed(|word| word.best = vec![10, 0]);
    assert_eq!(refused(&ghana, &outside, NOW), Rule::OutsideDomain);
    assert_eq!(refused(&ghana, &changed(|word| word.by = agent("mali")), NOW), Rule::Foreign);
    assert_eq!(refused(&ghana, &changed(|word| word.prev = Hash::ZERO), NOW), Rule::BrokenChain);
    assert_eq!(refused(&manager, &changed(|word| word.heard.reverse()), NOW), Rule::BrokenChain);
    let twice = changed(|word| word.heard[0] = word.heard[1]);
    assert_eq!(refused(&ghana, &twice, NOW), Rule::BrokenChain);
    let again = Talk::Revise(right);
    for net in [&mut manager, &mut ghana] {
        say(net, &again);
    }
    assert_eq!(refused(&manager, &again, NOW), Rule::Duplicate);
    assert_eq!(refused(&manager, &early, NOW), Rule::Late, "that round is over");
    let mali = manager.bid(&agent("mali"), vec![9, 0]).unwrap();
    assert_eq!(refused(&manager, &mali, NOW), Rule::OutOfTurn, "it is not called again");
    let better = manager.bid(&agent("egypt"), vec![7, 0]).unwrap();
    assert_eq!(refused(&manager, &better, NOW + ROUND_MS + 1), Rule::Late);
    manager.clone().hear(&better.encode(), NOW + ROUND_MS).unwrap();
    // Who has not heard the bids sees at least that the best got better by too little.
    let Talk::Revise(mut same) = again else { panic!() };
    same.prev = Hash::of(&Talk::Revise(same.clone()).encode());
    same.heard = vec![Hash::of(b"a bid")];
    same.called = vec![agent("egypt")];
    assert_eq!(refused(&ghana, &Talk::Revise(same.clone()), NOW), Rule::WrongCall);
    (same.bid, same.best) = (same.heard[0], vec![7, 0]);
    say(&mut ghana, &Talk::Revise(same));
    assert!(!ghana.awaits(&agent("ghana")));
    let once = schemas::negotiation::ContractNet {
        domain: domain(&COUNTS, 2),
        manager: agent("kenya"),
        bids_until_unix_ms: NOW,
        score: Vec::new(),
    };
    let hash = Hash::of(&encode(&once));
    let mut once = net(&ReadRules { rules: Rules::ContractNet(once), hash }, View::Whole);
    let call = once.call("");
    say(&mut once, &call);
    assert_eq!(refused(&once, &others, NOW), Rule::Foreign, "cnp/1 has one call");
}

fn bidder(number: u8) -> Box<dyn Bidder> {
    match number % 5 {
        0 => Box::new(Asking(Pace::Boulware)),
        1 => Box::new(Asking(Pace::Linear)),
        2 => Box::new(Asking(Pace::Conceder)),
        3 => Box::new(Sealed { share_ppm: 300_000 }),
        _ => Box::new(Undercut::default()),
    }
}

/// Manager and bidders: what a bidder wants (issue 0 down, issue 1 as it likes), and how it bids.
fn room(rules: &ReadRules, bidders: &[(i64, bool, i64, u8)]) -> Vec<(AgentId, Box<dyn Part>)> {
    let mut room: Vec<(AgentId, Box<dyn Part>)> = Vec::new();
    room.push((agent("kenya"), Box::new(Manager::new(net(rules, View::Whole), "a road"))));
    for (name, (weight, rising, reserved_ppm, number)) in BIDDERS.iter().zip(bidders) {
        let wishes = additive(&COUNTS, &[(*weight, false), (1_000_000 - weight, *rising)], *reserved_ppm);
        let (me, ranking) = (agent(name), ranked(&COUNTS, &wishes));
        let net = net(rules, View::Party(me.clone()));
        room.push((me.clone(), Box::new(Contractor::new(me, net, *reserved_ppm, ranking, bidder(*number)))));
    }
    room
}

#[test]
fn bidders_who_undercut_each_other_bring_it_down_to_the_second_best() {
    let rules = rules(20, 1, 3);
    // Only issue 0 counts. Egypt can go to 8, Ghana to 6, Mali to 3.
    let mut room =
        room(&rules, &[(1_000_000, true, 111_110, 4), (1_000_000, true, 333_330, 4), (1_000_000, true, 666_660, 4)]);
    hold(&mut room, NOW).unwrap();
    let told = room[0].1.told().unwrap();
    assert_eq!((told.between[1].as_str(), told.outcome.unwrap()[0]), ("egypt", 6));
}

proptest! {
    #[test]
    fn the_best_bid_of_all_is_awarded_and_everybody_can_show_it(
        bidders in prop::collection::vec((0i64..=1_000_000, any::<bool>(), 0i64..1_000_000, any::<u8>()), 3),
        rounds in 1u32..8, least_gain in 1i64..4, keep in 1u32..4,
    ) {
        let rules = rules(rounds, least_gain, keep);
        let mut room = room(&rules, &bidders);
        hold(&mut room, NOW).unwrap();
        let told = room[0].1.told().unwrap();
        let words = room[0].1.words().to_vec();
        prop_assert_eq!(told.transcript.length as usize, words.len());
        prop_assert_eq!(&replay(&deal(), rules.clone(), &parties(), &words, View::Whole).unwrap(), &told);
        let bids = words.iter().filter_map(|word| match Talk::decode(word) { Ok(Talk::Bid(bid)) => Some(bid), _ => None });
        let most = bids.map(|bid| bid.outcome[0]).max();
        prop_assert_eq!(told.outcome.as_ref().map(|outcome| outcome[0]), most);
        for ((who, part), (weight, rising, reserved_ppm, _)) in room[1..].iter().zip(&bidders) {
            let own = replay(&deal(), rules.clone(), &parties(), part.words(), View::Party(who.clone())).unwrap();
            prop_assert_eq!(own.transcript, told.transcript);
            if let Some(outcome) = own.outcome {
                let wishes = additive(&COUNTS, &[(*weight, false), (1_000_000 - weight, *rising)], *reserved_ppm);
                prop_assert!(wishes.utility.of(&outcome) >= *reserved_ppm);
                prop_assert_eq!((Some(&outcome), &own.between), (told.outcome.as_ref(), &told.between));
            }
        }
    }
}
