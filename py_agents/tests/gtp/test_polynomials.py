"""Polynomials and the readable form of claims."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import pytest
from flint import fmpq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hms_a2a.gtp import BadClaim, Claim, Poly, parse_claim, print_claim
from hms_a2a.gtp._poly import fraction_of, monomials, order

N = 3
ratios = st.fractions(min_value=-50, max_value=50, max_denominator=12)
exponents = st.tuples(*[st.integers(0, 4)] * N)
polys = st.dictionaries(exponents, ratios, max_size=6).map(
    lambda terms: Poly(N, {m: fmpq(c.numerator, c.denominator) for m, c in terms.items()})
)
points = st.tuples(*[ratios] * N)


def at(poly: Poly, point: tuple[Fraction, ...]) -> Fraction:
    """A polynomial's value, by fractions alone."""
    total = Fraction(0)
    for monomial, coef in poly:
        value = fraction_of(coef)
        for x, e in zip(point, monomial, strict=True):
            value *= x**e
        total += value
    return total


busy = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


@busy
@given(polys, polys, points)
def test_arithmetic_is_that_of_values(f: Poly, g: Poly, point: tuple[Fraction, ...]) -> None:
    assert at(f + g, point) == at(f, point) + at(g, point)
    assert at(f - g, point) == at(f, point) - at(g, point)
    assert at(f * g, point) == at(f, point) * at(g, point)
    assert at(-f, point) == -at(f, point)
    assert fraction_of(f.at([fmpq(x.numerator, x.denominator) for x in point])) == at(f, point)


@busy
@given(polys, polys, points)
def test_substitution_is_composition(f: Poly, g: Poly, point: tuple[Fraction, ...]) -> None:
    g = g.substitute(1, Poly(N))
    inner = (point[0], at(g, point), point[2])
    assert at(f.substitute(1, g), point) == at(f, inner)


@busy
@given(polys)
def test_equal_polynomials_have_equal_hashes_and_content_is_divided_out(f: Poly) -> None:
    again = Poly(N, dict(reversed(f.terms.items())))
    assert (f, hash(f)) == (again, hash(again))
    base = f.primitive()
    assert base.scale(f.content()) == f
    assert all(int(c.q) == 1 for _, c in base)


def test_monomials_are_counted_and_ordered() -> None:
    found = monomials(3, 4)
    assert len(found) == 35
    assert found == sorted(set(found), key=order)


@given(st.lists(st.tuples(st.sampled_from([">=", ">", "="]), polys), min_size=1, max_size=4))
@settings(busy, max_examples=60)
def test_what_is_printed_reads_as_the_same(relations: list[tuple[str, Poly]]) -> None:
    names = ("x", "y", "z")
    everything = " + ".join(f"0*{name}" for name in names)
    parts = [f"{print_side(poly, names)} {sign} 0" for sign, poly in relations]
    text = f"forall {everything} = 0, {', '.join(parts[:-1]) or 'x = x'}: {parts[-1]}"
    claim = parse_claim(text)
    again = parse_claim(f"forall {everything} = 0, {print_claim(claim).removeprefix('forall ')}")
    assert again.hypotheses[1:] == claim.hypotheses
    assert again.goal == claim.goal


def print_side(poly: Poly, names: tuple[str, ...]) -> str:
    from hms_a2a.gtp import print_poly

    return print_poly(poly, names)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("forall x in [0,1], y >= 0, x + y <= 1: x^2 >= x*y", "forall x in [0, 1], y >= 0, 1 >= x + y: x^2 >= x*y"),
        ("forall x: x^2>=0", "x^2 >= 0"),
        ("1 < 2", "1 > 0"),
        ("forall 0 <= a < b <= 1: (a+b)^2 > 4*a*b", "forall a >= 0, b > a, 1 >= b: a^2 + b^2 > 2*a*b"),
        ("forall t in (-oo, 0.25): 8*t/2 <= 1", "forall 1/4 > t: 1 >= 4*t"),
    ],
)
def test_claims_are_printed_as_people_write_them(text: str, printed: str) -> None:
    claim = parse_claim(text)
    again = parse_claim(print_claim(claim))
    assert (again.variables, again.hypotheses, again.goal) == (claim.variables, claim.hypotheses, claim.goal)
    assert print_claim(claim) == printed


def test_names_in_another_order_are_said_first() -> None:
    claim = parse_claim("forall y, x, z, x = y: x - y = 0")
    again = parse_claim(print_claim(claim))
    assert (again.variables, again.hypotheses, again.goal) == (("y", "x", "z"), claim.hypotheses, claim.goal)


def test_bytes_are_read_as_they_were_written() -> None:
    claim = parse_claim("forall x in [0,1], y >= 1/3: x^2*y - 0.25*x*y^2 + 7 > y/3")
    again = Claim.from_bytes(claim.to_bytes())
    assert (again.variables, again.hypotheses, again.goal) == (claim.variables, claim.hypotheses, claim.goal)
    assert again.hash == claim.hash


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("x", 2),
        ("2x >= 0", 2),
        ("x >= 0 0", 8),
        ("x(y) >= 0", 2),
        ("x / y >= 0", 5),
        ("x / 0 >= 0", 5),
        ("x^y >= 0", 3),
        ("x ≥ 0", 3),
        ("forall x in [2,1]: x >= 0", 14),
        ("forall x in {0,1}: x >= 0", 13),
        ("forall x >= 0 x >= 0", 15),
        ("1. >= 0", 2),
        ("x^2^3 >= 0", 4),
        ("x + y in [0,1]: x >= 0", 7),
        ("forall x + y in [0,1]: x >= 0", 14),
        ("(a + b + c)^40 >= 0", 12),
        ("9^9999 >= 0", 3),
        ("oo >= 0", 1),
        ("x >= 0, y >= 0", 7),
        ("x >= 0: y >= 0", 7),
        ("x >= 0 >= 1", 8),
        ("x >= ", 6),
        ("(x >= 0", 4),
    ],
)
def test_a_mistake_has_its_column(text: str, column: int) -> None:
    with pytest.raises(BadClaim) as raised:
        parse_claim(text)
    assert raised.value.column == column, raised.value


@given(st.text(alphabet="xy01+-*/^()[],:>=< forallin.", max_size=40))
@settings(busy, max_examples=300)
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadClaim):
        assert parse_claim(text).goal.sign in {">=", ">", "="}
