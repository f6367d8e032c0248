"""Where the tasks of a sweep run: in this process, on local processes, or on anything with ``submit``.

One loop serves them all.  It submits from a bounded window, drains when asked to stop, and survives
a worker that is killed.  Nothing here decides a number: results do not depend on the executor.
"""

from __future__ import annotations

import ctypes
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Set
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

from kinsim.errors import KinsimError, SettingError

T = TypeVar("T")
R = TypeVar("R")
TaskT = TypeVar("TaskT")

IDLE_S = 30
"""Local processes that have nothing to do end after this time."""
LOST_IN_A_ROW = 5
"""So many tasks whose worker died, with no other outcome between them: the workers are at fault, not the tasks."""
_LOOK_S = 0.5


class WorkerLost(KinsimError):
    """The process that ran a task was ended from outside, most often for want of memory."""


class OutOfTime(KinsimError):
    """A task took longer than its limit."""


@runtime_checkable
class Executor(Protocol):
    """Anything with ``submit(function, *arguments)`` that returns a ``concurrent.futures.Future``."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Arrange for ``fn(*args)`` to be run."""
        ...


class Serial:
    """Runs each task at once, in this process: for debugging, and where there is one core.

    >>> Serial().submit(max, 1, 2).result()
    2
    """

    workers = 1

    def submit(self, fn: Callable[..., R], /, *args: Any) -> Future[R]:
        """Run ``fn(*args)`` and return its finished future."""
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class Processes:
    """Local processes through loky: no ``if __name__ == "__main__"`` is needed, and they are reused.

    A Ctrl-C at the terminal does not reach them: the parent decides what to finish.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool = self._start()

    def _start(self) -> Any:
        from loky import get_reusable_executor

        return get_reusable_executor(max_workers=self.workers, timeout=IDLE_S, initializer=_ignore_interrupt)

    def submit(self, fn: Callable[..., R], /, *args: Any) -> Future[R]:
        """Run ``fn(*args)`` in a process that is free."""
        future: Future[R] = self._pool.submit(fn, *args)
        return future

    def restart(self) -> None:
        """Replace the processes after one of them was killed."""
        self._pool = self._start()

    def kill(self) -> None:
        """End the processes at once, whatever they are doing."""
        self._pool.shutdown(wait=True, kill_workers=True)


def _ignore_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def worker_count(workers: int | str | None = "auto") -> int:
    """Number of local processes; ``auto`` is the number of cores that this process may use.

    >>> worker_count(3), worker_count("auto") >= 1
    (3, True)
    >>> worker_count(0)
    Traceback (most recent call last):
    kinsim.errors.SettingError: 0 is not a number of workers
    """
    if workers is None or workers == "auto":
        from loky import cpu_count

        return int(cpu_count())
    if isinstance(workers, str) and workers.strip().isdecimal():
        workers = int(workers)
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise SettingError(f"{workers!r} is not a number of workers", help="write auto, or a whole number of 1 or more")
    return workers


def executor_for(executor: str | Executor | None, workers: int | str | None = "auto") -> Executor:
    """The executor named ``serial`` or ``processes``; None takes processes where more than one worker is asked for.

    >>> type(executor_for(None, 1)).__name__
    'Serial'
    >>> executor_for("dask+tcp://scheduler:8786")
    Traceback (most recent call last):
    kinsim.errors.SettingError: executor 'dask+tcp://scheduler:8786': Dask is not used by this version of kinsim
    """
    if executor is not None and not isinstance(executor, str):
        if not isinstance(executor, Executor):
            raise SettingError(f"executor: {type(executor).__name__} has no method submit", help=_EXECUTOR_HELP)
        return executor
    if executor == "serial":
        return Serial()
    if executor is None:
        count = worker_count(workers)
        return Serial() if count == 1 else Processes(count)
    if executor == "processes":
        return Processes(worker_count(workers))
    if executor.startswith("dask"):
        raise SettingError(f"executor {executor!r}: Dask is not used by this version of kinsim", help=_EXECUTOR_HELP)
    raise SettingError(f"executor {executor!r} is not known", help=_EXECUTOR_HELP)


_EXECUTOR_HELP = "write serial or processes; from Python, any object with submit() that returns a Future"


def window_of(executor: Executor) -> int:
    """How many tasks may be under way: one more than there are workers, so that none waits for the next."""
    if isinstance(executor, Serial):
        return 1
    workers = getattr(executor, "workers", None) or getattr(executor, "_max_workers", None)
    return (workers if isinstance(workers, int) else worker_count()) + 1


def run_tasks(
    executor: Executor,
    function: Callable[[TaskT], R],
    tasks: Iterable[TaskT],
    *,
    window: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[TaskT, R | Exception]]:
    """Yield ``(task, function(task))`` as the tasks end; in place of a value stands the exception that was raised.

    Tasks are taken from the iterable only as the window has room.  Once *stop* says so no more are taken; those
    under way are finished.  Where a killed worker breaks the pool, the tasks that were under way are done again one
    at a time, and a task that is alone when it happens again gets :class:`WorkerLost`.
    """
    return _Loop(executor, function, tasks, window or window_of(executor), stop).run()


class _Loop(Generic[TaskT, R]):
    """State of :func:`run_tasks`."""

    def __init__(
        self,
        executor: Executor,
        function: Callable[[TaskT], R],
        tasks: Iterable[TaskT],
        window: int,
        stop: Callable[[], bool],
    ) -> None:
        self.executor = executor
        self.function = function
        self.tasks = iter(tasks)
        self.window = window
        self.stop = stop
        self.pending: dict[Future[R], TaskT] = {}
        self.suspects: deque[TaskT] = deque()
        self.on_trial = False
        self.lost_in_a_row = 0

    def run(self) -> Iterator[tuple[TaskT, R | Exception]]:
        while True:
            self.fill()
            if not self.pending:
                return
            done, _ = wait(self.pending, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
            if any(isinstance(future.exception(), BrokenExecutor) for future in done):
                done, _ = wait(self.pending)
            yield from self.collect(done)

    def fill(self) -> None:
        """Submit as long as there is room; a suspect only alone."""
        while not self.stop() and not self.on_trial and len(self.pending) < self.window:
            if self.suspects:
                if self.pending:
                    return
                task, self.on_trial = self.suspects.popleft(), True
            else:
                try:
                    task = next(self.tasks)
                except StopIteration:
                    return
            if not self.submit(task):
                return

    def submit(self, task: TaskT) -> bool:
        """Submit *task*; False where the pool is broken and has yet to give back what it was doing."""
        try:
            self.pending[self.executor.submit(self.function, task)] = task
        except BrokenExecutor as error:
            self.suspects.appendleft(task)
            self.on_trial = False
            if self.pending:
                return False
            self.lost_in_a_row += 1
            self.restart(error)
        return True

    def collect(self, done: Set[Future[R]]) -> Iterator[tuple[TaskT, R | Exception]]:
        """Hand out what has ended; put what was lost with its worker in the line of suspects."""
        alone = len(self.pending) == 1
        self.on_trial = False
        lost: list[tuple[TaskT, BaseException]] = []
        for future in [each for each in self.pending if each in done]:  # in the order in which they were submitted
            task, error = self.pending.pop(future), future.exception()
            if isinstance(error, BrokenExecutor):
                lost.append((task, error))
                continue
            self.lost_in_a_row = 0
            if isinstance(error, Exception):
                yield task, error
            elif error is not None:
                raise error
            else:
                yield task, future.result()
        if not lost:
            return
        self.restart(lost[0][1])
        if alone:
            self.lost_in_a_row += 1
            yield lost[0][0], WorkerLost(_lost_text(lost[0][1]))
        else:
            self.suspects.extend(task for task, _ in lost)

    def restart(self, error: BaseException) -> None:
        restart = getattr(self.executor, "restart", None)
        if restart is None or self.lost_in_a_row >= LOST_IN_A_ROW:
            raise WorkerLost(
                f"{_lost_text(error)}; what was finished is kept; try one worker, in this process"
            ) from error
        restart()


def _lost_text(error: BaseException) -> str:
    """Why a worker is gone, in one line."""
    killed = isinstance(error, BrokenProcessPool) and "SIGKILL" in str(error)
    why = " (killed from outside, most often for want of memory)" if killed else ""
    return f"the worker process ended before it had finished{why}"


class Drain:
    """Within this context the first Ctrl-C asks for a stop, and the second leaves with ``KeyboardInterrupt``.

    The object is the callable that :func:`run_tasks` asks.  Outside the main thread nothing is caught.

    >>> with Drain() as stop:
    ...     stop()
    False
    """

    def __init__(self, when_asked: Callable[[], None] = lambda: None) -> None:
        self.requested = False
        self._when_asked = when_asked
        self._before: Any = None

    def __call__(self) -> bool:
        return self.requested

    def __enter__(self) -> Drain:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        return False

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self._when_asked()


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise :class:`OutOfTime` in this thread where the body takes longer than *seconds*; None sets no limit.

    It works in any thread and on any system, and takes effect between two steps of Python.
    """
    if seconds is None:
        yield
        return
    lock, ended = threading.Lock(), False
    thread = threading.get_ident()

    def strike() -> None:
        with lock:
            if not ended:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(OutOfTime))

    timer = threading.Timer(seconds, strike)
    timer.daemon = True
    timer.start()
    try:
        yield
    except OutOfTime:
        raise OutOfTime(f"took longer than {seconds:g} s and was stopped") from None
    finally:
        timer.cancel()
        with lock:
            ended = True
