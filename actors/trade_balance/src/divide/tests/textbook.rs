//! Published examples, with their sources.

use schemas::division::{Claimant, Game, GameKind, Rule};

use super::*;
use crate::fixture::{states, terms, transfer};

/// Terms in which b gets 1,000 of peace whatever happens, and a gets work that costs b three tenths of what it is worth
/// to a: the gains that can be reached are those of Kalai and Smorodinsky's second set, conv{(0, 1), (1, 7/10), (1, 0)},
/// in thousandths.
fn work_for_peace() -> (schemas::deal::Terms, Vec<PartyValuation>) {
    let terms = terms(vec![transfer("a", "b", "peace", 1000), transfer("b", "a", "work", 500)]);
    let valuations = vec![
        states("a", 0, &[("work", "1", "1")], &[("peace", "0", "0")]),
        states("b", 0, &[("peace", "1", "1")], &[("work", "3/10", "3/10")]),
    ];
    (terms, valuations)
}

/// E. Kalai and M. Smorodinsky, Other solutions to Nash's bargaining problem, Econometrica 43 (1975), pp. 514–516: the
/// second player's best is the same on both sets, and the second set offers it more at whatever the first demands. Nash's
/// solution gives it less there (3/4, then 7/10); theirs gives it more (3/4, then 10/13).
#[test]
fn kalai_and_smorodinsky_against_nash() {
    let (terms, valuations) = work_for_peace();
    let wide = || room(&[(1, 0, 1000)], None);
    let nash = bargain(Rule::Nash, terms.clone(), valuations.clone(), wide()).unwrap();
    assert_eq!(gains(&nash), [1000, 700]);
    assert_eq!(nash.epsilon_ppm, Some(0));
    let theirs = bargain(Rule::Leximin, terms, valuations, wide()).unwrap();
    // 10/13 of 1000 is 769.2…; of whole amounts of work, 770 leaves (770, 769) and 769 leaves (769, 769.3).
    assert_eq!(gains(&theirs), [770, 769]);
    assert_eq!(theirs.terms.unwrap().transfers[1].quantity.get(), 770);

    // The first set, conv{(0, 1), (3/4, 3/4), (1, 0)}: the first 750 of work cost b a third, the rest three times as much.
    let terms = crate::fixture::terms(vec![
        transfer("a", "b", "peace", 1000),
        transfer("b", "a", "work", 500),
        transfer("b", "a", "overtime", 100),
    ]);
    let valuations = vec![
        states("a", 0, &[("work", "1", "1"), ("overtime", "1", "1")], &[("peace", "0", "0")]),
        states("b", 0, &[("peace", "1", "1")], &[("work", "1/3", "1/3"), ("overtime", "3", "3")]),
    ];
    for rule in [Rule::Nash, Rule::Leximin] {
        let both = room(&[(1, 0, 750), (2, 0, 250)], None);
        assert_eq!(gains(&bargain(rule, terms.clone(), valuations.clone(), both).unwrap()), [750, 750], "{rule:?}");
    }
}

/// J. Nash, The bargaining problem, Econometrica 18 (1950), section "Examples": Bill and Jack barter goods without money.
/// The product is largest where Bill gives book, whip, ball and bat, and Jack gives pen, toy and knife: Bill gains 12,
/// Jack 5.
#[test]
fn bill_and_jack() {
    // good, its utility to Bill, to Jack.
    let bills = [("book", "2", "4"), ("whip", "2", "2"), ("ball", "2", "1"), ("bat", "2", "2"), ("box", "4", "1")];
    let jacks = [("pen", "10", "1"), ("toy", "4", "1"), ("knife", "6", "2"), ("hat", "2", "2")];
    let mut transfers: Vec<_> = bills.iter().map(|(name, ..)| transfer("bill", "jack", name, 1)).collect();
    transfers.extend(jacks.iter().map(|(name, ..)| transfer("jack", "bill", name, 1)));
    let valuations = vec![
        states(
            "bill",
            0,
            &jacks.map(|(name, bill, _)| (name, bill, bill)),
            &bills.map(|(name, bill, _)| (name, bill, bill)),
        ),
        states(
            "jack",
            0,
            &bills.map(|(name, _, jack)| (name, jack, jack)),
            &jacks.map(|(name, _, jack)| (name, jack, jack)),
        ),
    ];
    let spans: Vec<_> = (0..9).map(|index| (index, 0, 1)).collect();
    let divided = bargain(Rule::Nash, terms(transfers), valuations, room(&spans, None)).unwrap();
    let moved: Vec<_> = divided.terms.as_ref().unwrap().transfers.iter().map(|t| t.good.as_str()).collect();
    assert_eq!(moved, ["book", "whip", "ball", "bat", "pen", "toy", "knife"]);
    assert_eq!(gains(&divided), [12, 5]);
    assert_eq!(divided.nash_product.unwrap().to_string(), "60");
}

/// Two who split a hundred, one of whom can take no more than fifty: Nash's solution ignores what is out of reach
/// (independence of irrelevant alternatives), Kalai and Smorodinsky's compares with what each could hope for.
#[test]
fn a_pot_with_a_cap() {
    let both = || vec![claimant("a", 0, None), claimant("b", 0, Some(50))];
    assert_eq!(amounts(&pot(Rule::Nash, 100, both()).unwrap()), [50, 50]);
    assert_eq!(amounts(&pot(Rule::Leximin, 100, both()).unwrap()), [67, 33]);
    // With twice the bargaining power, a gets twice as much (E. Kalai, Nonsymmetric Nash solutions, 1977).
    let strong =
        vec![Claimant { weight: Some("2".parse().unwrap()), ..claimant("a", 0, None) }, claimant("b", 0, None)];
    assert_eq!(amounts(&pot(Rule::Nash, 90, strong).unwrap()), [60, 30]);
}

/// The three wives of the Mishna, Ketubot 93a, whose contracts are for 100, 200 and 300, as divided in proportion, by
/// equal awards (which Maimonides rules; Nash's solution with claims as caps), and by Shapley's value of the estate's
/// game, which is B. O'Neill's random arrival (A problem of rights arbitration from the Talmud, 1982).
#[test]
fn the_estate_of_the_mishna() {
    let wives = || vec![claimant("a", 0, Some(100)), claimant("b", 0, Some(200)), claimant("c", 0, Some(300))];
    assert_eq!(amounts(&pot(Rule::Proportional, 300, wives()).unwrap()), [50, 100, 150]);
    assert_eq!(amounts(&pot(Rule::Nash, 200, wives()).unwrap()), [67, 67, 66]);
    assert_eq!(amounts(&pot(Rule::Nash, 450, wives()).unwrap()), [100, 175, 175]);
    for (estate, shares) in [(100, [34, 33, 33]), (200, [34, 83, 83]), (300, [50, 100, 150])] {
        let game = numbers(GameKind::Estate, &[100, 200, 300], Some(estate), None);
        let divided = play(Rule::Shapley, game).unwrap();
        assert_eq!(amounts(&divided), shares, "{estate}");
        assert_eq!(divided.total_minor, estate);
    }
    // Two hold a garment, one claims all of it and one half (Baba Metzia 2a): three quarters and one.
    let garment = numbers(GameKind::Estate, &[100, 50], Some(100), None);
    assert_eq!(amounts(&play(Rule::Shapley, garment).unwrap()), [75, 25]);
}

/// One left glove, two right ones: 2/3, 1/6, 1/6 (L. S. Shapley and M. Shubik, Pure competition, coalitional power, and
/// fair division, 1969). In the core the scarce glove gets everything.
#[test]
fn gloves() {
    let game = || numbers(GameKind::Gloves, &[1, 0, 0], None, Some(600));
    let divided = play(Rule::Shapley, game()).unwrap();
    assert_eq!(amounts(&divided), [400, 100, 100]);
    let core = divided.core.unwrap();
    assert!(!core.stable);
    // a with either of the others: 600 against 500.
    assert_eq!((core.excess_minor, core.blocking.unwrap().members.len()), (100, 2));
    let stable = play(Rule::Core, game()).unwrap();
    assert_eq!(amounts(&stable), [600, 0, 0]);
    assert!(stable.core.unwrap().stable);
}

/// S. C. Littlechild and G. Owen, A simple expression for the Shapley value in a special case, 1973: each stretch of the
/// runway is paid by those who use it.
#[test]
fn the_airport() {
    let game = numbers(GameKind::Largest, &[12, 20, 33], None, None);
    let divided = play(Rule::Shapley, game.clone()).unwrap();
    assert_eq!(amounts(&divided), [4, 8, 21]);
    assert_eq!((divided.total_minor, gains(&divided)), (33, vec![8, 12, 12]));
    assert!(divided.core.unwrap().stable);
    let dear = schemas::division::Game { allocation: vec![13, 8, 12], ..game };
    let core = play(Rule::Core, dear).unwrap().core.unwrap();
    let blocking = core.blocking.unwrap();
    assert_eq!((blocking.members, blocking.worth_minor, core.excess_minor), (vec![agent("a")], 12, 1));
    // As many planes as no table of sets could hold, by the closed form.
    let many = numbers(GameKind::Largest, &[60; 60], None, None);
    assert_eq!(amounts(&play(Rule::Shapley, many).unwrap()), [1; 60]);
}

/// The Security Council of the United Nations since 1965: five permanent members with a veto, ten others, nine votes to
/// pass. 421/2145 and 4/2145 (G. Owen, Game Theory, chapter on power indices).
#[test]
fn the_security_council() {
    let votes: Vec<i64> = [7; 5].into_iter().chain([1; 10]).collect();
    let divided = play(Rule::Shapley, numbers(GameKind::Voting, &votes, Some(39), Some(2145 * 1000))).unwrap();
    let expected: Vec<i64> = [421_000; 5].into_iter().chain([4_000; 10]).collect();
    assert_eq!(amounts(&divided), expected);
    assert!(divided.samples.is_none());
}

/// Three by majority: no division of the prize is stable (J. von Neumann and O. Morgenstern, 1944), and the three pairs
/// at half their time prove it.
#[test]
fn three_by_majority() {
    let game = || game(GameKind::Listed, 3, &[("ab", 90), ("ac", 90), ("bc", 90), ("abc", 90)]);
    assert_eq!(amounts(&play(Rule::Shapley, game()).unwrap()), [30, 30, 30]);
    let core = play(Rule::Core, game()).unwrap().core.unwrap();
    assert!(!core.stable);
    let proof: Vec<_> = core.balanced.iter().map(|part| (part.members.len(), part.weight.to_string())).collect();
    assert_eq!(proof, [(2, "1/2".to_owned()), (2, "1/2".to_owned()), (2, "1/2".to_owned())]);
}

/// J. Harsanyi, 1959: an agreement's worth is split evenly among its members.
#[test]
fn agreements_are_split_evenly() {
    let game = game(GameKind::Agreements, 3, &[("ab", 60), ("abc", 30), ("c", 7)]);
    let divided = play(Rule::Shapley, game).unwrap();
    assert_eq!((amounts(&divided), divided.total_minor), (vec![40, 40, 17], 97));
    assert!(divided.core.unwrap().stable);
}

/// L. S. Shapley and M. Shubik, The assignment game I: the core, 1971: three houses and three buyers, the gains of trade
/// between each pair. Together they are worth 16; the core is not empty, and what the paper's corners give is in it.
#[test]
fn houses_and_buyers() {
    let gains = [[5, 8, 2], [7, 9, 6], [2, 3, 0]];
    // The best matching of these houses with these buyers.
    fn best(gains: &[[i64; 3]; 3], houses: &[usize], buyers: &[usize]) -> i64 {
        let Some((house, rest)) = houses.split_first() else { return 0 };
        let with = buyers.iter().map(|buyer| {
            let others: Vec<usize> = buyers.iter().copied().filter(|other| other != buyer).collect();
            gains[*house][*buyer] + best(gains, rest, &others)
        });
        with.chain([best(gains, rest, buyers)]).max().unwrap_or_default()
    }
    let sets: Vec<(String, i64)> = (1_u32..64)
        .map(|set| {
            let members: Vec<usize> = (0..6).filter(|player| set & (1 << player) != 0).collect();
            let (houses, buyers): (Vec<usize>, Vec<usize>) = members.iter().partition(|player| **player < 3);
            let buyers: Vec<usize> = buyers.iter().map(|buyer| buyer - 3).collect();
            let name = members.iter().map(|player| char::from(b"abcdef"[*player])).collect();
            (name, best(&gains, &houses, &buyers))
        })
        .collect();
    let sets: Vec<(&str, i64)> = sets.iter().map(|(name, worth)| (name.as_str(), *worth)).collect();
    let found = play(Rule::Core, game(GameKind::Listed, 6, &sets)).unwrap();
    assert_eq!(found.total_minor, 16);
    let is_stable = |allocation: [i64; 6]| {
        let given = Game { allocation: allocation.to_vec(), ..game(GameKind::Listed, 6, &sets) };
        play(Rule::Core, given).unwrap().core.unwrap().stable
    };
    // Best for the houses, best for the buyers, and a buyer's lowest share taken from it.
    assert!(is_stable([5, 6, 1, 1, 3, 0]) && is_stable([3, 5, 0, 2, 5, 1]));
    assert!(!is_stable([5, 6, 2, 0, 3, 0]));
}

/// L. S. Shapley, Cores of convex games, 1971: where agreements only add, each further member adds more to a larger set,
/// and the value is in the core.
#[test]
fn the_value_of_a_convex_game_is_in_its_core() {
    let convex = game(GameKind::Agreements, 4, &[("a", 4), ("ab", 60), ("bcd", 30), ("abcd", 12), ("cd", 2)]);
    let value = play(Rule::Shapley, convex.clone()).unwrap();
    assert_eq!(amounts(&value), [37, 43, 14, 14]);
    assert!(value.core.unwrap().stable);
    assert!(play(Rule::Core, convex).unwrap().core.unwrap().stable);
}

/// I. J. Curiel, M. Maschler and S. H. Tijs, Bankruptcy games, 1987: the core of an estate's game is every division that
/// gives out the estate and nobody more than its claim.
#[test]
fn the_core_of_an_estate() {
    let wives = |allocation: [i64; 3]| {
        let estate = numbers(GameKind::Estate, &[100, 200, 300], Some(200), None);
        play(Rule::Core, Game { allocation: allocation.to_vec(), ..estate }).unwrap().core.unwrap()
    };
    assert!(wives([50, 75, 75]).stable && wives([0, 0, 200]).stable && wives([100, 100, 0]).stable);
    let greedy = wives([101, 99, 0]);
    assert_eq!((greedy.blocking.unwrap().members.len(), greedy.excess_minor), (2, 1));
    let found = play(Rule::Core, numbers(GameKind::Estate, &[100, 200, 300], Some(200), None)).unwrap();
    assert_eq!((amounts(&found), found.core.unwrap().stable), (vec![33, 67, 100], true));
}
