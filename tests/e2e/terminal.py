"""A terminal for programs that draw: what they drew, and keys for them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import threading
import time
from typing import TYPE_CHECKING

from by_hand import environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WITHIN_S = 20.0


class Terminal:
    """A program on a terminal, and what it has drawn."""

    def __init__(self, home: Path, *command: str | Path, columns: int = 110, rows: int = 40) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
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
            self.watch(0.1)

    def watch(self, seconds: float) -> None:
        """Take in what is drawn; for so long, or until something is."""
        if select.select([self._ours], [], [], seconds)[0]:
            self.drawn += os.read(self._ours, 65536)

    @contextlib.contextmanager
    def unwatched(self) -> Iterator[None]:
        """Somebody takes in what is drawn and forgets it: a terminal that nobody reads stops its program."""
        over = threading.Event()

        def take() -> None:
            while not over.is_set():
                self.watch(0.1)
                self.drawn = b""

        reader = threading.Thread(target=take)
        reader.start()
        try:
            yield
        finally:
            over.set()
            reader.join()

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
