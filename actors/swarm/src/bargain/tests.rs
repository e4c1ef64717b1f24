//! Scenarios of negotiations, without a bus.

use std::collections::BTreeMap;

use negotiation::{Ranking, negotiate};
use schemas::Hash;
use schemas::body::encode;
use schemas::negotiation::{Alternating, ReadRules, Rules};

use super::scenario::Scenario;
use super::standing::{Ending, outcomes, ranked};
use super::{Gathering, Manner};
use crate::scenario::ScenarioError;

const TEXT: &str = r#"
about = "a few"
seed = 1
seconds = 10

[negotiation]
book = "talks"
agents = 6
meetings = 40
at_once = 2
parties = [2, 3]
issues = [1, 3]
choices = [3, 5]
rounds = [5, 20]
within_ms = 1_000
reserved_ppm = [0, 300_000]
rectangles_ppm = 250_000
manners = ["boulware", "linear", "conceder", "tit_for_tat", "micro", "nash", "accept_if_good"]
"#;

fn gathering(seed: u64) -> Gathering {
    Scenario::parse(TEXT).unwrap().gathering(seed).unwrap()
}

/// Holds every meeting in this process.
fn hold(gathering: &Gathering) -> BTreeMap<schemas::DealId, Ending> {
    let mut endings = BTreeMap::new();
    for meeting in &gathering.meetings {
        let order = meeting.seats.iter().map(|seat| seat.agent.clone()).collect();
        let (domain, rounds) = (meeting.domain.clone(), meeting.rounds);
        let rules = Alternating { domain, order, rounds, talk_until_unix_ms: 0 };
        let rules = ReadRules { hash: Hash::of(&encode(&rules)), rules: Rules::Alternating(rules) };
        let seat = |seat: &super::Seat| {
            let ranking = Ranking::new(&meeting.space, &seat.preferences.utility);
            (seat.agent.clone(), seat.preferences.clone(), ranking.into(), seat.manner.strategy(seat.seed))
        };
        let talk = negotiate(&meeting.deal, &rules, meeting.seats.iter().map(seat).collect()).unwrap();
        let words = talk.transcript().length;
        let ending = talk.agreed().map_or(Ending::Without(words), |outcome| Ending::Agreed(outcome.to_vec(), words));
        endings.insert(meeting.deal.clone(), ending);
    }
    endings
}

#[test]
fn a_seed_is_a_gathering_and_its_outcomes() {
    let [once, again, other] = [1, 1, 2].map(|seed| hold(&gathering(seed)));
    assert_eq!(outcomes(&once), outcomes(&again));
    assert_ne!(outcomes(&once), outcomes(&other));
    assert!(once.values().any(|ending| matches!(ending, Ending::Agreed(..))));
}

#[test]
fn strategies_are_ranked_by_what_they_got() {
    let gathering = gathering(1);
    let standing = ranked(&gathering, &hold(&gathering));
    let seats: usize = gathering.meetings.iter().map(|meeting| meeting.seats.len()).sum();
    assert_eq!(standing.iter().map(|row| row.seats).sum::<u64>(), seats as u64);
    assert!(standing.is_sorted_by(|a, b| a.utility_ppm >= b.utility_ppm));
    assert!(standing.iter().all(|row| (0..=1_000_000).contains(&row.agreed_ppm) && row.from_front_ppm >= 0));
    assert!(standing.iter().any(|row| row.manner == Manner::Nash));
}

#[test]
fn what_is_wrong_with_a_scenario_is_named() {
    for (from, to, at) in [
        ("parties = [2, 3]", "parties = [1, 3]", "negotiation.parties"),
        ("parties = [2, 3]", "parties = [2, 7]", "negotiation.parties"),
        ("rounds = [5, 20]", "rounds = [5, 4]", "negotiation.rounds"),
        ("at_once = 2", "at_once = 0", "negotiation.at_once"),
        ("within_ms = 1_000", "within_ms = 0", "negotiation.within_ms"),
    ] {
        let error = Scenario::parse(&TEXT.replace(from, to)).unwrap_err();
        assert!(matches!(&error, ScenarioError::Field { field, .. } if field == at), "{to}: {error}");
    }
    let unknown = Scenario::parse(&TEXT.replace("\"linear\"", "\"lazy\"")).unwrap_err();
    assert!(matches!(unknown, ScenarioError::Syntax(_)));
}
