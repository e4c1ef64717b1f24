//! Proofs on paper: a claim's certificate or counterexample, written so that a mathematician can check it by hand.
//!
//! Where a leaf is what most are (the goal's polynomial as a sum of products that can't be negative) it is shown as that
//! identity, and elsewhere as the contradiction that it is. Nothing here decides anything: what is printed has been
//! checked before, and whoever doubts the printer checks the bytes.

mod notation;

use schemas::certificate::{Certificate, Counterexample, EqualityTerm, Node, PositivePart, SquareTerm};
use schemas::claim::{Claim, Constraint, Poly, PolyTerm, Relation};
use schemas::ratio::Ratio;

pub use self::notation::Notation;

/// A line that has more characters than this is broken between summands.
const LINE_CHARS: usize = 96;

/// Writes a page about one claim.
pub struct Page<'a> {
    notation: Notation,
    claim: &'a Claim,
    variables: Vec<String>,
    lines: Vec<String>,
}

impl<'a> Page<'a> {
    /// A page in this notation.
    pub fn new(claim: &'a Claim, notation: Notation) -> Self {
        let variables = claim.variables.iter().map(ToString::to_string).collect();
        Self { notation, claim, variables, lines: Vec::new() }
    }

    /// The proof that a certificate is.
    pub fn proof(mut self, certificate: &Certificate) -> String {
        let used = used(certificate, self.claim.hypotheses.len());
        self.open("proof");
        if used.iter().any(|is_used| *is_used) {
            self.say("Given are");
            self.begin();
            let hypotheses = self.claim.hypotheses.iter().enumerate().zip(&used).filter(|(_, used)| **used);
            let rows: Vec<String> =
                hypotheses.map(|((index, given), _)| self.constraint(&self.given(index), given)).collect();
            self.rows(&rows);
            self.end();
        }
        let mut nodes = certificate.nodes.iter();
        self.tree(&mut nodes, &mut Vec::new(), "");
        self.close("proof");
        self.lines.join("\n")
    }

    /// The point at which all that is given holds, and the goal does not.
    pub fn counterexample(mut self, counterexample: &Counterexample) -> String {
        let n = self.notation;
        let coordinates = self.variables.iter().zip(&counterexample.point);
        let coordinates: Vec<String> =
            coordinates.map(|(name, at)| format!("{} = {}", n.name(name), n.ratio(at))).collect();
        let holds = |constraint: &Constraint, sign: &str| {
            let poly = n.poly(&constraint.poly, &self.variables);
            match value(&constraint.poly, &counterexample.point) {
                // What is plain to see needs no working out.
                Some(value) if n.ratio(&value) != poly => format!("{poly} = {} {sign} 0", n.ratio(&value)),
                _ => format!("{poly} {sign} 0"),
            }
        };
        let given: Vec<String> =
            self.claim.hypotheses.iter().map(|given| holds(given, n.relation(given.relation))).collect();
        let goal = holds(&self.claim.goal, n.negation(self.claim.goal.relation));
        if !coordinates.is_empty() {
            self.say("At the point");
            self.begin();
            self.rows(&coordinates);
            self.end();
        }
        if !given.is_empty() {
            self.say("all that is given holds,");
            self.begin();
            self.rows(&given);
            self.end();
        }
        self.say(if given.is_empty() { "the goal does not hold:" } else { "and the goal does not:" });
        self.begin();
        self.rows(&[goal]);
        self.end();
        self.lines.join("\n")
    }

    /// A subtree; `path` holds the splits on the way to it, outermost first, each as it holds here.
    fn tree<'n>(&mut self, nodes: &mut impl Iterator<Item = &'n Node>, path: &mut Vec<Poly>, case: &str) {
        match nodes.next() {
            Some(Node::Split { on }) => {
                for (number, side) in [(1, on.clone()), (2, negated(on))] {
                    let case = if case.is_empty() { number.to_string() } else { format!("{case}.{number}") };
                    let assumed = Constraint { relation: Relation::AtLeast, poly: side.clone() };
                    let name = self.split(path.len());
                    let says = self.constraint(&name, &assumed);
                    let says = self.inline(&says);
                    self.say(&format!("Case {case}: {says}."));
                    path.push(side);
                    self.tree(nodes, path, &case);
                    path.pop();
                }
            }
            Some(Node::Leaf { positive, squares, equalities }) => self.leaf(positive, squares, equalities),
            Some(Node::Identity { equalities }) => {
                let goal = self.notation.poly(&self.claim.goal.poly, &self.variables);
                let sum = equalities.iter().filter_map(|term| self.equality(term, None)).collect();
                self.identity(&goal, sum, "which is 0.");
            }
            None => {}
        }
    }

    fn leaf(&mut self, positive: &PositivePart, squares: &[SquareTerm], equalities: &[EqualityTerm]) {
        if let Some((sum, is_strict)) = self.direct(positive, squares, equalities) {
            let goal = self.notation.poly(&self.claim.goal.poly, &self.variables);
            let why = match (is_strict, sum.len()) {
                (true, 1) => "which is positive.",
                (true, _) => "where the first summand is positive and no other is negative.",
                (false, 0 | 1) => "which is not negative.",
                (false, _) => "where no summand is negative.",
            };
            return self.identity(&goal, sum, why);
        }
        let denied = match self.claim.goal.relation {
            Relation::AtLeast => Some(Relation::Above),
            Relation::Above => Some(Relation::AtLeast),
            Relation::Equal => None,
        };
        let goal = self.goal_index();
        let names_goal = positive.factors.contains(&goal) || squares.iter().any(|term| term.factors.contains(&goal));
        if let Some(relation) = denied.filter(|_| names_goal) {
            let poly = negated(&self.claim.goal.poly);
            let says = self.constraint(&self.denied(), &Constraint { relation, poly });
            let says = self.inline(&says);
            self.say(&format!("If the goal did not hold, {says} would, but"));
        } else {
            self.say("This can't be, for");
        }
        let mut sum = vec![self.product(&positive.coef, &positive.factors, None)];
        sum.extend(squares.iter().filter_map(|term| self.square(term, None)));
        sum.extend(equalities.iter().filter_map(|term| self.equality(term, None)));
        let is_alone = sum.len() == 1;
        self.begin();
        self.sum("0", sum);
        self.end();
        self.say(if is_alone {
            "is identically so, and the right side is positive: a contradiction."
        } else {
            "is identically so, and the first summand is positive while no other is negative: a contradiction."
        });
    }

    /// The goal's polynomial as a sum of what can't be negative, where a leaf says no more than that; and whether the
    /// first summand is positive.
    fn direct(
        &self,
        positive: &PositivePart,
        squares: &[SquareTerm],
        equalities: &[EqualityTerm],
    ) -> Option<(Vec<String>, bool)> {
        let goal = self.goal_index();
        let (with_goal, rest): (Vec<&SquareTerm>, Vec<&SquareTerm>) =
            squares.iter().partition(|term| term.factors.contains(&goal));
        let mut sum = Vec::new();
        let divisor = match (self.claim.goal.relation, with_goal.as_slice()) {
            (Relation::AtLeast, []) if positive.factors == [goal] => &positive.coef,
            (Relation::Above, [only])
                if only.factors == [goal] && only.square.is_none() && !positive.factors.contains(&goal) =>
            {
                sum.push(self.product(&divided(&positive.coef, &only.coef)?, &positive.factors, None));
                &only.coef
            }
            _ => return None,
        };
        let is_strict = !sum.is_empty();
        for term in rest {
            sum.push(self.square(term, Some(divisor))?);
        }
        for term in equalities {
            sum.push(self.equality(term, Some(divisor))?);
        }
        Some((sum, is_strict))
    }

    fn identity(&mut self, goal: &str, sum: Vec<String>, why: &str) {
        self.say("Identically,");
        self.begin();
        self.sum(goal, sum);
        self.end();
        self.say(why);
    }

    fn square(&self, term: &SquareTerm, divisor: Option<&Ratio>) -> Option<String> {
        let coef = divisor.map_or_else(|| Some(term.coef.clone()), |divisor| divided(&term.coef, divisor))?;
        let square =
            term.square.as_ref().map(|poly| self.notation.power(&self.notation.factor(poly, &self.variables), 2));
        Some(self.product(&coef, &term.factors, square))
    }

    fn equality(&self, term: &EqualityTerm, divisor: Option<&Ratio>) -> Option<String> {
        let poly =
            divisor.map_or_else(|| Some(term.poly.clone()), |divisor| mapped(&term.poly, |c| divided(c, divisor)))?;
        let multiplier = self.notation.factor(&poly, &self.variables);
        Some(format!("{multiplier}{}{}", self.notation.times(), self.named(term.index)))
    }

    /// A ratio times constraints times a square.
    fn product(&self, coef: &Ratio, factors: &[u16], square: Option<String>) -> String {
        let mut parts = Vec::new();
        let mut rest = factors;
        while let Some(first) = rest.first() {
            let times = rest.iter().take_while(|factor| *factor == first).count();
            parts.push(self.notation.power(&self.named(*first), u32::try_from(times).unwrap_or(u32::MAX)));
            rest = rest.get(times..).unwrap_or_default();
        }
        parts.extend(square);
        if parts.is_empty() || *coef != Ratio::whole(1) {
            parts.insert(0, self.notation.ratio(coef));
        }
        parts.join(self.notation.times())
    }

    fn goal_index(&self) -> u16 {
        u16::try_from(self.claim.hypotheses.len()).unwrap_or(u16::MAX)
    }

    /// What a constraint is called, by its index.
    fn named(&self, index: u16) -> String {
        let (index, goal) = (usize::from(index), self.claim.hypotheses.len());
        match index.checked_sub(goal) {
            None => self.given(index),
            Some(0) => self.denied(),
            Some(split) => self.split(split - 1),
        }
    }

    fn given(&self, index: usize) -> String {
        self.notation.name(&format!("g{}", index + 1))
    }

    fn split(&self, depth: usize) -> String {
        self.notation.name(&format!("s{}", depth + 1))
    }

    fn denied(&self) -> String {
        self.notation.name("n")
    }

    fn constraint(&self, name: &str, constraint: &Constraint) -> String {
        let n = self.notation;
        format!("{name} = {} {} 0", n.poly(&constraint.poly, &self.variables), n.relation(constraint.relation))
    }

    fn inline(&self, mathematics: &str) -> String {
        if self.notation == Notation::Text { mathematics.to_owned() } else { format!("${mathematics}$") }
    }

    fn say(&mut self, words: &str) {
        self.lines.push(words.to_owned());
    }

    fn open(&mut self, name: &str) {
        match self.notation {
            Notation::Text => {}
            Notation::Latex => self.lines.push(format!("\\begin{{{name}}}")),
        }
    }

    fn close(&mut self, name: &str) {
        match self.notation {
            Notation::Text => {
                if let Some(last) = self.lines.last_mut() {
                    last.push_str("  ∎");
                }
            }
            Notation::Latex => self.lines.push(format!("\\end{{{name}}}")),
        }
    }

    fn begin(&mut self) {
        if self.notation == Notation::Latex {
            self.lines.push("\\begin{gather*}".to_owned());
        }
    }

    fn end(&mut self) {
        if self.notation == Notation::Latex {
            self.lines.push("\\end{gather*}".to_owned());
        }
    }

    fn rows(&mut self, rows: &[String]) {
        for (index, row) in rows.iter().enumerate() {
            let end = if self.notation == Notation::Latex && index + 1 < rows.len() { " \\\\" } else { "" };
            self.lines.push(format!("  {row}{end}"));
        }
    }

    /// `left = a + b + …`, broken between summands where it is long.
    fn sum(&mut self, left: &str, summands: Vec<String>) {
        let summands = if summands.is_empty() { vec!["0".to_owned()] } else { summands };
        let mut rows = vec![format!("{left} =")];
        for (index, summand) in summands.iter().enumerate() {
            let (joint, summand) = match summand.strip_prefix(['−', '-']) {
                Some(size) if index > 0 => (if self.notation == Notation::Text { " − " } else { " - " }, size),
                _ if index > 0 => (" + ", summand.as_str()),
                _ => (" ", summand.as_str()),
            };
            match rows.last_mut() {
                Some(row) if row.chars().count() + joint.len() + summand.chars().count() <= LINE_CHARS => {
                    *row += joint;
                    *row += summand;
                }
                _ => rows.push(format!("   {joint}{summand}")),
            }
        }
        self.rows(&rows);
    }
}

/// Which hypotheses a certificate names.
fn used(certificate: &Certificate, hypotheses: usize) -> Vec<bool> {
    let mut used = vec![false; hypotheses];
    let mut name = |index: &u16| {
        if let Some(is_used) = used.get_mut(usize::from(*index)) {
            *is_used = true;
        }
    };
    for node in &certificate.nodes {
        match node {
            Node::Split { .. } => {}
            Node::Leaf { positive, squares, equalities } => {
                positive.factors.iter().for_each(&mut name);
                squares.iter().flat_map(|term| &term.factors).for_each(&mut name);
                equalities.iter().map(|term| &term.index).for_each(&mut name);
            }
            Node::Identity { equalities } => equalities.iter().map(|term| &term.index).for_each(&mut name),
        }
    }
    used
}

/// The polynomial's opposite, which has as many bits.
fn negated(poly: &Poly) -> Poly {
    mapped(poly, |coef| Ratio::new(-coef.numerator(), coef.denominator().clone())).unwrap_or_default()
}

fn mapped(poly: &Poly, change: impl Fn(&Ratio) -> Option<Ratio>) -> Option<Poly> {
    let term = |term: &PolyTerm| Some(PolyTerm { coef: change(&term.coef)?, powers: term.powers.clone() });
    poly.terms().iter().map(term).collect::<Option<Vec<_>>>().map(Poly)
}

/// A quotient, unless it has more bits than a ratio may have: then the page shows what the certificate says, undivided.
fn divided(ratio: &Ratio, divisor: &Ratio) -> Option<Ratio> {
    Ratio::new(ratio.numerator() * divisor.denominator(), ratio.denominator() * divisor.numerator())
}

/// A polynomial's value at a point, unless it has more bits than a ratio may have.
fn value(poly: &Poly, point: &[Ratio]) -> Option<Ratio> {
    let times = |a: &Ratio, b: &Ratio| Ratio::new(a.numerator() * b.numerator(), a.denominator() * b.denominator());
    let mut sum = Ratio::whole(0);
    for term in poly.terms() {
        let mut product = term.coef.clone();
        for power in &term.powers {
            for _ in 0..power.exponent {
                product = times(&product, point.get(usize::from(power.variable))?)?;
            }
        }
        let numerator = sum.numerator() * product.denominator() + product.numerator() * sum.denominator();
        sum = Ratio::new(numerator, sum.denominator() * product.denominator())?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests;
