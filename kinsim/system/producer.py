"""Producers: how records get from those who make them to the stream, and what happens to rejected ones.

For the engines::

    retry_plan(producer, arrivals_model="") -> RetryPlan
    retry_delay_us(kind, retry, base_us, cap_us, jitter, u, previous_us) -> int
    may_retry(attempts, max_attempts, age_us, give_up_after_us) -> bool

A record that was rejected at *now* for the *attempts*-th time waits ``retry_delay_us(..., retry=attempts, ...)``
and is offered again if ``may_retry(attempts, ..., age_us=now + wait - first offer, ...)``; else it is dropped at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from kinsim.errors import SettingError
from kinsim.rule import rule
from kinsim.system.agent import Agent
from kinsim.system.distributions import DurationSpread
from kinsim.system.kpl import Kpl
from kinsim.system.producer_checks import SDK_MODES, check_producer, check_retry
from kinsim.system.sdk_client import FIRST_TRY_REFUND, QUOTA, THROTTLE_COST
from kinsim.units import (
    SIZE_PATTERN,
    Count,
    Duration,
    Fraction,
    OptionalDuration,
    Settings,
    SignedCount,
    Size,
    number_or_text,
    parse_duration_us,
    parse_size,
)

SECOND_US = 1_000_000
NEVER_US = 100 * 366 * 86_400 * SECOND_US
"""A hundred years: longer than any run, and far below the largest whole number."""

NO_RETRY, LEGACY, BACKOFF = 0, 1, 2
"""Kinds of retry, as the engines know them."""

NO_JITTER, FULL, EQUAL, DECORRELATED = 0, 1, 2, 3
"""Kinds of jitter, as the engines know them."""

DROP_NEWEST, DROP_OLDEST, BLOCK = 0, 1, 2
"""What happens to records that find a buffer full, as the engines know it."""

WHEN_FULL = {"drop_newest": DROP_NEWEST, "drop_oldest": DROP_OLDEST, "block": BLOCK}

JITTER = {"none": NO_JITTER, "full": FULL, "equal": EQUAL, "decorrelated": DECORRELATED}

PLAIN_EVENT_BYTES, FIELDS_EVENT_BYTES = 216, 526
"""JSON of one log event of 111 B in a subscription record, without and with extractedFields (aws:C14)."""

PLAIN_GZIP, FIELDS_GZIP = (230, 50.0), (400, 79.0)
"""Fits a + b n of a record's size after gzip, without and with extractedFields (aws:C14)."""

LINE_BYTES = 111
"""Mean length of the flow log lines behind those numbers (aws:V6)."""

PUT_RECORDS_LIMIT = 500
"""Records of one PutRecords call (aws:W10)."""

Bytes = Annotated[float, BeforeValidator(parse_size), WithJsonSchema(number_or_text(SIZE_PATTERN))]
"""Bytes that may have a fraction, such as a mean."""


class Retry(Settings):
    """What a producer does with records that the stream rejected."""

    mode: Literal["none", "legacy", "standard", "standard-2026", "adaptive", "backoff"] | None = Field(
        default=None,
        description="none: they are lost; legacy: boto's five attempts (aws:R2); backoff: base, cap and jitter below "
        "(aws:R1); standard, standard-2026, adaptive: the newer boto modes (aws:R3 to R5).",
        examples=["legacy"],
    )
    max_attempts: SignedCount = Field(
        default=None, description="Offers in all, the first one included; -1: without limit.", examples=[5]
    )
    base_s: Duration | None = Field(
        default=None,
        alias="base",
        description="Wait before the first retry; it doubles from retry to retry.",
        examples=["100ms"],
    )
    cap_s: Duration | None = Field(default=None, alias="cap", description="Longest wait.", examples=["20s"])
    jitter: Literal["none", "full", "equal", "decorrelated"] | None = Field(
        default=None,
        description="none: the wait itself; full: from 0 to the wait; equal: from half of it to all of it; "
        "decorrelated: from base to three times the previous wait (aws:R1).",
        examples=["full"],
    )
    give_up_after_s: OptionalDuration = Field(
        default=None,
        alias="give_up_after",
        description="Age, counted from the first offer, beyond which a record is not offered again.",
        examples=["24h"],
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_retry(self)
        return self


class Gzip(Settings):
    """Size of a subscription record after gzip: ``fixed + per_log_event * n`` (aws:C14)."""

    fixed_bytes: Size = Field(
        alias="fixed", description="Bytes of a record besides its log events.", examples=["400 B"]
    )
    per_log_event_bytes: Bytes = Field(
        alias="per_log_event", description="Bytes that each log event adds.", examples=["79 B"], gt=0
    )


class Buffer(Settings):
    """What a producer holds of rejected records until they are accepted, and of those that wait for its rate."""

    max_records: Count | None = Field(default=None, description="Most records held.", examples=[10_000], ge=1)
    max_bytes: Size | None = Field(
        default=None, description="Most bytes held, data and keys.", examples=["5 MiB"], ge=1
    )
    when_full: Literal["drop_newest", "drop_oldest", "block"] = Field(
        default="drop_newest",
        description="What happens where a new record finds it full: that one is dropped, or the oldest held, or it and "
        "all after it wait until there is room.",
        examples=["drop_newest"],
    )

    @model_validator(mode="after")
    def _limited(self) -> Self:
        if self.max_records is None and self.max_bytes is None:
            raise SettingError("a buffer needs max_records or max_bytes", help="max_records: 10_000")
        return self


class Producer(Settings):
    """Who puts the records into the stream.

    What is left out follows from the model and the profile: ``cloudwatch_logs`` where the workload is
    ``vpc_flow_logs``, else ``direct``.
    """

    model: Literal["direct", "sdk", "kpl", "agent", "cloudwatch_logs"] | None = Field(
        default=None,
        description="direct: each record is offered at its own time; sdk: calls of an application; "
        "kpl: the Kinesis Producer Library; agent: the Kinesis Agent, which reads files; "
        "cloudwatch_logs: a subscription filter, which packs the log events of a log stream.",
        examples=["sdk"],
    )
    api: Literal["PutRecord", "PutRecords"] | None = Field(
        default=None, description="sdk: one record per call, or up to 500 (aws:W10).", examples=["PutRecords"]
    )
    batch_size: Count | None = Field(
        default=None, description="sdk: most records in one PutRecords call.", examples=[250], ge=1
    )
    flush_s: Duration | None = Field(
        default=None,
        alias="flush",
        description="Longest time that a record (sdk) or log event (cloudwatch_logs) waits for others to go with it.",
        examples=["5s"],
    )
    put_latency_s: DurationSpread | None = Field(
        default=None,
        alias="put_latency",
        description="Time from the start of a put call until its records are in the stream.",
        examples=["10ms"],
    )
    retry: Retry | None = Field(
        default=None, description="What becomes of rejected records.", examples=[{"mode": "legacy"}]
    )
    on_partial_failure: Literal["retry_failed", "ignore", "resend_all"] | None = Field(
        default=None,
        description="What the caller does about rejected records of a PutRecords call, which no SDK retries: "
        "sends them again as retry says, does not notice and loses them, or sends the whole call again (aws:W12).",
        examples=["retry_failed"],
    )
    buffer: Buffer | None = Field(
        default=None, description="Limit of what waits in the producer.", examples=[{"max_records": 10_000}]
    )
    keep: Fraction | None = Field(
        default=None,
        description="Share of the records (cloudwatch_logs: of the log events) that is sent at all.",
        examples=["100%"],
        gt=0,
    )
    kpl: Kpl | None = Field(
        default=None, description="kpl: how it aggregates, collects and limits.", examples=[{"record_ttl": "60s"}]
    )
    agent: Agent | None = Field(
        default=None, description="agent: how it buffers and waits.", examples=[{"max_buffer_age": "30s"}]
    )
    distribution: Literal["by_log_stream", "random"] | None = Field(
        default=None,
        description="cloudwatch_logs: partition key of a record: its log stream, or a new one each time (aws:C6, C7).",
        examples=["by_log_stream"],
    )
    max_record_size_bytes: Size | None = Field(
        default=None,
        alias="max_record_size",
        description="cloudwatch_logs: most bytes of a record, after gzip (aws:C5).",
        examples=["1 MB"],
        gt=0,
    )
    max_log_events: Count | None = Field(
        default=None, description="cloudwatch_logs: most log events in a record (aws:C5).", examples=[10_000], ge=1
    )
    delivery_delay_s: DurationSpread | None = Field(
        default=None,
        alias="delivery_delay",
        description="cloudwatch_logs: time from packing a record to its first put (aws:C8).",
        examples=["60s"],
    )
    gzip: Gzip | None = Field(
        default=None,
        description="cloudwatch_logs: size of a record after gzip (aws:C14).",
        examples=[{"fixed": "400 B", "per_log_event": "79 B"}],
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        retries = self.model not in (None, "direct", "sdk") or _retries(self, "").kind != NO_RETRY
        check_producer(self, effective_api(self), retries)
        return self


# -- plans: what is left out filled in, as plain numbers ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """How rejected records are offered again: plain numbers."""

    kind: int = NO_RETRY
    max_attempts: int = 1
    """Offers in all; -1: without limit."""
    base_us: int = 0
    cap_us: int = NEVER_US
    jitter: int = NO_JITTER
    give_up_after_us: int = -1
    """-1: never."""
    quota: int = 0
    """Retry tokens of a client; 0: retries cost nothing."""
    retry_cost: int = 0
    first_try_refund: int = 0
    paced: int = 0
    """1: the client sets itself a rate after a throttle."""
    max_waiting_records: int = -1
    """Records that may wait in the client; -1: without limit."""
    max_waiting_bytes: int = -1
    when_full: int = DROP_NEWEST

    @property
    def holds_back(self) -> bool:
        """Whether records may wait, or be dropped, before their first offer."""
        return bool(self.paced or self.max_waiting_records >= 0 or self.max_waiting_bytes >= 0)


def effective_model(producer: Producer, arrivals_model: str = "") -> str:
    """The producer's model, with what the workload implies where it is left out.

    >>> effective_model(Producer(), "vpc_flow_logs"), effective_model(Producer(), "poisson")
    ('cloudwatch_logs', 'direct')
    """
    if producer.model is not None:
        return producer.model
    return "cloudwatch_logs" if arrivals_model == "vpc_flow_logs" else "direct"


def retry_plan(producer: Producer, arrivals_model: str = "") -> RetryPlan:
    """How *producer* offers rejected records again, and how many may wait for it.

    >>> plan = retry_plan(Producer(model="sdk", buffer={"max_records": 100, "when_full": "block"}))
    >>> plan.max_attempts, plan.max_waiting_records, plan.max_waiting_bytes, plan.when_full == BLOCK
    (5, 100, -1, True)
    """
    plan, buffer = _retries(producer, arrivals_model), producer.buffer
    if buffer is None:
        return plan
    return replace(
        plan,
        max_waiting_records=-1 if buffer.max_records is None else buffer.max_records,
        max_waiting_bytes=-1 if buffer.max_bytes is None else buffer.max_bytes,
        when_full=WHEN_FULL[buffer.when_full],
    )


def _retries(producer: Producer, arrivals_model: str) -> RetryPlan:
    """How *producer* retries; by default not at all, legacy (sdk) or with full jitter for 24 h (cloudwatch_logs).

    >>> plan = _retries(Producer(model="cloudwatch_logs"), "")  # aws:C9, C10
    >>> plan.kind == BACKOFF, plan.base_us, plan.cap_us, plan.jitter == FULL, plan.give_up_after_us
    (True, 1000000, 60000000, True, 86400000000)
    """
    retry = producer.retry or Retry()
    model = effective_model(producer, arrivals_model)
    mode = retry.mode
    if mode is None:
        shaped = retry.base_s is not None or retry.cap_s is not None or retry.jitter is not None
        mode = "backoff" if shaped or model == "cloudwatch_logs" else "legacy" if model == "sdk" else "none"
    give_up_us = -1 if retry.give_up_after_s is None else _us(retry.give_up_after_s)
    attempts = retry.max_attempts
    if mode == "none" or producer.on_partial_failure == "ignore" or model in ("kpl", "agent"):
        return RetryPlan()
    if mode == "legacy":
        limit = (
            5
            if attempts is None and "max_attempts" not in retry.model_fields_set
            else -1
            if attempts is None
            else attempts
        )
        return RetryPlan(LEGACY, limit, SECOND_US, NEVER_US, FULL, give_up_us)
    if mode in SDK_MODES:
        whole_calls = model != "sdk" or effective_api(producer) == "PutRecord"
        return RetryPlan(
            kind=BACKOFF,
            max_attempts=3 if "max_attempts" not in retry.model_fields_set else -1 if attempts is None else attempts,
            base_us=SECOND_US,
            cap_us=20 * SECOND_US,
            jitter=FULL,
            give_up_after_us=give_up_us,
            quota=QUOTA if whole_calls else 0,
            retry_cost=THROTTLE_COST if whole_calls else 0,
            first_try_refund=FIRST_TRY_REFUND if whole_calls else 0,
            paced=int(mode == "adaptive"),
        )
    of_logs = model == "cloudwatch_logs"
    base_us = SECOND_US if retry.base_s is None else _us(retry.base_s)
    cap_us = (60 * SECOND_US if of_logs else 20 * SECOND_US) if retry.cap_s is None else _us(retry.cap_s)
    if of_logs and "give_up_after_s" not in retry.model_fields_set:
        give_up_us = 86_400 * SECOND_US
    return RetryPlan(
        kind=BACKOFF,
        max_attempts=-1 if attempts is None else attempts,
        base_us=base_us,
        cap_us=max(cap_us, base_us),
        jitter=JITTER[retry.jitter or "full"],
        give_up_after_us=give_up_us,
    )


@dataclass(frozen=True, slots=True)
class CallPlan:
    """How an application's records share put calls: plain numbers."""

    batch_size: int = 1
    flush_us: int = 0
    max_bytes: int = -1
    """Data and keys of a call; -1: without limit."""


def effective_api(producer: Producer) -> str:
    """What an application calls; by default one call for each record, or several where their number is given.

    >>> effective_api(Producer(model="sdk")), effective_api(Producer(model="sdk", batch_size=20))
    ('PutRecord', 'PutRecords')
    """
    return producer.api or ("PutRecord" if producer.batch_size is None else "PutRecords")


def acts_on_answers(producer: Producer) -> bool:
    """Whether what is sent next depends on the answer to a whole call, so that the calls belong to the doors.

    >>> acts_on_answers(Producer(model="sdk", api="PutRecords", on_partial_failure="resend_all"))
    True
    """
    return producer.model in ("kpl", "agent") or producer.on_partial_failure == "resend_all"


def call_plan(producer: Producer, max_bytes: int = -1) -> CallPlan:
    """The put calls of model sdk: one record each, or up to *batch_size* gathered for at most *flush* (aws:W10).

    >>> call_plan(Producer(model="sdk", api="PutRecords", batch_size=250), 5_242_880)  # flush as the KPL's (aws:K3)
    CallPlan(batch_size=250, flush_us=100000, max_bytes=5242880)
    """
    if effective_model(producer) != "sdk" or effective_api(producer) == "PutRecord":
        return CallPlan()
    size = PUT_RECORDS_LIMIT if producer.batch_size is None else producer.batch_size
    return CallPlan(size, 100_000 if producer.flush_s is None else _us(producer.flush_s), max_bytes)


@dataclass(frozen=True, slots=True)
class SubscriptionPlan:
    """How CloudWatch Logs packs log events into records: plain numbers."""

    flush_us: int
    most_events: int
    """Log events of a full record: the smaller of the two limits."""
    gzip_fixed: float
    gzip_per_event: float
    event_json_bytes: int
    """JSON of a log event besides its message, uncompressed."""
    message_copies: int
    """Times that the message's bytes stand in the JSON: 1, or 2 with extractedFields."""
    random_keys: bool


def subscription_plan(
    producer: Producer, extracted_fields: bool = False, message_bytes: float = LINE_BYTES
) -> SubscriptionPlan:
    """The subscription filter's packing (aws:C1 to C15); sizes grow with the message (ASSUMPTION: in proportion).

    >>> plan = subscription_plan(Producer(model="cloudwatch_logs"), extracted_fields=True)
    >>> plan.most_events, plan.gzip_fixed, plan.gzip_per_event, plan.event_json_bytes, plan.message_copies
    (10000, 400.0, 79.0, 304, 2)
    """
    fixed, per_event = FIELDS_GZIP if extracted_fields else PLAIN_GZIP
    per_event *= message_bytes / LINE_BYTES
    if producer.gzip is not None:
        fixed, per_event = producer.gzip.fixed_bytes, producer.gzip.per_log_event_bytes
    limit_bytes = 1_000_000 if producer.max_record_size_bytes is None else producer.max_record_size_bytes
    most = 10_000 if producer.max_log_events is None else producer.max_log_events
    copies = 2 if extracted_fields else 1
    whole = FIELDS_EVENT_BYTES if extracted_fields else PLAIN_EVENT_BYTES
    return SubscriptionPlan(
        flush_us=5 * SECOND_US if producer.flush_s is None else _us(producer.flush_s),
        most_events=max(1, min(most, events_that_fit(limit_bytes, fixed, per_event))),
        gzip_fixed=float(fixed),
        gzip_per_event=float(per_event),
        event_json_bytes=whole - copies * LINE_BYTES,
        message_copies=copies,
        random_keys=producer.distribution == "random",
    )


def _us(seconds: float) -> int:
    return parse_duration_us(seconds)


# -- rules ---------------------------------------------------------------------------------------------------


@rule
def retry_delay_us(kind: int, retry: int, base_us: int, cap_us: int, jitter: int, u: float, previous_us: int) -> int:
    """Wait before retry number *retry* (from 1), with *u* uniform in [0, 1).

    ``t = min(cap, base * 2^n)`` with n = retry - 1, so that the first wait is *base*.  No jitter waits t, full
    U(0, t), equal t/2 + U(0, t/2), decorrelated min(cap, U(base, 3 * previous)), where the first previous wait is
    *base* (aws:R1).  Legacy waits U(0, 1) * 2^(retry - 1) s (aws:R2).

    >>> [retry_delay_us(BACKOFF, n, 100_000, 500_000, NO_JITTER, 0.5, 0) for n in (1, 2, 3, 4)]
    [100000, 200000, 400000, 500000]
    >>> [retry_delay_us(BACKOFF, 3, 100_000, 500_000, jitter, 0.25, 200_000) for jitter in (FULL, EQUAL, DECORRELATED)]
    [100000, 250000, 225000]
    >>> retry_delay_us(BACKOFF, 1, 100_000, 500_000, DECORRELATED, 0.5, 0)  # from base to 3 * base
    200000
    >>> [retry_delay_us(LEGACY, k, 0, 0, NO_JITTER, 0.5, 0) for k in (1, 2, 3, 4)]
    [500000, 1000000, 2000000, 4000000]
    """
    if kind == LEGACY:
        return int(u * 2.0 ** min(retry - 1, 40) * 1e6 + 0.5)
    if jitter == DECORRELATED:
        previous = float(max(previous_us, base_us))
        return int(min(float(cap_us), base_us + u * (3.0 * previous - base_us)) + 0.5)
    wait = min(float(cap_us), base_us * 2.0 ** min(retry - 1, 60))
    if jitter == FULL:
        wait = u * wait
    elif jitter == EQUAL:
        wait = wait / 2.0 + u * (wait / 2.0)
    return int(wait + 0.5)


@rule
def may_retry(attempts: int, max_attempts: int, age_us: int, give_up_after_us: int) -> bool:
    """Whether a record offered *attempts* times may be offered again at age *age_us* (from its first offer).

    Negative limits mean none.  CloudWatch Logs retries for 24 h (aws:C9), boto's legacy mode makes 5 attempts (aws:R2).

    >>> may_retry(4, 5, 0, -1), may_retry(5, 5, 0, -1), may_retry(99, -1, 10, 10), may_retry(99, -1, 11, 10)
    (True, False, True, False)
    """
    if max_attempts >= 0 and attempts >= max_attempts:
        return False
    return give_up_after_us < 0 or age_us <= give_up_after_us


@rule
def has_room(records: int, used_bytes: int, weight: int, max_records: int, max_bytes: int) -> bool:
    """Whether a record of *weight* bytes fits a buffer that holds *records* of *used_bytes*; negative limits mean none.

    >>> has_room(9, 950, 50, 10, 1_000), has_room(10, 0, 50, 10, 1_000), has_room(9, 951, 50, -1, 1_000)
    (True, False, False)
    """
    if 0 <= max_records <= records:
        return False
    return max_bytes < 0 or used_bytes + weight <= max_bytes


@rule
def events_that_fit(limit_bytes: int, fixed_bytes: float, per_event_bytes: float) -> int:
    """Log events of a record that gzip brings to *limit_bytes* or less (aws:C14, C15).

    >>> events_that_fit(1_048_576, 400, 79), events_that_fit(1_048_576, 230, 50), events_that_fit(100, 400, 79)
    (13268, 20966, 0)
    """
    return max(0, int((limit_bytes - fixed_bytes) // per_event_bytes))


@rule
def records_for(log_events: Any, most_events: int) -> Any:
    """Records that *log_events* of one log stream and flush fill; all but the last are full.

    >>> records_for(25_000, 10_000), records_for(10_000, 10_000), records_for(0, 10_000)
    (3, 1, 0)
    """
    return -(-log_events // most_events)


@rule
def gzip_bytes(log_events: int, fixed_bytes: float, per_event_bytes: float) -> int:
    """Bytes of a subscription record after gzip, rounded half up (aws:C14).

    >>> gzip_bytes(1000, 400, 79), gzip_bytes(1, 230, 50)
    (79400, 280)
    """
    return int(fixed_bytes + per_event_bytes * log_events + 0.5)


@rule
def event_body_bytes(log_events: Any, message_bytes: Any, json_bytes: int, copies: int) -> Any:
    """JSON of *log_events* whose messages have *message_bytes* together, before gzip (aws:C14).

    >>> event_body_bytes(1, 111, 304, 2), event_body_bytes(10, 1110, 105, 1)
    (526, 2160)
    """
    return log_events * json_bytes + copies * message_bytes
