"""What an author gets wrong, told where it is made, in words that say what would be right. The cores are stand-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hms_a2a import BadWire, Forbidden, Give, Topic, Want, wire
from hms_a2a import _subjects as subjects
from hms_a2a._codec import encode
from hms_a2a._deal import deal_id
from hms_a2a._signing import system_clock

if TYPE_CHECKING:
    from conftest import Cores, MakeAgent
    from hms_a2a import Message
    from real_bus import Eventually

OFFER: dict[str, Any] = {"to": "ghana", "book": "bazaar", "gives": {"wheat": 1}, "takes": {"coffee": 1}}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"to": "Ghana"}, "an agent's id is 1 to 63 of a-z, 0-9, _ and -, not 'Ghana'"),
        ({"to": "kenya"}, "kenya offers a deal to itself"),
        ({"book": "My Book"}, "a book is 1 to 63"),
        ({"gives": {"Wheat": 1}}, "a good is 1 to 63"),
        ({"takes": {"coffee": 0}}, "a quantity is positive"),
        ({"delivery": "soon"}, "a delivery is one of .*immediate.*, not 'soon'"),
        ({"requires": ["winwin"]}, "a required claim is one of .*win_win.*, not 'winwin'"),
    ],
)
async def test_an_offer_that_is_none(cores: Cores, make_agent: MakeAgent, wrong: dict[str, Any], why: str) -> None:
    async with make_agent("kenya") as kenya:
        with pytest.raises(ValueError, match=why):
            await kenya.offer(**OFFER | wrong)
    assert cores.of("deal.open") == []


async def test_names_that_are_none(cores: Cores, make_agent: MakeAgent) -> None:
    async with make_agent("kenya") as kenya:
        with pytest.raises(ValueError, match="a book is"):
            await kenya.declare("My Book", {"wheat": 1})
        with pytest.raises(ValueError, match="a good is"):
            await kenya.declare("bazaar", {"Wheat": 1})
        with pytest.raises(ValueError, match="an agent's id is"):
            await kenya.send("Ghana", {})
    assert cores.of("ledger.declare") + cores.of("registry.send") == []


async def test_a_topic_that_is_left_out(make_agent: MakeAgent) -> None:
    with pytest.raises(TypeError, match="say on which topic"):

        @make_agent("kenya").on_topic  # type: ignore[arg-type]
        async def hear(message: Message[Any]) -> None:
            """It would hear nothing."""


async def test_an_answer_of_another_type_than_was_agreed(cores: Cores, make_agent: MakeAgent) -> None:
    ages = Topic("age", str, int)
    async with make_agent("kenya") as kenya, make_agent("ghana") as ghana:
        kenya.on_topic(ages)(lambda _: "sixty")
        await kenya.flush()
        with pytest.raises(BadWire, match="Expected `int`, got `str`, in an answer on age"):
            await ghana.request(ages, "of ghana")


async def test_a_decision_that_is_none_is_named_in_the_log(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    kenya = make_agent("kenya")
    kenya.on_proposal(lambda _: 17)  # type: ignore[arg-type, return-value]
    expires = system_clock() + 30_000
    coffee = wire.Transfer(from_="ghana", to="kenya", good="coffee", quantity=1, due_unix_ms=expires)
    terms = wire.Terms(
        book="bazaar",
        parties=["ghana", "kenya"],
        transfers=[coffee],
        delivery=wire.Delivery.CONFIRMED,
        expires_unix_ms=expires,
    )
    note = wire.DealNote(
        deal=deal_id("ghana", "m1"),
        event="opened",
        state=wire.State.NEGOTIATING,
        turn=0,
        at_unix_ms=0,
        book="bazaar",
        opener="ghana",
        profile=wire.Profile.FIXED_1,
        terms=encode(terms),
    )
    async with kenya:
        await cores.tell("kenya", 1, note)
        await eventually(lambda: "or None, not 17" in caplog.text)
    assert "kenya: what it does about deal" in caplog.text
    assert cores.of("deal.accept") + cores.of("deal.reject") == []


async def test_an_intent_that_the_market_refuses_is_warned_of(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    why = "gives[0].good: the market bazaar knows no wheat"
    because = wire.Because(
        market="bazaar", agent="kenya", clearing=0, deals=[], left_out=wire.LeftOut.REFUSED, detail=why
    )
    kenya = make_agent("kenya")
    kenya.join("bazaar", gives=[Give("wheat", 100, cost=20)], wants=[Want("coffee", 50, value=90)])
    async with kenya:
        await cores.tell("kenya", 1, cores.voice().message(1, body=encode(because)))
        await eventually(lambda: f"the market bazaar refuses its intent: {why}" in caplog.text)


async def test_whoever_never_came_says_no_goodbye(
    cores: Cores, make_agent: MakeAgent, caplog: pytest.LogCaptureFixture
) -> None:
    reply = wire.ErrorReply(code=403, message="held by another key", retryable=False, rule="key_holder")
    cores.answers[subjects.endpoint("registry", "register")] = lambda _: reply
    with pytest.raises(Forbidden):
        await make_agent("kenya").start()
    assert cores.of("registry.leave") == []
    assert caplog.text == ""
