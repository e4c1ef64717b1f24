"""Fuzz everything that reads what others write, for so many minutes in all.

    make fuzz MINUTES=2                   a short one
    python tests/fuzz/run.py --minutes 60 --keep

The targets share the minutes and the processors. It ends with a table, and with 1 where a target fell: the input that
did it is named, and the target run on it does it again. `--keep` makes the corpus anew of what was found, the fewest
inputs that reach as much.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from seeds import HERE, ROOT, TARGETS, kept, pack, unpack

if TYPE_CHECKING:
    from pathlib import Path

WORK = ROOT / "target" / "fuzz"

#: Longest inputs, in bytes, where it is not the engine's own measure of the seeds.
MAX_LEN = {"check": 8192, "infix": 512, "decode": 4096, "desk": 1024, "talk": 512, "task": 1024}
#: Whose inputs are scripts of many steps, of which short ones come to nothing.
SCRIPTS = {"desk", "talk", "task"}
#: An input that takes longer than this is reported as a fall, in seconds.
SLOW_S = 20


class Outcome(NamedTuple):
    """What came of a target."""

    target: str
    runs: int
    edges: int
    kept: int
    fell: str
    """The last words, where it fell."""


def build() -> Path:
    """Build the targets; the folder that has them."""
    # Not --locked: a crate of ours that needs something more changes this lock file, too, and says so in its own.
    environment = {k: v for k, v in os.environ.items() if k not in ("RUSTFLAGS", "CARGO_TARGET_DIR")}
    subprocess.run(["cargo", "build", "--release"], cwd=HERE, env=environment, check=True)
    host = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    return WORK / host.partition("host: ")[2].split()[0] / "release"


def fuzz(binary: Path, seconds: int) -> Outcome:
    """Run a target, from its seeds on."""
    target = binary.name
    seeds, found, falls = (WORK / part / target for part in ("seeds", "found", "falls"))
    shutil.rmtree(seeds, ignore_errors=True)
    unpack(target, seeds)
    for folder in (found, falls):
        folder.mkdir(parents=True, exist_ok=True)
    log = WORK / f"{target}.log"
    command: list[str | Path] = [binary, found, seeds, f"-max_total_time={seconds}", f"-max_len={MAX_LEN[target]}"]
    command += [f"-timeout={SLOW_S}", f"-artifact_prefix={falls}/", "-print_final_stats=1", "-use_value_profile=1"]
    if target in SCRIPTS:
        command += ["-len_control=0"]
    with log.open("w") as out:
        code = subprocess.run(command, stdout=out, stderr=out).returncode
    text = log.read_text(errors="replace")
    runs = re.search(r"number_of_executed_units: (\d+)", text)
    edges = re.findall(r"cov: (\d+)", text)
    fell = "" if code == 0 else "\n".join(text.splitlines()[-12:])
    size = len(list(found.iterdir())) + len(list(seeds.iterdir()))
    return Outcome(target, int(runs[1]) if runs else 0, int(edges[-1]) if edges else 0, size, fell)


def keep(binary: Path) -> int:
    """Make the corpus anew: the fewest inputs that reach every edge that any reached."""
    target = binary.name
    least = WORK / "least" / target
    shutil.rmtree(least, ignore_errors=True)
    least.mkdir(parents=True)
    folders = [least, WORK / "found" / target, WORK / "seeds" / target]
    command: list[str | Path] = [binary, "-merge=1", "-use_counters=0", f"-max_len={MAX_LEN[target]}", *folders]
    subprocess.run(command, check=True, capture_output=True)
    return pack(target, least)


def main() -> int:
    """Build, fuzz, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0, help="for all targets together [2]")
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS), help="only these targets")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at a time [processors]")
    parser.add_argument("--keep", action="store_true", help="make the corpus anew of what is found")
    asked = parser.parse_args()
    folder = build()
    at_once = min(asked.jobs, len(asked.only))
    seconds = max(1, round(asked.minutes * 60 * at_once / len(asked.only)))
    with ThreadPoolExecutor(at_once) as pool:
        outcomes = list(pool.map(lambda target: fuzz(folder / target, seconds), asked.only))
    print(f"{'target':<10}{'runs':>12}{'edges':>9}{'inputs':>9}   in {seconds} s each, {at_once} at a time")
    for one in outcomes:
        print(f"{one.target:<10}{one.runs:>12,}{one.edges:>9,}{one.kept:>9,}   {'FELL' if one.fell else 'stood'}")
    for one in outcomes:
        if one.fell:
            print(f"-- {one.target}, whose log is {WORK / one.target}.log\n{one.fell}", file=sys.stderr)
    if asked.keep:
        for target in asked.only:
            print(f"{kept(target).relative_to(ROOT)}: {keep(folder / target)} inputs")
    return 1 if any(one.fell for one in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
