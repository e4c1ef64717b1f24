//! What is taken back of a deal that failed.
//!
//! Nothing that was not delivered stays on the books, and whoever did not deliver keeps nothing of what the others gave
//! for it. What others have received of each other is theirs.

use std::collections::BTreeSet;

use schemas::AgentId;
use schemas::deal::Transfer;

/// The transfers that are taken back where these were not delivered, by index, in order. Indices of no transfer are
/// passed over.
#[must_use]
pub fn taken_back(transfers: &[Transfer], undelivered: &[u32]) -> Vec<u32> {
    let is_missing = |index: u32| undelivered.contains(&index);
    let indexed = || (0_u32..).zip(transfers);
    let broke: BTreeSet<&AgentId> = indexed().filter(|(index, _)| is_missing(*index)).map(|(_, t)| &t.from).collect();
    let back = indexed().filter(|(index, transfer)| is_missing(*index) || broke.contains(&transfer.to));
    back.map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(names: &[&str]) -> Vec<Transfer> {
        let next = names.iter().cycle().skip(1);
        let transfer = |(from, to): (&&str, &&str)| Transfer {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            good: "tea".parse().unwrap(),
            quantity: schemas::Quantity::new(1).unwrap(),
            due_unix_ms: 0,
            intent: None,
        };
        names.iter().zip(next).map(transfer).collect()
    }

    #[test]
    fn who_did_not_deliver_keeps_nothing() {
        let swap = ring(&["kenya", "chad"]);
        assert_eq!(taken_back(&swap, &[1]), [0, 1], "the payment goes back, though it was confirmed");
        assert_eq!(taken_back(&swap, &[]), [0_u32; 0]);
        assert_eq!(taken_back(&swap, &[7]), [0_u32; 0], "no such transfer");
        let four = ring(&["kenya", "chad", "mali", "togo"]);
        assert_eq!(taken_back(&four, &[1]), [0, 1], "chad gave mali nothing: what kenya gave chad goes back");
        assert_eq!(taken_back(&four, &[3, 0, 3]), [0, 2, 3]);
    }
}
