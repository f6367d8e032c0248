"""Records and retries offered to the shards one by one, in order of time; may be compiled.

What the decisions need stands in arrays of plain numbers: a limiter's level per shard, retry tokens per source.
"""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np

from kinsim.engine.draws import uniform
from kinsim.engine.tables import Int64
from kinsim.rule import compilable
from kinsim.system.producer import may_retry, retry_delay_us
from kinsim.system.sdk_client import quota_after_success, quota_allows
from kinsim.system.stream import FIXED_SECOND, MICRO, TOKEN_BUCKET, deficit_at, room_for, second_of

WAITING_COLUMNS = 10
"""Of what waits: time, source, index, number of the first record in its row, records, attempts so far, first offer,
previous wait, row, and which line it is in (0: none)."""

Event = tuple[int, int, int, int, int, int]
"""Time, row, attempt, offered, accepted, dropped."""
Entry = tuple[int, int, int, int, int, int, int, int, int]
"""What waits: the first nine of `WAITING_COLUMNS`."""


def take_in_order(
    fresh_us: Int64,
    fresh_count: Int64,
    shard: Int64,
    source: Int64,
    index: Int64,
    weight: Int64,
    waiting: Int64,
    plans: Int64,
    settings: Int64,
    level: Int64,
    quota: Int64,
    jitter_key: Any,
    until_us: int,
) -> tuple[Int64, Int64]:
    """Offer everything in order of (time, source, index, first record).

    The first result has the columns of `Event`, *waiting* and the second those of what waits.
    """
    levels = [level[at] for at in range(level.shape[0])]
    heap = [(0, 0, 0, 0, 0, 0, 0, 0, 0) for _ in range(0)]
    for at in range(waiting.shape[0]):
        heap.append(
            (waiting[at, 0], waiting[at, 1], waiting[at, 2], waiting[at, 3], waiting[at, 4], waiting[at, 5],
             waiting[at, 6], waiting[at, 7], waiting[at, 8])
        )  # fmt: skip
    heapq.heapify(heap)
    events = [(0, 0, 0, 0, 0, 0) for _ in range(0)]
    position = 0
    while True:
        fresh_is_next = position < fresh_us.size and (
            len(heap) == 0
            or (fresh_us[position], source[position], index[position]) <= (heap[0][0], heap[0][1], heap[0][2])
        )
        if fresh_is_next:
            row, first, attempts, previous_us = position, 0, 0, 0
            now_us, client, count = fresh_us[row], source[row], fresh_count[row]
            offered_us = now_us
            position += 1
        elif len(heap) > 0 and heap[0][0] < until_us:
            now_us, client, _, first, count, attempts, offered_us, previous_us, row = heapq.heappop(heap)
        else:
            break
        plan = plans[client]
        accepted = admit(now_us, count, weight[row], settings, levels[shard[row]])
        if accepted > 0 and plan[6] > 0:
            quota[client] = quota_after_success(quota[client], attempts, accepted, plan[6], plan[7], plan[8])
        dropped = 0
        if accepted < count:
            together = plan[4] == 0 or never_again(weight[row], plan, settings)
            record = accepted
            while record < count:
                size = count - record if together else 1
                number = index[row] + first + record
                wait_us = -1
                if not never_again(weight[row], plan, settings):
                    wait_us = retry_wait_us(
                        plan, client, number, attempts, now_us - offered_us, previous_us, quota, jitter_key
                    )
                if wait_us >= 0:
                    heapq.heappush(
                        heap,
                        (now_us + wait_us, client, index[row], first + record, size, attempts + 1, offered_us,
                         wait_us, row),
                    )  # fmt: skip
                else:
                    dropped += size
                record += size
        events.append((now_us, row, attempts, count, accepted, dropped))
    left = np.zeros((len(heap), 10), np.int64)
    for at in range(len(heap)):
        for column in range(9):
            left[at, column] = heap[at][column]
    return table_of(events), left


@compilable
def table_of(events: list[Event]) -> Int64:
    """Events as rows of numbers."""
    table = np.empty((len(events), 6), np.int64)
    for row in range(len(events)):
        for column in range(6):
            table[row, column] = events[row][column]
    return table


@compilable
def never_again(weight: int, plan: Int64, settings: Int64) -> bool:
    """Whether a rejected record is not offered again: its producer never does so, or it is larger than any may be."""
    return bool(plan[0] == 0 or 0 <= settings[6] < weight)


@compilable
def retry_wait_us(
    plan: Int64, client: int, record: int, attempts: int, age_us: int, previous_us: int, quota: Int64, jitter_key: Any
) -> int:
    """Wait of a record that was rejected for another time, its retry token taken; -1 if it is given up."""
    u = uniform(jitter_key, client, record, attempts, 0)
    wait_us = retry_delay_us(plan[0], attempts + 1, plan[2], plan[3], plan[4], u, previous_us)
    if not may_retry(attempts + 1, plan[1], age_us + wait_us, plan[5]):
        return -1
    if plan[6] > 0:
        if not quota_allows(quota[client], plan[7]):
            return -1
        quota[client] -= plan[7]
    return wait_us


@compilable
def admit(now_us: int, count: int, weight: int, settings: Int64, level: Int64) -> int:
    """How many of *count* equal records the shard takes at *now_us*; *level* is brought up to date."""
    limiter, bytes_per_s, records_per_s = settings[0], settings[1], settings[2]
    if settings[6] >= 0 and weight > settings[6]:
        return 0
    if limiter == TOKEN_BUCKET:
        missing = deficit_at(level[0], level[2], now_us, bytes_per_s)
        missing_records = deficit_at(level[1], level[2], now_us, records_per_s)
        fit = min(
            count,
            room_for(missing, settings[3], weight * MICRO),
            room_for(missing_records, settings[4], MICRO),
        )
        charged = count if settings[5] else fit
        level[0] = (
            min(missing + charged * weight * MICRO, settings[3]) if charged > fit else missing + fit * weight * MICRO
        )
        level[1] = (
            min(missing_records + charged * MICRO, settings[4]) if charged > fit else missing_records + fit * MICRO
        )
        level[2] = now_us
        return fit
    if limiter == FIXED_SECOND:
        second = second_of(now_us)
        if second != level[3]:
            level[3], level[4], level[5] = second, 0, 0
        fit = min(count, room_for(level[4], bytes_per_s, weight), room_for(level[5], records_per_s, 1))
        charged = count if settings[5] else fit
        level[4] = min(level[4] + charged * weight, bytes_per_s) if charged > fit else level[4] + fit * weight
        level[5] = min(level[5] + charged, records_per_s) if charged > fit else level[5] + fit
        return fit
    return count
