"""Rules of jobs and their tasks, as the crate `schemas` checks them, in the same order."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hms_a2a._check_parts import unique
from hms_a2a._errors import BadWire
from hms_a2a._limits import (
    MAX_ATTEMPTS,
    MAX_BRIEF_BYTES,
    MAX_BUDGET_MINOR,
    MAX_CREW,
    MAX_NEEDS,
    MAX_PANEL,
    MAX_RESULT_BYTES,
    MAX_SKILLS,
    MAX_TASKS,
    MAX_TEXT_BYTES,
    MIN_TASK_MS,
    PPB,
    PPM,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hms_a2a import _wire as wire


def submit(message: wire.SubmitJob) -> None:
    """A job has tasks, or more to come; its crew is sorted, and its rules can be kept."""
    _tasks(message.tasks)
    _pay(message.pay, message.tasks)
    if not message.tasks and not message.more:
        raise BadWire("tasks", "a job without tasks, and no more to come")
    _crew(message.verifiers, "verifiers")
    _crew(message.gatekeepers, "gatekeepers")
    _rules(message.rules)


def add(message: wire.AddTasks) -> None:
    """Tasks are added, or it is said that there are no more."""
    _tasks(message.tasks)
    if not message.tasks and message.more:
        raise BadWire("tasks", "adds nothing")


def bid(message: wire.BidTask) -> None:
    """The price can be reckoned with."""
    _money(message.price_minor, "price_minor")
    _skills(message.skills, "skills")


def progress(message: wire.ReportProgress) -> None:
    """At most all is done."""
    if message.done_ppm > PPM:
        raise BadWire("done_ppm", f"at most {PPM}")


def deliver(message: wire.DeliverTask) -> None:
    """The result is small, or kept elsewhere."""
    if len(message.result) > MAX_RESULT_BYTES:
        raise BadWire("result", f"at most {MAX_RESULT_BYTES} bytes")
    if message.kept is not None:
        _text(message.kept.bucket, "kept.bucket")
        _text(message.kept.name, "kept.name")


def reason(message: wire.DeclineTask | wire.JudgeTask | wire.AnswerGate | wire.CancelJob) -> None:
    """The reason is no essay."""
    _text(message.reason, "reason")


def _rules(rules: wire.JobRules) -> None:
    for name in ("bid_ms", "lease_ms", "work_ms", "judge_ms", "gate_ms"):
        if getattr(rules, name) < MIN_TASK_MS:
            raise BadWire(f"rules.{name}", f"at least {MIN_TASK_MS} ms")
    if rules.enough_bids == 0:
        raise BadWire("rules.enough_bids", "must be positive")
    if not 1 <= rules.attempts <= MAX_ATTEMPTS:
        raise BadWire("rules.attempts", f"1 to {MAX_ATTEMPTS}")
    if rules.price_ppm + rules.reputation_ppm + rules.skills_ppm != PPM:
        raise BadWire("rules.price_ppm", "the three weights must make a million")
    if rules.least_reputation_ppb > PPB:
        raise BadWire("rules.least_reputation_ppb", f"at most {PPB}")


def _tasks(tasks: Sequence[wire.Task]) -> None:
    if len(tasks) > MAX_TASKS:
        raise BadWire("tasks", f"at most {MAX_TASKS} tasks")
    unique((task.task for task in tasks), "tasks")
    for index, task in enumerate(tasks):
        _task(task, f"tasks[{index}]")


def _pay(pay: wire.Pay | None, tasks: Sequence[wire.Task]) -> None:
    for index, task in enumerate(tasks):
        if pay is not None and task.skill == pay.good:
            raise BadWire(f"tasks[{index}].skill", "is what the job pays with")


def _task(task: wire.Task, place: str) -> None:
    if len(task.needs) > MAX_NEEDS:
        raise BadWire(f"{place}.needs", f"at most {MAX_NEEDS}")
    unique(task.needs, f"{place}.needs")
    if task.task in task.needs:
        raise BadWire(f"{place}.needs", "needs itself")
    _skills(task.wanted, f"{place}.wanted")
    if len(task.brief.encode()) > MAX_BRIEF_BYTES:
        raise BadWire(f"{place}.brief", f"at most {MAX_BRIEF_BYTES} bytes")
    _money(task.budget_minor, f"{place}.budget_minor")
    if task.panel is None:
        return
    if not 1 <= task.panel.asked <= MAX_PANEL:
        raise BadWire(f"{place}.panel.asked", f"1 to {MAX_PANEL}")
    if not 1 <= task.panel.lead <= task.panel.asked:
        raise BadWire(f"{place}.panel.lead", "1 to as many as are asked")


def _money(minor: int, field: str) -> None:
    if not 0 <= minor <= MAX_BUDGET_MINOR:
        raise BadWire(field, f"0 to {MAX_BUDGET_MINOR}")


def _skills(skills: Sequence[str], field: str) -> None:
    if len(skills) > MAX_SKILLS:
        raise BadWire(field, f"at most {MAX_SKILLS}")
    unique(skills, field)


def _crew(agents: Sequence[str], field: str) -> None:
    if len(agents) > MAX_CREW:
        raise BadWire(field, f"at most {MAX_CREW} agents")
    if any(a >= b for a, b in pairwise(agents)):
        raise BadWire(field, "must be sorted, each once")


def _text(text: str, field: str) -> None:
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise BadWire(field, f"at most {MAX_TEXT_BYTES} bytes")
