"""A process that answers lines of JSON with lines of JSON, and is killed where it is late."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from pathlib import Path
from typing import Any

#: Where the packages of the tests are.
TESTS = Path(__file__).resolve().parents[1]


class Ended(Exception):
    """The process ended by itself instead of answering."""


class Worker:
    """The process, started when it is first asked, and again after it was killed."""

    def __init__(self, *command: str, greets: bool = False) -> None:
        """`greets`: it prints a line when it is ready, so that its start isn't the first question's time."""
        self._command = command
        self._greets = greets
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, question: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        """The answer, or nothing where it took longer. Raises `Ended`."""
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended(question) from error
        line = self._line(process, seconds)
        if line is None:
            self.close()
            return None
        if not line:
            raise self._ended(question)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _ended(self, question: dict[str, Any]) -> Ended:
        code = self._process.wait() if self._process is not None else None
        self.close()
        return Ended(f"{self._command[-1]} ended with {code} at {json.dumps(question)[:300]}")

    def _start(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")]))
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            bufsize=0,
        )
        if self._greets:
            self._line(process, 60)
        return process

    @staticmethod
    def _line(process: subprocess.Popen[bytes], seconds: float) -> bytes | None:
        """A whole line, what there is of it where the process ended, or nothing where it takes longer."""
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            return process.stdout.readline() if selector.select(seconds) else None


def python(module: str, *arguments: str, greets: bool = False) -> Worker:
    """A worker that is a Python module."""
    return Worker(sys.executable, "-m", module, *arguments, greets=greets)
