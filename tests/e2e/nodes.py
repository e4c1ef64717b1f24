"""Nodes of a core, as processes that a test starts and kills, and `hms call` of them."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from real_bus import HMS, find_hms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from real_bus import Broker


class Nodes:
    """`hms node` processes on one broker."""

    def __init__(self, broker: Broker, folder: Path, core: str) -> None:
        find_hms()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "HMS_"))}
        self._environment = kept | {"NATS_URL": broker.url, "HMS_HOME": str(folder)}
        self._core = core
        self._log = (folder / "nodes.log").open("wb")
        self.running: list[subprocess.Popen[bytes]] = []
        subprocess.run([str(HMS), "provision"], env=self._environment, check=True, capture_output=True)

    def start(self) -> subprocess.Popen[bytes]:
        """One more, once it serves."""
        command = [str(HMS), "node", "--cores", self._core]
        node = subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE, stderr=self._log)
        assert node.stdout is not None
        assert node.stdout.readline(), "the node says nothing"
        self.running.append(node)
        return node

    def ask(self, what: str, job: str, asked: dict[str, Any], within_ms: int = 120_000) -> subprocess.Popen[str]:
        """`hms call --job`, under way."""
        command = [str(HMS), "call", what, "-", "--job", job, "--json", "--timeout-ms", str(within_ms)]
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        calling = subprocess.Popen(command, env=self._environment, text=True, **pipes)
        assert calling.stdin is not None
        calling.stdin.write(json.dumps(asked))
        calling.stdin.close()
        calling.stdin = None
        return calling

    def call(self, what: str, asked: dict[str, Any], *more: str) -> str:
        """`hms call`, to its end."""
        command = [str(HMS), "call", what, "-", "--json", *more]
        options: dict[str, Any] = {"env": self._environment, "input": json.dumps(asked), "capture_output": True}
        done = subprocess.run(command, text=True, timeout=120, **options)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    def end(self) -> None:
        for node in self.running:
            node.kill()
            node.wait()
            assert node.stdout is not None
            node.stdout.close()
        self._log.close()


@contextmanager
def nodes_on(broker: Broker, folder: Path, core: str) -> Iterator[Nodes]:
    """Nodes that end with the test."""
    nodes = Nodes(broker, folder, core)
    try:
        yield nodes
    finally:
        nodes.end()


def answered(calling: subprocess.Popen[str]) -> str:
    """What it prints at its end."""
    out, err = calling.communicate(timeout=150)
    assert calling.returncode == 0, err
    return out
