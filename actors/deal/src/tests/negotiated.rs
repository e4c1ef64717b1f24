//! Deals whose terms come of a negotiation: opening, agreement, ending.

use schemas::body::encode;
use schemas::deal::{Accept, Delivery, Move, Open, Propose, Reject, Terms};
use schemas::error::{Code, ErrorReply};
use schemas::event::{Fault, Happening};
use schemas::hash::Hash;
use schemas::id::{AgentId, DealId};
use schemas::negotiation::{
    Agreement, Alternating, ContractNet, Domain, Issue, IteratedContractNet, Pattern, Rules, ScoreWeight, SingleText,
    Transcript,
};
use schemas::profile::{Profile, State};
use schemas::quantity::Quantity;
use schemas::subject::DealVerb;
use schemas::value::Valuation;
use terms::terms_of;

use super::{DUE, EXPIRES, NOW, World, agent};

/// Tea, 0 to 9 of it, for as many dollars each as the price says.
fn domain() -> Domain {
    let issue = |name: &str, least| Issue {
        name: name.parse().unwrap(),
        least,
        step: Quantity::ONE,
        count: 10,
        labels: Vec::new(),
    };
    let pattern = |from, to, good: &str, times: &[&str]| Pattern {
        from,
        to,
        goods: vec![good.parse().unwrap()],
        good_by: None,
        factor: Quantity::ONE,
        times: times.iter().map(|name| name.parse().unwrap()).collect(),
        due_unix_ms: DUE,
        due_by: None,
    };
    Domain {
        issues: vec![issue("quantity", 0), issue("price", 1)],
        transfers: vec![pattern(0, 1, "tea", &["quantity"]), pattern(1, 0, "usd", &["quantity", "price"])],
        delivery: Delivery::Confirmed,
    }
}

fn alternating() -> Alternating {
    let order = vec![agent("kenya"), agent("ghana")];
    Alternating { domain: domain(), order, rounds: 10, talk_until_unix_ms: EXPIRES - 1 }
}

fn contract_net() -> ContractNet {
    let score = vec![ScoreWeight { issue: "price".parse().unwrap(), weight: -1 }];
    ContractNet { domain: domain(), manager: agent("kenya"), bids_until_unix_ms: EXPIRES - 1, score }
}

fn iterated() -> IteratedContractNet {
    let (bids_until_unix_ms, round_ms) = (EXPIRES - 10_000, 5_000);
    IteratedContractNet { bids_until_unix_ms, round_ms, rounds: 3, keep: 2, ..contract_net().into() }
}

/// Kenya mediates between Egypt and Ghana.
fn single_text() -> SingleText {
    let order = vec![agent("ghana"), agent("egypt")];
    let (mediator, talk_until_unix_ms) = (agent("kenya"), EXPIRES - 1);
    SingleText { domain: domain(), order, mediator, seed: 1, rounds: 4, talk_until_unix_ms }
}

fn said(last: &[u8]) -> Transcript {
    Transcript { head: Hash::of(last), length: 4 }
}

/// The terms that an outcome makes for these seats.
fn made(seats: [&str; 2], outcome: &[u32]) -> Terms {
    terms_of(&domain(), &seats.map(agent), &"africa".parse().unwrap(), EXPIRES, outcome).unwrap()
}

struct Table(World);

impl Table {
    fn new() -> Self {
        let mut world = World::new();
        world.id = DealId::of(&agent("kenya"), &"m0".parse().unwrap());
        Self(world)
    }

    fn open(&mut self, profile: Profile, parties: &[&str], rules: Option<Vec<u8>>) -> Result<State, ErrorReply> {
        self.open_with(profile, parties, rules, |_| ())
    }

    fn open_with(
        &mut self,
        profile: Profile,
        parties: &[&str],
        rules: Option<Vec<u8>>,
        change: fn(&mut Open),
    ) -> Result<State, ErrorReply> {
        let parties: Vec<AgentId> = parties.iter().map(|name| agent(name)).collect();
        let mut open = Open {
            move_id: self.0.next_id(),
            deadline_unix_ms: NOW + 5_000,
            book: "africa".parse().unwrap(),
            profile,
            parties,
            expires_unix_ms: EXPIRES,
            terms: None,
            requires: Vec::new(),
            rules,
        };
        change(&mut open);
        self.0.send("kenya", DealVerb::Open, &Move::Open(open))
    }

    fn talks() -> Self {
        let mut table = Self::new();
        let rules = Rules::Alternating(alternating()).encode();
        assert_eq!(table.open(Profile::Sao, &["ghana", "kenya"], Some(rules)).unwrap(), State::Open);
        table
    }

    fn calls() -> Self {
        Self::calls_by(Profile::Cnp, &Rules::ContractNet(contract_net()))
    }

    fn calls_by(profile: Profile, rules: &Rules) -> Self {
        let mut table = Self::new();
        let opened = table.open(profile, &["egypt", "ghana", "kenya"], Some(rules.encode()));
        assert_eq!(opened.unwrap(), State::Open);
        table
    }

    fn mediated() -> Self {
        let mut table = Self::new();
        let rules = Rules::SingleText(single_text()).encode();
        assert_eq!(table.open(Profile::Stx, &["egypt", "ghana"], Some(rules)).unwrap(), State::Open);
        table
    }

    fn propose(&mut self, by: &str, terms: &Terms, agreement: Option<Agreement>) -> Result<State, ErrorReply> {
        let propose = Propose {
            move_id: self.0.next_id(),
            deadline_unix_ms: NOW + 5_000,
            deal: self.0.id.clone(),
            terms: encode(terms),
            agreement,
        };
        self.0.send(by, DealVerb::Propose, &Move::Propose(propose))
    }

    fn accept(&mut self, by: &str, terms: &Terms, transcript: Option<Transcript>) -> Result<State, ErrorReply> {
        let accept = Accept {
            move_id: self.0.next_id(),
            deadline_unix_ms: NOW + 5_000,
            deal: self.0.id.clone(),
            terms_hash: Hash::of(&encode(terms)),
            valuation: Valuation::default(),
            holdings: Vec::new(),
            transcript,
        };
        self.0.send(by, DealVerb::Accept, &Move::Accept(accept))
    }
}

fn on(outcome: &[u32], transcript: Transcript) -> Option<Agreement> {
    Some(Agreement { outcome: outcome.to_vec(), transcript })
}

fn refused(outcome: Result<State, ErrorReply>) -> String {
    outcome.unwrap_err().rule.unwrap_or_default()
}

#[test]
fn two_agree_and_both_sign_the_same_transcript() {
    let mut table = Table::talks();
    let terms = made(["kenya", "ghana"], &[3, 4]);
    // Whoever is first proposes what all have accepted, not only who opened.
    assert_eq!(table.propose("ghana", &terms, on(&[3, 4], said(b"yes"))).unwrap(), State::Negotiating);
    assert_eq!(table.accept("kenya", &terms, Some(said(b"yes"))).unwrap(), State::Negotiating);
    assert_eq!(table.accept("ghana", &terms, Some(said(b"yes"))).unwrap(), State::Certified);
    table.0.commit();
    let verified = table.0.verify().unwrap();
    assert_eq!(verified.deal.table.unwrap().transcript, Some(said(b"yes")));
    assert_eq!(verified.deal.rules.unwrap().rules, Rules::Alternating(alternating()));
}

#[test]
fn another_head_or_none_is_refused_by_rule() {
    let mut table = Table::talks();
    let terms = made(["kenya", "ghana"], &[3, 4]);
    assert_eq!(refused(table.propose("ghana", &terms, None)), "no_transcript");
    let short = Transcript { length: 1, ..said(b"yes") };
    assert_eq!(refused(table.propose("ghana", &terms, on(&[3, 4], short))), "short_transcript");
    table.propose("ghana", &terms, on(&[3, 4], said(b"yes"))).unwrap();
    assert_eq!(refused(table.accept("kenya", &terms, None)), "no_transcript");
    assert_eq!(refused(table.accept("kenya", &terms, Some(said(b"no")))), "other_transcript");
    let longer = Transcript { length: 5, ..said(b"yes") };
    assert_eq!(refused(table.accept("kenya", &terms, Some(longer))), "other_transcript");
    assert_eq!(table.0.deal.as_ref().unwrap().accepted.len(), 0);
}

#[test]
fn only_what_an_outcome_makes_can_be_proposed() {
    let mut table = Table::talks();
    let terms = made(["kenya", "ghana"], &[3, 4]);
    let agreed = |outcome: &[u32]| on(outcome, said(b"yes"));
    assert_eq!(refused(table.propose("kenya", &terms, agreed(&[3, 5]))), "not_the_outcome");
    assert_eq!(refused(table.propose("kenya", &terms, agreed(&[3, 10]))), "outside_domain");
    assert_eq!(refused(table.propose("kenya", &terms, agreed(&[0, 0]))), "unsound_outcome");
    let mut cheaper = terms.clone();
    cheaper.transfers[1].quantity = Quantity::ONE;
    assert_eq!(refused(table.propose("kenya", &cheaper, agreed(&[3, 4]))), "not_the_outcome");
    let swapped = made(["ghana", "kenya"], &[3, 4]);
    assert_eq!(refused(table.propose("kenya", &swapped, agreed(&[3, 4]))), "not_the_outcome");
    let error = table.propose("egypt", &terms, agreed(&[3, 4])).unwrap_err();
    assert_eq!(error.kind(), Code::Forbidden);
}

#[test]
fn a_talk_that_comes_to_nothing_ends_the_deal() {
    let mut table = Table::talks();
    let reject = Move::Reject(Reject {
        move_id: table.0.next_id(),
        deadline_unix_ms: NOW + 5_000,
        deal: table.0.id.clone(),
        terms_hash: None,
        reason: "no round left".into(),
        transcript: Some(said(b"last")),
    });
    assert_eq!(table.0.send("ghana", DealVerb::Reject, &reject).unwrap(), State::Rejected);
    table.0.verify().unwrap();

    let mut silent = Table::talks();
    assert_eq!(silent.0.time_is(EXPIRES), State::Expired);
    silent.0.verify().unwrap();
}

#[test]
fn openings_without_sound_rules_are_refused() {
    let sao = || Rules::Alternating(alternating()).encode();
    let cnp = |change: fn(&mut ContractNet)| {
        let mut rules = contract_net();
        change(&mut rules);
        Some(Rules::ContractNet(rules).encode())
    };
    let with = |change: fn(&mut Alternating)| {
        let mut rules = alternating();
        change(&mut rules);
        Some(Rules::Alternating(rules).encode())
    };
    let icnp = |change: fn(&mut IteratedContractNet)| {
        let mut rules = iterated();
        change(&mut rules);
        Some(Rules::Iterated(rules).encode())
    };
    let stx = |change: fn(&mut SingleText)| {
        let mut rules = single_text();
        change(&mut rules);
        Some(Rules::SingleText(rules).encode())
    };
    // Between those who are the deal's parties here.
    let seated = |change: fn(&mut SingleText)| {
        let mut rules = single_text();
        rules.order = vec![agent("ghana"), agent("kenya")];
        change(&mut rules);
        Some(Rules::SingleText(rules).encode())
    };
    let cases = [
        (Profile::Sao, None, Code::Refused, "rules"),
        (Profile::Cnp, None, Code::Refused, "rules"),
        (Profile::Fixed, Some(sao()), Code::Refused, "rules"),
        (Profile::Cnp, Some(sao()), Code::BadMessage, "rules.type"),
        (Profile::Sao, Some(vec![0x80]), Code::BadMessage, "rules.type"),
        (Profile::Sao, with(|rules| rules.rounds = 0), Code::BadMessage, "rules.rounds"),
        (Profile::Sao, with(|rules| rules.order[0] = agent("egypt")), Code::BadMessage, "rules.order"),
        (Profile::Sao, with(|rules| rules.talk_until_unix_ms = NOW), Code::Late, "rules"),
        (Profile::Sao, with(|rules| rules.talk_until_unix_ms = EXPIRES + 1), Code::BadMessage, "rules"),
        (
            Profile::Sao,
            with(|rules| rules.domain.transfers[1].due_unix_ms = EXPIRES - 1),
            Code::BadMessage,
            "rules.domain.transfers[1].due_unix_ms",
        ),
        (Profile::Cnp, cnp(|rules| rules.manager = agent("ghana")), Code::BadMessage, "rules.manager"),
        (Profile::Icnp, cnp(|_| ()), Code::BadMessage, "rules.type"),
        (Profile::Icnp, icnp(|rules| rules.manager = agent("ghana")), Code::BadMessage, "rules.manager"),
        (Profile::Icnp, icnp(|rules| rules.rounds = 4), Code::BadMessage, "rules"),
        (Profile::Icnp, icnp(|rules| rules.keep = 0), Code::BadMessage, "rules.keep"),
        (Profile::Stx, Some(sao()), Code::BadMessage, "rules.type"),
        (Profile::Stx, stx(|rules| rules.order[1] = agent("mali")), Code::BadMessage, "rules.order"),
        (Profile::Stx, stx(|rules| rules.order[1] = agent("kenya")), Code::BadMessage, "rules.mediator"),
        (Profile::Stx, seated(|rules| rules.mediator = agent("mali")), Code::BadMessage, "rules.mediator"),
    ];
    for (profile, rules, kind, field) in cases {
        let error = Table::new().open(profile, &["ghana", "kenya"], rules).unwrap_err();
        assert_eq!((error.kind(), error.field.as_deref()), (kind, Some(field)), "{profile}: {error}");
    }
    let terms = |open: &mut Open| open.terms = Some(encode(&made(["kenya", "ghana"], &[3, 4])));
    let error = Table::new().open_with(Profile::Sao, &["ghana", "kenya"], Some(sao()), terms).unwrap_err();
    assert_eq!((error.kind(), error.field.as_deref()), (Code::Refused, Some("terms")));
}

#[test]
fn a_contract_is_between_the_manager_and_whom_it_awards_to() {
    is_between_manager_and_awarded(Table::calls());
    is_between_manager_and_awarded(Table::calls_by(Profile::Icnp, &Rules::Iterated(iterated())));
}

fn is_between_manager_and_awarded(mut table: Table) {
    let terms = made(["kenya", "egypt"], &[5, 1]);
    let awarded = on(&[5, 1], said(b"award"));
    assert_eq!(refused(table.propose("egypt", &terms, awarded.clone())), "opener_proposes");
    let between_others = made(["ghana", "egypt"], &[5, 1]);
    assert!(table.propose("kenya", &between_others, awarded.clone()).is_err());
    let stranger = made(["kenya", "mali"], &[5, 1]);
    assert!(table.propose("kenya", &stranger, awarded.clone()).is_err());
    // Manager and contractor have their seats.
    let turned = made(["egypt", "kenya"], &[5, 1]);
    assert_eq!(refused(table.propose("kenya", &turned, awarded.clone())), "not_the_outcome");
    let short = on(&[5, 1], Transcript { length: 2, ..said(b"award") });
    assert_eq!(refused(table.propose("kenya", &terms, short)), "short_transcript");
    assert_eq!(table.propose("kenya", &terms, awarded).unwrap(), State::Negotiating);
    assert_eq!(table.accept("ghana", &terms, Some(said(b"award"))).unwrap_err().kind(), Code::Forbidden);
    assert_eq!(table.accept("kenya", &terms, Some(said(b"award"))).unwrap(), State::Negotiating);
    assert_eq!(table.accept("egypt", &terms, Some(said(b"award"))).unwrap(), State::Certified);
    table.0.commit();
    let deal = table.0.verify().unwrap().deal;
    assert_eq!((deal.state, deal.parties), (State::Committed, vec![agent("egypt"), agent("kenya")]));
}

#[test]
fn what_a_mediator_proposes_the_parties_sign_and_the_mediator_does_not() {
    let mut table = Table::mediated();
    let terms = made(["ghana", "egypt"], &[3, 4]);
    // Four rounds of a text and two votes, and the result.
    let whole = Transcript { length: 13, ..said(b"result") };
    let short = Transcript { length: 12, ..whole };
    assert_eq!(refused(table.propose("kenya", &terms, on(&[3, 4], short))), "short_transcript");
    assert_eq!(refused(table.propose("ghana", &terms, on(&[3, 4], whole))), "opener_proposes");
    let turned = made(["egypt", "ghana"], &[3, 4]);
    assert_eq!(refused(table.propose("kenya", &turned, on(&[3, 4], whole))), "not_the_outcome");
    assert_eq!(table.propose("kenya", &terms, on(&[3, 4], whole)).unwrap(), State::Negotiating);
    assert_eq!(table.accept("kenya", &terms, Some(whole)).unwrap_err().kind(), Code::Forbidden);
    assert_eq!(refused(table.accept("ghana", &terms, Some(short))), "other_transcript");
    table.accept("ghana", &terms, Some(whole)).unwrap();
    assert_eq!(table.accept("egypt", &terms, Some(whole)).unwrap(), State::Certified);
    table.0.commit();
    assert_eq!(table.0.verify().unwrap().deal.parties, ["egypt", "ghana"].map(agent));
}

#[test]
fn a_party_may_leave_while_the_text_is_voted_on() {
    let mut table = Table::mediated();
    let no = table.0.rejection();
    assert_eq!(table.0.send("ghana", DealVerb::Reject, &no).unwrap(), State::Rejected);
    table.0.verify().unwrap();
    let mut table = Table::mediated();
    let no = table.0.rejection();
    assert_eq!(table.0.send("kenya", DealVerb::Reject, &no).unwrap_err().kind(), Code::Forbidden);
    let withdrawal = table.0.withdrawal();
    assert_eq!(table.0.send("kenya", DealVerb::Withdraw, &withdrawal).unwrap(), State::Withdrawn);
    table.0.verify().unwrap();
}

#[test]
fn nobody_but_the_manager_ends_a_call() {
    let mut table = Table::calls();
    let no = table.0.rejection();
    assert_eq!(table.0.send("ghana", DealVerb::Reject, &no).unwrap_err().kind(), Code::Conflict);
    let withdrawal = table.0.withdrawal();
    assert_eq!(table.0.send("kenya", DealVerb::Withdraw, &withdrawal).unwrap(), State::Withdrawn);
    table.0.verify().unwrap();
}

#[test]
fn a_log_whose_acceptance_signs_another_head_does_not_verify() {
    let agreed = |head: &[u8]| {
        let mut table = Table::talks();
        let terms = made(["kenya", "ghana"], &[3, 4]);
        table.propose("ghana", &terms, on(&[3, 4], said(head))).unwrap();
        table.accept("kenya", &terms, Some(said(head))).unwrap();
        table
    };
    let mut honest = agreed(b"yes");
    honest.0.verify().unwrap();
    // A desk that takes an acceptance of another talk writes what its rules don't give.
    let forged = {
        let mut other = agreed(b"yes");
        let terms = made(["kenya", "ghana"], &[3, 4]);
        let accept = Accept {
            move_id: "m9".parse().unwrap(),
            deadline_unix_ms: NOW + 5_000,
            deal: other.0.id.clone(),
            terms_hash: Hash::of(&encode(&terms)),
            valuation: Valuation::default(),
            holdings: Vec::new(),
            transcript: Some(said(b"another talk")),
        };
        let subject = schemas::subject::deal_move(DealVerb::Accept, &agent("ghana"), &other.0.id);
        let signed = other.0.signed("ghana", &subject, encode(&accept));
        let what = Happening::Accepted { by: agent("ghana"), terms_hash: Hash::of(&encode(&terms)), last: true };
        other.0.desk(what, signed);
        other
    };
    honest.accept("ghana", &made(["kenya", "ghana"], &[3, 4]), Some(said(b"yes"))).unwrap();
    honest.0.verify().unwrap();
    let broken = forged.0.verify().unwrap_err();
    assert!(matches!(broken.fault, Fault::Rules(_)), "{broken}");
    assert_eq!(broken.turn, 3);
}
