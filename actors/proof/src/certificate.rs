//! Certificates: walks the tree, works out which constraints hold at each leaf, and has each leaf expanded.
//!
//! Two passes. The first reads every node, refuses what stands where it may not, and pays for every product that the
//! second will expand, so that nothing is expanded of a certificate that is too large as a whole.

use std::collections::BTreeMap;
use std::rc::Rc;

use num_bigint::BigInt;
use num_traits::{One, Pow};
use schemas::Ratio;
use schemas::certificate::{Certificate, EqualityTerm, Node, PositivePart, SquareTerm};
use schemas::claim::{Poly, Relation};
use schemas::id::Variable;

use crate::budget::{Budget, Size};
use crate::check::Setting;
use crate::poly::{Cleared, Sum, common};
use crate::refused::{Fault, Refused};

/// A constraint that holds at a node.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// How its polynomial compares with nought.
    pub relation: Relation,
    /// The polynomial.
    pub poly: Rc<Cleared>,
}

/// Checks a certificate. Whether its proof used the goal: else it shows that the hypotheses contradict each other.
pub(crate) fn check(setting: &Setting<'_>, certificate: &Certificate, budget: &mut Budget) -> Result<bool, Refused> {
    let mut walk = Walk { setting, budget, path: Vec::new(), uses_goal: false };
    let mut identities = Vec::new();
    let mut is_complete = false;
    for (index, node) in certificate.nodes.iter().enumerate() {
        let place = format!("certificate.nodes[{index}]");
        if is_complete {
            return Err(Refused::new(Fault::Misplaced, place, "the tree has ended before"));
        }
        let identity = match node {
            Node::Split { on } => {
                let poly = walk.clear(on, &format!("{place}.on"))?;
                walk.path.push(Branch { given: Given { relation: Relation::AtLeast, poly }, is_second: false });
                continue;
            }
            Node::Leaf { positive, squares, equalities } => walk.leaf(positive, squares, equalities, place)?,
            Node::Identity { equalities } => walk.identity(equalities, place)?,
        };
        identities.push(identity);
        is_complete = walk.turn();
    }
    if !is_complete {
        return Err(Refused::new(Fault::Misplaced, "certificate.nodes", "subtrees of splits are missing"));
    }
    let uses_goal = walk.uses_goal;
    identities.iter().try_for_each(|identity| identity.expand(&setting.claim.variables))?;
    Ok(uses_goal)
}

/// A split on the way from the root, and the side that is taken.
struct Branch {
    given: Given,
    is_second: bool,
}

struct Walk<'a> {
    setting: &'a Setting<'a>,
    budget: &'a mut Budget,
    path: Vec<Branch>,
    uses_goal: bool,
}

impl Walk<'_> {
    /// After a leaf: turns to the second side of the innermost split that is on its first. Whether none is left.
    fn turn(&mut self) -> bool {
        while let Some(branch) = self.path.pop() {
            if !branch.is_second {
                let poly = Rc::new(branch.given.poly.negated());
                self.path.push(Branch { given: Given { relation: Relation::AtLeast, poly }, is_second: true });
                return false;
            }
        }
        true
    }

    fn clear(&mut self, poly: &Poly, place: &str) -> Result<Rc<Cleared>, Refused> {
        Cleared::of(poly, self.setting.claim.variables.len(), self.budget, place).map(Rc::new)
    }

    /// The constraint of this index, if it compares as it must to stand here.
    fn given(&mut self, index: u16, place: impl Fn() -> String, may: &[Relation]) -> Result<Rc<Cleared>, Refused> {
        let hypotheses = self.setting.hypotheses.len();
        let at = usize::from(index);
        let given = match at.checked_sub(hypotheses) {
            None => self.setting.hypotheses.get(at),
            Some(0) => self.setting.denied.as_ref(),
            Some(after) => self.path.get(after - 1).map(|branch| &branch.given),
        };
        let reason = match given {
            Some(given) if may.contains(&given.relation) => {
                self.uses_goal |= at == hypotheses;
                return Ok(Rc::clone(&given.poly));
            }
            Some(given) => {
                let expected: Vec<_> = may.iter().map(|relation| relation.as_str()).collect();
                format!("constraint {index} compares by {}, not by {}", given.relation, expected.join(" or "))
            }
            None if at == hypotheses => "a goal with = is not denied, so no constraint has its index".to_owned(),
            None => format!("no constraint {index} holds here"),
        };
        Err(Refused::new(Fault::Misplaced, place(), reason))
    }

    fn leaf(
        &mut self,
        positive: &PositivePart,
        squares: &[SquareTerm],
        equalities: &[EqualityTerm],
        place: String,
    ) -> Result<Identity, Refused> {
        let mut identity = Unpaid::new(place);
        let at = format!("{}.positive", identity.place);
        if !positive.coef.is_positive() {
            return Err(Refused::new(Fault::Misplaced, at, "the coefficient must be positive"));
        }
        let factors = self.factors(&positive.factors, &at, &[Relation::Above])?;
        identity.push(&positive.coef, factors, None, at)?;
        for (index, term) in squares.iter().enumerate() {
            let at = format!("{}.squares[{index}]", identity.place);
            if !term.coef.is_positive() {
                return Err(Refused::new(Fault::Misplaced, at, "the coefficient must be positive"));
            }
            let factors = self.factors(&term.factors, &at, &[Relation::AtLeast, Relation::Above])?;
            let square = term.square.as_ref().map(|square| self.clear(square, &format!("{at}.square"))).transpose()?;
            identity.push(&term.coef, factors, square, at)?;
        }
        self.equalities(equalities, &mut identity)?;
        identity.pay(self.budget)
    }

    fn factors(&mut self, factors: &[u16], place: &str, may: &[Relation]) -> Result<Vec<(u16, Rc<Cleared>)>, Refused> {
        let each = factors.iter().enumerate();
        each.map(|(at, index)| Ok((*index, self.given(*index, || format!("{place}.factors[{at}]"), may)?))).collect()
    }

    fn equalities(&mut self, equalities: &[EqualityTerm], identity: &mut Unpaid) -> Result<(), Refused> {
        for (index, term) in equalities.iter().enumerate() {
            let at = format!("{}.equalities[{index}]", identity.place);
            let equal = self.given(term.index, || format!("{at}.index"), &[Relation::Equal])?;
            let by = self.clear(&term.poly, &format!("{at}.poly"))?;
            identity.push_multiple(&Ratio::whole(1), Some((term.index, equal)), by, at)?;
        }
        Ok(())
    }

    /// f ≡ Σ poly·h, as −f + Σ poly·h ≡ 0.
    fn identity(&mut self, equalities: &[EqualityTerm], place: String) -> Result<Identity, Refused> {
        if self.setting.denied.is_some() {
            return Err(Refused::new(Fault::Misplaced, place, "an identity proves a goal with = alone"));
        }
        self.uses_goal = true;
        let mut identity = Unpaid::new(place);
        let at = identity.place.clone();
        identity.push_multiple(&Ratio::whole(-1), None, Rc::clone(&self.setting.goal), at)?;
        self.equalities(equalities, &mut identity)?;
        identity.pay(self.budget)
    }
}

/// A summand of a leaf: a coefficient times a product.
struct Summand {
    coef: Ratio,
    factors: Vec<Rc<Cleared>>,
    place: String,
}

/// What has to cancel at one leaf, as long as its cost is not paid.
struct Unpaid {
    place: String,
    summands: Vec<Summand>,
    /// How often each constraint stands in one summand at most, and its polynomial.
    often: BTreeMap<u16, (u64, Rc<Cleared>)>,
    /// Common denominators of the coefficients, of the squares, and of what multiplies equalities.
    coefs: BigInt,
    squares: BigInt,
    multiples: BigInt,
}

impl Unpaid {
    fn new(place: String) -> Self {
        let one = BigInt::one;
        let (summands, often) = (Vec::new(), BTreeMap::new());
        Self { place, summands, often, coefs: one(), squares: one(), multiples: one() }
    }

    /// Adds coef·∏ factors·square².
    fn push(
        &mut self,
        coef: &Ratio,
        factors: Vec<(u16, Rc<Cleared>)>,
        square: Option<Rc<Cleared>>,
        place: String,
    ) -> Result<(), Refused> {
        self.coefs = common(&self.coefs, coef.denominator(), &place)?;
        for (index, poly) in &factors {
            let times = factors.iter().filter(|(other, _)| other == index).count() as u64;
            let most = self.often.entry(*index).or_insert_with(|| (0, Rc::clone(poly)));
            most.0 = most.0.max(times);
        }
        let mut factors: Vec<_> = factors.into_iter().map(|(_, poly)| poly).collect();
        if let Some(square) = square {
            self.squares = common(&self.squares, &square.denominator, &place)?;
            factors.extend([Rc::clone(&square), square]);
        }
        self.summands.push(Summand { coef: coef.clone(), factors, place });
        Ok(())
    }

    /// Adds coef·by·constraint.
    fn push_multiple(
        &mut self,
        coef: &Ratio,
        constraint: Option<(u16, Rc<Cleared>)>,
        by: Rc<Cleared>,
        place: String,
    ) -> Result<(), Refused> {
        self.multiples = common(&self.multiples, &by.denominator, &place)?;
        self.push(coef, constraint.into_iter().collect(), None, place)?;
        if let Some(summand) = self.summands.last_mut() {
            summand.factors.push(by);
        }
        Ok(())
    }

    /// Pays for all that will be expanded.
    fn pay(self, budget: &mut Budget) -> Result<Identity, Refused> {
        let parts = self.often.values().map(|(times, poly)| times * poly.denominator.bits());
        let bits = self.coefs.bits() + 2 * self.squares.bits() + self.multiples.bits() + parts.sum::<u64>();
        budget.charge(Size::of_bits(bits), || self.place.clone())?;
        for summand in &self.summands {
            let start = Size::of_bits(summand.coef.numerator().bits());
            let size = summand.factors.iter().fold(start, |size, factor| size.times(factor.size));
            budget.charge(size.widened(bits), || summand.place.clone())?;
        }
        let mut denominator = self.coefs * Pow::pow(&self.squares, 2_u32) * self.multiples;
        for (times, poly) in self.often.values() {
            denominator *= Pow::pow(&poly.denominator, *times);
        }
        Ok(Identity { place: self.place, summands: self.summands, denominator })
    }
}

/// What has to cancel at one leaf, paid for.
struct Identity {
    place: String,
    summands: Vec<Summand>,
    /// A common denominator of the summands.
    denominator: BigInt,
}

impl Identity {
    fn expand(&self, variables: &[Variable]) -> Result<(), Refused> {
        let mut sum = Sum::default();
        for summand in &self.summands {
            let own = summand.factors.iter().map(|factor| &factor.denominator);
            let own = own.fold(summand.coef.denominator().clone(), |product, next| product * next);
            let scale = summand.coef.numerator() * (&self.denominator / own);
            let factors: Vec<_> = summand.factors.iter().map(|factor| factor.terms.as_slice()).collect();
            sum.add(&scale, &factors);
        }
        match sum.remainder(&self.denominator, variables) {
            None => Ok(()),
            Some(term) => {
                let reason = format!("the sum is not nought: {term} is left");
                Err(Refused::new(Fault::NotNought, &self.place, reason))
            }
        }
    }
}
