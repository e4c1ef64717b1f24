"""The readable form of claims: ``forall x in [0,1], y >= 0: x^2 + y >= x*y``.

It exists at the edges only, for people; what is hashed and proved is the body it stands for. The crate `schemas` reads
and writes the same grammar, with the same columns (1-based, in characters) and reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from flint import fmpq

from hms_a2a._limits import (
    MAX_CLAIM_CHARS,
    MAX_COEFFICIENT_BITS,
    MAX_DEGREE,
    MAX_HYPOTHESES,
    MAX_INFIX_EXPANSION,
    MAX_INFIX_NESTING,
    MAX_POLY_TERMS,
    MAX_TOKEN_CHARS,
    MAX_VARIABLES,
)
from hms_a2a.gtp._claim import Claim, Relation
from hms_a2a.gtp._errors import BadClaim
from hms_a2a.gtp._poly import Poly

if TYPE_CHECKING:
    from hms_a2a.gtp._claim import Sign
    from hms_a2a.gtp._poly import Monomial, Q

_RELATIONS: Final = (">=", "<=", ">", "<", "=")
#: The longer before the shorter.
_SIGNS: Final = (*_RELATIONS, "+", "-", "*", "/", "^", "(", ")", "[", "]", ",", ":")
_RESERVED: Final = ("forall", "in", "oo")


@dataclass(frozen=True)
class _Token:
    kind: str  # "name", "number", "end", or the sign itself
    text: str
    column: int


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        first, column = text[at], at + 1
        if first in " \t\r\n":
            at += 1
            continue
        if first.isascii() and first.isdigit():
            token = _number(text, at)
        elif first.isascii() and first.isalpha():
            end = at
            while end < len(text) and text[end].isascii() and (text[end].isalnum() or text[end] == "_"):
                end += 1
            token = _Token("name", text[at:end], column)
        else:
            sign = next((sign for sign in _SIGNS if text.startswith(sign, at)), None)
            if sign is None:
                raise BadClaim(f"{first!r} has no meaning here", column=column)
            token = _Token(sign, sign, column)
        found.append(token)
        at += len(token.text)
    found.append(_Token("end", "", len(text) + 1))
    return found


def _number(text: str, at: int) -> _Token:
    def digits(start: int) -> int:
        end = start
        while end < len(text) and text[end].isascii() and text[end].isdigit():
            end += 1
        return end

    end = digits(at)
    if text.startswith(".", end):
        point, end = end, digits(end + 1)
        if end == point + 1:
            raise BadClaim("digits must follow the point", column=point + 1)
    return _Token("number", text[at:end], at + 1)


def parse_claim(text: str) -> Claim:
    """Read a claim. Raises `BadClaim` with the column of the mistake."""
    if len(text) > MAX_CLAIM_CHARS:
        raise BadClaim(f"longer than {MAX_CLAIM_CHARS} characters", column=MAX_CLAIM_CHARS + 1)
    return _Reader(_tokens(text)).claim()


class _Reader:
    """Recursive descent, bounded in depth and in what it multiplies out."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._nesting = 0
        self._expansion = 0
        names = dict.fromkeys(token.text for token in tokens if token.kind == "name" and token.text not in _RESERVED)
        self._names = {name: index for index, name in enumerate(names)}
        self._n = min(len(names), MAX_VARIABLES)

    @property
    def _now(self) -> _Token:
        return self._tokens[self._at]

    @property
    def _following(self) -> _Token:
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def _takes(self, kind: str) -> bool:
        if self._now.kind != kind:
            return False
        self._at += 1
        return True

    def _wants(self, kind: str, reason: str) -> None:
        if not self._takes(kind):
            self._fails(reason)

    def _fails(self, reason: str, column: int | None = None) -> NoReturn:
        raise BadClaim(reason, column=self._now.column if column is None else column)

    def claim(self) -> Claim:
        hypotheses: list[Relation] = []
        if self._now.kind == "name" and self._now.text == "forall":
            self._at += 1
            self._hypothesis(hypotheses)
            while self._takes(","):
                self._hypothesis(hypotheses)
            self._wants(":", "expected , or : after a hypothesis")
        goal = self._goal()
        return Claim(tuple(self._names), tuple(hypotheses), goal)

    def _goal(self) -> Relation:
        column = self._now.column
        left = self._expression()
        how = self._relation()
        right = self._expression()
        if self._now.kind in (*_RELATIONS, ","):
            self._fails("a goal is one relation")
        if self._now.kind == ":":
            self._fails("hypotheses begin with forall")
        if self._now.kind != "end":
            self._fails("expected the end of the claim")
        return self._compared(left, how, right, column)

    def _hypothesis(self, into: list[Relation]) -> None:
        column = self._now.column
        if self._now.kind == "name" and self._following.kind == "name" and self._following.text == "in":
            subject = self._variable(self._now.text)
            self._at += 2
            self._interval(subject, column, into)
            return
        if self._now.kind == "name" and self._following.kind in (",", ":"):
            self._variable(self._now.text)
            self._at += 1
            return
        left = self._expression()
        how = self._relation()
        while True:
            right = self._expression()
            self._add(left, how, right, column, into)
            if self._now.kind not in _RELATIONS:
                return
            how = self._relation()
            left = right

    def _interval(self, subject: Poly, column: int, into: list[Relation]) -> None:
        opening = self._now.kind
        if opening not in ("[", "("):
            self._fails("expected [ or ( after in")
        self._at += 1
        start = self._now.column
        low = self._end("-")
        self._wants(",", "expected , between the ends of an interval")
        high = self._end("")
        closing = self._now.kind
        if closing not in ("]", ")"):
            self._fails("expected ] or ) after an interval")
        self._at += 1
        if low is not None and high is not None and low.is_constant and high.is_constant and low.at_zero > high.at_zero:
            self._fails(f"the lower end {low.at_zero} exceeds the upper end {high.at_zero}", start)
        if low is not None:
            self._add(subject, ">=" if opening == "[" else ">", low, column, into)
        if high is not None:
            self._add(subject, "<=" if closing == "]" else "<", high, column, into)

    def _end(self, sign: str) -> Poly | None:
        """An end of an interval; None for no bound: `-oo` below and `oo` above."""
        if sign and self._now.kind == sign and self._following.text == "oo":
            self._at += 2
            return None
        if not sign and self._now.text == "oo":
            self._at += 1
            return None
        return self._expression()

    def _add(self, left: Poly, how: str, right: Poly, column: int, into: list[Relation]) -> None:
        if len(into) >= MAX_HYPOTHESES:
            self._fails(f"at most {MAX_HYPOTHESES} hypotheses", column)
        into.append(self._compared(left, how, right, column))

    def _compared(self, left: Poly, how: str, right: Poly, column: int) -> Relation:
        sign: Sign = ">=" if how in (">=", "<=") else ">" if how in (">", "<") else "="
        return Relation(sign, self._within(right - left if how in ("<=", "<") else left - right, column))

    def _relation(self) -> str:
        if self._now.kind not in _RELATIONS:
            self._fails("expected >=, >, =, <= or <")
        self._at += 1
        return self._tokens[self._at - 1].kind

    def _expression(self) -> Poly:
        total = self._product()
        while self._now.kind in ("+", "-"):
            sign, column = self._now.kind, self._now.column
            self._at += 1
            term = self._product()
            total = self._within(total + term if sign == "+" else total - term, column)
        return total

    def _product(self) -> Poly:
        total = self._signed()
        while True:
            column = self._now.column
            if self._takes("*"):
                total = self._multiplied(total, self._signed(), column)
            elif self._takes("/"):
                column = self._now.column
                by = self._signed()
                if not by.is_constant:
                    self._fails("only a constant may divide", column)
                if not by:
                    self._fails("a division by nought", column)
                total = self._within(total.scale(1 / by.at_zero), column)
            elif self._now.kind in ("name", "number", "(") and self._now.text != "in":
                self._fails("a * must stand between factors")
            else:
                return total

    def _signed(self) -> Poly:
        """A minus binds looser than a power: −x² is −(x²)."""
        negative = False
        while self._takes("-"):
            negative = not negative
        power = self._power()
        return -power if negative else power

    def _power(self) -> Poly:
        base = self._primary()
        column = self._now.column
        if not self._takes("^"):
            return base
        digits = self._now.text if self._now.kind == "number" else ""
        exponent = int(digits) if digits.isdigit() and len(digits) <= len(str(2**32)) else MAX_COEFFICIENT_BITS + 1
        if exponent > MAX_COEFFICIENT_BITS:
            self._fails(f"an exponent is a whole number from 0 to {MAX_COEFFICIENT_BITS}")
        self._at += 1
        if self._now.kind == "^":
            self._fails("a power of a power needs parentheses")
        if base.is_constant:
            value = base.at_zero
            bits = max(int(value.p).bit_length(), int(value.q).bit_length())
            if (bits - 1) * exponent > MAX_COEFFICIENT_BITS:
                self._fails(f"a coefficient has more than {MAX_COEFFICIENT_BITS} bits", column)
            return self._within(Poly.constant(self._n, value**exponent), column)
        if exponent > MAX_DEGREE:
            self._fails(f"the degree is above {MAX_DEGREE}", column)
        power = Poly.constant(self._n, 1)
        for _ in range(exponent):
            power = self._multiplied(power, base, column)
        return power

    def _primary(self) -> Poly:
        token = self._now
        if token.kind == "number":
            self._at += 1
            return self._constant(token)
        if token.kind == "name":
            variable = self._variable(token.text)
            self._at += 1
            return variable
        if token.kind != "(":
            self._fails("expected a number, a variable or (")
        self._nesting += 1
        if self._nesting > MAX_INFIX_NESTING:
            self._fails(f"nested deeper than {MAX_INFIX_NESTING} parentheses")
        self._at += 1
        inner = self._expression()
        self._wants(")", "expected )")
        self._nesting -= 1
        return inner

    def _constant(self, token: _Token) -> Poly:
        reason = f"a number of more than {MAX_COEFFICIENT_BITS} bits"
        if len(token.text) > MAX_COEFFICIENT_BITS:
            self._fails(reason, token.column)
        whole, _, part = token.text.partition(".")
        value = fmpq(int(whole + part), 10 ** len(part))
        if max(int(value.p).bit_length(), int(value.q).bit_length()) > MAX_COEFFICIENT_BITS:
            self._fails(reason, token.column)
        return Poly.constant(self._n, value)

    def _variable(self, name: str) -> Poly:
        if name in _RESERVED:
            self._fails(f"{name} is no variable")
        if len(name) > MAX_TOKEN_CHARS:
            self._fails(f"a variable has at most {MAX_TOKEN_CHARS} characters")
        if self._names[name] >= MAX_VARIABLES:
            self._fails(f"at most {MAX_VARIABLES} variables")
        return Poly.variable(self._n, self._names[name])

    def _multiplied(self, a: Poly, b: Poly, column: int) -> Poly:
        self._expansion += len(a.terms) * len(b.terms)
        if self._expansion > MAX_INFIX_EXPANSION:
            self._fails(f"more than {MAX_INFIX_EXPANSION} products of terms", column)
        if a.degree + b.degree > MAX_DEGREE:
            self._fails(f"the degree is above {MAX_DEGREE}", column)
        return self._within(a * b, column)

    def _within(self, poly: Poly, column: int) -> Poly:
        """A polynomial within the limits of the wire."""
        if len(poly.terms) > MAX_POLY_TERMS:
            self._fails(f"more than {MAX_POLY_TERMS} terms", column)
        if poly.degree > MAX_DEGREE:
            self._fails(f"the degree is above {MAX_DEGREE}", column)
        for coef in poly.terms.values():
            if max(int(coef.p).bit_length(), int(coef.q).bit_length()) > MAX_COEFFICIENT_BITS:
                self._fails(f"a coefficient has more than {MAX_COEFFICIENT_BITS} bits", column)
        return poly


def print_claim(claim: Claim) -> str:
    """The readable form of a claim; reading it gives the same claim, but for its witness."""
    names = claim.variables
    parts: list[str] = []
    rest = list(claim.hypotheses)
    while rest:
        pair = _print_interval(rest[0], rest[1], names) if len(rest) > 1 else None
        parts.append(pair or _print_relation(rest[0], names))
        rest = rest[2 if pair else 1 :]
    goal = _print_relation(claim.goal, names)
    short = f"forall {', '.join(parts)}: {goal}" if parts else goal
    try:
        if parse_claim(short).variables == names:
            return short
    except BadClaim:
        pass
    # Names that come in another order, or nowhere, are said first.
    said = [*names, *parts]
    return f"forall {', '.join(said)}: {goal}" if said else goal


def _print_interval(low: Relation, high: Relation, names: tuple[str, ...]) -> str | None:
    """`x in [a, b]`, where these are the bounds of one variable."""
    least, most = _bound(low, 1), _bound(high, -1)
    if least is None or most is None or least[0] != most[0] or least[1] > most[1]:
        return None
    opening, closing = "[" if low.sign == ">=" else "(", "]" if high.sign == ">=" else ")"
    return f"{names[least[0]]} in {opening}{least[1]}, {most[1]}{closing}"


def _bound(relation: Relation, slope: int) -> tuple[int, Q] | None:
    """The variable and its bound, where the relation is x − bound (slope 1) or bound − x (slope −1)."""
    used = relation.poly.used()
    if relation.sign == "=" or relation.poly.degree != 1 or len(used) != 1:
        return None
    (index,) = used
    if next(c for m, c in relation.poly.terms.items() if any(m)) != slope:
        return None
    return index, -slope * relation.poly.at_zero


def _print_relation(relation: Relation, names: tuple[str, ...]) -> str:
    """What is subtracted stands on the other side."""

    def side(is_left: bool) -> str:
        terms = [_print_term(m, abs(c), names) for m, c in relation.poly.ordered() if bool(c > 0) == is_left]
        return " + ".join(terms) or "0"

    return f"{side(True)} {relation.sign} {side(False)}"


def print_poly(poly: Poly, names: tuple[str, ...]) -> str:
    """The readable form of a polynomial: its terms in graded lexicographic order, largest first."""
    text = ""
    for monomial, coef in poly.ordered():
        sign = "-" if coef < 0 else "+"
        text += f" {sign} " if text else "-" if coef < 0 else ""
        text += _print_term(monomial, abs(coef), names)
    return text or "0"


def _print_term(monomial: Monomial, coef: Q, names: tuple[str, ...]) -> str:
    powers = "*".join(names[index] if e == 1 else f"{names[index]}^{e}" for index, e in enumerate(monomial) if e)
    if not powers:
        return str(coef)
    return powers if coef == 1 else f"{coef}*{powers}"
