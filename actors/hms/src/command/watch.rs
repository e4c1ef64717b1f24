//! `hms watch`: the story of a market as it happens.

use std::{
    io::{self, IsTerminal},
    pin::pin,
    sync::Arc,
};

use clap::{
    Args,
    builder::styling::{AnsiColor, Style},
};
use futures::{
    StreamExt,
    future::{Either, select},
    stream::{self as streams, BoxStream},
};
use runtime::port::{Follow, Followed, KvEvent, Message, Port, Start};
use schemas::{
    DealId, MarketId, header,
    keyring::{LogRecord, RecordFault},
    stream, subject,
};

use crate::{
    bus::BusArgs,
    command::{deal::unknown, market::declaration},
    exit::{Exit, OrExit, Outcome},
    output,
    story::{Heard, Line, Mood, Story},
    writers::Writers,
};

/// Watch what happens, one line an event
///
/// Who offers what, what was cleared, and who opened, accepted, proved, committed, settled or refused which deal: of one
/// market, or of all. Live it is what the streams republish (hms.v1.live.>) and what the market maker tells of its
/// clearings; with --since the log is read first. An entry of the log counts when desk or ledger signed it, a clearing
/// when the maker did; what stands among the intents is told as it stands there. Times are UTC.
///
/// Ends on Ctrl-C, and with --deal when nothing can follow any more. While the connection is down lines are missed;
/// --since tells them.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms watch
  hms watch bazaar --since 10m
  hms watch --deal sjbpl4ndpc3hlwq2enbzsc5rtm
  hms watch bazaar --json | jq -r 'select(.event == \"refused\") | .text'")]
pub struct Watch {
    /// The market; all of them if none is named
    #[arg(conflicts_with = "deal")]
    market: Option<MarketId>,
    /// Only this deal, from its beginning
    #[arg(long, value_name = "DEAL")]
    deal: Option<DealId>,
    /// Begin in the past: so long ago (10m, 2h), or at a time (2026-11-27T12:00:00Z)
    #[arg(long, value_name = "WHEN", value_parser = since, conflicts_with = "deal")]
    since: Option<Since>,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Where a story begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// So many milliseconds ago.
    Ago(i64),
    /// At a time, in Unix milliseconds.
    At(i64),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(Since::At(time.as_millisecond()));
    }
    let ago = text
        .parse::<jiff::SignedDuration>()
        .map_err(|_| "neither a while (10m, 2h) nor a time (2026-11-27T12:00:00Z)")?;
    let ms = i64::try_from(ago.as_millis()).map_err(|_| "that long ago there was nothing")?;
    if ms < 0 { Err("what is yet to come can't be told".to_owned()) } else { Ok(Since::Ago(ms)) }
}

impl Since {
    fn unix_ms(self, now_unix_ms: i64) -> i64 {
        match self {
            Self::Ago(ms) => now_unix_ms.saturating_sub(ms),
            Self::At(unix_ms) => unix_ms,
        }
    }
}

/// What comes to whoever watches.
enum Came {
    /// It stands in a stream, was republished by one, or was only said; and when.
    Entry(LogRecord, i64),
    /// Something changed in the bucket of markets.
    Market(KvEvent),
}

type Coming = BoxStream<'static, Came>;

impl Watch {
    pub async fn run(self) -> Outcome {
        let port = self.bus.connect_as("hms-watch").await?;
        let (mut teller, markets) = Teller::begin(port.clone(), self.market.clone(), self.json).await?;
        let happening = match (&self.deal, self.since) {
            (Some(deal), _) => teller.life_of(deal).await?,
            (None, Some(since)) => teller.since(since.unix_ms(port.now_unix_ms())).await?,
            (None, None) => teller.live().await?,
        };
        let mut coming = streams::select_all([happening, markets]);
        let mut interrupted = pin!(runtime::interrupted());
        while let Either::Right((Some(came), _)) = select(interrupted.as_mut(), coming.next()).await {
            if teller.hear(came).await? && self.deal.is_some() {
                break;
            }
        }
        Ok(())
    }
}

/// Tells a story on standard output.
struct Teller {
    port: Arc<dyn Port>,
    story: Story,
    market: Option<MarketId>,
    writers: Writers,
    json: bool,
    is_terminal: bool,
}

impl Teller {
    /// Reads what the markets call things, and gives what changes there from now on.
    async fn begin(port: Arc<dyn Port>, market: Option<MarketId>, json: bool) -> Outcome<(Self, Coming)> {
        let writers = Writers::of(port.as_ref()).await?;
        let mut markets = port.kv_watch(stream::MARKETS).await?;
        let mut story = Story::of(market.clone());
        let mut is_declared = market.is_none();
        while let Some(event) = markets.next().await {
            match event {
                KvEvent::Put(entry) => {
                    if let Ok(declared) = declaration(&entry) {
                        is_declared |= market.as_ref() == Some(&declared.market);
                        story.learn(declared);
                    }
                }
                KvEvent::Gone { .. } => {}
                KvEvent::CaughtUp => break,
            }
        }
        if let (Some(market), false) = (&market, is_declared) {
            tracing::warn!(%market, "no such market is declared yet");
        }
        let is_terminal = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        Ok((Self { port, story, market, writers, json, is_terminal }, markets.map(Came::Market).boxed()))
    }

    /// What is republished from now on, and what the maker tells of its clearings.
    async fn live(&self) -> Outcome<Coming> {
        let market = self.market.as_ref();
        let mut subjects = vec![
            subject::all_live_deal_logs(),
            subject::all_live_limit_logs(market),
            subject::all_live_certificate_logs(market),
            subject::all_live_intents(market),
        ];
        if market.is_none() {
            subjects.push(subject::all_live_key_logs());
        }
        let mut coming = vec![self.clearings().await?];
        for subject in subjects {
            coming.push(self.heard(&subject).await?);
        }
        Ok(streams::select_all(coming).boxed())
    }

    async fn clearings(&self) -> Outcome<Coming> {
        let topic = self.market.as_ref().map_or_else(subject::all_clearing_topics, subject::clearing_topic);
        self.heard(&topic).await
    }

    async fn heard(&self, subject: &str) -> Outcome<Coming> {
        let port = self.port.clone();
        let messages = self.port.subscribe(subject, None).await?;
        Ok(messages.map(move |message| Came::Entry(record_of(message), port.now_unix_ms())).boxed())
    }

    /// Tells what the streams hold since then, in the order of its times, and gives what comes after.
    async fn since(&mut self, begin_unix_ms: i64) -> Outcome<Coming> {
        let clearings = self.clearings().await?;
        let mut logs = vec![subject::all_deal_logs()];
        match &self.market {
            None => {
                logs.extend([subject::all_limit_logs(), subject::all_certificate_logs(), subject::all_key_logs()]);
            }
            Some(market) => logs.extend([subject::all_limit_logs_of(market), subject::certificate_log(market)]),
        }
        let intents = self.market.as_ref().map_or_else(subject::all_intents_anywhere, subject::all_intents);
        let begin = self.before(begin_unix_ms).await?;
        let mut logs = self.port.follow(stream::DEALS, &logs, Start::After(begin)).await?;
        // Of intents only the last ones are kept.
        let mut intents = self.port.follow(stream::MARKET, &[intents], Start::All).await?;
        let mut past = Vec::new();
        for followed in [&mut logs, &mut intents] {
            while let Some(Followed::Entry(stored)) = followed.next().await {
                if stored.time_unix_ms >= begin_unix_ms {
                    past.push(stored);
                }
            }
        }
        past.sort_by_key(|stored| stored.time_unix_ms);
        for stored in past {
            let at_unix_ms = stored.time_unix_ms;
            self.hear(Came::Entry(LogRecord::from(stored), at_unix_ms)).await?;
        }
        Ok(streams::select_all([entries(logs), entries(intents), clearings]).boxed())
    }

    /// The last sequence of the log before a time: found by halves, since the log has no gaps.
    async fn before(&self, unix_ms: i64) -> Outcome<u64> {
        let state = self.port.stream_state(stream::DEALS).await?;
        // At `low` it was earlier, or there is nothing; after `high` it was not.
        let (mut low, mut high) = (state.first_seq.saturating_sub(1), state.last_seq);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match self.port.get(stream::DEALS, middle).await? {
                Some(stored) if stored.time_unix_ms < unix_ms => low = middle,
                _ => high = middle - 1,
            }
        }
        Ok(low)
    }

    /// A deal's log from its beginning.
    async fn life_of(&self, deal: &DealId) -> Outcome<Coming> {
        let log = subject::deal_log(deal);
        if self.port.last(stream::DEALS, &log).await?.is_none() {
            return Err(unknown(deal));
        }
        Ok(entries(self.port.follow(stream::DEALS, &[log], Start::All).await?))
    }

    /// Tells what came, where it is worth a line; whether a deal has ended with it.
    async fn hear(&mut self, came: Came) -> Outcome<bool> {
        let (record, at_unix_ms) = match came {
            Came::Market(KvEvent::Put(entry)) => {
                if let Ok(declared) = declaration(&entry) {
                    let line = self.story.declared(declared, entry.time_unix_ms);
                    self.print(line)?;
                }
                return Ok(false);
            }
            Came::Market(_) => return Ok(false),
            Came::Entry(record, at_unix_ms) => (record, at_unix_ms),
        };
        let heard = heard_of(&record, at_unix_ms);
        if let Err(fault) = self.believe(&record).await? {
            let line = self.story.unsigned(&heard, &fault.to_string());
            self.print(line)?;
            return Ok(false);
        }
        if let Some(deal) = self.story.unknown(&heard) {
            // It began before we came: its beginning is read, and not told.
            for (sequence, entry) in self.writers.log(&self.port, &subject::deal_log(&deal)).await? {
                if sequence < record.sequence {
                    self.story.tell(&Heard { body: entry.bytes, sequence: Some(sequence), ..heard.clone() });
                }
            }
        }
        let line = self.story.tell(&heard);
        let has_ended = line.as_ref().is_some_and(|line| line.is_end);
        self.print(line)?;
        Ok(has_ended)
    }

    /// Whether whoever may write this wrote it. A writer that we don't know yet may have come after us.
    async fn believe(&mut self, record: &LogRecord) -> Outcome<Result<(), RecordFault>> {
        let checked = self.writers.check(record);
        if !matches!(checked, Err(RecordFault::UnknownKey { .. })) {
            return Ok(checked);
        }
        self.writers = Writers::of(self.port.as_ref()).await?;
        Ok(self.writers.check(record))
    }

    fn print(&self, line: Option<Line>) -> Outcome {
        match line {
            None => Ok(()),
            Some(line) if self.json => output::json(&serde_json::to_value(&line).or_exit(Exit::Bad)?),
            Some(line) => output::line(shown(&line, self.is_terminal)),
        }
    }
}

fn entries(followed: Follow) -> Coming {
    let entry = |followed| async move {
        match followed {
            Followed::Entry(stored) => {
                let at_unix_ms = stored.time_unix_ms;
                Some(Came::Entry(LogRecord::from(stored), at_unix_ms))
            }
            Followed::CaughtUp => None,
        }
    };
    followed.filter_map(entry).boxed()
}

/// What was republished, as it stands in its stream.
fn record_of(message: Message) -> LogRecord {
    LogRecord {
        sequence: message.headers.get(header::SEQUENCE).and_then(|number| number.parse().ok()).unwrap_or(0),
        subject: subject::stored_of_live(&message.subject),
        headers: message.headers,
        body: message.body.to_vec(),
    }
}

fn heard_of(record: &LogRecord, at_unix_ms: i64) -> Heard {
    let sequence = Some(record.sequence).filter(|sequence| *sequence > 0);
    Heard { subject: record.subject.clone(), body: record.body.clone(), at_unix_ms, sequence }
}

/// A line as it is printed: when, where, what, and the deal for whoever wants to ask more of it.
pub fn shown(line: &Line, is_coloured: bool) -> String {
    let time = jiff::Timestamp::from_millisecond(line.at_unix_ms).unwrap_or_default();
    let market = line.market.as_ref().map_or("-", MarketId::as_str);
    let deal = line.deal.as_ref().map_or_else(String::new, |deal| format!("  [{deal}]"));
    let (quiet, mood) = if is_coloured { (Style::new().dimmed(), colour(line.mood)) } else { Default::default() };
    format!(
        "{quiet}{} {market:10}{quiet:#} {mood}{}{mood:#}{quiet}{deal}{quiet:#}",
        time.strftime("%m-%d %H:%M:%S"),
        line.text
    )
}

fn colour(mood: Mood) -> Style {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match mood {
        Mood::New => colour(AnsiColor::Cyan),
        Mood::Move => Style::new(),
        Mood::Good => colour(AnsiColor::Green),
        Mood::Bad => colour(AnsiColor::Red),
        Mood::Quiet => Style::new().dimmed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_begins_a_while_ago_or_at_a_time() {
        for (text, unix_ms) in
            [("10m", 400_000), ("1h 30m", -4_400_000), ("0s", 1_000_000), ("1970-01-01T00:00:07Z", 7_000)]
        {
            assert_eq!(since(text).unwrap().unix_ms(1_000_000), unix_ms, "{text}");
        }
        for text in ["", "yesterday", "-5m", "10"] {
            assert!(since(text).is_err(), "{text}");
        }
    }

    #[test]
    fn colours_are_for_terminals() {
        let line = Line {
            at_unix_ms: 1_764_249_841_000,
            event: "settled".into(),
            market: Some("bazaar".parse().unwrap()),
            deal: None,
            by: None,
            sequence: None,
            text: "settled: everything is delivered".into(),
            mood: Mood::Good,
            is_end: true,
        };
        assert_eq!(shown(&line, false), "11-27 13:24:01 bazaar     settled: everything is delivered");
        assert!(shown(&line, true).contains("\u{1b}[32msettled"));
    }
}
