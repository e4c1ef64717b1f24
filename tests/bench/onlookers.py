"""What looking on costs a swarm: its rate alone, with `hms top` beside it, and with the page open in a browser.

Each measurement is a bus of its own and one run of a bazaar that is cleared as often as it can be; they take turns,
forth and back, so that what drifts on the machine drifts for all. The rate is settled deals a second of the run. `idle`
serves the page and nobody opens it. Ratios are medians over those of `alone`: 0.97 and above is the aim. What the
onlookers themselves took of the processors stands beside it: where all of them are busy, that is what they cost, and it
varies less. Prints JSON, and keeps it in `target/bench/onlookers.json`.

    AGENTS=2000 ROUNDS=5 python tests/bench/onlookers.py
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from playwright.sync_api import sync_playwright

from browser import find_chromium, visited
from onlooking import PORTS, page_url
from real_bus import HMS, ROOT, hms_up
from terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from real_bus import Bus

Json = dict[str, Any]

TARGET = ROOT / "target/bench/onlookers.json"
AGENTS = int(os.environ.get("AGENTS", "1000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = int(os.environ.get("SECONDS", "40"))
KINDS = ("alone", "idle", "top", "page")
TICKS = os.sysconf("SC_CLK_TCK")


def bazaar(folder: Path) -> Path:
    """The bazaar, larger, with plain clearings one upon the other, and nobody who leaves and comes back."""
    text = (ROOT / "scenarios" / "bazaar.toml").read_text()
    for theirs, ours in [
        ("agents = 200\n", f"agents = {AGENTS}\n"),
        ("clear_every_ms = 2_000\n", "clear_every_ms = 250\n"),
        ("time_limit_ms = 2_000\n", "time_limit_ms = 250\n"),
        ('division = "leximin"\n', ""),
        ("evolve = 20_000\n", ""),
        ("away = 10\n", "away = 0\n"),
    ]:
        assert theirs in text, theirs
        text = text.replace(theirs, ours)
    scenario = folder / "bazaar.toml"
    scenario.write_text(text)
    return scenario


def descendants(pid: int) -> set[int]:
    """A process and all that it started."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
    found, fresh = {pid}, {pid}
    while fresh := {child for child, parent in parents.items() if parent in fresh} - found:
        found |= fresh
    return found


def processor_s(pids: set[int]) -> float:
    """What processes have taken of the processors, in seconds."""
    taken = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            taken += int(fields[11]) + int(fields[12])
    return taken / TICKS


@contextlib.contextmanager
def looking(kind: str, bus: Bus, browser: Browser, folder: Path) -> Iterator[set[int]]:
    """Somebody looks on; the processes that it takes."""
    if kind == "top":
        terminal = Terminal(folder, HMS, "top", "--nats", bus.url)
        terminal.until(b"SERVICE")
        with terminal.unwatched():
            yield {terminal.process.pid}
        terminal.press(b"q")
        assert terminal.end() == 0
    elif kind == "page":
        with visited(browser, page_url(bus)) as page:
            page.wait_for_selector("#status[data-state=live]")
            yield descendants(os.getpid()) - descendants(bus.pid) - {os.getpid()}
            # It kept up, to the last deal.
            page.wait_for_function("() => document.querySelector('#status').dataset.state === 'live'")
    else:
        yield set()


def once(kind: str, scenario: Path, browser: Browser) -> Json:
    """One run, on a bus of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ports = PORTS if kind in ("idle", "page") else PORTS[:-1]
        report = folder / "report.json"
        command: list[str | Path] = [HMS, "swarm", "run", scenario, "--seconds", str(SECONDS), "--json", report]
        with hms_up(folder / "bus", *ports, "--provers", "0") as bus, looking(kind, bus, browser, folder) as pids:
            before = processor_s(pids)
            command += ["--nats", bus.url]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS + 300)
            assert done.returncode == 0, done.stderr
            took = processor_s(pids) - before
        told = json.loads(report.read_text())
    settled, seconds = told["deals"]["settled"], told["seconds"]
    return {
        "settled_per_s": round(settled / seconds, 2),
        "settled": settled,
        "seconds": round(seconds, 1),
        "onlooker_processor_share": round(took / seconds, 4),
    }


def main() -> None:
    """Measure, and say so."""
    runs: dict[str, list[Json]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        scenario = bazaar(Path(name))
        browser = playwright.chromium.launch(executable_path=find_chromium())
        for round_ in range(ROUNDS):
            for kind in KINDS if round_ % 2 == 0 else reversed(KINDS):
                runs[kind].append(once(kind, scenario, browser))
                print(f"{kind}: {runs[kind][-1]}", file=sys.stderr)
        browser.close()
    rate = {kind: statistics.median(run["settled_per_s"] for run in all_) for kind, all_ in runs.items()}
    processors = os.cpu_count() or 1
    figures = {
        "agents": AGENTS,
        "rounds": ROUNDS,
        "processors": processors,
        "settled_per_s": rate,
        "ratio": {kind: round(rate[kind] / rate["alone"], 4) for kind in KINDS if kind != "alone"},
        "share_of_machine": {
            kind: round(statistics.median(run["onlooker_processor_share"] for run in runs[kind]) / processors, 4)
            for kind in ("top", "page")
        },
        "runs": runs,
    }
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps({name: figure for name, figure in figures.items() if name != "runs"}, indent=2))


if __name__ == "__main__":
    main()
