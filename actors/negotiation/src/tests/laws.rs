//! What holds of every talk, whatever is said in it.

use proptest::prelude::*;
use schemas::talk::Talk;

use super::{NAMES, NOW, additive, agent, deal, ranked, rules, talk};
use crate::strategy::{AcceptIfGood, Concession, Micro, NashSeeker, Pace, TitForTat};
use crate::{End, Part, Preferences, Ranking, Space, Strategy as Negotiating, Utility, View, negotiate, replay};

const COUNTS: [u32; 3] = [5, 4, 3];

fn strategy(number: u8, seed: u64) -> Box<dyn Negotiating> {
    match number % 7 {
        0 => Box::new(Concession(Pace::Boulware)),
        1 => Box::new(Concession(Pace::Linear)),
        2 => Box::new(Concession(Pace::Conceder)),
        3 => Box::new(TitForTat::default()),
        4 => Box::new(Micro::new(seed)),
        5 => Box::new(NashSeeker::default()),
        _ => Box::new(AcceptIfGood { share_ppm: 700_000 }),
    }
}

fn wishes() -> impl Strategy<Value = Preferences> {
    (0i64..=100, 0i64..=100, any::<[bool; 3]>(), 0i64..900_000).prop_map(|(a, b, rising, reserved_ppm)| {
        let first = 10_000 * a;
        let second = (1_000_000 - first) * b / 100;
        let weights = [(first, rising[0]), (second, rising[1]), (1_000_000 - first - second, rising[2])];
        additive(&COUNTS, &weights, reserved_ppm)
    })
}

type Guest = (Preferences, u8, u64);

fn hold(guests: &[Guest], rounds: u32) -> crate::Alternating {
    let seat = |(at, (wishes, number, seed)): (usize, &Guest)| {
        (agent(NAMES[at]), wishes.clone(), ranked(&COUNTS, wishes), strategy(*number, *seed))
    };
    negotiate(&deal(), &rules(&COUNTS, guests.len(), rounds), guests.iter().enumerate().map(seat).collect()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_talk_ends_the_same_way_each_time_and_nobody_agrees_below_its_reservation(
        guests in prop::collection::vec((wishes(), any::<u8>(), any::<u64>()), 2..=4), rounds in 1u32..30,
    ) {
        let talk = hold(&guests, rounds);
        prop_assert_eq!(&talk, &hold(&guests, rounds));
        prop_assert!(talk.end().is_some());
        prop_assert!(talk.transcript().length as usize <= guests.len() * rounds as usize);
        if let Some(outcome) = talk.agreed() {
            for (wishes, ..) in &guests {
                prop_assert!(wishes.utility.of(outcome) >= wishes.reserved_ppm);
            }
        }
    }

    #[test]
    fn outcomes_are_ranked_by_worth_and_then_by_number_however_far_apart_they_are(
        worths in prop::collection::vec(prop_oneof![any::<i64>(), -9i64..9, Just(i64::MIN), Just(i64::MAX)], 12),
        narrow in any::<bool>(),
    ) {
        let worths: Vec<i64> = if narrow { worths.iter().map(|worth| worth % 7).collect() } else { worths };
        let space = Space::new(vec![4, 3]).unwrap();
        let of = worths.clone();
        let function = move |outcome: &[u32]| of[(outcome[0] * 3 + outcome[1]) as usize];
        let ranking = Ranking::new(&space, &Utility::Function(std::sync::Arc::new(function)));
        let mut expected: Vec<(i64, u32)> = worths.iter().copied().zip(0..).collect();
        expected.sort_by(|(a, first), (b, second)| b.cmp(a).then(first.cmp(second)));
        let expected: Vec<_> = expected.into_iter().map(|(worth, number)| (worth, space.outcome(number))).collect();
        let found: Vec<_> = (0..ranking.len()).map(|place| ranking.at(place).unwrap()).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn an_additive_utility_is_its_sum_however_large_its_parts(
        issues in prop::collection::vec((prop_oneof![any::<i64>(), 0i64..1_000_000], prop_oneof![any::<i64>(), 0i64..1_000_000]), 1..5),
    ) {
        let sum = issues.iter().map(|(weight, worth)| i128::from(*weight) * i128::from(*worth)).fold(0, i128::saturating_add);
        let expected = (sum / 1_000_000).clamp(i64::MIN.into(), i64::MAX.into());
        let choices = vec![0; issues.len()];
        let utility = Utility::Additive(issues.into_iter().map(|(weight, worth)| (weight, vec![worth])).collect());
        prop_assert_eq!(i128::from(utility.of(&choices)), expected);
    }

    #[test]
    fn whatever_is_said_words_are_taken_in_turn_and_agreement_is_what_all_accepted(
        said in prop::collection::vec((0usize..4, 0u8..8, 0u32..6, 0u32..5, -2i64..3, any::<bool>()), 0..60), parties in 2usize..=4,
    ) {
        let mut talk = talk(&COUNTS, parties, 6);
        let mut taken: Vec<Vec<u8>> = Vec::new();
        for (who, what, a, b, shift, early) in said {
            let by = agent(NAMES[who]);
            let mut word = match what {
                0..=3 => talk.offer(&by, vec![a, b, 0]),
                4..=6 => match talk.accept(&by) { Some(word) => word, None => continue },
                _ if shift == 2 => talk.finish(&by, "enough"),
                _ => continue,
            };
            if let Talk::Offer(offer) = &mut word {
                offer.turn = u32::try_from((i64::from(offer.turn) + shift.min(0)).max(0)).unwrap();
            }
            let mover = talk.mover().cloned();
            let before = talk.clone();
            let bytes = word.encode();
            match talk.hear(&bytes, if early { NOW } else { NOW - 1 }) {
                Ok(_) => {
                    prop_assert_eq!(mover.as_ref(), Some(&by));
                    taken.push(bytes);
                }
                Err(_) => prop_assert_eq!(&before, &talk),
            }
        }
        // The chain tells all of it, and only that.
        let told = replay(&deal(), rules(&COUNTS, parties, 6), &[], &taken, View::Whole).unwrap();
        prop_assert_eq!(told.transcript, talk.transcript());
        prop_assert_eq!(told.transcript.length as usize, taken.len());
        if let Some(End::Agreed(outcome)) = talk.end() {
            let last: Vec<Talk> = taken.iter().rev().take(parties).map(|bytes| Talk::decode(bytes).unwrap()).collect();
            prop_assert!(last[..parties - 1].iter().all(|word| matches!(word, Talk::Accept(_))));
            prop_assert!(matches!(&last[parties - 1], Talk::Offer(offer) if offer.outcome == *outcome));
            let mut who: Vec<_> = last.iter().map(|word| word.by().clone()).collect();
            who.sort();
            who.dedup();
            prop_assert_eq!(who.len(), parties);
        }
    }

    #[test]
    fn a_lost_changed_or_swapped_word_changes_the_head(
        guests in prop::collection::vec((wishes(), 0u8..3, any::<u64>()), 2..=3), at in any::<prop::sample::Index>(), flip in 0usize..3,
    ) {
        let seats = guests.len();
        let mut room: Vec<_> = guests.iter().enumerate().map(|(at, (wishes, number, seed))| {
            let talk = talk(&COUNTS, seats, 12);
            crate::Negotiator::new(agent(NAMES[at]), talk, wishes.clone(), ranked(&COUNTS, wishes), strategy(*number, *seed)).unwrap()
        }).collect();
        while let Some((speaker, said)) = room.iter_mut().enumerate().find_map(|(at, party)| Some((at, party.speak(NOW)?))) {
            for (other, party) in room.iter_mut().enumerate() {
                if other != speaker { party.hear(&said.word, NOW).unwrap(); }
            }
        }
        let words = room[0].words().to_vec();
        prop_assert!(room.iter().all(|party| party.words() == words && party.talk().transcript() == room[0].talk().transcript()));
        let signed = room[0].talk().transcript();
        let place = at.index(words.len());
        let mut other = words.clone();
        match flip {
            0 => { other.remove(place); }
            1 => { let last = other[place].len() - 1; other[place][last] ^= 1; }
            _ => other.swap(place, words.len() - 1),
        }
        prop_assume!(other != words);
        let told = replay(&deal(), rules(&COUNTS, seats, 12), &[], &other, View::Whole);
        prop_assert!(told.is_err() || told.unwrap().transcript != signed);
    }
}
