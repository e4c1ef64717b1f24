//! Collaboration on the bus: `hms.v1.task.<verb>.<agent>.<job>`, the timers that wake it, and everybody's reputation.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use mac::{Ask, Entry, Job, Mac, standing::Standings};
use runtime::{
    NoSystem,
    journal::{DeciderHandle, DeciderHost, GroupCommit, Keys},
    port::{Followed, Message, Port, ReadError, Start, Stored},
    service::{Answer, Handler},
    sync::mpsc,
};
use schemas::{
    AgentId,
    body::{Message as _, decode, encode},
    core::{Call, Logged},
    error::{Code, ErrorReply},
    job::{JobShown, Reputation, ShowJob, TaskEvent},
    keyring::LogRecord,
    limit::MAX_BODY_BYTES,
    signature::Signer,
    stream, subject,
    subject::TaskVerb,
    task::TaskMove,
};

use super::{
    Core, answer, bad_subject,
    timers::{self, Heeded},
};

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
        self.jobs.ask(subject::task_log(&job), Ask::Move { by, job, ask, signed, reputation_ppb }, call).await
    }

    async fn show(&self, by: &AgentId, show: &ShowJob) -> schemas::core::Answer {
        let log = subject::task_log(&show.job);
        let unreadable = |error: ReadError| ErrorReply::new(Code::Internal, error.to_string());
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
        let mut log = self.port.follow(stream::TASKS, &[subject::all_task_logs()], Start::All).await?;
        let mut shown = Shown::read(self.port.as_ref()).await?;
        while let Some(Followed::Entry(stored)) = log.next().await {
            shown.due(self.count(stored));
        }
        let counting = self.clone();
        runtime::spawn(async move {
            shown.put(counting.port.as_ref()).await;
            while let Some(item) = log.next().await {
                if let Followed::Entry(stored) = item {
                    shown.due(counting.count(stored));
                    shown.put(counting.port.as_ref()).await;
                }
            }
        });
        Ok(())
    }

    /// Counts an entry that this core signed; on an open bus anyone can write there.
    fn count(&self, stored: Stored) -> Vec<Reputation> {
        let record = LogRecord::from(stored);
        let is_ours = record
            .sender(TaskEvent::TYPE)
            .is_ok_and(|sender| self.keys.look(|ring| ring.ever(Core::Mac.name(), &sender.user)));
        match Entry::read(&record.body) {
            Ok(entry) if is_ours => {
                let mut standings = self.standings.write().unwrap_or_else(PoisonError::into_inner);
                standings.count(&entry.event, record.sequence)
            }
            _ => {
                tracing::warn!(subject = record.subject, sequence = record.sequence, "an entry was passed over");
                Vec::new()
            }
        }
    }
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
    there: std::collections::BTreeMap<AgentId, Reputation>,
    due: std::collections::BTreeMap<AgentId, Reputation>,
}

impl Shown {
    async fn read(port: &dyn Port) -> Result<Self, ReadError> {
        let entries = port.kv_list(stream::REPUTATION).await?;
        let read = entries.iter().filter_map(|entry| serde_json::from_slice::<Reputation>(&entry.value).ok());
        Ok(Self { there: read.map(|shown| (shown.agent.clone(), shown)).collect(), due: Default::default() })
    }

    fn due(&mut self, changed: Vec<Reputation>) {
        self.due.extend(changed.into_iter().map(|reputation| (reputation.agent.clone(), reputation)));
    }

    /// Puts what changed. What cannot be put now is due until it can be.
    async fn put(&mut self, port: &dyn Port) {
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
