"""What an engine gets to know of a scenario: plain numbers in whole microseconds and bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kinsim.engine.admission import Limits
from kinsim.engine.matching import Matching
from kinsim.engine.pushes import PushPlan
from kinsim.engine.shared_reader import PlannedReader
from kinsim.scenario.beginning import starting_position_s, tumbling_offset_us
from kinsim.scenario.readers import registered_consumers
from kinsim.system import function as function_rules
from kinsim.system.event_source_mapping import Backoff
from kinsim.system.function import DurationParts
from kinsim.system.on_demand import Growth
from kinsim.system.resharding import Operation, ReshardLimits, planned
from kinsim.system.stream import GET_RECORDS_MAX_BYTES, GET_RECORDS_MAX_RECORDS

if TYPE_CHECKING:
    from kinsim.scenario import Scenario
    from kinsim.system.function import Function
    from kinsim.system.stream import Stream

NO_LIMIT = 1 << 62
"""Stands for a limit that is off where a rule takes a minimum."""

OFF = -1
"""Stands for a limit that is off where a rule tests for it."""

ITERATOR_AGE = {"invoke_start": 0, "invoke_end": 1, "batch_received": 2}
CPU = {
    "quota": function_rules.QUOTA,
    "proportional": function_rules.PROPORTIONAL,
    "unlimited": function_rules.UNLIMITED,
}
FAULT = {
    "error": function_rules.ERROR,
    "timeout": function_rules.TIMEOUT,
    "crash": function_rules.CRASH,
    "call_fails": function_rules.CALL_FAILS,
    "slow": function_rules.SLOW,
}


@dataclass(frozen=True, slots=True)
class Waits:
    """A back-off in microseconds."""

    base_us: float
    factor: float
    cap_us: float
    jitter: float


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault in plain numbers; to_us is OFF where it never ends."""

    kind: int
    from_us: int
    to_us: int
    probability: float
    factor: float
    records: tuple[int, ...]
    """Records that it strikes, by their number on the stream from 1; none: invocations, whatever they hold."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an invocation costs in time, in microseconds; see `kinsim.system.function.run_us`."""

    measured: bool
    """Whether the parts below were measured at a reference memory (then `cpu_fraction` of them is CPU time)."""
    whole_us: float
    fixed_us: float
    per_invocation_us: float
    per_record_us: float
    per_log_event_us: float
    per_mib_us: float
    cpu_fraction: float
    reference_share: float
    share: float
    mode: int
    period_us: float
    rules_us: tuple[float, ...]
    """Work of each of the function's rules on every log event, at one vCPU."""
    rule_calls: tuple[tuple[int, str, str], ...]
    """Rules whose matches make calls: their numbers, and where a shard's log has the time of these calls when they
    are healthy and when they fail."""
    reads_body: bool
    reads_log_events: bool
    draws: tuple[str, ...]
    redraw: bool
    memory_mb: int
    base_mb: float
    """Memory needed without any record, and per MiB of a batch; both 0 where memory is never short."""
    per_mib_mb: float


@dataclass(frozen=True, slots=True)
class Plan:
    """One pipeline in plain numbers."""

    duration_us: int
    drained: bool
    shard_count: int
    operations: tuple[Operation, ...]
    """Splits and merges that end within the run."""
    growth: Growth | None
    """How Kinesis splits the shards by itself, in an on-demand mode."""
    discovery_us: int
    limits: Limits
    retention_us: int
    trim_us: int
    put_to_get_us: int
    """From a record's arrival until the mapping can see it, by a poll or by enhanced fan-out."""
    polled_after_us: int
    """The same for the polls of other applications."""
    read_limits: tuple[int, int] | None
    """Bytes and GetRecords calls a second that a shard gives to all its readers together."""
    call_records: int
    """Most records and bytes that one GetRecords call brings."""
    call_bytes: int
    lanes: int
    """Batches of one shard that may be in flight at once."""
    pooled: bool
    failure_blocks_shard: bool
    shared_readers: tuple[PlannedReader, ...]
    """Other applications that read the stream by shared throughput."""
    pushes: PushPlan | None
    """Enhanced fan-out, where anybody reads by it."""
    batch_size: int
    payload_limit: int
    window_us: int
    tumbling_us: int
    """Length of tumbling windows, 0 without; how much of one is over at the start of the run."""
    tumbling_offset_us: int
    minimum_batch: int
    maximum_retries: int
    """OFF: without limit."""
    maximum_age_us: int
    bisects: bool
    reports_items: bool
    filters: bool
    """Whether the mapping leaves records out."""
    redrive_us: int
    """When discarded records are put back; OFF: never."""
    position_us: int
    """Where the mapping starts reading: -NO_LIMIT at the trim horizon, NO_LIMIT at the latest record, else a time."""
    outages: tuple[tuple[int, int], ...]
    """Times during which the mapping is disabled, in order; the last may end at NO_LIMIT."""
    poll_interval_us: int
    """0: the mapping does not poll, it sees records or gets them pushed."""
    behind_interval_us: int
    random_phase: bool
    read_ahead_bytes: int
    one_batch_per_poll: bool
    overhead_us: int
    rereads: bool
    """Whether a batch that failed is read or pushed once more before each retry."""
    retry_waits: Waits | None
    throttle_waits: Waits | None
    reserved: int | None
    provisioned: int
    timeout_us: int
    cost: Cost
    calls: bool
    faults: tuple[PlannedFault, ...]
    init_limit_us: int
    idle_us: int
    max_age_us: int
    cold_starts: bool

    @property
    def gathers(self) -> bool:
        """Whether a batch may wait for more records."""
        return self.window_us > 0 or self.minimum_batch > 1

    @property
    def keeps_for_ever(self) -> bool:
        """Whether a batch that fails again and again is never given up."""
        return self.retention_us == NO_LIMIT and self.maximum_age_us == NO_LIMIT and self.maximum_retries == OFF


def plan(scenario: Scenario) -> Plan:
    """The plain numbers of *scenario*."""
    stream, mapping, function, run = scenario.stream, scenario.event_source_mapping, scenario.function, scenario.run
    call_records, call_bytes = _call_limits(scenario)
    pushed = stream.enhanced_fan_out
    return Plan(
        duration_us=_us(run.duration_s),
        drained=run.until == "drained",
        shard_count=stream.shard_count,
        operations=_operations(scenario),
        growth=_growth(stream),
        discovery_us=_us(mapping.shard_discovery_s),
        limits=Limits.of(stream),
        retention_us=_us(stream.retention_period_s, NO_LIMIT),
        trim_us=_us(stream.trim_granularity_s),
        put_to_get_us=_us(stream.fan_out_delay_s if pushed else stream.put_to_get_delay_s),
        polled_after_us=_us(stream.put_to_get_delay_s),
        read_limits=_read_limits(scenario) if stream.enforce_read_limits else None,
        call_records=call_records,
        call_bytes=call_bytes,
        lanes=mapping.parallelization_factor,
        pooled=mapping.parallelization == "pooled",
        failure_blocks_shard=mapping.lane_failure_blocks_shard and mapping.parallelization_factor > 1,
        shared_readers=tuple(
            PlannedReader(each.name, each.share, each.bytes_per_s, _us(each.poll_interval_s), call_records, call_bytes)
            for each in stream.consumers
            if not each.enhanced_fan_out
        ),
        pushes=_pushes(scenario),
        batch_size=mapping.batch_size,
        payload_limit=NO_LIMIT if mapping.payload_limit_bytes is None else mapping.payload_limit_bytes,
        window_us=_us(mapping.maximum_batching_window_s),
        tumbling_us=_us(mapping.tumbling_window_s),
        tumbling_offset_us=tumbling_offset_us(scenario),
        minimum_batch=mapping.minimum_batch,
        maximum_retries=OFF if mapping.maximum_retry_attempts is None else mapping.maximum_retry_attempts,
        maximum_age_us=_us(mapping.maximum_record_age_s, NO_LIMIT),
        bisects=mapping.bisect_batch_on_function_error,
        reports_items=mapping.report_batch_item_failures,
        filters=mapping.filters,
        redrive_us=_us(mapping.redrive_at_s, OFF),
        position_us=_position_us(scenario),
        outages=tuple((_us(outage.from_s), _us(outage.to_s, NO_LIMIT)) for outage in mapping.disabled),
        poll_interval_us=0 if pushed else _us(mapping.poll_interval_s),
        behind_interval_us=1_000_000 // mapping.polls_per_second_behind,
        random_phase=mapping.poll_phase == "random",
        read_ahead_bytes=NO_LIMIT if mapping.read_ahead_bytes is None else mapping.read_ahead_bytes,
        one_batch_per_poll=mapping.behind == "one_batch_per_poll",
        overhead_us=_us(mapping.dispatch_overhead_s),
        rereads=mapping.retry_rereads and (pushed or mapping.poll_interval_s > 0),
        retry_waits=_waits(mapping.retry_backoff),
        throttle_waits=_waits(mapping.throttle_backoff),
        reserved=function.reserved_concurrency,
        provisioned=function.provisioned_concurrency or 0,
        timeout_us=_us(function.timeout_s, OFF),
        cost=_cost(function, int(scenario.profile_data.constant("mb_per_vcpu"))),
        calls=bool(function.calls),
        faults=tuple(
            PlannedFault(FAULT[f.kind], _us(f.from_s), _us(f.to_s, OFF), f.probability, f.factor, tuple(f.records))
            for f in function.faults
        ),
        init_limit_us=_us(function.init_limit_s, OFF),
        idle_us=_us(function.environment.idle_s, OFF),
        max_age_us=_us(function.environment.max_age_s, OFF),
        cold_starts=function.cold_start_s is not None,
    )


def _operations(scenario: Scenario) -> tuple[Operation, ...]:
    stream = scenario.stream
    limits = ReshardLimits(_us(stream.reshard_operation_time_s))
    operations = planned(stream.shard_count, stream.reshard, limits) if stream.reshard else []
    return tuple(each for each in operations if each.end_us < _us(scenario.run.duration_s))


def _growth(stream: Stream) -> Growth | None:
    how = stream.on_demand
    if how is None or not stream.on_its_own:
        return None
    most = how.max_write_throughput_bytes
    return Growth(
        period_us=_us(how.peak_period_s),
        delay_us=_us(how.scale_delay_s),
        headroom=how.headroom,
        limit_bytes=stream.bytes_per_s,
        limit_records=stream.records_per_s,
        split_above_bytes=how.split_above_bytes,
        even=how.placement == "even",
        most_shards=NO_LIMIT if most is None else max(stream.shard_count, most // stream.bytes_per_s),
    )


def _read_limits(scenario: Scenario) -> tuple[int, int]:
    constant = scenario.profile_data.constant
    return int(constant("read_bytes_per_s")), int(constant("get_records_per_s"))


def _call_limits(scenario: Scenario) -> tuple[int, int]:
    """Most records and bytes of a GetRecords call (aws:G2)."""
    known = scenario.profile_data.constants
    records, size = known.get("get_records_max_records"), known.get("get_records_max_bytes")
    return (
        GET_RECORDS_MAX_RECORDS if records is None else int(records.value),
        GET_RECORDS_MAX_BYTES if size is None else int(size.value),
    )


def _pushes(scenario: Scenario) -> PushPlan | None:
    stream, mapping = scenario.stream, scenario.stream.enhanced_fan_out
    others = len(registered_consumers(scenario))
    if not mapping and not others:
        return None
    rate = int(scenario.profile_data.constant("efo_bytes_per_s")) if stream.enforce_read_limits else 0
    return PushPlan(_us(stream.fan_out_delay_s), rate, mapping, others)


def _us(seconds: float | None, absent: int = 0) -> int:
    return absent if seconds is None else round(seconds * 1e6)


def _position_us(scenario: Scenario) -> int:
    position = scenario.event_source_mapping.starting_position
    if position == "AT_TIMESTAMP":
        return _us(starting_position_s(scenario))
    return NO_LIMIT if position == "LATEST" else -NO_LIMIT


def _waits(backoff: Backoff | str) -> Waits | None:
    if isinstance(backoff, str):
        return None
    return Waits(backoff.base_s * 1e6, backoff.factor, backoff.cap_s * 1e6, backoff.jitter)


def _cost(function: Function, mb_per_vcpu: int) -> Cost:
    parts = function.duration if isinstance(function.duration, DurationParts) else None
    memory = function.memory_used
    reference = None if parts is None else parts.reference_memory_mb
    return Cost(
        measured=reference is not None,
        whole_us=0.0 if isinstance(function.duration, DurationParts) else (function.duration.constant or 0.0) * 1e6,
        fixed_us=0.0 if parts is None else (parts.fixed_s.constant or 0.0) * 1e6,
        per_invocation_us=0.0 if parts is None else (parts.per_invocation_s.constant or 0.0) * 1e6,
        per_record_us=0.0 if parts is None else parts.per_record_s * 1e6,
        per_log_event_us=0.0 if parts is None else parts.per_log_event_s * 1e6,
        per_mib_us=0.0 if parts is None else parts.per_mib_s * 1e6,
        cpu_fraction=0.0 if parts is None else parts.cpu_fraction or 0.0,
        reference_share=1.0 if reference is None else function_rules.speed(function, reference, mb_per_vcpu),
        share=function_rules.speed(function, function.memory_size_mb, mb_per_vcpu),
        mode=CPU[function.cpu],
        period_us=function.cpu_period_s * 1e6,
        rules_us=tuple(each.per_log_event_s * 1e6 for each in function.rules),
        rule_calls=Matching.of(function).columns_of_calls(),
        reads_body=(parts is not None and parts.per_mib_s > 0) or (memory is not None and memory.per_mib_mb > 0),
        reads_log_events=bool(function.rules) or (parts is not None and parts.per_log_event_s > 0),
        draws=(draws := function_rules.batch_draws_needed(function)),
        redraw=function.redraw == "each_attempt" and bool(draws),
        memory_mb=function.memory_size_mb,
        base_mb=0.0 if memory is None else float(memory.base_mb),
        per_mib_mb=0.0 if memory is None else float(memory.per_mib_mb),
    )
