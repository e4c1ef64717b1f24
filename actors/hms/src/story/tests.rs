//! A captured run tells the story that stands beside it: `tests/told.txt` is what `tests/run.jsonl` says, all that a bus
//! republished while agents traded on it, with what was said of its clearings.

use data_encoding::HEXLOWER;
use schemas::body::encode;
use serde_json::Value;

use super::*;
use crate::command::watch::shown;

const RUN: &str = include_str!("tests/run.jsonl");
const TOLD: &str = include_str!("tests/told.txt");

/// The markets that were declared before, and all that was heard, in order.
fn captured() -> (Vec<Market>, Vec<Heard>) {
    let (mut markets, mut all) = (Vec::new(), Vec::new());
    for line in RUN.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(market) = line.get("market") {
            markets.push(serde_json::from_value(market.clone()).unwrap());
            continue;
        }
        all.push(Heard {
            subject: subject::stored_of_live(line["subject"].as_str().unwrap()),
            body: HEXLOWER.decode(line["body"].as_str().unwrap().as_bytes()).unwrap(),
            at_unix_ms: line["at_unix_ms"].as_i64().unwrap(),
            sequence: line["sequence"].as_u64(),
        });
    }
    (markets, all)
}

fn story(only: Option<&str>) -> (Story, Vec<Heard>) {
    let mut story = Story::of(only.map(|market| market.parse().unwrap()));
    let (markets, all) = captured();
    markets.into_iter().for_each(|market| story.learn(market));
    (story, all)
}

fn told(only: Option<&str>) -> Vec<Line> {
    let (mut story, all) = story(only);
    all.iter().filter_map(|heard| story.tell(heard)).collect()
}

#[test]
fn a_captured_run_is_told_as_it_was() {
    let lines: Vec<String> = told(None).iter().map(|line| shown(line, false)).collect();
    // What differs is shown where it begins.
    for (number, (line, expected)) in lines.iter().zip(TOLD.lines()).enumerate() {
        assert_eq!(line, expected, "line {}", number + 1);
    }
    assert_eq!(lines.len(), TOLD.lines().count(), "{}", lines.join("\n"));
}

#[test]
fn one_market_is_told_without_the_others_and_without_keys() {
    let (all, one) = (told(None), told(Some("bazaar")));
    let of_it: Vec<Line> = all
        .iter()
        .filter(|line| line.market.as_ref().is_some_and(|market| market.as_str() == "bazaar"))
        .cloned()
        .collect();
    assert_eq!(one, of_it);
    assert!(!one.is_empty() && one.len() < all.len());
}

#[test]
fn a_deal_that_began_before_is_asked_for_and_then_told_in_full() {
    let (mut story, all) = story(None);
    let of_deals: Vec<&Heard> = all.iter().filter(|heard| subject::parse_deal_log(&heard.subject).is_ok()).collect();
    let later = of_deals.iter().position(|heard| story.unknown(heard).is_some()).unwrap();
    let deal = story.unknown(of_deals[later]).unwrap();
    let life: Vec<&&Heard> =
        of_deals.iter().filter(|heard| subject::parse_deal_log(&heard.subject).unwrap() == deal).collect();
    assert!(story.unknown(life[0]).is_none(), "the beginning itself needs nothing");
    story.tell(life[0]);
    assert_eq!(story.unknown(life[1]), None);
    let line = story.tell(life[1]).unwrap();
    assert!(line.text.contains("(1 of "), "{}", line.text);
    assert!(line.market.is_some(), "the beginning says where");
    life.iter().skip(2).for_each(|heard| drop(story.tell(heard)));
    assert!(story.deals.is_empty(), "what has ended is forgotten");
}

#[test]
fn what_agents_write_steers_no_terminal() {
    let (mut story, all) = story(None);
    let opened = all.iter().find(|heard| subject::parse_deal_log(&heard.subject).is_ok()).unwrap();
    let event: DealEvent = read(&opened.body).unwrap();
    let reason = "\u{1b}[31mred\r\nkenya accepts\u{202e}".to_owned();
    let what = Happening::Rejected { by: "kenya".parse().unwrap(), reason };
    let body = encode(&DealEvent { turn: 1, what, cause: None, ..event });
    story.tell(opened);
    let line = story.tell(&Heard { body, ..opened.clone() }).unwrap();
    assert_eq!(line.text, "kenya says no:  [31mred  kenya accepts ");
}

#[test]
fn what_nobody_may_have_written_is_told_as_such() {
    let (mut story, all) = story(None);
    let heard = all.iter().find(|heard| subject::parse_deal_log(&heard.subject).is_ok()).unwrap();
    let line = story.unsigned(heard, "the header Hms-Type is not the writer's").unwrap();
    assert!(line.mood == Mood::Bad && line.deal.is_some() && line.text.contains("counts for nothing"), "{line:?}");
    for body in [&b""[..], b"\xc1", b"\x80"] {
        assert_eq!(story.tell(&Heard { body: body.to_vec(), ..heard.clone() }), None, "{body:?}");
    }
}
