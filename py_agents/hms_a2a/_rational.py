"""Exact ratios: ``"3/10"`` on the wire, in lowest terms, the sign in front, ``"3"`` and never ``"3/1"``.

A `Fraction` in a message has parts of 64 bits, as a party states them. A `Ratio` has parts of thousands of bits, as
proofs need them.
"""

from __future__ import annotations

import re
from fractions import Fraction
from math import gcd

from hms_a2a._limits import MAX_COEFFICIENT_BITS

_FORM = re.compile(r"(0|-?[1-9][0-9]*)(?:/([1-9][0-9]*|0))?")
_LONGEST_CHARS = 40
_LEAST, _MOST = -(2**63), 2**63 - 1
_MOST_DIGITS = MAX_COEFFICIENT_BITS * 3 // 10 + 6


class Ratio(Fraction):
    """A coefficient of a claim or a certificate. Arithmetic on it gives a `Fraction`: wrap what goes into a message."""

    __slots__ = ()


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


def read_ratio(text: object) -> Ratio:
    """Read a ratio of any size, canonical form only. Raises `ValueError`."""
    if not isinstance(text, str):
        raise ValueError(f"a ratio is a string such as '3/10', not {type(text).__name__}")
    form = _FORM.fullmatch(text) if len(text) <= 2 * _MOST_DIGITS + 2 else None
    if form is None:
        raise ValueError(f"a ratio reads like '3/10' or '-3', not {text[:64]!r}")
    top, bottom = form.groups()
    if bottom is None and len(top) < 19:
        return Ratio(int(top))
    if max(len(top), len(bottom or "")) > _MOST_DIGITS + 1:
        raise ValueError(f"the numerator and denominator of {text[:64]!r} must fit {MAX_COEFFICIENT_BITS} bits")
    numerator, denominator = int(top), int(bottom or 1)
    if max(numerator.bit_length(), denominator.bit_length()) > MAX_COEFFICIENT_BITS:
        raise ValueError(f"the numerator and denominator of {text[:64]!r} must fit {MAX_COEFFICIENT_BITS} bits")
    if bottom is not None and denominator < 2:
        raise ValueError(f"the denominator of {text[:64]!r} must be at least 2; whole numbers have none")
    if denominator > 1 and gcd(numerator, denominator) != 1:
        raise ValueError(f"{text[:64]!r} is not in lowest terms")
    return Ratio(numerator, denominator)


def write_ratio(ratio: Fraction) -> str:
    """Write a ratio of any size. Raises `ValueError` where a part has too many bits."""
    if max(ratio.numerator.bit_length(), ratio.denominator.bit_length()) > MAX_COEFFICIENT_BITS:
        raise ValueError(f"the numerator and denominator of a ratio must fit {MAX_COEFFICIENT_BITS} bits")
    return str(ratio)
