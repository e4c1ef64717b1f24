"""The page for onlookers, on a real bus in a real browser: live, back and forth in time, and after a broker's death."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from browser import chromium, ink, visited
from by_hand import Hand, opened, settled
from onlooking import PORTS, counted, drawn_through, events_of, fetched, page_url, shown, traded, until
from real_bus import free_port, hms_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from browser import Scheme
    from onlooking import Json
    from real_bus import Broker, Bus


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    """A bus on which a small bazaar has traded."""
    folder = tmp_path_factory.mktemp("watched")
    with hms_up(folder / "bus", *PORTS, "--provers", "0") as bus:
        traded(bus, folder)
        yield bus


@pytest.fixture(scope="module")
def log(market: Bus) -> list[Json]:
    return events_of(market)


def last_of(log: list[Json]) -> int:
    return int(log[-1]["sequence"])


def test_what_was_before_the_page_is_there(browser: Browser, market: Bus, log: list[Json]) -> None:
    with visited(browser, page_url(market)) as page:
        drawn_through(page, last_of(log))
        assert page.locator("#status-text").inner_text() == "live"
        assert shown(page) == counted(log, last_of(log))
        movers = {entry["event"]["what"]["by"] for entry in log if entry["event"]["what"]["type"] == "accepted"}
        assert int(page.locator("#figures dd").first.inner_text()) >= len(movers) > 2
        assert ink(page, "#network") > 2_000
        assert page.locator("#market").input_value() == "bazaar" or page.locator("#market option").count() == 2


def test_what_happens_comes_live_over_nats(browser: Browser, tmp_path: Path) -> None:
    with hms_up(tmp_path / "bus", *PORTS, "--provers", "0") as bus, visited(browser, page_url(bus)) as page:
        until(page, "() => document.querySelector('#status').dataset.state === 'live'")
        assert page.locator("#more").inner_text() == "No deal yet."
        # From here on nothing is fetched but what says that the page still watches: all else comes on the websocket.
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        deal = settled(Hand(tmp_path, bus.url, bus.folder), "live")
        row = page.locator(f"#deals button[data-deal='{deal}']")
        row.get_by_text("settled").wait_for()
        assert "Ghana, Kenya" in row.inner_text()
        assert [url for url in asked if "/history" in url or "/deals/" in url] == []


def test_a_deals_life_event_by_event(browser: Browser, market: Bus, log: list[Json]) -> None:
    deal = next(entry["event"]["deal"] for entry in log if entry["event"]["what"]["type"] == "settled")
    own = [entry for entry in log if entry["event"]["deal"] == deal]
    with visited(browser, page_url(market)) as page:
        drawn_through(page, last_of(log))
        page.fill("#find", deal)
        page.locator(f"#deals button[data-deal='{deal}']").click()
        steps = page.locator("#deal .life > li")
        until(page, "(many) => document.querySelectorAll('#deal .life > li').length === many", len(own))
        assert page.locator("#deal .verdict").inner_text().startswith("Holds: ")
        told = fetched(f"{page_url(market)}/deals/{deal}")
        assert [event["event"] for event in told["events"]] == [entry["event"]["what"]["type"] for entry in own]
        for index, entry in enumerate(own):
            text = steps.nth(index).inner_text()
            what = entry["event"]["what"]
            # That the desk certifies is the desk's, though it says who opened.
            who = what.get("by") or (what.get("opener") if what["type"] == "opened" else None)
            if who is not None:
                assert who.replace("-", " ").capitalize() in text
        assert "negotiating → agreed" in page.locator("#deal .life").inner_text()
        # Event by event, back and forth: the moment that is shown is the event's.
        for _ in range(3):
            page.keyboard.press(",")
        back = int(own[-4]["sequence"])
        until(page, "(at) => document.documentElement.dataset.sequence === String(at)", back)
        assert page.locator("#deal li.here button").get_attribute("data-sequence") == str(back)
        assert page.locator("#deal li.ahead").count() == 3
        assert shown(page) == counted(log, back)
        page.keyboard.press(".")
        until(page, "(at) => document.documentElement.dataset.sequence === String(at)", int(own[-3]["sequence"]))
        # What stands in the log, as it stands there.
        steps.nth(0).locator("summary").click()
        until(page, "() => document.querySelector('#deal .life > li pre').innerText !== ''")
        assert json.loads(steps.nth(0).locator("pre").inner_text()) == told["events"][0]["body"]
        page.keyboard.press("Escape")
        page.locator("#deal").wait_for(state="hidden")


def test_the_slider_shows_the_bus_as_it_was(browser: Browser, market: Bus, log: list[Json]) -> None:
    with visited(browser, page_url(market)) as page:
        drawn_through(page, last_of(log))
        full = ink(page, "#network")
        before = None
        for value in (100, 900, 450, 700, 0):
            page.locator("#moment").evaluate(
                "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", value
            )
            until(page, "() => document.querySelector('#status').dataset.state === 'past'")
            for _ in range(100):  # the page draws when it has time
                page.wait_for_timeout(100)
                through = int(page.evaluate("document.documentElement.dataset.sequence"))
                if through != before and shown(page) == counted(log, through):
                    break
            assert shown(page) == counted(log, through)
            assert before is None or before != through
            before = through
        assert ink(page, "#network") < full
        page.keyboard.press("l")
        drawn_through(page, last_of(log))
        assert shown(page) == counted(log, last_of(log))


def test_an_agent_is_found_and_its_exchanges_shown(browser: Browser, market: Bus, log: list[Json]) -> None:
    committed = next(entry for entry in log if entry["event"]["what"]["type"] == "committed")
    deal = fetched(f"{page_url(market)}/deals/{committed['event']['deal']}")
    opened_by = [event["body"]["cause"]["body"] for event in deal["events"] if event["event"] == "opened"]
    agent = opened_by[0]["parties"][0]
    with visited(browser, page_url(market)) as page:
        drawn_through(page, last_of(log))
        page.keyboard.press("/")
        page.keyboard.type(agent)
        page.locator("#agent h2").wait_for()
        assert "nothing yet" not in page.locator("#agent").inner_text()
        rows = page.locator("#deals .who").all_inner_texts()
        assert rows
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        assert page.locator("#find").input_value() == ""
        # The page draws when it has time.
        page.locator("#agent").wait_for(state="hidden")


def test_deals_are_listed_by_state(browser: Browser, market: Bus, log: list[Json]) -> None:
    with visited(browser, page_url(market)) as page:
        drawn_through(page, last_of(log))
        page.locator("#chips button[data-state=settled]").click()
        settled_ones = min(counted(log, last_of(log))["settled"], 120)
        listed = "[...document.querySelectorAll('#deals .state')].map((state) => state.innerText).join()"
        until(page, f"(wanted) => {listed} === wanted", ",".join(["settled"] * settled_ones))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1600, 1000), (1280, 720), (390, 844)])
def test_it_fits_and_has_the_colours_that_are_wanted(
    browser: Browser, market: Bus, scheme: Scheme, width: int, height: int
) -> None:
    with visited(browser, page_url(market), scheme, width, height) as page:
        until(page, "() => document.querySelector('#status').dataset.state === 'live'")
        for _ in range(100):
            if ink(page, "#network") > 1_000:
                break
            page.wait_for_timeout(100)
        assert ink(page, "#network") > 1_000
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (red + green + blue > 600) == (scheme == "light")


def test_hostile_words_are_words(browser: Browser, tmp_path: Path) -> None:
    hostile = "<img src=x onerror='window.harm = 1'></p><script>window.harm = 2</script>"
    with hms_up(tmp_path / "bus", *PORTS, "--provers", "0") as bus:
        hand = Hand(tmp_path, bus.url, bus.folder)
        deal = str(opened(hand, "hostile")["deal"])
        hand.call("deal.reject", "ghana", {"deal": deal, "reason": hostile})
        with visited(browser, page_url(bus)) as page:
            row = page.locator(f"#deals button[data-deal='{deal}']")
            row.wait_for()
            assert hostile in row.locator(".what").inner_text()
            row.click()
            page.locator("#deal .life").get_by_text(hostile, exact=False).first.wait_for()
            page.locator("#deal summary").last.click()
            assert page.locator("img").count() == 0
            assert page.locator("script").count() == 1
            assert page.evaluate("window.harm") is None


def test_the_page_outlives_the_broker_and_misses_nothing(browser: Browser, broker: Broker, tmp_path: Path) -> None:
    port = free_port()
    broker.configure(f'websocket {{ host: "127.0.0.1", port: {port}, no_tls: true }}')
    broker.kill()
    broker.start()
    (tmp_path / "hms").mkdir()
    more = ("--provers", "0", "--web=127.0.0.1:0", "--websocket", f"ws://127.0.0.1:{port}")
    with hms_up(tmp_path / "hms", "--nats", broker.url, *more) as bus:
        hand = Hand(tmp_path, bus.url, bus.folder)
        first = settled(hand, "before")
        # While nobody listens there, the browser itself says so.
        with visited(browser, page_url(bus), forgiven="ERR_CONNECTION_REFUSED") as page:
            page.locator(f"#deals button[data-deal='{first}']").get_by_text("settled").wait_for()
            broker.kill()
            until(page, "() => document.querySelector('#status').dataset.state === 'away'")
            broker.start()
            end = time.monotonic() + 30
            while not fetched(f"{page_url(bus)}/bus.json")["is_connected"]:
                assert time.monotonic() < end, "the bus never came back"
                time.sleep(0.05)
            # It happens while the page may not be there again yet.
            second = settled(hand, "after")
            page.locator(f"#deals button[data-deal='{second}']").get_by_text("settled").wait_for()
            until(page, "() => document.querySelector('#status').dataset.state === 'live'")
            log = events_of(bus)
            drawn_through(page, last_of(log))
            assert int(page.evaluate("document.documentElement.dataset.events")) == len(log)
            assert shown(page) == counted(log, last_of(log))
