"""What the replications of a scenario say, in Python."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from kinsim.errors import ResultError
from kinsim.experiment.statistics import Estimate
from kinsim.experiment.summary import Json, statistic_unit, summarise
from kinsim.measure.result import ReplicationResult, digest

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from kinsim.scenario import Scenario

TABLES = ("invocations", "records")


class Told(ABC):
    """What a summary and the tables beside it tell, of one pipeline or of several."""

    @abstractmethod
    def summary(self) -> Json:
        """Everything as plain data for JSON; what console and files show comes from here."""

    @abstractmethod
    def table(self, name: str) -> pd.DataFrame:
        """The `timeseries`, or a table that was kept."""

    @property
    def slos(self) -> list[Json]:
        """Each SLO with value, interval, limit and status: met, missed or undecided."""
        slos: list[Json] = self.summary()["slos"]
        return slos

    @property
    def alarms(self) -> Json:
        """Each alarm by name: when it went off, in how many replications, and its changes of state."""
        alarms: Json = self.summary()["alarms"]
        return alarms

    @property
    def cost(self) -> Json:
        """Cost per month with its parts."""
        cost: Json = self.summary()["cost"]
        return cost

    @property
    def verdict(self) -> str:
        """How many SLOs are met, in a sentence."""
        return str(self.summary()["findings"]["verdict"])

    @property
    def timeseries(self) -> pd.DataFrame:
        """All series by minute in long form; Timestamp is in seconds from the start of the run."""
        return self.table("timeseries")

    @property
    def invocations(self) -> pd.DataFrame:
        """One row per invocation; kept with ``keep=["invocations"]``."""
        return self.table("invocations")

    @property
    def records(self) -> pd.DataFrame:
        """One row per record or group of equal records; kept with ``keep=["records"]``."""
        return self.table("records")


class Summarised(Told):
    """What can be read off a summary, whether it was computed just now or comes from a folder."""

    _estimates: dict[str, dict[str, Estimate | None]] | None = None

    @property
    def estimates(self) -> dict[str, dict[str, Estimate | None]]:
        """Estimate of each statistic of each metric, None where no replication has a value."""
        if self._estimates is None:
            self._estimates = {
                name: {key: Estimate.of(found) for key, found in of.items()}
                for name, of in self.summary()["metrics"].items()
            }
        return self._estimates

    def __getitem__(self, name: str) -> dict[str, Estimate | None]:
        """Statistics of one metric."""
        if name not in self.estimates:
            close = get_close_matches(name, self.estimates, 3)
            hint = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(self.estimates)}"
            raise KeyError(f"{name!r} is no metric of this result; {hint}")
        return self.estimates[name]

    def __contains__(self, name: object) -> bool:
        return name in self.estimates

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
            for name, of in self.summary()["metrics"].items()
            for key, found in of.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    @property
    def rules(self) -> list[Json]:
        """Each rule of the function, the one that takes most time first: `name`, `duration_share` and its alerts."""
        rules: list[Json] = self.summary().get("rules", [])
        return rules

    @property
    def resharding(self) -> list[Json]:
        """Every call of UpdateShardCount by autoscaling, with its replication and, where it was refused, the reason."""
        calls: list[Json] = self.summary().get("resharding", [])
        return calls

    @property
    def bounds(self) -> dict[str, int]:
        """Fewest shards by bytes, records and consumer speed at the mean load, by arithmetic."""
        bounds: dict[str, int] = self.summary()["bounds"]
        return bounds

    @property
    def bottleneck(self) -> str:
        """What limits the design, in a sentence."""
        return str(self.summary()["findings"]["bottleneck"])

    @property
    def per_shard(self) -> Json:
        """Statistics by shard, as in the summary."""
        per_shard: Json = self.summary()["per_shard"]
        return per_shard

    def __repr__(self) -> str:
        run = self.summary()["scenario"]
        n = run["replications"]
        return f"<{type(self).__name__} {run['name']!r}: {n} replication{'s' if n != 1 else ''}. {self.verdict}>"


class Result(Summarised):
    """What the replications of a scenario say.

    ``result["queue_wait_s"]["mean"]`` is a number with an interval (`ci_low`, `ci_high`, `sd`, `n`);
    `metrics`, `timeseries`, `invocations` and `records` are DataFrames; `plot` draws; `summary()` is the whole as
    plain data.
    """

    def __init__(self, scenario: Scenario, replications: Sequence[ReplicationResult]) -> None:
        self.scenario = scenario
        self.replications = list(replications)
        self._summary: Json | None = None

    @staticmethod
    def load(folder: str | Path) -> Any:
        """What `kinsim run` left in *folder*, as a `StoredResult` or `StoredPipelines`; nothing is computed.

        Raises ResultError where the folder holds no run, or one that cannot be read.
        """
        # Looked up late, as `plot` is: this layer knows nothing of the one above it.
        return import_module("kinsim.present.stored_result").stored(folder)

    @property
    def plot(self) -> Any:
        """Figures: ``result.plot.iterator_age()`` returns a matplotlib Figure."""
        return import_module("kinsim.present.plots").RunPlots(self)

    def summary(self) -> Json:
        """Everything as plain data for JSON; what console and files show comes from here."""
        if self._summary is None:
            self._summary = summarise(self.scenario, [replication.numbers() for replication in self.replications])
        return self._summary

    @property
    def curves(self) -> dict[str, list[NDArray[Any]]]:
        """Arrays by minute, one per replication, for figures."""
        return {name: [r.curves[name] for r in self.replications] for name in self.replications[0].curves}

    @property
    def digest(self) -> str:
        """SHA-256 of every number of every replication."""
        return digest([replication.digest() for replication in self.replications])

    def table(self, name: str) -> pd.DataFrame:
        """The `timeseries`, or a table that was kept."""
        import pandas as pd

        if name in TABLES and name not in self.replications[0].tables:
            raise not_kept(name)
        frames = [replication.frame(name) for replication in self.replications]
        if name == "timeseries":
            for number, frame in enumerate(frames):
                frame.insert(0, "replication", number)
        return pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]


def not_kept(name: str) -> ResultError:
    """The table *name* is asked for and was not kept."""
    return ResultError(f"the table of {name} was not kept; run with keep=[{name!r}], or --keep {name}")
