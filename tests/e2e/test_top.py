"""`hms top` on a real bus: one frame as text, and a terminal with keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from by_hand import Hand, hms, settled
from real_bus import find_hms
from terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from real_bus import Bus


def test_one_frame_as_text_and_for_programs(bus: Bus, tmp_path: Path) -> None:
    hand = Hand(tmp_path, bus.url, bus.folder)
    settled(hand, "counted")
    done = hms(tmp_path, "top", "--once", "--nats", bus.url, "--sort", "name")
    assert done.returncode == 0, done.stderr
    for words in (bus.url, "agents", "settled ", "the ledger keeps up", "at the gates", "SERVICE", "MEAN MS"):
        assert words in done.stdout, done.stdout
    assert "\x1b" not in done.stdout
    services = [line.split()[0] for line in done.stdout.splitlines()[7:] if line]
    assert {"deal", "graph", "gtp", "ledger", "maker", "proof", "registry"} <= set(services), done.stdout
    assert services == sorted(services)
    told = json.loads(hms(tmp_path, "top", "--once", "--json", "--nats", bus.url, "--every-ms", "300").stdout)
    settled(hand, "counted")
    after = json.loads(hms(tmp_path, "top", "--once", "--json", "--nats", bus.url, "--every-ms", "300").stdout)
    assert after["deals"]["settled"] == told["deals"]["settled"] + 1
    assert after["agents"] >= 2
    accepts = [
        next(row for row in one["services"] if (row["service"], row["endpoint"]) == ("deal", "accept"))
        for one in (told, after)
    ]
    assert accepts[1]["requests"] == accepts[0]["requests"] + 2
    assert accepts[1]["mean_ms"] > 0


def test_on_a_terminal_with_keys(bus: Bus, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, find_hms(), "top", "--nats", bus.url, "--every-ms", "300")
    terminal.until(b"sorts by slowest now")
    terminal.until(b"SERVICE")
    terminal.press(b"s")
    terminal.until(b"rate")
    terminal.press(b"p")
    terminal.until(b"goes")  # the cells of "paused: p goes on" that differ
    terminal.press(b"q")
    assert terminal.end() == 0


def test_a_pipe_is_no_terminal_and_ctrl_c_is_a_good_end(bus: Bus, tmp_path: Path) -> None:
    piped = hms(tmp_path, "top", "--nats", bus.url)
    assert piped.returncode == 64
    assert "--once" in piped.stderr
    terminal = Terminal(tmp_path, find_hms(), "top", "--nats", bus.url)
    terminal.until(b"SERVICE")
    terminal.press(b"\x03")
    assert terminal.end() == 0
