"""What terms are worth, and what is left of an offer: exactly, and as the cores compute it."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hms_a2a import Give, Offer, Outlook, Want
from hms_a2a._value import PPB, Flow, Range, days_between, exact, worth

DAY_MS = 86_400_000


def test_only_exact_numbers_are_numbers() -> None:
    assert exact(20) == exact("20") == exact(Decimal(20)) == exact(Fraction(20)) == 20
    assert exact("99/5") == exact("19.8") == exact(Decimal("19.8")) == Fraction(99, 5)
    for bad in (1.5, True, None, b"1"):
        with pytest.raises(TypeError):
            exact(bad)  # type: ignore[arg-type]
    for text in ("", "x", "1/0", "inf", str(2**63), f"1/{2**63}"):
        with pytest.raises(ValueError, match=r"no number|fit the wire"):
            exact(text)


@pytest.mark.parametrize("price", [-1, (2, 1), ("1/2", "1/3")])
def test_bounds_are_neither_negative_nor_turned_around(price: object) -> None:
    with pytest.raises(ValueError, match="0 ≤ lo ≤ hi"):
        Range.of(price)  # type: ignore[arg-type]


# The same figures as in the tests of the crate `terms`, worked out by hand.
@pytest.mark.parametrize(
    ("outlook", "days", "factors"),
    [
        (Outlook.of(rate="1/10", risk_aversion=0, arrival=1), 365, (909_090_909, 909_090_910)),
        (Outlook.of(rate=0, risk_aversion="1/2", arrival="4/5"), 3650, (720_000_000, PPB)),
        (Outlook.of(rate="1/10", risk_aversion="1/2", arrival="4/5"), 365, (654_545_454, 909_090_910)),
        (Outlook.of(rate=0, risk_aversion=1, arrival="1/2"), 0, (250_000_000, PPB)),
        (Outlook.of(rate=0, risk_aversion=0, arrival=0), 0, (0, PPB)),
        (Outlook(), 73, (984_251_968, 984_251_969)),
        (Outlook.of("government"), 0, (PPB, PPB)),
        (Outlook.of("ngo"), 0, (PPB, PPB)),
        (Outlook.of("civilian"), 0, (PPB, PPB)),
    ],
)
def test_factors_by_hand(outlook: Outlook, days: int, factors: tuple[int, int]) -> None:
    assert outlook.factors(days) == factors


@pytest.mark.parametrize(
    "more", [{"kind": "king"}, {"rate": -1}, {"arrival": "3/2"}, {"risk_aversion": -1}], ids=lambda m: next(iter(m))
)
def test_an_outlook_that_the_contract_refuses_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"kind|rate|from 0 to 1"):
        Outlook.of(**more)  # type: ignore[arg-type]


def test_days_are_whole_and_never_negative() -> None:
    assert days_between(5, 5 + DAY_MS - 1) == 0
    assert days_between(5, 5 + DAY_MS) == 1
    assert days_between(5 + 3 * DAY_MS, 5) == 0


shares = st.fractions(min_value=0, max_value=1, max_denominator=10**6)


@given(arrival=shares, aversion=shares, rate=shares, days=st.integers(0, 10**6))
def test_factors_are_rounded_against_the_agent(
    arrival: Fraction, aversion: Fraction, rate: Fraction, days: int
) -> None:
    receipt, giving = Outlook.of("corporate", rate, aversion, arrival).factors(days)
    assert 0 <= receipt <= giving <= PPB
    assert giving >= 1


def gain(received: int, given: int, value: Range, cost: Range) -> tuple[int, int]:
    found = worth([Flow("tea", received, 0)], [Flow("wheat", given, 0)], lambda _: value, lambda _: cost, Outlook())
    return found.gain_minor, found.worst_gain_minor


def test_the_worst_corner_has_the_lowest_values_and_the_highest_costs() -> None:
    assert gain(10, 5, Range.of((9, 11)), Range.of((15, 17))) == (100 - 80, 90 - 85)
    assert gain(1, 1, Range.of("1/3"), Range.of("1/2")) == (-1, -1), "rounded down"


@pytest.mark.parametrize(("margin_ppm", "good"), [(0, True), (99_999, True), (100_000, True), (100_001, False)])
def test_a_margin_is_met_to_the_last_digit(margin_ppm: int, good: bool) -> None:
    found = worth([Flow("a", 11, 0)], [Flow("b", 10, 0)], lambda _: Range.of(1), lambda _: Range.of(1), Outlook())
    assert found.satisfies(margin_ppm) is good


# --- offers


def test_an_offer_says_what_it_is() -> None:
    offer = Offer([Give("wheat", 100, cost=20)], [Want("coffee", 50, value=90) | Want("tea", 80, value=("59/2", 30))])
    assert repr(offer) == (
        "Offer(gives=[Give('wheat', 100, cost=20)], "
        "wants=[Want('coffee', 50, value=90) | Want('tea', 80, value=59/2..30)], margin_ppm=0)"
    )
    assert offer.cost_of("wheat") == Range.of(20)
    assert offer.value_of("tea") == Range.of(("29.5", 30))
    assert offer.value_of("wheat") is None
    assert offer.cost_of("tea") is None


@pytest.mark.parametrize(
    ("gives", "wants", "margin_ppm", "why"),
    [
        ([Give("a", 1, cost=1), Give("a", 2, cost=1)], [], 0, "given twice"),
        ([], [Want("a", 1, value=1), Want("b", 1, value=1) | Want("a", 1, value=2)], 0, "wanted twice"),
        ([Give("a", 1, cost=(1, 3))], [Want("a", 1, value=2)], 0, "no more than it costs"),
        ([], [], -1, "margin"),
    ],
)
def test_what_a_market_would_refuse_is_refused_here(
    gives: list[Give], wants: list[Want], margin_ppm: int, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        Offer(gives, wants, margin_ppm)


@pytest.mark.parametrize("limit", [0, -1, 2**63])
def test_quantities_are_positive_and_fit_64_bits(limit: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        Give("a", limit, cost=1)
    with pytest.raises(TypeError):
        Want("a", 1.0, value=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("good", ["", "Wheat", "a.b", "*", "a" * 64])
def test_goods_are_tokens(good: str) -> None:
    with pytest.raises(ValueError, match="a good"):
        Give(good, 1, cost=1)


def test_goods_that_either_fill_a_want_share_it() -> None:
    offer = Offer([Give("x", 10, cost=1)], [Want("coffee", 50, value=9) | Want("tea", 80, value=6)])
    room = offer.lacks_room_for
    assert room({"x": 10}, {"coffee": 25, "tea": 40}) is None
    assert room({}, {"coffee": 26, "tea": 40}) == "wants no more than 50 coffee or 80 tea"
    assert room({"x": 11}, {}) == "gives no more than 10 x"
    assert room({"y": 1}, {}) == "does not give y"
    assert room({}, {"x": 1}) == "does not want x"


def test_what_is_left_shrinks_in_proportion() -> None:
    offer = Offer(
        [Give("x", 10, cost=1), Give("y", 5, cost=1)],
        [Want("coffee", 50, value=9) | Want("tea", 80, value=6), Want("rice", 3, value=1)],
        margin_ppm=7,
    )
    left = offer.less({"x": 4, "y": 5}, {"coffee": 20, "rice": 3})
    assert left.gives == (Give("x", 6, cost=1),)
    assert left.wants == (Want("coffee", 30, value=9) | Want("tea", 48, value=6),)
    assert left.margin_ppm == 7


@given(
    limits=st.lists(st.integers(1, 1000), min_size=1, max_size=4),
    received=st.lists(st.integers(0, 1000), min_size=4, max_size=4),
    more=st.lists(st.integers(0, 1000), min_size=4, max_size=4),
)
def test_what_fits_what_is_left_fits_the_whole(limits: list[int], received: list[int], more: list[int]) -> None:
    goods = [f"g{i}" for i in range(len(limits))]
    want = Want(goods[0], limits[0], value=1)
    for good, limit in zip(goods[1:], limits[1:], strict=True):
        want = want | Want(good, limit, value=1)
    offer = Offer([], [want])
    before = Counter(dict(zip(goods, received, strict=False)))
    after = Counter(dict(zip(goods, more, strict=False)))
    left = offer.less({}, before)
    if offer.lacks_room_for({}, +before) is None and left.lacks_room_for({}, +after) is None:
        assert offer.lacks_room_for({}, before + after) is None
