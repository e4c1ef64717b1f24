"""One connection to the broker, kept for as long as the process lives.

nats-py does most of it. What it leaves to us, and what this module adds:

- It reconnects 60 times and then gives up: here it tries without end. When it closes for good all the same (the broker
  said so: credentials that expired, an account that was reloaded), the connection is made anew and everything is
  subscribed again.
- A *first* connection is tried for a bounded time, so that a mistyped address is an error and not a silence; a refused
  login is final at once.
- Its errors become ours.
- A `flush` of nats-py is no barrier: its PING overtakes what was published or subscribed just before (one subscription
  in twelve was not there yet, measured with 2.16.0). Two of them, one after the other, are one.
- A `flush` that is cancelled leaves a trap behind: the late PONG then kills the task that reads from the socket. So
  nothing here cancels one, and pings are frequent enough to notice a reader that died.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import nats.errors

from hms_a2a._alarms import Alarms
from hms_a2a._client import Connection, Incoming, Taker
from hms_a2a._crew import ended
from hms_a2a._errors import BadSetting, BadWire, BusError, Disconnected, NoResponders, TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nats.aio.client import Client
    from nats.aio.subscription import Subscription as NatsSubscription

    from hms_a2a._settings import Settings

_log = logging.getLogger("hms_a2a")

_PING_EVERY_S = 15
_RETRY_AFTER_S = 0.5
_CONNECT_TIMEOUT_S = 5
#: After so long whoever waits for the first connection is told why.
_SILENT_S = 1.0
_FLUSH_TIMEOUT_S = 5


class Tap:
    """A subscription that outlives connections."""

    def __init__(self, link: Link, subject: str, take: Taker, group: str) -> None:
        self._link = link
        self._take = take
        self._group = group
        self._sub: NatsSubscription | None = None
        self.subject = subject

    async def _open(self, client: Connection) -> None:
        self._sub = await client.hear(self.subject, self._group, self._take)

    async def stop(self) -> None:
        """Ask for no more, and hand over what is here already."""
        self._link._taps.discard(self)
        sub, self._sub = self._sub, None
        if sub is None:
            return
        with contextlib.suppress(nats.errors.Error):
            if self._link.connected:
                await asyncio.wait({asyncio.ensure_future(_drained(sub))}, timeout=_FLUSH_TIMEOUT_S)
            else:
                await sub.unsubscribe()


class Link:
    """One connection to the broker."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._client: Connection | None = None
        self._taps: set[Tap] = set()
        self._closing = False
        self._rebuilding: asyncio.Task[None] | None = None
        self._last_error: Exception | None = None
        self._refused = asyncio.Event()
        #: What ends waiting, on this connection's event loop.
        self.alarms = Alarms()
        #: Called after every reconnection.
        self.on_reconnect: list[Callable[[], None]] = []

    @property
    def client(self) -> Connection:
        """The connection itself, for what this package does not do. Another one after a rebuild: don't keep it.

        Raises `Disconnected` before it is opened.
        """
        if self._client is None:
            raise Disconnected("not connected: use `async with agent`, `agent.start()` or `agent.run()`")
        return self._client

    @property
    def counts(self) -> tuple[int, int]:
        """Messages that came in and went out over this connection so far."""
        stats = self._client.stats if self._client is not None else {}
        return stats.get("in_msgs", 0), stats.get("out_msgs", 0)

    @property
    def connected(self) -> bool:
        """Whether there is a broker at the other end now."""
        return self._client is not None and self._client.is_connected

    async def open(self, within_s: float) -> None:
        """Connect for the first time.

        Raises `Disconnected` when no broker answers `within_s`, or it refuses the login.
        """
        where = self._settings.shown()
        client = Connection()
        connecting = asyncio.ensure_future(self._connect(client))
        refused = asyncio.ensure_future(self._refused.wait())
        either = {connecting, refused}
        silent_s = min(_SILENT_S, within_s)
        done, _ = await asyncio.wait(either, timeout=silent_s, return_when=asyncio.FIRST_COMPLETED)
        if not done and within_s > silent_s:
            if self._last_error is not None:
                _log.warning("no broker at %s yet (%s); trying for %g s", where, self._last_error, within_s)
            await asyncio.wait(either, timeout=within_s - silent_s, return_when=asyncio.FIRST_COMPLETED)
        refused.cancel()
        if not connecting.done():
            await ended(connecting)
            await client.close()
            if self._refused.is_set():
                raise Disconnected(f"the broker at {where} refused the login: {self._last_error}")
            raise Disconnected(
                f"no broker at {where} ({self._last_error or 'no answer'}); `hms up` starts one with all the cores"
            )
        connecting.result()
        self._client = client
        _log.debug("connected to %s", where)

    async def close(self) -> None:
        """Send what is waiting, and disconnect."""
        self._closing = True
        if self._rebuilding is not None:
            await ended(self._rebuilding)
        if self._client is not None and not self._client.is_closed:
            if self._client.is_connected:
                with contextlib.suppress(BusError):
                    await self.flush()
            await self._client.close()

    async def publish(self, subject: str, body: bytes, headers: dict[str, str], reply: str = "") -> None:
        """Hand a message to the connection. It is sent, not received: nobody may be listening.

        While the broker is away up to 2 MB wait for it; beyond that this raises `Disconnected`.
        """
        client = self.client
        if not client.post(subject, body, headers, reply):
            with _our_errors(subject):
                await client.publish(subject, body, reply=reply, headers=headers)

    async def request(self, subject: str, body: bytes, headers: dict[str, str], timeout_s: float) -> Incoming:
        """Ask, and wait for the first answer.

        Raises `TimedOut`, `NoResponders` or `Disconnected`.
        """
        client = self.client
        inbox, coming = client.expect()
        give_up = partial(_give_up, coming)
        alarm = self.alarms.set(timeout_s, give_up)
        try:
            if not client.post(subject, body, headers, inbox):
                await self.publish(subject, body, headers, inbox)
            answer = await coming
        finally:
            self.alarms.drop(alarm, give_up)
            client.forget(inbox)
        if answer is None:
            raise TimedOut(f"no answer from {subject} in time")
        if answer.is_no_responders:
            raise NoResponders(f"nobody answers {subject}")
        return answer

    def inbox(self) -> str:
        """A subject for answers that nobody else has."""
        return str(self.client.new_inbox())

    @property
    def max_body_bytes(self) -> int:
        """The largest body that the broker takes."""
        return int(self.client.max_payload)

    async def tap(self, subject: str, take: Taker, group: str = "") -> Tap:
        """Subscribe, from now on and through reconnections; of a `group`, one gets each message."""
        tap = Tap(self, subject, take, group)
        with _our_errors(subject):
            await tap._open(self.client)
        self._taps.add(tap)
        return tap

    async def flush(self) -> None:
        """Wait until the broker has everything that was published and subscribed so far.

        Raises `TimedOut` when it does not say so.
        """
        with _our_errors("a flush"):
            await asyncio.shield(asyncio.ensure_future(self._flush(self.client)))

    @staticmethod
    async def _flush(client: Client) -> None:
        # The first PING goes ahead of what nats-py has still to write; when its PONG is here, all that is written.
        await client.flush(timeout=_FLUSH_TIMEOUT_S)
        await client.flush(timeout=_FLUSH_TIMEOUT_S)

    async def _connect(self, client: Connection) -> None:
        try:
            options: dict[str, Any] = {**self._settings.login()}
            if self._settings.inbox_prefix:
                options["inbox_prefix"] = self._settings.inbox_prefix
            await client.connect(
                servers=list(self._settings.servers),
                name=self._name,
                connect_timeout=_CONNECT_TIMEOUT_S,
                max_reconnect_attempts=-1,
                reconnect_time_wait=_RETRY_AFTER_S,  # type: ignore[arg-type] # said to be int, used as seconds
                ping_interval=_PING_EVERY_S,
                error_cb=self._on_error,
                disconnected_cb=self._on_disconnect,
                reconnected_cb=self._on_reconnect,
                closed_cb=self._on_closed,
                tls=self._settings.tls(),
                tls_handshake_first=self._settings.tls_first,
                **options,
            )
            await client.hear_answers()
        except (nats.errors.Error, OSError, ValueError) as error:
            raise BadSetting(f"cannot connect to {self._settings.shown()}: {error}") from error

    async def _on_error(self, error: Exception) -> None:
        self._last_error = error
        if isinstance(error, nats.errors.SlowConsumerError):
            _log.warning("too slow for %s: a message was lost", error.subject)
            return
        if "authorization violation" in str(error).lower():
            self._refused.set()
        if "permissions violation" in str(error).lower():
            _log.warning("the broker refuses: %s", error)
        else:
            _log.debug("connection: %s", str(error) or type(error).__name__)

    async def _on_disconnect(self) -> None:
        if not self._closing and self._client is not None:
            _log.warning("disconnected from the broker; trying again without end")

    async def _on_reconnect(self) -> None:
        _log.info("connected to the broker again")
        for call in self.on_reconnect:
            call()

    async def _on_closed(self) -> None:
        if not self._closing and self._client is not None:
            self._rebuilding = asyncio.ensure_future(self._rebuild())

    async def _rebuild(self) -> None:
        """Make the connection anew where nats-py has given it up."""
        while True:
            client = Connection()
            try:
                await self._connect(client)
                for tap in list(self._taps):
                    await tap._open(client)
            except (BadSetting, nats.errors.Error) as error:
                _log.warning("still no connection: %s", error)
                await client.close()
                await asyncio.sleep(_RETRY_AFTER_S)
                continue
            except asyncio.CancelledError:
                await client.close()
                raise
            self._client = client
            await self._on_reconnect()
            return


def _give_up(coming: asyncio.Future[Incoming | None]) -> None:
    if not coming.done():
        coming.set_result(None)


async def _drained(sub: NatsSubscription) -> None:
    with contextlib.suppress(nats.errors.Error):
        await sub.drain()  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _our_errors(subject: str) -> Iterator[None]:
    try:
        yield
    except nats.errors.NoRespondersError as error:
        raise NoResponders(f"nobody answers {subject}") from error
    except nats.errors.MaxPayloadError as error:
        raise BadWire("", "the body is larger than the broker takes") from error
    except nats.errors.BadSubjectError as error:
        raise ValueError(f"not a subject: {subject!r}") from error
    except nats.errors.TimeoutError as error:
        raise TimedOut(f"no answer from {subject} in time") from error
    except nats.errors.Error as error:
        raise Disconnected(f"no broker to be reached for {subject}: {error}") from error
