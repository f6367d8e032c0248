"""The function: what an invocation costs in time, when it fails and when its environment is new."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from kinsim.rule import rule
from kinsim.system.alert_rules import ALERT_DEADLINE_S, AlertRule, check_rules
from kinsim.system.distributions import DurationSpread
from kinsim.units import Count, Duration, Fraction, LambdaMemory, OptionalCount, OptionalDuration, Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

QUOTA, PROPORTIONAL, UNLIMITED = 0, 1, 2
"""How memory gives CPU, as the engines know it."""

ERROR, TIMEOUT, CRASH, PARTIAL, CALL_FAILS, SLOW = 1, 2, 3, 4, 5, 6
"""How an invocation ends unless it succeeds (PARTIAL: it reports what it could not process), and kinds of faults,
as the engines know them."""


class DurationParts(Settings):
    """Where the time of an invocation goes: waiting (not scaled by memory) and CPU work at one vCPU."""

    fixed_s: DurationSpread = Field(
        default=0.0, alias="fixed", validate_default=True,
        description="Waiting for I/O per invocation, whatever the memory.", examples=["40ms"],
    )  # fmt: skip
    per_invocation_s: DurationSpread = Field(
        default=0.0, alias="per_invocation", validate_default=True,
        description="CPU work per invocation at one vCPU.", examples=["25ms"],
    )  # fmt: skip
    per_record_s: Duration = Field(
        default=0.0, alias="per_record", description="CPU work per record at one vCPU.", examples=["0.25ms"]
    )
    per_log_event_s: Duration = Field(
        default=0.0, alias="per_log_event", description="CPU work per log event at one vCPU.", examples=["0.3ms"]
    )
    per_mib_s: Duration = Field(
        default=0.0, alias="per_mib",
        description="CPU work per MiB of data after decompression at one vCPU.", examples=["35ms"],
    )  # fmt: skip
    cv: float = Field(
        default=0.0,
        description="Noise: coefficient of variation of a lognormal factor per batch.",
        examples=[0.25],
        ge=0,
        le=1000,
    )
    reference_memory_mb: LambdaMemory | None = Field(
        default=None, alias="reference_memory",
        description="Memory at which the parts were measured; then `cpu_fraction` of their sum is CPU time.",
        examples=["1769 MB"],
    )  # fmt: skip
    cpu_fraction: Fraction | None = Field(
        default=None,
        description="Share of the measured time that is CPU time (with reference_memory).",
        examples=[0.85],
    )

    @model_validator(mode="after")
    def _measured_together(self) -> Self:
        if (self.cpu_fraction is None) != (self.reference_memory_mb is None):
            given, missing = ("cpu_fraction", "reference_memory")
            if self.cpu_fraction is None:
                given, missing = missing, given
            raise ValueError(f"{given} is given without {missing}; measured parts need both")
        return self


def _kind_of_duration(value: Any) -> str:
    if isinstance(value, DurationParts):
        return "parts"
    if isinstance(value, dict) and "distribution" not in value:
        return "parts"
    return "whole"


class Call(Settings):
    """A call of the function to an external service, retried by the function's own code."""

    name: str = Field(description="Name of the service.", examples=["threat-intel"])
    per: Literal["record", "log_event", "invocation"] = Field(
        default="record", description="What makes a call.", examples=["log_event"]
    )
    share: Fraction = Field(default=1.0, description="Share of those that call.", examples=["2%"])
    latency_s: DurationSpread = Field(alias="latency", description="Time of one try.", examples=["30ms"])
    failure: Fraction = Field(default=0.0, description="Probability that a try fails.", examples=["1%"])
    attempts: Count = Field(default=1, description="Most tries of one call.", examples=[3], ge=1)
    wait_s: Duration = Field(default=0.0, alias="wait", description="Wait of the code between tries.", examples=["1s"])


class Fault(Settings):
    """Something that goes wrong, always or during a time, for every or for some invocations."""

    kind: Literal["error", "timeout", "crash", "call_fails", "slow"] = Field(
        description="What happens: an exception, a hang, a crash, calls that fail, or slow code.", examples=["error"]
    )
    from_s: Duration = Field(default=0.0, alias="from", description="When it begins.", examples=["6h"])
    to_s: OptionalDuration = Field(
        default=None, alias="to", description="When it is over (default: never).", examples=["8h"]
    )
    probability: Fraction = Field(
        default=1.0, description="Share of the invocations that it strikes.", examples=["0.02%"]
    )
    records: list[Annotated[Count, Field(ge=1)]] = Field(
        default=[],
        description="Records that it strikes, whatever batch holds them, by their number in arrival order on the "
        "whole stream from 1 (default: invocations, whatever they hold).",
        examples=[[4711]],
    )
    factor: float = Field(default=1.0, description="How much longer a slow invocation takes.", examples=[3.0], gt=0)
    call: str | None = Field(default=None, description="Which call fails (default: all).", examples=["threat-intel"])


class MemoryUsed(Settings):
    """Memory that the code needs; more than it has ends the invocation."""

    base_mb: LambdaMemory = Field(default=0, alias="base", description="Without any record.", examples=["90 MB"])
    per_mib_mb: LambdaMemory = Field(
        default=0,
        alias="per_mib",
        description="For each MiB of a batch after decompression.",
        examples=["4 MB"],
    )


class EnvironmentLife(Settings):
    """How long execution environments are kept (aws:M17)."""

    idle_s: OptionalDuration = Field(
        alias="idle", description="Kept this long without work; none: for ever.", examples=["10m"]
    )
    max_age_s: OptionalDuration = Field(
        alias="max_age", description="Replaced at this age even if busy; none: never.", examples=["4h"]
    )


class Function(Settings):
    """The Lambda function behind the mapping (aws:M1 to M29)."""

    memory_size_mb: LambdaMemory = Field(
        alias="memory_size", description="Memory in AWS's MB; CPU comes with it (MemorySize).", examples=["512 MB"]
    )
    timeout_s: OptionalDuration = Field(
        alias="timeout",
        description="An invocation is stopped at this time (Timeout); none: never.",
        examples=["60s"],
        gt=0,
    )
    architecture: Literal["x86_64", "arm64"] = Field(
        default="x86_64", description="Processor (Architectures); decides the price.", examples=["x86_64"]
    )
    runtime: str | None = Field(default=None, description="Runtime, for the record only.", examples=["python3.12"])
    reserved_concurrency: OptionalCount = Field(
        default=None,
        description="Concurrency set apart for the function, and its most (aws:M20).",
        examples=[20],
        ge=1,
    )
    provisioned_concurrency: OptionalCount = Field(
        default=None,
        description="Environments kept ready: as many invocations at once have no cold start (aws:M21).",
        examples=[10],
        ge=0,
    )
    duration: Annotated[
        Annotated[DurationSpread, Tag("whole")] | Annotated[DurationParts, Tag("parts")],
        Discriminator(_kind_of_duration),
    ] = Field(
        default=0.0, validate_default=True,
        description="Time of an invocation: a plain distribution, whatever the batch, or its parts.",
        examples=[{"fixed": "40ms", "per_record": "0.25ms"}],
    )  # fmt: skip
    redraw: Literal["never", "each_attempt"] = Field(
        default="never", description="Whether a retry draws its duration anew.", examples=["never"]
    )
    cpu: Literal["quota", "proportional", "unlimited"] = Field(
        description="How CPU comes with memory: in slices of cpu_period, evenly, or without limit (aws:M2, M5).",
        examples=["quota"],
    )
    cpu_period_s: Duration = Field(
        alias="cpu_period", description="Period of the CPU quota (aws:M5).", examples=["20ms"], gt=0
    )
    threads: Count = Field(
        default=1,
        description="Threads that do work; they gain above one vCPU (aws:M6).",
        examples=[1],
        ge=1,
    )
    parallel_fraction: Fraction = Field(
        default=0.0, description="Share of the CPU work that the threads share.", examples=["90%"]
    )
    rules: list[AlertRule] = Field(
        default=[],
        description="StreamAlert's rules, each with its cost and match rate.",
        examples=[[{"name": "ssh_from_outside", "per_log_event": "0.02ms", "match": "0.1%"}]],
    )
    calls: list[Call] = Field(
        default=[],
        description="Calls to external services.",
        examples=[[{"name": "api", "per": "log_event", "share": "1%", "latency": "30ms"}]],
    )
    memory_used: MemoryUsed | None = Field(
        default=None,
        description="Memory that the code needs (default: never more than it has).",
        examples=[{"base": "90 MB", "per_mib": "4 MB"}],
    )
    faults: list[Fault] = Field(
        default=[], description="What goes wrong, and when.", examples=[[{"kind": "error", "probability": "0.02%"}]]
    )
    cold_start_s: DurationSpread | None = Field(
        alias="cold_start",
        description="Initialisation of a new environment; none: no time (aws:M14, M15).",
        examples=["400ms"],
    )
    init_limit_s: OptionalDuration = Field(
        alias="init_limit",
        description="Longest initialisation before it is repeated in the run (aws:M16).",
        examples=["10s"],
    )
    environment: EnvironmentLife = Field(
        description="How long environments are kept.", examples=[{"idle": "10m", "max_age": "4h"}]
    )
    alert_deadline_s: Duration = Field(
        default=ALERT_DEADLINE_S,
        alias="alert_deadline",
        description="An alert that leaves later than this after its log event is late.",
        examples=["15m"],
    )

    @model_validator(mode="after")
    def _faults_fit(self) -> Self:
        names = {call.name for call in self.calls}
        problems = []
        if len(names) < len(self.calls):
            problems.append("two calls have the same name")
        failing = {fault.call for fault in self.faults if fault.kind == "call_fails"}
        for name in sorted(n for n in failing if n is not None and n not in names):
            problems.append(f"a fault names the call {name!r}, but the calls are {', '.join(sorted(names)) or 'none'}")
        if failing and not self.calls:
            problems.append("a fault of kind call_fails needs calls")
        if len(failing) > 1:
            problems.append("faults of kind call_fails must all name the same call, or none")
        if self.timeout_s is None and any(fault.kind == "timeout" for fault in self.faults):
            problems.append("a fault of kind timeout needs a timeout")
        if self.memory_used is not None and self.memory_used.base_mb >= self.memory_size_mb:
            problems.append(
                f"memory_used.base {self.memory_used.base_mb} MB leaves nothing of memory_size "
                f"{self.memory_size_mb} MB for records: every invocation would fail"
            )
        if problems:
            raise ValueError("; ".join(problems))
        check_rules(self.rules, self.calls)
        return self


@rule
def cpu_share(memory_mb: int, mb_per_vcpu: int = 1769, threads: int = 1, parallel_fraction: float = 0.0) -> float:
    """Speed of the code in vCPUs: in proportion to *memory_mb* up to one (aws:M2, M3, M6), then by Amdahl's law.

    Above one vCPU only *parallel_fraction* of the work gains, on as many vCPUs as there are memory and *threads* for
    (Amdahl 1967).

    >>> round(cpu_share(128, 1769), 4), cpu_share(3538, 1769), cpu_share(885, 1769, 4, 1.0) < 1
    (0.0724, 1.0, True)
    >>> cpu_share(3538, 1769, 4, 1.0), cpu_share(3538, 1769, 2, 0.5)       # two vCPUs: half the work twice as fast
    (2.0, 1.3333333333333333)
    """
    share = memory_mb / mb_per_vcpu
    if share <= 1.0:
        return share
    workers = threads if threads < share else share
    return 1.0 / ((1.0 - parallel_fraction) + parallel_fraction / workers) if workers > 1.0 else 1.0


@rule
def wall_us(cpu_us: float, share: float, mode: int, period_us: float) -> float:
    """Time that *cpu_us* of work at one vCPU take at a CPU *share* (aws:M5).

    Below one vCPU, with *mode* QUOTA the work runs in slices of ``period * share`` per period and begins with a
    full slice; PROPORTIONAL divides by the share; UNLIMITED ignores it.

    >>> wall_us(1_000.0, 0.1, QUOTA, 20_000.0), wall_us(5_000.0, 0.1, QUOTA, 20_000.0)   # slices of 2 ms
    (1000.0, 41000.0)
    >>> wall_us(5_000.0, 0.1, PROPORTIONAL, 20_000.0), wall_us(5_000.0, 0.1, UNLIMITED, 20_000.0)
    (50000.0, 5000.0)
    """
    if share >= 1.0:
        return cpu_us / share
    if mode == UNLIMITED:
        return cpu_us
    if mode == PROPORTIONAL:
        return cpu_us / share
    slice_us = period_us * share
    full = math.ceil(cpu_us / slice_us) - 1
    if full <= 0:
        return cpu_us
    return full * period_us + (cpu_us - full * slice_us)


@rule
def work_us(
    fixed_us: float,
    per_invocation_us: float,
    per_record_us: float,
    per_log_event_us: float,
    per_mib_us: float,
    records: int,
    log_events: int,
    body_bytes: int,
    own_us: int,
) -> float:
    """CPU work of a batch in microseconds at one vCPU (*fixed_us* is not part of it unless the caller says so).

    >>> work_us(0.0, 100.0, 10.0, 1.0, 1_000.0, 3, 20, 1_048_576, 7)
    1157.0
    """
    return (
        fixed_us
        + per_invocation_us
        + per_record_us * records
        + per_log_event_us * log_events
        + per_mib_us * (body_bytes / 1_048_576)
        + own_us
    )


@rule
def run_us(
    whole_us: float,
    waiting_us: float,
    measured_us: float,
    cpu_us: float,
    cpu_fraction: float,
    reference_share: float,
    share: float,
    mode: int,
    period_us: float,
    noise: float,
    factor: float,
) -> int:
    """Time that an invocation would run if nothing stopped it, rounded once, half up.

    *whole_us* is a duration given as a whole; *waiting_us* I/O and calls; *cpu_us* work at one vCPU;
    *measured_us* a time measured at *reference_share*, of which *cpu_fraction* is CPU time;
    *noise* and *factor* (slow code) stretch the whole.

    >>> run_us(0.0, 40_000.0, 0.0, 25_000.0, 0.0, 1.0, 0.25, PROPORTIONAL, 2e4, 1.0, 1.0)
    140000
    >>> run_us(0.0, 0.0, 100_000.0, 0.0, 0.8, 1.0, 0.5, PROPORTIONAL, 2e4, 1.0, 1.0)    # 20 ms wait, 80 ms CPU doubled
    180000
    """
    cpu = cpu_us + measured_us * cpu_fraction * reference_share
    waiting = waiting_us + measured_us * (1.0 - cpu_fraction)
    total = whole_us + waiting + wall_us(cpu, share, mode, period_us)
    return math.floor(total * noise * factor + 0.5)


@rule
def times_out(run_us: int, timeout_us: int) -> bool:
    """Whether a run is stopped; *timeout_us* -1 means never (aws:E24, M10).

    >>> times_out(60_000_001, 60_000_000), times_out(60_000_000, 60_000_000), times_out(10, -1)
    (True, False, False)
    """
    return timeout_us >= 0 and run_us > timeout_us


@rule
def outcome(run_us: int, timeout_us: int, hangs: bool, crashes: bool, fails: bool, reports: bool) -> tuple[int, int]:
    """How an invocation ends and how long it runs: (kind, microseconds); kind 0 is success (aws:E24, M10, M12).

    A failing run lasts its full duration, a stopped one exactly the time-out; one that *reports* the
    records it could not process succeeds in part, kind 4 (aws:E29).

    >>> outcome(500, 900, False, False, False, False), outcome(500, 900, True, False, False, False)
    ((0, 500), (2, 900))
    >>> outcome(1_000, 900, False, False, True, False), outcome(500, 900, False, False, False, True)
    ((2, 900), (4, 500))
    >>> outcome(500, -1, False, False, True, True), outcome(500, -1, False, True, True, False)
    ((1, 500), (3, 500))
    """
    if hangs or times_out(run_us, timeout_us):
        return 2, timeout_us
    if crashes:
        return 3, run_us
    if fails:
        return 1, run_us
    return (4 if reports else 0), run_us


@rule
def is_cold(environments: int, now_us: int, last_end_us: int, created_us: int, idle_us: int, max_age_us: int) -> bool:
    """Whether an invocation at *now_us* needs a new environment (aws:M17; -1: no limit).

    *environments* is how many the lane has had; ASSUMPTION aws:M18: each lane keeps an environment of its own.

    >>> is_cold(0, 0, 0, 0, 600, 7_200), is_cold(1, 700, 90, 0, 600, 7_200), is_cold(1, 700, 650, 0, 600, -1)
    (True, True, False)
    """
    if environments == 0:
        return True
    if 0 <= idle_us < now_us - last_end_us:
        return True
    return 0 <= max_age_us <= now_us - created_us


@rule
def init_phases(init_us: int, init_limit_us: int) -> tuple[int, int]:
    """Initialisation before the run, and its repetition inside the run where it exceeds the limit (aws:M9, M16).

    >>> init_phases(400, 10_000), init_phases(12_000, 10_000), init_phases(12_000, -1)
    ((400, 0), (10000, 12000), (12000, 0))
    """
    if 0 <= init_limit_us < init_us:
        return init_limit_us, init_us
    return init_us, 0


@rule
def memory_needed_mb(base_mb: float, per_mib_mb: float, body_bytes: int) -> float:
    """Memory that the code needs for a batch of that size after decompression (ASSUMPTION: linear in it).

    >>> memory_needed_mb(90.0, 3.0, 10 * 1_048_576)
    120.0
    """
    return base_mb + per_mib_mb * (body_bytes / 1_048_576)


@rule
def max_memory_used_mb(needed_mb: float, memory_mb: int) -> float:
    """Memory that a run has used at most, as `Max Memory Used` of its REPORT line: all of it where it runs out.

    ASSUMPTION: a run that a time-out ends has used what its whole batch needs.

    >>> max_memory_used_mb(120.0, 128), max_memory_used_mb(190.0, 128)
    (120.0, 128.0)
    """
    return min(needed_mb, float(memory_mb))


@rule
def share_until_out_of_memory(needed_mb: float, base_mb: float, memory_mb: int) -> float:
    """Share of its run after which an invocation is out of memory, 1 if it is not (aws:E24).

    ASSUMPTION: memory fills evenly over the run, from what the code needs without any record.

    >>> share_until_out_of_memory(120.0, 90.0, 128), share_until_out_of_memory(190.0, 90.0, 140)
    (1.0, 0.5)
    """
    if needed_mb <= memory_mb:
        return 1.0
    return (memory_mb - base_mb) / (needed_mb - base_mb)


@rule
def fault_strikes(now_us: int, from_us: int, to_us: int, probability: float, u: float) -> bool:
    """Whether a fault strikes the invocation that starts at *now_us*; *to_us* -1: it never ends.

    >>> fault_strikes(5, 5, 9, 1.0, 0.99), fault_strikes(9, 5, 9, 1.0, 0.0), fault_strikes(7, 5, -1, 0.1, 0.2)
    (True, False, False)
    """
    if now_us < from_us or (to_us >= 0 and now_us >= to_us):
        return False
    return u < probability


def speed(function: Function, memory_mb: int, mb_per_vcpu: int) -> float:
    """vCPUs that the code makes use of at *memory_mb*; with unlimited CPU as many as it has threads."""
    if function.cpu == "unlimited":
        memory_mb = max(memory_mb, mb_per_vcpu * function.threads)
    return cpu_share(memory_mb, mb_per_vcpu, function.threads, function.parallel_fraction)


def draw_calls(
    function: Function,
    generator: np.random.Generator,
    records: NDArray[np.int64],
    log_events: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Time in external calls that rows of records bring, in microseconds: (healthy, failing), one value a row.

    Each call is tried up to `attempts` times, with `wait` between tries; a call whose last try fails is
    given up and the code goes on.  In the failing column every try of the calls that a fault names fails.
    """
    return _call_times(function, generator, {"record": records, "log_event": log_events})


def draw_invocation_calls(
    function: Function, generator: np.random.Generator, invocations: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same for calls made once per invocation: one value for each of *invocations*."""
    import numpy as np

    return _call_times(function, generator, {"invocation": np.ones(invocations, np.int64)})


def _call_times(
    function: Function, generator: np.random.Generator, makers: dict[str, NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    import numpy as np

    size = len(next(iter(makers.values())))
    healthy_s, failing_s = np.zeros(size), np.zeros(size)
    of_rules = {each.call for each in function.rules}
    for call in function.calls:
        if call.per in makers and call.name not in of_rules:
            spent_s, spent_failing_s = _seconds_in(function, call, generator, makers[call.per])
            healthy_s += spent_s
            failing_s += spent_failing_s
    return _whole_us(healthy_s), _whole_us(failing_s)


def call_times(
    function: Function, call: Call, generator: np.random.Generator, makers: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Time in *call* of rows with so many that may make it, in microseconds: (healthy, failing)."""
    healthy_s, failing_s = _seconds_in(function, call, generator, makers)
    return _whole_us(healthy_s), _whole_us(failing_s)


def _seconds_in(
    function: Function, call: Call, generator: np.random.Generator, makers: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import numpy as np

    named = {fault.call for fault in function.faults if fault.kind == "call_fails"}
    calls = generator.binomial(makers, call.share) if call.share < 1.0 else makers
    tries, again = calls.copy(), calls
    for _ in range(call.attempts - 1):
        again = generator.binomial(again, call.failure) if call.failure > 0 else np.zeros_like(calls)
        tries = tries + again
    healthy_s = call.latency_s.sample_sums(generator, tries) + (tries - calls) * call.wait_s
    if not named or not (None in named or call.name in named):
        return healthy_s, healthy_s
    all_tries = calls * call.attempts
    return healthy_s, call.latency_s.sample_sums(generator, all_tries) + (all_tries - calls) * call.wait_s


def _whole_us(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    import numpy as np

    return np.floor(seconds * 1e6 + 0.5).astype(np.int64)


def batch_draws_needed(function: Function) -> tuple[str, ...]:
    """Which draws an invocation needs besides its records' own: whole, fixed, per_invocation, noise, calls."""
    needed = []
    if isinstance(function.duration, DurationParts):
        if function.duration.fixed_s.constant is None:
            needed.append("fixed")
        if function.duration.per_invocation_s.constant is None:
            needed.append("per_invocation")
        if function.duration.cv > 0:
            needed.append("noise")
    elif function.duration.constant is None:
        needed.append("whole")
    of_rules = {each.call for each in function.rules}
    if any(call.per == "invocation" and call.name not in of_rules for call in function.calls):
        needed.append("calls")
    return tuple(needed)
