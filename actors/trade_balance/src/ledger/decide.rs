//! Verdicts: on certified deals, on failed ones, and on declarations.

use schemas::deal::{Accept, Delivery, ReadTerms, Terms};
use schemas::event::{DealEvent, Happening, Signed};
use schemas::ledger::{Declare, Declared, LimitEvent};
use schemas::limit::{MAX_BODY_BYTES, MAX_TEXT_BYTES};
use schemas::subject::{self, DealVerb};
use schemas::{AgentId, Code, DealId, ErrorReply, Hash};

use super::apply::Inconsistent;
use super::line::LineFault;
use super::{Draft, Head};

/// What the ledger answers to a certified deal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is to be committed.
    Commit {
        /// What its terms say.
        terms: Terms,
        /// Whether that settles it.
        immediate: bool,
    },
    /// It is refused.
    Refuse {
        /// The rule, a stable word: `terms`, `book`, `acceptances`, `over_limit`, `overflow`.
        rule: &'static str,
        /// Why, for people.
        reason: String,
    },
}

impl Verdict {
    /// The event that says so, made from the one that it answers.
    #[must_use]
    pub fn happening(&self, certified: &Happening) -> Option<Happening> {
        match (self, certified) {
            (Self::Commit { .. }, Happening::Certified { book, terms, acceptances, certificates, .. }) => {
                Some(Happening::Committed {
                    book: book.clone(),
                    terms: terms.clone(),
                    acceptances: acceptances.clone(),
                    certificates: certificates.clone(),
                })
            }
            (Self::Refuse { rule, reason }, Happening::Certified { .. }) => {
                Some(Happening::Refused { rule: (*rule).to_owned(), reason: reason.clone(), evidence: None })
            }
            _ => None,
        }
    }
}

/// What the ledger answers to a declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declaration {
    /// It is recorded already, with this outcome; nothing is to be written.
    Recorded(Declared),
    /// It is to be written.
    Write {
        /// The next entry of the agent's limits log.
        event: LimitEvent,
        /// The answer once it is written.
        declared: Declared,
    },
}

/// A rule that was broken and why.
type Refusal = (&'static str, String);

impl Draft<'_> {
    /// Decides on a certified deal; `None` for any other event, one of another book, and a deal that is on
    /// the book already. It changes nothing: the event that says so, once built, is to be applied.
    #[must_use]
    pub fn decide_certified(&self, event: &DealEvent) -> Option<Verdict> {
        let Happening::Certified { book, terms, acceptances, .. } = &event.what else { return None };
        if *book != self.book.id || self.open_deal(&event.deal).is_some() {
            return None;
        }
        Some(match self.judged(&event.deal, terms, acceptances) {
            Ok(terms) => Verdict::Commit { immediate: terms.delivery == Delivery::Immediate, terms },
            Err((rule, reason)) => Verdict::Refuse { rule, reason: bounded(reason) },
        })
    }

    fn judged(&self, deal: &DealId, terms: &[u8], acceptances: &[Signed]) -> Result<Terms, Refusal> {
        let ReadTerms { terms, hash } = ReadTerms::read(terms).map_err(|error| ("terms", error.to_string()))?;
        if terms.book != self.book.id {
            return Err(("book", format!("the terms are of book {}, the deal of {}", terms.book, self.book.id)));
        }
        if acceptances.len() != terms.parties.len() {
            return Err(("acceptances", format!("{} parties, {} acceptances", terms.parties.len(), acceptances.len())));
        }
        for (party, signed) in terms.parties.iter().zip(acceptances) {
            accepted(deal, party, hash, signed).map_err(|reason| ("acceptances", format!("{party}: {reason}")))?;
        }
        match self.posted(&terms) {
            Ok(_) => Ok(terms),
            Err(Inconsistent::Line { party, good, fault: LineFault::OverLimit { wanted, left } }) => {
                Err(("over_limit", format!("{party} would give {wanted} {good} and has {left} left to give")))
            }
            Err(Inconsistent::Line { party, good, fault: LineFault::Overflow }) => {
                Err(("overflow", format!("the {good} of {party} would not fit 64 bits")))
            }
            Err(other) => Err(("terms", other.to_string())),
        }
    }

    /// What to take back of a deal that failed: what was not delivered, by index in the terms, in order.
    /// `None` for any other event and for a deal that is not open on this book.
    #[must_use]
    pub fn decide_failed(&self, event: &DealEvent) -> Option<Happening> {
        let Happening::Failed { undelivered } = &event.what else { return None };
        let transfers = self.open_deal(&event.deal)?;
        let exists = |index: &u32| usize::try_from(*index).is_ok_and(|index| index < transfers.len());
        let mut reversed: Vec<u32> = undelivered.iter().copied().filter(exists).collect();
        reversed.sort_unstable();
        reversed.dedup();
        Some(Happening::Compensated { reversed })
    }

    /// Decides on the signed declaration `cause` of `agent`, whose signature was checked. Whether it was
    /// made before counts first, whenever it is asked again.
    ///
    /// # Errors
    /// 400 when it cannot be read; 404 for another book; 409 when the move's id went with another body; 410
    /// past its deadline; 422, rule `below_given`, when a limit would be less than what is already given.
    pub fn decide_declare(&self, agent: &AgentId, cause: Signed, now_unix_ms: i64) -> Result<Declaration, ErrorReply> {
        let declare: Declare = schemas::decode(&cause.body, MAX_BODY_BYTES)?;
        if declare.book != self.book.id {
            return Err(ErrorReply::new(Code::Unknown, format!("this is book {}", self.book.id)).at_field("book"));
        }
        let declared =
            Declared { book: declare.book.clone(), move_id: declare.move_id.clone(), limits: declare.limits.clone() };
        match self.recorded(agent, &declare.move_id) {
            Some(body) if body == Hash::of(&cause.body) => return Ok(Declaration::Recorded(declared)),
            Some(_) => {
                let reason = format!("move {} was made before, with another body", declare.move_id);
                return Err(ErrorReply::new(Code::Conflict, reason).at_field("move_id").in_state("declared"));
            }
            None => {}
        }
        if declare.deadline_unix_ms < now_unix_ms {
            let reason = format!("it is {now_unix_ms}, the deadline was {}", declare.deadline_unix_ms);
            return Err(ErrorReply::new(Code::Late, reason).at_field("deadline_unix_ms"));
        }
        if let Err((index, fault)) = self.limited(agent, &declare) {
            let reason = match &fault {
                Inconsistent::Line { good, fault: LineFault::OverLimit { wanted, left }, .. } => {
                    format!("{agent} has given {wanted} {good} more than it has surely received; {left} would be less")
                }
                other => other.to_string(),
            };
            return Err(ErrorReply::refused("below_given", reason).at_field(&format!("limits[{index}].quantity")));
        }
        let Head { next_turn, last } = self.head(agent);
        let event = LimitEvent {
            book: self.book.id.clone(),
            agent: agent.clone(),
            turn: next_turn,
            prev: last,
            at_unix_ms: now_unix_ms,
            cause,
        };
        Ok(Declaration::Write { event, declared })
    }
}

/// Reasons quote what others wrote: they stay within what the wire takes.
fn bounded(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(MAX_TEXT_BYTES));
    reason
}

/// Whether this is the acceptance of these terms of this deal by this party.
fn accepted(deal: &DealId, party: &AgentId, terms: Hash, signed: &Signed) -> Result<(), String> {
    let (verb, mover, of) = subject::parse_deal_move(&signed.subject).map_err(|error| error.to_string())?;
    if verb != DealVerb::Accept || mover != *party || of != *deal {
        return Err(format!("sent to {}", signed.subject));
    }
    let accept: Accept = schemas::decode(&signed.body, MAX_BODY_BYTES).map_err(|error| error.to_string())?;
    if accept.deal != *deal {
        return Err(format!("accepts deal {}", accept.deal));
    }
    if accept.terms_hash != terms {
        return Err(format!("accepts the terms {}", accept.terms_hash));
    }
    Ok(())
}
