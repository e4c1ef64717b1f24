//! What agents do: deals of twos and threes, each drawn by dice of its own, so that one can be left out of a run.
//!
//! Between them they do all that a deal can meet: terms from the start or later, rings and pairs, deals between hands,
//! between traders and between both, a party that says no or nothing, an opener that takes its deal back, limits that two
//! deals want at once, delivery that never comes, moves that are made twice, and a `move_id` that is used for two moves.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::join_all;
use runtime::{
    dice::{Dice, number_of},
    port::Port,
};
use schemas::{
    AgentId, DealId, Good, Hash, MarketId, MoveId, Quantity, Rational,
    body::encode,
    deal::{Accept, ClaimKind, Confirm, Delivery, Holding, Move, Open, Propose, Reject, Terms, Transfer, Withdraw},
    import::{CountedGood, Enact, ImportRules, Revoke},
    ledger::Limit,
    market::{GoodSpec, Market},
    profile::{Profile, State},
    stream,
    value::{Bounds, Outlook, UnitCost, UnitValue, Valuation},
};

use super::hands::{Hand, Outcome};

/// Agents that scripts move.
pub const HANDS: [&str; 4] = ["ann", "bob", "cat", "dan"];
/// Agents that decide for themselves.
pub const TRADERS: [&str; 3] = ["tia", "tim", "tom"];
/// The book that all of them trade in, and one of the hands' own.
pub const BOOKS: [&str; 2] = ["north", "south"];
/// Goods, by whose they are: the n-th hand's and the n-th trader's is the n-th.
pub const GOODS: [&str; 4] = ["tea", "rice", "salt", "iron"];
/// The book that keeps import certificates, and what they are. The first hand is their authority.
pub const CERTIFIED: &str = "south";
const CERTIFICATES: &str = "permit";
/// How long a certificate lives, and how far apart lots end, in milliseconds: within a run some do.
const CERTIFICATE_MS: (i64, i64) = (12_000, 4_000);
/// Imports need certificates so long after the beginning, in milliseconds; what was exported till then earned some.
const FREE_MS: i64 = 6_000;
/// How long a move of the authority may be decided, in milliseconds.
const AUTHORITY_MS: i64 = 6_000;
/// How often a market's declaration is made before it counts as refused.
const DECLARATIONS: u32 = 50;
/// Deals begin within so many milliseconds.
const WITHIN_MS: u64 = 14_000;

/// What everybody needs to know.
pub struct Script {
    seed: u64,
    hands: BTreeMap<AgentId, Hand>,
    books: Vec<MarketId>,
    goods: Vec<Good>,
    port: Arc<dyn Port>,
}

/// What is drawn for one deal.
struct Draft {
    number: u64,
    dice: Dice,
    opener: AgentId,
    id: DealId,
    terms: Terms,
    bytes: Vec<u8>,
    hash: Hash,
    profile: Profile,
    is_proposed_later: bool,
    requires: Vec<ClaimKind>,
}

impl Script {
    /// For these hands.
    ///
    /// # Errors
    /// When a name is none.
    pub fn new(seed: u64, hands: Vec<Hand>, port: Arc<dyn Port>) -> anyhow::Result<Self> {
        let books = BOOKS.iter().map(|book| book.parse()).collect::<Result<_, _>>()?;
        let goods = GOODS.iter().map(|good| good.parse()).collect::<Result<_, _>>()?;
        let hands = hands.into_iter().map(|hand| (hand.id().clone(), hand)).collect();
        Ok(Self { seed, hands, books, goods, port })
    }

    /// Everybody registers and declares.
    pub async fn arrive(&self) -> anyhow::Result<()> {
        let arrive = async |hand: &Hand| {
            hand.register().await;
            for book in &self.books {
                self.declare(hand, book, 0).await?;
            }
            anyhow::Ok(())
        };
        join_all(self.hands.values().map(arrive)).await.into_iter().collect::<anyhow::Result<()>>()?;
        self.enact().await
    }

    fn authority(&self) -> anyhow::Result<&Hand> {
        self.hand(&HANDS.first().copied().unwrap_or_default().parse()?)
    }

    /// One book keeps import certificates: its market says so, and its authority.
    async fn enact(&self) -> anyhow::Result<()> {
        let hand = self.authority()?;
        let now_unix_ms = self.port.now_unix_ms();
        let rules = ImportRules {
            good: CERTIFICATES.parse()?,
            authority: hand.id().clone(),
            goods: self.goods.iter().map(|good| CountedGood { good: good.clone(), price: Rational::ONE }).collect(),
            life_ms: CERTIFICATE_MS.0,
            lot_ms: CERTIFICATE_MS.1,
            required_from_unix_ms: now_unix_ms + FREE_MS,
        };
        let unit =
            |good: &Good| GoodSpec { good: good.clone(), unit: "unit".to_owned(), lot: None, reference_price: None };
        let market = Market {
            market: CERTIFIED.parse()?,
            unit_of_account: "unit".to_owned(),
            goods: self.goods.iter().chain([&rules.good]).map(unit).collect(),
            band: Bounds { lo: Rational::ONE, hi: Rational::ONE },
            margin_ppm: 0,
            max_ring: 3,
            clear_every_ms: 1_000,
            time_limit_ms: 1_000,
            accept_within_ms: 1_000,
            delivery: Delivery::Immediate,
            deliver_within_ms: 0,
            requires: Vec::new(),
            division: None,
            evolve: None,
            import_certificates: Some(rules.clone()),
        };
        let declaration = serde_json::to_vec(&market)?;
        let deadline_unix_ms = now_unix_ms + AUTHORITY_MS;
        let enact = Enact { move_id: MoveId::parse("enact")?, deadline_unix_ms, book: CERTIFIED.parse()?, rules };
        // A declaration that a broker lost is made again.
        for _ in 0..DECLARATIONS {
            self.port.kv_put(stream::MARKETS, CERTIFIED, declaration.clone().into(), None).await?;
            match hand.rules("enact", &enact, deadline_unix_ms).await {
                Outcome::Done(_) => return Ok(()),
                Outcome::Refused(refusal) if refusal.rule.as_deref() == Some("undeclared") => {}
                other => anyhow::bail!("the rules of import certificates: {other:?}"),
            }
        }
        anyhow::bail!("the declaration of market {CERTIFIED} was lost {DECLARATIONS} times")
    }

    /// The authority takes some of somebody's certificates back, if they are there.
    async fn revoke(&self, number: u64) -> anyhow::Result<()> {
        let mut dice = self.dice("revoke", number);
        let party: AgentId = dice.one_of(&HANDS).copied().unwrap_or_default().parse()?;
        let deadline_unix_ms = self.port.now_unix_ms() + AUTHORITY_MS;
        let revoke = Revoke {
            move_id: move_id("revoke", number)?,
            deadline_unix_ms,
            book: CERTIFIED.parse()?,
            party,
            quantity: Quantity::new(i64::try_from(dice.between(1, 4))?)?,
            lot_unix_ms: None,
            reason: "a whim".to_owned(),
        };
        self.authority()?.rules("revoke", &revoke, deadline_unix_ms).await;
        Ok(())
    }

    /// A hand's `n`-th limits in a book.
    async fn declare(&self, hand: &Hand, book: &MarketId, n: u64) -> anyhow::Result<()> {
        let mut dice = self.dice(&format!("declare {} {book}", hand.id()), n);
        let limits = vec![Limit { good: self.own(hand.id())?, quantity: i64::try_from(dice.between(6, 40))? }];
        hand.declare(&format!("declare-{n}"), book, limits).await?;
        Ok(())
    }

    fn dice(&self, about: &str, number: u64) -> Dice {
        Dice::of(&[self.seed, number_of(about), number])
    }

    /// The good that an agent has.
    fn own(&self, agent: &AgentId) -> anyhow::Result<Good> {
        let place = |names: &[&str]| names.iter().position(|name| *name == agent.as_str());
        let index = place(&HANDS).or_else(|| place(&TRADERS));
        index.and_then(|index| self.goods.get(index)).cloned().ok_or_else(|| anyhow::anyhow!("{agent} has nothing"))
    }

    /// One deal from its opening to its end, or until nobody cares any more.
    ///
    /// # Errors
    /// When something that the script says is no move at all, which would be the script's fault.
    pub async fn deal(&self, number: u64) -> anyhow::Result<()> {
        let mut dice = self.dice("deal", number);
        self.port.sleep_ms(dice.below(WITHIN_MS)).await;
        let draft = self.draft(number, dice)?;
        if self.open(&draft).await? {
            self.answer(&draft).await?;
        }
        if self.dice("revokes", number).happens(200_000) {
            self.revoke(number).await?;
        }
        if self.dice("declares", number).happens(600_000) {
            let hand = self.hand(&draft.opener)?;
            self.declare(hand, &draft.terms.book, number + 1).await?;
        }
        Ok(())
    }

    fn hand(&self, agent: &AgentId) -> anyhow::Result<&Hand> {
        self.hands.get(agent).ok_or_else(|| anyhow::anyhow!("{agent} is no hand"))
    }

    fn draft(&self, number: u64, mut dice: Dice) -> anyhow::Result<Draft> {
        let mut names: Vec<&str> = HANDS.to_vec();
        dice.shuffle(&mut names);
        let mut traders: Vec<&str> = TRADERS.to_vec();
        dice.shuffle(&mut traders);
        let opener: AgentId = names.first().copied().unwrap_or_default().parse()?;
        let kind = dice.below(100);
        let (first, book) = match kind {
            // Two hands, three hands, three traders, both.
            0..40 => (names.get(..2), dice.below(2)),
            40..60 => (names.get(..3), dice.below(2)),
            60..80 => (traders.get(..3), 1),
            _ => (names.get(..1), 1),
        };
        let more = if kind >= 80 { traders.get(..2) } else { None };
        let mut order: Vec<AgentId> =
            [first, more].into_iter().flatten().flatten().map(|name| name.parse()).collect::<Result<_, _>>()?;
        dice.shuffle(&mut order);
        let book = self.books.get(usize::from(book == 0)).cloned().ok_or_else(|| anyhow::anyhow!("no book"))?;
        let profile = if order.len() > 2 || dice.happens(200_000) { Profile::Ring } else { Profile::Fixed };
        // A third party may open a ring.
        let opener = if profile.opener_is_party() && !order.contains(&opener) {
            order.iter().find(|party| self.hands.contains_key(*party)).cloned().unwrap_or(opener)
        } else {
            opener
        };
        let now_unix_ms = self.port.now_unix_ms();
        let expires_unix_ms = now_unix_ms + dice.one_of(&[2_000, 4_000, 8_000]).copied().unwrap_or(4_000);
        let due_unix_ms = expires_unix_ms + dice.one_of(&[1_500, 4_000]).copied().unwrap_or(1_500);
        let delivery = if dice.happens(450_000) { Delivery::Confirmed } else { Delivery::Immediate };
        let mut transfers = Vec::new();
        let mut sells = self.dice("sells certificates", number);
        for (from, to) in order.iter().zip(order.iter().cycle().skip(1)) {
            let own = self.own(from)?;
            let good = if dice.happens(880_000) { own } else { dice.one_of(&self.goods).cloned().unwrap_or(own) };
            let is_sale = book.as_str() == CERTIFIED && sells.happens(200_000);
            let good = if is_sale { CERTIFICATES.parse()? } else { good };
            let quantity = Quantity::new(i64::try_from(dice.between(1, 12))?)?;
            transfers.push(Transfer { from: from.clone(), to: to.clone(), good, quantity, due_unix_ms, intent: None });
        }
        let mut parties = order;
        parties.sort();
        let terms = Terms { book, parties, transfers, delivery, expires_unix_ms, award: None };
        let bytes = encode(&terms);
        let id = DealId::of(&opener, &move_id("open", number)?);
        let hash = Hash::of(&bytes);
        let is_proposed_later = profile != Profile::Ring && dice.happens(350_000);
        let requires = if dice.happens(200_000) { vec![ClaimKind::WinWin] } else { Vec::new() };
        Ok(Draft { number, dice, opener, id, terms, bytes, hash, profile, is_proposed_later, requires })
    }

    async fn open(&self, draft: &Draft) -> anyhow::Result<bool> {
        let hand = self.hand(&draft.opener)?;
        let open = Open {
            move_id: move_id("open", draft.number)?,
            deadline_unix_ms: draft.terms.expires_unix_ms,
            book: draft.terms.book.clone(),
            profile: draft.profile,
            parties: draft.terms.parties.clone(),
            expires_unix_ms: draft.terms.expires_unix_ms,
            terms: (!draft.is_proposed_later).then(|| draft.bytes.clone()),
            requires: draft.requires.clone(),
            rules: None,
        };
        if !matches!(self.moves(hand, draft, Move::Open(open)).await, Outcome::Done(_)) {
            return Ok(false);
        }
        if draft.is_proposed_later {
            let propose = Propose {
                move_id: move_id("propose", draft.number)?,
                deadline_unix_ms: draft.terms.expires_unix_ms,
                deal: draft.id.clone(),
                terms: draft.bytes.clone(),
                agreement: None,
            };
            self.moves(hand, draft, Move::Propose(propose)).await;
        }
        Ok(true)
    }

    async fn moves(&self, hand: &Hand, draft: &Draft, ask: Move) -> Outcome<schemas::deal::Moved> {
        let dice = self.dice(&format!("{} {}", hand.id(), ask.move_id()), draft.number);
        hand.moves(&ask, &draft.id, dice).await
    }

    /// What the hands among the parties answer; traders answer for themselves.
    async fn answer(&self, draft: &Draft) -> anyhow::Result<()> {
        let mut dice = draft.dice.clone();
        let whim = dice.below(100);
        let hands: Vec<&Hand> = draft.terms.parties.iter().filter_map(|party| self.hands.get(party)).collect();
        let says_no = (whim < 14).then(|| dice.one_of(&hands).map(|hand| hand.id().clone())).flatten();
        let mut answers = Vec::new();
        for hand in &hands {
            let ask = match &says_no {
                Some(who) if who == hand.id() && whim < 7 => Some(self.rejection(draft)?),
                Some(who) if who == hand.id() => None,
                _ => Some(self.acceptance(draft, hand)?),
            };
            let after_ms = dice.between(0, 500);
            answers.extend(ask.map(|ask| self.after(after_ms, hand, draft, ask)));
        }
        let withdraws = (90..95).contains(&whim);
        if withdraws {
            let withdraw = Withdraw {
                move_id: move_id("withdraw", draft.number)?,
                deadline_unix_ms: draft.terms.expires_unix_ms,
                deal: draft.id.clone(),
                reason: "a whim".to_owned(),
                transcript: None,
            };
            answers.push(self.after(dice.between(0, 500), self.hand(&draft.opener)?, draft, Move::Withdraw(withdraw)));
        }
        let reuses = whim >= 95;
        if reuses && let Some(hand) = hands.first() {
            // The same move_id with another body: of the two, one is refused.
            let mut other = self.rejection(draft)?;
            if let Move::Reject(reject) = &mut other {
                reject.move_id = move_id("accept", draft.number)?;
            }
            answers.push(self.after(dice.between(0, 500), hand, draft, other));
        }
        join_all(answers).await;
        if draft.terms.delivery == Delivery::Confirmed {
            self.confirm(draft, &hands, dice).await?;
        }
        Ok(())
    }

    async fn after(&self, after_ms: u64, hand: &Hand, draft: &Draft, ask: Move) {
        self.port.sleep_ms(after_ms).await;
        self.moves(hand, draft, ask).await;
    }

    fn rejection(&self, draft: &Draft) -> anyhow::Result<Move> {
        Ok(Move::Reject(Reject {
            move_id: move_id("reject", draft.number)?,
            deadline_unix_ms: draft.terms.expires_unix_ms,
            deal: draft.id.clone(),
            terms_hash: Some(draft.hash),
            reason: "a whim".to_owned(),
            transcript: None,
        }))
    }

    fn acceptance(&self, draft: &Draft, hand: &Hand) -> anyhow::Result<Move> {
        let me = hand.id();
        let mut values = BTreeMap::new();
        let mut costs = BTreeMap::new();
        for transfer in &draft.terms.transfers {
            if transfer.to == *me {
                values.insert(transfer.good.clone(), price(100));
            }
            if transfer.from == *me {
                costs.insert(transfer.good.clone(), price(20));
            }
        }
        let holdings = costs.keys().map(|good| Holding { good: good.clone(), quantity: 40 }).collect();
        let value = |(good, value)| UnitValue { good, value: Some(value), dimensions: None };
        let valuation = Valuation {
            outlook: Outlook::default(),
            margin_ppm: 0,
            values: values.into_iter().map(value).collect(),
            costs: costs.into_iter().map(|(good, cost)| UnitCost { good, cost }).collect(),
        };
        Ok(Move::Accept(Accept {
            move_id: move_id("accept", draft.number)?,
            deadline_unix_ms: draft.terms.expires_unix_ms,
            deal: draft.id.clone(),
            terms_hash: draft.hash,
            valuation,
            holdings,
            transcript: None,
        }))
    }

    async fn confirm(&self, draft: &Draft, hands: &[&Hand], mut dice: Dice) -> anyhow::Result<()> {
        let due_unix_ms = draft.terms.transfers.iter().map(|transfer| transfer.due_unix_ms).max().unwrap_or(0);
        let Some(asks) = hands.first() else { return Ok(()) };
        loop {
            let state = asks.state(&draft.id).await.map(|shown| shown.state);
            match state {
                Some(State::Committed) => break,
                Some(state) if state.is_end() => return Ok(()),
                _ if self.port.now_unix_ms() > due_unix_ms => return Ok(()),
                _ => self.port.sleep_ms(200).await,
            }
        }
        let mut receivers: Vec<&&Hand> = hands.iter().collect();
        if dice.happens(200_000) {
            // Something never arrives.
            receivers.pop();
        }
        let mut confirms = Vec::new();
        for hand in receivers {
            let confirm = Confirm {
                move_id: move_id("confirm", draft.number)?,
                deadline_unix_ms: due_unix_ms,
                deal: draft.id.clone(),
                terms_hash: draft.hash,
            };
            // Some of it is late.
            let after_ms = if dice.happens(200_000) { dice.between(0, 6_000) } else { 0 };
            confirms.push(self.after(after_ms, hand, draft, Move::Confirm(confirm)));
        }
        join_all(confirms).await;
        Ok(())
    }
}

fn price(units: i64) -> Bounds {
    Bounds::exactly(schemas::Rational::whole(units))
}

fn move_id(verb: &str, number: u64) -> anyhow::Result<MoveId> {
    Ok(MoveId::parse(&format!("{verb}-{number}"))?)
}
