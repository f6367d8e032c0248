"""Records evenly spaced."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from pydantic import Field

from kinsim.system.workload.modulation import Modulated
from kinsim.units import Duration, Rate


class ConstantArrivals(Modulated):
    """Record k at ``first + k/rate``, rounded half up to a microsecond.

    Where factors change the rate, record k comes when the rate has added up to k since `first`.
    """

    model: Literal["constant"] = Field(description="Evenly spaced records.", examples=["constant"])
    rate_per_s: Rate = Field(alias="rate", description="Records per second.", examples=["400/s"])
    first_s: Duration = Field(default=0.0, alias="first", description="Time of the first record.", examples=["0s"])

    def mean_rate_per_s(self) -> float | None:
        """Records per second in the long run, without incidents."""
        return self.rate_per_s * self.long_run_factor()

    def peak_rate_per_s(self) -> float | None:
        """Highest rate."""
        return self.rate_per_s * self.highest_factor()


def exact_rate(rate_per_s: float) -> Fraction:
    """The simplest fraction that is this number: what the user meant by a rate such as 70,000 per 300 s.

    >>> exact_rate(70_000 / 300), exact_rate(0.1), exact_rate(400.0)
    (Fraction(700, 3), Fraction(1, 10), Fraction(400, 1))
    """
    for digits in (3, 6, 9):
        fraction = Fraction(rate_per_s).limit_denominator(10**digits)
        if float(fraction) == rate_per_s:
            return fraction
    return Fraction(rate_per_s)
