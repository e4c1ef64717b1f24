"""Rules of negotiations and of what is said in them, as the crate `schemas` checks them, in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hms_a2a._check_parts import text
from hms_a2a._errors import BadWire
from hms_a2a._limits import MAX_CHOICES, MAX_ISSUES, MAX_PARTIES, MAX_ROUNDS, MAX_TRANSFERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hms_a2a import _wire as wire

_MOST = 2**63 - 1


def alternating(rules: wire.Alternating) -> None:
    """Every party on one seat, rounds within bounds, a sound domain."""
    _seats(rules.order)
    _rounds(rules.rounds)
    _domain(rules.domain, len(rules.order))


def contract_net(rules: wire.ContractNet) -> None:
    """A score of issues that there are, and a domain of two seats."""
    _score(rules)
    _domain(rules.domain, 2)


def iterated_contract_net(rules: wire.IteratedContractNet) -> None:
    """As a contract net, with rounds, an end that fits, and somebody to call again."""
    _score(rules)
    _rounds(rules.rounds)
    later = rules.round_ms * (rules.rounds - 1)
    if rules.round_ms < 1 or later > _MOST or rules.bids_until_unix_ms + later > _MOST:
        raise BadWire("round_ms", "must be positive, and the last round's end must fit")
    if not 1 <= rules.keep <= MAX_PARTIES:
        raise BadWire("keep", f"1 to {MAX_PARTIES} bidders")
    _domain(rules.domain, 2)


def single_text(rules: wire.SingleText) -> None:
    """Every party on one seat, a mediator who has none, rounds within bounds, a sound domain."""
    _seats(rules.order)
    if rules.mediator in rules.order:
        raise BadWire("mediator", "takes part itself")
    _rounds(rules.rounds)
    _domain(rules.domain, len(rules.order))


def outcome(word: wire.TalkOffer | wire.TalkBid) -> None:
    """Some choices, not too many."""
    _choices(word.outcome, "outcome")


def reason(word: wire.TalkEnd | wire.TalkDecline) -> None:
    """A short reason."""
    text(word.reason, "reason")


def call(word: wire.TalkCall) -> None:
    """A short text."""
    text(word.text, "text")


def award(word: wire.TalkAward) -> None:
    """Not too many answers."""
    _heard(word.heard)


def revise(word: wire.TalkRevise) -> None:
    """Not too many answers, bidders in order, some choices."""
    _heard(word.heard)
    if not 1 <= len(word.called) <= MAX_PARTIES or list(word.called) != sorted(set(word.called)):
        raise BadWire("called", f"1 to {MAX_PARTIES} bidders, sorted, each once")
    _choices(word.best, "best")


def voted(word: wire.TalkText | wire.TalkResult) -> None:
    """Not too many votes, some choices."""
    if len(word.votes) > MAX_PARTIES:
        raise BadWire("votes", f"at most {MAX_PARTIES} votes")
    _choices(word.outcome, "outcome")


def _seats(order: Sequence[str]) -> None:
    if not 2 <= len(order) <= MAX_PARTIES:
        raise BadWire("order", f"2 to {MAX_PARTIES} parties")
    for index, party in enumerate(order):
        if party in order[:index]:
            raise BadWire(f"order[{index}]", "sits twice")


def _rounds(rounds: int) -> None:
    if not 1 <= rounds <= MAX_ROUNDS:
        raise BadWire("rounds", f"1 to {MAX_ROUNDS} rounds")


def _score(rules: wire.ContractNet | wire.IteratedContractNet) -> None:
    if len(rules.score) > MAX_ISSUES:
        raise BadWire("score", f"at most {MAX_ISSUES} issues")
    names = {issue.name for issue in rules.domain.issues}
    for index, part in enumerate(rules.score):
        if part.issue not in names:
            raise BadWire(f"score[{index}].issue", f"there is no issue {part.issue}")


def _heard(heard: Sequence[object]) -> None:
    if len(heard) > MAX_PARTIES:
        raise BadWire("heard", f"at most {MAX_PARTIES} answers")


def _choices(choices: Sequence[int], field: str) -> None:
    if not 1 <= len(choices) <= MAX_ISSUES:
        raise BadWire(field, f"1 to {MAX_ISSUES} choices")


def _domain(domain: wire.Domain, seats: int) -> None:
    if not 1 <= len(domain.issues) <= MAX_ISSUES:
        raise BadWire("domain.issues", f"1 to {MAX_ISSUES} issues")
    issues: dict[str, wire.Issue] = {}
    for index, issue in enumerate(domain.issues):
        place = f"domain.issues[{index}]"
        if issue.name in issues:
            raise BadWire(f"{place}.name", f"{issue.name} stands twice")
        issues[issue.name] = issue
        _issue(issue, place)
    if not 1 <= len(domain.transfers) <= MAX_TRANSFERS:
        raise BadWire("domain.transfers", f"1 to {MAX_TRANSFERS} transfers")
    for index, pattern in enumerate(domain.transfers):
        _pattern(pattern, issues, seats, f"domain.transfers[{index}]")


def _issue(issue: wire.Issue, place: str) -> None:
    if not 1 <= issue.count <= MAX_CHOICES:
        raise BadWire(f"{place}.count", f"1 to {MAX_CHOICES} choices")
    if issue.step * (issue.count - 1) > _MOST or _last(issue) > _MOST:
        raise BadWire(f"{place}.step", "the last choice's number does not fit")
    if issue.labels and len(issue.labels) != issue.count:
        raise BadWire(f"{place}.labels", "one for each choice, or none")
    for at, label in enumerate(issue.labels):
        text(label, f"{place}.labels[{at}]")


def _pattern(pattern: wire.Pattern, issues: dict[str, wire.Issue], seats: int, place: str) -> None:
    for field, seat in (("from", pattern.from_), ("to", pattern.to)):
        if seat >= seats:
            raise BadWire(f"{place}.{field}", f"there is no seat {seat}")
    if pattern.from_ == pattern.to:
        raise BadWire(f"{place}.to", "gives to itself")

    def found(name: str, field: str) -> wire.Issue:
        if name not in issues:
            raise BadWire(f"{place}.{field}", f"there is no issue {name}")
        return issues[name]

    goods = 1 if pattern.good_by is None else found(pattern.good_by, "good_by").count
    if len(pattern.goods) != goods:
        raise BadWire(f"{place}.goods", "one good, or one for each choice of the issue that picks it")
    most = pattern.factor
    for at, name in enumerate(pattern.times):
        factor = found(name, f"times[{at}]")
        if factor.least < 0:
            raise BadWire(f"{place}.times[{at}]", f"{name} may be negative")
        most *= max(_last(factor), 1)
        if most > _MOST:
            raise BadWire(f"{place}.times[{at}]", "the largest quantity does not fit")
    if pattern.due_by is not None:
        delay = found(pattern.due_by, "due_by")
        if delay.least < 0 or pattern.due_unix_ms + _last(delay) > _MOST:
            raise BadWire(f"{place}.due_by", "must delay, by no more than fits")


def _last(issue: wire.Issue) -> int:
    """The number of the last choice."""
    return issue.least + issue.step * (issue.count - 1)
