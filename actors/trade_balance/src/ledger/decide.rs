//! Verdicts: on certified deals, on failed ones, and on declarations.

use schemas::deal::{Accept, Delivery, ReadTerms, Terms};
use schemas::event::{DealEvent, Happening, Signed};
use schemas::ledger::{Declare, Declared, LimitEvent};
use schemas::limit::{MAX_BODY_BYTES, MAX_TEXT_BYTES};
use schemas::subject::{self, DealVerb};
use schemas::{AgentId, Code, DealId, ErrorReply, Hash};

use super::apply::Inconsistent;
use super::imports::ImportFault;
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
        /// The rule, a stable word: `terms`, `book`, `acceptances`, `over_limit`, `uncertified`, `overflow`.
        rule: &'static str,
        /// Why, for people.
        reason: String,
        /// Who would give more than it may, where that is why.
        party: Option<AgentId>,
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
            (Self::Refuse { rule, reason, party }, Happening::Certified { .. }) => Some(Happening::Refused {
                rule: (*rule).to_owned(),
                reason: reason.clone(),
                evidence: None,
                party: party.clone(),
            }),
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

/// A rule that was broken, why, and by whom.
struct Refusal {
    rule: &'static str,
    reason: String,
    party: Option<AgentId>,
}

impl From<(&'static str, String)> for Refusal {
    fn from((rule, reason): (&'static str, String)) -> Self {
        Self { rule, reason, party: None }
    }
}

impl Draft<'_> {
    /// Decides on a certified deal; `None` for any other event, one of another book, and a deal that is on
    /// the book already. It changes nothing: the event that says so, once built with this time, is to be applied.
    #[must_use]
    pub fn decide_certified(&self, event: &DealEvent, now_unix_ms: i64) -> Option<Verdict> {
        let Happening::Certified { book, terms, acceptances, .. } = &event.what else { return None };
        if *book != self.book.id || self.open_deal(&event.deal).is_some() {
            return None;
        }
        Some(match self.judged(&event.deal, terms, acceptances, now_unix_ms) {
            Ok(terms) => Verdict::Commit { immediate: terms.delivery == Delivery::Immediate, terms },
            Err(Refusal { rule, reason, party }) => Verdict::Refuse { rule, reason: bounded(reason), party },
        })
    }

    fn judged(&self, deal: &DealId, terms: &[u8], acceptances: &[Signed], now_unix_ms: i64) -> Result<Terms, Refusal> {
        let ReadTerms { terms, hash } = ReadTerms::read(terms).map_err(|error| ("terms", error.to_string()))?;
        if terms.book != self.book.id {
            return Err(("book", format!("the terms are of book {}, the deal of {}", terms.book, self.book.id)).into());
        }
        if acceptances.len() != terms.parties.len() {
            let reason = format!("{} parties, {} acceptances", terms.parties.len(), acceptances.len());
            return Err(("acceptances", reason).into());
        }
        for (party, signed) in terms.parties.iter().zip(acceptances) {
            accepted(deal, party, hash, signed).map_err(|reason| ("acceptances", format!("{party}: {reason}")))?;
        }
        let imported = |_| self.imported(now_unix_ms, |step| step.commit(deal, &terms)).map_err(Inconsistent::from);
        match self.posted(&terms).and_then(imported) {
            Ok(_) => Ok(terms),
            Err(Inconsistent::Imports(ImportFault::Overflow)) => {
                Err(("overflow", ImportFault::Overflow.to_string()).into())
            }
            Err(Inconsistent::Imports(fault)) => {
                let reason = fault.to_string();
                let party = if let ImportFault::Uncertified { party, .. } = fault { Some(party) } else { None };
                Err(Refusal { rule: "uncertified", reason, party })
            }
            Err(Inconsistent::Line { party, good, fault: LineFault::OverLimit { wanted, left } }) => {
                let reason = format!("{party} would give {wanted} {good} and has {left} left to give");
                Err(Refusal { rule: "over_limit", reason, party: Some(party) })
            }
            Err(Inconsistent::Line { party, good, fault: LineFault::Overflow }) => {
                Err(("overflow", format!("the {good} of {party} would not fit 64 bits")).into())
            }
            Err(other) => Err(("terms", other.to_string()).into()),
        }
    }

    /// What to take back of a deal that failed: see [`terms::taken_back`].
    /// `None` for any other event and for a deal that is not open on this book.
    #[must_use]
    pub fn decide_failed(&self, event: &DealEvent) -> Option<Happening> {
        let Happening::Failed { undelivered } = &event.what else { return None };
        let transfers = self.open_deal(&event.deal)?;
        Some(Happening::Compensated { reversed: terms::taken_back(transfers, undelivered) })
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
        let certificates = self.standing().map(|standing| &standing.rules.good);
        if let Some(index) = declare.limits.iter().position(|limit| Some(&limit.good) == certificates) {
            let reason = "import certificates are given by who holds them: there is no limit to declare";
            return Err(ErrorReply::refused("certificates", reason).at_field(&format!("limits[{index}].good")));
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
