//! A market from the first intent to the last commit, with a stand-in for the solver.

use proptest::prelude::*;
use schemas::body::encode;
use schemas::clearing::{LeftOutOffer, Ring};
use schemas::event::Happening;
use schemas::market::{Alternative, Give, IntentWithdrawn, Want};
use schemas::signature::Signer;

use super::*;
use crate::fixtures::{NOW, Story, agent, bazaar, cleared, either, give, intent, limits, market, ring, signer, want};
use crate::maker::books::Books;

mod laws;

/// A market with its log, and a hand that signs for everyone.
struct Room {
    books: Books,
    sequence: u64,
    now_unix_ms: i64,
    stories: BTreeMap<DealId, Story>,
}

impl Room {
    fn new() -> Self {
        let mut books = Books::new(agent("maker"));
        assert!(books.declare(market()).is_empty());
        Self { books, sequence: 10, now_unix_ms: NOW, stories: BTreeMap::new() }
    }

    fn book(&mut self) -> &mut Book {
        self.books.book(&bazaar())
    }

    /// Says something on an agent's subject, a second later than whatever was said before.
    fn says(&mut self, id: &str, body: &[u8], life_ms: Option<i64>) -> Result<u64, (Because, Refused)> {
        self.sequence += 1;
        self.now_unix_ms += 1_000;
        let signer: Signer = signer(id);
        let header = signer.sign("a.b", body, self.now_unix_ms, &format!("n{}", self.sequence)).unwrap();
        let heard = Heard {
            agent: agent(id),
            sequence: self.sequence,
            sender: Ok(Sender::parse(&header).unwrap()),
            body,
            stored_unix_ms: self.now_unix_ms,
            expires_unix_ms: life_ms.map(|life_ms| self.now_unix_ms + life_ms),
        };
        let sequence = self.sequence;
        self.book().heard(heard).map(|()| sequence)
    }

    /// States an intent, with all that it gives declared at the ledger.
    fn states(&mut self, id: &str, gives: Vec<Give>, wants: Vec<Want>) -> u64 {
        let declared: Vec<(&str, i64)> = gives.iter().map(|give| (give.good.as_str(), give.limit.get())).collect();
        let turn = u32::try_from(self.sequence).unwrap();
        self.books.declared(&limits(id, turn, &declared));
        let said = encode(&intent(id, gives, wants));
        self.says(id, &said, None).unwrap()
    }

    /// What is left of each agent's gives, as the solver is asked.
    fn asked(&mut self) -> Option<Clear> {
        let now_unix_ms = self.now_unix_ms;
        self.book().prepare(now_unix_ms).and_then(|prepared| prepared.request)
    }

    fn answers(&mut self, rings: Vec<Ring>) -> Outcome {
        let now_unix_ms = self.now_unix_ms;
        let outcome = self.book().cleared(cleared(rings), None, now_unix_ms).unwrap();
        for proposal in &outcome.proposals {
            self.stories.insert(proposal.deal.clone(), Story::of(proposal.deal.clone()));
        }
        outcome
    }

    /// The desk opens a proposal.
    fn opens(&mut self, proposal: &Proposal) {
        let event = self.stories.get_mut(&proposal.deal).unwrap().opened(proposal, "maker");
        self.books.happened(&event);
    }

    fn commits(&mut self, proposal: &Proposal) {
        let event = self.stories.get_mut(&proposal.deal).unwrap().committed(&proposal.terms);
        self.books.happened(&event);
    }

    fn happens(&mut self, proposal: &Proposal, what: Happening) {
        let event = self.stories.get_mut(&proposal.deal).unwrap().next(what, None);
        self.books.happened(&event);
    }

    fn rejects(&mut self, proposal: &Proposal, by: &str) {
        self.happens(proposal, Happening::Rejected { by: agent(by), reason: "no".to_owned() });
    }

    fn why(&mut self, id: &str) -> Option<LeftOut> {
        self.book().why(&agent(id)).left_out
    }
}

fn given(request: &Clear, id: &str) -> Vec<(String, i64)> {
    let offer = request.offers.iter().find(|offer| offer.agent == agent(id));
    offer.map_or_else(Vec::new, |o| o.gives.iter().map(|g| (g.good.to_string(), g.limit.get())).collect())
}

fn wanted(request: &Clear, id: &str) -> Vec<(String, i64)> {
    let offer = request.offers.iter().find(|offer| offer.agent == agent(id));
    let all = offer.into_iter().flat_map(|o| &o.wants).flat_map(|w| &w.any_of);
    all.map(|a| (a.good.to_string(), a.limit.get())).collect()
}

fn pairs(what: &[(&str, i64)]) -> Vec<(String, i64)> {
    what.iter().map(|(good, quantity)| ((*good).to_owned(), *quantity)).collect()
}

/// kenya gives 20 wheat for 9 tea, ghana 9 tea for 20 wheat.
fn two() -> Room {
    let mut room = Room::new();
    room.states("kenya", vec![give("wheat", 20, 90)], vec![want("tea", 9, 110)]);
    room.states("ghana", vec![give("tea", 9, 90)], vec![want("wheat", 20, 110)]);
    room
}

fn swap(wheat: i64, tea: i64) -> Ring {
    ring(&[("kenya", "ghana", "wheat", wheat), ("ghana", "kenya", "tea", tea)])
}

#[test]
fn nothing_is_cleared_twice_without_a_change() {
    let mut room = two();
    let request = room.asked().unwrap();
    assert_eq!((request.goods.len(), request.max_ring, request.time_limit_ms), (4, 3, 1_000));
    assert_eq!(room.asked(), None, "one is under way");
    let outcome = room.answers(Vec::new());
    assert_eq!((outcome.record.clearing, outcome.proposals.len()), (1, 0));
    assert_eq!(outcome.record.request, Some(request));
    assert_eq!(room.asked(), None, "nothing has changed");
    room.states("togo", Vec::new(), vec![want("tea", 1, 100)]);
    assert!(room.asked().is_some());
    room.book().not_cleared();
    assert!(room.asked().is_some(), "the solver did not answer: again");
}

#[test]
fn an_undeclared_market_is_not_cleared() {
    let mut book = Book::new(bazaar(), agent("maker"));
    book.trades_mut().not_opened(&DealId::of(&agent("a"), &"m".parse().unwrap()));
    assert_eq!(book.prepare(NOW), None);
}

#[test]
fn what_is_in_open_deals_is_withheld_and_a_commit_fills() {
    let mut room = two();
    room.asked().unwrap();
    let outcome = room.answers(vec![swap(5, 3)]);
    let [proposal] = &outcome.proposals[..] else { panic!("{outcome:?}") };
    assert_eq!(outcome.record.deals, std::slice::from_ref(&proposal.deal));
    room.opens(proposal);
    room.states("togo", Vec::new(), vec![want("tea", 1, 100)]);
    let request = room.asked().unwrap();
    assert_eq!((given(&request, "kenya"), wanted(&request, "kenya")), (pairs(&[("wheat", 15)]), pairs(&[("tea", 6)])));
    assert_eq!((given(&request, "ghana"), wanted(&request, "ghana")), (pairs(&[("tea", 6)]), pairs(&[("wheat", 15)])));
    assert_eq!(request.earlier, [swap(5, 3)], "the solver starts from what it found last");
    room.answers(Vec::new());
    room.commits(proposal);
    room.states("togo", Vec::new(), vec![want("tea", 2, 100)]);
    let request = room.asked().unwrap();
    assert_eq!(given(&request, "kenya"), pairs(&[("wheat", 15)]));
    room.answers(vec![swap(15, 6)]);
    assert_eq!(room.why("kenya"), None);
    room.states("togo", Vec::new(), vec![want("tea", 3, 100)]);
    room.asked().unwrap();
    assert_eq!(room.why("kenya"), Some(LeftOut::InOpenDeals));
}

#[test]
fn what_has_all_been_traded_is_filled() {
    let mut room = two();
    room.asked().unwrap();
    let proposal = room.answers(vec![swap(20, 3)]).proposals.remove(0);
    room.opens(&proposal);
    room.commits(&proposal);
    room.states("togo", Vec::new(), vec![want("tea", 1, 100)]);
    let request = room.asked().unwrap();
    assert!(given(&request, "kenya").is_empty());
    assert_eq!((room.why("kenya"), room.why("ghana")), (Some(LeftOut::Filled), Some(LeftOut::Filled)));
    assert_eq!(request.offers.len(), 1, "ghana wants nothing more");
}

#[test]
fn who_rejects_sits_out_until_it_states_its_intent_anew() {
    let mut room = two();
    room.asked().unwrap();
    let proposal = room.answers(vec![swap(5, 3)]).proposals.remove(0);
    room.opens(&proposal);
    assert_eq!(room.asked(), None);
    room.rejects(&proposal, "ghana");
    let request = room.asked().unwrap();
    assert_eq!(given(&request, "kenya"), pairs(&[("wheat", 20)]), "free again");
    assert!(given(&request, "ghana").is_empty());
    assert_eq!(room.why("ghana"), Some(LeftOut::SittingOut));
    room.answers(Vec::new());
    room.states("ghana", vec![give("tea", 9, 80)], vec![want("wheat", 20, 110)]);
    assert_eq!(given(&room.asked().unwrap(), "ghana"), pairs(&[("tea", 9)]));
}

#[test]
fn limits_and_balances_cap_what_is_offered() {
    let mut room = two();
    room.books.declared(&limits("kenya", 100, &[("wheat", 4)]));
    assert_eq!(given(&room.asked().unwrap(), "kenya"), pairs(&[("wheat", 4)]));
    let proposal = room.answers(vec![swap(4, 2)]).proposals.remove(0);
    room.opens(&proposal);
    room.commits(&proposal);
    room.books.declared(&limits("ghana", 100, &[("tea", 9), ("wheat", 1)]));
    room.states("ghana", vec![give("tea", 9, 90), give("wheat", 50, 150)], vec![want("rye", 20, 110)]);
    room.books.declared(&limits("ghana", 101, &[("tea", 9), ("wheat", 1)]));
    let request = room.asked().unwrap();
    assert_eq!(given(&request, "ghana"), pairs(&[("tea", 7), ("wheat", 5)]), "1 declared and 4 received");
    assert_eq!(room.why("kenya"), Some(LeftOut::Refused));
    let because = room.book().why(&agent("kenya"));
    assert!(because.detail.contains("of the 4 declared at the ledger nothing is left"), "{}", because.detail);
}

#[test]
fn what_was_never_declared_is_told_by_name() {
    let mut room = Room::new();
    let said = encode(&intent("kenya", vec![give("wheat", 20, 90)], vec![want("tea", 9, 110)]));
    room.says("kenya", &said, None).unwrap();
    let now_unix_ms = room.now_unix_ms;
    let prepared = room.book().prepare(now_unix_ms).unwrap();
    assert_eq!(prepared.request, None);
    let [because] = &prepared.tell[..] else { panic!("{prepared:?}") };
    assert_eq!(because.left_out, Some(LeftOut::Refused));
    assert!(because.detail.contains("ledger.declare"), "{}", because.detail);
}

#[test]
fn a_new_intent_restates_what_is_given_and_wanted() {
    let mut room = two();
    room.asked().unwrap();
    let proposal = room.answers(vec![swap(5, 3)]).proposals.remove(0);
    room.opens(&proposal);
    room.commits(&proposal);
    room.states("kenya", vec![give("wheat", 30, 90)], vec![want("tea", 4, 110)]);
    let request = room.asked().unwrap();
    assert_eq!(given(&request, "kenya"), pairs(&[("wheat", 25)]), "the ledger has counted 5 of the 30");
    assert_eq!(wanted(&request, "kenya"), pairs(&[("tea", 4)]));
}

#[test]
fn an_open_deal_of_an_intent_before_still_withholds_from_the_ledger() {
    let mut room = two();
    room.asked().unwrap();
    let proposal = room.answers(vec![swap(20, 3)]).proposals.remove(0);
    room.opens(&proposal);
    room.states("kenya", vec![give("wheat", 20, 80)], vec![want("tea", 9, 110)]);
    assert_eq!(room.asked(), None, "ghana waits for all the wheat that it wants");
    assert_eq!(room.why("kenya"), Some(LeftOut::InOpenDeals));
}

#[test]
fn who_withdraws_is_gone_and_its_ring_with_it() {
    let mut room = two();
    room.asked().unwrap();
    let gone = encode(&IntentWithdrawn { market: bazaar(), agent: agent("ghana") });
    room.says("ghana", &gone, None).unwrap();
    let outcome = room.answers(vec![swap(5, 3)]);
    assert_eq!((outcome.proposals.len(), outcome.malformed), (0, 0));
    assert_eq!(room.why("ghana"), Some(LeftOut::NoIntent));
    assert!(room.book().why(&agent("kenya")).detail.contains("dropped"));
    let request = room.asked().expect("the others are cleared again");
    assert_eq!(request.offers.len(), 1);
}

#[test]
fn an_intent_goes_when_its_time_has_come() {
    let mut room = two();
    let said = encode(&intent("togo", Vec::new(), vec![want("tea", 1, 100)]));
    room.says("togo", &said, Some(5_000)).unwrap();
    let outcome = |room: &mut Room| {
        let left_out = LeftOutOffer { agent: agent("togo"), reason: LeftOut::NothingToGive, detail: String::new() };
        let now_unix_ms = room.now_unix_ms;
        room.book().cleared(Cleared { left_out: vec![left_out], ..cleared(Vec::new()) }, None, now_unix_ms).unwrap()
    };
    assert_eq!(room.asked().unwrap().offers.len(), 3);
    assert_eq!(outcome(&mut room).tell.len(), 1);
    assert_eq!(room.why("togo"), Some(LeftOut::NothingToGive));
    room.now_unix_ms += 4_999;
    assert_eq!(room.asked(), None);
    room.now_unix_ms += 1;
    assert_eq!(room.asked().expect("somebody has gone").offers.len(), 2);
    assert_eq!(room.why("togo"), Some(LeftOut::NoIntent));
}

#[test]
fn a_reason_is_told_once_and_another_again() {
    let mut room = two();
    let told = |room: &mut Room, reason: LeftOut| {
        room.states("togo", Vec::new(), vec![want("tea", 1, 100)]);
        room.asked().unwrap();
        let left_out = LeftOutOffer { agent: agent("kenya"), reason, detail: "so it is".to_owned() };
        let now_unix_ms = room.now_unix_ms;
        let result = Cleared { left_out: vec![left_out], ..cleared(Vec::new()) };
        room.book().cleared(result, None, now_unix_ms).unwrap().tell.len()
    };
    assert_eq!(told(&mut room, LeftOut::Outbid), 1);
    assert_eq!(told(&mut room, LeftOut::Outbid), 0);
    assert_eq!(told(&mut room, LeftOut::PricedOut), 1);
    assert_eq!(told(&mut room, LeftOut::Outbid), 1);
    room.states("kenya", vec![give("wheat", 20, 90)], vec![want("tea", 9, 110)]);
    assert_eq!(told(&mut room, LeftOut::Outbid), 1, "of a new intent");
}

#[test]
fn rings_that_are_none_are_refused() {
    let mut room = two();
    room.states("togo", vec![give("rye", 5, 90)], vec![want("tea", 9, 110), want("wheat", 2, 110)]);
    room.asked().unwrap();
    let bad = [
        ring(&[("kenya", "ghana", "wheat", 5), ("togo", "kenya", "tea", 3)]),
        ring(&[("kenya", "ghana", "wheat", 5)]),
        ring(&[("kenya", "kenya", "wheat", 5)]),
        Ring { hops: Vec::new(), welfare_minor: 0 },
        ring(&[
            ("kenya", "ghana", "wheat", 1),
            ("ghana", "kenya", "tea", 1),
            ("kenya", "ghana", "wheat", 1),
            ("ghana", "kenya", "tea", 1),
        ]),
        swap(21, 3),
        swap(5, 10),
        ring(&[("kenya", "ghana", "wheat", 5), ("ghana", "kenya", "rye", 3)]),
        ring(&[("kenya", "togo", "wheat", 3), ("togo", "kenya", "rye", 1)]),
    ];
    let outcome = room.answers(bad.to_vec());
    assert_eq!((outcome.malformed, outcome.proposals.len()), (bad.len(), 0));
    assert_eq!(room.book().trades().open_deals(), 0);
}

#[test]
fn a_stranger_to_the_market_is_in_no_ring() {
    let mut room = two();
    room.asked().unwrap();
    let outcome = room.answers(vec![ring(&[("kenya", "togo", "wheat", 5), ("togo", "kenya", "tea", 3)])]);
    assert_eq!(outcome.proposals.len(), 0);
}

#[test]
fn two_rings_of_one_clearing_share_what_is_left() {
    let mut room = two();
    room.states("togo", vec![give("tea", 9, 90)], vec![want("wheat", 20, 110)]);
    room.asked().unwrap();
    let with_togo = |wheat, tea| ring(&[("kenya", "togo", "wheat", wheat), ("togo", "kenya", "tea", tea)]);
    let outcome = room.answers(vec![swap(15, 3), with_togo(6, 3), with_togo(5, 7), with_togo(5, 6)]);
    assert_eq!((outcome.malformed, outcome.proposals.len()), (2, 2), "one too much wheat, one too much tea");
    assert_eq!(room.book().why(&agent("kenya")).detail, "placed in 2 deals");
}

#[test]
fn a_stricter_declaration_refuses_who_stands_outside_it() {
    let mut room = two();
    let stricter = Market {
        band: schemas::value::Bounds { lo: "19/20".parse().unwrap(), hi: schemas::Rational::whole(2) },
        ..market()
    };
    let mut told: Vec<String> = room.book().declare(stricter).iter().map(|b| b.agent.to_string()).collect();
    told.sort();
    assert_eq!(told, ["ghana", "kenya"], "90 is less than 95");
    assert_eq!(room.why("kenya"), Some(LeftOut::Refused));
}

#[test]
fn a_faulty_intent_replaces_the_one_before_and_a_strange_one_does_not() {
    let mut room = two();
    let (because, refused) =
        room.says("kenya", &encode(&intent("kenya", vec![give("gold", 1, 100)], Vec::new())), None).unwrap_err();
    assert_eq!((because.left_out, refused.field.as_str()), (Some(LeftOut::Refused), "gives[0].good"));
    assert_eq!(room.asked().unwrap().offers.len(), 1);
    room.answers(Vec::new());
    let said = encode(&intent("ghana", Vec::new(), Vec::new()));
    let sender = Err(Refused::new("Agent-Sender", "is not ghana's"));
    let now = room.now_unix_ms;
    let heard =
        Heard { agent: agent("ghana"), sequence: 99, sender, body: &said, stored_unix_ms: now, expires_unix_ms: None };
    assert!(room.book().heard(heard).is_err());
    assert_eq!(room.why("ghana"), None, "its own intent stands");
}

#[test]
fn clearings_are_numbered_on_after_a_restart() {
    let mut room = two();
    for number in 1..=3 {
        room.asked().unwrap();
        let outcome = room.answers(vec![swap(1, 1)]);
        assert_eq!(outcome.record.clearing, number);
        room.opens(&outcome.proposals[0]);
        room.states("togo", Vec::new(), vec![want("tea", 1, 100)]);
    }
    let log: Vec<Story> = std::mem::take(&mut room.stories).into_values().collect();
    assert_eq!(log.len(), 3);
    assert_eq!(room.book().trades().last_clearing(), 3);
    let trades = room.book().trades().clone();
    let mut again = two();
    *again.book().trades_mut() = trades;
    again.asked().unwrap();
    assert_eq!(again.answers(Vec::new()).record.clearing, 4);
}
