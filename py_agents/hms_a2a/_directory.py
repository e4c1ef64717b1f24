"""How the services of this process are found: `$SRV.PING`, `INFO` and `STATS`, as NATS micro services answer (ADR-32).

One set of subscriptions answers for all of them: a host may carry thousands of agents that can be prompted, and nine
subscriptions for each would be most of what it holds.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from hms_a2a import _subjects as subjects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hms_a2a._client import Incoming
    from hms_a2a._link import Link, Tap

_VERBS = ("PING", "INFO", "STATS")


class Endpoint:
    """One endpoint, and how it fares."""

    def __init__(self, name: str, subject: str, group: str, metadata: dict[str, str] | None = None) -> None:
        """`metadata` is what it says of itself, in words."""
        self.name = name
        self.subject = subject
        self.group = group
        self.metadata = metadata or {}
        self.requests = 0
        self.errors = 0
        self.last_error = ""
        self.took_ns = 0

    def info(self) -> dict[str, Any]:
        """What it is."""
        return {"name": self.name, "subject": self.subject, "queue_group": self.group, "metadata": self.metadata}

    def stats(self) -> dict[str, Any]:
        """How it fares."""
        return {
            "name": self.name,
            "subject": self.subject,
            "queue_group": self.group,
            "num_requests": self.requests,
            "num_errors": self.errors,
            "last_error": self.last_error,
            "processing_time": self.took_ns,
            "average_processing_time": self.took_ns // max(1, self.requests),
        }


class Service:
    """A service of this process."""

    def __init__(
        self, name: str, version: str, about: str, metadata: dict[str, str], endpoints: Sequence[Endpoint]
    ) -> None:
        self.id = secrets.token_hex(11)
        self.name = name
        self._version = version
        self._about = about
        self._metadata = metadata
        self._endpoints = endpoints
        self._started = datetime.now(UTC).isoformat().replace("+00:00", "Z")

    def answer(self, verb: str) -> bytes:
        """What it says when it is asked this."""
        said: dict[str, Any] = {
            "type": f"io.nats.micro.v1.{verb.lower()}_response",
            "name": self.name,
            "id": self.id,
            "version": self._version,
            "metadata": self._metadata,
        }
        if verb == "INFO":
            said |= {"description": self._about, "endpoints": [one.info() for one in self._endpoints]}
        if verb == "STATS":
            said |= {"started": self._started, "endpoints": [one.stats() for one in self._endpoints]}
        return msgspec.json.encode(said)


class Directory:
    """All of them on one connection."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._services: dict[str, Service] = {}
        self._names: dict[str, asyncio.Task[list[Tap]]] = {}

    async def add(self, service: Service) -> None:
        """Have it found from now on."""
        self._services[service.id] = service
        for name in ("", service.name):
            if name not in self._names:
                self._names[name] = asyncio.ensure_future(self._listen(name))
            await asyncio.shield(self._names[name])

    def remove(self, service: Service) -> None:
        """Have it found no more."""
        self._services.pop(service.id, None)

    async def _listen(self, name: str) -> list[Tap]:
        patterns = [subjects.discovery(verb, name) for verb in _VERBS]
        if name:
            patterns += [f"{pattern}.*" for pattern in patterns]
        return [await self._link.tap(pattern, self._hear) for pattern in patterns]

    async def _hear(self, incoming: Incoming) -> None:
        if incoming.reply is None or not subjects.may_reply_to(incoming.reply):
            return
        _, verb, *which = incoming.subject.split(".")
        asked = [one for one in self._services.values() if which in ([], [one.name], [one.name, one.id])]
        for service in asked:
            await self._link.publish(incoming.reply, service.answer(verb), {})
