"""Takes the pictures in docs/ of what a swarm's report looks like, from real runs.

    PYTHONPATH=tests/e2e python tests/screenshots.py [TABLE.csv]

A table named is a whole continent's, as `hms swarm run --data` takes it; without one, the dozen countries stand in.
Needs a built `hms`, the broker on the path, and a Chromium.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from browser import chromium, opened
from real_bus import HMS, ROOT, find_hms

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from browser import Scheme

DOCS = ROOT / "docs"
#: As many agents as the large picture shows, and as many seconds as they have for it.
MANY = 2000
SECONDS = 40


def run(scenario: Path, page: Path, *more: str | Path) -> None:
    """Run a scenario for its page. Its exit code says whether the books balance, and must be good."""
    command: list[str | Path] = [HMS, "swarm", "run", scenario, "--report", page, *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def take(browser: Browser, page: Path, picture: Path, scheme: Scheme, agent: str | None = None) -> None:
    """The page from its title to its network, as a picture."""
    with opened(browser, page, scheme, width=1100, height=1400) as shown:
        if agent is not None:
            shown.fill("#find", agent)
        shown.screenshot(path=picture)
    print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size // 1000} kB")


def many(folder: Path) -> Path:
    """The bazaar, with many agents."""
    text = (ROOT / "scenarios" / "bazaar.toml").read_text()
    changed = text.replace("agents = 200\n", f"agents = {MANY}\n")
    assert changed != text, "the bazaar has another size"
    scenario = folder / "bazaar.toml"
    scenario.write_text(changed)
    return scenario


def main(arguments: list[str]) -> None:
    """Run, and look."""
    find_hms()
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        countries, bazaar = folder / "countries.html", folder / "bazaar.html"
        if arguments:
            run(ROOT / "scenarios" / "african-commodities.toml", countries, "--data", arguments[0])
        else:
            run(ROOT / "scenarios" / "dozen-countries.toml", countries)
        run(many(folder), bazaar, "--seconds", str(SECONDS))
        take(browser, countries, DOCS / "report-countries.png", "light")
        take(browser, bazaar, DOCS / "report-bazaar.png", "dark")


if __name__ == "__main__":
    main(sys.argv[1:])
