//! The agents of a run: Python hosts as processes, agents in Rust as actors on one connection.

use std::sync::Arc;

use futures::channel::mpsc::UnboundedSender;
use runtime::peer::Host;
use runtime::port::{Link, Port};
use runtime::time::{Duration, MissedTickBehavior, interval, sleep, timeout};
use schemas::registry::{Hello, Welcome};

use super::hosts::{self, PythonHost};
use super::progress::Progress;
use super::watch::Watch;
use super::{ANSWER_MS, LOOK_MS, RunError, Spec, ask};
use crate::news::News;
use crate::plan::AgentPlan;
use crate::scenario::{Language, Population};
use crate::trader::Trader;

/// How long agents may take to register, in milliseconds.
pub(super) const GATHER_WITHIN_MS: u64 = 60_000;
/// How long agents may take to finish what is under way, in milliseconds.
const DRAIN_WITHIN_MS: u64 = 15_000;
/// Threads that carry agents in Rust.
const TRADER_THREADS: usize = 2;

/// Everybody.
pub(super) struct Crowd {
    python: Vec<PythonHost>,
    rust: Host,
    traders: Arc<dyn Port>,
    before: Link,
    start_unix_ms: i64,
}

impl Crowd {
    /// Brings everybody to the bus and waits until all are registered. Schedules begin when this returns, those of a
    /// Python host when that host was ready.
    pub(super) async fn gather(
        watch: &mut Watch,
        traders: Arc<dyn Port>,
        population: &Population,
        spec: &Spec,
        news: UnboundedSender<News>,
        progress: &mut Progress,
    ) -> Result<Self, RunError> {
        let of = |wanted: Language| -> Vec<&AgentPlan> {
            let all = population.agents.iter();
            all.filter(|(language, _)| *language == wanted).map(|(_, plan)| plan).collect()
        };
        let (in_python, in_rust) = (of(Language::Python), of(Language::Rust));
        let mut python = Vec::new();
        // By turns, so that hosts carry alike.
        let hosts = spec.hosts.min(in_python.len());
        for number in 0..hosts {
            let carried: Vec<&AgentPlan> = in_python.iter().copied().skip(number).step_by(hosts).collect();
            let name = format!("hms-host-{number}");
            let carries = hosts::traders(&carried);
            let told = hosts::configuration(&name, &spec.servers, spec.context.as_deref(), carries);
            python.push(PythonHost::start(&told, news.clone()).await?);
        }
        let before = traders.link();
        let rust = Host::new(traders.clone(), TRADER_THREADS)?;
        let mut crowd = Self { python, rust, traders, before, start_unix_ms: watch.now_unix_ms() };
        crowd.wait(watch, in_python.len(), progress).await?;
        crowd.start_unix_ms = watch.now_unix_ms();
        if !in_rust.is_empty() {
            let Welcome { account, .. } = ask(watch.port(), ("registry", "hello"), &Hello {}, ANSWER_MS).await?;
            for plan in in_rust {
                let news = news.clone();
                // Nobody listens any more when the run is over.
                let report = Arc::new(move |report| drop(news.unbounded_send(report)));
                let trader = Trader::new(plan.clone(), account.clone(), crowd.start_unix_ms, report)?;
                crowd.rust.spawn(plan.id.as_str(), trader);
            }
            crowd.wait(watch, population.agents.len(), progress).await?;
        }
        Ok(crowd)
    }

    async fn wait(&mut self, watch: &mut Watch, all: usize, progress: &mut Progress) -> Result<(), RunError> {
        let mut looks = interval(Duration::from_millis(LOOK_MS));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let late = sleep(Duration::from_millis(GATHER_WITHIN_MS));
        let mut late = std::pin::pin!(late);
        while watch.tally.ready < all {
            runtime::select! {
                heard = watch.next() => watch.count(heard).await?,
                () = &mut late => return Err(RunError::NotReady { ready: watch.tally.ready, all }),
                _ = looks.tick() => {
                    self.check().await?;
                    progress.show(watch.now_unix_ms(), || format!("{} of {all} agents are ready", watch.tally.ready));
                }
            }
        }
        Ok(())
    }

    /// When schedules began, in Unix milliseconds.
    pub(super) fn start_unix_ms(&self) -> i64 {
        self.start_unix_ms
    }

    /// Whether all Python hosts are still there.
    pub(super) async fn check(&mut self) -> Result<(), RunError> {
        for host in &mut self.python {
            if let Some(fall) = host.fell().await {
                return Err(fall);
            }
        }
        Ok(())
    }

    /// Lets everybody finish what is under way and go; gives how many messages the agents in Rust received and sent.
    pub(super) async fn drain(self, watch: &mut Watch) -> Result<u64, RunError> {
        let Self { python, rust, traders, before, .. } = self;
        let everybody = async {
            let hosts = futures::future::join_all(python.into_iter().map(|host| host.drain(DRAIN_WITHIN_MS)));
            let (hosts, traders) = runtime::join!(hosts, rust.stop(DRAIN_WITHIN_MS));
            if !traders || hosts.contains(&false) {
                tracing::warn!("some agents did not finish in time");
            }
        };
        let mut everybody = std::pin::pin!(everybody);
        loop {
            runtime::select! {
                () = &mut everybody => break,
                heard = watch.next() => watch.count(heard).await?,
            }
        }
        // What was said last is on its way.
        let rest = async {
            while watch.is_asking() {
                let heard = watch.next().await;
                watch.count(heard).await?;
            }
            Ok::<(), RunError>(())
        };
        if let Ok(heard) = timeout(Duration::from_millis(ANSWER_MS), rest).await {
            heard?;
        }
        let after = traders.link();
        Ok((after.messages_in - before.messages_in).saturating_add(after.messages_out - before.messages_out))
    }
}
