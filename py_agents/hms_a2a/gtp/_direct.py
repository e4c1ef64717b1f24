"""Claims that take no search, from wire to wire: nearly all claims of deals.

Where the cores are built for this Python, a linear claim that the bounds of its variables prove is read, proved and
checked by the kernel there, in microseconds. Elsewhere, and for any other claim, the same attempts are made here, and
what they find is written, read again and checked as a stranger's evidence would be.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from hms_a2a.gtp._claim import Claim
from hms_a2a.gtp._prove import Outcome, prove_at_once

if TYPE_CHECKING:
    from collections.abc import Callable

_by_bounds: Callable[[bytes], bytes | None] | None
try:
    from hms_a2a._native import prove_by_bounds as _by_bounds
except ImportError:
    _by_bounds = None


def proved_at_once(body: bytes) -> tuple[bytes, Outcome] | None:
    """The hash of a claim that its bounds prove, and its proof; None where that takes more, or cannot be told here."""
    if _by_bounds is None:
        return None
    began = time.monotonic()
    evidence = _by_bounds(body)
    if evidence is None:
        return None
    return hashlib.sha256(body).digest(), Outcome("proved", evidence, 0, (time.monotonic() - began) * 1000, "box")


def at_once(body: bytes) -> tuple[Claim, Outcome | None]:
    """A claim, and what takes next to no time to find out about it, if anything does. Raises `BadClaim`."""
    claim = Claim.from_bytes(body)
    return claim, prove_at_once(claim)
