"""The stream's door against records offered one by one to a bucket kept in exact fractions."""

import heapq
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinsim.engine import admission
from kinsim.engine.admission import Doors, Limits, doors_of, in_parts, in_records
from kinsim.engine.clients import RATE, TOKENS, new_clients, respond
from kinsim.engine.draws import uniform
from kinsim.engine.offers import take_in_order
from kinsim.engine.overlaps import in_order
from kinsim.engine.pieces import record_time_us, singles
from kinsim.engine.tables import Rows
from kinsim.rule import compiled
from kinsim.system.producer import (
    BACKOFF,
    BLOCK,
    DROP_NEWEST,
    DROP_OLDEST,
    FULL,
    NO_JITTER,
    NO_RETRY,
    RetryPlan,
    may_retry,
    retry_delay_us,
)  # fmt: skip
from kinsim.system.stream import FIXED_SECOND, MICRO, TOKEN_BUCKET

NO_PLAN = RetryPlan(NO_RETRY, 1, 0, 0, NO_JITTER, -1)
KEY = 77


class OneDoor:
    """The door of a single shard."""

    def __init__(self, *settings):
        self.doors = Doors([0], *settings)

    def offer(self, rows, until_us):
        return self.doors.offer([rows], until_us)[0]

    def next_retry_us(self):
        return self.doors.next_retry_us(0)


def limits(limiter=TOKEN_BUCKET, records_per_s=10, bytes_per_s=10**6, depth=None, consumes=False, largest=-1):
    return Limits(
        limiter, bytes_per_s, records_per_s, bytes_per_s * MICRO, (depth or records_per_s) * MICRO, consumes, largest
    )


def rows_of(specification):
    """Rows from (gap in us, records, width in us, bytes of each)."""
    rows = Rows.empty(len(specification))
    at_us = 0
    for row, (gap, count, width, size) in enumerate(specification):
        at_us += gap
        rows.time_us[row], rows.count[row], rows.data_bytes[row] = at_us, count, count * size
        if width and count > 1:
            rows.step_numerator[row], rows.step_denominator[row] = width, count
        rows.index[row] = int(rows.count[:row].sum())
        at_us += width
    return rows


def one_by_one(rows, limit, plan):
    """(offers, accepted arrivals, dropped) of a bucket in exact arithmetic, record by record."""
    heap = []
    single = in_records(rows)
    for row in range(len(single)):
        size = int(single.data_bytes[row] // single.count[row])
        for inside in range(int(single.count[row])):
            heap.append(
                (int(single.time_us[row]), int(single.index[row]), inside, 0, int(single.time_us[row]), 0, size)
            )
    heapq.heapify(heap)
    tokens, byte_tokens, since = Fraction(limit.records_capacity, MICRO), Fraction(limit.bytes_capacity, MICRO), 0
    offers, accepted, dropped = 0, [], 0
    while heap:
        now, index, inside, attempts, first_us, previous, size = heapq.heappop(heap)
        offers += 1
        tokens = min(
            Fraction(limit.records_capacity, MICRO), tokens + Fraction((now - since) * limit.records_per_s, MICRO)
        )
        byte_tokens = min(
            Fraction(limit.bytes_capacity, MICRO), byte_tokens + Fraction((now - since) * limit.bytes_per_s, MICRO)
        )
        since = now
        if tokens >= 1 and byte_tokens >= size:
            tokens, byte_tokens = tokens - 1, byte_tokens - size
            accepted.append(now)
            continue
        if limit.rejected_consumes:
            tokens, byte_tokens = max(Fraction(0), tokens - 1), max(Fraction(0), byte_tokens - size)
        u = uniform(KEY, 0, index + inside, attempts, 0)
        wait = retry_delay_us(plan.kind, attempts + 1, plan.base_us, plan.cap_us, plan.jitter, u, previous)
        if plan.kind != NO_RETRY and may_retry(
            attempts + 1, plan.max_attempts, now + wait - first_us, plan.give_up_after_us
        ):
            heapq.heappush(heap, (now + wait, index, inside, attempts + 1, first_us, wait, size))
        else:
            dropped += 1
    return offers, accepted, dropped


def through_door(rows, limit, plan, window_us):
    """The same by the door, window by window."""
    door = OneDoor(limit, [plan], KEY)
    offers, accepted, dropped, start = 0, [], 0, 0
    while start <= int(rows.time_us.max()) or door.next_retry_us() is not None:
        here = (rows.time_us >= start) & (rows.time_us < start + window_us)
        stored, account = door.offer(rows.take(here), start + window_us)
        for row in range(len(stored)):
            for i in range(int(stored.count[row])):
                moved = (i * stored.step_numerator[row] + stored.step_offset[row]) // stored.step_denominator[row]
                accepted.append(int(stored.time_us[row] + moved))
        for part in account:
            offers += int(part.offered.sum())
            dropped += int(part.dropped.sum())
        start += window_us
    return offers, accepted, dropped


SPECIFICATION = st.lists(
    st.tuples(st.integers(0, 300_000), st.integers(1, 12), st.just(0), st.integers(0, 60)), min_size=1, max_size=12
)


@settings(max_examples=300, deadline=None)
@given(SPECIFICATION, st.booleans(), st.sampled_from([NO_JITTER, FULL, None]), st.integers(1, 30))
def test_door_decides_as_a_bucket_in_exact_fractions(specification, consumes, jitter, depth):
    plan = NO_PLAN if jitter is None else RetryPlan(BACKOFF, 4, 40_000, 400_000, jitter, -1)
    rows = rows_of(specification)
    limit = limits(bytes_per_s=500, depth=depth, consumes=consumes)
    assert through_door(rows, limit, plan, 250_000) == one_by_one(rows, limit, plan)


def test_spread_rows_are_admitted_record_by_record():
    rows = rows_of([(0, 40, 2_000_000, 1)])
    limit = limits()  # 20 records/s offered against 10/s with 10 in the bucket
    assert through_door(rows, limit, NO_PLAN, 10**7) == one_by_one(rows, limit, NO_PLAN)


def test_rows_pass_whole_where_nothing_is_rejected():
    rows = rows_of([(0, 10, 0, 1), (500_000, 5, 0, 1)])
    stored, (account,) = OneDoor(limits(), [NO_PLAN], KEY).offer(rows, 10**6)
    assert stored is rows
    assert account.accepted is rows.count


@pytest.mark.parametrize("offered, accepted", [(9, 9), (11, 10)])
def test_fixed_seconds_count_from_the_start_of_the_run(offered, accepted):
    rows = rows_of([(1_999_999 - 1, offered, 0, 1), (2, 10, 0, 1)])
    stored, _ = OneDoor(limits(FIXED_SECOND), [NO_PLAN], KEY).offer(rows, 3 * 10**6)
    assert list(stored.count) == [accepted, 10]


def test_fixed_second_spans_windows():
    door = OneDoor(limits(FIXED_SECOND), [NO_PLAN], KEY)
    first, _ = door.offer(rows_of([(100, 6, 0, 1)]), 500_000)
    second, account = door.offer(rows_of([(600_000, 6, 0, 1)]), 10**6)
    assert (int(first.count.sum()), int(second.count.sum()), int(account[0].dropped.sum())) == (6, 4, 2)


def test_a_record_above_the_largest_size_is_refused_for_good():
    plan = RetryPlan(BACKOFF, -1, 1_000, 1_000, NO_JITTER, -1)
    door = OneDoor(limits(largest=50, bytes_per_s=10**6), [plan], KEY)
    stored, (account,) = door.offer(rows_of([(0, 2, 0, 51), (5, 1, 0, 50)]), 10**6)
    assert list(stored.count) == [1]
    assert list(account.dropped) == [2, 0]
    assert door.next_retry_us() is None


def test_p14_an_entry_that_fails_does_not_stop_those_after_it():
    """case:P14, aws:W11: of 300, 900 and 300 B in one call a bucket of 1,000 B takes the first and the third."""
    stored, (account,) = OneDoor(limits(bytes_per_s=1_000), [NO_PLAN], KEY).offer(
        rows_of([(0, 1, 0, 300), (0, 1, 0, 900), (0, 1, 0, 300)]), 10**6
    )
    assert stored.data_bytes.tolist() == [300, 300]
    assert account.accepted.tolist() == [1, 0, 1]


def test_lag_grows_by_the_wait_of_a_retry():
    plan = RetryPlan(BACKOFF, 3, 150_000, 150_000, NO_JITTER, -1)
    door = OneDoor(limits(records_per_s=10, depth=1), [plan], KEY)
    stored, _ = door.offer(rows_of([(0, 2, 0, 1)]), 10**6)
    assert list(stored.time_us) == [0, 150_000]
    assert list(stored.lag_us) == [0, 150_000]


def test_compiled_loop_decides_the_same(monkeypatch):
    generator = np.random.default_rng(5)
    rows = rows_of(
        [(int(g), int(c), 0, int(s)) for g, c, s in generator.integers([0, 1, 0], [90_000, 9, 60], (400, 3))]
    )
    plan = RetryPlan(BACKOFF, 6, 40_000, 900_000, FULL, 3_000_000)
    limit = limits(records_per_s=60, bytes_per_s=1_500)
    plain = through_door(rows, limit, plan, 10**6)
    monkeypatch.setattr(admission, "WORTH_COMPILING", -1)
    assert compiled(take_in_order) is not take_in_order
    assert through_door(rows, limit, plan, 10**6) == plain
    assert plain[2] > 0 and plain[0] > len(rows)


@given(SPECIFICATION, st.integers(1, 40))
def test_parts_hold_the_same_rows(specification, most):
    rows = rows_of(specification)
    end_us = int(record_time_us(rows, rows.count - 1).max()) + 1
    parts = list(in_parts([(0, end_us, rows)], most))
    assert [p[0] for p in parts] == [0, *(p[1] for p in parts[:-1])]
    assert parts[-1][1] == end_us
    joined = Rows.concatenate([part for _, _, part in parts])
    assert joined.time_us.tolist() == rows.time_us.tolist()
    assert joined.count.tolist() == rows.count.tolist()
    for start_us, until_us, part in parts:
        times = in_records(part).time_us
        assert start_us <= times[0] and times[-1] < until_us


def test_parts_are_of_the_size_asked_for():
    rows = rows_of([(0, 10, 1_000_000, 100)] * 100)
    parts = list(in_parts([(0, 100_000_000, rows)], 100))
    assert [int(part.count.sum()) for _, _, part in parts] == [100] * 10


# -- clients that keep something for all shards ---------------------------------------------------------------


def shared_doors(shards, limit, plan, parts, window_us):
    """Stored arrivals by shard, offers and drops, of doors that decide together; window by window."""
    (doors,) = doors_of(shards, limit, [plan], KEY)
    stored, offers, dropped, start = [[] for _ in range(shards)], 0, 0, 0
    last = max(int(rows.time_us.max()) for rows in parts)
    while start <= last or len(doors.pending):
        here = [rows.take((rows.time_us >= start) & (rows.time_us < start + window_us)) for rows in parts]
        for shard, (taken, account) in enumerate(doors.offer(here, start + window_us)):
            stored[shard] += np.repeat(taken.time_us, taken.count).tolist()
            offers += sum(int(each.offered.sum()) for each in account)
            dropped += sum(int(each.dropped.sum()) for each in account)
        start += window_us
    return stored, offers, dropped


def with_quota(rows_by_shard, limit, plan):
    """The same record by record, with the quota as boto's source has it."""
    heap = []
    for shard, rows in enumerate(rows_by_shard):
        single = in_records(rows)
        for row in range(len(single)):
            at = int(single.time_us[row])
            heap += [(at, int(single.index[row]), i, 0, at, shard) for i in range(int(single.count[row]))]
    heapq.heapify(heap)
    depth = Fraction(limit.records_capacity, MICRO)
    tokens, since = [depth] * len(rows_by_shard), [0] * len(rows_by_shard)
    stored, offers, dropped, quota = [[] for _ in rows_by_shard], 0, 0, plan.quota
    while heap:
        now, index, inside, attempts, first_us, shard = heapq.heappop(heap)
        offers += 1
        tokens[shard] = min(depth, tokens[shard] + Fraction((now - since[shard]) * limit.records_per_s, MICRO))
        since[shard] = now
        if tokens[shard] >= 1:
            tokens[shard] -= 1
            stored[shard].append(now)
            quota = min(plan.quota, quota + (5 if attempts else 1))
            continue
        u = uniform(KEY, 0, index + inside, attempts, 0)
        wait = int(u * min(2.0**attempts, 20.0) * 1e6 + 0.5)
        if attempts + 1 < plan.max_attempts and quota >= 5:
            quota -= 5
            heapq.heappush(heap, (now + wait, index, inside, attempts + 1, first_us, shard))
        else:
            dropped += 1
    return stored, offers, dropped


STANDARD = RetryPlan(BACKOFF, 3, 1_000_000, 20_000_000, FULL, -1, 500, 5, 1, 0)
ADAPTIVE = replace(STANDARD, paced=1)


def two_shards(first, second):
    """Rows for two shards of one source, numbered through."""
    parts = [rows_of(first), rows_of(second)]
    parts[1].index = parts[1].index + int(parts[0].count.sum())
    return parts


@settings(max_examples=200, deadline=None)
@given(SPECIFICATION, SPECIFICATION, st.integers(1, 30), st.integers(5, 60))
def test_a_quota_is_kept_over_all_shards_in_order_of_time(first, second, depth, quota):
    plan = replace(STANDARD, quota=quota)
    limit = limits(bytes_per_s=10**9, depth=depth)
    parts = two_shards(first, second)
    expected = with_quota(parts, limit, plan)
    for window_us in (250_000, 3_000_000):
        assert shared_doors(2, limit, plan, parts, window_us) == expected


@pytest.mark.parametrize("shards", [1, 2])
def test_a_full_quota_pays_for_a_hundred_retries_however_many_shards(shards):
    """aws:R3: 500 tokens at 5 a retry; of 600 records at once none but the first finds room for an hour."""
    plan = replace(STANDARD, max_attempts=2)
    limit = Limits(TOKEN_BUCKET, 10**6, 1, 10**6 * MICRO, 1, False, -1)
    parts = [rows_of([(0, 600 // shards, 0, 1)]) for _ in range(shards)]
    _, offers, dropped = shared_doors(shards, limit, plan, parts, 10**6)
    assert (offers, dropped) == (700, 600)


def test_tokens_come_back_with_success_also_where_whole_columns_pass():
    """After 100 retries the quota is empty; 7 records that pass at once give 7 tokens, enough for one retry more."""
    doors = Doors([0], limits(records_per_s=10, bytes_per_s=10**9), [STANDARD], KEY)
    doors.quota[0] = 0
    doors.offer([rows_of([(0, 7, 0, 1)])], 100_000)
    assert doors.quota[0] == 7
    doors.offer([rows_of([(10**7, 13, 0, 1)])], 10**7 + 1)
    assert len(doors.pending) == 3 and doors.quota[0] == 7 + 10 - 15


class Bucket:
    """boto's client rate limiter as its source has it: CUBIC, measured rate and token bucket."""

    def __init__(self):
        self.enabled, self.measured, self.bucket, self.count = False, 0.0, 0.0, 0
        self.w_max, self.k, self.last_fail = 0.0, 0.0, 0.0
        self.rate, self.depth, self.tokens, self.filled = 1.0, 1.0, 0.0, 0.0

    def refill(self, t):
        self.tokens = min(self.depth, self.tokens + (t - self.filled) * self.rate)
        self.filled = t

    def response(self, t, throttled):
        self.count += 1
        bucket = math.floor(t * 2) / 2
        if bucket > self.bucket:
            self.measured = self.count / (bucket - self.bucket) * 0.8 + self.measured * (1 - 0.8)
            self.count, self.bucket = 0, bucket
        if throttled:
            self.w_max = min(self.measured, self.rate) if self.enabled else self.measured
            self.k, self.last_fail, self.enabled = (self.w_max * (1 - 0.7) / 0.4) ** (1 / 3), t, True
            new = self.w_max * 0.7
        else:
            new = 0.4 * (t - self.last_fail - self.k) ** 3 + self.w_max
        new = min(new, 2.0 * self.measured)
        self.refill(t)
        self.rate, self.depth = max(new, 0.5), max(new, 1.0)
        self.tokens = min(self.tokens, self.depth)


@given(st.lists(st.tuples(st.sampled_from([0, 7, 20_000, 300_000, 2_000_000]), st.booleans()), min_size=1))
def test_a_client_learns_its_rate_as_boto_does(responses):
    """aws:R5."""
    expected, client, now_us = Bucket(), new_clients(1)[0], 0
    for gap_us, throttled in responses:
        now_us += gap_us
        expected.response(now_us / 1e6, throttled)
        respond(client, now_us, throttled)
        assert client[RATE] == pytest.approx(expected.rate)
        assert client[TOKENS] == pytest.approx(expected.tokens, abs=1e-9)


def adaptive_rows(seconds=60, per_s=40):
    """Records at even gaps for two shards, together twice what both take."""
    gap_us = 1_000_000 // per_s
    return two_shards([(gap_us, 1, 0, 1)] * (seconds * per_s), [(gap_us, 1, 0, 1)] * (seconds * per_s))


def test_an_adaptive_client_slows_down_and_loses_less():
    """40 a second to each of two shards that take 20: it waits instead of losing half of all records."""
    limit = limits(records_per_s=20, bytes_per_s=10**9)
    parts = adaptive_rows()
    _, offers, dropped = shared_doors(2, limit, replace(STANDARD, paced=0), parts, 10**6)
    stored, slow_offers, slow_dropped = shared_doors(2, limit, ADAPTIVE, parts, 10**6)
    assert slow_dropped < dropped / 3
    assert slow_offers < offers
    assert len(stored[0]) + len(stored[1]) + slow_dropped == 4_800
    assert max(stored[0]) > 90_000_000  # 2,400 records through 20 a second take two minutes


def test_windows_make_no_difference_to_an_adaptive_client():
    limit = limits(records_per_s=20, bytes_per_s=10**9)
    parts = adaptive_rows(20)
    assert shared_doors(2, limit, ADAPTIVE, parts, 10**6) == shared_doors(2, limit, ADAPTIVE, parts, 7 * 10**6)


def test_records_wait_in_order_for_their_clients_tokens():
    limit = limits(records_per_s=20, bytes_per_s=10**9)
    doors = Doors([0], limit, [replace(ADAPTIVE, max_attempts=1)], KEY)
    (stored, (account,)), *_ = doors.offer([rows_of([(10_000, 1, 0, 1)] * 1_000)], 60 * 10**6)
    assert account.accepted.sum() + account.dropped.sum() + doors.pending_records == 1_000
    assert (np.diff(stored.index) > 0).all()
    assert (stored.lag_us > 0).any()


@pytest.mark.parametrize("plan", [STANDARD, ADAPTIVE])
def test_compiled_clients_decide_the_same(monkeypatch, plan):
    limit, parts = limits(records_per_s=20, bytes_per_s=10**9), adaptive_rows(20)
    plain = shared_doors(2, limit, plan, parts, 10**6)
    monkeypatch.setattr(admission, "WORTH_COMPILING", -1)
    assert shared_doors(2, limit, plan, parts, 10**6) == plain


# -- buffers --------------------------------------------------------------------------------------------------

EVERY_SECOND = RetryPlan(BACKOFF, -1, 1_000_000, 1_000_000, NO_JITTER, -1)


def through_buffer(parts, limit, plan, window_us):
    """(time, index) of what was stored, and the indexes' number dropped, window by window."""
    doors = Doors(list(range(len(parts))), limit, [plan], KEY)
    stored, dropped, start = [], 0, 0
    last = max(int(rows.time_us.max()) for rows in parts)
    while start <= last or len(doors.pending):
        here = [rows.take((rows.time_us >= start) & (rows.time_us < start + window_us)) for rows in parts]
        for taken, account in doors.offer(here, start + window_us):
            for row in range(len(taken)):
                stored += [(int(taken.time_us[row]), int(taken.index[row]) + i) for i in range(int(taken.count[row]))]
            dropped += sum(int(each.dropped.sum()) for each in account)
        start += window_us
    return sorted(stored), dropped


@pytest.mark.parametrize(
    ("when_full", "expected"),
    [
        (DROP_NEWEST, [(0, 0), (1, 1), (2, 2), (3, 3)]),
        (DROP_OLDEST, [(0, 0), (1, 7), (2, 8), (3, 9)]),
        (BLOCK, [(second, second) for second in range(10)]),
    ],
)
def test_ten_records_at_once_find_a_buffer_of_three(when_full, expected):
    """The shard takes one a second: the first record at once, of the others those that the buffer holds in the end."""
    plan = replace(EVERY_SECOND, max_waiting_records=3, when_full=when_full)
    limit = limits(records_per_s=1, bytes_per_s=10**9)
    stored, dropped = through_buffer([rows_of([(0, 10, 0, 1)])], limit, plan, 1_500_000)
    assert [(at // 10**6, index) for at, index in stored] == expected
    assert dropped == 10 - len(expected)


@pytest.mark.parametrize(("max_bytes", "stored"), [(99, 1), (100, 2), (250, 3), (1_000, 10)])
def test_a_buffer_of_bytes(max_bytes, stored):
    """Of records of 100 B, of which one passes at once, it holds as many as fit; one too large for it is dropped."""
    limit = limits(records_per_s=1, bytes_per_s=10**9)
    for when_full in (DROP_NEWEST, DROP_OLDEST):
        plan = replace(EVERY_SECOND, max_waiting_bytes=max_bytes, when_full=when_full)
        found, dropped = through_buffer([rows_of([(0, 10, 0, 100)])], limit, plan, 10**7)
        expected = stored if max_bytes >= 100 else 0
        assert (len(found), dropped) == (expected, 10 - expected)


def buffered(rows_by_shard, limit, plan):
    """The same record by record, with lists."""
    fresh = []
    for shard, rows in enumerate(rows_by_shard):
        single = in_order(singles(rows))
        fresh += [
            (int(single.time_us[i]), int(single.index[i]), shard, int(single.data_bytes[i])) for i in range(len(single))
        ]
    fresh.sort()
    depth = Fraction(limit.records_capacity, MICRO)
    tokens, since = [depth] * len(rows_by_shard), [0] * len(rows_by_shard)
    retries, held, gate, stored, dropped = [], [], [], [], 0

    def offer(now, index, shard, size, attempts, previous):
        nonlocal dropped
        tokens[shard] = min(depth, tokens[shard] + Fraction((now - since[shard]) * limit.records_per_s, MICRO))
        since[shard] = now
        if tokens[shard] >= 1:
            tokens[shard] -= 1
            stored.append((now, index))
        else:
            u = uniform(KEY, 0, index, attempts, 0)
            wait = retry_delay_us(plan.kind, attempts + 1, plan.base_us, plan.cap_us, plan.jitter, u, previous)
            if may_retry(attempts + 1, plan.max_attempts, 0, -1):
                heapq.heappush(retries, (now + wait, index, shard, size, attempts + 1, wait))
                if index not in held:
                    held.append(index)
                return
            dropped += 1
        if index in held:
            held.remove(index)

    def full():
        return len(held) >= plan.max_waiting_records

    while fresh or retries:
        if fresh and (not retries or fresh[0][:2] <= retries[0][:2]):
            now, index, shard, size = fresh.pop(0)
            if full() or gate:
                if plan.when_full == DROP_NEWEST:
                    dropped += 1
                    continue
                if plan.when_full == BLOCK:
                    gate.append((index, shard, size))
                    continue
                oldest = held.pop(0)
                dropped += 1
                retries[:] = [each for each in retries if each[1] != oldest]
                heapq.heapify(retries)
            offer(now, index, shard, size, 0, 0)
        else:
            now, index, shard, size, attempts, previous = heapq.heappop(retries)
            offer(now, index, shard, size, attempts, previous)
        while gate and not full():
            index, shard, size = gate.pop(0)
            held.append(index)
            heapq.heappush(retries, (now, index, shard, size, 0, 0))
    return sorted(stored), dropped


@settings(max_examples=200, deadline=None)
@given(
    SPECIFICATION, SPECIFICATION, st.integers(1, 6), st.sampled_from([DROP_NEWEST, DROP_OLDEST, BLOCK]), st.booleans()
)
def test_a_buffer_is_what_lists_make_of_it(first, second, most, when_full, jitter):
    plan = RetryPlan(BACKOFF, 5, 40_000, 400_000, FULL if jitter else NO_JITTER, -1)
    plan = replace(plan, max_waiting_records=most, when_full=when_full)
    limit = limits(records_per_s=10, bytes_per_s=10**9, depth=2)
    parts = two_shards(first, second)
    expected = buffered(parts, limit, plan)
    assert through_buffer(parts, limit, plan, 250_000) == expected
    assert through_buffer(parts, limit, plan, 10**9) == expected


def test_an_adaptive_client_with_a_buffer_loses_what_does_not_fit():
    limit = limits(records_per_s=20, bytes_per_s=10**9)
    parts = adaptive_rows(20)
    plan = replace(ADAPTIVE, max_waiting_records=50)
    found = through_buffer(parts, limit, plan, 10**6)
    assert found == through_buffer(parts, limit, plan, 7 * 10**6)
    stored, dropped = found
    assert len(stored) + dropped == 1_600
    unlimited = through_buffer(parts, limit, ADAPTIVE, 10**6)
    assert dropped > 2 * unlimited[1]
    assert stored[-1][0] < unlimited[0][-1][0] - 10**6


@pytest.mark.parametrize("when_full", [DROP_NEWEST, DROP_OLDEST, BLOCK])
def test_compiled_buffers_decide_the_same(monkeypatch, when_full):
    limit, parts = limits(records_per_s=20, bytes_per_s=10**9), adaptive_rows(10)
    plan = replace(ADAPTIVE, max_waiting_records=20, when_full=when_full)
    plain = through_buffer(parts, limit, plan, 10**6)
    monkeypatch.setattr(admission, "WORTH_COMPILING", -1)
    assert through_buffer(parts, limit, plan, 10**6) == plain
