"""The loop that runs a sweep's tasks, on every executor; workers killed, stops, limits of time."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from kinsim.errors import SettingError
from kinsim.experiment.executors import (
    Drain,
    OutOfTime,
    Processes,
    Serial,
    WorkerLost,
    _Loop,
    executor_for,
    run_tasks,
    time_limit,
    window_of,
    worker_count,
)


def square(number: int) -> int:
    return number * number


def refuse(number: int) -> int:
    if number == 3:
        raise ValueError("three is refused")
    return number


def die_on_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def sigint_is_ignored(_: int) -> bool:
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.parametrize("executor", [Serial(), Processes(2), ThreadPoolExecutor(3)], ids=["serial", "loky", "threads"])
def test_every_executor_returns_every_task_once(executor: Any) -> None:
    assert sorted(run_tasks(executor, square, range(20))) == [(n, n * n) for n in range(20)]


@pytest.mark.parametrize("executor", [Serial(), Processes(2)], ids=["serial", "loky"])
def test_an_exception_takes_the_place_of_a_value_and_the_others_go_on(executor: Any) -> None:
    results = dict(run_tasks(executor, refuse, range(6)))
    assert isinstance(results[3], ValueError)
    assert [results[n] for n in (0, 1, 2, 4, 5)] == [0, 1, 2, 4, 5]


def test_no_more_tasks_are_taken_than_the_window_holds() -> None:
    taken: list[int] = []

    def tasks() -> Any:
        for n in range(1000):
            taken.append(n)
            yield n

    pool = ThreadPoolExecutor(2)
    loop = run_tasks(pool, square, tasks(), window=3)
    for done in range(1, 50):
        next(loop)
        assert len(taken) <= done + 3
    loop.close()


def test_a_stop_finishes_what_is_under_way_and_takes_nothing_new() -> None:
    gate, stopped = threading.Event(), threading.Event()

    def wait_for_gate(n: int) -> int:
        assert gate.wait(10)
        return n

    def stop() -> bool:
        if stopped.is_set():
            gate.set()
        return stopped.is_set()

    def tasks() -> Any:
        for n in range(100):
            if n == 2:
                stopped.set()
            yield n

    assert sorted(run_tasks(ThreadPoolExecutor(3), wait_for_gate, tasks(), window=3, stop=stop)) == [
        (0, 0),
        (1, 1),
        (2, 2),
    ]


def test_a_stop_before_the_start_runs_nothing() -> None:
    assert list(run_tasks(Serial(), square, range(5), stop=lambda: True)) == []


def test_a_killed_worker_costs_its_own_task_only() -> None:
    results = dict(run_tasks(Processes(2), die_on_three, range(12)))
    assert isinstance(results[3], WorkerLost)
    assert "killed from outside" in str(results[3])
    assert {n: v for n, v in results.items() if n != 3} == {n: n for n in range(12) if n != 3}


def test_workers_do_not_hear_ctrl_c() -> None:
    assert [ignored for _, ignored in run_tasks(Processes(2), sigint_is_ignored, range(4))] == [True] * 4


class Broken:
    """A pool none of whose workers lives."""

    workers = 2

    def __init__(self) -> None:
        self.restarts = 0

    def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(BrokenExecutor("gone"))
        return future

    def restart(self) -> None:
        self.restarts += 1


class BrokenAtSubmit(Broken):
    def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
        raise BrokenExecutor("gone")


@pytest.mark.parametrize("pool", [Broken, BrokenAtSubmit])
def test_a_pool_that_never_works_is_given_up(pool: type[Broken]) -> None:
    executor = pool()
    with pytest.raises(WorkerLost, match="in this process"):
        list(run_tasks(executor, square, range(100)))
    assert executor.restarts < 10


class BreaksOnce(Serial):
    """A pool that loses all it is doing, once."""

    workers = 2

    def __init__(self) -> None:
        self.restarts = 0

    def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
        if self.restarts:
            return super().submit(fn, *args)
        future: Future[Any] = Future()
        future.set_exception(BrokenExecutor("gone"))
        return future

    def restart(self) -> None:
        self.restarts += 1


def test_what_was_lost_with_a_worker_is_done_again() -> None:
    executor = BreaksOnce()
    assert sorted(run_tasks(executor, square, range(10), window=3)) == [(n, n * n) for n in range(10)]
    assert executor.restarts == 1


def test_a_suspect_runs_alone() -> None:
    class Never(Serial):
        def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
            return Future()

    loop = _Loop(Never(), square, iter(range(10)), 4, lambda: False)
    loop.suspects.append(99)
    loop.fill()
    loop.fill()
    assert list(loop.pending.values()) == [99]


def test_the_names_of_executors() -> None:
    assert isinstance(executor_for("serial", 8), Serial)
    assert isinstance(executor_for(None, 1), Serial)
    assert isinstance(executor_for(None, 2), Processes)
    assert isinstance(executor_for("processes", 1), Processes)
    pool = ThreadPoolExecutor(3)
    assert executor_for(pool) is pool
    assert window_of(pool) == 4
    assert window_of(Serial()) == 1
    assert worker_count("2") == 2


@pytest.mark.parametrize(
    ("executor", "message"),
    [("dask", "Dask is not used"), ("threads", "'threads' is not known"), (42, "int has no method submit")],
)
def test_unknown_executors_are_refused(executor: Any, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        executor_for(executor)


@pytest.mark.parametrize("workers", [0, -1, True, 1.5, "many"])
def test_wrong_numbers_of_workers_are_refused(workers: Any) -> None:
    with pytest.raises(SettingError, match="not a number of workers"):
        worker_count(workers)


def test_the_first_ctrl_c_asks_and_the_second_leaves() -> None:
    asked: list[bool] = []
    before = signal.getsignal(signal.SIGINT)
    with Drain(lambda: asked.append(True)) as stop:
        assert not stop()
        signal.raise_signal(signal.SIGINT)
        assert stop()
        assert asked == [True]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_drain_outside_the_main_thread_catches_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[Any] = []

    def body() -> None:
        with Drain() as stop:
            seen.append((signal.getsignal(signal.SIGINT), stop()))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [(before, False)]


def test_a_limit_of_time_stops_a_loop() -> None:
    def endless() -> None:
        with time_limit(0.05):
            while True:
                pass

    with pytest.raises(OutOfTime, match=r"longer than 0\.05 s"):
        endless()
    with time_limit(1000), time_limit(None):
        pass
