"""Questions and prompts a second, between two processes in Python: ours, bare nats-py, and `synadia-ai-agents`.

Each kind has an asker in this process and an answerer in another, on one broker and the event loop that Python brings;
the same text goes there and back, and both sides write it as MessagePack and read it again:

- `bare_echo`: nats-py's own request and reply, with no header at all;
- `alike_echo`: the same with the headers that ours has (content type, deadline, job, trace), which nobody looks at;
- `our_echo`: a question on a topic to a plain function, which honours the deadline, the cancellation and the trace;
- `our_async_echo`: the same to a coroutine function, which has a task and a timer of its own;
- `our_signed_echo`: the same as `our_echo`, signed, as questions are unless said otherwise.

A prompt is the stream of an acknowledgement, one piece and an end, ours against the packages of the protocol's makers,
which do not sign here. At 1, 64 and 512 in flight the kinds take turns for `ROUNDS` rounds; a rate is the median, a
ratio the median of the rounds' ratios. `_cpu_us` is what one question costs both processes together, in microseconds of
their processors' time, and a ratio by it: both are much the same on a busy machine. Prints JSON, and keeps it in
`target/bench/python-echo.json`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import nats
from synadia_ai.agent_service import AgentService, PromptStream
from synadia_ai.agents import Agents, Envelope

from hms_a2a import Agent, Prompt, testing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from hms_a2a import Message

TARGET = Path(__file__).parents[2] / "target/bench/python-echo.json"
SECONDS = float(os.environ.get("SECONDS", "1.5"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
IN_FLIGHT = tuple(int(number) for number in os.environ.get("IN_FLIGHT", "1 64 512").split())
TEXT = "What is wheat worth?"
#: As ours are.
HEADERS = {
    "Content-Type": "application/vnd.msgpack",
    "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
    "Hms-Deadline": "1790000000000",
    "Hms-Job": "c" * 32,
}


async def answer(url: str, folder: str) -> None:
    """Answer everything, until the process is killed."""
    client = await nats.connect(url)

    async def echo(msg: Msg) -> None:
        await msg.respond(msgspec.msgpack.encode(msgspec.msgpack.decode(msg.data)))

    async def alike(msg: Msg) -> None:
        body = msgspec.msgpack.encode(msgspec.msgpack.decode(msg.data))
        await client.publish(msg.reply, body, headers={"Content-Type": "application/vnd.msgpack"})

    async def spent(msg: Msg) -> None:
        await msg.respond(msgspec.msgpack.encode(time.process_time()))

    async def piece(envelope: Envelope, stream: PromptStream) -> None:
        await stream.send(envelope.prompt)

    await client.subscribe("bare.echo", cb=echo)
    await client.subscribe("alike.echo", cb=alike)
    await client.subscribe("spent", cb=spent)
    service = AgentService(agent="echo", owner="bench", session_name="theirs", nc=client, max_concurrent_prompts=512)
    service.on_prompt(piece)
    await service.start()
    agent = Agent("ours", servers=url, home=folder)

    @agent.on_topic("echo")
    def say(message: Message[Any]) -> Any:
        return message.body

    @agent.on_topic("async-echo")
    async def say_later(message: Message[Any]) -> Any:
        return message.body

    @agent.on_prompt
    def respond(prompt: Prompt) -> str:
        return prompt.text

    async with agent:
        print("ready", flush=True)
        await asyncio.Event().wait()


class Rate(NamedTuple):
    """What was measured of one kind in one round."""

    per_s: float
    cpu_us: float


async def rate(ask: Callable[[], Awaitable[None]], at_once: int, spent_s: Callable[[], Awaitable[float]]) -> Rate:
    """How many a second, so many at once, and what each costs."""
    end = time.perf_counter() + SECONDS
    asked = 0

    async def go_on() -> None:
        nonlocal asked
        while time.perf_counter() < end:
            await ask()
            asked += 1

    began, before_s = time.perf_counter(), await spent_s()
    await asyncio.gather(*(go_on() for _ in range(at_once)))
    return Rate(asked / (time.perf_counter() - began), (await spent_s() - before_s) / asked * 1e6)


async def measure(client: Client, agent: Agent) -> dict[str, float]:
    """Everything, one after the other."""
    agents = Agents(nc=client)
    theirs = next(one for one in await agents.discover() if one.session_name == "theirs")
    ours = next(one for one in await agent.peers() if one.session == "ours")

    async def spent_s() -> float:
        reply = await client.request("spent", timeout=30)
        answerers: float = msgspec.msgpack.decode(reply.data)
        return time.process_time() + answerers

    async def bare(subject: str, headers: dict[str, str] | None) -> None:
        reply = await client.request(subject, msgspec.msgpack.encode(TEXT), timeout=30, headers=headers)
        assert msgspec.msgpack.decode(reply.data) == TEXT

    async def bare_echo() -> None:
        await bare("bare.echo", None)

    async def alike_echo() -> None:
        await bare("alike.echo", HEADERS)

    async def our_echo() -> None:
        assert await agent.request("echo", TEXT, timeout_s=30, signed=False) == TEXT

    async def our_async_echo() -> None:
        assert await agent.request("async-echo", TEXT, timeout_s=30, signed=False) == TEXT

    async def our_signed_echo() -> None:
        assert await agent.request("echo", TEXT, timeout_s=30) == TEXT

    async def their_prompt() -> None:
        assert len([chunk async for chunk in theirs.prompt(TEXT)]) == 2

    async def our_prompt() -> None:
        assert await agent.prompt(ours, TEXT).text() == TEXT

    echoes = {
        "bare_echo": bare_echo,
        "alike_echo": alike_echo,
        "our_echo": our_echo,
        "our_async_echo": our_async_echo,
        "our_signed_echo": our_signed_echo,
    }
    prompts = {"their_prompt": their_prompt, "our_prompt": our_prompt}
    figures: dict[str, float] = {}
    for at_once in IN_FLIGHT:
        rates: dict[str, list[Rate]] = {name: [] for name in echoes | prompts}
        for _ in range(ROUNDS):
            for name, ask in (echoes | prompts).items():
                rates[name].append(await rate(ask, at_once, spent_s))
        for name, each in rates.items():
            figures[f"{name}_{at_once}"] = round(statistics.median(one.per_s for one in each))
            figures[f"{name}_cpu_us_{at_once}"] = round(statistics.median(one.cpu_us for one in each), 1)
        pairs = [(name, base) for name in echoes if name.startswith("our") for base in ("bare_echo", "alike_echo")]
        for name, base in [*pairs, ("our_prompt", "their_prompt")]:
            rounds = list(zip(rates[name], rates[base], strict=True))
            shown = (
                f"{name.removeprefix('our_')}_to_{'theirs' if base == 'their_prompt' else base.removesuffix('_echo')}"
            )
            figures[f"{shown}_{at_once}"] = round(statistics.median(ours.per_s / its.per_s for ours, its in rounds), 2)
            by_cpu = statistics.median(its.cpu_us / ours.cpu_us for ours, its in rounds)
            figures[f"{shown}_cpu_{at_once}"] = round(by_cpu, 2)
    await agents.close()
    return figures


@contextlib.asynccontextmanager
async def answering(url: str, folder: str) -> AsyncIterator[None]:
    """The other process."""
    command = [sys.executable, __file__, url, folder]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.kill()
        await process.communicate()


async def main() -> int:
    """Measure, print and keep."""
    with tempfile.TemporaryDirectory() as folder:
        async with testing.Bus(real=True) as bus, answering(bus.url, folder):
            agent = Agent("asker")
            await bus.add(agent)
            client = await nats.connect(bus.url)
            figures = await measure(client, agent)
            await client.close()
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(figures) + "\n")
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 2:
        asyncio.run(answer(sys.argv[1], sys.argv[2]))
    sys.exit(asyncio.run(main()))
