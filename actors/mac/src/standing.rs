//! How agents kept their promises: a fold over the logs of jobs and of deals, each in the order of its stream.
//!
//! Each promise that ends moves a decaying average towards one or towards zero by an eighth of what is between, in whole
//! parts per billion, rounded down. So the figure depends on the order of the entries and on nothing else, and old
//! deeds fade. Whoever is new has a half: better than a known liar, worse than a known good.
//!
//! | kept | broken |
//! |---|---|
//! | a task is done | a result is found wrong, a lease runs out, a task is given back |
//! | a verdict came out so | a verdict came out otherwise, or never came |
//! | what was to be given in a deal is confirmed | its due date passed without that |
//! | | a task was awarded, and no deal paid for it; the result stood, and its supervisor did not confirm |
//!
//! Jobs and deals stand in two streams, and between streams there is no order. So each has an average of its own, and a
//! reputation is a half and what each is above or below it, within nothing and one: it is the same however the two are
//! read, what is kept never lowers it, and what is broken never raises it.
//!
//! A deal whose goods change hands at commit promises nothing. In a deal that pays for an award only the work is a
//! promise, since the payment is on the books: whether it was done, the job's log says.

use std::collections::{BTreeMap, BTreeSet};

use schemas::deal::{Delivery, ReadTerms, Transfer};
use schemas::event::{DealEvent, Happening};
use schemas::id::{AgentId, DealId, JobId};
use schemas::job::{Reputation, TaskEvent, TaskWord};
use schemas::limit::PPB;
use schemas::subject::parse_task_move;

use crate::pay::UNPAID;

/// What a newcomer's reputation is, in parts per billion.
pub const NEW_PPB: u32 = 500_000_000;
/// The part of what is between by which one promise moves the average.
const FADES_BY: u32 = 8;
/// The highest reputation.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a billion fits
const FULL_PPB: u32 = PPB as u32;

/// What became of a promise, as a stable word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// A task is done.
    TaskDone,
    /// A result was found wrong.
    ResultWrong,
    /// A lease ran out.
    LeaseOver,
    /// A task was given back.
    GivenBack,
    /// A task was awarded, and no deal paid for it.
    NotPaid,
    /// A verdict came out so.
    VerdictRight,
    /// A verdict came out otherwise.
    VerdictMistaken,
    /// A verdict never came.
    VerdictMissing,
    /// What was to be given is confirmed.
    Delivered,
    /// What was to be given was not confirmed when it was due.
    NotDelivered,
    /// A task is done, and its supervisor never said so to the desk.
    NotConfirmed,
}

impl Why {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TaskDone => "task_done",
            Self::ResultWrong => "result_wrong",
            Self::LeaseOver => "lease_over",
            Self::GivenBack => "given_back",
            Self::NotPaid => "not_paid",
            Self::VerdictRight => "verdict_right",
            Self::VerdictMistaken => "verdict_mistaken",
            Self::VerdictMissing => "verdict_missing",
            Self::Delivered => "delivered",
            Self::NotDelivered => "not_delivered",
            Self::NotConfirmed => "not_confirmed",
        }
    }

    /// Whether the promise was kept.
    #[must_use]
    pub fn is_kept(self) -> bool {
        matches!(self, Self::TaskDone | Self::VerdictRight | Self::Delivered)
    }
}

/// A promise that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// What became of it.
    pub why: Why,
    /// Whose it was, and how it stands now.
    pub now: Reputation,
}

/// A decaying average of what came of promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Average {
    ppb: u32,
    kept: u64,
    broken: u64,
    /// The last entry that counts in it.
    sequence: u64,
}

impl Default for Average {
    fn default() -> Self {
        Self { ppb: NEW_PPB, kept: 0, broken: 0, sequence: 0 }
    }
}

impl Average {
    fn count(&mut self, kept: bool, sequence: u64) {
        if kept {
            self.ppb += FULL_PPB.saturating_sub(self.ppb) / FADES_BY;
            self.kept += 1;
        } else {
            self.ppb -= self.ppb / FADES_BY;
            self.broken += 1;
        }
        self.sequence = sequence;
    }
}

/// One agent's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Standing {
    jobs: Average,
    deals: Average,
}

impl Standing {
    fn of(&self, agent: &AgentId) -> Reputation {
        let Self { jobs, deals } = self;
        Reputation {
            agent: agent.clone(),
            reputation_ppb: (jobs.ppb + deals.ppb).saturating_sub(NEW_PPB).min(FULL_PPB),
            kept: jobs.kept + deals.kept,
            broken: jobs.broken + deals.broken,
            sequence: jobs.sequence,
            deal_sequence: deals.sequence,
        }
    }
}

/// The stream that an entry stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Log {
    Jobs,
    Deals,
}

/// Everybody's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standings {
    of: BTreeMap<AgentId, Standing>,
    /// Who submitted the jobs that run.
    supervisors: BTreeMap<JobId, AgentId>,
    /// Deals that pay for awards and have not ended: whether the task is done.
    awards: BTreeMap<DealId, bool>,
    /// What deals that are committed promise, until they end.
    promised: BTreeMap<DealId, Vec<Transfer>>,
}

impl Standings {
    /// An agent's standing; a newcomer's where nothing is known.
    #[must_use]
    pub fn of(&self, agent: &AgentId) -> Reputation {
        self.of.get(agent).copied().unwrap_or_default().of(agent)
    }

    /// Everybody who has promised something, by name.
    pub fn all(&self) -> impl Iterator<Item = Reputation> {
        self.of.iter().map(|(agent, standing)| standing.of(agent))
    }

    /// Counts an entry of a job's log. The jobs' stream is read ahead of the deals': what becomes of an award is known
    /// before its deal fails.
    pub fn count(&mut self, event: &TaskEvent, sequence: u64) -> Vec<Counted> {
        let done = event.what == TaskWord::Done;
        if let Some(deal) = event.deal.as_ref().filter(|_| done || event.what == TaskWord::Awarded) {
            self.awards.insert(deal.clone(), done);
        }
        let doer = match event.what {
            TaskWord::Submitted => {
                let by = event.cause.as_ref().and_then(|cause| parse_task_move(&cause.subject).ok());
                self.supervisors.extend(by.map(|(_, by, _)| (event.job.clone(), by)));
                return Vec::new();
            }
            TaskWord::Finished | TaskWord::Failed | TaskWord::Cancelled => {
                self.supervisors.remove(&event.job);
                return Vec::new();
            }
            TaskWord::Declined if event.rule.as_deref() == Some(UNPAID) => {
                if let Some(deal) = &event.deal {
                    self.awards.remove(deal);
                }
                let supervisor = self.supervisors.get(&event.job).cloned();
                let counted = supervisor.map(|agent| self.counted(&agent, Why::NotPaid, Log::Jobs, sequence));
                return counted.into_iter().collect();
            }
            TaskWord::Done => Some(Why::TaskDone),
            TaskWord::Refuted => Some(Why::ResultWrong),
            TaskWord::Lapsed => Some(Why::LeaseOver),
            TaskWord::Declined => Some(Why::GivenBack),
            TaskWord::Silent => None,
            _ => return Vec::new(),
        };
        let doer = event.agent.iter().filter_map(|agent| doer.map(|why| (agent, why)));
        let said = if event.what == TaskWord::Silent { Why::VerdictMissing } else { Why::VerdictRight };
        let judged = event.verifiers.iter().map(|agent| (agent, said));
        let mistaken = event.mistaken.iter().map(|agent| (agent, Why::VerdictMistaken));
        let all = doer.chain(judged).chain(mistaken);
        all.map(|(agent, why)| self.counted(agent, why, Log::Jobs, sequence)).collect()
    }

    /// Whether an entry of a deal's log can change anything: few do, and only those need their signature checked.
    #[must_use]
    pub fn heeds(&self, event: &DealEvent) -> bool {
        match &event.what {
            Happening::Committed { terms, .. } => confirmed(terms).is_some(),
            what => {
                let ends = matches!(what, Happening::Failed { .. }) || what.state().is_end();
                ends && (self.promised.contains_key(&event.deal) || self.awards.contains_key(&event.deal))
            }
        }
    }

    /// Counts an entry of a deal's log.
    pub fn count_deal(&mut self, event: &DealEvent, sequence: u64) -> Vec<Counted> {
        match &event.what {
            Happening::Committed { terms, .. } => {
                self.promised.extend(confirmed(terms).map(|transfers| (event.deal.clone(), transfers)));
                Vec::new()
            }
            Happening::Settled => self.ended(&event.deal, &[], sequence),
            Happening::Failed { undelivered } => self.ended(&event.deal, undelivered, sequence),
            Happening::Rejected { .. }
            | Happening::Withdrawn { .. }
            | Happening::Expired
            | Happening::Refused { .. } => {
                self.awards.remove(&event.deal);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn ended(&mut self, deal: &DealId, undelivered: &[u32], sequence: u64) -> Vec<Counted> {
        let award = self.awards.remove(deal);
        let Some(transfers) = self.promised.remove(deal) else { return Vec::new() };
        let missing = || (0_u32..).zip(&transfers).filter(|(index, _)| undelivered.contains(index)).map(|(_, t)| t);
        let mut whys: BTreeMap<&AgentId, Why> = BTreeMap::new();
        match award {
            // The supervisor pays in the first transfer and hears of the work in the second: see `pay`.
            Some(done) => {
                let Some(work) = transfers.get(1) else { return Vec::new() };
                let confirmed = missing().all(|transfer| transfer != work);
                let (worker, supervisor) = match (confirmed, done) {
                    (true, _) => (Why::Delivered, Some(Why::Delivered)),
                    (false, true) => (Why::Delivered, Some(Why::NotConfirmed)),
                    (false, false) => (Why::NotDelivered, None),
                };
                whys.insert(&work.from, worker);
                whys.extend(supervisor.map(|why| (&work.to, why)));
            }
            None => {
                let broke: BTreeSet<&AgentId> = missing().map(|transfer| &transfer.from).collect();
                let why = |giver: &AgentId| if broke.contains(giver) { Why::NotDelivered } else { Why::Delivered };
                whys.extend(transfers.iter().map(|transfer| (&transfer.from, why(&transfer.from))));
            }
        }
        whys.into_iter().map(|(agent, why)| self.counted(agent, why, Log::Deals, sequence)).collect()
    }

    fn counted(&mut self, agent: &AgentId, why: Why, log: Log, sequence: u64) -> Counted {
        let standing = self.of.entry(agent.clone()).or_default();
        let average = match log {
            Log::Jobs => &mut standing.jobs,
            Log::Deals => &mut standing.deals,
        };
        average.count(why.is_kept(), sequence);
        Counted { why, now: standing.of(agent) }
    }
}

/// What terms promise that have to be confirmed; nothing where goods change hands at once.
fn confirmed(terms: &[u8]) -> Option<Vec<Transfer>> {
    let terms = ReadTerms::read(terms).ok()?.terms;
    (terms.delivery == Delivery::Confirmed).then_some(terms.transfers)
}
