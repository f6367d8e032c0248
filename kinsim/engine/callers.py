"""Producers that act on the answer to a whole call: who puts which records, when, and what becomes of the rejected.

A caller hands out its calls in order of time and is told how each was answered.  What it holds are plain records; the
doors of the shards (`kinsim.engine.call_doors`) decide what is stored.
"""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise

import numpy as np

from kinsim.engine.offers import retry_wait_us
from kinsim.engine.producers import PUT, calls_of_singles, full_at
from kinsim.engine.tables import Int64, Rows
from kinsim.system.distributions import Distribution
from kinsim.system.producer import NEVER_US, CallPlan, RetryPlan
from kinsim.system.sdk_client import quota_after_success

DRAWN_AT_ONCE = 1_024
"""Put latencies drawn together; the draw of a call has its number as address."""


@dataclass(slots=True)
class Record:
    """A record on its way from its source to a shard."""

    row: int
    """Its number among all that came to the doors."""
    place: int
    """The shard that its key belongs to."""
    index: int
    created_us: int
    data_bytes: int
    weight: int
    """Data and key (aws:W4)."""
    attempts: int = 0
    """Offers so far."""
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Moves:
    """What a split or a merge changes for producers."""

    now_us: int
    closes: Sequence[int]
    opens: Sequence[int]
    shard_of: Mapping[int, int]
    """The shards of all records that came to the doors, by their numbers."""
    where: Callable[[Rows, Int64], Int64]
    """The shards of other records, by those that they had before."""


class Latency:
    """Time from the start of each put call until its records are in the stream."""

    def __init__(self, spread: Distribution | None, generator: Callable[..., np.random.Generator]) -> None:
        """*generator* gives the random numbers for a purpose and a block of calls."""
        self.spread, self.generator = spread, generator
        constant = 0.0 if spread is None else spread.constant
        self.constant_us = None if constant is None else int(constant * 1e6 + 0.5)
        self.block, self.drawn = -1, np.zeros(0, np.int64)

    def of(self, call: int) -> int:
        """The latency of call number *call*, in microseconds."""
        if self.constant_us is not None or self.spread is None:
            return self.constant_us or 0
        block, place = divmod(call, DRAWN_AT_ONCE)
        if block != self.block:
            seconds = self.spread.sample(self.generator(PUT, block), DRAWN_AT_ONCE)
            self.block, self.drawn = block, np.floor(seconds * 1e6 + 0.5).astype(np.int64)
        return int(self.drawn[place])


class Caller(ABC):
    """The producer of one source, between its records and the doors."""

    next_us: int = NEVER_US
    """When it next acts."""
    merged = 0
    """Records of its source that went, or will go, into the stream as part of another one."""

    def __init__(self) -> None:
        self.given_up: list[Record] = []
        """Records given up without another offer, until they are accounted for."""

    def prepare(self, rows: Rows, place: Int64, until_us: int) -> tuple[Rows, Int64]:
        """The records that it makes of those created up to *until_us*, and their places; each row is one record."""
        return rows, place

    @abstractmethod
    def take(self, records: list[Record], until_us: int) -> None:
        """Records that it has to bring to the stream, in order of time; all of a window that ends at *until_us*."""

    @abstractmethod
    def act(self, now_us: int) -> list[Record]:
        """What it puts at the doors at *now_us*, which is `next_us`; nothing if it does something else then."""

    @abstractmethod
    def answered(self, now_us: int, call: list[Record], rejected: list[Record]) -> list[Record]:
        """The records that it gives up after *rejected* of *call* were not stored."""

    def reshard(self, moves: Moves) -> None:
        """Shards are closed and others opened: what it holds goes to those that are open now."""
        for record in self.held():
            record.place = moves.shard_of[record.row]

    @abstractmethod
    def held(self) -> Iterator[Record]:
        """Every record that it may still put."""

    def waiting(self) -> int:
        """Records that are neither stored nor given up; those that it has yet to make included."""
        return sum(not record.stored for record in self.held())

    def busy(self) -> bool:
        """Whether it may still put anything."""
        return self.waiting() > 0 or next(self.held(), None) is not None


class OneByOne(Caller):
    """A producer that looks at each record's answer alone, beside others that do not."""

    def __init__(self, retries: Retries) -> None:
        super().__init__()
        self.retries = retries
        self.fresh: deque[Record] = deque()
        self.again: list[tuple[int, int, int, int, Record]] = []
        """Time, index, first offer and wait before it, of what is offered again."""
        self.offered_us = self.previous_us = 0

    def take(self, records: list[Record], until_us: int) -> None:
        self.fresh.extend(records)
        self._look()

    def act(self, now_us: int) -> list[Record]:
        if self.fresh and (not self.again or (now_us, self.fresh[0].index) <= self.again[0][:2]):
            record = self.fresh.popleft()
            if record.created_us == now_us:
                self.offered_us, self.previous_us = now_us, 0
                return [record]
            self.fresh.appendleft(record)
        _, _, self.offered_us, self.previous_us, record = heapq.heappop(self.again)
        return [record]

    def answered(self, now_us: int, call: list[Record], rejected: list[Record]) -> list[Record]:
        gone = []
        for record in rejected:
            wait_us = self.retries.wait_us(record, now_us - self.offered_us, self.previous_us)
            if wait_us < 0:
                gone.append(record)
            else:
                heapq.heappush(self.again, (now_us + wait_us, record.index, self.offered_us, wait_us, record))
        if len(rejected) < len(call):
            self.retries.succeeded(call[0])
        self._look()
        return gone

    def held(self) -> Iterator[Record]:
        yield from self.fresh
        yield from (entry[-1] for entry in self.again)

    def _look(self) -> None:
        self.next_us = min(
            self.fresh[0].created_us if self.fresh else NEVER_US, self.again[0][0] if self.again else NEVER_US
        )


class WholeCalls(Caller):
    """An application that sends a PutRecords call again as a whole when any record of it was rejected (aws:W12).

    What was stored the first time is then stored once more.
    """

    def __init__(self, plan: CallPlan, latency: Latency, retries: Retries) -> None:
        super().__init__()
        self.plan, self.latency, self.retries = plan, latency, retries
        self.open: list[Record] = []
        self.calls: list[tuple[int, int, int, int, list[Record]]] = []
        """Time at the doors, number, first offer (-1: this one) and wait before it, of each call."""
        self.sent = 0
        self.current = (0, 0, 0)

    def take(self, records: list[Record], until_us: int) -> None:
        self.open += records
        for leave_us, call in gathered(self.open, self.plan, until_us):
            heapq.heappush(self.calls, (leave_us + self.latency.of(self.sent), self.sent, -1, 0, call))
            self.sent += 1
        self._look()

    def act(self, now_us: int) -> list[Record]:
        _, number, first_us, previous_us, call = heapq.heappop(self.calls)
        self.current = (number, now_us if first_us < 0 else first_us, previous_us)
        self._look()
        return call

    def answered(self, now_us: int, call: list[Record], rejected: list[Record]) -> list[Record]:
        gone = [record for record in rejected if self.retries.too_large(record)]
        if len(rejected) > len(gone):
            number, first_us, previous_us = self.current
            again = [record for record in call if record not in gone] if gone else call
            wait_us = self.retries.wait_us(again[0], now_us - first_us, previous_us)
            if wait_us < 0:
                gone = [record for record in call if not record.stored]
            else:
                heapq.heappush(self.calls, (now_us + wait_us, number, first_us, wait_us, again))
        self._look()
        return gone

    def held(self) -> Iterator[Record]:
        yield from self.open
        for *_, call in self.calls:
            yield from call

    def _look(self) -> None:
        self.next_us = self.calls[0][0] if self.calls else NEVER_US


def gathered(waiting: list[Record], plan: CallPlan, until_us: int) -> list[tuple[int, list[Record]]]:
    """The calls that leave before *until_us*, with their instants; their records are taken out of *waiting*.

    >>> records = [Record(0, 0, number, us, 100, 100) for number, us in enumerate((0, 10, 20, 200))]
    >>> [(us, len(call)) for us, call in gathered(records, CallPlan(batch_size=2, flush_us=50), 240)], len(records)
    ([(10, 2), (70, 1)], 1)
    """
    if not waiting:
        return []
    times = [record.created_us for record in waiting]
    fitting = full_at(np.array([record.weight for record in waiting]), plan)
    ends, leave_us, done = calls_of_singles(times, fitting, plan, until_us)
    starts = [0, *ends.tolist()]
    calls = [waiting[first:end] for first, end in pairwise(starts)]
    del waiting[:done]
    return list(zip(leave_us.tolist(), calls, strict=True))


class Retries:
    """The waits of one client's retries."""

    def __init__(self, client: int, plan: RetryPlan, settings: list[int], jitter_key: int) -> None:
        """*settings* are those of the doors, as `Limits.as_array` has them."""
        self.client, self.settings = client, settings
        self.plan = np.array(astuple(plan), np.int64)
        self.quota = self.plan[6:7].repeat(client + 1)
        self.jitter_key = np.uint64(jitter_key)

    def too_large(self, record: Record) -> bool:
        """Whether no shard will ever take the record."""
        return 0 <= self.settings[6] < record.weight

    def succeeded(self, record: Record) -> None:
        """Give the client retry tokens for a record that was stored."""
        plan, quota = self.plan, self.quota
        if plan[6] > 0:
            tokens = int(quota[self.client])
            quota[self.client] = quota_after_success(tokens, record.attempts - 1, 1, plan[6], plan[7], plan[8])

    def wait_us(self, record: Record, age_us: int, previous_us: int) -> int:
        """Wait before the next offer of a record that has just been rejected; -1 if there is none."""
        if self.plan[0] == 0 or self.too_large(record):
            return -1
        return retry_wait_us(
            self.plan, self.client, record.index, record.attempts - 1, age_us, previous_us, self.quota, self.jitter_key
        )
