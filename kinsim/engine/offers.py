"""Records and retries offered to the shards one by one, in order of time; may be compiled.

What the decisions need stands in arrays of plain numbers: a limiter's level per shard, retry tokens and, where a client
sets itself a rate, its bucket per source.
"""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.draws import uniform
from kinsim.engine.tables import Int64
from kinsim.rule import compilable
from kinsim.system.producer import may_retry, retry_delay_us
from kinsim.system.sdk_client import (
    HALF_SECOND_US,
    allowed_rate,
    bucket_depth,
    cubic_rate,
    cubic_zero_point,
    fill_rate,
    measured_rate,
    quota_after_success,
    quota_allows,
    rate_after_throttle,
    tokens_at,
    wait_for_token_us,
)
from kinsim.system.stream import FIXED_SECOND, MICRO, TOKEN_BUCKET, deficit_at, room_for, second_of

Float64 = NDArray[np.float64]
Event = tuple[int, int, int, int, int, int]
Entry = tuple[int, int, int, int, int, int, int, int, int]
"""What waits: the first nine of `WAITING_COLUMNS`; an alarm of a client has index -1 and row -1."""

WAITING_COLUMNS = 10
"""Of what waits: time, source, index, number of the first record in its row, records, attempts so far, first offer,
previous wait, row, and 1 where it is in its client's line for a token."""

SLOWED, MEASURED, HALF_SECOND, CALLS, HIGHEST, ZERO_POINT, THROTTLED_US, RATE, DEPTH, TOKENS, FILLED_US, WAKE_US = (
    range(12)
)
"""What a client of mode adaptive knows: whether it was ever throttled, its rates and its bucket."""


def new_clients(number: int) -> Float64:
    """Clients that were never throttled (aws:R5)."""
    clients = np.zeros((number, 12))
    clients[:, RATE] = clients[:, DEPTH] = 1.0
    return clients


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
    clients: Float64,
    jitter_key: Any,
    until_us: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offer everything in order of (time, source, index, first record).

    *waiting* and the second result have `WAITING_COLUMNS`.  Columns of the first result: time, row, attempt, offered,
    accepted, dropped.
    """
    levels = [level[at] for at in range(level.shape[0])]
    heap, line, behind, ends = _as_left(waiting, clients)
    events = [(0, 0, 0, 0, 0, 0) for _ in range(0)]
    position = 0
    while True:
        fresh_is_next = position < fresh_us.size and (
            len(heap) == 0
            or (fresh_us[position], source[position], index[position]) <= (heap[0][0], heap[0][1], heap[0][2])
        )
        has_token = False
        if fresh_is_next:
            row, first, attempts, previous_us = position, 0, 0, 0
            now_us, client, count = fresh_us[row], source[row], fresh_count[row]
            offered_us = now_us
            position += 1
        elif len(heap) > 0 and heap[0][0] < until_us:
            now_us, client, _, first, count, attempts, offered_us, previous_us, row = heapq.heappop(heap)
            if row < 0:
                if not _may_go_on(heap, ends, client, clients, now_us):
                    continue
                at = ends[client, 0]
                _, _, _, first, count, attempts, offered_us, previous_us, row = line[at]
                ends[client, 0] = behind[at]
                has_token = True
        else:
            break
        plan = plans[client]
        if plan[9] != 0 and clients[client, SLOWED] != 0:
            if not has_token and (ends[client, 0] >= 0 or _token_us(clients[client], now_us) > now_us):
                line.append((now_us, client, index[row], first, count, attempts, offered_us, previous_us, row))
                _join(heap, behind, ends, client, clients, now_us)
                continue
            clients[client, TOKENS] -= 1.0
        accepted = admit(now_us, count, weight[row], settings, levels[shard[row]])
        if accepted > 0 and plan[6] > 0:
            quota[client] = quota_after_success(quota[client], attempts, accepted, plan[6], plan[7], plan[8])
        dropped = 0
        too_large = settings[6] >= 0 and weight[row] > settings[6]
        if accepted < count and (plan[0] == 0 or too_large):
            dropped = count - accepted
        elif accepted < count:
            entry = (now_us, client, index[row], first, count, attempts, offered_us, previous_us, row)
            dropped = _send_again(heap, entry, accepted, plan, quota, jitter_key)
        events.append((now_us, row, attempts, count, accepted, dropped))
        if plan[9] != 0:
            respond(clients[client], now_us, accepted < count and not too_large)
            if ends[client, 0] >= 0:
                _set_alarm(heap, client, clients, now_us)
    return _table_of(events), _what_is_left(heap, line, behind, ends)


@compilable
def _table_of(events: list[Event]) -> Int64:
    table = np.empty((len(events), 6), np.int64)
    for row in range(len(events)):
        for column in range(6):
            table[row, column] = events[row][column]
    return table


@compilable
def _as_left(waiting: Int64, clients: Float64) -> tuple[list[Entry], list[Entry], list[int], Int64]:
    """What waited at the end of the last window: retries by time, and the lines of clients that wait for a token.

    A line is the chain of entries from its first, ``ends[client, 0]``, each with the number of the one behind it.
    """
    heap = [(0, 0, 0, 0, 0, 0, 0, 0, 0) for _ in range(0)]
    line = [(0, 0, 0, 0, 0, 0, 0, 0, 0) for _ in range(0)]
    behind = [0 for _ in range(0)]
    ends = np.full((clients.shape[0], 2), -1, np.int64)
    for at in range(waiting.shape[0]):
        entry = (
            waiting[at, 0], waiting[at, 1], waiting[at, 2], waiting[at, 3], waiting[at, 4], waiting[at, 5],
            waiting[at, 6], waiting[at, 7], waiting[at, 8],
        )  # fmt: skip
        if waiting[at, 9] == 0:
            heap.append(entry)
            continue
        client = waiting[at, 1]
        line.append(entry)
        behind.append(-1)
        if ends[client, 0] < 0:
            ends[client, 0] = len(line) - 1
            heap.append((int(clients[client, WAKE_US]), client, -1, 0, 0, 0, 0, 0, -1))
        else:
            behind[ends[client, 1]] = len(line) - 1
        ends[client, 1] = len(line) - 1
    heapq.heapify(heap)
    return heap, line, behind, ends


@compilable
def _what_is_left(heap: list[Entry], line: list[Entry], behind: list[int], ends: Int64) -> Int64:
    """The same as a table; alarms are left out."""
    left = [(0, 0, 0, 0, 0, 0, 0, 0, 0, 0) for _ in range(0)]
    for each in heap:
        if each[8] >= 0:
            left.append((each[0], each[1], each[2], each[3], each[4], each[5], each[6], each[7], each[8], 0))
    for client in range(ends.shape[0]):
        at = ends[client, 0]
        while at >= 0:
            each = line[at]
            left.append((each[0], each[1], each[2], each[3], each[4], each[5], each[6], each[7], each[8], 1))
            at = behind[at]
    table = np.empty((len(left), 10), np.int64)
    for row in range(len(left)):
        for column in range(10):
            table[row, column] = left[row][column]
    return table


@compilable
def _send_again(heap: list[Entry], entry: Entry, accepted: int, plan: Int64, quota: Int64, jitter_key: Any) -> int:
    """Put what was rejected of an offer where it waits for its next one; how many records are given up."""
    now_us, client, index, first, count, attempts, offered_us, previous_us, row = entry
    dropped, record = 0, accepted
    while record < count:
        size = count - record if plan[4] == 0 else 1
        u = uniform(jitter_key, client, index + first + record, attempts, 0)
        wait_us = retry_delay_us(plan[0], attempts + 1, plan[2], plan[3], plan[4], u, previous_us)
        kept = may_retry(attempts + 1, plan[1], now_us + wait_us - offered_us, plan[5])
        if kept and plan[6] > 0:
            kept = quota_allows(quota[client], plan[7])
            if kept:
                quota[client] -= plan[7]
        if kept:
            heapq.heappush(
                heap, (now_us + wait_us, client, index, first + record, size, attempts + 1, offered_us, wait_us, row)
            )
        else:
            dropped += size
        record += size
    return dropped


# -- clients that set themselves a rate ----------------------------------------------------------------------


@compilable
def _join(heap: list[Entry], behind: list[int], ends: Int64, client: int, clients: Float64, now_us: int) -> None:
    """The last entry of the lines goes to the end of its client's."""
    place = len(behind)
    behind.append(-1)
    if ends[client, 0] < 0:
        ends[client, 0] = place
        _set_alarm(heap, client, clients, now_us)
    else:
        behind[ends[client, 1]] = place
    ends[client, 1] = place


@compilable
def _set_alarm(heap: list[Entry], client: int, clients: Float64, now_us: int) -> None:
    """Look at the client's line again when its bucket holds a token; earlier alarms are void."""
    wake_us = _token_us(clients[client], now_us)
    clients[client, WAKE_US] = wake_us
    heapq.heappush(heap, (wake_us, client, -1, 0, 0, 0, 0, 0, -1))


@compilable
def _may_go_on(heap: list[Entry], ends: Int64, client: int, clients: Float64, now_us: int) -> bool:
    """Whether an alarm is valid, somebody is in line and there is a token."""
    if ends[client, 0] < 0 or now_us != clients[client, WAKE_US]:
        return False
    if _token_us(clients[client], now_us) > now_us:
        _set_alarm(heap, client, clients, now_us)
        return False
    return True


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


@compilable
def respond(client: Float64, now_us: int, throttled: bool) -> None:
    """What a client of mode adaptive learns from a response (aws:R5)."""
    client[CALLS] += 1
    half_second = now_us // HALF_SECOND_US
    if half_second > client[HALF_SECOND]:
        client[MEASURED] = measured_rate(client[MEASURED], client[CALLS], half_second - client[HALF_SECOND])
        client[CALLS], client[HALF_SECOND] = 0, half_second
    if throttled:
        client[HIGHEST] = min(client[MEASURED], client[RATE]) if client[SLOWED] != 0 else client[MEASURED]
        client[ZERO_POINT] = cubic_zero_point(client[HIGHEST])
        client[THROTTLED_US], client[SLOWED] = now_us, 1
        wanted = rate_after_throttle(client[HIGHEST])
    else:
        wanted = cubic_rate((now_us - client[THROTTLED_US]) / 1e6, client[ZERO_POINT], client[HIGHEST])
    allowed = allowed_rate(wanted, client[MEASURED])
    _fill(client, now_us)
    client[RATE], client[DEPTH] = fill_rate(allowed), bucket_depth(allowed)
    client[TOKENS] = min(client[TOKENS], client[DEPTH])


@compilable
def _fill(client: Float64, now_us: int) -> None:
    client[TOKENS] = tokens_at(client[TOKENS], client[DEPTH], client[RATE], now_us - client[FILLED_US])
    client[FILLED_US] = now_us


@compilable
def _token_us(client: Float64, now_us: int) -> int:
    """When the client's bucket holds a token; it is filled up to *now_us*."""
    _fill(client, now_us)
    return now_us + wait_for_token_us(client[TOKENS], client[RATE])
