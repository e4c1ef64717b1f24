//! What the outcome of a negotiation means: the terms that it makes, the same bytes for everybody.
//!
//! A party never sends terms that it made up: it names an outcome, and desk, parties and whoever replays the talk each
//! fill in the domain's patterns themselves. So what was negotiated and what is signed cannot differ.

use schemas::body::{Check, Refused};
use schemas::deal::{Terms, Transfer};
use schemas::negotiation::{Domain, Pattern};
use schemas::{AgentId, MarketId, Quantity};

/// Why an outcome makes no terms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTerms {
    /// It is not one choice for each issue of the domain.
    #[error("it is no outcome of this domain")]
    Outside,
    /// What it makes is no terms: nothing changes hands, or not for everybody.
    #[error("the terms that it makes are none: {0}")]
    Unsound(#[from] Refused),
}

/// The terms that an outcome makes for whoever sits on these seats.
///
/// # Errors
/// See [`NoTerms`].
pub fn terms_of(
    domain: &Domain,
    seats: &[AgentId],
    book: &MarketId,
    expires_unix_ms: i64,
    outcome: &[u32],
) -> Result<Terms, NoTerms> {
    if !domain.has(outcome) {
        return Err(NoTerms::Outside);
    }
    let mut transfers = Vec::new();
    for pattern in &domain.transfers {
        transfers.extend(transfer(domain, pattern, seats, outcome)?);
    }
    let mut parties = seats.to_vec();
    parties.sort();
    let terms =
        Terms { book: book.clone(), parties, transfers, delivery: domain.delivery, expires_unix_ms, award: None };
    terms.check()?;
    Ok(terms)
}

/// What a pattern makes of an outcome; nothing where the quantity is 0.
fn transfer(
    domain: &Domain,
    pattern: &Pattern,
    seats: &[AgentId],
    outcome: &[u32],
) -> Result<Option<Transfer>, NoTerms> {
    let chosen = |name| {
        let (at, issue) = domain.issue(name)?;
        Some((*outcome.get(at)?, issue))
    };
    let number = |name| chosen(name).and_then(|(choice, issue)| issue.number(choice)).ok_or(NoTerms::Outside);
    let mut units = pattern.factor.get();
    for name in &pattern.times {
        units = units.checked_mul(number(name)?).ok_or(NoTerms::Outside)?;
    }
    let Ok(quantity) = Quantity::new(units) else { return Ok(None) };
    let good = match &pattern.good_by {
        Some(name) => chosen(name).and_then(|(choice, _)| pattern.goods.get(choice as usize)),
        None => pattern.goods.first(),
    };
    let delay_ms = pattern.due_by.as_ref().map_or(Ok(0), number)?;
    let seat = |seat: u32| seats.get(seat as usize).cloned().ok_or(NoTerms::Outside);
    Ok(Some(Transfer {
        from: seat(pattern.from)?,
        to: seat(pattern.to)?,
        good: good.cloned().ok_or(NoTerms::Outside)?,
        quantity,
        due_unix_ms: pattern.due_unix_ms.checked_add(delay_ms).ok_or(NoTerms::Outside)?,
        intent: None,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::deal::Delivery;
    use schemas::negotiation::Issue;

    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn issue(name: &str, least: i64, step: i64, count: u32) -> Issue {
        Issue { name: name.parse().unwrap(), least, step: Quantity::new(step).unwrap(), count, labels: Vec::new() }
    }

    fn pattern(from: u32, to: u32, goods: &[&str], factor: i64, times: &[&str]) -> Pattern {
        Pattern {
            from,
            to,
            goods: goods.iter().map(|good| good.parse().unwrap()).collect(),
            good_by: None,
            factor: Quantity::new(factor).unwrap(),
            times: times.iter().map(|name| name.parse().unwrap()).collect(),
            due_unix_ms: 1_000,
            due_by: None,
        }
    }

    /// How much of what at what price, when, and whether it is insured.
    fn sale() -> Domain {
        let issues = vec![
            issue("insured", 0, 1, 2),
            issue("sort", 0, 1, 2),
            issue("quantity", 100, 10, 41),
            issue("price", 5, 1, 6),
            issue("delay", 0, DAY_MS, 30),
        ];
        let goods = Pattern {
            good_by: Some("sort".parse().unwrap()),
            due_by: Some("delay".parse().unwrap()),
            ..pattern(0, 1, &["tea", "coffee"], 1, &["quantity"])
        };
        let transfers = vec![
            goods,
            pattern(1, 0, &["usd"], 100, &["quantity", "price"]),
            pattern(1, 0, &["usd"], 2_000, &["insured"]),
        ];
        Domain { issues, transfers, delivery: Delivery::Confirmed }
    }

    fn seats() -> Vec<AgentId> {
        ["kenya", "egypt"].map(|name| name.parse().unwrap()).to_vec()
    }

    fn made(outcome: &[u32]) -> Result<Terms, NoTerms> {
        terms_of(&sale(), &seats(), &"africa".parse().unwrap(), 500, outcome)
    }

    #[test]
    fn issues_pick_quantity_good_and_date() {
        let terms = made(&[1, 1, 2, 3, 4]).unwrap();
        let rows: Vec<_> = terms
            .transfers
            .iter()
            .map(|t| (t.from.as_str(), t.to.as_str(), t.good.as_str(), t.quantity.get(), t.due_unix_ms))
            .collect();
        let paid = ("egypt", "kenya", "usd");
        assert_eq!(
            rows,
            [
                ("kenya", "egypt", "coffee", 120, 1_000 + 4 * DAY_MS),
                (paid.0, paid.1, paid.2, 120 * 8 * 100, 1_000),
                (paid.0, paid.1, paid.2, 2_000, 1_000),
            ]
        );
        assert_eq!(terms.parties, ["egypt", "kenya"].map(|name| name.parse().unwrap()));
    }

    #[test]
    fn what_is_nought_is_no_transfer() {
        assert_eq!(made(&[0, 0, 0, 0, 0]).unwrap().transfers.len(), 2);
    }

    #[test]
    fn an_outcome_is_one_choice_for_each_issue() {
        for outside in [&[][..], &[0, 0, 0, 0], &[0, 0, 0, 0, 0, 0], &[0, 2, 0, 0, 0], &[0, 0, 41, 0, 0]] {
            assert_eq!(made(outside), Err(NoTerms::Outside), "{outside:?}");
        }
    }

    #[test]
    fn terms_in_which_nobody_gives_are_none() {
        let nothing = Domain {
            issues: vec![issue("quantity", 0, 1, 2)],
            transfers: vec![pattern(0, 1, &["tea"], 1, &["quantity"])],
            delivery: Delivery::Immediate,
        };
        let of = |outcome: &[u32]| terms_of(&nothing, &seats(), &"africa".parse().unwrap(), 500, outcome);
        assert!(matches!(of(&[0]), Err(NoTerms::Unsound(_))));
        assert!(of(&[1]).is_ok());
    }

    proptest! {
        #[test]
        fn different_outcomes_make_different_terms(
            a in (0u32..2, 0u32..2, 0u32..41, 0u32..6, 0u32..30), b in (0u32..2, 0u32..2, 0u32..41, 0u32..6, 0u32..30),
        ) {
            let of = |(insured, sort, quantity, price, delay)| made(&[insured, sort, quantity, price, delay]).unwrap();
            prop_assert_eq!(a == b, of(a) == of(b));
        }
    }
}
