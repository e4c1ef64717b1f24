"""Signatures: the library of the cores and libsodium give the same bytes, and the same verdict on whatever is sent."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import nacl.bindings as sodium
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hms_a2a import _ed25519 as ed25519

try:
    from hms_a2a import _native
except ImportError:
    can_sign = False
else:
    can_sign = hasattr(_native, "Signer")

Verify = Callable[[bytes, bytes, bytes], bool]

needs_native = pytest.mark.skipif(not can_sign, reason="NOT TESTED: the cores are not built (make build)")
VERIFIERS = [
    pytest.param(ed25519.sodium_verify, id="libsodium"),
    pytest.param(_native.verify if can_sign else None, id="the cores", marks=needs_native),
]

SEED = bytes(range(32))
PUBLIC, _ = sodium.crypto_sign_seed_keypair(SEED)
MESSAGE = b"I give 3 of wheat"
#: The order of the group that signatures live in, and the prime of the field under the curve.
L = 2**252 + 27742317777372353535851937790883648493
P = 2**255 - 19


def number(text: bytes) -> int:
    return int.from_bytes(text, "little")


def spelt(value: int) -> bytes:
    return value.to_bytes(32, "little")


def mirrored(point: bytes) -> bytes:
    """The same but for the sign of x."""
    return point[:31] + bytes([point[31] ^ 0x80])


def plus(point: bytes, other: bytes) -> bytes:
    return sodium.crypto_core_ed25519_add(point, other)


def times_base(scalar: int) -> bytes:
    return sodium.crypto_scalarmult_ed25519_base_noclamp(spelt(scalar % L))


#: The point that is no turn, and those that come back to it after 2, 4 and 8.
IDENTITY, TWO, FOUR = spelt(1), spelt(P - 1), spelt(0)
EIGHT = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
SMALL = {
    "of order 1": IDENTITY,
    "of order 2": TWO,
    "of order 4": FOUR,
    "of order 4, mirrored": mirrored(FOUR),
    "of order 8": EIGHT,
    "of order 8, mirrored": mirrored(EIGHT),
    "of order 8, the other": plus(EIGHT, FOUR),
    "of order 8, the other mirrored": mirrored(plus(EIGHT, FOUR)),
}
#: Further spellings, of points of small order and of others.
UNUSUAL = {
    "1 as p + 1": spelt(P + 1),
    "1 with the sign of x, which is 0": mirrored(IDENTITY),
    "1 as p + 1, with the sign of x": mirrored(spelt(P + 1)),
    "p − 1 with the sign of x, which is 0": mirrored(TWO),
    "0 as p": spelt(P),
    "0 as p, mirrored": mirrored(spelt(P)),
    **{f"{y} as p + {y}": spelt(P + y) for y in range(2, 19)},
}


class Signed(NamedTuple):
    """What somebody who knows the rules sends."""

    public: bytes
    signature: bytes
    message: bytes = MESSAGE

    def altered(self, at: int, by: int) -> Signed:
        text = bytearray(self.signature)
        text[at] ^= by
        return self._replace(signature=bytes(text))


def scalar_of(seed: bytes) -> int:
    clamped = bytearray(hashlib.sha512(seed).digest()[:32])
    clamped[0] &= 248
    clamped[31] = clamped[31] & 127 | 64
    return number(bytes(clamped))


SECRET = scalar_of(SEED)


def crafted(
    *, secret: int = SECRET, part: bytes = IDENTITY, nonce: int = 12345, r: bytes | None = None, modulo_8: int = 0
) -> Signed:
    """A signature by the point of `secret` with a `part` of small order; R is of the nonce, unless another is given.

    The message is one whose challenge is `modulo_8`, so that the equation has as many of the part in it.
    """
    public = plus(times_base(secret), part) if secret else part
    r = times_base(nonce) if r is None else r
    for tried in range(1000):
        message = b"%d" % tried
        challenge = number(hashlib.sha512(r + public + message).digest()) % L
        if challenge % 8 == modulo_8:
            return Signed(public, r + spelt((nonce + challenge * secret) % L), message)
    raise AssertionError("no message of a thousand")


GOOD = Signed(PUBLIC, ed25519.sodium_signer(SEED)(MESSAGE))
S = number(GOOD.signature[32:])

HOLD = {
    "what was signed": GOOD,
    "nothing": Signed(PUBLIC, ed25519.sodium_signer(SEED)(b""), b""),
    "with a nonce of the signer's choice": crafted(),
    "by a key of mixed order, of which nothing is left": crafted(part=EIGHT),
}
FAIL = {
    "another message": GOOD._replace(message=MESSAGE + b"0"),
    "no message": GOOD._replace(message=b""),
    "another key": GOOD._replace(public=sodium.crypto_sign_seed_keypair(bytes(32))[0]),
    "R changed": GOOD.altered(0, 1),
    "the sign of R changed": GOOD.altered(31, 0x80),
    "S changed": GOOD.altered(32, 1),
    "S with its highest bit": GOOD.altered(63, 0x80),
    "S + L": GOOD._replace(signature=GOOD.signature[:32] + spelt(S + L)),
    "S + 2 L": GOOD._replace(signature=GOOD.signature[:32] + spelt(S + 2 * L)),
    "S + 8 L": GOOD._replace(signature=GOOD.signature[:32] + spelt(S + 8 * L)),
    "S of L": GOOD._replace(signature=GOOD.signature[:32] + spelt(L)),
    "a signature of 63 bytes": GOOD._replace(signature=GOOD.signature[:-1]),
    "a signature of 65 bytes": GOOD._replace(signature=GOOD.signature + b"\0"),
    "half a signature": GOOD._replace(signature=GOOD.signature[:32]),
    "no signature": GOOD._replace(signature=b""),
    "a key of 31 bytes": GOOD._replace(public=PUBLIC[:-1]),
    "a key of 33 bytes": GOOD._replace(public=PUBLIC + b"\0"),
    "no key": GOOD._replace(public=b""),
    "a key that is not on the curve": GOOD._replace(public=spelt(2)),
    "an R that is not on the curve": GOOD._replace(signature=spelt(2) + GOOD.signature[32:]),
    "all zeros": Signed(bytes(32), bytes(64)),
    **{f"R {name}": crafted(nonce=0, r=point) for name, point in (SMALL | UNUSUAL).items()},
    **{f"R with a part {name}": crafted(r=plus(times_base(12345), SMALL[name])) for name in list(SMALL)[1:]},
    "R of order 8, which a key of mixed order makes fit": crafted(part=mirrored(EIGHT), nonce=0, r=EIGHT, modulo_8=1),
    "by a key of mixed order, of which a part is left": crafted(part=EIGHT, modulo_8=1),
    **{f"by a key {name}": crafted(secret=0, part=point) for name, point in (SMALL | UNUSUAL).items()},
}


@pytest.mark.parametrize("verify", VERIFIERS)
@pytest.mark.parametrize("signed", HOLD.values(), ids=HOLD.keys())
def test_what_holds(signed: Signed, verify: Verify) -> None:
    assert verify(signed.public, signed.message, signed.signature)


@pytest.mark.parametrize("verify", VERIFIERS)
@pytest.mark.parametrize("signed", FAIL.values(), ids=FAIL.keys())
def test_what_does_not_hold(signed: Signed, verify: Verify) -> None:
    assert not verify(signed.public, signed.message, signed.signature)


@needs_native
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300), st.integers(0, 511), st.integers(0, 300))
def test_both_sign_the_same_and_refuse_what_was_changed(seed: bytes, message: bytes, bit: int, end: int) -> None:
    signature = _native.Signer(seed).sign(message)
    assert signature == ed25519.sodium_signer(seed)(message)
    public, _ = sodium.crypto_sign_seed_keypair(seed)
    good = Signed(public, signature, message)
    for sent in (good, good.altered(bit // 8, 1 << bit % 8), good._replace(message=message[:end])):
        holds = sent.signature == signature and sent.message == message
        assert _native.verify(sent.public, sent.message, sent.signature) is holds
        assert ed25519.sodium_verify(sent.public, sent.message, sent.signature) is holds


@needs_native
@given(st.binary(min_size=30, max_size=34), st.binary(max_size=40), st.binary(min_size=62, max_size=66))
def test_bytes_that_nobody_made_hold_for_neither(public: bytes, message: bytes, signature: bytes) -> None:
    assert not _native.verify(public, message, signature)
    assert not ed25519.sodium_verify(public, message, signature)


@needs_native
@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_what_is_no_seed_does_not_sign(size: int) -> None:
    with pytest.raises(ValueError, match="32"):
        _native.Signer(bytes(size))


def test_a_key_is_a_point_in_its_one_spelling_and_not_of_small_order() -> None:
    assert ed25519.is_key(PUBLIC)
    assert ed25519.is_key(plus(PUBLIC, EIGHT))
    for name, point in (SMALL | UNUSUAL).items():
        assert not ed25519.is_key(point), name
    assert not ed25519.is_key(spelt(2))


def freshly_imported() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hms_a2a._ed25519_again", ed25519.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("built", [None, ModuleType("before it could sign")], ids=["not built", "an older one"])
def test_libsodium_signs_where_the_cores_cannot(built: ModuleType | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hms_a2a._native", built)
    module = freshly_imported()
    assert (module.signer, module.verify) == (module.sodium_signer, module.sodium_verify)


def test_the_cores_sign_where_they_can(monkeypatch: pytest.MonkeyPatch) -> None:
    class Signer:
        def __init__(self, secret: bytes) -> None:
            self.secret = secret

        def sign(self, message: bytes) -> bytes:
            return self.secret + message

    cores = ModuleType("cores")
    cores.Signer = Signer  # type: ignore[attr-defined]
    cores.verify = lambda public, message, signature: (public, message, signature)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hms_a2a._native", cores)
    module = freshly_imported()
    assert module.signer(b"secret ")(b"message") == b"secret message"
    assert module.verify(b"public", b"message", b"signature") == (b"public", b"message", b"signature")
