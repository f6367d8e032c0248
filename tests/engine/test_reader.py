"""The reader's polls, made up for when needed, against a clock that ticks through every poll."""

from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from kinsim.engine.plan import NO_LIMIT, OFF
from kinsim.engine.reader import Reader
from kinsim.engine.shard_log import ShardLog
from kinsim.engine.tables import THROTTLED, Rows

INTERVAL = 1_000


def plan_of(read_ahead=NO_LIMIT, read_limit=OFF, delay=0, batch_size=5):
    return SimpleNamespace(
        poll_interval_us=INTERVAL,
        behind_interval_us=INTERVAL,
        put_to_get_us=delay,
        read_ahead_bytes=read_ahead,
        read_limit_per_s=read_limit,
        one_batch_per_poll=False,
        batch_size=batch_size,
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
    lazy, ticking = Reader(0, plan, log_of(arrivals), phase, polls), TickingReader(plan, arrivals, phase)
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
    reader = Reader(0, plan_of(), log, 0, [])
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
    reader = Reader(0, plan_of(), log, 0, [])
    reader.catch_up(0, True)
    assert reader.read == 10


def test_a_ten_mebibyte_response_blocks_reads_for_five_seconds():
    log, rows = ShardLog(), Rows.empty(1)
    rows.count[:] = 25
    rows.data_bytes[:] = 25 * 1_048_576
    log.append(rows)
    plan = plan_of(read_limit=2_097_152)
    plan.poll_interval_us = plan.behind_interval_us = 1_000_000
    polls: list[int] = []
    reader = Reader(0, plan, log, 0, polls)
    reader.catch_up(10_000_000, True)
    rows_ = [polls[i : i + 6] for i in range(0, len(polls), 6)]
    served = [(row[1] // 1_000_000, row[3]) for row in rows_ if row[3] > 0]
    assert served == [(0, 10), (5, 10), (10, 5)]
    assert sum(row[3] == THROTTLED for row in rows_) == 8
