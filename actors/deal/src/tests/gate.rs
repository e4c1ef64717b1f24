//! At the gate: what passes, what does not, and that nothing passes twice.

use schemas::core::Effect;
use schemas::deal::{ClaimKind, Holding};
use schemas::event::Fault;
use schemas::kernel::{Finding, Kernel, Unsound};
use schemas::limit::MAX_DEAL_EVIDENCE_BYTES;
use schemas::value::{Bounds, UnitCost, UnitValue};

use super::*;
use crate::gate::{ASK_AGAIN_MS, Judged, PROVE_WITHIN_MS, Proving, Rule};

/// Believes `proved:` and the claim's hash, `refuted:` and the claim's hash, `vacuous:` and the claim's hash.
pub(super) struct Believer;

impl Kernel for Believer {
    fn check(&self, claim: &[u8], evidence: &[u8]) -> Result<Finding, Unsound> {
        let hash = Hash::of(claim).to_string();
        match std::str::from_utf8(evidence).unwrap_or_default().split_once(':') {
            Some((_, other)) if other != hash => Err(Unsound("it is of another claim".into())),
            Some(("proved", _)) => Ok(Finding::Proved { vacuous: false }),
            Some(("vacuous", _)) => Ok(Finding::Proved { vacuous: true }),
            Some(("refuted", _)) => Ok(Finding::Refuted),
            _ => Err(Unsound("rubbish".into())),
        }
    }
}

fn says(word: &str, claim: Hash) -> Vec<u8> {
    format!("{word}:{claim}").into_bytes()
}

impl World {
    /// Opens the ring with claims required, and lets every party accept, with or without saying what it holds.
    fn agree_on_claims(&mut self, requires: Vec<ClaimKind>, holds: Option<i64>) {
        let terms = ring();
        let Move::Open(open) = self.opening(Profile::Ring, &terms) else { panic!() };
        self.send("maker", DealVerb::Open, &Move::Open(Open { requires, ..open })).unwrap();
        for party in &terms.parties {
            let Move::Accept(accept) = self.acceptance(&terms) else { panic!() };
            let price = |n: i64| Bounds::exactly(schemas::Rational::whole(n));
            let given = terms.transfers.iter().filter(|t| t.from == *party).map(|t| &t.good);
            let received = terms.transfers.iter().filter(|t| t.to == *party).map(|t| &t.good);
            let valuation = Valuation {
                values: received
                    .map(|good| UnitValue { good: good.clone(), value: Some(price(30)), dimensions: None })
                    .collect(),
                costs: given.clone().map(|good| UnitCost { good: good.clone(), cost: price(1) }).collect(),
                ..Valuation::default()
            };
            let holdings = given.filter_map(|good| Some(Holding { good: good.clone(), quantity: holds? })).collect();
            self.send(party.as_str(), DealVerb::Accept, &Move::Accept(Accept { valuation, holdings, ..accept }))
                .unwrap();
        }
    }

    /// What the desk asked the provers last, and until when.
    fn asked(&self) -> (Proving, i64) {
        let asked = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Prove { claims, head, until_unix_ms } => Some((Proving::of(*head, claims.clone()), *until_unix_ms)),
            _ => None,
        });
        asked.unwrap()
    }

    fn hear(&mut self, judged: Judged) -> State {
        let call = Call { now_unix_ms: self.now, ..Call::default() };
        self.decide(&Ask::Judged { deal: self.id.clone(), judged }, &call).unwrap()
    }

    fn ended(&self) -> (State, String, String) {
        let deal = self.deal.clone().unwrap();
        let (rule, reason) = deal.ended.unwrap();
        (deal.state, rule.unwrap_or_default(), reason)
    }
}

/// A ring that is agreed and waits at the gate.
fn at_gate() -> World {
    let mut world = World::new();
    world.agree_on_claims(vec![ClaimKind::WinWin, ClaimKind::Holdings], Some(100));
    assert_eq!(world.deal.as_ref().unwrap().state, State::Agreed);
    world
}

fn proved(mut proving: Proving) -> Judged {
    let open: Vec<Hash> = proving.open().map(|(claim, _)| claim).collect();
    for claim in open {
        assert_eq!(proving.take(&Believer, claim, &says("proved", claim)), Ok(Finding::Proved { vacuous: false }));
    }
    assert!(proving.is_over());
    proving.judged()
}

#[test]
fn a_deal_waits_until_all_is_proved_and_its_certificates_stand_in_the_log() {
    let mut world = at_gate();
    let claims = world.deal.as_ref().unwrap().claims().unwrap();
    let kinds: Vec<_> = claims.iter().map(|claim| claim.kind).collect();
    assert_eq!(kinds, [[ClaimKind::WinWin; 3], [ClaimKind::Holdings; 3]].concat());
    let (proving, until) = world.asked();
    assert_eq!(until, NOW + PROVE_WITHIN_MS);
    world.verify().unwrap();
    assert_eq!(world.hear(proved(proving)), State::Certified);
    let hashes: Vec<Hash> = claims.iter().map(|claim| claim.hash).collect();
    let stored: Vec<Hash> = world.deal.as_ref().unwrap().certificates.iter().map(|c| c.claim_hash).collect();
    assert_eq!(stored, hashes);
    world.commit();
    let verified = world.verify().unwrap();
    assert_eq!((verified.deal.state, verified.claims), (State::Committed, 6));
}

#[test]
fn what_a_party_must_prove_is_prepared_as_it_accepts_and_is_what_the_deal_then_asks_for() {
    let world = at_gate();
    let deal = world.deal.as_ref().unwrap();
    let prepared: Vec<(Vec<Hash>, i64)> = world
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Prepare { claims, until_unix_ms } => {
                Some((claims.iter().map(|claim| Hash::of(claim)).collect(), *until_unix_ms))
            }
            _ => None,
        })
        .collect();
    // The last one's claims are asked for with all the others.
    let expected: Vec<(Vec<Hash>, i64)> = deal.parties[..2]
        .iter()
        .map(|party| {
            let claims = deal.claims().unwrap().into_iter().filter(|claim| claim.party.as_ref() == Some(party));
            (claims.map(|claim| claim.hash).collect(), deal.expires_unix_ms)
        })
        .collect();
    assert_eq!(prepared, expected);
    assert!(prepared.iter().all(|(claims, _)| claims.len() == 2));
    let (proving, _) = world.asked();
    assert_eq!(proving.open().count(), 6, "what is prepared is asked for all the same");
}

#[test]
fn what_cannot_be_stated_is_told_when_all_have_accepted_and_prepares_nothing() {
    let mut world = World::new();
    world.agree_on_claims(vec![ClaimKind::Holdings], None);
    assert!(!world.effects.iter().any(|effect| matches!(effect, Effect::Prepare { .. } | Effect::Prove { .. })));
    assert_eq!(world.ended().1, Rule::Unraisable.as_str());
}

#[test]
fn what_requires_nothing_is_certified_at_once_and_asks_nobody() {
    let mut world = World::new();
    world.agree(&ring());
    assert_eq!(world.deal.as_ref().unwrap().state, State::Certified);
    assert!(!world.effects.iter().any(|effect| matches!(effect, Effect::Prove { .. } | Effect::Prepare { .. })));
}

#[test]
fn everything_that_is_no_proof_fails_closed_and_says_how() {
    type Answer = fn(&mut Proving, Hash);
    let cases: [(&str, Answer, Rule, &str); 7] = [
        ("rubbish", |p, claim| drop(p.take(&Believer, claim, b"\xff")), Rule::Unsound, "rubbish"),
        (
            "another's",
            |p, claim| drop(p.take(&Believer, claim, &says("proved", Hash::ZERO))),
            Rule::Unsound,
            "another claim",
        ),
        (
            "huge",
            |p, claim| drop(p.take(&Believer, claim, &vec![0; MAX_DEAL_EVIDENCE_BYTES + 1])),
            Rule::Unsound,
            "bytes",
        ),
        ("nobody's", |p, _| drop(p.take(&Believer, Hash::ZERO, b"")), Rule::Unsound, "nobody asked"),
        ("vacuous", |p, claim| drop(p.take(&Believer, claim, &says("vacuous", claim))), Rule::Unsound, "no values"),
        ("unknown", |p, claim| p.fell_short(Rule::Unknown, Some(claim), "too hard"), Rule::Unknown, "too hard"),
        ("silence", |_, _| {}, Rule::Unanswered, "nobody answered"),
    ];
    for (case, answer, rule, words) in cases {
        let mut world = at_gate();
        let (mut proving, _) = world.asked();
        // All but one are proved.
        let open: Vec<Hash> = proving.open().map(|(claim, _)| claim).collect();
        let (last, others) = open.split_last().unwrap();
        for claim in others {
            proving.take(&Believer, *claim, &says("proved", *claim)).unwrap();
        }
        answer(&mut proving, *last);
        assert!(!proving.is_over(), "{case}");
        assert_eq!(world.hear(proving.judged()), State::Refused, "{case}");
        let (_, word, reason) = world.ended();
        assert!(word == rule.as_str() && reason.contains(words), "{case}: {word}: {reason}");
        assert!(world.deal.as_ref().unwrap().certificates.is_empty());
        world.verify().unwrap_or_else(|broken| panic!("{case}: {broken}"));
        // The parties hear of it.
        let notes = world.effects.iter().filter(|effect| matches!(effect, Effect::Note { .. })).count();
        assert!(notes >= 3, "{case}");
    }
}

#[test]
fn a_counterexample_ends_it_and_is_kept() {
    let mut world = at_gate();
    let (mut proving, _) = world.asked();
    let claim = world.deal.as_ref().unwrap().claims().unwrap()[1].hash;
    assert_eq!(proving.take(&Believer, claim, &says("refuted", claim)), Ok(Finding::Refuted));
    assert!(proving.is_over(), "though others are open");
    assert_eq!(world.hear(proving.judged()), State::Refused);
    let (_, rule, reason) = world.ended();
    assert_eq!(rule, Rule::Refuted.as_str());
    assert!(reason.starts_with("win_win of ghana: "), "{reason}");
    let last = Entry::read(&world.log.last().unwrap().body).unwrap();
    assert!(matches!(last.event.what, Happening::Refused { evidence: Some(e), .. } if e.claim_hash == claim));
    assert_eq!(world.verify().unwrap().claims, 1);
}

#[test]
fn an_answer_counts_once_and_for_the_state_that_it_was_asked_of() {
    let mut world = at_gate();
    let (proving, _) = world.asked();
    let stale = Proving::of(Hash::ZERO, proving.open().map(|(_, claim)| claim.to_vec()).collect());
    assert_eq!(world.hear(proved(stale)), State::Agreed, "asked of another log");
    let other = proving.clone();
    assert_eq!(world.hear(proved(proving)), State::Certified);
    let entries = world.log.len();
    assert_eq!(world.hear(other.judged()), State::Certified, "another desk's answer comes too late");
    assert_eq!(world.log.len(), entries);
}

#[test]
fn a_desk_that_died_at_the_gate_is_followed_by_another_or_by_time() {
    let mut world = at_gate();
    let timers = |world: &World| -> Vec<i64> {
        world
            .effects
            .iter()
            .filter_map(|e| if let Effect::Timer { at_unix_ms } = e { Some(*at_unix_ms) } else { None })
            .collect()
    };
    assert!(timers(&world).contains(&(NOW + ASK_AGAIN_MS)));
    world.effects.clear();
    let entries = world.log.len();
    assert_eq!(world.time_is(NOW + ASK_AGAIN_MS), State::Agreed);
    assert_eq!(world.log.len(), entries, "to ask again is no event");
    let (again, until) = world.asked();
    assert_eq!((until, timers(&world)), (NOW + PROVE_WITHIN_MS, vec![NOW + 2 * ASK_AGAIN_MS]));
    let mut other = World { now: world.now, ..at_gate() };
    other.time_is(NOW + PROVE_WITHIN_MS - 1);
    assert_eq!(other.time_is(NOW + PROVE_WITHIN_MS), State::Refused);
    assert_eq!(other.ended().1, Rule::Unanswered.as_str());
    other.verify().unwrap();
    assert_eq!(world.hear(proved(again)), State::Certified);
    world.verify().unwrap();
}

#[test]
fn a_deal_never_waits_beyond_its_expiry_and_nothing_is_certified_late() {
    let mut world = World::new();
    world.now = EXPIRES - 1_000;
    world.agree_on_claims(vec![ClaimKind::WinWin], None);
    let (proving, until) = world.asked();
    assert_eq!(until, EXPIRES);
    world.now = EXPIRES;
    assert_eq!(world.hear(proved(proving)), State::Refused, "proved, but too late");
    world.verify().unwrap();
}

#[test]
fn a_claim_that_the_acceptances_do_not_state_is_refused_at_once() {
    let mut world = World::new();
    world.agree_on_claims(vec![ClaimKind::Holdings], None);
    let (state, rule, reason) = world.ended();
    assert_eq!((state, rule.as_str()), (State::Refused, Rule::Unraisable.as_str()), "{reason}");
    assert!(!world.effects.iter().any(|effect| matches!(effect, Effect::Prove { .. })));
    world.verify().unwrap();
}

#[test]
fn a_certificate_that_does_not_prove_what_the_terms_raise_breaks_the_log_and_is_named() {
    let certified = |change: fn(&mut Vec<schemas::event::Evidence>)| {
        let mut world = at_gate();
        let (proving, _) = world.asked();
        world.hear(proved(proving));
        let entry = Entry::read(&world.log.pop().unwrap().body).unwrap();
        let Happening::Certified { opener, book, terms, acceptances, mut certificates } = entry.event.what else {
            panic!()
        };
        change(&mut certificates);
        let what = Happening::Certified { opener, book, terms, acceptances, certificates };
        world.write(DESK, Entry::write(DealEvent { what, ..entry.event }));
        world.verify().unwrap_err()
    };
    let broken = certified(|c| c[1].certificate = b"rubbish".to_vec());
    assert!(broken.to_string().contains("win_win of ghana: rubbish"), "{broken}");
    let broken = certified(|c| c[4].claim_hash = Hash::ZERO);
    assert!(matches!(&broken.fault, Fault::Evidence { reason, .. } if reason.contains("no such claim")), "{broken}");
    let broken = certified(|c| drop(c.pop()));
    assert!(broken.to_string().contains("holdings of kenya: there is no certificate"), "{broken}");
    let broken = certified(|c| c.push(c[0].clone()));
    assert!(matches!(broken.fault, Fault::Rules(_)), "{broken}");
    let broken = certified(|c| c.swap(0, 1));
    assert!(matches!(broken.fault, Fault::Rules(_)), "{broken}");
    let broken = certified(Vec::clear);
    assert!(broken.to_string().contains("win_win of egypt: there is no certificate"), "{broken}");
}

#[test]
fn a_commit_with_other_certificates_than_certified_breaks_the_log() {
    let mut world = at_gate();
    let (proving, _) = world.asked();
    world.hear(proved(proving));
    let last = Entry::read(&world.log.last().unwrap().body).unwrap();
    let Happening::Certified { book, terms, acceptances, .. } = last.event.what else { panic!() };
    world.ledger(Happening::Committed { book, terms, acceptances, certificates: Vec::new() });
    assert!(world.verify().unwrap_err().to_string().contains("certificates"));
}

#[test]
fn a_refusal_at_the_gate_names_a_rule_of_the_gate() {
    for (rule, evidence) in [("no_reason", None), ("claim_refuted", None)] {
        let mut world = at_gate();
        let (turn, prev) = world.deal.as_ref().map(|deal| (deal.turns, deal.head)).unwrap();
        let what = Happening::Refused { rule: rule.into(), reason: String::new(), evidence, party: None };
        let event = DealEvent { deal: world.id.clone(), turn, prev, at_unix_ms: NOW, what, cause: None, trace: None };
        world.write(DESK, Entry::write(event));
        assert!(matches!(world.verify().unwrap_err().fault, Fault::Rules(_)), "{rule}");
    }
}
