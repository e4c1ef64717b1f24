//! The log in short, as onlookers are told of it: see [`schemas::digest`].
//!
//! Signatures are not checked: this tells what stands in the log, as `hms top` counts it, and `/deals/ID` verifies the
//! deal that somebody looks at.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Weak,
        atomic::{AtomicI64, Ordering},
    },
};

use futures::{
    StreamExt,
    stream::{self as streams, BoxStream},
};
use runtime::port::{Followed, Message, Port, ReadError, Start, Stored};
use schemas::{
    Good,
    body::{self, Message as _, type_of},
    deal::{Open, Transfer},
    digest::{Digest, Glimpse, Handed, Offered},
    event::{DealEvent, Happening},
    header::Headers,
    limit::{DIGEST_EVERY_MS, MAX_CLEARING_BODY_BYTES, MAX_DIGEST_ITEMS},
    market::{Intent, IntentWithdrawn},
    stream, subject,
};

use crate::story::{proposed, read, transfers};

/// So many events and transfers fill a digest: some hundred kilobytes, well below what any broker carries.
const FULL: usize = 4_000;

/// So many goods that an offer gives or wants are told: it may name thousands.
const MOST_GOODS: usize = 64;

/// A digest that grows.
#[derive(Debug, Default)]
pub struct Draft {
    digest: Digest,
    weight: usize,
}

impl Draft {
    /// One that tells of what stands behind this place.
    pub fn after(sequence: u64) -> Self {
        Self { digest: Digest { after: sequence, through: sequence, head: sequence, ..Digest::default() }, weight: 0 }
    }

    /// The next entry of the log of deals, each once and in order.
    pub fn heard(&mut self, stored: &Stored) {
        self.digest.through = stored.sequence;
        // What is no entry of its deal is named by `hms deal verify --all`.
        if let Some(glimpse) = glimpse(stored) {
            self.weight += 1 + glimpse.transfers.len() + glimpse.parties.len();
            self.digest.events.push(glimpse);
        }
    }

    /// An offer, as it stands in the stream of intents.
    pub fn offered(&mut self, stored: &Stored) {
        if let Some(offered) = offered(stored) {
            self.weight += 1 + offered.gives.len() + offered.wants.len();
            self.digest.offers.push(offered);
        }
    }

    /// Everything to this sequence was told.
    pub fn told_through(&mut self, sequence: u64) {
        self.digest.through = self.digest.through.max(sequence);
    }

    /// Whether it holds as much as one may.
    pub fn is_full(&self) -> bool {
        self.weight >= FULL
            || self.digest.events.len() >= MAX_DIGEST_ITEMS
            || self.digest.offers.len() >= MAX_DIGEST_ITEMS
    }

    /// Whether it tells of nothing.
    pub fn is_empty(&self) -> bool {
        self.digest.events.is_empty() && self.digest.offers.is_empty()
    }

    /// The digest, told when the log ended there; the next one goes on behind it.
    pub fn take(&mut self, head: u64) -> Digest {
        let next = Self::after(self.digest.through);
        let mut digest = std::mem::replace(self, next).digest;
        digest.head = head.max(digest.through);
        digest
    }
}

/// An event in short; `None` where what stands there is no event of the deal whose log it stands in.
fn glimpse(stored: &Stored) -> Option<Glimpse> {
    let event = body::decode::<DealEvent>(&stored.body, MAX_CLEARING_BODY_BYTES).ok()?;
    if subject::parse_deal_log(&stored.subject).ok()? != event.deal {
        return None;
    }
    let mut told = Glimpse {
        sequence: stored.sequence,
        at_unix_ms: event.at_unix_ms,
        deal: event.deal.clone(),
        turn: event.turn,
        event: event.what.name().to_owned(),
        state: event.what.state(),
        by: None,
        market: None,
        parties: Vec::new(),
        transfers: Vec::new(),
        reason: None,
    };
    match event.what {
        Happening::Opened { opener, book, .. } => {
            let open = event.cause.and_then(|cause| read::<Open>(&cause.body));
            let (parties, terms) = open.map(|open| (open.parties, open.terms)).unwrap_or_default();
            (told.by, told.market, told.parties) = (Some(opener), Some(book), parties);
            told.transfers = terms.map(|terms| in_short(transfers(&terms))).unwrap_or_default();
        }
        Happening::Proposed { by, .. } => {
            told.by = Some(by);
            told.transfers = event.cause.as_ref().map(|cause| in_short(proposed(cause))).unwrap_or_default();
        }
        Happening::Accepted { by, .. } | Happening::Confirmed { by } => told.by = Some(by),
        Happening::Certified { book, .. } => told.market = Some(book),
        Happening::Committed { book, terms, .. } => {
            told.market = Some(book);
            told.transfers = in_short(transfers(&terms));
        }
        Happening::Rejected { by, reason } | Happening::Withdrawn { by, reason } => {
            (told.by, told.reason) = (Some(by), Some(reason));
        }
        Happening::Refused { rule, reason, .. } => told.reason = Some(format!("{rule}: {reason}")),
        Happening::Settled | Happening::Expired | Happening::Failed { .. } | Happening::Compensated { .. } => {}
    }
    Some(told)
}

fn in_short(transfers: Vec<Transfer>) -> Vec<Handed> {
    let each = |Transfer { from, to, good, quantity, .. }| Handed { from, to, good, quantity };
    transfers.into_iter().map(each).collect()
}

/// An offer in short; `None` where what stands there is none.
fn offered(stored: &Stored) -> Option<Offered> {
    let (market, agent) = subject::parse_intent(&stored.subject).ok()?;
    let mut told = Offered { at_unix_ms: stored.time_unix_ms, market, agent, gives: Vec::new(), wants: Vec::new() };
    // An empty body is how a stream of last values forgets.
    if stored.body.is_empty() || type_of(&stored.body, MAX_CLEARING_BODY_BYTES) == Ok(IntentWithdrawn::TYPE) {
        return Some(told);
    }
    let intent = read::<Intent>(&stored.body)?;
    told.gives = some_of(intent.gives.into_iter().map(|give| give.good));
    told.wants = some_of(intent.wants.into_iter().flat_map(|want| want.any_of).map(|way| way.good));
    Some(told)
}

/// The first few goods, each once.
fn some_of(goods: impl Iterator<Item = Good>) -> Vec<Good> {
    let mut seen = BTreeSet::new();
    goods.filter(|good| seen.insert(good.clone())).take(MOST_GOODS).collect()
}

/// What comes to whoever tells.
enum Came {
    Event(Followed),
    Offer(Followed),
    Tick,
}

/// Tells onlookers what happens, while there are any; until nobody serves them any more.
pub async fn tell(port: Arc<dyn Port>, watched: Weak<AtomicI64>) {
    while let Some(until) = watched.upgrade().map(|watched| watched.load(Ordering::Relaxed)) {
        if port.now_unix_ms() < until
            && let Err(error) = tell_while_watched(&port, &watched).await
        {
            tracing::warn!(%error, "onlookers can't be told what happens yet");
            port.sleep_ms(2_000).await;
        }
        port.sleep_ms(DIGEST_EVERY_MS).await;
    }
}

async fn tell_while_watched(port: &Arc<dyn Port>, watched: &Weak<AtomicI64>) -> Result<(), ReadError> {
    let begin = port.stream_state(stream::DEALS).await?.last_seq;
    let events = port.follow(stream::DEALS, &[subject::all_deal_logs()], Start::After(begin)).await?;
    let offers = port.follow(stream::MARKET, &[subject::all_intents_anywhere()], Start::New).await?;
    let coming: [BoxStream<'_, Came>; 3] =
        [events.map(Came::Event).boxed(), offers.map(Came::Offer).boxed(), ticks(port).boxed()];
    let mut coming = streams::select_all(coming);
    let mut draft = Draft::after(begin);
    tracing::debug!(begin, "somebody watches");
    while let Some(came) = coming.next().await {
        let is_tick = matches!(came, Came::Tick);
        match came {
            Came::Event(Followed::Entry(stored)) => draft.heard(&stored),
            Came::Offer(Followed::Entry(stored)) => draft.offered(&stored),
            Came::Event(Followed::CaughtUp) | Came::Offer(Followed::CaughtUp) | Came::Tick => {}
        }
        if (is_tick && !draft.is_empty()) || draft.is_full() {
            publish(port, draft.take(0)).await;
        }
        let now = port.now_unix_ms();
        if is_tick && watched.upgrade().is_none_or(|watched| watched.load(Ordering::Relaxed) < now) {
            break;
        }
    }
    tracing::debug!("nobody watches any more");
    Ok(())
}

fn ticks(port: &Arc<dyn Port>) -> impl futures::Stream<Item = Came> + Send {
    streams::unfold(port.clone(), |port| async move {
        port.sleep_ms(DIGEST_EVERY_MS).await;
        Some((Came::Tick, port))
    })
}

/// Who misses one sees the gap by the next.
async fn publish(port: &Arc<dyn Port>, digest: Digest) {
    let message = Message::new(subject::digest_topic(), schemas::encode(&digest));
    if let Err(error) = port.publish(message.with_headers(Headers::of_type(Digest::TYPE))).await {
        tracing::debug!(%error, "a digest was not told");
    }
}

#[cfg(test)]
mod tests {
    use schemas::{Hash, profile::State};

    use super::*;

    fn stored(sequence: u64, subject: String, body: Vec<u8>) -> Stored {
        Stored { sequence, subject, headers: Headers::default(), body: body.into(), time_unix_ms: 7 }
    }

    fn event(sequence: u64, what: Happening) -> Stored {
        let deal: schemas::DealId = "a".repeat(26).parse().unwrap();
        let subject = subject::deal_log(&deal);
        let event = DealEvent { deal, turn: 1, prev: Hash::ZERO, at_unix_ms: 5, what, cause: None, trace: None };
        stored(sequence, subject, schemas::encode(&event))
    }

    #[test]
    fn a_digest_says_what_it_tells_of_and_the_next_goes_on_behind_it() {
        let mut draft = Draft::after(10);
        draft.heard(&event(12, Happening::Confirmed { by: "kenya".parse().unwrap() }));
        draft.heard(&stored(14, subject::deal_log(&"b".repeat(26).parse().unwrap()), vec![1, 2]));
        let first = draft.take(20);
        assert_eq!((first.after, first.through, first.head), (10, 14, 20));
        assert_eq!(first.events.len(), 1);
        let told = &first.events[0];
        assert_eq!((told.sequence, told.event.as_str(), told.state), (12, "confirmed", State::Committed));
        assert!(draft.is_empty());
        draft.told_through(20);
        let second = draft.take(0);
        assert_eq!((second.after, second.through, second.head), (14, 20, 20));
    }

    #[test]
    fn what_stands_in_another_deals_log_is_no_event() {
        let mut lie = event(1, Happening::Settled);
        lie.subject = subject::deal_log(&"b".repeat(26).parse().unwrap());
        let mut draft = Draft::after(0);
        draft.heard(&lie);
        assert!(draft.is_empty());
    }

    #[test]
    fn a_digest_is_full_before_it_is_too_large() {
        let reason = "x".repeat(schemas::limit::MAX_TEXT_BYTES);
        let mut draft = Draft::after(0);
        let mut sequence = 0;
        while !draft.is_full() {
            sequence += 1;
            let by = "kenya".parse().unwrap();
            draft.heard(&event(sequence, Happening::Rejected { by, reason: reason.clone() }));
        }
        assert_eq!(sequence, u64::try_from(MAX_DIGEST_ITEMS).unwrap());
        let digest = draft.take(0);
        assert!(body::decode::<Digest>(&schemas::encode(&digest), MAX_CLEARING_BODY_BYTES).is_ok());
    }

    #[test]
    fn of_an_offer_of_thousands_of_goods_a_few_are_told_each_once() {
        let subject = subject::intent(&"bazaar".parse().unwrap(), &"kenya".parse().unwrap());
        let way =
            |at: usize| serde_json::json!({ "good": format!("g{at}"), "limit": 1, "value": { "lo": "2", "hi": "2" } });
        let ways: Vec<_> = (0..4_000).map(way).collect();
        let intent = serde_json::json!({ "type": "intent", "market": "bazaar", "agent": "kenya", "gives": [{ "good": "tea", "limit": 5,
            "cost": { "lo": "1", "hi": "1" } }], "wants": [{ "any_of": [way(0)] }, { "any_of": ways }] });
        let intent: Intent = body::from_json(&intent).unwrap();
        let wants = offered(&stored(3, subject, schemas::encode(&intent))).unwrap().wants;
        let told: Vec<&str> = wants.iter().map(Good::as_str).collect();
        assert_eq!((told.len(), &told[..3]), (MOST_GOODS, &["g0", "g1", "g2"][..]));
    }

    #[test]
    fn an_offer_is_its_goods_and_one_that_was_taken_back_has_none() {
        let subject = subject::intent(&"bazaar".parse().unwrap(), &"kenya".parse().unwrap());
        let intent = serde_json::json!({ "type": "intent", "market": "bazaar", "agent": "kenya", "gives": [{ "good": "tea", "limit": 5,
            "cost": { "lo": "1", "hi": "1" } }], "wants": [{ "any_of": [
            { "good": "rice", "limit": 1, "value": { "lo": "2", "hi": "2" } },
            { "good": "wheat", "limit": 1, "value": { "lo": "2", "hi": "2" } }] }] });
        let intent: Intent = body::from_json(&intent).unwrap();
        let mut draft = Draft::after(0);
        draft.offered(&stored(3, subject.clone(), schemas::encode(&intent)));
        draft.offered(&stored(4, subject.clone(), Vec::new()));
        draft.offered(&stored(5, subject, vec![9]));
        let offers = draft.take(0).offers;
        let shown: Vec<String> = offers.iter().map(|of| format!("{:?} {:?}", of.gives, of.wants)).collect();
        assert_eq!(offers.len(), 2, "{shown:?}");
        assert_eq!((offers[0].gives.len(), offers[0].wants.len()), (1, 2));
        assert!(offers[1].gives.is_empty() && offers[1].wants.is_empty());
    }
}
