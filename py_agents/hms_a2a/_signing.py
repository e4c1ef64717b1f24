"""Who says so: the header ``Agent-Sender`` of the Synadia Agent Protocol for NATS 0.3, section 13.

An Ed25519 signature over the subject, the time, a nonce and the SHA-256 of the exact payload. It covers the bytes that
were sent, so nothing is ever decoded, encoded again and verified. The name is not covered: whoever verifies compares it
with what is.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from hms_a2a._ed25519 import verify
from hms_a2a._fresh import fresh
from hms_a2a._keys import is_public, public_bytes
from hms_a2a._limits import MAX_SENDER_BYTES, REPLAY_WINDOW_MS

if TYPE_CHECKING:
    from hms_a2a._keys import Key

#: Unix time in milliseconds.
Clock = Callable[[], int]
#: A fresh nonce: 1 to 64 of `A-Z a-z 0-9 _ -`.
Nonce = Callable[[], str]

_NONCE = re.compile(r"[A-Za-z0-9_-]{1,64}")
# 64 bytes leave four bits of the last character unused: they are nought, so that a signature has one spelling.
_SIGNATURE = re.compile(r"[A-Za-z0-9_-]{85}[AQgw]")
_ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,64}|\$G")
# What else ISO 8601 allows is read differently in other languages, as are leap seconds and midnight as 24:00.
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?Z", re.ASCII)


def system_clock() -> int:
    """The machine's own time, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def random_nonce() -> str:
    """128 random bits."""
    return base64.urlsafe_b64encode(fresh())[:22].decode()


class Sender(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an ``Agent-Sender`` header says. The order of the fields is the header's."""

    v: int
    account: str
    user: str
    name: str | None = None
    subject: str = msgspec.field(name="sub")
    ts: str
    nonce: str
    sig: str

    def is_fresh(self, now_unix_ms: int) -> bool:
        """Whether it was signed within the replay window around now."""
        try:
            at = datetime.fromisoformat(self.ts)
        except ValueError:
            return False
        if at.tzinfo is None:
            return False
        # `ts` has whole seconds, so what was signed just now may seem up to a second old.
        return abs(now_unix_ms - at.timestamp() * 1000) <= REPLAY_WINDOW_MS + 1000


class _Named(msgspec.Struct, frozen=True):
    name: str | None = None


def claimed_name(header: str | None) -> str | None:
    """Who an ``Agent-Sender`` header says it is, nothing checked; None where it does not say."""
    if not header or len(header) > MAX_SENDER_BYTES:
        return None
    try:
        return msgspec.json.decode(header, type=_Named).name
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None


class Signer:
    """Signs as one agent."""

    def __init__(self, key: Key, account: str, name: str) -> None:
        self._key = key
        self._account = account
        # What is the same in every header and under every signature, up to the subject.
        self._head = f'{{"v":1,"account":{_quoted(account)},"user":"{key.public}","name":{_quoted(name)},"sub":'
        self._tag = f"AGENT-SENDER-V1\n{account}\n{key.public}\n"

    @property
    def account(self) -> str:
        """The account that its signatures name."""
        return self._account

    @property
    def key(self) -> str:
        """The public key that signs."""
        return self._key.public

    def sign_registration(self, harness: str, owner: str, prompt_subject: str) -> str:
        """What shows whoever finds a service by its metadata that this key is behind it (section 13, `id_sig`)."""
        said = f"AGENT-ID-V1\n{self.key}\n{self._account}\n{harness}\n{owner}\n{prompt_subject}\n"
        return base64.urlsafe_b64encode(self._key.sign(said.encode())).rstrip(b"=").decode()

    def sign(self, subject: str, payload: bytes, now_unix_ms: int, nonce: str) -> str:
        """The header for `payload` on `subject`, signed at this time (whole seconds of it)."""
        ts = _second(now_unix_ms // 1000)
        digest = hashlib.sha256(payload).hexdigest()
        raw = self._key.sign(f"{self._tag}{subject}\n{ts}\n{nonce}\n{digest}\n".encode())
        sig = base64.urlsafe_b64encode(raw)[:86].decode()
        return f'{self._head}{_quoted(subject)},"ts":"{ts}","nonce":"{nonce}","sig":"{sig}"}}'


def is_claim(header: str) -> bool:
    """Whether a header only says who sends, and is not signed: a valid thing to say, which proves nothing."""
    try:
        said = msgspec.json.decode(header, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return False
    return said.get("v") != 1 or (isinstance(said.get("user"), str) and not said.keys() & {"sub", "ts", "nonce", "sig"})


def signed_by(header: str | None, subject: str, payload: bytes, *, any_account: bool = False) -> Sender | None:
    """Who signed this message; None when nobody did, or the signature is not of these bytes.

    It proves which *key* signed. Whether the key is that agent's, the registry knows. With `any_account` the account
    may be a name, as whoever comes from a broker whose accounts have no keys must say; the contract's own messages name
    a key.
    """
    if not header or len(header) > MAX_SENDER_BYTES:
        return None
    try:
        sender = msgspec.json.decode(header, type=Sender)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None
    key = public_bytes(sender.user)
    canonical = msgspec.json.encode(sender).decode() == header  # one spelling for each signed message
    if sender.v != 1 or sender.subject != subject or key is None or not canonical:
        return None
    if not (_NONCE.fullmatch(sender.nonce) and _SIGNATURE.fullmatch(sender.sig) and _is_time(sender.ts)):
        return None
    named = any_account and _ACCOUNT.fullmatch(sender.account) is not None
    if not named and not (sender.account.startswith("A") and is_public(sender.account)):
        return None
    signed = _to_sign(sender.account, sender.user, subject, sender.ts, sender.nonce, payload)
    return sender if verify(key, signed, base64.urlsafe_b64decode(sender.sig + "==")) else None


@lru_cache(maxsize=1024)  # the same few subjects again and again
def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


@lru_cache(maxsize=16)  # many messages are of the same second
def _second(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_time(ts: str) -> bool:
    try:
        datetime.fromisoformat(ts)
    except ValueError:
        return False
    return _TIME.fullmatch(ts) is not None


def _to_sign(account: str, user: str, subject: str, ts: str, nonce: str, payload: bytes) -> bytes:
    digest = hashlib.sha256(payload).hexdigest()
    return f"AGENT-SENDER-V1\n{account}\n{user}\n{subject}\n{ts}\n{nonce}\n{digest}\n".encode()
