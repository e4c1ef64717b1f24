"""The durable inbox: everything once, in order, and nothing left out, whatever happens to the connection."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import TYPE_CHECKING, Any

from hms_a2a import Agent, Deal, Message, wire
from hms_a2a import _subjects as subjects
from hms_a2a._inbox import Cursor
from hms_a2a._keys import new_seed
from hms_a2a._limits import MAX_INBOX_PAGE

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from conftest import Cores, MakeAgent
    from real_bus import Broker, Eventually


def listen(agent: Agent) -> list[int]:
    """The numbers that an agent hears."""
    heard: list[int] = []

    @agent.on_message
    def hear(message: Message[Any]) -> None:
        assert message.sender == "ghana"
        heard.append(message.body["number"])

    return heard


async def test_live_entries_come_without_asking(cores: Cores, make_agent: MakeAgent, eventually: Eventually) -> None:
    kenya, ghana = make_agent("kenya"), cores.voice()
    heard = listen(kenya)
    async with kenya:
        for sequence in (3, 7, 8):
            await cores.tell("kenya", sequence, ghana.message(sequence))
        await eventually(lambda: heard == [3, 7, 8])
    assert cores.of("registry.inbox") == []


async def test_what_was_there_before_is_read_first_page_by_page(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    kenya, ghana = make_agent("kenya"), cores.voice()
    heard = listen(kenya)
    for sequence in range(1, 601):
        cores.store(sequence, ghana.message(sequence))
    async with kenya:
        await cores.tell("kenya", 700, ghana.message(700))
        await eventually(lambda: len(heard) == 601)
    assert heard == [*range(1, 601), 700]
    assert len(cores.of("registry.inbox")) == 3


async def test_a_gap_is_noticed_and_filled_and_what_comes_twice_counts_once(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    kenya, ghana = make_agent("kenya"), cores.voice()
    heard = listen(kenya)
    async with kenya:
        await cores.tell("kenya", 1, ghana.message(1))
        await eventually(lambda: heard == [1])
        cores.store(2, ghana.message(2))
        cores.store(3, ghana.message(3))
        await cores.tell("kenya", 4, ghana.message(4))
        await eventually(lambda: heard == [1, 2, 3, 4])
        cores.entries.pop()
        await cores.tell("kenya", 4, ghana.message(4), before=3)
        await cores.tell("kenya", 5, ghana.message(5))
        await eventually(lambda: len(heard) == 5)
    assert heard == [1, 2, 3, 4, 5]


async def test_what_came_while_the_broker_was_away_is_read_when_it_is_back(
    broker: Broker, cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    kenya, ghana = make_agent("kenya"), cores.voice()
    heard = listen(kenya)
    async with kenya:
        await cores.tell("kenya", 1, ghana.message(1))
        await eventually(lambda: heard == [1])
        registrations = len(cores.of("registry.register"))
        broker.kill()
        await eventually(lambda: not kenya.nats.is_connected)
        cores.store(2, ghana.message(2))
        broker.start()
        await eventually(lambda: heard == [1, 2])
        await eventually(lambda: len(cores.of("registry.register")) > registrations)


async def test_a_registry_that_is_away_is_waited_for(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    kenya, ghana = make_agent("kenya"), cores.voice()
    heard = listen(kenya)
    cores.store(1, ghana.message(1))
    cores.deaf[subjects.endpoint("registry", "inbox")] = 1
    async with kenya:
        await eventually(lambda: heard == [1])
    assert len(cores.of("registry.inbox")) == 2


async def test_the_cursor_outlives_the_process(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually, tmp_path: Path
) -> None:
    ghana, seed = cores.voice(), new_seed()
    for sequence in (1, 2):
        cores.store(sequence, ghana.message(sequence))
    first = make_agent("kenya", seed=seed, home=tmp_path)
    heard = listen(first)
    async with first:
        await eventually(lambda: heard == [1, 2])
    cores.store(3, ghana.message(3))
    second = make_agent("kenya", seed=seed, home=tmp_path)
    heard = listen(second)
    async with second:
        await eventually(lambda: heard == [3])
    assert (tmp_path / "agents" / "kenya.json").exists()


def news(event: str, state: wire.State) -> wire.DealNote:
    return wire.DealNote(
        deal="a" * 26, event=event, state=state, turn=0, at_unix_ms=0, book="b", opener="c", profile=wire.Profile.RING_1
    )


async def test_while_an_agent_leaves_news_is_heard_by_whoever_waits_and_comes_again(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ghana, seed = cores.voice(), new_seed()
    first = make_agent("kenya", seed=seed, home=tmp_path)
    heard = listen(first)
    began = asyncio.Event()
    ended: list[wire.State] = []

    @first.on_deal
    async def wait(deal: Deal) -> None:
        began.set()
        ended.append(await deal.ended())

    async with first:
        await cores.tell("kenya", 1, news("opened", wire.State.NEGOTIATING))
        await began.wait()
        leaving = asyncio.ensure_future(first.stop())
        await asyncio.sleep(0)
        await cores.tell("kenya", 2, ghana.message(2))
        await cores.tell("kenya", 3, news("refused", wire.State.REFUSED))
        await leaving
    assert ended == [wire.State.REFUSED]
    assert heard == []
    gc.collect()  # a task that nobody asked how it ended says so now
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []

    second = make_agent("kenya", seed=seed, home=tmp_path)
    heard = listen(second)
    events: list[str] = []
    second.on_deal(lambda deal: events.append(deal.event))
    async with second:
        await eventually(lambda: heard == [2] and events == ["refused"])
    asked = [asked.body for asked in cores.of("registry.inbox")]
    assert asked == [wire.ReadInbox(agent="kenya", after_sequence=1, limit=MAX_INBOX_PAGE)]


async def test_an_inbox_that_became_shorter_is_another_and_read_from_its_beginning(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually, tmp_path: Path
) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "kenya.json").write_text('{"inbox_sequence":500}')
    ghana = cores.voice()
    cores.store(1, ghana.message(1))
    kenya = make_agent("kenya", home=tmp_path)
    heard = listen(kenya)
    async with kenya:
        await eventually(lambda: heard == [1])


async def test_a_handler_that_fails_stops_nothing(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    kenya, ghana = make_agent("kenya"), cores.voice()

    @kenya.on_message
    async def fail(message: Message[Any]) -> None:
        if message.body["number"] == 1:
            raise RuntimeError("on purpose")
        heard.append(message.body["number"])

    heard: list[int] = []
    async with kenya:
        await cores.tell("kenya", 1, ghana.message(1))
        await cores.tell("kenya", 2, ghana.message(2))
        await eventually(lambda: heard == [2])
    assert "on purpose" in caplog.text


async def test_what_is_not_signed_by_whom_it_names_or_not_for_this_agent_is_left_out(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    kenya, ghana = make_agent("kenya"), cores.voice()
    heard = listen(kenya)
    async with kenya:
        await cores.tell("kenya", 1, ghana.message(1, name="togo"))
        await cores.tell("kenya", 2, ghana.message(2, to="togo"))
        await cores.tell("kenya", 3, wire.Done())
        await cores.tell("kenya", 4, ghana.message(4))
        await eventually(lambda: heard == [4])
    assert caplog.text.count("is not understood") == 3


async def test_no_more_handlers_run_at_once_than_there_are_places(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    kenya, ghana = make_agent("kenya", concurrency=2), cores.voice()
    running, most, done = 0, 0, 0

    @kenya.on_message
    async def slow(message: Message[Any]) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        done += 1

    async with kenya:
        for sequence in range(1, 11):
            await cores.tell("kenya", sequence, ghana.message(sequence))
        await eventually(lambda: done == 10)
    assert most == 2


def test_the_low_water_mark_waits_for_what_is_under_way(tmp_path: Path) -> None:
    cursor = Cursor(tmp_path / "c.json")
    for sequence in (2, 5, 9):
        cursor.take(sequence)
    cursor.done(9)
    cursor.done(5)
    assert (cursor.seen, cursor.done_through) == (9, 0)
    cursor.done(2)
    assert cursor.done_through == 9
    cursor.save()
    assert Cursor(tmp_path / "c.json").seen == 9


def test_a_cursor_that_cannot_be_read_begins_at_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("{")
    assert Cursor(tmp_path / "c.json").seen == 0
