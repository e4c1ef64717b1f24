"""The vectors in schemas/vectors, which every implementation of the contract runs: as files, and as bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def read(name: str) -> list[dict[str, Any]]:
    """The vectors of a file."""
    vectors: list[dict[str, Any]] = json.loads((SCHEMAS / "vectors" / f"{name}.json").read_text())
    return vectors


def content(vector: dict[str, Any]) -> bytes:
    """The body of a vector."""
    repeated = vector.get("msgpack_repeated")
    if repeated is None:
        return bytes.fromhex(vector["msgpack_hex"])
    start, middle, end = (bytes.fromhex(repeated[part]) for part in ("start_hex", "middle_hex", "end_hex"))
    times: int = repeated["times"]
    return start + middle * times + end
