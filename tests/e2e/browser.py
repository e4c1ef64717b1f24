"""A browser that looks at pages that we write, from a file or from `hms up --web`: the system's Chromium, driven by
Playwright.

Whatever a page says on the console, throws, or asks of a network but of whoever serves it, is a fault, and a page that
is closed with one fails.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Scheme = Literal["light", "dark"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str:
    """The system's browser. Without it tests say so; continuous integration does not let them."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        assert not os.environ.get("CI"), f"none of {', '.join(NAMES)} is here"
        pytest.skip(f"NOT TESTED: none of {', '.join(NAMES)} is here")
    return found


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def opened(
    browser: Browser, file: Path, scheme: Scheme = "light", width: int = 1200, height: int = 900
) -> Iterator[Page]:
    """A page from a file, for as long as it is needed, with everything in it drawn."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, offline=True, reduced_motion="reduce"
    )
    page = context.new_page()
    faults: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    try:
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-drawn=yes]", state="attached", timeout=30_000)
        yield page
        assert faults == []
        assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [file.as_uri()]
    finally:
        context.close()


def ink(page: Page, canvas: str) -> int:
    """How many pixels of a canvas are drawn on."""
    return int(
        page.locator(canvas).first.evaluate("""(canvas) => {
            const paper = new OffscreenCanvas(canvas.width, canvas.height);
            const copy = paper.getContext("2d", { willReadFrequently: true });
            copy.drawImage(canvas, 0, 0);
            const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
            return data.filter((value, index) => index % 4 === 3 && value > 0).length;
        }""")
    )


@contextlib.contextmanager
def visited(
    browser: Browser,
    url: str,
    scheme: Scheme = "light",
    width: int = 1280,
    height: int = 800,
    forgiven: str | None = None,
) -> Iterator[Page]:
    """A page that is served, for as long as it is needed. What the browser says of a server that is away, in these
    words, may be forgiven: no page can keep it from that."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    faults: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    try:
        page.goto(url)
        page.wait_for_selector("html[data-drawn=yes]", state="attached", timeout=30_000)
        yield page
        assert [fault for fault in faults if forgiven is None or forgiven not in fault] == []
        here = urlsplit(url).netloc
        assert [one for one in asked if urlsplit(one).netloc != here and not one.startswith("data:")] == []
    finally:
        context.close()
