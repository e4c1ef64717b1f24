//! What was seen, judged. Nothing here asks anything.

use runtime::{
    nats::{ClockReading, ConnectError, OLDEST_SERVER, StoreUse, is_new_enough},
    port::{Difference, Provisioned, ServerInfo},
};
use schemas::limit::REPLAY_WINDOW_MS;
use serde::Deserialize;

use super::Finding;
use crate::services::Core;

/// From here on a clock that is off is worth a word, in milliseconds.
const CLOCK_WARNING_MS: u64 = 2_000;
/// A full store: from so many parts in a hundred on it is worth a word, and from so many on it is about to refuse.
const FULL_PERCENT: (u64, u64) = (80, 95);
/// How long a deal may wait for the ledger or a prover before it is worth a word, and before something must be wrong,
/// in milliseconds.
const WAITS_MS: (i64, i64) = (5_000, 30_000);

/// Why there is no connection, and which bus was meant.
pub fn no_connection(error: &ConnectError, meant: &str) -> Finding {
    match error {
        ConnectError::Context { name, .. } => Finding::bad(
            "context",
            error.to_string(),
            format!("nats context edit {name}, or nats context ls for those that there are, or say --nats URL"),
        ),
        ConnectError::Credentials(_) => Finding::bad(
            "context",
            format!("{meant}: {error}"),
            "name a file that can be read: nats context edit NAME, or NATS_CREDS, NATS_NKEY, NATS_CA",
        ),
        ConnectError::Refused { .. } => Finding::bad(
            "broker",
            format!("{error} ({meant})"),
            "bring credentials: nats context add NAME --creds FILE, then --context NAME; or NATS_CREDS, NATS_NKEY, or NATS_USER and NATS_PASSWORD",
        ),
        ConnectError::Unreachable { .. } | ConnectError::TooOld { .. } | ConnectError::NoJetStream { .. } => {
            Finding::bad(
                "broker",
                format!("{error} ({meant})"),
                "hms up starts a bus here, unless --nats, NATS_URL or a context names one; nats-server -c nats/nats.conf a broker alone; --nats URL names another; one that runs and doesn't answer says why in its log (nats-server.log in the folder of hms up)",
            )
        }
    }
}

/// The broker that answers.
pub fn broker(server: &ServerInfo, meant: &str) -> Finding {
    let ServerInfo { version, url, .. } = server;
    if is_new_enough(version) {
        return Finding::ok("broker", format!("nats-server {version} at {url} ({meant})"));
    }
    let (major, minor) = OLDEST_SERVER;
    Finding::bad(
        "broker",
        format!(
            "nats-server {version} at {url} is older than {major}.{minor}: no atomic batches, no message schedules"
        ),
        "install a newer nats-server (`make setup` brings one into .venv/bin) and start it on the same store",
    )
}

/// JetStream, and how full it is. `monitored` is what the monitoring page says, where it could be read.
pub fn store(seen: &Result<StoreUse, String>, monitored: Option<&Monitored>) -> Finding {
    let seen = match seen {
        Ok(seen) => seen,
        Err(reason) => {
            return Finding::bad(
                "jetstream",
                format!("JetStream does not serve this account: {reason}"),
                "put `jetstream { store_dir: … }` into the broker's configuration (nats/nats.conf has it), in an account its limits, and restart it; where it is there, this login may lack the right to ask: it must publish to $JS.API.> and subscribe to _INBOX.>",
            );
        }
    };
    let of_server = monitored.map(|page| (page.storage, page.config.max_storage));
    let of_account = seen.limit_bytes.map(|limit| (seen.used_bytes, limit));
    // Whichever is fuller stops writes first.
    let fuller = [of_account, of_server].into_iter().flatten().max_by_key(|(used, limit)| percent(*used, *limit));
    let Some((used, limit)) = fuller else {
        return Finding::ok(
            "jetstream",
            format!(
                "{} stored; the account has no limit, and the broker's own is on its monitoring page",
                bytes(seen.used_bytes)
            ),
        );
    };
    let said = format!("{} of {} stored, {} %", bytes(used), bytes(limit), percent(used, limit));
    let mend = "raise max_file_store (or the account's max_store) where the disk has room, or take old streams away: nats stream ls, hms backup";
    match percent(used, limit) {
        full if full >= FULL_PERCENT.1 => {
            Finding::bad("jetstream", format!("nearly full: {said}; soon nothing can be written"), mend)
        }
        full if full >= FULL_PERCENT.0 => Finding::warning("jetstream", format!("filling up: {said}"), mend),
        _ => Finding::ok("jetstream", said),
    }
}

fn percent(used: u64, limit: u64) -> u64 {
    used.saturating_mul(100).checked_div(limit).unwrap_or(100)
}

/// Bytes for people.
fn bytes(count: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut shown = (count, "B");
    for unit in units {
        if shown.0 < 10_000 {
            break;
        }
        shown = (shown.0 / 1_000, unit);
    }
    format!("{} {}", shown.0, shown.1)
}

/// What the broker's monitoring page `/jsz?config=true` says; what we don't need is passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Monitored {
    /// Bytes on disk, of all accounts.
    #[serde(default)]
    pub storage: u64,
    /// The settings.
    #[serde(default)]
    pub config: MonitoredConfig,
}

/// JetStream's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct MonitoredConfig {
    /// Bytes that it may take on disk.
    #[serde(default)]
    pub max_storage: u64,
    /// How often writes are forced to the disk, in nanoseconds.
    #[serde(default)]
    pub sync_interval: u64,
    /// Whether each is before it is acknowledged.
    #[serde(default)]
    pub sync_always: bool,
}

/// Whether what is acknowledged is on a disk. `must` insists on it.
pub fn durability(monitored: Option<&Monitored>, replicas: u64, must: bool) -> Finding {
    let mend =
        "hms up --sync-always, or nats-server -c nats/durable.conf, or three brokers and hms provision --replicas 3";
    if replicas >= 3 {
        return Finding::ok(
            "durability",
            format!("{replicas} replicas: a write is lost only when a majority loses power at once"),
        );
    }
    match monitored {
        Some(page) if page.config.sync_always => {
            Finding::ok("durability", "each write is forced to the disk before it is acknowledged")
        }
        Some(page) => {
            let seconds = page.config.sync_interval / 1_000_000_000;
            let seen = format!(
                "one replica, forced to the disk every {seconds} s: a power cut loses that much of what was acknowledged"
            );
            if must {
                Finding::bad("durability", seen, mend)
            } else {
                Finding::ok("durability", format!("{seen} (--durable insists)"))
            }
        }
        None if must => Finding::warning(
            "durability",
            "one replica, and how often it is forced to the disk is not to be seen from here",
            "name the broker's monitoring port: --monitor http://HOST:8222",
        ),
        None => Finding::ok(
            "durability",
            "one replica; how often it is forced to the disk is on the monitoring page (--monitor)",
        ),
    }
}

/// The monitoring page, where one was named and is not to be had.
pub fn no_monitor(reason: &str) -> Finding {
    Finding::warning(
        "monitor",
        reason,
        "start the broker with http_port: 8222, or name the page: --monitor http://HOST:8222",
    )
}

/// A broker that says on its page `url` that it is not well.
pub fn unwell(url: &str) -> Finding {
    Finding::bad(
        "broker",
        format!("it says on {url} that it is not well: a stream cannot be written, say, or is not whole"),
        format!(
            "curl {url} says what; where its disk was full, make room and restart it: until then such a stream takes nothing"
        ),
    )
}

/// Our clock against the broker's.
pub fn clock(reading: Option<ClockReading>) -> Finding {
    let Some(ClockReading { ahead_ms, round_trip_ms }) = reading else {
        return Finding::warning(
            "clock",
            "the broker doesn't say what time it is",
            "let this account publish to $SYS.REQ.USER.INFO, or compare the clocks by hand: date -u",
        );
    };
    let off_ms = ahead_ms.unsigned_abs();
    // What the round trip leaves open is held against nobody.
    let surely_ms = off_ms.saturating_sub(round_trip_ms / 2);
    let way = if ahead_ms >= 0 { "ahead of" } else { "behind" };
    let seen = format!(
        "this machine's clock is {} ms {way} the broker's, give or take {} ms",
        off_ms,
        round_trip_ms.div_ceil(2)
    );
    let mend = "set the clocks, here and there: chronyc makestep, or timedatectl set-ntp true";
    let window_ms = REPLAY_WINDOW_MS.unsigned_abs();
    if surely_ms > window_ms {
        let seen = format!(
            "{seen}: signatures made here are refused where clocks are right, which allow {} s",
            window_ms / 1_000
        );
        Finding::bad("clock", seen, mend)
    } else if surely_ms > CLOCK_WARNING_MS {
        Finding::warning("clock", format!("{seen}: deadlines fall that much too early or too late"), mend)
    } else {
        Finding::ok("clock", seen)
    }
}

/// Streams and buckets against what we ship. Unless so many `replicas` are asked for, any number is right.
pub fn streams(planned: &[(String, Provisioned)], replicas: Option<u8>) -> Vec<Finding> {
    let mend = match replicas {
        Some(replicas) => format!("hms provision --apply --replicas {replicas}"),
        None => "hms provision --apply (with --replicas N on a cluster)".to_owned(),
    };
    if planned.iter().all(|(_, plan)| *plan == Provisioned::Created) {
        let seen = format!("none of the {} streams and buckets is there", planned.len());
        return vec![Finding::bad("streams", seen, format!("{mend}; hms up does so by itself"))];
    }
    let mut findings = Vec::new();
    for (name, plan) in planned {
        match plan {
            Provisioned::Unchanged => {}
            Provisioned::Created => {
                findings.push(Finding::bad("streams", format!("{name} is missing"), mend.as_str()));
            }
            Provisioned::Updated(differences) => {
                let counts = |difference: &&Difference| replicas.is_some() || difference.setting != REPLICAS;
                let changes: Vec<String> = differences
                    .iter()
                    .filter(counts)
                    .map(|Difference { setting, was, is }| format!("{setting} is {was} and should be {is}"))
                    .collect();
                if !changes.is_empty() {
                    let seen = format!("{name} differs: {}", changes.join(", "));
                    findings.push(Finding::bad("streams", seen, mend.as_str()));
                }
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("streams", format!("{} streams and buckets are as they should be", planned.len())));
    }
    findings
}

/// The setting that says how many copies there are.
pub const REPLICAS: &str = "num_replicas";

/// Who answers, of our cores and the market maker. `maker` is the maker's name.
pub fn services(instances: &dyn Fn(&str) -> usize, maker: &str) -> Vec<Finding> {
    if instances(maker) == 0 && Core::ALL.into_iter().all(|core| instances(core.name()) == 0) {
        let mend = "hms up starts all of them, with --nats URL where the broker runs already";
        return vec![Finding::bad("services", "nobody answers: no core is at work", mend)];
    }
    let mut findings: Vec<Finding> =
        Core::ALL.into_iter().filter(|core| instances(core.name()) == 0).map(missing).collect();
    match instances(maker) {
        0 => findings.push(Finding::warning(
            "maker",
            "no market maker answers: nobody clears the markets",
            "hms up --nats URL without --no-maker runs one",
        )),
        1 => {}
        several => findings.push(Finding::bad(
            "maker",
            format!("{several} market makers answer: they propose the same goods twice"),
            "end all but one: hms up --no-maker on the others",
        )),
    }
    if findings.is_empty() {
        let here: Vec<String> = Core::ALL
            .map(|core| match instances(core.name()) {
                1 => core.to_string(),
                several => format!("{core} ({several})"),
            })
            .into();
        findings.push(Finding::ok("services", format!("{}, {maker} answer", here.join(", "))));
    }
    findings
}

fn missing(core: Core) -> Finding {
    let without = match core {
        Core::Registry => "nobody can register or renew its lease",
        Core::Deal => "no deal can be opened, and none moves",
        Core::Ledger => "nothing is committed, and no limit declared",
        Core::TradeBalance => "nobody says what terms are worth",
        Core::Graph => "no market can be cleared",
        Core::Genetic => "no terms are searched for",
        Core::Mac => "no job of tasks can be submitted, and none moves",
        Core::Proof => "nobody checks proofs for others",
        Core::Gtp => "deals that require proof are refused in time",
    };
    let mend = match core {
        Core::Gtp => "hms node --cores gtp (it needs the Python package hms_a2a: make setup)".to_owned(),
        core => format!("hms node --cores {core} with the bus's own keys (--dir), or hms up"),
    };
    let name = if core == Core::Gtp { "prover" } else { "services" };
    let seen = format!("nobody answers as {core}: {without}");
    match core {
        Core::Registry | Core::Deal | Core::Ledger => Finding::bad(name, seen, mend),
        _ => Finding::warning(name, seen, mend),
    }
}

/// Dead letters: how many, and the last one's core and reason.
pub fn dead_letters(count: u64, last: Option<(&str, &str)>) -> Finding {
    if count == 0 {
        return Finding::ok("dlq", "no dead letters");
    }
    let last = last.map_or_else(String::new, |(core, reason)| format!("; the last is {core}'s: {reason}"));
    Finding::warning(
        "dlq",
        format!("{count} dead letters, which a core gave up on{last}"),
        "hms dlq list, then hms dlq show SEQUENCE and replay; nats stream purge HMS_DLQ when all are seen to",
    )
}

/// Deals that wait for somebody: since when, in Unix milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// For the ledger.
    pub certified_unix_ms: Vec<i64>,
    /// For proof.
    pub agreed_unix_ms: Vec<i64>,
    /// How many deals were looked at.
    pub deals: usize,
    /// Whether those were all.
    pub is_all: bool,
}

/// Whether ledger and provers keep up.
pub fn lag(waiting: &Waiting, now_unix_ms: i64) -> Vec<Finding> {
    let Waiting { certified_unix_ms, agreed_unix_ms, deals, is_all } = waiting;
    let part = if *is_all { "" } else { " so far, in the time given" };
    let judged = |check, since: &[i64], who: &str, mend: &str| {
        let oldest_ms = since.iter().map(|at| now_unix_ms.saturating_sub(*at)).max().unwrap_or(0);
        let seen =
            format!("{} of {deals} deals{part} wait for {who}, the oldest for {} ms", since.len(), oldest_ms.max(0));
        if since.is_empty() {
            Finding::ok(check, format!("none of {deals} deals{part} waits for {who}"))
        } else if oldest_ms > WAITS_MS.1 {
            Finding::bad(check, seen, mend)
        } else if oldest_ms > WAITS_MS.0 {
            Finding::warning(check, seen, mend)
        } else {
            Finding::ok(check, seen)
        }
    };
    vec![
        judged(
            "ledger_lag",
            certified_unix_ms,
            "the ledger",
            "nats service stats ledger; hms node --cores ledger where none is at work; its log says why",
        ),
        judged(
            "proof_lag",
            agreed_unix_ms,
            "proof",
            "hms call gtp.status; hms node --cores gtp --provers N for more provers",
        ),
    ]
}

#[cfg(test)]
mod tests;
