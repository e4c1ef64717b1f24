//! What is refused, and at which field.

use schemas::division::{Bargain, Game, GameKind, PartyWeight, Rule};

use super::*;
use crate::fixture::{barter, states};

fn refused(outcome: Result<Divided, ErrorReply>) -> (u16, String, String) {
    let error = outcome.unwrap_err();
    (error.code, error.rule.unwrap_or_default(), error.field.unwrap_or_default())
}

fn is(code: u16, rule: &str, field: &str) -> (u16, String, String) {
    (code, rule.to_owned(), field.to_owned())
}

fn sides() -> Vec<PartyValuation> {
    vec![
        states("kenya", 0, &[("oil", "25", "27")], &[("tea", "9", "11")]),
        states("angola", 0, &[("tea", "14", "14")], &[("oil", "20", "20")]),
    ]
}

#[test]
fn a_request_that_asks_for_nothing_or_too_much() {
    assert_eq!(refused(ask(request(Rule::Nash))), is(400, "", "rule"));
    assert_eq!(refused(pot(Rule::Shapley, 1, vec![claimant("a", 0, None)])), is(400, "", "rule"));
    assert_eq!(refused(play(Rule::Nash, game(GameKind::Listed, 2, &[]))), is(400, "", "rule"));
    let both = Request {
        game: Some(game(GameKind::Listed, 2, &[])),
        pot: Some(Pot { amount_minor: 1, claimants: vec![] }),
        ..request(Rule::Core)
    };
    assert_eq!(refused(ask(both)), is(400, "", "rule"));
}

#[test]
fn pots() {
    let a = || claimant("a", 5, Some(9));
    assert_eq!(refused(pot(Rule::Nash, 1, vec![])), is(400, "", "pot.claimants"));
    assert_eq!(refused(pot(Rule::Nash, 1, vec![a(), a()])), is(400, "", "pot.claimants[1]"));
    assert_eq!(refused(pot(Rule::Nash, 4, vec![a()])), is(422, "infeasible", "pot.amount_minor"));
    assert_eq!(refused(pot(Rule::Leximin, 10, vec![a()])), is(422, "infeasible", "pot.amount_minor"));
    assert_eq!(
        refused(pot(Rule::Nash, 7, vec![claimant("a", 5, Some(4))])),
        is(400, "", "pot.claimants[0].most_minor")
    );
    let idle = Claimant { weight: Some(schemas::Rational::ZERO), ..a() };
    assert_eq!(refused(pot(Rule::Nash, 7, vec![idle])), is(400, "", "pot.claimants[0].weight"));
    let huge = vec![claimant("a", i64::MAX, None), claimant("b", i64::MIN, None)];
    assert_eq!(amounts(&pot(Rule::Nash, -1, huge).unwrap()), [i64::MAX, i64::MIN]);
    assert_eq!(refused(pot(Rule::Nash, i64::MAX, vec![claimant("a", i64::MIN, None)])), is(422, "overflow", ""));
}

#[test]
fn bargains() {
    let with = |room: Room| refused(bargain(Rule::Leximin, barter(100, 50), sides(), room));
    assert_eq!(with(room(&[(2, 0, 1)], None)), is(400, "", "bargain.room.spans[0].transfer"));
    assert_eq!(with(room(&[(0, 0, 1), (0, 0, 1)], None)), is(400, "", "bargain.room.spans[1]"));
    assert_eq!(with(room(&[(0, 2, 1)], None)), is(400, "", "bargain.room.spans[0].most"));
    assert_eq!(with(room(&[(0, -1, 1)], None)), is(400, "", "bargain.room.spans[0].least"));
    assert_eq!(with(room(&[], Some(-1))), is(400, "", "bargain.room.payment.most"));
    // Nobody wants 100 tea for no more than 1 oil.
    assert_eq!(with(room(&[(1, 0, 1)], None)), is(422, "infeasible", "bargain.room"));
    let stranger = Bargain {
        terms: barter(100, 50),
        valuations: sides(),
        room: Room::default(),
        weights: vec![PartyWeight { party: agent("mali"), weight: schemas::Rational::ONE }],
    };
    let asked = Request { bargain: Some(stranger), ..request(Rule::Proportional) };
    assert_eq!(refused(ask(asked)), is(422, "not_a_party", "bargain.weights[0].party"));
    let alone = bargain(Rule::Leximin, barter(100, 50), sides()[..1].to_vec(), Room::default());
    assert_eq!(refused(alone), is(422, "no_valuation", ""));
}

#[test]
fn games() {
    let listed = |coalitions: &[(&str, i64)]| refused(play(Rule::Shapley, game(GameKind::Listed, 2, coalitions)));
    assert_eq!(listed(&[("ac", 1)]), is(400, "", "game.coalitions[0].members[1]"));
    assert_eq!(listed(&[("aa", 1)]), is(400, "", "game.coalitions[0].members[1]"));
    assert_eq!(listed(&[("", 1)]), is(400, "", "game.coalitions[0].members"));
    assert_eq!(listed(&[("ab", 1), ("ba", 1)]), is(400, "", "game.coalitions[1].members"));
    let votes = |votes: &[i64], quota| refused(play(Rule::Shapley, numbers(GameKind::Voting, votes, quota, None)));
    assert_eq!(votes(&[1, -1], Some(1)), is(400, "", "game.numbers[1]"));
    assert_eq!(votes(&[1, 1], None), is(400, "", "game.total"));
    let short = Game { numbers: vec![1], ..numbers(GameKind::Voting, &[1, 1], Some(1), None) };
    assert_eq!(refused(play(Rule::Shapley, short)), is(400, "", "game.numbers"));
    assert_eq!(refused(play(Rule::Shapley, numbers(GameKind::Gloves, &[2], None, None))), is(400, "", "game.numbers"));
    let given = Game { allocation: vec![1], ..game(GameKind::Listed, 2, &[]) };
    assert_eq!(refused(play(Rule::Core, given)), is(400, "", "game.allocation"));
    assert_eq!(refused(play(Rule::Shapley, game(GameKind::Listed, 129, &[]))), is(400, "", "game.players"));
    let rich = game(GameKind::Agreements, 2, &[("a", i64::MAX), ("b", i64::MAX)]);
    assert_eq!(refused(play(Rule::Shapley, rich)), is(422, "overflow", ""));
}
