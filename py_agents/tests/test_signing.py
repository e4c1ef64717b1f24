"""Keys and signatures: byte for byte what the protocol writes, and nothing that was changed passes."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import nacl.signing
import nkeys
import pytest

from hms_a2a import BadSetting
from hms_a2a._keys import Key, find_home, find_key, is_public, new_seed, public_bytes
from hms_a2a._signing import Sender, Signer, random_nonce, signed_by

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT = nkeys.from_seed(nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_ACCOUNT)).public_key.decode()
SEED = nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER).decode()
NOW = 1_700_000_000_999


def test_the_header_is_the_protocols_to_the_byte() -> None:
    key = Key(SEED)
    header = Signer(key, ACCOUNT, "kenya").sign("a.b", b"body", NOW, "n-1_")
    signed = f"AGENT-SENDER-V1\n{ACCOUNT}\n{key.public}\na.b\n2023-11-14T22:13:20Z\nn-1_\n"
    signed += hashlib.sha256(b"body").hexdigest() + "\n"
    signature = nacl.signing.SigningKey(bytes(range(32))).sign(signed.encode()).signature
    text = base64.urlsafe_b64encode(signature).decode().rstrip("=")
    assert len(text) == 86
    assert header == (
        f'{{"v":1,"account":"{ACCOUNT}","user":"{key.public}","name":"kenya","sub":"a.b",'
        f'"ts":"2023-11-14T22:13:20Z","nonce":"n-1_","sig":"{text}"}}'
    )


def test_every_changed_character_is_noticed_but_for_the_name() -> None:
    header = Signer(Key(SEED), ACCOUNT, "kenya").sign("a.b", b"body", NOW, "n1")
    sender = signed_by(header, "a.b", b"body")
    assert sender is not None
    assert sender.name == "kenya"
    for at in range(len(header)):
        changed = header[:at] + chr(ord(header[at]) ^ 1) + header[at + 1 :]
        other = signed_by(changed, "a.b", b"body")
        assert other is None or other.name != "kenya", f"unnoticed at {at}: {changed}"


@pytest.mark.parametrize(
    ("subject", "body"), [("a.c", b"body"), ("a.b", b"bodx"), ("a.b", b"")], ids=["subject", "body", "empty"]
)
def test_it_holds_for_its_own_bytes_and_subject_only(subject: str, body: bytes) -> None:
    header = Signer(Key(SEED), ACCOUNT, "kenya").sign("a.b", b"body", NOW, "n1")
    assert signed_by(header, subject, body) is None


@pytest.mark.parametrize("header", [None, "", "{}", "x" * 3000, '{"v":2}', "[1]", "\udcff"])
def test_what_is_no_header_is_nobodys(header: str | None) -> None:
    assert signed_by(header, "a", b"") is None


def test_another_spelling_of_the_same_header_is_refused() -> None:
    header = Signer(Key(SEED), ACCOUNT, "kenya").sign("a.b", b"body", NOW, "n1")
    assert signed_by(json.dumps(json.loads(header)), "a.b", b"body") is None


def forged(**said: str) -> str:
    """A header whose signature holds, whatever its fields say."""
    key = Key(SEED)
    fields = {"account": ACCOUNT, "user": key.public, "ts": "2023-11-14T22:13:20Z"} | said
    text = f"{fields['account']}\n{fields['user']}\na.b\n{fields['ts']}\nn1\n{hashlib.sha256(b'body').hexdigest()}"
    sig = base64.urlsafe_b64encode(key.sign(f"AGENT-SENDER-V1\n{text}\n".encode())).decode().rstrip("=")
    sender = Sender(v=1, name="kenya", subject="a.b", nonce="n1", sig=sig, **fields)
    return msgspec.json.encode(sender).decode()


@pytest.mark.parametrize("ts", ["2023-11-14T22:13:20Z", "2023-11-14T22:13:20.123456789Z", "0001-01-01T00:00:00Z"])
def test_a_time_is_utc_to_the_second_or_finer(ts: str) -> None:
    assert signed_by(forged(ts=ts), "a.b", b"body") is not None


@pytest.mark.parametrize(
    "ts",
    [
        *("2023-11-14t22:13:20Z", "2023-11-14T22:13:20z", "2023-11-14 22:13:20Z", "2023-11-14T22:13Z", ""),
        *("2023-11-14T22:13:20.1234567891Z", "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20,5Z"),
        *("2023-11-14T22:13:20+00:00", "2023-11-14T22:13:20", "2023-11-14T22:13:20Z[UTC]", "2023-11-14T22:13:20Z\n"),
        *("2016-12-31T23:59:60Z", "2023-11-14T24:00:00Z", "2023-02-29T00:00:00Z", "0000-01-01T00:00:00Z"),
        *("20231114T221320Z", "2023-W46-2T22:13:20Z", "+002023-11-14T22:13:20Z", "２023-11-14T22:13:20Z"),
    ],
)
def test_no_other_spelling_of_a_time_counts(ts: str) -> None:
    assert signed_by(forged(ts=ts), "a.b", b"body") is None


def spelt(point: bytes, prefix: int) -> str:
    text = bytearray([prefix, *point])
    return base64.b32encode(text + nkeys.crc16(text).to_bytes(2, "little")).decode()


@pytest.mark.parametrize("point", [(2).to_bytes(32, "little"), (1).to_bytes(32, "little")], ids=["no point", "weak"])
def test_an_account_or_a_user_that_is_no_key_is_nobody(point: bytes) -> None:
    account, user = spelt(point, nkeys.PREFIX_BYTE_ACCOUNT), spelt(point, nkeys.PREFIX_BYTE_USER)
    assert not is_public(account)
    assert public_bytes(user) is None
    assert signed_by(forged(account=account), "a.b", b"body") is None
    assert signed_by(forged(user=user), "a.b", b"body") is None


def test_a_signature_ages() -> None:
    sender = signed_by(Signer(Key(SEED), ACCOUNT, "kenya").sign("a", b"", NOW, "n"), "a", b"")
    assert sender is not None
    assert sender.is_fresh(NOW)
    assert sender.is_fresh(NOW + 30_000)
    assert not sender.is_fresh(NOW + 31_000)
    assert not sender.is_fresh(NOW - 33_000)


FORKS = """
import os
from hms_a2a._signing import random_nonce
random_nonce()  # others are kept for later now
if child := os.fork():
    os.waitpid(child, 0)
print(random_nonce())
"""


def test_a_process_that_forks_and_its_child_have_other_nonces() -> None:
    ran = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=True, timeout=60)
    assert len(set(ran.stdout.split())) == 2


def test_nonces_are_of_the_allowed_alphabet_and_never_the_same() -> None:
    nonces = {random_nonce() for _ in range(1000)}
    assert len(nonces) == 1000
    assert all(n.replace("-", "").replace("_", "").isalnum() and n.isascii() and len(n) <= 64 for n in nonces)


@pytest.mark.parametrize(
    "seed", ["", "SU", SEED[:-1], SEED[:-1] + "A", "x" * 58, nkeys.encode_seed(bytes(32), 0).decode(), "ä" * 58]
)
def test_what_is_no_seed_of_a_user_is_refused(seed: str) -> None:
    with pytest.raises(BadSetting, match="not the seed"):
        Key(seed)


def test_public_keys_are_told_from_others() -> None:
    public = Key(SEED).public
    assert is_public(public)
    assert is_public(ACCOUNT)
    assert public_bytes(public) == bytes(nacl.signing.SigningKey(bytes(range(32))).verify_key)
    assert public_bytes(ACCOUNT) is None
    assert not is_public(public[:-1] + ("A" if public[-1] != "A" else "B"))
    assert not is_public("U")


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "keys" / "kenya.nk"
    made = Key.kept(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert Key.kept(path).public == made.public
    assert list(path.parent.iterdir()) == [path]
    assert path.read_text().strip() not in repr(made)


def test_a_key_that_others_can_read_is_pointed_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "kenya.nk"
    Key.kept(path)
    path.chmod(0o644)
    Key.kept(path)
    assert "others can read" in caplog.text


def test_a_file_without_a_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "kenya.nk"
    path.write_text("hello")
    with pytest.raises(BadSetting, match=r"kenya\.nk"):
        Key.kept(path)
    with pytest.raises(BadSetting, match="cannot be used"):
        Key.kept(path / "below")


def test_the_environment_says_which_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HMS_HOME", str(tmp_path))
    monkeypatch.delenv("HMS_KEY", raising=False)
    assert find_home(None) == tmp_path
    in_home = find_key("kenya", find_home(None))
    assert (tmp_path / "keys" / "kenya.nk").exists()
    monkeypatch.setenv("HMS_KEY", SEED)
    assert find_key("kenya", tmp_path).public == Key(SEED).public != in_home.public
    file = tmp_path / "other.nk"
    file.write_text(seed := new_seed())
    monkeypatch.setenv("HMS_KEY", str(file))
    assert find_key("kenya", tmp_path).public == Key(seed).public
