"""What the event source mapping has read of a shard: GetRecords calls, computed when something depends on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kinsim.engine.plan import NO_LIMIT, Plan
from kinsim.engine.read_budget import ReadBudget
from kinsim.engine.shard_log import ShardLog
from kinsim.engine.tables import THROTTLED
from kinsim.system.event_source_mapping import next_poll_us, poll_at_or_after, reads_ahead


class LineReader(Protocol):
    """What the mapping has read of a line: records before *head* are taken, those before *read* are in its buffer."""

    shard: int
    phase_us: int
    head: int
    read: int

    @property
    def log(self) -> ShardLog: ...

    @property
    def eager(self) -> bool: ...

    @property
    def paused(self) -> bool: ...

    def catch_up(self, now_us: int, idle: bool) -> None: ...

    def next_look_us(self, now_us: int) -> int | None: ...

    def fuller_at_us(self, now_us: int, end: int) -> int | None: ...

    def read_again(self, now_us: int, first: int, end: int) -> int | None: ...

    def polls_on(self) -> bool: ...


class Reader:
    """The mapping's place in one shard: records before *head* are taken, those before *read* are in its buffer.

    Polls happen whether or not anything waits for them, but nothing depends on one until a batch is
    to be formed; so they are made up for then, in order, each as it was at its own instant.
    """

    __slots__ = (
        "_behind",
        "_last_us",
        "_resume_us",
        "batch_limit",
        "budget",
        "eager",
        "head",
        "idle",
        "log",
        "paused",
        "phase_us",
        "plan",
        "polls",
        "read",
        "shard",
    )

    def __init__(
        self, shard: int, plan: Plan, log: ShardLog, phase_us: int, polls: list[int], budget: ReadBudget | None
    ) -> None:
        """*polls* is where rows of the table POLL go, one number after another; without *budget* nothing is refused."""
        self.shard, self.plan, self.log, self.phase_us, self.polls = shard, plan, log, phase_us, polls
        self.budget = budget
        self.idle: Callable[[], bool] = lambda: True
        """Whether nothing of the shard is in flight."""
        self.head = self.read = 0
        self.batch_limit = plan.batch_size if plan.one_batch_per_poll else NO_LIMIT
        self.eager = plan.poll_interval_us == 0 or (plan.read_ahead_bytes == NO_LIMIT and not plan.one_batch_per_poll)
        """Whether polls do not depend on what is taken from the buffer, so that they may be made up for later still."""
        self.paused = False
        """Whether the mapping is disabled: then nothing is read."""
        self._last_us = phase_us - plan.poll_interval_us
        self._resume_us = 0
        self._behind = False

    def catch_up(self, now_us: int, idle: bool) -> None:
        """Make up for all polls due by *now_us*; *idle*: nothing is in flight for this shard since the last call."""
        plan, log = self.plan, self.log
        if plan.poll_interval_us == 0:
            if not self.paused:
                self.read = max(self.read, log.arrived_by(now_us - plan.put_to_get_us))
            return
        if self.budget is not None and len(self.budget.mappings) > 1:
            self.budget.make_calls(now_us + 1)
            if not self._polls_on(idle):
                self._resume_us = now_us + 1
            return
        while self._polls_on(idle):
            if self.read >= log.end:
                return
            due_us = self._due_us()
            if due_us > now_us:
                return
            self._poll(due_us)
        self._resume_us = now_us + 1

    def next_call_us(self) -> int | None:
        """When the mapping calls next, whether there is anything or not; None while it does not."""
        if not self.polls_on():
            return None
        plan = self.plan
        due_us = next_poll_us(
            self._last_us, self._behind, self.phase_us, plan.poll_interval_us, plan.behind_interval_us
        )
        if self._resume_us <= due_us:
            return due_us
        return poll_at_or_after(self._resume_us, self.phase_us, plan.poll_interval_us)

    def call(self, at_us: int) -> None:
        """The call at *at_us*, the next."""
        if self.read < self.log.arrived_by(at_us - self.plan.put_to_get_us):
            self._poll(at_us)
        elif self._behind:
            self._behind = False  # what it was behind of has expired
        else:
            self._empty_calls(at_us + 1)

    def next_look_us(self, now_us: int) -> int | None:
        """When the mapping can next see a record that it has not read; None if none is stored, or it is disabled."""
        if self.paused or self.read >= self.log.end:
            return None
        if self.plan.poll_interval_us == 0:
            return max(now_us, self.log.arrival_us(self.read) + self.plan.put_to_get_us)
        return max(now_us, self._due_us())

    def fuller_at_us(self, now_us: int, end: int) -> int | None:
        """When the mapping next sees more than it has read, up to record *end*; None if nothing tells yet."""
        if self.plan.poll_interval_us == 0:
            return self.log.arrival_us(end - 1) + self.plan.put_to_get_us if end <= self.log.end else None
        return self.next_look_us(now_us) if self._polls_on(True) else None

    def pause(self, now_us: int, idle: bool) -> None:
        """The mapping is disabled from *now_us* on: it forgets what it has read and not yet in hand."""
        self.rest_until(now_us, idle)
        self.read, self.paused = self.head, True

    def resume(self, now_us: int) -> None:
        """The mapping reads again, from the first record that is not settled."""
        self.paused, self._behind = False, False
        self._resume_us = now_us
        self._last_us = max(self._last_us, now_us - 1)

    def rest_until(self, until_us: int, idle: bool) -> None:
        """Account for the calls before *until_us*, empty ones too; the log is complete up to then."""
        self.catch_up(until_us - 1, idle)
        if self.plan.poll_interval_us and self._polls_on(idle):
            self._empty_calls(until_us)

    def read_again(self, now_us: int, first: int, end: int, log: ShardLog | None = None) -> int | None:
        """Read a batch that failed once more (aws:E15); if the call is refused, when the next may be made.

        Its records are numbered as in *log*, by default the shard's.
        """
        plan, log, budget = self.plan, log or self.log, self.budget
        if first == end:
            return None
        self.rest_until(now_us, False)
        if budget is not None and not budget.admits(now_us):
            self._refused(now_us)
            return next_poll_us(now_us, True, self.phase_us, plan.poll_interval_us, plan.behind_interval_us)
        size = log.amount("data_bytes", first, end)
        if budget is not None:
            budget.give(size)
        self.polls += (self.shard, now_us, 1, end - first, size, now_us - log.arrival_us(end - 1))
        return None

    def polls_on(self) -> bool:
        """Whether the mapping polls, with what it has in its buffer."""
        return self._polls_on(self.idle())

    def _polls_on(self, idle: bool) -> bool:
        """Whether the mapping polls, with what it has in its buffer."""
        plan = self.plan
        if self.paused or (plan.one_batch_per_poll and not idle):
            return False
        buffered = self.read - self.head
        size = (
            self.log.amount("data_bytes", self.head, self.read) if buffered and plan.read_ahead_bytes != NO_LIMIT else 0
        )
        return reads_ahead(size, buffered, idle, plan.read_ahead_bytes)

    def _due_us(self) -> int:
        """Next poll that finds the first unread record."""
        plan = self.plan
        due_us = next_poll_us(
            self._last_us, self._behind, self.phase_us, plan.poll_interval_us, plan.behind_interval_us
        )
        visible_us = self.log.arrival_us(self.read) + plan.put_to_get_us
        earliest_us = max(visible_us, self._resume_us)
        if earliest_us <= due_us:
            return due_us
        if self._behind and visible_us <= self._resume_us and plan.behind_interval_us < plan.poll_interval_us:
            return self._resume_us
        return poll_at_or_after(earliest_us, self.phase_us, plan.poll_interval_us)

    def _poll(self, at_us: int) -> None:
        """One GetRecords call that finds records."""
        plan, log = self.plan, self.log
        if not self._behind:
            self._empty_calls(at_us)
        self._last_us = at_us
        budget = self.budget
        if budget is not None and not budget.admits(at_us):
            self._behind = True
            self._refused(at_us)
            return
        visible = log.arrived_by(at_us - plan.put_to_get_us)
        stop = min(visible, self.read + min(plan.call_records, self.batch_limit))
        size = log.amount("data_bytes", self.read, stop)
        if size > plan.call_bytes:
            stop = min(stop, max(self.read + 1, log.within("data_bytes", self.read, plan.call_bytes)))
            size = log.amount("data_bytes", self.read, stop)
        if budget is not None:
            budget.give(size)
        self.polls += (self.shard, at_us, 1, stop - self.read, size, at_us - log.arrival_us(stop - 1))
        self.read = stop
        self._behind = stop < visible

    @property
    def _shares(self) -> bool:
        """Whether a refused call finds the mapping another phase, as others call too."""
        return self.budget is not None and self.budget.is_shared and self.plan.random_phase

    def _refused(self, at_us: int) -> None:
        self.polls += (self.shard, at_us, 1, THROTTLED, 0, 0)
        if self._shares and self.budget is not None:
            self.phase_us = self.budget.next_phase_us(at_us, self.plan.poll_interval_us)

    def _empty_calls(self, until_us: int) -> None:
        """Calls after the last one and before *until_us* that found nothing."""
        interval_us = self.plan.poll_interval_us
        first_us = poll_at_or_after(max(self._last_us + 1, self._resume_us), self.phase_us, interval_us)
        while first_us < until_us:
            calls, answer = (until_us - 1 - first_us) // interval_us + 1, 0
            if self.budget is not None:
                calls, answer = self.budget.find_nothing(first_us, calls, interval_us)
            self.polls += (self.shard, first_us, calls, answer, 0, 0)
            self._last_us = first_us + (calls - 1) * interval_us
            self._behind = False
            if answer == THROTTLED and self._shares and self.budget is not None:
                self.phase_us = self.budget.next_phase_us(self._last_us, interval_us)
            first_us = poll_at_or_after(self._last_us + 1, self.phase_us, interval_us)
