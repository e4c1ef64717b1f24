"""What `hms watch` tells of a real bus: as it happens, from the log, and of one deal."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import nats
import pytest

from by_hand import Hand, environment, hms, opened, settled
from real_bus import find_hms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from real_bus import Bus

WITHIN_S = 20.0
#: What the log of a deal says that two parties accept and that is settled at commit.
LIFE = ["opened", "accepted", "accepted", "certified", "committed", "settled"]


@pytest.fixture
def hand(bus: Bus, tmp_path: Path) -> Hand:
    """Somebody who acts on the shared bus."""
    return Hand(tmp_path, bus.url, bus.folder)


class Watching:
    """A running `hms watch`, and what it has printed."""

    def __init__(self, process: subprocess.Popen[bytes], said: Path) -> None:
        self.process = process
        self._said = said

    def lines(self) -> list[str]:
        return self._said.read_text().splitlines()

    def until(self, words: str) -> list[str]:
        """Wait until a line says this."""
        end = time.monotonic() + WITHIN_S
        while not any(words in line for line in self.lines()):
            assert time.monotonic() < end, f"{words!r} was never said:\n" + "\n".join(self.lines())
            assert self.process.poll() is None, "it ended"
            time.sleep(0.05)
        return self.lines()

    def interrupt(self) -> int:
        """As Ctrl-C does; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(WITHIN_S)


@contextmanager
def watching(hand: Hand, *arguments: str) -> Iterator[Watching]:
    """`hms watch`, for as long as it is needed."""
    said = hand.home / "said"
    with said.open("wb") as file:
        command: list[str | Path] = [find_hms(), "watch", "--nats", hand.url, *arguments]
        process = subprocess.Popen(command, stdout=file, env=environment(hand.home))
    try:
        # It is subscribed when it knows the markets; until then nothing of ours happens.
        time.sleep(1)
        yield Watching(process, said)
    finally:
        process.kill()
        process.wait()


def story(text: str) -> list[dict[str, Any]]:
    """What was told, for programs."""
    return [json.loads(line) for line in text.splitlines()]


def declare(bus: Bus, market: str) -> None:
    """A market for cocoa and tea, which nobody clears while a test looks."""
    bus.declare_market(market, ["cocoa", "tea"], clear_every_ms=600_000)


def test_a_market_is_told_as_it_happens_and_the_same_again_from_the_log(bus: Bus, hand: Hand) -> None:
    declare(bus, "told")
    began = time.time()
    with watching(hand, "told") as watch:
        deal = settled(hand, "told")
        settled(hand, "elsewhere")
        lines = watch.until("settled: everything is delivered")
        assert watch.interrupt() == 0
    texts = [line.split(maxsplit=3)[3].removesuffix(f"  [{deal}]") for line in lines]
    assert texts == [
        "ghana declares that it may give 1,000,000 unit of cocoa",
        "kenya declares that it may give 1,000,000 unit of tea",
        "kenya opens a deal with ghana (fixed/1): ghana → kenya 5 unit of cocoa, kenya → ghana 5 unit of tea",
        "ghana accepts (1 of 2)",
        "kenya accepts (2 of 2): all have accepted",
        "certified; nothing was to be proved",
        "committed: ghana → kenya 5 unit of cocoa, kenya → ghana 5 unit of tea",
        "settled: everything is delivered",
    ]
    assert all(line.split()[2] == "told" and "\x1b" not in line for line in lines)
    ago = f"{int(time.time() - began) + 2}s"
    with watching(hand, "told", "--since", ago) as again:
        assert again.until("settled: everything is delivered") == lines


def test_everything_is_told_for_programs_and_a_deal_that_began_before_in_full(hand: Hand) -> None:
    deal = opened(hand, "begun")
    with watching(hand, "--json") as watch:
        hand.call("deal.reject", "ghana", {"deal": deal["deal"], "reason": "too dear\r\n\x1b[31m"})
        lines = story("\n".join(watch.until("too dear")))
    line = next(line for line in lines if line.get("deal") == deal["deal"])
    assert line["event"] == "rejected"
    assert line["market"] == "begun", "its beginning was read"
    assert line["by"] == "ghana"
    assert line["text"] == "ghana says no: too dear   [31m"
    assert line["sequence"] > 1


def test_a_deal_is_told_from_its_beginning_to_its_end(hand: Hand) -> None:
    deal = settled(hand, "ended")
    done = hms(hand.home, "watch", "--deal", deal, "--json", "--nats", hand.url)
    assert done.returncode == 0, done.stderr
    assert [line["event"] for line in story(done.stdout)] == LIFE
    nothing = hms(hand.home, "watch", "--deal", "a" * 26, "--nats", hand.url)
    assert nothing.returncode == 1
    assert "there is no deal" in nothing.stderr
    assert hms(hand.home, "watch", "--since", "yesterday").returncode == 64


async def test_what_nobody_may_have_written_is_named(hand: Hand) -> None:
    deal = settled(hand, "forged")
    with watching(hand) as watch:
        async with await nats.connect(hand.url) as client:
            await client.jetstream().publish(f"hms.v1.log.deal.{deal}", b"\x80")
        lines = watch.until("counts for nothing")
    assert any(f"hms.v1.log.deal.{deal}" in line and "-" in line for line in lines)


def test_on_a_terminal_it_has_colours(hand: Hand) -> None:
    deal = settled(hand, "coloured")
    ours, theirs = pty.openpty()
    command: list[str | Path] = [find_hms(), "watch", "--deal", deal, "--nats", hand.url]
    process = subprocess.Popen(command, stdout=theirs, env=environment(hand.home) | {"TERM": "xterm"})
    os.close(theirs)
    said = b""
    try:
        while more := os.read(ours, 65536):
            said += more
    except OSError:  # how Linux says that nobody has the other side open
        pass
    os.close(ours)
    assert process.wait(WITHIN_S) == 0
    assert b"\x1b[32msettled: everything is delivered\x1b[0m" in said, said
