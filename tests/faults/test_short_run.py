"""Short runs of the fault programme, on one broker and on three: `make faults` runs it for as long as you like.

Their schedules are fixed; which instruction a fault meets is the machine's to say. They run side by side, since most of
a run is waiting for what was broken to come back.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from faults.__main__ import table
from faults.disk import is_available
from faults.programme import Plan, Programme, Report
from real_bus import find_hms

if TYPE_CHECKING:
    from pathlib import Path

#: Each kind once, in this order.
KINDS = [
    "kill_desk",
    "kill_ledger",
    "kill_node",
    "kill_broker",
    "kill_agents",
    "stop_core",
    "stop_agents",
    "stop_broker",
    "restart_broker",
    "cut_network",
    "stall_network",
    "slow_network",
    "kill_many",
    "full_disk",
]
#: And these on one broker, whose disk forgets what was not synced.
POWER_CUTS = ["power_cut", "blackout"]
#: What a cluster is for; it syncs lazily.
OF_CLUSTER = [
    "kill_broker",
    "kill_brokers",
    "kill_node",
    "isolate_broker",
    "stop_broker",
    "kill_brokers",
    "kill_ledger",
    "isolate_broker",
    "kill_many",
    "restart_broker",
]


def plans() -> dict[str, Plan]:
    """What is run."""
    single = [*KINDS, *POWER_CUTS] if is_available() else KINDS
    between_s = (0.2, 0.6)
    return {
        "one broker": Plan(seed=1, kinds=single, in_turn=True, between_s=between_s),
        "three brokers": Plan(
            seed=2, kinds=OF_CLUSTER, in_turn=True, between_s=between_s, replicas=3, sync_always=False
        ),
    }


@pytest.mark.timeout(360)
def test_nothing_is_lost_and_nothing_is_doubled(tmp_path: Path) -> None:
    find_hms()

    def run(at: tuple[str, Plan]) -> Report:
        name, plan = at
        return Programme(plan, tmp_path / name.replace(" ", "-"), say=lambda _: None).run()

    asked = plans()
    with ThreadPoolExecutor(len(asked)) as pool:
        reports = dict(zip(asked, pool.map(run, asked.items()), strict=True))
    for report in reports.values():
        print(f"\n{table(report)}")
    for name, report in reports.items():
        assert report.is_good, "\n".join([name, str(report.wrong), *report.details, *report.panics])
        assert sum(report.faults.values()) == len(asked[name].kinds)
        assert all(report.kills[kind] for kind in ("node", "ledger", "broker")), report.kills
        assert report.acknowledged > 50, "else it shows nothing"
        assert report.ends.get("settled", 0) > 10
