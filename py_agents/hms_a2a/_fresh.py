"""Random bytes for names that nobody guesses: nonces, questions.

They are the system's, fetched for many names at once, since asking the system is most of what a name costs.
"""

from __future__ import annotations

import os

_SIZE = 16
_AT_ONCE = 256

_kept: list[bytes] = []


def fresh() -> bytes:
    """16 bytes that were never given before."""
    try:
        return _kept.pop()
    except IndexError:
        drawn = os.urandom(_SIZE * _AT_ONCE)
        _kept.extend(drawn[at : at + _SIZE] for at in range(_SIZE, len(drawn), _SIZE))
        return drawn[:_SIZE]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_kept.clear)  # or both would give the same
