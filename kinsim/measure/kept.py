"""Tables of single invocations and records, kept on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.shard_log import Pieces, ShardLog
from kinsim.engine.tables import ONE_LINE, Lines, Loss, Shard, shard_of
from kinsim.measure.runs import Columns, has_iterator_age

OUTCOMES = ("ok", "error", "timeout", "crash", "partial")
INVOCATION_COLUMNS = (
    "replication", "shard", "lane", "first_record", "last_record", "records", "bytes", "attempt", "ready_s", "start_s",
    "end_s", "outcome", "cold", "iterator_age_s",
)  # fmt: skip
RECORD_COLUMNS = (
    "replication", "source", "hash_key", "shard", "size", "offered_s", "accepted_s", "first_invoked_s", "done_s",
    "outcome", "records",
)  # fmt: skip
"""How many records a row stands for comes last; sizes are those of one record."""

Table = dict[str, NDArray[Any]]
HashKeys = Callable[[int, NDArray[np.int64], NDArray[np.uint64]], list[int]]
"""Hash keys of records: source, numbers of their keys, upper halves of random hash keys."""


class KeptInvocations:
    """Rows of invocations.csv."""

    def __init__(self, replication: int, age_at: str) -> None:
        self.replication, self.age_at = replication, age_at
        self._parts: list[Columns] = []

    def add(self, table: Columns, logs: Mapping[int, ShardLog]) -> None:
        """Invocations that ended; their records are told by their numbers on the shard."""
        if not table["start_us"].size:
            return
        first, last = table["first"].copy(), table["first"] + table["records"] - 1
        for line in np.unique(table["line"]).tolist():
            mine = (table["line"] == line) & (table["records"] > 0)
            first[mine], last[mine] = logs[line].on_shard(first[mine]), logs[line].on_shard(last[mine])
        self._parts.append({**table, "first": first, "last": last})

    def table(self) -> Table:
        """All of them, in order of their ends, then of their shards."""
        if not self._parts:
            return {name: np.zeros(0) for name in INVOCATION_COLUMNS}
        columns = {name: np.concatenate([p[name] for p in self._parts]) for name in self._parts[0]}
        order = np.lexsort((columns["line"], columns["end_us"]))
        columns = {name: column[order] for name, column in columns.items()}
        seconds = {name: columns[f"{name}_us"] / 1e6 for name in ("ready", "start", "end")}
        return {
            "replication": np.full(order.size, self.replication),
            "shard": shard_ids(columns["shard"]),
            "lane": columns["lane"],
            "first_record": columns["first"] + 1,
            "last_record": columns["last"] + 1,
            "records": columns["records"],
            "bytes": columns["bytes"],
            "attempt": columns["attempt"],
            **{f"{name}_s": column for name, column in seconds.items()},
            "outcome": np.array(OUTCOMES, object)[columns["outcome"]],
            "cold": columns["init_us"] > 0,
            "iterator_age_s": np.where(
                has_iterator_age(columns), (columns[self.age_at] - columns["last_arrival_us"]) / 1e6, np.nan
            ),
        }


class KeptRecords:
    """Rows of records.csv: each a record, or equal records that share their fate."""

    def __init__(
        self, replication: int, sources: list[str], hash_keys: HashKeys | None, lines: Lines = ONE_LINE
    ) -> None:
        """*lines* of each shard."""
        self.lines = lines
        self.replication, self.sources, self.hash_keys = replication, sources, hash_keys
        self._rows: list[tuple[Pieces, int, int, int, str]] = []
        self._begun: dict[int, list[tuple[int, int, int]]] = {}

    def add(self, table: Columns, losses: NDArray[np.void], logs: Mapping[int, ShardLog]) -> None:
        """Invocations that ended and records that were lost, in one window."""
        names = ("line", "first", "records", "tries", "start_us", "end_us", "done")
        for line, first, records, tries, start_us, end_us, done in zip(
            *(table[n].tolist() for n in names), strict=True
        ):
            if tries == 0:
                self._begun.setdefault(line, []).append((first, first + records, start_us))
            if done:
                self._settle(logs[line], line, first, first + done, end_us, "processed")
        lines = self.lines.of(losses["shard"], losses["lane"])
        lost = (losses[name].tolist() for name in ("time_us", "first", "records", "cause"))
        for line, time_us, first, records, cause in zip(lines.tolist(), *lost, strict=True):
            self._settle(logs[line], line, first, first + records, time_us, Loss(cause).name.lower())

    def put_back(self, table: Columns, logs: Mapping[int, ShardLog]) -> None:
        """Records that had been discarded and are processed after all."""
        for line, first, done, end_us in zip(
            *(table[name].tolist() for name in ("line", "first", "done", "end_us")), strict=True
        ):
            if done:
                self._process_after_all(logs[line], line, first, first + done, end_us)

    def _process_after_all(self, log: ShardLog, line: int, first: int, end: int, time_us: int) -> None:
        rows = []
        for row in self._rows:
            pieces, where, start_us, lost_us, outcome = row
            low, high = int(pieces.first[0]), int(pieces.first[-1] + pieces.count[-1])
            if where != line or outcome != "discarded" or high <= first or low >= end:
                rows.append(row)
                continue
            cut = min(max(low, first), high), max(min(high, end), low)
            for begin, stop, at_us, what in (
                (low, cut[0], lost_us, outcome), (*cut, time_us, "processed"), (cut[1], high, lost_us, outcome),
            ):  # fmt: skip
                if begin < stop:
                    rows.append((log.pieces(begin, stop), line, start_us, at_us, what))
        self._rows = rows

    def rest(self, line: int, log: ShardLog, first: int, end: int, outcome: str) -> None:
        """Records that are neither processed nor lost at the end of the run."""
        self._settle(log, line, first, end, -1, outcome)

    def _settle(self, log: ShardLog, line: int, first: int, end: int, time_us: int, outcome: str) -> None:
        """Rows for the records from *first* up to *end*, apart where their first invocations differ."""
        begun = [b for b in self._begun.get(line, []) if b[1] > first]
        self._begun[line] = begun
        while first < end:
            holds = next((b for b in begun if b[0] <= first), None)
            later = min((b[0] for b in begun if b[0] > first), default=end)
            stop = min(end, holds[1] if holds else later)
            start_us = holds[2] if holds else -1
            self._rows.append((log.pieces(first, stop), line, start_us, time_us, outcome))
            first = stop

    def table(self) -> Table:
        """All of them, in order of arrival, then of their shards."""
        if not self._rows:
            return {name: np.zeros(0) for name in RECORD_COLUMNS}
        sizes = [r[0].count.size for r in self._rows]

        def column(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(r[0], name) for r in self._rows])

        line, start_us, time_us = (np.repeat([r[k] for r in self._rows], sizes) for k in (1, 2, 3))
        count, arrival = column("count"), column("time_us")
        columns = {
            "replication": np.full(arrival.size, self.replication),
            "source": np.array(self.sources, object)[column("source")],
            "hash_key": self._hash_keys(column("source"), column("key"), column("hash_high")),
            "shard": shard_ids(shard_of(line, self.lines.each)),
            "size": column("data_bytes") / count,
            "offered_s": (arrival - column("lag_us")) / 1e6,
            "accepted_s": arrival / 1e6,
            "first_invoked_s": np.where(start_us >= 0, start_us / 1e6, np.nan),
            "done_s": np.where(time_us >= 0, time_us / 1e6, np.nan),
            "outcome": np.repeat(np.array([r[4] for r in self._rows], object), sizes),
            "records": count,
        }
        order = np.lexsort((column("first"), line, arrival))
        return {name: values[order] for name, values in columns.items()}

    def _hash_keys(self, source: NDArray[np.int64], key: NDArray[np.int64], high: NDArray[np.uint64]) -> NDArray[Any]:
        """Hash keys as decimal text, which holds 128 bits; empty where a group has many."""
        result = np.full(source.size, "", object)
        for number in np.unique(source).tolist():
            mine = np.flatnonzero(source == number)
            if self.hash_keys is not None:
                found = self.hash_keys(number, key[mine], high[mine])
            else:
                found = [int(h) << 64 for h in high[mine].tolist()]
            result[mine] = [str(h) if h >= 0 else "" for h in found]
        return result


def shard_ids(shard: NDArray[np.int64]) -> NDArray[Any]:
    """Names of shards by number."""
    top = int(shard.max()) + 1 if shard.size else 0
    return np.array([Shard(number, 0, 0).id for number in range(top)], object)[shard]
