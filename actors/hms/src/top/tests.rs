use schemas::event::{DealEvent, Happening};

use super::*;
use crate::roll::Endpoint;

fn endpoint(name: &str, requests: u64, errors: u64, time_ms: u64) -> Endpoint {
    Endpoint {
        name: name.into(),
        num_requests: requests,
        num_errors: errors,
        processing_time: time_ms * 1_000_000,
        last_error: if errors > 0 { "409:late".into() } else { String::new() },
        ..Endpoint::default()
    }
}

fn instance(name: &str, id: &str, endpoints: Vec<Endpoint>) -> Instance {
    Instance { name: name.into(), id: id.into(), version: "1".into(), endpoints }
}

fn sample(at_unix_ms: i64, log_sequence: u64, instances: Vec<Instance>) -> Sample {
    Sample { at_unix_ms, instances, log_sequence, intent_sequence: log_sequence / 10, agents: 3 }
}

/// Two samples two seconds apart: of two desks one was started again meanwhile.
fn board() -> Board {
    let mut board = Board::of("nats://there:1 (2.15.1)".into(), Order::Name);
    board.sampled(sample(
        1_000,
        100,
        vec![
            instance("deal", "a", vec![endpoint("open", 1_000, 1, 5_000), endpoint("show", 0, 0, 0)]),
            instance("deal", "b", vec![endpoint("open", 7, 7, 7)]),
        ],
    ));
    board.sampled(sample(
        3_000,
        300,
        vec![
            instance("deal", "a", vec![endpoint("open", 1_100, 5, 5_200), endpoint("show", 2, 0, 1)]),
            instance("deal", "c", vec![endpoint("open", 20, 0, 40)]),
            instance("graph", "d", vec![endpoint("clear", 1, 0, 900)]),
        ],
    ));
    board
}

fn event(deal: char, turn: u32, at_unix_ms: i64, what: Happening) -> DealEvent {
    let deal = deal.to_string().repeat(26).parse().unwrap();
    DealEvent { deal, turn, prev: schemas::Hash::ZERO, at_unix_ms, what, cause: None, trace: None }
}

fn certified(deal: char, at_unix_ms: i64) -> DealEvent {
    let what = Happening::Certified {
        opener: "maker".parse().unwrap(),
        book: "bazaar".parse().unwrap(),
        terms: Vec::new(),
        acceptances: Vec::new(),
        certificates: Vec::new(),
    };
    event(deal, 3, at_unix_ms, what)
}

#[test]
fn rates_are_differences_and_a_new_instance_counts_from_nothing() {
    let services = board().services();
    let names: Vec<String> = services.iter().map(|of| format!("{}.{}", of.service, of.endpoint)).collect();
    assert_eq!(names, ["deal.open", "deal.show", "graph.clear"]);
    let open = &services[0];
    assert_eq!((open.instances, open.requests, open.errors), (2, 1_120, 5));
    // 100 more of one and 20 of the new one, 240 ms on them.
    assert_eq!((open.requests_per_s, open.errors_per_s, open.mean_ms), (60.0, 2.0, 2.0));
    assert_eq!(open.last_error, "409:late");
    assert_eq!((board().log_rate(), board().intent_rate()), (100.0, 10.0));
}

#[test]
fn one_sample_has_no_rates_and_the_mean_since_the_start() {
    let mut board = Board::default();
    board.sampled(sample(1_000, 5, vec![instance("deal", "a", vec![endpoint("open", 10, 1, 30)])]));
    let services = board.services();
    assert_eq!((services[0].requests_per_s, services[0].errors_per_s, services[0].mean_ms), (0.0, 0.0, 3.0));
    assert!(!board.has_rates());
    assert!(board.log_rate().abs() < 1e-9);
}

#[test]
fn each_order_has_its_own_first() {
    let mut board = board();
    for (order, first) in
        [(Order::Slowest, "clear"), (Order::Rate, "open"), (Order::Errors, "open"), (Order::Name, "open")]
    {
        board.order = order;
        assert_eq!(board.services()[0].endpoint, first, "{order:?}");
    }
    let gone_through: Vec<Order> = (0..4)
        .scan(Order::Slowest, |order, _| {
            *order = order.next();
            Some(*order)
        })
        .collect();
    assert_eq!(gone_through, [Order::Rate, Order::Errors, Order::Name, Order::Slowest]);
}

#[test]
fn a_paused_board_stays_as_it_is() {
    let mut board = board();
    board.is_paused = true;
    board.sampled(sample(9_000, 999, Vec::new()));
    assert_eq!(board.services().len(), 3);
    board.is_paused = false;
    board.sampled(sample(9_000, 999, Vec::new()));
    assert_eq!(board.services(), []);
}

#[test]
fn deals_are_counted_where_they_stand_and_waits_from_when_they_began() {
    let mut deals = Deals::default();
    deals.heard(&certified('a', 1_000));
    deals.heard(&certified('b', 2_500));
    deals.heard(&event('c', 4, 0, Happening::Settled));
    deals.heard(&event('d', 0, 0, Happening::Expired));
    deals.heard(&event('a', 4, 3_000, Happening::Settled));
    let count = |state| deals.by_state()[&state];
    assert_eq!(
        (count(State::Certified), count(State::Settled), count(State::Expired), count(State::Open)),
        (1, 2, 1, 0)
    );
    assert_eq!(deals.waiting(State::Certified, 9_000), Wait { deals: 1, oldest_ms: 6_500 });
    assert_eq!(deals.waiting(State::Agreed, 9_000), Wait::default());
}

#[test]
fn a_frame_says_all_of_it_as_text_and_on_a_small_terminal() {
    let mut board = board();
    board.deals.heard(&certified('a', -3_000));
    let gated = serde_json::json!({ "type": "task.event", "job": "b".repeat(26), "turn": 0, "prev": schemas::Hash::ZERO,
        "at_unix_ms": 1_000, "what": "gated", "tasks": ["report"], "until_unix_ms": 63_000 });
    board.gates.heard(&schemas::body::from_json(&gated).unwrap());
    let text = frame::text(&board).unwrap();
    let page = text.join("\n");
    for words in [
        "nats://there:1 (2.15.1)  00:00:03   3 agents   log 100/s   intents 10/s",
        "certified 1",
        "1 wait for the ledger, the oldest 6000 ms   proof keeps up",
        "1 wait at the gates for a human, the oldest 2000 ms; silence is a no in 60000 ms",
        "SERVICE        ENDPOINT   ×    REQ/S",
        "deal           open       2    60         2.0        2.00        1120        5         409:late",
    ] {
        assert!(page.contains(words), "{words:?} is not in\n{page}");
    }
    assert_eq!(text.len(), 10, "{page}");
    let mut small = ratatui::Terminal::new(ratatui::backend::TestBackend::new(30, 5)).unwrap();
    small.draw(|frame| frame::draw(&board, frame)).unwrap();
    assert_eq!(board.told().waiting_for_ledger, Wait { deals: 1, oldest_ms: 6_000 });
}
