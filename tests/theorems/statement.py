"""Read a claim's infix form and say whether it holds at a point.

This is a reader of its own, and it shares nothing with the prover's, the checkers' or the kernel's: what the library
says of a theorem is checked against the text, and a mistake in one of the others shows as a difference. It keeps the
expressions as they are written and never expands them.
"""

from __future__ import annotations

import operator
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Point = dict[str, Fraction]

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([A-Za-z]\w*)|(>=|<=|[-+*/^()\[\],:><=]))")
_RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


class Number(NamedTuple):
    """A constant."""

    value: Fraction


class Variable(NamedTuple):
    """A variable."""

    name: str


class Operation(NamedTuple):
    """`left op right`."""

    op: str
    left: Expression
    right: Expression


class Power(NamedTuple):
    """`base ^ exponent`."""

    base: Expression
    exponent: int


Expression = Number | Variable | Operation | Power


class Relation(NamedTuple):
    """`left op right`, op being one of >=, <=, >, <, =."""

    op: str
    left: Expression
    right: Expression

    def holds(self, point: Mapping[str, Any]) -> Any:
        """Whether it does; in other arithmetic than the rationals' (z3's, say), what `op` makes of the two sides."""
        return _RELATIONS[self.op](value(self.left, point), value(self.right, point))

    def difference(self, point: Mapping[str, Any]) -> Any:
        """The left side minus the right one."""
        return value(self.left, point) - value(self.right, point)


class Statement(NamedTuple):
    """Hypotheses and a goal. `variables` stand in the order in which the text names them."""

    variables: tuple[str, ...]
    hypotheses: tuple[Relation, ...]
    goal: Relation

    def admits(self, point: Mapping[str, Fraction]) -> bool:
        """Whether every hypothesis holds there."""
        return all(hypothesis.holds(point) for hypothesis in self.hypotheses)

    def is_refuted_at(self, point: Mapping[str, Fraction]) -> bool:
        """Whether every hypothesis holds there and the goal doesn't."""
        return self.admits(point) and not self.goal.holds(point)


class Unreadable(ValueError):
    """The text isn't a claim."""


def value(expression: Expression, point: Mapping[str, Any]) -> Any:
    """The value at a point, in the arithmetic of the point's coordinates."""
    match expression:
        case Number(constant):
            return constant
        case Variable(name):
            return point[name]
        case Power(base, exponent):
            return value(base, point) ** exponent
        case Operation(op, left, right):
            return _ARITHMETIC[op](value(left, point), value(right, point))


def variables_of(expression: Expression) -> set[str]:
    """The variables that it names."""
    match expression:
        case Number(_):
            return set()
        case Variable(name):
            return {name}
        case Power(base, _):
            return variables_of(base)
        case Operation(_, left, right):
            return variables_of(left) | variables_of(right)


def read(text: str) -> Statement:
    """Read `forall HYPOTHESES: GOAL`, or a goal alone. Raises `Unreadable`."""
    return _Reader(text).statement()


def read_expression(text: str) -> Expression:
    """Read an expression, in which one may divide by another. Raises `Unreadable`."""
    reader = _Reader(text)
    expression = reader.sum()
    reader.expect("")
    return expression


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        self.names: dict[str, None] = {}
        at, text = 0, text.rstrip()
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None:
                raise Unreadable(f"nothing starts with {text[at : at + 10]!r}")
            self.tokens.append(token.group().strip())
            at = token.end()
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def expect(self, *wanted: str) -> str:
        token = self.take()
        if token not in wanted:
            raise Unreadable(f"{token or 'the end'!r} where {' or '.join(wanted) or 'the end'} was expected")
        return token

    def statement(self) -> Statement:
        hypotheses: list[Relation] = []
        if self.peek() == "forall":
            self.take()
            hypotheses += self.hypothesis()
            while self.expect(",", ":") == ",":
                hypotheses += self.hypothesis()
        goals = self.chain()
        self.expect("")
        if len(goals) != 1:
            raise Unreadable("the goal is a single relation")
        return Statement(tuple(self.names), tuple(hypotheses), goals[0])

    def hypothesis(self) -> list[Relation]:
        first = self.sum()
        if isinstance(first, Variable) and self.peek() in (",", ":"):
            return []  # a bare name declares a variable
        if self.peek() != "in":
            return self.chain(first)
        self.take()
        opening = self.expect("[", "(")
        low = None if self.is_infinite() else self.sum()
        self.expect(",")
        high = None if self.is_infinite() else self.sum()
        closing = self.expect("]", ")")
        found = [Relation(">=" if opening == "[" else ">", first, low)] if low is not None else []
        return found + ([Relation("<=" if closing == "]" else "<", first, high)] if high is not None else [])

    def is_infinite(self) -> bool:
        ahead = self.tokens[self.at : self.at + 2]
        skip = 1 if ahead[:1] == ["oo"] else 2 if ahead == ["-", "oo"] else 0
        self.at += skip
        return skip > 0

    def chain(self, first: Expression | None = None) -> list[Relation]:
        sides = [self.sum() if first is None else first]
        relations: list[Relation] = []
        while self.peek() in _RELATIONS:
            op = self.take()
            sides.append(self.sum())
            relations.append(Relation(op, sides[-2], sides[-1]))
        if not relations:
            raise Unreadable(f"{self.peek() or 'the end'!r} where a relation was expected")
        return relations

    def sum(self) -> Expression:
        total = self.product()
        while self.peek() in ("+", "-"):
            total = Operation(self.take(), total, self.product())
        return total

    def product(self) -> Expression:
        total = self.factor()
        while self.peek() in ("*", "/"):
            total = Operation(self.take(), total, self.factor())
        return total

    def factor(self) -> Expression:
        if self.peek() == "-":
            self.take()
            return Operation("-", Number(Fraction(0)), self.factor())
        base = self.atom()
        if self.peek() != "^":
            return base
        self.take()
        exponent = self.take()
        if not exponent.isdecimal():
            raise Unreadable(f"{exponent!r} is no exponent")
        return Power(base, int(exponent))

    def atom(self) -> Expression:
        token = self.take()
        if token == "(":
            inner = self.sum()
            self.expect(")")
            return inner
        if token[:1].isdigit():
            return Number(Fraction(token))
        if not token[:1].isalpha() or token in ("forall", "in", "oo"):
            raise Unreadable(f"{token or 'the end'!r} where a number, a variable or ( was expected")
        self.names.setdefault(token)
        return Variable(token)
