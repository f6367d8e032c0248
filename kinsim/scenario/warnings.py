"""What closed-form arithmetic says will go wrong, before anything is simulated: the spreadsheet, with reasons."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from kinsim.errors import Problem
from kinsim.scenario.arithmetic import BUFFER, NEAR, Arithmetic, payload_bytes
from kinsim.scenario.checks import problem_at
from kinsim.scenario.model import unit_of_statistic
from kinsim.scenario.tree import Path as Steps
from kinsim.system.account import most_executions
from kinsim.system.stream import LARGE_RECORD_BYTES
from kinsim.system.workload.modulation import Modulated
from kinsim.system.workload.trace import TraceArrivals, file_trouble, unused_totals
from kinsim.units import format_duration

if TYPE_CHECKING:
    from kinsim.scenario.model import Scenario

SHORTEST_MS = 1_000
"""A bare number below this, as a limit in milliseconds, was probably meant as seconds."""

Finding = tuple[Steps, str, str]
"""Where, what, and what to try."""


def warnings(scenario: Scenario) -> list[Problem]:
    """Every warning about *scenario*, in order of its lines."""
    known = Arithmetic(scenario)
    found: list[Problem] = []
    for check in CHECKS:
        for steps, message, help in check(known):
            found.append(problem_at(scenario._document, steps, message, help, warning=True))
    return sorted(found, key=lambda problem: (problem.file, problem.line, problem.col))


def batch_time(known: Arithmetic) -> Iterator[Finding]:
    """Batch time against the time-out (aws:E24, M10)."""
    scenario = known.scenario
    timeout = scenario.function.timeout_s
    if timeout is None:
        return
    full = known.full_batch
    takes = known.batch_s(full)
    if takes <= timeout:
        yield from _buffer(known, timeout, takes)
        return
    message = f"{_batch_against(known, timeout, takes)}: it would time out and be retried until it expires"
    cures = known.cures()
    help = f"try {' or '.join(cures)}" if cures else "neither a smaller batch nor more memory is enough: cut the work"
    if known.log_events > 1:
        help += f"; to end in time it must do {full * known.log_events / timeout:,.0f} log events a second"
    elif full > 1:
        help += f"; to end in time it must do {full / timeout:,.3g} records a second"
    yield ("function", "timeout"), message, help


def _batch_against(known: Arithmetic, timeout: float, takes: float) -> str:
    scenario = known.scenario
    line = _line(scenario, ("event_source_mapping", "batch_size"))
    size, memory = scenario.event_source_mapping.batch_size, scenario.function.memory_size_mb
    full = f"a full batch takes {_seconds(takes)} at {memory} MB (batch_size {size}{line})"
    return f"got {format_duration(timeout)}; {full}"


def _buffer(known: Arithmetic, timeout: float, takes: float) -> Iterator[Finding]:
    """Full batches that end in time on average, but leave no buffer (claim:C6)."""
    heavy = known.batch_s(known.full_batch, heavy=True)
    if takes <= BUFFER * timeout and heavy <= NEAR * timeout:
        return
    message = _batch_against(known, timeout, takes)
    if heavy > 1.005 * takes:
        message += f" and one in a thousand about {_seconds(heavy)}"
    if heavy > timeout:
        message += ": such batches would time out and be retried until they expire"
    else:
        message += ": little is left for slow runs"
    cures = known.cures(BUFFER, heavy=True)
    enough = f"try {' or '.join(cures)}" if cures else "neither a smaller batch nor more memory is enough"
    yield ("function", "timeout"), message, f"runs should end within half of the time-out: {enough}"


def stream_capacity(known: Arithmetic) -> Iterator[Finding]:
    """Arrival rate against what the shards take (aws:W1, W2)."""
    rate, peak = known.rate_per_s, known.peak_per_s
    by_bytes, by_records = known.write_bytes_per_s, known.write_records_per_s
    if rate is None or peak is None or by_bytes is None or by_records is None or _autoscales(known):
        return
    capacity = min(by_records, by_bytes / known.record_bytes if known.record_bytes else math.inf)
    where: Steps = ("stream", "shard_count")
    shards = _shards(known)
    of_bytes = " of the bytes" if capacity < by_records else ""
    if known.scenario.stream.on_its_own:
        yield from _outgrown(known, capacity, peak)
    elif rate > capacity:
        needed = known.shards_needed(rate)
        yield (
            where,
            (
                f"{shards} {_take(known)} {capacity:,.0f} records a second of {known.record_bytes:,.0f} B; "
                f"{rate:,.0f} come on average: at least {1 - capacity / rate:.0%}{of_bytes} are rejected"
            ),
            _needs(needed, "bytes", "records"),
        )
    elif math.isfinite(peak) and peak > capacity * (1 + 1e-9):
        needed = known.shards_needed(peak)
        yield (
            where,
            (
                f"{shards} {_take(known)} {capacity:,.0f} records a second of {known.record_bytes:,.0f} B; "
                f"at its peak the workload brings {peak:,.0f}: the rest is rejected then"
            ),
            _needs(needed, "bytes", "records"),
        )
    yield from _bursts_at_once(known, capacity)


def _outgrown(known: Arithmetic, capacity: float, peak: float) -> Iterator[Finding]:
    """A load above what an on-demand stream takes at the start (aws:S13, S14)."""
    how = known.scenario.stream.on_demand
    if how is None or not math.isfinite(peak) or peak <= capacity * (1 + 1e-9):
        return
    yield (
        ("stream", "stream_mode"),
        (
            f"{_shards(known)} {_take(known)} {capacity:,.0f} records a second of {known.record_bytes:,.0f} B at the "
            f"start; the workload brings {peak:,.0f} at its peak: the stream takes {how.headroom:g} times what it "
            f"took, {format_duration(how.scale_delay_s)} later, and rejects the rest until then"
        ),
        "write the shard_count that it has today, or a warm_throughput (ON_DEMAND_ADVANTAGE)",
    )


def _bursts_at_once(known: Arithmetic, capacity: float) -> Iterator[Finding]:
    stream = known.scenario.stream
    for name, burst in known.bursts():
        if burst.spread_s > 0:
            continue
        size = known.burst_records(name, burst)
        records = stream.write_burst_records or stream.records_per_s
        by_bytes = (stream.write_burst_bytes or stream.bytes_per_s) / max(known.record_bytes, 1.0)
        room = known.used_shards * min(records, by_bytes)
        if size > room:
            yield (
                _source(known, name, "arrivals", "size"),
                (
                    f"a burst brings {size:,.0f} records at once; {_shards(known)} {_take(known)} about {room:,.0f} "
                    f"at once and {capacity:,.0f} a second: the rest is rejected"
                ),
                "add shards, give the producer retries, or write spread: 10s if records come over a time",
            )


def consumer_capacity(known: Arithmetic) -> Iterator[Finding]:
    """Arrival rate against what the function gets through (aws:E12)."""
    rate, speed = known.rate_per_s, known.consumer_per_s()
    if rate is None or not 0 < speed < rate or _autoscales(known) or known.scenario.stream.on_its_own:
        return
    slope = 1 - speed / rate
    retention = known.scenario.stream.retention_period_s
    later = f"; after {_seconds(retention / slope)} records expire unread" if retention is not None else ""
    needed = known.shards_needed(rate)
    yield (
        ("stream", "shard_count"),
        (
            f"the function gets through {speed:,.4g} records a second, {known.slots} at once in batches of "
            f"{known.full_batch}; {rate:,.4g} come: IteratorAge grows by {slope:.2g} s every second{later}"
        ),
        f"{_needs(needed, 'consumer speed')}, or give it more memory or larger batches",
    )


def backlog(known: Arithmetic) -> Iterator[Finding]:
    """Retention against the backlog of the longest burst (aws:T1)."""
    retention, speed = known.scenario.stream.retention_period_s, known.consumer_per_s()
    rate = known.rate_per_s
    if retention is None or rate is None or not 0 < speed < math.inf or rate > speed:
        return
    for name, burst in known.bursts():
        size = known.burst_records(name, burst)
        drain = size / speed
        if drain - burst.spread_s >= retention:
            yield (
                _source(known, name, "arrivals", "size"),
                (
                    f"a burst of {size:,.0f} records takes {_seconds(drain)} to work off; "
                    f"records expire after {format_duration(retention)}: the last ones are lost"
                ),
                "keep records longer (stream.retention_period), add shards, or make batches faster",
            )
    usual = {load.name: load.usual_per_s or 0.0 for load in known.loads}
    for name, source in known.scenario.workload.sources.items():
        if not isinstance(source.arrivals, Modulated):
            continue
        for number, incident in enumerate(source.arrivals.bursts):
            rest = sum(usual[other] for other in usual if other != name)
            waiting = (rest + usual[name] * incident.factor - speed) * incident.duration_s
            if waiting / speed >= retention:
                yield (
                    _source(known, name, "arrivals", "bursts", number),
                    (
                        f"after this incident {waiting:,.0f} records wait, {_seconds(waiting / speed)} of work; "
                        f"records expire after {format_duration(retention)}"
                    ),
                    "keep records longer (stream.retention_period), or add shards",
                )


def record_size(known: Arithmetic) -> Iterator[Finding]:
    """Record size against the stream's and the event's limits (aws:W8, E8, E33)."""
    scenario = known.scenario
    largest, mapping = scenario.stream.max_record_size_bytes, scenario.event_source_mapping
    for load in known.loads:
        source = scenario.workload.sources[load.name]
        often = (
            load.data_bytes
            if load.data_bytes != source.record_size_bytes.mean
            else source.record_size_bytes.quantile(0.999)
        )
        high = max(often, load.data_bytes)
        where = _source(known, load.name, "record_size")
        if largest is not None and high + load.key_bytes > largest:
            many = "every record" if load.data_bytes + load.key_bytes > largest else "more than one in a thousand"
            yield (
                where,
                (
                    f"{many} exceeds {largest:,} B, the largest that the stream takes, data and key together: "
                    "it is refused"
                ),
                "write smaller records; max_record_size can be raised where the profile has it",
            )
        event = payload_bytes(high, load.key_bytes, mapping.payload_envelope_bytes)
        if mapping.payload_limit_bytes is not None and event > mapping.payload_limit_bytes:
            yield (
                where,
                (
                    f"in an invocation's event such a record takes {event:,.0f} B, above the limit of "
                    f"{mapping.payload_limit_bytes:,} B: it can never be processed"
                ),
                "write smaller records: base64 adds a third",
            )


def large_records(known: Arithmetic) -> Iterator[Finding]:
    """How many records are above 1 MiB, against what a stream is made for (aws:W9)."""
    most = known.scenario.profile_data.constants.get("large_record_share_max")
    if most is None or known.scenario.stream.max_record_size_bytes == LARGE_RECORD_BYTES:
        return
    share = known.share_above(LARGE_RECORD_BYTES)
    if share > most.value:
        yield (
            ("stream", "max_record_size"),
            (
                f"{share:.1%} of the records are above 1 MiB, more than the {most.value:.0%} that AWS recommends at "
                "most: each takes of the burst that all share, which comes back at the shard's write limit"
            ),
            "send fewer of them, or put their data into S3 and send its place (aws:W9)",
        )


def batch_payload(known: Arithmetic) -> Iterator[Finding]:
    """Batch size against what an event holds (aws:E8)."""
    mapping = known.scenario.event_source_mapping
    limit = known.payload_records
    if limit is not None and 0 < limit < mapping.batch_size:
        yield (
            ("event_source_mapping", "batch_size"),
            (
                f"got {mapping.batch_size}; an event of {mapping.payload_limit_bytes:,} B holds about {limit:,} "
                "of these records, so that batches stay below that"
            ),
            f"batch_size {limit} says what happens",
        )


def concurrency(known: Arithmetic) -> Iterator[Finding]:
    """Shards against the account's concurrency (aws:M25)."""
    account, reserved = known.scenario.account, known.scenario.function.reserved_concurrency
    limit = most_executions(account, reserved)
    factor = known.scenario.event_source_mapping.parallelization_factor
    lanes = known.scenario.stream.shard_count * factor
    of = "shards" if factor == 1 else "lanes of the shards"
    if limit is None or lanes <= limit:
        return
    where, given = ("account", "concurrent_executions"), f"got {limit}"
    if reserved is not None:
        where = ("function", "reserved_concurrency")
    elif limit != account.concurrent_executions:
        where, given = ("account", "other_functions"), f"they leave it {limit} at times"
    yield (
        where,
        f"{given}, but {lanes} {of} may invoke the function at once: the surplus is throttled and waits",
        f"{lanes} or more leaves room for all",
    )


def keys(known: Arithmetic) -> Iterator[Finding]:
    """Fewer keys than shards (aws:W15)."""
    used, shards = known.used_shards, known.scenario.stream.shard_count
    if used < shards:
        first = known.loads[0].name
        yield (
            _source(known, first, "partition_keys"),
            (
                f"{used} {'key goes to one shard' if used == 1 else f'keys reach at most {used} shards'} "
                f"of {shards}: the others stay empty"
            ),
            "use more keys, or fewer shards",
        )


def never_seen(known: Arithmetic) -> Iterator[Finding]:
    """What begins after the end of the run."""
    scenario = known.scenario
    end = scenario.run.duration_s
    text = f"the run ends at {format_duration(end)}"
    for name, source in scenario.workload.sources.items():
        if source.start_s >= end:
            yield _source(known, name, "start"), f"{text}: this source brings nothing", "lengthen run.duration"
        for number, incident in enumerate(source.arrivals.bursts if isinstance(source.arrivals, Modulated) else ()):
            if incident.at_s >= end:
                at = _source(known, name, "arrivals", "bursts", number)
                yield at, f"{text}: it does not see this incident", "lengthen run.duration"
    for number, fault in enumerate(scenario.function.faults):
        if fault.from_s >= end:
            yield ("function", "faults", number), f"{text}: it does not see this fault", "lengthen run.duration"
    for number, entry in enumerate(scenario.stream.reshard):
        if entry.at_s + scenario.stream.reshard_operation_time_s >= end:
            where = ("stream", "reshard", number, "at")
            yield where, f"{text}: it does not see an operation of this entry end", "lengthen run.duration"
    if (scenario.event_source_mapping.redrive_at_s or 0.0) >= end and scenario.run.until == "end":
        at = ("event_source_mapping", "on_failure_destination", "redrive_at")
        yield at, f"{text}: it sees no redrive", "lengthen run.duration, or write run.until: drained"
    for name, burst in known.bursts():
        if burst.first_s >= end:
            yield _source(known, name, "arrivals", "first"), f"{text}: it sees no burst", "lengthen run.duration"


def traces(known: Arithmetic) -> Iterator[Finding]:
    """Traces that cannot be read, where a run stops, and totals of periods that are read as records."""
    scenario = known.scenario
    for name, source in scenario.workload.sources.items():
        if not isinstance(source.arrivals, TraceArrivals):
            continue
        path = source.arrivals.path(scenario.base_dir)
        trouble = file_trouble(path)
        if trouble is not None:
            yield _source(known, name, "arrivals", "file"), *trouble
            continue
        unused = unused_totals(source.arrivals, path)
        if unused is not None:
            gap_s, column = unused
            yield (
                _source(known, name, "arrivals", "file"),
                f"each row is one record; rows come every {format_duration(gap_s)}, and column {column!r} is unused",
                f"did you mean count: {column}?",
            )


def bare_milliseconds(known: Arithmetic) -> Iterator[Finding]:
    """Bare numbers as limits of CloudWatch's metrics in milliseconds that were meant as seconds."""
    scenario = known.scenario
    for name, slo in scenario.slos.items():
        bound = "at_most" if slo.upper else "at_least"
        node = scenario._document.find(("slos", name, bound))
        if node is None or unit_of_statistic(slo.metric, slo.statistic) != "Milliseconds":
            continue
        written = str(node.value).strip()
        if 0 < slo.limit < SHORTEST_MS and not written[-1:].isalpha():
            help = f"write {bound}: {written}s if these are seconds, {written}ms if they are not"
            yield ("slos", name, bound), f"{slo.metric} is in milliseconds: {written} is {slo.limit:g} ms", help


def prices_of_another_region(known: Arithmetic) -> Iterator[Finding]:
    """Prices are those of one region, whatever the scenario names."""
    scenario = known.scenario
    entry = scenario.profile_data.defaults.get("region")
    if entry is not None and scenario.region != entry.value and not scenario.cost.prices:
        yield (
            ("region",),
            f"{scenario.region}: the cost is that of {entry.value}, whose prices the profile has",
            "write the prices of your region under cost.prices; `kinsim profiles NAME` lists their names",
        )


def reads(known: Arithmetic) -> Iterator[Finding]:
    """What readers by shared throughput want together of a shard, against what it serves (aws:G1, G3)."""
    scenario = known.scenario
    if not scenario.stream.enforce_read_limits or not scenario.member.pays_for_stream:
        return
    where: Steps = ("stream", "consumers") if scenario._document.find(("stream", "consumers")) else ("stream",)
    calls = int(scenario.profile_data.constant("get_records_per_s"))
    if known.calls_per_s > calls * (1 + 1e-9):
        yield (
            where,
            f"{known.calls_per_s:.3g} GetRecords calls a second come to each shard, which serves {calls} (aws:G1): the "
            "others are refused and made again later",
            "lengthen a poll_interval, or let a reader have enhanced_fan_out",
        )
    rate, room = known.rate_per_s, known.read_room_bytes_per_s
    if rate is None or known.readers <= 1 or _autoscales(known) or scenario.stream.on_its_own:
        return
    wanted = rate * known.data_bytes * known.readers / known.used_shards
    if wanted > room:
        needed = known.shards_needed(rate)
        yield (
            where,
            f"the readers want {wanted / 1e6:.3g} MB a second of each shard, which gives them "
            f"{max(room, 0.0) / 1e6:.3g} MB (aws:G3): IteratorAge grows without end",
            f"{_needs(needed, 'reads')}, or let a reader have enhanced_fan_out",
        )


CHECKS: tuple[Callable[[Arithmetic], Iterator[Finding]], ...] = (
    batch_time, stream_capacity, reads, consumer_capacity, backlog, record_size, large_records, batch_payload,
    concurrency, keys, never_seen, traces, bare_milliseconds, prices_of_another_region,
)  # fmt: skip


def _source(known: Arithmetic, name: str, *rest: str | int) -> Steps:
    document = known.scenario._document
    named: Steps = ("workload", "sources", name)
    return (*named, *rest) if document.find(named) is not None else ("workload", *rest)


def _autoscales(known: Arithmetic) -> bool:
    """Whether only the run tells how many shards there are."""
    return known.scenario.stream.autoscaling is not None


def _shards(known: Arithmetic) -> str:
    used, shards = known.used_shards, known.scenario.stream.shard_count
    if used < shards:
        return f"the {used} of {shards} shards that get records"
    return f"{shards} shard{'s' if shards > 1 else ''}"


def _needs(needed: dict[str, int], *names: str) -> str:
    parts = [f"{needed[name]} by {name}" for name in names if name in needed]
    return f"shards needed: {', '.join(parts)}" if parts else "add shards"


def _line(scenario: Scenario, steps: Steps) -> str:
    node = scenario._document.find(steps)
    return f", line {node.mark.line}" if node is not None and node.mark.line and node.origin is None else ""


def _seconds(seconds: float) -> str:
    """A time in words that fit its size.

    >>> _seconds(41.23), _seconds(7_200), _seconds(0.0123), _seconds(300_000)
    ('41.2 s', '2 h', '12.3 ms', '3.47 d')
    """
    for limit, size, unit in ((1.0, 1e-3, "ms"), (3_600.0, 1.0, "s"), (172_800.0, 3_600.0, "h")):
        if seconds < limit:
            return f"{_digits(seconds / size)} {unit}"
    return f"{_digits(seconds / 86_400)} d"


def _digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def _take(known: Arithmetic) -> str:
    return "takes" if known.scenario.stream.shard_count == 1 else "take"
