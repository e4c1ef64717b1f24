"""How deals end that do not settle: each in its one right state, with nothing of it posted, and the reason in the log
and in every party's inbox.

Each test has a book and agents of its own, since all share one bus.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from hms_a2a import Agent, Deal, Give, Want, wire
from hms_a2a._codec import decode_any
from hms_a2a._keys import new_seed

if TYPE_CHECKING:
    from real_bus import Bus

WITHIN_S = 20.0


def trader(bus: Bus, name: str, book: str, gives: str, wants: str, **more: Any) -> Agent:
    """An agent to whom each unit costs 10 and is worth 30."""
    agent = Agent(f"{name}-{book}", servers=bus.url, seed=new_seed())
    agent.join(book, gives=[Give(gives, 100, cost=10)], wants=[Want(wants, 100, value=30)], **more)
    return agent


def pair(bus: Bus, book: str, **more: Any) -> tuple[Agent, Agent]:
    """Kenya, who gives tea, and Ghana, who gives cocoa; what is said more is Ghana's."""
    return trader(bus, "kenya", book, "tea", "cocoa"), trader(bus, "ghana", book, "cocoa", "tea", **more)


async def offer(kenya: Agent, ghana: str, book: str, cocoa: int = 8, **more: Any) -> Deal:
    """Kenya offers Ghana ten of tea."""
    return await kenya.offer(ghana, book=book, gives={"tea": 10}, takes={"cocoa": cocoa}, **more)


async def end_of(deal: Deal) -> str:
    """How it ended."""
    return await asyncio.wait_for(deal.ended(), WITHIN_S)


def log_of(bus: Bus, deal: Deal) -> list[dict[str, Any]]:
    """What the deal's log says happened."""
    lines = bus.hms("deal", "log", deal.id, "--json").splitlines()
    return [json.loads(line)["event"]["what"] for line in lines]


def balances(bus: Bus, book: str) -> dict[tuple[str, str], int]:
    """What the ledger has posted in a book."""
    command: list[str] = [str(bus.binary), "call", "ledger.balance", "-", "--json", "--nats", bus.url]
    asked = json.dumps({"book": book})
    done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=60, check=True)
    lines = json.loads(done.stdout)["lines"]
    assert lines, "limits were declared in it"
    return {(line["party"], line["good"]): line["balance"] for line in lines if line["balance"]}


async def news_of(agent: Agent, deal: Deal) -> list[wire.DealNote]:
    """What an agent's durable inbox holds of a deal."""
    ask = wire.ReadInbox(agent=agent.id, after_sequence=0, limit=256)
    page = await agent.call("registry.inbox", ask)
    assert isinstance(page, wire.InboxPage)
    notes = [decode_any(entry.body) for entry in page.entries]
    return [note for note in notes if isinstance(note, wire.DealNote) and note.deal == deal.id]


async def check_end(bus: Bus, deal: Deal, state: str, happened: list[str], told: list[Agent]) -> list[wire.DealNote]:
    """A deal's one end: in the desk's answer, in the log, on the books, in the inboxes. The last note of each."""
    shown = await deal.show()
    assert shown.state == state
    log = await asyncio.to_thread(log_of, bus, deal)
    # Whoever opens and whoever answers go their own ways: one may say no before the other has accepted.
    assert [event["type"] for event in log if event["type"] != "accepted"] == happened
    assert await asyncio.to_thread(balances, bus, deal.book) == {}, "nothing of it is posted"
    verdict = await asyncio.to_thread(bus.hms, "deal", "verify", deal.id, "--json")
    assert json.loads(verdict)["state"] == state
    last = [(await news_of(agent, deal))[-1] for agent in told]
    assert [note.state for note in last] == [state] * len(told)
    return last


async def test_who_asks_more_in_private_says_no(bus: Bus) -> None:
    """At its stated values Ghana would accept; its reservation is nobody else's to know."""
    kenya, ghana = pair(bus, "private", reserve_ppm=3_000_000)
    async with kenya, ghana:
        deal = await offer(kenya, ghana.id, "private")
        assert await end_of(deal) == "rejected"
        reason = f"less than {ghana.id} asks in private"
        (note,) = await check_end(bus, deal, "rejected", ["opened", "rejected"], [kenya])
        assert (note.by, note.reason) == (ghana.id, reason)
        assert (await asyncio.to_thread(log_of, bus, deal))[-1]["reason"] == reason
        said = await asyncio.to_thread(bus.hms, "deal", "log", deal.id, "--json")
        assert "3000000" not in said, "the reservation is told to nobody"


async def test_who_says_no_in_words_is_heard(bus: Bus) -> None:
    kenya, ghana = pair(bus, "refuses")
    heard: list[str | None] = []
    ghana.on_proposal(lambda _: "the rains have failed")
    kenya.on_deal(lambda deal: heard.append(deal.reason))
    async with kenya, ghana:
        deal = await offer(kenya, ghana.id, "refuses")
        assert await end_of(deal) == "rejected"
        (note,) = await check_end(bus, deal, "rejected", ["opened", "rejected"], [kenya])
        assert note.reason == "the rains have failed"
    assert heard[-1] == "the rains have failed"


async def test_who_vanishes_lets_it_expire(bus: Bus) -> None:
    """Ghana's process is killed between the question and its answer."""
    seed = new_seed()
    kenya, away = trader(bus, "kenya", "expires", "tea", "cocoa"), Agent("ghana-expires", servers=bus.url, seed=seed)
    give = {"good": "cocoa", "limit": 100, "cost": {"lo": 10, "hi": 10}}
    player = {"id": away.id, "seed": seed, "market": "expires", "gives": [give], "wants": [], "policy": "silent"}
    pipe = asyncio.subprocess.PIPE
    host = await asyncio.create_subprocess_exec(sys.executable, "-m", "hms_a2a.host", stdin=pipe, stdout=pipe)
    try:
        assert host.stdin is not None
        host.stdin.write(json.dumps({"nats": {"servers": [bus.url]}, "agents": [player]}).encode() + b"\n")
        await until(host, "joined")
        async with kenya:
            deal = await offer(kenya, away.id, "expires", expires_in_s=3.0)
            await until(host, "proposed")
            host.kill()
            assert await end_of(deal) == "expired"
            async with away:  # it comes back, and reads what it missed
                notes = await check_end(bus, deal, "expired", ["opened", "expired"], [kenya, away])
            assert {note.reason for note in notes} == {"its time ran out before ghana-expires had accepted"}
    finally:
        if host.returncode is None:
            host.kill()
        await host.communicate()


async def until(host: asyncio.subprocess.Process, event: str) -> None:
    """Wait until a host says this."""
    assert host.stdout is not None
    while True:
        line = await asyncio.wait_for(host.stdout.readline(), WITHIN_S)
        assert line, f"the host ended before it said {event}"
        if json.loads(line)["event"] == event:
            return


async def test_what_never_arrives_is_taken_back(bus: Bus) -> None:
    kenya, ghana = pair(bus, "fails")
    for agent in (kenya, ghana):
        agent.on_committed(lambda _: False)
    async with kenya, ghana:
        deal = await offer(kenya, ghana.id, "fails", expires_in_s=4.0)
        assert await end_of(deal) == "compensated"
        happened = ["opened", "certified", "committed", "failed", "compensated"]
        notes = await check_end(bus, deal, "compensated", happened, [kenya, ghana])
        assert {note.reason for note in notes} == {"not delivered in time: 2 of 2 transfers taken back"}
        log = await asyncio.to_thread(log_of, bus, deal)
        assert log[-2]["undelivered"] == log[-1]["reversed"] == [0, 1]
        for agent in (kenya, ghana):
            assert [note.event for note in await news_of(agent, deal)][-2:] == ["failed", "compensated"]


async def test_what_was_given_already_is_not_given_again(bus: Bus) -> None:
    book = "twice"
    kenya = trader(bus, "kenya", book, "tea", "cocoa", declare={"tea": 10})
    ghana = trader(bus, "ghana", book, "cocoa", "tea")
    async with kenya, ghana:
        first = await offer(kenya, ghana.id, book)
        assert await end_of(first) == "settled"
        posted = await asyncio.to_thread(balances, bus, book)
        second = await offer(kenya, ghana.id, book)
        assert await end_of(second) == "refused"
        assert await asyncio.to_thread(balances, bus, book) == posted, "nothing of the second is posted"
        (*before, refused) = await asyncio.to_thread(log_of, bus, second)
        assert [event["type"] for event in before] == ["opened", "accepted", "accepted", "certified"]
        assert (refused["type"], refused["rule"]) == ("refused", "over_limit")
        assert "has 0 left to give" in refused["reason"]
        for agent in (kenya, ghana):
            note = (await news_of(agent, second))[-1]
            assert (note.event, note.rule, note.reason) == ("refused", "over_limit", refused["reason"])
