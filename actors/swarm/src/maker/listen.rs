//! What the maker hears: declarations, intents, and what happened to deals and limits, as one stream.

use futures::stream::{self, BoxStream, StreamExt};
use runtime::port::{Followed, KvEvent, Port, ReadError, Start, Stored};
use schemas::{stream as streams, subject};

/// One thing heard.
pub(super) enum Input {
    /// A market was declared, or its declaration went.
    Market(KvEvent),
    /// Something stands on an agent's subject in a market.
    Intent(Stored),
    /// An entry of a deal's log, or of a log of limits.
    Log(Stored),
    /// All that was there when listening began has been heard, on one of the three.
    CaughtUp,
}

/// How many streams [`everything`] listens to: so many times it says that it has caught up.
pub(super) const SOURCES: usize = 3;

pub(super) type Inputs = BoxStream<'static, Input>;

pub(super) async fn everything(port: &dyn Port) -> Result<Inputs, ReadError> {
    let logs = [subject::all_deal_logs(), subject::all_limit_logs()];
    let markets = port.kv_watch(streams::MARKETS).await?.map(|event| match event {
        KvEvent::CaughtUp => Input::CaughtUp,
        event => Input::Market(event),
    });
    let intents = port.follow(streams::MARKET, &[], Start::LastPerSubject).await?.map(|item| match item {
        Followed::CaughtUp => Input::CaughtUp,
        Followed::Entry(stored) => Input::Intent(stored),
    });
    let logs = port.follow(streams::DEALS, &logs, Start::All).await?.map(|item| match item {
        Followed::CaughtUp => Input::CaughtUp,
        Followed::Entry(stored) => Input::Log(stored),
    });
    Ok(stream::select(stream::select(markets, intents), logs).boxed())
}
