"""The Kinesis Agent: it reads files into buffers and puts them one after another, for as long as it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from kinsim.errors import SettingError
from kinsim.rule import rule
from kinsim.units import Count, Duration, Settings, Size, parse_duration_us

FACTOR, JITTER, RECOVERY = 2.0, 0.3, 10.0
"""What a backoff grows by, the share that it varies by, and what a success divides the failures by (aws:A2)."""


class Agent(Settings):
    """What a flow of the Kinesis Agent's configuration may say (aws:A1, A2, A4); the profile fills in the rest.

    Partition keys are the workload's, random by default as the Agent's own (aws:A3).
    """

    max_buffer_age_s: Duration = Field(
        default=60.0,
        alias="max_buffer_age",
        description="Time after which a buffer is put though it is not full.",
        examples=["60s"],
    )
    max_buffer_records: Count = Field(default=500, description="Most records of a buffer.", examples=[500], ge=1)
    max_buffer_size_bytes: Size = Field(
        default=5 * 2**20,
        alias="max_buffer_size",
        description="Most bytes of a buffer, data and keys.",
        examples=["5 MiB"],
        ge=1,
    )
    retry_initial_backoff_s: Duration = Field(
        default=0.1,
        alias="retry_initial_backoff",
        description="Wait before the next call after a failed one; it doubles with each failure.",
        examples=["100ms"],
    )
    retry_max_backoff_s: Duration = Field(
        default=10.0, alias="retry_max_backoff", description="Longest such wait, before jitter.", examples=["10s"]
    )
    publish_queue_capacity: Count = Field(
        default=100,
        description="Buffers that may wait to be put; while they are that many, nothing is read from the files.",
        examples=[100],
        ge=1,
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.retry_max_backoff_s < self.retry_initial_backoff_s:
            raise SettingError(
                f"{self.retry_max_backoff_s:g} s is below retry_initial_backoff, {self.retry_initial_backoff_s:g} s",
                help="raise it",
                at=("retry_max_backoff",),
            )
        return self


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """The same as plain numbers."""

    age_us: int = 60_000_000
    records: int = 500
    size_bytes: int = 5 * 2**20
    base_us: int = 100_000
    cap_us: int = 10_000_000
    queue: int = 100


def agent_plan(agent: Agent | None) -> AgentPlan:
    """The plan of the settings.

    >>> agent_plan(None) == agent_plan(Agent()) == AgentPlan()
    True
    """
    agent = agent or Agent()
    return AgentPlan(
        parse_duration_us(agent.max_buffer_age_s),
        agent.max_buffer_records,
        agent.max_buffer_size_bytes,
        parse_duration_us(agent.retry_initial_backoff_s),
        parse_duration_us(agent.retry_max_backoff_s),
        agent.publish_queue_capacity,
    )


@rule
def agent_failures(failures: float, records: int, rejected: int) -> float:
    """The Agent's count of failures after a call: the rejected share is added, a success divides it by 10 (aws:A2).

    >>> agent_failures(0.0, 500, 500), agent_failures(2.0, 500, 300), agent_failures(20.0, 500, 0)
    (1.0, 2.6, 2.0)
    >>> agent_failures(5.0, 500, 0)                                             # below 1 it is over
    0.0
    """
    if rejected > 0:
        return failures + rejected / records
    recovered = failures / RECOVERY
    return recovered if recovered >= 1.0 else 0.0


@rule
def agent_backoff_us(failures: float, base_us: int, cap_us: int, u: float) -> int:
    """Wait before the Agent's next call, with *u* uniform in [0, 1): ``min(cap, base * 2^(n-1))``, 30 % up or down.

    n is the count of failures, rounded half up; no wait where that is 0 (aws:A2).

    >>> [agent_backoff_us(failures, 100_000, 10_000_000, 0.5) for failures in (0.4, 0.5, 1.0, 2.0, 3.6, 9.0)]
    [0, 100000, 100000, 200000, 800000, 10000000]
    >>> agent_backoff_us(1.0, 100_000, 10_000_000, 0.0), agent_backoff_us(9.0, 100_000, 10_000_000, 0.75)
    (70000, 11500000)
    """
    count = int(failures + 0.5)
    if count == 0:
        return 0
    wait = min(float(cap_us), base_us * FACTOR ** min(count - 1, 60))
    return int(wait * (1.0 + JITTER * (2.0 * u - 1.0)) + 0.5)
