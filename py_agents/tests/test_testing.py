"""The bus for tests: the same tests pass in memory and on a real one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from hms_a2a import (
    Agent,
    BadMessage,
    BadSetting,
    BadWire,
    Conflict,
    Disconnected,
    Forbidden,
    Give,
    Internal,
    Message,
    NoResponders,
    NotFound,
    Prompt,
    Said,
    TimedOut,
    Want,
    testing,
    wire,
)
from hms_a2a._memory import Broker, MemoryLink
from real_bus import find_hms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from real_bus import Eventually


@pytest.fixture(params=["memory", "real"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[testing.Bus]:
    """The bus of each kind."""
    real = request.param == "real"
    async with testing.Bus(real=real, hms=str(find_hms()) if real else None) as bus:
        yield bus


async def test_topics(bus: testing.Bus, eventually: Eventually) -> None:
    kenya, ghana = Agent("kenya"), Agent("ghana")
    heard: list[Message[Any]] = []

    @kenya.on_topic("prices.>")
    def hear(message: Message[Any]) -> None:
        heard.append(message)

    await bus.add(kenya, ghana)
    async with ghana.subscribe("prices.*.now") as now:
        for number in range(100):
            await ghana.publish("prices.wheat.now", number, signed=number == 0)
        await ghana.publish("prices", "not matched")
        await ghana.publish("prices.wheat", "not now")
        assert [(await anext(now)).body for _ in range(100)] == list(range(100)), "in order"
    await eventually(lambda: len(heard) == 101)
    assert {message.sender for message in heard} == {"ghana", None}


async def test_questions(bus: testing.Bus) -> None:
    kenya, ghana = Agent("kenya"), Agent("ghana")

    @kenya.on_topic("count")
    async def count(message: Message[int]) -> AsyncIterator[int]:
        for number in range(message.body):
            yield number

    @kenya.on_topic("strict", int)
    async def strict(message: Message[int]) -> int:
        if message.body < 0:
            raise RuntimeError("negative")
        await asyncio.sleep(message.body)
        return message.body

    await bus.add(kenya, ghana)
    assert [one async for one in ghana.stream("count", 300)] == list(range(300))
    assert [(one.sender, one.body) for one in await ghana.ask_all("count", 5, enough=1)] == [("kenya", 0)]
    assert await ghana.request("strict", 0, of=int) == 0
    with pytest.raises(BadMessage):
        await ghana.request("strict", "text")
    with pytest.raises(Internal, match="kenya failed"):
        await ghana.request("strict", -1)
    with pytest.raises(TimedOut):
        await ghana.request("strict", 60, timeout_s=0.2)
    with pytest.raises(NoResponders):
        await ghana.request("nobody", None)
    with pytest.raises(BadWire, match="larger than the broker takes"):
        await ghana.publish("big", bytes(9 * 2**20))
    await bus.remove(kenya)
    with pytest.raises(NoResponders):
        await ghana.request("count", 1)


async def test_prompts(bus: testing.Bus) -> None:
    kenya, ghana = Agent("kenya"), Agent("ghana")

    @kenya.on_prompt(about="Sells wheat")
    async def respond(prompt: Prompt) -> AsyncIterator[str]:
        yield f"{prompt.sender}: "
        yield prompt.text

    await bus.add(kenya, ghana)
    (found,) = await ghana.peers()
    assert (found.session, found.about) == ("kenya", "Sells wheat")
    assert [part async for part in ghana.prompt(found, "hello")] == [Said("ghana: "), Said("hello")]


async def test_the_registry(bus: testing.Bus, eventually: Eventually) -> None:
    kenya, ghana = Agent("kenya", capabilities=["port"]), Agent("ghana")
    heard: list[Message[Any]] = []
    kenya.on_message(heard.append)
    await bus.add(kenya, ghana)
    (found,) = await ghana.find(capability="port")
    assert (found.agent, found.key) == ("kenya", kenya.key)
    assert {one.agent for one in await ghana.find()} >= {"kenya", "ghana"}
    for number in range(3):
        await ghana.send("kenya", {"number": number})
    await eventually(lambda: len(heard) == 3)
    assert [(one.sender, one.body["number"]) for one in heard] == [("ghana", number) for number in range(3)]
    with pytest.raises(NotFound):
        await ghana.send("nobody", 1)
    await bus.remove(kenya)
    assert await ghana.find("kenya") == []
    await ghana.send("kenya", {"number": 3})
    again = Agent("kenya")
    again.on_message(heard.append)
    await bus.add(again)  # the key is the one that was kept, and so is the place in the inbox
    await eventually(lambda: len(heard) == 4)
    assert heard[-1].body == {"number": 3}


async def test_an_id_belongs_to_its_key(bus: testing.Bus) -> None:
    from hms_a2a._keys import new_seed

    await bus.add(Agent("kenya", seed=new_seed()))
    async with testing.Bus() as other:
        await other.add(Agent("kenya", seed=new_seed()))
    thief = Agent("kenya", seed=new_seed())
    host = bus._host
    assert host is not None
    with pytest.raises((Forbidden, Conflict)):
        await thief.start_on(host.bus)


async def test_what_is_not_in_memory_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async with testing.Bus() as bus:
        kenya = Agent("kenya")
        await bus.add(kenya)
        with pytest.raises(NotFound, match="needs the cores, which a bus in memory does not have"):
            await kenya.join("bazaar", gives=[Give("wheat", 1, cost=1)], wants=[Want("tea", 1, value=9)])
        with pytest.raises(NotFound, match="needs the cores"):
            await kenya.balance("bazaar")
        with pytest.raises(Disconnected, match="no NATS connection"):
            _ = kenya.nats
        with pytest.raises(BadSetting, match="real bus"):
            await bus.hms("status")
        with pytest.raises(ValueError, match="here already"):
            await bus.add(Agent("kenya"))
    with pytest.raises(Disconnected, match="not started"):
        await bus.add(kenya)


async def test_cores_that_compute_are_in_memory_too() -> None:
    try:
        from hms_a2a import cores
    except ImportError:
        pytest.skip("NOT TESTED: the cores are not built (make build)")
    pot = wire.Pot(
        amount_minor=100,
        claimants=[wire.Claimant(party="kenya", most_minor=80), wire.Claimant(party="egypt", most_minor=40)],
    )
    ask = wire.Divide(rule=wire.Rule.LEXIMIN, pot=pot)
    async with testing.Bus() as bus:
        kenya = Agent("kenya")
        await bus.add(kenya)
        assert await kenya.call("trade_balance.divide", ask) == cores.divide(ask)


async def test_deals_on_a_real_bus() -> None:
    async with testing.Bus(real=True, hms=str(find_hms())) as bus:
        kenya, ghana = Agent("kenya"), Agent("ghana")
        kenya.join("bazaar", gives=[Give("tea", 100, cost=10)], wants=[Want("cocoa", 50, value=30)])
        ghana.join("bazaar", gives=[Give("cocoa", 100, cost=10)], wants=[Want("tea", 50, value=30)])
        await bus.add(kenya, ghana)
        deal = await kenya.offer("ghana", book="bazaar", gives={"tea": 20}, takes={"cocoa": 15})
        assert await asyncio.wait_for(deal.ended(), 15) == "settled"
        assert deal.id in await bus.hms("deal", "list")
        with pytest.raises(BadSetting, match="hms deal show"):
            await bus.hms("deal", "show", "nothing")


async def test_groups_and_patterns_in_memory(eventually: Eventually) -> None:
    link = MemoryLink(Broker(), "test")
    await link.open(0)
    came: list[str] = []

    def hearing(name: str) -> Any:
        async def take(incoming: Any) -> None:
            came.append(name)
            if incoming.body == b"fail":
                raise RuntimeError("not taken")

        return take

    for name, pattern, group in (
        ("a", "x.>", "g"),
        ("b", "x.*", "g"),
        ("c", "*.y", ""),
        ("d", "x", ""),
        ("e", "x.y", ""),
    ):
        await link.tap(pattern, hearing(name), group)
    await link.publish("x.y", b"fail", {})
    await link.publish("x.y", b"", {})
    await eventually(lambda: len(came) == 6)
    assert sorted(came) == ["a", "b", "c", "c", "e", "e"]
    await link.publish("x.y.z", b"", {})
    await eventually(lambda: len(came) == 7)
    await link.close()
    with pytest.raises(Disconnected):
        await link.publish("x", b"", {})
