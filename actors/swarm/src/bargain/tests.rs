//! Scenarios of negotiations, without a bus.

use std::collections::BTreeMap;

use negotiation::hold;
use schemas::Hash;
use schemas::negotiation::ReadRules;
use schemas::profile::Profile;

use super::python::configuration;
use super::run::Spec;
use super::scenario::Scenario;
use super::standing::{Ending, outcomes, ranked};
use super::{Gathering, Manner};
use crate::scenario::ScenarioError;

const FEW: &str = include_str!("fixtures/few.toml");
const KINDS: &str = include_str!("fixtures/kinds.toml");

fn gathering(text: &str, seed: u64) -> Gathering {
    Scenario::parse(text).unwrap().gathering(seed).unwrap()
}

/// Holds every meeting in this process.
fn held(gathering: &Gathering) -> BTreeMap<schemas::DealId, Ending> {
    let mut endings = BTreeMap::new();
    for meeting in &gathering.meetings {
        let (rules, _) = meeting.rules(0).unwrap();
        let rules = ReadRules { hash: Hash::of(&rules.encode()), rules };
        let part = |who: &schemas::AgentId| (who.clone(), meeting.part(who, rules.clone()).unwrap());
        let mut room: Vec<_> = meeting.everybody().map(part).collect();
        hold(&mut room, 0).unwrap();
        let (_, closer) = room.iter().find(|(_, part)| part.closes()).unwrap();
        let told = closer.told().unwrap();
        let words = told.transcript.length;
        let is_wanted = room.iter().filter(|(who, _)| told.between.contains(who)).all(|(_, part)| part.wants());
        let mut between = told.between;
        between.sort();
        let agreed = told.outcome.filter(|_| is_wanted);
        let ending = agreed.map_or(Ending::Without(words), |outcome| Ending::Agreed { outcome, words, between });
        endings.insert(meeting.deal.clone(), ending);
    }
    endings
}

#[test]
fn a_seed_is_a_gathering_and_its_outcomes() {
    let [once, again, other] = [1, 1, 2].map(|seed| held(&gathering(FEW, seed)));
    assert_eq!(outcomes(&once), outcomes(&again));
    assert_ne!(outcomes(&once), outcomes(&other));
    assert!(once.values().any(|ending| matches!(ending, Ending::Agreed { .. })));
}

#[test]
fn meetings_of_all_kinds_come_to_the_same_again() {
    let drawn = gathering(KINDS, 1);
    let endings = held(&drawn);
    assert_eq!(outcomes(&endings), outcomes(&held(&gathering(KINDS, 1))));
    let standing = ranked(&drawn, &endings);
    for profile in [Profile::Sao, Profile::Cnp, Profile::Icnp, Profile::Stx] {
        let of = |meeting: &&std::sync::Arc<super::Meeting>| meeting.profile() == profile;
        let agreed = |meeting: &std::sync::Arc<super::Meeting>| match &endings[&meeting.deal] {
            Ending::Agreed { between, .. } => {
                let is_net = matches!(profile, Profile::Cnp | Profile::Icnp);
                assert_eq!(between.len(), if is_net { 2 } else { meeting.seats.len() });
                1
            }
            Ending::Without(_) => 0,
        };
        assert!(drawn.meetings.iter().filter(of).map(agreed).sum::<usize>() > 1, "{profile}");
        assert!(standing.iter().any(|row| row.protocol == profile));
    }
    let managers = standing.iter().find(|row| row.protocol == Profile::Cnp && row.manner == Manner::Manager).unwrap();
    assert!(managers.utility_ppm > 0);
    assert!(standing.is_sorted_by_key(|row| (row.protocol, std::cmp::Reverse(row.utility_ppm))));
}

#[test]
fn a_host_in_python_is_told_what_its_agents_take_part_in() {
    let gathering = gathering(KINDS, 1);
    let carried: Vec<_> = gathering.agents.iter().take(1).cloned().collect();
    let spec = Spec { seed: 1, seconds: 1, servers: Vec::new(), context: None };
    let told = configuration(&gathering, &carried, &spec);
    let told = told["bargain"]["meetings"].as_array().unwrap();
    let own = gathering.meetings.iter().filter(|meeting| meeting.everybody().any(|who| *who == carried[0].0));
    let own: Vec<_> = own.collect();
    assert_eq!(told.len(), own.len());
    for (told, meeting) in told.iter().zip(own) {
        let protocol = &told["protocol"];
        assert_eq!(protocol["type"], meeting.profile().to_string());
        let mediates = protocol["mediator"] == carried[0].0.as_str();
        assert_eq!(told["seats"].as_array().unwrap().len(), usize::from(!mediates));
        assert_eq!(protocol["score"].is_array(), matches!(meeting.profile(), Profile::Cnp | Profile::Icnp));
    }
}

#[test]
fn strategies_are_ranked_by_what_they_got() {
    let gathering = gathering(FEW, 1);
    let standing = ranked(&gathering, &held(&gathering));
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
        ("parties = [2, 3]", "parties = [2, 13]", "negotiation.parties"),
        ("rounds = [5, 20]", "rounds = [5, 4]", "negotiation.rounds"),
        ("at_once = 2", "at_once = 0", "negotiation.at_once"),
        ("within_ms = 30_000", "within_ms = 0", "negotiation.within_ms"),
        ("at_once = 2", "at_once = 2\nprotocols = []", "negotiation.protocols"),
        ("at_once = 2", "at_once = 2\nprotocols = [\"ring/1\"]", "negotiation.protocols"),
        ("at_once = 2", "at_once = 2\nprotocols = [\"cnp/1\"]", "negotiation.bidders"),
        ("at_once = 2", "at_once = 2\nprotocols = [\"stx/1\"]", "negotiation.voters"),
        ("at_once = 2", "at_once = 2\nvoters = [\"linear\"]", "negotiation.voters"),
        (
            "agents = 12\npython = 4",
            "agents = 3\nprotocols = [\"stx/1\"]\nvoters = [\"annealer\"]",
            "negotiation.agents",
        ),
    ] {
        let error = Scenario::parse(&FEW.replace(from, to)).unwrap_err();
        assert!(matches!(&error, ScenarioError::Field { field, .. } if field == at), "{to}: {error}");
    }
    let unknown = Scenario::parse(&FEW.replace("\"linear\"", "\"lazy\"")).unwrap_err();
    assert!(matches!(unknown, ScenarioError::Syntax(_)));
}
