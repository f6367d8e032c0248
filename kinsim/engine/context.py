"""What the drawing of one source may know, and the windows in which it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from kinsim.engine.draws import Purpose, address_key, generator
from kinsim.engine.matching import Matching
from kinsim.engine.tables import Rows
from kinsim.system.partition_keys import KeyTable
from kinsim.system.producer import Producer
from kinsim.system.workload import ONLY_SOURCE, Source
from kinsim.units import format_duration, parse_time

if TYPE_CHECKING:
    from kinsim.scenario import Scenario

WINDOWS = (
    10_000, 100_000, 1_000_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000, 300_000_000, 600_000_000, 3_600_000_000,
)  # fmt: skip
"""Lengths that a window may have, in microseconds; each divides the next."""

ROWS_OF_A_WINDOW = 1 << 17
"""Windows are chosen so long that about this many rows fall in one."""

BIN_US = 100_000
BINNED_FROM_PER_S = 5_000.0
"""Without a write limiter, sources of this mean rate are counted in bins of `BIN_US` unless they say otherwise."""


def window_for(rows_per_s: float, bin_us: int = 0) -> int:
    """Longest window in which *rows_per_s* makes at most about `ROWS_OF_A_WINDOW` rows; a whole number of bins.

    >>> window_for(0.8), window_for(1_000.0), window_for(1e6)
    (3600000000, 60000000, 100000)
    >>> window_for(1e6, 10_000_000)        # at least a bin
    10000000
    """
    possible = [w for w in WINDOWS if not bin_us or w % bin_us == 0]
    fitting = [w for w in possible if rows_per_s * w / 1e6 <= ROWS_OF_A_WINDOW]
    return fitting[-1] if fitting else possible[0]


def window_of_bins(rows_per_s: float, bin_us: int) -> int:
    """The same for a source whose counts are drawn bin by bin, however many records there are.

    >>> window_of_bins(1e9, 30_000_000), window_of_bins(1e6, 0)
    (3600000000, 100000)
    """
    return window_for(min(rows_per_s, 1e6 / bin_us) if bin_us else rows_per_s, bin_us)


@dataclass(frozen=True)
class Context:
    """What the drawing of one source may know."""

    source: Source
    name: str
    number: int
    seed: int
    reader_seed: int
    """Of what belongs to the function that works the records off."""
    replication: int
    duration_us: int
    drained: bool
    base_dir: Path
    week_offset_us: int
    """Time from a Monday's midnight to the start of the run."""
    producer: Producer
    """The source's own, or the scenario's."""
    bin_us: int
    """0: a row per record; else counts per bin of this width."""
    call_bytes: int = -1
    """Most bytes of a PutRecords call, keys included; -1: without limit."""
    matched: bool = False
    """Whether it is drawn for each record what the function's rules do with it."""

    def generator(self, purpose: Purpose, *entity: int) -> np.random.Generator:
        """Random numbers for one thing of this source."""
        return generator(self.seed, self.replication, purpose, self.name, *entity)

    @property
    def path(self) -> str:
        """Where the source stands in the scenario."""
        return "workload" if self.name == ONLY_SOURCE else f"workload.sources.{self.name}"

    @property
    def records_differ(self) -> bool:
        """Whether records have sizes, log events, work or matches of their own, so that each is a row."""
        source = self.source
        spreads = (source.record_size_bytes, source.log_events_per_record, source.work_s)
        return not self.bin_us and (self.matched or any(spread.constant is None for spread in spreads))

    def key(self, purpose: Purpose) -> int:
        """Address of counter-based draws of this source."""
        return address_key(self.seed, self.replication, purpose, self.name)


class Drawer(Protocol):
    """Draws when the records of one source come, and whatever else its model decides."""

    window_us: int
    """Length of its windows: one of `WINDOWS`."""
    fills: frozenset[str]
    """Columns beyond times and counts that it sets itself."""

    @property
    def key_table(self) -> KeyTable | None:
        """The keys of its rows, where it sets them."""

    def window(self, start_us: int, end_us: int) -> Rows:
        """The records of the next window; windows are asked for once each, in order from 0."""


def contexts(scenario: Scenario, replication: int) -> list[Context]:
    """What the drawing of each source may know, in order of the sources."""
    run = scenario.run
    return [
        Context(
            source=source,
            name=name,
            number=number,
            seed=scenario.member.stream_seed,
            reader_seed=scenario.member.reader_seed,
            replication=replication,
            duration_us=microseconds(run.duration_s),
            drained=run.until == "drained",
            base_dir=scenario.base_dir,
            week_offset_us=week_offset_us(run.start_time),
            producer=source.producer or scenario.producer,
            bin_us=bin_width_us(source, bool(scenario.stream.limiter)),
            call_bytes=most_call_bytes(scenario),
            matched=Matching.of(scenario.function).by_chance,
        )
        for number, (name, source) in enumerate(scenario.workload.sources.items())
    ]


def most_call_bytes(scenario: Scenario) -> int:
    """Most bytes of a PutRecords call (aws:W10); -1 where the profile does not limit calls."""
    profile = scenario.profile_data
    return int(profile.constant("put_records_max_bytes")) if "producer.batch_size" in profile.limits else -1


def bin_width_us(source: Source, limited: bool) -> int:
    """Width of the bins in which a source is counted; 0: a row per record.

    Where writes are limited, each record counts, unless the file says otherwise.
    """
    if source.granularity == "record":
        return 0
    if source.granularity is not None:
        return microseconds(source.granularity)
    rate = source.arrivals.mean_rate_per_s()
    return BIN_US if not limited and rate is not None and rate >= BINNED_FROM_PER_S else 0


def granularity(scenario: Scenario) -> dict[str, str]:
    """For each source ``record``, or the width of the bins in which its records are counted, such as ``100ms``."""
    limited = bool(scenario.stream.limiter)
    widths = {name: bin_width_us(source, limited) for name, source in scenario.workload.sources.items()}
    return {name: format_duration(width_us / 1e6) if width_us else "record" for name, width_us in widths.items()}


def week_offset_us(start_time: str | None) -> int:
    """Time from the last Monday's midnight (UTC) to the start of a run; 0 where it is not given.

    >>> week_offset_us("2017-06-01T06:00:00Z") / 3.6e9          # a Thursday
    78.0
    """
    if start_time is None:
        return 0
    start = parse_time(start_time)
    seconds = start.weekday() * 86_400 + start.hour * 3_600 + start.minute * 60 + start.second
    return seconds * 1_000_000 + start.microsecond


def microseconds(seconds: float) -> int:
    """Whole microseconds, rounded half up."""
    return int(seconds * 1e6 + 0.5)
