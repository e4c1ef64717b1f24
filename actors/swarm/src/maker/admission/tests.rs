//! What may stand in a market, at the edges.

use proptest::prelude::*;
use schemas::body::encode;
use schemas::limit::REPLAY_WINDOW_MS;
use schemas::market::{Give, Want};

use super::*;
use crate::fixtures::{NOW, agent, bazaar, either, give, good, intent, market, signer, units, want};

fn ratio(text: &str) -> Rational {
    text.parse().unwrap()
}

fn fault(gives: Vec<Give>, wants: Vec<Want>) -> Option<String> {
    check(&market(), &intent("kenya", gives, wants)).err().map(|refused| refused.field)
}

fn costing(lo: &str, hi: &str) -> Option<String> {
    let cost = Bounds { lo: ratio(lo), hi: ratio(hi) };
    fault(vec![Give { good: good("wheat"), limit: units(1), cost }], Vec::new())
}

#[test]
fn the_edges_of_the_band_are_inside_it() {
    assert_eq!(costing("50", "200"), None);
    assert_eq!(costing("49999999999/1000000000", "200").as_deref(), Some("gives[0].cost.lo"));
    assert_eq!(costing("50", "200000000001/1000000000").as_deref(), Some("gives[0].cost.hi"));
    assert_eq!(costing("201", "201").as_deref(), Some("gives[0].cost.hi"));
    assert_eq!(fault(Vec::new(), vec![want("tea", 1, 50)]), None);
    assert_eq!(fault(Vec::new(), vec![want("tea", 1, 49)]).as_deref(), Some("wants[0].any_of[0].value.lo"));
    assert_eq!(fault(Vec::new(), vec![want("tea", 1, 201)]).as_deref(), Some("wants[0].any_of[0].value.hi"));
}

#[test]
fn the_reason_says_what_is_asked_for() {
    let refused = check(&market(), &intent("kenya", vec![give("wheat", 1, 300)], Vec::new())).unwrap_err();
    assert_eq!(refused.reason, "300 is more than 2 times wheat's reference price of 100");
}

#[test]
fn parts_of_sixty_four_bits_are_compared_exactly() {
    let mut wide = market();
    let (price, factor) = (ratio("9223372036854775807/9223372036854775806"), ratio("9223372036854775805/3"));
    wide.goods[0].reference_price = Some(price);
    wide.band = Bounds { lo: Rational::ZERO, hi: factor };
    let with = |hi: Rational| {
        let cost = Bounds { lo: Rational::ZERO, hi };
        check(&wide, &intent("kenya", vec![Give { good: good("wheat"), limit: units(1), cost }], Vec::new()))
    };
    // factor·price lies between these two neighbours.
    assert!(with(ratio("9223372036854775805/3")).is_ok());
    assert!(with(ratio("9223372036854775807/3")).is_err());
}

#[test]
fn a_good_without_a_price_has_no_band() {
    let mut free = market();
    free.goods[0].reference_price = None;
    assert_eq!(check(&free, &intent("kenya", vec![give("wheat", 1, i64::MAX)], Vec::new())), Ok(()));
}

#[test]
fn goods_are_known_and_stand_in_one_want() {
    assert_eq!(fault(vec![give("gold", 1, 100)], Vec::new()).as_deref(), Some("gives[0].good"));
    assert_eq!(fault(Vec::new(), vec![want("gold", 1, 100)]).as_deref(), Some("wants[0].any_of[0].good"));
    let twice = vec![want("tea", 1, 100), Want { any_of: vec![either("rye", 1, 100), either("tea", 1, 100)] }];
    assert_eq!(fault(Vec::new(), twice).as_deref(), Some("wants[1].any_of[1].good"));
}

#[test]
fn an_intent_is_its_own_agents_in_its_own_market() {
    let said = encode(&intent("kenya", vec![give("wheat", 1, 100)], Vec::new()));
    let at = |market: &str, id: &str, bytes: &[u8]| {
        read(&market.parse().unwrap(), &agent(id), bytes).map_err(|refused| refused.field)
    };
    assert_eq!(at("bazaar", "kenya", &said).unwrap().unwrap().gives.len(), 1);
    assert_eq!(at("souk", "kenya", &said), Err("market".to_owned()));
    assert_eq!(at("bazaar", "ghana", &said), Err("agent".to_owned()));
    let withdrawn = encode(&IntentWithdrawn { market: bazaar(), agent: agent("kenya") });
    assert_eq!(at("bazaar", "kenya", &withdrawn), Ok(None));
    assert_eq!(at("souk", "kenya", &withdrawn), Err("market".to_owned()));
    assert_eq!(at("bazaar", "ghana", &withdrawn), Err("agent".to_owned()));
    assert_eq!(at("bazaar", "kenya", b""), Ok(None), "a deleted message");
}

#[test]
fn what_cannot_be_read_is_refused_with_its_field() {
    let said = encode(&intent("kenya", vec![give("wheat", 1, 100)], Vec::new()));
    let fault = |bytes: &[u8]| read(&bazaar(), &agent("kenya"), bytes).unwrap_err().field;
    assert_eq!(fault(&encode(&market())), "type");
    for end in 1..said.len() {
        assert!(read(&bazaar(), &agent("kenya"), &said[..end]).is_err(), "cut at {end}");
    }
    let mut negative = intent("kenya", vec![give("wheat", 1, 100)], Vec::new());
    negative.margin_ppm = -1;
    assert_eq!(fault(&encode(&negative)), "margin_ppm");
}

fn signed(at_unix_ms: i64, nonce: &str) -> Sender {
    Sender::parse(&signer("kenya").sign("a.b", b"body", at_unix_ms, nonce).unwrap()).unwrap()
}

#[test]
fn a_message_is_heard_once() {
    let (mut replays, kenya) = (Replays::default(), agent("kenya"));
    let mut admit = |sender: &Sender, stored: i64| replays.admit(&kenya, sender, stored).is_ok();
    let first = signed(NOW, "n1");
    assert!(admit(&first, NOW));
    assert!(!admit(&first, NOW + 1), "the same once more");
    assert!(admit(&signed(NOW, "n2"), NOW + 2), "another of the same second");
    assert!(!admit(&first, NOW + 3), "the first of that second");
    assert!(admit(&signed(NOW + 5_000, "n3"), NOW + 5_000));
    assert!(!admit(&signed(NOW + 4_000, "n4"), NOW + 6_000), "signed before the last");
    assert!(!admit(&first, NOW + 7_000));
}

#[test]
fn what_is_wrong_is_said_and_changes_nothing() {
    let (mut replays, kenya) = (Replays::default(), agent("kenya"));
    let stale = signed(NOW, "n1");
    assert!(replays.admit(&kenya, &stale, NOW + REPLAY_WINDOW_MS + 1_001).is_err());
    assert!(replays.admit(&kenya, &stale, NOW - REPLAY_WINDOW_MS - 1_001).is_err(), "from the future");
    assert_eq!(replays.admit(&kenya, &stale, NOW + REPLAY_WINDOW_MS), Ok(()), "and in time it is taken");
    let refused = replays.admit(&kenya, &signed(NOW - 1_000, "n2"), NOW).unwrap_err();
    assert_eq!(refused.field, schemas::header::SENDER);
    assert_eq!(replays.admit(&agent("ghana"), &stale, NOW), Ok(()), "each agent has times of its own");
}

#[test]
fn lives_are_read_as_the_broker_reads_them() {
    for (ttl, after_ms) in [("60", 60_000), ("90s", 90_000), ("5m", 300_000), ("2h", 7_200_000), (" 7s ", 7_000)] {
        assert_eq!(expiry_unix_ms(Some(ttl), NOW), Some(NOW + after_ms), "{ttl:?}");
    }
    for none in ["", "s", "never", "1d", "9223372036854775807h"] {
        assert_eq!(expiry_unix_ms(Some(none), NOW), None, "{none:?}");
    }
    assert_eq!(expiry_unix_ms(None, NOW), None);
}

proptest! {
    /// No bytes make the reader panic, and nothing of another agent's passes.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        prop_assert!(read(&bazaar(), &agent("kenya"), &bytes).is_err());
    }
}
