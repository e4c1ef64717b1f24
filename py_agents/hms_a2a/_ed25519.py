"""Ed25519, what agents sign with: by the library of the cores where they are built for this Python, else by libsodium.

Both give the same verdict on any bytes, since a signature that holds in one language and not in the other would split a
log. It holds where S is below the order of the group, neither R nor the key is of small order, and R is spelt as the
equation (without its cofactor) gives it. A key is the one spelling of a point on the curve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import nacl.bindings as sodium
import nacl.exceptions

if TYPE_CHECKING:
    from collections.abc import Callable

if not sodium.has_crypto_core_ed25519:
    raise ImportError("libsodium was built without the arithmetic of points (`--enable-minimal`)")

_IDENTITY = (1).to_bytes(32, "little")


def is_key(public: bytes) -> bool:
    """Whether these 32 bytes are a key: a point's one spelling, and none of small order, for which anybody can sign."""
    try:
        point = sodium.crypto_core_ed25519_add(public, _IDENTITY)
        eightfold = point
        for _ in range(3):
            eightfold = sodium.crypto_core_ed25519_add(eightfold, eightfold)
    except nacl.exceptions.RuntimeError:  # not on the curve
        return False
    return point == public and eightfold != _IDENTITY


def sodium_signer(secret: bytes) -> Callable[[bytes], bytes]:
    """What signs with a secret, the 32 bytes of a seed: bytes to the 64 of their signature."""
    _, pair = sodium.crypto_sign_seed_keypair(secret)
    return lambda message: sodium.crypto_sign(message, pair)[: sodium.crypto_sign_BYTES]


def sodium_verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this is the signature of these bytes by this key; False also for what is no key or no signature."""
    if len(public) != sodium.crypto_sign_PUBLICKEYBYTES or len(signature) != sodium.crypto_sign_BYTES:
        return False
    try:
        sodium.crypto_sign_open(signature + message, public)
    except nacl.exceptions.BadSignatureError:
        return False
    return True


signer: Callable[[bytes], Callable[[bytes], bytes]]
verify: Callable[[bytes, bytes, bytes], bool]
try:
    from hms_a2a._native import Signer, verify
except ImportError:  # not built, or built before it could sign
    signer, verify = sodium_signer, sodium_verify
else:
    signer = lambda secret: Signer(secret).sign  # noqa: E731
