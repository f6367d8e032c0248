"""What can be known of a scenario without simulating it: mean loads, the time of a batch, capacities.

All in SI units; means stand for what varies, except in a *heavy* batch, one of a thousand.  None says that only a
simulation (or a trace's file) tells.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from kinsim.system import function as rules
from kinsim.system.account import most_executions
from kinsim.system.distributions import Distribution
from kinsim.system.function import DurationParts
from kinsim.system.kpl import AGGREGATE_BYTES, KplPlan, kpl_plan, table_key_bytes, user_record_bytes
from kinsim.system.partition_keys import CountedKeys, ListedKeys, PrefixedKeys, mean_key_bytes
from kinsim.system.producer import event_body_bytes, gzip_bytes, subscription_plan
from kinsim.system.workload import Source, mean_rate_per_s, peak_rate_per_s
from kinsim.system.workload.bursts import BurstArrivals
from kinsim.system.workload.vpc_flow_logs import VpcFlowLogsArrivals

if TYPE_CHECKING:
    from kinsim.scenario.model import Scenario

CPU = {"quota": rules.QUOTA, "proportional": rules.PROPORTIONAL, "unlimited": rules.UNLIMITED}


OFTEN = 0.999
"""What a heavy batch has of each amount that is drawn once per batch: the value that one in a thousand exceeds."""
DEVIATIONS = 3.0
"""Standard deviations above its mean that the sum of many draws has in a heavy batch: about one in a thousand."""
BUFFER = 0.5
"""Share of the time-out in which runs should end; the rest is for rare slow events."""
NEAR = 0.8
"""A heavy batch that takes more than this share of the time-out comes near it."""


@dataclass(frozen=True, slots=True)
class Amount:
    """What records differ in: mean, standard deviation, and what one in a thousand exceeds."""

    mean: float
    deviation: float = 0.0
    often: float = math.inf

    @staticmethod
    def of(spread: Distribution) -> Amount:
        """The amount that a distribution gives."""
        return Amount(spread.mean, math.sqrt(spread.variance), spread.quantile(OFTEN))

    def times(self, factor: float, most: float = math.inf) -> Amount:
        """So many times as much, but *most* at the most."""
        return Amount(min(factor * self.mean, most), factor * self.deviation, min(factor * self.often, most))

    def heavy(self, records: int) -> float:
        """Per record of a heavy batch: all somewhat above the mean and one far above, rather too much than too little.

        >>> Amount(10.0, 5.0, 35.0).heavy(100), Amount(10.0, 5.0, 35.0).heavy(1)
        (11.75, 35.0)
        """
        high = self.mean + DEVIATIONS * self.deviation / math.sqrt(records) + (self.often - self.mean) / records
        return max(self.mean, min(self.often, high))


def share_above(spread: Distribution, limit: float) -> float:
    """Probability that *spread* exceeds *limit*, to a millionth, by halving its quantiles.

    >>> from kinsim.system.distributions.families import Uniform
    >>> round(share_above(Uniform[float](distribution="uniform", low=0, high=10), 7.5), 6)
    0.25
    """
    low, high = 0.0, 1.0
    if spread.constant is not None or spread.highest <= limit:
        return float(spread.highest > limit)
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (low, middle) if spread.quantile(middle) > limit else (middle, high)
    return 1.0 - high


@dataclass(frozen=True, slots=True)
class Load:
    """A source in means."""

    name: str
    rate_per_s: float | None
    """Records per second over the run."""
    usual_per_s: float | None
    """The same without incidents."""
    peak_per_s: float | None
    """Highest rate; infinite where records come at once."""
    data_bytes: float
    key_bytes: float
    events: Amount
    """Log events of a record."""
    body: Amount
    """Bytes of a record after decompression."""
    work: Amount
    """CPU seconds at one vCPU that a record brings."""
    keys: int | None
    """Number of different keys where it is small and fixed."""
    packed: tuple[float, float] | None = None
    """Bytes of a record and of each log event in it, where records are packed log events."""

    @property
    def record_bytes(self) -> float:
        """What a record weighs against a shard's limit (aws:W4)."""
        return self.data_bytes + self.key_bytes

    def heaviest(self, records: int, data_bytes: float) -> tuple[float, float, float]:
        """Log events, bytes after decompression and work per record of a heavy batch.

        *data_bytes* is what an invocation's event has room for per record: unequal records do not exceed it together.
        """
        events, body = self.events.heavy(records), self.body.heavy(records)
        if self.packed is None:
            body = min(body, max(data_bytes, self.body.mean))
        else:
            room = max((data_bytes - self.packed[0]) / self.packed[1], self.events.mean)
            events, body = min(events, room), body * min(1.0, room / events)
        return events, body, self.work.heavy(records)


def load_of(name: str, source: Source, scenario: Scenario) -> Load:
    """The means of a source."""
    if isinstance(source.arrivals, VpcFlowLogsArrivals):
        return _flow_logs(name, source, source.arrivals, scenario)
    sent = share_sent(source, scenario)
    load = _as_created(name, source, scenario, sent)
    producer = source.producer or scenario.producer
    return _aggregated(load, kpl_plan(producer.kpl), scenario) if producer.model == "kpl" else load


def _aggregated(load: Load, plan: KplPlan, scenario: Scenario) -> Load:
    """What the Kinesis Producer Library makes of a source: aggregates of what a shard gets while a record may wait."""
    if not plan.aggregates:
        return load
    key_number = 0 if load.keys is not None else 127
    each = user_record_bytes(round(load.data_bytes), key_number)
    each += 0 if load.keys is not None else table_key_bytes(round(load.key_bytes))
    fitting = max(1, min(plan.count, (plan.size_bytes - AGGREGATE_BYTES) // each))
    waiting = (load.rate_per_s or 0.0) / scenario.stream.shard_count * plan.buffered_us / 1e6 + 1.0
    records = min(float(fitting), waiting)
    if records < 2.0:
        return load
    return replace(
        load,
        rate_per_s=_times(load.rate_per_s, 1.0 / records),
        usual_per_s=_times(load.usual_per_s, 1.0 / records),
        peak_per_s=_times(load.peak_per_s, 1.0 / fitting),
        data_bytes=AGGREGATE_BYTES + records * each,
        key_bytes=1.0,
        events=load.events.times(records),
        body=load.body.times(records),
        work=load.work.times(records),
    )


def _as_created(name: str, source: Source, scenario: Scenario, sent: float) -> Load:
    """The means of a source's records."""
    return Load(
        name=name,
        rate_per_s=_times(mean_rate_per_s(source, scenario.run.duration_s), sent),
        usual_per_s=_times(mean_rate_per_s(source), sent),
        peak_per_s=_times(peak_rate_per_s(source), sent),
        data_bytes=source.record_size_bytes.mean,
        key_bytes=mean_key_bytes(source.partition_keys),
        events=Amount.of(source.log_events_per_record),
        body=Amount.of(source.record_size_bytes),
        work=Amount.of(source.work_s),
        keys=_number_of_keys(source),
    )


def share_sent(source: Source, scenario: Scenario) -> float:
    """Share of a source's records, or log events, that its producer sends."""
    keep = (source.producer or scenario.producer).keep
    return 1.0 if keep is None else keep


def _times(rate: float | None, share: float) -> float | None:
    return None if rate is None else rate * share


def _flow_logs(name: str, source: Source, flow: VpcFlowLogsArrivals, scenario: Scenario) -> Load:
    """Flow logs packed into subscription records: each publication of an interface fills as few as it can."""
    plan = subscription_plan(source.producer or scenario.producer, flow.extracted_fields, flow.line_size_bytes)
    lines = flow.lines_per_interface.mean * flow.period_s / flow.aggregation_interval_s * share_sent(source, scenario)
    records = max(1, math.ceil(lines / plan.most_events))
    events = max(lines / records, 1.0)
    body_bytes = event_body_bytes(
        round(events), round(events) * flow.line_size_bytes, plan.event_json_bytes, plan.message_copies
    )
    rate = flow.interfaces * min(lines, records) / flow.period_s
    at_once = math.inf if flow.phase == "aligned" else flow.interfaces * records / max(flow.publish_spread_s, 1.0)
    return Load(
        name=name,
        rate_per_s=rate,
        usual_per_s=rate,
        peak_per_s=rate if flow.phase == "random" else at_once,
        data_bytes=float(gzip_bytes(round(events), plan.gzip_fixed, plan.gzip_per_event)),
        key_bytes=float(mean_key_bytes(source.partition_keys)),
        events=_of_interfaces(flow, events, float(plan.most_events)),
        body=_of_interfaces(flow, events, float(plan.most_events)).times(body_bytes / events),
        work=Amount.of(source.work_s),
        keys=None,
        packed=(plan.gzip_fixed, plan.gzip_per_event),
    )


def _of_interfaces(flow: VpcFlowLogsArrivals, events: float, most: float) -> Amount:
    """Log events of a record, as unequal as the interfaces, up to what a record holds."""
    return Amount.of(flow.lines_per_interface).times(events / flow.lines_per_interface.mean, most)


def _number_of_keys(source: Source) -> int | None:
    keys = source.partition_keys
    if keys == "constant":
        return 1
    if isinstance(keys, ListedKeys):
        return len(set(keys.keys))
    return keys.count if isinstance(keys, (CountedKeys, PrefixedKeys)) else None


class Arithmetic:
    """The closed-form numbers of a scenario, each computed when it is asked for."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.loads = [load_of(name, source, scenario) for name, source in scenario.workload.sources.items()]

    # -- the load

    @cached_property
    def rate_per_s(self) -> float | None:
        """Mean records per second over the run."""
        rates = [load.rate_per_s for load in self.loads]
        return None if None in rates else sum(rate for rate in rates if rate is not None)

    @cached_property
    def peak_per_s(self) -> float | None:
        """Records per second when every source is at its highest."""
        rates = [load.peak_per_s for load in self.loads]
        return None if None in rates else sum(rate for rate in rates if rate is not None)

    def _mean(self, of: Callable[[Load], float]) -> float:
        """Mean over records; sources of unknown rate count as one record per second."""
        weights = [1.0 if load.rate_per_s is None else load.rate_per_s for load in self.loads]
        total = sum(weights)
        if total <= 0:
            return sum(of(load) for load in self.loads) / len(self.loads)
        return sum(weight * of(load) for weight, load in zip(weights, self.loads, strict=True)) / total

    @cached_property
    def record_bytes(self) -> float:
        """Mean bytes of a record with its key."""
        return self._mean(lambda load: load.record_bytes)

    @cached_property
    def data_bytes(self) -> float:
        """Mean bytes of a record without its key, as reads count it."""
        return self._mean(lambda load: load.data_bytes)

    def share_above(self, size_bytes: int) -> float:
        """Share of the records that weigh more than that, keys included."""
        return self._mean(lambda load: self._share_above(load, size_bytes - load.key_bytes))

    def _share_above(self, load: Load, data_bytes: float) -> float:
        size = self.scenario.workload.sources[load.name].record_size_bytes
        if load.data_bytes != size.mean:  # packed by a producer: its mean stands for all
            return float(load.data_bytes > data_bytes)
        return share_above(size, data_bytes)

    @cached_property
    def log_events(self) -> float:
        """Mean log events of a record."""
        return self._mean(lambda load: load.events.mean)

    @cached_property
    def bytes_per_s(self) -> float | None:
        """Mean bytes per second, keys included."""
        return None if self.rate_per_s is None else self.rate_per_s * self.record_bytes

    # -- a batch

    @cached_property
    def payload_records(self) -> int | None:
        """Mean records that an invocation's event holds, or None where it has no limit (aws:E8, E9)."""
        mapping = self.scenario.event_source_mapping
        if mapping.payload_limit_bytes is None:
            return None
        each = self._mean(lambda load: payload_bytes(load.data_bytes, load.key_bytes, mapping.payload_envelope_bytes))
        return int(mapping.payload_limit_bytes / each)

    @property
    def full_batch(self) -> int:
        """Records of a full batch: the batch size, or what the event holds."""
        size = self.scenario.event_source_mapping.batch_size
        return size if self.payload_records is None else max(1, min(size, self.payload_records))

    def batch_s(self, records: int, memory_mb: int | None = None, *, heavy: bool = False) -> float:
        """Mean time of an invocation with so many records, the initialisation of a new environment left out.

        A *heavy* one has records and own time such as one in a thousand has, within what an event holds; its calls,
        and its mix of sources, stay those of the mean.
        """
        function = self.scenario.function
        mb_per_vcpu = int(self.scenario.profile_data.constant("mb_per_vcpu"))
        memory = function.memory_size_mb if memory_mb is None else memory_mb
        own = function.duration
        parts = own if isinstance(own, DurationParts) else DurationParts()
        events, body_bytes, work_s = self._contents(records, heavy)
        calls_us, own_us = self._calls_s(records) * 1e6, float(round(work_s * 1e6))
        whole_us = 0.0 if isinstance(own, DurationParts) else _drawn(own, heavy) * 1e6
        fixed_us = _drawn(parts.fixed_s, heavy) * 1e6
        measured = parts.reference_memory_mb is not None
        work_us = rules.work_us(
            fixed_us if measured else 0.0,
            _drawn(parts.per_invocation_s, heavy) * 1e6,
            parts.per_record_s * 1e6,
            parts.per_log_event_s * 1e6,
            parts.per_mib_s * 1e6,
            records,
            round(events),
            round(body_bytes),
            0,
        )
        return 1e-6 * rules.run_us(
            whole_us,
            calls_us if measured else fixed_us + calls_us,
            work_us if measured else 0.0,
            (own_us if measured else work_us + own_us) + self._rules_us(round(events)),
            parts.cpu_fraction or 0.0,
            rules.speed(function, parts.reference_memory_mb, mb_per_vcpu) if parts.reference_memory_mb else 1.0,
            rules.speed(function, memory, mb_per_vcpu),
            CPU[function.cpu],
            function.cpu_period_s * 1e6,
            _noise(parts.cv) if heavy else 1.0,
            1.0,
        )

    def _contents(self, records: int, heavy: bool) -> tuple[float, float, float]:
        """Log events, bytes after decompression and own work of a batch."""
        if heavy:
            room = {load.name: self._room_bytes(load, records) for load in self.loads}
            heaviest = {load.name: load.heaviest(records, room[load.name]) for load in self.loads}
            each = [self._mean(lambda load, k=k: heaviest[load.name][k]) for k in range(3)]  # type: ignore[misc]
        else:
            each = [self._mean(of) for of in (lambda x: x.events.mean, lambda x: x.body.mean, lambda x: x.work.mean)]
        return each[0] * records, each[1] * records, each[2] * records

    def _room_bytes(self, load: Load, records: int) -> float:
        """Data that an invocation's event has room for per record (aws:E8, E9)."""
        mapping = self.scenario.event_source_mapping
        if mapping.payload_limit_bytes is None:
            return math.inf
        return 0.75 * (mapping.payload_limit_bytes / records - mapping.payload_envelope_bytes - load.key_bytes)

    def _calls_s(self, records: int) -> float:
        made_by = {"record": float(records), "log_event": self.log_events * records, "invocation": 1.0}
        rules = [each for each in self.scenario.function.rules if each.call is not None]
        total = 0.0
        for call in self.scenario.function.calls:
            matches = [each.match for each in rules if each.call == call.name]
            makers = sum(matches) * made_by["log_event"] if matches else made_by[call.per]
            tries = sum(call.failure**k for k in range(min(call.attempts, 1000)))
            total += makers * call.share * (tries * call.latency_s.mean + (tries - 1) * call.wait_s)
        return total

    def _rules_us(self, log_events: int) -> float:
        """Work of the function's rules, at one vCPU."""
        return sum(each.per_log_event_s for each in self.scenario.function.rules) * 1e6 * log_events

    def largest_batch(self, share: float = 1.0, *, heavy: bool = False) -> int:
        """Most records that end within that *share* of the time-out, up to the full batch; 0 where one does not."""
        timeout = self.scenario.function.timeout_s
        if timeout is None:
            return self.full_batch
        return _last(0, self.full_batch, lambda n: n == 0 or self.batch_s(n, heavy=heavy) <= share * timeout)

    def smallest_memory_mb(self, share: float = 1.0, *, heavy: bool = False) -> int | None:
        """Least memory with which a full batch ends within that *share* of the time-out, or None where none does."""
        timeout, limit = self.scenario.function.timeout_s, self.scenario.profile_data.limits.get("function.memory_size")
        if timeout is None or limit is None:
            return None
        low, high, step = (int(limit.parse(each)) for each in (limit.low, limit.high, limit.step or 1))
        sizes = range(low, high + 1, step)

        def slow(i: int) -> bool:
            return i < 0 or self.batch_s(self.full_batch, sizes[i], heavy=heavy) > share * timeout

        last = _last(-1, len(sizes) - 1, slow)
        return sizes[last + 1] if last + 1 < len(sizes) else None

    def cures(self, share: float = 1.0, *, heavy: bool = False) -> list[str]:
        """Settings with which a full batch ends within that *share* of the time-out."""
        smaller, larger = self.largest_batch(share, heavy=heavy), self.smallest_memory_mb(share, heavy=heavy)
        found = [f"batch_size {smaller}"] if 0 < smaller < self.scenario.event_source_mapping.batch_size else []
        more = larger is not None and larger > self.scenario.function.memory_size_mb
        return found + ([f"memory_size {larger} MB"] if more else [])

    # -- capacities

    @property
    def used_shards(self) -> int:
        """Shards that can get records: not more than there are keys."""
        keys = [load.keys for load in self.loads]
        shards = self.scenario.stream.shard_count
        return shards if None in keys else max(1, min(shards, sum(key for key in keys if key is not None)))

    @property
    def slots(self) -> int:
        """Invocations at once: one per lane that has keys, as far as the account has room (aws:E12, E20, M25)."""
        limit = most_executions(self.scenario.account, self.scenario.function.reserved_concurrency)
        lanes = self.used_lanes
        return lanes if limit is None else min(lanes, limit)

    @property
    def used_lanes(self) -> int:
        """Lanes that take records: dealt by key, no more than there are keys."""
        mapping, keys = self.scenario.event_source_mapping, [load.keys for load in self.loads]
        if mapping.parallelization == "pooled":
            return self.used_shards * mapping.parallelization_factor
        lanes = self.scenario.stream.shard_count * mapping.parallelization_factor
        return lanes if None in keys else max(1, min(lanes, sum(key for key in keys if key is not None)))

    def consumer_per_s(self, slots: int | None = None) -> float:
        """Records per second that full batches back to back get through, what a filter leaves out included.

        0 where the batches time out.
        """
        timeout = self.scenario.function.timeout_s
        each_s = self.batch_s(self.full_batch)
        if timeout is not None and each_s > timeout:
            return 0.0
        mapping = self.scenario.event_source_mapping
        each_s += mapping.dispatch_overhead_s
        kept = 1.0 if mapping.filter is None else mapping.filter
        one = math.inf if each_s <= 0 or kept <= 0 else self.full_batch / each_s / kept
        return one * (self.slots if slots is None else slots)

    @property
    def write_bytes_per_s(self) -> float | None:
        """Bytes per second that the shards in use take, or None without a limiter."""
        stream = self.scenario.stream
        return self.used_shards * stream.bytes_per_s if stream.limiter else None

    @property
    def write_records_per_s(self) -> float | None:
        """Records per second that the shards in use take, or None without a limiter."""
        stream = self.scenario.stream
        return self.used_shards * stream.records_per_s if stream.limiter else None

    @property
    def readers(self) -> float:
        """How often each record is read by shared throughput, by mappings and other applications together."""
        stream = self.scenario.stream
        return self.scenario.member.polling + sum(each.share for each in stream.consumers if not each.enhanced_fan_out)

    @property
    def read_room_bytes_per_s(self) -> float:
        """Bytes a second of one shard for those who read what is written (aws:G3), beside those who read so many."""
        stream = self.scenario.stream
        if not stream.enforce_read_limits:
            return math.inf
        taken = sum(each.bytes_per_s for each in stream.consumers if not each.enhanced_fan_out)
        return float(self.scenario.profile_data.constant("read_bytes_per_s")) - taken

    @property
    def calls_per_s(self) -> float:
        """GetRecords calls a second of one shard by all readers; other mappings are taken to poll as this one does."""
        stream, mapping, polling = (
            self.scenario.stream,
            self.scenario.event_source_mapping,
            self.scenario.member.polling,
        )
        others = sum(1 / each.poll_interval_s for each in stream.consumers if not each.enhanced_fan_out)
        return others + (polling / mapping.poll_interval_s if polling and mapping.poll_interval_s else 0.0)

    def shards_needed(self, rate_per_s: float) -> dict[str, int]:
        """Fewest shards by bytes, by records, by reads and by the speed of the consumer, for evenly spread keys."""
        stream, needed = self.scenario.stream, {}
        if stream.limiter:
            needed["bytes"] = math.ceil(rate_per_s * self.record_bytes / stream.bytes_per_s - 1e-9)
            needed["records"] = math.ceil(rate_per_s / stream.records_per_s - 1e-9)
        if self.readers > 1 and self.read_room_bytes_per_s > 0:
            needed["reads"] = math.ceil(rate_per_s * self.data_bytes * self.readers / self.read_room_bytes_per_s - 1e-9)
        one = self.consumer_per_s(self.scenario.event_source_mapping.parallelization_factor)
        if 0 < one < math.inf:
            needed["consumer speed"] = math.ceil(rate_per_s / one - 1e-9)
        return {name: max(1, number) for name, number in needed.items()}

    def burst_records(self, name: str, burst: BurstArrivals) -> float:
        """Records of a burst that are sent."""
        return burst.size.mean * share_sent(self.scenario.workload.sources[name], self.scenario)

    def bursts(self) -> list[tuple[str, BurstArrivals]]:
        """Sources that come in bursts."""
        sources = self.scenario.workload.sources.items()
        return [(name, source.arrivals) for name, source in sources if isinstance(source.arrivals, BurstArrivals)]


def _drawn(spread: Distribution, heavy: bool) -> float:
    return spread.quantile(OFTEN) if heavy else spread.mean


def _noise(cv: float) -> float:
    """The lognormal factor of mean 1 that one batch in a thousand exceeds."""
    return math.exp(DEVIATIONS * math.sqrt(math.log1p(cv**2)) - math.log1p(cv**2) / 2)


def payload_bytes(data_bytes: float, key_bytes: float, envelope_bytes: int) -> float:
    """Share of an invocation's event that a record takes: base64, metadata and key (aws:E9).

    >>> payload_bytes(1_000, 0, 564)
    1900.0
    """
    return 4.0 * math.ceil(data_bytes / 3.0) + envelope_bytes + key_bytes


def _last(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Largest number from *low* to *high* for which *holds*, true up to some point, is true."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low
