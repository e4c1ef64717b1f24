//! Brings a gathering to a bus, and reads off the signed log what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::future::FutureExt;
use futures::stream::StreamExt;
use runtime::journal::Keys;
use runtime::peer::{Host, PeerHandle};
use runtime::port::{Follow, Followed, Port, Start, Stored};
use runtime::time::{Duration, Instant, interval, sleep};
use schemas::deal::{Move, ReadTerms};
use schemas::event::{DealEvent, Happening};
use schemas::registry::{Hello, Welcome};
use schemas::subject::{self, parse_deal_move};
use schemas::{DealId, stream as streams};

use super::peer::{BEGIN, Bargainer, News};
use super::standing::{Ending, Standing, outcomes, ranked};
use super::{Gathering, Meeting, python};
use crate::run::hosts::PythonHost;
use crate::run::{LOOK_MS, RunError};
use crate::voice;
use crate::witness;

/// How long an answer may take, in milliseconds.
const ANSWER_MS: u64 = 10_000;
/// How long agents may take to register, in milliseconds.
const GATHER_WITHIN_MS: u64 = 60_000;
/// How long the Python host may take to finish what is under way, in milliseconds.
const DRAIN_WITHIN_MS: u64 = 15_000;
/// Threads that carry the agents in Rust.
const THREADS: usize = 2;
/// How many errors are told.
const ERRORS_TOLD: usize = 5;

/// How a gathering is run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The seed that it was drawn with.
    pub seed: u64,
    /// The most seconds that it may take.
    pub seconds: u32,
    /// The URLs of the bus, for agents in Python.
    pub servers: Vec<String>,
    /// The context of the `nats` command line that says where the bus is, if one does.
    pub context: Option<String>,
}

/// Everybody, registered and waiting to begin.
pub struct Crowd {
    host: Host,
    peers: Vec<PeerHandle>,
    python: Option<PythonHost>,
    news: UnboundedReceiver<News>,
}

impl Crowd {
    /// Brings everybody to the bus and waits until all are registered. `talkers` carries all that are in Rust. Those in
    /// Python come last, and begin at once: by then all others are here.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn gather(
        port: &dyn Port,
        talkers: Arc<dyn Port>,
        gathering: &Gathering,
        spec: &Spec,
    ) -> Result<Self, RunError> {
        let hello = voice::plain(subject::endpoint("registry", "hello"), &Hello {});
        let Welcome { account, .. } = voice::ask(port, hello, ANSWER_MS)
            .await
            .map_err(|source| RunError::Ask { what: "registry.hello".to_owned(), source })?;
        let host = Host::new(talkers, THREADS)?;
        let (tell, news) = unbounded();
        let mut own: BTreeMap<&str, Vec<Arc<Meeting>>> = BTreeMap::new();
        for meeting in &gathering.meetings {
            for agent in meeting.everybody() {
                own.entry(agent.as_str()).or_default().push(Arc::clone(meeting));
            }
        }
        let mut peers = Vec::new();
        let in_rust = gathering.agents.len().saturating_sub(gathering.python);
        for (agent, seed) in gathering.agents.iter().take(in_rust) {
            let tell = tell.clone();
            // Nobody listens any more when the run is over.
            let report = Arc::new(move |news| drop(tell.unbounded_send(news)));
            let meetings = own.remove(agent.as_str()).unwrap_or_default();
            let (at_once, keeps_words) = (gathering.at_once, gathering.keeps_words);
            let peer = Bargainer::new(agent.clone(), seed, account.clone(), &meetings, at_once, keeps_words, report)?;
            peers.push(host.spawn(agent.as_str(), peer));
        }
        let mut crowd = Self { host, peers, python: None, news };
        crowd.wait(in_rust).await?;
        let in_python = gathering.agents.get(in_rust..).unwrap_or_default();
        if !in_python.is_empty() {
            let told = python::configuration(gathering, in_python, spec);
            crowd.python = Some(PythonHost::start(&told, python::translated(tell)).await?);
            crowd.wait(in_python.len()).await?;
        }
        Ok(crowd)
    }

    async fn wait(&mut self, all: usize) -> Result<(), RunError> {
        let mut ready = 0;
        let late = sleep(Duration::from_millis(GATHER_WITHIN_MS));
        let mut late = std::pin::pin!(late);
        let mut looks = interval(Duration::from_millis(LOOK_MS));
        while ready < all {
            runtime::select! {
                Some(news) = self.news.next() => match news {
                    News::Ready(more) => ready += more,
                    other => tracing::warn!(?other, "while they gather"),
                },
                _ = looks.tick() => self.check().await?,
                () = &mut late => return Err(RunError::NotReady { ready, all }),
            }
        }
        Ok(())
    }

    /// Whether the Python host is still there, where there is one.
    async fn check(&mut self) -> Result<(), RunError> {
        match &mut self.python {
            Some(python) => python.fell().await.map_or(Ok(()), Err),
            None => Ok(()),
        }
    }

    /// Lets all of them begin.
    pub fn begin(&self) {
        self.peers.iter().for_each(|peer| peer.wake(BEGIN));
    }

    /// Ends all of them; what they still report comes after.
    pub async fn stop(self) -> UnboundedReceiver<News> {
        let Self { host, python, news, .. } = self;
        let in_python = async {
            match python {
                Some(python) => python.drain(DRAIN_WITHIN_MS).await,
                None => true,
            }
        };
        if runtime::join!(host.stop(ANSWER_MS), in_python) != (true, true) {
            tracing::warn!("some agents did not end in time");
        }
        news
    }
}

/// What the log says of the meetings.
struct Count {
    open: BTreeSet<DealId>,
    /// What was put on the desk's table, not signed by all yet.
    proposed: BTreeMap<DealId, Ending>,
    endings: BTreeMap<DealId, Ending>,
    lapsed: BTreeSet<DealId>,
}

impl Count {
    /// Whether it changes what is counted.
    fn is_wanted(what: &Happening) -> bool {
        use Happening::{Accepted, Expired, Proposed, Rejected, Withdrawn};
        match what {
            Accepted { last, .. } => *last,
            Proposed { .. } | Rejected { .. } | Withdrawn { .. } | Expired => true,
            _ => false,
        }
    }

    fn happened(&mut self, event: &DealEvent) {
        if !self.open.contains(&event.deal) {
            return;
        }
        let deal = event.deal.clone();
        match &event.what {
            Happening::Proposed { .. } => {
                if let Some(Move::Propose(propose)) = said(event)
                    && let Some(agreement) = propose.agreement
                    && let Ok(ReadTerms { terms, .. }) = ReadTerms::read(&propose.terms)
                {
                    let (outcome, words) = (agreement.outcome, agreement.transcript.length);
                    self.proposed.insert(deal, Ending::Agreed { outcome, words, between: terms.parties });
                }
            }
            Happening::Accepted { last: true, .. } => {
                if let Some(ending) = self.proposed.remove(&deal) {
                    self.end(deal, ending);
                }
            }
            Happening::Rejected { .. } | Happening::Withdrawn { .. } => {
                let transcript = match said(event) {
                    Some(Move::Reject(reject)) => reject.transcript,
                    Some(Move::Withdraw(withdraw)) => withdraw.transcript,
                    _ => None,
                };
                self.end(deal, Ending::Without(transcript.map_or(0, |transcript| transcript.length)));
            }
            Happening::Expired => {
                self.open.remove(&deal);
                self.lapsed.insert(deal);
            }
            _ => {}
        }
    }

    fn end(&mut self, deal: DealId, ending: Ending) {
        self.open.remove(&deal);
        self.endings.insert(deal, ending);
    }
}

/// The move behind an event.
fn said(event: &DealEvent) -> Option<Move> {
    let cause = event.cause.as_ref()?;
    let (verb, ..) = parse_deal_move(&cause.subject).ok()?;
    Move::decode(verb, &cause.body).ok()
}

/// Runs a gathering on the bus. `port` is the onlooker's own connection, `talkers` carries all agents. Ends when all
/// meetings have ended, or after so many seconds, or when `interrupted` is ready.
///
/// # Errors
/// [`RunError`].
pub async fn run(
    port: Arc<dyn Port>,
    talkers: Arc<dyn Port>,
    gathering: &Gathering,
    spec: &Spec,
    interrupted: impl Future<Output = ()>,
) -> Result<Standing, RunError> {
    let keys = Keys::follow(port.clone()).await?;
    let from = Start::After(port.stream_state(streams::DEALS).await?.last_seq);
    let mut log = port.follow(streams::DEALS, &[subject::all_deal_logs()], from).await?;
    let mut crowd = Crowd::gather(port.as_ref(), talkers, gathering, spec).await?;
    let mut count = Count {
        open: gathering.meetings.iter().map(|meeting| meeting.deal.clone()).collect(),
        proposed: BTreeMap::new(),
        endings: BTreeMap::new(),
        lapsed: BTreeSet::new(),
    };
    let (mut refused, mut errors, mut kept) = (0_u64, Vec::new(), Vec::new());
    let began = Instant::now();
    crowd.begin();
    {
        let mut looks = interval(Duration::from_millis(LOOK_MS));
        let enough = sleep(Duration::from_secs(spec.seconds.into()));
        let mut enough = std::pin::pin!(enough);
        let mut interrupted = std::pin::pin!(interrupted);
        while !count.open.is_empty() {
            runtime::select! {
                Some(stored) = next(&mut log) => {
                    if let Some(event) = believed(&keys, &stored).await {
                        count.happened(&event);
                    }
                }
                Some(news) = crowd.news.next() => match news {
                    News::Refused(_) => refused += 1,
                    News::Kept(words) => kept.push(words),
                    News::Error(error) if errors.len() < ERRORS_TOLD => errors.push(error),
                    News::Error(_) | News::Ready(_) => {}
                },
                _ = looks.tick() => crowd.check().await?,
                () = &mut enough => break,
                () = &mut interrupted => break,
            }
        }
    }
    let took = began.elapsed();
    let mut late = crowd.stop().await;
    while let Some(Some(news)) = late.next().now_or_never() {
        kept.extend(if let News::Kept(words) = news { Some(words) } else { None });
    }
    let agreements = count.endings.values().filter(|ending| matches!(ending, Ending::Agreed { .. })).count();
    let words = |ending: &Ending| match ending {
        Ending::Agreed { words, .. } | Ending::Without(words) => u64::from(*words),
    };
    Ok(Standing {
        seed: spec.seed,
        agents: gathering.agents.len(),
        python: gathering.python,
        meetings: gathering.meetings.len(),
        agreements,
        without: count.endings.len() - agreements,
        unfinished: count.open.len() + count.lapsed.len(),
        words: count.endings.values().map(words).sum(),
        refused,
        errors,
        outcomes: outcomes(&count.endings),
        seconds: took.as_secs_f64(),
        strategies: ranked(gathering, &count.endings),
        kept,
    })
}

async fn next(log: &mut Follow) -> Option<Stored> {
    loop {
        if let Followed::Entry(stored) = log.next().await? {
            return Some(stored);
        }
    }
}

/// What counts, once it is known who wrote it.
async fn believed(keys: &Keys, stored: &Stored) -> Option<DealEvent> {
    witness::deal(keys, stored, Count::is_wanted).await.unwrap_or_else(|fault| {
        tracing::warn!(sequence = stored.sequence, %fault, "an entry of the log was skipped");
        None
    })
}
