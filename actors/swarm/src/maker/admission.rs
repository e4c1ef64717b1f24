//! Whether an intent may stand in a market: signed by its agent, about this market and this agent, of
//! goods that the market knows, at values inside its band.
//!
//! The band matters because welfare compares parties in one unit and the mechanism is not
//! strategy-proof: stating ten times one's values would eat everyone's gains. What is refused is told to
//! the agent, with the field and the reason, and laid with the dead letters.

use std::collections::{BTreeMap, BTreeSet};

use num_bigint::BigInt;
use schemas::body::{self, Refused};
use schemas::limit::MAX_BODY_BYTES;
use schemas::market::{Intent, IntentWithdrawn, Market};
use schemas::signature::Sender;
use schemas::value::Bounds;
use schemas::{AgentId, Good, MarketId, Message, Rational, decode};

#[cfg(test)]
mod tests;

/// Reads what stands on an agent's subject: its intent, or none when it withdrew it. An empty body is what a
/// last-value stream keeps of a deleted message.
///
/// # Errors
/// The field at fault, and why.
pub fn read(market: &MarketId, agent: &AgentId, bytes: &[u8]) -> Result<Option<Intent>, Refused> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let refused = |error: body::DecodeError| match error {
        body::DecodeError::Field(refused) => refused,
        other => Refused::new(other.field().to_owned(), other.to_string()),
    };
    let kind = body::type_of(bytes, MAX_BODY_BYTES).map_err(refused)?;
    let (said, of_market, of_agent) = if kind == IntentWithdrawn::TYPE {
        let withdrawn: IntentWithdrawn = decode(bytes, MAX_BODY_BYTES).map_err(refused)?;
        (None, withdrawn.market, withdrawn.agent)
    } else {
        let intent: Intent = decode(bytes, MAX_BODY_BYTES).map_err(refused)?;
        let (of_market, of_agent) = (intent.market.clone(), intent.agent.clone());
        (Some(intent), of_market, of_agent)
    };
    if of_market != *market {
        return Err(Refused::new("market", format!("is {of_market}, on the subject of {market}")));
    }
    if of_agent != *agent {
        return Err(Refused::new("agent", format!("is {of_agent}, on the subject of {agent}")));
    }
    Ok(said)
}

/// Checks an intent against its market.
///
/// # Errors
/// The field at fault, and why.
pub fn check(market: &Market, intent: &Intent) -> Result<(), Refused> {
    for (index, give) in intent.gives.iter().enumerate() {
        check_good(market, &give.good, give.cost, &format!("gives[{index}]"), "cost")?;
    }
    let mut wanted: BTreeMap<&Good, usize> = BTreeMap::new();
    for (index, want) in intent.wants.iter().enumerate() {
        for (at, alternative) in want.any_of.iter().enumerate() {
            let place = format!("wants[{index}].any_of[{at}]");
            check_good(market, &alternative.good, alternative.value, &place, "value")?;
            if let Some(other) = wanted.insert(&alternative.good, index).filter(|other| *other != index) {
                // An acceptance states one value for each good, so two wants of one good could not differ.
                let reason = format!("{} stands in wants[{other}] too", alternative.good);
                return Err(Refused::new(format!("{place}.good"), reason));
            }
        }
    }
    Ok(())
}

fn check_good(market: &Market, good: &Good, stated: Bounds, place: &str, field: &str) -> Result<(), Refused> {
    let Some(spec) = market.good(good) else {
        return Err(Refused::new(format!("{place}.good"), format!("the market {} knows no {good}", market.market)));
    };
    let Some(price) = spec.reference_price else { return Ok(()) };
    let outside = |end: &str, value: Rational, limit: Rational, word: &str| {
        let reason = format!("{value} is {word} {limit} times {good}'s reference price of {price}");
        Err(Refused::new(format!("{place}.{field}.{end}"), reason))
    };
    if less_than(stated.lo, market.band.lo, price) {
        return outside("lo", stated.lo, market.band.lo, "less than");
    }
    if more_than(stated.hi, market.band.hi, price) {
        return outside("hi", stated.hi, market.band.hi, "more than");
    }
    Ok(())
}

/// value < factor · price, exactly.
fn less_than(value: Rational, factor: Rational, price: Rational) -> bool {
    let (left, right) = cross(value, factor, price);
    left < right
}

/// value > factor · price, exactly.
fn more_than(value: Rational, factor: Rational, price: Rational) -> bool {
    let (left, right) = cross(value, factor, price);
    left > right
}

/// Both sides of `value ? factor·price` over one (positive) denominator.
fn cross(value: Rational, factor: Rational, price: Rational) -> (BigInt, BigInt) {
    let big = |part: i64| BigInt::from(part);
    let left = big(value.numerator()) * big(factor.denominator()) * big(price.denominator());
    let right = big(factor.numerator()) * big(price.numerator()) * big(value.denominator());
    (left, right)
}

/// Guards one market against messages that were said before. A stored message verifies for ever, so an
/// old intent could be sent again by anyone, whole, and would stand as if its agent had renewed it.
#[derive(Debug, Clone, Default)]
pub struct Replays {
    last: BTreeMap<AgentId, (i64, BTreeSet<String>)>,
}

impl Replays {
    /// Whether this signature is new: made around the time that the message was stored, not before the
    /// agent's last one, and not seen. Times have whole seconds, so signatures of the same second count
    /// by what they are.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn admit(&mut self, agent: &AgentId, sender: &Sender, stored_unix_ms: i64) -> Result<(), Refused> {
        let field = schemas::header::SENDER;
        sender.check_fresh(stored_unix_ms).map_err(|stale| Refused::new(field, stale.to_string()))?;
        let signed_unix_ms = sender.unix_ms().map_err(|bad| Refused::new(field, bad.to_string()))?;
        let (last, seen) = self.last.entry(agent.clone()).or_insert((signed_unix_ms, BTreeSet::new()));
        if signed_unix_ms < *last {
            return Err(Refused::new(field, "signed before the agent's last message: sent again by somebody"));
        }
        if signed_unix_ms > *last {
            (*last, *seen) = (signed_unix_ms, BTreeSet::new());
        }
        if !seen.insert(sender.sig.clone()) {
            return Err(Refused::new(field, "this very message was here before: sent again by somebody"));
        }
        Ok(())
    }
}

/// When a message with this `Nats-TTL` header is gone, for one stored at `stored_unix_ms`; `None` when
/// it stays. Whole seconds, or a number with `s`, `m` or `h`, as ADR-43 writes them.
#[must_use]
pub fn expiry_unix_ms(ttl: Option<&str>, stored_unix_ms: i64) -> Option<i64> {
    let ttl = ttl?.trim();
    let (digits, unit_ms) = match ttl.char_indices().next_back()? {
        (at, 's') => (ttl.get(..at)?, 1_000),
        (at, 'm') => (ttl.get(..at)?, 60_000),
        (at, 'h') => (ttl.get(..at)?, 3_600_000),
        _ => (ttl, 1_000),
    };
    let count: i64 = digits.parse().ok()?;
    stored_unix_ms.checked_add(count.checked_mul(unit_ms)?)
}
