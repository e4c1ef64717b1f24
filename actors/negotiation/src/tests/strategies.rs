//! Strategies and figures on domains whose solutions are known.

use std::sync::Arc;

use super::{NAMES, additive, agent, deal, ranked, rules};
use crate::strategy::{AcceptIfGood, Concession, Micro, NashSeeker, Pace, TitForTat};
use crate::{Choice, End, Figure, Preferences, Rectangle, Situation, Space, Strategy, Utility, figure, negotiate};

/// Dividing 100 between two: what one gets the other does not.
const PIE: [u32; 1] = [101];

fn pie() -> [Preferences; 2] {
    [additive(&PIE, &[(1_000_000, true)], 0), additive(&PIE, &[(1_000_000, false)], 0)]
}

fn meet(counts: &[u32], wishes: &[Preferences], rounds: u32, strategies: Vec<Box<dyn Strategy>>) -> End {
    let seat = |((at, wishes), strategy): ((usize, &Preferences), Box<dyn Strategy>)| {
        (agent(NAMES[at]), wishes.clone(), ranked(counts, wishes), strategy)
    };
    let parties = wishes.iter().enumerate().zip(strategies).map(seat).collect();
    negotiate(&deal(), &rules(counts, wishes.len(), rounds), parties).unwrap().end().unwrap().clone()
}

fn share(end: &End) -> u32 {
    let End::Agreed(outcome) = end else { panic!("{end:?}") };
    outcome[0]
}

fn paced(pace: Pace) -> Box<dyn Strategy> {
    Box::new(Concession(pace))
}

#[test]
fn what_is_asked_for_falls_from_all_to_nothing_as_the_pace_says() {
    for (pace, half) in [(Pace::Boulware, 937_500), (Pace::Linear, 500_000), (Pace::Conceder, 159_103)] {
        assert_eq!(pace.asked_ppm(0), 1_000_000, "{pace:?}");
        assert_eq!(pace.asked_ppm(500_000), half, "{pace:?}");
        assert_eq!(pace.asked_ppm(1_000_000), 0, "{pace:?}");
    }
}

#[test]
fn equals_split_a_pie_near_the_middle() {
    for pace in [Pace::Boulware, Pace::Linear] {
        let got = share(&meet(&PIE, &pie(), 50, vec![paced(pace), paced(pace)]));
        assert!((40..=60).contains(&got), "{pace:?}: {got}");
    }
    let got = share(&meet(&PIE, &pie(), 100, vec![Box::new(Micro::new(1)), Box::new(Micro::new(2))]));
    assert!((48..=52).contains(&got), "MiCRO: {got}");
}

#[test]
fn who_concedes_late_gets_more_from_who_concedes_early() {
    let got = share(&meet(&PIE, &pie(), 50, vec![paced(Pace::Boulware), paced(Pace::Conceder)]));
    assert!(got > 75, "{got}");
}

#[test]
fn two_who_only_copy_each_other_never_move() {
    let copies = || Box::new(TitForTat::default()) as Box<dyn Strategy>;
    assert_eq!(meet(&PIE, &pie(), 20, vec![copies(), copies()]), End::OutOfRounds);
    // Against one who concedes it gives way by as much.
    let got = share(&meet(&PIE, &pie(), 50, vec![copies(), paced(Pace::Linear)]));
    assert!((45..=60).contains(&got), "{got}");
}

#[test]
fn whoever_accepts_what_is_good_enough_gets_that() {
    let modest = Box::new(AcceptIfGood { share_ppm: 300_000 });
    let got = share(&meet(&PIE, &pie(), 50, vec![modest, paced(Pace::Linear)]));
    assert!((30..=32).contains(&got), "{got}");
}

#[test]
fn nobody_agrees_below_its_reservation() {
    let mut wishes = pie();
    wishes[0].reserved_ppm = 600_000;
    wishes[1].reserved_ppm = 600_000;
    assert_eq!(meet(&PIE, &wishes, 30, vec![paced(Pace::Conceder), paced(Pace::Conceder)]), End::OutOfRounds);
    wishes[0].reserved_ppm = 1_000_001;
    assert!(matches!(meet(&PIE, &wishes, 30, vec![paced(Pace::Linear), paced(Pace::Linear)]), End::Broken { .. }));
}

/// Two issues that the parties weigh the other way round: each should get what matters to it.
const TRADE: [u32; 2] = [11, 11];

fn trade() -> [Preferences; 2] {
    [
        additive(&TRADE, &[(800_000, true), (200_000, true)], 0),
        additive(&TRADE, &[(200_000, false), (800_000, false)], 0),
    ]
}

#[test]
fn the_nash_point_gives_each_what_matters_to_it() {
    let Figure { front, nash } = figure(&Space::new(TRADE.to_vec()).unwrap(), &trade());
    let space = Space::new(TRADE.to_vec()).unwrap();
    let (number, worths) = nash.clone().unwrap();
    assert_eq!(space.outcome(number), [10, 0]);
    assert_eq!(worths, [800_000, 800_000]);
    // First all of issue 0 for the first, then all of issue 1: 21 points.
    assert_eq!(front.len(), 21);
    let figure = Figure { front, nash };
    assert_eq!(figure.from_front_ppm(&[800_000, 800_000]), Some(0));
    assert_eq!(figure.from_nash_ppm(&[500_000, 400_000]), Some(500_000));
}

#[test]
fn two_who_model_each_other_find_the_nash_point() {
    let known = figure(&Space::new(TRADE.to_vec()).unwrap(), &trade());
    let seekers = || Box::new(NashSeeker::default()) as Box<dyn Strategy>;
    let End::Agreed(outcome) = meet(&TRADE, &trade(), 60, vec![seekers(), seekers()]) else { panic!("no agreement") };
    let worths: Vec<i64> = trade().iter().map(|wishes| wishes.utility.of(&outcome)).collect();
    assert_eq!(known.from_nash_ppm(&worths), Some(0), "{outcome:?}");
}

#[test]
fn three_find_the_front_of_their_domain() {
    let wishes = [
        additive(&[4, 4, 4], &[(600_000, true), (200_000, true), (200_000, false)], 0),
        additive(&[4, 4, 4], &[(200_000, false), (600_000, true), (200_000, true)], 0),
        additive(&[4, 4, 4], &[(200_000, true), (200_000, false), (600_000, true)], 0),
    ];
    let strategies = (0..3).map(|_| Box::new(NashSeeker::default()) as Box<dyn Strategy>).collect();
    let End::Agreed(outcome) = meet(&[4, 4, 4], &wishes, 40, strategies) else { panic!("no agreement") };
    let worths: Vec<i64> = wishes.iter().map(|wishes| wishes.utility.of(&outcome)).collect();
    let known = figure(&Space::new(vec![4, 4, 4]).unwrap(), &wishes);
    assert!(known.from_front_ppm(&worths).unwrap() < 100_000, "{outcome:?} {worths:?}");
    // The front of three is what brute force says it is.
    let every: Vec<Vec<i64>> = (0..64)
        .map(|number| {
            wishes.iter().map(|w| w.utility.of(&Space::new(vec![4, 4, 4]).unwrap().outcome(number))).collect()
        })
        .collect();
    let beaten = |point: &Vec<i64>| {
        every.iter().any(|other| other != point && other.iter().zip(point).all(|(other, own)| other >= own))
    };
    let mut front: Vec<Vec<i64>> = every.iter().filter(|point| !beaten(point)).cloned().collect();
    front.sort();
    front.dedup();
    let mut found: Vec<Vec<i64>> = known.front.iter().map(|(_, worths)| worths.clone()).collect();
    found.sort();
    assert_eq!(found, front);
}

#[test]
fn rectangles_add_up_and_a_function_is_any() {
    let rectangle = |from: [u32; 2], to: [u32; 2], adds_ppm| Rectangle { from: from.into(), to: to.into(), adds_ppm };
    let utility = Utility::Rectangles(vec![rectangle([0, 0], [4, 4], 300_000), rectangle([3, 3], [9, 3], 500_000)]);
    assert_eq!(utility.of(&[3, 3]), 800_000);
    assert_eq!(utility.of(&[2, 3]), 300_000);
    assert_eq!(utility.of(&[5, 5]), 0);
    let odd = Utility::Function(Arc::new(|outcome| i64::from(outcome.iter().sum::<u32>() % 2) * 1_000_000));
    assert_eq!((odd.of(&[1, 1]), odd.of(&[1, 2])), (0, 1_000_000));
}

#[test]
fn outcomes_are_numbered_without_gaps() {
    let space = Space::new(vec![3, 1, 4]).unwrap();
    assert_eq!(space.size(), 12);
    for number in 0..12 {
        assert_eq!(space.number(&space.outcome(number)), Some(number));
    }
    assert_eq!(space.number(&[0, 1, 0]), None);
    assert!(Space::new(vec![65_536, 65_536]).is_none());
}

/// A strategy of one's own is this long.
struct Stubborn;

impl Strategy for Stubborn {
    fn choose(&mut self, now: &Situation) -> Choice {
        match now.table {
            Some(offer) if now.is_last_round() && now.is_acceptable(offer) => Choice::Accept,
            _ => now.best(),
        }
    }
}

#[test]
fn ones_own_strategy_plays_with_the_others() {
    assert_eq!(share(&meet(&PIE, &pie(), 10, vec![Box::new(Stubborn), paced(Pace::Conceder)])), 95);
}
