"""The readable form of claims: ``forall x in [0,1], y >= 0: x^2 + y >= x*y``.

It exists at the edges only, for people; what is hashed and proved is the body it stands for. ``docs/claims.md`` has
the grammar, and its vectors are run here as in Rust. A text that cannot be read gets the column (1-based, in
characters) and the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flint import fmpq

from hms_a2a.gtp._claim import Claim, Relation
from hms_a2a.gtp._errors import BadClaim
from hms_a2a.gtp._poly import Poly

if TYPE_CHECKING:
    from hms_a2a.gtp._claim import Sign
    from hms_a2a.gtp._poly import Monomial, Q

_MOST_DEPTH: Final = 64
_MOST_CHARS: Final = 100_000
_RELATIONS: Final = (">=", "<=", ">", "<", "=")
_PUNCTUATION: Final = "+-*/^()[],:"


@dataclass(frozen=True)
class _Token:
    kind: str  # "name", "number", "end", or the sign itself
    text: str
    column: int


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        char = text[at]
        column = at + 1
        if char in " \t\r\n":
            at += 1
        elif char.isascii() and char.isalpha():
            end = at
            while end < len(text) and text[end].isascii() and (text[end].isalnum() or text[end] == "_"):
                end += 1
            found.append(_Token("name", text[at:end], column))
            at = end
        elif char.isascii() and char.isdigit():
            end = at
            while end < len(text) and text[end].isascii() and text[end].isdigit():
                end += 1
            if end < len(text) and text[end] == ".":
                whole = end
                end += 1
                while end < len(text) and text[end].isascii() and text[end].isdigit():
                    end += 1
                if end == whole + 1:
                    raise BadClaim("digits are expected after the decimal point", column=end + 1)
            found.append(_Token("number", text[at:end], column))
            at = end
        elif text[at : at + 2] in (">=", "<="):
            found.append(_Token(text[at : at + 2], text[at : at + 2], column))
            at += 2
        elif char in "><=" or char in _PUNCTUATION:
            found.append(_Token(char, char, column))
            at += 1
        else:
            raise BadClaim(f"{char!r} has no meaning here", column=column)
    found.append(_Token("end", "", len(text) + 1))
    return found


def parse_claim(text: str) -> Claim:
    """Read a claim. Raises `BadClaim` with the column of the mistake."""
    if len(text) > _MOST_CHARS:
        raise BadClaim(f"at most {_MOST_CHARS} characters", column=_MOST_CHARS + 1)
    tokens = _tokens(text)
    return _Reader(tokens).claim()


class _Reader:
    """Recursive descent, bounded in depth."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        names: dict[str, int] = {}
        for k, token in enumerate(tokens):
            if token.kind == "name" and not _is_word(token, k):
                names.setdefault(token.text, len(names))
        self._names = names
        self._n = len(names)

    @property
    def _now(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _take(self, kind: str) -> bool:
        if self._now.kind == kind:
            self._next()
            return True
        return False

    def _expect(self, kind: str, what: str) -> _Token:
        if self._now.kind != kind:
            raise self._bad(f"{what} is expected")
        return self._next()

    def _bad(self, reason: str, token: _Token | None = None) -> BadClaim:
        return BadClaim(reason, column=(token or self._now).column)

    def claim(self) -> Claim:
        hypotheses: list[Relation] = []
        if self._now.kind == "name" and self._now.text == "forall":
            self._next()
            while True:
                hypotheses += self._hypothesis()
                if not self._take(","):
                    break
            self._expect(":", "',' or ':'")
        left = self._sum()
        if self._now.kind not in _RELATIONS:
            raise self._bad("a relation is expected")
        goal = _relation(left, self._next().kind, self._sum())
        if self._now.kind != "end":
            raise self._bad("the claim has ended before")
        return Claim(tuple(self._names), tuple(hypotheses), goal)

    def _hypothesis(self) -> list[Relation]:
        following = self._tokens[min(self._at + 1, len(self._tokens) - 1)]
        if self._now.kind == "name" and following.kind in (",", ":"):
            self._next()
            return []
        chain = [self._sum()]
        if self._now.kind == "name" and self._now.text == "in":
            return self._interval(chain[0])
        found: list[Relation] = []
        while self._now.kind in _RELATIONS:
            how = self._next().kind
            chain.append(self._sum())
            found.append(_relation(chain[-2], how, chain[-1]))
        if not found:
            raise self._bad("a relation is expected")
        return found

    def _interval(self, inside: Poly) -> list[Relation]:
        self._next()
        opening = self._next()
        if opening.kind not in ("[", "("):
            raise self._bad("'[' or '(' is expected", opening)
        start = self._now
        low = self._end("-")
        self._expect(",", "','")
        high = self._end("+")
        if low is not None and high is not None and low.is_constant and high.is_constant and low.at_zero > high.at_zero:
            raise self._bad("the interval is empty: its lower end exceeds the upper one", start)
        closing = self._next()
        if closing.kind not in ("]", ")"):
            raise self._bad("']' or ')' is expected", closing)
        found = []
        if low is not None:
            found.append(_relation(inside, ">=" if opening.kind == "[" else ">", low))
        if high is not None:
            found.append(_relation(inside, "<=" if closing.kind == "]" else "<", high))
        return found

    def _end(self, side: str) -> Poly | None:
        """An end of an interval; None for no bound on this side."""
        start = self._now
        if start.kind == "-" and self._tokens[self._at + 1].text == "oo":
            if side == "+":
                raise self._bad("an interval cannot end at -oo")
            self._at += 2
            return None
        if start.text == "oo":
            if side == "-":
                raise self._bad("an interval cannot begin at oo")
            self._next()
            return None
        return self._sum()

    def _sum(self) -> Poly:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise self._bad(f"deeper than {_MOST_DEPTH} levels")
        total = self._product()
        while self._now.kind in ("+", "-"):
            sign = self._next().kind
            term = self._product()
            total = total + term if sign == "+" else total - term
        self._depth -= 1
        return total

    def _product(self) -> Poly:
        total = self._unary()
        while True:
            if self._now.kind == "*":
                self._next()
                total = total * self._unary()
            elif self._now.kind == "/":
                self._next()
                start = self._now
                by = self._unary()
                if not by.is_constant:
                    raise self._bad("only constants divide", start)
                if not by:
                    raise self._bad("division by 0", start)
                total = total.scale(1 / by.at_zero)
            elif self._now.kind in ("name", "number", "(") and not _is_word(self._now, self._at):
                raise self._bad("'*' is expected: products are written out")
            else:
                return total

    def _unary(self) -> Poly:
        negative = False
        while self._now.kind in ("-", "+"):
            negative ^= self._next().kind == "-"
        power = self._power()
        return -power if negative else power

    def _power(self) -> Poly:
        base = self._atom()
        if self._take("^"):
            token = self._now
            if token.kind != "number" or not token.text.isdigit():
                raise self._bad("an exponent is a whole number")
            self._next()
            exponent = int(token.text)
            if exponent > 32 or base.degree * exponent > 64:
                raise self._bad("the degree is too high", token)
            return base**exponent
        return base

    def _atom(self) -> Poly:
        token = self._next()
        if token.kind == "number":
            whole, _, part = token.text.partition(".")
            return Poly.constant(self._n, fmpq(int(whole + part), 10 ** len(part)))
        if token.kind == "name" and token.text in self._names:
            return Poly.variable(self._n, self._names[token.text])
        if token.kind == "(":
            inner = self._sum()
            self._expect(")", "')'")
            return inner
        raise self._bad("a number, a variable or '(' is expected", token)


def _is_word(token: _Token, at: int) -> bool:
    """Whether a name is one of the grammar's own."""
    return (token.text == "forall" and at == 0) or token.text in ("in", "oo")


def _relation(left: Poly, how: str, right: Poly) -> Relation:
    sign: Sign = ">=" if how in (">=", "<=") else ">" if how in (">", "<") else "="
    return Relation(sign, right - left if how in ("<=", "<") else left - right)


def print_claim(claim: Claim) -> str:
    """The readable form of a claim; reading it gives the same polynomials."""
    names = claim.variables
    goal = f"{print_poly(claim.goal.poly, names)} {claim.goal.sign} 0"
    given = ", ".join(f"{print_poly(h.poly, names)} {h.sign} 0" for h in claim.hypotheses)
    return f"forall {given}: {goal}" if given else goal


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
