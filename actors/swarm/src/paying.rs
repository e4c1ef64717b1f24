//! The deals that pay for awards, as one of a crew sees them.
//!
//! The supervisor opens the deal that an award determines, and confirms once the task is done and the ledger has
//! committed; the worker accepts what the award says and nothing else, and works once it is committed. The two hear of job
//! and deal from two streams, and in either order.

use std::collections::{BTreeMap, BTreeSet};

use schemas::deal::{Accept, Confirm, Open, ReadTerms};
use schemas::event::DealNote;
use schemas::job::{AwardDeal, TaskNote};
use schemas::ledger::{Declare, Limit};
use schemas::profile::{Profile, State};
use schemas::task::Pay;
use schemas::value::Valuation;
use schemas::{DealId, Good, MoveId};

/// How many tasks a worker says that it may do in a book, all told.
pub(crate) const MOST_TASKS: i64 = 1_000_000;

/// What is to be done about a deal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Open it, and accept it then.
    Open(Box<Open>, Accept),
    /// Accept it.
    Accept(Accept),
    /// Confirm what it brought.
    Confirm(Confirm),
    /// Do the task: it is paid for.
    Work(Box<TaskNote>),
    /// Give the task back: nothing pays for it.
    GiveBack(Box<TaskNote>),
}

/// One hand's deals.
#[derive(Debug, Default)]
pub(crate) struct Paying {
    /// Awards that wait for their deal.
    awards: BTreeMap<DealId, TaskNote>,
    /// Terms of deals that were opened before the award was heard of.
    early: BTreeMap<DealId, Vec<u8>>,
    /// Tasks of the supervisor's that are done.
    done: BTreeMap<DealId, AwardDeal>,
    committed: BTreeSet<DealId>,
}

impl Paying {
    /// Whether no award waits for its deal.
    pub(crate) fn is_idle(&self) -> bool {
        self.awards.is_empty()
    }

    /// Whether an award waits for this deal.
    pub(crate) fn awaits(&self, deal: &DealId) -> bool {
        self.awards.contains_key(deal)
    }

    /// A task was awarded to this hand.
    pub(crate) fn awarded(&mut self, note: TaskNote, award: &AwardDeal) -> Vec<Step> {
        let opened = self.early.remove(&award.deal);
        let step = opened.and_then(|terms| accept_of(award, &terms));
        self.awards.insert(award.deal.clone(), note);
        step.into_iter().collect()
    }

    /// Too long has passed: whether that award still waits.
    pub(crate) fn overdue(&mut self, deal: &DealId) -> Option<Step> {
        self.awards.remove(deal).map(|note| Step::GiveBack(Box::new(note)))
    }

    /// Something happened to the task that was awarded to this hand: it is no more.
    pub(crate) fn lost(&mut self, note: &TaskNote) {
        self.awards.retain(|_, award| (&award.job, &award.task) != (&note.job, &note.task));
    }

    /// A task that this hand supervises is done.
    pub(crate) fn done(&mut self, award: AwardDeal) -> Vec<Step> {
        if self.committed.remove(&award.deal) {
            return confirm_of(&award.deal, &award.terms).into_iter().collect();
        }
        self.done.insert(award.deal.clone(), award);
        Vec::new()
    }

    /// News of a deal.
    pub(crate) fn heard(&mut self, note: &DealNote, is_supervisor: bool) -> Vec<Step> {
        let terms = note.terms.as_deref().unwrap_or_default();
        match (note.state, is_supervisor) {
            (State::Committed, true) => match self.done.remove(&note.deal) {
                Some(award) => confirm_of(&award.deal, &award.terms).into_iter().collect(),
                None => {
                    self.committed.insert(note.deal.clone());
                    Vec::new()
                }
            },
            (State::Committed, false) => match self.awards.remove(&note.deal) {
                Some(award) => confirm_of(&note.deal, terms).into_iter().chain([Step::Work(Box::new(award))]).collect(),
                None => Vec::new(),
            },
            (State::Negotiating, false) => match self.awards.get(&note.deal).map(|award| award.award.as_ref()) {
                Some(award) => award.and_then(|award| accept_of(award, terms)).into_iter().collect(),
                None => {
                    self.early.insert(note.deal.clone(), terms.to_vec());
                    Vec::new()
                }
            },
            (state, false) if state.is_end() && state != State::Settled => {
                self.early.remove(&note.deal);
                self.overdue(&note.deal).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The deal that an award determines, and its opener's acceptance.
pub(crate) fn opening(award: &AwardDeal) -> Option<Step> {
    let read = ReadTerms::read(&award.terms).ok()?;
    let open = Open {
        move_id: award.move_id.clone(),
        deadline_unix_ms: read.terms.expires_unix_ms,
        book: read.terms.book.clone(),
        profile: Profile::Fixed,
        parties: read.terms.parties.clone(),
        expires_unix_ms: read.terms.expires_unix_ms,
        terms: Some(award.terms.clone()),
        requires: Vec::new(),
        rules: None,
    };
    match accept_of(award, &award.terms) {
        Some(Step::Accept(accept)) => Some(Step::Open(Box::new(open), accept)),
        _ => None,
    }
}

/// The acceptance of an award's terms; nothing where others are on the table.
fn accept_of(award: &AwardDeal, on_table: &[u8]) -> Option<Step> {
    if award.terms != on_table {
        return None;
    }
    let read = ReadTerms::read(&award.terms).ok()?;
    Some(Step::Accept(Accept {
        move_id: move_id("accept", &award.deal)?,
        deadline_unix_ms: read.terms.expires_unix_ms,
        deal: award.deal.clone(),
        terms_hash: read.hash,
        valuation: Valuation::default(),
        holdings: Vec::new(),
        transcript: None,
    }))
}

fn confirm_of(deal: &DealId, terms: &[u8]) -> Option<Step> {
    let read = ReadTerms::read(terms).ok()?;
    Some(Step::Confirm(Confirm {
        move_id: move_id("confirm", deal)?,
        deadline_unix_ms: read.terms.transfers.iter().map(|transfer| transfer.due_unix_ms).max()?,
        deal: deal.clone(),
        terms_hash: read.hash,
    }))
}

/// Each hand makes each kind of move once in a deal.
fn move_id(what: &str, deal: &DealId) -> Option<MoveId> {
    MoveId::parse(&format!("{what}-{deal}")).ok()
}

/// What a hand may give in the job's book: the supervisor money, a worker its work.
pub(crate) fn declaration(pay: &Pay, funds_minor: Option<i64>, skill: &str, now_unix_ms: i64) -> Option<Declare> {
    let limit = match funds_minor {
        Some(quantity) => Limit { good: pay.good.clone(), quantity },
        None => Limit { good: Good::parse(skill).ok()?, quantity: MOST_TASKS },
    };
    Some(Declare {
        move_id: MoveId::parse(&format!("declare-{now_unix_ms}")).ok()?,
        deadline_unix_ms: i64::MAX,
        book: pay.book.clone(),
        limits: vec![limit],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::deal::{Delivery, Terms, Transfer};
    use schemas::job::TaskWord;

    const DUE: i64 = 2_000;

    fn award() -> AwardDeal {
        let transfer = |from: &str, to: &str, good: &str| Transfer {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            good: good.parse().unwrap(),
            quantity: schemas::Quantity::new(7).unwrap(),
            due_unix_ms: DUE,
            intent: None,
        };
        let terms = Terms {
            book: "bazaar".parse().unwrap(),
            parties: vec!["boss".parse().unwrap(), "w1".parse().unwrap()],
            transfers: vec![transfer("boss", "w1", "usd"), transfer("w1", "boss", "add")],
            delivery: Delivery::Confirmed,
            expires_unix_ms: 1_000,
            award: None,
        };
        let move_id: MoveId = "award-1".parse().unwrap();
        let deal = DealId::of(&"boss".parse().unwrap(), &move_id);
        AwardDeal { deal, move_id, terms: schemas::encode(&terms) }
    }

    fn task() -> TaskNote {
        TaskNote {
            job: "job".parse().unwrap(),
            event: TaskWord::Awarded,
            turn: 3,
            at_unix_ms: 0,
            supervisor: "boss".parse().unwrap(),
            task: Some("a".parse().unwrap()),
            round: Some(1),
            agent: Some("w1".parse().unwrap()),
            brief: None,
            inputs: Vec::new(),
            result: None,
            result_hash: None,
            until_unix_ms: None,
            rule: None,
            award: Some(award()),
        }
    }

    fn news(event: &str, state: State, terms: Option<Vec<u8>>) -> DealNote {
        DealNote {
            deal: award().deal,
            event: event.to_owned(),
            state,
            turn: 0,
            at_unix_ms: 0,
            book: "bazaar".parse().unwrap(),
            opener: None,
            profile: None,
            terms,
            by: None,
            rule: None,
            reason: None,
            rules: None,
            expires_unix_ms: None,
        }
    }

    #[test]
    fn a_worker_accepts_what_the_award_says_whichever_it_hears_first_and_works_when_it_is_committed() {
        let opened = news("opened", State::Negotiating, Some(award().terms));
        let mut first = Paying::default();
        assert_eq!(first.awarded(task(), &award()), []);
        assert!(matches!(first.heard(&opened, false)[..], [Step::Accept(_)]));
        let mut later = Paying::default();
        assert_eq!(later.heard(&opened, false), []);
        assert!(matches!(later.awarded(task(), &award())[..], [Step::Accept(_)]));
        let committed = news("committed", State::Committed, Some(award().terms));
        assert!(matches!(first.heard(&committed, false)[..], [Step::Confirm(_), Step::Work(_)]));
        assert_eq!(first.heard(&committed, false), [], "once");
    }

    #[test]
    fn a_worker_does_not_accept_other_terms_and_gives_back_what_nothing_pays_for() {
        let mut paying = Paying::default();
        paying.awarded(task(), &award());
        let mut other = award().terms;
        other.push(0);
        assert_eq!(paying.heard(&news("opened", State::Negotiating, Some(other)), false), []);
        assert!(matches!(paying.heard(&news("refused", State::Refused, None), false)[..], [Step::GiveBack(_)]));
        assert_eq!(paying.overdue(&award().deal), None);
    }

    #[test]
    fn a_supervisor_confirms_when_the_task_is_done_and_the_deal_committed_in_either_order() {
        let committed = news("committed", State::Committed, Some(award().terms));
        let mut paying = Paying::default();
        assert_eq!(paying.heard(&committed, true), []);
        assert!(matches!(paying.done(award())[..], [Step::Confirm(_)]));
        let mut paying = Paying::default();
        assert_eq!(paying.done(award()), []);
        let [Step::Confirm(confirm)] = &paying.heard(&committed, true)[..] else { panic!() };
        assert_eq!(confirm.deadline_unix_ms, DUE);
        assert!(matches!(opening(&award()), Some(Step::Open(_, _))));
    }
}
