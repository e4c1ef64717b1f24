//! What may be moved in terms, and what a unit of each move does to every party: the columns of every programme here.
//!
//! A party's gain and its slack (what it has beyond its margin at the worst corner of its bounds) are linear in the
//! quantities that move. Their coefficients come from the same arithmetic that values terms as they stand, so that what
//! a programme finds feasible is found satisfied afterwards.
//!
//! A party that both pays and is paid would gain from nothing where it values money more than money costs it, so being
//! paid counts no more than paying costs.

use schemas::deal::{Terms, Transfer};
use schemas::division::Room;
use schemas::value::{PartyValuation, Valuation};
use schemas::{AgentId, ErrorReply, Good, Quantity};
use terms::{Exact, Interval, TermsError, appraise, days_between, unit_worth};

use crate::programme::{Column, Programme, Relation};

/// What moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The quantity of a transfer, by its index.
    Quantity(usize),
    /// What a party pays, by its index.
    Paid(usize),
    /// What a party is paid, by its index.
    Received(usize),
}

/// One thing that moves.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    pub(crate) kind: Kind,
    /// The least that it may be, in the good's minor units.
    pub(crate) least: i64,
    /// The most.
    pub(crate) most: i64,
    /// What it is now.
    pub(crate) before: i64,
    /// What a unit of change counts, in minor units of account.
    pub(crate) weight: Exact,
}

/// A linear function of the moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// What it is where nothing moves that may.
    pub(crate) base: Exact,
    /// What a unit of a move adds, by the move's index.
    pub(crate) by_move: Vec<(usize, Exact)>,
}

impl Line {
    /// Its value.
    pub(crate) fn at(&self, amounts: &[Exact]) -> Exact {
        let mut sum = self.base.clone();
        for (index, unit) in &self.by_move {
            if let Some(amount) = amounts.get(*index) {
                sum += &unit.product(amount);
            }
        }
        sum
    }

    /// What a unit of a move adds to it.
    pub(crate) fn unit(&self, index: usize) -> Option<&Exact> {
        // A line lists its moves in their order.
        let at = self.by_move.binary_search_by_key(&index, |(column, _)| *column).ok()?;
        self.by_move.get(at).map(|(_, unit)| unit)
    }

    /// Its value where every move is a whole number.
    pub(crate) fn at_whole(&self, amounts: &[i64]) -> Exact {
        let mut sum = self.base.clone();
        for (index, unit) in &self.by_move {
            if let Some(amount) = amounts.get(*index) {
                sum += &unit.times(*amount);
            }
        }
        sum
    }
}

/// A party's functions of the moves.
#[derive(Debug, Clone)]
pub(crate) struct Party {
    pub(crate) id: AgentId,
    /// Its gain at central values.
    pub(crate) gain: Line,
    /// What it has beyond its margin at the worst corner of its bounds.
    pub(crate) slack: Line,
}

/// Terms of which some may move.
#[derive(Debug, Clone)]
pub(crate) struct Moves {
    terms: Terms,
    pub(crate) parties: Vec<Party>,
    pub(crate) moves: Vec<Move>,
    payment: Option<(Good, i64)>,
}

impl Moves {
    /// What a room leaves to move in terms.
    pub(crate) fn of(terms: &Terms, valuations: &[PartyValuation], room: &Room) -> Result<Self, ErrorReply> {
        // Refuses what cannot be valued, in the words of whoever values it as it stands.
        let worths = appraise(terms, valuations)?;
        let stated: Vec<&Valuation> = terms
            .parties
            .iter()
            .map(|party| valuations.iter().find(|v| v.party == *party).map(|v| &v.valuation))
            .collect::<Option<_>>()
            .ok_or_else(|| ErrorReply::refused("no_valuation", "a party has stated nothing"))?;
        let mut parties: Vec<Party> = worths
            .iter()
            .map(|worth| Party {
                id: worth.party.clone(),
                gain: Line { base: worth.gain(), by_move: Vec::new() },
                slack: Line { base: worth.slack(), by_move: Vec::new() },
            })
            .collect();
        let mut made = Self { terms: terms.clone(), parties: Vec::new(), moves: Vec::new(), payment: None };
        for span in &room.spans {
            let index = span.transfer as usize;
            let Some(transfer) = terms.transfers.get(index) else { continue };
            made.quantity(index, transfer, (span.least, span.most), &stated, &mut parties)?;
        }
        if let Some(payment) = &room.payment {
            let due = payment.due_unix_ms.unwrap_or(terms.expires_unix_ms);
            made.payments(&payment.good, payment.most, due, &stated, &mut parties)?;
        }
        made.parties = parties;
        Ok(made)
    }

    fn quantity(
        &mut self,
        index: usize,
        transfer: &Transfer,
        (least, most): (i64, i64),
        stated: &[&Valuation],
        parties: &mut [Party],
    ) -> Result<(), ErrorReply> {
        let days = days_between(self.terms.expires_unix_ms, transfer.due_unix_ms);
        let column = self.moves.len();
        let before = transfer.quantity.get();
        let mut counts = Exact::zero();
        for (party, valuation) in parties.iter_mut().zip(stated) {
            let unit = if party.id == transfer.to {
                Unit::received(&unit_worth(valuation, &transfer.good, days)?.receipt)
            } else if party.id == transfer.from {
                let giving = unit_worth(valuation, &transfer.good, days)?
                    .giving
                    .ok_or_else(|| TermsError::NoCost { party: party.id.clone(), good: transfer.good.clone() })?;
                Unit::given(&giving, valuation.margin_ppm)
            } else {
                continue;
            };
            counts += &unit.counts;
            unit.add(party, column, before);
        }
        self.moves.push(Move { kind: Kind::Quantity(index), least, most, before, weight: weight(&counts) });
        Ok(())
    }

    fn payments(
        &mut self,
        good: &Good,
        most: i64,
        due_unix_ms: i64,
        stated: &[&Valuation],
        parties: &mut [Party],
    ) -> Result<(), ErrorReply> {
        let days = days_between(self.terms.expires_unix_ms, due_unix_ms);
        let others = i64::try_from(parties.len()).unwrap_or(i64::MAX).saturating_sub(1);
        for (index, (party, valuation)) in parties.iter_mut().zip(stated).enumerate() {
            let worth = unit_worth(valuation, good, days)?;
            let receipt = match &worth.giving {
                Some(giving) => Interval {
                    lo: worth.receipt.lo.clone().min(giving.lo.clone()),
                    hi: worth.receipt.hi.clone().min(giving.hi.clone()),
                },
                None => worth.receipt.clone(),
            };
            let mut add = |kind, most, unit: Unit| {
                unit.add(party, self.moves.len(), 0);
                self.moves.push(Move { kind, least: 0, most, before: 0, weight: weight(&unit.counts) });
            };
            if let Some(giving) = &worth.giving {
                add(Kind::Paid(index), most, Unit::given(giving, valuation.margin_ppm));
            }
            add(Kind::Received(index), most.saturating_mul(others), Unit::received(&receipt));
        }
        self.payment = Some((good.clone(), due_unix_ms));
        Ok(())
    }

    /// Whether anyone can be paid.
    pub(crate) fn has_payments(&self) -> bool {
        self.payment.is_some()
    }

    /// A programme of these moves as columns. Its rows are, in order: each party's slack, at least what is set `aside`
    /// for it (0); where anyone can be paid, that payments balance; and where `gains` are given, that each party gains
    /// at least so much.
    pub(crate) fn programme(&self, aside: Option<&[Exact]>, gains: Option<&[Exact]>) -> Programme {
        let mut programme = Programme::default();
        for (index, party) in self.parties.iter().enumerate() {
            let aside = aside.and_then(|aside| aside.get(index)).cloned().unwrap_or_else(Exact::zero);
            programme.row(Relation::AtLeast, &aside - &party.slack.base);
        }
        let balance = self.has_payments().then(|| programme.row(Relation::Equal, Exact::zero()));
        let first = self.first_gain_row();
        for (party, gain) in self.parties.iter().zip(gains.into_iter().flatten()) {
            programme.row(Relation::AtLeast, gain - &party.gain.base);
        }
        for (index, moved) in self.moves.iter().enumerate() {
            let mut entries = self.entries(index, balance);
            if gains.is_some() {
                let gain = |(row, party): (usize, &Party)| Some((first + row, party.gain.unit(index)?.clone()));
                entries.extend(self.parties.iter().enumerate().filter_map(gain));
            }
            let (least, most) = (moved.least.into(), Some(moved.most.into()));
            programme.column(Column { least, most, gain: Exact::zero(), entries });
        }
        programme
    }

    /// The first of the rows of [`Moves::programme`] that say what parties gain.
    pub(crate) fn first_gain_row(&self) -> usize {
        self.parties.len() + usize::from(self.has_payments())
    }

    /// The same with every quantity as it is in `whole`; payments stay free.
    pub(crate) fn with_quantities(&self, whole: &[i64]) -> Self {
        let mut fixed = self.clone();
        for (moved, amount) in fixed.moves.iter_mut().zip(whole) {
            if matches!(moved.kind, Kind::Quantity(_)) {
                (moved.least, moved.most) = (*amount, *amount);
            }
        }
        fixed
    }

    /// What a unit of a move adds to the rows of [`Moves::programme`].
    pub(crate) fn entries(&self, index: usize, balance: Option<usize>) -> Vec<(usize, Exact)> {
        let mut entries = Vec::new();
        for (row, party) in self.parties.iter().enumerate() {
            if let Some(unit) = party.slack.unit(index) {
                entries.push((row, unit.clone()));
            }
        }
        if let (Some(row), Some(moved)) = (balance, self.moves.get(index)) {
            match moved.kind {
                Kind::Quantity(_) => {}
                Kind::Paid(_) => entries.push((row, Exact::from(1))),
                Kind::Received(_) => entries.push((row, Exact::from(-1))),
            }
        }
        entries
    }

    /// What each party is paid less what it pays, by party.
    pub(crate) fn net_payments(&self, amounts: &[i64]) -> Vec<i64> {
        let mut nets = vec![0_i64; self.parties.len()];
        for (moved, amount) in self.moves.iter().zip(amounts) {
            let (party, signed) = match moved.kind {
                Kind::Quantity(_) => continue,
                Kind::Paid(party) => (party, amount.saturating_neg()),
                Kind::Received(party) => (party, *amount),
            };
            if let Some(net) = nets.get_mut(party) {
                *net = net.saturating_add(signed);
            }
        }
        nets
    }

    /// The terms with these amounts, and the payments that stand at their end. A transfer of 0 is left out, and so is a
    /// party that then neither gives nor receives.
    pub(crate) fn applied(&self, amounts: &[i64]) -> (Terms, Vec<Transfer>) {
        let mut quantities: Vec<i64> = self.terms.transfers.iter().map(|transfer| transfer.quantity.get()).collect();
        for (moved, amount) in self.moves.iter().zip(amounts) {
            if let Kind::Quantity(index) = moved.kind
                && let Some(quantity) = quantities.get_mut(index)
            {
                *quantity = *amount;
            }
        }
        let kept = self.terms.transfers.iter().zip(quantities).filter_map(|(transfer, quantity)| {
            Some(Transfer { quantity: Quantity::new(quantity).ok()?, ..transfer.clone() })
        });
        let payments = self.payment_transfers(&self.net_payments(amounts));
        let transfers: Vec<Transfer> = kept.chain(payments.iter().cloned()).collect();
        let parties = self.terms.parties.iter();
        let parties = parties.filter(|party| transfers.iter().any(|t| t.from == **party || t.to == **party));
        (Terms { parties: parties.cloned().collect(), transfers, ..self.terms.clone() }, payments)
    }

    /// Who pays whom so that everyone has its net: payers and payees in the order of their ids, so that there are fewer
    /// transfers than parties.
    fn payment_transfers(&self, nets: &[i64]) -> Vec<Transfer> {
        let Some((good, due_unix_ms)) = &self.payment else { return Vec::new() };
        let of = |wanted: fn(i64) -> bool| {
            let parties = self.parties.iter().zip(nets).filter(move |(_, net)| wanted(**net));
            parties.map(|(party, net)| (&party.id, net.saturating_abs()))
        };
        let (mut payers, mut payees) = (of(|net| net < 0), of(|net| net > 0));
        let mut transfers = Vec::new();
        let (mut payer, mut payee) = (payers.next(), payees.next());
        while let (Some((from, has)), Some((to, gets))) = (payer, payee) {
            let amount = has.min(gets);
            if let Ok(quantity) = Quantity::new(amount) {
                let (from, to) = (from.clone(), to.clone());
                transfers.push(Transfer {
                    from,
                    to,
                    good: good.clone(),
                    quantity,
                    due_unix_ms: *due_unix_ms,
                    intent: None,
                });
            }
            payer = if has > amount { Some((from, has - amount)) } else { payers.next() };
            payee = if gets > amount { Some((to, gets - amount)) } else { payees.next() };
        }
        transfers
    }
}

fn weight(counts: &Exact) -> Exact {
    if *counts == Exact::zero() { Exact::from(1) } else { counts.product(&half()) }
}

fn half() -> Exact {
    Exact::ratio(1, 2).unwrap_or_else(Exact::zero)
}

/// What a unit does to one party.
struct Unit {
    gain: Exact,
    slack: Exact,
    /// Its worth or cost at central values.
    counts: Exact,
}

impl Unit {
    fn received(worth: &Interval) -> Self {
        Self { gain: worth.central(), slack: worth.lo.clone(), counts: worth.central() }
    }

    fn given(cost: &Interval, margin_ppm: i64) -> Self {
        Self { gain: -&cost.central(), slack: -&cost.hi.with_margin(margin_ppm), counts: cost.central() }
    }

    /// Makes a move of what the party's base held at `before` units.
    fn add(&self, party: &mut Party, column: usize, before: i64) {
        for (line, unit) in [(&mut party.gain, &self.gain), (&mut party.slack, &self.slack)] {
            line.base += &-&unit.times(before);
            line.by_move.push((column, unit.clone()));
        }
    }
}
