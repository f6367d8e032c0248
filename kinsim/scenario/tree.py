"""Trees of values that know where they stand, and where they came from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from kinsim import limits
from kinsim.errors import ConfigError, Problem

Scalar: TypeAlias = "str | int | float | bool | None"
Path: TypeAlias = "tuple[str | int, ...]"


class Source:
    """A text that values come from: a file, or an option of the command line."""

    __slots__ = ("_lines", "kind", "label", "text")

    def __init__(self, label: str, text: str = "", kind: str = "file") -> None:
        self.label = label
        self.text = text
        self.kind = kind
        self._lines: list[str] | None = None

    def line(self, number: int) -> str:
        """Line *number* (from 1), or nothing."""
        if self._lines is None:
            self._lines = re.split("\r\n|\r|\n", self.text)
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a value or key stands; lines and columns from 1, 0 when it stands in no file."""

    source: Source
    line: int = 0
    col: int = 0
    end_line: int = 0
    end_col: int = 0

    def problem(self, message: str, path: str = "", help: str = "", warning: bool = False) -> Problem:
        """A problem at this place."""
        return Problem(
            message=message,
            path=path,
            help=help,
            file=self.source.label,
            line=self.line,
            col=self.col,
            end_col=self.end_col if self.end_line == self.line else 0,
            source_line=self.source.line(self.line),
            severity="warning" if warning else "error",
        )


NOWHERE = Mark(Source(""))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: ``profile``, ``file``, ``--set``, ``python``, ``default``."""

    kind: str
    label: str
    file: str = ""
    line: int = 0
    source: str = ""
    """Fact behind a profile's value, as ``aws:E1``."""
    date: str = ""
    note: str = ""


@dataclass(slots=True)
class Node:
    """A value with its place; mappings hold text keys, in order."""

    value: Scalar | list[Node] | dict[str, Node]
    mark: Mark = NOWHERE
    key: Mark | None = None
    """Place of the key, where the value belongs to one."""
    origin: Origin | None = None

    @property
    def place(self) -> Mark:
        """Place of the key, or else of the value."""
        return self.key or self.mark

    def plain(self) -> Any:
        """The value as plain Python."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def child(self, key: str | int) -> Node | None:
        """What stands under *key*, if anything."""
        if isinstance(self.value, dict):
            return self.value.get(str(key)) if not isinstance(key, int) else None
        if isinstance(self.value, list) and isinstance(key, int) and 0 <= key < len(self.value):
            return self.value[key]
        return None

    def find(self, path: Sequence[str | int]) -> Node | None:
        """What stands under *path*, if anything."""
        node: Node | None = self
        for key in path:
            if node is None:
                return None
            node = node.child(key)
        return node

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """All values with their paths, outer ones first."""
        yield path, self
        if isinstance(self.value, dict):
            for key, child in self.value.items():
                yield from child.walk((*path, key))
        elif isinstance(self.value, list):
            for i, child in enumerate(self.value):
                yield from child.walk((*path, i))

    @classmethod
    def of(cls, value: Any, mark: Mark = NOWHERE, origin: Origin | None = None, depth: int = 0) -> Node:
        """A tree of plain Python values, all at one place."""
        if depth > limits.YAML_DEPTH:
            raise ConfigError(mark.problem("the value is nested too deeply, or holds itself"))
        if isinstance(value, Node):
            return value
        if isinstance(value, Mapping):
            children = {str(key): cls.of(item, mark, origin, depth + 1) for key, item in value.items()}
            return cls(children, mark, None, origin)
        if isinstance(value, (list, tuple, set, frozenset, range)):
            return cls([cls.of(item, mark, origin, depth + 1) for item in value], mark, None, origin)
        if not isinstance(value, (str, int, float, bool)) and hasattr(value, "item"):
            value = value.item()  # a number of NumPy
        return cls(value, mark, None, origin)


@dataclass(slots=True)
class Tree:
    """A YAML document: its values, their places, and what is wrong with it as YAML."""

    root: Node
    source: Source
    problems: list[Problem] = field(default_factory=list)

    @property
    def value(self) -> Any:
        """The document as plain Python."""
        return self.root.plain()

    @property
    def marks(self) -> dict[Path, Mark]:
        """Place of each value, or of its key where it has one, by path."""
        return {path: node.place for path, node in self.root.walk()}

    def mark(self, path: Sequence[str | int]) -> Mark:
        """Place of the value at *path*, or of what stands nearest above it."""
        node = self.root
        for key in path:
            inner = node.child(key)
            if inner is None:
                break
            node = inner
        return node.mark

    def problem(self, path: Sequence[str | int], message: str, help: str = "", warning: bool = False) -> Problem:
        """A problem with the value at *path*."""
        return self.mark(path).problem(message, dotted(path), help, warning)


def dotted(path: Sequence[str | int]) -> str:
    """A path as text.

    >>> dotted(("function", "faults", 0, "kind"))
    'function.faults[0].kind'
    """
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text
