"""Being there: an agent registers its key, and renews its lease for as long as it runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._crew import ended
from hms_a2a._errors import HmsError

if TYPE_CHECKING:
    from hms_a2a._bus import Caller

_log = logging.getLogger("hms_a2a")


class Presence:
    """An agent's lease at the registry."""

    def __init__(self, caller: Caller, card: wire.Register) -> None:
        """`card` is what the registry is told, again each time."""
        self._caller = caller
        self._card = card
        self._renewing: asyncio.Task[None] | None = None
        self._now = asyncio.Event()

    async def register(self) -> wire.Registered:
        """Register, and renew from now on at a third of the lease.

        Raises `Forbidden` when the id is held by another key, or is a core's.
        """
        registered = await self._register()
        self._renewing = asyncio.ensure_future(self._renew())
        return registered

    def renew_now(self) -> None:
        """The connection was away, and the lease with it perhaps."""
        self._now.set()

    async def stop(self) -> None:
        """Renew no more."""
        if self._renewing is not None:
            await ended(self._renewing)

    async def leave(self) -> None:
        """Tell the registry that the agent is gone, if it was told that it is there."""
        if self._renewing is None:
            return
        subject = subjects.endpoint("registry", "leave")
        await self._caller.insist(subject, wire.Leave(agent=self._card.agent), wire.Done, patience_s=3.0)

    async def _register(self) -> wire.Registered:
        subject = subjects.endpoint("registry", "register")
        return await self._caller.insist(subject, self._card, wire.Registered)

    async def _renew(self) -> None:
        every_s = self._card.lease_ms / 3000
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every_s):
                    await self._now.wait()
            self._now.clear()
            try:
                await self._register()
            except HmsError as error:
                _log.warning("%s: the lease is not renewed: %s", self._card.agent, error)
