//! Having a claim searched for a proof or a counterexample: by the bus's provers, or by one of our own.
//!
//! What comes back is not believed: it is bytes for the kernel to look at.

use std::process::Stdio;

use runtime::{
    port::{Message, Port, RequestError},
    process::{AsyncBufReadExt, AsyncWriteExt, BufReader, Command},
    time::{Duration, timeout},
};
use schemas::{
    body::{Message as _, decode, encode},
    header::{self, Headers},
    limit::MAX_CLEARING_BODY_BYTES,
    proving::{Prove, ProveReply},
    subject,
};
use serde::Deserialize;
use serde_json::json;
use swarm::run::interpreter;

use crate::{
    exit::{Exit, OrExit, Outcome, Stop},
    services::{provers::MODULE, search::PROVERS},
};

/// How long an answer may be on its way beyond the time for the search, in milliseconds.
const ON_ITS_WAY_MS: u64 = 2_000;
/// How long a prover of our own may take to start, in milliseconds.
const STARTS_WITHIN_MS: u64 = 30_000;

/// A claim to be decided.
pub struct Search<'a> {
    /// Its exact bytes.
    pub claim: &'a [u8],
    /// How long to search, in milliseconds.
    pub budget_ms: u32,
    /// What randomness is derived from.
    pub seed: u64,
}

/// What a search came to.
#[derive(Debug, Default)]
pub struct Sought {
    /// What is said to be a certificate or a counterexample.
    pub evidence: Option<Vec<u8>>,
    /// How long it took, in milliseconds, as the prover says.
    pub took_ms: f64,
    /// How it was found, as the prover says.
    pub method: Option<String>,
    /// Why nothing was found.
    pub reason: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    evidence: Option<String>,
    #[serde(default)]
    took_ms: f64,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    field: Option<String>,
    reason: String,
}

impl Search<'_> {
    /// Asks the provers of a bus; `None` where it has none.
    ///
    /// # Errors
    /// When they refuse, are silent, or the bus is gone.
    pub async fn on_bus(&self, port: &dyn Port) -> Outcome<Option<Sought>> {
        let wait_ms = u64::from(self.budget_ms).saturating_add(ON_ITS_WAY_MS);
        let ask = Prove { claims: vec![self.claim.to_vec()], budget_ms: self.budget_ms, seed: self.seed };
        let deadline_unix_ms = port.now_unix_ms().saturating_add_unsigned(wait_ms);
        let headers = Headers::of_type(Prove::TYPE).with(header::DEADLINE, deadline_unix_ms.to_string());
        let message = Message::new(subject::endpoint(PROVERS, "prove"), encode(&ask)).with_headers(headers);
        let reply = match port.request(message, wait_ms).await {
            Err(RequestError::NoResponders(_)) => return Ok(None),
            reply => reply?,
        };
        let reply: ProveReply = decode(&reply.body, MAX_CLEARING_BODY_BYTES).or_exit(Exit::NoBus)?;
        let result = reply.results.into_iter().next();
        Ok(Some(result.map_or_else(Sought::default, |result| Sought {
            evidence: result.evidence,
            took_ms: f64::from(result.took_ms),
            method: None,
            reason: result.reason,
        })))
    }

    /// Starts a prover for this claim alone.
    ///
    /// # Errors
    /// Exit code 69 when it does not start, falls, or says nothing.
    pub async fn by_own(&self) -> Outcome<Sought> {
        let python = interpreter();
        let fell = |reason: String| Stop::say(Exit::NoBus, format_args!("{} -m {MODULE}: {reason}", python.display()));
        let mut child = Command::new(&python)
            .args(["-m", MODULE, "--once"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| fell(error.to_string()))?;
        // Kept open until it has answered: where it closes, the prover ends.
        let mut stdin = child.stdin.take().ok_or_else(|| fell("it has no input".into()))?;
        let stdout = child.stdout.take().ok_or_else(|| fell("it has no output".into()))?;
        let ask = json!({
            "claim": data_encoding::HEXLOWER.encode(self.claim), "budget_ms": self.budget_ms, "seed": self.seed,
        });
        let within = Duration::from_millis(u64::from(self.budget_ms).saturating_add(STARTS_WITHIN_MS));
        let answer = async {
            stdin.write_all(format!("{ask}\n").as_bytes()).await?;
            stdin.flush().await?;
            BufReader::new(stdout).lines().next_line().await
        };
        let line = match timeout(within, answer).await {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) => {
                let status = child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
                return Err(fell(format!("it ended without an answer: {status}")));
            }
            Ok(Err(error)) => return Err(fell(error.to_string())),
            Err(_) => return Err(fell("it did not answer in time".into())),
        };
        let said: Line = serde_json::from_str(&line).map_err(|error| fell(format!("it says {line:?}: {error}")))?;
        if let Some(Fault { field, reason }) = said.error {
            return Err(fell(format!("{}: {reason}", field.unwrap_or_default())));
        }
        let evidence = said.evidence.map(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes())).transpose();
        let evidence = evidence.map_err(|error| fell(format!("evidence: {error}")))?;
        Ok(Sought { evidence, took_ms: said.took_ms, method: said.method, reason: said.reason })
    }
}
