//! What changes hands, added up. What one party gives another receives, so for each good the nets of all
//! parties sum to nought; a set of lines that does not is no set of transfers.

use std::collections::{BTreeMap, BTreeSet};

use schemas::deal::Transfer;
use schemas::{AgentId, Good};

use crate::error::TermsError;

/// What each party received less what it gave, by party and good, in the good's minor units.
pub type Nets = BTreeMap<(AgentId, Good), i64>;

/// The nets of some transfers, for every (party, good) that any of them touches, a net of 0 included.
///
/// # Errors
/// [`TermsError::Overflow`] when a net does not fit 64 bits.
pub fn nets(transfers: &[Transfer]) -> Result<Nets, TermsError> {
    let mut sums: BTreeMap<(AgentId, Good), i128> = BTreeMap::new();
    for transfer in transfers {
        let quantity = i128::from(transfer.quantity.get());
        for (party, signed) in [(&transfer.from, -quantity), (&transfer.to, quantity)] {
            let sum = sums.entry((party.clone(), transfer.good.clone())).or_default();
            *sum = sum.checked_add(signed).ok_or(TermsError::Overflow("a party's net"))?;
        }
    }
    let fits = |(key, sum)| Ok((key, i64::try_from(sum).map_err(|_| TermsError::Overflow("a party's net"))?));
    sums.into_iter().map(fits).collect()
}

/// Whether the nets of every good sum to nought.
#[must_use]
pub fn is_conserved<'a>(nets: impl IntoIterator<Item = (&'a Good, i64)>) -> bool {
    let mut totals: BTreeMap<&Good, i128> = BTreeMap::new();
    for (good, net) in nets {
        // 2⁶⁴ lines of 63 bits would fit.
        *totals.entry(good).or_default() += i128::from(net);
    }
    totals.values().all(|total| *total == 0)
}

/// Who gives anything, by id.
pub fn givers(transfers: &[Transfer]) -> BTreeSet<&AgentId> {
    transfers.iter().map(|transfer| &transfer.from).collect()
}

/// Who receives anything, by id.
pub fn receivers(transfers: &[Transfer]) -> BTreeSet<&AgentId> {
    transfers.iter().map(|transfer| &transfer.to).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::Quantity;

    use super::*;

    fn transfer(from: &str, to: &str, good: &str, quantity: i64) -> Transfer {
        Transfer {
            from: AgentId::parse(from).unwrap(),
            to: AgentId::parse(to).unwrap(),
            good: Good::parse(good).unwrap(),
            quantity: Quantity::new(quantity).unwrap(),
            due_unix_ms: 0,
            intent: None,
        }
    }

    fn net(nets: &Nets, party: &str, good: &str) -> i64 {
        nets[&(AgentId::parse(party).unwrap(), Good::parse(good).unwrap())]
    }

    #[test]
    fn a_relay_nets_out() {
        let transfers = [transfer("a", "b", "tea", 10), transfer("b", "c", "tea", 10), transfer("c", "a", "usd", 7)];
        let nets = nets(&transfers).unwrap();
        assert_eq!(nets.len(), 5);
        assert_eq!((net(&nets, "a", "tea"), net(&nets, "b", "tea"), net(&nets, "c", "tea")), (-10, 0, 10));
        assert_eq!((net(&nets, "a", "usd"), net(&nets, "c", "usd")), (7, -7));
        assert_eq!(givers(&transfers).iter().map(|a| a.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(receivers(&transfers[..2]).iter().map(|a| a.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn sums_beyond_64_bits_are_an_error_only_where_they_stay() {
        let much = i64::MAX;
        let out = [transfer("a", "b", "tea", much), transfer("a", "c", "tea", much)];
        assert_eq!(nets(&out), Err(TermsError::Overflow("a party's net")));
        let back = [transfer("a", "b", "tea", much), transfer("a", "b", "tea", much), transfer("b", "a", "tea", much)];
        assert_eq!(net(&nets(&back).unwrap(), "a", "tea"), -much);
    }

    #[test]
    fn a_line_too_many_is_noticed() {
        let (tea, usd) = (Good::parse("tea").unwrap(), Good::parse("usd").unwrap());
        assert!(is_conserved([(&tea, 3), (&tea, -3), (&usd, 0)]));
        assert!(!is_conserved([(&tea, 3), (&tea, -2), (&usd, -1)]));
        assert!(!is_conserved([(&tea, i64::MIN), (&tea, i64::MAX)]));
    }

    proptest! {
        #[test]
        fn transfers_conserve_every_good_in_any_order(
            moves in proptest::collection::vec((0usize..5, 1usize..5, 0usize..3, 1i64..=1_000_000_000_000), 0..40),
            at in any::<prop::sample::Index>(),
        ) {
            let mut transfers: Vec<_> = moves.iter().map(|(from, step, good, quantity)| {
                transfer(&format!("p{from}"), &format!("p{}", (from + step) % 5), &format!("g{good}"), *quantity)
            }).collect();
            let before = nets(&transfers).unwrap();
            prop_assert!(is_conserved(before.iter().map(|((_, good), net)| (good, *net))));
            if !transfers.is_empty() {
                let middle = at.index(transfers.len());
                transfers.rotate_left(middle);
            }
            prop_assert_eq!(nets(&transfers).unwrap(), before);
        }
    }
}
