//! The contract net, as manager, contractor and auditor see it.

use schemas::body::encode;
use schemas::hash::Hash;
use schemas::id::AgentId;
use schemas::negotiation::{self, ReadRules, Rules, ScoreWeight};
use schemas::talk::Talk;

use super::{NOW, agent, deal, domain};
use crate::{ContractNet, Rule, View, replay};

/// Cheap (issue 0) is good, and late (issue 1) is twice as bad as dear.
fn rules() -> ReadRules {
    let weight = |issue: &str, weight| ScoreWeight { issue: issue.parse().unwrap(), weight };
    let read = negotiation::ContractNet {
        domain: domain(&[10, 10], 2),
        manager: agent("kenya"),
        bids_until_unix_ms: NOW,
        score: vec![weight("i0", -1), weight("i1", -2)],
    };
    let hash = Hash::of(&encode(&read));
    ReadRules { rules: Rules::ContractNet(read), hash }
}

fn parties() -> Vec<AgentId> {
    ["egypt", "ghana", "kenya", "mali"].map(agent).to_vec()
}

fn net(view: View) -> ContractNet {
    ContractNet::new(deal(), rules(), &parties(), view).unwrap()
}

fn say(net: &mut ContractNet, word: &Talk) -> Vec<u8> {
    let bytes = word.encode();
    net.hear(&bytes, NOW).unwrap();
    bytes
}

#[test]
fn the_best_bid_is_awarded_and_its_bidder_knows() {
    let mut manager = net(View::Whole);
    let mut ghana = net(View::Party(agent("ghana")));
    let call = manager.call("a road");
    let mut words = vec![say(&mut manager, &call)];
    say(&mut ghana, &call);
    let dear = manager.bid(&agent("egypt"), vec![9, 0]).unwrap();
    words.push(say(&mut manager, &dear));
    let cheap = ghana.bid(&agent("ghana"), vec![1, 2]).unwrap();
    say(&mut ghana, &cheap);
    words.push(say(&mut manager, &cheap));
    assert!(!manager.is_answered());
    let no = manager.decline(&agent("mali"), "busy").unwrap();
    words.push(say(&mut manager, &no));
    assert!(manager.is_answered());
    let award = manager.decision().unwrap();
    words.push(say(&mut manager, &award));
    say(&mut ghana, &award);
    // i0 stands for 1 to 10: 10 + 2 × 1 against 2 + 2 × 3.
    assert_eq!(manager.award().unwrap().bidding.as_ref().unwrap().by, agent("ghana"));
    assert_eq!(ghana.award().unwrap().bidding.as_ref().unwrap().outcome, Some(vec![1, 2]));
    assert_eq!(manager.transcript(), ghana.transcript());
    assert_eq!(manager.transcript().unwrap().length, 5);

    let told = replay(&deal(), rules(), &parties(), &words, View::Whole).unwrap();
    assert_eq!(Some(told.transcript), manager.transcript());
    assert_eq!(told.between, ["kenya", "ghana"].map(agent));
    assert!(replay(&deal(), rules(), &parties(), &words[..4], View::Whole).is_err(), "no award, no head");
    let own = |bid: Vec<u8>| [words[0].clone(), bid, words[4].clone()];
    let shown = |words: &[Vec<u8>]| replay(&deal(), rules(), &parties(), words, View::Party(agent("ghana")));
    assert_eq!(shown(&own(words[2].clone())).unwrap().transcript, told.transcript);
    let better = another_bid(&words[2]);
    assert_eq!(shown(&own(better)), Err(crate::Broken::Uncounted), "nobody has signed that bid");
    let fewer = [&words[..1], &words[2..]].concat();
    assert!(replay(&deal(), rules(), &parties(), &fewer, View::Whole).is_err(), "an answer was left out");
}

/// The same bid with another outcome.
fn another_bid(bytes: &[u8]) -> Vec<u8> {
    let Ok(Talk::Bid(mut bid)) = Talk::decode(bytes) else { panic!() };
    bid.outcome = vec![0, 0];
    Talk::Bid(bid).encode()
}

#[test]
fn between_equals_the_first_id_wins_whatever_the_order() {
    for order in [["egypt", "ghana"], ["ghana", "egypt"]] {
        let mut net = net(View::Whole);
        let call = net.call("");
        say(&mut net, &call);
        for who in order {
            let bid = net.bid(&agent(who), vec![3, 3]).unwrap();
            say(&mut net, &bid);
        }
        let award = net.decision().unwrap();
        say(&mut net, &award);
        assert_eq!(net.award().unwrap().bidding.as_ref().unwrap().by, agent("egypt"));
    }
}

#[test]
fn where_nobody_bids_nothing_is_awarded() {
    let mut net = net(View::Whole);
    let call = net.call("");
    say(&mut net, &call);
    let no = net.decline(&agent("mali"), "").unwrap();
    say(&mut net, &no);
    let award = net.decision().unwrap();
    say(&mut net, &award);
    assert_eq!(net.award().unwrap().bid, None);
    assert!(net.transcript().is_some());
}

#[test]
fn each_refusal_names_its_rule() {
    let mut net = net(View::Whole);
    let refused = |net: &ContractNet, word: &Talk, now: i64| {
        let mut copy = net.clone();
        let refusal = copy.hear(&word.encode(), now).unwrap_err();
        assert_eq!(copy, *net);
        refusal.rule
    };
    let call = net.call("a road");
    let Talk::Call(mut forged) = call.clone() else { unreachable!() };
    forged.by = agent("ghana");
    assert_eq!(refused(&net, &Talk::Call(forged), NOW), Rule::Foreign);
    say(&mut net, &call);
    assert_eq!(refused(&net, &call, NOW), Rule::Duplicate);
    assert_eq!(refused(&net, &net.call("another road"), NOW), Rule::OutOfTurn);
    let bid = net.bid(&agent("egypt"), vec![5, 5]).unwrap();
    assert_eq!(refused(&net, &bid, NOW + 1), Rule::Late);
    let Talk::Bid(mut other) = bid.clone() else { unreachable!() };
    other.outcome = vec![5, 10];
    assert_eq!(refused(&net, &Talk::Bid(other.clone()), NOW), Rule::OutsideDomain);
    other.by = agent("chad");
    assert_eq!(refused(&net, &Talk::Bid(other.clone()), NOW), Rule::Foreign);
    other.by = agent("kenya");
    assert_eq!(refused(&net, &Talk::Bid(other.clone()), NOW), Rule::Foreign, "the manager does not bid");
    other.by = agent("ghana");
    other.prev = Hash::ZERO;
    assert_eq!(refused(&net, &Talk::Bid(other), NOW), Rule::BrokenChain);
    say(&mut net, &bid);
    assert_eq!(refused(&net, &bid, NOW), Rule::Duplicate);
    let better = net.bid(&agent("egypt"), vec![0, 0]).unwrap();
    assert_eq!(refused(&net, &better, NOW), Rule::OutOfTurn, "one answer each");
    let second = net.bid(&agent("ghana"), vec![9, 9]).unwrap();
    say(&mut net, &second);
    let Talk::Award(award) = net.decision().unwrap() else { unreachable!() };
    let mut wrong = award.clone();
    wrong.bid = Some(Hash::of(&second.encode()));
    assert_eq!(refused(&net, &Talk::Award(wrong.clone()), NOW), Rule::WrongAward);
    wrong.heard.remove(0);
    assert_eq!(refused(&net, &Talk::Award(wrong), NOW), Rule::BrokenChain);
    say(&mut net, &Talk::Award(award));
    assert_eq!(refused(&net, &net.bid(&agent("mali"), vec![0, 0]).unwrap(), NOW), Rule::Over);
    let contractor = self::net(View::Party(agent("egypt")));
    let mut contractor = contractor;
    say(&mut contractor, &call);
    assert_eq!(refused(&contractor, &second, NOW), Rule::Foreign, "bids are sealed");
}
