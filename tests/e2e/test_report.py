"""The report as a page: in a browser, without a network, at every size, and figure by figure as the JSON has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from browser import chromium, opened
from browser import ink as drawn
from exact_worth import Bounds
from export_audit import Audit, Export
from real_bus import HMS, ROOT, find_hms
from sample_run import Sample, run_of, with_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from browser import Scheme

Json = dict[str, Any]

SECTIONS = ("network", "gains", "time", "latency", "welfare", "satisfied", "left-out", "claims", "deals")


class Written(NamedTuple):
    """What a real run wrote."""

    page: Path
    report: Json
    export: Export


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A run of the dozen countries, for all tests here."""
    find_hms()
    folder = tmp_path_factory.mktemp("run")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NATS_", "HMS_"))} | {"PATH": path}
    command: list[str | Path] = [HMS, "swarm", "run", ROOT / "scenarios" / "dozen-countries.toml"]
    command += ["--json", folder / "report.json", "--export", folder / "export", "--report", folder / "report.html"]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return Written(
        folder / "report.html", json.loads((folder / "report.json").read_text()), Export.read(folder / "export")
    )


def show_all(page: Page) -> None:
    """Have every table show every row."""
    more = page.locator(".more-rows button:visible", has_text="Show all")
    while more.count():
        more.first.click()


def shown(page: Page, kind: str) -> dict[str, str]:
    """Every figure of a kind, by its place; where it stands twice, it must be the same."""
    found = page.locator(f"data[data-{kind}]").evaluate_all(
        "(all, kind) => all.map((one) => [one.dataset[kind], one.value, one.textContent])", kind
    )
    figures: dict[str, str] = {}
    for place, value, text in found:
        assert figures.setdefault(place, value) == value
        assert text, f"{place} shows nothing"
    return figures


def at(report: Json, place: str) -> object:
    value: Any = report
    for name in place.split("."):
        value = value[name]
    return value


def test_every_figure_is_the_reports(browser: Browser, written: Written) -> None:
    assert run_of(written.page.read_text())["report"] == written.report
    with opened(browser, written.page) as page:
        show_all(page)
        figures = shown(page, "figure")
    for place, value in figures.items():
        assert json.loads(value) == at(written.report, place), place
    wanted = {f"{key}.{name}" for key in ("welfare", "latency_ms", "surplus_by_party") for name in written.report[key]}
    wanted |= {f"deals.{stage}" for stage in ("opened", "agreed", "certified", "committed", "settled")}
    wanted |= {f"left_out.{reason}" for reason in written.report["left_out"]}
    wanted |= {"claims.proved", "claims.deals", "claims.proving_ms", "claims.to_commit_ms", "agents.python"}
    wanted |= {"agents.rust", "conservation_ok", "win_win_ok", "multi_party_settled", "transfers", "messages"}
    wanted |= {"settled_over_1000_usd", "clearings", "intents", "seconds", "seed"}
    assert wanted <= figures.keys()


def derived(written: Written) -> dict[str, int]:
    """What the page counts itself, counted again from the export by code that shares nothing with it."""
    audit = Audit(written.export)
    settled = [deal for deal in audit.deals if deal.state == "settled"]
    gain = {deal.id: sum(deal.gain(party).minor for party in deal.stated) for deal in settled}
    moved = [transfer for deal in settled for transfer in deal.standing]
    surplus = written.report["surplus_by_party"]
    active = {party for deal in settled for party in deal.stated}
    wishes = filled(written.export, moved)
    figures = {
        "agents": len(surplus),
        "gainers": sum(amount > 0 for amount in surplus.values()),
        "idle": len(surplus.keys() - active),
        "pairs": len({(transfer["from"], transfer["to"]) for transfer in moved}),
        "longest_ms": max(deal.at[-1] - deal.at[0] for deal in settled),
        "unserved": len(wishes.keys() - active),
    }
    for line in written.export.clearings[:-1]:
        name = f"clearing.{line['clearing']}"
        figures[f"{name}.bound"] = line["result"]["bound"]
        figures[f"{name}.objective"] = line["result"]["objective"]
        figures[f"{name}.settled"] = sum(gain.get(deal, 0) for deal in line["deals"])
    return figures | {f"filled.{agent}": ppm for agent, ppm in wishes.items() if agent in active}


def filled(export: Export, moved: list[Json]) -> dict[str, int]:
    """How much each agent got of what its first intent wanted, by its own central values, in parts per million."""
    received: Counter[tuple[str, str]] = Counter()
    for transfer in moved:
        received[transfer["to"], transfer["good"]] += transfer["quantity"]
    shares: dict[str, int] = {}
    for intent in (line["body"] for line in export.intents if line["body"]["type"] == "intent"):
        agent = intent["agent"]
        if agent in shares:
            continue
        wanted = got = Fraction(0)
        for want in intent["wants"]:
            values = {take["good"]: Bounds.of(take["value"]).centre for take in want["any_of"]}
            wanted += max(values[take["good"]] * take["limit"] for take in want["any_of"])
            got += sum(value * received[agent, good] for good, value in values.items())
        if wanted:
            shares[agent] = int(got * 1_000_000 / wanted)
    return shares


def test_what_the_page_counts_follows_from_the_export(browser: Browser, written: Written) -> None:
    with opened(browser, written.page) as page:
        show_all(page)
        figures = {place: int(value) for place, value in shown(page, "derived").items()}
    reasons = {place: n for place, n in figures.items() if place.startswith("idle.")}
    assert {place: n for place, n in figures.items() if place not in reasons} == derived(written)
    assert sum(reasons.values()) == figures["idle"]


def ink(page: Page, chart: str) -> int:
    """How many pixels of a chart are drawn on."""
    return drawn(page, f"{chart} canvas")


def sample(folder: Path, written: Written, agents: int) -> Path:
    file = folder / f"{agents}.html"
    file.write_text(with_run(written.page.read_text(), Sample(agents).run()))
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("agents", [2, 51, 2000])
def test_a_page_is_drawn(tmp_path: Path, browser: Browser, written: Written, agents: int, scheme: Scheme) -> None:
    with opened(browser, sample(tmp_path, written, agents), scheme) as page:
        assert page.evaluate("window.harm") is None
        assert ink(page, "#network-chart") > 500
        assert page.locator("#division").is_hidden()
        for section in SECTIONS if agents > 2 else ("network", "gains"):
            assert page.locator(f"#{section}").is_visible(), section
            assert page.locator(f"#{section} .lead").inner_text()
        for chart in page.locator(".chart:visible").all():
            assert chart.get_attribute("role") == "img"
            assert chart.get_attribute("aria-label")
            assert chart.locator("canvas, svg path").count() > 0
        red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (red + green + blue > 600) == (scheme == "light")


def test_a_hostile_word_is_shown_as_it_is(tmp_path: Path, browser: Browser, written: Written) -> None:
    with opened(browser, sample(tmp_path, written, 51)) as page:
        assert "</script><script>window.harm = 1</script>" in page.locator("#about").inner_text()
        assert page.locator("#errors li").inner_text().startswith("</script>")
        assert page.locator("img").count() == 0
        page.fill("#find", "agent-00000")
        assert "onerror" in page.locator("#agent").inner_text()
        assert page.evaluate("window.harm") is None


@pytest.mark.parametrize("agents", [51, 2000])
def test_an_agent_is_found_and_the_matrix_shown(
    tmp_path: Path, browser: Browser, written: Written, agents: int
) -> None:
    with opened(browser, sample(tmp_path, written, agents)) as page:
        everything = ink(page, "#network-chart")
        page.fill("#find", "agent-00007")
        assert page.locator("#agent h3").inner_text() == "Agent 00007"
        assert 0 < ink(page, "#network-chart") != everything
        page.click("#clear")
        assert page.locator("#find").input_value() == ""
        assert ink(page, "#network-chart") == everything
        page.get_by_label("Matrix").check()
        assert "row and a column" in page.locator("#network-caption").inner_text()
        assert ink(page, "#network-chart") != everything


@pytest.mark.parametrize("agents", [51, 2000])
def test_a_chart_says_what_is_under_the_mouse(tmp_path: Path, browser: Browser, written: Written, agents: int) -> None:
    with opened(browser, sample(tmp_path, written, agents)) as page:
        charts = {"network": "Agent", "gains": "$", "time": "after", "latency": " to ", "welfare": "bound"}
        for name, word in charts.items():
            assert word in hint(page, f"#{name}-chart"), name


def hint(page: Page, chart: str) -> str:
    """What the first place of a chart says that says anything."""
    place = page.locator(chart)
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box
    for part in range(30, 70, 2):
        page.mouse.move(box["x"] + box["width"] * part / 100, box["y"] + box["height"] * part / 100)
        page.wait_for_timeout(30)
        if text := place.locator("> div:has(strong)").inner_text() if place.locator("strong:visible").count() else "":
            return text
    return ""


def test_colours_can_be_switched(browser: Browser, written: Written) -> None:
    def background(page: Page) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    with opened(browser, written.page, "light") as light, opened(browser, written.page, "dark") as dark:
        both = background(light), background(dark)
        assert both[0] != both[1]
        light.get_by_label("Dark").check()
        dark.get_by_label("Light").check()
        assert (background(dark), background(light)) == both
        dark.get_by_label("Auto").check()
        assert background(dark) == both[1]


def test_a_table_is_sorted_by_the_keyboard(browser: Browser, written: Written) -> None:
    gains = sorted(written.report["surplus_by_party"].values())
    with opened(browser, written.page) as page:
        show_all(page)
        cells = "#parties td data"
        column = page.locator("#parties th", has_text="Gain")
        assert column.get_attribute("aria-sort") == "descending"
        column.get_by_role("button").focus()
        page.keyboard.press("Enter")
        assert column.get_attribute("aria-sort") == "ascending"
        assert page.locator(cells).evaluate_all("(all) => all.map((one) => Number(one.value))") == gains


@pytest.mark.parametrize("agents", [51, 2000])
def test_a_telephone_shows_it_without_scrolling_sideways(
    tmp_path: Path, browser: Browser, written: Written, agents: int
) -> None:
    with opened(browser, sample(tmp_path, written, agents), width=360, height=740) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
