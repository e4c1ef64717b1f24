//! Streams and buckets, as data: what `hms provision` makes, and what `nats stream add --config`
//! takes from the generated files.
//!
//! Subjects bind exact token counts, so that a stream never captures more than is meant: a stream
//! that captured a request would answer the requester with its own acknowledgement.

use serde_json::{Value, json};

use crate::limit::MAX_LEASE_MS;
use crate::subject::{self, ROOT};

/// The log of deals, keys, limits and ledger cursors, and the notes that go with them.
pub const DEALS: &str = "HMS_DEALS";
/// Everything that was ever in [`DEALS`], under the same sequences, where [`DEALS`] is cut.
pub const ARCHIVE: &str = "HMS_ARCHIVE";
/// The tokens of offices: whoever is handed one holds the office.
pub const OFFICES: &str = "HMS_OFFICES";
/// What happened to jobs of tasks, and the notes that go with it.
pub const TASKS: &str = "HMS_TASKS";
/// The agents' durable inboxes.
pub const INBOX: &str = "HMS_INBOX";
/// The last intent of each agent in each market.
pub const MARKET: &str = "HMS_MARKET";
/// Deadlines, as message schedules.
pub const TIMERS: &str = "HMS_TIMERS";
/// The checkpoints of searches that are spread over islands.
pub const ISLANDS: &str = "HMS_ISLANDS";
/// Snapshots of cores' states.
pub const SNAPSHOTS: &str = "HMS_SNAPSHOTS";
/// What consumers gave up on.
pub const DLQ: &str = "HMS_DLQ";
/// Who is here.
pub const AGENTS: &str = "HMS_AGENTS";
/// Declarations of markets.
pub const MARKETS: &str = "HMS_MARKETS";

/// Proofs that were found, by the hash of their claim.
pub const PROOFS: &str = "HMS_PROOFS";
/// Results of jobs, an object store.
pub const RESULTS: &str = "HMS_RESULTS";

/// How agents kept their promises in jobs.
pub const REPUTATION: &str = "HMS_REPUTATION";

/// The durable consumer of the deals' fired timers.
pub const TIMER_CONSUMER: &str = "desk";
/// The durable consumer of the jobs' fired timers.
pub const TASK_TIMER_CONSUMER: &str = "mac";

/// Nanoseconds in a millisecond: stream configurations count in nanoseconds.
const NS_PER_MS: i64 = 1_000_000;
/// How long checkpoints are kept, in milliseconds: a search is taken up again soon or not at all.
const CHECKPOINT_LIFE_MS: i64 = 24 * 60 * 60 * 1000;
/// How long results are kept, in milliseconds.
const RESULT_LIFE_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// How long a `Nats-Msg-Id` is remembered, in milliseconds.
const DEDUP_MS: i64 = 120_000;

/// How long a proof is kept, in milliseconds: a week.
const PROOFS_STAY_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// In a log's metadata: the sequence before which it may be cut off, its archive having all that is before.
pub const HORIZON: &str = "hms_horizon";

/// The archive of a log that can be cut.
#[must_use]
pub fn archive_of(stream: &str) -> Option<&'static str> {
    (stream == DEALS).then_some(ARCHIVE)
}

/// The archive of the log of deals, as JetStream's own JSON. It takes the log from its beginning, and gives each entry the
/// sequence that it has there: the log has no gaps, so neither has its copy.
#[must_use]
pub fn archive(replicas: u8) -> Value {
    json!({
        "name": ARCHIVE, "retention": "limits", "storage": "file", "discard": "new", "num_replicas": replicas,
        "max_age": 0, "max_bytes": -1, "max_msgs": -1, "max_msgs_per_subject": -1, "max_msg_size": -1,
        "max_consumers": -1, "allow_direct": true, "allow_rollup_hdrs": false, "deny_delete": true, "deny_purge": true,
        "compression": "s2", "first_seq": 1,
        "description": "Everything that was ever in HMS_DEALS, under the same sequences",
        "sources": [{ "name": DEALS, "opt_start_seq": 1 }],
    })
}

/// JSON with more in it, or something else in place of what it has.
fn with(mut stream: Value, more: Value) -> Value {
    if let (Some(stream), Value::Object(more)) = (stream.as_object_mut(), more) {
        stream.extend(more);
    }
    stream
}

fn live(source: &str) -> Value {
    json!({ "src": source, "dest": source.replacen(ROOT, &format!("{ROOT}.live"), 1) })
}

/// Every stream, as JetStream's own JSON. Streams that others source from stand first.
#[must_use]
pub fn streams(replicas: u8) -> Vec<Value> {
    let base = |name: &str, subjects: Value| {
        json!({
            "name": name, "subjects": subjects, "retention": "limits", "storage": "file",
            "discard": "old", "num_replicas": replicas, "max_age": 0, "max_bytes": -1, "max_msgs": -1,
            "max_msgs_per_subject": -1, "max_msg_size": -1, "max_consumers": -1,
            "duplicate_window": DEDUP_MS * NS_PER_MS, "allow_direct": true,
        })
    };
    vec![
        with(
            base(
                DEALS,
                json!([
                    format!("{ROOT}.log.deal.*"),
                    format!("{ROOT}.log.ledger.*"),
                    format!("{ROOT}.log.limit.*.*"),
                    format!("{ROOT}.log.certificate.*"),
                    format!("{ROOT}.log.key.*"),
                    format!("{ROOT}.note.*"),
                ]),
            ),
            json!({
                "description": "What happened: deals, keys, limits, the ledger's cursors, and the notes that tell of it",
                "discard": "new", "deny_delete": true, "deny_purge": true, "allow_rollup_hdrs": false,
                "allow_atomic": true, "republish": live(&format!("{ROOT}.log.>")),
            }),
        ),
        with(
            base(
                TASKS,
                json!([format!("{ROOT}.log.task.*"), format!("{ROOT}.log.call.*"), format!("{ROOT}.note.task.*"),]),
            ),
            json!({
                "description": "What happened to jobs and their tasks, the calls for bids, and the notes that tell of it",
                "discard": "new", "deny_delete": true, "deny_purge": true, "allow_rollup_hdrs": false,
                "allow_atomic": true, "republish": live(&format!("{ROOT}.log.>")),
            }),
        ),
        with(
            base(INBOX, json!([format!("{ROOT}.inbox.*")])),
            json!({
                "description": "The agents' durable inboxes: their notes, and messages from each other",
                "deny_delete": true,
                "sources": [{
                    "name": DEALS,
                    "subject_transforms": [{ "src": format!("{ROOT}.note.*"), "dest": format!("{ROOT}.inbox.{{{{wildcard(1)}}}}") }],
                }, {
                    "name": TASKS,
                    "subject_transforms": [{ "src": format!("{ROOT}.note.task.*"), "dest": format!("{ROOT}.inbox.{{{{wildcard(1)}}}}") }],
                }],
                "republish": live(&format!("{ROOT}.inbox.>")),
            }),
        ),
        with(
            base(MARKET, json!([format!("{ROOT}.market.*.*")])),
            json!({
                "description": "The last intent of each agent in each market",
                "max_msgs_per_subject": 1, "allow_msg_ttl": true, "allow_rollup_hdrs": false,
                "republish": live(&format!("{ROOT}.market.>")),
            }),
        ),
        with(
            base(
                TIMERS,
                json!([
                    format!("{ROOT}.timer.*"),
                    format!("{ROOT}.timer.due.*"),
                    format!("{ROOT}.timer.task.*"),
                    format!("{ROOT}.timer.due.task.*"),
                ]),
            ),
            json!({
                "description": "Deadlines of deals and of jobs, as message schedules",
                "allow_msg_schedules": true, "allow_rollup_hdrs": true, "allow_msg_ttl": true,
            }),
        ),
        with(
            base(ISLANDS, json!([format!("{ROOT}.log.island.*.*")])),
            json!({
                "description": "Checkpoints of searches that are spread over islands",
                "max_age": CHECKPOINT_LIFE_MS * NS_PER_MS, "allow_rollup_hdrs": false,
            }),
        ),
        with(
            base(OFFICES, json!([format!("{ROOT}.office.*")])),
            json!({
                "description": "The tokens of offices: whoever is handed one holds the office",
                "max_msgs_per_subject": 1, "deny_delete": true, "deny_purge": true, "allow_rollup_hdrs": false,
            }),
        ),
        with(
            base(SNAPSHOTS, json!([format!("{ROOT}.snapshot.*"), format!("{ROOT}.snapshot.*.*.*")])),
            json!({
                "description": "Snapshots of cores' states, so that a restart reads only what was written since",
                "max_msgs_per_subject": 1, "allow_rollup_hdrs": false,
            }),
        ),
        with(
            base(DLQ, json!([subject::all_dead_letters()])),
            json!({ "description": "What consumers gave up on, with the reason" }),
        ),
    ]
}

/// The stream behind a bucket of keys.
#[must_use]
pub fn of_bucket(bucket: &str) -> String {
    format!("KV_{bucket}")
}

/// Every bucket, as the JSON of the stream behind it.
#[must_use]
pub fn buckets(replicas: u8) -> Vec<Value> {
    let bucket = |name: &str, description: &str| {
        json!({
            "name": of_bucket(name), "description": description, "subjects": [format!("$KV.{name}.>")],
            "retention": "limits", "storage": "file", "discard": "new", "num_replicas": replicas,
            "max_age": 0, "max_bytes": -1, "max_msgs": -1, "max_msgs_per_subject": 1, "max_msg_size": -1,
            "max_consumers": -1, "duplicate_window": DEDUP_MS * NS_PER_MS, "allow_direct": true,
            "allow_rollup_hdrs": true, "deny_delete": true, "allow_msg_ttl": true,
            "subject_delete_marker_ttl": MAX_LEASE_MS.min(60_000) * NS_PER_MS,
        })
    };
    let objects = |name: &str, description: &str| {
        json!({
            "name": format!("OBJ_{name}"), "description": description,
            "subjects": [format!("$O.{name}.C.>"), format!("$O.{name}.M.>")],
            "retention": "limits", "storage": "file", "discard": "new", "num_replicas": replicas,
            "max_age": RESULT_LIFE_MS * NS_PER_MS, "max_bytes": -1, "max_msgs": -1, "max_msgs_per_subject": -1,
            "max_msg_size": -1, "max_consumers": -1, "duplicate_window": DEDUP_MS * NS_PER_MS, "allow_direct": true,
            "allow_rollup_hdrs": true,
        })
    };
    vec![
        objects(RESULTS, "Results of jobs: an object store, `nats object ls` lists it"),
        bucket(AGENTS, "Who is here: written by the registry, a lease each"),
        bucket(MARKETS, "Declarations of markets"),
        bucket(REPUTATION, "How agents kept their promises: the fold of HMS_TASKS and HMS_DEALS, written by mac"),
        with(
            bucket(PROOFS, "Proofs that were found, by the hash of their claim; whoever reads one checks it again"),
            json!({ "max_age": PROOFS_STAY_MS * NS_PER_MS }),
        ),
    ]
}
