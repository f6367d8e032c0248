"""Records in bursts."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from kinsim.errors import SettingError
from kinsim.system.distributions import DurationSpread, NumberSpread
from kinsim.units import Duration, Settings


class BurstArrivals(Settings):
    """Bursts of records, each at once or spread over a time."""

    model: Literal["bursts"] = Field(description="Records in bursts.", examples=["bursts"])
    every_s: DurationSpread = Field(
        alias="every", description="Time from the start of a burst to the next.", examples=["300s"]
    )
    size: NumberSpread = Field(description="Records of a burst.", examples=[70_000])
    spread_s: Duration = Field(
        default=0.0, alias="spread", description="Time over which a burst is spread; 0: all at once.", examples=["12s"]
    )
    spacing: Literal["uniform", "even"] = Field(
        default="uniform",
        description="Where the records of a spread burst lie: at random or at equal gaps.",
        examples=["even"],
    )
    first_s: Duration = Field(default=0.0, alias="first", description="Time of the first burst.", examples=["0s"])

    @model_validator(mode="after")
    def _moves_on(self) -> Self:
        if self.every_s.mean < 1e-3:
            raise SettingError("bursts are less than 1 ms apart", help="write a longer time", at=("every",))
        if math.isinf(self.size.mean) or self.size.mean > 1e12:
            raise SettingError("a burst has more than 10^12 records", at=("size",))
        return self

    def mean_rate_per_s(self) -> float | None:
        """Records per second in the long run."""
        return self.size.mean / self.every_s.mean

    def peak_rate_per_s(self) -> float | None:
        """Rate inside a burst of mean size; infinite where it comes at once."""
        if self.spread_s == 0:
            return math.inf
        return max(self.size.mean / self.spread_s, self.size.mean / self.every_s.mean)
