"""The reference of the package is written from its docstrings, and what an author imports is in it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import hms_a2a
from real_bus import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_whatever_is_exported_is_in_the_reference(tmp_path: Path) -> None:
    if importlib.util.find_spec("hms_a2a._native") is None:
        pytest.skip("NOT TESTED: the cores are not built (make build)")
    command: list[str | Path] = [sys.executable, "-W", "error::UserWarning", ROOT / "docs" / "reference.py", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "hms_a2a.html").read_text()
    for name in hms_a2a.__all__:
        assert name == "wire" or f'id="{name}"' in page, name
    assert 'id="Talking.on_prompt"' in page
    assert "::\n" not in page
    for module in ("negotiation", "cores", "testing", "gtp", "host", "run"):
        assert (tmp_path / "hms_a2a" / f"{module}.html").exists()
