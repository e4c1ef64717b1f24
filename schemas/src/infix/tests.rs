use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::body;
use crate::claim::{Constraint, Poly, Relation};
use crate::id::Variable;
use crate::limit::MAX_BODY_BYTES;
use crate::polynomial::Polynomial;
use num_rational::BigRational;

fn names(count: usize) -> Vec<Variable> {
    (0..count).map(|at| Variable::parse(&format!("x{at}")).unwrap()).collect()
}

prop_compose! {
    fn poly(variables: u8)(terms in vec((vec((0..variables, 1_u32..4), 0..3), -20_i64..20, 1_i64..9), 0..6)) -> Poly {
        let mut sum = Polynomial::zero();
        for (powers, top, bottom) in terms {
            let mut product = Polynomial::constant(BigRational::new(top.into(), bottom.into()));
            for (variable, exponent) in powers {
                for _ in 0..exponent {
                    product = product.times(&Polynomial::variable(variable)).unwrap();
                }
            }
            sum = sum.plus(product);
        }
        sum.to_poly().unwrap()
    }
}

fn constraint(variables: u8) -> impl Strategy<Value = Constraint> {
    let relation = prop::sample::select(vec![Relation::AtLeast, Relation::Above, Relation::Equal]);
    (relation, poly(variables)).prop_map(|(relation, poly)| Constraint { relation, poly })
}

fn any_claim() -> impl Strategy<Value = Claim> {
    (vec(constraint(4), 0..6), constraint(4)).prop_map(|(hypotheses, goal)| Claim {
        variables: names(4),
        hypotheses,
        goal,
        witness: None,
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same(claim in any_claim()) {
        let text = print(&claim);
        prop_assert_eq!(parse(&text), Ok(claim), "{}", text);
    }

    #[test]
    fn what_is_read_is_a_claim_of_the_wire(claim in any_claim()) {
        let bytes = body::encode(&parse(&print(&claim)).unwrap());
        prop_assert!(body::decode::<Claim>(&bytes, MAX_BODY_BYTES).is_ok());
    }

    #[test]
    fn any_text_is_read_or_refused_at_a_column_of_its_own(text in "[ xy0-9.,:()\\[\\]<>=+*/^a-z-]{0,60}|\\PC{0,40}") {
        if let Err(error) = parse(&text) {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}: {:?}", text, error);
        }
    }
}

#[test]
fn a_claim_reads_as_people_write_it() {
    for (text, printed) in [
        (
            "forall x in [0,1], y >= 0, x + y <= 1: x^2 + y >= x*y",
            "forall x in [0, 1], y >= 0, 1 >= x + y: x^2 + y >= x*y",
        ),
        ("forall x: x^2>=0", "x^2 >= 0"),
        ("1 < 2", "1 > 0"),
        ("forall 0 <= a < b <= 1: (a+b)^2 > 4*a*b", "forall a >= 0, b > a, 1 >= b: a^2 + b^2 > 2*a*b"),
        ("forall y, x, x = y: x-y = 0", "forall y, x, x = y: x = y"),
        ("forall t in (-oo, 0.25): 8*t/2 <= 1", "forall 1/4 > t: 1 >= 4*t"),
    ] {
        let claim = parse(text).unwrap();
        if text.starts_with("forall y") {
            assert_eq!(claim.variables, ["y", "x"].map(|name| Variable::parse(name).unwrap()));
        }
        let again = print(&claim);
        assert_eq!(parse(&again).as_ref(), Ok(&claim), "{again}");
        if !text.starts_with("forall y") {
            assert_eq!(again, printed);
        }
    }
}
