"""What an author gets wrong is named, where it is and why; no bus is needed for that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from hms_a2a import WordRefused, negotiation, wire
from hms_a2a.negotiation import Additive, HillClimber, Linear, Ranking, Sealed, Space, Stance

if TYPE_CHECKING:
    from collections.abc import Callable

DOMAIN = wire.Domain(
    issues=[wire.Issue(name="price", least=1, step=1, count=3)],
    transfers=[
        wire.Pattern(from_=at, to=1 - at, goods=["tea"], factor=1, times=["price"], due_unix_ms=9) for at in (0, 1)
    ],
    delivery=wire.Delivery.IMMEDIATE,
)
OFFERS = wire.Alternating(domain=DOMAIN, order=["kenya", "egypt"], rounds=3, talk_until_unix_ms=9)
CALL = wire.ContractNet(domain=DOMAIN, manager="togo", bids_until_unix_ms=9, score=[])
TEXT = wire.SingleText(domain=DOMAIN, order=["kenya", "egypt"], mediator="togo", seed=1, rounds=3, talk_until_unix_ms=9)


def worth(outcome: negotiation.Outcome) -> int:
    return outcome[0]


class Vague(negotiation.Strategy):
    """Says an outcome where a choice is wanted."""

    def choose(self, now: negotiation.Situation) -> Any:
        return (1,)


class Silent(negotiation.Voter):
    """Forgets to answer."""

    def accepts(self, now: negotiation.Ballot) -> Any:
        return None


def table(stance: Any) -> dict[str, Stance]:
    return dict.fromkeys(["kenya", "egypt"], stance)


def offered(strategy: Any) -> object:
    return negotiation.negotiate(OFFERS, table(Stance(worth, strategy)))


def bid(strategy: Any) -> object:
    return negotiation.call_for_bids(CALL, table(Stance(worth, strategy)))


def voted(strategy: Any) -> object:
    return negotiation.mediate(TEXT, table(Stance(worth, strategy)))


WRONG: list[tuple[str, Callable[..., object], list[Any]]] = [
    ("utility: a function from an outcome to parts of a million, not 5", Stance, [5, Linear()]),
    ("strategy: a Strategy, a Bidder or a Voter, as Linear() is one, not", Stance, [worth, Linear]),
    ("reserved_ppm: a whole number of parts of a million, not 0.2", Stance, [worth, Linear(), 0.2]),
    ("issues[1]: whole parts of a million, not 0.5", Additive, [[(1, [1]), (2, [0.5])]]),
    ("utility: whole parts of a million, not 0.5 for (1,)", Ranking, [Space([2]), lambda at: at[0] and 0.5]),
    ("pace: a Concession, as Linear() is, not 3", negotiation.Asking, [3]),
    ("strategy: this protocol takes a Strategy", offered, [Sealed()]),
    ("strategy: this protocol takes a Bidder", bid, [Linear()]),
    ("strategy: this protocol takes a Voter", voted, [Linear()]),
    ("choose: an Offer, Accept or End, not (1,)", offered, [Vague()]),
    ("accepts: True or False, not None", voted, [Silent()]),
]


@pytest.mark.parametrize(("said", "make", "of"), WRONG, ids=[said for said, _, _ in WRONG])
def test_a_wrong_type_is_named(said: str, make: Callable[..., object], of: list[Any]) -> None:
    with pytest.raises(TypeError, match=re.escape(said)):
        make(*of)


@pytest.mark.parametrize(
    "hold",
    [
        lambda: negotiation.negotiate(OFFERS, {"mali": Stance(worth, Linear())}),
        lambda: negotiation.mediate(TEXT, {"mali": Stance(worth, HillClimber())}),
    ],
)
def test_who_has_no_seat_is_named(hold: Any) -> None:
    with pytest.raises(ValueError, match="order: mali is not in it"):
        hold()


def test_a_bid_that_is_no_outcome_is_refused_by_its_rule() -> None:
    class Outside(negotiation.Bidder):
        def bid(self, now: negotiation.Contest) -> negotiation.Outcome:
            return (3,)

    with pytest.raises(WordRefused, match="outside_domain: \\[3\\] is no outcome of this domain"):
        negotiation.call_for_bids(CALL, {"kenya": Stance(worth, Outside())})
