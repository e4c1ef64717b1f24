//! A clearing as the search sees it: read, checked, numbered.
//!
//! # Design
//!
//! A ring is a cycle of *seats*. A seat is a party that receives by one alternative of one want and gives
//! one good: all that decides whether the party is content in a ring is its seat, whoever sits beside it.
//! So prices, quantities and verdicts belong to seats, and a good is where the giving half of one seat
//! meets the receiving half of the next.
//!
//! Everything is counted in whole lots; a good without a lot has lots of one minor unit. A seat's *rate* is
//! the most that it can give for each unit received. It is not only v·φ⁺ / ((1 + μ)·c·φ⁻): a ring moves at
//! least a lot on every hop, so no rate exceeds what the seat can give at most over the smallest lot that it
//! can receive, and where only a few lots fit, the best of those few counts. That costs nothing (no
//! ring of whole lots is lost) and is what makes the linear relaxation tight for lots: where every party
//! gives one lot for one lot, the rates are one, whatever the values, and the relaxation is the cycle
//! formulation of barter exchange (Abraham, Blum and Sandholm, 2007).
//!
//! # What it refuses
//!
//! Goods that the market does not have, values outside its band, objectives that the goods do not bear.
//! A seat that would receive and give the same good is left out: it could only pass the good on, and the
//! ring without it is at least as good.
//!
//! # Chains
//!
//! A chain is a ring in which one hop moves *nothing*: whoever wants nothing and gives for nothing receives it, and
//! whoever is last gives it. Nothing has no limit, no price and no worth, so it has no rows in any programme; one unit
//! of it stands for the whole hop. What follows a chain's start is taut as in any ring, and its last party is slack, so
//! the rays of a chain are the chains that end earlier or there, each found from its start. No lane leads out of
//! nothing but from a start: so no search strings chains together.

use std::collections::{BTreeMap, BTreeSet};

use schemas::clearing::{Clear, Objective, Offer};
use schemas::value::{Bounds, Outlook};
use schemas::{Code, ErrorReply, Good, Rational};
use terms::{Exact, Exchange, Factors, Hop, PPB};

use crate::closed::{self, Lengths, Way};
use crate::fixed::Between;
use crate::rows::{Give, GoodRow, Lane, Party, Seat, Take, WantRow};
use crate::shares::shares_for;
use crate::stopwatch::Watch;
use crate::table::{GiveId, GoodId, Id, LaneId, PartyId, SeatId, Table, TakeId, WantId};

/// Most seats in one clearing: what a few seconds of computing can use, and what a node can hold.
const MAX_SEATS: usize = 1_000_000;
/// Up to so many lots to receive, a rate is the best of the whole lots that fit.
const FEW_LOTS: i64 = 32;
/// Reading may take this share of the time limit, in percent.
const READING_PERCENT: u32 = 40;

/// A clearing, numbered.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) objective: Objective,
    /// Longest ring, in parties.
    pub(crate) max_ring: usize,
    /// Longest chain, in hops; 0 where there are none.
    pub(crate) max_chain: usize,
    /// What moves on the hop that makes a ring of a chain.
    nothing: Option<GoodId>,
    /// The outlook read last, and its factors: most offers share one.
    outlook: Option<(Outlook, Factors)>,
    pub(crate) goods: Table<GoodId, GoodRow>,
    pub(crate) parties: Table<PartyId, Party>,
    pub(crate) gives: Table<GiveId, Give>,
    pub(crate) wants: Table<WantId, WantRow>,
    pub(crate) takes: Table<TakeId, Take>,
    pub(crate) seats: Table<SeatId, Seat>,
    pub(crate) lanes: Table<LaneId, Lane>,
    /// The lanes that receive a good.
    pub(crate) out_of: Table<GoodId, Vec<LaneId>>,
    /// The lanes that give a good.
    pub(crate) into: Table<GoodId, Vec<LaneId>>,
    /// The seats that give by a give.
    pub(crate) seats_of: Table<GiveId, Vec<SeatId>>,
    /// Whether there was time to seat everyone.
    pub(crate) all_seated: bool,
}

impl Instance {
    /// Reads and checks a clearing.
    ///
    /// # Errors
    /// A refusal (422) naming the field.
    pub(crate) fn read(request: &Clear, watch: &Watch) -> Result<Self, ErrorReply> {
        let mut instance = Self::goods_of(request)?;
        instance.allow_chains(request)?;
        let names: BTreeMap<&str, GoodId> =
            request.goods.iter().enumerate().map(|(row, spec)| (spec.good.as_str(), GoodId::of(row))).collect();
        let mut offers: Vec<(usize, &Offer)> = request.offers.iter().enumerate().collect();
        offers.sort_by(|a, b| a.1.agent.cmp(&b.1.agent));
        for (place, offer) in offers {
            instance.seat_offer(request, &names, place, offer)?;
        }
        instance.scale_goods();
        instance.weigh();
        instance.seat_everyone(watch)?;
        Ok(instance)
    }

    fn goods_of(request: &Clear) -> Result<Self, ErrorReply> {
        let mut goods = Table::new();
        for (index, spec) in request.goods.iter().enumerate() {
            if request.objective == Objective::Volume && spec.reference_price.is_none() {
                return Err(ErrorReply::refused(
                    "no_reference_price",
                    format!("volume counts goods at reference prices, and {} has none", spec.good),
                )
                .at_field(&format!("goods[{index}].reference_price")));
            }
            if request.objective == Objective::Served && spec.lot.is_none() {
                return Err(ErrorReply::refused(
                    "objective",
                    format!("served counts participations, which bears on goods in lots; {} has no lot, and could be split without end", spec.good),
                )
                .at_field("objective"));
            }
            goods.push(GoodRow {
                name: spec.good.clone(),
                unit: spec.unit.clone(),
                lot: spec.lot.map_or(1, schemas::Quantity::get),
                in_lots: spec.lot.is_some(),
                reference_price: spec.reference_price,
                scale: 0,
                givers: Vec::new(),
                takers: Vec::new(),
            });
        }
        Ok(Self {
            objective: request.objective,
            max_ring: request.max_ring as usize,
            max_chain: request.max_chain.unwrap_or(0) as usize,
            nothing: None,
            outlook: None,
            lanes: Table::new(),
            out_of: Table::like(&goods, Vec::new()),
            into: Table::like(&goods, Vec::new()),
            goods,
            parties: Table::new(),
            gives: Table::new(),
            wants: Table::new(),
            takes: Table::new(),
            seats: Table::new(),
            seats_of: Table::new(),
            all_seated: true,
        })
    }

    fn seat_offer(
        &mut self,
        request: &Clear,
        names: &BTreeMap<&str, GoodId>,
        place: usize,
        offer: &Offer,
    ) -> Result<(), ErrorReply> {
        let at = |field: String| format!("offers[{place}].{field}");
        let find = |good: &Good, field: String| {
            names.get(good.as_str()).copied().ok_or_else(|| {
                ErrorReply::refused("unknown_good", format!("the market has no {good}")).at_field(&at(field))
            })
        };
        let factors = match &self.outlook {
            Some((outlook, factors)) if *outlook == offer.outlook => *factors,
            _ => Factors::of(&offer.outlook, request.days.into()).map_err(ErrorReply::from)?,
        };
        self.outlook = Some((offer.outlook.clone(), factors));
        let party = PartyId::of(self.parties.len());
        let (first_give, first_take) = (self.gives.len(), self.takes.len());
        for (index, give) in offer.gives.iter().enumerate() {
            let good = find(&give.good, format!("gives[{index}].good"))?;
            // Whoever starts a chain gives for nothing, whatever the band.
            if !(self.nothing.is_some() && offer.wants.is_empty() && give.cost.hi == Rational::ZERO) {
                self.check_band(request.band, good, give.cost, || at(format!("gives[{index}].cost")))?;
            }
            let limit = whole_lots(give.limit.get(), self.goods[good].lot);
            let id =
                self.gives.push(Give { party, good, limit, cost: give.cost, loss: Between::NOTHING, loss_guide: 0.0 });
            if limit > 0 {
                self.goods[good].givers.push(id);
            }
        }
        for (index, want) in offer.wants.iter().enumerate() {
            let limits: Vec<i64> = want.any_of.iter().map(|a| a.limit.get()).collect();
            let index_u32 = u32::try_from(index).unwrap_or(u32::MAX);
            let takes = self.takes.len()..self.takes.len() + limits.len();
            let row = self.wants.push(WantRow { index: index_u32, shares: shares_for(&limits), takes });
            for (which, alternative) in want.any_of.iter().enumerate() {
                let field = |rest: &str| format!("wants[{index}].any_of[{which}].{rest}");
                let good = find(&alternative.good, field("good"))?;
                self.check_band(request.band, good, alternative.value, || at(field("value")))?;
                let full = alternative.limit.get();
                let limit = whole_lots(full, self.goods[good].lot);
                let take = Take {
                    party,
                    want: row,
                    good,
                    limit,
                    full,
                    value: alternative.value,
                    gain: Between::NOTHING,
                    gain_guide: 0.0,
                };
                let id = self.takes.push(take);
                if limit > 0 {
                    self.goods[good].takers.push(id);
                }
            }
        }
        let (gives, takes) = (first_give..self.gives.len(), first_take..self.takes.len());
        let (ends, starts) = self.seat_in_chains(party, offer);
        self.parties.push(Party {
            agent: offer.agent.clone(),
            place,
            factors,
            margin_ppm: offer.margin_ppm.max(request.margin_ppm),
            gives,
            takes,
            ends,
            starts,
        });
        Ok(())
    }

    /// Adds what moves between a chain's end and its start, where chains are allowed.
    fn allow_chains(&mut self, request: &Clear) -> Result<(), ErrorReply> {
        if request.max_chain.is_some() {
            let name = Good::parse("nothing").map_err(|error| ErrorReply::new(Code::Internal, error.to_string()))?;
            self.nothing = Some(self.goods.push(GoodRow {
                name,
                unit: String::new(),
                lot: 1,
                in_lots: false,
                reference_price: None,
                scale: 0,
                givers: Vec::new(),
                takers: Vec::new(),
            }));
            (self.out_of, self.into) = (Table::like(&self.goods, Vec::new()), Table::like(&self.goods, Vec::new()));
        }
        Ok(())
    }

    /// How a party ends chains, or starts them.
    fn seat_in_chains(&mut self, party: PartyId, offer: &Offer) -> (Option<GiveId>, Option<TakeId>) {
        let Some(good) = self.nothing else { return (None, None) };
        let worthless = Bounds::exactly(Rational::ZERO);
        if offer.wants.is_empty() {
            let at = self.takes.len();
            let want = self.wants.push(WantRow { index: 0, shares: 1, takes: at..at + 1 });
            let (limit, full, value, gain, gain_guide) = (1, 1, worthless, Between::NOTHING, 0.0);
            let take = self.takes.push(Take { party, want, good, limit, full, value, gain, gain_guide });
            self.goods[good].takers.push(take);
            (None, Some(take))
        } else {
            let (limit, cost, loss, loss_guide) = (1, worthless, Between::NOTHING, 0.0);
            let give = self.gives.push(Give { party, good, limit, cost, loss, loss_guide });
            self.goods[good].givers.push(give);
            (Some(give), None)
        }
    }

    /// Whether it is what moves between a chain's end and its start.
    pub(crate) fn is_nothing(&self, good: GoodId) -> bool {
        Some(good) == self.nothing
    }

    /// Whether a give gives nothing: it ends a chain.
    pub(crate) fn is_end(&self, give: GiveId) -> bool {
        Some(self.gives[give].good) == self.nothing
    }

    /// Whether a give starts chains.
    pub(crate) fn is_start(&self, give: GiveId) -> bool {
        self.parties[self.gives[give].party].starts.is_some()
    }

    /// Whether something is given at no cost, whatever the values are.
    pub(crate) fn gives_for_nothing(&self, give: GiveId) -> bool {
        let give = &self.gives[give];
        give.limit > 0 && give.cost.hi == Rational::ZERO
    }

    /// The field of the request that says how much is given by this.
    pub(crate) fn limit_field(&self, give: GiveId) -> String {
        let party = &self.parties[self.gives[give].party];
        format!("offers[{}].gives[{}].limit", party.place, give.row().saturating_sub(party.gives.start))
    }

    /// Whether seats make a chain.
    pub(crate) fn is_chain(&self, seats: &[SeatId]) -> bool {
        seats.iter().any(|seat| self.is_end(self.seats[*seat].give))
    }

    /// How many parties may sit beside whoever gives by this.
    pub(crate) fn seats_beside(&self, give: GiveId) -> usize {
        if self.is_start(give) { self.max_chain } else { self.max_ring - 1 }
    }

    fn check_band(
        &self,
        band: Option<Bounds>,
        good: GoodId,
        stated: Bounds,
        field: impl Fn() -> String,
    ) -> Result<(), ErrorReply> {
        let (Some(band), Some(price)) = (band, self.goods[good].reference_price) else { return Ok(()) };
        if at_least(stated.lo, price, band.lo) == Some(true) && at_most(stated.hi, price, band.hi) == Some(true) {
            return Ok(());
        }
        let price = Exact::from(price);
        let (lo, hi) = (price.product(&band.lo.into()), price.product(&band.hi.into()));
        if Exact::from(stated.lo) >= lo && Exact::from(stated.hi) <= hi {
            return Ok(());
        }
        let message = format!(
            "{} to {} lies outside the market's band for {}, {lo} to {hi}",
            stated.lo, stated.hi, self.goods[good].name
        );
        Err(ErrorReply::refused("outside_band", message).at_field(&field()))
    }

    /// Chooses each good's scale so that what 2^scale minor units are worth is near one, and so are rates.
    fn scale_goods(&mut self) {
        for good in self.goods.ids() {
            let row = &self.goods[good];
            let stated = row
                .takers
                .iter()
                .map(|t| self.takes[*t].value.hi.to_f64())
                .chain(row.givers.iter().map(|g| self.gives[*g].cost.hi.to_f64()));
            let price = match (self.objective, row.reference_price) {
                #[allow(clippy::cast_precision_loss)]
                (Objective::Served, _) => 1.0 / row.lot as f64,
                (_, Some(price)) => price.to_f64(),
                _ => stated.filter(|price| *price > 0.0).fold(0.0, f64::max),
            };
            #[allow(clippy::cast_possible_truncation)]
            let scale = if price > 0.0 { -price.log2().round().clamp(-62.0, 62.0) as i32 } else { 0 };
            self.goods[good].scale = scale;
        }
    }

    /// Says what the objective gains and loses by each take and give.
    fn weigh(&mut self) {
        let free = Bounds::exactly(Rational::ZERO);
        for id in self.gives.ids() {
            let give = &self.gives[id];
            if self.objective == Objective::Welfare && !self.is_end(id) {
                let factors = self.parties[give.party].factors;
                let (cost, scale) = (give.cost, self.goods[give.good].scale);
                let given = Hop { quantity: 1, value: free, receiver: factors, cost, giver: factors };
                let loss =
                    central(cost, factors.giving_ppb, scale).unwrap_or_else(|| Between::of(&-&given.welfare(), scale));
                self.gives[id].loss_guide = central_guide(cost, factors.giving_ppb);
                self.gives[id].loss = loss;
            }
        }
        for id in self.takes.ids() {
            let take = &self.takes[id];
            let good = &self.goods[take.good];
            if self.objective == Objective::Welfare && !self.is_nothing(take.good) {
                let factors = self.parties[take.party].factors;
                if let Some(gain) = central(take.value, factors.receipt_ppb, good.scale) {
                    let guide = central_guide(take.value, factors.receipt_ppb);
                    (self.takes[id].gain, self.takes[id].gain_guide) = (gain, guide);
                    continue;
                }
            }
            let gain = match self.objective {
                _ if Some(take.good) == self.nothing => continue,
                Objective::Welfare => {
                    let factors = self.parties[take.party].factors;
                    Hop { quantity: 1, value: take.value, receiver: factors, cost: free, giver: factors }.welfare()
                }
                Objective::Volume => good.reference_price.unwrap_or(Rational::ZERO).into(),
                Objective::Served => Exact::ratio(1, good.lot).unwrap_or_else(Exact::zero),
            };
            let scale = good.scale;
            self.takes[id].gain_guide = gain.to_f64();
            self.takes[id].gain = Between::of(&gain, scale);
        }
    }

    /// Makes the seats of everyone who can sit in some ring as far as goods and limits go.
    fn seat_everyone(&mut self, watch: &Watch) -> Result<(), ErrorReply> {
        self.seats_of = Table::like(&self.gives, Vec::new());
        let most_given: Vec<i64> = self
            .goods
            .iter()
            .map(|(_, g)| g.givers.iter().map(|id| self.gives[*id].limit).max().unwrap_or(0))
            .collect();
        let most_taken: Vec<i64> = self
            .goods
            .iter()
            .map(|(_, g)| g.takers.iter().map(|id| self.takes[*id].limit).max().unwrap_or(0))
            .collect();
        let most = |of: &[i64], good: GoodId| of.get(good.row()).copied().unwrap_or(0);
        let mut seats: Vec<(GoodId, GoodId, Seat)> = Vec::new();
        'parties: for (id, party) in self.parties.iter() {
            if watch.spent_percent() > READING_PERCENT {
                self.all_seated = false;
                break;
            }
            for take in party.takes().chain(party.starts) {
                let received = self.takes[take].limit.min(most(&most_given, self.takes[take].good));
                for give in party.gives().chain(party.ends) {
                    let given = self.gives[give].limit.min(most(&most_taken, self.gives[give].good));
                    if self.takes[take].good == self.gives[give].good || received == 0 || given == 0 {
                        continue;
                    }
                    if let Some(seat) = self.seat(id, take, give, received, given) {
                        seats.push((self.takes[take].good, self.gives[give].good, seat));
                    }
                    if seats.len() > MAX_SEATS {
                        return Err(ErrorReply::refused(
                            "too_large",
                            format!("more than {MAX_SEATS} ways to receive one good for another"),
                        )
                        .at_field("offers"));
                    }
                    if seats.len().is_multiple_of(1024) && watch.spent_percent() > READING_PERCENT {
                        self.all_seated = false;
                        break 'parties;
                    }
                }
            }
        }
        seats.sort_by_key(|(received, given, _)| (*received, *given));
        self.leave_out_what_is_on_no_ring(&mut seats);
        for lane in seats.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let start = self.seats.len();
            for (_, given, seat) in lane {
                let id = self.seats.push(*seat);
                assert_eq!(self.gives[seat.give].good, *given);
                self.seats_of[seat.give].push(id);
            }
            if let Some((received, given, _)) = lane.first() {
                let (received, given) = (*received, *given);
                let lane = self.lanes.push(Lane { received, given, seats: start..self.seats.len() });
                // A chain is entered where a search starts, and nowhere else.
                if Some(received) != self.nothing {
                    self.out_of[received].push(lane);
                    self.into[given].push(lane);
                }
            }
        }
        Ok(())
    }

    /// Keeps the seats that some ring or chain of goods passes; they are in order of what they receive and give.
    fn leave_out_what_is_on_no_ring(&self, seats: &mut Vec<(GoodId, GoodId, Seat)>) {
        let mut ways: Vec<Way> = seats.iter().map(|(received, given, _)| (*received, *given)).collect();
        ways.dedup();
        // A chain's first and last party sit at nothing.
        let lengths = Lengths { ring: self.max_ring, chain: self.max_chain + 1, nothing: self.nothing };
        let kept = closed::on_rings(&ways, self.goods.len(), lengths);
        if kept.contains(&false) {
            let kept: BTreeSet<Way> =
                ways.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(way, _)| way).collect();
            seats.retain(|(received, given, _)| kept.contains(&(*received, *given)));
        }
    }

    /// The seat of a party that can receive up to `received` and give up to `given` minor units; `None`
    /// where no quantities content it.
    #[allow(clippy::cast_precision_loss)]
    fn seat(&self, party: PartyId, take: TakeId, give: GiveId, received: i64, given: i64) -> Option<Seat> {
        let exchange = self.exchange_of(party, take, give)?;
        let (inward, outward) = (&self.goods[self.takes[take].good], &self.goods[self.gives[give].good]);
        let shift = inward.scale - outward.scale;
        let lots = received / inward.lot;
        let (mut rate, mut guide) = (Between::NOTHING, 0.0_f64);
        if lots <= FEW_LOTS {
            for count in 1..=lots {
                let received = count * inward.lot;
                let given = whole_lots(exchange.most_given(received), outward.lot).min(given);
                rate = rate.max(Between::ratio(given, received, shift));
                guide = guide.max(given as f64 / received as f64);
            }
        } else {
            // ⌊rate · sample⌋ / sample is never more than the rate, and (⌊rate · sample⌋ + 1) / sample never
            // less: a sample large enough for sixty bits of the answer, as far as it goes.
            #[allow(clippy::cast_possible_truncation)]
            let exponent = (60.0 - exchange.rate_f64().log2().ceil()).clamp(0.0, 62.0) as u32;
            let sample = 1_i64 << exponent;
            let most = exchange.most_given(sample);
            let ceiling = Between::ratio(given, inward.lot, shift);
            rate = if most == i64::MAX {
                ceiling
            } else {
                let (lo, hi) = (Between::ratio(most, sample, shift).lo, Between::ratio(most + 1, sample, shift).hi);
                Between { lo, hi }.min(ceiling)
            };
            guide = exchange.rate_f64().min(given as f64 / inward.lot as f64);
            // Not even all that there is to receive is worth one lot given.
            if exchange.most_given(received) < outward.lot {
                return None;
            }
        }
        (guide > 0.0).then_some(Seat { party, take, give, rate, rate_guide: guide })
    }

    fn exchange_of(&self, party: PartyId, take: TakeId, give: GiveId) -> Option<Exchange> {
        let party = &self.parties[party];
        Exchange::new(self.takes[take].value, self.gives[give].cost, party.factors, party.margin_ppm).ok()
    }

    /// What a seat exchanges. Always there: a seat is only made of a sound exchange.
    pub(crate) fn exchange(&self, seat: SeatId) -> Option<Exchange> {
        let seat = &self.seats[seat];
        self.exchange_of(seat.party, seat.take, seat.give)
    }

    /// The good that a seat gives.
    pub(crate) fn gives_good(&self, seat: SeatId) -> GoodId {
        self.gives[self.seats[seat].give].good
    }

    /// The good that a seat receives.
    pub(crate) fn takes_good(&self, seat: SeatId) -> GoodId {
        self.takes[self.seats[seat].take].good
    }

    /// Whether any good that can move is declared in lots.
    pub(crate) fn is_in_lots(&self) -> bool {
        self.seats.iter().any(|(_, seat)| self.goods[self.gives[seat.give].good].in_lots)
    }

    /// Minor units in a lot of a good.
    pub(crate) fn lot(&self, good: GoodId) -> i64 {
        self.goods[good].lot
    }
}

/// The centre of bounds times a factor in parts of 10⁹ times 2^scale, where that is quickly had.
fn central(bounds: Bounds, factor_ppb: i64, scale: i32) -> Option<Between> {
    let ((a, b), (c, d)) = (parts(bounds.lo), parts(bounds.hi));
    let sum = a.checked_mul(d)?.checked_add(c.checked_mul(b)?)?;
    let bottom = b.checked_mul(d)?.checked_mul(2 * i128::from(PPB));
    Between::quick(sum.checked_mul(factor_ppb.into()), bottom, scale)
}

#[allow(clippy::cast_precision_loss)]
fn central_guide(bounds: Bounds, factor_ppb: i64) -> f64 {
    (bounds.lo.to_f64() + bounds.hi.to_f64()) / 2.0 * (factor_ppb as f64 / PPB as f64)
}

fn parts(ratio: Rational) -> (i128, i128) {
    (ratio.numerator().into(), ratio.denominator().into())
}

/// Whether a ratio is at least the product of two others, and at most, where that is quickly had.
fn at_least(ratio: Rational, a: Rational, b: Rational) -> Option<bool> {
    let ((top, bottom), (a, over_a), (b, over_b)) = (parts(ratio), parts(a), parts(b));
    Some(top.checked_mul(over_a)?.checked_mul(over_b)? >= a.checked_mul(b)?.checked_mul(bottom)?)
}

fn at_most(ratio: Rational, a: Rational, b: Rational) -> Option<bool> {
    let ((top, bottom), (a, over_a), (b, over_b)) = (parts(ratio), parts(a), parts(b));
    Some(top.checked_mul(over_a)?.checked_mul(over_b)? <= a.checked_mul(b)?.checked_mul(bottom)?)
}

/// The largest whole number of lots within a limit, in minor units.
pub(crate) fn whole_lots(limit: i64, lot: i64) -> i64 {
    limit / lot * lot
}
