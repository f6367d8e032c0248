"""The tables passed into and out of an engine: columns of whole microseconds, never objects.

Both engines read :class:`Rows` and write the tables below, in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from kinsim.engine.shard_log import ShardLog

Int64 = NDArray[np.int64]


NO_LINES = np.zeros((0, 0), np.int64)
"""The column `by_rule` where no rule matches anything."""


class Outcome(IntEnum):
    """How an invocation ended."""

    OK = 0
    ERROR = 1
    TIMEOUT = 2
    CRASH = 3
    PARTIAL = 4


class Loss(IntEnum):
    """Why a stored record never reached the function's success."""

    EXPIRED = 0
    DISCARDED = 1
    TOO_LARGE = 2
    SKIPPED = 3
    FILTERED = 4


@dataclass(slots=True)
class Rows:
    """Records as rows: each row is *count* equal records, together or at equal gaps.

    Record i of a row (i from 0) arrives at
    ``time_us + (i * step_numerator + step_offset) // step_denominator``;
    records that arrive together have step_numerator 0, offset 0, denominator 1.
    Columns in bytes, events or microseconds of work are totals of the row; a
    record's share of a total is taken linearly (exact where records are equal).
    Rows are ordered by time and do not overlap; none crosses a whole minute.
    """

    time_us: Int64
    count: Int64
    step_numerator: Int64
    step_offset: Int64
    step_denominator: Int64
    data_bytes: Int64
    """Data of all records of the row (before base64, without keys)."""
    key_bytes: Int64
    """Partition keys of all records of the row, UTF-8."""
    body_bytes: Int64
    """Data after decompression: what the function parses."""
    payload_bytes: Int64
    """Share of an invocation's event: base64 of the data, metadata and key."""
    put_units: Int64
    """PUT payload units, each up to 25 KiB."""
    log_events: Int64
    cpu_us: Int64
    """The records' own work at one vCPU."""
    call_us: Int64
    """Time in the function's external calls when they are healthy."""
    call_failing_us: Int64
    """The same while every call fails and is retried inside the function."""
    lag_us: Int64
    """Age of the row's log events when the record is offered to the stream, per record."""
    source: Int64
    index: Int64
    """Running number of the row's first record within its source: the address of its draws."""
    key: Int64
    """Number of the partition key in the source's key table; -1 random per record, -2 round robin, -3 and -4 a
    group whose records draw from the key table or take its keys in turn."""
    hash_high: NDArray[np.uint64]
    """Upper 64 bits of the hash key, for rows of one record."""
    by_rule: Int64
    """What the function's rules do with the row's log events, a line for each total that `engine.matching` names;
    no line where no rule matches anything."""

    def __len__(self) -> int:
        return int(self.time_us.size)

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Rows:
        """The rows that *chosen* selects, in that order."""
        time_us = self.time_us[chosen]
        return Rows(*(_taken(getattr(self, f.name), chosen, time_us.size) for f in fields(self)))

    @classmethod
    def empty(cls, size: int = 0) -> Rows:
        """Rows of zeros, each of one record."""
        columns: dict[str, Any] = {
            f.name: np.zeros(size, np.uint64 if f.name == "hash_high" else np.int64) for f in fields(cls)
        }
        columns["by_rule"] = NO_LINES
        columns["count"][:] = 1
        columns["step_denominator"][:] = 1
        columns["key"][:] = -1
        return cls(**columns)

    @classmethod
    def concatenate(cls, parts: list[Rows]) -> Rows:
        """All rows of *parts*, one part after another."""
        if not parts:
            return cls.empty()
        lines = [p.by_rule for p in parts if len(p.by_rule)]
        by_rule = np.concatenate(lines, axis=1) if lines else NO_LINES
        names = [f.name for f in fields(cls) if f.name != "by_rule"]
        columns: dict[str, Any] = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
        return cls(**columns, by_rule=by_rule)


def _taken(column: NDArray[Any], chosen: Any, size: int) -> NDArray[Any]:
    """Part of a column; one whose rows all share a single stored value goes on doing so."""
    if column.ndim == 2:
        return np.asarray(column[:, chosen]) if len(column) else column
    if column.strides == (0,):
        return np.broadcast_to(column[:1], size) if column.size else column[:0]
    return np.asarray(column[chosen])


INVOCATION = np.dtype(
    [
        (name, "i8")
        for name in (
            "shard",
            "lane",
            "batch",
            "first",
            "records",
            "bytes",
            "log_events",
            "attempt",
            "tries",
            "done",
            "ready_us",
            "start_us",
            "end_us",
            "init_us",
            "duration_us",
            "outcome",
            "first_arrival_us",
            "last_arrival_us",
            "front_us",
            "needed_us",
        )
    ]
)
"""One row per invocation, in order of its end.

The final invocation of a tumbling window has no records and no arrivals.
``first`` counts the records of the lane's line (see `Lines`) from 0 in arrival order; ``batch`` numbers the
lane's batches from 0.  ``tries`` is how many invocations the batch or a part of it has had before; ``attempt``
how many retries have been used up, of those that the mapping allows (a split uses none).  ``done`` records are
processed by it: all, or those before the first that a partial response names, the others not.
``start_us`` is when the mapping sends the event;
``end_us - start_us`` is dispatch overhead + ``init_us`` of a cold start + ``duration_us``.
Where the function has rules, work on the log events begins ``front_us`` after the run has begun and would end
``needed_us`` after it if nothing stopped the run.
"""

POLL = np.dtype([(name, "i8") for name in ("shard", "time_us", "calls", "records", "bytes", "age_us")])
"""One row per GetRecords call that returned records (calls 1), or per run of empty calls one poll interval apart.

A call that the read limit refused has records THROTTLED.  Other applications that read the stream have rows too.
"""

THROTTLED = -1

ELSEWHERE = -2
"""Records of a call by an application of which only the bytes are known."""

PUSH = np.dtype([(name, "i8") for name in ("consumer", "shard", "time_us", "records", "bytes", "behind_us")])
"""One row per SubscribeToShardEvent, or per call of SubscribeToShard: that has records SUBSCRIBED."""

SUBSCRIBED = -1

THROTTLE = np.dtype([(name, "i8") for name in ("shard", "lane", "time_us")])
"""One row per invocation request that found no free concurrency."""

LOSS = np.dtype([(name, "i8") for name in ("shard", "lane", "time_us", "first", "records", "log_events", "cause")])
"""Records that left the stream without success: *records* from number *first* on, lost at *time_us*.

Those that the mapping's filter leaves out have lane LEFT_OUT.
"""

LEFT_OUT = -1


@dataclass(frozen=True, slots=True)
class Lines:
    """How the lines of a shard are numbered: each is what one lane, or all of them together, work off in order.

    >>> Lines(4).of(np.array([0, 2]), np.array([1, 0])).tolist(), Lines(1).of(np.array([2]), np.array([3])).tolist()
    ([1, 8], [2])
    >>> Lines(1, True).of(np.array([2, 2]), np.array([3, LEFT_OUT])).tolist()
    [4, 5]
    """

    of_lanes: int = 1
    """Lanes that have a line of their own; 1: all share one, whichever takes the next batch."""
    filters: bool = False
    """Whether a last line holds what the mapping's filter leaves out."""

    @property
    def each(self) -> int:
        """Lines of each shard."""
        return self.of_lanes + self.filters

    def of(self, shard: Int64, lane: Int64) -> Int64:
        """Numbers of the lines of these lanes, over all shards."""
        if self.filters:
            place = lane if self.of_lanes > 1 else np.minimum(lane, 0)
            return shard * self.each + np.where(lane == LEFT_OUT, self.of_lanes, place)
        return shard if self.of_lanes == 1 else shard * self.of_lanes + lane


ONE_LINE = Lines()


def shard_of(line: Int64, lines: int) -> Int64:
    """The shard of each line.

    >>> shard_of(np.array([1, 8]), 4).tolist()
    [0, 2]
    """
    return line if lines == 1 else line // lines


@dataclass(slots=True)
class Writes:
    """What one shard was offered in one window, one row per offer of a row of records; times ascending."""

    shard: int
    time_us: Int64
    source: Int64
    attempt: Int64
    """0 for the first offer, then the number of the retry."""
    offered: Int64
    """Records offered."""
    accepted: Int64
    """Records stored; the rest of *offered* was rejected."""
    dropped: Int64
    """Rejected records that the producer will not offer again."""
    data_bytes: Int64
    """Data of the accepted records."""
    key_bytes: Int64
    put_units: Int64
    duplicates: Int64 | None = None
    """Of the accepted records, those that were stored before; None where there are none."""
    dropped_by_rule: Int64 = field(default_factory=lambda: NO_LINES)
    """The column `by_rule` of the dropped records."""


@dataclass(slots=True)
class Window:
    """What happened in ``[start_us, end_us)``, handed to the recorder once, in order of time.

    Invocations are those that ended here.  A record stays readable in its shard's log until the
    window in which it is settled (processed or lost) has been handed over.
    """

    start_us: int
    end_us: int
    invocations: NDArray[np.void]
    polls: NDArray[np.void]
    throttles: NDArray[np.void]
    losses: NDArray[np.void]
    writes: list[Writes]
    logs: Mapping[int, ShardLog]
    redrives: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, INVOCATION))
    """Invocations of records that had been discarded; the mapping made none of them."""
    redriving_since_us: int | None = None
    """Start of the earliest of them that is still under way."""
    own_polls: int | None = None
    """How many rows of *polls*, the first ones, are the mapping's own calls; None: all."""
    rules_us: Sequence[float] = ()
    """Time that each of the function's rules took in the invocations that ended here, its calls included."""
    pushes: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, PUSH))


@dataclass(slots=True)
class Shard:
    """A shard as it existed in the run."""

    number: int
    starting_hash_key: int
    ending_hash_key: int
    opened_us: int = 0
    closed_us: int | None = None
    parent: int | None = None
    adjacent_parent: int | None = None

    @property
    def id(self) -> str:
        """Its name as AWS numbers shards (aws:W17).

        >>> Shard(3, 0, 1).id
        'shardId-000000000003'
        """
        return f"shardId-{self.number:012d}"


@dataclass(slots=True)
class ShardCountCall:
    """A call of UpdateShardCount that was made during the run; refusals of the same one after another are one."""

    time_us: int
    from_shards: int
    to_shards: int
    cause: str
    """The alarm or metric that led to it."""
    done_us: int | None = None
    """When its last operation ends."""
    refused: str = ""
    """Why AWS refuses it."""
    exception: str = ""
    times: int = 1
    last_us: int | None = None
    """Of several refusals the last."""


@dataclass(slots=True)
class Final:
    """The state at the end of a run."""

    end_us: int
    """The horizon: the run's duration, or the last end (or loss) when the run was drained."""
    shards: list[Shard]
    accepted: dict[int, int] = field(default_factory=dict)
    """Records stored, per line; likewise what follows."""
    in_hand: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """First record and the one after the last of each batch that is in flight."""
    waiting: dict[int, int] = field(default_factory=dict)
    in_flight: dict[int, int] = field(default_factory=dict)
    in_producer: int = 0
    """Records that wait in producers for a retry."""
    created: int = 0
    sampled_out: int = 0
    under_way: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, INVOCATION))
    """Invocations in progress: rows of INVOCATION whose ``end_us``, ``duration_us`` and ``done`` are 0."""
    failing: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Shards whose batch in hand has failed: how many invocations it has had, and when the first began."""
    redriving_us: tuple[int, ...] = ()
    """Starts of redriven invocations in progress; their records count as discarded."""
    stuck_shards: tuple[int, ...] = ()
    """Shards with records that can never be processed, which ended a drained run."""
    oldest_waiting_us: dict[int, int] = field(default_factory=dict)
    """Arrival of the oldest record waiting, per line that has one."""
    lines: int = 1
    """Lines of each shard."""
    calls: list[ShardCountCall] = field(default_factory=list)
    """What a controller of the shards has called."""


class Sink(Protocol):
    """What an engine hands its tables to."""

    def window(self, window: Window) -> None: ...

    def finish(self, final: Final) -> None: ...


class Tables:
    """What has happened since the last window was handed over, as numbers one after another."""

    def __init__(self, lines: Lines = ONE_LINE) -> None:
        """*lines* of each shard."""
        self.lines = lines
        self.invocations: list[int] = []
        self.polls: list[int] = []
        self.polls_of_others: list[int] = []
        self.pushes: list[int] = []
        self.redrives: list[int] = []
        self.redriving: dict[int, int] = {}
        """Start of the redriven invocation that is under way, by line."""
        self.throttles: list[int] = []
        self.losses: list[Int64] = []
        self.writes: list[Writes] = []
        self.rules_us: list[float] = []
        self.window_start_us = 0
        self.settled_us = 0
        """When the last invocation ended or the last record was lost."""

    def hand_over(self, sink: Sink, until_us: int, logs: Mapping[int, ShardLog]) -> None:
        """Give *sink* what happened before *until_us*, and forget it."""
        losses = np.concatenate([np.zeros((0, len(LOSS.names or ())), np.int64), *self.losses])
        sink.window(
            Window(
                start_us=self.window_start_us,
                end_us=until_us,
                invocations=self.invocation_table(logs),
                redrives=self._with_records(self.redrives, logs),
                redriving_since_us=min(self.redriving.values(), default=None),
                polls=_table(self.polls + self.polls_of_others, POLL),
                own_polls=len(self.polls) // len(POLL.names or ()),
                pushes=_table(self.pushes, PUSH),
                throttles=_table(self.throttles, THROTTLE),
                losses=np.ascontiguousarray(losses).reshape(-1).view(LOSS),
                writes=self.writes,
                logs=logs,
                rules_us=self.rules_us,
            )
        )
        self.invocations.clear()
        self.redrives.clear()
        self.polls.clear()
        self.polls_of_others.clear()
        self.pushes.clear()
        self.throttles.clear()
        self.losses, self.writes, self.rules_us = [], [], []
        self.window_start_us = until_us

    def count_rules(self, spent_us: Sequence[float]) -> None:
        """Add the time that each rule took in an invocation that ended."""
        held = self.rules_us or [0.0] * len(spent_us)
        self.rules_us = [total + more for total, more in zip(held, spent_us, strict=True)]

    def invocation_table(self, logs: Mapping[int, ShardLog]) -> NDArray[np.void]:
        """The table INVOCATION, with what is known of the records from their shards' logs."""
        return self._with_records(self.invocations, logs)

    def _with_records(self, numbers: list[int], logs: Mapping[int, ShardLog]) -> NDArray[np.void]:
        table = _table(numbers, INVOCATION)
        line = self.lines.of(table["shard"], table["lane"])
        order = np.argsort(line, kind="stable")
        lines, starts = np.unique(line[order], return_index=True)
        for number, rows in zip(lines.tolist(), np.split(order, starts[1:]), strict=True) if len(table) else ():
            rows = rows[table["records"][rows] > 0]
            log, first = logs[number], table["first"][rows]
            end = first + table["records"][rows]
            table["bytes"][rows] = log.amounts("data_bytes", first, end)
            table["log_events"][rows] = log.amounts("log_events", first, end)
            table["first_arrival_us"][rows] = log.arrivals_us(first)
            table["last_arrival_us"][rows] = log.arrivals_us(end - 1)
        return table


def _table(numbers: list[int], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    return np.array(numbers, np.int64).view(dtype)
