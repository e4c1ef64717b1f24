//! A whole bus: streams, cores and market maker on a broker, which may be one of its own.

use std::sync::Arc;

use runtime::{broker::Broker, http::Serving, port::Port, service::Meters};
use schemas::AgentId;
use swarm::maker::{self, Maker};

use crate::{
    command::provision::provision,
    exit::{Exit, OrExit, Outcome, Stop},
    keystore::KeyStore,
    log, metrics,
    services::{self, Core, Cores, provers::Provers},
    web,
};

/// How often the broker is looked after, in milliseconds.
const LOOK_MS: u64 = 500;

/// How long the market maker's answers may take when it ends, in milliseconds.
const DRAIN_MS: u64 = 5_000;

/// How long provers may take to serve until a bus is announced without them, in milliseconds.
const PROVERS_SERVE_MS: u64 = 10_000;

/// What is to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Copies of each stream.
    pub replicas: u8,
    /// Whether the market maker runs here: on one bus it may run once.
    pub has_maker: bool,
    /// The provers.
    pub provers: Provers,
    /// Where metrics and health are served, if anywhere.
    pub metrics: Option<String>,
    /// The page for onlookers, if it is served.
    pub web: Option<web::Spec>,
}

/// What runs.
pub struct House {
    port: Arc<dyn Port>,
    cores: Cores,
    maker: Option<Maker>,
    _metrics: Option<Serving>,
    web: Option<Serving>,
    // Last: it goes when everything that needs it has gone.
    broker: Option<Broker>,
}

impl House {
    /// Provisions the broker and starts everything on it.
    ///
    /// # Errors
    /// When the broker refuses the streams, or a core or the market maker does not start.
    pub async fn start(port: Arc<dyn Port>, broker: Option<Broker>, keys: &KeyStore, plan: Plan) -> Outcome<Self> {
        for (stream, done) in provision(&port, plan.replicas).await? {
            tracing::debug!(stream, ?done, "provisioned");
        }
        let meters = Meters::default();
        // Before the cores: that they are not ready yet is said.
        let serving = metrics::serve_at(plan.metrics.as_deref(), &port, &meters).await?;
        let cores = services::start(port.clone(), keys, &Core::ALL, &plan.provers, &meters).await.or_exit(Exit::Bad)?;
        let maker = if plan.has_maker {
            let signer = keys.signer(&AgentId::parse(maker::SERVICE).or_exit(Exit::Bad)?)?;
            let maker = Maker::start(port.clone(), signer).await.or_exit(Exit::Bad)?;
            maker.measure(&meters);
            Some(maker)
        } else {
            None
        };
        let web = match plan.web {
            Some(spec) => Some(web::serve(spec, &port).await?),
            None => None,
        };
        Ok(Self { port, cores, maker, _metrics: serving, web, broker })
    }

    /// Where the page for onlookers is, if it is served.
    #[must_use]
    pub fn web_url(&self) -> Option<String> {
        self.web.as_ref().map(|serving| format!("http://{}", serving.address()))
    }

    /// Waits until the provers serve, and says so where they don't in time.
    pub async fn prove(&mut self) {
        if !self.cores.prove(PROVERS_SERVE_MS).await {
            tracing::warn!("provers are not there yet; until they are, deals that require proof are refused");
        }
    }

    /// Waits until somebody ends it (SIGINT, SIGTERM).
    ///
    /// # Errors
    /// When its own broker ends first.
    pub async fn until_interrupted(&mut self) -> Outcome {
        let interrupted = std::pin::pin!(runtime::interrupted());
        let gone = std::pin::pin!(broker_gone(self.port.as_ref(), &mut self.broker));
        match futures::future::select(interrupted, gone).await {
            futures::future::Either::Left((heard, _)) => heard.or_exit(Exit::Bad),
            futures::future::Either::Right(((), _)) => {
                Err(Stop::say(Exit::NoBus, "the broker ended; its log says why"))
            }
        }
    }

    /// Stops taking requests, answers what was admitted, and ends, the broker last.
    pub async fn drain(self) {
        let maker_in_time = match self.maker {
            Some(maker) => maker.drain(DRAIN_MS).await,
            None => true,
        };
        if !self.cores.drain().await || !maker_in_time {
            tracing::warn!("some requests were not answered in time");
        }
        tracing::info!("stopped");
        // That the connection breaks when its broker ends is no news.
        log::end();
        drop(self.broker);
    }
}

async fn broker_gone(port: &dyn Port, broker: &mut Option<Broker>) {
    loop {
        if broker.as_mut().is_some_and(|broker| !broker.is_running()) {
            return;
        }
        port.sleep_ms(LOOK_MS).await;
    }
}
