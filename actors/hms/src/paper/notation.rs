//! How polynomials, ratios and relations look on a page: in plain text, or in LaTeX.

use schemas::claim::{Poly, Power, Relation};
use schemas::ratio::Ratio;

/// A way of writing mathematics down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// For a terminal.
    Text,
    /// For LaTeX, within mathematics.
    Latex,
}

impl Notation {
    /// A name, as LaTeX may want it: `v_tea` has an index, and what has several letters is one word.
    pub fn name(self, name: &str) -> String {
        if self == Self::Text {
            return name.to_owned();
        }
        let word = |text: &str| {
            let text = text.replace('_', "\\_");
            if text.chars().count() > 1 && !text.chars().all(|c| c.is_ascii_digit()) {
                format!("\\mathit{{{text}}}")
            } else {
                text
            }
        };
        let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
        match name.split_once('_').filter(|(base, index)| !base.is_empty() && !index.is_empty()) {
            Some((base, index)) => format!("{}_{{{}}}", word(base), word(index)),
            None if letters.len() < name.len() && !letters.is_empty() => {
                format!("{}_{{{}}}", word(letters), name.get(letters.len()..).unwrap_or_default())
            }
            None => word(name),
        }
    }

    /// A ratio with its sign.
    pub fn ratio(self, ratio: &Ratio) -> String {
        let (sign, size) = self.signed(ratio);
        format!("{sign}{size}")
    }

    /// A ratio's sign, which is nothing for a plus, and its size.
    fn signed(self, ratio: &Ratio) -> (&'static str, String) {
        let written = ratio.to_string();
        let (sign, size) = match written.strip_prefix('-') {
            Some(size) => (self.minus(), size),
            None => ("", written.as_str()),
        };
        let size = match (self, size.split_once('/')) {
            (Self::Latex, Some((top, bottom))) => format!("\\tfrac{{{top}}}{{{bottom}}}"),
            _ => size.to_owned(),
        };
        (sign, size)
    }

    fn minus(self) -> &'static str {
        if self == Self::Text { "−" } else { "-" }
    }

    /// What stands between factors.
    pub fn times(self) -> &'static str {
        if self == Self::Text { "·" } else { "\\, " }
    }

    /// A power of something that needs no parentheses.
    pub fn power(self, base: &str, exponent: u32) -> String {
        match (self, exponent) {
            (_, 1) => base.to_owned(),
            (Self::Text, _) => {
                let digits = exponent.to_string();
                let raised = digits.chars().map(|digit| match digit {
                    '1' => '¹',
                    '2' => '²',
                    '3' => '³',
                    '4' => '⁴',
                    '5' => '⁵',
                    '6' => '⁶',
                    '7' => '⁷',
                    '8' => '⁸',
                    '9' => '⁹',
                    _ => '⁰',
                });
                format!("{base}{}", raised.collect::<String>())
            }
            (Self::Latex, _) => format!("{base}^{{{exponent}}}"),
        }
    }

    /// A polynomial; nought is `0`.
    pub fn poly(self, poly: &Poly, variables: &[String]) -> String {
        let mut written = String::new();
        for (index, term) in poly.terms().iter().enumerate() {
            let (sign, size) = self.signed(&term.coef);
            let mut factors: Vec<String> = term.powers.iter().map(|power| self.variable(*power, variables)).collect();
            if factors.is_empty() || size != "1" {
                factors.insert(0, size);
            }
            let separator = match (index, sign.is_empty()) {
                (0, _) => sign.to_owned(),
                (_, true) => " + ".to_owned(),
                (_, false) => format!(" {} ", self.minus()),
            };
            written += &separator;
            written += &factors.join(self.times());
        }
        if written.is_empty() { "0".to_owned() } else { written }
    }

    fn variable(self, power: Power, variables: &[String]) -> String {
        let name = variables.get(usize::from(power.variable)).map_or("?", String::as_str);
        self.power(&self.name(name), u32::from(power.exponent))
    }

    /// A polynomial that may be multiplied or raised: in parentheses, unless it is one plain thing.
    pub fn factor(self, poly: &Poly, variables: &[String]) -> String {
        let written = self.poly(poly, variables);
        let is_plain = match poly.terms() {
            [only] => {
                let is_one = only.coef == Ratio::whole(1);
                matches!(only.powers.as_slice(), [power] if is_one && power.exponent == 1) || only.powers.is_empty()
            }
            _ => false,
        };
        match self {
            _ if is_plain => written,
            Self::Text => format!("({written})"),
            Self::Latex => format!("\\left({written}\\right)"),
        }
    }

    /// A relation's sign.
    pub fn relation(self, relation: Relation) -> &'static str {
        match (self, relation) {
            (Self::Text, Relation::AtLeast) => "≥",
            (Self::Latex, Relation::AtLeast) => "\\ge",
            (_, Relation::Above) => ">",
            (_, Relation::Equal) => "=",
        }
    }

    /// The sign of what a relation is not.
    pub fn negation(self, relation: Relation) -> &'static str {
        match (self, relation) {
            (_, Relation::AtLeast) => "<",
            (Self::Text, Relation::Above) => "≤",
            (Self::Latex, Relation::Above) => "\\le",
            (Self::Text, Relation::Equal) => "≠",
            (Self::Latex, Relation::Equal) => "\\ne",
        }
    }
}
