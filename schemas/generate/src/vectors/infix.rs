//! Vectors of the infix form: texts that are claims, with their bytes, and texts that are none, with the column.

use schemas::{body, infix};
use serde_json::{Value, json};

use super::tree::hex;
use crate::Outcome;

/// Good texts. Those that differ in nothing but their writing come in groups with one result.
const GOOD: [&[&str]; 24] = [
    &["forall x in [0,1], y >= 0, x + y <= 1: x^2 + y >= x*y", "forall x in [0 , 1],y>=0 ,x+y<=1:x^2+y>=x*y"],
    &["x^2 >= 0", "forall x: x^2 >= 0", "x*x >= 0", "0 <= x^2", " x ^ 2 >= 0\n", "(x)^2 >= (0)"],
    &["2 > 1", "1 > 0", "1 < 2"],
    &["0 = 0", "0^0 = 1", "1/2 = 0.5"],
    &["forall x: 0 = 0", "x = x", "forall x: x - x = 0"],
    &["-x^2 <= 0", "x^2 >= 0"],
    &["--x >= 0", "x >= 0", "-(-x) >= 0"],
    &["0.25*x > 1/3", "x/4 > 1/3", "1/4*x > 2/6", "x*0.250 > 1/3", "x/(2+2) > 1/3"],
    &["forall x in (0, 1]: x > 0", "forall x > 0, x <= 1: x > 0", "forall 0 < x, 1 >= x: x > 0"],
    &["forall x in [-1, oo): x > -2", "forall x >= -1: x > -2"],
    &["forall x in (-oo, 0): x < 0", "forall x < 0: x < 0"],
    &["forall x in (-oo, oo): x^2 >= 0", "x^2 >= 0"],
    &["forall 0 <= x < y <= 1: x*y <= 1", "forall 0 <= x, x < y, y <= 1: x*y <= 1"],
    &["forall x = y = 1: x = 1"],
    &["forall y, x, x >= y: x - y >= 0", "forall y, x, x >= y: x >= y"],
    &["forall x in [0, 1], y in [0, x]: y <= 1"],
    &["(x + y)^3 >= 0", "x^3 + 3*x^2*y + 3*x*y^2 + y^3 >= 0"],
    &["x^0 >= 1", "forall x: 0 >= 0"],
    &["2^10*x >= 1024*x", "forall x: 0 >= 0"],
    &["forall x_1 >= 0, Price2 >= 0: x_1*Price2 >= 0"],
    &["z*y*x^2 + a >= 0"],
    &["forall x in [1, 1]: x = 1"],
    &["10000000000000000000000000000000000000001/3*x > 0.000000000000000000000000000001"],
    &["forall w1 >= 0, w2 >= 0, w1 + w2 = 1, d1 <= 1, d2 <= 1: w1*d1 + w2*d2 <= 1"],
];

/// Bad texts: the text, the column, and why.
const BAD: [(&str, usize, &str); 54] = [
    ("", 1, "nothing"),
    ("   ", 4, "nothing"),
    ("x", 2, "no relation"),
    ("x >=", 5, "no right side"),
    (">= 0", 1, "no left side"),
    ("2x >= 0", 2, "a * must stand between factors"),
    ("x y >= 0", 3, "a * must stand between factors"),
    ("x(y + 1) >= 0", 2, "a * must stand between factors"),
    ("(x)(y) >= 0", 4, "a * must stand between factors"),
    ("x^2y >= 0", 4, "a * must stand between factors"),
    ("1e3 >= 0", 2, "a * must stand between factors"),
    ("x^2^3 >= 0", 4, "a power of a power"),
    ("x^-1 >= 0", 3, "a negative exponent"),
    ("x^y >= 0", 3, "an exponent that is no number"),
    ("x^1.5 >= 0", 3, "an exponent that is not whole"),
    ("x^(2) >= 0", 3, "an exponent in parentheses"),
    ("x^33 >= 0", 2, "a degree above 32"),
    ("x^16*x^17 >= 0", 5, "a degree above 32"),
    ("1/x >= 0", 3, "a division by a variable"),
    ("x/0 >= 0", 3, "a division by nought"),
    ("x/(1-1) >= 0", 3, "a division by nought"),
    ("x/(y-y) >= 0", 3, "a division by nought"),
    ("1. >= 0", 2, "no digits after the point"),
    (".5 >= 0", 1, "no digits before the point"),
    ("+x >= 0", 1, "a plus in front"),
    ("x * >= 0", 5, "no factor"),
    ("x + >= 0", 5, "no summand"),
    ("(x >= 0", 4, "no closing parenthesis"),
    ("x) >= 0", 2, "a closing parenthesis too many"),
    ("x >= 0)", 7, "a closing parenthesis too many"),
    ("x => 0", 4, "a relation the wrong way round"),
    ("x == 0", 4, "an equals sign too many"),
    ("x != 0", 3, "no such relation"),
    ("x >= 0 >= y", 8, "a goal is one relation"),
    ("x >= 0, y >= 0", 7, "a goal is one relation"),
    ("x >= 0: x >= 0", 7, "hypotheses begin with forall"),
    ("forall : x >= 0", 8, "no hypothesis"),
    ("forall x >= 0 x >= 0", 15, "no colon"),
    ("forall x >= 0, : x >= 0", 16, "a comma too many"),
    ("forall x + 1: x >= 0", 13, "a hypothesis without a relation"),
    ("forall x in 0: x >= 0", 13, "no interval"),
    ("forall x in [0]: x >= 0", 15, "one end"),
    ("forall x in [0, 1: x >= 0", 18, "an interval that does not end"),
    ("forall x in [1, 0]: x >= 0", 14, "the lower end exceeds the upper"),
    ("forall x in [oo, 1]: x >= 0", 14, "no bound from below is -oo"),
    ("forall x in [0, -oo]: x >= 0", 18, "no bound from above is oo"),
    ("forall 2*x in [0, 1]: x >= 0", 12, "an interval for an expression"),
    ("forall in >= 0: in >= 0", 8, "a reserved word"),
    ("oo >= 0", 1, "a reserved word"),
    ("forall >= 0", 8, "forall is no variable"),
    ("x >= 0 $", 8, "a letter without a meaning"),
    ("x ≥ 0", 3, "a letter without a meaning"),
    ("é*x >= 0", 1, "a letter that is not ASCII"),
    ("_x >= 0", 1, "a name that begins with an underscore"),
];

/// The vectors.
pub fn vectors() -> Outcome<Vec<Value>> {
    let mut vectors = Vec::new();
    for group in GOOD {
        let Some((first, _)) = group.split_first() else { continue };
        let claim = infix::parse(first).map_err(|error| format!("{first}: {error}"))?;
        let bytes = hex(&body::encode(&claim));
        let printed = infix::print(&claim);
        for text in group {
            vectors.push(json!({ "name": text, "text": text, "verdict": "good", "claim": bytes, "printed": printed }));
        }
    }
    let deep = format!("{}x{} >= 0", "(".repeat(65), ")".repeat(65));
    let long = format!("{} >= 0", "x".repeat(64));
    let many: Vec<String> = (0..65).map(|at| format!("x{at}")).collect();
    let many = format!("{} >= 0", many.join(" + "));
    let wide = format!("x >= {}", "9".repeat(1_235));
    let power = "2^4096 >= 0".to_owned();
    // 64 names of two or three characters with " + " between them come before the 65th.
    let made = [
        ("parentheses 65 deep", deep, 65, "nested too deeply"),
        ("a name of 64 characters", long, 1, "a name too long"),
        ("65 variables", many, 10 * 5 + 54 * 6 + 1, "too many variables"),
        ("a number of 1,235 digits", wide, 6, "too many bits"),
        ("a power of 4,097 bits", power, 2, "too many bits"),
    ];
    let bad = BAD.iter().map(|(text, column, reason)| (*text, (*text).to_owned(), *column, *reason));
    for (name, text, column, reason) in bad.chain(made) {
        vectors.push(json!({ "name": format!("bad: {name}"), "text": text, "verdict": "bad", "column": column, "reason": reason }));
    }
    Ok(vectors)
}
