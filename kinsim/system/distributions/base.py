"""What all numbers with a spread can do, plain values, and how `min` and `max` truncate."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, ConfigDict, Field, RootModel, WithJsonSchema, model_validator

from kinsim.errors import SettingError
from kinsim.units import SIZE_PATTERN, Duration, Settings, number_or_text, parse_number, parse_size

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Q = TypeVar("Q")
"""The quantity: seconds, bytes or a pure number."""

EXACT_SUMS = 64
"""Sums of up to this many draws are drawn one by one; above, by a normal with the same mean and variance."""

SMALLEST_SHARE = 1e-9
"""Truncation that leaves less than this share of a distribution is refused."""

Number = Annotated[
    float,
    BeforeValidator(lambda value: float(parse_number(value))),
    WithJsonSchema(number_or_text(r"^[0-9][0-9_]*(\.[0-9]+)?([eE][+-]?[0-9]+)?$")),
]
"""A number of 0 or more."""

Bytes = Annotated[float, BeforeValidator(parse_size), WithJsonSchema(number_or_text(SIZE_PATTERN))]
"""Bytes, perhaps with a fraction, as a mean may have."""

QUANTITIES: dict[str, Any] = {"Duration": Duration, "Size": Bytes, "Number": Number}
"""Names of what a distribution may be of; by them its classes are pickled and stand in the schema."""


class Named:
    """Gives each quantity's classes a name of their own, by which they are pickled and stand in the schema."""

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Such as ``Lognormal[Duration]``."""
        quantity = next((name for name, of in QUANTITIES.items() if params[0] == of), str(params[0]))
        return f"{cls.__name__}[{quantity}]"


class Distribution(Named, ABC):
    """What all numbers with a spread can do; SI units."""

    whole: ClassVar[bool] = False
    """Whether only whole numbers occur."""

    @property
    def lowest(self) -> float:
        """No value is below."""
        return self._limits()[0]

    @property
    def highest(self) -> float:
        """No value is above; may be infinite."""
        return self._limits()[1]

    @property
    def mean(self) -> float:
        """Mean of what is drawn, truncation included."""
        return self._moment(1)

    @property
    def variance(self) -> float:
        """Variance of what is drawn; may be infinite."""
        second = self._moment(2)
        return second if math.isinf(second) else max(0.0, second - self._moment(1) ** 2)

    @property
    def constant(self) -> float | None:
        """The one value, or None where values vary."""
        return None

    def sample(self, generator: np.random.Generator, n: int) -> Float64:
        """*n* independent values."""
        value = self.constant
        if value is not None:
            return np.full(n, value)
        return self._draw(generator, n)

    def sample_sums(self, generator: np.random.Generator, counts: Int64) -> Float64:
        """For each of *counts* the sum of that many independent values.

        Exact for exponential, gamma, geometric and Poisson values and for counts up to `EXACT_SUMS`;
        beyond, a normal distribution of the same mean and variance stands for the sum.
        """
        value = self.constant
        if value is not None:
            return np.asarray(counts * value, np.float64)
        return self._draw_sums(generator, counts)

    def quantile(self, p: float) -> float:
        """Smallest value that a share *p* of draws does not exceed."""
        value = self.constant
        return self._quantile(p) if value is None else value

    @abstractmethod
    def _limits(self) -> tuple[float, float]: ...

    @abstractmethod
    def _moment(self, k: int) -> float: ...

    @abstractmethod
    def _draw(self, generator: np.random.Generator, n: int) -> Float64: ...

    @abstractmethod
    def _quantile(self, p: float) -> float: ...

    def _draw_sums(self, generator: np.random.Generator, counts: Int64) -> Float64:
        summed = counts if math.isinf(self.variance) else np.where(counts <= EXACT_SUMS, counts, 0)
        sums = _sums_one_by_one(self, generator, summed)
        many = np.flatnonzero(summed < counts)
        if many.size:
            n = counts[many].astype(np.float64)
            drawn = n * self.mean + np.sqrt(n * self.variance) * generator.standard_normal(many.size)
            sums[many] = np.clip(drawn, n * self.lowest, n * self.highest)
            if self.whole:
                sums[many] = np.floor(sums[many] + 0.5)
        return sums


def _sums_one_by_one(spread: Distribution, generator: np.random.Generator, counts: Int64) -> Float64:
    sums = np.zeros(counts.size)
    ends = np.cumsum(counts)
    start = 0
    while start < counts.size:
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + 1_000_000, "right")))
        part = counts[start:stop]
        values = spread.sample(generator, int(part.sum()))
        used = np.flatnonzero(part)
        if used.size:
            sums[start + used] = np.add.reduceat(values, (np.cumsum(part) - part)[used])
        start = stop
    return sums


class Plain(Distribution, RootModel[Q], Generic[Q]):
    """A plain value: no spread."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    @property
    def value(self) -> float:
        """The value, in SI units."""
        return float(self.root)  # type: ignore[arg-type]

    @property
    def constant(self) -> float | None:
        """The value."""
        return self.value

    def _limits(self) -> tuple[float, float]:
        return self.value, self.value

    def _moment(self, k: int) -> float:
        return self.value**k

    def _draw(self, generator: np.random.Generator, n: int) -> Float64:
        return np.full(n, self.value)

    def _quantile(self, p: float) -> float:
        return self.value


class Spread(Distribution, Settings, Generic[Q]):
    """A family of distributions that `min` and `max` truncate.

    A family gives the draws, the quantiles and the partial moments of the whole distribution.
    """

    minimum: Q | None = Field(default=None, alias="min", description="Smaller values are drawn again.", examples=[1])
    maximum: Q | None = Field(default=None, alias="max", description="Larger values are drawn again.", examples=[1000])

    @abstractmethod
    def _whole_draw(self, generator: np.random.Generator, n: int) -> Float64: ...

    @abstractmethod
    def _whole_quantile(self, p: Float64) -> Float64: ...

    @abstractmethod
    def _partial(self, k: int, x: float) -> float:
        """E[X^k; X <= x] before truncation, for k = 0, 1, 2."""

    def _support(self) -> tuple[float, float]:
        return 0.0, math.inf

    @property
    def truncated(self) -> bool:
        """Whether `min` or `max` cut something off."""
        low, high = self._support()
        cut_low = self.minimum is not None and float(self.minimum) > low  # type: ignore[arg-type]
        return cut_low or (self.maximum is not None and float(self.maximum) < high)  # type: ignore[arg-type]

    def _limits(self) -> tuple[float, float]:
        low, high = self._support()
        if self.minimum is not None:
            low = max(low, float(self.minimum))  # type: ignore[arg-type]
        if self.maximum is not None:
            high = min(high, float(self.maximum))  # type: ignore[arg-type]
        return (math.ceil(low), math.floor(high) if math.isfinite(high) else high) if self.whole else (low, high)

    def _before(self) -> float:
        """The point up to which `min` cuts."""
        low = self._limits()[0]
        return low - 1 if self.whole else low

    def _share(self) -> float:
        return self._partial(0, self._limits()[1]) - self._partial(0, self._before())

    def _moment(self, k: int) -> float:
        if not self.truncated:
            return self._partial(k, math.inf)
        return (self._partial(k, self._limits()[1]) - self._partial(k, self._before())) / self._share()

    def _check(self) -> None:
        """Refuse parameters that do not make a distribution."""

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        self._check()
        low, high = self._limits()
        if low > high:
            raise SettingError("min is above max, so no value is left", at=("min",))
        if self.truncated and not self._share() > SMALLEST_SHARE:
            raise SettingError(
                "min and max leave less than a billionth of the distribution", help="widen them or change the mean"
            )
        return self

    def _draw(self, generator: np.random.Generator, n: int) -> Float64:
        if not self.truncated:
            return self._whole_draw(generator, n)
        if self._share() < 0.5:
            below = self._partial(0, self._before())
            values = self._whole_quantile(below + generator.random(n) * self._share())
            return np.clip(values, *self._limits())
        low, high = self._limits()
        values = self._whole_draw(generator, n)
        outside = np.flatnonzero((values < low) | (values > high))
        while outside.size:
            values[outside] = self._whole_draw(generator, outside.size)
            outside = outside[(values[outside] < low) | (values[outside] > high)]
        return values

    def _quantile(self, p: float) -> float:
        if self.truncated:
            p = self._partial(0, self._before()) + p * self._share()
        value = float(self._whole_quantile(np.array([min(p, 1.0)]))[0])
        low, high = self._limits()
        return min(max(value, low), high)


def above_zero(value: float, name: str) -> None:
    if value <= 0:
        raise SettingError(f"a {name} of 0 leaves nothing to vary", help="write the value alone", at=(name,))
