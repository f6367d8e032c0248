"""What runs in a worker: one replication of a few points, and nothing that could depend on which worker it is."""

from __future__ import annotations

import math
import pickle
import time
import traceback
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from kinsim.engine import arrivals
from kinsim.experiment.axes import Point
from kinsim.experiment.executors import OutOfTime, time_limit
from kinsim.experiment.statistics import kept_by
from kinsim.scenario import Scenario

Json = dict[str, Any]

SCENARIOS_KEPT: Final = 160
"""Resolved points that a worker keeps: a block of points is gone through once per replication."""


@dataclass(frozen=True, slots=True)
class Task:
    """One replication of points that see the same arrivals, so that these are drawn once."""

    base: bytes
    """The base scenario, pickled."""
    points: tuple[tuple[str, Point], ...]
    """Id and changed settings of each point."""
    replication: int
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one replication of one point."""

    point_id: str
    replication: int
    wall_s: float
    result: Json | None = None
    error: Json | None = None
    """``kind``, ``message`` and ``traceback`` of what was raised."""
    drawn_bytes: int | None = None
    """Memory that the arrivals of this replication take, kept for the next point."""


def run_task(task: Task) -> list[Outcome]:
    """Simulate; an exception is an outcome, and the other points go on."""
    return [_run_point(task, point_id, changes) for point_id, changes in task.points]


def _run_point(task: Task, point_id: str, changes: Point) -> Outcome:
    started = time.perf_counter()
    try:
        with time_limit(task.timeout_s):
            scenario = _scenario(task.base, point_id, changes)
            result = replicate(scenario, task.replication)
    except Exception as error:
        return Outcome(point_id, task.replication, time.perf_counter() - started, error=described(error))
    wall_s = time.perf_counter() - started
    return Outcome(point_id, task.replication, wall_s, result, drawn_bytes=_drawn_bytes(scenario, task.replication))


def _drawn_bytes(scenario: Scenario, replication: int) -> int | None:
    drawn = arrivals.CACHE.entries.get(arrivals.arrivals_key(scenario, replication))
    return None if drawn is None else drawn.size


def replicate(scenario: Scenario, replication: int) -> Json:
    """The numbers of one replication that a sweep keeps: metrics and SLOs, not what single shards or minutes show."""
    from kinsim.experiment import simulate

    numbers = simulate.replicate(scenario, replication).numbers()
    found: Json = _plain(numbers | {"per_shard": {}, "shards": []})
    return found


def combine(scenario: Scenario, numbers: Sequence[Json]) -> Json:
    """What the replications of one point say together, and how many of them keep all SLOs each by itself."""
    from kinsim.experiment.summary import summarise

    summary = summarise(scenario, numbers)
    kept = ("metrics", "slos", "cost", "bounds", "bounds_at_peak", "findings")
    return {**{key: summary[key] for key in kept}, "kept_by": sum(_keeps_all(scenario, one) for one in numbers)}


def _keeps_all(scenario: Scenario, one: Json) -> bool:
    return all(kept_by([one["slo_values"][name]], slo.limit, slo.upper) for name, slo in scenario.slos.items())


def _plain(value: Any) -> Any:
    """Plain Python for JSON: NumPy's numbers as Python's, what is not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def described(error: BaseException) -> Json:
    """An exception as plain text, with its traceback where that can help."""
    expected = isinstance(error, OutOfTime)
    text = "" if expected else "".join(traceback.format_exception(error))
    return {"kind": type(error).__name__, "message": str(error), "traceback": text}


@lru_cache(maxsize=4)
def _base(blob: bytes) -> Scenario:
    scenario: Scenario = pickle.loads(blob)
    return scenario


_resolved: OrderedDict[tuple[int, str], Scenario] = OrderedDict()


def _scenario(base: bytes, point_id: str, changes: Point) -> Scenario:
    """The whole scenario of a point; the last ones are kept."""
    key = (hash(base), point_id)
    if key in _resolved:
        _resolved.move_to_end(key)
        return _resolved[key]
    scenario = _base(base).with_(changes) if changes else _base(base)
    _resolved[key] = scenario
    if len(_resolved) > SCENARIOS_KEPT:
        _resolved.popitem(last=False)
    return scenario
