use proptest::prelude::*;
use schemas::deal::Delivery;
use schemas::limit::PPM;
use schemas::value::{Bounds, Dimensions, Outlook, PartyKind, UnitCost};
use schemas::{MarketId, Quantity, Rational};

use super::*;
use crate::exchange::Exchange;

const DAY_MS: i64 = 86_400_000;

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}
fn good(name: &str) -> Good {
    Good::parse(name).unwrap()
}
fn ratio(text: &str) -> Rational {
    text.parse().unwrap()
}
fn bounds(lo: &str, hi: &str) -> Bounds {
    Bounds { lo: ratio(lo), hi: ratio(hi) }
}
fn value(name: &str, bounds: Bounds) -> UnitValue {
    UnitValue { good: good(name), value: Some(bounds), dimensions: None }
}
fn cost(name: &str, cost: Bounds) -> UnitCost {
    UnitCost { good: good(name), cost }
}

/// Transfers of (from, to, good, quantity, days until due).
fn terms(transfers: &[(&str, &str, &str, i64, i64)]) -> Terms {
    let mut parties: Vec<_> = transfers.iter().flat_map(|t| [agent(t.0), agent(t.1)]).collect();
    parties.sort();
    parties.dedup();
    Terms {
        book: MarketId::parse("m").unwrap(),
        parties,
        transfers: transfers
            .iter()
            .map(|(from, to, name, quantity, days)| Transfer {
                from: agent(from),
                to: agent(to),
                good: good(name),
                quantity: Quantity::new(*quantity).unwrap(),
                due_unix_ms: 1000 + days * DAY_MS,
                intent: None,
            })
            .collect(),
        delivery: Delivery::Immediate,
        expires_unix_ms: 1000,
        award: None,
    }
}

fn valuation(margin_ppm: i64, values: Vec<UnitValue>, costs: Vec<UnitCost>) -> Valuation {
    Valuation { outlook: Outlook::default(), margin_ppm, values, costs }
}

#[test]
fn a_barter_by_hand() {
    // kenya gives 100 tea (10 ± 1 each) for 60 oil (20 ± 2 each).
    let terms = terms(&[("kenya", "angola", "tea", 100, 0), ("angola", "kenya", "oil", 60, 0)]);
    let states =
        |margin| valuation(margin, vec![value("oil", bounds("18", "22"))], vec![cost("tea", bounds("9", "10"))]);
    let kenya = worth(&terms, &agent("kenya"), &states(80_000)).unwrap();
    assert_eq!((kenya.received.lo.clone(), kenya.received.hi.clone()), (Exact::from(1080), Exact::from(1320)));
    assert_eq!((kenya.given.lo.clone(), kenya.given.hi.clone()), (Exact::from(900), Exact::from(1000)));
    assert_eq!(kenya.gain(), Exact::from(1200 - 950));
    assert_eq!(kenya.worst_gain(), Exact::from(80));
    assert_eq!(kenya.slack(), Exact::zero());
    assert!(kenya.is_satisfied(), "8 % of 1000 is exactly the 80 that it gains at worst");
    let greedy = worth(&terms, &agent("kenya"), &states(80_001)).unwrap();
    assert!(!greedy.is_satisfied());
    assert_eq!(greedy.slack().ceil("").unwrap(), 0, "a thousandth of a unit short is short");
    let wire = kenya.to_wire().unwrap();
    assert_eq!(
        (wire.received_minor, wire.given_minor, wire.gain_minor, wire.worst_gain_minor, wire.satisfied),
        (1200, 950, 250, 80, true)
    );
}

#[test]
fn each_transfer_is_discounted_to_its_own_due_date() {
    // 10 % a year: 110 received in a year are 100 now, but φ⁺ is rounded down: 110·0.909090909.
    let terms = terms(&[("a", "b", "usd", 100, 0), ("b", "a", "usd2", 110, 365)]);
    let mut states = valuation(0, vec![value("usd2", bounds("1", "1"))], vec![cost("usd", bounds("1", "1"))]);
    states.outlook.rate = Some(ratio("1/10"));
    let worth = worth(&terms, &agent("a"), &states).unwrap();
    assert_eq!(worth.received.lo, Exact::from(ratio("9999999999/100000000")));
    assert_eq!(worth.given.hi, Exact::from(100));
    assert!(!worth.is_satisfied());
    assert_eq!(
        worth.parts.iter().map(|p| (p.transfer, p.is_receipt, p.factor_ppb)).collect::<Vec<_>>(),
        [(0, false, PPB), (1, true, 909_090_909)]
    );
    assert_eq!(worth.to_wire().unwrap().gain_minor, -1, "gains are rounded down, below nought too");
}

#[test]
fn dimensions_are_weighed() {
    let by = Dimensions {
        economic: bounds("10", "20"),
        social: bounds("1/3", "1/3"),
        environmental: bounds("0", "4"),
        security: bounds("5", "5"),
    };
    let stated = UnitValue { good: good("grain"), value: None, dimensions: Some(by) };
    // government: 0.40·10 + 0.25/3 + 0.15·0 + 0.20·5 = 4 + 1/12 + 1; hi: 8 + 1/12 + 0.6 + 1
    let unit = unit_value(&stated, &defaults(PartyKind::Government).weights).unwrap();
    assert_eq!((unit.lo, unit.hi), (Exact::from(ratio("61/12")), Exact::from(ratio("581/60"))));
    // corporate: money alone.
    let unit = unit_value(&stated, &defaults(PartyKind::Corporate).weights).unwrap();
    assert_eq!((unit.lo, unit.hi), (Exact::from(10), Exact::from(20)));
    let both = UnitValue { value: Some(bounds("1", "1")), ..stated };
    assert!(matches!(unit_value(&both, &defaults(PartyKind::Ngo).weights), Err(TermsError::Stated(_))));

    // And they reach the terms, the party's own weights before its kind's.
    let terms = terms(&[("a", "b", "grain", 12, 0)]);
    let mut states = valuation(0, vec![UnitValue { value: None, ..both }], vec![]);
    states.outlook.kind = PartyKind::Government;
    assert_eq!(worth(&terms, &agent("b"), &states).unwrap().received.lo, Exact::from(61));
    states.outlook.weights = Some(Weights { economic_ppm: 0, social_ppm: PPM, environmental_ppm: 0, security_ppm: 0 });
    assert_eq!(worth(&terms, &agent("b"), &states).unwrap().received.lo, Exact::from(4));
}

#[test]
fn what_is_not_valued_is_worth_nothing_and_what_is_not_costed_is_an_error() {
    let terms = terms(&[("a", "b", "tea", 3, 0), ("b", "a", "oil", 2, 0)]);
    let silent = valuation(0, vec![], vec![cost("oil", bounds("1", "1"))]);
    let b = worth(&terms, &agent("b"), &silent).unwrap();
    assert_eq!((b.received.hi.clone(), b.gain(), b.is_satisfied()), (Exact::zero(), Exact::from(-2), false));
    let error = worth(&terms, &agent("a"), &valuation(0, vec![value("oil", bounds("1", "1"))], vec![])).unwrap_err();
    assert_eq!(error, TermsError::NoCost { party: agent("a"), good: good("tea") });
    assert_eq!(error.rule(), Some("no_cost"));
}

#[test]
fn everyone_must_gain_and_everyone_must_speak() {
    let terms = terms(&[("a", "b", "x", 10, 0), ("b", "c", "y", 10, 0), ("c", "a", "z", 10, 0)]);
    let states = |party: &str, gives: &str, wants: &str, worth: &str| PartyValuation {
        party: agent(party),
        valuation: valuation(10_000, vec![value(wants, bounds(worth, worth))], vec![cost(gives, bounds("100", "100"))]),
    };
    let content = [states("c", "z", "y", "101"), states("a", "x", "z", "101"), states("b", "y", "x", "150")];
    assert_eq!(is_win_win(&terms, &content), Ok(true));
    let parties: Vec<_> = appraise(&terms, &content).unwrap();
    assert_eq!(parties.iter().map(|w| w.party.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    let wire: Vec<_> = parties.iter().map(|w| w.to_wire().unwrap()).collect();
    assert_eq!(welfare_minor(&wire), Ok(10 + 500 + 10));

    let mut one_loses = content.to_vec();
    one_loses[0] = states("c", "z", "y", "100");
    assert_eq!(is_win_win(&terms, &one_loses), Ok(false), "no margin is left for c");
    assert_eq!(is_win_win(&terms, &content[1..]), Err(TermsError::NoValuation(agent("c"))));
    let mut stranger = content.to_vec();
    stranger.push(states("d", "z", "y", "1"));
    assert_eq!(is_win_win(&terms, &stranger), Err(TermsError::NotAParty(agent("d"))));
}

#[test]
fn amounts_beyond_64_bits_still_decide_and_only_the_report_is_refused() {
    let terms = terms(&[("a", "b", "x", i64::MAX, 0), ("b", "a", "y", i64::MAX, 0)]);
    let top = i64::MAX.to_string();
    let states =
        valuation(0, vec![value("y", bounds(&top, &top))], vec![cost("x", bounds("0", "9223372036854775806"))]);
    let a = worth(&terms, &agent("a"), &states).unwrap();
    assert!(a.is_satisfied());
    assert_eq!(a.worst_gain(), Exact::from(i64::MAX));
    assert_eq!(a.to_wire(), Err(TermsError::Overflow("what a party receives")));
    let gains = |gain_minor| PartyWorth {
        gain_minor,
        received_minor: 0,
        given_minor: 0,
        worst_gain_minor: 0,
        satisfied: true,
        party: agent("a"),
    };
    assert_eq!(welfare_minor(&[gains(i64::MAX), gains(1)]), Err(TermsError::Overflow("welfare")));
    assert_eq!(welfare_minor(&[gains(i64::MAX), gains(1), gains(-1)]), Ok(i64::MAX));
}

fn price() -> impl Strategy<Value = Rational> {
    (0i128..=1_000_000_000_000, 1i128..=10_000_000_000).prop_map(|(top, bottom)| Rational::new(top, bottom).unwrap())
}
fn span() -> impl Strategy<Value = Bounds> {
    (price(), price()).prop_map(|(a, b)| Bounds { lo: a.min(b), hi: a.max(b) })
}
fn scaled(bounds: Bounds, by: i64) -> Option<Bounds> {
    let times = |r: Rational| Rational::new(i128::from(r.numerator()) * i128::from(by), r.denominator().into());
    Some(Bounds { lo: times(bounds.lo)?, hi: times(bounds.hi)? })
}

proptest! {
    #[test]
    fn worth_is_linear_in_values_and_costs(
        v in span(), c in span(), by in 0i64..1000, gets in 1i64..1_000_000_000, gives in 1i64..1_000_000_000, days in 0i64..400,
    ) {
        let terms = terms(&[("a", "b", "x", gives, days), ("b", "a", "y", gets, 2 * days)]);
        let of = |v, c| worth(&terms, &agent("a"), &valuation(0, vec![value("y", v)], vec![cost("x", c)])).unwrap();
        let (Some(vs), Some(cs)) = (scaled(v, by), scaled(c, by)) else { return Ok(()) };
        let (once, many) = (of(v, c), of(vs, cs));
        prop_assert_eq!(many.received, once.received.times(by));
        prop_assert_eq!(many.given, once.given.times(by));
        // Values alone move receipts alone.
        prop_assert_eq!(&of(vs, c).given, &once.given);
        prop_assert_eq!(&of(v, cs).received, &once.received);
        if by > 0 {
            prop_assert_eq!(of(vs, cs).is_satisfied(), once.is_satisfied(), "a common scale decides nothing");
        }
    }

    #[test]
    fn two_transfers_are_worth_their_sum(v in span(), first in 1i64..1_000_000_000, second in 1i64..1_000_000_000) {
        let states = valuation(0, vec![value("y", v)], vec![]);
        let of = |quantities: &[i64]| {
            let transfers: Vec<_> = quantities.iter().map(|q| ("b", "a", "y", *q, 90)).collect();
            worth(&terms(&transfers), &agent("a"), &states).unwrap().received
        };
        prop_assert_eq!(of(&[first, second]), of(&[first + second]));
    }

    #[test]
    fn the_worst_corner_is_no_better_than_any_other_point(v in span(), c in span(), gets in 1i64..1_000_000, gives in 1i64..1_000_000, margin in 0i64..200_000) {
        let terms = terms(&[("a", "b", "x", gives, 30), ("b", "a", "y", gets, 30)]);
        let of = |v, c| worth(&terms, &agent("a"), &valuation(margin, vec![value("y", v)], vec![cost("x", c)])).unwrap();
        let whole = of(v, c);
        prop_assert!(whole.worst_gain() <= whole.gain());
        for (vp, cp) in [(v.lo, c.lo), (v.hi, c.lo), (v.hi, c.hi), (v.lo, c.hi)] {
            let point = of(Bounds::exactly(vp), Bounds::exactly(cp));
            prop_assert!(whole.worst_gain() <= point.gain());
            prop_assert!(!whole.is_satisfied() || point.is_satisfied());
        }
    }

    #[test]
    fn a_likelier_arrival_is_worth_no_less(v in span(), p in 0i128..=1000, q in 0i128..=1000, aversion in 0i128..=1000) {
        let terms = terms(&[("b", "a", "y", 1_000_000, 10)]);
        let mut states = valuation(0, vec![value("y", v)], vec![]);
        states.outlook.risk_aversion = Rational::new(aversion, 1000);
        let mut of = |p| {
            states.outlook.arrival = Rational::new(p, 1000);
            worth(&terms, &agent("a"), &states).unwrap().received.lo
        };
        prop_assert!(of(p.min(q)) <= of(p.max(q)));
    }

    /// What clearing repairs by and what terms are judged by are one inequality.
    #[test]
    fn an_exchange_and_the_terms_agree(v in span(), c in span(), gets in 1i64..1_000_000_000, gives in 1i64..1_000_000_000, margin in 0i64..200_000, days in 0i64..100) {
        let terms = terms(&[("a", "b", "x", gives, days), ("b", "a", "y", gets, days)]);
        let states = valuation(margin, vec![value("y", v)], vec![cost("x", c)]);
        let whole = worth(&terms, &agent("a"), &states).unwrap();
        let factors = Factors::of(&states.outlook, u64::try_from(days).unwrap()).unwrap();
        let exchange = Exchange::new(v, c, factors, margin).unwrap();
        prop_assert_eq!(exchange.is_satisfied(gets, gives), whole.is_satisfied());
        prop_assert_eq!(exchange.gain(gets, gives), whole.gain());
        let most = exchange.most_given(gets);
        prop_assert_eq!(gives <= most, whole.is_satisfied());
    }
}
