"""Rules of what the graph is asked, as the crate `schemas` checks them, in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hms_a2a._check_parts import unique
from hms_a2a._errors import BadWire
from hms_a2a._limits import MAX_INTENTS, MAX_LINKS, MAX_OBLIGATIONS, MAX_PARTIES, MAX_RUNS, MAX_STEPS, PPM

if TYPE_CHECKING:
    from hms_a2a import _wire as wire

#: The longest that a step may take, in days.
_MOST_DAYS = 366_000
#: The largest amount of a step, in minor units of account, so that no sum over all steps overflows.
_MOST_MINOR = (2**63 - 1) // 4 // MAX_STEPS


def chain_length(message: wire.Clear) -> None:
    """How long the chains of a clearing may be, and how many earlier rings it may name."""
    if message.max_chain is not None and not 1 <= message.max_chain < MAX_PARTIES:
        raise BadWire("max_chain", f"1 to {MAX_PARTIES - 1} hops; left out, there are no chains")
    if len(message.earlier) > MAX_INTENTS:
        raise BadWire("earlier", f"at most {MAX_INTENTS} rings")


def net(message: wire.Net) -> None:
    """Nobody owes itself."""
    if len(message.obligations) > MAX_OBLIGATIONS:
        raise BadWire("obligations", f"at most {MAX_OBLIGATIONS} obligations")
    for index, owed in enumerate(message.obligations):
        if owed.from_ == owed.to:
            raise BadWire(f"obligations[{index}].to", f"{owed.from_} owes itself")
    _time(message)


def network(message: wire.AnalyzeNetwork) -> None:
    """Links join two, and weigh something."""
    if len(message.links) > MAX_LINKS:
        raise BadWire("links", f"at most {MAX_LINKS} links")
    for index, link in enumerate(message.links):
        if link.from_ == link.to:
            raise BadWire(f"links[{index}].to", f"{link.from_} is linked with itself")
        if link.weight <= 0:
            raise BadWire(f"links[{index}].weight", "must be positive")
    _time(message)


def roadmap(message: wire.PlanRoadmap) -> None:
    """Names once, spreads in order, amounts within bounds."""
    if len(message.steps) > MAX_STEPS:
        raise BadWire("steps", f"at most {MAX_STEPS} steps")
    unique((step.step for step in message.steps), "steps")
    unique((resource.resource for resource in message.resources), "resources")
    for index, resource in enumerate(message.resources):
        if resource.capacity <= 0:
            raise BadWire(f"resources[{index}].capacity", "must be positive")
    for index, step in enumerate(message.steps):
        _step(step, f"steps[{index}]")
    if message.budget_minor is not None and message.budget_minor < 0:
        raise BadWire("budget_minor", "must not be negative")
    if message.runs > MAX_RUNS:
        raise BadWire("runs", f"at most {MAX_RUNS} runs")
    if not 1 <= message.risk_ppm < PPM:
        raise BadWire("risk_ppm", f"1 to {PPM - 1} ppm")
    _time(message)


def _step(step: wire.RoadmapStep, place: str) -> None:
    unique(step.after, f"{place}.after")
    unique((used.resource for used in step.uses), f"{place}.uses")
    _spread(step.days, f"{place}.days", 0, _MOST_DAYS)
    _spread(step.gain_minor, f"{place}.gain_minor", -_MOST_MINOR, _MOST_MINOR)
    if not 0 <= step.cost_minor <= _MOST_MINOR:
        raise BadWire(f"{place}.cost_minor", f"0 to {_MOST_MINOR}")
    if step.chance_ppm is not None and not 0 <= step.chance_ppm <= PPM:
        raise BadWire(f"{place}.chance_ppm", f"0 to {PPM} ppm")
    for index, used in enumerate(step.uses):
        if used.amount <= 0:
            raise BadWire(f"{place}.uses[{index}].amount", "must be positive")


def _spread(spread: wire.Spread, field: str, low: int, high: int) -> None:
    if not low <= spread.least <= spread.likely <= spread.most <= high:
        raise BadWire(field, f"{low} ≤ least ≤ likely ≤ most ≤ {high} must hold")


def _time(message: wire.Net | wire.AnalyzeNetwork | wire.PlanRoadmap) -> None:
    if message.time_limit_ms == 0:
        raise BadWire("time_limit_ms", "must be positive")
