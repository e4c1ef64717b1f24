"""The catalogue of errors says all there is, and nothing else: it is compared with what raises and what refuses."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import pytest

import hms_a2a
from hms_a2a import ErrorReply, HmsError, Refusal, wire
from hms_a2a import _errors as errors
from real_bus import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CATALOGUE = (ROOT / "docs" / "errors.md").read_text()

#: Where rules are words in Rust: called with a literal, or a word in a table of such words.
LITERAL = re.compile(r'(?:ErrorReply::refused|by_rule)\(\s*"([a-z_]+)"')
WORDS = {
    "actors/terms/src/error.rs": re.compile(r'=> Some\("([a-z_]+)"\)'),
    "actors/deal/src/negotiated.rs": re.compile(r'(?:refuse\(|\{ )"([a-z_]+)"'),
    "actors/mac/src/moves.rs": re.compile(r'(?:conflict\([a-z.]+, |late\(|forbidden\()"([a-z_]+)"'),
    "actors/mac/src/tasks.rs": re.compile(r'refused\("([a-z_]+)"'),
    "actors/deal/src/gate.rs": re.compile(r'Self::\w+ => "([a-z_]+)"'),
    "actors/proof/src/refused.rs": re.compile(r'Self::\w+ => "([a-z_]+)"'),
    "actors/trade_balance/src/ledger/authority.rs": re.compile(r'Err\(\("([a-z_]+)", '),
    "actors/trade_balance/src/ledger/decide.rs": re.compile(r'(?:\(\(?|\{ rule: )"([a-z_]+)", '),
}
#: Called with something else than a literal: the words come from the tables above.
INDIRECT = {
    "actors/deal/src/negotiated.rs",
    "actors/mac/src/moves.rs",
    "actors/mac/src/tasks.rs",
    "actors/proof/src/core.rs",
    "actors/terms/src/error.rs",
    "actors/trade_balance/src/ledger/authority.rs",
    "schemas/src/error.rs",
}


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", CATALOGUE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("|---")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0].startswith("`") or row[0].isdigit()]


def shipped(folder: str) -> list[Path]:
    """What is shipped of a crate: no tests."""
    files = sorted((ROOT / folder).glob("**/src/**/*.rs"))
    return [file for file in files if "tests" not in file.parts and file.name not in ("tests.rs", "fixtures.rs")]


def without_tests(file: Path) -> str:
    """A file without its module of tests at the end, if it has one."""
    return re.split(r"#\[cfg\(test\)\]\s*mod \w+ \{", file.read_text())[0]


def rules_in_rust() -> set[str]:
    found: set[str] = set()
    for folder in ("actors", "schemas"):
        for file in shipped(folder):
            text, name = without_tests(file), str(file.relative_to(ROOT))
            found |= set(LITERAL.findall(text))
            if name in WORDS:
                words = WORDS[name].findall(text)
                assert words, f"{name} has no words any more"
                found |= set(words)
            others = re.findall(r'(?:ErrorReply::refused|\.by_rule)\(\s*+(?!")', text)
            assert not others or name in INDIRECT, f"{name} refuses by a rule that is no literal: say here where it is"
    return found


def test_every_exception_has_a_cause_and_a_cure() -> None:
    raised = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, HmsError)}
    catalogued = [row[0].strip("`") for row in rows(section("What is raised"))]
    answered = [row[1].strip("`") for row in rows(section("What is answered"))]
    assert sorted([*catalogued, *answered, "HmsError"]) == sorted(raised)
    assert raised <= set(hms_a2a.__all__), "whatever is raised can be caught by its name"
    for row in rows(section("What is raised")):
        assert row[1], row
        assert row[2] or row[0] in ("`BusError`", "`ErrorReply`"), row


def test_every_code_is_catalogued() -> None:
    table = {int(row[0]): row[1].strip("`") for row in rows(section("What is answered"))}
    numbers = set(map(int, re.findall(r"Self::\w+ => (\d{3}),", (ROOT / "schemas/src/error.rs").read_text())))
    assert set(table) == numbers
    for code, name in table.items():
        reply = wire.ErrorReply(code=code, message="why", retryable=False)
        assert type(ErrorReply.of(reply)).__name__ == name
        assert Refusal("why", code=code).code == code


def test_every_rule_has_a_cause_and_a_cure() -> None:
    table = rows(section("Rules"))
    names = [row[0].strip("`") for row in table]
    assert len(names) == len(set(names)), "each rule stands once"
    assert set(names) == rules_in_rust()
    for row in table:
        assert len(row) == 3, row
        assert all(row), row


def test_the_tree_of_exceptions_is_as_it_is_drawn() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    raised = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, HmsError)}
    assert set(drawn) == raised - {"HmsError"}
    for name in drawn:
        assert inspect.getdoc(getattr(errors, name)), name


@pytest.mark.parametrize("name", ["one_ring", "claim_refuted", "over_limit", "key_holder", "no_cost", "not_nought"])
def test_the_scan_finds_rules_of_every_kind(name: str) -> None:
    assert name in rules_in_rust()
