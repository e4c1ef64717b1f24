//! The story of a market, as lines that people read: `hms watch`.
//!
//! A [`Story`] is told one message after another, as they come from the log or live, and makes a line of each that says
//! something. It is pure, so that a run that was captured tells the same story again. What the log's events leave to
//! their causes (who gives what) it reads from the causes; what an event leaves to earlier ones (who else is in the deal)
//! it remembers, and it says which deals it would have to be told of first.
//!
//! What it refuses: to let what agents wrote steer a terminal. A line is one line, without control characters.

mod words;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use schemas::{
    AgentId, DealId, MarketId, Message,
    body::{decode, type_of},
    clearing::Clearing,
    deal::{Counter, Open, Propose, ReadTerms, Transfer},
    event::{DealEvent, Happening, Signed},
    import::{CertificateEvent, Enact, Revoke},
    ledger::{Declare, LimitEvent},
    limit::MAX_CLEARING_BODY_BYTES,
    market::{Intent, IntentWithdrawn, LeftOut, Market},
    registry::KeyEvent,
    subject,
};
use serde::Serialize;

use self::words::Words;
use crate::command::deal::proved_in_words;

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Where it stands in its stream; a topic where it was only said.
    pub subject: String,
    /// What it says.
    pub body: Vec<u8>,
    /// When, in Unix milliseconds, where the body itself doesn't say.
    pub at_unix_ms: i64,
    /// Its place in its stream.
    pub sequence: Option<u64>,
}

/// How a line is meant, which a terminal shows by a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Something new: an offer, a deal.
    New,
    /// Somebody moves.
    Move,
    /// A good step: proved, committed, settled.
    Good,
    /// A bad end, or something that should not be.
    Bad,
    /// By the way.
    Quiet,
}

impl Mood {
    /// The mood as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Move => "move",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// What happened, as a word.
    pub event: String,
    /// In which market.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub market: Option<MarketId>,
    /// To which deal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deal: Option<DealId>,
    /// Who did it, where it was an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<AgentId>,
    /// Its place in its stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The same for people.
    pub text: String,
    /// How it is meant.
    #[serde(skip)]
    pub mood: Mood,
    /// Whether the deal has ended with it.
    #[serde(skip)]
    pub is_end: bool,
}

/// What is remembered of a deal while it lives.
#[derive(Clone, Debug)]
struct Known {
    book: MarketId,
    parties: usize,
    accepted: BTreeSet<AgentId>,
    transfers: Vec<Transfer>,
}

/// What was told so far, as far as later lines need it.
#[derive(Debug, Default)]
pub struct Story {
    /// The one market that is told of; all where there is none.
    only: Option<MarketId>,
    markets: BTreeMap<MarketId, Market>,
    deals: BTreeMap<DealId, Known>,
    /// Who got nothing in a market's last clearing, and why.
    left_out: BTreeMap<MarketId, String>,
}

impl Story {
    /// The story of one market, or of all.
    #[must_use]
    pub fn of(only: Option<MarketId>) -> Self {
        Self { only, ..Self::default() }
    }

    /// Learns what a market's goods are counted in.
    pub fn learn(&mut self, market: Market) {
        self.markets.insert(market.market.clone(), market);
    }

    /// A market was declared, or declared anew.
    pub fn declared(&mut self, market: Market, at_unix_ms: i64) -> Option<Line> {
        let goods: Vec<String> = market.goods.iter().map(|spec| format!("{} ({})", spec.good, spec.unit)).collect();
        let text = format!("the market is declared: {}; account in {}", goods.join(", "), market.unit_of_account);
        let id = market.market.clone();
        self.learn(market);
        let line = Line { market: Some(id), ..plain("market", at_unix_ms, text, Mood::Quiet) };
        self.kept(line)
    }

    /// The deal that this is about, where its beginning was not told yet.
    #[must_use]
    pub fn unknown(&self, heard: &Heard) -> Option<DealId> {
        let deal = subject::parse_deal_log(&heard.subject).ok()?;
        let event: DealEvent = decode(&heard.body, MAX_CLEARING_BODY_BYTES).ok()?;
        (event.turn > 0 && !self.deals.contains_key(&deal)).then_some(deal)
    }

    /// Makes a line of what was heard; `None` where it says nothing that is told.
    pub fn tell(&mut self, heard: &Heard) -> Option<Line> {
        let line = self.line(heard)?;
        self.kept(Line { sequence: heard.sequence, ..line })
    }

    /// Something stands in a log that nobody who may write it has signed.
    pub fn unsigned(&self, heard: &Heard, fault: &str) -> Option<Line> {
        let deal = subject::parse_deal_log(&heard.subject).ok();
        let text = format!("passed over, since it counts for nothing: {} ({fault})", heard.subject);
        let line = Line { deal, sequence: heard.sequence, ..plain("unsigned", heard.at_unix_ms, text, Mood::Bad) };
        self.kept(line)
    }

    /// Whether this is of the market that is told of, and then on one line.
    fn kept(&self, mut line: Line) -> Option<Line> {
        line.text = one_line(&line.text);
        let is_told = match (&self.only, &line.market) {
            (Some(only), Some(market)) => only == market,
            // Keys, and what nobody signed, are of no market.
            (Some(_), None) => false,
            (None, _) => true,
        };
        is_told.then_some(line)
    }

    fn line(&mut self, heard: &Heard) -> Option<Line> {
        let Heard { subject, body, at_unix_ms, .. } = heard;
        if subject::parse_deal_log(subject).is_ok() {
            return self.happened(&read::<DealEvent>(body)?);
        }
        if let Ok((market, agent)) = subject::parse_intent(subject) {
            return self.intent(market, agent, body, *at_unix_ms);
        }
        if subject::parse_limit_log(subject).is_ok() {
            return self.limits(&read::<LimitEvent>(body)?);
        }
        if subject::parse_certificate_log(subject).is_ok() {
            return self.certificates(&read::<CertificateEvent>(body)?);
        }
        if subject::parse_key_log(subject).is_ok() {
            return key(read::<KeyEvent>(body)?);
        }
        if type_of(body, MAX_CLEARING_BODY_BYTES) == Ok(Clearing::TYPE) {
            return self.cleared(&read::<Clearing>(body)?);
        }
        None
    }

    fn intent(&self, market: MarketId, agent: AgentId, body: &[u8], at_unix_ms: i64) -> Option<Line> {
        let line = |event, text, mood| {
            let line = plain(event, at_unix_ms, text, mood);
            Some(Line { market: Some(market.clone()), by: Some(agent.clone()), ..line })
        };
        // An empty body is how a stream of last values forgets.
        if body.is_empty() || type_of(body, MAX_CLEARING_BODY_BYTES) == Ok(IntentWithdrawn::TYPE) {
            return line("intent.withdrawn", format!("{agent} takes its offer back"), Mood::Quiet);
        }
        match read::<Intent>(body) {
            Some(intent) => line("intent", format!("{agent} {}", self.words(&market).offer(&intent)), Mood::New),
            None => line("intent", format!("what stands there as {agent}'s offer can't be read"), Mood::Bad),
        }
    }

    fn limits(&self, event: &LimitEvent) -> Option<Line> {
        let declared: Declare = read(&event.cause.body)?;
        let words = self.words(&event.book);
        let limits: Vec<String> =
            declared.limits.iter().map(|limit| words.amount(limit.quantity, &limit.good)).collect();
        let text = format!("{} declares that it may give {}", event.agent, words::listed(&limits, "nothing"));
        let line = plain("limit", event.at_unix_ms, text, Mood::Quiet);
        Some(Line { market: Some(event.book.clone()), by: Some(event.agent.clone()), ..line })
    }

    /// What an authority does to import certificates; that a delivery earns some is told by the deal.
    fn certificates(&self, event: &CertificateEvent) -> Option<Line> {
        let cause = event.cause.as_ref()?;
        let (event_name, by, text) = if let Some(revoke) = read::<Revoke>(&cause.body) {
            let Revoke { party, quantity, reason, .. } = revoke;
            let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            let text = format!("{} import certificates of {party} are revoked{why}", words::grouped(quantity.get()));
            ("certificates.revoked", None, text)
        } else {
            let rules = read::<Enact>(&cause.body)?.rules;
            let authority = rules.authority;
            let text = format!("{authority} sets the rules of import certificates, which are {}", rules.good);
            ("certificates.enacted", Some(authority), text)
        };
        let line = plain(event_name, event.at_unix_ms, text, Mood::Quiet);
        Some(Line { market: Some(event.book.clone()), by, ..line })
    }

    /// Clearings that open nothing are told when somebody gets nothing for another reason than before.
    fn cleared(&mut self, clearing: &Clearing) -> Option<Line> {
        let Clearing { market, clearing: number, result, deals, at_unix_ms, .. } = clearing;
        let reason = |reason: LeftOut| words::word_of(&reason).replace('_', " ");
        let left: Vec<String> =
            result.left_out.iter().map(|offer| format!("{} ({})", offer.agent, reason(offer.reason))).collect();
        let left = words::listed(&left, "nobody");
        let was = self.left_out.insert(market.clone(), left.clone());
        let has_news = !result.left_out.is_empty() && was.as_ref() != Some(&left);
        if deals.is_empty() && !has_news {
            return None;
        }
        let gain = match self.markets.get(market) {
            Some(declared) => format!("{} {}", words::grouped(result.objective), declared.unit_of_account),
            None => words::grouped(result.objective),
        };
        let opened = match deals.len() {
            0 => "opens no deal".to_owned(),
            1 => format!("opens 1 deal, for a gain of {gain}"),
            several => format!("opens {several} deals, for a gain of {gain}"),
        };
        let text = format!("clearing {number} {opened}; left out: {left}");
        let mood = if deals.is_empty() { Mood::Quiet } else { Mood::New };
        Some(Line { market: Some(market.clone()), ..plain("clearing", *at_unix_ms, text, mood) })
    }

    fn happened(&mut self, event: &DealEvent) -> Option<Line> {
        self.remember(event);
        let known = self.deals.get(&event.deal);
        let market = known.map(|known| known.book.clone()).or_else(|| match &event.what {
            Happening::Committed { book, .. } | Happening::Certified { book, .. } => Some(book.clone()),
            _ => None,
        });
        let (by, text, mood) = self.told(event, market.as_ref(), known);
        let state = event.what.state();
        if state.is_end() {
            self.deals.remove(&event.deal);
        }
        let line = plain(event.what.name(), event.at_unix_ms, text, mood);
        Some(Line { market, deal: Some(event.deal.clone()), by, is_end: state.is_end(), ..line })
    }

    /// Keeps what later events of the deal leave out.
    fn remember(&mut self, event: &DealEvent) {
        let cause = event.cause.as_ref();
        match &event.what {
            Happening::Opened { book, .. } => {
                let open = cause.and_then(|cause| read::<Open>(&cause.body));
                let parties = open.as_ref().map_or(0, |open| open.parties.len());
                let transfers = open.and_then(|open| open.terms).map(|terms| transfers(&terms)).unwrap_or_default();
                let known = Known { book: book.clone(), parties, accepted: BTreeSet::new(), transfers };
                self.deals.insert(event.deal.clone(), known);
            }
            Happening::Proposed { .. } => {
                if let (Some(known), Some(cause)) = (self.deals.get_mut(&event.deal), cause) {
                    known.transfers = proposed(cause);
                    // An acceptance is of terms, and these are others.
                    known.accepted.clear();
                }
            }
            Happening::Accepted { by, .. } => {
                if let Some(known) = self.deals.get_mut(&event.deal) {
                    known.accepted.insert(by.clone());
                }
            }
            _ => {}
        }
    }

    /// Who did it, what there is to say, and how it is meant.
    fn told(
        &self,
        event: &DealEvent,
        market: Option<&MarketId>,
        known: Option<&Known>,
    ) -> (Option<AgentId>, String, Mood) {
        let words = market.map_or_else(Words::default, |market| self.words(market));
        let moved = |transfers: &[Transfer]| words.transfers(transfers);
        let some = |indexes: &[u32]| {
            let all = known.map_or(&[][..], |known| known.transfers.as_slice());
            let named: Vec<Transfer> =
                indexes.iter().filter_map(|index| all.get(usize::try_from(*index).ok()?)).cloned().collect();
            moved(&named)
        };
        let step = known.map_or_else(String::new, |known| format!(" ({} of {})", known.accepted.len(), known.parties));
        match &event.what {
            Happening::Opened { opener, profile, .. } => {
                let open = event.cause.as_ref().and_then(|cause| read::<Open>(&cause.body));
                let (parties, requires) = open.map(|open| (open.parties, open.requires)).unwrap_or_default();
                let with: Vec<String> =
                    parties.iter().filter(|party| *party != opener).map(AgentId::to_string).collect();
                let proofs: Vec<String> = requires.iter().map(ToString::to_string).collect();
                let proofs =
                    if proofs.is_empty() { String::new() } else { format!("; to be proved: {}", proofs.join(", ")) };
                let terms = moved(known.map_or(&[][..], |known| known.transfers.as_slice()));
                let text = format!(
                    "{opener} opens a deal with {} ({profile}): {terms}{proofs}",
                    words::listed(&with, "nobody")
                );
                (Some(opener.clone()), text, Mood::New)
            }
            Happening::Proposed { by, .. } => {
                let terms = event.cause.as_ref().map(proposed).unwrap_or_default();
                (Some(by.clone()), format!("{by} proposes {}", moved(&terms)), Mood::Move)
            }
            Happening::Accepted { by, last, .. } => {
                let all = if *last { ": all have accepted" } else { "" };
                (Some(by.clone()), format!("{by} accepts{step}{all}"), Mood::Move)
            }
            Happening::Certified { terms, acceptances, certificates, .. } => {
                (None, format!("certified; {}", proved_in_words(terms, acceptances, certificates)), Mood::Good)
            }
            Happening::Committed { terms, .. } => {
                (None, format!("committed: {}", moved(&transfers(terms))), Mood::Good)
            }
            Happening::Confirmed { by } => {
                (Some(by.clone()), format!("{by} confirms that what it was due is there"), Mood::Move)
            }
            Happening::Settled => (None, "settled: everything is delivered".into(), Mood::Good),
            Happening::Rejected { by, reason } => (Some(by.clone()), format!("{by} says no: {reason}"), Mood::Bad),
            Happening::Withdrawn { by, reason } => {
                (Some(by.clone()), format!("{by} takes the deal back: {reason}"), Mood::Bad)
            }
            Happening::Expired => (None, format!("expired: not all had accepted in time{step}"), Mood::Bad),
            Happening::Refused { rule, reason, .. } => {
                (None, format!("refused by the rule {rule}: {reason}"), Mood::Bad)
            }
            Happening::Failed { undelivered } => {
                (None, format!("failed: nobody confirmed {}", some(undelivered)), Mood::Bad)
            }
            Happening::Compensated { reversed } => {
                (None, format!("taken back on the books: {}", some(reversed)), Mood::Bad)
            }
        }
    }

    fn words(&self, market: &MarketId) -> Words<'_> {
        Words { market: self.markets.get(market) }
    }
}

fn key(event: KeyEvent) -> Option<Line> {
    let KeyEvent { agent, turn, at_unix_ms, key, .. } = event;
    let text = if turn == 0 {
        format!("{agent} is registered, with the key {key}")
    } else {
        format!("{agent} goes on with the key {key}")
    };
    Some(Line { by: Some(agent), ..plain("key", at_unix_ms, text, Mood::Quiet) })
}

fn plain(event: &str, at_unix_ms: i64, text: String, mood: Mood) -> Line {
    Line {
        at_unix_ms,
        event: event.to_owned(),
        market: None,
        deal: None,
        by: None,
        sequence: None,
        text,
        mood,
        is_end: false,
    }
}

/// A body that is read as this message, if it is one.
pub fn read<T: Message>(body: &[u8]) -> Option<T> {
    decode(body, MAX_CLEARING_BODY_BYTES).ok()
}

/// What terms have change hands; nothing where they cannot be read.
pub fn transfers(terms: &[u8]) -> Vec<Transfer> {
    ReadTerms::read(terms).map(|read| read.terms.transfers).unwrap_or_default()
}

/// What a proposal, or a counter-proposal, puts on the table.
pub fn proposed(cause: &Signed) -> Vec<Transfer> {
    let terms = read::<Propose>(&cause.body).map(|propose| propose.terms);
    let terms = terms.or_else(|| read::<Counter>(&cause.body).map(|counter| counter.terms));
    terms.map(|terms| transfers(&terms)).unwrap_or_default()
}

/// Text as one line that steers no terminal, whoever wrote it.
fn one_line(text: &str) -> String {
    let steers = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}
