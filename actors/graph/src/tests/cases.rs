//! Known markets, and what is said to those who get nothing or ask for nonsense.

use schemas::clearing::{Clear as Request, Objective, Outcome};
use schemas::market::{LeftOut, Want};
use schemas::value::{Bounds, Outlook};
use schemas::{Code, Rational};

use super::market::{
    clear, either, exactly, give, good, in_lots, market, offer, quantity, ratio, reason, try_clear, want,
};

/// (from, to, good, quantity) of every hop.
fn moves(request: &Request) -> Vec<(String, String, String, i64)> {
    let mut moves: Vec<_> = clear(request)
        .rings
        .iter()
        .flat_map(|ring| &ring.hops)
        .map(|hop| (hop.from.to_string(), hop.to.to_string(), hop.good.to_string(), hop.quantity.get()))
        .collect();
    moves.sort();
    moves
}

fn hop(from: &str, to: &str, good: &str, quantity: i64) -> (String, String, String, i64) {
    (from.into(), to.into(), good.into(), quantity)
}

fn swap() -> Request {
    market(
        vec![good("maize"), good("rice")],
        vec![
            offer("ann", vec![give("maize", 100, "8")], vec![want("rice", 100, "12")]),
            offer("bob", vec![give("rice", 80, "8")], vec![want("maize", 100, "12")]),
        ],
    )
}

/// Three in a ring, of whom no two could trade.
fn three() -> Request {
    let of = |agent, gives, wants| offer(agent, vec![give(gives, 60, "9")], vec![want(wants, 60, "11")]);
    market(vec![good("a"), good("b"), good("c")], vec![of("x", "a", "c"), of("y", "b", "a"), of("z", "c", "b")])
}

#[test]
fn two_swap_as_much_as_both_have() {
    assert_eq!(moves(&swap()), [hop("ann", "bob", "maize", 100), hop("bob", "ann", "rice", 80)]);
    let cleared = clear(&swap());
    // 100 · (12 − 8) + 80 · (12 − 8).
    assert_eq!((cleared.objective, cleared.bound, cleared.outcome), (720, 720, Outcome::Optimal));
    assert!(cleared.left_out.is_empty());
}

#[test]
fn three_trade_where_no_two_could() {
    assert_eq!(moves(&three()), [hop("x", "y", "a", 60), hop("y", "z", "b", 60), hop("z", "x", "c", 60)]);
    let two_at_most = clear(&Request { max_ring: 2, ..three() });
    assert!(two_at_most.rings.is_empty());
    assert_eq!(reason(&two_at_most, "x"), LeftOut::NoRing);
}

#[test]
fn alternatives_share_one_want() {
    let ways = vec![either("maize", 60, "10"), either("millet", 40, "15")];
    let mut request = market(
        vec![good("maize"), good("millet"), good("rice")],
        vec![
            offer("ann", vec![give("rice", 1_000, "1")], vec![Want { any_of: ways }]),
            offer("bob", vec![give("maize", 30, "5")], vec![want("rice", 1_000, "2")]),
            offer("cat", vec![give("millet", 100, "5")], vec![want("rice", 1_000, "2")]),
        ],
    );
    let of =
        |request: &Request, good: &str| moves(request).iter().filter(|hop| hop.2 == good).map(|hop| hop.3).sum::<i64>();
    // A full want of millet brings 40 · 10, one of maize 60 · 5: all millet.
    assert_eq!((of(&request, "millet"), of(&request, "maize")), (40, 0));
    // Half of each fills the want: 20/40 + 30/60.
    request.offers[2].gives[0].limit = quantity(20);
    assert_eq!((of(&request, "millet"), of(&request, "maize")), (20, 30));
}

#[test]
fn a_want_of_awkward_fractions_is_never_overfilled() {
    // 1/3 + 2/7 leave 8/21, which 4 of 11 fit and 5 do not.
    let ways = vec![either("a", 3, "90"), either("b", 7, "90"), either("c", 11, "9")];
    let request = market(
        vec![good("a"), good("b"), good("c"), good("money")],
        vec![
            offer("ann", vec![give("money", 1_000, "1")], vec![Want { any_of: ways }]),
            offer("bob", vec![give("a", 1, "1")], vec![want("money", 1_000, "2")]),
            offer("cat", vec![give("b", 2, "1")], vec![want("money", 1_000, "2")]),
            offer("dan", vec![give("c", 11, "1")], vec![want("money", 1_000, "2")]),
        ],
    );
    let of_c: i64 = moves(&request).iter().filter(|hop| hop.2 == "c").map(|hop| hop.3).sum();
    assert_eq!(of_c, 4);
}

#[test]
fn the_margin_is_asked_of_everyone_at_the_worst_corner() {
    let mut request = swap();
    // 12 against 8 is a margin of 50 % each. Where both ask for exactly that, both give as much as they get; a
    // millionth more, and nothing contents both.
    for offer in &mut request.offers {
        offer.wants[0].any_of[0].value = exactly("12");
        offer.margin_ppm = 500_000;
    }
    assert_eq!(moves(&request), [hop("ann", "bob", "maize", 80), hop("bob", "ann", "rice", 80)]);
    request.offers[0].margin_ppm = 500_001;
    let cleared = clear(&request);
    assert_eq!((cleared.rings.len(), reason(&cleared, "ann")), (0, LeftOut::PricedOut));
    // With bounds, what counts is 11.5 against 8.5, 35.3 %, and not 50 %.
    for offer in &mut request.offers {
        offer.margin_ppm = 0;
        offer.gives[0].cost = Bounds { lo: ratio("15/2"), hi: ratio("17/2") };
        offer.wants[0].any_of[0].value = Bounds { lo: ratio("23/2"), hi: ratio("25/2") };
    }
    request.margin_ppm = 352_000;
    assert_eq!(clear(&request).rings.len(), 1);
    request.margin_ppm = 353_000;
    assert!(clear(&request).rings.is_empty());
}

#[test]
fn time_and_risk_count() {
    let mut request = swap();
    for offer in &mut request.offers {
        offer.outlook =
            Outlook { arrival: Some(ratio("4/5")), risk_aversion: Some(Rational::ONE), ..Outlook::default() };
    }
    // 0.64 · 12 is less than 8.
    assert_eq!(reason(&clear(&request), "ann"), LeftOut::PricedOut);
    for offer in &mut request.offers {
        offer.outlook.risk_aversion = Some(Rational::ZERO);
    }
    // 0.8 · 12 is more.
    assert_eq!(clear(&request).rings.len(), 1);
    // Discounting takes as much from receipts as from gifts, and from welfare.
    let now = clear(&swap()).objective;
    let later = clear(&Request { days: 3650, ..swap() });
    assert!(later.rings.len() == 1 && later.objective < now);
}

#[test]
fn who_gives_for_nothing_is_taken_at_its_word() {
    let mut request = swap();
    request.offers[0].gives[0].cost = exactly("0");
    request.offers[1].gives[0].cost = exactly("0");
    assert_eq!(moves(&request), [hop("ann", "bob", "maize", 100), hop("bob", "ann", "rice", 80)]);
    // What is worth nothing to its receiver cannot pay for a cost.
    request.offers[1].gives[0].cost = exactly("1");
    request.offers[1].wants[0].any_of[0].value = exactly("0");
    assert_eq!(reason(&clear(&request), "bob"), LeftOut::PricedOut);
}

#[test]
fn volume_is_counted_at_reference_prices() {
    let mut request = Request { objective: Objective::Volume, ..swap() };
    request.goods[0].reference_price = Some(ratio("10"));
    request.goods[1].reference_price = Some(ratio("21/2"));
    assert_eq!(clear(&request).objective, 100 * 10 + 80 * 21 / 2);
}

/// Pairs, each giving a kidney of its own.
fn kidneys(compatible: &[(&str, &[&str])]) -> Request {
    let goods = compatible.iter().map(|(pair, _)| in_lots(pair, 1)).collect();
    let offers = compatible.iter().map(|(pair, from)| {
        let any_of: Vec<_> = from.iter().map(|donor| either(donor, 1, "2")).collect();
        offer(pair, vec![give(pair, 1, "1")], if any_of.is_empty() { Vec::new() } else { vec![Want { any_of }] })
    });
    Request { objective: Objective::Served, ..market(goods, offers.collect()) }
}

#[test]
fn kidney_exchange_serves_the_most_pairs() {
    // Two disjoint swaps serve four; the ring of three through the middle only three.
    let request =
        kidneys(&[("a", &["b"]), ("b", &["a", "c"]), ("c", &["d", "a"]), ("d", &["c"]), ("e", &[]), ("f", &["e"])]);
    let cleared = clear(&request);
    assert_eq!((cleared.objective, cleared.bound, cleared.outcome), (4, 4, Outcome::Optimal));
    assert_eq!(cleared.rings.len(), 2);
    assert_eq!(reason(&cleared, "e"), LeftOut::NothingWanted);
    assert_eq!(reason(&cleared, "f"), LeftOut::NobodyWantsIt);
}

#[test]
fn an_odd_cycle_of_swaps_needs_branching() {
    // A pentagon of possible swaps: the relaxation takes half of each and serves five, whole swaps serve four.
    let request =
        kidneys(&[("a", &["b", "e"]), ("b", &["a", "c"]), ("c", &["b", "d"]), ("d", &["c", "e"]), ("e", &["d", "a"])]);
    let cleared = clear(&Request { max_ring: 2, ..request.clone() });
    assert_eq!((cleared.objective, cleared.bound, cleared.outcome), (4, 4, Outcome::Optimal));
    assert_eq!(cleared.left_out.iter().map(|left| left.reason).collect::<Vec<_>>(), [LeftOut::Outbid]);
    assert_eq!(clear(&Request { max_ring: 5, ..request }).objective, 5);
}

#[test]
fn what_a_relaxation_allows_and_no_whole_lots_do_is_proven_away() {
    // For 4 of c ann gives 2 of a, for 2 nothing; round the only ring that pays 2 come to her. Half a ring would gain 1.
    let request = market(
        vec![in_lots("a", 2), in_lots("b", 2), in_lots("c", 2)],
        vec![
            offer("ann", vec![give("a", 2, "21")], vec![want("c", 4, "11")]),
            offer("bob", vec![give("b", 4, "1"), give("c", 4, "6")], vec![want("a", 2, "2")]),
            offer("cat", vec![give("c", 2, "1")], vec![want("b", 4, "1")]),
        ],
    );
    let cleared = clear(&request);
    assert_eq!((cleared.objective, cleared.bound, cleared.outcome), (0, 0, Outcome::Optimal));
}

#[test]
fn houses_and_money_mix() {
    let request = market(
        vec![in_lots("house", 1), good("cent"), in_lots("car", 1)],
        vec![
            offer("seller", vec![give("house", 1, "30000000")], vec![want("cent", 100_000_000, "1")]),
            offer("buyer", vec![give("cent", 40_000_000, "1")], vec![want("house", 1, "35000000")]),
            offer("dealer", vec![give("car", 5, "1000000")], vec![want("cent", 100_000_000, "1")]),
            offer("driver", vec![give("cent", 1_000_001, "1")], vec![want("car", 1, "2000000")]),
        ],
    );
    let cleared = clear(&request);
    assert_eq!((cleared.rings.len(), cleared.objective), (2, 6_000_000));
}

#[test]
fn each_who_gets_nothing_is_told_why() {
    let request = market(
        vec![good("a"), good("b"), good("c"), good("d"), good("e"), in_lots("lot", 10)],
        vec![
            offer("both-1", vec![give("a", 100, "8")], vec![want("b", 100, "12")]),
            offer("both-2", vec![give("b", 100, "8")], vec![want("a", 100, "12")]),
            offer("dearer", vec![give("a", 100, "10")], vec![want("b", 100, "11")]),
            offer("gives-nothing", vec![], vec![want("a", 5, "9")]),
            offer("wants-nothing", vec![give("a", 5, "9")], vec![]),
            offer("unwanted", vec![give("e", 5, "1")], vec![want("a", 5, "9")]),
            offer("unheard", vec![give("b", 5, "1")], vec![want("d", 5, "9")]),
            offer("too-dear", vec![give("b", 100, "90")], vec![want("a", 100, "9")]),
            offer("less-than-a-lot", vec![give("lot", 9, "1")], vec![want("a", 5, "9")]),
            offer("dead-end", vec![give("a", 5, "1")], vec![want("c", 5, "9")]),
            offer("source", vec![give("c", 5, "1")], vec![want("lot", 20, "9")]),
        ],
    );
    let cleared = clear(&request);
    for (agent, expected) in [
        ("dearer", LeftOut::Outbid),
        ("gives-nothing", LeftOut::NothingToGive),
        ("wants-nothing", LeftOut::NothingWanted),
        ("unwanted", LeftOut::NobodyWantsIt),
        ("unheard", LeftOut::NobodyGivesIt),
        ("too-dear", LeftOut::PricedOut),
        ("less-than-a-lot", LeftOut::TooSmall),
        ("dead-end", LeftOut::NoRing),
        ("source", LeftOut::NobodyGivesIt),
    ] {
        assert_eq!(reason(&cleared, agent), expected, "{agent}: {:?}", cleared.left_out);
    }
}

/// Ann gives for nothing; two pairs could each pass something on, and the last keeps what it gets.
fn chain() -> Request {
    let lot = |name: &str| in_lots(name, 1);
    let request = market(
        vec![lot("a"), lot("b"), lot("c")],
        vec![
            offer("ann", vec![give("a", 1, "0")], vec![]),
            offer("bob", vec![give("b", 1, "1")], vec![want("a", 1, "5")]),
            offer("cat", vec![give("c", 1, "0")], vec![want("b", 1, "4")]),
        ],
    );
    Request { max_chain: Some(3), ..request }
}

#[test]
fn a_giver_without_wants_starts_a_chain() {
    let cleared = try_clear(&chain()).unwrap();
    let hops: Vec<_> = cleared.chains[0].hops.iter().map(|hop| (hop.from.as_str(), hop.to.as_str())).collect();
    assert_eq!(hops, [("ann", "bob"), ("bob", "cat")]);
    // 5 − 0 for ann's gift, 4 − 1 for bob's.
    assert_eq!((cleared.objective, cleared.bound, cleared.chains[0].welfare_minor), (8, 8, 8));
    assert_eq!((cleared.rings.len(), cleared.outcome), (0, Outcome::Optimal));
    assert!(cleared.left_out.is_empty());

    let short = try_clear(&Request { max_chain: Some(1), ..chain() }).unwrap();
    assert_eq!((short.objective, short.chains[0].hops.len()), (5, 1));
    let none = try_clear(&Request { max_chain: None, ..chain() }).unwrap();
    assert_eq!((none.objective, none.chains.len(), reason(&none, "ann")), (0, 0, LeftOut::NothingWanted));
}

#[test]
fn whoever_gives_at_a_cost_starts_no_chain() {
    let mut request = chain();
    request.offers[0].gives[0].cost = exactly("1");
    let cleared = try_clear(&request).unwrap();
    assert_eq!((cleared.objective, reason(&cleared, "ann")), (0, LeftOut::NothingWanted));
}

#[test]
fn a_chain_moves_more_than_a_lot() {
    let mut request = chain();
    for offer in &mut request.offers {
        offer.gives[0].limit = quantity(1_000);
        for want in &mut offer.wants {
            want.any_of[0].limit = quantity(900);
        }
    }
    for spec in &mut request.goods {
        spec.lot = None;
    }
    let cleared = try_clear(&request).unwrap();
    // 900 of a are worth 4500 to bob, who gives all the 900 of b that cat wants.
    assert_eq!((cleared.objective, cleared.bound), (900 * 8, 900 * 8));
}

#[test]
fn served_counts_who_receives() {
    let cleared = try_clear(&Request { objective: Objective::Served, ..chain() }).unwrap();
    assert_eq!((cleared.objective, cleared.bound), (2, 2));
}

#[test]
fn prices_prove_the_bound() {
    let request = Request { with_limits: true, ..swap() };
    let cleared = clear(&request);
    let sum: f64 = cleared.limits.iter().map(|limit| limit.price.to_f64()).sum();
    assert!((sum - cleared.bound as f64).abs() < 1.0, "{:?}", cleared.limits);
    assert_eq!(cleared.prices.len(), 2);
    assert!(clear(&swap()).limits.is_empty());
}

#[test]
fn earlier_rings_change_nothing_but_the_start() {
    let first = clear(&three());
    let again = clear(&Request { earlier: first.rings.clone(), ..three() });
    assert_eq!((again.objective, again.rings), (first.objective, first.rings));
    // What no longer fits is passed over.
    let mut gone = three();
    gone.offers.remove(0);
    assert!(clear(&Request { earlier: clear(&three()).rings, ..gone }).rings.is_empty());
}

#[test]
fn fairness_decides_between_equals() {
    // Either ann and bob swap for 12, or all three go round for 12.
    let lot = |name: &str| in_lots(name, 1);
    let request = market(
        vec![lot("a"), lot("b"), lot("c")],
        vec![
            offer(
                "ann",
                vec![give("a", 1, "0")],
                vec![Want { any_of: vec![either("b", 1, "6"), either("c", 1, "4")] }],
            ),
            offer("bob", vec![give("b", 1, "0")], vec![want("a", 1, "6")]),
            offer("cat", vec![give("c", 1, "0")], vec![want("b", 1, "2")]),
        ],
    );
    let fair = clear(&Request { then: Some(schemas::clearing::TieBreak::Fairness), ..request.clone() });
    assert_eq!((fair.objective, fair.rings.len(), fair.rings[0].hops.len()), (12, 1, 3));
    assert_eq!(clear(&request).objective, 12);
}

#[test]
fn nonsense_is_refused_by_field() {
    let refused = |request: &Request, rule: &str, field: &str| {
        let error = try_clear(request).unwrap_err();
        let got = (error.kind(), error.rule.as_deref(), error.field.as_deref());
        assert_eq!(got, (Code::Refused, Some(rule), Some(field)), "{error}");
    };
    let mut request = swap();
    request.offers[1].gives[0].good = schemas::Good::parse("cake").unwrap();
    refused(&request, "unknown_good", "offers[1].gives[0].good");
    let mut request = swap();
    request.offers[0].wants[0].any_of[0].good = schemas::Good::parse("cake").unwrap();
    refused(&request, "unknown_good", "offers[0].wants[0].any_of[0].good");

    let mut request = swap();
    request.band = Some(Bounds { lo: ratio("1/2"), hi: ratio("2") });
    request.goods[1].reference_price = Some(ratio("6"));
    assert!(try_clear(&request).is_ok());
    request.offers[0].wants[0].any_of[0].value = Bounds { lo: ratio("12"), hi: ratio("1201/100") };
    refused(&request, "outside_band", "offers[0].wants[0].any_of[0].value");
    request.goods[1].reference_price = Some(ratio("17"));
    request.offers[0].wants[0].any_of[0].value = exactly("12");
    refused(&request, "outside_band", "offers[1].gives[0].cost");

    refused(&Request { objective: Objective::Served, ..swap() }, "objective", "objective");
    refused(&Request { objective: Objective::Volume, ..swap() }, "no_reference_price", "goods[0].reference_price");
}

#[test]
fn sums_beyond_64_bits_are_refused_and_not_wrapped() {
    let mut request = swap();
    for offer in &mut request.offers {
        offer.gives[0].limit = quantity(i64::MAX);
        offer.wants[0].any_of[0].limit = quantity(i64::MAX);
    }
    let error = try_clear(&request).unwrap_err();
    assert_eq!((error.kind(), error.rule.as_deref()), (Code::Refused, Some("overflow")));
    assert!(error.field.as_deref().is_some_and(|field| field.ends_with("gives[0].limit")), "{error:?}");
    // Large limits alone are no fault.
    request.offers[0].gives[0].limit = quantity(100);
    assert_eq!(clear(&request).rings.len(), 1);
}

#[test]
fn an_empty_market_clears_to_nothing() {
    let cleared = clear(&market(vec![good("a")], vec![]));
    assert_eq!((cleared.objective, cleared.bound, cleared.gap_ppm, cleared.outcome), (0, 0, 0, Outcome::Optimal));
}

#[test]
fn a_million_alternatives_are_refused_where_they_stand() {
    let mut request = swap();
    let one = request.offers[1].wants[0].any_of[0].clone();
    request.offers[1].wants[0].any_of = vec![one; 1_000_000];
    let body = schemas::body::encode(&request);
    let error = schemas::body::decode::<Request>(&body, usize::MAX).unwrap_err();
    assert!(error.field().contains("offers[1].wants[0].any_of"), "{error}");
}
