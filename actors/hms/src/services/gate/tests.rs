//! A desk and its gate on a bus in memory: a prover that is quick, one that dawdles, and one that lies.

use std::sync::atomic::{AtomicU64, Ordering};

use deal::Entry;
use futures::StreamExt;
use nkeys::KeyPair;
use runtime::{
    journal::{DeciderHost, GroupCommit},
    memory::Memory,
    port::Message,
    sync::mpsc,
};
use schemas::{
    AgentId, MoveId, Quantity,
    core::Logged as _,
    deal::{Accept, ClaimKind, Delivery, Move, Open, Terms, Transfer},
    decode, encode,
    event::{Happening, Signed},
    kernel::Unsound,
    limit::MAX_CLEARING_BODY_BYTES,
    profile::Profile,
    proving::{Prove, ProveReply},
    signature::{PublicKey, Sender, Signer},
    stream,
    subject::DealVerb,
    value::{Bounds, UnitCost, UnitValue, Valuation},
};

use super::{super::search::PROVERS, *};

const NOW_MS: i64 = 1_795_334_400_000;

/// Believes the claim itself, as evidence.
struct Believer;

impl Kernel for Believer {
    fn check(&self, claim: &[u8], evidence: &[u8]) -> Result<Finding, Unsound> {
        if claim == evidence { Ok(Finding::Proved { vacuous: false }) } else { Err(Unsound("a lie".into())) }
    }
}

struct Town {
    port: Arc<dyn Port>,
    desk: DeciderHandle<Desk>,
    signers: Vec<(AgentId, Signer)>,
    terms: Terms,
    deal: DealId,
    asked: Arc<AtomicU64>,
}

impl Town {
    /// With a prover that takes so long and lies to the first so many questions.
    async fn new(takes_ms: u64, lies: u64) -> Self {
        let port: Arc<dyn Port> = Arc::new(Memory::new(NOW_MS));
        for spec in stream::streams(1) {
            port.ensure_stream(&spec).await.unwrap();
        }
        let account: PublicKey = KeyPair::new_account().public_key().parse().unwrap();
        let signer =
            |name: &str| Signer::from_seed(&KeyPair::new_user().seed().unwrap(), account.clone(), name).unwrap();
        let asked = Arc::new(AtomicU64::new(0));
        let mut heard = port.subscribe(&subject::endpoint(PROVERS, "prove"), Some(PROVERS)).await.unwrap();
        let (to, count) = (port.clone(), asked.clone());
        runtime::spawn(async move {
            while let Some(message) = heard.next().await {
                let lies = count.fetch_add(1, Ordering::SeqCst) < lies;
                let prove: Prove = decode(&message.body, MAX_CLEARING_BODY_BYTES).unwrap();
                let to = to.clone();
                runtime::spawn(async move {
                    to.sleep_ms(takes_ms).await;
                    let results = prove.claims.iter().map(|claim| SearchResult {
                        claim_hash: Hash::of(claim),
                        verdict: SearchVerdict::Proved,
                        evidence: Some(if lies { vec![0] } else { claim.clone() }),
                        took_ms: 1,
                        reason: None,
                    });
                    let reply = encode(&ProveReply { results: results.collect() });
                    to.publish(Message::new(message.reply.unwrap(), reply)).await.unwrap();
                });
            }
        });
        let (errands, to_run) = mpsc::unbounded_channel();
        let writer = GroupCommit::start(port.clone(), Desk::STREAM);
        let desk = DeciderHost::start(Desk, port.clone(), writer, signer("deal"), errands).unwrap();
        runtime::spawn(Gate::new(port.clone(), Arc::new(Believer), desk.clone()).run(to_run));

        let signers: Vec<(AgentId, Signer)> =
            ["ghana", "kenya"].map(|name| (name.parse().unwrap(), signer(name))).into();
        let transfer = |from: &str, to: &str, good: &str| Transfer {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            good: good.parse().unwrap(),
            quantity: Quantity::new(10).unwrap(),
            due_unix_ms: port.now_unix_ms() + 60_000,
            intent: None,
        };
        let terms = Terms {
            book: "town".parse().unwrap(),
            parties: signers.iter().map(|(party, _)| party.clone()).collect(),
            transfers: vec![transfer("kenya", "ghana", "tea"), transfer("ghana", "kenya", "cocoa")],
            delivery: Delivery::Confirmed,
            expires_unix_ms: port.now_unix_ms() + 30_000,
            award: None,
        };
        let deal = DealId::of(&signers[0].0, &MoveId::parse("open").unwrap());
        Self { port, desk, signers, terms, deal, asked }
    }

    async fn moves(&self, who: usize, verb: DealVerb, ask: Move) {
        let (by, signer) = &self.signers[who];
        let to = subject::deal_move(verb, by, &self.deal);
        let body = ask.encode();
        let sender = signer.sign(&to, &body, self.port.now_unix_ms(), "n").unwrap();
        let call = Call { sender: Some(Sender::parse(&sender).unwrap()), ..Call::default() };
        let signed = Signed { subject: to, sender, body };
        let ask = Ask::Move { by: by.clone(), deal: self.deal.clone(), ask: Box::new(ask), signed };
        self.desk.ask(subject::deal_log(&self.deal), ask, call).await.unwrap();
    }

    async fn opens(&self) {
        let open = Open {
            move_id: MoveId::parse("open").unwrap(),
            deadline_unix_ms: self.terms.expires_unix_ms,
            book: self.terms.book.clone(),
            profile: Profile::Ring,
            parties: self.terms.parties.clone(),
            expires_unix_ms: self.terms.expires_unix_ms,
            terms: Some(encode(&self.terms)),
            requires: vec![ClaimKind::WinWin],
            rules: None,
        };
        self.moves(0, DealVerb::Open, Move::Open(open)).await;
    }

    async fn accepts(&self, who: usize) {
        let [received, given] = [["tea", "cocoa"], ["cocoa", "tea"]][who];
        let price = |n: i64| Bounds::exactly(schemas::Rational::whole(n));
        let accept = Accept {
            move_id: MoveId::parse("accept").unwrap(),
            deadline_unix_ms: self.terms.expires_unix_ms,
            deal: self.deal.clone(),
            terms_hash: Hash::of(&encode(&self.terms)),
            valuation: Valuation {
                values: vec![UnitValue { good: received.parse().unwrap(), value: Some(price(30)), dimensions: None }],
                costs: vec![UnitCost { good: given.parse().unwrap(), cost: price(10) }],
                ..Valuation::default()
            },
            holdings: Vec::new(),
            transcript: None,
        };
        self.moves(who, DealVerb::Accept, Move::Accept(accept)).await;
    }

    /// What the log holds now.
    async fn log(&self) -> Vec<Happening> {
        let stored = self.port.read(stream::DEALS, &subject::deal_log(&self.deal), 0).await.unwrap();
        stored.iter().map(|entry| Entry::read(&entry.body).unwrap().event.what).collect()
    }

    /// What the log ends with, once it holds four entries.
    async fn end(&self) -> Happening {
        for _ in 0..500 {
            let mut log = self.log().await;
            assert!(log.len() <= 4, "{log:?}");
            if log.len() == 4 {
                // Nothing comes after.
                self.port.sleep_ms(300).await;
                assert_eq!(self.log().await.len(), 4);
                return log.pop().unwrap();
            }
            self.port.sleep_ms(20).await;
        }
        panic!("{:?}", self.log().await)
    }
}

#[test]
fn what_is_proved_at_once_is_stored_with_the_last_acceptance() {
    runtime::run(async {
        let town = Town::new(1, 0).await;
        town.opens().await;
        town.accepts(0).await;
        assert_eq!(town.log().await.len(), 2);
        town.accepts(1).await;
        // As soon as the acceptance is answered.
        let log = town.log().await;
        assert!(matches!(&log[3], Happening::Certified { certificates, .. } if certificates.len() == 2), "{log:?}");
        assert_eq!(town.asked.load(Ordering::SeqCst), 2, "for each party, as it accepted");
        assert!(matches!(town.end().await, Happening::Certified { .. }));
    })
    .unwrap();
}

#[test]
fn an_acceptance_waits_for_no_prover_that_dawdles() {
    runtime::run(async {
        let town = Town::new(700, 0).await;
        town.opens().await;
        town.accepts(0).await;
        town.accepts(1).await;
        assert_eq!(town.log().await.len(), 3, "it is stored without");
        assert!(matches!(town.end().await, Happening::Certified { .. }));
    })
    .unwrap();
}

#[test]
fn a_lie_told_ahead_counts_for_nothing_and_lies_to_the_end_refuse() {
    runtime::run(async {
        let town = Town::new(1, 1).await;
        town.opens().await;
        town.accepts(0).await;
        town.accepts(1).await;
        assert!(matches!(town.end().await, Happening::Certified { .. }));

        let town = Town::new(1, u64::MAX).await;
        town.opens().await;
        town.accepts(0).await;
        town.accepts(1).await;
        let Happening::Refused { rule, .. } = town.end().await else { panic!() };
        assert_eq!(rule, Rule::Unsound.as_str());
    })
    .unwrap();
}
