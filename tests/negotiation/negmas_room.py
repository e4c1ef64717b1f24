"""What NegMAS needs to sit at a table: domains, utilities and negotiators out of a meeting's description, as JSON.

A meeting is ``{"number", "rounds", "counts", "seats": [{"agent", "kind", "name", "seed", "weights", "worths",
"reserved_ppm"}]}``; `counts` are the choices of each issue, `kind` is ``negmas`` or ``ours``. This module is the only
one that knows NegMAS from the inside, and runs in an environment of its own (``make negmas``).
"""

from __future__ import annotations

import contextlib
import random
import sys
import threading
from typing import TYPE_CHECKING, Any

from negmas import sao
from negmas.genius import negotiator as _lazily_imported  # noqa: F401 # so that its dice are seated too
from negmas.outcomes import make_issue
from negmas.preferences import LinearAdditiveUtilityFunction
from negmas.sao import ResponseType, SAOMechanism, SAONegotiator, SAOResponse

from hms_a2a import negotiation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from negmas.sao import SAOState

PPM = 1_000_000

#: What NegMAS must be told to be `sao/1`: rounds and not seconds, everybody once a round, an offer is an acceptance.
RULES = {
    "time_limit": None,
    "pend": 0,
    "one_offer_per_step": False,
    "offering_is_accepting": True,
    "end_on_no_response": True,
    "allow_offering_just_rejected_outcome": True,
    "sync_calls": True,
    "ignore_negotiator_exceptions": False,
}


class _AtTable(threading.local):
    """Whose turn it is to draw, in this thread."""

    dice = random.Random(0)


_at_table = _AtTable()


class _SeatedRandom:
    """Stands for the module `random` inside NegMAS: draws from the seat's own."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_at_table.dice, name)


def _drawing(name: str) -> Callable[..., Any]:
    return lambda *args, **kwargs: getattr(_at_table.dice, name)(*args, **kwargs)


def _seat_the_dice() -> None:
    # The module's functions are methods of one hidden object.
    everybodys = random.random.__self__  # type: ignore[attr-defined]
    for module in [module for name, module in sys.modules.items() if name.partition(".")[0] == "negmas"]:
        for name, value in list(vars(module).items()):
            if value is random:
                setattr(module, name, _SeatedRandom())
            elif getattr(value, "__self__", None) is everybodys:
                setattr(module, name, _drawing(value.__name__))


_seat_the_dice()


class Dice:
    """A seat's own chance: on the bus nobody draws from another's, and threads draw whenever they come to it."""

    def __init__(self, seed: int) -> None:
        self._own = random.Random(seed)

    @contextlib.contextmanager
    def in_hand(self) -> Iterator[None]:
        """While this lasts, what NegMAS draws in this thread is drawn from these."""
        before, _at_table.dice = _at_table.dice, self._own
        try:
            yield
        finally:
            _at_table.dice = before


#: Whatever a mechanism calls that may draw.
_CALLBACKS = (
    "on_preferences_changed",
    "on_negotiation_start",
    "on_round_start",
    "on_round_end",
    "on_partner_proposal",
    "on_partner_response",
    "on_negotiation_end",
    "propose",
    "respond",
)


def in_words(response: SAOResponse) -> tuple[str, list[int] | None]:
    """What a response is in the protocol: an offer, an acceptance, or an end."""
    if response.response == ResponseType.ACCEPT_OFFER:
        return "accept", None
    if response.response == ResponseType.REJECT_OFFER and response.outcome is not None:
        return "offer", [int(choice) for choice in response.outcome]
    return "end", None


def seen(state: SAOState) -> dict[str, Any]:
    """What of a state does not depend on clocks."""
    return {
        "step": state.step,
        "relative_time": state.relative_time,
        "current_offer": None if state.current_offer is None else [int(choice) for choice in state.current_offer],
        "current_proposer": state.current_proposer,
        "n_acceptances": state.n_acceptances,
        "running": state.running,
        "broken": state.broken,
        "timedout": state.timedout,
        "agreement": None if state.agreement is None else [int(choice) for choice in state.agreement],
    }


def watched(kind: type, dice: Dice, told: Callable[[Any, SAOResponse], None]) -> type:
    """The same negotiator, drawing from its own dice; whoever watches is told what it saw and what it answered."""

    def answer(self: Any, state: SAOState, dest: str | None = None) -> SAOResponse:
        before = seen(state)
        with dice.in_hand():
            response = kind.__call__(self, state, dest)
        told(before, response)
        return response

    def with_dice(name: str) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            with dice.in_hand():
                return getattr(kind, name)(self, *args, **kwargs)

        return call

    own = {name: with_dice(name) for name in _CALLBACKS if hasattr(kind, name)}
    return type(kind.__name__, (kind,), {"__call__": answer, **own})


class Ours(SAONegotiator):  # type: ignore[misc] # it has no types
    """One of our strategies in NegMAS's chair."""

    def __init__(self, stance: negotiation.Stance, counts: list[int], **more: Any) -> None:
        super().__init__(**more)
        self._stance = stance
        self._strategy = stance.offering()
        self._ranking = negotiation.Ranking(negotiation.Space(counts), stance.utility)

    def on_partner_proposal(self, state: SAOState, partner_id: str, offer: tuple[int, ...]) -> None:
        outcome = tuple(int(choice) for choice in offer)
        seat = self.nmi.negotiator_ids.index(partner_id)
        self._strategy.heard(seat, outcome, self._stance.utility(outcome))

    def propose(self, state: SAOState, dest: str | None = None) -> None:
        raise NotImplementedError("it answers in one call")

    def __call__(self, state: SAOState, dest: str | None = None) -> SAOResponse:
        choice = self._strategy.choose(
            negotiation.Situation(
                utility=self._stance.utility,
                ranking=self._ranking,
                reserved_ppm=self._stance.reserved_ppm,
                parties=self.nmi.n_negotiators,
                round=state.step,
                rounds=self.nmi.n_steps,
                table=None if state.current_offer is None else tuple(int(c) for c in state.current_offer),
            )
        )
        match choice:
            case negotiation.Offer(outcome):
                return SAOResponse(ResponseType.REJECT_OFFER, outcome)
            case negotiation.Accept():
                return SAOResponse(ResponseType.ACCEPT_OFFER, state.current_offer)
        return SAOResponse(ResponseType.END_NEGOTIATION, None)


OURS: dict[str, Callable[[int], negotiation.Strategy]] = {
    "Boulware": lambda _: negotiation.Boulware(),
    "Linear": lambda _: negotiation.Linear(),
    "Conceder": lambda _: negotiation.Conceder(),
    "TitForTat": lambda _: negotiation.TitForTat(),
    "Micro": negotiation.Micro,
    "NashSeeker": lambda _: negotiation.NashSeeker(),
    "AcceptIfGood": lambda _: negotiation.AcceptIfGood(600_000),
}


def stance(seat: dict[str, Any]) -> negotiation.Stance:
    """How one of ours sits down."""
    utility = negotiation.Additive(list(zip(seat["weights"], seat["worths"], strict=True)))
    return negotiation.Stance(utility, OURS[seat["name"]](seat["seed"]), seat["reserved_ppm"])


def mechanism(meeting: dict[str, Any]) -> SAOMechanism:
    """The mechanism of a meeting, nobody being seated yet."""
    issues = [make_issue(values=count, name=f"issue-{at}") for at, count in enumerate(meeting["counts"])]
    return SAOMechanism(issues=issues, n_steps=meeting["rounds"], **RULES)


def sit_down(
    session: SAOMechanism, meeting: dict[str, Any], seat: dict[str, Any], told: Callable[[Any, SAOResponse], None]
) -> None:
    """Seat a negotiator of NegMAS's, or one of ours."""
    dice = Dice(seat["seed"])
    own: dict[str, Any] = {"id": seat["agent"], "name": seat["agent"]}
    with dice.in_hand():
        if seat["kind"] == "ours":
            session.add(watched(Ours, dice, told)(stance(seat), meeting["counts"], **own))
            return
        values = [{c: worth / PPM for c, worth in enumerate(worths)} for worths in seat["worths"]]
        ufun = LinearAdditiveUtilityFunction(
            values={issue.name: table for issue, table in zip(session.issues, values, strict=True)},
            weights={issue.name: weight / PPM for issue, weight in zip(session.issues, seat["weights"], strict=True)},
            issues=session.issues,
            reserved_value=seat["reserved_ppm"] / PPM,
        )
        session.add(watched(getattr(sao, seat["name"]), dice, told)(**own), ufun=ufun)
