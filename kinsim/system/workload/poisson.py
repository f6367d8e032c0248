"""Records at random: a Poisson process."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kinsim.system.workload.modulation import Modulated
from kinsim.units import Rate


class PoissonArrivals(Modulated):
    """A Poisson process, whose rate may change with the time of day, the weekend and incidents."""

    model: Literal["poisson"] = Field(description="Records at random.", examples=["poisson"])
    rate_per_s: Rate = Field(alias="rate", description="Mean records per second.", examples=["400/s"])

    def mean_rate_per_s(self) -> float | None:
        """Records per second in the long run, without incidents."""
        return self.rate_per_s * self.long_run_factor()

    def peak_rate_per_s(self) -> float | None:
        """Highest mean rate."""
        return self.rate_per_s * self.highest_factor()
