//! Rings that a clearing before this one found: a start for the search, and no more than that.
//!
//! Markets change little from one clearing to the next, so rings that were good are likely to be good again. What no
//! longer fits (a party that is gone, a want that it changed, a ring that would not content everyone now) is passed
//! over in silence: nothing here is promised to anybody.

use std::collections::{BTreeMap, BTreeSet};

use schemas::clearing::Ring;

use crate::fixed::{ONE, times_up};
use crate::instance::Instance;
use crate::table::{PartyId, SeatId};

/// The seats of those rings that can still be.
pub(crate) fn seats(instance: &Instance, rings: &[Ring]) -> Vec<Vec<SeatId>> {
    if rings.is_empty() {
        return Vec::new();
    }
    let parties: BTreeMap<&str, PartyId> =
        instance.parties.iter().map(|(id, party)| (party.agent.as_str(), id)).collect();
    rings.iter().filter_map(|ring| of_ring(instance, &parties, ring)).collect()
}

fn of_ring(instance: &Instance, parties: &BTreeMap<&str, PartyId>, ring: &Ring) -> Option<Vec<SeatId>> {
    if ring.hops.len() < 2 || ring.hops.len() > instance.max_ring {
        return None;
    }
    let before = ring.hops.iter().cycle().skip(ring.hops.len() - 1);
    let mut seated = BTreeSet::new();
    let mut seats = Vec::with_capacity(ring.hops.len());
    for (received, given) in before.zip(&ring.hops) {
        let party = *parties.get(given.from.as_str())?;
        if received.to != given.from || !seated.insert(party) {
            return None;
        }
        let row = &instance.parties[party];
        let give = row.gives().find(|give| instance.goods[instance.gives[*give].good].name == given.good)?;
        let take = row.takes().find(|take| {
            let take = &instance.takes[*take];
            instance.wants[take.want].index == received.want && instance.goods[take.good].name == received.good
        })?;
        seats.push(*instance.seats_of[give].iter().find(|seat| instance.seats[**seat].take == take)?);
    }
    let product = seats.iter().fold(ONE, |product, seat| times_up(product, instance.seats[*seat].rate.hi));
    (product >= ONE).then_some(seats)
}
