"""The reader's polls, made up for when needed, against a clock that ticks through every poll."""

from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from kinsim.engine.plan import NO_LIMIT
from kinsim.engine.read_budget import ReadBudget
from kinsim.engine.reader import Reader
from kinsim.engine.shard_log import ShardLog
from kinsim.engine.tables import THROTTLED, Rows

INTERVAL = 1_000


def plan_of(read_ahead=NO_LIMIT, delay=0, batch_size=5):
    return SimpleNamespace(
        poll_interval_us=INTERVAL,
        behind_interval_us=INTERVAL,
        put_to_get_us=delay,
        read_ahead_bytes=read_ahead,
        one_batch_per_poll=False,
        batch_size=batch_size,
        call_records=10_000,
        call_bytes=10_485_760,
    )


def log_of(arrivals, size=10):
    log, rows = ShardLog(), Rows.empty(len(arrivals))
    rows.time_us[:] = arrivals
    rows.data_bytes[:] = size
    log.append(rows)
    return log


class TickingReader:
    """Every poll at its own instant, one after another."""

    def __init__(self, plan, arrivals, phase):
        self.plan, self.arrivals, self.next = plan, arrivals, phase
        self.head = self.read = self.calls = 0

    def tick_to(self, now, idle):
        while self.next <= now:
            buffered = self.read - self.head
            if (buffered == 0 and idle) or buffered * 10 < self.plan.read_ahead_bytes:
                self.calls += 1
                self.read = sum(a + self.plan.put_to_get_us <= self.next for a in self.arrivals)
            self.next += INTERVAL


@settings(max_examples=300, deadline=None)
@given(
    arrivals=st.lists(st.integers(0, 20_000), min_size=1, max_size=30).map(sorted),
    phase=st.integers(0, INTERVAL - 1),
    delay=st.sampled_from([0, 300]),
    read_ahead=st.sampled_from([0, 40, 100, NO_LIMIT]),
    busy=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4_000)), min_size=1, max_size=12),
)
def test_lazy_polls_equal_polls_on_the_tick(arrivals, phase, delay, read_ahead, busy):
    plan = plan_of(read_ahead=read_ahead, delay=delay)
    polls: list[int] = []
    lazy, ticking = Reader(0, plan, log_of(arrivals), phase, polls, None), TickingReader(plan, arrivals, phase)
    now = 0
    for records, duration in busy:
        while True:  # idle until something is in the buffer
            lazy.catch_up(now, True)
            ticking.tick_to(now, True)
            assert lazy.read == ticking.read
            if lazy.read > lazy.head:
                break
            look = lazy.next_look_us(now)
            if look is None:
                break
            assert look > now
            now = look
        if lazy.read == lazy.head:
            break
        take = min(records, lazy.read - lazy.head)
        lazy.head += take
        ticking.head += take
        now += duration
        lazy.catch_up(now - 1, False)  # a poll at the very end of an invocation finds the lane idle
        ticking.tick_to(now - 1, False)
        assert lazy.read == ticking.read
    lazy.rest_until(now + 1, True)
    ticking.tick_to(now, True)
    rows = [polls[i : i + 6] for i in range(0, len(polls), 6)]
    assert sum(row[2] for row in rows) == ticking.calls
    assert sum(row[3] for row in rows) == lazy.read == ticking.read


def test_poll_takes_at_most_ten_thousand_records():
    log, rows = ShardLog(), Rows.empty(1)
    rows.count[:] = 25_000
    rows.data_bytes[:] = 2_500_000
    log.append(rows)
    reader = Reader(0, plan_of(), log, 0, [], None)
    reads = []
    for now in (0, 999, 1_000, 2_000):
        reader.catch_up(now, False)
        reads.append(reader.read)
    assert reads == [10_000, 10_000, 20_000, 25_000]


def test_poll_takes_at_most_ten_mebibytes():
    log, rows = ShardLog(), Rows.empty(1)
    rows.count[:] = 12
    rows.data_bytes[:] = 12 * 1_048_576
    log.append(rows)
    reader = Reader(0, plan_of(), log, 0, [], None)
    reader.catch_up(0, True)
    assert reader.read == 10


def test_a_ten_mebibyte_response_blocks_reads_for_five_seconds():
    log, rows = ShardLog(), Rows.empty(1)
    rows.count[:] = 25
    rows.data_bytes[:] = 25 * 1_048_576
    log.append(rows)
    plan = plan_of()
    plan.poll_interval_us = plan.behind_interval_us = 1_000_000
    polls: list[int] = []
    reader = Reader(0, plan, log, 0, polls, ReadBudget(2_097_152, 5))
    reader.catch_up(10_000_000, True)
    rows_ = [polls[i : i + 6] for i in range(0, len(polls), 6)]
    served = [(row[1] // 1_000_000, row[3]) for row in rows_ if row[3] > 0]
    assert served == [(0, 10), (5, 10), (10, 5)]
    assert sum(row[3] == THROTTLED for row in rows_) == 8


def calls_of(polls):
    """(time, number, records) of each row."""
    return [(polls[i + 1], polls[i + 2], polls[i + 3]) for i in range(0, len(polls), 6)]


def test_empty_calls_are_refused_too_while_the_bytes_are_used_up():
    """10 MiB at 0 s: the calls at 1, 2, 3 and 4 s are refused though nothing is left to read, that at 5 s is served."""
    plan = plan_of()
    plan.poll_interval_us = plan.behind_interval_us = 1_000_000
    polls: list[int] = []
    reader = Reader(0, plan, log_of([0], size=10 * 1_048_576), 0, polls, ReadBudget(2_097_152, 5))
    reader.rest_until(7_500_000, True)
    assert calls_of(polls) == [(0, 1, 1), (1_000_000, 4, THROTTLED), (5_000_000, 3, 0)]


def test_five_calls_a_second_are_never_too_many():
    """A mapping that is behind polls every 200 ms, and finds one token in the bucket each time."""
    plan, log, rows = plan_of(), ShardLog(), Rows.empty(1)
    rows.count[:] = 1_000_000
    log.append(rows)
    plan.poll_interval_us, plan.behind_interval_us = 1_000_000, 200_000
    polls: list[int] = []
    Reader(0, plan, log, 0, polls, ReadBudget(2_097_152, 5)).catch_up(9_999_999, True)
    assert calls_of(polls) == [(200_000 * k, 1, 10_000) for k in range(50)]


def test_ten_calls_a_second_are_twice_too_many():
    """Call k, at k/10 s, finds k - k/2 missing of 5: those up to number 8 are served, then every other one."""
    plan = plan_of()
    plan.poll_interval_us = plan.behind_interval_us = 100_000
    polls: list[int] = []
    Reader(0, plan, log_of([9_999_999]), 0, polls, ReadBudget(2_097_152, 5)).rest_until(9_999_999, True)
    served = [time // 100_000 for time, _, records in calls_of(polls) if records == 0]
    assert served == [*range(9), *range(10, 100, 2)]
    assert sum(records == THROTTLED for _, _, records in calls_of(polls)) == 46


@settings(max_examples=200, deadline=None)
@given(
    reads=st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(0, 10_485_760)), max_size=12),
    gap=st.integers(0, 3_000_000),
    calls=st.integers(1, 40),
    interval=st.integers(50_000, 1_500_000),
)
def test_calls_that_find_nothing_are_answered_together_as_one_by_one(reads, gap, calls, interval):
    together, one_by_one = ReadBudget(2_097_152, 5), ReadBudget(2_097_152, 5)
    now = 0
    for wait, size in reads:
        now += wait
        served = together.admits(now)
        assert one_by_one.admits(now) == served
        if served:
            together.give(size)
            one_by_one.give(size)
    now += gap
    expected = [0 if one_by_one.admits(now + k * interval) else THROTTLED for k in range(calls)]
    found: list[int] = []
    while len(found) < calls:
        number, answer = together.find_nothing(now + len(found) * interval, calls - len(found), interval)
        found += [answer] * number
    assert found == expected
    for at in range(now + calls * interval, now + calls * interval + 2_000_000, 100_000):
        assert together.admits(at) == one_by_one.admits(at)
