"""The connection: it speaks, it survives the broker, and it says clearly when there is none."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from hms_a2a import BadSetting, BadWire, Disconnected, NoResponders, TimedOut
from hms_a2a._client import Incoming
from hms_a2a._link import Link
from hms_a2a._settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from real_bus import Broker, Eventually


async def opened(url: str, **more: object) -> Link:
    link = Link(Settings(servers=(url,), **more), "test")  # type: ignore[arg-type]
    await link.open(5.0)
    return link


class Heard:
    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def take(self, incoming: Incoming) -> None:
        self.bodies.append(incoming.body)
        if incoming.reply:
            await self.link.publish(incoming.reply, b"heard", {})

    link: Link


async def test_what_is_published_is_heard_with_its_headers(broker: Broker, eventually: Eventually) -> None:
    link = await opened(broker.url)
    came: list[Incoming] = []

    async def take(incoming: Incoming) -> None:
        came.append(incoming)

    tap = await link.tap("a.*.>", take)
    await link.publish("a.b.c", b"1", {"Hms-Type": "x"})
    await link.publish("a.b", b"not matched", {})
    await link.flush()
    await eventually(lambda: came)
    assert came == [Incoming("a.b.c", b"1", {"Hms-Type": "x"}, None)]
    await tap.stop()
    await link.publish("a.b.c", b"2", {})
    await link.flush()
    assert len(came) == 1
    await link.close()


async def test_a_broker_that_is_killed_and_comes_back_is_found_again(broker: Broker, eventually: Eventually) -> None:
    link = await opened(broker.url)
    heard = Heard()
    await link.tap("a", heard.take)
    back: list[bool] = []
    link.on_reconnect.append(lambda: back.append(True))

    broker.kill()
    await eventually(lambda: not link.connected)
    await link.publish("a", b"while it was away", {})
    broker.start()
    await eventually(lambda: back)
    await link.publish("a", b"after", {})
    await eventually(lambda: heard.bodies == [b"while it was away", b"after"])
    heard.link = link
    assert (await link.request("a", b"?", {}, 2.0)).body == b"heard"
    await link.close()


async def test_a_connection_that_the_broker_ends_for_good_is_made_anew(broker: Broker, eventually: Eventually) -> None:
    broker.configure('authorization { users: [ {user: "a", password: "1"} ] }')
    broker.reload()
    link = await opened(broker.url, user="a", password="1")
    heard = Heard()
    await link.tap("a", heard.take)
    first = link.client

    broker.configure('authorization { users: [ {user: "a", password: "2"} ] }')
    broker.reload()
    await eventually(lambda: first.is_closed or not link.connected)
    await asyncio.sleep(0.5)
    broker.configure('authorization { users: [ {user: "a", password: "1"} ] }')
    broker.reload()
    await eventually(lambda: link.connected)
    await link.publish("a", b"again", {})
    await eventually(lambda: heard.bodies == [b"again"])
    assert link.client is not first
    await link.close()


async def test_no_broker_is_an_error_in_bounded_time(caplog: pytest.LogCaptureFixture) -> None:
    link = Link(Settings(servers=("nats://127.0.0.1:1",)), "test")
    began = time.monotonic()
    with pytest.raises(Disconnected, match=r"no broker at nats://127\.0\.0\.1:1"):
        await link.open(1.5)
    assert "no broker at nats://127.0.0.1:1 yet" in caplog.text
    assert time.monotonic() - began < 3


async def test_a_refused_login_is_final_at_once(broker: Broker) -> None:
    broker.configure('authorization { users: [ {user: "a", password: "1"} ] }')
    broker.reload()
    began = time.monotonic()
    with pytest.raises(Disconnected, match="refused the login"):
        await opened(broker.url, user="a", password="wrong")
    assert time.monotonic() - began < 3


async def test_a_setting_that_cannot_be_used_is_named(broker: Broker, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"none\.creds"):
        await opened(broker.url, creds=tmp_path / "none.creds")


async def test_what_cannot_be_asked_says_why(broker: Broker, eventually: Eventually) -> None:
    link = await opened(broker.url)

    async def take(_: Incoming) -> None:
        pass

    await link.tap("silent", take)
    with pytest.raises(NoResponders):
        await link.request("nobody", b"", {}, 1.0)
    with pytest.raises(TimedOut):
        await link.request("silent", b"", {}, 0.2)
    with pytest.raises(ValueError, match="not a subject"):
        await link.publish("a b", b"", {})
    with pytest.raises(BadWire, match="larger"):
        await link.publish("a", b"x" * (9 * 2**20), {})
    await link.close()
    with pytest.raises(Disconnected):
        await link.publish("a", b"", {})


async def test_a_flush_is_a_barrier(broker: Broker, eventually: Eventually) -> None:
    listener, speaker = await opened(broker.url), await opened(broker.url)
    for number in range(100):
        heard = Heard()
        await listener.tap(f"a.{number}", heard.take)
        await listener.flush()
        await speaker.publish(f"a.{number}", b"1", {})
        await speaker.flush()
        await listener.flush()
        await eventually(lambda: heard.bodies == [b"1"])  # noqa: B023 # it is awaited in its own round
    await listener.close()
    await speaker.close()


async def test_a_flush_that_is_cancelled_leaves_a_connection_that_works(broker: Broker, eventually: Eventually) -> None:
    link = await opened(broker.url)
    heard = Heard()
    await link.tap("a", heard.take)
    for _ in range(20):
        flushing = asyncio.ensure_future(link.flush())
        await asyncio.sleep(0)
        flushing.cancel()
        await asyncio.wait({flushing})
    await link.publish("a", b"still here", {})
    await eventually(lambda: heard.bodies == [b"still here"])
    await link.close()
