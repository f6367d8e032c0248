"""The state of today: records that are in the stream when the run starts, each as old as its place in the line says.

They came before time 0, so that their arrival times are negative and their ages count; no producer offers them.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from kinsim.engine.context import contexts, microseconds
from kinsim.engine.draws import Purpose, words
from kinsim.engine.even import constant, even_rows
from kinsim.engine.pieces import singles
from kinsim.engine.pipeline import Pipeline, Pricing
from kinsim.engine.tables import Rows
from kinsim.system.partition_keys import RANDOM
from kinsim.system.producer import effective_model

if TYPE_CHECKING:
    from kinsim.scenario import Scenario

ONE_BY_ONE = 200_000
"""Records of a shard's backlog that are drawn one by one where they differ; beyond, sums are drawn minute by minute."""

SAMPLE = 1_000
"""Records of a source that tell what its mean record is, where a trace or the packing of log events decides it."""

DECIDED = frozenset({"data_bytes", "body_bytes", "log_events", "cpu_us"})
"""Columns that an arrival model may decide for each record."""


class InitialBacklog:
    """Makes the records that wait on each shard at time 0; they are like those of the first source."""

    def __init__(self, scenario: Scenario, replication: int) -> None:
        backlog = scenario.run.initial_backlog
        assert backlog is not None
        self.records, self.age_us = backlog.records, max(1, microseconds(backlog.age_s))
        self.context, self.pricing = contexts(scenario, replication)[0], Pricing.of(scenario)
        self.means = self._means()

    def rows(self, shard: int, hash_keys: tuple[int, int]) -> Rows:
        """The records of one shard, whose range of hash keys is given; record i of n at ``-age + floor(i * age / n)``.

        Their keys are random ones of the range, as long as the source's: its own would not reach every shard.
        """
        name = f"{self.context.name} initial backlog {shard}"
        dresser = Pipeline(replace(self.context, name=name), self.pricing)
        rows = even_rows(-self.age_us, 0, Fraction(self.age_us, self.records), Fraction(-self.age_us), 0, self.records)
        if dresser.apart and self.records <= ONE_BY_ONE:
            rows = singles(rows)
        ends = np.cumsum(rows.count)
        rows = replace(rows, index=ends - rows.count - self.records * (shard + 1))
        known = {column: np.asarray(rows.count * mean, np.int64) for column, mean in self.means.items()}
        if "lag_us" in known:
            known["lag_us"] = constant(self.means["lag_us"], len(rows))
        rows = dresser.dressed(rows, **known)
        low, high = (each >> 64 for each in hash_keys)
        drawn = words(self.context.key(Purpose.INITIAL_BACKLOG), rows.index.astype(np.uint64)).astype(np.float64)
        place = np.minimum((drawn / 2.0**64 * (high - low + 1)).astype(np.uint64), np.uint64(high - low))
        return replace(rows, key=constant(RANDOM, len(rows)), hash_high=place + np.uint64(low))

    def _means(self) -> dict[str, int]:
        """What the source's own settings do not say of a record: the mean of the first ones that it brings."""
        source = Pipeline(self.context, self.pricing)
        packed = effective_model(self.context.producer, self.context.source.arrivals.model) == "cloudwatch_logs"
        if not packed and not DECIDED & source.drawer.fills:
            return {}
        names = [*sorted(DECIDED), "key_bytes"]
        records, totals, lag_us, until_us = 0, dict.fromkeys(names, 0), 0, 0
        while records < SAMPLE and until_us < self.context.duration_us:
            until_us += source.window_us
            rows = source.offered_until(until_us)
            records += int(rows.count.sum())
            lag_us += int((rows.lag_us * rows.count).sum())
            for name in names:
                totals[name] += int(getattr(rows, name).sum())
        if not records:
            return {}
        return {name: round(total / records) for name, total in (totals | {"lag_us": lag_us}).items()}
