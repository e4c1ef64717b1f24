"""The prover on the bus: service ``gtp``, any number of processes in one queue group.

``prove`` and ``refute`` take all claims of a deal in one request and answer within its budget or its `Hms-Deadline`,
whichever is earlier; ``status`` says what is going on. A request with the header `Hms-Job` tells its progress and can
be cancelled, as every core's long work. Nobody has to believe the answers: whoever asks has the evidence checked.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any

import msgspec
import nats.errors
import nats.micro
from nats.js.errors import Error as JetStreamError

from hms_a2a import _headers as header
from hms_a2a import _subjects as subjects
from hms_a2a import _tracing as tracing
from hms_a2a import _wire as wire
from hms_a2a._bus import headers_of
from hms_a2a._codec import decode, encode
from hms_a2a._errors import BadWire
from hms_a2a._limits import MAX_TEXT_BYTES
from hms_a2a.gtp._answers import Answers, Ask
from hms_a2a.gtp._errors import BadClaim
from hms_a2a.gtp._islands import Islands

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.client import Client
    from nats.js.kv import KeyValue
    from nats.micro.request import Request
    from nats.micro.service import Service

    from hms_a2a._client import Incoming
    from hms_a2a._link import Link
    from hms_a2a.gtp._prove import Outcome
    from hms_a2a.gtp._worker import Running
    from hms_a2a.gtp._workers import Workers

_log = logging.getLogger("hms_a2a.gtp")

BUCKET = "HMS_PROOFS"
VERSION = "0.1.0"
#: Requests that are worked on at once; the next is told to come back.
ADMISSION = 256
_RETRY_AFTER_MS = 200
#: Of a budget, what is left for the answer's way back.
_MARGIN_S = 0.05
_CACHE_TIMEOUT_S = 0.25


class Prover:
    """The service, on one connection."""

    def __init__(self, link: Link, workers: Workers, clock: Callable[[], int]) -> None:
        self._link = link
        self._clock = clock
        self.islands = Islands(link, workers, secrets.token_hex(6))
        self._answers = Answers(workers, Bucket(link), self.islands)
        self._service: Service | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._serving: Client | None = None

    async def start(self) -> None:
        """Serve. Raises `HmsError`."""
        await self._serve()
        await self.islands.start()
        self._link.on_reconnect.append(self._again)
        await self._link.flush()

    async def _serve(self) -> None:
        client = self._link.client
        if client is self._serving:
            return
        self._serving = client
        about = "Searches for proofs and counterexamples of claims"
        self._service = await nats.micro.add_service(
            client, name="gtp", version=VERSION, description=about, metadata={}, queue_group="gtp"
        )
        for verb in ("prove", "refute", "status"):
            await self._service.add_endpoint(
                name=verb,
                subject=subjects.endpoint("gtp", verb),
                queue_group="gtp",
                metadata={},
                handler=self._take,
            )

    def _again(self) -> None:
        """Serve on the connection that was made anew, if it was."""
        self._spawn(self._serve())

    async def stop(self, within_s: float) -> None:
        """Take nothing more, and finish what is under way."""
        if self._again in self._link.on_reconnect:
            self._link.on_reconnect.remove(self._again)
        if self._service is not None and self._link.connected:
            await self._service.stop()
        await self.islands.stop()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within_s)
        for task in self._under_way:
            task.cancel()

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _take(self, request: Request) -> None:
        """Callbacks of a subscription come one after the other: work is a task of its own."""
        self._spawn(self._answer(request))

    async def _answer(self, request: Request) -> None:
        reply_to = request._msg.reply
        if not subjects.may_reply_to(reply_to):
            _log.warning("an answer was not given: %r is no reply inbox", reply_to[:256])
            return
        verb = request.subject.rpartition(".")[2]
        try:
            if len(self._under_way) > ADMISSION:
                raise _Refusal(429, "too many searches are under way", retry_after_ms=_RETRY_AFTER_MS)
            with tracing.at_work(f"gtp {verb}", (request.headers or {}).get(header.TRACEPARENT), answers=True):
                reply = await self._reply(request, verb)
            await request.respond(encode(reply), headers_of(reply.TYPE))
        except _Refusal as refusal:
            await self._refuse(request, refusal.reply)
        except BadClaim as error:
            await self._refuse(request, _error(400, error.reason, error.field))
        except BadWire as error:
            await self._refuse(request, _error(400, error.reason, error.field))
        except (nats.errors.Error, ValueError) as error:
            _log.warning("an answer could not be sent: %s", error)

    async def _refuse(self, request: Request, error: wire.ErrorReply) -> None:
        headers = headers_of(error.TYPE) | {header.ERROR_CODE: str(error.code), header.ERROR: error.message}
        try:
            await request.respond_error(str(error.code), error.message, encode(error), headers)
        except (nats.errors.Error, ValueError) as failure:
            _log.warning("a refusal could not be sent: %s", failure)

    async def _reply(self, request: Request, verb: str) -> wire.Message:
        if verb == "status":
            decode(request.data, wire.ProverStatus)
            return self._status()
        asked: wire.Prove | wire.Refute
        asked = decode(request.data, wire.Refute) if verb == "refute" else decode(request.data, wire.Prove)
        headers = request.headers or {}
        seconds = asked.budget_ms / 1000
        deadline = headers.get(header.DEADLINE)
        if deadline is not None:
            if not deadline.lstrip("-").isdigit():
                raise _Refusal(400, "a deadline is a number of milliseconds", field=header.DEADLINE)
            left = (int(deadline) - self._clock()) / 1000
            if left <= 0:
                raise _Refusal(410, "past its deadline")
            seconds = min(seconds, left)
        job = headers.get(header.JOB)
        if job is not None:
            try:
                subjects.job_id(job)
            except ValueError as error:
                raise _Refusal(400, str(error), field=header.JOB) from error
        work = _Work(self._link, job)
        async with work:
            ask = Ask(
                max(0.001, seconds - min(_MARGIN_S, seconds / 10)),
                asked.seed,
                verb == "refute",
                work.stop,
                tell=work.tell if work.job else None,
            )
            results = await self._answers.all([bytes(claim) for claim in asked.claims], ask)
        return wire.ProveReply(results=[_result(claim_hash, outcome) for claim_hash, outcome in results])

    def _status(self) -> wire.ProverStanding:
        counts = self._answers.counts
        return wire.ProverStanding(
            running=self._answers.running,
            decided=counts.decided,
            unknown=counts.unknown,
            from_cache=counts.from_cache,
            lemmas=len(self._answers.archive),
        )


class _Refusal(Exception):  # it becomes an error reply
    def __init__(self, code: int, message: str, field: str | None = None, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.reply = wire.ErrorReply(
            code=code, message=message, retryable=code == 429, field=field, retry_after_ms=retry_after_ms
        )


def _error(code: int, reason: str, field: str) -> wire.ErrorReply:
    return wire.ErrorReply(code=code, message=reason, retryable=False, field=field or None)


def _result(claim_hash: bytes, outcome: Outcome) -> wire.SearchResult:
    return wire.SearchResult(
        claim_hash=claim_hash,
        verdict=wire.SearchVerdict(outcome.verdict),
        evidence=outcome.evidence,
        took_ms=min(2**32 - 1, round(outcome.took_ms)),
        reason=outcome.reason,
    )


class _Work:
    """A request as long work: its cancellation, and its progress."""

    def __init__(self, link: Link, job: str | None) -> None:
        self._link = link
        self.job = job
        self.stop = asyncio.Event()
        self._tap: Any = None
        self._telling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> _Work:
        if self.job:
            self._tap = await self._link.tap(subjects.job_cancel(self.job), self._cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tap is not None:
            await self._tap.stop()

    async def _cancel(self, _: Incoming) -> None:
        self.stop.set()

    def tell(self, claim_hash: bytes, running: Running) -> None:
        """Publish how a search fares, unless the last telling is still on its way."""
        if self.job and (self._telling is None or self._telling.done()):
            self._telling = asyncio.ensure_future(self._tell(self.job, claim_hash, running))

    async def _tell(self, job: str, claim_hash: bytes, running: Running) -> None:
        progress = wire.SearchProgress(
            claim_hash=claim_hash,
            leaf_programmes=running.leaf_programmes,
            generations=running.generations,
            took_ms=round(running.took_ms),
            nearest=running.best_at.encode()[:MAX_TEXT_BYTES].decode(errors="ignore"),
        )
        await self._link.publish(subjects.job_progress(job), encode(progress), headers_of(progress.TYPE))


class Bucket:
    """The cache: the bucket `HMS_PROOFS`, where there is one. Whatever fails there is as good as nothing kept."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._store: KeyValue | None = None
        self._absent_until = 0.0

    async def _open(self) -> KeyValue | None:
        if self._store is None and time.monotonic() >= self._absent_until:
            try:
                self._store = await self._link.client.jetstream(timeout=_CACHE_TIMEOUT_S).key_value(BUCKET)
            except (nats.errors.Error, JetStreamError, TimeoutError):
                self._absent_until = time.monotonic() + 10.0
        return self._store

    async def get(self, claim_hash: bytes) -> bytes | None:
        """What is kept for a claim."""
        store = await self._open()
        if store is None:
            return None
        try:
            entry = await asyncio.wait_for(store.get(claim_hash.hex()), _CACHE_TIMEOUT_S)
            kept = json.loads(entry.value or b"")
            return bytes.fromhex(kept["evidence"])
        except (nats.errors.Error, JetStreamError, TimeoutError, ValueError, KeyError, TypeError):
            return None

    async def put(self, claim_hash: bytes, verdict: str, evidence: bytes) -> None:
        """Keep evidence."""
        store = await self._open()
        if store is None:
            return
        kept = msgspec.json.encode({"verdict": verdict, "evidence": evidence.hex()})
        try:
            await asyncio.wait_for(store.put(claim_hash.hex(), kept), _CACHE_TIMEOUT_S)
        except (nats.errors.Error, JetStreamError, TimeoutError) as error:
            _log.debug("evidence was not kept: %s", error)
