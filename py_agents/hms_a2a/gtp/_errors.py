"""What the prover raises, all of it an `HmsError`."""

from __future__ import annotations

from hms_a2a._errors import HmsError


class BadClaim(HmsError):
    """A claim that cannot be read: `column` (1-based, in characters) in a text, `field` in a body."""

    def __init__(self, reason: str, *, column: int | None = None, field: str = "") -> None:
        where = f"column {column}: " if column is not None else f"{field}: " if field else ""
        super().__init__(where + reason)
        self.reason = reason
        self.column = column
        self.field = field


class BadEvidence(HmsError):
    """A certificate or counterexample that does not show what it should: `where` is the node, leaf or term."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}" if where else reason)
        self.where = where
        self.reason = reason
