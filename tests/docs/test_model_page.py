"""The table of facts on the page of the model: whole, cited, with rules that exist and scenarios that are there."""

import importlib
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([A-Z]+\d+) \| (.+) \| (.+) \| (.*) \|$", re.MULTILINE)
NUMBERS = {
    "W": 23, "R": 6, "K": 9, "A": 4, "C": 15, "V": 7, "G": 9, "T": 10, "E": 39, "M": 29, "S": 20, "CW": 8,
}  # fmt: skip
"""How many facts there are of each kind."""
SPANS = 11
"""A range of more facts than these, as at the head of a stage's file, cites none of them."""


def rows() -> list[tuple[str, str, str, str]]:
    return ROW.findall((ROOT / "docs" / "model.md").read_text(encoding="utf-8"))


def with_rules() -> list[tuple[str, str]]:
    return [(fact, name) for fact, _, rules, _ in rows() for name in re.findall(r"`([\w.]+)`", rules)]


@cache
def cited() -> set[str]:
    """Facts that the code or its tests name: alone, in a list, or in a short range."""
    found = set()
    for path in [*(ROOT / "kinsim").rglob("*"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "configs").rglob("*.yaml")]:
        if path.suffix not in (".py", ".yaml") or path == Path(__file__):
            continue
        text = re.sub(r"\s*\n\s*#?\s*", " ", path.read_text(encoding="utf-8"))
        for first, rest in re.findall(r"aws:([A-Z]+\d+)((?:(?:, and |, | and | to )(?:aws:)?[A-Z]+\d+)*)", text):
            found.add(first)
            before = first
            for word, fact in re.findall(r"(, and |, | and | to )(?:aws:)?([A-Z]+\d+)", rest):
                kind, low = re.fullmatch(r"([A-Z]+)(\d+)", before).groups()
                high = int(re.sub(r"\D", "", fact))
                if word != " to ":
                    found.add(fact)
                elif high - int(low) < SPANS:
                    found |= {f"{kind}{number}" for number in range(int(low), high + 1)}
                before = fact
    return found


def test_each_fact_stands_once_and_in_order():
    expected = [f"{kind}{number}" for kind, most in NUMBERS.items() for number in range(1, most + 1)]
    told = [fact for fact, *_ in rows()]
    assert len(told) == len(set(told))
    assert sorted(told) == sorted(expected)


@pytest.mark.parametrize(("fact", "name"), with_rules())
def test_a_rule_exists_and_shows_an_example(fact, name):
    module, function = name.rsplit(".", 1)
    assert ">>>" in (getattr(importlib.import_module(f"kinsim.{module}"), function).__doc__ or "")


@pytest.mark.parametrize("fact", [fact for fact, _, rules, _ in rows() if rules != "left out"])
def test_a_fact_that_is_kept_to_is_cited(fact):
    assert fact in cited()


@pytest.mark.parametrize("name", sorted({name.strip("`") for *_, name in rows() if name}))
def test_a_scenario_is_there(name):
    assert (ROOT / "configs" / f"{name}.yaml").is_file()


def test_a_fact_has_a_rule_or_says_why_not():
    assert [fact for fact, _, rules, _ in rows() if not re.search(r"`|^setting$|^profile$|^left out$", rules)] == []
