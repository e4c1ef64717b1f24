//! Every structure finds what a look at every set finds.

use proptest::prelude::*;
use schemas::division::{Coalition, Game};

use super::*;
use crate::divide::tests::{game, numbers};

/// The largest excess of any coalition, and the size of the smallest that has it, by looking at every set.
fn by_table(function: &Function<'_>, paid: &[i128]) -> (i128, u32) {
    let excess = |set: Mask| function.worth(set) - players_of(set).map(|player| paid[player]).sum::<i128>();
    let sets = (1..function.everyone()).map(|set| (excess(set), std::cmp::Reverse(set.count_ones())));
    let (excess, std::cmp::Reverse(size)) = sets.max().unwrap();
    (excess, size)
}

fn check(game: &Game, paid: &[i64]) -> Result<(), TestCaseError> {
    let function = Function::of(game, &Patience::endless()).unwrap();
    let paid: Vec<i128> = paid.iter().take(game.players.len()).map(|pay| i128::from(*pay)).collect();
    let (excess, size) = by_table(&function, &paid);
    let found = worst(&function, &paid, 1, Aim::Largest, &Patience::endless()).unwrap();
    prop_assert_eq!((found.excess, found.bound), (excess, excess), "{:?}", game);
    prop_assert_eq!(found.coalition.count_ones(), size, "{:?}", game);
    let short = worst(&function, &paid, 1, Aim::Positive, &Patience::endless()).unwrap();
    prop_assert_eq!(short.excess > 0, excess > 0);
    prop_assert!(short.bound >= excess);
    // Whoever has no time gets a set and a bound that hold all the same.
    let hurried = worst(&function, &paid, 1, Aim::Largest, &Patience::ended_already()).unwrap();
    let of = |set: Mask| function.worth(set) - players_of(set).map(|player| paid[player]).sum::<i128>();
    prop_assert_eq!(hurried.excess, of(hurried.coalition));
    prop_assert!(hurried.coalition != 0 && hurried.coalition != function.everyone());
    prop_assert!(hurried.excess <= excess && hurried.bound >= excess);
    Ok(())
}

/// Sets of up to eight players by their bits, each once, and what they are worth.
fn listed(kind: GameKind, players: usize, sets: &[(u8, i64)]) -> Game {
    let mut known = std::collections::BTreeSet::new();
    let names = game(kind, players, &[]).players;
    let sets = sets.iter().map(|(set, worth)| (set & u8::try_from((1 << players) - 1).unwrap(), worth));
    let coalitions = sets.filter(|(set, _)| *set != 0 && known.insert(*set)).map(|(set, worth_minor)| Coalition {
        members: players_of(set.into()).map(|player| names[player].clone()).collect(),
        worth_minor: *worth_minor,
    });
    Game { coalitions: coalitions.collect(), ..game(kind, players, &[]) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn of_lists_and_agreements(
        players in 2usize..=8,
        sets in proptest::collection::vec((1u8.., -60i64..100), 0..40),
        paid in proptest::collection::vec(-20i64..80, 8),
    ) {
        check(&listed(GameKind::Listed, players, &sets), &paid)?;
        check(&listed(GameKind::Agreements, players, &sets), &paid)?;
        let adding: Vec<_> = sets.iter().map(|(set, worth)| (*set, worth.abs())).collect();
        check(&listed(GameKind::Agreements, players, &adding), &paid)?;
    }

    #[test]
    fn of_numbers(
        given in proptest::collection::vec(0i64..40, 2..=8),
        paid in proptest::collection::vec(-20i64..40, 8),
        total in 0i64..200,
        worth in -50i64..150,
    ) {
        check(&numbers(GameKind::Voting, &given, Some(total), Some(worth)), &paid)?;
        check(&numbers(GameKind::Estate, &given, Some(total), None), &paid)?;
        let costs: Vec<i64> = paid.iter().map(|pay| -pay).collect();
        check(&numbers(GameKind::Largest, &given, None, None), &costs)?;
        let hands: Vec<i64> = given.iter().map(|number| number % 2).collect();
        check(&numbers(GameKind::Gloves, &hands, None, Some(worth)), &paid)?;
    }
}
