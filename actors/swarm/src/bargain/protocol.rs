//! By which protocol a meeting is held, and who plays which part in it.

use std::sync::Arc;

use negotiation::strategy::{self, Bidder, Pace, Voter};
use negotiation::{
    Alternating, ContractNet, Contractor, Manager, Mediator, Member, Negotiator, Part, Ranking, SingleText, View,
};
use schemas::negotiation::{self as wire, ReadRules, Rules, ScoreWeight};
use schemas::profile::Profile;
use schemas::{AgentId, Good, Quantity};

use super::{Manner, Meeting, Seat};

/// By which protocol a meeting is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// Whoever sits first opens and moves first.
    Alternating,
    /// Whoever sits first is the manager, and awards to the highest score.
    ContractNet {
        /// What each issue adds to a bid's score.
        score: Vec<ScoreWeight>,
    },
    /// The same in several rounds.
    Iterated {
        /// What each issue adds to a bid's score.
        score: Vec<ScoreWeight>,
        /// By how much the best score must grow in a round for there to be another.
        least_gain: Quantity,
        /// How many bidders are called again at most.
        keep: u32,
    },
    /// Somebody who has no seat mediates, and opens.
    SingleText {
        /// Who.
        mediator: AgentId,
        /// What the text and its changes are drawn from.
        seed: u64,
    },
}

impl Protocol {
    /// Who opens a meeting of these seats.
    pub(super) fn opener<'a>(&'a self, seats: &'a [Seat]) -> Option<&'a AgentId> {
        match self {
            Self::SingleText { mediator, .. } => Some(mediator),
            _ => seats.first().map(|seat| &seat.agent),
        }
    }
}

/// How much utility an annealer gives up at the beginning, in parts of a million.
const HOT_PPM: i64 = 200_000;
/// The share of what there is to gain that a sealed bid asks for, in parts of a million.
const SEALED_PPM: i64 = 300_000;

impl Manner {
    /// How one bids who negotiates so, if that is a way of bidding.
    #[must_use]
    pub fn bidder(self) -> Option<Box<dyn Bidder>> {
        use strategy::{Asking, Sealed, Undercut};
        Some(match self {
            Self::Boulware => Box::new(Asking(Pace::Boulware)),
            Self::Linear => Box::new(Asking(Pace::Linear)),
            Self::Conceder => Box::new(Asking(Pace::Conceder)),
            Self::Sealed => Box::new(Sealed { share_ppm: SEALED_PPM }),
            Self::Undercut => Box::new(Undercut::default()),
            _ => return None,
        })
    }

    /// How one votes who negotiates so, if that is a way of voting; `seed` is for those that draw.
    #[must_use]
    pub fn voter(self, seed: u64) -> Option<Box<dyn Voter>> {
        use strategy::{Annealer, HillClimber};
        Some(match self {
            Self::HillClimber => Box::new(HillClimber),
            Self::Annealer => Box::new(Annealer::new(HOT_PPM, seed)),
            _ => return None,
        })
    }
}

impl Meeting {
    /// The deal's profile.
    #[must_use]
    pub fn profile(&self) -> Profile {
        match self.protocol {
            Protocol::Alternating => Profile::Sao,
            Protocol::ContractNet { .. } => Profile::Cnp,
            Protocol::Iterated { .. } => Profile::Icnp,
            Protocol::SingleText { .. } => Profile::Stx,
        }
    }

    /// Who opens it.
    #[must_use]
    pub fn opener(&self) -> Option<&AgentId> {
        self.protocol.opener(&self.seats)
    }

    /// Everybody who takes part, a mediator included.
    pub fn everybody(&self) -> impl Iterator<Item = &AgentId> {
        let mediator = match &self.protocol {
            Protocol::SingleText { mediator, .. } => Some(mediator),
            _ => None,
        };
        self.seats.iter().map(|seat| &seat.agent).chain(mediator)
    }

    /// Where an agent sits.
    fn seat(&self, agent: &AgentId) -> Option<(usize, &Seat)> {
        self.seats.iter().enumerate().find(|(_, seat)| seat.agent == *agent)
    }

    /// What an agent may come to give.
    pub fn gives(&self, agent: &AgentId) -> impl Iterator<Item = &Good> {
        // Every contractor may come to sit on the seat of whoever is awarded.
        let seat = self.seat(agent).map(|(at, _)| match self.protocol {
            Protocol::ContractNet { .. } | Protocol::Iterated { .. } => at.min(1),
            Protocol::Alternating | Protocol::SingleText { .. } => at,
        });
        let given = self.domain.transfers.iter().filter(move |pattern| Some(pattern.from as usize) == seat);
        given.flat_map(|pattern| &pattern.goods)
    }

    /// The rules that it is opened with at this time, and when the deal lapses, in Unix milliseconds: transfers fall due
    /// then.
    #[must_use]
    pub fn rules(&self, now_unix_ms: i64) -> Option<(Rules, i64)> {
        let until_unix_ms = now_unix_ms.saturating_add(self.within_ms);
        let order = || self.seats.iter().map(|seat| seat.agent.clone()).collect();
        let (domain, manager) = (self.domain.clone(), self.opener()?.clone());
        let mut rules = match &self.protocol {
            Protocol::Alternating => Rules::Alternating(wire::Alternating {
                domain,
                order: order(),
                rounds: self.rounds,
                talk_until_unix_ms: until_unix_ms,
            }),
            Protocol::ContractNet { score } => {
                let score = score.clone();
                Rules::ContractNet(wire::ContractNet { domain, manager, bids_until_unix_ms: until_unix_ms, score })
            }
            Protocol::Iterated { score, least_gain, keep } => Rules::Iterated(wire::IteratedContractNet {
                domain,
                manager,
                bids_until_unix_ms: until_unix_ms,
                round_ms: self.within_ms,
                rounds: self.rounds,
                least_gain: *least_gain,
                keep: *keep,
                score: score.clone(),
            }),
            Protocol::SingleText { mediator, seed } => Rules::SingleText(wire::SingleText {
                domain,
                order: order(),
                mediator: mediator.clone(),
                seed: *seed,
                rounds: self.rounds,
                talk_until_unix_ms: until_unix_ms,
            }),
        };
        let expires_unix_ms = rules.until_unix_ms().saturating_add(self.within_ms);
        let domain = match &mut rules {
            Rules::Alternating(rules) => &mut rules.domain,
            Rules::ContractNet(rules) => &mut rules.domain,
            Rules::Iterated(rules) => &mut rules.domain,
            Rules::SingleText(rules) => &mut rules.domain,
        };
        domain.transfers.iter_mut().for_each(|pattern| pattern.due_unix_ms = expires_unix_ms);
        Some((rules, expires_unix_ms))
    }

    /// The part that an agent plays in it; `None` where it plays none, or is of another mind than the protocol asks for.
    #[must_use]
    pub fn part(&self, me: &AgentId, rules: ReadRules) -> Option<Box<dyn Part>> {
        let deal = self.deal.clone();
        let seat = self.seat(me).map(|(_, seat)| seat);
        let ranking = |seat: &Seat| Arc::new(Ranking::new(&self.space, &seat.preferences.utility));
        let view = || if self.opener() == Some(me) { View::Whole } else { View::Party(me.clone()) };
        match &self.protocol {
            Protocol::Alternating => {
                let seat = seat?;
                let (talk, strategy) = (Alternating::new(deal, rules)?, seat.manner.strategy(seat.seed)?);
                let part = Negotiator::new(me.clone(), talk, seat.preferences.clone(), ranking(seat), strategy)?;
                Some(Box::new(part))
            }
            Protocol::ContractNet { .. } | Protocol::Iterated { .. } => {
                let parties: Vec<AgentId> = self.seats.iter().map(|seat| seat.agent.clone()).collect();
                let (seat, net) = (seat?, ContractNet::new(deal, rules, &parties, view())?);
                if self.opener() == Some(me) {
                    return Some(Box::new(Manager::new(net, "bids")));
                }
                let (reserved_ppm, bidder) = (seat.preferences.reserved_ppm, seat.manner.bidder()?);
                Some(Box::new(Contractor::new(me.clone(), net, reserved_ppm, ranking(seat), bidder)))
            }
            Protocol::SingleText { .. } => {
                let talk = SingleText::new(deal, rules, view())?;
                let Some(seat) = seat else { return Some(Box::new(Mediator::new(talk))) };
                let voter = seat.manner.voter(seat.seed)?;
                Some(Box::new(Member::new(me.clone(), talk, seat.preferences.clone(), voter)?))
            }
        }
    }
}
