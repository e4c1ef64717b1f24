//! What verdicts come to.

use proptest::prelude::*;
use schemas::id::{AgentId, JobId, MoveId};

use super::{agent, id};
use crate::panel::{Case, Outcome, Panel, Verdict};

fn verifiers(count: usize) -> Vec<AgentId> {
    (0..count).map(|n| agent(&format!("v{n:02}"))).collect()
}

fn with_case<T>(count: usize, see: impl FnOnce(Case<'_>) -> T) -> T {
    let (job, task, verifiers) = (JobId::of(&agent("boss"), &MoveId::parse("m").unwrap()), id("t"), verifiers(count));
    see(Case { job: &job, task: &task, round: 1, doer: &agent("v00"), verifiers: &verifiers })
}

#[test]
fn the_doer_is_never_asked_and_another_round_asks_others() {
    with_case(20, |case| {
        let all = case.next(100, &Panel::new());
        assert_eq!(all.len(), 19);
        assert!(!all.contains(&agent("v00")));
        let other = Case { round: 2, ..case };
        assert_ne!(case.next(5, &Panel::new()), other.next(5, &Panel::new()));
    });
}

proptest! {
    /// Honest verifiers decide as soon as they lead, whatever a minority says; nobody is asked twice.
    #[test]
    fn an_honest_majority_finds_the_truth(verdicts in prop::collection::vec(0..4_usize, 30), lead in 1..4_u32, truth in any::<bool>()) {
        with_case(31, |case| {
            let mut panel: Panel = case.next(usize::try_from(lead).unwrap(), &Panel::new()).into_iter().map(|a| (a, Verdict::Awaited)).collect();
            let mut said = verdicts.iter();
            let (mut lies, mut truths) = (0_usize, 0_usize);
            loop {
                match case.outcome(&panel, lead) {
                    Outcome::Right => { let more = if truth { truths > lies } else { lies > truths }; prop_assert!(more); break }
                    Outcome::Wrong => { let more = if truth { lies > truths } else { truths > lies }; prop_assert!(more); break }
                    Outcome::Widen(more) => for agent in more {
                        prop_assert!(panel.insert(agent, Verdict::Awaited).is_none());
                    },
                    Outcome::Split => {
                        let left = case.next(31, &panel).len() + panel.values().filter(|v| **v == Verdict::Awaited).count();
                        let apart = usize::abs_diff(truths, lies);
                        prop_assert!(apart + left < usize::try_from(lead).unwrap(), "they could still decide");
                        break }
                    Outcome::Open => {
                        let next = panel.iter().find(|(_, v)| **v == Verdict::Awaited).map(|(agent, _)| agent.clone());
                        // One in four lies, one in four says nothing.
                        let verdict = match (said.next(), truth) {
                            (Some(0), _) => Verdict::Silent,
                            (Some(1), truth) => { lies += 1; if truth { Verdict::Wrong } else { Verdict::Right } }
                            (_, truth) => { truths += 1; if truth { Verdict::Right } else { Verdict::Wrong } }
                        };
                        panel.insert(next.unwrap(), verdict);
                    }
                }
            }
            Ok(())
        })?;
    }
}
