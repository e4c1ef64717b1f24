//! Telling again what was said, from the words that somebody kept.
//!
//! Two parties that have signed the same head have signed the same words: whoever can show bytes that replay to that
//! head shows what was said, and there are no others. When they were said nobody can show; so no word is refused here
//! for being late.

use schemas::id::{AgentId, DealId};
use schemas::negotiation::{ReadRules, Rules, Transcript};

use crate::alternating::Alternating;
use crate::contract::{ContractNet, View};
use crate::refusal::Refusal;

/// What words tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What they amount to, in short.
    pub transcript: Transcript,
    /// The outcome that they agree on, if they do.
    pub outcome: Option<Vec<u32>>,
    /// Who agrees: all parties of alternating offers; manager and awarded of a contract net.
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
    /// A contract net without an award has no head.
    #[error("the words end before the award")]
    Unfinished,
}

/// Hears all words again, in the order in which they were said (of a contract net: the call, the answers in the order
/// in which the award names them, the award). `parties` are those that the deal was opened with.
///
/// # Errors
/// See [`Broken`].
pub fn replay(deal: &DealId, rules: ReadRules, parties: &[AgentId], words: &[Vec<u8>]) -> Result<Told, Broken> {
    const WHENEVER: i64 = i64::MIN;
    let refused = |word: usize| move |refusal: Refusal| Broken::Refused { word, refusal };
    match &rules.rules {
        Rules::Alternating(_) => {
            let mut talk = Alternating::new(deal.clone(), rules).ok_or(Broken::Unfinished)?;
            for (at, word) in words.iter().enumerate() {
                talk.hear(word, WHENEVER).map_err(refused(at))?;
            }
            Ok(Told {
                transcript: talk.transcript(),
                outcome: talk.agreed().map(<[u32]>::to_vec),
                between: talk.rules().order.clone(),
            })
        }
        Rules::ContractNet(_) => {
            let net = ContractNet::new(deal.clone(), rules, parties, View::Whole);
            let mut net = net.ok_or(Broken::Unfinished)?;
            for (at, word) in words.iter().enumerate() {
                net.hear(word, WHENEVER).map_err(refused(at))?;
            }
            let transcript = net.transcript().ok_or(Broken::Unfinished)?;
            let awarded = net.award().and_then(|award| award.bidding.clone());
            let manager = net.rules().manager.clone();
            let between = std::iter::once(manager).chain(awarded.iter().map(|bidding| bidding.by.clone())).collect();
            Ok(Told { transcript, outcome: awarded.and_then(|bidding| bidding.outcome), between })
        }
    }
}
