"""Records at random at a rate that switches: a Markov-modulated Poisson process."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from kinsim.errors import SettingError
from kinsim.system.workload.modulation import Modulated
from kinsim.units import Duration, Rate


class MmppArrivals(Modulated):
    """A Poisson process that stays an exponential time in each state, then goes on to the next, the last to the first.

    It starts in a state drawn in proportion to the mean stays, as if it had run for ever.
    """

    model: Literal["mmpp"] = Field(description="Random records at a rate that switches.", examples=["mmpp"])
    rates_per_s: list[Rate] = Field(
        alias="rates",
        description="Mean records per second in each state.",
        examples=[["100/s", "2_000/s"]],
        min_length=1,
    )
    mean_stays_s: list[Duration] = Field(
        alias="mean_stay", description="Mean time in each state.", examples=[["10m", "30s"]], min_length=1
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.rates_per_s) != len(self.mean_stays_s):
            raise SettingError(
                f"{len(self.rates_per_s)} rates and {len(self.mean_stays_s)} mean stays",
                help="give one each",
                at=("mean_stay",),
            )
        for at, stay in enumerate(self.mean_stays_s):
            if stay < 1e-3:
                raise SettingError(
                    f"a mean stay of {stay:g} s is too short", help="write 1ms or more", at=("mean_stay", at)
                )
        return self

    def mean_rate_per_s(self) -> float | None:
        """Records per second in the long run, without incidents."""
        mass = sum(rate * stay for rate, stay in zip(self.rates_per_s, self.mean_stays_s, strict=True))
        return mass / sum(self.mean_stays_s) * self.long_run_factor()

    def peak_rate_per_s(self) -> float | None:
        """Highest mean rate."""
        return max(self.rates_per_s) * self.highest_factor()
