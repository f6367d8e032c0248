"""What enhanced fan-out pushes, as CloudWatch counts it for each registered consumer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.tables import SUBSCRIBED, Window
from kinsim.measure.minutes import MinuteStat
from kinsim.measure.periods import Minutes
from kinsim.measure.result import Series
from kinsim.measure.stretches import MINUTE_US
from kinsim.system.metrics import CLOUDWATCH, PER_CONSUMER


class FanOutSide:
    """Events and subscriptions per minute, of each consumer: the mapping is number 0, where it is one."""

    def __init__(self, consumers: list[str | None], minutes: int) -> None:
        """*consumers* by number; None: not registered."""
        self.consumers = consumers
        self.tables = [PushTables(minutes) for _ in consumers]
        self.bytes = 0
        """Data pushed to all of them."""

    def window(self, window: Window) -> None:
        """Take in one window."""
        self.add(window.pushes)

    def add(self, pushes: NDArray[np.void]) -> None:
        """Take in rows of the table PUSH."""
        consumer = pushes["consumer"]
        for number, table in enumerate(self.tables):
            rows = pushes[consumer == number]
            if rows.size:
                table.add(rows)
        self.bytes += int(pushes["bytes"].sum())

    def of_mapping(self, minutes: int) -> dict[str, Minutes]:
        """The mapping's metrics, none where it is not registered."""
        return {} if self.consumers[0] is None else self.tables[0].minutes(minutes)

    def series(self, minutes: int, stream: str) -> list[Series]:
        """The series of all consumers; *stream* is their dimension of the stream."""
        return [
            series
            for consumer, pushes in zip(self.consumers, self.tables, strict=True)
            if consumer is not None
            for table in pushes.minutes(minutes).values()
            for series in table.series(f"{stream},ConsumerName={consumer}")
        ]


class PushTables:
    """Of one consumer, by CloudWatch's names."""

    def __init__(self, minutes: int) -> None:
        self.by_name = {name: MinuteStat(minutes) for name in PER_CONSUMER}

    def minutes(self, minutes: int) -> dict[str, Minutes]:
        """Its metrics in so many minutes."""
        of = [(CLOUDWATCH[name], stat) for name, stat in self.by_name.items()]
        return {m.name: Minutes.of(m.name, m.unit, m.statistics, stat, minutes) for m, stat in of}

    def add(self, pushes: NDArray[np.void]) -> None:
        """Take in its rows of the table PUSH."""
        calls = pushes["records"] == SUBSCRIBED
        made = pushes["time_us"][calls] // MINUTE_US
        self.by_name["SubscribeToShard.RateExceeded"].add(made, np.zeros(made.size, np.int64))
        self.by_name["SubscribeToShard.Success"].add(made, np.ones(made.size, np.int64))
        events = pushes[~calls]
        minute = events["time_us"] // MINUTE_US
        self.by_name["SubscribeToShardEvent.Bytes"].add(minute, events["bytes"])
        self.by_name["SubscribeToShardEvent.MillisBehindLatest"].add(minute, events["behind_us"] / 1e3)
        self.by_name["SubscribeToShardEvent.Records"].add(minute, events["records"])
        self.by_name["SubscribeToShardEvent.Success"].add(minute, np.ones(minute.size, np.int64))
