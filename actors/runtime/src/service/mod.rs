//! A service: cores and handlers behind subjects.
//!
//! ```text
//! subscription → intake (permit or 429) → actor (decode, deadline, call) → one writer → the requester
//! ```
//!
//! Members of a service's queue group share its requests, so running it twice is all there is to scaling it. It
//! answers `PING`, `INFO` and `STATS` as ADR-32 says, so that `nats service` sees it.
//!
//! What the client library's own service API would give is done here on bare subscriptions, which carry nearly
//! twice the requests.
//!
//! # What happens to a request
//!
//! | what | outcome |
//! |---|---|
//! | no permit left, or as many in the hands of whoever asks | 429 with `retry_after_ms` |
//! | the reply subject lies in our streams | not carried out; dead-letter queue |
//! | malformed, too large, of another type | 400 naming the field |
//! | past `Hms-Deadline`, looked at once, before deciding | 410 |
//! | the core panics | 500 with an id that stands in the log; the core is built anew |
//! | it fails and awaits no reply | dead-letter queue, with the reason |
//!
//! One that takes long may be watched and stopped: [`jobs`].
//!
//! # Draining
//!
//! [`Running::drain`] stops taking requests, has jobs end with what they have, answers what was admitted, and then lets
//! go of everything.

mod discovery;
mod fair;
mod intake;
mod jobs;
mod meters;
mod reply;
mod stats;
mod worker;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use actix::ArbiterHandle;
use schemas::{core::Core, limit::MAX_BODY_BYTES, subject};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
};
use tracing::{info, warn};

pub(crate) use self::reply::reply_to;
use self::{
    discovery::{Discovery, Identity},
    fair::{Places, Receiver},
    intake::{Crew, Worker},
    jobs::Jobs,
    stats::Endpoint,
    worker::{Admitted, Bench, CoreWorker, HandlerWorker},
};
pub use self::{
    fair::{Claimant, Neighbours},
    meters::{Meters, encode_link},
    reply::Answer,
    stats::{EndpointData, EndpointStats},
    worker::Handler,
};
use crate::{
    port::{Port, PublishError, Stopper},
    stage::{NoSystem, Stage},
    trace::Spans,
};

/// How much a core or handler takes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests that may be waiting and under way at once; more are told to come back.
    pub admission: usize,
    /// Requests of a handler that are worked on at once by one actor; the others wait for their turn.
    pub at_once: usize,
    /// How many requests of one asker are taken a second in the long run while others ask, beside half as many as they
    /// make; where it can be told who asks.
    pub pace_per_s: u64,
    /// The largest body that is read, in bytes.
    pub max_body_bytes: usize,
    /// How many actors answer alike.
    pub actors: usize,
    /// Whether each of them has a thread of its own, since it computes for long; otherwise all actors of the service
    /// share one.
    pub own_threads: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            admission: 256,
            at_once: 256,
            pace_per_s: 2_000,
            max_body_bytes: MAX_BODY_BYTES,
            actors: 1,
            own_threads: false,
        }
    }
}

/// A service to be started.
pub struct Service {
    name: String,
    id: Option<String>,
    version: String,
    description: String,
    metadata: BTreeMap<String, String>,
    crews: Vec<CrewPlan>,
    meters: Meters,
    neighbours: Neighbours,
    fault: Option<StartError>,
}

/// An endpoint of a handler: where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSpec {
    /// Its name.
    pub name: String,
    /// The subject it listens on; wildcards allowed.
    pub subject: String,
    /// The queue group; the service's name unless it is set.
    pub queue_group: Option<String>,
    /// What discovery tells of it.
    pub metadata: BTreeMap<String, String>,
    /// How to tell who asks, so that those who ask are served fairly; unset, all are alike.
    pub claimant: Option<Claimant>,
    /// Whether its answers are streams, as the Synadia Agent Protocol has them: after an error, which is headers alone,
    /// comes what ends a stream, an empty body without headers.
    pub streams: bool,
}

impl EndpointSpec {
    /// An endpoint in the service's own queue group.
    pub fn new(name: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            subject: subject.into(),
            queue_group: None,
            metadata: BTreeMap::new(),
            claimant: None,
            streams: false,
        }
    }

    /// The same endpoint, whose answers are streams.
    #[must_use]
    pub fn streaming(self) -> Self {
        Self { streams: true, ..self }
    }

    /// The same endpoint, fair between those who ask.
    #[must_use]
    pub fn fair_by(self, claimant: Claimant) -> Self {
        Self { claimant: Some(claimant), ..self }
    }
}

/// Puts one actor on a thread.
type Hire = Box<dyn Fn(&ArbiterHandle, Receiver<Admitted>, Bench) + Send>;

struct CrewPlan {
    endpoints: Vec<EndpointSpec>,
    limits: Limits,
    hire: Hire,
}

/// Why a service did not start.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Not within an actor system.
    #[error(transparent)]
    NoSystem(#[from] NoSystem),
    /// A name that discovery could not carry.
    #[error("{0:?} is not a service's name: letters, digits, dash and underscore")]
    BadName(String),
    /// A core that belongs to another service.
    #[error("the core {core} is of the service {service}")]
    Foreign {
        /// The core's verb.
        core: &'static str,
        /// The service it names.
        service: &'static str,
    },
    /// A subject could not be subscribed to.
    #[error("cannot listen")]
    Listen(#[from] PublishError),
}

impl Service {
    /// A service without endpoints. `version` is a semantic version.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            id: None,
            version: version.into(),
            description: String::new(),
            metadata: BTreeMap::new(),
            crews: Vec::new(),
            meters: Meters::default(),
            neighbours: Neighbours::default(),
            fault: None,
        }
    }

    /// Has its instance known by this id, which nobody else has; otherwise one is made.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// What the service is for.
    #[must_use]
    pub fn described(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Something that discovery tells of it.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Has these meters show how it fares, for as long as it runs.
    #[must_use]
    pub fn measured(mut self, meters: &Meters) -> Self {
        self.meters = meters.clone();
        self
    }

    /// Says which services use the same processors: who asks there counts as one who asks here, so that nobody who floods
    /// is alone.
    #[must_use]
    pub fn beside(mut self, neighbours: &Neighbours) -> Self {
        self.neighbours = neighbours.clone();
        self
    }

    /// Puts a core behind its endpoint, `hms.v1.<service>.<verb>`. The factory builds one for each actor, and another
    /// after a panic.
    #[must_use]
    pub fn core<C: Core>(mut self, limits: Limits, factory: impl Fn() -> C + Send + Sync + 'static) -> Self {
        if C::SERVICE != self.name {
            self.fault.get_or_insert(StartError::Foreign { core: C::VERB, service: C::SERVICE });
        }
        let endpoint = EndpointSpec::new(C::VERB, subject::endpoint(C::SERVICE, C::VERB));
        let (factory, limit_bytes) = (Arc::new(factory), limits.max_body_bytes);
        let hire: Hire = Box::new(move |thread, requests, bench| {
            CoreWorker::start(thread, requests, Arc::clone(&factory), limit_bytes, bench);
        });
        self.crews.push(CrewPlan { endpoints: vec![endpoint], limits, hire });
        self
    }

    /// Puts a handler behind endpoints of any subjects. The factory builds one for each actor, and another after a
    /// panic.
    #[must_use]
    pub fn handler<H: Handler>(
        mut self,
        endpoints: impl IntoIterator<Item = EndpointSpec>,
        limits: Limits,
        factory: impl Fn() -> H + Send + Sync + 'static,
    ) -> Self {
        let (factory, limit_bytes, at_once) = (Arc::new(factory), limits.max_body_bytes, limits.at_once);
        let hire: Hire = Box::new(move |thread, requests, bench| {
            HandlerWorker::start(thread, requests, Arc::clone(&factory), limit_bytes, at_once, bench);
        });
        self.crews.push(CrewPlan { endpoints: endpoints.into_iter().collect(), limits, hire });
        self
    }

    /// Starts it: when this returns, the server knows of all its subscriptions.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(self, port: Arc<dyn Port>) -> Result<Running, StartError> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.name.is_empty() || !self.name.chars().all(good) {
            return Err(StartError::BadName(self.name));
        }
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let id = self.id.unwrap_or_else(|| port.unique_token());
        let (replies, outgoing) = mpsc::unbounded_channel();
        let bench = Bench {
            port: Arc::clone(&port),
            service: self.name.as_str().into(),
            replies,
            spans: Arc::new(Spans::seeded(&id)),
            jobs: Arc::default(),
        };
        let mut running = Running {
            stages: vec![Stage::new(1)?],
            identity: Arc::new(Identity {
                name: self.name.clone(),
                id,
                version: self.version,
                description: self.description,
                metadata: self.metadata,
                started: jiff::Timestamp::from_millisecond(port.now_unix_ms()).unwrap_or_default().to_string(),
                endpoints: Vec::new(),
            }),
            stoppers: Vec::new(),
            writer: tokio::spawn(reply::write(Arc::clone(&port), outgoing)),
            heeding: None,
            jobs: Arc::clone(&bench.jobs),
            discovery: None,
            port: Arc::clone(&port),
        };
        // Before any request can come.
        let cancellations = port.subscribe(&subject::all_job_cancels(), None).await?;
        let heeding = tokio::spawn(jobs::heed(cancellations, Arc::clone(&bench.jobs), Arc::clone(&port)));
        running.heeding = Some(heeding.abort_handle());
        let mut endpoints = Vec::new();
        for plan in self.crews {
            running.open(plan, &self.name, &bench, &self.neighbours, &mut endpoints).await?;
        }
        if let Some(identity) = Arc::get_mut(&mut running.identity) {
            identity.endpoints = endpoints;
        }
        let discovery = Discovery::listen(&*port, &running.identity).await?;
        let answering = tokio::spawn(discovery.answer(Arc::clone(&port), Arc::clone(&running.identity)));
        running.discovery = Some(answering.abort_handle());
        port.flush().await?;
        self.meters.show(&running.identity);
        info!(service = running.identity.name, id = running.identity.id, "started");
        Ok(running)
    }
}

/// A service at work. Dropped, it ends at once; [`Running::drain`] ends it gracefully.
pub struct Running {
    identity: Arc<Identity>,
    stages: Vec<Stage>,
    stoppers: Vec<Stopper>,
    writer: JoinHandle<()>,
    heeding: Option<AbortHandle>,
    jobs: Arc<Jobs>,
    discovery: Option<AbortHandle>,
    port: Arc<dyn Port>,
}

impl Running {
    async fn open(
        &mut self,
        plan: CrewPlan,
        service: &str,
        bench: &Bench,
        neighbours: &Neighbours,
        endpoints: &mut Vec<Arc<Endpoint>>,
    ) -> Result<(), StartError> {
        let actors = plan.limits.actors.max(1);
        if plan.limits.own_threads {
            self.stages.push(Stage::new(actors)?);
        }
        let stage = if plan.limits.own_threads { self.stages.last() } else { self.stages.first() };
        let mut workers = Vec::new();
        for n in 0..actors {
            let thread = stage.and_then(|stage| stage.of(n)).ok_or(NoSystem)?;
            let (requests, queue) = fair::queue(plan.limits.pace_per_s, neighbours.clone());
            (plan.hire)(thread, queue, bench.clone());
            workers.push(Worker { requests, load: Arc::new(AtomicUsize::new(0)) });
        }
        let crew = Arc::new(Crew { places: Arc::new(Places::new(plan.limits.admission)), workers });
        for spec in plan.endpoints {
            let endpoint = Arc::new(Endpoint::new(spec, service, Arc::clone(&crew.places)));
            let subscription = self.port.subscribe(&endpoint.subject, Some(&endpoint.queue_group)).await?;
            self.stoppers.push(subscription.stopper());
            endpoints.push(Arc::clone(&endpoint));
            tokio::spawn(intake::take(subscription, endpoint, Arc::clone(&crew), bench.clone()));
        }
        Ok(())
    }

    /// The service's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// This instance's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.identity.id
    }

    /// Has these meters show how it fares, for as long as it runs.
    pub fn measure(&self, meters: &Meters) {
        meters.show(&self.identity);
    }

    /// How its endpoints fare.
    #[must_use]
    pub fn stats(&self) -> Vec<EndpointStats> {
        self.identity.endpoints.iter().map(|endpoint| endpoint.stats()).collect()
    }

    /// Stops taking requests, has jobs end with what they have, answers what was admitted, and ends. Says whether that
    /// was done within `timeout_ms`.
    pub async fn drain(mut self, timeout_ms: u64) -> bool {
        for stopper in &self.stoppers {
            stopper.stop();
        }
        self.jobs.end();
        // The intakes end with their subscriptions, the actors with the intakes, the writer with the actors.
        let ended = tokio::time::timeout(Duration::from_millis(timeout_ms), async {
            let written = (&mut self.writer).await.is_ok();
            written && self.port.flush().await.is_ok()
        })
        .await
        .unwrap_or(false);
        if ended {
            info!(service = self.identity.name, id = self.identity.id, "drained");
        } else {
            warn!(service = self.identity.name, id = self.identity.id, timeout_ms, "not drained in time");
        }
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for stopper in &self.stoppers {
            stopper.stop();
        }
        self.jobs.end();
        [&self.heeding, &self.discovery].into_iter().flatten().for_each(AbortHandle::abort);
    }
}
