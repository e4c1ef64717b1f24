//! Divisions: published examples, laws, and refusals.

mod laws;
mod many;
mod patience;
mod refusals;
mod textbook;

use schemas::ErrorReply;
use schemas::core::{Call, Core};
use schemas::division::{
    Bargain, Claimant, Coalition, Divide as Request, Divided, Game, GameKind, Payment, Pot, Room, Rule, Span,
};
use schemas::value::PartyValuation;

use super::Divide;
use crate::fixture::{agent, good};

pub(super) fn request(rule: Rule) -> Request {
    Request { rule, pot: None, bargain: None, game: None, seed: 0, samples: None, confidence_ppm: None }
}

pub(super) fn ask(request: Request) -> Result<Divided, ErrorReply> {
    schemas::body::Check::check(&request).map_err(schemas::body::DecodeError::from)?;
    <Divide>::default().handle(request, &Call::default())
}

pub(super) fn claimant(party: &str, least_minor: i64, most_minor: Option<i64>) -> Claimant {
    Claimant { party: agent(party), least_minor, most_minor, weight: None }
}

pub(super) fn pot(rule: Rule, amount_minor: i64, claimants: Vec<Claimant>) -> Result<Divided, ErrorReply> {
    ask(Request { pot: Some(Pot { amount_minor, claimants }), ..request(rule) })
}

pub(super) fn bargain(
    rule: Rule,
    terms: schemas::deal::Terms,
    valuations: Vec<PartyValuation>,
    room: Room,
) -> Result<Divided, ErrorReply> {
    ask(Request { bargain: Some(Bargain { terms, valuations, room, weights: Vec::new() }), ..request(rule) })
}

pub(super) fn room(spans: &[(u32, i64, i64)], payment: Option<i64>) -> Room {
    Room {
        spans: spans
            .iter()
            .map(|(transfer, least, most)| Span { transfer: *transfer, least: *least, most: *most })
            .collect(),
        payment: payment.map(|most| Payment { good: good("usd"), most, due_unix_ms: None }),
    }
}

/// A game of players a, b, c, … with numbers.
pub(super) fn numbers(kind: GameKind, numbers: &[i64], total: Option<i64>, worth_minor: Option<i64>) -> Game {
    Game { numbers: numbers.to_vec(), total, worth_minor, ..game(kind, numbers.len(), &[]) }
}

/// A game of so many players, a, b, c, …, and what sets of them are worth, each named by its letters.
pub(super) fn game(kind: GameKind, players: usize, coalitions: &[(&str, i64)]) -> Game {
    let name = |index: usize| {
        let letter = char::from(b'a' + u8::try_from(index % 26).unwrap());
        if index < 26 { agent(&letter.to_string()) } else { agent(&format!("{letter}{}", index / 26)) }
    };
    Game {
        players: (0..players).map(name).collect(),
        kind,
        coalitions: coalitions
            .iter()
            .map(|(members, worth_minor)| Coalition {
                members: members.chars().map(|letter| agent(&letter.to_string())).collect(),
                worth_minor: *worth_minor,
            })
            .collect(),
        numbers: Vec::new(),
        total: None,
        worth_minor: None,
        allocation: Vec::new(),
    }
}

pub(super) fn play(rule: Rule, game: Game) -> Result<Divided, ErrorReply> {
    ask(Request { game: Some(game), ..request(rule) })
}

pub(super) fn amounts(divided: &Divided) -> Vec<i64> {
    divided.shares.iter().map(|share| share.amount_minor).collect()
}

pub(super) fn gains(divided: &Divided) -> Vec<i64> {
    divided.shares.iter().map(|share| share.gain_minor).collect()
}
