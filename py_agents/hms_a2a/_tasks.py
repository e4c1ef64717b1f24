"""Working together: jobs of tasks, and the agents that submit, do and judge them.

A worker bids when tasks are called for which it has the skill, does what it is awarded, gives signs of life while it
does, and hands the result in. A verifier says whether a result is right; a gatekeeper whether it may count. A
supervisor submits a job, adds to it while it runs, and waits for its end.

A worker bids for as many tasks as it can do at once, so that it is never awarded more. What it is awarded comes by its
inbox: work that was under way when the process died comes again.

Where the job pays, each award is a deal, which supervisor and worker make by themselves: see `_pay`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._bus import PATIENCE_S
from hms_a2a._codec import decode
from hms_a2a._crew import ended
from hms_a2a._errors import BadWire, Conflict, Declined, ErrorReply, HmsError, JobFailed
from hms_a2a._limits import DEFAULT_LEASE_MS, PPM
from hms_a2a._pay import Pay

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hms_a2a._bus import Caller
    from hms_a2a._client import Incoming
    from hms_a2a._crew import Crew
    from hms_a2a._link import Tap
    from hms_a2a._trading import Trading

_log = logging.getLogger("hms_a2a")

#: How long after the time for bids the award may take to be heard of, in milliseconds.
_HEARD_WITHIN_MS = 5_000
#: How often in the time of a lease a worker gives a sign of life.
_SIGNS_A_LEASE = 3
#: Most bids that wait for their award, of all tasks.
_MOST_BIDS = 64

#: How long an agent that stops waits for what it is about to pay, in seconds.
_CONFIRMED_WITHIN_S = 5.0

_ENDS = (wire.TaskWord.FINISHED, wire.TaskWord.FAILED, wire.TaskWord.CANCELLED)


class Work:
    """A task that was awarded to this agent."""

    def __init__(self, caller: Caller, agent: str, note: wire.TaskNote) -> None:
        self._caller = caller
        self._agent = agent
        self._done_ppm = 0
        self.job = note.job
        self.task = note.task or ""
        self.round = note.round or 0
        self.supervisor = note.supervisor
        #: The deal that pays for it; None where the job does not pay.
        self.deal = note.award.deal if note.award else None
        #: What is to be done.
        self.brief = note.brief or ""
        #: What the tasks brought that it needs, by their names.
        self.inputs: dict[str, bytes] = {entry.task: entry.result for entry in note.inputs}
        now = caller.bus.now_unix_ms()
        self._lease_ms = max(1, (note.until_unix_ms or now) - note.at_unix_ms)

    async def progress(self, share: float) -> None:
        """Say how far it is, from 0 to 1. Signs of life are given anyway.

        Raises `Late` or `Conflict` when the task is another's by now.
        """
        self._done_ppm = min(PPM, max(0, int(share * PPM)))
        await self._sign_of_life()

    async def _sign_of_life(self) -> None:
        now = self._caller.bus.now_unix_ms()
        ask = wire.ReportProgress(
            move_id=self._caller.bus.nonce(),
            deadline_unix_ms=now + self._lease_ms,
            job=self.job,
            task=self.task,
            round=self.round,
            done_ppm=self._done_ppm,
        )
        await move(self._caller, self._agent, "progress", self.job, ask)

    async def stay_alive(self) -> None:
        """Give signs of life until cancelled, or until the task is another's."""
        while True:
            await asyncio.sleep(self._lease_ms / 1000 / _SIGNS_A_LEASE)
            try:
                await self._sign_of_life()
            except (ErrorReply, HmsError) as error:
                _log.warning("%s: no sign of life for %s: %s", self._agent, self.task, error)
                if isinstance(error, ErrorReply) and not error.retryable:
                    return

    def __repr__(self) -> str:
        return f"<{self.task} of {self.job}>"


class Result:
    """A result that this agent is to judge, or to let through the gate."""

    def __init__(self, note: wire.TaskNote) -> None:
        self.job = note.job
        self.task = note.task or ""
        self.supervisor = note.supervisor
        #: Who brought it.
        self.doer = note.agent or ""
        #: What was to be done.
        self.brief = note.brief or ""
        #: What the tasks brought that it needed, by their names.
        self.inputs: dict[str, bytes] = {entry.task: entry.result for entry in note.inputs}
        #: The result.
        self.result = note.result.result if note.result else b""
        #: Where it is kept, if it is large.
        self.kept = note.result.kept if note.result else None
        #: Why it waits at the gate: `asked` or `split_panel`; None for a result to judge.
        self.why = note.rule
        self.hash = note.result_hash or b""
        self.until_unix_ms = note.until_unix_ms or 0


#: Does a task; what it returns is the result.
Do = Callable[[Work], "bytes | str | Awaitable[bytes | str]"]
#: Says whether a result is right, or may count: True, False, False for a reason (a text), or None for nothing.
Judge = Callable[[Result], "bool | str | Awaitable[bool | str | None] | None"]
#: Names a price for a task; None does not bid.
Price = Callable[[wire.CalledTask], "int | None"]


class Job:
    """A job that this agent supervises."""

    def __init__(self, caller: Caller, agent: str, job_id: str) -> None:
        self._caller = caller
        self._agent = agent
        self._ended: asyncio.Event = asyncio.Event()
        self.id = job_id
        #: Results so far, by task.
        self.results: dict[str, bytes] = {}
        self.state = wire.JobState.RUNNING
        #: The rule that failed it.
        self.rule: str | None = None
        #: What is under way to pay for what is done.
        self.paying: set[asyncio.Task[None]] = set()

    async def add(self, tasks: Sequence[wire.Task], *, part_of: str | None = None, more: bool = True) -> None:
        """Add tasks; with `part_of`, as parts of one that was not announced yet. `more=False` says that these are all.

        Raises `Refused` or `Conflict` where they don't fit.
        """
        ask = wire.AddTasks(
            move_id=self._caller.bus.nonce(),
            deadline_unix_ms=self._deadline(),
            job=self.id,
            tasks=list(tasks),
            part_of=part_of,
            more=more,
        )
        await move(self._caller, self._agent, "add", self.id, ask)

    async def cancel(self, reason: str = "") -> None:
        """End it."""
        ask = wire.CancelJob(
            move_id=self._caller.bus.nonce(), deadline_unix_ms=self._deadline(), job=self.id, reason=reason
        )
        await move(self._caller, self._agent, "cancel", self.id, ask)

    async def show(self) -> wire.JobShown:
        """Where it and its tasks stand."""
        subject = subjects.task_move("show", self._agent, self.id)
        return await self._caller.insist(subject, wire.ShowJob(job=self.id), wire.JobShown)

    async def ended(self) -> dict[str, bytes]:
        """Wait for its end, and until what is done is paid for; the results, by task. Raises `JobFailed`."""
        await self._ended.wait()
        while self.paying:
            await asyncio.wait(self.paying)
        if self.state != wire.JobState.FINISHED:
            raise JobFailed(self.id, self.rule)
        return dict(self.results)

    def _deadline(self) -> int:
        return self._caller.bus.now_unix_ms() + int(PATIENCE_S * 1000)

    def hear(self, note: wire.TaskNote) -> None:
        """News of it."""
        if note.event == wire.TaskWord.DONE and note.result is not None and note.task is not None:
            self.results[note.task] = note.result.result
        if note.event in _ENDS and note.task is None:
            self.state, self.rule = wire.JobState(note.event.value), note.rule
            self._ended.set()

    def __repr__(self) -> str:
        return f"<job {self.id}: {self.state}>"


class Tasks:
    """What an agent has to do with jobs: `Agent.tasks`."""

    def __init__(self, caller: Caller, agent: str, trading: Trading) -> None:
        self._caller = caller
        self._agent = agent
        self._pay = Pay(caller, agent, trading)
        self._paying: set[asyncio.Task[None]] = set()
        self._confirming: set[asyncio.Task[None]] = set()
        self._crew: Crew | None = None
        self._taps: list[Tap] = []
        self._workers: dict[str, _Worker] = {}
        self._verify: Judge | None = None
        self._answer: Judge | None = None
        self._jobs: dict[str, Job] = {}
        self._skill_of: dict[tuple[str, str, int], str] = {}
        self._at_work: dict[tuple[str, str], asyncio.Task[object]] = {}

    # --- what an author says

    def worker(
        self, skill: str, *, price: int | Price = 0, skills: Iterable[str] = (), at_once: int = 1
    ) -> Callable[[Do], Do]:
        """Do tasks that are called under this skill.

        `price` is what it asks, in minor units of what the job pays in or of account, at most a task's budget, or names
        one for each task; `skills` are what it says it can do. The handler returns the result; it may raise `Declined`
        to give the task back, and gives it back too where it fails.
        """
        named = subjects.skill_id(skill)

        def register(do: Do) -> Do:
            self._workers[named] = _Worker(do, price, list(skills), at_once)
            if self._crew is not None:
                listening = asyncio.ensure_future(self._listen(named))
                listening.add_done_callback(_report)
            return do

        return register

    def verifier(self, judge: Judge) -> Judge:
        """Judge results when asked: True finds it right; False, or a text that says why, wrong; None says nothing."""
        self._verify = judge
        return judge

    def gatekeeper(self, judge: Judge) -> Judge:
        """Answer at the gate: True lets a result count, False or a text refuses it, None leaves it to somebody else."""
        self._answer = judge
        return judge

    async def submit(
        self,
        tasks: Sequence[wire.Task],
        *,
        verifiers: Iterable[str] = (),
        gatekeepers: Iterable[str] = (),
        rules: wire.JobRules | None = None,
        expires_in_s: float = 3_600.0,
        more: bool = False,
        pay: wire.Pay | None = None,
        move_id: str | None = None,
    ) -> Job:
        """Submit a job; it is under way when this returns. With a `move_id` of one's own, again is the same job.

        With `pay`, a ledger's book and a good, each award is a deal that this agent opens, and confirms when the task
        is done; what it may give there it must have declared (`Agent.declare`). Raises `Refused` where it could not
        run.
        """
        chosen = move_id or self._caller.bus.nonce()
        job = Job(self._caller, self._agent, job_id(self._agent, chosen))
        self._jobs[job.id] = job
        now = self._caller.bus.now_unix_ms()
        ask = wire.SubmitJob(
            move_id=chosen,
            deadline_unix_ms=now + int(PATIENCE_S * 1000),
            tasks=list(tasks),
            verifiers=sorted(set(verifiers)),
            gatekeepers=sorted(set(gatekeepers)),
            rules=rules or wire.JobRules(),
            expires_unix_ms=now + int(expires_in_s * 1000),
            more=more,
            pay=pay,
        )
        try:
            await move(self._caller, self._agent, "submit", job.id, ask)
        except ErrorReply:
            del self._jobs[job.id]
            raise
        return job

    # --- what the agent does

    async def start(self, crew: Crew) -> None:
        """Listen for calls."""
        self._crew = crew
        for skill in self._workers:
            await self._listen(skill)
        if self._workers:
            await self._caller.link.flush()

    async def stop(self) -> None:
        """Listen no more, and bid no more."""
        self._crew = None
        taps, self._taps = self._taps, []
        await asyncio.gather(*(tap.stop() for tap in taps))
        if self._confirming:
            await asyncio.wait(self._confirming, timeout=_CONFIRMED_WITHIN_S)
        await ended(*self._paying)

    async def _listen(self, skill: str) -> None:
        async def take(incoming: Incoming) -> None:
            crew = self._crew
            if crew is not None:
                await crew.run(f"its bids on {incoming.subject}", lambda: self._called(skill, incoming))

        self._taps.append(await self._caller.link.tap(subjects.live_task_call(skill), take))

    async def _called(self, skill: str, incoming: Incoming) -> None:
        call = decode(incoming.body, wire.TaskCall)
        worker = self._workers[skill]
        now = self._caller.bus.now_unix_ms()
        for task in call.tasks:
            if now >= call.until_unix_ms or not worker.has_room(now):
                return
            price = worker.price_of(task)
            if price is None or price > task.budget_minor:
                continue
            if call.pay is not None:
                await self._pay.declare(call.pay, skill)
            place = (call.job, task.task, task.round)
            worker.bids[place] = call.until_unix_ms + _HEARD_WITHIN_MS
            self._skill_of[place] = skill
            ask = wire.BidTask(
                move_id=self._caller.bus.nonce(),
                deadline_unix_ms=call.until_unix_ms,
                job=call.job,
                task=task.task,
                round=task.round,
                price_minor=price,
                skills=worker.skills,
            )
            try:
                await move(self._caller, self._agent, "bid", call.job, ask)
            except HmsError as error:
                self._lost(place)
                _log.debug("%s: no bid for %s: %s", self._agent, task.task, error)

    def _lost(self, place: tuple[str, str, int]) -> None:
        worker = self._workers.get(self._skill_of.pop(place, ""))
        if worker is not None:
            worker.bids.pop(place, None)

    def hear(self, note: wire.TaskNote) -> None:
        """News of a job came in: at once, whatever is before it in line."""
        job = self._jobs.get(note.job)
        if job is not None:
            job.hear(note)
            if note.event in _ENDS:
                del self._jobs[note.job]
        if note.event in (*_ENDS, wire.TaskWord.LAPSED) and note.task is not None:
            at_work = self._at_work.get((note.job, note.task))
            if at_work is not None:
                at_work.cancel()

    async def take_up(self, note: wire.TaskNote, crew: Crew) -> asyncio.Task[None]:
        """Do what news asks for.

        What waits for a deal is not done by the crew: whoever waits there would keep out the deal's own news.
        """
        if note.award is None:
            return await crew.run(f"job {note.job}", lambda: self._take(note))
        paying = asyncio.ensure_future(self._settle(note, note.award, crew))
        sets = [self._paying]
        if note.supervisor == self._agent:
            sets.append(self._confirming)
        if note.job in self._jobs:
            sets.append(self._jobs[note.job].paying)
        for under_way in sets:
            under_way.add(paying)
            paying.add_done_callback(under_way.discard)
        return paying

    async def _settle(self, note: wire.TaskNote, award: wire.AwardDeal, crew: Crew) -> None:
        """Do what a paid award asks for: of its supervisor a deal, of its worker the work."""
        try:
            if note.supervisor == self._agent:
                if note.event == wire.TaskWord.AWARDED:
                    await self._pay.open(note, award)
                elif note.event == wire.TaskWord.DONE:
                    await self._pay.confirm(award)
            elif note.event == wire.TaskWord.AWARDED and note.agent == self._agent:
                work = Work(self._caller, self._agent, note)
                alive = asyncio.ensure_future(work.stay_alive())
                try:
                    why_not = await self._pay.paid(award)
                finally:
                    await ended(alive)
                if why_not is not None:
                    self._lost((work.job, work.task, work.round))
                    await self._try(work, "decline", self._decline(work, why_not))
                    return
                await asyncio.wait({await crew.run(f"job {note.job}", lambda: self._take(note))})
        except HmsError as error:
            _log.warning("%s: the deal of %s came to nothing: %s", self._agent, note.task, error)

    async def _take(self, note: wire.TaskNote) -> None:
        if note.event == wire.TaskWord.AWARDED:
            await self._awarded(note)
        elif note.event == wire.TaskWord.DELIVERED:
            await self._judged(note, "judge", self._verify)
        elif note.event == wire.TaskWord.GATED:
            await self._judged(note, "answer", self._answer)

    async def _awarded(self, note: wire.TaskNote) -> None:
        place = (note.job, note.task or "", note.round or 0)
        skill = self._skill_of.get(place)
        if note.agent != self._agent:
            self._lost(place)
            return
        # After a restart it is not known any more under which skill it bid.
        worker = self._workers.get(skill) if skill else next(iter(self._workers.values()), None)
        if worker is None:
            return
        worker.at_work += 1
        self._lost(place)
        try:
            await self._work(worker, Work(self._caller, self._agent, note))
        finally:
            worker.at_work -= 1

    async def _work(self, worker: _Worker, work: Work) -> None:
        alive = asyncio.ensure_future(work.stay_alive())
        doing = asyncio.ensure_future(_awaited(worker.do, work))
        self._at_work[work.job, work.task] = doing
        try:
            result = await doing
        except asyncio.CancelledError:
            if not doing.cancelled():
                await ended(doing)
                raise
            return  # it is another's by now
        except Exception as error:
            if not isinstance(error, Declined):
                _log.exception("%s: %s failed", self._agent, work)
            await self._try(work, "decline", self._decline(work, str(error) or type(error).__name__))
            return
        finally:
            self._at_work.pop((work.job, work.task), None)
            await ended(alive)
        await self._try(work, "deliver", self._deliver(work, result))

    async def _decline(self, work: Work, reason: str) -> None:
        ask = wire.DeclineTask(
            move_id=_once("decline", work.job, work.task, str(work.round)),
            deadline_unix_ms=self._caller.bus.now_unix_ms() + DEFAULT_LEASE_MS,
            job=work.job,
            task=work.task,
            round=work.round,
            reason=reason[:256],
            deal=work.deal,
        )
        await move(self._caller, self._agent, "decline", work.job, ask)

    async def _deliver(self, work: Work, result: bytes | str) -> None:
        ask = wire.DeliverTask(
            move_id=self._caller.bus.nonce(),
            deadline_unix_ms=self._caller.bus.now_unix_ms() + DEFAULT_LEASE_MS,
            job=work.job,
            task=work.task,
            round=work.round,
            result=result.encode() if isinstance(result, str) else result,
        )
        await move(self._caller, self._agent, "deliver", work.job, ask)

    async def _judged(self, note: wire.TaskNote, verb: str, judge: Judge | None) -> None:
        """Say whether a result is right, or may count."""
        result = Result(note)
        if judge is None or result.until_unix_ms <= self._caller.bus.now_unix_ms():
            return
        verdict = await _awaited(judge, result)
        if verdict is None:
            return
        yes = verdict is True
        said: dict[str, Any] = {
            "move_id": _once(verb, result.job, result.task, result.hash.hex()),
            "deadline_unix_ms": result.until_unix_ms,
            "job": result.job,
            "task": result.task,
            "result_hash": result.hash,
            "reason": verdict if isinstance(verdict, str) else "",
        }
        ask = wire.JudgeTask(right=yes, **said) if verb == "judge" else wire.AnswerGate(approve=yes, **said)
        await self._try(result, verb, move(self._caller, self._agent, verb, result.job, ask))

    async def _try(self, about: Work | Result, verb: str, said: Awaitable[object]) -> None:
        """Make a move. That the task has gone elsewhere meanwhile is no failure of the agent's."""
        try:
            await said
        except BadWire:
            raise
        except Conflict as error:
            _log.debug("%s: no %s of %s: %s", self._agent, verb, about.task, error)
        except HmsError as error:
            _log.warning("%s: cannot %s %s: %s", self._agent, verb, about.task, error)


class _Worker:
    """What an agent does under one skill."""

    def __init__(self, do: Do, price: int | Price, skills: list[str], at_once: int) -> None:
        if at_once < 1:
            raise ValueError("at least one task must be possible at once")
        self.do = do
        self.skills = skills
        self.at_work = 0
        #: Bids that are out, and until when.
        self.bids: dict[tuple[str, str, int], int] = {}
        self._price = price
        self._at_once = at_once

    def has_room(self, now_unix_ms: int) -> bool:
        """Whether it could do one more, if all its bids were taken."""
        self.bids = {place: until for place, until in self.bids.items() if until > now_unix_ms}
        return len(self.bids) < _MOST_BIDS and self.at_work + len(self.bids) < self._at_once

    def price_of(self, task: wire.CalledTask) -> int | None:
        """What it asks for a task; None where it does not want it."""
        return self._price(task) if callable(self._price) else self._price


def job_id(supervisor: str, move_id: str) -> str:
    """The id of the job that `supervisor` submits with its move `move_id`."""
    digest = hashlib.sha256(f"{supervisor}\0{move_id}".encode()).digest()
    return base64.b32encode(digest).decode()[:26].lower()


async def move(caller: Caller, agent: str, verb: str, job: str, ask: wire.Message) -> wire.TaskMoved:
    """Make a move in a job: with the same bytes until there is an answer, or its deadline has come."""
    subject = subjects.task_move(verb, agent, job)
    until_unix_ms: int = getattr(ask, "deadline_unix_ms", 0)
    return await caller.insist(subject, ask, wire.TaskMoved, until_unix_ms=until_unix_ms)


async def _awaited(handler: Callable[[Any], Any], argument: object) -> Any:
    """What a handler returns, whether it is a coroutine function or a plain one."""
    value = handler(argument)
    return await value if inspect.isawaitable(value) else value


def _once(*parts: str) -> str:
    """A move's id that is the same after a restart."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _report(listening: asyncio.Future[None]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        if (error := listening.exception()) is not None:
            _log.error("cannot listen for tasks: %s", error)
