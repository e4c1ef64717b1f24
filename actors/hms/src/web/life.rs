//! One deal, event by event: `/deals/ID`. The words are those of `hms watch`, the verdict that of `hms deal verify`.

use std::sync::Arc;

use deal::Entry;
use runtime::{http::Page, port::Port};
use schemas::{DealId, body::to_json, keyring::LogRecord, limit::MAX_CLEARING_BODY_BYTES, stream, subject};
use serde_json::{Value, json};

use super::json_page;
use crate::{
    command::{deal::verdict_as_json, market::declaration},
    evidence::Evidence,
    exit::Outcome,
    story::{Heard, Story},
    writers::Writers,
};

/// The page of a deal.
pub async fn of(port: &Arc<dyn Port>, deal: &str) -> Page {
    let Ok(id) = deal.parse::<DealId>() else {
        return Page::text(400, "a deal's id is 26 characters a-z and 2-7\n");
    };
    match life(port, &id).await {
        Ok(Some(life)) => json_page(&life),
        Ok(None) => Page::text(404, "there is no such deal on this bus\n"),
        Err(stop) => Page::text(502, stop.error.map_or_else(String::new, |error| format!("{error:#}\n"))),
    }
}

async fn life(port: &Arc<dyn Port>, id: &DealId) -> Outcome<Option<Value>> {
    let evidence = Evidence::collect(port.as_ref(), id).await?;
    let Some(records) = evidence.deals.get(id) else { return Ok(None) };
    let writers = Writers::of(port.as_ref()).await?;
    let mut story = Story::of(None);
    for entry in port.kv_list(stream::MARKETS).await? {
        if let Ok(market) = declaration(&entry) {
            story.learn(market);
        }
    }
    let events: Vec<Value> = records.iter().map(|record| event(record, &writers, &mut story)).collect();
    Ok(Some(json!({ "deal": id, "verdict": verdict_as_json(id, &evidence.verify(id)), "events": events })))
}

/// An entry: what it says in words, and as it stands there; or why it counts for nothing.
fn event(record: &LogRecord, writers: &Writers, story: &mut Story) -> Value {
    let body = to_json(&record.body, MAX_CLEARING_BODY_BYTES)
        .unwrap_or_else(|_| data_encoding::HEXLOWER.encode(&record.body).into());
    let mut told = json!({ "sequence": record.sequence, "bytes": record.body.len(), "body": body });
    let more = match writers.read(record) {
        Ok(Entry { event, .. }) => {
            let heard = Heard {
                subject: subject::deal_log(&event.deal),
                body: record.body.clone(),
                at_unix_ms: event.at_unix_ms,
                sequence: Some(record.sequence),
            };
            let line = story.tell(&heard);
            json!({
                "turn": event.turn,
                "at_unix_ms": event.at_unix_ms,
                "event": event.what.name(),
                "state": event.what.state(),
                "by": line.as_ref().and_then(|line| line.by.clone()),
                "text": line.as_ref().map(|line| line.text.clone()),
                "mood": line.as_ref().map(|line| line.mood.as_str()),
            })
        }
        Err(fault) => json!({ "fault": fault.to_string() }),
    };
    if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
        told.extend(more);
    }
    told
}
