//! A party in a talk: the protocol, what it wants, and a strategy. And a whole talk in one room.

use std::sync::Arc;

use schemas::id::{AgentId, DealId};
use schemas::negotiation::ReadRules;
use schemas::talk::Talk;

use crate::alternating::Alternating;
use crate::refusal::Refusal;
use crate::space::Ranking;
use crate::strategy::{Choice, Situation, Strategy};
use crate::utility::Preferences;

/// A party to alternating offers: hears words, and speaks when it has the floor.
pub struct Negotiator {
    me: AgentId,
    talk: Alternating,
    preferences: Preferences,
    ranking: Arc<Ranking>,
    strategy: Box<dyn Strategy>,
    /// Every word, in its exact bytes: what a dispute is settled with.
    words: Vec<Vec<u8>>,
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
        is_seated.then_some(Self { me, talk, preferences, ranking, strategy, words: Vec::new() })
    }

    /// The talk as it heard it.
    #[must_use]
    pub fn talk(&self) -> &Alternating {
        &self.talk
    }

    /// Every word, in its exact bytes.
    #[must_use]
    pub fn words(&self) -> &[Vec<u8>] {
        &self.words
    }

    /// What no agreement is worth to it, and what outcomes are.
    #[must_use]
    pub fn preferences(&self) -> &Preferences {
        &self.preferences
    }

    /// Speaks, if it has the floor: the word's exact bytes, which it has heard itself.
    pub fn speak(&mut self, now_unix_ms: i64) -> Option<Vec<u8>> {
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
        let word = match choice {
            Choice::Offer(outcome) => self.talk.offer(&self.me, outcome),
            Choice::Accept => self.talk.accept(&self.me)?,
            Choice::End => self.talk.finish(&self.me, "nothing to be gained"),
        };
        let bytes = word.encode();
        self.talk.hear(&bytes, now_unix_ms).ok()?;
        self.words.push(bytes.clone());
        Some(bytes)
    }

    /// Hears another's word.
    ///
    /// # Errors
    /// The rule that refuses it; nothing has changed then.
    pub fn hear(&mut self, bytes: &[u8], now_unix_ms: i64) -> Result<(), Refusal> {
        let seat = self.talk.seat();
        let word = self.talk.hear(bytes, now_unix_ms)?;
        if let Talk::Offer(offer) = &word {
            let worth_ppm = self.preferences.utility.of(&offer.outcome);
            self.strategy.heard(seat, &offer.outcome, worth_ppm);
        }
        self.words.push(bytes.to_vec());
        Ok(())
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
        let Some((speaker, word)) =
            room.iter_mut().enumerate().find_map(|(at, party)| Some((at, party.speak(WHENEVER)?)))
        else {
            return room.into_iter().next().map(|party| party.talk);
        };
        for (_, other) in room.iter_mut().enumerate().filter(|(at, _)| *at != speaker) {
            other.hear(&word, WHENEVER).ok()?;
        }
    }
}
