//! Asking on a clock that jumps, of a prover that answers when the test says.

use futures::future::join_all;
use runtime::memory::Memory;
use schemas::{infix, proving::SearchVerdict};

use super::*;

const EPOCH_MS: i64 = 1_795_334_400_000;
const LATER_MS: i64 = EPOCH_MS + 60_000;

/// Where a prover listens, and the requests that came, each with how many claims it carries.
struct Town {
    port: Arc<dyn Port>,
    provers: Provers,
    asked: Arc<Mutex<Vec<usize>>>,
}

impl Town {
    /// With a prover that takes 5 ms, or 2 s over whatever is not linear, and finds `evidence`.
    async fn new(evidence: fn(&[u8]) -> Vec<u8>) -> Self {
        let port: Arc<dyn Port> = Arc::new(Memory::new(EPOCH_MS));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut heard = port.subscribe(&subject::endpoint(PROVERS, "prove"), Some(PROVERS)).await.unwrap();
        let (to, notes) = (port.clone(), asked.clone());
        runtime::spawn(async move {
            while let Some(message) = heard.next().await {
                let prove: Prove = decode(&message.body, MAX_CLEARING_BODY_BYTES).unwrap();
                notes.lock().unwrap().push(prove.claims.len());
                let to = to.clone();
                runtime::spawn(async move {
                    let is_hard = prove.claims.iter().any(|claim| !is_linear(claim));
                    to.sleep_ms(if is_hard { 2_000 } else { 5 }).await;
                    let results = prove.claims.iter().map(|claim| SearchResult {
                        claim_hash: Hash::of(claim),
                        verdict: SearchVerdict::Proved,
                        evidence: Some(evidence(claim)),
                        took_ms: 1,
                        reason: None,
                    });
                    let reply = encode(&ProveReply { results: results.collect() });
                    to.publish(Message::new(message.reply.unwrap(), reply)).await.unwrap();
                });
            }
        });
        Self { provers: Provers::of(port.clone()), port, asked }
    }

    fn asked(&self) -> Vec<usize> {
        self.asked.lock().unwrap().clone()
    }

    async fn passes(&self, ms: u64) {
        self.port.sleep_ms(ms).await;
    }
}

fn claim(text: &str) -> (Hash, Vec<u8>) {
    let bytes = encode(&infix::parse(text).unwrap());
    (Hash::of(&bytes), bytes)
}

fn linear(number: u32) -> (Hash, Vec<u8>) {
    claim(&format!("forall x in [{number},{}]: x >= {number}", number + 1))
}

async fn all(searching: Vec<(Hash, Searching)>) -> Vec<(Hash, Found)> {
    join_all(searching.into_iter().map(|(hash, found)| async move { (hash, found.await) })).await
}

#[test]
fn whoever_asks_at_the_same_time_shares_requests_and_gets_its_own_evidence() {
    runtime::simulate(async {
        let town = Town::new(<[u8]>::to_vec).await;
        let claims: Vec<_> = (0..40).map(linear).collect();
        // Forty deals, each for itself.
        let asking = claims.iter().flat_map(|claim| town.provers.search(vec![claim.clone()], LATER_MS, None));
        for ((hash, found), (expected, bytes)) in all(asking.collect()).await.into_iter().zip(&claims) {
            assert_eq!((hash, found.unwrap().evidence.as_ref()), (*expected, Some(bytes)));
        }
        assert_eq!(town.asked().iter().sum::<usize>(), 40);
        assert!(town.asked().len() <= 3, "{:?}", town.asked());
        assert!(town.port.now_unix_ms() - EPOCH_MS < 30);
    })
    .unwrap();
}

#[test]
fn no_more_travel_together_than_a_request_takes() {
    runtime::simulate(async {
        let town = Town::new(<[u8]>::to_vec).await;
        let asking = town.provers.search((0..200).map(linear).collect(), LATER_MS, None);
        assert!(all(asking).await.into_iter().all(|(_, found)| found.is_ok()));
        assert!(town.asked().iter().all(|claims| *claims <= TOGETHER), "{:?}", town.asked());
    })
    .unwrap();
}

#[test]
fn what_may_take_long_holds_nobody_up() {
    runtime::simulate(async {
        let town = Town::new(<[u8]>::to_vec).await;
        let hard = [claim("forall x in [0,1]: x >= x^2"), claim("forall x >= 0: x^3 >= 0")];
        let both = town.provers.search(hard.to_vec(), LATER_MS, None);
        let easy = town.provers.search(vec![linear(1)], LATER_MS, None);
        assert!(all(easy).await.into_iter().all(|(_, found)| found.is_ok()));
        assert!(town.port.now_unix_ms() - EPOCH_MS < 100);
        assert!(all(both).await.into_iter().all(|(_, found)| found.is_ok()));
        let mut asked = town.asked();
        asked.sort_unstable();
        assert_eq!(asked, [1, 2], "the claims of one deal go together");
    })
    .unwrap();
}

#[test]
fn what_is_begun_ahead_is_asked_for_once_and_found_once() {
    runtime::simulate(async {
        let town = Town::new(<[u8]>::to_vec).await;
        let (hash, bytes) = linear(7);
        town.provers.prepare(vec![bytes.clone()], LATER_MS, None);
        town.provers.prepare(vec![bytes.clone()], LATER_MS, None);
        town.passes(100).await;
        assert_eq!(town.asked(), [1]);
        let [(of, found)] = &town.provers.prepared([hash].into_iter())[..] else { panic!() };
        assert_eq!((*of, found.clone().await.unwrap().evidence), (hash, Some(bytes.clone())));
        assert!(town.provers.prepared([hash].into_iter()).is_empty());
        // Still under way: whoever needs it waits for what is under way already.
        town.provers.prepare(vec![bytes], LATER_MS, None);
        let under_way = town.provers.prepared([hash].into_iter());
        assert!(all(under_way).await.into_iter().all(|(_, found)| found.is_ok()));
        assert_eq!(town.asked(), [1, 1]);
    })
    .unwrap();
}

#[test]
fn what_is_begun_ahead_is_bounded() {
    runtime::simulate(async {
        let town = Town::new(|_| vec![0; AHEAD_BYTES + 1]).await;
        let (hash, bytes) = linear(7);
        town.provers.prepare(vec![bytes], LATER_MS, None);
        let large = all(town.provers.prepared([hash].into_iter())).await;
        assert!(large[0].1.is_err(), "nobody keeps that much for later");

        let many: Vec<_> = (0..u32::try_from(AHEAD).unwrap() + 5).map(linear).collect();
        town.provers.prepare(many.iter().map(|(_, bytes)| bytes.clone()).collect(), LATER_MS, None);
        assert_eq!(town.provers.prepared(many.iter().map(|(hash, _)| *hash)).len(), AHEAD);
        assert_eq!(town.provers.ahead().order.len(), 0);
    })
    .unwrap();
}

#[test]
fn silence_and_answers_to_something_else_are_told_apart() {
    runtime::simulate(async {
        let port: Arc<dyn Port> = Arc::new(Memory::new(EPOCH_MS));
        let provers = Provers::of(port.clone());
        let found = all(provers.search(vec![linear(1)], LATER_MS, None)).await;
        let no_answer = found[0].1.as_ref().unwrap_err();
        assert_eq!((no_answer.counts, no_answer.rule), (false, Rule::Unanswered));

        for (results, words) in [(Vec::new(), "says nothing"), (vec![Hash::ZERO], "nobody asked")] {
            let results = results.into_iter().map(|claim_hash| SearchResult {
                claim_hash,
                verdict: SearchVerdict::Proved,
                evidence: Some(vec![1]),
                took_ms: 1,
                reason: None,
            });
            let reply: Reply = Ok(Arc::new(ProveReply { results: results.collect() }));
            let no_answer = of_claim(&reply, linear(1).0).unwrap_err();
            assert_eq!((no_answer.counts, no_answer.rule), (true, Rule::Unsound));
            assert!(no_answer.reason.contains(words), "{}", no_answer.reason);
        }
    })
    .unwrap();
}
