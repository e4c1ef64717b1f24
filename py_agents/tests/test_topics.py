"""Agents talking: topics with wildcards, questions and answers, who said what."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import nats
import pytest

from hms_a2a import (
    Agent,
    BadMessage,
    BadWire,
    Disconnected,
    Internal,
    Message,
    NoResponders,
    NotFound,
    Refusal,
    Refused,
    TimedOut,
    wire,
)
from hms_a2a import _subjects as subjects
from hms_a2a._message import decode_any, encode_any
from hms_a2a._signing import Signer

if TYPE_CHECKING:
    from conftest import Cores, MakeAgent
    from real_bus import Broker, Eventually


class Price(msgspec.Struct, tag="price"):
    """A message of an author's own."""

    good: str
    cents: int


async def test_a_handler_hears_what_matches(cores: Cores, make_agent: MakeAgent, eventually: Eventually) -> None:
    heard: list[Message[Any]] = []
    kenya, ghana = make_agent("kenya"), make_agent("ghana")

    @kenya.on_topic("prices.>")
    async def on_price(message: Message[Any]) -> None:
        heard.append(message)

    async with kenya, ghana:
        await ghana.publish("prices.wheat.now", Price("wheat", 2000))
        await ghana.publish("prices", {"not": "matched"})
        await ghana.publish("prices.tea", {"cents": 5, "raw": b"\x00", "list": [1, None, 2.5]}, signed=True)
        await ghana.publish("prices.empty", b"")
        await eventually(lambda: len(heard) == 3)
    heard.sort(key=lambda message: message.topic or "")
    assert [(m.topic, m.body, m.sender) for m in heard] == [
        ("prices.empty", None, None),
        ("prices.tea", {"cents": 5, "raw": b"\x00", "list": [1, None, 2.5]}, "ghana"),
        ("prices.wheat.now", {"type": "price", "good": "wheat", "cents": 2000}, None),
    ]


async def test_a_signature_by_another_key_than_the_registry_knows_is_nobodys(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    kenya, ghana = make_agent("kenya"), make_agent("ghana")
    senders: list[str | None] = []
    kenya.on_topic("a")(lambda message: senders.append(message.sender))
    async with kenya, ghana:
        cores.keys["ghana"] = kenya.key
        await ghana.publish("a", {}, signed=True)
        await eventually(lambda: senders)
    assert senders == [None]


async def test_typed_messages_in_order(cores: Cores, make_agent: MakeAgent, caplog: pytest.LogCaptureFixture) -> None:
    async with make_agent("kenya") as kenya, make_agent("ghana") as ghana:
        async with kenya.subscribe("prices.*", Price) as prices:
            for cents in range(5):
                await ghana.publish("prices.wheat", Price("wheat", cents))
                await ghana.publish("prices.wheat", {"type": "price", "good": 5})
            came = [await anext(prices) for _ in range(5)]
            assert [message.body.cents for message in came] == [0, 1, 2, 3, 4]
        assert [message async for message in prices] == []
    assert caplog.text.count("not understood") >= 4


async def test_who_iterates_is_released_when_the_subscription_stops(cores: Cores, make_agent: MakeAgent) -> None:
    async with make_agent("kenya") as kenya:
        prices = kenya.subscribe("prices")
        waiting = asyncio.ensure_future(anext(prices))
        await asyncio.sleep(0.1)
        await prices.stop()
        with pytest.raises(StopAsyncIteration):
            await waiting


async def test_a_question_gets_the_handlers_answer(cores: Cores, make_agent: MakeAgent) -> None:
    kenya = make_agent("kenya")

    @kenya.on_topic("quote.kenya", Price)
    def quote(message: Message[Price]) -> Price:
        assert message.sender == "ghana"
        return Price(message.body.good, message.body.cents + 1)

    @kenya.on_topic("fails")
    async def fail(message: Message[Any]) -> None:
        raise RuntimeError("a secret of kenya's")

    async with kenya, make_agent("ghana") as ghana:
        assert await ghana.request("quote.kenya", Price("tea", 1), of=Price) == Price("tea", 2)
        assert await ghana.request("quote.kenya", Price("tea", 1)) == {"type": "price", "good": "tea", "cents": 2}
        for body, field in (
            ({"type": "price"}, "good"),
            ({"type": "price", "good": "tea", "cents": "two"}, "cents"),
            (b'{"good": "tea"}', None),
        ):
            with pytest.raises(BadMessage) as bad:
                await ghana.request("quote.kenya", body)
            assert bad.value.field == field
        assert "looks like JSON" in str(bad.value)
        with pytest.raises(Internal) as failed:
            await ghana.request("fails", {})
        assert "secret" not in str(failed.value)
        with pytest.raises(NoResponders):
            await ghana.request("nobody.here", {})


async def test_an_answer_goes_to_reply_inboxes_only(
    broker: Broker, cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    kenya = make_agent("kenya")
    asked: list[bool] = []

    @kenya.on_topic("quote")
    def quote(message: Message[Any]) -> dict[str, int]:
        asked.append(message.wants_reply)
        return {"cents": 1}

    client = await nats.connect(broker.url)
    log = await client.subscribe(subjects.intent("bazaar", "kenya"))
    async with kenya:
        await client.publish(subjects.topic("quote"), b"\x80", reply=subjects.intent("bazaar", "kenya"))
        await eventually(lambda: asked == [False])
        await kenya.flush()
        with pytest.raises(nats.errors.TimeoutError):
            await log.next_msg(timeout=0.2)
    await client.close()


@pytest.mark.parametrize("topic", ["", "a..b", "a b", "*", ">", "a.*"])
async def test_what_is_no_topic_is_refused(cores: Cores, make_agent: MakeAgent, topic: str) -> None:
    async with make_agent("kenya") as kenya:
        with pytest.raises(ValueError, match="topic"):
            await kenya.publish(topic, {})


def test_patterns_are_checked_at_once() -> None:
    agent = Agent("kenya")
    with pytest.raises(ValueError, match="pattern"):
        agent.subscribe("a.>.b")
    with pytest.raises(ValueError, match="pattern"):
        agent.on_topic("")(lambda _: None)


async def test_an_agent_that_was_not_started_says_so() -> None:
    agent = Agent("kenya")
    with pytest.raises(Disconnected, match="not connected"):
        await agent.publish("a", {})
    with pytest.raises(Disconnected, match="has not been started"):
        await agent.join("bazaar")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\x81\xa1a", "ends inside"),
        (b"\x80\x80", "follow"),
        (b"\x82\xa1a\x01\xa1a\x02", "twice"),
        (b"\x91" * 40, "deep"),
    ],
)
def test_plain_bodies_are_read_strictly_too(raw: bytes, reason: str) -> None:
    with pytest.raises(BadWire, match=reason):
        decode_any(raw, None)


@pytest.mark.parametrize("said", [0, -1, 2**63, True, None, "tea", b"\x00", 1.5, [1, [2]], {"a": {"b": None}}, [], {}])
def test_whatever_messagepack_can_say_comes_back(said: object) -> None:
    raw, kind = encode_any(said)
    assert kind == ""
    assert decode_any(raw, None) == said if not isinstance(said, bytes) else raw == said


def test_bodies_of_the_contract_come_back_as_what_they_are() -> None:
    message = wire.Why(market="bazaar", agent="kenya")
    raw, kind = encode_any(message)
    assert kind == "maker.why"
    assert decode_any(raw, None) == message
    assert decode_any(raw, wire.Why) == message
    with pytest.raises(BadWire):
        decode_any(raw, wire.Because)


async def test_calling_a_core(cores: Cores, make_agent: MakeAgent) -> None:
    async with make_agent("kenya") as kenya:
        found = await kenya.call("registry.find", wire.Find(agent="kenya"))
        assert isinstance(found, wire.Found)
        assert found.agents[0].key == kenya.key
        assert cores.asked[-1].sender is not None
        with pytest.raises(NotFound, match="no stand-in"):
            await kenya.call("graph.clear", wire.Clear(goods=[], offers=[], max_ring=3, time_limit_ms=1))
        cores.deaf[subjects.endpoint("registry", "find")] = 1
        with pytest.raises(TimedOut):
            await kenya.call("registry.find", wire.Find(), timeout_s=0.2)
        for bad in ("find", "a.b.c", "registry.*"):
            with pytest.raises(ValueError, match=r"a service|an endpoint"):
                await kenya.call(bad, wire.Find())


async def test_a_plain_function_may_give_back_what_waits(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    kenya, ghana = make_agent("kenya"), make_agent("ghana")
    stopped: list[int] = []
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    gone.cancel()

    async def wait(number: int) -> int:
        try:
            await asyncio.sleep(60 if number == 1 else 0)
        finally:
            stopped.append(number)
        return number

    @kenya.on_topic("either")
    def either(message: Message[Any]) -> Any:
        return wait(message.body) if message.body else "at once"

    @kenya.on_topic("cancelled")
    def cancelled(message: Message[Any]) -> None:
        gone.result()

    async with kenya, ghana:
        assert await ghana.request("either", 0) == "at once"
        slow = asyncio.ensure_future(ghana.request("either", 1, timeout_s=1))
        assert await ghana.request("either", 2) == 2, "what waits holds up nothing"
        assert await ghana.request("either", 0) == "at once"
        with pytest.raises(TimedOut):
            await slow
        await eventually(lambda: stopped == [2, 1])
        for _ in range(2):
            with pytest.raises(Internal, match="kenya failed to answer"):
                await ghana.request("cancelled", None)
    assert caplog.text.count("kenya: what it does on hms.v1.topic.cancelled failed") == 2


async def test_whoever_asks_may_go_unnamed(cores: Cores, make_agent: MakeAgent) -> None:
    kenya, ghana = make_agent("kenya"), make_agent("ghana")

    @kenya.on_topic("who")
    def who(message: Message[Any]) -> list[str | None]:
        return [message.sender, message.sender]

    @kenya.on_topic("who-later")
    async def who_later(message: Message[Any]) -> list[str | None]:
        return [message.sender]

    async with kenya, ghana:
        assert await ghana.request("who", 1) == ["ghana", "ghana"]
        assert await ghana.request("who", 1, signed=False) == [None, None]
        assert await ghana.request("who-later", 1) == ["ghana"]
        assert await ghana.request("who-later", 1, signed=False) == [None]
        bus = ghana._caller.bus
        ghana._caller.connect(bus, Signer(ghana._own_key(), bus.account, "kenya"))
        assert await ghana.request("who", 1) == [None, None], "it is not kenya's key"


async def test_what_is_cancelled_before_is_not_begun(
    cores: Cores, make_agent: MakeAgent, broker: Broker, eventually: Eventually
) -> None:
    kenya = make_agent("kenya")
    heard: list[int] = []
    kenya.on_topic("a")(lambda message: heard.append(message.body))
    client = await nats.connect(broker.url)
    async with kenya:
        await client.publish(subjects.job_cancel("unwanted"))
        await client.flush()
        await eventually(lambda: "unwanted" in kenya._caller.bus.cancels._early)
        await client.publish(subjects.topic("a"), b"\x01", headers={"Hms-Job": "unwanted"})
        await client.publish(subjects.topic("a"), b"\x02", headers={"Hms-Job": "wanted"})
        await eventually(lambda: heard)
    await client.close()
    assert heard == [2]


async def test_a_plain_function_that_fails_or_refuses_stops_nothing(
    cores: Cores, make_agent: MakeAgent, caplog: pytest.LogCaptureFixture
) -> None:
    kenya, ghana = make_agent("kenya"), make_agent("ghana")

    @kenya.on_topic("fuss")
    def fuss(message: Message[Any]) -> str:
        if message.body == "refuse":
            raise Refusal("not today")
        if message.body == "fail":
            raise KeyError("a secret")
        return "done"

    async with kenya, ghana:
        for _ in range(2):
            with pytest.raises(Refused, match="not today"):
                await ghana.request("fuss", "refuse")
            with pytest.raises(Internal, match="kenya failed to answer"):
                await ghana.request("fuss", "fail")
            assert await ghana.request("fuss", "work", signed=False) == "done"
    assert "taken" not in caplog.text
    assert caplog.text.count("failed") == 2
