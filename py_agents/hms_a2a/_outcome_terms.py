"""What the outcome of a negotiation means: the terms that it makes, the same bytes for everybody.

A party never sends terms that it made up: it names an outcome, and desk, parties and whoever replays the talk each
fill in the domain's patterns themselves, as the crate `terms` does. So what was negotiated and what is signed cannot
differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hms_a2a import _wire as wire
from hms_a2a._alternating import is_outcome
from hms_a2a._check import check
from hms_a2a._errors import BadWire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hms_a2a._utility import Outcome

_MOST = 2**63 - 1


def terms_of(
    domain: wire.Domain, seats: Sequence[str], book: str, expires_unix_ms: int, outcome: Outcome
) -> wire.Terms:
    """The terms that an outcome makes for whoever sits on these seats.

    Raises `BadWire` where it is no outcome of the domain (its `field` is ``outcome``), or what it makes is no terms:
    where nothing changes hands, or not for everybody.
    """
    if not is_outcome(domain, list(outcome)):
        raise BadWire("outcome", "it is no outcome of this domain")
    made = (_transfer(domain, pattern, seats, outcome) for pattern in domain.transfers)
    terms = wire.Terms(
        book=book,
        parties=sorted(seats),
        transfers=[transfer for transfer in made if transfer is not None],
        delivery=domain.delivery,
        expires_unix_ms=expires_unix_ms,
    )
    check(terms)
    return terms


def number(domain: wire.Domain, outcome: Outcome, issue: str) -> int:
    """The number that an outcome chooses for an issue: a quantity, a price, a delay."""
    for place, one in enumerate(domain.issues):
        if one.name == issue:
            return one.least + one.step * outcome[place]
    raise BadWire("outcome", f"there is no issue {issue}")


def _transfer(
    domain: wire.Domain, pattern: wire.Pattern, seats: Sequence[str], outcome: Outcome
) -> wire.Transfer | None:
    """What a pattern makes of an outcome; None where the quantity is 0."""
    quantity = pattern.factor
    for name in pattern.times:
        quantity *= number(domain, outcome, name)
    if not 1 <= quantity <= _MOST:
        return None
    good = pattern.goods[0]
    if pattern.good_by is not None:
        places = {issue.name: place for place, issue in enumerate(domain.issues)}
        good = pattern.goods[outcome[places[pattern.good_by]]]
    delay_ms = 0 if pattern.due_by is None else number(domain, outcome, pattern.due_by)
    return wire.Transfer(
        from_=seats[pattern.from_],
        to=seats[pattern.to],
        good=good,
        quantity=quantity,
        due_unix_ms=pattern.due_unix_ms + delay_ms,
    )
