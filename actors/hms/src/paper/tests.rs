//! Pages as they look.

use schemas::{Hash, infix};

use super::*;

fn claim(text: &str) -> Claim {
    infix::parse(text).unwrap()
}

fn ratio(text: &str) -> Ratio {
    text.parse().unwrap()
}

fn term(coef: &str, factors: &[u16], square: Option<Poly>) -> SquareTerm {
    SquareTerm { coef: ratio(coef), factors: factors.to_vec(), square }
}

fn leaf(positive: (&str, &[u16]), squares: Vec<SquareTerm>) -> Node {
    let positive = PositivePart { coef: ratio(positive.0), factors: positive.1.to_vec() };
    Node::Leaf { positive, squares, equalities: vec![] }
}

fn certificate(nodes: Vec<Node>) -> Certificate {
    Certificate { version: 1, claim_hash: Hash::ZERO, nodes }
}

#[test]
fn a_sum_of_products_is_shown_as_the_identity_that_it_is() {
    let claim = claim("forall x in [0,1]: x >= x^2");
    let proof = certificate(vec![leaf(("2", &[2]), vec![term("2", &[0, 1], None)])]);
    assert_eq!(
        Page::new(&claim, Notation::Text).proof(&proof),
        "Given are\n  g1 = x ≥ 0\n  g2 = −x + 1 ≥ 0\nIdentically,\n  −x² + x = g1·g2\nwhich is not negative.  ∎"
    );
    assert_eq!(
        Page::new(&claim, Notation::Latex).proof(&proof),
        "\\begin{proof}\nGiven are\n\\begin{gather*}\n  g_{1} = x \\ge 0 \\\\\n  g_{2} = -x + 1 \\ge 0\n\\end{gather*}\n\
         Identically,\n\\begin{gather*}\n  -x^{2} + x = g_{1}\\, g_{2}\n\\end{gather*}\nwhich is not negative.\n\\end{proof}"
    );
}

#[test]
fn a_strict_goal_has_a_positive_summand_and_squares_are_squares() {
    let claim = claim("forall x, y: x^2 - 2*x*y + y^2 + 1 > 0");
    let difference = infix::parse("forall x, y: x - y >= 0").unwrap().goal.poly;
    let proof = certificate(vec![leaf(("1", &[]), vec![term("1", &[], Some(difference)), term("1", &[0], None)])]);
    let page = Page::new(&claim, Notation::Text).proof(&proof);
    assert!(page.contains("x² − 2·x·y + y² + 1 = 1 + (x − y)²"), "{page}");
    assert!(page.ends_with("where the first summand is positive and no other is negative.  ∎"), "{page}");
}

#[test]
fn cases_are_numbered_and_what_they_assume_is_said() {
    let claim = claim("forall x: x^2 >= 0");
    let on = infix::parse("forall x: x >= 0").unwrap().goal.poly;
    let side = || leaf(("1", &[0]), vec![term("1", &[1, 1], None)]);
    let page = Page::new(&claim, Notation::Text).proof(&certificate(vec![Node::Split { on }, side(), side()]));
    assert!(page.contains("Case 1: s1 = x ≥ 0.\nIdentically,\n  x² = s1²\n"), "{page}");
    assert!(page.contains("Case 2: s1 = −x ≥ 0.\nIdentically,\n  x² = s1²\n"), "{page}");
}

#[test]
fn what_is_no_sum_is_shown_as_a_contradiction() {
    let claim = claim("forall x >= 1, x <= 0: x^2 = 2");
    let proof = certificate(vec![leaf(("1", &[]), vec![term("1", &[0], None), term("1", &[1], None)])]);
    let page = Page::new(&claim, Notation::Text).proof(&proof);
    assert!(page.contains("This can't be, for\n  0 = 1 + g1 + g2\n"), "{page}");
}

#[test]
fn a_counterexample_is_worked_out() {
    let claim = claim("forall x in [0,2]: x >= x^2");
    let point = Counterexample { version: 1, claim_hash: Hash::ZERO, point: vec![ratio("3/2")] };
    let page = Page::new(&claim, Notation::Text).counterexample(&point);
    assert_eq!(
        page,
        "At the point\n  x = 3/2\nall that is given holds,\n  x = 3/2 ≥ 0\n  −x + 2 = 1/2 ≥ 0\nand the goal does not:\n  \
         −x² + x = −3/4 < 0"
    );
}

#[test]
fn long_sums_are_broken_and_names_have_indices_in_latex() {
    let text = (0..30).map(|n| format!("v_good{n} >= 0")).collect::<Vec<_>>().join(", ");
    let sum = (0..30).map(|n| format!("v_good{n}")).collect::<Vec<_>>().join(" + ");
    let claim = claim(&format!("forall {text}: {sum} >= 0"));
    let squares = (0..30).map(|index| term("1", &[index], None)).collect();
    let page = Page::new(&claim, Notation::Text).proof(&certificate(vec![leaf(("1", &[30]), squares)]));
    let right = page.lines().skip_while(|line| !line.contains(" = g1 ") && !line.contains("+ g")).collect::<Vec<_>>();
    assert!(right.iter().all(|line| line.chars().count() <= 2 + LINE_CHARS), "{page}");
    assert_eq!(Notation::Latex.name("v_tea"), "v_{\\mathit{tea}}");
    assert_eq!(Notation::Latex.name("x1"), "x_{1}");
    assert_eq!(Notation::Latex.name("price"), "\\mathit{price}");
}
