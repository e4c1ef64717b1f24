"""The packages of the Synadia Agent Protocol's makers: prompts, whose text is JSON where it is not an echo."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import msgspec
import nats
from synadia_ai.agent_service import AgentService, PromptStream
from synadia_ai.agents import Agents, Envelope

from bargain import TEXT, Confirm, Counterpart, Proposer, Terms, ask_as_told, named, ready, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from synadia_ai.agents import Agent


async def answer(url: str, folder: str) -> None:
    """Answer everything."""
    client = await nats.connect(url)
    counterpart = Counterpart()

    async def echo(envelope: Envelope, stream: PromptStream) -> None:
        await stream.send(envelope.prompt)

    async def propose(envelope: Envelope, stream: PromptStream) -> None:
        terms = msgspec.json.decode(envelope.prompt, type=Terms)
        await stream.send(msgspec.json.encode(counterpart.accept(terms)).decode())

    async def confirm(envelope: Envelope, stream: PromptStream) -> None:
        said = msgspec.json.decode(envelope.prompt, type=Confirm)
        await stream.send(msgspec.json.encode(counterpart.settle(said)).decode())

    respond: dict[str, Callable[[Envelope, PromptStream], Awaitable[None]]]
    respond = {"echo": echo, "propose": propose, "confirm": confirm}
    for name, on_prompt in respond.items():
        service = AgentService(agent="bench", owner="bench", session_name=name, nc=client, max_concurrent_prompts=512)
        service.on_prompt(on_prompt)
        await service.start()
    await ready()


async def ask(url: str, folder: str) -> None:
    """Ask."""
    agents = Agents(nc=await nats.connect(url))
    found = {one.session_name: one for one in await agents.discover()}
    proposer = Proposer()

    async def text(peer: Agent, prompt: str) -> str:
        return "".join([chunk.text async for chunk in peer.prompt(prompt) if hasattr(chunk, "text")])

    async def echo() -> None:
        assert await text(found["echo"], TEXT) == TEXT

    async def deal() -> None:
        terms = proposer.terms()
        accepted = await text(found["propose"], msgspec.json.encode(terms).decode())
        name = msgspec.json.decode(accepted)["terms"]
        assert name == named(terms)
        settled = await text(found["confirm"], msgspec.json.encode(asdict(Confirm(name))).decode())
        assert msgspec.json.decode(settled)["terms"] == name

    await ask_as_told({"echo": echo, "deal": deal})


if __name__ == "__main__":
    run(answer, ask)
