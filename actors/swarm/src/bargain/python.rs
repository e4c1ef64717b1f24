//! What a host process in Python is told of a gathering, and what it reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use futures::stream::StreamExt;
use negotiation::Utility;
use runtime::task;
use schemas::AgentId;
use serde_json::{Value, json};

use super::peer::News;
use super::run::Spec;
use super::standing::Kept;
use super::{Gathering, Meeting, Protocol, Seat};
use crate::news;
use crate::run::hosts;

/// What the host is told: its agents, and every meeting in which one of them has a seat, or which it mediates.
pub(super) fn configuration(gathering: &Gathering, agents: &[(AgentId, String)], spec: &Spec) -> Value {
    let carried: BTreeMap<&AgentId, &String> = agents.iter().map(|(agent, seed)| (agent, seed)).collect();
    let told = gathering.meetings.iter().filter_map(|meeting| told(meeting, &carried));
    let agents = agents.iter().map(|(agent, seed)| json!({ "id": agent, "seed": seed }));
    let carries = json!({
        "agents": agents.collect::<Vec<Value>>(), "meetings": told.collect::<Vec<Value>>(), "at_once": gathering.at_once,
        "keeps_words": gathering.keeps_words,
    });
    hosts::configuration("hms-bargainers", &spec.servers, spec.context.as_deref(), ("bargain", carries))
}

/// What is told of a meeting; nothing where it is none of the host's.
fn told(meeting: &Arc<Meeting>, carried: &BTreeMap<&AgentId, &String>) -> Option<Value> {
    let own: Vec<Value> =
        meeting.seats.iter().filter(|seat| carried.contains_key(&seat.agent)).filter_map(seat).collect();
    let is_opened_here = meeting.opener().is_some_and(|opener| carried.contains_key(opener));
    (is_opened_here || !own.is_empty()).then(|| {
        let order: Vec<&AgentId> = meeting.seats.iter().map(|seat| &seat.agent).collect();
        json!({
            "protocol": protocol(meeting), "move_id": meeting.move_id, "book": meeting.book, "domain": meeting.domain, "order": order,
            "rounds": meeting.rounds, "within_ms": meeting.within_ms, "seats": own,
        })
    })
}

/// By which protocol it is held, and what that takes.
fn protocol(meeting: &Meeting) -> Value {
    let profile = meeting.profile();
    match &meeting.protocol {
        Protocol::Alternating => json!({ "type": profile }),
        Protocol::ContractNet { score } => json!({ "type": profile, "score": score }),
        Protocol::Iterated { score, least_gain, keep } => {
            json!({ "type": profile, "score": score, "least_gain": least_gain, "keep": keep })
        }
        Protocol::SingleText { mediator, seed } => json!({ "type": profile, "mediator": mediator, "seed": seed }),
    }
}

/// Whoever sits there; nothing where its wishes are a function, which cannot be told.
fn seat(seat: &Seat) -> Option<Value> {
    let (additive, rectangles) = match &seat.preferences.utility {
        Utility::Additive(issues) => (Some(json!(issues)), None),
        Utility::Rectangles(rectangles) => {
            let told = rectangles.iter().map(|one| json!({ "from": one.from, "to": one.to, "adds_ppm": one.adds_ppm }));
            (None, Some(told.collect::<Vec<Value>>()))
        }
        Utility::Function(_) => return None,
    };
    Some(json!({
        "agent": seat.agent, "additive": additive, "rectangles": rectangles,
        "reserved_ppm": seat.preferences.reserved_ppm, "manner": seat.manner, "seed": seat.seed,
    }))
}

/// A channel for what the host reports, which hands on what matters here.
pub(super) fn translated(tell: UnboundedSender<News>) -> UnboundedSender<news::News> {
    let (reports, mut heard) = unbounded();
    task::spawn(async move {
        while let Some(report) = heard.next().await {
            let said = match report {
                news::News::Ready { agents } => News::Ready(agents),
                news::News::Words { agent, deal, words } => {
                    let words = words.iter().map(|word| HEXLOWER.decode(word.as_bytes())).collect::<Result<_, _>>();
                    match words {
                        Ok(words) => News::Kept(Kept { deal, agent, words }),
                        Err(error) => News::Error(format!("{agent}: its words of {deal}: {error}")),
                    }
                }
                news::News::Error { agent, what, message } => {
                    let who = agent.map_or_else(|| "Python".to_owned(), |agent| agent.to_string());
                    News::Error(format!("{who}: {what}: {message}"))
                }
                _ => continue,
            };
            // Nobody listens any more when the run is over.
            drop(tell.unbounded_send(said));
        }
    });
    reports
}
