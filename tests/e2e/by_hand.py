"""What a person does with `hms` alone, for tests of what such a person then sees."""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from real_bus import find_hms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WITHIN_S = 60.0
PARTIES = ["ghana", "kenya"]


def environment(home: Path) -> dict[str, str]:
    """Nothing of this machine's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "HMS_", "XDG_"))}
    return kept | {"HOME": str(home)}


def hms(home: Path, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run `hms`."""
    command: list[str | Path] = [find_hms(), *arguments]
    options: dict[str, Any] = {"env": environment(home), "cwd": home, "capture_output": True, "timeout": WITHIN_S}
    return subprocess.run(command, input=text, text=True, **options)


@contextmanager
def node(home: Path, url: str, cores: str, *more: str) -> Iterator[None]:
    """Some cores on a bus, with the keys of `Hand`."""
    command: list[str | Path] = [find_hms(), "node", "--nats", url, "--dir", home / "keys", "--cores", cores, *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(home))
    try:
        assert process.stdout is not None
        assert b"serving" in process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.communicate(timeout=WITHIN_S)


class Hand:
    """Somebody who acts for any agent, by `hms call`."""

    def __init__(self, home: Path, url: str, keys: Path | None = None) -> None:
        self.home = home
        self.url = url
        self.keys = keys or home / "keys"

    def call(self, target: str, agent: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask a service, signed as this agent."""
        words = ["call", target, "-", "--json", "--as", agent, "--nats", self.url, "--dir", str(self.keys)]
        done = hms(self.home, *words, text=json.dumps(request or {}))
        assert done.returncode == 0, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def opened(hand: Hand, book: str) -> dict[str, Any]:
    """A deal of ghana and kenya, cocoa for tea, opened by kenya."""
    for agent in PARTIES:
        hand.call("registry.register", agent)
    expires = int(time.time() * 1000) + 60_000
    both = [("ghana", "kenya", "cocoa"), ("kenya", "ghana", "tea")]
    transfers = [{"from": a, "to": b, "good": good, "quantity": 5, "due_unix_ms": expires} for a, b, good in both]
    terms = {"book": book, "parties": PARTIES, "delivery": "immediate", "expires_unix_ms": expires}
    request = {"book": book, "profile": "fixed/1", "parties": PARTIES, "expires_unix_ms": expires}
    return hand.call("deal.open", "kenya", request | {"terms": terms | {"transfers": transfers}})


def accepted(hand: Hand, book: str) -> str:
    """The same deal, accepted by both; its id."""
    deal = opened(hand, book)
    worth: dict[str, Any] = {"values": [], "costs": []}
    for agent in PARTIES:
        request = {"deal": deal["deal"], "terms_hash": deal["terms_hash"], "valuation": worth}
        hand.call("deal.accept", agent, request)
    return str(deal["deal"])


def settled(hand: Hand, book: str) -> str:
    """The same deal, within limits that both declared, and settled; its id."""
    for agent, good in zip(PARTIES, ["cocoa", "tea"], strict=True):
        hand.call("registry.register", agent)
        hand.call("ledger.declare", agent, {"book": book, "limits": [{"good": good, "quantity": 1_000_000}]})
    deal = accepted(hand, book)
    end = time.monotonic() + 10
    while "settled" not in hms(hand.home, "deal", "show", deal, "--nats", hand.url).stdout:
        assert time.monotonic() < end, "it never settled"
        time.sleep(0.05)
    return deal
