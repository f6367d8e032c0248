"""Many replications of one scenario."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinsim.errors import ConfigError, KinsimError, Problem
from kinsim.experiment.pipelines import PipelinesResult, Together, replicate_together
from kinsim.experiment.result import TABLES, Result
from kinsim.measure.result import ReplicationResult
from kinsim.scenario import Scenario
from kinsim.system.partition_keys import RANDOM

if TYPE_CHECKING:
    from kinsim.engine.arrivals import SharedArrivals
    from kinsim.experiment.executors import Executor
    from kinsim.measure.recorder import Recorder
    from kinsim.scenario.pipelines import Pipelines

Progress = Callable[[float, float], None]


def simulate(
    scenario: Scenario | Pipelines,
    replications: int | None = None,
    seed: int | None = None,
    keep: Collection[str] = (),
    workers: int | str = 1,
    progress: Progress | None = None,
    executor: str | Executor | None = None,
    engine: str | None = None,
    processes: Sequence[Any] | None = None,
) -> Result | PipelinesResult:
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
    done: dict[int, Any] = {}
    for number, result in _replicate_all(scenario, tuple(keep), workers, executor):
        done[number] = result
        report(len(done), total)
    replicated = [done[number] for number in range(total)]
    if isinstance(scenario, Scenario):
        return Result(scenario, replicated)
    return PipelinesResult(scenario, replicated)


def _require_traces(scenario: Scenario | Pipelines) -> None:
    from kinsim.engine.traces import require_traces

    for each in scenario.members.values():
        require_traces(each)


def replicate(
    scenario: Scenario, replication: int, keep: Collection[str] = (), details: bool = True
) -> ReplicationResult:
    """One replication, in this process; numbers count from 0.

    Without *details* it has metrics, SLOs and cost only, and takes less time.
    """
    from kinsim.engine import reference

    recorder, arrivals = recorder_of(scenario, replication, keep, details)
    reference.run(scenario, replication, recorder, arrivals)
    return recorder.result


def recorder_of(
    scenario: Scenario, replication: int, keep: Collection[str] = (), details: bool = True
) -> tuple[Recorder, SharedArrivals]:
    """What receives one replication of a pipeline, and the records that are offered to its stream."""
    from kinsim.engine.arrivals import shared
    from kinsim.measure.recorder import Recorder

    arrivals = shared(scenario, replication)

    def hash_keys(source: int, key: NDArray[np.int64], high: NDArray[np.uint64]) -> list[int]:
        """Hash keys, -1 where records of many keys stayed together: their row has drawn none."""
        hashes = arrivals.keys(source).hashes if "records" in keep else []
        return [
            hashes[k] if k >= 0 else int(h) << 64 if k == RANDOM and h else -1
            for k, h in zip(key.tolist(), high.tolist(), strict=True)
        ]

    return Recorder(scenario, replication, keep, hash_keys, details), arrivals


def _changed(
    scenario: Scenario | Pipelines,
    replications: int | None,
    seed: int | None,
    keep: Collection[str],
    engine: str | None,
    processes: Sequence[Any] | None,
) -> Scenario | Pipelines:
    if processes:
        raise KinsimError("processes: SimPy processes of your own are not simulated by this version of kinsim")
    wrong = [name for name in keep if name not in TABLES] if not isinstance(keep, str) else [keep]
    if wrong:
        raise ConfigError(Problem(message=f"keep: {wrong[0]!r} is no table", help=f"any of {', '.join(TABLES)}"))
    changes = {"run.replications": replications, "run.seed": seed, "engine": engine}
    named = {path: value for path, value in changes.items() if value is not None}
    return scenario.with_(named) if named else scenario


def _replicate_all(
    scenario: Scenario | Pipelines, keep: tuple[str, ...], workers: int | str, executor: str | Executor | None
) -> Any:
    """Pairs of number and result, as they are done."""
    numbers = range(scenario.run.replications)
    if executor is None and (workers == 1 or len(numbers) == 1):
        for number in numbers:
            yield number, _task((scenario, number, keep))
        return
    from kinsim.experiment.executors import executor_for, run_tasks, worker_count

    chosen = executor_for(executor, min(worker_count(workers), len(numbers)))
    for (_, number, _), result in run_tasks(chosen, _task, [(scenario, number, keep) for number in numbers]):
        if isinstance(result, Exception):
            raise result
        yield number, result


def _task(task: tuple[Scenario | Pipelines, int, tuple[str, ...]]) -> ReplicationResult | Together:
    scenario, number, keep = task
    if isinstance(scenario, Scenario):
        return replicate(scenario, number, keep)
    return replicate_together(scenario, number, keep)
