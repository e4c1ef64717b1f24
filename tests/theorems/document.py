"""`docs/proofs.md`: each command writes its own section, between marks, and leaves the rest as it is."""

from __future__ import annotations

import os
import platform
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "proofs.md"


def write_section(name: str, text: str, document: Path = DOCUMENT) -> None:
    """Replace a section. Raises `ValueError` where the document lacks its marks."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    whole = document.read_text(encoding="utf-8")
    before, found, rest = whole.partition(begin)
    _, also_found, after = rest.partition(end)
    if not (found and also_found):
        raise ValueError(f"{document} has no section {name}")
    document.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}", encoding="utf-8")


def machine() -> str:
    """What it ran on, and how busy that was."""
    model = "an unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return (
        f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}; "
        f"load {os.getloadavg()[0]:.1f} when it began"
    )


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown; columns whose header ends in a colon are aligned to the right."""
    marks = ["---:" if name.endswith(":") else "---" for name in header]
    lines = [[name.rstrip(":") for name in header], marks, *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
