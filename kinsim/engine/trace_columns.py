"""What the settings of a trace read from its columns, checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.trace_text import parse_numbers
from kinsim.errors import SettingError
from kinsim.system.workload.expression import ALLOWED, Expression, parse_expression
from kinsim.system.workload.trace import ROW, UNITS

Float64 = NDArray[np.float64]

LIMITS = {"count": 1e12, "bytes": 1e15, "size": 2.0**40, "log_events": 1e9, "work": 1e6}
"""Largest value of each column; beyond it is a wrong column or unit."""


class Say(Protocol):
    """Notes a problem, of the row at place *at* of the current chunk if it is one of a row."""

    def __call__(self, message: str, at: int | None = None, help: str = "", line: int = 0) -> None: ...


@dataclass(slots=True)
class Column:
    """What a setting reads: one column, or an expression of several."""

    role: str
    text: str
    at: int = -1
    """Index of the column; -1: an expression, or the row number."""
    expression: Expression | None = None
    places: dict[str, int] = field(default_factory=dict)


Columns = dict[str, Column]


def column_of(role: str, text: str, names: list[str]) -> Column:
    """The column called *text*, else the expression that it is."""
    if text.strip() in names:
        return Column(role, text, _place(text.strip(), names))
    if role == "key" and text.strip() == ROW:
        return Column(role, ROW)
    if role in ("time", "key"):
        raise _unknown(text, names)
    try:
        expression = parse_expression(text, UNITS.get(role, ""))
    except SettingError:
        raise _unknown(text, names) from None
    for name in expression.columns:
        if name not in names:
            raise _unknown(name, names)
    return Column(role, text, expression=expression, places={name: _place(name, names) for name in expression.columns})


def _place(name: str, names: list[str]) -> int:
    if names.count(name) > 1:
        raise SettingError(f"the file has {names.count(name)} columns {name!r}", help="give each column its own name")
    return names.index(name)


def _unknown(name: str, names: list[str]) -> SettingError:
    known = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    close = get_close_matches(name, names, n=1) or [n for n in names if n.lower() == name.lower()]
    hint = f"did you mean {close[0]!r}? " if close else ""
    if names and not close and all(_is_number(n) for n in names):
        return SettingError("the first line holds numbers, not names of columns", help="put a line of names on top")
    return SettingError(
        f"there is no column {shown(name)}", help=f"{hint}columns: {known}; or an expression: {ALLOWED}"
    )


def _is_number(text: str) -> bool:
    return not parse_numbers([text])[1].size


class Cells:
    """The cells of a chunk, each column parsed once."""

    def __init__(self, rows: list[list[str]], first_row: int, say: Say, known_keys: dict[str, str]) -> None:
        """*known_keys* holds each key of the file once, so that its rows share the text."""
        self.rows = rows
        self.known_keys = known_keys
        self.say = say
        self.first_row = first_row
        self.parsed: dict[int, Float64] = {}

    def numbers(self, wanted: Columns, role: str) -> Float64 | None:
        """The values that setting *role* reads, checked."""
        column = wanted.get(role)
        if column is None:
            return None
        if column.expression is None:
            values = self._column(column.at, column.text)
        else:
            values = column.expression.evaluate({name: self._column(at, name) for name, at in column.places.items()})
            values = np.broadcast_to(values, (len(self.rows),))
        wrong = np.flatnonzero(~((values >= 0) & (values <= LIMITS[role])))
        for at in wrong.tolist():
            text = self.rows[at][column.at] if column.expression is None else f"{values[at]:g}"
            self.say(
                f", {'column ' if column.expression is None else ''}{column.text}: got {shown(text)}, "
                f"{trouble(float(values[at]), role)}",
                at,
            )
        return np.where((values >= 0) & (values <= LIMITS[role]), values, 0.0) if wrong.size else values

    def keys(self, wanted: Columns) -> list[str] | range | None:
        """The partition keys as text, or as the range of the rows' numbers."""
        column = wanted.get("key")
        if column is None:
            return None
        if column.at < 0:
            return range(self.first_row, self.first_row + len(self.rows))
        share = self.known_keys.setdefault
        keys = [share(row[column.at], row[column.at]) for row in self.rows]
        if "" in keys or max(map(len, keys), default=0) > 256:
            for at, key in enumerate(keys):
                if not 1 <= len(key) <= 256:
                    what = "is empty" if not key else f"has {len(key)} characters"
                    self.say(f", column {column.text}: the key {what}", at, help="keys have 1 to 256 characters")
        return keys

    def _column(self, at: int, name: str) -> Float64:
        if at not in self.parsed:
            cells = [row[at] for row in self.rows]
            self.parsed[at], bad = parse_numbers(cells)
            for row in bad.tolist():
                self.say(f", column {name}: got {shown(cells[row])}, not a finite number", row)
        return self.parsed[at]


def trouble(value: float, role: str) -> str:
    """What is wrong with *value*, or nothing.

    >>> trouble(-1.0, "count"), trouble(float("nan"), "size"), trouble(3.0, "count")
    ('which is negative', 'not a finite number', '')
    """
    if not np.isfinite(value):
        return "not a finite number"
    if value < 0:
        return "which is negative"
    return f"more than {LIMITS[role]:g}" if value > LIMITS[role] else ""


def shown(text: str) -> str:
    """*text* in quotes, shortened."""
    return repr(text if len(text) <= 60 else text[:57] + "…")


def time_help(cell: str) -> str:
    """What to write instead of a cell that is no time."""
    numbers, bad = parse_numbers([cell])
    if not bad.size and numbers[0] > 1e10:
        return "it looks like milliseconds; write seconds, or ISO 8601"
    return "write seconds, or ISO 8601 such as 2023-11-16 18:17:03.97996"
