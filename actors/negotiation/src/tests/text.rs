//! Mediated single text, as mediator, party and auditor see it.

use proptest::prelude::*;
use schemas::body::encode;
use schemas::hash::Hash;
use schemas::id::AgentId;
use schemas::negotiation::{self, ReadRules, Rules};
use schemas::talk::{CountedVote, Talk};

use super::{NAMES, NOW, additive, agent, deal, domain};
use crate::strategy::{Annealer, HillClimber, Voter};
use crate::{Mediator, Member, Part, Preferences, Rectangle, Refusal, Rule, SingleText, Utility, View, hold, replay};

const COUNTS: [u32; 3] = [5, 4, 3];

fn rules(counts: &[u32], parties: usize, seed: u64, rounds: u32) -> ReadRules {
    let read = negotiation::SingleText {
        domain: domain(counts, u32::try_from(parties).unwrap()),
        order: NAMES[..parties].iter().map(|name| agent(name)).collect(),
        mediator: agent("togo"),
        seed,
        rounds,
        talk_until_unix_ms: NOW,
    };
    let hash = Hash::of(&encode(&read));
    ReadRules { rules: Rules::SingleText(read), hash }
}

fn talk(rules: &ReadRules, view: View) -> SingleText {
    SingleText::new(deal(), rules.clone(), view).unwrap()
}

fn say(talk: &mut SingleText, word: &Talk) -> Vec<u8> {
    let bytes = word.encode();
    talk.hear(&bytes, NOW).unwrap();
    bytes
}

fn refused(talk: &SingleText, word: &Talk) -> Rule {
    let mut copy = talk.clone();
    let Refusal { rule, .. } = copy.hear(&word.encode(), NOW).unwrap_err();
    assert_eq!(copy, *talk);
    rule
}

/// The first text of seed 7, and what it puts to the vote.
const FORMULA: [[u32; 3]; 5] = [[0, 0, 1], [0, 0, 2], [2, 0, 2], [0, 2, 2], [0, 2, 0]];

#[test]
fn what_a_seed_draws_is_what_the_formula_says() {
    // Worked out apart from this crate, from the formula in its documentation.
    let rules = rules(&COUNTS, 2, 7, 4);
    let mut mediator = talk(&rules, View::Whole);
    let mut told = vec![mediator.text().to_vec()];
    for accepts in [true, false, true, true] {
        let text = mediator.decision().unwrap();
        say(&mut mediator, &text);
        told.push(mediator.proposed().unwrap().to_vec());
        for party in &NAMES[..2] {
            let vote = mediator.vote(&agent(party), accepts).unwrap();
            say(&mut mediator, &vote);
        }
    }
    assert_eq!(told, FORMULA);
}

#[test]
fn what_all_accept_stands_and_what_one_rejects_does_not() {
    let rules = rules(&COUNTS, 3, 1, 2);
    let mut mediator = talk(&rules, View::Whole);
    let begun = mediator.text().to_vec();
    let mut words = Vec::new();
    for (round, against) in [(0, Some("egypt")), (1, None)] {
        let text = mediator.decision().unwrap();
        words.push(say(&mut mediator, &text));
        assert_eq!((mediator.round(), mediator.text()), (round, &begun[..]));
        for party in &NAMES[..3] {
            assert!(mediator.decision().is_none(), "not before all have voted");
            assert!(mediator.awaits(&agent(party)));
            let vote = mediator.vote(&agent(party), against != Some(party)).unwrap();
            words.push(say(&mut mediator, &vote));
        }
    }
    let last = mediator.proposed().unwrap().to_vec();
    let result = mediator.decision().unwrap();
    words.push(say(&mut mediator, &result));
    let told = mediator.told().unwrap();
    assert_eq!((told.outcome.as_ref(), told.between.len()), (Some(&last), 3));
    assert_eq!(told.transcript.length as usize, words.len());
    assert_eq!(replay(&deal(), rules.clone(), &[], &words, View::Whole).unwrap(), told);
    assert!(replay(&deal(), rules.clone(), &[], &words[..8], View::Whole).is_err(), "no result, no head");
    // A party has the texts and its own votes, and can show as much.
    let own = words.iter().filter(|word| {
        let word = Talk::decode(word).unwrap();
        [agent("togo"), agent("egypt")].contains(word.by())
    });
    let own: Vec<Vec<u8>> = own.cloned().collect();
    assert_eq!(replay(&deal(), rules, &[], &own, View::Party(agent("egypt"))).unwrap(), told);
}

#[test]
fn each_refusal_names_its_rule() {
    let rules = rules(&COUNTS, 2, 5, 2);
    let mut mediator = talk(&rules, View::Whole);
    let mut egypt = talk(&rules, View::Party(agent("egypt")));
    let Talk::Text(first) = mediator.decision().unwrap() else { panic!() };
    let text = |change: fn(&mut schemas::talk::TalkText), of: &schemas::talk::TalkText| {
        let mut word = of.clone();
        change(&mut word);
        Talk::Text(word)
    };
    assert_eq!(refused(&egypt, &text(|word| word.by = agent("kenya"), &first)), Rule::Foreign);
    assert_eq!(refused(&egypt, &text(|word| word.round = 1, &first)), Rule::BrokenChain);
    assert_eq!(refused(&egypt, &text(|word| word.prev = Hash::ZERO, &first)), Rule::BrokenChain);
    assert_eq!(refused(&egypt, &text(|word| word.outcome[0] ^= 1, &first)), Rule::WrongText);
    assert_eq!(refused(&egypt, &text(|word| word.outcome[0] = 9, &first)), Rule::WrongText);
    let made_up = |word: &mut schemas::talk::TalkText| word.votes.push(CountedVote { hash: Hash::ZERO, accepts: true });
    assert_eq!(refused(&egypt, &text(made_up, &first)), Rule::WrongCount, "nobody has voted yet");
    let opening = Talk::Text(first.clone());
    let mut late = egypt.clone();
    assert_eq!(late.hear(&opening.encode(), NOW + 1).unwrap_err().rule, Rule::Late);
    for talk in [&mut mediator, &mut egypt] {
        say(talk, &opening);
    }
    assert_eq!(refused(&egypt, &opening), Rule::Duplicate);
    let votes = [("kenya", true), ("egypt", false)].map(|(who, accepts)| mediator.vote(&agent(who), accepts).unwrap());
    assert_eq!(refused(&egypt, &votes[0]), Rule::Foreign, "votes are for the mediator alone");
    let Talk::Vote(mut stranger) = votes[0].clone() else { panic!() };
    stranger.by = agent("togo");
    assert_eq!(refused(&mediator, &Talk::Vote(stranger.clone())), Rule::Foreign, "the mediator has no vote");
    (stranger.by, stranger.prev) = (agent("kenya"), Hash::ZERO);
    assert_eq!(refused(&mediator, &Talk::Vote(stranger)), Rule::BrokenChain);
    votes.iter().for_each(|vote| drop(say(&mut mediator, vote)));
    say(&mut egypt, &votes[1]);
    assert_eq!(refused(&mediator, &votes[0]), Rule::Duplicate);
    let turned = mediator.vote(&agent("kenya"), false).unwrap();
    assert_eq!(refused(&mediator, &turned), Rule::OutOfTurn, "one vote each");

    let Talk::Text(second) = mediator.decision().unwrap() else { panic!() };
    let swapped = |word: &mut schemas::talk::TalkText| word.votes[1].accepts = true;
    assert_eq!(refused(&egypt, &text(swapped, &second)), Rule::WrongCount, "its vote was turned");
    assert_eq!(refused(&egypt, &text(|word| word.votes.truncate(1), &second)), Rule::WrongCount);
    assert_eq!(refused(&egypt, &text(|word| word.votes[0] = word.votes[1], &second)), Rule::WrongCount);
    let other = |word: &mut schemas::talk::TalkText| word.votes[0].hash = Hash::ZERO;
    assert_eq!(refused(&mediator, &text(other, &second)), Rule::WrongCount);
    let Talk::Result(early) = ({
        let (deal, by, prev, votes) = (second.deal.clone(), second.by.clone(), second.prev, second.votes.clone());
        Talk::Result(schemas::talk::TalkResult { deal, by, prev, votes, outcome: egypt.text().to_vec() })
    }) else {
        panic!()
    };
    assert_eq!(refused(&egypt, &Talk::Result(early.clone())), Rule::WrongText, "there is a round left");
    let second = Talk::Text(second);
    for talk in [&mut mediator, &mut egypt] {
        say(talk, &second);
    }
    assert_eq!(refused(&egypt, &text(|word| word.votes.clear(), &first)), Rule::Duplicate);
    assert_eq!(refused(&egypt, &text(|word| word.outcome[0] ^= 1, &first)), Rule::OutOfTurn);
    for (who, accepts) in [("kenya", true), ("egypt", true)] {
        let vote = mediator.vote(&agent(who), accepts).unwrap();
        say(&mut mediator, &vote);
        if who == "egypt" {
            say(&mut egypt, &vote);
        }
    }
    let Talk::Result(result) = mediator.decision().unwrap() else { panic!() };
    assert_eq!(refused(&egypt, &Talk::Result(early)), Rule::BrokenChain);
    let mut wrong = result.clone();
    wrong.outcome = mediator.text().to_vec();
    assert_eq!(refused(&egypt, &Talk::Result(wrong)), Rule::WrongText, "what all accepted stands");
    say(&mut egypt, &Talk::Result(result));
    assert_eq!(refused(&egypt, &mediator.vote(&agent("egypt"), false).unwrap()), Rule::Over);
    assert_eq!(
        refused(
            &egypt,
            &Talk::End(schemas::talk::TalkEnd {
                deal: deal(),
                by: agent("egypt"),
                turn: 0,
                prev: Hash::ZERO,
                reason: String::new(),
            })
        ),
        Rule::Over
    );
}

type Wishes = (Preferences, Box<dyn Voter>);

fn held(rules: &ReadRules, wishes: Vec<Wishes>) -> Vec<(AgentId, Box<dyn Part>)> {
    let mut room: Vec<(AgentId, Box<dyn Part>)> =
        vec![(agent("togo"), Box::new(Mediator::new(talk(rules, View::Whole))))];
    for (name, (preferences, voter)) in NAMES.iter().zip(wishes) {
        let me = agent(name);
        let talk = talk(rules, View::Party(me.clone()));
        room.push((me.clone(), Box::new(Member::new(me, talk, preferences, voter).unwrap())));
    }
    hold(&mut room, NOW).unwrap();
    room
}

/// Six issues of four choices, and forty rectangles over them that overlap: rugged.
fn rugged(seed: u64) -> Utility {
    let mut dice = crate::dice::Dice::new(seed);
    let rectangle = |_| {
        let ends: Vec<(u32, u32)> = (0..6)
            .map(|_| {
                let (a, b) = (dice.below(4) as u32, dice.below(4) as u32);
                (a.min(b), a.max(b))
            })
            .collect();
        let (from, to) = ends.into_iter().unzip();
        Rectangle { from, to, adds_ppm: i64::try_from(dice.below(200_000)).unwrap() }
    };
    Utility::Rectangles((0..120).map(rectangle).collect())
}

#[test]
fn where_issues_depend_on_each_other_annealers_find_more_together() {
    let sum = |annealing: bool| -> i64 {
        let talk = |seed: u64| -> i64 {
            let wishes: Vec<Preferences> =
                (0..2).map(|at| Preferences { utility: rugged(2 * seed + at), reserved_ppm: 0 }).collect();
            let voter = |at: u64| -> Box<dyn Voter> {
                if annealing { Box::new(Annealer::new(200_000, seed + at)) } else { Box::new(HillClimber) }
            };
            let with = wishes.iter().cloned().zip(0..).map(|(wishes, at)| (wishes, voter(at))).collect();
            let outcome = held(&rules(&[4; 6], 2, seed, 400), with)[0].1.told().unwrap().outcome.unwrap();
            wishes.iter().map(|wishes| wishes.utility.of(&outcome)).sum()
        };
        (0..40).map(talk).sum()
    };
    let (annealers, climbers) = (sum(true), sum(false));
    assert!(annealers > climbers + climbers / 20, "{annealers} {climbers}");
}

proptest! {
    #[test]
    fn a_seed_and_its_votes_are_one_text_and_climbers_lose_nothing(
        wishes in prop::collection::vec((0i64..=1_000_000, any::<[bool; 3]>(), 0i64..1_000_000), 2..=4),
        seed in any::<u64>(), rounds in 1u32..60,
    ) {
        let parties = wishes.len();
        let rules = rules(&COUNTS, parties, seed, rounds);
        let begun = talk(&rules, View::Whole).text().to_vec();
        let wants = |(first, rising, reserved_ppm): &(i64, [bool; 3], i64)| {
            let weights = [(*first, rising[0]), (1_000_000 - first, rising[1]), (0, rising[2])];
            additive(&COUNTS, &weights, *reserved_ppm)
        };
        let wants: Vec<Preferences> = wishes.iter().map(wants).collect();
        let climb = || wants.iter().cloned().map(|wish| (wish, Box::new(HillClimber) as Box<dyn Voter>)).collect();
        let room = held(&rules, climb());
        let told = room[0].1.told().unwrap();
        prop_assert_eq!(&told, &held(&rules, climb())[0].1.told().unwrap());
        prop_assert_eq!(told.transcript.length as usize, room[0].1.words().len());
        prop_assert_eq!(&replay(&deal(), rules.clone(), &[], room[0].1.words(), View::Whole).unwrap(), &told);
        let outcome = told.outcome.clone().unwrap();
        for ((who, part), wish) in room[1..].iter().zip(&wants) {
            prop_assert!(wish.utility.of(&outcome) >= wish.utility.of(&begun));
            prop_assert_eq!(part.wants(), wish.utility.of(&outcome) >= wish.reserved_ppm);
            let own = replay(&deal(), rules.clone(), &[], part.words(), View::Party(who.clone())).unwrap();
            prop_assert_eq!(&own, &told);
        }
    }

    #[test]
    fn a_lost_changed_or_swapped_word_is_seen(
        seed in any::<u64>(), rounds in 1u32..8, at in any::<prop::sample::Index>(), flip in 0usize..3,
    ) {
        let rules = rules(&COUNTS, 2, seed, rounds);
        let wish = |rising| additive(&COUNTS, &[(400_000, rising), (300_000, true), (300_000, !rising)], 0);
        let room = held(&rules, vec![(wish(true), Box::new(HillClimber)), (wish(false), Box::new(Annealer::new(200_000, seed)))]);
        let (signed, words) = (room[0].1.told().unwrap().transcript, room[0].1.words().to_vec());
        let place = at.index(words.len());
        let mut other = words.clone();
        match flip {
            0 => { other.remove(place); }
            1 => { let last = other[place].len() - 1; other[place][last] ^= 1; }
            _ => other.swap(place, words.len() - 1),
        }
        prop_assume!(other != words);
        let told = replay(&deal(), rules, &[], &other, View::Whole);
        prop_assert!(told.is_err() || told.unwrap().transcript != signed);
    }
}
