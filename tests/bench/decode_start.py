"""How long `hms decode` takes on a small body, start to exit: `nats sub --translate` runs it every time."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

RUNS = 200
BODY = b"\x82\xa4type\xabdeal.accept\xa4deal\xa1x"


def main() -> int:
    """Print median and 99th percentile, in milliseconds."""
    hms = os.environ.get("HMS", "target/release/hms")
    took_ms: list[float] = []
    for _ in range(RUNS):
        started = time.perf_counter()
        run = subprocess.run([hms, "decode"], input=BODY, capture_output=True, check=False)
        took_ms.append((time.perf_counter() - started) * 1000)
        if run.returncode != 0:
            print(f"hms decode: exit {run.returncode}: {run.stderr.decode().strip()}", file=sys.stderr)
            return 1
    cuts = statistics.quantiles(took_ms, n=100)
    print(f"hms decode, start to exit, {RUNS} runs: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
