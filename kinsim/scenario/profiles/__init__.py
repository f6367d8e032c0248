"""Profiles: AWS's limits, defaults, features and prices of a year, each number with its source and date.

>>> load_profile("aws-2017").constant("mb_per_vcpu"), load_profile("aws-2026").price("shard_hour")
(1792, 0.015)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from kinsim import limits as bounds
from kinsim import units
from kinsim.errors import ConfigError, InternalError, Problem
from kinsim.scenario.files import read_text, shown_path
from kinsim.scenario.tree import Node, Tree, dotted
from kinsim.scenario.yaml12 import read_tree

FOLDER = Path(__file__).parent
NEWEST = "aws-2026"
BUNDLED = ("aws-2017", "aws-2026", "ideal")
MIB = 1_048_576

_ENTRY = {"value", "unit", "source", "date", "note", "assumed", "aws_mb"}
_LIMIT = {"min", "max", "step", "kind", "unit", "source", "date", "note", "aws_mb"}
_FEATURE = {"name", "available", "since", "source", "off", "note"}
_SECTIONS = ("defaults", "limits", "features", "prices", "constants")
_PARSERS = {
    "duration": units.parse_duration_s,
    "size": units.parse_size_bytes,
    "memory": units.parse_memory_mb,
    "count": units.parse_count,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One number of a profile."""

    value: Any
    unit: str = ""
    source: str = ""
    date: str = ""
    note: str = ""
    assumed: bool = False
    aws_mb: float | None = None
    """Where AWS states the number in "MB", how many: scaled by the scenario's bytes_per_mb."""

    def scaled(self, bytes_per_mb: int) -> Any:
        """The value, where AWS's "MB" has so many bytes."""
        return self.value if self.aws_mb is None or bytes_per_mb == MIB else round(self.aws_mb * bytes_per_mb)


@dataclass(frozen=True, slots=True)
class Limit:
    """The range of a setting that AWS accepts."""

    kind: str
    low: Any
    high: Any
    step: Any = None
    source: str = ""
    date: str = ""
    note: str = ""
    aws_mb: float | None = None

    def parse(self, value: Any) -> float:
        """*value* as a number in SI; raises SettingError."""
        return float(_PARSERS[self.kind](value))

    def scaled(self, bytes_per_mb: int) -> Limit:
        """The range, where AWS's "MB" has so many bytes."""
        if self.aws_mb is None or bytes_per_mb == MIB:
            return self
        return replace(self, low=round(self.aws_mb * bytes_per_mb), high=round(self.aws_mb * bytes_per_mb))

    @property
    def text(self) -> str:
        """The range as text: ``128 MB to 1536 MB in steps of 64``."""
        if self.low == self.high:
            return f"{self.low}"
        steps = "" if self.step in (None, 1) else f" in steps of {self.step}"
        return f"{self.low} to {self.high}{steps}"


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that AWS could do from a date on."""

    name: str
    available: bool
    since: str = ""
    source: str = ""
    off: Any = None
    """Value besides the usual ones that means that it is not used."""


class Row(NamedTuple):
    """One line of ``kinsim profiles NAME``."""

    path: str
    value: str
    unit: str
    source: str
    date: str


@dataclass(frozen=True)
class Profile:
    """Limits, defaults, features, prices and constants of one time."""

    name: str
    title: str = ""
    as_of: str = ""
    file: str = ""
    defaults: Mapping[str, Entry] = field(default_factory=dict)
    defaults_when: tuple[tuple[Mapping[str, Any], Mapping[str, Entry]], ...] = ()
    limits: Mapping[str, Limit] = field(default_factory=dict)
    features: Mapping[str, Feature] = field(default_factory=dict)
    prices: Mapping[str, Entry] = field(default_factory=dict)
    constants: Mapping[str, Entry] = field(default_factory=dict)

    def constant(self, name: str) -> Any:
        """A number that is no setting, such as ``mb_per_vcpu``; None where the profile has none."""
        return self._number(self.constants, name, "constant")

    def price(self, name: str) -> float:
        """A price in USD, such as ``shard_hour``."""
        return float(self._number(self.prices, name, "price"))

    def has_price(self, name: str) -> bool:
        """Whether the profile knows the price (what did not exist then has none)."""
        return name in self.prices

    def _number(self, entries: Mapping[str, Entry], name: str, kind: str) -> Any:
        if name not in entries:
            raise InternalError(f"profile {self.name} has no {kind} {name!r}; it has {', '.join(entries)}")
        return entries[name].value

    def adapted(self, bytes_per_mb: int = MIB, prices: Mapping[str, float] | None = None) -> Profile:
        """The profile for a scenario that counts AWS's "MB" differently or names prices of its own."""
        constants = {name: replace(e, value=e.scaled(bytes_per_mb)) for name, e in self.constants.items()}
        own = {name: Entry(value, source="scenario", note="cost.prices") for name, value in (prices or {}).items()}
        return replace(self, constants=constants, prices={**self.prices, **own})

    def describe(self) -> list[Row]:
        """Every number with its unit, source and date.

        >>> load_profile("aws-2017").describe()[2]
        Row(path='stream.shard_count', value='1', unit='', source='aws:10a; StreamAlert 1.5.0', date='2017-09-19')
        """
        return list(self._rows())

    def _rows(self) -> Iterator[Row]:
        for path, entry in self.defaults.items():
            yield _row(path, entry)
        for when, entries in self.defaults_when:
            condition = "where " + ", ".join(f"{path} is {_condition_text(value)}" for path, value in when.items())
            for path, entry in entries.items():
                yield _row(path, replace(entry, note=f"{condition}; {entry.note}".rstrip("; ")))
        for path, limit in self.limits.items():
            yield Row(f"limits.{path}", limit.text, "", _source(limit.source, limit.note), limit.date)
        for path, feature in self.features.items():
            there = "available" if feature.available else "not available"
            yield Row(f"features.{path}", there, "", _source(feature.source, feature.name), feature.since)
        for section, table in (("prices", self.prices), ("constants", self.constants)):
            for name, entry in table.items():
                yield _row(f"{section}.{name}", entry)

    def fingerprint(self) -> dict[str, Any]:
        """What of the profile can change a result besides the settings it fills in."""
        return {
            "constants": {name: entry.value for name, entry in self.constants.items()},
            "prices": {name: entry.value for name, entry in self.prices.items()},
        }


def _row(path: str, entry: Entry) -> Row:
    source = _source(entry.source, "assumed" if entry.assumed else "", entry.note)
    return Row(path, value_text(entry.value), entry.unit, source, entry.date)


def _source(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def value_text(value: Any) -> str:
    """A value as it would be written in YAML.

    >>> value_text({"distribution": "exponential", "mean": "1s"}), value_text(None), value_text(True)
    ('{distribution: exponential, mean: 1s}', 'null', 'true')
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {value_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(value_text(item) for item in value) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _condition_text(value: Any) -> str:
    if isinstance(value, list):
        return " or ".join(map(value_text, value))
    return f"above {value['above']}" if isinstance(value, Mapping) else value_text(value)


# -- loading -------------------------------------------------------------------------------------------------


def list_profiles() -> list[str]:
    """Names of the profiles that come with kinsim, oldest first, ``ideal`` last.

    >>> list_profiles()
    ['aws-2017', 'aws-2026', 'ideal']
    """
    return list(BUNDLED)


def is_path(name: str) -> bool:
    """Whether a profile's name is a file's."""
    return name.endswith((".yaml", ".yml")) or "/" in name or "\\" in name


def load_profile(name_or_path: str | Path, base_dir: Path | None = None) -> Profile:
    """A profile by name, or from a file (relative to *base_dir*).

    Raises ConfigError where there is none of that name or its file is wrong.
    """
    name = str(name_or_path)
    if name in BUNDLED:
        return _bundled(name)
    if not is_path(name):
        close = get_close_matches(name, BUNDLED, 1, 0.4)
        hint = f"did you mean {close[0]!r}? " if close else ""
        message = f"unknown profile {name!r}"
        raise ConfigError(
            Problem(message=message, help=f"{hint}allowed: {', '.join(BUNDLED)}, or the path of a YAML file")
        )
    path = Path(name) if base_dir is None else base_dir / name
    return _read(read_tree(read_text(path, "a profile"), shown_path(path)), path, ())


@lru_cache(maxsize=8)
def _bundled(name: str) -> Profile:
    path = FOLDER / f"{name}.yaml"
    return _read(read_tree(path.read_text(encoding="utf-8"), f"profile {name}"), path, ())


def first_with(path: str) -> Profile | None:
    """The oldest bundled profile that has the feature at *path*."""
    for name in BUNDLED:
        profile = _bundled(name)
        feature = profile.features.get(path)
        if feature is not None and feature.available:
            return profile
    return None


def _read(tree: Tree, path: Path, above: tuple[Path, ...]) -> Profile:
    reader = _Reader(tree)
    root = reader.mapping(
        tree.root, (), {"kinsim_profile", "name", "title", "as_of", "extends", "defaults_when", *_SECTIONS}
    )
    base = Profile(name=path.stem)
    extends = tree.root.child("extends")
    if extends is not None:
        base = _base(tree, extends, path, above)
    if "kinsim_profile" not in root:
        reader.note((), "this is no profile", "the first line of a profile is kinsim_profile: 1")
    profile = Profile(
        name=reader.text("name", path.stem),
        title=reader.text("title", base.title),
        as_of=reader.text("as_of", base.as_of),
        file=str(path),
        defaults={**base.defaults, **reader.entries(("defaults",))},
        defaults_when=(*base.defaults_when, *reader.conditions()),
        limits={**base.limits, **reader.limits()},
        features={**base.features, **reader.features()},
        prices={**base.prices, **reader.entries(("prices",), numbers=True)},
        constants={**base.constants, **reader.entries(("constants",), numbers=True)},
    )
    if tree.problems:
        raise ConfigError(tree.problems)
    return profile


def _base(tree: Tree, extends: Node, path: Path, above: tuple[Path, ...]) -> Profile:
    name = extends.value
    if not isinstance(name, str):
        raise ConfigError(extends.mark.problem("extends names one profile", "extends", "for example extends: aws-2026"))
    if name in BUNDLED:
        return _bundled(name)
    other = path.parent / name
    if other.resolve() in above or len(above) >= bounds.EXTENDS_DEPTH:
        raise ConfigError(extends.mark.problem("the profiles extend each other in a circle", "extends"))
    if not is_path(name):
        help = f"allowed: {', '.join(BUNDLED)}, or the path of a YAML file"
        raise ConfigError(extends.mark.problem(f"unknown profile {name!r}", "extends", help))
    return _read(read_tree(read_text(other, "a profile"), shown_path(other)), other, (*above, path.resolve()))


class _Reader:
    """Reads the sections of a profile's file and notes what is wrong with them."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def note(self, path: tuple[str | int, ...], message: str, help: str = "") -> None:
        node = self.tree.root.find(path) or self.tree.root
        self.tree.problems.append(node.place.problem(message, dotted(path), help))

    def mapping(
        self, node: Node | None, path: tuple[str | int, ...], allowed: set[str] | None = None
    ) -> dict[str, Node]:
        if node is None or node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self.note(path, "expected a mapping", "write key: value lines")
            return {}
        for key in node.value if allowed is not None else ():
            if allowed is not None and key not in allowed:
                close = get_close_matches(key, allowed, 1)
                hint = f"did you mean {close[0]!r}? " if close else ""
                self.note((*path, key), f"unknown key {key!r}", f"{hint}allowed: {', '.join(sorted(allowed))}")
        return node.value

    def text(self, key: str, default: str) -> str:
        node = self.tree.root.child(key)
        return default if node is None else str(node.value)

    def entries(self, path: tuple[str | int, ...], numbers: bool = False) -> dict[str, Entry]:
        found = {}
        for name, node in self.mapping(self.tree.root.find(path), path).items():
            where = (*path, name)
            keys = self.mapping(node, where, _ENTRY)
            if "value" not in keys:
                self.note(
                    where, "a number of a profile has a value, a source and a date", "{value: …, source: …, date: …}"
                )
                continue
            plain = node.plain()
            plain = {key: plain[key] for key in plain if key in _ENTRY}
            if numbers and (
                isinstance(plain["value"], bool) or not isinstance(plain["value"], (int, float, type(None)))
            ):
                self.note((*where, "value"), f"{plain['value']!r} is not a number")
                continue
            found[name] = Entry(**{key: plain[key] for key in plain if plain[key] is not None or key == "value"})
        return found

    def conditions(self) -> list[tuple[Mapping[str, Any], Mapping[str, Entry]]]:
        node = self.tree.root.child("defaults_when")
        if node is None or not isinstance(node.value, list):
            return []
        found: list[tuple[Mapping[str, Any], Mapping[str, Entry]]] = []
        for i, each in enumerate(node.value):
            where = ("defaults_when", i)
            keys = self.mapping(each, where, {"when", "defaults"})
            when = keys.get("when", Node({})).plain()
            if isinstance(when, dict) and when:
                found.append((when, self.entries((*where, "defaults"))))
            else:
                self.note(where, "`when` is missing", "when: {producer.model: sdk}")
        return found

    def limits(self) -> dict[str, Limit]:
        found = {}
        for path, node in self.mapping(self.tree.root.child("limits"), ("limits",)).items():
            where = ("limits", path)
            keys = {key: each.plain() for key, each in self.mapping(node, where, _LIMIT).items() if key in _LIMIT}
            if not {"min", "max", "kind"} <= set(keys) or keys["kind"] not in _PARSERS:
                self.note(where, "a limit has min, max and kind", f"kinds: {', '.join(_PARSERS)}")
                continue
            keys.pop("unit", None)
            limit = Limit(low=keys.pop("min"), high=keys.pop("max"), **keys)
            try:
                limit.parse(limit.low), limit.parse(limit.high)
            except ValueError as error:
                self.note(where, str(error))
                continue
            found[path] = limit
        return found

    def features(self) -> dict[str, Feature]:
        found = {}
        for path, node in self.mapping(self.tree.root.child("features"), ("features",)).items():
            where = ("features", path)
            keys = {key: each.plain() for key, each in self.mapping(node, where, _FEATURE).items() if key in _FEATURE}
            keys.pop("note", None)
            if not isinstance(keys.get("available"), bool) or "name" not in keys:
                self.note(where, "a feature has a name, and available: true or false")
                continue
            found[path] = Feature(**keys)
        return found
