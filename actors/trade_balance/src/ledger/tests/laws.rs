//! Laws, over random histories: every good sums to nought, nobody has less than nothing whatever fails, a
//! book is the fold of its log, and deals that do not touch each other commute.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const PARTIES: [&str; 4] = ["angola", "ghana", "kenya", "mali"];
const GOODS: [&str; 3] = ["gold", "oil", "tea"];

/// Something that somebody tries.
#[derive(Debug, Clone)]
enum Attempt {
    Declare {
        who: usize,
        good: usize,
        limit: i64,
        new: bool,
    },
    Deal {
        transfers: Vec<(usize, usize, usize, i64)>,
        confirmed: bool,
    },
    Settle {
        which: prop::sample::Index,
    },
    Fail {
        which: prop::sample::Index,
        undelivered: Vec<u32>,
    },
    /// The batch is written, or is lost and never happened.
    EndOfBatch {
        written: bool,
    },
}

fn transfers() -> impl Strategy<Value = Vec<(usize, usize, usize, i64)>> {
    proptest::collection::vec((0usize..4, 1usize..4, 0usize..3, 1i64..40), 1..5)
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let attempt = prop_oneof![
        3 => (0usize..4, 0usize..3, 0i64..120, prop::bool::weighted(0.9)).prop_map(|(who, good, limit, new)| Attempt::Declare { who, good, limit, new }),
        6 => (transfers(), any::<bool>()).prop_map(|(transfers, confirmed)| Attempt::Deal { transfers, confirmed }),
        2 => any::<prop::sample::Index>().prop_map(|which| Attempt::Settle { which }),
        2 => (any::<prop::sample::Index>(), proptest::collection::vec(0u32..6, 0..4)).prop_map(|(which, undelivered)| Attempt::Fail { which, undelivered }),
        3 => prop::bool::weighted(0.8).prop_map(|written| Attempt::EndOfBatch { written }),
    ];
    proptest::collection::vec(attempt, 0..60)
}

fn terms_of(transfers: &[(usize, usize, usize, i64)], is_confirmed: bool) -> Terms {
    let made = terms(
        transfers
            .iter()
            .map(|(from, step, good, quantity)| {
                transfer(PARTIES[*from], PARTIES[(from + step) % 4], GOODS[*good], *quantity)
            })
            .collect(),
    );
    if is_confirmed { confirmed(made) } else { made }
}

#[derive(Debug, Clone)]
enum Written {
    Deal(DealEvent),
    Limit(LimitEvent),
    Cursor(Cursor),
}

fn put(draft: &mut Draft<'_>, written: &Written) -> Result<Applied, Inconsistent> {
    match written {
        Written::Deal(event) => draft.apply(Entry::Deal { event, body: &schemas::encode(event) }),
        Written::Limit(event) => draft.apply(Entry::Limit { event, body: &schemas::encode(event) }),
        Written::Cursor(cursor) => draft.apply(Entry::Cursor(cursor)),
    }
}

/// What an attempt would write, as a draft sees it.
fn answer(draft: &Draft<'_>, number: usize, attempt: &Attempt) -> Vec<Written> {
    let open: Vec<DealId> = (0..number).map(deal_id).filter(|deal| draft.open_deal(deal).is_some()).collect();
    match attempt {
        Attempt::Declare { who, good, limit, new } => {
            let id = if *new { format!("d{number}") } else { "d0".to_owned() };
            match draft.decide_declare(&agent(PARTIES[*who]), declaration(&id, &[(GOODS[*good], *limit)]), NOW_MS) {
                Ok(Declaration::Write { event, .. }) => vec![Written::Limit(event)],
                Ok(Declaration::Recorded(_)) => vec![],
                Err(error) => {
                    assert!(matches!(error.kind(), Code::Refused | Code::Conflict), "{error}");
                    vec![]
                }
            }
        }
        Attempt::Deal { transfers, confirmed } => {
            let certified = certified(&deal_id(number), &terms_of(transfers, *confirmed));
            let verdict = draft.decide_certified(&certified, NOW_MS).unwrap();
            vec![
                Written::Deal(certified.clone()),
                Written::Deal(event(&certified.deal, verdict.happening(&certified.what).unwrap())),
            ]
        }
        Attempt::Settle { which } if !open.is_empty() => {
            vec![Written::Deal(event(which.get(&open), Happening::Settled))]
        }
        Attempt::Fail { which, undelivered } if !open.is_empty() => {
            let failed = event(which.get(&open), Happening::Failed { undelivered: undelivered.clone() });
            let answer = draft.decide_failed(&failed).unwrap();
            vec![Written::Deal(failed.clone()), Written::Deal(event(&failed.deal, answer))]
        }
        _ => vec![],
    }
}

fn check_lines(book: &Book) -> Result<(), TestCaseError> {
    let mut sums: BTreeMap<&Good, i64> = BTreeMap::new();
    let (mut incoming, mut outgoing) = (BTreeMap::new(), BTreeMap::new());
    for (party, good, line) in book.lines() {
        prop_assert!(line.left() >= 0, "{party} has {line:?} of {good}");
        prop_assert!(line.balance + line.limit >= 0, "{party} has {line:?} of {good}");
        prop_assert!(line.incoming >= 0 && line.outgoing >= 0 && line.limit >= 0);
        *sums.entry(good).or_default() += line.balance;
        *incoming.entry(good).or_insert(0) += line.incoming;
        *outgoing.entry(good).or_insert(0) += line.outgoing;
    }
    prop_assert!(sums.values().all(|sum| *sum == 0), "{sums:?}");
    prop_assert_eq!(incoming, outgoing, "what is on its way to one is on its way from another");
    Ok(())
}

/// Plays attempts in batches; returns the book and its log.
fn play(attempts: &[Attempt]) -> Result<(Book, Vec<Written>), TestCaseError> {
    let mut book = africa();
    let mut log: Vec<Written> = Vec::new();
    let mut rest = attempts;
    let mut number = 0;
    while !rest.is_empty() {
        let end = rest.iter().position(|a| matches!(a, Attempt::EndOfBatch { .. })).unwrap_or(rest.len());
        let (batch, after) = rest.split_at(end);
        let written = after.first().is_none_or(|a| matches!(a, Attempt::EndOfBatch { written: true }));
        let before = bytes(&book);
        let mut draft = book.draft();
        let mut entries = Vec::new();
        for attempt in batch {
            number += 1;
            for entry in answer(&draft, number, attempt) {
                prop_assert!(put(&mut draft, &entry).is_ok(), "what was decided can be applied");
                entries.push(entry);
            }
        }
        let cursor = Written::Cursor(draft.cursor(number as u64));
        put(&mut draft, &cursor).unwrap();
        let changes = draft.finish();
        prop_assert_eq!(bytes(&book), before, "a draft leaves the book alone");
        if written {
            book.absorb(changes).unwrap();
            log.extend(entries);
            log.push(cursor);
        }
        check_lines(&book)?;
        rest = after.get(1..).unwrap_or_default();
    }
    Ok((book, log))
}

proptest! {
    #[test]
    fn a_book_is_the_fold_of_its_log_and_holds_its_laws(attempts in attempts()) {
        let (book, log) = play(&attempts)?;
        // One by one from nothing: the same bytes.
        let mut rebuilt = africa();
        for entry in &log {
            let mut draft = rebuilt.draft();
            put(&mut draft, entry).unwrap();
            let changes = draft.finish();
            rebuilt.absorb(changes).unwrap();
            check_lines(&rebuilt)?;
        }
        prop_assert_eq!(bytes(&rebuilt), bytes(&book));
        // All at once, on one draft: the same bytes.
        let empty = africa();
        let mut whole = empty.draft();
        for entry in &log {
            put(&mut whole, entry).unwrap();
        }
        let changes = whole.finish();
        let mut at_once = empty.clone();
        at_once.absorb(changes).unwrap();
        prop_assert_eq!(bytes(&at_once), bytes(&book));
    }

    /// Whatever still fails, in part or in whole, and in whatever order: nobody ends below its limit.
    #[test]
    fn any_compensation_of_what_is_open_is_possible(
        attempts in attempts(), order in any::<prop::sample::Index>(), mask in any::<u32>(),
    ) {
        let (mut book, _) = play(&attempts)?;
        let mut open: Vec<DealId> = book.open.keys().cloned().collect();
        if !open.is_empty() {
            let middle = order.index(open.len());
            open.rotate_left(middle);
        }
        for deal in open {
            let reversed = (0..4).filter(|at| mask >> at & 1 == 1 && *at < book.open[&deal].len() as u32).collect();
            prop_assert_eq!(apply(&mut book, &event(&deal, Happening::Compensated { reversed })), Ok(Applied::Posted));
            check_lines(&book)?;
        }
        prop_assert!(book.lines().all(|(_, _, line)| (line.incoming, line.outgoing) == (0, 0)), "nothing is on its way");
    }

    /// Deals that everyone can afford in any order leave the same lines in any order.
    #[test]
    fn independent_deals_commute(
        deals in proptest::collection::vec((transfers(), any::<bool>()), 1..8).prop_flat_map(|deals| {
            let order = Just((0..deals.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(deals), order)
        }),
    ) {
        let (deals, order) = deals;
        let mut first = africa();
        for (at, who) in PARTIES.iter().enumerate() {
            declare(&mut first, who, &format!("d{at}"), &GOODS.map(|good| (good, 10_000))).unwrap();
        }
        let mut second = first.clone();
        let terms: Vec<_> = deals.iter().map(|(transfers, confirmed)| terms_of(transfers, *confirmed)).collect();
        for at in 0..terms.len() {
            prop_assert_eq!(rule(&commit(&mut first, &deal_id(at), &terms[at])), "commit");
            prop_assert_eq!(rule(&commit(&mut second, &deal_id(order[at]), &terms[order[at]])), "commit");
        }
        prop_assert_eq!(&first.lines, &second.lines);
        prop_assert_eq!(&first.open, &second.open);
        prop_assert_eq!(first.state_hash() == second.state_hash(), order.is_sorted(), "the chain knows the order");
    }

    /// Of deals that want the same goods, as many go through as the limit allows, and no more.
    #[test]
    fn a_limit_is_given_once(limit in 0i64..200, wants in proptest::collection::vec(1i64..60, 1..12)) {
        let mut book = africa();
        declare(&mut book, "kenya", "k", &[("tea", limit)]).unwrap();
        declare(&mut book, "angola", "a", &[("oil", 1000)]).unwrap();
        let mut left = limit;
        for (at, quantity) in wants.iter().enumerate() {
            let expected = if *quantity <= left { left -= quantity; "commit" } else { "over_limit" };
            prop_assert_eq!(rule(&commit(&mut book, &deal_id(at), &barter(*quantity, 1))), expected);
        }
        prop_assert_eq!(balance(&book, "kenya", "tea"), left - limit);
    }
}
