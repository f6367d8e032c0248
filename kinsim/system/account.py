"""The account: concurrency that the function shares with everything else in it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from kinsim.units import Count, Duration, OptionalCount, Settings


class RegionBurst(Settings):
    """Scale-up of a region until 2023: a burst at once, then so many more each minute (aws:M22)."""

    kind: Literal["region_burst"] = Field(description="How concurrency may grow.", examples=["region_burst"])
    burst: Count = Field(description="Executions that may start at once.", examples=[3000])
    then_per_minute: Count = Field(description="Further executions per minute.", examples=[500])


class PerFunction(Settings):
    """Scale-up of each function since 2023 (aws:M23)."""

    kind: Literal["per_function"] = Field(description="How concurrency may grow.", examples=["per_function"])
    step: Count = Field(description="Executions that may be added per interval.", examples=[1000])
    every_s: Duration = Field(alias="every", description="The interval.", examples=["10s"], gt=0)


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
    other_functions: Any = Field(
        default=None, description="Concurrency that other functions take, over time.", examples=[200]
    )
