"""What Prometheus scrapes of a node, its health, and that the rules and the dashboard name nothing that isn't there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from by_hand import Hand, node, opened, settled
from real_bus import ROOT, Broker, free_port, hms_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from real_bus import Bus

DEPLOY = ROOT / "deploy"
#: What stands in a rule or a panel for a metric.
METRIC = re.compile(r"\bhms_[a-z0-9_]+")
SAMPLE = re.compile(r"^([a-z0-9_]+)(?:\{(.*)\})? ([0-9.e+-]+)$")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')

Samples = dict[str, dict[frozenset[tuple[str, str]], float]]


def get(address: str, path: str) -> tuple[int, str, str]:
    """A page: its status, its type and what it says."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as page:
            return page.status, page.headers["Content-Type"], page.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers["Content-Type"], refused.read().decode()


def scrape(address: str) -> Samples:
    """Every sample, by its name and labels. The text is what OpenMetrics says it is, to the end."""
    status, kind, text = get(address, "/metrics")
    assert status == 200
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    samples: Samples = defaultdict(dict)
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        sample = SAMPLE.match(line)
        assert sample, line
        name, labels, value = sample.groups()
        key = frozenset(LABEL.findall(labels or ""))
        assert key not in samples[name], f"twice: {line}"
        samples[name][key] = float(value)
    return samples


def one(samples: Samples, name: str, **labels: str) -> float:
    """The sample with these labels."""
    return samples[name][frozenset(labels.items())]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bus, str]]:
    """A bus with metrics, and where they are."""
    address = f"127.0.0.1:{free_port()}"
    folder = tmp_path_factory.mktemp("measured")
    ports = ["--port", str(free_port()), "--monitor-port", "0", "--provers", "0"]
    with hms_up(folder, *ports, "--metrics", address) as bus:
        yield bus, address


def test_each_endpoint_is_measured_and_deals_are_counted_where_they_stand(
    measured: tuple[Bus, str], tmp_path: Path
) -> None:
    bus, address = measured
    hand = Hand(tmp_path, bus.url, bus.folder)
    before = scrape(address)
    settled(hand, "measured")
    deal = opened(hand, "measured")
    hand.call("deal.reject", "ghana", {"deal": deal["deal"], "reason": "no"})
    opened(hand, "measured")
    with pytest.raises(AssertionError, match="409"):
        hand.call("deal.withdraw", "kenya", {"deal": deal["deal"], "reason": "late"})
    after = scrape(address)
    accept = {"service": "deal", "endpoint": "accept"}
    assert one(after, "hms_requests_total", **accept) == one(before, "hms_requests_total", **accept) + 2
    assert one(after, "hms_request_errors_total", service="deal", endpoint="withdraw", code="409") == 1
    count = one(after, "hms_request_duration_seconds_count", **accept)
    assert count == one(after, "hms_requests_total", **accept)
    assert one(after, "hms_request_duration_seconds_bucket", **accept, le="+Inf") == count
    assert 0 < one(after, "hms_request_duration_seconds_sum", **accept) < 30
    assert one(after, "hms_panics_total", **accept) == 0
    assert one(after, "hms_admission_limit", **accept) == 4096
    assert one(after, "hms_bus_connected") == 1
    for state, more in (("settled", 1), ("rejected", 1), ("negotiating", 1), ("certified", 0)):
        assert one(after, "hms_deals", state=state) == one(before, "hms_deals", state=state) + more, state
    assert one(after, "hms_deal_events_total", event="committed") == 1
    assert one(after, "hms_dead_letters") == 0
    assert one(after, "hms_agents") >= 3
    services = {dict(labels)["service"] for labels in after["hms_requests_total"]}
    assert services == {"deal", "genetic", "graph", "ledger", "mac", "maker", "proof", "registry", "trade_balance"}


def test_health_and_readiness(broker: Broker, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    Hand(tmp_path, broker.url)
    with node(tmp_path, broker.url, "graph,proof", "--metrics", address):
        assert get(address, "/healthz")[0] == 200
        status, _, reason = get(address, "/readyz")
        assert (status, reason) == (503, "stream HMS_DEALS cannot be read\n"), "nobody has provisioned it"
        assert get(address, "/nothing")[0] == 404
        assert set(scrape(address)["hms_requests_total"]), "what can be told is told"
        broker.kill()
        end = time.monotonic() + 10
        while get(address, "/readyz")[2] != "the broker is not connected\n":
            assert time.monotonic() < end
            time.sleep(0.1)
        assert get(address, "/healthz")[0] == 200
        assert one(scrape(address), "hms_bus_connected") == 0
        broker.start()
        end = time.monotonic() + 20
        while one(scrape(address), "hms_bus_connected") != 1:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_rules_and_dashboard_name_nothing_that_is_not_measured(measured: tuple[Bus, str], tmp_path: Path) -> None:
    bus, address = measured
    hand = Hand(tmp_path, bus.url, bus.folder)
    settled(hand, "named")
    with pytest.raises(AssertionError, match="409"):
        hand.call("deal.reject", "kenya", {"deal": settled(hand, "named"), "reason": "late"})
    samples = scrape(address)
    dashboard = json.loads((DEPLOY / "dashboard.json").read_text())
    drawn = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = [line for line in (DEPLOY / "alerts.yaml").read_text().splitlines() if "{{" not in line]
    for text in (*drawn, *rules):
        for name in METRIC.findall(text):
            assert name in samples, f"{name} is not measured: {text}"
    assert len(drawn) > 10
    assert {"hms_waiting_oldest_seconds", "hms_panics_total"} <= set(METRIC.findall("\n".join(rules)))


def test_the_rules_are_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert not os.environ.get("CI"), "no promtool on this machine"
        pytest.skip("NOT TESTED: no promtool on this machine (it comes with Prometheus)")
    for command in (["check", "rules", "alerts.yaml"], ["check", "config", "prometheus.yaml"]):
        done = subprocess.run([promtool, *command], cwd=DEPLOY, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def test_an_address_that_is_taken_is_said_so(measured: tuple[Bus, str], tmp_path: Path) -> None:
    bus, address = measured
    done = subprocess.run(
        [bus.binary, "node", "--cores", "proof", "--nats", bus.url, "--dir", tmp_path, "--metrics", address],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert f"serving metrics at {address}" in done.stderr
