//! Laws of a book under anything that may happen: nobody's goods are offered twice, and a restart changes nothing.

use num_bigint::BigInt;
use num_rational::BigRational;
use schemas::event::DealEvent;

use super::*;

const AGENTS: [&str; 4] = ["benin", "ghana", "kenya", "togo"];
const GOODS: [&str; 4] = ["wheat", "coffee", "tea", "rye"];

/// Something that happens; the numbers choose among whatever there is to choose from.
#[derive(Debug, Clone)]
enum Step {
    /// An agent states an intent: how much it gives, what of, and what it wants.
    State { who: usize, gives: [i64; 2], wants: [i64; 3], is_either: bool },
    /// It withdraws.
    Withdraw { who: usize },
    /// It declares a limit.
    Declare { who: usize, good: usize, limit: i64 },
    /// The market is cleared: these shares of what is possible, in thousandths.
    Clear { shares: Vec<(i64, i64)> },
    /// Something happens to an open deal.
    Deal { which: usize, end: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..AGENTS.len();
    prop_oneof![
        3 => (who.clone(), [0..40i64, 0..40i64], [0..40i64, 0..40i64, 0..40i64], any::<bool>())
            .prop_map(|(who, gives, wants, is_either)| Step::State { who, gives, wants, is_either }),
        1 => who.clone().prop_map(|who| Step::Withdraw { who }),
        1 => (who, 0..GOODS.len(), 0..60i64).prop_map(|(who, good, limit)| Step::Declare { who, good, limit }),
        4 => prop::collection::vec((0..1200i64, 0..1200i64), 0..5).prop_map(|shares| Step::Clear { shares }),
        4 => (0..8usize, 0..6usize).prop_map(|(which, end)| Step::Deal { which, end }),
    ]
}

/// The room with what happened in it, to be folded again.
struct Watched {
    room: Room,
    log: Vec<Logged>,
    open: Vec<(Proposal, u8)>,
    intents: BTreeMap<(AgentId, u64), Intent>,
    turns: u32,
    /// A deal was asked for and not opened: that is known to this maker alone.
    is_beside_the_log: bool,
}

enum Logged {
    Deal(DealEvent),
    Limit(schemas::ledger::LimitEvent),
}

impl Watched {
    fn new() -> Self {
        let mut watched = Self {
            room: Room::new(),
            log: Vec::new(),
            open: Vec::new(),
            intents: BTreeMap::new(),
            turns: 0,
            is_beside_the_log: false,
        };
        for (who, good) in (0..AGENTS.len()).flat_map(|who| (0..GOODS.len()).map(move |good| (who, good))) {
            watched.declare(who, good, 30);
        }
        watched
    }

    fn declare(&mut self, who: usize, good: usize, limit: i64) {
        self.turns += 1;
        let event = limits(AGENTS[who], self.turns, &[(GOODS[good], limit)]);
        self.room.books.declared(&event);
        self.log.push(Logged::Limit(event));
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::State { who, gives, wants, is_either } => self.state(who, gives, wants, is_either),
            Step::Withdraw { who } => {
                let gone = encode(&IntentWithdrawn { market: bazaar(), agent: agent(AGENTS[who]) });
                self.room.says(AGENTS[who], &gone, None).unwrap();
            }
            Step::Declare { who, good, limit } => self.declare(who, good, limit),
            Step::Clear { shares } => self.clear(&shares)?,
            Step::Deal { which, end } => self.go_on(which, end),
        }
        Ok(())
    }

    /// Agent `who` gives the goods after its own index, and wants the others.
    fn state(&mut self, who: usize, gives: [i64; 2], wants: [i64; 3], is_either: bool) {
        let good_at = |at: usize| GOODS[(who + at) % GOODS.len()];
        let gives: Vec<Give> = (0..2).filter(|at| gives[*at] > 0).map(|at| give(good_at(at), gives[at], 90)).collect();
        let any: Vec<Alternative> =
            (0..2).filter(|at| wants[*at] > 0).map(|at| either(good_at(at + 2), wants[at], 110)).collect();
        let wants = match is_either {
            true if !any.is_empty() => vec![Want { any_of: any }],
            _ => any.into_iter().map(|alternative| Want { any_of: vec![alternative] }).collect(),
        };
        let said = intent(AGENTS[who], gives, wants);
        let sequence = self.room.says(AGENTS[who], &encode(&said), None).unwrap();
        self.intents.insert((agent(AGENTS[who]), sequence), said);
    }

    /// Asks, checks what is offered, and answers with the rings of two that there are room for; some ask for too much.
    fn clear(&mut self, shares: &[(i64, i64)]) -> Result<(), TestCaseError> {
        let Some(request) = self.room.asked() else { return Ok(()) };
        self.nothing_is_offered_twice(&request)?;
        let mut rings = Vec::new();
        let offers = &request.offers;
        for (one, other) in offers.iter().flat_map(|one| offers.iter().map(move |other| (one, other))) {
            if one.agent >= other.agent {
                continue;
            }
            let swaps = common(one, other).flat_map(|there| common(other, one).map(move |back| (there.clone(), back)));
            for (((what, most), (back, most_back)), (share, share_back)) in swaps.zip(shares) {
                let (there, here) = (most * share / 1_000, most_back * share_back / 1_000);
                if there > 0 && here > 0 {
                    let (a, b) = (one.agent.as_str(), other.agent.as_str());
                    rings.push(ring(&[(a, b, what.as_str(), there), (b, a, back.as_str(), here)]));
                }
            }
        }
        let outcome = self.room.answers(rings);
        for proposal in outcome.proposals {
            self.open.push((proposal, 0));
        }
        Ok(())
    }

    fn go_on(&mut self, which: usize, end: usize) {
        if self.open.is_empty() {
            return;
        }
        let at = which % self.open.len();
        let (proposal, stage) = self.open[at].clone();
        let story = self.room.stories.get_mut(&proposal.deal).unwrap();
        let by = proposal.terms.parties[which % 2].to_string();
        let (event, next) = match (stage, end) {
            (0, 5) => {
                self.room.book().trades_mut().not_opened(&proposal.deal);
                self.is_beside_the_log = true;
                self.open.swap_remove(at);
                return;
            }
            (0, _) => (story.opened(&proposal, "maker"), Some(1)),
            (1, 0) => (story.rejected(&by), None),
            (1, 1) => (story.refused(), None),
            (1, 2) => (story.next(Happening::Expired, None), None),
            (1, 3) => (story.accepted(&by, false), Some(1)),
            (1, _) => (story.committed(&proposal.terms), Some(2)),
            (_, 0) => (story.next(Happening::Compensated { reversed: vec![0] }, None), None),
            _ => (story.next(Happening::Settled, None), None),
        };
        self.room.books.happened(&event);
        self.log.push(Logged::Deal(event));
        match next {
            Some(stage) => self.open[at].1 = stage,
            None => {
                self.open.swap_remove(at);
            }
        }
    }

    /// For each offer: what it gives, what its open deals withhold and what was filled lie within its intent; and all
    /// that its agent offers and has in open deals lies within what the ledger would let it give.
    fn nothing_is_offered_twice(&mut self, request: &Clear) -> Result<(), TestCaseError> {
        let trades = self.room.book().trades().clone();
        let withheld = trades.withheld();
        for offer in &request.offers {
            let key = (offer.agent.clone(), offer.sequence.unwrap());
            let stated = &self.intents[&key];
            let (filled, held) = (trades.filled(&key), withheld.get(&key).cloned().unwrap_or_default());
            for give in &offer.gives {
                let limit = stated.gives.iter().find(|g| g.good == give.good).unwrap().limit.get();
                let all = give.limit.get() + filled.given(&give.good) + held.given(&give.good);
                prop_assert!(all <= limit, "{offer:?}: {all} of {limit}");
                let in_deals: i64 =
                    withheld.iter().filter(|((a, _), _)| *a == offer.agent).map(|(_, u)| u.given(&give.good)).sum();
                prop_assert!(give.limit.get() + in_deals <= trades.may_give(&offer.agent, &give.good));
            }
            for alternative in offer.wants.iter().flat_map(|want| &want.any_of) {
                let want = stated.wants.iter().find(|w| w.any_of.iter().any(|a| a.good == alternative.good)).unwrap();
                let part = |quantity: i64, limit: i64| BigRational::new(quantity.into(), limit.into());
                let mut spent = part(0, 1);
                for a in &want.any_of {
                    spent += part(filled.received(&a.good) + held.received(&a.good), a.limit.get());
                    if a.good == alternative.good {
                        spent += part(alternative.limit.get(), a.limit.get());
                    }
                }
                prop_assert!(spent <= BigRational::from_integer(BigInt::from(1)), "{offer:?}: {spent}");
            }
        }
        Ok(())
    }

    /// A maker that begins anew, and folds the same streams, would ask the same; only a start for the search is lost.
    fn a_restart_changes_nothing(mut self) -> Result<(), TestCaseError> {
        if self.is_beside_the_log {
            return Ok(());
        }
        // What was asked for and never opened is not in the log; its time passes.
        self.room.now_unix_ms += i64::from(market().accept_within_ms);
        let mut again = Room::new();
        for logged in &self.log {
            match logged {
                Logged::Deal(event) => again.books.happened(event),
                Logged::Limit(event) => again.books.declared(event),
            }
        }
        let now_unix_ms = self.room.now_unix_ms;
        again.now_unix_ms = now_unix_ms;
        again.book().standing = self.room.book().standing.clone();
        self.room.book().changed = true;
        again.book().changed = true;
        let before = self.room.book().prepare(now_unix_ms).unwrap();
        let after = again.book().prepare(now_unix_ms).unwrap();
        let asked = |request: Option<Clear>| request.map(|clear| Clear { earlier: Vec::new(), ..clear });
        prop_assert_eq!(asked(before.request), asked(after.request));
        if self.room.book().asked.is_some() {
            let number = |room: &mut Room| room.answers(Vec::new()).record.clearing;
            let (here, there) = (number(&mut self.room), number(&mut again));
            prop_assert!(there <= here, "{} after {}", there, here);
            prop_assert!(again.book().trades().last_clearing() < there);
        }
        Ok(())
    }
}

/// What one offer gives that the other wants, with the most that both take.
fn common<'a>(from: &'a Offer, to: &'a Offer) -> impl Iterator<Item = (String, i64)> + 'a {
    from.gives.iter().filter_map(|give| {
        let wanted = to.wants.iter().flat_map(|want| &want.any_of).find(|a| a.good == give.good)?;
        Some((give.good.to_string(), give.limit.get().min(wanted.limit.get())))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens(steps in prop::collection::vec(step(), 1..60)) {
        let mut watched = Watched::new();
        for step in steps {
            watched.take(step)?;
        }
        watched.a_restart_changes_nothing()?;
    }
}

#[test]
fn the_stand_in_finds_rings() {
    let mut watched = Watched::new();
    for who in 0..AGENTS.len() {
        watched.state(who, [30, 30], [20, 20, 20], false);
    }
    watched.clear(&[(900, 500), (200, 100)]).unwrap();
    assert!(watched.open.len() >= 2, "{:?}", watched.open);
}
