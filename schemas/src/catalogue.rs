//! Every message of the contract by its `type`: what a tool needs that meets a body and knows no more.
//!
//! `hms call` writes a body from JSON with it, the generator derives the JSON Schemas and the Python
//! types, and the tests run the vectors. A message that is missing here fails a test.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use crate::body::{self, DecodeError, Message, Refused};
use crate::limit::MAX_CLEARING_BODY_BYTES;

/// One message of the contract.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its `type`.
    pub kind: &'static str,
    /// Its name in Rust and in Python.
    pub name: fn() -> &'static str,
    /// Reads a body strictly and writes it again.
    ///
    /// # Errors
    /// See [`body::decode`].
    pub rewrite: fn(&[u8]) -> Result<Vec<u8>, DecodeError>,
    /// Reads a body strictly and shows it as the JSON that the JSON Schemas describe: byte strings in
    /// lowercase hexadecimal.
    ///
    /// # Errors
    /// See [`body::decode`].
    pub to_json: fn(&[u8]) -> Result<Value, DecodeError>,
    /// Writes the body that such JSON describes.
    ///
    /// # Errors
    /// The field at fault.
    pub from_json: fn(&Value) -> Result<Vec<u8>, DecodeError>,
    /// Adds the message to the generator's definitions, and refers to it.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

/// The message of this `type`, if the contract knows one.
#[must_use]
pub fn find(kind: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.kind == kind)
}

const fn entry<T: Message + JsonSchema>() -> Entry {
    Entry {
        kind: T::TYPE,
        name: || std::any::type_name::<T>().rsplit("::").next().unwrap_or_default(),
        rewrite: |bytes| body::decode::<T>(bytes, MAX_CLEARING_BODY_BYTES).map(|message| body::encode(&message)),
        to_json: |bytes| {
            let message = body::decode::<T>(bytes, MAX_CLEARING_BODY_BYTES)?;
            serde_json::to_value(&message).map_err(|error| Refused::new("", error.to_string()).into())
        },
        from_json: |value| {
            let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
            if kind != T::TYPE {
                return Err(DecodeError::NotUnderstood { expected: T::TYPE.into(), got: kind.into() });
            }
            body::from_json::<T>(value).map(|message| body::encode(&message))
        },
        schema: |generator| generator.subschema_for::<T>(),
    }
}

macro_rules! catalogue {
    ($($module:ident: $($name:ident),+;)+) => {
        /// Every message, module by module.
        pub const ALL: &[Entry] = &[$($(entry::<crate::$module::$name>(),)+)+];
    };
}

catalogue! {
    error: ErrorReply;
    deal: Terms, Open, Propose, Counter, Accept, Reject, Withdraw, Confirm, Moved, Show, Shown;
    negotiation: Alternating, ContractNet, IteratedContractNet, SingleText;
    talk: TalkOffer, TalkAccept, TalkEnd, TalkCall, TalkBid, TalkDecline, TalkAward, TalkRevise, TalkText, TalkVote, TalkResult;
    event: DealEvent, DealNote;
    digest: Digest;
    value: ValueRequest, ValueReply, AnalyzeRequest, AnalyzeReply;
    division: Divide, Divided;
    trade: PathRequest, PathReply, CertificateMarket, CertificatePrice, ReturnRequest, ReturnReply;
    market: Market, Intent, IntentWithdrawn, ShowMarket, Why, Because;
    clearing: Clear, Cleared, Clearing;
    netting: Net, Netted;
    network: AnalyzeNetwork, NetworkAnalyzed;
    roadmap: PlanRoadmap, Roadmap;
    claim: Claim;
    certificate: Certificate, Counterexample;
    proving: CheckProof, ProofChecked, Prove, Refute, ProveReply, SearchProgress, ProverStatus, ProverStanding;
    evolution: Evolve, Evolved, EvolutionProgress, ShowResult, Epoch, EpochDone, Checkpoint;
    import: Enact, Revoke, Recorded, CertificateEvent, CertificatesRequest, Lots;
    ledger: Declare, Declared, LimitEvent, Cursor, BalanceRequest, Balances, TradeBalanceRequest, TradeBalanceReply;
    task: SubmitJob, AddTasks, BidTask, DeclineTask, ReportProgress, DeliverTask, JudgeTask, AnswerGate, CancelJob;
    job: TaskMoved, ShowJob, JobShown, TaskEvent, TaskNote, TaskCall, Reputation;
    registry: Hello, Welcome, Register, Registered, Leave, Done, AgentRecord, Find, Found, KeyEvent, Send,
        DirectMessage, ReadInbox, InboxPage;
    snapshot: SnapshotPointer, SnapshotChunk;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_the_crate_is_listed_once() {
        let mut declared = Vec::new();
        let mut paths = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        while let Some(path) = paths.pop() {
            if path.is_dir() {
                paths.extend(std::fs::read_dir(path).unwrap().map(|file| file.unwrap().path()));
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            for line in text.lines().filter_map(|line| line.trim().strip_prefix("crate::message!(")) {
                declared.extend(line.split('"').nth(1).map(str::to_owned));
            }
        }
        let mut listed: Vec<_> = ALL.iter().map(|entry| entry.kind.to_owned()).collect();
        declared.sort();
        listed.sort();
        assert!(listed.len() > 40);
        assert_eq!(listed, declared);
    }
}
