"""What enhanced fan-out pushes, event by event."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from kinsim.engine.plan import NO_LIMIT
from kinsim.engine.pushed_reader import PushedReader
from kinsim.engine.pushes import FREELY, Listener, Pushes, PushPlan
from kinsim.engine.shard_log import ShardLog
from kinsim.engine.tables import SUBSCRIBED, Rows
from kinsim.system.stream import may_read, read_level_after, read_level_at

S = 1_000_000
MIB = 1_048_576
DELAY = 70_000


def log_of(times, size, counts=None):
    log, rows = ShardLog(), Rows.empty(len(times))
    rows.time_us[:] = times
    rows.count[:] = 1 if counts is None else counts
    rows.data_bytes[:] = size * rows.count
    log.append(rows)
    return log


def pushes_of(log, bytes_per_s=2 * MIB, delay=DELAY):
    rows: list[int] = []
    return Pushes(PushPlan(delay, bytes_per_s, True, 0), 0, 3, log, rows), rows


def rows_of(rows):
    """Time, records, bytes and milliseconds behind of each event."""
    return [tuple(rows[i + k] for k in (2, 3, 4, 5)) for i in range(0, len(rows), 6)]


def all_of(pushes, until_us, first=0, from_us=0, room=FREELY):
    while first < pushes.log.end and (end := pushes.take(first, from_us, until_us, room)) > first:
        first = end
    return first


def test_each_record_comes_70_ms_after_it_was_stored():
    pushes, rows = pushes_of(log_of([0, 10, 10, 5 * S], 100))
    assert pushes.due_us(0) == DELAY
    assert all_of(pushes, S) == 3
    assert rows_of(rows) == [(DELAY, 1, 100, 0), (DELAY + 10, 2, 200, 0)]
    assert pushes.due_us(3) == 5 * S + DELAY
    assert all_of(pushes, 5 * S + DELAY - 1, 3) == 3
    assert all_of(pushes, 5 * S + DELAY, 3) == 4


def test_a_burst_goes_out_at_2_mib_a_second():
    """5 MiB at once: events of 1 MiB while the level is at most 2 MiB, so three, then one each half second.

    The first four leave others behind, which are as old as the delay and the wait; the last one none.
    """
    pushes, rows = pushes_of(log_of([0], 1024, 5 * 1024))
    assert all_of(pushes, 10 * S) == 5 * 1024
    at = [DELAY, DELAY, DELAY, DELAY + S // 2, DELAY + S]
    assert rows_of(rows) == [(t, 1024, MIB, t if k < 4 else 0) for k, t in enumerate(at)]


def test_a_record_of_10_mib_keeps_the_rate_for_five_seconds():
    """As of GetRecords (aws:G4): 10 MiB and the second's worth of 2 MiB are down to 2 MiB after 5 s."""
    pushes, rows = pushes_of(log_of([0, 1], 10 * MIB))
    assert all_of(pushes, 60 * S) == 2
    assert [time for time, *_ in rows_of(rows)] == [DELAY, DELAY + 5 * S]


def test_without_a_limit_nothing_waits():
    pushes, rows = pushes_of(log_of([0], 1024, 50 * 1024), bytes_per_s=0)
    assert all_of(pushes, DELAY) == 50 * 1024
    assert {time for time, *_ in rows_of(rows)} == {DELAY}
    assert max(size for _, _, size, _ in rows_of(rows)) == MIB


def test_an_event_has_at_most_ten_thousand_records():
    pushes, rows = pushes_of(log_of([0], 1, 25_000))
    all_of(pushes, S)
    assert [records for _, records, _, _ in rows_of(rows)] == [10_000, 10_000, 5_000]


def test_a_subscription_lasts_five_minutes():
    pushes, rows = pushes_of(log_of([0], 1))
    pushes.renew(600 * S)
    pushes.renew(600 * S + 1)
    assert [(time, kind) for time, kind, *_ in rows_of(rows)] == [(k * 300 * S, SUBSCRIBED) for k in range(3)]
    pushes.subscribe(700 * S)
    pushes.renew(1_000 * S)
    assert [time for time, *_ in rows_of(rows)[3:]] == [700 * S]


def test_what_is_pushed_again_takes_of_the_rate():
    """3 MiB at 70 ms and a third of a second later are a level of 7/3 MiB: 1/6 s more until it is 2 MiB."""
    log = log_of([0], 1024, 3 * 1024)
    pushes, rows = pushes_of(log)
    all_of(pushes, S)
    at = DELAY + 333_333
    free = pushes.again(at, 0, 1024, log)
    assert free == DELAY + S // 2
    assert pushes.again(free, 0, 1024, log) is None
    assert rows_of(rows)[-1] == (free, 1024, MIB, free)
    assert pushes.again(free, 0, 1024, log) == free + S // 2


class TickingPushes:
    """One event after another, by the rules alone."""

    def __init__(self, records, delay, limit):
        self.records, self.delay, self.limit = records, delay, limit
        self.level = self.since = self.read = 0
        self.events: list[tuple[int, int, int, int]] = []

    def tick(self, at, buffered, room):
        """All events of an instant."""
        while True:
            there = [r for r in self.records[self.read :] if r[0] + self.delay <= at]
            self.level, self.since = read_level_at(self.level, self.since, at, self.limit), at
            if not there or not may_read(self.level, self.limit) or buffered >= room:
                return
            size = records = 0
            while records < len(there) and (not records or size + there[records][1] <= MIB):
                size += there[records][1]
                records += 1
            self.level = read_level_after(self.level, size, self.limit)
            self.read += records
            buffered += size
            behind = at - there[records - 1][0] if records < len(there) else 0
            self.events.append((at, records, size, behind))


GRID = 1_000


@settings(max_examples=500, deadline=None)
@given(
    gaps=st.lists(st.tuples(st.integers(0, 60), st.sampled_from([2_000, 400_000, 900_000])), min_size=1, max_size=25),
    room=st.sampled_from([800_000, 2_000_000, NO_LIMIT]),
    looks=st.lists(st.tuples(st.integers(1, 500), st.integers(0, 4)), min_size=1, max_size=10),
)
def test_lazy_pushes_equal_events_one_after_another(gaps, room, looks):
    """In milliseconds: at each look the mapping takes some records; in between it holds what it has, and is busy.

    2,000 bytes a millisecond are a rate at which the level is a whole number of bytes at each.
    """
    records, at = [], 0
    for gap, size in gaps:
        at += gap
        records.append((at * GRID, size))
    log, rows = ShardLog(), Rows.empty(len(records))
    rows.time_us[:] = [time for time, _ in records]
    rows.data_bytes[:] = [size for _, size in records]
    log.append(rows)
    plan = SimpleNamespace(
        pushes=PushPlan(5 * GRID, 2_000_000, True, 0), poll_interval_us=0, read_ahead_bytes=room,
        one_batch_per_poll=False, batch_size=5, put_to_get_us=5 * GRID,
    )  # fmt: skip
    made: list[int] = []
    lazy = PushedReader(0, plan, log, 0, made, None)
    ticking = TickingPushes(records, 5 * GRID, 2_000_000)
    taken = now = 0
    for wait, count in looks:
        for tick in range(now, now + wait):
            ticking.tick(tick * GRID, sum(size for _, size in records[taken : ticking.read]), room)
        now += wait
        lazy.catch_up(now * GRID - 1, False)
        assert lazy.read == ticking.read
        taken = min(ticking.read, taken + count)
        lazy.head = taken
    assert rows_of(made) == ticking.events


def test_another_consumer_begins_with_the_run_and_misses_what_has_expired():
    """Ten records of 1 MiB, one of them before the run; kept for 1.2 s: two seconds of pushes are lost of a burst."""
    log = log_of([-5, 0], MIB, [1, 9])
    pushes, rows = pushes_of(log)
    listener = Listener(pushes, 0, 1_200_000, 0)
    listener.advance(60 * S, closed=False)
    sizes = [size for _, records, size, _ in rows_of(rows) if records != SUBSCRIBED]
    times = [time for time, records, _, _ in rows_of(rows) if records != SUBSCRIBED]
    assert sizes == [MIB] * 5
    assert times == [DELAY] * 3 + [DELAY + S // 2, DELAY + S]
    assert listener.seen == 10


def test_a_consumer_of_a_closed_shard_that_has_all_subscribes_no_more():
    pushes, rows = pushes_of(log_of([0], 1))
    listener = Listener(pushes, 0, NO_LIMIT, 0)
    listener.advance(10 * S, closed=False)
    listener.advance(3_600 * S, closed=True)
    assert [records for _, records, _, _ in rows_of(rows)].count(SUBSCRIBED) == 1
