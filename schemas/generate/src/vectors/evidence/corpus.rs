//! Claims with a proof or a counterexample each, written by hand. Every way of proving stands here at least once.

use std::cmp::Ordering;

use schemas::certificate::{Certificate, Counterexample, EqualityTerm, Node, PositivePart, SquareTerm, VERSION};
use schemas::claim::{Claim, Poly};
use schemas::{Hash, Ratio, body, infix};

use crate::Outcome;

/// A claim, and evidence that decides it.
pub struct Case {
    /// What it shows.
    pub name: &'static str,
    /// The claim.
    pub claim: Claim,
    /// The evidence.
    pub evidence: Evidence,
    /// Whether the proof shows that the hypotheses contradict each other.
    pub vacuous: bool,
}

/// Evidence of either kind.
#[derive(Clone)]
pub enum Evidence {
    /// A proof.
    Certificate(Certificate),
    /// A counterexample.
    Counterexample(Counterexample),
}

impl Evidence {
    /// The body's bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Certificate(certificate) => body::encode(certificate),
            Self::Counterexample(counterexample) => body::encode(counterexample),
        }
    }
}

/// A square: coefficient, factors, and the polynomial that is squared (empty for 1).
type Square<'a> = (&'a str, &'a [u16], &'a str);

/// What stands at one node, in infix form.
enum Sketch<'a> {
    /// A split.
    On(&'a str),
    /// A leaf: the positive part, squares, and equalities with what multiplies them.
    Leaf((&'a str, &'a [u16]), &'a [Square<'a>], &'a [(u16, &'a str)]),
    /// An identity.
    Same(&'a [(u16, &'a str)]),
}
use Sketch::{Leaf, On, Same};

fn poly(text: &str, claim: &Claim) -> Outcome<Poly> {
    let names: Vec<String> = claim.variables.iter().map(ToString::to_string).collect();
    let declared = if names.is_empty() { String::new() } else { format!("forall {}: ", names.join(", ")) };
    Ok(infix::parse(&format!("{declared}{text} = 0"))?.goal.poly)
}

fn equalities(sketch: &[(u16, &str)], claim: &Claim) -> Outcome<Vec<EqualityTerm>> {
    sketch.iter().map(|(index, text)| Ok(EqualityTerm { index: *index, poly: poly(text, claim)? })).collect()
}

fn node(sketch: &Sketch<'_>, claim: &Claim) -> Outcome<Node> {
    Ok(match sketch {
        On(text) => Node::Split { on: poly(text, claim)? },
        Leaf((coef, factors), squares, equal) => {
            let mut terms = Vec::new();
            for (coef, factors, square) in *squares {
                let square = if square.is_empty() { None } else { Some(poly(square, claim)?) };
                terms.push(SquareTerm { coef: coef.parse()?, factors: factors.to_vec(), square });
            }
            // The order of the wire is not the reader's.
            terms.sort_by(SquareTerm::place);
            if terms.windows(2).any(|pair| matches!(pair, [a, b] if a.place(b) == Ordering::Equal)) {
                return Err("a square stands twice".into());
            }
            let positive = PositivePart { coef: coef.parse()?, factors: factors.to_vec() };
            Node::Leaf { positive, squares: terms, equalities: equalities(equal, claim)? }
        }
        Same(equal) => Node::Identity { equalities: equalities(equal, claim)? },
    })
}

fn proof(name: &'static str, claim: &str, sketches: &[Sketch<'_>]) -> Outcome<Case> {
    let claim = infix::parse(claim).map_err(|error| format!("{name}: {error}"))?;
    let nodes = sketches.iter().map(|sketch| node(sketch, &claim)).collect::<Outcome<_>>()?;
    let claim_hash = Hash::of(&body::encode(&claim));
    let evidence = Evidence::Certificate(Certificate { version: VERSION, claim_hash, nodes });
    Ok(Case { name, claim, evidence, vacuous: false })
}

fn vacuous(name: &'static str, claim: &str, sketches: &[Sketch<'_>]) -> Outcome<Case> {
    Ok(Case { vacuous: true, ..proof(name, claim, sketches)? })
}

/// The same with a witness in the claim.
fn witnessed(case: Case, witness: &[&str]) -> Outcome<Case> {
    let witness = witness.iter().map(|text| text.parse::<Ratio>()).collect::<Result<_, _>>()?;
    let claim = Claim { witness: Some(witness), ..case.claim };
    let claim_hash = Hash::of(&body::encode(&claim));
    let evidence = match case.evidence {
        Evidence::Certificate(certificate) => Evidence::Certificate(Certificate { claim_hash, ..certificate }),
        Evidence::Counterexample(point) => Evidence::Counterexample(Counterexample { claim_hash, ..point }),
    };
    Ok(Case { claim, evidence, ..case })
}

fn refutation(name: &'static str, claim: &str, point: &[&str]) -> Outcome<Case> {
    let claim = infix::parse(claim).map_err(|error| format!("{name}: {error}"))?;
    let claim_hash = Hash::of(&body::encode(&claim));
    let point = point.iter().map(|text| text.parse::<Ratio>()).collect::<Result<_, _>>()?;
    let evidence = Evidence::Counterexample(Counterexample { version: VERSION, claim_hash, point });
    Ok(Case { name, claim, evidence, vacuous: false })
}

/// Schur's inequality where `most` − `middle` ≥ 0 is constraint `upper` and `middle` − `least` ≥ 0 is `lower`.
fn schur_leaf(claim: &Claim, [most, middle, least]: [&str; 3], upper: u16, lower: u16) -> Outcome<Node> {
    // most·(most − middle)² + (middle − least)·(most − middle)² + least·[(most − middle)(middle − least) + (middle − least)²]
    let index = |name: &str| ["x", "y", "z"].iter().position(|other| *other == name).unwrap_or_default() as u16;
    let (gap, rest) = (format!("{most} - {middle}"), format!("{middle} - {least}"));
    let sorted = |mut factors: Vec<u16>| {
        factors.sort_unstable();
        factors
    };
    let (first, second) = (sorted(vec![index(most)]), sorted(vec![lower]));
    let (third, fourth) = (sorted(vec![index(least), upper, lower]), sorted(vec![index(least)]));
    let squares = [("1", &first[..], gap.as_str()), ("1", &second, &gap), ("1", &third, ""), ("1", &fourth, &rest)];
    node(&Leaf(("1", &[3]), &squares, &[]), claim)
}

fn schur() -> Outcome<Case> {
    let text = "forall x >= 0, y >= 0, z >= 0: x*(x-y)*(x-z) + y*(y-x)*(y-z) + z*(z-x)*(z-y) >= 0";
    let claim = infix::parse(text)?;
    let split = |text: &str| node(&On(text), &claim);
    // Constraints 4, 5, 6 are the splits, outermost first.
    let nodes = vec![
        split("x - y")?,
        split("y - z")?,
        schur_leaf(&claim, ["x", "y", "z"], 4, 5)?,
        split("x - z")?,
        schur_leaf(&claim, ["x", "z", "y"], 6, 5)?,
        schur_leaf(&claim, ["z", "x", "y"], 6, 4)?,
        split("y - z")?,
        split("x - z")?,
        schur_leaf(&claim, ["y", "x", "z"], 4, 6)?,
        schur_leaf(&claim, ["y", "z", "x"], 5, 6)?,
        schur_leaf(&claim, ["z", "y", "x"], 5, 4)?,
    ];
    let claim_hash = Hash::of(&body::encode(&claim));
    let evidence = Evidence::Certificate(Certificate { version: VERSION, claim_hash, nodes });
    Ok(Case { name: "Schur, by ordering the variables", claim, evidence, vacuous: false })
}

/// The whole corpus.
pub fn corpus() -> Outcome<Vec<Case>> {
    let mut corpus = linear()?;
    corpus.extend(squares()?);
    corpus.extend(products()?);
    corpus.extend(equal()?);
    corpus.extend(refutations()?);
    Ok(corpus)
}

fn linear() -> Outcome<Vec<Case>> {
    Ok(vec![
        witnessed(
            proof(
                "a party gains over its bounds",
                "forall v in [99/10, 10], c in [7, 71/10]: 300*v >= 101/100*120*c",
                // 300·v − 121.2·c at the worst corner: 2970 − 860.52.
                &[Leaf(("1", &[4]), &[("300", &[0], ""), ("606/5", &[3], ""), ("52737/25", &[], "")], &[])],
            )?,
            &["99/10", "7"],
        )?,
        witnessed(
            proof(
                "two goods for two, tight at the corner",
                "forall a in [2, 3], b in [1, 5], c in [4, 6], d in [0, 1/2]: 10*a + 4*b >= 3*c + 12*d",
                &[Leaf(("1", &[8]), &[("10", &[0], ""), ("4", &[2], ""), ("3", &[5], ""), ("12", &[7], "")], &[])],
            )?,
            &["2", "1", "4", "0"],
        )?,
        witnessed(
            proof(
                "a party holds what it gives",
                "forall h >= 500: h >= 120",
                &[Leaf(("1", &[1]), &[("1", &[0], ""), ("380", &[], "")], &[])],
            )?,
            &["500"],
        )?,
        witnessed(
            proof(
                "shares sum to what there is",
                "forall x = 12, y = 30, z = 58: x + y + z = 100",
                &[Same(&[(0, "1"), (1, "1"), (2, "1")])],
            )?,
            &["12", "30", "58"],
        )?,
        proof(
            "a strict bound",
            "forall x > 3: 2*x > 5",
            &[Leaf(("2", &[0]), &[("1", &[], ""), ("1", &[1], "")], &[])],
        )?,
        proof("numbers alone", "2 > 1", &[Leaf(("1", &[]), &[("1", &[0], "")], &[])])?,
        proof(
            "a weighted index is at most 1",
            "forall w1 >= 0, w2 >= 0, w1 + w2 = 1, d1 <= 1, d2 <= 1: w1*d1 + w2*d2 <= 1",
            &[Leaf(("1", &[5]), &[("1", &[0, 3], ""), ("1", &[1, 4], "")], &[(2, "-1")])],
        )?,
    ])
}

fn squares() -> Outcome<Vec<Case>> {
    Ok(vec![
        proof("a square", "x^2 >= 0", &[Leaf(("1", &[0]), &[("1", &[], "x")], &[])])?,
        proof(
            "the means of two",
            "forall x >= 0, y >= 0: (x + y)^2 >= 4*x*y",
            &[Leaf(("1", &[2]), &[("1", &[], "x - y")], &[])],
        )?,
        proof(
            "a form by LDL",
            "3*x^2 + 2*x*y + 2*y^2 >= 0",
            &[Leaf(("1", &[0]), &[("3", &[], "x + 1/3*y"), ("5/3", &[], "y")], &[])],
        )?,
        proof(
            "a form of three by LDL",
            // 2(x − y/2)² + 5/2·(y − 2z/5)² + 13/5·z²
            "2*x^2 - 2*x*y + 3*y^2 - 2*y*z + 3*z^2 >= 0",
            &[Leaf(("1", &[0]), &[("2", &[], "x - 1/2*y"), ("5/2", &[], "y - 2/5*z"), ("13/5", &[], "z")], &[])],
        )?,
        proof("more than nought", "x^2 + 1 > 0", &[Leaf(("1", &[]), &[("1", &[0], ""), ("1", &[], "x")], &[])])?,
        proof(
            "Cauchy for two",
            "(a^2 + b^2)*(c^2 + d^2) >= (a*c + b*d)^2",
            &[Leaf(("1", &[0]), &[("1", &[], "a*d - b*c")], &[])],
        )?,
        proof(
            "Motzkin, times 1 + x^2 + y^2",
            "x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1 >= 0",
            &[Leaf(
                ("1", &[0]),
                &[
                    ("1", &[0], "x"),
                    ("1", &[0], "y"),
                    ("1", &[], "x^2*y - y"),
                    ("1", &[], "x*y^2 - x"),
                    ("1", &[], "x^2*y^2 - 1"),
                    ("1/4", &[], "x^3*y - x*y^3"),
                    ("3/4", &[], "x^3*y + x*y^3 - 2*x*y"),
                ],
                &[],
            )],
        )?,
        proof(
            "positive, and no positive number below it",
            "x^2 + (x*y - 1)^2 > 0",
            &[Leaf(("1", &[]), &[("1", &[0], ""), ("1", &[0], "y"), ("1", &[], "x*y^2 + x - y")], &[])],
        )?,
        proof(
            "long coefficients",
            "(123456789012345678901234567890*x - 987654321/1000000007*y)^2 >= 0",
            &[Leaf(("1", &[0]), &[("1", &[], "123456789012345678901234567890*x - 987654321/1000000007*y")], &[])],
        )?,
    ])
}

fn products() -> Outcome<Vec<Case>> {
    let means = ["x - y", "x - z", "y - z"];
    let three: Vec<Square<'_>> =
        means.iter().flat_map(|gap| [("1/2", &[0][..], *gap), ("1/2", &[1], gap), ("1/2", &[2], gap)]).collect();
    Ok(vec![
        proof(
            "the means of three",
            "forall x >= 0, y >= 0, z >= 0: x^3 + y^3 + z^3 >= 3*x*y*z",
            &[Leaf(("1", &[3]), &three, &[])],
        )?,
        proof(
            "touching inside: 1 + 3x − 4x³",
            "forall x in [-1, 1]: 1 - 4*x^3 + 3*x >= 0",
            &[Leaf(("1", &[2]), &[("1", &[1], "2*x + 1")], &[])],
        )?,
        proof(
            "Bernoulli",
            "forall x >= -1: (1 + x)^3 >= 1 + 3*x",
            &[Leaf(("1", &[1]), &[("1", &[0], "x"), ("2", &[], "x")], &[])],
        )?,
        proof(
            "a product of bounds",
            "forall x in [-1, 1]: x^4 <= x^2",
            &[Leaf(("1", &[2]), &[("1", &[0, 1], "x")], &[])],
        )?,
        proof("strict factors", "forall x > 0, y > 0: x*y > 0", &[Leaf(("1", &[0, 1]), &[("1", &[2], "")], &[])])?,
        proof(
            "a cube is above a square",
            "forall x > 1: x^3 > x^2",
            // (x − 1)³ + 2(x − 1)² + (x − 1) = x³ − x²
            &[Leaf(("1", &[0, 0, 0]), &[("1", &[0], ""), ("1", &[1], ""), ("2", &[0, 0], "")], &[])],
        )?,
        schur()?,
        proof(
            "a split that both sides need",
            "forall x^2 <= 1: x^3 <= 1",
            // x ≥ 0: (1 − x³)·(1 + x + x²) … by 1 − x³ = (1 − x²)·x + (1 − x), and (1 − x)(1 + x) = 1 − x².
            &[
                On("x"),
                Leaf(
                    ("1", &[1]),
                    // x³ − 1 + x·(1 − x²) + ½(1 − x²) + ½(x − 1)² ≡ 0
                    &[("1", &[0, 2], ""), ("1/2", &[0], ""), ("1/2", &[], "x - 1")],
                    &[],
                ),
                // x³ − 1 + (−x)·x² + 1 ≡ 0
                Leaf(("1", &[1]), &[("1", &[2], "x"), ("1", &[], "")], &[]),
            ],
        )?,
    ])
}

fn equal() -> Outcome<Vec<Case>> {
    Ok(vec![
        proof("an equality", "forall x + y = 1, x*y = 1/4: x^2 + y^2 = 1/2", &[Same(&[(0, "x + y + 1"), (1, "-2")])])?,
        proof(
            "an equality helps an inequality",
            "forall x*y = 1, x > 0: x + y >= 2",
            &[Leaf(("1", &[1, 2]), &[("1", &[], "x - 1")], &[(0, "1")])],
        )?,
        proof(
            "the denied goal twice",
            "forall y^2 = x^2, y >= 0: y >= x",
            &[Leaf(("1", &[2, 2]), &[("2", &[1, 2], "")], &[(0, "1")])],
        )?,
        proof(
            "an equality, one side of a split being empty",
            "forall x = 1: x^2 = 1",
            &[On("x"), Same(&[(0, "x + 1")]), Leaf(("1", &[]), &[("1", &[2], "")], &[(0, "1")])],
        )?,
        proof(
            "the circle",
            "forall x^2 + y^2 = 1: x*y <= 1/2",
            &[Leaf(("1", &[1]), &[("1/2", &[], "x - y")], &[(0, "-1/2")])],
        )?,
        vacuous(
            "hypotheses that contradict each other",
            "forall x >= 1, x <= 0: x >= 5",
            &[Leaf(("1", &[]), &[("1", &[0], ""), ("1", &[1], "")], &[])],
        )?,
        vacuous("a strict contradiction", "forall x > 0, x < 0: x = 5", &[Leaf(("1", &[0]), &[("1", &[1], "")], &[])])?,
        vacuous(
            "a contradiction on both sides of a split",
            "forall x^2 = -1: x >= 5",
            &[
                On("x"),
                Leaf(("1", &[]), &[("1", &[], "x")], &[(0, "-1")]),
                Leaf(("1", &[]), &[("1", &[], "x")], &[(0, "-1")]),
            ],
        )?,
    ])
}

fn refutations() -> Outcome<Vec<Case>> {
    Ok(vec![
        refutation("not above its square", "forall x >= 0: x >= x^2", &["2"])?,
        refutation(
            "no bound on d",
            "forall w1 >= 0, w2 >= 0, w1 + w2 = 1: w1*d1 + w2*d2 <= 1",
            &["1/3", "2/3", "5", "-1/7"],
        )?,
        refutation("not strict", "forall x in [0, 1]: x*(1 - x) > 0", &["1"])?,
        refutation("not equal", "forall x^2 = 1: x = 1", &["-1"])?,
        witnessed(
            refutation("short at the worst corner", "forall v in [9, 10], c in [7, 8]: 100*v >= 120*c", &["9", "8"])?,
            &["10", "7"],
        )?,
        refutation("near a third", "x^2 >= 2*x/3 - 1/9 + 1/1000000", &["1000/2999"])?,
    ])
}
