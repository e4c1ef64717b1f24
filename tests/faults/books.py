"""The books, folded from the log as the documentation says and by nobody's code but this.

A line is a party and a good. What a deal with confirmed delivery brings is `incoming` until it is settled or taken
back, and nobody may give it on: balance − incoming + limit ≥ 0, always.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

from hms_a2a import _wire as wire

if TYPE_CHECKING:
    from collections.abc import Iterable


class Line:
    """A party and a good."""

    def __init__(self) -> None:
        self.balance = 0
        self.incoming = 0
        self.limit = 0

    @property
    def left(self) -> int:
        """What the party may still give."""
        return self.balance - self.incoming + self.limit


class Book:
    """One book."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], Line] = defaultdict(Line)
        #: Transfers of deals whose delivery is not confirmed yet.
        self.open: dict[str, list[wire.Transfer]] = {}
        #: Deals that were ever posted.
        self.posted: set[str] = set()
        self.state_hash = bytes(32)
        self.next_turn = 0
        self.applied_through = 0

    def chain(self, subject: str, body: bytes) -> None:
        """Add an entry to the chain over everything posted."""
        entry = hashlib.sha256(body).digest()
        self.state_hash = hashlib.sha256(self.state_hash + subject.encode() + b"\0" + entry).digest()

    def declare(self, agent: str, limits: Iterable[wire.Limit]) -> list[tuple[str, str]]:
        """Set limits; the lines that changed."""
        changed = []
        for limit in limits:
            self.lines[agent, limit.good].limit = limit.quantity
            changed.append((agent, limit.good))
        return changed

    def commit(self, deal: str, terms: wire.Terms) -> list[tuple[str, str]]:
        """Post a deal; the lines that changed."""
        self.posted.add(deal)
        confirmed = terms.delivery is wire.Delivery.CONFIRMED
        if confirmed:
            self.open[deal] = list(terms.transfers)
        for transfer in terms.transfers:
            self.lines[transfer.from_, transfer.good].balance -= transfer.quantity
            receipt = self.lines[transfer.to, transfer.good]
            receipt.balance += transfer.quantity
            receipt.incoming += transfer.quantity if confirmed else 0
        return _touched(terms.transfers)

    def release(self, deal: str, reversed_: Iterable[int]) -> list[tuple[str, str]]:
        """A deal is delivered, but for the transfers that are taken back; the lines that changed."""
        transfers, back = self.open.pop(deal, []), set(reversed_)
        for index, transfer in enumerate(transfers):
            receipt = self.lines[transfer.to, transfer.good]
            receipt.incoming -= transfer.quantity
            if index in back:
                receipt.balance -= transfer.quantity
                self.lines[transfer.from_, transfer.good].balance += transfer.quantity
        return _touched(transfers)

    def told(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Balance and limit of every line that has either."""
        return {key: (line.balance, line.limit) for key, line in self.lines.items() if line.balance or line.limit}


def _touched(transfers: Iterable[wire.Transfer]) -> list[tuple[str, str]]:
    return sorted({(party, t.good) for t in transfers for party in (t.from_, t.to)})
