"""What a sweep is once its file has been read: blocks of points, and how to run them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final

from kinsim.errors import ConfigError, Problem
from kinsim.experiment.axes import LABEL, Axis, Exclusion, Point, grid, size
from kinsim.scenario.tree import Mark, Node

MAX_POINTS: Final = 10_000
"""A sweep with more points than this is refused unless its file or the caller allows more."""
FIGURES: Final = ("p99_vs_shards",)


@dataclass(frozen=True, slots=True)
class Block:
    """Points that belong together: a grid over axes, or a list of points; less what is excluded."""

    axes: tuple[Axis, ...] = ()
    points: tuple[Point, ...] = ()
    exclude: tuple[Exclusion, ...] = ()

    def __len__(self) -> int:
        """Number of points before anything is excluded."""
        return len(self.points) if self.points else size(self.axes)

    def __iter__(self) -> Iterator[Point]:
        """Every point, those to be excluded too."""
        return iter(self.points) if self.points else grid(self.axes)

    def excludes(self, point: Mapping[str, Any]) -> bool:
        """Whether *point* is dropped; every exclusion is asked, so that each counts its own."""
        hits = [exclusion.matches(point) for exclusion in self.exclude]
        return any(hits)

    @property
    def paths(self) -> tuple[str, ...]:
        """What varies, in the order of the axes."""
        names = chain.from_iterable(axis.paths for axis in self.axes)
        return (
            tuple(dict.fromkeys(chain(names, chain.from_iterable(p for p in self.points))))
            if self.points
            else tuple(names)
        )


@dataclass(frozen=True, slots=True)
class Execution:
    """How a sweep runs; nothing here changes a number."""

    workers: int | str = "auto"
    on_error: str = "continue"
    timeout_s: float | None = None
    max_points: int = MAX_POINTS


@dataclass(frozen=True, slots=True)
class SweepFile:
    """A sweep as it is written: checked as far as possible without its base scenario."""

    name: str
    blocks: tuple[Block, ...]
    base: Path | None = None
    description: str = ""
    settings: Mapping[str, Node] = field(default_factory=dict)
    replications: int | None = None
    figures: tuple[str, ...] = FIGURES
    execution: Execution = Execution()
    refused: tuple[Problem, ...] = ()
    """What a later version builds."""
    marks: Mapping[str, Mark] = field(default_factory=dict)
    """Place of each varied setting, and, under ``(path, value)`` as text, of its values."""
    file: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """What varies, in the order of the axes, without ``label``."""
        return tuple(p for p in dict.fromkeys(chain.from_iterable(b.paths for b in self.blocks)) if p != LABEL)

    def mark(self, path: str, value: object = None) -> Mark | None:
        """Where *value* of the setting *path* is written, or the setting itself."""
        return self.marks.get(value_key(path, value)) or self.marks.get(path)

    def require_built(self) -> None:
        """Raise ConfigError naming all that this version does not build."""
        if self.refused:
            raise ConfigError(self.refused)


def value_key(path: str, value: object) -> str:
    return f"{path}={value!r}"


def overlaps(path: str, other: str) -> bool:
    """Whether one of two settings is, or is a part of, the other.

    >>> overlaps("workload.arrivals", "workload.arrivals.rate"), overlaps("function.timeout", "function.time")
    (True, False)
    """
    return path == other or path.startswith(f"{other}.") or other.startswith(f"{path}.")
