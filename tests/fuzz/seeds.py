"""What fuzzing starts from: the vectors that every implementation runs, and what earlier runs have found worth keeping.

A target's corpus stands in one file, an input a line in Base64, so that a change of it can be reviewed and a checkout
has no thousand files for it.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

TARGETS = ("check", "decode", "desk", "infix", "talk", "task")


def vectors(name: str) -> list[Any]:
    """The vectors of a file."""
    read: list[Any] = json.loads((ROOT / "schemas" / "vectors" / f"{name}.json").read_text())
    return read


def of_vectors(target: str) -> list[bytes]:
    """The inputs that the vectors make; none where inputs are scripts of the target's own."""
    match target:
        case "decode":
            files = sorted(file.stem for file in (ROOT / "schemas" / "vectors").glob("*.json"))
            return [
                bytes.fromhex(vector["msgpack_hex"])
                for file in files
                for vector in vectors(file)
                if isinstance(vector, dict) and vector.get("verdict") == "good" and "msgpack_hex" in vector
            ]
        case "check":
            claims = [(bytes.fromhex(v["claim"]), bytes.fromhex(v["evidence"])) for v in vectors("certificates")]
            return [
                len(claim).to_bytes(2, "big") + claim + evidence for claim, evidence in claims if len(claim) < 2**16
            ]
        case "infix":
            return [vector["text"].encode() for name in ("certificates", "infix") for vector in vectors(name)]
    return []


def kept(target: str) -> Path:
    """The file that holds a target's corpus."""
    return HERE / "corpus" / f"{target}.txt"


def of_corpus(target: str) -> list[bytes]:
    """What earlier runs have found."""
    file = kept(target)
    return [base64.b64decode(line) for line in file.read_text().split()] if file.exists() else []


def unpack(target: str, folder: Path) -> None:
    """Write a target's seeds into a folder, a file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate([*of_vectors(target), *of_corpus(target)]):
        (folder / f"seed-{number:05}").write_bytes(data)


def pack(target: str, folder: Path) -> int:
    """Keep what stands in a folder and the vectors don't have; how many inputs that is."""
    found = {file.read_bytes() for file in folder.iterdir()} - set(of_vectors(target))
    lines = sorted((base64.b64encode(data).decode() for data in found), key=lambda line: (len(line), line))
    kept(target).parent.mkdir(exist_ok=True)
    kept(target).write_text("".join(f"{line}\n" for line in lines))
    return len(lines)
