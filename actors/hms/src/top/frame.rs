//! The board as it is drawn, on a terminal or as text.

use std::convert::Infallible;

use ratatui::{
    Frame, Terminal,
    backend::TestBackend,
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Borders, Paragraph, Row, Table},
};
use schemas::profile::State;

use super::{Board, Fares};
use crate::standing::{AtGate, Wait};

/// The width of a frame that is printed, in columns.
const TEXT_WIDTH: u16 = 110;
/// Lines above and below the services.
const AROUND: u16 = 8;
/// A gate that is shown as urgent, in milliseconds before silence is a no.
const GATE_SOON_MS: i64 = 60_000;
/// A wait that is shown as one that should not be, in milliseconds.
const LONG_MS: i64 = 5_000;

/// Draws the board.
pub fn draw(board: &Board, frame: &mut Frame<'_>) {
    let [head, deals, services, keys] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(5), Constraint::Min(3), Constraint::Length(1)])
            .areas(frame.area());
    frame.render_widget(Paragraph::new(headline(board)), head);
    frame.render_widget(
        Paragraph::new(standing(board)).block(Block::new().borders(Borders::TOP).title(" deals ")),
        deals,
    );
    frame.render_widget(table(board), services);
    let paused = if board.is_paused { "paused: p goes on" } else { "p pauses" };
    let help = format!("q ends   s sorts by {} now   {paused}", board.order.as_str());
    frame.render_widget(Paragraph::new(help).style(Style::new().add_modifier(Modifier::DIM)), keys);
}

/// The board as text, as wide and as high as it needs.
///
/// # Errors
/// None: nothing is written anywhere.
pub fn text(board: &Board) -> Result<Vec<String>, Infallible> {
    let rows = u16::try_from(board.services().len()).unwrap_or(u16::MAX);
    let mut terminal = Terminal::new(TestBackend::new(TEXT_WIDTH, rows.saturating_add(AROUND)))?;
    terminal.draw(|frame| draw(board, frame))?;
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(usize::from(TEXT_WIDTH)).map(|cells| {
        let line: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned()
    });
    // The keys are of no use on paper.
    Ok(lines.take(usize::from(rows.saturating_add(AROUND - 1))).collect())
}

fn headline(board: &Board) -> Line<'static> {
    let time = jiff::Timestamp::from_millisecond(board.now.at_unix_ms).unwrap_or_default();
    let figures = format!(
        "  {}   {} agents   log {}/s   intents {}/s",
        time.strftime("%H:%M:%S"),
        board.now.agents,
        rate(board.log_rate()),
        rate(board.intent_rate())
    );
    let trouble = board.trouble.as_ref().map_or_else(String::new, |trouble| format!("   {trouble}"));
    let trouble = Span::styled(trouble, Style::new().fg(Color::Red));
    Line::from(vec![
        Span::styled(board.bus.clone(), Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(figures),
        trouble,
    ])
}

/// Where deals stand: those alive, those at their end, and who is waited for.
fn standing(board: &Board) -> Vec<Line<'static>> {
    let by_state = board.deals.by_state();
    let listed = |is_end: bool| {
        let states = by_state.iter().filter(|(state, _)| state.is_end() == is_end);
        Line::from(states.map(|(state, count)| format!("{state} {count}   ")).collect::<String>())
    };
    let wait = |who: &str, wait: Wait| {
        let said = match wait.deals {
            0 => format!("{who} keeps up   "),
            waiting => format!("{waiting} wait for {who}, the oldest {} ms   ", wait.oldest_ms),
        };
        let style = if wait.oldest_ms > LONG_MS { Style::new().fg(Color::Red) } else { Style::new() };
        Span::styled(said, style)
    };
    let now = board.now.at_unix_ms;
    let waits = vec![
        wait("the ledger", board.deals.waiting(State::Certified, now)),
        wait("proof", board.deals.waiting(State::Agreed, now)),
    ];
    vec![listed(false), listed(true), Line::from(waits), gates(board.gates.waiting(now))]
}

/// What waits for a human, whose silence is a no.
fn gates(gate: AtGate) -> Line<'static> {
    let Some(soonest_no_ms) = gate.soonest_no_ms else { return Line::from("nothing waits at the gates") };
    let said = format!(
        "{} wait at the gates for a human, the oldest {} ms; silence is a no in {} ms",
        gate.results,
        gate.oldest_ms,
        soonest_no_ms.max(0)
    );
    let style = Style::new().fg(if soonest_no_ms < GATE_SOON_MS { Color::Red } else { Color::Yellow });
    Line::from(Span::styled(said, style))
}

fn table(board: &Board) -> Table<'static> {
    let widths = [
        Constraint::Length(14),
        Constraint::Length(10),
        Constraint::Length(4),
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Length(11),
        Constraint::Length(11),
        Constraint::Length(9),
        Constraint::Min(10),
    ];
    let head = ["SERVICE", "ENDPOINT", "×", "REQ/S", "ERR/S", "MEAN MS", "REQUESTS", "ERRORS", "LAST ERROR"];
    let head = Row::new(head).style(Style::new().add_modifier(Modifier::REVERSED));
    Table::new(board.services().into_iter().map(row), widths).header(head)
}

fn row(of: Fares) -> Row<'static> {
    let style = if of.errors_per_s > 0.0 { Style::new().fg(Color::Red) } else { Style::new() };
    Row::new([
        of.service,
        of.endpoint,
        of.instances.to_string(),
        rate(of.requests_per_s),
        rate(of.errors_per_s),
        format!("{:.2}", of.mean_ms),
        of.requests.to_string(),
        of.errors.to_string(),
        of.last_error,
    ])
    .style(style)
}

fn rate(per_s: f64) -> String {
    if per_s < 10.0 { format!("{per_s:.1}") } else { format!("{per_s:.0}") }
}
