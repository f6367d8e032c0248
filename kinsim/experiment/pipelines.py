"""Several pipelines of one account: their replications together, and what they say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from kinsim.engine.together import Tally
from kinsim.experiment.result import Result, Told
from kinsim.experiment.statistics import NOTHING, Estimate, estimate
from kinsim.experiment.summary import FORMAT_VERSION, Json
from kinsim.experiment.verdict import verdict_sentence
from kinsim.measure.result import ReplicationResult, digest
from kinsim.measure.samples import Statistics
from kinsim.system.metrics import PERCENTILES

if TYPE_CHECKING:
    import pandas as pd

    from kinsim.scenario.pipelines import Pipelines


@dataclass(frozen=True, slots=True)
class Together:
    """One replication of all pipelines."""

    members: dict[str, ReplicationResult]
    concurrent_executions: Statistics
    """Of the whole account but its other functions."""


def replicate_together(scenario: Pipelines, replication: int, keep: Collection[str] = ()) -> Together:
    """One replication of the pipelines of *scenario*, in this process."""
    from kinsim.engine import reference
    from kinsim.experiment.simulate import recorder_of

    pairs = {name: recorder_of(each, replication, keep) for name, each in scenario.members.items()}
    parts = [reference.Part(each, *pairs[name]) for name, each in scenario.members.items()]
    tally = reference.run_all(parts, replication)
    return Together({name: recorder.result for name, (recorder, _) in pairs.items()}, concurrency(tally))


def concurrency(tally: Tally) -> Statistics:
    """Statistics over time of the invocations in progress.

    >>> found = concurrency(Tally(None, 0, time_us={0: 3_000_000, 2: 1_000_000}, most=2, most_at_us=500_000))
    >>> found["time_average"], found["max"], found["time_of_max"], found["p50"], found["p99"]
    (0.5, 2.0, 0.5, 0.0, 2.0)
    """
    levels = np.array(sorted(tally.time_us), np.int64)
    times = np.array([tally.time_us[int(each)] for each in levels], np.int64)
    total = int(times.sum())
    found: Statistics = {
        "time_average": int((levels * times).sum()) / total if total else None,
        "max": float(tally.most),
        "time_of_max": tally.most_at_us / 1e6,
        "last": float(tally.level),
    }
    upto = np.cumsum(times)
    for p in PERCENTILES:
        place = int(np.searchsorted(upto, p / 100 * total * (1 - 1e-15))) if total else 0
        found[f"p{p:g}"] = float(levels[place]) if total else None
    return found


class SummarisedTogether(Told):
    """What can be read off the summary of several pipelines, computed just now or stored.

    ``result["flow-logs"]`` is the result of one pipeline, with all that a result has; `metrics`, `timeseries` and
    the tables here have a column `pipeline`, and SLOs and alarms are named PIPELINE.NAME.
    """

    pipelines: Mapping[str, Any]
    """The result of each pipeline, in the order of the file."""

    def __getitem__(self, name: str) -> Any:
        """The result of one pipeline."""
        if name not in self.pipelines:
            close = get_close_matches(name, self.pipelines, 3)
            hint = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(self.pipelines)}"
            raise KeyError(f"{name!r} is no pipeline of this result; {hint}")
        return self.pipelines[name]

    def __contains__(self, name: object) -> bool:
        return name in self.pipelines

    @property
    def concurrent_executions(self) -> dict[str, Estimate | None]:
        """Invocations of all pipelines in progress, over time."""
        found = self.summary()["account"]["concurrent_executions"]
        return {key: Estimate.of(each) for key, each in found.items()}

    @property
    def metrics(self) -> pd.DataFrame:
        """One row per pipeline and statistic."""
        return self.table("metrics")

    def table(self, name: str) -> pd.DataFrame:
        """The `metrics`, the `timeseries` or a table that was kept, with the pipeline of each row."""
        import pandas as pd

        frames = []
        for pipeline, result in self.pipelines.items():
            frame: pd.DataFrame = getattr(result, name).copy()
            frame.insert(0, "pipeline", pipeline)
            frames.append(frame)
        return pd.concat(frames, ignore_index=name != "metrics")

    def __repr__(self) -> str:
        run = self.summary()["scenario"]
        n = run["replications"]
        what = f"{len(self.pipelines)} pipelines, {n} replication{'s' if n != 1 else ''}"
        return f"<{type(self).__name__} {run['name']!r}: {what}. {self.verdict}>"


class PipelinesResult(SummarisedTogether):
    """What the replications of several pipelines say."""

    def __init__(self, scenario: Pipelines, replications: Sequence[Together]) -> None:
        self.scenario = scenario
        self.replications = list(replications)
        self.pipelines: dict[str, Result] = {
            name: Result(each, [one.members[name] for one in replications]) for name, each in scenario.members.items()
        }
        self._summary: Json | None = None

    def summary(self) -> Json:
        """Everything as plain data for JSON; what console and files show comes from here."""
        if self._summary is None:
            members = {name: each.summary() for name, each in self.pipelines.items()}
            self._summary = summarise_together(self.scenario, members, self.replications)
        return self._summary

    @property
    def digest(self) -> str:
        """SHA-256 of every number of every replication."""
        return digest([{name: one.digest() for name, one in each.members.items()} for each in self.replications])


def summarise_together(scenario: Pipelines, members: Mapping[str, Json], replications: Sequence[Together]) -> Json:
    """The summary of several pipelines, made of the summaries of each: the format of summary.json."""
    run, first = scenario.run, next(iter(members.values()))
    confidence = run.confidence
    slos = [{**slo, "name": f"{name}.{slo['name']}"} for name, each in members.items() for slo in each["slos"]]
    each_concurrency = [one.concurrent_executions for one in replications]
    return {
        "format_version": FORMAT_VERSION,
        "scenario": {
            "name": scenario.name,
            "description": scenario.description,
            "profile": scenario.profile,
            "config_hash": scenario.config_hash,
            "duration_s": run.duration_s,
            "warm_up_s": run.warm_up_s,
            "replications": len(replications),
            "confidence": confidence,
            "seed": run.seed,
            "pipelines": list(members),
        },
        "engine": first["engine"],
        "pipelines": dict(members),
        "account": {
            "concurrent_executions": {
                key: _as_json(estimate([one[key] for one in each_concurrency], confidence))
                for key in each_concurrency[0]
            }
        },
        "slos": slos,
        "alarms": {f"{name}.{alarm}": of for name, each in members.items() for alarm, of in each["alarms"].items()},
        "cost": _cost(scenario, members, replications),
        "findings": {"verdict": verdict_sentence(slos)},
    }


def _cost(scenario: Pipelines, members: Mapping[str, Json], replications: Sequence[Together]) -> Json:
    """Cost per month of each pipeline and in all, with the account's free tier taken off the whole."""
    from kinsim.measure.cost import free_tier_credit

    confidence = scenario.run.confidence
    totals, credits = [], []
    for one in replications:
        costs = {name: each.cost for name, each in one.members.items()}
        if not all(costs.values()):
            break
        credit = free_tier_credit([(scenario.members[name], each) for name, each in costs.items()])
        credits.append(-credit)
        totals.append(sum(each["total"] for each in costs.values()) - credit)
    parts = {name: members[name]["cost"]["total"] for name in sorted(members)}
    if any(credits):
        parts["free_tier"] = _as_json(estimate(credits, confidence))
    hours = next(iter(members.values()))["cost"]["hours"]
    return {"currency": "USD", "hours": hours, "total": _as_json(estimate(totals, confidence)), "parts": parts}


def _as_json(found: Estimate | None) -> dict[str, float | None]:
    return dict(NOTHING) if found is None else found.as_dict()
