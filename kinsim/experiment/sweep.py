"""Sweeps: many variants of one scenario, on many cores, without losing work.

``ks.sweep(scenario, {"stream.shards": range(4, 33, 4)})`` simulates every point and gives a table.  With ``out`` the
work goes on where it stopped: what is in the journal is not computed again.
"""

from __future__ import annotations

import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import kinsim
from kinsim.engine.arrivals import CACHE
from kinsim.errors import InterruptedRun, ResultError
from kinsim.experiment.executors import (
    Drain,
    Executor,
    Serial,
    WorkerLost,
    executor_for,
    run_tasks,
    window_of,
    worker_count,
)
from kinsim.experiment.journal import DONE, FAILED, DamagedJournal, Journal
from kinsim.experiment.sweep_plan import Overrides, Plan, PlannedPoint, plan_sweep
from kinsim.experiment.sweep_result import JOURNAL, SweepResult, slo_columns_of
from kinsim.experiment.sweep_settings import SweepFile
from kinsim.experiment.sweep_worker import Outcome, Task, combine, described, run_task
from kinsim.scenario import Scenario

__all__ = ["Estimate", "Plan", "SweepProgress", "SweepResult", "estimate", "plan_sweep", "run_plan", "sweep"]

BLOCK: Final = 128
"""Points that are gone through together, one replication after the other, where the arrivals of all replications do not
fit a worker's memory: so they are drawn once for all.  Where they fit, points are finished soon after one another."""
TASK_S: Final = 0.25
"""Short simulations are sent to workers several at a time, so that a task takes about this long."""
MOST_AT_ONCE: Final = 16
TIMED: Final = 3
TIMING_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class SweepProgress:
    """How far a sweep is; *points_done* holds those that failed and those that were there before."""

    points_done: int
    points: int
    failed: int
    reused: int
    replications_done: int
    """Replications computed in this run; likewise *replications* to compute."""
    replications: int
    elapsed_s: float
    draining: bool = False
    point: str = ""
    """The point that has just ended, as text; empty between points."""

    @property
    def seconds_left(self) -> float | None:
        """Time to go at the pace so far; None before there is a pace."""
        if not self.replications_done:
            return None
        return self.elapsed_s / self.replications_done * (self.replications - self.replications_done)


def sweep(
    base: Scenario | str | Path,
    axes: Mapping[Any, Any] | Sequence[Any] | str | Path | SweepFile | None = None,
    *,
    overrides: Overrides = (),
    replications: int | None = None,
    seed: int | None = None,
    workers: int | str | None = None,
    executor: str | Executor | None = None,
    out: str | Path | None = None,
    fresh: bool = False,
    retry_failed: bool = False,
    progress: Callable[[SweepProgress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    timeout_s: float | None = None,
    max_points: int | None = None,
    name: str | None = None,
) -> SweepResult:
    """Simulate every point of a sweep; all points are checked before the first one runs.

    Parameters
    ----------
    base: a scenario or its file; or a sweep file, which names its base
    axes: ``{path: values}``, each key an axis; or a list of axes as in a sweep file; or a sweep file
    overrides: settings that hold at every point: ``{path: value}`` or texts ``path=value``
    replications, seed, timeout_s, max_points: instead of those of the file or scenario
    workers: number of local processes; ``auto`` is one per core
    executor: ``serial``, ``processes``, or any object with ``submit()``
    out: root of the results; the sweep's folder lies below it, and finished points are not computed again
    fresh: compute all points again
    retry_failed: compute again those that failed
    progress: called with a :class:`SweepProgress` as replications end
    stop: asked now and then; once it is true, what is under way is finished and no more is begun.  By default a
        first Ctrl-C does that, and a second one leaves at once

    Raises
    ------
    ConfigError: everything that is wrong with the file or with any point
    ResultError: the folder of the results cannot be used
    InterruptedRun: a second Ctrl-C; what was finished is kept
    """
    plan = plan_sweep(
        base, axes, overrides=overrides, replications=replications, seed=seed, max_points=max_points, name=name
    )
    return run_plan(
        plan,
        None if out is None else Path(out) / plan.folder,
        workers=workers,
        executor=executor,
        fresh=fresh,
        retry_failed=retry_failed,
        progress=progress,
        stop=stop,
        timeout_s=timeout_s,
    )


def run_plan(
    plan: Plan,
    folder: Path | None = None,
    *,
    workers: int | str | None = None,
    executor: str | Executor | None = None,
    fresh: bool = False,
    retry_failed: bool = False,
    progress: Callable[[SweepProgress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    timeout_s: float | None = None,
) -> SweepResult:
    """Run a *plan*, with its results in *folder* or, without one, in a temporary file; see :func:`sweep`."""
    plan.file.require_built()
    runs_on = _executor(plan, executor, workers)
    journal = open_journal(plan, folder, fresh)
    try:
        if retry_failed:
            journal.forget_failed()
        limit_s = timeout_s if timeout_s is not None else plan.file.execution.timeout_s
        run = _Run(plan, journal, runs_on, limit_s, progress)
        interrupted = run.all(stop)
    except KeyboardInterrupt:
        _leave(runs_on, journal)
        raise InterruptedRun("interrupted; finished points are kept, and the same sweep goes on from there") from None
    except BaseException:
        journal.close()
        raise
    if folder is None:
        return SweepResult(journal, interrupted=interrupted)
    journal.close()
    result = SweepResult(Journal(folder / JOURNAL, write=False), folder, interrupted)
    result.write(folder)
    return result


def _executor(plan: Plan, executor: str | Executor | None, workers: int | str | None) -> Executor:
    """The executor; without a word from the caller as many processes as the file says."""
    if executor is None and len(plan) * plan.replications == 1:
        return Serial()
    return executor_for(executor, plan.file.execution.workers if workers is None else workers)


def _leave(executor: Executor, journal: Journal) -> None:
    kill = getattr(executor, "kill", None)
    if kill is not None:
        kill()
    journal.close()


def open_journal(plan: Plan, folder: Path | None, fresh: bool = False) -> Journal:
    """The journal of *plan* in *folder*, emptied where *fresh*."""
    if folder is None:
        journal = Journal(None)
    else:
        path = folder / JOURNAL
        try:
            folder.mkdir(parents=True, exist_ok=True)
            journal = _emptied(path) if fresh else Journal(path)
        except OSError as error:
            raise ResultError(f"{folder}: cannot be written: {error.strerror or error}") from error
    try:
        journal.open_for(plan.config_hash, kinsim.__version__)
        journal.set_plan(describe(plan), ((point.point_id, point.settings) for point in plan.points))
    except BaseException:
        journal.close()
        raise
    return journal


def _emptied(path: Path) -> Journal:
    """A journal with nothing in it, whatever was there before, unless another sweep is writing to it."""
    try:
        journal = Journal(path)
        journal.clear()
    except DamagedJournal:
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        journal = Journal(path)
    return journal


def describe(plan: Plan) -> dict[str, Any]:
    """What the results say about the sweep as a whole, as plain values."""
    base = plan.base
    axes = [axis for block in plan.file.blocks for axis in block.axes]
    return {
        "name": plan.name,
        "description": plan.file.description,
        "config_hash": plan.config_hash,
        "points": len(plan),
        "excluded": plan.excluded,
        "duplicates": plan.duplicates,
        "replications": plan.replications,
        "paths": list(plan.paths),
        "labelled": any("label" in point.settings for point in plan.points),
        "axes": [
            {"paths": list(a.paths), "values": [list(v) for v in a.values], "labels": a.labels and list(a.labels)}
            for a in axes
        ],
        "base_values": {path: _lookup(base.document, path) for path in plan.paths},
        "base": {
            "name": base.name,
            "config_hash": base.config_hash,
            "seed": base.run.seed,
            "profile": base.profile,
            "settings": base.document,
        },
        "slos": slo_columns_of(base.slos),
    }


def _lookup(document: Any, path: str) -> Any:
    """The value at a dotted path, None where there is none."""
    from kinsim.scenario.paths import split

    for step in split(path):
        if isinstance(document, Mapping):
            document = document.get(step)
        elif isinstance(document, list) and isinstance(step, int) and step < len(document):
            document = document[step]
        else:
            return None
    return document


class _Run:
    """One run of a plan: what is to do, and what comes back."""

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        executor: Executor,
        timeout_s: float | None,
        progress: Callable[[SweepProgress], None] | None,
    ) -> None:
        self.plan = plan
        self.journal = journal
        self.executor = executor
        self.timeout_s = timeout_s
        self.report = progress
        self.base = pickle.dumps(plan.base)
        self.by_id = {point.point_id: point for point in plan.points}
        self.ended = {p: status for p, status in journal.status().items() if p in self.by_id}
        self.reused = len(self.ended)
        self.computed = {p: journal.computed(p) for p in self.by_id if p not in self.ended}
        """Replications that are in the journal, of points that are not finished."""
        self.to_do = sum(plan.replications - len(done) for done in self.computed.values())
        self.done = 0
        self.again: deque[Task] = deque()
        self.drawn_bytes: int | None = None
        """Memory of the arrivals of one replication, as far as known."""
        self.mean_s: float | None = journal.mean_wall_s()
        self.started = time.monotonic()
        self.draining = False
        self.halted = False

    def all(self, stop: Callable[[], bool] | None) -> bool:
        """Run everything that is to do; returns whether it was stopped before the end."""
        for point_id in [p for p, done in self.computed.items() if len(done) == self.plan.replications]:
            self.finish(point_id)  # the last replication was stored, and then the process was killed
        self.tell("")
        with Drain(self.drained) if stop is None else nullcontext(stop) as asked:

            def halt() -> bool:
                return self.halted or asked()

            for task, outcomes in run_tasks(self.executor, run_task, self.tasks(), window=self.window(), stop=halt):
                self.take(task, outcomes)
            while self.again and not halt():
                left = [self.again.popleft() for _ in range(len(self.again))]
                for task, outcomes in run_tasks(self.executor, run_task, left, window=self.window(), stop=halt):
                    self.take(task, outcomes)
        return len(self.ended) < len(self.by_id)

    def window(self) -> int:
        return window_of(self.executor)

    def drained(self) -> None:
        self.draining = True
        self.tell("")

    # -- what is sent

    def tasks(self) -> Iterator[Task]:
        """Tasks in the order in which arrivals can be drawn once and used many times."""
        for block in self.blocks():
            for replication in range(self.plan.replications):
                wanted = deque(p for p in block if replication not in self.computed.get(p.point_id, ()))
                while wanted:
                    chosen = [wanted.popleft() for _ in range(min(self.at_once(), len(wanted)))]
                    points = tuple((p.point_id, p.changes) for p in chosen if p.point_id not in self.ended)
                    if points:
                        yield Task(self.base, points, replication, self.timeout_s)

    def blocks(self) -> Iterator[list[PlannedPoint]]:
        """Unfinished points that see the same arrivals, at most BLOCK at a time."""
        groups: dict[str, list[PlannedPoint]] = {}
        for point in self.plan.points:
            if point.point_id not in self.ended:
                groups.setdefault(point.draws, []).append(point)
        for group in groups.values():
            self.drawn_bytes = None
            while group:
                size = self.block_size()
                yield group[:size]
                group = group[size:]

    def block_size(self) -> int:
        """Points of the next block; what it is changes no number."""
        if self.drawn_bytes is not None and self.drawn_bytes * self.plan.replications > 0.8 * CACHE.budget_bytes:
            return BLOCK
        return self.window() * self.at_once()

    def at_once(self) -> int:
        """How many points a task holds: one until it is known how long they take."""
        if self.mean_s is None or isinstance(self.executor, Serial):
            return 1
        return max(1, min(MOST_AT_ONCE, int(TASK_S / max(self.mean_s, 1e-6))))

    # -- what comes back

    def take(self, task: Task, outcomes: list[Outcome] | Exception) -> None:
        """Store what a task gave, one commit for all of it, and tell how far it is."""
        if isinstance(outcomes, WorkerLost) and len(task.points) > 1:
            self.again += [Task(task.base, (point,), task.replication, task.timeout_s) for point in task.points]
            return
        if isinstance(outcomes, Exception):
            error = described(outcomes)
            outcomes = [Outcome(point_id, task.replication, 0.0, error=error) for point_id, _ in task.points]
        for outcome in outcomes:
            self.store(outcome)

    def store(self, outcome: Outcome) -> None:
        point_id = outcome.point_id
        if point_id in self.ended:
            return  # another replication of it has failed meanwhile
        if outcome.error is not None:
            self.fail(outcome)
        else:
            assert outcome.result is not None
            self.done += 1
            self.drawn_bytes = outcome.drawn_bytes
            self.mean_s = outcome.wall_s if self.mean_s is None else 0.8 * self.mean_s + 0.2 * outcome.wall_s
            computed = self.computed[point_id]
            computed.add(outcome.replication)
            with self.journal.commit():
                self.journal.add_replication(point_id, outcome.replication, outcome.result, outcome.wall_s)
            if len(computed) == self.plan.replications:
                self.finish(point_id)
        self.tell(str(self.by_id[point_id]) if point_id in self.ended else "")

    def finish(self, point_id: str) -> None:
        """Add up the replications of a point."""
        scenario = self.plan.scenario(self.by_id[point_id])
        try:
            summary = combine(scenario, list(self.journal.replications(point_id)))
        except Exception as error:
            self.fail(Outcome(point_id, -1, 0.0, error=described(error)))
            return
        with self.journal.commit():
            self.journal.add_point(point_id, DONE, {"seed": scenario.run.seed, **summary})
        self.ended[point_id] = DONE

    def fail(self, outcome: Outcome) -> None:
        """Note a failed point; the others go on, unless the file says otherwise."""
        point_id = outcome.point_id
        seed = self.plan.base.run.seed
        with self.journal.commit():
            error = {"replication": outcome.replication, "seed": seed, **(outcome.error or {})}
            self.journal.add_point(point_id, FAILED, error)
        self.ended[point_id] = FAILED
        self.to_do -= self.plan.replications - len(self.computed[point_id])
        self.halted = self.plan.file.execution.on_error == "stop"

    def tell(self, point: str) -> None:
        if self.report is None:
            return
        self.report(
            SweepProgress(
                points_done=len(self.ended),
                points=len(self.by_id),
                failed=sum(status == FAILED for status in self.ended.values()),
                reused=self.reused,
                replications_done=self.done,
                replications=self.to_do,
                elapsed_s=time.monotonic() - self.started,
                draining=self.draining,
                point=point,
            )
        )


# -- dry run -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a sweep would do, and for how long."""

    points: int
    excluded: int
    duplicates: int
    replications: int
    computed: int
    workers: int
    timed: int
    """Points whose time was measured."""
    seconds: float | None
    """Time of what is to do, on *workers*; None where no point could be timed."""

    @property
    def to_do(self) -> int:
        """Points to compute."""
        return self.points - self.computed


def estimate(
    plan: Plan,
    folder: Path | None = None,
    *,
    workers: int | str | None = None,
    executor: str | Executor | None = None,
    fresh: bool = False,
    timed: int = TIMED,
) -> Estimate:
    """Counts of a *plan*, and its time from the journal or from up to *timed* points simulated once each, here.

    Nothing is stored.  Timing ends early once it has taken 15 seconds.
    """
    computed, mean_s, known = 0, None, 0
    path = None if folder is None else folder / JOURNAL
    if path is not None and path.is_file() and not fresh:
        journal = Journal(path, write=False)
        ids = {point.point_id for point in plan.points}
        computed = sum(point_id in ids for point_id in journal.status())
        mean_s, known = journal.mean_wall_s(), len(journal.wall_s())
        journal.close()
    if mean_s is None and timed:
        walls = _timed(plan, timed)
        mean_s, known = (sum(walls) / len(walls), len(walls)) if walls else (None, 0)
    count = _workers(plan, executor, workers)
    to_do = (len(plan) - computed) * plan.replications
    return Estimate(
        points=len(plan),
        excluded=plan.excluded,
        duplicates=plan.duplicates,
        replications=plan.replications,
        computed=computed,
        workers=count,
        timed=known,
        seconds=None if mean_s is None else mean_s * to_do / min(count, max(to_do, 1)),
    )


def _workers(plan: Plan, executor: str | Executor | None, workers: int | str | None) -> int:
    """How many simulations will run at once."""
    if executor == "serial":
        return 1
    if executor is None or isinstance(executor, str):
        return worker_count(plan.file.execution.workers if workers is None else workers)
    return max(1, window_of(executor) - 1)


def _timed(plan: Plan, number: int) -> list[float]:
    """Seconds of one replication of the first, the last and points between."""
    last = len(plan) - 1
    places = sorted({round(last * i / max(number - 1, 1)) for i in range(number)})
    walls: list[float] = []
    base = pickle.dumps(plan.base)
    for place in places:
        if sum(walls) > TIMING_S:
            break
        point = plan.points[place]
        (outcome,) = run_task(Task(base, ((point.point_id, point.changes),), 0))
        if outcome.error is None:
            walls.append(outcome.wall_s)
    return walls
