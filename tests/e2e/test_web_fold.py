"""What the page makes of what it hears: its own modules, folded in a browser over histories that are drawn here.

The modules know nothing of a page, so they are loaded from their folder as they are, behind a server of nothing else.
"""

from __future__ import annotations

import functools
import http.server
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from browser import chromium
from real_bus import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

Json = dict[str, Any]

PAGE = ROOT / "actors" / "hms" / "src" / "web" / "page"
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the folder, and says nothing of it."""

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page that has nothing but the modules."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(PAGE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    blank = browser.new_page()
    blank.goto(f"http://127.0.0.1:{server.server_address[1]}/icon.svg")
    yield blank
    blank.close()
    server.shutdown()
    server.server_close()


def history(seed: int, deals: int, agents: int = 9) -> list[Json]:
    """Deals that open, move and end, entangled, with gaps between their entries, as a log has them."""
    draw = random.Random(seed)
    lives = []
    for _ in range(deals):
        parties = sorted(f"agent-{number:05}" for number in draw.sample(range(agents), draw.randint(2, min(4, agents))))
        deal = "".join(draw.choices(LETTERS, k=26))
        around = list(zip(parties, [*parties[1:], parties[0]], strict=True))
        transfers = [
            {"from": a, "to": b, "good": draw.choice(["tea", "rice", "gold"]), "quantity": draw.randint(1, 99)}
            for a, b in around
        ]
        life: list[Json] = [
            {"event": "opened", "state": "negotiating", "by": "maker", "market": "m", "parties": parties}
            | {"transfers": transfers}
        ]
        life += [
            {"event": "accepted", "state": "agreed" if party == parties[-1] else "negotiating", "by": party}
            for party in parties
        ]
        end = draw.random()
        if end < 0.2:
            life = [*life[:-1], {"event": "rejected", "state": "rejected", "by": parties[-1], "reason": "no"}]
        else:
            life.append({"event": "certified", "state": "certified", "market": "m"})
            if end > 0.3:
                life.append({"event": "committed", "state": "committed", "market": "m", "transfers": transfers})
                life += [{"event": "confirmed", "state": "committed", "by": party} for party in parties]
                life.append({"event": "settled", "state": "settled"})
        lives.append([{"deal": deal, "turn": turn} | step for turn, step in enumerate(life)])
    events: list[Json] = []
    sequence, at = 0, 1_790_000_000_000
    while lives := [life for life in lives if life]:
        life = draw.choice(lives[:12])
        sequence += draw.randint(1, 3)
        at += draw.randint(-5, 40)
        events.append({"sequence": sequence, "at_unix_ms": at} | life.pop(0))
    return events


def digests(events: list[Json], draw: random.Random) -> list[Json]:
    """The history in pieces, as it is told."""
    told, after = [], 0
    while events:
        piece = events[: draw.randint(1, 40)]
        events = events[len(piece) :]
        through = piece[-1]["sequence"]
        told.append({"type": "digest", "after": after, "through": through, "head": through, "events": piece})
        after = through
    return told


#: Tells a state as JSON, so that two can be compared.
TELL = """
  const tell = (state) => JSON.stringify({ ...state,
    agents: [...state.agents].map(([n, a]) => [n, { ...a, gave: [...a.gave], markets: [...a.markets] }]),
    arcs: [...state.arcs].map(([k, a]) => [k, { ...a, goods: [...a.goods] }]), deals: [...state.deals] });
  const { Past, soundDigest } = await import("/past.js");
  const { copy, empty, fold, standing } = await import("/fold.js");
"""


@pytest.mark.parametrize("seed", range(5))
def test_a_moment_is_the_fold_of_what_was_before_it_however_one_comes_there(page: Page, seed: int) -> None:
    draw = random.Random(seed)
    events = history(seed, 60)
    jumps = [draw.randrange(len(events) + 1) for _ in range(40)]
    wrong = page.evaluate(
        f"""async ([digests, events, jumps]) => {{ {TELL}
          const past = new Past();
          for (const digest of digests) past.take(soundDigest(digest));
          const sound = soundDigest({{ type: "digest", after: 0, through: 0, head: 0, events }}).events;
          if (tell(past.last) !== tell(fold(empty(), sound))) return "the last moment";
          for (const jump of jumps) {{
            if (tell(past.after(jump)) !== tell(fold(empty(), sound.slice(0, jump)))) return jump;
          }}
          return null;
        }}""",
        [digests(events, draw), events, jumps],
    )
    assert wrong is None


@pytest.mark.parametrize("seed", range(3))
def test_what_comes_twice_counts_once_and_a_gap_is_seen(page: Page, seed: int) -> None:
    draw = random.Random(seed)
    events = history(seed, 40)
    told = digests(events, draw)
    once, again, late = page.evaluate(
        f"""async (digests) => {{ {TELL}
          const once = new Past(), again = new Past(), late = new Past();
          const all = digests.map(soundDigest);
          for (const digest of all) once.take(digest);
          for (const [index, digest] of all.entries()) {{
            for (const one of [digest, all[Math.max(0, index - 2)], digest]) again.take(one);
          }}
          late.take(all[0]);
          const missed = late.misses(all[2]) && late.take(all[2]).length === 0;
          for (const digest of [...all.slice(1)]) late.take(digest);
          return [tell(once.last), tell(again.last), missed && tell(late.last)];
        }}""",
        told,
    )
    assert once == again == late


def test_the_past_is_bounded_and_what_is_let_go_of_is_folded(page: Page) -> None:
    events = history(7, 400)
    assert len(events) > 2_000
    kept, same, moments = page.evaluate(
        f"""async ([digests, jump]) => {{ {TELL}
          const past = new Past(1_000), whole = new Past();
          for (const digest of digests) {{ past.take(soundDigest(digest)); whole.take(soundDigest(digest)); }}
          const gone = whole.events.length - past.events.length;
          const isSame = (at) => tell(past.after(at)) === tell(whole.after(gone + at));
          const moments = [0, 1, jump, 3, past.events.length].map(isSame);
          return [past.events.length, tell(past.last) === tell(whole.last), moments];
        }}""",
        [digests(events, random.Random(7)), 17],
    )
    assert 0 <= kept <= 1_000
    assert same
    assert all(moments)


def test_deals_and_agents_are_bounded_and_what_is_forgotten_is_counted(page: Page) -> None:
    told = page.evaluate(
        f"""async (event) => {{ {TELL}
          const {{ MOST, apply }} = await import("/fold.js");
          const state = empty();
          const letters = "{LETTERS}";
          const more = 500;
          for (let at = 1; at <= MOST.deals + more; at += 1) {{
            let deal = "", rest = at;
            for (let place = 0; place < 26; place += 1) {{ deal += letters[rest % 32]; rest = Math.floor(rest / 32); }}
            const is = {{ state: at % 2 ? "settled" : "negotiating", parties: ["a" + at, "b" + at] }};
            apply(state, {{ ...event, sequence: at, deal, ...is }});
          }}
          return [state.deals.size === MOST.deals, state.agents.size === MOST.agents, state.forgotten.deals, more];
        }}""",
        {"at_unix_ms": 5, "turn": 0, "event": "opened", "by": "x", "market": "m", "transfers": []},
    )
    assert told[:2] == [True, True]
    assert told[2] == told[3]


HOSTILE: list[Any] = [
    None,
    [],
    "digest",
    {"type": "digest"},
    {"type": "other", "after": 0, "through": 0, "head": 0, "events": []},
    {"type": "digest", "after": 2, "through": 1, "head": 2, "events": []},
    {"type": "digest", "after": -1, "through": 1, "head": 2, "events": []},
    {"type": "digest", "after": 0, "through": 2**60, "head": 2, "events": []},
    {"type": "digest", "after": 0, "through": 1, "head": 1, "events": {}},
    {"type": "digest", "after": 0, "through": 1, "head": 1, "events": [None] * 1001},
]
FIELDS: list[tuple[str, Any]] = [
    ("deal", "<b>"),
    ("deal", 7),
    ("event", "<b>"),
    ("state", ""),
    ("by", "Kenya"),
    ("market", "a b"),
    ("parties", ["ok", "<b>"]),
    ("parties", "kenya"),
    ("parties", ["a"] * 65),
    ("transfers", [{"from": "a", "to": "b", "good": "tea", "quantity": 1.5}]),
    ("transfers", [{"from": "a", "to": "b", "good": "tea"}]),
    ("transfers", [None]),
    ("reason", {}),
    ("turn", -1),
    ("at_unix_ms", "now"),
    ("at_unix_ms", 2**60),
    ("at_unix_ms", 9 * 10**15),
    ("sequence", None),
]


def test_what_is_no_digest_is_none(page: Page) -> None:
    event = history(1, 1)[0]
    good: Json = {"type": "digest", "after": 0, "through": 9, "head": 9, "events": [event]}
    verdicts = page.evaluate(
        f"async (all) => {{ {TELL} return all.map((one) => soundDigest(one) !== undefined); }}", [good, *HOSTILE]
    )
    assert verdicts == [True] + [False] * len(HOSTILE)


def test_what_is_no_event_is_left_out_and_hides_no_other(page: Page) -> None:
    event = history(1, 1)[0]
    huge = event | {"transfers": [{"from": "a", "to": "b", "good": "tea", "quantity": 2**62}]}
    bad = [None, 7, *(event | {field: value} for field, value in FIELDS)]
    digest = {"type": "digest", "after": 0, "through": 9, "head": 9, "events": [event, *bad, huge]}
    kept = page.evaluate(f"async (digest) => {{ {TELL} return soundDigest(digest).events.length; }}", digest)
    assert kept == 2


@pytest.mark.parametrize(("agents", "is_few"), [(2, True), (51, True), (80, True), (81, False), (2000, False)])
def test_everybody_has_a_place_of_its_own(page: Page, agents: int, is_few: bool) -> None:
    told = page.evaluate(
        """async (many) => {
          const { layout } = await import("/layout.js");
          const goods = ["tea", "rice", "gold"];
          const agents = Array.from({ length: many }, (_, at) => ({ name: `a${at}`, group: goods[at % 3] }));
          const arcs = agents.slice(1).map(({ name }) => ({ from: "a0", to: name, weight: 3 }));
          const places = layout(agents, arcs);
          const all = [...places.at.values()].map(({ x, y }) => [x, y]);
          return { isFew: places.isFew, all, again: [...layout(agents, arcs).at.values()].map(({ x, y }) => [x, y]) };
        }""",
        agents,
    )
    assert told["isFew"] == is_few
    assert told["all"] == told["again"]
    assert len({(round(x, 6), round(y, 6)) for x, y in told["all"]}) == agents
    assert all(abs(x) <= 1 and abs(y) <= 1 for x, y in told["all"])
