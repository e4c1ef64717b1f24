"""What supervisor and worker do about the deal of an award, against a desk that answers by script."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from hms_a2a import NotFound, Refused, wire
from hms_a2a._codec import encode
from hms_a2a._deal import deal_id
from hms_a2a._pay import Pay
from hms_a2a._trading import Trading

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_790_000_000_000


class Desk:
    """A desk, as a `Caller` sees it: it keeps what is asked, and answers."""

    def __init__(self, answer: Callable[[str], wire.State]) -> None:
        self.asked: list[tuple[str, wire.Message]] = []
        self.answer = answer
        self.bus = self

    def now_unix_ms(self) -> int:
        return NOW

    def nonce(self) -> str:
        return f"n{len(self.asked)}"

    async def insist(self, subject: str, ask: wire.Message, _: type, **__: Any) -> wire.Message:
        verb = ask.TYPE.partition(".")[2]
        self.asked.append((verb, ask))
        state = self.answer(verb)
        if isinstance(ask, wire.Show):
            raise NotFound(wire.ErrorReply(code=404, message="no such deal", retryable=False))
        return wire.Moved(deal="a" * 26, move_id="m", state=state, turn=len(self.asked))

    @property
    def moves(self) -> list[str]:
        return [verb for verb, _ in self.asked if verb != "show"]


def award(expires_in_ms: int = 60_000) -> wire.AwardDeal:
    """Work for 50 of usd."""
    due = NOW + 120_000

    def transfer(giver: str, taker: str, good: str, units: int) -> wire.Transfer:
        return wire.Transfer(from_=giver, to=taker, good=good, quantity=units, due_unix_ms=due)

    terms = wire.Terms(
        book="guild",
        parties=["boss", "w1"],
        transfers=[transfer("boss", "w1", "usd", 50), transfer("w1", "boss", "add", 1)],
        delivery=wire.Delivery.CONFIRMED,
        expires_unix_ms=NOW + expires_in_ms,
        award=wire.Award(job="job", task="a", round=1),
    )
    return wire.AwardDeal(deal=deal_id("boss", "award-1"), move_id="award-1", terms=encode(terms))


def awarded(agent: str = "w1") -> wire.TaskNote:
    """The news of it."""
    return wire.TaskNote(
        job="job",
        event=wire.TaskWord.AWARDED,
        turn=3,
        at_unix_ms=NOW,
        supervisor="boss",
        task="a",
        round=1,
        agent=agent,
    )


def news(state: wire.State, turn: int, terms: bytes | None = None, **more: Any) -> wire.DealNote:
    """News of the deal."""
    return wire.DealNote(
        deal=award().deal, event=state.value, state=state, turn=turn, at_unix_ms=NOW, book="guild", terms=terms, **more
    )


def at(agent: str, answer: Callable[[str], wire.State]) -> tuple[Desk, Trading, Pay]:
    desk = Desk(answer)
    trading = Trading(desk, agent)  # type: ignore[arg-type] # all of a caller that it uses
    return desk, trading, Pay(desk, agent, trading)  # type: ignore[arg-type]


async def test_a_worker_accepts_what_the_award_says_and_works_when_it_is_committed() -> None:
    desk, trading, pay = at("w1", lambda verb: wire.State.AGREED if verb == "accept" else wire.State.COMMITTED)
    paid = asyncio.ensure_future(pay.paid(award()))
    await asyncio.sleep(0)
    assert desk.moves == []
    note = news(wire.State.NEGOTIATING, 0, award().terms, opener="boss")
    await trading.take(trading.hear(note), note)
    assert desk.moves == [], "the trader in it leaves such deals alone"
    await asyncio.sleep(0.01)
    assert desk.moves == ["accept"]
    (accept,) = (ask for verb, ask in desk.asked if verb == "accept")
    assert isinstance(accept, wire.Accept)
    assert accept.terms_hash == hashlib.sha256(award().terms).digest()
    assert not paid.done()
    trading.hear(news(wire.State.COMMITTED, 9, award().terms))
    assert await asyncio.wait_for(paid, 5) is None
    assert desk.moves == ["accept", "confirm"]


async def test_a_worker_names_the_terms_of_the_award_whatever_is_on_the_table() -> None:
    desk, trading, pay = at("w1", lambda _: wire.State.AGREED)
    paid = asyncio.ensure_future(pay.paid(award()))
    await asyncio.sleep(0)
    trading.hear(news(wire.State.NEGOTIATING, 0, award(61_000).terms))
    await asyncio.sleep(0.01)
    (accept,) = (ask for verb, ask in desk.asked if verb == "accept")
    assert isinstance(accept, wire.Accept)
    assert accept.terms_hash == hashlib.sha256(award().terms).digest(), "the desk refuses it then"
    trading.hear(news(wire.State.EXPIRED, 2, reason="its time ran out"))
    assert "expired" in (await asyncio.wait_for(paid, 5) or "")
    assert desk.moves == ["accept"]


@pytest.mark.parametrize("state", [wire.State.REFUSED, wire.State.WITHDRAWN])
async def test_a_worker_says_why_nothing_pays(state: wire.State) -> None:
    _, trading, pay = at("w1", lambda _: wire.State.AGREED)
    paid = asyncio.ensure_future(pay.paid(award()))
    await asyncio.sleep(0)
    trading.hear(news(wire.State.NEGOTIATING, 0, award().terms))
    await asyncio.sleep(0.01)
    trading.hear(news(state, 4, reason="boss has 0 left to give"))
    said = await asyncio.wait_for(paid, 5)
    assert said is not None
    assert state.value in said
    assert "boss has 0 left to give" in said


async def test_a_worker_does_not_wait_for_a_deal_that_never_comes() -> None:
    _, _, pay = at("w1", lambda _: wire.State.AGREED)
    assert await asyncio.wait_for(pay.paid(award(-1)), 10) == "no deal came that pays for it"


async def test_a_supervisor_opens_what_the_award_says_and_nothing_else() -> None:
    desk, _, pay = at("boss", lambda _: wire.State.NEGOTIATING)
    await pay.open(awarded(), award())
    assert desk.moves == ["open", "accept"]
    opened = desk.asked[0][1]
    assert isinstance(opened, wire.Open)
    assert (opened.move_id, opened.terms, opened.profile) == ("award-1", award().terms, wire.Profile.FIXED_1)
    await pay.open(awarded("w2"), award())
    assert desk.moves == ["open", "accept"], "that is another's award"


async def test_a_supervisor_confirms_once_it_is_committed() -> None:
    desk, trading, pay = at("boss", lambda _: wire.State.SETTLED)
    confirming = asyncio.ensure_future(pay.confirm(award()))
    await asyncio.sleep(0.01)
    assert desk.moves == []
    trading.hear(news(wire.State.COMMITTED, 5, award().terms))
    await asyncio.wait_for(confirming, 5)
    assert desk.moves == ["confirm"]


async def test_a_refusal_of_a_move_ends_nothing_else() -> None:
    def refuse(verb: str) -> wire.State:
        raise Refused(wire.ErrorReply(code=422, message="no", retryable=False, rule="profile"))

    _, _, pay = at("boss", refuse)
    await pay.open(awarded(), award())
