"""A short run of the fault programme: `make faults MINUTES=n` runs it for as long as you like.

Its schedule is fixed; which instruction a fault meets is the machine's to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faults.disk import is_available
from faults.programme import Plan, Programme
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
    "stall_network",
    "kill_many",
    "full_disk",
]


@pytest.mark.timeout(240)
def test_nothing_is_lost_and_nothing_settles_twice(tmp_path: Path) -> None:
    find_hms()
    kinds = [*KINDS, "power_cut", "blackout"] if is_available() else KINDS
    programme = Programme(Plan(seconds=20, seed=1, kinds=kinds, in_turn=True, between_s=(0.2, 0.6)), tmp_path)
    report = programme.run()
    assert report.is_good, "\n".join([str(report.wrong), *report.details, *report.panics])
    assert report.faults == dict.fromkeys(sorted(kinds), 1)
    assert report.acknowledged > 50, "else it shows nothing"
    assert report.ends.get("settled", 0) > 10
