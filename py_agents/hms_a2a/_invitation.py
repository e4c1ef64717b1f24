"""What an agent that is invited to a talk is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hms_a2a import _wire as wire
    from hms_a2a._deal import Deal


class Invitation:
    """Somebody wants to negotiate with this agent, by alternating offers, or mediates between it and others.

    Raises `ValueError` where the agent has no seat.
    """

    def __init__(self, deal: Deal, rules: wire.Alternating | wire.SingleText, me: str) -> None:
        #: The deal's id.
        self.deal = deal.id
        #: Who opened it: in ``stx/1`` the mediator, who has no seat.
        self.opener = deal.opener or ""
        #: The ledger's book.
        self.book = deal.book
        #: What is negotiated.
        self.domain = rules.domain
        #: Who sits on which seat; in ``sao/1`` they move in this order.
        self.order = list(rules.order)
        #: This agent's seat: its place in the order.
        self.seat = self.order.index(me)
        #: How many rounds there are, of moves or of votes.
        self.rounds = rules.rounds
        #: Until when anything can be said, in Unix milliseconds.
        self.talk_until_unix_ms = rules.talk_until_unix_ms

    def __repr__(self) -> str:
        return f"<invitation of {self.opener} to {self.deal}>"
