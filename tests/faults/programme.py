"""A run: a house, a workload, faults at seeded moments, and the checker's word on what is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import nats.errors
from nats.js.errors import ServiceUnavailableError

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._codec import decode, encode
from hms_a2a._keys import new_seed

from .agents import Config
from .checker import DOUBLED, LOST, Checker
from .disk import is_available
from .faults import FAULTS, KILLS, OF_CLUSTERS, POWER_CUTS
from .history import Call, Outcome, now_unix_ms, read_history
from .house import HMS, House
from .logs import Stored, connected, read_log, read_stream, write_evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from nats.aio.client import Client
    from nats.js import JetStreamContext

BOOKS = ("north", "south")
_GOODS = ["tea", "rice", "salt", "iron"]
#: So many kills of each kind for one fault of each other kind.
_KILLS_FOR_ANOTHER = 20
#: Longest time that everything may take to come to rest once the faults are over.
_REST_S = 60.0
#: How long the log must not have grown then.
_QUIET_S = 2.0
#: How often it is looked, a second apart, whether the inboxes have everything: brokers copy to them behind the log.
_INBOX_TRIES = 60
#: How long the ledger may take until it answers.
_LEDGER_S = 20.0
#: Where timers stand until they fire, and who takes them then.
_ARMED = subjects.timer("a" * 26).replace("a" * 26, "*")
_TIMER_CONSUMER = "desk"
_DEAL_LOGS = subjects.deal_log("a" * 26).replace("a" * 26, "*")


class Plan(msgspec.Struct, kw_only=True):
    """What to run."""

    #: How long to break things, where it is not said what in which order.
    seconds: float = 0.0
    seed: int
    sync_always: bool = True
    #: Brokers, and copies of each stream: one or three.
    replicas: int = 1
    #: Kinds of faults, by name; all when left out.
    kinds: Sequence[str] = ()
    #: Each kind once, in the order of `kinds`, whatever time that takes.
    in_turn: bool = False
    #: Kill a process of each kind so often, whatever time that takes, with other faults between.
    kills: int = 0
    #: Between one fault's end and the next one's beginning, in seconds.
    between_s: tuple[float, float] = (0.3, 2.0)
    agents: int = 5
    slots: int = 3
    #: The share of moves that agents ask for twice at the same time.
    twice: float = 0.1


class Report(msgspec.Struct, kw_only=True):
    """What came of it."""

    seed: int
    seconds: float
    sync_always: bool
    replicas: int
    faults: dict[str, int]
    #: How often a process of each kind was killed with -9, whatever the fault.
    kills: dict[str, int]
    moves: int
    acknowledged: int
    refused: int
    unknown: int
    asked_again: int
    lost: int
    doubled: int
    wrong: dict[str, int]
    details: list[str]
    entries: int
    deals: int
    ends: dict[str, int]
    restarts: dict[str, int]
    panics: list[str]

    @property
    def is_good(self) -> bool:
        """Whether every promise was kept."""
        return not self.wrong and not self.panics


class Programme:
    """Runs a plan in a folder, which keeps the logs and histories."""

    def __init__(self, plan: Plan, folder: Path, say: Callable[[str], None] = print) -> None:
        self.plan = plan
        self.folder = folder
        self.say = say
        self.rng = random.Random(plan.seed)  # seeded, so that a run can be had again
        self.house = House(folder, sync_always=plan.sync_always, forgets=needs_disk(plan), brokers=plan.replicas)
        self.done: Counter[str] = Counter()

    def run(self) -> Report:
        """Start, break, rest, check, stop."""
        began = time.monotonic()
        try:
            self.house.start()
            self.start_agents()
            self.break_things(began + self.plan.seconds)
            self.rest()
            return self.report(time.monotonic() - began)
        finally:
            self.house.stop()

    def start_agents(self) -> None:
        """Start the workload."""
        for book in BOOKS:
            agents = {f"{book}-{n}": new_seed() for n in range(self.plan.agents)}
            config = Config(
                urls=self.house.urls,
                journal=str(self.folder / f"{book}.history"),
                seed=f"{self.plan.seed}-{book}",
                book=book,
                goods=_GOODS,
                agents=agents,
                slots=self.plan.slots,
                twice=self.plan.twice,
            )
            file = self.folder / f"{book}.json"
            file.write_bytes(msgspec.json.encode(config))
            self.house.add_agents(f"agents-{book}", [file])

    def break_things(self, until: float) -> None:
        """One fault after the other; an interrupt ends them early."""
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(3.0 if not self.plan.seconds else min(3.0, self.plan.seconds / 4))
            for name, left in self.schedule(until):
                self.say(f"{left:>12} left  {name}")
                FAULTS[name].strike(self.house, self.rng)
                self.done[name] += 1
                time.sleep(self.rng.uniform(*self.plan.between_s))

    def schedule(self, until: float) -> Iterator[tuple[str, str]]:
        """What to do next, and how much is left."""
        kinds = list(self.plan.kinds or possible(self.plan))
        if self.plan.in_turn or self.plan.kills:
            names = kinds
            if self.plan.kills:
                others = max(1, self.plan.kills // _KILLS_FOR_ANOTHER)
                names = [name for name in kinds for _ in range(self.plan.kills if name in KILLS else others)]
                self.rng.shuffle(names)
            for at, name in enumerate(names):
                yield name, f"{len(names) - at} faults"
            return
        weights = [FAULTS[kind].weight for kind in kinds]
        while time.monotonic() < until:
            yield self.rng.choices(kinds, weights)[0], f"{until - time.monotonic():.1f} s"

    def rest(self) -> None:
        """No more faults: agents finish, deals end, the ledger catches up."""
        self.say("the faults are over: waiting until all is quiet")
        for process in self.house.processes:
            process.signal(signal.SIGCONT)
            process.up()
        self.house.mend()
        self.house.clear()
        for agents in self.house.agents:
            agents.end(within_s=_REST_S)
        asyncio.run(asyncio.wait_for(self._until_quiet(), 2 * _REST_S))

    async def _until_quiet(self) -> None:
        """Until every timer has fired and was heeded, and the log grows no more.

        A timer that was handed to a desk that died comes again after half a minute.
        """
        async with connected(self.house.urls) as client:
            js = client.jetstream()
            end, since = -1, time.monotonic()
            while time.monotonic() - since < _QUIET_S:
                try:
                    armed = await js.stream_info(subjects.STREAM_TIMERS, subjects_filter=_ARMED)
                    heeded = await js.consumer_info(subjects.STREAM_TIMERS, _TIMER_CONSUMER)
                    last = (await js.stream_info(subjects.STREAM_DEALS)).state.last_seq
                    waits = await _any_waits(js, armed.state.subjects or {})
                except (nats.errors.TimeoutError, nats.errors.NoRespondersError, ServiceUnavailableError):
                    since = time.monotonic()  # a cluster that elects anew is not quiet yet
                    continue
                if last != end or waits or heeded.num_pending or heeded.num_ack_pending:
                    end, since = last, time.monotonic()
                await asyncio.sleep(0.25)

    def report(self, seconds: float) -> Report:
        """Check, and count."""
        checker, calls, log = self.check()
        outcomes = Counter(call.outcome for call in calls)
        wrong = Counter(one.kind for one in checker.wrong)
        return Report(
            seed=self.plan.seed,
            seconds=round(seconds, 1),
            sync_always=self.plan.sync_always,
            replicas=self.plan.replicas,
            kills=self.killed(),
            faults=dict(sorted(self.done.items())),
            moves=len(calls),
            acknowledged=outcomes[Outcome.ACKNOWLEDGED],
            refused=outcomes[Outcome.REFUSED],
            unknown=outcomes[Outcome.UNKNOWN],
            asked_again=sum(1 for call in calls if call.unknown_attempts),
            lost=sum(n for kind, n in wrong.items() if kind in LOST),
            doubled=sum(n for kind, n in wrong.items() if kind in DOUBLED),
            wrong=dict(wrong),
            details=[str(one) for one in checker.wrong[:200]],
            entries=len(log),
            deals=len(checker.deals),
            ends=dict(sorted(checker.ends().items())),
            restarts={process.name: process.starts - 1 for process in self.house.processes},
            panics=self.house.panics(),
        )

    def killed(self) -> dict[str, int]:
        """How often a process of each kind was killed."""
        killed: Counter[str] = Counter()
        for process in self.house.processes:
            killed[process.name.partition("-")[0].rstrip("0123456789")] += process.kills
        return dict(killed)

    def check(self) -> tuple[Checker, list[Call], list[Stored]]:
        """Everything that can be known, against everything else."""
        calls = read_history(sorted(self.folder.glob("*.history")))
        log, inbox, books = asyncio.run(self._collect())
        write_evidence(self.folder / "evidence.jsonl", log)
        checker = Checker()
        checker.read_log(log)
        checker.compare_history(calls)
        for book, told in books.items():
            checker.compare_balances(book, told)
        checker.compare_inboxes(log, inbox)
        checker.compare_verdicts(verify(self.folder / "evidence.jsonl"))
        checker.check_ends(now_unix_ms() - 1000)
        return checker, calls, log

    async def _collect(self) -> tuple[list[Stored], list[Stored], dict[str, wire.Balances]]:
        async with connected(self.house.urls) as client:
            log = await read_log(client)
            inbox = await _inboxes(client, log)
            return log, inbox, {book: await balances(client, book) for book in BOOKS}


async def _inboxes(client: Client, log: Sequence[Stored]) -> list[Stored]:
    """The inboxes, once all notes are there that a log has; or as they are, when they do not come."""
    notes = {(subjects.inbox(one.subject.rpartition(".")[2]), one.body) for one in log if ".note." in one.subject}
    for _ in range(_INBOX_TRIES):
        inbox = await read_stream(client, subjects.STREAM_INBOX)
        if notes <= {(one.subject, one.body) for one in inbox}:
            break
        await asyncio.sleep(1.0)
    return inbox


async def _any_waits(js: JetStreamContext, armed: Iterable[str]) -> bool:
    """Whether a timer is armed for a deal that is there: one whose opening never came waits for nothing."""
    deals = {subject.rpartition(".")[2] for subject in armed}
    if not deals:
        return False
    logs = await js.stream_info(subjects.STREAM_DEALS, subjects_filter=_DEAL_LOGS)
    return any(subject.rpartition(".")[2] in deals for subject in logs.state.subjects or {})


async def balances(client: Client, book: str) -> wire.Balances:
    """What the ledger tells of a book; a ledger that has just started may still be reading its log."""
    ask, end = encode(wire.BalanceRequest(book=book)), time.monotonic() + _LEDGER_S
    while True:
        try:
            reply = await client.request(subjects.endpoint("ledger", "balance"), ask, timeout=10)
            return decode(reply.data, wire.Balances)
        except (nats.errors.NoRespondersError, nats.errors.TimeoutError):
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)


def verify(evidence: Path) -> dict[str, str]:
    """What `hms deal verify` says of every deal in a file: nothing where it holds."""
    done = subprocess.run(
        [HMS, "deal", "verify", "--from", evidence, "--json"], capture_output=True, text=True, timeout=300
    )
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    return {verdict["deal"]: _why_not(verdict) for verdict in verdicts}


def _why_not(verdict: dict[str, object]) -> str:
    return "" if verdict.get("holds", verdict.get("verified")) else json.dumps(verdict)


def possible(plan: Plan) -> list[str]:
    """The faults that a plan's broker stands for: without syncing, a power cut takes what was acknowledged."""
    without = set() if plan.sync_always and is_available() else set(POWER_CUTS)
    without |= set() if plan.replicas > 1 else OF_CLUSTERS
    return [name for name in FAULTS if name not in without]


def needs_disk(plan: Plan) -> bool:
    """Whether the broker's disk must be able to forget."""
    return not POWER_CUTS.isdisjoint(plan.kinds or possible(plan))


def new_folder() -> Path:
    """A folder for one run."""
    return Path(tempfile.mkdtemp(prefix="hms-faults-"))
