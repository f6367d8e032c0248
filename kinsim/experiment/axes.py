"""The axes of a sweep: what their values are, and how they multiply.

Axes multiply; the keys inside one axis advance together.  Values stay as users write them (``512 MB``): what they
mean is decided where the scenario is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache, partial
from itertools import product
from typing import Any, Final

from kinsim.errors import SettingError
from kinsim.scenario.tree import NOWHERE, Mark
from kinsim.units import (
    parse_duration_s,
    parse_fraction,
    parse_memory_mb,
    parse_number,
    parse_rate_per_s,
    parse_size_bytes,
)

Point = dict[str, Any]
"""Settings of one point by dotted path."""

LABEL: Final = "label"
MOST_VALUES: Final = 1_000_000
"""More values on one axis than anybody means."""

SPECS: Final = {
    "range": "range: [2, 32], step: 2",
    "linear": "linear: [1, 4], num: 7",
    "geometric": "geometric: [900/s, 3600/s], num: 3",
}
SAMPLED: Final = ("uniform", "log_uniform", "integers", "low", "mid", "high")
"""Axes that are drawn from, for sampling methods."""

_NUMBER_UNIT = re.compile(r"([+-]?[0-9][0-9_]*(?:\.[0-9_]+)?(?:[eE][+-]?[0-9]+)?)(\s*\D*(?:[/].*)?)")
_ENDS = re.compile(r"\s*(\d[\w.]*)\s*(?:-|–|\.{2,3}|to)\s*(\d[\w.]*)\s*")
_FORMS = "write a list, or one of " + " | ".join(f"{{{form}}}" for form in SPECS.values())


class NotBuilt(SettingError):
    """A kind of axis that a later version of kinsim builds."""


# -- values --------------------------------------------------------------------------------------------------


def expand(spec: object) -> tuple[Any, ...]:
    """The values of one key of an axis: a list, or ``range``, ``linear`` or ``geometric`` with or without units.

    >>> expand([100, 200]), expand({"range": [2, 8], "step": 2})
    ((100, 200), (2, 4, 6, 8))
    >>> expand({"geometric": ["900/s", "3600/s"], "num": 3}), expand({"linear": ["0.1s", "0.3s"], "num": 3})
    (('900/s', '1800/s', '3600/s'), ('0.1s', '0.2s', '0.3s'))
    >>> expand({"range": [1, 10], "step": 4})
    Traceback (most recent call last):
    kinsim.errors.SettingError: steps of 4 from 1 do not reach 10
    """
    if isinstance(spec, Mapping):
        return _from_spec(spec)
    if isinstance(spec, (str, bytes)) or not isinstance(spec, Iterable):
        raise SettingError(f"got {spec!r}, which is one value and not an axis", help=_axis_for(spec))
    values = tuple(_plain(value) for value in spec)
    if not values:
        raise SettingError("the list is empty", help="write at least one value")
    return values


def _axis_for(value: object) -> str:
    """What to write in place of one value.

    >>> _axis_for("1-3"), _axis_for("128 MB")
    ('write {range: [1, 3]}, or with --axis 1:3', 'write [128 MB], or put it in set')
    """
    ends = _ENDS.fullmatch(value) if isinstance(value, str) else None
    if ends:
        return f"write {{range: [{ends[1]}, {ends[2]}]}}, or with --axis {ends[1]}:{ends[2]}"
    return f"write [{value}], or put it in set"


def _plain(value: Any) -> Any:
    """A NumPy scalar as Python's own number; all else as it is."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "shape", None) == () else value


def _from_spec(spec: Mapping[str, Any]) -> tuple[Any, ...]:
    drawn = [str(key) for key in spec if key in SAMPLED]
    if drawn:
        raise NotBuilt(f"{drawn[0]!r} (values to draw from) is not built in this version of kinsim", help=_FORMS)
    kinds = [kind for kind in SPECS if kind in spec]
    if len(kinds) != 1:
        given = ", ".join(map(str, spec)) or "nothing"
        raise SettingError(f"got a mapping with {given}, which is not an axis", help=_FORMS)
    kind = kinds[0]
    second = "step" if kind == "range" else "num"
    unknown = [str(key) for key in spec if key not in (kind, second)]
    if unknown:
        raise SettingError(f"unknown key {unknown[0]!r} beside {kind}", help=f"write {SPECS[kind]}", at=(unknown[0],))
    if kind != "range" and "num" not in spec:
        raise SettingError(f"{kind} needs num, the number of values", help=f"write {SPECS[kind]}")
    ends = spec[kind]
    if isinstance(ends, (str, bytes)) or not isinstance(ends, Sequence) or len(ends) != 2:
        raise SettingError(f"{kind} needs two ends, got {ends!r}", help=f"write {SPECS[kind]}", at=(kind,))
    if kind == "range":
        return _range(ends[0], ends[1], spec.get("step"))
    return _spaced(kind, ends[0], ends[1], spec["num"])


@dataclass(frozen=True, slots=True)
class _Quantity:
    number: Decimal
    unit: str

    def text(self, number: Decimal) -> Any:
        """*number* in this unit, as users write it."""
        whole = number == number.to_integral_value()
        if not self.unit:
            return int(number) if whole else float(number)
        return f"{int(number) if whole else format(number.normalize(), 'f')}{self.unit}"


def _quantity(value: object, at: tuple[str | int, ...]) -> _Quantity:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return _Quantity(Decimal(repr(value)), "")
    if isinstance(value, str):
        match = _NUMBER_UNIT.fullmatch(value.strip())
        if match:
            try:
                return _Quantity(Decimal(match[1].replace("_", "")), match[2].rstrip())
            except InvalidOperation:
                pass
    raise SettingError(
        f"got {value!r}, which is not a number with or without a unit", help="write 2, 30s or 900/s", at=at
    )


def _alike(kind: str, values: Sequence[object], at: Sequence[tuple[str | int, ...]]) -> list[_Quantity]:
    """The quantities in one unit: as written where they agree, else in seconds or per second."""
    found = [_read(value, place) for value, place in zip(values, at, strict=True)]
    quantities = [quantity for quantity in found if isinstance(quantity, _Quantity)]
    if len(quantities) == len(values) and len({q.unit.strip() for q in quantities}) == 1:
        return [_Quantity(q.number, quantities[0].unit) for q in quantities]
    for parse, unit in ((parse_duration_s, "s"), (parse_rate_per_s, "/s")):
        try:
            return [_Quantity(Decimal(repr(parse(value))), unit) for value in values]
        except SettingError:
            continue
    shown = ", ".join(str(value) for value in values)
    raise SettingError(f"{kind}: {shown} are not in one unit", help="write all of them in the same unit", at=at[0])


def _read(value: object, at: tuple[str | int, ...]) -> _Quantity | None:
    """A number and its unit, or None for text like ``1h30m`` that a parser of units may still read."""
    try:
        return _quantity(value, at)
    except SettingError:
        if isinstance(value, str):
            try:
                parse_duration_s(value)
            except SettingError:
                pass
            else:
                return None
        raise


def _range(first: object, last: object, step: object) -> tuple[Any, ...]:
    at: list[tuple[str | int, ...]] = [("range", 0), ("range", 1), ("step",)]
    if step is None:
        start, stop = _alike("range", [first, last], at[:2])
        pace = _Quantity(Decimal(1), start.unit)
    else:
        start, stop, pace = _alike("range", [first, last, step], at)
    if pace.number <= 0:
        raise SettingError(f"step is {step}, it must be above 0", help="write the smaller end first", at=("step",))
    if start.number > stop.number:
        raise SettingError(f"range goes down, from {first} to {last}", help=f"write [{last}, {first}]", at=("range",))
    steps = (stop.number - start.number) / pace.number
    if steps >= MOST_VALUES:
        raise SettingError(f"range has {float(steps):,.0f} values", help="write a larger step", at=("step",))
    if steps != steps.to_integral_value():
        near = start.text(start.number + pace.number * int(steps))
        raise SettingError(
            f"steps of {pace.text(pace.number)} from {first} do not reach {last}",
            help=f"both ends are included: write [{first}, {near}], or another step",
            at=("range", 1),
        )
    return tuple(start.text(start.number + pace.number * k) for k in range(int(steps) + 1))


def _spaced(kind: str, first: object, last: object, num: object) -> tuple[Any, ...]:
    if isinstance(num, bool) or not isinstance(num, int) or not 2 <= num <= MOST_VALUES:
        raise SettingError(f"num is {num!r}", help="write a whole number of 2 or more, both ends included", at=("num",))
    start, stop = _alike(kind, [first, last], [(kind, 0), (kind, 1)])
    low, high = start.number, stop.number
    if kind == "geometric" and not (low > 0 and high > 0):
        raise SettingError(f"geometric needs ends above 0, got {first} and {last}", help="or use linear", at=(kind,))
    if low == high:
        raise SettingError(f"both ends are {first}", help="write two different ends", at=(kind,))
    if kind == "linear":
        inner = [low + (high - low) * k / (num - 1) for k in range(1, num - 1)]
    else:
        ratio = high.ln() - low.ln()
        inner = [low * (ratio * k / (num - 1)).exp() for k in range(1, num - 1)]
    rounded = [Decimal(format(value, ".12g")) for value in inner]
    return tuple(start.text(value) for value in (low, *rounded, high))


# -- axes ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: values of one key, or of several keys that advance together, each entry perhaps with a label.

    >>> axis = Axis(("function.memory_size", "function.timeout"), (("256 MB", "60s"), ("1024 MB", "30s")))
    >>> len(axis), axis.name, list(axis)[1]
    (2, 'function.memory_size + function.timeout', {'function.memory_size': '1024 MB', 'function.timeout': '30s'})
    >>> axis.summary
    '256 MB/60s, 1024 MB/30s'
    """

    paths: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    labels: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Point]:
        """Settings of each entry, with its label under ``label``."""
        for number, values in enumerate(self.values):
            point = dict(zip(self.paths, values, strict=True))
            if self.labels is not None:
                point[LABEL] = self.labels[number]
            yield point

    @property
    def name(self) -> str:
        """Its keys in one text."""
        return " + ".join(self.paths)

    @property
    def summary(self) -> str:
        """Its labels or values in a few words."""
        texts = self.labels or tuple("/".join(shown(value) for value in values) for values in self.values)
        if len(texts) > 4:
            return f"{texts[0]}, {texts[1]}, … {texts[-1]}"
        return ", ".join(texts)

    @property
    def count(self) -> str:
        """``16 values``, ``4 pairs`` or ``3 sets``."""
        number = len(self)
        noun = {1: "value", 2: "pair"}.get(len(self.paths), "set")
        return f"{number} {noun}{'' if number == 1 else 's'}"


def shown(value: object) -> str:
    """A value of an axis as one short text."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value) if not isinstance(value, Mapping) else ", ".join(f"{k}: {shown(v)}" for k, v in value.items())
    return text if len(text) <= 60 else text[:59] + "…"


def size(axes: Sequence[Axis]) -> int:
    """Number of points that *axes* span, before anything is excluded."""
    return math.prod(len(axis) for axis in axes)


def grid(axes: Sequence[Axis]) -> Iterator[Point]:
    """Every combination of the entries of *axes*; the last axis moves fastest.  Labels are joined by commas.

    >>> list(grid([Axis(("a",), ((1,), (2,))), Axis(("b",), ((3,), (4,)))]))
    [{'a': 1, 'b': 3}, {'a': 1, 'b': 4}, {'a': 2, 'b': 3}, {'a': 2, 'b': 4}]
    """
    for entries in product(*axes):
        point: Point = {}
        labels = [entry[LABEL] for entry in entries if LABEL in entry]
        for entry in entries:
            point.update(entry)
        if labels:
            point[LABEL] = ", ".join(labels)
        yield point


def meaning(path: str, value: object) -> object:
    """*value* in a form in which two ways of writing the same compare equal.

    >>> meaning("function.timeout", "1m") == meaning("function.timeout", 60)
    True
    >>> meaning("function.memory_size", "1 GB") == meaning("function.memory_size", 1024)
    True
    """
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return _meaning(value, path.endswith(("memory_size", "reference_memory")))
    return repr(value)


@lru_cache(maxsize=10_000, typed=True)
def _meaning(value: str | int | float, memory: bool) -> object:
    parsers: list[Callable[[Any], Any]] = [parse_memory_mb]
    if not memory:
        parsers = [
            partial(parse_number, signed=True),
            parse_duration_s,
            parse_rate_per_s,
            parse_size_bytes,
            parse_fraction,
        ]
    for parse in parsers:
        try:
            return float(parse(value))
        except SettingError:
            continue
    return str(value)


class Exclusion:
    """One entry of ``exclude``: points where every named key has the value given (or one of a list).

    >>> big = Exclusion({"function.memory_size": "256 MB", "event_source_mapping.batch_size": [1000, 2000]})
    >>> big.matches({"function.memory_size": 256, "event_source_mapping.batch_size": 2000})
    True
    >>> big.matches({"function.memory_size": 256, "event_source_mapping.batch_size": 500})
    False
    """

    def __init__(self, settings: Mapping[str, object], mark: Mark = NOWHERE) -> None:
        self.settings = dict(settings)
        self.mark = mark
        self._wanted = {
            path: {meaning(path, one) for one in (value if isinstance(value, (list, tuple)) else [value])}
            for path, value in settings.items()
        }
        self.hits = 0

    def matches(self, point: Mapping[str, object]) -> bool:
        """Whether *point* is to be dropped; counted in ``hits``."""
        hit = all(path in point and meaning(path, point[path]) in wanted for path, wanted in self._wanted.items())
        self.hits += hit
        return hit
