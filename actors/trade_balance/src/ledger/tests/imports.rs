//! Import certificates: who is issued, who must spend, what comes back, and the identity of each lot.

use proptest::prelude::*;
use schemas::import::{CertificateEvent, CountedGood, Enact, HoldingLine, ImportRules, LotLine, Revoke};
use schemas::{Quantity, encode};

use super::*;

const HOUR_MS: i64 = 3_600_000;
const PARTIES: [&str; 3] = ["angola", "ghana", "kenya"];

/// Tea and oil count, at 2 and 3/2 units; certificates live two hours and end on the hour.
fn rules(required_from_unix_ms: i64) -> ImportRules {
    let counted = |name: &str, price: &str| CountedGood { good: good(name), price: price.parse().unwrap() };
    ImportRules {
        good: good("permit"),
        authority: agent("union"),
        goods: vec![counted("tea", "2"), counted("oil", "3/2")],
        life_ms: 2 * HOUR_MS,
        lot_ms: HOUR_MS,
        required_from_unix_ms,
    }
}

fn enacting(move_id: &str, rules: &ImportRules) -> Signed {
    let enact = Enact {
        move_id: MoveId::parse(move_id).unwrap(),
        deadline_unix_ms: i64::MAX,
        book: MarketId::parse("africa").unwrap(),
        rules: rules.clone(),
    };
    Signed { subject: subject::endpoint("ledger", "enact"), sender: "{}".into(), body: encode(&enact) }
}

fn revoking(move_id: &str, party: &str, quantity: i64, lot_unix_ms: Option<i64>) -> Signed {
    let revoke = Revoke {
        move_id: MoveId::parse(move_id).unwrap(),
        deadline_unix_ms: i64::MAX,
        book: MarketId::parse("africa").unwrap(),
        party: agent(party),
        quantity: Quantity::new(quantity).unwrap(),
        lot_unix_ms,
        reason: "forged".into(),
    };
    Signed { subject: subject::endpoint("ledger", "revoke"), sender: "{}".into(), body: encode(&revoke) }
}

fn certificate(book: &mut Book, event: &CertificateEvent) {
    assert_eq!(book.apply(Entry::Certificate { event, body: &encode(event) }), Ok(Applied::Posted));
}

/// A move of the union's.
fn moves(book: &mut Book, cause: Signed, declared: Option<&ImportRules>, at_unix_ms: i64) -> Result<(), ErrorReply> {
    match book.draft().decide_authority(&agent("union"), cause, declared, at_unix_ms)? {
        Authorised::Write { event, .. } => certificate(book, &event),
        Authorised::Recorded(_) => {}
    }
    Ok(())
}

/// A book on which everyone may give much, and whose certificates are on.
fn union(required_from_unix_ms: i64) -> Book {
    let mut book = africa();
    for who in PARTIES {
        declare(&mut book, who, "d", &[("tea", 1_000_000), ("oil", 1_000_000), ("gold", 1_000_000)]).unwrap();
    }
    let rules = rules(required_from_unix_ms);
    moves(&mut book, enacting("on", &rules), Some(&rules), NOW_MS).unwrap();
    book
}

fn at(what: &DealEvent, at_unix_ms: i64) -> DealEvent {
    DealEvent { at_unix_ms, ..what.clone() }
}

/// Decides at this time and applies the verdict.
fn commit_at(book: &mut Book, number: usize, terms: &Terms, at_unix_ms: i64) -> Verdict {
    let certified = certified(&deal_id(number), terms);
    let verdict = book.draft().decide_certified(&certified, at_unix_ms).unwrap();
    let answer = at(&event(&deal_id(number), verdict.happening(&certified.what).unwrap()), at_unix_ms);
    apply(book, &answer).unwrap();
    verdict
}

fn deliver(book: &mut Book, number: usize, at_unix_ms: i64) {
    apply(book, &event(&deal_id(number), Happening::Settled)).unwrap();
    let delivered = book.draft().decide_delivered(&deal_id(number), at_unix_ms).unwrap();
    certificate(book, &delivered);
}

fn held(book: &Book, who: &str) -> Vec<(i64, i64)> {
    let shown = book.certificates(Some(&agent(who))).holdings;
    shown
        .into_iter()
        .map(|HoldingLine { expires_unix_ms, quantity, .. }| (expires_unix_ms / HOUR_MS, quantity))
        .collect()
}

/// Issued, outstanding, spent, expired, revoked, by the hour of its end.
fn lot(book: &Book, hour: i64) -> [i64; 5] {
    let lots = book.certificates(None).lots;
    let lot = lots.into_iter().find(|lot| lot.expires_unix_ms == hour * HOUR_MS);
    lot.map_or([0; 5], |LotLine { issued, outstanding, spent, expired, revoked, .. }| {
        [issued, outstanding, spent, expired, revoked]
    })
}

#[test]
fn exports_earn_and_imports_spend_in_the_same_commit() {
    let mut book = union(0);
    // 10 tea are worth 20, 9 oil ⌊13.5⌋: angola is 7 short, and says so.
    let verdict = commit_at(&mut book, 1, &barter(10, 9), NOW_MS);
    let Verdict::Refuse { rule: "uncertified", reason, .. } = &verdict else { panic!("{verdict:?}") };
    for word in ["angola", "20 permit", "13", "7 are missing"] {
        assert!(reason.contains(word), "{reason:?} lacks {word}");
    }
    assert_eq!(lot(&book, 3), [0; 5], "nothing of a refused deal is issued");
    // 20 against 21: kenya's import costs 21, of which it earned 20.
    assert_eq!(rule(&commit_at(&mut book, 2, &barter(10, 14), NOW_MS)), "uncertified");
    // 6 tea for 8 oil: both 12.
    assert_eq!(rule(&commit_at(&mut book, 3, &barter(6, 8), NOW_MS)), "commit");
    assert_eq!(lot(&book, 3), [24, 0, 24, 0, 0]);
    // What doesn't count needs nothing.
    let gold = terms(vec![transfer("kenya", "angola", "gold", 5)]);
    assert_eq!(rule(&commit_at(&mut book, 4, &gold, NOW_MS)), "commit");
    assert_eq!(book.imports().unwrap().unbalanced(), None);
}

#[test]
fn before_imports_need_certificates_exports_earn_them_and_they_can_be_traded() {
    let mut book = union(HOUR_MS);
    let export = terms(vec![transfer("kenya", "angola", "tea", 10)]);
    assert_eq!(rule(&commit_at(&mut book, 1, &export, NOW_MS)), "commit");
    assert_eq!(held(&book, "kenya"), [(3, 20)]);
    // kenya sells five of them for gold; angola can't give what it has not.
    let sale = terms(vec![transfer("kenya", "ghana", "permit", 5), transfer("ghana", "kenya", "gold", 1)]);
    assert_eq!(rule(&commit_at(&mut book, 2, &sale, NOW_MS)), "commit");
    let air = terms(vec![transfer("angola", "ghana", "permit", 1)]);
    assert_eq!(rule(&commit_at(&mut book, 3, &air, NOW_MS)), "uncertified");
    assert_eq!((held(&book, "kenya"), held(&book, "ghana")), (vec![(3, 15)], vec![(3, 5)]));
    assert!(book.lines().all(|(_, good, _)| good.as_str() != "permit"), "certificates are no line");
    // Once they are needed, ghana imports tea for 4 of its 5.
    let import = |number, book: &mut Book, quantity, at| {
        rule(&commit_at(book, number, &terms(vec![transfer("kenya", "ghana", "tea", quantity)]), at))
    };
    assert_eq!(import(4, &mut book, 2, HOUR_MS), "commit");
    assert_eq!(import(5, &mut book, 2, HOUR_MS), "uncertified");
    assert_eq!(held(&book, "ghana"), [(3, 1)]);
    assert_eq!(lot(&book, 3), [24, 20, 4, 0, 0]);
}

#[test]
fn what_ends_first_is_spent_first_and_what_has_ended_is_gone() {
    let mut book = union(HOUR_MS);
    let export = terms(vec![transfer("kenya", "angola", "tea", 5)]);
    commit_at(&mut book, 1, &export, NOW_MS);
    // On the hour exactly, a life of two hours ends with the third.
    commit_at(&mut book, 2, &export, HOUR_MS - 1);
    assert_eq!(held(&book, "kenya"), [(3, 20)]);
    moves(&mut book, enacting("free", &rules(10 * HOUR_MS)), Some(&rules(10 * HOUR_MS)), HOUR_MS).unwrap();
    commit_at(&mut book, 3, &export, HOUR_MS + 1);
    assert_eq!(held(&book, "kenya"), [(3, 20), (4, 10)]);
    moves(&mut book, enacting("bound", &rules(0)), Some(&rules(0)), HOUR_MS + 2).unwrap();
    let import = terms(vec![transfer("ghana", "kenya", "tea", 11)]);
    commit_at(&mut book, 4, &import, HOUR_MS + 3);
    assert_eq!(held(&book, "kenya"), [(4, 8)], "22: all of the third hour, and 2 of the fourth");
    assert_eq!((lot(&book, 3), lot(&book, 4)), ([20, 0, 20, 0, 0], [32, 30, 2, 0, 0]));
    // No clock but the log's: at its end a lot is expired, held by whomever.
    let late = terms(vec![transfer("ghana", "kenya", "oil", 2)]);
    assert_eq!(rule(&commit_at(&mut book, 5, &late, 4 * HOUR_MS)), "uncertified");
    let gold = terms(vec![transfer("kenya", "angola", "gold", 5)]);
    commit_at(&mut book, 6, &gold, 4 * HOUR_MS);
    assert_eq!(lot(&book, 4), [32, 0, 2, 30, 0]);
    assert_eq!((held(&book, "kenya"), held(&book, "ghana")), (vec![], vec![]));
    // A clock that goes back brings nothing back.
    commit_at(&mut book, 7, &gold, HOUR_MS);
    assert_eq!(lot(&book, 4), [32, 0, 2, 30, 0]);
}

#[test]
fn a_delivery_that_may_fail_earns_when_it_is_there_and_gives_back_what_it_spent() {
    let mut book = union(HOUR_MS);
    commit_at(&mut book, 1, &terms(vec![transfer("kenya", "angola", "tea", 10)]), NOW_MS);
    let swap = confirmed(terms(vec![
        transfer("angola", "kenya", "oil", 8),
        transfer("kenya", "ghana", "permit", 3),
        transfer("kenya", "angola", "gold", 1),
    ]));
    assert_eq!(rule(&commit_at(&mut book, 2, &swap, HOUR_MS)), "commit");
    // 12 spent on oil, 3 on their way; nothing is issued yet, and nobody has the 3.
    assert_eq!(held(&book, "kenya"), [(3, 5)]);
    assert_eq!((lot(&book, 3), held(&book, "ghana"), held(&book, "angola")), ([20, 8, 12, 0, 0], vec![], vec![]));
    let mut delivered = book.clone();
    deliver(&mut delivered, 2, HOUR_MS + 1);
    assert_eq!((held(&delivered, "ghana"), held(&delivered, "angola")), (vec![(3, 3)], vec![(4, 12)]));
    assert_eq!(delivered.draft().decide_delivered(&deal_id(2), HOUR_MS), None, "once");
    // The oil never comes: its certificates go back, the three are delivered, and angola earns nothing.
    let mut failed = book.clone();
    let compensated = at(&event(&deal_id(2), Happening::Compensated { reversed: vec![0] }), HOUR_MS + 1);
    apply(&mut failed, &compensated).unwrap();
    assert_eq!((held(&failed, "kenya"), held(&failed, "ghana")), (vec![(3, 17)], vec![(3, 3)]));
    assert_eq!((lot(&failed, 3), held(&failed, "angola")), ([20, 20, 0, 0, 0], vec![]));
    // Too late: what comes back has ended.
    let compensated = at(&compensated, 3 * HOUR_MS);
    apply(&mut book, &compensated).unwrap();
    assert_eq!(lot(&book, 3), [20, 0, 0, 20, 0]);
    for book in [&book, &failed, &delivered] {
        assert_eq!(book.imports().unwrap().unbalanced(), None);
    }
}

#[test]
fn what_is_on_its_way_covers_nothing_else() {
    let mut book = union(HOUR_MS);
    commit_at(&mut book, 1, &terms(vec![transfer("kenya", "angola", "tea", 5)]), NOW_MS);
    let sale = confirmed(terms(vec![transfer("kenya", "ghana", "permit", 10)]));
    assert_eq!(rule(&commit_at(&mut book, 2, &sale, HOUR_MS)), "commit");
    let import = |who| terms(vec![transfer("angola", who, "tea", 1)]);
    for who in ["kenya", "ghana"] {
        assert_eq!(rule(&commit_at(&mut book, 3, &import(who), HOUR_MS)), "uncertified");
    }
    // Nor does what a deal brings that may fail.
    let swap = confirmed(barter(3, 4));
    assert_eq!(rule(&commit_at(&mut book, 4, &swap, HOUR_MS)), "uncertified");
}

#[test]
fn only_the_authority_turns_them_on_and_revokes_and_only_what_is_outstanding() {
    let mut book = africa();
    let (rules, other) = (rules(HOUR_MS), rules(0));
    let kind = |result: Result<_, ErrorReply>| result.map(|_: Authorised| ()).map_err(|e| (e.kind(), e.rule));
    let refused = |rule: &str| Err((Code::Refused, Some(rule.to_owned())));
    let decide = |book: &Book, who: &str, cause, declared| {
        kind(book.draft().decide_authority(&agent(who), cause, declared, NOW_MS))
    };
    assert_eq!(decide(&book, "kenya", enacting("on", &rules), Some(&rules)), Err((Code::Forbidden, None)));
    assert_eq!(decide(&book, "union", enacting("on", &rules), None), refused("undeclared"));
    assert_eq!(decide(&book, "union", enacting("on", &rules), Some(&other)), refused("undeclared"));
    assert_eq!(decide(&book, "union", revoking("r", "kenya", 1, None), None), Err((Code::Unknown, None)));
    let mut spoilt = book.clone();
    declare(&mut spoilt, "kenya", "k", &[("permit", 5)]).unwrap();
    assert_eq!(decide(&spoilt, "union", enacting("on", &rules), Some(&rules)), refused("good_in_use"));
    moves(&mut book, enacting("on", &rules), Some(&rules), NOW_MS).unwrap();
    // Asked again, it is recorded; with another body it conflicts.
    let again = book.draft().decide_authority(&agent("union"), enacting("on", &rules), None, NOW_MS);
    assert!(matches!(again, Ok(Authorised::Recorded(_))), "{again:?}");
    assert_eq!(decide(&book, "union", enacting("on", &other), Some(&other)), Err((Code::Conflict, None)));
    let renamed = ImportRules { good: good("coupon"), ..rules.clone() };
    assert_eq!(decide(&book, "union", enacting("on2", &renamed), Some(&renamed)), refused("good_in_use"));
    let limits = book.draft().decide_declare(&agent("kenya"), declaration("k", &[("permit", 5)]), NOW_MS);
    assert_eq!(limits.unwrap_err().rule.as_deref(), Some("certificates"));

    declare(&mut book, "kenya", "k", &[("tea", 100)]).unwrap();
    commit_at(&mut book, 1, &terms(vec![transfer("kenya", "angola", "tea", 10)]), NOW_MS);
    assert_eq!(decide(&book, "kenya", revoking("r", "kenya", 1, None), None), Err((Code::Forbidden, None)));
    for (quantity, lot) in [(21, None), (1, Some(4 * HOUR_MS)), (21, Some(3 * HOUR_MS))] {
        assert_eq!(decide(&book, "union", revoking("r", "kenya", quantity, lot), None), refused("not_outstanding"));
    }
    moves(&mut book, revoking("r1", "kenya", 15, None), None, NOW_MS).unwrap();
    moves(&mut book, revoking("r2", "kenya", 5, Some(3 * HOUR_MS)), None, NOW_MS).unwrap();
    assert_eq!((lot(&book, 3), held(&book, "kenya")), ([20, 0, 0, 0, 20], vec![]));
}

#[test]
fn more_than_sixty_four_bits_are_never_promised() {
    let mut book = africa();
    let rules = rules(HOUR_MS);
    declare(&mut book, "kenya", "k", &[("tea", i64::MAX)]).unwrap();
    moves(&mut book, enacting("on", &rules), Some(&rules), NOW_MS).unwrap();
    let much = i64::MAX / 2;
    let export = |quantity| terms(vec![transfer("kenya", "angola", "tea", quantity)]);
    assert_eq!(rule(&commit_at(&mut book, 1, &confirmed(export(much)), NOW_MS)), "commit");
    assert_eq!(rule(&commit_at(&mut book, 2, &export(1), NOW_MS)), "overflow");
    // What never comes is promised no more.
    let compensated = event(&deal_id(1), Happening::Compensated { reversed: vec![0] });
    apply(&mut book, &compensated).unwrap();
    assert_eq!(rule(&commit_at(&mut book, 3, &export(1), NOW_MS)), "commit");
}

/// Something that somebody tries.
#[derive(Debug, Clone)]
enum Attempt {
    Deal { transfers: Vec<(usize, usize, usize, i64)>, confirmed: bool },
    Deliver(prop::sample::Index),
    Fail(prop::sample::Index, u8),
    Revoke(usize, i64),
    Later(i64),
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let transfers = proptest::collection::vec((0usize..3, 1usize..3, 0usize..4, 1i64..30), 1..5);
    let attempt = prop_oneof![
        6 => (transfers, any::<bool>()).prop_map(|(transfers, confirmed)| Attempt::Deal { transfers, confirmed }),
        2 => any::<prop::sample::Index>().prop_map(Attempt::Deliver),
        2 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(which, mask)| Attempt::Fail(which, mask)),
        1 => (0usize..3, 1i64..40).prop_map(|(who, quantity)| Attempt::Revoke(who, quantity)),
        3 => (0i64..HOUR_MS).prop_map(Attempt::Later),
    ];
    proptest::collection::vec(attempt, 0..60)
}

/// What stands in the log.
enum Written {
    Deal(DealEvent),
    Certificate(CertificateEvent),
}

fn put(draft: &mut Draft<'_>, written: &Written) -> Result<Applied, Inconsistent> {
    match written {
        Written::Deal(event) => draft.apply(Entry::Deal { event, body: &encode(event) }),
        Written::Certificate(event) => draft.apply(Entry::Certificate { event, body: &encode(event) }),
    }
}

/// What an attempt would write at a time, as a draft sees it.
fn answer(draft: &Draft<'_>, number: usize, attempt: &Attempt, now: i64) -> Vec<Written> {
    let open: Vec<DealId> = (0..number).map(deal_id).filter(|deal| draft.open_deal(deal).is_some()).collect();
    match attempt {
        Attempt::Deal { transfers, confirmed: may_fail } => {
            let goods = ["gold", "oil", "permit", "tea"];
            let hop = |(from, step, what, quantity): &(usize, usize, usize, i64)| {
                transfer(PARTIES[*from], PARTIES[(from + step) % 3], goods[*what], *quantity)
            };
            let made = terms(transfers.iter().map(hop).collect());
            let certified = certified(&deal_id(number), &if *may_fail { confirmed(made) } else { made });
            let verdict = draft.decide_certified(&certified, now).unwrap();
            vec![Written::Deal(at(&event(&certified.deal, verdict.happening(&certified.what).unwrap()), now))]
        }
        Attempt::Deliver(which) if !open.is_empty() => {
            let deal = which.get(&open);
            let mut written = vec![Written::Deal(event(deal, Happening::Settled))];
            written.extend(draft.decide_delivered(deal, now).map(Written::Certificate));
            written
        }
        Attempt::Fail(which, mask) if !open.is_empty() => {
            let undelivered = (0..8).filter(|at| mask >> at & 1 == 1).collect();
            let failed = event(which.get(&open), Happening::Failed { undelivered });
            vec![Written::Deal(at(&event(&failed.deal, draft.decide_failed(&failed).unwrap()), now))]
        }
        Attempt::Revoke(who, quantity) => {
            let cause = revoking(&format!("r{number}"), PARTIES[*who], *quantity, None);
            match draft.decide_authority(&agent("union"), cause, None, now) {
                Ok(Authorised::Write { event, .. }) => vec![Written::Certificate(event)],
                Ok(Authorised::Recorded(_)) => unreachable!("each id is used once"),
                Err(refusal) => {
                    assert_eq!(refusal.rule.as_deref(), Some("not_outstanding"));
                    vec![]
                }
            }
        }
        _ => vec![],
    }
}

proptest! {
    /// Of each lot, whatever happens: issued = outstanding + spent + expired + revoked, each at least 0; and the book is
    /// the fold of its log, in whatever batches it was written.
    #[test]
    fn every_lot_adds_up_and_certificates_are_the_fold_of_the_log(
        attempts in attempts(), batch in 1usize..8, required_from in 0i64..4 * HOUR_MS,
    ) {
        let mut book = union(required_from);
        let begun = book.clone();
        let mut log = Vec::new();
        let mut now = NOW_MS;
        let mut issued = 0;
        for (number, chunk) in attempts.chunks(batch).enumerate() {
            let mut draft = book.draft();
            for (at, attempt) in chunk.iter().enumerate() {
                if let Attempt::Later(by) = attempt {
                    now += by;
                }
                for entry in answer(&draft, number * batch + at + 1, attempt, now) {
                    prop_assert!(put(&mut draft, &entry).is_ok(), "what was decided can be applied");
                    log.push(entry);
                }
            }
            let changes = draft.finish();
            book.absorb(changes).unwrap();
            prop_assert_eq!(book.imports().unwrap().unbalanced(), None);
            let shown = book.certificates(None);
            let ended = shown.holdings.iter().find(|held| held.expires_unix_ms <= shown.at_unix_ms || held.quantity <= 0);
            prop_assert_eq!(ended, None);
            let sum = |part: fn(&LotLine) -> i64| shown.lots.iter().map(part).sum::<i64>();
            prop_assert!(sum(|lot| lot.issued) >= issued, "what is issued stays issued");
            issued = sum(|lot| lot.issued);
        }
        let mut rebuilt = begun;
        for entry in &log {
            let mut draft = rebuilt.draft();
            put(&mut draft, entry).unwrap();
            let changes = draft.finish();
            rebuilt.absorb(changes).unwrap();
        }
        prop_assert_eq!(bytes(&rebuilt), bytes(&book));
        // The rows are the book.
        let mut rows = book.rows();
        let mut read = Book::begun(rows.next().unwrap()).unwrap();
        rows.for_each(|row| read.take(row));
        prop_assert_eq!(bytes(&read), bytes(&book));
    }
}
