//! What a trader hears: live, and from the registry where the live copies had a gap.

use super::*;

fn page(stage: &mut Stage, after_sequence: u64, entries: &[(u64, &DealNote)], more: bool) {
    let asked = stage.asked(ReadInbox::TYPE);
    assert_eq!(asked.subject, subject::endpoint("registry", "inbox"));
    asked.signed();
    assert_eq!(asked.read::<ReadInbox>().after_sequence, after_sequence);
    let entry = |(sequence, note): &(u64, &DealNote)| InboxEntry { sequence: *sequence, body: encode(*note) };
    stage.reply(asked.tag, &InboxPage { entries: entries.iter().map(entry).collect(), more });
}

fn proposals(stage: &mut Stage) -> Vec<DealId> {
    stage
        .news()
        .into_iter()
        .filter_map(|one| if let News::Proposed { deal, .. } = one { Some(deal) } else { None })
        .collect()
}

fn small(number: u32) -> DealNote {
    proposed(number, &swap(1, 1))
}

#[test]
fn a_gap_is_read_page_by_page() {
    let mut stage = Stage::joined(kenya());
    stage.live(45, 44, &small(3));
    assert!(proposals(&mut stage).is_empty(), "not before those that it missed");
    page(&mut stage, 40, &[(42, &small(1)), (44, &small(2))], true);
    page(&mut stage, 44, &[(45, &small(3))], false);
    assert_eq!(proposals(&mut stage), [deal(1), deal(2), deal(3)]);
    assert!(
        stage
            .effects
            .iter()
            .all(|e| !matches!(e, PeerEffect::Request { message, .. } if message.subject.ends_with("inbox")))
    );
    stage.live(46, 45, &small(4));
    assert_eq!(proposals(&mut stage), [deal(4)]);
}

#[test]
fn what_was_heard_is_not_heard_again() {
    let mut stage = Stage::joined(kenya());
    stage.live(41, 40, &small(1));
    stage.live(41, 40, &small(1));
    stage.live(39, 38, &small(2));
    assert_eq!(proposals(&mut stage), [deal(1)]);
    stage.live(43, 42, &small(2));
    page(&mut stage, 41, &[(41, &small(1)), (42, &small(3)), (43, &small(2))], false);
    assert_eq!(proposals(&mut stage), [deal(3), deal(2)]);
}

#[test]
fn what_comes_while_a_page_is_read_is_read_next() {
    let mut stage = Stage::joined(kenya());
    stage.live(42, 41, &small(2));
    stage.live(43, 42, &small(3));
    page(&mut stage, 40, &[(41, &small(1)), (42, &small(2))], false);
    page(&mut stage, 42, &[(43, &small(3))], false);
    assert_eq!(proposals(&mut stage), [deal(1), deal(2), deal(3)]);
}

#[test]
fn what_came_before_it_was_registered_is_read() {
    let mut stage = Stage::new(kenya());
    stage.hear(PeerEvent::Started);
    stage.live(41, 40, &small(1));
    stage.registered(40);
    page(&mut stage, 40, &[(41, &small(1))], false);
    assert_eq!(proposals(&mut stage), [deal(1)]);
}

#[test]
fn a_lost_last_message_shows_when_the_lease_is_renewed() {
    let mut stage = Stage::joined(kenya());
    stage.hear(PeerEvent::Timer { tag: LEASE });
    stage.registered(41);
    page(&mut stage, 40, &[(41, &small(1))], false);
    assert_eq!(proposals(&mut stage), [deal(1)]);
}

#[test]
fn a_page_that_did_not_come_is_asked_for_again() {
    let mut stage = Stage::joined(kenya());
    stage.live(42, 41, &small(2));
    let asked = stage.asked(ReadInbox::TYPE);
    stage.time_out(asked.tag);
    stage.fire(|tag| tag == asked.tag);
    page(&mut stage, 40, &[(41, &small(1)), (42, &small(2))], false);
    assert_eq!(proposals(&mut stage), [deal(1), deal(2)]);
}

#[test]
fn a_live_message_without_its_place_is_looked_up() {
    let mut stage = Stage::joined(kenya());
    let message = Message::new(subject::live_inbox(&id()), encode(&small(1)));
    stage.hear(PeerEvent::Message(message));
    page(&mut stage, 40, &[], false);
    assert!(proposals(&mut stage).is_empty(), "nobody stored it");
    assert!(stage.is_quiet());
}

#[test]
fn the_maker_says_why_and_others_say_nothing() {
    let because = Because {
        market: bazaar(),
        agent: id(),
        clearing: 3,
        deals: Vec::new(),
        left_out: Some(LeftOut::Outbid),
        detail: "others".to_owned(),
    };
    let message = |from: &str, body: Vec<u8>| {
        let send = Send { move_id: "m".parse().unwrap(), to: id(), body };
        let cause = Signed { subject: String::new(), sender: String::new(), body: encode(&send) };
        DirectMessage { from: agent(from), at_unix_ms: NOW, cause }
    };
    let mut stage = Stage::joined(kenya());
    stage.live(41, 40, &message("ghana", encode(&because)));
    stage.live(42, 41, &message("maker", b"?".to_vec()));
    assert!(stage.news().is_empty());
    stage.live(43, 42, &message("maker", encode(&because)));
    assert_eq!(stage.news(), [News::Told { agent: id(), left_out: Some(LeftOut::Outbid) }]);
}
