//! Why an offer got nothing.
//!
//! # Design
//!
//! The reasons are tried from the plainest on, each on the whole market as it was stated: does the offer give and
//! want anything, does anybody want and give it, does a chain of goods lead back within the allowed number of
//! parties, is there a ring on it that contents everyone, does that ring move a lot at all? What passes every one of
//! these was outbid. Prices enter at the last three alone, so that *no ring* never stands for *too dear*.

use std::collections::{BTreeMap, BTreeSet};

use schemas::clearing::LeftOutOffer;
use schemas::market::LeftOut;

use crate::closed::Steps;
use crate::divisible::Relaxed;
use crate::fixed::ONE;
use crate::fixed::guide;
use crate::instance::Instance;
use crate::rings::Search;
use crate::round::{Book, hops, objective_of, repair};
use crate::stopwatch::Watch;
use crate::table::{GiveId, GoodId, PartyId, SeatId, Table};

/// Seats looked at for one offer.
const EFFORT: u64 = 20_000;
/// Rings tried in whole lots for one offer.
const RINGS_TRIED: usize = 16;
/// Names listed before "and others".
const NAMES: usize = 4;

/// Says for every offer without a ring why it has none.
pub(crate) fn left_out(instance: &Instance, relaxed: &Relaxed, book: &Book<'_>, watch: &Watch) -> Vec<LeftOutOffer> {
    let mut served: Table<PartyId, bool> = Table::like(&instance.parties, false);
    for (seats, _) in book.rings() {
        for seat in seats {
            served[instance.seats[*seat].party] = true;
        }
    }
    let mut asking = Asking {
        instance,
        relaxed,
        book,
        empty: Book::new(instance),
        chains: Chains::of(instance),
        search: Search::new(instance, watch, 100),
    };
    asking.search.ignore_worth();
    let unserved = instance.parties.ids().filter(|party| !served[*party]);
    unserved
        .map(|party| {
            let (reason, detail) = asking.why(party);
            LeftOutOffer { agent: instance.parties[party].agent.clone(), reason, detail }
        })
        .collect()
}

/// How goods lead to each other, prices aside.
struct Chains {
    /// From a good, the goods that some party would give for it.
    onward: Table<GoodId, Vec<GoodId>>,
    /// From a good, how many steps lead to each other one: found when it is asked for.
    steps: Table<GoodId, Option<Steps>>,
    /// In how many hops a chain can bring each good to somebody, where one can.
    hops: Steps,
}

impl Chains {
    fn of(instance: &Instance) -> Self {
        let mut onward = Table::like(&instance.goods, BTreeSet::new());
        let mut sources: BTreeSet<GoodId> = BTreeSet::new();
        for (_, party) in instance.parties.iter() {
            let gives: BTreeSet<GoodId> =
                party.gives().filter(|g| instance.gives[*g].limit > 0).map(|g| instance.gives[g].good).collect();
            let takes: BTreeSet<GoodId> =
                party.takes().filter(|t| instance.takes[*t].limit > 0).map(|t| instance.takes[t].good).collect();
            for take in takes {
                onward[take].extend(gives.iter().filter(|give| **give != take));
            }
            if party.starts.is_some() {
                sources
                    .extend(party.gives().filter(|g| instance.gives_for_nothing(*g)).map(|g| instance.gives[g].good));
            }
        }
        let mut of_goods = Table::new();
        for (_, goods) in onward.iter() {
            of_goods.push(goods.iter().copied().collect());
        }
        let sources: Vec<GoodId> = sources.into_iter().collect();
        let hops = Steps::of(&sources, &of_goods, usize::MAX);
        Self { steps: Table::like(&of_goods, None), hops, onward: of_goods }
    }

    /// Whether goods and limits allow a chain in which the party gives, or receives.
    fn reach(&self, instance: &Instance, party: PartyId, wanted: &BTreeSet<GoodId>) -> bool {
        let row = &instance.parties[party];
        if row.starts.is_some() {
            let is_wanted = |give: &GiveId| !instance.goods[instance.gives[*give].good].takers.is_empty();
            return row.gives().any(|give| instance.gives_for_nothing(give) && is_wanted(&give));
        }
        // The hop that brings it is one more than the steps to it.
        wanted.iter().any(|good| self.hops.to(*good).is_some_and(|steps| steps < instance.max_chain))
    }

    /// The parties in the shortest ring that turns one good into another wanted one: itself, and one for each step.
    fn shortest_ring(&mut self, from: GoodId, wanted: &BTreeSet<GoodId>) -> Option<usize> {
        if self.steps[from].is_none() {
            self.steps[from] = Some(Steps::of(&[from], &self.onward, usize::MAX));
        }
        let steps = self.steps[from].as_ref()?;
        wanted.iter().filter(|good| **good != from).filter_map(|good| steps.to(*good)).min().map(|steps| steps + 1)
    }
}

struct Asking<'a, 'b> {
    instance: &'a Instance,
    relaxed: &'b Relaxed,
    book: &'b Book<'a>,
    /// Without a ring: what would be possible if nobody else were there.
    empty: Book<'a>,
    chains: Chains,
    search: Search<'a>,
}

impl Asking<'_, '_> {
    fn why(&mut self, party: PartyId) -> (LeftOut, String) {
        let instance = self.instance;
        let row = &instance.parties[party];
        let given: BTreeSet<GoodId> = row.gives().map(|g| instance.gives[g].good).collect();
        let wanted: BTreeSet<GoodId> = row.takes().map(|t| instance.takes[t].good).collect();
        if instance.max_chain > 0 && self.chains.reach(instance, party, &wanted) {
            let detail = if self.relaxed.complete {
                "a chain could have moved something here, but others made more of the same goods"
            } else {
                "a chain could have moved something here, but time ran out"
            };
            return (LeftOut::Outbid, detail.into());
        }
        if given.is_empty() {
            return (LeftOut::NothingToGive, "it gives nothing, and what it wants comes in exchange only".into());
        }
        if wanted.is_empty() {
            return (LeftOut::NothingWanted, "it wants nothing, so nothing can come back to it".into());
        }
        if row.gives().all(|g| instance.gives[g].limit == 0) {
            return (LeftOut::TooSmall, format!("what it gives is less than a lot: {}", self.lots(&given)));
        }
        if row.takes().all(|t| instance.takes[t].limit == 0) {
            return (LeftOut::TooSmall, format!("what it wants is less than a lot: {}", self.lots(&wanted)));
        }
        let is_wanted = |good: &GoodId| instance.goods[*good].takers.iter().any(|t| instance.takes[*t].party != party);
        if !given.iter().any(is_wanted) {
            return (LeftOut::NobodyWantsIt, format!("nobody else wants {}", self.names(&given)));
        }
        let is_given = |good: &GoodId| instance.goods[*good].givers.iter().any(|g| instance.gives[*g].party != party);
        if !wanted.iter().any(is_given) {
            return (LeftOut::NobodyGivesIt, format!("nobody else gives {}", self.names(&wanted)));
        }
        let chains = &mut self.chains;
        let shortest = given.iter().filter_map(|good| chains.shortest_ring(*good, &wanted)).min();
        match shortest {
            None => {
                let detail =
                    format!("no chain of exchanges leads from {} to {}", self.names(&given), self.names(&wanted));
                return (LeftOut::NoRing, detail);
            }
            Some(parties) if parties > instance.max_ring => {
                let detail = format!(
                    "the shortest ring from {} to {} takes {parties} parties, and rings have at most {}",
                    self.names(&given),
                    self.names(&wanted),
                    instance.max_ring
                );
                return (LeftOut::NoRing, detail);
            }
            Some(_) => {}
        }
        self.why_at_these_prices(party)
    }

    /// Goods and limits allow a ring: do prices and lots?
    fn why_at_these_prices(&mut self, party: PartyId) -> (LeftOut, String) {
        let instance = self.instance;
        let mut nearest: i128 = 0;
        let (mut tried, mut possible) = (0, None);
        let mut complete = true;
        for give in instance.parties[party].gives() {
            if instance.seats_of[give].is_empty() {
                continue;
            }
            let explored = self.search.explore(give, -1, EFFORT, &mut |seats, _| {
                tried += 1;
                possible = repair(instance, seats, self.empty.room(seats)).map(|given| (seats.to_vec(), given));
                // No ring is worth more than the largest number: it ends the search.
                if possible.is_some() || tried >= RINGS_TRIED { i128::MAX } else { -1 }
            });
            complete &= explored.complete;
            if self.search.is_out_of_time() {
                break;
            }
            nearest = nearest.max(self.search.best_product(give));
            if possible.is_some() || tried >= RINGS_TRIED {
                break;
            }
        }
        match possible {
            Some((seats, given)) => self.why_not_this(party, &seats, &given),
            None if tried > 0 => (
                LeftOut::TooSmall,
                "the rings that would content everyone move less than one unit or lot of some good".into(),
            ),
            None if !complete => {
                (LeftOut::PricedOut, "no ring that contents everyone was found in the time there was".into())
            }
            None if nearest > 0 && nearest < ONE => {
                let short = 100.0 * (1.0 / guide(nearest) - 1.0);
                (
                    LeftOut::PricedOut,
                    format!(
                        "in the best ring that it could join, values fall short of costs and margins by at least {short:.1} %"
                    ),
                )
            }
            None => (LeftOut::PricedOut, "no ring contents everyone at the stated values, costs and margins".into()),
        }
    }

    /// A ring was possible, and is not there.
    fn why_not_this(&self, party: PartyId, seats: &[SeatId], given: &[i64]) -> (LeftOut, String) {
        let instance = self.instance;
        let others: Vec<&str> = seats
            .iter()
            .map(|s| instance.seats[*s].party)
            .filter(|p| *p != party)
            .map(|p| instance.parties[p].agent.as_str())
            .collect();
        let mine = seats.iter().position(|seat| instance.seats[*seat].party == party).unwrap_or(0);
        let quantity = |at: usize| {
            let at = at % seats.len().max(1);
            let good = seats.get(at).map(|seat| &instance.goods[instance.gives_good(*seat)]);
            match (given.get(at), good) {
                (Some(quantity), Some(good)) => format!("{quantity} {} of {}", good.unit, good.name),
                _ => String::new(),
            }
        };
        let offer =
            format!("{} for {} in a ring with {}", quantity(mine + seats.len() - 1), quantity(mine), others.join(", "));
        let room = self.book.room(seats);
        if let Some(left) = repair(instance, seats, room.clone())
            && objective_of(instance, seats, &left).is_ok_and(|brings| brings > 0)
        {
            return if self.relaxed.complete {
                (
                    LeftOut::TooSmall,
                    format!(
                        "it could have had up to {offer}, but what the others left is too little to be worth a ring"
                    ),
                )
            } else {
                (LeftOut::Outbid, format!("it could have had up to {offer}, but time ran out"))
            };
        }
        let bottleneck = hops(instance, seats)
            .zip(&room)
            .min_by_key(|(_, room)| **room)
            .map(|((give, take), _)| self.bottleneck(party, give, instance.takes[take].party));
        (
            LeftOut::Outbid,
            format!(
                "it could have had up to {offer}, but others made more of the same goods{}",
                bottleneck.unwrap_or_default()
            ),
        )
    }

    fn bottleneck(&self, party: PartyId, give: GiveId, taker: PartyId) -> String {
        let instance = self.instance;
        let giver = instance.gives[give].party;
        let good = &instance.goods[instance.gives[give].good].name;
        let name = |of: PartyId| if of == party { "it" } else { instance.parties[of].agent.as_str() };
        format!(": what {} gives or {} wants of {good} is taken", name(giver), name(taker))
    }

    fn names(&self, goods: &BTreeSet<GoodId>) -> String {
        let mut names: Vec<&str> =
            goods.iter().take(NAMES).map(|good| self.instance.goods[*good].name.as_str()).collect();
        if goods.len() > NAMES {
            names.push("others");
        }
        match names.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        }
    }

    fn lots(&self, goods: &BTreeSet<GoodId>) -> String {
        let lots: BTreeMap<&str, String> = goods
            .iter()
            .take(NAMES)
            .map(|good| &self.instance.goods[*good])
            .map(|good| (good.name.as_str(), format!("{} comes in lots of {} {}", good.name, good.lot, good.unit)))
            .collect();
        lots.into_values().collect::<Vec<_>>().join(", ")
    }
}
