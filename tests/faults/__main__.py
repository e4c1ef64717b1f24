"""The command: see the package."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
from pathlib import Path

import msgspec

from .faults import FAULTS
from .programme import Plan, Programme, Report, new_folder


def main() -> int:
    """Run once; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long to break things [5]")
    parser.add_argument("--kills", type=int, default=0, help="kill a process of each kind so often instead")
    parser.add_argument("--replicas", type=int, choices=(1, 3), default=1, help="brokers, and copies of streams [1]")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of the schedule")
    parser.add_argument("--json", type=Path, help="write the report here")
    parser.add_argument("--only", nargs="+", choices=sorted(FAULTS), default=[], help="only these faults")
    parser.add_argument("--lazy", action="store_true", help="brokers that sync every two minutes; no power cuts")
    parser.add_argument("--keep", action="store_true", help="keep histories and logs when all is well, too")
    asked = parser.parse_args()
    plan = Plan(
        seconds=asked.minutes * 60,
        seed=asked.seed,
        kinds=asked.only,
        sync_always=not asked.lazy,
        replicas=asked.replicas,
        kills=asked.kills,
        between_s=(0.0, 0.6) if asked.kills else (0.3, 2.0),
    )
    # A long run that is ended early is checked, and tells what was done until then.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    folder = new_folder()
    print(f"seed {plan.seed}, in {folder}", flush=True)
    report = Programme(plan, folder, say=lambda text: print(text, flush=True)).run()
    print(table(report))
    if asked.json is not None:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    if report.is_good and not asked.keep:
        shutil.rmtree(folder)
    else:
        print(f"histories, logs and stores are in {folder}")
    return 0 if report.is_good else 1


def table(report: Report) -> str:
    """The report for people."""
    rows: list[tuple[str, object]] = [*report.faults.items(), ("faults", sum(report.faults.values())), ("", "")]
    rows += [*report.kills.items(), ("", "")]
    rows += [("moves tried", report.moves), ("acknowledged", report.acknowledged)]
    rows += [("refused", report.refused), ("unknown", report.unknown), ("asked again", report.asked_again)]
    rows += [("lost", report.lost), ("doubled", report.doubled), ("", ""), ("deals", report.deals)]
    rows += [(f"  {state}", n) for state, n in report.ends.items()]
    rows += [("entries of the log", report.entries)]
    brokers = "one broker" if report.replicas == 1 else f"{report.replicas} brokers"
    syncing = "each write synced" if report.sync_always else "lazy syncing"
    sections = {0: f"faults, {brokers}, {syncing}", len(report.faults) + 2: "killed with -9"}
    lines = [f"{name:<22}{value!s:>9}" for name, value in rows]
    for at in sorted(sections, reverse=True):
        lines.insert(at, f"-- {sections[at]}")
    lines += [f"-- wrong: {kind} × {n}" for kind, n in report.wrong.items()]
    lines += [f"   {detail}" for detail in report.details[:20]]
    lines += [f"-- {name} panicked" for name in report.panics]
    if report.is_good:
        lines.append("nothing was lost, nothing doubled")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
