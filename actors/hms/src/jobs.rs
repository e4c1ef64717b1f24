//! Jobs as their logs tell of them, for commands that look: an operator reads the log itself.
//!
//! An entry that `mac` did not sign is no part of a job, whoever put it there: it is passed over with a word.

use std::sync::Arc;

use futures::StreamExt;
use mac::{Entry, Job};
use runtime::port::{Followed, Message, Port, Start};
use schemas::{
    AgentId, Hash, JobId, MoveId,
    body::Message as _,
    header::{self, Headers},
    job::TaskEvent,
    keyring::{Keyring, LogRecord, REGISTRY, RecordFault},
    registry::{Hello, Welcome},
    stream, subject,
    task::TaskMove,
};

use crate::{
    exit::{Exit, OrExit, Outcome, Stop},
    keystore::KeyStore,
    request::{self, Reply},
    services::Core,
};

/// Nothing is known of a job.
pub fn unknown(job: &JobId) -> Stop {
    Stop::say(Exit::Bad, format_args!("there is no job {job} on this bus"))
}

/// The logs of jobs, and the keys that make their entries.
pub struct Jobs {
    port: Arc<dyn Port>,
    keys: Keyring,
}

impl Jobs {
    /// Reads the keys.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn of(port: Arc<dyn Port>) -> Outcome<Self> {
        let mut keys = Keyring::default();
        for core in [REGISTRY, Core::Mac.name()] {
            let name = core.parse().or_exit(Exit::Bad)?;
            for stored in port.read(stream::DEALS, &subject::key_log(&name), 0).await? {
                let sequence = stored.sequence;
                if let Err(fault) = keys.add(&LogRecord::from(stored)) {
                    tracing::warn!(sequence, %fault, "an entry of the key log was passed over");
                }
            }
        }
        Ok(Self { port, keys })
    }

    /// The last entry of each job, in the order of the stream.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn last(&self) -> Outcome<Vec<Entry>> {
        let mut last = self.port.follow(stream::TASKS, &[subject::all_task_logs()], Start::LastPerSubject).await?;
        let mut entries = Vec::new();
        while let Some(Followed::Entry(stored)) = last.next().await {
            let record = LogRecord::from(stored);
            match self.read(&record) {
                Ok(entry) => entries.push(entry),
                // Somebody else's words at the end of the log: what stands before them?
                Err(_) => entries.extend(self.entries_on(&record.subject).await?.pop()),
            }
        }
        Ok(entries)
    }

    /// A job's entries.
    ///
    /// # Errors
    /// When they cannot be read, or there are none.
    pub async fn entries(&self, job: &JobId) -> Outcome<Vec<Entry>> {
        let entries = self.entries_on(&subject::task_log(job)).await?;
        if entries.is_empty() {
            return Err(unknown(job));
        }
        Ok(entries)
    }

    /// A job, folded.
    ///
    /// # Errors
    /// When its log cannot be read, or holds no job.
    pub async fn job(&self, job: &JobId) -> Outcome<Job> {
        let entries = self.entries(job).await?;
        let folded = entries.iter().fold(None, Job::apply);
        folded.ok_or_else(|| Stop::say(Exit::Bad, format_args!("the log of {job} does not begin with a submission")))
    }

    async fn entries_on(&self, log: &str) -> Outcome<Vec<Entry>> {
        let records = self.port.read(stream::TASKS, log, 0).await?.into_iter().map(LogRecord::from);
        let entries = records.filter_map(|record| {
            self.read(&record)
                .inspect_err(|fault| tracing::warn!(sequence = record.sequence, %fault, "not an entry of the log"))
                .ok()
        });
        Ok(entries.collect())
    }

    /// Reads an entry of a job's log that `mac` wrote.
    ///
    /// # Errors
    /// What keeps it from being believed.
    pub fn read(&self, record: &LogRecord) -> Result<Entry, RecordFault> {
        let sender = record.sender(TaskEvent::TYPE)?;
        let signer = sender.name.clone().unwrap_or_default();
        if signer != Core::Mac.name() {
            return Err(RecordFault::Writer { signer });
        }
        self.keys.check(&sender)?;
        let entry = Entry::read(&record.body)?;
        if subject::task_log(&entry.event.job) != record.subject {
            return Err(RecordFault::Chain("it is of another job"));
        }
        Ok(entry)
    }
}

/// Sends a move signed as `agent`, whose key is there; gives the answer's body.
///
/// # Errors
/// When there is no such key, nobody answers, or the move is refused.
pub async fn send(port: &dyn Port, keys: &KeyStore, agent: &AgentId, job: &JobId, ask: &TaskMove) -> Outcome<Vec<u8>> {
    let (kind, body) = ask.encode();
    let subject = subject::task_move(ask.verb(), agent, job);
    send_signed(port, keys, agent, (subject, kind, body), ask.deadline_unix_ms()).await
}

/// Sends a request of this subject, type and body signed as `agent`, whose key is there; gives the answer's body.
///
/// # Errors
/// When there is no such key, nobody answers, or the request is refused.
pub async fn send_signed(
    port: &dyn Port,
    keys: &KeyStore,
    agent: &AgentId,
    (subject, kind, body): (String, &'static str, Vec<u8>),
    deadline_unix_ms: i64,
) -> Outcome<Vec<u8>> {
    keys.find(agent)?;
    let timeout_ms = request::TIMEOUT_MS;
    let welcome: Welcome = match request::ask(port, REGISTRY, "hello", &Hello {}, timeout_ms).await? {
        Reply::Answer(welcome) => welcome,
        Reply::Refused(refused) => return Err(Stop::new(Exit::Bad, refused)),
    };
    let signer = keys.signer_in(agent, welcome.account)?;
    let nonce = once(&[subject.as_bytes(), &body], port.now_unix_ms())?;
    let sender = signer.sign(&subject, &body, port.now_unix_ms(), nonce.as_str()).or_exit(Exit::Bad)?;
    let headers =
        Headers::of_type(kind).with(header::DEADLINE, deadline_unix_ms.to_string()).with(header::SENDER, sender);
    match request::send(port, Message::new(subject, body).with_headers(headers), timeout_ms).await? {
        Reply::Answer(reply) => Ok(reply.body.to_vec()),
        Reply::Refused(refused) => Err(Stop::new(Exit::Bad, refused)),
    }
}

/// An id for one occasion, of a move or of a signature: whoever asks for the same thing at the same millisecond gets the
/// same one.
///
/// # Errors
/// Never: 32 hexadecimal digits are one.
pub fn once(parts: &[&[u8]], now_unix_ms: i64) -> Outcome<MoveId> {
    let now = now_unix_ms.to_be_bytes();
    let digits: String = Hash::of_parts(&[parts, &[&now]].concat()).to_string().chars().take(32).collect();
    MoveId::parse(&digits).or_exit(Exit::Bad)
}
