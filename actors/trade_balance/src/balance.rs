//! `trade_balance.balance`: what transfers sum to, pair by pair and party by party.

use std::collections::BTreeMap;

use schemas::core::{Call, Core};
use schemas::ledger::{Bilateral, Multilateral, TradeBalanceReply, TradeBalanceRequest};
use schemas::{AgentId, ErrorReply, Good};

use crate::SERVICE;

/// Adds transfers up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Balance;

impl Core for Balance {
    const SERVICE: &'static str = SERVICE;
    const VERB: &'static str = "balance";
    type Request = TradeBalanceRequest;
    type Reply = TradeBalanceReply;

    fn handle(&self, request: TradeBalanceRequest, _: &Call) -> Result<TradeBalanceReply, ErrorReply> {
        let mut pairs: BTreeMap<(&AgentId, &AgentId, &Good), i128> = BTreeMap::new();
        let mut parties: BTreeMap<(&AgentId, &Good), (i128, i128)> = BTreeMap::new();
        for (index, transfer) in request.transfers.iter().enumerate() {
            let (from, to, good) = (&transfer.from, &transfer.to, &transfer.good);
            if from == to {
                let place = format!("transfers[{index}].to");
                return Err(ErrorReply::refused("gives_to_itself", format!("{from} gives to itself")).at_field(&place));
            }
            // Far fewer than 2⁶⁴ transfers of 63 bits: 128 bits hold every sum.
            let quantity = i128::from(transfer.quantity.get());
            let (a, b, signed) = if from < to { (from, to, quantity) } else { (to, from, -quantity) };
            *pairs.entry((a, b, good)).or_default() += signed;
            parties.entry((from, good)).or_default().1 += quantity;
            parties.entry((to, good)).or_default().0 += quantity;
        }
        let bilateral = pairs.into_iter().filter(|(_, net)| *net != 0).map(|((a, b, good), net)| {
            let net = fits(net, a, good)?;
            Ok(Bilateral { a: a.clone(), b: b.clone(), good: good.clone(), net })
        });
        let multilateral = parties.into_iter().map(|((party, good), (received, given))| {
            Ok(Multilateral {
                party: party.clone(),
                good: good.clone(),
                received: fits(received, party, good)?,
                given: fits(given, party, good)?,
                balance: fits(received - given, party, good)?,
            })
        });
        Ok(TradeBalanceReply {
            bilateral: bilateral.collect::<Result<_, ErrorReply>>()?,
            multilateral: multilateral.collect::<Result<_, ErrorReply>>()?,
        })
    }
}

fn fits(sum: i128, party: &AgentId, good: &Good) -> Result<i64, ErrorReply> {
    i64::try_from(sum).map_err(|_| {
        ErrorReply::refused("overflow", format!("a sum of {good} of {party} does not fit 64 bits"))
            .at_field("transfers")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::deal::Transfer;

    use super::*;
    use crate::fixture::transfer;

    fn ask(transfers: Vec<Transfer>) -> Result<TradeBalanceReply, ErrorReply> {
        Balance.handle(TradeBalanceRequest { transfers }, &Call::default())
    }

    #[test]
    fn by_hand() {
        let reply = ask(vec![
            transfer("b", "a", "tea", 5),
            transfer("a", "b", "tea", 2),
            transfer("b", "c", "tea", 4),
            transfer("a", "b", "usd", 7),
            transfer("b", "a", "usd", 7),
        ])
        .unwrap();
        let pairs: Vec<_> =
            reply.bilateral.iter().map(|p| (p.a.as_str(), p.b.as_str(), p.good.as_str(), p.net)).collect();
        assert_eq!(pairs, [("a", "b", "tea", -3), ("b", "c", "tea", 4)]);
        let lines: Vec<_> = reply
            .multilateral
            .iter()
            .map(|m| (m.party.as_str(), m.good.as_str(), m.received, m.given, m.balance))
            .collect();
        assert_eq!(
            lines,
            [
                ("a", "tea", 5, 2, 3),
                ("a", "usd", 7, 7, 0),
                ("b", "tea", 2, 9, -7),
                ("b", "usd", 7, 7, 0),
                ("c", "tea", 4, 0, 4)
            ]
        );
    }

    #[test]
    fn nothing_sums_to_nothing_and_too_much_is_refused() {
        let nothing = ask(vec![]).unwrap();
        assert!(nothing.bilateral.is_empty() && nothing.multilateral.is_empty());
        let error = ask(vec![transfer("a", "b", "tea", i64::MAX), transfer("a", "b", "tea", 1)]).unwrap_err();
        assert_eq!((error.code, error.rule.as_deref()), (422, Some("overflow")));
        let error = ask(vec![transfer("a", "b", "tea", 1), transfer("b", "b", "tea", 1)]).unwrap_err();
        assert_eq!((error.rule.as_deref(), error.field.as_deref()), (Some("gives_to_itself"), Some("transfers[1].to")));
    }

    proptest! {
        #[test]
        fn every_good_sums_to_nought_and_pairs_explain_parties(
            moves in proptest::collection::vec((0usize..5, 1usize..5, 0usize..3, 1i64..=1_000_000_000_000), 0..40),
        ) {
            let name = |at: usize| format!("p{at}");
            let reply = ask(moves.iter().map(|(from, step, good, quantity)| {
                transfer(&name(*from), &name((from + step) % 5), &format!("g{good}"), *quantity)
            }).collect()).unwrap();
            for good in ["g0", "g1", "g2"] {
                let of = reply.multilateral.iter().filter(|m| m.good.as_str() == good);
                prop_assert_eq!(of.map(|m| m.balance).sum::<i64>(), 0);
            }
            for line in &reply.multilateral {
                let explained: i64 = reply.bilateral.iter().filter(|p| p.good == line.good).map(|p| {
                    if p.a == line.party { -p.net } else if p.b == line.party { p.net } else { 0 }
                }).sum();
                prop_assert_eq!(explained, line.balance);
            }
        }
    }
}
