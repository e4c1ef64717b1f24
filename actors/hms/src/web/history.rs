//! What was before the page came: the log in short, offers, markets.

use std::sync::Arc;

use futures::StreamExt;
use runtime::{
    http::{Asked, Page},
    port::{Followed, Port, ReadError, Start},
};
use schemas::{stream, subject};

use super::{digest::Draft, json_page};
use crate::command::market::declaration;

/// What a body is, for whoever fetches it.
const MSGPACK: &str = "application/vnd.msgpack";

/// `/history?after=N`: as much as one digest holds, of what happened to deals behind that place.
pub async fn of_deals(port: &Arc<dyn Port>, asked: &Asked) -> Page {
    answer(asked, |after| deals(port, after)).await
}

/// `/offers?after=N`: the offers that stand behind that place of the stream of intents.
pub async fn of_offers(port: &Arc<dyn Port>, asked: &Asked) -> Page {
    answer(asked, |after| offers(port, after)).await
}

async fn answer<F>(asked: &Asked, tell: impl FnOnce(u64) -> F) -> Page
where
    F: Future<Output = Result<schemas::digest::Digest, ReadError>>,
{
    let Some(after) = asked.parameter("after").map_or(Some(0), |after| after.parse().ok()) else {
        return Page::text(400, "after: a sequence, a whole number\n");
    };
    match tell(after).await {
        Ok(digest) => Page::found(MSGPACK, schemas::encode(&digest)),
        Err(error) => Page::text(502, format!("{error}\n")),
    }
}

async fn deals(port: &Arc<dyn Port>, after: u64) -> Result<schemas::digest::Digest, ReadError> {
    let head = port.stream_state(stream::DEALS).await?.last_seq;
    let mut draft = Draft::after(after);
    if after >= head {
        return Ok(draft.take(head));
    }
    let mut log = port.follow(stream::DEALS, &[subject::all_deal_logs()], Start::After(after)).await?;
    while let Some(followed) = log.next().await {
        match followed {
            Followed::Entry(stored) => draft.heard(&stored),
            // Notes and cursors stand behind the last event.
            Followed::CaughtUp => {
                draft.told_through(head);
                break;
            }
        }
        if draft.is_full() {
            break;
        }
    }
    Ok(draft.take(head))
}

async fn offers(port: &Arc<dyn Port>, after: u64) -> Result<schemas::digest::Digest, ReadError> {
    let head = port.stream_state(stream::MARKET).await?.last_seq;
    let mut draft = Draft::after(after);
    if after >= head {
        return Ok(draft.take(head));
    }
    let mut intents = port.follow(stream::MARKET, &[subject::all_intents_anywhere()], Start::After(after)).await?;
    while let Some(followed) = intents.next().await {
        match followed {
            Followed::Entry(stored) => {
                draft.offered(&stored);
                draft.told_through(stored.sequence);
            }
            Followed::CaughtUp => {
                draft.told_through(head);
                break;
            }
        }
        if draft.is_full() {
            break;
        }
    }
    Ok(draft.take(head))
}

/// `/markets`: every declaration that is one.
pub async fn of_markets(port: &Arc<dyn Port>) -> Page {
    match port.kv_list(stream::MARKETS).await {
        Ok(entries) => {
            let declared = entries.iter().filter_map(|entry| declaration(entry).ok());
            let markets = declared.filter_map(|market| serde_json::to_value(market).ok()).collect();
            json_page(&serde_json::Value::Array(markets))
        }
        Err(error) => Page::text(502, format!("{error}\n")),
    }
}
