//! The maker as a whole, on a bus in memory and a clock that jumps, with stand-ins for registry, solver and desk.

use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::select_all;
use runtime::memory::Memory;
use runtime::port::{Message, Record};
use schemas::body::{Message as Body, encode};
use schemas::clearing::{Clear, Cleared, LeftOutOffer};
use schemas::deal::{Moved, Open, ReadTerms, Terms};
use schemas::event::{DealEvent, Happening, Signed};
use schemas::header::{self, Headers};
use schemas::ledger::LimitEvent;
use schemas::limit::{MAX_BODY_BYTES, MAX_CLEARING_BODY_BYTES};
use schemas::market::{Because, Give, LeftOut, Want, Why};
use schemas::profile::{Profile, State};
use schemas::registry::{Done, KeyEvent, Send};
use schemas::subject::DealVerb;
use schemas::{DealId, Hash, decode, stream as streams};

use super::*;
use crate::fixtures::{NOW, Story, agent, bazaar, cleared, give, intent, limits, market, ring, signer, want};

/// What the stand-ins were asked.
#[derive(Default)]
struct Asked {
    clears: Vec<Clear>,
    opens: Vec<(DealId, Open, Terms)>,
    told: Vec<Because>,
}

/// A bus with stand-ins, and everybody's keys.
struct Town {
    port: Arc<dyn Port>,
    asked: Arc<Mutex<Asked>>,
    stories: Vec<Story>,
}

impl Town {
    async fn new() -> Self {
        let port: Arc<dyn Port> = Arc::new(Memory::new(NOW));
        for config in streams::streams(1).iter().chain(&streams::buckets(1)) {
            port.ensure_stream(config).await.unwrap();
        }
        let town = Self { port, asked: Arc::default(), stories: Vec::new() };
        for id in ["registry", "deal", "ledger", "maker", "kenya", "ghana", "togo"] {
            let key = signer(id).key().clone();
            let event = KeyEvent { agent: agent(id), turn: 0, prev: Hash::ZERO, at_unix_ms: NOW, key, cause: None };
            town.writes(id, subject::key_log(&agent(id)), &event).await;
        }
        let declaration = serde_json::to_vec(&market()).unwrap();
        town.port.kv_put(streams::MARKETS, "bazaar", Bytes::from(declaration), None).await.unwrap();
        town.serve().await;
        town
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap()
    }

    /// Stores a signed entry of a log.
    async fn writes<T: Body>(&self, id: &str, log: String, entry: &T) {
        let said = Voice::new(agent(id), signer(id)).say(log, entry, self.port.now_unix_ms()).unwrap();
        let record = Record::new(said.subject, said.body).with_headers(said.headers);
        self.port.append(streams::DEALS, vec![record]).await.unwrap();
    }

    async fn declares(&self, id: &str, turn: u32, declared: &[(&str, i64)]) {
        let event: LimitEvent = limits(id, turn, declared);
        self.writes("ledger", subject::limit_log(&bazaar(), &agent(id)), &event).await;
    }

    async fn states(&self, by: &str, of: &str, gives: Vec<Give>, wants: Vec<Want>) {
        let voice = Voice::new(agent(by), signer(by));
        let said =
            voice.say(subject::intent(&bazaar(), &agent(of)), &intent(of, gives, wants), self.port.now_unix_ms());
        let said = said.unwrap();
        let record = Record::new(said.subject, said.body).with_headers(said.headers);
        self.port.append(streams::MARKET, vec![record]).await.unwrap();
    }

    /// Answers everything: the solver lets kenya and ghana swap 5 wheat for 3 tea, and leaves everybody else out.
    async fn serve(&self) {
        let mut heard = Vec::new();
        for to in [
            subject::endpoint("registry", "register"),
            subject::endpoint("registry", "send"),
            subject::endpoint("graph", "clear"),
            subject::all_deal_moves(DealVerb::Open),
        ] {
            heard.push(self.port.subscribe(&to, None).await.unwrap());
        }
        let (port, asked) = (Arc::clone(&self.port), Arc::clone(&self.asked));
        runtime::spawn(async move {
            let mut heard = select_all(heard);
            while let Some(message) = heard.next().await {
                let (answer, opened) = answer(&message, &mut asked.lock().unwrap());
                if let Some((deal, event)) = opened {
                    let voice = Voice::new(agent("deal"), signer("deal"));
                    let said = voice.say(subject::deal_log(&deal), &event, port.now_unix_ms()).unwrap();
                    let record = Record::new(said.subject, said.body).with_headers(said.headers);
                    port.append(streams::DEALS, vec![record]).await.unwrap();
                }
                port.publish(Message::new(message.reply.unwrap(), answer)).await.unwrap();
            }
        });
    }

    /// What happens next to a deal that was opened.
    async fn happens(&mut self, at: usize, what: Happening) {
        let deal = self.asked().opens[at].0.clone();
        if self.stories.iter().all(|story| story.deal != deal) {
            let mut story = Story::of(deal.clone());
            // Its opening is in the log already.
            story.next(Happening::Expired, None);
            self.stories.push(story);
        }
        let story = self.stories.iter_mut().find(|story| story.deal == deal).unwrap();
        let event = story.next(what, None);
        self.writes("deal", subject::deal_log(&deal), &event).await;
    }

    async fn why(&self, id: &str) -> Because {
        let why = Why { market: bazaar(), agent: agent(id) };
        voice::ask(self.port.as_ref(), voice::plain(subject::endpoint(SERVICE, "why"), &why), 1_000).await.unwrap()
    }

    async fn maker(&self) -> Maker {
        Maker::start(Arc::clone(&self.port), signer("maker")).await.unwrap()
    }
}

fn answer(message: &Message, asked: &mut Asked) -> (Vec<u8>, Option<(DealId, DealEvent)>) {
    if let Ok((_, opener, deal)) = subject::parse_deal_move(&message.subject) {
        let open: Open = decode(&message.body, MAX_BODY_BYTES).unwrap();
        let terms = ReadTerms::read(open.terms.as_deref().unwrap()).unwrap();
        let moved = Moved {
            deal: deal.clone(),
            move_id: open.move_id.clone(),
            state: State::Negotiating,
            turn: 0,
            terms_hash: Some(terms.hash),
        };
        let sender = message.headers.get(header::SENDER).unwrap().to_owned();
        let cause = Signed { subject: message.subject.clone(), sender, body: message.body.to_vec() };
        let what =
            Happening::Opened { opener, book: open.book.clone(), profile: Profile::Ring, terms_hash: Some(terms.hash) };
        let event = Story::of(deal.clone()).next(what, Some(cause));
        asked.opens.push((deal.clone(), open, terms.terms));
        return (encode(&moved), Some((deal, event)));
    }
    let answer = match subject::parse_endpoint(&message.subject).unwrap() {
        ("graph", _) => {
            let clear: Clear = decode(&message.body, MAX_CLEARING_BODY_BYTES).unwrap();
            let result = solve(&clear);
            asked.clears.push(clear);
            encode(&result)
        }
        (_, "send") => {
            let send: Send = decode(&message.body, MAX_BODY_BYTES).unwrap();
            let because: Because = decode(&send.body, MAX_BODY_BYTES).unwrap();
            assert_eq!(send.to, because.agent);
            asked.told.push(because);
            encode(&Done {})
        }
        _ => {
            let register: Register = decode(&message.body, MAX_BODY_BYTES).unwrap();
            encode(&Registered { agent: register.agent, lease_until_unix_ms: NOW + 60_000, inbox_sequence: 0 })
        }
    };
    (answer, None)
}

fn solve(clear: &Clear) -> Cleared {
    let has = |id: &str| clear.offers.iter().any(|offer| offer.agent == agent(id));
    let both = has("kenya") && has("ghana");
    let rings =
        if both { vec![ring(&[("kenya", "ghana", "wheat", 5), ("ghana", "kenya", "tea", 3)])] } else { Vec::new() };
    let out = clear.offers.iter().filter(|offer| !both || offer.agent == agent("togo")).map(|offer| LeftOutOffer {
        agent: offer.agent.clone(),
        reason: if offer.gives.is_empty() { LeftOut::NothingToGive } else { LeftOut::NobodyGivesIt },
        detail: "so it is".to_owned(),
    });
    Cleared { left_out: out.collect(), ..cleared(rings) }
}

/// The market's two traders, who give 20 wheat and 9 tea.
async fn populated() -> Town {
    let town = Town::new().await;
    town.declares("kenya", 0, &[("wheat", 20)]).await;
    town.declares("ghana", 0, &[("tea", 9)]).await;
    town.states("kenya", "kenya", vec![give("wheat", 20, 90)], vec![want("tea", 9, 110)]).await;
    town.states("ghana", "ghana", vec![give("tea", 9, 90)], vec![want("wheat", 20, 110)]).await;
    town
}

/// What an agent was offered to give in a clearing, in all.
fn offered(clear: &Clear, id: &str) -> i64 {
    let gives = clear.offers.iter().filter(|offer| offer.agent == agent(id)).flat_map(|offer| &offer.gives);
    gives.map(|give| give.limit.get()).sum()
}

#[test]
fn it_proposes_withholds_and_lets_sit_out() {
    runtime::simulate(async {
        let mut town = populated().await;
        town.states("togo", "togo", Vec::new(), vec![want("tea", 1, 100)]).await;
        let maker = town.maker().await;
        town.port.sleep_ms(1_500).await;
        {
            let asked = town.asked();
            let [(deal, open, terms)] = &asked.opens[..] else { panic!("{:?}", asked.opens) };
            assert_eq!(*deal, DealId::of(&agent("maker"), &open.move_id));
            assert!(open.move_id.as_str().starts_with("c1-"), "{}", open.move_id);
            assert_eq!((open.profile, terms.parties.len()), (Profile::Ring, 2));
            assert_eq!(terms.expires_unix_ms, open.deadline_unix_ms);
            assert!(terms.transfers.iter().all(|t| t.due_unix_ms == terms.expires_unix_ms + 60_000));
            let told: Vec<_> = asked.told.iter().map(|because| (because.agent.as_str(), because.left_out)).collect();
            assert_eq!(told, [("togo", Some(LeftOut::NothingToGive))]);
        }
        assert_eq!(town.why("kenya").await.deals, [town.asked().opens[0].0.clone()]);

        town.port.sleep_ms(3_000).await;
        assert_eq!(town.asked().clears.len(), 1, "nothing has changed");

        town.happens(0, Happening::Rejected { by: agent("ghana"), reason: "no".to_owned() }).await;
        town.port.sleep_ms(1_500).await;
        assert_eq!(town.asked().clears.len(), 2);
        assert_eq!(offered(&town.asked().clears[1], "kenya"), 20, "free again");
        assert_eq!(town.why("ghana").await.left_out, Some(LeftOut::SittingOut));
        assert_eq!(town.asked().opens.len(), 1);

        town.states("ghana", "ghana", vec![give("tea", 9, 80)], vec![want("wheat", 20, 110)]).await;
        town.port.sleep_ms(1_500).await;
        assert_eq!(town.asked().opens.len(), 2);
        assert!(town.asked().opens[1].1.move_id.as_str().starts_with("c3-"));
        assert!(maker.drain(1_000).await);
    })
    .unwrap();
}

#[test]
fn another_maker_goes_on_where_one_ended() {
    runtime::simulate(async {
        let mut town = populated().await;
        let maker = town.maker().await;
        town.port.sleep_ms(1_500).await;
        assert!(maker.drain(1_000).await);
        let terms = town.asked().opens[0].2.clone();

        let again = town.maker().await;
        town.port.sleep_ms(1_500).await;
        {
            let asked = town.asked();
            let last = asked.clears.last().unwrap();
            assert_eq!((offered(last, "kenya"), offered(last, "ghana")), (15, 6), "the open deal withholds");
            assert!(asked.opens[1].1.move_id.as_str().starts_with("c2-"), "{}", asked.opens[1].1.move_id);
        }
        let committed = Happening::Committed {
            book: bazaar(),
            terms: encode(&terms),
            acceptances: Vec::new(),
            certificates: Vec::new(),
        };
        town.happens(0, committed).await;
        town.happens(
            1,
            Happening::Refused { rule: "over_limit".to_owned(), reason: String::new(), evidence: None, party: None },
        )
        .await;
        town.port.sleep_ms(1_500).await;
        let asked = town.asked();
        let last = asked.clears.last().unwrap();
        assert_eq!((offered(last, "kenya"), offered(last, "ghana")), (15, 6), "one is filled, one is free");
        drop(again);
    })
    .unwrap();
}

#[test]
fn it_believes_only_who_may_say_it() {
    runtime::simulate(async {
        let mut town = populated().await;
        let maker = town.maker().await;
        town.port.sleep_ms(1_500).await;
        // Not the desk's word: togo writes that the deal was rejected, and states an intent for kenya.
        let deal = town.asked().opens[0].0.clone();
        let mut story = Story::of(deal.clone());
        story.next(Happening::Settled, None);
        let forged = story.rejected("ghana");
        town.writes("togo", subject::deal_log(&deal), &forged).await;
        town.states("togo", "kenya", Vec::new(), vec![want("tea", 1, 100)]).await;
        let bare = Record::new(subject::intent(&bazaar(), &agent("ghana")), Bytes::from_static(b"\xc1"));
        town.port.append(streams::MARKET, vec![bare.with_headers(Headers::new())]).await.unwrap();
        town.port.sleep_ms(1_500).await;
        assert_eq!(town.asked().clears.len(), 1, "nothing has changed");
        let letters = town.port.read(streams::DLQ, &subject::dead_letter(SERVICE), 0).await.unwrap();
        let reasons: Vec<&str> = letters.iter().filter_map(|l| l.headers.get(header::DLQ_REASON)).collect();
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert!(reasons[0].contains("is not kenya's"), "{reasons:?}");
        assert!(town.asked().told.iter().all(|because| because.left_out == Some(LeftOut::Refused)));

        // The desk's own word, stored twice, counts once.
        town.happens(0, Happening::Rejected { by: agent("ghana"), reason: "no".to_owned() }).await;
        town.port.sleep_ms(1_500).await;
        assert_eq!(town.why("ghana").await.left_out, Some(LeftOut::SittingOut));
        let stored = town.port.read(streams::DEALS, &subject::deal_log(&deal), 0).await.unwrap();
        let opening = &stored[0];
        let copy = Record::new(opening.subject.clone(), opening.body.clone()).with_headers(opening.headers.clone());
        town.port.append(streams::DEALS, vec![copy]).await.unwrap();
        town.states("togo", "togo", Vec::new(), vec![want("tea", 1, 100)]).await;
        town.port.sleep_ms(1_500).await;
        assert_eq!(offered(town.asked().clears.last().unwrap(), "kenya"), 20, "no deal is open");
        drop(maker);
    })
    .unwrap();
}

#[test]
fn it_signs_as_itself() {
    runtime::simulate(async {
        let port: Arc<dyn Port> = Arc::new(Memory::new(NOW));
        let wrong = Maker::start(port, signer("kenya")).await;
        assert!(matches!(wrong, Err(MakerError::Name(name)) if name == "kenya"));
    })
    .unwrap();
}
