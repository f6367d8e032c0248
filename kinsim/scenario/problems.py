"""What the settings say about a document, as messages with places."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kinsim.errors import Problem, SettingError
from kinsim.scenario.paths import Setting, hint_key, hint_word, root
from kinsim.scenario.profiles import value_text
from kinsim.scenario.tree import Mark, Node, dotted
from kinsim.scenario.tree import Path as Steps

WEAK = {
    "literal_error", "none_required", "model_type", "model_attributes_type", "dict_type", "float_type", "int_type",
    "list_type", "string_type", "is_instance_of", "dataclass_type",
}  # fmt: skip
"""Errors that only say that a value is of another kind: of no interest where another branch says more."""

_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|(-?\d+)")
_YES = {"yes", "no", "on", "off", "y", "n", "Yes", "No", "On", "Off", "YES", "NO", "ON", "OFF"}


def problems_of(error: ValidationError, document: Node) -> list[Problem]:
    """Every problem that *error* tells about *document*, each once and at its place."""
    details = [_Detail(each, document) for each in error.errors(include_url=False)]
    kept = [each for each in details if not each.is_echo(details)]
    by_path: dict[Steps, list[_Detail]] = {}
    for each in kept:
        by_path.setdefault(each.path, []).append(each)
    return [_combined(group) for group in by_path.values()]


class _Detail:
    """One error of pydantic, and where it belongs in the document."""

    def __init__(self, error: ErrorDetails, document: Node) -> None:
        self.type = error["type"]
        self.context: dict[str, Any] = dict(error.get("ctx") or {})
        self.message = error["msg"]
        self.document = document
        self.loc = tuple(error["loc"])
        cause = self.context.get("error")
        self.cause = cause if isinstance(cause, ValueError) else None
        self.path, self.node, self.owner = self._located()

    def _located(self) -> tuple[Steps, Node | None, Setting | None]:
        """The error's path without the names of models that pydantic weaves into it."""
        path: list[str | int] = []
        node: Node = self.document
        setting: Setting | None = root()
        owner = setting
        wanted = self.loc
        if self.type == "missing":
            wanted, missing = self.loc[:-1], self.loc[-1]
        for step in wanted:
            below = node.child(step)
            if below is None:
                if setting is not None and (inner := setting.child(step, node)) and step in ("sources", "records"):
                    setting = inner  # a single source stands for itself
                continue
            owner, setting = setting, (setting.child(step, node) if setting is not None else None)
            node = below
            path.append(step)
        if self.type == "missing":
            if path == ["workload"] and missing == "sources":  # a single source is the usual way
                return ("workload", "arrivals"), None, setting
            path.append(missing)
            return tuple(path), None, setting
        if self.type in ("union_tag_not_found", "union_tag_invalid"):
            return self._at_discriminator(path, node, setting)
        for step in getattr(self.cause, "at", ()):
            below = node.child(step)
            if below is None:
                break
            owner, setting = setting, (setting.child(step, node) if setting is not None else None)
            node = below
            path.append(step)
        return tuple(path), node, owner if self.type == "extra_forbidden" else setting

    def _at_discriminator(
        self, path: list[str | int], node: Node, setting: Setting | None
    ) -> tuple[Steps, Node | None, Setting | None]:
        key = str(self.context.get("discriminator", "")).strip("'")
        inner = node.child(key) if key.isidentifier() else None
        if inner is None:
            return tuple(path), node, setting
        return (*path, key), inner, setting

    def is_echo(self, others: Sequence[_Detail]) -> bool:
        """Whether another error says better what is wrong at this place."""
        if self.type not in WEAK:
            return False
        return any(
            other is not self and other.type not in WEAK and other.path[: len(self.path)] == self.path
            for other in others
        )

    @property
    def value(self) -> Any:
        return self.node.plain() if self.node is not None else None

    @property
    def given(self) -> str:
        value = self.value
        if isinstance(value, str):
            text = repr(value)
        elif isinstance(value, dict) or (isinstance(value, list) and len(value) > 3):
            return "a mapping" if isinstance(value, dict) else f"a list of {len(value)}"
        else:
            text = "nothing" if value is None else value_text(value)
        return text if len(text) <= 80 else text[:79] + "…"

    def words(self) -> list[str]:
        """Words that the error says are expected."""
        expected = str(self.context.get("expected", self.context.get("expected_tags", "")))
        return [text or number for text, number in _QUOTED.findall(expected)]

    def told(self) -> tuple[str, str]:
        """Message and help."""
        if self.cause is not None:
            help = self.cause.help if isinstance(self.cause, SettingError) else ""
            return str(self.cause), help
        teller = _TELLERS.get(self.type)
        if teller is not None:
            message, help = teller(self)
            return message, help
        return f"got {self.given}: {self.message[:1].lower()}{self.message[1:]}", ""

    def mark(self) -> Mark:
        """The nearest place that a user can look at."""
        node: Node | None = self.node
        steps = list(self.path)
        mark = Mark(self.document.mark.source)
        if node is not None and node.mark.source.label:
            return node.key if self.type == "extra_forbidden" and node.key else node.mark
        while steps:
            steps.pop()
            node = self.document.find(steps)
            if steps and node is not None and node.mark.source.label:
                return node.place
        return mark


def _missing(error: _Detail) -> tuple[str, str]:
    key = str(error.path[-1])
    setting = error.owner.child(key, error.document.find(error.path[:-1])) if error.owner is not None else None
    help = f"add {key}"
    if setting is not None and setting.field is not None:
        examples = setting.field.examples or []
        example = f"{key}: {value_text(examples[0])}" if examples else key
        help = f"add for example {example}" + (
            f" ({_first(setting.field.description)})" if setting.field.description else ""
        )
    return f"{key} is missing", help


def _first(text: str) -> str:
    sentence = text.split(". ")[0].rstrip(".")
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence


def _unknown(error: _Detail) -> tuple[str, str]:
    key = str(error.path[-1]) if error.path else ""
    above = error.document.find(error.path[:-1])
    return f"unknown key {key!r}", hint_key(key, error.owner.narrowed(above).keys if error.owner is not None else [])


def _word(error: _Detail) -> tuple[str, str]:
    return f"got {error.given}", hint_word(error.value, error.words())


def _no_tag(error: _Detail) -> tuple[str, str]:
    key = str(error.context.get("discriminator", "")).strip("'")
    if not isinstance(error.value, dict):
        return f"got {error.given}, not a mapping", "write key: value lines"
    allowed = error.owner.keys if error.owner is not None else []
    words = error.owner.child(key).allowed() if error.owner is not None and key in allowed else []  # type: ignore[union-attr]
    return f"{key} is missing", f"{key}: one of {', '.join(dict.fromkeys(words))}" if words else ""


def _truth(error: _Detail) -> tuple[str, str]:
    advice = "write true or false"
    if isinstance(error.value, str) and error.value in _YES:
        advice += f" ({error.value!r} is text in YAML 1.2)"
    return f"got {error.given}, not true or false", advice


def _text(error: _Detail) -> tuple[str, str]:
    value = error.value
    if isinstance(value, (bool, int, float)):
        return f"got {error.given}, which is {'a truth value' if isinstance(value, bool) else 'a number'}, not text", (
            f'put it in quotes: "{value_text(value)}"'
        )
    return f"got {error.given}, not text", ""


def _kind(what: str, advice: str = "") -> Any:
    return lambda error: (f"got {error.given}, not {what}", advice)


def _bound(word: str, key: str) -> Any:
    def tell(error: _Detail) -> tuple[str, str]:
        limit = error.context.get(key)
        return f"got {error.given}, which must be {word} {limit:g}" if isinstance(
            limit, (int, float)
        ) else error.message, ""

    return tell


def _number(error: _Detail) -> tuple[str, str]:
    value = error.value
    if isinstance(value, bool):
        return f"got {error.given}: a truth value is no number", ""
    if isinstance(value, float) and error.type == "int_type":
        return f"got {error.given}, not a whole number", ""
    return f"got {error.given}, not a number", "write a bare number, without unit" if isinstance(value, str) else ""


_TELLERS: dict[str, Any] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "literal_error": _word,
    "enum": _word,
    "union_tag_invalid": _word,
    "union_tag_not_found": _no_tag,
    "bool_type": _truth,
    "bool_parsing": _truth,
    "string_type": _text,
    "list_type": _kind("a list", "write [a, b] or lines that begin with '- '"),
    "dict_type": _kind("a mapping", "write key: value lines"),
    "model_type": _kind("a mapping", "write key: value lines"),
    "model_attributes_type": _kind("a mapping", "write key: value lines"),
    "none_required": _kind("absent"),
    "int_type": _number,
    "int_from_float": _number,
    "float_type": _number,
    "finite_number": _kind("a finite number"),
    "greater_than": _bound("more than", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("less than", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "too_short": lambda error: (f"got {error.given}: too few", f"at least {error.context.get('min_length')}"),
    "too_long": lambda error: (f"got {error.given}: too many", f"at most {error.context.get('max_length')}"),
    "string_too_short": lambda error: (f"got {error.given}: too short", ""),
}


def _combined(group: list[_Detail]) -> Problem:
    """One problem of all that is said about one value: alternatives are told together."""
    group = sorted(group, key=lambda each: each.type in WEAK)
    first = group[0]
    message, help = first.told()
    words = [word for each in group[1:] if each.type == "literal_error" for word in each.words()]
    if first.type in WEAK and words:
        help = hint_word(first.value, words) + (f"; or {help}" if help and first.type == "model_type" else "")
        message = f"got {first.given}"
    elif words and first.type != "extra_forbidden":
        help = f"{help}; also allowed: {', '.join(words)}".lstrip("; ")
    return first.mark().problem(message, dotted(first.path), help)
