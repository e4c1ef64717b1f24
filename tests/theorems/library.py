"""The theorems, read from `library/*.toml`; a field of mathematics a file."""

from __future__ import annotations

import tomllib
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from theorems.statement import Expression, Point, Statement, read, read_expression

FOLDER = Path(__file__).with_name("library")
#: How many theorems may come from one template.
MOST_OF_A_TEMPLATE = 5
#: What may be written of a theorem.
FIELDS = {"id", "claim", "truth", "template", "source", "at", "where", "empty", "actually", "why"}


class Theorem(NamedTuple):
    """A statement and what is known of it."""

    id: str
    #: The file that it stands in.
    field: str
    claim: str
    #: `true`, `false`, or `beyond`: beyond our means, where *unknown* is a good answer.
    truth: str
    #: What it is one of several variations of.
    template: str
    #: Paper, book or contest, or the definition that it was derived from.
    source: str
    #: Where a false one fails.
    at: Point
    #: Points that satisfy the hypotheses, in terms of fresh parameters, where they aren't found by trying.
    where: dict[str, str]
    #: Why no rational point satisfies the hypotheses, where none does.
    empty: str
    #: For `beyond`: whether it is `true` or `false` all the same.
    actually: str
    #: For `beyond`: why no certificate of ours, or no rational point, decides it.
    why: str

    @property
    def holds(self) -> bool:
        """Whether it is true, decided or not."""
        return "true" in (self.truth, self.actually)

    @property
    def statement(self) -> Statement:
        """The claim, read."""
        return _read(self.claim)

    @property
    def parameters(self) -> dict[str, Expression]:
        """`where`, read."""
        return {name: read_expression(text) for name, text in self.where.items()}


@cache
def _read(claim: str) -> Statement:
    return read(claim)


def load(*paths: Path) -> list[Theorem]:
    """Every theorem of these files, or of the library, by file and in the order written."""
    return [
        _theorem(path.stem, written)
        for path in paths or sorted(FOLDER.glob("*.toml"))
        for written in tomllib.loads(path.read_text(encoding="utf-8"))["theorem"]
    ]


def _theorem(field: str, written: dict[str, Any]) -> Theorem:
    unknown = written.keys() - FIELDS
    if unknown:
        raise ValueError(f"{written.get('id')}: what is {', '.join(sorted(unknown))}?")
    return Theorem(
        id=written["id"],
        field=field,
        claim=" ".join(written["claim"].split()),
        truth=written["truth"],
        template=written["template"],
        source=written["source"],
        at={name: Fraction(number) for name, number in written.get("at", {}).items()},
        where=written.get("where", {}),
        empty=written.get("empty", ""),
        actually=written.get("actually", ""),
        why=written.get("why", ""),
    )
