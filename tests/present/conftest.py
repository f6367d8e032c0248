"""Hand-made numbers for figures, in the shapes that runs give; the folders of a run and of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from kinsim.measure import figure_data
from kinsim.measure.figure_data import FigureData
from kinsim.present.cli import main
from kinsim.present.figures.style import Footer
from tests.present.commands import HELLO, SWEEP

FOOTER = Footer("streamalert-prod", "7f3a9c21deadbeef", 20170601, 3, "0.1.0")


@pytest.fixture
def footer() -> Footer:
    return FOOTER


def make_load(
    minutes: int = 60,
    replications: int = 3,
    limit: float | None = 4_000.0,
    rejected: float = 0.0,
    open_shards: Sequence[tuple[float, int]] = (),
) -> FigureData:
    records = np.full((replications, minutes), 60_000.0) + np.arange(replications)[:, None] * 600
    records[:, minutes // 4] *= 3
    lost = np.where(records > 100_000, rejected * 60, 0.0)
    return figure_data.offered_load(
        {"records": records, "bytes": records * 900},
        {"records": lost, "bytes": lost * 900},
        {"records": records / 40, "bytes": records / 40 * 900},
        {"records": limit, "bytes": None if limit is None else limit * 1_048.576},
        end_s=minutes * 60.0,
        shard_count=4,
        open_shards=open_shards,
    )


def make_age(
    minutes: int = 120, replications: int = 3, slo: float | None = 300.0, peak: float = 1_500.0, **more
) -> FigureData:
    age = np.full((replications, minutes), 0.3)
    start = minutes // 4
    bump = np.linspace(peak, 200, 10)[: minutes - start]
    age[:, start : start + 10] = bump * (1 + 0.1 * np.arange(replications)[:, None])
    load = np.ones((replications, minutes))
    load[:, start : start + 2] = 10
    limits = [] if slo is None else [{"name": "no_backlog", "limit_s": slo}]
    options = {"retention_s": 86_400.0, **more}
    return figure_data.iterator_age(age, age + 0.5, load, end_s=minutes * 60.0, limits=limits, **options)


def make_map(shards: int = 4, minutes: int = 60, hot: int | None = 2, rejecting: bool = True) -> FigureData:
    grid = np.full((shards, minutes), 0.3)
    if hot is not None:
        grid[hot] = 0.9
    ids = [f"shardId-{number:012d}" for number in range(shards)]
    lost = [np.where(grid > 0.8, 5.0, 0.0)] if rejecting else None
    return figure_data.shard_heat_map([grid], ids, end_s=minutes * 60.0, rejected=lost)


def make_shards(series: tuple[str, ...] = ("",), limit: float | None = 60.0, counts=(1, 2, 4, 8)) -> FigureData:
    points = []
    for extra, name in enumerate(series):
        for count in counts:
            value = 200.0 / count**1.2 + extra
            status = "none" if limit is None else "met" if value < limit else "missed"
            points.append(
                {"shards": count, "series": name, "value": value, "ci_low": value * 0.9, "ci_high": value * 1.1,
                 "status": status}
            )  # fmt: skip
    return figure_data.age_against_shards(
        points,
        metric="end_to_end_latency_p99",
        limit=limit,
        present=2,
        bounds={"bytes": 2, "records": 1},
    )


MAKERS: dict[str, Callable[..., FigureData]] = {
    "offered_load": make_load,
    "iterator_age": make_age,
    "age_against_shards": make_shards,
    "shard_heat_map": make_map,
}


@pytest.fixture
def make() -> dict[str, Callable[..., FigureData]]:
    """Makers of figure data by the figure's name."""
    return MAKERS


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    (folder / "hello.yaml").write_text(HELLO, encoding="utf-8")
    (folder / "few.yaml").write_text(SWEEP, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run_folder(work) -> Path:
    assert main(["run", str(work / "hello.yaml"), "-o", str(work / "out"), "-q"]) == 0
    (folder,) = (work / "out" / "hello").iterdir()
    return folder


@pytest.fixture(scope="module")
def sweep_folder(work) -> Path:
    assert main(["sweep", str(work / "few.yaml"), "-o", str(work / "out"), "-q", "--executor", "serial"]) == 0
    (folder,) = (work / "out" / "few").iterdir()
    return folder


@pytest.fixture
def fails(capsys) -> Callable[..., str]:
    """Run a command that must be refused; gives what it says."""

    def run(*arguments: str) -> str:
        code = main(arguments)
        said = capsys.readouterr()
        assert code == 2, said.err
        assert "Traceback" not in said.err
        assert said.out == ""
        assert said.err.strip()
        return said.err

    return run
