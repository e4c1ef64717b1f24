//! What alternating offers take, and what they refuse, by which rule.

use schemas::hash::Hash;
use schemas::talk::{Talk, TalkAccept, TalkBid, TalkOffer};

use super::{NOW, agent, deal, rules, say, talk};
use crate::{Broken, End, Rule, View, replay};

#[test]
fn two_agree_on_what_both_have_accepted() {
    let mut talk = talk(&[3, 2], 2, 5);
    let (kenya, egypt) = (agent("kenya"), agent("egypt"));
    let first = talk.offer(&kenya, vec![2, 1]);
    say(&mut talk, &first).unwrap();
    let second = talk.offer(&egypt, vec![0, 1]);
    say(&mut talk, &second).unwrap();
    assert_eq!((talk.round(), talk.mover()), (1, Some(&kenya)));
    let last = talk.accept(&kenya).unwrap();
    say(&mut talk, &last).unwrap();
    assert_eq!(talk.end(), Some(&End::Agreed(vec![0, 1])));
    assert_eq!(talk.mover(), None);
    assert_eq!(talk.transcript().length, 3);
    assert_eq!(talk.transcript().head, Hash::of(&last.encode()));
}

#[test]
fn three_agree_when_the_two_others_have_accepted_in_turn() {
    let mut talk = talk(&[3], 3, 5);
    let [kenya, egypt, ghana] = ["kenya", "egypt", "ghana"].map(agent);
    say(&mut talk.clone(), &talk.offer(&kenya, vec![0])).unwrap();
    let offer = talk.offer(&kenya, vec![0]);
    say(&mut talk, &offer).unwrap();
    let yes = talk.accept(&egypt).unwrap();
    say(&mut talk, &yes).unwrap();
    assert_eq!(talk.end(), None, "one is missing");
    // A counter-offer takes what was accepted away.
    let other = talk.offer(&ghana, vec![1]);
    say(&mut talk, &other).unwrap();
    for party in [&kenya, &egypt] {
        assert_eq!(talk.end(), None);
        let yes = talk.accept(party).unwrap();
        say(&mut talk, &yes).unwrap();
    }
    assert_eq!(talk.agreed(), Some(&[1][..]));
}

#[test]
fn it_ends_when_one_ends_it_and_when_there_is_no_round_left() {
    let mut broken = talk(&[3], 2, 5);
    let end = broken.finish(&agent("kenya"), "no");
    say(&mut broken, &end).unwrap();
    assert_eq!(broken.end(), Some(&End::Broken { by: agent("kenya"), reason: "no".into() }));
    let mut long = talk(&[3], 2, 2);
    for turn in 0..4 {
        assert_eq!(long.end(), None);
        let offer = long.offer(&agent(["kenya", "egypt"][turn % 2]), vec![0]);
        say(&mut long, &offer).unwrap();
    }
    assert_eq!(long.end(), Some(&End::OutOfRounds));
}

#[test]
fn each_refusal_names_its_rule_and_changes_nothing() {
    let mut talk = talk(&[3, 2], 2, 5);
    let (kenya, egypt) = (agent("kenya"), agent("egypt"));
    let opening = talk.offer(&kenya, vec![2, 1]);
    let Talk::Offer(first) = opening.clone() else { unreachable!() };
    let offer = |change: fn(&mut TalkOffer)| {
        let mut offer = first.clone();
        change(&mut offer);
        Talk::Offer(offer)
    };
    let rule = |talk: &crate::Alternating, word: &Talk, now: i64| {
        let mut copy = talk.clone();
        let refused = copy.hear(&word.encode(), now).unwrap_err();
        assert_eq!(copy, *talk);
        refused.rule
    };
    let at_first = [
        (offer(|o| o.deal = schemas::DealId::of(&agent("mali"), &"m".parse().unwrap())), Rule::Foreign),
        (offer(|o| o.by = agent("mali")), Rule::Foreign),
        (Talk::Bid(TalkBid { deal: deal(), by: kenya.clone(), prev: first.prev, outcome: vec![0, 0] }), Rule::Foreign),
        (offer(|o| o.by = agent("egypt")), Rule::OutOfTurn),
        (offer(|o| o.turn = 1), Rule::BrokenChain),
        (offer(|o| o.prev = Hash::ZERO), Rule::BrokenChain),
        (offer(|o| o.outcome = vec![3, 0]), Rule::OutsideDomain),
        (offer(|o| o.outcome = vec![0]), Rule::OutsideDomain),
        (
            Talk::Accept(TalkAccept { deal: deal(), by: kenya.clone(), turn: 0, prev: first.prev, offer: Hash::ZERO }),
            Rule::UnknownOffer,
        ),
    ];
    for (word, expected) in &at_first {
        assert_eq!(rule(&talk, word, NOW), *expected, "{word:?}");
    }
    assert_eq!(rule(&talk, &opening, NOW + 1), Rule::Late);
    assert_eq!(talk.clone().hear(b"\x80", NOW).unwrap_err().rule, Rule::Malformed);

    say(&mut talk, &opening).unwrap();
    assert_eq!(rule(&talk, &opening, NOW), Rule::Duplicate);
    assert_eq!(rule(&talk, &offer(|o| o.outcome = vec![0, 0]), NOW), Rule::OutOfTurn, "two words in one place");
    let stale =
        TalkAccept { deal: deal(), by: egypt.clone(), turn: 1, prev: Hash::of(&opening.encode()), offer: first.prev };
    assert_eq!(rule(&talk, &Talk::Accept(stale), NOW), Rule::UnknownOffer);

    let yes = talk.accept(&egypt).unwrap();
    say(&mut talk, &yes).unwrap();
    assert_eq!(rule(&talk, &yes, NOW), Rule::Duplicate, "however late");
    assert_eq!(rule(&talk, &talk.offer(&kenya, vec![0, 0]), NOW), Rule::Over);
}

#[test]
fn a_changed_word_does_not_replay() {
    let mut talk = talk(&[3, 2], 2, 5);
    let mut words = Vec::new();
    for (by, outcome) in [("kenya", vec![2, 1]), ("egypt", vec![0, 0]), ("kenya", vec![1, 1])] {
        let word = talk.offer(&agent(by), outcome);
        say(&mut talk, &word).unwrap();
        words.push(word);
    }
    let yes = talk.accept(&agent("egypt")).unwrap();
    say(&mut talk, &yes).unwrap();
    words.push(yes);
    let bytes: Vec<Vec<u8>> = words.iter().map(Talk::encode).collect();
    let told = replay(&deal(), rules(&[3, 2], 2, 5), &[], &bytes, View::Whole).unwrap();
    assert_eq!(told.transcript, talk.transcript());
    assert_eq!(told.outcome, Some(vec![1, 1]));

    let Talk::Offer(mut second) = words[1].clone() else { unreachable!() };
    second.outcome = vec![0, 1];
    let mut changed = bytes.clone();
    changed[1] = Talk::Offer(second).encode();
    let broken = replay(&deal(), rules(&[3, 2], 2, 5), &[], &changed, View::Whole).unwrap_err();
    assert!(matches!(broken, Broken::Refused { word: 2, refusal } if refusal.rule == Rule::BrokenChain));
    let lost = [&bytes[..1], &bytes[2..]].concat();
    let broken = replay(&deal(), rules(&[3, 2], 2, 5), &[], &lost, View::Whole).unwrap_err();
    assert!(matches!(broken, Broken::Refused { word: 1, refusal } if refusal.rule == Rule::BrokenChain));
    // Under other rules the first word names nothing.
    let broken = replay(&deal(), rules(&[3, 2], 2, 6), &[], &bytes, View::Whole).unwrap_err();
    assert!(matches!(broken, Broken::Refused { word: 0, refusal } if refusal.rule == Rule::BrokenChain));
}

#[test]
fn a_word_that_comes_before_the_one_it_follows_can_wait() {
    let mut other = talk(&[3], 3, 5);
    let [kenya, egypt] = ["kenya", "egypt"].map(agent);
    let first = other.offer(&kenya, vec![0]);
    say(&mut other, &first).unwrap();
    let second = other.offer(&egypt, vec![1]);
    let mut talk = talk(&[3], 3, 5);
    assert!(talk.is_ahead(&second.encode()));
    assert_eq!(say(&mut talk, &second).unwrap_err().rule, Rule::BrokenChain);
    assert!(!talk.is_ahead(&first.encode()));
    say(&mut talk, &first).unwrap();
    assert!(!talk.is_ahead(&second.encode()));
    say(&mut talk, &second).unwrap();
    assert!(!talk.is_ahead(b"no word"));
}
