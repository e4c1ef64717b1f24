//! Telling again what was said, from the words that somebody kept.
//!
//! Two parties that have signed the same head have signed the same words: whoever can show bytes that replay to that
//! head shows what was said, and there are no others. When they were said nobody can show; so no word is refused here
//! for being late.

use schemas::id::{AgentId, DealId};
use schemas::negotiation::{ReadRules, Rules, Transcript};

use crate::alternating::Alternating;
use crate::contract::ContractNet;
use crate::refusal::Refusal;
use crate::text::SingleText;

/// Who has heard the words, where not everybody hears all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// A manager or a mediator, or somebody who has all words.
    Whole,
    /// A party that hears no bid and no vote but its own.
    Party(AgentId),
}

/// What words tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What they amount to, in short.
    pub transcript: Transcript,
    /// The outcome that they come to, if they do and whoever heard them knows it.
    pub outcome: Option<Vec<u32>>,
    /// Between whom, in the order of the seats: all parties; manager and awarded of a contract net.
    pub between: Vec<AgentId>,
}

/// A word at which they break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A word that the protocol does not take there.
    #[error("word {word}: {refusal}")]
    Refused {
        /// Which, counted from 0.
        word: usize,
        /// Why.
        refusal: Refusal,
    },
    /// A contract net without an award has no head, nor has a text without a result.
    #[error("the words end before the end")]
    Unfinished,
    /// An answer that the manager did not count: nobody has signed that it was given.
    #[error("no call and no award names one of the answers")]
    Uncounted,
}

/// Hears all words again, in the order in which they were said; answers and votes in the order in which the word after
/// them names them. `parties` are those that the deal was opened with, `view` is of whoever kept the words.
///
/// # Errors
/// See [`Broken`].
pub fn replay(
    deal: &DealId,
    rules: ReadRules,
    parties: &[AgentId],
    words: &[Vec<u8>],
    view: View,
) -> Result<Told, Broken> {
    const WHENEVER: i64 = i64::MIN;
    let refused = |word: usize| move |refusal: Refusal| Broken::Refused { word, refusal };
    match &rules.rules {
        Rules::Alternating(_) => {
            let mut talk = Alternating::new(deal.clone(), rules).ok_or(Broken::Unfinished)?;
            for (at, word) in words.iter().enumerate() {
                talk.hear(word, WHENEVER).map_err(refused(at))?;
            }
            Ok(talk.told())
        }
        Rules::ContractNet(_) | Rules::Iterated(_) => {
            let mut net = ContractNet::new(deal.clone(), rules, parties, view).ok_or(Broken::Unfinished)?;
            for (at, word) in words.iter().enumerate() {
                net.hear(word, WHENEVER).map_err(refused(at))?;
            }
            let told = net.told().ok_or(Broken::Unfinished)?;
            if net.is_all_named() { Ok(told) } else { Err(Broken::Uncounted) }
        }
        Rules::SingleText(_) => {
            let mut talk = SingleText::new(deal.clone(), rules, view).ok_or(Broken::Unfinished)?;
            for (at, word) in words.iter().enumerate() {
                talk.hear(word, WHENEVER).map_err(refused(at))?;
            }
            talk.told().ok_or(Broken::Unfinished)
        }
    }
}
