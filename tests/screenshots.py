"""Takes the pictures in docs/: a swarm's report, the page for onlookers and `hms top`, all from real runs.

    PYTHONPATH=tests/e2e python tests/screenshots.py [TABLE.csv]

A table named is a whole continent's, as `hms swarm run --data` takes it; without one, the dozen countries stand in.
Needs a built `hms`, the broker on the path, and a Chromium.
"""

from __future__ import annotations

import html
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pyte

from browser import chromium, opened, visited
from onlooking import page_url
from real_bus import HMS, ROOT, find_hms, hms_up
from terminal import Terminal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pyte.screens import Char

    from browser import Scheme
    from real_bus import Bus

DOCS = ROOT / "docs" / "pictures"
#: As many agents as the large pictures show, and as many seconds as they have for it.
MANY = 2000
SECONDS = 60
#: The terminal's size, in characters.
COLUMNS, ROWS = 110, 34
#: What a terminal's colours look like; the default for text and paper first.
COLOURS = {
    "default": "#d8d6d0",
    "black": "#131415",
    "red": "#f0785a",
    "green": "#2fc49a",
    "brown": "#e3c440",
    "blue": "#56b4e9",
    "magenta": "#d79bc0",
    "cyan": "#7cc6f0",
    "white": "#e9e7e2",
}


def command(scenario: Path, *more: str | Path) -> list[str | Path]:
    """The run of a scenario; its exit code says whether the books balance, and must be good."""
    return [HMS, "swarm", "run", scenario, *more]


def keep(page: Page, name: str) -> None:
    """A picture of what is seen."""
    picture = DOCS / f"{name}.png"
    page.screenshot(path=picture)
    print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size // 1000} kB")


def report(browser: Browser, page: Path, name: str, scheme: Scheme) -> None:
    """A report from its title to its network."""
    with opened(browser, page, scheme, width=1100, height=1400) as shown:
        keep(shown, name)


def countries(table: str | None) -> list[str | Path]:
    """The run of a continent, or of a dozen of its countries."""
    if table is not None:
        return command(ROOT / "scenarios" / "african-commodities.toml", "--data", Path(table).resolve())
    return command(ROOT / "scenarios" / "dozen-countries.toml")


def many(folder: Path) -> list[str | Path]:
    """The run of the bazaar, with many agents."""
    text = (ROOT / "scenarios" / "bazaar.toml").read_text()
    changed = text.replace("agents = 200\n", f"agents = {MANY}\n")
    assert changed != text, "the bazaar has another size"
    scenario = folder / "bazaar.toml"
    scenario.write_text(changed)
    return command(scenario, "--seconds", str(SECONDS))


def watched(browser: Browser, folder: Path, run: list[str | Path], name: str, scheme: Scheme) -> Path:
    """A run with the page and `hms top` beside it: pictures while it trades, and of a deal once it has. Its report."""
    folder.mkdir()
    written = folder / "report.html"
    arguments = ("--port", "0", "--monitor-port", "0", "--web=127.0.0.1:0")
    with hms_up(folder / "bus", *arguments) as bus, visited(browser, page_url(bus), scheme) as page:
        trading = subprocess.Popen(
            [*run, "--nats", bus.url, "--report", written], cwd=folder, stdout=subprocess.DEVNULL
        )
        # While deals are made, some are settled already.
        page.wait_for_function("() => Number(document.documentElement.dataset.events) > 400", timeout=240_000)
        terminal(browser, bus, folder, f"top-{name}")
        page.wait_for_timeout(1_000)
        keep(page, f"page-{name}")
        assert trading.wait(600) == 0
        page.wait_for_timeout(2_000)
        a_deal(page, bus, name)
    return written


def a_deal(page: Page, bus: Bus, name: str) -> None:
    """The deal of most parties that is settled, in the midst of its life."""
    page.locator("#chips button[data-state=settled]").click()
    page.wait_for_timeout(500)
    deals = page.locator("#deals button").evaluate_all("(all) => all.map((one) => one.dataset.deal)")
    logs = [bus.hms("deal", "log", deal, "--json").splitlines() for deal in deals[:20]]
    longest = json.loads(max(logs, key=len)[0])["event"]["deal"]
    page.locator(f"#deals button[data-deal='{longest}']").click()
    page.wait_for_selector("#deal .life li")
    page.wait_for_timeout(1_500)
    for _ in range(3):
        page.keyboard.press(",")
        page.wait_for_timeout(300)
    keep(page, f"deal-{name}")


def terminal(browser: Browser, bus: Bus, folder: Path, name: str) -> None:
    """`hms top`, as a terminal shows it."""
    seen = Terminal(folder, HMS, "top", "--nats", bus.url, "--sort", "rate", columns=COLUMNS, rows=ROWS)
    seen.until(b"SERVICE")
    end = time.monotonic() + 4
    while time.monotonic() < end:
        seen.watch(0.2)
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.ByteStream(screen).feed(seen.drawn)
    seen.press(b"q")
    assert seen.end() == 0
    rows = "\n".join("".join(cell(screen.buffer[row][column]) for column in range(COLUMNS)) for row in range(ROWS))
    page = browser.new_page(viewport={"width": 980, "height": 640})
    page.set_content(
        f"<body style='margin:0;background:{COLOURS['black']}'><pre style='margin:14px 18px;font:14.4px/1.22 monospace;"
        f"color:{COLOURS['default']}'>{rows}</pre>"
    )
    keep(page, name)
    page.close()


def cell(of: Char) -> str:
    """One character as HTML."""
    ink = COLOURS.get(of.fg, f"#{of.fg}")
    paper = COLOURS["black"] if of.bg == "default" else COLOURS.get(of.bg, f"#{of.bg}")
    if of.reverse:
        ink, paper = paper, ink
    weight = ";font-weight:700" if of.bold else ""
    return f"<span style='color:{ink};background:{paper}{weight}'>{html.escape(of.data)}</span>"


def main(arguments: list[str]) -> None:
    """Run, and look."""
    find_hms()
    DOCS.mkdir(exist_ok=True)
    table = arguments[0] if arguments else None
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        first = watched(browser, folder / "a", countries(table), "countries", "light")
        second = watched(browser, folder / "b", many(folder), "bazaar", "dark")
        report(browser, first, "report-countries", "light")
        report(browser, second, "report-bazaar", "dark")


if __name__ == "__main__":
    main(sys.argv[1:])
