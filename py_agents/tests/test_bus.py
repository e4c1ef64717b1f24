"""The SDK on a whole bus: registry, inboxes, topics, values and hosts, with the cores as they are."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hms_a2a import Agent, BadMessage, ErrorReply, Forbidden, Give, Host, NotFound, Offer, Outlook, Want, wire
from hms_a2a import _subjects as subjects
from hms_a2a._codec import decode_any
from hms_a2a._keys import new_seed
from hms_a2a._membership import Membership
from hms_a2a._signing import system_clock
from hms_a2a._value import KINDS

if TYPE_CHECKING:
    from pathlib import Path

    from real_bus import Broker, Bus, Eventually

WITHIN_S = 20.0


async def test_who_is_here(bus: Bus) -> None:
    async with (
        Agent("here-a", servers=bus.url, seed=new_seed(), kind="ngo", capabilities=["weaving"]) as a,
        Agent("here-b", servers=bus.url, seed=new_seed(), capabilities=["weaving", "dyeing"]) as b,
    ):
        assert [record.agent for record in await a.find(capability="weaving")] == ["here-a", "here-b"]
        (found,) = await b.find("here-a")
        assert (found.key, found.kind, found.lease_until_unix_ms > a.now_unix_ms) == (a.key, "ngo", True)
    async with Agent("here-c", servers=bus.url, seed=new_seed()) as c:
        assert await c.find(capability="weaving") == []


@pytest.mark.parametrize(("off_ms", "seen"), [(-3_600_000, "behind"), (3_600_000, "ahead of")])
async def test_an_agent_whose_clock_is_wrong_goes_by_the_registrys(
    bus: Bus, caplog: pytest.LogCaptureFixture, off_ms: int, seen: str
) -> None:
    name = f"clock-{seen.split()[0]}"
    async with Agent(name, servers=bus.url, seed=new_seed(), clock=lambda: system_clock() + off_ms) as agent:
        assert [record.agent for record in await agent.find(name)] == [name]
    (said,) = [record.getMessage() for record in caplog.records if "this machine's clock" in record.getMessage()]
    assert re.search(rf"clock is 3[56]\d{{5}} ms {seen} the registry's", said), said


async def test_a_message_waits_for_an_agent_that_is_away(bus: Bus, eventually: Eventually, tmp_path: Path) -> None:
    seed = new_seed()

    def agent() -> tuple[Agent, list[Any]]:
        made = Agent("away", servers=bus.url, seed=seed, home=tmp_path)
        heard: list[Any] = []
        made.on_message(lambda message: heard.append((message.sender, message.body)))
        return made, heard

    first, heard = agent()
    async with first, Agent("writer", servers=bus.url, seed=new_seed()) as writer:
        await writer.send("away", {"number": 1})
        await eventually(lambda: heard == [("writer", {"number": 1})])
        await first.stop()
        for number in range(2, 301):
            await writer.send("away", {"number": number})
        second, heard = agent()
        async with second:
            await writer.send("away", wire.Why(market="m", agent="writer"))
            await eventually(lambda: len(heard) == 300)
            assert [body["number"] for _, body in heard[:-1]] == [*range(2, 301)]
            assert heard[-1] == ("writer", wire.Why(market="m", agent="writer"))
        with pytest.raises(NotFound):
            await writer.send("nobody-at-all", {})


async def test_an_agent_reads_no_inbox_but_its_own(bus: Bus) -> None:
    async with Agent("nosy", servers=bus.url, seed=new_seed()) as nosy:
        with pytest.raises(Forbidden):
            await nosy.call("registry.inbox", wire.ReadInbox(agent="away", after_sequence=0, limit=1))
        with pytest.raises(BadMessage) as raised:
            await nosy._caller.ask(subjects.endpoint("registry", "inbox"), b"\x80\x80", "registry.inbox", 5.0)
        assert raised.value.message


async def test_an_agent_that_comes_back_gets_no_more_than_is_left(bus: Bus) -> None:
    """The ledger is told what an agent may give from now on, whatever it gave before."""
    seed = new_seed()
    async with Agent("ledger-b", servers=bus.url, seed=new_seed()) as other:
        await other.join("again", gives=[Give("cocoa", 100, cost=1)], wants=[Want("tea", 100, value=9)])
        for _ in range(2):
            async with Agent("ledger-a", servers=bus.url, seed=seed) as agent:
                await agent.join("again", gives=[Give("tea", 10, cost=1)], wants=[Want("cocoa", 100, value=9)])
                deal = await agent.offer("ledger-b", book="again", gives={"tea": 10}, takes={"cocoa": 4})
                assert await asyncio.wait_for(deal.ended(), WITHIN_S) == "settled"
        assert await other.balance("again") == {"cocoa": -8, "tea": 20}


async def test_topics_over_a_host_with_verified_senders(bus: Bus, eventually: Eventually) -> None:
    async with Host("hosts", servers=bus.url) as host:
        agents = [await host.add(Agent(f"topical-{i}", seed=new_seed())) for i in range(3)]
        heard: list[tuple[str | None, Any]] = []
        agents[0].on_topic("weather.>")(lambda message: heard.append((message.sender, message.body)))
        await asyncio.sleep(0)  # the handler was added late: it begins to listen now
        await agents[0].flush()
        await agents[1].publish("weather.here", {"rain": True}, signed=True)
        await agents[2].publish("weather.there", {"rain": False})
        await eventually(lambda: len(heard) == 2)
        assert sorted(heard, key=str) == sorted([("topical-1", {"rain": True}), (None, {"rain": False})], key=str)


numbers = st.fractions(min_value=0, max_value=1000, max_denominator=1000)
shares = st.fractions(min_value=0, max_value=1, max_denominator=1000)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[Fraction, Fraction]:
    lo, hi = sorted((draw(numbers), draw(numbers)))
    return lo, hi


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=ranges(),
    cost=ranges(),
    received=st.integers(1, 10**6),
    given_units=st.integers(1, 10**6),
    margin_ppm=st.integers(0, 500_000),
    kind=st.sampled_from(KINDS),
    stated=st.tuples(st.none() | shares, st.none() | shares, st.none() | shares),
    days=st.integers(0, 4000),
)
def test_the_sdk_and_the_core_agree_on_what_terms_are_worth(
    bus: Bus,
    value: tuple[Fraction, Fraction],
    cost: tuple[Fraction, Fraction],
    received: int,
    given_units: int,
    margin_ppm: int,
    kind: str,
    stated: tuple[Fraction | None, Fraction | None, Fraction | None],
    days: int,
) -> None:
    offer = Offer(
        [Give("wheat", given_units, cost=cost)],
        [Want("tea", received, value=value)],
        margin_ppm,
        Outlook.of(kind, *stated),
    )
    expires = 1_700_000_000_000
    due = expires + days * 86_400_000

    def transfer(giver: str, taker: str, good: str, units: int) -> wire.Transfer:
        return wire.Transfer(from_=giver, to=taker, good=good, quantity=units, due_unix_ms=due)

    terms = wire.Terms(
        book="m",
        parties=["me", "you"],
        transfers=[transfer("me", "you", "wheat", given_units), transfer("you", "me", "tea", received)],
        delivery=wire.Delivery.IMMEDIATE,
        expires_unix_ms=expires,
    )
    mine = Membership(None, "me", "m", offer)  # type: ignore[arg-type] # it asks nobody here
    nothing = wire.Valuation(
        values=[], costs=[wire.UnitCost(good="tea", cost=wire.Bounds(lo=Fraction(0), hi=Fraction(0)))]
    )
    asked = wire.ValueRequest(
        terms=terms,
        valuations=[
            wire.PartyValuation(party="me", valuation=mine.valuation(terms)),
            wire.PartyValuation(party="you", valuation=nothing),
        ],
    )
    reply = ask_once(bus, "trade_balance.value", asked)
    assert isinstance(reply, wire.ValueReply)
    said, found = reply.parties[0], mine.worth(terms)
    assert said.gain_minor == found.gain_minor
    assert said.worst_gain_minor == found.worst_gain_minor
    assert said.satisfied == found.satisfies(margin_ppm)


def ask_once(bus: Bus, endpoint: str, message: wire.Message) -> wire.Message:
    """Ask from a loop of its own, on a connection of its own: for tests that have no loop."""

    async def ask() -> wire.Message:
        async with Agent("asker", servers=bus.url, seed=ASKER) as asker:
            return await asker.call(endpoint, message)

    return asyncio.run(ask())


ASKER = new_seed()


async def test_hosts_trade_with_each_other(bus: Bus) -> None:
    """Two host processes; an agent of this process opens the deals, as a market maker would."""

    def player(agent: str, gives: str, wants: str, **more: object) -> dict[str, object]:
        return {
            "id": agent,
            "market": "hosted",
            "gives": [{"good": gives, "limit": 100, "cost": {"lo": 10, "hi": "21/2"}}],
            "wants": [{"any_of": [{"good": wants, "limit": 100, "value": {"lo": 30, "hi": 31}}]}],
        } | more

    hosts = []
    players = [
        [player("h-a", "tea", "rice")],
        [player("h-b", "rice", "tea"), player("h-c", "tea", "rice", reserve_ppm=10**7)],
    ]
    for agents in players:
        pipe = asyncio.subprocess.PIPE
        host = await asyncio.create_subprocess_exec(sys.executable, "-m", "hms_a2a.host", stdin=pipe, stdout=pipe)
        assert host.stdin is not None
        host.stdin.write(json.dumps({"nats": {"servers": [bus.url]}, "agents": agents}).encode() + b"\n")
        hosts.append(host)
    for host, agents in zip(hosts, players, strict=True):
        await until(host, "joined", len(agents))

    async with Agent("h-maker", servers=bus.url, seed=new_seed()) as maker:
        good = await maker.open_deal(ring(maker, "h-a", "h-b"), profile="ring/1")
        assert await asyncio.wait_for(good.ended(), WITHIN_S) == "settled"
        bad = await maker.open_deal(ring(maker, "h-c", "h-b"), profile="ring/1")
        assert await asyncio.wait_for(bad.ended(), WITHIN_S) == "rejected"
        assert bad.reason == "less than h-c asks in private"
        assert bad.by == "h-c"
    for host in hosts:
        assert host.stdin is not None
        host.stdin.close()
        await asyncio.wait_for(host.communicate(), WITHIN_S)
        assert host.returncode == 0


def ring(maker: Agent, first: str, second: str) -> wire.Terms:
    expires = maker.now_unix_ms + 20_000

    def transfer(giver: str, taker: str, good: str) -> wire.Transfer:
        return wire.Transfer(from_=giver, to=taker, good=good, quantity=5, due_unix_ms=expires)

    return wire.Terms(
        book="hosted",
        parties=sorted((first, second)),
        transfers=[transfer(first, second, "tea"), transfer(second, first, "rice")],
        delivery=wire.Delivery.CONFIRMED,
        expires_unix_ms=expires,
    )


async def until(host: asyncio.subprocess.Process, event: str, times: int) -> None:
    assert host.stdout is not None
    while times:
        line = await asyncio.wait_for(host.stdout.readline(), WITHIN_S)
        assert line, f"a host ended before it said {event}"
        times -= json.loads(line)["event"] == event


async def test_a_core_names_the_field_and_the_reason(bus: Bus) -> None:
    async with Agent("clumsy", servers=bus.url, seed=new_seed()) as clumsy:
        with pytest.raises(ErrorReply) as raised:
            await clumsy._caller.ask(subjects.endpoint("registry", "find"), b"\x81\xa4type\xa1x", "x", 5.0)
        assert raised.value.code == 400
        assert raised.value.field == "type"
        assert decode_any(b"\x81\xa4type\xa4done") == wire.Done()


async def test_deals_outlive_a_broker_that_is_killed_under_them(broker: Broker, fragile_bus: Bus) -> None:
    def trader(name: str, gives: str, wants: str) -> Agent:
        agent = Agent(name, servers=broker.url, seed=new_seed())
        agent.join("hard", gives=[Give(gives, 100, cost=1)], wants=[Want(wants, 100, value=9)])
        return agent

    kenya, ghana = trader("kenya", "tea", "rice"), trader("ghana", "rice", "tea")
    async with kenya, ghana:
        opening = [kenya.offer("ghana", book="hard", gives={"tea": 1}, takes={"rice": 2}) for _ in range(20)]
        under_way = asyncio.gather(*opening)
        await asyncio.sleep(0.05)
        broker.kill()
        await asyncio.sleep(0.5)
        broker.start()
        deals = await asyncio.wait_for(under_way, 40)
        ends = await asyncio.wait_for(asyncio.gather(*(deal.ended() for deal in deals)), 40)
        assert set(ends) == {"settled"}
        assert await ghana.balance("hard") == {"tea": 20, "rice": -40}
