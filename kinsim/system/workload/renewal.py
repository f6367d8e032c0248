"""Records with independent gaps: a renewal process."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from kinsim.errors import SettingError
from kinsim.system.distributions import DurationSpread
from kinsim.units import Settings


class RenewalArrivals(Settings):
    """Gaps drawn independently; the first record comes one gap after the start of the run."""

    model: Literal["renewal"] = Field(description="Independent gaps.", examples=["renewal"])
    gap_s: DurationSpread = Field(
        alias="gap",
        description="Time from record to record.",
        examples=[{"distribution": "gamma", "mean": "10ms", "cv": 2}],
    )

    @model_validator(mode="after")
    def _moves_on(self) -> Self:
        if self.gap_s.mean < 1e-7:
            raise SettingError("gaps have a mean below 0.1 us", help="write a longer gap", at=("gap",))
        return self

    def mean_rate_per_s(self) -> float | None:
        """Records per second in the long run."""
        return 1.0 / self.gap_s.mean

    def peak_rate_per_s(self) -> float | None:
        """The same: a renewal process has no rate that changes."""
        return self.mean_rate_per_s()
