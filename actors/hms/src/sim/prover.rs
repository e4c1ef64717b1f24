//! A prover on the simulated bus: it writes down what the bounds of a claim prove, and is now and then silent or lies.

use std::sync::Arc;

use futures::StreamExt;
use runtime::{
    dice::{Dice, number_of},
    memory::weather::Weather,
    port::{Message, Port},
};
use schemas::{
    Hash,
    body::{Message as _, decode, encode},
    claim::Claim,
    header::Headers,
    limit::MAX_CLEARING_BODY_BYTES,
    proving::{Prove, ProveReply, SearchResult, SearchVerdict},
    subject,
};

use crate::services::search::PROVERS;

/// How often it says nothing, and how often it lies, in parts per million.
const SILENT_PPM: u64 = 100_000;
const LIES_PPM: u64 = 100_000;

/// Starts it.
///
/// # Errors
/// When it can't listen.
pub async fn start(weather: &Weather, seed: u64) -> anyhow::Result<()> {
    let port: Arc<dyn Port> = Arc::new(weather.expose(weather.process("prover", false)));
    let mut asked = port.subscribe(&subject::endpoint(PROVERS, "prove"), Some(PROVERS)).await?;
    runtime::spawn(async move {
        let mut dice = Dice::of(&[seed, number_of("prover")]);
        while let Some(message) = asked.next().await {
            let (Ok(ask), Some(reply)) = (decode::<Prove>(&message.body, MAX_CLEARING_BODY_BYTES), message.reply)
            else {
                continue;
            };
            if dice.happens(SILENT_PPM) {
                continue;
            }
            let lies = dice.happens(LIES_PPM);
            let results = ask.claims.iter().map(|claim| result(claim, lies)).collect();
            let answer = Message::new(reply, encode(&ProveReply { results }));
            // Whoever asked asks again.
            let _ = port.publish(answer.with_headers(Headers::of_type(ProveReply::TYPE))).await;
        }
    });
    Ok(())
}

fn result(bytes: &[u8], lies: bool) -> SearchResult {
    let claim_hash = Hash::of(bytes);
    let claim = decode::<Claim>(bytes, MAX_CLEARING_BODY_BYTES).ok();
    let certificate = claim.and_then(|claim| terms::claims::certificate_by_bounds(&claim, claim_hash));
    let evidence = if lies { Some(vec![0x80]) } else { certificate.map(|certificate| encode(&certificate)) };
    let verdict = if evidence.is_some() { SearchVerdict::Proved } else { SearchVerdict::Unknown };
    SearchResult { claim_hash, verdict, evidence, took_ms: 1, reason: None }
}
