//! `hms retention`: what becomes of the log of deals as it grows. Its archive takes everything, and its beginning is cut
//! off once the archive is seen to have it; nothing stops meanwhile, and no reader sees a difference.
//!
//! The broker won't delete anything from the log, nor purge it: `deny_delete` and `deny_purge` can't be taken back. What
//! it does is let records go that are older than the stream's `max_age`, in the moment that this is set. So that is set to
//! the age that the last record has that is to go, and taken back at once. How exact it is depends on clocks and on how
//! long the request takes; so readers are told beforehand to read everything before the *horizon* from the archive, which
//! lies some seconds behind the last record that is to go.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, Subcommand, value_parser};
use futures::StreamExt;
use runtime::{
    nats::Nats,
    port::{Follow, Followed, Port, ReadError, Start, Stored, StreamState},
};
use schemas::stream;
use serde_json::{Value, json};

use crate::{
    bus::BusArgs,
    exit::{Exit, Outcome, Stop},
    output,
};

/// So much younger may records be that are read from the archive from now on, in milliseconds: more than the cut may be
/// off.
const MARGIN_MS: i64 = 5_000;
/// So far may this machine's clock be off the broker's, and so long may the broker take to answer, in milliseconds.
const EXACT_MS: u64 = 1_000;
/// How long readers have to hear of a horizon, in milliseconds: five times what each takes at most.
const ANNOUNCED_MS: u64 = 10_000;
/// How long the archive may stand still while it is behind, in milliseconds.
const PATIENCE_MS: u64 = 30_000;
/// So long ago may the inboxes have heard of the log, in nanoseconds: the broker tells them that it is there each second.
/// What they lack is not known of one that has stopped listening.
const HEARD_NS: i64 = 5_000 * NS_PER_MS;
/// How often it is looked where the archive is, in milliseconds.
const LOOK_MS: u64 = 100;
/// What is younger isn't cut off unless that is asked for. Until the age is taken back the log loses what reaches it, and a
/// cluster that loses a leader in that moment may have its archive stand still, and take nothing back, for half a minute.
const AT_LEAST: Duration = Duration::from_secs(60);
/// How long it is tried to take the age back, in milliseconds.
const TAKE_BACK_MS: u64 = 60_000;
/// Nanoseconds in a millisecond: streams count in nanoseconds.
const NS_PER_MS: i64 = 1_000_000;
/// Milliseconds in a second.
const MS_PER_S: i64 = 1_000;

/// Archive the log of deals, and cut off its beginning, while everything goes on
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  hms retention plan --older-than 90d\n  hms retention apply --older-than 90d")]
pub enum Retention {
    Plan(Plan),
    Apply(Apply),
}

/// What both need to know.
#[derive(Args, Debug)]
pub struct Wanted {
    /// Cut off what is older: 90d, 12h, 30m or 45s
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Duration,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Say what the log and its archive hold, and what would be cut off, with exit code 1 if that is anything
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hms retention plan --older-than 90d --json")]
pub struct Plan {
    #[command(flatten)]
    wanted: Wanted,
}

/// Make the archive if it is missing, let it catch up, compare it with the log, and cut off the log's beginning
///
/// Deals go on meanwhile, and every command and core reads the log as before, from its archive where it is cut. It is
/// safe to run again at any time, also when it was stopped half-way; but not twice at the same time.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  hms retention apply --older-than 90d\n  hms retention apply --older-than 90d --replicas 5"
)]
pub struct Apply {
    #[command(flatten)]
    wanted: Wanted,
    /// Copies of the archive in a cluster, where it is to be made [default: as many as there are of the log]
    #[arg(long, value_name = "N", value_parser = value_parser!(u8).range(1..=5))]
    replicas: Option<u8>,
    /// Take an AGE of less than a minute, too: should a broker fail in the moment of the cut, what reaches that age before
    /// the archive has it is lost
    #[arg(long)]
    any_age: bool,
}

/// Reads an age: a whole number of days, hours, minutes or seconds.
fn age(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not an age, such as 90d, 12h, 30m or 45s, of at least a second");
    let unit_s = match text.chars().last() {
        Some('d') => 86_400,
        Some('h') => 3_600,
        Some('m') => 60,
        Some('s') => 1,
        _ => return Err(wrong()),
    };
    let number: u64 = text.get(..text.len() - 1).and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
    let seconds = number.checked_mul(unit_s).filter(|s| (1..=u64::from(u32::MAX)).contains(s)).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

/// Where log and archive stand, and what is to go.
struct Found {
    log: StreamState,
    /// None, where it is not made yet.
    archive: Option<StreamState>,
    /// What is read from the archive now: everything before.
    horizon: u64,
    /// What is stored before this time is to go, by the broker's clock.
    before_unix_ms: i64,
    /// How many records that is.
    records: u64,
    /// What would be read from the archive: everything before.
    next_horizon: u64,
}

impl Retention {
    pub async fn run(self) -> Outcome {
        match self {
            Self::Plan(Plan { wanted }) => {
                let bus = wanted.bus.connect_to_manage().await?;
                let found = look(&bus, wanted.older_than).await?;
                found.say(wanted.json, "planned")?;
                if found.records == 0 { Ok(()) } else { Err(Stop::silent(Exit::Bad)) }
            }
            Self::Apply(Apply { wanted, replicas, any_age }) => {
                if wanted.older_than < AT_LEAST && !any_age {
                    let what = format_args!(
                        "--older-than: at least {} s, lest a broker that fails meanwhile costs entries; --any-age takes less",
                        AT_LEAST.as_secs()
                    );
                    return Err(Stop::say(Exit::Input, what));
                }
                let bus = wanted.bus.connect_to_manage().await?;
                apply(&bus, wanted.older_than, replicas).await?.say(wanted.json, "applied")
            }
        }
    }
}

impl Found {
    fn say(&self, json: bool, outcome: &str) -> Outcome {
        let Self { log, archive, horizon, records, .. } = self;
        if json {
            let held = |state: &StreamState| {
                json!({ "messages": state.messages, "bytes": state.bytes, "first_sequence": state.first_seq,
                    "last_sequence": state.last_seq })
            };
            return output::json(&json!({
                "outcome": outcome, "log": held(log), "archive": archive.as_ref().map(held), "horizon": horizon,
                "to_cut": records,
            }));
        }
        let shown = |name, state: &StreamState| {
            output::line(format_args!(
                "{name}: {} messages, {} bytes, sequences {} to {}",
                state.messages, state.bytes, state.first_seq, state.last_seq
            ))
        };
        shown(stream::DEALS, log)?;
        match archive {
            Some(archive) => shown(stream::ARCHIVE, archive)?,
            None => output::line(format_args!("{}: not made yet", stream::ARCHIVE))?,
        }
        output::line(format_args!(
            "read from the archive: what stands before sequence {horizon}; old enough to be cut off: {records} messages"
        ))
    }
}

/// What there is to do.
async fn look(bus: &Nats, older_than: Duration) -> Outcome<Found> {
    let age_ms = i64::try_from(older_than.as_millis()).unwrap_or(i64::MAX);
    let before_unix_ms = broker_unix_ms(bus).await?.saturating_sub(age_ms);
    let log = bus.stream_state(stream::DEALS).await?;
    let archive = match bus.stream_state(stream::ARCHIVE).await {
        Ok(state) => Some(state),
        Err(ReadError::Unavailable(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let horizon = horizon(bus, &log).await?;
    // Records that an archive holds alone tell when it took them, which is later.
    let from = log.first_seq.max(1);
    let cut = first_since(bus, from.max(horizon), log.last_seq, before_unix_ms).await?;
    let next_horizon = first_since(bus, cut, log.last_seq, before_unix_ms.saturating_add(MARGIN_MS)).await?;
    // Nothing new is old enough: then what was left behind the last cut can wait for the next one.
    let records = if cut > horizon { cut - from } else { 0 };
    Ok(Found { log, archive, horizon, before_unix_ms, records, next_horizon })
}

async fn horizon(bus: &Nats, log: &StreamState) -> Outcome<u64> {
    let announced = bus.metadata(stream::DEALS, stream::HORIZON).await?;
    Ok(announced.and_then(|text| text.parse().ok()).unwrap_or(0).max(log.first_seq).max(1))
}

/// The time by the broker's clock, as exactly as a cut must know it.
async fn broker_unix_ms(bus: &Nats) -> Outcome<i64> {
    let reading = bus.clock().await.filter(|reading| reading.round_trip_ms <= EXACT_MS);
    let reading = reading.ok_or_else(|| {
        Stop::say(
            Exit::Bad,
            format_args!("the broker doesn't say what time it is within {EXACT_MS} ms: nothing is done"),
        )
    })?;
    Ok(bus.now_unix_ms().saturating_sub(reading.ahead_ms))
}

/// The first sequence from `low` on whose record was stored at this time or later: found by halves, since a log has no
/// gaps; the one behind `last` if there is none.
async fn first_since(bus: &Nats, mut low: u64, last: u64, unix_ms: i64) -> Outcome<u64> {
    let mut high = last.saturating_add(1);
    while low < high {
        let middle = low + (high - low) / 2;
        match bus.get(stream::DEALS, middle).await? {
            Some(stored) if stored.time_unix_ms < unix_ms => low = middle + 1,
            Some(_) => high = middle,
            None => return Err(Stop::say(Exit::Bad, format_args!("the log has no sequence {middle}"))),
        }
    }
    Ok(low)
}

async fn apply(bus: &Nats, older_than: Duration, replicas: Option<u8>) -> Outcome<Found> {
    // What was stopped half-way.
    set_age(bus, None).await?;
    let log = bus.stream_state(stream::DEALS).await?;
    if matches!(bus.stream_state(stream::ARCHIVE).await, Err(ReadError::Unavailable(_))) {
        if log.first_seq > 1 {
            let what = format_args!(
                "{} begins with sequence {}, and there is no {} with what stood before: restore that first",
                stream::DEALS,
                log.first_seq,
                stream::ARCHIVE
            );
            return Err(Stop::say(Exit::Bad, what));
        }
        let replicas = match replicas {
            Some(replicas) => replicas,
            None => bus.replicas(stream::DEALS).await?,
        };
        bus.ensure_stream(&stream::archive(replicas)).await?;
    }
    catch_up(bus, log.last_seq).await?;
    let found = look(bus, older_than).await?;
    if found.records == 0 {
        return Ok(found);
    }
    compare(bus, found.horizon, found.next_horizon).await?;
    inboxes_have_it(bus).await?;
    bus.ensure_stream(&json!({
        "name": stream::DEALS, "metadata": { (stream::HORIZON): found.next_horizon.to_string() },
    }))
    .await?;
    bus.sleep_ms(ANNOUNCED_MS).await;
    // A broker may have failed meanwhile, and those who take from the log stand still.
    catch_up(bus, bus.stream_state(stream::DEALS).await?.last_seq).await?;
    inboxes_have_it(bus).await?;
    let age_ms = broker_unix_ms(bus).await?.saturating_sub(found.before_unix_ms);
    let cut = set_age(bus, Some(age_ms)).await;
    take_back(bus).await?;
    cut?;
    let log = bus.stream_state(stream::DEALS).await?;
    if log.first_seq > found.next_horizon {
        let what = format_args!(
            "{} now begins with sequence {}, behind the horizon {}; the archive has it all, and readers see it from now on",
            stream::DEALS,
            log.first_seq,
            found.next_horizon
        );
        return Err(Stop::say(Exit::Bad, what));
    }
    let archive = Some(bus.stream_state(stream::ARCHIVE).await?);
    Ok(Found { log, archive, horizon: found.next_horizon, records: 0, ..found })
}

/// Lets records go that are older, or none.
async fn set_age(bus: &Nats, age_ms: Option<i64>) -> Outcome {
    let specification = stream::streams(1).into_iter().find(|spec| spec.get("name") == Some(&json!(stream::DEALS)));
    let window = specification.as_ref().and_then(|spec| spec.get("duplicate_window")).and_then(Value::as_i64);
    let window = window.unwrap_or_default();
    let age_ns = age_ms.map_or(0, |ms| ms.saturating_mul(NS_PER_MS));
    // A stream remembers no message ids for longer than it keeps messages.
    let window = if age_ns > 0 { window.min(age_ns) } else { window };
    bus.ensure_stream(&json!({ "name": stream::DEALS, "max_age": age_ns, "duplicate_window": window })).await?;
    Ok(())
}

/// Has the log let go of nothing any more, whatever stands in the way for a while.
async fn take_back(bus: &Nats) -> Outcome {
    let until_unix_ms = bus.now_unix_ms().saturating_add_unsigned(TAKE_BACK_MS);
    loop {
        let Err(error) = set_age(bus, None).await else { return Ok(()) };
        if bus.now_unix_ms() > until_unix_ms {
            return Err(error.while_doing("the log lets go of what grows old until `hms provision --apply`"));
        }
        bus.sleep_ms(LOOK_MS).await;
    }
}

/// Waits until the archive has everything up to a sequence.
async fn catch_up(bus: &Nats, sequence: u64) -> Outcome {
    let (mut last, mut still_ms) = (0, 0);
    loop {
        let now = bus.stream_state(stream::ARCHIVE).await?.last_seq;
        if now >= sequence {
            return Ok(());
        }
        still_ms = if now > last { 0 } else { still_ms + LOOK_MS };
        last = now;
        if still_ms >= PATIENCE_MS {
            let what = format_args!(
                "{} stands at sequence {now} for {} s, and the log goes to {sequence}: nothing is cut off",
                stream::ARCHIVE,
                PATIENCE_MS / MS_PER_S.unsigned_abs()
            );
            return Err(Stop::say(Exit::Bad, what));
        }
        bus.sleep_ms(LOOK_MS).await;
    }
}

/// Whether the archive has each record of the log before a sequence, under the same sequence and word for word.
async fn compare(bus: &Nats, from: u64, before: u64) -> Outcome {
    let start = Start::After(from.saturating_sub(1));
    let mut log = bus.follow(stream::DEALS, &[], start).await?;
    let mut archive = bus.follow(stream::ARCHIVE, &[], start).await?;
    for sequence in from..before {
        let (one, other) = futures::join!(next(&mut log), next(&mut archive));
        // What the broker says of where an entry came from, and of the batch that it came in, is no part of it.
        let said = |entry: &Stored| {
            let own = entry.headers.iter().filter(|(name, _)| !name.starts_with("Nats-"));
            own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>()
        };
        let same = |one: &Stored, other: &Stored| {
            (one.sequence, &one.subject, &one.body, said(one))
                == (other.sequence, &other.subject, &other.body, said(other))
        };
        match (one, other) {
            (Some(one), Some(other)) if one.sequence == sequence && same(&one, &other) => {}
            _ => {
                let what =
                    format_args!("at sequence {sequence} the archive is not what the log is: nothing is cut off");
                return Err(Stop::say(Exit::Bad, what));
            }
        }
    }
    Ok(())
}

async fn next(follow: &mut Follow) -> Option<Stored> {
    loop {
        match follow.next().await? {
            Followed::Entry(stored) => return Some(stored),
            Followed::CaughtUp => {}
        }
    }
}

/// Whether the inboxes have taken the notes that they take from the log.
async fn inboxes_have_it(bus: &Nats) -> Outcome {
    let mut waited_ms = 0;
    loop {
        let lags = bus.lags(stream::INBOX).await?;
        let lag = lags.iter().find(|lag| lag.name == stream::DEALS);
        if lag.is_some_and(|lag| lag.records == 0 && (0..HEARD_NS).contains(&lag.heard_ns_ago)) {
            return Ok(());
        }
        waited_ms += LOOK_MS;
        if waited_ms >= PATIENCE_MS {
            let how = lag.map_or_else(
                || "does not take from the log".to_owned(),
                |lag| format!("is {} records behind the log, or has not heard of it", lag.records),
            );
            return Err(Stop::say(Exit::Bad, format_args!("{} {how}: nothing is cut off", stream::INBOX)));
        }
        bus.sleep_ms(LOOK_MS).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_whole_and_have_a_unit() {
        for (text, seconds) in [("90d", 7_776_000), ("12h", 43_200), ("30m", 1_800), ("1s", 1)] {
            assert_eq!(age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "d", "90", "0s", "-1d", "1.5h", "90 d", "1w", "99999999999999999999d", "1é"] {
            assert!(age(text).is_err(), "{text}");
        }
    }
}
