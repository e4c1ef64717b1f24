"""What docs/negotiation.md shows in Python, run as it is printed, block after block."""

from __future__ import annotations

import contextlib
import io
import re
from typing import TYPE_CHECKING, Any

from real_bus import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_every_block_of_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "negotiation.md").read_text()
    names: dict[str, Any] = {}
    said = ""
    blocks = re.findall(r"^```(python|text)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for language, block in blocks:
        if language == "text":
            assert said == block
            continue
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(block, "docs/negotiation.md", "exec"), names)
        said = out.getvalue()
    assert {language for language, _ in blocks} == {"python", "text"}
