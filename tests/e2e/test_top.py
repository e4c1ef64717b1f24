"""`hms top` on a real bus: one frame as text, and a terminal with keys."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING

from by_hand import Hand, environment, hms, settled
from real_bus import find_hms

if TYPE_CHECKING:
    from pathlib import Path

    from real_bus import Bus

WITHIN_S = 20.0


class Terminal:
    """A program on a terminal of 110 by 40, and what it has drawn."""

    def __init__(self, home: Path, *command: str | Path) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
        self.before = termios.tcgetattr(theirs)
        shown = environment(home) | {"TERM": "xterm-256color"}
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=shown)
        self._theirs = theirs
        self.drawn = b""

    def until(self, words: bytes) -> None:
        """Wait until this was drawn since the last key."""
        end = time.monotonic() + WITHIN_S
        while words not in self.drawn:
            assert time.monotonic() < end, f"{words!r} was never drawn: {self.drawn!r}"
            if select.select([self._ours], [], [], 0.1)[0]:
                self.drawn += os.read(self._ours, 65536)

    def press(self, key: bytes) -> None:
        self.drawn = b""
        os.write(self._ours, key)

    def end(self) -> int:
        """Wait for the end, and see the terminal given back as it was; the exit code."""
        code = self.process.wait(WITHIN_S)
        self.until(b"\x1b[?1049l")  # out of the alternate screen
        assert termios.tcgetattr(self._theirs) == self.before
        os.close(self._theirs)
        os.close(self._ours)
        return code


def test_one_frame_as_text_and_for_programs(bus: Bus, tmp_path: Path) -> None:
    hand = Hand(tmp_path, bus.url, bus.folder)
    settled(hand, "counted")
    done = hms(tmp_path, "top", "--once", "--nats", bus.url, "--sort", "name")
    assert done.returncode == 0, done.stderr
    for words in (bus.url, "agents", "settled ", "the ledger keeps up", "SERVICE", "MEAN MS"):
        assert words in done.stdout, done.stdout
    assert "\x1b" not in done.stdout
    services = [line.split()[0] for line in done.stdout.splitlines()[6:] if line]
    assert {"deal", "graph", "gtp", "ledger", "maker", "proof", "registry"} <= set(services), done.stdout
    assert services == sorted(services)
    told = json.loads(hms(tmp_path, "top", "--once", "--json", "--nats", bus.url, "--every-ms", "300").stdout)
    settled(hand, "counted")
    after = json.loads(hms(tmp_path, "top", "--once", "--json", "--nats", bus.url, "--every-ms", "300").stdout)
    assert after["deals"]["settled"] == told["deals"]["settled"] + 1
    assert after["agents"] >= 2
    accepts = [
        next(row for row in one["services"] if (row["service"], row["endpoint"]) == ("deal", "accept"))
        for one in (told, after)
    ]
    assert accepts[1]["requests"] == accepts[0]["requests"] + 2
    assert accepts[1]["mean_ms"] > 0


def test_on_a_terminal_with_keys(bus: Bus, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, find_hms(), "top", "--nats", bus.url, "--every-ms", "300")
    terminal.until(b"sorts by slowest now")
    terminal.until(b"SERVICE")
    terminal.press(b"s")
    terminal.until(b"rate")
    terminal.press(b"p")
    terminal.until(b"goes")  # the cells of "paused: p goes on" that differ
    terminal.press(b"q")
    assert terminal.end() == 0


def test_a_pipe_is_no_terminal_and_ctrl_c_is_a_good_end(bus: Bus, tmp_path: Path) -> None:
    piped = hms(tmp_path, "top", "--nats", bus.url)
    assert piped.returncode == 64
    assert "--once" in piped.stderr
    terminal = Terminal(tmp_path, find_hms(), "top", "--nats", bus.url)
    terminal.until(b"SERVICE")
    terminal.press(b"\x03")
    assert terminal.end() == 0
