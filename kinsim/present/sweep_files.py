"""What the folder of a sweep holds besides its journal and tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import kinsim
from kinsim.errors import ResultError
from kinsim.present.run_folder import MANIFEST, manifest, writable, write_text

if TYPE_CHECKING:
    from kinsim.experiment.sweep import Plan, SweepResult
    from kinsim.measure.figure_data import FigureData
    from kinsim.present.figures.style import Footer


def write_sweep(plan: Plan, result: SweepResult, folder: Path, started: float) -> None:
    """Write `sweep.yaml`, the resolved base and, last, `manifest.json` into *folder*."""
    from kinsim.present.figures import stored

    with writable(folder):
        write_text(folder / "sweep.yaml", sweep_yaml(plan))
        write_text(folder / "base.yaml", plan.base.to_yaml(folder))
        stored.store(figure_data(result), footer(result), folder / "figures")
        facts = {"points": len(result), "finished": result.finished, "failed": result.failed, "digest": result.digest}
        text = manifest(
            "sweep", result.name, result.config_hash, result.base["seed"], result.replications,
            ["kinsim", *sys.argv[1:]], started, facts,
        )  # fmt: skip
        write_text(folder / MANIFEST, text + "\n")


def sweep_yaml(plan: Plan) -> str:
    """The sweep with its axes written out; it runs again from its folder, where its base lies beside it."""
    import yaml

    document = {**plan.document, "base": "base.yaml"}
    document.pop("set", None)  # part of base.yaml
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)


def figure_data(result: SweepResult) -> list[FigureData]:
    """The figures that the sweep's axes and finished points allow."""
    if not result.finished:
        return []
    try:
        return [result.age_against_shards()]
    except ResultError:
        return []


def footer(result: SweepResult) -> Footer:
    """Where the figures of a sweep come from."""
    from kinsim.present.figures.style import Footer

    seed = int(result.base["seed"])
    return Footer(result.name, result.config_hash, seed, result.replications, kinsim.__version__)


def draw_sweep(result: SweepResult, folder: Path, formats: Sequence[str], size: str) -> list[Path]:
    """Draw the figures of a sweep."""
    from kinsim.present.figures import stored

    with writable(folder):
        return stored.draw(figure_data(result), footer(result), folder / "figures", formats, size)
