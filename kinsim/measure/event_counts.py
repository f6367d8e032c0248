"""Lambda's metrics of an event source mapping, where its metrics_config names EventCount (aws:E39)."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.tables import Loss, Outcome, Window
from kinsim.measure.minutes import MinuteStat
from kinsim.measure.reads import calls_by_minute
from kinsim.measure.stretches import MINUTE_US, Int64
from kinsim.system.event_source_mapping import EventSourceMapping


class EventCounts:
    """Records that the mapping polls, filters out, sends to the function, fails with, drops and reports, by minute.

    ASSUMPTIONS, where AWS does not say: InvokedEventCount stands at the start of the invocation, as Invocations does;
    of a batch that failed in part FailedInvokeEventCount has what is not done; what is too large is reported, not
    dropped; records that enhanced fan-out pushes to the mapping count as polled.
    """

    def __init__(self, mapping: EventSourceMapping, minutes: int) -> None:
        names = ["PolledEventCount", "InvokedEventCount", "FailedInvokeEventCount", "DroppedEventCount"]
        names += ["FilteredOutEventCount"] if mapping.filters else []
        self.reports = mapping.on_failure_destination is not None
        names += ["OnFailureDestinationDeliveredEventCount"] if self.reports else []
        self.interval_us = round((mapping.poll_interval_s or 0.0) * 1e6)
        self.minutes = {name: MinuteStat(minutes) for name in names}

    def window(self, window: Window) -> None:
        """Take in one window."""
        self._polls(window.polls[: window.own_polls])
        pushed = window.pushes[(window.pushes["consumer"] == 0) & (window.pushes["records"] >= 0)]
        self._add("PolledEventCount", pushed["time_us"], pushed["records"])
        runs = window.invocations[window.invocations["records"] > 0]
        self._add("InvokedEventCount", runs["start_us"], runs["records"])
        failed = runs[runs["outcome"] != Outcome.OK]
        self._add("FailedInvokeEventCount", failed["end_us"], failed["records"] - failed["done"])
        given_up = "OnFailureDestinationDeliveredEventCount" if self.reports else "DroppedEventCount"
        reported = [Loss.DISCARDED, Loss.TOO_LARGE] if self.reports else [Loss.DISCARDED]
        counted = {"FilteredOutEventCount": [Loss.FILTERED], given_up: reported}
        for name, causes in counted.items():
            lost = window.losses[np.isin(window.losses["cause"], causes)]
            self._add(name, lost["time_us"], lost["records"])

    def _polls(self, polls: NDArray[np.void]) -> None:
        """A call that finds nothing gives a data point of 0, a refused one none."""
        polls = polls[polls["records"] >= 0]
        if polls.size:
            time_us, calls = (np.ascontiguousarray(polls[name]) for name in ("time_us", "calls"))
            row, minute, calls = calls_by_minute(time_us, calls, self.interval_us)
            self.minutes["PolledEventCount"].add(minute, polls["records"][row], calls)

    def _add(self, name: str, time_us: Int64, records: Int64) -> None:
        if records.size:
            self.minutes[name].add(time_us // MINUTE_US, records)


def mapping_uuid(name: str) -> str:
    """What stands for the UUID of a pipeline's event source mapping: always the same for one name.

    >>> mapping_uuid("orders") == mapping_uuid("orders"), len(mapping_uuid("orders"))
    (True, 36)
    """
    return str(uuid5(NAMESPACE_URL, f"kinsim:{name}"))
