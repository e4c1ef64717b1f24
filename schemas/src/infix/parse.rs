//! Reads the infix form by recursive descent, one function for each rule of the grammar in `docs/claims.md`.

use std::str::FromStr;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Pow, Zero};

use super::BadClaim;
use super::token::{Token, Word, tokens};
use crate::claim::{Claim, Constraint, Relation};
use crate::id::Variable;
use crate::limit::{
    MAX_CLAIM_CHARS, MAX_COEFFICIENT_BITS, MAX_DEGREE, MAX_HYPOTHESES, MAX_INFIX_EXPANSION, MAX_INFIX_NESTING,
    MAX_TOKEN_CHARS, MAX_VARIABLES,
};
use crate::polynomial::Polynomial;

/// Words that are no variables.
pub(super) const RESERVED: [&str; 3] = ["forall", "in", "oo"];

/// Reads a claim.
pub(super) fn claim(text: &str) -> Result<Claim, BadClaim> {
    if let Some((_, _)) = text.char_indices().nth(MAX_CLAIM_CHARS) {
        return Err(BadClaim::at(MAX_CLAIM_CHARS + 1, format!("longer than {MAX_CLAIM_CHARS} characters")));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, variables: Vec::new(), nesting: 0, expansion: 0 };
    let mut hypotheses = Vec::new();
    if parser.takes_name("forall") {
        parser.hypothesis(&mut hypotheses)?;
        while parser.takes(",") {
            parser.hypothesis(&mut hypotheses)?;
        }
        parser.wants(":", "expected , or : after a hypothesis")?;
    }
    let goal = parser.goal()?;
    Ok(Claim { variables: parser.variables, hypotheses, goal, witness: None })
}

/// What an expression is compared with, and how.
#[derive(Clone, Copy)]
enum Sense {
    /// `>=`, `>` and `=`, left minus right.
    LeftMinusRight(Relation),
    /// `<=` and `<`, right minus left.
    RightMinusLeft(Relation),
}

/// An end of an interval.
struct End {
    /// Its value; `None` for no bound.
    value: Option<Polynomial>,
    column: usize,
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    variables: Vec<Variable>,
    nesting: usize,
    /// Products of terms expanded so far.
    expansion: u64,
}

impl Parser {
    fn word(&self) -> &Word {
        self.tokens.get(self.at).map_or(&Word::End, |token| &token.word)
    }

    fn next_word(&self) -> &Word {
        self.tokens.get(self.at + 1).map_or(&Word::End, |token| &token.word)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |token| token.column)
    }

    fn fails<T>(&self, reason: impl Into<String>) -> Result<T, BadClaim> {
        Err(BadClaim::at(self.column(), reason))
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is = matches!(self.word(), Word::Sign(here) if *here == sign);
        self.at += usize::from(is);
        is
    }

    fn takes_name(&mut self, name: &str) -> bool {
        let is = matches!(self.word(), Word::Name(here) if here == name);
        self.at += usize::from(is);
        is
    }

    fn wants(&mut self, sign: &str, reason: &str) -> Result<(), BadClaim> {
        if self.takes(sign) { Ok(()) } else { self.fails(reason) }
    }

    /// `name in [a, b]`, a chain of relations, or a name alone, which bounds nothing.
    fn hypothesis(&mut self, into: &mut Vec<Constraint>) -> Result<(), BadClaim> {
        let column = self.column();
        match (self.word().clone(), self.next_word()) {
            (Word::Name(name), Word::Name(next)) if next == "in" => {
                let subject = self.variable(&name)?;
                self.at += 2;
                self.interval(&subject, column, into)
            }
            (Word::Name(name), Word::Sign("," | ":")) => {
                self.variable(&name)?;
                self.at += 1;
                Ok(())
            }
            _ => {
                let mut left = self.expression()?;
                let mut sense = self.relation()?;
                loop {
                    let right = self.expression()?;
                    self.compare(left, sense, &right, column, into)?;
                    if !self.at_relation() {
                        return Ok(());
                    }
                    sense = self.relation()?;
                    left = right;
                }
            }
        }
    }

    fn interval(&mut self, subject: &Polynomial, column: usize, into: &mut Vec<Constraint>) -> Result<(), BadClaim> {
        let low_relation = if self.takes("[") {
            Relation::AtLeast
        } else if self.takes("(") {
            Relation::Above
        } else {
            return self.fails("expected [ or ( after in");
        };
        let low = self.end(true)?;
        self.wants(",", "expected , between the ends of an interval")?;
        let high = self.end(false)?;
        let high_relation = if self.takes("]") {
            Relation::AtLeast
        } else if self.takes(")") {
            Relation::Above
        } else {
            return self.fails("expected ] or ) after an interval");
        };
        let value = |end: &End| end.value.as_ref().and_then(Polynomial::as_constant);
        if let (Some(least), Some(most)) = (value(&low), value(&high))
            && least > most
        {
            return Err(BadClaim::at(low.column, format!("the lower end {least} exceeds the upper end {most}")));
        }
        if let Some(low) = low.value {
            self.compare(subject.clone(), Sense::LeftMinusRight(low_relation), &low, column, into)?;
        }
        if let Some(high) = high.value {
            self.compare(subject.clone(), Sense::RightMinusLeft(high_relation), &high, column, into)?;
        }
        Ok(())
    }

    /// An expression, or `-oo` below and `oo` above.
    fn end(&mut self, is_low: bool) -> Result<End, BadClaim> {
        let column = self.column();
        let is_endless = |word: &Word| matches!(word, Word::Name(name) if name == "oo");
        if is_low && matches!(self.word(), Word::Sign("-")) && is_endless(self.next_word()) {
            self.at += 2;
            return Ok(End { value: None, column });
        }
        if !is_low && is_endless(self.word()) {
            self.at += 1;
            return Ok(End { value: None, column });
        }
        Ok(End { value: Some(self.expression()?), column })
    }

    fn compare(
        &mut self,
        left: Polynomial,
        sense: Sense,
        right: &Polynomial,
        column: usize,
        into: &mut Vec<Constraint>,
    ) -> Result<(), BadClaim> {
        if into.len() >= MAX_HYPOTHESES {
            return Err(BadClaim::at(column, format!("at most {MAX_HYPOTHESES} hypotheses")));
        }
        into.push(constraint(left, sense, right.clone(), column)?);
        Ok(())
    }

    fn goal(&mut self) -> Result<Constraint, BadClaim> {
        let column = self.column();
        let left = self.expression()?;
        let sense = self.relation()?;
        let right = self.expression()?;
        if self.at_relation() {
            return self.fails("a goal is one relation");
        }
        match self.word() {
            Word::End => constraint(left, sense, right, column),
            Word::Sign(":") => self.fails("hypotheses begin with forall"),
            Word::Sign(",") => self.fails("a goal is one relation"),
            _ => self.fails("expected the end of the claim"),
        }
    }

    fn at_relation(&self) -> bool {
        matches!(self.word(), Word::Sign(">=" | ">" | "=" | "<=" | "<"))
    }

    fn relation(&mut self) -> Result<Sense, BadClaim> {
        let sense = match self.word() {
            Word::Sign(">=") => Sense::LeftMinusRight(Relation::AtLeast),
            Word::Sign(">") => Sense::LeftMinusRight(Relation::Above),
            Word::Sign("=") => Sense::LeftMinusRight(Relation::Equal),
            Word::Sign("<=") => Sense::RightMinusLeft(Relation::AtLeast),
            Word::Sign("<") => Sense::RightMinusLeft(Relation::Above),
            _ => return self.fails("expected >=, >, =, <= or <"),
        };
        self.at += 1;
        Ok(sense)
    }

    fn expression(&mut self) -> Result<Polynomial, BadClaim> {
        let mut sum = self.product()?;
        loop {
            let column = self.column();
            let next = if self.takes("+") {
                sum.plus(self.product()?)
            } else if self.takes("-") {
                sum.minus(self.product()?)
            } else {
                return Ok(sum);
            };
            sum = within(next, column)?;
        }
    }

    fn product(&mut self) -> Result<Polynomial, BadClaim> {
        let mut product = self.signed()?;
        loop {
            let column = self.column();
            if self.takes("*") {
                let by = self.signed()?;
                product = self.multiply(&product, &by, column)?;
            } else if self.takes("/") {
                let column = self.column();
                let by = self.signed()?;
                let Some(by) = by.as_constant() else {
                    return Err(BadClaim::at(column, "only a constant may divide"));
                };
                if by.is_zero() {
                    return Err(BadClaim::at(column, "a division by nought"));
                }
                product = within(product.scaled(&by.recip()), column)?;
            } else if matches!(self.word(), Word::Name(_) | Word::Number(_) | Word::Sign("(")) && !self.at_in() {
                return self.fails("a * must stand between factors");
            } else {
                return Ok(product);
            }
        }
    }

    /// `in` after an expression is a mistake of another kind.
    fn at_in(&self) -> bool {
        matches!(self.word(), Word::Name(name) if name == "in")
    }

    /// A minus binds looser than a power: −x² is −(x²).
    fn signed(&mut self) -> Result<Polynomial, BadClaim> {
        let mut is_negative = false;
        while self.takes("-") {
            is_negative = !is_negative;
        }
        let power = self.power()?;
        Ok(if is_negative { Polynomial::zero().minus(power) } else { power })
    }

    fn power(&mut self) -> Result<Polynomial, BadClaim> {
        let base = self.primary()?;
        let column = self.column();
        if !self.takes("^") {
            return Ok(base);
        }
        let exponent = match self.word() {
            Word::Number(digits) => digits.parse::<u32>().ok().filter(|exponent| *exponent <= MAX_COEFFICIENT_BITS),
            _ => None,
        };
        let Some(exponent) = exponent else {
            return self.fails(format!("an exponent is a whole number from 0 to {MAX_COEFFICIENT_BITS}"));
        };
        self.at += 1;
        if matches!(self.word(), Word::Sign("^")) {
            return self.fails("a power of a power needs parentheses");
        }
        if let Some(value) = base.as_constant() {
            return Polynomial::constant_power(&value, exponent).map_err(|e| BadClaim::at(column, e.to_string()));
        }
        if exponent > MAX_DEGREE {
            return Err(BadClaim::at(column, format!("the degree is above {MAX_DEGREE}")));
        }
        let mut power = Polynomial::constant(BigRational::from_integer(1.into()));
        for _ in 0..exponent {
            power = self.multiply(&power, &base, column)?;
        }
        Ok(power)
    }

    fn primary(&mut self) -> Result<Polynomial, BadClaim> {
        let column = self.column();
        match self.word().clone() {
            Word::Number(text) => {
                self.at += 1;
                number(&text, column)
            }
            Word::Name(name) => {
                let variable = self.variable(&name)?;
                self.at += 1;
                Ok(variable)
            }
            Word::Sign("(") => {
                self.nesting += 1;
                if self.nesting > MAX_INFIX_NESTING {
                    return self.fails(format!("nested deeper than {MAX_INFIX_NESTING} parentheses"));
                }
                self.at += 1;
                let inner = self.expression()?;
                self.wants(")", "expected )")?;
                self.nesting -= 1;
                Ok(inner)
            }
            _ => self.fails("expected a number, a variable or ("),
        }
    }

    /// The variable of this name, which stands here.
    fn variable(&mut self, name: &str) -> Result<Polynomial, BadClaim> {
        if RESERVED.contains(&name) {
            return self.fails(format!("{name} is no variable"));
        }
        let Ok(name) = Variable::parse(name) else {
            return self.fails(format!("a variable has at most {MAX_TOKEN_CHARS} characters"));
        };
        let index = self.variables.iter().position(|known| *known == name).unwrap_or(self.variables.len());
        if index >= MAX_VARIABLES {
            return self.fails(format!("at most {MAX_VARIABLES} variables"));
        }
        if index == self.variables.len() {
            self.variables.push(name);
        }
        Ok(Polynomial::variable(u8::try_from(index).unwrap_or(u8::MAX)))
    }

    fn multiply(&mut self, a: &Polynomial, b: &Polynomial, column: usize) -> Result<Polynomial, BadClaim> {
        self.expansion = self.expansion.saturating_add((a.len() as u64).saturating_mul(b.len() as u64));
        if self.expansion > MAX_INFIX_EXPANSION {
            return Err(BadClaim::at(column, format!("more than {MAX_INFIX_EXPANSION} products of terms")));
        }
        a.times(b).map_err(|error| BadClaim::at(column, error.to_string()))
    }
}

fn within(polynomial: Polynomial, column: usize) -> Result<Polynomial, BadClaim> {
    polynomial.fits().map_err(|error| BadClaim::at(column, error.to_string()))
}

fn constraint(left: Polynomial, sense: Sense, right: Polynomial, column: usize) -> Result<Constraint, BadClaim> {
    let (relation, difference) = match sense {
        Sense::LeftMinusRight(relation) => (relation, left.minus(right)),
        Sense::RightMinusLeft(relation) => (relation, right.minus(left)),
    };
    let poly = difference.to_poly().map_err(|error| BadClaim::at(column, error.to_string()))?;
    Ok(Constraint { relation, poly })
}

fn number(text: &str, column: usize) -> Result<Polynomial, BadClaim> {
    let long = || BadClaim::at(column, format!("a number of more than {MAX_COEFFICIENT_BITS} bits"));
    // A digit has more than three bits.
    if text.len() > MAX_COEFFICIENT_BITS as usize {
        return Err(long());
    }
    let (whole, parts) = text.split_once('.').unwrap_or((text, ""));
    let digits = BigInt::from_str(&format!("{whole}{parts}")).map_err(|_| long())?;
    let scale = Pow::pow(BigInt::from(10), parts.len());
    Polynomial::constant(BigRational::new(digits, scale)).fits().map_err(|_| long())
}
