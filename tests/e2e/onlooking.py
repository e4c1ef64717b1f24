"""Looking on at a real bus: `hms up --web`, what stands in its log, and what an onlooker's credential opens."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any

from real_bus import HMS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from real_bus import Bus

Json = dict[str, Any]

#: What `hms up` is told for a bus with a page, on ports of its own.
PORTS = ("--port", "0", "--monitor-port", "0", "--web=127.0.0.1:0")
BEGUN = ["open", "negotiating", "agreed", "certified", "committed"]
BAD = ["rejected", "withdrawn", "expired", "refused", "failed", "compensated"]

#: Does what an onlooker may and may not, with the page's own client and credential, and says what came of each.
TRY = """async ([subjects, publishes, seed]) => {
  const { wsconnect, nkeyAuthenticator, usernamePasswordAuthenticator } = await import("/vendor/nats.js");
  const bus = await (await fetch("/bus.json")).json();
  const { credential } = bus;
  const key = seed ?? credential.seed;
  const authenticator = seed === "" ? undefined
    : credential.type === "user" ? usernamePasswordAuthenticator(credential.user, credential.password)
    : nkeyAuthenticator(new TextEncoder().encode(key));
  const servers = bus.websocket.url ?? `ws://${location.hostname}:${bus.websocket.port}`;
  const nc = await wsconnect({ servers, authenticator, reconnect: false });
  const refused = [];
  (async () => { for await (const s of nc.status()) if (s.type === "error") refused.push(String(s.error.message)); })();
  for (const subject of subjects) nc.subscribe(subject, { callback: () => {} });
  for (const [subject, reply] of publishes) nc.publish(subject, "x", reply === null ? {} : { reply });
  await nc.flush();
  await new Promise((done) => setTimeout(done, 200));
  await nc.close();
  return refused;
}"""


def fetched(url: str) -> Any:
    """A page as JSON."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.loads(answer.read())


def page_url(bus: Bus) -> str:
    """Where the page is."""
    return str(bus.told["web_url"])


def traded(bus: Bus, folder: Path, agents: int = 24) -> Json:
    """A small bazaar on this bus, of Rust agents, cleared often; its report."""
    text = (ROOT / "scenarios" / "bazaar.toml").read_text()
    for theirs, ours in [
        ("agents = 200\n", f"agents = {agents}\n"),
        ("goods = 12\n", "goods = 5\n"),
        ("clear_every_ms = 2_000\n", "clear_every_ms = 500\n"),
        ("time_limit_ms = 2_000\n", "time_limit_ms = 400\n"),
        ('division = "leximin"\n', ""),
        ("evolve = 20_000\n", ""),
    ]:
        assert theirs in text, theirs
        text = text.replace(theirs, ours)
    scenario, report = folder / "bazaar.toml", folder / "report.json"
    scenario.write_text(text)
    command: list[str | Path] = [HMS, "swarm", "run", scenario, "--nats", bus.url, "--json", report]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    told: Json = json.loads(report.read_text())
    return told


def events_of(bus: Bus) -> list[Json]:
    """Every event of every deal in the order of the log, as `hms` reads it for programs; `sequence` and `event`."""
    events = []
    for line in bus.hms("deal", "list", "--json").splitlines():
        log = bus.hms("deal", "log", json.loads(line)["deal"], "--json")
        events += [json.loads(entry) for entry in log.splitlines()]
    return sorted(events, key=lambda entry: int(entry["sequence"]))


def counted(events: list[Json], through: int) -> dict[str, int]:
    """How many deals stand where after this place of the log, counted by code that shares nothing with the page."""
    last: dict[str, str] = {}
    for entry in events:
        event = entry["event"]
        if entry["sequence"] > through:
            break
        what = event["what"]["type"]
        last[event["deal"]] = {
            "opened": "negotiating",
            "proposed": "negotiating",
            "confirmed": "committed",
            "accepted": "agreed" if event["what"].get("last") else "negotiating",
        }.get(what, what)
    states = list(last.values())
    return {
        "under way": sum(state in BEGUN for state in states),
        "settled": states.count("settled"),
        "came to nothing": sum(state in BAD for state in states),
    }


def shown(page: Page) -> dict[str, int]:
    """The figures at the page's head that a log can be asked for."""
    figures = page.locator("#figures dd[data-figure]").evaluate_all(
        "(all) => all.map((one) => [one.dataset.figure, one.textContent])"
    )
    return {
        name: int(text.replace(",", ""))
        for name, text in figures
        if name in ("under way", "settled", "came to nothing")
    }


def until(page: Page, condition: str, argument: object = None, within_ms: float = 30_000) -> None:
    """Wait until this holds in the page."""
    page.wait_for_function(condition, arg=argument, timeout=within_ms)


def drawn_through(page: Page, sequence: int) -> None:
    """Wait until the page has drawn what stands in the log to this place."""
    until(page, "(through) => Number(document.documentElement.dataset.sequence) >= through", sequence)
