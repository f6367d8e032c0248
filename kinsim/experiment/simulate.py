"""Many replications of one scenario, and what they say together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinsim.errors import ConfigError, KinsimError, Problem
from kinsim.experiment.statistics import NOTHING, Estimate, estimate, judge
from kinsim.experiment.verdict import (
    bottleneck_sentence,
    bounds_sentence,
    lower_bounds,
    notes,
    verdict_sentence,
)
from kinsim.measure.cost import FIXED_PARTS
from kinsim.measure.result import ReplicationResult, digest
from kinsim.system.metrics import unit_of

if TYPE_CHECKING:
    import pandas as pd

    from kinsim.experiment.executors import Executor
    from kinsim.scenario import Scenario

Json = dict[str, Any]
Progress = Callable[[float, float], None]

FORMAT_VERSION = "1.0"
TABLES = ("invocations", "records")


def simulate(
    scenario: Scenario,
    replications: int | None = None,
    seed: int | None = None,
    keep: Collection[str] = (),
    workers: int | str = 1,
    progress: Progress | None = None,
    executor: str | Executor | None = None,
    engine: str | None = None,
    processes: Sequence[Any] | None = None,
) -> Result:
    """Simulate *scenario*; *replications*, *seed* and *engine* replace what it says.

    Parameters
    ----------
    keep: `invocations` and `records`, the tables to keep
    workers: local processes; replications are shared out among them and give the same numbers as one
    progress: called with the number of replications done and of all
    executor: `serial`, `processes`, or any object with ``submit()``

    Raises ConfigError for settings that are not accepted, InternalError if a record were to get lost.
    """
    scenario = _changed(scenario, replications, seed, keep, engine, processes)
    _require_traces(scenario)
    total = scenario.run.replications
    report = progress or (lambda done, total: None)
    report(0, total)
    done: dict[int, ReplicationResult] = {}
    for number, result in _replicate_all(scenario, tuple(keep), workers, executor):
        done[number] = result
        report(len(done), total)
    return Result(scenario, [done[number] for number in range(total)])


def _require_traces(scenario: Scenario) -> None:
    from kinsim.engine.traces import require_traces

    require_traces(scenario)


def replicate(
    scenario: Scenario, replication: int, keep: Collection[str] = (), details: bool = True
) -> ReplicationResult:
    """One replication, in this process; numbers count from 0.

    Without *details* it has metrics, SLOs and cost only, and takes less time.
    """
    from kinsim.engine import reference
    from kinsim.engine.arrivals import shared
    from kinsim.measure.recorder import Recorder

    arrivals = shared(scenario, replication)

    def hash_keys(source: int, key: NDArray[np.int64], high: NDArray[np.uint64]) -> list[int]:
        hashes = arrivals.keys(source).hashes if "records" in keep else []
        return [
            hashes[k] if k >= 0 else int(h) << 64 if k == RANDOM_KEY else -1
            for k, h in zip(key.tolist(), high.tolist(), strict=True)
        ]

    recorder = Recorder(scenario, replication, keep, hash_keys, details)
    reference.run(scenario, replication, recorder, arrivals)
    return recorder.result


RANDOM_KEY = -1
"""Number that stands for a key drawn for each record."""


def _changed(
    scenario: Scenario,
    replications: int | None,
    seed: int | None,
    keep: Collection[str],
    engine: str | None,
    processes: Sequence[Any] | None,
) -> Scenario:
    if processes:
        raise KinsimError("processes: SimPy processes of your own are not simulated by this version of kinsim")
    wrong = [name for name in keep if name not in TABLES] if not isinstance(keep, str) else [keep]
    if wrong:
        raise ConfigError(Problem(message=f"keep: {wrong[0]!r} is no table", help=f"any of {', '.join(TABLES)}"))
    changes = {"run.replications": replications, "run.seed": seed, "engine": engine}
    named = {path: value for path, value in changes.items() if value is not None}
    return scenario.with_(named) if named else scenario


def _replicate_all(
    scenario: Scenario, keep: tuple[str, ...], workers: int | str, executor: str | Executor | None
) -> Any:
    """Pairs of number and result, as they are done."""
    numbers = range(scenario.run.replications)
    if executor is None and (workers == 1 or len(numbers) == 1):
        for number in numbers:
            yield number, replicate(scenario, number, keep)
        return
    from kinsim.experiment.executors import executor_for, run_tasks, worker_count

    chosen = executor_for(executor, min(worker_count(workers), len(numbers)))
    for (_, number, _), result in run_tasks(chosen, _task, [(scenario, number, keep) for number in numbers]):
        if isinstance(result, Exception):
            raise result
        yield number, result


def _task(task: tuple[Scenario, int, tuple[str, ...]]) -> ReplicationResult:
    return replicate(*task)


def combined_metrics(
    each: Sequence[Mapping[str, Mapping[str, float | None]]], confidence: float
) -> dict[str, dict[str, Estimate | None]]:
    """Estimates of every statistic of every metric over replications."""
    names = {name: tuple(statistics) for name, statistics in each[0].items()}
    return {
        name: {key: estimate([one[name].get(key) for one in each], confidence) for key in keys}
        for name, keys in names.items()
    }


def judged_slos(scenario: Scenario, values: Sequence[Mapping[str, float | None]]) -> list[Json]:
    """Each SLO with its value, interval and status."""
    found = []
    for name, slo in scenario.slos.items():
        verdict = judge([one[name] for one in values], slo.limit, slo.upper, scenario.run.confidence)
        found.append(
            {
                "name": name,
                "metric": slo.metric,
                "statistic": slo.statistic,
                "period_s": slo.period_s,
                "fraction": slo.fraction,
                "bound": "at_most" if slo.upper else "at_least",
                "limit": slo.limit,
                "unit": unit_of(slo.metric),
                **_as_json(verdict.estimate),
                "status": verdict.status,
                "replications_needed": verdict.replications_needed,
            }
        )
    return found


def summarise(scenario: Scenario, numbers: Sequence[Mapping[str, Any]]) -> Json:
    """The summary of a run from what each replication's `numbers()` gave: language.md, section 2."""
    confidence = scenario.run.confidence
    metrics = _json_of(combined_metrics([n["metrics"] for n in numbers], confidence))
    shards = numbers[0]["shards"]
    per_shard = {
        shard["id"]: _json_of(combined_metrics([n["per_shard"][shard["id"]] for n in numbers], confidence))
        for shard in shards
        if all(shard["id"] in n["per_shard"] for n in numbers)
    }
    facts = {name: _mean_of([n["facts"][name] for n in numbers]) for name in numbers[0]["facts"]}
    slos = judged_slos(scenario, [n["slo_values"] for n in numbers])
    mean_bounds, peak_bounds = lower_bounds(scenario, facts)
    run = scenario.run
    return {
        "format_version": FORMAT_VERSION,
        "scenario": {
            "name": scenario.name,
            "description": scenario.description,
            "profile": scenario.profile,
            "config_hash": scenario.config_hash,
            "duration_s": run.duration_s,
            "warm_up_s": run.warm_up_s,
            "replications": len(numbers),
            "confidence": confidence,
            "seed": run.seed,
            "shard_count": scenario.stream.shard_count,
        },
        "engine": "reference",
        "metrics": metrics,
        "per_shard": per_shard,
        "shards": shards,
        "slos": slos,
        "alarms": {},
        "cost": _cost(scenario, [n["cost"] for n in numbers]),
        "bounds": mean_bounds,
        "bounds_at_peak": peak_bounds,
        "findings": {
            "verdict": verdict_sentence(slos),
            "bottleneck": bottleneck_sentence(scenario, metrics, facts),
            "lower_bounds": bounds_sentence(mean_bounds, peak_bounds),
            "notes": notes(metrics, numbers),
        },
    }


def _mean_of(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _as_json(found: Estimate | None) -> dict[str, float | None]:
    return dict(NOTHING) if found is None else found.as_dict()


def _json_of(combined: Mapping[str, Mapping[str, Estimate | None]]) -> Json:
    return {name: {key: _as_json(found) for key, found in of.items()} for name, of in combined.items()}


def _cost(scenario: Scenario, costs: Sequence[Mapping[str, float]]) -> Json:
    """Cost per month, in parts; fixed parts do not depend on usage."""
    confidence = scenario.run.confidence
    parts = {
        name: {
            "kind": "fixed" if name in FIXED_PARTS else "usage",
            **_as_json(estimate([cost[name] for cost in costs], confidence)),
        }
        for name in costs[0]
        if name != "total"
    }
    total = estimate([cost.get("total") for cost in costs], confidence)
    return {"currency": "USD", "hours": scenario.cost.hours_per_month, "total": _as_json(total), "parts": parts}


class Result:
    """What the replications of a scenario say.

    ``result["queue_wait_s"]["mean"]`` is a number with an interval (`ci_low`, `ci_high`, `sd`, `n`);
    `metrics`, `timeseries`, `invocations` and `records` are DataFrames; `summary()` is the whole as plain data.
    """

    def __init__(self, scenario: Scenario, replications: Sequence[ReplicationResult]) -> None:
        self.scenario = scenario
        self.replications = list(replications)
        self._combined: dict[str, dict[str, Estimate | None]] | None = None
        self._summary: Json | None = None

    @property
    def combined(self) -> dict[str, dict[str, Estimate | None]]:
        """Estimate of each statistic of each metric, None where no replication has a value."""
        if self._combined is None:
            each = [replication.metrics for replication in self.replications]
            self._combined = combined_metrics(each, self.scenario.run.confidence)
        return self._combined

    def __getitem__(self, name: str) -> dict[str, Estimate | None]:
        """Statistics of one metric."""
        if name not in self.combined:
            from difflib import get_close_matches

            close = get_close_matches(name, self.combined, 3)
            hint = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(self.combined)}"
            raise KeyError(f"{name!r} is no metric of this result; {hint}")
        return self.combined[name]

    def __contains__(self, name: object) -> bool:
        return name in self.combined

    def summary(self) -> Json:
        """Everything as plain data for JSON; what console and files show comes from here."""
        if self._summary is None:
            self._summary = summarise(self.scenario, [replication.numbers() for replication in self.replications])
        return self._summary

    @property
    def slos(self) -> list[Json]:
        """Each SLO with value, interval, limit and status: met, missed or undecided."""
        slos: list[Json] = self.summary()["slos"]
        return slos

    @property
    def cost(self) -> Json:
        """Cost per month with its parts."""
        cost: Json = self.summary()["cost"]
        return cost

    @property
    def bounds(self) -> dict[str, int]:
        """Fewest shards by bytes, records and consumer speed at the mean load, by arithmetic."""
        bounds: dict[str, int] = self.summary()["bounds"]
        return bounds

    @property
    def verdict(self) -> str:
        """How many SLOs are met, in a sentence."""
        return str(self.summary()["findings"]["verdict"])

    @property
    def bottleneck(self) -> str:
        """What limits the design, in a sentence."""
        return str(self.summary()["findings"]["bottleneck"])

    @property
    def per_shard(self) -> Json:
        """Statistics by shard, as in the summary."""
        per_shard: Json = self.summary()["per_shard"]
        return per_shard

    @property
    def curves(self) -> dict[str, list[NDArray[Any]]]:
        """Arrays by minute, one per replication, for figures."""
        return {name: [r.curves[name] for r in self.replications] for name in self.replications[0].curves}

    @property
    def digest(self) -> str:
        """SHA-256 of every number of every replication."""
        return digest([replication.digest() for replication in self.replications])

    @property
    def metrics(self) -> pd.DataFrame:
        """One row per statistic: mean over replications, interval, standard deviation, number, unit."""
        import pandas as pd

        rows = {
            f"{name}.{key}": {
                "metric": name,
                "statistic": key,
                "mean": found["value"],
                **{k: found[k] for k in ("ci_low", "ci_high", "sd", "n")},
                "unit": statistic_unit(name, key),
            }
            for name, of in _json_of(self.combined).items()
            for key, found in of.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    @property
    def timeseries(self) -> pd.DataFrame:
        """All series by minute in long form; Timestamp is in seconds from the start of the run."""
        return self._frames("timeseries")

    @property
    def invocations(self) -> pd.DataFrame:
        """One row per invocation; kept with ``keep=["invocations"]``."""
        return self._frames("invocations")

    @property
    def records(self) -> pd.DataFrame:
        """One row per record or group of equal records; kept with ``keep=["records"]``."""
        return self._frames("records")

    def _frames(self, name: str) -> pd.DataFrame:
        import pandas as pd

        if name in TABLES and name not in self.replications[0].tables:
            raise KinsimError(f"the table of {name} was not kept; run with keep=[{name!r}], or --keep {name}")
        frames = [replication.frame(name) for replication in self.replications]
        if name == "timeseries":
            for number, frame in enumerate(frames):
                frame.insert(0, "replication", number)
        return pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]

    def __repr__(self) -> str:
        n = len(self.replications)
        return f"<Result {self.scenario.name!r}: {n} replication{'s' if n != 1 else ''}. {self.verdict}>"


def statistic_unit(name: str, statistic: str) -> str:
    """Unit of a statistic: that of its metric, except for counts, times and shares.

    >>> statistic_unit("queue_wait_s", "p99"), statistic_unit("queue_wait_s", "count"), statistic_unit("errors", "rate")
    ('s', 'count', '1/s')
    """
    if statistic.startswith("time_of"):
        return "s"
    unit = unit_of(name)
    special = {"count": "count", "unfinished": "count", "rate": "1/s", "variance": f"{unit}^2"}
    return special.get(statistic, "1" if statistic.startswith("PR(") else unit)
