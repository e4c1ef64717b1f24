//! A party in a talk: the protocol, what it wants, and a strategy. And a whole talk in one room.
//!
//! Whoever carries words from party to party, a bus or a test, sees only a [`Part`], whichever the protocol.

use std::sync::Arc;

use schemas::hash::Hash;
use schemas::id::{AgentId, DealId};
use schemas::negotiation::ReadRules;
use schemas::talk::Talk;

use crate::alternating::Alternating;
use crate::refusal::Refusal;
use crate::space::Ranking;
use crate::strategy::{Choice, Situation, Strategy};
use crate::transcript::Told;
use crate::utility::Preferences;

/// Something said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its exact bytes.
    pub word: Vec<u8>,
    /// The type of the body.
    pub kind: &'static str,
    /// To whom; where this is nobody, to all others who take part.
    pub to: Option<AgentId>,
}

/// One's part in a talk.
pub trait Part: Send {
    /// Speaks, if there is something to say now; it has heard that itself then.
    fn speak(&mut self, now_unix_ms: i64) -> Option<Said>;

    /// Hears another's word.
    ///
    /// # Errors
    /// The rule that refuses it; nothing has changed then.
    fn hear(&mut self, word: &[u8], now_unix_ms: i64) -> Result<(), Refusal>;

    /// Whether a word that was refused may come to be heard: it follows words that have yet to come.
    fn is_ahead(&self, _word: &[u8]) -> bool {
        false
    }

    /// What came of it, once it has ended.
    fn told(&self) -> Option<Told>;

    /// Whether this party is the one that tells the desk what came of it.
    fn closes(&self) -> bool;

    /// Whether it wants what came of it.
    fn wants(&self) -> bool {
        true
    }

    /// Until when it waits for others, in Unix milliseconds: then it has something to say although they are silent.
    fn waits_until_unix_ms(&self) -> Option<i64> {
        None
    }

    /// Every word that it has said or heard, in its exact bytes: what a dispute is settled with.
    fn words(&self) -> &[Vec<u8>];
}

/// What was said and heard, in its exact bytes.
#[derive(Default)]
pub(crate) struct Words(Vec<Vec<u8>>);

impl Words {
    /// Keeps what is said, once its speaker has taken it itself, by the hash of its exact bytes.
    pub(crate) fn say(
        &mut self,
        said: &Talk,
        to: Option<AgentId>,
        take: impl FnOnce(Hash) -> Result<(), Refusal>,
    ) -> Option<Said> {
        let (word, kind) = (said.encode(), said.kind());
        take(Hash::of(&word)).ok()?;
        self.keep(&word);
        Some(Said { word, kind, to })
    }

    pub(crate) fn keep(&mut self, word: &[u8]) {
        self.0.push(word.to_vec());
    }

    pub(crate) fn all(&self) -> &[Vec<u8>] {
        &self.0
    }
}

/// A party to alternating offers: hears words, and speaks when it has the floor.
pub struct Negotiator {
    me: AgentId,
    talk: Alternating,
    preferences: Preferences,
    ranking: Arc<Ranking>,
    strategy: Box<dyn Strategy>,
    words: Words,
    /// Whether the last of them is its own.
    spoke_last: bool,
}

impl Negotiator {
    /// A party to a talk of which nothing is said yet; `None` where it has no seat. `ranking` is of its own utility.
    #[must_use]
    pub fn new(
        me: AgentId,
        talk: Alternating,
        preferences: Preferences,
        ranking: Arc<Ranking>,
        strategy: Box<dyn Strategy>,
    ) -> Option<Self> {
        let is_seated = talk.rules().order.contains(&me);
        is_seated.then_some(Self {
            me,
            talk,
            preferences,
            ranking,
            strategy,
            words: Words::default(),
            spoke_last: false,
        })
    }

    /// The talk as it heard it.
    #[must_use]
    pub fn talk(&self) -> &Alternating {
        &self.talk
    }

    /// What no agreement is worth to it, and what outcomes are.
    #[must_use]
    pub fn preferences(&self) -> &Preferences {
        &self.preferences
    }
}

impl Part for Negotiator {
    fn speak(&mut self, now_unix_ms: i64) -> Option<Said> {
        if self.talk.mover() != Some(&self.me) {
            return None;
        }
        let choice = self.strategy.choose(&Situation {
            utility: &self.preferences.utility,
            ranking: &self.ranking,
            reserved_ppm: self.preferences.reserved_ppm,
            parties: self.talk.rules().order.len(),
            round: self.talk.round(),
            rounds: self.talk.rules().rounds,
            table: self.talk.table(),
        });
        let said = match choice {
            Choice::Offer(outcome) => self.talk.offer(&self.me, outcome),
            Choice::Accept => self.talk.accept(&self.me)?,
            Choice::End => self.talk.finish(&self.me, "nothing to be gained"),
        };
        let said = self.words.say(&said, None, |hash| self.talk.take(&said, hash, now_unix_ms))?;
        self.spoke_last = true;
        Some(said)
    }

    fn hear(&mut self, word: &[u8], now_unix_ms: i64) -> Result<(), Refusal> {
        let seat = self.talk.seat();
        let heard = self.talk.hear(word, now_unix_ms)?;
        if let Talk::Offer(offer) = &heard {
            let worth_ppm = self.preferences.utility.of(&offer.outcome);
            self.strategy.heard(seat, &offer.outcome, worth_ppm);
        }
        self.words.keep(word);
        self.spoke_last = false;
        Ok(())
    }

    fn is_ahead(&self, word: &[u8]) -> bool {
        self.talk.is_ahead(word)
    }

    fn told(&self) -> Option<Told> {
        self.talk.end().is_some().then(|| self.talk.told())
    }

    fn closes(&self) -> bool {
        self.spoke_last
    }

    fn words(&self) -> &[Vec<u8>] {
        self.words.all()
    }
}

/// A whole talk, every party in this process, without time: how it went.
#[must_use]
pub fn negotiate(
    deal: &DealId,
    rules: &ReadRules,
    parties: Vec<(AgentId, Preferences, Arc<Ranking>, Box<dyn Strategy>)>,
) -> Option<Alternating> {
    const WHENEVER: i64 = i64::MIN;
    let mut room = parties
        .into_iter()
        .map(|(me, preferences, ranking, strategy)| {
            Negotiator::new(me, Alternating::new(deal.clone(), rules.clone())?, preferences, ranking, strategy)
        })
        .collect::<Option<Vec<Negotiator>>>()?;
    loop {
        let Some((speaker, said)) =
            room.iter_mut().enumerate().find_map(|(at, party)| Some((at, party.speak(WHENEVER)?)))
        else {
            return room.into_iter().next().map(|party| party.talk);
        };
        for (_, other) in room.iter_mut().enumerate().filter(|(at, _)| *at != speaker) {
            other.hear(&said.word, WHENEVER).ok()?;
        }
    }
}

/// Lets everybody talk in this process, whichever the protocol, until nobody has anything to say.
///
/// # Errors
/// Who refuses a word, and by which rule.
pub fn hold(room: &mut [(AgentId, Box<dyn Part>)], now_unix_ms: i64) -> Result<(), (AgentId, Refusal)> {
    loop {
        let Some((speaker, said)) =
            room.iter_mut().enumerate().find_map(|(at, (_, part))| Some((at, part.speak(now_unix_ms)?)))
        else {
            return Ok(());
        };
        for (at, (who, part)) in room.iter_mut().enumerate() {
            if at != speaker && said.to.as_ref().is_none_or(|to| to == who) {
                part.hear(&said.word, now_unix_ms).map_err(|refusal| (who.clone(), refusal))?;
            }
        }
    }
}
