"""Sweeps that run: the same numbers on any executor, nothing lost, nothing half-written."""

from __future__ import annotations

import csv
import os
import signal
import statistics
import subprocess
import sys
import threading
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import kinsim as ks
from kinsim.errors import ConfigError, ResultError
from kinsim.experiment import sweep_worker
from kinsim.experiment.executors import Serial
from kinsim.experiment.journal import Journal
from kinsim.experiment.sweep import SweepProgress, SweepResult, estimate, plan_sweep, run_plan, sweep
from kinsim.experiment.sweep_worker import Task

BASE = """kinsim: 1
name: small
profile: ideal
workload: {arrivals: {model: poisson, rate: 5/s}, partition_keys: even}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 10}
function: {timeout: 60s, memory_size: 128 MB, duration: {fixed: 300ms, per_record: 220ms}}
slos:
  fresh: {metric: queue_wait_s, statistic: p99, at_most: 8s}
  complete: {metric: expired_records, statistic: Sum, at_most: 0}
run: {duration: 60s, replications: 2, seed: 3}
"""
SWEEP = """kinsim: 1
name: s
base: base.yaml
axes:
  - stream.shards: [1, 4]
  - event_source_mapping.batch_size: [1, 10]
    label: [one by one, in tens]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE, encoding="utf-8")
    (tmp_path / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    return tmp_path


@pytest.fixture
def base(folder: Path) -> ks.Scenario:
    return ks.load(folder / "base.yaml")


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "points.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# -- what comes out ------------------------------------------------------------------------------------------


def test_the_table_of_a_sweep(folder: Path) -> None:
    result = sweep(folder / "sweep.yaml", workers=1, out=folder / "results")
    assert result.folder == folder / "results" / "s" / result.config_hash[:8]
    assert sorted(p.name for p in result.folder.iterdir()) == ["points.csv", "sweep.sqlite", "timings.csv"]
    rows = table(result.folder)
    assert [row["stream.shard_count"] for row in rows] == ["1", "1", "4", "4"]
    assert [row["label"] for row in rows] == ["one by one", "in tens"] * 2
    assert list(rows[0])[:8] == [
        "point_id", "stream.shard_count", "event_source_mapping.batch_size", "label", "replications", "seed", "status",
        "slos_met",
    ]  # fmt: skip
    assert {row["status"] for row in rows} == {"done"}
    assert [row["slos_met"] for row in rows] == ["false", "false", "true", "true"]
    assert all(
        float(r["queue_wait_s.p99.ci_low"]) <= float(r["queue_wait_s.p99"]) <= float(r["queue_wait_s.p99.ci_high"])
        for r in rows
    )
    assert not any("wall" in name for name in rows[0])
    assert [row["point_id"] for row in rows] == [row["point_id"] for row in result.points]
    assert result.verdict == "2 of 4 points meet all SLOs"
    assert (result.finished, result.failed, result.missing, result.interrupted) == (4, 0, 0, False)


def test_the_frame(base: ks.Scenario) -> None:
    result = sweep(base, {"stream.shards": [1, 4]}, workers=1)
    best = result.frame.query("slos_met").nsmallest(1, "stream.shard_count")
    assert best["stream.shard_count"].tolist() == [4]
    assert len(result) == len(result.points) == 2
    assert repr(result).startswith("<SweepResult 'small-sweep': 2 points, ")


def test_a_point_has_the_numbers_of_a_run_of_its_own(base: ks.Scenario) -> None:
    result = sweep(base, {"stream.shards": [2, 3]}, workers=1)
    alone = base.with_({"stream.shards": 3}).run()
    summary = alone.summary()
    for name, found in summary["metrics"].items():
        for statistic, numbers in found.items():
            assert result.points[1][f"{name}.{statistic}"] == numbers["value"]
    (detail,) = [d for d in result.details() if d["settings"] == {"stream.shard_count": 3}]
    assert [slo["status"] for slo in detail["slos"]] == [slo["status"] for slo in summary["slos"]]


def test_figure_4(folder: Path) -> None:
    result = sweep(folder / "sweep.yaml", workers=1)
    data = result.age_against_shards()
    assert data.columns["shard_count"].tolist() == [1, 4] * 2
    assert data.notes["series"] == ["one by one", "in tens"]
    assert data.notes["limit"] == 8.0
    assert data.notes["present"] == 1
    assert data.notes["sufficient"] == {"one by one": 4, "in tens": 4}
    assert data.notes["bounds"]
    assert result.smallest_sufficient() == {"one by one": 4, "in tens": 4}
    other = result.age_against_shards("iterator_age_s.max")
    assert other.notes["limit"] is None
    with pytest.raises(ResultError, match=r"'queue_wait_s\.p98' is no metric of this sweep"):
        result.age_against_shards("queue_wait_s.p98")


@pytest.fixture
def spread(base: ks.Scenario) -> SweepResult:
    """Two points, the second of which meets its SLO in the mean though a run does not."""
    values = sweep(base, {"stream.shards": [1, 2]}, replications=8, workers=1).points[1]
    shown = sweep(base, {"stream.shards": [2]}, replications=8, workers=1)
    runs = [numbers["slo_values"]["fresh"] for numbers in shown.replications_of(shown.points[0]["point_id"])]
    assert values["slo.fresh.ci_high"] < max(runs)
    limit = (values["slo.fresh.ci_high"] + max(runs)) / 2
    return sweep(base, {"stream.shards": [1, 2]}, overrides={"slos.fresh.at_most": limit}, replications=8, workers=1)


def test_the_table_says_how_many_runs_keep_each_slo(spread: SweepResult) -> None:
    first, second = spread.points
    for point, detail in zip(spread.points, spread.details(), strict=True):
        limits = {slo["name"]: slo["limit"] for slo in detail["slos"]}
        runs = [numbers["slo_values"] for numbers in spread.replications_of(point["point_id"])]
        for name, limit in limits.items():
            assert point[f"slo.{name}.kept_by"] == sum(values[name] <= limit for values in runs)
        assert point["slos_kept_by"] == sum(all(v[name] <= limits[name] for name in limits) for v in runs)
    assert first["slos"] == "missed"
    assert (second["slos"], second["slo.complete.kept_by"]) == ("met", 8)
    assert 0 < second["slos_kept_by"] == second["slo.fresh.kept_by"] < 8


def test_figure_4_has_the_range_of_single_runs(spread: SweepResult) -> None:
    data = spread.age_against_shards()
    runs = [
        [numbers["slo_values"]["fresh"] for numbers in spread.replications_of(point["point_id"])]
        for point in spread.points
    ]
    column = "queue_wait_p99_s"
    assert data.columns[f"{column}_lowest_run"].tolist() == [min(values) for values in runs]
    assert data.columns[f"{column}_highest_run"].tolist() == [max(values) for values in runs]
    assert data.columns["kept_by"].tolist() == [point["slo.fresh.kept_by"] for point in spread.points]
    assert data.notes["replications"] == 8
    other = spread.age_against_shards("iterator_age_s.max")
    assert "kept_by" not in other.columns
    ages = [
        numbers["metrics"]["iterator_age_s"]["max"] for numbers in spread.replications_of(spread.points[0]["point_id"])
    ]
    assert other.columns["iterator_age_max_s_highest_run"][0] == max(ages)


def test_rows_of_figure_4_belong_together_whatever_the_order_of_the_points(base: ks.Scenario) -> None:
    axes = [{"event_source_mapping.batch_size": [10, 1]}, {"stream.shards": [4, 1]}]
    result = sweep(base, axes, workers=1)
    data = result.age_against_shards("iterator_age_s.max")
    assert data.columns["shard_count"].tolist() == [1, 4, 1, 4]
    value, low, high = (data.columns[f"iterator_age_max_s{end}"] for end in ("", "_lowest_run", "_highest_run"))
    assert (low < high).all()
    assert value.tolist() == pytest.approx((low + high) / 2)  # the mean of two runs


def test_figure_4_needs_shards(base: ks.Scenario) -> None:
    result = sweep(base, {"event_source_mapping.batch_size": [1, 10]}, workers=1)
    with pytest.raises(ResultError, match=r"needs an axis stream\.shard_count"):
        result.age_against_shards()


def test_results_open_again(folder: Path) -> None:
    first = sweep(folder / "sweep.yaml", workers=1, out=folder)
    assert first.folder is not None
    again = SweepResult.load(first.folder)
    assert again.points == first.points
    assert again.digest == first.digest
    assert again.age_against_shards().notes == first.age_against_shards().notes
    with pytest.raises(ResultError, match="holds no sweep"):
        SweepResult.load(folder)


# -- the same numbers on any executor ------------------------------------------------------------------------


def test_one_worker_two_workers_threads_and_processes_give_the_same_bytes(folder: Path) -> None:
    results = [
        sweep(folder / "sweep.yaml", workers=workers, executor=executor, out=folder / str(number))
        for number, (workers, executor) in enumerate(
            [(1, None), (2, None), (None, ThreadPoolExecutor(3)), (2, "processes")]
        )
    ]
    texts = {(r.folder / "points.csv").read_bytes() for r in results if r.folder}
    assert len(texts) == 1
    assert len({r.digest for r in results}) == 1


def test_another_process_with_another_order_of_hashes_gives_the_same_numbers(folder: Path, repository: Path) -> None:
    code = "import sys; from kinsim.experiment.sweep import sweep; print(sweep(sys.argv[1], workers=1).digest)"
    environment = {**os.environ, "PYTHONPATH": str(repository), "PYTHONHASHSEED": "12345"}
    command = [sys.executable, "-c", code, str(folder / "sweep.yaml")]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    assert printed == sweep(folder / "sweep.yaml", workers=1).digest


@pytest.mark.stochastic
def test_common_random_numbers_sharpen_a_comparison(base: ks.Scenario) -> None:
    """Wait at service rate 1 less wait at 1.1, paired by arrivals against unpaired; theory's ratio is near 0.26.

    The seeds are fixed: it fails only when draws change, then with a probability of about 2 %.
    """
    changes = {
        "workload.arrivals.rate": 0.8,
        "event_source_mapping.batch_size": 1,
        "run.duration": "1000s",
        "run.replications": 40,
    }
    duration = {"function.duration": [{"distribution": "exponential", "mean": mean} for mean in ("1s", "909.0909ms")]}
    waits = []
    for seed in (1, 2):
        result = sweep(base.with_({**changes, "run.seed": seed}), duration, executor="serial")
        waits.append([[n["metrics"]["queue_wait_s"]["mean"] for n in each] for each in numbers_of(result)])
    (slow, fast), (_, other) = waits
    paired = statistics.variance(a - b for a, b in zip(slow, fast, strict=True))
    unpaired = statistics.variance(a - b for a, b in zip(slow, other, strict=True))
    assert paired / unpaired < 0.5


def numbers_of(result: SweepResult) -> list[list[Any]]:
    """Numbers of every replication of every point."""
    return [list(result.replications_of(row["point_id"])) for row in result.points]


def test_the_order_of_points_in_the_file_changes_no_number(folder: Path) -> None:
    forward = sweep(folder / "base.yaml", {"stream.shards": [1, 2, 4]}, workers=1)
    backward = sweep(folder / "base.yaml", {"stream.shards": [4, 2, 1]}, workers=1)
    assert {row["point_id"]: row for row in forward.points} == {row["point_id"]: row for row in backward.points}


def test_common_random_numbers(base: ks.Scenario) -> None:
    """All points see the same arrivals; another seed gives others."""
    result = sweep(base, {"stream.shards": [1, 2, 3]}, workers=1)
    assert len({row["offered_records.sum"] for row in result.points}) == 1
    seeds = sweep(base, {"run.seed": [1, 2, 3]}, workers=1)
    assert len({row["offered_records.sum"] for row in seeds.points}) == 3


def order_of(base: ks.Scenario, monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int, int]]:
    """Rate, shards and replication of each simulation, in their order."""
    found: list[tuple[float, int, int]] = []
    replicate = sweep_worker.replicate

    def noted(scenario: ks.Scenario, replication: int) -> Any:
        rate = scenario.document["workload"]["arrivals"]["rate"]
        found.append((rate, scenario.stream.shard_count, replication))
        return replicate(scenario, replication)

    monkeypatch.setattr(sweep_worker, "replicate", noted)
    sweep(base, {"stream.shards": [1, 2, 3], "workload.arrivals.rate": [1, 2]}, replications=2, executor="serial")
    return found


def test_points_that_share_arrivals_follow_each_other(base: ks.Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    order = order_of(base, monkeypatch)
    assert order[:4] == [(1, 1, 0), (1, 1, 1), (1, 2, 0), (1, 2, 1)]
    assert [rate for rate, _, _ in order] == [1] * 6 + [2] * 6


def test_arrivals_too_large_to_be_kept_are_drawn_once_for_many_points(
    base: ks.Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_worker, "_drawn_bytes", lambda *_: 2**40)
    order = order_of(base, monkeypatch)
    assert order[:6] == [(1, 1, 0), (1, 1, 1), (1, 2, 0), (1, 3, 0), (1, 2, 1), (1, 3, 1)]


# -- nothing is lost -----------------------------------------------------------------------------------------


def test_what_is_there_is_not_computed_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sweep(folder / "sweep.yaml", workers=1, out=folder)

    def never(task: Task) -> Any:
        raise AssertionError("computed again")

    with monkeypatch.context() as patch:
        patch.setattr("kinsim.experiment.sweep.run_task", never)
        events: list[SweepProgress] = []
        again = sweep(folder / "sweep.yaml", workers=1, out=folder, progress=events.append)
    assert again.points == first.points
    assert (events[-1].reused, events[-1].replications, events[-1].points_done) == (4, 0, 4)
    fresh: list[SweepProgress] = []
    sweep(folder / "sweep.yaml", workers=1, out=folder, fresh=True, progress=fresh.append)
    assert (fresh[-1].reused, fresh[-1].replications_done) == (0, 8)


def test_a_stop_drains_and_the_next_run_goes_on(folder: Path) -> None:
    whole = sweep(folder / "sweep.yaml", workers=1)
    events: list[SweepProgress] = []
    part = sweep(
        folder / "sweep.yaml",
        executor="serial",
        out=folder,
        progress=events.append,
        stop=lambda: bool(events) and events[-1].replications_done >= 3,
    )
    assert part.interrupted
    assert 0 < part.finished < 4
    assert part.folder is not None
    assert len(table(part.folder)) == part.finished
    assert events[-1].replications_done == 3
    rest: list[SweepProgress] = []
    done = sweep(folder / "sweep.yaml", workers=2, out=folder, progress=rest.append)
    assert rest[-1].replications_done == 8 - 3
    assert not done.interrupted
    assert done.points == whole.points


def test_ctrl_c_drains(folder: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    events: list[SweepProgress] = []

    def press(event: SweepProgress) -> None:
        events.append(event)
        if event.replications_done == 4 and not event.draining:
            signal.raise_signal(signal.SIGINT)

    part = sweep(folder / "sweep.yaml", executor="serial", out=folder, progress=press)
    assert part.interrupted
    assert any(event.draining for event in events)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_leaves_and_keeps_what_is_finished(folder: Path) -> None:
    def press(event: SweepProgress) -> None:
        if event.replications_done == 4:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(ks.InterruptedRun, match="the same sweep goes on"):
        sweep(folder / "sweep.yaml", executor="serial", out=folder, progress=press)
    events: list[SweepProgress] = []
    done = sweep(folder / "sweep.yaml", workers=1, out=folder, progress=events.append)
    assert events[-1].replications_done == 8 - 4
    assert done.finished == 4


KILLED = """
import os, signal, sys
from kinsim.experiment.sweep import sweep
def die(event):
    if event.replications_done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
sweep(sys.argv[1], out=sys.argv[2], workers=1, progress=die)
"""


@pytest.mark.parametrize("after", [1, 5])
def test_kill_9_loses_nothing_that_was_finished(folder: Path, repository: Path, after: int) -> None:
    command = [sys.executable, "-c", KILLED, str(folder / "sweep.yaml"), str(folder), str(after)]
    killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(repository)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    events: list[SweepProgress] = []
    done = sweep(folder / "sweep.yaml", workers=1, out=folder, progress=events.append)
    assert events[-1].replications_done == 8 - after
    assert done.points == sweep(folder / "sweep.yaml", workers=1).points
    assert done.folder is not None
    assert not [p for p in done.folder.iterdir() if p.name.endswith((".tmp", "-wal", "-shm", "-journal"))]


# -- points that fail ----------------------------------------------------------------------------------------


def failing(monkeypatch: pytest.MonkeyPatch, shards: int) -> None:
    replicate = sweep_worker.replicate

    def fail(scenario: ks.Scenario, replication: int) -> Any:
        if scenario.stream.shard_count == shards:
            raise RuntimeError("a fault on purpose")
        return replicate(scenario, replication)

    monkeypatch.setattr(sweep_worker, "replicate", fail)


def test_a_point_that_fails_is_recorded_and_the_others_go_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        failing(patch, 4)
        result = sweep(folder / "sweep.yaml", executor="serial", out=folder)
    assert (result.finished, result.failed, result.interrupted) == (2, 2, False)
    assert "2 failed" in result.verdict
    first = result.failures[0]
    assert first["settings"]["stream.shard_count"] == 4
    assert (first["kind"], first["message"], first["replication"]) == ("RuntimeError", "a fault on purpose", 0)
    assert "in fail" in first["traceback"]
    assert result.folder is not None
    rows = table(result.folder)
    assert [row["status"] for row in rows] == ["done", "done", "failed", "failed"]
    assert rows[2]["queue_wait_s.p99"] == ""
    result.age_against_shards()
    assert sweep(folder / "sweep.yaml", workers=1, out=folder).failed == 2
    healed = sweep(folder / "sweep.yaml", workers=1, out=folder, retry_failed=True)
    assert (healed.finished, healed.failed) == (4, 0)


def test_a_point_fails_once_though_its_other_replications_are_under_way(
    base: ks.Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, 1)
    monkeypatch.setattr("kinsim.experiment.sweep._Run.window", lambda _: 5)
    events: list[SweepProgress] = []
    result = sweep(base, {"stream.shards": [1, 2]}, executor="serial", replications=3, progress=events.append)
    assert [failure["replication"] for failure in result.failures] == [0]
    assert (events[-1].replications, events[-1].replications_done, events[-1].failed) == (3, 3, 1)


def test_on_error_stop(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "sweep.yaml"
    path.write_text(SWEEP + "execution: {on_error: stop}\n", encoding="utf-8")
    failing(monkeypatch, 1)
    result = sweep(path, executor="serial")
    assert (result.failed, result.finished, result.interrupted) == (1, 0, True)


def test_a_point_that_takes_too_long(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replicate = sweep_worker.replicate

    def endless(scenario: ks.Scenario, replication: int) -> Any:
        while scenario.stream.shard_count == 4:
            pass
        return replicate(scenario, replication)

    monkeypatch.setattr(sweep_worker, "replicate", endless)
    result = sweep(folder / "base.yaml", {"stream.shards": [1, 4]}, executor="serial", timeout_s=0.3, replications=1)
    assert (result.finished, result.failed) == (1, 1)
    assert result.failures[0]["message"] == "took longer than 0.3 s and was stopped"
    assert result.failures[0]["traceback"] == ""


class Fragile(ThreadPoolExecutor):
    """A pool that cannot be used."""

    def submit(self, *arguments: Any, **options: Any) -> Any:
        raise RuntimeError("the cluster is gone")


def test_a_pool_that_cannot_be_used(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="the cluster is gone"):
        sweep(folder / "sweep.yaml", executor=Fragile(1), out=folder)
    sweep(folder / "sweep.yaml", workers=1, out=folder)  # the journal was closed


# -- before anything runs ------------------------------------------------------------------------------------


def test_every_point_is_checked_before_the_first_runs(base: ks.Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_worker, "replicate", lambda *_: pytest.fail("a point ran"))
    with pytest.raises(ConfigError, match="at 1 of 3 points"):
        sweep(base, {"stream.shards": [1, 2, 0]}, executor="serial")


def test_what_a_later_version_builds_is_refused_before_anything_runs(folder: Path) -> None:
    path = folder / "sweep.yaml"
    path.write_text(SWEEP + "objective: {minimize: cost_usd_per_month}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="not built in this version"):
        sweep(path, out=folder / "results")
    assert not (folder / "results").exists()


def test_dry_run(folder: Path) -> None:
    plan = plan_sweep(folder / "sweep.yaml")
    found = estimate(plan, folder / plan.folder, workers=2)
    assert (found.points, found.computed, found.to_do, found.timed, found.workers) == (4, 0, 4, 3, 2)
    assert found.seconds is not None
    assert not (folder / plan.folder).exists()
    run_plan(plan, folder / plan.folder, executor="serial", stop=iter([False] * 4 + [True] * 99).__next__).close()
    later = estimate(plan, folder / plan.folder, workers=2, timed=0)
    assert 0 < later.computed < 4
    assert later.seconds is not None


def test_folders_that_cannot_be_used(folder: Path) -> None:
    (folder / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ResultError, match="cannot be written"):
        sweep(folder / "sweep.yaml", executor="serial", out=folder / "file")
    plan = plan_sweep(folder / "sweep.yaml")
    (folder / plan.folder).mkdir(parents=True)
    (folder / plan.folder / "sweep.sqlite").write_bytes(b"no journal" * 500)
    with pytest.raises(ResultError, match="not a readable journal"):
        run_plan(plan, folder / plan.folder, executor="serial")
    assert run_plan(plan, folder / plan.folder, executor="serial", fresh=True).finished == 4


def test_two_sweeps_into_one_folder(folder: Path) -> None:
    plan = plan_sweep(folder / "sweep.yaml")
    (folder / plan.folder).mkdir(parents=True)
    held = Journal(folder / plan.folder / "sweep.sqlite")
    for fresh in (False, True):
        with pytest.raises(ResultError, match="another sweep is writing"):
            run_plan(plan, folder / plan.folder, executor="serial", fresh=fresh)
    held.close()


def test_a_sweep_outside_the_main_thread(base: ks.Scenario) -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(sweep(base, {"stream.shards": [1, 2]}, workers=1).finished))
    thread.start()
    thread.join()
    assert found == [2]


class KillsSome(Serial):
    """A pool in which the worker dies that simulates four shards; tasks hold several points."""

    workers = 2

    def __init__(self) -> None:
        self.restarts = 0
        self.sizes: set[int] = set()

    def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
        task: Task = args[0]
        self.sizes.add(len(task.points))
        if any(changes["stream.shard_count"] == 4 for _, changes in task.points):
            future: Future[Any] = Future()
            future.set_exception(BrokenExecutor("gone"))
            return future
        return super().submit(fn, *args)

    def restart(self) -> None:
        self.restarts += 1


def test_a_worker_that_dies_costs_its_own_point_only(base: ks.Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinsim.experiment.sweep._Run.at_once", lambda _: 3)
    pool = KillsSome()
    result = sweep(base, {"stream.shards": [1, 2, 3, 4, 5, 6]}, executor=pool, replications=1)
    assert pool.sizes == {1, 3}
    assert [row["status"] for row in result.points] == ["done", "done", "done", "failed", "done", "done"]
    assert result.failures[0]["kind"] == "WorkerLost"
    assert "ended before it had finished" in result.failures[0]["message"]
