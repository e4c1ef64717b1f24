"""The brokers' configurations are ones that the broker reads."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from real_bus import ROOT, find_server

if TYPE_CHECKING:
    from pathlib import Path

#: What is left to the environment.
GIVEN = {"BROKER": "broker-a", "HMS_CORES_PASSWORD": "a", "HMS_ONLOOKER_PASSWORD": "b"}
FILES = sorted((ROOT / "nats").glob("*.conf"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_is_valid(file: Path) -> None:
    done = subprocess.run([find_server(), "-t", "-c", file], env=os.environ | GIVEN, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "is valid" in done.stderr + done.stdout


def test_there_is_one_for_each_way_to_run_a_broker() -> None:
    assert [file.name for file in FILES] == ["cluster.conf", "durable.conf", "nats.conf", "watched.conf"]
