//! `hms top`: the bus at a glance, again and again.

use std::{
    io::{self, IsTerminal},
    pin::pin,
    sync::Arc,
    thread,
};

use clap::{Args, ValueEnum};
use futures::{
    StreamExt,
    channel::mpsc::{UnboundedSender, unbounded},
    future::{Either, select},
    stream::{self as streams, BoxStream},
};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyModifiers},
};
use runtime::port::{Followed, Port, ReadError, Start, Stored};
use schemas::{event::DealEvent, job::TaskEvent, limit::MAX_CLEARING_BODY_BYTES, stream, subject};

use crate::{
    bus::BusArgs,
    exit::{Exit, OrExit, Outcome, Stop},
    output,
    roll::{self, Question},
    top::{Board, Order, Sample, frame},
};

/// Watch the bus at a glance: agents, deals by state, rates, the slowest services, who keeps up, and gates
///
/// Keys: q ends, s sorts by something else, p pauses. Each refresh costs the bus one `$SRV.STATS` and three questions
/// about streams; deals and jobs are followed by a consumer each, which begins with the last entry of each. Rates are those since
/// the refresh before. What stands in the logs is counted as it stands there, unverified.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms top
  hms top --every-ms 5000 --sort rate
  hms top --once --json | jq .deals")]
pub struct Top {
    #[command(flatten)]
    bus: BusArgs,
    /// How often it is refreshed, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(200..=3_600_000))]
    every_ms: u64,
    /// By what the services are sorted at first
    #[arg(long, value_name = "ORDER", value_enum, default_value_t = Sort::Slowest)]
    sort: Sort,
    /// Print one frame as text, after one refresh, and end
    #[arg(long)]
    once: bool,
    /// Print JSON, with --once
    #[arg(long, requires = "once")]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    Slowest,
    Rate,
    Errors,
    Name,
}

impl From<Sort> for Order {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Slowest => Self::Slowest,
            Sort::Rate => Self::Rate,
            Sort::Errors => Self::Errors,
            Sort::Name => Self::Name,
        }
    }
}

/// What comes to the board.
enum Came {
    Sample(Outcome<Sample>),
    Log(Followed),
    Job(Followed),
    Key(Key),
}

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    End,
    Sort,
    Pause,
    /// The terminal has another size.
    Draw,
}

impl Top {
    pub async fn run(self) -> Outcome {
        if !self.once && !io::stdout().is_terminal() {
            return Err(Stop::say(Exit::Usage, "standard output is no terminal: --once prints one frame"));
        }
        let port = self.bus.connect_as("hms-top").await?;
        let server = port.server();
        let board = Board::of(format!("{} ({})", server.url, server.version), self.sort.into());
        let log = port.follow(stream::DEALS, &[subject::all_deal_logs()], Start::LastPerSubject).await?;
        let jobs = port.follow(stream::TASKS, &[subject::all_task_logs()], Start::LastPerSubject).await?;
        let coming: [BoxStream<'static, Came>; 3] = [
            log.map(Came::Log).boxed(),
            jobs.map(Came::Job).boxed(),
            samples(port.clone(), self.every_ms).map(Came::Sample).boxed(),
        ];
        let coming = streams::select_all(coming).boxed();
        let mut view = View { port, board };
        if self.once { self.print(&mut view, coming).await } else { show(&mut view, coming).await }
    }

    /// Waits until all deals are counted and there are rates, and prints.
    async fn print(&self, view: &mut View, mut coming: BoxStream<'static, Came>) -> Outcome {
        let mut left_to_count = 2;
        while left_to_count > 0 || !view.board.has_rates() {
            match coming.next().await {
                Some(Came::Log(Followed::CaughtUp) | Came::Job(Followed::CaughtUp)) => left_to_count -= 1,
                Some(came) => view.take(came).await?,
                None => break,
            }
        }
        if self.json {
            return output::json(&serde_json::to_value(view.board.told()).or_exit(Exit::Bad)?);
        }
        frame::text(&view.board).or_exit(Exit::Bad)?.iter().try_for_each(output::line)
    }
}

/// Shows the board on the terminal until somebody ends it.
async fn show(view: &mut View, coming: BoxStream<'static, Came>) -> Outcome {
    let (tell, keys) = unbounded();
    let mut screen = Screen(ratatui::try_init().or_exit(Exit::Bad)?);
    thread::spawn(move || listen(&tell));
    let mut coming = streams::select_all([coming, keys.map(Came::Key).boxed()]);
    let mut interrupted = pin!(runtime::interrupted());
    while let Either::Right((Some(came), _)) = select(interrupted.as_mut(), coming.next()).await {
        // Entries come by thousands: what they say is shown with the next sample.
        let is_shown = !matches!(came, Came::Log(_) | Came::Job(_));
        match came {
            Came::Key(Key::End) => break,
            Came::Key(Key::Sort) => view.board.order = view.board.order.next(),
            Came::Key(Key::Pause) => view.board.is_paused = !view.board.is_paused,
            Came::Key(Key::Draw) => {}
            // It may come back: what was seen last stays, with a word.
            Came::Sample(Err(stop)) => view.board.trouble = stop.error.map(|error| format!("{error:#}")),
            came => view.take(came).await?,
        }
        if is_shown {
            screen.0.draw(|frame| frame::draw(&view.board, frame)).or_exit(Exit::Bad)?;
        }
    }
    Ok(())
}

/// The board, and where what it doesn't know is asked.
struct View {
    port: Arc<dyn Port>,
    board: Board,
}

impl View {
    async fn take(&mut self, came: Came) -> Outcome {
        match came {
            Came::Sample(sample) => self.board.sampled(sample?),
            Came::Log(Followed::Entry(stored)) => {
                // What is no entry is named by `hms deal verify --all`.
                if let Ok(event) = schemas::decode::<DealEvent>(&stored.body, MAX_CLEARING_BODY_BYTES) {
                    self.board.deals.heard(&event);
                }
            }
            Came::Job(Followed::Entry(stored)) => self.job(&stored).await?,
            Came::Log(Followed::CaughtUp) | Came::Job(Followed::CaughtUp) | Came::Key(_) => {}
        }
        Ok(())
    }

    async fn job(&mut self, stored: &Stored) -> Outcome {
        let read = |stored: &Stored| schemas::decode::<TaskEvent>(&stored.body, MAX_CLEARING_BODY_BYTES).ok();
        let Some(event) = read(stored) else { return Ok(()) };
        if self.board.gates.is_news(&event) {
            let entries = self.port.read(stream::TASKS, &stored.subject, 0).await?;
            let before = entries.iter().filter(|entry| entry.sequence < stored.sequence);
            before.filter_map(read).for_each(|event| self.board.gates.heard(&event));
        }
        self.board.gates.heard(&event);
        Ok(())
    }
}

/// The terminal, given back as it was.
struct Screen(DefaultTerminal);

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Hands keys on until nobody wants them. It blocks in between, so it has a thread of its own, which ends with the
/// process.
fn listen(tell: &UnboundedSender<Key>) {
    while let Ok(event) = event::read() {
        let key = match event {
            Event::Key(key) => meaning(key.code, key.modifiers),
            Event::Resize(..) => Some(Key::Draw),
            _ => None,
        };
        if let Some(key) = key
            && tell.unbounded_send(key).is_err()
        {
            return;
        }
    }
}

fn meaning(code: KeyCode, with: KeyModifiers) -> Option<Key> {
    match code {
        // A terminal in raw mode sends no signal.
        KeyCode::Char('c') if with.contains(KeyModifiers::CONTROL) => Some(Key::End),
        KeyCode::Char('q') | KeyCode::Esc => Some(Key::End),
        KeyCode::Char('s') => Some(Key::Sort),
        KeyCode::Char('p' | ' ') => Some(Key::Pause),
        _ => None,
    }
}

/// A sample now, and then one at each refresh.
fn samples(port: Arc<dyn Port>, every_ms: u64) -> BoxStream<'static, Outcome<Sample>> {
    let begun = (port, 0_i64);
    streams::unfold(begun, move |(port, next_unix_ms)| async move {
        port.sleep_until(next_unix_ms).await;
        let next_unix_ms = port.now_unix_ms().saturating_add(i64::try_from(every_ms).unwrap_or(i64::MAX));
        let sample = sample(&port, every_ms / 2).await;
        Some((sample, (port, next_unix_ms)))
    })
    .boxed()
}

async fn sample(port: &Arc<dyn Port>, wait_ms: u64) -> Outcome<Sample> {
    let at_unix_ms = port.now_unix_ms();
    // Those who take longer are counted the next time.
    let instances = roll::call(port, Question::Stats, wait_ms.min(300)).await?;
    let last =
        |state: Result<runtime::port::StreamState, ReadError>| state.map(|state| (state.last_seq, state.messages));
    let (log_sequence, _) = last(port.stream_state(stream::DEALS).await)?;
    let (intent_sequence, _) = last(port.stream_state(stream::MARKET).await)?;
    let (_, agents) = last(port.stream_state(&stream::of_bucket(stream::AGENTS)).await)?;
    Ok(Sample { at_unix_ms, instances, log_sequence, intent_sequence, agents })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_the_last_line_says() {
        let none = KeyModifiers::NONE;
        for (code, with, means) in [
            (KeyCode::Char('q'), none, Some(Key::End)),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, Some(Key::End)),
            (KeyCode::Char('c'), none, None),
            (KeyCode::Char('s'), none, Some(Key::Sort)),
            (KeyCode::Char('p'), none, Some(Key::Pause)),
            (KeyCode::Enter, none, None),
        ] {
            assert_eq!(meaning(code, with), means, "{code:?}");
        }
    }
}
