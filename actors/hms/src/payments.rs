//! A job's log held against the logs of the deals that were to pay for its awards.
//!
//! The job's log names the deals, down to their ids and their terms' bytes; each must be in the deals' log as it was to be,
//! or not at all. What `mac` was told of a deal when somebody was not paid is looked up again, to the entry.

use deal::verify::Verified;
use mac::{
    Job,
    pay::{Backing, Looked},
    verify::{AwardEnd, Payment},
};
use schemas::{
    DealId, Hash, TaskId,
    event::{Broken, Happening},
    keyring::LogRecord,
    profile::State,
    stream,
};
use serde::Serialize;

/// What came of the payments of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Payments {
    /// Deals that are settled.
    pub settled: u64,
    /// Deals that are under way.
    pub open: u64,
    /// Deals that failed, and were taken back or soon will be.
    pub failed: u64,
    /// Awards whose deal came to nothing before it was committed, or never came.
    pub none: u64,
    /// Of the last two, those whose task is done nevertheless: somebody was not paid.
    pub owed: u64,
}

/// What is wrong between a job's log and a deal's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the deal {deal} for {task}: {fault} (sequence {sequence} of {})", self.stream())]
pub struct BadPayment {
    /// The deal.
    pub deal: DealId,
    /// The task that it was to pay for.
    pub task: TaskId,
    /// Where it shows.
    pub sequence: u64,
    /// What is wrong.
    pub fault: PaymentFault,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentFault {
    /// The deal's own log does not hold.
    #[error("its log does not hold: {0}")]
    Deal(#[from] Broken),
    /// It was accepted by all with other terms than the award determines.
    #[error("all agreed on other terms than the award makes")]
    OtherTerms,
    /// The deal's log says otherwise than what was written down of it.
    #[error("it was given back as {told}, which that deal's log does not bear out")]
    Told {
        /// What was written down.
        told: &'static str,
    },
    /// The deal's log has fewer entries than were read of it.
    #[error("its log has {has} entries, of which {read} were read")]
    Cut {
        /// How many there are.
        has: usize,
        /// How many there were.
        read: u32,
    },
}

impl BadPayment {
    /// The stream in which it shows.
    #[must_use]
    pub fn stream(&self) -> &'static str {
        match self.fault {
            PaymentFault::Deal(_) => stream::DEALS,
            PaymentFault::OtherTerms | PaymentFault::Told { .. } | PaymentFault::Cut { .. } => stream::TASKS,
        }
    }
}

/// Holds a job against the deals that were to pay; `records` are a deal's log, `verify` decides whether it holds.
///
/// # Errors
/// The first payment at fault, in the order of the awards.
pub fn check<'a>(
    job: &Job,
    payments: &[Payment],
    records: impl Fn(&DealId) -> &'a [LogRecord],
    verify: impl Fn(&DealId) -> Result<Verified, Broken>,
) -> Result<Payments, BadPayment> {
    let mut sums = Payments::default();
    for payment in payments {
        let deal = &payment.promised.deal;
        let bad = |sequence: u64, fault: PaymentFault| BadPayment {
            deal: deal.clone(),
            task: payment.task.clone(),
            sequence,
            fault,
        };
        let log = records(deal);
        let state = if log.is_empty() {
            None
        } else {
            let Verified { deal: folded, .. } = verify(deal).map_err(|broken| bad(broken.sequence, broken.into()))?;
            let is_other = folded.table.is_none_or(|table| table.hash != Hash::of(&payment.promised.terms));
            if is_other && folded.agreed_unix_ms.is_some() {
                return Err(bad(payment.sequence, PaymentFault::OtherTerms));
            }
            Some(folded.state)
        };
        looked_again(job, payment, log).map_err(|(sequence, fault)| bad(sequence, fault))?;
        let (count, is_lost) = match state {
            Some(State::Settled) => (&mut sums.settled, false),
            Some(State::Failed | State::Compensated) => (&mut sums.failed, true),
            None | Some(State::Rejected | State::Withdrawn | State::Expired | State::Refused) => (&mut sums.none, true),
            Some(State::Open | State::Negotiating | State::Agreed | State::Certified | State::Committed) => {
                (&mut sums.open, false)
            }
        };
        *count += 1;
        let is_done = payment.ended.is_some_and(|ended| ended.how == AwardEnd::Done);
        sums.owed += u64::from(is_done && is_lost);
    }
    Ok(sums)
}

/// Looks at a deal's log again, as far as it was read when a task was given back.
fn looked_again(job: &Job, payment: &Payment, log: &[LogRecord]) -> Result<(), (u64, PaymentFault)> {
    let Some((ended, turns)) = payment.ended.and_then(|ended| Some((ended, ended.deal_turns?))) else { return Ok(()) };
    let read = usize::try_from(turns).unwrap_or(usize::MAX);
    let Some(log) = log.get(..read) else {
        return Err((ended.sequence, PaymentFault::Cut { has: log.len(), read: turns }));
    };
    let Looked { backing, .. } = looked_at(log.iter().filter_map(|record| deal::Entry::read(&record.body).ok()));
    let unpaid = backing.is_unpaid(&payment.promised, &job.supervisor, &payment.worker);
    match (ended.how, unpaid) {
        (AwardEnd::Unpaid, false) => Err((ended.sequence, PaymentFault::Told { told: "unpaid" })),
        (AwardEnd::Nothing, true) => Err((ended.sequence, PaymentFault::Told { told: "paid for" })),
        _ => Ok(()),
    }
}

/// What a deal's log comes to for whoever was to be paid by it.
pub fn looked_at(entries: impl Iterator<Item = deal::Entry>) -> Looked {
    let (mut deal, mut over, mut ended_by, mut turns) = (None, None, None, 0_u32);
    for entry in entries {
        match &entry.event.what {
            Happening::Refused { party, .. } => over.clone_from(party),
            Happening::Rejected { by, .. } | Happening::Withdrawn { by, .. } => ended_by = Some(by.clone()),
            _ => {}
        }
        deal = deal::Deal::apply(deal, &entry);
        turns = turns.saturating_add(1);
    }
    let backing = deal.map_or(Backing::Missing, |deal| match deal.state {
        State::Open | State::Negotiating | State::Rejected | State::Withdrawn | State::Expired => Backing::Open {
            terms_hash: deal.table.as_ref().map(|table| table.hash),
            accepted: deal.accepted.into_keys().collect(),
            ended_by,
        },
        State::Refused => Backing::Refused { party: over },
        State::Agreed | State::Certified | State::Committed | State::Settled | State::Failed | State::Compensated => {
            Backing::Stands
        }
    });
    Looked { backing, turns }
}

#[cfg(test)]
mod tests {
    use schemas::{
        AgentId, MoveId, Quantity,
        body::encode,
        deal::{Delivery, Open, Terms, Transfer},
        event::{DealEvent, Signed},
        profile::Profile,
        subject::{DealVerb, deal_move},
    };

    use super::*;

    fn agent(name: &str) -> AgentId {
        name.parse().unwrap()
    }

    /// The first entries of a deal that `boss` opened, with its terms' hash, and one that ends it.
    fn log(end: Happening) -> (Hash, Vec<deal::Entry>) {
        let transfer = |from: &str, to: &str, good: &str| Transfer {
            from: agent(from),
            to: agent(to),
            good: good.parse().unwrap(),
            quantity: Quantity::ONE,
            due_unix_ms: 2_000,
            intent: None,
        };
        let parties = vec![agent("boss"), agent("w1")];
        let terms = encode(&Terms {
            book: "bazaar".parse().unwrap(),
            parties: parties.clone(),
            transfers: vec![transfer("boss", "w1", "usd"), transfer("w1", "boss", "add")],
            delivery: Delivery::Confirmed,
            expires_unix_ms: 1_000,
            award: None,
        });
        let (hash, move_id) = (Hash::of(&terms), MoveId::parse("award-1").unwrap());
        let deal = DealId::of(&agent("boss"), &move_id);
        let open = Open {
            move_id,
            deadline_unix_ms: 1_000,
            book: "bazaar".parse().unwrap(),
            profile: Profile::Fixed,
            parties,
            expires_unix_ms: 1_000,
            terms: Some(terms),
            requires: Vec::new(),
            rules: None,
        };
        let by = |verb, body| Signed { subject: deal_move(verb, &agent("boss"), &deal), sender: String::new(), body };
        let opened = Happening::Opened {
            opener: agent("boss"),
            book: "bazaar".parse().unwrap(),
            profile: Profile::Fixed,
            terms_hash: Some(hash),
        };
        let accepted = Happening::Accepted { by: agent("boss"), terms_hash: hash, last: false };
        let told = [
            (opened, Some(by(DealVerb::Open, encode(&open)))),
            (accepted, Some(by(DealVerb::Accept, vec![0x80]))),
            (end, None),
        ];
        let entry = |(turn, (what, cause)): (u32, (Happening, Option<Signed>))| {
            let deal = deal.clone();
            deal::Entry::write(DealEvent { deal, turn, prev: Hash::ZERO, at_unix_ms: 0, what, cause, trace: None })
        };
        (hash, (0..).zip(told).map(entry).collect())
    }

    #[test]
    fn who_ended_a_deal_that_was_to_pay_is_told() {
        let reason = String::new;
        for (end, by) in [
            (Happening::Withdrawn { by: agent("boss"), reason: reason() }, Some("boss")),
            (Happening::Rejected { by: agent("w1"), reason: reason() }, Some("w1")),
            (Happening::Expired, None),
        ] {
            let (hash, entries) = log(end);
            let looked = looked_at(entries.into_iter());
            let Backing::Open { terms_hash, ended_by, .. } = looked.backing else { panic!("{looked:?}") };
            assert_eq!((looked.turns, terms_hash, ended_by), (3, Some(hash), by.map(agent)));
        }
    }
}
