//! Deadlines and cancellations: the largest questions that the limits let in are asked, and nothing may compute for a
//! second without looking at the clock.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use schemas::JobId;
use schemas::core::{Job, Stopwatch, Watcher};
use schemas::deal::Terms;
use schemas::division::Mended;
use schemas::limit::{MAX_CLAIMANTS, MAX_COALITIONS, MAX_GAME_PLAYERS, MAX_PARTIES, MAX_SAMPLES, MAX_TRANSFERS};
use schemas::value::{AnalyzeRequest, Bounds, UnitCost, UnitValue, Valuation};
use schemas::{AgentId, Code, Rational};

use super::*;
use crate::Analyze;
use crate::fixture::{terms, transfer};

/// How long nothing may compute without looking at the clock, on a slow machine that has other work: on a quick one it is
/// less than a second.
const HEEDED_WITHIN: Duration = Duration::from_secs(20);

/// A clock that notes the longest time between two looks at it, in microseconds.
#[derive(Clone, Default)]
struct Noting(Arc<AtomicU64>);

impl Stopwatch for Noting {
    fn start(&self) -> Box<dyn Fn() -> Duration> {
        let (started, last, longest) = (Instant::now(), Cell::new(Instant::now()), Arc::clone(&self.0));
        Box::new(move || {
            let now = Instant::now();
            let gap = now.duration_since(last.replace(now)).as_micros();
            longest.fetch_max(u64::try_from(gap).unwrap_or(u64::MAX), Relaxed);
            started.elapsed()
        })
    }
}

/// Cancels when it has been asked so often.
struct Impatient {
    asked: AtomicU32,
    patience: u32,
}

impl Watcher for Impatient {
    fn is_stopped(&self) -> bool {
        self.asked.fetch_add(1, Relaxed) >= self.patience
    }

    fn is_due(&self) -> bool {
        false
    }

    fn report(&self, _: &'static str, _: Vec<u8>) {}
}

fn within(ms: i64) -> Call {
    Call { deadline_unix_ms: Some(ms), ..Call::default() }
}

fn cancelled_after(looks: u32) -> Call {
    let watcher = Arc::new(Impatient { asked: AtomicU32::new(0), patience: looks });
    Call { job: Some(Job { id: JobId::parse("cancelled").unwrap(), watcher }), ..Call::default() }
}

/// A number between one half and one in 62 bits above and below, so that sums of such have no short form.
fn awkward(draw: &mut u64) -> Rational {
    let mut next = || {
        *draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i128::from(*draw >> 2 | 1 << 61)
    };
    Rational::new(next() / 2, next()).unwrap()
}

/// As many parties and transfers as terms may have, whose values have no short form; everyone could gain a little.
fn largest_deal() -> (Terms, Vec<PartyValuation>) {
    let name = |party: usize| format!("p{:02}", party % MAX_PARTIES);
    let mut transfers = Vec::new();
    let mut valuations: Vec<Valuation> = vec![
        Valuation {
            outlook: schemas::value::Outlook::default(),
            margin_ppm: 1,
            values: Vec::new(),
            costs: Vec::new(),
        };
        MAX_PARTIES
    ];
    let mut draw = 7;
    for at in 0..MAX_TRANSFERS {
        let (from, to) = (at % MAX_PARTIES, at + at / MAX_PARTIES + 1);
        let label = format!("g{at}");
        transfers.push(transfer(&name(from), &name(to), &label, 1_000_000_007));
        let (cost, value) = (awkward(&mut draw), awkward(&mut draw));
        let both = |number: Rational| Bounds { lo: number, hi: number };
        valuations[to % MAX_PARTIES].values.push(UnitValue {
            good: good(&label),
            value: Some(both(value)),
            dimensions: None,
        });
        valuations[from].costs.push(UnitCost { good: good(&label), cost: both(cost) });
    }
    for valuation in &mut valuations {
        let one = Bounds { lo: Rational::ONE, hi: Rational::ONE };
        valuation.values.push(UnitValue { good: good("usd"), value: Some(one), dimensions: None });
        valuation.costs.push(UnitCost { good: good("usd"), cost: one });
    }
    let stated = valuations.into_iter().enumerate();
    let stated = stated.map(|(at, valuation)| PartyValuation { party: agent(&name(at)), valuation });
    (terms(transfers), stated.collect())
}

fn largest_bargain(rule: Rule) -> Request {
    let (terms, valuations) = largest_deal();
    let spans: Vec<_> = (0..MAX_TRANSFERS as u32).map(|at| (at, 0, 1_000_000_000_007)).collect();
    let room = room(&spans, Some(1_000_000_000_000));
    Request { bargain: Some(Bargain { terms, valuations, room, weights: Vec::new() }), ..request(rule) }
}

fn largest_pot() -> Request {
    let mut draw = 11;
    let claimants = (0..MAX_CLAIMANTS)
        .map(|at| Claimant { weight: Some(awkward(&mut draw)), ..claimant(&format!("p{at}"), 0, None) })
        .collect();
    Request { pot: Some(Pot { amount_minor: i64::MAX, claimants }), ..request(Rule::Nash) }
}

/// As many coalitions of as many players as may be listed, in a game that has no form to be solved by.
fn largest_game(kind: GameKind, rule: Rule) -> Request {
    let players: Vec<AgentId> = (0..MAX_GAME_PLAYERS).map(|at| agent(&format!("p{at}"))).collect();
    let mut draw = 5_u64;
    let mut next = || {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        draw >> 20
    };
    let coalitions = (0..MAX_COALITIONS).map(|_| {
        let sets = u128::from(next()) | u128::from(next()) << 44 | u128::from(next()) << 88;
        let few = u128::from(next()) | u128::from(next()) << 44 | u128::from(next()) << 88;
        let fewer = u128::from(next()) | u128::from(next()) << 44 | u128::from(next()) << 88;
        let mask = if kind == GameKind::Listed { sets } else { sets & few & fewer };
        let members = players.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0);
        let worth_minor = i64::try_from(next() >> 4).unwrap() - (1 << 38);
        Coalition { members: members.map(|(_, player)| player.clone()).collect(), worth_minor }
    });
    let game = Game { players: players.clone(), coalitions: coalitions.collect(), ..game(kind, 1, &[]) };
    Request { game: Some(game), ..request(rule) }
}

fn largest_vote(rule: Rule) -> Request {
    let mut draw = 3;
    let votes: Vec<i64> = (0..MAX_GAME_PLAYERS).map(|_| awkward(&mut draw).numerator() / 128).collect();
    let quota = votes.iter().sum::<i64>() / 3 * 2;
    // Shares as the votes, so that a coalition costs what it weighs and no two cost the same.
    let allocation = if rule == Rule::Core { votes.clone() } else { Vec::new() };
    let total: i64 = allocation.iter().sum();
    let game = Game { allocation, ..numbers(GameKind::Voting, &votes, Some(quota), Some(total.max(1))) };
    Request { game: Some(game), samples: Some(MAX_SAMPLES), ..request(rule) }
}

/// What a question comes to within a deadline; it must heed the clock.
fn heeded(asked: &str, request: Request, deadline_ms: i64) -> Result<Divided, ErrorReply> {
    schemas::body::Check::check(&request).unwrap();
    let clock = Noting::default();
    let started = Instant::now();
    let answer = Divide::with(clock.clone()).handle(request, &within(deadline_ms));
    let (took, gap) = (started.elapsed(), Duration::from_micros(clock.0.load(Relaxed)));
    assert!(gap < HEEDED_WITHIN, "{asked}: {gap:?} without a look at the clock");
    let late = took.saturating_sub(Duration::from_millis(deadline_ms.unsigned_abs()));
    assert!(late < HEEDED_WITHIN, "{asked}: {late:?} late");
    if let Err(refused) = &answer {
        assert_eq!(refused.kind(), Code::Late, "{asked}: {refused}");
    }
    answer
}

#[test]
fn the_largest_bargains_end_by_their_deadline() {
    for rule in [Rule::Leximin, Rule::Nash] {
        let _ = heeded(&format!("{rule:?} of the largest bargain"), largest_bargain(rule), 2_000);
    }
}

#[test]
fn the_largest_pot_and_games_end_by_their_deadline() {
    let _ = heeded("Nash in the largest pot", largest_pot(), 1_500);
    let sampled = heeded("Shapley of the largest vote", largest_vote(Rule::Shapley), 60).unwrap();
    assert!(sampled.samples.unwrap() < MAX_SAMPLES, "as many orders as there was time for");
    assert_eq!(sampled.total_minor, 1);
    for kind in [GameKind::Listed, GameKind::Agreements] {
        let _ = heeded(&format!("the core of the largest {kind:?}"), largest_game(kind, Rule::Core), 2_000);
        let even = vec![1_000_000; MAX_GAME_PLAYERS];
        let mut given = largest_game(kind, Rule::Core);
        given.game.as_mut().unwrap().allocation = even;
        let finding = heeded(&format!("an allocation in the largest {kind:?}"), given, 2_000).unwrap().core.unwrap();
        assert!(finding.stable || finding.blocking.is_some() || finding.bound_minor.is_some());
    }
    let vote = heeded("an allocation by votes", largest_vote(Rule::Core), 5_000).unwrap().core.unwrap();
    assert!(vote.blocking.is_some(), "a winner is worth all, and is paid two thirds");
    let agreed = heeded("Shapley of the most agreements", largest_game(GameKind::Agreements, Rule::Shapley), 60_000);
    assert!(agreed.unwrap().samples.is_none());
}

#[test]
fn analysis_says_that_there_was_no_time_to_mend() {
    let (terms, mut valuations) = largest_deal();
    for stated in &mut valuations {
        stated.valuation.margin_ppm = 100_000;
    }
    let asked = AnalyzeRequest { terms, valuations, room: None };
    let clock = Noting::default();
    let reply = Analyze::with(clock.clone()).handle(asked.clone(), &within(300)).unwrap();
    let gap = Duration::from_micros(clock.0.load(Relaxed));
    assert!(gap < HEEDED_WITHIN, "{gap:?} without a look at the clock");
    assert_eq!(reply.parties.len(), MAX_PARTIES);
    assert!(!reply.win_win && reply.mend.is_some());
    // No time at all: what takes none is answered.
    let hurried = <Analyze>::default().handle(asked, &cancelled_after(0)).unwrap();
    assert_eq!((hurried.parties, hurried.mend.unwrap().outcome), (reply.parties, Mended::Stopped));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whenever it is cancelled, either what an unhurried division answers comes, or that there was none.
    #[test]
    fn a_cancelled_division_answers_the_same_or_nothing(looks in 0u32..400, nash in any::<bool>()) {
        let rule = if nash { Rule::Nash } else { Rule::Leximin };
        let terms = crate::fixture::barter(100, 50);
        let valuations = vec![
            crate::fixture::states("kenya", 0, &[("oil", "25", "27"), ("usd", "1", "1")], &[("tea", "9", "11"), ("usd", "1", "1")]),
            crate::fixture::states("angola", 0, &[("tea", "14", "14"), ("usd", "1", "1")], &[("oil", "20", "20"), ("usd", "1", "1")]),
        ];
        let room = room(&[(0, 0, 300), (1, 0, 200)], Some(1000));
        let asked = Request { bargain: Some(Bargain { terms, valuations, room, weights: Vec::new() }), ..request(rule) };
        match <Divide>::default().handle(asked.clone(), &cancelled_after(looks)) {
            Ok(divided) => prop_assert_eq!(divided, ask(asked).unwrap()),
            Err(refused) => prop_assert_eq!(refused.rule.as_deref(), Some("cancelled")),
        }
    }
}
