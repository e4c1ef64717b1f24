//! Watching a run: what the logs, the stream of intents, the maker and the agents say, heard and counted.

use std::sync::Arc;

use futures::channel::mpsc::UnboundedReceiver;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, FuturesUnordered, StreamExt};
use runtime::journal::Keys;
use runtime::port::{Followed, Message, Port, Start, Stored};
use schemas::body;
use schemas::clearing::Clearing;
use schemas::limit::MAX_CLEARING_BODY_BYTES;
use schemas::market::IntentWithdrawn;
use schemas::value::{ValueReply, ValueRequest};
use schemas::{DealId, MarketId, Message as _, decode, stream as streams, subject};

use super::export::Export;
use super::tally::Tally;
use super::{ANSWER_MS, RunError, ask};
use crate::maker::SERVICE as MAKER;
use crate::news::News;
use crate::witness::{self, Entry};

/// One thing that happened on the bus or was reported.
pub(super) enum Heard {
    Log(Stored),
    Intent(Stored),
    Clearing(Message),
    News(News),
    /// What a deal is worth to its parties.
    Valued(Result<(DealId, ValueReply), RunError>),
}

/// The watch over one market.
pub(super) struct Watch {
    port: Arc<dyn Port>,
    keys: Keys,
    heard: BoxStream<'static, Heard>,
    asking: FuturesUnordered<BoxFuture<'static, Result<(DealId, ValueReply), RunError>>>,
    /// The count.
    pub(super) tally: Tally,
    /// Where everything is written down, if anywhere.
    pub(super) export: Option<Export>,
    /// When it began, in Unix milliseconds.
    pub(super) began_unix_ms: i64,
    /// When something was heard last that could lead to more, in Unix milliseconds.
    pub(super) heard_unix_ms: i64,
}

impl Watch {
    /// Begins to watch a market, from now on.
    pub(super) async fn begin(
        port: Arc<dyn Port>,
        market: &MarketId,
        reports: UnboundedReceiver<News>,
        export: Option<Export>,
    ) -> Result<Self, RunError> {
        let keys = Keys::follow(port.clone()).await?;
        let from_now = |last| Start::After(last);
        let deals = from_now(port.stream_state(streams::DEALS).await?.last_seq);
        let intents = from_now(port.stream_state(streams::MARKET).await?.last_seq);
        let entries = |item| async move {
            match item {
                Followed::Entry(stored) => Some(stored),
                Followed::CaughtUp => None,
            }
        };
        let logs = port.follow(streams::DEALS, &[subject::all_deal_logs()], deals).await?;
        let intents = port.follow(streams::MARKET, &[subject::all_intents(market)], intents).await?;
        let clearings = port.subscribe(&subject::clearing_topic(market), None).await?;
        let sources: [BoxStream<'static, Heard>; 4] = [
            logs.filter_map(entries).map(Heard::Log).boxed(),
            intents.filter_map(entries).map(Heard::Intent).boxed(),
            clearings.map(Heard::Clearing).boxed(),
            reports.map(Heard::News).boxed(),
        ];
        let began_unix_ms = port.now_unix_ms();
        Ok(Self {
            keys,
            heard: stream::select_all(sources).boxed(),
            asking: FuturesUnordered::new(),
            tally: Tally::new(market.clone()),
            export,
            began_unix_ms,
            heard_unix_ms: began_unix_ms,
            port,
        })
    }

    pub(super) fn now_unix_ms(&self) -> i64 {
        self.port.now_unix_ms()
    }

    pub(super) fn port(&self) -> &dyn Port {
        self.port.as_ref()
    }

    /// Waits for the next thing. Nothing is lost where the wait is given up.
    pub(super) async fn next(&mut self) -> Heard {
        runtime::select! {
            Some(heard) = self.heard.next() => heard,
            Some(valued) = self.asking.next() => Heard::Valued(valued),
            // All that is followed is followed without end.
            else => std::future::pending().await,
        }
    }

    /// Whether a question is still under way.
    pub(super) fn is_asking(&self) -> bool {
        !self.asking.is_empty()
    }

    /// Counts what was heard.
    pub(super) async fn count(&mut self, heard: Heard) -> Result<(), RunError> {
        if !matches!(heard, Heard::News(_)) {
            self.heard_unix_ms = self.now_unix_ms();
        }
        match heard {
            Heard::News(news) => self.tally.reported(news),
            Heard::Valued(valued) => {
                let (deal, worth) = valued?;
                self.tally.valued(&deal, worth);
            }
            Heard::Log(stored) => match witness::entry(&self.keys, &stored).await {
                Ok(Entry::Deal(event)) => {
                    if let Some(question) = self.tally.happened(&event) {
                        self.value(event.deal.clone(), question);
                    }
                }
                Ok(Entry::Limit(_)) => {}
                Err(fault) => {
                    tracing::warn!(sequence = stored.sequence, subject = stored.subject, %fault, "an entry of the log was skipped");
                }
            },
            Heard::Intent(stored) => {
                let kind = body::type_of(&stored.body, MAX_CLEARING_BODY_BYTES);
                self.tally.intents += u64::from(!stored.body.is_empty() && kind != Ok(IntentWithdrawn::TYPE));
                if let Some(export) = &mut self.export {
                    export.intent(&stored)?;
                }
            }
            Heard::Clearing(message) => {
                if let Err(refused) = witness::said_by(&self.keys, MAKER, &message).await {
                    tracing::warn!(%refused, "a clearing that the maker did not sign was skipped");
                    return Ok(());
                }
                let Ok(clearing) = decode::<Clearing>(&message.body, MAX_CLEARING_BODY_BYTES) else { return Ok(()) };
                self.tally.rounds.told(&clearing);
                if let Some(export) = &mut self.export {
                    export.clearing(&message.body)?;
                }
            }
        }
        Ok(())
    }

    /// Asks what a deal is worth to its parties.
    fn value(&mut self, deal: DealId, question: ValueRequest) {
        let port = self.port.clone();
        self.asking.push(Box::pin(async move {
            let worth = ask(port.as_ref(), ("trade_balance", "value"), &question, ANSWER_MS).await?;
            Ok((deal, worth))
        }));
    }
}
