"""The account: concurrency that the function shares with everything else in it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from kinsim.errors import SettingError
from kinsim.rule import rule
from kinsim.units import Count, Duration, OptionalCount, Settings, format_duration


class RegionBurst(Settings):
    """Scale-up of a region until 2023: a burst at once, then so many more each minute (aws:M22)."""

    kind: Literal["region_burst"] = Field(description="How concurrency may grow.", examples=["region_burst"])
    burst: Count = Field(description="Executions that may start at once.", examples=[3000])
    then_per_minute: Count = Field(description="Further executions per minute.", examples=[500], ge=1)


class PerFunction(Settings):
    """Scale-up of each function since 2023 (aws:M23)."""

    kind: Literal["per_function"] = Field(description="How concurrency may grow.", examples=["per_function"])
    step: Count = Field(description="Executions that may be added per interval.", examples=[1000], ge=1)
    every_s: Duration = Field(alias="every", description="The interval.", examples=["10s"], gt=0)


class OtherFunctions(Settings):
    """Concurrency of the other functions during a part of the run."""

    until_s: Duration | None = Field(
        default=None, alias="until", description="When it ends; the last may go on to the end.", examples=["8h"], gt=0
    )
    concurrency: Count = Field(description="Executions that they take.", examples=[900])


def _kind_of_scaling(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("kind"))
    return value if isinstance(value, str) else str(getattr(value, "kind", None))


Scaling = Annotated[
    Annotated[RegionBurst, Tag("region_burst")]
    | Annotated[PerFunction, Tag("per_function")]
    | Annotated[Literal["none"], Tag("none")],
    Discriminator(_kind_of_scaling),
]


def executions(account: int | None, reserved: int | None) -> int | None:
    """Most executions of the function at once: what is reserved for it, else what the account has (aws:M19, M20).

    >>> executions(1000, None), executions(1000, 5), executions(None, 5), executions(None, None)
    (1000, 5, 5, None)
    """
    return account if reserved is None else reserved


class Account(Settings):
    """Concurrency of the account in the region (aws:M19 to M25)."""

    concurrent_executions: OptionalCount = Field(
        description="Most executions at once in the account and region; unlimited: no limit (aws:M19).",
        examples=[1000],
        ge=1,
    )
    scaling: Scaling = Field(
        description="How fast concurrency may grow (aws:M22, M23); no limit while the shards are fewer than the burst.",
        examples=[{"kind": "per_function", "step": 1000, "every": "10s"}],
    )
    other_functions: Annotated[
        Annotated[Count, Tag("always")] | Annotated[list[OtherFunctions], Tag("in parts")],
        Discriminator(lambda value: "in parts" if isinstance(value, list) else "always"),
    ] = Field(
        default=0,
        description="Concurrency that the account's other functions take, a number or over time.",
        examples=[200],
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        limit, others = self.concurrent_executions, self.others_over_time[-1][1]
        if limit is not None and others >= limit:
            raise SettingError(
                f"the other functions take {others} of {limit} executions to the end: the function never runs",
                help="write less than concurrent_executions, or until when they take so much",
                at=("other_functions",),
            )
        if isinstance(self.other_functions, int):
            return self
        begins_s = 0.0
        for number, part in enumerate(self.other_functions):
            if part.until_s is None and number < len(self.other_functions) - 1:
                raise SettingError(
                    "only the last part goes on to the end", help="write until", at=("other_functions", number)
                )
            if part.until_s is not None and part.until_s <= begins_s:
                raise SettingError(
                    f"until {format_duration(part.until_s)} is not after {format_duration(begins_s)}, where it begins",
                    help="list the parts in order of time",
                    at=("other_functions", number, "until"),
                )
            begins_s = part.until_s or begins_s
        return self

    @property
    def others_over_time(self) -> list[tuple[float, int]]:
        """From when on, in seconds, the other functions take how much; nothing after the last part."""
        if isinstance(self.other_functions, int):
            return [(0.0, self.other_functions)]
        steps, begins_s = [], 0.0
        for part in self.other_functions:
            steps.append((begins_s, part.concurrency))
            if part.until_s is None:
                return steps
            begins_s = part.until_s
        return [*steps, (begins_s, 0)]


def most_executions(account: Account, reserved: int | None) -> int | None:
    """What the function can have at any time of the run, whatever the other functions take."""
    limit = executions(account.concurrent_executions, reserved)
    if limit is None or reserved is not None:
        return limit
    return executions_left(limit, max(others for _, others in account.others_over_time))


@rule
def executions_left(account: int, others: int) -> int:
    """What the other functions leave of the account's concurrency (aws:M19, M25).

    >>> executions_left(1000, 990), executions_left(1000, 2000)
    (10, 0)
    """
    return account - others if others < account else 0


@rule
def function_may_grow_us(grown_us: int, now_us: int, step: int, every_us: int) -> int:
    """When a function may have one more environment: *step* at once, refilled over *every_us* (aws:M23).

    *grown_us* is when what has been taken will have been refilled (see `environments_after`).

    >>> function_may_grow_us(0, 500, 4, 1_000), function_may_grow_us(1_500, 500, 4, 1_000)
    (500, 750)
    """
    free_us = grown_us + -(-every_us // step) - every_us
    return free_us if free_us > now_us else now_us


@rule
def environments_after(grown_us: int, now_us: int, step: int, every_us: int) -> int:
    """When the allowance is full again, once another environment has been taken from it (aws:M23).

    >>> environments_after(0, 500, 4, 1_000), environments_after(1_500, 500, 4, 1_000)
    (750, 1750)
    """
    return (grown_us if grown_us > now_us else now_us) + -(-every_us // step)


@rule
def region_allows(in_use: int, now_us: int, exceeded_us: int, burst: int, per_minute: int) -> int:
    """When a region may have one more execution than *in_use*: a burst, then so many more a minute (aws:M22).

    ASSUMPTION: minutes count from the instant *exceeded_us* at which the burst was first used up.

    >>> region_allows(2_999, 5, -1, 3_000, 500), region_allows(3_000, 5, 5, 3_000, 500)
    (5, 60000005)
    >>> region_allows(3_500, 70_000_000, 0, 3_000, 500)
    120000000
    """
    if in_use < burst:
        return now_us
    minutes = (in_use - burst) // per_minute + 1
    opens_us = exceeded_us + minutes * 60_000_000
    return opens_us if opens_us > now_us else now_us
