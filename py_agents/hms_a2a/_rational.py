"""Exact ratios: ``"3/10"`` on the wire, in lowest terms, the sign in front, ``"3"`` and never ``"3/1"``."""

from __future__ import annotations

import re
from fractions import Fraction

_FORM = re.compile(r"(0|-?[1-9][0-9]*)(?:/([1-9][0-9]*|0))?")
_LONGEST_CHARS = 40
_LEAST, _MOST = -(2**63), 2**63 - 1


def read_rational(text: object) -> Fraction:
    """Read a ratio, canonical form only. Raises `ValueError`."""
    if not isinstance(text, str):
        raise ValueError(f"a ratio is a string such as '3/10', not {type(text).__name__}")
    form = _FORM.fullmatch(text) if len(text) <= _LONGEST_CHARS else None
    if form is None:
        raise ValueError(f"a ratio reads like '3/10' or '-3', not {text[:64]!r}")
    top, bottom = form.groups()
    if bottom is None and len(top) < 19:
        return Fraction(int(top))
    numerator, denominator = int(top), int(bottom or 1)
    if not (_LEAST <= numerator <= _MOST and denominator <= _MOST):
        raise ValueError(f"the numerator and denominator of {text!r} must fit 64 bits")
    if bottom is not None and denominator < 2:
        raise ValueError(f"the denominator of {text!r} must be at least 2; whole numbers have none")
    ratio = Fraction(numerator, denominator)
    if ratio.denominator != denominator:
        raise ValueError(f"{text!r} is not in lowest terms")
    return ratio


def write_rational(ratio: Fraction) -> str:
    """Write a ratio. Raises `ValueError` where a part does not fit 64 bits."""
    if not (_LEAST <= ratio.numerator <= _MOST and ratio.denominator <= _MOST):
        raise ValueError(f"the numerator and denominator of {ratio} must fit 64 bits")
    return str(ratio)
