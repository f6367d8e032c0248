"""Statistics over replications: Student's intervals, and what they say about a limit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

Status = Literal["met", "missed", "undecided"]

MOST_REPLICATIONS = 100_000
"""More replications than this are not proposed."""


class Estimate(float):
    """A mean over replications, which is the number itself, with its spread.

    >>> e = estimate([1.0, 2.0, 3.0])
    >>> float(e), e.sd, e.n, round(e.ci_low, 3), round(e.ci_high, 3)
    (2.0, 1.0, 3, -0.484, 4.484)
    """

    ci_low: float | None
    ci_high: float | None
    sd: float | None
    n: int

    def __new__(
        cls,
        value: float,
        ci_low: float | None = None,
        ci_high: float | None = None,
        sd: float | None = None,
        n: int = 1,
    ) -> Estimate:
        """*value* with its interval, standard deviation and number of replications."""
        made = super().__new__(cls, value)
        made.ci_low, made.ci_high, made.sd, made.n = ci_low, ci_high, sd, n
        return made

    @classmethod
    def of(cls, numbers: Mapping[str, Any]) -> Estimate | None:
        """The estimate that stands in summary.json as *numbers*, None where no replication has a value."""
        return None if numbers["value"] is None else cls(**numbers)

    @property
    def value(self) -> float:
        """The mean."""
        return float(self)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return float(self), self.ci_low, self.ci_high, self.sd, self.n

    def as_dict(self) -> dict[str, float | None]:
        """As in summary.json."""
        return {"value": float(self), "ci_low": self.ci_low, "ci_high": self.ci_high, "sd": self.sd, "n": self.n}


NOTHING: dict[str, float | None] = {"value": None, "ci_low": None, "ci_high": None, "sd": None, "n": 0}
"""What stands in summary.json where no replication has a value."""


def estimate(values: Iterable[float | None], confidence: float = 0.95) -> Estimate | None:
    """Mean, standard deviation (n - 1) and Student's interval of independent *values*; None where there is none.

    Replications without a value do not count.  Equal values have an interval of no width, one value has none.
    """
    there = [v for v in values if v is not None]
    n = len(there)
    if n == 0:
        return None
    if min(there) == max(there):
        value = there[0]
        return Estimate(value, value, value, 0.0, n) if n > 1 else Estimate(value)
    mean = math.fsum(there) / n
    sd = math.sqrt(math.fsum((v - mean) ** 2 for v in there) / (n - 1))
    half = half_width(sd, n, confidence)
    return Estimate(mean, mean - half, mean + half, sd, n)


def half_width(sd: float, n: int, confidence: float = 0.95) -> float:
    """Half the width of Student's interval of the mean of *n* values with standard deviation *sd*.

    >>> round(half_width(1.0, 10), 4)          # 2.2622 / sqrt(10)
    0.7154
    """
    return student(n - 1, confidence) * sd / math.sqrt(n)


@lru_cache(maxsize=4096)
def student(degrees: int, confidence: float) -> float:
    """Student's t that a two-sided interval needs.

    >>> round(student(9, 0.95), 4), round(student(29, 0.99), 4)
    (2.2622, 2.7564)
    """
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + confidence / 2))


def kept_by(values: Iterable[float | None], limit: float, upper: bool) -> int:
    """How many of *values* keep to *limit* each by itself: a mean may keep what single runs do not.

    >>> kept_by([41.0, None, 63.0], 60.0, upper=True)
    1
    """
    return sum(value is not None and (value <= limit if upper else value >= limit) for value in values)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What replications say about a limit."""

    status: Status
    estimate: Estimate | None
    replications_needed: int | None = None
    """Where undecided: about how many replications would decide, if mean and spread stay as they are."""


def judge(values: Sequence[float | None], limit: float, upper: bool, confidence: float = 0.95) -> Verdict:
    """Whether the mean of *values* keeps to *limit*.

    Met or missed where the whole interval is on one side; undecided where it holds the limit, or where
    there is no value.  One replication has no interval: its value decides.  Where the limit is zero
    from above, anything above zero is a miss: such amounts cannot be negative.

    >>> judge([41.0, 42.0, 40.5], 60.0, upper=True).status, judge([61.0, 58.0, 62.0], 60.0, upper=True).status
    ('met', 'undecided')
    >>> judge([61.0, 58.0, 62.0], 60.0, upper=True).replications_needed
    153
    >>> judge([0.0, 3.0], 0.0, upper=True).status, judge([0.0, 0.0], 0.0, upper=True).status
    ('missed', 'met')
    """
    found = estimate(values, confidence)
    if found is None:
        return Verdict("undecided", None)
    low, high = found.ci_low, found.ci_high
    if low is None or high is None or (upper and limit <= 0):
        low = high = float(found)
    kept, broken = (high <= limit, low > limit) if upper else (low >= limit, high < limit)
    if kept or broken:
        return Verdict("met" if kept else "missed", found)
    return Verdict("undecided", found, replications_needed(found, limit, confidence))


def replications_needed(found: Estimate, limit: float, confidence: float = 0.95) -> int | None:
    """Replications at which the interval would no longer hold *limit*, if mean and spread stayed; None: too many."""
    distance = abs(float(found) - limit)
    if found.sd is None or distance <= 0:
        return None
    low, high = 2, 4
    while half_width(found.sd, high, confidence) >= distance:
        low, high = high, 2 * high
        if low > MOST_REPLICATIONS:
            return None
    while low < high:
        middle = (low + high) // 2
        if half_width(found.sd, middle, confidence) < distance:
            high = middle
        else:
            low = middle + 1
    return low
