"""Agents of another make: the Synadia Agent Protocol's own Python packages as they come, for tests that meet them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from synadia_ai.agent_service import AgentService, PromptStream
from synadia_ai.agents import Agents, Envelope, ProtocolError, ResponseChunk, StatusChunk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nats.aio.client import Client
    from synadia_ai.agents import Agent as Outsider
    from synadia_ai.agents import Identity


@asynccontextmanager
async def outsiders(client: Client, identity: Identity | None = None) -> AsyncIterator[Agents]:
    """The outsiders' client, for as long as it is needed."""
    agents = Agents(nc=client, identity=identity)
    try:
        yield agents
    finally:
        await agents.close()


async def said_to(outsider: Outsider, text: str | Envelope, **more: Any) -> str:
    """What is answered to a prompt, once it was acknowledged."""
    chunks = [chunk async for chunk in outsider.prompt(text, **more)]
    assert isinstance(chunks[0], StatusChunk)
    assert chunks[0].status == "ack"
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, ResponseChunk))


@asynccontextmanager
async def oracle(client: Client, session: str) -> AsyncIterator[AgentService]:
    """An agent that outsiders host; `session` is what it is called."""
    service = AgentService(agent="oracle", owner="delphi", session_name=session, nc=client, description="Knows all")

    async def respond(envelope: Envelope, stream: PromptStream) -> None:
        if envelope.prompt == "ask":
            answer = await stream.ask("Who are you?", timeout=5)
            await stream.send(f"Hello {answer.prompt}")
        elif envelope.prompt == "refuse":
            raise ProtocolError("not understood")
        elif envelope.prompt == "who":
            await stream.send(f"{stream.sender and stream.sender.trust} {stream.sender and stream.sender.name}")
        elif envelope.attachments:
            await stream.send(ResponseChunk(text="Thank you", attachments=envelope.attachments))
        else:
            for word in envelope.prompt.split():
                await stream.send(f"{word}! ")

    service.on_prompt(respond)
    await service.start()
    yield service
    await service.stop()
