"""The plan of a sweep: every point resolved and checked before the first one runs.

A mistake that shows at forty points is told once, with their number and an example.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from kinsim.engine.arrivals import arrivals_key
from kinsim.errors import ConfigError, Problem
from kinsim.experiment.axes import LABEL, Point, shown
from kinsim.experiment.sweep_file import load_sweep_file, sweep_of_axes
from kinsim.experiment.sweep_settings import Block, SweepFile, overlaps
from kinsim.scenario import Scenario, load
from kinsim.scenario.paths import canonical_path
from kinsim.scenario.pipelines import Pipelines
from kinsim.scenario.tree import Mark, Node

MOST_TRIED: Final = 10_000_000
"""Combinations that are gone through, exclusions and all; more is a typing error."""
ID_DIGITS: Final = 12
Overrides = Mapping[str, Any] | Sequence[str]


@dataclass(frozen=True, slots=True)
class PlannedPoint:
    """One point: its id (from the hash of all its settings) and what it changes in the base."""

    point_id: str
    settings: Point
    """Changed settings by dotted path, as they were written, and perhaps a ``label``."""
    draws: str = ""
    """Points with the same text see the same arrivals."""

    @property
    def changes(self) -> Point:
        """The settings without the label."""
        return {path: value for path, value in self.settings.items() if path != LABEL}

    def __str__(self) -> str:
        return ", ".join(f"{path}={shown(value)}" for path, value in self.settings.items()) or "the base itself"


@dataclass(frozen=True)
class Plan:
    """A sweep that can run: its base scenario, and its points in their order."""

    file: SweepFile
    base: Scenario
    points: tuple[PlannedPoint, ...]
    replications: int
    excluded: int = 0
    duplicates: int = 0
    warnings: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.points)

    @property
    def name(self) -> str:
        """Name of the sweep; its results go into a folder of that name."""
        return self.file.name

    @property
    def paths(self) -> tuple[str, ...]:
        """What varies, in the order of the axes."""
        return self.file.paths

    @property
    def config_hash(self) -> str:
        """SHA-256 of everything that can change a result: all points and the number of replications."""
        points = sorted({point.point_id for point in self.points})
        return hashlib.sha256(json.dumps([self.replications, points]).encode()).hexdigest()

    @property
    def folder(self) -> Path:
        """Where results lie below their root: name, and the first digits of the hash."""
        return Path(folder_name(self.name)) / self.config_hash[:8]

    def scenario(self, point: PlannedPoint) -> Scenario:
        """The whole scenario of one point."""
        return single(self.base.with_(point.changes), "") if point.changes else self.base

    @property
    def document(self) -> dict[str, Any]:
        """The sweep as it could be written: axes as lists, all else as it is."""
        file = self.file
        found: dict[str, Any] = {"kinsim": 1, "name": file.name}
        if file.description:
            found["description"] = file.description
        if file.base is not None:
            found["base"] = str(file.base)
        if file.settings:
            found["set"] = {path: node.plain() for path, node in file.settings.items()}
        blocks = [_block_document(block) for block in file.blocks]
        found.update(blocks[0] if len(blocks) == 1 else {"any_of": blocks})
        return {**found, "replications": self.replications, "figures": list(file.figures)}

    def rows(self) -> list[tuple[str, str, str]]:
        """Name, values and number of each axis, for people."""
        found = []
        for block in self.file.blocks:
            found += [(axis.name, axis.summary, axis.count) for axis in block.axes]
            if block.points:
                noun = "point" if len(block) == 1 else "points"
                found.append((" + ".join(p for p in block.paths if p != LABEL), "listed", f"{len(block)} {noun}"))
        return found


def _block_document(block: Block) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if block.points:
        found["points"] = [dict(point) for point in block.points]
    else:
        found["axes"] = [
            {
                **{path: [values[i] for values in axis.values] for i, path in enumerate(axis.paths)},
                **({LABEL: list(axis.labels)} if axis.labels else {}),
            }
            for axis in block.axes
        ]
    if block.exclude:
        found["exclude"] = [exclusion.settings for exclusion in block.exclude]
    return found


def folder_name(name: str) -> str:
    """*name* as the name of a folder on any system.

    >>> folder_name("shards x batch: 2017/18"), folder_name("..")
    ('shards x batch_ 2017_18', '_')
    """
    cleaned = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", name).strip(" .")
    return cleaned[:120] or "_"


# -- making a plan -------------------------------------------------------------------------------------------


def plan_sweep(
    base: Scenario | str | Path,
    axes: Mapping[Any, Any] | Sequence[Any] | str | Path | SweepFile | None = None,
    *,
    overrides: Overrides = (),
    more_axes: Sequence[str] = (),
    replications: int | None = None,
    seed: int | None = None,
    max_points: int | None = None,
    name: str | None = None,
) -> Plan:
    """Resolve and check every point of a sweep.

    Parameters
    ----------
    base: a scenario or its file; or, without *axes*, a sweep file that names its base
    axes: ``{path: values}``, a list of axes as in a file, or a sweep file (then *base* takes its base's place)
    overrides: settings that hold at every point, above all else: ``{path: value}`` or texts ``path=value``
    more_axes: texts such as ``stream.shards=4:64:4``; they replace the axis of the same setting, or are added
    replications, seed: instead of those of the file or scenario
    max_points: instead of the file's limit (10,000 by default)

    Raises
    ------
    ConfigError: everything that is wrong with the file or with any point, each thing once
    """
    file, scenario, path = _inputs(base, axes, more_axes, name)
    changes = _run_changes(file, replications, seed)
    wrong = _overridden_axes(file, overrides)
    if wrong:
        raise ConfigError([*wrong, *file.refused])
    try:
        settled = _settled(scenario, path, file, overrides, changes)
    except ConfigError as error:
        raise ConfigError([*error.problems, *file.refused]) from None
    return _Planner(file, settled, max_points).plan()


def _inputs(
    base: Scenario | str | Path, axes: Any, more_axes: Sequence[str], name: str | None
) -> tuple[SweepFile, Scenario | None, Path | None]:
    """The sweep, and its base: a scenario, or the path of one."""
    file: SweepFile
    if axes is None and not isinstance(base, Scenario):
        file = load_sweep_file(base, more_axes)
        return _renamed(file, name), None, file.base
    if axes is None:
        raise ConfigError(Problem(message="axes are missing", help='for example {"stream.shards": range(1, 9)}'))
    if isinstance(axes, SweepFile):
        file = axes
    elif isinstance(axes, (str, Path)):
        file = load_sweep_file(axes, more_axes, base=False)
    else:
        file = sweep_of_axes(axes, "sweep", more_axes)
    if isinstance(base, Scenario):
        file = _renamed(file, name or (f"{base.name}-sweep" if file.file == "" else None))
        return file, base, None
    file = _renamed(file, name or (f"{Path(base).stem}-sweep" if file.file == "" else None))
    return file, None, Path(base)


def _renamed(file: SweepFile, name: str | None) -> SweepFile:
    return file if name is None else replace(file, name=name)


def _run_changes(file: SweepFile, replications: int | None, seed: int | None) -> dict[str, Any]:
    count = replications if replications is not None else file.replications
    found: dict[str, Any] = {} if count is None else {"run.replications": count}
    return found if seed is None else {**found, "run.seed": seed}


def _overridden_axes(file: SweepFile, overrides: Overrides) -> list[Problem]:
    """Settings that would be given once for all points although they vary."""
    texts = overrides if isinstance(overrides, Mapping) else [text.partition("=")[0] for text in overrides]
    problems = []
    for text in texts:
        try:
            path = canonical_path(str(text).strip())
        except Exception:  # told, with its place, when the base is settled
            continue
        for varied in file.paths:
            if overlaps(path, varied):
                help = f"use --axis {varied}=… to replace its values"
                message = f"{varied} varies in this sweep, so it cannot be set to one value"
                problems.append(Problem(file="--set", path=path, message=message, help=help))
    return problems


def _settled(
    scenario: Scenario | None, path: Path | None, file: SweepFile, overrides: Overrides, changes: Mapping[str, Any]
) -> Scenario:
    """The base with all that holds at every point: the file's ``set``, then what the caller sets."""
    given = list(overrides.items()) if isinstance(overrides, Mapping) else list(overrides)
    layers: list[Any] = [*file.settings.items(), *changes.items()]
    try:
        if scenario is None:
            assert path is not None
            return single(load(path, [*layers, *given]), str(path))
        return single(scenario.with_([*layers, *given]), "") if layers or given else scenario
    except ConfigError as error:
        raise ConfigError([_renumbered(problem, len(layers)) for problem in error.problems]) from None


def single(scenario: Scenario | Pipelines, file: str) -> Scenario:
    """*scenario*, if it has one pipeline; raises ConfigError for several, which are simulated but not swept."""
    if isinstance(scenario, Scenario):
        return scenario
    raise ConfigError(
        Problem(
            file=file,
            message=f"the scenario has {len(scenario.members)} pipelines ({', '.join(scenario.members)}), and a sweep "
            "varies one",
            help="sweep a file with one of them, or run each candidate with `kinsim run --set`",
        )
    )


def _renumbered(problem: Problem, before: int) -> Problem:
    """``--set #5`` as the user counts, who has not seen the *before* settings that the file adds."""
    return replace(problem, file=re.sub(r"^--set #(\d+)", lambda m: f"--set #{int(m[1]) - before}", problem.file))


class _Planner:
    """Goes through all points once, collecting problems."""

    def __init__(self, file: SweepFile, base: Scenario, max_points: int | None) -> None:
        self.file = file
        self.base = base
        self.max_points = max_points or file.execution.max_points
        self.errors = Findings()
        self.warnings = Findings()
        self.traces: dict[str, list[Problem]] = {}
        self.notes: dict[tuple[str, float], list[str]] = {}
        self.nodes: dict[tuple[str, str], Node] = {}

    def plan(self) -> Plan:
        combinations = sum(len(block) for block in self.file.blocks)
        if combinations > MOST_TRIED:
            raise ConfigError([self.too_many(combinations), *self.file.refused])
        kept, excluded = self.chosen()
        if len(kept) > self.max_points:
            raise ConfigError([self.too_many(len(kept)), *self.file.refused])
        points = self.resolved(kept)
        problems = self.errors.problems(len(kept))
        if not kept and not problems:
            problems = [Problem(file=self.file.file, message="every point is excluded", help="check exclude")]
        if problems:
            raise ConfigError([*problems, *self.file.refused])
        return Plan(
            file=self.file,
            base=self.base,
            points=tuple(points),
            replications=self.base.run.replications,
            excluded=excluded,
            duplicates=len(kept) - len(points),
            warnings=(*self.idle_exclusions(), *self.warnings.problems(len(points))),
        )

    def too_many(self, number: int) -> Problem:
        mark = self.file.marks.get(next(iter(self.file.paths), ""))
        message = f"{number:,} points, more than max_points {self.max_points:,}"
        help = "take fewer values, or raise execution.max_points"
        return _at(mark, Problem(file=self.file.file, path="axes", message=message, help=help))

    def chosen(self) -> tuple[list[Point], int]:
        """Points that no exclusion drops, at most one more than are allowed, and how many were dropped."""
        kept: list[Point] = []
        excluded = 0
        for block in self.file.blocks:
            for point in block:
                if block.excludes(point):
                    excluded += 1
                else:
                    kept.append(point)
        return kept, excluded

    def resolved(self, kept: list[Point]) -> list[PlannedPoint]:
        """The points with their ids; the first of several that mean the same."""
        found: dict[str, PlannedPoint] = {}
        for settings in kept:
            try:
                scenario = self.scenario(settings)
            except ConfigError as error:
                for problem in error.problems:
                    self.errors.add(self.located(problem, settings), settings)
                continue
            broken = self.trace_problems(scenario)
            for problem in broken:
                self.errors.add(self.located(problem, settings), settings)
            if broken:
                continue
            for warning in scenario.warnings:
                self.warnings.add(self.located(warning, settings), settings)
            for note in self.trace_notes(scenario):
                about = Problem(file=str(self.file.base or ""), message=note, severity="warning")
                self.warnings.add(about, settings, note.partition(": ")[0])
            point_id = scenario.config_hash[:ID_DIGITS]
            if point_id not in found:
                found[point_id] = PlannedPoint(point_id, settings, draws_of(scenario))
        return list(found.values())

    def trace_problems(self, scenario: Scenario) -> list[Problem]:
        """What is wrong with the traces of *scenario*; each workload is looked at once."""
        key = repr(scenario.workload)
        if key not in self.traces:
            from kinsim.engine.traces import trace_problems

            self.traces[key] = trace_problems(scenario.workload.sources, scenario.base_dir)
        return self.traces[key]

    def trace_notes(self, scenario: Scenario) -> list[str]:
        """What a reader should know of sound traces, for each workload and length of the run."""
        if self.trace_problems(scenario):
            return []
        key = (repr(scenario.workload), scenario.run.duration_s)
        if key not in self.notes:
            from kinsim.engine.traces import trace_notes

            self.notes[key] = trace_notes(scenario)
        return self.notes[key]

    def scenario(self, settings: Point) -> Scenario:
        changes = {path: self.node(path, value) for path, value in settings.items() if path != LABEL}
        return single(self.base.with_(changes), "") if changes else self.base

    def node(self, path: str, value: Any) -> Node:
        """*value* with the place where the sweep file has it."""
        key = (path, repr(value))
        if key not in self.nodes:
            mark = self.file.mark(path, value)
            self.nodes[key] = Node.of(value) if mark is None else Node.of(value, mark)
        return self.nodes[key]

    def located(self, problem: Problem, settings: Point) -> Problem:
        """A problem that has no place of its own, at the axis that it is about."""
        if problem.line:
            return problem
        for path, value in settings.items():
            if problem.path and overlaps(problem.path, path):
                return _at(self.file.mark(path, value), problem)
        return problem

    def idle_exclusions(self) -> Iterator[Problem]:
        seen: set[int] = set()
        for block in self.file.blocks:
            for exclusion in block.exclude:
                if exclusion.hits == 0 and id(exclusion) not in seen:
                    help = f"axes: {', '.join(self.file.paths)}"
                    yield exclusion.mark.problem("this entry excludes no point", "exclude", help, warning=True)
                seen.add(id(exclusion))


def _at(mark: Mark | None, problem: Problem) -> Problem:
    if mark is None or not mark.source.label:
        return problem
    placed = mark.problem("")
    return replace(
        problem,
        file=placed.file,
        line=placed.line,
        col=placed.col,
        end_col=placed.end_col,
        source_line=placed.source_line,
    )


class Findings:
    """Problems of many points, those alike together.

    >>> findings = Findings()
    >>> for shards in (1, 2, 3):
    ...     problem = Problem(path="stream", message=f"needs 4 shards, has {shards}")
    ...     findings.add(problem, {"stream.shard_count": shards})
    >>> print(*findings.problems(of=12))
    stream: needs 4 shards, has 1 (and alike at 3 of 12 points, for example stream.shard_count=1)
    """

    def __init__(self) -> None:
        self.found: dict[tuple[str, ...], tuple[Problem, Point, set[str]]] = {}
        self.counts: dict[tuple[str, ...], int] = {}

    def add(self, problem: Problem, settings: Point, about: str = "") -> None:
        """Note *problem* at the point with *settings*; those *about* different things are never alike."""
        alike = re.sub(r"\d[\d.,_]*", "#", problem.message)
        key = (problem.path, alike, problem.severity, about)
        self.counts[key] = self.counts.get(key, 0) + 1
        texts = self.found.setdefault(key, (problem, settings, set()))[2]
        if len(texts) < 2:
            texts.add(problem.message)

    def problems(self, of: int) -> list[Problem]:
        """Each kind once, with the number of points out of *of* that have it."""
        found = []
        for key, (problem, settings, texts) in self.found.items():
            if of > 1:
                count = self.counts[key]
                alike = "and alike " if len(texts) > 1 else ""
                where = f"{alike}at {count:,} of {of:,} points" if count < of else f"{alike}at all {of:,} points"
                example = f", for example {PlannedPoint('', settings)}" if count < of or alike else ""
                problem = replace(problem, message=f"{problem.message} ({where}{example})")
            found.append(problem)
        return found


def draws_of(scenario: Scenario) -> str:
    """A text that is equal for scenarios that see the same arrivals."""
    return hashlib.sha256(arrivals_key(scenario, 0).encode()).hexdigest()[:ID_DIGITS]
