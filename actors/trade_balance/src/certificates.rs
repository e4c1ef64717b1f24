//! `trade_balance.price`: the market in import certificates.
//!
//! Who exports is issued certificates, who imports needs them, and trade balances where their price is free (Buffett,
//! 2003). All pay and take one price: the one that excess demand finds, as in a call auction. Demand falls and supply
//! rises with the price in steps, at the limits that orders name, so only those prices are looked at, exactly.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use schemas::core::{Call, Core};
use schemas::trade::{CertificateMarket, CertificateOrder, CertificatePrice, ExcessDemand, Fill, Side};
use schemas::{AgentId, ErrorReply, Rational};
use terms::{Exact, TermsError};

use crate::SERVICE;
use crate::whole::largest_remainder;

/// Finds the price of import certificates.
#[derive(Debug, Clone, Copy, Default)]
pub struct CertificatePrices;

impl Core for CertificatePrices {
    const SERVICE: &'static str = SERVICE;
    const VERB: &'static str = "price";
    type Request = CertificateMarket;
    type Reply = CertificatePrice;

    fn handle(&self, request: CertificateMarket, _: &Call) -> Result<CertificatePrice, ErrorReply> {
        let curve = curve(&request.orders)?;
        let level = |at: &ExcessDemand| at.demand.min(at.supply);
        let order = |at: &ExcessDemand| (Reverse(level(at)), at.excess.unsigned_abs());
        let Some(best) = curve.iter().filter(|at| level(at) > 0).map(order).min() else {
            return Ok(CertificatePrice { price: None, level: 0, fills: Vec::new(), curve });
        };
        // By rising price: excess demand falls, so those with some left stand before those with none.
        let mut alike = curve.iter().filter(|at| order(at) == best);
        let lowest_without = alike.clone().find(|at| at.excess <= 0);
        let Some(best) = lowest_without.or_else(|| alike.next_back()) else {
            return Ok(CertificatePrice { price: None, level: 0, fills: Vec::new(), curve });
        };
        let (price, level) = (best.price, level(best));
        let mut fills = Vec::new();
        for side in [Side::Buy, Side::Sell] {
            fills.extend(filled(&request.orders, side, price, level)?);
        }
        fills.sort_by_key(|fill| fill.order);
        Ok(CertificatePrice { price: Some(price), level, fills, curve })
    }
}

/// Whether an order would trade at a price.
fn trades(order: &CertificateOrder, price: Rational) -> bool {
    match order.side {
        Side::Buy => order.limit >= price,
        Side::Sell => order.limit <= price,
    }
}

/// Demand and supply at each limit, by rising price.
fn curve(orders: &[CertificateOrder]) -> Result<Vec<ExcessDemand>, ErrorReply> {
    let prices: BTreeSet<Rational> = orders.iter().map(|order| order.limit).collect();
    let mut rising: Vec<&CertificateOrder> = orders.iter().collect();
    rising.sort_by_key(|order| order.limit);
    let sum = |side: Side| {
        rising.iter().filter(|order| order.side == side).map(|order| i128::from(order.quantity)).sum::<i128>()
    };
    let (mut demand, mut supply) = (sum(Side::Buy), 0_i128);
    let (mut selling, mut leaving) = (rising.iter().peekable(), rising.iter().peekable());
    let fits = |number: i128| i64::try_from(number).map_err(|_| TermsError::Overflow("a sum of orders"));
    let mut curve = Vec::with_capacity(prices.len());
    for price in prices {
        while let Some(order) = selling.next_if(|order| order.limit <= price) {
            supply += if order.side == Side::Sell { i128::from(order.quantity) } else { 0 };
        }
        while let Some(order) = leaving.next_if(|order| order.limit < price) {
            demand -= if order.side == Side::Buy { i128::from(order.quantity) } else { 0 };
        }
        let (demand, supply) = (fits(demand)?, fits(supply)?);
        curve.push(ExcessDemand { price, demand, supply, excess: demand - supply });
    }
    Ok(curve)
}

/// What the orders of one side get of the level: those with room to spare all they ask for, best limits first; those of
/// one limit in proportion to what they ask for.
fn filled(orders: &[CertificateOrder], side: Side, price: Rational, level: i64) -> Result<Vec<Fill>, ErrorReply> {
    let mut trading: Vec<(u32, &CertificateOrder)> =
        (0..).zip(orders).filter(|(_, order)| order.side == side && trades(order, price)).collect();
    trading.sort_by_key(|(index, order)| match side {
        Side::Buy => (Reverse(Some(order.limit)), None, *index),
        Side::Sell => (Reverse(None), Some(order.limit), *index),
    });
    let mut left = level;
    let mut fills = Vec::new();
    for alike in trading.chunk_by(|(_, a), (_, b)| a.limit == b.limit) {
        let asked: i128 = alike.iter().map(|(_, order)| i128::from(order.quantity)).sum();
        let given = i64::try_from(asked.min(left.into())).map_err(|_| TermsError::Overflow("a fill"))?;
        let whole = Exact::wide(asked).inverse().unwrap_or_else(Exact::zero).times(given);
        let parts: Vec<Exact> = alike.iter().map(|(_, order)| whole.times(order.quantity)).collect();
        // They stand by index, so one name for all makes ties fall by index.
        let ids: Vec<&AgentId> = alike.iter().filter_map(|_| alike.first().map(|(_, order)| &order.party)).collect();
        for ((index, _), quantity) in alike.iter().zip(largest_remainder(&parts, given, &[], &ids)?) {
            if quantity > 0 {
                fills.push(Fill { order: *index, quantity });
            }
        }
        left -= given;
    }
    Ok(fills)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::agent;

    fn order(party: &str, side: Side, quantity: i64, limit: &str) -> CertificateOrder {
        CertificateOrder { party: agent(party), side, quantity, limit: limit.parse().unwrap() }
    }

    fn ask(orders: Vec<CertificateOrder>) -> CertificatePrice {
        CertificatePrices.handle(CertificateMarket { orders }, &Call::default()).unwrap()
    }

    #[test]
    fn a_call_auction_by_hand() {
        // At 3/100 demand is 70 and supply 60; at 1/20 they are 30 and 100.
        let reply = ask(vec![
            order("ghana", Side::Sell, 60, "1/50"),
            order("kenya", Side::Sell, 40, "1/20"),
            order("mali", Side::Buy, 30, "1/10"),
            order("chad", Side::Buy, 25, "3/100"),
            order("togo", Side::Buy, 15, "3/100"),
            order("niger", Side::Buy, 99, "1/100"),
        ]);
        assert_eq!((reply.price.unwrap().to_string().as_str(), reply.level), ("3/100", 60));
        // mali is served; chad and togo share the other 30 as 25 to 15: 18.75 and 11.25.
        let fills: Vec<_> = reply.fills.iter().map(|fill| (fill.order, fill.quantity)).collect();
        assert_eq!(fills, [(0, 60), (2, 30), (3, 19), (4, 11)]);
        let curve: Vec<_> =
            reply.curve.iter().map(|at| (at.price.to_string(), at.demand, at.supply, at.excess)).collect();
        let expected = [
            ("1/100", 169, 0, 169),
            ("1/50", 70, 60, 10),
            ("3/100", 70, 60, 10),
            ("1/20", 30, 100, -70),
            ("1/10", 30, 100, -70),
        ];
        assert_eq!(curve, expected.map(|(price, demand, supply, excess)| (price.to_owned(), demand, supply, excess)));
    }

    #[test]
    fn nobody_trades_where_nobody_agrees() {
        let reply = ask(vec![order("ghana", Side::Sell, 60, "1/2"), order("mali", Side::Buy, 30, "1/3")]);
        assert!(reply.price.is_none() && reply.fills.is_empty() && reply.level == 0);
        assert!(ask(vec![]).curve.is_empty());
    }

    proptest! {
        #[test]
        fn nobody_pays_too_much_and_what_is_sold_is_bought(
            orders in proptest::collection::vec((any::<bool>(), 1i64..1_000_000_000, 0i64..20), 0..30),
        ) {
            let orders: Vec<_> = orders.iter().map(|(buys, quantity, limit)| {
                order("p", if *buys { Side::Buy } else { Side::Sell }, *quantity, &limit.to_string())
            }).collect();
            let reply = ask(orders.clone());
            let sum = |side| reply.fills.iter().filter(|fill| orders[fill.order as usize].side == side).map(|fill| fill.quantity).sum::<i64>();
            prop_assert_eq!((sum(Side::Buy), sum(Side::Sell)), (reply.level, reply.level));
            for fill in &reply.fills {
                let order = &orders[fill.order as usize];
                prop_assert!(fill.quantity <= order.quantity && trades(order, reply.price.unwrap()));
            }
            // No price lets more change hands, and demand falls and supply rises.
            for at in &reply.curve {
                prop_assert!(at.demand.min(at.supply) <= reply.level);
            }
            prop_assert!(reply.curve.windows(2).all(|w| w[0].demand >= w[1].demand && w[0].supply <= w[1].supply));
        }
    }
}
