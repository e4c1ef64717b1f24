//! A whole bus: streams, cores and market maker on a broker, which may be one of its own.

use std::sync::Arc;

use runtime::{broker::Broker, port::Port};

use crate::{
    command::provision::provision,
    exit::{Exit, OrExit, Outcome, Stop},
    keystore::KeyStore,
    log,
    services::{self, Core, Cores},
};

/// How often the broker is looked after, in milliseconds.
const LOOK_MS: u64 = 500;

/// What runs.
pub struct House {
    port: Arc<dyn Port>,
    cores: Cores,
    // Last: it goes when everything that needs it has gone.
    broker: Option<Broker>,
}

impl House {
    /// Provisions the broker and starts everything on it.
    ///
    /// # Errors
    /// When the broker refuses the streams, or a core does not start.
    pub async fn start(port: Arc<dyn Port>, broker: Option<Broker>, keys: &KeyStore, replicas: u8) -> Outcome<Self> {
        for (stream, done) in provision(&port, replicas).await? {
            tracing::debug!(stream, ?done, "provisioned");
        }
        let cores = services::start(port.clone(), keys, &Core::ALL).await.or_exit(Exit::Bad)?;
        Ok(Self { port, cores, broker })
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
        if !self.cores.drain().await {
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
