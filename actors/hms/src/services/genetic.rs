//! The service `genetic`: searches as jobs, and their results.
//!
//! A search that carries `Hms-Job` is spread over islands ([`islands`](super::islands)), tells of its progress, can be
//! stopped, is taken up where it was when it is asked for again, and leaves its result in the object store. One without is
//! computed in this place and answered; its bytes are the same.

use std::sync::Arc;

use async_trait::async_trait;
use genetic::island::Plan;
use runtime::{
    port::{Message, Port, ReadError},
    service::{Answer, Handler},
    task::spawn_blocking,
};
use schemas::{
    Hash, JobId,
    body::decode,
    core::{Call, Core},
    encode,
    error::{Code, ErrorReply},
    evolution::{Evolve, Evolved, Kept, ShowResult},
    limit::{MAX_BODY_BYTES, MAX_CLEARING_BODY_BYTES},
    stream, subject,
};

use super::{bad_subject, islands::Islands, unknown_verb};

/// The endpoints; `epoch` is a core of its own.
pub const VERBS: [&str; 2] = ["evolve", "result"];

/// Terms of a front that an answer shows when the whole is too large for it.
const SHOWN: usize = 10;

/// Room for headers in a message, in bytes.
const HEADERS_BYTES: usize = 4_096;

/// Answers `evolve` and `result`.
#[derive(Clone)]
pub struct GeneticService {
    port: Arc<dyn Port>,
}

impl GeneticService {
    pub fn new(port: Arc<dyn Port>) -> Self {
        Self { port }
    }

    async fn evolve(&self, body: &[u8], call: Call) -> Result<Answer, ErrorReply> {
        let request: Evolve = decode(body, MAX_CLEARING_BODY_BYTES)?;
        let Some(job) = call.job.clone() else {
            let here = spawn_blocking(move || <genetic::Evolve>::default().handle(request, &call));
            let evolved = here.await.map_err(|error| internal(&error))??;
            let bytes = encode(&evolved);
            if bytes.len() <= self.most_bytes() {
                return Ok(Answer::of(&evolved));
            }
            let name = Hash::of(&bytes).to_string();
            return Ok(Answer::of(&self.keep(&name, evolved, bytes).await?));
        };
        let plan = Arc::new(Plan::read(&request)?);
        let ended = Islands::start(self.port.clone(), plan.clone(), request, job.id.clone(), call).run().await?;
        let concluding = spawn_blocking(move || plan.conclude(ended.islands, ended.dropped, ended.cut));
        let evolved = concluding.await.map_err(|error| internal(&error))??;
        let bytes = encode(&evolved);
        Ok(Answer::of(&self.keep(&object(&job.id), evolved, bytes).await?))
    }

    async fn result(&self, body: &[u8]) -> Result<Answer, ErrorReply> {
        let ShowResult { job } = decode(body, MAX_BODY_BYTES)?;
        let name = object(&job);
        let found = self.port.object_get(stream::RESULTS, &name).await.map_err(|error| unread(&error))?;
        let Some(bytes) = found else {
            let reason = format!("no result of a job {job} is kept");
            return Err(ErrorReply::new(Code::Unknown, reason).at_field("job"));
        };
        let evolved: Evolved = decode(&bytes, bytes.len()).map_err(|error| internal(&error))?;
        Ok(Answer::of(&self.fitting(&name, evolved, &bytes)))
    }

    /// Keeps an answer in the object store, and gives what of it fits a message.
    async fn keep(&self, name: &str, evolved: Evolved, bytes: Vec<u8>) -> Result<Evolved, ErrorReply> {
        let kept = self.port.object_put(stream::RESULTS, name, bytes.clone().into()).await;
        kept.map_err(|error| internal(&error))?;
        Ok(self.fitting(name, evolved, &bytes))
    }

    fn fitting(&self, name: &str, mut evolved: Evolved, bytes: &[u8]) -> Evolved {
        if bytes.len() > self.most_bytes() {
            evolved.kept = Some(Kept {
                bucket: stream::RESULTS.to_owned(),
                name: name.to_owned(),
                size_bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
                hash: Hash::of(bytes),
                candidates: u64::try_from(evolved.front.len()).unwrap_or(u64::MAX),
            });
            evolved.front.truncate(SHOWN);
            evolved.islands.clear();
        }
        evolved
    }

    /// The largest answer that is sent as a message.
    fn most_bytes(&self) -> usize {
        MAX_BODY_BYTES.min(self.port.server().max_payload_bytes).saturating_sub(HEADERS_BYTES)
    }
}

#[async_trait]
impl Handler for GeneticService {
    async fn answer(&self, message: Message, call: Call) -> Result<Answer, ErrorReply> {
        let (_, verb) = subject::parse_endpoint(&message.subject).map_err(bad_subject)?;
        match verb {
            "evolve" => self.evolve(&message.body, call).await,
            "result" => self.result(&message.body).await,
            other => Err(unknown_verb(other)),
        }
    }
}

/// The object of a job's result.
fn object(job: &JobId) -> String {
    format!("genetic.{job}")
}

fn internal(error: &dyn std::fmt::Display) -> ErrorReply {
    ErrorReply::new(Code::Internal, error.to_string())
}

fn unread(error: &ReadError) -> ErrorReply {
    internal(error)
}
