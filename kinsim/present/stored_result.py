"""A run opened again from its folder."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinsim.errors import ResultError
from kinsim.experiment.pipelines import SummarisedTogether
from kinsim.experiment.result import TABLES, Summarised, not_kept
from kinsim.present.plots import StoredRunPlots
from kinsim.present.run_folder import MANIFEST, find_result, member_folders, read_json

if TYPE_CHECKING:
    import pandas as pd

    from kinsim.scenario import Scenario
    from kinsim.scenario.pipelines import Pipelines


MISSING = {"Value": [""], "first_invoked_s": [""], "done_s": [""]}
"""By column, what stands for a number that is not there."""


def stored(folder: str | Path) -> StoredResult | StoredPipelines:
    """What a run left in *folder*; raises ResultError where there is none that can be read."""
    kind = read_json(find_result(Path(folder)) / MANIFEST).get("kind")
    return StoredPipelines(folder) if kind == "pipelines" else StoredResult(folder)


class StoredPipelines(SummarisedTogether):
    """What `kinsim run` left of several pipelines."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = find_result(Path(folder))
        self._summary: dict[str, Any] = read_json(self.folder / "summary.json")
        folders = member_folders(self.folder)
        if "pipelines" not in self._summary or len(folders) != len(self._summary["pipelines"]):
            raise ResultError(f"{self.folder / 'summary.json'}: is no summary; compute it again with --fresh")
        names = read_json(self.folder / MANIFEST)["pipelines"]
        self.pipelines = {name: StoredResult(each) for name, each in zip(names, folders, strict=True)}

    def summary(self) -> dict[str, Any]:
        """summary.json as plain data."""
        return self._summary

    @cached_property
    def scenario(self) -> Scenario | Pipelines:
        """The scenario as it was resolved, ready to run again."""
        from kinsim.scenario import load

        return load(self.folder / "scenario.yaml")


class StoredResult(Summarised):
    """What `kinsim run` left in a folder: the same numbers, tables and figures; nothing is computed.

    `timeseries` is the mean over replications, as the file is.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = find_result(Path(folder))
        kind = read_json(self.folder / MANIFEST).get("kind")
        if kind != "run":
            raise ResultError(f"{folder}: holds a {kind}; open it with kinsim.SweepResult.load")
        self._summary: dict[str, Any] = read_json(self.folder / "summary.json")
        if "metrics" not in self._summary:
            raise ResultError(f"{self.folder / 'summary.json'}: is no summary; compute it again with --fresh")

    def summary(self) -> dict[str, Any]:
        """summary.json as plain data."""
        return self._summary

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario as it was resolved, ready to run again."""
        from kinsim.scenario import Scenario, load

        scenario = load(self.folder / "scenario.yaml")
        assert isinstance(scenario, Scenario)
        return scenario

    @property
    def plot(self) -> StoredRunPlots:
        """Figures: ``result.plot.iterator_age()`` returns a matplotlib Figure."""
        return StoredRunPlots(self.folder)

    def table(self, name: str) -> pd.DataFrame:
        """The `timeseries`, its mean over replications, or a table that was kept."""
        import pandas as pd

        path = self.folder / f"{name}.csv"
        if name in TABLES and not path.exists():
            raise not_kept(name)
        try:
            # Names may read "NA" and hash keys are wider than 64 bits: both are text.
            return pd.read_csv(path, keep_default_na=False, na_values=MISSING, dtype={"hash_key": str})
        except (OSError, ValueError) as error:
            raise ResultError(f"{path}: cannot be read ({error}); compute it again with --fresh") from error
