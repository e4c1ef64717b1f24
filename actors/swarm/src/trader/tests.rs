//! A trader by hand: events in, effects out, no bus and no clock.

use std::sync::Mutex;

use bytes::Bytes;
use runtime::peer::PeerEffect;
use schemas::body::encode;
use schemas::deal::Transfer;
use schemas::error::{Code, ErrorReply};
use schemas::event::Signed;
use schemas::header::Headers;
use schemas::market::LeftOut;
use schemas::profile::State;
use schemas::registry::InboxEntry;
use schemas::signature::Sender;
use schemas::{AgentId, Quantity};

use super::*;
use crate::fixtures::{NOW, account, agent, bazaar, give, good, plan, units, want};

mod inbox;

/// A trader with a hand on its clock, and all that it said and reported.
struct Stage {
    trader: Trader,
    now_unix_ms: i64,
    news: Arc<Mutex<Vec<News>>>,
    /// What it wants done and nobody has looked at.
    effects: Vec<PeerEffect>,
}

/// A question that the trader asked: its tag, and what it sent.
struct Asked {
    tag: u64,
    subject: String,
    headers: Headers,
    body: Bytes,
}

impl Asked {
    fn read<T: Body>(&self) -> T {
        decode(&self.body, MAX_BODY_BYTES).unwrap()
    }

    /// Who signed it, over these very bytes.
    fn signed(&self) -> Sender {
        let sender = Sender::parse(self.headers.get(header::SENDER).unwrap()).unwrap();
        sender.verify(&self.subject, &self.body).unwrap();
        sender
    }
}

/// Gives 100 wheat at 20, wants 50 coffee at 90.
fn kenya() -> AgentPlan {
    AgentPlan {
        schedule: vec![Step { at_ms: 0, action: Action::Join }],
        ..plan("kenya", vec![give("wheat", 100, 20)], vec![want("coffee", 50, 90)])
    }
}

impl Stage {
    fn new(plan: AgentPlan) -> Self {
        let news: Arc<Mutex<Vec<News>>> = Arc::default();
        let told = Arc::clone(&news);
        let report: Report = Arc::new(move |one| told.lock().unwrap().push(one));
        let trader = Trader::new(plan, account(), NOW, report).unwrap();
        Self { trader, now_unix_ms: NOW, news, effects: Vec::new() }
    }

    fn hear(&mut self, event: PeerEvent) {
        let mut out = Outbox::default();
        self.trader.on(event, self.now_unix_ms, &mut out);
        self.effects.extend(out.take());
    }

    /// What it reported since it was asked last.
    fn news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news.lock().unwrap())
    }

    /// The one question or record of this type that it sent; whatever else it did is left.
    fn asked(&mut self, kind: &str) -> Asked {
        let is_it = |headers: &Headers| headers.get(header::TYPE) == Some(kind);
        let found = self.effects.iter().position(|effect| match effect {
            PeerEffect::Request { message, .. } => is_it(&message.headers),
            PeerEffect::Append { records, .. } => is_it(&records[0].headers),
            _ => false,
        });
        match self.effects.remove(found.unwrap_or_else(|| panic!("no {kind} in {:?}", self.effects))) {
            PeerEffect::Request { tag, message, .. } => {
                Asked { tag, subject: message.subject, headers: message.headers, body: message.body }
            }
            PeerEffect::Append { tag, stream, mut records } => {
                assert_eq!((stream.as_str(), records.len()), (streams::MARKET, 1));
                let record = records.remove(0);
                Asked { tag, subject: record.subject, headers: record.headers, body: record.body }
            }
            _ => unreachable!(),
        }
    }

    /// Whether it asks, stores or says anything that nobody has looked at; timers apart.
    fn is_quiet(&self) -> bool {
        self.effects.iter().all(|effect| matches!(effect, PeerEffect::Timer { .. }))
    }

    /// Lets the next armed timer of this kind fire, at its time.
    fn fire(&mut self, is_it: impl Fn(u64) -> bool) -> i64 {
        let found = self.effects.iter().position(|e| matches!(e, PeerEffect::Timer { tag, .. } if is_it(*tag)));
        let PeerEffect::Timer { tag, at_unix_ms } = self.effects.remove(found.expect("a timer")) else {
            unreachable!()
        };
        self.now_unix_ms = self.now_unix_ms.max(at_unix_ms);
        self.hear(PeerEvent::Timer { tag });
        at_unix_ms
    }

    fn reply<T: Body>(&mut self, tag: u64, answer: &T) {
        self.hear(PeerEvent::Reply { tag, result: Ok(Message::new("inbox", encode(answer))) });
    }

    fn refuse(&mut self, tag: u64, code: Code) {
        let reply = ErrorReply::new(code, "no");
        let message = Message::new("inbox", encode(&reply));
        let result =
            Err(RequestError::Refused { code: code.number(), text: "no".to_owned(), reply: Box::new(message) });
        self.hear(PeerEvent::Reply { tag, result });
    }

    fn time_out(&mut self, tag: u64) {
        self.now_unix_ms += 5_000;
        self.hear(PeerEvent::Reply { tag, result: Err(RequestError::TimedOut(5_000)) });
    }

    fn registered(&mut self, inbox_sequence: u64) {
        let asked = self.asked(Register::TYPE);
        let registered = Registered { agent: agent("kenya"), lease_until_unix_ms: NOW + 60_000, inbox_sequence };
        self.reply(asked.tag, &registered);
    }

    fn declared(&mut self) {
        let asked = self.asked(Declare::TYPE);
        let Declare { book, move_id, limits, .. } = asked.read();
        self.reply(asked.tag, &Declared { book, move_id, limits });
    }

    /// Registered, declared and joined; its inbox ends at 40.
    fn joined(plan: AgentPlan) -> Self {
        let mut stage = Self::new(plan);
        stage.hear(PeerEvent::Started);
        stage.registered(40);
        stage.declared();
        stage.fire(|tag| tag == STEP);
        let asked = stage.asked(Intent::TYPE);
        stage.hear(PeerEvent::Appended { tag: asked.tag, result: Ok(vec![7]) });
        stage.effects.clear();
        stage.news();
        stage
    }

    /// A live copy of an entry of its inbox.
    fn live<T: Body>(&mut self, sequence: u64, last: u64, body: &T) {
        let headers =
            Headers::new().with(header::SEQUENCE, sequence.to_string()).with(header::LAST_SEQUENCE, last.to_string());
        let message = Message::new(subject::live_inbox(&agent("kenya")), encode(body)).with_headers(headers);
        self.hear(PeerEvent::Message(message));
    }

    fn moved(&mut self, asked: &Asked, state: State) {
        let (_, _, deal) = subject::parse_deal_move(&asked.subject).unwrap();
        let move_id = "m".parse().unwrap();
        self.reply(asked.tag, &Moved { deal, move_id, state, turn: 1, terms_hash: None });
    }
}

/// kenya gives ghana `wheat` for `coffee`, due a minute after the ten seconds in which it can be accepted.
fn swap(wheat: i64, coffee: i64) -> Terms {
    let transfer = |from: &str, to: &str, what: &str, quantity: Quantity| Transfer {
        from: agent(from),
        to: agent(to),
        good: good(what),
        quantity,
        due_unix_ms: NOW + 70_000,
        intent: None,
    };
    Terms {
        book: bazaar(),
        parties: vec![agent("ghana"), agent("kenya")],
        transfers: vec![
            transfer("kenya", "ghana", "wheat", units(wheat)),
            transfer("ghana", "kenya", "coffee", units(coffee)),
        ],
        delivery: Delivery::Confirmed,
        expires_unix_ms: NOW + 10_000,
        award: None,
    }
}

fn deal(number: u32) -> DealId {
    DealId::of(&agent("ghana"), &format!("m{number}").parse().unwrap())
}

fn note(number: u32, event: &str, state: State, terms: Option<&Terms>) -> DealNote {
    DealNote {
        deal: deal(number),
        event: event.to_owned(),
        state,
        turn: 0,
        at_unix_ms: NOW,
        book: bazaar(),
        opener: Some(agent("ghana")),
        profile: None,
        terms: terms.map(encode),
        by: None,
        rule: None,
        reason: None,
        rules: None,
        expires_unix_ms: None,
    }
}

fn proposed(number: u32, terms: &Terms) -> DealNote {
    note(number, "proposed", State::Negotiating, Some(terms))
}

fn id() -> AgentId {
    agent("kenya")
}

#[test]
fn it_listens_registers_declares_and_joins() {
    let mut stage = Stage::new(AgentPlan { schedule: vec![Step { at_ms: 700, action: Action::Join }], ..kenya() });
    stage.hear(PeerEvent::Started);
    let first = stage.effects.remove(0);
    assert_eq!(first, PeerEffect::Subscribe(subject::live_inbox(&id())), "before it is known to be there");
    let asked = stage.asked(Register::TYPE);
    assert_eq!(asked.subject, subject::endpoint("registry", "register"));
    assert_eq!(asked.read::<Register>().key, asked.signed().user);
    stage.reply(asked.tag, &Registered { agent: id(), lease_until_unix_ms: NOW + 60_000, inbox_sequence: 0 });
    let asked = stage.asked(Declare::TYPE);
    asked.signed();
    let declare: Declare = asked.read();
    assert_eq!((declare.book, declare.limits), (bazaar(), vec![Limit { good: good("wheat"), quantity: 100 }]));
    assert!(stage.news().is_empty());
    stage.reply(asked.tag, &Declared { book: bazaar(), move_id: declare.move_id, limits: Vec::new() });
    assert_eq!(stage.news(), [News::Ready { agents: 1 }]);
    assert_eq!(stage.fire(|tag| tag == STEP), NOW + 700);
    let asked = stage.asked(Intent::TYPE);
    assert_eq!(asked.subject, subject::intent(&bazaar(), &id()));
    assert_eq!(asked.signed().name.as_deref(), Some("kenya"));
    assert_eq!(asked.read::<Intent>(), kenya().intent());
    stage.hear(PeerEvent::Appended { tag: asked.tag, result: Ok(vec![7]) });
    assert_eq!(stage.news(), [News::Joined { agent: id(), sequence: 7 }]);
    assert!(stage.is_quiet());
}

#[test]
fn who_gives_nothing_declares_nothing() {
    let mut stage = Stage::new(AgentPlan { gives: Vec::new(), ..kenya() });
    stage.hear(PeerEvent::Started);
    stage.registered(0);
    assert_eq!(stage.news(), [News::Ready { agents: 1 }]);
    stage.fire(|tag| tag == STEP);
    stage.asked(Intent::TYPE);
}

#[test]
fn it_renews_its_lease() {
    let mut stage = Stage::joined(kenya());
    stage.hear(PeerEvent::Timer { tag: LEASE });
    stage.registered(40);
    assert_eq!(stage.fire(|tag| tag == LEASE), NOW + DEFAULT_LEASE_MS / 3);
    stage.asked(Register::TYPE);
    assert!(stage.is_quiet(), "it declares once");
}

#[test]
fn it_accepts_what_is_good_and_confirms_what_arrives() {
    let mut stage = Stage::joined(kenya());
    let terms = swap(45, 10);
    stage.live(41, 40, &proposed(1, &terms));
    let asked = stage.asked(Accept::TYPE);
    assert_eq!(asked.subject, subject::deal_move(DealVerb::Accept, &id(), &deal(1)));
    asked.signed();
    let accept: Accept = asked.read();
    assert_eq!((accept.terms_hash, accept.deadline_unix_ms), (Hash::of(&encode(&terms)), terms.expires_unix_ms));
    assert_eq!((accept.valuation.values.len(), accept.valuation.costs.len()), (1, 1));
    stage.moved(&asked, State::Negotiating);
    stage.live(42, 41, &note(1, "committed", State::Committed, Some(&terms)));
    let asked = stage.asked(Confirm::TYPE);
    assert_eq!(asked.subject, subject::deal_move(DealVerb::Confirm, &id(), &deal(1)));
    assert_eq!(asked.read::<Confirm>().terms_hash, accept.terms_hash);
    stage.moved(&asked, State::Settled);
    stage.live(43, 42, &note(1, "settled", State::Settled, None));
    let (agent, deal) = (id(), deal(1));
    assert_eq!(
        stage.news(),
        [
            News::Proposed { agent: agent.clone(), deal: deal.clone() },
            News::Accepted { agent: agent.clone(), deal: deal.clone() },
            News::Committed { agent: agent.clone(), deal: deal.clone() },
            News::Confirmed { agent: agent.clone(), deal: deal.clone() },
            News::Ended { agent, deal, state: Some(State::Settled), reason: None },
        ]
    );
    assert!(stage.is_quiet());
}

#[test]
fn where_delivery_is_immediate_there_is_nothing_to_confirm() {
    let mut stage = Stage::joined(kenya());
    let terms = Terms { delivery: Delivery::Immediate, ..swap(45, 10) };
    stage.live(41, 40, &proposed(1, &terms));
    let asked = stage.asked(Accept::TYPE);
    stage.moved(&asked, State::Certified);
    stage.live(42, 41, &note(1, "committed", State::Committed, Some(&terms)));
    stage.live(43, 42, &note(1, "settled", State::Settled, None));
    assert!(stage.is_quiet());
    assert_eq!(stage.news().len(), 4);
}

#[test]
fn it_says_no_on_each_ground() {
    let refusing = |plan: AgentPlan, terms: &Terms| {
        let mut stage = Stage::joined(plan);
        stage.live(41, 40, &proposed(1, terms));
        let asked = stage.asked(Reject::TYPE);
        asked.signed();
        stage.moved(&asked, State::Rejected);
        let News::Rejected { by, .. } = stage.news().pop().unwrap() else { panic!("no rejection") };
        let reject: Reject = asked.read();
        assert_eq!((reject.reason.as_str(), reject.terms_hash), (by.reason(), Some(Hash::of(&encode(terms)))));
        by
    };
    assert_eq!(refusing(kenya(), &swap(46, 10)), Ground::Values);
    assert_eq!(refusing(kenya(), &swap(101, 50)), Ground::Limits);
    assert_eq!(refusing(AgentPlan { reserve_ppm: 1, ..kenya() }, &swap(45, 10)), Ground::Reservation);
    assert_eq!(refusing(AgentPlan { policy: Policy::Rejects, ..kenya() }, &swap(1, 10)), Ground::Policy);
    let mut stage = Stage::new(kenya());
    stage.hear(PeerEvent::Started);
    stage.registered(40);
    stage.declared();
    stage.live(41, 40, &proposed(1, &swap(1, 10)));
    assert_eq!(stage.asked(Reject::TYPE).read::<Reject>().reason, Ground::Away.reason(), "it has not joined");
}

#[test]
fn a_silent_one_hears_and_says_nothing() {
    let mut stage = Stage::joined(AgentPlan { policy: Policy::Silent, ..kenya() });
    stage.live(41, 40, &proposed(1, &swap(1, 10)));
    assert!(stage.is_quiet());
    assert_eq!(stage.news(), [News::Proposed { agent: id(), deal: deal(1) }]);
}

#[test]
fn an_unconfirming_one_accepts_and_never_confirms() {
    let mut stage = Stage::joined(AgentPlan { policy: Policy::Unconfirming, ..kenya() });
    let terms = swap(1, 10);
    stage.live(41, 40, &proposed(1, &terms));
    let asked = stage.asked(Accept::TYPE);
    stage.moved(&asked, State::Certified);
    stage.live(42, 41, &note(1, "committed", State::Committed, Some(&terms)));
    assert!(stage.is_quiet());
}

#[test]
fn what_it_promised_it_does_not_promise_again() {
    let mut stage = Stage::joined(kenya());
    stage.live(41, 40, &proposed(1, &swap(60, 30)));
    stage.asked(Accept::TYPE);
    stage.live(42, 41, &proposed(2, &swap(41, 20)));
    stage.asked(Reject::TYPE);
    // The first is over: what it promised is free.
    stage.live(43, 42, &note(1, "rejected", State::Rejected, None));
    stage.live(44, 43, &proposed(3, &swap(41, 20)));
    stage.asked(Accept::TYPE);
}

#[test]
fn a_time_out_means_unknown_so_it_asks_again_with_the_same_bytes() {
    let mut stage = Stage::joined(kenya());
    stage.live(41, 40, &proposed(1, &swap(45, 10)));
    let first = stage.asked(Accept::TYPE);
    stage.time_out(first.tag);
    stage.fire(|tag| tag == first.tag);
    let again = stage.asked(Accept::TYPE);
    assert_eq!((&again.subject, &again.body), (&first.subject, &first.body));
    assert_ne!(again.signed().nonce, first.signed().nonce);
    stage.moved(&again, State::Certified);
    assert_eq!(stage.news().last(), Some(&News::Accepted { agent: id(), deal: deal(1) }));
}

#[test]
fn it_asks_again_until_nobody_could_accept_any_more() {
    let mut stage = Stage::joined(kenya());
    stage.live(41, 40, &proposed(1, &swap(45, 10)));
    let asked = stage.asked(Accept::TYPE);
    stage.now_unix_ms = NOW + 5_000;
    stage.time_out(asked.tag);
    assert!(stage.effects.is_empty(), "it has expired");
    assert!(matches!(stage.news().last(), Some(News::Error { what, .. }) if what == "accept"));
    stage.live(42, 41, &proposed(2, &Terms { expires_unix_ms: NOW + 60_000, ..swap(100, 50) }));
    stage.asked(Accept::TYPE);
}

#[test]
fn a_commit_that_it_gave_up_on_still_counts() {
    let mut stage = Stage::joined(kenya());
    let terms = swap(45, 10);
    stage.live(41, 40, &proposed(1, &terms));
    let asked = stage.asked(Accept::TYPE);
    stage.now_unix_ms = NOW + 5_000;
    stage.time_out(asked.tag);
    stage.live(42, 41, &note(1, "committed", State::Committed, Some(&terms)));
    stage.asked(Confirm::TYPE);
    stage.live(43, 42, &proposed(2, &Terms { expires_unix_ms: NOW + 60_000, ..swap(56, 40) }));
    assert_eq!(stage.asked(Reject::TYPE).read::<Reject>().reason, Ground::Limits.reason());
}

#[test]
fn that_another_ended_the_deal_first_is_no_fault() {
    for code in [Code::Conflict, Code::Late] {
        let mut stage = Stage::joined(kenya());
        stage.live(41, 40, &proposed(1, &swap(100, 50)));
        let asked = stage.asked(Accept::TYPE);
        stage.refuse(asked.tag, code);
        assert_eq!(stage.news(), [News::Proposed { agent: id(), deal: deal(1) }]);
        stage.live(42, 41, &proposed(2, &swap(100, 50)));
        stage.asked(Accept::TYPE);
    }
    let mut stage = Stage::joined(kenya());
    stage.live(41, 40, &proposed(1, &swap(100, 50)));
    let asked = stage.asked(Accept::TYPE);
    stage.refuse(asked.tag, Code::Forbidden);
    assert!(matches!(stage.news().last(), Some(News::Error { what, .. }) if what == "accept"));
}

#[test]
fn a_busy_core_is_asked_again() {
    let mut stage = Stage::joined(kenya());
    stage.live(41, 40, &proposed(1, &swap(45, 10)));
    let asked = stage.asked(Accept::TYPE);
    stage.refuse(asked.tag, Code::Busy);
    assert_eq!(stage.fire(|tag| tag == asked.tag), NOW + PAUSE_MS);
    stage.asked(Accept::TYPE);
}

#[test]
fn terms_that_are_none_or_not_its_own_are_left_alone() {
    let mut stage = Stage::joined(kenya());
    let mut torn = proposed(1, &swap(1, 10));
    torn.terms = Some(b"?".to_vec());
    stage.live(41, 40, &torn);
    let mut others = swap(1, 10);
    others.parties[1] = agent("togo");
    others.transfers[0].from = agent("togo");
    others.transfers[1].to = agent("togo");
    stage.live(42, 41, &proposed(2, &others));
    assert!(stage.is_quiet() && stage.news().is_empty());
}

#[test]
fn it_leaves_and_comes_back_with_what_is_left() {
    let schedule = [(0, Action::Join), (20_000, Action::Leave), (30_000, Action::Join)];
    let schedule = schedule.map(|(at_ms, action)| Step { at_ms, action }).to_vec();
    let mut stage = Stage::new(AgentPlan { schedule, ..kenya() });
    stage.hear(PeerEvent::Started);
    stage.registered(40);
    stage.declared();
    stage.fire(|tag| tag == STEP);
    stage.asked(Intent::TYPE);
    let terms = swap(30, 10);
    stage.live(41, 40, &proposed(1, &terms));
    stage.asked(Accept::TYPE);
    stage.live(42, 41, &note(1, "committed", State::Committed, Some(&terms)));
    stage.asked(Confirm::TYPE);
    stage.live(43, 42, &proposed(2, &swap(5, 3)));
    stage.asked(Accept::TYPE);
    assert_eq!(stage.fire(|tag| tag == STEP), NOW + 20_000);
    let asked = stage.asked(IntentWithdrawn::TYPE);
    assert_eq!(asked.read::<IntentWithdrawn>(), IntentWithdrawn { market: bazaar(), agent: id() });
    stage.hear(PeerEvent::Appended { tag: asked.tag, result: Ok(vec![8]) });
    assert_eq!(stage.news().last(), Some(&News::Left { agent: id() }));
    stage.live(44, 43, &proposed(3, &swap(1, 10)));
    assert_eq!(stage.asked(Reject::TYPE).read::<Reject>().reason, Ground::Away.reason());
    assert_eq!(stage.fire(|tag| tag == STEP), NOW + 30_000);
    let restated: Intent = stage.asked(Intent::TYPE).read();
    assert_eq!(restated.gives, [give("wheat", 65, 20)], "of 100, 30 given and 5 promised");
    assert_eq!(restated.wants, [want("coffee", 37, 90)], "of 50, 10 received and 3 promised");
}

#[test]
fn a_step_comes_when_it_is_time_and_not_before() {
    let mut stage = Stage::joined(AgentPlan {
        schedule: vec![Step { at_ms: 0, action: Action::Join }, Step { at_ms: 9_000, action: Action::Leave }],
        ..kenya()
    });
    stage.hear(PeerEvent::Timer { tag: STEP });
    assert!(stage.is_quiet());
    assert_eq!(stage.fire(|tag| tag == STEP), NOW + 9_000);
    stage.asked(IntentWithdrawn::TYPE);
}

#[test]
fn an_intent_that_was_perhaps_not_stored_is_published_again() {
    let mut stage = Stage::new(kenya());
    stage.hear(PeerEvent::Started);
    stage.registered(40);
    stage.declared();
    stage.fire(|tag| tag == STEP);
    let first = stage.asked(Intent::TYPE);
    stage.hear(PeerEvent::Appended { tag: first.tag, result: Err(AppendError::TimedOut(5_000)) });
    stage.fire(|tag| tag == first.tag);
    assert_eq!(stage.asked(Intent::TYPE).body, first.body);
}

#[test]
fn whom_the_registry_does_not_take_ends() {
    let mut stage = Stage::new(kenya());
    stage.hear(PeerEvent::Started);
    let asked = stage.asked(Register::TYPE);
    stage.refuse(asked.tag, Code::Busy);
    stage.fire(|tag| tag == asked.tag);
    let asked = stage.asked(Register::TYPE);
    stage.refuse(asked.tag, Code::Forbidden);
    assert!(matches!(stage.news().last(), Some(News::Error { what, .. }) if what == "register"));
    assert_eq!(stage.effects.last(), Some(&PeerEffect::Stop));
}

#[test]
fn stopped_it_says_that_it_goes() {
    let mut stage = Stage::joined(kenya());
    stage.hear(PeerEvent::Stopping);
    let asked = stage.asked(Leave::TYPE);
    assert!(stage.is_quiet(), "its intent stays, for whoever runs it to decide");
    stage.time_out(asked.tag);
    assert!(stage.effects.is_empty(), "once is enough");
    stage.live(41, 40, &proposed(1, &swap(1, 10)));
    assert_eq!(stage.asked(Reject::TYPE).read::<Reject>().reason, Ground::Away.reason());
}

#[test]
fn an_agent_of_its_own_joins_at_once_and_withdraws_in_the_end() {
    let silent: Report = Arc::new(|_| ());
    let own = AgentPlan { schedule: Vec::new(), ..kenya() };
    let trader = Trader::joining(own, account(), NOW, silent).unwrap();
    let mut stage = Stage { trader, ..Stage::new(kenya()) };
    stage.hear(PeerEvent::Started);
    stage.registered(40);
    stage.declared();
    assert_eq!(stage.fire(|tag| tag == STEP), NOW);
    stage.asked(Intent::TYPE);
    stage.hear(PeerEvent::Stopping);
    stage.asked(IntentWithdrawn::TYPE);
    stage.asked(Leave::TYPE);
}

#[test]
fn an_author_judges_in_the_place_of_the_plan() {
    let mut stage = Stage::joined(kenya());
    let seen: Arc<Mutex<Vec<Result<(), Ground>>>> = Arc::default();
    let told = Arc::clone(&seen);
    stage.trader = stage.trader.judged_by(move |terms, plan| {
        told.lock().unwrap().push(plan);
        if terms.transfers[0].quantity.get() == 10 { Ok(()) } else { Err("ten or nothing".to_owned()) }
    });
    // Ten of wheat for nothing much is bad by the plan, and taken; twenty are good by it, and are not.
    stage.live(41, 40, &proposed(1, &swap(10, 1)));
    assert_eq!(stage.asked(Accept::TYPE).read::<Accept>().deal, deal(1));
    stage.live(42, 41, &proposed(2, &swap(20, 30)));
    let asked = stage.asked(Reject::TYPE);
    assert_eq!(asked.read::<Reject>().reason, "ten or nothing");
    assert_eq!(*seen.lock().unwrap(), [Err(Ground::Values), Ok(())]);
    stage.news();
    stage.moved(&asked, State::Rejected);
    assert_eq!(stage.news(), [News::Rejected { agent: id(), deal: deal(2), by: Ground::Policy }]);
}
