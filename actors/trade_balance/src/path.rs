//! `trade_balance.path`: balances and deficits over time.
//!
//! Each transfer's worth at the stated prices is rounded down to a whole minor unit once, and everything else is a sum
//! of those: so what one party gives others receive, at the end of every period the balances sum to 0, and what the
//! pairs say adds up to what the parties say.

use std::cmp::{max, min};
use std::collections::{BTreeMap, BTreeSet};

use schemas::core::{Call, Core};
use schemas::limit::MAX_PATH_POINTS;
use schemas::trade::{PairPath, PartyPath, PathReply, PathRequest};
use schemas::{AgentId, ErrorReply, Good, Rational};
use terms::{Exact, TermsError};

use crate::SERVICE;

/// Adds what was committed up by period.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path;

/// What a party gave and received in each period.
#[derive(Clone)]
struct Flows {
    exports: Vec<i128>,
    imports: Vec<i128>,
}

impl Core for Path {
    const SERVICE: &'static str = SERVICE;
    const VERB: &'static str = "path";
    type Request = PathRequest;
    type Reply = PathReply;

    fn handle(&self, request: PathRequest, _: &Call) -> Result<PathReply, ErrorReply> {
        let periods = request.periods as usize;
        refuse_too_many(&request)?;
        let prices: BTreeMap<&Good, Rational> = request.prices.iter().map(|price| (&price.good, price.price)).collect();
        let mut flows: BTreeMap<&AgentId, Flows> = BTreeMap::new();
        let mut pairs: BTreeMap<(&AgentId, &AgentId), Vec<i128>> = BTreeMap::new();
        let mut outside = 0;
        for (index, commit) in request.commits.iter().enumerate() {
            let Some(period) = period_of(&request, commit.at_unix_ms) else {
                outside += 1;
                continue;
            };
            for (at, transfer) in commit.transfers.iter().enumerate() {
                let (from, to) = (&transfer.from, &transfer.to);
                if from == to {
                    let place = format!("commits[{index}].transfers[{at}].to");
                    return Err(
                        ErrorReply::refused("gives_to_itself", format!("{from} gives to itself")).at_field(&place)
                    );
                }
                let price = prices.get(&transfer.good).copied().unwrap_or(Rational::ZERO);
                let worth = Exact::from(price).times(transfer.quantity.get()).floor("what a transfer is worth")?;
                let worth = i128::from(worth);
                let nothing = Flows { exports: vec![0; periods], imports: vec![0; periods] };
                add(&mut flows.entry(from).or_insert_with(|| nothing.clone()).exports, period, worth);
                add(&mut flows.entry(to).or_insert(nothing).imports, period, worth);
                let (pair, signed) = if from < to { ((from, to), worth) } else { ((to, from), -worth) };
                add(pairs.entry(pair).or_insert_with(|| vec![0; periods]), period, signed);
            }
        }
        let ends = (1..=i64::from(request.periods)).map(|number| {
            let end = request.period_ms.checked_mul(number).and_then(|length| request.from_unix_ms.checked_add(length));
            end.ok_or_else(|| ErrorReply::from(TermsError::Overflow("the end of a period")).at_field("period_ms"))
        });
        Ok(PathReply {
            ends_unix_ms: ends.collect::<Result<_, _>>()?,
            parties: flows.into_iter().map(|(party, flows)| along(party, &flows)).collect::<Result<_, _>>()?,
            pairs: pairs
                .into_iter()
                .map(|((a, b), nets)| {
                    Ok(PairPath { a: a.clone(), b: b.clone(), balance_minor: whole(&running(nets.into_iter()))? })
                })
                .collect::<Result<_, TermsError>>()?,
            outside,
        })
    }
}

/// Refuses more paths than fit an answer, before there is room made for them.
fn refuse_too_many(request: &PathRequest) -> Result<(), ErrorReply> {
    let moved = || request.commits.iter().flat_map(|commit| &commit.transfers);
    let parties: BTreeSet<&AgentId> = moved().flat_map(|transfer| [&transfer.from, &transfer.to]).collect();
    let pairs: BTreeSet<_> = moved().map(|t| (min(&t.from, &t.to), max(&t.from, &t.to))).collect();
    let points = (parties.len() + pairs.len()).saturating_mul(request.periods as usize);
    if points <= MAX_PATH_POINTS {
        return Ok(());
    }
    let reason = format!(
        "{} parties and {} pairs over {} periods are more than {MAX_PATH_POINTS} points",
        parties.len(),
        pairs.len(),
        request.periods
    );
    Err(ErrorReply::refused("too_many_points", reason).at_field("periods"))
}

/// The period in which a time lies.
fn period_of(request: &PathRequest, at_unix_ms: i64) -> Option<usize> {
    let since = i128::from(at_unix_ms) - i128::from(request.from_unix_ms);
    let period = usize::try_from(since.div_euclid(i128::from(request.period_ms))).ok()?;
    (period < request.periods as usize).then_some(period)
}

fn add(sums: &mut [i128], period: usize, worth: i128) {
    if let Some(sum) = sums.get_mut(period) {
        // 2⁶⁴ transfers of 63 bits would fit.
        *sum += worth;
    }
}

fn running(nets: impl Iterator<Item = i128>) -> Vec<i128> {
    nets.scan(0, |sum, net| {
        *sum += net;
        Some(*sum)
    })
    .collect()
}

fn whole(sums: &[i128]) -> Result<Vec<i64>, TermsError> {
    sums.iter().map(|sum| i64::try_from(*sum).map_err(|_| TermsError::Overflow("a balance"))).collect()
}

fn along(party: &AgentId, flows: &Flows) -> Result<PartyPath, TermsError> {
    let balances = running(flows.exports.iter().zip(&flows.imports).map(|(exports, imports)| exports - imports));
    let (mut longest, mut row, mut all) = (0_u32, 0_u32, 0_u32);
    for balance in &balances {
        row = if *balance < 0 { row + 1 } else { 0 };
        all += u32::from(*balance < 0);
        longest = longest.max(row);
    }
    let balance_minor = whole(&balances)?;
    Ok(PartyPath {
        party: party.clone(),
        exports_minor: whole(&flows.exports)?,
        imports_minor: whole(&flows.imports)?,
        deepest_minor: balance_minor.iter().copied().fold(0, i64::min),
        balance_minor,
        deficit_periods: all,
        longest_deficit: longest,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::trade::{Commit, Price};

    use super::*;
    use crate::fixture::{good, transfer};

    fn ask(commits: Vec<(i64, schemas::deal::Transfer)>, periods: u32) -> PathReply {
        let commits =
            commits.into_iter().map(|(at_unix_ms, moved)| Commit { at_unix_ms, deal: None, transfers: vec![moved] });
        let price = |name: &str, price: &str| Price { good: good(name), price: price.parse().unwrap() };
        let request = PathRequest {
            commits: commits.collect(),
            prices: vec![price("tea", "5/2"), price("oil", "10")],
            from_unix_ms: 100,
            period_ms: 10,
            periods,
        };
        Path.handle(request, &Call::default()).unwrap()
    }

    #[test]
    fn deficits_by_hand() {
        // kenya imports 100 of oil in the first period, exports 2.5 of tea (2) in the second and 250 in the third; what
        // comes before the first period or is paid in money counts nothing.
        let reply = ask(
            vec![
                (100, transfer("angola", "kenya", "oil", 10)),
                (119, transfer("kenya", "angola", "tea", 1)),
                (120, transfer("kenya", "egypt", "tea", 100)),
                (120, transfer("kenya", "egypt", "usd", 9)),
                (99, transfer("kenya", "angola", "tea", 1)),
                (130, transfer("kenya", "angola", "tea", 1)),
            ],
            3,
        );
        assert_eq!((reply.ends_unix_ms, reply.outside), (vec![110, 120, 130], 2));
        let kenya = reply.parties.iter().find(|path| path.party.as_str() == "kenya").unwrap();
        assert_eq!(kenya.imports_minor, [100, 0, 0]);
        assert_eq!(kenya.exports_minor, [0, 2, 250]);
        assert_eq!(kenya.balance_minor, [-100, -98, 152]);
        assert_eq!((kenya.deepest_minor, kenya.deficit_periods, kenya.longest_deficit), (-100, 2, 2));
        let pairs: Vec<_> = reply.pairs.iter().map(|p| (p.a.as_str(), p.b.as_str(), p.balance_minor.clone())).collect();
        assert_eq!(pairs, [("angola", "kenya", vec![100, 98, 98]), ("egypt", "kenya", vec![0, 0, -250])]);
    }

    #[test]
    fn a_period_that_would_end_after_all_time_is_refused() {
        let request = PathRequest { commits: vec![], prices: vec![], from_unix_ms: 1, period_ms: i64::MAX, periods: 1 };
        let refused = Path.handle(request, &Call::default()).unwrap_err();
        assert_eq!((refused.rule.as_deref(), refused.field.as_deref()), (Some("overflow"), Some("period_ms")));
    }

    #[test]
    fn more_points_than_an_answer_holds_are_refused() {
        let transfers = (0..200).map(|at| transfer(&format!("a{at}"), &format!("b{at}"), "tea", 1)).collect();
        let commits = vec![Commit { at_unix_ms: 0, deal: None, transfers }];
        let request = PathRequest { commits, prices: vec![], from_unix_ms: 0, period_ms: 1, periods: 1000 };
        let refused = Path.handle(request, &Call::default()).unwrap_err();
        assert_eq!((refused.rule.as_deref(), refused.field.as_deref()), (Some("too_many_points"), Some("periods")));
    }

    proptest! {
        #[test]
        fn balances_sum_to_nought_and_pairs_explain_parties(
            moves in proptest::collection::vec((0usize..4, 1usize..4, any::<bool>(), 1i64..1_000_000, 90i64..160), 0..40),
        ) {
            let name = |at: usize| format!("p{at}");
            let reply = ask(moves.iter().map(|(from, step, tea, quantity, at)| {
                let good = if *tea { "tea" } else { "oil" };
                (*at, transfer(&name(*from), &name((from + step) % 4), good, *quantity))
            }).collect(), 5);
            for period in 0..5 {
                prop_assert_eq!(reply.parties.iter().map(|p| p.balance_minor[period]).sum::<i64>(), 0);
                for path in &reply.parties {
                    let explained: i64 = reply.pairs.iter().map(|pair| {
                        if pair.a == path.party { pair.balance_minor[period] }
                        else if pair.b == path.party { -pair.balance_minor[period] }
                        else { 0 }
                    }).sum();
                    prop_assert_eq!(explained, path.balance_minor[period]);
                }
            }
        }
    }
}
