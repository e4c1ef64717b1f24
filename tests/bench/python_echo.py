"""Questions and prompts a second, between two processes in Python: ours, bare nats-py, and `synadia-ai-agents`.

An echo: a question on a topic, signed by the asker and checked by the answerer, against nats-py's own request and
reply, which knows of neither. A prompt: the stream of an acknowledgement, one piece and an end, ours against the
packages of the protocol's makers, which do not sign here. Each at one and at 64 in flight, on one broker, one after the
other. Prints JSON, and keeps it in `target/bench/python-echo.json`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
SECONDS = 2.0
TEXT = "What is wheat worth?"


async def answer(url: str, folder: str) -> None:
    """Answer everything, until the process is killed."""
    client = await nats.connect(url)

    async def echo(msg: Msg) -> None:
        await msg.respond(msg.data)

    async def piece(envelope: Envelope, stream: PromptStream) -> None:
        await stream.send(envelope.prompt)

    await client.subscribe("bare.echo", cb=echo)
    service = AgentService(agent="echo", owner="bench", session_name="theirs", nc=client, max_concurrent_prompts=64)
    service.on_prompt(piece)
    await service.start()
    agent = Agent("ours", servers=url, home=folder)

    @agent.on_topic("echo")
    def say(message: Message[Any]) -> Any:
        return message.body

    @agent.on_prompt
    def respond(prompt: Prompt) -> str:
        return prompt.text

    async with agent:
        print("ready", flush=True)
        await asyncio.Event().wait()


async def rate(ask: Callable[[], Awaitable[None]], at_once: int) -> float:
    """How many a second, so many at once."""
    end = time.perf_counter() + SECONDS
    asked = 0

    async def go_on() -> None:
        nonlocal asked
        while time.perf_counter() < end:
            await ask()
            asked += 1

    began = time.perf_counter()
    await asyncio.gather(*(go_on() for _ in range(at_once)))
    return asked / (time.perf_counter() - began)


async def measure(client: Client, agent: Agent) -> dict[str, float]:
    """Everything, one after the other."""
    agents = Agents(nc=client)
    theirs = next(one for one in await agents.discover() if one.session_name == "theirs")
    ours = next(one for one in await agent.peers() if one.session == "ours")

    async def bare_echo() -> None:
        assert (await client.request("bare.echo", TEXT.encode(), timeout=30)).data == TEXT.encode()

    async def our_echo() -> None:
        assert await agent.request("echo", TEXT, timeout_s=30) == TEXT

    async def their_prompt() -> None:
        assert len([chunk async for chunk in theirs.prompt(TEXT)]) == 2

    async def our_prompt() -> None:
        assert await agent.prompt(ours, TEXT).text() == TEXT

    kinds = {"bare_echo": bare_echo, "our_echo": our_echo, "their_prompt": their_prompt, "our_prompt": our_prompt}
    figures: dict[str, float] = {}
    for at_once in (1, 64):
        for name, ask in kinds.items():
            figures[f"{name}_{at_once}"] = round(await rate(ask, at_once))
        figures[f"echo_to_bare_{at_once}"] = round(figures[f"our_echo_{at_once}"] / figures[f"bare_echo_{at_once}"], 2)
        ratio = figures[f"our_prompt_{at_once}"] / figures[f"their_prompt_{at_once}"]
        figures[f"prompt_to_theirs_{at_once}"] = round(ratio, 2)
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
