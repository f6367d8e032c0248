"""Records offered through clients that hold some back: a rate that a client sets itself, a buffer that may be full.

Each row is one record here.  A record passes the buffer's gate, then waits for a token if its client is slowed, is
offered, and keeps its place in the buffer until it is accepted or given up.  May be compiled.
"""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.offers import admit, never_again, retry_wait_us, table_of
from kinsim.engine.tables import Int64
from kinsim.rule import compilable
from kinsim.system.producer import BLOCK, DROP_NEWEST, has_room
from kinsim.system.sdk_client import (
    HALF_SECOND_US,
    allowed_rate,
    bucket_depth,
    cubic_rate,
    cubic_zero_point,
    fill_rate,
    measured_rate,
    quota_after_success,
    rate_after_throttle,
    tokens_at,
    wait_for_token_us,
)

Float64 = NDArray[np.float64]
Entry = tuple[int, int, int, int, int, int, int, int]
"""What waits: time, client, index, attempts, first offer, previous wait, row, place in the buffer (-1: none).

An alarm, which makes a client look at its line again, has index -1 and row -1.
"""

SLOWED, MEASURED, HALF_SECOND, CALLS, HIGHEST, ZERO_POINT, THROTTLED_US, RATE, DEPTH, TOKENS, FILLED_US, WAKE_US = (
    range(12)
)
"""What a client of mode adaptive knows: whether it was ever throttled, its rates and its bucket."""

FOR_TOKEN, AT_GATE = 0, 1
"""The two lines of a client."""


def new_clients(number: int) -> Float64:
    """Clients that were never throttled (aws:R5)."""
    clients = np.zeros((number, 12))
    clients[:, RATE] = clients[:, DEPTH] = 1.0
    return clients


def take_through_clients(
    fresh_us: Int64,
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
) -> tuple[Int64, Int64]:
    """As `take_in_order`, for rows of one record."""
    levels = [level[at] for at in range(level.shape[0])]
    held = np.zeros((plans.shape[0], 3), np.int64)
    heap, line, behind, ends, places = _as_left(waiting, clients, weight, held)
    events = [(0, 0, 0, 0, 0, 0) for _ in range(0)]
    position = 0
    while True:
        fresh_is_next = position < fresh_us.size and (
            len(heap) == 0
            or (fresh_us[position], source[position], index[position]) <= (heap[0][0], heap[0][1], heap[0][2])
        )
        has_token = False
        if fresh_is_next:
            row = position
            now_us, client = fresh_us[row], source[row]
            entry = (now_us, client, index[row], 0, now_us, 0, row, -1)
            position += 1
            if not _passes(entry, plans[client], weight, held, places, line, behind, ends, events):
                continue
        elif len(heap) > 0 and heap[0][0] < until_us:
            entry = heapq.heappop(heap)
            now_us, client = entry[0], entry[1]
            if entry[6] < 0:
                at = _next_in_line(heap, places, line, behind, ends, clients, client, now_us)
                if at < 0:
                    continue
                entry, has_token = line[at], True
            elif entry[7] >= 0 and places[entry[7]] < 0:
                continue
        else:
            break
        _, _, _, attempts, offered_us, previous_us, row, place = entry
        plan = plans[client]
        if plan[9] != 0 and clients[client, SLOWED] != 0:
            if not has_token and _no_token(ends, clients, client, now_us):
                place = _hold(places, held, client, row, weight[row], place)
                line.append((now_us, client, index[row], attempts, offered_us, previous_us, row, place))
                _join(behind, ends[FOR_TOKEN, client])
                _set_alarm(heap, clients, client, now_us, ends[FOR_TOKEN, client, 0] == len(line) - 1)
                continue
            clients[client, TOKENS] -= 1.0
        accepted = admit(now_us, 1, weight[row], settings, levels[shard[row]])
        wait_us = -1
        if accepted == 0 and not never_again(weight[row], plan, settings):
            age_us = now_us - offered_us
            wait_us = retry_wait_us(plan, client, index[row], attempts, age_us, previous_us, quota, jitter_key)
        if wait_us >= 0:
            place = _hold(places, held, client, row, weight[row], place)
            heapq.heappush(heap, (now_us + wait_us, client, index[row], attempts + 1, offered_us, wait_us, row, place))
        else:
            _let_go(places, held, client, weight[row], place)
        if accepted > 0 and plan[6] > 0:
            quota[client] = quota_after_success(quota[client], attempts, 1, plan[6], plan[7], plan[8])
        events.append((now_us, row, attempts, 1, accepted, 1 if accepted == 0 and wait_us < 0 else 0))
        if plan[9] != 0:
            respond(clients[client], now_us, accepted == 0 and not 0 <= settings[6] < weight[row])
            _set_alarm(heap, clients, client, now_us, ends[FOR_TOKEN, client, 0] >= 0)
        _open_gate(heap, now_us, plan, weight, held, places, line, behind, ends[AT_GATE, client])
    return table_of(events), _what_is_left(heap, places, line, behind, ends)


# -- the buffer ----------------------------------------------------------------------------------------------


@compilable
def _passes(
    entry: Entry, plan: Int64, weight: Int64, held: Int64, places: list[int], line: list[Entry], behind: list[int],
    ends: Int64, events: list[tuple[int, int, int, int, int, int]],
) -> bool:  # fmt: skip
    """Whether a new record enters its client's buffer; if not, it is dropped or waits at the gate."""
    now_us, client, _, _, _, _, row, _ = entry
    if plan[10] < 0 and plan[11] < 0:
        return True
    at_gate = ends[AT_GATE, client, 0] >= 0
    if not at_gate and has_room(held[client, 0], held[client, 1], weight[row], plan[10], plan[11]):
        return True
    if plan[12] == BLOCK and has_room(0, 0, weight[row], plan[10], plan[11]):
        line.append(entry)
        _join(behind, ends[AT_GATE, client])
        return False
    if plan[12] == DROP_NEWEST or not has_room(0, 0, weight[row], plan[10], plan[11]):
        events.append((now_us, row, 0, 0, 0, 1))
        return False
    while not has_room(held[client, 0], held[client, 1], weight[row], plan[10], plan[11]):
        place = held[client, 2]
        while places[place] < 0 or places[place + 1] != client:
            place += 2
        events.append((now_us, places[place], 1, 0, 0, 1))
        _let_go(places, held, client, weight[places[place]], place)
        held[client, 2] = place + 2
    return True


@compilable
def _hold(places: list[int], held: Int64, client: int, row: int, weight: int, place: int) -> int:
    """The place of a record in its client's buffer, which it takes if it has none.

    Places are pairs of a row (-1: left) and a client, in order of entry.
    """
    if place >= 0:
        return place
    places.append(row)
    places.append(client)
    held[client, 0] += 1
    held[client, 1] += weight
    return len(places) - 2


@compilable
def _let_go(places: list[int], held: Int64, client: int, weight: int, place: int) -> None:
    if place < 0:
        return
    places[place] = -1
    held[client, 0] -= 1
    held[client, 1] -= weight


@compilable
def _open_gate(
    heap: list[Entry], now_us: int, plan: Int64, weight: Int64, held: Int64, places: list[int], line: list[Entry],
    behind: list[int], ends: Int64,
) -> None:  # fmt: skip
    """Let the first record at the gate in, if there is room; it is offered at once."""
    if ends[0] < 0:
        return
    at = ends[0]
    _, client, index, _, _, _, row, _ = line[at]
    if has_room(held[client, 0], held[client, 1], weight[row], plan[10], plan[11]):
        ends[0] = behind[at]
        place = _hold(places, held, client, row, weight[row], -1)
        heapq.heappush(heap, (now_us, client, index, 0, now_us, 0, row, place))


# -- lines ---------------------------------------------------------------------------------------------------


@compilable
def _join(behind: list[int], ends: Int64) -> None:
    """The last entry of the lines goes to the end of one; each has the number of the one behind it."""
    at = len(behind)
    behind.append(-1)
    if ends[0] < 0:
        ends[0] = at
    else:
        behind[ends[1]] = at
    ends[1] = at


@compilable
def _next_in_line(
    heap: list[Entry], places: list[int], line: list[Entry], behind: list[int], ends: Int64, clients: Float64,
    client: int, now_us: int,
) -> int:  # fmt: skip
    """The entry that an alarm lets go on; -1 if the alarm is void, or nobody is there, or no token."""
    mine = ends[FOR_TOKEN, client]
    while mine[0] >= 0 and places[line[mine[0]][7]] < 0:
        mine[0] = behind[mine[0]]
    if mine[0] < 0 or now_us != clients[client, WAKE_US]:
        return -1
    if token_us(clients[client], now_us) > now_us:
        _set_alarm(heap, clients, client, now_us, True)
        return -1
    at = mine[0]
    mine[0] = behind[at]
    return int(at)


@compilable
def _no_token(ends: Int64, clients: Float64, client: int, now_us: int) -> bool:
    """Whether a call has to wait: others do already, or the bucket holds no token."""
    return bool(ends[FOR_TOKEN, client, 0] >= 0 or token_us(clients[client], now_us) > now_us)


@compilable
def _set_alarm(heap: list[Entry], clients: Float64, client: int, now_us: int, wanted: bool) -> None:
    """Look at the client's line again when its bucket holds a token; earlier alarms are void."""
    if not wanted:
        return
    wake_us = token_us(clients[client], now_us)
    clients[client, WAKE_US] = wake_us
    heapq.heappush(heap, (wake_us, client, -1, 0, 0, 0, -1, -1))


@compilable
def _as_left(
    waiting: Int64, clients: Float64, weight: Int64, held: Int64
) -> tuple[list[Entry], list[Entry], list[int], Int64, list[int]]:
    """What waited at the end of the last window: retries by time, lines, and places in the buffers."""
    heap = [(0, 0, 0, 0, 0, 0, 0, 0) for _ in range(0)]
    line = [(0, 0, 0, 0, 0, 0, 0, 0) for _ in range(0)]
    behind = [0 for _ in range(0)]
    places = [0 for _ in range(0)]
    ends = np.full((2, clients.shape[0], 2), -1, np.int64)
    place_of = np.full(waiting.shape[0], -1, np.int64)
    for at in np.argsort(waiting[:, 3], kind="mergesort"):
        if waiting[at, 9] < 2:
            row = waiting[at, 8]
            place_of[at] = _hold(places, held, waiting[at, 1], row, weight[row], -1)
    for at in range(waiting.shape[0]):
        client = waiting[at, 1]
        entry = (
            waiting[at, 0], client, waiting[at, 2], waiting[at, 5], waiting[at, 6], waiting[at, 7], waiting[at, 8],
            place_of[at],
        )  # fmt: skip
        if waiting[at, 9] == 0:
            heap.append(entry)
            continue
        kind = waiting[at, 9] - 1
        if kind == FOR_TOKEN and ends[kind, client, 0] < 0:
            heap.append((int(clients[client, WAKE_US]), client, -1, 0, 0, 0, -1, -1))
        line.append(entry)
        _join(behind, ends[kind, client])
    heapq.heapify(heap)
    return heap, line, behind, ends, places


@compilable
def _what_is_left(heap: list[Entry], places: list[int], line: list[Entry], behind: list[int], ends: Int64) -> Int64:
    """The same as a table with `WAITING_COLUMNS`, where the fourth is the order in which places were taken."""
    left = [(0, 0, 0, 0, 0, 0, 0, 0, 0) for _ in range(0)]
    for each in heap:
        if each[6] >= 0 and (each[7] < 0 or places[each[7]] >= 0):
            left.append((each[0], each[1], each[2], each[3], each[4], each[5], each[6], each[7], 0))
    for kind in range(2):
        for client in range(ends.shape[1]):
            at = ends[kind, client, 0]
            while at >= 0:
                each = line[at]
                if each[7] < 0 or places[each[7]] >= 0:
                    left.append((each[0], each[1], each[2], each[3], each[4], each[5], each[6], each[7], kind + 1))
                at = behind[at]
    table = np.zeros((len(left), 10), np.int64)
    for row in range(len(left)):
        table[row, 0], table[row, 1], table[row, 2], table[row, 5] = left[row][:4]
        table[row, 6], table[row, 7], table[row, 8], table[row, 3] = left[row][4:8]
        table[row, 4], table[row, 9] = 1, left[row][8]
    return table


# -- clients that set themselves a rate ----------------------------------------------------------------------


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
def token_us(client: Float64, now_us: int) -> int:
    """When the client's bucket holds a token; it is filled up to *now_us*."""
    _fill(client, now_us)
    return now_us + wait_for_token_us(client[TOKENS], client[RATE])
