mod imports;
mod laws;

use schemas::deal::{Accept, Delivery, Terms};
use schemas::event::{DealEvent, Happening, Signed};
use schemas::ledger::{Declare, Limit, LimitEvent};
use schemas::subject::{self, DealVerb};
use schemas::value::Valuation;
use schemas::{Code, DealId, ErrorReply, MoveId};

use super::*;
use crate::fixture::{agent, barter, good, terms, transfer};

const NOW_MS: i64 = 10_000;

fn africa() -> Book {
    Book::new(MarketId::parse("africa").unwrap())
}

fn deal_id(number: usize) -> DealId {
    DealId::of(&agent("opener"), &MoveId::parse(&format!("m{number}")).unwrap())
}

fn event(deal: &DealId, what: Happening) -> DealEvent {
    DealEvent { deal: deal.clone(), turn: 3, prev: Hash::ZERO, at_unix_ms: NOW_MS, what, cause: None, trace: None }
}

fn acceptance(deal: &DealId, party: &AgentId, terms: &[u8]) -> Signed {
    let accept = Accept {
        move_id: MoveId::parse("yes").unwrap(),
        deadline_unix_ms: NOW_MS,
        deal: deal.clone(),
        terms_hash: Hash::of(terms),
        valuation: Valuation::default(),
        holdings: Vec::new(),
        transcript: None,
    };
    Signed {
        subject: subject::deal_move(DealVerb::Accept, party, deal),
        sender: "{}".into(),
        body: schemas::encode(&accept),
    }
}

/// The deal's certified event, accepted by everyone.
fn certified(deal: &DealId, terms: &Terms) -> DealEvent {
    let bytes = schemas::encode(terms);
    let acceptances = terms.parties.iter().map(|party| acceptance(deal, party, &bytes)).collect();
    event(
        deal,
        Happening::Certified {
            book: terms.book.clone(),
            opener: agent("opener"),
            terms: bytes,
            acceptances,
            certificates: vec![],
        },
    )
}

fn declaration(move_id: &str, limits: &[(&str, i64)]) -> Signed {
    let declare = Declare {
        move_id: MoveId::parse(move_id).unwrap(),
        deadline_unix_ms: NOW_MS,
        book: MarketId::parse("africa").unwrap(),
        limits: limits.iter().map(|(name, quantity)| Limit { good: good(name), quantity: *quantity }).collect(),
    };
    Signed { subject: subject::endpoint("ledger", "declare"), sender: "{}".into(), body: schemas::encode(&declare) }
}

/// The book's whole state as bytes.
fn bytes(book: &Book) -> Vec<u8> {
    schemas::body::write(&book.rows().collect::<Vec<_>>())
}

fn apply(book: &mut Book, event: &DealEvent) -> Result<Applied, Inconsistent> {
    book.apply(Entry::Deal { event, body: &schemas::encode(event) })
}

fn declare(book: &mut Book, who: &str, move_id: &str, limits: &[(&str, i64)]) -> Result<LimitEvent, ErrorReply> {
    match book.draft().decide_declare(&agent(who), declaration(move_id, limits), NOW_MS)? {
        Declaration::Write { event, .. } => {
            assert_eq!(book.apply(Entry::Limit { event: &event, body: &schemas::encode(&event) }), Ok(Applied::Posted));
            Ok(event)
        }
        Declaration::Recorded(_) => panic!("recorded before"),
    }
}

/// Decides, and applies the verdict when it is to commit.
fn commit(book: &mut Book, deal: &DealId, terms: &Terms) -> Verdict {
    let certified = certified(deal, terms);
    let verdict = book.draft().decide_certified(&certified, NOW_MS).unwrap();
    let answer = event(deal, verdict.happening(&certified.what).unwrap());
    let applied = apply(book, &answer).unwrap();
    assert_eq!(applied == Applied::Posted, matches!(verdict, Verdict::Commit { .. }));
    verdict
}

fn rule(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Commit { .. } => "commit",
        Verdict::Refuse { rule, .. } => rule,
    }
}

fn balance(book: &Book, who: &str, what: &str) -> i64 {
    book.line(&agent(who), &good(what)).balance
}

fn confirmed(mut terms: Terms) -> Terms {
    terms.delivery = Delivery::Confirmed;
    terms
}

#[test]
fn a_deal_is_posted_within_limits_and_the_next_for_the_same_goods_is_refused() {
    let mut book = africa();
    declare(&mut book, "kenya", "k1", &[("tea", 100)]).unwrap();
    declare(&mut book, "angola", "a1", &[("oil", 80)]).unwrap();
    assert_eq!(rule(&commit(&mut book, &deal_id(1), &barter(100, 50))), "commit");
    assert_eq!((balance(&book, "kenya", "tea"), balance(&book, "angola", "tea")), (-100, 100));
    assert_eq!((balance(&book, "kenya", "oil"), balance(&book, "angola", "oil")), (50, -50));

    let second = commit(&mut book, &deal_id(2), &barter(1, 30));
    let Verdict::Refuse { rule: "over_limit", reason, party } = &second else { panic!("{second:?}") };
    assert_eq!(*party, Some(agent("kenya")));
    for word in ["kenya", "tea", "1", "0"] {
        assert!(reason.contains(word), "{reason:?} lacks {word}");
    }
    assert_eq!(balance(&book, "angola", "oil"), -50, "nothing of a refused deal is posted");
}

#[test]
fn what_was_received_can_be_given_on_and_undeclared_means_nothing() {
    let mut book = africa();
    declare(&mut book, "kenya", "k1", &[("tea", 10)]).unwrap();
    declare(&mut book, "angola", "a1", &[("oil", 10)]).unwrap();
    commit(&mut book, &deal_id(1), &barter(10, 10));
    let on =
        |quantity| terms(vec![transfer("angola", "ghana", "tea", quantity), transfer("ghana", "angola", "gold", 1)]);
    assert_eq!(rule(&commit(&mut book, &deal_id(2), &on(10))), "over_limit", "ghana has declared no gold");
    declare(&mut book, "ghana", "g1", &[("gold", 1)]).unwrap();
    assert_eq!(rule(&commit(&mut book, &deal_id(2), &on(11))), "over_limit");
    assert_eq!(rule(&commit(&mut book, &deal_id(3), &on(10))), "commit");
    assert_eq!(book.line(&agent("angola"), &good("tea")), Line::default());
    assert!(book.lines().all(|(who, what, _)| (who.as_str(), what.as_str()) != ("angola", "tea")), "no empty lines");
}

#[test]
fn a_deal_covers_itself_only_where_delivery_is_immediate() {
    // angola passes kenya's tea on in the same deal, keeping a tenth.
    let relay = terms(vec![
        transfer("kenya", "angola", "tea", 10),
        transfer("angola", "ghana", "tea", 9),
        transfer("ghana", "kenya", "gold", 1),
    ]);
    let mut book = africa();
    declare(&mut book, "kenya", "k1", &[("tea", 10)]).unwrap();
    declare(&mut book, "ghana", "g1", &[("gold", 1)]).unwrap();
    assert_eq!(rule(&commit(&mut book, &deal_id(1), &confirmed(relay.clone()))), "over_limit");
    assert_eq!(rule(&commit(&mut book, &deal_id(2), &relay)), "commit");
    assert_eq!(balance(&book, "angola", "tea"), 1);
}

#[test]
fn what_is_on_its_way_can_be_given_on_only_once_settled() {
    let mut book = africa();
    declare(&mut book, "kenya", "k1", &[("tea", 10)]).unwrap();
    declare(&mut book, "angola", "a1", &[("oil", 10)]).unwrap();
    declare(&mut book, "ghana", "g1", &[("gold", 10)]).unwrap();
    let Verdict::Commit { immediate, .. } = commit(&mut book, &deal_id(1), &confirmed(barter(10, 10))) else {
        panic!()
    };
    assert!(!immediate && book.open(&deal_id(1)).is_some());
    let on = terms(vec![transfer("angola", "ghana", "tea", 10), transfer("ghana", "angola", "gold", 1)]);
    assert_eq!(rule(&commit(&mut book, &deal_id(2), &on)), "over_limit");
    let hash = book.state_hash();
    assert_eq!(apply(&mut book, &event(&deal_id(1), Happening::Settled)), Ok(Applied::Noted));
    assert_eq!(book.state_hash(), hash, "a settlement posts nothing");
    assert!(book.open(&deal_id(1)).is_none());
    assert_eq!(rule(&commit(&mut book, &deal_id(3), &on)), "commit");
    // Asked again, or for a deal that was never open, nothing happens.
    assert_eq!(apply(&mut book, &event(&deal_id(1), Happening::Settled)), Ok(Applied::NotMine));
}

#[test]
fn who_did_not_deliver_keeps_nothing() {
    let mut book = africa();
    declare(&mut book, "kenya", "k1", &[("tea", 10)]).unwrap();
    declare(&mut book, "angola", "a1", &[("oil", 10)]).unwrap();
    commit(&mut book, &deal_id(1), &confirmed(barter(10, 7)));
    let failed = event(&deal_id(1), Happening::Failed { undelivered: vec![1, 9, 1] });
    assert_eq!(apply(&mut book, &failed), Ok(Applied::NotMine), "a failure alone posts nothing");
    let answer = book.draft().decide_failed(&failed).unwrap();
    assert_eq!(answer, Happening::Compensated { reversed: vec![0, 1] });
    assert_eq!(apply(&mut book, &event(&deal_id(1), answer.clone())), Ok(Applied::Posted));
    assert_eq!(book.line(&agent("kenya"), &good("tea")), Line { balance: 0, limit: 10, incoming: 0, outgoing: 0 });
    assert_eq!(book.line(&agent("angola"), &good("tea")).left(), 0, "angola's oil never came: it keeps no tea");
    assert_eq!((balance(&book, "kenya", "oil"), balance(&book, "angola", "oil")), (0, 0));
    assert_eq!(apply(&mut book, &event(&deal_id(1), answer)), Ok(Applied::NotMine), "once");
    assert_eq!(book.draft().decide_failed(&failed), None);
}

#[test]
fn a_compensation_of_what_was_never_sent_changes_nothing() {
    let mut book = africa();
    declare(&mut book, "kenya", "k1", &[("tea", 10)]).unwrap();
    declare(&mut book, "angola", "a1", &[("oil", 10)]).unwrap();
    commit(&mut book, &deal_id(1), &confirmed(barter(10, 7)));
    let before = bytes(&book);
    for (reversed, index) in [(vec![2], 2), (vec![0, 0], 0), (vec![0, u32::MAX], u32::MAX)] {
        let wrong = event(&deal_id(1), Happening::Compensated { reversed });
        assert_eq!(apply(&mut book, &wrong), Err(Inconsistent::NoTransfer { deal: deal_id(1), index }));
    }
    assert_eq!(bytes(&book), before);
}

#[test]
fn a_certified_deal_is_read_to_the_last_acceptance() {
    let mut book = africa();
    declare(&mut book, "kenya", "k1", &[("tea", 10)]).unwrap();
    declare(&mut book, "angola", "a1", &[("oil", 10)]).unwrap();
    let deal = deal_id(1);
    let good_one = certified(&deal, &barter(1, 1));
    let judge = |change: &dyn Fn(&mut Vec<u8>, &mut Vec<Signed>)| {
        let mut other = good_one.clone();
        let Happening::Certified { terms, acceptances, .. } = &mut other.what else { unreachable!() };
        change(terms, acceptances);
        let verdict = book.draft().decide_certified(&other, NOW_MS).unwrap();
        (rule(&verdict), if let Verdict::Refuse { reason, .. } = verdict { reason } else { String::new() })
    };
    assert_eq!(judge(&|_, _| {}).0, "commit");
    assert_eq!(judge(&|terms, _| terms.push(0)).0, "terms");
    assert_eq!(judge(&|terms, _| *terms = schemas::encode(&barter(2, 1))).0, "acceptances", "others were accepted");
    assert_eq!(judge(&|_, acceptances| drop(acceptances.pop())).0, "acceptances");
    assert_eq!(judge(&|_, acceptances| acceptances.swap(0, 1)).0, "acceptances");
    let twice = judge(&|_, acceptances| acceptances[1] = acceptances[0].clone());
    assert_eq!(twice.0, "acceptances", "one party twice is not two parties");
    assert!(twice.1.starts_with("kenya"), "{}", twice.1);
    assert_eq!(judge(&|_, acceptances| acceptances[0].body.push(0)).0, "acceptances");
    assert_eq!(
        judge(&|terms, acceptances| acceptances[0] = acceptance(&deal_id(2), &agent("angola"), terms)).0,
        "acceptances"
    );
    // Sent for this deal, but the signed body speaks of another.
    assert_eq!(
        judge(&|terms, acceptances| acceptances[0].body = acceptance(&deal_id(2), &agent("angola"), terms).body).0,
        "acceptances"
    );
    let rejecting = subject::deal_move(DealVerb::Reject, &agent("angola"), &deal);
    assert_eq!(judge(&|_, acceptances| acceptances[0].subject.clone_from(&rejecting)).0, "acceptances");
    let stranger = schemas::body::write(&BTreeMap::from([("type", "é".repeat(5000))]));
    let long = judge(&|_, acceptances| acceptances[0].body.clone_from(&stranger));
    assert_eq!(long.0, "acceptances");
    assert!(long.1.len() <= 1024, "{}", long.1.len());
    let mut elsewhere = barter(1, 1);
    elsewhere.book = MarketId::parse("asia").unwrap();
    assert_eq!(judge(&|terms, _| *terms = schemas::encode(&elsewhere)).0, "book");
}

#[test]
fn what_concerns_another_book_or_asks_nothing_gets_no_verdict() {
    let mut book = africa();
    let mut elsewhere = barter(1, 1);
    elsewhere.book = MarketId::parse("asia").unwrap();
    assert_eq!(book.draft().decide_certified(&certified(&deal_id(1), &elsewhere), NOW_MS), None);
    assert_eq!(book.draft().decide_certified(&event(&deal_id(1), Happening::Settled), NOW_MS), None);
    declare(&mut book, "kenya", "k1", &[("tea", 10)]).unwrap();
    declare(&mut book, "angola", "a1", &[("oil", 10)]).unwrap();
    let deal = confirmed(barter(1, 1));
    commit(&mut book, &deal_id(1), &deal);
    assert_eq!(book.draft().decide_certified(&certified(&deal_id(1), &deal), NOW_MS), None, "it is on the book");
    let Happening::Certified { book: id, terms, acceptances, .. } = certified(&deal_id(1), &deal).what else {
        panic!()
    };
    let again = event(&deal_id(1), Happening::Committed { book: id, terms, acceptances, certificates: vec![] });
    let before = bytes(&book);
    assert_eq!(apply(&mut book, &again), Err(Inconsistent::Posted(deal_id(1))));
    assert_eq!(bytes(&book), before);
}

#[test]
fn sums_that_do_not_fit_are_refused() {
    let mut book = africa();
    declare(&mut book, "kenya", "k1", &[("tea", i64::MAX)]).unwrap();
    declare(&mut book, "ghana", "g1", &[("tea", i64::MAX)]).unwrap();
    let much = |from| terms(vec![transfer(from, "angola", "tea", i64::MAX)]);
    assert_eq!(rule(&commit(&mut book, &deal_id(1), &much("kenya"))), "commit");
    let verdict = commit(&mut book, &deal_id(2), &much("ghana"));
    let Verdict::Refuse { rule: "overflow", reason, .. } = &verdict else { panic!("{verdict:?}") };
    assert!(reason.contains("angola") && reason.contains("tea"), "{reason}");
    assert_eq!(balance(&book, "angola", "tea"), i64::MAX);
}

#[test]
fn a_declaration_is_made_once_and_answered_always() {
    let mut book = africa();
    let first = declare(&mut book, "kenya", "k1", &[("tea", 10), ("gold", 5)]).unwrap();
    assert_eq!((first.turn, first.prev), (0, Hash::ZERO));
    // The same again, long after its deadline: the recorded outcome.
    let again = book
        .draft()
        .decide_declare(&agent("kenya"), declaration("k1", &[("tea", 10), ("gold", 5)]), NOW_MS * 9)
        .unwrap();
    let Declaration::Recorded(declared) = again else { panic!("{again:?}") };
    assert_eq!(declared.limits.len(), 2);
    let other = book.draft().decide_declare(&agent("kenya"), declaration("k1", &[("tea", 11)]), NOW_MS).unwrap_err();
    assert_eq!((other.kind(), other.field.as_deref()), (Code::Conflict, Some("move_id")));
    // The id is the mover's own.
    declare(&mut book, "angola", "k1", &[("tea", 1)]).unwrap();
    let late = book.draft().decide_declare(&agent("kenya"), declaration("k2", &[("tea", 11)]), NOW_MS + 1).unwrap_err();
    assert_eq!(late.kind(), Code::Late);
    // It replaces what it names, and leaves the rest.
    let second = declare(&mut book, "kenya", "k2", &[("tea", 3)]).unwrap();
    assert_eq!((second.turn, second.prev), (1, Hash::of(&schemas::encode(&first))));
    assert_eq!(
        (book.line(&agent("kenya"), &good("tea")).limit, book.line(&agent("kenya"), &good("gold")).limit),
        (3, 5)
    );
}

#[test]
fn a_limit_cannot_be_declared_below_what_is_given() {
    let mut book = africa();
    declare(&mut book, "kenya", "k1", &[("tea", 10)]).unwrap();
    declare(&mut book, "angola", "a1", &[("oil", 10)]).unwrap();
    commit(&mut book, &deal_id(1), &confirmed(barter(7, 5)));
    let refused = declare(&mut book, "kenya", "k2", &[("gold", 1), ("tea", 6)]).unwrap_err();
    assert_eq!((refused.code, refused.rule.as_deref()), (422, Some("below_given")));
    assert_eq!(refused.field.as_deref(), Some("limits[1].quantity"));
    assert!(refused.message.contains('7') && refused.message.contains("tea"), "{refused}");
    assert_eq!(book.line(&agent("kenya"), &good("gold")).limit, 0, "all or nothing");
    declare(&mut book, "kenya", "k3", &[("tea", 7)]).unwrap();
    assert_eq!(book.line(&agent("kenya"), &good("tea")).left(), 0);
}

#[test]
fn a_declaration_that_cannot_be_read_or_is_of_another_book_is_refused() {
    let book = Book::new(MarketId::parse("asia").unwrap());
    let elsewhere = book.draft().decide_declare(&agent("kenya"), declaration("k1", &[("tea", 1)]), NOW_MS).unwrap_err();
    assert_eq!((elsewhere.kind(), elsewhere.field.as_deref()), (Code::Unknown, Some("book")));
    let mut broken = declaration("k1", &[("tea", 1)]);
    broken.body.pop();
    assert_eq!(africa().draft().decide_declare(&agent("kenya"), broken, NOW_MS).unwrap_err().kind(), Code::BadMessage);
    let negative =
        africa().draft().decide_declare(&agent("kenya"), declaration("k1", &[("tea", -1)]), NOW_MS).unwrap_err();
    assert_eq!((negative.kind(), negative.field.as_deref()), (Code::BadMessage, Some("limits[0].quantity")));
}

#[test]
fn a_limits_log_that_lost_or_changed_an_entry_says_so() {
    let mut book = africa();
    let first = declare(&mut book, "kenya", "k1", &[("tea", 10)]).unwrap();
    let body = schemas::encode(&first);
    let before = bytes(&book);
    assert!(matches!(
        book.apply(Entry::Limit { event: &first, body: &body }),
        Err(Inconsistent::Chain { expected: 1, .. })
    ));
    let next = LimitEvent { turn: 1, prev: Hash::of(&body), cause: declaration("k2", &[("tea", 1)]), ..first.clone() };
    let forged = LimitEvent { prev: Hash::ZERO, ..next.clone() };
    assert!(matches!(book.apply(Entry::Limit { event: &forged, body: b"" }), Err(Inconsistent::Chain { .. })));
    let twice = LimitEvent { cause: first.cause.clone(), ..next.clone() };
    assert!(matches!(book.apply(Entry::Limit { event: &twice, body: b"" }), Err(Inconsistent::MadeBefore { .. })));
    let unreadable = LimitEvent { cause: Signed { body: vec![0xc1], ..first.cause.clone() }, ..next.clone() };
    assert!(matches!(book.apply(Entry::Limit { event: &unreadable, body: b"" }), Err(Inconsistent::Malformed(_))));
    let elsewhere = LimitEvent { book: MarketId::parse("asia").unwrap(), ..next.clone() };
    assert_eq!(book.apply(Entry::Limit { event: &elsewhere, body: b"" }), Ok(Applied::NotMine));
    assert_eq!(bytes(&book), before);
    assert_eq!(book.apply(Entry::Limit { event: &next, body: &schemas::encode(&next) }), Ok(Applied::Posted));
}

#[test]
fn the_hash_chain_is_as_the_contract_writes_it() {
    let mut book = africa();
    let first = declare(&mut book, "kenya", "k1", &[("tea", 10)]).unwrap();
    let mut bytes = vec![0u8; 32];
    bytes.extend_from_slice(subject::limit_log(book.id(), &agent("kenya")).as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(Hash::of(&schemas::encode(&first)).as_bytes());
    assert_eq!(book.state_hash(), Hash::of(&bytes));
}

#[test]
fn cursors_follow_each_other_and_fence() {
    let mut book = africa();
    let cursor = book.draft().cursor(7);
    assert_eq!((cursor.turn, cursor.applied_through, cursor.state_hash), (0, 7, Hash::ZERO));
    assert_eq!(book.apply(Entry::Cursor(&cursor)), Ok(Applied::Noted));
    assert_eq!((book.next_turn(), book.applied_through()), (1, 7));
    let refused = |book: &mut Book, cursor: &Cursor| {
        matches!(book.apply(Entry::Cursor(cursor)), Err(Inconsistent::Cursor { .. }))
    };
    assert!(refused(&mut book, &cursor), "the same turn");
    assert!(refused(&mut book, &Cursor { turn: 1, applied_through: 6, ..cursor.clone() }), "back");
    assert!(refused(&mut book, &Cursor { turn: 1, state_hash: Hash::of(b""), ..cursor.clone() }), "another history");
    let elsewhere = Cursor { book: MarketId::parse("asia").unwrap(), ..cursor };
    assert_eq!(book.apply(Entry::Cursor(&elsewhere)), Ok(Applied::NotMine));
    declare(&mut book, "kenya", "k1", &[("tea", 10)]).unwrap();
    let next = book.draft().cursor(9);
    assert_eq!((next.turn, next.state_hash), (1, book.state_hash()));
}

#[test]
fn deals_of_one_batch_see_each_other_and_a_batch_that_was_not_written_leaves_no_trace() {
    let mut book = africa();
    declare(&mut book, "kenya", "k1", &[("tea", 10)]).unwrap();
    declare(&mut book, "angola", "a1", &[("oil", 10)]).unwrap();
    let before = book.clone();
    let mut draft = book.draft();
    let mut verdicts = Vec::new();
    for number in 1..=3 {
        let certified = certified(&deal_id(number), &barter(4, 1));
        let verdict = draft.decide_certified(&certified, NOW_MS).unwrap();
        let answer = event(&deal_id(number), verdict.happening(&certified.what).unwrap());
        draft.apply(Entry::Deal { event: &answer, body: &schemas::encode(&answer) }).unwrap();
        verdicts.push(rule(&verdict));
    }
    assert_eq!(verdicts, ["commit", "commit", "over_limit"]);
    let cursor = draft.cursor(3);
    draft.apply(Entry::Cursor(&cursor)).unwrap();
    let changes = draft.finish();
    assert_eq!(book, before);
    // Somebody else's entry comes between: the draft no longer fits.
    let mut moved_on = book.clone();
    declare(&mut moved_on, "ghana", "g1", &[("gold", 1)]).unwrap();
    assert_eq!(moved_on.absorb(changes.clone()), Err(Stale));
    book.absorb(changes).unwrap();
    assert_eq!((balance(&book, "kenya", "tea"), book.next_turn(), book.applied_through()), (-8, 1, 3));
}

#[test]
fn balances_are_shown_of_one_or_of_all() {
    let mut book = africa();
    declare(&mut book, "kenya", "k1", &[("tea", 10)]).unwrap();
    declare(&mut book, "angola", "a1", &[("oil", 10)]).unwrap();
    commit(&mut book, &deal_id(1), &barter(4, 1));
    let shown = book.balances(Some(&agent("kenya")));
    let lines: Vec<_> = shown.lines.iter().map(|l| (l.good.as_str(), l.balance, l.limit)).collect();
    assert_eq!(lines, [("oil", 1, 0), ("tea", -4, 10)]);
    assert_eq!(book.balances(None).lines.len(), 4);
    assert_eq!(shown.state_hash, book.state_hash());
}
