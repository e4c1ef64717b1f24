//! Laws, on drawn cases: what must hold of a rule whatever is divided, to one minor unit.

use proptest::prelude::*;
use schemas::division::{Game, GameKind, Rule};
use schemas::limit::PPM;
use terms::Exact;

use super::*;
use crate::fixture::{states, terms, transfer};

const RULES: [Rule; 3] = [Rule::Leximin, Rule::Nash, Rule::Proportional];

/// Least amounts, claims beyond them, and what there is beyond the least amounts, in parts of the claims.
fn pots() -> impl Strategy<Value = (Vec<(i64, i64)>, i64)> {
    (proptest::collection::vec((0i64..1_000, 1i64..1_000_000), 1..8), 0i64..=100).prop_map(|(claims, percent)| {
        let least: i64 = claims.iter().map(|(least, _)| least).sum();
        let most: i64 = claims.iter().map(|(_, claim)| claim).sum();
        (claims, least + most * percent / 100)
    })
}

fn divided(rule: Rule, claims: &[(i64, i64)], amount: i64) -> Vec<i64> {
    let claimants = claims.iter().enumerate();
    let claimants = claimants.map(|(at, (least, claim))| claimant(&format!("p{at}"), *least, Some(least + claim)));
    amounts(&pot(rule, amount, claimants.collect()).unwrap())
}

/// A trade of tea for oil, whose unit values and costs are drawn, and how far quantities may move.
#[derive(Debug, Clone)]
struct Barter {
    /// kenya's oil, angola's tea.
    values: [i64; 2],
    /// kenya's tea, angola's oil.
    costs: [i64; 2],
    payment: Option<i64>,
    most: [i64; 2],
}

fn barters() -> impl Strategy<Value = Barter> {
    let unit = || 1i64..1_000;
    (unit(), unit(), unit(), unit(), proptest::option::of(Just(100_000_000)), 1i64..5_000, 1i64..5_000)
        .prop_filter("somebody gains", |(oil, tea, tea_cost, oil_cost, ..)| oil * tea > tea_cost * oil_cost)
        .prop_map(|(oil, tea, tea_cost, oil_cost, payment, most_tea, most_oil)| Barter {
            values: [oil, tea],
            costs: [tea_cost, oil_cost],
            payment,
            most: [most_tea, most_oil],
        })
}

fn trade(rule: Rule, barter: &Barter, scale: i64) -> Result<Divided, ErrorReply> {
    let Barter { values: [oil, tea], costs: [tea_cost, oil_cost], payment, most: [most_tea, most_oil] } = barter;
    let number = |number: i64| number.to_string();
    let (oil, tea_cost, money) = (number(oil * scale), number(tea_cost * scale), number(scale));
    let (tea, oil_cost) = (number(*tea), number(*oil_cost));
    let valuations = vec![
        states(
            "kenya",
            0,
            &[("oil", &oil, &oil), ("usd", &money, &money)],
            &[("tea", &tea_cost, &tea_cost), ("usd", &money, &money)],
        ),
        states(
            "angola",
            0,
            &[("tea", &tea, &tea), ("usd", "1", "1")],
            &[("oil", &oil_cost, &oil_cost), ("usd", "1", "1")],
        ),
    ];
    let terms = terms(vec![transfer("kenya", "angola", "tea", 1), transfer("angola", "kenya", "oil", 1)]);
    bargain(rule, terms, valuations, room(&[(0, 0, *most_tea), (1, 0, *most_oil)], *payment))
}

/// angola's gain and kenya's by hand, for quantities and what kenya is paid.
fn gained(barter: &Barter, tea: i64, oil: i64, paid: i64) -> [i64; 2] {
    let Barter { values, costs, .. } = barter;
    [values[1] * tea - costs[1] * oil - paid, values[0] * oil - costs[0] * tea + paid]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Exact budget balance; nobody below its least nor above its claim; equals treated equally; what the rule says, to
    /// one unit.
    #[test]
    fn a_pot_is_given_out_and_nobody_loses((claims, amount) in pots()) {
        for rule in RULES {
            let shares = divided(rule, &claims, amount);
            prop_assert_eq!(shares.iter().sum::<i64>(), amount);
            for ((least, claim), share) in claims.iter().zip(&shares) {
                prop_assert!((*least..=least + claim).contains(share), "{:?}: {}", rule, share);
            }
            let mut twins = claims.clone();
            twins.push(claims[0]);
            let shares = divided(rule, &twins, amount + claims[0].0);
            prop_assert!((shares[0] - shares[twins.len() - 1]).abs() <= 1, "{:?}: {:?}", rule, shares);
        }
    }

    /// More to divide, nobody gets less; a larger claim, its holder gets no less, where the rule has it so.
    #[test]
    fn more_harms_nobody((claims, amount) in pots(), more in 0i64..1_000) {
        let most: i64 = claims.iter().map(|(least, claim)| least + claim).sum();
        for rule in RULES {
            let before = divided(rule, &claims, amount);
            let after = divided(rule, &claims, (amount + more).min(most));
            prop_assert!(before.iter().zip(&after).all(|(before, after)| after + 1 >= *before), "{:?}", rule);
            let mut grown = claims.clone();
            grown[0].1 += more;
            prop_assert!(divided(rule, &grown, amount)[0] + 1 >= before[0], "{:?}", rule);
        }
    }

    /// Measured in a unit a thousand times as small, everyone gets a thousand times as many.
    #[test]
    fn a_pot_has_no_scale((claims, amount) in pots()) {
        let finer: Vec<_> = claims.iter().map(|(least, claim)| (least * 1000, claim * 1000)).collect();
        for rule in RULES {
            let (coarse, fine) = (divided(rule, &claims, amount), divided(rule, &finer, amount * 1000));
            prop_assert!(coarse.iter().zip(&fine).all(|(coarse, fine)| (coarse * 1000 - fine).abs() < 1000 + 1), "{:?}", rule);
        }
    }

    /// In a bargain: conserved, everyone satisfied, gains as reported, and relative gains as even as whole units allow.
    #[test]
    fn a_bargain_satisfies_everyone(barter in barters()) {
        for rule in [Rule::Leximin, Rule::Nash] {
            let divided = trade(rule, &barter, 1).unwrap();
            let moved = divided.terms.as_ref().unwrap();
            let quantity = |name: &str, from: &str| moved.transfers.iter()
                .filter(|t| t.good.as_str() == name && t.from.as_str() == from).map(|t| t.quantity.get()).sum::<i64>();
            let paid = quantity("usd", "angola") - quantity("usd", "kenya");
            prop_assert_eq!(gained(&barter, quantity("tea", "kenya"), quantity("oil", "angola"), paid).to_vec(), gains(&divided));
            prop_assert_eq!(amounts(&divided), [-paid, paid]);
            let given: Vec<i64> = divided.shares.iter().filter_map(|share| share.given_minor).collect();
            prop_assert_eq!(given, gained(&barter, 1, 1, 0));
            prop_assert!(divided.shares.iter().all(|share| share.satisfied == Some(true) && share.gain_minor >= 0));
            if rule == Rule::Leximin && barter.payment.is_some() {
                // Money moves gains one for one, so the parts of their bests differ by what one unit of it counts.
                let [a, b] = [&divided.shares[0], &divided.shares[1]];
                let [best_a, best_b] = [a, b].map(|share| i128::from(share.best_minor.unwrap()));
                let cross = i128::from(a.gain_minor) * best_b - i128::from(b.gain_minor) * best_a;
                prop_assert!(cross.abs() <= best_a + best_b, "{:?}", divided.shares);
            }
            if rule == Rule::Nash && barter.payment.is_some() && divided.nash_mean_minor > 1000 {
                prop_assert!(divided.epsilon_ppm.unwrap() < 2_000, "{:?}", divided);
            }
        }
    }

    /// What one party counts in cents another may count in dollars: the terms are the same (covariance).
    #[test]
    fn a_bargain_has_no_scale(barter in barters()) {
        let (one, other) = (trade(Rule::Leximin, &barter, 1).unwrap(), trade(Rule::Leximin, &barter, 7).unwrap());
        for (one, other) in one.terms.unwrap().transfers.iter().zip(&other.terms.unwrap().transfers) {
            prop_assert!((one.quantity.get() - other.quantity.get()).abs() <= 1, "{} {}", one.quantity, other.quantity);
        }
        // Nash's product is found in floats: what the coarser answer gains, the finer one does to a hundred-thousandth.
        let (one, other) = (trade(Rule::Nash, &barter, 1).unwrap(), trade(Rule::Nash, &barter, 7).unwrap());
        for (one, other) in gains(&one).iter().zip(gains(&other).iter().zip([1, 7])) {
            let (other, scale) = other;
            let unit = 1_000 * scale + one.abs() * scale / 100_000;
            prop_assert!((one * scale - other).abs() <= unit, "{} {} {}", one, other, scale);
        }
    }

    /// Nothing is left on the table: with money that all count alike, the gains sum to the most that any quantities bring,
    /// to the worth of a unit of each good.
    #[test]
    fn a_bargain_is_efficient(barter in barters()) {
        let barter = Barter { payment: Some(100_000_000), ..barter };
        let Barter { values: [oil, tea], costs: [tea_cost, oil_cost], most: [most_tea, most_oil], .. } = barter;
        let most = (tea - tea_cost).max(0) * most_tea + (oil - oil_cost).max(0) * most_oil;
        for rule in RULES {
            let sum: i64 = gains(&trade(rule, &barter, 1).unwrap()).iter().sum();
            prop_assert!(sum <= most && sum + tea + oil + tea_cost + oil_cost >= most, "{:?}: {} of {}", rule, sum, most);
        }
    }

    /// Names decide nothing but ties: with the parties' names exchanged, so are their gains.
    #[test]
    fn a_bargain_knows_no_names(barter in barters()) {
        let barter = Barter { payment: Some(100_000_000), ..barter };
        let Barter { values: [oil, tea], costs: [tea_cost, oil_cost], payment, most: [most_tea, most_oil] } = barter;
        // Who was kenya and gave tea now gives what is called oil.
        let mirrored =
            Barter { values: [tea, oil], costs: [oil_cost, tea_cost], payment, most: [most_oil, most_tea] };
        for rule in [Rule::Leximin, Rule::Proportional] {
            let (one, other) = (trade(rule, &barter, 1).unwrap(), trade(rule, &mirrored, 1).unwrap());
            let unit = 1 + oil.max(tea).max(tea_cost).max(oil_cost);
            let [a, b] = [gains(&one), gains(&other)];
            prop_assert!((a[0] - b[1]).abs() <= unit && (a[1] - b[0]).abs() <= unit, "{:?}: {:?} {:?}", rule, a, b);
        }
    }

    /// Independence of irrelevant alternatives, Nash's own axiom: claims that are cut to what their holders get anyway
    /// change nothing.
    #[test]
    fn nash_does_not_look_at_what_is_not_chosen((claims, amount) in pots(), keep in 0i64..1_000) {
        let shares = divided(Rule::Nash, &claims, amount);
        let cut: Vec<_> = claims.iter().zip(&shares)
            .map(|((least, claim), share)| (*least, (share - least + keep).clamp(0, *claim))).collect();
        prop_assert_eq!(divided(Rule::Nash, &cut, amount), shares);
    }

    /// Strong monotonicity (H. P. Young, Monotonic solutions of cooperative games, 1985): who adds more to any set, and
    /// less to none, gets no less.
    #[test]
    fn who_adds_more_gets_no_less(
        worths in proptest::collection::vec(-1_000_000i64..1_000_000, 7),
        more in proptest::collection::vec(0i64..1_000_000, 4),
    ) {
        let sets = ["a", "b", "c", "ab", "ac", "bc", "abc"];
        let before: Vec<_> = sets.into_iter().zip(worths.iter().copied()).collect();
        let mut raised = more.into_iter();
        let after: Vec<_> = before.iter()
            .map(|(set, worth)| (*set, if set.contains('a') { worth + raised.next().unwrap() } else { *worth })).collect();
        let value = |listed: &[(&str, i64)]| amounts(&play(Rule::Shapley, game(GameKind::Listed, 3, listed)).unwrap())[0];
        prop_assert!(value(&after) + 1 >= value(&before));
    }

    /// Shapley's axioms: efficiency, symmetry, the null player, additivity; and the closed form is the sum over all sets.
    #[test]
    fn shapley_s_axioms(worths in proptest::collection::vec(-1_000_000i64..1_000_000, 7)) {
        let sets = ["a", "b", "c", "ab", "ac", "bc", "abc"];
        let listed: Vec<_> = sets.into_iter().zip(worths.iter().copied()).collect();
        // d adds nothing to anyone.
        let with_null: Vec<(String, i64)> = listed.iter()
            .flat_map(|(members, worth)| [((*members).to_owned(), *worth), (format!("{members}d"), *worth)]).collect();
        let with_null: Vec<(&str, i64)> = with_null.iter().map(|(members, worth)| (members.as_str(), *worth)).collect();
        let three = play(Rule::Shapley, game(GameKind::Listed, 3, &listed)).unwrap();
        let four = play(Rule::Shapley, game(GameKind::Listed, 4, &with_null)).unwrap();
        prop_assert_eq!(amounts(&three).iter().sum::<i64>(), worths[6]);
        prop_assert_eq!(amounts(&four)[3], 0);
        prop_assert_eq!(&amounts(&four)[..3], amounts(&three));

        let doubled: Vec<_> = listed.iter().map(|(members, worth)| (*members, worth * 2)).collect();
        let twice = play(Rule::Shapley, game(GameKind::Listed, 3, &doubled)).unwrap();
        prop_assert!(amounts(&twice).iter().zip(amounts(&three)).all(|(two, one)| (two - 2 * one).abs() <= 2));

        // Read as agreements, the sum over sets and the even split are the same.
        let agreements = game(GameKind::Agreements, 3, &listed);
        let function = super::super::game::Function::of(&agreements, &crate::patience::Patience::endless()).unwrap();
        prop_assert_eq!(Some(super::super::shapley::exact(&function)), super::super::shapley::closed(&function));
    }

    /// Either an allocation that no coalition can better, to one unit for each member, or a collection of coalitions that
    /// proves there is none.
    #[test]
    fn a_core_or_its_refutation(worths in proptest::collection::vec(-100i64..1_000, 15)) {
        let sets = ["a", "b", "c", "d", "ab", "ac", "ad", "bc", "bd", "cd", "abc", "abd", "acd", "bcd", "abcd"];
        let listed: Vec<_> = sets.into_iter().zip(worths.iter().copied()).collect();
        let divided = play(Rule::Core, game(GameKind::Listed, 4, &listed)).unwrap();
        let core = divided.core.as_ref().unwrap();
        prop_assert_eq!(amounts(&divided).iter().sum::<i64>(), worths[14]);
        if core.balanced.is_empty() {
            prop_assert!(core.excess_minor < 4, "{:?}", core);
        } else {
            let name = |members: &[schemas::AgentId]| members.iter().map(|m| m.as_str()).collect::<String>();
            let mut sum = Exact::zero();
            for part in &core.balanced {
                let weight = exact(&part.weight);
                prop_assert!(weight > Exact::zero());
                let worth = listed.iter().find(|(set, _)| *set == name(&part.members)).unwrap().1;
                sum += &weight.times(worth);
            }
            prop_assert!(sum > Exact::from(worths[14]));
            for player in ["a", "b", "c", "d"] {
                let mut time = Exact::zero();
                for part in core.balanced.iter().filter(|part| name(&part.members).contains(player)) {
                    time += &exact(&part.weight);
                }
                prop_assert_eq!(time, Exact::from(1));
            }
            prop_assert!(!core.stable);
        }
    }
}

fn exact(ratio: &schemas::ratio::Ratio) -> Exact {
    ratio.to_string().parse::<schemas::Rational>().unwrap().into()
}

/// Sampled, the value is near the exact one as often as it says, sums exactly, and follows from its seed.
#[test]
fn samples_hold_what_they_promise() {
    // Twenty with votes 1 to 5, whose exact value is known by symmetry to be the same within each kind; it is computed
    // by the same sampling with a hundred times as many orders.
    let votes: Vec<i64> = (0..20).map(|player| player % 5 + 1).collect();
    let council = |seed, samples| {
        let game = Some(numbers(GameKind::Voting, &votes, Some(31), Some(1_000_000)));
        ask(Request { game, seed, samples: Some(samples), confidence_ppm: Some(900_000), ..request(Rule::Shapley) })
            .unwrap()
    };
    let long = council(99, 200_000);
    let kind =
        |divided: &Divided, kind: usize| (0..4).map(|at| divided.shares[kind + 5 * at].amount_minor).sum::<i64>() / 4;
    let (mut held, mut asked) = (0, 0);
    for seed in 0..20 {
        let divided = council(seed, 1_000);
        assert_eq!((divided.total_minor, amounts(&divided).iter().sum::<i64>()), (1_000_000, 1_000_000));
        for (index, share) in divided.shares.iter().enumerate() {
            asked += 1;
            held += u32::from((share.amount_minor - kind(&long, index % 5)).abs() <= share.within_minor.unwrap());
        }
        assert_eq!(divided.samples, Some(1_000));
    }
    assert!(held * 100 >= asked * 88, "{held} of {asked}");
    assert_eq!(council(3, 500), council(3, 500));
    assert_ne!(amounts(&council(3, 500)), amounts(&council(4, 500)));
    assert!(long.gini_ppm < PPM);
}

/// A listed game of sixteen is summed over all its sets; one of seventeen is sampled.
#[test]
fn from_seventeen_on_orders_are_drawn() {
    let pairs = |players: usize| Game {
        worth_minor: Some(100),
        ..numbers(GameKind::Gloves, &vec![1; players - 1].into_iter().chain([0]).collect::<Vec<_>>(), None, None)
    };
    let sixteen = play(Rule::Shapley, Game { worth_minor: Some(16 * 15 * 100), ..pairs(16) }).unwrap();
    // The one right glove is worth a pair unless it comes first; the others share the rest.
    assert_eq!(sixteen.shares[15].amount_minor, 16 * 15 * 100 * 15 / 16);
    assert!(sixteen.samples.is_none() && play(Rule::Shapley, pairs(17)).unwrap().samples.is_some());
}
