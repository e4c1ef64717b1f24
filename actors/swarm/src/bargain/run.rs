//! Brings a gathering to a bus, and reads off the signed log what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::stream::StreamExt;
use runtime::journal::Keys;
use runtime::peer::{Host, PeerHandle};
use runtime::port::{Follow, Followed, Port, Start, Stored};
use runtime::time::{Duration, Instant, sleep};
use schemas::deal::Move;
use schemas::event::{DealEvent, Happening};
use schemas::registry::{Hello, Welcome};
use schemas::subject::{self, parse_deal_move};
use schemas::{DealId, stream as streams};

use super::peer::{BEGIN, Bargainer, News};
use super::standing::{Ending, Standing, outcomes, ranked};
use super::{Gathering, Meeting};
use crate::run::RunError;
use crate::voice;
use crate::witness::{self, Entry};

/// How long an answer may take, in milliseconds.
const ANSWER_MS: u64 = 10_000;
/// How long agents may take to register, in milliseconds.
const GATHER_WITHIN_MS: u64 = 60_000;
/// Threads that carry the agents.
const THREADS: usize = 2;
/// How many errors are told.
const ERRORS_TOLD: usize = 5;

/// Everybody, registered and waiting to begin.
pub struct Crowd {
    host: Host,
    peers: Vec<PeerHandle>,
    news: UnboundedReceiver<News>,
}

impl Crowd {
    /// Brings everybody to the bus and waits until all are registered. `talkers` carries all of them.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn gather(port: &dyn Port, talkers: Arc<dyn Port>, gathering: &Gathering) -> Result<Self, RunError> {
        let hello = voice::plain(subject::endpoint("registry", "hello"), &Hello {});
        let Welcome { account, .. } = voice::ask(port, hello, ANSWER_MS)
            .await
            .map_err(|source| RunError::Ask { what: "registry.hello".to_owned(), source })?;
        let host = Host::new(talkers, THREADS)?;
        let (tell, news) = unbounded();
        let mut own: BTreeMap<&str, Vec<Arc<Meeting>>> = BTreeMap::new();
        for meeting in &gathering.meetings {
            for seat in &meeting.seats {
                own.entry(seat.agent.as_str()).or_default().push(Arc::clone(meeting));
            }
        }
        let mut peers = Vec::new();
        for (agent, seed) in &gathering.agents {
            let tell = tell.clone();
            // Nobody listens any more when the run is over.
            let report = Arc::new(move |news| drop(tell.unbounded_send(news)));
            let meetings = own.remove(agent.as_str()).unwrap_or_default();
            let peer = Bargainer::new(agent.clone(), seed, account.clone(), &meetings, gathering.at_once, report)?;
            peers.push(host.spawn(agent.as_str(), peer));
        }
        let mut crowd = Self { host, peers, news };
        crowd.wait(gathering.agents.len()).await?;
        Ok(crowd)
    }

    async fn wait(&mut self, all: usize) -> Result<(), RunError> {
        let mut ready = 0;
        let late = sleep(Duration::from_millis(GATHER_WITHIN_MS));
        let mut late = std::pin::pin!(late);
        while ready < all {
            runtime::select! {
                Some(news) = self.news.next() => match news {
                    News::Ready => ready += 1,
                    other => tracing::warn!(?other, "while they gather"),
                },
                () = &mut late => return Err(RunError::NotReady { ready, all }),
            }
        }
        Ok(())
    }

    /// Lets all of them begin.
    pub fn begin(&self) {
        self.peers.iter().for_each(|peer| peer.wake(BEGIN));
    }

    /// Ends all of them.
    pub async fn stop(self) {
        if !self.host.stop(ANSWER_MS).await {
            tracing::warn!("some agents did not end in time");
        }
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
    fn happened(&mut self, event: &DealEvent) {
        if !self.open.contains(&event.deal) {
            return;
        }
        let deal = event.deal.clone();
        match &event.what {
            Happening::Proposed { .. } => {
                if let Some(Move::Propose(propose)) = said(event)
                    && let Some(agreement) = propose.agreement
                {
                    let ending = Ending::Agreed(agreement.outcome, agreement.transcript.length);
                    self.proposed.insert(deal, ending);
                }
            }
            Happening::Accepted { last: true, .. } => {
                if let Some(ending) = self.proposed.remove(&deal) {
                    self.end(deal, ending);
                }
            }
            Happening::Rejected { .. } => {
                let words = match said(event) {
                    Some(Move::Reject(reject)) => reject.transcript.map_or(0, |transcript| transcript.length),
                    _ => 0,
                };
                self.end(deal, Ending::Without(words));
            }
            Happening::Expired | Happening::Withdrawn { .. } => {
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
    seed: u64,
    seconds: u32,
    interrupted: impl Future<Output = ()>,
) -> Result<Standing, RunError> {
    let keys = Keys::follow(port.clone()).await?;
    let from = Start::After(port.stream_state(streams::DEALS).await?.last_seq);
    let mut log = port.follow(streams::DEALS, &[subject::all_deal_logs()], from).await?;
    let mut crowd = Crowd::gather(port.as_ref(), talkers, gathering).await?;
    let mut count = Count {
        open: gathering.meetings.iter().map(|meeting| meeting.deal.clone()).collect(),
        proposed: BTreeMap::new(),
        endings: BTreeMap::new(),
        lapsed: BTreeSet::new(),
    };
    let (mut refused, mut errors) = (0_u64, Vec::new());
    let began = Instant::now();
    crowd.begin();
    {
        let enough = sleep(Duration::from_secs(seconds.into()));
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
                    News::Error(error) if errors.len() < ERRORS_TOLD => errors.push(error),
                    News::Error(_) | News::Ready => {}
                },
                () = &mut enough => break,
                () = &mut interrupted => break,
            }
        }
    }
    let took = began.elapsed();
    crowd.stop().await;
    let agreements = count.endings.values().filter(|ending| matches!(ending, Ending::Agreed(..))).count();
    let words = |ending: &Ending| match ending {
        Ending::Agreed(_, words) | Ending::Without(words) => u64::from(*words),
    };
    Ok(Standing {
        seed,
        agents: gathering.agents.len(),
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
    })
}

async fn next(log: &mut Follow) -> Option<Stored> {
    loop {
        if let Followed::Entry(stored) = log.next().await? {
            return Some(stored);
        }
    }
}

async fn believed(keys: &Keys, stored: &Stored) -> Option<DealEvent> {
    match witness::entry(keys, stored).await {
        Ok(Entry::Deal(event)) => Some(*event),
        Ok(Entry::Limit(_)) => None,
        Err(fault) => {
            tracing::warn!(sequence = stored.sequence, %fault, "an entry of the log was skipped");
            None
        }
    }
}
