//! `hms dlq`: dead letters, which are messages that a consumer gave up on, with the reason.

use std::sync::Arc;

use clap::{Args, Subcommand};
use runtime::port::{Message, Port, Record, Stored};
use schemas::{body::to_json, header, header::Headers, limit::MAX_CLEARING_BODY_BYTES, stream, subject};
use serde_json::{Value, json};

use crate::{
    bus::BusArgs,
    exit::{Exit, Outcome, Stop},
    output,
    request::{self, Reply},
};

/// List, show and replay dead letters: messages that a core or a consumer gave up on
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  hms dlq list\n  hms dlq show 17\n  hms dlq replay 17")]
pub enum Dlq {
    List(List),
    Show(Show),
    Replay(Replay),
}

/// List dead letters, the oldest first
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  hms dlq list\n  hms dlq list --core maker --json | jq -r .reason")]
pub struct List {
    /// Only those of this core
    #[arg(long, value_name = "CORE")]
    core: Option<String>,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Show a dead letter: where it was going, why it never arrived, and what it says
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hms dlq show 17")]
pub struct Show {
    /// Its sequence, as `hms dlq list` shows it
    sequence: u64,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Send a dead letter again to where it was going
///
/// Bytes and headers are those that were sent, the signature among them. To an endpoint it goes as a request, whose
/// answer is shown; a signed one is refused once its signature is older than the replay window, unless what it asked was
/// done before. To a stream it goes as a message to be stored. The letter stays where it is.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hms dlq replay 17")]
pub struct Replay {
    /// Its sequence, as `hms dlq list` shows it
    sequence: u64,
    /// How long the answer may take, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = request::TIMEOUT_MS)]
    timeout_ms: u64,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Dlq {
    pub async fn run(self) -> Outcome {
        match self {
            Self::List(list) => list.run().await,
            Self::Show(show) => show.run().await,
            Self::Replay(replay) => replay.run().await,
        }
    }
}

/// A dead letter.
struct Letter {
    stored: Stored,
}

impl Letter {
    async fn get(port: &Arc<dyn Port>, sequence: u64) -> Outcome<Self> {
        match port.get(stream::DLQ, sequence).await? {
            Some(stored) => Ok(Self { stored }),
            None => Err(Stop::say(Exit::Bad, format_args!("no dead letter {sequence}"))),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.stored.headers.get(name).unwrap_or("-")
    }

    /// The core that gave up on it.
    fn core(&self) -> &str {
        self.stored.subject.rsplit('.').next().unwrap_or_default()
    }

    fn summary(&self) -> Value {
        json!({
            "sequence": self.stored.sequence, "at_unix_ms": self.stored.time_unix_ms, "core": self.core(),
            "subject": self.header(header::DLQ_SUBJECT), "type": self.stored.headers.get(header::TYPE),
            "reason": self.header(header::DLQ_REASON),
        })
    }

    /// What it says, as far as it can be read; else its bytes.
    fn body(&self) -> Value {
        to_json(&self.stored.body, MAX_CLEARING_BODY_BYTES)
            .unwrap_or_else(|_| Value::String(data_encoding::HEXLOWER.encode(&self.stored.body)))
    }

    /// The headers that it was sent with.
    fn headers(&self) -> Headers {
        let ours = [header::DLQ_SUBJECT, header::DLQ_REASON];
        let sent = self.stored.headers.iter().filter(|(name, _)| !ours.contains(name));
        sent.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

impl List {
    async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let letters =
            port.read(stream::DLQ, &subject::all_dead_letters(), 0).await?.into_iter().map(|stored| Letter { stored });
        let mut letters = letters.filter(|letter| self.core.as_deref().is_none_or(|core| core == letter.core()));
        if self.json {
            return letters.try_for_each(|letter| output::json(&letter.summary()));
        }
        let rows = letters.map(|letter| {
            [
                letter.stored.sequence.to_string(),
                output::time(letter.stored.time_unix_ms),
                letter.core().to_owned(),
                letter.header(header::DLQ_SUBJECT).to_owned(),
                letter.header(header::DLQ_REASON).to_owned(),
            ]
        });
        output::table(["SEQUENCE", "AT", "CORE", "SUBJECT", "REASON"], rows.collect(), "no dead letters")
    }
}

impl Show {
    async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let letter = Letter::get(&port, self.sequence).await?;
        let mut shown = letter.summary();
        if let Some(fields) = shown.as_object_mut() {
            let headers = letter.headers();
            let headers = headers.iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
            fields.insert("headers".to_owned(), Value::Object(headers));
            fields.insert("body".to_owned(), letter.body());
        }
        if self.json { output::json(&shown) } else { output::pretty(&shown) }
    }
}

impl Replay {
    async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let letter = Letter::get(&port, self.sequence).await?;
        let to = letter.stored.headers.get(header::DLQ_SUBJECT).ok_or_else(|| {
            Stop::say(Exit::Bad, format_args!("dead letter {} does not say where it was going", self.sequence))
        })?;
        if subject::parse_intent(to).is_ok() {
            let record = Record::new(to, letter.stored.body.clone()).with_headers(letter.headers());
            let sequences = port.append(stream::MARKET, vec![record]).await?;
            let told = json!({ "subject": to, "stored": sequences.first() });
            return if self.json { output::json(&told) } else { output::line(format_args!("stored on {to}")) };
        }
        let message = Message::new(to, letter.stored.body.clone()).with_headers(letter.headers());
        match request::send(port.as_ref(), message, self.timeout_ms).await? {
            Reply::Answer(answer) => {
                let body = to_json(&answer.body, MAX_CLEARING_BODY_BYTES).unwrap_or(Value::Null);
                if self.json { output::json(&body) } else { output::pretty(&body) }
            }
            Reply::Refused(refused) => Err(Stop::new(Exit::Bad, refused)),
        }
    }
}
