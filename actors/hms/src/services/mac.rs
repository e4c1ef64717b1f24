//! Collaboration on the bus: `hms.v1.task.<verb>.<agent>.<job>`, the timers that wake it, and everybody's reputation.
//!
//! Reputations are shown in a bucket. What was broken, and what came of jobs, is put there at once; deals that were kept,
//! of which there may be thousands a second, every few seconds, and each agent's last figure only.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use mac::{
    Ask, Entry, Job, Mac,
    pay::Looked,
    standing::{Counted, Standings, Why},
};
use runtime::{
    NoSystem,
    journal::{DeciderHandle, DeciderHost, GroupCommit, Keys},
    port::{Followed, Message, Port, ReadError, Start, Stored},
    service::{Answer, Handler},
    sync::mpsc,
};
use schemas::{
    AgentId, DealId,
    body::{Message as _, decode, encode},
    core::{Call, Logged},
    error::{Code, ErrorReply},
    event::DealEvent,
    job::{JobShown, Reputation, ShowJob, TaskEvent},
    keyring::LogRecord,
    limit::{MAX_BODY_BYTES, MAX_CLEARING_BODY_BYTES},
    signature::Signer,
    stream, subject,
    subject::TaskVerb,
    task::{DeclineTask, TaskMove},
};
use trade_balance::LEDGER;

use super::{
    Core, answer, bad_subject,
    timers::{self, Heeded},
};
use crate::payments::looked_at;

/// How often kept deals are put into the bucket, in milliseconds.
const LAZILY_MS: i64 = 5_000;
/// How often a deal's log is read at most that a replica may not have to its end, and the pause between, in milliseconds.
const ATTEMPTS: u32 = 4;
const PAUSE_MS: u64 = 50;

/// Answers moves, looks at jobs, and counts promises.
#[derive(Clone)]
pub struct MacService {
    port: Arc<dyn Port>,
    keys: Keys,
    jobs: DeciderHandle<Mac>,
    standings: Arc<RwLock<Standings>>,
}

impl MacService {
    /// Starts the decider's actor; `signer` signs as `mac`. What all logs say of everybody is read first.
    ///
    /// # Errors
    /// When the logs cannot be read, or outside of an actor system.
    pub async fn start(port: Arc<dyn Port>, keys: Keys, signer: Signer) -> Result<Self, StartError> {
        let writer = GroupCommit::start(port.clone(), Mac::STREAM);
        let (errands, _) = mpsc::unbounded_channel();
        let jobs = DeciderHost::start(Mac, port.clone(), writer, signer, errands)?;
        let service = Self { port, keys, jobs, standings: Arc::default() };
        service.follow().await?;
        Ok(service)
    }

    async fn moved(&self, message: Message, mut call: Call) -> schemas::core::Answer {
        let (verb, by, job) = subject::parse_task_move(&message.subject).map_err(bad_subject)?;
        if verb == TaskVerb::Show {
            let show: ShowJob = decode(&message.body, MAX_BODY_BYTES)?;
            let (sender, _) = self.keys.check(&message).await?;
            registry::is_own(&by, &sender, &call)?;
            if show.job != job {
                return Err(ErrorReply::new(Code::BadMessage, "names another job than the subject").at_field("job"));
            }
            return self.show(&by, &show).await;
        }
        let ask = Box::new(TaskMove::decode(verb, &message.body)?);
        let (sender, signed) = self.keys.check(&message).await?;
        call.sender = Some(sender);
        let reputation_ppb = self.standing_of(&by);
        let looked = match ask.as_ref() {
            TaskMove::Decline(DeclineTask { deal: Some(deal), .. }) => Some(self.look_at(deal).await?),
            _ => None,
        };
        self.jobs.ask(subject::task_log(&job), Ask::Move { by, job, ask, signed, reputation_ppb, looked }, call).await
    }

    /// What the log of a deal says that was to pay for an award.
    async fn look_at(&self, deal: &DealId) -> Result<Looked, ErrorReply> {
        let log = subject::deal_log(deal);
        for _ in 0..ATTEMPTS {
            let newest = self.port.newest(stream::DEALS, &log).await.map_err(unreadable)?;
            let stored = self.port.read(stream::DEALS, &log, 0).await.map_err(unreadable)?;
            if stored.last().map_or(0, |last| last.sequence) >= newest {
                let ours = stored.into_iter().map(LogRecord::from).filter(|record| self.is_of_deals(record));
                return Ok(looked_at(ours.filter_map(|record| deal::Entry::read(&record.body).ok())));
            }
            self.port.sleep_ms(PAUSE_MS).await;
        }
        let behind = ErrorReply::new(Code::Busy, "the deal's log cannot be read to its end now");
        Err(behind.at_field("deal"))
    }

    async fn show(&self, by: &AgentId, show: &ShowJob) -> schemas::core::Answer {
        let log = subject::task_log(&show.job);
        let entries = self.port.read(stream::TASKS, &log, 0).await.map_err(unreadable)?;
        let entries = entries.iter().filter_map(|stored| Entry::read(&stored.body).ok());
        match entries.fold(None, |job, entry| Job::apply(job, &entry)) {
            Some(job) if job.concerns(by) => Ok((JobShown::TYPE, encode(&job.show()))),
            // Whoever has nothing to do with it does not even learn whether it exists.
            _ => {
                let unknown = format!("{by} has to do with no job {}", show.job);
                Err(ErrorReply::new(Code::Unknown, unknown).at_field("job").by_rule("no_job"))
            }
        }
    }

    /// Heeds timers as they fire, until the port is gone.
    pub async fn heed_timers(&self) {
        let mac = self.clone();
        let heed = move |subject: String, due_unix_ms| {
            let mac = mac.clone();
            async move { mac.heed(&subject, due_unix_ms).await }
        };
        let due = subject::all_task_timers_due();
        timers::heed(self.port.clone(), stream::TASK_TIMER_CONSUMER, due, heed).await;
    }

    async fn heed(&self, fired: &str, due_unix_ms: i64) -> Heeded {
        let Ok(job) = subject::parse_task_timer_due(fired) else { return Heeded::Stray };
        let call = Call { now_unix_ms: self.port.now_unix_ms(), ..Call::default() };
        match self.jobs.ask(subject::task_log(&job), Ask::Due { job, due_unix_ms }, call).await {
            Ok(_) => Heeded::Done,
            Err(_) => Heeded::Again,
        }
    }

    fn standing_of(&self, agent: &AgentId) -> u32 {
        self.standings.read().unwrap_or_else(PoisonError::into_inner).of(agent).reputation_ppb
    }

    /// Folds what there is, and goes on as the logs grow.
    async fn follow(&self) -> Result<(), ReadError> {
        let port = self.port.as_ref();
        let mut jobs = port.follow(stream::TASKS, &[subject::all_task_logs()], Start::All).await?;
        let mut deals = port.follow(stream::DEALS, &[subject::all_deal_logs()], Start::All).await?;
        let mut shown = Shown::read(port).await?;
        // What became of awards is known before the deals that were to pay for them.
        while let Some(Followed::Entry(stored)) = jobs.next().await {
            shown.due(self.count(stored));
        }
        while let Some(Followed::Entry(stored)) = deals.next().await {
            shown.due(self.count_deal(stored));
        }
        let counting = self.clone();
        runtime::spawn(async move {
            let port = counting.port.as_ref();
            let mut next_put_unix_ms = 0;
            loop {
                if shown.is_urgent || port.now_unix_ms() >= next_put_unix_ms {
                    shown.put(port).await;
                    next_put_unix_ms = port.now_unix_ms().saturating_add(LAZILY_MS);
                }
                runtime::select! {
                    item = jobs.next() => match item {
                        Some(Followed::Entry(stored)) => shown.due(counting.count(stored)),
                        Some(_) => {}
                        None => break,
                    },
                    item = deals.next() => match item {
                        Some(Followed::Entry(stored)) => shown.due(counting.count_deal(stored)),
                        Some(_) => {}
                        None => break,
                    },
                    () = port.sleep_until(next_put_unix_ms), if !shown.due.is_empty() => {}
                }
            }
        });
        Ok(())
    }

    /// Counts an entry that this core signed; on an open bus anyone can write there.
    fn count(&self, stored: Stored) -> Vec<Counted> {
        let record = LogRecord::from(stored);
        match Entry::read(&record.body) {
            Ok(entry) if self.is_signed(&record, TaskEvent::TYPE, &[Core::Mac.name()]) => {
                self.standings().count(&entry.event, record.sequence)
            }
            _ => passed_over(&record),
        }
    }

    /// Counts an entry that desk or ledger signed.
    fn count_deal(&self, stored: Stored) -> Vec<Counted> {
        let record = LogRecord::from(stored);
        match decode::<DealEvent>(&record.body, MAX_CLEARING_BODY_BYTES) {
            Ok(event) if !self.standings().heeds(&event) => Vec::new(),
            Ok(event) if self.is_of_deals(&record) => self.standings().count_deal(&event, record.sequence),
            _ => passed_over(&record),
        }
    }

    fn standings(&self) -> RwLockWriteGuard<'_, Standings> {
        self.standings.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_of_deals(&self, record: &LogRecord) -> bool {
        self.is_signed(record, DealEvent::TYPE, &[Core::Deal.name(), LEDGER])
    }

    fn is_signed(&self, record: &LogRecord, kind: &str, writers: &[&str]) -> bool {
        let Ok(sender) = record.sender(kind) else { return false };
        self.keys.look(|ring| writers.iter().any(|writer| ring.ever(writer, &sender.user)))
    }
}

fn passed_over(record: &LogRecord) -> Vec<Counted> {
    tracing::warn!(subject = record.subject, sequence = record.sequence, "an entry was passed over");
    Vec::new()
}

fn unreadable(error: ReadError) -> ErrorReply {
    ErrorReply::new(Code::Internal, error.to_string())
}

/// Why collaboration could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Outside of an actor system.
    #[error(transparent)]
    NoSystem(#[from] NoSystem),
    /// The logs or the bucket cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
}

/// What the bucket shows, and what it should show.
struct Shown {
    there: BTreeMap<AgentId, Reputation>,
    due: BTreeMap<AgentId, Reputation>,
    /// Whether something is due that is shown at once.
    is_urgent: bool,
}

impl Shown {
    async fn read(port: &dyn Port) -> Result<Self, ReadError> {
        let entries = port.kv_list(stream::REPUTATION).await?;
        let read = entries.iter().filter_map(|entry| serde_json::from_slice::<Reputation>(&entry.value).ok());
        let there = read.map(|shown| (shown.agent.clone(), shown)).collect();
        Ok(Self { there, due: BTreeMap::new(), is_urgent: true })
    }

    fn due(&mut self, counted: Vec<Counted>) {
        self.is_urgent |= counted.iter().any(|counted| counted.why != Why::Delivered);
        self.due.extend(counted.into_iter().map(|Counted { now, .. }| (now.agent.clone(), now)));
    }

    /// Puts what changed. What cannot be put now is due until it can be.
    async fn put(&mut self, port: &dyn Port) {
        self.is_urgent = false;
        for (agent, reputation) in std::mem::take(&mut self.due) {
            if self.there.get(&agent) == Some(&reputation) {
                continue;
            }
            let Ok(value) = serde_json::to_vec(&reputation) else { continue };
            match port.kv_put(stream::REPUTATION, agent.as_str(), Bytes::from(value), None).await {
                Ok(_) => {
                    self.there.insert(agent, reputation);
                }
                Err(error) => {
                    tracing::warn!(%agent, %error, "a reputation is not shown yet");
                    self.due.insert(agent, reputation);
                }
            }
        }
    }
}

#[async_trait]
impl Handler for MacService {
    async fn answer(&self, message: Message, call: Call) -> Result<Answer, ErrorReply> {
        answer(self.moved(message, call).await)
    }
}
