//! Moves of the authority over a book's import certificates: its rules, and revocations.

use schemas::body::{DecodeError, Refused};
use schemas::event::Signed;
use schemas::import::{CertificateEvent, Enact, ImportRules, Recorded, Revoke};
use schemas::limit::MAX_BODY_BYTES;
use schemas::{AgentId, Code, ErrorReply, Hash, MarketId, MoveId, subject};

use super::imports::{ImportFault, Sheet, Standing, Step};
use super::{Draft, Head};

/// What the ledger answers to a move of the authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorised {
    /// It is recorded already; nothing is to be written.
    Recorded(Recorded),
    /// It is to be written.
    Write {
        /// The next entry of the book's log of certificates.
        event: CertificateEvent,
        /// The answer once it is written.
        recorded: Recorded,
    },
}

/// A move of the authority.
#[derive(Debug, Clone)]
pub(super) enum Authority {
    Enact(Enact),
    Revoke(Revoke),
}

impl Authority {
    /// Reads a signed move by the subject that it was sent to.
    pub(super) fn read(cause: &Signed) -> Result<Self, Refused> {
        let wrong = |error: DecodeError| {
            let field = format!("cause.body.{}", error.field());
            Refused::new(field.trim_end_matches('.'), error.to_string())
        };
        match subject::parse_endpoint(&cause.subject) {
            Ok((_, "enact")) => schemas::decode(&cause.body, MAX_BODY_BYTES).map(Self::Enact).map_err(wrong),
            Ok((_, "revoke")) => schemas::decode(&cause.body, MAX_BODY_BYTES).map(Self::Revoke).map_err(wrong),
            _ => Err(Refused::new("cause.subject", format!("{} is no move of an authority", cause.subject))),
        }
    }

    pub(super) fn move_id(&self) -> &MoveId {
        match self {
            Self::Enact(enact) => &enact.move_id,
            Self::Revoke(revoke) => &revoke.move_id,
        }
    }

    fn book(&self) -> &MarketId {
        match self {
            Self::Enact(enact) => &enact.book,
            Self::Revoke(revoke) => &revoke.book,
        }
    }

    fn deadline_unix_ms(&self) -> i64 {
        match self {
            Self::Enact(enact) => enact.deadline_unix_ms,
            Self::Revoke(revoke) => revoke.deadline_unix_ms,
        }
    }

    /// Who may make it, where these rules are in force.
    pub(super) fn authority<'a>(&'a self, rules: &'a ImportRules) -> &'a AgentId {
        match self {
            Self::Enact(enact) => &enact.rules.authority,
            Self::Revoke(_) => &rules.authority,
        }
    }
}

/// Why a move of the authority can't be made.
type Refusal = (&'static str, String);

impl Draft<'_> {
    /// What a move of the authority changes.
    ///
    /// # Errors
    /// Where the book keeps no certificates, and what [`Step::revoke`] refuses.
    pub(super) fn authorised(&self, by: &Authority, at_unix_ms: i64) -> Result<Sheet, ImportFault> {
        match by {
            Authority::Enact(enact) if self.standing().is_none() => {
                let standing = Standing {
                    rules: enact.rules.clone(),
                    head: Head::default(),
                    time_unix_ms: at_unix_ms,
                    granted: 0,
                };
                Ok(Some(Step::new(None, None, standing, at_unix_ms).finish()))
            }
            Authority::Enact(enact) => self.imported(at_unix_ms, |step| {
                step.enact(enact.rules.clone());
                Ok(())
            }),
            Authority::Revoke(revoke) => self.imported(at_unix_ms, |step| step.revoke(revoke)),
        }?
        .ok_or(ImportFault::None)
    }

    /// Decides on a signed move of `agent`, whose signature was checked: rules, which the market's declaration must
    /// state, too, or a revocation. Whether it was made before counts first, whenever it is asked again.
    ///
    /// # Errors
    /// 400 when it cannot be read; 403 for whoever is not the authority; 404 for another book, or where the book keeps
    /// no certificates; 409 when the move's id went with another body; 410 past its deadline; 422, rule `undeclared`,
    /// where the market's declaration states other rules; rule `good_in_use`, where the good that certificates would be
    /// stands on the book as another; rule `not_outstanding`, where less is held than would be revoked.
    pub fn decide_authority(
        &self,
        agent: &AgentId,
        cause: Signed,
        declared: Option<&ImportRules>,
        now_unix_ms: i64,
    ) -> Result<Authorised, ErrorReply> {
        let by = Authority::read(&cause)
            .map_err(|refused| ErrorReply::new(Code::BadMessage, refused.to_string()).at_field("body"))?;
        if *by.book() != self.book.id {
            return Err(ErrorReply::new(Code::Unknown, format!("this is book {}", self.book.id)).at_field("book"));
        }
        let recorded = Recorded { book: self.book.id.clone(), move_id: by.move_id().clone() };
        match self.recorded(agent, by.move_id()) {
            Some(body) if body == Hash::of(&cause.body) => return Ok(Authorised::Recorded(recorded)),
            Some(_) => {
                let reason = format!("move {} was made before, with another body", by.move_id());
                return Err(ErrorReply::new(Code::Conflict, reason).at_field("move_id").in_state("recorded"));
            }
            None => {}
        }
        if by.deadline_unix_ms() < now_unix_ms {
            let reason = format!("it is {now_unix_ms}, the deadline was {}", by.deadline_unix_ms());
            return Err(ErrorReply::new(Code::Late, reason).at_field("deadline_unix_ms"));
        }
        let rules = match &by {
            Authority::Enact(enact) => &enact.rules,
            Authority::Revoke(_) => match self.standing() {
                Some(standing) => &standing.rules,
                None => return Err(ErrorReply::new(Code::Unknown, ImportFault::None.to_string()).at_field("book")),
            },
        };
        if by.authority(rules) != agent {
            let authority = by.authority(rules);
            let reason = format!("{authority} is the authority over this book's certificates, not {agent}");
            return Err(ErrorReply::new(Code::Forbidden, reason));
        }
        if let Authority::Enact(enact) = &by {
            self.may_enact(&enact.rules, declared)
                .map_err(|(rule, reason)| ErrorReply::refused(rule, reason).at_field("rules"))?;
        }
        self.authorised(&by, now_unix_ms)
            .map_err(|fault| ErrorReply::refused("not_outstanding", fault.to_string()).at_field("quantity"))?;
        let Head { next_turn, last } = self.standing().map(|standing| standing.head).unwrap_or_default();
        let event = self.certificate_event(next_turn, last, now_unix_ms, Some(cause), None);
        Ok(Authorised::Write { event, recorded })
    }

    fn may_enact(&self, rules: &ImportRules, declared: Option<&ImportRules>) -> Result<(), Refusal> {
        if declared != Some(rules) {
            let reason = format!("the declaration of market {} doesn't state these rules", self.book.id);
            return Err(("undeclared", reason));
        }
        match self.standing() {
            Some(standing) if standing.rules.good == rules.good => Ok(()),
            Some(standing) => {
                let reason = format!("this book's certificates are {}; that stays", standing.rules.good);
                Err(("good_in_use", reason))
            }
            None => {
                let mut known = self.changes.lines.keys().chain(self.book.lines.keys());
                match known.find(|(_, good)| *good == rules.good) {
                    Some((party, good)) => {
                        Err(("good_in_use", format!("{good} stands on the book as another good: {party} has a line")))
                    }
                    None => Ok(()),
                }
            }
        }
    }

    /// The next entry of the book's log of certificates for a deal that was delivered; `None` where nothing of it is on
    /// its way.
    #[must_use]
    pub fn decide_delivered(&self, deal: &schemas::DealId, now_unix_ms: i64) -> Option<CertificateEvent> {
        let head = self.standing().filter(|_| self.awaits_delivery(deal))?.head;
        Some(self.certificate_event(head.next_turn, head.last, now_unix_ms, None, Some(deal.clone())))
    }

    fn certificate_event(
        &self,
        turn: u32,
        prev: Hash,
        at_unix_ms: i64,
        cause: Option<Signed>,
        deal: Option<schemas::DealId>,
    ) -> CertificateEvent {
        CertificateEvent { book: self.book.id.clone(), turn, prev, at_unix_ms, cause, deal }
    }
}
