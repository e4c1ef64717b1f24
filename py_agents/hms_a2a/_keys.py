"""An agent's key: an Ed25519 NKey of a user, ``SU…`` as a seed and ``U…`` in public.

It lies in a file that only its owner can read, made on first use. Whoever has the seed *is* the agent, so it is never
logged, and its text form leaves this module in one direction only: into that file.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import secrets
from functools import lru_cache
from pathlib import Path

import nkeys

from hms_a2a._ed25519 import is_key, signer
from hms_a2a._errors import BadSetting

_log = logging.getLogger("hms_a2a")

#: Where keys and cursors are kept unless told otherwise; the variable `HMS_HOME` names another folder.
DEFAULT_HOME = ".hms"


class Key:
    """A key pair that signs."""

    def __init__(self, seed: str) -> None:
        """Read a seed. Raises `BadSetting` for what is not the seed of a user."""
        raw = seed.strip().encode()
        try:
            prefix, secret = nkeys.decode_seed(raw)
            whole = nkeys.encode_seed(secret, prefix) == raw  # nkeys itself does not look at the checksum
        except (nkeys.NkeysError, binascii.Error, ValueError):
            prefix, whole = 0, False
        if prefix != nkeys.PREFIX_BYTE_USER or not whole:
            raise BadSetting("not the seed of an NKey of a user (SU…)")
        self._sign = signer(bytes(secret))
        #: The public key, `U…`.
        self.public: str = nkeys.from_seed(bytearray(raw)).public_key.decode()

    @classmethod
    def generate(cls) -> Key:
        """A new key, which nothing keeps."""
        return cls(new_seed())

    @classmethod
    def kept(cls, path: Path) -> Key:
        """The key that this file keeps; made, with mode 600, when there is no such file.

        Raises `BadSetting` when the file cannot be read or made, or holds no seed.
        """
        try:
            if not path.exists():
                _make(path)
            if path.stat().st_mode & 0o077:
                _log.warning("others can read the key %s: chmod 600 it", path)
            return cls(path.read_text())
        except OSError as error:
            raise BadSetting(f"the key {path} cannot be used: {error}") from error
        except BadSetting as error:
            raise BadSetting(f"{path}: {error}") from error

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature of a message: 64 bytes."""
        return self._sign(message)

    def __repr__(self) -> str:
        return f"Key({self.public})"


def find_key(agent: str, home: Path) -> Key:
    """The key of `agent`: what `HMS_KEY` says (a seed, or the file of one), else `keys/<agent>.nk` in `home`."""
    said = os.environ.get("HMS_KEY", "").strip()
    if said.startswith("SU"):
        return Key(said)
    return Key.kept(Path(said) if said else home / "keys" / f"{agent}.nk")


def find_home(home: str | Path | None) -> Path:
    """The folder for keys and cursors: as given, else `HMS_HOME`, else `.hms` here."""
    return Path(home or os.environ.get("HMS_HOME") or DEFAULT_HOME)


def is_public(key: str) -> bool:
    """Whether this is a public NKey of a user or an account, its checksum included."""
    return _decode_public(key) is not None


def public_bytes(key: str) -> bytes | None:
    """The 32 bytes of a user's public NKey; None for anything else."""
    decoded = _decode_public(key)
    return decoded[1] if decoded is not None and decoded[0] == nkeys.PREFIX_BYTE_USER else None


@lru_cache(maxsize=4096)
def _decode_public(key: str) -> tuple[int, bytes] | None:
    try:
        raw = base64.b32decode(key.encode())
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return None
    if len(raw) != 35 or raw[0] not in (nkeys.PREFIX_BYTE_USER, nkeys.PREFIX_BYTE_ACCOUNT):
        return None
    if nkeys.crc16(bytearray(raw[:-2])).to_bytes(2, "little") != raw[-2:]:
        return None
    return (raw[0], raw[1:-2]) if is_key(raw[1:-2]) else None


def _make(path: Path) -> None:
    """Make a key's file, whole from its first moment: another process may be about to read or to make it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(new_seed() + "\n")
        os.link(draft, path)
        _log.info("made a key: %s", path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)


def new_seed() -> str:
    """The seed of a new key of a user."""
    return str(nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_USER).decode())
