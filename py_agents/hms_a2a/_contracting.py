"""A contractor in a contract net: the protocol, what it wants, and a bidder. And a whole contract net in one room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hms_a2a._bidding import Contest
from hms_a2a._codec import encode
from hms_a2a._contract_net import ContractNet
from hms_a2a._space import Ranking, Space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hms_a2a import _wire as wire
    from hms_a2a._stance import Stance
    from hms_a2a._utility import Outcome

_NOTHING_BETTER = "nothing better to bid"


class Contractor:
    """Whoever is called: it hears words, and answers calls."""

    def __init__(self, me: str, net: ContractNet, stance: Stance) -> None:
        """Raises `TypeError` where the stance is no bidder's, `ValueError` where there are too many outcomes."""
        self.me = me
        self.net = net
        self._bidder = stance.bidding()
        self._reserved_ppm = stance.reserved_ppm
        self._ranking = Ranking(Space.of(net.rules.domain), stance.utility)

    def answer(self) -> Outcome | str | None:
        """What it bids, or why it declines; None where it is not called. It has said nothing yet."""
        net = self.net
        if not net.awaits(self.me):
            return None
        outcome = self._bidder.bid(
            Contest(
                ranking=self._ranking,
                reserved_ppm=self._reserved_ppm,
                round=net.round,
                rounds=net.rules.rounds,
                score=net.score,
                best=net.best,
                leads=net.leads(self.me),
                least_gain=net.rules.least_gain,
            )
        )
        return _NOTHING_BETTER if outcome is None else outcome


def call_for_bids(
    rules: wire.ContractNet | wire.IteratedContractNet, stances: Mapping[str, Stance], deal: str = "a" * 26
) -> ContractNet:
    """A whole contract net, every party in this process, without a bus and without time, as its manager heard it.

    For trying bidders: ``call_for_bids(rules, {"egypt": Stance(utility, Undercut()), ...}).awarded``.
    """
    body, now = encode(rules), rules.bids_until_unix_ms
    parties = [rules.manager, *stances]
    manager = ContractNet(deal, body, parties)
    room = [Contractor(me, ContractNet(deal, body, parties, me), stance) for me, stance in stances.items()]
    said: bytes | None = manager.call("")
    while said is not None and manager.award is None:
        for hearer in (manager, *(contractor.net for contractor in room)):
            hearer.hear(said, now)
        for contractor in room:
            answer = contractor.answer()
            word = None if answer is None else manager.answer(contractor.me, answer)
            if word is not None:
                contractor.net.hear(word, now)
                manager.hear(word, now)
        said = manager.decision()
    return manager
