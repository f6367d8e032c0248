"""The memory that each invocation used, where the scenario says what the code needs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kinsim.engine.shard_log import ShardLog
from kinsim.measure.minutes import MinuteStat
from kinsim.measure.runs import Columns, RunSide
from kinsim.measure.samples import Samples
from kinsim.measure.stretches import Int64
from kinsim.system.function import Function, max_memory_used_mb, memory_needed_mb
from kinsim.system.metrics import MEMORY_METRICS


class MemorySide:
    """Takes the memory of each invocation that ended, as its REPORT line gives it, among the samples of *runs*."""

    def __init__(self, function: Function, runs: RunSide, minutes: int) -> None:
        assert function.memory_used is not None
        self.needs, self.memory_mb, self.runs = function.memory_used, function.memory_size_mb, runs
        for name in MEMORY_METRICS:
            runs.samples[name], runs.minutes[name] = Samples(runs.shards), MinuteStat(minutes)

    def add(self, table: Columns, logs: Mapping[int, ShardLog]) -> None:
        """Invocations that ended, while their records can be read."""
        used_mb = np.array([self._used_mb(size) for size in _body_bytes(table, logs).tolist()], np.float64)
        values = {"memory_used_mb": used_mb, "memory_utilization": used_mb / self.memory_mb}
        millionths = {name: np.floor(value * 1e6 + 0.5).astype(np.int64) for name, value in values.items()}
        self.runs.per_invocation(table["shard"], table["start_us"], millionths)

    def _used_mb(self, body_bytes: int) -> float:
        needed_mb = memory_needed_mb(self.needs.base_mb, self.needs.per_mib_mb, body_bytes)
        return max_memory_used_mb(needed_mb, self.memory_mb)


def _body_bytes(table: Columns, logs: Mapping[int, ShardLog]) -> Int64:
    """Bytes after decompression of each invocation's records."""
    size = np.zeros(table["records"].size, np.int64)
    for line in np.unique(table["line"]).tolist():
        mine = (table["line"] == line) & (table["records"] > 0)
        if mine.any():
            first = table["first"][mine]
            size[mine] = logs[line].amounts("body_bytes", first, first + table["records"][mine])
    return size
