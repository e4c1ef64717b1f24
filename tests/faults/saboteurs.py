"""Cores with a protection taken out, to see that the checker notices: each does what the real one must not.

They run beside the real cores on a real bus, in the same queue groups and with the same keys, so what they write looks
genuine. `LooseDesk` answers acceptances; `LooseLedger` commits.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import nats.js.errors

from hms_a2a import _headers as header
from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._codec import decode, decode_any, encode
from hms_a2a._keys import Key
from hms_a2a._signing import Signer, random_nonce

from .history import now_unix_ms
from .keyring import read

if TYPE_CHECKING:
    from pathlib import Path

    from nats.aio.client import Client
    from nats.aio.msg import Msg

_ALL_ACCEPTS = subjects.deal_move("accept", "x", "a" * 26).replace(f"x.{'a' * 26}", "*.*")


#: What JetStream says where a compare-and-set fails.
_WRONG_LAST_SEQUENCE = 10071


class Saboteur:
    """Writes in a core's name."""

    def __init__(self, client: Client, core: str, keys: Path, account: str) -> None:
        self.client = client
        self._core = core
        self._signer = Signer(Key((keys / f"{core}.nk").read_text()), account, core)

    async def entries(self, deal: str) -> list[tuple[int, bytes]]:
        """A deal's log: sequences and bodies, as they stand now."""
        js = self.client.jetstream()
        found: list[tuple[int, bytes]] = []
        after = 0
        while True:
            try:
                stored = await js.get_msg(
                    subjects.STREAM_DEALS, seq=after + 1, subject=subjects.deal_log(deal), next=True, direct=False
                )
            except nats.js.errors.NotFoundError:
                return found
            after = stored.seq or 0
            found.append((after, stored.data or b""))

    async def write(
        self, deal: str, what: wire.Happening, place: tuple[int, bytes], cause: wire.Signed | None, expect: int | None
    ) -> bytes:
        """Write an entry of a deal's log, under compare-and-set where `expect` says so; its body."""
        turn, prev = place
        subject = subjects.deal_log(deal)
        body = encode(wire.DealEvent(deal=deal, turn=turn, prev=prev, at_unix_ms=now_unix_ms(), what=what, cause=cause))
        headers = {
            header.CONTENT_TYPE: header.MSGPACK,
            header.TYPE: wire.DealEvent.TYPE,
            header.SCHEMA: header.SCHEMA_VERSION,
            header.SENDER: self._signer.sign(subject, body, now_unix_ms(), random_nonce()),
        }
        if expect is not None:
            headers[header.EXPECTED_LAST_SUBJECT_SEQUENCE] = str(expect)
        await self.client.jetstream().publish(subject, body, headers=headers)
        return body


class LooseDesk(Saboteur):
    """Takes its share of acceptances, but not the last one of a deal, which it leaves to the real desk."""

    def __init__(
        self,
        client: Client,
        keys: Path,
        account: str,
        *,
        writes: bool = True,
        compares: bool = True,
        looks: bool = True,
    ) -> None:
        """Whether it writes at all before it answers, compares and sets, looks for the `move_id`."""
        super().__init__(client, "deal", keys, account)
        self._writes, self._compares, self._looks = writes, compares, looks
        self.answered = 0

    async def start(self) -> None:
        """Join the real desks."""
        await self.client.subscribe(_ALL_ACCEPTS, queue="deal", cb=self._take)

    async def _take(self, msg: Msg) -> None:
        self._task = asyncio.ensure_future(self._answer(msg))

    async def _answer(self, msg: Msg) -> None:
        for _ in range(3):
            turn = await self._decide(msg)
            if turn is not None:
                break
        else:
            return  # nobody answers: the agent asks again, and may get a real desk
        _, _, deal = subjects.parse_deal_move(msg.subject)
        accept = decode(msg.data, wire.Accept)
        moved = wire.Moved(
            deal=deal, move_id=accept.move_id, state=wire.State.NEGOTIATING, turn=turn, terms_hash=accept.terms_hash
        )
        self.answered += 1
        await msg.respond(encode(moved))

    async def _decide(self, msg: Msg) -> int | None:
        """The number of the entry that records the move; None where it is to be decided again, or by a real desk."""
        _, by, deal = subjects.parse_deal_move(msg.subject)
        log = await self.entries(deal)
        events = [read(body, wire.DealEvent) for _, body in log]
        if not events or events[-1].what.TYPE not in ("opened", "proposed", "accepted"):
            return None
        opened = decode_any(events[0].cause.body) if events[0].cause else None
        assert isinstance(opened, wire.Open)
        recorded = [event for event in events if event.cause is not None and event.cause.body == msg.data]
        if recorded and self._looks:
            return recorded[0].turn
        others = sum(1 for event in events if event.what.TYPE == "accepted" and event not in recorded)
        if others + 1 >= len(opened.parties):
            return None
        if self._writes:
            sender = (msg.headers or {}).get(header.SENDER, "")
            cause = wire.Signed(subject=msg.subject, sender=sender, body=msg.data)
            name = decode(msg.data, wire.Accept).terms_hash
            what = wire.DealAccepted(by=by, terms_hash=name, last=False)
            place = (len(log), hashlib.sha256(log[-1][1]).digest())
            try:
                await self.write(deal, what, place, cause, log[-1][0] if self._compares else None)
            except nats.js.errors.APIError as error:
                if error.err_code != _WRONG_LAST_SEQUENCE:
                    raise
                return None
        return len(log)


class LooseLedger(Saboteur):
    """Commits what is certified, as soon as it hears of it, without a fence and without looking whether another did."""

    def __init__(self, client: Client, keys: Path, account: str) -> None:
        super().__init__(client, "ledger", keys, account)
        self.committed = 0

    async def start(self) -> None:
        """Hear of every deal."""
        await self.client.subscribe(subjects.ALL_LIVE_DEAL_LOGS, cb=self._hear)

    async def _hear(self, msg: Msg) -> None:
        event = read(msg.data, wire.DealEvent)
        if isinstance(event.what, wire.DealCertified):
            self._task = asyncio.ensure_future(self._commit(event, msg.data))

    async def _commit(self, event: wire.DealEvent, body: bytes) -> None:
        assert isinstance(event.what, wire.DealCertified)
        certified = event.what
        what = wire.DealCommitted(book=certified.book, terms=certified.terms, acceptances=list(certified.acceptances))
        await self.write(event.deal, what, (event.turn + 1, hashlib.sha256(body).digest()), None, None)
        self.committed += 1
