"""How long `hms decode` takes on a small body, start to exit, against starting a program that does nothing.

`nats sub --translate` starts it for every message. Prints JSON, and keeps it in `target/bench/decode-start.json`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 200
TARGET = Path(__file__).parents[2] / "target/bench/decode-start.json"
BODY = b"\x82\xa4type\xabdeal.accept\xa4deal\xa1x"


def timed(command: list[str]) -> float:
    """Milliseconds from start to exit of a command that reads the body."""
    started = time.perf_counter()
    subprocess.run(command, input=BODY, capture_output=True, check=True)
    return (time.perf_counter() - started) * 1000


def main() -> int:
    """Measure, print and keep."""
    hms = os.environ.get("HMS", "target/release/hms")
    took_ms = [timed([hms, "decode"]) for _ in range(RUNS)]
    true_ms = statistics.median(timed(["true"]) for _ in range(RUNS))
    cuts = statistics.quantiles(took_ms, n=100)
    figures = {
        "decode_p50_ms": round(cuts[49], 2),
        "decode_p99_ms": round(cuts[98], 2),
        "to_starting_nothing": round(cuts[49] / true_ms, 2),
    }
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(figures) + "\n")
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
