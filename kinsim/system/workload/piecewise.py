"""Records at a rate that changes at given times."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from kinsim.errors import SettingError
from kinsim.system.workload.modulation import Modulated
from kinsim.units import Duration, Rate, Settings


class Segment(Settings):
    """A time with one rate."""

    until_s: Duration | None = Field(
        default=None, alias="until", description="When it ends; the last may go on to the end.", examples=["8h"], gt=0
    )
    rate_per_s: Rate = Field(alias="rate", description="Records per second.", examples=["300/s"])


class PiecewiseArrivals(Modulated):
    """A rate for each segment, the first from the start of the run; nothing comes after the last.

    With even spacing record k comes when the rate has added up to k, across segments.
    """

    model: Literal["piecewise"] = Field(description="A rate for each segment of time.", examples=["piecewise"])
    segments: list[Segment] = Field(
        description="Segments in order of time.",
        examples=[[{"until": "8h", "rate": "300/s"}, {"until": "24h", "rate": "900/s"}]],
        min_length=1,
    )
    spacing: Literal["even", "poisson"] = Field(
        default="poisson", description="Whether records are evenly spaced or come at random.", examples=["poisson"]
    )

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        before = 0.0
        for at, segment in enumerate(self.segments):
            if segment.until_s is None:
                if at < len(self.segments) - 1:
                    raise SettingError("only the last segment may have no until", at=("segments", at))
            elif segment.until_s <= before:
                raise SettingError(
                    f"{segment.until_s:g} s is not after the segment before, which ends at {before:g} s",
                    help="until counts from the start of the run",
                    at=("segments", at, "until"),
                )
            else:
                before = segment.until_s
        return self

    def mean_rate_per_s(self) -> float | None:
        """Records per second over the segments, without factors; that of the last where it has no end."""
        last = self.segments[-1]
        if last.until_s is None:
            return last.rate_per_s * self.long_run_factor()
        ends = [segment.until_s or 0.0 for segment in self.segments]
        lengths = [end - start for start, end in zip([0.0, *ends], ends, strict=False)]
        mass = sum(segment.rate_per_s * length for segment, length in zip(self.segments, lengths, strict=True))
        return mass / ends[-1] * self.long_run_factor()

    def peak_rate_per_s(self) -> float | None:
        """Highest rate."""
        return max(segment.rate_per_s for segment in self.segments) * self.highest_factor()
