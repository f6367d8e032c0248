"""The Kinesis Agent on the way from its files to the doors: buffers, the publish queue and one call at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator

from kinsim.engine.callers import Caller, Latency, Record, Retries
from kinsim.engine.clock import LEAST_CYCLE_US
from kinsim.engine.draws import uniform
from kinsim.system.agent import AgentPlan, agent_backoff_us, agent_failures
from kinsim.system.producer import NEVER_US


class AgentCaller(Caller):
    """Gathers records into buffers, which wait in a queue until the one before them is through (aws:A1, A2, A4).

    What is rejected of a buffer is put again before the others.  Where the queue is full the files wait.
    """

    def __init__(self, plan: AgentPlan, latency: Latency, retries: Retries) -> None:
        super().__init__()
        self.plan, self.latency, self.retries = plan, latency, retries
        self.files: list[Record] = []
        self.times: list[int] = []
        self.queue: deque[list[Record]] = deque()
        self.call: list[Record] = []
        """On its way, and when it is at the doors."""
        self.call_us = self.close_us = NEVER_US
        self.room_us = 0
        """Since when the queue has had room."""
        self.failures, self.sent = 0.0, 0

    def take(self, records: list[Record], until_us: int) -> None:
        self.files += records
        self.times += [record.created_us for record in records]
        self._look()

    def act(self, now_us: int) -> list[Record]:
        if self.close_us <= self.call_us:
            _, end = self._buffer()
            self.queue.append(self.files[:end])
            del self.files[:end], self.times[:end]
            self._send(now_us)
            return []
        return self.call

    def answered(self, now_us: int, call: list[Record], rejected: list[Record]) -> list[Record]:
        gone = [record for record in rejected if self.retries.too_large(record)]
        again = [record for record in rejected if record not in gone] if gone else rejected
        self.failures = agent_failures(self.failures, len(call), len(again))
        self.call, self.call_us = [], NEVER_US
        if again:
            self.queue.appendleft(again)
        self._send(now_us)
        return gone

    def held(self) -> Iterator[Record]:
        yield from self.files
        for buffer in self.queue:
            yield from buffer
        yield from self.call

    def _send(self, now_us: int) -> None:
        """Put the first buffer of the queue, if no other is on its way, after the wait that is due."""
        if not self.call and self.queue:
            full = len(self.queue) >= self.plan.queue
            self.call = self.queue.popleft()
            if full and len(self.queue) < self.plan.queue:
                self.room_us = now_us
            u = uniform(int(self.retries.jitter_key), self.retries.client, self.sent, 0, 0)
            wait_us = agent_backoff_us(self.failures, self.plan.base_us, self.plan.cap_us, u)
            took_us = wait_us + self.latency.of(self.sent)
            self.call_us = now_us + (took_us if took_us or not self.failures else LEAST_CYCLE_US)
            self.sent += 1
        self._look()

    def _look(self) -> None:
        has_room = bool(self.files) and len(self.queue) < self.plan.queue
        self.close_us = self._buffer()[0] if has_room else NEVER_US
        self.next_us = min(self.close_us, self.call_us)

    def _buffer(self) -> tuple[int, int]:
        """When the buffer that begins with the first record of the files is put into the queue, and its records."""
        most = min(self.plan.records, len(self.times))
        deadline_us = max(self.times[0] + self.plan.age_us, self.room_us)
        end = bisect_right(self.times, deadline_us, 0, most)
        fitting = self._fitting(end)
        if fitting < end:
            return max(self.times[fitting], self.room_us), fitting
        if end == self.plan.records:
            return max(self.times[end - 1], self.room_us), end
        return deadline_us, end

    def _fitting(self, end: int) -> int:
        """How many of the first *end* records fit a buffer's bytes, at least one."""
        total = 0
        for number in range(end):
            total += self.files[number].weight
            if total > self.plan.size_bytes:
                return max(number, 1)
        return end
