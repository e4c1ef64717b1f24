//! Games of more players than all sets of them could be looked at.

use proptest::prelude::*;
use schemas::division::{Balancing, CoreFinding, Game, GameKind, Rule};
use schemas::limit::{MAX_EXACT_PLAYERS, MAX_GAME_PLAYERS};
use terms::Exact;

use super::*;

fn core_of(game: &Game) -> Divided {
    play(Rule::Core, game.clone()).unwrap()
}

fn given(game: &Game, allocation: Vec<i64>) -> CoreFinding {
    core_of(&Game { allocation, ..game.clone() }).core.unwrap()
}

/// Numbers of as many players as there may be, from 0 to 99.
fn spread() -> Vec<i64> {
    (0..MAX_GAME_PLAYERS as i64).map(|player| player * 37 % 100).collect()
}

fn games() -> Vec<Game> {
    let hands = |left: usize| (0..MAX_GAME_PLAYERS).map(|player| i64::from(player < left)).collect::<Vec<_>>();
    let agreements: Vec<_> = ["ab", "bcdz", "xyz", "klmnop", "abcdefghijklmnopqrstuvwxyz", "q"]
        .into_iter()
        .zip([7, 1_001, 30, 1_000_000_007, 13, -50])
        .collect();
    vec![
        numbers(GameKind::Largest, &spread(), None, None),
        numbers(GameKind::Estate, &spread(), Some(4_321), None),
        numbers(GameKind::Gloves, &hands(64), None, Some(101)),
        numbers(GameKind::Gloves, &hands(50), None, Some(101)),
        // Nobody can do without the first, who has half of the votes.
        numbers(GameKind::Voting, &[vec![2_000], vec![15; 40]].concat(), Some(2_100), Some(1_000)),
        game(GameKind::Agreements, 26, &agreements),
    ]
}

/// An allocation is found that nobody can better; and what is taken from one player, a coalition is short of.
#[test]
fn the_core_of_many_is_found_and_kept() {
    for game in games() {
        let found = core_of(&game);
        let core = found.core.as_ref().unwrap();
        assert!(core.stable && core.bound_minor.is_none() && core.blocking.is_none(), "{:?}: {core:?}", game.kind);
        assert!(core.excess_minor <= 0);
        // All for one, who has no veto: of costs, all costs on one.
        let mut taken = vec![0; game.players.len()];
        let one = if game.kind == GameKind::Voting { game.players.len() - 1 } else { 0 };
        taken[one] = found.total_minor;
        let finding = given(&game, taken.clone());
        let Some(blocking) = finding.blocking else {
            panic!("{:?}: {finding:?}", game.kind);
        };
        let sign = if game.kind == GameKind::Largest { -1 } else { 1 };
        let paid: i64 = blocking
            .members
            .iter()
            .map(|member| taken[game.players.iter().position(|player| player == member).unwrap()])
            .sum();
        assert_eq!((blocking.worth_minor - paid) * sign, finding.excess_minor, "{:?}", game.kind);
        assert!(finding.excess_minor > 0 && finding.bound_minor.is_none());
    }
}

/// Weights of a balanced collection: each player's sum to 1, and the worths to more than all are worth.
fn proves(game: &Game, balanced: &[Balancing], worth: impl Fn(&[schemas::AgentId]) -> i64, all: i64) {
    let mut sum = Exact::zero();
    for part in balanced {
        sum += &exact(&part.weight).times(worth(&part.members));
    }
    assert!(sum > Exact::from(all), "{sum} of {all}");
    for player in &game.players {
        let mut time = Exact::zero();
        for part in balanced.iter().filter(|part| part.members.contains(player)) {
            time += &exact(&part.weight);
        }
        assert_eq!(time, Exact::from(1), "{player}");
    }
}

fn exact(ratio: &schemas::ratio::Ratio) -> Exact {
    ratio.to_string().parse::<schemas::Rational>().unwrap().into()
}

/// A majority of many has no core, nor have claims that are less than the estate, nor gloves that cost.
#[test]
fn the_empty_cores_of_many_are_proved() {
    let majority = numbers(GameKind::Voting, &[1; 101], Some(51), Some(1_000));
    let found = core_of(&majority);
    let core = found.core.unwrap();
    assert!(!core.stable && core.blocking.as_ref().unwrap().members.len() == 51);
    proves(&majority, &core.balanced, |members| if members.len() >= 51 { 1_000 } else { 0 }, 1_000);

    let estate = numbers(GameKind::Estate, &[10; 40], Some(500), None);
    let core = core_of(&estate).core.unwrap();
    let left = |members: usize| if members == 0 { 0 } else { 100 + 10 * members as i64 };
    proves(&estate, &core.balanced, |members| left(members.len()), 500);

    let hands = [vec![1; 20], vec![0; 20]].concat();
    let gloves = numbers(GameKind::Gloves, &hands, None, Some(-5));
    let core = core_of(&gloves).core.unwrap();
    proves(&gloves, &core.balanced, |members| if members.len() == 1 { 0 } else { -100 }, -100);
}

fn listed_many() -> impl Strategy<Value = (usize, Vec<(u32, i64)>)> {
    let set = prop_oneof![1u32.., (0u32..20, 0u32..20, 0u32..20).prop_map(|(a, b, c)| 1 << a | 1 << b | 1 << c)];
    (MAX_EXACT_PLAYERS + 1..=20, proptest::collection::vec((set, -500i64..1_000), 1..60), 0i64..20_000).prop_map(
        |(players, mut sets, all)| {
            let everyone = (1 << players) - 1;
            sets.iter_mut().for_each(|(set, _)| *set &= everyone);
            sets.push((everyone, all));
            sets.sort_unstable();
            sets.dedup_by_key(|(set, _)| *set);
            sets.retain(|(set, _)| *set != 0);
            (players, sets)
        },
    )
}

fn named(kind: GameKind, players: usize, sets: &[(u32, i64)]) -> Game {
    let empty = game(kind, players, &[]);
    let coalitions = sets.iter().map(|(set, worth_minor)| Coalition {
        members: (0..players).filter(|at| set & (1 << at) != 0).map(|at| empty.players[at].clone()).collect(),
        worth_minor: *worth_minor,
    });
    Game { coalitions: coalitions.collect(), ..empty }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Of listed games and of agreements, some of which take: an allocation that is in the core to one unit for each
    /// member, or the proof that none is.
    #[test]
    fn a_core_of_many_or_its_refutation((players, sets) in listed_many()) {
        for kind in [GameKind::Listed, GameKind::Agreements] {
            let game = named(kind, players, &sets);
            let function = crate::divide::game::Function::of(&game, &crate::patience::Patience::endless()).unwrap();
            let all = i64::try_from(function.worth(function.everyone())).unwrap();
            let found = core_of(&game);
            let core = found.core.as_ref().unwrap();
            prop_assert_eq!(found.shares.iter().map(|share| share.amount_minor).sum::<i64>(), all);
            prop_assert!(core.bound_minor.is_none(), "{:?}", core);
            if core.balanced.is_empty() {
                prop_assert!(core.excess_minor < players as i64, "{:?}", core);
            } else {
                let worth = |members: &[schemas::AgentId]| {
                    let at = |member| game.players.iter().position(|player| player == member).unwrap();
                    i64::try_from(function.worth(members.iter().fold(0, |set, member| set | 1 << at(member)))).unwrap()
                };
                proves(&game, &core.balanced, worth, all);
            }
        }
    }
}
