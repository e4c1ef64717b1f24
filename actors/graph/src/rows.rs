//! What a clearing is made of, numbered: goods, parties, what they give and want, and where they may sit in a ring.

use std::ops::Range;

use schemas::value::Bounds;
use schemas::{AgentId, Good, Rational};
use terms::Factors;

use crate::fixed::Between;
use crate::table::{GiveId, GoodId, Id, PartyId, SeatId, TakeId, WantId};

/// A good.
#[derive(Debug)]
pub(crate) struct GoodRow {
    pub(crate) name: Good,
    pub(crate) unit: String,
    /// Minor units in a lot.
    pub(crate) lot: i64,
    /// Whether the market declares a lot.
    pub(crate) in_lots: bool,
    pub(crate) reference_price: Option<Rational>,
    /// Fixed-point rates and prices are for 2^scale minor units, chosen so that they are near one.
    pub(crate) scale: i32,
    pub(crate) givers: Vec<GiveId>,
    pub(crate) takers: Vec<TakeId>,
}

/// An offer.
#[derive(Debug)]
pub(crate) struct Party {
    pub(crate) agent: AgentId,
    /// Its offer's place in the request, to name fields by.
    pub(crate) place: usize,
    pub(crate) factors: Factors,
    /// The larger of its own margin and the clearing's.
    pub(crate) margin_ppm: i64,
    pub(crate) gives: Range<usize>,
    pub(crate) takes: Range<usize>,
    /// Where chains are allowed: how it ends one, which who wants something can.
    pub(crate) ends: Option<GiveId>,
    /// Where chains are allowed: how it starts one, which who wants nothing can.
    pub(crate) starts: Option<TakeId>,
}

impl Party {
    pub(crate) fn gives(&self) -> impl Iterator<Item = GiveId> + use<> {
        self.gives.clone().map(GiveId::of)
    }
    pub(crate) fn takes(&self) -> impl Iterator<Item = TakeId> + use<> {
        self.takes.clone().map(TakeId::of)
    }
}

/// A good that a party gives.
#[derive(Debug)]
pub(crate) struct Give {
    pub(crate) party: PartyId,
    pub(crate) good: GoodId,
    /// At most this many minor units, in whole lots.
    pub(crate) limit: i64,
    pub(crate) cost: Bounds,
    /// What the objective loses for each 2^scale minor units given.
    pub(crate) loss: Between,
    /// The same for one minor unit, as a guide.
    pub(crate) loss_guide: f64,
}

/// A want: Σ over its takes of quantity/limit is at most one.
#[derive(Debug)]
pub(crate) struct WantRow {
    /// Its place in the offer.
    pub(crate) index: u32,
    /// Into how many shares the want is divided: the least common multiple of its limits, where that fits.
    pub(crate) shares: i64,
    pub(crate) takes: Range<usize>,
}

impl WantRow {
    pub(crate) fn takes(&self) -> impl Iterator<Item = TakeId> + use<> {
        self.takes.clone().map(TakeId::of)
    }
}

/// One alternative of a want.
#[derive(Debug)]
pub(crate) struct Take {
    pub(crate) party: PartyId,
    pub(crate) want: WantId,
    pub(crate) good: GoodId,
    /// At most this many minor units, in whole lots.
    pub(crate) limit: i64,
    /// The quantity that alone fills the want, in minor units.
    pub(crate) full: i64,
    pub(crate) value: Bounds,
    /// What the objective gains for each 2^scale minor units received.
    pub(crate) gain: Between,
    /// The same for one minor unit, as a guide.
    pub(crate) gain_guide: f64,
}

/// A party that receives by one take and gives by one give.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat {
    pub(crate) party: PartyId,
    pub(crate) take: TakeId,
    pub(crate) give: GiveId,
    /// Most given for each unit received, in 2^scale minor units of either good.
    pub(crate) rate: Between,
    /// The same in minor units, as a guide.
    pub(crate) rate_guide: f64,
}

/// Seats that receive one good and give another.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    pub(crate) received: GoodId,
    pub(crate) given: GoodId,
    pub(crate) seats: Range<usize>,
}

impl Lane {
    pub(crate) fn seats(&self) -> impl Iterator<Item = SeatId> + use<> {
        self.seats.clone().map(SeatId::of)
    }
}
